"""How far a ranking can be trusted: dominance, reversals, rank probabilities.

Symbols
    x       sub-scores, of shape (n, K), higher is more exposed
    w       weights of the sub-scores, of shape (K,), ≥ 0, sum to 1
    d       difference of two names' sub-scores, of shape (K,)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Vector = NDArray[np.float64]

ROUNDING = 1e-12
"""A transfer that overdraws a weight by no more than this needs all of it: the rest is rounding."""


@dataclass(frozen=True, slots=True)
class Reversal:
    """The smallest change of weights that ties two names.

    Parameters
    ----------
    gap
        w'(x_i - x_j).
    transfer
        Weight to move from the sub-score where i leads most to the one where it trails most;
        infinite where no transfer can change the gap.
    possible
        True where the weights hold that much to move.
    source, target
        Columns that give and take the weight.
    """

    gap: float
    transfer: float
    possible: bool
    source: int
    target: int


def rank_order(score: ArrayLike) -> NDArray[np.int64]:
    """Positions from the highest score down; equal scores keep their order.

    Examples
    --------
    >>> rank_order([0.2, 0.5, 0.2]).tolist()
    [1, 0, 2]
    """
    return np.argsort(-np.asarray(score, dtype=np.float64), kind="stable").astype(np.int64)


def dominance_pairs(sub_scores: ArrayLike) -> list[tuple[int, int]]:
    """Pairs (i, j) in which i is at least as high everywhere and higher somewhere.

    Such an order holds for *every* choice of non-negative weights.

    Examples
    --------
    >>> dominance_pairs([[0.8, 0.6], [0.5, 0.6], [0.2, 0.7]])
    [(0, 1)]
    """
    x = _matrix(sub_scores)
    found: list[tuple[int, int]] = []
    for i in range(x.shape[0]):
        above = (x[i] >= x).all(axis=1) & (x[i] > x).any(axis=1)
        found += [(i, int(j)) for j in np.flatnonzero(above)]
    return found


def dominance_ratio(sub_scores: ArrayLike) -> float:
    """Part of all pairs whose order no weights can change.

    ratio = dominance pairs / (n (n - 1) / 2)

    Examples
    --------
    >>> round(dominance_ratio([[0.8, 0.6], [0.5, 0.6], [0.2, 0.7]]), 6)
    0.333333
    """
    n = _matrix(sub_scores).shape[0]
    return 2.0 * len(dominance_pairs(sub_scores)) / (n * (n - 1)) if n > 1 else float("nan")


def probability_above(difference: ArrayLike) -> float:
    """Chance that one name outranks another when every mix of weights is equally likely.

    P(w'd > 0),  w uniform on the simplex

    Parameters
    ----------
    difference
        d = x_i - x_j of shape (K,).

    Notes
    -----
    Exact: the part of a simplex on one side of a plane, by a recursion of positive terms. Ties (d =
    0 everywhere) count as not above. A missing sub-score leaves the chance unknown: NaN.

    Source
    ------
    Varsi (1973); Ali (1973).

    Examples
    --------
    One leads by 1 on the first sub-score and trails by 2 on the second: it leads while w_1 > 2/3.

    >>> round(probability_above([1.0, -2.0]), 12)
    0.333333333333
    """
    d = np.asarray(difference, dtype=np.float64)
    if np.isnan(d).any():
        return float("nan")
    behind, ahead = d[d <= 0], d[d > 0]
    part = np.zeros(ahead.size + 1)
    part[0] = 1.0
    for trail in behind:
        for k, lead in enumerate(ahead, start=1):
            part[k] = (lead * part[k] - trail * part[k - 1]) / (lead - trail)
    return float(1.0 - part[-1])


def rank_probabilities(sub_scores: ArrayLike) -> Vector:
    """Matrix of :func:`probability_above` for all pairs, of shape (n, n), zeros on the diagonal.

    Examples
    --------
    >>> rank_probabilities([[1.0, 0.0], [0.0, 1.0]]).tolist()
    [[0.0, 0.5], [0.5, 0.0]]
    """
    x = _matrix(sub_scores)
    n = x.shape[0]
    return np.array(
        [[probability_above(x[i] - x[j]) if i != j else 0.0 for j in range(n)] for i in range(n)]
    ).reshape(n, n)


def critical_reversal(sub_scores: ArrayLike, weights: ArrayLike, i: int, j: int) -> Reversal:
    """Smallest transfer of weight (or probability) that ties names i and j.

    transfer = |w'd| / (max d - min d),    d = x_i - x_j

    Parameters
    ----------
    sub_scores
        x of shape (n, K): sub-scores, or losses of each name in K scenarios.
    weights
        w of shape (K,): weights, or probabilities.
    i, j
        The pair.

    Examples
    --------
    >>> r = critical_reversal([[0.6, 0.2], [0.5, 0.5]], [0.8, 0.2], 0, 1)
    >>> round(r.gap, 12), round(r.transfer, 12), r.source, r.target
    (0.02, 0.05, 0, 1)
    """
    x, w = _matrix(sub_scores), np.asarray(weights, dtype=np.float64)
    d = x[i] - x[j]
    gap = float(w @ d)
    spread = float(d.max() - d.min())
    source, target = int(d.argmax()), int(d.argmin())
    if gap < 0:
        source, target = target, source
    if spread == 0:
        return Reversal(gap, 0.0 if gap == 0 else float("inf"), gap == 0, source, target)
    transfer = abs(gap) / spread
    return Reversal(gap, transfer, bool(transfer <= w[source] + ROUNDING), source, target)


def kendall_tau(first: ArrayLike, second: ArrayLike) -> float:
    """Agreement of two rankings; tied pairs count as neither.

    τ-a = (concordant - discordant) / (n (n - 1) / 2)

    Examples
    --------
    >>> round(kendall_tau([1, 2, 3], [1, 3, 2]), 6)
    0.333333
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"two vectors of one length are needed, got {a.shape} and {b.shape}")
    if a.size < 2:
        return float("nan")
    upper = np.triu_indices(a.size, k=1)
    signs = np.sign(a[upper[0]] - a[upper[1]]) * np.sign(b[upper[0]] - b[upper[1]])
    return float(signs.sum() / upper[0].size)


def rank_intervals(draws: ArrayLike, coverage: float = 0.9) -> NDArray[np.int64]:
    """Best and worst rank of each name over draws of the scores, tails cut off.

    Parameters
    ----------
    draws
        Scores of shape (draws, n); the highest score has rank 1.
    coverage
        Mass kept, 0.9 for the 5-95% interval.

    Returns
    -------
    numpy.ndarray
        Of shape (n, 2): best and worst rank. Names that tie in a draw share all the ranks they fill.

    Examples
    --------
    >>> rank_intervals([[0.9, 0.1], [0.8, 0.2]]).tolist()
    [[1, 1], [2, 2]]
    >>> rank_intervals([[0.9, 0.0, 0.0]]).tolist()
    [[1, 1], [2, 3], [2, 3]]
    """
    scores = _matrix(draws)
    if scores.shape[1] == 0:
        return np.empty((0, 2), dtype=np.int64)
    best = stats.rankdata(-scores, method="min", axis=1)
    worst = stats.rankdata(-scores, method="max", axis=1)
    cut = (1.0 - coverage) / 2.0
    low = np.quantile(best, cut, axis=0, method="lower")
    high = np.quantile(worst, 1.0 - cut, axis=0, method="higher")
    return np.column_stack([low, high]).astype(np.int64)


def rank_tiers(intervals: ArrayLike) -> NDArray[np.int64]:
    """Group names whose rank intervals overlap, directly or through others; tier 1 is the top.

    Examples
    --------
    >>> rank_tiers([[1, 2], [1, 3], [4, 4]]).tolist()
    [1, 1, 2]
    """
    bounds = np.asarray(intervals, dtype=np.int64).reshape(-1, 2)
    tier = np.zeros(bounds.shape[0], dtype=np.int64)
    current, reach = 0, -1
    for name in np.lexsort((bounds[:, 1], bounds[:, 0])):
        if bounds[name, 0] > reach:
            current += 1
        reach = max(reach, int(bounds[name, 1]))
        tier[name] = current
    return tier


def _matrix(values: ArrayLike) -> Vector:
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.ndim != 2:
        raise ValueError(f"a matrix of two dimensions is needed, got {matrix.ndim}")
    return matrix
