"""The weekly engine, the published static one and the closed forms, against numbers worked out by hand."""

import numpy as np
import pytest
from scipy import sparse

from exposure.errors import ScenarioError
from exposure.scenarios.ces import ces_loss, elasticity
from exposure.scenarios.cuts import Cuts, shock_path
from exposure.scenarios.static import static_losses
from exposure.scenarios.stepping import CHANNELS
from exposure.scenarios.weekly import propagate, propagate_many
from exposure.scenarios.weekly_network import weekly_network
from tests.closed_forms import chain_first_loss, chain_loss_interval, chain_mean_loss

INF = float("inf")
# Memory, two foundries, designer, server maker; everything essential.
FLOWS = np.zeros((5, 5))
FLOWS[0, 3], FLOWS[1, 3], FLOWS[2, 3], FLOWS[3, 4] = 2.0, 6.0, 2.0, 10.0
SECTOR = [1, 2, 2, 3, 4]
NEEDS = np.zeros((4, 4), dtype=int)
NEEDS[0, 2] = NEEDS[1, 2] = NEEDS[2, 3] = 2
REVENUE = [4.0, 8.0, 4.0, 12.0, 20.0]


def static(psi, **other):
    return static_losses(FLOWS, SECTOR, NEEDS, psi, revenue=REVENUE, weights=REVENUE, **other)


def pair(cover=0.0, criticality="essential", cost=0.6, **other):
    """Node 1 buys one input from node 0."""
    return weekly_network(2, [0], [1], [0], [cost], [criticality], cover_weeks=cover, **other)


# --- one firm's technology ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rho", "loss"),
    [
        (1.0, 0.15),
        (0.5, 1 - (0.3 * 0.5**0.5 + 0.7) ** 2),
        (0.0, 1 - 0.5**0.3),
        (-1.0, 1 - 1 / (0.3 / 0.5 + 0.7)),
        (-INF, 0.5),
    ],
)
def test_ces_between_adding_up_and_the_worst_input(rho, loss):
    assert ces_loss([0.3, 0.7], [0.5, 1.0], rho) == pytest.approx(loss, abs=1e-14)


@pytest.mark.parametrize("rho", [-1e-11, 1e-11])
def test_ces_is_smooth_at_the_geometric_mean(rho):
    assert ces_loss([0.3, 0.7], [0.5, 1.0], rho) == pytest.approx(1 - 0.5**0.3, abs=1e-9)


def test_cost_that_is_not_listed_is_available():
    assert ces_loss([0.3], [0.5], -4.0) == ces_loss([0.3, 0.7], [0.5, 1.0], -4.0)


@pytest.mark.parametrize(
    ("rho", "loss"), [(1.0, 0.3), (0.5, 1 - 0.7**2), (0.0, 1.0), (-4.0, 1.0), (-INF, 1.0)]
)
def test_an_input_that_is_gone(rho, loss):
    assert ces_loss([0.3], [0.0], rho) == pytest.approx(loss)


def test_an_input_without_cost_does_not_matter():
    assert ces_loss([0.0, 0.5], [0.0, 1.0], -INF) == 0.0
    assert ces_loss([0.0], [0.0], -4.0) == 0.0


def test_elasticity():
    assert (elasticity(0.0), elasticity(-9.0), elasticity(1.0), elasticity(-INF)) == (
        1.0,
        0.1,
        INF,
        0.0,
    )


@pytest.mark.parametrize(
    ("shares", "have", "rho"),
    [
        ([0.6, 0.6], [1, 1], 0),
        ([-0.1], [1], 0),
        ([0.5], [1.2], 0),
        ([0.5], [np.nan], 0),
        ([0.5], [1], 1.5),
    ],
)
def test_ces_refuses_what_is_no_technology(shares, have, rho):
    with pytest.raises(ScenarioError):
        ces_loss(shares, have, rho)


# --- one essential input with a stock -------------------------------------------------------------


@pytest.mark.parametrize(
    ("cut", "cover"), [(0.5, 8.0), (1.0, 8.0), (0.3, 9.0), (0.15, 2.5), (0.7, 0.0)]
)
def test_the_chain_follows_its_closed_form(cut, cover):
    result = propagate(pair(cover), [cut, 0.0], horizons=[52])

    assert result.first_loss_week[1] == chain_first_loss(cut, cover)
    assert result.loss_at(52)[1] == pytest.approx(chain_mean_loss(cut, cover, 52), abs=1e-12)


def test_a_stock_that_outlasts_the_horizon_loses_nothing():
    result = propagate(pair(40.0), [0.5, 0.0], horizons=[52])

    assert result.loss_at(52)[1] == 0.0
    assert result.first_loss_week.tolist() == [1, 0]
    assert chain_mean_loss(0.5, 40.0, 52) == 0.0
    assert chain_first_loss(0.0, 8) is None


def test_the_worst_corner_is_the_large_cut_and_the_small_stock():
    assert chain_loss_interval((0.5, 1.0), (4, 8), 52) == pytest.approx(
        ((25.5 - 8) / 52, (51 - 4) / 52)
    )


def test_substitution_ramps_up_and_leaves_the_rest_missing():
    """Cut .5, up to .4 from elsewhere after 26 weeks: .1 stays missing once the stock is gone."""
    result = propagate(pair(8.0), [0.5, 0.0], horizons=[52], substitution=0.4, ramp_weeks=26)

    path = result.output[:, 1]
    assert path[:31].tolist() == [1.0] * 31
    assert path[31:] == pytest.approx(np.full(21, 0.9))


def test_substitution_never_delivers_more_than_is_needed():
    result = propagate(pair(), [0.2, 0.0], horizons=[8], substitution=0.9)

    assert result.output[:, 1].tolist() == [1.0] * 8


# --- channels of the weekly engine ----------------------------------------------------------------


def test_an_ordinary_input_costs_its_share_and_an_important_one_more():
    cut = [0.5, 0.0]

    ordinary = propagate(pair(criticality="ordinary", cost=0.3), cut, horizons=[4]).output[-1, 1]
    important = propagate(
        pair(criticality="important", cost=0.3, rho=-4.0), cut, horizons=[4]
    ).output[-1, 1]

    assert ordinary == pytest.approx(1 - 0.3 * 0.5)
    assert important == pytest.approx((0.3 * 0.5**-4 + 0.7) ** -0.25)
    assert important < ordinary


def test_the_worst_essential_input_binds_and_is_named():
    net = weekly_network(3, [0, 1], [2, 2], [0, 1], [0.2, 0.2], ["essential", "essential"])

    result = propagate(net, [0.3, 0.6, 0.0], horizons=[4])

    assert result.output[-1].tolist() == pytest.approx([0.7, 0.4, 0.4])
    channel, bottleneck = result.main_channel(4)
    assert [CHANNELS[code] for code in channel] == ["direct", "direct", "essential"]
    assert bottleneck[2] == net.input_of(2, 1)


def test_two_suppliers_of_one_kind_share_the_input():
    net = weekly_network(3, [0, 1], [2, 2], [0, 0], [0.3, 0.1], ["essential", "essential"])

    assert propagate(net, [1.0, 0.0, 0.0], horizons=[2]).output[1, 2] == pytest.approx(0.25)


def test_lost_customers_lower_the_seller_a_week_later():
    net = weekly_network(
        2, [0], [1], [0], [0.1], ["ordinary"], sale_seller=[0], sale_customer=[1], sale_share=[0.4]
    )

    result = propagate(net, [0.0, 0.5], horizons=[3])

    assert result.output[:, 0].tolist() == pytest.approx([1.0, 0.8, 0.8])
    assert CHANNELS[result.channel[1, 0]] == "demand"


def test_a_lag_delays_by_its_weeks_and_a_circle_is_harmless():
    net = weekly_network(2, [0, 1], [1, 0], [0, 0], [0.5, 0.5], ["essential"] * 2, lag_weeks=[3, 1])

    result = propagate(net, shock_path([0.5, 0.0], 8, duration_weeks=1), horizons=[8])

    assert result.output[:, 0].tolist() == pytest.approx([0.5, 1, 1, 1, 0.5, 1, 1, 1])
    assert result.output[:, 1].tolist() == pytest.approx([1, 1, 1, 0.5, 1, 1, 1, 0.5])


def test_a_shock_path_starts_lasts_and_recovers():
    path = shock_path([0.8], 7, start_week=2, duration_weeks=2, recovery_weeks=2)

    assert path[:, 0] == pytest.approx([0.0, 0.8, 0.8, 0.4, 0.0, 0.0, 0.0])


def test_many_shocks_side_by_side_equal_one_by_one():
    net = weekly_network(
        3, [0, 1], [1, 2], [0, 0], [0.4, 0.3], ["essential", "important"], cover_weeks=[2, 1]
    )
    shocks = np.array([[0.5, 0, 0], [1.0, 0.2, 0], [0, 0, 0.3]])

    many = propagate_many(net, Cuts(np.array(shocks)), horizons=(4, 13), batch=2).loss

    for shock, losses in zip(shocks, many, strict=True):
        assert losses == pytest.approx(propagate(net, shock, horizons=[4, 13]).loss, abs=1e-14)


def test_many_shocks_may_end_at_different_times():
    losses = propagate_many(
        pair(),
        Cuts(np.array([[0.5, 0], [0.5, 0]]), duration_weeks=np.array([4, 10])),
        horizons=[10],
    ).loss

    assert losses[:, 0, 0] == pytest.approx([0.2, 0.5])
    assert losses[:, 0, 1] == pytest.approx([0.2, 0.45])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"supplier": [7]}, "outside"),
        ({"cost_share": [1.5]}, "cost share"),
        ({"criticality": ["vital"]}, "critical"),
        ({"cover_weeks": -1.0}, "cover"),
        ({"lag_weeks": 0}, "lag"),
        ({"rho": 2.0}, "rho"),
        ({"share_in_kind": [0.5]}, "sum to 1"),
        ({"cost_share": [0.0]}, "no cost share"),
        ({"sale_seller": [0], "sale_customer": [1], "sale_share": [1.4]}, "sales share"),
    ],
)
def test_a_network_that_can_not_be_is_refused(change, said):
    given = {
        "supplier": [0],
        "customer": [1],
        "kind": [0],
        "cost_share": [0.5],
        "criticality": ["essential"],
    }

    with pytest.raises(ScenarioError, match=said):
        weekly_network(2, **(given | change))


def test_bills_above_one_are_refused_by_name():
    with pytest.raises(ScenarioError, match=r"suppliers of maker take 1\.2"):
        weekly_network(
            2, [0, 0], [1, 1], [0, 1], [0.6, 0.6], ["ordinary"] * 2, names=["foundry", "maker"]
        )


def test_one_kind_has_one_criticality():
    with pytest.raises(ScenarioError, match="two criticalities"):
        weekly_network(3, [0, 1], [2, 2], [0, 0], [0.1, 0.1], ["essential", "ordinary"])


def test_shocks_and_horizons_are_checked():
    with pytest.raises(ScenarioError, match="cut"):
        propagate(pair(), [1.5, 0.0])
    with pytest.raises(ScenarioError, match="ascending"):
        propagate(pair(), [0.5, 0.0], horizons=[52, 4])
    with pytest.raises(ScenarioError, match="3 weeks"):
        propagate(pair(), np.zeros((3, 2)), horizons=[4])
    with pytest.raises(ValueError, match="psi must have shape"):
        propagate(pair(), [0.5, 0.0, 0.0])


# --- the published static engine ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("psi", "downstream", "index"),
    [
        ([0, 1, 0, 0, 0], [0, 1, 0, 0.75, 0.75], 32 / 48),
        ([0, 0, 1, 0, 0], [0, 0, 1, 0.25 / 3, 0.25 / 3], (4 + 1 + 20 / 12) / 48),
        ([0.6, 0, 0, 0, 0], [0.6, 0, 0, 0.6, 0.6], 0.6 * 36 / 48),
        (
            [0.6, 0, 1, 0, 0],
            [0.6, 0, 1, 0.6, 0.6],
            25.6 / 48,
        ),  # the worse input binds, they don't add
        ([0, 0.5, 0.5, 0, 0], [0, 0.5, 0.5, 0.4375, 0.4375], 20 / 48),  # mass balance would say .5
    ],
)
def test_the_server_chain_by_hand(psi, downstream, index):
    loss = static(psi)

    assert loss.downstream == pytest.approx(downstream, abs=1e-12)
    assert loss.combined == pytest.approx(index, abs=1e-12)


def test_lost_demand_travels_upstream_by_revenue():
    loss = static([0, 0, 0, 0, 0.5])

    designer = 10 / 12 * 0.5
    expected = [2 / 4 * designer, 6 / 8 * designer, 2 / 4 * designer, designer, 0.5]
    assert loss.upstream == pytest.approx(expected)
    assert loss.down == pytest.approx(0.5 * 20 / 48)
    assert loss.combined == loss.up == pytest.approx(np.dot(expected, REVENUE) / 48)


def test_without_replaceability_each_unit_lost_counts():
    assert static([0, 0.5, 0.5, 0, 0], replaceability=False).downstream[3] == pytest.approx(0.5)


def test_inputs_that_are_not_essential_add_up_over_all():
    loss = static_losses(FLOWS, SECTOR, NEEDS // 2, [1, 1, 0, 0, 0], replaceability=False)

    assert loss.downstream[3] == pytest.approx(0.8)
    assert loss.downstream[4] == pytest.approx(0.8)


def test_costs_shrink_both_kinds_of_input():
    loss = static([0.6, 0, 0, 0, 0], costs=[1, 1, 1, 20, 20])

    assert loss.downstream[3] == pytest.approx(0.6 * 10 / 20)


def test_sparse_and_dense_flows_agree_and_the_default_weights_are_sales():
    dense = static_losses(FLOWS, SECTOR, NEEDS, [0, 1, 0, 0, 0])
    thin = static_losses(sparse.csr_array(FLOWS), SECTOR, NEEDS, [0, 1, 0, 0, 0])

    assert thin.downstream.tolist() == dense.downstream.tolist()
    assert dense.down == pytest.approx((6 + 0.75 * 10) / 20)


def test_a_closed_network_that_creeps_is_reported():
    ring = np.roll(np.eye(3), 1, axis=1) * 1.0001
    with pytest.raises(ScenarioError, match="still move"):
        static_losses(
            ring + np.eye(3),
            [1, 2, 3],
            np.ones((3, 3)),
            [1e-3, 0, 0],
            revenue=[2.0001001] * 3,
            max_rounds=5,
        )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"psi": [2, 0, 0, 0, 0]}, "shock"),
        ({"W": -FLOWS}, "flow is negative"),
        ({"weights": [0.0] * 5}, "sum to nothing"),
        ({"costs": [0.0] * 5}, "cost"),
    ],
)
def test_static_inputs_are_checked(change, said):
    given = {"W": FLOWS, "sector": SECTOR, "essentiality": NEEDS, "psi": [0.5, 0, 0, 0, 0]}

    with pytest.raises(ScenarioError, match=said):
        static_losses(**(given | change))


def test_static_shapes_are_checked():
    with pytest.raises(ValueError, match="square"):
        static_losses(FLOWS[:4], SECTOR, NEEDS, [0] * 5)
    with pytest.raises(ValueError, match="essentiality"):
        static_losses(FLOWS, SECTOR, NEEDS[:2, :2], [0] * 5)
    with pytest.raises(ValueError, match="psi"):
        static_losses(FLOWS, SECTOR, NEEDS, [0] * 4)
