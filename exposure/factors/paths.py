"""The walk of one factor on one day: where it stops, which disclosed figures stand in, and what it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from exposure.factors.definitions import MAIN, FactorDefinition
from exposure.factors.evidence import aged_interval
from exposure.factors.graph import Side, SupplyGraph, links_between, reaching
from exposure.factors.matrices import Vector
from exposure.factors.recipes import End, criticality
from exposure.factors.walks import Question, Walk, walks

if TYPE_CHECKING:
    from exposure.factors.kinds import Context

Whole = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Settled:
    """How a disclosed figure and the links agree: ``agree``, or who wins (``disclosed``, ``links``)."""

    interval: Whole
    verdict: str
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LinkEvidence:
    """What a walk from one node rests on: the links on the way, or else all links it tried."""

    link_ids: tuple[str, ...]
    on_the_way: bool
    gaps: tuple[str, ...]
    grade: str
    known_on: date
    age_days: int
    imputed: bool


@dataclass(frozen=True, slots=True)
class FactorWalk:
    """All walks of one factor.

    Attributes
    ----------
    walk
        With disclosed figures in place of the links they cover.
    critical
        Output lost under a full cut, (lo, mid, hi) each of shape (n,); None on the sales side.
    settled
        Node → how its disclosed figure and its links agree.
    goal
        Nodes from which the factor can be reached.
    """

    graph: SupplyGraph
    as_of: date
    question: Question
    walk: Walk
    plain: Walk
    critical: tuple[Vector, Vector, Vector] | None
    settled: Mapping[int, Settled]
    goal: Mapping[int, bool]
    _rests: dict[int, LinkEvidence] = field(default_factory=dict[int, LinkEvidence])

    @property
    def side(self) -> Side:
        """Return whether costs or sales were walked."""
        return self.question.side

    @property
    def fixed(self) -> frozenset[int]:
        """Return the nodes whose disclosed figure stands in for their links."""
        return frozenset(at for at, found in self.settled.items() if found.verdict != "links")

    def rows(self, at: int) -> list[int]:
        """Return the numbers of the links on the way from a node; its own links count even if it has an answer."""
        goal = self.goal if not self.goal.get(at, False) else {**self.goal, at: False}
        return links_between(self.graph, self.graph.reach(self.side, at), goal, self.side)

    def own(self, at: int) -> Walk:
        """Return the walk that says what a node's links alone say of it."""
        return self.plain if at in self.fixed else self.walk

    def evidence(self, at: int) -> LinkEvidence:
        """Return what the walk from a node rests on."""
        if at not in self._rests:
            self._rests[at] = self._evidence(at)
        return self._rests[at]

    def _evidence(self, at: int) -> LinkEvidence:
        numbers = self.rows(at)
        used = [self.graph.rows[i] for i in numbers or self.graph.starts(self.side)[at]]
        point = "mid" if self.side == "cost" else "sales_mid"
        ids = sorted(row["link_id"] for row in used)
        # a supplier's disclosed figure stands in for its links, so the walk rests on it
        figures = [
            self.settled[node].record
            for node in self.graph.reach(self.side, at)
            if node != at and node in self.fixed
        ]
        ids += sorted({name for record in figures for name in record["evidence_ids"]})
        rests_on = [*used, *figures]
        return LinkEvidence(
            link_ids=tuple(ids),
            on_the_way=bool(numbers),
            gaps=tuple(sorted(row["link_id"] for row in used if row[point] is None)),
            grade=max(row["grade"] for row in rests_on),
            known_on=max(row["known_on"] for row in rests_on),
            age_days=(self.as_of - min(row["valid_from"] for row in rests_on)).days,
            imputed=any(row["status"] == "imputed" for row in rests_on),
        )

    def critical_at(self, at: int) -> tuple[float, float | None, float] | None:
        """Return the band [x, max(x, y)] of a node: what a full cut costs, between linear and Leontief."""
        if self.critical is None:
            return None
        lo, mid, hi = (float(part[at]) for part in self.critical)
        known = self.evidence(at)
        walk = self.own(at)
        unknown = not known.on_the_way or bool(known.gaps)
        return (
            max(lo, float(walk.lo[at])),
            None if unknown else max(mid, float(walk.mid[at])),
            max(hi, float(walk.hi[at])),
        )


def factor_walks(factors: Sequence[FactorDefinition], context: Context) -> dict[str, FactorWalk]:
    """Walk the network once for all factors that ask for it.

    Raises
    ------
    ContentError
        If the lower or middle shares of a node exceed 1, naming it.
    """
    asking = [factor for factor in factors if factor.kind == "cost_share" or factor.walks_sales]
    if not asking:
        return {}
    graph = context.graph
    questions = [_question(factor, context) for factor in asking]
    plain = walks(graph, questions)
    settled = [
        _settle(factor, context, question, walk)
        for factor, question, walk in zip(asking, questions, plain, strict=True)
    ]
    final = list(plain)
    held = [
        i for i, found in enumerate(settled) if any(s.verdict != "links" for s in found.values())
    ]
    if held:
        fixed = [
            Question(
                questions[i].side,
                questions[i].phi,
                {at: s.interval for at, s in settled[i].items() if s.verdict != "links"},
                questions[i].beyond,
            )
            for i in held
        ]
        for i, found in zip(held, walks(graph, fixed), strict=True):
            final[i] = found
    losses = _criticality(graph, questions)
    return {
        factor.id: FactorWalk(
            graph,
            context.as_of,
            questions[i],
            final[i],
            plain[i],
            losses.get(i),
            settled[i],
            reaching(
                graph,
                sorted(
                    {
                        *questions[i].phi,
                        *(at for at, found in settled[i].items() if found.verdict != "links"),
                    }
                ),
                questions[i].side,
            ),
        )
        for i, factor in enumerate(asking)
    }


def _question(factor: FactorDefinition, context: Context) -> Question:
    graph = context.graph
    nodes = factor.capabilities if factor.kind == "cost_share" else factor.demand_pools
    phi: dict[int, Whole] = {
        graph.position[name]: (1.0, 1.0, 1.0) for name in nodes if name in graph.position
    }
    if factor.kind == "cost_share":
        return Question("cost", phi)
    inside = set(graph.ends)
    for name, at in graph.position.items():
        if name in inside:
            continue
        if context.countries.get(name) in factor.customer_countries:
            phi[at] = (1.0, 1.0, 1.0)
        listed = _listed(factor, name, context)
        if listed is not None:
            phi[at] = listed
    return Question("sales", phi, beyond=True)


def _listed(factor: FactorDefinition, issuer: str, context: Context) -> Whole | None:
    """Return whether a customer is on one of the lists: surely, perhaps, or not."""
    if not factor.customer_lists:
        return None
    states = [context.list_status.get((issuer, name)) for name in factor.customer_lists]
    if any(row is not None and row["status"] == "listed" for row in states):
        return (1.0, 1.0, 1.0)
    open_question = any(
        (issuer, name) not in context.screened
        or (row is not None and row["status"] == "unresolved")
        for name, row in zip(factor.customer_lists, states, strict=True)
    )
    return (0.0, 0.0, 1.0) if open_question else None


def _settle(
    factor: FactorDefinition, context: Context, question: Question, walk: Walk
) -> dict[int, Settled]:
    """Decide, for each node with a disclosed point, whether it or the links speak for the node."""
    measure = factor.measures.get(MAIN)
    found: dict[int, Settled] = {}
    if measure is None:
        return found
    graph = context.graph
    for (subject, name), record in context.resolved.items():
        at = graph.index(subject)
        if name != measure or at is None or record["mid"] is None:
            continue
        low, high = aged_interval(
            record, context.as_of, factor.staleness_sd, factor.lowest, factor.highest
        )
        mid = float(record["mid"])
        if at not in graph.starts(question.side):
            found[at] = Settled((low, mid, high), "agree", record)
            continue
        both = max(low, float(walk.lo[at])), min(high, float(walk.hi[at]))
        if both[0] <= both[1]:
            found[at] = Settled(
                (both[0], min(both[1], max(both[0], mid)), both[1]), "agree", record
            )
            continue
        rows = [graph.rows[i] for i in graph.starts(question.side)[at]]
        links = (
            max(row["grade"] for row in rows),
            -max(row["known_on"] for row in rows).toordinal(),
        )
        ours = (record["grade"], -record["known_on"].toordinal())
        found[at] = Settled((low, mid, high), "links" if links < ours else "disclosed", record)
    return found


def _criticality(
    graph: SupplyGraph, questions: Sequence[Question]
) -> dict[int, tuple[Vector, Vector, Vector]]:
    """Return, per question on the cost side, the loss of every node under the three readings."""
    at = [i for i, question in enumerate(questions) if question.side == "cost"]
    if not at:
        return {}
    phi = np.zeros((len(graph.node_ids), len(at)))
    for k, i in enumerate(at):
        for node, (_, mid, _) in questions[i].phi.items():
            phi[node, k] = mid
    ends: tuple[End, ...] = ("lo", "mid", "hi")
    readings: list[Any] = [criticality(graph, phi, end) for end in ends]
    return {i: (readings[0][:, k], readings[1][:, k], readings[2][:, k]) for k, i in enumerate(at)}
