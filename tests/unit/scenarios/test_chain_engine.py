"""Demand, stocks, ramps and gains in the chain, on networks small enough to do by hand."""

from dataclasses import replace

import numpy as np
import pytest

from exposure.factors.graph import build_graph
from exposure.scenarios.cases import build_cases
from exposure.scenarios.definitions import (
    NodeShock,
    Range,
    ScenarioDefinition,
    Severity,
    Stockpile,
    Substitution,
)
from exposure.scenarios.network_run import ChainEngine
from tests.factories import link, links_frame, nodes_frame

RHO = Range(-9.0, -4.0, 0.0, "t")
POINT = Range(0.0, 0.0, 0.0, "t")


def same(size):
    return Severity(size, size, size)


def essential(supplier, customer, share=1.0, **other):
    ends = dict.fromkeys(("kind_lo", "kind_mid", "kind_hi"), share)
    return link(supplier, customer, 0.1, criticality="essential", **ends, **other)


def engine(*links, nodes=("foundry", "hbm", "gpu"), **other):
    return ChainEngine(build_graph(links_frame(*links), nodes_frame(*nodes)), 1, RHO, **other)


def scenario(*shocks, stocks=(), subs=(), years=10.0, weeks=52):
    texts = dict.fromkeys(
        ("id", "code", "name_zh", "name_en", "narrative", "narrative_zh", "anchor"), "s"
    )
    return ScenarioDefinition(
        **texts,
        order=1,
        horizon_weeks=weeks,
        duration_years=Range(years, years, years, "t"),
        probability=None,
        node_shocks=shocks,
        stockpiles=stocks,
        substitutions=subs,
    )


def cases(*items, shares=None):
    return build_cases(
        items,
        np.eye(len(items), dtype=bool),
        np.full((len(items), len(items)), 0.5),
        mechanisms={},
        under=frozenset(),
        shares=shares or {},
        priced=POINT,
    )


def cut(node, size, **other):
    return NodeShock(node, same(size), node, "t", **other)


def lost(chain, item, name, end="mid", **other):
    found = chain.run(cases(item), **other)
    return float(found.own_loss[end][0, chain.graph.position[name]])


# --- demand ---------------------------------------------------------------------------------------


def sold(supplier, customer, lo, mid, hi):
    return link(supplier, customer, None, lo=0.0, sales_lo=lo, sales_mid=mid, sales_hi=hi)


def test_a_supplier_loses_what_its_customer_no_longer_buys_a_week_later():
    chain = engine(sold("maker", "fab", 0.4, 0.4, 0.4))

    assert lost(chain, scenario(cut("fab", 0.5)), "maker") == pytest.approx(0.4 * 0.5 * 51 / 52)
    assert chain.losses({"fab": 0.5}, 52)["maker"][1] == pytest.approx(0.4 * 0.5 * 51 / 52)


def test_sales_that_nobody_states_count_in_the_largest_loss_only():
    chain = engine(essential("maker", "fab"))
    item = scenario(cut("fab", 0.5))

    assert lost(chain, item, "maker", "lo") == 0.0
    assert lost(chain, item, "maker", "mid") == 0.0
    assert lost(chain, item, "maker", "hi") == pytest.approx(0.5 * 51 / 52)
    assert "maker" not in chain.losses({"fab": 0.5}, 52)  # no point on the way: unknown, not zero


def test_customers_of_unknown_size_never_take_more_than_the_whole():
    chain = engine(essential("maker", "fab"), essential("maker", "rival"))
    item = scenario(cut("fab", 0.8), cut("rival", 0.2))

    assert lost(chain, item, "maker", "hi") == pytest.approx(0.8 * 51 / 52)  # the worst hit first


# --- stocks, ramps, durations ----------------------------------------------------------------------


def test_a_stockpile_delays_the_loss_and_its_interval_is_turned_round():
    chain = engine(essential("foundry", "huawei"))
    stock = Stockpile("foundry", "huawei", Range(0.0, 8.0, 20.0, "t"))
    item = scenario(cut("foundry", 0.5), stocks=(stock,))

    assert lost(chain, item, "huawei", "mid") == pytest.approx((0.5 * 51 - 8) / 52)
    assert lost(chain, item, "huawei", "lo") == pytest.approx((0.5 * 51 - 20) / 52)
    assert lost(chain, item, "huawei", "hi") == pytest.approx(0.5 * 51 / 52)


def test_a_stockpile_of_one_customer_helps_no_other():
    chain = engine(essential("foundry", "huawei"), essential("foundry", "hygon"))
    stock = Stockpile("foundry", "huawei", Range(8.0, 8.0, 8.0, "t"))
    item = scenario(cut("foundry", 0.5), stocks=(stock,))

    assert lost(chain, item, "hygon") == pytest.approx(0.5 * 51 / 52)


def test_a_stock_covers_the_part_that_its_supplier_brings():
    chain = engine(essential("foundry", "huawei", 0.5), essential("smic", "huawei", 0.5))
    stock = Stockpile("foundry", None, Range(8.0, 8.0, 8.0, "t"))
    item = scenario(cut("foundry", 1.0), stocks=(stock,))

    assert lost(chain, item, "huawei") == pytest.approx((0.5 * 51 - 4) / 52)


def test_an_inventory_counts_in_the_least_loss_only():
    chain = engine(essential("foundry", "hygon"), stocks={"hygon": 10.0})
    item = scenario(cut("foundry", 0.5))

    assert lost(chain, item, "hygon", "mid") == pytest.approx(0.5 * 51 / 52)
    assert lost(chain, item, "hygon", "lo") == pytest.approx((0.5 * 51 - 10) / 52)


def test_a_cut_that_begins_later_or_grows_slowly_costs_less():
    chain = engine(essential("foundry", "hygon"))
    at_once = lost(chain, scenario(cut("foundry", 0.5)), "hygon")
    later = lost(chain, scenario(cut("foundry", 0.5, start_week=27)), "hygon")
    slowly = lost(chain, scenario(cut("foundry", 0.5, ramp_weeks=10.0)), "hygon")

    assert later == pytest.approx(0.5 * 25 / 52)
    assert slowly == pytest.approx(0.5 * (51 - 4.5) / 52)
    assert later < slowly < at_once


def test_a_cut_of_half_a_year_ends_after_half_a_year():
    chain = engine(essential("foundry", "hygon"))

    assert lost(chain, scenario(cut("foundry", 0.5), years=0.5), "hygon") == pytest.approx(
        0.5 * 26 / 52
    )


def test_horizons_are_reported_side_by_side():
    chain = engine(essential("foundry", "hygon"))
    found = chain.run(cases(scenario(cut("foundry", 0.5))), horizons=(4, 13, 26, 52, 104))

    at = chain.graph.position["hygon"]
    assert found.horizons == (4, 13, 26, 52, 104)
    assert found.loss["mid"][0, :, at] == pytest.approx([0.5 * (h - 1) / h for h in found.horizons])


# --- gains -----------------------------------------------------------------------------------------

SHARES = {("market", "share"): (0.2, 0.2, 0.2)}


def ascend(*, stock_weeks=0.0, suppliers=("huawei",), headroom=0.5, ramp=0.0, cuts=()):
    """GPU ban of 80%: 40% of it moves, domestic makers hold a fifth and can grow by half."""
    sub = Substitution(
        "chips",
        "gpu",
        "market",
        "share",
        "benefit",
        same(0.4),
        same(headroom),
        "t",
        suppliers,
        ramp,
    )
    stocks = tuple(
        Stockpile(node, "huawei", Range(stock_weeks, stock_weeks, stock_weeks, "t"))
        for node in ("foundry", "hbm")
    )
    return scenario(cut("gpu", 0.8), *cuts, subs=(sub,), stocks=stocks)


def chain_of_huawei():
    return engine(
        essential("foundry", "huawei", 0.5, input_kind="dies", link_id="a"),
        essential("smic", "huawei", 0.5, input_kind="dies", link_id="b"),
        essential("hbm", "huawei", 1.0, input_kind="memory", link_id="c"),
        essential("gpu", "inspur", 1.0),
    )


def growth(item, name="huawei", shares=SHARES):
    chain = chain_of_huawei()
    found = chain.run(cases(item, shares=shares))
    return float(found.own_growth["mid"][0, chain.graph.position[name]]), found


def test_a_ban_alone_lets_the_substitute_grow_to_its_headroom():
    grown, found = growth(ascend())

    assert grown == pytest.approx(0.5)
    market = found.markets["mid"]["chips"]
    assert market.lost.item() == pytest.approx(0.64)
    assert market.pool.item() == pytest.approx(0.256)
    assert market.reallocated.item() == pytest.approx(0.1)
    assert market.unmet.item() == pytest.approx(0.54)


def test_the_pool_limits_growth_where_headroom_does_not():
    grown, _ = growth(ascend(headroom=9.0))

    assert grown == pytest.approx(0.256 / 0.2)


def test_customers_requalify_over_the_ramp():
    grown, _ = growth(ascend(ramp=26.0))

    weeks = np.arange(52)
    assert grown == pytest.approx(0.5 * np.minimum(1.0, weeks / 26).mean())


@pytest.mark.parametrize("node", ["foundry", "hbm"])
def test_the_gain_shrinks_to_the_stockpile_when_what_it_is_made_of_is_cut(node):
    free, _ = growth(ascend())
    none, _ = growth(ascend(cuts=(cut(node, 1.0),)))
    some, _ = growth(ascend(stock_weeks=13.0, cuts=(cut(node, 1.0),)))
    more, _ = growth(ascend(stock_weeks=26.0, cuts=(cut(node, 1.0),)))

    assert 0.0 < none < 0.02  # the first week's deliveries were on their way
    assert none < some < more < free


def test_both_cuts_leave_no_more_than_the_worse_of_them():
    cuts = (cut("foundry", 0.8), cut("hbm", 0.8))
    one = [growth(ascend(stock_weeks=13.0, cuts=(item,)))[0] for item in cuts]
    both, _ = growth(ascend(stock_weeks=13.0, cuts=cuts))

    assert both <= min(one) + 1e-12


def test_being_asked_for_more_makes_no_loss_smaller():
    chain = chain_of_huawei()
    at = chain.graph.position["huawei"]
    alone = chain.run(cases(scenario(cut("foundry", 0.5)))).own_loss["mid"][0, at]
    asked = chain.run(cases(ascend(cuts=(cut("foundry", 0.5),)), shares=SHARES)).own_loss["mid"][
        0, at
    ]

    assert asked >= alone > 0.2


def test_what_one_maker_cannot_deliver_another_with_room_is_asked_for():
    links = (
        essential("foundry", "huawei"),
        essential("smic", "hygon"),
        essential("gpu", "inspur"),
    )
    chain = engine(*links)
    item = ascend(suppliers=("huawei", "hygon"), headroom=3.0, cuts=(cut("foundry", 1.0),))
    found = chain.run(cases(item, shares=SHARES))
    market = found.markets["mid"]["chips"]
    huawei, hygon = market.realised[0]

    assert huawei < 0.1
    assert hygon == pytest.approx(
        2 * 0.256 / 0.2 - huawei, rel=0.05
    )  # the pool of both, nearly whole
    assert market.reallocated.item() <= market.pool.item() + 1e-9


def test_a_market_without_a_known_share_moves_nothing():
    grown, found = growth(ascend(), shares={("market", "share"): (0.0, 0.0, 0.0)})

    assert grown == 0.0
    assert found.markets["mid"]["chips"].reallocated.item() == 0.0


def test_many_cases_at_once_equal_each_alone():
    chain = chain_of_huawei()
    items = [
        ascend(),
        ascend(cuts=(cut("hbm", 0.6),)),
        scenario(cut("foundry", 0.5, ramp_weeks=8.0)),
    ]
    together = chain.run(cases(*items, shares=SHARES))
    for row, item in enumerate(items):
        alone = chain.run(cases(item, shares=SHARES))
        for end in ("lo", "mid", "hi"):
            assert together.own_loss[end][row] == pytest.approx(alone.own_loss[end][0], abs=1e-12)
            assert together.own_growth[end][row] == pytest.approx(
                alone.own_growth[end][0], abs=1e-12
            )


def test_a_gain_counts_over_the_horizon_of_its_case():
    chain = chain_of_huawei()
    item = ascend(ramp=26.0)
    plain = chain.run(cases(item, shares=SHARES))
    longer = chain.run(cases(item, shares=SHARES), horizons=(4, 104))

    assert longer.markets["mid"]["chips"].realised == pytest.approx(
        plain.markets["mid"]["chips"].realised
    )


def test_a_longer_horizon_of_one_case_changes_no_other():
    chain = chain_of_huawei()
    short = scenario(cut("foundry", 0.5))
    long = replace(short, horizon_weeks=104)
    both = chain.run(cases(short, long))

    assert both.own_loss["mid"][0] == pytest.approx(chain.run(cases(short)).own_loss["mid"][0])
    assert both.own_loss["mid"][1] == pytest.approx(chain.run(cases(long)).own_loss["mid"][0])


def test_lost_demand_is_no_shortage_for_other_customers():
    """The supplier of a customer that is cut stands half idle; its other customer gets all it orders."""
    half = {"sales_lo": 0.5, "sales_mid": 0.5, "sales_hi": 0.5}
    chain = engine(
        essential("maker", "hit", link_id="a", **half),
        essential("maker", "spared", link_id="b", **half),
    )
    item = scenario(cut("hit", 0.8))

    assert lost(chain, item, "maker") == pytest.approx(0.5 * 0.8 * 51 / 52)
    for end in ("lo", "mid", "hi"):
        assert lost(chain, item, "spared", end) == 0.0


@pytest.mark.parametrize("node", ["foundry", "smic", "hbm"])
def test_a_cut_of_a_thousandth_costs_a_gain_about_a_thousandth(node):
    free, _ = growth(ascend())
    grazed, _ = growth(ascend(cuts=(cut(node, 0.001),)))

    assert free - 0.005 < grazed < free
