"""Scenario definitions from their TOML files: what-ifs in ``factors/scenarios``, acts in ``factors/scenarios/acts``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from exposure.content import ContentRoot, TomlFile
from exposure.errors import ContentError, Place
from exposure.factors.catalog import Catalog, load_facts
from exposure.scenarios.definitions import (
    Assumptions,
    Listing,
    Mechanism,
    NodeShock,
    PriceEffect,
    RevenueShock,
    ScenarioDefinition,
    Stockpile,
    Substitution,
)
from exposure.scenarios.fields import (
    day_of_file,
    names_of,
    not_below,
    number,
    range_of,
    reference_of,
    severity_of,
    whole,
)

if TYPE_CHECKING:
    from exposure.portfolios.securities.loading import MasterSource

ACT, WHAT_IF = "act", "what_if"
DRIVERS = {"escalation": 1, "none": 0, "easing": -1}
ACTS_FOLDER = "factors/scenarios/acts/"


def scenario_references(catalog: Catalog) -> dict[str, tuple[str, ...]]:
    """Return scenario id → the nodes, subjects and factors it names, for checks of the content."""
    return {
        item.id: tuple(
            dict.fromkeys(
                [
                    *(shock.node for shock in item.node_shocks),
                    *(shock.factor for shock in item.revenue_shocks),
                    *(effect.factor for effect in item.price_effects),
                    *(name for sub in item.substitutions for name in (sub.node, sub.subject)),
                    *(name for sub in item.substitutions for name in sub.suppliers),
                    *(listing.issuer for listing in item.listings),
                    *(stock.node for stock in item.stockpiles),
                ]
            )
        )
        for item in all_definitions(catalog).values()
    }


_KEYS = {
    "id", "code", "order", "name_zh", "name_en", "narrative", "narrative_zh", "anchor", "horizon_weeks",
    "duration_years", "probability", "node_shock", "revenue_shock", "price_effect", "substitution",
    "listing", "stockpile", "event", "priced", "driver", "unmodelled", "known_on",
}  # fmt: skip


def load_catalog(
    content: str | Path | ContentRoot | None = None, *, master: MasterSource | None = None
) -> Catalog:
    """Read and check all content: facts, factors, scenarios.

    Parameters
    ----------
    content
        A folder with ``factors/`` and ``portfolios/``; by default the content that came with the package, or the one
        named by ``EXPOSURE_CONTENT`` or ``exposure.toml``.
    master
        A security master of the user's own, beneath the shipped one: a file, a frame, or several.

    Raises
    ------
    ContentError
        With file and line of every fault.

    Examples
    --------
    >>> catalog = load_catalog()
    >>> "foundry_16nm_cut" in scenario_definitions(catalog)
    True
    """
    catalog = load_facts(content, master=master)
    all_definitions(catalog)
    load_assumptions(catalog.root)
    return catalog


def scenario_definitions(catalog: Catalog) -> dict[str, ScenarioDefinition]:
    """Return the what-ifs of a catalog in their stated order: what may happen, each with a probability if known.

    Raises
    ------
    ContentError
        Unknown key, node, factor, mechanism, event or measure; a size without a reference; an id that differs from its
        file name.
    """
    return {key: item for key, item in all_definitions(catalog).items() if item.kind == WHAT_IF}


def act_definitions(catalog: Catalog) -> dict[str, ScenarioDefinition]:
    """Return the acts of a catalog, each a rule that happened, in the order of the days on which they were known."""
    return {key: item for key, item in all_definitions(catalog).items() if item.kind == ACT}


def all_definitions(catalog: Catalog) -> dict[str, ScenarioDefinition]:
    """Return what-ifs, then acts.

    Raises
    ------
    ContentError
        As :func:`scenario_definitions`.
    """
    known_on = dict(catalog.events.select("event_id", "known_on").iter_rows())
    found = [_from_toml(file) for file in catalog.scenario_files]
    _check_references(catalog, found)
    ordered = sorted(
        found,
        key=lambda item: (
            item.kind != WHAT_IF,
            str(known_on.get(item.event)) if item.event else "",
            item.order,
            item.id,
        ),
    )
    return {item.id: item for item in ordered}


def load_mechanisms(root: ContentRoot) -> dict[str, Mechanism]:
    """Read ``factors/mechanisms.toml``: what entering a list does to an issuer."""
    file = root.read_toml("factors/mechanisms.toml")
    found: dict[str, Mechanism] = {}
    for key, row in file.data.items():
        names = {
            "name_zh",
            "name_en",
            "lists",
            "output_loss",
            "price_effect",
            "repeat",
            "reference",
        }
        file.check_keys(row, names, key)
        repeat = number(file, row, "repeat", key)
        loss = severity_of(file, file.need(row, "output_loss", key), "output_loss")
        price = severity_of(file, file.need(row, "price_effect", key), "price_effect")
        if not 0 <= repeat <= 1 or not 0 <= loss.low <= loss.base <= loss.high <= 1:
            raise file.error(
                f"{file.name}: {key} needs output_loss rising inside 0..1 and repeat inside 0..1",
                key,
            )
        found[key] = Mechanism(
            key,
            str(file.need(row, "name_zh", key)),
            str(file.need(row, "name_en", key)),
            names_of(file, row, "lists"),
            loss,
            price,
            repeat,
            reference_of(file, row, key),
        )
    return found


def load_assumptions(root: ContentRoot) -> Assumptions:
    """Read ``factors/assumptions.toml``."""
    file = root.read_toml("factors/assumptions.toml")
    ranges = (
        "growth",
        "discount",
        "kappa",
        "priced",
        "ev_over_equity",
        "operating_leverage",
        "ces_rho",
        "dependence",
    )
    numbers = ("wiped_out_below_margin", "lag_weeks", "extrapolation_limit", "crisis_weight")
    file.check_keys(file.data, {*ranges, *numbers})
    read = {name: range_of(file, file.need(file.data, name), name) for name in ranges}
    return Assumptions(
        **read,
        wiped_out_below_margin=float(file.need(file.data, "wiped_out_below_margin")),
        lag_weeks=int(file.need(file.data, "lag_weeks")),
        extrapolation_limit=float(file.need(file.data, "extrapolation_limit")),
        crisis_weight=float(file.need(file.data, "crisis_weight")),
    )


def _from_toml(file: TomlFile) -> ScenarioDefinition:
    data = file.data
    file.check_keys(data, _KEYS)
    stem = file.name.rsplit("/", 1)[-1].removesuffix(".toml")
    if file.need(data, "id") != stem:
        raise file.error(
            f"{file.name} has the id {data['id']!r}", "id", why=f"must be {stem!r}, the file's name"
        )
    probability = data.get("probability")
    act = file.name.startswith(ACTS_FOLDER)
    if act and (probability is not None or not data.get("event")):
        raise file.error(
            f"{file.name}: an act names its event and has no probability, since it happened",
            "event",
        )
    return ScenarioDefinition(
        id=data["id"],
        code=str(file.need(data, "code")),
        order=whole(file, {"order": data.get("order", 0)} if act else data, "order", 0),
        name_zh=file.need(data, "name_zh"),
        name_en=file.need(data, "name_en"),
        narrative=file.need(data, "narrative"),
        narrative_zh=file.need(data, "narrative_zh"),
        anchor=file.need(data, "anchor"),
        horizon_weeks=whole(file, data, "horizon_weeks", 1),
        duration_years=range_of(file, file.need(data, "duration_years"), "duration_years"),
        probability=None if probability is None else range_of(file, probability, "probability"),
        node_shocks=tuple(_node_shock(file, row) for row in data.get("node_shock", [])),
        revenue_shocks=tuple(_revenue_shock(file, row) for row in data.get("revenue_shock", [])),
        price_effects=tuple(_price_effect(file, row) for row in data.get("price_effect", [])),
        substitutions=tuple(_substitution(file, row) for row in data.get("substitution", [])),
        listings=tuple(_listing(file, row) for row in data.get("listing", [])),
        stockpiles=tuple(_stockpile(file, row) for row in data.get("stockpile", [])),
        kind=ACT if act else WHAT_IF,
        event=data.get("event"),
        driver=_driver(file),
        known_on=day_of_file(file, data.get("known_on")),
        unmodelled=names_of(file, data, "unmodelled"),
        priced=range_of(file, data["priced"], "priced") if "priced" in data else None,
        file=file.name,
    )


def _driver(file: TomlFile) -> int:
    word = file.data.get("driver", "escalation")
    if word not in DRIVERS:
        raise file.error(f"{file.name}: driver must be {', '.join(DRIVERS)}", "driver")
    return DRIVERS[word]


def _listing(file: TomlFile, row: dict[str, Any]) -> Listing:
    where = "listing"
    file.check_keys(row, {"issuer", "mechanism", "reference"}, where)
    issuer, mechanism = file.need(row, "issuer", where), file.need(row, "mechanism", where)
    return Listing(issuer, mechanism, reference_of(file, row, where))


def _stockpile(file: TomlFile, row: dict[str, Any]) -> Stockpile:
    where = "stockpile"
    file.check_keys(row, {"node", "customer", "weeks"}, where)
    weeks = range_of(file, file.need(row, "weeks", where), "stockpile.weeks")
    if weeks.lo < 0:
        raise file.error(f"{file.name}: a stockpile is negative", where)
    return Stockpile(file.need(row, "node", where), row.get("customer"), weeks)


def _node_shock(file: TomlFile, row: dict[str, Any]) -> NodeShock:
    where = "node_shock"
    names = {"node", "severity", "cause", "reference", "ramp_weeks", "start_week"}
    file.check_keys(row, names, where)
    severity = severity_of(file, file.need(row, "severity", where), "severity")
    if not 0 <= severity.low <= severity.base <= severity.high <= 1:
        raise file.error(
            f"{file.name}: severities must rise from low to high inside 0..1", "severity"
        )
    return NodeShock(
        file.need(row, "node", where),
        severity,
        str(row.get("cause", "")),
        reference_of(file, row, where),
        ramp_weeks=not_below(file, row, "ramp_weeks", 0.0),
        start_week=whole(file, {"start_week": row.get("start_week", 1)}, "start_week", 1),
    )


def _revenue_shock(file: TomlFile, row: dict[str, Any]) -> RevenueShock:
    where = "revenue_shock"
    file.check_keys(row, {"factor", "change", "reference"}, where)
    change = severity_of(file, file.need(row, "change", where), "change")
    return RevenueShock(file.need(row, "factor", where), change, reference_of(file, row, where))


def _price_effect(file: TomlFile, row: dict[str, Any]) -> PriceEffect:
    where = "price_effect"
    file.check_keys(row, {"factor", "effect", "reference"}, where)
    effect = severity_of(file, file.need(row, "effect", where), "effect")
    return PriceEffect(file.need(row, "factor", where), effect, reference_of(file, row, where))


def _substitution(file: TomlFile, row: dict[str, Any]) -> Substitution:
    where = "substitution"
    names = ("market", "node", "subject", "measure", "benefit_factor")
    extra = {"reallocation", "headroom", "reference", "suppliers", "ramp_weeks"}
    file.check_keys(row, {*names, *extra}, where)
    return Substitution(
        **{name: file.need(row, name, where) for name in names},
        reallocation=severity_of(file, file.need(row, "reallocation", where), "reallocation"),
        headroom=severity_of(file, file.need(row, "headroom", where), "headroom"),
        reference=reference_of(file, row, where),
        suppliers=names_of(file, row, "suppliers"),
        ramp_weeks=not_below(file, row, "ramp_weeks", 0.0),
    )


def _check_references(catalog: Catalog, scenarios: list[ScenarioDefinition]) -> None:
    nodes = set(catalog.nodes["node_id"]) | set(catalog.master.issuers["issuer_id"])
    facts = set(catalog.evidence.select("subject", "measure").iter_rows())
    issuers, events = set(catalog.master.issuers["issuer_id"]), set(catalog.events["event_id"])
    mechanisms = load_mechanisms(catalog.root)
    places: list[Place] = []
    for item in scenarios:
        places += [
            Place(item.file, "is no known node or issuer", column="node", value=name)
            for name in _nodes_of(item)
            if name not in nodes
        ]
        places += [
            Place(item.file, "is no known issuer", column="issuer", value=listing.issuer)
            for listing in item.listings
            if listing.issuer not in issuers
        ]
        places += [
            Place(item.file, "is no known issuer", column="unmodelled", value=name)
            for name in item.unmodelled
            if name not in issuers
        ]
        places += [
            Place(item.file, "is no mechanism", column="mechanism", value=listing.mechanism)
            for listing in item.listings
            if listing.mechanism not in mechanisms
        ]
        if item.event is not None and item.event not in events:
            places.append(Place(item.file, "is no event", column="event", value=item.event))
        factors = [s.factor for s in item.revenue_shocks] + [s.factor for s in item.price_effects]
        factors += [s.benefit_factor for s in item.substitutions]
        places += [
            Place(item.file, "is no known factor", column="factor", value=name)
            for name in factors
            if name not in catalog.factors
        ]
        places += [
            Place(item.file, "has no evidence", column="measure", value=f"{s.subject} {s.measure}")
            for s in item.substitutions
            if (s.subject, s.measure) not in facts
        ]
    if places:
        raise ContentError(
            f"the scenarios have {len(places)} broken references",
            places=places,
            cure="correct the id in the file",
        )


def _nodes_of(item: ScenarioDefinition) -> list[str]:
    """Return the nodes that a scenario names, each once."""
    found = [shock.node for shock in item.node_shocks]
    for sub in item.substitutions:
        found += [sub.node, *sub.suppliers]
    for stock in item.stockpiles:
        found += [stock.node, *([] if stock.customer is None else [stock.customer])]
    return list(dict.fromkeys(found))
