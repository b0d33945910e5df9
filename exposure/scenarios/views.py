"""Analysts' views on scenarios, imposed with the least change of the prior.

Symbols: p prior and q posterior probabilities of draws or scenarios; KL relative entropy; H
entropy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from exposure.errors import ScenarioError

Vector = NDArray[np.float64]
ROUNDING = 1e-9  # how far probabilities may be from 1 in sum
LEAST_EFFECTIVE = 0.05  # part of the prior's effective draws that a view must leave
VIEW_TOLERANCE = 1e-11  # largest error of a view, in standard deviations of the prior
MAX_ITERATIONS = 200


@dataclass(frozen=True, slots=True)
class Posterior:
    """Probabilities after views, and how far the views went.

    Parameters
    ----------
    probability
        q of shape (m,); sums to 1.
    relative_entropy
        KL of q against the prior, in nats; 0 where the views change nothing.
    effective_prior, effective_post
        e^H of the prior and of q: how many equally likely draws carry as much information.
    """

    probability: Vector
    relative_entropy: float
    effective_prior: float
    effective_post: float


def relative_entropy(q: ArrayLike, p: ArrayLike) -> float:
    """Return how far q is from p.

    KL = Σ q ln(q / p)

    Parameters
    ----------
    q, p
        Probabilities of shape (m,), each summing to 1.

    Returns
    -------
    float
        In nats, ≥ 0; infinite where q holds an outcome that p excludes.

    Raises
    ------
    ScenarioError
        If a vector isn't a distribution.

    Source
    ------
    Kullback & Leibler 1951.

    Examples
    --------
    >>> round(relative_entropy([1.0, 0.0], [0.5, 0.5]), 12)
    0.69314718056
    """
    post, prior = _distribution(q), _distribution(p)
    return max(0.0, float(special.rel_entr(post, prior).sum()))


def effective_scenarios(q: ArrayLike) -> float:
    """Return how many equally likely scenarios carry as much information.

    e^H,  H = −Σ q ln q

    Raises
    ------
    ScenarioError
        If q isn't a distribution.

    Source
    ------
    Meucci 2012.

    Examples
    --------
    >>> round(effective_scenarios([0.5, 0.5, 0.0]), 12)
    2.0
    """
    return float(np.exp(special.entr(_distribution(q)).sum()))


def partition_views(prior: ArrayLike, group: ArrayLike, views: Mapping[int, float]) -> Posterior:
    """Impose probabilities of the cells of a partition.

    q_i = p_i · view_g / P(g);  cells without a view share 1 − Σ view in proportion to the prior

    Parameters
    ----------
    prior
        p of shape (m,).
    group
        Cell of each scenario, whole numbers of shape (m,).
    views
        Cell → probability.

    Raises
    ------
    ScenarioError
        If a view lies outside [0, 1], names a cell that doesn't exist or that the prior excludes,
        the views can't sum to 1, or they leave less than 5% of the effective draws.

    Source
    ------
    Closed form of entropy pooling; Meucci 2008.

    Examples
    --------
    >>> partition_views([0.5, 0.25, 0.25], [0, 1, 2], {1: 0.5}).probability.round(12).tolist()
    [0.333333333333, 0.5, 0.166666666667]
    """
    p, cell = _distribution(prior), np.asarray(group, dtype=np.int64)
    if cell.shape != p.shape:
        raise ValueError(f"prior and group differ in shape: {p.shape}, {cell.shape}")
    factor = np.zeros_like(p)
    free = np.ones(p.shape, dtype=np.bool_)
    for name, target in views.items():
        inside = cell == name
        if not inside.any():
            raise ScenarioError(f"a view names cell {name}, which holds no scenario")
        if not 0.0 <= target <= 1.0:
            raise ScenarioError(f"the view on cell {name} is {target:g}; it must lie in [0, 1]")
        factor[inside] = _ratio(target, float(p[inside].sum()), f"cell {name}")
        free &= ~inside
    rest = 1.0 - sum(views.values())
    rest = 0.0 if abs(rest) <= ROUNDING else rest
    if rest < 0.0:
        raise ScenarioError(f"the views sum to {1.0 - rest:g}; they can't be above 1")
    factor[free] = _ratio(rest, float(p[free].sum()), "the cells without a view")
    return _posterior(p * factor, p)


def entropy_pooling(
    prior: ArrayLike,
    A: ArrayLike,
    b: ArrayLike,
    *,
    A_max: ArrayLike | None = None,
    b_max: ArrayLike | None = None,
) -> Posterior:
    """Impose views A q = b and A_max q ≤ b_max with the least change of the prior.

    min Σ q ln(q / p) with A q = b, A_max q ≤ b_max, Σ q = 1
    q ∝ p exp(A'λ − A_max'ν), ν ≥ 0;  λ minimises ln Σ p exp((A − b)'λ)

    Parameters
    ----------
    prior
        p of shape (m,).
    A, b
        Views of shape (k, m) and their targets of shape (k,): a row of returns and a mean, or a row
        of flags and a probability; one view may be given as a row alone.
    A_max, b_max
        Views that only set an upper limit; turn signs for a lower one.

    Raises
    ------
    ScenarioError
        If a number is missing, no distribution over the draws meets the views, or they leave less
        than 5% of the effective draws.

    Notes
    -----
    Newton on the dual, one unknown a view, with step halving; rows are centred on the target and
    scaled by the prior's standard deviation. Redundant views are harmless. Limits join or leave the
    views that hold with equality until each that holds pushes downwards.

    Source
    ------
    Meucci 2008.

    Examples
    --------
    A view on flags is the partition form.

    >>> entropy_pooling([0.5, 0.25, 0.25], [[0, 1, 0]], [0.5]).probability.round(9).tolist()
    [0.333333333, 0.5, 0.166666667]
    """
    p = _distribution(prior)
    equal = _scaled_views(A, b, p, "A")
    limits = equal[:0]
    if A_max is not None and b_max is not None:
        limits = _scaled_views(A_max, b_max, p, "A_max")
    kept = p > 0.0
    q = np.zeros_like(p)
    q[kept] = _limited(p[kept], equal[:, kept], limits[:, kept])
    return _posterior(q, p)


def _scaled_views(A: ArrayLike, b: ArrayLike, p: Vector, what: str) -> Vector:
    """Return (A − b) over the prior's standard deviation, of shape (k, m)."""
    rows = np.atleast_2d(np.asarray(A, dtype=np.float64))
    target = np.atleast_1d(np.asarray(b, dtype=np.float64))
    if rows.shape != (target.size, p.size):
        raise ValueError(
            f"{what} must be ({target.size}, {p.size}) for its targets and prior, got {rows.shape}"
        )
    if not (np.isfinite(rows).all() and np.isfinite(target).all()):
        raise ScenarioError("a number of a view is missing")
    spread = np.sqrt(np.maximum((rows**2) @ p - (rows @ p) ** 2, 0.0))
    scale = np.where(spread > 0.0, spread, np.maximum(np.abs(target), 1.0))
    return np.asarray((rows - target[:, None]) / scale[:, None], dtype=np.float64)


def _limited(p: Vector, equal: Vector, limits: Vector) -> Vector:
    """Return q with equal q = 0 and limits q ≤ 0."""
    holding = np.zeros(limits.shape[0], dtype=np.bool_)
    for _ in range(1 + 4 * holding.size):
        q, lam = _newton(p, np.vstack([equal, limits[holding]]))
        excess = limits @ q > ROUNDING
        wrong = np.zeros_like(holding)
        wrong[holding] = lam[equal.shape[0] :] > 0.0  # a limit that would pull upwards lets go
        if not (excess & ~holding).any() and not wrong.any():
            return q
        holding = (holding & ~wrong) | (excess & ~holding)
    raise _no_answer()


def _no_answer() -> ScenarioError:
    return ScenarioError(
        "no probabilities over these draws meet all the views",
        cure="move the views towards the prior, or drop one",
    )


def _newton(p: Vector, views: Vector) -> tuple[Vector, Vector]:
    """Return q ∝ p exp(views'λ) with views q = 0, and λ."""
    log_p = np.log(p)
    lam = np.zeros(views.shape[0])
    value = float(special.logsumexp(log_p))
    for _ in range(MAX_ITERATIONS):
        q = np.exp(log_p + lam @ views - value)
        gradient = views @ q
        if float(np.abs(gradient).max(initial=0.0)) <= VIEW_TOLERANCE:
            return np.asarray(q / q.sum(), dtype=np.float64), lam
        hessian = (views * q) @ views.T - np.outer(gradient, gradient)
        step = -np.linalg.lstsq(hessian, gradient, rcond=1e-13)[0]
        slope = float(gradient @ step)
        if not slope < 0.0:
            break
        length, tried = 1.0, np.inf
        while length > 1e-12:
            tried = float(special.logsumexp(log_p + (lam + length * step) @ views))
            # Close to the minimum the decrease drowns in rounding, hence the allowance.
            if tried <= value + 1e-4 * length * slope + 1e-15 * max(1.0, abs(value)):
                break
            length /= 2.0
        else:
            break
        lam, value = lam + length * step, tried
    raise _no_answer()


def _posterior(q: Vector, p: Vector) -> Posterior:
    before, after = effective_scenarios(p), effective_scenarios(q)
    if after < LEAST_EFFECTIVE * before:
        raise ScenarioError(
            f"the views leave {after:.1f} of {before:.1f} effective draws, less than {LEAST_EFFECTIVE:.0%}",
            cure="move the views towards the prior, or draw more samples",
        )
    return Posterior(q, relative_entropy(q, p), before, after)


def _ratio(target: float, mass: float, what: str) -> float:
    if mass > 0.0:
        return target / mass
    if target > 0.0:
        raise ScenarioError(f"the views need {target:g} in {what}, which the prior excludes")
    return 0.0


def _distribution(p: ArrayLike) -> Vector:
    chance = np.asarray(p, dtype=np.float64)
    if chance.ndim != 1:
        raise ValueError(f"probabilities must be a vector, got {chance.shape}")
    if not ((chance >= 0.0) & (chance <= 1.0 + ROUNDING)).all():
        raise ScenarioError("a probability lies outside [0, 1] or is missing")
    if abs(float(chance.sum()) - 1.0) > ROUNDING:
        raise ScenarioError(f"probabilities sum to {float(chance.sum()):.12g}; they must sum to 1")
    return chance
