"""How the rest of the market moves, given the names that the network models, and how odd that is.

Symbols
    S       the names with a given return s (modelled names, zeros and gains too); k = their number
    Σ       covariance of all returns over the horizon; μ their means
    B, F, D loadings (n × q), factor covariance (q × q), specific variance (n):  Σ = B F B' + D
    d²      squared Mahalanobis distance of s
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg, special

from exposure.errors import ScenarioError

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Conditional:
    """Returns of all names given some of them.

    Parameters
    ----------
    mean
        Of shape (n,), in the given order; the given names carry their given return.
    beta
        Of shape (n - k, k): move of each other name per unit of each given name.
    covariance
        Of shape (n - k, n - k): what stays uncertain about the others.
    d2
        Squared Mahalanobis distance of the given returns.
    """

    mean: Vector
    beta: Vector
    covariance: Vector
    d2: float


def conditional_returns(
    mu: ArrayLike, Sigma: ArrayLike, shocked: Sequence[int], values: ArrayLike
) -> Conditional:
    """Move every name to its expectation given the returns of some.

    β = Σ_US Σ_SS^-1,  E[r_U] = μ_U + β (s - μ_S),  Cov[r_U] = Σ_UU - β Σ_SU

    Parameters
    ----------
    mu, Sigma
        Means of shape (n,) and covariance of shape (n, n) over the horizon.
    shocked
        Positions of the given names, without repetition.
    values
        Their returns, of shape (k,).

    Raises
    ------
    ScenarioError
        If the given names are linearly dependent (two lines of one company, for example).

    Source
    ------
    Kupiec (1998); equal to Gaussian entropy pooling with views on means (Meucci 2008).

    Examples
    --------
    >>> c = conditional_returns([0, 0], [[0.04, 0.018], [0.018, 0.09]], [0], [-0.3])
    >>> c.mean.round(12).tolist(), round(c.d2, 12)
    ([-0.3, -0.135], 2.25)
    """
    mean = np.array(mu, dtype=np.float64)
    covariance = np.asarray(Sigma, dtype=np.float64)
    given = _positions(shocked, mean.size)
    s = np.asarray(values, dtype=np.float64)
    if s.shape != given.shape:
        raise ValueError(f"values must have {given.size} entries to match shocked, got {s.size}")
    others = np.setdiff1d(np.arange(mean.size), given)
    root = _root(covariance[np.ix_(given, given)])
    cross = covariance[np.ix_(given, others)]
    beta = np.asarray(linalg.cho_solve(root, cross)).T
    surprise = s - mean[given]
    d2 = float(surprise @ linalg.cho_solve(root, surprise))
    mean[others] += beta @ surprise
    mean[given] = s
    return Conditional(mean, beta, covariance[np.ix_(others, others)] - beta @ cross, d2)


def p_value_normal(d2: float, k: int) -> float:
    """Probability that k jointly normal returns lie at least this far out.

    p = P(χ²_k > d²)

    Examples
    --------
    >>> round(p_value_normal(2.25, 1), 6)
    0.133614
    """
    return float(special.chdtrc(k, d2))


def p_value_t(d2: float, k: int, nu: float = 5.0) -> float:
    """Probability that k jointly Student-t returns lie at least this far out.

    p = P(F_{k,ν} > d² ν / ((ν - 2) k))        Σ is the covariance of the t, not its scale matrix

    Raises
    ------
    ScenarioError
        If ν isn't above 2: there is no covariance.

    Examples
    --------
    >>> round(p_value_t(2.25, 1, 5), 6)
    0.110567
    """
    if not nu > 2:
        raise ScenarioError(f"a Student-t with {nu:g} degrees of freedom has no covariance")
    return float(special.fdtrc(k, nu, d2 * nu / (nu - 2.0) / k))


def _positions(shocked: Sequence[int], n: int) -> NDArray[np.int64]:
    given = np.asarray(shocked, dtype=np.int64)
    if given.size == 0:
        raise ScenarioError("no name has a given return")
    if given.min() < 0 or given.max() >= n or np.unique(given).size != given.size:
        raise ValueError(f"positions must be distinct and within 0..{n - 1}")
    return given


def _root(covariance: Vector) -> tuple[Vector, bool]:
    try:
        factor, lower = linalg.cho_factor(covariance, lower=True)
    except linalg.LinAlgError as error:
        raise ScenarioError(
            "the given names are linearly dependent, so their returns can't be conditioned on",
            cure="give one line per company, or a positive specific variance",
        ) from error
    return np.asarray(factor, dtype=np.float64), bool(lower)
