"""The Consolidated Screening List of trade.gov, CSV (29 columns, 28 in files of 2019) or JSON.

The list code stands in brackets in ``source``; ``entity_number`` exists for OFAC lists only; ``_id`` of BIS rows is a
hash that may change and is never a key.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any

from exposure.errors import ListError, Place
from exposure.lists.rows import (
    by_text,
    columns_frame,
    parse_citations,
    parse_footnotes,
    policy_class,
    row_key,
    rows_frame,
    split_values,
)
from exposure.lists.snapshot import Snapshot, make_snapshot
from exposure.lists.sources.files import (
    AGAIN,
    check_edition,
    no_csv,
    parse_json,
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
    remarks_of_ids,
)
from exposure.schemas import issue

LAYOUT = "csl"
ZONE_DAYS = 1  # the time in a JSON edition is UTC; a desk counts the days of its own zone
LEGACY_HEADER = (
    "source", "entity_number", "type", "programs", "name", "title", "addresses", "federal_register_notice",
    "start_date", "end_date", "standard_order", "license_requirement", "license_policy", "call_sign", "vessel_type",
    "gross_tonnage", "gross_registered_tonnage", "vessel_flag", "vessel_owner", "remarks", "source_list_url",
    "alt_names", "citizenships", "dates_of_birth", "nationalities", "places_of_birth", "source_information_url", "ids",
)  # fmt: skip
HEADERS = (("_id", *LEGACY_HEADER), LEGACY_HEADER)
LIST_IDS = {"CMIC": "NS-CMIC"}  # where our word is not the code of the file
_CODE = re.compile(r"\(([A-Z\-]+)(?: List)?\)")
COUNTRY_WORDS = {"PRC": "CN"}  # where a country stands without its code
_COUNTRIES = re.compile(r"(?:^|[,;])\s*([A-Z]{2}|PRC)[\s,]*(?=;|$)")

JSON_ONLY = ("id", "country", "score")  # fields that stand in no CSV and that nothing here needs
READ = (
    "source", "entity_number", "type", "programs", "name", "addresses", "federal_register_notice", "start_date",
    "end_date", "license_requirement", "license_policy", "alt_names", "ids",
)  # fmt: skip
# what the records of a list have to tell, some of them at least: without it rows lose their key, names or footnotes
NEEDED_OF_ALL = ("source", "name")
NEEDED: Mapping[str, tuple[str, ...]] = {
    "EL": (
        "addresses",
        "alt_names",
        "federal_register_notice",
        "license_requirement",
        "license_policy",
    ),
    "SDN": ("entity_number", "type", "programs", "addresses", "alt_names"),
    "NS-CMIC": ("entity_number", "type", "programs", "addresses", "alt_names"),
}
CITED = "EL"  # the list whose citations and footnotes other rooms read
MOST_NAMED = 8
CHANGED = "the layout of the list changed: read it before you rely on it"


@dataclass(frozen=True, slots=True)
class _Table:
    """The records of a file by column, and the line or place of each."""

    file: str
    lines: Sequence[int]
    columns: Mapping[str, Sequence[Any]]

    def cells(self, column: str) -> Sequence[Any]:
        """Return the cells of a column; the files of 2019 lack one."""
        return self.columns.get(column) or [None] * len(self.lines)

    def texts(self, column: str) -> list[str]:
        """Return the cells of a column as text; an empty one is ""."""
        return ["" if cell is None else str(cell).strip() for cell in self.cells(column)]


def read_csl(
    path: Path,
    *,
    edition_date: date,
    read_on: date,
    address: str = "",
    content: bytes | None = None,
) -> Snapshot:
    """Read a Consolidated Screening List file.

    Parameters
    ----------
    path
        ``consolidated.csv`` or ``consolidated.json``; which of the two it is, its first character tells.
    content
        What the file holds, if it was read already.

    Raises
    ------
    ListError
        If the file is missing, not UTF-8, has an unknown header, a row of another width, or a source without a list
        code; or if it states another date than ``edition_date``.
    """
    content = read_bytes(path) if content is None else content
    text = _text(path, content)
    issues: list[dict[str, object]] = []
    if is_json(text):
        table, stated = _json(path, text, issues)
        check_edition(path.name, edition_date, stated, slack=ZONE_DAYS)
    else:
        table = _csv(path, text)
    rows = columns_frame(_rows(table, issues)) if table.lines else rows_frame([])
    return make_snapshot(
        path,
        content,
        rows,
        issues,
        edition_date=edition_date,
        read_on=read_on,
        address=address,
        layout=LAYOUT,
    )


def is_json(text: str) -> bool:
    """Say whether a text is the JSON edition rather than the CSV."""
    return text.lstrip()[:1] in {"{", "["}


def stated_day(path: Path, content: bytes, read_on: date) -> date | None:
    """Return the day on which a JSON edition says it was made; a CSV says none.

    One that is of tomorrow here was made today.

    Raises
    ------
    ListError
        If a JSON file that states no day is no screening list at all: an answer such as "Forbidden".
    """
    if content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] not in {b"{", b"["}:
        return None
    found = re.search(rb'"search_performed_at"\s*:\s*"(\d{4}-\d{2}-\d{2})', content)
    day = _day(found.group(1).decode()) if found else None
    if day is None:
        _json(path, _text(path, content), [])
        return None
    return read_on if (day - read_on).days == ZONE_DAYS else day


# --- the two forms ------------------------------------------------------------------------------------------------


def _csv(path: Path, text: str) -> _Table:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        header = tuple(next(reader, ()))
        _check_header(path.name, header)
        for cells in reader:
            if len(cells) != len(header):
                raise ListError(
                    f"{path.name} has a row of {len(cells)} cells; the header has {len(header)}",
                    places=[
                        Place(path.name, "has another width than the header", row=reader.line_num)
                    ],
                    cure=AGAIN,
                )
            rows.append(cells)
            refuse_many(path.name, len(rows))
            lines.append(reader.line_num)
    except csv.Error as fault:
        raise no_csv(path.name, fault, reader.line_num) from fault
    columns = zip(*rows, strict=True) if rows else [()] * len(header)
    return _Table(path.name, lines, dict(zip(header, columns, strict=True)))


def _check_header(file: str, header: tuple[str, ...]) -> None:
    if header in HEADERS:
        return
    unknown = sorted(set(header) - set(HEADERS[0]))
    lacking = sorted(set(LEGACY_HEADER) - set(header))
    what = [f"does not know {_some(unknown)}"] if unknown else []
    what += [f"lacks {_some(lacking)}"] if lacking else []
    raise ListError(
        f"{file} has an unknown header",
        places=[Place(file, "; ".join(what) or "has its columns in another order", row=1)],
        cure=CHANGED,
    )


def _json(path: Path, text: str, issues: list[dict[str, object]]) -> tuple[_Table, date | None]:
    data = parse_json(path, text)
    records = data.get("results") if isinstance(data, dict) else None
    why, row = "has no list of results", None
    said = data.get("message") or data.get("error") if isinstance(data, dict) else None
    if records is None and isinstance(said, str):
        why = f"is an answer of the server, no list: {said[:80]}"
    if isinstance(records, list):
        row = next((at for at, item in enumerate(records, 1) if not isinstance(item, dict)), None)
        why = "is no record of names and values"
    if not isinstance(records, list) or row is not None:
        raise ListError(
            f"{path.name} is not the screening list",
            places=[Place(path.name, why, row=row)],
            cure=AGAIN,
        )
    refuse_many(path.name, len(records))
    unknown = sorted(set(chain.from_iterable(records)) - set(HEADERS[0]) - set(JSON_ONLY))
    _check_fields(path.name, records, unknown)
    if unknown:
        what = f"fields that no layout here has, not read: {_some(unknown)}"
        issues.append(issue("warning", path.name, "field_unknown", what))
    columns = {name: [record.get(name) for record in records] for name in READ}
    return _Table(path.name, range(1, len(records) + 1), columns), _stated(data)


def _check_fields(file: str, records: Sequence[Mapping[str, Any]], unknown: Sequence[str]) -> None:
    """Refuse records without a field that is read: it was renamed, or the file is no whole edition."""
    lists: dict[str, set[str]] = {}
    for record in records:
        code = _code(str(record.get("source") or ""))
        lists.setdefault(LIST_IDS.get(code or "", code or ""), set()).update(record)
    told = set(chain.from_iterable(records))
    lacking = [name for name in NEEDED_OF_ALL if records and name not in told]
    lacking += [
        name for one, has in lists.items() for name in NEEDED.get(one, ()) if name not in has
    ]
    if unknown and records:
        lacking += [name for name in READ if name not in told]  # one of the unknown may be it
    if not lacking:
        return
    why = f"lacks {_some(list(dict.fromkeys(lacking)))}"
    if unknown:
        why += f"; does not know {_some(unknown)}"
    raise ListError(
        f"{file} has unknown fields or too few", places=[Place(file, why)], cure=CHANGED
    )


def _stated(data: Mapping[str, Any]) -> date | None:
    return _day(data.get("search_performed_at"))


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(name[:40] for name in names[:MOST_NAMED])
    return shown if len(names) <= MOST_NAMED else f"{shown} and {len(names) - MOST_NAMED} more"


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise ListError(
            f"{path.name} is not UTF-8",
            places=[Place(path.name, f"byte {fault.start} is no UTF-8")],
            cure=AGAIN,
        ) from fault


# --- rows ---------------------------------------------------------------------------------------------------------


def _rows(table: _Table, issues: list[dict[str, object]]) -> dict[str, Sequence[Any]]:
    names = ["" if cell is None else str(cell) for cell in table.cells("name")]
    lists = _list_ids(table)
    cited = by_text(table.texts("federal_register_notice"), parse_citations)
    requirements = table.texts("license_requirement")
    footnotes = by_text(requirements, parse_footnotes)
    policies = [text or None for text in table.texts("license_policy")]
    aliases = _by_cell(table.cells("alt_names"), _values)
    for at, list_id in enumerate(lists):
        if list_id == CITED:
            _doubts(table, at, names[at], cited[at], footnotes[at][1], requirements[at], issues)
    said = _remarks(table, names, issues)
    countries = _by_cell(table.cells("addresses"), _countries)
    for at, (cell, found) in enumerate(zip(table.cells("addresses"), countries, strict=True)):
        if cell and not found:
            message = f"{names[at]}: no address ends with the code of a country"
            issues.append(
                issue("info", table.file, "country_unknown", message, row=table.lines[at])
            )
    return {
        "list_id": lists,
        "row_key": _keys(table, lists, names, [citations for citations, _ in cited]),
        "name": names,
        "kind": by_text(table.texts("type"), lambda text: text.lower() or None),
        "aliases": aliases,
        "countries": countries,
        "citations": [citations for citations, _ in cited],
        "footnotes": [marks for marks, _ in footnotes],
        "requirement": [text or None for text in requirements],
        "policy": policies,
        "policy_class": by_text(policies, policy_class),
        "programmes": _by_cell(table.cells("programs"), _values),
        "listing_ids": [one.listing_ids for one in said],
        "isins": [one.isins for one in said],
        "identifiers": [one.identifiers for one in said],
        "start": _days(table, "start_date", [one.dates.get(LISTED) for one in said], issues),
        "effective": [one.dates.get(EFFECTIVE) for one in said],
        "divest_by": [one.dates.get(DIVEST) for one in said],
        "end": _days(table, "end_date", [None] * len(names), issues),
        "source_row": table.lines,
    }


def _keys(
    table: _Table, lists: Sequence[str], names: Sequence[str], citations: Sequence[Sequence[str]]
) -> list[str]:
    return [
        f"OFAC:{number}" if number else row_key(list_id, name, cited)
        for number, list_id, name, cited in zip(
            table.texts("entity_number"), lists, names, citations, strict=True
        )
    ]


def _list_ids(table: _Table) -> list[str]:
    sources = table.texts("source")
    found = by_text(sources, _code)
    if None in found:
        at = found.index(None)
        raise ListError(
            f"{table.file} has a row without a list code",
            places=[
                Place(table.file, "needs a list code in brackets", row=table.lines[at],
                      column="source", value=sources[at])
            ],
            cure=CHANGED,
        )  # fmt: skip
    return [LIST_IDS.get(code, code) for code in found if code]


def _code(source: str) -> str | None:
    match = _CODE.search(source)
    return match.group(1) if match else None


def _doubts(
    table: _Table,
    at: int,
    name: str,
    cited: tuple[list[str], str],
    certain: bool,
    requirement: str,
    issues: list[dict[str, object]],
) -> None:
    def say(rule: str, message: str, raw: str | None) -> None:
        issues.append(
            issue("warning", table.file, rule, f"{name}: {message}", row=table.lines[at], raw=raw)
        )

    citations, left = cited
    if left:
        say("citation_unresolved", "part of the citation can't be read", left)
    elif not citations:
        say("citation_missing", "the row cites no rule", None)
    if not certain:
        say("footnote_unresolved", "section 734.9(e) without its number", requirement)


def _remarks(
    table: _Table, names: Sequence[str], issues: list[dict[str, object]]
) -> Sequence[Remarks]:
    nothing = Remarks()
    out = [nothing] * len(names)
    for at, cell in enumerate(table.cells("ids")):
        if not cell:
            continue
        text = remarks_of_ids(cell)
        if any(words in text for words in FIXED_WORDS):
            out[at] = read_remarks(text, table.file, table.lines[at], names[at], issues)
    return out


def _days(
    table: _Table, column: str, instead: Sequence[date | None], issues: list[dict[str, object]]
) -> list[date | None]:
    """Return the days of a column; one that can't be read is said and stays empty."""
    texts = table.texts(column)
    days = by_text(texts, _day)
    out: list[date | None] = []
    for at, (text, day, other) in enumerate(zip(texts, days, instead, strict=True)):
        if text and day is None:
            message = "is no day; not used"
            issues.append(
                issue("warning", table.file, "date_unreadable", message, row=table.lines[at],
                      column=column, raw=text)
            )  # fmt: skip
        out.append(day or other)
    return out


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(str(value)[:10]) if value else None
    except ValueError:
        return None


def _by_cell(cells: Sequence[Any], read: Any) -> list[list[str]]:
    """Read cells, each distinct text once; the lists of the JSON edition one by one."""
    known: dict[str, list[str]] = {}
    out: list[list[str]] = []
    for cell in cells:
        if isinstance(cell, list):
            out.append(read(cell))
            continue
        text = "" if cell is None else str(cell)
        if text not in known:
            known[text] = read(text)
        out.append(known[text])
    return out


def _values(cell: str | list[Any]) -> list[str]:
    if isinstance(cell, str):
        return split_values(cell)
    # an item of the JSON edition may itself be two values that somebody joined
    found = (name for item in cell for name in split_values(str(item or "")))
    return list(dict.fromkeys(found))


def _countries(cell: str | list[Any]) -> list[str]:
    """Return the countries of a cell of addresses; each address ends with its code.

    Examples
    --------
    >>> _countries("36 Road, Beijing, CN; Unit 5, Kowloon, HK; 7 Street, Beijing, CN; somewhere at sea")
    ['CN', 'HK']
    """
    if isinstance(cell, str):
        found = _COUNTRIES.findall(cell)
    else:
        codes = {str(item.get("country") or "") for item in cell if isinstance(item, dict)}
        found = [code for text in codes for code in _COUNTRIES.findall(text)]
    return sorted({COUNTRY_WORDS.get(str(code), str(code)) for code in found})
