"""The sentences: right facts under each condition, never too long, the same in both languages."""

from __future__ import annotations

import re
from dataclasses import replace

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exposure.reports.figures import Figures, figures
from exposure.reports.layout import load_layout
from exposure.reports.limits import Limit
from exposure.reports.text import (
    MAX_BOX,
    boxes,
    limit_name,
    limit_value,
    load_words,
    percent,
    points,
    signed,
)
from tests.unit.reports.sample_run import sample_run


@pytest.fixture(scope="module")
def layout(root):
    return load_layout(root)


@pytest.fixture(scope="module")
def words(root):
    return load_words(root)


def said(run, layout, words):
    found = boxes(figures(run, layout), words)
    return {
        key: dict(box.sentences)
        for key, box in zip(("changed", "why", "todo", "sure"), found, strict=True)
    }


def test_a_first_run_says_so_and_names_the_first_limit_broken(layout, words):
    text = said(sample_run(), layout, words)["changed"]["en"]
    assert text.startswith("First run. Expected loss 1,477 bp, gain 504 bp.")
    assert "limits broken" in text


def test_a_later_run_compares(layout, words):
    text = said(sample_run(comparison=True), layout, words)["changed"]
    assert "rose: 812 → 1,477 bp (+665)" in text["en"]
    assert "上升：812 → 1,477 bp（+665）" in text["zh"]


def test_no_change_is_said_as_no_change(layout, words):
    run = sample_run(comparison=True)
    loss = figures(run, layout).expected_loss(figures(run, layout).weights)
    same = replace(run, comparison=replace(run.comparison, expected_loss_bp=loss))
    assert "unchanged" in said(same, layout, words)["changed"]["en"]


def test_why_names_the_largest_part_of_the_worst_scenario(layout, words):
    text = said(sample_run(), layout, words)["why"]["en"]
    assert "Worst is Foundry cut, −17.9%: Yunfeng Data Systems is 22% of its losses." in text
    assert "Largest exposure: Foundry ≤16 nm, 39.7%." in text


def test_what_to_do_names_the_largest_sale_and_purchase(layout, words):
    text = said(sample_run(), layout, words)["todo"]["en"]
    assert text.startswith("Sell Beichen Information 3.5 pp, buy Ruanlian Dynamics 3.8 pp.")
    assert "One-way turnover 6.4%" in text


def test_an_infeasible_plan_names_a_limit_and_what_frees_it(layout, words):
    text = said(sample_run("infeasible"), layout, words)["todo"]["en"]
    assert "Infeasible: 3 limits clash" in text
    assert "27.4% alone is enough" in text


def test_other_answers_to_what_to_do(layout, words):
    run = sample_run()
    assert "No plan" in said(sample_run("none"), layout, words)["todo"]["en"]
    failed = replace(run, plan=replace(run.plan, status="solver_failed", conflict=None))
    assert "solver failed" in said(failed, layout, words)["todo"]["en"]
    hold = run.plan.weights.with_columns(weight_plan=pl.col("weight_now"))
    assert (
        "Nothing to trade"
        in said(replace(run, plan=replace(run.plan, weights=hold)), layout, words)["todo"]["en"]
    )
    sell = run.plan.weights.with_columns(weight_plan=pl.col("weight_now") * 0.9)
    text = said(replace(run, plan=replace(run.plan, weights=sell)), layout, words)["todo"]["en"]
    assert text.startswith("Sell ")
    assert "buy" not in text
    buy = run.plan.weights.with_columns(weight_plan=pl.col("weight_now") * 1.1)
    assert said(replace(run, plan=replace(run.plan, weights=buy)), layout, words)["todo"][
        "en"
    ].startswith("Buy ")


def test_how_sure_speaks_of_low_coverage(layout, words):
    text = said(sample_run(), layout, words)["sure"]["en"]
    assert "Grades A+B carry 48% of weight × factors." in text
    assert "2 of 13 factors are covered below 50%" in text


def test_how_sure_names_the_least_covered_factor_where_all_is_well(layout, words):
    run = sample_run()
    known = run.position_scores.with_columns(
        status=pl.lit("observed"), mid=pl.col("mid").fill_null(0.1), lo=pl.lit(0.0)
    )
    text = said(replace(run, position_scores=known), layout, words)["sure"]["en"]
    assert "lowest" in text


def test_met_limits_and_no_mandate(layout, words):
    run = sample_run()
    loose = replace(
        run,
        plan=None,
        mandate=replace(
            run.mandate,
            limits=tuple(
                replace(c, bound=2.0) for c in run.mandate.limits if c.name == "hbm_dependence"
            ),
        ),
    )
    assert "All 1 limits met" in said(loose, layout, words)["changed"]["en"]
    assert (
        "No mandate" in said(replace(run, plan=None, mandate=None), layout, words)["changed"]["en"]
    )
    unknown = replace(
        run,
        plan=None,
        mandate=replace(
            run.mandate,
            limits=tuple(c for c in run.mandate.limits if c.name == "advanced_eda_dependence"),
        ),
    )
    assert "unknown for want of data" in said(unknown, layout, words)["changed"]["en"]


def test_a_run_without_scenarios_or_losses(layout, words):
    run = sample_run()
    none = replace(
        run,
        scenarios=(),
        scenario_returns=run.scenario_returns.clear(),
        scenario_results=run.scenario_results.clear(),
    )
    assert "No scenario was run" in said(none, layout, words)["why"]["en"]
    gains = replace(
        run, scenario_returns=run.scenario_returns.with_columns(ret=pl.col("ret").abs())
    )
    assert "No scenario brings a loss" in said(gains, layout, words)["why"]["en"]


def test_an_empty_book_has_nothing_to_judge(layout, words):
    run = sample_run("none")
    empty = replace(
        run,
        holdings=run.holdings.clear(),
        position_scores=run.position_scores.clear(),
        exposures=run.exposures.clear(),
    )
    assert "nothing to judge" in said(empty, layout, words)["sure"]["en"]


def test_every_number_of_the_boxes_is_a_number_of_the_workbook(context, sheets):
    numbers: set[str] = set()
    for sheet in sheets.values():
        for cell in sheet.cells:
            if isinstance(cell.value, int | float) and not isinstance(cell.value, bool):
                value = cell.value
                for shown in (value * 100, (value or 0) * 50):
                    numbers |= {f"{abs(shown):.1f}", f"{abs(shown):.0f}"}
                numbers |= {f"{abs(value):,.0f}", f"{abs(value):.1f}"}
    turnover = context.run.plan.turnover / 2
    numbers |= {
        f"{turnover * 100:.1f}",
        "812",
        "665",
    }  # printed as text on the trade sheet and in the manifest
    counted = {str(n) for n in range(20)} | {"50", "16"}
    for box in boxes(context.figures, context.words):
        for _, text in box.sentences:
            for number in re.findall(r"\d[\d,]*(?:\.\d+)?", text):
                if number in counted:
                    continue
                moved = any(
                    f"{abs(p.plan_weight - p.weight) * 100:.1f}" == number
                    for p in context.figures.positions
                )
                assert moved or number in numbers, (number, text)


@given(
    weights=st.lists(st.floats(0, 1), min_size=11, max_size=11),
    before=st.floats(0, 5000),
    plan=st.sampled_from(["plan", "infeasible", "none"]),
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@pytest.mark.property
def test_boxes_never_overflow_and_directions_agree_with_signs(layout, words, weights, before, plan):
    total = sum(weights) or 1.0
    run = sample_run(plan, comparison=True)
    scaled = [weight / total for weight in weights]
    changed = replace(
        run,
        holdings=run.holdings.with_columns(weight=pl.Series(scaled)),
        comparison=replace(run.comparison, expected_loss_bp=before),
    )
    numbers: Figures = figures(changed, layout)
    after = numbers.expected_loss(numbers.weights)
    for box in boxes(numbers, words):
        for language, text in box.sentences:
            assert 0 < len(text) <= MAX_BOX[language]
    text = dict(boxes(numbers, words)[0].sentences)
    if abs(after - before) >= 0.5:
        assert ("rose" if after > before else "fell") in text["en"]
        assert ("上升" if after > before else "下降") in text["zh"]


def test_numbers_as_text():
    assert percent(0.0004) == "0.0%"
    assert percent(-0.00001) == "0.0%"
    assert points(-0.031) == "−3.1 pp"
    assert signed(-0.2) == "0"
    assert signed(1234.0) == "+1,234"


@pytest.mark.parametrize(
    ("name", "kind", "english"),
    [
        ("scenario:hbm_ban:high", "scenario", "HBM ban (high)"),
        ("worst_scenario", "scenario", "Any scenario"),
        ("hi(hbm_dependence)", "factor", "HBM (upper end)"),
        ("ascend_share[gross_profit]", "factor", "Ascend share (by gross profit)"),
        ("floor:ascend_share", "factor", "Ascend share"),
        ("coverage:hbm_dependence", "coverage", "HBM coverage"),
        ("cannot_sell:900101.SZ", "trading", "Can't be sold: Beichen Information"),
        ("cash:min", "cash", "Least cash"),
        ("position", "position", "Single position"),
        ("a name of its own", "budget", "a name of its own"),
    ],
)
def test_limits_have_names_in_words(layout, words, name, kind, english):
    from exposure.reports.limits import conflict_limit

    row = {"name": name, "kind": kind, "sense": "<=", "bound": 0.1, "unit": "fraction"}
    numbers = figures(sample_run(), layout)
    assert limit_name(words, numbers, conflict_limit(row))[1] == english


def test_a_limit_in_weeks_is_no_percent():
    limit = Limit("inventory_cover_weeks", "factor", ">=", 12.5, "weeks")
    assert limit_value(limit, 12.5) == "12.5"
