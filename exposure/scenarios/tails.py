"""The tail of a loss: value at risk, expected loss beyond it, and what it is made of.

Symbols: a confidence level; q weights with which CVaR averages the losses; a loss is minus a return.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from exposure.errors import ScenarioError
from exposure.scenarios.arrays import check_finite, probabilities

Vector = NDArray[np.float64]
ROUNDING = 1e-9  # how far probabilities may be from 1 in sum


@dataclass(frozen=True, slots=True)
class TailRisk:
    """Value at risk and expected loss beyond it, fractions; above 0 is a loss."""

    var: float
    cvar: float


def cvar_gaussian(mu: float, sigma: float, level: float) -> TailRisk:
    """Return VaR and CVaR of a normal return.

    VaR = −μ + σ z,  CVaR = −μ + σ φ(z) / (1 − a),  z = Φ⁻¹(a)

    Parameters
    ----------
    mu, sigma
        Mean and standard deviation of the return.
    level
        a in (0, 1).

    Raises
    ------
    ScenarioError
        If the level lies outside (0, 1) or the standard deviation is negative.

    Source
    ------
    Rockafellar & Uryasev 2000.

    Examples
    --------
    >>> out = cvar_gaussian(0.0, 1.0, 0.5)
    >>> out.var, round(out.cvar, 9)
    (0.0, 0.797884561)
    """
    _check_level(level, sigma)
    z = float(stats.norm.ppf(level))
    return TailRisk(-mu + sigma * z, -mu + sigma * float(stats.norm.pdf(z)) / (1.0 - level))


def cvar_student_t(nu: float, scale: float, level: float, loc: float = 0.0) -> TailRisk:
    """Return VaR and CVaR of a Student-t return.

    VaR = −loc + scale q,  CVaR = −loc + scale f(q) / (1 − a) · (ν + q²) / (ν − 1),  q = t_ν⁻¹(a)

    Parameters
    ----------
    nu
        Degrees of freedom, above 1.
    scale, loc
        Scale (not standard deviation) and centre of the return.
    level
        a in (0, 1).

    Raises
    ------
    ScenarioError
        If ν isn't above 1, the level lies outside (0, 1) or the scale is negative.

    Source
    ------
    McNeil, Frey & Embrechts 2015, example 2.15.

    Examples
    --------
    With ν = 2 the 3/4 quantile is √(2/3) and the CVaR three times that.

    >>> out = cvar_student_t(2.0, 1.0, 0.75)
    >>> round(out.var, 9), round(out.cvar, 9)
    (0.816496581, 2.449489743)
    """
    _check_level(level, scale)
    if not nu > 1.0:
        raise ScenarioError(f"a t with {nu:g} degrees of freedom has no mean; give more than 1")
    q = float(stats.t.ppf(level, nu))
    beyond = float(stats.t.pdf(q, nu)) / (1.0 - level) * (nu + q * q) / (nu - 1.0)
    return TailRisk(-loc + scale * q, -loc + scale * beyond)


def cvar_discrete(loss: ArrayLike, p: ArrayLike, level: float) -> TailRisk:
    """Return VaR and CVaR of a discrete loss, splitting the atom at VaR.

    CVaR = (Σ_{loss > VaR} p loss + (1 − a − P(loss > VaR)) VaR) / (1 − a)

    Parameters
    ----------
    loss, p
        Losses and their probabilities, both of shape (m,).
    level
        a in (0, 1).

    Raises
    ------
    ScenarioError
        If a loss is missing, the probabilities don't sum to 1, or the level lies outside (0, 1).

    Notes
    -----
    VaR is the loss of the last atom that the worst 1 − a reaches into.

    Source
    ------
    Rockafellar & Uryasev 2002.

    Examples
    --------
    The worst 5%: all of the 2% and 3 of the 4%: (.02·.3 + .03·.2) / .05.

    >>> out = cvar_discrete([0.3, 0.2, 0.0], [0.02, 0.04, 0.94], 0.95)
    >>> out.var, round(out.cvar, 12)
    (0.2, 0.24)
    """
    values = np.asarray(loss, dtype=np.float64)
    weight = _tail_weights(values, _distribution(p, values.shape), level)
    return TailRisk(float(values[weight > 0.0].min()), float(weight @ values))


def tail_attribution(loss: ArrayLike, p: ArrayLike, flags: ArrayLike, level: float) -> Vector:
    """Return how likely each scenario is, given that the loss is in its tail.

    P(s | tail) = Σ_draws q Z_s,  q the weights with which CVaR averages the losses

    Parameters
    ----------
    loss, p
        Loss and probability of each draw, of shape (draws,).
    flags
        Z of shape (draws, S).
    level
        a in (0, 1).

    Returns
    -------
    numpy.ndarray
        Of shape (S,), in [0, 1]; several scenarios may share a draw, so they needn't sum to 1.

    Raises
    ------
    ScenarioError
        As :func:`cvar_discrete`.

    Source
    ------
    Tail as in Rockafellar & Uryasev 2002; equal losses share the split atom in proportion to p.

    Examples
    --------
    >>> flags = [[1, 0], [1, 1], [0, 0]]
    >>> tail_attribution([0.3, 0.2, 0.0], [0.1, 0.1, 0.8], flags, 0.8).round(12).tolist()
    [1.0, 0.5]
    """
    values, happened = np.asarray(loss, dtype=np.float64), np.asarray(flags, dtype=np.float64)
    if happened.ndim != 2 or happened.shape[0] != values.size:
        raise ValueError(f"flags must have one row a draw, got {happened.shape} for {values.size}")
    weight = _tail_weights(values, _distribution(p, values.shape), level)
    return np.asarray(weight @ happened, dtype=np.float64)


def tail_contributions(returns: ArrayLike, p: ArrayLike, w: ArrayLike, level: float) -> Vector:
    """Part of the portfolio's CVaR that each name causes; they add up to it.

    c_i = Σ_d q_d (-w_i R_di),  q the weights with which CVaR averages the losses

    Parameters
    ----------
    returns
        R of shape (draws, n).
    p, level
        As in :func:`tail_attribution`.
    w
        Weights of shape (n,).

    Examples
    --------
    >>> tail_contributions([[-0.4, 0.1], [0.0, 0.0]], [0.5, 0.5], [0.5, 0.5], 0.5).tolist()
    [0.2, -0.05]
    """
    R, weights = np.asarray(returns, dtype=np.float64), np.asarray(w, dtype=np.float64)
    loss = -(R @ weights)
    q = _tail_weights(loss, _distribution(p, loss.shape), level)
    return np.asarray(-weights * (q @ R), dtype=np.float64)


def _tail_weights(loss: Vector, p: Vector, level: float) -> Vector:
    """Return the weights of the worst 1 − a, summing to 1; equal losses are one atom."""
    _check_level(level, 0.0)
    check_finite(loss, "a loss")
    atoms, member = np.unique(loss, return_inverse=True)
    mass = np.bincount(member, weights=p, minlength=atoms.size)
    tail = 1.0 - level
    worse = np.cumsum(mass[::-1])[::-1] - mass  # probability of a larger loss
    room = tail - worse
    room[room < ROUNDING * tail] = 0.0  # an atom that the tail reaches by rounding only
    used = np.minimum(mass, np.maximum(room, 0.0))
    share = np.divide(used, mass, out=np.zeros_like(mass), where=mass > 0.0)
    weight = p * share[member]
    return np.asarray(weight / weight.sum(), dtype=np.float64)


def _distribution(p: ArrayLike, shape: tuple[int, ...]) -> Vector:
    chance = probabilities(p)
    if chance.shape != shape:
        raise ValueError(f"losses and probabilities differ in shape: {shape}, {chance.shape}")
    if abs(float(chance.sum()) - 1.0) > ROUNDING:
        raise ScenarioError(f"probabilities sum to {float(chance.sum()):.12g}; they must sum to 1")
    return chance


def _check_level(level: float, spread: float) -> None:
    if not 0.0 < level < 1.0:
        raise ScenarioError(f"a confidence level is {level:g}; it must lie between 0 and 1")
    if not spread >= 0.0:
        raise ScenarioError(f"a standard deviation or scale is {spread:g}; it must be 0 or more")
