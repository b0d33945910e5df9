"""Limits count what the engine counts: unknown at the end that hurts, and a state that follows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exposure.reports.figures import figures
from exposure.reports.layout import load_layout
from exposure.reports.limits import Limit
from tests.unit.reports.sample_run import sample_run


@pytest.fixture(scope="module")
def layout(root):
    return load_layout(root)


def test_a_missing_score_counts_at_its_upper_end_under_a_cap(layout):
    numbers = figures(sample_run(), layout)
    column = numbers.column_of("foundry_node_dependence")
    limit = numbers.limit_of(column)
    unknown = sum(p.weight for p in numbers.positions if numbers.score(p, column).mid is None)
    assert unknown == pytest.approx(0.085)
    assert numbers.limit_now(limit) == pytest.approx(numbers.mid(column, numbers.weights) + unknown)


def test_a_missing_score_counts_at_its_lower_end_under_a_floor(layout):
    numbers = figures(sample_run(), layout)
    column = numbers.column_of("domestic_substitution_benefit")
    limit = numbers.limit_of(column)
    assert limit.sense == ">="
    assert numbers.limit_now(limit) == pytest.approx(numbers.mid(column, numbers.weights))


def test_an_unknown_return_is_counted_as_the_engine_counted_it(layout):
    numbers = figures(sample_run(), layout)
    limit = numbers.limit_on("hbm_ban")
    assert numbers.counted_unknown(limit) == pytest.approx(-0.14)
    assert numbers.limit_now(limit) == pytest.approx(limit.now)
    without = replace(limit, now=None)
    assert numbers.counted_unknown(without) == pytest.approx(-0.14)


def test_where_the_engine_counts_something_else_its_value_stays(layout):
    run = sample_run()
    odd = run.plan.limits.with_columns(now=run.plan.limits["now"] + 0.05)
    numbers = figures(replace(run, plan=replace(run.plan, limits=odd)), layout)
    limit = numbers.limit_of(numbers.column_of("hbm_dependence"))
    assert numbers.own_value(limit, numbers.weights) is None
    assert numbers.limit_now(limit) == limit.now
    assert numbers.limit_after(limit) == limit.plan


def test_a_limit_on_any_scenario_stands_where_a_scenario_has_none_of_its_own(layout):
    numbers = figures(sample_run(), layout)
    assert numbers.limit_on("hbm_ban").bound == -0.10
    assert numbers.limit_on("us_capital_ban").bound == -0.16
    assert numbers.limit_on("connected_vehicle_rule") is None  # nothing reaches it: nothing to hold


def test_too_little_coverage_is_unknown_whatever_the_number_says(layout):
    numbers = figures(sample_run(), layout)
    limit = numbers.limit_of(numbers.column_of("advanced_eda_dependence"))
    assert numbers.limit_state(limit, 0.0) == "unknown"
    assert numbers.limit_state(limit, None) == "unknown"


@pytest.mark.parametrize(
    ("value", "state"),
    [(0.3, "ok"), (0.37, "watch"), (0.39998, "at_limit"), (0.4, "at_limit"), (0.41, "breach")],
)
def test_the_state_follows_the_room(layout, value, state):
    assert Limit("x", "factor", "<=", 0.4, "fraction").state_at(value, layout) == state


@pytest.mark.parametrize(
    ("value", "state"), [(-0.05, "ok"), (-0.115, "watch"), (-0.12, "at_limit"), (-0.13, "breach")]
)
def test_a_loss_limit_mirrors_it(layout, value, state):
    assert Limit("x", "scenario", ">=", -0.12, "fraction").state_at(value, layout) == state


def test_what_cannot_be_traded_is_met_or_broken_never_near(layout):
    assert Limit("cannot_buy", "trading", "<=", 0.0, "fraction").state_at(0.0, layout) == "ok"
    assert Limit("cash", "cash", "==", 0.02, "fraction").state_at(0.02, layout) == "ok"
    assert Limit("cash", "cash", "==", 0.02, "fraction").state_at(0.05, layout) == "breach"


def test_the_monitor_starts_with_what_presses_and_hides_fixed_limits(layout):
    run = sample_run()
    numbers = figures(run, layout)
    fixed = Limit("cannot_buy", "trading", "<=", 0.0, "fraction", now=0.0)
    listed = replace(numbers, limits=(*numbers.limits, fixed)).current_limits()
    states = [state for _, _, state in listed]
    assert states[0] == "breach"
    assert fixed.name not in [limit.name for limit, _, _ in listed]


def test_a_subject_given_wins_over_the_name(layout):
    run = sample_run("none")
    cards = tuple(
        replace(card, name="our foundry cap", subject=card.name, score="hi")
        for card in run.mandate.limits
        if card.name == "foundry_node_dependence"
    )
    numbers = figures(replace(run, mandate=replace(run.mandate, limits=cards)), layout)
    column = numbers.column_of("foundry_node_dependence")
    limit = numbers.limit_of(column)
    assert limit.name == "our foundry cap"
    assert numbers.limit_now(limit) == pytest.approx(
        numbers.exposure(column, numbers.weights, "hi")
    )
