"""The mean of the worst draws (CVaR) as objective, by cutting planes.

CVaR(w) = mean loss over the worst share of the draws. For any set of draws of that size the mean loss is a lower bound
of CVaR, linear in w. So: solve, take the tail at the answer, add its mean as one row, until the true CVaR agrees.
A thousand draws cost a handful of rows instead of a thousand.

Symbols: R draws of shape (draws, N), w weight, z standard normal, p probability of a scenario.
"""

from __future__ import annotations

import numpy as np

from exposure.errors import MandateError
from exposure.optimiser.limits import FloatArray, Limit, PlanInputs, scenario_rows
from exposure.optimiser.model import Goal
from exposure.optimiser.solving import PlanStatus, Solved, SolverReport, solve

TOLERANCE = 1e-7  # fraction of net asset value
MAX_ROUNDS = 200
DRAWS = 2000
SEED = 20250124  # fixed: the same inputs give the same plan


def tail_weights(losses: FloatArray, tail: float) -> FloatArray:
    """Return the share of each draw in the mean of the worst ``tail``; they sum to 1.

    Examples
    --------
    >>> tail_weights(np.array([0.1, 0.4, 0.2, 0.3]), 0.375).round(3).tolist()
    [0.0, 0.667, 0.0, 0.333]
    """
    count = losses.size * tail
    whole = int(np.floor(count + 1e-12))
    worst = np.argsort(-losses, kind="stable")
    shares = np.zeros(losses.size)
    shares[worst[:whole]] = 1.0
    if whole < losses.size:
        shares[worst[whole]] = count - whole
    return shares / count


def cvar(draws: FloatArray, w: FloatArray, tail: float) -> float:
    """Return the mean loss over the worst share of the draws [fraction; positive is a loss]."""
    losses = -(draws @ w)
    return float(tail_weights(losses, tail) @ losses)


def tail_row(draws: FloatArray, w: FloatArray, tail: float) -> FloatArray:
    """Return the row whose product with w is CVaR at ``w``, and at most CVaR everywhere else."""
    return np.asarray(-(tail_weights(-(draws @ w), tail) @ draws))


def draw_returns(inputs: PlanInputs, count: int = DRAWS, seed: int = SEED) -> FloatArray:
    """Draw joint returns over a year: the risk model's normal returns plus scenarios by their probability.

    R = z Bᵀ + ε √D + Σ_s 1[u_s < p_s] r_s        scenarios at their base severity, independent of each other

    Missing values
        A scenario whose probability nobody states doesn't occur; unknown returns count as in a limit.
    """
    random = np.random.default_rng(seed)
    normal = random.standard_normal((count, inputs.loadings.shape[1])) @ inputs.loadings.T
    normal += random.standard_normal((count, inputs.size)) * np.sqrt(inputs.specific)
    if inputs.probabilities is not None:
        for row in scenario_rows(inputs, "base"):
            chance = float(np.nan_to_num(inputs.probabilities[row], nan=0.0))
            happens = random.random(count) < chance
            normal += np.outer(happens, inputs.counted_returns(row))
    return np.maximum(normal, -1.0)


def solve_min_cvar(
    inputs: PlanInputs, limits: tuple[Limit, ...], goal: Goal, tail: float
) -> Solved:
    """Minimise CVaR plus cost within the limits.

    Raises
    ------
    MandateError
        If the inputs hold no draws.
    """
    draws = inputs.draws
    if draws is None or not draws.shape[0]:
        raise MandateError(
            "the objective min_cvar needs draws of joint returns",
            cure="pass a risk model, or use min_worst_scenario",
        )
    rows = [tail_row(draws, inputs.w0, tail)]
    for _ in range(MAX_ROUNDS):
        found = solve(inputs, limits, goal.with_losses(np.array(rows)))
        if found.weights is None:
            return found
        modelled = float((np.array(rows) @ found.weights).max())
        if cvar(draws, found.weights, tail) - modelled <= TOLERANCE:
            return found
        rows.append(tail_row(draws, found.weights, tail))
    report = SolverReport("CUTS", "", "the tail didn't settle", None, None, MAX_ROUNDS)
    return Solved(PlanStatus.SOLVER_FAILED, report)
