"""A history of weights with a row a day and a column a security: the row of one day becomes a table of holdings."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from exposure.content import SOURCE_ROW
from exposure.errors import HoldingsError, Place, UsageError
from exposure.portfolios.cells import parse_day, parse_number
from exposure.portfolios.dictionary import Dictionary
from exposure.portfolios.grids import Grid
from exposure.schemas import issue

SEARCH_ROWS = 10
MIN_SECURITIES = 3
SUM_SLACK = 0.01  # of a sum of hundreds of rounded weights
MIN_CODES = 0.6  # of the headers must look like codes
_CODE = re.compile(
    r"^(?:[0-9]{1,6}(?:[.\s](?:[A-Z]{1,4}[0-9]?))?|[A-Z]{2}[0-9]{6}|[A-Z]{1,5}(?:[.\s][A-Z]{1,2})?)$"
)


@dataclass(frozen=True, slots=True)
class WideTable:
    """Where the header of a history stands, and the day of each row below it."""

    header: int
    headers: tuple[str | None, ...]
    days: tuple[tuple[int, date], ...]  # position in the grid, day


def find_wide(grid: Grid, file: str) -> WideTable | None:
    """Return the history that a grid holds; None where it holds none.

    A history has codes across its header and days down its first column. ``07/13/2021`` decides for the whole column
    that the month stands first.

    Raises
    ------
    HoldingsError
        If every day of the column can be read in two ways.
    """
    rows = grid.head(SEARCH_ROWS)
    for index, (_, cells) in enumerate(rows):
        named = [cell for cell in cells[1:] if cell]
        codes = [cell for cell in named if _CODE.match(unicodedata.normalize("NFKC", cell).upper())]
        if len(codes) < MIN_SECURITIES or len(codes) < MIN_CODES * len(named):
            continue
        first = grid.rows[grid.columns[0]][index + 1 :].to_list()
        days = _days(first, grid, index + 1, file)
        if days is not None:
            positions = tuple((index + 1 + at, day) for at, day in days)
            return WideTable(index, tuple(cells), positions)
    return None


def _days(
    texts: Sequence[str | None], grid: Grid, start: int, file: str
) -> list[tuple[int, date]] | None:
    filled = [(at, text) for at, text in enumerate(texts) if text]
    while filled and not any(char.isdigit() for char in filled[-1][1][:8]):
        filled.pop()  # a note under the table
    if not filled:
        return None
    readings: list[list[tuple[int, date]]] = []
    for form in (None, "%m/%d/%Y", "%d/%m/%Y"):
        found: list[tuple[int, date]] = []
        for at, text in filled:
            day = _day(text, form)
            if day is None:
                break
            found.append((at, day))
        else:
            readings.append(found)
    if len(readings) > 1:
        row = int(grid.rows[SOURCE_ROW][start + filled[0][0]])
        raise HoldingsError(
            f"the days of {file} can be read in two ways",
            places=[
                Place(file, "may begin with the day or with the month", grid.sheet, row,
                      value=filled[0][1])
            ],
            cure="write the days as 2025-01-24",
        )  # fmt: skip
    return readings[0] if readings else None


def _day(text: str, form: str | None) -> date | None:
    if form is None:
        return None if "/" in text and not text[:4].isdigit() else parse_day(text)
    try:
        return datetime.strptime(text.strip(), form).date()  # noqa: DTZ007 - a calendar day has no zone
    except ValueError:
        return None


def holdings_of_day(
    grid: Grid,
    table: WideTable,
    as_of: date | None,
    dictionary: Dictionary,
    file: str,
    issues: list[dict[str, object]],
) -> tuple[pl.DataFrame, date, int]:
    """Return the holdings of the newest day up to ``as_of``.

    Returns
    -------
    tuple
        | source_row | code | name | weight | as text, the day, and the count of totals left out.

    Raises
    ------
    UsageError
        If the history holds several days and ``as_of`` is None.
    HoldingsError
        If every day is later than ``as_of``, or the day stands in two rows that differ.
    """
    known = sorted({day for _, day in table.days})
    if as_of is None and len(known) > 1:
        raise UsageError(
            f"{file} is a history of {len(known)} days, {known[0]} to {known[-1]}",
            cure="say which day: --as-of YYYY-MM-DD (as_of=...)",
        )
    past = [day for day in known if as_of is None or day <= as_of]
    if not past:
        raise HoldingsError(
            f"{file} begins after {as_of}",
            places=[Place(file, f"its first day is {known[0]}", grid.sheet)],
            cure="give a later day, or an older history",
        )
    day = past[-1]
    positions = [position for position, found in table.days if found == day]
    cells = [grid.rows.row(position) for position in positions]
    if len({row[1:] for row in cells}) > 1:
        raise HoldingsError(
            f"{file} has {len(cells)} rows of {day} that differ",
            places=[
                Place(file, "is the same day", grid.sheet, row[0], value=row[1]) for row in cells
            ],
            cure="keep one of them",
        )
    row = cells[0]
    if len(positions) > 1:
        message = f"{day} stands in {len(positions)} rows, all alike; one was read"
        issues.append(issue("info", file, "day_repeated", message, sheet=grid.sheet, row=row[0]))
    message = f"a history of {len(known)} days; the row of {day} was read"
    issues.append(issue("info", file, "history", message, sheet=grid.sheet, row=row[0]))
    records: list[tuple[int, str | None, str | None, str]] = []
    totals = 0
    stated: tuple[str, float] | None = None
    for header, cell in zip(table.headers[1:], row[2:], strict=False):
        if cell is None or dictionary.is_blank(cell):
            continue
        named = None if header is None or dictionary.is_blank(header) else header
        if named is not None and dictionary.is_total(named):
            totals += 1
            number = parse_number(cell)
            if number is not None and dictionary.is_grand_total(named):
                stated = (named, number.value)
            continue
        is_cash = named is not None and dictionary.is_cash(named)
        records.append((row[0], named, named if is_cash else None, cell))
    if not records:
        raise HoldingsError(
            f"{file} holds nothing on {day}",
            places=[Place(file, "has no weights", grid.sheet, row[0], value=day.isoformat())],
            cure="name another day with --as-of",
        )
    _check_sum(records, stated, grid.sheet, file)
    schema = {SOURCE_ROW: pl.Int64, "code": pl.String, "name": pl.String, "weight": pl.String}
    return pl.DataFrame(records, schema=schema, orient="row"), day, totals


def _check_sum(
    records: list[tuple[int, str | None, str | None, str]],
    stated: tuple[str, float] | None,
    sheet: str | None,
    file: str,
) -> None:
    """Refuse a row whose cells don't add up to its column of sums."""
    if stated is None:
        return
    header, total = stated
    numbers = [(parse_number(cell), name is not None) for _, _, name, cell in records]
    found = sum(number.value for number, _ in numbers if number is not None)
    invested = sum(
        number.value for number, is_cash in numbers if number is not None and not is_cash
    )
    if min(abs(found - total), abs(invested - total)) > SUM_SLACK * abs(total):
        raise HoldingsError(
            f"a row of {file} does not add up",
            places=[
                Place(file, f"is not the sum of the row, which is {found:.2f}", sheet, records[0][0],
                      header, f"{total:g}")
            ],
            cure="export the history again",
        )  # fmt: skip
