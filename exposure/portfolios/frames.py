"""Any data frame as a grid: polars, pandas, PyArrow, DuckDB or whatever narwhals accepts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl

from exposure.errors import HoldingsError, Place, UsageError
from exposure.portfolios import grids
from exposure.portfolios.cells import clean_cell
from exposure.portfolios.grids import Grid, grid_of

if TYPE_CHECKING:
    from narwhals.typing import IntoDataFrame, IntoLazyFrame

    Frame = IntoDataFrame | IntoLazyFrame

_PLAIN_TYPES = (str, bool, int, float, date, datetime, Decimal)


def frame_grid(source: Frame | pl.DataFrame, name: str) -> Grid:
    """Turn a frame into a grid: its column names are row 1, its rows follow.

    Parameters
    ----------
    name
        How to call the frame in messages.

    Raises
    ------
    HoldingsError
        For a nested column or text that is no Unicode.
    UsageError
        For something that is no frame.
    """
    headers, columns = _texts(source, name)
    if len(columns) > grids.MAX_COLUMNS:
        raise grids.too_wide(name, None, 1, len(columns))
    if columns and columns[0].len() > grids.MAX_ROWS:
        raise grids.too_long(name, None)
    with_headers = [
        pl.concat([pl.Series([header], dtype=pl.String), column.alias("")])
        for header, column in zip(headers, columns, strict=True)
    ]
    count = (columns[0].len() if columns else 0) + 1
    return grid_of(range(1, count + 1), with_headers)


def fingerprint(grid: Grid) -> str:
    """Return the SHA-256 of a grid written as CSV: two frames with the same cells have the same."""
    cells = grid.rows.select(grid.columns)
    return hashlib.sha256(cells.write_csv(include_header=False).encode()).hexdigest()


def _texts(source: Frame | pl.DataFrame, name: str) -> tuple[list[str], list[pl.Series]]:
    if isinstance(source, pl.LazyFrame):
        source = source.collect()
    if isinstance(source, pl.DataFrame):
        return list(source.columns), [_polars_text(name, c) for c in source.get_columns()]
    # narwhals takes a quarter of a second to import; a file or a polars frame doesn't need it
    import narwhals as nw  # noqa: PLC0415

    source = _with_index(source)
    from narwhals.exceptions import NarwhalsError  # noqa: PLC0415

    try:
        frame = nw.from_native(source)
    except NarwhalsError as fault:
        raise UsageError(
            f"{name} has columns that can't be read: {str(fault).splitlines()[0]}",
            cure="give each column a name of its own",
        ) from fault
    except TypeError as fault:
        raise UsageError(
            f"{name} can't be read from {type(source).__name__}",
            cure="give a path, or a frame of polars, pandas or PyArrow",
        ) from fault
    eager = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
    nan_is_missing = eager.implementation.is_pandas_like()
    headers = [str(column) for column in eager.columns]
    return headers, [
        _column_text(
            name,
            str(column),
            eager.get_column(column).to_list(),
            nan_is_missing=nan_is_missing,
        )
        for column in eager.columns
    ]


def _without_nul(name: str, column: pl.Series) -> pl.Series:
    """Refuse binary zeros in text: a table that was damaged, whose other cells may have moved too."""
    broken = column.str.contains("\x00", literal=True).fill_null(value=False)
    if broken.any():
        row = int(broken.arg_max() or 0) + 2
        raise HoldingsError(
            f"{name} has text that is not valid",
            places=[Place(name, "holds a NUL character", row=row, column=column.name)],
            cure="write the file again",
        )
    return column


def _with_index(source: Any) -> Any:
    """Make the index of a pandas frame columns, unless it only numbers the rows."""
    index = getattr(source, "index", None)
    if not hasattr(source, "reset_index") or index is None:
        return source
    columns = set(map(str, getattr(source, "columns", ())))
    names = [None if name is None else str(name) for name in index.names]
    if all(name is not None and name in columns for name in names):
        return source.reset_index(drop=True)  # the index repeats a column
    if names == [None] and index.dtype.kind in "iu":
        return source.reset_index(drop=True)  # it only numbers the rows
    free = [name if name is not None and name not in columns else f"index {at}"
            for at, name in enumerate(names)]  # fmt: skip
    return source.rename_axis(free).reset_index()


def _polars_text(name: str, column: pl.Series) -> pl.Series:
    """Return a polars column as text, by one cast where the cast writes what a person would."""
    if column.dtype == pl.String:
        return _without_nul(name, column)
    if column.dtype.is_integer() or column.dtype == pl.Date:
        return column.cast(pl.String)
    if isinstance(column.dtype, pl.Categorical | pl.Enum):
        return column.cast(pl.String)
    if column.dtype == pl.Float64:
        return _float_text(column)
    return _column_text(name, column.name, column.to_list(), nan_is_missing=False)


def _float_text(column: pl.Series) -> pl.Series:
    """Write floats as Python does: 1200.0 is ``1200``, and every digit that tells two floats apart stays."""
    whole = (column == column.floor()) & (column.abs() < 1e15)
    integers = column.cast(pl.Int64, strict=False).cast(pl.String)
    plain = column.is_finite() & (column.abs() >= 1e-4) & (column.abs() < 1e15)
    text = column.cast(pl.String)
    odd = (~(plain | whole) & column.is_not_null()).fill_null(value=False)
    if odd.any():  # NaN, inf, very small or large: rare, and Python's form is the one we read
        written = pl.Series([None if v is None else repr(v) for v in column], dtype=pl.String)
        text = text.zip_with(~odd, written)
    return integers.zip_with(whole.fill_null(value=False), text)


def _column_text(name: str, header: str, values: list[Any], *, nan_is_missing: bool) -> pl.Series:
    texts: list[str | None] = []
    for number, value in enumerate(values, start=2):
        if value is None or (nan_is_missing and _is_missing(value)):
            texts.append(None)
            continue
        if not isinstance(value, _PLAIN_TYPES) and isinstance(value, Iterable | bytes):
            raise HoldingsError(
                f"{name} has a nested column",
                places=[
                    Place(name, "holds lists or records, not cells", row=number, column=header)
                ],
                cure=f"drop the column {header}",
            )
        text = text_of(value)
        if text is not None and not _is_utf8(text):
            raise HoldingsError(
                f"{name} has text that is not valid",
                places=[Place(name, "holds half a character", row=number, column=header)],
                cure=f"clean the column {header}",
            )
        texts.append(clean_cell(text))
    return pl.Series(header, texts, dtype=pl.String)


def text_of(value: Any) -> str | None:
    """Return a cell of any reader as text.

    Examples
    --------
    >>> text_of(1200.0), text_of(0.1), text_of(date(2025, 1, 24))
    ('1200', '0.1', '2025-01-24')
    """
    if value is None:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ")
    if isinstance(value, bool | int | date | Decimal):
        return str(value)
    return None if _is_missing(value) else str(value)


def _is_missing(value: object) -> bool:
    """Tell whether a value is a missing marker of pandas, which differs from itself."""
    try:
        return bool(value != value)
    except TypeError:  # pandas.NA refuses to be a bool
        return True


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
