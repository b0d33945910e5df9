"""No answer counts before it passes this check, made in plain NumPy from the weights alone.

Two questions: do the weights hold every limit, and how far can they be from the best? The second is answered by the
solver's multipliers as a certificate. For any weights u that hold the limits, convexity gives

    f(u) − f(w)  ≥  g'(u−w)  ≥  −gap,        gap = μ'(a − A w) + Σ_i max over the bounds of d_i (w_i − u_i)

with g the gradient of f, rows A u ≤ a, multipliers μ ≥ 0 and reduced costs d = g + A'μ. A wrong multiplier can only
make the gap larger, never hide an error.

Symbols: w weight, v sales, τ multiplier of the turnover, μ multipliers, d reduced costs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exposure.optimiser.limits import Bounds, FloatArray, Limit, PlanInputs
from exposure.optimiser.model import SCALE, SMALL, Answer, Goal

MAX_VIOLATION = 1e-7  # relative to the limit's scale
# Of the scaled objective, or of 1 where that is smaller. The certificate looks at all weights within their bounds, also
# those that break other limits: it overstates the true distance.
MAX_GAP = 1e-5


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the check found.

    Parameters
    ----------
    objective
        From the weights alone, in the objective's own unit.
    gap
        Upper bound on how much better any plan within the limits could be, same unit.
    worst_limit
        The limit with the largest violation.
    reduced_costs
        d of shape (N,), in units of the scaled objective: positive where a lower bound holds the weight up.
    """

    passed: bool
    objective: float
    max_violation: float
    worst_limit: str
    gap: float
    reduced_costs: FloatArray


def check(
    inputs: PlanInputs, limits: tuple[Limit, ...], goal: Goal, bounds: Bounds, answer: Answer
) -> Verdict:
    """Recompute objective, limits and optimality of an answer.

    Parameters
    ----------
    answer
        With weights.

    Returns
    -------
    Verdict
        ``passed`` only if no limit is broken by more than 1e-7 and the gap is at most 1e-5 (scaled).

    Raises
    ------
    ValueError
        If the answer has no weights.
    """
    w = answer.weights
    if w is None:
        message = "an answer without weights can't be checked"
        raise ValueError(message)
    broken = [(limit.violation(w), limit.name) for limit in limits]
    worst, name = max(broken, default=(0.0, ""))
    finite = bool(np.isfinite(w).all())
    objective = goal.value(inputs, w)
    gap, reduced = certified_gap(inputs, limits, goal, bounds, answer, w)
    allowed = MAX_GAP * max(1.0, SCALE * abs(objective)) / SCALE
    passed = finite and worst <= MAX_VIOLATION and gap <= allowed
    return Verdict(passed, objective, worst, name, gap, reduced)


def certified_gap(
    inputs: PlanInputs,
    limits: tuple[Limit, ...],
    goal: Goal,
    bounds: Bounds,
    answer: Answer,
    w: FloatArray,
) -> tuple[float, FloatArray]:
    """Return (gap [objective's unit], reduced costs of the weights [scaled])."""
    active = w - inputs.reference
    slope = 2.0 * (inputs.specific * active + inputs.loadings @ (inputs.loadings.T @ active))
    reduced = SCALE * (goal.variance * slope + goal.cost * inputs.buy_cost + goal.linear)
    slack = 0.0
    tau = 0.0
    for limit in limits:
        if limit.form == "bound":
            continue
        found = answer.duals[limit.name]
        if limit.form == "turnover":
            tau = float(found[0])
            reduced = reduced + tau
            slack += tau * (limit.bound - inputs.turnover(w))
            continue
        if limit.spread is not None:
            row, right = limit.cut(w)
            reduced = reduced + found[0] * row
            slack += float(found[0]) * (right - float(row @ w))
            continue
        rows, edge = limit.linear()
        reduced = reduced + rows.T @ found
        slack += float(found @ (edge - rows @ w))
    if goal.losses.shape[0] and answer.loss_duals is not None:
        values = goal.losses @ w
        total = float(answer.loss_duals.sum())
        shares = answer.loss_duals * (SCALE / total if total > 0 else 0.0)
        reduced = reduced + goal.losses.T @ shares
        slack += float(shares @ (values.max() - values))
    sale = np.zeros_like(w) if answer.sale_duals is None else answer.sale_duals
    # v_i = max(w0_i − w_i, 0) costs `price` a unit; any share of it in 0..price is a subgradient in w.
    price = SCALE * goal.cost * (inputs.buy_cost + inputs.sell_cost) + 2.0 * tau
    sold = np.maximum(inputs.w0 - w, 0.0)
    movable = bounds.upper > bounds.lower + SMALL
    sale = np.where(movable, np.clip(sale, 0.0, price), np.where(sold > 0, price, 0.0))
    reduced = reduced - sale
    slack += float(price @ sold - sale @ (inputs.w0 - w))
    away = np.maximum(reduced * (w - bounds.lower), reduced * (w - bounds.upper))
    return (slack + float(np.maximum(away, 0.0).sum())) / SCALE, reduced
