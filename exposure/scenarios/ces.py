"""Output when inputs are short, for any ease of swapping one for another.

Symbols: θ cost share, u availability of an input in [0, 1], ρ CES exponent, elasticity 1 / (1 - ρ).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from exposure.errors import ScenarioError
from exposure.scenarios.arrays import SHARE_SLACK, Csr, Vector, check_unit

DEFAULT_RHO = -4.0  # elasticity 0.2; the interval to show is [-9, 0]


def ces_loss(shares: ArrayLike, availability: ArrayLike, rho: float = DEFAULT_RHO) -> float:
    """Output lost when inputs are short, for any ease of swapping one for another.

    loss = 1 - (Σ_k θ_k u_k^ρ)^(1/ρ)
    ρ = 1: 1 - Σ θ u;    ρ → 0: 1 - Π u^θ;    ρ → -∞: 1 - min u (over inputs with θ > 0)

    Parameters
    ----------
    shares
        Cost shares θ of shape (k,), Σ ≤ 1; cost that isn't listed is always available.
    availability
        u of shape (k,), in [0, 1].
    rho
        ρ ≤ 1; ``-inf`` for fixed proportions.

    Returns
    -------
    float
        Loss in [0, 1]; it never rises with ρ.

    Raises
    ------
    ScenarioError
        If ρ is above 1, shares are negative or sum to more than 1, or u lies outside [0, 1].

    Source
    ------
    Arrow, Chenery, Minhas, Solow (1961); power-mean inequality.

    Examples
    --------
    >>> [round(ces_loss([0.3, 0.1, 0.6], [0.5, 1, 1], r), 6) for r in (1, 0, -4, float("-inf"))]
    [0.15, 0.187748, 0.347006, 0.5]
    """
    theta, u = np.asarray(shares, dtype=np.float64), np.asarray(availability, dtype=np.float64)
    if theta.shape != u.shape:
        raise ValueError(f"shares {theta.shape} and availability {u.shape} must have one shape")
    if np.any(~(theta >= 0)) or theta.sum() > 1 + SHARE_SLACK:
        raise ScenarioError(f"cost shares must be ≥ 0 and sum to at most 1, got {theta.tolist()}")
    check_unit(u, "an availability")
    if not rho <= 1:
        raise ScenarioError(f"rho must be at most 1, got {rho:g}")
    used = theta > 0
    if not used.any():
        return 0.0
    if np.isneginf(rho):
        return float(1.0 - u[used].min())
    weights = sparse.csr_array(theta[used][None, :])
    return float(1.0 - power_mean(weights, u[used][:, None], np.array([rho]))[0, 0])


def elasticity(rho: float) -> float:
    """Elasticity of substitution that an exponent stands for.

    1 / (1 - ρ)

    Examples
    --------
    >>> elasticity(-4.0), elasticity(1.0), elasticity(float("-inf"))
    (0.2, inf, 0.0)
    """
    return float("inf") if rho == 1 else 1.0 / (1.0 - rho)


def power_mean(weights: Csr, u: Vector, rho: Vector) -> Vector:
    """CES of each row's inputs, cost outside them at 1: exp(log1p(Σ θ (u^ρ - 1)) / ρ).

    ``weights`` (n, q) holds θ > 0 only, ``u`` is (q, width), ``rho`` (n,) finite or -inf.
    """
    n, width = weights.shape[0], u.shape[1]
    rows = np.repeat(np.arange(n), np.diff(weights.indptr))
    theta = weights.data[:, None]
    level = u[weights.indices]
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        log_u = np.log(level)
        exponent = rho[rows][:, None]
        smooth = np.isfinite(exponent) & (np.abs(exponent) > 1e-12)
        scaled = np.where(smooth, exponent, 0.0) * log_u
        term = np.where(smooth, theta * np.expm1(scaled), theta * log_u)
        total = np.zeros((n, width))
        np.add.at(total, rows, term)
        power = np.exp(np.log1p(np.maximum(total, -1.0)) / rho[:, None])
        mean = np.where(np.abs(rho[:, None]) > 1e-12, power, np.exp(total))
    if np.isneginf(rho).any():
        least = np.ones((n, width))
        np.minimum.at(least, rows, level)
        mean = np.where(np.isneginf(rho)[:, None], least, mean)
    return np.clip(mean, 0.0, 1.0)
