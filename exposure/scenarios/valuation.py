"""From a change of revenue to a price return: leverage, duration and surprise, each visible.

Symbols
    dR          change of revenue, fraction, signed (< 0 is a loss)
    CM, EM      contribution margin and EBIT margin, fractions of revenue
    dol         operating leverage CM / EM
    ω           share of the value of a growing perpetuity that its first T years make up
    g, r, T     growth and discount rate per year, years that the change lasts
    EV/Eq       enterprise value over equity value
    κ           price reaction per unit of modelled loss (1 = as modelled)
    p           part that prices already reflect
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from exposure.errors import ScenarioError

Vector = NDArray[np.float64]

THIN_MARGIN = 0.02  # below this EBIT margin a percentage of earnings means nothing
PRICE_FLOOR = -1.0


@dataclass(frozen=True, slots=True)
class PriceBridge:
    """Each step from revenue to price, arrays of one shape.

    Parameters
    ----------
    leverage
        Operating leverage; NaN where the EBIT margin isn't positive.
    earnings
        Change of EBIT, fraction, signed.
    duration
        ω in [0, 1].
    price
        Price return, fraction, at least -1; NaN where earnings can't be compared.
    wiped_out
        True where revenue falls and the EBIT margin is below 2%: say "earnings wiped out", print
        no percentage.
    """

    leverage: Vector
    earnings: Vector
    duration: Vector
    price: Vector
    wiped_out: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ForcedSelling:
    """What an investor ban does through the order book, apart from fundamentals.

    Parameters
    ----------
    days_of_volume
        Value that must be sold over mean daily traded value.
    price
        Price return, fraction, in [-1, 0].
    """

    days_of_volume: Vector
    price: Vector


def duration_weights(years: ArrayLike, growth: ArrayLike, discount: ArrayLike) -> Vector:
    """Share of a company's value that its first years make up.

    ω = 1 - ((1 + g) / (1 + r))^T

    Parameters
    ----------
    years
        T ≥ 0, of any shape; ``inf`` or a very large number for a permanent change.
    growth, discount
        g and r per year, -1 < g < r; numbers, or arrays of the same shape.

    Raises
    ------
    ScenarioError
        If T is negative or missing, or g isn't below r (the value would be infinite).

    Source
    ------
    Gordon growth formula, difference of two perpetuities.

    Examples
    --------
    >>> duration_weights([0.0, 1.0], 0.04, 0.10).round(6).tolist()
    [0.0, 0.054545]
    """
    lasting, g, r = (np.asarray(a, dtype=np.float64) for a in (years, growth, discount))
    if np.any(~(lasting >= 0)):
        raise ScenarioError("a duration is negative or missing")
    if np.any(~((g > -1.0) & (g < r))):
        raise ScenarioError("growth must lie above -1 and below the discount rate")
    return np.asarray(1.0 - ((1.0 + g) / (1.0 + r)) ** lasting)


def price_per_earnings(
    weight: ArrayLike, kappa: ArrayLike, priced: ArrayLike, ev_over_equity: ArrayLike
) -> Vector:
    """Price return per unit of change of a year's earnings: ω κ (1 - p) EV/Eq, before the floor.

    Examples
    --------
    >>> round(price_per_earnings(0.2, 1.0, 0.3, 1.0).item(), 6)
    0.14
    """
    w, k, p, ev = (np.asarray(a, dtype=np.float64) for a in (weight, kappa, priced, ev_over_equity))
    return np.asarray(w * k * (1.0 - p) * ev)


def price_bridge(
    revenue_change: ArrayLike,
    contribution_margin: ArrayLike,
    ebit_margin: ArrayLike,
    *,
    growth: ArrayLike,
    discount: ArrayLike,
    years: ArrayLike,
    ev_over_equity: ArrayLike = 1.0,
    kappa: ArrayLike = 1.0,
    priced: ArrayLike = 0.0,
) -> PriceBridge:
    """Translate a change of revenue into a price return.

    dE/E = dR CM/EM,    price = max(-1, ω dE/E EV/Eq κ (1 - p))

    Parameters
    ----------
    revenue_change, contribution_margin, ebit_margin
        dR, CM, EM, fractions.
    growth, discount, years
        g, r per year and T; see :func:`duration_weights`.
    ev_over_equity, kappa
        Multipliers, ≥ 0.
    priced
        p in [0, 1].

    Returns
    -------
    PriceBridge
        All inputs broadcast to one shape.

    Raises
    ------
    ScenarioError
        If growth isn't below the discount rate, a duration is negative, or p lies outside [0, 1].

    Notes
    -----
    Missing values: a margin that is missing, zero or negative gives NaN, never a number.

    Examples
    --------
    Revenue -10% at 7.7% contribution and 1.43% EBIT margin costs 54% of a year's earnings; if the
    cut lasts five years, 13% of the price.

    >>> b = price_bridge(-0.1, 0.077, 0.0143, growth=0.04, discount=0.1, years=5)
    >>> round(b.leverage.item(), 2), round(b.earnings.item(), 3), round(b.price.item(), 3)
    (5.38, -0.538, -0.132)
    >>> b.wiped_out.item()
    True
    """
    dR, cm, em, g, r, T, ev, k, p = (
        np.asarray(a, dtype=np.float64)
        for a in np.broadcast_arrays(
            revenue_change,
            contribution_margin,
            ebit_margin,
            growth,
            discount,
            years,
            ev_over_equity,
            kappa,
            priced,
        )
    )
    if np.any(~((p >= 0) & (p <= 1))):
        raise ScenarioError("the part already priced must lie in [0, 1]")
    leverage = np.divide(cm, em, out=np.full(em.shape, np.nan), where=em > 0)
    earnings = dR * leverage
    duration = duration_weights(T, g, r)
    price = np.maximum(PRICE_FLOOR, earnings * price_per_earnings(duration, k, p, ev))
    return PriceBridge(leverage, earnings, duration, price, (em < THIN_MARGIN) & (dR < 0))


def forced_selling(
    foreign_share: ArrayLike,
    part_sold: ArrayLike,
    market_value: ArrayLike,
    daily_value: ArrayLike,
    *,
    impact: float,
    daily_volatility: ArrayLike = 1.0,
    form: Literal["square_root", "linear"] = "square_root",
) -> ForcedSelling:
    """Price effect of holders who must sell.

    days = foreign share · part sold · market value / daily traded value
    square root:  price = -impact · daily volatility · √days
    linear:       price = -impact · days

    Parameters
    ----------
    foreign_share, part_sold
        Fractions in [0, 1]: held by those the rule reaches, and what of it must go.
    market_value, daily_value
        Value of the line and mean value traded in a day, one currency, > 0.
    impact
        The coefficient, ≥ 0: about 1 for the square root, a return per day of volume for linear.
    daily_volatility
        Standard deviation of the daily return, fraction; not used by the linear form.
    form
        Which of the two.

    Raises
    ------
    ScenarioError
        If a share lies outside [0, 1], a value isn't positive, or the impact is negative.

    Notes
    -----
    Missing values: NaN in any input gives NaN. The term isn't part of the earnings bridge; report
    it apart.

    Source
    ------
    Square-root law of market impact, e.g. Almgren, Thum, Hauptmann, Li (2005).

    Examples
    --------
    Foreigners hold 10%, half must go, the line turns over in 20 days: one day of volume.

    >>> f = forced_selling(0.1, 0.5, 200.0, 10.0, impact=1.0, daily_volatility=0.03)
    >>> f.days_of_volume.item(), f.price.item()
    (1.0, -0.03)
    """
    held, sold, value, traded, sd = (
        np.asarray(a, dtype=np.float64)
        for a in np.broadcast_arrays(
            foreign_share, part_sold, market_value, daily_value, daily_volatility
        )
    )
    for share, what in ((held, "the foreign-held share"), (sold, "the part sold")):
        if np.any((share < 0) | (share > 1)):
            raise ScenarioError(f"{what} must lie in [0, 1]")
    if np.any((value <= 0) | (traded <= 0)):
        raise ScenarioError("market value and daily traded value must be positive")
    if not impact >= 0:
        raise ScenarioError(f"a market impact of {impact:g} isn't possible")
    days = held * sold * value / traded
    raw = -impact * (sd * np.sqrt(days) if form == "square_root" else days)
    return ForcedSelling(days, np.maximum(PRICE_FLOOR, raw))
