"""Who takes over lost supply, and how much stays missing: water-filling with headroom.

Symbols
    v       size of a supplier in its market (any unit of quantity or value)
    ψ       fraction of a supplier's output that is cut, in [0, 1]
    hr      headroom: growth a survivor can deliver, fraction of what it still produces
    η       part of the lost supply that customers can move at all, in [0, 1]
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from exposure.errors import ScenarioError

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MarketClearing:
    """What a market looks like after lost supply has been shared out.

    Parameters
    ----------
    size
        What each supplier still produces before anybody grows, of shape (n,).
    reallocated
        Extra output of each supplier, of shape (n,), same unit as ``size``.
    gain
        ``reallocated`` / ``size``: growth of each survivor, a fraction, 0 where nothing is left.
    lost_total, pool, unmet
        Supply lost, the part that customers try to move, and what nobody replaces.
    shortage
        ``unmet`` as a fraction of the whole market.
    """

    size: Vector
    reallocated: Vector
    gain: Vector
    lost_total: float
    pool: float
    unmet: float
    shortage: float


def waterfill(
    supply: ArrayLike,
    banned_share: ArrayLike,
    headroom: ArrayLike,
    reallocation_rate: float = 1.0,
) -> MarketClearing:
    """Share lost supply over survivors in proportion to their size, each up to its headroom.

    lost = Σ v ψ,  pool = η lost,  size = v (1 - ψ),  room = size hr
    reallocated_j = min(room_j, λ size_j)  with λ such that Σ reallocated = min(pool, Σ room)
    unmet = lost - Σ reallocated,  shortage = unmet / Σ v

    Parameters
    ----------
    supply, banned_share, headroom
        v, ψ and hr of the suppliers of one market, each of shape (n,).
    reallocation_rate
        η.

    Raises
    ------
    ScenarioError
        If a size or headroom is negative or missing, or a share lies outside [0, 1].

    Notes
    -----
    Supply is conserved: nobody gains what wasn't lost, and when all are cut by u without headroom
    the shortage is exactly u. The level λ is the limit of sharing in rounds, found without rounds.

    Source
    ------
    Water-filling as in max-min fair allocation (Bertsekas & Gallager 1992, section 6.5).

    Examples
    --------
    64 of 100 units are banned, 60% of that may move, but the survivors can only add 17.

    >>> market = waterfill([70, 10, 14, 6], [0.8, 0.8, 0, 0], [0, 0, 1, 0.5], 0.6)
    >>> market.reallocated.tolist(), market.unmet, market.shortage
    ([0.0, 0.0, 14.0, 3.0], 47.0, 0.47)
    """
    v, cut, spare = (np.asarray(a, dtype=np.float64) for a in (supply, banned_share, headroom))
    _check_market(v, cut, spare, reallocation_rate)
    lost = float(v @ cut)
    pool = reallocation_rate * lost
    size = v * (1.0 - cut)
    reallocated = fill_many(size[None], spare[None], [pool])[0]
    unmet = max(0.0, lost - float(reallocated.sum()))
    total = float(v.sum())
    gain = np.divide(reallocated, size, out=np.zeros_like(size), where=size > 0)
    shortage = unmet / total if total > 0 else 0.0
    return MarketClearing(size, reallocated, gain, lost, pool, unmet, shortage)


def fill_many(size: ArrayLike, headroom: ArrayLike, pool: ArrayLike) -> Vector:
    """Share pools over survivors as :func:`waterfill` does, many markets of k suppliers at once.

    min(size hr, λ size) with λ such that the sum is min(pool, Σ size hr)

    Parameters
    ----------
    size, headroom
        Of shape (D, k).
    pool
        Of shape (D,).

    Returns
    -------
    numpy.ndarray
        Extra output, of shape (D, k), in the unit of ``size``.

    Examples
    --------
    >>> fill_many([[14, 6], [14, 6]], [[1, 0.5], [1, 0.5]], [38.4, 4]).round(12).tolist()
    [[14.0, 3.0], [2.8, 1.2]]
    """
    v, spare, want = (np.asarray(a, dtype=np.float64) for a in (size, headroom, pool))
    order = np.argsort(spare, axis=1, kind="stable")
    ordered = np.take_along_axis(v, order, axis=1)
    limit = np.take_along_axis(spare, order, axis=1)
    rooms = ordered * limit
    filled = np.cumsum(rooms, axis=1) - rooms
    behind = np.cumsum(ordered[:, ::-1], axis=1)[:, ::-1]
    level = np.divide(
        want[:, None] - filled, behind, out=np.full_like(behind, np.inf), where=behind > 0
    )
    holds = level <= limit
    binding = np.where(holds.any(axis=1), holds.argmax(axis=1), 0)[:, None]
    chosen = np.where(
        holds.any(axis=1, keepdims=True), np.take_along_axis(level, binding, axis=1), np.inf
    )
    shared = np.minimum(v * spare, np.where(np.isfinite(chosen), chosen, 0.0) * v)
    return np.asarray(np.where(np.isfinite(chosen), np.maximum(0.0, shared), v * spare))


def _check_market(v: Vector, cut: Vector, spare: Vector, rate: float) -> None:
    if not v.shape == cut.shape == spare.shape:
        shapes = f"{v.shape}, {cut.shape}, {spare.shape}"
        raise ValueError(f"supply, banned_share and headroom must have one shape, got {shapes}")
    for values, what in ((v, "a supply"), (spare, "a headroom")):
        if not np.all(np.isfinite(values) & (values >= 0)):
            raise ScenarioError(f"{what} is negative or missing: {values.tolist()}")
    _check_unit(cut, "a banned share")
    _check_unit(np.array([rate]), "the reallocation rate")


def _check_unit(values: Vector, what: str) -> None:
    bad = ~((values >= 0) & (values <= 1))
    if bad.any():
        raise ScenarioError(f"{what} is {values[bad].flat[0]:g}; it must lie in [0, 1]")
