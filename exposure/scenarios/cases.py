"""From definitions to the arrays that the engine runs: one row a case, each a set of scenarios at their severities.

Shocks are combined here, on nodes, before anything propagates: cuts of one cause are one cut, independent causes
multiply what is left. Losses are never added.

Symbols: D cases, S scenarios, n nodes; u place between low (0), base (½) and high (1) severity; ψ cut of a node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exposure.errors import ScenarioError
from exposure.scenarios.arrays import Vector
from exposure.scenarios.cuts import CauseCuts, NodeCut
from exposure.scenarios.definitions import (
    Mechanism,
    Range,
    ScenarioDefinition,
    Severity,
    Substitution,
)

Flags = NDArray[np.bool_]
Triple = tuple[float, float, float]
PLACE = {"low": 0.0, "base": 0.5, "high": 1.0}
WEEKS_PER_YEAR = 52.0
MID = 1


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
class CaseCut:
    """What one scenario cuts at one node by one cause, in every case.

    Parameters
    ----------
    size
        ψ in full, 0 where the scenario doesn't happen, of shape (D,).
    on
        Whether it happens, of shape (D,): a stated size of 0 is a size.
    years
        How long it lasts, (lo, mid, hi), of shape (D, 3).
    """

    node: str
    cause: str
    size: Vector
    on: Flags
    start_week: float
    ramp_weeks: float
    years: Vector

    def weeks(self, end: int) -> Vector:
        """Return the last week of the cut at one end of its duration, of shape (D,)."""
        return np.asarray(np.ceil(WEEKS_PER_YEAR * self.years[:, end]), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Cases:
    """Everything that D cases do, before it propagates.

    Parameters
    ----------
    happens, years
        Which of S scenarios happen, of shape (D, S), and how long each lasts, (lo, mid, hi), of shape (D, S, 3).
    chain
        Which scenarios cut something in the chain, of shape (S,).
    cuts
        By node, cause and scenario.
    horizon
        Weeks over which losses are averaged, of shape (D,).
    stock
        (node, customer or None) → weeks of stock (lo, mid, hi), of shape (D, 3).
    markets
        Where lost supply may move.
    revenue
        Factor → (number of the scenario, signed change of the revenue that it measures, of shape (D,)).
    price
        Factor → signed price return at a score of 1, of shape (D,).
    own_price
        Issuer → signed price return from entering lists, of shape (D,).
    touched
        Factor, or issuer of ``own_price`` → cases in which a scenario speaks of it, of shape (D,).
    priced
        The part that prices hold already, (lo, mid, hi), of shape (D, 3).
    empty
        Cases in which nothing happens, of shape (D,).
    unmodelled
        Issuer → cases that touch it by an amount nobody states, of shape (D,).
    """

    happens: Flags
    years: Vector
    chain: Flags
    cuts: tuple[CaseCut, ...]
    horizon: NDArray[np.int64]
    stock: Mapping[tuple[str, str | None], Vector]
    markets: tuple[MarketCases, ...]
    revenue: Mapping[str, tuple[tuple[int, Vector], ...]]
    price: Mapping[str, Vector]
    own_price: Mapping[str, Vector]
    touched: Mapping[str, Flags]
    priced: Vector
    empty: Flags
    unmodelled: Mapping[str, Flags]

    @property
    def count(self) -> int:
        """Number of cases."""
        return int(self.horizon.size)

    def full_cut(self, node: str) -> Vector:
        """Return ψ of a node in full, all causes together, of shape (D,)."""
        return _over_causes(
            [(cut.cause, cut.size) for cut in self.cuts if cut.node == node], self.count
        )

    def mean_cut(self, node: str, end: int) -> Vector:
        """Return the mean of ψ(t) over each case's horizon at one end of the durations, of shape (D,)."""
        return _mean_cut([cut for cut in self.cuts if cut.node == node], self.horizon, end)

    def shocked(self, row: int) -> frozenset[str]:
        """Return the nodes that a scenario of the case cuts, by however little."""
        return frozenset(cut.node for cut in self.cuts if cut.on[row])

    def rows(self, rows: Sequence[int]) -> Cases:
        """Return some of the cases."""
        at = np.asarray(rows, dtype=np.int64)

        def some(values: Mapping[Any, NDArray[Any]]) -> dict[Any, Any]:
            return {name: value[at] for name, value in values.items()}

        return Cases(
            happens=self.happens[at],
            years=self.years[at],
            chain=self.chain,
            cuts=tuple(
                replace(cut, size=cut.size[at], on=cut.on[at], years=cut.years[at])
                for cut in self.cuts
            ),
            horizon=self.horizon[at],
            stock=some(self.stock),
            markets=tuple(
                replace(
                    item,
                    cut=item.cut[at],
                    reallocation=item.reallocation[at],
                    headroom=item.headroom[at],
                    ramp_weeks=item.ramp_weeks[at],
                )
                for item in self.markets
            ),
            revenue={
                name: tuple((number, size[at]) for number, size in terms)
                for name, terms in self.revenue.items()
            },
            price=some(self.price),
            own_price=some(self.own_price),
            touched=some(self.touched),
            priced=self.priced[at],
            empty=self.empty[at],
            unmodelled=some(self.unmodelled),
        )


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
    >>> cases.full_cut("hbm").round(12).tolist()
    [0.8, 0.9]
    """
    if happens.shape != u.shape or happens.shape[1] != len(scenarios):
        raise ValueError(f"happens {happens.shape} and u {u.shape} must be (cases, scenarios)")
    span = np.repeat(
        np.array([item.duration_years.ends for item in scenarios]).reshape(1, -1, 3),
        happens.shape[0],
        axis=0,
    )
    if years is not None:
        span = np.repeat(np.asarray(years, dtype=np.float64)[:, :, None], 3, axis=2)
    builder = _Builder(happens, u, span)
    for number, item in enumerate(scenarios):
        builder.add(number, item, mechanisms, under, shares)
    known = np.array([(item.priced or priced).ends for item in scenarios]).reshape(-1, 3)
    least = np.where(happens[:, :, None], known[None], np.inf).min(axis=1, initial=np.inf)
    weeks = np.array([item.horizon_weeks for item in scenarios], dtype=np.int64)
    horizon = np.maximum(1, (happens * weeks).max(axis=1, initial=0))
    still = np.array([item.is_empty for item in scenarios], dtype=np.bool_)
    return Cases(
        happens=happens,
        years=span,
        chain=np.array([_cuts_chain(item) for item in scenarios], dtype=np.bool_),
        cuts=tuple(sorted(builder.found_cuts, key=lambda cut: (cut.node, cut.cause))),
        horizon=horizon,
        stock=builder.stock,
        markets=builder.market_cases(horizon),
        revenue={name: tuple(terms) for name, terms in sorted(builder.revenue.items())},
        price={name: _compound(parts) for name, parts in sorted(builder.price.items())},
        own_price={
            issuer: _compound(list(parts.values()))
            for issuer, parts in sorted(builder.own_price.items())
        },
        touched=builder.touched,
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

    def __init__(self, happens: Flags, u: Vector, years: Vector) -> None:
        self.happens, self.u, self.years = happens, u, years
        self.rows = happens.shape[0]
        self.found_cuts: list[CaseCut] = []
        self.stock: dict[tuple[str, str | None], Vector] = {}
        self.revenue: dict[str, list[tuple[int, Vector]]] = {}
        self.price: dict[str, list[Vector]] = {}
        self.own_price: dict[str, dict[str, Vector]] = {}
        self.markets: dict[tuple[str, str, str], _Market] = {}
        self.touched: dict[str, Flags] = {}
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
            self._mark(self.unmodelled, name, on)
        for shock in item.node_shocks:
            cause = shock.cause or f"{item.id}:{shock.node}"
            size = on * at_place(shock.severity, u)
            self._cut(number, shock.node, cause, size, shock.start_week, shock.ramp_weeks)
        for listing in item.listings:
            what = mechanisms[listing.mechanism]
            part = what.repeat if (listing.issuer, what.id) in under else 1.0
            cause = f"listing of {listing.issuer}: {what.id}"
            loss = on * at_place(what.output_loss, u) * part
            self._cut(number, listing.issuer, cause, loss, 1.0, 0.0)
            self._own_price(listing.issuer, what.id, on * at_place(what.price_effect, u) * part)
            self._mark(self.touched, listing.issuer, on)
        for change in item.revenue_shocks:
            size = on * at_place(change.change, u)
            self.revenue.setdefault(change.factor, []).append((number, size))
            self._mark(self.touched, change.factor, on)
        for reaction in item.price_effects:
            self.price.setdefault(reaction.factor, []).append(on * at_place(reaction.effect, u))
            self._mark(self.touched, reaction.factor, on)
        for stock in item.stockpiles:
            weeks = np.asarray(on[:, None] * np.array(stock.weeks.ends), dtype=np.float64)
            key = (stock.node, stock.customer)
            held = self.stock.get(key)
            self.stock[key] = weeks if held is None else np.maximum(held, weeks)
        for sub in item.substitutions:
            self._market(sub, on, u, shares)

    def _mark(self, where: dict[str, Flags], name: str, on: Flags) -> None:
        where[name] = where.get(name, np.zeros(self.rows, dtype=np.bool_)) | on

    def _cut(
        self, number: int, node: str, cause: str, size: Vector, start: float, ramp: float
    ) -> None:
        if ((size < 0) | (size > 1)).any():
            raise ScenarioError(f"the cut of {node} lies outside 0..1")
        on, years = self.happens[:, number], self.years[:, number]
        self.found_cuts.append(CaseCut(node, cause, size, on, float(start), float(ramp), years))

    def _own_price(self, issuer: str, mechanism: str, effect: Vector) -> None:
        """Note a listing's price effect: however many scenarios list a company by one mechanism, it is listed once."""
        parts = self.own_price.setdefault(issuer, {})
        held = parts.get(mechanism)
        if held is not None:
            effect = np.where(np.abs(held) >= np.abs(effect), held, effect)
        parts[mechanism] = np.asarray(effect, dtype=np.float64)

    def _market(
        self, sub: Substitution, on: Flags, u: Vector, shares: Mapping[tuple[str, str], Triple]
    ) -> None:
        none = np.zeros(self.rows)
        share = shares.get((sub.subject, sub.measure), (0.0, 0.0, 0.0))
        draft = _Market(share, none, none, np.full(self.rows, np.inf), set())
        found = self.markets.setdefault((sub.market, sub.node, sub.benefit_factor), draft)
        moved, room = at_place(sub.reallocation, u), at_place(sub.headroom, u)
        found.reallocation = np.maximum(found.reallocation, on * moved)
        found.headroom = np.maximum(found.headroom, on * room)
        found.ramp = np.minimum(found.ramp, np.where(on, sub.ramp_weeks, np.inf))
        found.suppliers |= set(sub.suppliers)
        if share[MID] > 0.0:
            self._mark(self.touched, sub.benefit_factor, on)

    def market_cases(self, horizon: NDArray[np.int64]) -> tuple[MarketCases, ...]:
        found: list[MarketCases] = []
        for (market, node, factor), row in sorted(self.markets.items()):
            cut = _mean_cut([item for item in self.found_cuts if item.node == node], horizon, MID)
            found.append(
                MarketCases(
                    market,
                    node,
                    factor,
                    row.share,
                    np.where(row.reallocation > 0, cut, 0.0),
                    row.reallocation,
                    row.headroom,
                    np.where(np.isfinite(row.ramp), row.ramp, 0.0),
                    tuple(sorted(row.suppliers)),
                )
            )
        return tuple(found)


def _mean_cut(cuts: Sequence[CaseCut], horizon: NDArray[np.int64], end: int) -> Vector:
    """Return the mean of ψ(t) over each case's horizon, of shape (D,)."""
    timed = [
        NodeCut(0, cut.cause, cut.size, cut.start_week, cut.ramp_weeks, cut.weeks(end))
        for cut in cuts
    ]
    if not timed:
        return np.zeros(horizon.size)
    path = CauseCuts(1, horizon.size, tuple(timed))
    last = int(horizon.max())
    if path.constant_from(last) <= 1:
        return path.psi[:, 0]
    total = np.zeros(horizon.size)
    for week in range(1, last + 1):
        total += path.at(week)[0] * (week <= horizon)
    return np.asarray(total / horizon)


def _over_causes(sizes: Sequence[tuple[str, Vector]], rows: int) -> Vector:
    """Return 1 − Π over causes (1 − the largest of the cause)."""
    causes: dict[str, Vector] = {}
    for cause, size in sizes:
        held = causes.get(cause)
        causes[cause] = size if held is None else np.asarray(np.maximum(held, size))
    kept = np.ones(rows)
    for size in causes.values():
        kept = kept * (1.0 - size)
    return np.asarray(1.0 - kept)


def _compound(parts: Sequence[Vector]) -> Vector:
    return np.asarray(np.prod([1.0 + part for part in parts], axis=0) - 1.0)


def _cuts_chain(item: ScenarioDefinition) -> bool:
    return bool(item.node_shocks or item.listings or item.substitutions)
