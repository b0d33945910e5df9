"""Each thing that ``data check`` looks for is found where it is, and not where it isn't."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import polars as pl
import pytest

from exposure.factors.upkeep import check_catalog, rows_of
from exposure.scenarios.reading import scenario_references
from exposure.schemas import Evidence, Issuers, Links, Nodes, Sources, empty, validated
from tests.factories import evidence, link

DAY = date(2025, 1, 24)


@pytest.fixture(scope="module")
def scenarios(catalog):
    return scenario_references(catalog)


def issues(catalog, scenarios, rule, day=DAY):
    return check_catalog(catalog, scenarios, day).filter(pl.col("rule") == rule)


def with_rows(catalog, table, schema, *rows):
    more = validated(pl.DataFrame(list(rows), schema=empty(schema).schema), schema)
    return replace(catalog, **{table: pl.concat([getattr(catalog, table), more])})


def fact(measure, subject, value, **other):
    return evidence(
        measure, subject, value, source_id="zhongyuan-2025-01-24", known_on=DAY, **other
    )


def test_a_contradiction_names_both_figures_sources_and_why_one_wins(catalog, scenarios):
    broken = with_rows(
        catalog, "evidence", Evidence,
        fact("us_revenue_share", "talkweb", 0.1, evidence_id="one", grade="B"),
        fact("us_revenue_share", "talkweb", 0.4, evidence_id="two", grade="C"),
    )  # fmt: skip

    (row,) = (
        issues(broken, scenarios, "evidence_conflict").filter(pl.col("raw") == "two").to_dicts()
    )

    assert row["severity"] == "warning"
    for part in ("0.1", "0.4", "one", "two", "better grade"):
        assert part in row["message"]


def test_a_fact_known_before_its_source_came_out(catalog, scenarios):
    early = fact("us_revenue_share", "talkweb", 0.1, evidence_id="early") | {
        "known_on": date(2025, 1, 1)
    }
    broken = with_rows(catalog, "evidence", Evidence, early)

    assert "early" in issues(broken, scenarios, "known_before_published")["raw"].to_list()


def test_a_review_is_overdue_from_the_day_after_its_interval(catalog, scenarios):
    factor = catalog.factors["ascend_share"]
    due = factor.manual_check.last_checked + timedelta(days=factor.manual_check.interval_days)

    before = (
        issues(catalog, scenarios, "review_overdue", due)["message"]
        .str.contains("ascend_share")
        .any()
    )
    after = issues(catalog, scenarios, "review_overdue", due + timedelta(days=1))

    assert not before
    assert after["message"].str.contains("ascend_share").any()


def test_too_few_or_too_many_rows_for_a_factor(catalog, scenarios):
    factor = catalog.factors["ascend_share"]
    changed = replace(factor, expected_rows=(1000, 2000))
    broken = replace(catalog, factors={**catalog.factors, factor.id: changed})

    (row,) = issues(broken, scenarios, "row_count").to_dicts()

    assert str(rows_of(catalog, factor)) in row["message"]
    assert row["file"] == factor.file


def test_what_nothing_uses(catalog, scenarios):
    source = dict.fromkeys(Sources.columns()) | {
        "source_id": "nobody", "publisher": "p", "title": "t", "citation": "c", "language": "en", "licence": "own"
    }  # fmt: skip
    issuer = dict.fromkeys(Issuers.columns()) | {
        "issuer_id": "lonely", "name_zh": "孤", "name_en": "Lonely", "country": "CN", "role": "cloud"
    }  # fmt: skip
    node = dict.fromkeys(Nodes.columns()) | {
        "node_id": "island", "kind": "capability", "name_zh": "岛", "name_en": "Island"
    }  # fmt: skip
    broken = with_rows(catalog, "sources", Sources, source)
    broken = with_rows(broken, "nodes", Nodes, node)
    master = replace(
        broken.master,
        issuers=pl.concat(
            [
                broken.master.issuers,
                validated(pl.DataFrame([issuer], schema=empty(Issuers).schema), Issuers),
            ]
        ),
    )
    broken = replace(broken, master=master)

    found = check_catalog(broken, scenarios)

    for rule, raw in (
        ("orphan_source", "nobody"),
        ("orphan_node", "island"),
        ("orphan_issuer", "lonely"),
    ):
        assert raw in found.filter(pl.col("rule") == rule)["raw"].to_list()


def test_an_event_of_a_scenario_that_does_not_exist_is_an_error(catalog, scenarios):
    fewer = {name: refs for name, refs in scenarios.items() if name != "hbm_ban"}

    rows = issues(catalog, fewer, "unknown_scenario")

    assert rows["severity"].unique().to_list() == ["error"]
    assert set(rows["raw"]) == {"hbm_ban"}


def test_a_statement_that_lives_nowhere_is_an_error(catalog, scenarios):
    gone = "us_policy.hbm_controls.2024-12-02"
    poorer = replace(catalog, evidence=catalog.evidence.filter(pl.col("evidence_id") != gone))

    rows = issues(poorer, scenarios, "coverage")

    assert rows["severity"].unique().to_list() == ["error"]
    assert rows["row"].is_not_null().all()


def test_only_the_newest_edition_that_is_known_can_be_old(catalog, scenarios):
    first = catalog.editions.filter(pl.col("list_id") == "EL")
    day = date(2026, 11, 24)
    later = first.with_columns(
        pl.lit(date(2026, 11, 20)).alias("edition_date"),
        pl.lit(date(2026, 11, 22)).alias("known_on"),
    )
    both = replace(catalog, editions=pl.concat([catalog.editions, later]))

    def old(day):
        found = issues(both, scenarios, "list_edition_old", day).filter(pl.col("raw") == "EL")
        return [message.split("edition ")[1][:10] for message in found["message"]]

    assert old(day) == []
    assert old(date(2026, 11, 21)) == ["2026-07-31"]  # read, but not yet known


def test_old_lists_and_rules_without_an_outcome_on_a_late_day(catalog, scenarios):
    late = date(2026, 11, 24)

    assert "EL" in issues(catalog, scenarios, "list_edition_old", late)["raw"].to_list()
    assert issues(catalog, scenarios, "list_edition_old", DAY).is_empty()
    assert "US-2025-11-10-AFFIL-SUSPEND" in issues(catalog, scenarios, "outcome_missing", late)[
        "raw"
    ].to_list() or (not issues(catalog, scenarios, "outcome_missing", late).is_empty())


def test_age_is_reported_with_how_much_wider_it_made_an_interval(catalog, scenarios):
    rows = issues(catalog, scenarios, "evidence_stale", date(2026, 6, 30))

    assert rows["message"].str.contains("age widens an interval by up to").all()
    assert rows.height >= 1


def test_two_rows_of_one_flow_are_named(catalog, scenarios):
    twin = link("huawei", "talkweb", 0.3, link_id="twin", input_kind="ascend_kunpeng",
                source_id="zhongyuan-2025-01-24", known_on=DAY)  # fmt: skip
    broken = with_rows(catalog, "links", Links, twin)

    assert "twin" in issues(broken, scenarios, "flow_twice")["raw"].to_list()


def test_without_a_day_only_timeless_rules_are_checked(catalog, scenarios):
    rules = set(check_catalog(catalog, scenarios)["rule"])

    assert not rules & {"review_overdue", "list_edition_old", "evidence_conflict", "evidence_stale"}


def test_the_worst_comes_first_and_the_order_is_the_same_each_time(catalog, scenarios):
    found = check_catalog(catalog, scenarios, DAY)

    assert found.equals(check_catalog(catalog, scenarios, DAY))
    ranks = [{"error": 0, "warning": 1, "info": 2}[name] for name in found["severity"]]
    assert ranks == sorted(ranks)
