"""A plan for each of several values of one limit: what a little more or less of it costs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from exposure.errors import check_names
from exposure.optimiser.limits import PlanInputs, named_limits
from exposure.optimiser.model import goal_of
from exposure.optimiser.solving import solve
from exposure.optimiser.tail import solve_min_cvar
from exposure.portfolios.mandates import Mandate

FRONTIER: dict[str, type[pl.DataType]] = {
    "limit": pl.String,
    "bound": pl.Float64,
    "status": pl.String,
    "objective": pl.Float64,
    "tracking_error": pl.Float64,
    "turnover": pl.Float64,
    "cost_bp": pl.Float64,
    "shadow": pl.Float64,
}


def frontier(
    inputs: PlanInputs,
    mandate: Mandate,
    limit: str,
    bounds: Sequence[float],
    *,
    robust: str | None = None,
) -> pl.DataFrame:
    """Solve once for each value of one limit, before lots.

    Parameters
    ----------
    limit
        Its name, as in ``plan.limits``.
    bounds
        Values in the unit of the limit; a scenario's are results, so a loss is negative.

    Returns
    -------
    polars.DataFrame
        | limit | bound | status | objective | tracking_error [a year] | turnover | cost_bp | shadow |; the last four
        are null where there is no plan. ``shadow``: gain of the objective for one unit of the limit.

    Raises
    ------
    UsageError
        If no limit has that name.
    """
    limits = named_limits(inputs, mandate, robust)
    check_names([limit], [item.name for item in limits], "limit")
    goal = goal_of(inputs, mandate)
    rows: list[dict[str, object]] = []
    for bound in bounds:
        moved = tuple(item.moved(float(bound)) if item.name == limit else item for item in limits)
        if goal.kind == "min_cvar":
            found = solve_min_cvar(inputs, moved, goal, mandate.objective.tail)
        else:
            found = solve(inputs, moved, goal)
        w = found.weights
        rows.append(
            {
                "limit": limit,
                "bound": float(bound),
                "status": found.status.value,
                "objective": found.objective,
                "tracking_error": None if w is None else float(np.sqrt(inputs.variance(w))),
                "turnover": None if w is None else inputs.turnover(w),
                "cost_bp": None if w is None else 1e4 * inputs.cost(w),
                "shadow": None if found.shadow is None else found.shadow[limit],
            }
        )
    return pl.DataFrame(rows, schema=FRONTIER)
