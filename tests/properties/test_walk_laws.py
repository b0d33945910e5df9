"""Laws of the graph room on random worlds: nothing is lost, nothing is added twice, knowing less never looks safer."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exposure.factors.bounds import first_hit_bounds, width_parts
from exposure.factors.evidence import current_links
from exposure.factors.graph import aged, build_graph
from exposure.factors.recipes import criticality
from exposure.factors.walks import targets, walk, walks
from tests.factories import REPORT_DAY, link, links_frame, nodes_frame
from tests.properties.test_network_laws import intervals

pytestmark = pytest.mark.property

LAWS = settings(max_examples=60, deadline=None)
NODES = ("foundry", "hbm", "other_inputs")
COMPANIES = ("hygon", "inspur", "sugon", "smic", "fii")
KINDS = ("chips", "memory", "boards")


@st.composite
def worlds(draw):
    """Links between five companies and three capabilities; each bill adds to at most its whole."""
    rows = []
    for customer in COMPANIES:
        suppliers = draw(
            st.lists(st.sampled_from([*NODES, *COMPANIES]), max_size=4, unique=True).map(
                lambda names, own=customer: [name for name in names if name != own]
            )
        )
        room = 100
        for supplier in suppliers:
            share = draw(st.integers(0, max(0, room // 2)))
            room -= share
            low = draw(st.integers(0, share))
            high = draw(st.integers(share, 100))
            known = draw(st.booleans())
            rows.append(
                link(
                    supplier,
                    customer,
                    share / 100 if known else None,
                    lo=low / 100,
                    hi=high / 100,
                    input_kind=draw(st.sampled_from(KINDS)),
                    criticality=draw(st.sampled_from(["essential", "important", "ordinary"])),
                    link_id=f"{customer}.{supplier}",
                )
            )
    return rows or [link("foundry", "hygon", 0.5)]


def graph_of(rows):
    return build_graph(links_frame(*rows), nodes_frame(*NODES))


@LAWS
@given(worlds())
def test_a_walk_of_many_questions_is_each_walk_alone(rows):
    graph = graph_of(rows)

    both = walks(graph, [targets(graph, ["foundry"]), targets(graph, ["hbm"])])

    for found, name in zip(both, ("foundry", "hbm"), strict=True):
        alone = walk(graph, [name])
        for part in ("lo", "mid", "hi", "traced"):
            assert getattr(found, part) == pytest.approx(getattr(alone, part), abs=1e-12)


@LAWS
@given(worlds())
def test_tiers_add_to_the_point_and_the_point_lies_in_its_bounds(rows):
    graph = graph_of(rows)

    found = walk(graph, ["foundry"])

    assert (found.lo <= found.mid + 1e-12).all()
    assert (found.mid <= found.hi + 1e-12).all()
    assert (found.traced <= 1 + 1e-12).all()
    clipped = (found.mid <= found.lo + 1e-12) | (found.mid >= found.hi - 1e-12)
    assert found.tier.sum(axis=0)[~clipped] == pytest.approx(found.mid[~clipped], abs=1e-9)


@LAWS
@given(worlds(), st.data())
def test_deleting_a_link_never_lowers_the_upper_end(rows, data):
    gone = data.draw(st.integers(0, len(rows) - 1))
    left = [row for i, row in enumerate(rows) if i != gone] or [link("hbm", "nobody", 0.1)]
    before, after = graph_of(rows), graph_of(left)

    lost = walk(before, ["foundry"])
    kept = walk(after, ["foundry"])

    for name in COMPANIES:
        at = before.index(name)
        if at is None:
            continue
        still = after.index(name)
        upper = 1.0 if still is None else kept.hi[still]
        assert upper >= lost.hi[at] - 1e-9


@LAWS
@given(worlds())
def test_criticality_is_a_share_and_grows_with_what_is_cut(rows):
    graph = graph_of(rows)
    phi = np.zeros((len(graph.node_ids), 2))
    phi[graph.position["foundry"], :] = 1.0
    phi[graph.position["hbm"], 1] = 1.0

    for end in ("lo", "mid", "hi"):
        loss = criticality(graph, phi, end)
        assert ((loss >= phi - 1e-12) & (loss <= 1 + 1e-12)).all()
        assert (loss[:, 1] >= loss[:, 0] - 1e-9).all()


@LAWS
@given(worlds(), st.sampled_from(COMPANIES))
def test_a_further_input_of_unknown_size_never_makes_a_company_look_safer(rows, customer):
    unknown = link("nobody", customer, None, lo=0.0, link_id="more", input_kind="unknown")
    before, after = graph_of(rows), graph_of([*rows, unknown])

    def upper(graph):
        phi = np.zeros((len(graph.node_ids), 1))
        phi[graph.position["foundry"], 0] = 1.0
        return dict(zip(graph.node_ids, criticality(graph, phi, "hi")[:, 0], strict=True))

    safer, now = upper(before), upper(after)
    assert all(now[name] >= safer[name] - 1e-9 for name in safer)


@LAWS
@given(worlds(), st.integers(0, 2_000))
def test_age_widens_and_never_moves_a_point(rows, days):
    frame = links_frame(*rows)

    older = aged(frame, date(2024, 7, 1) + timedelta(days=days), {"default": 0.05, "chips": 0.1})

    assert (older["lo"] <= frame["lo"] + 1e-12).all()
    assert (older["hi"] >= frame["hi"] - 1e-12).all()
    assert older["mid"].equals(frame["mid"])


@LAWS
@given(intervals(), st.data())
def test_the_parts_of_a_width_add_to_it(case, data):
    a_lo, _, a_hi, phi, rest = case
    n = phi.size
    lower = phi * data.draw(st.sampled_from([1.0, 0.5]))
    stops = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    w = np.array(data.draw(st.lists(st.floats(0, 1), min_size=n, max_size=n)))
    # walks that hardly ever end have no width to speak of: their solution has few digits
    shrunk = a_lo * 0.9

    parts = width_parts(lower, phi, shrunk, a_hi, w, rest, stops=stops)
    bounds = first_hit_bounds(lower, phi, shrunk, a_hi, rest, stops=stops)

    total = parts.links.value.sum() + parts.unexplained.sum() + parts.own.sum()
    assert total == pytest.approx(w @ (bounds.hi - bounds.lo), abs=1e-9)
    assert (parts.links.value >= -1e-12).all()
    assert (parts.unexplained >= -1e-12).all()


@LAWS
@given(worlds(), st.integers(1, 500))
def test_a_link_that_becomes_known_or_ends_later_changes_nothing_now(rows, days):
    later = REPORT_DAY + timedelta(days=days)
    frame = links_frame(*rows)
    ended = frame.with_columns(
        pl.lit(REPORT_DAY - timedelta(days=1)).alias("valid_to"),
        pl.lit(later).alias("ended_known_on"),
    )
    newer = frame.with_columns(
        pl.lit(REPORT_DAY).alias("valid_from"), pl.lit(later).alias("known_on"),
        (pl.col("link_id") + ".new").alias("link_id"), pl.lit(0.9).alias("hi"),
    )  # fmt: skip

    now = current_links(frame, REPORT_DAY)

    same = [name for name in now.columns if name not in ("valid_to", "ended_known_on")]
    assert current_links(ended, REPORT_DAY).select(same).equals(now.select(same))
    assert current_links(pl.concat([frame, newer]), REPORT_DAY).equals(now)
