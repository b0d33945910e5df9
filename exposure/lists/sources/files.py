"""List files come from outside: what is too large, too deep or no proper text is refused before anything reads it."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from exposure.errors import ListError, Place

MAX_BYTES = 192 * 2**20  # the largest official file here, SDN_ADVANCED.XML apart, has under 80 MiB
MAX_XML_BYTES = 64 * 2**20  # SDN.XML has under 40
MAX_XML_TAGS = 4_000_000  # SDN.XML has about one million
AGAIN = "fetch the official file again"


def read_bytes(path: Path) -> bytes:
    """Read a list file.

    Raises
    ------
    ListError
        If it is missing, no file, empty or larger than any list.
    """
    reason = None
    try:
        if not path.exists():
            reason = "does not exist"
        elif not path.is_file():
            reason = "is not a file"
        elif path.stat().st_size == 0:
            reason = "is empty"
        elif path.stat().st_size > MAX_BYTES:
            reason = f"is larger than {MAX_BYTES // 2**20} MiB: no list is"
        else:
            return path.read_bytes()
    except (OSError, ValueError) as fault:  # no right to read it, a name that is none
        reason = getattr(fault, "strerror", None) or str(fault)
    raise ListError(
        f"{path.name} can't be read as a list", places=[Place(path.name, reason)], cure=AGAIN
    )


def parse_xml(path: Path, content: bytes) -> Any:
    """Return the root of an official XML file.

    Raises
    ------
    ListError
        If it isn't proper XML, has a DTD or entities, or more tags than any list.
    """
    if len(content) > MAX_XML_BYTES or content.count(b"<") > MAX_XML_TAGS:
        raise ListError(
            f"{path.name} can't be read as a list",
            places=[Place(path.name, "is larger than any XML of a list")],
            cure=AGAIN,
        )
    try:
        return ElementTree.fromstring(content, forbid_dtd=True)
    except (ElementTree.ParseError, DefusedXmlException, ValueError, LookupError) as fault:
        raise ListError(
            f"{path.name} is no proper XML",
            places=[Place(path.name, str(fault) or type(fault).__name__)],
            cure=AGAIN,
        ) from fault


def parse_json(path: Path, text: str) -> Any:
    """Return what an official JSON file holds.

    Raises
    ------
    ListError
        If it isn't proper JSON, or is nested as no list is.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as fault:
        why = "is nested too deeply" if isinstance(fault, RecursionError) else str(fault)
        raise ListError(
            f"{path.name} is no proper JSON", places=[Place(path.name, why)], cure=AGAIN
        ) from fault


def check_edition(file: str, said: date, stated: date | None) -> None:
    """Refuse an edition date that the file contradicts.

    Raises
    ------
    ListError
        With both days.
    """
    if stated is not None and stated != said:
        raise ListError(
            f"{file} is not the edition of {said.isoformat()}",
            places=[Place(file, f"states {stated.isoformat()} itself")],
            cure="leave out --edition: this file knows its own day",
        )
