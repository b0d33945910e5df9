"""One week of the production engine, for many shocks side by side.

Symbols: those of :mod:`exposure.scenarios.weekly`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from exposure.scenarios.arrays import ROUNDING, Codes, Csr, Vector, check_unit, sum_by
from exposure.scenarios.ces import power_mean
from exposure.scenarios.cuts import Growth
from exposure.scenarios.weekly_network import (
    CRITICALITY,
    ESSENTIAL,
    IMPORTANT,
    ORDINARY,
    WeeklyNetwork,
)

CHANNELS = ("none", "direct", "demand", "essential", "important", "ordinary")
NONE, DIRECT, DEMAND = 0, 1, 2


class History:
    """The last weeks, newest first: output h, and the part of orders that each node fills.

    A node whose customers order less still fills every order: only what it can't make is missing downstream. What one
    customer no longer orders is not passed on to another that is short: a larger shock never helps anybody. Before week
    1 everything ran normally.
    """

    def __init__(self, weeks: int, n: int, width: int) -> None:
        self._filled = [np.ones((n, width)) for _ in range(max(1, weeks))]
        self.output = np.ones((n, width))

    def filled(self, lag: int) -> Vector:
        """Return the part of orders filled at t - lag, lag ≥ 1; above 1 where a node makes more than its baseline."""
        return self._filled[lag - 1]

    def push(self, h: Vector, parts: Parts) -> None:
        """Add the newest week: orders are filled as far as capacity goes, whatever the others order."""
        self.output = h
        capacity = np.maximum(parts.capacity, 0.0)
        filled = np.where(np.abs(capacity - 1.0) < ROUNDING, 1.0, capacity)
        self._filled = [filled, *self._filled[:-1]]


@dataclass(frozen=True, slots=True)
class Parts:
    """What each channel would let every node make, of shape (n, width), and the usable part of each input."""

    direct: Vector
    demand: Vector
    essential: Vector
    important: Vector
    ordinary: Vector
    usable: Vector

    @property
    def capacity(self) -> Vector:
        """What a node can make, whatever is ordered: min(1 - ψ, essential, important, ordinary)."""
        return np.asarray(
            np.minimum.reduce([self.direct, self.essential, self.important, self.ordinary])
        )


@dataclass(frozen=True, slots=True)
class Growing:
    """Inputs of the nodes that may grow, with their suppliers parted: those that grow themselves, and the rest."""

    inputs: Codes
    customer: Codes
    own: Csr
    other: Csr
    grows: NDArray[np.bool_]

    @classmethod
    def of(cls, net: WeeklyNetwork, nodes: Codes) -> Growing:
        """Pick the inputs of the nodes that may grow."""
        grows = np.zeros(net.n, dtype=np.bool_)
        grows[nodes] = True
        inputs = np.flatnonzero(grows[net.input_customer])
        whole = _matrix(
            net.link_share,
            net.link_input,
            net.link_supplier,
            (net.n_inputs, net.n),
            np.ones(net.link_share.size, dtype=np.bool_),
        )[inputs]
        own = sparse.csr_array(whole @ sparse.diags_array(grows.astype(np.float64)))
        return cls(inputs, net.input_customer[inputs], own, sparse.csr_array(whole - own), grows)


@dataclass(frozen=True, slots=True)
class Stepper:
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
    growing: Growing | None = None

    @classmethod
    def of(
        cls,
        net: WeeklyNetwork,
        substitution: ArrayLike,
        ramp_weeks: ArrayLike,
        growth: Growth | None = None,
    ) -> Stepper:
        """Prepare a network; G and its ramp as in :func:`exposure.scenarios.weekly.propagate`."""
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
            None if growth is None else Growing.of(net, growth.nodes),
        )

    def step(
        self,
        t: int,
        psi: Vector,
        history: History,
        stock: Vector,
        cover: Vector,
        target: Vector | None = None,
    ) -> tuple[Vector, Vector, Parts]:
        """Advance one week: psi and target of shape (n, width), stock and cover (q, width)."""
        net = self.network
        received = np.zeros_like(stock)
        for lag, matrix in self.supply:
            past = history.filled(lag)
            received += matrix @ (past if target is None else np.minimum(past, 1.0))
        if self.ceiling.any():
            done = np.where(self.ramp > 0, (t - 1) / np.where(self.ramp > 0, self.ramp, 1.0), 1.0)
            received += (self.ceiling * np.minimum(1.0, done))[:, None]
        if target is not None and self.growing is not None:
            return self._step_growing(psi, history, stock, cover, target, received)
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
        demand = np.ones_like(psi)
        if self.sales.nnz:
            demand = self.sales @ history.output + self.final_demand[:, None]
        parts = Parts(1.0 - psi, demand, essential, important, ordinary, capped)
        h = np.minimum.reduce([parts.direct, demand, essential, important, ordinary])
        h = np.clip(h, 0.0, 1.0)
        h = np.where(h > 1.0 - ROUNDING, 1.0, h)  # shares of .1 + .2 + .7 are one
        left = np.clip(usable - h[net.input_customer], 0.0, cover)
        return h, left, parts

    def _step_growing(
        self,
        psi: Vector,
        history: History,
        stock: Vector,
        cover: Vector,
        target: Vector,
        received: Vector,
    ) -> tuple[Vector, Vector, Parts]:
        """Advance one week in which some nodes are asked for more than their baseline."""
        net, grow = self.network, self.growing
        assert grow is not None
        need = target[net.input_customer]
        past = history.filled(1)
        able = np.maximum(past - 1.0, 0.0)  # of suppliers that grow themselves
        free = (
            np.minimum(past, 1.0) * ~grow.grows[:, None]
        )  # of all others: the part of orders they fill
        asked = target[grow.customer] - 1.0
        extra = np.minimum(asked, grow.own @ able + (grow.other @ free) * asked)
        # What a supplier makes beyond its baseline adds to a whole input; it doesn't fill the hole that another left.
        received[grow.inputs] += np.maximum(0.0, received[grow.inputs] + extra - 1.0)
        usable = np.minimum(need, received) + stock
        capped = np.minimum(need, usable)

        essential = target.copy()
        inputs, starts, customers = self.essential
        if inputs.size:
            essential[customers] = np.minimum.reduceat(usable[inputs], starts, axis=0)
        important = target
        if self.important_inputs.size:
            important = target * power_mean(self.important, capped / need, net.rho)
        ordinary = target - self.ordinary @ (need - capped)
        direct = (1.0 - psi) * target
        output = np.minimum(history.output, 1.0)
        demand = self.sales @ output + self.final_demand[:, None] + (target - 1.0)
        parts = Parts(direct, demand, essential, important, ordinary, capped)
        h = np.minimum.reduce([direct, demand, essential, important, ordinary])
        h = np.clip(h, 0.0, target)
        h = np.where(np.abs(h - 1.0) < ROUNDING, 1.0, h)
        left = np.clip(usable - h[net.input_customer], 0.0, cover)
        return h, left, parts

    def name_bottleneck(self, h: Vector, parts: Parts) -> tuple[Codes, Codes]:
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
