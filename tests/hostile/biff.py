"""Old Excel files (BIFF 8) made by hand, with or without the OLE container around the records.

Only what a table needs: texts, numbers with a format, error cells, formulas with their result. The
layout is that of the format's published description ([MS-XLS], [MS-CFB]).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

END_OF_CHAIN, FAT_SECTOR, FREE = 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF
SECTOR = 512
MIN_STREAM = 4096  # shorter streams would lie in the mini stream

FORMATS = ("General", "000000", "0.00%", "yyyy-mm-dd")


@dataclass(frozen=True)
class Number:
    """A number shown by one of FORMATS."""

    value: float
    style: str = "General"


@dataclass(frozen=True)
class Error:
    """An error cell by its code: 0x17 is #REF!, 0x2A is #N/A."""

    code: int


@dataclass(frozen=True)
class Formula:
    """A formula with the number it was saved with."""

    value: float


Cell = str | Number | Error | Formula | bool | None


def record(kind: int, body: bytes = b"") -> bytes:
    return struct.pack("<HH", kind, len(body)) + body


def text(value: str, length: str) -> bytes:
    return struct.pack(length, len(value)) + b"\x01" + value.encode("utf-16-le")


def bof(kind: int) -> bytes:
    return record(0x0809, struct.pack("<HHHHII", 0x0600, kind, 0x0DBB, 0x07CC, 0, 6))


def cell(row: int, column: int, value: Cell) -> bytes:
    at = struct.pack("<HHH", row, column, 0)
    if value is None:
        return b""
    if isinstance(value, str):
        return record(0x0204, at + text(value, "<H"))
    if isinstance(value, bool):
        return record(0x0205, at + bytes([value, 0]))
    if isinstance(value, Error):
        return record(0x0205, at + bytes([value.code, 1]))
    if isinstance(value, Formula):
        return record(0x0006, at + struct.pack("<dHIH", value.value, 0, 0, 3) + b"\x1e\x01\x00")
    style = FORMATS.index(value.style)
    return record(0x0203, struct.pack("<HHHd", row, column, style, value.value))


def sheet(rows: Sequence[Sequence[Cell]]) -> bytes:
    cells = [cell(r, c, value) for r, row in enumerate(rows) for c, value in enumerate(row)]
    return bof(0x10) + b"".join(cells) + record(0x0A)


def workbook(
    *sheets: tuple[str, bytes], epoch_1904: bool = False, hidden: Sequence[str] = ()
) -> bytes:
    """Return the record stream of sheets made by :func:`sheet`."""
    head = bof(0x05) + record(0x42, struct.pack("<H", 1200))
    head += record(0x22, struct.pack("<H", epoch_1904))
    for index, style in enumerate(FORMATS):
        head += record(0x041E, struct.pack("<H", 164 + index) + text(style, "<H"))
    for index in range(len(FORMATS)):
        head += record(0xE0, struct.pack("<HHH", 0, 164 + index, 0) + bytes(14))
    names = [text(name, "<B") for name, _ in sheets]
    offset = len(head) + sum(4 + 6 + len(name) for name in names) + 4
    for name, (title, body) in zip(names, sheets, strict=True):
        head += record(0x85, struct.pack("<IBB", offset, title in hidden, 0) + name)
        offset += len(body)
    return head + record(0x0A) + b"".join(body for _, body in sheets)


def ole(stream: bytes, name: str = "Workbook") -> bytes:
    """Return an OLE file that holds one stream."""
    stream = stream.ljust(MIN_STREAM, b"\x00")
    stream += bytes(-len(stream) % SECTOR)
    sectors = len(stream) // SECTOR
    assert sectors + 2 <= SECTOR // 4, "one FAT sector is enough for a test"
    chain = [FAT_SECTOR, END_OF_CHAIN, *range(3, sectors + 2), END_OF_CHAIN]
    fat = struct.pack("<128I", *chain, *[FREE] * (128 - len(chain)))
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<IIIIIIIII", 0, 1, 1, 0, MIN_STREAM, END_OF_CHAIN, 0, END_OF_CHAIN, 0)
    header += struct.pack("<109I", 0, *[FREE] * 108)
    directory = _entry("Root Entry", 5, child=1) + _entry(name, 2, start=2, size=len(stream))
    return header + fat + directory + bytes(2 * 128) + stream


def _entry(
    name: str, kind: int, *, child: int = FREE, start: int = END_OF_CHAIN, size: int = 0
) -> bytes:
    raw = (name + "\x00").encode("utf-16-le")
    body = raw.ljust(64, b"\x00") + struct.pack("<HBB", len(raw), kind, 1)
    return (
        body
        + struct.pack("<III", FREE, FREE, child)
        + bytes(36)
        + struct.pack("<III", start, size, 0)
    )
