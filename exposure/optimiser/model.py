# pyright: basic, reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
"""A mandate as one cvxpy problem, in the formulation that solvers like.

    min  scale · ( a·[w'Dw − 2(Db)'w + y'y] + λ·[c_b'(w−w0) + (c_b+c_s)'v] + l'w + t )
    s.t. y = B'(w−b)      v ≥ w0−w, v ≥ 0      lo ≤ w ≤ up      2Σv + (Σw − Σw0) ≤ T
         named limits: rows on w; scenario rows on y where they are lifted; t ≥ each loss row

Symbols: w weight, w0 weight today, v sales, b benchmark, B loadings · chol(F), D specific variance, y tracking error
in factors, c_b and c_s cost of buying and selling, T turnover, λ cost aversion, a weight of the variance, l linear
objective, t epigraph of the losses, z reduced costs.

The cash identity in the turnover row is what makes sales alone enough when Σw ≠ Σw0. Names that can't move are taken
out before the solver sees them. One solve uses constants, never Parameters. Importing this module imports cvxpy.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from importlib.metadata import version

import cvxpy as cp
import numpy as np
from scipy import sparse

from exposure.optimiser.limits import (
    BoolArray,
    Bounds,
    FloatArray,
    Limit,
    PlanInputs,
    bounds_of,
    scenario_rows,
)
from exposure.portfolios.mandates import Mandate

SCALE = 1000.0  # brings an annual variance to O(1); unscaled, absolute tolerances stop too early
TIE_BREAK = 1e-3  # weight of the variance beside a linear objective, so that the answer is unique
PIQP_SETTINGS = {
    "eps_abs": 1e-8,
    "eps_rel": 1e-9,
    "eps_duality_gap_abs": 1e-8,
    "eps_duality_gap_rel": 1e-9,
    "check_duality_gap": True,
    "max_iter": 500,
    "num_threads": 1,
}
# 1e-8 leaves cones with certified gaps of 4e-5; 1e-10 is sometimes not reached.
CLARABEL_SETTINGS = {
    "tol_gap_abs": 1e-9,
    "tol_gap_rel": 1e-9,
    "tol_feas": 1e-9,
    "max_threads": 1,
}
SOLVERS = ("PIQP", "CLARABEL")
SMALL = 1e-12
LIFT_FROM = 20  # scenario rows; fewer are cheaper as they are


@dataclass(frozen=True, slots=True)
class Goal:
    """The objective in plain numbers: ``a·variance + λ·cost + l'w + max(losses @ w)``.

    Parameters
    ----------
    kind
        As in the mandate.
    losses
        Rows of shape (m, N) under one epigraph variable; none: no such term.
    """

    kind: str
    variance: float
    cost: float
    linear: FloatArray
    losses: FloatArray

    def value(self, inputs: PlanInputs, w: FloatArray) -> float:
        """Return the objective from the weights alone."""
        total = self.variance * inputs.variance(w) + self.cost * inputs.cost(w)
        total += float(self.linear @ w)
        if self.losses.shape[0]:
            total += float((self.losses @ w).max())
        return total

    def with_losses(self, rows: FloatArray) -> Goal:
        """Return the goal with other loss rows."""
        return replace(self, losses=rows)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a solver returned, before any check. ``weights`` is None unless it says solved.

    Parameters
    ----------
    duals
        Limit name → multipliers of its rows, in units of the scaled objective; only limits that are rows.
    sale_duals, loss_duals
        Multipliers of v ≥ w0−w over all N names (0 for names taken out), and of the epigraph rows.
    """

    solver: str
    status: str
    weights: FloatArray | None
    duals: dict[str, FloatArray] = field(default_factory=dict)
    sale_duals: FloatArray | None = None
    loss_duals: FloatArray | None = None
    iterations: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Built:
    """A compiled problem with its labelled constraints."""

    problem: cp.Problem
    weights: cp.Variable
    free: BoolArray
    fixed: FloatArray
    bounds: Bounds
    named: dict[str, cp.Constraint]
    sizes: dict[str, tuple[np.ndarray, int]]
    equal_rows: frozenset[str]
    sales: cp.Constraint
    losses: cp.Constraint | None


def goal_of(inputs: PlanInputs, mandate: Mandate) -> Goal:
    """Return the objective of a mandate; ``min_cvar`` starts without cuts."""
    kind = mandate.objective.kind
    none = np.zeros((0, inputs.size))
    flat = np.zeros(inputs.size)
    aversion = mandate.objective.cost_aversion
    if kind == "min_tracking_error":
        return Goal(kind, 1.0, aversion, flat, none)
    if kind == "max_expected_return":
        return Goal(kind, TIE_BREAK, aversion, -expected_returns(inputs), none)
    if kind == "min_worst_scenario":
        level = "base" if mandate.worst_scenario is None else mandate.worst_scenario.severity
        rows = [-inputs.counted_returns(row) for row in scenario_rows(inputs, level)]
        return Goal(kind, TIE_BREAK, aversion, flat, np.array(rows) if rows else none)
    return Goal(kind, TIE_BREAK, aversion, flat, none)


def expected_returns(inputs: PlanInputs) -> FloatArray:
    """Return the probability-weighted scenario return of each listing [fraction].

    Missing values
        A scenario whose probability nobody states adds nothing; an unknown return counts as in a limit.
    """
    if inputs.probabilities is None:
        return np.zeros(inputs.size)
    chances = np.nan_to_num(inputs.probabilities, nan=0.0)
    rows = [chances[row] * inputs.counted_returns(row) for row in scenario_rows(inputs, "base")]
    return np.sum(rows, axis=0) if rows else np.zeros(inputs.size)


def build(inputs: PlanInputs, limits: tuple[Limit, ...], goal: Goal) -> Built:
    """State the problem in cvxpy, with constants.

    Parameters
    ----------
    limits
        From :func:`exposure.optimiser.limits.named_limits`; single-weight limits become variable bounds, every other
        limit one constraint object.
    """
    bounds = bounds_of(inputs, limits)
    free = bounds.upper > bounds.lower + SMALL
    fixed = np.where(free, 0.0, bounds.lower)
    at = np.flatnonzero(free)
    base = inputs.reference
    w = cp.Variable(at.size, bounds=[bounds.lower[at], bounds.upper[at]], name="w")
    v = cp.Variable(at.size, bounds=[np.zeros(at.size), np.full(at.size, np.inf)], name="sales")
    y = cp.Variable(inputs.loadings.shape[1], name="factors")
    unlocked = sparse.csr_array(inputs.loadings[at].T)
    structure: list[cp.Constraint] = [y == unlocked @ w + inputs.loadings.T @ (fixed - base)]
    sales = v >= inputs.w0[at] - w
    named: dict[str, cp.Constraint] = {}
    sizes: dict[str, tuple[np.ndarray, int]] = {}
    lifted = _Lift(inputs, sum(limit.rows.shape[0] for limit in limits if limit.kind == "scenario"))
    for limit in limits:
        if limit.form == "bound":
            continue
        if limit.form == "turnover":
            gone = np.where(free, 0.0, fixed - inputs.w0)
            already = 2.0 * float(np.maximum(-gone, 0.0).sum()) + float(gone.sum())
            right = limit.bound - already + float(inputs.w0[at].sum())
            named[limit.name] = 2.0 * cp.sum(v) + cp.sum(w) <= right
            continue
        kept = _needed_rows(limit, bounds)
        sizes[limit.name] = (kept, limit.rows.shape[0])
        if kept.size:
            named[limit.name] = _named_row(limit, kept, at, fixed, w, y, lifted)
    objective = _objective(inputs, goal, at, w, v, y)
    losses = None
    if goal.losses.shape[0]:
        t = cp.Variable(name="loss")
        known = goal.losses @ fixed
        losses = goal.losses[:, at] @ w + known <= t
        objective = objective + SCALE * t
    rows = [*structure, sales, *named.values()]
    if losses is not None:
        rows.append(losses)
    equal = frozenset(
        limit.name for limit in limits if limit.sense == "==" and limit.form != "bound"
    )
    return Built(
        cp.Problem(cp.Minimize(objective), rows),
        w,
        free,
        fixed,
        bounds,
        named,
        sizes,
        equal,
        sales,
        losses,
    )


def _objective(
    inputs: PlanInputs,
    goal: Goal,
    at: np.ndarray,
    w: cp.Variable,
    v: cp.Variable,
    y: cp.Variable,
) -> cp.Expression:
    """Return the scaled objective without its constants: they are added back from the weights."""
    specific, base = inputs.specific[at], inputs.reference[at]
    linear = (
        -2.0 * goal.variance * specific * base + goal.cost * inputs.buy_cost[at] + goal.linear[at]
    )
    spread = goal.cost * (inputs.buy_cost + inputs.sell_cost)[at]
    quadratic = cp.quad_form(w, sparse.diags_array(specific).tocsc(), assume_PSD=True)
    identity = sparse.eye_array(y.size).tocsc()
    factors = cp.quad_form(y, identity, assume_PSD=True)
    return (
        (SCALE * goal.variance) * (quadratic + factors)
        + (SCALE * linear) @ w
        + (SCALE * spread) @ v
    )


class _Lift:
    """Scenario rows as factor part on y plus what is left on single names.

    r_s'w = f_s'B'w + d_s'w, with d_s zero wherever the return is exactly the factor part.
    """

    def __init__(self, inputs: PlanInputs, rows: int) -> None:
        self.on = inputs.inferred is not None and rows >= LIFT_FROM and inputs.loadings.shape[1] > 0
        self.inputs = inputs

    def split(self, limit: Limit) -> tuple[FloatArray, sparse.csr_array]:
        """Return (f of shape (m, k), d of shape (m, N))."""
        loadings, inferred = self.inputs.loadings, self.inputs.inferred
        direct = limit.rows.toarray()
        weights = np.zeros((direct.shape[0], loadings.shape[1]))
        for number, source in enumerate(limit.scenarios):
            names = (
                np.flatnonzero(inferred[source])
                if inferred is not None
                else np.zeros(0, dtype=np.int64)
            )
            if names.size <= loadings.shape[1]:
                continue
            # The factor part is exact on every inferred name, so a spread of a few names a factor determines it.
            some = names[
                np.linspace(0, names.size - 1, min(names.size, 4 * loadings.shape[1])).astype(int)
            ]
            row = direct[number]
            weights[number] = np.linalg.lstsq(loadings[some], row[some], rcond=None)[0]
            left = row - loadings @ weights[number]
            direct[number] = np.where(np.abs(left) < SMALL, 0.0, left)
        return weights, sparse.csr_array(direct)


def _needed_rows(limit: Limit, bounds: Bounds) -> np.ndarray:
    """Return the rows that no bound of a weight already implies.

    The cap on an issuer with one listing says nothing beside a cap on positions that is no looser; kept, it would take
    half of that cap's shadow price.
    """
    everything = np.arange(limit.rows.shape[0])
    if limit.kind != "issuer":
        return everything
    counts = np.diff(limit.rows.indptr)
    first = limit.rows.indices[np.minimum(limit.rows.indptr[:-1], limit.rows.nnz - 1)]
    return everything[(counts != 1) | (bounds.upper[first] > limit.bound)]


def _named_row(
    limit: Limit,
    kept: np.ndarray,
    at: np.ndarray,
    fixed: FloatArray,
    w: cp.Variable,
    y: cp.Variable,
    lifted: _Lift,
) -> cp.Constraint:
    rows, right = limit.linear()
    if limit.spread is not None:
        spread = limit.kappa * limit.spread
        still = float(np.linalg.norm(spread * fixed))
        moving = cp.multiply(spread[at], w)
        norm = cp.norm(moving if still == 0 else cp.hstack([moving, still]), 2)
        return rows[:, at] @ w + norm <= right - rows @ fixed
    if limit.kind == "scenario" and lifted.on:
        sign = -1.0 if limit.sense == ">=" else 1.0
        weights, direct = lifted.split(limit)
        inputs = lifted.inputs
        moved = weights @ (inputs.loadings.T @ inputs.reference) + direct @ fixed
        return (sign * weights) @ y + (sign * direct)[:, at] @ w <= right - sign * moved
    rows, right = rows[kept], right[kept]
    left, bound = rows[:, at] @ w, right - rows @ fixed
    return left == bound if limit.sense == "==" else left <= bound


def solve_with(built: Built, solver: str) -> Answer:
    """Run one named solver; nothing is judged here, and nothing is raised for a failure.

    Returns
    -------
    Answer
        With weights only where the solver says solved. "Inaccurate" and "almost" are not solutions.
    """
    settings = PIQP_SETTINGS if solver == "PIQP" else CLARABEL_SETTINGS
    start = time.perf_counter()
    try:
        data, chain, inverse = built.problem.get_problem_data(
            solver, enforce_dpp=True, solver_opts=dict(settings)
        )
        raw = chain.solve_via_data(built.problem, data, False, False, dict(settings))
        found = chain.invert(raw, inverse)
    except cp.error.SolverError as fault:
        return Answer(solver, str(fault).splitlines()[0], None)
    seconds = time.perf_counter() - start
    status = str(found.status)
    steps = int(found.attr.get("num_iters", 0) or 0)
    if status != cp.OPTIMAL:
        return Answer(solver, status, None, iterations=steps, seconds=seconds)
    at = np.flatnonzero(built.free)
    weights = np.array(built.fixed)
    inside = np.asarray(found.primal_vars[built.weights.id], dtype=np.float64).reshape(-1)
    # An interior point ends a hair outside or inside its bounds; outside is not a weight one may hold.
    weights[at] = np.clip(inside, built.bounds.lower[at], built.bounds.upper[at])
    duals: dict[str, FloatArray] = {}
    duals |= {name: np.zeros(total) for name, (_, total) in built.sizes.items()}
    for name, constraint in built.named.items():
        values = _multipliers(found, constraint, name in built.equal_rows)
        if name in duals:
            duals[name][built.sizes[name][0]] = values
        else:
            duals[name] = values
    sold = np.zeros(built.free.size)
    sold[at] = _multipliers(found, built.sales, False)
    loss = None if built.losses is None else _multipliers(found, built.losses, False)
    return Answer(solver, "solved", weights, duals, sold, loss, steps, seconds)


def _multipliers(
    found: cp.reductions.Solution, constraint: cp.Constraint, equal: bool
) -> FloatArray:
    values = np.asarray(found.dual_vars[constraint.id], dtype=np.float64).reshape(-1)
    return values if equal else np.maximum(values, 0.0)


def solver_version(solver: str) -> str:
    """Return the installed version of a solver.

    Examples
    --------
    >>> solver_version("PIQP").count(".")
    2
    """
    homes = {"PIQP": "piqp", "CLARABEL": "clarabel", "HIGHS": "highspy"}
    return version(homes[solver]) if solver in homes else ""
