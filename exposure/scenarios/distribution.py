"""The distribution over scenarios: how likely, how severe, together; and the tail of a portfolio.

Symbols
    p_s         probability that scenario s happens over the horizon, of shape (S,)
    L[s,i]      signed return of name i if s happens, of shape (S, n)
    Z           flags of what happened in each draw, of shape (draws, S)
    R           returns of each draw, of shape (draws, n)
    a           confidence level, for example 0.95; the tail has probability 1 - a
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import integrate, stats

from exposure.errors import ScenarioError

Vector = NDArray[np.float64]
Flags = NDArray[np.bool_]

BASIS_POINTS = 1e4
MAX_STATES = 20  # 2^20 joint states
PERT_WEIGHT = 4.0  # weight of the mode in the PERT mean (lo + 4 mid + hi) / 6
Z_90 = 1.6448536269514722  # half width of a 90% interval in standard deviations
ATOM_SLACK = 1e-12


# --- mixture of scenarios ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JointStates:
    """Every combination of scenarios, with its probability and returns.

    Parameters
    ----------
    state
        Flags of shape (2^S, S).
    probability
        Of shape (2^S,).
    returns
        Of shape (2^S, n).
    """

    state: Flags
    probability: Vector
    returns: Vector


def mixture_moments(p: ArrayLike, L: ArrayLike) -> tuple[Vector, Vector]:
    """Mean and variance of returns when scenarios happen independently and their returns add.

    E = Σ_s p_s L_s,    Var = Σ_s p_s (1 - p_s) L_s²

    Examples
    --------
    >>> mean, variance = mixture_moments([0.5, 0.1], [[-0.2], [-0.5]])
    >>> mean.round(12).tolist(), variance.round(12).tolist()
    ([-0.15], [0.0325])
    """
    chance, effect = _mixture(p, L)
    return chance @ effect, (chance * (1.0 - chance)) @ effect**2


def joint_states(p: ArrayLike, L: ArrayLike) -> JointStates:
    """List all combinations of independent scenarios, first scenario slowest.

    P(z) = Π_s p_s^z_s (1 - p_s)^(1 - z_s),    R(z) = Σ_s z_s L_s

    Raises
    ------
    ScenarioError
        If there are more than 20 scenarios (a million states), or a probability is outside [0, 1].

    Examples
    --------
    >>> states = joint_states([0.5], [[-0.2]])
    >>> states.probability.tolist(), states.returns.ravel().tolist()
    ([0.5, 0.5], [0.0, -0.2])
    """
    chance, effect = _mixture(p, L)
    if chance.size > MAX_STATES:
        raise ScenarioError(
            f"{chance.size} scenarios have too many combinations; draw them instead"
        )
    state = np.array(list(itertools.product((False, True), repeat=chance.size)), dtype=bool)
    probability = np.where(state, chance, 1.0 - chance).prod(axis=1)
    return JointStates(state, probability, state.astype(np.float64) @ effect)


def copula_joint_probability(p1: float, p2: float, rho: float) -> float:
    """Probability that two scenarios both happen, tied by a Gaussian copula.

    P = Φ₂(Φ⁻¹(p1), Φ⁻¹(p2); ρ) = ∫_{-∞}^{z1} φ(x) Φ((z2 - ρ x) / √(1 - ρ²)) dx

    Raises
    ------
    ScenarioError
        If a probability lies outside [0, 1] or ρ outside [-1, 1].

    Source
    ------
    Vasicek (1987) one-factor model; Li (2000).

    Examples
    --------
    >>> round(copula_joint_probability(0.3, 0.2, 0.5), 6), copula_joint_probability(0.3, 0.2, 1.0)
    (0.115247, 0.2)
    """
    _check_unit(np.array([p1, p2]), "a probability")
    if not -1 <= rho <= 1:
        raise ScenarioError(f"a correlation of {rho:g} isn't possible")
    if 0.0 in (p1, p2):
        return 0.0
    if 1.0 in (p1, p2):
        return min(p1, p2)
    if abs(rho) == 1:
        return min(p1, p2) if rho > 0 else max(0.0, p1 + p2 - 1.0)
    z1, z2 = float(stats.norm.ppf(p1)), float(stats.norm.ppf(p2))
    root = np.sqrt(1.0 - rho**2)

    def density(x: float) -> float:
        return float(stats.norm.pdf(x) * stats.norm.cdf((z2 - rho * x) / root))

    value, _ = integrate.quad(density, -np.inf, z1, epsabs=1e-12, epsrel=1e-12, limit=200)
    return float(value)


# --- draws ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ScenarioDraws:
    """What happens in each draw, before anything propagates.

    Parameters
    ----------
    flags
        Z of shape (draws, S).
    severity
        Severity of each scenario in each draw, of shape (draws, S), 0 where it doesn't happen.
    probabilities
        Of shape (draws,), equal, summing to 1.
    """

    flags: Flags
    severity: Vector
    probabilities: Vector


@dataclass(frozen=True, slots=True)
class Samples:
    """Returns of every draw, with what happened in it.

    Parameters
    ----------
    returns
        R of shape (draws, n), at least -1.
    probabilities
        Of shape (draws,).
    flags
        Z of shape (draws, S).
    """

    returns: Vector
    probabilities: Vector
    flags: Flags


def pert_parameters(lo: float, mid: float, hi: float) -> tuple[float, float]:
    """Shape of the Beta distribution on [lo, hi] whose mode is mid.

    α = 1 + 4 (mid - lo)/(hi - lo),    β = 1 + 4 (hi - mid)/(hi - lo)

    Raises
    ------
    ScenarioError
        If lo ≤ mid ≤ hi, lo < hi doesn't hold.

    Source
    ------
    PERT; Malcolm, Roseboom, Clark, Fazar (1959).

    Examples
    --------
    >>> pert_parameters(0.0, 0.25, 1.0)
    (2.0, 4.0)
    """
    if not (lo <= mid <= hi and lo < hi):
        raise ScenarioError(f"a PERT needs lo ≤ mid ≤ hi with lo < hi, got {lo:g}, {mid:g}, {hi:g}")
    width = hi - lo
    return 1.0 + PERT_WEIGHT * (mid - lo) / width, 1.0 + PERT_WEIGHT * (hi - mid) / width


def draw_pert(lo: float, mid: float, hi: float, draws: int, rng: np.random.Generator) -> Vector:
    """Draw from a PERT; a point where lo = hi.

    Examples
    --------
    >>> draw_pert(0.5, 0.5, 0.5, 2, np.random.default_rng(1)).tolist()
    [0.5, 0.5]
    """
    if lo == mid == hi:
        return np.full(draws, lo)
    alpha, beta = pert_parameters(lo, mid, hi)
    return np.asarray(lo + (hi - lo) * rng.beta(alpha, beta, draws), dtype=np.float64)


def draw_durations(
    lo: float, mid: float, hi: float, draws: int, rng: np.random.Generator
) -> Vector:
    """Draw durations from a lognormal with median mid and 90% of the mass about [lo, hi].

    ln T ~ N(ln mid, (ln(hi/lo) / (2 · 1.645))²)

    Examples
    --------
    >>> draw_durations(2, 2, 2, 2, np.random.default_rng(1)).tolist()
    [2.0, 2.0]
    """
    if not 0 < lo <= mid <= hi:
        raise ScenarioError(f"durations need 0 < lo ≤ mid ≤ hi, got {lo:g}, {mid:g}, {hi:g}")
    spread = np.log(hi / lo) / (2.0 * Z_90)
    return np.asarray(mid * np.exp(spread * rng.standard_normal(draws)), dtype=np.float64)


def draw_scenarios(
    p: ArrayLike, severities: ArrayLike, draws: int, *, seed: int, rho: float = 0.0
) -> ScenarioDraws:
    """Draw which scenarios happen and how severely.

    scenario s happens where √ρ M + √(1-ρ) ε_s ≤ Φ⁻¹(p_s),  M, ε ~ N(0, 1)

    Parameters
    ----------
    p
        Probabilities of shape (S,).
    severities
        (lo, mid, hi) of each scenario, of shape (S, 3), for the PERT.
    draws, seed
        Number of draws and the seed: the same seed gives the same draws.
    rho
        Correlation of the latent drivers, in [0, 1]: an escalation feeds all.

    Examples
    --------
    >>> sample = draw_scenarios([1.0, 0.0], [[0.5, 0.5, 0.5], [0.1, 0.2, 0.3]], 2, seed=7)
    >>> sample.severity.tolist()
    [[0.5, 0.0], [0.5, 0.0]]
    """
    chance = np.asarray(p, dtype=np.float64)
    _check_unit(chance, "a probability")
    sizes = np.asarray(severities, dtype=np.float64)
    if sizes.shape != (chance.size, 3):
        raise ValueError(f"severities must have shape ({chance.size}, 3), got {sizes.shape}")
    if not 0 <= rho <= 1:
        raise ScenarioError(f"the common correlation must lie in [0, 1], got {rho:g}")
    if draws < 1:
        raise ScenarioError("at least one draw is needed")
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((draws, 1))
    own = rng.standard_normal((draws, chance.size))
    latent = np.sqrt(rho) * common + np.sqrt(1.0 - rho) * own
    flags = latent <= stats.norm.ppf(chance)[None, :]
    severity = np.column_stack(
        [draw_pert(float(lo), float(mid), float(hi), draws, rng) for lo, mid, hi in sizes]
    ).reshape(draws, chance.size)
    return ScenarioDraws(flags, np.where(flags, severity, 0.0), np.full(draws, 1.0 / draws))


def sample_returns(
    sample: ScenarioDraws,
    engine: Callable[[Vector], Vector],
    *,
    noise: ArrayLike | None = None,
) -> Samples:
    """Run the scenario engine for every draw and add the horizon's ordinary noise.

    Parameters
    ----------
    sample
        From :func:`draw_scenarios`.
    engine
        Severities of shape (S,) → returns of shape (n,). It combines node shocks before it
        propagates, so scenario losses are never added here. Each distinct row runs once.
    noise
        Returns of shape (draws, n) to add, see :func:`draw_noise`.

    Examples
    --------
    >>> drawn = draw_scenarios([1.0], [[0.5, 0.5, 0.5]], 2, seed=7)
    >>> sample_returns(drawn, lambda s: np.array([-0.4 * s[0]])).returns.tolist()
    [[-0.2], [-0.2]]
    """
    distinct, at = np.unique(sample.severity, axis=0, return_inverse=True)
    run = np.array([np.asarray(engine(row), dtype=np.float64) for row in distinct])
    returns = run[at.reshape(-1)]
    if noise is not None:
        extra = np.asarray(noise, dtype=np.float64)
        if extra.shape != returns.shape:
            raise ValueError(f"noise must have shape {returns.shape}, got {extra.shape}")
        returns = returns + extra
    return Samples(np.maximum(-1.0, returns), sample.probabilities, sample.flags)


def draw_noise(
    loadings: ArrayLike, specific: ArrayLike, draws: int, *, seed: int, nu: float = 5.0
) -> Vector:
    """Draw Student-t returns with covariance B B' + D, of shape (draws, n).

    r = √((ν - 2)/χ²_ν) (B z + √D ε)

    Parameters
    ----------
    loadings, specific
        B F^(1/2) of shape (n, q) and D of shape (n,), scaled to the horizon.
    draws, seed
        Number of draws and the seed.
    nu
        Degrees of freedom above 2; ``inf`` for normal returns.

    Examples
    --------
    >>> draw_noise([[0.0]], [0.0], 2, seed=1).tolist()
    [[0.0], [0.0]]
    """
    if not nu > 2:
        raise ScenarioError(f"a Student-t with {nu:g} degrees of freedom has no covariance")
    B, D = np.asarray(loadings, dtype=np.float64), np.asarray(specific, dtype=np.float64)
    rng = np.random.default_rng(seed)
    normal = rng.standard_normal((draws, B.shape[1])) @ B.T
    normal += rng.standard_normal((draws, B.shape[0])) * np.sqrt(D)
    if np.isinf(nu):
        return normal
    return np.asarray(normal * np.sqrt((nu - 2.0) / rng.chisquare(nu, draws))[:, None])


# --- expected loss over scenarios ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ExpectedLoss:
    """Expected scenario loss and gain in basis points.

    Parameters
    ----------
    loss, gain
        Of each listing, of shape (n,), ≥ 0, never netted against each other.
    portfolio_loss, portfolio_gain
        The same for the portfolio, which nets names inside a scenario.
    contribution
        Part of ``portfolio_loss`` that each listing causes, of shape (n,); adds to it exactly.
    """

    loss: Vector
    gain: Vector
    portfolio_loss: float
    portfolio_gain: float
    contribution: Vector


def expected_loss(p: ArrayLike, returns: ArrayLike, w: ArrayLike) -> ExpectedLoss:
    """Probability-weighted loss of listings and portfolio over scenarios.

    S_i = 10⁴ Σ_s p_s max(0, -r_is),  G_i = 10⁴ Σ_s p_s max(0, r_is)
    S_p = 10⁴ Σ_s p_s max(0, -w'r_s),  contribution_i = 10⁴ Σ_{s: w'r_s < 0} p_s (-w_i r_is)

    Parameters
    ----------
    p
        Probabilities of shape (S,); scenarios needn't exclude each other.
    returns
        Signed returns of shape (S, n).
    w
        Weights of shape (n,).

    Examples
    --------
    >>> e = expected_loss([0.1, 0.2], [[-0.2, 0.1], [0.1, 0.1]], [0.5, 0.5])
    >>> round(e.portfolio_loss, 9), e.contribution.round(9).tolist(), e.loss.round(9).tolist()
    (50.0, [100.0, -50.0], [200.0, 0.0])
    """
    chance, r = _mixture(p, returns)
    weights = np.asarray(w, dtype=np.float64)
    total = r @ weights
    losing = chance * (total < 0)
    return ExpectedLoss(
        BASIS_POINTS * chance @ np.maximum(0.0, -r),
        BASIS_POINTS * chance @ np.maximum(0.0, r),
        float(BASIS_POINTS * chance @ np.maximum(0.0, -total)),
        float(BASIS_POINTS * chance @ np.maximum(0.0, total)),
        BASIS_POINTS * weights * (losing @ -r),
    )


# --- tail ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tail:
    """Value at risk and the mean loss beyond it, as positive losses."""

    var: float
    cvar: float


def gaussian_tail(mu: float, sigma: float, level: float) -> Tail:
    """Tail of a normal return.

    VaR = -μ + σ z_a,    CVaR = -μ + σ φ(z_a)/(1 - a)

    Source
    ------
    Rockafellar & Uryasev (2000).

    Examples
    --------
    >>> tail = gaussian_tail(0.01, 0.06, 0.95)
    >>> round(tail.var, 6), round(tail.cvar, 6)
    (0.088691, 0.113763)
    """
    _check_level(level)
    z = float(stats.norm.ppf(level))
    return Tail(-mu + sigma * z, -mu + sigma * float(stats.norm.pdf(z)) / (1.0 - level))


def student_t_tail(loc: float, scale: float, nu: float, level: float) -> Tail:
    """Tail of a Student-t return with a given *scale* (not standard deviation).

    CVaR = -loc + scale · t_ν(q)/(1 - a) · (ν + q²)/(ν - 1),  q the a-quantile

    Raises
    ------
    ScenarioError
        If ν isn't above 1: the tail has no mean.

    Examples
    --------
    >>> round(student_t_tail(0.0, 0.04, 4, 0.95).cvar, 6)
    0.128115
    """
    _check_level(level)
    if not nu > 1:
        raise ScenarioError(f"a Student-t with {nu:g} degrees of freedom has no tail mean")
    q = float(stats.t.ppf(level, nu))
    beyond = float(stats.t.pdf(q, nu)) / (1.0 - level) * (nu + q * q) / (nu - 1.0)
    return Tail(-loc + scale * q, -loc + scale * beyond)


def tail_weights(loss: ArrayLike, p: ArrayLike, level: float) -> Vector:
    """Probability of each draw inside the tail, worst first, the draw at VaR cut to fit.

    Σ q = 1 - a;  draws of one loss share what is left in proportion to p

    Parameters
    ----------
    loss, p
        Losses and probabilities of shape (draws,).
    level
        a in (0, 1).

    Examples
    --------
    >>> tail_weights([0.3, 0.1, 0.2], [0.2, 0.5, 0.3], 0.7).round(12).tolist()
    [0.2, 0.0, 0.1]
    """
    _check_level(level)
    losses, chance = np.asarray(loss, dtype=np.float64), np.asarray(p, dtype=np.float64)
    if losses.shape != chance.shape or losses.ndim != 1:
        raise ValueError(f"loss {losses.shape} and p {chance.shape} must be one-dimensional alike")
    if np.any(~(chance >= 0)) or abs(chance.sum() - 1.0) > 1e-9:
        raise ScenarioError("probabilities must be ≥ 0 and sum to 1")
    if not np.all(np.isfinite(losses)):
        raise ScenarioError("a loss is missing")
    values, at = np.unique(-losses, return_inverse=True)  # worst first
    mass = np.bincount(at, chance, minlength=values.size)
    before = np.cumsum(mass) - mass
    taken = np.clip(1.0 - level - before, 0.0, mass)
    taken[taken < ATOM_SLACK] = 0.0  # rounding of 1 - a opens no new atom
    part = np.divide(taken, mass, out=np.zeros_like(mass), where=mass > 0)
    return np.asarray(chance * part[at], dtype=np.float64)


def discrete_tail(loss: ArrayLike, p: ArrayLike, level: float) -> Tail:
    """Tail of a list of losses, splitting the atom at VaR.

    CVaR = Σ q loss / Σ q with q from :func:`tail_weights`; VaR = the smallest loss with q > 0

    Source
    ------
    Rockafellar & Uryasev (2002): the atom at VaR is split so that the tail has mass 1 - a.

    Examples
    --------
    >>> tail = discrete_tail([0.3, 0.1, 0.2], [0.2, 0.5, 0.3], 0.7)
    >>> tail.var, round(tail.cvar, 6)
    (0.2, 0.266667)
    """
    losses = np.asarray(loss, dtype=np.float64)
    q = tail_weights(losses, p, level)
    return Tail(float(losses[q > 0].min()), float(q @ losses / q.sum()))


def tail_attribution(loss: ArrayLike, p: ArrayLike, flags: ArrayLike, level: float) -> Vector:
    """Chance that each scenario happened, given that the portfolio is in its tail.

    P(s | tail) = Σ_d q_d Z_ds / Σ_d q_d

    Parameters
    ----------
    loss, p, level
        As in :func:`tail_weights`.
    flags
        Z of shape (draws, S).

    Returns
    -------
    numpy.ndarray
        Of shape (S,); scenarios overlap, so it needn't sum to 1.

    Examples
    --------
    >>> tail_attribution([0.3, 0.0], [0.1, 0.9], [[1], [0]], 0.8).round(12).tolist()
    [0.5]
    """
    q = tail_weights(loss, p, level)
    return np.asarray(q @ np.asarray(flags, dtype=np.float64) / q.sum(), dtype=np.float64)


def tail_contributions(returns: ArrayLike, p: ArrayLike, w: ArrayLike, level: float) -> Vector:
    """Part of the portfolio's CVaR that each name causes; they add up to it.

    c_i = Σ_d q_d (-w_i R_di) / Σ_d q_d

    Parameters
    ----------
    returns
        R of shape (draws, n).
    p, level
        As in :func:`tail_weights`.
    w
        Weights of shape (n,).

    Examples
    --------
    >>> tail_contributions([[-0.4, 0.1], [0.0, 0.0]], [0.5, 0.5], [0.5, 0.5], 0.5).tolist()
    [0.2, -0.05]
    """
    R, weights = np.asarray(returns, dtype=np.float64), np.asarray(w, dtype=np.float64)
    q = tail_weights(-(R @ weights), p, level)
    return np.asarray(-weights * (q @ R) / q.sum(), dtype=np.float64)


def _mixture(p: ArrayLike, L: ArrayLike) -> tuple[Vector, Vector]:
    chance, effect = np.asarray(p, dtype=np.float64), np.asarray(L, dtype=np.float64)
    _check_unit(chance, "a probability")
    if effect.ndim != 2 or effect.shape[0] != chance.size:
        raise ValueError(f"{chance.size} probabilities but returns of shape {effect.shape}")
    return chance, effect


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ScenarioError(f"a confidence level must lie between 0 and 1, got {level:g}")


def _check_unit(values: Vector, what: str) -> None:
    bad = ~((values >= 0) & (values <= 1))
    if bad.any():
        raise ScenarioError(f"{what} is {values[bad].flat[0]:g}; it must lie in [0, 1]")
