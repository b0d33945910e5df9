"""From a file or frame to one text table with known fields: ``RawHoldings``.

Everything stays text until its field is known, because a reader that infers types turns ``000977``
into 977. Columns are recognised by known layouts (``portfolios/layouts/*.toml``) and else by a
dictionary of header words; a column that is not known is listed, never guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from exposure.portfolios import accounts, headers, wide
from exposure.portfolios.body import StatedTotal, positions_below
from exposure.portfolios.grids import Grid
from exposure.portfolios.headers import ColumnUse
from exposure.portfolios.layouts import Layouts
from exposure.portfolios.preamble import StatedCash, cash_above, stated_date
from exposure.portfolios.tables import Tables, open_tables

if TYPE_CHECKING:
    from exposure.portfolios.frames import Frame


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
    rows, dropped, total = positions_below(grid, header, words, file, issues)
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
        as_of_text=stated_date(grid, header, words, file),
        may_be_partial=header.layout.may_be_partial if header.layout else False,
        values_in_base=rules is not None,
        stated_total=total,
        stated_cash=cash_above(grid, header, words),
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
