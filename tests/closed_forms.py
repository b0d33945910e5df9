"""One supplier, one customer, one stock: the closed form that the weekly engine is checked against.

Symbols: u cut from week 1, B stock in weeks of normal use, T horizon in weeks; the lag is one week.
"""

from __future__ import annotations

import numpy as np


def chain_first_loss(cut: float, cover_weeks: float) -> int | None:
    """First week in which a customer with one essential input loses output, or None if never.

    ⌊1 + B/u⌋ + 1        (cut u from week 1, lag one week, cover B)

    Examples
    --------
    >>> chain_first_loss(0.5, 8), chain_first_loss(1.0, 8), chain_first_loss(0.0, 8)
    (18, 10, None)
    """
    if cut == 0:
        return None
    return int(np.floor(1.0 + cover_weeks / cut + 1e-9)) + 1


def chain_mean_loss(cut: float, cover_weeks: float, weeks: int) -> float:
    """Mean loss over a horizon of a customer with one essential input.

    max(0, u (T - 1) - B) / T

    Parameters
    ----------
    cut
        u in [0, 1], from week 1.
    cover_weeks
        B ≥ 0, stock in weeks of normal use.
    weeks
        T, at least 1.

    Examples
    --------
    Eight weeks of chips turn a 50% foundry cut into 34% over the year.

    >>> round(chain_mean_loss(0.5, 8, 52), 6)
    0.336538
    """
    return max(0.0, cut * (weeks - 1) - cover_weeks) / weeks


def chain_loss_interval(
    cut: tuple[float, float], cover_weeks: tuple[float, float], weeks: int
) -> tuple[float, float]:
    """Mean loss of the chain over an interval of cut and cover: (least, largest).

    Examples
    --------
    >>> lo, hi = chain_loss_interval((0.4, 0.6), (4, 12), 52)
    >>> round(lo, 4), round(hi, 4)
    (0.1615, 0.5115)
    """
    return (
        chain_mean_loss(cut[0], cover_weeks[1], weeks),
        chain_mean_loss(cut[1], cover_weeks[0], weeks),
    )
