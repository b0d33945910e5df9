"""The facts of a day that every case is applied to: scores, margins, links, list status, shares of markets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import polars as pl

from exposure.factors.catalog import Catalog
from exposure.factors.definitions import MAIN
from exposure.factors.graph import SupplyGraph
from exposure.factors.scoring import day_of, score_issuers
from exposure.lists.status import in_force
from exposure.portfolios.holdings import Book
from exposure.scenarios.arrays import Vector
from exposure.scenarios.cases import Cases, Flags, build_cases, single_cases
from exposure.scenarios.definitions import Assumptions, Mechanism, ScenarioDefinition
from exposure.scenarios.effects import IssuerFacts, Triple
from exposure.scenarios.network_run import ChainEngine
from exposure.scenarios.reading import load_assumptions, load_mechanisms

COVER_FACTOR = "inventory_cover_weeks"


@dataclass(frozen=True)
class World:
    """What is known on the day of what scenarios may touch.

    Attributes
    ----------
    listings
        Holdings and benchmark names, sorted.
    issuer_of
        Listing → issuer, for those in the master.
    facts
        One entry an issuer, sorted by id.
    under
        (issuer, mechanism) in force on the day.
    scenarios
        What cases are made of, in the order of their columns.
    shares
        (subject, measure) → share of the substitutes in their market.
    """

    as_of: date
    listings: tuple[str, ...]
    issuer_of: Mapping[str, str]
    facts: tuple[IssuerFacts, ...]
    graph: SupplyGraph
    shares: Mapping[tuple[str, str], Triple]
    assumptions: Assumptions
    mechanisms: Mapping[str, Mechanism]
    under: frozenset[tuple[str, str]]
    scenarios: tuple[ScenarioDefinition, ...]

    @cached_property
    def singles(self) -> Cases | None:
        """Each of the world's scenarios alone at base severity, in their order."""
        if not self.scenarios:
            return None
        return self.cases(self.scenarios, *single_cases(self.scenarios, ["base"]))

    @cached_property
    def engine(self) -> ChainEngine:
        """The links of the day, ready to run cases."""
        covers = {
            item.issuer_id: score[2]
            for item in self.facts
            if (score := item.scores.get(COVER_FACTOR)) is not None and score[1] is not None
        }
        return ChainEngine(self.graph, self.assumptions.lag_weeks, self.assumptions.ces_rho, covers)

    @cached_property
    def bought_of(self) -> dict[str, dict[str, float]]:
        """Customer → supplier → share within the kind at the points, or an even part where nobody states one."""
        found: dict[str, dict[str, float]] = {}
        for item in self.engine.inputs:
            customer = self.graph.node_ids[item.customer]
            for node, share in zip(item.suppliers, item.shares, strict=True):
                name = self.graph.node_ids[node]
                part = share if share > 0 else 1.0 / len(item.suppliers)
                found.setdefault(customer, {})[name] = found.get(customer, {}).get(name, 0.0) + part
        return found

    def cases(
        self,
        scenarios: Sequence[ScenarioDefinition],
        happens: Flags,
        u: Vector,
        years: Vector | None = None,
    ) -> Cases:
        """Combine scenarios into cases; see :func:`exposure.scenarios.cases.build_cases`."""
        return build_cases(
            scenarios,
            happens,
            u,
            mechanisms=self.mechanisms,
            under=self.under,
            shares=self.shares,
            priced=self.assumptions.priced,
            years=years,
        )


def read_world(book: Book, catalog: Catalog, scenarios: Sequence[ScenarioDefinition]) -> World:
    """Return the world of a book on its day, with what the scenarios ask of it."""
    listings = set(book.holdings["listing_id"])
    if book.benchmark is not None:
        listings |= set(book.benchmark["listing_id"])
    master = dict(catalog.master.listings.select("listing_id", "issuer_id").iter_rows())
    issuer_of = {name: master[name] for name in sorted(listings) if name in master}
    issuers = sorted(set(issuer_of.values()))
    scores = score_issuers(catalog, issuers, book.as_of, _factors(catalog, scenarios))
    day = day_of(catalog, book.as_of)
    assumptions = load_assumptions(catalog.root)
    mechanisms = load_mechanisms(catalog.root)
    by_issuer: dict[str, dict[str, tuple[float, float | None, float]]] = {}
    for row in scores.filter(pl.col("basis") == MAIN).iter_rows(named=True):
        ends = (row["lo"], row["mid"], row["hi"])
        by_issuer.setdefault(row["issuer_id"], {})[row["factor_id"]] = ends
    return World(
        as_of=book.as_of,
        listings=tuple(sorted(listings)),
        issuer_of=issuer_of,
        facts=tuple(
            issuer_facts(issuer, by_issuer.get(issuer, {}), day.resolved, assumptions)
            for issuer in issuers
        ),
        graph=day.graph,
        shares={
            (sub.subject, sub.measure): _triple(day.resolved.get((sub.subject, sub.measure)))
            for item in scenarios
            for sub in item.substitutions
        },
        assumptions=assumptions,
        mechanisms=mechanisms,
        under=_under(catalog, book.as_of, mechanisms.values()),
        scenarios=tuple(scenarios),
    )


def _factors(catalog: Catalog, scenarios: Sequence[ScenarioDefinition]) -> list[str]:
    wanted = {shock.factor for item in scenarios for shock in item.revenue_shocks}
    wanted |= {effect.factor for item in scenarios for effect in item.price_effects}
    wanted |= {sub.benefit_factor for item in scenarios for sub in item.substitutions}
    if COVER_FACTOR in catalog.factors:
        wanted.add(COVER_FACTOR)
    return sorted(wanted)


def issuer_facts(
    issuer: str,
    scores: Mapping[str, tuple[float, float | None, float]],
    resolved: Mapping[tuple[str, str], Mapping[str, Any]],
    a: Assumptions,
) -> IssuerFacts:
    """Operating leverage = gross margin / net margin; on net profit it is an upper value, so lo is 1.

    A company that loses money, or earns next to nothing, has no percentage of earnings: any loss wipes them out.
    """
    gross = resolved.get((issuer, "gross_margin"))
    net = resolved.get((issuer, "net_margin"))
    fallback = a.operating_leverage.ends
    thin = net is not None and net["mid"] is not None and net["mid"] < a.wiped_out_below_margin
    if gross is None or net is None or not gross["mid"] or not net["mid"] or net["mid"] <= 0:
        return IssuerFacts(issuer, scores, fallback, "imputed", thin_margin=thin)
    mid = max(1.0, gross["mid"] / net["mid"])
    return IssuerFacts(issuer, scores, (1.0, mid, mid), "estimated", thin_margin=thin)


def _under(
    catalog: Catalog, as_of: date, mechanisms: Iterable[Mechanism]
) -> frozenset[tuple[str, str]]:
    """Return which issuers stand on which mechanism's lists themselves on the day."""
    links = catalog.list_links.filter(in_force(as_of) & (pl.col("relation") == "self"))
    held = set(links.select("issuer_id", "list_id").iter_rows())
    return frozenset(
        (issuer, item.id)
        for item in mechanisms
        for issuer, list_id in held
        if list_id in item.lists
    )


def _triple(record: Mapping[str, Any] | None) -> Triple:
    if record is None or record["mid"] is None:
        return (0.0, 0.0, 0.0)
    lo = record["mid"] if record["lo"] is None else record["lo"]
    hi = record["mid"] if record["hi"] is None else record["hi"]
    return (lo, record["mid"], hi)
