"""Laws of list status: what becomes known later never changes what an earlier day says; ownership flows down only.

A user would notice a failure as a back-test that knew of a listing before anybody could.
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exposure.lists.ownership import owned_by
from exposure.lists.status import LISTS, list_status
from exposure.schemas import Issuers, ListLinks, empty, validated

pytestmark = pytest.mark.property

START = date(2024, 1, 1)
NAMES = ("a", "b", "c")
ISSUERS = validated(
    pl.DataFrame(
        {
            "issuer_id": NAMES,
            "name_zh": NAMES,
            "name_en": NAMES,
            "country": ["CN"] * 3,
            "role": ["x"] * 3,
            "lei": [None] * 3,
            "note": [None] * 3,
        },
        schema=empty(Issuers).schema,
    ),
    Issuers,
)
days = st.integers(0, 400).map(lambda n: START + timedelta(days=n))


@st.composite
def link_frames(draw, known_after: date | None = None, prefix: str = "l") -> pl.DataFrame:
    rows = []
    for number in range(draw(st.integers(0, 8))):
        valid_from = draw(days)
        known_on = draw(days)
        if known_after is not None:
            known_on = known_after + timedelta(days=draw(st.integers(1, 100)))
        ends = draw(st.booleans())
        row = dict.fromkeys(ListLinks.columns())
        row |= {
            "link_id": f"{prefix}{number}",
            "issuer_id": draw(st.sampled_from(NAMES)),
            "list_id": draw(st.sampled_from([*LISTS, "FCC"])),
            "row_name": draw(st.sampled_from(["Row A", "Row B"])),
            "row_key": "key",
            "relation": draw(
                st.sampled_from(["self", "parent", "subsidiary", "sister", "homonym", "none"])
            ),
            "mechanism": draw(st.sampled_from(["listing", "entity_licence", "fdpr_fn4"])),
            "citation": "c",
            "valid_from": valid_from,
            "valid_to": valid_from + timedelta(days=draw(st.integers(1, 200))) if ends else None,
            "known_on": known_on,
            "ended_known_on": None,
            "decision": draw(st.sampled_from(["accepted", "accepted", "rejected"])),
            "reviewed_on": START,
            "source_id": "s",
            "locator": "l",
        }
        if ends:
            row["ended_known_on"] = row["valid_to"] + timedelta(days=draw(st.integers(-5, 30)))
        rows.append(row)
    return ListLinks.validate(pl.DataFrame(rows, schema=empty(ListLinks).schema))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), as_of=days)
def test_links_known_later_never_change_an_earlier_day(data, as_of):
    known = data.draw(link_frames())
    later = data.draw(link_frames(known_after=as_of, prefix="later"))

    before = list_status(known, ISSUERS, as_of)
    after = list_status(pl.concat([known, later]), ISSUERS, as_of)

    assert before.equals(after)


@settings(max_examples=60, deadline=None)
@given(links=link_frames(), as_of=days, delay=st.integers(1, 200))
def test_an_end_learnt_later_never_changes_an_earlier_day(links, as_of, delay):
    open_ended = links.with_columns(
        pl.lit(None, dtype=pl.Date).alias("valid_to"),
        pl.lit(None, dtype=pl.Date).alias("ended_known_on"),
    )
    ended = open_ended.with_columns(
        (pl.col("valid_from") + pl.duration(days=1)).alias("valid_to"),
        pl.lit(as_of + timedelta(days=delay)).alias("ended_known_on"),
    )

    assert list_status(open_ended, ISSUERS, as_of).equals(list_status(ended, ISSUERS, as_of))


@settings(max_examples=60, deadline=None)
@given(links=link_frames(), as_of=days, seed=st.integers(0, 1000))
def test_the_order_of_links_is_irrelevant(links, as_of, seed):
    shuffled = links.sample(fraction=1.0, shuffle=True, seed=seed)

    assert list_status(links, ISSUERS, as_of).equals(list_status(shuffled, ISSUERS, as_of))


@settings(max_examples=60, deadline=None)
@given(links=link_frames(), as_of=days)
def test_only_accepted_rows_make_anybody_listed(links, as_of):
    rejected = links.with_columns(pl.lit("rejected").alias("decision"))

    found = list_status(rejected, ISSUERS, as_of)

    assert set(found["status"]) == {"not_on_list"}
    assert found["link_ids"].list.len().sum() == 0


@settings(max_examples=60, deadline=None)
@given(links=link_frames(), as_of=days)
def test_every_answer_has_its_evidence_or_says_as_of_when(links, as_of):
    for row in list_status(links, ISSUERS, as_of).iter_rows(named=True):
        if row["status"] == "not_on_list":
            assert f"as of {as_of.isoformat()}" in row["wording"]
            assert row["link_ids"] == []
        else:
            assert row["link_ids"]
            assert row["known_on"] <= as_of
            assert row["valid_from"] <= as_of
        assert "clear" not in row["wording"]


companies = st.sampled_from(["a", "b", "c", "d", "e"])
percents = st.one_of(st.none(), st.floats(0, 50), st.just(50.0))


@st.composite
def stake_frames(draw) -> pl.DataFrame:
    pairs = draw(
        st.sets(st.tuples(companies, companies).filter(lambda p: p[0] != p[1]), max_size=10)
    )
    rows = []
    for owner, owned in sorted(pairs):
        lo = draw(percents)
        width = draw(st.floats(0, 20))
        rows.append((owner, owned, lo, None if lo is None else lo + width))
    schema = {"owner": pl.String, "owned": pl.String, "lo": pl.Float64, "hi": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


@settings(max_examples=100, deadline=None)
@given(stakes=stake_frames(), listed=st.sets(companies), more=st.sets(companies))
def test_more_listed_owners_never_catch_less(stakes, listed, more):
    rank = {"not_caught": 0, "unresolved": 1, "caught": 2}

    few = owned_by(stakes, listed)
    many = owned_by(stakes, listed | more)

    for name, owned in many.items():
        assert rank[owned.verdict] >= rank[few[name].verdict]
        assert 0.0 <= owned.lo <= owned.hi <= 100.0


@settings(max_examples=100, deadline=None)
@given(stakes=stake_frames(), listed=companies)
def test_ownership_flows_down_only(stakes, listed):
    downstream = {listed}
    edges = stakes.select("owner", "owned").rows()
    while grown := {b for a, b in edges if a in downstream} - downstream:
        downstream |= grown

    touched = {
        name for name, owned in owned_by(stakes, {listed}).items() if owned.verdict != "not_caught"
    }

    assert touched <= downstream
