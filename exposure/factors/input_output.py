"""The classic models of flows between sectors: Leontief, Ghosh, prices, inoperability, influence, DebtRank.

Symbols
    n           number of sectors
    Z[i,j]      flow from sector i to sector j (money)
    x           output of a sector (money)
    A[i,j]      input i per unit of output j: columns are recipes
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg
from scipy.sparse import csgraph
from scipy.sparse import linalg as sparse_linalg

from exposure.errors import ContentError
from exposure.factors.matrices import (
    DENSE_LIMIT,
    Matrix,
    Vector,
    csr,
    dense_solve,
    same_length,
    square,
    vector,
)


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
    return _per_output(Z, x, axis=0)


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
    return _per_output(Z, x, axis=1)


def _per_output(Z: ArrayLike, x: ArrayLike, axis: int) -> Vector:
    """Divide flows by the output of their column (0) or row (1); zero where a sector has none."""
    flows, output = square(Z), np.expand_dims(vector(x, "x"), axis)
    same_length(flows.shape[0], output.size, "Z", "x")
    return np.divide(flows, output, out=np.zeros_like(flows), where=output != 0)


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
    coefficients = square(A)
    identity = np.eye(coefficients.shape[0])
    return dense_solve(identity - coefficients, identity)


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
    coefficients = square(A)
    demand = np.asarray(f, dtype=np.float64)
    return dense_solve(np.eye(coefficients.shape[0]) - coefficients, demand)


def output_by_round(A: ArrayLike, f: ArrayLike, rounds: int) -> Vector:
    """Output after each round of suppliers, of shape (rounds, n).

    x_n = f + A f + ... + A^n f        n = 0, 1, ..., rounds - 1

    Examples
    --------
    >>> output_by_round([[0.15, 0.25], [0.2, 0.05]], [600, 1500], 3)[:, 0].tolist()
    [600.0, 1065.0, 1183.5]
    """
    coefficients, term = square(A), vector(f, "f")
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
    coefficients = square(A)
    return dense_solve(np.eye(coefficients.shape[0]) - coefficients.T, vector(v, "v"))


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
    square = csr(A)
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
    coefficients, output = square(A), vector(x, "x")
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
    shares = square(W)
    if not 0 < alpha <= 1:
        raise ContentError(f"alpha must lie in (0, 1], got {alpha:g}")
    n = shares.shape[0]
    return dense_solve(np.eye(n) - (1 - alpha) * shares.T, np.full(n, alpha / n))


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
    impact, level = square(W), vector(h0, "h0")
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
    impact, level = square(W), vector(h0, "h0")
    done = np.zeros(level.size, dtype=bool)
    active = level > 0
    while active.any():
        received = impact[active].T @ level[active]
        done |= active
        before = level
        level = np.minimum(1.0, level + received)
        active = (level > before) & ~done
    return level
