"""The optimiser against other people's solvers and other people's text of the same problem.

If this fails, a plan is not the best one the mandate allows, or a limit is not held as it is written. The text here is
the natural one (absolute values, dense covariance, one row a scenario), so agreement by accident is unlikely.
"""

from __future__ import annotations

from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest
from scipy.optimize import linprog, minimize

from exposure.optimiser.conflicts import find_conflict
from exposure.optimiser.limits import named_limits
from exposure.optimiser.model import goal_of
from exposure.optimiser.solving import solve
from exposure.portfolios.mandates import Mandate, Objective
from tests.optimiser_worlds import world

CAP, LOSS, TURNOVER, POSITION = 0.94, 0.25, 0.6, 0.3


def rules_for(inputs):
    cap = CAP * float(inputs.score_mid[:, 0] @ inputs.w0)
    return Mandate.of(
        f"foundry_node_dependence <= {cap:.12f}",
        f"worst_scenario >= -{LOSS}",
        f"turnover <= {TURNOVER}",
        f"position <= {POSITION}",
    ), cap


def natural_text(inputs, cap):
    """The mandate as one would write it down: |w − w0|, full covariance, every scenario a row."""
    n = inputs.size
    w = cp.Variable(n)
    covariance = inputs.loadings @ inputs.loadings.T + np.diag(inputs.specific)
    change = w - inputs.w0
    cost = inputs.buy_cost @ cp.pos(change) + inputs.sell_cost @ cp.neg(change)
    objective = cp.quad_form(w - inputs.benchmark, cp.psd_wrap(covariance)) + cost
    problem = cp.Problem(
        cp.Minimize(1000 * objective),
        [
            cp.sum(w) == 1,
            w >= 0,
            w <= POSITION,
            cp.norm1(change) <= TURNOVER,
            inputs.score_mid[:, 0] @ w <= cap,
            inputs.scenario_returns @ w >= -LOSS,
        ],
    )
    problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    return problem.value / 1000, w.value


@pytest.mark.parametrize("seed", [0, 1, 3, 5])
@pytest.mark.parametrize("n", [10, 40])
def test_the_same_optimum_as_the_natural_text_with_another_solver(n, seed):
    inputs = world(n, seed)
    rules, cap = rules_for(inputs)

    found = solve(inputs, named_limits(inputs, rules), goal_of(inputs, rules))
    value, weights = natural_text(inputs, cap)

    assert found.objective == pytest.approx(value, rel=1e-6, abs=1e-10)
    assert np.abs(found.weights - weights).sum() < 1e-3


@pytest.mark.parametrize("seed", [0, 2])
def test_sequential_quadratic_programming_finds_nothing_better(seed):
    """scipy SLSQP on eight names; sales are extra variables, since it needs a smooth cost."""
    inputs = replace(world(8, seed), buy_cost=np.zeros(8), sell_cost=np.zeros(8))
    rules = Mandate.of("foundry_node_dependence <= 0.93 * current", "position <= 35%")
    limits = named_limits(inputs, rules)
    found = solve(inputs, limits, goal_of(inputs, rules))
    x, cap = inputs.score_mid[:, 0], limits[0].bound

    other = minimize(
        lambda w: 100 * inputs.variance(w),
        inputs.w0,
        method="SLSQP",
        bounds=[(0, 0.35)] * 8,
        constraints=[
            {"type": "eq", "fun": lambda w: w.sum() - 1},
            {"type": "ineq", "fun": lambda w: cap - x @ w},
        ],
        options={"ftol": 1e-13, "maxiter": 500},
    )

    assert found.objective == pytest.approx(other.fun / 100, rel=1e-4)
    assert found.objective <= other.fun / 100 + 1e-9


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_the_smallest_worst_loss_is_that_of_a_linear_program(seed):
    inputs = replace(world(15, seed), buy_cost=np.zeros(15), sell_cost=np.zeros(15))
    rules = replace(
        Mandate.of("position <= 20%", "turnover <= 50%"), objective=Objective("min_worst_scenario")
    )
    found = solve(inputs, named_limits(inputs, rules), goal_of(inputs, rules))

    # Columns: w (15), u ≥ |w − w0| (15), t; minimise t ≥ −r_s'w.
    n, s = 15, 4
    eye = np.eye(n)
    answer = linprog(
        np.concatenate([np.zeros(2 * n), [1.0]]),
        A_ub=np.vstack(
            [
                np.hstack([-inputs.scenario_returns, np.zeros((s, n)), -np.ones((s, 1))]),
                np.hstack([eye, -eye, np.zeros((n, 1))]),
                np.hstack([-eye, -eye, np.zeros((n, 1))]),
                np.concatenate([np.zeros(n), np.ones(n), [0.0]])[np.newaxis],
            ]
        ),
        b_ub=np.concatenate([np.zeros(s), inputs.w0, -inputs.w0, [0.5]]),
        A_eq=np.concatenate([np.ones(n), np.zeros(n + 1)])[np.newaxis],
        b_eq=[1.0],
        bounds=[(0, 0.2)] * n + [(0, None)] * n + [(None, None)],
    )

    loss = -(inputs.scenario_returns @ found.weights).min()
    assert loss >= answer.fun - 1e-7
    # The variance that breaks ties has weight 1e-3, so it can buy at most its own spread.
    assert loss <= answer.fun + 1e-3 * (inputs.variance(inputs.w0) + 0.1)


@pytest.mark.parametrize("seed", range(6))
def test_the_least_turnover_that_frees_a_cap_is_that_of_a_linear_program(seed):
    inputs = world(14, seed)
    x = inputs.score_mid[:, 0]
    cap = 0.8 * float(x @ inputs.w0)
    rules = Mandate.of(f"foundry_node_dependence <= {cap:.12f}", "turnover <= 1%")
    limits = named_limits(inputs, rules)

    found = find_conflict(inputs, limits)

    n = 14
    eye = np.eye(n)
    least = linprog(
        np.concatenate([np.zeros(n), np.ones(n)]),
        A_ub=np.vstack(
            [
                np.hstack([eye, -eye]),
                np.hstack([-eye, -eye]),
                np.concatenate([x, np.zeros(n)])[np.newaxis],
            ]
        ),
        b_ub=np.concatenate([inputs.w0, -inputs.w0, [cap]]),
        A_eq=np.concatenate([np.ones(n), np.zeros(n)])[np.newaxis],
        b_eq=[1.0],
        bounds=[(0, None)] * (2 * n),
    )
    assert found.repairs["turnover"] == pytest.approx(least.fun, abs=1e-6)
