"""The least solution of x = c + o ∘ (A x): where a walk over shares ends, for many questions at once.

Symbols
    n, K        number of nodes, number of questions
    A[i,j]      share of node i's total that goes to j, of shape (n, n); rows add to at most 1
    c           part of a node that is the answer itself, of shape (n,) or (n, K), in [0, 1]
    o           part of a node whose walk goes on, of the shape of c, in [0, 1 - c]
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.sparse import linalg as sparse_linalg

from exposure.errors import ContentError
from exposure.factors.matrices import (
    DENSE_LIMIT,
    Csr,
    Matrix,
    Vector,
    csr,
    dense_solve,
    same_length,
)

ROW_SUM_SLACK = 1e-9  # rounding of printed shares; more than this above 1 is refused
NEARLY_CLOSED = 1e-6  # a row sum closer to 1 asks for the elimination that subtracts nothing
SOLUTION_TOLERANCE = 1e-14  # largest error that the iteration may leave
STALLED = 4 * np.finfo(np.float64).eps  # a step this small, per unit of x, is only rounding
MAX_STEPS = 2_000
DOUBLINGS = 6  # 64 steps: a chain of suppliers that is longer, or a circle that keeps more, takes the careful way
CHECK_EVERY = 4  # a look at the error reads all of x; the walk itself is worth more of the time


def absorb(constant: Vector, outside: Vector, walk: Csr) -> Vector:
    """Solve x = c + o ∘ (A x) for its least solution in [0, 1].

    Parameters
    ----------
    constant, outside
        c and o of shape (n,) or (n, K).
    walk
        A of shape (n, n), sparse by rows, checked by :func:`walk_matrix`.

    Returns
    -------
    numpy.ndarray
        Of the shape of ``constant``. Small systems are solved directly; large ones by an iteration whose error is at
        most ‖o∘A‖∞/(1−‖o∘A‖∞) times its last step.

    Examples
    --------
    >>> absorb(np.array([1.0, 0.0]), np.array([0.0, 1.0]), csr([[0, 0], [0.5, 0]])).tolist()
    [1.0, 0.5]
    """
    c = constant.reshape(constant.shape[0], -1)
    o = outside.reshape(c.shape)
    if not c.size:
        return constant.copy()
    if c.shape[0] <= DENSE_LIMIT:
        x = _stacked(c, o, walk)
    else:
        x = _iterate(c, o, walk, float((row_sums(walk)[:, None] * o).max()))
    if x is None:
        x = np.column_stack(
            [
                least_solution(c[:, k], csr(sparse.diags_array(o[:, k]) @ walk))
                for k in range(c.shape[1])
            ]
        )
    # only rounding: the maximum principle keeps the exact answer inside
    return np.clip(x, 0.0, 1.0).reshape(constant.shape)


def _stacked(c: Vector, o: Vector, walk: Csr) -> Vector | None:
    """Solve one dense system a question, all in one call; None where a circle is nearly closed."""
    steps = o.T[:, :, None] * walk.toarray()
    if not _ends_soon(steps):
        return None
    x = np.linalg.solve(np.eye(c.shape[0]) - steps, c.T[:, :, None])[:, :, 0].T
    x[~_reaching(c, o, walk)] = 0.0  # nothing, not a rounding of the solve
    return np.asarray(x, dtype=np.float64)


def _ends_soon(steps: Vector) -> bool:
    """Whether half of every walk has ended after 2^DOUBLINGS steps, which bounds the inverse of I - M.

    A row that adds to 1 is no trouble by itself: a bill that is traced to the last yuan ends at its suppliers.
    """
    power = steps
    for _ in range(DOUBLINGS):
        if power.sum(axis=2).max() <= 0.5:
            return True
        power = power @ power
    return bool(power.sum(axis=2).max() <= 0.5)


def _reaching(c: Vector, o: Vector, walk: Csr) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Which nodes reach an answer at all, of shape (n, K)."""
    links = csr(walk != 0)
    reach = c > 0.0
    while True:
        wider = reach | ((o > 0.0) & (np.asarray(links @ reach.astype(np.float64)) > 0.0))
        if (wider == reach).all():
            return reach
        reach = wider


def _iterate(c: Vector, o: Vector, walk: Csr, rate: float) -> Vector | None:
    """Walk on and on until what is left can't matter; None where that takes too long."""
    x = np.ascontiguousarray(c)
    factor = rate / (1.0 - rate) if rate < 1.0 else np.inf
    for step in range(MAX_STEPS):
        following = walk @ x
        following *= o
        following += c
        if step % CHECK_EVERY == CHECK_EVERY - 1:
            change = float(np.max(np.abs(following - x)))
            size = max(1.0, float(np.max(np.abs(following))))
            if change <= STALLED * size or change * factor <= SOLUTION_TOLERANCE:
                return np.asarray(following, dtype=np.float64)
        x = following
    return None


def least_solution(constant: Vector, walk: Csr) -> Vector:
    """Solve x = c + walk x for its least solution, however slowly its circles end.

    Nodes that can't reach a positive constant have x = 0 exactly; on the others the system is
    regular even where closed circles of suppliers make I - walk singular.
    """
    reach = constant > 0
    incoming = csr(walk.T != 0)
    frontier = reach
    while frontier.any():
        frontier = (np.asarray(frontier.astype(np.float64) @ incoming).ravel() > 0) & ~reach
        reach = reach | frontier
    x = np.zeros(constant.size)
    at = np.flatnonzero(reach)
    if at.size:
        inner, outer = (walk, constant) if reach.all() else (csr(walk[at][:, at]), constant[at])
        ends = 1.0 - row_sums(inner)
        # Rows that end nowhere but in the walk itself leave I - walk close to singular.
        exact = at.size <= DENSE_LIMIT and ends.min() < NEARLY_CLOSED
        x[at] = _eliminate(outer, inner.toarray()) if exact else solve(inner, outer)
    return np.clip(x, 0.0, 1.0)


def _eliminate(constant: Vector, walk: Vector) -> Vector:
    """Solve x = constant + walk x by taking nodes out one at a time, adding and dividing only.

    Nothing is subtracted, so the answer keeps its digits however slowly the walk ends
    (Grassmann, Taksar, Heyman 1985).
    """
    step, hit = walk.copy(), constant.copy()
    # What ends nowhere may be tiny: an ordinary sum of the row would round it away.
    lost = np.array([max(0.0, fsum((1.0, -c, *-r))) for c, r in zip(hit, step, strict=True)])
    n = hit.size
    leaving = np.empty(n)
    for k in range(n - 1, -1, -1):
        leaving[k] = step[k, :k].sum() + hit[k] + lost[k]
        if leaving[k] > 0.0:
            into = step[:k, k] / leaving[k]
            step[:k, :k] += into[:, None] * step[k, :k]
            hit[:k] += into * hit[k]
            lost[:k] += into * lost[k]
    x = np.zeros(n)
    for k in range(n):
        if leaving[k] > 0.0:
            x[k] = (step[k, :k] @ x[:k] + hit[k]) / leaving[k]
    return x


def solve(M: Csr, b: Vector) -> Vector:
    """Solve x = b + M x for one right-hand side of any sign.

    Raises
    ------
    ContentError
        If a closed circle of suppliers has no cost outside itself.
    """
    n = b.size
    if n <= DENSE_LIMIT:
        return dense_solve(np.eye(n) - M.toarray(), b)
    rate = float(row_sums(M).max(initial=0.0))
    x = _iterate(b[:, None], np.ones((n, 1)), M, rate)
    if x is not None:
        return x[:, 0]
    system = sparse.csc_array(sparse.eye_array(n, format="csc") - M)
    try:
        return np.asarray(sparse_linalg.splu(system).solve(b), dtype=np.float64)
    except RuntimeError as error:
        raise ContentError("a closed circle of suppliers has no cost outside itself") from error


# --- checks --------------------------------------------------------------------------------------


def walk_matrix(A: Matrix, delta: Matrix, names: Sequence[str] | None, what: str = "A") -> Csr:
    """Return delta ∘ A, or refuse it.

    Raises
    ------
    ContentError
        If a share lies outside [0, 1] or a row adds to more than 1 (named; never clipped).
    """
    shares = csr(A)
    n = shares.shape[0]
    if shares.shape != (n, n):
        raise ValueError(f"{what} must be square, got shape {shares.shape}")
    if names is not None and len(names) != n:
        raise ValueError(f"names must have {n} entries to match {what}, got {len(names)}")
    check_links(shares, what, names)
    sums = row_sums(shares)
    over = int(np.argmax(sums)) if n else 0
    if n and sums[over] > 1 + ROW_SUM_SLACK:
        raise ContentError(
            f"the suppliers of {name_of(over, names)} take {sums[over]:.6g} of its total cost, "
            "more than 1",
            cure="state shares of total cost (labour, capital and tax included), and reconcile a "
            "disclosed figure with the links that describe the same flow",
        )
    if sparse.issparse(delta) or np.ndim(delta) == 2:
        factor = csr(delta)
        check_unit(factor.data, "delta", None)
        same_length(n, factor.shape[0], what, "delta")
        return csr(shares.multiply(factor))
    scalar = float(np.asarray(delta))
    check_unit(np.array([scalar]), "delta", None)
    return shares if scalar == 1.0 else csr(shares * scalar)


def check_links(shares: Csr, what: str, names: Sequence[str] | None) -> None:
    """Refuse a share outside [0, 1], naming its link."""
    bad = ~((shares.data >= 0) & (shares.data <= 1 + ROW_SUM_SLACK))
    if bad.any():
        entry = sparse.coo_array(shares)
        at = int(np.argmax(bad))
        link = f"{name_of(int(entry.row[at]), names)} ← {name_of(int(entry.col[at]), names)}"
        raise ContentError(
            f"the cost share of link {link} is {entry.data[at]:g} in {what}; it must lie in [0, 1]"
        )


def check_unit(values: ArrayLike, what: str, names: Sequence[str] | None) -> None:
    """Refuse a value outside [0, 1], or a missing one, naming its node."""
    found = np.asarray(values, dtype=np.float64)
    bad = ~((found >= 0) & (found <= 1))  # also true for a missing value (NaN)
    if bad.any():
        at = np.unravel_index(int(np.argmax(bad)), found.shape)
        raise ContentError(
            f"{what} of {name_of(int(at[0]), names)} is {found[at]:g}; it must lie in [0, 1]"
        )


def row_sums(matrix: Csr) -> Vector:
    """Return the sum of each row."""
    return np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()


def name_of(node: int, names: Sequence[str] | None) -> str:
    """Return the name of a node, or its number."""
    return f"node {node}" if names is None else names[node]
