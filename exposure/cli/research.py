"""``exposure data next``: which fact to look up next for a portfolio."""

from __future__ import annotations

from typing import Annotated, Any, Optional

import typer

from exposure.cli.options import (
    AsOf,
    Content,
    Format,
    Holdings,
    Json,
    LayoutFile,
    MasterFile,
    Output,
    Quiet,
    parse_date,
)
from exposure.cli.output import aligned, chosen_format, emit, emit_json, percent, say

HELP = (
    "Which facts to look up next: the data points that make this portfolio's exposures uncertain.\n\n"
    "Examples:\n\n"
    "  exposure data next portfolios/ai-servers/holdings.csv --as-of 2025-01-24\n\n"
    "  exposure data next holdings.csv --as-of 2025-01-24 --factor foundry_node_dependence --json"
)


def next_command(
    holdings: Holdings,
    as_of: AsOf = None,
    factor: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--factor", "-f", metavar="FACTOR", help="Only this factor; may be repeated."),
    ] = None,
    top: Annotated[int, typer.Option("--top", help="How many rows to print.")] = 15,
    layout: LayoutFile = None,
    master: MasterFile = None,
    content: Content = None,
    kind: Format = "table",
    as_json: Json = False,
    output: Output = None,
    quiet: Quiet = False,
) -> None:
    """Print the research list of a portfolio."""
    from exposure.factors.research import by_point, research
    from exposure.portfolios.holdings import load_holdings
    from exposure.scenarios.reading import load_catalog

    chosen = chosen_format(kind, as_json)
    catalog = load_catalog(content, master=master)
    book = load_holdings(
        holdings,
        as_of=parse_date(as_of),
        content=content,
        master=catalog.master,
        layout=layout,
    )
    points = research(book, catalog, factors=factor or None)
    if chosen == "json":
        emit_json({"as_of": book.as_of, "rows": points.to_dicts()}, output)
        return
    if chosen != "table":
        emit(points, chosen, output)
        return
    joined = by_point(points)
    names = catalog.names()
    rows = [["#", "explains", "whose", "what", "now", "grade", "factors"]]
    for rank, row in enumerate(joined.head(top).iter_rows(named=True), start=1):
        zh, en = names.get(row["subject"], (row["subject"], ""))
        rows.append(
            [
                str(rank),
                f"{100 * row['widest']:.1f} pp",
                f"{zh} {en}".strip(),
                row["about"],
                _now(row),
                row["grade"] or "–",
                _factors(row["factors"]),
            ]
        )
    typer.echo(aligned(rows), nl=False)
    typer.echo("")
    for line in _advice(joined.head(top)):
        typer.echo(line)
    say(
        f"{joined.height} data points; 'explains' is how much of the interval of one factor's exposure rests on "
        "the point; the order adds its factors up",
        quiet=quiet,
    )


def _now(row: dict[str, Any]) -> str:
    if row["lo"] is None and row["hi"] is None and row["mid"] is None:
        return "unknown"
    low = percent(row["lo"] or 0.0, 0)
    high = "100%" if row["hi"] is None else percent(row["hi"], 0)
    return f"{low}–{high}" + ("" if row["mid"] is None else f", mid {percent(row['mid'], 0)}")


def _factors(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} +{len(names) - 1}"


def _advice(joined: Any) -> list[str]:
    seen: dict[str, None] = {}
    for text in joined["look_at"].to_list():
        for part in text.split("; "):
            seen.setdefault(part)
    return [f"where: {part}" for part in list(seen)[:5]]
