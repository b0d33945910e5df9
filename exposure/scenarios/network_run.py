"""From the supply links of a day to output lost under shocks on nodes: the bridge to the weekly engine.

Three readings of the links are run: the smallest shares (lo), the points (mid), the largest (hi). A share that nobody
knows counts as nothing in ``lo``, leaves the mid unknown, and counts whole in ``hi``. A stock of inputs that nobody
discloses counts as none.

Symbols: ψ shock on a node; s share of a supplier within an input kind; h output, baseline 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from exposure.factors.graph import SupplyGraph, walk
from exposure.factors.kinds import TRACED_WELL
from exposure.scenarios.definitions import Range
from exposure.scenarios.propagation import WeeklyNetwork, propagate, weekly_network

FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Triple = tuple[float, float, float]
UNKNOWN = {"lo": 0.0, "mid": 0.0, "hi": 1.0}
OUTSIDE = "other_inputs"


def network_losses(
    graph: SupplyGraph,
    shocks: Mapping[str, float],
    weeks: int,
    lag: int,
    rho: Range,
) -> dict[str, Triple]:
    """Return node → output lost over the horizon as (lo, mid, hi), for nodes that the shocks surely reach.

    loss_i = 1 − mean_t h_i(t)        with h of :func:`exposure.scenarios.propagation.propagate`

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

    def run(end: str, exponent: float) -> FloatArray:
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
    graph: SupplyGraph, end: str, lag: int, rho: float, ranking: FloatArray
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
    position = {name: i for i, name in enumerate(graph.node_ids)}
    elsewhere = len(position)
    bought = graph.links.filter(pl.col("supplier") != OUTSIDE)
    groups = bought.sort("customer", "input_kind", "supplier").partition_by(
        "customer", "input_kind", maintain_order=True
    )
    weights = _weights(groups, end)
    supplier: list[int] = []
    customer: list[int] = []
    kind: list[int] = []
    share: list[float] = []
    weight: list[float] = []
    cover: list[float] = []
    critical: list[str] = []
    for number, (group, size) in enumerate(zip(groups, weights, strict=True)):
        records = group.to_dicts()
        at = [position[record["supplier"]] for record in records]
        taken = _shares(records, end, ranking[at])
        stock = max(record[f"cover_weeks_{end}"] or 0.0 for record in records)
        for node, part in zip([*at, elsewhere], [*taken, max(0.0, 1.0 - sum(taken))], strict=True):
            supplier.append(node)
            customer.append(position[records[0]["customer"]])
            kind.append(number)
            share.append(part)
            weight.append(size * part)
            cover.append(stock)
            critical.append(records[0]["criticality"])
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


def _shares(records: Sequence[Mapping[str, Any]], end: str, ranking: FloatArray) -> list[float]:
    """Return the shares within the kind: as stated, else in proportion to cost; at most 1 in all."""
    stated = [record[f"kind_{end}"] for record in records]
    if any(value is not None for value in stated):
        values = [UNKNOWN[end] if value is None else float(value) for value in stated]
    else:
        costs = [record["mid"] if record["mid"] is not None else record[end] for record in records]
        known = [UNKNOWN[end] if value is None else float(value) for value in costs]
        total = sum(known)
        values = [value / total if total > 0 else 0.0 for value in known]
    total = sum(values)
    if total <= 1.0:
        return values
    if end != "hi":
        return [value / total for value in values]
    room, taken = 1.0, [0.0] * len(values)
    for i in sorted(range(len(values)), key=lambda i: (-ranking[i], i)):
        taken[i] = min(values[i], room)
        room -= taken[i]
    return taken


def _weights(groups: Sequence[pl.DataFrame], end: str) -> list[float]:
    """Return per kind the part of output (ordinary) or of cost (important) that hangs on it, at most 1 a customer."""
    sizes = [_weight(group.to_dicts(), end) for group in groups]
    total: dict[str, float] = {}
    for group, size in zip(groups, sizes, strict=True):
        name = group["customer"][0]
        total[name] = total.get(name, 0.0) + size
    return [
        size / max(1.0, total[group["customer"][0]])
        for group, size in zip(groups, sizes, strict=True)
    ]


def _weight(records: Sequence[Mapping[str, Any]], end: str) -> float:
    if records[0]["criticality"] == "essential":
        return 0.0  # an essential input binds whole, whatever it costs
    stated = [record[f"output_{end}"] for record in records if record[f"output_{end}"] is not None]
    if stated:
        return max(float(value) for value in stated)
    if end == "hi" and any(record["output_lo"] is not None for record in records):
        return 1.0
    costs = [record[end] for record in records]
    return min(1.0, sum(UNKNOWN[end] if value is None else float(value) for value in costs))


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
