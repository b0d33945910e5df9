"""Scenario mixtures, tails and draws against enumeration and closed forms."""

import numpy as np
import pytest
from scipy import stats

from exposure.errors import ScenarioError
from exposure.factors.draws import pert_beta
from exposure.scenarios.distribution import (
    draw_durations,
    draw_noise,
    draw_scenarios,
    expected_loss,
    gaussian_copula_joint,
    scenario_mixture,
)
from exposure.scenarios.tails import (
    cvar_discrete,
    cvar_gaussian,
    cvar_student_t,
    tail_attribution,
    tail_contributions,
)

P = [0.3, 0.2, 0.1]
L = [[-0.1, -0.02], [-0.25, 0.05], [0.0, -0.4]]
LOSS = [0.31, -0.02, 0.12, 0.05, 0.08, 0.22, -0.01, 0.0, 0.03, 0.15]
MASS = [0.02, 0.3, 0.05, 0.15, 0.08, 0.04, 0.16, 0.1, 0.06, 0.04]


def test_the_published_mixture():
    out = scenario_mixture(P, L)

    assert out.expected == pytest.approx([-0.08, -0.036], abs=1e-9)
    assert out.variance == pytest.approx([0.0121, 0.014884], abs=1e-9)
    assert out.states.astype(int).tolist()[:3] == [[0, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert out.probability == pytest.approx(
        [0.504, 0.056, 0.126, 0.014, 0.216, 0.024, 0.054, 0.006], abs=1e-9
    )
    assert out.returns[3] == pytest.approx([-0.25, -0.35], abs=1e-9)
    assert out.returns[7] == pytest.approx([-0.35, -0.37], abs=1e-9)


def test_the_moments_are_those_of_the_joint_outcomes():
    out = scenario_mixture(P, L)
    mean = out.probability @ out.returns

    assert out.probability.sum() == pytest.approx(1.0)
    assert mean == pytest.approx(out.expected)
    assert out.probability @ out.returns**2 - mean**2 == pytest.approx(out.variance)


def test_too_many_scenarios_are_not_listed():
    with pytest.raises(ScenarioError, match="too many"):
        scenario_mixture([0.1] * 17, [[0.0]] * 17)


def test_the_published_copula():
    assert gaussian_copula_joint([0.3, 0.2], 0.5) == pytest.approx(0.11524723021711603, abs=1e-9)


@pytest.mark.parametrize(
    ("rho", "expected"), [(0.0, 0.06), (1.0, 0.2), (-1.0, 0.0), (0.999999, 0.2)]
)
def test_the_copula_at_its_ends(rho, expected):
    assert gaussian_copula_joint([0.3, 0.2], rho) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("rho", [-0.95, -0.5, 0.3, 0.9, 0.999])
def test_two_even_chances_have_a_closed_form(rho):
    expected = 0.25 + np.arcsin(rho) / (2 * np.pi)

    assert gaussian_copula_joint([0.5, 0.5], rho) == pytest.approx(expected, abs=1e-9)


def test_three_even_chances_have_a_closed_form():
    expected = 0.125 + 3 * np.arcsin(0.4) / (4 * np.pi)

    assert gaussian_copula_joint([0.5, 0.5, 0.5], 0.4) == pytest.approx(expected, abs=1e-9)


def test_certain_and_impossible_scenarios():
    assert gaussian_copula_joint([1.0, 0.3], 0.5) == pytest.approx(0.3, abs=1e-9)
    assert gaussian_copula_joint([0.0, 0.3], 0.5) == 0.0


def test_a_negative_correlation_of_three_is_refused():
    with pytest.raises(ScenarioError, match="correlation"):
        gaussian_copula_joint([0.5, 0.5, 0.5], -0.1)


@pytest.mark.parametrize(
    ("level", "var", "cvar"),
    [
        (0.9, 0.06689309393267602, 0.09529899915949214),
        (0.95, 0.08869121761708833, 0.11376276845044556),
        (0.99, 0.12958087244245042, 0.14991285322074832),
    ],
)
def test_the_published_normal_tail(level, var, cvar):
    out = cvar_gaussian(0.01, 0.06, level)

    assert (out.var, out.cvar) == pytest.approx((var, cvar), abs=1e-9)


@pytest.mark.parametrize(
    ("level", "cvar"), [(0.95, 0.12811481608379496), (0.99, 0.20882336777968877)]
)
def test_the_published_t_tail(level, cvar):
    out = cvar_student_t(4, 0.04, level)

    assert out.cvar == pytest.approx(cvar, abs=1e-9)
    assert out.var == pytest.approx(0.04 * stats.t.ppf(level, 4))


def test_a_t_with_many_degrees_is_normal():
    out, normal = cvar_student_t(1e7, 0.06, 0.95, loc=0.01), cvar_gaussian(0.01, 0.06, 0.95)

    assert (out.var, out.cvar) == pytest.approx((normal.var, normal.cvar), abs=1e-6)


@pytest.mark.parametrize(
    ("level", "var", "cvar"),
    [(0.9, 0.15, 0.21), (0.95, 0.22, 0.256), (0.97, 0.22, 0.28), (0.5, 0.0, 0.0854)],
)
def test_the_published_atoms(level, var, cvar):
    out = cvar_discrete(LOSS, MASS, level)

    assert (out.var, out.cvar) == pytest.approx((var, cvar), abs=1e-9)


def test_cvar_is_the_smallest_of_the_rockafellar_uryasev_function():
    loss, mass = np.array(LOSS), np.array(MASS)
    for level in (0.6, 0.75, 0.93):
        smallest = min(z + mass @ np.maximum(loss - z, 0.0) / (1 - level) for z in loss)

        assert cvar_discrete(loss, mass, level).cvar == pytest.approx(smallest)


def test_equal_losses_are_one_atom():
    split = cvar_discrete([0.3, 0.3, 0.0], [0.1, 0.3, 0.6], 0.8)

    assert (split.var, split.cvar) == pytest.approx((0.3, 0.3))
    by_cause = tail_attribution([0.3, 0.3, 0.0], [0.1, 0.3, 0.6], [[1], [0], [1]], 0.8)
    assert by_cause == pytest.approx([0.25])


def test_tail_attribution_by_hand():
    """Worst 5%: the 2% at .31 and 3 of the 4% at .22."""
    flags = np.zeros((10, 2))
    flags[0, 0] = flags[5, 1] = 1

    assert tail_attribution(LOSS, MASS, flags, 0.95) == pytest.approx([0.4, 0.6])


@pytest.mark.parametrize("level", [0.0, 1.0, float("nan")])
def test_a_level_outside_is_refused(level):
    with pytest.raises(ScenarioError, match="level"):
        cvar_discrete([0.1], [1.0], level)
    with pytest.raises(ScenarioError, match="level"):
        cvar_gaussian(0.0, 1.0, level)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: cvar_discrete([0.1, 0.2], [0.5, 0.4], 0.9), "sum to 0.9"),
        (lambda: cvar_discrete([0.1, float("nan")], [0.5, 0.5], 0.9), "missing"),
        (lambda: cvar_student_t(1.0, 1.0, 0.9), "no mean"),
        (lambda: cvar_gaussian(0.0, -1.0, 0.9), "0 or more"),
        (lambda: scenario_mixture([1.2], [[0.1]]), "a probability is 1.2"),
        (lambda: scenario_mixture([0.2], [[float("nan")]]), "missing"),
        (lambda: pert_beta(0.5, 0.4, 0.6, 1, np.random.default_rng(1)), "in order"),
    ],
)
def test_what_is_no_distribution_is_refused(call, words):
    with pytest.raises(ScenarioError, match=words):
        call()


def test_pert_has_its_mean_and_range():
    draws = pert_beta(0.1, 0.2, 0.9, 200_000, np.random.default_rng(5))

    assert draws.mean() == pytest.approx((0.1 + 4 * 0.2 + 0.9) / 6, abs=2e-3)
    assert draws.min() >= 0.1
    assert draws.max() <= 0.9
    assert pert_beta(0.3, 0.3, 0.3, 2, np.random.default_rng(5)).tolist() == [0.3, 0.3]


def test_draws_follow_the_copula():
    out = draw_scenarios([0.3, 0.2], [[0, 0.5, 1]] * 2, 200_000, seed=11, rho=0.5)

    assert out.flags.all(axis=1).mean() == pytest.approx(0.115247, abs=3e-3)


def test_tail_contributions_add_to_the_cvar():
    rng = np.random.default_rng(9)
    returns, w = 0.1 * rng.standard_normal((400, 3)), np.array([0.5, 0.3, 0.2])
    p = np.full(400, 1 / 400)

    parts = tail_contributions(returns, p, w, 0.95)

    assert parts.sum() == pytest.approx(cvar_discrete(-(returns @ w), p, 0.95).cvar)


def test_a_portfolio_loses_no_more_than_its_names():
    out = expected_loss(P, L, [0.6, 0.4])

    assert out.loss == pytest.approx([800.0, 460.0])
    assert out.gain == pytest.approx([0.0, 100.0])
    assert out.contribution.sum() == pytest.approx(out.portfolio_loss)
    assert out.portfolio_loss <= np.array([0.6, 0.4]) @ out.loss


def test_durations_have_their_median_and_range():
    draws = draw_durations(1.0, 4.0, 16.0, 200_000, np.random.default_rng(5))

    assert np.median(draws) == pytest.approx(4.0, rel=0.02)
    assert ((draws >= 1.0) & (draws <= 16.0)).mean() == pytest.approx(0.9, abs=5e-3)


SEVERITIES = [[0.5, 1.0, 1.5]] * 3


def test_the_seed_decides_the_scenarios():
    first, again, other = (draw_scenarios(P, SEVERITIES, 100, seed=seed) for seed in (1, 1, 2))

    assert np.array_equal(first.severity, again.severity)
    assert not np.array_equal(first.severity, other.severity)


def test_factor_noise_has_its_covariance_and_fat_tails():
    loadings, specific = np.array([[0.08], [0.05]]), np.array([0.0036, 0.0])
    noise = draw_noise(loadings, specific, 400_000, seed=4, nu=8.0)
    normal = draw_noise(loadings, specific, 400_000, seed=4, nu=np.inf)
    covariance = loadings @ loadings.T + np.diag(specific)

    assert np.cov(noise.T) == pytest.approx(covariance, rel=0.03)
    assert np.cov(normal.T) == pytest.approx(covariance, rel=0.03)
    assert stats.kurtosis(noise[:, 0]) > stats.kurtosis(normal[:, 0]) + 0.5


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: draw_durations(0.0, 1.0, 2.0, 1, np.random.default_rng(1)), "durations"),
        (lambda: draw_scenarios([0.1], [[0, 0.5, 1]], 1, seed=1, rho=-0.1), "correlation"),
        (lambda: draw_scenarios([0.1], [[0, 0.5, 1]], 0, seed=1), "draw"),
        (lambda: draw_noise([[0.1]], [0.1], 1, seed=1, nu=2.0), "freedom"),
    ],
)
def test_impossible_draws_are_refused(call, words):
    with pytest.raises(ScenarioError, match=words):
        call()


def test_draws_of_wrong_shape_are_refused():
    with pytest.raises(ValueError, match="severities must have shape"):
        draw_scenarios(P, np.zeros((3, 2)), 1, seed=1)


def test_an_escalation_makes_easing_less_likely():
    out = draw_scenarios(
        [0.4, 0.3, 0.3], [[0, 0.5, 1]] * 3, 100_000, seed=3, rho=0.6, signs=[1, -1, 0]
    )
    rises, eases, apart = out.flags.T

    assert out.flags.mean(axis=0) == pytest.approx([0.4, 0.3, 0.3], abs=6e-3)
    assert eases[rises].mean() < 0.15
    assert apart[rises].mean() == pytest.approx(0.3, abs=0.01)
