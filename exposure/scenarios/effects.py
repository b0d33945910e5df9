"""What a scenario does to an issuer: output lost and won, revenue, earnings, price; each as an interval.

Symbols: ψ fraction of a node's supply lost; L output lost over the horizon; dR change of revenue; κ price reaction per
unit of modelled loss; ω value share of the years that the cut lasts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from exposure.scenarios.definitions import Assumptions, Range, ScenarioDefinition
from exposure.scenarios.substitution import waterfill
from exposure.scenarios.valuation import PRICE_FLOOR, duration_weight

Triple = tuple[float, float, float]
ZERO: Triple = (0.0, 0.0, 0.0)


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
class Effect:
    """The effect of one scenario at one severity on one issuer.

    ``loss`` and ``gain`` are fractions of output, ≥ 0; ``revenue`` is signed; ``price`` is a signed return. Each is
    (lo, mid, hi) with lo the worse end of price and revenue, the smaller of loss and gain. ``parts`` names the signed
    revenue or price part of each channel, at mid.
    """

    issuer_id: str
    known: bool
    loss: Triple = ZERO
    gain: Triple = ZERO
    revenue: Triple = ZERO
    price: Triple = ZERO
    earnings: float = 0.0
    wiped_out: bool = False
    channel: str | None = None
    parts: Mapping[str, float] = field(default_factory=dict[str, float])


def market_gain(share: Triple, cut: float, reallocation: float, headroom: float) -> Triple:
    """Return by how much the domestic suppliers of a market grow when foreign supply is cut.

    lost = (1 − d)·ψ,  pool = η·lost,  room = d·headroom,  gain = min(pool, room) / d        d domestic share

    Parameters
    ----------
    share
        d as (lo, mid, hi).
    cut
        ψ, fraction of the foreign supply lost.
    reallocation
        η, part of the lost supply that customers move.
    headroom
        Growth that domestic suppliers can deliver, fraction of their size.

    Returns
    -------
    tuple
        Growth of domestic suppliers (lo, mid, hi), fractions.

    Source
    ------
    Water-filling with headroom (methodology 3.4); equals it for one pool of survivors.

    Examples
    --------
    A fifth of the market is domestic; 80% of the rest is lost, 40% of that moves, domestic makers can grow by half.

    >>> market_gain((0.2, 0.2, 0.2), 0.8, 0.4, 0.5)[1]
    0.5
    """
    found: list[float] = []
    for domestic in share:
        if domestic <= 0.0 or cut <= 0.0:
            found.append(0.0)
            continue
        result = waterfill(
            supply=[1.0 - domestic, domestic],
            banned_share=[cut, 0.0],
            headroom=[0.0, headroom],
            reallocation_rate=reallocation,
        )
        found.append(float(result.gain[1]))
    return min(found), found[1], max(found)


def issuer_effect(
    facts: IssuerFacts,
    scenario: ScenarioDefinition,
    severity: str,
    loss: Triple | None,
    direct: float,
    market_gains: Mapping[str, Triple],
    assumptions: Assumptions,
) -> Effect:
    """Return the effect of a scenario on one issuer.

    dR = −L + Σ_m b·γ_m·(1 − L) + Σ_f x_f·c_f        r = ω·κ·(1 − p)·leverage·dR + Σ_f x_f·e_f, at least −1

    Parameters
    ----------
    loss
        L from propagation as (lo, mid, hi), or None where no link or shock reaches the issuer.
    direct
        The shock on the issuer itself.
    market_gains
        Benefit factor → growth γ of the domestic suppliers of the market.

    Missing values
        A channel whose score has no mid adds nothing to the mid and its bounds to lo and hi; an issuer that no channel
        with a mid reaches is not ``known``, and is left to the risk model.
    """
    lost = loss or ZERO
    parts: dict[str, float] = {}
    known = loss is not None
    low, mid, high = -lost[2], -lost[1], -lost[0]
    if lost[1] > 0:
        parts["direct" if direct >= lost[1] - 1e-12 else "upstream"] = -lost[1]
    gain = ZERO
    for factor, growth in market_gains.items():
        score = facts.scores.get(factor)
        if score is None:
            continue
        kept = (1.0 - lost[2], 1.0 - lost[1], 1.0 - lost[0])
        part = (
            score[0] * growth[0] * kept[0],
            (score[1] or 0.0) * growth[1] * kept[1],
            score[2] * growth[2] * kept[2],
        )
        gain = (gain[0] + part[0], gain[1] + part[1], gain[2] + part[2])
        known = known or score[1] is not None
        parts["gain"] = parts.get("gain", 0.0) + part[1]
    low, mid, high = low + gain[0], mid + gain[1], high + gain[2]
    for shock in scenario.revenue_shocks:
        part, reached = _scaled(facts.scores.get(shock.factor), shock.change.at(severity))
        low, mid, high = low + part[0], mid + part[1], high + part[2]
        known = known or reached
        name = "gain" if part[1] > 0 else "demand"
        parts[name] = parts.get(name, 0.0) + part[1]
    low = max(-1.0, low)
    price = _price(
        (low, max(-1.0, mid), high), facts.leverage, scenario.duration_years, assumptions
    )
    for effect in scenario.price_effects:
        part, reached = _scaled(facts.scores.get(effect.factor), effect.effect.at(severity))
        price = (price[0] + part[0], price[1] + part[1], price[2] + part[2])
        known = known or reached
        parts["forced_selling"] = parts.get("forced_selling", 0.0) + part[1]
    earnings = mid * facts.leverage[1]
    floor = (
        max(PRICE_FLOOR, price[0]),
        max(PRICE_FLOOR, price[1]),
        max(PRICE_FLOOR, price[2]),
    )
    if not known:
        return Effect(facts.issuer_id, known=False, revenue=(low, 0.0, high), price=floor)
    return Effect(
        facts.issuer_id,
        known=True,
        loss=lost,
        gain=gain,
        revenue=(low, mid, high),
        price=floor,
        earnings=earnings,
        wiped_out=earnings <= -1.0 or (facts.thin_margin and mid < 0),
        channel=max(parts, key=lambda name: abs(parts[name])) if any(parts.values()) else None,
        parts=parts,
    )


def _scaled(score: tuple[float, float | None, float] | None, size: float) -> tuple[Triple, bool]:
    """Return score · size with the worse end first, and whether the score has a point (a known zero is one)."""
    if score is None:
        return ZERO, False
    ends = sorted((score[0] * size, score[2] * size))
    return (ends[0], (score[1] or 0.0) * size, ends[1]), score[1] is not None


def _price(revenue: Triple, leverage: Triple, years: Range, a: Assumptions) -> Triple:
    """Return the price return, worse end first: harm at its largest multiplier, gain at its smallest, and back."""

    def multiplier(t: float, kappa: float, priced: float, lever: float) -> float:
        return (
            duration_weight(t, a.growth.mid, a.discount.mid)
            * kappa
            * (1.0 - priced)
            * lever
            * a.ev_over_equity.mid
        )

    small = multiplier(years.lo, a.kappa.lo, a.priced.hi, leverage[0])
    middle = multiplier(years.mid, a.kappa.mid, a.priced.mid, leverage[1])
    large = multiplier(years.hi, a.kappa.hi, a.priced.lo, leverage[2])
    low = revenue[0] * (large if revenue[0] < 0 else small)
    high = revenue[2] * (large if revenue[2] > 0 else small)
    return low, revenue[1] * middle, high
