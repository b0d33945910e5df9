"""Worst case, reverse stress and risk contributions of a three-name book with known numbers."""

import numpy as np
import pytest

from exposure.errors import ScenarioError
from exposure.scenarios.plausibility import (
    euler_volatility,
    reverse_stress,
    worst_case,
)

MU = [0.01, 0.02, 0.005]
SIGMA = [[0.04, 0.018, 0.006], [0.018, 0.09, 0.012], [0.006, 0.012, 0.0225]]
W = [0.5, 0.3, 0.2]


def test_the_published_worst_case():
    out = worst_case(MU, SIGMA, W, 3)

    assert out.portfolio_return == pytest.approx(-0.481315314986, abs=1e-9)
    assert out.scenario == pytest.approx(
        [-0.475287994772, -0.680566127791, -0.197507396315], abs=1e-9
    )


def test_the_published_reverse_stress():
    out = reverse_stress(MU, SIGMA, W, 0.25)

    assert out.distance == pytest.approx(1.593301436469, abs=1e-9)
    assert out.scenario == pytest.approx(
        [-0.247736686391, -0.352071005917, -0.102551775148], abs=1e-9
    )
    assert out.p_value == pytest.approx(0.055546292300281505, abs=1e-9)


def test_the_published_contributions_sum_to_the_volatility():
    out = euler_volatility(SIGMA, W)

    assert out == pytest.approx([0.080881332462, 0.070056612779, 0.013500493088], abs=1e-9)
    assert out.sum() == pytest.approx(np.sqrt(np.array(W) @ np.array(SIGMA) @ np.array(W)))


def test_reverse_stress_inverts_the_worst_case():
    loss = -worst_case(MU, SIGMA, W, 2.5).portfolio_return

    out = reverse_stress(MU, SIGMA, W, loss)

    assert out.distance == pytest.approx(2.5)
    assert np.array(W) @ out.scenario == pytest.approx(-loss)


def test_no_scenario_within_the_radius_is_worse():
    worst = worst_case(MU, SIGMA, W, 2.0)
    directions = np.random.default_rng(3).standard_normal((500, 3))
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    scenarios = np.array(MU) + 2.0 * unit @ np.linalg.cholesky(np.array(SIGMA)).T

    assert (scenarios @ np.array(W)).min() >= worst.portfolio_return - 1e-12


def test_the_scenario_lies_at_its_distance():
    out = reverse_stress(MU, SIGMA, W, 0.3)
    deviation = out.scenario - np.array(MU)

    assert deviation @ np.linalg.solve(np.array(SIGMA), deviation) == pytest.approx(out.distance**2)


def test_a_loss_below_the_expected_one_has_a_negative_distance():
    out = reverse_stress([-0.3], [[0.04]], [1.0], 0.1)

    assert out.distance == pytest.approx(-1.0)
    assert out.p_value > 0.5


@pytest.mark.parametrize(
    ("mu", "sigma", "w", "radius", "words"),
    [
        (MU, SIGMA, W, -1.0, "radius"),
        (MU, SIGMA, W, float("nan"), "radius"),
        ([0.0, float("nan"), 0.0], SIGMA, W, 1.0, "missing"),
        (MU, SIGMA, [0.0, 0.0, 0.0], 1.0, "no risk"),
        ([0.0, 0.0], [[0.04, 0.01], [0.02, 0.04]], [1.0, 0.0], 1.0, "symmetric"),
    ],
)
def test_what_has_no_worst_case_is_refused(mu, sigma, w, radius, words):
    with pytest.raises(ScenarioError, match=words):
        worst_case(mu, sigma, w, radius)


def test_a_missing_loss_and_wrong_shapes_are_refused():
    with pytest.raises(ScenarioError, match="missing"):
        reverse_stress(MU, SIGMA, W, float("nan"))
    with pytest.raises(ValueError, match="don't fit"):
        euler_volatility(SIGMA, [1.0])
