"""Who wins what is lost: markets cleared by water-filling, in turn with what the winners can in fact make.

Symbols: d share of the substitutes; ψ cut of the rest; η part that customers move; hr headroom; γ growth asked of a
substitute's maker; φ part of it that inputs and stocks allow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from exposure.factors.recipes import End
from exposure.scenarios.arrays import Codes, Vector
from exposure.scenarios.cases import MarketCases
from exposure.scenarios.cuts import Growth
from exposure.scenarios.substitution import fill_many
from exposure.scenarios.weekly import ManyLosses

ROUNDS = 3
MET = 0.999  # part of what was asked that counts as delivered
PLACES: Mapping[End, int] = {
    "lo": 2,
    "mid": 1,
    "hi": 0,
}  # the least loss goes with the largest share to gain from


@dataclass(frozen=True, slots=True)
class MarketResult:
    """What one market looks like after it has cleared, mean over the horizon, as fractions of the whole market.

    Parameters
    ----------
    lost, pool, reallocated, unmet
        Supply lost, the part that customers try to move, what substitutes deliver, and what stays missing: (D,).
    asked, realised
        Growth of each maker, of shape (D, k): asked of it at the end of the ramp, and delivered on average.
    """

    lost: Vector
    pool: Vector
    reallocated: Vector
    unmet: Vector
    asked: Vector
    realised: Vector


def clear_and_run(
    markets: Sequence[MarketCases],
    position: Mapping[str, int],
    horizon: Codes,
    at: Codes,
    end: End,
    run: Callable[[Growth | None], ManyLosses],
) -> tuple[ManyLosses, dict[str, MarketResult]]:
    """Clear the markets and propagate in turn until makers deliver what is asked of them, or can't.

    γ_j = min(room_j, λ size_j) / v_j,  Σ_j γ_j v_j = min(pool, Σ room),  room_j = size_j hr φ_j

    Parameters
    ----------
    markets
        Markets of the cases.
    position
        Node → number; makers without a node are asked nothing.
    horizon, at
        Weeks of each case, and their place among the horizons that ``run`` returns, of shape (D,).
    end
        Reading of the interval of d: the least loss goes with the largest gain.
    run
        Propagates with the growth that is asked of makers.

    Returns
    -------
    ManyLosses, dict
        Losses of the last round, and market → result.

    Notes
    -----
    Makers share the substitutes' part of the market evenly, for nobody states their shares. What one can't deliver is
    offered to the others in the next round; nobody is ever asked less than before, and what is delivered never exceeds
    the pool. Being asked for more makes no loss smaller: the larger of both runs counts, since growth empties stocks.
    """
    active = [item for item in markets if item.cut.any()]
    if not active:
        return run(None), {}
    plans = [_Plan.of(item, position, PLACES[end]) for item in active]
    nodes = np.array(sorted({node for plan in plans for node in plan.nodes}), dtype=np.int64)
    losses = run(None)
    for _ in range(ROUNDS if nodes.size else 0):
        growth = _asked(plans, nodes)
        grown = run(growth)
        losses = ManyLosses(
            np.maximum(losses.loss, grown.loss), grown.growth, losses.first_loss_week
        )
        if not _update(plans, nodes, growth, grown, horizon, at):
            break
    return losses, {plan.item.market: plan.result(horizon) for plan in plans}


@dataclass(slots=True)
class _Plan:
    item: MarketCases
    nodes: list[int]
    share: float
    asked: Vector  # (D, k), of each maker's baseline
    able: Vector  # φ (D, k)
    realised: Vector  # (D, k)

    @classmethod
    def of(cls, item: MarketCases, position: Mapping[str, int], place: int) -> _Plan:
        nodes = [position[name] for name in item.suppliers if name in position]
        shape = (item.cut.size, max(1, len(nodes)))
        plan = cls(item, nodes, item.share[place], np.zeros(shape), np.ones(shape), np.zeros(shape))
        plan.fill()
        return plan

    @property
    def lost(self) -> Vector:
        return (1.0 - self.share) * self.item.cut

    def fill(self) -> None:
        """Ask makers for what the pool and their room allow, never less than before."""
        if self.share <= 0.0:
            return
        size = np.full(self.asked.shape, self.share / self.asked.shape[1])
        room = self.item.headroom[:, None] * self.able
        pool = self.item.reallocation * self.lost
        self.asked = np.maximum(self.asked, fill_many(size, room, pool) / size)

    def pace(self, horizon: Codes) -> Vector:
        """Return the mean of the ramp over the weeks of each case, of shape (D, 1)."""
        weeks = np.arange(int(horizon.max()))[None, :]
        ramp = self.item.ramp_weeks[:, None]
        done = np.where(ramp > 0, np.minimum(1.0, weeks / np.maximum(1.0, ramp)), 1.0)
        counted = weeks < horizon[:, None]
        return np.asarray((done * counted).sum(axis=1, keepdims=True) / horizon[:, None])

    def result(self, horizon: Codes) -> MarketResult:
        """Return the market after the last round."""
        realised = self.realised if self.nodes else self.asked * self.pace(horizon)
        moved = self.share * realised.mean(axis=1)
        return MarketResult(
            self.lost,
            self.item.reallocation * self.lost,
            moved,
            np.maximum(0.0, self.lost - moved),
            self.asked,
            realised,
        )


def _asked(plans: Sequence[_Plan], nodes: Codes) -> Growth:
    """Return what is asked of each maker over all markets; the slowest ramp of its markets holds."""
    rows = plans[0].asked.shape[0]
    asked, ramp = np.zeros((rows, nodes.size)), np.zeros((rows, nodes.size))
    for plan in plans:
        at = np.searchsorted(nodes, plan.nodes)
        if at.size:
            asked[:, at] += plan.asked
            ramp[:, at] = np.maximum(ramp[:, at], plan.item.ramp_weeks[:, None])
    return Growth(nodes, asked, ramp)


def _update(
    plans: Sequence[_Plan],
    nodes: Codes,
    growth: Growth,
    losses: ManyLosses,
    horizon: Codes,
    at_horizon: Codes,
) -> bool:
    """Note what makers delivered; return whether another round could move anything."""
    made = losses.growth[np.arange(at_horizon.size), at_horizon]
    again = False
    for plan in plans:
        if not plan.nodes:
            continue
        at = np.searchsorted(nodes, plan.nodes)
        total = growth.asked[:, at]
        part = np.divide(plan.asked, total, out=np.zeros_like(total), where=total > 0)
        plan.realised = made[:, plan.nodes] * part
        due = plan.asked * plan.pace(horizon)
        able = np.divide(plan.realised, due, out=np.ones_like(due), where=due > 1e-12)
        plan.able = np.minimum(plan.able, np.minimum(1.0, able))
        before = plan.asked.copy()
        plan.able = np.where(plan.able >= MET, 1.0, plan.able)
        plan.fill()
        again = again or bool((plan.asked > before + 1e-9).any())
    return again
