"""How far a ranking of holdings by expected loss can be trusted: the robustness pack.

Symbols: x_is loss of name i in scenario s, max(0, −r_is); p_s probability; k names in the order of the ranking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from exposure.factors.robustness import (
    ROUNDING,
    critical_reversal,
    dominance_pairs,
    dominance_ratio,
    kendall_tau,
    rank_intervals,
    rank_tiers,
)
from exposure.scenarios.distribution import BASIS_POINTS
from exposure.schemas import HeadlinePairs, empty, validated

Vector = NDArray[np.float64]

SURE = 0.95  # part of the draws in which an order must hold to count as resolved


@dataclass(frozen=True, slots=True)
class Robustness:
    """How far the ranking can be trusted; None where there are fewer than two ranked names.

    Attributes
    ----------
    names, tiers
        Ranked names, and groups whose rank intervals don't touch. Overlaps chain, so one name with a wide interval can
        join all: then only ``resolved`` pairs are in order.
    dominance_ratio
        Part of the pairs whose order holds for every choice of probabilities.
    resolved
        Part of the pairs whose order holds in 95% of the draws.
    kendall_equal
        Agreement (τ-a) with the ranking under equally likely scenarios.
    kendall_industry
        Agreement with ranking by industry alone: the mean of a name's role. Near 1, the score says little more.
    draws, seed
        Of the draws behind the rank intervals.
    """

    names: int
    tiers: int
    dominance_ratio: float | None
    resolved: float | None
    kendall_equal: float | None
    kendall_industry: float | None
    draws: int
    seed: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """Places | listing_id | rank | rank_lo | rank_hi | tier | surely_above |, pairs and robustness."""

    places: pl.DataFrame
    pairs: pl.DataFrame
    robustness: Robustness


def rank_names(
    names: Sequence[str],
    scenarios: Sequence[str],
    losses: Vector,
    chance: Vector,
    drawn: Vector,
    industry: Vector,
    *,
    seed: int,
) -> Ranking:
    """Say how far a ranking can be trusted.

    Parameters
    ----------
    names
        Of shape (k,), the largest expected loss first.
    losses
        x of shape (k, S), fractions, ≥ 0.
    chance
        p of shape (S,).
    drawn
        Expected losses over draws, of shape (draws, k).
    industry
        Expected loss of each name's industry, of shape (k,).
    seed
        Of ``drawn``, to be stated.

    Source
    ------
    Methodology 4.4. Tiers: names with overlapping 5-95% rank intervals, directly or through others.
    """
    k = len(names)
    intervals = rank_intervals(drawn)
    tiers = rank_tiers(intervals)
    above = np.array([(drawn[:, [i]] > drawn).mean(axis=0) for i in range(k)]).reshape(k, k)
    places = pl.DataFrame(
        {
            "listing_id": list(names),
            "rank": np.arange(1, k + 1),
            "rank_lo": intervals[:, 0],
            "rank_hi": intervals[:, 1],
            "tier": tiers,
            "surely_above": (above >= SURE).sum(axis=1),
        },
        schema={"listing_id": pl.String, **dict.fromkeys(_PLACES, pl.Int64)},
    )
    score = losses @ chance
    dominating = set(dominance_pairs(losses))
    upper, lower = np.triu_indices(k, k=1)
    frame = pl.DataFrame(
        {
            "upper": [names[i] for i in upper.tolist()],
            "lower": [names[j] for j in lower.tolist()],
            "gap": BASIS_POINTS * np.maximum(0.0, score[upper] - score[lower]),
            "probability_above": above[upper, lower],
            "dominates": [
                pair in dominating for pair in zip(upper.tolist(), lower.tolist(), strict=True)
            ],
            "adjacent": lower == upper + 1,
            "tied": (intervals[upper, 0] <= intervals[lower, 1])
            & (intervals[lower, 0] <= intervals[upper, 1]),
        },
        schema_overrides={"upper": pl.String, "lower": pl.String, "dominates": pl.Boolean},
    )
    turns = pl.DataFrame(
        [_turn(names, scenarios, losses, chance, i) for i in range(k - 1)],
        schema={name: empty(HeadlinePairs).schema[name] for name in _TURN},
        orient="row",
    )
    pairs = validated(
        frame.join(turns, on=["upper", "lower"], how="left", maintain_order="left"), HeadlinePairs
    )
    sure = (above[upper, lower] >= SURE) | (above[lower, upper] >= SURE)
    some = k > 1
    return Ranking(
        places,
        pairs,
        Robustness(
            names=k,
            tiers=int(tiers.max(initial=0)),
            dominance_ratio=dominance_ratio(losses) if some else None,
            resolved=float(sure.mean()) if some else None,
            kendall_equal=kendall_tau(score, losses.sum(axis=1)) if some else None,
            kendall_industry=kendall_tau(score, industry) if some else None,
            draws=drawn.shape[0],
            seed=seed,
        ),
    )


def _turn(
    names: Sequence[str], scenarios: Sequence[str], losses: Vector, chance: Vector, i: int
) -> tuple[object, ...]:
    """Return the smallest move of probability that ties a name with the next, or that none does."""
    found = critical_reversal(losses, chance, i, i + 1)
    if not np.isfinite(found.transfer):
        return names[i], names[i + 1], None, None, None, False
    room = 1.0 - chance[found.target]
    feasible = found.possible and found.transfer <= room + ROUNDING
    return (
        names[i],
        names[i + 1],
        found.transfer,
        scenarios[found.source],
        scenarios[found.target],
        bool(feasible),
    )


_PLACES = ("rank", "rank_lo", "rank_hi", "tier", "surely_above")
_TURN = ("upper", "lower", "transfer", "from_scenario", "to_scenario", "feasible")
