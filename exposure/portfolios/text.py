"""Delimited text as a grid: which delimiter, where rows end, and what is no table at all."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator

import polars as pl

from exposure.errors import HoldingsError, Place
from exposure.portfolios import grids
from exposure.portfolios.cells import clean_cell
from exposure.portfolios.grids import Grid, Row, grid_of

DELIMITERS = ("\t", ",", ";", "|")
SNIFF_LINES = 80
SNIFF_CHARACTERS = 400 * SNIFF_LINES
MAX_CELL = 131_072  # characters; the limit of the csv module
QUOTE = '"'


def text_grid(text: str, name: str, known_words: Callable[[list[Row]], int]) -> Grid:
    """Split text into a grid.

    Parameters
    ----------
    name
        File name for messages.
    known_words
        Counts the known header words of the best header among some rows; the delimiter with most of them wins.

    Raises
    ------
    HoldingsError
        With the row, for an open quote, text after a closing quote, or a size beyond every table.
    """
    unified = text.replace("\r\n", "\n").replace("\r", "\n")
    delimiter = _sniff_delimiter(unified, known_words)
    if QUOTE in unified:
        return _quoted(unified, delimiter, name)
    return _unquoted(unified, delimiter, name)


def _sniff_delimiter(text: str, known_words: Callable[[list[Row]], int]) -> str:
    """Choose the delimiter under which a header is recognised best."""
    head = "\n".join(text[:SNIFF_CHARACTERS].split("\n")[:SNIFF_LINES])
    best, best_score = ",", -1
    for delimiter in DELIMITERS:
        if delimiter not in head and best_score >= 0:
            continue
        rows = [row for row in _loose_rows(head, delimiter) if len(row[1]) <= grids.MAX_COLUMNS]
        found = known_words(rows)
        score = 1 + found if found else min(head.count(delimiter), 1)
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _loose_rows(text: str, delimiter: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    number = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            return  # the strict reading that follows says what is wrong, and where
        yield number, [clean_cell(cell) for cell in cells]
        number = reader.line_num + 1


def _unquoted(text: str, delimiter: str, name: str) -> Grid:
    """Split text without a quote: every line is a row, so a million of them are split at once."""
    text = text.removesuffix("\n")
    lines = pl.DataFrame({"text": [text]}).select(pl.col("text").str.split("\n").explode())["text"]
    if lines.len() > grids.MAX_ROWS:
        raise grids.too_long(name, None)
    counts = lines.str.count_matches(delimiter, literal=True)
    width = _largest(counts) + 1
    if width > grids.MAX_COLUMNS:
        raise grids.too_wide(name, None, int(counts.arg_max() or 0) + 1, width)
    if width * lines.len() > grids.MAX_CELLS:
        raise grids.too_much(name, None, lines.len(), width)
    cells = lines.str.split_exact(delimiter, width - 1).struct.unnest()
    if _largest(lines.str.len_bytes()) > MAX_CELL:
        _refuse_long_cells(cells, name)
    return grid_of(range(1, lines.len() + 1), cells.get_columns())


def _largest(counts: pl.Series) -> int:
    largest = counts.max()
    return largest if isinstance(largest, int) else 0


def _refuse_long_cells(cells: pl.DataFrame, name: str) -> None:
    for column in cells.get_columns():
        at = (column.str.len_chars() > MAX_CELL).fill_null(value=False).arg_max()
        if at is not None and len(column[at] or "") > MAX_CELL:
            raise _malformed(name, at + 1, "field larger")


def _quoted(text: str, delimiter: str, name: str) -> Grid:
    """Split text with quotes by the strict reader of the standard library."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    numbers: list[int] = []
    rows: list[list[str]] = []
    number, width = 1, 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as fault:
            raise _malformed(name, number, str(fault)) from fault
        if len(cells) > width:
            width = len(cells)
            if width > grids.MAX_COLUMNS:
                raise grids.too_wide(name, None, number, width)
        if len(rows) >= grids.MAX_ROWS:
            raise grids.too_long(name, None)
        numbers.append(number)
        rows.append(cells)
        number = reader.line_num + 1
    if width * len(rows) > grids.MAX_CELLS:
        raise grids.too_much(name, None, len(rows), width)
    frame = pl.DataFrame({"row": rows}, schema={"row": pl.List(pl.String)})
    fields = [f"c{at}" for at in range(max(width, 1))]
    cells_frame = frame.select(pl.col("row").list.to_struct(fields=fields)).unnest("row")
    return grid_of(numbers, cells_frame.get_columns())


def _malformed(name: str, row: int, reason: str) -> HoldingsError:
    return HoldingsError(
        f"{name} is not a well-formed table",
        places=[Place(name, _reason(reason), row=row)],
        cure="correct the quotes of that row, or export the table again",
    )


def _reason(reason: str) -> str:
    if "field larger" in reason:
        return "has a cell longer than 131,072 characters"
    if "unexpected end" in reason:
        return "opens a quote that is never closed"
    return "has text after a closing quote" if "expected after" in reason else reason
