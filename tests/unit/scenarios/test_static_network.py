"""The static engine's switches and the index of every firm, against numbers worked out by hand."""

import numpy as np
import pytest
from scipy import sparse

from exposure.errors import ScenarioError
from exposure.scenarios.static import CORRECTIONS, StaticNetwork, static_losses
from exposure.scenarios.substitution import waterfill
from exposure.scenarios.systemic import systemic_risk

# Memory 2, foundries 6 and 2 to a designer; the designer 10 to a server maker; everything essential.
FLOWS = np.zeros((5, 5))
FLOWS[0, 3], FLOWS[1, 3], FLOWS[2, 3], FLOWS[3, 4] = 2.0, 6.0, 2.0, 10.0
SECTOR = [1, 2, 2, 3, 4]
NEEDS = np.zeros((4, 4), dtype=int)
NEEDS[0, 2] = NEEDS[1, 2] = NEEDS[2, 3] = 2
REVENUE = [4.0, 8.0, 4.0, 12.0, 20.0]
COSTS = [3.0, 6.0, 3.0, 11.0, 20.0]
# Two firms that sell all they make to each other.
RING, RING_NEEDS = [[0, 10], [10, 0]], np.ones((2, 2), dtype=int)


def chain(flows=FLOWS, **other):
    return StaticNetwork.of(flows, SECTOR, NEEDS, revenue=REVENUE, weights=REVENUE, **other)


# --- mass balance ---------------------------------------------------------------------------------


def test_both_foundries_cut_by_half_leave_half_when_mass_is_balanced():
    """Published: .75·.5·min(1, 6/4) + .25·.5·min(1, 2/4) = .4375 although nobody has capacity."""
    cut = [0, 0.5, 0.5, 0, 0]

    assert chain().losses(cut).downstream[3] == pytest.approx(0.4375, abs=1e-15)
    balanced = chain(corrected=["mass_balance"]).losses(cut).downstream
    assert balanced.tolist() == [0, 0.5, 0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("headroom", "left"),
    [(0.0, 6 / 8), (0.5, 5 / 8), (1.5, 3 / 8), (3.0, 0.0), (9.0, 0.0)],
)
def test_the_survivor_replaces_what_its_headroom_allows(headroom, left):
    """Foundry A loses 6; foundry B sells 2 and adds 2·headroom, never more than 6."""
    network = chain(corrected=["mass_balance"], headroom=[0, 0, headroom, 0, 0])

    assert network.losses([0, 1, 0, 0, 0]).downstream[3] == pytest.approx(left, abs=1e-15)


def test_headroom_counts_on_what_a_survivor_still_sells():
    """A loses 6 and B 1 of 7 and 2: B's half can add half of 1, so 6.5 of 8 are missing."""
    network = chain(corrected=["mass_balance"], headroom=[0, 0, 0.5, 0, 0])

    assert network.losses([0, 1, 0.5, 0, 0]).downstream[3] == pytest.approx(6.5 / 8, abs=1e-15)


def test_a_market_is_cleared_as_by_waterfilling():
    sold, cut, room = [5, 3, 2, 7, 1], [0.9, 0.2, 0, 0.5, 1], [0.4, 0.1, 0.8, 0.05, 2.0]
    flows = np.zeros((7, 7))
    flows[:3, 5], flows[3:5, 6] = sold[:3], sold[3:]
    needs = np.zeros((4, 4), dtype=int)
    needs[0, 2] = needs[1, 3] = 2
    network = StaticNetwork.of(
        flows, [0, 0, 0, 1, 1, 2, 3], needs, corrected=["mass_balance"], headroom=[*room, 0, 0]
    )

    loss = network.losses([*cut, 0, 0]).downstream

    both = [waterfill(sold[at], cut[at], room[at]) for at in (slice(3), slice(3, 5))]
    assert loss[5:] == pytest.approx([market.shortage for market in both], abs=1e-15)


def test_a_sector_that_fails_whole_no_longer_depends_on_the_unit():
    """Published in tenths: σ of 6 and 2 becomes .6 and .2 once nothing is left, .75·.6 + .25·.2."""
    both = [0, 1, 1, 0, 0]

    assert chain().losses(both).downstream[3] == 1.0
    assert chain(FLOWS / 10).losses(both).downstream[3] == pytest.approx(0.5)
    for flows in (FLOWS, FLOWS / 10):
        balanced = chain(flows, corrected=["mass_balance"])
        assert balanced.losses(both).downstream[3] == pytest.approx(1.0, abs=1e-15)


def test_without_replaceability_headroom_replaces_nothing():
    network = chain(corrected=["mass_balance"], headroom=9.0, replaceability=False)

    assert network.losses([0, 1, 0, 0, 0]).downstream[3] == pytest.approx(0.75)


# --- an open network ------------------------------------------------------------------------------


def test_a_closed_ring_loses_everything_and_an_open_one_what_it_sells():
    closed = static_losses(RING, [1, 2], RING_NEEDS, [1, 0])
    opened = static_losses(
        RING,
        [1, 2],
        RING_NEEDS,
        [1, 0],
        revenue=[20, 20],
        costs=[25, 40],
        corrected=["open_network"],
    )

    assert closed.upstream.tolist() == closed.downstream.tolist() == [1.0, 1.0]
    assert opened.upstream.tolist() == [1.0, 10 / 20]
    assert opened.downstream.tolist() == [1.0, 10 / 40]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "needs the revenue and the total cost"),
        ({"revenue": [20, 20]}, "needs the revenue and the total cost"),
        ({"revenue": [20, 9], "costs": [20, 20]}, "sales of firm 1 are 10, above its revenue of 9"),
        (
            {"revenue": [20, 20], "costs": [9, 20]},
            "purchases of firm 0 are 10, above its total cost",
        ),
    ],
)
def test_an_open_network_refuses_what_is_missing_or_too_small(given, said):
    with pytest.raises(ScenarioError, match=said):
        StaticNetwork.of(RING, [1, 2], RING_NEEDS, corrected=["open_network"], **given)


def test_compatible_mode_still_takes_sales_above_revenue():
    assert StaticNetwork.of(RING, [1, 2], RING_NEEDS, revenue=[20, 5]).losses(
        [0.3, 0]
    ).upstream.tolist() == [0.3, 0.6]


# --- costs of essential inputs --------------------------------------------------------------------


def test_total_cost_shrinks_only_what_is_not_essential_when_corrected():
    """The designer's purchases of 10 are half its cost; memory falls by .6 and is essential."""
    cut, costs = [0.6, 0, 0, 0, 0], [1, 1, 1, 20, 20]

    assert chain(costs=costs).losses(cut).downstream[3] == pytest.approx(0.3)
    mended = chain(costs=costs, corrected=["essential_costs"])
    assert mended.losses(cut).downstream[3] == pytest.approx(0.6)


def test_inputs_that_are_not_essential_cost_their_share_of_total_cost_in_both_modes():
    for corrected in ([], ["essential_costs"]):
        loss = static_losses(
            FLOWS,
            SECTOR,
            NEEDS // 2,
            [0.6, 0, 0, 0, 0],
            costs=[1, 1, 1, 20, 20],
            corrected=corrected,
        )
        assert loss.downstream[3] == pytest.approx(0.6 * 2 / 20)


# --- when to stop ---------------------------------------------------------------------------------


def test_rounds_and_residual_are_told_and_a_loose_stop_is_seen():
    exact = chain().losses([0.6, 0, 0, 0, 0])
    assert (exact.rounds, exact.residual) == (3, 0.0)  # designer, server maker, nothing more

    # 1 sells half to 0 and half to 2, who sells all to 1: l_1 = .5·.5 + .5·l_2 and l_2 = l_1 give .5
    flows = [[0, 0, 0], [5, 0, 5], [0, 10, 0]]
    network = StaticNetwork.of(flows, [1, 2, 3], np.ones((3, 3), dtype=int))
    loose, tight = network.losses([0.5, 0, 0], eps=1e-2), network.losses([0.5, 0, 0])
    assert 1e-13 < loose.residual <= 1e-2
    assert 1e-3 < 0.5 - loose.upstream[1] < 1e-2
    assert tight.residual <= 1e-13
    assert tight.upstream.tolist() == pytest.approx([0.5, 0.5, 0.5], abs=1e-12)


# --- what the network refuses ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"corrected": ["gravity"]}, "no correction is called gravity"),
        ({"headroom": 0.1}, "headroom means nothing"),
        ({"headroom": -0.1, "corrected": list(CORRECTIONS)[:1]}, "headroom is negative"),
        ({"costs": [np.nan] * 5}, "costs is negative or missing"),
        ({"flows": np.where(FLOWS > 0, np.inf, 0)}, "flow is negative or missing"),
    ],
)
def test_a_network_that_can_not_be_is_refused(given, said):
    with pytest.raises(ScenarioError, match=said):
        chain(**given)


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="headroom"):
        chain(corrected=["mass_balance"], headroom=[0.1, 0.2])
    with pytest.raises(ValueError, match="costs"):
        chain(costs=[1.0, 2.0])


def test_a_stored_zero_is_no_link():
    stored = sparse.coo_array(([0.0, 6.0], ([0, 1], [2, 2])), shape=(3, 3))

    loss = static_losses(stored, [1, 2, 3], np.full((3, 3), 2), [1, 0, 0])

    assert loss.downstream.tolist() == [1.0, 0.0, 0.0]


# --- every firm once ------------------------------------------------------------------------------


def test_the_server_chain_firm_by_firm():
    """Foundry A: itself 8, the designer .75·12, the server maker .75·20, of 48 (see the cases)."""
    index = systemic_risk(chain(), eps=1e-12)

    server_down = (20 + 10 / 12 * (12 + 2 / 4 * 4 + 6 / 8 * 8 + 2 / 4 * 4)) / 48
    designer = (12 + 20 + 2 / 4 * 4 + 6 / 8 * 8 + 2 / 4 * 4) / 48
    assert index == pytest.approx([36 / 48, 32 / 48, (4 + 32 / 12) / 48, designer, server_down])


def test_firms_can_be_chosen_and_repeated():
    index = systemic_risk(chain())

    assert systemic_risk(chain(), [3, 1, 3]).tolist() == index[[3, 1, 3]].tolist()
    assert systemic_risk(chain(), []).size == 0


def test_two_processes_give_what_one_gives():
    assert systemic_risk(chain(), processes=2) == pytest.approx(systemic_risk(chain()), abs=1e-15)


def test_systemic_risk_refuses_strangers_and_creeping():
    with pytest.raises(ScenarioError, match="outside"):
        systemic_risk(chain(), [5])
    with pytest.raises(ValueError, match="processes"):
        systemic_risk(chain(), processes=0)
    ring = StaticNetwork.of(np.ones((3, 3)), [1, 2, 3], np.ones((3, 3)), revenue=[3.001] * 3)
    with pytest.raises(ScenarioError, match="after 3 rounds"):
        systemic_risk(ring, eps=1e-9, max_rounds=3)
