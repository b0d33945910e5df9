"""Names off the graph move by conditional expectation, and extreme extrapolation is caught."""

import numpy as np
import pytest
from scipy import stats

from exposure.scenarios.inference import infer_returns


def infer(values, limit=4.0):
    loadings = np.array([[0.2, 0.1], [0.2, 0.0], [0.1, -0.1]])
    specific = np.array([0.04, 0.02, 0.03])
    return infer_returns(
        loadings, specific, [0, 2], np.array(values), extrapolation_limit=limit, nu=5.0
    )


def test_it_equals_the_regression_on_the_whole_covariance():
    out = infer([-0.1, 0.05])
    loadings = np.array([[0.2, 0.1], [0.2, 0.0], [0.1, -0.1]])
    sigma = loadings @ loadings.T + np.diag([0.04, 0.02, 0.03])
    s = [0, 2]
    beta = sigma[np.ix_([1], s)] @ np.linalg.inv(sigma[np.ix_(s, s)])

    assert out.mean[1] == pytest.approx((beta @ np.array([-0.1, 0.05])).item())
    assert out.mean[0] == -0.1


def test_distance_and_chances():
    out = infer([-0.1, 0.05])

    assert out.p_normal == pytest.approx(stats.chi2.sf(out.distance**2, 2))
    assert out.p_t > out.p_normal * 0.5
    assert not out.fallback


def test_zeros_infer_zero():
    out = infer([0.0, 0.0])

    assert out.mean[1] == 0.0
    assert out.distance == 0.0


def test_an_extreme_return_falls_back_to_the_market():
    out = infer([-0.9, 0.0], limit=2.0)

    assert out.fallback
    assert out.extrapolation > 2.0
