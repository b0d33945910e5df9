"""Returns of names that no scenario reaches, by conditional expectation under the risk model.

Symbols: B loadings times the root of the factor covariance, (n, k); D specific variance, (n,); S the modelled names.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from exposure.scenarios.conditional import p_value_normal, p_value_t

FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Inferred:
    """Expected returns of all names given those of S, of shape (n,), and how far the given ones are from usual.

    ``distance`` is Mahalanobis d; ``p_normal`` and ``p_t`` are the chances of a larger one; ``extrapolation`` is the
    largest |return| over its own standard deviation; ``fallback`` tells that only the first factor was used.
    """

    mean: FloatArray
    sd: FloatArray
    distance: float
    p_normal: float
    p_t: float
    extrapolation: float
    fallback: bool


def infer_returns(
    loadings: FloatArray,
    specific: FloatArray,
    modelled: Sequence[int],
    values: FloatArray,
    *,
    extrapolation_limit: float,
    nu: float,
) -> Inferred:
    """Return E[r | r_S = s] under r = B f + e.

    E[f | r_S = s] = B_S'(B_S B_S' + D_S)⁻¹ s,   E[r_j] = B_j E[f]        d² = s'(B_S B_S' + D_S)⁻¹ s

    Parameters
    ----------
    loadings
        B of shape (n, k), factors scaled to unit variance; column 0 is the market.
    specific
        D of shape (n,), over the same horizon.
    modelled, values
        Positions of S and their returns; zeros and gains belong to S too.
    extrapolation_limit
        Above this ratio the names off the graph move by the market factor alone.
    nu
        Degrees of freedom of the t reading of the distance.

    Source
    ------
    Kupiec 1998; D_S keeps one issuer's own news from dragging the market (methodology 3.6).

    Examples
    --------
    One factor, two names with equal risk from market and own news: half of a fall is market.

    >>> out = infer_returns(np.array([[0.2], [0.2]]), np.array([0.04, 0.04]), [0], np.array([-0.1]),
    ...     extrapolation_limit=4.0, nu=5.0)
    >>> out.mean.round(6).tolist()
    [-0.1, -0.05]
    """
    at = list(modelled)
    used, fallback = loadings, False
    ratio = float(
        np.max(np.abs(values) / np.sqrt(np.sum(loadings[at] ** 2, axis=1) + specific[at]))
    )
    if ratio > extrapolation_limit:
        used, fallback = loadings[:, :1], True
    b = used[at]
    covariance = b @ b.T + np.diag(specific[at])
    weights = np.linalg.solve(covariance, values)
    mean = used @ (b.T @ weights)
    mean[at] = values
    posterior = np.eye(used.shape[1]) - b.T @ np.linalg.solve(covariance, b)
    variance = np.einsum("ij,jk,ik->i", used, posterior, used) + specific
    full = loadings[at] @ loadings[at].T + np.diag(specific[at])
    d2 = float(values @ np.linalg.solve(full, values))
    k = len(at)
    return Inferred(
        mean=mean,
        sd=np.sqrt(np.maximum(variance, 0.0)),
        distance=math.sqrt(d2),
        p_normal=p_value_normal(d2, k),
        p_t=p_value_t(d2, k, nu),
        extrapolation=ratio,
        fallback=fallback,
    )
