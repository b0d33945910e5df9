"""Laws of scenarios in the chain: more shock no less loss, nobody wins out of nothing, and splitting changes nothing.

A user would notice a failure as a rule that hurts less when it is combined with another, or as supply from nowhere.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exposure.factors.graph import build_graph
from exposure.scenarios.cases import build_cases
from exposure.scenarios.cuts import Cuts
from exposure.scenarios.definitions import (
    NodeShock,
    Range,
    ScenarioDefinition,
    Severity,
    Substitution,
)
from exposure.scenarios.network_run import ChainEngine
from exposure.scenarios.static import static_losses
from exposure.scenarios.weekly import propagate, propagate_many
from exposure.scenarios.weekly_network import weekly_network
from tests.factories import link, links_frame, nodes_frame

pytestmark = pytest.mark.property

LAWS = settings(max_examples=40, deadline=None)
SLACK = 1e-9
unit = st.floats(0.0, 1.0, allow_subnormal=False)
POINT = Range(0.0, 0.0, 0.0, "t")
RHO = Range(-9.0, -4.0, 0.0, "t")


@st.composite
def economies(draw, grades=("essential", "ordinary")):
    """Up to seven nodes without stocks; the shares of an input sum to one, costs to at most one."""
    n = draw(st.integers(2, 7))
    m = draw(st.integers(1, 12))
    node, kind = st.integers(0, n - 1), st.integers(0, 2)
    supplier = draw(st.lists(node, min_size=m, max_size=m))
    customer = draw(st.lists(node, min_size=m, max_size=m))
    kinds = draw(st.lists(kind, min_size=m, max_size=m))
    grade = {
        key: draw(st.sampled_from(grades)) for key in sorted(set(zip(customer, kinds, strict=True)))
    }
    size = draw(st.lists(st.floats(0.05, 1.0), min_size=m, max_size=m))
    total = np.bincount(customer, size, minlength=n)
    cost = [s / total[c] * 0.9 for s, c in zip(size, customer, strict=True)]
    critical = [grade[key] for key in zip(customer, kinds, strict=True)]
    return weekly_network(n, supplier, customer, kinds, cost, critical)


@st.composite
def shocks(draw, n):
    return np.array(draw(st.lists(unit, min_size=n, max_size=n)))


def final_loss(network, psi, weeks=400):
    """Loss in the last week, after everything has travelled."""
    return 1.0 - propagate(network, psi, horizons=[weeks]).output[-1]


@LAWS
@given(network=economies(), data=st.data())
def test_combined_loss_lies_between_the_worst_single_and_the_capped_sum(network, data):
    a, b = data.draw(shocks(network.n)), data.draw(shocks(network.n))
    both = 1.0 - (1.0 - a) * (1.0 - b)
    cuts = Cuts(np.array([a, b, both, np.maximum(a, b)]))
    one, other, together, same_cause = propagate_many(network, cuts, horizons=[30]).loss[:, 0]

    assert (together >= np.maximum(one, other) - SLACK).all()
    assert (together <= np.minimum(1.0, one + other) + SLACK).all()
    assert (same_cause <= together + SLACK).all()


@st.composite
def flows(draw):
    n = draw(st.integers(2, 6))
    W = np.array(
        draw(
            st.lists(
                st.lists(st.sampled_from([0.0, 0.0, 1.0, 3.0]), min_size=n, max_size=n),
                min_size=n,
                max_size=n,
            )
        )
    )
    np.fill_diagonal(W, 0.0)
    sector = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    return W, np.array(sector)


@LAWS
@given(network=flows(), data=st.data(), needs=st.sampled_from([1, 2]))
def test_the_weekly_mode_tends_to_the_static_one(network, data, needs):
    """Without stocks, sales or replaceability a lasting cut ends at the static fixed point.

    Essential inputs are kinds by sector; other inputs are one ordinary share of all that a firm buys, here nine tenths.
    """
    W, sector = network
    n = W.shape[0]
    psi = data.draw(shocks(n))
    bought = W.sum(axis=0)
    i, j = np.nonzero(W)
    if i.size == 0:
        return
    codes = np.unique(sector, return_inverse=True)[1]
    k = int(codes.max()) + 1
    costs = np.where(bought > 0, bought / 0.9, 1.0)
    static = static_losses(
        W,
        codes,
        np.full((k, k), needs),
        psi,
        replaceability=False,
        revenue=np.full(n, 1e9),
        weights=np.ones(n),
        costs=costs if needs == 1 else None,
    )
    grade = ["essential" if needs == 2 else "ordinary"] * i.size
    weekly = weekly_network(n, i, j, codes[i], W[i, j] / costs[j], grade)

    assert final_loss(weekly, psi) == pytest.approx(static.downstream, abs=1e-6)


@LAWS
@given(network=economies(grades=("essential", "important", "ordinary")), data=st.data())
def test_splitting_a_node_changes_nothing(network, data):
    """A supplier made of two halves that share its cut and its inputs is the supplier."""
    psi, node = data.draw(shocks(network.n)), data.draw(st.integers(0, network.n - 1))
    part = data.draw(st.floats(0.1, 0.9))
    sup, cus, kind, cost, grade = [], [], [], [], []

    def add(s, c, k, a, g):
        sup.append(s), cus.append(c), kind.append(k), cost.append(a), grade.append(g)

    for number in range(network.link_input.size):
        at = network.link_input[number]
        s, c = int(network.link_supplier[number]), int(network.input_customer[at])
        a = network.cost_share[at] * network.link_share[number]
        g, k = int(network.criticality[at]), int(network.input_kind[at])
        for customer in (c, network.n) if c == node else (c,):
            for supplier, share in (
                ((node, part), (network.n, 1 - part)) if s == node else ((s, 1.0),)
            ):
                add(supplier, customer, k, a * share, g)
    split = weekly_network(network.n + 1, sup, cus, kind, cost, np.array(grade))

    before = propagate(network, psi, horizons=[30]).loss[0]
    after = propagate(split, [*psi, psi[node]], horizons=[30]).loss[0]

    assert after[:-1] == pytest.approx(before, abs=1e-9)
    assert after[-1] == pytest.approx(before[node], abs=1e-9)


# --- markets and their makers ------------------------------------------------------------------------------------


def _chain():
    def essential(supplier, customer, share, **other):
        ends = dict.fromkeys(("kind_lo", "kind_mid", "kind_hi"), share)
        return link(supplier, customer, 0.1, criticality="essential", **ends, **other)

    links = links_frame(
        essential("foundry", "huawei", 0.6, link_id="a"),
        essential("smic", "huawei", 0.4, link_id="b"),
        essential("foundry", "hygon", 1.0, link_id="c"),
        link("huawei", "talkweb", 0.5, link_id="d"),
        essential("gpu", "inspur", 1.0, link_id="e"),
    )
    return ChainEngine(build_graph(links, nodes_frame("foundry", "gpu")), 1, RHO)


CHAIN = _chain()
NODES = ("foundry", "gpu", "smic", "huawei")


def _cases(rows, share, moved, room, ramp):
    sub = Substitution(
        "chips", "gpu", "m", "d", "benefit", Severity(moved, moved, moved), Severity(room, room, room), "t",
        ("hygon", "huawei"), ramp,
    )  # fmt: skip
    items = []
    for number, row in enumerate(rows):
        texts = dict.fromkeys(
            ("code", "name_zh", "name_en", "narrative", "narrative_zh", "anchor"), "s"
        )
        cuts = tuple(
            NodeShock(node, Severity(size, size, size), node, "t")
            for node, size in zip(NODES, row, strict=True)
        )
        items.append(
            ScenarioDefinition(
                f"s{number}", order=1, horizon_weeks=30, duration_years=Range(9.0, 9.0, 9.0, "t"), probability=None,
                node_shocks=cuts, substitutions=(sub,), **texts,
            )
        )  # fmt: skip
    size = len(items)
    return build_cases(
        items,
        np.eye(size, dtype=bool),
        np.full((size, size), 0.5),
        mechanisms={},
        under=frozenset(),
        shares={("m", "d"): (share, share, share)},
        priced=POINT,
    )


rows_of = st.lists(st.tuples(unit, unit, unit, unit), min_size=1, max_size=3)
settings_of = st.tuples(
    st.floats(0.05, 0.9), unit, st.floats(0.0, 3.0), st.sampled_from([0.0, 13.0, 26.0])
)


@LAWS
@given(rows=rows_of, how=settings_of)
def test_nobody_wins_what_was_not_lost(rows, how):
    found = CHAIN.run(_cases(rows, *how))
    for end in ("lo", "mid", "hi"):
        market = found.markets[end].get("chips")
        if market is None:
            continue
        assert (market.reallocated <= market.pool + SLACK).all()
        assert (market.reallocated >= 0.0).all()
        assert market.reallocated + market.unmet == pytest.approx(market.lost, abs=1e-9)
        assert (market.realised <= market.asked + SLACK).all()
        assert (market.asked <= how[2] + SLACK).all()
    assert all(
        (values >= 0.0).all() and (values <= 1.0).all() for values in found.own_loss.values()
    )


@LAWS
@given(row=st.tuples(unit, unit, unit, unit), more=st.tuples(unit, unit, unit), how=settings_of)
def test_a_larger_cut_of_what_substitutes_need_never_helps_them(row, more, how):
    """The ban stays as it is; everything else is cut further."""
    worse = tuple(
        1.0 - (1.0 - a) * (1.0 - b) for a, b in zip(row, (more[0], 0.0, *more[1:]), strict=True)
    )
    found = CHAIN.run(_cases([row, worse], *how))

    for end in ("lo", "mid", "hi"):
        less, larger = found.own_loss[end]
        assert (larger >= less - 1e-9).all()
        market = found.markets[end].get("chips")
        if market is not None:
            assert market.reallocated[1] <= market.reallocated[0] + 1e-9


@LAWS
@given(row=st.tuples(unit, unit, unit, unit), how=settings_of)
def test_being_asked_for_more_makes_no_loss_smaller(row, how):
    share, moved, room, ramp = how
    with_market = CHAIN.run(_cases([row], share, moved, room, ramp))
    without = CHAIN.run(_cases([row], share, 0.0, room, ramp))

    for end in ("lo", "mid"):
        assert (with_market.own_loss[end] >= without.own_loss[end] - SLACK).all()


@LAWS
@given(row=st.tuples(unit, unit, unit, unit), how=settings_of)
def test_readings_come_in_order(row, how):
    found = CHAIN.run(_cases([row], *how))

    low, mid, high = (found.own_loss[end][0] for end in ("lo", "mid", "hi"))
    known = found.reached[0]
    assert (low[known] <= mid[known] + SLACK).all()
    assert (mid[known] <= high[known] + SLACK).all()
