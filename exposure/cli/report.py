"""``exposure report``: the weekly run, its run folder and workbook."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from exposure.cli.options import (
    AllowRejects,
    AsOf,
    BenchmarkFile,
    Content,
    FailOn,
    Holdings,
    Lang,
    LayoutFile,
    MandateFile,
    MasterFile,
    MaxAge,
    Quiet,
    parse_date,
)
from exposure.cli.output import say

EXIT_BREACH = 4


def register(app: typer.Typer) -> None:
    """Add the command to the tree."""
    app.command(
        name="report",
        help=(
            "The weekly run: a run folder with workbook, HTML edition, orders, tables and manifest.\n\nExamples:\n\n"
            "  exposure report portfolios/ai-servers/holdings.csv --as-of 2025-01-24\n\n"
            "  exposure report portfolios/ai-servers/holdings.csv --as-of 2025-01-24 -o week.xlsx --lang zh --force"
        ),
    )(report_command)


def report_command(
    holdings: Holdings,
    as_of: AsOf = None,
    mandate: MandateFile = None,
    benchmark: BenchmarkFile = None,
    workbook: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "-o", "--output", metavar="FILE.xlsx", help="Also put a copy of the workbook here."
        ),
    ] = None,
    html: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--html", metavar="FILE.html", help="Also put a copy of the HTML edition here."
        ),
    ] = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", metavar="DIR", help="Folder for runs; by default reports/output."),
    ] = None,
    name: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "-p",
            "--portfolio",
            metavar="NAME",
            help="Name of the portfolio; by default its folder.",
        ),
    ] = None,
    lang: Lang = "both",
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite the files named by -o and --html.")
    ] = False,
    content: Content = None,
    layout: LayoutFile = None,
    master: MasterFile = None,
    allow_rejects: AllowRejects = False,
    max_age: MaxAge = None,
    fail_on: FailOn = None,
    quiet: Quiet = False,
) -> int:
    """Run the week and write it."""
    from exposure.pipeline import run_and_write

    if lang not in ("both", "zh", "en"):
        raise typer.BadParameter(f"--lang {lang!r} must be both, zh or en")
    if fail_on not in (None, "breach", "watch"):
        raise typer.BadParameter(f"--fail-on {fail_on!r} must be breach or watch")
    result = run_and_write(
        holdings,
        as_of=parse_date(as_of),
        mandate=mandate,
        benchmark=benchmark,
        content=content,
        layout=layout,
        master=master,
        allow_rejects=allow_rejects,
        max_age=max_age,
        name=name,
        out=out,
        lang=lang,
        workbook_copy=workbook,
        html_copy=html,
        force=force,
    )
    typer.echo(result.workbook)
    for line in result.talk:
        say(line, quiet=quiet)
    bad = {"breach": {"breach"}, "watch": {"breach", "watch", "at_limit"}}.get(fail_on or "", set())
    if bad & set(result.states):
        return EXIT_BREACH
    return result.exit_code
