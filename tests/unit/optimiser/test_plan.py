from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from exposure.errors import Infeasible, SolverFailed, UsageError
from exposure.optimiser import solving
from exposure.optimiser.frontier import frontier
from exposure.optimiser.limits import named_limits
from exposure.optimiser.model import Answer, goal_of
from exposure.optimiser.plan import plan_from_inputs, robust_kind
from exposure.optimiser.robust import robust_use
from exposure.optimiser.solving import PlanStatus, solve
from exposure.optimiser.tail import cvar, draw_returns, solve_min_cvar, tail_row
from exposure.portfolios.mandates import Mandate, Objective
from tests.optimiser_worlds import world

RULES = Mandate.of(
    "foundry_node_dependence <= 0.94 * current",
    "worst_scenario >= -25%",
    "turnover <= 60%",
    "position <= 25%",
)


def by_name(plan, name):
    return plan.limits.filter(pl.col("name") == name).row(0, named=True)


def test_a_plan_holds_its_limits_after_lots_and_says_what_it_costs():
    inputs = world(20, 1)

    plan = plan_from_inputs(inputs, RULES)

    assert plan.status is PlanStatus.OPTIMAL
    assert set(plan.limits["state"]) <= {"ok", "watch", "at_limit"}
    assert plan.tracking_error_plan < plan.tracking_error_now
    assert plan.turnover == pytest.approx(
        float((plan.weights["weight_plan"] - plan.weights["weight_now"]).abs().sum())
    )
    assert plan.cost_bp == pytest.approx(
        1e4 * float(plan.trades["cost"].sum()) / inputs.nav, rel=1e-9
    )
    assert plan.cash_after == pytest.approx(
        1 - float(plan.weights["weight_plan"].sum()) - plan.cost_bp / 1e4
    )
    assert plan.conflict is None
    assert plan.to_dict()["status"] == "optimal"


def test_orders_reach_the_plan_and_sales_come_first():
    inputs = world(20, 1)
    plan = plan_from_inputs(inputs, RULES)
    price = dict(zip(inputs.listing_ids, inputs.price, strict=True))

    for row in plan.trades.iter_rows(named=True):
        signed = row["quantity"] if row["side"] == "buy" else -row["quantity"]
        reached = row["weight_before"] + signed * price[row["listing_id"]] / inputs.nav
        assert row["weight_after"] == pytest.approx(reached, abs=1e-12)
    sides = plan.trades["side"].to_list()
    assert sides == sorted(sides, reverse=True)


def test_the_same_inputs_give_the_same_plan_to_the_last_digit():
    one, two = (plan_from_inputs(world(16, 2), RULES) for _ in range(2))

    assert one.to_dict() == two.to_dict()
    assert one.solver == two.solver


def test_an_excluded_name_is_sold_because_it_is_excluded():
    inputs = world(10, 2)
    name = inputs.listing_ids[4]
    inputs = replace(inputs, excluded=((f"exclude:{name}", (4,)),))

    plan = plan_from_inputs(inputs, Mandate.of("turnover <= 150%"))

    order = plan.trades.filter(pl.col("listing_id") == name).row(0, named=True)
    assert (order["side"], order["reason_code"], order["reason_subject"]) == (
        "sell",
        "exclusion",
        name,
    )
    assert order["weight_after"] == 0.0
    assert by_name(plan, f"exclude:{name}")["state"] == "ok"


def test_a_factor_cap_gives_its_orders_their_reason():
    inputs = replace(world(12, 4), benchmark=None)

    plan = plan_from_inputs(inputs, Mandate.of("foundry_node_dependence <= 0.85 * current"))

    reasons = set(plan.trades.select("reason_code", "reason_subject").iter_rows())
    assert ("lowers_factor", "foundry_node_dependence") in reasons
    limit = by_name(plan, "foundry_node_dependence")
    assert limit["binding"]
    assert limit["shadow_price"] > 0
    assert plan.weights["benchmark"].null_count() == 12


@pytest.mark.parametrize(
    ("sentence", "code"),
    [
        ("foundry_node_dependence >= 1.1 * current", "raises_factor"),
        ("worst_scenario >= -21%", "lowers_scenario_loss"),
        ("position <= 12%", "position_cap"),
        ("issuer <= 12%", "issuer_cap"),
        ("coverage(hbm_dependence) >= 90%", "raises_coverage"),
    ],
)
def test_each_kind_of_limit_is_named_as_a_reason(sentence, code):
    inputs = world(12, 4)
    covered = np.ones((12, 3), dtype=bool)
    covered[np.argsort(-inputs.w0)[:3]] = False
    inputs = replace(inputs, benchmark=None, covered=covered)

    plan = plan_from_inputs(inputs, Mandate.of(sentence))

    assert code in plan.trades["reason_code"].to_list()


def test_cash_from_a_forced_sale_is_put_to_work_and_says_so():
    inputs = replace(world(12, 0), excluded=(("exclude:x", (3,)),))

    plan = plan_from_inputs(inputs, Mandate.of("turnover <= 60%"))

    assert "uses_cash" in plan.trades["reason_code"].to_list()


def test_other_objectives_name_what_they_are_after():
    inputs = world(12, 3)
    worst = replace(Mandate.of("turnover <= 40%"), objective=Objective("min_worst_scenario"))
    most = replace(
        Mandate.of("turnover <= 40%", "position <= 30%"), objective=Objective("max_expected_return")
    )

    one, two = plan_from_inputs(inputs, worst), plan_from_inputs(inputs, most)

    assert "lowers_scenario_loss" in one.trades["reason_code"].to_list()
    assert "raises_expected_return" in two.trades["reason_code"].to_list()
    assert one.shadow_unit.startswith("bp of worst scenario")


def test_shadow_price_is_tracking_error_saved_per_point_of_limit():
    """Without costs the price is d TE / d limit, so a small step must save as much."""
    inputs = world(12, 0)
    inputs = replace(inputs, buy_cost=np.zeros(12), sell_cost=np.zeros(12), nav=None)
    plan = plan_from_inputs(inputs, Mandate.of("foundry_node_dependence <= 0.85 * current"))
    bound = by_name(plan, "foundry_node_dependence")["bound"]
    near, far = (
        plan_from_inputs(inputs, Mandate.of(f"foundry_node_dependence <= {bound + step:.9f}"))
        for step in (-1e-4, 1e-4)
    )

    saved = 1e4 * (near.tracking_error_plan - far.tracking_error_plan) / (2e-4 / 0.01)

    assert by_name(plan, "foundry_node_dependence")["shadow_price"] == pytest.approx(
        saved, rel=1e-3
    )


def test_a_conflict_has_no_weights_and_names_its_limits():
    plan = plan_from_inputs(world(12), Mandate.of("position <= 5%", "turnover <= 100%"))

    assert plan.status is PlanStatus.INFEASIBLE
    assert plan.weights.is_empty()
    assert plan.trades.is_empty()
    assert plan.conflict["name"].to_list() == ["position", "cash"]
    assert plan.conflict["repair_verified"].all()
    assert plan.solver.solver == "HIGHS"
    assert by_name(plan, "position")["state"] == "breach"
    assert plan.tracking_error_plan is None
    assert plan.to_dict()["conflict"][0]["name"] == "position"


def test_on_request_a_conflict_is_raised_with_its_repairs():
    with pytest.raises(Infeasible, match="position and cash") as caught:
        plan_from_inputs(world(12), Mandate.of("position <= 5%"), raise_on_failure=True)

    assert caught.value.exit_code == 5
    assert "position <= 0.08333" in caught.value.cure


def test_a_failed_solver_gives_no_weights_and_can_be_raised(monkeypatch):
    monkeypatch.setattr(
        solving, "solve_with", lambda built, solver: Answer(solver, "user_limit", None)
    )

    plan = plan_from_inputs(world(6), Mandate.of())

    assert plan.status is PlanStatus.SOLVER_FAILED
    assert plan.weights.is_empty()
    assert plan.conflict is None
    with pytest.raises(SolverFailed, match="PIQP: user_limit"):
        plan_from_inputs(world(6), Mandate.of(), raise_on_failure=True)


def test_shares_held_back_by_t_plus_1_stay_with_the_reason():
    inputs = world(8, 1)
    i = int(np.argmax(inputs.w0 - inputs.benchmark))
    floor = np.zeros(8)
    floor[i] = inputs.w0[i]
    available = inputs.held.copy()
    available[i] = 0.0
    inputs = replace(inputs, sell_floor=floor, available=available)

    plan = plan_from_inputs(inputs, Mandate.of())

    row = plan.trades.filter(pl.col("listing_id") == inputs.listing_ids[i]).row(0, named=True)
    assert row["blocked"] == "t_plus_1"
    assert row["weight_after"] == row["weight_before"]


def test_a_book_of_weights_only_gets_target_weights_and_a_word_about_it():
    inputs = replace(world(8, 1), nav=None, price=None, held=None, available=None)

    plan = plan_from_inputs(inputs, Mandate.of("turnover <= 30%"))

    assert plan.issues["rule"].to_list() == ["orders_not_sized"]
    assert plan.trades["quantity"].sum() == 0.0
    assert plan.weights["weight_plan"].to_list() == plan.weights["weight_target"].to_list()


def test_no_tracking_error_is_shown_without_a_risk_model():
    rules = replace(Mandate.of("turnover <= 30%"), objective=Objective("min_worst_scenario"))

    plan = plan_from_inputs(replace(world(8, 1), has_risk=False), rules)

    assert plan.status.is_ok
    assert plan.tracking_error_now is None
    assert plan.tracking_error_plan is None


def test_lots_too_coarse_for_a_limit_are_reported_not_hidden():
    inputs = world(6, 0)
    coarse = np.floor(inputs.held / 2 / 100) * 100
    inputs = replace(inputs, lot_min=coarse, lot_step=coarse)

    plan = plan_from_inputs(
        inputs, Mandate.of("foundry_node_dependence <= 0.97 * current", "cash <= 0.1%")
    )

    broken = plan.limits.filter(pl.col("state") == "breach")
    assert (plan.issues["rule"].to_list() == ["lots_break_limit"]) == (broken.height > 0)


# --- robust ---------------------------------------------------------------------------------------------------------


def test_a_nominal_plan_reports_what_it_uses_of_the_limit_when_scores_are_wrong():
    inputs = world(12, 0)
    rules = Mandate.of("foundry_node_dependence <= 0.9 * current")

    nominal = plan_from_inputs(inputs, rules)
    robust = plan_from_inputs(inputs, rules, robust=True)

    use = nominal.robust_use.row(0, named=True)
    assert use["nominal"] < use["ellipsoid"] < use["interval"]
    assert not use["holds_interval"]
    assert robust.robust == "interval"
    assert robust.robust_use["holds_interval"].all()
    assert robust.tracking_error_plan >= nominal.tracking_error_plan - 1e-6


def test_robust_use_lists_factor_limits_only():
    inputs = world(5)

    frame = robust_use(inputs, Mandate.of("position <= 50%", "hbm_dependence <= 50%"), inputs.w0)

    assert frame["name"].to_list() == ["hbm_dependence"]


def test_a_kind_of_error_that_does_not_exist_is_refused():
    with pytest.raises(UsageError, match="interval, ellipsoid"):
        robust_kind("boxes")


# --- tail -----------------------------------------------------------------------------------------------------------


def test_the_tail_row_is_cvar_at_its_point_and_below_it_elsewhere():
    inputs = world(6)
    draws = draw_returns(inputs, 400, seed=1)
    row = tail_row(draws, inputs.w0, 0.05)
    random = np.random.default_rng(0)

    assert row @ inputs.w0 == pytest.approx(cvar(draws, inputs.w0, 0.05), abs=1e-12)
    for w in random.dirichlet(np.ones(6), 50):
        assert row @ w <= cvar(draws, w, 0.05) + 1e-12


def test_draws_have_the_variance_of_the_risk_model_and_the_odds_of_the_scenarios():
    inputs = replace(world(4, scenarios=1), probabilities=np.array([1.0]))
    quiet = replace(inputs, probabilities=np.array([np.nan]))

    calm, hit = draw_returns(quiet, 20_000, seed=2), draw_returns(inputs, 20_000, seed=2)

    covariance = inputs.loadings @ inputs.loadings.T + np.diag(inputs.specific)
    assert np.cov(calm.T) == pytest.approx(covariance, abs=0.006)
    assert (hit - calm).mean(axis=0) == pytest.approx(inputs.scenario_returns[0], abs=0.02)


def test_cuts_reach_the_smallest_cvar_that_a_full_program_finds():
    from scipy.optimize import linprog

    inputs = replace(world(6, 2), buy_cost=np.zeros(6), sell_cost=np.zeros(6))
    draws = draw_returns(inputs, 300, seed=3)
    inputs = replace(inputs, draws=draws)
    rules = replace(Mandate.of(), objective=Objective("min_cvar", 0.0, 0.1))

    found = solve_min_cvar(inputs, named_limits(inputs, rules), goal_of(inputs, rules), 0.1)

    # Rockafellar & Uryasev (2000): min a + Σ u / (tail·N) with u ≥ −r'w − a, u ≥ 0
    n, count = 6, 300
    cost = np.concatenate([np.zeros(n), [1.0], np.full(count, 1 / (0.1 * count))])
    rows = np.hstack([-draws, -np.ones((count, 1)), -np.eye(count)])
    full = linprog(
        cost,
        A_ub=rows,
        b_ub=np.zeros(count),
        A_eq=np.concatenate([np.ones(n), np.zeros(count + 1)])[np.newaxis],
        b_eq=[1.0],
        bounds=[(0, 1)] * n + [(None, None)] + [(0, None)] * count,
    )
    assert cvar(draws, found.weights, 0.1) == pytest.approx(
        full.fun, abs=2e-4
    )  # a tie-break of 1e-3 variance
    assert cvar(draws, found.weights, 0.1) >= full.fun - 1e-7


def test_min_cvar_runs_through_a_plan_and_needs_draws():
    from exposure.errors import MandateError

    rules = replace(Mandate.of("turnover <= 50%"), objective=Objective("min_cvar"))
    inputs = world(8, 1)

    plan = plan_from_inputs(replace(inputs, draws=draw_returns(inputs, 500)), rules)

    assert plan.status.is_ok
    with pytest.raises(MandateError, match="needs draws"):
        plan_from_inputs(inputs, rules)


def test_an_infeasible_tail_plan_names_its_conflict():
    inputs = world(8, 1)
    inputs = replace(inputs, draws=draw_returns(inputs, 200))
    rules = replace(Mandate.of("position <= 5%"), objective=Objective("min_cvar"))

    assert plan_from_inputs(inputs, rules).conflict["name"].to_list() == ["position", "cash"]


# --- frontier -------------------------------------------------------------------------------------------------------


def test_a_frontier_falls_as_the_limit_is_relaxed_and_ends_where_nothing_holds():
    inputs = world(12, 0)
    rules = Mandate.of("turnover <= 10%")

    frame = frontier(inputs, rules, "turnover", [-0.1, 0.0, 0.1, 0.2, 0.4])

    assert frame["status"].to_list() == ["infeasible", *["optimal"] * 4]
    errors = frame["tracking_error"].to_list()
    assert errors[0] is None
    assert errors[1:] == sorted(errors[1:], reverse=True)
    assert frame["turnover"].to_list()[1:] == pytest.approx([0.0, 0.1, 0.2, 0.4], abs=1e-6)


def test_a_frontier_of_tail_loss_and_of_an_unknown_limit():
    inputs = world(8, 1)
    inputs = replace(inputs, draws=draw_returns(inputs, 200))
    rules = replace(Mandate.of("turnover <= 10%"), objective=Objective("min_cvar"))

    frame = frontier(inputs, rules, "turnover", [0.1, 0.3])

    objective = frame["objective"].to_list()
    assert objective[1] < objective[0]
    with pytest.raises(UsageError, match="Did you mean 'turnover'"):
        frontier(inputs, rules, "turnovr", [0.1])


def test_a_solved_plan_states_the_pressure_of_every_limit():
    inputs = world(12, 0)
    found = solve(inputs, named_limits(inputs, RULES), goal_of(inputs, RULES))

    assert set(found.pressure) == {limit.name for limit in named_limits(inputs, RULES)}
