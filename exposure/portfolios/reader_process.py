"""The process in which an outside file meets a parser: workbooks, old workbooks, parquet, Arrow.

A parser can be made to abort the interpreter, to fill the memory or to run for ever; none of these
can be caught where they happen. This module therefore runs as a process of its own, started by
:mod:`exposure.portfolios.containers`, with limits on memory and time that the system keeps. The
file comes in on standard input, the answer leaves on standard output: lines of JSON for sheets, a
line of JSON and Arrow bytes for a table, never an object that could run.

Loads only what the container at hand needs, and nothing before it is needed: starting is most of
the cost of reading a small file.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from exposure.portfolios.cells import clean_cell

MAX_COLUMNS = 2_000
MAX_TABLE_ROWS = 5_000_000
MAX_TABLE_CELLS = 50_000_000
MAX_TABLE_TEXT = 256 << 20  # bytes: a table may say no more than a text file may
MAX_SHEET_TEXT = 8 << 20  # characters: 8 for each cell of the largest workbook
MAX_CELL_TEXT = 32_767  # characters: the limit of the format
MAX_XLS_CELLS = 1_000_000
# what a formula shows that was saved without its result; no reader of numbers takes it for one
NO_RESULT = "#FORMULA WITHOUT RESULT"

Cells = list[str | None]
Order = dict[str, Any]


class Fault(Exception):  # noqa: N818 - it crosses the process as a fact, not as an error
    """What is wrong with the file: a kind known to the caller, and where.

    Parameters
    ----------
    kind
        ``damaged``, ``encrypted``, ``wide``, ``cells``, ``rows``, ``text``, ``character``, ``column`` or ``memory``.
    facts
        Sheet, row, column, count, detail: as far as known.
    """

    def __init__(self, kind: str, **facts: object) -> None:
        super().__init__(kind)
        self.kind = kind
        self.facts = facts


def main() -> None:
    """Read standard input as the order on the command line says, and answer on standard output."""
    order: Order = json.loads(sys.argv[1])
    with os.fdopen(os.dup(1), "wb") as answer:
        # a library that prints must not write into the answer
        os.dup2(2, 1)
        try:
            _READERS[order["container"]](sys.stdin.buffer, answer, order)
        except Fault as fault:
            _line(answer, {"fault": fault.kind, **fault.facts})
        except MemoryError:
            _line(answer, {"fault": "memory"})
        except BaseException as fault:
            _line(answer, {"fault": "damaged", "detail": type(fault).__name__})


def _line(answer: IO[bytes], value: object) -> None:
    answer.write(json.dumps(value, ensure_ascii=False).encode("utf-8") + b"\n")


def _limit(order: Order) -> None:
    """Put the limits on this process; called after the imports, so that the memory is for the file."""
    try:
        import resource  # noqa: PLC0415 - not on Windows, where the caller's clock is the only limit
    except ImportError:
        return
    limits = {
        resource.RLIMIT_CPU: (order["cpu"], order["cpu"] + 2),
        resource.RLIMIT_FSIZE: (order["answer"], order["answer"]),
        resource.RLIMIT_CORE: (0, 0),
    }
    if sys.platform == "linux":  # elsewhere the address space says nothing about the memory used
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        room = pages * resource.getpagesize() + order["memory"]
        limits[resource.RLIMIT_AS] = (room, room)
    for what, limit in limits.items():
        resource.setrlimit(what, limit)


# --- sheets ---------------------------------------------------------------------------------------


def _put_sheet(
    answer: IO[bytes], sheet: str, *, hidden: bool, rows: Iterable[tuple[int, Sequence[Any]]]
) -> None:
    _check_text(sheet, sheet="?", row=None)
    _line(answer, {"sheet": sheet, "hidden": hidden})
    size = 0
    for number, values in rows:
        cells: Cells = [clean_cell(value) for value in values]
        while cells and cells[-1] is None:
            cells.pop()
        if len(cells) > MAX_COLUMNS:
            raise Fault("wide", sheet=sheet, row=number, count=len(cells))
        if cells:
            for cell in cells:
                if cell is None:
                    continue
                size += len(cell)
                if len(cell) > MAX_CELL_TEXT or size > MAX_SHEET_TEXT:
                    raise Fault("text", sheet=sheet, row=number)
                if not cell.isascii():
                    _check_text(cell, sheet=sheet, row=number)
            _line(answer, [number, *cells])


def _check_text(text: str, *, sheet: str, row: int | None) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as fault:
        raise Fault("character", sheet=ascii(sheet)[1:-1], row=row) from fault


_ZEROS = re.compile(r'^"?(0{4,6})"?(;.*)?$')


def shown_number(value: float, style: str) -> str:
    """Return a number as its format shows it where that matters: kept zeros, and per cent.

    Examples
    --------
    >>> shown_number(977, "000000"), shown_number(0.12, "0.00%"), shown_number(977.0, "General")
    ('000977', '12%', '977')
    """
    zeros = _ZEROS.match(style)
    if zeros and float(value).is_integer() and value >= 0:
        return str(int(value)).zfill(len(zeros[1]))
    if "%" in style and math.isfinite(value):
        return f"{(Decimal(repr(value)) * 100).normalize():f}%"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return repr(value) if isinstance(value, float) else str(value)


def _shown(value: object) -> str | None:
    """Return a cell that is no number as text."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


# --- xlsx -----------------------------------------------------------------------------------------


def _read_xlsx(data: IO[bytes], answer: IO[bytes], order: Order) -> None:
    # openpyxl loads these where it finds them and needs none of them to read cells. defusedxml makes it parse
    # three times slower, to refuse what the door has refused: any DTD or entity.
    for heavy in ("numpy", "pandas", "PIL", "lxml", "defusedxml"):
        sys.modules[heavy] = None  # type: ignore[assignment]
    from openpyxl import load_workbook  # noqa: PLC0415

    _limit(order)
    warnings.simplefilter(
        "ignore"
    )  # extensions that are not read (validation, styles) don't matter
    book = load_workbook(data, read_only=True, data_only=True)
    for sheet in book.worksheets:
        sheet.reset_dimensions()  # the stated dimension may be wrong
        _put_sheet(
            answer, sheet.title, hidden=sheet.sheet_state != "visible", rows=_xlsx_rows(sheet)
        )
    _line(answer, {"end": True})


def _xlsx_rows(sheet: Any) -> Iterator[tuple[int, Cells]]:
    unsaved = _formulas_without_result(sheet)
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        texts = [_xlsx_text(cell) for cell in cells]
        for column in unsaved.get(number, ()):
            texts += [None] * (column - len(texts))
            texts[column - 1] = NO_RESULT
        yield number, texts


def _xlsx_text(cell: Any) -> str | None:
    value = cell.value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _shown(value)
    return shown_number(value, str(cell.number_format or ""))


_FORMULA = re.compile(rb"<(?:[\w.\-]+:)?f[\s/>]")
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def _formulas_without_result(sheet: Any) -> dict[int, list[int]]:
    """Return row → columns of the formulas that were saved without a value.

    The library gives None for them as for an empty cell, so the part is looked at once more where
    it holds formulas at all.
    """
    from xml.etree.ElementTree import iterparse  # noqa: PLC0415 - the door has refused every DTD

    from openpyxl.utils.cell import coordinate_to_tuple  # noqa: PLC0415

    source = sheet._get_source
    with source() as stream:
        if not _has_formula(stream):
            return {}
    found: dict[int, list[int]] = {}
    row = column = 0
    with source() as stream:
        for event, element in iterparse(stream, events=("start", "end")):
            if element.tag == f"{_MAIN}row":
                if event == "start":
                    row, column = int(element.get("r", row + 1)), 0
                else:
                    element.clear()
            elif element.tag == f"{_MAIN}c" and event == "end":
                address = element.get("r")
                at, column = coordinate_to_tuple(address) if address else (row, column + 1)
                if _is_unsaved(element):
                    found.setdefault(at, []).append(column)
    return found


def _has_formula(stream: IO[bytes]) -> bool:
    rest = b""
    while chunk := stream.read(1 << 18):
        if _FORMULA.search(rest + chunk):
            return True
        rest = chunk[-64:]
    return False


def _is_unsaved(cell: Any) -> bool:
    if cell.find(f"{_MAIN}f") is None:
        return False
    # an empty text is a result too: =IF(...,"")
    return not cell.findtext(f"{_MAIN}v") and cell.get("t") != "str"


# --- xls ------------------------------------------------------------------------------------------

_XLS_CELLS = {  # records that hold one cell; 0xBD and 0xBE hold a run of them
    *(0x0001, 0x0002, 0x0003, 0x0004, 0x0005, 0x0006),
    *(0x0201, 0x0203, 0x0204, 0x0205, 0x0206, 0x0406, 0x027E, 0x00FD, 0x00D6),
}
_XLS_RUNS = {0x00BD: 6, 0x00BE: 2}  # bytes a cell


def _read_xls(data: IO[bytes], answer: IO[bytes], order: Order) -> None:
    import xlrd  # noqa: PLC0415

    _limit(order)
    silent = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - lives as long as the process
    try:
        book = xlrd.open_workbook(
            logfile=silent,
            file_contents=data.read(),
            formatting_info=True,
            ragged_rows=True,
            on_demand=True,
        )
    except xlrd.biffh.XLRDError as fault:
        protected = "encrypted" in str(fault).lower()
        raise Fault("encrypted" if protected else "damaged", detail="XLRDError") from fault
    _count_xls_cells(book.mem, book.base, book.stream_len)
    for index in range(book.nsheets):
        sheet = book.sheet_by_index(index)
        _put_sheet(
            answer,
            sheet.name,
            hidden=sheet.visibility != 0,
            rows=(
                (number + 1, [_xls_text(book, cell) for cell in sheet.row(number)])
                for number in range(sheet.nrows)
            ),
        )
        book.unload_sheet(index)
    _line(answer, {"end": True})


def _count_xls_cells(memory: Any, start: int, size: int) -> None:
    """Refuse more cells than a table has, before room is made for them."""
    at, end, cells = start, start + size, 0
    while at + 4 <= end:
        kind, length = memory[at] | memory[at + 1] << 8, memory[at + 2] | memory[at + 3] << 8
        if kind in _XLS_CELLS:
            cells += 1
        elif kind in _XLS_RUNS:
            cells += max(length - 6, 0) // _XLS_RUNS[kind]
        if cells > MAX_XLS_CELLS:
            raise Fault("cells", count=MAX_XLS_CELLS)
        at += 4 + length


def _xls_text(book: Any, cell: Any) -> str | None:
    import xlrd  # noqa: PLC0415

    value = cell.value
    if cell.ctype == xlrd.XL_CELL_TEXT:
        return str(value)
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return str(bool(value))
    if cell.ctype == xlrd.XL_CELL_ERROR:
        return str(xlrd.error_text_from_code.get(value, "#ERROR!"))
    if cell.ctype == xlrd.XL_CELL_DATE and value < 0:
        return repr(value)  # shown as ##### by a spreadsheet
    if cell.ctype == xlrd.XL_CELL_DATE:
        try:
            return _shown(xlrd.xldate_as_datetime(value, book.datemode))
        except (xlrd.xldate.XLDateError, OverflowError, ValueError):
            return repr(value)  # formatted as a date, but none: the number stays as it is
    if cell.ctype == xlrd.XL_CELL_NUMBER:
        style = book.format_map.get(book.xf_list[cell.xf_index].format_key)
        return shown_number(value, "" if style is None else str(style.format_str))
    return None


# --- tables ---------------------------------------------------------------------------------------


def _read_parquet(data: IO[bytes], answer: IO[bytes], order: Order) -> None:
    import polars as pl  # noqa: PLC0415

    _limit(order)
    _put_table(pl.scan_parquet(data.read()), answer)


def _read_arrow(data: IO[bytes], answer: IO[bytes], order: Order) -> None:
    import polars as pl  # noqa: PLC0415

    _limit(order)
    raw = data.read()
    stream = raw.startswith(b"\xff\xff\xff\xff")
    read = pl.read_ipc_stream if stream else pl.read_ipc
    frame = read(io.BytesIO(raw))
    _put_table(frame.lazy(), answer)


def _put_table(table: Any, answer: IO[bytes]) -> None:
    import polars as pl  # noqa: PLC0415

    schema = table.collect_schema()
    if len(schema) > MAX_COLUMNS:
        raise Fault("wide", row=1, count=len(schema))
    for column, dtype in schema.items():
        if dtype.is_nested() or not _is_plain(dtype):
            raise Fault("column", column=_printable(column), detail=str(dtype)[:60])
    rows = table.select(pl.len()).collect().item()
    if rows > MAX_TABLE_ROWS:
        raise Fault("rows", count=MAX_TABLE_ROWS)
    if rows * len(schema) > MAX_TABLE_CELLS:
        raise Fault("cells", count=MAX_TABLE_CELLS)
    frame = table.collect()
    # a dictionary of one long text stands in few bytes for as many as there are rows
    texts = [
        name for name, dtype in schema.items() if dtype in (pl.String, pl.Categorical, pl.Enum)
    ]
    categories = [name for name in texts if schema[name] != pl.String]
    frame = frame.with_columns(pl.col(categories).cast(pl.String))
    lengths = frame.select(pl.col(texts).str.len_bytes().cast(pl.Int64))
    if sum(total or 0 for total in lengths.sum().row(0)) > MAX_TABLE_TEXT:
        raise Fault("text")
    _line(answer, {"rows": frame.height, "columns": frame.width})
    answer.flush()  # polars writes past the buffer
    frame.write_ipc(answer)


def _is_plain(dtype: Any) -> bool:
    import polars as pl  # noqa: PLC0415

    texts = (pl.String, pl.Categorical, pl.Enum, pl.Boolean, pl.Null)
    return dtype.is_numeric() or dtype.is_temporal() or dtype in texts


def _printable(text: str) -> str:
    return text.encode("utf-8", errors="replace").decode("utf-8")[:200]


_READERS: dict[str, Callable[[IO[bytes], IO[bytes], Order], None]] = {
    "xlsx": _read_xlsx,
    "xls": _read_xls,
    "parquet": _read_parquet,
    "arrow": _read_arrow,
}
