"""Shares through suppliers, their bounds and the input-output algebra, against numbers worked out by hand."""

import numpy as np
import pytest
from scipy import sparse

from exposure.errors import ContentError
from exposure.factors import bounds, input_output, network

# Foundry, memory, designer, server maker, integrator; the designer buys 2% back from the integrator.
NAMES = ["foundry", "memory", "designer", "server", "integrator"]
CYCLE = np.array(
    [
        [0.0, 0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.0],
        [0.5, 0.2, 0.0, 0.0, 0.02],
        [0.0, 0.05, 0.6, 0.0, 0.0],
        [0.0, 0.0, 0.1, 0.7, 0.0],
    ]
)
FOUNDRY = [1.0, 0.0, 0.0, 0.0, 0.0]
Z, X = [[150, 500], [200, 100]], [1000, 2000]  # Miller & Blair (2009), table 2.3


def chain(n, share=0.5):
    """Node k buys `share` of its cost from node k - 1; node 0 is the factor, so x_k = share^k."""
    return sparse.csr_array(
        (np.full(n - 1, share), (np.arange(1, n), np.arange(n - 1))), shape=(n, n)
    )


def unit(n, at=0):
    tag = np.zeros(n)
    tag[at] = 1.0
    return tag


# --- the first-hit walk ---------------------------------------------------------------------------


def test_a_cycle_is_counted_once():
    """x_designer = .5 + .02 x_integrator, x_integrator = (.1 + .7 · .6) x_designer."""
    x = network.first_hit(FOUNDRY, CYCLE)

    designer = 0.5 / (1 - 0.02 * 0.52)
    assert x == pytest.approx([1.0, 0.0, designer, 0.6 * designer, 0.52 * designer], abs=1e-14)


def test_attenuation_weakens_each_link():
    x = network.first_hit(unit(3), chain(3), delta=0.8)

    assert x == pytest.approx([1.0, 0.4, 0.16])


def test_attenuation_by_link():
    x = network.first_hit(unit(3), chain(3), delta=[[1, 1, 1], [0.5, 1, 1], [1, 1, 1]])

    assert x == pytest.approx([1.0, 0.25, 0.125])


def test_several_factors_are_columns():
    tags = np.array([[1.0, 0.0], [0.0, 1.0], [0, 0], [0, 0], [0, 0]])

    both = network.first_hit(tags, CYCLE)

    assert both[:, 0] == pytest.approx(network.first_hit(tags[:, 0], CYCLE), abs=0)
    assert both[:, 1] == pytest.approx(network.first_hit(tags[:, 1], CYCLE), abs=0)


def test_a_factor_node_stops_the_walk():
    """The designer is half the factor itself: only the other half of its product is traced upstream."""
    x = network.first_hit([1.0, 0.5, 0.0], [[0, 0, 0], [0.4, 0, 0], [0, 1.0, 0]])

    assert x == pytest.approx([1.0, 0.5 + 0.5 * 0.4, 0.7])


def test_suppliers_that_only_buy_from_each_other_reach_nothing():
    assert network.first_hit([0.0, 0.0, 1.0], [[0, 1, 0], [1, 0, 0], [0, 0, 0]]).tolist() == [
        0,
        0,
        1,
    ]


def test_a_closed_circle_with_some_factor_inside_ends_in_the_factor():
    assert network.first_hit([0.5, 0.0], [[0, 1], [1, 0]]) == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize("n", [60, network.DENSE_LIMIT + 50, 5_000 + 50])
def test_small_and_large_networks_are_solved_alike(n):
    x = network.first_hit(unit(n), chain(n))

    assert x[:50] == pytest.approx(0.5 ** np.arange(50), abs=10 * bounds.SETTLED)


def test_a_slow_large_network_falls_back_to_the_direct_solver():
    n = 5_000 + 50

    x = network.first_hit(unit(n), chain(n, share=0.9999))

    assert x[-1] == pytest.approx(0.9999 ** (n - 1), rel=1e-9)


def test_a_bill_above_one_is_refused_by_name_and_never_clipped():
    with pytest.raises(ContentError, match=r"suppliers of server take 1\.05"):
        network.first_hit(unit(5), CYCLE + 0.4 * np.outer(unit(5, 3), unit(5, 0)), names=NAMES)


@pytest.mark.parametrize(
    ("phi", "a", "delta", "said"),
    [
        ([1.0, np.nan], [[0, 0], [0.5, 0]], 1.0, "phi of node 1 is nan"),
        ([1.0, -0.1], [[0, 0], [0.5, 0]], 1.0, "phi of node 1"),
        ([1.0, 0.0], [[0, 0], [np.nan, 0]], 1.0, "cost share of link"),
        ([1.0, 0.0], [[0, 0], [-0.5, 0]], 1.0, "cost share of link"),
        ([1.0, 0.0], [[0, 0], [0.5, 0]], 1.5, "delta"),
    ],
)
def test_a_value_that_is_no_share_is_refused(phi, a, delta, said):
    with pytest.raises(ContentError, match=said):
        network.first_hit(phi, a, delta)


def test_sizes_must_fit():
    with pytest.raises(ValueError, match="A has 2 nodes but phi has 3"):
        network.first_hit([1, 0, 0], [[0, 0], [0.5, 0]])
    with pytest.raises(ValueError, match="square"):
        network.first_hit([1, 0], [[0, 0]])
    with pytest.raises(ValueError, match="names must have 2"):
        network.first_hit([1, 0], [[0, 0], [0.5, 0]], names=["one"])


def test_tiers_follow_the_links():
    split = network.tiers(FOUNDRY, CYCLE)

    assert split[3] == pytest.approx([0.0, 0.0, 0.3, split[3, 3]])
    assert split[2, :2] == pytest.approx([0.0, 0.5])
    assert split.sum(axis=1) == pytest.approx(network.first_hit(FOUNDRY, CYCLE), abs=1e-15)


def test_truncation_error_stays_under_its_bound():
    x = network.first_hit(FOUNDRY, CYCLE)
    c = CYCLE.sum(axis=1).max()

    for terms in (1, 3, 6):
        error = np.abs(network.truncated_first_hit(FOUNDRY, CYCLE, terms) - x).max()
        assert 0 < error <= c ** (terms + 1) / (1 - c)


def test_walk_radius_is_that_of_the_open_part():
    assert network.walk_radius([0, 0], [[0, 0.5], [0.5, 0]]) == pytest.approx(0.5)
    assert network.walk_radius([1, 0], [[0, 0.5], [0.5, 0]]) == pytest.approx(0.0)


# --- bounds ---------------------------------------------------------------------------------------


def test_bounds_are_two_solves_where_the_bills_fit():
    lo, hi = [[0, 0], [0.4, 0]], [[0, 0], [0.6, 0]]

    found = bounds.first_hit_bounds([1, 0], [1, 0], lo, hi)

    assert found.lo.tolist() == [1.0, 0.4]
    assert found.hi.tolist() == [1.0, 0.6]


def test_a_bill_that_could_pass_one_buys_the_worst_first():
    """Two suppliers, each up to 80%: at most 80% of the bill is the factor, and the floor of the other stays."""
    lo = [[0, 0, 0], [0, 0, 0], [0.1, 0.3, 0]]
    hi = [[0, 0, 0], [0, 0, 0], [0.8, 0.8, 0]]

    found = bounds.first_hit_bounds([1, 0, 0], [1, 0, 0], lo, hi)

    assert found.lo[2] == pytest.approx(0.1)
    assert found.hi[2] == pytest.approx(0.7)  # 1 - 0.3 floor of the harmless one
    assert found.residual <= bounds.SETTLED


def test_an_unknown_remainder_counts_whole_in_the_upper_bound_only():
    lo, hi = [[0, 0], [0.4, 0]], [[0, 0], [0.6, 0]]

    partly = bounds.first_hit_bounds([1, 0], [1, 0], lo, hi, [0.0, 0.5])
    wholly = bounds.first_hit_bounds([1, 0], [1, 0], lo, hi, unknown_rest=True)

    assert partly.hi[1] == pytest.approx(0.6 + 0.4 * 0.5)
    assert wholly.hi[1] == pytest.approx(1.0)
    assert wholly.lo[1] == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("phi_lo", "phi_hi", "a_lo", "a_hi", "said"),
    [
        ([1, 0.5], [1, 0.2], 0.1, 0.2, "phi of node 1 has lo above hi"),
        ([1, 0], [1, 0], 0.3, 0.2, "link node 1 ← node 0 has lo above hi"),
        ([1, 0], [1, 0], 0.3, 1.2, "a_hi"),
        ([1, 0], [1, 1.2], 0.1, 0.2, "phi_hi"),
    ],
)
def test_bounds_refuse_what_is_upside_down_or_no_share(phi_lo, phi_hi, a_lo, a_hi, said):
    with pytest.raises(ContentError, match=said):
        bounds.first_hit_bounds(phi_lo, phi_hi, [[0, 0], [a_lo, 0]], [[0, 0], [a_hi, 0]])


# --- who drives it --------------------------------------------------------------------------------


def test_the_adjoint_gives_the_exposure_from_the_other_side():
    w = np.array([0.0, 0.0, 0.2, 0.5, 0.3])

    u = network.adjoint(FOUNDRY, CYCLE, w)

    assert u @ FOUNDRY == pytest.approx(w @ network.first_hit(FOUNDRY, CYCLE), abs=1e-14)


def test_through_flow_of_a_chain_is_the_same_on_each_link():
    flow = network.through_flow(unit(4), chain(4), unit(4, 3))

    assert flow.value == pytest.approx([0.125, 0.125, 0.125])
    assert list(zip(flow.customer, flow.supplier, strict=True)) == [(1, 0), (2, 1), (3, 2)]


def test_the_widest_interval_on_the_way_is_researched_first():
    mid = [[0, 0, 0], [0.5, 0, 0], [0, 0.6, 0]]
    lo = [[0, 0, 0], [0.4, 0, 0], [0, 0.1, 0]]
    hi = [[0, 0, 0], [0.7, 0, 0], [0, 0.9, 0]]

    gap = bounds.research_priority([1, 0, 0], mid, lo, hi, [0, 0, 1])

    assert gap.value == pytest.approx([0.6 * 0.3, 0.5 * 0.8])  # u · x · width


@pytest.mark.parametrize("spend", [0.6, 1.0])
def test_upstream_load_is_the_share_with_that_node_alone_as_factor(spend):
    """A bill of exactly 1 leaves the walk no way out, so another solver answers."""
    a = [[0, 0, 0], [0.5, 0, 0], [0, spend, 0]]

    load = network.upstream_load(a, [1, 2], [0, 1])

    alone = np.column_stack([network.first_hit(unit(3, j), a) for j in (0, 1)])[[1, 2]]
    assert load == pytest.approx(alone, abs=1e-15)
    assert load[1].tolist() == pytest.approx([0.5 * spend, spend])


# --- input-output algebra -------------------------------------------------------------------------


def test_the_textbook_economy():
    """Miller & Blair (2009), section 2.2: f 350, 1700; new f 600, 1500 needs output 1247.5, 1841.6."""
    A = input_output.technical_coefficients(Z, X)

    assert A.tolist() == [[0.15, 0.25], [0.2, 0.05]]
    assert input_output.leontief_output(A, [350, 1700]) == pytest.approx(X)
    assert input_output.leontief_output(A, [600, 1500]).round(1).tolist() == [1247.5, 1841.6]
    assert input_output.leontief_inverse(A).round(4).tolist() == [[1.2541, 0.33], [0.264, 1.1221]]
    assert input_output.spectral_radius(A) == pytest.approx(
        0.1 + np.sqrt(0.0525)
    )  # λ² - .2 λ - .0425


def test_a_cost_push_is_the_exact_fraction():
    A = input_output.technical_coefficients(Z, X)

    dp = input_output.price_levels(A, [0.1, 0.0])

    assert dp == pytest.approx([0.095 / 0.7575, 0.025 / 0.7575])


def test_inoperability_and_ghosh_are_one_matrix_in_two_readings():
    A = input_output.technical_coefficients(Z, X)

    star = input_output.inoperability_coefficients(A, X)

    assert star == pytest.approx(input_output.allocation_coefficients(Z, X))
    lost = input_output.inoperability(star, [0.1, 0.0])
    assert lost * X == pytest.approx(input_output.leontief_output(A, [100.0, 0.0]))


def test_rounds_of_suppliers_climb_to_the_output():
    A = input_output.technical_coefficients(Z, X)

    path = input_output.output_by_round(A, [600, 1500], 40)

    assert path[1].tolist() == [1065.0, 1695.0]
    assert path[-1] == pytest.approx(input_output.leontief_output(A, [600, 1500]), rel=1e-12)


def test_an_economy_without_surplus_is_refused():
    with pytest.raises(ContentError, match="no cost outside itself"):
        input_output.leontief_inverse([[1.0]])


def test_a_sector_without_output_has_no_inoperability():
    with pytest.raises(ContentError, match="sector 1 has no output"):
        input_output.inoperability_coefficients([[0, 0], [0, 0]], [1, 0])


def test_influence_of_a_star_and_a_ring():
    n, alpha = 5, 0.4
    star, ring = np.outer(np.ones(n), unit(n)), np.roll(np.eye(n), 1, axis=1)

    v = input_output.influence_vector(star, alpha)

    assert v == pytest.approx([1 - alpha + alpha / n, *[alpha / n] * (n - 1)])
    assert input_output.influence_vector(ring, alpha) == pytest.approx(np.full(n, 1 / n))


@pytest.mark.parametrize("alpha", [0.0, 1.5])
def test_influence_needs_labour(alpha):
    with pytest.raises(ContentError, match="alpha"):
        input_output.influence_vector([[1.0]], alpha)


def test_debtrank_on_a_ring_counts_the_return_once_or_in_full():
    """Impacts .5, .4, .3 around a ring, first level .2: the loop gain is .06."""
    W, h0 = [[0, 0.5, 0], [0, 0, 0.4], [0.3, 0, 0]], [0.2, 0, 0]

    assert input_output.debtrank_once(W, h0) == pytest.approx([0.2 + 0.3 * 0.04, 0.1, 0.04])
    assert input_output.debtrank_linear(W, h0) == pytest.approx(
        [0.2 / 0.94, 0.1 / 0.94, 0.04 / 0.94]
    )


def test_distress_is_capped_at_one():
    assert input_output.debtrank_linear([[0, 1], [1, 0]], [0.1, 0]).tolist() == [1.0, 1.0]
    with pytest.raises(ContentError, match="still grows"):
        input_output.debtrank_linear([[0, 1], [1, 0]], [0.1, 0], max_rounds=3)


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="square"):
        input_output.leontief_inverse([[0.0, 0.1]])
    with pytest.raises(ValueError, match="one dimension"):
        input_output.price_levels([[0.1]], [[0.9]])
    with pytest.raises(ValueError, match="two dimensions"):
        input_output.spectral_radius([0.1, 0.2])
