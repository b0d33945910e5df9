from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exposure.optimiser import solving
from exposure.optimiser.guard import certified_gap, check
from exposure.optimiser.limits import bounds_of, named_limits
from exposure.optimiser.model import Answer, build, goal_of, solve_with, solver_version
from exposure.optimiser.solving import PlanStatus, solve
from exposure.portfolios.mandates import Mandate, Objective
from tests.optimiser_worlds import world

RULES = Mandate.of(
    "foundry_node_dependence <= 0.94 * current",
    "worst_scenario >= -25%",
    "turnover <= 60%",
    "position <= 25%",
    "issuer <= 30%",
)


def parts(inputs, rules=RULES, robust=None):
    limits = named_limits(inputs, rules, robust)
    return limits, goal_of(inputs, rules)


def feasible(seed, n=12, **other):
    inputs = world(n, seed, **other)
    limits, goal = parts(inputs)
    return inputs, limits, goal


@pytest.mark.parametrize("seed", [0, 1, 3])
def test_two_solvers_agree_and_the_guard_passes_both(seed):
    inputs, limits, goal = feasible(seed)

    one = solve(inputs, limits, goal, solvers=("PIQP",))
    two = solve(inputs, limits, goal, solvers=("CLARABEL",))

    assert one.status is two.status is PlanStatus.OPTIMAL
    assert one.objective == pytest.approx(two.objective, rel=1e-6)
    assert one.report.solver == "PIQP"
    assert one.report.version.count(".") == 2
    assert one.report.gap <= 1e-9
    assert np.abs(one.weights - two.weights).sum() < 1e-4


def test_turnover_counts_both_sides_when_cash_changes():
    """Without the cash identity a sale into cash would count twice or not at all."""
    inputs = world(8, 5)
    rules = Mandate.of("cash == 10%", "turnover <= 12%", "worst_scenario >= -60%")
    limits, goal = parts(inputs, rules)

    found = solve(inputs, limits, goal)

    assert found.weights.sum() == pytest.approx(0.9, abs=1e-7)
    assert inputs.turnover(found.weights) == pytest.approx(0.12, abs=1e-6)


def test_names_that_cannot_move_are_taken_out_and_still_count():
    inputs = world(10, 2)
    inputs = replace(
        inputs,
        can_buy=np.arange(10) < 7,
        frozen=(0,),
        w0=np.where(np.arange(10) > 7, 0.0, inputs.w0),
    )
    inputs = replace(inputs, w0=inputs.w0 / inputs.w0.sum())
    limits, goal = parts(inputs, Mandate.of("turnover <= 50%"))

    built = build(inputs, limits, goal)
    found = solve(inputs, limits, goal)

    assert built.weights.size == 7  # ten, less one frozen and two that are neither held nor buyable
    assert found.weights[0] == inputs.w0[0]
    assert found.weights[8:].tolist() == [0.0, 0.0]
    assert found.objective == pytest.approx(goal.value(inputs, found.weights))


def test_a_book_in_which_nothing_may_move_is_its_own_plan():
    inputs = world(4, 1)
    inputs = replace(inputs, frozen=(0, 1, 2, 3))
    limits, goal = parts(inputs, Mandate.of())

    found = solve(inputs, limits, goal)

    assert found.status is PlanStatus.OPTIMAL
    assert found.weights.tolist() == inputs.w0.tolist()


def test_a_book_in_which_nothing_may_move_but_a_limit_is_broken_is_a_conflict():
    inputs = replace(world(4, 1), frozen=(0, 1, 2, 3))
    limits, goal = parts(inputs, Mandate.of("position <= 5%"))

    found = solve(inputs, limits, goal)

    assert found.status is PlanStatus.INFEASIBLE
    assert "position" in found.conflict.names


def test_lifted_scenario_rows_give_the_same_plan_as_dense_ones():
    inputs = world(40, 4, scenarios=30)
    draw = np.random.default_rng(0)
    shocks = draw.normal(-0.6, 0.4, (30, inputs.loadings.shape[1]))
    returns = shocks @ inputs.loadings.T
    inferred = np.ones(returns.shape, dtype=bool)
    inferred[:, :5] = False
    returns[:, :5] -= 0.2
    dense = replace(inputs, scenario_returns=returns)
    lifted = replace(dense, inferred=inferred)
    rules = Mandate.of(
        f"worst_scenario >= {0.97 * (returns @ inputs.w0).min():.4f}", "turnover <= 80%"
    )

    one = solve(dense, *parts(dense, rules))
    two = solve(lifted, *parts(lifted, rules))

    assert one.objective == pytest.approx(two.objective, rel=1e-7)
    assert one.shadow["worst_scenario"] > 0


@pytest.mark.parametrize("seed", [0, 3, 8])
def test_shadow_prices_are_what_a_finite_difference_says(seed):
    inputs, limits, goal = feasible(seed)
    found = solve(inputs, limits, goal)
    step = 1e-5
    checked = 0
    for limit in limits:
        if limit.kind in ("position", "trading") or abs(found.shadow[limit.name]) < 1e-4:
            continue
        sign = -1.0 if limit.sense == ">=" else 1.0
        objectives = []
        for change in (step, -step):
            moved = tuple(x.moved(x.bound + sign * change) if x is limit else x for x in limits)
            objectives.append(solve(inputs, moved, goal).objective)
        slope = (objectives[1] - objectives[0]) / (2 * step)
        assert found.shadow[limit.name] == pytest.approx(slope, rel=1e-3, abs=1e-7)
        checked += 1
    assert checked >= 1


def test_the_shadow_price_of_a_position_cap_by_finite_difference():
    inputs = world(10, 6)
    rules = Mandate.of("position <= 11%")
    limits, goal = parts(inputs, rules)
    found = solve(inputs, limits, goal)

    slope = (
        solve(inputs, *parts(inputs, Mandate.of("position <= 10.99%"))).objective
        - solve(inputs, *parts(inputs, Mandate.of("position <= 11.01%"))).objective
    ) / 2e-4

    assert found.shadow["position"] == pytest.approx(slope, rel=1e-2)


def test_the_smallest_worst_scenario_loss_is_no_larger_than_todays():
    inputs = world(12, 3)
    rules = replace(Mandate.of("turnover <= 30%"), objective=Objective("min_worst_scenario"))

    found = solve(inputs, *parts(inputs, rules))

    assert (inputs.scenario_returns @ found.weights).min() > (
        inputs.scenario_returns @ inputs.w0
    ).min()


def test_expected_return_uses_stated_probabilities_only():
    inputs = world(6, 3, scenarios=2)
    inputs = replace(inputs, probabilities=np.array([np.nan, 0.5]))
    rules = replace(Mandate.of("position <= 60%"), objective=Objective("max_expected_return", 0.0))

    found = solve(inputs, *parts(inputs, rules))

    best = np.argsort(inputs.scenario_returns[1])[-2:]
    assert found.weights[best].sum() == pytest.approx(1.0, abs=1e-3)
    nobody = replace(inputs, probabilities=None)
    assert goal_of(nobody, rules).linear.tolist() == [0.0] * 6


def test_robust_plans_hold_under_their_errors():
    inputs = world(12, 0)
    rules = Mandate.of("foundry_node_dependence <= 0.9 * current", "turnover <= 150%")
    draw = np.random.default_rng(3)

    box = solve(inputs, *parts(inputs, rules, "interval"))
    ball = solve(inputs, *parts(inputs, rules, "ellipsoid"))

    bound = named_limits(inputs, rules)[0].bound
    spread = (inputs.score_hi[:, 0] - inputs.score_lo[:, 0]) / (2 * 1.645)
    assert ball.report.solver == "CLARABEL"
    for _ in range(1000):
        inside = draw.uniform(inputs.score_lo[:, 0], inputs.score_hi[:, 0])
        assert inside @ box.weights <= bound + 1e-7
        error = draw.normal(size=12)
        error *= 1.645 / np.linalg.norm(error)
        assert (inputs.score_mid[:, 0] + spread * error) @ ball.weights <= bound + 1e-7


# --- the guard ------------------------------------------------------------------------------------------------------


def answer_of(seed=0):
    inputs, limits, goal = feasible(seed)
    built = build(inputs, limits, goal)
    return inputs, limits, goal, bounds_of(inputs, limits), solve_with(built, "PIQP")


def test_the_guard_refuses_weights_that_break_a_limit_by_a_hair_more_than_allowed():
    inputs, limits, goal, bounds, answer = answer_of()
    moved = answer.weights.copy()
    moved[0] += 1e-6

    verdict = check(inputs, limits, goal, bounds, replace(answer, weights=moved))

    assert check(inputs, limits, goal, bounds, answer).passed
    assert not verdict.passed
    assert verdict.worst_limit == "cash"


def test_the_guard_refuses_weights_that_hold_every_limit_but_are_not_the_best():
    inputs = world(12, 0)
    rules = Mandate.of("turnover <= 100%")
    limits, goal = parts(inputs, rules)
    bounds = bounds_of(inputs, limits)
    answer = solve_with(build(inputs, limits, goal), "PIQP")

    verdict = check(inputs, limits, goal, bounds, replace(answer, weights=inputs.w0))

    assert verdict.max_violation <= 1e-12
    assert not verdict.passed
    assert verdict.gap >= goal.value(inputs, inputs.w0) - goal.value(inputs, answer.weights)


def test_a_wrong_multiplier_can_only_make_the_gap_larger():
    inputs, limits, goal, bounds, answer = answer_of(1)
    right = certified_gap(inputs, limits, goal, bounds, answer, answer.weights)[0]
    wrong = {name: values + 0.5 for name, values in answer.duals.items()}

    gap = certified_gap(inputs, limits, goal, bounds, replace(answer, duals=wrong), answer.weights)[
        0
    ]

    assert gap > right + 1e-6


def test_the_guard_refuses_nan_and_an_answer_without_weights():
    inputs, limits, goal, bounds, answer = answer_of()

    verdict = check(inputs, limits, goal, bounds, replace(answer, weights=np.full(12, np.nan)))

    assert not verdict.passed
    with pytest.raises(ValueError, match="without weights"):
        check(inputs, limits, goal, bounds, Answer("PIQP", "solved", None))


# --- failure paths --------------------------------------------------------------------------------------------------


def test_a_wrong_answer_of_the_first_solver_goes_to_the_second(monkeypatch):
    inputs, limits, goal = feasible(0)

    def broken(built, solver):
        answer = solve_with(built, solver)
        return replace(answer, weights=inputs.w0 * 0.5) if solver == "PIQP" else answer

    monkeypatch.setattr(solving, "solve_with", broken)
    found = solve(inputs, limits, goal)

    assert found.status is PlanStatus.OPTIMAL
    assert found.report.solver == "CLARABEL"
    assert found.report.tried[0][1].startswith("refused: breaks")


def test_when_no_solver_answers_there_are_no_weights(monkeypatch):
    inputs, limits, goal = feasible(0)
    monkeypatch.setattr(
        solving, "solve_with", lambda built, solver: Answer(solver, "user_limit", None)
    )

    found = solve(inputs, limits, goal)

    assert found.status is PlanStatus.SOLVER_FAILED
    assert not found.status.is_ok
    assert found.weights is None
    assert found.report.tried == (("PIQP", "user_limit"), ("CLARABEL", "user_limit"))


def test_an_interior_point_solver_that_cries_infeasible_is_not_believed(monkeypatch):
    inputs, limits, goal = feasible(0)

    def crying(built, solver):
        return Answer(solver, "infeasible", None) if solver == "PIQP" else solve_with(built, solver)

    monkeypatch.setattr(solving, "solve_with", crying)
    found = solve(inputs, limits, goal)

    assert found.status is PlanStatus.OPTIMAL
    assert found.report.tried[0] == ("PIQP", "infeasible")


def test_a_suboptimal_answer_is_refused_by_its_gap(monkeypatch):
    inputs = world(12, 0)
    rules = Mandate.of("turnover <= 100%")
    limits, goal = parts(inputs, rules)

    def lazy(built, solver):
        return replace(solve_with(built, solver), weights=inputs.w0)

    monkeypatch.setattr(solving, "solve_with", lazy)

    assert solve(inputs, limits, goal).report.tried[0][1].startswith("refused: gap")


def test_a_solver_that_raises_is_a_status_and_not_a_crash(monkeypatch):
    inputs, limits, goal = feasible(0)
    built = build(inputs, limits, goal)

    answer = solve_with(built, "NO_SUCH_SOLVER")

    assert answer.weights is None
    assert answer.status != "solved"


def test_a_cone_without_a_solver_for_cones_fails_in_words():
    inputs = world(6)
    rules = Mandate.of("foundry_node_dependence <= 90%")

    found = solve(inputs, *parts(inputs, rules, "ellipsoid"), solvers=("PIQP",))

    assert found.status is PlanStatus.SOLVER_FAILED
    assert found.report.tried == ()


def test_versions_are_those_installed():
    assert solver_version("HIGHS")
    assert solver_version("none") == ""


def test_an_issuer_cap_that_the_position_cap_implies_takes_none_of_its_price():
    """Two equal caps would share one price, and loosening either alone would save nothing."""
    inputs = world(10, 6)

    both = solve(inputs, *parts(inputs, Mandate.of("position <= 11%", "issuer <= 11%")))
    alone = solve(inputs, *parts(inputs, Mandate.of("position <= 11%")))

    assert both.shadow["issuer"] == 0.0
    assert both.shadow["position"] == pytest.approx(alone.shadow["position"], rel=1e-6)


def test_an_issuer_cap_counts_all_its_listings_and_binds_below_the_position_cap():
    inputs = world(10, 6)
    inputs = replace(inputs, issuer_ids=("two", "two", *inputs.issuer_ids[2:]))

    found = solve(inputs, *parts(inputs, Mandate.of("position <= 30%", "issuer <= 14%")))

    assert found.weights[:2].sum() <= 0.14 + 1e-7
    assert found.weights[2:].max() <= 0.14 + 1e-7
    assert found.shadow["issuer"] > 0


def test_the_best_weights_of_a_slightly_looser_mandate_are_refused():
    """Their gap is nothing, or better than nothing: only the broken limit speaks against them."""
    inputs = world(12, 0)
    limits, goal = parts(inputs, Mandate.of("foundry_node_dependence <= 0.85 * current"))
    looser = (limits[0].moved(limits[0].bound + 1e-6), *limits[1:])
    answer = solve_with(build(inputs, looser, goal), "PIQP")

    verdict = check(inputs, limits, goal, bounds_of(inputs, limits), answer)

    assert verdict.gap <= 1e-9
    assert not verdict.passed
    assert verdict.worst_limit == "foundry_node_dependence"


def test_the_shadow_price_of_a_coverage_floor_is_per_unit_of_the_ratio():
    inputs = world(10, 2)
    covered = np.ones((10, 3), dtype=bool)
    covered[:4] = False
    inputs = replace(inputs, covered=covered)
    floor = 1.1 * inputs.benchmark[4:].sum()
    rules = [
        Mandate.of(f"coverage(hbm_dependence) >= {floor + s:.9f}", "cash == 10%")
        for s in (0, -1e-5, 1e-5)
    ]

    found, easy, hard = (solve(inputs, *parts(inputs, rule)) for rule in rules)

    slope = (hard.objective - easy.objective) / 2e-5
    assert found.shadow["coverage:hbm_dependence"] == pytest.approx(slope, rel=1e-3)
