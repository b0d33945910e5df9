"""The worst scenario of a given plausibility, and the most plausible one of a given loss.

Symbols: μ, Σ mean and covariance of returns over the horizon; w weights; sd = √(w'Σw); ψ severities
of policy scenarios, each in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from exposure.errors import ScenarioError

Vector = NDArray[np.float64]

MAX_CORNER_DIMENSIONS = 12  # 2^12 corners; above, corners are left to the random starts
SAME_SCENARIO = 0.05  # severities closer than this everywhere are one and the same answer


@dataclass(frozen=True, slots=True)
class WorstCase:
    """The scenario that hurts a portfolio most within a distance.

    Parameters
    ----------
    scenario
        Return of each name, of shape (n,).
    portfolio_return
        What the portfolio returns in it, a signed fraction.
    """

    scenario: Vector
    portfolio_return: float


@dataclass(frozen=True, slots=True)
class ReverseStress:
    """The nearest scenario in which a portfolio loses a given amount.

    Parameters
    ----------
    distance
        Mahalanobis distance of the scenario; below 0 where the expected return is already worse.
    scenario
        Return of each name, of shape (n,).
    p_value
        Chance that a normal portfolio return is as bad: plausibility of returns, never of a policy
        act.
    """

    distance: float
    scenario: Vector
    p_value: float


def worst_case(mu: ArrayLike, sigma: ArrayLike, w: ArrayLike, radius: float) -> WorstCase:
    """Return the worst scenario on the ellipsoid of a radius.

    r* = μ − k Σw / sd,  w'r* = w'μ − k sd

    Parameters
    ----------
    mu, sigma, w
        μ of shape (n,), Σ of shape (n, n) and w of shape (n,).
    radius
        k, Mahalanobis distance, ≥ 0.

    Raises
    ------
    ScenarioError
        If a number is missing, the radius is negative, or the portfolio has no risk.

    Source
    ------
    Breuer, Jandačka, Rheinberger & Summer 2009.

    Examples
    --------
    >>> out = worst_case([0.0, 0.0], [[0.09, 0.0], [0.0, 0.16]], [1.0, 0.0], 2.0)
    >>> out.scenario.round(12).tolist(), round(out.portfolio_return, 12)
    ([-0.6, 0.0], -0.6)
    """
    if not (np.isfinite(radius) and radius >= 0.0):
        raise ScenarioError(f"a radius is {radius:g}; it must be 0 or more")
    m, weights, marginal, sd = _moments(mu, sigma, w)
    return WorstCase(m - radius * marginal / sd, float(weights @ m - radius * sd))


def reverse_stress(
    mu: ArrayLike, sigma: ArrayLike, w: ArrayLike, target_loss: float
) -> ReverseStress:
    """Return the most plausible scenario that loses a given amount.

    d = (L + w'μ) / sd,  r = μ − d Σw / sd,  p = 1 − Φ(d)

    Parameters
    ----------
    mu, sigma, w
        As in :func:`worst_case`.
    target_loss
        L, a fraction of the portfolio; above 0 is a loss.

    Raises
    ------
    ScenarioError
        If a number is missing or the portfolio has no risk.

    Source
    ------
    Inverse of the worst case of Breuer et al. 2009.

    Examples
    --------
    >>> out = reverse_stress([0.0, 0.0], [[0.09, 0.0], [0.0, 0.16]], [1.0, 0.0], 0.6)
    >>> round(out.distance, 12), out.scenario.round(12).tolist()
    (2.0, [-0.6, 0.0])
    """
    if not np.isfinite(target_loss):
        raise ScenarioError("the loss to reach is missing")
    m, weights, marginal, sd = _moments(mu, sigma, w)
    distance = float((target_loss + weights @ m) / sd)
    return ReverseStress(distance, m - distance * marginal / sd, float(stats.norm.sf(distance)))


def euler_volatility(sigma: ArrayLike, w: ArrayLike) -> Vector:
    """Return what each name adds to the standard deviation of the portfolio.

    c = w ∘ Σw / sd,  Σ c = sd

    Parameters
    ----------
    sigma, w
        As in :func:`worst_case`.

    Returns
    -------
    numpy.ndarray
        c of shape (n,), in the unit of sd; negative for a hedge.

    Raises
    ------
    ScenarioError
        If a number is missing or the portfolio has no risk.

    Source
    ------
    Euler allocation; Tasche 1999.

    Examples
    --------
    >>> euler_volatility([[0.09, 0.0], [0.0, 0.16]], [1.0, 1.0]).round(12).tolist()
    [0.18, 0.32]
    """
    weights = np.asarray(w, dtype=np.float64)
    _, weights, marginal, sd = _moments(np.zeros(weights.shape), sigma, weights)
    return np.asarray(weights * marginal / sd, dtype=np.float64)


def _moments(mu: ArrayLike, sigma: ArrayLike, w: ArrayLike) -> tuple[Vector, Vector, Vector, float]:
    """Return μ, w, Σw and sd, checked."""
    m, cov, weights = (np.asarray(a, dtype=np.float64) for a in (mu, sigma, w))
    if m.ndim != 1 or weights.shape != m.shape or cov.shape != (m.size, m.size):
        shapes = f"{m.shape}, {cov.shape}, {weights.shape}"
        raise ValueError(f"mu, sigma and w don't fit each other: {shapes}")
    if not all(bool(np.isfinite(a).all()) for a in (m, cov, weights)):
        raise ScenarioError("a mean, covariance or weight is missing")
    if not np.allclose(cov, cov.T, rtol=1e-9, atol=0.0):
        raise ScenarioError("the covariance isn't symmetric")
    marginal = cov @ weights
    variance = float(weights @ marginal)
    if variance <= 0.0:
        raise ScenarioError("the portfolio has no risk under this covariance: no worst case exists")
    return m, weights, marginal, float(np.sqrt(variance))
