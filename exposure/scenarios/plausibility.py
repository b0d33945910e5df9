"""How far out a scenario lies, the worst at a given distance, and the nearest that costs a given loss.

Symbols
    μ, Σ    mean returns (n,) and covariance (n, n) over the horizon
    w       portfolio weights (n,);  m = w'μ, sd = √(w'Σw)
    k, d    radius of the ellipsoid, Mahalanobis distance
    ψ       severities of policy scenarios, each in [0, 1]
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

from exposure.errors import ScenarioError

Vector = NDArray[np.float64]

MAX_CORNER_DIMENSIONS = 12  # 2^12 corners; above, corners are left to the random starts
SAME_SCENARIO = 0.05  # severities closer than this everywhere are one and the same answer


@dataclass(frozen=True, slots=True)
class ReverseStress:
    """The least unlikely returns that cost a given loss.

    Parameters
    ----------
    distance
        Mahalanobis distance d; negative where the expected return already loses that much.
    scenario
        Returns of shape (n,).
    p_value
        Chance of a portfolio loss at least this large, normal returns.
    """

    distance: float
    scenario: Vector
    p_value: float


@dataclass(frozen=True, slots=True)
class PolicyAnswer:
    """A combination of severities that reaches the loss.

    Parameters
    ----------
    severities
        ψ of shape (S,).
    loss
        Loss it causes, ≥ the target.
    log_density
        Log prior density there, up to a constant.
    """

    severities: Vector
    loss: float
    log_density: float


def worst_in_ellipsoid(
    mu: ArrayLike, Sigma: ArrayLike, w: ArrayLike, radius: float
) -> tuple[Vector, float]:
    """Worst returns among all at most ``radius`` away, and the portfolio's return in them.

    r* = μ - k Σ w / sd,    w'r* = w'μ - k sd

    Parameters
    ----------
    mu, Sigma, w
        Of shape (n,), (n, n), (n,).
    radius
        k ≥ 0, in Mahalanobis units.

    Raises
    ------
    ScenarioError
        If the radius is negative or the portfolio has no risk.

    Source
    ------
    Breuer, Jandačka, Rheinberger, Summer (2009).

    Examples
    --------
    >>> scenario, value = worst_in_ellipsoid([0.01], [[0.04]], [1.0], 3)
    >>> scenario.round(12).tolist(), round(value, 12)
    ([-0.59], -0.59)
    """
    if not radius >= 0:
        raise ScenarioError(f"a radius of {radius:g} isn't possible")
    mean, weights, covered, sd = _moments(mu, Sigma, w)
    return mean - radius * covered / sd, float(weights @ mean - radius * sd)


def reverse_stress(
    mu: ArrayLike, Sigma: ArrayLike, w: ArrayLike, target_loss: float
) -> ReverseStress:
    """Nearest returns that cost the portfolio a given loss.

    d = (L + w'μ) / sd,    r* = μ - d Σ w / sd

    Parameters
    ----------
    mu, Sigma, w
        Of shape (n,), (n, n), (n,).
    target_loss
        L, a positive fraction of the portfolio.

    Raises
    ------
    ScenarioError
        If the portfolio has no risk.

    Source
    ------
    Inverse of :func:`worst_in_ellipsoid`.

    Examples
    --------
    >>> answer = reverse_stress([0.0], [[0.04]], [1.0], 0.3)
    >>> round(answer.distance, 12), answer.scenario.round(12).tolist(), round(answer.p_value, 6)
    (1.5, [-0.3], 0.066807)
    """
    mean, weights, covered, sd = _moments(mu, Sigma, w)
    distance = float((target_loss + weights @ mean) / sd)
    return ReverseStress(distance, mean - distance * covered / sd, float(stats.norm.sf(distance)))


def euler_volatility(Sigma: ArrayLike, w: ArrayLike) -> Vector:
    """Contribution of each position to the portfolio's volatility; they add up to it.

    c_i = w_i (Σ w)_i / sd

    Examples
    --------
    >>> euler_volatility([[0.04, 0.0], [0.0, 0.04]], [0.6, 0.8]).round(12).tolist()
    [0.072, 0.128]
    """
    weights = np.asarray(w, dtype=np.float64)
    _, _, covered, sd = _moments(np.zeros(weights.size), Sigma, weights)
    return weights * covered / sd


def severity_for_loss(
    loss: Callable[[float], float], target: float, *, tolerance: float = 1e-9
) -> float | None:
    """Smallest severity of one scenario that costs a given loss, or None if none does.

    Parameters
    ----------
    loss
        Loss of the portfolio at a severity in [0, 1], never falling.
    target
        Loss to reach.

    Examples
    --------
    >>> round(severity_for_loss(lambda s: 0.4 * s, 0.1), 6)
    0.25
    >>> severity_for_loss(lambda s: 0.4 * s, 0.5) is None
    True
    """
    if loss(0.0) >= target:
        return 0.0
    if loss(1.0) < target:
        return None
    low, high = 0.0, 1.0
    while high - low > tolerance:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if loss(middle) >= target else (middle, high)
    return high


def reverse_policy(
    loss: Callable[[Vector], float],
    log_density: Callable[[Vector], float],
    n_scenarios: int,
    target: float,
    *,
    seed: int,
    starts: int = 20,
    answers: int = 3,
) -> tuple[PolicyAnswer, ...]:
    """Most plausible combinations of policy severities that cost a given loss.

    min -log π(ψ)  over ψ in [0, 1]^S  with loss(ψ) ≥ L

    Parameters
    ----------
    loss
        Portfolio loss at severities of shape (S,), never falling in any of them.
    log_density
        Log prior density of severities; it may be -inf at impossible ones.
    n_scenarios
        S, at least 1.
    target
        L.
    seed
        Seed of the random starts.
    starts
        Number of random starts beside the corners (corners for S ≤ 12).
    answers
        How many distinct combinations to return at most.

    Returns
    -------
    tuple of PolicyAnswer
        Best first. Empty: no plausible combination reaches the loss.

    Notes
    -----
    Loss from an engine with bottlenecks has kinks, where SLSQP may stop early; each candidate is
    then moved along the line to the worst corner until it holds the loss.

    Examples
    --------
    Losses add: 30% and 10% at full severity; milder severities are likelier.

    >>> found = reverse_policy(
    ...     lambda s: 0.3 * s[0] + 0.1 * s[1], lambda s: -float(s @ s), 2, 0.2, seed=1
    ... )
    >>> found[0].severities.round(3).tolist()
    [0.6, 0.2]
    """
    if n_scenarios < 1:
        raise ScenarioError("there is no scenario to search")
    top = np.ones(n_scenarios)
    if loss(top) < target:
        return ()
    rng = np.random.default_rng(seed)
    points = [top, *rng.random((starts, n_scenarios))]
    if n_scenarios <= MAX_CORNER_DIMENSIONS:
        corners = itertools.product((0.0, 1.0), repeat=n_scenarios)
        points += [c for c in (np.array(corner) for corner in corners) if loss(c) >= target]

    def cost(x: Vector) -> float:
        density = log_density(np.clip(x, 0.0, 1.0))
        return 1e6 if not np.isfinite(density) else -density

    def excess(x: Vector) -> Vector:
        return np.array([loss(np.clip(x, 0.0, 1.0)) - target])

    held = optimize.NonlinearConstraint(excess, 0.0, np.inf)
    found: list[PolicyAnswer] = []
    for point in points:
        solved = optimize.minimize(
            cost,
            np.clip(point, 0.02, 0.98),
            method="SLSQP",
            bounds=[(0.0, 1.0)] * n_scenarios,
            constraints=[held],
            options={"maxiter": 200, "ftol": 1e-10},
        )
        for candidate in (solved.x, point):
            settled = _settle(np.clip(candidate, 0.0, 1.0), loss, target)
            density = log_density(settled)
            if np.isfinite(density):
                found.append(PolicyAnswer(settled, float(loss(settled)), float(density)))
    return _distinct(sorted(found, key=lambda a: -a.log_density), answers)


def _settle(point: Vector, loss: Callable[[Vector], float], target: float) -> Vector:
    """Move a point to the loss surface: towards all-severe until it holds, or back while it does."""
    top, origin = np.ones(point.size), np.zeros(point.size)
    if loss(point) < target:
        step = severity_for_loss(lambda t: loss(point + t * (top - point)), target)
        return top if step is None else np.asarray(point + step * (top - point))
    step = severity_for_loss(lambda t: loss(t * point), target)
    return point if step is None else np.asarray(origin + step * point)


def _distinct(ranked: Sequence[PolicyAnswer], answers: int) -> tuple[PolicyAnswer, ...]:
    kept: list[PolicyAnswer] = []
    for answer in ranked:
        gaps = [np.abs(answer.severities - other.severities).max() for other in kept]
        if all(gap > SAME_SCENARIO for gap in gaps):
            kept.append(answer)
        if len(kept) == answers:
            break
    return tuple(kept)


def _moments(mu: ArrayLike, Sigma: ArrayLike, w: ArrayLike) -> tuple[Vector, Vector, Vector, float]:
    mean, weights = np.asarray(mu, dtype=np.float64), np.asarray(w, dtype=np.float64)
    covered = np.asarray(Sigma, dtype=np.float64) @ weights
    variance = float(weights @ covered)
    if not variance > 0:
        raise ScenarioError("the portfolio has no risk under this covariance")
    return mean, weights, covered, float(np.sqrt(variance))
