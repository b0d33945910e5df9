"""``exposure schema``, ``doctor``, ``data check``, ``method check``: the tables, and whether all is well."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from exposure.cli import coverage, research
from exposure.cli.options import AsOf, Content, Format, Json, Output, parse_date
from exposure.cli.output import aligned, chosen_format, emit, emit_json, say


def register(app: typer.Typer) -> None:
    """Add the commands to the tree."""
    app.command(
        name="schema",
        help="Tables and their columns.\n\nExamples:\n\n  exposure schema\n\n  exposure schema score.factors --json",
    )(schema_command)
    app.command(
        name="doctor",
        help=(
            "Versions, solvers, content root and settings.\n\n"
            "Examples:\n\n  exposure doctor\n\n  exposure doctor --json"
        ),
    )(doctor_command)
    data = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Content checks.")
    data.command(
        name="check",
        help=(
            "Load all content, check every link, and list what is overdue.\n\n"
            "Examples:\n\n  exposure data check --as-of 2025-01-24"
        ),
    )(data_check_command)
    data.command(name="next", help=research.HELP)(research.next_command)
    data.command(name="coverage", help=coverage.HELP)(coverage.coverage_command)
    app.add_typer(data, name="data")
    method = typer.Typer(
        no_args_is_help=True, rich_markup_mode=None, help="Acceptance cases of the method."
    )
    method.command(
        name="check",
        help=(
            "Run the acceptance cases of a folder through the engine.\n\n"
            "Examples:\n\n  exposure method check tests/reference/cases"
        ),
    )(method_check_command)
    app.add_typer(method, name="method")


def schema_command(
    table: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(metavar="TABLE", help="A table, e.g. score.factors; all if left out."),
    ] = None,
    kind: Format = "table",
    as_json: Json = False,
    output: Output = None,
) -> None:
    """Show the schema of every table that crosses a room."""
    import polars as pl

    from exposure.schemas import TABLES, schema

    chosen = chosen_format(kind, as_json)
    if table is not None:
        emit(schema(table), chosen, output, {"table": table})
        return
    if chosen == "json":
        emit_json({"tables": {name: schema(name).to_dicts() for name in TABLES}}, output)
        return
    first = {name: (cls.__doc__ or "").strip().splitlines()[0] for name, cls in TABLES.items()}
    frame = pl.DataFrame({"table": list(first), "holds": list(first.values())})
    emit(frame, chosen, output)


def doctor_command(content: Content = None, as_json: Json = False) -> int:
    """Print what this installation is made of."""
    from exposure.pipeline import doctor

    facts = doctor(content)
    if as_json:
        emit_json(facts)
    else:
        typer.echo(
            aligned([["what", "value"], *[[key, str(value)] for key, value in facts.items()]]),
            nl=False,
        )
    return 0


def data_check_command(as_of: AsOf = None, content: Content = None, as_json: Json = False) -> int:
    """Check the content."""
    from exposure.factors.scoring import score_issuers, score_issues
    from exposure.scenarios.definitions import load_catalog, scenario_definitions

    day = parse_date(as_of)
    catalog = load_catalog(content)
    facts = {
        "issuers": catalog.master.issuers.height,
        "listings": catalog.master.listings.height,
        "evidence": catalog.evidence.height,
        "links": catalog.links.height,
        "events": catalog.events.height,
        "list links": catalog.list_links.height,
        "sources": catalog.sources.height,
        "factors": len(catalog.factors),
        "scenarios": len(scenario_definitions(catalog)),
    }
    issues = []
    if day is not None:
        scores = score_issuers(catalog, catalog.master.issuers["issuer_id"].to_list(), day)
        issues = score_issues(catalog, scores, day).to_dicts()
    if as_json:
        emit_json({"content": catalog.fingerprint, "counts": facts, "issues": issues})
        return 0
    typer.echo(
        aligned([["table", "rows"], *[[key, str(value)] for key, value in facts.items()]]), nl=False
    )
    for row in issues:
        typer.echo(f"{row['severity']}: {row['message']}")
    say(f"content {catalog.fingerprint[:8]} holds together")
    return 0


def method_check_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of JSON cases.")],
    as_json: Json = False,
) -> int:
    """Run acceptance cases; 1 if one is out of tolerance, 3 if one can't be read."""
    from dataclasses import asdict

    from exposure.validation.cases import check_cases

    results = check_cases(folder)
    if as_json:
        emit_json({"cases": [asdict(result) for result in results]})
    else:
        for result in results:
            typer.echo(result.line())
        counts = {
            status: sum(r.status == status for r in results)
            for status in ("ok", "FAILED", "skipped", "unreadable")
        }
        typer.echo(
            f"{len(results)} cases: "
            + ", ".join(f"{n} {status}" for status, n in counts.items() if n)
        )
    if any(result.status == "unreadable" for result in results):
        return 3
    return 1 if any(result.status == "FAILED" for result in results) else 0
