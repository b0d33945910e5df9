"""From the supply links of a day to output lost under shocks on nodes: the bridge to the weekly engine.

Three readings of the links are run: the smallest shares (lo), the points (mid), the largest (hi). A share that nobody
knows counts as nothing in ``lo``, leaves the mid unknown, and counts whole in ``hi``. A stock of inputs that nobody
discloses counts as none.

Symbols: ψ shock on a node; s share of a supplier within an input kind; q received, u usable with stock; h output.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from exposure.factors.graph import SupplyGraph, walk
from exposure.factors.kinds import TRACED_WELL
from exposure.scenarios.definitions import Range
from exposure.scenarios.propagation import KindTable, run_weeks

Triple = tuple[float, float, float]
ENDS = ("lo", "mid", "hi")
UNKNOWN = {"lo": 0.0, "mid": 0.0, "hi": 1.0}


def network_losses(
    graph: SupplyGraph,
    shocks: Mapping[str, float],
    weeks: int,
    lag: int,
    rho: Range,
) -> dict[str, Triple]:
    """Return node → output lost over the horizon as (lo, mid, hi), for nodes that the shocks surely reach.

    h_i(t) = max(0, min(1 − ψ_i, min_essential u_ik, CES_important u_ik, 1 − Σ_ordinary weight_ik (1 − min(1, u_ik))))
    loss_i = 1 − mean_t h_i(t)

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
    psi = np.array([shocks.get(name, 0.0) for name in graph.node_ids])
    known = _known_nodes(graph, set(shocks))
    readings = {"lo": rho.hi, "mid": rho.mid, "hi": rho.lo}
    loss = {
        end: 1.0 - run_weeks(kind_table(graph, end), psi, weeks, lag, exponent).mean(axis=0)
        for end, exponent in readings.items()
    }
    spared = _spared(graph, shocks)
    found: dict[str, Triple] = {}
    for i, name in enumerate(graph.node_ids):
        if not (name in spared or (name in known and loss["hi"][i] > 0.0)):
            continue
        low, middle, high = (float(loss[end][i]) for end in ENDS)
        found[name] = (min(low, middle), middle, max(middle, high))
    return found


def kind_table(graph: SupplyGraph, end: str) -> KindTable:
    """Return the input kinds of all customers under one reading of the links.

    Parameters
    ----------
    end
        ``lo``, ``mid`` or ``hi``.
    """
    position = {name: i for i, name in enumerate(graph.node_ids)}
    rows = graph.links.sort("customer", "input_kind", "supplier").partition_by(
        "customer", "input_kind", maintain_order=True
    )
    share = np.zeros((len(rows), len(position)))
    customer = np.zeros(len(rows), dtype=np.intp)
    essential, important = np.zeros(len(rows)), np.zeros(len(rows))
    weight, cover = np.zeros(len(rows)), np.zeros(len(rows))
    for k, part in enumerate(rows):
        records = part.to_dicts()
        customer[k] = position[records[0]["customer"]]
        essential[k] = records[0]["criticality"] == "essential"
        important[k] = records[0]["criticality"] == "important"
        for record, value in zip(records, _shares(records, end), strict=True):
            share[k, position[record["supplier"]]] += value
        weight[k] = _weight(records, end)
        cover[k] = max((record[f"cover_weeks_{end}"] or 0.0 for record in records), default=0.0)
    return KindTable(customer, share, essential, important, weight, cover)


def _shares(records: list[dict[str, object]], end: str) -> list[float]:
    """Return the shares within the kind: as stated, else in proportion to cost; at most 1 in all."""
    stated = [record[f"kind_{end}"] for record in records]
    if any(value is not None for value in stated):
        values = [UNKNOWN[end] if value is None else float(str(value)) for value in stated]
    else:
        costs = [record["mid"] if record["mid"] is not None else record[end] for record in records]
        known = [UNKNOWN[end] if value is None else float(str(value)) for value in costs]
        total = sum(known)
        values = [value / total if total > 0 else 0.0 for value in known]
    total = sum(values)
    return [value / total for value in values] if end == "mid" and total > 1.0 else values


def _weight(records: list[dict[str, object]], end: str) -> float:
    """Return the part of output that needs an ordinary kind: as stated, else its share of total cost."""
    stated = [record[f"output_{end}"] for record in records if record[f"output_{end}"] is not None]
    if stated:
        return max(float(str(value)) for value in stated)
    if end == "hi" and any(record["output_lo"] is not None for record in records):
        return 1.0
    costs = [record[end] for record in records]
    return min(1.0, sum(UNKNOWN[end] if value is None else float(str(value)) for value in costs))


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
