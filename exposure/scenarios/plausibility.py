"""The worst scenario of a given plausibility, and the most plausible one of a given loss.

Symbols: μ, Σ mean and covariance of returns over the horizon; w weights; sd = √(w'Σw); ψ severities
of policy scenarios, each in [0, 1].
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
class WorstCase:
    """The scenario that hurts a portfolio most within a distance.

    Parameters
    ----------
    scenario
        Return of each name, of shape (n,).
    portfolio_return
        What the portfolio returns in it, a signed fraction.
    """

    scenario: Vector
    portfolio_return: float


@dataclass(frozen=True, slots=True)
class ReverseStress:
    """The nearest scenario in which a portfolio loses a given amount.

    Parameters
    ----------
    distance
        Mahalanobis distance of the scenario; below 0 where the expected return is already worse.
    scenario
        Return of each name, of shape (n,).
    p_value
        Chance that a normal portfolio return is as bad: plausibility of returns, never of a policy
        act.
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


def worst_case(mu: ArrayLike, sigma: ArrayLike, w: ArrayLike, radius: float) -> WorstCase:
    """Return the worst scenario on the ellipsoid of a radius.

    r* = μ − k Σw / sd,  w'r* = w'μ − k sd

    Parameters
    ----------
    mu, sigma, w
        μ of shape (n,), Σ of shape (n, n) and w of shape (n,).
    radius
        k, Mahalanobis distance, ≥ 0.

    Raises
    ------
    ScenarioError
        If a number is missing, the radius is negative, or the portfolio has no risk.

    Source
    ------
    Breuer, Jandačka, Rheinberger & Summer 2009.

    Examples
    --------
    >>> out = worst_case([0.0, 0.0], [[0.09, 0.0], [0.0, 0.16]], [1.0, 0.0], 2.0)
    >>> out.scenario.round(12).tolist(), round(out.portfolio_return, 12)
    ([-0.6, 0.0], -0.6)
    """
    if not (np.isfinite(radius) and radius >= 0.0):
        raise ScenarioError(f"a radius is {radius:g}; it must be 0 or more")
    m, weights, marginal, sd = _moments(mu, sigma, w)
    return WorstCase(m - radius * marginal / sd, float(weights @ m - radius * sd))


def reverse_stress(
    mu: ArrayLike, sigma: ArrayLike, w: ArrayLike, target_loss: float
) -> ReverseStress:
    """Return the most plausible scenario that loses a given amount.

    d = (L + w'μ) / sd,  r = μ − d Σw / sd,  p = 1 − Φ(d)

    Parameters
    ----------
    mu, sigma, w
        As in :func:`worst_case`.
    target_loss
        L, a fraction of the portfolio; above 0 is a loss.

    Raises
    ------
    ScenarioError
        If a number is missing or the portfolio has no risk.

    Source
    ------
    Inverse of the worst case of Breuer et al. 2009.

    Examples
    --------
    >>> out = reverse_stress([0.0, 0.0], [[0.09, 0.0], [0.0, 0.16]], [1.0, 0.0], 0.6)
    >>> round(out.distance, 12), out.scenario.round(12).tolist()
    (2.0, [-0.6, 0.0])
    """
    if not np.isfinite(target_loss):
        raise ScenarioError("the loss to reach is missing")
    m, weights, marginal, sd = _moments(mu, sigma, w)
    distance = float((target_loss + weights @ m) / sd)
    return ReverseStress(distance, m - distance * marginal / sd, float(stats.norm.sf(distance)))


def euler_volatility(sigma: ArrayLike, w: ArrayLike) -> Vector:
    """Return what each name adds to the standard deviation of the portfolio.

    c = w ∘ Σw / sd,  Σ c = sd

    Parameters
    ----------
    sigma, w
        As in :func:`worst_case`.

    Returns
    -------
    numpy.ndarray
        c of shape (n,), in the unit of sd; negative for a hedge.

    Raises
    ------
    ScenarioError
        If a number is missing or the portfolio has no risk.

    Source
    ------
    Euler allocation; Tasche 1999.

    Examples
    --------
    >>> euler_volatility([[0.09, 0.0], [0.0, 0.16]], [1.0, 1.0]).round(12).tolist()
    [0.18, 0.32]
    """
    weights = np.asarray(w, dtype=np.float64)
    _, weights, marginal, sd = _moments(np.zeros(weights.shape), sigma, weights)
    return np.asarray(weights * marginal / sd, dtype=np.float64)


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


def _moments(mu: ArrayLike, sigma: ArrayLike, w: ArrayLike) -> tuple[Vector, Vector, Vector, float]:
    """Return μ, w, Σw and sd, checked."""
    m, cov, weights = (np.asarray(a, dtype=np.float64) for a in (mu, sigma, w))
    if m.ndim != 1 or weights.shape != m.shape or cov.shape != (m.size, m.size):
        shapes = f"{m.shape}, {cov.shape}, {weights.shape}"
        raise ValueError(f"mu, sigma and w don't fit each other: {shapes}")
    if not all(bool(np.isfinite(a).all()) for a in (m, cov, weights)):
        raise ScenarioError("a mean, covariance or weight is missing")
    if not np.allclose(cov, cov.T, rtol=1e-9, atol=0.0):
        raise ScenarioError("the covariance isn't symmetric")
    marginal = cov @ weights
    variance = float(weights @ marginal)
    if variance <= 0.0:
        raise ScenarioError("the portfolio has no risk under this covariance: no worst case exists")
    return m, weights, marginal, float(np.sqrt(variance))
