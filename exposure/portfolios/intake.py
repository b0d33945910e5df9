"""From a file or frame to one text table with known fields: ``RawHoldings``.

Everything stays text until its field is known, because a reader that infers types turns ``000977``
into 977. Columns are recognised by known layouts (``portfolios/layouts/*.toml``) and else by a
dictionary of header words; a column that is not known is listed, never guessed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from exposure.content import SOURCE_ROW
from exposure.errors import HoldingsError, Place
from exposure.portfolios import accounts, headers, wide
from exposure.portfolios.cells import Number, parse_day, parse_number, squeeze, texts_where
from exposure.portfolios.grids import Grid
from exposure.portfolios.headers import ColumnUse, Header
from exposure.portfolios.layouts import Dictionary, Layouts
from exposure.portfolios.tables import Tables, open_tables
from exposure.schemas import issue

if TYPE_CHECKING:
    from exposure.portfolios.frames import Frame

MAX_DROPPED_SHOWN = 500
LONE = "lone"
_CODE_LIKE = r"^[A-Z0-9.\- ]*[0-9][A-Z0-9.\- ]*$"
_NO_NOTE = r"^[A-Za-z]{0,4}[.:]?[0-9][0-9A-Za-z.\-]*$"  # codes and line numbers


@dataclass(frozen=True, slots=True)
class StatedTotal:
    """The amount in a closing row such as 合计: of values where there are some, else of weights."""

    field: str
    row: int
    number: Number
    text: str


@dataclass(frozen=True, slots=True)
class StatedCash:
    """Cash in a line above the table, and the total assets that it states with it."""

    row: int
    balance: float | None  # None: the words stand there, the amount can't be told
    assets: float | None
    text: str


@dataclass(frozen=True, slots=True)
class RawHoldings:
    """A holdings table as text.

    Parameters
    ----------
    rows
        ``source_row`` and one text column a known field; rows that are totals, notes or blank are
        gone and counted in ``issues``.
    columns
        What was taken for what.
    header_cells
        The header as it stands, two lines of it joined.
    seconds
        Header not used, field, and the header that was used for it.
    codes
        A second column of codes.
    unknown
        Headers of columns that were not read because nothing is known of them.
    as_of_text
        A date stated above the header, or the day of a history.
    values_in_base
        Whether values are known to be in the currency of the fund, whatever a line is quoted in.
    stated_total
        What the last row says that the amounts above it add up to.
    stated_cash
        What a line above the table says of cash.
    sha256
        Of the bytes of the file, or of a frame's CSV text.
    """

    file: str
    sheet: str | None
    layout: str
    rows: pl.DataFrame
    columns: tuple[ColumnUse, ...]
    header_cells: tuple[str | None, ...]
    seconds: tuple[tuple[str, str, str], ...]
    codes: tuple[ColumnUse, ...]
    unknown: tuple[str, ...]
    as_of_text: str | None
    may_be_partial: bool
    values_in_base: bool
    stated_total: StatedTotal | None
    stated_cash: StatedCash | None
    sha256: str
    issues: tuple[dict[str, object], ...]
    dropped: int

    def header(self, field: str) -> str | None:
        """Return the header that was taken for ``field``."""
        return next((use.header for use in self.columns if use.field == field), None)

    def unit(self, field: str) -> float | None:
        """Return the multiplier that header or layout state for ``field``."""
        return next((use.unit for use in self.columns if use.field == field), None)


def read_raw(
    source: str | Path | Frame,
    layouts: Layouts,
    *,
    name: str | None = None,
    as_of: date | None = None,
) -> RawHoldings:
    """Read a file or any frame into a text table with known fields.

    Parameters
    ----------
    source
        A path, or a frame of polars, pandas, PyArrow or whatever narwhals accepts.
    name
        How to call a frame in messages.
    as_of
        Which day of a history to read: the newest up to this one.

    Raises
    ------
    HoldingsError
        If the file can't be read or is not a table of holdings.
    UsageError
        If a history holds several days and none is given.
    """
    issues: list[dict[str, object]] = []
    opened = open_holdings(source, layouts, name=name, issues=issues)
    file, digest, grids = opened.file, opened.sha256, opened.grids
    history = _history(grids, layouts, file)
    if history is not None:
        return _read_history(*history, as_of, layouts, file, digest, issues)
    grid, header = headers.choose_header(grids, layouts, file, issues)
    headers.describe(header, file, grid.sheet, issues)
    rules = header.layout.accounts if header.layout else None
    words = layouts.dictionary
    if rules is not None:  # a total is a check there, not a row to drop
        words = replace(words, totals=frozenset(), total_patterns=())
    rows, dropped, total = _body(grid, header, words, file, issues)
    if rules is not None:
        before = rows.height
        rows = accounts.positions_of(rows, rules, file, grid.sheet, issues)
        dropped += before - rows.height
    return RawHoldings(
        file=file,
        sheet=grid.sheet,
        layout=header.layout.layout_id if header.layout else "generic",
        rows=rows,
        columns=header.columns,
        header_cells=header.cells,
        seconds=header.seconds,
        codes=header.codes,
        unknown=header.unknown,
        as_of_text=_stated_date(grid, header, file),
        may_be_partial=header.layout.may_be_partial if header.layout else False,
        values_in_base=rules is not None,
        stated_total=total,
        stated_cash=_cash_above(grid, header),
        sha256=digest,
        issues=tuple(issues),
        dropped=dropped,
    )


def open_holdings(
    source: str | Path | Frame,
    layouts: Layouts,
    *,
    name: str | None = None,
    issues: list[dict[str, object]] | None = None,
) -> Tables:
    """Return the tables of a file or frame as text; header words of holdings decide the delimiter."""
    return open_tables(
        source,
        lambda rows: headers.known_words(rows, layouts),
        name=name or "frame",
        issues=issues,
    )


# --- histories ------------------------------------------------------------------------------------


def _history(
    grids: Sequence[Grid], layouts: Layouts, file: str
) -> tuple[Grid, wide.WideTable] | None:
    """Return the history among the sheets that have no header of holdings."""
    for grid in grids:
        if headers.find_header(grid.head(headers.HEADER_SEARCH_ROWS), layouts) is None:
            table = wide.find_wide(grid, file)
            if table is not None:
                return grid, table
    return None


def _read_history(
    grid: Grid,
    table: wide.WideTable,
    as_of: date | None,
    layouts: Layouts,
    file: str,
    digest: str,
    issues: list[dict[str, object]],
) -> RawHoldings:
    rows, day, totals = wide.holdings_of_day(grid, table, as_of, layouts.dictionary, file, issues)
    return RawHoldings(
        file=file,
        sheet=grid.sheet,
        layout="history",
        rows=rows,
        columns=(ColumnUse("the header", "code", 0, None), ColumnUse("the row", "weight", 1, None)),
        header_cells=("the header", "the row"),
        seconds=(),
        codes=(),
        unknown=(),
        as_of_text=day.isoformat(),
        may_be_partial=True,
        values_in_base=False,
        stated_total=None,
        stated_cash=None,
        sha256=digest,
        issues=tuple(issues),
        dropped=totals,
    )


# --- rows -----------------------------------------------------------------------------------------


def _body(
    grid: Grid,
    header: Header,
    dictionary: Dictionary,
    file: str,
    issues: list[dict[str, object]],
) -> tuple[pl.DataFrame, int, StatedTotal | None]:
    """Return the rows below the header that are positions, the count of totals and notes, and the closing total."""
    table = grid.rows.slice(header.last + 1)
    names = grid.columns
    blank_text = _blank_rule(dictionary)
    columns = [
        column.zip_with(~texts_where(column, blank_text), pl.Series([None], dtype=pl.String))
        for column in (table[name] for name in names)
    ]
    cells = pl.DataFrame([table[SOURCE_ROW], *columns])
    filled = cells.select(pl.sum_horizontal(pl.col(names).is_not_null().cast(pl.UInt32)))
    count = filled.to_series()
    blank = int((count == 0).sum())
    if grid.sheet:
        blank += _gaps(grid, header)
    cells = cells.filter(count > 0)
    reasons = _drop_reasons(cells, header, dictionary)
    _report_dropped(cells, reasons, file, grid.sheet, issues)
    kept = cells.filter(reasons.is_null())
    _refuse_shifted(kept, header.width, names, file, grid.sheet)
    if blank:
        issues.append(issue("info", file, "blank_rows", f"{blank} blank rows", sheet=grid.sheet))
    kept = _without_headers(kept, header, names, file, grid.sheet, issues)
    rows = kept.select(
        SOURCE_ROW,
        *(pl.col(names[use.position]).alias(use.field) for use in (*header.columns, *header.codes)),
        _is_lone(header, names),
    )
    return rows, int(reasons.is_not_null().sum()), _stated_total(cells, reasons, header, dictionary)


def _stated_total(
    cells: pl.DataFrame, reasons: pl.Series, header: Header, dictionary: Dictionary
) -> StatedTotal | None:
    """Return the value in the total that closes a table; totals inside it may be of anything."""
    table = cells.with_columns(reasons.alias("reason")).filter(
        pl.col("reason").fill_null("") != "a note"
    )
    if table.is_empty() or table["reason"][-1] != "a total":
        return None
    row, *texts, _ = table.row(-1)
    label = next((text for text in texts if text), "")
    earlier = table["reason"].slice(0, table.height - 1).fill_null("") == "a total"
    if squeeze(label).rstrip(":") not in dictionary.grand_totals or earlier.any():
        return None  # with totals inside the table nobody can say what the last one adds up
    used = {use.field: use.position for use in header.columns}
    for field in ("value", "weight"):
        text = texts[used[field]] if field in used else None
        number = parse_number(text) if text else None
        if number is not None and text is not None:
            return StatedTotal(field, row, number, text)
    return None


def _gaps(grid: Grid, header: Header) -> int:
    """Count rows that a sheet's reader left out because they hold nothing."""
    numbers = grid.rows[SOURCE_ROW].slice(header.last)
    return int((numbers.diff().drop_nulls() - 1).clip(lower_bound=0).sum())


def _blank_rule(dictionary: Dictionary) -> Callable[[str], bool]:
    def rule(text: str) -> bool:
        return len(text) < 8 and squeeze(text) in dictionary.blanks

    return rule


def _drop_reasons(cells: pl.DataFrame, header: Header, dictionary: Dictionary) -> pl.Series:
    """Say of each row why it is no position: ``a total`` or ``a note``; null where it may be one."""
    names = [name for name in cells.columns if name != SOURCE_ROW]
    first = cells.select(pl.coalesce(names)).to_series()
    labels = [names[u.position] for u in header.columns if u.field in {"code", "name"}]
    # what stands in front of a code is a remark about it, not the name of the row
    unlabelled = cells.select(pl.all_horizontal(pl.col(labels).is_null())).to_series()

    def is_total(text: str) -> bool:
        if len(text) >= headers.LONGEST_HEADER:
            return False
        word = squeeze(text).rstrip(":")
        return word in dictionary.totals or any(p.search(word) for p in dictionary.total_patterns)

    def is_note(text: str) -> bool:
        return squeeze(text[:200]).startswith(dictionary.notes)

    # a total may hold a count: 合计:2只
    total = unlabelled & texts_where(first, is_total, skip=_NO_NOTE)
    note = unlabelled & texts_where(first, is_note, skip=_NO_NOTE)
    for label in labels:
        total |= texts_where(cells[label], is_total, skip=_NO_NOTE)
        note |= texts_where(cells[label], is_note, skip=_NO_NOTE)
    named = [names[use.position] for use in header.columns]
    # nothing in a column that is read: whatever it says is no position
    note |= cells.select(pl.all_horizontal(pl.col(named).is_null())).to_series()
    reason = pl.when(total).then(pl.lit("a total")).when(note).then(pl.lit("a note"))
    return cells.select(reason.alias("reason")).to_series()


def _is_lone(header: Header, names: list[str]) -> pl.Expr:
    """Mark a code or name that stands alone in its row: a remark, unless it is a security without an amount."""
    labels = [names[u.position] for u in header.columns if u.field in {"code", "name"}]
    others = [name for name in names if name not in labels]
    alone = pl.sum_horizontal(pl.col(labels).is_not_null().cast(pl.UInt32)) == 1
    empty = pl.all_horizontal(pl.col(others).is_null()) if others else pl.lit(value=True)
    # 68804I is a code with a slip in it, not a remark
    text = pl.coalesce(labels).str.to_uppercase()
    return (alone & empty & ~text.str.contains(_CODE_LIKE)).alias(LONE)


def _without_headers(
    kept: pl.DataFrame,
    header: Header,
    names: list[str],
    file: str,
    sheet: str | None,
    issues: list[dict[str, object]],
) -> pl.DataFrame:
    """Leave out rows that repeat the header, as exports of several accounts do."""
    same = pl.all_horizontal(
        pl.col(names[use.position]) == use.header for use in header.columns
    ).fill_null(value=False)
    repeated = kept.filter(same)
    for row in repeated[SOURCE_ROW].head(MAX_DROPPED_SHOWN):
        issues.append(
            issue(
                "info", file, "header_repeated", "repeats the header; dropped", sheet=sheet, row=row
            )
        )
    return kept.filter(~same) if repeated.height else kept


def _report_dropped(
    cells: pl.DataFrame,
    reasons: pl.Series,
    file: str,
    sheet: str | None,
    issues: list[dict[str, object]],
) -> None:
    dropped = cells.with_columns(reasons).filter(pl.col("reason").is_not_null())
    for row in dropped.head(MAX_DROPPED_SHOWN).iter_rows():
        number, texts, reason = row[0], row[1:-1], row[-1]
        raw = " | ".join(text for text in texts if text)[:200]
        issues.append(
            issue("info", file, "row_dropped", f"is {reason}; dropped", sheet=sheet, row=number,
                  raw=raw)
        )  # fmt: skip
    rest = dropped.height - MAX_DROPPED_SHOWN
    if rest > 0:
        message = f"{rest} more totals and notes dropped"
        issues.append(issue("info", file, "row_dropped", message, sheet=sheet))


def _refuse_shifted(
    kept: pl.DataFrame, width: int, names: list[str], file: str, sheet: str | None
) -> None:
    """Refuse rows with more cells than the header: every column after the fault would be the wrong one."""
    beyond = names[width:]
    if not beyond:
        return
    extra = kept.select(SOURCE_ROW, pl.coalesce(beyond).alias("extra")).drop_nulls("extra")
    if extra.is_empty():
        return
    why = "has more cells than the header; a thousands separator without quotes?"
    raise HoldingsError(
        f"{file} has {extra.height} rows that don't fit its header",
        places=[
            Place(file, why, sheet, number, value=text)
            for number, text in extra.head(MAX_DROPPED_SHOWN).iter_rows()
        ],
        cure="export the table again with quotes around cells that hold the delimiter",
    )


def _stated_date(grid: Grid, header: Header, file: str) -> str | None:
    """Return the date that a line above the header states, e.g. ``Fund Holdings as of``."""
    mark = header.layout.as_of_line if header.layout else None
    if mark is None:
        return _day_above(grid, header)
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


# the day of the positions, by the words that name it; a founding or printing date is another
_NAMED_DAY = re.compile(
    r"(?:估值日期?|持仓日期?|截至日期?|截止日期?|数据日期|业务日期|(?<![一-鿿])日期|(?<![a-z])as\s*of"
    r"|(?:valuation|position|holdings?)\s*date|^date)[\s:]{0,4}"
    r"(\d{4}\s*[-/.年]\s*\d{1,2}\s*[-/.月]\s*\d{1,2}|\d{8}(?!\d))\s*日?\s*(?P<range>[-~至—]|to\b)?",
    re.IGNORECASE,
)


def _day_above(grid: Grid, header: Header) -> str | None:
    """Return the one day that the lines above a header name; None where they name none or several."""
    found: set[date] = set()
    for _, cells in grid.head(header.first):
        line = unicodedata.normalize("NFKC", " ".join(cell for cell in cells if cell))
        for match in _NAMED_DAY.finditer(line):
            if match["range"]:
                return None  # a period is no day
            day = parse_day(re.sub(r"[年月/.]", "-", re.sub(r"\s", "", match[1])))
            if day is not None:
                found.add(day)
    return found.pop().isoformat() if len(found) == 1 else None


_NAMED_AMOUNT = r"\s*(?:\([^)]*\))?\s*[:=]?\s*(-?[0-9][0-9,]*(?:\.[0-9]+)?)?"
_BALANCE = re.compile(
    r"(?:(?<![一-鿿])资金余额|(?<![一-鿿])余额|资金总额|cash balance)" + _NAMED_AMOUNT, re.I
)
_ASSETS = re.compile(r"(?:总资产|(?<![一-鿿])资产|total assets)" + _NAMED_AMOUNT, re.I)


def _cash_above(grid: Grid, header: Header) -> StatedCash | None:
    """Return cash and total assets that lines above the header state, as broker clients write them."""
    found: list[StatedCash] = []
    for number, cells in grid.head(header.first):
        line = unicodedata.normalize("NFKC", " ".join(cell for cell in cells if cell))
        for balance in _BALANCE.finditer(line):
            assets = _ASSETS.search(line)
            amounts = [None if m is None or m[1] is None else float(m[1].replace(",", ""))
                       for m in (balance, assets)]  # fmt: skip
            found.append(StatedCash(number, amounts[0], amounts[1], line[:200]))
    if len(found) > 1:  # several currencies or accounts: none of them is all of the cash
        return StatedCash(found[0].row, None, None, found[0].text)
    return found[0] if found else None
