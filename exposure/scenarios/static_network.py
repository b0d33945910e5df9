"""A trade network prepared once for the static engine, and the losses of one shock on it.

Symbols: W[i,j] sales of i to j, s_i row sums of W, l loss 1 - h, σ replaceability of a supplier, ψ first loss,
hr headroom: what a survivor can add, as a fraction of what it still sells.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from exposure.errors import ScenarioError
from exposure.scenarios.arrays import Codes, Csr, Vector, check_unit
from exposure.scenarios.static_inputs import (
    InputMap,
    Trade,
    checked_costs,
    per_firm,
    refuse_closed,
)

CORRECTIONS: Mapping[str, str] = MappingProxyType(
    {
        "mass_balance": "Lost supply is replaced only out of survivors' headroom, by water-filling; σ is gone.",
        "open_network": "Revenue and total cost are required, and no firm may trade more than they allow.",
        "essential_costs": "Total cost scales only inputs that aren't essential: a missing essential one stops all.",
    }
)
"""What can be corrected in the published engine, one sentence each."""

NOTHING_LEFT = 1e-10  # sales left in a sector, in the unit of W, below which the original takes 1


@dataclass(frozen=True, slots=True)
class StaticLoss:
    """Losses of the static engine for one shock.

    Parameters
    ----------
    downstream, upstream
        Loss of each firm through lost inputs, and through lost customers, of shape (n,).
    combined, down, up
        Weighted mean of max(downstream, upstream), of downstream and of upstream: the index.
    rounds, residual
        Rounds until nothing moved by more than eps, and the last largest change.
    """

    downstream: Vector
    upstream: Vector
    combined: float
    down: float
    up: float
    rounds: int
    residual: float


@dataclass(frozen=True, slots=True)
class Replacement:
    """What part of a supplier's loss its customers can't replace, by supplier sector.

    Parameters
    ----------
    sold
        s of each firm, of shape (n,).
    sector
        Sector number of each firm, of shape (n,).
    members
        s of each firm in the row of its sector, of shape (sectors, n).
    room
        s·hr in the row of its sector, of shape (sectors, n); None where nobody has headroom.
    published
        Whether σ of the original applies.

    Examples
    --------
    Of two foundries that sell 6 and 2 the larger fails; the other can grow by half, 1 of the 6 lost.

    >>> trade = Trade.of([[0, 0, 6], [0, 0, 2], [0, 0, 0]], [1, 1, 2], [[0, 2], [0, 0]])
    >>> balanced = Replacement.of(trade, np.array([0, 0.5, 0]), published=False)
    >>> balanced.missing(np.array([1.0, 0.0, 0.0])).round(12).tolist()
    [0.833333333333, 0.0, 0.0]
    """

    sold: Vector
    sector: Codes
    members: Csr
    room: Csr | None
    published: bool

    @classmethod
    def of(cls, trade: Trade, headroom: Vector, published: bool) -> Replacement:
        """Sum sales and room by sector."""
        sold = trade.sold
        where = (trade.sector.astype(np.int32), np.arange(trade.n, dtype=np.int32))
        shape = (trade.sectors, trade.n)
        members = sparse.csr_array((sold, where), shape=shape)
        room = sparse.csr_array((sold * headroom, where), shape=shape) if headroom.any() else None
        return cls(sold, trade.sector, members, room, published)

    @property
    def nothing(self) -> bool:
        """Whether every loss of a supplier reaches its customers in full."""
        return not self.published and self.room is None

    def missing(self, loss: Vector) -> Vector:
        """Return what customers miss of each supplier, of the shape of ``loss``, (n,) or (n, shocks).

        Published: σ_i l_i with σ_i = min(1, s_i / Σ_{k in sector(i)} s_k (1 - l_k)).
        Mass-balanced: l_i unmet / lost, unmet = max(0, Σ s l - Σ s hr (1 - l)) by sector, which is
        what :func:`~exposure.scenarios.substitution.waterfill` leaves unmet at a rate of 1.
        """
        if self.nothing:
            return loss
        if self.room is not None:
            lost = np.asarray(self.members @ loss)
            room = np.asarray(self.room @ (1.0 - loss))
            unmet = np.maximum(0.0, lost - room)
            part = np.divide(unmet, lost, out=np.ones_like(lost), where=lost > 0)
            return np.asarray(part[self.sector] * loss, dtype=np.float64)
        left = np.asarray(self.members @ (1.0 - loss))
        left = np.where(left <= NOTHING_LEFT, 1.0, left)
        sigma = (1.0 / left)[self.sector]
        sigma *= self.sold if loss.ndim == 1 else self.sold[:, None]
        np.minimum(sigma, 1.0, out=sigma)
        sigma *= loss
        return np.asarray(sigma, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class StaticNetwork:
    """Everything of a trade network that doesn't change with the shock; firms in an order of its own.

    Make it with :meth:`of`, once; then each shock costs only its rounds.

    Parameters
    ----------
    order
        Number in W of each firm kept here, of shape (n,).
    inputs
        Ld: share of each supplier in each input, grouped by customer and essential supplier sector.
    sales
        Lu: share of each customer in a supplier's revenue, of shape (n, n).
    replacement
        What part of a lost supply stays missing.
    weight
        Weight of each firm in the index, of shape (n,), sums to 1.
    corrected
        Which of :data:`CORRECTIONS` apply.
    """

    order: Codes
    inputs: InputMap
    sales: Csr
    replacement: Replacement
    weight: Vector
    corrected: frozenset[str]

    @property
    def n(self) -> int:
        """Number of firms."""
        return int(self.order.size)

    @classmethod
    def of(
        cls,
        W: Any,
        sector: ArrayLike,
        essentiality: ArrayLike,
        *,
        replaceability: bool = True,
        revenue: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        costs: ArrayLike | None = None,
        headroom: ArrayLike = 0.0,
        corrected: Collection[str] = (),
    ) -> StaticNetwork:
        """Prepare a network.

        Parameters
        ----------
        W
            Sales of i to j, of shape (n, n), dense or sparse, ≥ 0, in any unit of money.
        sector
            Code of each firm, of shape (n,); sorted codes number the rows of ``essentiality``.
        essentiality
            [supplier's sector, customer's sector]: 2 essential, 1 other input, 0 none.
        replaceability
            Whether σ applies, or headroom where mass balance is corrected; False: nothing is replaced.
        revenue
            Denominator of the upstream channel, in the unit of W; by default row sums of W, and
            0 becomes 1.
        weights
            Weights of the index; by default row sums of W.
        costs
            Total cost of each firm, in the unit of W: scales input shares by (column sum of W) / cost.
        headroom
            hr, one number or one a firm: what it can add, as a fraction of what it still sells.
        corrected
            Names of :data:`CORRECTIONS` to apply; none of them: as published.

        Raises
        ------
        ScenarioError
            If a flow or another number is negative or missing, weights sum to nothing, a cost isn't
            positive, a correction has no such name, headroom comes without mass balance; or, with
            ``open_network``, if revenue or costs are missing or less than a firm's observed sales or
            purchases.

        Source
        ------
        Diem, Borsos, Reisch, Kertész, Thurner (2022), Scientific Reports 12:7719; corrections are ours.

        Examples
        --------
        Two foundries lose half of what they sell, and nobody has spare capacity.

        >>> W = [[0, 0, 6], [0, 0, 2], [0, 0, 0]]
        >>> published = StaticNetwork.of(W, [1, 1, 2], [[0, 2], [0, 0]])
        >>> published.losses([0.5, 0.5, 0]).downstream.tolist()
        [0.5, 0.5, 0.4375]
        >>> balanced = StaticNetwork.of(W, [1, 1, 2], [[0, 2], [0, 0]], corrected=["mass_balance"])
        >>> balanced.losses([0.5, 0.5, 0]).downstream.tolist()
        [0.5, 0.5, 0.5]
        """
        chosen = _checked_corrections(corrected)
        given = Trade.of(W, sector, essentiality)
        cost = checked_costs(costs, given.n)
        denominator = given.sold if revenue is None else per_firm(revenue, given.n, "revenue")
        if "open_network" in chosen:
            if revenue is None or cost is None:
                raise ScenarioError(
                    "an open network needs the revenue and the total cost of each firm"
                )
            refuse_closed(given.sold, denominator, "sales", "revenue")
            refuse_closed(given.bought, cost, "purchases", "total cost")
        spare = per_firm(headroom, given.n, "headroom")
        if spare.any() and "mass_balance" not in chosen:
            raise ScenarioError("headroom means nothing to σ", cure="correct mass_balance")
        weight = given.sold if weights is None else per_firm(weights, given.n, "weights")
        if not weight.sum() > 0:
            raise ScenarioError("the weights of the index sum to nothing")

        trade, order = given.reordered()
        denominator = np.where(denominator == 0, 1.0, denominator)[order]
        places = (trade.seller.astype(np.int32), trade.customer.astype(np.int32))
        sales = sparse.csr_array(
            (trade.value / denominator[trade.seller], places), shape=(given.n, given.n)
        )
        shrink = "essential_costs" not in chosen
        return cls(
            order,
            InputMap.of(trade, None if cost is None else cost[order], shrink),
            sales,
            Replacement.of(
                trade,
                spare[order] if replaceability else np.zeros(given.n),
                replaceability and "mass_balance" not in chosen,
            ),
            weight[order] / weight.sum(),
            chosen,
        )

    def lost_inputs(self, loss: Vector) -> Vector:
        """Return one round downstream, before the first loss counts; firms in ``order``."""
        return self.inputs.apply(self.replacement.missing(loss))

    def lost_sales(self, loss: Vector) -> Vector:
        """Return one round upstream, before the first loss counts; firms in ``order``."""
        return np.asarray(self.sales @ loss, dtype=np.float64)

    def losses(
        self, psi: ArrayLike, *, eps: float = 1e-13, max_rounds: int = 200_000
    ) -> StaticLoss:
        """Losses of one shock: the least fixed point above it, of each channel.

        l_d(j) ← min(1, max(ψ_j, max_k Σ_{i in k} Ld_ij x_i (essential), Σ_i Ld_ij x_i (other)))
        l_u(i) ← min(1, max(ψ_i, Σ_j Lu_ij l_u(j))),   x_i what customers miss of supplier i

        Parameters
        ----------
        psi
            First loss of each firm in both channels, of shape (n,), in [0, 1].
        eps, max_rounds
            A channel stops when nothing moves by more than eps. What is still to come is about
            eps·ρ/(1 - ρ), ρ being the ratio of two successive changes.

        Raises
        ------
        ScenarioError
            If a shock lies outside [0, 1], or the rounds don't suffice (a closed network creeps).

        Examples
        --------
        >>> network = StaticNetwork.of([[0, 0, 6], [0, 0, 2], [0, 0, 0]], [1, 1, 2], [[0, 2], [0, 0]])
        >>> loss = network.losses([1, 0, 0])
        >>> loss.downstream.tolist(), loss.combined, loss.rounds
        ([1.0, 0.0, 0.75], 0.75, 2)
        """
        shock = np.asarray(psi, dtype=np.float64)
        if shock.shape != (self.n,):
            raise ValueError(f"psi must have shape ({self.n},) to match W, got {shock.shape}")
        check_unit(shock, "a shock")
        inside = shock[self.order]
        lost_in, rounds_in, left_in = self._settle(self.lost_inputs, inside, eps, max_rounds)
        lost_out, rounds_out, left_out = self._settle(self.lost_sales, inside, eps, max_rounds)
        downstream, upstream = np.empty(self.n), np.empty(self.n)
        downstream[self.order], upstream[self.order] = lost_in, lost_out
        return StaticLoss(
            downstream,
            upstream,
            float(self.weight @ np.maximum(lost_in, lost_out)),
            float(self.weight @ lost_in),
            float(self.weight @ lost_out),
            max(rounds_in, rounds_out),
            max(left_in, left_out),
        )

    @staticmethod
    def _settle(
        one_round: Any, shock: Vector, eps: float, max_rounds: int
    ) -> tuple[Vector, int, float]:
        loss, change = shock, np.inf
        for rounds in range(1, max_rounds + 1):
            moved = one_round(loss)
            np.maximum(moved, shock, out=moved)
            np.minimum(moved, 1.0, out=moved)
            change = float(np.abs(moved - loss).max(initial=0.0))
            loss = moved
            if change <= eps:
                return loss, rounds, change
        raise ScenarioError(
            f"static losses still move by {change:.1e} after {max_rounds} rounds",
            cure="normalise by revenue and total cost: without final demand losses creep to 1",
        )


def _checked_corrections(corrected: Collection[str]) -> frozenset[str]:
    chosen = frozenset([corrected] if isinstance(corrected, str) else corrected)
    unknown = sorted(chosen - CORRECTIONS.keys())
    if unknown:
        raise ScenarioError(
            f"no correction is called {unknown[0]}", cure=f"choose from {', '.join(CORRECTIONS)}"
        )
    return chosen
