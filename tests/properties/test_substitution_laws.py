"""Laws of substitution: supply is conserved, nobody grows beyond headroom, and one cut counts once.

A user would notice a failure as gains that add to more than was lost.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exposure.scenarios.substitution import clear_markets, combine_shocks, ramped_rate, waterfill

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
def test_markets_are_cleared_apart(first, second):
    code = np.repeat([0, 1], [first[0].size, second[0].size])
    together = [np.concatenate(parts) for parts in zip(first, second, strict=True)]

    gain, shortage = clear_markets(code, *together)

    alone = [waterfill(*first), waterfill(*second)]
    assert gain == pytest.approx(np.concatenate([out.gain for out in alone]))
    assert shortage == pytest.approx([out.shortage for out in alone])


@LAWS
@given(
    st.lists(st.tuples(cuts, st.sampled_from("abc")), min_size=1, max_size=6),
    st.randoms(use_true_random=False),
)
def test_combined_cuts_stay_cuts(shocks, random):
    size = [cut for cut, _ in shocks]
    cause = [name for _, name in shocks]

    psi = float(combine_shocks(size, cause))

    assert max(size) - 1e-12 <= psi <= 1.0
    assert psi <= sum(size) + 1e-12
    random.shuffle(shocks)
    again = float(combine_shocks([cut for cut, _ in shocks], [name for _, name in shocks]))
    assert again == pytest.approx(psi, abs=1e-12)


@LAWS
@given(st.lists(cuts, min_size=1, max_size=6))
def test_one_cause_counts_once_and_several_as_independent(size):
    same = float(combine_shocks(size, ["rule"] * len(size)))
    apart = float(combine_shocks(size, [str(k) for k in range(len(size))]))

    assert same == pytest.approx(max(size), abs=1e-12)
    assert apart == pytest.approx(1 - np.prod([1 - cut for cut in size]), abs=1e-12)


@LAWS
@given(fractions, st.integers(1, 200), st.floats(0.0, 104.0))
def test_a_ramp_never_passes_its_end_nor_turns_back(rate, week, weeks):
    now, later = ramped_rate(rate, week, weeks), ramped_rate(rate, week + 1, weeks)

    assert 0.0 <= now <= later <= rate
