"""Event studies: what prices did, how sure that is, and what a study of this size could detect at all.

Symbols
    X       [1, market return] over the estimation days; X_e over the event days
    AR      abnormal return, actual less market model; CAR its sum over the window
    s²      residual variance
    N, E    names and events;  ρ mean correlation of residuals between names
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from exposure.errors import UsageError

Vector = NDArray[np.float64]

ESTIMATION = (140, 21)  # trading days before the event that the market model is fitted on
MINIMUM_DAYS = 80
RANK_IC_FACTOR = 2.8016  # z(.975) + z(.80), rounded as published


@dataclass(frozen=True, slots=True)
class MarketModel:
    """Least-squares line of a stock on the market.

    Parameters
    ----------
    alpha, beta
        Daily, simple returns.
    s2
        Residual variance, RSS / (T - 2).
    days
        T, days that entered.
    residuals
        Of shape (T,).
    inverse
        (X'X)^-1 of shape (2, 2).
    """

    alpha: float
    beta: float
    s2: float
    days: int
    residuals: Vector
    inverse: Vector


@dataclass(frozen=True, slots=True)
class EventReturn:
    """Abnormal return of one name around one event.

    Parameters
    ----------
    abnormal
        AR of shape (window,).
    car
        Their sum.
    variance
        Prediction-error variance of the sum.
    t
        car / √variance.
    """

    abnormal: Vector
    car: float
    variance: float
    t: float


@dataclass(frozen=True, slots=True)
class GroupTest:
    """Mean reaction of several names to one event.

    Parameters
    ----------
    mean
        Mean CAR.
    spread
        Cross-section standard deviation of the CARs.
    naive_t
        As if the names were independent: not to be quoted, shown for contrast.
    adjusted_t
        With the mean correlation of residuals.
    """

    mean: float
    spread: float
    naive_t: float
    adjusted_t: float


def market_model(market: ArrayLike, stock: ArrayLike) -> MarketModel:
    """Fit a stock's ordinary behaviour.

    r = α + β m + e        (least squares);    s² = RSS / (T - 2)

    Parameters
    ----------
    market, stock
        Daily returns of shape (T,), same days.

    Raises
    ------
    UsageError
        If fewer than three days are given, a return is missing, or the market didn't move.

    Source
    ------
    MacKinlay (1997).

    Examples
    --------
    >>> model = market_model([0.0, 0.01, 0.02], [0.001, 0.011, 0.021])
    >>> round(model.alpha, 12), round(model.beta, 12)
    (0.001, 1.0)
    """
    m, r = _returns(market, stock)
    if m.size < 3:
        raise UsageError(f"a market model needs at least three days, got {m.size}")
    design = np.column_stack([np.ones(m.size), m])
    if np.ptp(m) == 0:
        raise UsageError("the market didn't move on the estimation days")
    inverse = np.asarray(np.linalg.inv(design.T @ design), dtype=np.float64)
    line = inverse @ design.T @ r
    residuals = r - design @ line
    s2 = float(residuals @ residuals / (m.size - 2))
    return MarketModel(float(line[0]), float(line[1]), s2, m.size, residuals, inverse)


def event_return(model: MarketModel, market: ArrayLike, stock: ArrayLike) -> EventReturn:
    """Abnormal return over an event window, with the error of the prediction.

    AR = r - α - β m,    Var(CAR) = s² 1'(I + X_e (X'X)^-1 X_e') 1

    Parameters
    ----------
    model
        From :func:`market_model`, days before the event only.
    market, stock
        Daily returns of the window, of shape (window,).

    Source
    ------
    MacKinlay (1997), equation 8 and following.

    Examples
    --------
    >>> model = market_model([0.0, 0.01, 0.02, 0.03], [0.0, 0.012, 0.018, 0.03])
    >>> round(event_return(model, [0.01], [-0.05]).car, 6)
    -0.0602
    """
    m, r = _returns(market, stock)
    abnormal = r - model.alpha - model.beta * m
    sums = np.array([m.size, m.sum()])
    variance = model.s2 * float(m.size + sums @ model.inverse @ sums)
    car = float(abnormal.sum())
    t = car / np.sqrt(variance) if variance > 0 else float(np.copysign(np.inf, car))
    return EventReturn(abnormal, car, variance, float(t))


def event_study(
    market: ArrayLike,
    stock: ArrayLike,
    event_day: int,
    *,
    window: tuple[int, int] = (0, 2),
    estimation: tuple[int, int] = ESTIMATION,
    minimum_days: int = MINIMUM_DAYS,
) -> EventReturn:
    """Abnormal return around a day of two return series.

    Parameters
    ----------
    market, stock
        Daily simple returns on the same calendar, NaN where there is none (a suspension).
    event_day
        Position of day 0: the first trading day that could react.
    window
        First and last day of the window, relative to day 0, both included.
    estimation
        Days before day 0 on which the model is fitted, (first, last), both included.
    minimum_days
        Fewer usable estimation days are refused.

    Raises
    ------
    UsageError
        If the estimation window has too few days, or a day of the event window is missing.

    Notes
    -----
    Missing values: a suspended day is left out of the estimation, never filled; inside the event
    window it is refused.

    Examples
    --------
    >>> m = np.tile([0.01, -0.01, 0.02, 0.0], 40)
    >>> r = 1.5 * m
    >>> r[150] -= 0.08
    >>> round(event_study(m, r, 150).car, 6)
    -0.08
    """
    m, r = np.asarray(market, dtype=np.float64), np.asarray(stock, dtype=np.float64)
    if m.shape != r.shape or m.ndim != 1:
        raise ValueError(f"market {m.shape} and stock {r.shape} must be one-dimensional alike")
    first, last = event_day + window[0], event_day + window[1]
    if first < 0 or last >= m.size:
        raise UsageError(f"the window {window} around day {event_day} leaves the series")
    start, stop = max(0, event_day - estimation[0]), max(0, event_day - estimation[1] + 1)
    fit_m, fit_r = m[start:stop], r[start:stop]
    usable = np.isfinite(fit_m) & np.isfinite(fit_r)
    if usable.sum() < minimum_days:
        raise UsageError(
            f"{int(usable.sum())} estimation days are usable, {minimum_days} are needed"
        )
    model = market_model(fit_m[usable], fit_r[usable])
    return event_return(model, m[first : last + 1], r[first : last + 1])


def mean_residual_correlation(residuals: ArrayLike) -> float:
    """Mean correlation between the residuals of different names.

    Parameters
    ----------
    residuals
        Of shape (days, N), N ≥ 2.

    Examples
    --------
    >>> round(mean_residual_correlation([[1, 2], [2, 4], [3, 6]]), 12)
    1.0
    """
    values = np.asarray(residuals, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] < 2:
        raise UsageError("a mean correlation needs the residuals of at least two names")
    matrix = np.corrcoef(values, rowvar=False)
    n = values.shape[1]
    return float((matrix.sum() - np.trace(matrix)) / (n * (n - 1)))


def group_test(cars: ArrayLike, daily_sd: float, window_days: int, correlation: float) -> GroupTest:
    """Test the mean reaction of a group, allowing for names that move together.

    t = mean / (σ √(window (1 + (N-1) ρ) / N));  the naive t has ρ = 0

    Parameters
    ----------
    cars
        CAR of each name, of shape (N,).
    daily_sd
        σ, standard deviation of a daily abnormal return.
    window_days
        Days of the window.
    correlation
        ρ, see :func:`mean_residual_correlation`.

    Source
    ------
    Kolari & Pynnönen (2010).

    Examples
    --------
    >>> test = group_test([-0.02, -0.04], 0.01, 1, 1.0)
    >>> round(test.naive_t, 4), round(test.adjusted_t, 4)
    (-4.2426, -3.0)
    """
    values = np.asarray(cars, dtype=np.float64)
    n = values.size
    mean = float(values.mean())
    spread = float(values.std(ddof=1)) if n > 1 else float("nan")
    naive = mean / car_standard_error(n, 1, daily_sd, window_days, 0.0)
    adjusted = mean / car_standard_error(n, 1, daily_sd, window_days, correlation)
    return GroupTest(mean, spread, naive, adjusted)


def car_standard_error(
    names: int, events: int, daily_sd: float, window_days: float, correlation: float
) -> float:
    """Standard error of the mean CAR over names and independent events.

    SE = σ √(window (1 + (N-1) ρ) / (N E))

    Examples
    --------
    Twelve correlated names and one event know little more than three independent ones.

    >>> round(car_standard_error(12, 1, 0.03, 3, 0.3), 6)
    0.031105
    """
    if names < 1 or events < 1 or not daily_sd > 0 or not window_days > 0:
        raise UsageError("names, events, daily standard deviation and window must be positive")
    inflation = 1.0 + (names - 1) * correlation
    if inflation < 0:
        raise UsageError(f"{names} names can't have a mean correlation of {correlation:g}")
    return float(daily_sd * np.sqrt(window_days * inflation / (names * events)))


def minimum_detectable(standard_error: float, *, size: float = 0.05, power: float = 0.8) -> float:
    """Smallest true effect that a two-sided test finds with the given power.

    MDE = (z_{1-size/2} + z_power) SE

    Examples
    --------
    >>> round(minimum_detectable(0.03110466), 6)
    0.087142
    """
    return float((stats.norm.ppf(1.0 - size / 2.0) + stats.norm.ppf(power)) * standard_error)


def rank_ic(predicted: ArrayLike, actual: ArrayLike) -> float:
    """Rank correlation of predicted losses with what happened, names with both only.

    Examples
    --------
    >>> round(rank_ic([1, 2, 3, 4], [10, 20, 40, 30]), 6)
    0.8
    """
    a, b = np.asarray(predicted, dtype=np.float64), np.asarray(actual, dtype=np.float64)
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 3 or np.ptp(a[both]) == 0 or np.ptp(b[both]) == 0:
        return float("nan")
    return float(stats.pearsonr(stats.rankdata(a[both]), stats.rankdata(b[both])).statistic)


def rank_ic_standard_error(names: int, events: int) -> float:
    """Standard error of a rank correlation without signal, pooled over independent events.

    SE = 1 / √((N - 1) E);  smallest detectable 2.8016 SE

    Examples
    --------
    >>> round(rank_ic_standard_error(12, 1), 6), round(2.8016 * rank_ic_standard_error(60, 8), 3)
    (0.301511, 0.129)
    """
    if names < 2 or events < 1:
        raise UsageError("a rank correlation needs at least two names and one event")
    return float(1.0 / np.sqrt((names - 1) * events))


def rank_ic_detectable(names: int, events: int) -> float:
    """Smallest rank correlation that N names and E events detect (80% power, 5%).

    MDE = 2.8016 / √((N - 1) E)

    Examples
    --------
    >>> round(rank_ic_detectable(12, 1), 6)
    0.844714
    """
    return RANK_IC_FACTOR * rank_ic_standard_error(names, events)


def placebo_p_value(statistic: float, placebo: ArrayLike) -> float:
    """Two-sided p-value against the same statistic on random other dates.

    p = (1 + #{|placebo| ≥ |statistic|}) / (1 + #placebo)

    Examples
    --------
    >>> placebo_p_value(-0.5, [0.1, -0.2, 0.6])
    0.5
    """
    others = np.asarray(placebo, dtype=np.float64)
    others = others[np.isfinite(others)]
    return float((1 + np.sum(np.abs(others) >= abs(statistic))) / (1 + others.size))


def _returns(market: ArrayLike, stock: ArrayLike) -> tuple[Vector, Vector]:
    m, r = np.asarray(market, dtype=np.float64), np.asarray(stock, dtype=np.float64)
    if m.shape != r.shape or m.ndim != 1:
        raise ValueError(f"market {m.shape} and stock {r.shape} must be one-dimensional alike")
    if not (np.all(np.isfinite(m)) and np.all(np.isfinite(r))):
        raise UsageError("a return of the market or the stock is missing on these days")
    return m, r
