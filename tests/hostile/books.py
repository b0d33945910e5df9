"""Good files in every container, and tools to spoil them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from html import escape

import polars as pl

from tests.hostile import biff

HEADER = ("证券代码", "证券名称", "股票余额", "市价", "市值")
ROWS = (("000977", "浪潮信息", 1200, 52.84, 63408.0), ("603019", "中科曙光", 800, 66.21, 52968.0))
VALUE = 63408.0 + 52968.0
RIGHT = {"000977.SZ": 63408.0 / VALUE, "603019.SH": 52968.0 / VALUE}
CSV = "".join(",".join(map(str, row)) + "\n" for row in (HEADER, *ROWS))
SHEET = "xl/worksheets/sheet1.xml"
BOOK = "xl/workbook.xml"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_LINKS = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
_SHEET = "worksheet"  # also the last word of its type
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"


def letters(column: int) -> str:
    text = ""
    while column:
        column, rest = divmod(column - 1, 26)
        text = chr(65 + rest) + text
    return text


def cell_xml(row: int, column: int, value: object) -> str:
    at = f'r="{letters(column)}{row}"'
    if value is None:
        return ""
    if isinstance(value, str):
        if value.startswith("<"):  # the inside of a cell, as it stands
            return f"<c {at}{value[1:]}"
        return f'<c {at} t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    return f"<c {at}><v>{value}</v></c>"


def sheet_xml(rows: Sequence[Sequence[object]], *, before: str = "", after: str = "") -> str:
    body = "".join(
        f'<row r="{r}">{"".join(cell_xml(r, c, value) for c, value in enumerate(row, 1))}</row>'
        for r, row in enumerate(rows, 1)
    )
    inside = f"{before}<sheetData>{body}</sheetData>{after}"
    return _HEAD + element("worksheet", inside, f"{_MAIN} {_LINKS}")


def element(tag: str, inside: str, attributes: str = "") -> str:
    """Return an element of XML."""
    return f"<{tag} {attributes}>{inside}</{tag}>"


def parts(
    *sheets: tuple[str, str],
    states: Mapping[str, str] | None = None,
    properties: str = "",
    shared: str | bytes | None = None,
    formats: Sequence[str] = ("General",),
    **more: bytes,
) -> dict[str, bytes]:
    """Return the parts of a workbook, each to be spoilt or left."""
    numbers = range(1, len(sheets) + 1)
    states = states or {}
    listed = "".join(
        f'<sheet name="{escape(name)}" sheetId="{n}" r:id="rId{n}"'
        + (f' state="{states[name]}"' if name in states else "")
        + "/>"
        for n, (name, _) in zip(numbers, sheets, strict=True)
    )
    links = "".join(
        f'<Relationship Id="rId{n}" Type="{_OFFICE}/{_SHEET}" Target="{_SHEET}s/sheet{n}.xml"/>'
        for n in numbers
    )
    links += f'<Relationship Id="s" Type="{_OFFICE}/styles" Target="styles.xml"/>'
    types = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_TYPE}.worksheet+xml"/>'
        for n in numbers
    )
    if shared is not None:
        links += f'<Relationship Id="t" Type="{_OFFICE}/sharedStrings" Target="sharedStrings.xml"/>'
        types += (
            f'<Override PartName="/xl/sharedStrings.xml" ContentType="{_TYPE}.sharedStrings+xml"/>'
        )
    texts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/>{types}</Types>',
        "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        BOOK: element("workbook", f"{properties}<sheets>{listed}</sheets>", f"{_MAIN} {_LINKS}"),
        "xl/_rels/workbook.xml.rels": "<Relationships "
        f'xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{links}</Relationships>',
        "xl/styles.xml": f"<styleSheet {_MAIN}>{_styles(formats)}</styleSheet>",
    }
    made = {name: (_HEAD + text).encode() for name, text in texts.items()}
    for n, (_, xml) in zip(numbers, sheets, strict=True):
        made[f"xl/worksheets/sheet{n}.xml"] = xml.encode()
    if shared is not None:
        made["xl/sharedStrings.xml"] = shared.encode() if isinstance(shared, str) else shared
    return made | more


def _styles(formats: Sequence[str]) -> str:
    numbers = "".join(
        f'<numFmt numFmtId="{164 + i}" formatCode="{escape(code)}"/>'
        for i, code in enumerate(formats)
    )
    styles = "".join(
        f'<xf numFmtId="{164 + i}" fontId="0" fillId="0" borderId="0" applyNumberFormat="1"/>'
        for i in range(len(formats))
    )
    return (
        f'<numFmts count="{len(formats)}">{numbers}</numFmts><fonts count="1"><font/></fonts>'
        '<fills count="1"><fill><patternFill/></fill></fills><borders count="1"><border/></borders>'
        f'<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="{len(formats)}">{styles}</cellXfs>'
    )


def zipped(members: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def good_parts(**more: bytes) -> dict[str, bytes]:
    return parts(("持仓", sheet_xml([HEADER, *ROWS])), **more)


def good_xlsx() -> bytes:
    return zipped(good_parts())


def spoilt(part: str, change: Callable[[bytes], bytes]) -> bytes:
    """Return the good workbook with one part changed."""
    members = good_parts()
    return zipped({**members, part: change(members[part])})


def good_biff() -> bytes:
    rows: list[list[biff.Cell]] = [list(HEADER)]
    rows += [
        [code, name, *(biff.Number(number) for number in numbers)] for code, name, *numbers in ROWS
    ]
    return biff.workbook(("持仓", biff.sheet(rows)))


def good_frame() -> pl.DataFrame:
    return pl.DataFrame(list(ROWS), schema=list(HEADER), orient="row")


def good_parquet() -> bytes:
    stream = io.BytesIO()
    good_frame().write_parquet(stream)
    return stream.getvalue()


def good_stream() -> bytes:
    stream = io.BytesIO()
    good_frame().write_ipc_stream(stream)
    return stream.getvalue()
