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


def base_return(found, listing):
    return found.positions.filter(pl.col("listing_id") == listing)["ret"].item()


def test_a_listing_of_one_company_makes_no_other_cut_last_longer(book, catalog):
    """The listing lasts five years, the ban of GPUs two: Hygon, which only the ban reaches, gains the same."""
    alone = stress(book, catalog, ["gpu_export_ban"], severities=["base"])
    both = stress(
        book, catalog, ["gpu_export_ban", "new_list_entry"], severities=["base"], combine=True
    )

    assert base_return(both, "688041.SH") == pytest.approx(base_return(alone, "688041.SH"))
    assert base_return(both, "000977.SZ") < base_return(alone, "000977.SZ")


def test_a_rule_on_cars_changes_nothing_for_chips(book, catalog):
    alone = stress(book, catalog, ["gpu_export_ban"], severities=["base"])
    both = stress(
        book,
        catalog,
        ["gpu_export_ban", "connected_vehicle_rule"],
        severities=["base"],
        combine=True,
    )

    assert base_return(both, "000977.SZ") == pytest.approx(base_return(alone, "000977.SZ"))


def test_two_cuts_of_one_node_cost_no_more_than_both_apart(book, catalog):
    """A small lasting cut and a large short one: neither takes the other's duration."""
    from dataclasses import replace

    from exposure.scenarios.definitions import NodeShock, Severity

    known = scenario_definitions(catalog)["hbm_ban"]

    def item(name, size, years):
        shock = NodeShock("hbm", Severity(size, size, size), name, "t")
        span = Range(years, years, years, "t")
        return replace(known, id=name, node_shocks=(shock,), stockpiles=(), duration_years=span)

    small, large = item("small", 0.01, 10.0), item("large", 0.8, 0.25)
    apart = stress(book, catalog, [small, large], severities=["base"]).portfolio["result"].sum()
    both = stress(book, catalog, [small, large], severities=["base"], combine=True)

    assert apart <= both.portfolio["result"].item() < 0


def test_a_joint_draw_is_the_combination(book, catalog):
    import numpy as np

    from exposure.scenarios.simulation import scenario_returns
    from exposure.scenarios.world import read_world

    known = scenario_definitions(catalog)
    items = [known[name] for name in ("hbm_ban", "detente", "gpu_export_ban")]
    world = read_world(book, catalog, items)
    drawn, unknown = scenario_returns(
        world, world.cases(items, np.ones((1, 3), dtype=bool), np.full((1, 3), 0.5)), None
    )
    both = stress(book, catalog, items, severities=["base"], combine=True)
    rows = {row["listing_id"]: row for row in both.positions.iter_rows(named=True)}

    for j, name in enumerate(world.listings):
        assert unknown[0, j] == (rows[name]["origin"] == "none")
        if not unknown[0, j]:
            assert drawn[0, j] == pytest.approx(rows[name]["ret"], abs=1e-12)


def test_a_company_without_links_loses_over_the_same_weeks(book, catalog):
    """Great Wall (no links) and Digital China (links) enter the list for four weeks."""
    found = stress(
        book,
        catalog,
        [],
        list_adds={"000066.SZ": "entity_list", "000034.SZ": "entity_list"},
        duration=4 / 52,
        severities=["base"],
    )
    lost = dict(found.steps.select("issuer_id", "loss").iter_rows())

    assert (
        lost["great_wall"] == pytest.approx(lost["digital_china"]) == pytest.approx(0.15 * 4 / 52)
    )


def test_two_lines_of_one_company_are_one_listing(catalog):
    one = what_if(catalog, {}, {"9988.HK": "ns_cmic"})
    two = what_if(catalog, {}, {"9988.HK": "ns_cmic", "alibaba": "ns_cmic"})

    assert two.listings == one.listings


def test_several_mechanisms_of_one_company_all_count(catalog):
    both = what_if(catalog, {}, {"688256.SH": ["entity_list", "ns_cmic"]})

    assert [item.mechanism for item in both.listings] == ["entity_list", "ns_cmic"]


def test_no_probability_is_known_before_it_was_set(catalog, sample, root):
    from exposure.portfolios.holdings import load_holdings
    from exposure.scenarios.simulation import simulate

    early = load_holdings(
        sample, as_of=date(2024, 12, 20), master=catalog.master, content=root.path
    )
    found = stress(early, catalog, ["gpu_export_ban"])

    assert found.portfolio["probability"].null_count() == found.portfolio.height
    assert "set on 2025-01-24" in found.issues["message"][0]
    with pytest.raises(UsageError, match="set later"):
        simulate(early, catalog, draws=200)
