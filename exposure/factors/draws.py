"""Draws from a three-point estimate, for everything that is known as an interval with a point."""

from __future__ import annotations

import numpy as np

from exposure.errors import ScenarioError
from exposure.factors.matrices import Vector


def pert_beta(
    lo: float, mid: float, hi: float, size: int, generator: np.random.Generator
) -> Vector:
    """Draw from the beta distribution of a three-point estimate.

    x = lo + (hi − lo) Beta(1 + 4 (mid − lo)/(hi − lo), 1 + 4 (hi − mid)/(hi − lo)),  E[x] = (lo + 4 mid + hi)/6

    Parameters
    ----------
    lo, mid, hi
        Smallest, most likely and largest value, in order.
    size
        Number of draws.
    generator
        Where the draws come from: the caller's own, so that a run can be repeated.

    Raises
    ------
    ScenarioError
        If the three points aren't in order.

    Source
    ------
    Malcolm, Roseboom, Clark & Fazar 1959.

    Examples
    --------
    >>> draws = pert_beta(0.2, 0.5, 0.8, 1000, np.random.default_rng(1))
    >>> bool(draws.min() >= 0.2), bool(draws.max() <= 0.8), round(float(draws.mean()), 1)
    (True, True, 0.5)
    """
    if not (lo <= mid <= hi and np.isfinite(hi - lo)):
        raise ScenarioError(f"three points aren't in order: {lo:g}, {mid:g}, {hi:g}")
    if lo == hi:
        return np.full(size, lo)
    up, down = 4.0 * (mid - lo) / (hi - lo), 4.0 * (hi - mid) / (hi - lo)
    return np.asarray(lo + (hi - lo) * generator.beta(1.0 + up, 1.0 + down, size))
