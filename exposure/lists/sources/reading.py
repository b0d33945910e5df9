"""One door for list files of any official layout: what a file is, its content says, not its name."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from exposure.errors import ListError, Place, UsageError
from exposure.lists.snapshot import Snapshot
from exposure.lists.sources.csl import HEADERS, read_csl, stated_day
from exposure.lists.sources.ecfr import read_ecfr_lists
from exposure.lists.sources.files import AGAIN, read_bytes
from exposure.lists.sources.ofac import (
    ADDRESS_WIDTH,
    ALIAS_WIDTH,
    COMMENT_WIDTH,
    MAIN_WIDTH,
    read_ofac,
    read_sdn_xml,
)

CSL, XML_SDN, XML_ECFR = "csl", "xml-sdn", "xml-ecfr"
MAIN, ADD, ALT, COMMENTS = "main", "addresses", "aliases", "comments"
OFAC_PARTS = {MAIN_WIDTH: MAIN, ADDRESS_WIDTH: ADD, ALIAS_WIDTH: ALT, COMMENT_WIDTH: COMMENTS}
OFFICIAL_NAMES = {ADD: "ADD.CSV", ALT: "ALT.CSV", COMMENTS: "SDN_COMMENTS.CSV"}
# what people save by mistake: how it begins, and what to do
OTHER_FILES = (
    (b"PK\x03\x04", "is a zip archive or workbook", "unpack it, or fetch the CSV or XML"),
    (b"\x1f\x8b", "is a gzip archive", "unpack it"),
    (b"%PDF", "is a PDF", "fetch the CSV or XML: a PDF can't be read row by row"),
    (b"PAR1", "is a parquet file", "name the official file, not a copy in another form"),
)
HEAD = 64 * 1024  # bytes in which a layout must show
_ROOT = re.compile(rb"<\s*(?![?!])(?:[\w.\-]+:)?([\w.\-]+)")
_NUMBER = re.compile(r"^\s*(\d+)\s*,", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    kind: str
    content: bytes

    def numbers(self) -> set[str]:
        """Return the first fields of an OFAC file, as far as they are numbers."""
        return set(_NUMBER.findall(self.content.decode("latin-1")))


def read_list_files(
    paths: Path | Sequence[Path],
    *,
    read_on: date,
    edition_date: date | None = None,
    fetched_on: date | None = None,
    address: str = "",
) -> tuple[Snapshot, ...]:
    """Read list files of any official layout.

    Parameters
    ----------
    paths
        Screening list (CSV, JSON), SDN.CSV or CONS_PRIM.CSV with their ADD, ALT and COMMENTS files, SDN.XML, part 744
        of the eCFR. In any order and under any name.
    read_on
        The day on which they are read.
    edition_date
        The day of publication, for files that don't state it: all but SDN.XML and the JSON edition.
    fetched_on
        The day on which the agency published these files as its newest, if somebody looked.

    Returns
    -------
    tuple of Snapshot
        One for each main file; the eCFR gives one for each list in it.

    Raises
    ------
    ListError
        If a file is of no known layout, an OFAC part has no main file, or a day is needed and not given.
    UsageError
        If they were fetched after they are read.
    """
    if fetched_on is not None and fetched_on > read_on:
        raise UsageError(
            f"the files can't have been fetched on {fetched_on.isoformat()}: they are read on {read_on.isoformat()}",
            cure="give the day on which they were fetched: --fetched-on YYYY-MM-DD",
        )
    given = [paths] if isinstance(paths, Path) else list(paths)
    files = [recognise(path) for path in given]
    mains = [file for file in files if file.kind not in OFFICIAL_NAMES]
    parts = _parts_of(files, [file for file in mains if file.kind == MAIN])
    found: list[Snapshot] = []
    for file in mains:
        if file.kind == XML_SDN:
            found.append(
                read_sdn_xml(file.path, edition_date=edition_date, read_on=read_on, address=address)
            )
            continue
        day = edition_date or (
            stated_day(file.path, file.content, read_on) if file.kind == CSL else None
        )
        if day is None:
            raise ListError(
                f"{file.path.name} does not say which day it is of",
                places=[Place(file.path.name, "states no date of its own")],
                cure="give the day it was published on: --edition YYYY-MM-DD",
            )
        if file.kind == CSL:
            found.append(
                read_csl(
                    file.path,
                    edition_date=day,
                    read_on=read_on,
                    address=address,
                    content=file.content,
                )
            )
        elif file.kind == XML_ECFR:
            found += read_ecfr_lists(file.path, edition_date=day, read_on=read_on, address=address)
        else:
            found.append(
                read_ofac(
                    file.path,
                    **parts[file.path],
                    edition_date=day,
                    read_on=read_on,
                    address=address,
                )
            )
    return tuple(replace(snapshot, fetched_on=fetched_on) for snapshot in found)


def recognise(path: Path) -> _File:
    """Say of which layout a file is, by how it begins.

    Raises
    ------
    ListError
        If it is of none.
    """
    content = read_bytes(path)
    head = content[:HEAD].removeprefix(b"\xef\xbb\xbf").lstrip()
    for start, why, cure in OTHER_FILES:
        if content.startswith(start):
            raise _unknown(path, why, cure)
    if head.startswith(b"<"):
        return _File(path, _xml_kind(path, head), content)
    if head[:1] in {b"{", b"["}:
        return _File(path, CSL, content)
    if b"\0" in head:
        raise _unknown(path, "is no text", AGAIN)
    cells = _first_row(head)
    kind = OFAC_PARTS.get(len(cells))
    if kind is not None and cells[0].strip().isdecimal():
        return _File(path, kind, content)
    if set(cells) & {"source", "federal_register_notice", "alt_names"} or tuple(cells) in HEADERS:
        return _File(path, CSL, content)  # a changed header is refused with its columns
    raise _unknown(path, f"begins with {len(cells)} cells of no official list", AGAIN)


def _xml_kind(path: Path, head: bytes) -> str:
    match = _ROOT.search(head)
    name = match.group(1).decode("latin-1") if match else ""
    if name.lower() in {"html", "body", "head"} or head[:14].lower() == b"<!doctype html":
        raise _unknown(path, "is a web page", "fetch the file behind it, not the page")
    if name == "sdnList":
        return XML_SDN
    if name in {"ECFR", "DLPSTEXTCLASS"} or name.startswith("DIV"):
        return XML_ECFR
    if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
        raise _unknown(path, "has a document type of its own: no list has", AGAIN)
    raise _unknown(path, f"is XML that begins with <{name[:40]}>", AGAIN)


def _first_row(head: bytes) -> list[str]:
    line = head.split(b"\n", 1)[0].decode("utf-8", errors="replace")
    try:
        return next(csv.reader([line.rstrip("\r")]), [])
    except csv.Error:
        return []


def _unknown(path: Path, why: str, cure: str) -> ListError:
    return ListError(
        f"{path.name} is no list of a known layout", places=[Place(path.name, why)], cure=cure
    )


def _parts_of(files: Sequence[_File], mains: Sequence[_File]) -> Mapping[Path, dict[str, Path]]:
    """Return main file → its parts: each part goes to the main file that has most of its numbers."""
    out: dict[Path, dict[str, Path]] = {main.path: {} for main in mains}
    known = {main.path: main.numbers() for main in mains}
    for part in files:
        if part.kind not in OFFICIAL_NAMES:
            continue
        own = part.numbers()
        best = max(mains, key=lambda main: len(own & known[main.path]), default=None)
        if best is None or not own & known[best.path]:
            raise ListError(
                f"{part.path.name} has no main file",
                places=[
                    Place(part.path.name, f"looks like {OFFICIAL_NAMES[part.kind]} of another file")
                ],
                cure="name SDN.CSV or CONS_PRIM.CSV of the same day with it",
            )
        if part.kind in out[best.path]:
            raise ListError(
                f"{best.path.name} has two files of {part.kind}",
                places=[
                    Place(part.path.name, f"{out[best.path][part.kind].name} is there already")
                ],
                cure="name each part once",
            )
        out[best.path][part.kind] = part.path
    return out
