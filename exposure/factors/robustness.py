"""How much a ranking depends on the weights of its parts.

Symbols
    X       sub-scores, X[i,k] of name i in part k, of shape (n, parts)
    w       weights of the parts, not negative
    d       X[i] - X[j], what name i has over name j in each part
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from exposure.errors import ContentError

Vector = NDArray[np.float64]


def weighted_scores(x: ArrayLike, weights: ArrayLike) -> Vector:
    """Score of each name, of shape (n,).

    score = X w

    Parameters
    ----------
    x
        Sub-scores of shape (n, parts).
    weights
        Of shape (parts,).

    Raises
    ------
    ContentError
        If a sub-score or weight is missing.

    Examples
    --------
    >>> weighted_scores([[1.0, 0.0], [0.5, 1.0]], [0.5, 0.5]).tolist()
    [0.5, 0.75]
    """
    table, w = _table(x), np.asarray(weights, dtype=np.float64)
    if w.shape != table.shape[1:]:
        raise ValueError(f"weights must have shape {table.shape[1:]}, got {w.shape}")
    if not np.all(np.isfinite(w)):
        raise ContentError("a weight is missing")
    return np.asarray(table @ w, dtype=np.float64)


def order(scores: ArrayLike) -> list[int]:
    """Numbers of the names from the highest score to the lowest; ties keep their order.

    Examples
    --------
    >>> order([0.2, 0.9, 0.2])
    [1, 0, 2]
    """
    return [int(i) for i in np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")]


def dominance_pairs(x: ArrayLike) -> list[tuple[int, int]]:
    """Pairs (i, j) where i ranks above j whatever the weights.

    X[i] ≥ X[j] in every part and > in one

    Parameters
    ----------
    x
        Sub-scores of shape (n, parts).

    Raises
    ------
    ContentError
        If a sub-score is missing.

    Examples
    --------
    >>> dominance_pairs([[0.8, 0.6], [0.5, 0.6], [0.1, 0.9]])
    [(0, 1)]
    """
    table = _table(x)
    d = table[:, None, :] - table[None, :, :]
    above = np.all(d >= 0, axis=2) & np.any(d > 0, axis=2)
    return [(int(i), int(j)) for i, j in np.argwhere(above)]


def dominance_ratio(x: ArrayLike) -> float:
    """Part of all pairs whose order no weights can change.

    dominance pairs / (n (n - 1) / 2)

    Parameters
    ----------
    x
        Sub-scores of shape (n, parts), n at least 2.

    Raises
    ------
    ContentError
        If a sub-score is missing or there is no pair.

    Examples
    --------
    >>> round(dominance_ratio([[0.8, 0.6], [0.5, 0.6], [0.1, 0.9]]), 6)
    0.333333
    """
    table = _table(x)
    pairs = math.comb(table.shape[0], 2)
    if pairs == 0:
        raise ContentError("one name alone has no rank to be robust")
    return len(dominance_pairs(table)) / pairs


def rank_probabilities(x: ArrayLike) -> Vector:
    """P(score_i > score_j) when the weights are drawn evenly from the simplex, of shape (n, n).

    P(p, q) = (a P(p, q-1) + b P(p-1, q)) / (a + b),  P(p, 0) = 1,  P(0, q) = 0
    a the p-th positive part of d, -b the q-th negative one

    Parameters
    ----------
    x
        Sub-scores of shape (n, parts).

    Returns
    -------
    numpy.ndarray
        Ties of equal rows count as not above; the diagonal is 0.

    Raises
    ------
    ContentError
        If a sub-score is missing.

    Notes
    -----
    Exact for any number of parts, without cancellation, equal differences included.

    Source
    ------
    Varsi (1973), The multidimensional content of the frustum of the simplex, Pacific J. Math. 46.

    Examples
    --------
    Two parts: i wins while the first weighs more than a quarter.

    >>> rank_probabilities([[0.5, 0.1], [0.2, 0.2]])[0, 1].round(12).item()
    0.75
    """
    table = _table(x)
    n = table.shape[0]
    result = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            if i != j:
                result[i, j] = _probability_positive(table[i] - table[j])
    return result


def _probability_positive(d: Vector) -> float:
    """P(d'w > 0) for w uniform on the simplex.

    The edge from a vertex with d = a to one with d = -b meets d'w = 0 in the point (b, a) / (a + b).
    The plane through it and the other vertices splits the simplex: a part a / (a + b) of the volume
    has the zero point in place of the negative vertex, the rest in place of the positive one.
    """
    up, down = d[d > 0], -d[d < 0]
    if not up.size:
        return 0.0
    reach = np.ones(up.size + 1)
    reach[0] = 0.0
    for q in range(1, down.size + 1):
        following = np.zeros(up.size + 1)
        for p in range(1, up.size + 1):
            a, b = up[p - 1], down[q - 1]
            following[p] = (a * reach[p] + b * following[p - 1]) / (a + b)
        reach = following
    return float(reach[-1])


def kendall_tau(left: ArrayLike, right: ArrayLike) -> float:
    """Agreement of two orders, tau-a: ties count as neither.

    (concordant - discordant pairs) / all pairs

    Parameters
    ----------
    left, right
        Scores of shape (n,).

    Raises
    ------
    ContentError
        If a score is missing or there is no pair.

    Examples
    --------
    >>> round(kendall_tau([1, 2, 3], [1, 3, 2]), 6)
    0.333333
    """
    a, b = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"scores {a.shape} and {b.shape} must match")
    if a.size < 2 or not np.all(np.isfinite(a) & np.isfinite(b)):
        raise ContentError("an order needs two names and no missing score")
    i, j = np.triu_indices(a.size, 1)
    return float(np.mean(np.sign(a[i] - a[j]) * np.sign(b[i] - b[j])))


def tau_against_equal_weights(x: ArrayLike, weights: ArrayLike) -> float:
    """Agreement of the order with the one that equal weights give.

    tau-a(X w, X 1/m)

    Parameters
    ----------
    x
        Sub-scores of shape (n, parts).
    weights
        Of shape (parts,).

    Raises
    ------
    ContentError
        If a number is missing or there is no pair.

    Examples
    --------
    >>> tau_against_equal_weights([[1.0, 0.0], [0.0, 0.5]], [0.2, 0.8])
    -1.0
    """
    table = _table(x)
    equal = np.full(table.shape[1], 1.0 / table.shape[1])
    return kendall_tau(weighted_scores(table, weights), weighted_scores(table, equal))


def critical_reversal(x: ArrayLike, weights: ArrayLike, i: int, j: int) -> tuple[float, float]:
    """Gap between two names, and the smallest transfer of weight that ties them.

    gap = w'd,  transfer = |gap| / (max d - min d)

    Parameters
    ----------
    x
        Sub-scores of shape (n, parts).
    weights
        Of shape (parts,).
    i, j
        Numbers of the names.

    Returns
    -------
    tuple of float
        Gap, and the weight to be moved from one part to another; infinite where no transfer changes
        the gap.

    Raises
    ------
    ContentError
        If a number is missing.

    Notes
    -----
    The transfer may need more than a part has; then no non-negative weights tie the pair that way.

    Examples
    --------
    >>> gap, transfer = critical_reversal([[0.5, 0.0], [0.0, 0.25]], [0.5, 0.5], 0, 1)
    >>> gap, round(transfer, 6)
    (0.125, 0.166667)
    """
    table = _table(x)
    d = table[i] - table[j]
    gap = float(weighted_scores(d[None, :], weights)[0])
    spread = float(d.max() - d.min())
    if spread == 0:
        return gap, 0.0 if gap == 0 else math.inf
    return gap, abs(gap) / spread


def _table(x: ArrayLike) -> Vector:
    table = np.asarray(x, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] == 0:
        raise ValueError(f"sub-scores must have shape (names, parts), got {table.shape}")
    if not np.all(np.isfinite(table)):
        raise ContentError("a sub-score is missing; missing is never zero")
    return table
