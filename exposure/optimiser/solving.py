"""From limits and a goal to an answer that may be believed: solver, guard, phase 1, second solver.

PIQP first. Solved and the guard passed: optimal. Anything else goes to HiGHS, the only one that may say infeasible.
Where HiGHS says feasible, Clarabel tries; if that fails too, the status is ``solver_failed`` and there are no weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from exposure.optimiser.conflicts import Conflict, find_conflict
from exposure.optimiser.guard import MAX_VIOLATION, Verdict, check
from exposure.optimiser.limits import FloatArray, Limit, PlanInputs, bounds_of
from exposure.optimiser.model import (
    SCALE,
    SMALL,
    SOLVERS,
    Answer,
    Goal,
    build,
    solve_with,
    solver_version,
)

AT_BOUND = 1e-6  # a weight this near to its bound is held by it


class PlanStatus(StrEnum):
    """How a plan ended. There are weights only when it is optimal."""

    OPTIMAL = "optimal"
    INFEASIBLE = "infeasible"
    SOLVER_FAILED = "solver_failed"

    @property
    def is_ok(self) -> bool:
        """Whether there is a plan to follow."""
        return self is PlanStatus.OPTIMAL


@dataclass(frozen=True, slots=True)
class SolverReport:
    """Which solver said what, and what the guard found.

    Parameters
    ----------
    gap
        Certified bound on how much better any plan within the limits could be, in the objective's unit.
    max_violation
        Largest violation of a limit, relative to its scale.
    tried
        solver → its own words, for every solver that was asked.
    """

    solver: str
    version: str
    status: str
    gap: float | None
    max_violation: float | None
    iterations: int
    tried: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Solved:
    """The outcome of a solve.

    Parameters
    ----------
    shadow
        Limit name → gain of the objective for each unit by which the limit is loosened (≥ 0; of an equality, for
        each unit by which its bound rises, with its sign).
    pressure
        Limit name → multiplier-weighted row over the names, in the objective's unit: what one unit more of each
        weight costs through that limit.
    """

    status: PlanStatus
    report: SolverReport
    weights: FloatArray | None = None
    objective: float | None = None
    shadow: dict[str, float] | None = None
    pressure: dict[str, FloatArray] | None = None
    conflict: Conflict | None = None


def solve(
    inputs: PlanInputs,
    limits: tuple[Limit, ...],
    goal: Goal,
    *,
    solvers: Sequence[str] = SOLVERS,
) -> Solved:
    """Solve and check.

    Parameters
    ----------
    solvers
        In the order to try. Limits with an ellipsoid need a cone, which PIQP doesn't know: it is skipped then.
    """
    bounds = bounds_of(inputs, limits)
    cone = any(limit.spread is not None for limit in limits)
    order = [name for name in solvers if not (cone and name == "PIQP")]
    tried: list[tuple[str, str]] = []
    asked_phase_one = False
    if bounds.crossed:
        conflict = find_conflict(inputs, limits)
        if conflict is not None:
            return _infeasible(conflict, tried)
        asked_phase_one = True
    locked = not (bounds.upper > bounds.lower + SMALL).any()
    built = None if locked else build(inputs, limits, goal)
    for name in order:
        answer = _only_choice(bounds.lower, limits) if built is None else solve_with(built, name)
        if answer.weights is not None:
            verdict = check(inputs, limits, goal, bounds, answer)
            tried.append((answer.solver, answer.status if verdict.passed else _refused(verdict)))
            if verdict.passed:
                return _optimal(inputs, limits, answer, answer.weights, verdict, tuple(tried))
        else:
            tried.append((name, answer.status))
        if not asked_phase_one:
            conflict = find_conflict(inputs, limits)
            if conflict is not None:
                return _infeasible(conflict, tried)
            asked_phase_one = True
    last = tried[-1] if tried else ("none", "no solver fits")
    report = SolverReport(last[0], "", last[1], None, None, 0, tuple(tried))
    return Solved(PlanStatus.SOLVER_FAILED, report)


def _only_choice(fixed: FloatArray, limits: tuple[Limit, ...]) -> Answer:
    """Return the only weights there are, where every name is locked."""
    duals: dict[str, FloatArray] = {}
    for limit in limits:
        if limit.form != "bound":
            duals[limit.name] = np.zeros(limit.rows.shape[0])
    return Answer("none", "solved", fixed, duals, np.zeros_like(fixed), np.zeros(0))


def _refused(verdict: Verdict) -> str:
    if verdict.max_violation > MAX_VIOLATION:
        return f"refused: breaks {verdict.worst_limit} by {verdict.max_violation:.1e}"
    return f"refused: gap {verdict.gap:.1e}"


def _infeasible(conflict: Conflict, tried: Sequence[tuple[str, str]]) -> Solved:
    report = SolverReport(
        "HIGHS", solver_version("HIGHS"), "infeasible", None, None, conflict.solves, tuple(tried)
    )
    return Solved(PlanStatus.INFEASIBLE, report, conflict=conflict)


def _optimal(
    inputs: PlanInputs,
    limits: tuple[Limit, ...],
    answer: Answer,
    w: FloatArray,
    verdict: Verdict,
    tried: tuple[tuple[str, str], ...],
) -> Solved:
    shadow: dict[str, float] = {}
    pressure: dict[str, FloatArray] = {}
    bounds = bounds_of(inputs, limits)
    for limit in limits:
        if limit.form == "bound":
            shadow[limit.name], pressure[limit.name] = 0.0, np.zeros(inputs.size)
            continue
        found = answer.duals[limit.name] / SCALE
        shadow[limit.name] = _gain(limit, found, w)
        pressure[limit.name] = _pressure(inputs, limit, found, w)
    for i, cost in enumerate(verdict.reduced_costs / SCALE):
        held_up = cost > 0 and w[i] <= bounds.lower[i] + AT_BOUND
        held_down = cost < 0 and w[i] >= bounds.upper[i] - AT_BOUND
        name = bounds.lower_name[i] if held_up else bounds.upper_name[i] if held_down else ""
        if name:
            shadow[name] += abs(float(cost))
            pressure[name][i] -= cost
    report = SolverReport(
        answer.solver,
        solver_version(answer.solver),
        answer.status,
        verdict.gap,
        verdict.max_violation,
        answer.iterations,
        tried,
    )
    return Solved(PlanStatus.OPTIMAL, report, w, verdict.objective, shadow, pressure)


def _gain(limit: Limit, found: FloatArray, w: FloatArray) -> float:
    if limit.form == "ratio":
        return float(found.sum()) * float(w.sum())
    return float(found.sum())


def _pressure(inputs: PlanInputs, limit: Limit, found: FloatArray, w: FloatArray) -> FloatArray:
    if limit.form == "turnover":
        return float(found[0]) * np.sign(w - inputs.w0)
    if limit.spread is not None:
        return float(found[0]) * limit.cut(w)[0]
    return np.asarray(limit.linear()[0].T @ found, dtype=np.float64)
