"""The links of a day as weekly networks: one for the least loss they allow, one for the points, one for the largest.

A share that nobody knows counts as nothing in ``lo``, leaves the mid unknown, and counts whole in ``hi``, for inputs
and for customers alike. A stock of inputs that nobody discloses counts as none.

Symbols: s share of a supplier within an input kind; r share of a supplier's revenue that a customer pays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from exposure.factors.graph import SupplyGraph
from exposure.factors.kinds import TRACED_WELL
from exposure.factors.recipes import UNKNOWN, End, Input, fitted, recipes
from exposure.factors.walks import walk
from exposure.scenarios.arrays import Vector
from exposure.scenarios.weekly_network import WeeklyNetwork, weekly_network

LEAST: Mapping[End, End] = {
    "lo": "hi",
    "mid": "mid",
    "hi": "lo",
}  # a large stock means a small loss


def weekly_reading(
    graph: SupplyGraph, end: End, lag: int, rho: float, ranking: Vector
) -> WeeklyNetwork:
    """Return the weekly network under one reading of the links.

    Parameters
    ----------
    end
        ``lo`` (least loss), ``mid`` or ``hi`` (largest loss).
    ranking
        Loss of each node, of shape (n + 1,): where the largest shares of rival suppliers or customers add up to more
        than one, the worst hit take theirs first.

    Returns
    -------
    WeeklyNetwork
        Over the nodes of the graph and one more, never shocked, that supplies what no link names. Input numbers of the
        network are those of ``recipes(graph, end)``.
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
        stock = max(record[f"cover_weeks_{LEAST[end]}"] or 0.0 for record in item.records)
        outside = (elsewhere, max(0.0, 1.0 - sum(taken)))
        for node, part in [*zip(item.suppliers, taken, strict=True), outside]:
            supplier.append(node)
            customer.append(item.customer)
            kind.append(number)
            share.append(part)
            weight.append(size * part)
            cover.append(stock)
            critical.append(item.criticality)
    seller, buyer, paid = _sales(graph, end, ranking)
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
        sale_seller=seller,
        sale_customer=buyer,
        sale_share=paid,
        names=[*graph.node_ids, "elsewhere"],
    )


def _weights(
    inputs: Sequence[Input], shares: Sequence[Sequence[float]], ranking: Vector, end: End
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


def _sales(
    graph: SupplyGraph, end: End, ranking: Vector
) -> tuple[list[int], list[int], list[float]]:
    """Return seller, customer and share of the seller's revenue, one entry a pair; capabilities sell to anybody."""
    known: dict[tuple[int, int], list[float]] = {}
    for row in graph.rows:
        if row["supplier"] in graph.ends:
            continue
        pair = (graph.position[row["supplier"]], graph.position[row["customer"]])
        known.setdefault(pair, []).append(_sold(row, end))
    by_seller: dict[int, list[tuple[int, float]]] = {}
    for (seller, buyer), parts in sorted(known.items()):
        by_seller.setdefault(seller, []).append((buyer, min(1.0, sum(parts))))
    found: tuple[list[int], list[int], list[float]] = ([], [], [])
    for seller, customers in by_seller.items():
        buyers = [buyer for buyer, _ in customers]
        sizes = fitted([size for _, size in customers], ranking[buyers].tolist(), end)
        for buyer, size in zip(buyers, sizes, strict=True):
            if size > 0.0:
                found[0].append(seller)
                found[1].append(buyer)
                found[2].append(size)
    return found


def _sold(row: Mapping[str, Any], end: End) -> float:
    value = row[f"sales_{end}"]
    return UNKNOWN[end] if value is None else float(value)


def spared(graph: SupplyGraph, shocked: frozenset[str]) -> set[str]:
    """Return the companies that a shock on companies alone leaves alone: nearly all their cost is traced elsewhere.

    A shock on a capability spares nobody for sure, since any untraced input may hang on it.
    """
    if not shocked or shocked & set(graph.ends):
        return set()
    traced = walk(graph, []).traced
    return {name for i, name in enumerate(graph.node_ids) if traced[i] >= TRACED_WELL}


def surely_reached(graph: SupplyGraph, shocked: frozenset[str]) -> set[str]:
    """Return the shocked nodes and those that a path of links with points reaches, down by cost or up by sales."""
    bought = pl.any_horizontal(pl.col("mid", "kind_mid", "output_mid").is_not_null())
    next_to: dict[str, list[str]] = {}
    for supplier, customer in graph.links.filter(bought).select("supplier", "customer").iter_rows():
        next_to.setdefault(supplier, []).append(customer)
    sold = graph.links.filter(pl.col("sales_mid").is_not_null())
    for supplier, customer in sold.select("supplier", "customer").iter_rows():
        next_to.setdefault(customer, []).append(supplier)
    seen, queue = set(shocked), sorted(shocked)
    while queue:
        for node in next_to.get(queue.pop(), []):
            if node not in seen:
                seen.add(node)
                queue.append(node)
    return seen
