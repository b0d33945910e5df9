"""From files and frames to one text table: columns by meaning, codes as text, rows accounted for."""

from __future__ import annotations

import io
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path

import narwhals as nw
import openpyxl
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from exposure.content import ContentRoot
from exposure.errors import ContentError, HoldingsError, UsageError
from exposure.portfolios import grids, intake
from exposure.portfolios.cells import parse_day, parse_number
from exposure.portfolios.intake import read_raw
from exposure.portfolios.layouts import Layouts, load_layouts

DAY = date(2025, 1, 24)
SHIPPED = {
    "holdings",
    "tonghuashun_18col",
    "hexin_12col",
    "yinhe",
    "huatai",
    "fund_quarterly",
    "ishares",
}


def write(folder: Path, text: str | bytes, name: str = "week.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def rules(raw: intake.RawHoldings) -> list[object]:
    return [row["rule"] for row in raw.issues]


# --- layouts


def test_the_shipped_layouts_load(layouts: Layouts) -> None:
    assert {layout.layout_id for layout in layouts.known} >= SHIPPED


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (
            'id="x"\nkind="layout"\ntitle="t"\nsignature=["a"]\ncolour="red"\n[columns]\na="code"',
            "5",
        ),
        ('id="x"\nkind="layout"\ntitle="t"\nsignature=["a"]\n[columns]\na="cod"', "'cod'"),
        ('id="x"\nkind="layout"\ntitle="t"\nsignature=["b"]\n[columns]\na="code"', "signature"),
        ('id="x"\nkind="layout"\ntitle="t"\n[columns]\na="code"', "signature"),
        (
            'id="x"\nkind="layout"\ntitle="t"\nsignature=["a"]\n[columns]\na="code"\n[units]\nb=1',
            "units",
        ),
    ],
)
def test_a_faulty_layout_is_refused_with_its_file(tmp_path: Path, text: str, word: str) -> None:
    folder = tmp_path / "portfolios" / "layouts"
    folder.mkdir(parents=True)
    (folder / "mine.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ContentError) as caught:
        load_layouts(ContentRoot(tmp_path, "test"))
    assert "mine.toml" in caught.value.render()
    assert word in caught.value.render()


def test_layouts_without_a_dictionary_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "portfolios" / "layouts"
    folder.mkdir(parents=True)
    (folder / "generic.toml").write_text(
        'id="g"\nkind="layout"\ntitle="t"\nsignature=["a"]\n[columns]\na="code"', encoding="utf-8"
    )
    with pytest.raises(ContentError, match="dictionary"):
        load_layouts(ContentRoot(tmp_path, "test"))


# --- numbers and days


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234.5", 1234.5),
        ("\uff11\uff12\uff10", 120.0),
        ("（12）", -12.0),
        ("-3", -3.0),
        ("¥ 6.5", 6.5),
        ("1.2亿", 1.2e8),
        ("30万股", 3e5),
        ("1e3", 1000.0),
        (".5", 0.5),
    ],
)
def test_numbers_are_read_as_people_write_them(text: str, value: float) -> None:
    number = parse_number(text)
    assert number is not None
    assert number.value == pytest.approx(value)


@pytest.mark.parametrize(
    "text", ["NaN", "inf", "1.000,00", "1,20", "12%%", "abc", "", "+", "٣", "1 2,3"]
)
def test_what_is_no_number_is_none(text: str) -> None:
    assert parse_number(text) is None


def test_the_step_of_the_last_digit_is_kept() -> None:
    assert parse_number("6.50").step == pytest.approx(0.01)  # type: ignore[union-attr]
    assert parse_number("687.0万").step == pytest.approx(1000)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "text",
    [
        "2025-01-24",
        "20250124",
        "2025/1/24",
        "2025年1月24日",
        "45681",
        "Jan 24, 2025",
        "2025-01-24 00:00:00",
    ],
)
def test_days_are_read_in_the_forms_of_exports(text: str) -> None:
    assert parse_day(text) == date(2025, 1, 24)


@pytest.mark.parametrize("text", ["2025-02-31", "0000-01-01", "99999", "soon", "20251324"])
def test_impossible_days_are_none(text: str) -> None:
    assert parse_day(text) is None


# --- text


def test_columns_are_found_by_meaning_below_a_preamble(tmp_path: Path, layouts: Layouts) -> None:
    path = write(
        tmp_path,
        "某产品持仓表\n估值日期：20250124\n\n证券代码;证券简称;持仓数量(股);最新价;参考市值(元);备忘\n"
        "000977;浪潮信息;100;52.84;5284;x\n合计;;;;5284;\n制表：某人\n",
    )
    raw = read_raw(path, layouts)
    assert raw.rows.drop("source_row", "lone").row(0, named=True) == {
        "code": "000977",
        "name": "浪潮信息",
        "quantity": "100",
        "price": "52.84",
        "value": "5284",
    }
    assert raw.rows["source_row"].to_list() == [5]
    assert raw.unit("quantity") == 1.0
    assert raw.dropped == 2
    unknown = [row["column"] for row in raw.issues if row["rule"] == "column_unknown"]
    assert unknown == ["备忘"]


def test_a_second_column_of_one_kind_is_reported(tmp_path: Path, layouts: Layouts) -> None:
    path = write(tmp_path, "代码,名称,持股数量,余额\n000977,浪潮信息,100,90\n")
    raw = read_raw(path, layouts)
    assert raw.rows["quantity"].to_list() == ["100"]
    assert "second_column" in rules(raw)


def test_guards_and_quoted_breaks_are_taken_off(tmp_path: Path, layouts: Layouts) -> None:
    path = write(tmp_path, 'listing,name,weight\n"=""000977""","浪潮\n信息",1\n\'603019,曙光,--\n')
    raw = read_raw(path, layouts)
    assert raw.rows["code"].to_list() == ["000977", "603019"]
    assert raw.rows["weight"].to_list() == ["1", None]
    assert raw.rows["source_row"].to_list() == [2, 4]


def test_percent_may_stand_in_the_header(tmp_path: Path, layouts: Layouts) -> None:
    for header in ("权重(%)", "市值占净值%", "weight_percent", "权重(%)weight"):
        raw = read_raw(write(tmp_path, f"code,{header}\n000977.SZ,100\n"), layouts)
        assert raw.unit("weight") == pytest.approx(0.01), header


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a,b\n1,2\n", "no header"),
        (
            "证券代码,证券名称,委托价格,委托数量,成交数量\n000977,浪潮信息,1,2,3\n",
            "orders or trades",
        ),
        ("listing,weight,weight\n000977.SZ,1,1\n", "two columns headed weight"),
        ("listing,quantity,price\n000977.SZ,1,200,52.84\n", "more cells than the header"),
        ('listing,weight\n"000977.SZ,1\n', "never closed"),
        ('listing,weight\n"000977".SZ,1\n', "closing quote"),
        ("listing,weight\n" + "0" * 140_000 + ",1\n", "longer than"),
        ("listing,weight" + ",x" * 2_100 + "\n", "too many columns"),
    ],
)
def test_tables_that_are_not_holdings_are_refused(
    tmp_path: Path, layouts: Layouts, text: str, word: str
) -> None:
    with pytest.raises(HoldingsError) as caught:
        read_raw(write(tmp_path, text), layouts)
    assert word in caught.value.render()
    assert "week.csv" in caught.value.places[0].render()


def test_too_many_rows_are_refused(
    tmp_path: Path, layouts: Layouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grids, "MAX_ROWS", 5)
    text = "listing,weight\n" + "000977.SZ,1\n" * 9
    with pytest.raises(HoldingsError, match="too many rows"):
        read_raw(write(tmp_path, text), layouts)
    with pytest.raises(HoldingsError, match="too many rows"):
        read_raw(pl.DataFrame({"listing": ["a"] * 9, "weight": [1] * 9}), layouts)


def test_a_date_above_the_header_is_kept(tmp_path: Path, layouts: Layouts) -> None:
    header = "Ticker,Name,Asset Class,Market Value,Weight (%),Quantity,Price,Exchange,Currency\n"
    row = '700,TENCENT,Equity,"50.0",0.5,1,50,Hong Kong Exchanges And Clearing Ltd,USD\n'
    raw = read_raw(write(tmp_path, f'Fund Holdings as of,"Jan 24, 2025"\n{header}{row}'), layouts)
    assert raw.layout == "ishares"
    assert parse_day(raw.as_of_text or "") == date(2025, 1, 24)
    with pytest.raises(HoldingsError, match="no data"):
        read_raw(write(tmp_path, f'Fund Holdings as of,"-"\n{header}{row}'), layouts)


# --- workbooks


def xlsx(folder: Path, sheets: dict[str, list[list[object]]], hidden: tuple[str, ...] = ()) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
        if title in hidden:
            sheet.sheet_state = "hidden"
    book.save(folder / "week.xlsx")
    return folder / "week.xlsx"


TABLE: list[list[object]] = [["listing", "name", "weight"], ["000977.SZ", "浪潮信息", 1.0]]


def test_a_number_keeps_the_zeros_and_the_percent_a_person_sees(
    tmp_path: Path, layouts: Layouts
) -> None:
    path = xlsx(
        tmp_path, {"持仓": [["代码", "名称", "占比", "数量"], [977, "浪潮信息", 0.1093, 1200.0]]}
    )
    book = openpyxl.load_workbook(path)
    book["持仓"]["A2"].number_format = "000000"
    book["持仓"]["C2"].number_format = "0.00%"
    book.save(path)
    raw = read_raw(path, layouts)
    assert raw.sheet == "持仓"
    assert raw.rows.drop("source_row", "lone").row(0) == ("000977", "浪潮信息", "10.93%", "1200")


def test_dates_blanks_and_text_of_a_workbook(tmp_path: Path, layouts: Layouts) -> None:
    rows: list[list[object]] = [
        ["title"],
        [],
        ["listing", "name", "weight", "as_of"],
        [],
        ["000977.SZ", True, 1, datetime.combine(DAY, time())],
    ]
    raw = read_raw(xlsx(tmp_path, {"A": rows}), layouts)
    assert raw.rows.drop("lone").row(0) == (5, "000977.SZ", "True", "1", "2025-01-24")
    assert "blank_rows" in rules(raw)


def test_two_sheets_of_holdings_are_refused_and_a_hidden_one_is_told(
    tmp_path: Path, layouts: Layouts
) -> None:
    with pytest.raises(HoldingsError) as caught:
        read_raw(xlsx(tmp_path, {"A": TABLE, "B": TABLE}), layouts)
    assert [place.sheet for place in caught.value.places] == ["A", "B"]
    raw = read_raw(xlsx(tmp_path, {"A": TABLE, "B": TABLE}, hidden=("B",)), layouts)
    assert raw.sheet == "A"
    assert "hidden_sheet" in rules(raw)
    only = read_raw(xlsx(tmp_path, {"A": [["note"]], "B": TABLE}, hidden=("B",)), layouts)
    assert only.sheet == "B"


def test_a_workbook_without_holdings_names_its_first_row(tmp_path: Path, layouts: Layouts) -> None:
    with pytest.raises(HoldingsError, match="no header") as caught:
        read_raw(xlsx(tmp_path, {"A": [["x", "y"]]}), layouts)
    assert caught.value.places[0].value == "x | y"


def test_a_workbook_too_wide_is_refused(tmp_path: Path, layouts: Layouts) -> None:
    with pytest.raises(HoldingsError, match="too many columns"):
        read_raw(xlsx(tmp_path, {"A": [["listing"] * 2_001]}), layouts)


# --- frames


FRAME = {"listing": ["000977.SZ", "603019.SH"], "weight": [0.4, 0.6], "price": [52.84, None]}


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame(FRAME),
        pl.LazyFrame(FRAME),
        pd.DataFrame(FRAME),
        pa.table(FRAME),
        nw.from_native(pl.DataFrame(FRAME)).to_native(),
    ],
    ids=["polars", "lazy", "pandas", "pyarrow", "narwhals"],
)
def test_any_frame_reads_alike(frame: object, layouts: Layouts) -> None:
    raw = read_raw(frame, layouts, name="mine")  # type: ignore[arg-type]
    assert raw.file == "mine"
    assert raw.rows["weight"].to_list() == ["0.4", "0.6"]
    assert raw.rows["price"].to_list() == ["52.84", None]
    assert raw.sha256 == read_raw(pl.DataFrame(FRAME), layouts).sha256


def test_nan_is_missing_in_pandas_and_a_fault_elsewhere(layouts: Layouts) -> None:
    data = {"listing": ["000977.SZ"], "weight": [float("nan")]}
    assert read_raw(pd.DataFrame(data), layouts).rows["weight"].to_list() == [None]
    assert read_raw(pl.DataFrame(data), layouts).rows["weight"].to_list() == ["nan"]


def test_cells_of_frames_become_text(layouts: Layouts) -> None:
    data = {
        "listing": pl.Series([977], dtype=pl.Int64),
        "weight": [Decimal("0.5")],
        "as_of": [datetime.combine(DAY, time(15, 30))],
        "name": [True],
    }
    row = read_raw(pl.DataFrame(data), layouts).rows.row(0, named=True)
    assert row["code"] == "977"
    assert row["weight"].startswith("0.5")
    assert row["as_of"] == "2025-01-24 15:30:00"


def test_nested_and_broken_cells_are_refused(layouts: Layouts) -> None:
    nested = pl.DataFrame({"listing": ["000977.SZ"], "weight": [[1.0, 2.0]]})
    with pytest.raises(HoldingsError, match="nested"):
        read_raw(nested, layouts)
    with pytest.raises(HoldingsError, match="not valid"):
        read_raw(pl.DataFrame({"listing": ["000977.SZ", "\x00\x00"], "weight": [1, 0]}), layouts)
    broken = pd.DataFrame({"listing": pd.Series(["\ud800"], dtype=object), "weight": [1.0]})
    with pytest.raises(HoldingsError, match="half a character"):
        read_raw(broken, layouts)


def test_missing_markers_of_pandas_are_missing(layouts: Layouts) -> None:
    frame = pd.DataFrame(
        {
            "listing": pd.Series(["000977.SZ", None], dtype=object),
            "weight": pd.array([1, pd.NA], "Int64"),
        }
    )
    raw = read_raw(frame, layouts)
    assert raw.rows["weight"].to_list() == ["1"]
    assert "blank_rows" in rules(raw)


def test_a_frame_that_is_none_is_a_usage_error(layouts: Layouts) -> None:
    with pytest.raises(UsageError, match="list"):
        read_raw([1, 2], layouts)  # type: ignore[arg-type]


def test_a_frame_too_wide_is_refused(layouts: Layouts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grids, "MAX_COLUMNS", 2)
    with pytest.raises(HoldingsError, match="too many columns"):
        read_raw(pl.DataFrame(FRAME), layouts)


def test_parquet_and_arrow_files_are_read(tmp_path: Path, layouts: Layouts) -> None:
    frame = pl.DataFrame(FRAME)
    frame.write_parquet(tmp_path / "week.parquet")
    frame.write_ipc(tmp_path / "week.arrow")
    for name in ("week.parquet", "week.arrow"):
        assert read_raw(tmp_path / name, layouts).rows["weight"].to_list() == ["0.4", "0.6"]


def test_a_damaged_arrow_file_is_refused(tmp_path: Path, layouts: Layouts) -> None:
    stream = io.BytesIO()
    pl.DataFrame(FRAME).write_ipc(stream)
    path = write(tmp_path, stream.getvalue()[:200], "week.arrow")
    with pytest.raises(HoldingsError, match="damaged arrow"):
        read_raw(path, layouts)
