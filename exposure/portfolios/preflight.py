"""The single door for outside files: bytes are checked here before any parser sees them.

Input files are untrusted. This module reads a file once, decides by its bytes what it is, and
refuses what a parser could not survive: two far cells in a five-kilobyte workbook make a
spreadsheet reader ask for half a terabyte and abort the interpreter, which no ``except`` can
catch. Only the standard library is used, so nothing here can be surprised.
"""

from __future__ import annotations

import codecs
import html
import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import IO

from exposure.errors import HoldingsError, Place

MIB = 1024 * 1024
MAX_BYTES = 64 * MIB
MAX_PARTS = 2_000
MAX_UNPACKED = 400 * MIB
MAX_RATIO = 200
RATIO_FLOOR = MIB  # a small part may compress as well as it likes
MAX_AREA = 5_000_000  # cells of the rectangle from the first to the last used cell
MAX_CELLS = 2_000_000
MAX_SHEET_ROWS = (
    200_000  # a file formatted down to row 1,048,576 takes minutes to read and holds nothing
)
CHUNK = 256 * 1024
MAX_TAG = MIB  # longest piece of markup kept across two chunks

_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PARQUET = b"PAR1"
_ARROW = b"ARROW1"
_BIFF = (b"\x09\x08", b"\x09\x04", b"\x09\x02", b"\x09\x00")
_BINARY = {
    b"%PDF": "a PDF",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"\x7fELF": "a program",
    b"MZ": "a program",
}
_MARKUP = ("<html", "<!doctype", "<table", "<meta", "<head", "<body", "<div", "<?xml", "<style")
_ENCODED_MARKUP_BYTES = 4_096

_DTD = re.compile(rb"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)
_TAG = re.compile(rb"<(?:[\w.\-]+:)?(row|c)(?=[\s/>])")
_ATTRIBUTES = re.compile(rb"""((?:\s+[\w:.\-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*/?>""")
_WHOLE_TAG = re.compile(rb"""<[^<>"']*(?:"[^"]*"[^<>"']*|'[^']*'[^<>"']*)*>""")
_REF = re.compile(rb"""\sr\s*=\s*["']([^"']*)["']""")
_CELL = re.compile(rb"^([A-Z]{1,3})([0-9]{1,7})$")
_SHEET = re.compile(r"<(?:[\w.\-]+:)?sheet\s([^<>]*?)/?>")
_RELATION = re.compile(r"<(?:[\w.\-]+:)?Relationship\s([^<>]*?)/?>")
_ATTRIBUTE = re.compile(r"""([\w:.\-]+)\s*=\s*["']([^"']*)["']""")


class Container(Enum):
    """What a file is, by its bytes."""

    TEXT = "text"
    XLSX = "xlsx"
    PARQUET = "parquet"
    ARROW = "arrow"


@dataclass(frozen=True, slots=True)
class Checked:
    """A file that may be parsed.

    Parameters
    ----------
    name
        File name without its folder.
    container
        What to read it as.
    data
        The bytes, read once.
    remarks
        What a reader should be told, e.g. that macros are left alone.
    """

    name: str
    container: Container
    data: bytes
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text and how it was found."""

    text: str
    encoding: str
    doubt: str | None = None  # a sentence when the byte order mark lied


@dataclass(slots=True)
class _Extent:
    """The used area of one sheet, grown while its cells stream by."""

    first_row: int = 0
    last_row: int = 0
    first_column: int = 0
    last_column: int = 0
    row: int = 0
    column: int = 0
    rows: int = 0
    cells: int = 0
    corners: list[str] = field(default_factory=list)

    @property
    def area(self) -> int:
        """Cells of the rectangle from the first to the last used cell."""
        if not self.cells:
            return 0
        return (self.last_row - self.first_row + 1) * (self.last_column - self.first_column + 1)

    def add_row(self, number: int | None) -> None:
        """Move to a row; without a number it follows the last one."""
        self.rows += 1
        self.row = self.row + 1 if number is None else number
        self.column = 0

    def add_cell(self, row: int, column: int) -> None:
        """Take a cell in."""
        self.row, self.column = row, column
        if not self.cells:
            self.first_row = self.last_row = row
            self.first_column = self.last_column = column
        self.cells += 1
        self.first_row, self.last_row = min(self.first_row, row), max(self.last_row, row)
        self.first_column = min(self.first_column, column)
        self.last_column = max(self.last_column, column)


def inspect_file(path: str | Path, *, max_bytes: int = MAX_BYTES) -> Checked:
    """Read a file once and decide whether a parser may see it.

    Parameters
    ----------
    path
        The file. Links are followed; a folder, a device or a pipe is refused.
    max_bytes
        Largest size accepted [bytes].

    Raises
    ------
    HoldingsError
        With the file, the place inside it, and what to do.
    """
    path = Path(path)
    name = path.name or str(path)
    data = _read(path, name, max_bytes)
    return inspect_bytes(data, name)


def inspect_bytes(data: bytes, name: str) -> Checked:
    r"""Decide by its bytes what a file is; see :func:`inspect_file`.

    Examples
    --------
    >>> inspect_bytes(b"listing,weight\n000977.SZ,1\n", "holdings.csv").container.value
    'text'
    """
    if not data.strip(b" \t\r\n\x00") and len(data) < CHUNK:
        raise _refused(name, "the file is empty", "is empty", "export the holdings again")
    if data.startswith(_ZIP):
        return Checked(name, Container.XLSX, data, _check_workbook(data, name))
    if data.startswith(_OLE):
        raise _ole_error(data, name)
    if data.startswith(_PARQUET):
        _check_footer(data, name)
        return Checked(name, Container.PARQUET, data)
    if data.startswith(_ARROW):
        return Checked(name, Container.ARROW, data)
    for magic, what in _BINARY.items():
        if data.startswith(magic):
            raise _refused(
                name, f"{name} is not a table", f"is {what}, whatever its name says", _EXPORT
            )
    if data[:2] in _BIFF and data[2:4] in (b"\x08\x00", b"\x06\x00", b"\x10\x00", b"\x04\x00"):
        raise _old_excel(name)
    _check_markup(data, name)
    return Checked(name, Container.TEXT, data)


def decode_text(data: bytes, name: str) -> Decoded:
    r"""Decode bytes strictly: byte order mark, UTF-8, GB18030; never with replacement characters.

    Raises
    ------
    HoldingsError
        With the byte offset that fits no encoding, or of the first NUL byte.

    Examples
    --------
    >>> decode_text("证券代码".encode("gb18030"), "holdings.csv").encoding
    'gb18030'
    """
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if data.startswith(mark):
            return Decoded(_strict(data[len(mark) :], encoding, name, len(mark)), encoding)
    start = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    nul = data.find(b"\x00")
    if nul >= 0:
        raise _refused(
            name,
            f"{name} is not text",
            f"has a NUL byte at offset {nul}: binary data, or UTF-16 without a byte order mark",
            "save the table as CSV in UTF-8",
        )
    body = data[start:]
    try:
        return Decoded(body.decode("utf-8"), "utf-8")
    except UnicodeDecodeError as first:
        try:
            text = body.decode("gb18030")
        except UnicodeDecodeError as second:
            offset = start + max(first.start, second.start)
            raise _refused(
                name,
                f"{name} is in no encoding that can be read",
                f"byte offset {offset} (0x{data[offset]:02x}) fits neither UTF-8 nor GB18030",
                "save the table as CSV in UTF-8",
            ) from second
    doubt = None
    if start:
        doubt = "the byte order mark says UTF-8, the bytes are GB18030; read as GB18030"
    return Decoded(text, "gb18030", doubt)


_EXPORT = "export the holdings as CSV or XLSX"
# what zipfile was seen to raise on altered archives: offsets before the start, cut structures, ...
_ZIP_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)
_LONG_TAG = "one tag is longer than a megabyte"


def _refused(
    name: str,
    what: str,
    why: str,
    cure: str,
    *,
    sheet: str | None = None,
    column: str | None = None,
    value: str | None = None,
) -> HoldingsError:
    place = Place(name, why, sheet=sheet, column=column, value=value)
    return HoldingsError(what, places=[place], cure=cure)


def _read(path: Path, name: str, max_bytes: int) -> bytes:
    try:
        status = path.stat()
    except FileNotFoundError as fault:
        raise _refused(
            name, f"{name} does not exist", "does not exist", "check the path of the file"
        ) from fault
    except (OSError, ValueError) as fault:
        raise _refused(
            name, f"{name} can't be opened", "can't be opened", "check the path of the file"
        ) from fault
    if stat.S_ISDIR(status.st_mode):
        raise _refused(
            name, f"{name} is a folder", "is a folder, not a file", "name the file inside it"
        )
    if not stat.S_ISREG(status.st_mode):
        raise _refused(
            name,
            f"{name} is not a regular file",
            "is a device, pipe or socket",
            "copy the data into a file first",
        )
    if status.st_size > max_bytes:
        raise _too_large(name, status.st_size, max_bytes)
    try:
        with path.open("rb") as stream:
            data = stream.read(max_bytes + 1)
    except OSError as fault:
        raise _refused(
            name, f"{name} can't be read", "can't be read", "check the rights of the file"
        ) from fault
    if len(data) > max_bytes:  # it grew while being read
        raise _too_large(name, len(data), max_bytes)
    return data


def _too_large(name: str, size: int, limit: int) -> HoldingsError:
    return _refused(
        name,
        f"{name} is too large",
        f"has {size / MIB:.0f} MiB, the limit is {limit / MIB:.0f} MiB",
        "export only the holdings of one day",
    )


def _strict(data: bytes, encoding: str, name: str, shift: int) -> str:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as fault:
        raise _refused(
            name,
            f"{name} is in no encoding that can be read",
            f"byte offset {fault.start + shift} is not valid {encoding.upper()}",
            "save the table as CSV in UTF-8",
        ) from fault
    if "\x00" in text:
        raise _refused(
            name, f"{name} is not text", "has a NUL character", "save the table as CSV in UTF-8"
        )
    return text


def _check_markup(data: bytes, name: str) -> None:
    head = data[:_ENCODED_MARKUP_BYTES].replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    start = head[:64].decode("ascii", errors="replace").lower()
    if start.startswith(_MARKUP):
        kind = "an XML file" if start.startswith("<?xml") else "a web page (HTML)"
        raise _refused(
            name,
            f"{name} is not a table",
            f"is {kind}, whatever its name says",
            "open it in Excel or WPS and save it as XLSX or CSV",
        )


def _ole_error(data: bytes, name: str) -> HoldingsError:
    if "EncryptedPackage".encode("utf-16-le") in data:
        return _refused(
            name,
            f"{name} is encrypted",
            "is protected by a password",
            "save a copy without a password",
        )
    return _old_excel(name)


def _old_excel(name: str) -> HoldingsError:
    return _refused(
        name,
        f"{name} is an old Excel file",
        "is in the old binary format (.xls, BIFF)",
        "open it in Excel or WPS and save it as XLSX or CSV",
    )


def _check_footer(data: bytes, name: str) -> None:
    length = int.from_bytes(data[-8:-4], "little") if len(data) >= 12 else 0
    if len(data) < 12 or not data.endswith(_PARQUET) or not 0 < length <= len(data) - 12:
        raise _refused(
            name,
            f"{name} is a damaged parquet file",
            "has no valid footer; it was cut or changed",
            "write the file again",
        )


# --- xlsx -----------------------------------------------------------------------------------------


def _check_workbook(data: bytes, name: str) -> tuple[str, ...]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _check_members(members, name)
            sheets = _sheet_names(archive, members, name)
            budget = MAX_UNPACKED
            for member in members:
                budget -= _check_part(archive, member, name, sheets, budget)
            return _remarks(members)
    except _ZIP_FAULTS as fault:
        raise _refused(
            name,
            f"{name} is a damaged workbook",
            "is a zip archive that can't be unpacked: it was cut or changed",
            "save the workbook again, or export it as CSV",
        ) from fault


def _check_members(members: list[zipfile.ZipInfo], name: str) -> None:
    names = [member.filename for member in members]
    if len(members) > MAX_PARTS:
        why = f"has {len(members)} parts inside, the limit is {MAX_PARTS}"
        raise _refused(name, f"{name} has too many parts", why, _EXPORT)
    if any(member.flag_bits & 0x1 for member in members):
        raise _refused(
            name,
            f"{name} is encrypted",
            "is protected by a password",
            "save a copy without a password",
        )
    if any(m.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for m in members):
        why = "is packed in a way that workbooks are not"
        raise _refused(name, f"{name} is malformed", why, "save the workbook again")
    if len({part.lower() for part in names}) != len(names):
        why = "holds two parts of one name, so readers disagree about its content"
        raise _refused(name, f"{name} is malformed", why, "save the workbook again")
    for member in members:
        part = member.filename
        is_link = stat.S_ISLNK(member.external_attr >> 16)
        if part.startswith(("/", "\\")) or ".." in part.replace("\\", "/").split("/") or is_link:
            why = "holds a part that points outside the file"
            raise _refused(name, f"{name} is malformed", why, "save the workbook again", value=part)
    if "xl/workbook.xml" not in names or "[Content_Types].xml" not in names:
        raise _refused(
            name, f"{name} is not a workbook", "is a zip archive without a workbook", _EXPORT
        )
    unpacked = sum(member.file_size for member in members)
    if unpacked > MAX_UNPACKED:
        why = f"unpacks to {unpacked / MIB:.0f} MiB, the limit is {MAX_UNPACKED / MIB:.0f} MiB"
        raise _refused(name, f"{name} is too large", why, _EXPORT)
    for member in members:
        ratio = member.file_size / max(member.compress_size, 1)
        if member.file_size > RATIO_FLOOR and ratio > MAX_RATIO:
            why = (
                f"part {member.filename} unpacks {ratio:.0f} times larger, the limit is {MAX_RATIO}"
            )
            raise _refused(name, f"{name} looks like a zip bomb", why, _EXPORT)


def _remarks(members: list[zipfile.ZipInfo]) -> tuple[str, ...]:
    names = [member.filename.lower() for member in members]
    remarks: list[str] = []
    if any(part.endswith("vbaproject.bin") for part in names):
        remarks.append("the workbook holds macros; they are not run")
    if any(part.startswith("xl/externallinks/") for part in names):
        remarks.append("the workbook links to other files; the links are not followed")
    return tuple(remarks)


def _sheet_names(
    archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], name: str
) -> dict[str, str]:
    """Map the part of each sheet to the name a person sees."""
    names = {member.filename for member in members}
    texts: list[str] = []
    for part in ("xl/workbook.xml", "xl/_rels/workbook.xml.rels"):
        raw = b""
        if part in names:
            with archive.open(part) as stream:
                raw = stream.read(4 * MIB)
        texts.append(raw.decode("utf-8", errors="replace"))
    if not texts[1]:
        raise _refused(
            name, f"{name} is not a workbook", "is a zip archive without a workbook", _EXPORT
        )
    targets: dict[str, str] = {}
    for match in _RELATION.finditer(texts[1]):
        attributes = dict(_ATTRIBUTE.findall(match[1]))
        target = attributes.get("Target", "")
        part = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
        targets[attributes.get("Id", "")] = part
    found: dict[str, str] = {}
    for match in _SHEET.finditer(texts[0]):
        attributes = dict(_ATTRIBUTE.findall(match[1]))
        relation = next((v for k, v in attributes.items() if k.rpartition(":")[2] == "id"), "")
        if relation in targets:
            found[targets[relation]] = html.unescape(attributes.get("name", "?"))
    return found


def _check_part(
    archive: zipfile.ZipFile,
    member: zipfile.ZipInfo,
    name: str,
    sheets: dict[str, str],
    budget: int,
) -> int:
    """Stream one part: its real size, its declarations, and the area of its cells."""
    part = member.filename
    sheet = sheets.get(part)
    extent = _Extent()
    size = 0
    is_xml = part.lower().endswith((".xml", ".rels", ".vml"))
    with archive.open(member) as stream:
        for window, fresh in _windows(stream):
            size += fresh
            if size > budget:
                why = f"unpacks to more than {MAX_UNPACKED / MIB:.0f} MiB"
                raise _refused(name, f"{name} is too large", why, _EXPORT)
            if size == fresh:
                is_xml = is_xml or window.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
                if is_xml:
                    _check_declaration(window, name, part)
            if not is_xml:
                continue
            if _DTD.search(window):
                why = f"part {part} declares a DTD or entity; a workbook needs none"
                raise _refused(
                    name, f"{name} is refused", why, "save the workbook again in Excel or WPS"
                )
            _measure(window, extent, name, sheet or part)
    return size


def _windows(stream: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """Yield pieces that never cut a tag, and the count of new bytes in each."""
    rest = b""
    while True:
        chunk = stream.read(CHUNK)
        if not chunk:
            if rest:
                yield rest, 0
            return
        whole = rest + chunk
        cut = whole.rfind(b"<")
        if cut < 0 or (len(whole) - cut > MAX_TAG and _WHOLE_TAG.match(whole, cut)):
            cut = len(whole)  # no markup is open: long text may be cut anywhere
        elif len(whole) - cut > MAX_TAG:
            raise zipfile.BadZipFile(_LONG_TAG)
        yield whole[:cut], len(chunk)
        rest = whole[cut:]


def _check_declaration(window: bytes, name: str, part: str) -> None:
    """Refuse XML that isn't UTF-8: a scan of bytes can't see into it."""
    head = window[:200].lower()
    other = head.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00<", b"<\x00"))
    match = re.search(rb"""encoding\s*=\s*["']([^"']+)["']""", head.partition(b"?>")[0])
    if other or (match and match[1] not in (b"utf-8", b"utf8", b"us-ascii", b"ascii")):
        why = f"part {part} is not in UTF-8"
        raise _refused(name, f"{name} is refused", why, "save the workbook again in Excel or WPS")


def _measure(window: bytes, extent: _Extent, name: str, sheet: str) -> None:
    for tag in _TAG.finditer(window):
        attributes = _ATTRIBUTES.match(window, tag.end())
        if attributes is None:
            raise _address_error(window[tag.start() : tag.end() + 20], name, sheet)
        reference = _REF.search(attributes[1])
        if tag[1] == b"row":
            number = None if reference is None else _row_number(reference[1], name, sheet)
            extent.add_row(number)
            if extent.rows > MAX_SHEET_ROWS:
                raise _area_error(
                    name, sheet, f"has more than {MAX_SHEET_ROWS} rows", str(extent.row)
                )
            continue
        if reference is None:
            row, column, text = max(extent.row, 1), extent.column + 1, ""
        else:
            row, column, text = _address(reference[1], name, sheet)
        extent.add_cell(row, column)
        shown = text or f"{_letters(column)}{row}"
        if extent.area > MAX_AREA:
            why = (
                f"the used area from {_letters(extent.first_column)}{extent.first_row} has "
                f"{extent.area} cells, the limit is {MAX_AREA}"
            )
            raise _area_error(name, sheet, why, shown)
        if extent.cells > MAX_CELLS:
            raise _area_error(name, sheet, f"has more than {MAX_CELLS} cells", shown)


def _area_error(name: str, sheet: str, why: str, cell: str) -> HoldingsError:
    return _refused(
        name,
        f"{name} has a cell far outside its table" if "area" in why else f"{name} is too large",
        why,
        f"delete the rows and columns around {cell} in sheet {sheet}, or save the table as CSV",
        sheet=sheet,
        column=f"cell {cell}" if not cell.isdigit() else None,
        value=None,
    )


def _row_number(raw: bytes, name: str, sheet: str) -> int:
    if not raw.isdigit() or len(raw) > 7:
        raise _address_error(raw, name, sheet)
    return int(raw)


def _address(raw: bytes, name: str, sheet: str) -> tuple[int, int, str]:
    match = _CELL.match(raw)
    if match is None:
        raise _address_error(raw, name, sheet)
    column = 0
    for letter in match[1]:
        column = column * 26 + letter - 64
    return int(match[2]), column, raw.decode("ascii")


def _address_error(raw: bytes, name: str, sheet: str) -> HoldingsError:
    return _refused(
        name,
        f"{name} is malformed",
        "is not a cell address",
        "save the workbook again in Excel or WPS",
        sheet=sheet,
        value=raw[:40].decode("utf-8", errors="replace"),
    )


def _letters(column: int) -> str:
    text = ""
    while column:
        column, rest = divmod(column - 1, 26)
        text = chr(65 + rest) + text
    return text
