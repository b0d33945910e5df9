"""Conditional expectation of the names off the graph, and the plausibility of those on it."""

import numpy as np
import pytest

from exposure.errors import ScenarioError
from exposure.scenarios.conditional import (
    conditional_returns,
    p_value_normal,
    p_value_t,
)
from exposure.scenarios.inference import infer_many, infer_returns

SIGMA = [[0.04, 0.018, 0.006], [0.018, 0.09, 0.012], [0.006, 0.012, 0.0225]]
B = np.array([[0.2, 0.0], [0.15, 0.1], [0.1, -0.05]])
D = np.array([0.01, 0.02, 0.03])


def test_the_published_case():
    out = conditional_returns([0, 0, 0], SIGMA, [0], [-0.3])

    assert out.mean == pytest.approx([-0.3, -0.135, -0.045], abs=1e-9)
    assert out.beta == pytest.approx(np.array([[0.45], [0.15]]), abs=1e-9)
    assert out.covariance == pytest.approx(np.array([[0.0819, 0.0093], [0.0093, 0.0216]]), abs=1e-9)
    assert out.d2 == pytest.approx(2.25, abs=1e-9)
    assert p_value_normal(out.d2, 1) == pytest.approx(0.13361440253771584, abs=1e-9)
    assert p_value_t(out.d2, 1, 5) == pytest.approx(0.11056669073123566, abs=1e-9)


def test_the_order_of_the_shocked_names_does_not_matter():
    first = conditional_returns([0.01, 0.02, 0.03], SIGMA, [0, 2], [-0.3, 0.1])
    second = conditional_returns([0.01, 0.02, 0.03], SIGMA, [2, 0], [0.1, -0.3])

    assert first.mean == pytest.approx(second.mean)
    assert first.d2 == pytest.approx(second.d2)


def test_expected_returns_surprise_nobody():
    out = conditional_returns([0.01, 0.02, 0.03], SIGMA, [1], [0.02])

    assert out.mean == pytest.approx([0.01, 0.02, 0.03])
    assert out.d2 == 0.0


def test_all_shocked_leaves_nothing_open():
    out = conditional_returns([0, 0, 0], SIGMA, [0, 1, 2], [0.1, 0.2, 0.3])

    assert out.mean == pytest.approx([0.1, 0.2, 0.3])
    assert out.covariance.shape == (0, 0)


def test_the_risk_model_gives_what_the_whole_covariance_gives():
    """The stress test conditions in factor form; the published case is checked on whole covariances."""
    F = np.array([[1.0, 0.3], [0.3, 0.5]])
    whole = conditional_returns([0.0] * 3, B @ F @ B.T + np.diag(D), [0, 1], [-0.2, 0.1])

    out = infer_returns(
        B @ np.linalg.cholesky(F), D, [0, 1], np.array([-0.2, 0.1]), extrapolation_limit=9.0, nu=5.0
    )
    many = infer_many(
        np.array([[True, True, False]]),
        np.array([[-0.2, 0.1, 0.0]]),
        B @ np.linalg.cholesky(F),
        D,
        9.0,
    )

    assert out.mean == pytest.approx(whole.mean)
    assert out.distance**2 == pytest.approx(whole.d2)
    assert many[0] == pytest.approx(whole.mean)


def test_two_names_have_closed_chances():
    assert p_value_normal(3.0, 2) == pytest.approx(np.exp(-1.5))
    assert p_value_t(3.0, 2, 5.0) == pytest.approx((1 + 3.0 / 3.0) ** -2.5)


def test_chances_fall_with_distance_and_the_t_meets_the_normal():
    chances = [p_value_t(d2, 3, 5.0) for d2 in (0.0, 1.0, 5.0, 30.0)]

    assert chances[0] == 1.0
    assert chances == sorted(chances, reverse=True)
    assert p_value_t(20.0, 3, 5.0) > p_value_normal(20.0, 3)
    assert p_value_t(5.0, 3, 1e7) == pytest.approx(p_value_normal(5.0, 3), abs=1e-6)


def test_what_can_not_be_conditioned_on_is_refused():
    with pytest.raises(ScenarioError, match="dependent"):
        conditional_returns([0, 0], [[1.0, 1.0], [1.0, 1.0]], [0, 1], [0.1, 0.2])
    with pytest.raises(ScenarioError, match="no name"):
        conditional_returns([0], [[1.0]], [], [])
    with pytest.raises(ScenarioError, match="covariance"):
        p_value_t(1.0, 1, 2.0)


def test_wrong_positions_are_refused():
    with pytest.raises(ValueError, match="distinct"):
        conditional_returns([0, 0, 0], SIGMA, [0, 0], [0.1, 0.1])
    with pytest.raises(ValueError, match="entries"):
        conditional_returns([0, 0, 0], SIGMA, [0], [0.1, 0.1])
