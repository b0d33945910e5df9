"""The stress test: scenarios × severities → signed returns of listings and of the portfolio.

Companies that links, shocks or scores reach are *modelled*; the rest moves by conditional expectation under the risk
model and is labelled *inferred*; where there is no risk model it stays unknown, never zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from exposure.errors import ScenarioError, check_names
from exposure.factors.catalog import Catalog
from exposure.factors.definitions import MAIN
from exposure.factors.graph import SupplyGraph
from exposure.factors.scoring import day_of, score_issuers
from exposure.portfolios.holdings import Book
from exposure.risk import RiskModel, as_matrices
from exposure.scenarios.definitions import (
    Assumptions,
    NodeShock,
    Range,
    ScenarioDefinition,
    Severity,
)
from exposure.scenarios.effects import Effect, IssuerFacts, Triple, issuer_effect, market_gain
from exposure.scenarios.inference import infer_returns
from exposure.scenarios.network_run import network_losses
from exposure.scenarios.reading import load_assumptions, scenario_definitions
from exposure.scenarios.results import portfolio_results
from exposure.schemas import (
    SEVERITIES,
    DataIssues,
    ScenarioReturns,
    empty,
    issue,
    issues_frame,
    validated,
)

WHAT_IF = "what_if"
T_DEGREES = 5.0


@dataclass(frozen=True, slots=True)
class Shock:
    """What scenarios do to a portfolio.

    Attributes
    ----------
    positions
        :class:`~exposure.schemas.ScenarioReturns` of holdings and benchmark names.
    portfolio
        :class:`~exposure.schemas.ScenarioResults`.
    plausibility
        | scenario_id | severity | modelled_names | d | p_normal | p_t | extrapolation | fallback |
    issuers
        | scenario_id | severity | issuer_id | loss | gain | revenue | earnings | price (lo, mid, hi each) | channel |
        wiped_out |
    """

    as_of: date
    positions: pl.DataFrame
    portfolio: pl.DataFrame
    plausibility: pl.DataFrame
    issuers: pl.DataFrame
    issues: pl.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """Return the portfolio results, ready for JSON."""
        return {"as_of": self.as_of.isoformat(), "rows": self.portfolio.to_dicts()}

    def _repr_html_(self) -> str:
        return str(self.portfolio._repr_html_())  # pyright: ignore[reportPrivateUsage] - the notebook protocol


def stress(
    book: Book,
    catalog: Catalog,
    scenarios: Sequence[str | ScenarioDefinition] | str | None = None,
    *,
    severities: Sequence[str] = SEVERITIES,
    node_shocks: Mapping[str, float] | None = None,
    risk: RiskModel | None = None,
) -> Shock:
    """Stress a portfolio.

    r_p = Σ_i w_i · r_i        with every r_i signed

    Parameters
    ----------
    scenarios
        Ids of the catalogue or definitions built in code; by default all of the catalogue. An empty list with
        ``node_shocks`` runs only the what-if.
    node_shocks
        Node or issuer → change of its supply, e.g. ``{"hbm": -0.4}``: a scenario of its own called ``what_if``.
    risk
        The risk model for names off the graph; without it they stay unknown.

    Returns
    -------
    Shock

    Missing values
        A listing that neither the graph nor the risk model reaches has null returns and counts in
        ``unmodelled_weight``.

    Raises
    ------
    UsageError
        If a scenario, node or severity doesn't exist.
    ScenarioError
        If a what-if size lies outside −1..0.
    """
    check_names(severities, SEVERITIES, "severity")
    chosen = _chosen(catalog, scenarios, node_shocks or {})
    world = _world(book, catalog, chosen)
    rows: list[dict[str, Any]] = []
    plausibility: list[dict[str, Any]] = []
    issuers: list[dict[str, Any]] = []
    notes: list[dict[str, object]] = []
    for scenario in chosen:
        for severity in severities:
            effects = _effects(world, scenario, severity)
            found, facts = _listing_returns(world, scenario, severity, effects, risk)
            rows += found
            plausibility.append(facts)
            issuers += [
                _issuer_row(scenario, severity, effect)
                for effect in effects.values()
                if effect.known
            ]
            if facts["fallback"]:
                notes.append(_fallback_issue(scenario, severity, facts))
    positions = validated(pl.DataFrame(rows, schema=empty(ScenarioReturns).schema), ScenarioReturns)
    results = portfolio_results(
        positions, book.holdings.select("listing_id", "weight"), chosen, plausibility
    )
    return Shock(
        as_of=book.as_of,
        positions=positions,
        portfolio=results,
        plausibility=pl.DataFrame(plausibility, schema=_PLAUSIBILITY),
        issuers=pl.DataFrame(issuers, schema=_ISSUERS),
        issues=issues_frame(notes) if notes else empty(DataIssues),
    )


@dataclass(frozen=True, slots=True)
class _World:
    """The day's facts that every scenario is applied to."""

    as_of: date
    listings: tuple[str, ...]
    issuer_of: Mapping[str, str]
    facts: Mapping[str, IssuerFacts]
    graph: SupplyGraph
    domestic_share: Mapping[tuple[str, str], Triple]
    assumptions: Assumptions


def _chosen(
    catalog: Catalog,
    scenarios: Sequence[str | ScenarioDefinition] | str | None,
    node_shocks: Mapping[str, float],
) -> list[ScenarioDefinition]:
    known = scenario_definitions(catalog)
    if isinstance(scenarios, str):
        scenarios = [scenarios]
    if scenarios is None:
        scenarios = [] if node_shocks else list(known)
    check_names([item for item in scenarios if isinstance(item, str)], known, "scenario")
    chosen = [known[item] if isinstance(item, str) else item for item in scenarios]
    if node_shocks:
        chosen.append(_what_if(catalog, node_shocks))
    return sorted(dict.fromkeys(chosen), key=lambda item: (item.order, item.id))


def _what_if(catalog: Catalog, node_shocks: Mapping[str, float]) -> ScenarioDefinition:
    nodes = set(catalog.nodes["node_id"]) | set(catalog.master.issuers["issuer_id"])
    check_names(node_shocks, nodes, "node")
    for node, size in node_shocks.items():
        if not -1.0 <= size <= 0.0:
            raise ScenarioError(
                f"the shock on {node} is {size:g}, but a node can lose between 0 and all of its supply",
                cure=f"--shock {node}=-0.4   (loses 40%)",
            )
    reference = "typed by the user"
    shocks = tuple(
        NodeShock(node, Severity(-size, -size, -size), "what-if", reference)
        for node, size in sorted(node_shocks.items())
    )
    text = ", ".join(f"{node} {size:+.0%}" for node, size in sorted(node_shocks.items()))
    return ScenarioDefinition(
        id=WHAT_IF,
        code="S?",
        order=1000,
        name_zh="假设情景",
        name_en="What-if",
        narrative=text,
        narrative_zh=text,
        anchor=reference,
        horizon_weeks=52,
        duration_years=Range(1.0, 2.0, 3.0, reference),
        probability=None,
        node_shocks=shocks,
    )


def _world(book: Book, catalog: Catalog, chosen: Sequence[ScenarioDefinition]) -> _World:
    listings = set(book.holdings["listing_id"])
    if book.benchmark is not None:
        listings |= set(book.benchmark["listing_id"])
    master = dict(catalog.master.listings.select("listing_id", "issuer_id").iter_rows())
    issuer_of = {name: master[name] for name in sorted(listings) if name in master}
    factors = sorted(
        {shock.factor for item in chosen for shock in item.revenue_shocks}
        | {effect.factor for item in chosen for effect in item.price_effects}
        | {sub.benefit_factor for item in chosen for sub in item.substitutions}
    )
    scores = score_issuers(catalog, sorted(set(issuer_of.values())), book.as_of, factors)
    day = day_of(catalog, book.as_of)
    assumptions = load_assumptions(catalog.root)
    by_issuer: dict[str, dict[str, tuple[float, float | None, float]]] = {}
    for row in scores.filter(pl.col("basis") == MAIN).iter_rows(named=True):
        by_issuer.setdefault(row["issuer_id"], {})[row["factor_id"]] = (
            row["lo"],
            row["mid"],
            row["hi"],
        )
    facts = {
        issuer: _issuer_facts(issuer, by_issuer.get(issuer, {}), day.resolved, assumptions)
        for issuer in sorted(set(issuer_of.values()))
    }
    shares = {
        (sub.subject, sub.measure): _triple(day.resolved.get((sub.subject, sub.measure)))
        for item in chosen
        for sub in item.substitutions
    }
    return _World(
        as_of=book.as_of,
        listings=tuple(sorted(listings)),
        issuer_of=issuer_of,
        facts=facts,
        graph=day.graph,
        domestic_share=shares,
        assumptions=assumptions,
    )


def _issuer_facts(
    issuer: str,
    scores: Mapping[str, tuple[float, float | None, float]],
    resolved: Mapping[tuple[str, str], Mapping[str, Any]],
    a: Assumptions,
) -> IssuerFacts:
    """Operating leverage = gross margin / net margin; on net profit it is an upper value, so lo is 1."""
    gross = resolved.get((issuer, "gross_margin"))
    net = resolved.get((issuer, "net_margin"))
    fallback = (a.operating_leverage.lo, a.operating_leverage.mid, a.operating_leverage.hi)
    if gross is None or net is None or not gross["mid"] or not net["mid"] or net["mid"] <= 0:
        return IssuerFacts(issuer, scores, fallback, "imputed", thin_margin=False)
    mid = max(1.0, gross["mid"] / net["mid"])
    thin = net["mid"] < a.wiped_out_below_margin
    return IssuerFacts(issuer, scores, (1.0, mid, mid), "estimated", thin_margin=thin)


def _triple(record: Mapping[str, Any] | None) -> Triple:
    if record is None or record["mid"] is None:
        return (0.0, 0.0, 0.0)
    lo = record["mid"] if record["lo"] is None else record["lo"]
    hi = record["mid"] if record["hi"] is None else record["hi"]
    return (lo, record["mid"], hi)


def _effects(world: _World, scenario: ScenarioDefinition, severity: str) -> dict[str, Effect]:
    sizes = {shock.node: shock.severity.at(severity) for shock in scenario.node_shocks}
    losses = network_losses(
        world.graph,
        sizes,
        scenario.horizon_weeks,
        world.assumptions.lag_weeks,
        world.assumptions.ces_rho,
    )
    gains: dict[str, Triple] = {}
    for sub in scenario.substitutions:
        growth = market_gain(
            world.domestic_share[(sub.subject, sub.measure)],
            sizes.get(sub.node, 0.0),
            sub.reallocation.at(severity),
            sub.headroom.at(severity),
        )
        old = gains.get(sub.benefit_factor, (0.0, 0.0, 0.0))
        gains[sub.benefit_factor] = (old[0] + growth[0], old[1] + growth[1], old[2] + growth[2])
    return {
        issuer: issuer_effect(
            facts,
            scenario,
            severity,
            losses.get(issuer),
            sizes.get(issuer, 0.0),
            gains,
            world.assumptions,
        )
        for issuer, facts in world.facts.items()
    }


def _listing_returns(
    world: _World,
    scenario: ScenarioDefinition,
    severity: str,
    effects: Mapping[str, Effect],
    risk: RiskModel | None,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    rows = {name: _row(world, scenario, severity, name, effects) for name in world.listings}
    facts: dict[str, Any] = {
        "scenario_id": scenario.id,
        "severity": severity,
        "modelled_names": 0,
        "d": None,
        "p_normal": None,
        "p_t": None,
        "extrapolation": None,
        "fallback": False,
    }
    modelled = [name for name, row in rows.items() if row["origin"] == "modelled"]
    facts["modelled_names"] = len(modelled)
    if scenario.is_empty or risk is None or not modelled:
        return list(rows.values()), facts
    loadings, specific = as_matrices(risk, world.listings)
    at = [i for i, name in enumerate(world.listings) if rows[name]["origin"] == "modelled"]
    values = np.array([rows[world.listings[i]]["ret"] for i in at])
    years = scenario.horizon_weeks / 52.0
    answer = infer_returns(
        loadings * np.sqrt(years),
        specific * years,
        at,
        values,
        extrapolation_limit=world.assumptions.extrapolation_limit,
        nu=T_DEGREES,
    )
    facts |= {
        "d": answer.distance,
        "p_normal": answer.p_normal,
        "p_t": answer.p_t,
        "extrapolation": answer.extrapolation,
        "fallback": answer.fallback,
    }
    for i, name in enumerate(world.listings):
        if rows[name]["origin"] == "none":
            mean = max(-1.0, float(answer.mean[i]))
            half = 1.645 * float(answer.sd[i])
            rows[name] |= {
                "ret": mean,
                "ret_lo": max(-1.0, mean - half),
                "ret_hi": mean + half,
                "origin": "inferred",
                "channel": "market_beta" if answer.fallback else "risk_model",
            }
    return list(rows.values()), facts


def _row(
    world: _World,
    scenario: ScenarioDefinition,
    severity: str,
    name: str,
    effects: Mapping[str, Effect],
) -> dict[str, Any]:
    issuer = world.issuer_of.get(name)
    effect = effects.get(issuer) if issuer else None
    row: dict[str, Any] = {
        "scenario_id": scenario.id,
        "severity": severity,
        "listing_id": name,
        "issuer_id": issuer,
        "ret": None,
        "ret_lo": None,
        "ret_hi": None,
        "output_loss": None,
        "output_gain": None,
        "origin": "none",
        "channel": None,
    }
    if scenario.is_empty:
        return row | {"ret": 0.0, "ret_lo": 0.0, "ret_hi": 0.0, "origin": "modelled"}
    if effect is None or not effect.known:
        return row
    return row | {
        "ret": effect.price[1],
        "ret_lo": effect.price[0],
        "ret_hi": effect.price[2],
        "output_loss": effect.loss[1],
        "output_gain": effect.gain[1],
        "origin": "modelled",
        "channel": effect.channel,
    }


_PLAUSIBILITY = {
    "scenario_id": pl.String,
    "severity": pl.String,
    "modelled_names": pl.Int64,
    "d": pl.Float64,
    "p_normal": pl.Float64,
    "p_t": pl.Float64,
    "extrapolation": pl.Float64,
    "fallback": pl.Boolean,
}
_ISSUERS = {
    "scenario_id": pl.String,
    "severity": pl.String,
    "issuer_id": pl.String,
    "loss": pl.Float64,
    "gain": pl.Float64,
    "revenue": pl.Float64,
    "revenue_lo": pl.Float64,
    "revenue_hi": pl.Float64,
    "earnings": pl.Float64,
    "price": pl.Float64,
    "price_lo": pl.Float64,
    "price_hi": pl.Float64,
    "channel": pl.String,
    "wiped_out": pl.Boolean,
}


def _issuer_row(scenario: ScenarioDefinition, severity: str, effect: Effect) -> dict[str, Any]:
    return {
        "scenario_id": scenario.id,
        "severity": severity,
        "issuer_id": effect.issuer_id,
        "loss": effect.loss[1],
        "gain": effect.gain[1],
        "revenue": effect.revenue[1],
        "revenue_lo": effect.revenue[0],
        "revenue_hi": effect.revenue[2],
        "earnings": effect.earnings,
        "price": effect.price[1],
        "price_lo": effect.price[0],
        "price_hi": effect.price[2],
        "channel": effect.channel,
        "wiped_out": effect.wiped_out,
    }


def _fallback_issue(
    scenario: ScenarioDefinition, severity: str, facts: Mapping[str, Any]
) -> dict[str, object]:
    return issue(
        "warning",
        scenario.file or scenario.id,
        "extrapolated",
        f"{scenario.id} {severity}: returns are {facts['extrapolation']:.1f} times the usual size;"
        " names off the graph moved by market beta only",
    )
