"""The optimiser's answer as frames: weights, orders with reasons, every limit before and after, or the conflict.

:func:`plan_from_inputs` is pure: arrays and a mandate in, a :class:`Plan` out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from exposure.errors import Infeasible, SolverFailed, UsageError
from exposure.optimiser.limits import (
    ROBUST_KINDS,
    FloatArray,
    Limit,
    PlanInputs,
    named_limits,
    scenario_rows,
)
from exposure.optimiser.lots import LotPlan, can_size, round_to_lots
from exposure.optimiser.model import Goal, goal_of
from exposure.optimiser.robust import robust_use
from exposure.optimiser.solving import PlanStatus, Solved, SolverReport, solve
from exposure.optimiser.tail import solve_min_cvar
from exposure.portfolios.mandates import Mandate
from exposure.schemas import (
    DataIssues,
    PlanLimits,
    PlanWeights,
    Trades,
    concat_issues,
    empty,
    issue,
    issues_frame,
    validated,
)

EDGE = 5e-5  # half a hundredth of a percent: nearer than this a limit is touched
WATCH = 0.1  # of the bound: less room than this is worth a look
TRADED = 5e-7  # weight; a smaller change is no order
LOT_ROUNDS = 4
BINDING = 1e-5
NO_PRICE = 1e-5  # bp; an interior point leaves a dust of multipliers on limits with room
FIXED_KINDS = ("trading", "exclusion")
UNREASONED = ("turnover", "cash", "trading")


@dataclass(frozen=True, slots=True)
class Plan:
    """The optimiser's answer.

    Attributes
    ----------
    status
        There are weights and trades only when it is ``optimal``.
    weights
        | listing_id | weight_now | weight_target (solver) | weight_plan (after lots) | benchmark |
    trades
        :class:`~exposure.schemas.Trades`, sales first.
    limits
        :class:`~exposure.schemas.PlanLimits`. ``shadow_price`` is what one percentage point more of the limit saves,
        in ``shadow_unit``: basis points of tracking error a year (cost counted at the mandate's aversion), or of the
        objective where that is a loss or a return.
    conflict
        :class:`~exposure.schemas.PlanConflict`, only when infeasible.
    solver
        Who solved it, and what the guard found.
    tracking_error_now, tracking_error_plan
        Per year, fraction; None without a risk model.
    turnover
        Σ|Δw| after lots.
    cost_bp
        Cost of the orders, basis points of net asset value.
    cash_after
        Weight of cash after orders and their cost.
    robust
        None, ``interval`` or ``ellipsoid``: which score errors the plan allows for.
    robust_use
        Each factor limit at the mids, under the ellipsoid and at the interval's end; empty without weights.
    """

    status: PlanStatus
    weights: pl.DataFrame
    trades: pl.DataFrame
    limits: pl.DataFrame
    conflict: pl.DataFrame | None
    solver: SolverReport
    tracking_error_now: float | None
    tracking_error_plan: float | None
    turnover: float | None
    cost_bp: float | None
    cash_after: float | None
    issues: pl.DataFrame
    robust: str | None
    robust_use: pl.DataFrame
    shadow_unit: str

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain values, ready for JSON."""
        return {
            "status": self.status.value,
            "tracking_error_now": self.tracking_error_now,
            "tracking_error_plan": self.tracking_error_plan,
            "turnover": self.turnover,
            "cost_bp": self.cost_bp,
            "cash_after": self.cash_after,
            "shadow_unit": self.shadow_unit,
            "robust": self.robust,
            "weights": self.weights.to_dicts(),
            "trades": self.trades.to_dicts(),
            "limits": self.limits.to_dicts(),
            "conflict": None if self.conflict is None else self.conflict.to_dicts(),
            "robust_use": self.robust_use.to_dicts(),
        }

    def _repr_html_(self) -> str:
        frame = self.limits if self.conflict is None else self.conflict
        return frame._repr_html_()  # pyright: ignore[reportPrivateUsage]


def plan_from_inputs(
    inputs: PlanInputs,
    mandate: Mandate,
    *,
    robust: str | bool | None = None,
    issues: pl.DataFrame | None = None,
    raise_on_failure: bool = False,
) -> Plan:
    """Make a plan from arrays.

    Parameters
    ----------
    robust
        None or False: factor limits hold at the scores as they are. True or ``interval``: at the upper end of every
        score. ``ellipsoid``: under independent score errors (κ = 1.645).
    issues
        :class:`~exposure.schemas.DataIssues` to carry along.
    raise_on_failure
        Raise instead of returning a plan without weights.

    Raises
    ------
    MandateError
        If a limit names something the inputs lack.
    Infeasible, SolverFailed
        Only with ``raise_on_failure``.
    """
    kind = robust_kind(robust)
    limits = named_limits(inputs, mandate, kind)
    goal = goal_of(inputs, mandate)
    found = _solve(inputs, mandate, limits, goal)
    carried = empty(DataIssues) if issues is None else issues
    if found.weights is None:
        if raise_on_failure:
            raise _failure(found, limits)
        return _without_weights(inputs, limits, found, kind, carried)
    lots, notes = _whole_lots(inputs, mandate, limits, goal, found.weights)
    w = found.weights if lots is None else lots.weights
    cash = 1.0 - float(w.sum()) - inputs.cost(w) if lots is None else lots.cash
    known = [carried, issues_frame(notes)] if notes else [carried]
    return Plan(
        status=found.status,
        weights=_weights_frame(inputs, found.weights, w),
        trades=_trades_frame(inputs, mandate, limits, goal, found, w, lots),
        limits=_limits_frame(inputs, mandate, limits, found, w, cash),
        conflict=None,
        solver=found.report,
        tracking_error_now=_tracking_error(inputs, inputs.w0),
        tracking_error_plan=_tracking_error(inputs, w),
        turnover=inputs.turnover(w),
        cost_bp=1e4 * inputs.cost(w),
        cash_after=cash,
        issues=concat_issues(known),
        robust=kind,
        robust_use=robust_use(inputs, mandate, w),
        shadow_unit=_shadow_unit(goal),
    )


def robust_kind(robust: str | bool | None) -> str | None:
    """Return the kind of score errors to allow for.

    Raises
    ------
    UsageError
        If it isn't known.

    Examples
    --------
    >>> robust_kind(True), robust_kind("ellipsoid"), robust_kind(False)
    ('interval', 'ellipsoid', None)
    """
    if robust is None or robust is False:
        return None
    if robust is True:
        return "interval"
    if robust not in ROBUST_KINDS:
        raise UsageError(
            f"robust={robust!r} is not a kind of score error", cure=f"use {', '.join(ROBUST_KINDS)}"
        )
    return robust


def _solve(inputs: PlanInputs, mandate: Mandate, limits: tuple[Limit, ...], goal: Goal) -> Solved:
    if goal.kind == "min_cvar":
        return solve_min_cvar(inputs, limits, goal, mandate.objective.tail)
    return solve(inputs, limits, goal)


def _failure(found: Solved, limits: tuple[Limit, ...]) -> Infeasible | SolverFailed:
    if found.conflict is None:
        words = "; ".join(f"{name}: {said}" for name, said in found.report.tried)
        return SolverFailed(
            f"no solver returned an answer that passes the checks ({words})",
            cure="relax the mandate slightly",
        )
    frame = found.conflict.frame(limits)
    named = " and ".join(frame["name"])
    repairs = [
        f"{row['name']}: no single change is enough"
        if row["repair"] is None
        else f"{row['name']} {row['sense']} {row['repair']:.4g}"
        for row in frame.iter_rows(named=True)
    ]
    return Infeasible(
        f"the limits {named} can't hold together",
        conflict=frame,
        cure="any one of: " + "; ".join(repairs),
    )


def _without_weights(
    inputs: PlanInputs,
    limits: tuple[Limit, ...],
    found: Solved,
    kind: str | None,
    issues: pl.DataFrame,
) -> Plan:
    rows = [
        _limit_row(
            limit, _now(inputs, limit), None, None, limit.room(_now(inputs, limit)), None, False
        )
        for limit in limits
        if limit.name not in ("long_only", "cannot_buy") and limit.form != "turnover"
    ]
    return Plan(
        status=found.status,
        weights=empty(PlanWeights),
        trades=empty(Trades),
        limits=validated(pl.DataFrame(rows, schema=empty(PlanLimits).schema), PlanLimits),
        conflict=None if found.conflict is None else found.conflict.frame(limits),
        solver=found.report,
        tracking_error_now=_tracking_error(inputs, inputs.w0),
        tracking_error_plan=None,
        turnover=None,
        cost_bp=None,
        cash_after=None,
        issues=issues,
        robust=kind,
        robust_use=pl.DataFrame(),
        shadow_unit="",
    )


def _tracking_error(inputs: PlanInputs, w: FloatArray) -> float | None:
    return float(np.sqrt(inputs.variance(w))) if inputs.has_risk else None


# --- lots ----------------------------------------------------------------------------------------------------------


def _whole_lots(
    inputs: PlanInputs,
    mandate: Mandate,
    limits: tuple[Limit, ...],
    goal: Goal,
    target: FloatArray,
) -> tuple[LotPlan | None, list[dict[str, object]]]:
    """Round to lots; where rounding breaks a limit, aim a little inside it and round again."""
    if not can_size(inputs):
        note = "net asset value, prices or shares are unknown: the plan states weights, not shares"
        return None, [
            issue("warning", "holdings", "orders_not_sized", note, cure="add quantity and price")
        ]
    best = round_to_lots(inputs, mandate, limits, target)
    tighter = limits
    for _ in range(LOT_ROUNDS):
        if not best.broken:
            return best, []
        tighter = tuple(_tightened(limit, best) for limit in tighter)
        found = _solve(inputs, mandate, tighter, goal)
        if found.weights is None:
            break
        again = round_to_lots(inputs, mandate, limits, found.weights)
        if len(again.broken) < len(best.broken) or not again.broken:
            best = again
    if not best.broken:
        return best, []
    text = f"whole lots break {', '.join(best.broken)} by a lot or less; see the limits"
    return best, [
        issue("warning", "mandate", "lots_break_limit", text, cure="give the limit a little room")
    ]


def _tightened(limit: Limit, lots: LotPlan) -> Limit:
    if limit.name not in lots.broken or limit.kind in FIXED_KINDS or limit.sense == "==":
        return limit
    excess = 1.5 * limit.violation(lots.weights) * max(1.0, abs(limit.bound))
    return limit.moved(limit.bound - excess if limit.sense == "<=" else limit.bound + excess)


# --- frames --------------------------------------------------------------------------------------------------------


def _weights_frame(inputs: PlanInputs, target: FloatArray, w: FloatArray) -> pl.DataFrame:
    theirs = inputs.benchmark
    rows = [
        {
            "listing_id": name,
            "weight_now": float(inputs.w0[i]),
            "weight_target": float(target[i]),
            "weight_plan": float(w[i]),
            "benchmark": None if theirs is None else float(theirs[i]),
        }
        for i, name in enumerate(inputs.listing_ids)
    ]
    return validated(pl.DataFrame(rows, schema=empty(PlanWeights).schema), PlanWeights)


def _now(inputs: PlanInputs, limit: Limit) -> float:
    return limit.value(inputs.w0)


def _shadow_unit(goal: Goal) -> str:
    units = {
        "min_tracking_error": "bp of tracking error per 1 pp",
        "min_worst_scenario": "bp of worst scenario loss per 1 pp",
        "min_cvar": "bp of tail loss per 1 pp",
        "max_expected_return": "bp of expected return per 1 pp",
    }
    return units[goal.kind]


def _limits_frame(
    inputs: PlanInputs,
    mandate: Mandate,
    limits: tuple[Limit, ...],
    found: Solved,
    w: FloatArray,
    cash: float,
) -> pl.DataFrame:
    target = found.weights
    scale = 100.0  # 1 pp is 0.01 of the limit and 1 bp is 0.0001 of the objective
    if mandate.objective.kind == "min_tracking_error" and target is not None:
        error = float(np.sqrt(inputs.variance(target)))
        # d TE = d(TE²) / (2 TE)
        scale = 100.0 / (2.0 * error) if error > 1e-9 else 0.0
    rows: list[dict[str, Any]] = []
    for limit in limits:
        shadow = 0.0 if found.shadow is None else found.shadow[limit.name]
        if limit.name == "long_only":
            continue
        plan = cash if limit.kind == "cash" else limit.value(w)
        room = limit.room(plan)
        if limit.kind == "cash" and limit.sense == "==":
            # Lots can't meet a cash target to the cent: inside min..max it holds.
            room = min(plan - mandate.cash.min, mandate.cash.most - plan)
        aim = limit.value(w if target is None else target)
        binding = limit.kind not in FIXED_KINDS and abs(limit.room(aim)) <= BINDING
        price: float | None = scale * shadow if abs(scale * shadow) >= NO_PRICE else 0.0
        if limit.kind == "trading":
            price = None  # a fact of the day, not a choice that could be loosened
        rows.append(_limit_row(limit, _now(inputs, limit), aim, plan, room, price, binding))
    return validated(pl.DataFrame(rows, schema=empty(PlanLimits).schema), PlanLimits)


def _limit_row(
    limit: Limit,
    now: float,
    target: float | None,
    plan: float | None,
    room: float,
    shadow: float | None,
    binding: bool,
) -> dict[str, Any]:
    return {
        "name": limit.name,
        "kind": limit.kind,
        "sense": limit.sense,
        "now": now,
        "target": target,
        "plan": plan,
        "bound": limit.bound,
        "unit": limit.unit,
        "room": room,
        "binding": binding,
        "shadow_price": shadow,
        "state": _state(limit, room),
    }


def _state(limit: Limit, room: float) -> str:
    if room < -EDGE:
        return "breach"
    if limit.kind in FIXED_KINDS or (limit.kind == "cash" and limit.sense == "=="):
        return "ok"
    if room < EDGE:
        return "at_limit"
    return "watch" if room < WATCH * abs(limit.bound) else "ok"


# --- orders and their reasons --------------------------------------------------------------------------------------


def _trades_frame(
    inputs: PlanInputs,
    mandate: Mandate,
    limits: tuple[Limit, ...],
    goal: Goal,
    found: Solved,
    w: FloatArray,
    lots: LotPlan | None,
) -> pl.DataFrame:
    reasons = _Reasons(inputs, mandate, limits, goal, found)
    target = w if found.weights is None else found.weights
    rows: list[dict[str, Any]] = []
    for i in range(inputs.size):
        done = float(w[i] - inputs.w0[i])
        wanted = float(target[i] - inputs.w0[i])
        if abs(done) > TRADED:
            rows.append(_order(inputs, i, w, lots, reasons.of(i, done), None))
        elif lots is not None and i in lots.blocked and abs(wanted) > TRADED:
            rows.append(_blocked(inputs, i, wanted, reasons.of(i, wanted), lots.blocked[i]))
        elif reasons.held_back(i):
            stop = inputs.sell_reasons[i] if inputs.sell_reasons else "t_plus_1"
            rows.append(_blocked(inputs, i, -0.0, ("funds_purchase", None), stop))
    frame = pl.DataFrame(rows, schema=empty(Trades).schema)
    side = pl.col("side") == "buy"
    return validated(frame.sort(side, -pl.col("notional"), "listing_id"), Trades)


def _order(
    inputs: PlanInputs,
    i: int,
    w: FloatArray,
    lots: LotPlan | None,
    reason: tuple[str, str | None],
    blocked: str | None,
) -> dict[str, Any]:
    change = float(w[i] - inputs.w0[i])
    rate = float(inputs.buy_cost[i] if change > 0 else inputs.sell_cost[i])
    base = _order_base(inputs, i, change, reason, blocked)
    if lots is None or inputs.nav is None:
        return base | {"weight_after": float(w[i])}
    notional = abs(int(lots.orders[i])) * base["price"] * base["fx"]
    return base | {
        "quantity": float(abs(int(lots.orders[i]))),
        "notional": notional,
        "cost": rate * notional,
        "weight_after": float(w[i]),
    }


def _blocked(
    inputs: PlanInputs, i: int, wanted: float, reason: tuple[str, str | None], blocked: str
) -> dict[str, Any]:
    base = _order_base(inputs, i, wanted, reason, blocked)
    unit = base["price"] * base["fx"] / (inputs.nav or 1.0)
    shares = float(np.floor(abs(wanted) / unit)) if unit > 0 else 0.0
    return base | {"quantity": shares}


def _order_base(
    inputs: PlanInputs, i: int, change: float, reason: tuple[str, str | None], blocked: str | None
) -> dict[str, Any]:
    price = 0.0 if inputs.price is None else float(np.nan_to_num(inputs.price[i]))
    lot = 0 if inputs.lot_min is None else int(np.nan_to_num(inputs.lot_min[i]))
    return {
        "listing_id": inputs.listing_ids[i],
        "side": "buy" if change > 0 else "sell",
        "quantity": 0.0,
        "lot": lot or None,
        "price": price,
        "currency": inputs.currencies[i] if inputs.currencies else "",
        "fx": 1.0 if inputs.fx is None else float(inputs.fx[i]),
        "notional": 0.0,
        "cost": 0.0,
        "weight_before": float(inputs.w0[i]),
        "weight_after": float(inputs.w0[i]),
        "reason_code": reason[0],
        "reason_subject": reason[1],
        "blocked": blocked,
    }


class _Reasons:
    """Why a name is traded: the limit, or the objective, that its order helps the most.

    The gain of an order through a limit is multiplier × row × Δw, in units of the objective; through the objective it
    is the exact change that the order makes on the straight path from today to the target.
    """

    def __init__(
        self,
        inputs: PlanInputs,
        mandate: Mandate,
        limits: tuple[Limit, ...],
        goal: Goal,
        found: Solved,
    ) -> None:
        target = inputs.w0 if found.weights is None else found.weights
        middle = (target + inputs.w0) / 2.0 - inputs.reference
        slope = inputs.specific * middle + inputs.loadings @ (inputs.loadings.T @ middle)
        self.inputs = inputs
        self.target = target
        self.fit = 2.0 * goal.variance * slope
        self.linear = goal.linear
        self.pressure = {} if found.pressure is None else found.pressure
        self.shadow = {} if found.shadow is None else found.shadow
        self.losses = goal.losses[np.argmax(goal.losses @ target)] if goal.losses.shape[0] else None
        self.worst = self._worst_scenario(mandate, target)
        self.limits = [limit for limit in limits if limit.kind not in UNREASONED]

    def _worst_scenario(self, mandate: Mandate, w: FloatArray) -> str | None:
        level = "base" if mandate.worst_scenario is None else mandate.worst_scenario.severity
        rows = scenario_rows(self.inputs, level)
        if not rows:
            return None
        results = [float(self.inputs.counted_returns(row) @ w) for row in rows]
        return self.inputs.scenario_ids[rows[int(np.argmin(results))]][0]

    def of(self, i: int, change: float) -> tuple[str, str | None]:
        """Return (reason code, subject) of an order."""
        forced = self._forced(i, change)
        if forced is not None:
            return self._named(forced, i)
        gains: list[tuple[float, str, str | None]] = [
            (-float(self.fit[i]) * change, "raises_benchmark_fit", None),
            (-float(self.linear[i]) * change, "raises_expected_return", None),
        ]
        if self.losses is not None:
            gains.append((-float(self.losses[i]) * change, "lowers_scenario_loss", self.worst))
        for limit in self.limits:
            row = self.pressure.get(limit.name)
            if row is not None:
                gains.append((-float(row[i]) * change, *self._named(limit, i)))
        best = max(gains, key=lambda gain: gain[0])
        if best[0] > 1e-12:
            return best[1], best[2]
        return ("uses_cash", None) if change > 0 else ("funds_purchase", None)

    def _forced(self, i: int, change: float) -> Limit | None:
        """Return the exclusion or cap that a sale must follow, whatever else it is good for."""
        if change > 0:
            return None
        for limit in self.limits:
            if limit.kind not in ("exclusion", "position") or limit.sense != "<=":
                continue
            over = self.inputs.w0[i] > limit.bound + TRADED
            if over and i in limit.rows.indices and self.target[i] >= limit.bound - BINDING:
                return limit
        return None

    def held_back(self, i: int) -> bool:
        """Whether a name stays only because it can't be sold today."""
        name = f"cannot_sell:{self.inputs.listing_ids[i]}"
        return self.shadow.get(name, 0.0) > 1e-9

    def _named(self, limit: Limit, i: int) -> tuple[str, str | None]:
        if limit.kind == "factor":
            return ("lowers_factor" if limit.sense == "<=" else "raises_factor", limit.subject)
        if limit.kind == "scenario":
            return "lowers_scenario_loss", limit.subject or self.worst
        codes = {
            "position": "position_cap",
            "issuer": "issuer_cap",
            "exclusion": "exclusion",
            "coverage": "raises_coverage",
        }
        subject = (
            limit.subject if limit.kind in ("exclusion", "coverage") else self.inputs.listing_ids[i]
        )
        return codes[limit.kind], subject
