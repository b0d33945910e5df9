"""Temporary: sheets and columnar files, until the reader process is merged."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import polars as pl

from exposure.errors import HoldingsError, Place
from exposure.portfolios import grids
from exposure.portfolios.cells import clean_cell
from exposure.portfolios.frames import text_of
from exposure.portfolios.grids import Grid, grid_of, too_wide
from exposure.portfolios.preflight import Checked, Container


def read_sheets(checked: Checked) -> list[Grid]:
    from openpyxl import load_workbook  # noqa: PLC0415

    out: list[Grid] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            book = load_workbook(io.BytesIO(checked.data), read_only=True, data_only=True)
            for sheet in book.worksheets:
                sheet.reset_dimensions()
                rows = list(_sheet_rows(sheet, checked.name))
                width = max((len(r[1]) for r in rows), default=1)
                cols = [[r[1][i] if i < len(r[1]) else None for r in rows] for i in range(width)]
                out.append(
                    grid_of(
                        [r[0] for r in rows],
                        cols,
                        sheet.title,
                        hidden=sheet.sheet_state != "visible",
                    )
                )
            book.close()
    except HoldingsError:
        raise
    except Exception as fault:
        raise HoldingsError(
            f"{checked.name} is a damaged workbook",
            places=[Place(checked.name, f"can't be read as a workbook ({type(fault).__name__})")],
            cure="save the workbook again in Excel or WPS, or export it as CSV",
        ) from fault
    return out


def _sheet_rows(sheet: Any, name: str) -> Iterator[grids.Row]:
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        texts = [clean_cell(_cell_text(cell)) for cell in cells]
        while texts and texts[-1] is None:
            texts.pop()
        if len(texts) > grids.MAX_COLUMNS:
            raise too_wide(name, sheet.title, number, len(texts))
        if texts:
            yield number, texts


_ZEROS = re.compile(r'^"?(0{4,6})"?(;.*)?$')


def _cell_text(cell: Any) -> str | None:
    value = cell.value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return text_of(value)
    style = str(cell.number_format or "")
    zeros = _ZEROS.match(style)
    if zeros and float(value).is_integer() and value >= 0:
        return str(int(value)).zfill(len(zeros[1]))
    if "%" in style and math.isfinite(value):
        return f"{(Decimal(repr(value)) * 100).normalize():f}%"
    return text_of(value)


def read_columnar(checked: Checked) -> pl.DataFrame:
    reader = pl.read_parquet if checked.container is Container.PARQUET else pl.read_ipc
    try:
        return reader(io.BytesIO(checked.data))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as fault:
        raise HoldingsError(
            f"{checked.name} is a damaged {checked.container.value} file",
            places=[Place(checked.name, f"can't be read as {checked.container.value}")],
            cure="write the file again, or export it as CSV",
        ) from fault
