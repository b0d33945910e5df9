"""What an event did to prices, and the smallest effect that could have been seen.

Symbols
    R, M    log or simple returns of a name and of the market, a fraction a day
    T       days of the estimation window
    AR      abnormal return: what the market doesn't explain
    N, E    names and independent events
    ρ       mean correlation of abnormal returns between names on a day
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from exposure.errors import ContentError

Vector = NDArray[np.float64]

MIN_ESTIMATION_DAYS = 3
RANK_IC_FACTOR = 2.8016  # z.975 + z.80 as printed in power tables


@dataclass(frozen=True, slots=True)
class EventStudy:
    """Abnormal returns of one name around one event.

    Parameters
    ----------
    alpha, beta
        Intercept (a day) and market beta of the estimation window.
    s2
        Variance of the residuals, a day.
    abnormal
        AR by event day, of shape (event days,).
    car
        Sum of the abnormal returns.
    variance
        Variance of ``car``, the error of the fitted line included.
    t
        ``car`` / √``variance``.
    """

    alpha: float
    beta: float
    s2: float
    abnormal: Vector
    car: float
    variance: float
    t: float


def market_model(
    est_market: ArrayLike,
    est_stock: ArrayLike,
    event_market: ArrayLike,
    event_stock: ArrayLike,
) -> EventStudy:
    """Fit the market model before an event and measure what it doesn't explain.

    R = α + β M + e        least squares,  s² = RSS / (T - 2)
    AR = R - α - β M,  CAR = Σ AR,  var CAR = s² 1'(I + X_e (X'X)^-1 X_e') 1

    Parameters
    ----------
    est_market, est_stock
        Returns of the estimation window, of shape (T,).
    event_market, event_stock
        Returns of the event window, of shape (event days,).

    Raises
    ------
    ContentError
        If a return is missing, there are fewer than 3 estimation days, or the market never moved.

    Notes
    -----
    The t statistic is that of one name; names that share an event are correlated, see
    :func:`correlation_adjusted_se`.

    Source
    ------
    MacKinlay (1997), Event studies in economics and finance, section 5.

    Examples
    --------
    Residuals ±1, ±1 around beta 1; the event day lies 6 above the line.

    >>> study = market_model([-1, 1, -1, 1], [-2, 0, 0, 2], [0], [6])
    >>> study.alpha, study.beta, study.s2, study.car, study.variance
    (0.0, 1.0, 2.0, 6.0, 2.5)
    """
    market, stock = _returns(est_market, est_stock, "estimation")
    outside, moved = _returns(event_market, event_stock, "event")
    days = market.size
    if days < MIN_ESTIMATION_DAYS:
        raise ContentError(
            f"the market model needs {MIN_ESTIMATION_DAYS} estimation days, got {days}"
        )
    if not outside.size:
        raise ContentError("the event window has no day")
    centred = market - market.mean()
    spread = float(centred @ centred)
    if spread <= np.finfo(np.float64).eps * float(market @ market) or spread == 0:
        raise ContentError("the market never moved in the estimation window, so beta is unknown")
    beta = float(centred @ (stock - stock.mean())) / spread
    alpha = float(stock.mean() - beta * market.mean())
    residual = stock - alpha - beta * market
    s2 = float(residual @ residual) / (days - 2)
    abnormal = moved - alpha - beta * outside
    length = outside.size
    # 1'X_e (X'X)^-1 X_e'1 written out for an intercept and one slope
    line = length**2 / days + float((outside - market.mean()).sum()) ** 2 / spread
    variance = s2 * (length + line)
    car = float(abnormal.sum())
    t = car / float(np.sqrt(variance)) if variance > 0 else float(np.copysign(np.inf, car))
    return EventStudy(alpha, beta, s2, abnormal, car, variance, t)


def correlation_adjusted_se(
    names: int, events: int, sigma: float, window: int, rho: float
) -> float:
    """Standard error of the mean cumulative abnormal return of correlated names.

    se = σ √(window (1 + (N - 1) ρ) / (N E))

    Parameters
    ----------
    names, events
        N and E, at least 1.
    sigma
        Standard deviation of a daily abnormal return, a fraction.
    window
        Days of the event window.
    rho
        ρ; at least -1 / (N - 1).

    Raises
    ------
    ContentError
        If a count is below 1, sigma is negative, or no N names can have this correlation.

    Source
    ------
    Kolari & Pynnönen (2010), Event study testing with cross-sectional correlation.

    Examples
    --------
    >>> round(correlation_adjusted_se(12, 1, 0.03, 3, 0.0), 12)
    0.015
    """
    _counts(names, events)
    if window < 1 or not sigma >= 0:
        raise ContentError("an event window needs one day, and sigma must not be negative")
    inflation = 1.0 + (names - 1) * rho
    if not (inflation >= 0 and rho <= 1):
        raise ContentError(f"{names} names can't have a mean correlation of {rho:g}")
    return float(sigma * np.sqrt(window * inflation / (names * events)))


def minimum_detectable_effect(se: float, *, level: float = 0.05, power: float = 0.80) -> float:
    """Smallest true effect that a two-sided test finds with the given power.

    mde = (z_{1 - level/2} + z_power) se

    Parameters
    ----------
    se
        Standard error of the measure.
    level, power
        Size of the test and chance to find the effect, in (0, 1).

    Raises
    ------
    ContentError
        If level or power lies outside (0, 1).

    Source
    ------
    Cohen (1988), section 1.5.

    Examples
    --------
    >>> round(minimum_detectable_effect(1.0), 4)
    2.8016
    """
    if not (0 < level < 1 and 0 < power < 1):
        raise ContentError(f"level {level:g} and power {power:g} must lie in (0, 1)")
    return float((stats.norm.ppf(1.0 - level / 2.0) + stats.norm.ppf(power)) * se)


def rank_ic_se(names: int, events: int) -> float:
    """Standard error of a mean rank correlation when nothing is true.

    se = 1 / √((N - 1) E)

    Parameters
    ----------
    names, events
        N, at least 2, and E, at least 1.

    Raises
    ------
    ContentError
        If a count is too small.

    Source
    ------
    Kendall & Gibbons (1990), variance of Spearman's coefficient under independence.

    Examples
    --------
    >>> rank_ic_se(5, 4)
    0.25
    """
    _counts(names, events)
    if names == 1:
        raise ContentError("a rank correlation needs two names")
    return float(1.0 / np.sqrt((names - 1) * events))


def rank_ic_detectable(names: int, events: int) -> float:
    """Smallest mean rank correlation found with 80% power at the 5% level.

    mde80 = 2.8016 / √((N - 1) E)

    Parameters
    ----------
    names, events
        As in :func:`rank_ic_se`.

    Raises
    ------
    ContentError
        If a count is too small.

    Examples
    --------
    >>> round(rank_ic_detectable(5, 4), 4)
    0.7004
    """
    return RANK_IC_FACTOR * rank_ic_se(names, events)


def _returns(market: ArrayLike, stock: ArrayLike, what: str) -> tuple[Vector, Vector]:
    m, r = np.asarray(market, dtype=np.float64), np.asarray(stock, dtype=np.float64)
    if m.ndim != 1 or m.shape != r.shape:
        raise ValueError(f"{what} returns of market {m.shape} and stock {r.shape} must match")
    if not np.all(np.isfinite(m) & np.isfinite(r)):
        raise ContentError(f"a return of the {what} window is missing; missing is never zero")
    return m, r


def _counts(names: int, events: int) -> None:
    if names < 1 or events < 1:
        raise ContentError(f"{names} names and {events} events: both must be at least 1")
