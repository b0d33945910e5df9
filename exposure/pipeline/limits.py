"""Where a portfolio stands against the factor limits of its mandate."""

from __future__ import annotations

from typing import Any

import polars as pl

from exposure.attribution import Scores
from exposure.pipeline.inputs import Inputs


def factor_limits(inputs: Inputs, scores: Scores) -> dict[tuple[str, str], dict[str, Any]]:
    """Return (factor, basis) → sense, value, bound, room and state of the mandate's factor limits, as held today."""
    if inputs.mandate is None:
        return {}
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for limit in inputs.mandate.factors:
        held = counted_exposure(
            scores.positions, limit.factor, limit.base, limit.sense, limit.score
        )
        reference = None
        if not scores.benchmark_positions.is_empty():
            reference = counted_exposure(
                scores.benchmark_positions, limit.factor, limit.base, limit.sense, limit.score
            )
        bound = limit.bound(reference, held)
        room = bound - held if limit.sense == "<=" else held - bound
        state = limit_state(held, bound, limit.sense)
        found[(limit.factor, limit.base)] = {
            "sense": limit.sense,
            "value": held,
            "bound": bound,
            "room": room,
            "state": state,
        }
    return found


def counted_exposure(
    positions: pl.DataFrame, factor: str, basis: str, sense: str, which: str
) -> float:
    """Return Σ w·s as a limit counts it: a score without a mid counts at its upper end under a cap, else at its lower.

    Parameters
    ----------
    positions
        :class:`~exposure.schemas.PositionScores`.
    which
        ``mid``, or ``hi`` to count every score at its worse end.
    """
    worse = "hi" if sense == "<=" else "lo"
    score_used = pl.col("mid").fill_null(pl.col(worse)) if which == "mid" else pl.col(worse)
    part = positions.filter((pl.col("factor_id") == factor) & (pl.col("basis") == basis))
    return float(part.select((pl.col("weight") * score_used).sum()).item())


def limit_state(value: float, bound: float, sense: str) -> str:
    """Return ok, watch (within a tenth of the bound), at_limit or breach."""
    tolerance = 5e-5
    over = value - bound if sense == "<=" else bound - value
    if over > tolerance:
        return "breach"
    if over > -tolerance:
        return "at_limit"
    return "watch" if over > -0.1 * abs(bound) else "ok"
