"""A security master of the user's own, read as text: one row a listing, whatever the headers are called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from exposure.content import ContentRoot, TomlFile, shipped_root
from exposure.errors import HoldingsError, Place
from exposure.portfolios.cells import parse_day, squeeze
from exposure.portfolios.grids import Row
from exposure.portfolios.securities import codes
from exposure.portfolios.securities.characters import simplified
from exposure.portfolios.securities.master import REFERENCE
from exposure.portfolios.securities.names import shown
from exposure.portfolios.tables import open_tables
from exposure.schemas import LISTING_PATTERN, issue

if TYPE_CHECKING:
    from exposure.portfolios.frames import Frame

WORDS = f"{REFERENCE}/own_master.toml"
MARKETS = "portfolios/layouts/generic.toml"
HEADER_SEARCH_ROWS = 20
NEVER = 2900  # a year from which on an end date means "no end"
FIELDS = (
    "code", "name_zh", "name_en", "former_names", "isin", "lei", "sedol", "figi", "exchange", "board", "currency",
    "share_class", "issuer", "country", "valid_from", "valid_to", "known_on", "lot",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class OwnMaster:
    """A security master of the user's own.

    Parameters
    ----------
    source
        CSV, XLSX, parquet or arrow file, or any frame that narwhals accepts.
    known_on
        The day of the data, for rows that don't say it. A row says who has a code on that day.
    name
        How to call a frame in messages.
    """

    source: str | Path | Frame
    known_on: date | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class OwnRow:
    """One row, understood: a listing id and what the file says of it; None where it says nothing."""

    file: str
    row: int
    listing_id: str
    board: str
    currency: str
    share_class: str | None
    name_zh: str | None = None
    name_en: str | None = None
    former_names: tuple[str, ...] = ()
    isin: str | None = None
    lei: str | None = None
    sedol: str | None = None
    figi: str | None = None
    issuer: str | None = None
    country: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    known_on: date | None = None
    lot: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of today that the row states."""
        return tuple(name for name in (self.name_zh, self.name_en) if name)

    @property
    def title(self) -> str:
        """What to call the row in a message."""
        return shown(self.name_zh or self.name_en or self.listing_id)


@dataclass(frozen=True, slots=True)
class _Words:
    fields: Mapping[str, tuple[str, int]]  # header → field and rank
    markets: Mapping[str, str]
    boards: Mapping[str, str]
    currencies: Mapping[str, str]
    share_classes: Mapping[str, str]
    blanks: frozenset[str]


class Say(Protocol):
    """Note an issue of the row at hand."""

    def __call__(
        self, severity: str, rule: str, message: str, column: str, cure: str | None = None
    ) -> None:
        """Note it: severity, rule, message, field, cure."""
        ...


@dataclass(slots=True)
class Reading:
    """What was read so far, and the issues met on the way."""

    rows: list[OwnRow] = field(default_factory=list[OwnRow])
    issues: list[dict[str, object]] = field(default_factory=list[dict[str, object]])


def read_own(sources: Iterable[OwnMaster], root: ContentRoot) -> Reading:
    """Read masters of the user's own.

    Returns
    -------
    Reading
        Rows in the order of the files. A row that can't be used is left out and an issue of
        severity ``error``; a cell that can't be used is left out and a ``warning``.

    Raises
    ------
    HoldingsError
        If a file can't be read, or has no column of codes.
    """
    words = _load_words(root)
    reading = Reading()
    for source in sources:
        _read(source, words, reading)
    return reading


def _load_words(root: ContentRoot) -> _Words:
    file = _toml(root, WORDS)
    file.check_keys(file.data, {"words", "boards", "share_classes", "cells"})
    listed: dict[str, list[str]] = file.need(file.data, "words")
    file.check_keys(listed, set(FIELDS), "words")
    fields: dict[str, tuple[str, int]] = {}
    for name, headers in listed.items():
        for rank, header in enumerate(headers):
            fields.setdefault(_key(header), (name, rank))
    markets = _toml(root, MARKETS)
    return _Words(
        fields=fields,
        markets=_reverse(markets.need(markets.data, "markets")),
        boards=_reverse(file.need(file.data, "boards")),
        currencies=_reverse(markets.need(markets.data, "currencies")),
        share_classes=_reverse(file.need(file.data, "share_classes")),
        blanks=frozenset(map(squeeze, file.need(file.need(file.data, "cells"), "blanks", "cells"))),
    )


def _toml(root: ContentRoot, name: str) -> TomlFile:
    """Read a file of words; a content root of its own that lacks it gets the shipped one."""
    home = root if root.has(name) else ContentRoot(shipped_root(), "shipped with the package")
    return home.read_toml(name)


def _key(text: str) -> str:
    return simplified(squeeze(text))


def _reverse(words: Mapping[str, Sequence[str]]) -> dict[str, str]:
    return {_key(word): meaning for meaning, list_ in words.items() for word in list_}


# --- from a file or frame to rows of text -----------------------------------------------------------------------------


def _read(source: OwnMaster, words: _Words, reading: Reading) -> None:
    opened = open_tables(
        source.source,
        lambda rows: len(_header(rows, words).columns),
        name=source.name or "security master",
    )
    name = opened.file
    found = [(grid, _header(grid.head(HEADER_SEARCH_ROWS), words)) for grid in opened.grids]
    grid, header = max(found, key=lambda pair: len(pair[1].columns))
    if "code" not in header.columns:
        raise HoldingsError(
            f"{name} has no column of security codes",
            places=[
                Place(name, "has no header such as 证券代码, wind_code or ticker in its first rows")
            ],
            cure=f"name the column code, or add its header to {WORDS}",
        )
    if header.unread:
        message = f"columns not read: {', '.join(header.unread)}"
        reading.issues.append(issue("info", name, "columns_not_read", message, row=header.row))
    taken = len(reading.rows)
    for number, *cells in grid.rows.iter_rows():
        if number > header.row:
            _read_row(source, name, number, cells, header.columns, words, reading)
    message = f"{len(reading.rows) - taken} listings read"
    reading.issues.append(issue("info", name, "own_master_read", message))


@dataclass(frozen=True, slots=True)
class _Header:
    """The row of headers that names most fields: field → column, and the headers that are not read."""

    row: int
    columns: Mapping[str, int]
    unread: tuple[str, ...]


def _header(rows: Sequence[Row], words: _Words) -> _Header:
    best = _Header(0, {}, ())
    for number, cells in rows[:HEADER_SEARCH_ROWS]:
        ranked: dict[str, tuple[int, int]] = {}
        seconds: list[str] = []
        unknown: list[str] = []
        for at, header in enumerate(cells):
            if header is None:
                continue
            known = words.fields.get(_key(header))
            if known is None:
                unknown.append(header)
                continue
            name, rank = known
            held = ranked.get(name)
            if held is not None:
                seconds.append(header if held[0] <= rank else str(cells[held[1]]))
            if held is None or rank < held[0]:
                ranked[name] = (rank, at)
        if len(ranked) > len(best.columns):
            columns = {name: at for name, (_, at) in ranked.items()}
            best = _Header(number, columns, (*seconds, *unknown))
    return best


# --- from cells to a listing ------------------------------------------------------------------------------------------


def _read_row(
    source: OwnMaster,
    file: str,
    number: int,
    cells: Sequence[str | None],
    columns: Mapping[str, int],
    words: _Words,
    reading: Reading,
) -> None:
    found: dict[str, str] = {}
    for name, at in columns.items():
        text = cells[at] if at < len(cells) else None
        if text is not None and squeeze(text) not in words.blanks:
            found[name] = text
    if not found:
        return

    def say(severity: str, rule: str, message: str, column: str, cure: str | None = None) -> None:
        raw = found.get(column)
        header = column
        reading.issues.append(
            issue(severity, file, rule, message, row=number, column=header, raw=raw, cure=cure)
        )

    listing_id = _listing_id(found, words, say)
    if listing_id is None:
        return
    venue = listing_id.rpartition(".")[2]
    days: dict[str, date | None] = {}
    for name in ("valid_from", "valid_to", "known_on"):
        day = parse_day(found[name]) if name in found else None
        if name in found and day is None:
            say("warning", "date_unreadable", "is not a date; left out", name, "write YYYY-MM-DD")
        days[name] = None if day is None or day.year >= NEVER else day
    begins, ends = days["valid_from"], days["valid_to"]
    if begins is not None and ends is not None and ends <= begins:
        say(
            "error",
            "dates_contradict",
            f"ends on {ends} and begins on {begins}",
            "valid_to",
            "correct the dates",
        )
        return
    identifiers = {kind: _identifier(kind, found, say) for kind in ("isin", "lei", "sedol", "figi")}
    country = found.get("country", "").upper()
    name_zh, name_en = found.get("name_zh"), found.get("name_en")
    if name_zh is not None and name_en is None and name_zh.isascii():
        name_zh, name_en = None, name_zh  # a column that is only called "name"
    elif name_en is not None and name_zh is None and codes.HAN.search(name_en):
        name_zh, name_en = name_en, None
    reading.rows.append(
        OwnRow(
            file=file,
            row=number,
            listing_id=listing_id,
            board=words.boards.get(_key(found.get("board", ""))) or _board(listing_id, venue),
            currency=_currency(found, listing_id, venue, words, say),
            share_class=words.share_classes.get(_key(found.get("share_class", ""))),
            name_zh=name_zh,
            name_en=name_en,
            former_names=_split_names(found.get("former_names")),
            isin=identifiers["isin"],
            lei=identifiers["lei"],
            sedol=identifiers["sedol"],
            figi=identifiers["figi"],
            issuer=found.get("issuer"),
            country=country
            if len(country) == 2 and country.isalpha() and country.isascii()
            else None,
            valid_from=begins,
            valid_to=ends,
            known_on=days["known_on"] or source.known_on,
            lot=_lot(found, say),
        )
    )


_LISTING = re.compile(LISTING_PATTERN)


def _listing_id(found: Mapping[str, str], words: _Words, say: Say) -> str | None:
    text = found.get("code")
    if text is None:
        say("error", "no_code", "row has no code; left out", "code", "fill in the code")
        return None
    form = codes.read_code(codes.fold(text))
    if form is None or form.kind != "ticker":
        what = (
            "is no code of a listing" if form is None else f"is an {form.kind.upper()}, not a code"
        )
        say("error", "code_form", f"{what}; row left out", "code", "write it as 000977.SZ")
        return None
    venue = form.venue
    stated = words.markets.get(_key(found["exchange"])) if "exchange" in found else None
    if venue and stated and venue != stated and not (venue == "CH" and stated in codes.MAINLAND):
        message = f"code says {codes.venue_name(venue)}, the exchange is {found['exchange']}; row left out"
        say("error", "market_contradicts_code", message, "code", "correct the code or the exchange")
        return None
    listing_id = _with_venue(form.text, venue if venue not in {None, "CH"} else stated or venue)
    if listing_id is None or not _LISTING.match(listing_id):
        say(
            "error",
            "code_without_market",
            "doesn't say its exchange; row left out",
            "code",
            "write it as 000977.SZ, or add a column for the exchange",
        )
        return None
    if (
        form.text.isdigit()
        and listing_id.rpartition(".")[2] in codes.MAINLAND
        and len(form.text) < 6
    ):
        message = f"{form.text} read as {listing_id}: zeros restored, the market agrees"
        say("info", "zeros_restored", message, "code")
    return listing_id


def _with_venue(ticker: str, venue: str | None) -> str | None:
    if not ticker.isdigit():
        return f"{ticker}.{venue or 'US'}"
    if venue == "HK":
        return codes.hong_kong(ticker) if len(ticker) <= codes.LONGEST_HONG_KONG else None
    padded = ticker.zfill(6)
    if venue in {None, "CH"}:
        home = codes.home_of(padded) if len(ticker) == 6 or venue == "CH" else None
        return f"{padded}.{home}" if home and codes.kind_of(padded, home) in codes.SHARES else None
    return f"{padded if venue in codes.MAINLAND else ticker}.{venue}"


def _identifier(kind: str, found: Mapping[str, str], say: Say) -> str | None:
    if kind not in found:
        return None
    text = codes.fold(found[kind]).upper()
    if codes.has_right_digits(kind, text):
        return text
    what = kind.upper()
    why = f"is no {what}"
    if codes.has_form(kind, text):
        digits = codes.right_digits(kind, text)
        why = f"is a {what} with wrong check digits (they must be {digits})"
    say("warning", f"{kind}_check_digit", f"{why}; left out", kind, f"correct the {what}")
    return None


def _board(listing_id: str, venue: str) -> str:
    """Return the board that the code and its exchange imply."""
    if venue == "SH":
        return "star" if listing_id.startswith("68") else "main"
    if venue == "SZ":
        return "chinext" if listing_id.startswith("30") else "main"
    return {"BJ": "bse", "HK": "hk", "US": "us"}.get(venue, "other")


_VENUE_CURRENCIES = {"HK": "HKD", "US": "USD", "KS": "KRW", "TW": "TWD", "T": "JPY"}


def _currency(
    found: Mapping[str, str], listing_id: str, venue: str, words: _Words, say: Say
) -> str:
    """Return the currency that the row states, else that of its exchange."""
    if "currency" in found:
        text = codes.fold(found["currency"]).upper()
        known = words.currencies.get(_key(text)) or text
        if re.fullmatch(r"[A-Z]{3}", known):
            return known
        say(
            "warning",
            "currency_unknown",
            "is no currency; that of the exchange is taken",
            "currency",
        )
    if codes.kind_of(listing_id[:6], venue) == "B share":
        return "USD" if venue == "SH" else "HKD"
    return _VENUE_CURRENCIES.get(venue, "CNY")


_BETWEEN_NAMES = re.compile(r"\s*(?:->|→|=>|[;；,，、|/])\s*")


def _split_names(text: str | None) -> tuple[str, ...]:
    return tuple(name for name in _BETWEEN_NAMES.split(text or "") if name)


def _lot(found: Mapping[str, str], say: Say) -> int | None:
    if "lot" not in found:
        return None
    text = found["lot"].replace(",", "")
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    say("warning", "lot_unreadable", "is no number of shares; left out", "lot")
    return None
