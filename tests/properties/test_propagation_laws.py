"""Laws of both propagation engines: no shock no loss, more shock no less loss, and losses stay fractions.

A user would notice a failure as a scenario that hurts less when it is made worse, or as a loss out of nothing.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exposure.scenarios.ces import ces_loss
from exposure.scenarios.cuts import Cuts, shock_path
from exposure.scenarios.static import static_losses
from exposure.scenarios.stepping import CHANNELS
from exposure.scenarios.weekly import propagate, propagate_many
from exposure.scenarios.weekly_network import weekly_network
from tests.closed_forms import chain_mean_loss

pytestmark = pytest.mark.property

LAWS = settings(max_examples=60, deadline=None)
SLACK = 1e-9
WEEKS = 20

fractions = st.floats(0.0, 1.0, allow_subnormal=False)
grades = st.sampled_from(["essential", "important", "ordinary"])


@st.composite
def economies(draw, grade=grades, stock=True, sales=True):
    """Up to six nodes and ten links; circles, several suppliers a kind, stocks, lags and customers."""
    n = draw(st.integers(2, 6))
    m = draw(st.integers(1, 10))
    node, kind = st.integers(0, n - 1), st.integers(0, 2)
    supplier = draw(st.lists(node, min_size=m, max_size=m))
    customer = draw(st.lists(node, min_size=m, max_size=m))
    kinds = draw(st.lists(kind, min_size=m, max_size=m))
    share = np.array(draw(st.lists(st.floats(0.01, 1.0), min_size=m, max_size=m)))
    bill = np.bincount(customer, share, minlength=n)
    share = share / np.maximum(1.0, bill)[customer] * (1 - 1e-12)
    named = {key: draw(grade) for key in sorted(set(zip(customer, kinds, strict=True)))}
    cover = st.sampled_from([0.0, 0.5, 2.0, 8.0]) if stock else st.just(0.0)
    sold = (
        np.array(draw(st.lists(st.floats(0.0, 1.0), min_size=m, max_size=m)))
        if sales
        else np.zeros(m)
    )
    sold = sold / np.maximum(1.0, np.bincount(supplier, sold, minlength=n))[supplier]
    return weekly_network(
        n,
        supplier,
        customer,
        kinds,
        share,
        [named[key] for key in zip(customer, kinds, strict=True)],
        cover_weeks=[draw(cover) for _ in range(m)],
        lag_weeks=[draw(st.integers(1, 3)) for _ in range(m)],
        rho=draw(st.sampled_from([-9.0, -4.0, 0.0, 0.5, 1.0])),
        sale_seller=supplier,
        sale_customer=customer,
        sale_share=sold * (1 - 1e-12),
    )


def cuts(network, size=fractions):
    return st.lists(size, min_size=network.n, max_size=network.n).map(np.array)


@LAWS
@given(network=economies())
def test_no_shock_changes_nothing(network):
    out = propagate(network, np.zeros(network.n), horizons=[WEEKS])

    assert (out.output == 1.0).all()
    assert (out.loss == 0.0).all()
    assert (out.channel == CHANNELS.index("none")).all()
    assert (out.first_loss_week == 0).all()


@LAWS
@given(network=economies(), data=st.data())
def test_output_stays_a_fraction_and_never_passes_the_cut(network, data):
    psi = data.draw(cuts(network))

    out = propagate(network, psi, horizons=[4, WEEKS])

    assert ((out.output >= 0.0) & (out.output <= 1.0)).all()
    assert (out.output <= 1.0 - psi + SLACK).all()
    assert (out.loss_at(WEEKS) >= psi - SLACK).all()


@LAWS
@given(network=economies(stock=False), data=st.data())
def test_without_stocks_a_larger_shock_never_leaves_more_in_any_week(network, data):
    small = data.draw(cuts(network))
    large = small + (1.0 - small) * data.draw(cuts(network))

    less = propagate(network, small, horizons=[WEEKS]).output
    more = propagate(network, large, horizons=[WEEKS]).output

    assert (more <= less + SLACK).all()


@LAWS
@given(network=economies(grade=st.just("essential"), sales=False), data=st.data())
def test_a_larger_shock_never_loses_less_up_to_any_week(network, data):
    """One node is cut; what its customers don't use early they can use later, but never more."""
    node = data.draw(st.integers(0, network.n - 1))
    small = data.draw(fractions)
    large = small + (1.0 - small) * data.draw(fractions)
    at = np.eye(network.n)[node]

    less = propagate(network, small * at, horizons=range(1, WEEKS + 1)).loss
    more = propagate(network, large * at, horizons=range(1, WEEKS + 1)).loss

    assert (more >= less - SLACK).all()


@LAWS
@given(network=economies(), data=st.data())
def test_easier_substitution_between_important_inputs_never_loses_more_in_the_first_round(
    network, data
):
    psi = data.draw(cuts(network))
    soft, hard = (
        propagate(_with_rho(network, rho), psi, horizons=[2]).output for rho in (0.5, -9.0)
    )

    assert (soft >= hard - SLACK).all()


@LAWS
@given(network=economies(stock=False), data=st.data())
def test_more_that_can_be_had_elsewhere_never_hurts(network, data):
    psi, some = data.draw(cuts(network)), data.draw(fractions)

    without = propagate(network, psi, horizons=[WEEKS]).loss
    helped = propagate(network, psi, horizons=[WEEKS], substitution=some, ramp_weeks=5).loss

    assert (helped <= without + SLACK).all()


@LAWS
@given(network=economies(), data=st.data())
def test_many_shocks_at_once_equal_each_alone(network, data):
    shocks = np.array([data.draw(cuts(network)) for _ in range(3)])

    together = propagate_many(network, Cuts(np.array(shocks)), horizons=[4, WEEKS], batch=2).loss
    alone = [propagate(network, psi, horizons=[4, WEEKS]).loss for psi in shocks]

    assert together == pytest.approx(np.array(alone), abs=1e-12)


@LAWS
@given(network=economies(), data=st.data())
def test_what_has_not_begun_does_no_harm(network, data):
    psi, start = data.draw(cuts(network)), data.draw(st.integers(1, WEEKS))

    out = propagate(network, shock_path(psi, WEEKS, start_week=start), horizons=[WEEKS]).output

    assert (out[: start - 1] == 1.0).all()


@LAWS
@given(network=economies(), data=st.data())
def test_each_loss_has_a_channel_and_each_shortage_an_input_of_its_own(network, data):
    out = propagate(network, data.draw(cuts(network)), horizons=[WEEKS])

    assert ((out.output < 1.0) == (out.channel > 0)).all()
    named = out.bottleneck >= 0
    assert (named <= (out.channel >= CHANNELS.index("essential"))).all()
    week, node = np.nonzero(named)
    assert (network.input_customer[out.bottleneck[week, node]] == node).all()


@LAWS
@given(cut=fractions, cover=st.floats(0.0, 30.0), weeks=st.integers(1, 60))
def test_the_chain_has_its_closed_form(cut, cover, weeks):
    chain = weekly_network(2, [0], [1], [0], [0.5], ["essential"], cover_weeks=cover)

    loss = propagate(chain, [cut, 0.0], horizons=[weeks]).loss_at(weeks)[1]

    assert loss == pytest.approx(chain_mean_loss(cut, cover, weeks), abs=1e-9)


@LAWS
@given(data=st.data())
def test_ces_losses_are_ordered_by_rho_and_bounded_by_share_and_bottleneck(data):
    k = data.draw(st.integers(1, 5))
    theta = np.array(data.draw(st.lists(st.floats(0.01, 1.0), min_size=k, max_size=k)))
    theta = theta / theta.sum() * data.draw(st.sampled_from([0.5, 1.0 - 1e-12]))
    u = np.array(data.draw(st.lists(fractions, min_size=k, max_size=k)))

    losses = [ces_loss(theta, u, rho) for rho in (1.0, 0.5, 1e-9, 0.0, -1e-9, -1.0, -9.0, -np.inf)]

    assert losses[0] == pytest.approx(theta @ (1 - u), abs=1e-9)
    assert losses[-1] == pytest.approx(1 - u.min())
    assert (np.diff(losses) >= -1e-6).all()


@st.composite
def static_networks(draw):
    n = draw(st.integers(2, 6))
    cells = n * n
    raw = np.array(draw(st.lists(st.floats(0.0, 5.0), min_size=cells, max_size=cells)))
    kept = np.array(draw(st.lists(st.booleans(), min_size=cells, max_size=cells)))
    flows = np.where(kept, raw, 0.0).reshape(n, n)
    flows[raw.reshape(n, n) < 1e-3] = 0.0
    sector = np.array(draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)))
    kinds = np.unique(sector).size
    need = draw(st.lists(st.integers(0, 2), min_size=kinds**2, max_size=kinds**2))
    revenue = 1.5 * flows.sum(axis=1) + 1.0
    return flows, sector, np.array(need).reshape(kinds, kinds), revenue


@LAWS
@given(network=static_networks(), replaceability=st.booleans(), data=st.data())
def test_the_static_index_is_monotone_and_bounded(network, replaceability, data):
    flows, sector, need, revenue = network
    n = sector.size
    small = np.array(data.draw(st.lists(fractions, min_size=n, max_size=n)))
    large = small + (1 - small) * np.array(data.draw(st.lists(fractions, min_size=n, max_size=n)))

    def run(psi):
        return static_losses(
            flows,
            sector,
            need,
            psi,
            replaceability=replaceability,
            revenue=revenue,
            weights=revenue,
        )

    none, less, more = run(np.zeros(n)), run(small), run(large)

    assert none.combined == 0.0
    for loss in (less, more):
        assert ((loss.downstream >= 0) & (loss.downstream <= 1)).all()
        assert loss.combined >= max(loss.down, loss.up) - SLACK
    assert (less.downstream >= small - SLACK).all()
    if not replaceability:  # σ is not monotone: it leaps where a whole sector fails
        assert (more.downstream >= less.downstream - SLACK).all()
    assert (more.upstream >= less.upstream - SLACK).all()


@LAWS
@given(
    shares=st.lists(st.floats(0.05, 1.0), min_size=1, max_size=5),
    cut=st.floats(0.0, 0.99),
)
def test_replaceability_never_loses_more_than_mass_balance(shares, cut):
    """The known fault, kept for comparison: with everybody cut alike the truth is the cut itself."""
    n = len(shares)
    share = np.array(shares) / sum(shares)
    flows = np.zeros((n + 1, n + 1))
    flows[:n, n] = share
    psi = np.array([cut] * n + [0.0])

    def run(on):
        return static_losses(
            flows, [1] * n + [2], [[0, 2], [0, 0]], psi, replaceability=on, weights=np.ones(n + 1)
        ).downstream[n]

    assert run(False) == pytest.approx(cut)
    assert run(True) <= cut + SLACK


def _with_rho(network, rho):
    return replace(network, rho=np.full(network.n, rho))
