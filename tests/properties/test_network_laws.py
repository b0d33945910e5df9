"""Laws of the first-hit walk: shares stay shares, never count twice, and knowing less never looks safer.

A user would notice a failure as a score above 100%, or as a risk that falls when a fact is deleted.
"""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from exposure.factors.bounds import first_hit_bounds
from exposure.factors.network import (
    adjoint,
    first_hit,
    tiers,
    truncated_first_hit,
    upstream_load,
)

pytestmark = pytest.mark.property

LAWS = settings(max_examples=80, deadline=None)
SLACK = 1e-11

# Whole percents: a circle that leaks 1e-40 of its cost is singular in floating point, and no filing states one.
fractions = st.integers(0, 100).map(lambda percent: percent / 100)


@st.composite
def networks(draw, most=7):
    """Cost shares with any links, circles and self-supply, bills from nothing to the whole cost."""
    n = draw(st.integers(2, most))
    raw = np.array(draw(st.lists(fractions, min_size=n * n, max_size=n * n))).reshape(n, n)
    kept = np.array(draw(st.lists(st.booleans(), min_size=n * n, max_size=n * n))).reshape(n, n)
    bills = np.array(draw(st.lists(st.sampled_from([0.0, 0.3, 0.9, 1.0]), min_size=n, max_size=n)))
    raw = np.where(kept, raw, 0.0)
    sums = raw.sum(axis=1)
    return raw * np.divide(bills, sums, out=np.zeros(n), where=sums > 1e-6)[:, None]


@st.composite
def tagged(draw):
    a = draw(networks())
    n = a.shape[0]
    phi = np.array(draw(st.lists(st.sampled_from([0.0, 0.0, 0.25, 1.0]), min_size=n, max_size=n)))
    return a, phi


@st.composite
def intervals(draw):
    """Cost shares and tags known only up to an interval, with the part of each bill nobody explains."""
    a, phi = draw(tagged())
    n = phi.size
    down = np.array(draw(st.lists(fractions, min_size=n * n, max_size=n * n))).reshape(n, n)
    up = np.array(draw(st.lists(fractions, min_size=n * n, max_size=n * n))).reshape(n, n)
    a_hi = np.where(a > 0, a + (1 - a) * up, 0.0)
    rest = np.array(draw(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=n, max_size=n)))
    return a * down, a, a_hi, phi, rest


@LAWS
@given(tagged())
def test_a_share_lies_between_the_tag_and_one(case):
    a, phi = case

    x = first_hit(phi, a)

    assert (x >= phi - SLACK).all()
    assert (x <= 1.0).all()
    assert x == pytest.approx(phi + (1 - phi) * (a @ x), abs=1e-9)


@LAWS
@given(tagged(), st.data())
def test_more_factor_or_a_larger_share_never_lowers_anything(case, data):
    a, phi = case
    n = phi.size
    i, j = data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, n - 1))
    part = data.draw(fractions)
    more_phi = phi.copy()
    more_phi[i] += (1 - phi[i]) * part
    more_a = a.copy()
    more_a[i, j] += max(0.0, 1 - a[i].sum()) * part

    x = first_hit(phi, a)

    assert (first_hit(more_phi, a) >= x - 1e-9).all()
    assert (first_hit(phi, more_a) >= x - 1e-9).all()


@LAWS
@given(networks(), st.data())
def test_disjoint_factors_add(a, data):
    n = a.shape[0]
    owner = np.array(data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)))
    one, two = (owner == 1).astype(float), (owner == 2).astype(float)
    # The walk stops at either factor, so each is asked with the other's nodes as dead ends.
    cut = np.where((owner > 0)[:, None], 0.0, a)

    apart = first_hit(one, cut) + first_hit(two, cut)

    assert apart == pytest.approx(first_hit(one + two, a), abs=1e-9)


@LAWS
@given(tagged(), st.randoms(use_true_random=False))
def test_the_order_of_nodes_means_nothing(case, random):
    a, phi = case
    order = list(range(phi.size))
    random.shuffle(order)

    assert first_hit(phi[order], a[np.ix_(order, order)]) == pytest.approx(
        first_hit(phi, a)[order], abs=1e-9
    )


@LAWS
@given(tagged(), fractions)
def test_splitting_a_supplier_in_two_changes_nothing(case, part):
    a, phi = case
    n = phi.size
    split = np.zeros((n + 1, n + 1))
    split[:n, :n] = a
    split[n, :n] = a[0]
    split[:, n] = split[:, 0] * part
    split[:, 0] -= split[:, n]

    x = first_hit(np.append(phi, phi[0]), split)

    assert x[:n] == pytest.approx(first_hit(phi, a), abs=1e-9)
    assert x[n] == pytest.approx(x[0], abs=1e-9)


@LAWS
@given(tagged())
def test_tiers_add_to_the_share(case):
    a, phi = case

    split = tiers(phi, a)

    assert (split >= 0).all()
    assert split.sum(axis=1) == pytest.approx(first_hit(phi, a), abs=1e-10)


@LAWS
@given(tagged(), st.integers(0, 6))
def test_longer_paths_only_add(case, terms):
    a, phi = case

    short, longer = truncated_first_hit(phi, a, terms), truncated_first_hit(phi, a, terms + 1)

    assert (longer >= short).all()
    assert (longer <= first_hit(phi, a) + 1e-9).all()


@LAWS
@given(tagged(), st.data())
def test_the_adjoint_sees_the_same_exposure(case, data):
    a, phi = case
    assume(((1 - phi) * a.sum(axis=1)).max() < 0.95)
    w = np.array(data.draw(st.lists(st.floats(-1, 1), min_size=phi.size, max_size=phi.size)))

    assert adjoint(phi, a, w) @ phi == pytest.approx(w @ first_hit(phi, a), abs=1e-9)


@LAWS
@given(networks())
def test_upstream_load_is_one_factor_at_a_time(a):
    n = a.shape[0]

    load = upstream_load(a, range(n), range(n))

    alone = np.column_stack([first_hit(np.eye(n)[j], a) for j in range(n)])
    assert load == pytest.approx(alone, abs=1e-9)


@LAWS
@given(intervals(), st.data())
def test_bounds_hold_every_network_inside_them(case, data):
    a_lo, a, a_hi, phi, rest = case
    n = phi.size
    lower = phi * data.draw(fractions)

    bounds = first_hit_bounds(lower, phi, a_lo, a_hi, rest)
    x = first_hit(phi, a)

    assert (bounds.lo <= bounds.hi).all()
    assert (bounds.lo <= x + 1e-9).all()
    assert (bounds.hi >= x - 1e-9).all()
    # what is left of each bill may be the factor itself, as far as `rest` allows
    hidden = np.zeros((n + 1, n + 1))
    hidden[:n, :n] = a
    hidden[:n, n] = np.maximum(0.0, 1 - a.sum(axis=1)) * rest
    assert (bounds.hi >= first_hit(np.append(phi, 1.0), hidden)[:n] - 1e-9).all()


@LAWS
@given(intervals(), st.data())
def test_deleting_a_link_never_lowers_the_upper_bound_of_an_unknown_bill(case, data):
    a_lo, _, a_hi, phi, _ = case
    n = phi.size
    i, j = data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, n - 1))
    less_lo, less_hi = a_lo.copy(), a_hi.copy()
    less_lo[i, j] = less_hi[i, j] = 0.0

    before = first_hit_bounds(phi, phi, a_lo, a_hi, unknown_rest=True)
    after = first_hit_bounds(phi, phi, less_lo, less_hi, unknown_rest=True)

    assert (after.hi >= before.hi - 1e-9).all()
    assert (after.lo <= before.lo + 1e-9).all()


@LAWS
@given(intervals(), fractions)
def test_a_narrower_interval_never_widens_the_answer(case, part):
    a_lo, a, a_hi, phi, rest = case

    wide = first_hit_bounds(phi * 0.5, phi, a_lo, a_hi, rest)
    narrow = first_hit_bounds(phi, phi, a_lo + part * (a - a_lo), a + part * (a_hi - a), rest)

    assert (narrow.lo >= wide.lo - 1e-9).all()
    assert (narrow.hi <= wide.hi + 1e-9).all()
