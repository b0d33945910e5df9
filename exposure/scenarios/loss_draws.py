"""How far an expected scenario loss moves when probabilities, severities and the bridge to prices are drawn.

What is drawn, each once for all names unless said:
    p_s     probability of a scenario ~ PERT(lo, mid, hi)
    u_s     severity ~ PERT(0, ½, 1), running straight from low (0) over base (½) to high (1)
    b_is    place inside the return's interval ~ PERT(ret_lo, ret, ret_hi): duration, price reaction, what was priced
            in, leverage, links. Part of it is common to all names of a scenario, the rest is a name's own.

An inferred return is a conditional mean, linear in the modelled ones: it moves with them. The interval around it is
ordinary noise of the horizon, which says nothing about an expected loss, so it is not drawn.

Symbols: S scenarios, n names; arrays of returns have the shape (S, 3, n), the middle axis low, base, high severity.
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from exposure.factors.draws import pert_beta
from exposure.scenarios.distribution import BASIS_POINTS
from exposure.scenarios.scenario_table import ScenarioTable

Vector = NDArray[np.float64]

COMMON = 0.5  # part of the variance of a place in the interval that all names of a scenario share
_KNOTS = np.linspace(-4.0, 4.0, 129)  # normal scores at which the inverse beta is tabled


@dataclass(frozen=True, slots=True)
class LossDraws:
    """Expected losses over draws, basis points: of names of shape (draws, n), of the portfolio of shape (draws,)."""

    names: Vector
    portfolio: Vector


def draw_losses(
    table: ScenarioTable, w: ArrayLike, *, draws: int, seed: int, common: float = COMMON
) -> LossDraws:
    """Draw expected losses of names and of a portfolio.

    S_i = 10⁴ Σ_s p_s max(0, −r_is),  S_p = 10⁴ Σ_s p_s max(0, −w'r_s),  place b_is from √c z_s + √(1 − c) z_is

    Parameters
    ----------
    table
        What may happen.
    w
        Weights of shape (n,); an unknown return adds nothing to the portfolio.
    draws, seed
        Number of draws and the seed: the same seed gives the same draws.
    common
        c in [0, 1]; 1 moves all names of a scenario together.

    Returns
    -------
    LossDraws
        A name without a return in some scenario has NaN.

    Source
    ------
    PERT: Malcolm et al. (1959). One common and one own normal score: one-factor Gaussian copula.

    Examples
    --------
    Nothing is open, so every draw is the point: 10⁴ · ½ · 2%.

    >>> r = np.full((1, 3, 1), -0.02)
    >>> table = ScenarioTable(["cut"], ["A"], np.full((1, 3), 0.5), r, r, r, np.array([[False]]))
    >>> draw_losses(table, [1.0], draws=2, seed=1).names.tolist()
    [[100.0], [100.0]]
    """
    if not 0.0 <= common <= 1.0:
        raise ValueError(f"the common part must lie in [0, 1], got {common:g}")
    weights = np.asarray(w, dtype=np.float64)
    losses = np.zeros((draws, len(table.names)))
    total = np.zeros(draws)
    keys = [crc32(name.encode()) for name in table.names]
    for s, scenario in enumerate(table.scenarios):
        key = crc32(scenario.encode())
        shared = np.random.default_rng([seed, key])
        lo, mid, hi = (float(p) for p in table.probability[s])
        chance = pert_beta(lo, mid, hi, draws, shared)
        severity = pert_beta(0.0, 0.5, 1.0, draws, shared)
        score = np.sqrt(common) * shared.standard_normal(draws)
        returns = _at(table.mid[s], severity)
        modelled = ~table.inferred[s] & np.isfinite(table.base[s])
        wide = modelled & (table.hi[s, 1] > table.lo[s, 1])
        for i in np.flatnonzero(wide):
            own = np.random.default_rng([seed, key, keys[i]]).standard_normal(draws)
            place = _place(table, s, int(i), score + np.sqrt(1.0 - common) * own)
            lower, upper = (_at(end[s][:, [i]], severity)[:, 0] for end in (table.lo, table.hi))
            middle = returns[:, i]
            returns[:, i] = middle + np.where(
                place < 0, place * (middle - lower), place * (upper - middle)
            )
        followers = table.inferred[s] & np.isfinite(table.base[s])
        if followers.any() and modelled.any():
            point = _at(table.mid[s][:, modelled], severity)
            returns[:, followers] *= _scale(returns[:, modelled], point)[:, None]
        returns = np.maximum(-1.0, returns)
        losses += BASIS_POINTS * chance[:, None] * np.maximum(0.0, -returns)
        together = np.nan_to_num(returns) @ weights
        total += BASIS_POINTS * chance * np.maximum(0.0, -together)
    return LossDraws(losses, total)


def _at(values: Vector, severity: Vector) -> Vector:
    """Return (low, base, high) of shape (3, n) at drawn severities, of shape (draws, n)."""
    low, base, high = values
    toward_base = np.minimum(2.0 * severity, 1.0)[:, None]
    toward_high = np.maximum(2.0 * severity - 1.0, 0.0)[:, None]
    return np.asarray(low + toward_base * (base - low) + toward_high * (high - base))


def _place(table: ScenarioTable, s: int, i: int, score: Vector) -> Vector:
    """Return where in the interval a return lies: −1 its worse end, 0 the point, 1 its better end.

    The shape is that of the PERT at base severity; the ends move with the severity.
    """
    lo, mid, hi = (float(end[s, 1, i]) for end in (table.lo, table.mid, table.hi))
    mode = min(1.0, max(0.0, (mid - lo) / (hi - lo)))
    inverse = special.betaincinv(1.0 + 4.0 * mode, 5.0 - 4.0 * mode, special.ndtr(_KNOTS))
    part = np.interp(score, _KNOTS, inverse)
    below = (part - mode) / mode if mode > 0 else np.zeros_like(part)
    above = (part - mode) / (1.0 - mode) if mode < 1 else np.zeros_like(part)
    return np.where(part < mode, below, above)


def _scale(drawn: Vector, point: Vector) -> Vector:
    """How much larger than their points the modelled returns are, draw by draw: d'm / m'm."""
    size = np.einsum("dn,dn->d", point, point)
    moved = np.einsum("dn,dn->d", drawn, point)
    return np.asarray(np.divide(moved, size, out=np.ones_like(size), where=size > 0))
