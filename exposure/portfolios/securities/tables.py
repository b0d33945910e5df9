"""Rows of text from a file or frame of the user's own: nothing is understood yet."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Iterator
from datetime import datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from exposure.errors import HoldingsError, Place, UsageError
from exposure.portfolios.preflight import Checked, Container, decode_text, inspect_file

if TYPE_CHECKING:
    from narwhals.typing import IntoDataFrame

    Frame = IntoDataFrame | pl.LazyFrame

HEADER_SEARCH_ROWS = 20
LARGEST = 1e15  # whole numbers up to here are exact in a float

Cells = list[str | None]
Table = list[tuple[int, Cells]]  # row of the file, its cells


def read_tables(given: str | Path | Frame, name: str) -> tuple[str, list[Table]]:
    """Return the name of a source and its tables; ``name`` is what to call a frame.

    Raises
    ------
    HoldingsError
        If the file can't be read.
    UsageError
        If it is no frame.
    """
    if not isinstance(given, str | Path):
        return name, [list(_frame_rows(given, name))]
    checked = inspect_file(given)
    if checked.container is Container.TEXT:
        return checked.name, [list(_text_rows(checked))]
    if checked.container is Container.XLSX:
        return checked.name, list(_workbook_rows(checked))
    reader = pl.read_parquet if checked.container is Container.PARQUET else pl.read_ipc
    try:
        frame = reader(io.BytesIO(checked.data))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as fault:
        raise _damaged(checked, fault) from fault
    return checked.name, [list(_frame_rows(frame, checked.name))]


def _damaged(checked: Checked, fault: Exception) -> HoldingsError:
    why = f"can't be read as {checked.container.value} ({type(fault).__name__})"
    return HoldingsError(
        f"{checked.name} is damaged",
        places=[Place(checked.name, why)],
        cure="write the file again, or save the table as CSV in UTF-8",
    )


def _text_rows(checked: Checked) -> Iterator[tuple[int, Cells]]:
    text = decode_text(checked.data, checked.name).text
    head = "\n".join(text.splitlines()[:HEADER_SEARCH_ROWS])
    delimiter = max((",", "\t", ";", "|"), key=head.count)
    try:
        for number, cells in enumerate(csv.reader(io.StringIO(text), delimiter=delimiter), start=1):
            if cells:
                yield number, [*cells]
    except csv.Error as fault:
        raise _damaged(checked, fault) from fault


def _workbook_rows(checked: Checked) -> Iterator[Table]:
    # openpyxl takes a third of a second to import; a CSV file shouldn't pay for it
    from openpyxl import load_workbook  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # unread extensions (validation, styles) don't matter
            book = load_workbook(io.BytesIO(checked.data), read_only=True, data_only=True)
            for sheet in book.worksheets:
                sheet.reset_dimensions()  # the stated dimension may be wrong
                rows = enumerate(sheet.iter_rows(values_only=True), start=1)
                yield [(number, [_text(value) for value in cells]) for number, cells in rows]
            book.close()
    except Exception as fault:
        # openpyxl raises whatever its parser met (KeyError, IndexError, ParseError, ...)
        raise _damaged(checked, fault) from fault


def _frame_rows(source: Any, name: str) -> Iterator[tuple[int, Cells]]:
    headers, columns = _frame_columns(source)
    yield 1, [*headers]
    for number, values in enumerate(zip(*columns, strict=True), start=2):
        yield number, [_whole(_text(value), name, number) for value in values]


def _frame_columns(source: Any) -> tuple[list[str], list[list[Any]]]:
    if isinstance(source, pl.LazyFrame):
        source = source.collect()
    if isinstance(source, pl.DataFrame):
        return source.columns, [column.to_list() for column in source.get_columns()]
    # narwhals takes a quarter of a second to import; a file or a polars frame doesn't need it
    import narwhals as nw  # noqa: PLC0415
    from narwhals.exceptions import NarwhalsError  # noqa: PLC0415

    try:
        frame = nw.from_native(source, eager_only=True)
        return [*frame.columns], [frame.get_column(column).to_list() for column in frame.columns]
    except NarwhalsError as fault:
        raise UsageError(
            f"a security master has columns that can't be read: {str(fault).splitlines()[0]}",
            cure="give each column a name of its own",
        ) from fault
    except TypeError as fault:
        raise UsageError(
            f"a security master can't be read from {type(source).__name__}",
            cure="give a path, or a frame of polars, pandas or PyArrow",
        ) from fault


def _text(value: Any) -> str | None:
    """Return a cell of any reader as text."""
    if value is None or isinstance(value, str):
        return value
    if _is_missing(value):
        return None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < LARGEST else repr(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ")
    return str(value)


def _is_missing(value: Any) -> bool:
    """Tell whether a value is a missing marker of pandas, which differs from itself."""
    try:
        return bool(value != value)
    except TypeError:  # pandas.NA refuses to be a bool
        return True


def _whole(text: str | None, name: str, row: int) -> str | None:
    """Return text that can be written again, or refuse half a character."""
    if text is not None and not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as fault:
            raise HoldingsError(
                f"{name} has text that is not valid",
                places=[Place(name, "holds half a character", row=row)],
                cure="clean the column",
            ) from fault
    return text
