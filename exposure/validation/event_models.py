"""Abnormal returns of many names around many days at once, from the estimation days of each alone.

Symbols
    T, N, D   trading days, names, event days
    X         1 and the regressors (the market; or the market and the mean of the other names of the group)
    AR, CAR   actual less fitted return; its sum over the window
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from exposure.errors import UsageError
from exposure.risk.markets import market_of

Matrix = NDArray[np.float64]
Mask = NDArray[np.bool_]
Window = tuple[int, int]

SMALLEST_MARKET = 5  # names of a market that make a group of their own; fewer join all the others


@dataclass(frozen=True, slots=True)
class Estimation:
    """The days before day 0 on which the ordinary behaviour is fitted.

    Parameters
    ----------
    first, last
        Trading days relative to day 0, both included and below 0.
    minimum_days
        A name with fewer usable days has no abnormal return.

    Examples
    --------
    >>> Estimation(-140, -21, 80).last
    -21
    """

    first: int
    last: int
    minimum_days: int

    def __post_init__(self) -> None:
        if not self.first < self.last < 0:
            raise UsageError("the estimation days must end before day 0, and begin before they end")


@dataclass(frozen=True, slots=True)
class Abnormal:
    """Abnormal returns around D days.

    Attributes
    ----------
    cars
        Window → CAR of shape (D, N); NaN where a day of the window, or enough estimation days, are missing.
    slopes
        Of shape (D, N, K): loadings on the regressors.
    days
        Usable estimation days, of shape (D, N).
    """

    cars: dict[Window, Matrix]
    slopes: Matrix
    days: NDArray[np.int64]


def others_mean(returns: ArrayLike, names: Sequence[str]) -> Matrix:
    """Mean return of the other names of the same market, for each name and day.

    g_it = Σ_{j≠i} r_jt / (n_t - 1)

    Parameters
    ----------
    returns
        Of shape (T, N), NaN where missing.
    names
        The N listings; their market is read from the code. A market of fewer than five names joins all the others.

    Returns
    -------
    ndarray of shape (T, N)
        NaN where no other name has a return.

    Examples
    --------
    >>> others_mean([[0.01, 0.02, 0.06]], ["1.SZ", "2.SZ", "3.SH"]).round(3).tolist()
    [[0.04, 0.035, 0.015]]
    """
    r = np.asarray(returns, dtype=np.float64)
    markets = np.array([market_of(name) for name in names])
    out = np.full(r.shape, np.nan)
    for market in dict.fromkeys(markets):
        own = markets == market
        members = own if own.sum() >= SMALLEST_MARKET else np.ones(len(names), dtype=bool)
        present = np.isfinite(r[:, members])
        total = np.where(present, r[:, members], 0.0).sum(axis=1)[:, None]
        count = present.sum(axis=1)[:, None]
        mine = np.isfinite(r[:, own])
        others = count - mine
        value = total - np.where(mine, r[:, own], 0.0)
        out[:, own] = np.where(others > 0, value / np.maximum(others, 1), np.nan)
    return out


def abnormal_returns(
    returns: ArrayLike,
    regressors: Sequence[ArrayLike],
    positions: ArrayLike,
    windows: Sequence[Window],
    estimation: Estimation,
    excluded: ArrayLike | None = None,
) -> Abnormal:
    """Abnormal returns around each day, each from a fit on the days before it.

    r_it = X_t b_i + e_it   on the estimation days;    CAR_i = Σ_window (r_it - X_t b_i)

    Parameters
    ----------
    returns
        Log (or simple) returns of shape (T, N), NaN where missing.
    regressors
        Each of shape (T,), or (T, N) where it differs by name.
    positions
        The D days 0, as rows of ``returns``.
    windows
        (first, last) relative to day 0, both included.
    estimation
        Days of the fit.
    excluded
        Of shape (T,): days that enter no fit (windows of registered events).

    Raises
    ------
    UsageError
        If a window leaves the panel.

    Notes
    -----
    Missing values: a missing day is left out of the fit; inside the window it makes the CAR NaN. Nothing is filled.
    The sums of products are cumulated over days, so D windows cost as much as one.

    Source
    ------
    MacKinlay (1997), sections 4 and 5.

    Examples
    --------
    >>> m = np.tile([0.01, -0.01, 0.02, 0.0], 40)
    >>> r = np.column_stack([1.5 * m, 0.5 * m])
    >>> r[150, 0] -= 0.08
    >>> out = abnormal_returns(r, [m], [150], [(0, 2)], Estimation(-140, -21, 80))
    >>> out.cars[(0, 2)].round(6).tolist(), out.slopes[0, :, 0].round(6).tolist()
    ([[-0.08, 0.0]], [1.5, 0.5])
    """
    y = np.asarray(returns, dtype=np.float64)
    at = np.asarray(positions, dtype=np.int64)
    t, n = y.shape
    if at.size and (
        at.min() + min(w[0] for w in windows) < 0 or at.max() + max(w[1] for w in windows) >= t
    ):
        raise UsageError(
            f"a window around days {at.min()} to {at.max()} leaves the panel of {t} days"
        )
    design = np.stack(
        [np.ones((t, n))] + [np.broadcast_to(_columns(column), (t, n)) for column in regressors],
        axis=-1,
    )
    usable = np.isfinite(y) & np.isfinite(design).all(axis=-1)
    fit = (
        usable
        & ~(np.zeros(t, dtype=bool) if excluded is None else np.asarray(excluded, dtype=bool))[
            :, None
        ]
    )
    x = np.where(fit[:, :, None], design, 0.0)
    target = np.where(fit, y, 0.0)
    start, stop = np.maximum(at + estimation.first, 0), np.maximum(at + estimation.last + 1, 0)
    xx = _between(x[:, :, :, None] * x[:, :, None, :], start, stop)
    xy = _between(x * target[:, :, None], start, stop)
    days = _between(fit.astype(np.float64), start, stop).round().astype(np.int64)
    solvable = days >= max(estimation.minimum_days, x.shape[2] + 1)
    safe = np.where(solvable[:, :, None, None], xx, np.eye(x.shape[2]))
    regular = solvable & (np.linalg.cond(safe) < 1e12)
    safe = np.where(regular[:, :, None, None], safe, np.eye(x.shape[2]))
    b = np.linalg.solve(safe, xy[..., None])[..., 0]
    b[~regular] = np.nan
    cars: dict[Window, Matrix] = {}
    for first, last in windows:
        car = np.zeros((at.size, n))
        for day in range(first, last + 1):
            car += y[at + day] - np.einsum("dnk,dnk->dn", design[at + day], b)
        cars[(first, last)] = car
    return Abnormal(cars, np.asarray(b[:, :, 1:], dtype=np.float64), days)


def residuals_before(
    returns: ArrayLike,
    regressors: Sequence[ArrayLike],
    position: int,
    estimation: Estimation,
    excluded: ArrayLike | None = None,
) -> tuple[Matrix, Matrix]:
    """Residuals of the fit before one day, for the correlation between names and the daily deviation.

    Returns
    -------
    residuals of shape (days, N)
        NaN where a name has no return, and for a name with too few days.
    deviation of shape (N,)
        Of a day, √(RSS / (days - K - 1)).

    Examples
    --------
    >>> m = np.tile([0.01, -0.01, 0.02, 0.0], 40)
    >>> r = (m + np.tile([0.001, -0.001, 0.0, 0.0], 40))[:, None]
    >>> residuals, deviation = residuals_before(r, [m], 150, Estimation(-140, -21, 80))
    >>> residuals.shape, bool(abs(residuals.mean()) < 1e-12), bool(0 < deviation[0] < 0.001)
    ((120, 1), True, True)
    """
    y = np.asarray(returns, dtype=np.float64)
    t, n = y.shape
    rows = np.arange(max(position + estimation.first, 0), max(position + estimation.last + 1, 0))
    if excluded is not None:
        rows = rows[~np.asarray(excluded, dtype=bool)[rows]]
    columns = [np.broadcast_to(_columns(column), (t, n)) for column in regressors]
    out = np.full((rows.size, n), np.nan)
    deviation = np.full(n, np.nan)
    for name in range(n):
        x = np.column_stack([np.ones(rows.size), *[column[rows, name] for column in columns]])
        own = y[rows, name]
        ok = np.isfinite(own) & np.isfinite(x).all(axis=1)
        if ok.sum() < max(estimation.minimum_days, x.shape[1] + 1):
            continue
        b, *_ = np.linalg.lstsq(x[ok], own[ok], rcond=None)
        out[ok, name] = own[ok] - x[ok] @ b
        deviation[name] = np.sqrt(np.sum(out[ok, name] ** 2) / (ok.sum() - x.shape[1]))
    return out, deviation


def mean_correlation(residuals: ArrayLike) -> float:
    """Mean correlation between names whose residuals have gaps: each pair over its common days.

    Parameters
    ----------
    residuals
        Of shape (days, N), mean zero, NaN where missing.

    Returns
    -------
    float
        NaN with fewer than two names.

    Examples
    --------
    >>> mean_correlation([[0.01, 0.02], [-0.01, -0.02], [0.0, float("nan")]])
    1.0
    """
    e = np.asarray(residuals, dtype=np.float64)
    e = e[:, np.isfinite(e).any(axis=0)]
    n = e.shape[1]
    if n < 2:
        return float("nan")
    present = np.isfinite(e).astype(np.float64)
    z = np.where(present > 0, e, 0.0)
    square = (z**2).T @ present
    scale = np.sqrt(square * square.T)
    matrix = np.divide(z.T @ z, scale, out=np.full((n, n), np.nan), where=scale > 0)
    return float(np.nanmean(matrix[~np.eye(n, dtype=bool)]))


def rank_ics(predicted: ArrayLike, actual: ArrayLike, minimum_names: int = 3) -> Matrix:
    """Rank correlation of one prediction with many outcomes, names with both only.

    Parameters
    ----------
    predicted
        Of shape (N,), NaN where unknown.
    actual
        Of shape (D, N), NaN where missing.
    minimum_names
        With fewer names there is no correlation.

    Returns
    -------
    ndarray of shape (D,)
        Spearman's ρ, ties at their mean rank; NaN without enough names or without an order.

    Examples
    --------
    >>> rank_ics([1, 2, 3, 4], [[10, 20, 40, 30], [4, 3, 2, float("nan")]]).round(6).tolist()
    [0.8, -1.0]
    """
    p = np.asarray(predicted, dtype=np.float64)
    a = np.atleast_2d(np.asarray(actual, dtype=np.float64))
    known = np.isfinite(p)
    p, a = p[known], a[:, known]
    both = np.isfinite(a)
    if p.size == 0:
        return np.full(a.shape[0], np.nan)
    # what is missing ranks behind everything and so leaves the ranks of the rest as they are
    x = stats.rankdata(np.where(both, p, np.inf), axis=1)
    y = stats.rankdata(np.where(both, a, np.inf), axis=1)
    count = both.sum(axis=1)
    mean = (count + 1.0) / 2.0
    dx = np.where(both, x - mean[:, None], 0.0)
    dy = np.where(both, y - mean[:, None], 0.0)
    scale = np.sqrt((dx**2).sum(axis=1) * (dy**2).sum(axis=1))
    enough = (count >= max(minimum_names, 3)) & (scale > 0)
    out = np.full(a.shape[0], np.nan)
    out[enough] = (dx * dy).sum(axis=1)[enough] / scale[enough]
    return out


def _columns(values: ArrayLike) -> Matrix:
    column = np.asarray(values, dtype=np.float64)
    return column[:, None] if column.ndim == 1 else column


def _between(values: Matrix, start: NDArray[np.int64], stop: NDArray[np.int64]) -> Matrix:
    """Return the sum of rows start..stop-1 for each pair."""
    sums = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])
    return np.asarray(sums[stop] - sums[start], dtype=np.float64)
