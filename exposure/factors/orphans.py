"""Rows of the content that nothing uses, and references that only a reader would miss."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from exposure.factors.catalog import Catalog
from exposure.factors.coverage import load_coverage
from exposure.factors.derivations import references
from exposure.schemas import issue

Issue = dict[str, object]


def orphans(catalog: Catalog, scenarios: Mapping[str, Sequence[str]]) -> list[Issue]:
    """Return what nothing uses.

    Parameters
    ----------
    scenarios
        Scenario id → nodes, issuers, subjects and factors it names.

    Returns
    -------
    list
        Rows of :class:`~exposure.schemas.DataIssues`: sources that nothing cites, nodes, subjects and issuers that no
        row names, factors whose nodes no link reaches, scenario ids that don't exist, and (as information) how many
        evidence rows no score reads.
    """
    used = _ids_used(catalog, scenarios)
    found = [
        issue("warning", "factors/sources.csv", "orphan_source", f"nothing cites {name}", raw=name,
              cure="cite it or remove the row")
        for name in sorted(set(catalog.sources["source_id"]) - _cited(catalog))
    ]  # fmt: skip
    for file, column, frame in (
        ("factors/nodes.csv", "node_id", catalog.nodes),
        ("factors/subjects.csv", "subject_id", catalog.subjects),
        ("portfolios/reference/issuers.csv", "issuer_id", catalog.master.issuers),
    ):
        found += [
            issue("warning", file, f"orphan_{column.removesuffix('_id')}", f"no row names {name}", raw=name,
                  cure="use it or remove the row")
            for name in sorted(set(frame[column]) - used)
        ]  # fmt: skip
    found += _unreached(catalog)
    found += _unknown_scenarios(catalog, set(scenarios))
    unread = _unread(catalog)
    if unread:
        found.append(
            issue("info", "factors/evidence", "unread_evidence",
                  f"{sum(unread.values())} rows of {len(unread)} measures feed no score: context, statements, gaps")
        )  # fmt: skip
    return found


def _cited(catalog: Catalog) -> set[str]:
    frames = (catalog.evidence, catalog.links, catalog.events, catalog.list_links, catalog.screened, catalog.editions,
              catalog.master.ownership, catalog.master.listings)  # fmt: skip
    cited = {name for frame in frames for name in frame["source_id"].drop_nulls()}
    return cited | set(catalog.master.listings["isin_source"].drop_nulls())


def _ids_used(catalog: Catalog, scenarios: Mapping[str, Sequence[str]]) -> set[str]:
    used = {
        *catalog.evidence["subject"],
        *catalog.links["supplier"],
        *catalog.links["customer"],
        *catalog.list_links["issuer_id"],
        *catalog.master.listings["issuer_id"],
        *catalog.master.ownership["owner"],
        *catalog.master.ownership["owned"],
    }
    for column in ("issuers", "nodes"):
        used |= set(_split(catalog.events[column]))
    for factor in catalog.factors.values():
        used |= {*factor.capabilities, *factor.demand_pools}
    for frame in load_coverage(catalog).values():
        used |= {ref.partition(":")[2] for ref in _split(frame["refs"])}
    return used | {name for names in scenarios.values() for name in names}


def _split(texts: Iterable[str | None]) -> list[str]:
    return [part.strip() for text in texts if text for part in text.split(";")]


def _unreached(catalog: Catalog) -> list[Issue]:
    suppliers, customers = set(catalog.links["supplier"]), set(catalog.links["customer"])
    return [
        issue("info", factor.file, "unreached_node", f"{factor.id}: no link comes to {node}; its share is unknown",
              raw=node, cure="enter a link, or a disclosed share")
        for factor in catalog.factors.values()
        for nodes, reached in ((factor.capabilities, suppliers), (factor.demand_pools, customers))
        for node in nodes
        if node not in reached
    ]  # fmt: skip


def _unknown_scenarios(catalog: Catalog, known: set[str]) -> list[Issue]:
    return [
        issue("error", "factors/events.csv", "unknown_scenario", f"{event}: {name} is no scenario", raw=name,
              column="scenarios", cure="correct the id")
        for event, text in catalog.events.select("event_id", "scenarios").iter_rows()
        for name in _split([text])
        if name not in known
    ]  # fmt: skip


def _unread(catalog: Catalog) -> dict[str, int]:
    """Count, per measure, the usable rows that no factor, derivation or link formula reads."""
    read = {
        measure
        for factor in catalog.factors.values()
        for measure in [*factor.measures.values(), *factor.context]
    }
    named: set[str] = set()
    formulas: list[Any] = [*catalog.evidence["formula"].drop_nulls()]
    for column in ("formula", "output_formula", "sales_formula"):
        formulas += catalog.links[column].drop_nulls().to_list()
    for text in formulas:
        named |= set(references(text))
    rows = catalog.evidence.filter(
        ~pl.col("measure").is_in(sorted(read)) & ~pl.col("evidence_id").is_in(sorted(named))
    )
    return dict(rows.group_by("measure").len().sort("measure").iter_rows())
