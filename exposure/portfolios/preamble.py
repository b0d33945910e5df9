"""What the lines above a table say: the day of the positions, and cash with the assets."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from exposure.errors import HoldingsError, Place
from exposure.portfolios.cells import parse_day, squeeze
from exposure.portfolios.dictionary import Dictionary
from exposure.portfolios.grids import Grid
from exposure.portfolios.headers import Header

_DAY = r"[\s:]{0,4}(\d{4}\s*[-/.年]\s*\d{1,2}\s*[-/.月]\s*\d{1,2}|\d{8}(?!\d))\s*日?\s*(?P<range>[-~至—]|to\b)?"
_AMOUNT = r"\s*(?:\([^)]*\))?\s*[:=]?\s*(-?[0-9][0-9,]*(?:\.[0-9]+)?)?"


@lru_cache(maxsize=16)
def _after(words: tuple[str, ...], what: str) -> re.Pattern[str]:
    """Return a pattern of a word of the dictionary and what follows it."""
    return re.compile(f"(?:{'|'.join(words)}){what}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class StatedCash:
    """Cash in a line above the table, and the total assets that it states with it."""

    row: int
    balance: float | None  # None: the words stand there, the amount can't be told
    assets: float | None
    text: str


def stated_date(grid: Grid, header: Header, dictionary: Dictionary, file: str) -> str | None:
    """Return the date that a line above the header states, e.g. ``Fund Holdings as of``."""
    mark = header.layout.as_of_line if header.layout else None
    if mark is None:
        return _day_above(grid, header, dictionary)
    for number, cells in grid.head(header.first):
        first = cells[0] if cells else None
        if first is None or not squeeze(first).startswith(mark):
            continue
        rest = squeeze(first)[len(mark) :].lstrip(":")
        stated = next((cell for cell in cells[1:] if cell), rest or None)
        if stated is None or parse_day(stated) is None:
            raise HoldingsError(
                f"{file} holds no data",
                places=[
                    Place(file, "states no date, which means no data", grid.sheet, number,
                          first, stated)
                ],
                cure="download the holdings of another day",
            )  # fmt: skip
        return stated
    return None


def _day_above(grid: Grid, header: Header, dictionary: Dictionary) -> str | None:
    """Return the one day that the lines above a header name; None where they name none or several."""
    found: set[date] = set()
    named_day = _after(dictionary.day_above, _DAY)
    for _, cells in grid.head(header.first):
        line = unicodedata.normalize("NFKC", " ".join(cell for cell in cells if cell))
        for match in named_day.finditer(line):
            if match["range"]:
                return None  # a period is no day
            day = parse_day(re.sub(r"[年月/.]", "-", re.sub(r"\s", "", match[1])))
            if day is not None:
                found.add(day)
    return found.pop().isoformat() if len(found) == 1 else None


def cash_above(grid: Grid, header: Header, dictionary: Dictionary) -> StatedCash | None:
    """Return cash and total assets that lines above the header state, as broker clients write them."""
    found: list[StatedCash] = []
    balances = _after(dictionary.balance_above, _AMOUNT)
    whole = _after(dictionary.assets_above, _AMOUNT)
    for number, cells in grid.head(header.first):
        line = unicodedata.normalize("NFKC", " ".join(cell for cell in cells if cell))
        for balance in balances.finditer(line):
            assets = whole.search(line)
            amounts = [None if m is None or m[1] is None else float(m[1].replace(",", ""))
                       for m in (balance, assets)]  # fmt: skip
            found.append(StatedCash(number, amounts[0], amounts[1], line[:200]))
    if len(found) > 1:  # several currencies or accounts: none of them is all of the cash
        return StatedCash(found[0].row, None, None, found[0].text)
    return found[0] if found else None
