"""The headline: expected scenario loss in basis points, gains apart, and how far its ranking can be trusted.

Symbols: p_s probability of scenario s; r_is return of listing i in it; w weight; S_i expected loss [basis points].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from exposure.errors import UsageError
from exposure.factors.aggregation import exposure_interval
from exposure.factors.catalog import Catalog
from exposure.factors.robustness import rank_order
from exposure.portfolios.holdings import Book
from exposure.scenarios.definitions import ScenarioDefinition
from exposure.scenarios.distribution import BASIS_POINTS, ExpectedLoss, expected_loss
from exposure.scenarios.loss_draws import COMMON, LossDraws, draw_losses
from exposure.scenarios.ranking import Robustness, rank_names
from exposure.scenarios.scenario_table import ScenarioTable, World, read_world
from exposure.scenarios.stressing import Shock
from exposure.schemas import (
    SEVERITIES,
    HeadlineListings,
    HeadlineScenarios,
    empty,
    validated,
)

Vector = NDArray[np.float64]

DRAWS = 2_000
FEWEST_DRAWS = 1_000  # 50 draws beyond each end of a 5-95% interval
SEED = 20_250_124


@dataclass(frozen=True, slots=True)
class PortfolioHeadline:
    """The portfolio's expected loss and gain over scenarios, basis points; None where no scenario is known.

    Attributes
    ----------
    loss, gain
        At the points of probabilities and returns, base severity; holdings offset each other inside a scenario.
    loss_lo, loss_hi
        Every probability, severity and return at its best, and at its worst.
    band_lo, band_hi, band_mean
        5% and 95% of the draws, and their mean. Intervals lean to the worse side, so the mean lies above ``loss``.
    standalone
        Σ w_i S_i: what the loss would be without offsets inside scenarios.
    worst_scenario, worst_return
        Of all scenarios, whatever their probability.
    not_counted
        Scenarios with a probability but without any known return: left out, not zero.
    unknown_weight
        Largest weight without a return in a counted scenario. It adds nothing to the figures, so above zero they are
        those of the known part.
    """

    loss: float | None = None
    gain: float | None = None
    loss_lo: float | None = None
    loss_hi: float | None = None
    band_lo: float | None = None
    band_hi: float | None = None
    band_mean: float | None = None
    standalone: float | None = None
    worst_scenario: str | None = None
    worst_return: float | None = None
    not_counted: tuple[str, ...] = ()
    unknown_weight: float = 0.0


@dataclass(frozen=True, slots=True)
class Headline:
    """Expected scenario loss and gain of a portfolio and its holdings.

    Attributes
    ----------
    portfolio
        The figures of the whole.
    listings
        :class:`~exposure.schemas.HeadlineListings`, the largest expected loss first, unranked names last.
    scenarios
        :class:`~exposure.schemas.HeadlineScenarios`: the table that needs no probability.
    pairs
        :class:`~exposure.schemas.HeadlinePairs`, in the order of the ranking.
    robustness
        How far the ranking can be trusted.
    """

    as_of: date
    portfolio: PortfolioHeadline
    listings: pl.DataFrame
    scenarios: pl.DataFrame
    pairs: pl.DataFrame
    robustness: Robustness

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the pairs further apart than one rank, ready for JSON."""
        return {
            "as_of": self.as_of.isoformat(),
            **asdict(self.portfolio),
            "listings": self.listings.to_dicts(),
            "scenarios": self.scenarios.to_dicts(),
            "adjacent_pairs": self.pairs.filter(pl.col("adjacent")).to_dicts(),
            "robustness": asdict(self.robustness),
        }

    def _repr_html_(self) -> str:
        return str(self.listings._repr_html_())  # pyright: ignore[reportPrivateUsage] - the notebook protocol


def headline(
    shock: Shock,
    book: Book,
    catalog: Catalog,
    *,
    scenarios: Sequence[ScenarioDefinition] = (),
    draws: int = DRAWS,
    seed: int = SEED,
    common: float = COMMON,
) -> Headline:
    """Condense a stress test to expected loss and gain in basis points.

    S_i = 10⁴ Σ_s p_s max(0, −r_is),  G_i = 10⁴ Σ_s p_s max(0, r_is)
    contribution_i = 10⁴ Σ_{s: w'r_s<0} p_s(−w_i r_is)

    Parameters
    ----------
    shock
        From :func:`exposure.stress`, of the same book and day.
    scenarios
        Definitions built in code that ``shock`` ran; of others the catalogue's are used.
    draws, seed
        Of the ranking's robustness; the same seed gives the same answer.
    common
        Part of the variance of a return's place in its interval that all names of a scenario share.

    Returns
    -------
    Headline

    Missing values
        A scenario in which no holding has a known return, or without a probability, isn't counted, and is named. A
        holding without a return in a counted scenario has no headline and no rank: ``known_loss`` is a floor, and
        ``missing`` names the scenarios. To the portfolio it adds what is known of it.

    Raises
    ------
    UsageError
        If shock and book are of different days, base severity wasn't run, or draws are too few.

    Source
    ------
    Methodology 4; for the draws :mod:`exposure.scenarios.loss_draws`.
    """
    if shock.as_of != book.as_of:
        raise UsageError(
            f"the stress test is of {shock.as_of}, the portfolio of {book.as_of}",
            cure="stress this portfolio first",
        )
    if "base" not in shock.positions["severity"].unique().to_list():
        raise UsageError("the stress test has no base severity", cure='severities=("base",)')
    if draws < FEWEST_DRAWS:
        raise UsageError(f"{draws} draws are too few; give at least {FEWEST_DRAWS}")
    world = read_world(shock, book, catalog, scenarios)
    table, w = world.table, world.w
    counted = bool(table.scenarios)
    known = np.nan_to_num(table.base)
    chance = table.probability[:, 1]
    sums = (
        expected_loss(chance, known, w)
        if counted
        else ExpectedLoss(np.zeros(w.size), np.zeros(w.size), 0.0, 0.0, np.zeros(w.size))
    )
    drawn = draw_losses(table, w, draws=draws, seed=seed, common=common)
    complete = np.asarray(np.isfinite(table.base).all(axis=0) & counted)
    at = np.flatnonzero(world.held & complete)
    order = at[rank_order(sums.loss[at])]
    ranked = rank_names(
        [table.names[i] for i in order.tolist()],
        table.scenarios,
        np.maximum(0.0, -known[:, order]).T,
        chance,
        drawn.names[:, order],
        _industry(world, sums.loss, complete)[order],
        seed=seed,
    )
    listings = pl.DataFrame(
        [_listing(world, i, sums, drawn, complete=bool(complete[i])) for i in _held(world)],
        schema={
            name: dtype
            for name, dtype in empty(HeadlineListings).schema.items()
            if name not in ranked.places.columns or name == "listing_id"
        },
    ).join(ranked.places, on="listing_id", how="left")
    rows = _scenarios(world)
    return Headline(
        as_of=book.as_of,
        portfolio=_portfolio(world, rows, sums, drawn),
        listings=validated(listings.sort("rank", "listing_id", nulls_last=True), HeadlineListings),
        scenarios=rows,
        pairs=ranked.pairs,
        robustness=ranked.robustness,
    )


def _held(world: World) -> list[int]:
    return [int(i) for i in np.flatnonzero(world.held)]


def _industry(world: World, loss: Vector, complete: NDArray[np.bool_]) -> Vector:
    """Mean expected loss of all names of the stress test in the same place of the chain."""
    out = np.full(loss.size, np.nan)
    for i in np.flatnonzero(complete):
        same = [j for j in np.flatnonzero(complete) if world.roles[j] == world.roles[i]]
        out[i] = loss[same].mean()
    return out


def _listing(
    world: World, i: int, sums: ExpectedLoss, drawn: LossDraws, *, complete: bool
) -> dict[str, Any]:
    table = world.table
    chance = table.probability
    best, worst = table.hi[:, :, i].max(axis=1), table.lo[:, :, i].min(axis=1)
    base = table.base[:, i]
    everywhere = world.everything.base[:, i]
    guessed = float(chance[:, 1] @ np.where(table.inferred[:, i], _loss(base), 0.0))
    row: dict[str, Any] = {
        "listing_id": table.names[i],
        "issuer_id": world.issuers[i],
        "weight": float(world.w[i]),
        "known_loss": float(sums.loss[i]),
        "known_gain": float(sums.gain[i]),
        "inferred_share": BASIS_POINTS * guessed / float(sums.loss[i]) if sums.loss[i] else None,
        "contribution": float(sums.contribution[i]),
        "missing": [
            name
            for s, name in enumerate(world.everything.scenarios)
            if np.isfinite(world.everything.probability[s, 1]) and not np.isfinite(everywhere[s])
        ],
    }
    if np.isfinite(everywhere).any() and np.nanmin(everywhere) < 0:
        row["worst_scenario"] = world.everything.scenarios[int(np.nanargmin(everywhere))]
        row["worst_return"] = float(np.nanmin(everywhere))
    if complete:
        band = np.quantile(drawn.names[:, i], [0.05, 0.95])
        row |= {
            "loss": float(sums.loss[i]),
            "loss_lo": BASIS_POINTS * float(chance[:, 0] @ _loss(best)),
            "loss_hi": BASIS_POINTS * float(chance[:, 2] @ _loss(worst)),
            "band_lo": float(band[0]),
            "band_hi": float(band[1]),
            "band_mean": float(drawn.names[:, i].mean()),
            "gain": float(sums.gain[i]),
            "gain_lo": BASIS_POINTS * float(chance[:, 0] @ _loss(-worst)),
            "gain_hi": BASIS_POINTS * float(chance[:, 2] @ _loss(-best)),
        }
    return row


def _scenarios(world: World) -> pl.DataFrame:
    table, w = world.everything, world.w
    known = np.nan_to_num(table.mid)
    rows: list[dict[str, Any]] = []
    for s, name in enumerate(table.scenarios):
        reached = bool(np.isfinite(table.base[s, world.held]).any())
        lo, mid, hi = (None if np.isnan(p) else float(p) for p in table.probability[s])
        result = [float(known[s, z] @ w) if reached else None for z in range(len(SEVERITIES))]
        size = BASIS_POINTS * mid if mid is not None and world.counted[s] else 0.0
        total = result[1] or 0.0
        rows.append(
            {
                "scenario_id": name,
                **dict(zip(SEVERITIES, result, strict=True)),
                "probability_lo": lo,
                "probability": mid,
                "probability_hi": hi,
                "counted": world.counted[s],
                "reason": "no_probability" if mid is None else None if reached else "no_return",
                "loss": size * max(0.0, -total),
                "gain": size * max(0.0, total),
                "standalone": size * float(_loss(known[s, 1] * w).sum()),
                "unknown_weight": float(w[world.held & ~np.isfinite(table.base[s])].sum()),
            }
        )
    return validated(pl.DataFrame(rows, schema=empty(HeadlineScenarios).schema), HeadlineScenarios)


def _portfolio(
    world: World, rows: pl.DataFrame, sums: ExpectedLoss, drawn: LossDraws
) -> PortfolioHeadline:
    worst = rows.filter(pl.col("base") < 0).sort("base", "scenario_id").head(1)
    nothing = PortfolioHeadline(
        worst_scenario=worst["scenario_id"].item() if worst.height else None,
        worst_return=worst["base"].item() if worst.height else None,
        not_counted=tuple(rows.filter(pl.col("reason") == "no_return")["scenario_id"]),
    )
    table = world.table
    if not table.scenarios:
        return nothing
    low, high = _portfolio_ends(table, world.w)
    chance = table.probability
    band = np.quantile(drawn.portfolio, [0.05, 0.95])
    return replace(
        nothing,
        loss=sums.portfolio_loss,
        gain=sums.portfolio_gain,
        loss_lo=BASIS_POINTS * float(chance[:, 0] @ _loss(high)),
        loss_hi=BASIS_POINTS * float(chance[:, 2] @ _loss(low)),
        band_lo=float(band[0]),
        band_hi=float(band[1]),
        band_mean=float(drawn.portfolio.mean()),
        standalone=float(rows["standalone"].sum()),
        unknown_weight=float(rows.filter(pl.col("counted"))["unknown_weight"].to_numpy().max()),
    )


def _portfolio_ends(table: ScenarioTable, w: Vector) -> tuple[Vector, Vector]:
    """Return the worst and best result in each scenario over severities and intervals, of what is known."""
    lo, hi = np.nan_to_num(table.lo), np.nan_to_num(table.hi)
    ends = np.array(
        [
            [exposure_interval(w, lo[s, z], hi[s, z]) for z in range(len(SEVERITIES))]
            for s in range(len(table.scenarios))
        ]
    )
    return ends[:, :, 0].min(axis=1), ends[:, :, 1].max(axis=1)


def _loss(returns: Vector) -> Vector:
    return np.asarray(np.maximum(0.0, -returns))
