"""Bytes to text, strictly: a byte order mark, UTF-8, GB18030, and UTF-16 without a mark where that is certain."""

from __future__ import annotations

import codecs
import unicodedata
from dataclasses import dataclass

from exposure.portfolios.preflight.refusals import refused

MIN_NUL_SHARE = (
    0.2  # every ASCII letter of UTF-16 carries a NUL, and a table of holdings is mostly digits
)
_AS_UTF8 = "save the table as CSV in UTF-8"
_BLANKS = frozenset("\t\r\n\ufeff")
_DELIMITERS = frozenset(",;\t")
_NEVER_TEXT = frozenset({"Cc", "Cn", "Co", "Cs"})  # control, unassigned, private, half a character


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text and how it was found."""

    text: str
    encoding: str
    doubt: str | None = None  # a sentence when the byte order mark lied


def decode_text(data: bytes, name: str) -> Decoded:
    r"""Decode bytes strictly; never with replacement characters.

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
    nul = data.find(b"\x00")
    if nul >= 0:
        unmarked = _utf16_without_mark(data)
        if unmarked is not None:
            return unmarked
        raise refused(
            name,
            f"{name} is not text",
            f"has a NUL byte at offset {nul}: binary data, or a damaged table",
            _AS_UTF8,
        )
    return _without_nul(data, name)


def _without_nul(data: bytes, name: str) -> Decoded:
    start = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    body = data[start:]
    try:
        return Decoded(body.decode("utf-8"), "utf-8")
    except UnicodeDecodeError as first:
        try:
            text = body.decode("gb18030")
        except UnicodeDecodeError as second:
            offset = start + max(first.start, second.start)
            raise refused(
                name,
                f"{name} is in no encoding that can be read",
                f"byte offset {offset} (0x{data[offset]:02x}) fits neither UTF-8 nor GB18030",
                _AS_UTF8,
            ) from second
    doubt = None
    if start:
        doubt = "the byte order mark says UTF-8, the bytes are GB18030; read as GB18030"
    return Decoded(text, "gb18030", doubt)


def _utf16_without_mark(data: bytes) -> Decoded | None:
    """Return the text if the bytes can only be UTF-16: one byte order gives a table, the other gives none."""
    if len(data) % 2 or data.count(0) < MIN_NUL_SHARE * len(data):
        return None
    tables = [
        Decoded(text, encoding)
        for encoding in ("utf-16-le", "utf-16-be")
        if (text := _table_text(data, encoding)) is not None
    ]
    return tables[0] if len(tables) == 1 else None


def _table_text(data: bytes, encoding: str) -> str | None:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    used = set(text)
    if not used & _DELIMITERS or not used & {"\n", "\r"}:
        return None
    if any(unicodedata.category(char) in _NEVER_TEXT for char in used - _BLANKS):
        return None
    return text


def _strict(data: bytes, encoding: str, name: str, shift: int) -> str:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as fault:
        raise refused(
            name,
            f"{name} is in no encoding that can be read",
            f"byte offset {fault.start + shift} is not valid {encoding.upper()}",
            _AS_UTF8,
        ) from fault
    if "\x00" in text:
        raise refused(name, f"{name} is not text", "has a NUL character", _AS_UTF8)
    return text
