"""A table before anything of it is understood: every cell is text."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


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
