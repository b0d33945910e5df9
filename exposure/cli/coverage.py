"""``exposure data coverage``: where each statement of a source report lives."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from exposure.cli.options import Content, Json
from exposure.cli.output import aligned, emit_json, say

HELP = (
    "Where each statement of the source reports lives in the catalog, and whether it is still there.\n\n"
    "Examples:\n\n"
    "  exposure data coverage\n\n"
    "  exposure data coverage --write docs/coverage.md"
)


def coverage_command(
    write: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--write", metavar="FILE", help="Write the page as Markdown."),
    ] = None,
    content: Content = None,
    as_json: Json = False,
) -> None:
    """Check the coverage; print counts, or write the page."""
    import polars as pl

    from exposure.factors.coverage import checked, coverage_markdown, load_coverage
    from exposure.scenarios.reading import load_catalog, scenario_definitions

    catalog = load_catalog(content)
    scenarios = sorted(scenario_definitions(catalog))
    coverage = load_coverage(catalog)
    checked(catalog, scenarios, coverage)
    if as_json:
        emit_json({"files": {name: frame.to_dicts() for name, frame in coverage.items()}})
        return
    if write is not None:
        from exposure.content.writing import write_text

        write_text(write, coverage_markdown(catalog, scenarios, coverage))
        say(f"wrote {write.name}")
    rows = [["report", "statements", "corrected", "overtaken"]]
    for name, frame in coverage.items():
        count = [frame.filter(pl.col("verdict") == v).height for v in ("corrected", "overtaken")]
        rows.append([name, str(frame.height), *map(str, count)])
    typer.echo(aligned(rows), nl=False)
