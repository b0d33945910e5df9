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

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from exposure.factors.absorption import absorb, check_unit, row_sums, solve, walk_matrix
from exposure.factors.input_output import spectral_radius
from exposure.factors.matrices import (
    DENSE_LIMIT,
    Matrix,
    Vector,
    csr,
    dense_solve,
    same_length,
    vector,
)

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
    walk = walk_matrix(A, delta, names)
    tags = np.asarray(phi, dtype=np.float64)
    check_unit(tags, "phi", names)
    same_length(walk.shape[0], tags.shape[0], "A", "phi")
    return absorb(tags, 1.0 - tags, walk)


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
    walk = walk_matrix(A, delta, names)
    tags = vector(phi, "phi")
    check_unit(tags, "phi", names)
    same_length(walk.shape[0], tags.size, "A", "phi")
    outside = 1.0 - tags
    first = outside * (walk @ tags)
    second = outside * (walk @ first)
    x = absorb(tags, outside, walk)
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
    walk = walk_matrix(A, delta, names)
    tags = vector(phi, "phi")
    check_unit(tags, "phi", names)
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
    walk = walk_matrix(A, delta, None)
    tags = vector(phi, "phi")
    return spectral_radius(sparse.csr_array(sparse.diags_array(1.0 - tags) @ walk))


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
    walk = walk_matrix(A, delta, None)
    tags = vector(phi, "phi")
    check_unit(tags, "phi", None)
    same_length(walk.shape[0], tags.size, "A", "phi")
    weights = vector(w, "w")
    same_length(tags.size, weights.size, "phi", "w")
    transposed = csr((sparse.diags_array(1.0 - tags) @ walk).T)
    return solve(transposed, weights)


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
    walk = sparse.coo_array(walk_matrix(A, delta, None))
    tags = vector(phi, "phi")
    u = adjoint(tags, A, w, delta)
    x = first_hit(tags, A, delta)
    value = u[walk.row] * (1.0 - tags[walk.row]) * walk.data * x[walk.col]
    return LinkFlow(walk.row.astype(np.int64), walk.col.astype(np.int64), value)


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
    walk = walk_matrix(A, delta, names)
    rows, columns = np.asarray(holdings, dtype=np.int64), np.asarray(suppliers, dtype=np.int64)
    n = walk.shape[0]
    leaks = 1.0 - row_sums(walk)
    if n <= DENSE_LIMIT and leaks.min(initial=1.0) > 1e-6:
        units = np.zeros((n, columns.size))
        units[columns, np.arange(columns.size)] = 1.0
        visits = dense_solve(np.eye(n) - walk.toarray(), units)
        return np.clip(visits[rows] / visits[columns, np.arange(columns.size)], 0.0, 1.0)
    load = np.empty((rows.size, columns.size))
    for at, node in enumerate(columns):
        tag = np.zeros(n)
        tag[node] = 1.0
        load[:, at] = absorb(tag, 1.0 - tag, walk)[rows]
    return load
