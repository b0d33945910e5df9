"""From target weights to orders in whole lots that hold every limit.

Floor every order to lots (sales round up), raise the largest remainders while every limit holds, spend what cash is
left on the largest lots, then mend what rounding broke with the single steps that help most. Every step rechecks all
limits from the weights: factors, scenarios, positions, issuers, turnover, shares available today, and cash after
costs.

Symbols: w weight, u weight of one share, q order in shares (negative: sale).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from exposure.optimiser.limits import BoolArray, FloatArray, Limit, PlanInputs, bounds_of
from exposure.portfolios.mandates import Mandate

HOLDS = 1e-9
MAX_REPAIRS = 400
CLOSED = 1e-7  # a target below this weight means: sell all
IntArray = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class LotPlan:
    """Orders in shares and what they reach.

    Parameters
    ----------
    orders
        Signed shares, of shape (N,).
    weights
        After the orders, fractions of net asset value today.
    cash
        Weight of cash after the orders and their cost.
    broken
        Names of limits that still don't hold.
    blocked
        Position → why the order it wanted isn't there: ``below_lot``, ``below_min_trade``, ``lot_unknown``.
    """

    orders: IntArray
    weights: FloatArray
    cash: float
    cost: float
    broken: tuple[str, ...]
    blocked: dict[int, str]


def can_size(inputs: PlanInputs) -> bool:
    """Return whether orders can be stated in shares: net asset value, prices and shares are known."""
    return inputs.nav is not None and inputs.price is not None and inputs.held is not None


def round_to_lots(
    inputs: PlanInputs, mandate: Mandate, limits: tuple[Limit, ...], target: FloatArray
) -> LotPlan:
    """Round a target to orders in whole lots.

    Parameters
    ----------
    target
        Weights of shape (N,) that hold every limit.

    Raises
    ------
    ValueError
        If the inputs can't be sized; see :func:`can_size`.
    """
    if inputs.nav is None or inputs.price is None or inputs.held is None:
        message = "orders need a net asset value, prices and shares"
        raise ValueError(message)
    desk = _Desk(inputs, mandate, limits, target)
    desk.floor()
    desk.raise_remainders()
    desk.spend_cash()
    desk.mend()
    w = desk.weights
    cost = inputs.cost(w)
    broken = tuple(name for name, excess in desk.excess_by_name(w) if excess > HOLDS * 100)
    return LotPlan(desk.orders, w, 1.0 - float(w.sum()) - cost, cost, broken, desk.blocked)


class _Desk:
    """Orders under way."""

    def __init__(
        self, inputs: PlanInputs, mandate: Mandate, limits: tuple[Limit, ...], target: FloatArray
    ) -> None:
        n = inputs.size
        price = np.full(n, np.nan) if inputs.price is None else inputs.price
        fx = np.ones(n) if inputs.fx is None else inputs.fx
        unit = price * fx / (inputs.nav or 1.0)
        self.inputs, self.target, self.limits = inputs, target, limits
        self.priced: BoolArray = np.isfinite(unit) & (unit > 0)
        self.unit = np.where(self.priced, unit, 1.0)
        self.held = np.zeros(n) if inputs.held is None else np.nan_to_num(inputs.held)
        free = self.held if inputs.available is None else np.nan_to_num(inputs.available)
        self.available = np.minimum(free, self.held)
        self.step = np.zeros(n) if inputs.lot_step is None else np.nan_to_num(inputs.lot_step)
        self.smallest = np.zeros(n) if inputs.lot_min is None else np.nan_to_num(inputs.lot_min)
        self.orders: IntArray = np.zeros(n, dtype=np.int64)
        self.blocked: dict[int, str] = {}
        self.cash_rule = mandate.cash
        self.min_trade = mandate.position.min_trade
        self.bounds = bounds_of(inputs, limits)
        linear = [
            x
            for x in limits
            if x.form in ("rows", "ratio") and x.kind != "cash" and x.spread is None
        ]
        parts = [limit.linear() for limit in linear]
        empty = sparse.csr_array((0, n))
        self.rows = sparse.csr_array(sparse.vstack([part[0] for part in parts])) if parts else empty
        self.edge = np.concatenate([part[1] for part in parts]) if parts else np.zeros(0)
        self.cones = [limit for limit in limits if limit.spread is not None]
        self.turnover = next((x.bound for x in limits if x.form == "turnover"), np.inf)

    @property
    def weights(self) -> FloatArray:
        """Weights that the orders reach."""
        return self._after(self.orders)

    def _after(self, orders: IntArray) -> FloatArray:
        return np.asarray(np.where(orders == -self.held, 0.0, self.inputs.w0 + orders * self.unit))

    def excess(self, w: FloatArray) -> float:
        """Return the sum of all violations at ``w``; 0 where every limit holds."""
        over = float(np.maximum(self.rows @ w - self.edge, 0.0).sum())
        over += float(np.maximum(w - self.bounds.upper, 0.0).sum())
        over += float(np.maximum(self.bounds.lower - w, 0.0).sum())
        over += max(0.0, self.inputs.turnover(w) - self.turnover)
        over += sum(limit.violation(w) for limit in self.cones)
        cash = 1.0 - float(w.sum()) - self.inputs.cost(w)
        return over + max(0.0, self.cash_rule.min - cash) + max(0.0, cash - self.cash_rule.most)

    def excess_by_name(self, w: FloatArray) -> list[tuple[str, float]]:
        """Return (limit, violation) for every limit, cash after costs included."""
        found = [(limit.name, limit.violation(w)) for limit in self.limits if limit.kind != "cash"]
        cash = 1.0 - float(w.sum()) - self.inputs.cost(w)
        outside = max(0.0, self.cash_rule.min - cash, cash - self.cash_rule.most)
        return [*found, ("cash", outside)]

    def floor(self) -> None:
        """Start with buys rounded down and sales rounded up."""
        wanted = (self.target - self.inputs.w0) / self.unit
        for i in range(self.inputs.size):
            change = float(self.target[i] - self.inputs.w0[i])
            if not self.priced[i] or abs(change) < 1e-9:
                continue
            closing = self.target[i] < CLOSED
            if abs(change) < self.min_trade and not closing:
                self.blocked[i] = "below_min_trade"
                continue
            order = (
                self._buy(i, wanted[i]) if change > 0 else -self._sell_up(i, -wanted[i], closing)
            )
            self.orders[i] = order
            if order == 0:
                self.blocked[i] = "lot_unknown" if self.smallest[i] <= 0 else "below_lot"

    def _buy(self, i: int, shares: float) -> int:
        smallest, step = self.smallest[i], self.step[i]
        if smallest <= 0 or shares < smallest * (1 - 1e-9) or not self.inputs.can_buy[i]:
            return 0
        return int(smallest + np.floor((shares - smallest) / step + 1e-9) * step)

    def _sell_up(self, i: int, shares: float, closing: bool) -> int:
        """Return the smallest allowed sale of at least ``shares``, or the largest there is."""
        all_free = self.available[i] >= self.held[i]
        if closing and all_free:
            return int(self.held[i])
        smallest, step = self.smallest[i], self.step[i]
        if smallest <= 0:
            return int(self.held[i]) if all_free and shares >= self.held[i] * (1 - 1e-9) else 0
        order = smallest + np.ceil(max(0.0, shares - smallest) / step - 1e-9) * step
        if order < self.held[i]:
            if order <= self.available[i]:
                return int(order)
            return int(self._whole(i, self.available[i]))
        return int(self.held[i]) if all_free else int(self._whole(i, self.available[i]))

    def _whole(self, i: int, shares: float) -> float:
        smallest, step = self.smallest[i], self.step[i]
        if smallest <= 0 or shares < smallest:
            return 0.0
        return float(smallest + np.floor((shares - smallest) / step + 1e-9) * step)

    def _jumps(self, i: int) -> tuple[int, ...]:
        """Return the sizes of a step: one lot, or several sizes where single shares may follow the first lot."""
        step = int(self.step[i])
        return (step,) if step >= self.smallest[i] else (step, 10 * step, 100 * step)

    def _neighbour(self, i: int, sign: int, jump: int | None = None) -> int | None:
        """Return the next allowed order of a name, upwards (buy more, sell less) or downwards."""
        if not self.priced[i] or self.smallest[i] <= 0:
            return None
        order = int(self.orders[i])
        jump = int(max(self.step[i], self.smallest[i])) if jump is None else jump
        if order == 0:
            jump = max(jump, int(self.smallest[i]))
        moved = order + sign * jump
        smallest = int(self.smallest[i])
        if order == -int(self.held[i]) and sign > 0 and order < 0:
            moved = -int(self._whole(i, self.held[i] - 1))
        elif 0 < abs(moved) < smallest:
            moved = 0
        if moved > 0 and not self.inputs.can_buy[i]:
            return None
        if moved < 0 and -moved > self.available[i]:
            whole = int(self.held[i])
            moved = -whole if self.available[i] >= self.held[i] > 0 and order != -whole else order
        return None if moved == order else moved

    def _try(self, i: int, order: int) -> bool:
        """Place an order if that breaks nothing (or nothing more than is broken already)."""
        now = self.excess(self.weights)
        changed = self.orders.copy()
        changed[i] = order
        if self.excess(self._after(changed)) > now + (0.0 if now > HOLDS else HOLDS):
            return False
        self.orders = changed
        return True

    def raise_remainders(self) -> None:
        """Round up where the target lies highest above the order, while every limit holds."""
        left = self.target - self.weights
        for i in np.argsort(-left, kind="stable"):
            if left[i] <= 0 or (i in self.blocked and self.blocked[i] != "below_lot"):
                continue
            order = self._neighbour(int(i), 1)
            over = None if order is None else self._weight(int(i), order) - self.target[i]
            if (
                order is not None
                and over is not None
                and over < left[i]
                and self._try(int(i), order)
            ):
                self.blocked.pop(int(i), None)

    def _weight(self, i: int, order: int) -> float:
        return float(self.inputs.w0[i] + order * self.unit[i])

    def spend_cash(self) -> None:
        """Buy (or sell less of) the largest lots that the cash above its target still pays for."""
        goal = self.cash_rule.min if self.cash_rule.target is None else self.cash_rule.target
        if self.cash_rule.target is None:
            goal = max(goal, 1.0 - float(self.target.sum()))
        size = self.unit * np.maximum(self.step, self.smallest)
        for i in np.argsort(-size, kind="stable"):
            if self.orders[i] == 0:
                continue
            cash = 1.0 - float(self.weights.sum()) - self.inputs.cost(self.weights)
            jump = max(
                int(self.step[i]), self._whole_steps(int(i), min(cash - goal, float(size[i])))
            )
            order = self._neighbour(int(i), 1, jump)
            if order is None or order == 0:
                continue
            if self._weight(int(i), order) - self.target[i] > size[i]:
                continue
            extra = self._weight(int(i), order) - self.weights[i]
            if cash - extra - self.inputs.buy_cost[i] * extra >= goal - HOLDS:
                self._try(int(i), order)

    def _whole_steps(self, i: int, weight: float) -> int:
        """Return how many shares, in whole steps, a weight of cash buys, costs included."""
        if self.step[i] <= 0 or weight <= 0:
            return 0
        shares = weight / (self.unit[i] * (1.0 + float(self.inputs.buy_cost[i])))
        return int(np.floor(shares / self.step[i]) * self.step[i])

    def mend(self) -> None:
        """Take the single steps that lower the sum of violations most, until nothing is broken or helps."""
        for _ in range(MAX_REPAIRS):
            now = self.excess(self.weights)
            if now <= HOLDS:
                return
            best: tuple[float, float, int, int] | None = None
            for i in range(self.inputs.size):
                for sign, jump in itertools.product((1, -1), self._jumps(i)):
                    order = self._neighbour(i, sign, jump)
                    if order is None:
                        continue
                    changed = self.orders.copy()
                    changed[i] = order
                    w = self._after(changed)
                    rank = (self.excess(w), abs(float(w[i] - self.target[i])), i, order)
                    if best is None or rank < best:
                        best = rank
            if best is None or best[0] >= now - 1e-12:
                return
            self.orders[best[2]] = best[3]
            self.blocked.pop(best[2], None)
