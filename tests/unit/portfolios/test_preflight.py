"""The door for outside files: what may pass to a parser, and what is refused with a place."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from exposure.errors import HoldingsError
from exposure.portfolios.preflight import (
    Container,
    decode_text,
    files,
    inspect_bytes,
    inspect_file,
    workbooks,
)
from exposure.portfolios.preflight import cells as cell_scan
from exposure.portfolios.preflight.refusals import MIB
from tests.hostile.books import element

TYPES = b'<?xml version="1.0" encoding="UTF-8"?><Types/>'
SHEETS = '<sheets><sheet name="Week &amp; 1" sheetId="1" r:id="rId1"/></sheets>'
BOOK = "<{0}>{1}</{0}>".format("workbook", SHEETS).encode()
RELS = b'<Relationships><Relationship Id="rId1" Target="worksheets/sheet1.xml"/></Relationships>'


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def workbook(sheet: bytes, **parts: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", TYPES)
        archive.writestr("xl/workbook.xml", BOOK)
        archive.writestr("xl/_rels/workbook.xml.rels", RELS)
        archive.writestr("xl/worksheets/sheet1.xml", sheet)
        for name, data in parts.items():
            archive.writestr(name, data)
    return stream.getvalue()


def refused(data: bytes) -> HoldingsError:
    with pytest.raises(HoldingsError) as caught:
        inspect_bytes(data, "week.xlsx")
    assert caught.value.places
    assert caught.value.cure
    return caught.value


def test_text_is_recognised_whatever_its_name_says() -> None:
    assert inspect_bytes("代码,权重".encode("gb18030"), "week.xls").container is Container.TEXT


def test_an_ordinary_workbook_passes() -> None:
    data = workbook(b'<sheetData><row r="1"><c r="A1"/><c r="B1"/></row></sheetData>')
    assert inspect_bytes(data, "week.xlsx").container is Container.XLSX


def test_macros_and_links_are_remarked() -> None:
    data = workbook(
        b"<sheetData/>",
        **{"xl/vbaProject.bin": b"x", "xl/externalLinks/externalLink1.xml": b"<a/>"},
    )
    remarks = inspect_bytes(data, "week.xlsm").remarks
    assert len(remarks) == 2
    assert "macros" in remarks[0]


def test_two_far_cells_are_refused_by_sheet_and_cell() -> None:
    error = refused(
        workbook(b'<row r="1"><c r="A1"/></row><row r="1048576"><c r="XFD1048576"/></row>')
    )
    assert error.places[0].sheet == "Week & 1"
    assert "XFD1048576" in error.render()


def test_far_cells_without_addresses_are_counted_by_position() -> None:
    # a cell without an address follows its row: the area must not look small
    sheet = b'<row r="1"><c/></row>' + b'<row r="400000">' + b"<c/>" * 20 + b"</row>"
    assert "cells, the limit" in refused(workbook(sheet)).render()


@pytest.mark.parametrize(
    "sheet",
    [
        b'<row r="1"><c r="&#88;FD1048576"/></row>',
        b'<row r="1"><c junk=">" r="A1<"/></row>',
        b'<row r="one"><c r="A1"/></row>',
        b'<row r="1048577"/>',
        b'<row r="1"><c r="XFE1"/></row>',
    ],
)
def test_an_address_that_hides_from_the_scan_is_refused(sheet: bytes) -> None:
    assert "malformed" in refused(workbook(sheet)).what


@pytest.mark.parametrize(
    "sheet",
    [
        b'<row r="2"/><row r="1"/>',
        b'<row r="1"/><row r="1"/>',
        b'<row r="1"><c r="B1"/><c r="A1"/></row>',
        b'<row r="1"><c r="A1"/><c r="A1"/></row>',
        b'<row r="1"><c r="A2"/></row>',
    ],
)
def test_rows_and_cells_out_of_order_are_refused(sheet: bytes) -> None:
    # a reader that streams keeps the first, one that indexes keeps the last: the total would differ
    error = refused(workbook(sheet))
    assert "out of order" in error.render()
    assert error.places[0].sheet == "Week & 1"


def test_the_chain_of_calculation_may_be_in_any_order() -> None:
    chain = b'<calcChain><c r="B2" i="1"/><c r="A1"/></calcChain>'
    data = workbook(b"<sheetData/>", **{"xl/calcChain.xml": chain})
    assert inspect_bytes(data, "week.xlsx").container is Container.XLSX


def test_cells_are_counted_over_all_sheets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cell_scan, "MAX_CELLS", 5)
    more = element("worksheet", '<row r="1"><c r="A1"/><c r="B1"/><c r="C1"/></row>').encode()
    parts = {"xl/worksheets/sheet2.xml": more}
    assert "more than 5 cells" in refused(workbook(more, **parts)).render()


def test_an_attribute_with_a_bracket_does_not_hide_the_address() -> None:
    error = refused(
        workbook(b'<row r="1"><c r="A1"/></row><row r="1048576"><c junk=">" r="XFD1048576"/></row>')
    )
    assert "XFD1048576" in error.render()


def test_a_tag_longer_than_a_chunk_is_still_read() -> None:
    pad = b" " * (workbooks.CHUNK + 10)
    error = refused(
        workbook(
            b'<row r="1"><c r="A1"/></row><row r="1048576"><c ' + pad + b' r="XFD1048576"/></row>'
        )
    )
    assert "XFD1048576" in error.render()


def test_a_tag_longer_than_a_megabyte_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbooks, "CHUNK", 1_000)
    monkeypatch.setattr(workbooks, "MAX_TAG", 2_000)
    data = workbook(b'<row r="1"><c r="A1" x="' + bytes(range(97, 122)) * 200 + b'"/></row>')
    assert "damaged" in refused(data).what


def test_a_long_text_is_no_long_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbooks, "CHUNK", 1_000)
    monkeypatch.setattr(workbooks, "MAX_TAG", 2_000)
    data = workbook(b"<sst><t>" + bytes(range(97, 122)) * 400 + b"</t></sst>")
    assert inspect_bytes(data, "week.xlsx").container is Container.XLSX


def test_rows_and_cells_are_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cell_scan, "MAX_SHEET_ROWS", 3)
    assert "more than 3 rows" in refused(workbook(b"<row/>" * 4)).render()
    monkeypatch.setattr(cell_scan, "MAX_SHEET_ROWS", 10)
    monkeypatch.setattr(cell_scan, "MAX_CELLS", 3)
    assert "more than 3 cells" in refused(workbook(b"<row>" + b"<c/>" * 4 + b"</row>")).render()


def test_a_dtd_in_any_part_is_refused() -> None:
    data = workbook(b"<sheetData/>", **{"xl/sharedStrings.xml": b"<!DOCTYPE a><sst/>"})
    assert "DTD" in refused(data).render()


@pytest.mark.parametrize(
    "part", [b'<?xml version="1.0" encoding="UTF-16"?><a/>', "\ufeff<a/>".encode("utf-16-le")]
)
def test_xml_that_the_scan_cannot_read_is_refused(part: bytes) -> None:
    assert "UTF-8" in refused(workbook(b"<a/>", **{"xl/styles.xml": part})).render()


def test_members_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "points outside" in refused(workbook(b"<a/>", **{"../evil": b"x"})).render()
    assert "points outside" in refused(workbook(b"<a/>", **{"/etc/evil": b"x"})).render()
    assert "one name" in refused(workbook(b"<a/>", **{"xl/WORKBOOK.xml": b"x"})).render()
    monkeypatch.setattr(workbooks, "MAX_PARTS", 3)
    assert "parts" in refused(workbook(b"<a/>")).render()


def test_size_and_ratio_are_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "times larger" in refused(workbook(b" " * (2 * MIB))).render()
    monkeypatch.setattr(workbooks, "MAX_UNPACKED", 1_000)
    assert "unpacks to" in refused(workbook(b"a" * 2_000)).render()


def test_a_size_that_lies_is_found_while_streaming() -> None:
    data = bytearray(workbook(b"<sheetData>" + b"<c/>" * 500 + b"</sheetData>"))
    at = data.rfind(b"PK\x01\x02", 0, data.rfind(b"xl/worksheets/sheet1.xml"))
    data[at + 24 : at + 28] = (100).to_bytes(4, "little")  # declared size of the sheet
    assert "damaged" in refused(bytes(data)).what


def test_an_offset_before_the_start_of_the_file_is_refused() -> None:
    data = bytearray(workbook(b"<a/>"))
    del data[40:49]  # the directory now lies nine bytes before where it says
    assert "damaged" in refused(bytes(data)).what


def test_another_way_of_packing_is_refused() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("xl/workbook.xml", BOOK)
    assert "packed" in refused(stream.getvalue()).render()


def test_a_zip_without_a_workbook_is_refused() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.txt", "x")
    assert "without a workbook" in refused(stream.getvalue()).render()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("[Content_Types].xml", TYPES)
        archive.writestr("xl/workbook.xml", BOOK)
    assert "without a workbook" in refused(stream.getvalue()).render()


def test_an_encrypted_member_is_refused() -> None:
    data = bytearray(workbook(b"<a/>"))
    at = data.rfind(b"PK\x01\x02")
    data[at + 8] |= 1
    assert "password" in refused(bytes(data)).render()


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "empty"),
        (b" \r\n\t", "empty"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600, "without a workbook"),
        (OLE + "EncryptedPackage\x00".encode("utf-16-le"), "password"),
        (OLE + b"\x00" * 504 + "WordDocument\x00".encode("utf-16-le"), "without a workbook"),
        (b"ARROW1\x00\x00 cut in the middle", "no end mark"),
        (b"\xff\xff\xff\xff\x10\x00\x00\x00 cut in the middle", "no end mark"),
        (b"  <html><table>", "HTML"),
        ("\ufeff<table>".encode("utf-16"), "HTML"),
        (b'<?xml version="1.0"?><Workbook/>', "XML"),
        (b"PAR1" + b"\x00" * 20, "footer"),
        (b"PK\x03\x04 cut", "cut"),
    ],
)
def test_other_containers_are_named(data: bytes, word: str) -> None:
    assert word in refused(data).render()


def test_what_is_not_a_regular_file_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    for path, word in (
        (tmp_path, "folder"),
        (tmp_path / "none.csv", "does not exist"),
        (pipe, "pipe"),
        (tmp_path / ("x" * 300), "opened"),
    ):
        with pytest.raises(HoldingsError, match=word):
            inspect_file(path)


def test_a_large_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "big.csv"
    path.write_bytes(b"x" * 2_000)
    with pytest.raises(HoldingsError, match="limit"):
        inspect_file(path, max_bytes=1_000)


def test_a_workbook_has_a_smaller_limit_than_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_WORKBOOK_BYTES", 100)
    book = workbook(b"<sheetData/>")
    with pytest.raises(HoldingsError, match="limit"):
        inspect_bytes(book, "week.xlsx")
    path = tmp_path / "week.csv"
    path.write_bytes(book)
    with pytest.raises(HoldingsError, match="limit"):
        inspect_file(path)  # the bytes decide, not the name
    path.write_bytes(b"listing,weight\n" * 100)
    assert inspect_file(path).container is Container.TEXT


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_a_line_that_never_ends_is_refused_with_its_row(
    monkeypatch: pytest.MonkeyPatch, end: bytes
) -> None:
    monkeypatch.setattr(files, "MAX_LINE", 100)
    rows = (b"x" * 90 + end) * 50
    assert inspect_bytes(rows, "week.csv").container is Container.TEXT
    assert refused(rows + b"x" * 101).places[0].row == 51


def test_old_excel_is_recognised_with_and_without_its_container() -> None:
    streams = OLE + b"\x00" * 504 + "Workbook\x00_VBA_PROJECT\x00".encode("utf-16-le")
    checked = inspect_bytes(streams, "week.xls")
    assert checked.container is Container.XLS
    assert "macros" in checked.remarks[0]
    bare = b"\x09\x08\x10\x00\x00\x06\x05\x00"
    assert inspect_bytes(bare, "week.xls").container is Container.XLS


def test_an_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "locked.csv"
    path.write_bytes(b"listing,weight\n")

    def deny(*_: object, **__: object) -> Callable[..., object]:
        raise PermissionError

    monkeypatch.setattr(Path, "open", deny)
    with pytest.raises(HoldingsError, match="rights"):
        inspect_file(path)


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("代码".encode(), "utf-8"),
        ("代码".encode("utf-8-sig"), "utf-8"),
        ("代码".encode("gb18030"), "gb18030"),
        ("\ufeff代码".encode("utf-16-le"), "utf-16-le"),
        ("\ufeff代码".encode("utf-16-be"), "utf-16-be"),
    ],
)
def test_encodings_are_found_strictly(data: bytes, encoding: str) -> None:
    decoded = decode_text(data, "week.csv")
    assert (decoded.text, decoded.encoding) == ("代码", encoding)


TABLE = "证券代码,名称,数量\r\n000977,浪潮信息,1200\r\n000001,一汽,100\r\n"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_read_where_it_is_certain(encoding: str) -> None:
    decoded = decode_text(TABLE.encode(encoding), "week.csv")  # U+4E00 has a NUL on the other side
    assert (decoded.text, decoded.encoding) == (TABLE, encoding)


@pytest.mark.parametrize(
    "data",
    [
        TABLE.encode("utf-16-le")[:-1],  # half a character
        "000977 1200".encode("utf-16-le"),  # no table
        TABLE.replace("数量", "数\x00量").encode("utf-16-le"),
        TABLE.replace("数量", "\ue000").encode("utf-16-le"),  # private use
        ("浪潮信息" * 200 + ",\n").encode("utf-16-le"),  # few NUL bytes: could be anything
    ],
)
def test_utf16_without_a_mark_is_refused_where_it_is_not(data: bytes) -> None:
    with pytest.raises(HoldingsError, match="NUL byte"):
        decode_text(data, "week.csv")


def test_a_mark_that_lies_is_doubted() -> None:
    decoded = decode_text(b"\xef\xbb\xbf" + "证券代码".encode("gb18030"), "week.csv")
    assert decoded.text == "证券代码"
    assert decoded.doubt


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"listing\x00weight", "NUL byte at offset 7"),
        (b"abc\xff\xff,1", "byte offset 3"),
        (b"\xff\xfea", "byte offset 2"),
        (b"\xff\xfea\x00\x00\x00", "NUL"),
    ],
)
def test_bytes_of_no_encoding_are_refused_with_their_offset(data: bytes, word: str) -> None:
    with pytest.raises(HoldingsError, match=word):
        decode_text(data, "week.csv")
