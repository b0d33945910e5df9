"""One function a kind of factor. The docstring of each is its public explanation.

Every function answers for all issuers asked and all bases of the factor, and returns one :class:`Answer` each: an
issuer without evidence gets the widest interval its unit allows and no mid. Missing is never zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from exposure.factors.definitions import MAIN, FactorDefinition
from exposure.factors.evidence import aged_interval
from exposure.factors.graph import Side, SupplyGraph
from exposure.factors.paths import FactorWalk, LinkEvidence, Settled, factor_walks

TRACED_WELL = 0.9
# Named customers are the largest ones, no fair sample of the rest: a part of revenue says nothing of the whole.
TRACED_ENOUGH: Mapping[Side, float] = {"cost": 0.5, "sales": TRACED_WELL}
WHOLE: Mapping[Side, str] = {"cost": "cost", "sales": "revenue"}

Triple = tuple[float, float | None, float]


@dataclass(frozen=True, slots=True)
class Context:
    """What the questions are asked of: one day's facts.

    ``resolved`` maps (subject, measure) to the settled evidence of :func:`exposure.factors.evidence.resolve`;
    ``list_status`` maps (issuer, list) to its row of :class:`~exposure.schemas.ListStatus`; ``screened`` holds the
    (issuer, list) pairs that a reviewer looked for; ``countries`` maps issuers to theirs; ``walks`` holds the walks
    already done, by factor.
    """

    as_of: date
    issuer_ids: tuple[str, ...]
    resolved: Mapping[tuple[str, str], Mapping[str, Any]]
    list_status: Mapping[tuple[str, str], Mapping[str, Any]]
    screened: frozenset[tuple[str, str]]
    graph: SupplyGraph
    countries: Mapping[str, str] = field(default_factory=dict[str, str])
    walks: Mapping[str, FactorWalk] = field(default_factory=dict[str, FactorWalk])


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of one factor and basis about one issuer.

    ``critical`` is output lost if the factor is fully cut; ``walk`` and ``disclosed`` are what the links and the
    filings say each on their own, where both speak.
    """

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
    critical: Triple | None = None
    walk: Triple | None = None
    disclosed: Triple | None = None


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
    marked imputed. Cost that no link explains counts as nothing in ``lo`` and as wholly exposed in ``hi``.

    A disclosed figure of the same flow is reconciled with the walk, never added: their intervals are intersected; if
    they don't meet, the better grade wins, at equal grade the one known later, and the other stays beside it.
    """
    path = context.walks.get(factor.id) or factor_walks([factor], context)[factor.id]
    measure = factor.measures.get(MAIN)
    for issuer in context.issuer_ids:
        record = context.resolved.get((issuer, measure)) if measure else None
        disclosed = (
            _unknown(factor, issuer, MAIN)
            if record is None
            else _from_record(factor, issuer, MAIN, record, context.as_of)
        )
        at = context.graph.index(issuer)
        if at is None or at not in context.graph.starts(path.side):
            yield disclosed
            continue
        walked = _from_walk(factor, issuer, at, path)
        yield walked if record is None else _reconciled(disclosed, walked, path.settled.get(at))


def sold_share(factor: FactorDefinition, context: Context) -> Iterable[Answer]:
    """Answer a question about revenue: disclosed shares, and the walk down the customers where it is defined.

    The walk is the twin of :func:`walked_share` on R[i, j] = sales of i to j / revenue of i: take one yuan of revenue
    and follow it to a demand pool, to customers of a country, or to customers on a list. Cost and revenue shares are
    kept apart and never summed. Further bases (gross profit) are always disclosed.
    """
    if not factor.walks_sales:
        yield from disclosed_share(factor, context)
        return
    yield from walked_share(factor, context)
    rest = replace(factor, measures={k: v for k, v in factor.measures.items() if k != MAIN})
    if rest.measures:
        yield from disclosed_share(rest, context)


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
    "revenue_share": sold_share,
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
    lo, hi = aged_interval(record, as_of, factor.staleness_sd, factor.lowest, factor.highest)
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


def _from_walk(factor: FactorDefinition, issuer: str, at: int, path: FactorWalk) -> Answer:
    walk, evidence = path.own(at), path.evidence(at)
    lo, hi = float(walk.lo[at]), float(walk.hi[at])
    answer = Answer(
        issuer_id=issuer,
        basis=MAIN,
        lo=lo,
        mid=None,
        hi=hi,
        status="missing",
        known_on=evidence.known_on,
        age_days=evidence.age_days,
        evidence_ids=evidence.link_ids,
        critical=path.critical_at(at),
    )
    traced = float(walk.traced[at])
    reason = _why_unknown(factor, path.side, traced, evidence)
    if reason is not None:
        return replace(answer, note=reason)
    tier = walk.tier[:, at]
    return replace(
        answer,
        mid=float(walk.mid[at]),
        status="imputed" if traced < TRACED_WELL or evidence.imputed else "estimated",
        grade=evidence.grade,
        tier=(float(tier[0]), float(tier[1]), float(tier[2]), float(tier[3])),
        note=f"{traced:.0%} of {WHOLE[path.side]} traced",
    )


def _why_unknown(
    factor: FactorDefinition, side: Side, traced: float, evidence: LinkEvidence
) -> str | None:
    """Return why a walk gives no point, or None: zero needs evidence, and a gap on the way is no zero."""
    if not evidence.on_the_way:
        goal = ", ".join(factor.capabilities) or "a node of the question"
        return f"no link reaches {goal}: not known to be zero"
    if evidence.gaps:
        return f"no point is known for {', '.join(evidence.gaps)}"
    if traced < TRACED_ENOUGH[side]:
        return f"only {traced:.0%} of {WHOLE[side]} traced"
    return None


def _reconciled(disclosed: Answer, walked: Answer, settled: Settled | None) -> Answer:
    """Put a disclosed figure and the walk over the same flow together: intersect, never add."""
    shown = replace(
        disclosed, walk=(walked.lo, walked.mid, walked.hi), critical=walked.critical, tier=None
    )
    if settled is not None and settled.verdict == "links":
        return replace(
            walked,
            disclosed=(disclosed.lo, disclosed.mid, disclosed.hi),
            walk=(walked.lo, walked.mid, walked.hi),
            note=f"contradicted by {', '.join(disclosed.evidence_ids)}, of lower grade, kept beside it",
        )
    if settled is not None and settled.verdict == "disclosed":
        return replace(
            shown,
            note=f"contradicted by the links ({walked.lo:.1%} to {walked.hi:.1%}), kept beside it",
        )
    lo, hi = max(disclosed.lo, walked.lo), min(disclosed.hi, walked.hi)
    if (
        lo > hi
    ):  # a bound without a point against links: the bound was disclosed, the links are pieced together
        return replace(shown, note="contradicted by the links, kept beside it")
    mid = disclosed.mid if disclosed.mid is not None else walked.mid
    mid = None if mid is None else min(hi, max(lo, mid))
    merged = replace(
        shown if disclosed.mid is not None else walked,
        lo=lo,
        mid=mid,
        hi=hi,
        walk=(walked.lo, walked.mid, walked.hi),
        disclosed=(disclosed.lo, disclosed.mid, disclosed.hi),
        evidence_ids=tuple(dict.fromkeys([*disclosed.evidence_ids, *walked.evidence_ids])),
    )
    return replace(merged, note=disclosed.note if disclosed.mid is not None else merged.note)


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
