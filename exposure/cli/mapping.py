"""``exposure map``: what is understood of a holdings file, and a layout file to correct."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from exposure.cli.options import (
    AsOf,
    Content,
    Format,
    Holdings,
    Json,
    LayoutFile,
    MasterFile,
    parse_date,
    today,
)
from exposure.cli.output import aligned, chosen_format, emit, emit_json, say

if TYPE_CHECKING:
    import polars as pl

    from exposure.portfolios.mapping import FileMap

FOLDER = Path("layouts")
MAX_ISSUES = 40
SHOWN_SEVERITIES = ("error", "warning")
HELP = (
    "What is understood of a holdings file, column by column and code by code; writes a layout file to correct.\n\n"
    "Examples:\n\n"
    "  exposure map portfolios/ai-servers/holdings.csv\n\n"
    "  exposure map portfolios/ai-servers/holdings.csv --as-of 2025-01-24 --dry-run --json"
)


def register(app: typer.Typer) -> None:
    """Add the command to the tree."""
    app.command(name="map", help=HELP)(map_command)


def map_command(
    holdings: Holdings,
    as_of: AsOf = None,
    layout: LayoutFile = None,
    master: MasterFile = None,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "-o", "--output", metavar="FILE", help="Layout file; by default layouts/NAME.toml."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over an existing file.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing.")] = False,
    content: Content = None,
    kind: Format = "table",
    as_json: Json = False,
) -> int:
    """Show what was understood; 0 whether or not the file would be read."""
    from exposure.portfolios.mapping import layout_name, map_holdings, write_layout

    chosen = chosen_format(kind, as_json)
    day = parse_date(as_of) or today()
    found = map_holdings(holdings, as_of=day, content=content, layout=layout, master=master)
    target = output or FOLDER / f"{layout_name(found.file)}.toml"
    if chosen == "json":
        emit_json(_facts(found, day.isoformat()))
    elif chosen == "table":
        typer.echo(_text(found), nl=False)
    else:
        emit(found.columns, chosen)
    if found.layout_toml is None or dry_run:
        return 0
    if target.exists() and not force and output is None:
        say(f"kept {target.as_posix()}, which exists already (--force writes it again)")
        return 0
    write_layout(found, target, force=force)
    say(f"wrote {target.as_posix()}: correct it and pass --layout {target.as_posix()}")
    return 0


def _text(found: FileMap) -> str:
    sheet = f" sheet {found.sheet}" if found.sheet else ""
    how = f"layout {found.layout}" if found.layout else "no header known"
    parts = [f"{found.file}{sheet} · {how}\n", aligned(_column_rows(found.columns))]
    if found.refusal is None and found.book is not None:
        book = found.book
        state = f"reads to {book.holdings.height} positions and {book.cash_weight:.1%} cash as of {book.as_of}"
        parts.append(f"\n{state}\n")
    issues = _issue_lines(found.issues)
    if issues:
        parts.append("\n" + "\n".join(issues) + "\n")
    if found.refusal is not None:
        parts.append(f"\nas it is it would be refused:\n{found.refusal.render()}\n")
    return "".join(parts)


def _column_rows(columns: pl.DataFrame) -> list[list[str]]:
    rows = [["column", "read as", "unit", "cells", "first", ""]]
    for row in columns.iter_rows(named=True):
        rows.append(
            [
                row["header"] or f"({row['position']})",
                row["field"] or "not used",
                row["unit"] or "",
                "" if row["cells"] is None else str(row["cells"]),
                _cut(row["example"]),
                row["remark"] or "",
            ]
        )
    return rows


def _cut(text: str | None) -> str:
    shown = "".join(char if char.isprintable() else "·" for char in text or "")
    return shown if len(shown) <= 24 else shown[:23] + "…"


def _issue_lines(issues: pl.DataFrame) -> list[str]:
    """List repairs and rejections by row; what was merely noticed is left to --json."""
    import polars as pl

    by_row = issues.filter(
        pl.col("severity").is_in(SHOWN_SEVERITIES)
        | pl.col("rule").is_in(["zeros_restored", "width_normalised"])
    )
    lines = []
    for row in by_row.head(MAX_ISSUES).iter_rows(named=True):
        at = f"row {row['row']}" if row["row"] is not None else "file"
        raw = f' "{_cut(row["raw"])}"' if row["raw"] else ""
        lines.append(f"{at}{raw}: {row['message']}")
    if by_row.height > MAX_ISSUES:
        lines.append(f"and {by_row.height - MAX_ISSUES} more (--json lists them)")
    return lines


def _facts(found: FileMap, day: str) -> dict[str, object]:
    book = found.book
    return {
        "file": found.file,
        "sheet": found.sheet,
        "as_of": day if book is None else book.as_of.isoformat(),
        "layout": found.layout,
        "columns": found.columns.to_dicts(),
        "positions": None if book is None else book.holdings.to_dicts(),
        "cash_weight": None if book is None else book.cash_weight,
        "issues": found.issues.to_dicts(),
        "refused": None if found.refusal is None else found.refusal.to_dict(),
        "layout_file": found.layout_toml,
    }
