"""From definitions to the arrays that the engine runs: one row a case, each a set of scenarios at their severities.

Shocks are combined here, on nodes, before anything propagates: cuts of one cause are one cut, independent causes
multiply what is left. Losses are never added.

Symbols: D cases, S scenarios, n nodes; u place between low (0), base (½) and high (1) severity; ψ cut of a node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exposure.errors import ScenarioError
from exposure.scenarios.arrays import Vector
from exposure.scenarios.definitions import Mechanism, Range, ScenarioDefinition, Severity

Flags = NDArray[np.bool_]
Triple = tuple[float, float, float]
PLACE = {"low": 0.0, "base": 0.5, "high": 1.0}


@dataclass(frozen=True, slots=True)
class MarketCases:
    """One market in which lost supply may move to others, in every case.

    Parameters
    ----------
    market, node, benefit_factor
        Its name, the node whose loss it replaces, the factor that says whose revenue grows.
    share
        Share of the market that the substitutes have already, (lo, mid, hi).
    cut, reallocation, headroom, ramp_weeks
        ψ of the node, η, headroom and weeks to requalify, each of shape (D,).
    suppliers
        Nodes that make the substitute.
    """

    market: str
    node: str
    benefit_factor: str
    share: Triple
    cut: Vector
    reallocation: Vector
    headroom: Vector
    ramp_weeks: Vector
    suppliers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cases:
    """Everything that D cases do, before it propagates.

    Parameters
    ----------
    cut, start_week, ramp_weeks
        Node → values of shape (D,).
    horizon
        Weeks over which losses are averaged, of shape (D,).
    stock
        (node, customer or None) → weeks of stock (lo, mid, hi), of shape (D, 3).
    markets
        Where lost supply may move.
    revenue, price
        Factor → signed change of the revenue that it measures, and signed price return at a score of 1, of shape (D,).
    own_price
        Issuer → signed price return from entering a list, of shape (D,).
    years, priced
        How long the cuts in the chain last, and the part that prices hold already, (lo, mid, hi), of shape (D, 3).
    revenue_years
        Factor → how long its change of revenue lasts, (lo, mid, hi), of shape (D, 3).
    empty
        Cases in which nothing happens, of shape (D,).
    unmodelled
        Issuer → cases that touch it by an amount nobody states, of shape (D,).
    """

    cut: Mapping[str, Vector]
    start_week: Mapping[str, Vector]
    ramp_weeks: Mapping[str, Vector]
    horizon: NDArray[np.int64]
    stock: Mapping[tuple[str, str | None], Vector]
    markets: tuple[MarketCases, ...]
    revenue: Mapping[str, Vector]
    price: Mapping[str, Vector]
    own_price: Mapping[str, Vector]
    years: Vector
    revenue_years: Mapping[str, Vector]
    priced: Vector
    empty: Flags
    unmodelled: Mapping[str, Flags]

    @property
    def count(self) -> int:
        """Number of cases."""
        return int(self.horizon.size)

    def shocked(self, row: int) -> frozenset[str]:
        """Return the nodes that lose supply in a case."""
        return frozenset(name for name, values in self.cut.items() if values[row] > 0.0)


def single_cases(
    scenarios: Sequence[ScenarioDefinition], severities: Sequence[str]
) -> tuple[Flags, Vector]:
    """Return one case for each scenario at each severity, scenarios first: who happens and u, of shape (D, S)."""
    count, levels = len(scenarios), np.array([PLACE[name] for name in severities])
    happens = np.repeat(np.eye(count, dtype=np.bool_), levels.size, axis=0)
    return happens, np.asarray(happens * np.tile(levels, count)[:, None], dtype=np.float64)


def at_place(size: Severity, u: Vector) -> Vector:
    """Return a size at u: straight from low over base to high.

    Examples
    --------
    >>> at_place(Severity(0.1, 0.2, 0.5), np.array([0.0, 0.5, 0.75, 1.0])).round(12).tolist()
    [0.1, 0.2, 0.35, 0.5]
    """
    return np.asarray(np.interp(u, [0.0, 0.5, 1.0], [size.low, size.base, size.high]))


def build_cases(
    scenarios: Sequence[ScenarioDefinition],
    happens: Flags,
    u: Vector,
    *,
    mechanisms: Mapping[str, Mechanism],
    under: frozenset[tuple[str, str]],
    shares: Mapping[tuple[str, str], Triple],
    priced: Range,
    years: Vector | None = None,
) -> Cases:
    """Combine the scenarios of each case into one shock.

    ψ_node = 1 − Π_causes (1 − max_{scenarios of one cause} ψ),  revenue: losses alike, gains add

    Parameters
    ----------
    scenarios
        S definitions.
    happens, u
        Which happen in each case, and at what severity, of shape (D, S).
    mechanisms
        What entering a list does.
    under
        (issuer, mechanism) that hold already on the day: a repeated listing does less.
    shares
        (subject, measure) → share of the substitutes in their market.
    priced
        Part of the news that prices hold, where a scenario doesn't say.
    years
        Duration of each scenario in each case, of shape (D, S), in place of the definitions' intervals.

    Examples
    --------
    Two rules of one cause cut a node once; another cause cuts what is left.

    >>> from exposure.scenarios.definitions import NodeShock
    >>> def scenario(id, size, cause):
    ...     shock = NodeShock("hbm", Severity(size, size, size), cause, "")
    ...     return ScenarioDefinition(id, "", 1, "", "", "", "", "", 52, Range(1, 1, 1, ""), None, (shock,))
    >>> three = [scenario("a", 0.5, "rule"), scenario("b", 0.8, "rule"), scenario("c", 0.5, "quake")]
    >>> cases = build_cases(three, np.array([[1, 1, 0], [1, 1, 1]], dtype=bool), np.full((2, 3), 0.5),
    ...     mechanisms={}, under=frozenset(), shares={}, priced=Range(0, 0, 0, ""))
    >>> cases.cut["hbm"].round(12).tolist()
    [0.8, 0.9]
    """
    if happens.shape != u.shape or happens.shape[1] != len(scenarios):
        raise ValueError(f"happens {happens.shape} and u {u.shape} must be (cases, scenarios)")
    builder = _Builder(happens, u)
    for number, item in enumerate(scenarios):
        builder.add(number, item, mechanisms, under, shares)
    span = np.repeat(
        np.array([_triple(item.duration_years) for item in scenarios]).reshape(1, -1, 3),
        happens.shape[0],
        axis=0,
    )
    if years is not None:
        span = np.repeat(years[:, :, None], 3, axis=2)
    known = np.array([_triple(item.priced or priced) for item in scenarios]).reshape(-1, 3)

    def longest(taking_part: Sequence[bool]) -> Vector:
        on = happens & np.array(taking_part, dtype=np.bool_)
        return np.asarray((on[:, :, None] * span).max(axis=1, initial=0.0))

    factors = {shock.factor for item in scenarios for shock in item.revenue_shocks}
    least = np.where(happens[:, :, None], known[None], np.inf).min(axis=1, initial=np.inf)
    weeks = np.array([item.horizon_weeks for item in scenarios], dtype=np.int64)
    still = np.array([item.is_empty for item in scenarios], dtype=np.bool_)
    return Cases(
        cut=builder.cuts(),
        start_week=builder.earliest,
        ramp_weeks=builder.shortest,
        horizon=np.maximum(1, (happens * weeks).max(axis=1, initial=0)),
        stock=builder.stock,
        markets=builder.market_cases(),
        revenue={
            name: -_joined(losses) + gains for name, (losses, gains) in builder.revenue.items()
        },
        price={
            name: np.prod([1.0 + part for part in parts], axis=0) - 1.0
            for name, parts in builder.price.items()
        },
        own_price={
            name: np.prod([1.0 + part for part in parts], axis=0) - 1.0
            for name, parts in builder.own_price.items()
        },
        years=longest([_cuts_chain(item) for item in scenarios]),
        revenue_years={
            factor: longest(
                [any(s.factor == factor for s in item.revenue_shocks) for item in scenarios]
            )
            for factor in sorted(factors)
        },
        priced=np.where(np.isfinite(least), least, 0.0),
        empty=np.asarray(~(happens & ~still).any(axis=1), dtype=np.bool_),
        unmodelled=builder.unmodelled,
    )


@dataclass(slots=True)
class _Market:
    share: Triple
    reallocation: Vector
    headroom: Vector
    ramp: Vector
    suppliers: set[str]


class _Builder:
    """Collects what each scenario does in the cases in which it happens."""

    def __init__(self, happens: Flags, u: Vector) -> None:
        self.happens, self.u = happens, u
        self.rows = happens.shape[0]
        self.causes: dict[str, dict[str, Vector]] = {}
        self.earliest: dict[str, Vector] = {}
        self.shortest: dict[str, Vector] = {}
        self.stock: dict[tuple[str, str | None], Vector] = {}
        self.revenue: dict[str, tuple[list[Vector], Vector]] = {}
        self.price: dict[str, list[Vector]] = {}
        self.own_price: dict[str, list[Vector]] = {}
        self.markets: dict[tuple[str, str, str], _Market] = {}
        self.unmodelled: dict[str, Flags] = {}

    def add(
        self,
        number: int,
        item: ScenarioDefinition,
        mechanisms: Mapping[str, Mechanism],
        under: frozenset[tuple[str, str]],
        shares: Mapping[tuple[str, str], Triple],
    ) -> None:
        on, u = self.happens[:, number], self.u[:, number]
        for name in item.unmodelled:
            self.unmodelled[name] = (
                self.unmodelled.get(name, np.zeros(self.rows, dtype=np.bool_)) | on
            )
        for shock in item.node_shocks:
            cause = shock.cause or f"{item.id}:{shock.node}"
            self._cut(
                shock.node,
                cause,
                on * at_place(shock.severity, u),
                on,
                shock.start_week,
                shock.ramp_weeks,
            )
        for listing in item.listings:
            what = mechanisms[listing.mechanism]
            part = what.repeat if (listing.issuer, what.id) in under else 1.0
            loss = on * at_place(what.output_loss, u) * part
            cause = f"listing of {listing.issuer}: {what.id}"
            self._cut(listing.issuer, cause, loss, on, 1, 0.0)
            effect = on * at_place(what.price_effect, u) * part
            self.own_price.setdefault(listing.issuer, []).append(effect)
        for change in item.revenue_shocks:
            size = on * at_place(change.change, u)
            losses, gains = self.revenue.setdefault(change.factor, ([], np.zeros(self.rows)))
            losses.append(np.maximum(0.0, -size))
            gains += np.maximum(0.0, size)
        for reaction in item.price_effects:
            self.price.setdefault(reaction.factor, []).append(on * at_place(reaction.effect, u))
        for stock in item.stockpiles:
            weeks = np.asarray(on[:, None] * np.array(_triple(stock.weeks)), dtype=np.float64)
            key = (stock.node, stock.customer)
            held = self.stock.get(key)
            self.stock[key] = weeks if held is None else np.maximum(held, weeks)
        for sub in item.substitutions:
            key3 = (sub.market, sub.node, sub.benefit_factor)
            none = np.zeros(self.rows)
            share = shares.get((sub.subject, sub.measure), (0.0, 0.0, 0.0))
            draft = _Market(share, none, none, np.full(self.rows, np.inf), set())
            found = self.markets.setdefault(key3, draft)
            moved, room = at_place(sub.reallocation, u), at_place(sub.headroom, u)
            found.reallocation = np.maximum(found.reallocation, on * moved)
            found.headroom = np.maximum(found.headroom, on * room)
            found.ramp = np.minimum(found.ramp, np.where(on, sub.ramp_weeks, np.inf))
            found.suppliers |= set(sub.suppliers)

    def _cut(self, node: str, cause: str, size: Vector, on: Flags, start: int, ramp: float) -> None:
        if ((size < 0) | (size > 1)).any():
            raise ScenarioError(f"the cut of {node} lies outside 0..1")
        causes = self.causes.setdefault(node, {})
        causes[cause] = np.asarray(
            np.maximum(causes.get(cause, np.zeros(self.rows)), size), dtype=np.float64
        )
        first = np.where(on, float(start), np.inf)
        slow = np.where(on, ramp, np.inf)
        self.earliest[node] = np.asarray(np.minimum(self.earliest.get(node, first), first))
        self.shortest[node] = np.asarray(np.minimum(self.shortest.get(node, slow), slow))

    def cuts(self) -> dict[str, Vector]:
        for values in (self.earliest, self.shortest):
            least = 1.0 if values is self.earliest else 0.0
            for node in values:
                values[node] = np.where(np.isfinite(values[node]), values[node], least)
        return {
            node: _joined(list(causes.values())) for node, causes in sorted(self.causes.items())
        }

    def market_cases(self) -> tuple[MarketCases, ...]:
        cuts = self.cuts()
        none = np.zeros(self.rows)
        found: list[MarketCases] = []
        for (market, node, factor), row in sorted(self.markets.items()):
            found.append(
                MarketCases(
                    market,
                    node,
                    factor,
                    row.share,
                    np.where(row.reallocation > 0, cuts.get(node, none), 0.0),
                    row.reallocation,
                    row.headroom,
                    np.where(np.isfinite(row.ramp), row.ramp, 0.0),
                    tuple(sorted(row.suppliers)),
                )
            )
        return tuple(found)


def _joined(parts: Sequence[Vector]) -> Vector:
    """Return 1 − Π(1 − part): what independent causes take together."""
    return np.asarray(1.0 - np.prod([1.0 - part for part in parts], axis=0))


def _cuts_chain(item: ScenarioDefinition) -> bool:
    return bool(item.node_shocks or item.listings or item.substitutions)


def _triple(value: Range) -> Triple:
    return value.lo, value.mid, value.hi
