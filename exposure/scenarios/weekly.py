"""How a cut at one node becomes lost output elsewhere, week by week: the production engine.

Symbols
    n, q, m         nodes, inputs (one per customer and input kind), links
    ψ_i             fraction of node i's own output that is cut, in [0, 1]
    h_i(t)          output in week t relative to baseline; h = 1 up to week 0
    s_ijk           share of supplier j in customer i's input of kind k; Σ_j s_ijk = 1
    a_ik            share of input k in i's TOTAL cost
    q, u, I         received, usable and stored input, in weeks of normal use
    r_ic            share of i's revenue that customer c pays; the rest is final demand
    ρ               CES exponent, elasticity 1 / (1 - ρ)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from exposure.errors import ScenarioError
from exposure.scenarios.arrays import Codes, Vector, check_unit, sum_by
from exposure.scenarios.cuts import CauseCuts, Cuts, Growth
from exposure.scenarios.stepping import CHANNELS, DEMAND, NONE, History, Stepper
from exposure.scenarios.weekly_network import WeeklyNetwork

HORIZONS = (4, 13, 26, 52, 104)


@dataclass(frozen=True, slots=True)
class WeeklyResult:
    """Output by week and what held it down.

    Parameters
    ----------
    output
        h of shape (T, n); row 0 is week 1.
    channel
        Number in ``CHANNELS`` of what bound each node in each week, of shape (T, n).
    bottleneck
        Number of the input that bound (channels essential, important, ordinary), else -1, (T, n).
    horizons
        Weeks, of shape (H,).
    loss
        1 - mean h up to each horizon, of shape (H, n).
    first_loss_week
        First week with h < 1, 0 where there is none, of shape (n,).
    """

    output: Vector
    channel: Codes
    bottleneck: Codes
    horizons: tuple[int, ...]
    loss: Vector
    first_loss_week: Codes

    def loss_at(self, horizon: int) -> Vector:
        """Return the mean loss up to one of the horizons, of shape (n,)."""
        at = self.horizons.index(horizon)
        return np.asarray(self.loss[at], dtype=np.float64)

    def main_channel(self, horizon: int) -> tuple[Codes, Codes]:
        """Return, per node, the channel and input that cost it most output up to a horizon.

        Examples
        --------
        >>> from exposure.scenarios.weekly_network import weekly_network
        >>> net = weekly_network(2, [0], [1], [7], [0.6], ["essential"])
        >>> result = propagate(net, [0.5, 0], horizons=[4])
        >>> channel, bottleneck = result.main_channel(4)
        >>> [CHANNELS[c] for c in channel], bottleneck.tolist()
        (['direct', 'essential'], [-1, 0])
        """
        channel, bottleneck = self.channel[:horizon], self.bottleneck[:horizon]
        lost = 1.0 - self.output[:horizon]
        n = lost.shape[1]
        by_channel = np.stack(
            [np.where(channel == code, lost, 0.0).sum(axis=0) for code in range(len(CHANNELS))]
        )
        by_channel[NONE] = 0.0
        worst = np.where(by_channel.max(axis=0) > 0, by_channel.argmax(axis=0), NONE)
        inputs = np.full(n, -1, dtype=np.int64)
        for node in np.flatnonzero(worst > DEMAND):
            inside = channel[:, node] == worst[node]
            found, at = np.unique(bottleneck[inside, node], return_inverse=True)
            inputs[node] = found[np.argmax(sum_by(at, lost[inside, node], found.size))]
        return worst.astype(np.int64), inputs


def propagate(
    network: WeeklyNetwork,
    psi: ArrayLike,
    *,
    horizons: Sequence[int] = HORIZONS,
    substitution: ArrayLike = 0.0,
    ramp_weeks: ArrayLike = 0.0,
) -> WeeklyResult:
    """Step a cut through the network week by week.

    q_ik(t) = min(1, Σ_j s_ijk φ_j(t - lag_k) + g_ik(t)),   g(t) = min(G, G (t - 1) / weeks)
    φ_j = max(0, min(1 - ψ_j, e_j, c_j, o_j))    part of orders filled: lost demand is no shortage downstream
    u_ik(t) = q_ik(t) + I_ik(t-1)
    e_i = min over essential k of u_ik
    c_i = CES_ρ over important k of min(1, u_ik), cost outside them always available
    o_i = 1 - Σ over ordinary k of a_ik (1 - min(1, u_ik))
    d_i(t) = Σ_c r_ic h_c(t-1) + final-demand share
    h_i(t) = max(0, min(1 - ψ_i(t), d_i, e_i, c_i, o_i))
    I_ik(t) = min(cover_ik, max(0, u_ik(t) - h_i(t)))
    loss_i(H) = 1 - (1/H) Σ_{t ≤ H} h_i(t)

    Parameters
    ----------
    network
        See :func:`exposure.scenarios.weekly_network.weekly_network`.
    psi
        Cut of each node: of shape (n,), lasting the whole time, or (T, n) by week (see
        :func:`exposure.scenarios.cuts.shock_path`); T at least the longest horizon.
    horizons
        Weeks H, ascending; the longest sets T.
    substitution
        G, part of an input that can be had elsewhere once the ramp is over, one number or one per
        input, in [0, 1].
    ramp_weeks
        Weeks of the ramp, one number or one per input; 0: at once.

    Returns
    -------
    WeeklyResult

    Raises
    ------
    ScenarioError
        If a cut or G lies outside [0, 1] or is missing, or the path is shorter than the horizon.

    Notes
    -----
    Lags of at least one week leave nothing to solve inside a week, so circles are harmless and the
    cost is T times the number of links. Where several channels bind alike, the first of direct,
    essential, important, ordinary, demand is named.

    Source
    ------
    Own; in the family of Inoue & Todo (2019) and Henriet, Hallegatte, Tabourier (2012).

    Examples
    --------
    Eight weeks of chips turn a 50% foundry cut into no loss for 17 weeks and 34% over the year.

    >>> from exposure.scenarios.weekly_network import weekly_network
    >>> net = weekly_network(2, [0], [1], [0], [0.6], ["essential"], cover_weeks=8)
    >>> result = propagate(net, [0.5, 0.0], horizons=[52])
    >>> result.first_loss_week.tolist(), result.loss_at(52).round(6).tolist()
    ([1, 18], [0.5, 0.336538])
    """
    ordered = tuple(int(h) for h in horizons)
    if not ordered or ordered[0] < 1 or list(ordered) != sorted(set(ordered)):
        raise ScenarioError(f"horizons must be ascending weeks from 1, got {ordered}")
    path = _paths(psi, network.n, ordered[-1])
    stepper = Stepper.of(network, substitution, ramp_weeks)
    weeks = ordered[-1]
    output = np.empty((weeks, network.n))
    channel = np.zeros((weeks, network.n), dtype=np.int64)
    bottleneck = np.full((weeks, network.n), -1, dtype=np.int64)
    history = History(stepper.longest_lag, network.n, 1)
    full = network.cover_weeks[:, None]
    stock = full.copy()
    for t in range(1, weeks + 1):
        h, stock, parts = stepper.step(t, path[t - 1][:, None], history, stock, full)
        channel[t - 1], bottleneck[t - 1] = stepper.name_bottleneck(h, parts)
        output[t - 1] = h[:, 0]
        history.push(h, parts)
    mean = np.cumsum(output, axis=0)[np.array(ordered) - 1] / np.array(ordered)[:, None]
    short = output < 1.0
    first = np.where(short.any(axis=0), short.argmax(axis=0) + 1, 0)
    return WeeklyResult(
        output, channel, bottleneck, ordered, np.maximum(0.0, 1.0 - mean), first.astype(np.int64)
    )


@dataclass(frozen=True, slots=True)
class ManyLosses:
    """Losses of many shocks.

    Parameters
    ----------
    loss
        1 - mean min(1, h) up to each horizon, of shape (D, H, n).
    growth
        Mean of what nodes make beyond their baseline, max(0, h - 1), of shape (D, H, n).
    first_loss_week
        First week with h < 1, 0 where there is none, of shape (D, n).
    """

    loss: Vector
    growth: Vector
    first_loss_week: Codes


def propagate_many(
    network: WeeklyNetwork,
    cuts: Cuts | CauseCuts,
    *,
    horizons: Sequence[int] = (52,),
    cover_weeks: ArrayLike | None = None,
    growth: Growth | None = None,
    substitution: ArrayLike = 0.0,
    ramp_weeks: ArrayLike = 0.0,
    batch: int = 256,
) -> ManyLosses:
    """Mean losses of many shocks, stepped side by side.

    Nodes that are asked to grow need more of every input: q_ik(t) = Σ_j s_ijk a_j with a_j = φ_j of what is asked, or
    what a supplier that grows itself makes; h_i ≤ 1 + γ_i(t). So a gain lasts as long as inputs and
    stocks do.

    Parameters
    ----------
    network, horizons, substitution, ramp_weeks
        As in :func:`propagate`.
    cuts
        One shock a row.
    cover_weeks
        Stock of each input in each shock, of shape (D, q), in place of the network's.
    growth
        What nodes are asked to make beyond their baseline.
    batch
        Shocks stepped at once; it bounds memory.

    Raises
    ------
    ScenarioError
        If a cut lies outside [0, 1] or a stock is negative.

    Examples
    --------
    >>> from exposure.scenarios.weekly_network import weekly_network
    >>> net = weekly_network(2, [0], [1], [0], [0.6], ["essential"], cover_weeks=8)
    >>> many = propagate_many(net, Cuts(np.array([[0.5, 0], [1, 0]])), horizons=[52])
    >>> many.loss[:, 0, 1].round(6).tolist(), many.first_loss_week[:, 1].tolist()
    ([0.336538, 0.826923], [18, 10])

    The customer is asked to make half as much again; its supplier can, until it is cut.

    >>> asked = Growth(np.array([1]), np.array([[0.5], [0.5]]), np.zeros((2, 1)))
    >>> many = propagate_many(net, Cuts(np.array([[0.0, 0], [1, 0]])), horizons=[52], growth=asked)
    >>> many.growth[:, 0, 1].round(3).tolist()
    [0.5, 0.058]
    """
    n, ordered = network.n, [int(h) for h in horizons]
    if cuts.psi.ndim != 2 or cuts.psi.shape[1] != n:
        raise ValueError(f"psi must have shape (draws, {n}), got {cuts.psi.shape}")
    check_unit(cuts.psi, "a cut")
    draws, weeks = cuts.psi.shape[0], max(ordered)
    stocks = None if cover_weeks is None else np.asarray(cover_weeks, dtype=np.float64)
    if stocks is not None and not np.all(stocks >= 0):
        raise ScenarioError("a stock is negative or missing")
    stepper = Stepper.of(network, substitution, ramp_weeks, growth)
    losses = np.empty((draws, len(ordered), n))
    grown = np.zeros((draws, len(ordered), n))
    first = np.zeros((draws, n), dtype=np.int64)
    for start in range(0, draws, batch):
        rows = slice(start, min(draws, start + batch))
        width = rows.stop - rows.start
        some, asked = cuts.part(rows), None if growth is None else growth.part(rows)
        history = History(stepper.longest_lag, n, width)
        full = network.cover_weeks[:, None] if stocks is None else stocks[rows].T
        stock = np.array(np.broadcast_to(full, (network.n_inputs, width)))
        produced, extra = np.zeros((n, width)), np.zeros((n, width))
        seen = np.zeros((n, width), dtype=np.int64)
        constant = max(some.constant_from(weeks), 1 if asked is None else asked.constant_from())
        constant = max(constant, int(np.max(stepper.ramp, initial=0.0)) + 1)
        same, before = 0, (np.empty(0), np.empty(0))
        for t in range(1, weeks + 1):
            target = None if asked is None else asked.target(t, n)
            h, stock, parts = stepper.step(t, some.at(t), history, stock, full, target)
            history.push(h, parts)
            short = h < 1.0
            seen[short & (seen == 0)] = t
            made, beyond = (
                (h, 0.0) if target is None else (np.minimum(h, 1.0), np.maximum(h - 1.0, 0.0))
            )
            produced += made
            extra += beyond
            still = (
                t > constant and np.array_equal(h, before[0]) and np.array_equal(stock, before[1])
            )
            same, before = same + 1 if still else 0, (h, stock)
            settled = same >= stepper.longest_lag
            for week in range(
                t, weeks + 1 if settled else t + 1
            ):  # once settled, every later week is this one
                if week > t:
                    produced += made
                    extra += beyond
                if week in ordered:
                    at = ordered.index(week)
                    losses[rows, at] = np.maximum(0.0, 1.0 - produced.T / week)
                    grown[rows, at] = extra.T / week
            if settled:
                break
        first[rows] = seen.T
    return ManyLosses(losses, grown, first)


def _paths(psi: ArrayLike, n: int, weeks: int) -> Vector:
    cut = np.asarray(psi, dtype=np.float64)
    check_unit(cut, "a cut")
    if cut.shape == (n,):
        return np.broadcast_to(cut, (weeks, n))
    if cut.ndim != 2 or cut.shape[1] != n:
        raise ValueError(f"psi must have shape ({n},) or (weeks, {n}), got {cut.shape}")
    if cut.shape[0] < weeks:
        raise ScenarioError(f"the shock covers {cut.shape[0]} weeks but the horizon is {weeks}")
    return cut
