"""How much of an issuer traces to a factor through its suppliers, with guaranteed bounds.

Pure numpy and scipy: no frames, no files. Small systems are solved directly, large ones by a
fixed-point iteration with a stated error; a matrix may be dense or scipy sparse.

Symbols
    n           number of nodes
    A[i,j]      share of node i's TOTAL cost bought from j: rows are recipes
    phi[i]      part of node i's own product that is the factor, in [0, 1]; a capability node has 1
    delta       attenuation of a link, in [0, 1], a number or one per link
    M           diag(1 - phi) (delta * A), the walk that hasn't hit the factor yet
    w           weights, or any vector one wants to trace upstream
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse import linalg as sparse_linalg

from exposure.errors import ContentError
from exposure.factors.input_output import spectral_radius
from exposure.factors.matrices import (
    DENSE_LIMIT,
    Csr,
    Matrix,
    Vector,
    csr,
    dense_solve,
    same_length,
    vector,
)

ITERATE_ABOVE = 5_000  # above, a sparse LU may fill in; the iteration converges geometrically
ROW_SUM_SLACK = 1e-9  # rounding of printed shares; more than this above 1 is refused
SOLVE_TOLERANCE = 1e-13
ITERATION_TOLERANCE = 1e-16  # of one step; the error left is up to c/(1-c) times as large
NEARLY_CLOSED = 1e-6  # a row sum closer to 1 asks for the elimination that subtracts nothing
MAX_POLICY_ROUNDS = 500
TIERS = ("0", "1", "2", "3+")


# --- share x: the first-hit walk -----------------------------------------------------------------


def first_hit(
    phi: ArrayLike,
    A: Matrix,
    delta: Matrix = 1.0,
    *,
    names: Sequence[str] | None = None,
) -> Vector:
    """Share of each node's cost that traces to a factor, directly or through its suppliers.

    x = phi + diag(1 - phi) (delta * A) x

    Take one yuan of a node's cost, walk upstream choosing suppliers by cost share and stop at the
    first factor node: x is the probability of ever stopping there. No flow counts twice, however
    long or circular the chain. Shares of two factors add up to the share of either where no factor
    node buys, however indirectly, from the other; else their sum counts the same yuan twice.

    Parameters
    ----------
    phi
        Part of each node's own product that is the factor, of shape (n,) or (n, n_factors), in [0,
        1].
    A
        A[i,j] = share of i's total cost bought from j, of shape (n, n), dense or sparse, in [0, 1].
    delta
        Attenuation in [0, 1]: one number, or of the shape of A.
    names
        Names of the nodes, for messages.

    Returns
    -------
    numpy.ndarray
        x in [0, 1], of the shape of ``phi``.

    Raises
    ------
    ContentError
        If a row of A sums to more than 1 (named; never clipped), or a value lies outside [0, 1] or
        is missing.

    Source
    ------
    Absorbing Markov chain; compare Miller & Blair (2009), section 2.3, and DebtRank (Battiston et
    al. 2012).

    Examples
    --------
    The designer spends 50% at the foundry; the server maker spends 60% on the designer's chips.

    >>> A = [[0, 0, 0], [0.5, 0, 0], [0, 0.6, 0]]
    >>> first_hit([1, 0, 0], A).round(12).tolist()
    [1.0, 0.5, 0.3]
    """
    walk = _walk_matrix(A, delta, names)
    tags = np.asarray(phi, dtype=np.float64)
    _check_unit(tags, "phi", names)
    same_length(walk.shape[0], tags.shape[0], "A", "phi")
    if tags.ndim == 1:
        return _absorb(tags, walk)
    return np.column_stack([_absorb(column, walk) for column in tags.T]).reshape(tags.shape)


def tiers(
    phi: ArrayLike, A: Matrix, delta: Matrix = 1.0, *, names: Sequence[str] | None = None
) -> Vector:
    """Split x by how many links away the factor sits: 0 (the node itself), 1, 2, 3 and more.

    tier r = M^r phi,  M = diag(1 - phi) (delta * A),  tier 3+ = x - tiers 0, 1, 2

    Parameters
    ----------
    phi, A, delta, names
        As in :func:`first_hit`; ``phi`` of shape (n,).

    Returns
    -------
    numpy.ndarray
        Of shape (n, 4), columns as in ``TIERS``; rows add to x.

    Examples
    --------
    >>> A = [[0, 0, 0], [0.5, 0, 0], [0.1, 0.6, 0]]
    >>> tiers([1, 0, 0], A).round(12)[2].tolist()
    [0.0, 0.1, 0.3, 0.0]
    """
    walk = _walk_matrix(A, delta, names)
    tags = vector(phi, "phi")
    _check_unit(tags, "phi", names)
    same_length(walk.shape[0], tags.size, "A", "phi")
    outside = 1.0 - tags
    first = outside * (walk @ tags)
    second = outside * (walk @ first)
    x = _absorb(tags, walk)
    rest = np.maximum(0.0, x - tags - first - second)
    rest[rest < 4 * np.finfo(np.float64).eps] = 0.0  # rounding of the solve, not a fourth tier
    return np.column_stack([tags, first, second, rest])


def truncated_first_hit(
    phi: ArrayLike,
    A: Matrix,
    terms: int,
    delta: Matrix = 1.0,
    *,
    names: Sequence[str] | None = None,
) -> Vector:
    """Share x when only paths of at most ``terms`` links count.

    x_t = Σ_{r ≤ t} M^r phi        error ≤ c^(t+1) / (1 - c),  c = largest row sum of M

    Examples
    --------
    >>> A = [[0, 0, 0], [0.5, 0, 0], [0, 0.6, 0]]
    >>> truncated_first_hit([1, 0, 0], A, 1).tolist()
    [1.0, 0.5, 0.0]
    """
    walk = _walk_matrix(A, delta, names)
    tags = vector(phi, "phi")
    _check_unit(tags, "phi", names)
    total, term = tags.copy(), tags
    for _ in range(terms):
        term = (1.0 - tags) * (walk @ term)
        total = total + term
    return total


def walk_radius(phi: ArrayLike, A: Matrix, delta: Matrix = 1.0) -> float:
    """Spectral radius of M = diag(1 - phi) (delta * A).

    Examples
    --------
    >>> round(walk_radius([0, 0], [[0, 0.5], [0.5, 0]]), 12)
    0.5
    """
    walk = _walk_matrix(A, delta, None)
    tags = vector(phi, "phi")
    return spectral_radius(sparse.csr_array(sparse.diags_array(1.0 - tags) @ walk))


@dataclass(frozen=True, slots=True)
class HitBounds:
    """Guaranteed outer bounds of x.

    Parameters
    ----------
    lo, hi
        Of shape (n,): no admissible network gives less, or more.
    rounds
        Policy rounds that the upper bound took.
    residual
        Largest amount by which one more round would still raise ``hi``.
    """

    lo: Vector
    hi: Vector
    rounds: int
    residual: float


def first_hit_bounds(
    phi_lo: ArrayLike,
    phi_hi: ArrayLike,
    a_lo: Matrix,
    a_hi: Matrix,
    unknown_rest: bool | ArrayLike = False,
    *,
    delta: float = 1.0,
    names: Sequence[str] | None = None,
) -> HitBounds:
    """Lowest and highest x over every network inside the intervals.

    lo_i = phi_lo_i + (1 - phi_lo_i) min_a Σ_j delta a_j lo_j
    hi_i = phi_hi_i + (1 - phi_hi_i) max_a [Σ_j delta a_j hi_j + (1 - Σ_j a_j) rest_i]
    both over a_lo ≤ a ≤ a_hi, Σ_j a_j ≤ 1

    The remainder 1 - Σ a is cost that no link explains. Where it is known to be harmless (labour,
    capital, tax) it counts as 0; where it is unknown it counts as wholly exposed in ``hi``, so
    deleting a link never lowers ``hi``.

    Parameters
    ----------
    phi_lo, phi_hi
        Of shape (n,), in [0, 1], lo ≤ hi.
    a_lo, a_hi
        Cost shares of shape (n, n), dense or sparse, lo ≤ hi; a row of ``a_lo`` above 1 is refused,
        a row of ``a_hi`` above 1 is capped by the row's own linear program.
    unknown_rest
        False: remainders are harmless. True: unknown. An array of shape (n,) states, per node, the
        largest part of the remainder that may be the factor, in [0, 1].
    delta
        Attenuation in [0, 1].

    Returns
    -------
    HitBounds

    Raises
    ------
    ContentError
        If an interval is upside down, a value lies outside [0, 1], or a row of ``a_lo`` sums to
        more than 1.

    Notes
    -----
    The row program is a knapsack: the free room 1 - Σ a_lo goes to the suppliers with the largest
    hi first. Choosing and solving are alternated (policy iteration), which climbs to the least
    fixed point in a few rounds.

    Examples
    --------
    The server maker's chip share lies between 40% and 60%; the rest of its bill isn't known.

    >>> a_lo, a_hi = [[0, 0], [0.4, 0]], [[0, 0], [0.6, 0]]
    >>> known = first_hit_bounds([1, 0], [1, 0], a_lo, a_hi)
    >>> known.lo.tolist(), known.hi.tolist()
    ([1.0, 0.4], [1.0, 0.6])
    >>> first_hit_bounds([1, 0], [1, 0], a_lo, a_hi, [False, True]).hi.tolist()
    [1.0, 1.0]
    """
    low, high = vector(phi_lo, "phi_lo"), vector(phi_hi, "phi_hi")
    _check_unit(low, "phi_lo", names)
    _check_unit(high, "phi_hi", names)
    if np.any(low > high):
        raise ContentError(f"phi of {_name(int(np.argmax(low > high)), names)} has lo above hi")
    floor = _walk_matrix(a_lo, 1.0, names, what="a_lo")
    ceiling = csr(a_hi)
    _check_links(ceiling, "a_hi", names)
    n = floor.shape[0]
    for size, what in ((low.size, "phi_lo"), (high.size, "phi_hi"), (ceiling.shape[0], "a_hi")):
        same_length(n, size, "a_lo", what)
    _check_unit(np.array([delta]), "delta", None)
    rest = np.broadcast_to(np.asarray(unknown_rest, dtype=np.float64), (n,))
    _check_unit(rest, "unknown_rest", names)

    lo = _absorb(low, csr(floor * delta))
    hi, rounds, residual = _highest(high, floor, ceiling, rest, delta, names)
    return HitBounds(np.minimum(lo, hi), hi, rounds, residual)


def _highest(
    phi: Vector,
    floor: Csr,
    ceiling: Csr,
    rest: Vector,
    delta: float,
    names: Sequence[str] | None,
) -> tuple[Vector, int, float]:
    room = np.maximum(0.0, 1.0 - _row_sums(floor))
    extra = sparse.coo_array(ceiling - floor)
    if extra.nnz and extra.data.min() < -1e-12:
        at = int(np.argmin(extra.data))
        row, column = int(extra.row[at]), int(extra.col[at])
        raise ContentError(f"link {_name(row, names)} ← {_name(column, names)} has lo above hi")
    keep = extra.data > 0
    rows, columns, width = extra.row[keep], extra.col[keep], extra.data[keep]
    outside = 1.0 - phi

    def network(taken: Vector) -> tuple[Vector, Csr]:
        """Return the constant part and the walk when ``taken`` of each optional share is bought."""
        left = np.maximum(0.0, room - np.bincount(rows, taken, minlength=phi.size))
        chosen = floor + sparse.coo_array((taken, (rows, columns)), shape=floor.shape)
        return phi + outside * left * rest, csr(sparse.diags_array(outside * delta) @ chosen)

    taken = np.zeros(width.size)
    hi = _least_solution(*network(taken))
    residual = np.inf
    for rounds in range(1, MAX_POLICY_ROUNDS + 1):
        gain = delta * hi[columns] - rest[rows]
        order = np.lexsort((columns, -gain, rows))
        budget = np.where(gain > 0, room[rows], 0.0)[order]
        choice = np.zeros(width.size)
        choice[order] = _fill_in_order(width[order], rows[order], budget)
        constant, walk = network(choice)
        stepped = constant + walk @ hi
        residual = float(np.max(stepped - hi, initial=0.0))
        if residual <= SOLVE_TOLERANCE:
            return np.minimum(1.0, np.maximum(hi, stepped)), rounds, residual
        # A row changes its purchases only where that helps: ties would make the rounds cycle.
        taken = np.where((stepped - hi)[rows] > SOLVE_TOLERANCE / 2, choice, taken)
        hi = np.maximum(hi, _least_solution(*network(taken)))
    raise ContentError(
        f"the upper bound of {phi.size} nodes didn't settle in {MAX_POLICY_ROUNDS} rounds; "
        f"the last one still moved it by {residual:.1e}"
    )


def _fill_in_order(width: Vector, group: NDArray[np.integer], budget: Vector) -> Vector:
    """Fill ``width`` in order inside each run of equal ``group`` until the group's budget is used."""
    if not width.size:
        return width
    before = np.cumsum(width) - width
    starts = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    lengths = np.diff(np.r_[starts, group.size])
    before = before - np.repeat(before[starts], lengths)
    return np.clip(budget - before, 0.0, width)


# --- what drives it: adjoint, through-flow, upstream load ----------------------------------------


def adjoint(phi: ArrayLike, A: Matrix, w: ArrayLike, delta: Matrix = 1.0) -> Vector:
    """How much of w's cost passes through each node before it meets the factor.

    u = (I - M')^-1 w,    w'x = u'phi

    Parameters
    ----------
    phi, A, delta
        As in :func:`first_hit`; ``phi`` of shape (n,).
    w
        Weights of shape (n,), for example portfolio weights on issuers; may be negative.

    Raises
    ------
    ContentError
        As in :func:`first_hit`, or when a closed circle of suppliers with no other cost makes
        visits infinite.

    Examples
    --------
    >>> A = [[0, 0, 0], [0.5, 0, 0], [0, 0.6, 0]]
    >>> adjoint([1, 0, 0], A, [0, 0, 1]).round(12).tolist()
    [0.3, 0.6, 1.0]
    """
    walk = _walk_matrix(A, delta, None)
    tags = vector(phi, "phi")
    _check_unit(tags, "phi", None)
    same_length(walk.shape[0], tags.size, "A", "phi")
    weights = vector(w, "w")
    same_length(tags.size, weights.size, "phi", "w")
    transposed = csr((sparse.diags_array(1.0 - tags) @ walk).T)
    return _solve(transposed, weights)


@dataclass(frozen=True, slots=True)
class LinkFlow:
    """One value per supply link, in the order of the links of A.

    Parameters
    ----------
    customer, supplier
        Node numbers of shape (m,).
    value
        Of shape (m,).
    """

    customer: NDArray[np.int64]
    supplier: NDArray[np.int64]
    value: Vector


def through_flow(phi: ArrayLike, A: Matrix, w: ArrayLike, delta: Matrix = 1.0) -> LinkFlow:
    """Part of the exposure w'x that flows through each link.

    c_ij = u_i (1 - phi_i) delta_ij A_ij x_j

    Parameters
    ----------
    phi, A, w, delta
        As in :func:`adjoint`.

    Notes
    -----
    Long paths use several links, so the values overlap: rank them, never sum them.

    Examples
    --------
    >>> A = [[0, 0, 0], [0.5, 0, 0], [0, 0.6, 0]]
    >>> flow = through_flow([1, 0, 0], A, [0, 0, 1])
    >>> flow.customer.tolist(), flow.supplier.tolist(), flow.value.round(12).tolist()
    ([1, 2], [0, 1], [0.3, 0.3])
    """
    walk = sparse.coo_array(_walk_matrix(A, delta, None))
    tags = vector(phi, "phi")
    u = adjoint(tags, A, w, delta)
    x = first_hit(tags, A, delta)
    value = u[walk.row] * (1.0 - tags[walk.row]) * walk.data * x[walk.col]
    return LinkFlow(walk.row.astype(np.int64), walk.col.astype(np.int64), value)


def research_priority(
    phi: ArrayLike, a_mid: Matrix, a_lo: Matrix, a_hi: Matrix, w: ArrayLike, delta: float = 1.0
) -> LinkFlow:
    """How much the width of each link's interval matters for w'x: which fact to look up next.

    p_ij = u_i (1 - phi_i) delta x_j (a_hi_ij - a_lo_ij)

    Parameters
    ----------
    phi, a_mid, w, delta
        As in :func:`adjoint`, at the best points.
    a_lo, a_hi
        Ends of the intervals, of shape (n, n).

    Examples
    --------
    >>> mid, lo, hi = [[0, 0], [0.5, 0]], [[0, 0], [0.4, 0]], [[0, 0], [0.7, 0]]
    >>> research_priority([1, 0], mid, lo, hi, [0, 1]).value.round(12).tolist()
    [0.3]
    """
    tags = vector(phi, "phi")
    u = adjoint(tags, a_mid, w, delta)
    x = first_hit(tags, a_mid, delta)
    width = sparse.coo_array(csr(a_hi) - csr(a_lo))
    value = u[width.row] * (1.0 - tags[width.row]) * delta * x[width.col] * width.data
    return LinkFlow(width.row.astype(np.int64), width.col.astype(np.int64), value)


def upstream_load(
    A: Matrix,
    holdings: Sequence[int] | NDArray[np.int64],
    suppliers: Sequence[int] | NDArray[np.int64],
    delta: Matrix = 1.0,
    *,
    names: Sequence[str] | None = None,
) -> Vector:
    """First-hit share of each upstream node in each holding, of shape (n_holdings, n_suppliers).

    G[i,j] = x_i when node j alone is the factor = N_ij / N_jj,    N = (I - delta * A)^-1

    Parameters
    ----------
    A, delta, names
        As in :func:`first_hit`.
    holdings, suppliers
        Node numbers of the rows and columns wanted.

    Notes
    -----
    Columns are not disjoint (a chip passes its designer and its foundry), so rows may add to more
    than 1: use G for caps and concentration, not as a decomposition of cost.

    Examples
    --------
    >>> A = [[0, 0, 0], [0.5, 0, 0], [0, 0.6, 0]]
    >>> upstream_load(A, [1, 2], [0, 1]).round(12).tolist()
    [[0.5, 1.0], [0.3, 0.6]]
    """
    walk = _walk_matrix(A, delta, names)
    rows, columns = np.asarray(holdings, dtype=np.int64), np.asarray(suppliers, dtype=np.int64)
    n = walk.shape[0]
    leaks = 1.0 - _row_sums(walk)
    if n <= DENSE_LIMIT and leaks.min(initial=1.0) > 1e-6:
        units = np.zeros((n, columns.size))
        units[columns, np.arange(columns.size)] = 1.0
        visits = dense_solve(np.eye(n) - walk.toarray(), units)
        return np.clip(visits[rows] / visits[columns, np.arange(columns.size)], 0.0, 1.0)
    load = np.empty((rows.size, columns.size))
    for at, node in enumerate(columns):
        tag = np.zeros(n)
        tag[node] = 1.0
        load[:, at] = _absorb(tag, walk)[rows]
    return load


# --- checks and solvers --------------------------------------------------------------------------


def _absorb(phi: Vector, walk: Csr) -> Vector:
    return _least_solution(phi, csr(sparse.diags_array(1.0 - phi) @ walk))


def _least_solution(constant: Vector, walk: Csr) -> Vector:
    """Solve x = constant + walk x for its least solution in [0, 1].

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
        ends = 1.0 - _row_sums(inner)
        # Rows that end nowhere but in the walk itself leave I - walk close to singular.
        exact = at.size <= DENSE_LIMIT and ends.min() < NEARLY_CLOSED
        x[at] = _eliminate(outer, inner.toarray()) if exact else _solve(inner, outer)
    return np.clip(
        x, 0.0, 1.0
    )  # only rounding: the maximum principle keeps the exact answer inside


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


def _solve(M: Csr, b: Vector) -> Vector:
    n = b.size
    if n <= DENSE_LIMIT:
        return dense_solve(np.eye(n) - M.toarray(), b)
    if n > ITERATE_ABOVE:
        x = b.copy()
        for _ in range(2_000):
            following = b + M @ x
            change = float(np.abs(following - x).max())
            x = following
            if change <= ITERATION_TOLERANCE:
                return np.asarray(x, dtype=np.float64)
    system = sparse.csc_array(sparse.eye_array(n, format="csc") - M)
    try:
        return np.asarray(sparse_linalg.splu(system).solve(b), dtype=np.float64)
    except RuntimeError as error:
        raise ContentError("a closed circle of suppliers has no cost outside itself") from error


def _walk_matrix(A: Matrix, delta: Matrix, names: Sequence[str] | None, what: str = "A") -> Csr:
    shares = csr(A)
    n = shares.shape[0]
    if shares.shape != (n, n):
        raise ValueError(f"{what} must be square, got shape {shares.shape}")
    if names is not None and len(names) != n:
        raise ValueError(f"names must have {n} entries to match {what}, got {len(names)}")
    _check_links(shares, what, names)
    sums = _row_sums(shares)
    over = int(np.argmax(sums)) if n else 0
    if n and sums[over] > 1 + ROW_SUM_SLACK:
        raise ContentError(
            f"the suppliers of {_name(over, names)} take {sums[over]:.6g} of its total cost, "
            "more than 1",
            cure="state shares of total cost (labour, capital and tax included), and reconcile a "
            "disclosed figure with the links that describe the same flow",
        )
    if sparse.issparse(delta) or np.ndim(delta) == 2:
        factor = csr(delta)
        _check_unit(factor.data, "delta", None)
        same_length(n, factor.shape[0], what, "delta")
        return csr(shares.multiply(factor))
    scalar = float(np.asarray(delta))
    _check_unit(np.array([scalar]), "delta", None)
    return shares if scalar == 1.0 else csr(shares * scalar)


def _check_links(shares: Csr, what: str, names: Sequence[str] | None) -> None:
    bad = ~((shares.data >= 0) & (shares.data <= 1 + ROW_SUM_SLACK))
    if bad.any():
        entry = sparse.coo_array(shares)
        at = int(np.argmax(bad))
        link = f"{_name(int(entry.row[at]), names)} ← {_name(int(entry.col[at]), names)}"
        raise ContentError(
            f"the cost share of link {link} is {entry.data[at]:g} in {what}; it must lie in [0, 1]"
        )


def _row_sums(matrix: Csr) -> Vector:
    return np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()


def _check_unit(values: Vector, what: str, names: Sequence[str] | None) -> None:
    bad = ~((values >= 0) & (values <= 1))  # also true for a missing value (NaN)
    if bad.any():
        at = np.unravel_index(int(np.argmax(bad)), values.shape)
        raise ContentError(
            f"{what} of {_name(int(at[0]), names)} is {values[at]:g}; it must lie in [0, 1]"
        )


def _name(node: int, names: Sequence[str] | None) -> str:
    return f"node {node}" if names is None else names[node]
