"""Cells of a sheet as they stream by: where they lie, and that every reader must see the same ones.

A reader makes room for the rectangle of all cells, so one far cell costs what a full sheet costs.
Rows and cells must come in order: where they don't, readers keep different ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from exposure.errors import HoldingsError
from exposure.portfolios.preflight.refusals import SAVE_AGAIN, refused

MAX_AREA = 5_000_000  # cells of the rectangle from the first to the last used cell
MAX_CELLS = 1_000_000  # of all sheets
MAX_SHEET_ROWS = (
    200_000  # a file formatted down to row 1,048,576 takes minutes to read and holds nothing
)
LAST_ROW, LAST_COLUMN = 1_048_576, 16_384  # of the format

_TAG = re.compile(rb"<(?:[\w.\-]+:)?(row|c)(?=[\s/>])")
_ATTRIBUTES = re.compile(rb"""((?:\s+[\w:.\-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*/?>""")
_REF = re.compile(rb"""\sr\s*=\s*["']([^"']*)["']""")
_CELL = re.compile(rb"^([A-Z]{1,3})([1-9][0-9]{0,6})$")


@dataclass(slots=True)
class Extent:
    """The used area of one sheet, grown while its cells stream by."""

    ordered: bool = False  # whether a row or cell out of order is refused
    first_row: int = 0
    last_row: int = 0
    first_column: int = 0
    last_column: int = 0
    row: int = 0
    column: int = 0
    rows: int = 0
    cells: int = 0
    cells_before: int = 0  # in the parts before this one

    @property
    def area(self) -> int:
        """Cells of the rectangle from the first to the last used cell."""
        if not self.cells:
            return 0
        return (self.last_row - self.first_row + 1) * (self.last_column - self.first_column + 1)

    def add_row(self, number: int | None) -> bool:
        """Move to a row, without a number to the next one; tell whether it follows the last one."""
        follows = number is None or number > self.row
        self.rows += 1
        self.row = self.row + 1 if number is None else number
        self.column = 0
        return follows

    def add_cell(self, row: int, column: int) -> bool:
        """Take a cell in; tell whether it follows the last one of its row."""
        follows = row == max(self.row, 1) and column > self.column
        self.row, self.column = row, column
        if not self.cells:
            self.first_row = self.last_row = row
            self.first_column = self.last_column = column
        self.cells += 1
        self.first_row, self.last_row = min(self.first_row, row), max(self.last_row, row)
        self.first_column = min(self.first_column, column)
        self.last_column = max(self.last_column, column)
        return follows


def measure(window: bytes, extent: Extent, name: str, sheet: str) -> None:
    """Take in the rows and cells of a piece of XML.

    Raises
    ------
    HoldingsError
        Naming sheet and cell, above a limit, out of order, or where an address can't be read.
    """
    for tag in _TAG.finditer(window):
        attributes = _ATTRIBUTES.match(window, tag.end())
        if attributes is None:
            raise _address_error(window[tag.start() : tag.end() + 20], name, sheet)
        reference = _REF.search(attributes[1])
        if tag[1] == b"row":
            number = None if reference is None else _row_number(reference[1], name, sheet)
            if not extent.add_row(number) and extent.ordered:
                raise _order_error(f"row {number}", name, sheet)
            if extent.rows > MAX_SHEET_ROWS:
                raise _area_error(
                    name, sheet, f"has more than {MAX_SHEET_ROWS} rows", str(extent.row)
                )
            continue
        if reference is None:
            row, column, text = max(extent.row, 1), extent.column + 1, ""
        else:
            row, column, text = _address(reference[1], name, sheet)
        shown = text or f"{_letters(column)}{row}"
        if not extent.add_cell(row, column) and extent.ordered:
            raise _order_error(f"cell {shown}", name, sheet)
        if extent.area > MAX_AREA:
            why = (
                f"the used area from {_letters(extent.first_column)}{extent.first_row} has "
                f"{extent.area} cells, the limit is {MAX_AREA}"
            )
            raise _area_error(name, sheet, why, shown)
        if extent.cells_before + extent.cells > MAX_CELLS:
            raise _area_error(name, sheet, f"has more than {MAX_CELLS} cells", shown)


def _area_error(name: str, sheet: str, why: str, cell: str) -> HoldingsError:
    return refused(
        name,
        f"{name} has a cell far outside its table" if "area" in why else f"{name} is too large",
        why,
        f"delete the rows and columns around {cell} in sheet {sheet}, or save the table as CSV",
        sheet=sheet,
        column=f"cell {cell}" if not cell.isdigit() else None,
        value=None,
    )


def _order_error(where: str, name: str, sheet: str) -> HoldingsError:
    why = f"{where} is there twice or out of order, so readers disagree about the content"
    return refused(name, f"{name} is malformed", why, SAVE_AGAIN, sheet=sheet)


def _row_number(raw: bytes, name: str, sheet: str) -> int:
    if not raw.isdigit() or len(raw) > 7 or not 1 <= int(raw) <= LAST_ROW:
        raise _address_error(raw, name, sheet)
    return int(raw)


def _address(raw: bytes, name: str, sheet: str) -> tuple[int, int, str]:
    match = _CELL.match(raw)
    if match is None:
        raise _address_error(raw, name, sheet)
    column = 0
    for letter in match[1]:
        column = column * 26 + letter - 64
    row = int(match[2])
    if row > LAST_ROW or column > LAST_COLUMN:
        raise _address_error(raw, name, sheet)
    return row, column, raw.decode("ascii")


def _address_error(raw: bytes, name: str, sheet: str) -> HoldingsError:
    return refused(
        name,
        f"{name} is malformed",
        "is not a cell address",
        SAVE_AGAIN,
        sheet=sheet,
        value=raw[:40].decode("utf-8", errors="replace"),
    )


def _letters(column: int) -> str:
    text = ""
    while column:
        column, rest = divmod(column - 1, 26)
        text = chr(65 + rest) + text
    return text
