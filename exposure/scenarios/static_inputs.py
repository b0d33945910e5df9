"""What each lost supplier costs its customers: the downstream map of the static engine, made once.

Symbols: W[i,j] sales of i to j, Ld[i,j] share of i in an input of j, x loss of a supplier times what isn't replaced.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from exposure.errors import ScenarioError
from exposure.scenarios.arrays import SHARE_SLACK, Codes, Csr, Vector, sum_by

ESSENTIAL, OTHER = 2, 1


@dataclass(frozen=True, slots=True)
class Trade:
    """Flows as links, checked: seller, customer and value > 0 of each, of shape (m,).

    Examples
    --------
    >>> trade = Trade.of([[0, 0, 6], [0, 0, 2], [0, 0, 0]], [7, 7, 9], [[0, 2], [0, 0]])
    >>> trade.sold.tolist(), trade.bought.tolist(), trade.essential.tolist()
    ([6.0, 2.0, 0.0], [0.0, 0.0, 8.0], [2, 2])
    """

    n: int
    seller: Codes
    customer: Codes
    value: Vector
    sector: Codes
    needs: Codes

    @classmethod
    def of(cls, W: Any, sector: ArrayLike, essentiality: ArrayLike) -> Trade:
        """Read a dense or sparse W of shape (n, n); sorted sector codes number the essentiality."""
        anything: Any = W if sparse.issparse(W) else np.asarray(W, dtype=np.float64)
        shape: tuple[int, ...] = anything.shape
        if len(shape) != 2 or shape[0] != shape[1]:
            raise ValueError(f"W must be square, got shape {shape}")
        flows = sparse.csr_array(anything, dtype=np.float64)
        if np.any(~((flows.data >= 0) & (flows.data < np.inf))):
            raise ScenarioError("a flow is negative or missing")
        entry = sparse.coo_array(flows)
        traded = entry.data > 0
        _, codes = np.unique(np.asarray(sector), return_inverse=True)
        needs = np.asarray(essentiality, dtype=np.int64)
        sectors = int(codes.max(initial=-1)) + 1
        if codes.size != shape[0] or needs.shape != (sectors, sectors):
            raise ValueError(
                f"{shape[0]} firms and {sectors} sectors need {shape[0]} codes and a "
                f"{sectors} × {sectors} essentiality, got {codes.size} and {needs.shape}"
            )
        return cls(
            shape[0],
            entry.row[traded].astype(np.int64),
            entry.col[traded].astype(np.int64),
            np.asarray(entry.data[traded], dtype=np.float64),
            codes.astype(np.int64),
            needs,
        )

    @property
    def sectors(self) -> int:
        """Number of sectors."""
        return int(self.needs.shape[0])

    @property
    def essential(self) -> Codes:
        """2 essential, 1 other input, 0 none, of each link, of shape (m,)."""
        return self.needs[self.sector[self.seller], self.sector[self.customer]]

    @property
    def sold(self) -> Vector:
        """Sales of each firm to the others, s: row sums of W, of shape (n,)."""
        return sum_by(self.seller, self.value, self.n)

    @property
    def bought(self) -> Vector:
        """Purchases of each firm: column sums of W, of shape (n,)."""
        return sum_by(self.customer, self.value, self.n)

    def groups(self) -> tuple[Codes, Codes]:
        """Number each essential input: keys customer·sectors + supplier's sector, and one index a link."""
        must = self.essential == ESSENTIAL
        key = self.customer[must] * self.sectors + self.sector[self.seller[must]]
        keys, group = np.unique(key, return_inverse=True)
        return keys, group.astype(np.int64)

    def reordered(self) -> tuple[Trade, Codes]:
        """Firms with the most essential inputs first, then by number of links; and what stood where.

        Essential inputs of rank r then belong to the first firms of a prefix, so that the worst of
        them is a maximum of slices, and firms with many links stay together in the cache.
        """
        keys, _ = self.groups()
        essential = np.bincount(keys // max(1, self.sectors), minlength=self.n)
        links = np.bincount(self.seller, minlength=self.n) + np.bincount(
            self.customer, minlength=self.n
        )
        order = np.lexsort((-links, -essential)).astype(np.int64)
        place = np.empty_like(order)
        place[order] = np.arange(self.n)
        trade = Trade(
            self.n,
            place[self.seller],
            place[self.customer],
            self.value,
            self.sector[order],
            self.needs,
        )
        return trade, order


@dataclass(frozen=True, slots=True)
class InputMap:
    """Ld as one matrix: n rows of other inputs, then the essential ones, rank by rank.

    The rows of rank r belong to the first ``counts[r]`` firms (see :meth:`Trade.reordered`).

    Examples
    --------
    A designer buys 6 and 2 from two foundries, essential, and 8 of other things; the first foundry fails.

    >>> W = [[0, 0, 0, 0], [6, 0, 0, 0], [2, 0, 0, 0], [8, 0, 0, 0]]
    >>> trade = Trade.of(W, [1, 2, 2, 3], [[0, 0, 0], [2, 0, 0], [1, 0, 0]])
    >>> inputs = InputMap.of(trade, None, costs_shrink_essential=False)
    >>> inputs.counts, inputs.apply(np.array([0.0, 1.0, 0.0, 0.5])).tolist()
    ((1,), [0.75, 0.0, 0.0, 0.0])
    """

    shares: Csr
    counts: tuple[int, ...]

    @classmethod
    def of(cls, trade: Trade, costs: Vector | None, costs_shrink_essential: bool) -> InputMap:
        """Shares of each input, scaled by purchases / total cost where costs are given."""
        kind, bought = trade.essential, trade.bought
        scale = np.ones(trade.n) if costs is None else bought / costs
        keys, group = trade.groups()
        must, some = kind == ESSENTIAL, kind == OTHER
        of_input = sum_by(group, trade.value[must], keys.size)
        share = trade.value[must] / of_input[group]
        if costs_shrink_essential:
            share = share * scale[trade.customer[must]]
        buyer = trade.customer[some]
        ordinary = trade.value[some] / bought[buyer] * scale[buyer]

        owner = keys // max(1, trade.sectors)
        per_firm = np.bincount(owner, minlength=trade.n)
        rank = np.arange(keys.size) - (np.cumsum(per_firm) - per_firm)[owner]
        counts = np.bincount(rank, minlength=0)
        row = trade.n + (np.cumsum(counts) - counts)[rank] + owner
        rows = np.concatenate([buyer, row[group]]).astype(np.int32)
        columns = np.concatenate([trade.seller[some], trade.seller[must]]).astype(np.int32)
        shares = sparse.csr_array(
            (np.concatenate([ordinary, share]), (rows, columns)),
            shape=(trade.n + keys.size, trade.n),
        )
        return cls(shares, tuple(int(count) for count in counts))

    def apply(self, x: Vector) -> Vector:
        """Return max(worst essential input lost, Σ of the others) of each firm, of the shape of x."""
        lost = np.asarray(self.shares @ x, dtype=np.float64)
        start = x.shape[0]
        out = lost[:start]
        for count in self.counts:
            np.maximum(out[:count], lost[start : start + count], out=out[:count])
            start += count
        return out


def checked_costs(costs: ArrayLike | None, n: int) -> Vector | None:
    """Return total cost of each firm, of shape (n,), or None; refuse one that isn't positive.

    Examples
    --------
    >>> checked_costs([3, 4], 2).tolist()
    [3.0, 4.0]
    """
    if costs is None:
        return None
    cost = per_firm(costs, n, "costs")
    if np.any(~(cost > 0)):
        raise ScenarioError("a total cost isn't positive")
    return cost


def per_firm(values: ArrayLike, n: int, what: str) -> Vector:
    """Return values ≥ 0 of shape (n,), from as many or from one number; refuse others.

    Examples
    --------
    >>> per_firm(0.1, 2, "headroom").tolist()
    [0.1, 0.1]
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim > 1 or (array.ndim == 1 and array.size != n):
        raise ValueError(f"{what} must have shape ({n},) to match W, got {array.shape}")
    if not np.all(np.isfinite(array) & (array >= 0)):
        raise ScenarioError(f"a value of {what} is negative or missing")
    return np.array(np.broadcast_to(array, (n,)))


def refuse_closed(part: Vector, whole: Vector, what: str, cure: str) -> None:
    """Refuse a firm whose observed part is more than its whole, both of shape (n,), in one unit.

    Examples
    --------
    >>> refuse_closed(np.array([10.0]), np.array([9.0]), "sales", "revenue")
    Traceback (most recent call last):
    exposure.errors.ScenarioError: sales of firm 0 are 10, above its revenue of 9...
    """
    over = part > whole * (1.0 + SHARE_SLACK)
    if over.any():
        firm = int(np.argmax(over))
        raise ScenarioError(
            f"{what} of firm {firm} are {part[firm]:g}, above its {cure} of {whole[firm]:g}",
            cure=f"give the {cure} with everything in it: without the rest losses creep to 1",
        )
