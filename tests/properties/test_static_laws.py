"""Laws of the static engine and its corrections: what is lost is lost once, and no more than was there.

A user would notice a failure as supply out of nowhere, as two half firms that matter more or less than the whole one,
or as an index that depends on the currency, on the order of rows or on what was computed beside it.
"""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exposure.scenarios.static import CORRECTIONS, StaticNetwork
from exposure.scenarios.substitution import waterfill
from exposure.scenarios.systemic import systemic_risk

pytestmark = pytest.mark.property

LAWS = settings(max_examples=80, deadline=None)
SLACK = 1e-9

fractions = st.floats(0.0, 1.0, allow_subnormal=False)
shares = st.floats(0.0, 1.0, allow_subnormal=False).map(lambda x: 0.0 if x < 1e-6 else x)


@dataclass(frozen=True)
class World:
    """An open network: sales and purchases leave room for final demand and wages."""

    flows: np.ndarray
    sector: np.ndarray
    needs: np.ndarray
    revenue: np.ndarray
    costs: np.ndarray
    headroom: np.ndarray

    @property
    def n(self):
        return self.sector.size

    def network(self, unit=1.0, **other):
        """By default all corrections and no headroom."""
        given = {"corrected": list(CORRECTIONS), "costs": self.costs * unit} | other
        return StaticNetwork.of(
            self.flows * unit,
            self.sector,
            self.needs,
            revenue=self.revenue * unit,
            weights=self.revenue,
            **given,
        )

    def taken(self, firms, share=None):
        """Return the world of these firms, in this order, each the given part of what it was."""
        share = np.ones(len(firms)) if share is None else share
        return World(
            self.flows[np.ix_(firms, firms)] * np.outer(share, share),
            self.sector[firms],
            self.needs,
            self.revenue[firms] * share,
            self.costs[firms] * share,
            self.headroom[firms],
        )


@st.composite
def worlds(draw):
    n = draw(st.integers(2, 6))
    value = st.one_of(st.just(0.0), st.floats(1e-2, 5.0))
    flows = np.array(draw(st.lists(value, min_size=n * n, max_size=n * n))).reshape(n, n)
    _, sector = np.unique(
        draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)), return_inverse=True
    )
    kinds = int(sector.max()) + 1
    needs = draw(st.lists(st.integers(0, 2), min_size=kinds**2, max_size=kinds**2))
    room = st.sampled_from([0.0, 0.1, 0.5, 2.0])
    return World(
        flows,
        sector,
        np.array(needs).reshape(kinds, kinds),
        1.5 * flows.sum(axis=1) + 1.0,
        1.5 * flows.sum(axis=0) + 1.0,
        np.array(draw(st.lists(room, min_size=n, max_size=n))),
    )


@st.composite
def markets(draw):
    """Suppliers of one to three sectors, and customers who sell nothing and need them all."""
    suppliers, customers = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    value = st.one_of(st.just(0.0), st.floats(1e-2, 5.0))
    cells = suppliers * customers
    traded = np.array(draw(st.lists(value, min_size=cells, max_size=cells)))
    _, sector = np.unique(
        draw(st.lists(st.integers(0, 2), min_size=suppliers, max_size=suppliers)),
        return_inverse=True,
    )
    cut = np.array(draw(st.lists(shares, min_size=suppliers, max_size=suppliers)))
    room = draw(
        st.lists(st.sampled_from([0.0, 0.1, 0.5, 2.0]), min_size=suppliers, max_size=suppliers)
    )
    return traded.reshape(suppliers, customers), sector, cut, np.array(room)


def draw_cuts(data, n):
    return np.array(data.draw(st.lists(shares, min_size=n, max_size=n)))


# --- mass balance ---------------------------------------------------------------------------------


@LAWS
@given(market=markets())
def test_what_customers_miss_is_what_was_lost_less_what_was_gained(market):
    """One market at a time, so that the worst of several inputs hides none of them."""
    traded, sector, cut, room = market
    suppliers, customers = traded.shape
    sold = traded.sum(axis=1)
    gain = np.zeros(sold.size)
    for kind in range(int(sector.max()) + 1):
        at = sector == kind
        gain[at] = waterfill(sold[at], cut[at], room[at]).gain
    for kind in range(int(sector.max()) + 1):
        inside = sector == kind
        if not sold[inside].sum() > 0:
            continue
        flows = np.zeros((suppliers + customers,) * 2)
        flows[:suppliers, suppliers:] = traded * inside[:, None]
        needs = np.zeros((sector.max() + 2,) * 2, dtype=int)
        needs[:-1, -1] = 2
        network = StaticNetwork.of(
            flows,
            np.r_[sector, np.full(customers, sector.max() + 1)],
            needs,
            corrected=["mass_balance"],
            headroom=np.r_[room, np.zeros(customers)],
        )

        loss = network.losses(np.r_[cut, np.zeros(customers)]).downstream[suppliers:]

        missed = flows.sum(axis=0)[suppliers:] @ loss
        lost = sold[inside] @ cut[inside]
        gained = (sold * (1 - cut) * gain)[inside].sum()
        assert missed == pytest.approx(lost - gained, abs=1e-9)


@LAWS
@given(market=markets(), cut=shares)
def test_all_cut_alike_without_headroom_leaves_exactly_the_cut(market, cut):
    traded, sector, _, _ = market
    suppliers, customers = traded.shape
    flows = np.zeros((suppliers + customers,) * 2)
    flows[:suppliers, suppliers:] = np.maximum(traded, 0.01)
    needs = np.zeros((sector.max() + 2,) * 2, dtype=int)
    needs[:-1, -1] = 2
    network = StaticNetwork.of(
        flows,
        np.r_[sector, np.full(customers, sector.max() + 1)],
        needs,
        corrected=["mass_balance"],
    )

    loss = network.losses(np.r_[np.full(suppliers, cut), np.zeros(customers)]).downstream

    assert loss[suppliers:] == pytest.approx(np.full(customers, cut), abs=1e-14)


# --- size of losses -------------------------------------------------------------------------------


@LAWS
@given(world=worlds(), spare=st.booleans(), data=st.data())
def test_corrected_losses_are_fractions_above_the_shock_and_grow_with_it(world, spare, data):
    small = draw_cuts(data, world.n)
    large = small + (1 - small) * draw_cuts(data, world.n)
    network = world.network(headroom=world.headroom * spare)

    none, less, more = (network.losses(psi) for psi in (0 * small, small, large))

    assert none.combined == 0.0
    for psi, loss in ((small, less), (large, more)):
        for channel in (loss.downstream, loss.upstream):
            assert (channel >= psi).all()
            assert (channel <= 1).all()
    assert (more.downstream >= less.downstream - SLACK).all()
    assert (more.upstream >= less.upstream - SLACK).all()


@LAWS
@given(world=worlds(), data=st.data())
def test_more_headroom_never_hurts(world, data):
    cut = draw_cuts(data, world.n)

    without = world.network().losses(cut).downstream
    some = world.network(headroom=world.headroom).losses(cut).downstream
    more = world.network(headroom=world.headroom + 0.3).losses(cut).downstream

    assert (some <= without + SLACK).all()
    assert (more <= some + SLACK).all()


@LAWS
@given(world=worlds(), spare=st.booleans(), data=st.data())
def test_two_shocks_together_hurt_at_least_as_the_worse(world, spare, data):
    one, two = draw_cuts(data, world.n), draw_cuts(data, world.n)
    network = world.network(headroom=world.headroom * spare)

    together = network.losses(1 - (1 - one) * (1 - two))

    for alone in (network.losses(one), network.losses(two)):
        assert (together.downstream >= alone.downstream - SLACK).all()
        assert (together.upstream >= alone.upstream - SLACK).all()


@LAWS
@given(world=worlds(), data=st.data())
def test_two_shocks_together_hurt_at_most_as_their_capped_sum(world, data):
    """Bottlenecks overlap. Not so with headroom: two shocks may need the same spare capacity."""
    one, two = draw_cuts(data, world.n), draw_cuts(data, world.n)
    network = world.network()

    together = network.losses(1 - (1 - one) * (1 - two))

    apart = [network.losses(one), network.losses(two)]
    for channel in ("downstream", "upstream"):
        total = sum(getattr(loss, channel) for loss in apart)
        assert (getattr(together, channel) <= np.minimum(1.0, total) + SLACK).all()


# --- what must not matter -------------------------------------------------------------------------


@LAWS
@given(world=worlds(), how=st.sampled_from(["corrected", "headroom", "published"]), data=st.data())
def test_splitting_a_firm_into_identical_halves_changes_nothing(world, how, data):
    """With any correction of mass balance, or published without σ; σ itself depends on firm size."""
    firm = data.draw(st.integers(0, world.n - 1))
    cut = draw_cuts(data, world.n)
    firms = np.r_[np.arange(world.n), firm]
    share = np.ones(world.n + 1)
    share[[firm, world.n]] = 0.5

    def run(of, psi):
        given = {
            "corrected": {},
            "headroom": {"headroom": of.headroom},
            "published": {"corrected": (), "replaceability": False},
        }[how]
        return of.network(**given).losses(psi, eps=1e-12)

    whole, halves = run(world, cut), run(world.taken(firms, share), cut[firms])

    assert halves.downstream == pytest.approx(whole.downstream[firms], abs=SLACK)
    assert halves.upstream == pytest.approx(whole.upstream[firms], abs=SLACK)
    assert halves.combined == pytest.approx(whole.combined, abs=SLACK)


@LAWS
@given(world=worlds(), corrected=st.booleans(), data=st.data())
def test_the_order_of_firms_means_nothing(world, corrected, data):
    order = np.array(data.draw(st.permutations(range(world.n))))
    cut = draw_cuts(data, world.n) * 0.99  # σ leaps where a whole sector fails, by rounding too

    def run(of, psi):
        given = {"headroom": of.headroom} if corrected else {"corrected": ()}
        return of.network(**given).losses(psi)

    sorted_, shuffled = run(world, cut), run(world.taken(order), cut[order])

    assert shuffled.downstream == pytest.approx(sorted_.downstream[order], abs=SLACK)
    assert shuffled.upstream == pytest.approx(sorted_.upstream[order], abs=SLACK)
    assert shuffled.combined == pytest.approx(sorted_.combined, abs=SLACK)


@LAWS
@given(
    world=worlds(),
    unit=st.sampled_from([1e-6, 0.1, 7.0, 1e6]),
    how=st.sampled_from(["corrected", "headroom", "published"]),
    data=st.data(),
)
def test_the_unit_of_money_means_nothing(world, unit, how, data):
    """Not so for published σ, which takes 1 unit for what is left where a whole sector fails."""
    cut = draw_cuts(data, world.n)
    given = {
        "corrected": {},
        "headroom": {"headroom": world.headroom},
        "published": {"corrected": (), "replaceability": False},
    }[how]

    here, there = (world.network(unit=u, **given).losses(cut) for u in (1.0, unit))

    assert there.downstream == pytest.approx(here.downstream, abs=SLACK)
    assert there.upstream == pytest.approx(here.upstream, abs=SLACK)


# --- every firm once ------------------------------------------------------------------------------


@LAWS
@given(world=worlds(), how=st.sampled_from(["corrected", "headroom", "published"]))
def test_side_by_side_equals_one_by_one(world, how):
    """Within ten times eps, in an open network: eps is an estimate of what is still to come."""
    given = {
        "corrected": {},
        "headroom": {"headroom": world.headroom},
        "published": {"corrected": ()},
    }[how]
    network = world.network(**given)

    for eps in (1e-4, 1e-8):
        index = systemic_risk(network, eps=eps)

        alone = [network.losses(row).combined for row in np.eye(world.n)]
        assert index == pytest.approx(alone, abs=10 * eps)
    assert systemic_risk(network, [0], eps=1e-8)[0] == pytest.approx(index[0], abs=1e-14)
