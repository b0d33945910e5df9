"""Nothing known later leaks into an earlier run. A researcher's back-test would be worthless without this."""

from dataclasses import replace
from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exposure.factors.evidence import visible
from exposure.factors.scoring import score_issuers
from exposure.schemas import Evidence, Links, ListLinks, empty, validated
from tests.factories import evidence, link

DAY = date(2025, 1, 24)
ISSUERS = ["inspur", "sugon", "digital_china", "talkweb", "hygon", "cambricon", "smic", "fii"]
MEASURES = [
    "ascend_revenue_share",
    "us_revenue_share",
    "domestic_compute_revenue_share",
    "foreign_foundry_cost_share",
    "us_capital_measure_probability",
]

later_fact = st.fixed_dictionaries(
    {
        "subject": st.sampled_from(ISSUERS),
        "measure": st.sampled_from(MEASURES),
        "value": st.floats(0, 1),
        "days": st.integers(1, 600),
        "backdated": st.integers(0, 600),
    }
)


@pytest.fixture(scope="module")
def before(catalog):
    return score_issuers(catalog, ISSUERS, DAY)


@pytest.mark.property
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(facts=st.lists(later_fact, min_size=1, max_size=8))
def test_evidence_known_later_changes_nothing(catalog, before, facts):
    rows = [
        evidence(
            fact["measure"],
            fact["subject"],
            fact["value"],
            evidence_id=f"later.{i}",
            grade="A",
            known_on=DAY + timedelta(days=fact["days"]),
            valid_from=DAY - timedelta(days=fact["backdated"]),
            source_id="zhongyuan-2025-01-24",
        )
        for i, fact in enumerate(facts)
    ]
    later = validated(pl.DataFrame(rows, schema=empty(Evidence).schema), Evidence)
    richer = replace(catalog, evidence=pl.concat([catalog.evidence, later]))

    assert score_issuers(richer, ISSUERS, DAY).equals(before)


@pytest.mark.property
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(days=st.integers(1, 600), share=st.floats(0, 0.2), customer=st.sampled_from(ISSUERS))
def test_a_link_known_later_changes_nothing(catalog, before, days, share, customer):
    row = link("hbm", customer, share, link_id="later", known_on=DAY + timedelta(days=days))
    later = validated(pl.DataFrame([row], schema=empty(Links).schema), Links)
    richer = replace(catalog, links=pl.concat([catalog.links, later]))

    assert score_issuers(richer, ISSUERS, DAY).equals(before)


@pytest.mark.property
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(days=st.integers(1, 600), issuer=st.sampled_from(ISSUERS), backdated=st.integers(0, 900))
def test_a_listing_known_later_changes_nothing(catalog, before, days, issuer, backdated):
    row = catalog.list_links.row(0, named=True) | {
        "link_id": "later",
        "issuer_id": issuer,
        "list_id": "EL",
        "relation": "self",
        "decision": "accepted",
        "valid_from": DAY - timedelta(days=backdated),
        "valid_to": None,
        "known_on": DAY + timedelta(days=days),
        "ended_known_on": None,
    }
    later = validated(pl.DataFrame([row], schema=empty(ListLinks).schema), ListLinks)
    richer = replace(catalog, list_links=pl.concat([catalog.list_links, later]))

    assert score_issuers(richer, ISSUERS, DAY).equals(before)


@pytest.mark.property
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 10_000))
def test_row_order_of_the_content_is_irrelevant(catalog, before, seed):
    shuffled = replace(
        catalog,
        evidence=catalog.evidence.sample(fraction=1.0, shuffle=True, seed=seed),
        links=catalog.links.sample(fraction=1.0, shuffle=True, seed=seed),
        list_links=catalog.list_links.sample(fraction=1.0, shuffle=True, seed=seed),
    )

    assert score_issuers(shuffled, ISSUERS, DAY).equals(before)


def test_a_fact_known_in_time_does_change_the_score(catalog, before):
    """The guard isn't a wall: the laws above would hold for a function that ignores evidence."""
    row = evidence(
        "ascend_revenue_share",
        "inspur",
        0.4,
        evidence_id="in.time",
        known_on=DAY,
        valid_from=date(2024, 12, 31),
        source_id="zhongyuan-2025-01-24",
    )
    now = validated(pl.DataFrame([row], schema=empty(Evidence).schema), Evidence)
    richer = replace(catalog, evidence=pl.concat([catalog.evidence, now]))

    after = score_issuers(richer, ISSUERS, DAY)

    assert not after.equals(before)
    assert after.filter(
        (pl.col("issuer_id") == "inspur") & (pl.col("factor_id") == "ascend_share")
    )["mid"].drop_nulls().item() == pytest.approx(0.4)


@pytest.mark.property
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(days=st.integers(1, 600), back=st.integers(0, 300), seed=st.integers(0, 10_000))
def test_an_end_that_is_learnt_later_changes_nothing(catalog, before, days, back, seed):
    """A tenth of all facts end in the past; nobody knew it on the day."""
    ended = {
        "valid_to": pl.lit(DAY - timedelta(days=back)),
        "ended_known_on": pl.lit(DAY + timedelta(days=days)),
    }

    def some(frame, key):
        chosen = frame.filter(visible(DAY)).sample(fraction=0.1, seed=seed)[key]
        hit = pl.col(key).is_in(chosen.to_list()) & (pl.col("valid_from") < ended["valid_to"])
        return frame.with_columns(
            pl.when(hit).then(value).otherwise(pl.col(name)).alias(name)
            for name, value in ended.items()
        )

    richer = replace(
        catalog,
        evidence=some(catalog.evidence, "evidence_id"),
        links=some(catalog.links, "link_id"),
    )

    assert score_issuers(richer, ISSUERS, DAY).equals(before)


@pytest.mark.property
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(days=st.integers(1, 600), share=st.floats(0, 0.3), seed=st.integers(0, 10_000))
def test_a_newer_period_of_any_link_known_later_changes_nothing(catalog, before, days, share, seed):
    chosen = (
        catalog.links_at(DAY)
        .sample(n=3, seed=seed)
        .with_columns(
            (pl.col("link_id") + ".later").alias("link_id"),
            pl.lit(DAY).alias("valid_from"),
            pl.lit(DAY + timedelta(days=days)).alias("known_on"),
            *(pl.lit(share).alias(end) for end in ("lo", "mid", "hi")),
        )
    )
    richer = replace(catalog, links=pl.concat([catalog.links, chosen]))

    assert score_issuers(richer, ISSUERS, DAY).equals(before)
