"""The distribution of returns over scenarios that may or may not happen, and its tail.

Symbols: p_s probability of scenario s over the horizon; L[s, i] signed return of name i if s
happens; a confidence level; a loss is minus a return.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import integrate, stats

from exposure.errors import ScenarioError
from exposure.factors.draws import pert_beta
from exposure.scenarios.arrays import check_finite, probabilities

Vector = NDArray[np.float64]
Flags = NDArray[np.bool_]
ENUMERATED_SCENARIOS = 16  # 65,536 joint outcomes; above it draws are the better description
BASIS_POINTS = 1e4
Z_90 = 1.6448536269514722  # half width of a 90% interval in standard deviations
ROUNDING = 1e-9  # how far probabilities may be from 1 in sum


@dataclass(frozen=True, slots=True)
class ScenarioMixture:
    """Moments of independent scenarios, and every joint outcome.

    Parameters
    ----------
    expected, variance
        Of the return of each name, of shape (n,).
    states, probability, returns
        Which scenarios happen, of shape (2^S, S), the last one changing fastest; how likely that
        is, of shape (2^S,); the return of each name, of shape (2^S, n).
    """

    expected: Vector
    variance: Vector
    states: Flags
    probability: Vector
    returns: Vector


@dataclass(frozen=True, slots=True)
class ScenarioDraws:
    """What happens in each draw, before anything propagates.

    Parameters
    ----------
    flags
        Z of shape (draws, S).
    severity
        Severity of each scenario in each draw, of shape (draws, S), 0 where it doesn't happen.
    probability
        Of shape (draws,), equal, summing to 1.
    """

    flags: Flags
    severity: Vector
    probability: Vector


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


def scenario_mixture(p: ArrayLike, L: ArrayLike) -> ScenarioMixture:
    """Return moments and joint outcomes of independent scenarios whose returns add.

    E = p'L,  Var = Σ_s p_s (1 − p_s) L_s²

    Parameters
    ----------
    p, L
        Probabilities of shape (S,) and returns of shape (S, n).

    Raises
    ------
    ScenarioError
        If a probability lies outside [0, 1], a return is missing, or there are more than 16
        scenarios.

    Source
    ------
    Moments of a sum of independent Bernoulli variables.

    Examples
    --------
    >>> out = scenario_mixture([0.5, 0.5], [[-0.1], [-0.3]])
    >>> out.expected.round(12).tolist(), out.returns[:, 0].round(12).tolist()
    ([-0.2], [0.0, -0.3, -0.1, -0.4])
    """
    chance, size = probabilities(p), np.asarray(L, dtype=np.float64)
    if size.ndim != 2 or size.shape[0] != chance.size:
        raise ValueError(f"L must have one row a scenario, got {size.shape} for {chance.size}")
    check_finite(size, "a scenario return")
    if chance.size > ENUMERATED_SCENARIOS:
        raise ScenarioError(
            f"{chance.size} scenarios have too many joint outcomes to list",
            cure=f"list at most {ENUMERATED_SCENARIOS}, or draw samples",
        )
    states = np.array(list(product((False, True), repeat=chance.size)), dtype=np.bool_)
    return ScenarioMixture(
        expected=chance @ size,
        variance=(chance * (1.0 - chance)) @ size**2,
        states=states,
        probability=np.where(states, chance, 1.0 - chance).prod(axis=1),
        returns=states.astype(np.float64) @ size,
    )


def gaussian_copula_joint(p: ArrayLike, rho: float) -> float:
    """Return the probability that all scenarios happen when one common factor drives them.

    P = ∫ φ(z) Π_s Φ((Φ⁻¹(p_s) − √ρ z) / √(1 − ρ)) dz

    Parameters
    ----------
    p
        Probabilities of shape (S,).
    rho
        Correlation of the normal scores of any two, in [0, 1]; for two scenarios in [−1, 1].

    Raises
    ------
    ScenarioError
        If a probability or the correlation lies outside its range.

    Source
    ------
    One-factor Gaussian copula; Vasicek 1987, Li 2000.

    Examples
    --------
    P = 1/4 + arcsin(ρ)/2π for two even chances.

    >>> round(gaussian_copula_joint([0.5, 0.5], 0.5), 9)
    0.333333333
    """
    chance = probabilities(p)
    if not (-1.0 if chance.size == 2 else 0.0) <= rho <= 1.0:
        raise ScenarioError(f"a correlation of {rho:g} can't hold among {chance.size} scenarios")
    if rho == 1.0:
        return float(chance.min())
    if rho == -1.0:
        return max(0.0, float(chance.sum()) - 1.0)
    loading = np.full(chance.size, np.sqrt(abs(rho)))
    if rho < 0.0:
        loading[1] = -loading[1]
    score = stats.norm.ppf(chance)
    spread = np.sqrt(1.0 - abs(rho))

    def integrand(z: float) -> float:
        inside = stats.norm.cdf((score - loading * z) / spread)
        return float(stats.norm.pdf(z) * inside.prod())

    # Near ρ = 1 the integrand has steps; telling where they begin and end keeps the quadrature from missing them.
    moved = loading != 0.0
    width = spread / np.abs(loading[moved])
    edges = (score[moved] / loading[moved])[:, None] + np.outer(width, [-8.0, -2.0, 0.0, 2.0, 8.0])
    steps = np.unique(edges[np.abs(edges) < 9.0]).tolist()
    value, _ = integrate.quad(
        integrand, -9.0, 9.0, points=steps or None, limit=400 + 2 * len(steps), epsabs=1e-12
    )
    return float(min(max(value, 0.0), 1.0))


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
    p: ArrayLike,
    severities: ArrayLike,
    draws: int,
    *,
    seed: int,
    rho: float = 0.0,
    signs: ArrayLike = 1.0,
) -> ScenarioDraws:
    """Draw which scenarios happen and how severely.

    scenario s happens where k_s √ρ M + √(1-ρ) ε_s ≤ Φ⁻¹(p_s),  M, ε ~ N(0, 1),  k_s = ±1

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
    signs
        k_s, one number or one a scenario: −1 for what an escalation makes less likely, 0 for what it leaves alone.

    Examples
    --------
    >>> sample = draw_scenarios([1.0, 0.0], [[0.5, 0.5, 0.5], [0.1, 0.2, 0.3]], 2, seed=7)
    >>> sample.severity.tolist()
    [[0.5, 0.0], [0.5, 0.0]]
    """
    chance = probabilities(p)
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
    sign = np.broadcast_to(np.asarray(signs, dtype=np.float64), (chance.size,))
    latent = sign * np.sqrt(rho) * common + np.sqrt(1.0 - rho * sign**2) * own
    flags = latent <= stats.norm.ppf(chance)[None, :]
    severity = np.column_stack(
        [pert_beta(float(lo), float(mid), float(hi), draws, rng) for lo, mid, hi in sizes]
    ).reshape(draws, chance.size)
    return ScenarioDraws(flags, np.where(flags, severity, 0.0), np.full(draws, 1.0 / draws))


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
    chance, r = probabilities(p), np.asarray(returns, dtype=np.float64)
    if r.ndim != 2 or r.shape[0] != chance.size:
        raise ValueError(f"returns must have one row a scenario, got {r.shape} for {chance.size}")
    check_finite(r, "a scenario return")
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
