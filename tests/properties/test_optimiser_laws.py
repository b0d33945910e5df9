"""Laws of the optimiser over generated books.

If one fails, a PM could find a better portfolio by hand, would be punished for relaxing a limit, or would be told that
limits clash which don't (or the wrong ones).
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from exposure.optimiser.conflicts import find_conflict
from exposure.optimiser.limits import named_limits
from exposure.optimiser.model import goal_of
from exposure.optimiser.plan import plan_from_inputs
from exposure.optimiser.solving import PlanStatus, solve
from exposure.portfolios.mandates import Mandate
from tests.optimiser_worlds import world

pytestmark = pytest.mark.property
SEEDS = st.integers(0, 10_000)
SIZES = st.integers(6, 24)
FEW = settings(max_examples=25, deadline=None, derandomize=True)


def rules_of(cap=0.95, loss=0.26, turnover=0.6, position=0.35):
    return Mandate.of(
        f"foundry_node_dependence <= {cap} * current",
        f"worst_scenario >= -{loss}",
        f"turnover <= {turnover}",
        f"position <= {position}",
    )


def linear_rows(inputs, limits):
    """All limits as scipy takes them, columns w then sales: (A_ub, b_ub, A_eq, b_eq)."""
    n = inputs.size
    upper, right, equal, exact = [], [], [], []
    upper.append(np.hstack([-np.eye(n), -np.eye(n)]))
    right.append(-inputs.w0)
    for limit in limits:
        if limit.form == "turnover":
            upper.append(np.concatenate([np.ones(n), np.full(n, 2.0)])[np.newaxis])
            right.append(np.array([limit.bound + inputs.w0.sum()]))
            continue
        rows, edge = limit.linear()
        dense = np.hstack([rows.toarray(), np.zeros((rows.shape[0], n))])
        (equal if limit.sense == "==" else upper).append(dense)
        (exact if limit.sense == "==" else right).append(edge)
    return (
        np.vstack(upper),
        np.concatenate(right),
        np.vstack(equal) if equal else None,
        np.concatenate(exact) if exact else None,
    )


def scipy_says_feasible(inputs, limits):
    n = inputs.size
    upper, right, equal, exact = linear_rows(inputs, limits)
    answer = linprog(
        np.zeros(2 * n), upper, right, equal, exact, bounds=[(None, None)] * n + [(0, None)] * n
    )
    return answer.status == 0


def candidates(inputs, limits, count, draw):
    """Weights that hold every limit: corners of the feasible set, and mixtures of them."""
    n = inputs.size
    upper, right, equal, exact = linear_rows(inputs, limits)
    corners = []
    for _ in range(count):
        cost = np.concatenate([draw.normal(size=n), np.zeros(n)])
        answer = linprog(
            cost, upper, right, equal, exact, bounds=[(None, None)] * n + [(0, None)] * n
        )
        if answer.status == 0:
            corners.append(answer.x[:n])
    mixed = [draw.dirichlet(np.ones(len(corners))) @ np.array(corners) for _ in range(count)]
    return [*corners, *mixed]


@FEW
@given(seed=SEEDS, n=SIZES)
def test_no_feasible_portfolio_beats_the_plan(seed, n):
    inputs = world(n, seed)
    rules = rules_of()
    limits, goal = named_limits(inputs, rules), goal_of(inputs, rules)
    found = solve(inputs, limits, goal)
    assume(found.status is PlanStatus.OPTIMAL)

    for w in candidates(inputs, limits, 8, np.random.default_rng(seed)):
        assert goal.value(inputs, w) >= found.objective - 1e-8
        between = 0.99 * found.weights + 0.01 * w
        assert goal.value(inputs, between) >= found.objective - 1e-8


@FEW
@given(seed=SEEDS, n=SIZES, which=st.sampled_from(["cap", "loss", "turnover", "position"]))
def test_relaxing_a_limit_never_worsens_the_plan(seed, n, which):
    inputs = world(n, seed)
    tight = {"cap": 0.95, "loss": 0.26, "turnover": 0.4, "position": 0.3}
    loose = tight | {which: tight[which] * 1.1}

    one, two = (
        solve(inputs, named_limits(inputs, rules_of(**x)), goal_of(inputs, rules_of(**x)))
        for x in (tight, loose)
    )

    assume(one.status is PlanStatus.OPTIMAL)
    assert two.status is PlanStatus.OPTIMAL
    assert two.objective <= one.objective + 1e-9


@FEW
@given(seed=SEEDS, n=SIZES)
def test_the_order_of_the_listings_is_irrelevant(seed, n):
    from dataclasses import replace

    inputs = world(n, seed)
    order = np.random.default_rng(seed).permutation(n)
    turned = replace(
        inputs,
        listing_ids=tuple(inputs.listing_ids[i] for i in order),
        issuer_ids=tuple(inputs.issuer_ids[i] for i in order),
        scenario_returns=inputs.scenario_returns[:, order],
        **{
            name: getattr(inputs, name)[order]
            for name in (
                "w0",
                "benchmark",
                "can_buy",
                "sell_floor",
                "score_lo",
                "score_mid",
                "score_hi",
                "covered",
                "loadings",
                "specific",
                "buy_cost",
                "sell_cost",
                "held",
                "available",
                "price",
                "fx",
                "lot_step",
                "lot_min",
            )
        },
    )
    rules = rules_of(loss=0.3, turnover=0.8)

    one, two = (solve(x, named_limits(x, rules), goal_of(x, rules)) for x in (inputs, turned))

    assert one.status is two.status
    if one.weights is not None:
        assert one.objective == pytest.approx(two.objective, rel=1e-5, abs=1e-9)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=SEEDS, n=SIZES, share=st.floats(0.05, 0.95), spare=st.integers(0, 3))
def test_a_planted_conflict_is_found_minimal_and_its_repairs_work(seed, n, share, spare):
    """A cap that needs some turnover, and less turnover than that; spare limits that never matter."""
    inputs = world(n, seed)
    cap = 0.85 * float(inputs.score_mid[:, 0] @ inputs.w0)
    assume(cap > inputs.score_mid[:, 0].min() + 0.02)
    wide = named_limits(
        inputs, Mandate.of(f"foundry_node_dependence <= {cap:.9f}", "turnover <= 0%")
    )
    needed = find_conflict(inputs, wide).repairs["turnover"]
    assume(needed is not None)
    extra = ["us_gpu_dependence <= 99%", "hbm_dependence <= 99%", "scenario:hbm_ban >= -99%"][
        :spare
    ]
    rules = Mandate.of(
        f"foundry_node_dependence <= {cap:.9f}",
        f"turnover <= {share * needed:.9f}",
        "issuer <= 99%",
        *extra,
    )
    limits = named_limits(inputs, rules)

    found = find_conflict(inputs, limits)

    assert {"foundry_node_dependence", "turnover"} <= set(found.names)
    assert not set(found.names) & {
        "us_gpu_dependence",
        "hbm_dependence",
        "scenario:hbm_ban",
        "issuer",
    }
    core = tuple(limit for limit in limits if limit.name in found.names)
    assert not scipy_says_feasible(inputs, core)
    for name in found.names:
        assert scipy_says_feasible(inputs, tuple(limit for limit in core if limit.name != name))
        bound = found.repairs[name]
        if bound is not None:
            assert scipy_says_feasible(
                inputs, tuple(x.moved(bound) if x.name == name else x for x in limits)
            )


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=SEEDS,
    n=SIZES,
    error=st.sampled_from([-0.1, -0.01, -1e-3, -1e-4, -1e-5, 1e-5, 1e-4, 1e-3, 0.01, 0.1]),
)
def test_on_the_edge_nothing_is_called_infeasible_that_holds_nor_optimal_that_does_not(
    seed, n, error
):
    """The turnover is put a hair above or below the least one that the cap allows."""
    inputs = world(n, seed)
    cap = 0.9 * float(inputs.score_mid[:, 0] @ inputs.w0)
    wide = named_limits(
        inputs, Mandate.of(f"foundry_node_dependence <= {cap:.12f}", "turnover <= 0%")
    )
    least = find_conflict(inputs, wide).repairs["turnover"]
    assume(least is not None)
    rules = Mandate.of(
        f"foundry_node_dependence <= {cap:.12f}", f"turnover <= {least * (1 + error):.12f}"
    )

    found = solve(inputs, named_limits(inputs, rules), goal_of(inputs, rules))

    assert found.status is (PlanStatus.OPTIMAL if error > 0 else PlanStatus.INFEASIBLE)


@FEW
@given(seed=SEEDS, n=SIZES)
def test_a_plan_in_lots_holds_every_limit_or_says_which_it_does_not(seed, n):
    inputs = world(n, seed)

    plan = plan_from_inputs(inputs, rules_of(cap=0.97, loss=0.27, turnover=0.5))

    assume(plan.status.is_ok)
    broken = set(plan.limits.filter(plan.limits["state"] == "breach")["name"])
    said = " ".join(plan.issues["message"])
    assert all(name in said for name in broken)
    assert plan.cash_after >= -1e-9
