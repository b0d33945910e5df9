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
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from stdnum import isin

from exposure.errors import ListError, Place
from exposure.lists.rows import clean_name, list_row, listing_of_ticker
from exposure.lists.snapshot import Snapshot, make_snapshot, parse_xml, read_bytes
from exposure.schemas import issue

NULL = "-0-"
END_OF_FILE = b"\x1a"
MAIN_WIDTH, ADDRESS_WIDTH, ALIAS_WIDTH, COMMENT_WIDTH = 12, 6, 5, 2
CMIC = "CMIC"
COUNTRY_CODES = {"China": "CN", "Hong Kong": "HK", "Taiwan": "TW", "Macau": "MO", "Singapore": "SG"}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATED = re.compile(
    r"^(Listing|Effective|Purchase/Sales For Divestment) Date \(CMIC\) (\d{2}) (\w{3}) (\d{4})"
)
_TRAILING = re.compile(r"\s*\((?:[A-Za-z ]+)\)$")


@dataclass(slots=True)
class _Remarks:
    """What the remarks of a row say in fixed words."""

    listing_ids: list[str] = field(default_factory=list)
    isins: list[str] = field(default_factory=list)
    identifiers: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    dates: dict[str, date] = field(default_factory=dict)


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

    Rows of ``SDN`` and ``CONS_PRIM`` look alike: a row of a programme that begins with CMIC is of list ``NS-CMIC``, a
    file whose name begins with ``cons`` gives ``CONS`` otherwise, any other file ``SDN``.

    Raises
    ------
    ListError
        If a file is missing or a row has another number of fields than the layout.
    """
    content = read_bytes(main)
    lines = _records(main, content, MAIN_WIDTH)
    more = _grouped(comments, COMMENT_WIDTH)
    places = _grouped(addresses, ADDRESS_WIDTH)
    names = _grouped(aliases, ALIAS_WIDTH)
    family = "CONS" if main.name.lower().startswith("cons") else "SDN"
    issues: list[dict[str, object]] = []
    rows: list[dict[str, Any]] = []
    for line, cells in lines:
        number, name, kind, programme, remarks = (cells[i] for i in (0, 1, 2, 3, 11))
        full = (remarks or "") + "".join(row[1] or "" for row in more.get(number or "", []))
        said = _read_remarks(full, main.name, line, name or "", issues)
        programmes = [part.strip(" []") for part in (programme or "").split("] [")]
        rows.append(
            list_row(
                list_id="NS-CMIC" if any(p.startswith(CMIC) for p in programmes) else family,
                row_key=f"OFAC:{number}",
                name=name or "",
                kind=(kind or "entity").lower(),
                aliases=_aliases(names.get(number or "", []), said),
                countries=_countries(row[4] for row in places.get(number or "", [])),
                programmes=[p for p in programmes if p],
                listing_ids=said.listing_ids,
                isins=said.isins,
                identifiers=said.identifiers,
                start=said.dates.get("Listing"),
                effective=said.dates.get("Effective"),
                divest_by=said.dates.get("Purchase/Sales For Divestment"),
                source_row=line,
            )
        )
    return make_snapshot(
        main, content, rows, issues, edition_date=edition_date, read_on=read_on, address=address
    )


def read_sdn_xml(path: Path, *, read_on: date, address: str = "") -> Snapshot:
    """Read ``SDN.XML``; its ``Record_Count`` becomes :attr:`Snapshot.stated_rows`.

    Raises
    ------
    ListError
        If it is no such file, or has a DTD or entities.
    """
    content = read_bytes(path)
    root = parse_xml(path, content)
    space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
    if root.tag != f"{space}sdnList":
        raise ListError(
            f"{path.name} is not SDN.XML", places=[Place(path.name, "does not begin with sdnList")]
        )
    published = root.findtext(f"{space}publshInformation/{space}Publish_Date") or ""
    count = root.findtext(f"{space}publshInformation/{space}Record_Count")
    day = re.fullmatch(r"(\d{2})/(\d{2})/(\d{4})", published.strip())
    if day is None:
        raise ListError(
            f"{path.name} states no day of publication",
            places=[Place(path.name, "is not MM/DD/YYYY", column="Publish_Date", value=published)],
        )
    month, number, year = (int(part) for part in day.groups())
    rows = [
        _xml_row(entry, space, at) for at, entry in enumerate(root.findall(f"{space}sdnEntry"), 1)
    ]
    return make_snapshot(
        path,
        content,
        rows,
        [],
        edition_date=date(year, month, number),
        read_on=read_on,
        address=address,
        stated_rows=int(count) if count and count.strip().isdigit() else None,
    )


def _xml_row(entry: Any, space: str, at: int) -> dict[str, Any]:
    def texts(path: str) -> list[str]:
        found = entry.findall("/".join(f"{space}{part}" for part in path.split("/")))
        return [text for item in found if (text := clean_name(item.text or ""))]

    strong: list[str] = []
    weak: list[str] = []
    for aka in entry.findall(f"{space}akaList/{space}aka"):
        name = _full_name(aka, space)
        quality = (aka.findtext(f"{space}category") or "").strip().lower()
        if name:
            (weak if quality == "weak" else strong).append(name)
    identifiers = [
        text
        for item in entry.findall(f"{space}idList/{space}id")
        if (text := clean_name(item.findtext(f"{space}idNumber") or ""))
    ]
    return list_row(
        list_id="SDN",
        row_key=f"OFAC:{(entry.findtext(f'{space}uid') or '').strip()}",
        name=_full_name(entry, space),
        kind=(entry.findtext(f"{space}sdnType") or "entity").strip().lower(),
        aliases=list(dict.fromkeys(strong)),
        weak_aliases=list(dict.fromkeys(weak)),
        countries=_countries(texts("addressList/address/country")),
        programmes=texts("programList/program"),
        identifiers=list(dict.fromkeys(identifiers)),
        source_row=at,
    )


def _full_name(item: Any, space: str) -> str:
    """Return the name: a company's stands in lastName."""
    first, last = (item.findtext(f"{space}{part}") or "" for part in ("firstName", "lastName"))
    return clean_name(f"{first} {last}")


def _records(path: Path, content: bytes, width: int) -> list[tuple[int, list[str | None]]]:
    text = content.rstrip(END_OF_FILE).decode("latin-1")
    reader = csv.reader(io.StringIO(text, newline=""))
    out: list[tuple[int, list[str | None]]] = []
    for cells in reader:
        if not cells:
            continue
        if len(cells) != width:
            raise ListError(
                f"{path.name} is not of the OFAC layout",
                places=[
                    Place(path.name, f"has {len(cells)} fields, not {width}", row=reader.line_num)
                ],
                cure="fetch the official file again",
            )
        trimmed = (cell.strip() for cell in cells)
        out.append((reader.line_num, [None if cell in {NULL, ""} else cell for cell in trimmed]))
    return out


def _grouped(path: Path | None, width: int) -> Mapping[str, list[list[str | None]]]:
    groups: defaultdict[str, list[list[str | None]]] = defaultdict(list)
    if path is not None:
        for _, cells in _records(path, read_bytes(path), width):
            groups[cells[0] or ""].append(cells)
    return groups


def _aliases(rows: Sequence[Sequence[str | None]], said: _Remarks) -> list[str]:
    names = [clean_name(row[3]) for row in rows if row[3]]
    return list(dict.fromkeys([*names, *said.aliases]))


def _countries(names: Iterable[str | None]) -> list[str]:
    return sorted({COUNTRY_CODES.get(name, name) for name in names if name})


def _read_remarks(
    remarks: str, file: str, line: int, name: str, issues: list[dict[str, object]]
) -> _Remarks:
    said = _Remarks()

    def note(severity: str, rule: str, message: str, raw: str) -> None:
        issues.append(issue(severity, file, rule, f"{name}: {message}", row=line, raw=raw))

    for part in remarks.rstrip(". ").split(";"):
        text = re.sub(r"^alt\. ", "", part.strip())
        dated = _DATED.match(text)
        if dated:
            which, day, month, year = dated.groups()
            said.dates[which] = date(int(year), MONTHS.index(month) + 1, int(day))
        elif text.startswith("Equity Ticker "):
            raw = text.removeprefix("Equity Ticker ")
            listing, proper = listing_of_ticker(raw)
            if listing and not proper:
                note("info", "ticker_repaired", f"read as {listing}", raw)
            if listing and listing not in said.listing_ids:
                said.listing_ids.append(listing)
        elif text.startswith("ISIN "):
            code = _TRAILING.sub("", text.removeprefix("ISIN ")).strip()
            if isin.is_valid(code):
                said.isins.append(code)
            else:
                note("warning", "isin_check_digit", "the check digit is wrong; not used", code)
        elif text.startswith("Issuer Name "):
            said.aliases.append(clean_name(text.removeprefix("Issuer Name ")))
        elif "(USCC)" in text:
            said.identifiers.append(_TRAILING.sub("", text.partition("(USCC)")[2].strip()))
        elif text.startswith("a.k.a. "):
            said.aliases.append(clean_name(text.removeprefix("a.k.a. ").strip("'. ")))
    return said
