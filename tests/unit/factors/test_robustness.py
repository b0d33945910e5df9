"""How far a ranking can be trusted, against hand results and a count over a grid of weights."""

import math

import numpy as np
import pytest

from exposure.factors import robustness

X = np.array([[0.8, 0.6, 0.1], [0.5, 0.5, 0.1], [0.2, 0.7, 0.0], [0.1, 0.1, 0.6], [0.6, 0.2, 0.3]])


def simplex_grid(parts, steps):
    """Centres of the cells of a grid over weights that add to 1, the last part taking the rest."""
    axes = np.meshgrid(*[np.arange(steps)] * (parts - 1), indexing="ij")
    w = (np.stack([axis.ravel() for axis in axes], axis=1) + 1 / parts) / steps
    w = w[w.sum(axis=1) < 1]
    return np.column_stack([w, 1 - w.sum(axis=1)])


def test_order_keeps_ties_in_place():
    assert robustness.rank_order([0.2, 0.9, 0.2, 0.5]).tolist() == [1, 3, 0, 2]


def test_only_the_first_dominates_the_second():
    assert robustness.dominance_pairs(X) == [(0, 1)]
    assert robustness.dominance_ratio(X) == pytest.approx(1 / 10)


def test_equal_rows_dominate_nobody():
    assert robustness.dominance_pairs([[0.5, 0.5], [0.5, 0.5]]) == []


def test_one_name_has_no_ratio():
    assert math.isnan(robustness.dominance_ratio([[0.5]]))


@pytest.mark.parametrize(
    ("difference", "chance"),
    [
        ([1.0, -2.0], 1 / 3),
        ([0.1, 0.3], 1.0),
        ([-0.1, -0.3, 0.0], 0.0),
        ([0.0, 0.0], 0.0),  # a tie isn't above
        ([1.0, 0.0, -1.0], 0.5),
        ([1.0, -1.0, -1.0], 1 / 4),  # w_1 > 1/2 on a triangle
        ([1.0, 1.0, -1.0], 3 / 4),
        ([1.0, -1.0, -1.0, -1.0], 1 / 8),
    ],
)
def test_chance_to_lead_over_all_weights(difference, chance):
    assert robustness.probability_above(difference) == pytest.approx(chance, abs=1e-14)


@pytest.mark.parametrize("difference", [[0.3, -0.1, 0.5], [-0.2, 0.7, -0.4], [0.1, -0.3, 0.2]])
def test_chance_agrees_with_a_count_over_a_grid(difference):
    w = simplex_grid(3, 700)

    counted = float(np.mean(w @ np.array(difference) > 0))

    assert robustness.probability_above(difference) == pytest.approx(counted, abs=2e-3)


def test_a_missing_sub_score_leaves_the_chance_unknown():
    assert math.isnan(robustness.probability_above([math.nan, 1.0]))


def test_chances_of_a_pair_add_to_one_without_ties():
    p = robustness.rank_probabilities(X)

    off = ~np.eye(len(X), dtype=bool)
    assert (p + p.T)[off] == pytest.approx(np.ones(off.sum()))
    assert np.diag(p).tolist() == [0.0] * len(X)


def test_reversal_is_the_weight_that_ties_the_pair():
    """d = (.1, -.3, .2), w = (.5, .25, .25): gap .025; moving m from column 3... changes it by .5 m."""
    weights = np.array([0.5, 0.25, 0.25])

    found = robustness.critical_reversal(X, weights, 4, 1)

    assert (found.gap, found.transfer) == pytest.approx((0.025, 0.05))
    assert found.possible
    moved = weights + found.transfer * np.array([0.0, 1.0, -1.0])
    assert moved @ X[4] == pytest.approx(moved @ X[1])


def test_a_reversal_may_need_more_weight_than_there_is():
    found = robustness.critical_reversal([[0.0, 1.0], [0.9, 0.0]], [0.9, 0.1], 0, 1)

    assert found.gap == pytest.approx(-0.71)
    assert found.transfer == pytest.approx(0.71 / 1.9)
    assert found.possible
    assert not robustness.critical_reversal([[0.9, 0.8], [0.0, 0.0]], [0.5, 0.5], 0, 1).possible


def test_a_tie_that_needs_all_of_a_weight_is_possible():
    found = robustness.critical_reversal([[0.01, 0.0], [0.0, 0.0]], [0.45, 0.55], 0, 1)

    assert found.transfer > 0.45  # by the rounding of 0.0045 / 0.01
    assert found.possible


def test_the_same_lead_everywhere_can_not_be_reversed():
    found = robustness.critical_reversal([[0.6, 0.3], [0.5, 0.2]], [0.5, 0.5], 0, 1)

    assert found.transfer > 1e6 or math.isinf(found.transfer)
    assert not found.possible


def test_tau_counts_ties_as_neither():
    assert robustness.kendall_tau([1, 2, 3], [1, 2, 2]) == pytest.approx(2 / 3)
    assert robustness.kendall_tau([1, 2, 3], [3, 2, 1]) == -1.0
    assert math.isnan(robustness.kendall_tau([1], [1]))


def test_rank_intervals_cut_the_tails():
    draws = [[0.9, 0.1, 0.5]] * 95 + [[0.1, 0.9, 0.5]] * 5

    assert robustness.rank_intervals(draws, 0.8).tolist() == [[1, 1], [3, 3], [2, 2]]
    assert robustness.rank_intervals(draws, 1.0).tolist() == [[1, 3], [1, 3], [2, 2]]


def test_overlapping_rank_intervals_are_one_tier():
    assert robustness.rank_tiers([[4, 5], [1, 2], [2, 3], [5, 6]]).tolist() == [2, 1, 1, 2]


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="two dimensions"):
        robustness.rank_probabilities([0.1, 0.2])
    with pytest.raises(ValueError, match="one length"):
        robustness.kendall_tau([1, 2], [1])
