# pyright: basic, reportAttributeAccessIssue=false
"""Which limits can't hold together, and what alone would free them. Only this module may say "infeasible".

One HiGHS linear program holds every limit, without the risk block. Each *name* owns its rows and one elastic column
on them with bounds [0, 0]; opening that column relaxes the whole limit. The simplex dual ray names the candidates, a
deletion filter leaves a minimal conflict, and one solve a limit finds the least move that alone is enough. An
ellipsoid enters through tangents, added until the program is infeasible or the ellipsoid holds.

Symbols: w weight, v sales (2Σv + Σw − Σw0 is the turnover), s elastic column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import highspy
import numpy as np
import polars as pl
from scipy import sparse

from exposure.errors import SolverFailed
from exposure.optimiser.limits import FloatArray, Limit, PlanInputs
from exposure.schemas import PlanConflict, empty, validated

FEASIBILITY = 1e-9
RAY_ENTRY = 1e-9
MAX_CUTS = 100
# A repair is verified with this much slack: the least move leaves a set without an inside.
REPAIR_SLACK = 1e-7


@dataclass(frozen=True, slots=True)
class Conflict:
    """A minimal set of limits that can't hold together.

    Parameters
    ----------
    names
        Together infeasible; feasible with any one of them removed. Other conflicts may exist.
    repairs
        Limit name → the bound that alone restores feasibility; None where no single change is enough.
    solves
        Linear programs solved.
    """

    names: tuple[str, ...]
    repairs: dict[str, float | None]
    solves: int

    def frame(self, limits: Sequence[Limit]) -> pl.DataFrame:
        """Return :class:`~exposure.schemas.PlanConflict`, in the order of the mandate."""
        rows = [
            {
                "name": limit.name,
                "kind": limit.kind,
                "sense": limit.sense,
                "bound": limit.bound,
                "unit": limit.unit,
                "repair": self.repairs[limit.name],
                "repair_verified": self.repairs[limit.name] is not None,
            }
            for limit in limits
            if limit.name in self.names
        ]
        return validated(pl.DataFrame(rows, schema=empty(PlanConflict).schema), PlanConflict)


def find_conflict(inputs: PlanInputs, limits: tuple[Limit, ...]) -> Conflict | None:
    """Return a minimal conflict with its repairs, or None where the limits can hold together.

    Raises
    ------
    SolverFailed
        If the simplex method ends without an answer.
    """
    phase = _Phase(inputs, limits)
    if phase.feasible():
        return None
    candidates = phase.candidates()
    core = _deletion_filter(phase, candidates)
    repairs = {name: _repair(inputs, limits, phase, name) for name in core}
    return Conflict(core, repairs, phase.solves)


def is_feasible(inputs: PlanInputs, limits: tuple[Limit, ...]) -> bool:
    """Return whether all limits can hold together."""
    return _Phase(inputs, limits).feasible()


def _deletion_filter(phase: _Phase, candidates: tuple[str, ...]) -> tuple[str, ...]:
    """Leave open every name whose removal keeps the conflict; what stays closed is minimal."""
    phase.close_only(candidates)
    if phase.feasible():
        candidates = phase.names
        phase.close_only(candidates)
    core = list(candidates)
    for name in candidates:
        if len(core) == 1:
            break
        phase.open(name)
        if phase.feasible():
            phase.close(name)
        else:
            core.remove(name)
    phase.close_only(phase.names)
    return tuple(core)


def _repair(
    inputs: PlanInputs, limits: tuple[Limit, ...], phase: _Phase, name: str
) -> float | None:
    limit = next(limit for limit in limits if limit.name == name)
    move = phase.least_move(limit)
    if move is None:
        return None
    step, total = move
    moved = _moved(limit, step, total)
    slack = REPAIR_SLACK * max(1.0, abs(moved))
    eased = moved + (slack if limit.sense == "<=" else -slack if limit.sense == ">=" else 0.0)
    for bound in (moved, eased):
        changed = tuple(limit.moved(bound) if item is limit else item for item in limits)
        phase.solves += 1
        if is_feasible(inputs, changed):
            return bound
    return None


def _moved(limit: Limit, step: float, total: float) -> float:
    if limit.form == "ratio":
        # The row is Σ covered − bound·Σw; a step in weight is a step of step/Σw in the ratio.
        return limit.bound - step / max(total, FEASIBILITY)
    return limit.bound - step if limit.sense == ">=" else limit.bound + step


class _Quiet(highspy.Highs):
    """HiGHS without its banner: the constructor prints one before any option can be set."""

    def enableCallbacks(self) -> None:  # noqa: N802 - the name is theirs; it is the first call that prints
        """Silence the output, then go on as usual."""
        self.setOptionValue("output_flag", False)
        super().enableCallbacks()


class _Phase:
    """The linear program, warm between solves. Columns: w (N), v (N), then one elastic column a name."""

    def __init__(self, inputs: PlanInputs, limits: tuple[Limit, ...]) -> None:
        self.inputs = inputs
        self.limits = limits
        self.names = tuple(limit.name for limit in limits)
        self.solves = 0
        self.cones = [limit for limit in limits if limit.spread is not None]
        self.owners: list[str] = []
        self.column = {name: 2 * inputs.size + place for place, name in enumerate(self.names)}
        self.opened: set[str] = set()
        self.solver = _Quiet()
        for option, value in (
            ("threads", 1),
            ("solver", "simplex"),
            ("primal_feasibility_tolerance", FEASIBILITY),
            ("dual_feasibility_tolerance", FEASIBILITY),
        ):
            self.solver.setOptionValue(option, value)
        self._pass()

    def _pass(self) -> None:
        n = self.inputs.size
        blocks: list[sparse.csr_array] = []
        lower: list[FloatArray] = []
        upper: list[FloatArray] = []
        eye = sparse.eye_array(n, format="csr")
        blocks.append(self._block(eye, eye, None, 0.0))
        lower.append(self.inputs.w0)
        upper.append(np.full(n, np.inf))
        self.owners += [""] * n
        for limit in self.limits:
            w_part, v_part, right = self._rows(limit)
            m = w_part.shape[0]
            blocks.append(
                self._block(w_part, v_part, limit.name, 1.0 if limit.sense == "==" else -1.0)
            )
            lower.append(right if limit.sense == "==" else np.full(m, -np.inf))
            upper.append(right)
            self.owners += [limit.name] * m
        matrix = sparse.csc_array(sparse.vstack(blocks))
        program = highspy.HighsLp()
        program.num_col_, program.num_row_ = matrix.shape[1], matrix.shape[0]
        program.col_cost_ = np.zeros(matrix.shape[1])
        program.col_lower_ = np.concatenate(
            [np.full(n, -np.inf), np.zeros(n), np.zeros(len(self.names))]
        )
        program.col_upper_ = np.concatenate([np.full(2 * n, np.inf), np.zeros(len(self.names))])
        program.row_lower_, program.row_upper_ = np.concatenate(lower), np.concatenate(upper)
        program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        program.a_matrix_.start_ = matrix.indptr.astype(np.int32)
        program.a_matrix_.index_ = matrix.indices.astype(np.int32)
        program.a_matrix_.value_ = matrix.data
        self.solver.passModel(program)

    def _rows(self, limit: Limit) -> tuple[sparse.csr_array, sparse.csr_array, FloatArray]:
        n = self.inputs.size
        if limit.form == "turnover":
            total = np.array([limit.bound + float(limit.offset.sum())])
            return sparse.csr_array(np.ones((1, n))), sparse.csr_array(np.full((1, n), 2.0)), total
        if limit.spread is not None:
            # The centre alone is weaker than the ellipsoid: tangents follow where a solution breaks it.
            rows, right = limit.linear()
            return rows, sparse.csr_array((1, n)), right
        rows, right = limit.linear()
        return rows, sparse.csr_array(rows.shape), right

    def _block(
        self, w_part: sparse.csr_array, v_part: sparse.csr_array, name: str | None, sign: float
    ) -> sparse.csr_array:
        m = w_part.shape[0]
        elastic = sparse.lil_array((m, len(self.names)))
        if name is not None:
            elastic[:, [self.names.index(name)]] = np.full((m, 1), sign)
        return sparse.csr_array(sparse.hstack([w_part, v_part, elastic]))

    def open(self, name: str) -> None:
        """Relax a limit without cost."""
        limit = self.limits[self.names.index(name)]
        low = -np.inf if limit.sense == "==" else 0.0
        self.solver.changeColBounds(self.column[name], low, np.inf)
        self.opened.add(name)

    def close(self, name: str) -> None:
        """Hold a limit."""
        self.solver.changeColBounds(self.column[name], 0.0, 0.0)
        self.opened.discard(name)

    def close_only(self, names: Sequence[str]) -> None:
        """Hold these limits and relax all others."""
        for name in self.names:
            if name in names and name in self.opened:
                self.close(name)
            elif name not in names and name not in self.opened:
                self.open(name)

    def feasible(self) -> bool:
        """Solve; add tangents of ellipsoids until they hold or nothing does."""
        for _ in range(MAX_CUTS):
            if not self._solve():
                return False
            if not self._add_tangents():
                return True
        message = "the outer cuts of a robust limit didn't settle"
        raise SolverFailed(message, cure="use robust='interval'")

    def _solve(self) -> bool:
        self.solves += 1
        self.solver.run()
        status = self.solver.getModelStatus()
        if status == highspy.HighsModelStatus.kOptimal:
            return True
        if status == highspy.HighsModelStatus.kInfeasible:
            return False
        # "Unbounded or infeasible" and the like: once more, without presolve and from scratch.
        self.solver.clearSolver()
        self.solver.setOptionValue("presolve", "off")
        self.solver.run()
        self.solver.setOptionValue("presolve", "choose")
        status = self.solver.getModelStatus()
        if status == highspy.HighsModelStatus.kOptimal:
            return True
        if status == highspy.HighsModelStatus.kInfeasible:
            return False
        message = f"HiGHS ended phase 1 with {self.solver.modelStatusToString(status)!r}"
        raise SolverFailed(message, cure="relax the mandate slightly")

    def _weights(self) -> FloatArray:
        values = np.asarray(self.solver.getSolution().col_value, dtype=np.float64)
        return values[: self.inputs.size]

    def _add_tangents(self) -> bool:
        added = False
        w = self._weights()
        for limit in self.cones:
            if limit.name in self.opened or limit.violation(w) <= FEASIBILITY * 10:
                continue
            row, right = limit.cut(w)
            at = np.flatnonzero(row)
            index = np.append(at, self.column[limit.name]).astype(np.int32)
            value = np.append(row[at], -1.0)
            self.solver.addRow(-np.inf, right, index.size, index, value)
            self.owners.append(limit.name)
            added = True
        return added

    def candidates(self) -> tuple[str, ...]:
        """Return the names in the support of the dual ray; all names where there is no ray."""
        self.solver.setOptionValue("presolve", "off")
        self.solver.clearSolver()
        self.solver.run()
        self.solves += 1
        self.solver.setOptionValue("presolve", "choose")
        status, has_ray, ray = self.solver.getDualRay()  # type: ignore[attr-defined]
        if status != highspy.HighsStatus.kOk or not has_ray:
            return self.names
        values = np.abs(np.asarray(ray, dtype=np.float64))
        found = {self.owners[row] for row in np.flatnonzero(values > RAY_ENTRY)}
        named = tuple(name for name in self.names if name in found)
        return named or self.names

    def least_move(self, limit: Limit) -> tuple[float, float] | None:
        """Return (least step of one limit that frees all others, Σw there), or None."""
        column = self.column[limit.name]
        steps: list[tuple[float, float]] = []
        self.opened.add(limit.name)
        for sign in (1.0, -1.0) if limit.sense == "==" else (1.0,):
            low, high = (0.0, np.inf) if sign > 0 else (-np.inf, 0.0)
            self.solver.changeColBounds(column, low, high)
            self.solver.changeColCost(column, sign)
            if self._free_feasible(limit):
                values = np.asarray(self.solver.getSolution().col_value, dtype=np.float64)
                # An equality reads row + s = bound, so a step s moves the bound by −s.
                step = float(values[column]) * (-1.0 if limit.sense == "==" else 1.0)
                steps.append((step, float(values[: self.inputs.size].sum())))
            self.solver.changeColCost(column, 0.0)
            self.solver.changeColBounds(column, 0.0, 0.0)
        self.opened.discard(limit.name)
        return min(steps, key=lambda item: abs(item[0])) if steps else None

    def _free_feasible(self, limit: Limit) -> bool:
        """Solve with one elastic column free; an ellipsoid of that limit is eased with its tangents."""
        if limit.spread is None:
            return self.feasible()
        for _ in range(MAX_CUTS):
            if not self._solve():
                return False
            w = self._weights()
            step = float(self.solver.getSolution().col_value[self.column[limit.name]])
            eased = limit.moved(limit.bound + (step if limit.sense == "<=" else -step))
            if eased.violation(w) <= FEASIBILITY * 10 and not self._add_tangents():
                return True
            row, right = limit.cut(w)
            index = np.append(np.flatnonzero(row), self.column[limit.name]).astype(np.int32)
            value = np.append(row[np.flatnonzero(row)], -1.0)
            self.solver.addRow(-np.inf, right, index.size, index, value)
            self.owners.append(limit.name)
        return False
