"""Scenario definitions: named diffs over the baseline.

A scenario says which nodes lose how much, which revenues change, who may win what is lost, for how long, and how
likely a reader may think it. Sizes have a low, base and high severity, each with a reference.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date


@dataclass(frozen=True, slots=True)
class Range:
    """lo ≤ mid ≤ hi of a chosen number, with where it comes from."""

    lo: float
    mid: float
    hi: float
    reference: str
    basis: str = "analyst"

    @property
    def ends(self) -> tuple[float, float, float]:
        """(lo, mid, hi)."""
        return self.lo, self.mid, self.hi


@dataclass(frozen=True, slots=True)
class Severity:
    """A size at three severities."""

    low: float
    base: float
    high: float

    def at(self, severity: str) -> float:
        """Return the size at ``low``, ``base`` or ``high``."""
        return float(getattr(self, severity))

    def scaled(self, factor: float) -> Severity:
        """Return the sizes times ``factor``, for what-ifs."""
        return Severity(self.low * factor, self.base * factor, self.high * factor)


@dataclass(frozen=True, slots=True)
class NodeShock:
    """A node loses a fraction of its supply (or an issuer of its output)."""

    node: str
    severity: Severity
    cause: str
    reference: str
    ramp_weeks: float = 0.0
    start_week: int = 1


@dataclass(frozen=True, slots=True)
class Listing:
    """An issuer enters a list; what that does is read from the mechanism (``factors/mechanisms.toml``)."""

    issuer: str
    mechanism: str
    reference: str


@dataclass(frozen=True, slots=True)
class Stockpile:
    """Weeks of normal use of a node's supply that customers hold when the cut begins; ``customer`` None means all."""

    node: str
    customer: str | None
    weeks: Range


@dataclass(frozen=True, slots=True)
class Mechanism:
    """What entering a list does to the issuer itself: output that stops, and a price effect of forced selling.

    ``repeat`` is the part of the effect that is left where the issuer is under the mechanism already.
    """

    id: str
    name_zh: str
    name_en: str
    lists: tuple[str, ...]
    output_loss: Severity
    price_effect: Severity
    repeat: float
    reference: str


@dataclass(frozen=True, slots=True)
class RevenueShock:
    """The revenue that a factor measures changes by a signed fraction."""

    factor: str
    change: Severity
    reference: str


@dataclass(frozen=True, slots=True)
class PriceEffect:
    """A signed price return per unit of a factor's score, such as forced selling; reported apart from earnings."""

    factor: str
    effect: Severity
    reference: str


@dataclass(frozen=True, slots=True)
class Substitution:
    """Supply lost at ``node`` moves to domestic suppliers with headroom.

    ``subject`` and ``measure`` name the evidence of the domestic share of the market; ``benefit_factor`` is the share
    of an issuer's revenue that grows with it. ``suppliers`` are the nodes that make the substitute: what they can
    deliver under the scenario caps the gain. Customers need ``ramp_weeks`` to requalify.
    """

    market: str
    node: str
    subject: str
    measure: str
    benefit_factor: str
    reallocation: Severity
    headroom: Severity
    reference: str
    suppliers: tuple[str, ...] = ()
    ramp_weeks: float = 0.0


@dataclass(frozen=True, slots=True)
class ScenarioDefinition:
    """One scenario; ``probability`` is None where nobody states one.

    ``kind`` is ``what_if`` (may happen) or ``act`` (happened: the rule that ``event`` names, for replay). ``members``
    are the scenarios that a combination is made of. ``driver`` is 1 where an escalation makes it likelier, −1 where it
    makes it less likely, 0 where it leaves it alone. ``priced`` is the part that prices hold already.
    ``unmodelled`` names issuers that it surely touches by an amount nobody states: their returns stay unknown.
    ``known_on`` is the day on which sizes and probability were set: before it there is no probability.
    """

    id: str
    code: str
    order: int
    name_zh: str
    name_en: str
    narrative: str
    narrative_zh: str
    anchor: str
    horizon_weeks: int
    duration_years: Range
    probability: Range | None
    node_shocks: tuple[NodeShock, ...] = ()
    revenue_shocks: tuple[RevenueShock, ...] = ()
    price_effects: tuple[PriceEffect, ...] = ()
    substitutions: tuple[Substitution, ...] = ()
    listings: tuple[Listing, ...] = ()
    stockpiles: tuple[Stockpile, ...] = ()
    unmodelled: tuple[str, ...] = ()
    known_on: date | None = None
    kind: str = "what_if"
    event: str | None = None
    members: tuple[ScenarioDefinition, ...] = ()
    priced: Range | None = None
    driver: int = 1
    file: str = ""

    def as_known(self, day: date) -> ScenarioDefinition:
        """Return the scenario as of a day: nobody states its probability before the day on which it was set."""
        members = tuple(item.as_known(day) for item in self.members)
        early = self.known_on is not None and day < self.known_on
        return replace(self, probability=None if early else self.probability, members=members)

    @property
    def is_empty(self) -> bool:
        """Whether the scenario changes nothing."""
        if self.members:
            return all(item.is_empty for item in self.members)
        return not (
            self.node_shocks
            or self.revenue_shocks
            or self.price_effects
            or self.substitutions
            or self.listings
        )


@dataclass(frozen=True, slots=True)
class Assumptions:
    """Numbers of the bridge from revenue to price and of the network's time, shared by all scenarios."""

    growth: Range
    discount: Range
    kappa: Range
    priced: Range
    ev_over_equity: Range
    operating_leverage: Range
    wiped_out_below_margin: float
    lag_weeks: int
    ces_rho: Range
    extrapolation_limit: float
    crisis_weight: float
    dependence: Range
