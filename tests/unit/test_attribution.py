"""Portfolio exposure: sums that add up, coverage that counts only what is known."""

import math
from datetime import date

import polars as pl
import pytest

from exposure.attribution import attach_scores, score, top_contributors
from exposure.errors import UsageError
from exposure.schemas import COVERED_STATUSES

DAY = date(2025, 1, 24)


def test_contributions_add_up_to_the_exposure(scores):
    sums = scores.contributions.group_by("factor_id", "basis").agg(pl.col("contribution").sum())
    both = scores.factors.join(sums, on=["factor_id", "basis"]).drop_nulls("mid")

    assert both.height >= 6
    for row in both.iter_rows(named=True):
        assert row["contribution"] == pytest.approx(row["mid"], abs=1e-12)


def test_shares_of_a_factor_add_up_to_one(scores):
    shares = (
        scores.contributions.drop_nulls("share")
        .group_by("factor_id", "basis")
        .agg(pl.col("share").sum())
    )

    assert shares.height >= 6
    assert all(total == pytest.approx(1.0) for total in shares["share"])


def test_the_interval_holds_the_mid_and_missing_widens_it(scores):
    for row in scores.factors.drop_nulls("mid").iter_rows(named=True):
        assert row["lo"] <= row["mid"] + 1e-12
        assert row["mid"] <= row["hi"] + 1e-12
    vehicle = scores.factors.filter(pl.col("factor_id") == "connected_vehicle_exposure")
    assert vehicle["mid"].item() is None
    assert vehicle["hi"].item() > 0.9


def test_coverage_counts_no_prior_and_no_gap(scores):
    invested = scores.positions.filter(
        (pl.col("factor_id") == "foundry_node_dependence") & (pl.col("basis") == "main")
    )
    covered = invested.filter(pl.col("status").is_in(COVERED_STATUSES))["weight"].sum()
    row = scores.factors.filter(pl.col("factor_id") == "foundry_node_dependence").row(0, named=True)

    assert row["coverage"] == pytest.approx(covered / invested["weight"].sum())
    assert row["with_mid"] > row["coverage"]


def test_active_is_against_the_benchmark(scores):
    row = scores.factors.filter(pl.col("factor_id") == "entity_list_status").row(0, named=True)

    assert row["active"] == pytest.approx(row["mid"] - row["benchmark"])


def test_gains_have_a_row_of_their_own(scores):
    signs = dict(scores.factors.select("factor_id", "sign").iter_rows())

    assert signs["domestic_substitution_benefit"] == "gain"
    assert signs["inventory_cover_weeks"] == "mitigant"


def test_the_matrix_keeps_unknown_unknown(scores):
    listings, factors, X = scores.matrix()

    assert X.shape == (len(listings), len(factors))
    lenovo, ascend = listings.index("0992.HK"), factors.index("ascend_share")
    assert math.isnan(X[lenovo, ascend])


def test_a_chosen_factor_alone_is_scored(book, catalog):
    only = score(book, catalog, factors=["ascend_share"])

    assert set(only.factors["factor_id"]) == {"ascend_share"}
    assert only.factors.height == 2  # two bases


def test_an_unknown_factor_is_refused_with_the_nearest(book, catalog):
    with pytest.raises(UsageError, match="ascend_share"):
        score(book, catalog, factors=["ascend_shares"])


def test_without_a_benchmark_active_is_unknown(catalog):
    from exposure.portfolios.holdings import load_holdings

    frame = pl.DataFrame({"listing": ["002261.SZ", "000034.SZ"], "weight": [0.5, 0.5]})
    small = load_holdings(frame, as_of=DAY, master=catalog.master)

    row = score(small, catalog).factors.row(0, named=True)

    assert row["benchmark"] is None
    assert row["active"] is None


def test_top_contributors_come_largest_first(scores):
    top = top_contributors(scores.contributions)[("entity_list_status", "main")]

    values = [row["contribution"] for row in top]
    assert values == sorted(values, reverse=True)
    assert top[0]["listing_id"] == "603019.SH"


def test_results_travel_as_json_and_html(scores):
    row = scores.to_dict()["factors"][0]

    assert row["factor_id"] == "ascend_share"
    assert row["top_contributors"][0]["listing_id"] == "002261.SZ"
    assert "<table" in scores._repr_html_()


def test_a_panel_gets_the_scores_of_each_day(catalog):
    panel = pl.LazyFrame(
        {
            "date": [date(2024, 8, 15), date(2025, 1, 24)],
            "listing_id": ["002261.SZ", "002261.SZ"],
            "weight": [1.0, 1.0],
        }
    )

    out = attach_scores(panel, catalog, factors=["ascend_share"])

    assert isinstance(out, pl.LazyFrame)
    found = out.filter(pl.col("basis") == "main").collect().sort("date")
    assert found["mid"].to_list()[0] is None  # the segment table was published in September 2024
    assert found["mid"].to_list()[1] == pytest.approx(0.4538, abs=1e-3)


def test_a_listing_the_catalog_doesnt_know_is_missing_in_a_panel(catalog):
    panel = pl.DataFrame({"date": [DAY], "listing_id": ["999999.SH"]})

    out = attach_scores(panel, catalog, factors=["ascend_share"]).collect()

    assert out["status"].unique().to_list() == ["missing"]
    assert out["hi"].unique().to_list() == [1.0]


def test_an_empty_panel_stays_empty(catalog):
    panel = pl.DataFrame(schema={"date": pl.Date, "listing_id": pl.String})

    assert attach_scores(panel, catalog).collect().is_empty()


def test_a_panel_without_its_columns_is_refused(catalog):
    with pytest.raises(UsageError, match="listing_id"):
        attach_scores(pl.DataFrame({"date": [DAY]}), catalog)


def test_the_bands_of_a_portfolio_hold_its_exposures(scores):
    exposures = {
        row["factor_id"]: row for row in scores.factors.filter(pl.col("basis") == "main").to_dicts()
    }

    assert scores.bands.height > 5
    for band in scores.bands.iter_rows(named=True):
        whole = exposures[band["factor_id"]]
        assert band["mid"] == pytest.approx(whole["mid"])
        assert whole["lo"] - 1e-9 <= band["band_lo"] <= band["band_hi"] <= whole["hi"] + 1e-9
    assert "bands" in scores.to_dict()
