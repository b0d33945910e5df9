"""Workbooks and tables come back from their own process as text, and a process that dies is an answer."""

from __future__ import annotations

import io
import os
import time
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import openpyxl
import polars as pl
import pyarrow as pa
import pytest

from exposure.content import SOURCE_ROW
from exposure.errors import HoldingsError
from exposure.portfolios import containers, reader_process
from exposure.portfolios.containers import read_columnar, read_sheets
from exposure.portfolios.grids import Grid
from exposure.portfolios.preflight import Checked, Container, inspect_bytes, inspect_file
from exposure.portfolios.reader_process import NO_RESULT
from tests.hostile import biff

OFFICIAL = (
    Path(__file__).parents[4] / "shared/data/holdings/csi300_closeweight_20250731_official.xls"
)


def sheets(data: bytes) -> list[Grid]:
    return read_sheets(inspect_bytes(data, "week.xlsx"))


def cells(grid: Grid) -> list[tuple[object, ...]]:
    return grid.rows.rows()


def refused(data: bytes, read: Callable[[Checked], object] = read_sheets) -> str:
    with pytest.raises(HoldingsError) as caught:
        read(inspect_bytes(data, "week.xlsx"))
    assert caught.value.places
    assert caught.value.cure
    return caught.value.render()


def saved(book: openpyxl.Workbook) -> bytes:
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def changed(data: bytes, part: str, *changes: tuple[bytes, bytes]) -> bytes:
    stream = io.BytesIO()
    source = zipfile.ZipFile(io.BytesIO(data))
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            body = source.read(name)
            for old, new in changes if name == part else ():
                assert old in body
                body = body.replace(old, new)
            archive.writestr(name, body)
    return stream.getvalue()


def book_of(*rows: list[object]) -> openpyxl.Workbook:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    return book


SHEET = "xl/worksheets/sheet1.xml"


# --- xlsx


def test_a_cell_reads_as_a_person_sees_it() -> None:
    book = book_of([977, 0.12, 0.1234, 1234.5, 600519.0, True, None, "文本 "])
    book.active["A1"].number_format = "000000"
    book.active["B1"].number_format = "0.00%"
    book.active["C1"].number_format = "0%"
    (grid,) = sheets(saved(book))
    assert cells(grid) == [(1, "000977", "12%", "12.34%", "1234.5", "600519", "True", None, "文本")]
    assert grid.rows.schema == {SOURCE_ROW: pl.Int64} | {f"c{i}": pl.String for i in range(8)}


@pytest.mark.parametrize("epoch", [1900, 1904])
def test_days_are_iso_in_both_calendars(epoch: int) -> None:
    book = openpyxl.Workbook()
    if epoch == 1904:
        book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    book.active.append([date(2025, 1, 24), datetime(2025, 1, 24, 15, 0)])  # noqa: DTZ001 - as a cell
    assert cells(sheets(saved(book))[0]) == [(1, "2025-01-24", "2025-01-24 15:00:00")]


def test_rows_keep_their_number_and_empty_ones_are_left_out() -> None:
    book = openpyxl.Workbook()
    book.active["B3"] = "x"
    book.active["A7"] = "y"
    book.create_sheet("empty")
    one, other = sheets(saved(book))
    assert cells(one) == [(3, None, "x"), (7, "y", None)]
    assert other.rows.columns == [SOURCE_ROW]
    assert other.rows.is_empty()


def test_hidden_and_very_hidden_sheets_are_marked() -> None:
    book = book_of(["a"])
    for state in ("hidden", "veryHidden"):
        book.create_sheet(state).sheet_state = state
    assert [(grid.sheet, grid.hidden) for grid in sheets(saved(book))] == [
        ("Sheet", False), ("hidden", True), ("veryHidden", True)
    ]  # fmt: skip


def test_a_formula_without_its_result_is_no_blank() -> None:
    data = saved(book_of(["=1/3", None, "x"], [None, "=A1"], [1, 2]))
    assert cells(sheets(data)[0]) == [
        (1, NO_RESULT, None, "x"), (2, None, NO_RESULT, None), (3, "1", "2", None)
    ]  # fmt: skip


def test_a_formula_reads_as_the_result_it_was_saved_with() -> None:
    data = saved(book_of(["=1/4", '=IF(FALSE,1,"")', "=1/0"]))
    data = changed(
        data,
        SHEET,
        (b'<c r="A1"><f>1/4</f><v /></c>', b'<c r="A1"><f>1/4</f><v>0.25</v></c>'),
        (b'<c r="B1"><f>IF(FALSE,1,"")</f><v /></c>', b'<c r="B1" t="str"><f>1</f><v></v></c>'),
        (b'<c r="C1"><f>1/0</f><v /></c>', b'<c r="C1" t="e"><f>1/0</f><v>#DIV/0!</v></c>'),
    )
    assert cells(sheets(data)[0]) == [(1, "0.25", None, "#DIV/0!")]


def test_half_a_character_never_leaves_the_reader() -> None:
    # UTF-8 can't carry it, so no file of today's readers does; the caller must not depend on that
    with pytest.raises(reader_process.Fault) as caught:
        reader_process._put_sheet(io.BytesIO(), "a", hidden=False, rows=[(7, ["\ud800"])])
    assert caught.value.facts == {"sheet": "a", "row": 7}


def test_a_text_longer_than_a_cell_can_hold_is_refused() -> None:
    data = changed(
        saved(book_of(["a"], ["x"])), SHEET, (b"<t>x</t>", b"<t>%b</t>" % (b"x" * 32_768))
    )
    assert "row 2: holds more text" in refused(data)


def test_a_sheet_too_wide_is_refused_with_its_row() -> None:
    assert "sheet Sheet row 2: has 2001 columns" in refused(saved(book_of(["a"], ["x"] * 2_001)))


# --- xls


TABLE: list[list[biff.Cell]] = [
    ["证券代码", "权重", "日期", "备注"],
    [biff.Number(977, "000000"), biff.Number(0.12, "0.00%"), biff.Number(45681, "yyyy-mm-dd"), None],
    ["603019", biff.Formula(0.5), None, biff.Error(0x17)],
    [biff.Number(600519), True, biff.Number(-5, "yyyy-mm-dd"), biff.Error(0x2A)],
]  # fmt: skip


@pytest.mark.parametrize("wrap", [bytes, biff.ole], ids=["bare", "ole"])
def test_old_excel_reads_as_a_person_sees_it(wrap: Callable[[bytes], bytes]) -> None:
    data = wrap(biff.workbook(("持仓", biff.sheet(TABLE)), ("x", biff.sheet([])), hidden=["x"]))
    grid, other = sheets(data)
    assert (grid.sheet, grid.hidden, other.hidden) == ("持仓", False, True)
    assert cells(grid) == [
        (1, "证券代码", "权重", "日期", "备注"),
        (2, "000977", "12%", "2025-01-24", None),
        (3, "603019", "0.5", None, "#REF!"),
        (4, "600519", "True", "-5.0", "#N/A"),
    ]


def test_old_excel_counts_days_from_1904_where_it_says_so() -> None:
    body = biff.sheet([[biff.Number(45681 - 1462, "yyyy-mm-dd")]])
    assert cells(sheets(biff.workbook(("a", body), epoch_1904=True))[0]) == [(1, "2025-01-24")]


def test_old_excel_behind_a_password_is_refused() -> None:
    book = biff.workbook(("a", biff.sheet([["x"]])))
    at = len(biff.bof(5))
    locked = book[:at] + biff.record(0x2F, bytes(6)) + book[at:]
    assert "password" in refused(locked)


def test_old_excel_with_a_million_blanks_is_refused_before_it_is_read() -> None:
    blanks = biff.record(0xBE, bytes(4) + bytes(2 * 256) + b"\xff\x00")
    body = biff.bof(0x10) + blanks * 4_000 + biff.record(0x0A)
    assert "more than 1000000 cells" in refused(biff.workbook(("a", body)))


@pytest.mark.skipif(not OFFICIAL.is_file(), reason="the provider's file is not part of the project")
def test_the_index_providers_file_keeps_its_codes() -> None:
    (grid,) = read_sheets(inspect_file(OFFICIAL))
    assert grid.rows.height == 301
    assert grid.rows["c4"].to_list()[1:3] == ["000001", "000002"]
    weights = grid.rows["c9"][1:].cast(pl.Float64)
    assert weights.sum() == pytest.approx(99.997)


# --- parquet and Arrow


def written(frame: pl.DataFrame, kind: str) -> bytes:
    stream = io.BytesIO()
    getattr(frame, f"write_{kind}")(stream)
    return stream.getvalue()


KINDS = ["parquet", "ipc", "ipc_stream"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_comes_back_as_it_was(kind: str) -> None:
    frame = pl.DataFrame(
        {"listing": ["000977.SZ", None], "weight": [0.5, None], "day": [date(2025, 1, 24)] * 2}
    )
    assert read_columnar(inspect_bytes(written(frame, kind), "a")).equals(frame)


def test_categories_become_text() -> None:
    frame = pl.DataFrame({"listing": ["000977.SZ"] * 2}, schema={"listing": pl.Categorical})
    read = read_columnar(inspect_bytes(written(frame, "parquet"), "a"))
    assert read.schema == {"listing": pl.String}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("values", [[[1.0]], [{"a": 1}], [b"raw"]], ids=["list", "record", "bytes"])
def test_what_is_no_cell_is_refused_by_column(kind: str, values: list[object]) -> None:
    frame = pl.DataFrame({"listing": ["000977.SZ"], "extra": values})
    assert "column extra: holds values of" in refused(written(frame, kind), read_columnar)


def test_another_programs_type_is_refused_by_column() -> None:
    # once the way to smuggle pointers of Python objects through Arrow
    facts = {"ARROW:extension:name": "POLARS_EXTENSION_TYPE", "ARROW:extension:metadata": "1;2"}
    schema = pa.schema([pa.field("code", pa.binary(8), metadata=facts)])
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_table(pa.table([pa.array([b"12345678"], pa.binary(8))], schema=schema))
    assert "column code" in refused(sink.getvalue(), read_columnar)


def test_a_table_is_capped_in_columns_cells_and_text() -> None:
    wide = pl.DataFrame({f"c{i}": [1] for i in range(2_001)})
    assert "2001 columns" in refused(written(wide, "parquet"), read_columnar)
    long = pl.DataFrame({"a": pl.repeat(1, 5_000_001, eager=True, dtype=pl.Int8)})
    assert "5000000 rows" in refused(written(long, "parquet"), read_columnar)
    many = pl.DataFrame(
        {f"c{i}": pl.repeat(1, 1_000_001, eager=True, dtype=pl.Int8) for i in range(50)}
    )
    assert "50000000 cells" in refused(written(many, "parquet"), read_columnar)
    text = pl.DataFrame({"a": pl.repeat("x" * 10_000, 30_000, eager=True)})
    data = written(text, "parquet")
    assert len(data) < 100_000
    assert "too much text" in refused(data, read_columnar)


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_cut_anywhere_is_refused(kind: str) -> None:
    frame = pl.DataFrame({"listing": ["000977.SZ"] * 50, "weight": [0.02] * 50})
    data = written(frame, kind)
    for cut in range(20, len(data) - 1, len(data) // 12):
        refused(data[:cut], read_columnar)


# --- the process


def test_the_reader_sees_no_secret_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "secret")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    assert set(containers._environment()) <= {
        *containers._KEPT,
        "POLARS_MAX_THREADS",
        "MALLOC_ARENA_MAX",
    }
    monkeypatch.chdir(tmp_path)
    sheets(saved(book_of(["a"])))
    assert list(tmp_path.iterdir()) == []


def run_instead(monkeypatch: pytest.MonkeyPatch, code: str) -> str:
    monkeypatch.setattr(containers, "_START", code)
    return refused(saved(book_of(["a"])))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os; os.abort()", "memory"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "memory"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "damaged"),
        ("import sys; sys.exit(7)", "damaged"),
        ("pass", "damaged"),
        ("print('{')", "damaged"),
        ('print(\'{"sheet": "a", "hidden": false}\')', "damaged"),
        ('print(\'{"fault": "unheard of"}\')', "damaged"),
    ],
)
def test_however_the_reader_ends_the_caller_gets_an_error(
    monkeypatch: pytest.MonkeyPatch, code: str, words: str
) -> None:
    assert words in run_instead(monkeypatch, code)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on the processor time")
def test_a_reader_that_never_ends_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(containers._LIMITS, Container.XLSX, (1.0, 0.0, 192, 2))
    spin = (
        "import sys, json; sys.path[:] = sys.argv[2:]; "
        "from exposure.portfolios import reader_process as r; "
        "r._limit(json.loads(sys.argv[1]))\nwhile True: pass"
    )
    start = time.monotonic()
    assert "too long" in run_instead(monkeypatch, spin)
    assert time.monotonic() - start < 10


def test_a_reader_that_sleeps_is_stopped_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "WALL_SECONDS", 1)
    monkeypatch.setitem(containers._LIMITS, Container.XLSX, (0.0, 0.0, 192, 2))
    assert "too long" in run_instead(monkeypatch, "import time; time.sleep(60)")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="limits of memory are Linux's")  # noqa: PTH110
def test_a_reader_that_wants_too_much_memory_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    greedy = (
        "import sys; sys.path[:] = sys.argv[2:]; "
        "from exposure.portfolios import reader_process as r\n"
        "def read(data, answer, order):\n    r._limit(order)\n    bytearray(1 << 30)\n"
        "r._READERS['xlsx'] = read\nr.main()"
    )
    assert "memory" in run_instead(monkeypatch, greedy)


def test_a_machine_that_starts_no_process_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers.sys, "executable", "/nowhere/python")
    assert "can't be started" in refused(saved(book_of(["a"])))
