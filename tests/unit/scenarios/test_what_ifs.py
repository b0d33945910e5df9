"""Scenarios made on the spot: refused where they make no sense, and the same numbers as their parts."""

from datetime import date

import polars as pl
import pytest

from exposure.errors import ScenarioError, UsageError
from exposure.scenarios.definitions import Range
from exposure.scenarios.reading import act_definitions, scenario_definitions
from exposure.scenarios.stressing import stress
from exposure.scenarios.what_ifs import act_of, chosen_scenarios, combined, lasting, what_if


def test_a_scenario_is_found_by_its_id_and_an_act_by_its_event(catalog):
    found = chosen_scenarios(catalog, ["hbm_ban", "US-2025-01-15-FOUNDRY", "us_2025_01_15_foundry"])

    assert [item.id for item in found] == ["hbm_ban", "us_2025_01_15_foundry"]


def test_a_name_that_is_wrong_is_answered_with_the_nearest(catalog):
    with pytest.raises(UsageError, match="US-2025-01-15-FOUNDRY"):
        chosen_scenarios(catalog, ["US-2025-01-15-FOUNDRI"])


def test_the_eve_is_the_last_day_on_which_nobody_knew(catalog):
    act, eve = act_of(catalog, "US-2024-12-02-FDP-HBM")

    assert act.id == "us_2024_12_02_fdp_hbm"
    assert eve == date(2024, 12, 1)
    assert act_of(catalog, act.id) == (act, eve)
    with pytest.raises(UsageError, match="act"):
        act_of(catalog, "hbm_ban")


def test_every_act_of_the_report_can_be_replayed(catalog):
    reported = catalog.events.filter(pl.col("in_report"))["event_id"].to_list()

    assert len(reported) >= 29
    for event in reported:
        act, eve = act_of(catalog, event)
        assert act.event == event
        assert eve < date(2025, 1, 24)


def test_a_combination_needs_two_and_names_its_parts(catalog):
    known = scenario_definitions(catalog)
    with pytest.raises(UsageError, match="two scenarios"):
        combined([known["hbm_ban"]])

    both = combined([known["hbm_ban"], known["gpu_export_ban"]])
    assert both.probability is None
    assert both.duration_years == known["hbm_ban"].duration_years  # the longer one
    assert [item.id for item in both.members] == ["hbm_ban", "gpu_export_ban"]


def test_a_combination_loses_at_least_its_worst_part_in_the_chain(book, catalog):
    names = ["foundry_16nm_cut", "hbm_ban", "eda_equipment_cut"]
    alone = stress(book, catalog, names, severities=["base"]).positions
    together = stress(book, catalog, names, severities=["base"], combine=True).positions
    worst = alone.group_by("listing_id").agg(pl.col("output_loss").max())
    both = together.select("listing_id", "output_loss").join(worst, on="listing_id").drop_nulls()

    assert both.height >= 5
    assert both.filter(pl.col("output_loss") < pl.col("output_loss_right") - 1e-9).is_empty()


def test_a_longer_duration_weighs_more_and_none_weighs_nothing(book, catalog):
    def worst(years):
        found = stress(book, catalog, ["hbm_ban"], severities=["base"], duration=years)
        return found.positions["ret"].min()

    assert worst(5.0) < worst(2.0) < worst(1.0) < 0.0
    assert worst(0.0) == 0.0
    with pytest.raises(ScenarioError, match="duration"):
        lasting(scenario_definitions(catalog)["hbm_ban"], Range(-1.0, 1.0, 2.0, "t"))


def test_a_listing_added_on_the_spot_hits_the_company_and_its_customers(book, catalog):
    found = stress(book, catalog, [], list_adds={"688256.SH": "entity_list"}, severities=["base"])
    rows = {row["listing_id"]: row for row in found.positions.iter_rows(named=True)}

    assert rows["688256.SH"]["origin"] == "modelled"
    assert rows["688256.SH"]["ret"] < 0
    assert rows["688256.SH"]["channel"] == "direct"
    assert found.portfolio["scenario_id"].to_list() == ["what_if"]


def test_a_company_listed_already_is_hit_less(book, catalog):
    """Sugon stands on the Entity List since 2019, Inspur's listed company doesn't on this day."""

    def ret(name):
        found = stress(book, catalog, [], list_adds={name: "entity_list"}, severities=["base"])
        return found.steps.filter(pl.col("channel") == "direct")["loss"].max()

    assert ret("603019.SH") < ret("000977.SZ")


def test_typed_names_and_mechanisms_are_checked(catalog):
    with pytest.raises(UsageError, match="entity_list"):
        what_if(catalog, {}, {"688256.SH": "entity_lst"})
    with pytest.raises(UsageError, match=r"688256\.SH"):
        what_if(catalog, {}, {"688256.SS": "entity_list"})


def test_acts_have_no_probability_and_stay_out_of_the_catalogue(catalog):
    acts = act_definitions(catalog)

    assert all(item.probability is None and item.event for item in acts.values())
    assert not set(acts) & set(scenario_definitions(catalog))


def test_a_replay_knows_nothing_of_what_came_later(catalog, sample, root):
    """The run on the eve equals the run with everything known later taken out of the catalog."""
    from dataclasses import replace

    from exposure.portfolios.holdings import load_holdings

    act, eve = act_of(catalog, "US-2024-12-02-FDP-HBM")
    book = load_holdings(sample, as_of=eve, master=catalog.master, content=root.path)
    early = replace(
        catalog,
        evidence=catalog.evidence.filter(pl.col("known_on") <= eve),
        links=catalog.links.filter(pl.col("known_on") <= eve),
        list_links=catalog.list_links.filter(pl.col("known_on") <= eve),
    )

    assert stress(book, catalog, [act]).positions.equals(stress(book, early, [act]).positions)


def test_ship_fees_leave_the_ship_builders_unknown(catalog):
    act, _ = act_of(catalog, "US-2024-04-301-SHIP")

    assert act.is_empty
    assert "cosco_shipping" in act.unmodelled
