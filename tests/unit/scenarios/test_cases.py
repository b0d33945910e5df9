"""Scenarios combined into cases: shocks meet on nodes, a cause counts once, a listing may be a repetition."""

import numpy as np
import pytest

from exposure.scenarios.cases import at_place, build_cases, single_cases
from exposure.scenarios.definitions import (
    Listing,
    Mechanism,
    NodeShock,
    PriceEffect,
    Range,
    RevenueShock,
    ScenarioDefinition,
    Severity,
    Stockpile,
    Substitution,
)

ENTITY_LIST = Mechanism(
    "entity_list",
    "",
    "",
    ("EL",),
    Severity(0.1, 0.2, 0.4),
    Severity(-0.01, -0.02, -0.04),
    0.25,
    "t",
)


def same(size):
    return Severity(size, size, size)


def scenario(name="s", years=(1.0, 2.0, 3.0), **other):
    texts = dict.fromkeys(
        ("code", "name_zh", "name_en", "narrative", "narrative_zh", "anchor"), name
    )
    base = {
        "id": name,
        "order": 1,
        "horizon_weeks": 52,
        "duration_years": Range(*years, "t"),
        "probability": None,
    }
    return ScenarioDefinition(**(texts | base | other))


def cut(name, node, size, cause=""):
    return scenario(name, node_shocks=(NodeShock(node, same(size), cause, "t"),))


def together(*items, u=0.5, under=frozenset(), shares=None):
    return build_cases(
        items,
        np.ones((1, len(items)), dtype=bool),
        np.full((1, len(items)), u),
        mechanisms={"entity_list": ENTITY_LIST},
        under=under,
        shares=shares or {},
        priced=Range(0.0, 0.3, 0.6, "t"),
    )


def test_two_rules_of_one_cause_are_one_cut_and_another_cause_takes_from_the_rest():
    one = together(cut("a", "hbm", 0.5, "rule"), cut("b", "hbm", 0.8, "rule"))
    two = together(cut("a", "hbm", 0.5, "rule"), cut("b", "hbm", 0.8, "quake"))

    assert one.full_cut("hbm").item() == pytest.approx(0.8)
    assert two.full_cut("hbm").item() == pytest.approx(0.9)


def test_causes_without_a_name_are_causes_of_their_own():
    assert together(cut("a", "hbm", 0.5), cut("b", "hbm", 0.5)).full_cut("hbm").item() == 0.75


def test_each_severity_is_a_case_of_its_own():
    happens, u = single_cases([cut("a", "hbm", 0.5), cut("b", "gpu", 0.5)], ["low", "high"])

    assert happens.tolist() == [[True, False], [True, False], [False, True], [False, True]]
    assert u.max(axis=1).tolist() == [0.0, 1.0, 0.0, 1.0]


def test_a_place_runs_from_low_over_base_to_high():
    size = Severity(-0.5, -1.0, -1.0)

    assert at_place(size, np.array([0.0, 0.25, 0.5, 1.0])).tolist() == [-0.5, -0.75, -1.0, -1.0]


def test_a_listing_cuts_the_issuer_and_moves_its_price_and_a_repetition_does_less():
    listed = scenario(listings=(Listing("inspur", "entity_list", "t"),))

    new = together(listed)
    again = together(listed, under=frozenset({("inspur", "entity_list")}))

    assert new.full_cut("inspur").item() == pytest.approx(0.2)
    assert new.own_price["inspur"].item() == pytest.approx(-0.02)
    assert again.full_cut("inspur").item() == pytest.approx(0.05)
    assert again.own_price["inspur"].item() == pytest.approx(-0.005)


def test_the_same_listing_in_two_scenarios_happens_once():
    listed = [scenario(name, listings=(Listing("inspur", "entity_list", "t"),)) for name in "ab"]

    assert together(*listed).full_cut("inspur").item() == pytest.approx(0.2)


def test_each_scenario_moves_revenue_by_its_own_size():
    def moved(name, size):
        return scenario(name, revenue_shocks=(RevenueShock("us", same(size), "t"),))

    terms = together(moved("a", -0.5), moved("b", 0.3)).revenue["us"]

    assert [(number, size.item()) for number, size in terms] == [(0, -0.5), (1, 0.3)]


def test_price_effects_compound():
    fall = scenario("a", price_effects=(PriceEffect("us", same(-0.1), "t"),))
    other = scenario("b", price_effects=(PriceEffect("us", same(-0.1), "t"),))

    assert together(fall, other).price["us"].item() == pytest.approx(-0.19)


def test_customers_move_once_however_many_scenarios_say_so():
    def market(name, moved, room, ramp):
        sub = Substitution(
            "chips", "gpu", "m", "d", "benefit", same(moved), same(room), "t", (name,), ramp
        )
        return scenario(
            name, node_shocks=(NodeShock("gpu", same(0.5), "", "t"),), substitutions=(sub,)
        )

    (found,) = together(
        market("a", 0.2, 0.5, 26.0),
        market("b", 0.4, 0.3, 13.0),
        shares={("m", "d"): (0.1, 0.2, 0.3)},
    ).markets

    assert found.reallocation.item() == 0.4
    assert found.headroom.item() == 0.5
    assert found.ramp_weeks.item() == 13.0
    assert found.suppliers == ("a", "b")
    assert found.cut.item() == 0.75
    assert found.share == (0.1, 0.2, 0.3)


def test_a_stock_is_the_same_stock_in_every_scenario():
    def held(name, weeks):
        stock = Stockpile("hbm", "huawei", Range(0.0, weeks, 52.0, "t"))
        return scenario(name, stockpiles=(stock,))

    found = together(held("a", 8.0), held("b", 13.0)).stock

    assert found["hbm", "huawei"].tolist() == [[0.0, 13.0, 52.0]]


def test_each_channel_lasts_as_long_as_its_own_scenarios():
    chain = cut("a", "hbm", 0.5)
    cars = scenario(
        "b", years=(5.0, 7.0, 10.0), revenue_shocks=(RevenueShock("cars", same(-1.0), "t"),)
    )

    found = together(chain, cars)

    assert found.years[0].tolist() == [[1.0, 2.0, 3.0], [5.0, 7.0, 10.0]]
    assert found.chain.tolist() == [True, False]


def test_prices_know_no_more_of_a_combination_than_of_its_least_known_part():
    known = scenario("a", priced=Range(0.5, 0.6, 0.7, "t"))

    assert together(known, scenario("b")).priced.tolist() == [[0.0, 0.3, 0.6]]
    assert together(known).priced.tolist() == [[0.5, 0.6, 0.7]]


def test_a_case_in_which_nothing_happens_is_empty():
    items = [cut("a", "hbm", 0.5), scenario("quiet")]
    found = build_cases(
        items,
        np.array([[True, False], [False, True], [False, False]]),
        np.zeros((3, 2)),
        mechanisms={},
        under=frozenset(),
        shares={},
        priced=Range(0.0, 0.0, 0.0, "t"),
    )

    assert found.empty.tolist() == [False, True, True]


def test_an_issuer_that_is_touched_by_nobody_knows_how_much_stays_marked():
    assert together(scenario(unmodelled=("cosco",))).unmodelled["cosco"].tolist() == [True]


def test_a_small_lasting_cut_makes_no_short_one_last():
    """Each cause keeps its own start, ramp and end."""
    short = scenario("a", (0.25, 0.25, 0.25), node_shocks=(NodeShock("hbm", same(0.8), "", "t"),))
    late = scenario(
        "b", (9.0, 9.0, 9.0), node_shocks=(NodeShock("hbm", same(0.8), "", "t", start_week=48),)
    )
    small = cut("c", "hbm", 0.01)

    assert together(short, small).mean_cut("hbm", 1).item() == pytest.approx(
        (13 * (1 - 0.2 * 0.99) + 39 * 0.01) / 52
    )
    assert together(late, small).mean_cut("hbm", 1).item() == pytest.approx(
        (5 * (1 - 0.2 * 0.99) + 47 * 0.01) / 52
    )


def test_a_company_is_listed_once_by_one_mechanism_whatever_the_reference():
    twice = [
        scenario(name, listings=(Listing("inspur", "entity_list", name),)) for name in ("a", "b")
    ]

    assert together(*twice).own_price["inspur"].item() == pytest.approx(-0.02)
