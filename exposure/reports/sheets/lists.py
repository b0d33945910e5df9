"""Issuer × sanction list: what each list says, since when, what it means, and what is new. There is no "clear".

Below the table stand the editions it rests on, listed suppliers (economics, no status of the holding) and the rules
that start, end or revive soon.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from exposure.factors.screening import DISCLAIMER, ScreenResult
from exposure.reports.cells import SECTION, Canvas, Sheet, Style, address
from exposure.reports.sheets.common import (
    FIRST_COLUMN,
    Context,
    Entry,
    draw_table,
    rule,
    widen,
    wrapped_height,
)
from exposure.reports.text import percent

HEAD_ROW = 5
ORDER = {"listed": 0, "related": 1, "unresolved": 2, "not_on_list": 3}
COLOURS = {
    "listed": "vermilion",
    "related": "watch_ink",
    "unresolved": "watch_ink",
    "not_on_list": "ink",
}
SHAPES = {"listed": "■", "related": "▲", "unresolved": "?", "not_on_list": "○"}
NEW = "●"
LINE = Style(size=9, valign="top", wrap=True)


def list_sheet(context: Context) -> Sheet:
    """Draw the list sheet, what is new and what matters most first."""
    words, run = context.words, context.run
    canvas = Canvas("lists", context.titles["lists"], tab="grey")
    last_col = widen(canvas, context, "lists")
    context.band(canvas, "lists", last_col)
    screening = run.screening
    news = _news(screening)
    canvas.put(3, FIRST_COLUMN, _news_line(context, screening), Style(size=9, bold=bool(news)))
    entries = [_entries(context, row, news) for row in _rows(context, news)]
    last = draw_table(context, canvas, "lists", HEAD_ROW, entries, table="lists")
    if not entries:
        last += 1
        canvas.put(last, FIRST_COLUMN, words.line("list_status.none"))
    if screening is not None:
        last = _below(context, canvas, screening, last + 2, last_col)
    canvas.freeze = address(HEAD_ROW + 1, FIRST_COLUMN + 3)
    canvas.print_rows = f"{HEAD_ROW}:{HEAD_ROW}"
    return canvas.sheet(last + 1, last_col)


def _news(screening: ScreenResult | None) -> dict[tuple[str, str], str | None]:
    if screening is None:
        return {}
    rows = screening.news.select("issuer_id", "list_id", "before").iter_rows()
    return {(issuer, list_id): before for issuer, list_id, before in rows}


def _news_line(context: Context, screening: ScreenResult | None) -> str:
    if screening is None:
        return ""
    count = screening.news.height
    since = screening.news_since.isoformat()
    return context.words.line("lists.news" if count else "lists.no_news", count=count, since=since)


def _rows(context: Context, news: Mapping[tuple[str, str], str | None]) -> list[Mapping[str, Any]]:
    """Return the lines of the screening, or what the lists say where the run has none, in order."""
    run = context.run
    if run.screening is not None:
        rows: list[Mapping[str, Any]] = list(run.screening.rows.iter_rows(named=True))
    else:
        rows = [
            {**row, "since": row["valid_from"]} for row in run.list_status.iter_rows(named=True)
        ]
        rows.sort(key=lambda row: (ORDER[row["status"]], row["issuer_id"], row["list_id"]))
    return sorted(rows, key=lambda row: (row["issuer_id"], row["list_id"]) not in news)


def _entries(
    context: Context, row: Mapping[str, Any], news: Mapping[tuple[str, str], str | None]
) -> dict[str, Any]:
    words, run = context.words, context.run
    places = {p.issuer_id: (n, p) for n, p in enumerate(context.figures.positions) if p.issuer_id}
    number, position = places.get(row["issuer_id"], (None, None))
    listings = row.get("listing_ids") or ([position.listing_id] if position else [])
    own = row.get("name_zh") or row["issuer_id"] or "", row.get("name_en") or row["issuer_id"] or ""
    names = run.issuer_names.get(row["issuer_id"], own)
    link = (
        None
        if number is None
        else context.link("exposure", address(context.exposure.first + number, 2))
    )
    status, relation = row["status"], row["relation"]
    held = row.get("us_person")
    return {
        "new": NEW if (row["issuer_id"], row["list_id"]) in news else None,
        "listing": Entry("; ".join(listings), link),
        "issuer": words.pair(names[0], names[1]),
        "list": words.maybe(f"list.{row['list_id']}", row["list_id"]),
        "status": Entry(
            f"{SHAPES[status]} {words.line(f'list_status.{status}')}",
            link=context.evidence_link(row["link_ids"]),
            bold=status != "not_on_list",
            color=COLOURS[status],
        ),
        "relation": words.maybe(f"relation.{relation}", relation) if relation else "",
        "row_name": _apart(row["row_name"]),
        "mechanisms": _apart(row["mechanisms"]),
        "citation": _apart(row["citation"]),
        "valid_from": row["since"],
        "known_on": row["known_on"],
        "us_person": "" if held is None else _held(context, held, row),
        "meaning": _meaning(context, row),
        "wording": row["wording"],
        "edition": row.get("edition_date"),
        "reviewed_on": row.get("reviewed_on"),
    }


def _held(context: Context, held: str, row: Mapping[str, Any]) -> str:
    text = context.words.line(f"us_person.{held}")
    return text if row.get("sell_by") is None else f"{text} ({row['sell_by'].isoformat()})"


def _meaning(context: Context, row: Mapping[str, Any]) -> str:
    """Return the sentence of the status, and under it what it means."""
    meant = context.words.pair(row.get("meaning_zh") or "", row.get("meaning_en") or "", sep="\n")
    return f"{row['wording']}\n{meant}" if meant else str(row["wording"])


def _apart(text: str | None) -> str | None:
    if text is None:
        return None
    return "; ".join(dict.fromkeys(part.strip() for part in text.split(";")))


def _below(
    context: Context, canvas: Canvas, screening: ScreenResult, row: int, last_col: int
) -> int:
    words = context.words
    row = _lines(
        context, canvas, row, last_col, "lists.editions", _edition_lines(context, screening)
    )
    row = _lines(
        context, canvas, row, last_col, "lists.suppliers", _supplier_lines(context, screening)
    )
    due = [
        f"{act['due'].isoformat()}   {words.pair(act['title_zh'] or act['title_en'], act['title_en'])}"
        f"   ({act['instrument']})"
        for act in screening.cliffs.iter_rows(named=True)
    ]
    row = _lines(context, canvas, row, last_col, "lists.cliffs", due)
    return row - 1


def _lines(
    context: Context, canvas: Canvas, row: int, last_col: int, key: str, texts: Sequence[str]
) -> int:
    if not texts:
        return row
    canvas.put(row, FIRST_COLUMN, context.words.line(key), SECTION)
    canvas.heights[row] = 22
    columns = context.layout.tables["lists"]
    room = sum(column.width for column in columns)
    for text in texts:
        row += 1
        canvas.put(row, FIRST_COLUMN, text, LINE)
        canvas.merge(row, FIRST_COLUMN, last_col)
        canvas.heights[row] = wrapped_height([(text, room)])
        rule(canvas, row, FIRST_COLUMN, last_col)
    return row + 2


def _edition_lines(context: Context, screening: ScreenResult) -> list[str]:
    words = context.words
    lines: list[str] = []
    for row in screening.editions.iter_rows(named=True):
        name = f"{row['list_id']} {words.pair(row['name_zh'], row['name_en'])}"
        if row["edition_date"] is None:
            lines.append(f"{name}: {words.line('lists.no_edition')}")
            continue
        size = words.line("lists.not_counted") if row["rows"] is None else str(row["rows"])
        text = words.line("lists.edition", edition=row["edition_date"].isoformat(), rows=size)
        old = row["allowed_days"] is not None and row["age_days"] > row["allowed_days"]
        late = words.line("lists.old", days=row["age_days"], allowed=row["allowed_days"])
        lines.append(f"{name}: {text}{'   ▲ ' + late if old else ''}")
    return [*lines, words.pair(*words.both("lists.disclaimer"))] if lines else [DISCLAIMER]


def _supplier_lines(context: Context, screening: ScreenResult) -> list[str]:
    words, names = context.words, context.run.issuer_names
    lists: dict[tuple[str, str, str], list[str]] = {}
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in screening.suppliers.iter_rows(named=True):
        key = (row["issuer_id"], row["supplier_id"], row["input_kind"])
        lists.setdefault(key, []).append(words.maybe(f"list.{row['list_id']}", row["list_id"]))
        found[key] = row
    lines: list[str] = []
    for key, on in lists.items():
        row = found[key]
        holding = words.pair(*names.get(row["issuer_id"], (row["issuer_id"],) * 2))
        supplier = words.pair(row["supplier_zh"], row["supplier_en"])
        share = "n/a" if row["mid"] is None else percent(row["mid"], 1)
        cost = words.line("lists.of_cost", share=share)
        lines.append(f"{holding} ← {supplier} · {cost} · {', '.join(on)}")
    return lines
