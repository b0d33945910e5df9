"""``exposure demo``: the weekly run on the sample portfolio, offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from exposure.cli.options import Lang, Quiet
from exposure.cli.output import say

SAMPLE_DAY = "2025-01-24"


def register(app: typer.Typer) -> None:
    """Add the command to the tree."""
    app.command(
        name="demo",
        help=(
            "Run the weekly report on the sample portfolio and print where the workbook is.\n\nExamples:\n\n"
            "  exposure demo\n\n  exposure demo --out my-folder"
        ),
    )(demo_command)


def demo_command(
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", metavar="DIR", help="Folder for runs; by default reports/output."),
    ] = None,
    lang: Lang = "both",
    quiet: Quiet = False,
) -> int:
    """Run the sample portfolio end to end."""
    from datetime import date

    from exposure.content import shipped_root
    from exposure.pipeline import run_and_write

    sample = shipped_root() / "portfolios" / "ai-servers" / "holdings.csv"
    result = run_and_write(
        sample,
        as_of=date.fromisoformat(SAMPLE_DAY),
        name="ai-servers",
        content=shipped_root(),
        out=out,
        lang=lang,
        force=True,
    )
    typer.echo(result.workbook)
    say(
        "\nThis is the sample portfolio ai-servers on 2025-01-24: share counts are invented,"
        " facts are dated and sourced."
        "\nTry next:"
        "\n  exposure score HOLDINGS --as-of 2025-01-24        your own holdings"
        "\n  exposure explain 002261.SZ ascend_share --as-of 2025-01-24"
        "\n  exposure stress HOLDINGS --as-of 2025-01-24 --all"
        "\n  exposure rebalance HOLDINGS --as-of 2025-01-24 --mandate MANDATE.toml"
        f"\nThe sample's own files: {sample.parent}",
        quiet=quiet,
    )
    return 0
