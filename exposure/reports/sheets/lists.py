"""Issuer × sanction list: what each list says, with relation, citation and dates. There is no "clear"."""

from __future__ import annotations

from exposure.reports.cells import Canvas, Sheet, address
from exposure.reports.sheets.common import FIRST_COLUMN, Context, Entry, draw_table, widen

HEAD_ROW = 4
ORDER = {"listed": 0, "related": 1, "unresolved": 2, "not_on_list": 3}
COLOURS = {
    "listed": "vermilion",
    "related": "watch_ink",
    "unresolved": "watch_ink",
    "not_on_list": "ink",
}
SHAPES = {"listed": "■", "related": "▲", "unresolved": "?", "not_on_list": "○"}


def list_sheet(context: Context) -> Sheet:
    """Draw the list sheet, what matters most first."""
    words, run = context.words, context.run
    canvas = Canvas("lists", context.titles["lists"], tab="grey")
    last_col = widen(canvas, context, "lists")
    context.band(canvas, "lists", last_col)
    places = {p.issuer_id: (n, p) for n, p in enumerate(context.figures.positions) if p.issuer_id}
    rows = sorted(
        run.list_status.iter_rows(named=True),
        key=lambda row: (ORDER[row["status"]], row["issuer_id"], row["list_id"]),
    )
    entries: list[dict[str, Entry | object]] = []
    for row in rows:
        number, position = places.get(row["issuer_id"], (None, None))
        names = run.issuer_names.get(row["issuer_id"], (row["issuer_id"],) * 2)
        link = (
            None
            if number is None
            else context.link("exposure", address(context.exposure.first + number, 2))
        )
        status = row["status"]
        relation = row["relation"]
        entries.append(
            {
                "listing": Entry(position.listing_id if position else "", link),
                "issuer": words.pair(names[0], names[1]),
                "list": words.maybe(f"list.{row['list_id']}", row["list_id"]),
                "status": Entry(
                    f"{SHAPES[status]} {words.line(f'list_status.{status}')}",
                    link=context.evidence_link(row["link_ids"]),
                    bold=status != "not_on_list",
                    color=COLOURS[status],
                ),
                "relation": words.maybe(f"relation.{relation}", relation) if relation else "",
                "row_name": row["row_name"],
                "mechanisms": row["mechanisms"],
                "citation": row["citation"],
                "valid_from": row["valid_from"],
                "known_on": row["known_on"],
                "wording": row["wording"],
            }
        )
    last = draw_table(context, canvas, "lists", HEAD_ROW, entries, table="lists")  # type: ignore[arg-type]
    if not entries:
        last += 1
        canvas.put(last, FIRST_COLUMN, words.line("list_status.none"))
    canvas.freeze = address(HEAD_ROW + 1, 4)
    canvas.print_rows = f"{HEAD_ROW}:{HEAD_ROW}"
    return canvas.sheet(last + 1, last_col)
