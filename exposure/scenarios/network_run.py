"""From the supply links of a day to output lost under shocks on nodes: the bridge to the weekly engine.

Three readings of the links are run: the smallest shares (lo), the points (mid), the largest (hi). A share that nobody
knows counts as nothing in ``lo``, leaves the mid unknown, and counts whole in ``hi``. A stock of inputs that nobody
discloses counts as none.

Symbols: ψ shock on a node; s share of a supplier within an input kind; h output, baseline 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from exposure.factors.graph import SupplyGraph
from exposure.factors.kinds import TRACED_WELL
from exposure.factors.recipes import End, Input, fitted, recipes
from exposure.factors.walks import walk
from exposure.scenarios.definitions import Range
from exposure.scenarios.weekly import propagate
from exposure.scenarios.weekly_network import WeeklyNetwork, weekly_network

FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Triple = tuple[float, float, float]


def network_losses(
    graph: SupplyGraph,
    shocks: Mapping[str, float],
    weeks: int,
    lag: int,
    rho: Range,
) -> dict[str, Triple]:
    """Return node → output lost over the horizon as (lo, mid, hi), for nodes that the shocks surely reach.

    loss_i = 1 − mean_t h_i(t)        with h of :func:`exposure.scenarios.weekly.propagate`

    Parameters
    ----------
    graph
        Links known on the day.
    shocks
        Node → ψ, fraction of its supply lost from the first week.
    weeks, lag
        Horizon, and weeks from a supplier's output to the customer's use.
    rho
        CES exponent of important inputs; lo is the least substitutable.

    Returns
    -------
    dict
        A node whose links on the way have no point, or that no path reaches, is absent: its loss is unknown, not zero.
        A shock on companies alone leaves those whose cost is traced elsewhere at a known zero.

    Source
    ------
    Production mode of methodology 3.4.
    """
    psi = np.array([*(shocks.get(name, 0.0) for name in graph.node_ids), 0.0])
    ranking: FloatArray = np.zeros(psi.size)

    def run(end: End, exponent: float) -> FloatArray:
        network = weekly_reading(graph, end, lag, exponent, ranking)
        return propagate(network, psi, horizons=[weeks]).loss_at(weeks)

    middle = run("mid", rho.mid)
    ranking = middle
    lowest, highest = run("lo", rho.hi), run("hi", rho.lo)
    known, spared = _known_nodes(graph, set(shocks)), _spared(graph, shocks)
    found: dict[str, Triple] = {}
    for i, name in enumerate(graph.node_ids):
        if name in spared or (name in known and highest[i] > 0.0):
            mid = float(middle[i])
            found[name] = (min(float(lowest[i]), mid), mid, max(float(highest[i]), mid))
    return found


def weekly_reading(
    graph: SupplyGraph, end: End, lag: int, rho: float, ranking: FloatArray
) -> WeeklyNetwork:
    """Return the weekly network under one reading of the links.

    Parameters
    ----------
    end
        ``lo``, ``mid`` or ``hi``.
    ranking
        Loss of each node, of shape (n + 1,): where the largest shares of rival suppliers add up to more than one, the
        worst hit take theirs first.

    Returns
    -------
    WeeklyNetwork
        Over the nodes of the graph and one more, never shocked, that supplies what no link names.
    """
    elsewhere = len(graph.node_ids)
    supplier: list[int] = []
    customer: list[int] = []
    kind: list[int] = []
    share: list[float] = []
    weight: list[float] = []
    cover: list[float] = []
    critical: list[str] = []
    inputs = recipes(graph, end)
    shares = [fitted(item.shares, ranking[list(item.suppliers)].tolist(), end) for item in inputs]
    weights = _weights(inputs, shares, ranking, end)
    for number, (item, taken, size) in enumerate(zip(inputs, shares, weights, strict=True)):
        stock = max(record[f"cover_weeks_{end}"] or 0.0 for record in item.records)
        outside = (elsewhere, max(0.0, 1.0 - sum(taken)))
        for node, part in [*zip(item.suppliers, taken, strict=True), outside]:
            supplier.append(node)
            customer.append(item.customer)
            kind.append(number)
            share.append(part)
            weight.append(size * part)
            cover.append(stock)
            critical.append(item.criticality)
    return weekly_network(
        elsewhere + 1,
        supplier,
        customer,
        kind,
        weight,
        critical,
        cover_weeks=cover,
        lag_weeks=lag,
        share_in_kind=share,
        rho=rho,
        names=[*graph.node_ids, "elsewhere"],
    )


def _weights(
    inputs: Sequence[Input], shares: Sequence[Sequence[float]], ranking: FloatArray, end: End
) -> list[float]:
    """Return what hangs on each input, at most 1 a customer: in ``hi`` the worst hit inputs take theirs first."""
    lost = [
        float(np.dot(taken, ranking[list(item.suppliers)]))
        for item, taken in zip(inputs, shares, strict=True)
    ]
    by_customer: dict[int, list[int]] = {}
    for number, item in enumerate(inputs):
        by_customer.setdefault(item.customer, []).append(number)
    weights = [0.0] * len(inputs)
    for numbers in by_customer.values():
        sizes = fitted([inputs[i].weight for i in numbers], [lost[i] for i in numbers], end)
        for i, size in zip(numbers, sizes, strict=True):
            weights[i] = size
    return weights


def _spared(graph: SupplyGraph, shocks: Mapping[str, float]) -> set[str]:
    """Return the companies that a shock on companies alone leaves alone: nearly all their cost is traced elsewhere.

    A shock on a capability spares nobody for sure, since any untraced input may hang on it.
    """
    companies = {name for name in shocks if shocks[name] > 0}
    if not companies or companies & set(graph.ends):
        return set()
    traced = walk(graph, []).traced
    return {name for i, name in enumerate(graph.node_ids) if traced[i] >= TRACED_WELL}


def _known_nodes(graph: SupplyGraph, shocked: set[str]) -> set[str]:
    """Return the shocked nodes and those that a path of links with points reaches from them."""
    points = graph.links.filter(
        pl.col("mid").is_not_null()
        | pl.col("kind_mid").is_not_null()
        | pl.col("output_mid").is_not_null()
    )
    customers: dict[str, list[str]] = {}
    for supplier, customer in points.select("supplier", "customer").iter_rows():
        customers.setdefault(supplier, []).append(customer)
    seen, queue = set(shocked), sorted(shocked)
    while queue:
        for node in customers.get(queue.pop(), []):
            if node not in seen:
                seen.add(node)
                queue.append(node)
    return seen
