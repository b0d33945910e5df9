"""Laws of substitution: supply is conserved, nobody grows beyond headroom, and one cut counts once.

A user would notice a failure as gains that add to more than was lost.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exposure.scenarios.substitution import fill_many, waterfill

pytestmark = pytest.mark.property

LAWS = settings(max_examples=150, deadline=None)

fractions = st.floats(0.0, 1.0, allow_subnormal=False)
sizes = st.one_of(st.just(0.0), st.floats(1e-3, 1e4))
headrooms = st.one_of(st.just(0.0), st.floats(1e-3, 5.0))
cuts = st.one_of(st.sampled_from([0.0, 1.0]), fractions)


@st.composite
def markets(draw):
    n = draw(st.integers(1, 8))
    return tuple(
        np.array(draw(st.lists(kind, min_size=n, max_size=n))) for kind in (sizes, cuts, headrooms)
    )


@LAWS
@given(markets(), fractions)
def test_supply_is_conserved(market, rate):
    v, cut, headroom = market

    out = waterfill(v, cut, headroom, rate)

    total = max(1.0, float(v.sum()))
    assert out.lost_total == pytest.approx(float(v @ cut), abs=1e-12 * total)
    assert out.unmet + out.reallocated.sum() == pytest.approx(out.lost_total, abs=1e-9 * total)
    assert out.reallocated.sum() <= out.pool + 1e-9 * total
    assert 0.0 <= out.shortage <= 1.0 + 1e-12


@LAWS
@given(markets(), fractions)
def test_nobody_grows_beyond_headroom_and_nobody_without_cause(market, rate):
    v, cut, headroom = market

    out = waterfill(v, cut, headroom, rate)

    room = v * (1 - cut) * headroom
    assert (out.reallocated >= 0).all()
    assert (out.reallocated <= room * (1 + 1e-12)).all()
    assert (out.gain <= headroom * (1 + 1e-12)).all()
    assert (out.gain[out.size == 0] == 0).all()


@LAWS
@given(markets(), fractions)
def test_the_pool_or_the_room_is_used_up_and_the_unfilled_grow_alike(market, rate):
    v, cut, headroom = market

    out = waterfill(v, cut, headroom, rate)

    room = v * (1 - cut) * headroom
    scale = max(1.0, float(v.sum()))
    assert out.reallocated.sum() == pytest.approx(min(out.pool, room.sum()), abs=1e-9 * scale)
    level = out.gain.max()
    unfilled = (out.size > 0) & (out.gain < headroom * (1 - 1e-9))
    assert out.gain[unfilled] == pytest.approx(np.full(unfilled.sum(), level), rel=1e-9, abs=1e-12)


@LAWS
@given(st.lists(st.floats(1e-3, 1e4), min_size=1, max_size=8), fractions, fractions)
def test_all_cut_alike_without_headroom_leaves_exactly_that_shortage(supply, cut, rate):
    n = len(supply)

    out = waterfill(supply, np.full(n, cut), np.zeros(n), rate)

    assert out.shortage == pytest.approx(cut, abs=1e-12)
    assert out.reallocated.tolist() == [0.0] * n


@LAWS
@given(markets(), st.data())
def test_more_headroom_never_leaves_more_unmet(market, data):
    v, cut, headroom = market
    more = headroom.copy()
    more[data.draw(st.integers(0, v.size - 1))] += data.draw(st.floats(0.0, 3.0))

    assert waterfill(v, cut, more).unmet <= waterfill(v, cut, headroom).unmet + 1e-9 * max(
        1.0, v.sum()
    )


@LAWS
@given(markets(), st.randoms(use_true_random=False))
def test_the_order_of_suppliers_means_nothing(market, random):
    order = list(range(market[0].size))
    random.shuffle(order)

    shuffled = waterfill(*(part[order] for part in market))

    assert shuffled.reallocated == pytest.approx(
        waterfill(*market).reallocated[order], rel=1e-9, abs=1e-9
    )


@LAWS
@given(markets(), markets())
def test_many_markets_at_once_are_each_alone(first, second):
    """Sizes padded with suppliers that have nothing: nobody's share depends on the market beside."""
    width = max(first[0].size, second[0].size)

    def padded(values):
        return np.pad(values, (0, width - values.size))

    sizes = np.array([padded(v * (1.0 - cut)) for v, cut, *_ in (first, second)])
    rooms = np.array([padded(market[2]) for market in (first, second)])
    pools = [waterfill(*market).pool for market in (first, second)]

    together = fill_many(sizes, rooms, pools)

    for row, market in zip(together, (first, second), strict=True):
        assert row[: market[0].size] == pytest.approx(waterfill(*market).reallocated)
