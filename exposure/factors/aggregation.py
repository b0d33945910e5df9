"""From scores of holdings to numbers of a portfolio: exposure, bands and concentration.

Only shares in raw units add up over positions; percentiles don't.

Symbols
    w   weight of a holding, a fraction of net asset value
    b   weight in the benchmark
    x   score of a holding in the factor's unit, with ends lo and hi
    s   standard deviation of a score, in its unit
    G   G[i,j], share of upstream node j in holding i
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from exposure.errors import ContentError

Vector = NDArray[np.float64]

NORMAL_95 = 1.6448536269514722  # standard normal quantile: lo..hi is read as a 5-95% interval


def exposure(w: ArrayLike, x: ArrayLike) -> float:
    """Weighted sum of scores.

    exposure = w'x

    Parameters
    ----------
    w, x
        Of shape (n,).

    Raises
    ------
    ContentError
        If a weight or score is missing: missing is never zero.

    Source
    ------
    Methodology, section 4, item 5.

    Examples
    --------
    >>> exposure([0.5, 0.5], [0.8, 0.2])
    0.5
    """
    weights, scores = _pair(w, x, "score")
    return float(weights @ scores)


def active_exposure(w: ArrayLike, b: ArrayLike, x: ArrayLike) -> float:
    """Exposure beyond the benchmark's.

    active = (w - b)'x

    Parameters
    ----------
    w, b, x
        Of shape (n,), over the holdings of both.

    Raises
    ------
    ContentError
        If a number is missing.

    Examples
    --------
    >>> round(active_exposure([0.5, 0.5], [0.25, 0.75], [0.8, 0.4]), 12)
    0.1
    """
    weights, base = _pair(w, b, "benchmark weight")
    return exposure(weights - base, x)


def euler_shares(w: ArrayLike, x: ArrayLike) -> Vector:
    """Part of the exposure that each holding brings.

    share_i = w_i x_i / w'x        adds to 1

    Parameters
    ----------
    w, x
        Of shape (n,).

    Raises
    ------
    ContentError
        If a number is missing, or the exposure is zero and there is nothing to share.

    Examples
    --------
    >>> euler_shares([0.5, 0.5], [0.75, 0.25]).tolist()
    [0.75, 0.25]
    """
    weights, scores = _pair(w, x, "score")
    total = float(weights @ scores)
    if total == 0:
        raise ContentError("the exposure is zero, so nobody has a share of it")
    return weights * scores / total


def interval(w: ArrayLike, lo: ArrayLike, hi: ArrayLike) -> tuple[float, float]:
    """Outer band of the exposure when all scores stand at one end together.

    [w'lo, w'hi]        a short position swaps its ends

    Parameters
    ----------
    w, lo, hi
        Of shape (n,).

    Raises
    ------
    ContentError
        If a number is missing or an interval is upside down.

    Examples
    --------
    >>> interval([0.5, 0.5], [0.25, 0.5], [0.75, 1.0])
    (0.375, 0.875)
    """
    weights, low, high = _band(w, lo, hi)
    long = weights >= 0
    return (
        float(weights @ np.where(long, low, high)),
        float(weights @ np.where(long, high, low)),
    )


def score_sd(lo: ArrayLike, hi: ArrayLike) -> Vector:
    """Standard deviation behind a 90% interval.

    s = (hi - lo) / (2 z.95)        z.95 = 1.6448536

    Parameters
    ----------
    lo, hi
        Of shape (n,), 5% and 95% ends.

    Raises
    ------
    ContentError
        If a number is missing or an interval is upside down.

    Examples
    --------
    >>> score_sd([0.0], [0.32897072539]).round(9).tolist()
    [0.1]
    """
    _, low, high = _band(np.ones(np.shape(lo)), lo, hi)
    return np.asarray((high - low) / (2.0 * NORMAL_95), dtype=np.float64)


def sd_independent(w: ArrayLike, s: ArrayLike) -> float:
    """Standard deviation of the exposure when scores err apart from each other.

    √(Σ w² s²)

    Parameters
    ----------
    w, s
        Of shape (n,).

    Raises
    ------
    ContentError
        If a number is missing.

    Examples
    --------
    >>> sd_independent([0.6, 0.8], [0.5, 0.5])
    0.5
    """
    weights, deviations = _pair(w, s, "standard deviation")
    return float(np.linalg.norm(weights * deviations))


def sd_common(w: ArrayLike, s: ArrayLike) -> float:
    """Standard deviation of the exposure when all scores err together.

    Σ |w| s

    Parameters
    ----------
    w, s
        Of shape (n,).

    Raises
    ------
    ContentError
        If a number is missing.

    Examples
    --------
    >>> sd_common([0.5, -0.5], [0.5, 0.25])
    0.375
    """
    weights, deviations = _pair(w, s, "standard deviation")
    return float(np.abs(weights) @ deviations)


def sd_mixed(w: ArrayLike, s: ArrayLike, rho: float) -> float:
    """Standard deviation of the exposure between independent and common errors.

    √((1 - ρ) ind² + ρ com²)

    Parameters
    ----------
    w, s
        Of shape (n,).
    rho
        ρ in [0, 1], the common part.

    Raises
    ------
    ContentError
        If a number is missing or ρ lies outside [0, 1].

    Examples
    --------
    >>> sd_mixed([0.6, 0.8], [0.5, 0.5], 0.0), round(sd_mixed([0.6, 0.8], [0.5, 0.5], 1.0), 12)
    (0.5, 0.7)
    """
    if not 0 <= rho <= 1:
        raise ContentError(f"rho is {rho:g}; it must lie in [0, 1]")
    alone, together = sd_independent(w, s), sd_common(w, s)
    return float(np.sqrt((1.0 - rho) * alone**2 + rho * together**2))


def portfolio_load(w: ArrayLike, shares: ArrayLike) -> Vector:
    """How much of the portfolio hangs on each upstream node, of shape (nodes,).

    load = w'G

    Parameters
    ----------
    w
        Of shape (n,).
    shares
        G of shape (n, nodes), see :func:`exposure.factors.network.upstream_load`.

    Raises
    ------
    ContentError
        If a number is missing.

    Examples
    --------
    >>> portfolio_load([0.5, 0.5], [[1.0, 0.0], [0.5, 0.5]]).tolist()
    [0.75, 0.25]
    """
    weights, table = np.asarray(w, dtype=np.float64), np.asarray(shares, dtype=np.float64)
    if table.ndim != 2 or weights.shape != table.shape[:1]:
        raise ValueError(f"w {weights.shape} must match the rows of shares {table.shape}")
    _no_gaps(weights, "weight")
    _no_gaps(table, "upstream share")
    return np.asarray(weights @ table, dtype=np.float64)


def herfindahl(load: ArrayLike) -> float:
    """Concentration of a load, from 1/n (even) to 1 (one node).

    HHI = Σ (l / Σ l)²

    Parameters
    ----------
    load
        Of shape (nodes,), not negative.

    Raises
    ------
    ContentError
        If a load is missing or negative, or all are zero.

    Examples
    --------
    >>> herfindahl([3, 1])
    0.625
    """
    return float(np.sum(_normalised(load) ** 2))


def effective_number(load: ArrayLike) -> float:
    """How many nodes of equal size would be as concentrated.

    1 / HHI

    Parameters
    ----------
    load
        Of shape (nodes,), not negative.

    Raises
    ------
    ContentError
        As in :func:`herfindahl`.

    Examples
    --------
    >>> effective_number([3, 1])
    1.6
    """
    return 1.0 / herfindahl(load)


def effective_number_entropy(load: ArrayLike) -> float:
    """How many nodes of equal size would have the same entropy.

    e^H,  H = -Σ p ln p,  p = l / Σ l

    Parameters
    ----------
    load
        Of shape (nodes,), not negative.

    Raises
    ------
    ContentError
        As in :func:`herfindahl`.

    Examples
    --------
    >>> round(effective_number_entropy([1, 1, 0]), 12)
    2.0
    """
    p = _normalised(load)
    p = p[p > 0]
    return float(np.exp(-np.sum(p * np.log(p))))


def holdings_herfindahl(w: ArrayLike) -> float:
    """Concentration of the positions themselves.

    Σ w²        weights aren't normalised: cash dilutes

    Parameters
    ----------
    w
        Of shape (n,).

    Raises
    ------
    ContentError
        If a weight is missing.

    Examples
    --------
    >>> holdings_herfindahl([0.5, 0.5])
    0.5
    """
    weights = np.asarray(w, dtype=np.float64)
    _no_gaps(weights, "weight")
    return float(weights @ weights)


def effective_holdings(w: ArrayLike) -> float:
    """How many equal positions would be as concentrated.

    1 / Σ w²

    Parameters
    ----------
    w
        Of shape (n,).

    Raises
    ------
    ContentError
        If a weight is missing or nothing is held.

    Examples
    --------
    >>> effective_holdings([0.5, 0.5])
    2.0
    """
    total = holdings_herfindahl(w)
    if total == 0:
        raise ContentError("nothing is held, so there is no number of holdings")
    return 1.0 / total


def _pair(w: ArrayLike, x: ArrayLike, what: str) -> tuple[Vector, Vector]:
    weights, values = np.asarray(w, dtype=np.float64), np.asarray(x, dtype=np.float64)
    if weights.ndim != 1 or weights.shape != values.shape:
        raise ValueError(f"weights {weights.shape} and {what}s {values.shape} must match")
    _no_gaps(weights, "weight")
    _no_gaps(values, what)
    return weights, values


def _band(w: ArrayLike, lo: ArrayLike, hi: ArrayLike) -> tuple[Vector, Vector, Vector]:
    weights, low = _pair(w, lo, "lower end")
    _, high = _pair(w, hi, "upper end")
    if np.any(low > high):
        raise ContentError(f"the interval of holding {int(np.argmax(low > high))} has lo above hi")
    return weights, low, high


def _normalised(load: ArrayLike) -> Vector:
    values = np.asarray(load, dtype=np.float64)
    _no_gaps(values, "load")
    if np.any(values < 0):
        raise ContentError("a load is negative: concentration is defined for long positions")
    total = float(values.sum())
    if total == 0:
        raise ContentError("all loads are zero, so there is no concentration")
    return values / total


def _no_gaps(values: Vector, what: str) -> None:
    gaps = ~np.isfinite(values)
    if gaps.any():
        at = int(np.unravel_index(int(np.argmax(gaps)), values.shape)[0])
        raise ContentError(f"the {what} of holding {at} is missing; missing is never zero")
