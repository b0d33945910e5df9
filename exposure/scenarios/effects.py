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
from exposure.scenarios.valuation import PRICE_FLOOR, duration_weights, price_per_earnings

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
    loss_weight, gain_weight
        ω of what is lost and of what is won in the chain, of shape (D, I, 3).
    """

    loss: Vector
    direct: Vector
    growth: Mapping[str, Vector]
    known: Flags
    loss_weight: Vector
    gain_weight: Vector


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
        ω at the short, middle and long duration, of the channels by their size.
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

    A loss of revenue takes from what earlier losses leave; each channel has the ω of its own scenarios.

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
    loss, known = _held(change.loss), change.known.copy()
    direct = np.minimum(change.direct, loss[..., MID])
    parts: dict[str, Vector] = {"direct": -direct, "upstream": direct - loss[..., MID]}
    left = 1.0 - loss[..., ::-1]  # of output, worse end first
    gain = np.zeros((*shape, 3))
    for factor, growth in sorted(change.growth.items()):
        score, _ = _scores(facts, factor)
        gain += score[None] * _held(growth) * left
    bridge = _Bridge(facts, cases, assumptions)
    bridge.add(-loss[..., ::-1], change.loss_weight)
    bridge.add(gain, change.gain_weight)
    parts["gain"] = gain[..., MID].copy()
    parts["demand"] = np.zeros(shape)
    for factor, terms in cases.revenue.items():
        score, _ = _scores(facts, factor)
        for number, size in terms:
            part = _scaled(score, size)
            lost = np.minimum(part, 0.0) * left
            left = left * (1.0 + np.minimum(part, 0.0))
            part = np.where(part < 0.0, lost, part)
            bridge.add(part, cases.years[:, number])
            parts["gain"] += np.maximum(0.0, part[..., MID])
            parts["demand"] += np.minimum(0.0, part[..., MID])
    forced = np.zeros((*shape, 3))
    for factor, size in cases.price.items():
        score, _ = _scores(facts, factor)
        forced = forced + _scaled(score, size)
    for factor, touched in cases.touched.items():
        _, scored = _scores(facts, factor)
        known |= scored[None] & touched[:, None]
    for at, item in enumerate(facts):
        listed = cases.own_price.get(item.issuer_id)
        if listed is not None:
            forced[:, at, :] += listed[:, None]
            known[:, at] |= cases.touched[item.issuer_id]
        if item.issuer_id in cases.unmodelled:
            known[:, at] &= ~cases.unmodelled[item.issuer_id]
    parts["forced_selling"] = forced[..., MID].copy()
    thin = np.array([item.thin_margin for item in facts], dtype=np.bool_)[None]
    price = np.maximum(PRICE_FLOOR, bridge.price + forced)
    earnings = _by_sign(bridge.revenue, *(bridge.lever[None, :, k] for k in (LO, MID, HI)))
    return Effects(
        loss=loss,
        gain=gain,
        revenue=bridge.revenue,
        earnings=earnings,
        weight=bridge.weight(),
        fundamental=bridge.price,
        forced=forced,
        price=price,
        known=known,
        wiped_out=known & ((earnings[..., MID] <= -1.0) | (thin & (bridge.revenue[..., MID] < 0))),
        parts=parts,
    )


class _Bridge:
    """Adds channels of revenue, each with its own duration, to revenue and to the price through earnings."""

    def __init__(self, facts: Sequence[IssuerFacts], cases: Cases, a: Assumptions) -> None:
        shape = (cases.count, len(facts), 3)
        self.cases, self.a = cases, a
        self.lever = np.array([item.leverage for item in facts]).reshape(-1, 3)
        self.revenue, self.price = np.zeros(shape), np.zeros(shape)
        self.sizes: list[tuple[Vector, Vector]] = []

    def add(self, part: Vector, weight_or_years: Vector) -> None:
        """Add a channel, (D, I, 3), the worse end first, with ω of shape (D, I, 3) or years of shape (D, 3)."""
        weight = weight_or_years
        if weight.ndim == 2:
            weight = duration_share(self.cases, weight, self.a)[:, None, :]
        kappa = (self.a.kappa.lo, self.a.kappa.mid, self.a.kappa.hi)
        small, middle, large = (
            self.lever[None, :, k]
            * price_per_earnings(
                weight[..., k],
                kappa[k],
                self.cases.priced[:, HI - k, None],
                self.a.ev_over_equity.mid,
            )
            for k in (LO, MID, HI)
        )
        self.revenue = self.revenue + part
        self.price = self.price + _by_sign(part, small, middle, large)
        self.sizes.append((np.abs(part[..., MID]), weight))

    def weight(self) -> Vector:
        """Return the ω that the channels had on average, weighted by their size at the points, of shape (D, I, 3)."""
        total = np.sum([size for size, _ in self.sizes], axis=0)
        mixed = np.sum([size[..., None] * weight for size, weight in self.sizes], axis=0)
        plain = np.broadcast_to(self.sizes[0][1], mixed.shape)
        share = np.divide(mixed, total[..., None], out=plain.copy(), where=total[..., None] > 0)
        return np.asarray(share)


def duration_share(cases: Cases, years: Vector, a: Assumptions) -> Vector:
    """Return ω of durations of shape (D, …, 3); a shorter cut is averaged over the horizon, so it weighs as that."""
    least = (cases.horizon / 52.0).reshape(-1, *([1] * (years.ndim - 1)))
    span = np.where(years > 0, np.maximum(years, least), 0.0)
    return duration_weights(span, a.growth.mid, a.discount.mid)


def shared_weight(cases: Cases, alone: Vector, a: Assumptions) -> Vector:
    """Return the ω of what several scenarios cause in the chain: the mean of theirs, weighted by what each does alone.

    ω_i = Σ_s z_s ω_s l_si / Σ_s z_s l_si;  the longest where none of them does anything alone

    Parameters
    ----------
    alone
        What each scenario does to each issuer on its own at base severity, ≥ 0, of shape (S, I).

    Returns
    -------
    numpy.ndarray
        Of shape (D, I, 3).
    """
    on = (cases.happens & cases.chain[None]).astype(np.float64)
    weight = duration_share(cases, cases.years, a)  # (D, S, 3)
    longest = np.max(on[:, :, None] * weight, axis=1, initial=0.0)
    # No BLAS here: its sums depend on how many cases run together, and a result must not.
    total = np.einsum("ds,si->di", on, alone)
    mixed = np.einsum("ds,dsk,si->dik", on, weight, alone)
    plain = np.repeat(longest[:, None, :], alone.shape[1], axis=1)
    several = (on.sum(axis=1) > 1)[:, None, None] & (total > 1e-12)[..., None]
    return np.asarray(np.divide(mixed, total[..., None], out=plain, where=several))


def _held(band: Vector) -> Vector:
    """Return (least, mid, largest) of three readings, the point as it is."""
    return np.stack([band.min(axis=2), band[..., MID], band.max(axis=2)], axis=2)


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
    return np.stack([np.einsum("dk,ik->di", part, mix) for part in (low, middle, high)], axis=2)


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


def _by_sign(revenue: Vector, small: Vector, middle: Vector, large: Vector) -> Vector:
    low, mid, high = (revenue[..., k] for k in (LO, MID, HI))
    ends = (
        low * np.where(low < 0, large, small),
        mid * middle,
        high * np.where(high > 0, large, small),
    )
    return np.stack(ends, axis=2)
