"""Scenarios made on the spot: a typed shock, a new listing, a combination, another duration, an act replayed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

from exposure.errors import ScenarioError, UsageError, check_names
from exposure.factors.catalog import Catalog
from exposure.scenarios.definitions import (
    Listing,
    NodeShock,
    Range,
    ScenarioDefinition,
    Severity,
)
from exposure.scenarios.reading import act_definitions, all_definitions, load_mechanisms

WHAT_IF = "what_if"
TYPED = "typed by the user"
LONGEST_NAME = 4  # scenarios that a combination is named after


def chosen_scenarios(
    catalog: Catalog, names: Sequence[str | ScenarioDefinition]
) -> list[ScenarioDefinition]:
    """Return definitions for ids of scenarios, ids of acts, ids of their events, or definitions as they are.

    Raises
    ------
    UsageError
        If a name doesn't exist, with the nearest that does.
    """
    known = all_definitions(catalog)
    by_event = {item.event: item for item in known.values() if item.event is not None}
    check_names(
        [name for name in names if isinstance(name, str)], [*known, *sorted(by_event)], "scenario"
    )
    found = [
        (known.get(name) or by_event[name]) if isinstance(name, str) else name for name in names
    ]
    return list(dict.fromkeys(found))


def what_if(
    catalog: Catalog,
    node_shocks: Mapping[str, float],
    list_adds: Mapping[str, str | Sequence[str]] | None = None,
) -> ScenarioDefinition:
    """Return a scenario of typed shocks and listings.

    Parameters
    ----------
    node_shocks
        Node or issuer → change of its supply, in [−1, 0].
    list_adds
        Listing or issuer → mechanism (or several) of ``factors/mechanisms.toml`` that it comes under; a company is
        listed once, by whichever of its lines it is named.

    Raises
    ------
    UsageError
        If a node, listing or mechanism doesn't exist.
    ScenarioError
        If a size lies outside −1..0.
    """
    issuers = set(catalog.master.issuers["issuer_id"])
    check_names(node_shocks, set(catalog.nodes["node_id"]) | issuers, "node")
    for node, size in node_shocks.items():
        if not -1.0 <= size <= 0.0:
            raise ScenarioError(
                f"the shock on {node} is {size:g}, but a node can lose between 0 and all of its supply",
                cure=f"--shock {node}=-0.4   (loses 40%)",
            )
    shocks = tuple(
        NodeShock(node, Severity(-size, -size, -size), f"what-if: {node}", TYPED)
        for node, size in sorted(node_shocks.items())
    )
    mechanisms = load_mechanisms(catalog.root)
    listing_of = dict(catalog.master.listings.select("listing_id", "issuer_id").iter_rows())
    listings: list[Listing] = []
    for name, mechanism in sorted((list_adds or {}).items()):
        check_names([name], {*listing_of, *issuers}, "listing")
        named = [mechanism] if isinstance(mechanism, str) else list(mechanism)
        check_names(named, mechanisms, "mechanism")
        listings += [Listing(listing_of.get(name, name), one, TYPED) for one in named]
    parts = [f"{node} {size:+.0%}" for node, size in sorted(node_shocks.items())]
    parts += [f"{item.issuer} → {mechanisms[item.mechanism].name_en}" for item in listings]
    text = ", ".join(parts)
    return ScenarioDefinition(
        id=WHAT_IF,
        code="S?",
        order=1000,
        name_zh="假设情景",
        name_en="What-if",
        narrative=text,
        narrative_zh=text,
        anchor=TYPED,
        horizon_weeks=52,
        duration_years=Range(1.0, 2.0, 3.0, TYPED),
        probability=None,
        node_shocks=shocks,
        listings=tuple(dict.fromkeys(listings)),
    )


def combined(scenarios: Sequence[ScenarioDefinition]) -> ScenarioDefinition:
    """Return one scenario in which all of these happen: shocks meet on their nodes and propagate once.

    Each part keeps its duration, and prices know no more of all than of the least known part. It has no probability:
    the parts' dependence decides that.

    Raises
    ------
    UsageError
        If fewer than two scenarios are given.

    Examples
    --------
    >>> import exposure as ex
    >>> both = combined(chosen_scenarios(ex.load_catalog(), ["hbm_ban", "gpu_export_ban"]))
    >>> both.id, [item.id for item in both.members]
    ('hbm_ban+gpu_export_ban', ['hbm_ban', 'gpu_export_ban'])
    """
    if len(scenarios) < 2:
        raise UsageError(
            "a combination needs at least two scenarios",
            cure="-s foundry_16nm_cut -s hbm_ban --combine",
        )
    longest = max(scenarios, key=lambda item: item.duration_years.mid).duration_years
    few = len(scenarios) <= LONGEST_NAME
    return ScenarioDefinition(
        id="+".join(item.id for item in scenarios) if few else f"combination_of_{len(scenarios)}",
        code="+".join(item.code for item in scenarios) if few else "S+",
        order=900,
        name_zh=" + ".join(item.name_zh for item in scenarios)
        if few
        else f"{len(scenarios)}个情景同时发生",
        name_en=" + ".join(item.name_en for item in scenarios)
        if few
        else f"{len(scenarios)} scenarios at once",
        narrative=" ".join(item.narrative for item in scenarios),
        narrative_zh="".join(item.narrative_zh for item in scenarios),
        anchor="; ".join(dict.fromkeys(item.anchor for item in scenarios)),
        horizon_weeks=max(item.horizon_weeks for item in scenarios),
        duration_years=longest,
        probability=None,
        members=tuple(scenarios),
    )


def lasting(item: ScenarioDefinition, years: float | Range) -> ScenarioDefinition:
    """Return the scenario with another duration.

    Raises
    ------
    ScenarioError
        If the duration is negative or missing.
    """
    span = years if isinstance(years, Range) else Range(years, years, years, TYPED)
    if not 0 <= span.lo <= span.mid <= span.hi:
        raise ScenarioError(
            f"a duration of {span.lo:g} to {span.hi:g} years isn't possible", cure="--duration 3y"
        )
    members = tuple(lasting(member, span) for member in item.members)
    return replace(item, duration_years=span, members=members)


def act_of(catalog: Catalog, event: str) -> tuple[ScenarioDefinition, date]:
    """Return the act of an event, and the last day on which nobody could know of it.

    Parameters
    ----------
    event
        Id of a row of ``factors/events.csv``, or of the act.

    Raises
    ------
    UsageError
        If there is no such act, or the first public day of its event is unknown.

    Examples
    --------
    >>> import exposure as ex
    >>> act, eve = act_of(ex.load_catalog(), "US-2024-12-02-FDP-HBM")
    >>> eve.isoformat()
    '2024-12-01'
    """
    acts = act_definitions(catalog)
    by_event = {item.event: item for item in acts.values()}
    check_names([event], [*acts, *sorted(str(name) for name in by_event)], "act")
    act = acts.get(event) or by_event[event]
    known_on = dict(catalog.events.select("event_id", "known_on").iter_rows()).get(act.event)
    if known_on is None:
        raise UsageError(
            f"the first public day of {act.event} is unknown, so it can't be replayed",
            cure="name a day with --as-of",
        )
    return act, known_on - timedelta(days=1)
