"""From a number to its sources, on the shipped content."""

from dataclasses import replace
from datetime import date

import polars as pl
import pytest

from exposure.errors import UsageError
from exposure.factors.explain import explain, find_issuer
from exposure.factors.explain_walk import changes
from exposure.factors.ledger import evidence_ledger

DAY = date(2025, 1, 24)


def test_talkweb_walks_to_table_3(catalog):
    found = explain(catalog, "002261.SZ", "ascend_share", as_of=DAY)

    kunpeng = found.steps.filter(pl.col("id") == "xiangjiang_kunpeng.revenue.2024h1")
    segment = found.steps.filter(
        pl.col("id") == "talkweb.segment_revenue.intelligent_computing.2024h1.zhongyuan"
    )

    assert kunpeng["mid"].first() == 7.0
    assert segment["mid"].first() == 8.7
    assert kunpeng["locator"].first() == "Table 3"


def test_digital_china_is_far_smaller_than_its_name_and_shows_both_bases(catalog):
    scores = explain(catalog, "000034.SZ", "ascend_share", as_of=DAY).scores
    by_basis = {row["basis"]: row for row in scores.iter_rows(named=True)}

    assert by_basis["main"]["mid"] < 0.04
    assert by_basis["gross_profit"]["mid"] > 2 * by_basis["main"]["mid"]
    assert by_basis["gross_profit"]["unit"] == "fraction of gross profit"


def test_the_single_figures_stand_beside_the_interval(catalog):
    steps = explain(catalog, "000034.SZ", "ascend_share", as_of=DAY).steps
    beside = steps.filter((pl.col("kind") == "context") & (pl.col("depth") == 0))

    servers = beside.filter(pl.col("id") == "digital_china.ascend_ai_server_revenue_share.2024h1")
    assert servers["mid"].item() == pytest.approx(0.009, abs=1e-4)


def test_an_unlisted_issuer_can_be_explained(catalog):
    found = explain(catalog, "xfusion", "ascend_share", as_of=DAY)

    assert found.listing_id is None
    assert found.scores["status"].item(0) == "missing"
    assert "gap" in found.steps["kind"].to_list()


def test_a_list_status_names_the_row_and_its_citation(catalog):
    steps = explain(catalog, "603019.SH", "entity_list_status", as_of=DAY).steps

    assert any("84 FR 29373" in text for text in steps["locator"].to_list())


def test_a_screened_zero_names_the_edition(catalog):
    steps = explain(catalog, "002261.SZ", "entity_list_status", as_of=DAY).steps

    assert steps["kind"].to_list() == ["screened"]
    assert "edition" in steps["locator"].item()


def test_nothing_known_later_appears(catalog):
    steps = explain(catalog, "000977.SZ", as_of=date(2024, 8, 31)).steps

    assert steps.filter(pl.col("known_on") > date(2024, 8, 31)).is_empty()


def test_an_unknown_name_is_refused_with_the_nearest(catalog):
    with pytest.raises(UsageError, match=r"002261\.SZ"):
        find_issuer(catalog.master, "002262.SZ")
    with pytest.raises(UsageError, match="ascend_share"):
        explain(catalog, "002261.SZ", "ascend_shar", as_of=DAY)


def test_the_ledger_holds_every_fact_a_score_names_and_what_it_is_made_of(catalog, scores):
    ledger = evidence_ledger(catalog, scores.issuers, DAY)
    ids = set(ledger["evidence_id"])

    named = {fact for facts in scores.issuers["evidence_ids"].to_list() for fact in facts}
    assert named <= ids
    assert "xiangjiang_kunpeng.revenue.2024h1" in ids
    assert ledger.filter(pl.col("known_on") > DAY).is_empty()
    assert ledger.filter(pl.col("kind") == "evidence")["publisher"].null_count() == 0


SUGON = ("603019.SH", "foundry_node_dependence")


def test_a_walked_score_shows_what_carries_it(catalog):
    found = explain(catalog, *SUGON, as_of=DAY)
    (score,) = found.scores.to_dicts()
    flows = found.flows.filter(pl.col("factor_id") == SUGON[1])

    tiers = sum(score[f"tier_{name}"] for name in ("0", "1", "2", "3plus"))
    assert tiers == pytest.approx(score["mid"])
    assert score["critical_mid"] >= score["mid"]
    assert {"sugon.processors.hygon", "hygon.advanced_foundry.foreign_foundry_16nm"} <= set(
        flows["link_id"]
    )
    assert flows["flow"].drop_nulls().max() <= score["mid"] + 1e-9
    assert (flows["lo"] <= flows["printed_lo"] + 1e-12).fill_null(True).all()
    assert found.research["factor_id"].unique().to_list() == [SUGON[1]]


def test_two_days_differ_exactly_by_what_became_known_between(catalog):
    before, after = date(2024, 6, 30), DAY
    then, now = (explain(catalog, *SUGON, as_of=day) for day in (before, after))
    carrying = pl.col("kind").is_in(["evidence", "derived", "link", "list", "screened"])

    found = changes(catalog, then.steps, now.steps, before, after)

    new = set(now.steps.filter(carrying)["id"]) - set(then.steps.filter(carrying)["id"])
    gone = set(then.steps.filter(carrying)["id"]) - set(now.steps.filter(carrying)["id"])
    assert set(found.filter(pl.col("change") == "new")["id"]) == new
    assert set(found.filter(pl.col("change") == "gone")["id"]) == gone
    assert new
    # Take away what became known in between, and the later day says what the earlier did, but for age.
    late = {
        row["id"]
        for row in found.iter_rows(named=True)
        if row["known_on"] and row["known_on"] > before
    }
    assert late

    def as_known(frame):
        unended = pl.when(pl.col("ended_known_on") <= before).then(pl.col("valid_to"))
        rows = frame.filter(pl.col("known_on").is_null() | (pl.col("known_on") <= before))
        return rows.with_columns(unended.alias("valid_to"))

    blind = replace(
        catalog,
        evidence=as_known(catalog.evidence),
        links=as_known(catalog.links),
        list_links=catalog.list_links.filter(pl.col("known_on") <= before),
    )
    again = explain(blind, *SUGON, as_of=after)
    assert set(again.steps.filter(carrying)["id"]) == set(then.steps.filter(carrying)["id"])
    for row in found.filter(pl.col("change") == "new").iter_rows(named=True):
        assert row["known_on"] is None or row["known_on"] <= after


def test_the_same_day_twice_shows_no_change(catalog):
    found = explain(catalog, *SUGON, as_of=DAY)

    assert changes(catalog, found.steps, found.steps, DAY, DAY).is_empty()
