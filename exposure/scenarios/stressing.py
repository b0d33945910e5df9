"""The stress test: scenarios × severities → signed returns of listings and of the portfolio.

Companies that links, shocks or scores reach are *modelled*; the rest moves by conditional expectation under the risk
model and is labelled *inferred*; where there is no risk model it stays unknown, never zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from exposure.errors import check_names
from exposure.factors.catalog import Catalog
from exposure.portfolios.holdings import Book
from exposure.portfolios.trading_rules import load_trading_rules
from exposure.risk import RiskModel
from exposure.scenarios.arrays import Vector
from exposure.scenarios.cases import PLACE, Flags
from exposure.scenarios.definitions import Range, ScenarioDefinition
from exposure.scenarios.evaluating import evaluate
from exposure.scenarios.inference import Inference, infer_case
from exposure.scenarios.price_paths import price_paths
from exposure.scenarios.reading import scenario_definitions
from exposure.scenarios.results import portfolio_results
from exposure.scenarios.steps import (
    horizon_frame,
    listing_rows,
    market_frame,
    part_frame,
    step_frame,
)
from exposure.scenarios.weekly import HORIZONS
from exposure.scenarios.what_ifs import chosen_scenarios, combined, lasting, what_if
from exposure.scenarios.world import World, read_world
from exposure.schemas import (
    SEVERITIES,
    DataIssues,
    ScenarioReturns,
    empty,
    issue,
    issues_frame,
    validated,
)


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
        | scenario_id | severity | modelled_names | d | p_normal | p_t | extrapolation | fallback | d_blend |
        p_t_blend | result_blend |: how usual such returns are, and the same with the crisis window blended in.
    steps
        One row an issuer: output lost and won, revenue, leverage, earnings, duration, price through earnings, forced
        selling, price; each lo, mid, hi, the worse end first for signed figures.
    parts
        | scenario_id | severity | issuer_id | part | size |: what the revenue (or forced selling) is made of.
    horizons
        | scenario_id | severity | issuer_id | weeks | loss_lo | loss | loss_hi | growth |, mean up to each horizon.
    markets
        | scenario_id | severity | market | lost | pool | reallocated | unmet | shortage |, fractions of the market.
    paths
        | scenario_id | severity | listing_id | ret | daily_limit | limit_days | first_day | days |
    scenarios
        The definitions that were run, in the order of the rows.
    """

    as_of: date
    positions: pl.DataFrame
    portfolio: pl.DataFrame
    plausibility: pl.DataFrame
    issues: pl.DataFrame
    steps: pl.DataFrame = field(default_factory=pl.DataFrame)
    parts: pl.DataFrame = field(default_factory=pl.DataFrame)
    horizons: pl.DataFrame = field(default_factory=pl.DataFrame)
    markets: pl.DataFrame = field(default_factory=pl.DataFrame)
    paths: pl.DataFrame = field(default_factory=pl.DataFrame)
    scenarios: tuple[ScenarioDefinition, ...] = ()

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
    list_adds: Mapping[str, str | Sequence[str]] | None = None,
    duration: float | Range | None = None,
    combine: bool = False,
    risk: RiskModel | None = None,
) -> Shock:
    """Stress a portfolio.

    r_p = Σ_i w_i · r_i        with every r_i signed

    Parameters
    ----------
    scenarios
        Ids of the catalogue, ids of acts or of their events, or definitions built in code; by default all what-ifs of
        the catalogue. An empty list with ``node_shocks`` or ``list_adds`` runs only the what-if.
    node_shocks
        Node or issuer → change of its supply, e.g. ``{"hbm": -0.4}``: a scenario of its own called ``what_if``.
    list_adds
        Listing or issuer → mechanism, e.g. ``{"688256.SH": "entity_list"}``: part of the ``what_if``.
    duration
        Years that every scenario lasts, in place of its own interval.
    combine
        Let all of them happen at once: shocks meet on their nodes and propagate once.
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
        If a scenario, node, listing, mechanism or severity doesn't exist, or a combination has one part.
    ScenarioError
        If a what-if size lies outside −1..0, or a duration isn't possible.

    Examples
    --------
    >>> import exposure as ex
    >>> from datetime import date
    >>> book = ex.load_holdings("portfolios/ai-servers/holdings.csv", as_of=date(2025, 1, 24))
    >>> shock = ex.stress(book, ex.load_catalog(), ["gpu_export_ban"], severities=["base"])
    >>> shock.positions.filter(pl.col("listing_id") == "000977.SZ")["ret"].item() < 0
    True
    """
    check_names(severities, SEVERITIES, "severity")
    chosen = [
        item.as_known(book.as_of)
        for item in _chosen(catalog, scenarios, node_shocks or {}, list_adds or {})
    ]
    if combine:
        chosen = [combined(chosen)]
    if duration is not None:
        chosen = [lasting(item, duration) for item in chosen]
    columns = tuple(dict.fromkeys(part for item in chosen for part in (item.members or (item,))))
    world = read_world(book, catalog, columns)
    cases = world.cases(columns, *_rows(chosen, columns, severities))
    found = evaluate(world, cases, horizons=HORIZONS)
    keys = [(item.id, severity) for item in chosen for severity in severities]
    rows = listing_rows(world, keys, cases, found.effects)
    plausibility: list[dict[str, Any]] = []
    blended: dict[tuple[str, str], dict[str, float]] = {}
    notes = [*_early(chosen, book.as_of), *_unknown_markets(columns, world)]
    for row, (item, key) in enumerate(
        zip([s for s in chosen for _ in severities], keys, strict=True)
    ):
        answer = infer_case(
            world.listings,
            rows[key],
            risk,
            years=item.horizon_weeks / 52.0,
            assumptions=world.assumptions,
            empty=bool(cases.empty[row]),
        )
        plausibility.append(dict(zip(("scenario_id", "severity"), key, strict=True)) | answer.facts)
        blended[key] = answer.blended
        if answer.facts["fallback"]:
            notes.append(_fallback_issue(item, key[1], answer))
    positions = validated(
        pl.DataFrame(
            [rows[key][name] for key in keys for name in world.listings],
            schema=empty(ScenarioReturns).schema,
        ),
        ScenarioReturns,
    )
    weights = book.holdings.select("listing_id", "weight")
    results = portfolio_results(positions, weights, chosen, plausibility)
    boards = dict(
        catalog.master.listings.filter(pl.col("listing_id").is_in(world.listings))
        .select("listing_id", "board")
        .iter_rows()
    )
    return Shock(
        as_of=book.as_of,
        positions=positions,
        portfolio=results,
        plausibility=_with_blend(plausibility, blended, positions, weights),
        issues=issues_frame(notes) if notes else empty(DataIssues),
        steps=step_frame(world, keys, cases, found),
        parts=part_frame(world, keys, found.effects),
        horizons=horizon_frame(world, keys, found.network),
        markets=market_frame(keys, found.network),
        paths=price_paths(positions, boards, load_trading_rules(catalog.root), book.as_of),
        scenarios=tuple(chosen),
    )


def _rows(
    chosen: Sequence[ScenarioDefinition],
    columns: Sequence[ScenarioDefinition],
    severities: Sequence[str],
) -> tuple[Flags, Vector]:
    """Return one case for each scenario at each severity; a combination is a case in which all its members happen."""
    happens = np.array(
        [
            [part in (item.members or (item,)) for part in columns]
            for item in chosen
            for _ in severities
        ],
        dtype=np.bool_,
    ).reshape(-1, len(columns))
    place = np.array([PLACE[name] for _ in chosen for name in severities])
    return happens, np.asarray(happens * place[:, None], dtype=np.float64)


def _chosen(
    catalog: Catalog,
    scenarios: Sequence[str | ScenarioDefinition] | str | None,
    node_shocks: Mapping[str, float],
    list_adds: Mapping[str, str | Sequence[str]],
) -> list[ScenarioDefinition]:
    if isinstance(scenarios, str):
        scenarios = [scenarios]
    if scenarios is None:
        typed = bool(node_shocks or list_adds)
        scenarios = [] if typed else list(scenario_definitions(catalog).values())
    chosen = chosen_scenarios(catalog, scenarios)
    if node_shocks or list_adds:
        chosen.append(what_if(catalog, node_shocks, list_adds))
    return sorted(dict.fromkeys(chosen), key=lambda item: (item.kind, item.order, item.id))


_PLAUSIBILITY = {
    "scenario_id": pl.String,
    "severity": pl.String,
    "modelled_names": pl.Int64,
    "d": pl.Float64,
    "p_normal": pl.Float64,
    "p_t": pl.Float64,
    "extrapolation": pl.Float64,
    "fallback": pl.Boolean,
    "d_blend": pl.Float64,
    "p_t_blend": pl.Float64,
    "result_blend": pl.Float64,
}


def _with_blend(
    plausibility: Sequence[Mapping[str, Any]],
    blended: Mapping[tuple[str, str], dict[str, float]],
    positions: pl.DataFrame,
    weights: pl.DataFrame,
) -> pl.DataFrame:
    """Add the portfolio result that the blended covariance would give; null where there is no crisis window."""
    weight = dict(weights.iter_rows())
    given: dict[tuple[str, str], dict[str, float | None]] = {}
    for scenario, severity, name, ret in positions.select(
        "scenario_id", "severity", "listing_id", "ret"
    ).iter_rows():
        given.setdefault((scenario, severity), {})[name] = ret
    rows: list[dict[str, Any]] = []
    for facts in plausibility:
        key = (facts["scenario_id"], facts["severity"])
        result: float | None = None
        if facts["d_blend"] is not None:
            moved: dict[str, float | None] = {**given[key], **blended[key]}
            known = [(w, moved.get(name)) for name, w in sorted(weight.items())]
            result = sum(w * ret for w, ret in known if ret is not None)
        rows.append({**facts, "result_blend": result})
    return pl.DataFrame(rows, schema=_PLAUSIBILITY)


def _early(chosen: Sequence[ScenarioDefinition], day: date) -> list[dict[str, object]]:
    """Say which scenarios were set later than the day: their sizes are hindsight, and they have no probability."""
    later = [item for item in chosen if item.known_on is not None and day < item.known_on]
    return [
        issue(
            "warning",
            item.file or item.id,
            "scenario_set_later",
            f"{item.id} was set on {item.known_on}, after {day.isoformat()}: its sizes are hindsight,"
            " its probability is left out",
        )
        for item in later
    ]


def _unknown_markets(
    columns: Sequence[ScenarioDefinition], world: World
) -> list[dict[str, object]]:
    """Say which markets have no known share of the substitutes on the day: nobody's gain is known there."""
    missing = {
        (item.file or item.id, sub.market)
        for item in columns
        for sub in item.substitutions
        if world.shares.get((sub.subject, sub.measure), (0.0, 0.0, 0.0))[1] <= 0.0
    }
    return [
        issue(
            "warning",
            file,
            "market_unknown",
            f"no share of {market} is known on {world.as_of}: gains are unknown",
        )
        for file, market in sorted(missing)
    ]


def _fallback_issue(
    scenario: ScenarioDefinition, severity: str, answer: Inference
) -> dict[str, object]:
    return issue(
        "warning",
        scenario.file or scenario.id,
        "extrapolated",
        f"{scenario.id} {severity}: returns are {answer.facts['extrapolation']:.1f} times the usual size;"
        " names off the graph moved by market beta only",
    )
