"""What cases do to issuers: output lost and won, revenue, earnings, price; each as an interval, many cases at once.

Symbols: D cases, I issuers; L output lost over the horizon, Γ growth of what an issuer's benefit rests on; dR change of
revenue; κ price reaction per unit of modelled loss; p part already priced; ω value share of the years that it lasts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from exposure.factors.recipes import End
from exposure.scenarios.arrays import Vector
from exposure.scenarios.cases import Cases
from exposure.scenarios.definitions import Assumptions
from exposure.scenarios.valuation import PRICE_FLOOR, duration_weights

Flags = NDArray[np.bool_]
Triple = tuple[float, float, float]
LO, MID, HI = 0, 1, 2


@dataclass(frozen=True, slots=True)
class IssuerFacts:
    """What the bridge needs to know of an issuer.

    ``scores`` maps a factor to (lo, mid or None, hi); ``leverage`` is operating leverage (lo, mid, hi);
    ``thin_margin`` marks an EBIT margin so small that a percentage of earnings means nothing.
    """

    issuer_id: str
    scores: Mapping[str, tuple[float, float | None, float]]
    leverage: Triple
    leverage_origin: str
    thin_margin: bool


@dataclass(frozen=True, slots=True)
class OutputChange:
    """Output lost and what substitutes grow, before it reaches anybody's accounts.

    Parameters
    ----------
    loss
        L of shape (D, I, 3), fractions ≥ 0 from the least to the largest.
    direct
        Part of it that is a cut of the issuer itself, of shape (D, I).
    growth
        Benefit factor → Γ of shape (D, I, 3).
    known
        Whether L is known, of shape (D, I).
    """

    loss: Vector
    direct: Vector
    growth: Mapping[str, Vector]
    known: Flags


@dataclass(frozen=True, slots=True)
class Effects:
    """The effect of each case on each issuer, all of shape (D, I, 3) with the worse end first but for loss and gain.

    Parameters
    ----------
    loss, gain
        Fractions of output, ≥ 0, from the least to the largest.
    revenue
        dR, signed.
    earnings
        dE/E, signed.
    weight
        ω of cuts in the chain at the short, middle and long duration; of shape (D, 3).
    fundamental
        Price return through earnings, signed.
    forced
        Price return of selling that a ban forces, signed; apart from earnings.
    price
        Their sum, at least −1.
    known
        Whether any channel with a point reaches the issuer, of shape (D, I).
    wiped_out
        Whether a year's earnings are gone, or margins are too thin for a percentage, of shape (D, I).
    parts
        Channel → signed part at the points, of shape (D, I): of revenue, or of the price for forced selling.
    """

    loss: Vector
    gain: Vector
    revenue: Vector
    earnings: Vector
    weight: Vector
    fundamental: Vector
    forced: Vector
    price: Vector
    known: Flags
    wiped_out: Flags
    parts: Mapping[str, Vector] = field(default_factory=dict[str, Vector])

    def channel(self) -> list[list[str | None]]:
        """Return the name of the largest part of each case and issuer, None where nothing moves."""
        if not self.parts:
            return [[None] * self.known.shape[1] for _ in range(self.known.shape[0])]
        names = list(self.parts)
        sizes = np.stack([np.abs(self.parts[name]) for name in names])
        largest, moved = sizes.argmax(axis=0), sizes.max(axis=0) > 0
        return [
            [names[largest[d, i]] if moved[d, i] else None for i in range(largest.shape[1])]
            for d in range(largest.shape[0])
        ]


def issuer_effects(
    facts: Sequence[IssuerFacts], cases: Cases, change: OutputChange, assumptions: Assumptions
) -> Effects:
    """Bridge output to revenue, earnings and price.

    dR = −L + Σ_m b Γ_m (1 − L) + Σ_f x_f c_f        r = ω κ (1 − p) leverage dR EV/Eq + Σ_f x_f e_f + own, at least −1

    Parameters
    ----------
    facts
        I issuers.
    change
        From propagation and market clearing.

    Missing values
        A channel whose score has no mid adds nothing to the mid and its bounds to lo and hi; an issuer that no channel
        with a mid reaches is not ``known``, and is left to the risk model.

    Source
    ------
    Methodology 3.5. Gains are limited to the output that is still made.
    """
    shape = (cases.count, len(facts))
    loss = np.sort(change.loss, axis=2)
    known = change.known.copy()
    parts: dict[str, Vector] = {}
    upstream = np.where(change.direct >= loss[..., MID] - 1e-12, 0.0, loss[..., MID])
    parts["direct"] = -np.where(upstream > 0, 0.0, loss[..., MID])
    parts["upstream"] = -upstream
    revenue = -loss[..., ::-1]
    gain = np.zeros((*shape, 3))
    for factor, growth in sorted(change.growth.items()):
        score, scored = _scores(facts, factor)
        gain += score[None] * np.sort(growth, axis=2) * (1.0 - loss[..., ::-1])
        known |= scored[None] & (growth[..., HI] > 0).any(axis=1, keepdims=True)
    parts["gain"] = gain[..., MID].copy()
    lever = np.array([item.leverage for item in facts]).reshape(-1, 3)
    chain = np.maximum(-1.0, revenue + gain)
    weight = _weight(cases, cases.years, assumptions)
    revenue, fundamental = chain, _fundamental(chain, lever, weight, cases.priced, assumptions)
    for factor, size in sorted(cases.revenue.items()):
        score, scored = _scores(facts, factor)
        part = _scaled(score, size)
        own = _weight(cases, cases.revenue_years[factor], assumptions)
        revenue = revenue + part
        fundamental = fundamental + _fundamental(part, lever, own, cases.priced, assumptions)
        known |= scored[None] & (size != 0)[:, None]
        for name, sign in (("gain", 1.0), ("demand", -1.0)):
            parts[name] = parts.get(name, np.zeros(shape)) + sign * np.maximum(
                0.0, sign * part[..., MID]
            )
    revenue = np.stack(
        [np.maximum(-1.0, revenue[..., LO]), np.maximum(-1.0, revenue[..., MID]), revenue[..., HI]],
        axis=2,
    )
    earnings = _earnings(revenue, lever)
    forced = np.zeros((*shape, 3))
    for factor, size in sorted(cases.price.items()):
        score, scored = _scores(facts, factor)
        forced = forced + _scaled(score, size)
        known |= scored[None] & (size != 0)[:, None]
    for at, item in enumerate(facts):
        listed = cases.own_price.get(item.issuer_id)
        if listed is not None:
            forced[:, at, :] += listed[:, None]
            known[:, at] |= listed != 0
    parts["forced_selling"] = forced[..., MID].copy()
    for at, item in enumerate(facts):
        if item.issuer_id in cases.unmodelled:
            known[:, at] &= ~cases.unmodelled[item.issuer_id]
    thin = np.array([item.thin_margin for item in facts], dtype=np.bool_)[None]
    price = np.maximum(PRICE_FLOOR, fundamental + forced)
    return Effects(
        loss=loss,
        gain=gain,
        revenue=revenue,
        earnings=earnings,
        weight=weight,
        fundamental=fundamental,
        forced=forced,
        price=price,
        known=known,
        wiped_out=known & ((earnings[..., MID] <= -1.0) | (thin & (revenue[..., MID] < 0))),
        parts=parts,
    )


def growth_of_issuers(
    facts: Sequence[IssuerFacts],
    makers: Sequence[str],
    realised: Mapping[End, Vector],
    suppliers: Mapping[str, Mapping[str, float]],
) -> Vector:
    """Return how much of a market's growth reaches each issuer's domestic business.

    A maker has its own growth; a customer of makers the growth of its makers, weighted by what it buys of each; any
    other issuer the market's mean.

    Parameters
    ----------
    makers
        k nodes that make the substitute.
    realised
        Reading → growth delivered, of shape (D, k).
    suppliers
        Customer → maker → share of the customer's purchases from makers.

    Returns
    -------
    numpy.ndarray
        Γ of shape (D, I, 3).
    """
    first = next(iter(realised.values()))
    mix = np.full((len(facts), first.shape[1]), 1.0 / first.shape[1])
    at = {name: j for j, name in enumerate(makers)}
    for i, item in enumerate(facts):
        bought = {
            at[name]: part for name, part in suppliers.get(item.issuer_id, {}).items() if name in at
        }
        if item.issuer_id in at:
            bought = {at[item.issuer_id]: 1.0}
        if bought:
            mix[i] = 0.0
            for j, part in bought.items():
                mix[i, j] = part / sum(bought.values())
    middle = realised["mid"]
    low, high = realised.get("hi", middle), realised.get("lo", middle)
    return np.stack([part @ mix.T for part in (low, middle, high)], axis=2)


def _scores(facts: Sequence[IssuerFacts], factor: str) -> tuple[Vector, Flags]:
    """Return a factor's scores of shape (I, 3), and which have a point (a known zero is one)."""
    found = np.zeros((len(facts), 3))
    pointed = np.zeros(len(facts), dtype=np.bool_)
    for i, item in enumerate(facts):
        score = item.scores.get(factor)
        if score is not None:
            found[i] = (score[0], score[1] or 0.0, score[2])
            pointed[i] = score[1] is not None
    return found, pointed


def _scaled(score: Vector, size: Vector) -> Vector:
    """Return score · size of shape (D, I, 3), the worse end first."""
    ends = size[:, None, None] * score[None][..., [LO, HI]]
    ends.sort(axis=2)
    middle = size[:, None] * score[None][..., MID]
    return np.stack([ends[..., 0], middle, ends[..., 1]], axis=2)


def _weight(cases: Cases, years: Vector, a: Assumptions) -> Vector:
    """Return ω of shape (D, 3); a shorter cut is averaged over the horizon already, so it weighs as that does."""
    span = np.where(years > 0, np.maximum(years, cases.horizon[:, None] / 52.0), 0.0)
    return duration_weights(span, a.growth.mid, a.discount.mid)


def _fundamental(
    revenue: Vector, lever: Vector, weight: Vector, priced: Vector, a: Assumptions
) -> Vector:
    """Return the price through earnings: harm at its largest multiplier, gain at its smallest, and back."""
    kappa = (a.kappa.lo, a.kappa.mid, a.kappa.hi)
    scale = [
        (weight[:, k] * kappa[k] * (1.0 - priced[:, HI - k]) * a.ev_over_equity.mid)[:, None]
        for k in (LO, MID, HI)
    ]
    small, middle, large = (scale[k] * lever[None, :, k] for k in (LO, MID, HI))
    return _by_sign(revenue, small, middle, large)


def _earnings(revenue: Vector, lever: Vector) -> Vector:
    return _by_sign(revenue, *(lever[None, :, k] for k in (LO, MID, HI)))


def _by_sign(revenue: Vector, small: Vector, middle: Vector, large: Vector) -> Vector:
    low, mid, high = (revenue[..., k] for k in (LO, MID, HI))
    ends = (
        low * np.where(low < 0, large, small),
        mid * middle,
        high * np.where(high > 0, large, small),
    )
    return np.stack(ends, axis=2)
