"""One function a kind of factor. The docstring of each is its public explanation.

Every function answers for all issuers asked and all bases of the factor, and returns one :class:`Answer` each: an
issuer without evidence gets the widest interval its unit allows and no mid. Missing is never zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from exposure.factors.definitions import MAIN, FactorDefinition
from exposure.factors.evidence import widen
from exposure.factors.graph import SupplyGraph, Walk, links_on_the_way, walk

TRACED_ENOUGH = 0.5
TRACED_WELL = 0.9


@dataclass(frozen=True, slots=True)
class Context:
    """What the questions are asked of: one day's facts.

    ``resolved`` maps (subject, measure) to the settled evidence of :func:`exposure.factors.evidence.resolve`;
    ``list_status`` maps (issuer, list) to its row of :class:`~exposure.schemas.ListStatus`; ``screened`` holds the
    (issuer, list) pairs that a reviewer looked for.
    """

    as_of: date
    issuer_ids: tuple[str, ...]
    resolved: Mapping[tuple[str, str], Mapping[str, Any]]
    list_status: Mapping[tuple[str, str], Mapping[str, Any]]
    screened: frozenset[tuple[str, str]]
    graph: SupplyGraph


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of one factor and basis about one issuer."""

    issuer_id: str
    basis: str
    lo: float
    mid: float | None
    hi: float
    status: str
    grade: str | None = None
    tier: tuple[float, float, float, float] | None = None
    known_on: date | None = None
    age_days: int | None = None
    evidence_ids: tuple[str, ...] = field(default=())
    note: str | None = None


def disclosed_share(factor: FactorDefinition, context: Context) -> Iterable[Answer]:
    """Read a share, probability or stock straight from evidence of the factor's measure.

    The newest period counts; rows of one period are intersected; age widens the interval by
    √(half² + (σ_a·years)²). A bound without a point narrows the interval but leaves the mid unknown.
    """
    for basis, measure in factor.measures.items():
        for issuer in context.issuer_ids:
            record = context.resolved.get((issuer, measure))
            yield (
                _unknown(factor, issuer, basis)
                if record is None
                else _from_record(factor, issuer, basis, record, context.as_of)
            )


def walked_share(factor: FactorDefinition, context: Context) -> Iterable[Answer]:
    """Take one yuan of the issuer's cost and walk upstream by cost share until it first hits the factor's nodes.

    x = φ + diag(1−φ) A x. The mid is unknown where no link reaches the factor's nodes, where a link on the way has no
    point, or where less than half of the cost can be traced; between half and nine tenths it is given pro rata and
    marked imputed. Cost that no link explains counts as nothing in ``lo`` and as
    wholly exposed in ``hi``. A disclosed figure of the same flow replaces the walk where their intervals meet
    (methodology: reconcile, never add).
    """
    result = walk(context.graph, factor.capabilities)
    measure = factor.measures.get(MAIN)
    for issuer in context.issuer_ids:
        disclosed = context.resolved.get((issuer, measure)) if measure else None
        at = context.graph.index(issuer)
        if disclosed is not None and disclosed["mid"] is not None:
            yield _from_record(factor, issuer, MAIN, disclosed, context.as_of)
        elif at is None or not _has_links(context.graph, issuer):
            yield (
                _unknown(factor, issuer, MAIN)
                if disclosed is None
                else _from_record(factor, issuer, MAIN, disclosed, context.as_of)
            )
        else:
            yield _from_walk(factor, issuer, at, result, context)


def list_status(factor: FactorDefinition, context: Context) -> Iterable[Answer]:
    """Answer 1 where a reviewed link says that the issuer itself is on one of the factor's lists, with its dates.

    A listed parent or subsidiary is shown beside, but does not make the issuer listed. Zero needs evidence: an issuer
    that nobody screened is missing.
    """
    for issuer in context.issuer_ids:
        yield _status_answer(factor, issuer, context)


def hazard(factor: FactorDefinition, context: Context) -> Iterable[Answer]:
    """Answer 1 where a US capital-market measure is in force for the issuer, else the chance of one in 12 months.

    Without a sourced probability the interval is [0, 1] and the mid unknown.
    """
    disclosed = {answer.issuer_id: answer for answer in disclosed_share(factor, context)}
    for issuer in context.issuer_ids:
        listed = _listed(factor, issuer, context)
        yield (
            _in_force(issuer, listed)
            if listed
            else disclosed.get(issuer, _unknown(factor, issuer, MAIN))
        )


KIND_FUNCTIONS: Mapping[str, Callable[[FactorDefinition, Context], Iterable[Answer]]] = {
    "revenue_share": disclosed_share,
    "benefit": disclosed_share,
    "mitigant": disclosed_share,
    "cost_share": walked_share,
    "list_status": list_status,
    "hazard": hazard,
}


def _unknown(factor: FactorDefinition, issuer: str, basis: str, note: str | None = None) -> Answer:
    return Answer(issuer, basis, factor.lowest, None, factor.highest, "missing", note=note)


def _from_record(
    factor: FactorDefinition, issuer: str, basis: str, record: Mapping[str, Any], as_of: date
) -> Answer:
    ids = tuple(record["evidence_ids"])
    age = (as_of - record["valid_from"]).days
    if record["status"] == "not_applicable":
        return Answer(
            issuer,
            basis,
            0.0,
            0.0,
            0.0,
            "not_applicable",
            record["grade"],
            None,
            record["known_on"],
            age,
            ids,
        )
    lo = factor.lowest if record["lo"] is None else record["lo"]
    hi = factor.highest if record["hi"] is None else record["hi"]
    wide_lo, wide_hi = widen(lo, record["mid"], hi, age, factor.staleness_sd)
    lo = lo if record["lo"] is None else max(factor.lowest, wide_lo)
    hi = hi if record["hi"] is None else min(factor.highest, wide_hi)
    mid = record["mid"]
    note = "bounded by evidence; no point is known" if mid is None else None
    if record["conflict"]:
        lost = ", ".join(record["lost_ids"])
        note = f"contradicted by {lost}, kept beside it"
    status = "missing" if mid is None else record["status"]
    return Answer(
        issuer,
        basis,
        lo,
        mid,
        hi,
        status,
        record["grade"],
        None,
        record["known_on"],
        age,
        ids,
        note,
    )


def _has_links(graph: SupplyGraph, issuer: str) -> bool:
    return not graph.links.filter(pl.col("customer") == issuer).is_empty()


def _from_walk(
    factor: FactorDefinition, issuer: str, at: int, result: Walk, context: Context
) -> Answer:
    ids = links_on_the_way(context.graph, issuer, factor.capabilities)
    used = context.graph.links.filter(pl.col("customer") == issuer)
    on_way = context.graph.links.filter(pl.col("link_id").is_in(ids))
    rests_on = on_way if on_way.height else used
    traced = float(result.traced[at])
    reason = _why_unknown(factor, traced, on_way)
    note = reason or f"{traced:.0%} of cost traced"
    lo, hi = float(result.lo[at]), float(result.hi[at])
    known_on = _latest(rests_on, "known_on")
    age = (context.as_of - min(rests_on["valid_from"].to_list())).days
    ids = ids or sorted(used["link_id"])
    if reason is not None:
        return Answer(
            issuer, MAIN, lo, None, hi, "missing", None, None, known_on, age, tuple(ids), note
        )
    imputed = traced < TRACED_WELL or "imputed" in rests_on["status"].to_list()
    tier = result.tier[:, at]
    return Answer(
        issuer_id=issuer,
        basis=MAIN,
        lo=lo,
        mid=float(result.mid[at]),
        hi=hi,
        status="imputed" if imputed else "estimated",
        grade=max(rests_on["grade"].to_list()),
        tier=(float(tier[0]), float(tier[1]), float(tier[2]), float(tier[3])),
        known_on=known_on,
        age_days=age,
        evidence_ids=tuple(ids),
        note=note,
    )


def _why_unknown(factor: FactorDefinition, traced: float, on_way: pl.DataFrame) -> str | None:
    """Return why a walk gives no point, or None: zero needs evidence, and a gap on the way is no zero."""
    if on_way.is_empty():
        return f"no link reaches {', '.join(factor.capabilities)}: not known to be zero"
    gaps = on_way.filter(pl.col("mid").is_null())["link_id"].to_list()
    if gaps:
        return f"no point is known for {', '.join(gaps)}"
    if traced < TRACED_ENOUGH:
        return f"only {traced:.0%} of cost traced"
    return None


def _latest(rows: pl.DataFrame, column: str) -> date:
    days: list[date] = rows[column].to_list()
    return max(days)


def _listed(factor: FactorDefinition, issuer: str, context: Context) -> list[Mapping[str, Any]]:
    rows = [context.list_status.get((issuer, name)) for name in factor.lists]
    return [row for row in rows if row is not None and row["status"] == "listed"]


def _in_force(issuer: str, listed: list[Mapping[str, Any]]) -> Answer:
    ids = sorted(link for row in listed for link in row["link_ids"])
    known = max(row["known_on"] for row in listed)
    note = "; ".join(row["wording"] for row in listed)
    return Answer(issuer, MAIN, 1.0, 1.0, 1.0, "observed", "A", None, known, None, tuple(ids), note)


def _status_answer(factor: FactorDefinition, issuer: str, context: Context) -> Answer:
    listed = _listed(factor, issuer, context)
    if listed:
        return _in_force(issuer, listed)
    rows = [context.list_status.get((issuer, name)) for name in factor.lists]
    unresolved = [row for row in rows if row is not None and row["status"] == "unresolved"]
    unscreened = [name for name in factor.lists if (issuer, name) not in context.screened]
    related = [row for row in rows if row is not None and row["status"] == "related"]
    if unresolved or (unscreened and not related):
        reason = (
            "; ".join(row["wording"] for row in unresolved)
            or f"not screened on {', '.join(unscreened)}"
        )
        return _unknown(factor, issuer, MAIN, reason)
    ids = sorted(link for row in related for link in row["link_ids"])
    ids += [
        f"screened:{name}:{issuer}" for name in factor.lists if (issuer, name) in context.screened
    ]
    note = "; ".join(row["wording"] for row in related) or None
    known = max((row["known_on"] for row in related if row["known_on"]), default=None)
    return Answer(issuer, MAIN, 0.0, 0.0, 0.0, "observed", "A", None, known, None, tuple(ids), note)
