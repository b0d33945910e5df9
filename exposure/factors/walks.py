"""Walks over the network of a day, many questions at once: share x with tiers and bounds, criticality y.

Symbols: φ part of a node's own product that is the factor; x first-hit share; y output lost if the factor is fully
cut; lo, mid, hi readings of every interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from exposure.factors.absorption import absorb, walk_matrix
from exposure.factors.bounds import first_hit_bounds
from exposure.factors.graph import Side, SupplyGraph
from exposure.factors.matrices import Vector

Triple = tuple[float, float | None, float]


@dataclass(frozen=True, slots=True)
class Question:
    """Where a walk stops.

    Parameters
    ----------
    side
        ``cost``: up the suppliers; ``sales``: down the customers.
    phi
        Node → (lo, mid, hi) of its own product that is the factor; others have 0.
    disclosed
        Node → (lo, mid, hi) of a disclosed figure that stands for the node's whole answer: its links are not walked.
    beyond
        True asks what lies beyond a node that is itself the factor: a listed company's sales to listed companies.
    """

    side: Side
    phi: Mapping[int, tuple[float, float, float]]
    disclosed: Mapping[int, tuple[float, float, float]] = field(
        default_factory=dict[int, tuple[float, float, float]]
    )
    beyond: bool = False


@dataclass(frozen=True, slots=True)
class Walk:
    """First-hit shares of one question for all nodes, each of shape (n,); ``tier`` of shape (4, n).

    ``traced`` is the part of the cost whose walk ends at a known node; ``mid`` is given pro rata to it.
    """

    lo: Vector
    mid: Vector
    hi: Vector
    traced: Vector
    tier: Vector


def targets(graph: SupplyGraph, names: Sequence[str], side: Side = "cost") -> Question:
    """Return the question that stops at whole nodes.

    Names that no link mentions are left out: no walk comes there.
    """
    at = [graph.index(name) for name in names]
    return Question(side, {node: (1.0, 1.0, 1.0) for node in at if node is not None})


def walk(graph: SupplyGraph, names: Sequence[str], side: Side = "cost") -> Walk:
    """Return the share of each node's total that first hits one of the named nodes; see :func:`walks`."""
    return walks(graph, [targets(graph, names, side)])[0]


def walks(graph: SupplyGraph, questions: Sequence[Question]) -> list[Walk]:
    """Answer all questions of one side in one go.

    x = φ + diag(1−φ) A x, with outer bounds in which cost (or revenue) that no link explains counts as 0 (lo) or 1
    (hi). A disclosed node ends the walk with its own interval.

    Raises
    ------
    ContentError
        If the shares of a node surely exceed 1, naming it.
    """
    out: list[Walk | None] = [None] * len(questions)
    sides: tuple[Side, ...] = ("cost", "sales")
    for side in sides:
        at = [i for i, question in enumerate(questions) if question.side == side]
        if at:
            for i, found in zip(
                at, _one_side(graph, side, [questions[i] for i in at]), strict=True
            ):
                out[i] = found
    return [found for found in out if found is not None]


def _one_side(graph: SupplyGraph, side: Side, questions: Sequence[Question]) -> list[Walk]:
    n, count = len(graph.node_ids), len(questions)
    low, middle, high = (np.zeros((n, count)) for _ in range(3))
    stops = np.zeros((n, count))
    for k, question in enumerate(questions):
        for node, phi in [*question.phi.items(), *question.disclosed.items()]:
            low[node, k], middle[node, k], high[node, k] = phi
        for node in question.disclosed:
            stops[node, k] = 1.0
    a_lo, a_mid, a_hi = graph.shares(side)
    points = walk_matrix(a_mid, 1.0, graph.node_ids)
    goes_on = (1.0 - middle) * (1.0 - stops)
    known = np.maximum(middle, np.maximum(stops, graph.ending(side)[:, None]))
    both = absorb(
        np.hstack([known, middle]), np.hstack([(1.0 - known) * (1.0 - stops), goes_on]), points
    )
    traced, x = both[:, :count], both[:, count:]
    first = goes_on * (points @ middle)
    second = goes_on * (points @ first)
    rest = np.maximum(0.0, x - middle - first - second)
    rest[rest < 4 * np.finfo(np.float64).eps] = 0.0
    bounds = first_hit_bounds(
        low, high, a_lo, a_hi, 1.0 - graph.ending(side), stops=stops, names=graph.node_ids
    )
    mid = np.clip(
        x * np.divide(1.0, traced, out=np.zeros_like(x), where=traced > 0), bounds.lo, bounds.hi
    )
    scale = np.divide(mid, x, out=np.zeros_like(x), where=x > 0)
    tier = np.stack([middle, first, second, rest]) * scale
    found = [
        Walk(bounds.lo[:, k], mid[:, k], bounds.hi[:, k], traced[:, k], tier[:, :, k])
        for k in range(count)
    ]
    return [
        _beyond(graph, question, walk) if question.beyond else walk
        for question, walk in zip(questions, found, strict=True)
    ]


def _beyond(graph: SupplyGraph, question: Question, walk: Walk) -> Walk:
    """Take one step from the nodes that are the factor themselves; all others have done so already."""
    at = sorted(set(question.phi) - set(question.disclosed))
    if not at:
        return walk
    lower, points, _ = graph.shares(question.side)
    lo, mid, hi, traced, tier = (
        part.copy() for part in (walk.lo, walk.mid, walk.hi, walk.traced, walk.tier)
    )
    sums = np.asarray(lower.sum(axis=1)).ravel()[at]
    lo[at] = (lower @ walk.lo)[at]
    hi[at] = np.minimum(1.0, (lower @ walk.hi)[at] + np.maximum(0.0, 1.0 - sums))
    seen = (points @ walk.traced)[at]
    whole = np.divide(1.0, seen, out=np.zeros_like(seen), where=seen > 0)
    split = (points @ walk.tier.T).T
    tier[:, at] = np.stack(
        [np.zeros_like(seen), split[0][at], split[1][at], split[2][at] + split[3][at]]
    )
    tier[:, at] *= whole
    traced[at] = seen
    mid[at] = np.clip(tier[:, at].sum(axis=0), lo[at], hi[at])
    return Walk(lo, mid, hi, traced, tier)
