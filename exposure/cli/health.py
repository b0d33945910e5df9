"""``exposure schema``, ``doctor``, ``data check``, ``method``: the tables, and whether all is well."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from exposure.cli import coverage, events, lists, research
from exposure.cli.options import AsOf, Content, Format, Json, Output, parse_date
from exposure.cli.output import aligned, chosen_format, emit, emit_json, say

if TYPE_CHECKING:
    import polars as pl


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
    data = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Content and lists.")
    data.command(
        name="check",
        help=(
            "Load all content and list broken references, overdue reviews, orphans, conflicts and old facts.\n\n"
            "Examples:\n\n  exposure data check --as-of 2025-01-24\n\n"
            "  exposure data check --as-of 2025-01-24 --rule evidence_conflict --json"
        ),
    )(data_check_command)
    data.command(name="next", help=research.HELP)(research.next_command)
    data.command(name="coverage", help=coverage.HELP)(coverage.coverage_command)
    lists.register(data)
    app.add_typer(data, name="data")
    method = typer.Typer(
        no_args_is_help=True, rich_markup_mode=None, help="Checks of the method: cases, events."
    )
    method.command(
        name="check",
        help=(
            "Run the acceptance cases of a folder through the engine.\n\n"
            "Examples:\n\n  exposure method check tests/reference/cases"
        ),
    )(method_check_command)
    method.command(name="events", help=events.HELP)(events.events_command)
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


def data_check_command(
    as_of: AsOf = None,
    rule: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--rule", metavar="NAME", help="Only issues of this rule."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 3 on warnings too.")] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="List what is good to know as well.")
    ] = False,
    store: lists.StoreFolder = None,
    content: Content = None,
    kind: Format = "table",
    as_json: Json = False,
    output: Output = None,
) -> int:
    """Check the content."""
    import polars as pl

    from exposure.factors.upkeep import by_severity, check_catalog
    from exposure.lists.touched import end_links
    from exposure.lists.where import find_store
    from exposure.scenarios.reading import load_catalog, scenario_references

    chosen = chosen_format(kind, as_json)
    day = parse_date(as_of)
    catalog = load_catalog(content)
    scenarios = scenario_references(catalog)
    issues = check_catalog(catalog, scenarios, day)
    if day is not None:
        left = end_links(catalog.list_links, find_store(store), day)[1]
        issues = by_severity(pl.concat([issues, left]))
    if rule is not None:
        issues = issues.filter(pl.col("rule") == rule)
    facts = {
        "issuers": catalog.master.issuers.height,
        "listings": catalog.master.listings.height,
        "evidence": catalog.evidence.height,
        "links": catalog.links.height,
        "events": catalog.events.height,
        "list links": catalog.list_links.height,
        "sources": catalog.sources.height,
        "factors": len(catalog.factors),
        "scenarios": len(scenarios),
    }
    if chosen == "json":
        emit_json(
            {"content": catalog.fingerprint, "counts": facts, "issues": issues.to_dicts()}, output
        )
    elif chosen == "table":
        rows = [["table", "rows"], *[[key, str(value)] for key, value in facts.items()]]
        typer.echo(aligned(rows) + "\n", nl=False)
        for line in _issue_lines(issues, verbose=verbose):
            typer.echo(line)
        if day is None:
            say("without --as-of reviews, age, conflicts and list editions are not checked")
    else:
        emit(issues, chosen, output)
    counts = {
        name: issues.filter(pl.col("severity") == name).height
        for name in ("error", "warning", "info")
    }
    say(
        f"content {catalog.fingerprint[:8]}: "
        + ", ".join(f"{n} {name}s" for name, n in counts.items())
    )
    return 3 if counts["error"] or (strict and counts["warning"]) else 0


def _issue_lines(issues: pl.DataFrame, *, verbose: bool) -> list[str]:
    summary = issues.group_by("severity", "rule", maintain_order=True).len()
    lines = [
        f"{row['severity']:8} {row['rule']:24} {row['len']:5}"
        for row in summary.iter_rows(named=True)
    ]
    shown = issues.iter_rows(named=True)
    details = [
        f"{row['severity']}: {_where(row)}: {row['message']}"
        + (f"\n    try: {row['cure']}" if row["cure"] else "")
        for row in shown
        if verbose or row["severity"] != "info"
    ]
    return [*lines, *([""] if details else []), *details]


def _where(row: dict[str, Any]) -> str:
    at = f" row {row['row']}" if row["row"] is not None else ""
    column = f" column {row['column']}" if row["column"] else ""
    return f"{row['file']}{at}{column}"


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
