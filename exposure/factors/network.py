"""How much of an issuer traces to a factor through its suppliers, with guaranteed bounds.

Pure numpy and scipy: no frames, no files. Small systems are solved directly, large ones by a
fixed-point iteration with a stated error; a matrix may be dense or scipy sparse.

Symbols
    n           number of nodes Z[i,j]      flow from sector i to sector j (money) x
    output of a sector (money); in the first-hit functions the share that hits the factor A[i,j]
    input-output functions: input i per unit of output j (columns are recipes) A[i,j]      first-hit
    functions: share of node i's TOTAL cost bought from j (rows are recipes) phi[i]      part of
    node i's own product that is the factor, in [0, 1] (a capability node has 1) delta
    attenuation of a link, in [0, 1], a number or one per link M           diag(1 - phi) (delta *
    A), the walk that hasn't hit the factor yet w           weights or any vector one wants to trace
    upstream
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg, sparse
from scipy.sparse import csgraph
from scipy.sparse import linalg as sparse_linalg

from exposure.errors import ContentError

Vector: TypeAlias = NDArray[np.float64]
Matrix: TypeAlias = Any  # ArrayLike or a scipy sparse array: scipy has no one name for it
Csr: TypeAlias = Any  # scipy.sparse.csr_array of floats; arithmetic loses its type parameters

DENSE_LIMIT = 400  # up to here a dense LU beats everything else
ITERATE_ABOVE = 5_000  # above, a sparse LU may fill in; the iteration converges geometrically
ROW_SUM_SLACK = 1e-9  # rounding of printed shares; more than this above 1 is refused
SOLVE_TOLERANCE = 1e-13
ITERATION_TOLERANCE = 1e-16  # of one step; the error left is up to c/(1-c) times as large
NEARLY_CLOSED = 1e-6  # a row sum closer to 1 asks for the elimination that subtracts nothing
MAX_POLICY_ROUNDS = 500
TIERS = ("0", "1", "2", "3+")


# --- input-output algebra ------------------------------------------------------------------------


def technical_coefficients(Z: ArrayLike, x: ArrayLike) -> Vector:
    """Return the inputs per unit of output.

    A[i,j] = Z[i,j] / x[j]        (zero where a sector has no output)

    Parameters
    ----------
    Z
        Flows of shape (n, n), money, from row to column.
    x
        Outputs of shape (n,), money.

    Source
    ------
    Miller & Blair (2009), section 2.2.

    Examples
    --------
    >>> technical_coefficients([[150, 500], [200, 100]], [1000, 2000]).tolist()
    [[0.15, 0.25], [0.2, 0.05]]
    """
    flows, output = _square(Z), _vector(x, "x")
    _same_length(flows.shape[0], output.size, "Z", "x")
    return np.divide(flows, output[None, :], out=np.zeros_like(flows), where=output[None, :] != 0)


def allocation_coefficients(Z: ArrayLike, x: ArrayLike) -> Vector:
    """Share of each sector's output that goes to each customer (Ghosh).

    B[i,j] = Z[i,j] / x[i]

    Parameters
    ----------
    Z
        Flows of shape (n, n), money, from row to column.
    x
        Outputs of shape (n,), money.

    Source
    ------
    Miller & Blair (2009), section 12.1.

    Examples
    --------
    >>> allocation_coefficients([[150, 500], [200, 100]], [1000, 2000]).tolist()
    [[0.15, 0.5], [0.1, 0.05]]
    """
    flows, output = _square(Z), _vector(x, "x")
    _same_length(flows.shape[0], output.size, "Z", "x")
    return np.divide(flows, output[:, None], out=np.zeros_like(flows), where=output[:, None] != 0)


def leontief_inverse(A: ArrayLike) -> Vector:
    """Total requirements of shape (n, n).

    L = (I - A)^-1

    Raises
    ------
    ContentError
        If no economy with these coefficients can produce a surplus (I - A is singular).

    Source
    ------
    Miller & Blair (2009), section 2.2.

    Examples
    --------
    >>> leontief_inverse([[0.0, 0.5], [0.0, 0.0]]).tolist()
    [[1.0, 0.5], [0.0, 1.0]]
    """
    coefficients = _square(A)
    identity = np.eye(coefficients.shape[0])
    return _dense_solve(identity - coefficients, identity)


def leontief_output(A: ArrayLike, f: ArrayLike) -> Vector:
    """Output needed for a final demand.

    x = (I - A)^-1 f

    Parameters
    ----------
    A
        Technical coefficients of shape (n, n).
    f
        Final demand of shape (n,) or (n, k), money.

    Source
    ------
    Miller & Blair (2009), section 2.2 (x = 1247.5, 1841.6 for f = 600, 1500).

    Examples
    --------
    >>> leontief_output([[0.15, 0.25], [0.2, 0.05]], [600, 1500]).round(4).tolist()
    [1247.5248, 1841.5842]
    """
    coefficients = _square(A)
    demand = np.asarray(f, dtype=np.float64)
    return _dense_solve(np.eye(coefficients.shape[0]) - coefficients, demand)


def output_by_round(A: ArrayLike, f: ArrayLike, rounds: int) -> Vector:
    """Output after each round of suppliers, of shape (rounds, n).

    x_n = f + A f + ... + A^n f        n = 0, 1, ..., rounds - 1

    Examples
    --------
    >>> output_by_round([[0.15, 0.25], [0.2, 0.05]], [600, 1500], 3)[:, 0].tolist()
    [600.0, 1065.0, 1183.5]
    """
    coefficients, term = _square(A), _vector(f, "f")
    total = term.copy()
    path = [total]
    for _ in range(1, rounds):
        term = coefficients @ term
        total = total + term
        path.append(total)
    return np.array(path)


def price_levels(A: ArrayLike, v: ArrayLike) -> Vector:
    """Prices that cover value added and inputs; a change of ``v`` is a cost push.

    p = (I - A')^-1 v

    Parameters
    ----------
    A
        Technical coefficients of shape (n, n).
    v
        Value added per unit of output, of shape (n,).

    Source
    ------
    Miller & Blair (2009), section 2.6.

    Examples
    --------
    >>> price_levels([[0.15, 0.25], [0.2, 0.05]], [0.65, 0.7]).round(12).tolist()
    [1.0, 1.0]
    """
    coefficients = _square(A)
    return _dense_solve(np.eye(coefficients.shape[0]) - coefficients.T, _vector(v, "v"))


def spectral_radius(A: Matrix) -> float:
    """Largest absolute eigenvalue: how fast rounds of a walk die out.

    Parameters
    ----------
    A
        Square matrix, dense or sparse.

    Examples
    --------
    >>> round(spectral_radius([[0.0, 0.5], [0.5, 0.0]]), 12)
    0.5
    """
    square = _csr(A)
    # Circle by circle: eigenvalues of a chain without circles are 0, which rounding would blur.
    circles, member = csgraph.connected_components(square != 0, connection="strong")
    if circles == 1 and square.shape[0] > DENSE_LIMIT:
        values = sparse_linalg.eigs(
            square, k=1, which="LM", v0=np.ones(square.shape[0]), return_eigenvectors=False
        )
        return float(np.abs(values).max())
    sizes = np.bincount(member, minlength=circles)
    radius = float(np.abs(square.diagonal()[sizes[member] == 1]).max(initial=0.0))
    for circle in np.flatnonzero(sizes > 1):
        at = np.flatnonzero(member == circle)
        part = square[at][:, at]
        if circles > 1 and at.size > DENSE_LIMIT:
            radius = max(radius, spectral_radius(part))
        else:
            radius = max(radius, float(np.abs(linalg.eigvals(part.toarray())).max()))
    return radius


def inoperability_coefficients(A: ArrayLike, x: ArrayLike) -> Vector:
    """Interdependence in relative terms.

    A* = diag(x)^-1 A diag(x)

    Source
    ------
    Haimes & Jiang (2001); equal to the allocation coefficients when A = Z/x.

    Examples
    --------
    >>> inoperability_coefficients([[0.15, 0.25], [0.2, 0.05]], [1000, 2000]).tolist()
    [[0.15, 0.5], [0.1, 0.05]]
    """
    coefficients, output = _square(A), _vector(x, "x")
    if np.any(output <= 0):
        raise ContentError(
            f"sector {int(np.argmax(output <= 0))} has no output, so no inoperability"
        )
    return coefficients * output[None, :] / output[:, None]


def inoperability(A_star: ArrayLike, c_star: ArrayLike) -> Vector:
    """Part of each sector's planned output that is lost.

    q = (I - A*)^-1 c*

    Parameters
    ----------
    A_star
        Interdependence of shape (n, n), see :func:`inoperability_coefficients`.
    c_star
        Lost final demand / output, of shape (n,); negative where demand rises.

    Examples
    --------
    >>> inoperability([[0.15, 0.5], [0.1, 0.05]], [-0.25, 0.1]).round(6).tolist()
    [-0.247525, 0.079208]
    """
    return leontief_output(A_star, c_star)


def influence_vector(W: ArrayLike, alpha: float) -> Vector:
    """Weight of each sector's shock in the aggregate; its 2-norm scales aggregate volatility.

    v = (alpha / n) (I - (1 - alpha) W')^-1 1

    Parameters
    ----------
    W
        W[i,j] = share of j in i's intermediate inputs, of shape (n, n), rows sum to 1.
    alpha
        Labour share, in (0, 1].

    Raises
    ------
    ContentError
        If alpha is outside (0, 1].

    Source
    ------
    Acemoglu, Carvalho, Ozdaglar, Tahbaz-Salehi (2012), equation 4.

    Examples
    --------
    A star: everybody buys from the first sector, v_1 = 1 - alpha + alpha/n.

    >>> influence_vector([[1.0, 0.0], [1.0, 0.0]], 0.4).round(12).tolist()
    [0.8, 0.2]
    """
    shares = _square(W)
    if not 0 < alpha <= 1:
        raise ContentError(f"alpha must lie in (0, 1], got {alpha:g}")
    n = shares.shape[0]
    return _dense_solve(np.eye(n) - (1 - alpha) * shares.T, np.full(n, alpha / n))


def debtrank_linear(W: ArrayLike, h0: ArrayLike, *, max_rounds: int = 100_000) -> Vector:
    """Distress passed on in full each round, capped at 1 (Bardoscia et al. 2015).

    h(t+1) = min(1, h(t) + W' (h(t) - h(t-1)))        below the cap: h0 (I - W)^-1

    Parameters
    ----------
    W
        W[i,j] = impact of i on j, of shape (n, n).
    h0
        First distress of shape (n,), in [0, 1].

    Source
    ------
    Bardoscia, Battiston, Caccioli, Caldarelli (2015).

    Examples
    --------
    >>> debtrank_linear([[0, 0.5], [0, 0]], [0.2, 0]).tolist()
    [0.2, 0.1]
    """
    impact, level = _square(W), _vector(h0, "h0")
    change = level
    for _ in range(max_rounds):
        following = np.minimum(1.0, level + impact.T @ change)
        change = following - level
        level = following
        if np.abs(change).max(initial=0.0) <= 1e-15:
            return level
    raise ContentError(f"distress still grows after {max_rounds} rounds")


def debtrank_once(W: ArrayLike, h0: ArrayLike) -> Vector:
    """Distress where each node passes its level on once; what returns still adds to it.

    Parameters
    ----------
    W
        W[i,j] = impact of i on j, of shape (n, n).
    h0
        First distress of shape (n,), in [0, 1].

    Notes
    -----
    Under-counts cycles; kept as a comparison for :func:`first_hit`.

    Source
    ------
    Battiston, Puliga, Kaushik, Tasca, Caldarelli (2012).

    Examples
    --------
    >>> debtrank_once([[0, 0.5], [0, 0]], [0.2, 0]).tolist()
    [0.2, 0.1]
    """
    impact, level = _square(W), _vector(h0, "h0")
    done = np.zeros(level.size, dtype=bool)
    active = level > 0
    while active.any():
        received = impact[active].T @ level[active]
        done |= active
        before = level
        level = np.minimum(1.0, level + received)
        active = (level > before) & ~done
    return level


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
    _same_length(walk.shape[0], tags.shape[0], "A", "phi")
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
    tags = _vector(phi, "phi")
    _check_unit(tags, "phi", names)
    _same_length(walk.shape[0], tags.size, "A", "phi")
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
    tags = _vector(phi, "phi")
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
    tags = _vector(phi, "phi")
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
    low, high = _vector(phi_lo, "phi_lo"), _vector(phi_hi, "phi_hi")
    _check_unit(low, "phi_lo", names)
    _check_unit(high, "phi_hi", names)
    if np.any(low > high):
        raise ContentError(f"phi of {_name(int(np.argmax(low > high)), names)} has lo above hi")
    floor = _walk_matrix(a_lo, 1.0, names, what="a_lo")
    ceiling = _csr(a_hi)
    _check_links(ceiling, "a_hi", names)
    n = floor.shape[0]
    for size, what in ((low.size, "phi_lo"), (high.size, "phi_hi"), (ceiling.shape[0], "a_hi")):
        _same_length(n, size, "a_lo", what)
    _check_unit(np.array([delta]), "delta", None)
    rest = np.broadcast_to(np.asarray(unknown_rest, dtype=np.float64), (n,))
    _check_unit(rest, "unknown_rest", names)

    lo = _absorb(low, _csr(floor * delta))
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
        return phi + outside * left * rest, _csr(sparse.diags_array(outside * delta) @ chosen)

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
    tags = _vector(phi, "phi")
    _check_unit(tags, "phi", None)
    _same_length(walk.shape[0], tags.size, "A", "phi")
    weights = _vector(w, "w")
    _same_length(tags.size, weights.size, "phi", "w")
    transposed = _csr((sparse.diags_array(1.0 - tags) @ walk).T)
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
    tags = _vector(phi, "phi")
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
    tags = _vector(phi, "phi")
    u = adjoint(tags, a_mid, w, delta)
    x = first_hit(tags, a_mid, delta)
    width = sparse.coo_array(_csr(a_hi) - _csr(a_lo))
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
        visits = _dense_solve(np.eye(n) - walk.toarray(), units)
        return np.clip(visits[rows] / visits[columns, np.arange(columns.size)], 0.0, 1.0)
    load = np.empty((rows.size, columns.size))
    for at, node in enumerate(columns):
        tag = np.zeros(n)
        tag[node] = 1.0
        load[:, at] = _absorb(tag, walk)[rows]
    return load


# --- checks and solvers --------------------------------------------------------------------------


def _absorb(phi: Vector, walk: Csr) -> Vector:
    return _least_solution(phi, _csr(sparse.diags_array(1.0 - phi) @ walk))


def _least_solution(constant: Vector, walk: Csr) -> Vector:
    """Solve x = constant + walk x for its least solution in [0, 1].

    Nodes that can't reach a positive constant have x = 0 exactly; on the others the system is
    regular even where closed circles of suppliers make I - walk singular.
    """
    reach = constant > 0
    incoming = _csr(walk.T != 0)
    frontier = reach
    while frontier.any():
        frontier = (np.asarray(frontier.astype(np.float64) @ incoming).ravel() > 0) & ~reach
        reach = reach | frontier
    x = np.zeros(constant.size)
    at = np.flatnonzero(reach)
    if at.size:
        inner, outer = (walk, constant) if reach.all() else (_csr(walk[at][:, at]), constant[at])
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
        return _dense_solve(np.eye(n) - M.toarray(), b)
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


def _dense_solve(system: Vector, b: Vector) -> Vector:
    try:
        return np.asarray(np.linalg.solve(system, b), dtype=np.float64)
    except np.linalg.LinAlgError as error:
        raise ContentError("a closed circle of suppliers has no cost outside itself") from error


def _walk_matrix(A: Matrix, delta: Matrix, names: Sequence[str] | None, what: str = "A") -> Csr:
    shares = _csr(A)
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
        factor = _csr(delta)
        _check_unit(factor.data, "delta", None)
        _same_length(n, factor.shape[0], what, "delta")
        return _csr(shares.multiply(factor))
    scalar = float(np.asarray(delta))
    _check_unit(np.array([scalar]), "delta", None)
    return shares if scalar == 1.0 else _csr(shares * scalar)


def _check_links(shares: Csr, what: str, names: Sequence[str] | None) -> None:
    bad = ~((shares.data >= 0) & (shares.data <= 1 + ROW_SUM_SLACK))
    if bad.any():
        entry = sparse.coo_array(shares)
        at = int(np.argmax(bad))
        link = f"{_name(int(entry.row[at]), names)} ← {_name(int(entry.col[at]), names)}"
        raise ContentError(
            f"the cost share of link {link} is {entry.data[at]:g} in {what}; it must lie in [0, 1]"
        )


def _csr(matrix: Matrix) -> Csr:
    if not sparse.issparse(matrix):
        dense = np.asarray(matrix, dtype=np.float64)
        if dense.ndim != 2:
            raise ValueError(f"a matrix must have two dimensions, got {dense.ndim}")
        return sparse.csr_array(dense)
    anything: Any = matrix  # the check above narrows the type to one that has no members
    return sparse.csr_array(anything, dtype=np.float64)


def _row_sums(matrix: Csr) -> Vector:
    return np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()


def _square(matrix: ArrayLike) -> Vector:
    dense = np.asarray(matrix, dtype=np.float64)
    if dense.ndim != 2 or dense.shape[0] != dense.shape[1]:
        raise ValueError(f"a square matrix is needed, got shape {dense.shape}")
    return dense


def _vector(values: ArrayLike, what: str) -> Vector:
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1:
        raise ValueError(f"{what} must have one dimension, got {vector.ndim}")
    return vector


def _check_unit(values: Vector, what: str, names: Sequence[str] | None) -> None:
    bad = ~((values >= 0) & (values <= 1))  # also true for a missing value (NaN)
    if bad.any():
        at = np.unravel_index(int(np.argmax(bad)), values.shape)
        raise ContentError(
            f"{what} of {_name(int(at[0]), names)} is {values[at]:g}; it must lie in [0, 1]"
        )


def _same_length(left: int, right: int, left_name: str, right_name: str) -> None:
    if left != right:
        raise ValueError(f"{left_name} has {left} nodes but {right_name} has {right}")


def _name(node: int, names: Sequence[str] | None) -> str:
    return f"node {node}" if names is None else names[node]
