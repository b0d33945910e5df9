"""The eCFR of a day: the only source of what the Entity List said on an old date.

``/api/versioner/v1/full/{date}/title-15.xml?part=744``: the table of Supplement No. 4 (Entity List), 6 (Unverified
List) or 7 (Military End-User List), five cells a row. A blank country cell inherits the one above; name, aliases and
addresses share one cell.
"""

from __future__ import annotations

import re
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
)
from exposure.lists.snapshot import Snapshot, make_snapshot
from exposure.lists.sources.files import AGAIN, parse_xml, read_bytes, refuse_many
from exposure.schemas import issue

SUPPLEMENTS = {4: "EL", 6: "UVL", 7: "MEU"}
COUNTRY_CODES = {
    "CHINA": "CN",
    "CHINA, PEOPLE'S REPUBLIC OF": "CN",
    "HONG KONG": "HK",
    "TAIWAN": "TW",
    "SINGAPORE": "SG",
    "MACAU": "MO",
}
# pieces that belong to a company's name although a comma stands before them
_LEGAL = re.compile(
    r"^(co|ltd|inc|llc|l\.l\.c|corp|corporation|limited|company|s\.a|gmbh|pte|pty|plc|jsc|ojsc|ooo|fze|fzco|group)\b",
    re.IGNORECASE,
)
# cells of a row: the full table, and a short one of country, entity and citation
WIDTHS = {"EL": (5,), "UVL": (5, 3), "MEU": (5, 3)}
_AKA = re.compile(r",?\s*\ba\.?k\.?a\.?,?", re.IGNORECASE)
_DASHES = "—–-"


def read_ecfr(
    path: Path,
    *,
    edition_date: date,
    read_on: date,
    supplement: int = 4,
    address: str = "",
) -> Snapshot:
    """Read one supplement of part 744 from the XML of a day.

    Parameters
    ----------
    edition_date
        The date in the address of the file: what was in force on that day.
    supplement
        4 Entity List, 6 Unverified List, 7 Military End-User List.

    Raises
    ------
    ListError
        If the file is no such XML, lacks the supplement, or a row of its table has another number of cells.
    """
    if supplement not in SUPPLEMENTS:
        raise ListError(
            f"supplement {supplement} of part 744 holds no list",
            places=[Place(path.name, "4 is the Entity List, 6 the UVL, 7 the MEU list")],
        )
    content = read_bytes(path)
    root = parse_xml(path, content)
    if supplement not in _supplements(root):
        raise _lacks(path, f"Supplement No. {supplement} to Part 744")
    return _snapshot(path, content, root, supplement, edition_date, read_on, address)


def read_ecfr_lists(
    path: Path, *, edition_date: date, read_on: date, address: str = ""
) -> tuple[Snapshot, ...]:
    """Read every list that the XML of a day has: supplements 4, 6 and 7 as far as they are there.

    Raises
    ------
    ListError
        As :func:`read_ecfr`; or if the file has none of them.
    """
    content = read_bytes(path)
    root = parse_xml(path, content)
    found = _supplements(root)
    if not found:
        raise _lacks(path, "Supplements No. 4, 6 and 7 to Part 744")
    return tuple(
        _snapshot(path, content, root, supplement, edition_date, read_on, address)
        for supplement in found
    )


def _supplements(root: Any) -> dict[int, Any]:
    """Return supplement → its division, of those that hold a list."""
    wanted = {f"Supplement No. {number} to Part 744": number for number in SUPPLEMENTS}
    return {wanted[name]: one for one in root.iter("DIV9") if (name := one.get("N")) in wanted}


def _lacks(path: Path, what: str) -> ListError:
    return ListError(
        f"{path.name} lacks {what}",
        places=[Place(path.name, "has no DIV9 of that name")],
        cure="ask for part 744 of title 15, with a real date in the address",
    )


def _snapshot(
    path: Path,
    content: bytes,
    root: Any,
    supplement: int,
    edition_date: date,
    read_on: date,
    address: str,
) -> Snapshot:
    issues: list[dict[str, object]] = []
    try:
        rows = _rows(path.name, _supplements(root)[supplement], SUPPLEMENTS[supplement], issues)
    except RecursionError as fault:
        raise ListError(
            f"{path.name} can't be read as a list",
            places=[Place(path.name, "is nested too deeply")],
            cure=AGAIN,
        ) from fault
    return make_snapshot(
        path,
        content,
        rows,
        issues,
        edition_date=edition_date,
        read_on=read_on,
        address=address,
        layout=f"ecfr-{supplement}",
    )


def _rows(
    file: str, division: Any, list_id: str, issues: list[dict[str, object]]
) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    country = ""
    skipped: list[int] = []
    for number, tr in enumerate(division.iter("TR"), start=1):
        refuse_many(file, number)
        cells = [_text(td) for td in tr.findall("TD")]
        if not cells:
            continue  # a heading of TH cells
        if len(cells) not in WIDTHS[list_id]:
            raise ListError(
                f"{file}: a row of the table has {len(cells)} cells, not {WIDTHS[list_id][0]}",
                places=[Place(file, "; ".join(cells)[:200], row=number)],
                cure="the layout of the table changed: read it before you rely on it",
            )
        # the short table of supplements 6 and 7 has neither requirement nor policy
        printed, entity, *terms, cited = cells
        requirement, policy = terms or ("", "")
        country = clean_name(printed) or country
        if "[Reserved]" in entity or not entity.strip():
            skipped.append(number)
            continue
        out.append(
            _row(file, number, list_id, (country, entity, requirement, policy, cited), issues)
        )
    if skipped:
        message = f"{len(skipped)} rows of the table are reserved or empty: no entity"
        raw = ", ".join(str(number) for number in skipped[:8])
        issues.append(issue("info", file, "row_without_entity", message, raw=raw))
    return out


def _row(
    file: str,
    number: int,
    list_id: str,
    cells: tuple[str, str, str, str, str],
    issues: list[dict[str, object]],
) -> dict[str, Any]:
    country, entity, requirement, policy, cited = cells
    name, aliases = _name_and_aliases(entity)
    citations, left = parse_citations(cited)
    footnotes, certain = parse_footnotes(requirement.replace("\n", " "))
    for wrong, rule, message, raw in (
        (bool(left), "citation_unresolved", "part of the citation can't be read", left),
        (not citations, "citation_missing", "the row cites no rule", cited),
        (not certain, "footnote_unresolved", "section 734.9(e) without its number", requirement),
        (not country, "country_missing", "no country stands in the row or above it", ""),
    ):
        if wrong:
            issues.append(issue("warning", file, rule, f"{name}: {message}", row=number, raw=raw))
    return list_row(
        list_id=list_id,
        row_key=row_key(list_id, name, citations),
        name=name,
        aliases=aliases,
        countries=[COUNTRY_CODES.get(country.upper(), country.upper())] if country else [],
        citations=citations,
        footnotes=footnotes,
        requirement=clean_name(requirement) or None,
        policy=clean_name(policy) or None,
        policy_class=policy_class(policy),
        source_row=number,
    )


def _text(cell: Any) -> str:
    """Return the text of a cell; a line break stands where the page has one."""
    parts: list[str] = [cell.text or ""]
    for item in cell:
        inner = _text(item)
        parts.append(f"\n{inner}" if item.tag.upper() in {"BR", "P"} else inner)
        parts.append(item.tail or "")
    return "".join(parts).strip()


def _name_and_aliases(cell: str) -> tuple[str, list[str]]:
    r"""Split a cell of name, aliases and addresses.

    Examples
    --------
    >>> _name_and_aliases("Sugon, a.k.a., the following one alias:\n—Dawning.\nLing Shui, Tianjin, China")
    ('Sugon', ['Dawning'])
    >>> _name_and_aliases("Hefei Core Storage Electronic Limited, No. 2800 Chuangxin Ave., Hefei")
    ('Hefei Core Storage Electronic Limited', [])
    """
    head, *rest = cell.split("\n")
    match = _AKA.search(head)
    if match is None:
        return _before_the_address(head), []
    name = clean_name(head[: match.start()])
    listed = [
        clean_name(line.strip().lstrip(_DASHES).rstrip(";.").removesuffix("; and"))
        for line in rest
        if line.strip().startswith(tuple(_DASHES))
    ]
    if listed:
        return name, list(dict.fromkeys(alias for alias in listed if alias))
    after = re.sub(
        r"^,?\s*the following .*?alias(?:es)?:\s*",
        "",
        head[match.end() :].strip(),
        flags=re.IGNORECASE,
    )
    alias = _before_the_address(after.lstrip(_DASHES + " "))
    return name, [alias] if alias else []


def _before_the_address(text: str) -> str:
    pieces = text.split(", ")
    kept = [pieces[0]]
    for piece in pieces[1:]:
        if not _LEGAL.match(piece):
            break
        kept.append(piece)
    return clean_name(", ".join(kept))
