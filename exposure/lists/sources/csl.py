"""The Consolidated Screening List of trade.gov, CSV (29 columns, 28 in files of 2019) or JSON.

The list code stands in brackets in ``source``; ``entity_number`` exists for OFAC lists only; ``_id`` of BIS rows is a
hash that may change and is never a key.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from exposure.errors import ListError, Place
from exposure.lists.rows import (
    clean_name,
    list_row,
    parse_citations,
    parse_footnotes,
    policy_class,
    row_key,
    split_values,
)
from exposure.lists.snapshot import Snapshot, make_snapshot, read_bytes
from exposure.schemas import issue

LEGACY_HEADER = (
    "source", "entity_number", "type", "programs", "name", "title", "addresses", "federal_register_notice",
    "start_date", "end_date", "standard_order", "license_requirement", "license_policy", "call_sign", "vessel_type",
    "gross_tonnage", "gross_registered_tonnage", "vessel_flag", "vessel_owner", "remarks", "source_list_url",
    "alt_names", "citizenships", "dates_of_birth", "nationalities", "places_of_birth", "source_information_url", "ids",
)  # fmt: skip
HEADERS = (("_id", *LEGACY_HEADER), LEGACY_HEADER)
LIST_IDS = {"CMIC": "NS-CMIC"}  # where our word is not the code of the file
_CODE = re.compile(r"\(([A-Z\-]+)(?: List)?\)")
_COUNTRY = re.compile(r"(?:^|,\s*)([A-Z]{2})$")

Record = Mapping[str, Any]


def read_csl(path: Path, *, edition_date: date, read_on: date, address: str = "") -> Snapshot:
    """Read a Consolidated Screening List file.

    Parameters
    ----------
    path
        ``consolidated.csv`` or ``consolidated.json``.

    Raises
    ------
    ListError
        If the file is missing, not UTF-8, has an unknown header, a row of another width, or a source without a list
        code.
    """
    content = read_bytes(path)
    records = _json(path, content) if path.suffix == ".json" else _csv(path, content)
    issues: list[dict[str, object]] = []
    rows = [_row(path.name, line, record, issues) for line, record in records]
    return make_snapshot(
        path, content, rows, issues, edition_date=edition_date, read_on=read_on, address=address
    )


def _csv(path: Path, content: bytes) -> Iterator[tuple[int, Record]]:
    reader = csv.reader(io.StringIO(_text(path, content), newline=""), strict=True)
    header = tuple(next(reader, ()))
    if header not in HEADERS:
        unknown = sorted(set(header) - set(HEADERS[0]))
        lacking = sorted(set(LEGACY_HEADER) - set(header))
        what = [f"does not know {', '.join(unknown)}"] if unknown else []
        what += [f"lacks {', '.join(lacking)}"] if lacking else []
        raise ListError(
            f"{path.name} has an unknown header",
            places=[Place(path.name, "; ".join(what) or "has its columns in another order", row=1)],
            cure="the layout of the list changed: read it before you rely on it",
        )
    try:
        for cells in reader:
            if len(cells) != len(header):
                raise ListError(
                    f"{path.name} has a row of {len(cells)} cells; the header has {len(header)}",
                    places=[
                        Place(path.name, "has another width than the header", row=reader.line_num)
                    ],
                    cure="fetch the official file again",
                )
            yield reader.line_num, dict(zip(header, cells, strict=True))
    except csv.Error as fault:
        raise ListError(
            f"{path.name} is no proper CSV",
            places=[Place(path.name, str(fault), row=reader.line_num)],
            cure="fetch the official file again",
        ) from fault


def _json(path: Path, content: bytes) -> Iterator[tuple[int, Record]]:
    try:
        data = json.loads(_text(path, content))
        results = data["results"]
    except (json.JSONDecodeError, KeyError, TypeError) as fault:
        raise ListError(
            f"{path.name} is not the screening list",
            places=[Place(path.name, "has no list of results")],
            cure="fetch the official file again",
        ) from fault
    yield from enumerate(results, start=1)


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise ListError(
            f"{path.name} is not UTF-8",
            places=[Place(path.name, f"byte {fault.start} is no UTF-8")],
            cure="fetch the official file again",
        ) from fault


def _row(file: str, line: int, record: Record, issues: list[dict[str, object]]) -> dict[str, Any]:
    name = str(record.get("name") or "")
    list_id = _list_id(file, line, str(record.get("source") or ""))
    citations, left = parse_citations(_cell(record, "federal_register_notice"))
    requirement = _cell(record, "license_requirement")
    footnotes, certain = parse_footnotes(requirement)
    if list_id == "EL":
        _doubts(file, line, name, citations, left, certain, requirement, issues)
    number = _cell(record, "entity_number")
    return list_row(
        list_id=list_id,
        row_key=f"OFAC:{number}" if number else row_key(list_id, name, citations),
        name=name,
        kind=(_cell(record, "type") or "").lower() or None,
        aliases=_values(record, "alt_names"),
        countries=_countries(record.get("addresses")),
        citations=citations,
        footnotes=footnotes,
        requirement=requirement,
        policy=_cell(record, "license_policy"),
        policy_class=policy_class(_cell(record, "license_policy")),
        programmes=_values(record, "programs"),
        start=_day(record.get("start_date")),
        end=_day(record.get("end_date")),
        source_row=line,
    )


def _doubts(
    file: str,
    line: int,
    name: str,
    citations: list[str],
    left: str,
    certain: bool,
    requirement: str | None,
    issues: list[dict[str, object]],
) -> None:
    def say(rule: str, message: str, raw: str | None) -> None:
        issues.append(issue("warning", file, rule, f"{name}: {message}", row=line, raw=raw))

    if left:
        say("citation_unresolved", "part of the citation can't be read", left)
    elif not citations:
        say("citation_missing", "the row cites no rule", None)
    if not certain:
        say("footnote_unresolved", "section 734.9(e) without its number", requirement)


def _list_id(file: str, line: int, source: str) -> str:
    match = _CODE.search(source)
    if match is None:
        raise ListError(
            f"{file} has a row without a list code",
            places=[
                Place(
                    file, "needs a list code in brackets", row=line, column="source", value=source
                )
            ],
            cure="the layout of the list changed: read it before you rely on it",
        )
    code = match.group(1)
    return LIST_IDS.get(code, code)


def _cell(record: Record, column: str) -> str | None:
    value = record.get(column)
    text = "" if value is None else str(value).strip()
    return text or None


def _values(record: Record, column: str) -> list[str]:
    value = record.get(column)
    if isinstance(value, list):
        return list(dict.fromkeys(clean_name(str(item)) for item in value if clean_name(str(item))))
    return split_values(None if value is None else str(value))


def _countries(addresses: Any) -> list[str]:
    if isinstance(addresses, list):
        found = {str(item.get("country") or "") for item in addresses if isinstance(item, Mapping)}
    else:
        parts = (clean_name(part) for part in str(addresses or "").split(";"))
        found = {match.group(1) for part in parts if (match := _COUNTRY.search(part))}
    return sorted(found - {""})


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(str(value)[:10]) if value else None
    except ValueError:
        return None
