"""Hostile holdings files, made by code: each is refused with a place and a cure, or read rightly.

If this fails, a file from outside can crash the interpreter, show a traceback of a library, or be
read as something it does not say.
"""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from exposure.errors import HoldingsError
from exposure.portfolios.holdings import Book, load_holdings

PROJECT = Path(__file__).parents[2]
AS_OF = date(2025, 1, 24)
GOOD = "证券代码,证券名称,股票余额,市价\n000977,浪潮信息,1200,52.84\n603019,中科曙光,800,66.21\n"

Load = Callable[..., Book]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def read(data: bytes | str | Path, name: str = "week.csv") -> Book:
        path = data if isinstance(data, Path) else tmp_path / name
        if not isinstance(data, Path):
            path.write_bytes(data.encode() if isinstance(data, str) else data)
        return load_holdings(path, as_of=AS_OF, content=PROJECT)

    return read


def refusal(load: Load, data: bytes | str | Path, name: str = "week.csv") -> HoldingsError:
    with pytest.raises(HoldingsError) as caught:
        load(data, name)
    error = caught.value
    assert error.exit_code == 3
    assert error.cure
    assert error.places
    assert all(
        place.file == (data.name if isinstance(data, Path) else name) for place in error.places
    )
    text = error.render()
    assert "Traceback" not in text
    assert "polars" not in text.lower()
    assert len(text) < 4_000
    return error


def zipped(**parts: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return stream.getvalue()


def workbook() -> bytes:
    book = openpyxl.Workbook()
    for row in (["listing", "weight"], ["000977.SZ", 1]):
        book.active.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def replaced(data: bytes, part: str, change: Callable[[bytes], bytes]) -> bytes:
    source = zipfile.ZipFile(io.BytesIO(data))
    return zipped(
        **{
            name: change(source.read(name)) if name == part else source.read(name)
            for name in source.namelist()
        }
    )


SHEET = "xl/worksheets/sheet1.xml"


# --- container


def test_empty_missing_folder_and_device(load: Load, tmp_path: Path) -> None:
    assert "empty" in refusal(load, b"").what
    assert "does not exist" in refusal(load, tmp_path / "none.csv").what
    assert "folder" in refusal(load, tmp_path).what
    assert "regular file" in refusal(load, Path(os.devnull)).what


def test_random_bytes_named_xlsx(load: Load) -> None:
    for seed in range(20):
        refusal(load, random.Random(seed).randbytes(4_000), "week.xlsx")


def test_a_truncated_zip(load: Load) -> None:
    data = workbook()
    for cut in (30, len(data) // 2, len(data) - 5):
        assert "damaged" in refusal(load, data[:cut], "week.xlsx").what


def test_a_wrong_checksum(load: Load) -> None:
    data = bytearray(workbook())
    at = data.find(b"xl/worksheets/sheet1.xml") + len("xl/worksheets/sheet1.xml") + 20
    data[at] ^= 0xFF
    assert "damaged" in refusal(load, bytes(data), "week.xlsx").what


def test_a_zip_bomb_by_ratio(load: Load) -> None:
    data = replaced(workbook(), SHEET, lambda xml: xml + b" " * 30_000_000)
    assert "bomb" in refusal(load, data, "week.xlsx").what


def test_ten_thousand_parts_and_names_outside(load: Load) -> None:
    many = {f"part{number}.bin": b"" for number in range(10_000)}
    assert "parts" in refusal(load, zipped(**many), "week.xlsx").what
    assert "malformed" in refusal(load, zipped(**{"../../evil": b"x"}), "week.xlsx").what


def test_two_far_cells_name_sheet_and_cell(load: Load) -> None:
    book = openpyxl.Workbook()
    book.active.title = "持仓"
    book.active["A1"] = "listing"
    book.active["XFD1048576"] = "weight"
    stream = io.BytesIO()
    book.save(stream)
    error = refusal(load, stream.getvalue(), "week.xlsx")
    assert error.places[0].sheet == "持仓"
    assert "XFD1048576" in error.render()


def test_a_far_cell_does_not_end_the_interpreter(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active["A1"] = "listing"
    book.active["XFD1048576"] = "weight"
    book.save(tmp_path / "week.xlsx")
    code = (
        "import sys, datetime\n"
        "from exposure.errors import HoldingsError\n"
        "from exposure.portfolios.holdings import load_holdings\n"
        "try:\n"
        "    load_holdings(sys.argv[1], as_of=datetime.date(2025, 1, 24), content=sys.argv[2])\n"
        "except HoldingsError:\n"
        "    sys.exit(3)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "week.xlsx"), str(PROJECT)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, check=False)
    assert done.returncode == 3, done.stderr.decode()[-500:]


def test_entities_and_doctypes(load: Load) -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
    for part in (SHEET, "xl/workbook.xml", "xl/styles.xml"):
        data = replaced(workbook(), part, lambda xml: bomb + xml)
        assert "DTD" in refusal(load, data, "week.xlsx").render()


def test_a_wrong_dimension_is_ignored(load: Load) -> None:
    data = replaced(workbook(), SHEET, lambda xml: xml.replace(b'ref="A1:B2"', b'ref="A1"'))
    assert load(data, "week.xlsx").holdings["listing_id"].to_list() == ["000977.SZ"]
    wide = replaced(
        workbook(), SHEET, lambda xml: xml.replace(b'ref="A1:B2"', b'ref="A1:XFD1048576"')
    )
    assert load(wide, "week.xlsx").holdings["weight"].to_list() == [1.0]


def test_a_shared_string_out_of_range(load: Load) -> None:
    data = replaced(
        workbook(),
        SHEET,
        lambda xml: xml.replace(b't="inlineStr"><is><t>000977.SZ</t></is>', b't="s"><v>999</v>'),
    )
    assert "damaged" in refusal(load, data, "week.xlsx").what


def test_formulas_without_values_and_error_cells(load: Load, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    rows = (["listing", "weight"], ["000977.SZ", "=1/3"], ["603019.SH", "#REF!"])
    for row in rows:
        book.active.append(row)
    book.save(tmp_path / "week.xlsx")
    error = refusal(load, tmp_path / "week.xlsx")
    assert {place.row for place in error.places} == {2, 3}


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"<html><body><table><tr><td>000977</td></tr></table></body></html>", "HTML"),
        (b"\x09\x08\x10\x00\x00\x06\x05\x00\x01", "damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 512, "without a workbook"),
        (b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office"/>', "XML"),
    ],
)
def test_other_things_named_xls(load: Load, data: bytes, word: str) -> None:
    assert word in refusal(load, data, "week.xls").render()


def test_damaged_parquet(load: Load, tmp_path: Path) -> None:
    pl.DataFrame({"listing": ["000977.SZ"], "weight": [1.0]}).write_parquet(tmp_path / "a.parquet")
    data = (tmp_path / "a.parquet").read_bytes()
    assert "footer" in refusal(load, data[:-12], "week.parquet").render()
    false_length = data[:-8] + (10**6).to_bytes(4, "little") + b"PAR1"
    assert "footer" in refusal(load, false_length, "week.parquet").render()
    garbled = data[:4] + bytes(len(data) - 12) + data[-8:]
    refusal(load, garbled, "week.parquet")


# --- text


@pytest.mark.parametrize(
    "data",
    [
        GOOD.encode(),
        GOOD.encode("utf-8-sig"),
        GOOD.encode("gb18030"),
        b"\xef\xbb\xbf" + GOOD.encode("gb18030"),
        ("\ufeff" + GOOD).encode("utf-16-le"),
        ("\ufeff" + GOOD.replace(",", "\t")).encode("utf-16-be"),
        GOOD.replace("\n", "\r\n").encode(),
        GOOD.replace("\n", "\r").encode(),
        GOOD.replace("1200", '"1,200"').replace("000977", '"=""000977"""').encode(),
    ],
    ids=["utf8", "bom", "gbk", "gbk-with-bom", "utf16le", "utf16be-tabs", "crlf", "cr", "guards"],
)
def test_one_table_in_many_bytes_is_one_book(load: Load, data: bytes) -> None:
    book = load(data, "week.xls")
    value = 1200 * 52.84 + 800 * 66.21
    assert book.nav == pytest.approx(value)
    assert book.holdings["weight"].to_list() == pytest.approx(
        [1200 * 52.84 / value, 800 * 66.21 / value]
    )


def test_nul_bytes_and_utf16_without_mark(load: Load) -> None:
    assert "NUL" in refusal(load, GOOD.encode().replace(b"1200", b"12\x0000")).render()
    assert "NUL" in refusal(load, GOOD.encode("utf-16-le")[:-1]).render()


def test_lone_surrogates_and_broken_utf8(load: Load) -> None:
    assert "offset" in refusal(load, GOOD.encode() + b"\xed\xa0\x80,x,1,1\n").render()


def test_one_long_line_and_a_million_columns(load: Load) -> None:
    refusal(load, b"x" * 5_000_000)
    refusal(load, b"listing,weight" + b",a" * 1_000_000 + b"\n")


def test_an_open_quote(load: Load) -> None:
    error = refusal(load, GOOD + '"688041,海光信息,1,1\n')
    assert error.places[0].row == 4


# --- meaning


def test_unknown_codes_are_refused_row_by_row(load: Load) -> None:
    error = refusal(load, "listing,weight\n600001.SH,0.5\n688999.SH,0.5\n")
    assert [place.row for place in error.places] == [2, 3]
    assert all("security master" in place.why for place in error.places)


@pytest.mark.parametrize("total", [0.0, 0.5, 1.2, 85.0, 130.0])
def test_weights_that_do_not_sum(load: Load, total: float) -> None:
    half = total / 2
    error = refusal(load, f"listing,weight\n000977.SZ,{half}\n603019.SH,{half}\n")
    assert "sum" in error.what or "no open position" in error.what


@pytest.mark.parametrize(
    "quantity", ["-100", "NaN", "inf", "-inf", "1e308", "1e13", "9" * 400, "0x10", "१००", "1_000"]
)
def test_absurd_quantities(load: Load, quantity: str) -> None:
    error = refusal(
        load, f"listing,quantity,price\n000977.SZ,{quantity},52.84\n603019.SH,100,66.21\n"
    )
    assert (error.places[0].row, error.places[0].column) == (2, "quantity")


def test_weights_that_are_no_weights(load: Load) -> None:
    for weight in ("NaN", "inf", "1e308", "-0.2"):
        refusal(load, f"listing,weight\n000977.SZ,{weight}\n603019.SH,1\n")


def test_another_table(load: Load) -> None:
    header = "证券代码,证券名称,买卖标志,委托价格,委托数量,成交数量,合同编号\n"
    error = refusal(load, header + "000977,浪潮信息,买入,52.84,100,100,1\n")
    assert "orders" in error.what


def test_all_codes_equal(load: Load) -> None:
    rows = "".join(f"000300,名称{number},0.5\n" for number in range(200))
    assert "equal" in refusal(load, "code,name,weight\n" + rows).what


def test_duplicate_headers(load: Load) -> None:
    assert "two columns" in refusal(load, "listing,weight,weight\n000977.SZ,1,1\n").what


def test_dates_that_are_none(load: Load) -> None:
    for day in ("0000-01-01", "2025-02-31", "99999-01-01"):
        refusal(load, f"listing,weight,as_of\n000977.SZ,1,{day}\n")


@pytest.mark.parametrize("lead", ["=cmd|'/c calc'!A1", "＝1+1", "+1", "-1", "@x", "=HYPERLINK(1)"])
def test_a_name_that_starts_a_formula_is_a_name_that_disagrees(load: Load, lead: str) -> None:
    error = refusal(load, f'listing,name,weight\n000977.SZ,"{lead}",0.5\n603019.SH,中科曙光,0.5\n')
    assert (error.places[0].row, error.places[0].column) == (2, "name")


@pytest.mark.parametrize(
    "code",
    [
        "00\u200b0977.SZ",
        "\u202e000977.SZ",
        "000977.SZ\u2066",
        "00О977.SZ",  # noqa: RUF001 - a Cyrillic letter
        "000٩77.SZ",
        "0009​77.SZ",
    ],
)
def test_codes_with_characters_that_only_look_right(load: Load, code: str) -> None:
    error = refusal(load, f"listing,weight\n{code},0.5\n603019.SH,0.5\n")
    assert error.places[0].row == 2
    assert all(char.isprintable() or char == "\n" for char in error.render())


def test_a_name_of_33_thousand_characters(load: Load) -> None:
    error = refusal(load, f"listing,name,weight\n000977.SZ,{'浪' * 33_000},0.5\n603019.SH,,0.5\n")
    assert error.places[0].row == 2
    latin = refusal(
        load, f"listing,name,weight\n000977.SZ,{'Inspur ' * 4_700},0.5\n603019.SH,,0.5\n"
    )
    assert latin.places[0].row == 2


def test_a_hundred_thousand_duplicate_rows(load: Load) -> None:
    rows = "000977.SZ,100,52.84\n603019.SH,100,66.21\n" * 50_000
    book = load("listing,quantity,price\n" + rows)
    assert book.holdings["quantity"].to_list() == [5_000_000, 5_000_000]
    assert book.issues.filter(pl.col("rule") == "duplicates_summed").height == 2


def test_european_decimals_in_a_chinese_layout(load: Load) -> None:
    error = refusal(load, '代码,数量,价格\n000977.SZ,"1.000,00",52.84\n603019.SH,100,66.21\n')
    assert error.places[0].column == "数量"


def test_nested_columns_of_a_frame() -> None:
    frame = pl.DataFrame({"listing": ["000977.SZ"], "weight": [{"a": 1.0}]})
    with pytest.raises(HoldingsError, match="nested"):
        load_holdings(frame, as_of=AS_OF, content=PROJECT)
