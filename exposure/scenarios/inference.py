"""Returns of names that no scenario reaches, by conditional expectation under the risk model.

Symbols: B loadings times the root of the factor covariance, (n, k); D specific variance, (n,); S the modelled names.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exposure.risk import RiskModel, as_matrices
from exposure.scenarios.conditional import p_value_normal, p_value_t
from exposure.scenarios.definitions import Assumptions

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


@dataclass(frozen=True, slots=True)
class Inference:
    """What the risk model says of one case: facts of plausibility, and the inferred returns under the blend.

    ``blended`` maps a listing to its return under the covariance with the crisis window blended in; empty where the
    risk model has no crisis window.
    """

    facts: dict[str, Any]
    blended: dict[str, float]


T_DEGREES = 5.0
HALF_90 = 1.645


def infer_case(
    listings: Sequence[str],
    rows: dict[str, dict[str, Any]],
    risk: RiskModel | None,
    *,
    years: float,
    assumptions: Assumptions,
    empty: bool,
) -> Inference:
    """Fill the rows that nothing models by conditional expectation, in place, and say how plausible the others are.

    Parameters
    ----------
    rows
        Listing → row of :class:`~exposure.schemas.ScenarioReturns`.
    years
        Horizon; Σ is scaled by it.
    """
    modelled = [i for i, name in enumerate(listings) if rows[name]["origin"] == "modelled"]
    facts: dict[str, Any] = {
        "modelled_names": len(modelled),
        "d": None,
        "p_normal": None,
        "p_t": None,
        "extrapolation": None,
        "fallback": False,
        "d_blend": None,
        "p_t_blend": None,
    }
    if empty or risk is None or not modelled:
        return Inference(facts, {})
    values = np.array([rows[listings[i]]["ret"] for i in modelled])
    loadings, specific = as_matrices(risk, listings)
    loadings, specific = loadings * np.sqrt(years), specific * years
    limit = assumptions.extrapolation_limit
    answer = infer_returns(
        loadings, specific, modelled, values, extrapolation_limit=limit, nu=T_DEGREES
    )
    facts |= {
        "d": answer.distance,
        "p_normal": answer.p_normal,
        "p_t": answer.p_t,
        "extrapolation": answer.extrapolation,
        "fallback": answer.fallback,
    }
    for i, name in enumerate(listings):
        if rows[name]["origin"] == "none" and rows[name].get("channel") is None:
            mean = max(-1.0, float(answer.mean[i]))
            half = HALF_90 * float(answer.sd[i])
            rows[name] |= {
                "ret": mean,
                "ret_lo": max(-1.0, mean - half),
                "ret_hi": mean + half,
                "origin": "inferred",
                "channel": "market_beta" if answer.fallback else "risk_model",
            }
    if risk.crisis is None:
        return Inference(facts, {})
    strained, apart = as_matrices(risk.crisis, listings)
    blend = assumptions.crisis_weight
    stacked = np.hstack([np.sqrt(1.0 - blend) * loadings, np.sqrt(blend * years) * strained])
    own = (1.0 - blend) * specific + blend * apart * years
    other = infer_returns(stacked, own, modelled, values, extrapolation_limit=np.inf, nu=T_DEGREES)
    facts |= {"d_blend": other.distance, "p_t_blend": other.p_t}
    inferred = [i for i, name in enumerate(listings) if rows[name]["origin"] == "inferred"]
    return Inference(facts, {listings[i]: max(-1.0, float(other.mean[i])) for i in inferred})


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


def infer_many(
    known: NDArray[np.bool_],
    returns: FloatArray,
    loadings: FloatArray,
    specific: FloatArray,
    extrapolation_limit: float,
) -> FloatArray:
    """Fill the unknown returns of many cases by conditional expectation.

    E[r_U | r_S = s] = B_U B_S'(B_S B_S' + D_S)⁻¹ s; by the first factor alone where a return is extreme

    Parameters
    ----------
    known
        S of each case, of shape (D, n).
    returns
        Of shape (D, n); unknown ones are ignored.
    loadings, specific
        B of shape (n, k) and D of shape (n,), over the horizon.
    extrapolation_limit
        As in :func:`infer_returns`.

    Returns
    -------
    numpy.ndarray
        Of shape (D, n), at least −1; all zero where nothing is known.

    Examples
    --------
    >>> infer_many(np.array([[True, False]]), np.array([[-0.1, 0.0]]), np.array([[0.2], [0.2]]),
    ...     np.array([0.04, 0.04]), 4.0).round(6).tolist()
    [[-0.1, -0.05]]
    """
    filled = np.where(known, returns, 0.0)
    usual = np.sqrt(np.sum(loadings**2, axis=1) + specific)
    patterns, member = np.unique(known, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        if pattern.all() or not pattern.any():
            continue
        rows = np.flatnonzero(member.reshape(-1) == number)
        values = filled[np.ix_(rows, np.flatnonzero(pattern))]
        extreme = (np.abs(values) / usual[pattern]).max(axis=1) > extrapolation_limit
        for some, used in ((rows[~extreme], loadings), (rows[extreme], loadings[:, :1])):
            if some.size:
                b = used[pattern]
                weights = np.linalg.solve(
                    b @ b.T + np.diag(specific[pattern]),
                    filled[np.ix_(some, np.flatnonzero(pattern))].T,
                )
                moved = (used[~pattern] @ (b.T @ weights)).T
                filled[np.ix_(some, np.flatnonzero(~pattern))] = np.maximum(-1.0, moved)
    return filled
