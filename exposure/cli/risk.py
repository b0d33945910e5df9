"""``exposure risk estimate``: a factor risk model from the user's own prices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from exposure.cli.options import parse_date
from exposure.cli.output import say


def register(app: typer.Typer) -> None:
    """Add the group to the tree."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Factor risk model.")
    group.command(
        name="estimate",
        help=(
            "Estimate a risk snapshot from daily closes up to a day.\n\nExamples:\n\n"
            "  exposure risk estimate prices.parquet --indices indices.parquet --as-of 2025-01-24 --out risk\n\n"
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
    force: Annotated[bool, typer.Option("--force", help="Replace an existing snapshot.")] = False,
) -> int:
    """Estimate and write a risk snapshot."""
    from exposure.pipeline import read_prices
    from exposure.risk import estimate_risk, write_risk

    day = parse_date(as_of)
    if day is None:
        raise typer.BadParameter("--as-of is needed")
    if out.exists() and not force:
        raise typer.BadParameter(f"{out} exists; give --force to replace it")
    themes = tuple(theme) if theme else ("930651", "H30184")
    model = estimate_risk(
        read_prices(prices), read_prices([indices]), day, market=market, themes=themes
    )
    write_risk(model, out)
    typer.echo(out)
    say(
        f"{model.specific.height} listings, factors {', '.join(model.factor_covariance['risk_factor'].unique().sort())}"
    )
    return 0
