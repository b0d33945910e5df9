"""Options that several commands share, and how dates and percentages are read."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Optional

import typer

AsOf = Annotated[
    Optional[str],  # noqa: UP045 - typer evaluates it at run time
    typer.Option(
        "--as-of", metavar="DATE", help="Use only what was known on this day (YYYY-MM-DD)."
    ),
]
Content = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--content", metavar="DIR", help="Content folder; by default the one shipped."),
]
Format = Annotated[
    str, typer.Option("--format", metavar="KIND", help="table, json, csv or parquet.")
]
Json = Annotated[bool, typer.Option("--json", help="Short for --format json.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No talk on stderr.")]
Output = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("-o", "--output", metavar="FILE", help="Write here instead of stdout."),
]
Holdings = Annotated[
    Path,
    typer.Argument(
        metavar="HOLDINGS",
        help="Holdings file (CSV, TSV, XLSX or parquet), or @NAME for a query of exposure.toml.",
    ),
]
MandateFile = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(
        "--mandate", metavar="FILE", help="Mandate; by default mandate.toml beside the holdings."
    ),
]
BenchmarkFile = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(
        "--benchmark",
        metavar="FILE",
        help="Benchmark; by default benchmark.csv beside the holdings.",
    ),
]
LayoutFile = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(
        "--layout", metavar="FILE", help="Layout of your own, as `exposure map` writes it."
    ),
]
MasterFile = Annotated[
    Optional[list[Path]],  # noqa: UP045
    typer.Option(
        "--master",
        metavar="FILE",
        help="Security master of your own, beneath the shipped one; may be given more than once.",
    ),
]
AllowRejects = Annotated[
    bool,
    typer.Option(
        "--allow-rejects", help="Go on without rows that can't be used (they are reported)."
    ),
]
MaxAge = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(
        "--max-age", min=0, metavar="DAYS", help="Exit 7 if risk or list data are older than this."
    ),
]
FailOn = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--fail-on", metavar="STATE", help="Exit 4 on 'breach', or on 'watch' and worse."),
]
Lang = Annotated[str, typer.Option("--lang", help="both, zh or en.")]


Scenarios = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("-s", "--scenario", metavar="ID", help="A scenario; may be given more than once."),
]


def today() -> date:
    """Return the day where the user is: the command line may ask, the library never does."""
    return datetime.now(tz=UTC).astimezone().date()


def parse_date(text: str | None) -> date | None:
    """Return the day, or a usage error that shows the form."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a day; write YYYY-MM-DD, e.g. 2025-01-24"
        ) from None


def parse_pairs(texts: list[str], option: str) -> dict[str, str]:
    """Return NAME=VALUE pairs."""
    pairs: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip() or not value.strip():
            raise typer.BadParameter(f"{option} {text!r} must look like NAME=VALUE")
        pairs[name.strip()] = value.strip()
    return pairs


def parse_number(text: str, option: str) -> float:
    """Return a number; ``10%`` is 0.1."""
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise typer.BadParameter(f"{option} {text!r} is not a number or percentage") from None
