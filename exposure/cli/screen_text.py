"""The text of a screening and of its queue, for people."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from exposure.cli.output import aligned, percent, width

if TYPE_CHECKING:
    import polars as pl

    from exposure.factors.screening import ScreenResult
    from exposure.portfolios.holdings import Book

COLUMNS = 110
MARKS = {"listed": "■", "related": "▲", "unresolved": "?", "not_on_list": "○"}
US_PERSON = {
    "yes": "may hold",
    "sell_only": "may only sell",
    "no": "may not deal",
    "unknown": "not known",
}


def screen_text(
    found: ScreenResult, book: Book, stored: Mapping[str, str], lang: str = "both"
) -> str:
    """Return a line an issuer and list, what it means, listed suppliers, cliffs and the editions."""
    statuses = found.rows["status"].to_list()
    counts = [f"{statuses.count(name)} {name.replace('_', ' ')}" for name in MARKS]
    parts = [f"{book.name} · as of {found.as_of.isoformat()} · {' · '.join(counts)}"]
    rows = list(found.rows.iter_rows(named=True))
    if found.news.height:
        names = dict(found.rows.drop_nulls("issuer_id").select("issuer_id", "name_zh").iter_rows())
        told = [
            f"  {names.get(row['issuer_id'], '')}  {row['now']}\n    before: {row['before'] or 'not asked'}"
            for row in found.news.iter_rows(named=True)
        ]
        parts.append("\n".join([f"new since {found.news_since.isoformat()}:", *told]))
    touched = [row for row in rows if row["status"] in ("listed", "related")]
    rest = [row for row in rows if row["status"] not in ("listed", "related")]
    if touched:
        head = ["", "listing", "issuer", "list", "status", "since", "US person", "by", "row"]
        parts.append(aligned([head, *(_line(row) for row in touched)]).rstrip("\n"))
    if rest:
        table = [[*_head(row), row["wording"]] for row in rest]
        parts.append(aligned([["", "listing", "issuer", "list", "answer"], *table]).rstrip("\n"))
    meant = [line for row in touched for line in _meaning(row, lang)]
    if meant:
        parts.append("\n".join(["what it means for a holder:", *meant]))
    if found.suppliers.height:
        parts.append(_suppliers(found))
    if found.cliffs.height:
        dues = [
            f"  {row['due'].isoformat()}  {row['title_zh'] or ''} {row['title_en']} ({row['instrument']})"
            for row in found.cliffs.iter_rows(named=True)
        ]
        parts.append("\n".join(["rules that start, end or revive in the next 90 days:", *dues]))
    lines = [
        stored.get(row["list_id"], row["line"]) for row in found.editions.iter_rows(named=True)
    ]
    parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _head(row: Mapping[str, Any]) -> list[str]:
    lines = row["listing_ids"]
    more = f" +{len(lines) - 1}" if len(lines) > 1 else ""
    return [MARKS[row["status"]], lines[0] + more, row["name_zh"] or "", row["list_id"]]


def _line(row: Mapping[str, Any]) -> list[str]:
    # of a company on a list its own row counts; of a related one every row through which the list touches it
    names = str(row["row_name"] or "").split(";")
    more = f" +{len(names) - 1}" if len(names) > 1 else ""
    held = US_PERSON.get(row["us_person"], "")
    if row["sell_by"] is not None:
        day = row["sell_by"].isoformat()
        held += f"; no sales since {day}" if row["us_person"] == "no" else f"; sell before {day}"
    return [
        *_head(row),
        f"{row['status']} {row['relation'] or ''}".strip(),
        "" if row["since"] is None else row["since"].isoformat(),
        held,
        "; ".join(dict.fromkeys(part.strip() for part in str(row["citation"] or "").split(";"))),
        _cut(names[0], 46) + more,
    ]


def _meaning(row: Mapping[str, Any], lang: str) -> list[str]:
    texts = {"zh": row["meaning_zh"], "en": row["meaning_en"]}
    chosen = [texts[name] for name in ("zh", "en") if lang in (name, "both") and texts[name]]
    if not chosen:
        return []
    edition = "the dates of the cited rules"
    if row["edition_date"] is not None:
        edition = f"edition {row['edition_date'].isoformat()}"
    reviewed = (
        "" if row["reviewed_on"] is None else f"; link reviewed {row['reviewed_on'].isoformat()}"
    )
    head = f"  {row['listing_ids'][0]} {row['list_id']} (rests on {edition}{reviewed})"
    return [head, *(line for text in chosen for line in _wrapped(text))]


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"


def _wrapped(text: str) -> list[str]:
    room = COLUMNS // 2 if width(text) > len(text) * 1.5 else COLUMNS
    return textwrap.wrap(
        text, room, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False
    )


def _suppliers(found: ScreenResult) -> str:
    lists: dict[tuple[str, str, str], list[str]] = {}
    shares: dict[tuple[str, str, str], float | None] = {}
    for row in found.suppliers.iter_rows(named=True):
        key = (row["issuer_id"], f"{row['supplier_zh']} {row['supplier_en']}", row["input_kind"])
        lists.setdefault(key, []).append(row["list_id"])
        shares[key] = row["mid"]
    names = dict(found.rows.drop_nulls("issuer_id").select("issuer_id", "name_zh").iter_rows())
    table = [
        [
            names.get(issuer, issuer),
            supplier,
            kind,
            percent(shares[issuer, supplier, kind]),
            ", ".join(on),
        ]
        for (issuer, supplier, kind), on in lists.items()
    ]
    head = ["holding", "listed supplier", "input", "of cost", "on"]
    text = aligned([head, *table]).rstrip("\n")
    return (
        f"first-tier suppliers that are listed (economics, no legal status of the holding):\n{text}"
    )


def queue_text(queue: pl.DataFrame) -> str:
    """Return what waits for a person, changes and new rows first."""
    if queue.is_empty():
        return "nothing waits for a person\n"
    rows = [["id", "", "issuer", "list", "row", "why", "rivals"]]
    for row in queue.iter_rows(named=True):
        new = "new" if row["fresh"] and row["kind"] == "match" else ""
        what = row["kind"] if row["kind"] != "match" else new
        rows.append(
            [row["proposal_id"], what, row["issuer_id"], row["list_id"], row["row_name"][:50], row["reason"][:70],
             row["rivals"] or ""]
        )  # fmt: skip
    return aligned(rows)
