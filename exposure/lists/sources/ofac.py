"""OFAC's own files: the delimited layout (SDN and CONS_PRIM, each with ADD, ALT, COMMENTS) and SDN.XML.

No header, CRLF, quoted, null is ``-0- ``, last byte 0x1A, Latin-1. Remarks beyond 1,000 characters continue in the
COMMENTS file and are joined before anything is read from them.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from exposure.errors import ListError, Place
from exposure.lists.rows import clean_name, list_row
from exposure.lists.snapshot import Snapshot, make_snapshot
from exposure.lists.sources.files import (
    AGAIN,
    check_edition,
    no_csv,
    parse_xml,
    read_bytes,
    refuse_many,
)
from exposure.lists.sources.remarks import (
    DIVEST,
    EFFECTIVE,
    FIXED_WORDS,
    LISTED,
    Remarks,
    read_remarks,
)
from exposure.schemas import issue

NULL = "-0-"
END_OF_FILE = b"\x1a"
MAIN_WIDTH, ADDRESS_WIDTH, ALIAS_WIDTH, COMMENT_WIDTH = 12, 6, 5, 2
LONGEST_REMARK = 1000  # characters; the rest stands in the COMMENTS file
CMIC = "CMIC"
# programmes under which nobody is blocked: a row of these alone stands in the consolidated files, never in SDN
ONLY_CONSOLIDATED = re.compile(r"^(CMIC-\S+|NS-PLC)$")
COUNTRY_CODES = {"China": "CN", "Hong Kong": "HK", "Taiwan": "TW", "Macau": "MO", "Singapore": "SG"}

Cells = list[str | None]


@dataclass(frozen=True, slots=True)
class _Part:
    """One of the files that belong to a main file."""

    name: str
    content: bytes
    by_number: Mapping[str, Sequence[Cells]]

    def of(self, number: str) -> Sequence[Cells]:
        return self.by_number.get(number, ())


def read_ofac(
    main: Path,
    *,
    addresses: Path | None = None,
    aliases: Path | None = None,
    comments: Path | None = None,
    edition_date: date,
    read_on: date,
    address: str = "",
) -> Snapshot:
    """Read ``SDN.CSV`` or ``CONS_PRIM.CSV`` and what belongs to it.

    Rows of both look alike: a row of a programme that begins with CMIC is of list ``NS-CMIC``. Of the others, a file
    with rows that only the consolidated files have (NS-PLC, CMIC) gives ``CONS``, any other ``SDN``.

    Parameters
    ----------
    addresses, aliases, comments
        ADD, ALT and COMMENTS. What a missing one would have told is an issue of the snapshot.

    Returns
    -------
    Snapshot
        Its hash and size are those of main, addresses, aliases and comments joined, as far as they were given.

    Raises
    ------
    ListError
        If a file is missing or a row has another number of fields than the layout.
    """
    content = read_bytes(main)
    lines = _records(main, content, MAIN_WIDTH)
    places = _part(addresses, ADDRESS_WIDTH)
    names = _part(aliases, ALIAS_WIDTH)
    more = _part(comments, COMMENT_WIDTH)
    programmes = [_programmes(cells[3]) for _, cells in lines]
    family = _family(programmes)
    issues = _about_parts(main.name, lines, {"ADD": places, "ALT": names, "COMMENTS": more})
    issues += [
        issue("warning", name, "end_mark_missing",
              "does not end with the byte 1A that OFAC writes last: it may be cut", cure=AGAIN)
        for name, bytes_ in ((main.name, content), *((part.name, part.content) for part in (places, names, more)))
        if bytes_ and not bytes_.rstrip(b"\r\n").endswith(END_OF_FILE)
    ]  # fmt: skip
    rows: list[dict[str, Any]] = []
    for (line, cells), own in zip(lines, programmes, strict=True):
        number, name = cells[0] or "", cells[1] or ""
        remarks = (cells[11] or "") + "".join(row[1] or "" for row in more.of(number))
        said = read_remarks(remarks, main.name, line, name, issues)
        known = [clean_name(row[3]) for row in names.of(number) if row[3]]
        rows.append(
            list_row(
                list_id=_list_of(own, family),
                row_key=f"OFAC:{number}",
                name=name,
                kind=(cells[2] or "entity").lower(),
                aliases=_distinct([*known, *said.aliases]),
                weak_aliases=_distinct(said.weak_aliases),
                countries=_countries(row[4] for row in places.of(number)),
                programmes=own,
                source_row=line,
            )
            | _said(said)
        )
    joined = b"".join([content, places.content, names.content, more.content])
    return make_snapshot(
        main,
        joined,
        rows,
        issues,
        edition_date=edition_date,
        read_on=read_on,
        address=address,
        layout=family.lower(),
    )


def read_sdn_xml(
    path: Path, *, read_on: date, edition_date: date | None = None, address: str = ""
) -> Snapshot:
    """Read ``SDN.XML`` or ``CONSOLIDATED.XML``; ``Record_Count`` becomes :attr:`Snapshot.stated_rows`.

    Parameters
    ----------
    edition_date
        The file states its day itself; another one is refused.

    Raises
    ------
    ListError
        If it is no such file, has a DTD or entities, or an entry without its number.
    """
    content = read_bytes(path)
    root = parse_xml(path, content)
    space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
    if root.tag != f"{space}sdnList":
        raise ListError(
            f"{path.name} is not SDN.XML", places=[Place(path.name, "does not begin with sdnList")]
        )
    published = (root.findtext(f"{space}publshInformation/{space}Publish_Date") or "").strip()
    day = _american_day(published)
    if day is None:
        raise ListError(
            f"{path.name} states no day of publication",
            places=[Place(path.name, "is not MM/DD/YYYY", column="Publish_Date", value=published)],
            cure=AGAIN,
        )
    check_edition(path.name, edition_date or day, day)
    count = (root.findtext(f"{space}publshInformation/{space}Record_Count") or "").strip()
    entries = root.findall(f"{space}sdnEntry")
    refuse_many(path.name, len(entries))
    programmes = [_texts(entry, space, "programList/program") for entry in entries]
    family = _family(programmes)
    issues: list[dict[str, object]] = []
    rows = [
        _xml_row(path.name, entry, space, at, _list_of(own, family), own, issues)
        for at, (entry, own) in enumerate(zip(entries, programmes, strict=True), start=1)
    ]
    return make_snapshot(
        path,
        content,
        rows,
        issues,
        edition_date=day,
        read_on=read_on,
        address=address,
        stated_rows=int(count) if re.fullmatch(r"[0-9]{1,9}", count) else None,
        layout=family.lower(),
    )


def _american_day(text: str) -> date | None:
    match = re.fullmatch(r"([0-9]{2})/([0-9]{2})/([0-9]{4})", text)
    if match is None:
        return None
    month, day, year = (int(part) for part in match.groups())
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _xml_row(
    file: str,
    entry: Any,
    space: str,
    at: int,
    list_id: str,
    programmes: list[str],
    issues: list[dict[str, object]],
) -> dict[str, Any]:
    number = (entry.findtext(f"{space}uid") or "").strip()
    if not number:
        raise ListError(
            f"{file} has an entry without its number",
            places=[Place(file, "is empty", row=at, column="uid")],
            cure=AGAIN,
        )
    strong: list[str] = []
    weak: list[str] = []
    for aka in entry.findall(f"{space}akaList/{space}aka"):
        name = _full_name(aka, space)
        quality = (aka.findtext(f"{space}category") or "").strip().lower()
        if name:
            (weak if quality == "weak" else strong).append(name)
    fixed: list[str] = []
    others: list[str] = []
    for one in entry.findall(f"{space}idList/{space}id"):
        kind, value = (
            clean_name(one.findtext(f"{space}{part}") or "") for part in ("idType", "idNumber")
        )
        if any(words in kind for words in FIXED_WORDS):
            fixed.append(f"{kind} {value}")
        elif value:
            others.append(value)
    name = _full_name(entry, space)
    said = read_remarks("; ".join(fixed), file, at, name, issues)
    said.identifiers += others
    return list_row(
        list_id=list_id,
        row_key=f"OFAC:{number}",
        name=name,
        kind=(entry.findtext(f"{space}sdnType") or "entity").strip().lower(),
        aliases=_distinct(strong),
        weak_aliases=_distinct(weak),
        countries=_countries(_texts(entry, space, "addressList/address/country")),
        programmes=programmes,
        source_row=at,
    ) | _said(said)


def _texts(entry: Any, space: str, path: str) -> list[str]:
    found = entry.findall("/".join(f"{space}{part}" for part in path.split("/")))
    return [text for item in found if (text := clean_name(item.text or ""))]


def _full_name(item: Any, space: str) -> str:
    """Return the name: a company's stands in lastName."""
    first, last = (item.findtext(f"{space}{part}") or "" for part in ("firstName", "lastName"))
    return clean_name(f"{first} {last}")


def _said(said: Remarks) -> dict[str, Any]:
    return {
        "listing_ids": said.listing_ids,
        "isins": said.isins,
        "identifiers": _distinct(said.identifiers),
        "start": said.dates.get(LISTED),
        "effective": said.dates.get(EFFECTIVE),
        "divest_by": said.dates.get(DIVEST),
    }


def _programmes(cell: str | None) -> list[str]:
    """Return the programmes of a cell.

    Examples
    --------
    >>> _programmes("SDGT] [SYRIA")
    ['SDGT', 'SYRIA']
    """
    parts = (part.strip(" []") for part in (cell or "").split("] ["))
    return [part for part in parts if part]


def _family(programmes: Iterable[Sequence[str]]) -> str:
    alone = (own[0] for own in programmes if len(own) == 1)
    return "CONS" if any(ONLY_CONSOLIDATED.match(one) for one in alone) else "SDN"


def _list_of(programmes: Sequence[str], family: str) -> str:
    return "NS-CMIC" if any(one.startswith(CMIC) for one in programmes) else family


def _about_parts(
    file: str, lines: Sequence[tuple[int, Cells]], parts: Mapping[str, _Part]
) -> list[dict[str, object]]:
    """Return what files that were not given would have told, and rows of them that belong to nobody."""
    numbers = {cells[0] for _, cells in lines}
    found: list[dict[str, object]] = []
    lost = {"ADD": "countries", "ALT": "aliases"}
    for kind, part in parts.items():
        if part.name:
            strays = sorted(set(part.by_number) - {number or "" for number in numbers})
            if strays:
                message = f"{len(strays)} numbers of {part.name} have no row; not used"
                found.append(
                    issue("warning", file, "part_without_row", message, raw=", ".join(strays[:8]))
                )
        elif kind in lost:
            message = f"read without its {kind} file: no {lost[kind]} of it"
            found.append(
                issue("warning", file, "part_not_given", message, cure=f"add the {kind} file")
            )
    if not parts["COMMENTS"].name:
        found += [
            issue("warning", file, "remarks_cut",
                  f"{cells[1]}: the remarks go on in the COMMENTS file, which was not given", row=line)
            for line, cells in lines
            if len(cells[11] or "") >= LONGEST_REMARK
        ]  # fmt: skip
    return found


def _records(path: Path, content: bytes, width: int) -> list[tuple[int, Cells]]:
    text = content.rstrip(END_OF_FILE).decode("latin-1")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)  # an open quote is a cut file
    out: list[tuple[int, Cells]] = []
    try:
        for cells in reader:
            if not cells:
                continue
            trimmed = [None if (cell := raw.strip()) in {NULL, ""} else cell for raw in cells]
            if len(cells) != width or not (trimmed[0] or "").isdecimal():
                raise _not_the_layout(path, reader.line_num, cells, width)
            out.append((reader.line_num, trimmed))
            refuse_many(path.name, len(out))
    except csv.Error as fault:
        raise no_csv(path.name, fault, reader.line_num) from fault
    return out


def _not_the_layout(path: Path, line: int, cells: Sequence[str], width: int) -> ListError:
    why = (
        f"has {len(cells)} fields, not {width}"
        if len(cells) != width
        else "has no number in its first field"
    )
    return ListError(
        f"{path.name} is not of the OFAC layout",
        places=[Place(path.name, why, row=line)],
        cure=AGAIN,
    )


def _part(path: Path | None, width: int) -> _Part:
    groups: defaultdict[str, list[Cells]] = defaultdict(list)
    if path is None:
        return _Part("", b"", groups)
    content = read_bytes(path)
    for _, cells in _records(path, content, width):
        groups[cells[0] or ""].append(cells)
    return _Part(path.name, content, groups)


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name for name in names if name))


def _countries(names: Iterable[str | None]) -> list[str]:
    return sorted({COUNTRY_CODES.get(name, name) for name in names if name})
