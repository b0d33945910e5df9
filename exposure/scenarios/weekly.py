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
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from exposure.errors import ScenarioError
from exposure.scenarios.arrays import ROUNDING, Codes, Csr, Vector, check_unit, sum_by
from exposure.scenarios.ces import power_mean
from exposure.scenarios.weekly_network import (
    CRITICALITY,
    ESSENTIAL,
    IMPORTANT,
    ORDINARY,
    WeeklyNetwork,
)

HORIZONS = (4, 13, 26, 52, 104)
CHANNELS = ("none", "direct", "demand", "essential", "important", "ordinary")
NONE, DIRECT, DEMAND = 0, 1, 2


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


def shock_path(
    psi: ArrayLike,
    weeks: int,
    *,
    start_week: int = 1,
    duration_weeks: int | None = None,
    recovery_weeks: int = 0,
) -> Vector:
    """Spread a cut over weeks: full for its duration, then a straight way back.

    Parameters
    ----------
    psi
        Cut of each node, of shape (n,), in [0, 1].
    weeks
        T, number of rows.
    start_week
        First week of the cut, from 1.
    duration_weeks
        Weeks at full size; None for the whole horizon.
    recovery_weeks
        Weeks of the straight way back to 0 after that.

    Returns
    -------
    numpy.ndarray
        ψ_i(t) of shape (T, n).

    Examples
    --------
    >>> shock_path([0.8], 5, duration_weeks=2, recovery_weeks=2)[:, 0].round(12).tolist()
    [0.8, 0.8, 0.4, 0.0, 0.0]
    """
    cut = np.atleast_1d(np.asarray(psi, dtype=np.float64))
    since = np.arange(1, weeks + 1) - start_week  # weeks since the cut began
    size = (since >= 0).astype(np.float64)
    if duration_weeks is not None:
        past = np.maximum(0, since - duration_weeks + 1)
        size *= np.clip(1.0 - past / max(1, recovery_weeks), 0.0, 1.0)
    return size[:, None] * cut[None, :]


def propagate(
    network: WeeklyNetwork,
    psi: ArrayLike,
    *,
    horizons: Sequence[int] = HORIZONS,
    substitution: ArrayLike = 0.0,
    ramp_weeks: ArrayLike = 0.0,
) -> WeeklyResult:
    """Step a cut through the network week by week.

    q_ik(t) = min(1, Σ_j s_ijk h_j(t - lag_k) + g_ik(t)),   g(t) = min(G, G (t - 1) / weeks)
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
        See :func:`weekly_network`.
    psi
        Cut of each node: of shape (n,), lasting the whole time, or (T, n) by week (see
        :func:`shock_path`); T at least the longest horizon.
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
    stepper = _Stepper.of(network, substitution, ramp_weeks)
    weeks = ordered[-1]
    output = np.empty((weeks, network.n))
    channel = np.zeros((weeks, network.n), dtype=np.int64)
    bottleneck = np.full((weeks, network.n), -1, dtype=np.int64)
    history = _History(stepper.longest_lag, network.n, 1)
    stock = network.cover_weeks[:, None].copy()
    for t in range(1, weeks + 1):
        h, stock, parts = stepper.step(t, path[t - 1][:, None], history, stock)
        channel[t - 1], bottleneck[t - 1] = stepper.name_bottleneck(h, parts)
        output[t - 1] = h[:, 0]
        history.push(h)
    mean = np.cumsum(output, axis=0)[np.array(ordered) - 1] / np.array(ordered)[:, None]
    short = output < 1.0
    first = np.where(short.any(axis=0), short.argmax(axis=0) + 1, 0)
    return WeeklyResult(
        output, channel, bottleneck, ordered, np.maximum(0.0, 1.0 - mean), first.astype(np.int64)
    )


def propagate_many(
    network: WeeklyNetwork,
    psi: ArrayLike,
    *,
    horizons: Sequence[int] = (52,),
    duration_weeks: ArrayLike | None = None,
    substitution: ArrayLike = 0.0,
    ramp_weeks: ArrayLike = 0.0,
    batch: int = 256,
) -> Vector:
    """Mean losses of many shocks, stepped side by side.

    Parameters
    ----------
    network, horizons, substitution, ramp_weeks
        As in :func:`propagate`.
    psi
        One cut per row, of shape (D, n).
    duration_weeks
        Weeks that each cut lasts, of shape (D,); None for the whole horizon.
    batch
        Shocks stepped at once; it bounds memory.

    Returns
    -------
    numpy.ndarray
        Of shape (D, H, n).

    Examples
    --------
    >>> from exposure.scenarios.weekly_network import weekly_network
    >>> net = weekly_network(2, [0], [1], [0], [0.6], ["essential"], cover_weeks=8)
    >>> propagate_many(net, [[0.5, 0], [1, 0]], horizons=[52])[:, 0, 1].round(6).tolist()
    [0.336538, 0.826923]
    """
    cuts = np.asarray(psi, dtype=np.float64)
    if cuts.ndim != 2 or cuts.shape[1] != network.n:
        raise ValueError(f"psi must have shape (draws, {network.n}), got {cuts.shape}")
    check_unit(cuts, "a cut")
    ordered = [int(h) for h in horizons]
    draws, weeks = cuts.shape[0], max(ordered)
    lasting = np.broadcast_to(
        np.asarray(np.inf if duration_weeks is None else duration_weeks, dtype=np.float64), (draws,)
    )
    stepper = _Stepper.of(network, substitution, ramp_weeks)
    losses = np.empty((draws, len(ordered), network.n))
    for start in range(0, draws, batch):
        part = slice(start, min(draws, start + batch))
        width = part.stop - part.start
        history = _History(stepper.longest_lag, network.n, width)
        stock = np.repeat(network.cover_weeks[:, None], width, axis=1)
        produced = np.zeros((network.n, width))
        for t in range(1, weeks + 1):
            active = cuts[part].T * (t <= lasting[part])[None, :]
            h, stock, _ = stepper.step(t, active, history, stock)
            history.push(h)
            produced += h
            for at, horizon in enumerate(ordered):
                if horizon == t:
                    losses[part, at] = np.maximum(0.0, 1.0 - produced.T / t)
    return losses


class _History:
    """Outputs of the last weeks, newest first; before week 1 everything ran normally."""

    def __init__(self, weeks: int, n: int, width: int) -> None:
        self._past = [np.ones((n, width)) for _ in range(max(1, weeks))]

    def lagged(self, lag: int) -> Vector:
        """Return h(t - lag), lag ≥ 1."""
        return self._past[lag - 1]

    def push(self, h: Vector) -> None:
        """Add the newest week."""
        self._past = [h, *self._past[:-1]]


@dataclass(frozen=True, slots=True)
class _Parts:
    direct: Vector
    demand: Vector
    essential: Vector
    important: Vector
    ordinary: Vector
    usable: Vector


@dataclass(frozen=True, slots=True)
class _Stepper:
    """The network prepared for stepping: one matrix per lag, rows grouped by criticality."""

    network: WeeklyNetwork
    supply: tuple[tuple[int, Csr], ...]
    essential: tuple[Codes, Codes, Codes]  # inputs, run starts, customers of the runs
    important: Csr
    important_inputs: Codes
    ordinary: Csr
    sales: Csr
    final_demand: Vector
    ceiling: Vector
    ramp: Vector
    longest_lag: int

    @classmethod
    def of(cls, net: WeeklyNetwork, substitution: ArrayLike, ramp_weeks: ArrayLike) -> _Stepper:
        q, n = net.n_inputs, net.n
        ceiling = np.array(np.broadcast_to(np.asarray(substitution, dtype=np.float64), (q,)))
        check_unit(ceiling, "a substitution")
        ramp = np.array(np.broadcast_to(np.asarray(ramp_weeks, dtype=np.float64), (q,)))
        supply = tuple(
            (int(lag), _matrix(net.link_share, net.link_input, net.link_supplier, (q, n), keep))
            for lag in np.unique(net.lag_weeks)
            for keep in [net.lag_weeks[net.link_input] == lag]
        )
        needed = np.flatnonzero(net.criticality == ESSENTIAL)  # sorted by customer, like all inputs
        owners = net.input_customer[needed]
        starts = np.flatnonzero(np.r_[True, owners[1:] != owners[:-1]]) if needed.size else needed
        important = net.criticality == IMPORTANT
        numbers = np.arange(q)
        sales = sparse.csr_array(
            (net.sale_share, (net.sale_seller, net.sale_customer)), shape=(n, n)
        )
        sold = sum_by(net.sale_seller, net.sale_share, n)
        return cls(
            net,
            supply,
            (needed, starts, owners[starts]),
            _matrix(net.cost_share, net.input_customer, numbers, (n, q), important),
            np.flatnonzero(important),
            _matrix(
                net.cost_share, net.input_customer, numbers, (n, q), net.criticality == ORDINARY
            ),
            sales,
            np.maximum(0.0, 1.0 - sold),
            ceiling,
            ramp,
            int(net.lag_weeks.max(initial=1)),
        )

    def step(
        self, t: int, psi: Vector, history: _History, stock: Vector
    ) -> tuple[Vector, Vector, _Parts]:
        """Advance one week: psi of shape (n, width), stock (q, width)."""
        net = self.network
        received = np.zeros_like(stock)
        for lag, matrix in self.supply:
            received += matrix @ history.lagged(lag)
        done = np.where(self.ramp > 0, (t - 1) / np.where(self.ramp > 0, self.ramp, 1.0), 1.0)
        received += (self.ceiling * np.minimum(1.0, done))[:, None]
        usable = np.minimum(1.0, received) + stock
        capped = np.minimum(1.0, usable)

        essential = np.ones_like(psi)
        inputs, starts, customers = self.essential
        if inputs.size:
            essential[customers] = np.minimum.reduceat(usable[inputs], starts, axis=0)
        important = np.ones_like(psi)
        if self.important_inputs.size:
            important = power_mean(self.important, capped, net.rho)
        ordinary = 1.0 - self.ordinary @ (1.0 - capped)
        demand = self.sales @ history.lagged(1) + self.final_demand[:, None]
        parts = _Parts(1.0 - psi, demand, essential, important, ordinary, capped)
        h = np.minimum.reduce([parts.direct, demand, essential, important, ordinary])
        h = np.clip(h, 0.0, 1.0)
        h = np.where(h > 1.0 - ROUNDING, 1.0, h)  # shares of .1 + .2 + .7 are one
        left = np.clip(usable - h[net.input_customer], 0.0, net.cover_weeks[:, None])
        return h, left, parts

    def name_bottleneck(self, h: Vector, parts: _Parts) -> tuple[Codes, Codes]:
        """Say which channel and input held each node down (one shock)."""
        net = self.network
        level = h[:, 0]
        order = ("direct", "essential", "important", "ordinary", "demand")
        reached = np.stack([getattr(parts, name)[:, 0] for name in order])
        which = np.argmax(reached <= level[None, :] + 1e-12, axis=0)
        codes = np.array([CHANNELS.index(name) for name in order])
        channel = np.where(level < 1.0, codes[which], NONE)
        bottleneck = np.full(net.n, -1, dtype=np.int64)
        shortage = 1.0 - parts.usable[:, 0]
        weight = np.where(net.criticality == ESSENTIAL, 1.0, net.cost_share)
        codes_of_inputs = np.array([CHANNELS.index(name) for name in CRITICALITY])[net.criticality]
        short = np.where(channel[net.input_customer] == codes_of_inputs, shortage * weight, 0.0)
        for number in np.flatnonzero(short > 0):
            node = net.input_customer[number]
            if bottleneck[node] < 0 or short[number] > short[bottleneck[node]]:
                bottleneck[node] = number
        return channel.astype(np.int64), bottleneck


def _matrix(
    data: Vector, rows: Codes, columns: Codes, shape: tuple[int, int], keep: NDArray[np.bool_]
) -> Csr:
    used = keep & (data > 0)
    return sparse.csr_array((data[used], (rows[used], columns[used])), shape=shape)


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
