"""What OFAC says in fixed words inside a remark: tickers, ISIN, the three dates of a securities ban, other names.

The screening list prints the same facts in its column ``ids``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from stdnum import isin

from exposure.lists.rows import clean_name, listing_of_ticker
from exposure.schemas import issue

LISTED, EFFECTIVE, DIVEST = "Listing", "Effective", "Purchase/Sales For Divestment"
FIXED_WORDS = ("Equity Ticker", "ISIN", "(CMIC)", "(USCC)")
ISIN_LENGTH = 12
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATED = re.compile(rf"^({LISTED}|{EFFECTIVE}|{DIVEST}) Date \(CMIC\)(.*)$", re.DOTALL)
_DAY = re.compile(r"^(\d{1,2}) (\w{3}) (\d{4})$")
_TRAILING = re.compile(r"\s*\((?:[A-Za-z ]+)\)$")


@dataclass(slots=True)
class Remarks:
    """What the remarks of a row say in fixed words."""

    listing_ids: list[str] = field(default_factory=list)
    isins: list[str] = field(default_factory=list)
    identifiers: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    weak_aliases: list[str] = field(default_factory=list)
    dates: dict[str, date] = field(default_factory=dict)


def read_remarks(
    remarks: str, file: str, line: int, name: str, issues: list[dict[str, object]]
) -> Remarks:
    """Read the remarks of a row; what is repaired or not understood is added to ``issues``."""
    said = Remarks()

    def note(severity: str, rule: str, message: str, raw: str) -> None:
        issues.append(issue(severity, file, rule, f"{name}: {message}", row=line, raw=raw))

    for part in remarks.rstrip(". ").split(";"):
        text = re.sub(r"^alt\. ", "", part.strip())
        dated = _DATED.match(text)
        if dated:
            day = _day(dated.group(2).strip())
            if day is None:
                note("warning", "date_unreadable", "is no day; not used", text)
            else:
                said.dates[dated.group(1)] = day
        elif text.startswith("Equity Ticker "):
            raw = text.removeprefix("Equity Ticker ")
            listing, proper = listing_of_ticker(raw)
            if listing and not proper:
                note("info", "ticker_repaired", f"read as {listing}", raw)
            if listing and listing not in said.listing_ids:
                said.listing_ids.append(listing)
        elif text.startswith("ISIN "):
            code = _TRAILING.sub("", text.removeprefix("ISIN ")).strip()
            if len(code) != ISIN_LENGTH:
                note("warning", "isin_malformed", f"has {len(code)} characters; not used", code)
            elif not isin.is_valid(code):
                note("warning", "isin_check_digit", "the check digit is wrong; not used", code)
            elif code not in said.isins:
                said.isins.append(code)
        elif text.startswith("Issuer Name "):
            said.aliases.append(clean_name(text.removeprefix("Issuer Name ")))
        elif "(USCC)" in text:
            said.identifiers.append(_TRAILING.sub("", text.partition("(USCC)")[2].strip()))
        elif text.startswith("a.k.a. "):
            # names in quotes inside a remark are what OFAC calls weak (FAQ 123)
            said.weak_aliases.append(clean_name(text.removeprefix("a.k.a. ").strip("'. ")))
    return said


def _day(text: str) -> date | None:
    match = _DAY.match(text)
    if match is None or match.group(2) not in MONTHS:
        return None
    day, month, year = match.groups()
    try:
        return date(int(year), MONTHS.index(month) + 1, int(day))
    except ValueError:
        return None


def remarks_of_ids(ids: Any) -> str:
    """Return the cell ``ids`` of the screening list in the form of OFAC's own remarks.

    Examples
    --------
    >>> remarks_of_ids("Equity Ticker, 002415 CN; ISIN, CNE100000PM8; Gender, Male")
    'Equity Ticker 002415 CN; ISIN CNE100000PM8; Gender Male'
    >>> remarks_of_ids([{"type": "ISIN", "number": "CNE100000PM8", "country": None}])
    'ISIN CNE100000PM8'
    """
    if isinstance(ids, list):
        return "; ".join(f"{one.get('type')} {one.get('number')}" for one in _records(ids))
    parts = str(ids or "").split("; ")
    return "; ".join(_without_country(part) for part in parts)


def _without_country(part: str) -> str:
    kind, _, number = part.partition(", ")
    return f"{kind} {re.sub(r', [A-Z]{2}$', '', number)}".strip()


def _records(items: list[Any]) -> Iterator[Mapping[str, Any]]:
    return (item for item in items if isinstance(item, Mapping))
