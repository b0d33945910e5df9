from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

from exposure.errors import Infeasible, MandateError, UsageError
from exposure.optimiser import planning
from exposure.optimiser.planning import inputs_from_book, rebalance
from exposure.optimiser.solving import PlanStatus
from exposure.portfolios.mandates import Mandate, Objective, load_mandate

EASY = Mandate.of("turnover <= 40%", "cash >= 0%", "cash <= 10%")
LISTED = {"603019.SH", "688041.SH", "688256.SH", "688981.SH"}


@pytest.fixture(scope="session")
def facts(scores, risk, shock):
    return {"scores": scores, "risk": risk, "shock": shock}


def with_holding(book, listing, **values):
    columns = [
        pl.when(pl.col("listing_id") == listing)
        .then(pl.lit(value))
        .otherwise(pl.col(name))
        .alias(name)
        for name, value in values.items()
    ]
    return replace(book, holdings=book.holdings.with_columns(columns))


def test_the_sample_mandate_has_a_plan_that_holds_it(book, catalog, sample, facts):
    plan = rebalance(book, catalog, mandate=sample.parent / "mandate.toml", **facts)

    assert plan.status is PlanStatus.OPTIMAL
    assert not plan.limits.filter(pl.col("state") == "breach").height
    assert plan.cash_after >= 0
    assert plan.trades.filter(pl.col("side") == "sell").height
    assert (plan.trades["quantity"] > 0).all()


def test_what_is_passed_and_what_is_computed_give_the_same_plan(book, catalog, facts):
    rules = EASY.with_limits("scenario:hbm_ban >= -20%", "entity_list_status <= 32%")

    assert (
        rebalance(book, catalog, mandate=rules).to_dict()
        == rebalance(book, catalog, mandate=rules, **facts).to_dict()
    )


def test_an_impossible_cap_is_a_conflict_that_names_it(book, catalog, facts):
    rules = EASY.with_limits("entity_list_status <= 1%")

    plan = rebalance(book, catalog, mandate=rules, **facts)

    assert plan.status is PlanStatus.INFEASIBLE
    assert "entity_list_status" in plan.conflict["name"].to_list()
    with pytest.raises(Infeasible, match="entity_list_status"):
        rebalance(book, catalog, mandate=rules, raise_on_failure=True, **facts)


def test_an_excluded_list_sells_the_listed_issuers_only(book, catalog, facts):
    rules = replace(Mandate.of("exclude EL", "cash <= 100%"), universe="holdings")

    plan = rebalance(book, catalog, mandate=rules, **facts)

    gone = plan.weights.filter((pl.col("weight_plan") == 0) & (pl.col("weight_now") > 0))
    assert set(gone["listing_id"]) == LISTED


def test_a_us_person_keeps_what_two_lists_forbid_to_sell(book, catalog, facts):
    inputs, notes = inputs_from_book(book, catalog, replace(EASY, us_person=True), **facts)

    assert inputs.excluded == ()  # the days to sell were over in 2022
    frozen = {inputs.listing_ids[i] for i in inputs.frozen}
    assert {"603019.SH", "688981.SH"} <= frozen
    told = notes.filter(pl.col("rule") == "list_frozen")["raw"]
    assert set(told) <= {"SDN", "NS-CMIC"}


def test_do_not_trade_and_shares_not_available_are_kept(book, catalog, facts):
    late = with_holding(book, "601138.SH", available=1000.0)
    rules = EASY.with_limits("do_not_trade 000977.SZ", "position <= 13.5%")

    plan = rebalance(late, catalog, mandate=rules.with_limits("position <= 14.2%"), **facts)
    clash = rebalance(late, catalog, mandate=rules, **facts)

    now = dict(plan.weights.select("listing_id", "weight_now").iter_rows())
    then = dict(plan.weights.select("listing_id", "weight_plan").iter_rows())
    assert then["000977.SZ"] == now["000977.SZ"]
    assert then["601138.SH"] >= now["601138.SH"] * (1 - 1000 / 3_060_000) - 1e-12
    assert set(clash.conflict["name"]) == {"position", "cannot_sell:601138.SH"}


def test_a_benchmark_name_is_bought_only_where_a_price_is_known(book, catalog, facts):
    priced = book.benchmark.with_columns(
        pl.when(pl.col("listing_id") == "300308.SZ").then(110.0).alias("price"),
        pl.lit("CNY").alias("currency"),
        pl.lit(1.0).alias("fx"),
    )

    blind, notes = inputs_from_book(book, catalog, EASY, **facts)
    plan = rebalance(replace(book, benchmark=priced), catalog, mandate=EASY, **facts)

    held = set(book.holdings["listing_id"])
    assert {name for name, ok in zip(blind.listing_ids, blind.can_buy, strict=True) if ok} == held
    assert "no_price" in notes["rule"].to_list()
    bought = plan.trades.filter(pl.col("listing_id") == "300308.SZ").row(0, named=True)
    assert bought["quantity"] % 100 == 0
    assert bought["quantity"] * 110.0 == pytest.approx(bought["notional"])


def test_a_universe_of_holdings_or_of_named_listings(book, catalog, facts):
    named, _ = inputs_from_book(book, catalog, replace(EASY, universe=("000977.SZ",)), **facts)
    benchmark, _ = inputs_from_book(book, catalog, replace(EASY, universe="benchmark"), **facts)

    assert [n for n, ok in zip(named.listing_ids, named.can_buy, strict=True) if ok] == [
        "000977.SZ"
    ]
    assert (
        benchmark.can_buy.sum() == 11
    )  # the eleven holdings are all in the benchmark, with prices


def test_without_a_benchmark_the_plan_stays_near_today(book, catalog, facts):
    alone = replace(book, benchmark=None, benchmark_source=None)

    plan = rebalance(alone, catalog, mandate=Mandate.of("cash <= 10%"), risk=facts["risk"])

    assert plan.turnover == 0.0
    assert plan.tracking_error_plan == pytest.approx(0.0, abs=1e-9)
    assert "no_benchmark" in plan.issues["rule"].to_list()


def test_a_book_of_weights_only_gets_weights(book, catalog, facts):
    empty = pl.lit(None, dtype=pl.Float64)
    holdings = book.holdings.with_columns(quantity=empty, available=empty, price=empty, value=empty)

    plan = rebalance(replace(book, nav=None, holdings=holdings), catalog, mandate=EASY, **facts)

    assert plan.status.is_ok
    assert plan.trades["quantity"].sum() == 0
    assert "orders_not_sized" in plan.issues["rule"].to_list()
    assert (plan.weights["weight_plan"] - plan.weights["weight_target"]).abs().max() == 0


def test_a_holding_without_price_or_outside_the_catalogue_stays_and_is_named(book, catalog, facts):
    unpriced = with_holding(book, "000977.SZ", price=None)
    holdings = book.holdings.with_columns(
        pl.col("listing_id").replace({"002261.SZ": "999999.SZ"}),
    )
    stranger = replace(book, holdings=holdings)

    one = rebalance(unpriced, catalog, mandate=EASY, **facts)
    two = rebalance(stranger, catalog, mandate=EASY, risk=facts["risk"])

    for plan, name in ((one, "000977.SZ"), (two, "999999.SZ")):
        row = plan.weights.filter(pl.col("listing_id") == name).row(0, named=True)
        assert row["weight_plan"] == row["weight_now"]
        assert name in " ".join(plan.issues.filter(pl.col("rule") == "not_tradable")["message"])


def test_a_board_without_rules_on_the_day_is_not_traded(book, catalog, facts):
    early = replace(book, as_of=date(1980, 1, 1))

    inputs, notes = inputs_from_book(early, catalog, EASY, **facts)

    assert not inputs.can_buy.any()
    assert notes.filter(pl.col("rule") == "not_tradable").height == 11


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (EASY.with_limits("exclude 688256.SZ"), "688256.SZ"),
        (EASY.with_limits("do_not_trade 1.SH"), "1.SH"),
        (replace(EASY, universe=("AAPL",)), "AAPL"),
        (replace(EASY, base_currency="USD"), "in USD, the book in CNY"),
        (EASY.with_limits("entity_list_statu <= 10%"), "Did you mean 'entity_list_status'"),
        (EASY.with_limits("scenario:hbm_bann >= -10%"), "Did you mean 'hbm_ban'"),
    ],
)
def test_a_mandate_that_does_not_fit_the_book_is_refused(book, catalog, facts, rules, words):
    with pytest.raises(MandateError) as caught:
        rebalance(book, catalog, mandate=rules, **facts)

    assert words in caught.value.what


def test_tracking_error_needs_a_risk_model_but_a_worst_loss_does_not(
    book, catalog, facts, monkeypatch
):
    monkeypatch.setattr(planning, "load_risk", lambda root, as_of: None)
    known = {"scores": facts["scores"], "shock": facts["shock"]}
    worst = replace(EASY, objective=Objective("min_worst_scenario"))

    with pytest.raises(MandateError, match="needs a risk model"):
        rebalance(book, catalog, mandate=EASY, **known)
    plan = rebalance(book, catalog, mandate=worst, **known)

    assert plan.status.is_ok
    assert plan.tracking_error_plan is None


def test_chosen_scenarios_bound_the_worst_one_and_named_ones_always_count(book, catalog, facts):
    rules = EASY.with_limits("worst_scenario >= -50%", "scenario:foundry_16nm_cut >= -50%")

    given, _ = inputs_from_book(book, catalog, rules, scenarios=["hbm_ban"], **facts)
    made, _ = inputs_from_book(
        book, catalog, rules, scenarios=["hbm_ban"], scores=facts["scores"], risk=facts["risk"]
    )

    assert {name for name, _ in given.scenario_ids} == {"hbm_ban", "foundry_16nm_cut"}
    assert set(made.scenario_ids) == set(given.scenario_ids)
    with pytest.raises(UsageError, match="hbm_bann"):
        inputs_from_book(book, catalog, rules, scenarios=["hbm_bann"], scores=facts["scores"])


def test_a_scenario_that_reaches_nobody_is_named_and_left_out_of_the_worst(book, catalog, facts):
    shock = facts["shock"]
    silent = shock.positions.with_columns(
        pl.when(pl.col("scenario_id") == "hbm_ban")
        .then(None)
        .otherwise(pl.col("ret"))
        .alias("ret"),
    )
    partly = silent.with_columns(
        pl.when(
            (pl.col("scenario_id") == "foundry_16nm_cut") & (pl.col("listing_id") == "000977.SZ")
        )
        .then(None)
        .otherwise(pl.col("ret"))
        .alias("ret")
    )
    rules = EASY.with_limits("worst_scenario >= -50%")
    known = facts | {"shock": replace(shock, positions=partly)}

    plan = rebalance(book, catalog, mandate=rules, **known)

    assert plan.status.is_ok
    said = dict(plan.issues.select("rule", "message").iter_rows())
    assert "hbm_ban" in said["scenario_unknown"]
    assert "000977.SZ" in said["scenario_return_unknown"]


def test_the_arrays_agree_with_the_frames_they_come_from(book, catalog, facts):
    inputs, _ = inputs_from_book(book, catalog, EASY.with_limits("worst_scenario >= -90%"), **facts)
    exposures = facts["scores"].factors
    results = facts["shock"].portfolio

    for column, (factor, base) in enumerate(inputs.factor_ids):
        expected = exposures.filter((pl.col("factor_id") == factor) & (pl.col("basis") == base))
        mid = np.nansum(inputs.score_mid[:, column] * inputs.w0)
        if expected["mid"][0] is not None:
            assert mid == pytest.approx(expected["mid"][0], abs=1e-12)
        assert inputs.score_hi[:, column] @ inputs.w0 == pytest.approx(expected["hi"][0])
    for row, (scenario, severity) in enumerate(inputs.scenario_ids):
        expected = results.filter(
            (pl.col("scenario_id") == scenario) & (pl.col("severity") == severity)
        )
        known = ~np.isnan(inputs.scenario_returns[row])
        if known.any():
            total = inputs.scenario_returns[row][known] @ inputs.w0[known]
            assert total == pytest.approx(expected["result"][0], abs=1e-12)
    assert inputs.w0.sum() + book.cash_weight == pytest.approx(1.0)


def test_robust_plans_and_tail_plans_run_on_the_sample(book, catalog, facts):
    tail = replace(EASY, objective=Objective("min_cvar"))

    robust = rebalance(
        book,
        catalog,
        mandate=EASY.with_limits("foundry_node_dependence <= 60%"),
        robust=True,
        **facts,
    )
    least = rebalance(book, catalog, mandate=tail, **facts)

    assert robust.robust_use["holds_interval"].all()
    assert least.status.is_ok


def test_the_shipped_mandate_names_only_what_exists(sample):
    rules = load_mandate(sample.parent / "mandate.toml")

    assert rules.name
    assert rules.name_zh
    assert rules.turnover_max is not None
    assert {"entity_list_status", "foundry_node_dependence"} <= {
        limit.factor for limit in rules.factors
    }
