"""Which fact to look up next, and how sure an exposure is: on the shipped content and on a world with known answers."""

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

from exposure.factors.research import by_point, research_list
from exposure.factors.scoring import score_issuers
from exposure.factors.uncertainty import exposure_bands
from exposure.schemas import Links, empty, validated
from tests.factories import link

DAY = date(2025, 1, 24)
HELD = {"sugon": 0.2, "inspur": 0.3, "hygon": 0.1, "lenovo": 0.2, "talkweb": 0.2}


def widths(catalog, weights, day=DAY):
    scores = score_issuers(catalog, list(weights), day).filter(pl.col("basis") == "main")
    out = {}
    for row in scores.iter_rows(named=True):
        part = weights[row["issuer_id"]] * (row["hi"] - row["lo"])
        out[row["factor_id"]] = out.get(row["factor_id"], 0.0) + part
    return out


@pytest.mark.parametrize("day", [date(2024, 6, 30), DAY, date(2026, 6, 30)])
def test_the_points_of_a_factor_add_up_to_the_width_of_its_exposure(catalog, day):
    points = research_list(catalog, HELD, day)
    whole = widths(catalog, HELD, day)

    found = dict(points.group_by("factor_id").agg(pl.col("width").sum()).iter_rows())
    for factor_id, width in found.items():
        assert width == pytest.approx(whole[factor_id], abs=1e-6)
    shares = points.group_by("factor_id").agg(pl.col("share").sum())["share"]
    assert shares.to_list() == pytest.approx([1.0] * shares.len(), abs=1e-6)


def test_a_fact_that_would_settle_most_comes_first(catalog):
    points = research_list(catalog, {"sugon": 1.0}, DAY, ["foundry_node_dependence"])

    assert points["width"].to_list() == sorted(points["width"].to_list(), reverse=True)
    assert points["point_id"].item(0) == "sugon.processors.hygon"


def test_learning_the_first_point_takes_its_width_away(catalog):
    """The list is advice: doing what it says must narrow the interval by about what it says."""
    (first,) = (
        research_list(catalog, {"sugon": 1.0}, DAY, ["foundry_node_dependence"]).head(1).to_dicts()
    )
    sure = pl.col("link_id") == first["point_id"]
    exact = {
        name: pl.when(sure).then(pl.col("mid")).otherwise(pl.col(name)).alias(name)
        for name in ("lo", "hi")
    }
    known = replace(catalog, links=catalog.links.with_columns(**exact), link_drift={})
    before = replace(catalog, link_drift={})

    gained = (
        widths(before, {"sugon": 1.0})["foundry_node_dependence"]
        - widths(known, {"sugon": 1.0})["foundry_node_dependence"]
    )

    assert 0.3 * first["width"] < gained


def test_one_fact_may_settle_several_factors(catalog):
    joined = by_point(research_list(catalog, HELD, DAY))

    top = joined.row(by_predicate=pl.col("point_id") == "sugon.processors.hygon", named=True)
    assert len(top["factors"]) > 1
    assert joined["width"].to_list() == sorted(joined["width"].to_list(), reverse=True)


def test_nothing_known_later_is_asked_of_an_earlier_day(catalog):
    points = research_list(catalog, HELD, date(2024, 6, 30))
    links = dict(catalog.links.select("link_id", "known_on").iter_rows())

    assert all(links.get(name, DAY) <= DAY for name in points["point_id"])


def test_the_order_of_the_weights_means_nothing(catalog):
    backwards = dict(reversed(list(HELD.items())))

    assert research_list(catalog, backwards, DAY).equals(research_list(catalog, HELD, DAY))


# --- bands -----------------------------------------------------------------------------------------------------------


def world(catalog, *links):
    frame = validated(pl.DataFrame(list(links), schema=empty(Links).schema), Links)
    return replace(catalog, links=frame, link_drift={})


SHARED = [
    link("foreign_foundry_16nm", "hygon", 0.3, link_id="h.f", lo=0.2, hi=0.4),
    link("other_inputs", "hygon", 0.6, link_id="h.o"),
    link("hygon", "sugon", 0.5, link_id="s.h"),
    link("other_inputs", "sugon", 0.5, link_id="s.o"),
    link("hygon", "inspur", 0.5, link_id="i.h"),
    link("other_inputs", "inspur", 0.5, link_id="i.o"),
]


def test_holders_of_one_fact_err_together(catalog):
    """Sugon and Inspur hang on the same foundry share: their errors add, so the band is near the common bracket."""
    small = world(catalog, *SHARED)

    (band,) = exposure_bands(
        small, {"sugon": 0.5, "inspur": 0.5}, DAY, ["foundry_node_dependence"], draws=4000
    ).to_dicts()

    assert band["mid"] == pytest.approx(0.5 * 0.3 / 0.95)  # pro rata to the 95% that is traced
    assert band["largest_item"] == "h.f"
    assert band["largest_share"] > 0.95
    assert band["sd_independent"] < band["sd_common"]
    assert band["band_lo"] < band["mid"] < band["band_hi"]
    # a PERT of [.2, .3, .4] has sd .2·√(1/28) = .038; halved along the chain, and a little less pro rata
    assert band["sd"] == pytest.approx(0.5 * 0.2 / 28**0.5, rel=0.35)


def test_a_band_without_uncertainty_is_a_point(catalog):
    sure = [
        link("foreign_foundry_16nm", "hygon", 0.4, link_id="a"),
        link("other_inputs", "hygon", 0.6, link_id="b"),
    ]

    (band,) = exposure_bands(
        world(catalog, *sure), {"hygon": 1.0}, DAY, ["foundry_node_dependence"]
    ).to_dicts()

    assert (band["band_lo"], band["band_hi"]) == pytest.approx((0.4, 0.4))
    assert band["largest_item"] is None


def test_a_band_lies_inside_the_outer_bounds_and_repeats(catalog):
    first = exposure_bands(catalog, HELD, DAY)
    scores = score_issuers(catalog, list(HELD), DAY).filter(
        pl.col("mid").is_not_null() & (pl.col("basis") == "main")
    )

    assert first.equals(exposure_bands(catalog, HELD, DAY))
    assert not first.equals(exposure_bands(catalog, HELD, DAY, seed=1))
    for band in first.iter_rows(named=True):
        mine = scores.filter(pl.col("factor_id") == band["factor_id"])
        w = np.array([HELD[name] for name in mine["issuer_id"]])
        assert band["band_lo"] >= w @ mine["lo"].to_numpy() - 1e-12
        assert band["band_hi"] <= w @ mine["hi"].to_numpy() + 1e-12
        assert band["sd_independent"] <= band["sd_mixed"] + 1e-12
        assert band["sd_mixed"] <= band["sd_common"] + 1e-12


def test_an_unknown_score_takes_no_part_in_a_band(catalog):
    bands = exposure_bands(catalog, {"lenovo": 1.0}, DAY, ["foundry_node_dependence"])

    assert bands.is_empty()
