"""A table before anything of it is understood: every cell is text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from exposure.content import SOURCE_ROW
from exposure.errors import HoldingsError, Place
from exposure.portfolios.cells import clean_columns

MAX_COLUMNS = 2_000
MAX_ROWS = 2_000_000
MAX_CELLS = 40_000_000  # rows × columns: a file of short lines below one of 2,000 cells

Row = tuple[int, list[str | None]]


@dataclass(frozen=True, slots=True)
class Grid:
    """One sheet, or a whole text file.

    Parameters
    ----------
    sheet
        Name of the sheet; None where the file has none.
    rows
        | source_row [1, 2, ...] | c0 | c1 | ... |: the row of the file and its cells as text, null where empty. Rows
        without any text may be missing.
    hidden
        Whether the sheet is hidden.
    """

    sheet: str | None
    rows: pl.DataFrame
    hidden: bool = False

    @property
    def columns(self) -> list[str]:
        """Return the names of the cells' columns."""
        return [name for name in self.rows.columns if name != SOURCE_ROW]

    def head(self, count: int) -> list[Row]:
        """Return the first rows as lists, for looking at one by one."""
        return [(row[0], list(row[1:])) for row in self.rows.head(count).iter_rows()]

    def cleaned(self) -> Grid:
        """Return the grid with blanks and spreadsheet guards taken off every cell."""
        return Grid(self.sheet, clean_columns(self.rows), self.hidden)


def grid_of(
    numbers: Sequence[int] | pl.Series,
    columns: Sequence[pl.Series | Sequence[str | None]],
    sheet: str | None = None,
    *,
    hidden: bool = False,
) -> Grid:
    """Return a grid from row numbers and columns of text, its cells cleaned.

    Examples
    --------
    >>> grid_of([1, 2], [["listing", "000977.SZ"], ["weight", " 1 "]]).rows.rows()
    [(1, 'listing', 'weight'), (2, '000977.SZ', '1')]
    """
    rows = pl.DataFrame(
        [
            pl.Series(SOURCE_ROW, numbers, dtype=pl.Int64),
            *(pl.Series(f"c{at}", column, dtype=pl.String) for at, column in enumerate(columns)),
        ]
    )
    return Grid(sheet, rows, hidden).cleaned()


def too_wide(name: str, sheet: str | None, row: int, count: int) -> HoldingsError:
    """Return the refusal of a row with too many cells."""
    return HoldingsError(
        f"{name} has too many columns",
        places=[Place(name, f"has {count} cells, the limit is {MAX_COLUMNS}", sheet, row)],
        cure="export only the holdings table",
    )


def too_long(name: str, sheet: str | None) -> HoldingsError:
    """Return the refusal of a table with too many rows."""
    return HoldingsError(
        f"{name} has too many rows",
        places=[Place(name, f"has more than {MAX_ROWS} rows", sheet)],
        cure="export only the holdings of one day",
    )


def too_much(name: str, sheet: str | None, rows: int, columns: int) -> HoldingsError:
    """Return the refusal of a table whose cells would not fit."""
    return HoldingsError(
        f"{name} is too large",
        places=[
            Place(
                name, f"has {rows} rows of up to {columns} cells, the limit is {MAX_CELLS}", sheet
            )
        ],
        cure="export only the columns of the holdings table",
    )
