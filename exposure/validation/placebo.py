"""Placebo dates: the same statistic on days without news, which is what a p-value is read from.

Symbols
    E, G      events; clusters of events whose windows overlap
    K         draws
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from exposure.errors import HoldingsError
from exposure.validation.events import placebo_p_value

Vector = NDArray[np.float64]
Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pooled:
    """A statistic over several events.

    Attributes
    ----------
    mean
        Mean over events that have it.
    se, t
        With the events of a cluster as one; NaN with fewer than two clusters.
    p_t
        Two-sided, from a t with G - 1 degrees of freedom.
    p_placebo
        Two-sided, against the same mean on placebo dates.
    placebo_sd
        Standard deviation of that mean over placebo dates.
    """

    mean: float
    events: int
    clusters: int
    se: float
    t: float
    p_t: float
    p_placebo: float
    placebo_sd: float


def clusters_of(positions: Sequence[int], last: int) -> tuple[int, ...]:
    """Number events so that those whose windows [0, last] overlap, directly or in a chain, share a number.

    Examples
    --------
    >>> clusters_of([10, 12, 14, 20], 2)
    (0, 0, 0, 1)
    """
    order = np.argsort(np.asarray(positions), kind="stable")
    out = np.zeros(len(order), dtype=int)
    number = 0
    for before, at in pairwise(order):
        number += int(positions[at] - positions[before] > last)
        out[at] = number
    return tuple(int(n) for n in out)


def eligible_days(
    days: int, first: int, events: ArrayLike, last: int, guard: int, complete: ArrayLike
) -> Positions:
    """Return the days that may serve as placebo day 0.

    Parameters
    ----------
    days
        T of the panel.
    first
        Position of the first day allowed.
    events
        Day 0 of every act to keep away from.
    last
        Last day of the widest window.
    guard
        Trading days between a placebo window and the window of an act, on either side.
    complete
        Of shape (T,): enough names have a full window and an estimate there.

    Examples
    --------
    >>> eligible_days(12, 0, [5], 1, 0, [True] * 12).tolist()
    [0, 1, 2, 3, 7, 8, 9, 10]
    """
    at = np.arange(days)
    ok = (at >= first) & (at + last < days) & np.asarray(complete, dtype=bool)
    for event in np.asarray(events, dtype=np.int64):
        ok &= np.abs(at - event) > last + guard
    return np.flatnonzero(ok).astype(np.int64)


def draw_placebos(
    positions: Sequence[int], clusters: Sequence[int], eligible: ArrayLike, draws: int, seed: int
) -> Positions:
    """Draw placebo days for every event; events of one cluster keep their distance from each other.

    Parameters
    ----------
    positions, clusters
        Day 0 and cluster of the E events.
    eligible
        Days that may be drawn; for a cluster, all its shifted days must be among them.
    draws
        K. Each cluster draws its days without repetition.
    seed
        The same seed gives the same days.

    Returns
    -------
    ndarray of shape (K, E)
        Row k is one history without news: a draw for each cluster.

    Raises
    ------
    HoldingsError
        If there are fewer eligible days than draws.

    Examples
    --------
    >>> drawn = draw_placebos([50, 52], [0, 0], range(10, 40), 5, seed=1)
    >>> drawn.shape, set((drawn[:, 1] - drawn[:, 0]).tolist())
    ((5, 2), {2})
    """
    allowed = np.asarray(list(np.asarray(eligible)), dtype=np.int64)
    places, groups = np.asarray(positions, dtype=np.int64), np.asarray(clusters)
    out = np.zeros((draws, places.size), dtype=np.int64)
    for cluster in sorted(set(groups.tolist())):
        members = np.flatnonzero(groups == cluster)
        offsets = places[members] - places[members].min()
        anchors = [day for day in allowed if np.isin(day + offsets, allowed).all()]
        if len(anchors) < draws:
            raise HoldingsError(
                f"only {len(anchors)} days without news can serve as placebo and {draws} are needed; give longer prices"
            )
        rng = np.random.default_rng([seed, int(cluster)])
        chosen = rng.choice(np.array(anchors), size=draws, replace=False)
        out[:, members] = chosen[:, None] + offsets[None, :]
    return out


def pooled(values: ArrayLike, clusters: Sequence[int], placebo: ArrayLike) -> Pooled:
    """Pool a statistic over events, with an error that lets events of one cluster move together.

    m = Σ_e v_e / E;    SE² = G/(G-1) Σ_g (Σ_{e∈g} (v_e - m))² / E²;    p from the means of the placebo rows

    Parameters
    ----------
    values
        v of shape (E,), NaN where an event has none.
    clusters
        Of each event.
    placebo
        The same statistic of shape (K, E) on placebo dates.

    Source
    ------
    Liang and Zeger (1986); Cameron and Miller (2015), section II.

    Examples
    --------
    >>> out = pooled([0.1, 0.3], [0, 1], [[0.0, 0.1], [-0.3, -0.2], [0.2, -0.2]])
    >>> round(out.mean, 6), round(out.se, 6), round(out.p_placebo, 6)
    (0.2, 0.1, 0.5)
    """
    v = np.asarray(values, dtype=np.float64)
    others = np.asarray(placebo, dtype=np.float64)
    has = np.isfinite(v)
    events = int(has.sum())
    groups = sorted({int(c) for c, one in zip(clusters, has, strict=True) if one})
    nan = float("nan")
    if not events:
        return Pooled(nan, 0, 0, nan, nan, nan, nan, nan)
    mean = float(v[has].mean())
    count = len(groups)
    se = t = p_t = nan
    if count > 1:
        numbers = np.asarray(clusters)
        sums = [float(np.sum(v[has & (numbers == g)] - mean)) for g in groups]
        se = float(np.sqrt(count / (count - 1) * np.sum(np.square(sums))) / events)
        t = mean / se if se > 0 else nan
        p_t = float(2.0 * stats.t.sf(abs(t), count - 1)) if np.isfinite(t) else nan
    rows = others[:, has]
    null = rows[np.isfinite(rows).all(axis=1)].mean(axis=1)
    p = placebo_p_value(mean, null) if null.size else nan
    sd = float(null.std(ddof=1)) if null.size > 1 else nan
    return Pooled(mean, events, count, se, t, p_t, p, sd)
