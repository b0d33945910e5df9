"""Draws of the future on the sample book: they repeat, they add up, and views move them as far as they say."""

import numpy as np
import polars as pl
import pytest

from exposure.errors import ScenarioError, UsageError
from exposure.scenarios.simulation import simulate
from exposure.scenarios.stressing import stress
from exposure.scenarios.tails import cvar_discrete
from exposure.scenarios.typed_views import parse_view, pooled

DRAWS = 2_000


@pytest.fixture(scope="module")
def outlook(book, catalog, risk):
    return simulate(book, catalog, draws=DRAWS, seed=1, risk=risk)


def weights(book, outlook):
    held = dict(book.holdings.select("listing_id", "weight").iter_rows())
    return np.array([held.get(name, 0.0) for name in outlook.listings])


def test_the_seed_decides_everything(book, catalog, risk, outlook):
    again = simulate(book, catalog, draws=DRAWS, seed=1, risk=risk)
    other = simulate(book, catalog, draws=DRAWS, seed=2, risk=risk)

    assert again.tail.equals(outlook.tail)
    assert np.array_equal(again.returns, outlook.returns)
    assert not np.array_equal(other.returns, outlook.returns)


def test_the_batch_changes_no_draw(book, catalog, risk, outlook):
    """The first draws of a longer run are not the same draws, so the engine is run again on the same ones."""
    assert outlook.returns.shape == (DRAWS, len(outlook.listings))
    assert outlook.flags.shape == (DRAWS, len(outlook.scenarios))
    assert outlook.returns.min() >= -1.0
    assert outlook.probability.sum() == pytest.approx(1.0)


def test_scenarios_happen_as_often_as_stated(outlook):
    rows = outlook.attribution.filter(pl.col("level") == 0.95)
    for row in rows.filter(pl.col("scenario_id") != "no_event").iter_rows(named=True):
        assert row["probability"] == pytest.approx(row["stated"], abs=0.04)


def test_no_event_is_what_is_left(outlook):
    at = outlook.scenarios.index("no_event")
    others = np.delete(outlook.flags, at, axis=1)

    assert np.array_equal(outlook.flags[:, at], ~others.any(axis=1))


def test_cvar_splits_into_names_and_grows_with_the_level(book, outlook):
    w = weights(book, outlook)
    for row in outlook.tail.filter(pl.col("basis") == "scenarios").iter_rows(named=True):
        parts = outlook.contributions.filter(pl.col("level") == row["level"])
        assert parts["contribution"].sum() == pytest.approx(row["cvar"], abs=1e-12)
        again = cvar_discrete(-(outlook.returns @ w), outlook.probability, row["level"])
        assert (again.var, again.cvar) == pytest.approx((row["var"], row["cvar"]))
    by_level = outlook.tail.filter(pl.col("basis") == "scenarios").sort("level")["cvar"].to_list()
    assert by_level == sorted(by_level)


def test_a_draw_is_the_stress_test_of_its_scenarios(book, catalog):
    """With one certain scenario at a certain severity, every draw is the stress test itself."""
    from dataclasses import replace

    from exposure.scenarios.definitions import Range, Severity
    from exposure.scenarios.reading import scenario_definitions

    item = scenario_definitions(catalog)["hbm_ban"]
    shock = replace(item.node_shocks[0], severity=Severity(0.8, 0.8, 0.8))
    sure = replace(
        item,
        node_shocks=(shock,),
        probability=Range(1.0, 1.0, 1.0, "t"),
        duration_years=Range(3.0, 3.0, 3.0, "t"),
    )
    drawn = simulate(book, catalog, [sure], draws=100, seed=1)
    once = stress(book, catalog, [sure], severities=["base"])
    known = dict(
        once.positions.filter(pl.col("origin") == "modelled")
        .select("listing_id", "ret")
        .iter_rows()
    )

    assert len(known) >= 3
    for name, ret in known.items():
        assert drawn.returns[:, drawn.listings.index(name)] == pytest.approx(ret, abs=1e-12)


def test_without_a_risk_model_the_unknown_weight_is_said(book, catalog):
    outlook = simulate(book, catalog, ["hbm_ban"], draws=200, seed=1)

    assert outlook.summary["unknown_weight"] > 0.1
    assert outlook.tail["basis"].unique().to_list() == ["scenarios"]


def test_market_noise_stands_beside_the_scenarios(outlook):
    by = {(row["basis"], row["level"]): row["cvar"] for row in outlook.tail.iter_rows(named=True)}

    assert by["scenarios and market", 0.95] > by["scenarios", 0.95] > 0.0


def test_a_view_is_met_and_its_price_is_shown(book, catalog, outlook):
    viewed = simulate(book, catalog, draws=DRAWS, seed=1, views={"hbm_ban": 0.8})
    row = viewed.attribution.filter(pl.col("scenario_id") == "hbm_ban").row(0, named=True)

    assert row["probability"] == pytest.approx(0.8, abs=1e-8)
    assert 0.05 * DRAWS < viewed.summary["effective_draws"] < DRAWS
    assert viewed.summary["relative_entropy"] > 0.0


def test_views_on_both_and_on_one_given_the_other(book, catalog):
    viewed = simulate(
        book,
        catalog,
        draws=DRAWS,
        seed=1,
        views={"hbm_ban & gpu_export_ban": 0.3, "foundry_16nm_cut | hbm_ban": 0.6},
    )
    z = {name: viewed.flags[:, j] for j, name in enumerate(viewed.scenarios)}
    q = viewed.probability

    assert q @ (z["hbm_ban"] & z["gpu_export_ban"]) == pytest.approx(0.3, abs=1e-8)
    given = q @ (z["foundry_16nm_cut"] & z["hbm_ban"]) / (q @ z["hbm_ban"])
    assert given == pytest.approx(0.6, abs=1e-8)


def test_an_absurd_view_is_refused(book, catalog):
    everything = " & ".join(
        ["foundry_16nm_cut", "hbm_ban", "new_list_entry", "us_capital_ban", "eda_equipment_cut"]
    )
    with pytest.raises(ScenarioError, match="effective draws"):
        simulate(book, catalog, draws=DRAWS, seed=1, views={everything: 0.999})
    with pytest.raises(ScenarioError, match="no probabilities"):
        simulate(
            book,
            catalog,
            draws=DRAWS,
            seed=1,
            views={"hbm_ban": 0.2, "hbm_ban & gpu_export_ban": 0.4},
        )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"draws": 10}, "say nothing about a tail"),
        ({"scenarios": ["us_2025_01_15_foundry"]}, "no probability"),
        ({"scenarios": ["no_event"]}, "no scenario that changes anything"),
        ({"views": {"hbm_bann": 0.5}}, "hbm_ban"),
        ({"views": {"hbm_ban": 1.5}}, "probability lies in"),
        ({"views": {"hbm_ban &": 0.5}}, "can't be read"),
        ({"levels": (1.0,)}, "level"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(book, catalog, arguments, words):
    with pytest.raises(UsageError, match=words):
        simulate(book, catalog, **({"draws": 200} | arguments))


def test_dependence_fattens_the_tail(book, catalog):
    def cvar(rho):
        found = simulate(book, catalog, draws=4_000, seed=3, dependence=rho)
        return found.tail.filter(pl.col("level") == 0.99)["cvar"].item()

    assert cvar(0.8) > cvar(0.0)


def test_a_view_that_changes_nothing_costs_nothing():
    z = np.array([[True], [False]])
    found = pooled([parse_view("a", 0.5)], ["a"], z, np.array([0.5, 0.5]))

    assert found.relative_entropy == pytest.approx(0.0, abs=1e-12)
    assert pooled((), ["a"], z, np.array([0.5, 0.5])) is None
