"""Change the probabilities of draws so that an analyst's views hold, moving them as little as possible.

Symbols
    p, q    probabilities of the draws before and after, of shape (draws,)
    A, b    views A q = b, one row per view, of shape (views, draws)
    λ       one dual unknown per view
    H       entropy -Σ q ln q; effective scenarios e^H
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from exposure.errors import ScenarioError

Vector = NDArray[np.float64]

MIN_EFFECTIVE_SHARE = 0.05  # views that leave fewer draws than this are refused
VIEW_TOLERANCE = 1e-9
MAX_NEWTON_STEPS = 200


@dataclass(frozen=True, slots=True)
class Posterior:
    """Probabilities after views.

    Parameters
    ----------
    probabilities
        q of shape (draws,), sums to 1.
    relative_entropy
        Σ q ln(q/p): how much the views say, ≥ 0.
    effective_prior, effective
        Effective number of draws before and after.
    residual
        Largest |A q - b| over the views that bind.
    """

    probabilities: Vector
    relative_entropy: float
    effective_prior: float
    effective: float
    residual: float


def relative_entropy(q: ArrayLike, p: ArrayLike) -> float:
    """Information in q beyond p.

    KL = Σ q ln(q / p)

    Examples
    --------
    >>> round(relative_entropy([0.5, 0.5], [0.25, 0.75]), 6)
    0.143841
    """
    after, before = np.asarray(q, dtype=np.float64), np.asarray(p, dtype=np.float64)
    return float(np.sum(special.rel_entr(after, before)))


def effective_scenarios(q: ArrayLike) -> float:
    """Number of equally likely draws that would be as diverse.

    e^H,  H = -Σ q ln q

    Examples
    --------
    >>> round(effective_scenarios([0.25, 0.25, 0.25, 0.25]), 12)
    4.0
    """
    return float(np.exp(np.sum(special.entr(np.asarray(q, dtype=np.float64)))))


def partition_views(prior: ArrayLike, group: ArrayLike, views: Mapping[int, float]) -> Posterior:
    """Set the probabilities of disjoint groups of draws.

    q_i = p_i view_g / P(g) inside a viewed group; the rest share 1 - Σ views in proportion to p

    Parameters
    ----------
    prior
        p of shape (draws,), sums to 1.
    group
        Group number of each draw, of shape (draws,).
    views
        Group number → probability in [0, 1].

    Raises
    ------
    ScenarioError
        If a view is outside [0, 1], names a group without prior probability, the views sum to more
        than 1 (or leave a remainder nobody can take), or leave fewer than 5% of the draws.

    Source
    ------
    Meucci (2008): the minimum relative entropy answer on a partition.

    Examples
    --------
    >>> partition_views([0.5, 0.3, 0.2], [0, 1, 1], {1: 0.8}).probabilities.round(12).tolist()
    [0.2, 0.48, 0.32]
    """
    p = _prior(prior)
    cells = np.asarray(group)
    if cells.shape != p.shape:
        raise ValueError(f"group has shape {cells.shape} but prior has {p.shape}")
    total = sum(views.values())
    if any(not 0 <= view <= 1 for view in views.values()) or total > 1 + VIEW_TOLERANCE:
        raise ScenarioError(f"views must lie in [0, 1] and sum to at most 1, got {dict(views)}")
    q = np.zeros_like(p)
    free = np.ones(p.size, dtype=bool)
    for number, view in views.items():
        inside = cells == number
        mass = float(p[inside].sum())
        if mass <= 0 < view:
            raise ScenarioError(f"group {number} has no prior probability, so no view can raise it")
        free &= ~inside
        if mass > 0:
            q[inside] = p[inside] * (view / mass)
    rest = float(p[free].sum())
    remainder = max(0.0, 1.0 - total)
    if rest <= 0 and remainder > VIEW_TOLERANCE:
        raise ScenarioError(f"the views cover every group but sum to {total:g}")
    if rest > 0:
        q[free] = p[free] * (remainder / rest)
    return _posterior(q, p, 0.0)


def probability_view(flags: ArrayLike, probability: float) -> tuple[Vector, float]:
    """Return a view row and value: these draws together have this probability.

    Examples
    --------
    >>> probability_view([True, False], 0.3)
    (array([1., 0.]), 0.3)
    """
    if not 0 <= probability <= 1:
        raise ScenarioError(f"a probability of {probability:g} isn't possible")
    return np.asarray(flags, dtype=np.float64), probability


def entropy_pooling(
    prior: ArrayLike,
    A: ArrayLike,
    b: ArrayLike,
    *,
    A_max: ArrayLike | None = None,
    b_max: ArrayLike | None = None,
) -> Posterior:
    """Probabilities nearest to the prior under which linear views hold.

    min Σ q ln(q/p)  with  A q = b,  A_max q ≤ b_max,  Σ q = 1
    q ∝ p exp(A'λ - A_max'ν),  ν ≥ 0;  λ by Newton on the dual

    Parameters
    ----------
    prior
        p of shape (draws,), sums to 1.
    A, b
        Equality views: rows of shape (views, draws) such as returns of a name (a view on its mean)
        or event flags (a view on a probability), and their values (views,).
    A_max, b_max
        Upper-limit views, optional.

    Raises
    ------
    ScenarioError
        If no reweighting of the draws can satisfy the views, or it leaves fewer than 5% of them.

    Source
    ------
    Meucci (2008), "Fully flexible views".

    Examples
    --------
    >>> answer = entropy_pooling([0.25] * 4, [[1, 1, 0, 0]], [0.8])
    >>> answer.probabilities.round(9).tolist(), round(answer.effective, 4)
    ([0.4, 0.4, 0.1, 0.1], 3.2988)
    """
    p = _prior(prior)
    equal, value = _views(A, b, p.size)
    upper, limit = _views(A_max, b_max, p.size)
    rows, target = np.vstack([equal, upper]), np.concatenate([value, limit])
    if not target.size:
        return _posterior(p.copy(), p, 0.0)
    reachable = p > 0
    inside = rows[:, reachable]
    for row, wanted, bound in zip(
        inside, target, np.arange(target.size) >= value.size, strict=True
    ):
        too_low = wanted < row.min() - VIEW_TOLERANCE
        too_high = wanted > row.max() + VIEW_TOLERANCE
        if too_low or (too_high and not bound):
            raise ScenarioError(
                f"a view wants {wanted:g} but the draws only span {row.min():g} to {row.max():g}"
            )
    active = np.arange(target.size) < value.size
    for _ in range(1 + 2 * limit.size):
        multipliers = np.zeros(target.size)
        multipliers[active] = _newton(p[reachable], inside[active], target[active])
        q = _tilted(p[reachable], inside, multipliers)
        slack = inside @ q - target
        is_limit = np.arange(target.size) >= value.size
        release = is_limit & active & (multipliers > 1e-12)  # a limit may only push downwards
        violated = is_limit & ~active & (slack > VIEW_TOLERANCE)
        if not release.any() and not violated.any():
            full = np.zeros_like(p)
            full[reachable] = q
            residual = float(np.abs(slack[active]).max(initial=0.0))
            return _posterior(full, p, residual)
        active = (active & ~release) | violated
    return _bounded(p, reachable, inside, target, value.size)


def _bounded(
    p: Vector, reachable: NDArray[np.bool_], rows: Vector, target: Vector, equalities: int
) -> Posterior:
    """Solve the dual with signed multipliers, for limits that the active-set rounds can't settle."""
    scale = np.maximum(rows.std(axis=1), 1e-12)
    scaled, wanted = rows / scale[:, None], target / scale

    def dual(x: Vector) -> tuple[float, Vector]:
        log_weight = np.log(p[reachable]) + x @ scaled
        gradient = scaled @ _softmax(log_weight) - wanted
        return float(special.logsumexp(log_weight) - x @ wanted), gradient

    bounds = [(None, None) if i < equalities else (None, 0.0) for i in range(target.size)]
    solved = optimize.minimize(
        dual, np.zeros(target.size), jac=True, method="L-BFGS-B", bounds=bounds,
        options={"ftol": 1e-16, "gtol": 1e-11, "maxiter": 5_000},
    )  # fmt: skip
    q = _tilted(p[reachable], scaled, solved.x)
    slack = scaled @ q - wanted
    worst = max(
        float(np.abs(slack[:equalities]).max(initial=0.0)),
        float(slack[equalities:].max(initial=0.0)),
    )
    if worst > 1e-6:
        raise ScenarioError("no reweighting of the draws satisfies all views together")
    full = np.zeros_like(p)
    full[reachable] = q
    return _posterior(full, p, worst)


def _newton(p: Vector, rows: Vector, target: Vector) -> Vector:
    """Minimise ln Σ p exp(λ'A) - λ'b; its Hessian is the covariance of the views' rows."""
    if not target.size:
        return target
    scale = np.maximum(np.abs(rows - target[:, None]).max(axis=1), 1e-300)
    centred = (rows - target[:, None]) / scale[:, None]
    x = np.zeros(target.size)
    value = _log_mass(p, centred, x)
    for _ in range(MAX_NEWTON_STEPS):
        q = _tilted(p, centred, x)
        gradient = centred @ q
        if np.abs(gradient).max() <= 1e-13:
            break
        spread = (centred * q) @ centred.T - np.outer(gradient, gradient)
        step = np.linalg.lstsq(spread, -gradient, rcond=1e-14)[0]
        slope = float(gradient @ step)
        length = 1.0
        while length > 1e-10:
            trial = x + length * step
            reached = _log_mass(p, centred, trial)
            if reached <= value + 1e-4 * length * slope + 1e-16 * abs(value):
                break
            length *= 0.5
        else:
            break  # rounding hides any further descent
        x, value = trial, reached
    worst = float(np.abs(centred @ _tilted(p, centred, x)).max())
    if not worst <= VIEW_TOLERANCE:
        raise ScenarioError("no reweighting of the draws satisfies all views together")
    return np.asarray(x / scale, dtype=np.float64)


def _log_mass(p: Vector, rows: Vector, x: Vector) -> float:
    return float(special.logsumexp(np.log(p) + x @ rows))


def _tilted(p: Vector, rows: Vector, x: Vector) -> Vector:
    return _softmax(np.log(p) + x @ rows)


def _softmax(log_weight: Vector) -> Vector:
    return np.asarray(special.softmax(log_weight), dtype=np.float64)


def _prior(prior: ArrayLike) -> Vector:
    p = np.asarray(prior, dtype=np.float64)
    if p.ndim != 1 or np.any(~(p >= 0)) or abs(p.sum() - 1.0) > 1e-9:
        raise ScenarioError("prior probabilities must be ≥ 0 and sum to 1")
    return p


def _views(rows: ArrayLike | None, values: ArrayLike | None, draws: int) -> tuple[Vector, Vector]:
    if rows is None or values is None:
        return np.zeros((0, draws)), np.zeros(0)
    matrix = np.atleast_2d(np.asarray(rows, dtype=np.float64))
    target = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if matrix.shape != (target.size, draws):
        raise ValueError(f"views must have shape ({target.size}, {draws}), got {matrix.shape}")
    if not (np.all(np.isfinite(matrix)) and np.all(np.isfinite(target))):
        raise ScenarioError("a view or a draw is missing")
    return matrix, target


def _posterior(q: Vector, p: Vector, residual: float) -> Posterior:
    after = effective_scenarios(q)
    if after < MIN_EFFECTIVE_SHARE * p.size:
        raise ScenarioError(
            f"the views leave {after:.1f} effective draws of {p.size}, less than "
            f"{MIN_EFFECTIVE_SHARE:.0%}",
            cure="use milder views, or draw more of the events that they speak of",
        )
    return Posterior(q, relative_entropy(q, p), effective_scenarios(p), after, residual)
