"""From scores of positions to figures of the portfolio: sums, shares, bands, concentration.

Everything is linear in raw units. Percentiles and z-scores have no place here: they don't add up.

Symbols
    w, b    weights of portfolio and benchmark, of shape (n,), fractions
    x       scores of shape (n,) in the factor's unit; lo, hi their interval
    s       standard deviation of a score, from a 90% interval
    G       first-hit share of upstream node j in holding i, of shape (n, J)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Vector = NDArray[np.float64]

Z_90 = 1.6448536269514722  # half width of a 90% interval in standard deviations


@dataclass(frozen=True, slots=True)
class UncertaintyBands:
    """Standard deviation of the exposure under three beliefs about how errors go together.

    Parameters
    ----------
    independent
        Every score errs on its own.
    common
        All err alike (one source behind all of them).
    mixed
        Correlation ρ between errors.
    """

    independent: float
    common: float
    mixed: float


@dataclass(frozen=True, slots=True)
class Concentration:
    """How few upstream nodes carry the portfolio.

    Parameters
    ----------
    load
        Share of the portfolio's cost that first hits each node, of shape (J,).
    hhi
        Herfindahl index of the normalised load, in [1/J, 1].
    effective
        1 / hhi: the number of equal suppliers that would be as concentrated.
    effective_entropy
        e^H of the normalised load, less moved by the largest.
    """

    load: Vector
    hhi: float
    effective: float
    effective_entropy: float


def exposure(w: ArrayLike, x: ArrayLike) -> float:
    """Exposure of a portfolio to a factor.

    e = Σ_i w_i x_i

    Missing values: a missing score gives NaN, never zero; leave it out and lower coverage instead.

    Examples
    --------
    >>> round(exposure([0.6, 0.4], [0.5, 0.1]), 12)
    0.34
    """
    weights, scores = _pair(w, x)
    return float(weights @ scores)


def active_exposure(w: ArrayLike, b: ArrayLike, x: ArrayLike) -> float:
    """Exposure beyond the benchmark's.

    a = Σ_i (w_i - b_i) x_i

    Examples
    --------
    >>> round(active_exposure([0.6, 0.4], [0.5, 0.5], [0.5, 0.1]), 12)
    0.04
    """
    weights, benchmark = _pair(w, b)
    return exposure(weights - benchmark, x)


def euler_shares(w: ArrayLike, x: ArrayLike) -> Vector:
    """Part of the exposure that each position brings; sums to 1 unless the exposure is zero.

    share_i = w_i x_i / Σ_j w_j x_j        (NaN where the exposure is zero)

    Examples
    --------
    >>> euler_shares([0.6, 0.4], [0.5, 0.25]).round(12).tolist()
    [0.75, 0.25]
    """
    weights, scores = _pair(w, x)
    parts = weights * scores
    total = parts.sum()
    return np.asarray(parts / total if total != 0 else np.full(parts.size, np.nan))


def exposure_interval(w: ArrayLike, lo: ArrayLike, hi: ArrayLike) -> tuple[float, float]:
    """Outer bounds of the exposure, shorts included.

    lo = Σ_{w>0} w lo + Σ_{w<0} w hi,    hi = Σ_{w>0} w hi + Σ_{w<0} w lo

    Examples
    --------
    >>> low, high = exposure_interval([1.0, -0.5], [0.2, 0.2], [0.4, 0.6])
    >>> round(low, 12), round(high, 12)
    (-0.1, 0.3)
    """
    weights, low = _pair(w, lo)
    _, high = _pair(w, hi)
    long, short = np.maximum(weights, 0.0), np.minimum(weights, 0.0)
    return float(long @ low + short @ high), float(long @ high + short @ low)


def sd_from_interval(lo: ArrayLike, hi: ArrayLike) -> Vector:
    """Standard deviation behind a 90% interval.

    s = (hi - lo) / (2 · 1.6449)

    Examples
    --------
    >>> sd_from_interval([0.7], [0.9]).round(6).tolist()
    [0.060796]
    """
    low, high = _pair(lo, hi)
    return (high - low) / (2.0 * Z_90)


def uncertainty_bands(w: ArrayLike, sd: ArrayLike, rho: float = 0.3) -> UncertaintyBands:
    """Quick brackets for the standard deviation of the exposure.

    independent √Σ w²s²,    common Σ |w| s,    mixed √((1-ρ) independent² + ρ common²)

    Examples
    --------
    >>> bands = uncertainty_bands([0.6, 0.8], [0.1, 0.1], rho=0.0)
    >>> round(bands.independent, 12), round(bands.common, 12), round(bands.mixed, 12)
    (0.1, 0.14, 0.1)
    """
    weights, spread = _pair(w, sd)
    independent = float(np.sqrt(weights**2 @ spread**2))
    common = float(np.abs(weights) @ spread)
    mixed = float(np.sqrt((1.0 - rho) * independent**2 + rho * common**2))
    return UncertaintyBands(independent, common, mixed)


def herfindahl(parts: ArrayLike) -> float:
    """Concentration of parts that sum to anything positive.

    HHI = Σ (l / Σl)²        (NaN where nothing is there)

    Examples
    --------
    >>> herfindahl([1, 1, 1, 1])
    0.25
    """
    amounts = np.abs(np.asarray(parts, dtype=np.float64))
    total = amounts.sum()
    return float(((amounts / total) ** 2).sum()) if total > 0 else float("nan")


def effective_holdings(w: ArrayLike) -> float:
    """Number of equal positions as concentrated as these weights.

    1 / Σ w²

    Examples
    --------
    >>> effective_holdings([0.5, 0.5])
    2.0
    """
    weights = np.asarray(w, dtype=np.float64)
    squared = float(weights @ weights)
    return 1.0 / squared if squared > 0 else float("nan")


def upstream_concentration(w: ArrayLike, G: ArrayLike) -> Concentration:  # noqa: N803  the paper's symbol
    """Load of a portfolio on upstream nodes, and how concentrated it is.

    l = w'G,    HHI of l / Σl

    Parameters
    ----------
    w
        Weights of shape (n,).
    G
        First-hit shares of shape (n, J), see :func:`exposure.factors.network.upstream_load`.

    Examples
    --------
    >>> c = upstream_concentration([0.5, 0.5], [[0.5, 0.0], [0.0, 0.5]])
    >>> c.load.tolist(), c.effective, round(c.effective_entropy, 12)
    ([0.25, 0.25], 2.0, 2.0)
    """
    weights = np.asarray(w, dtype=np.float64)
    shares = np.asarray(G, dtype=np.float64)
    if shares.ndim != 2 or shares.shape[0] != weights.size:
        raise ValueError(f"G must have {weights.size} rows to match w, got shape {shares.shape}")
    load = np.asarray(weights @ shares, dtype=np.float64)
    hhi = herfindahl(load)
    total = np.abs(load).sum()
    if not total > 0:
        return Concentration(load, hhi, float("nan"), float("nan"))
    entropy = float(special.entr(np.abs(load) / total).sum())
    return Concentration(load, hhi, 1.0 / hhi, float(np.exp(entropy)))


def _pair(left: ArrayLike, right: ArrayLike) -> tuple[Vector, Vector]:
    a, b = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"two vectors of one length are needed, got {a.shape} and {b.shape}")
    return a, b
