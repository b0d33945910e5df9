"""Laws of the headline: parts add up, offsets only lower it, more harm never lowers it, row order is irrelevant.

A user would notice a failure as contributions that don't sum to the portfolio's loss, as a name that looks safer after
it was made worse off, or as a ranking that changes between two runs of the same day.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exposure.factors.graph import build_graph
from exposure.scenarios.definitions import PriceEffect, Range, RevenueShock, Severity
from exposure.scenarios.effects import IssuerFacts
from exposure.scenarios.headline import headline
from exposure.scenarios.network_run import ChainEngine
from exposure.scenarios.reading import load_assumptions, scenario_definitions
from exposure.schemas import SEVERITIES
from tests.factories import link, links_frame, nodes_frame
from tests.headline_worlds import A, B, C, make_book, make_shock, scenario, shuffled
from tests.scenario_worlds import one_effect

pytestmark = pytest.mark.property

LAWS = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
NAMES = (A, B, C)

points = st.integers(-60, 60).map(lambda k: k / 100)
chances = st.integers(0, 100).map(lambda k: k / 100)


@st.composite
def triples(draw, values):
    """lo ≤ mid ≤ hi."""
    return tuple(sorted(draw(st.tuples(values, values, values))))


@st.composite
def worlds(draw, *, holes=False):
    """Up to four scenarios on three names, long only, sizes that rise with the severity."""
    count = draw(st.integers(1, 4))
    value = triples(points)
    value = st.one_of(value, st.none()) if holes else value
    returns = {f"s{k}": {name: draw(value) for name in NAMES} for k in range(count)}
    likely = {f"s{k}": draw(triples(chances)) for k in range(count)}
    parts = draw(st.tuples(*[st.integers(0, 10)] * 3))
    weights = {name: part / 30 for name, part in zip(NAMES, parts, strict=True)}
    return returns, likely, weights


def run(world, catalog, **other):
    returns, likely, weights = world
    book = make_book(weights)
    shock, definitions = make_shock(book, returns, likely)
    return headline(shock, book, catalog, scenarios=definitions, draws=1000, **other)


@LAWS
@given(world=worlds(holes=True))
def test_contributions_add_up_and_offsets_only_lower_the_loss(world, catalog):
    found = run(world, catalog)
    total = found.portfolio.loss or 0.0
    rows = found.listings

    assert abs(rows["contribution"].sum() - total) <= 1e-12 * max(1.0, 1e4 * len(world[0]))
    assert abs(found.scenarios["loss"].sum() - total) <= 1e-9
    alone = (rows["weight"] * rows["known_loss"]).sum()
    assert total <= alone + 1e-9
    assert found.scenarios["standalone"].sum() == pytest.approx(alone, abs=1e-9)


@LAWS
@given(world=worlds(holes=True))
def test_an_unknown_return_never_counts_as_zero(world, catalog):
    found = run(world, catalog)
    counted = set(found.scenarios.filter("counted")["scenario_id"])

    for row in found.listings.iter_rows(named=True):
        lacks = {name for name, values in world[0].items() if values[row["listing_id"]] is None}
        assert lacks == set(row["missing"])
        assert (row["loss"] is None) == (bool(lacks & counted) or not counted)
        assert (row["rank"] is None) == (row["loss"] is None)


@LAWS
@given(world=worlds())
def test_row_order_is_irrelevant_and_the_draws_repeat(world, catalog):
    returns, likely, weights = world
    book = make_book(weights)
    shock, definitions = make_shock(book, returns, likely)
    first = headline(shock, book, catalog, scenarios=definitions, draws=1000)
    second = headline(*shuffled(shock, book), catalog, scenarios=definitions, draws=1000)

    assert first.listings.equals(second.listings)
    assert first.pairs.equals(second.pairs)
    assert first.robustness == second.robustness


@LAWS
@given(
    world=worlds(), name=st.sampled_from(NAMES), harm=st.integers(1, 40), where=st.integers(0, 3)
)
def test_a_larger_harm_never_lowers_a_score(world, name, harm, where, catalog):
    returns, likely, weights = world
    key = f"s{where % len(returns)}"
    worse = {k: dict(v) for k, v in returns.items()}
    worse[key][name] = tuple(max(-1.0, x - harm / 100) for x in returns[key][name])
    before, after = (
        {row["listing_id"]: row for row in run(w, catalog).listings.iter_rows(named=True)}
        for w in (world, (worse, likely, weights))
    )

    for column in ("loss", "loss_lo", "loss_hi", "band_lo", "band_hi"):
        assert after[name][column] >= before[name][column] - 1e-9
    assert after[name]["gain"] <= before[name]["gain"] + 1e-9
    for other in set(NAMES) - {name}:
        assert after[other]["loss"] == before[other]["loss"]


@LAWS
@given(world=worlds())
def test_tiers_follow_the_rank_intervals(world, catalog):
    found = run(world, catalog)
    rows = found.listings.to_dicts()

    for a in rows:
        assert a["loss_lo"] <= a["band_lo"] + 1e-9
        assert a["band_hi"] <= a["loss_hi"] + 1e-9
        assert 1 <= a["rank_lo"] <= a["rank_hi"] <= len(rows)
        for b in rows:
            if a["rank_lo"] <= b["rank_hi"] and b["rank_lo"] <= a["rank_hi"]:
                assert a["tier"] == b["tier"]
            if a["tier"] < b["tier"]:
                assert a["rank_hi"] < b["rank_lo"]
    assert found.robustness.tiers == max(row["tier"] for row in rows)


@LAWS
@given(world=worlds())
def test_a_dominating_name_is_above_under_any_probabilities(world, catalog):
    returns, _, _ = world
    found = run(world, catalog)

    for pair in found.pairs.filter("dominates").iter_rows(named=True):
        ahead = [max(0.0, -v[pair["upper"]][1]) for v in returns.values()]
        behind = [max(0.0, -v[pair["lower"]][1]) for v in returns.values()]
        assert all(x >= y for x, y in zip(ahead, behind, strict=True))


@LAWS
@given(world=worlds())
def test_the_transfer_ties_the_pair(world, catalog):
    returns, likely, _ = world
    names = list(returns)
    p = np.array([likely[name][1] for name in names])

    for pair in run(world, catalog).pairs.drop_nulls("transfer").iter_rows(named=True):
        moved = p.copy()
        moved[names.index(pair["from_scenario"])] -= pair["transfer"]
        moved[names.index(pair["to_scenario"])] += pair["transfer"]
        x, y = (
            np.array([max(0.0, -v[pair[side]][1]) for v in returns.values()])
            for side in ("upper", "lower")
        )
        assert moved @ x == pytest.approx(moved @ y, abs=1e-9)
        assert pair["feasible"] == bool(moved.min() >= -1e-12 and moved.max() <= 1 + 1e-12)


# --- ∂S/∂x ≥ 0 on the engine itself -------------------------------------------------------------------------------


@LAWS
@given(low=chances, more=chances, size=st.integers(1, 100), severity=st.sampled_from(SEVERITIES))
@pytest.mark.parametrize("kind", ["revenue", "price"])
def test_more_of_a_harm_factor_never_lowers_the_loss(kind, low, more, size, severity, catalog):
    harm = Severity(-size / 200, -size / 150, -size / 100)
    shocks = (RevenueShock("us_revenue_share", harm, "test"),) if kind == "revenue" else ()
    effects = (PriceEffect("us_listing_risk", harm, "test"),) if kind == "price" else ()
    case = replace(scenario("cut", 0, 0.5), revenue_shocks=shocks, price_effects=effects)
    assumptions = load_assumptions(catalog.root)

    def loss(x):
        score = (x / 2, x, min(1.0, 2 * x))
        facts = IssuerFacts(
            "inspur",
            {"us_revenue_share": score, "us_listing_risk": score},
            (1.0, 2.0, 5.0),
            "estimated",
            thin_margin=False,
        )
        effect = one_effect(facts, case, severity, None, 0.0, {}, assumptions)
        return [max(0.0, -r) for r in effect.price]

    less, larger = sorted((low, more))
    assert all(b >= a - 1e-12 for a, b in zip(loss(less), loss(larger), strict=True))


@LAWS
@given(low=chances, more=chances, cut=chances, grade=st.sampled_from(["ordinary", "important"]))
def test_a_larger_supply_share_never_lowers_the_loss(low, more, cut, grade):
    def loss(share):
        graph = build_graph(
            links_frame(
                link("foundry", "maker", share, criticality=grade),
                link("other_inputs", "maker", 1.0 - share),
                link("maker", "server", share, criticality=grade),
            ),
            nodes_frame("foundry", "other_inputs"),
        )
        found = ChainEngine(graph, 1, Range(-9, -4, 0, "test")).losses({"foundry": cut}, 26)
        return [found.get(name, (0.0, 0.0, 0.0))[1] for name in ("maker", "server")]

    less, larger = sorted((low, more))
    assert all(b >= a - 1e-9 for a, b in zip(loss(less), loss(larger), strict=True))


def test_the_shipped_scenarios_hurt_more_where_a_harm_factor_is_larger(catalog):
    """Every harm factor that a scenario of the catalogue turns into a loss."""
    assumptions = load_assumptions(catalog.root)
    checked = 0
    for case in scenario_definitions(catalog).values():
        sizes = {item.factor: item.change for item in case.revenue_shocks}
        sizes |= {item.factor: item.effect for item in case.price_effects}
        for factor, size in sizes.items():
            if catalog.factors[factor].sign != "harm" or size.base >= 0:
                continue
            returns = []
            for x in np.linspace(0.0, 1.0, 6).tolist():
                facts = IssuerFacts(
                    "inspur", {factor: (x, x, x)}, (1.0, 2.0, 5.0), "estimated", thin_margin=False
                )
                effect = one_effect(facts, case, "base", None, 0.0, {}, assumptions)
                returns.append(effect.price[1])
            assert returns == sorted(returns, reverse=True)
            checked += 1

    assert checked >= 2
