"""A workbook (xlsx) before a reader sees it: the members of the zip, their real size, their XML, their cells."""

from __future__ import annotations

import html
import io
import posixpath
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from exposure.portfolios.preflight.cells import Extent, measure
from exposure.portfolios.preflight.refusals import EXPORT, MIB, SAVE_AGAIN, encrypted, refused

MAX_PARTS = 2_000
MAX_UNPACKED = 400 * MIB
MAX_RATIO = 200
RATIO_FLOOR = MIB  # a small part may compress as well as it likes
CHUNK = 256 * 1024
MAX_TAG = MIB  # longest piece of markup kept across two chunks

_DTD = re.compile(rb"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)
_WHOLE_TAG = re.compile(rb"""<[^<>"']*(?:"[^"]*"[^<>"']*|'[^']*'[^<>"']*)*>""")
_WORKSHEET = re.compile(rb"<(?:[\w.\-]+:)?worksheet[\s>]")
_SHEET = re.compile(r"<(?:[\w.\-]+:)?sheet\s([^<>]*?)/?>")
_RELATION = re.compile(r"<(?:[\w.\-]+:)?Relationship\s([^<>]*?)/?>")
_ATTRIBUTE = re.compile(r"""([\w:.\-]+)\s*=\s*["']([^"']*)["']""")
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


@dataclass(frozen=True, slots=True)
class Scanned:
    """What the scan of a workbook found."""

    remarks: tuple[str, ...]
    unpacked: int  # bytes of all parts


def check_workbook(data: bytes, name: str) -> Scanned:
    """Stream through every part of a workbook once.

    Raises
    ------
    HoldingsError
        For whatever a reader could not survive or would read differently from another one.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _check_members(members, name)
            sheets = _sheet_names(archive, members, name)
            unpacked = cells = 0
            for member in members:
                extent = Extent(cells_before=cells)
                budget = MAX_UNPACKED - unpacked
                unpacked += _check_part(archive, member, name, sheets, budget, extent)
                cells += extent.cells
            return Scanned(_remarks(members), unpacked)
    except _ZIP_FAULTS as fault:
        raise refused(
            name,
            f"{name} is a damaged workbook",
            "is a zip archive that can't be unpacked: it was cut or changed",
            "save the workbook again, or export it as CSV",
        ) from fault


def _check_members(members: list[zipfile.ZipInfo], name: str) -> None:
    names = [member.filename for member in members]
    if len(members) > MAX_PARTS:
        why = f"has {len(members)} parts inside, the limit is {MAX_PARTS}"
        raise refused(name, f"{name} has too many parts", why, EXPORT)
    if any(member.flag_bits & 0x1 for member in members):
        raise encrypted(name)
    if any(m.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for m in members):
        why = "is packed in a way that workbooks are not"
        raise refused(name, f"{name} is malformed", why, SAVE_AGAIN)
    if len({part.lower() for part in names}) != len(names):
        why = "holds two parts of one name, so readers disagree about its content"
        raise refused(name, f"{name} is malformed", why, SAVE_AGAIN)
    for member in members:
        part = member.filename
        is_link = stat.S_ISLNK(member.external_attr >> 16)
        if part.startswith(("/", "\\")) or ".." in part.replace("\\", "/").split("/") or is_link:
            why = "holds a part that points outside the file"
            raise refused(name, f"{name} is malformed", why, SAVE_AGAIN, value=part)
    if "xl/workbook.xml" not in names or "[Content_Types].xml" not in names:
        raise refused(
            name, f"{name} is not a workbook", "is a zip archive without a workbook", EXPORT
        )
    unpacked = sum(member.file_size for member in members)
    if unpacked > MAX_UNPACKED:
        why = f"unpacks to {unpacked / MIB:.0f} MiB, the limit is {MAX_UNPACKED / MIB:.0f} MiB"
        raise refused(name, f"{name} is too large", why, EXPORT)
    for member in members:
        ratio = member.file_size / max(member.compress_size, 1)
        if member.file_size > RATIO_FLOOR and ratio > MAX_RATIO:
            why = (
                f"part {member.filename} unpacks {ratio:.0f} times larger, the limit is {MAX_RATIO}"
            )
            raise refused(name, f"{name} looks like a zip bomb", why, EXPORT)


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
        raise refused(
            name, f"{name} is not a workbook", "is a zip archive without a workbook", EXPORT
        )
    targets: dict[str, str] = {}
    for match in _RELATION.finditer(texts[1]):
        attributes = dict(_ATTRIBUTE.findall(match[1]))
        target = html.unescape(attributes.get("Target", ""))
        part = target[1:] if target.startswith("/") else posixpath.normpath(f"xl/{target}")
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
    extent: Extent,
) -> int:
    """Stream one part: its real size, its declarations, and the area of its cells."""
    part = member.filename
    sheet = sheets.get(part)
    extent.ordered = sheet is not None
    size = 0
    is_xml = part.lower().endswith((".xml", ".rels", ".vml"))
    with archive.open(member) as stream:
        for window, fresh in _windows(stream):
            size += fresh
            if size > budget:
                why = f"unpacks to more than {MAX_UNPACKED / MIB:.0f} MiB"
                raise refused(name, f"{name} is too large", why, EXPORT)
            if size == fresh:
                is_xml = is_xml or window.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
                if is_xml:
                    _check_declaration(window, name, part)
                    extent.ordered = extent.ordered or _WORKSHEET.search(window) is not None
            if not is_xml:
                continue
            if _DTD.search(window):
                why = f"part {part} declares a DTD or entity; a workbook needs none"
                raise refused(name, f"{name} is refused", why, SAVE_AGAIN)
            measure(window, extent, name, sheet or part)
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
        raise refused(name, f"{name} is refused", why, SAVE_AGAIN)
