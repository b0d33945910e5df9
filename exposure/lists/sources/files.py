"""List files come from outside: what is too large, too deep or no proper text is refused before anything reads it."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET
from xml.parsers import expat

from exposure.errors import ListError, Place

MAX_BYTES = 128 * 2**20  # the largest official file that is read here has under 80 MiB
# What memory goes by: a list has one value a comma, one object a bracket or tag. By our count a whole screening list
# has about 1.5 million commas and 0.2 million brackets, SDN.XML about 1.5 million tags.
MAX_MARKS = {b",": 5_000_000, b"<": 2_500_000, b"[": 1_500_000, b"{": 1_000_000}
MAX_ROWS = 100_000  # a whole screening list has 26,000, ADD.CSV 25,000
MAX_DEPTH = 200  # levels of XML; lists have under 20
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
            content = path.read_bytes()
            if all(content.count(mark) <= most for mark, most in MAX_MARKS.items()):
                return content
            reason = "has more brackets, tags or commas than any list"
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
        If it isn't proper XML, or has a DTD or entities.
    """
    try:
        _refuse_unsafe(content)
        return ET.fromstring(content)
    except (ET.ParseError, ValueError, LookupError) as fault:
        raise ListError(
            f"{path.name} is no proper XML",
            places=[Place(path.name, str(fault) or type(fault).__name__)],
            cure=AGAIN,
        ) from fault


def _refuse_unsafe(content: bytes) -> None:
    """Stop at a document type, at the first element deeper than a list goes, at more entries than any list has.

    Without a document type there are no entities, so that nothing is left to expand or to fetch: what defusedxml
    refuses too, at a quarter of its time (its parser of whole trees is written in Python). A tree of a million levels
    costs seconds.
    """
    parser = expat.ParserCreate()
    depth = rows = 0

    def start(_name: str, _attributes: object) -> None:
        nonlocal depth, rows
        depth += 1
        rows += depth == 2  # the entries of sdnList
        if depth > MAX_DEPTH:
            raise ValueError("is nested too deeply")
        if rows > MAX_ROWS:
            raise ValueError(f"has more than {MAX_ROWS:,} rows: no list has")

    def end(_name: str) -> None:
        nonlocal depth
        depth -= 1

    def doctype(*_: object) -> None:
        raise ValueError("has a document type of its own")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(content, True)
    except expat.ExpatError as fault:
        raise ValueError(str(fault)) from fault


def refuse_many(file: str, rows: int) -> None:
    """Refuse more rows than any list has.

    Raises
    ------
    ListError
        With the limit.
    """
    if rows > MAX_ROWS:
        raise ListError(
            f"{file} can't be read as a list",
            places=[Place(file, f"has more than {MAX_ROWS:,} rows: no list has", row=MAX_ROWS)],
            cure=AGAIN,
        )


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


def check_edition(file: str, said: date, stated: date | None, *, slack: int = 0) -> None:
    """Refuse an edition date that the file contradicts.

    Parameters
    ----------
    slack
        Days by which the two may differ: a time of day in another zone can be of the day after or before.

    Raises
    ------
    ListError
        With both days.
    """
    if stated is not None and abs((stated - said).days) > slack:
        raise ListError(
            f"{file} is not the edition of {said.isoformat()}",
            places=[Place(file, f"states {stated.isoformat()} itself")],
            cure="leave out --edition: this file knows its own day",
        )


def no_csv(file: str, fault: Exception, line: int) -> ListError:
    """Return the refusal of a file that the CSV reader can't follow."""
    return ListError(
        f"{file} is no proper CSV", places=[Place(file, str(fault), row=line)], cure=AGAIN
    )
