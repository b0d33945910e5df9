"""The hostile inputs, each made by code: the 62 of the design, and some that were found on the way.

A case makes one or more files and says of each how it must end: refused with exit 3, a place and a
cure, or read with the right weights. Where both are honest (a character that a person can't see),
either is taken; a wrong answer never is.
"""

from __future__ import annotations

import io
import os
import random
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tests.hostile import biff
from tests.hostile.books import (
    BOOK,
    CSV,
    HEADER,
    RIGHT,
    ROWS,
    SHEET,
    good_biff,
    good_frame,
    good_parquet,
    good_parts,
    good_stream,
    good_xlsx,
    parts,
    sheet_xml,
    spoilt,
    zipped,
)

MIB = 1024 * 1024


@dataclass(frozen=True)
class Expected:
    """How a file must end.

    Parameters
    ----------
    refused, read
        Which ends are right; both for a file that may go either way.
    weights
        The right answer, where it may be read.
    place
        Facts that the first place of the refusal must hold.
    """

    refused: bool
    read: bool
    weights: Mapping[str, float]
    place: Mapping[str, object]


def refused(**place: object) -> Expected:
    return Expected(True, False, {}, place)


def right(weights: Mapping[str, float] = RIGHT) -> Expected:
    return Expected(False, True, weights, {})


def either(weights: Mapping[str, float] = RIGHT) -> Expected:
    return Expected(True, True, weights, {})


@dataclass(frozen=True)
class Given:
    """One hostile input: a file, or what stands in its place, and options after it."""

    name: str
    data: bytes | Callable[[Path], None]
    expected: Expected
    options: tuple[str, ...] = ()
    blames: str | None = None  # the file that the refusal must name, where it is not this one


Make = Callable[[], Iterator[Given]]


@dataclass(frozen=True)
class Case:
    number: int
    make: Make
    alone: bool

    @property
    def id(self) -> str:
        return f"case_{self.number:02d}_{self.make.__name__}"


CASES: list[Case] = []


def case(number: int, *, alone: bool = False) -> Callable[[Make], Make]:
    """Add a case; ``alone`` for files that have been seen to end or to fill an interpreter."""

    def add(make: Make) -> Make:
        CASES.append(Case(number, make, alone))
        return make

    return add


def file(name: str, data: bytes | str, expected: Expected) -> Given:
    return Given(name, data.encode() if isinstance(data, str) else data, expected)


# --- container ------------------------------------------------------------------------------------


@case(1)
def empty_file() -> Iterator[Given]:
    yield file("week.csv", b"", refused())
    yield file("week.xlsx", b" \r\n\t\x00", refused())


@case(2)
def random_bytes_named_xlsx() -> Iterator[Given]:
    for seed in range(5):
        yield file("week.xlsx", random.Random(seed).randbytes(4_000), refused())


@case(3)
def truncated_zip() -> Iterator[Given]:
    data = good_xlsx()
    for cut in (4, 30, len(data) // 2, len(data) - 5):
        yield file("week.xlsx", data[:cut], refused())


@case(4)
def zip_with_a_wrong_checksum() -> Iterator[Given]:
    data = bytearray(good_xlsx())
    name = SHEET.encode()
    local, central = data.find(name) - 30, data.rfind(name) - 46
    for at in (local + 14, central + 16):
        data[at] ^= 0xFF
    yield file("week.xlsx", bytes(data), refused())


@case(5, alone=True)
def zip_bomb_by_ratio() -> Iterator[Given]:
    yield file("week.xlsx", spoilt(SHEET, lambda xml: xml + b" " * 100 * MIB), refused())


@case(6)
def nested_zip() -> Iterator[Given]:
    yield file("week.xlsx", zipped({"week.xlsx": good_xlsx()}), refused())
    inner = zipped({"a": b"\x00" * MIB})
    yield file("week.xlsx", zipped(good_parts(**{"xl/embeddings/a.zip": inner})), right())


@case(7)
def ten_thousand_parts() -> Iterator[Given]:
    many = {f"xl/media/{number}.bin": b"" for number in range(10_000)}
    yield file("week.xlsx", zipped(good_parts(**many)), refused())


@case(8)
def declared_size_smaller_than_real() -> Iterator[Given]:
    data = bytearray(good_xlsx())
    central = data.rfind(SHEET.encode()) - 46
    data[central + 24 : central + 28] = (100).to_bytes(4, "little")
    yield file("week.xlsx", bytes(data), refused())


@case(9)
def member_that_climbs_out() -> Iterator[Given]:
    for name in ("../../evil", "xl/../../evil", "..\\evil"):
        yield file("week.xlsx", zipped(good_parts(**{name: b"x"})), refused(value=name))


@case(10)
def absolute_member_name() -> Iterator[Given]:
    for name in ("/etc/evil", "\\evil"):
        yield file("week.xlsx", zipped(good_parts(**{name: b"x"})), refused(value=name))


@case(11)
def symlink_member() -> Iterator[Given]:
    stream = io.BytesIO(good_xlsx())
    with zipfile.ZipFile(stream, "a") as archive:
        link = zipfile.ZipInfo("xl/media/link")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    yield file("week.xlsx", stream.getvalue(), refused(value="xl/media/link"))


@case(12)
def duplicate_member_names() -> Iterator[Given]:
    other = sheet_xml([HEADER, *ROWS[:1]]).encode()
    for name in (SHEET, SHEET.upper()):
        stream = io.BytesIO(good_xlsx())
        with zipfile.ZipFile(stream, "a") as archive:
            info = zipfile.ZipInfo(name)
            archive.NameToInfo.pop(name, None)  # else the library warns
            archive.writestr(info, other)
        yield file("week.xlsx", stream.getvalue(), refused())


@case(13)
def encrypted_workbook() -> Iterator[Given]:
    yield file("week.xlsx", biff.ole(b"\x00" * 5_000, "EncryptedPackage"), refused())
    zip_flag = bytearray(good_xlsx())
    zip_flag[zip_flag.rfind(b"PK\x01\x02") + 8] |= 1
    yield file("week.xlsx", bytes(zip_flag), refused())
    book, at = good_biff(), len(biff.bof(5))
    locked = book[:at] + biff.record(0x2F, bytes(6)) + book[at:]
    yield file("week.xls", biff.ole(locked), refused())


@case(14)
def old_excel_that_is_html() -> Iterator[Given]:
    html = f"<html><body><table><tr><td>{CSV}</td></tr></table></body></html>"
    for data in (html.encode(), html.encode("gb18030"), ("\ufeff" + html).encode("utf-16")):
        yield file("week.xls", data, refused())
    yield file("week.xls", '<?xml version="1.0"?><Workbook/>', refused())


@case(15)
def old_excel_that_is_gbk_text_or_itself() -> Iterator[Given]:
    yield file("week.xls", CSV.encode("gb18030"), right())
    yield file("week.xls", CSV.replace(",", "\t").encode("gb18030"), right())
    yield file("week.xls", biff.ole(good_biff()), right())
    yield file("week.xls", good_biff(), right())


@case(16)
def no_workbook_part() -> Iterator[Given]:
    for part in (BOOK, "xl/_rels/workbook.xml.rels", "[Content_Types].xml", SHEET):
        members = good_parts()
        del members[part]
        yield file("week.xlsx", zipped(members), refused())


# --- XML ------------------------------------------------------------------------------------------


def with_dtd(dtd: str, part: str = SHEET) -> bytes:
    return spoilt(part, lambda xml: xml.replace(b"?>\n", f"?>\n{dtd}".encode(), 1))


@case(17, alone=True)
def billion_laughs() -> Iterator[Given]:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    dtd = f'<!DOCTYPE worksheet [<!ENTITY l0 "lol">{laughs}]>'
    yield file("week.xlsx", with_dtd(dtd), refused())


@case(18)
def external_entity() -> Iterator[Given]:
    dtd = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    for part in (SHEET, BOOK, "xl/styles.xml", "[Content_Types].xml"):
        yield file("week.xlsx", with_dtd(dtd, part), refused())


@case(19)
def dtd_without_entities() -> Iterator[Given]:
    yield file("week.xlsx", with_dtd("<!DOCTYPE worksheet>"), refused())
    yield file("week.xlsx", with_dtd('<!doctype worksheet SYSTEM "a.dtd">'), refused())


_SST = '<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>%s</t></si></sst>'


def shared(texts: bytes, index: str = "0") -> bytes:
    first = f'< t="s"><v>{index}</v></c>'
    rows = [HEADER, [first, *ROWS[0][1:]], ROWS[1]]
    return zipped(parts(("持仓", sheet_xml(rows)), shared=texts))


@case(20)
def invalid_utf8_in_shared_strings() -> Iterator[Given]:
    yield file("week.xlsx", shared((_SST % "000977").encode()), right())
    yield file(
        "week.xlsx", shared((_SST % "000977").encode().replace(b"77", b"\xff\xfe")), refused()
    )


@case(21)
def shared_string_index_out_of_range() -> Iterator[Given]:
    for index in ("1", "999999999", "x"):
        yield file("week.xlsx", shared((_SST % "000977").encode(), index), refused())


@case(22, alone=True)
def deep_nesting() -> Iterator[Given]:
    for depth in (200, 200_000):
        nest = "<a>" * depth + "</a>" * depth
        xml = sheet_xml([HEADER, *ROWS], after=f"<extLst>{nest}</extLst>")
        yield file("week.xlsx", zipped(parts(("持仓", xml))), either())


@case(23)
def dimension_too_small() -> Iterator[Given]:
    xml = sheet_xml([HEADER, *ROWS], before='<dimension ref="A1"/>')
    yield file("week.xlsx", zipped(parts(("持仓", xml))), right())


@case(24, alone=True)
def dimension_over_the_whole_sheet() -> Iterator[Given]:
    xml = sheet_xml([HEADER, *ROWS], before='<dimension ref="A1:XFD1048576"/>')
    yield file("week.xlsx", zipped(parts(("持仓", xml))), right())


@case(25, alone=True)
def two_far_cells() -> Iterator[Given]:
    far = b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    data = spoilt(SHEET, lambda xml: xml.replace(b"</sheetData>", far))
    yield file("week.xlsx", data, refused(sheet="持仓", column="cell XFD1048576"))


@case(26, alone=True)
def a_million_empty_styled_rows() -> Iterator[Given]:
    rows = "".join(f'<row r="{r}" s="1" customFormat="1"/>' for r in range(4, 1_048_577))
    data = spoilt(SHEET, lambda xml: xml.replace(b"</sheetData>", rows.encode() + b"</sheetData>"))
    yield file("week.xlsx", data, refused())


@case(27)
def sixteen_thousand_columns() -> Iterator[Given]:
    wide = [*HEADER, *(f"h{n}" for n in range(16_384 - len(HEADER)))]
    data = zipped(parts(("持仓", sheet_xml([wide, *ROWS]))))
    yield file("week.xlsx", data, refused(sheet="持仓", row=1))


@case(28)
def formula_cells_without_values() -> Iterator[Given]:
    rows = [HEADER, [*ROWS[0][:2], "<><f>600*2</f></c>", *ROWS[0][3:]], ROWS[1]]
    yield file("week.xlsx", zipped(parts(("持仓", sheet_xml(rows)))), refused(row=2))
    rows[1] = [*ROWS[0][:2], "<><f>600*2</f><v>1200</v></c>", *ROWS[0][3:]]
    yield file("week.xlsx", zipped(parts(("持仓", sheet_xml(rows)))), right())


@case(29)
def error_cells() -> Iterator[Given]:
    for error in ("#REF!", "#N/A", "#VALUE!", "#DIV/0!"):
        rows = [HEADER, [*ROWS[0][:2], f'< t="e"><v>{error}</v></c>', *ROWS[0][3:]], ROWS[1]]
        # #N/A is what data terminals write for a blank: value and price still give the answer
        expected = either() if error == "#N/A" else refused(row=2)
        yield file("week.xlsx", zipped(parts(("持仓", sheet_xml(rows)))), expected)
    cells: list[list[biff.Cell]] = [
        list(HEADER),
        ["000977", "浪潮信息", biff.Error(0x17), biff.Number(52.84), biff.Number(63408)],
    ]
    yield file("week.xls", biff.workbook(("a", biff.sheet(cells))), refused(row=2))


@case(30)
def dates_from_1904() -> Iterator[Given]:
    # 45681 days after 1899-12-30 are 2025-01-24; a calendar from 1904 starts 1,462 days later
    for properties, serial in (("", 45_681), ('<workbookPr date1904="1"/>', 45_681 - 1_462)):
        day = f'< s="1"><v>{serial}</v></c>'
        rows = [[*HEADER, "日期"], *([*row, day] for row in ROWS)]
        sheet = ("持仓", sheet_xml(rows))
        made = parts(sheet, properties=properties, formats=("General", "yyyy-mm-dd"))
        yield file("week.xlsx", zipped(made), right())


@case(31)
def links_and_macros() -> Iterator[Given]:
    more = {
        "xl/vbaProject.bin": b"\xd0\xcf\x11\xe0" + bytes(600),
        "xl/externalLinks/externalLink1.xml": b"<externalLink/>",
        "xl/embeddings/oleObject1.bin": b"\xd0\xcf\x11\xe0" + bytes(600),
    }
    yield file("week.xlsm", zipped(good_parts(**more)), right())


# --- text -----------------------------------------------------------------------------------------


@case(32)
def gbk_with_the_mark_of_utf8() -> Iterator[Given]:
    yield file("week.csv", b"\xef\xbb\xbf" + CSV.encode("gb18030"), right())


@case(33)
def utf16_with_and_without_mark() -> Iterator[Given]:
    for encoding in ("utf-16-le", "utf-16-be"):
        yield file("week.csv", ("\ufeff" + CSV).encode(encoding), right())
        yield file("week.csv", CSV.encode(encoding), right())
        yield file("week.csv", CSV.encode(encoding)[:-1], refused())


@case(34)
def nul_bytes() -> Iterator[Given]:
    yield file("week.csv", CSV.encode().replace(b"1200", b"12\x0000"), refused())
    yield file("week.csv", CSV.encode() + b"\x00" * 100, refused())
    yield file(
        "week.csv", ("\ufeff" + CSV.replace("1200", "12\x0000")).encode("utf-16-le"), refused()
    )


@case(35, alone=True)
def one_line_of_50_mb() -> Iterator[Given]:
    yield file("week.csv", b"x" * 50_000_000, refused())


@case(36)
def mixed_line_ends_and_open_quotes() -> Iterator[Given]:
    head, first, second = CSV.splitlines()
    yield file("week.csv", f"{head}\r\n{first}\r{second}\n", right())
    yield file("week.csv", f'{head}\n{first}\n"688041,海光信息,1,1,1\n', refused())
    yield file("week.csv", f'{head}\n{first}\n"603019"x,中科曙光,800,66.21,52968\n', refused())


@case(37)
def leads_of_formulas() -> Iterator[Given]:
    for lead in ("=cmd|'/c calc'!A1", "＝1+1", "+1", "-1", "@SUM(1)", "\t=1", '=HYPERLINK("x")'):
        quoted = '"' + lead.replace('"', '""') + '"'
        yield file("week.csv", CSV.replace("浪潮信息", quoted), refused(row=2))
        yield file("week.csv", CSV.replace("000977", quoted), refused())
        noted = CSV.replace("市值\n", "市值,备注\n").replace("63408.0\n", f"63408.0,{quoted}\n")
        yield file("week.csv", noted.replace("52968.0\n", "52968.0,\n"), right())


@case(38)
def characters_that_nobody_sees_in_codes() -> Iterator[Given]:
    for code in ("00\u200b0977", "\u202e000977", "000977\u2066", "000\u00ad977", "0009\u200d77"):
        yield file("week.csv", CSV.replace("000977", code), either())


@case(39)
def codes_that_look_right() -> Iterator[Given]:
    for code in ("00О977", "OOO977", "0009٧7", "00l977", "000९77"):  # noqa: RUF001 - that is the point
        yield file("week.csv", CSV.replace("000977", code), refused(row=2))


@case(40)
def name_of_33_thousand_characters() -> Iterator[Given]:
    yield file("week.csv", CSV.replace("浪潮信息", "浪" * 33_000), refused())
    rows = [HEADER, [ROWS[0][0], "浪" * 33_000, *ROWS[0][2:]], ROWS[1]]
    yield file("week.xlsx", zipped(parts(("持仓", sheet_xml(rows)))), refused())


# --- meaning --------------------------------------------------------------------------------------


@case(41)
def weights_that_are_none() -> Iterator[Given]:
    for weight in ("NaN", "inf", "-inf", "1e308", "-0.2"):
        yield file("week.csv", f"listing,weight\n000977.SZ,{weight}\n603019.SH,1\n", refused())


@case(42)
def weights_that_sum_to_nothing() -> Iterator[Given]:
    yield file("week.csv", "listing,weight\n000977.SZ,0\n603019.SH,0\n", refused())
    yield file("week.csv", "listing,weight\n000977.SZ,0.5\n603019.SH,-0.5\n", refused())


@case(43)
def all_codes_equal() -> Iterator[Given]:
    rows = "".join(f"000300,名称{number},0.5\n" for number in range(200))
    yield file("week.csv", "代码,名称,权重\n" + rows, refused())


@case(44)
def header_of_another_table() -> Iterator[Given]:
    orders = "证券代码,证券名称,买卖标志,委托价格,委托数量,成交数量,合同编号\n"
    yield file("week.csv", orders + "000977,浪潮信息,买入,52.84,100,100,1\n", refused())
    fills = "成交时间,证券代码,证券名称,操作,成交数量,成交均价,成交金额,合同编号,成交编号\n"
    yield file("week.csv", fills + "09:30:00,000977,浪潮信息,买入,100,52.84,5284,1,1\n", refused())


@case(45)
def days_that_are_none() -> Iterator[Given]:
    for day in ("0000-01-01", "2025-02-31", "99999-01-01", "2025-13-01"):
        rows = f"000977.SZ,0.5,{day}\n603019.SH,0.5,{day}\n"
        yield file("week.csv", "listing,weight,as_of\n" + rows, refused())

    # a day that is one, if far away: --as-of was given, and holds
    halves = {"000977.SZ": 0.5, "603019.SH": 0.5}
    rows = "000977.SZ,0.5,9999-12-31\n603019.SH,0.5,9999-12-31\n"
    yield file("week.csv", "listing,weight,as_of\n" + rows, either(halves))


@case(46)
def duplicate_headers() -> Iterator[Given]:
    yield file(
        "week.csv", "listing,weight,weight\n000977.SZ,0.4,0.6\n603019.SH,0.6,0.4\n", refused()
    )


@case(47)
def a_hundred_thousand_duplicate_rows() -> Iterator[Given]:
    body = CSV.partition("\n")[2]
    yield file("week.csv", ",".join(HEADER) + "\n" + body * 50_000, either())


def parquet(frame: pl.DataFrame) -> bytes:
    stream = io.BytesIO()
    frame.write_parquet(stream)
    return stream.getvalue()


@case(48, alone=True)
def parquet_with_nested_columns() -> Iterator[Given]:
    for extra in ([[1], [2]], [{"a": 1}, {"a": 2}], [b"a", b"b"]):
        frame = good_frame().with_columns(pl.Series("extra", extra))
        yield file("week.parquet", parquet(frame), refused(column="extra"))


@case(49)
def mandates_that_are_none() -> Iterator[Given]:
    for text in (
        'name = "a"\nname = "b"\n',
        'name = "a"\nsurprise = 1\n',
        f'name = "{"x" * 10_000_000}"\nsurprise = 1\n',
        "[[[[[[[[",
    ):

        def write(folder: Path, text: str = text) -> None:
            (folder / "week.csv").write_text(CSV, encoding="utf-8")
            (folder / "limits.toml").write_text(text, encoding="utf-8")

        yield Given("week.csv", write, refused(), ("--mandate", "limits.toml"), "limits.toml")


@case(51)
def what_is_no_file() -> Iterator[Given]:
    yield Given("week.csv", lambda folder: (folder / "week.csv").mkdir(), refused())
    yield Given("week.csv", lambda folder: os.mkfifo(folder / "week.csv"), refused())
    yield Given("week.csv", lambda folder: (folder / "week.csv").symlink_to("/dev/zero"), refused())
    yield Given("week.csv", lambda folder: None, refused())


@case(52)
def a_million_columns() -> Iterator[Given]:
    yield file("week.csv", b"listing,weight" + b",a" * 1_000_000 + b"\n000977.SZ,1\n", refused())


@case(53)
def half_characters() -> Iterator[Given]:
    yield file("week.csv", CSV.encode() + b"\xed\xa0\x80,x,1,1,1\n", refused())
    halves = ("\ufeff" + CSV).encode("utf-16-le") + b"\x00\xd8,\x00x\x00\n\x00"
    yield file("week.csv", halves, refused())
    rows = [HEADER, ['< t="inlineStr"><is><t>&#xD800;</t></is></c>', *ROWS[0][1:]], ROWS[1]]
    yield file("week.xlsx", zipped(parts(("持仓", sheet_xml(rows)))), refused())


@case(54)
def marks_of_direction_in_names() -> Iterator[Given]:
    for name in ("\u200f浪潮信息", "浪潮\u202e信息", "\u2067浪潮信息\u2069"):
        yield file("week.csv", CSV.replace("浪潮信息", name), either())


@case(55)
def sheets_that_refer_in_a_circle() -> Iterator[Given]:
    for result, expected in (("<v>1200</v>", right()), ("", refused(row=2))):
        rows = [HEADER, [*ROWS[0][:2], f"<><f>Other!A1</f>{result}</c>", *ROWS[0][3:]], ROWS[1]]
        other = [["<><f>持仓!C2</f><v>1200</v></c>"]]
        made = parts(("持仓", sheet_xml(rows)), ("Other", sheet_xml(other)))
        yield file("week.xlsx", zipped(made), expected)


@case(56)
def hidden_sheets() -> Iterator[Given]:
    hidden = sheet_xml([HEADER, ("688041", "海光信息", 9_999, 140.0, 1_399_860.0)])
    states = {"隐藏": "hidden", "更深": "veryHidden"}
    sheets = [("隐藏", hidden), ("持仓", sheet_xml([HEADER, *ROWS])), ("更深", hidden)]
    yield file("week.xlsx", zipped(parts(*sheets, states=states)), right())


@case(57)
def numbers_of_400_digits() -> Iterator[Given]:
    yield file("week.csv", CSV.replace("1200", "9" * 400), refused(row=2))
    yield file("week.csv", CSV.replace("1200", "0." + "9" * 400), refused())
    rows = [HEADER, [*ROWS[0][:2], f"<><v>{'9' * 5_000}</v></c>", *ROWS[0][3:]], ROWS[1]]
    yield file("week.xlsx", zipped(parts(("持仓", sheet_xml(rows)))), refused())


@case(58)
def european_decimals_in_a_chinese_layout() -> Iterator[Given]:
    comma = CSV.replace("52.84", '"52,84"').replace("63408.0", '"63.408,00"')
    yield file("week.csv", comma, either())


@case(59, alone=True)
def parquet_with_a_false_footer_length() -> Iterator[Given]:
    data = good_parquet()
    for length in (0, 1, 7, 10**6, 2**32 - 1):
        yield file("week.parquet", data[:-8] + length.to_bytes(4, "little") + b"PAR1", refused())
    yield file("week.parquet", data[:4] + bytes(len(data) - 12) + data[-8:], refused())


@case(60, alone=True)
def arrow_stream_cut_in_the_middle() -> Iterator[Given]:
    data = good_stream()
    for cut in (len(data) // 2, len(data) - 8, 20):
        yield file("week.arrow", data[:cut], refused())
    yield file("week.arrow", data, right())


@case(61)
def two_sheets_of_holdings() -> Iterator[Given]:
    other = sheet_xml([HEADER, ("688041", "海光信息", 100, 140.0, 14_000.0)])
    made = parts(("一月", sheet_xml([HEADER, *ROWS])), ("二月", other))
    yield file("week.xlsx", zipped(made), refused())


# --- found on the way -----------------------------------------------------------------------------


@case(63, alone=True)
def a_table_that_grows_when_read() -> Iterator[Given]:
    rows = 30_000  # 300 MB of text in 2 kB of file: one dictionary entry of 10,000 characters
    long = pl.DataFrame(
        {
            "证券代码": pl.repeat("x" * 10_000, rows, eager=True),
            "权重": pl.repeat(1.0, rows, eager=True),
        }
    )
    yield file("week.parquet", parquet(long), refused())


@case(64, alone=True)
def old_excel_of_blanks() -> Iterator[Given]:
    blanks = b"".join(
        biff.record(0xBE, row.to_bytes(2, "little") + bytes(2 + 512) + b"\xff\x00")
        for row in range(65_535)
    )
    body = biff.bof(0x10) + blanks + biff.record(0x0A)
    yield file("week.xls", biff.workbook(("a", body)), refused())


@case(65)
def rows_twice_or_out_of_order() -> Iterator[Given]:
    def twice(xml: bytes) -> bytes:
        at = xml.index(b'<row r="2">')
        return xml[:at] + xml[at : xml.index(b'<row r="3">')] + xml[at:]

    yield file("week.xlsx", spoilt(SHEET, twice), refused(sheet="持仓"))
    yield file(
        "week.xlsx",
        spoilt(SHEET, lambda xml: xml.replace(b'<row r="3">', b'<row r="1">')),
        refused(sheet="持仓"),
    )


@case(66, alone=True)
def one_long_text_used_everywhere() -> Iterator[Given]:
    rows = [HEADER, *([*['< t="s"><v>0</v></c>'] * 5] for _ in range(20_000))]
    text = (_SST % ("浪" * 32_000)).encode()
    yield file("week.xlsx", zipped(parts(("持仓", sheet_xml(rows)), shared=text)), refused())


@case(67, alone=True)
def ole_that_points_in_a_circle() -> Iterator[Given]:
    data = bytearray(biff.ole(good_biff()))
    fat = 512
    data[fat + 8 : fat + 12] = (2).to_bytes(
        4, "little"
    )  # the first sector of the stream is its own next
    yield file("week.xls", bytes(data), refused())
    data = bytearray(biff.ole(good_biff()))
    data[fat + 4 : fat + 8] = (1).to_bytes(4, "little")  # and so the directory
    yield file("week.xls", bytes(data), either())
