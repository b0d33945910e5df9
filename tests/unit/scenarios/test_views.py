"""Views move probabilities as little as they can: closed forms, the dual, and what is refused."""

import numpy as np
import pytest
from scipy import stats

from exposure.errors import ScenarioError
from exposure.scenarios.views import (
    effective_scenarios,
    entropy_pooling,
    partition_views,
    relative_entropy,
)

PRIOR = [0.55, 0.2, 0.15, 0.07, 0.03]
GROUP = [0, 1, 1, 2, 2]
POSTERIOR = [0.35, 0.257142857143, 0.192857142857, 0.14, 0.06]


def test_the_published_partition():
    out = partition_views(PRIOR, GROUP, {1: 0.45, 2: 0.2})

    assert out.probability == pytest.approx(POSTERIOR, abs=1e-9)
    assert out.relative_entropy == pytest.approx(0.093526135528, abs=1e-9)
    assert out.effective_prior == pytest.approx(3.409654171398, abs=1e-9)
    assert out.effective_post == pytest.approx(4.384761774076, abs=1e-9)


def test_the_dual_finds_the_closed_form():
    rows = [[0, 1, 1, 0, 0], [0, 0, 0, 1, 1]]

    out = entropy_pooling(PRIOR, rows, [0.45, 0.2])

    assert out.probability == pytest.approx(POSTERIOR, abs=1e-9)


def test_a_redundant_view_changes_nothing():
    rows = [[0, 1, 1, 0, 0], [0, 0, 0, 1, 1], [1, 0, 0, 0, 0]]

    out = entropy_pooling(PRIOR, rows, [0.45, 0.2, 0.35])

    assert out.probability == pytest.approx(POSTERIOR, abs=1e-9)


def test_two_free_cells_share_in_proportion():
    out = partition_views([0.4, 0.4, 0.2], [5, 7, 9], {7: 0.1})

    assert out.probability == pytest.approx([0.6, 0.1, 0.3])


def test_views_that_state_the_prior_change_nothing():
    out = partition_views(PRIOR, GROUP, {0: 0.55, 1: 0.35, 2: 0.1})

    assert out.probability == pytest.approx(PRIOR)
    assert out.relative_entropy == pytest.approx(0.0, abs=1e-12)
    assert entropy_pooling(PRIOR, np.zeros((0, 5)), []).probability == pytest.approx(PRIOR)


def test_a_die_with_mean_four_and_a_half():
    """Jaynes' die: the probabilities grow by a constant ratio from face to face."""
    faces = np.arange(1.0, 7.0)

    out = entropy_pooling(np.full(6, 1 / 6), [faces], [4.5])
    ratios = out.probability[1:] / out.probability[:-1]

    assert out.probability @ faces == pytest.approx(4.5, abs=1e-9)
    assert ratios == pytest.approx(np.full(5, ratios[0]))
    assert out.probability[5] == pytest.approx(0.34749, abs=1e-5)


def test_a_mean_view_on_normal_draws_moves_the_other_mean_by_its_beta():
    covariance = np.array([[0.04, 0.018], [0.018, 0.09]])
    grid = stats.norm.ppf((np.arange(120) + 0.5) / 120)
    z = np.array(np.meshgrid(grid, grid)).reshape(2, -1)
    returns = np.linalg.cholesky(covariance) @ z

    out = entropy_pooling(np.full(z.shape[1], 1 / z.shape[1]), returns[:1], [-0.1])

    assert returns @ out.probability == pytest.approx([-0.1, -0.045], abs=1e-9)


def test_no_other_distribution_that_meets_the_views_is_nearer():
    faces = np.arange(1.0, 7.0)
    prior = np.array([0.3, 0.1, 0.2, 0.1, 0.2, 0.1])
    out = entropy_pooling(prior, [faces], [3.0])
    step = np.array([1.0, -2.0, 1.0, 0.0, 0.0, 0.0]) * 1e-3  # keeps the sum and the mean

    for sign in (1, -1):
        assert relative_entropy(out.probability + sign * step, prior) > out.relative_entropy


def test_excluded_draws_stay_excluded():
    out = entropy_pooling([0.5, 0.5, 0.0], [[0.0, 1.0, 5.0]], [0.7])

    assert out.probability == pytest.approx([0.3, 0.7, 0.0])


def test_an_excluded_event_is_the_limit_of_the_dual():
    out = entropy_pooling([0.25] * 4, [[1, 0, 0, 0]], [0.0])

    assert out.probability == pytest.approx([0.0, 1 / 3, 1 / 3, 1 / 3], abs=1e-9)


def test_large_units_are_no_harder():
    rng = np.random.default_rng(8)
    row = 1e6 + 1e3 * rng.standard_normal(2000)

    out = entropy_pooling(np.full(2000, 1 / 2000), [row], [1e6 + 500.0])

    assert out.probability @ row == pytest.approx(1e6 + 500.0, rel=1e-12)


def test_a_view_that_leaves_too_few_draws_is_refused():
    prior = np.full(1000, 0.001)

    with pytest.raises(ScenarioError, match="effective draws"):
        partition_views(prior, (np.arange(1000) < 10).astype(int), {1: 1.0})
    with pytest.raises(ScenarioError, match="effective draws"):
        entropy_pooling(prior, [np.arange(1000.0)], [995.0])


@pytest.mark.parametrize("target", [2.0, -0.5])
def test_a_view_outside_the_draws_is_refused(target):
    with pytest.raises(ScenarioError, match="meet all the views"):
        entropy_pooling([0.5, 0.5], [[0.0, 1.0]], [target])


def test_views_that_contradict_each_other_are_refused():
    with pytest.raises(ScenarioError, match="meet all the views"):
        entropy_pooling([0.25] * 4, [[1, 0, 0, 0], [1, 0, 0, 0]], [0.3, 0.4])


@pytest.mark.parametrize(
    ("prior", "group", "views", "words"),
    [
        (PRIOR, GROUP, {3: 0.1}, "no scenario"),
        (PRIOR, GROUP, {1: 1.1}, "must lie"),
        (PRIOR, GROUP, {1: 0.6, 2: 0.6}, "above 1"),
        (PRIOR, GROUP, {0: 0.2, 1: 0.2, 2: 0.2}, "without a view"),
        ([1.0, 0.0], [0, 1], {1: 0.5}, "excludes"),
        ([0.5, 0.4], [0, 1], {1: 0.5}, "sum to 0.9"),
        ([1.5, -0.5], [0, 1], {1: 0.5}, "outside"),
    ],
)
def test_impossible_partition_views_are_refused(prior, group, views, words):
    with pytest.raises(ScenarioError, match=words):
        partition_views(prior, group, views)


def test_measures_of_information():
    assert relative_entropy(PRIOR, PRIOR) == 0.0
    assert relative_entropy([0.5, 0.5], [1.0, 0.0]) == np.inf
    assert effective_scenarios(np.full(8, 0.125)) == pytest.approx(8.0)


def test_wrong_shapes_and_missing_numbers_are_refused():
    with pytest.raises(ValueError, match="differ in shape"):
        partition_views(PRIOR, [0], {})
    with pytest.raises(ValueError, match="A must be"):
        entropy_pooling(PRIOR, [[1.0]], [0.5])
    with pytest.raises(ValueError, match="vector"):
        effective_scenarios([[1.0]])
    with pytest.raises(ScenarioError, match="missing"):
        entropy_pooling([0.5, 0.5], [[0.0, float("nan")]], [0.5])


def test_a_limit_binds_only_where_it_is_broken():
    rows = [[0, 1, 1, 0, 0]]

    loose = entropy_pooling(PRIOR, [[0, 0, 0, 1, 1]], [0.2], A_max=rows, b_max=[0.9])
    tight = entropy_pooling(PRIOR, [[0, 0, 0, 1, 1]], [0.2], A_max=rows, b_max=[0.1])

    assert loose.probability == pytest.approx(partition_views(PRIOR, GROUP, {2: 0.2}).probability)
    assert tight.probability == pytest.approx(
        partition_views(PRIOR, GROUP, {1: 0.1, 2: 0.2}).probability
    )


def test_a_limit_that_holds_already_says_nothing():
    out = entropy_pooling(PRIOR, np.zeros((0, 5)), [], A_max=[[0, 1, 1, 0, 0]], b_max=[0.5])

    assert out.probability == pytest.approx(PRIOR)


def test_one_view_may_be_a_row_alone():
    alone = entropy_pooling(PRIOR, [0, 1, 1, 0, 0], [0.45])

    assert alone.probability == pytest.approx(partition_views(PRIOR, GROUP, {1: 0.45}).probability)
