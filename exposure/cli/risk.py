"""``exposure risk estimate``: a factor risk model from the user's own prices."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from exposure.cli.options import parse_date
from exposure.cli.output import say

if TYPE_CHECKING:
    from exposure.risk import RiskModel
    from exposure.risk.crisis import CrisisDays


def register(app: typer.Typer) -> None:
    """Add the group to the tree."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Factor risk model.")
    group.command(
        name="estimate",
        help=(
            "Estimate a risk snapshot from daily closes up to a day.\n\nExamples:\n\n"
            "  exposure risk estimate prices.parquet --indices indices.parquet --as-of 2025-01-24 --out risk\n\n"
            "  exposure risk estimate prices.csv --indices indices.csv --as-of 2025-01-24 --out risk"
            " --crisis 2024-09-18..2024-12-18\n\n"
            "Columns: prices listing_id, date, close, optional volume_shares; indices index_code, date, close."
        ),
    )(estimate_command)
    app.add_typer(group, name="risk")


def estimate_command(
    prices: Annotated[
        list[Path],
        typer.Argument(metavar="PRICES...", help="CSV or parquet files of daily closes."),
    ],
    indices: Annotated[
        Path, typer.Option("--indices", metavar="FILE", help="Index closes, CSV or parquet.")
    ],
    as_of: Annotated[
        str, typer.Option("--as-of", metavar="DATE", help="Use only closes up to this day.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the snapshot.")],
    market: Annotated[
        str, typer.Option("--market", help="Index code of the market factor.")
    ] = "000300",
    theme: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--theme", help="Index code of a theme factor; may be given more than once."),
    ] = None,
    crisis: Annotated[
        str,
        typer.Option(
            "--crisis",
            metavar="WINDOW",
            help="Days of the crisis model: auto (the 60 most turbulent), FROM..TO or none.",
        ),
    ] = "auto",
    force: Annotated[bool, typer.Option("--force", help="Replace an existing snapshot.")] = False,
) -> int:
    """Estimate and write a risk snapshot."""
    from exposure.pipeline import read_prices
    from exposure.risk import estimate_risk, write_risk

    day = parse_date(as_of)
    if day is None:
        raise typer.BadParameter("--as-of is needed")
    window = parse_crisis(crisis)
    if out.exists() and not force:
        raise typer.BadParameter(f"{out} exists; give --force to replace it")
    themes = tuple(theme) if theme else ("930651", "H30184")
    model = estimate_risk(
        read_prices(prices),
        read_prices([indices]),
        day,
        market=market,
        themes=themes,
        crisis=window,
    )
    write_risk(model, out)
    typer.echo(out)
    say(
        f"{model.specific.height} listings, factors {', '.join(model.factor_covariance['risk_factor'].unique().sort())}"
    )
    if model.crisis is not None:
        facts = model.crisis.manifest
        say(
            f"crisis window {facts['first_close']}..{facts['last_close']} ({facts['window_days']} returns):"
            f" {market} {_volatility(model.crisis, market):.1%} a year against {_volatility(model, market):.1%}"
        )
    return 0


def parse_crisis(text: str) -> CrisisDays | None:
    """Return the crisis window, or a usage error that shows the form."""
    if text == "auto":
        return "auto"
    if text == "none":
        return None
    first, dots, last = text.partition("..")
    try:
        if dots:
            return date.fromisoformat(first), date.fromisoformat(last)
    except ValueError:
        pass
    raise typer.BadParameter(
        f"--crisis {text!r} is no window; write auto, none or two days, e.g. 2024-09-18..2024-12-18"
    )


def _volatility(model: RiskModel, market: str) -> float:
    import polars as pl

    own = model.factor_covariance.row(
        by_predicate=(pl.col("risk_factor") == market) & (pl.col("other") == market), named=True
    )
    return float(own["covariance"] ** 0.5)
