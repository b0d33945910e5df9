"""The stress test on the sample portfolio: sums, origins, what-ifs, and honest unknowns."""

import numpy as np
import polars as pl
import pytest

from exposure.errors import ScenarioError, UsageError
from exposure.scenarios.reading import scenario_definitions
from exposure.scenarios.stressing import stress


def base(frame):
    return frame.filter(pl.col("severity") == "base")


def test_every_scenario_of_the_catalogue_runs_at_three_severities(shock, catalog):
    assert shock.portfolio.height == 3 * len(scenario_definitions(catalog))
    assert set(shock.portfolio["severity"]) == {"low", "base", "high"}


def test_results_are_the_weighted_sum_of_positions(shock, book):
    held = book.holdings.select("listing_id", "weight").join(shock.positions, on="listing_id")
    sums = held.group_by("scenario_id", "severity").agg(
        (pl.col("weight") * pl.col("ret")).sum().alias("sum")
    )
    both = shock.portfolio.drop_nulls("result").join(sums, on=["scenario_id", "severity"])

    assert both.height >= 27
    assert all(
        a == pytest.approx(b, abs=1e-12) for a, b in both.select("result", "sum").iter_rows()
    )


def test_losses_and_gains_stand_apart_and_add_up(shock):
    for row in shock.portfolio.drop_nulls("result").iter_rows(named=True):
        assert row["loss_part"] <= 0 <= row["gain_part"]
        assert row["loss_part"] + row["gain_part"] == pytest.approx(row["result"], abs=1e-12)


def test_a_higher_severity_never_costs_a_modelled_loser_less(shock):
    for scenario in ("foundry_16nm_cut", "hbm_ban", "eda_equipment_cut"):
        rows = shock.positions.filter(
            (pl.col("scenario_id") == scenario) & (pl.col("origin") == "modelled")
        ).pivot(on="severity", index="listing_id", values="ret")
        assert rows.filter(pl.col("high") > pl.col("base") + 1e-12).is_empty()
        assert rows.filter(pl.col("base") > pl.col("low") + 1e-12).is_empty()


def test_modelled_inferred_and_unknown_weights_add_up(shock, book):
    total = book.holdings["weight"].sum()
    for row in shock.portfolio.iter_rows(named=True):
        parts = row["modelled_weight"] + row["inferred_weight"] + row["unmodelled_weight"]
        assert parts == pytest.approx(total)


def test_a_scenario_that_reaches_nothing_is_unknown_not_zero(shock):
    row = (
        base(shock.portfolio)
        .filter(pl.col("scenario_id") == "connected_vehicle_rule")
        .row(0, named=True)
    )

    assert row["result"] is None
    assert row["unmodelled_weight"] > 0.9


def test_no_event_is_zero(shock):
    row = base(shock.portfolio).filter(pl.col("scenario_id") == "no_event").row(0, named=True)

    assert row["result"] == 0.0


def test_every_interval_holds_its_return(shock):
    bad = shock.positions.filter(
        (pl.col("ret_lo") > pl.col("ret") + 1e-9) | (pl.col("ret") > pl.col("ret_hi") + 1e-9)
    )

    assert bad.is_empty()


def test_probability_and_plausibility_are_two_fields(shock):
    row = (
        base(shock.portfolio).filter(pl.col("scenario_id") == "foundry_16nm_cut").row(0, named=True)
    )

    assert row["probability"] == 0.4
    assert row["plausibility_d"] > 0
    assert row["plausibility_p"] != row["probability"]


def test_without_a_risk_model_names_off_the_graph_stay_unknown(book, catalog):
    out = stress(book, catalog, "foundry_16nm_cut")
    lenovo = base(out.positions).filter(pl.col("listing_id") == "0992.HK").row(0, named=True)

    assert lenovo["origin"] == "none"
    assert lenovo["ret"] is None
    assert base(out.portfolio)["unmodelled_weight"].item() > 0.1


def test_a_what_if_runs_alone_or_beside_the_catalogue(book, catalog, risk):
    alone = stress(book, catalog, node_shocks={"us_gpu": -0.4}, risk=risk)
    beside = stress(book, catalog, ["hbm_ban"], node_shocks={"us_gpu": -0.4}, risk=risk)

    assert alone.portfolio["scenario_id"].unique().to_list() == ["what_if"]
    assert set(beside.portfolio["scenario_id"]) == {"hbm_ban", "what_if"}


def test_a_bigger_what_if_costs_more(book, catalog, risk):
    small = stress(book, catalog, node_shocks={"us_gpu": -0.2}, severities=["base"], risk=risk)
    large = stress(book, catalog, node_shocks={"us_gpu": -0.8}, severities=["base"], risk=risk)

    def inspur(out):
        return out.positions.filter(pl.col("listing_id") == "000977.SZ")["ret"].item()

    assert inspur(large) < inspur(small) < 0


def test_unknown_names_and_sizes_are_refused(book, catalog):
    with pytest.raises(UsageError, match="hbm_ban"):
        stress(book, catalog, "hbm_bann")
    with pytest.raises(UsageError, match="us_gpu"):
        stress(book, catalog, node_shocks={"us_gpus": -0.4})
    with pytest.raises(ScenarioError, match="between 0 and all"):
        stress(book, catalog, node_shocks={"us_gpu": 0.4})
    with pytest.raises(UsageError, match="severity"):
        stress(book, catalog, severities=["huge"])


def test_results_travel_as_json_and_html(shock):
    assert shock.to_dict()["rows"][0]["scenario_id"] == "foundry_16nm_cut"
    assert "<table" in shock._repr_html_()


def test_a_scenario_built_in_code_means_the_same_as_its_file(book, catalog, risk):
    definition = scenario_definitions(catalog)["foundry_16nm_cut"]

    by_id = stress(book, catalog, "foundry_16nm_cut", risk=risk)
    by_object = stress(book, catalog, [definition], risk=risk)

    assert by_id.positions.equals(by_object.positions)


def test_an_unmodelled_company_is_never_inferred(book, catalog, risk):
    from dataclasses import replace

    from exposure.scenarios.simulation import scenario_returns
    from exposure.scenarios.world import read_world

    item = replace(scenario_definitions(catalog)["foundry_16nm_cut"], unmodelled=("lenovo",))
    row = (
        stress(book, catalog, [item], risk=risk, severities=["base"])
        .positions.filter(pl.col("listing_id") == "0992.HK")
        .row(0, named=True)
    )
    assert (row["ret"], row["origin"], row["channel"]) == (None, "none", "unmodelled")

    world = read_world(book, catalog, [item])
    _, unknown = scenario_returns(
        world, world.cases([item], np.ones((1, 1), dtype=bool), np.full((1, 1), 0.5)), risk
    )
    assert unknown[0, world.listings.index("0992.HK")]


def test_a_shock_of_nothing_is_a_known_zero(book, catalog):
    found = stress(book, catalog, [], node_shocks={"hbm": 0.0}, severities=["base"])

    assert found.portfolio["result"].item() == 0.0
    assert found.positions.filter(pl.col("origin") == "modelled").height >= 3


def test_a_company_that_loses_money_has_no_percentage_of_earnings(shock):
    row = shock.steps.filter(
        (pl.col("issuer_id") == "cambricon")
        & (pl.col("scenario_id") == "foundry_16nm_cut")
        & (pl.col("severity") == "low")
    ).row(0, named=True)

    assert row["wiped_out"]


def test_a_short_is_worst_where_its_listing_does_best(book, catalog):
    from dataclasses import replace

    turned = replace(book, holdings=book.holdings.with_columns(-pl.col("weight")))
    long = stress(book, catalog, ["foundry_16nm_cut"], severities=["base"]).portfolio.row(
        0, named=True
    )
    short = stress(turned, catalog, ["foundry_16nm_cut"], severities=["base"]).portfolio.row(
        0, named=True
    )

    assert short["result"] == pytest.approx(-long["result"])
    assert short["result_lo"] == pytest.approx(-long["result_hi"])
    assert short["result_hi"] == pytest.approx(-long["result_lo"])


def test_the_steps_of_a_change_of_revenue_show_its_duration(shock):
    row = shock.steps.filter(
        (pl.col("issuer_id") == "hygon")
        & (pl.col("scenario_id") == "domestic_substitution")
        & (pl.col("severity") == "base")
    ).row(0, named=True)

    assert row["years"] == pytest.approx(3.0)
    assert 0.1 < row["weight"] < 0.2


def test_a_result_doesn_t_depend_on_what_else_is_run(book, catalog, risk, shock):
    """Bit for bit: one scenario at one severity alone, and among all at three."""
    for name in ("foundry_16nm_cut", "gpu_export_ban", "detente"):
        alone = stress(book, catalog, name, severities=["base"], risk=risk).positions
        among = shock.positions.filter(
            (pl.col("scenario_id") == name) & (pl.col("severity") == "base")
        )
        assert alone.equals(among)
