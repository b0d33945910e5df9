"""The supply network of a day as matrices, ready for the first-hit walk.

Symbols: A[i, j] share of node i's total cost bought from j; φ share of a node's own product that is the factor.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from exposure.factors.network import first_hit, first_hit_bounds, tiers

FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class SupplyGraph:
    """Nodes and links of one day.

    ``a_lo``, ``a_mid``, ``a_hi`` have shape (n, n), fractions of total cost; ``terminal`` marks nodes where a walk ends
    because they are no company (capabilities, demand pools, cost outside the graph); ``ends`` names all nodes that are
    no company.
    """

    node_ids: tuple[str, ...]
    a_lo: FloatArray
    a_mid: FloatArray
    a_hi: FloatArray
    terminal: FloatArray
    links: pl.DataFrame
    ends: tuple[str, ...] = ()

    def index(self, node_id: str) -> int | None:
        """Return the position of a node, or None if no link names it."""
        return self.node_ids.index(node_id) if node_id in self.node_ids else None


@dataclass(frozen=True, slots=True)
class Walk:
    """First-hit shares of one factor for all nodes of a graph, each of shape (n,); ``tier`` of shape (4, n).

    ``traced`` is the part of the cost whose walk ends at a known node. ``mid`` is given pro rata to it.
    """

    lo: FloatArray
    mid: FloatArray
    hi: FloatArray
    traced: FloatArray
    tier: FloatArray


def build_graph(links: pl.DataFrame, nodes: pl.DataFrame) -> SupplyGraph:
    """Return the matrices of the given links (already filtered to a day).

    Parameters
    ----------
    links
        :class:`~exposure.schemas.Links`.
    nodes
        :class:`~exposure.schemas.Nodes`: they end a walk.

    Raises
    ------
    ContentError
        If the shares of a customer surely exceed 1 (raised by the walk, naming the row).
    """
    ends = sorted(nodes["node_id"])
    names = sorted(set(links["supplier"]) | set(links["customer"]) | set(ends))
    position = {name: i for i, name in enumerate(names)}
    n = len(names)
    a_lo, a_mid, a_hi = np.zeros((n, n)), np.zeros((n, n)), np.zeros((n, n))
    for row in links.iter_rows(named=True):
        i, j = position[row["customer"]], position[row["supplier"]]
        a_lo[i, j] += row["lo"] or 0.0
        a_mid[i, j] += row["mid"] or 0.0
        a_hi[i, j] += 1.0 if row["hi"] is None else row["hi"]
    a_hi = np.minimum(a_hi, 1.0)
    has_links = {position[name] for name in links["customer"].unique()}
    terminal = np.array(
        [1.0 if name in ends and position[name] not in has_links else 0.0 for name in names]
    )
    return SupplyGraph(tuple(names), a_lo, a_mid, a_hi, terminal, links, tuple(ends))


def walk(graph: SupplyGraph, targets: Sequence[str]) -> Walk:
    """Return the share of each node's total cost that first hits one of ``targets``.

    x = φ + diag(1−φ) A x, with outer bounds in which cost that no link explains counts as 0 (lo) or 1 (hi).
    """
    n = len(graph.node_ids)
    phi = np.zeros(n)
    for target in targets:
        at = graph.index(target)
        if at is not None:
            phi[at] = 1.0
    known = np.maximum(phi, graph.terminal)
    traced = first_hit(known, graph.a_mid, names=graph.node_ids)
    x = first_hit(phi, graph.a_mid, names=graph.node_ids)
    split = tiers(phi, graph.a_mid).T
    scale = np.divide(1.0, traced, out=np.zeros(n), where=traced > 0)
    bounds = first_hit_bounds(
        phi, phi, graph.a_lo, graph.a_hi, 1.0 - graph.terminal, names=graph.node_ids
    )
    mid = np.clip(x * scale, bounds.lo, bounds.hi)
    return Walk(
        bounds.lo, mid, bounds.hi, traced, split * np.divide(mid, x, out=np.zeros(n), where=x > 0)
    )


def links_on_the_way(graph: SupplyGraph, start: str, targets: Iterable[str]) -> list[str]:
    """Return the ids of the links on some path from ``start`` upstream to a target, sorted."""
    goal = set(targets)
    pairs = list(graph.links.select("link_id", "customer", "supplier").iter_rows())
    upstream: dict[str, list[tuple[str, str]]] = {}
    downstream: dict[str, list[str]] = {}
    for link_id, customer, supplier in pairs:
        upstream.setdefault(customer, []).append((link_id, supplier))
        downstream.setdefault(supplier, []).append(customer)
    reaches = _closure(goal, downstream)
    from_start = _closure({start}, {c: [s for _, s in found] for c, found in upstream.items()})
    return sorted(
        link_id
        for link_id, customer, supplier in pairs
        if customer in from_start and supplier in reaches and customer not in goal
    )


def _closure(start: set[str], step: dict[str, list[str]]) -> set[str]:
    seen, queue = set(start), list(start)
    while queue:
        for node in step.get(queue.pop(), []):
            if node not in seen:
                seen.add(node)
                queue.append(node)
    return seen
