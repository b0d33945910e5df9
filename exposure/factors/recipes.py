"""What a company needs to make its product: inputs by kind, who shares in them, and what hangs on each.

A kind of input is essential (output stops with it), important (other inputs stand in at a price) or ordinary (a part
of output hangs on it). The shares within a kind say how much of it each supplier brings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from exposure.factors.graph import SupplyGraph, states_cost
from exposure.factors.matrices import Vector

OUTSIDE = "other_inputs"
UNKNOWN = {"lo": 0.0, "mid": 0.0, "hi": 1.0}
End = Literal["lo", "mid", "hi"]


@dataclass(frozen=True, slots=True)
class Input:
    """One kind of input of one customer under one reading of the intervals.

    Parameters
    ----------
    suppliers, shares
        Node numbers and their shares within the kind; may add to more than 1 in ``hi``.
    weight
        Part of output (ordinary) or of cost (important) that hangs on the kind; 0 for an essential one, which binds
        whole whatever it costs.
    """

    customer: int
    kind: str
    criticality: str
    suppliers: tuple[int, ...]
    shares: tuple[float, ...]
    weight: float
    records: tuple[dict[str, Any], ...]


def recipes(graph: SupplyGraph, end: End) -> list[Input]:
    """Return the inputs of every customer, sorted by customer and kind.

    A share that nobody knows counts as nothing in ``lo`` and ``mid`` and whole in ``hi``. Weights of a customer add to
    at most 1 in ``lo`` and ``mid``; in ``hi`` each is as large as it may be on its own (see :func:`fitted`), so that a
    further input of unknown size never makes the others look safer.
    """
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in graph.rows:
        if row["supplier"] != OUTSIDE and states_cost(row):
            groups.setdefault((row["customer"], row["input_kind"]), []).append(row)
    ordered = [
        sorted(groups[key], key=lambda row: (row["supplier"], row["link_id"]))
        for key in sorted(groups)
    ]
    sizes = [_weight(records, end) for records in ordered]
    total: dict[str, float] = {}
    for records, size in zip(ordered, sizes, strict=True):
        total[records[0]["customer"]] = total.get(records[0]["customer"], 0.0) + size
    return [
        Input(
            graph.position[records[0]["customer"]],
            records[0]["input_kind"],
            records[0]["criticality"],
            tuple(graph.position[record["supplier"]] for record in records),
            tuple(_shares(records, end)),
            size if end == "hi" else size / max(1.0, total[records[0]["customer"]]),
            tuple(records),
        )
        for records, size in zip(ordered, sizes, strict=True)
    ]


def fitted(shares: Sequence[float], ranking: Sequence[float], end: End) -> list[float]:
    """Return shares that add to at most 1.

    Where the largest shares of rival suppliers add up to more, those with the higher ``ranking`` take theirs first.
    """
    total = sum(shares)
    if total <= 1.0:
        return list(shares)
    if end != "hi":
        return [share / total for share in shares]
    room, taken = 1.0, [0.0] * len(shares)
    for i in sorted(range(len(shares)), key=lambda i: (-ranking[i], i)):
        taken[i] = min(shares[i], room)
        room -= taken[i]
    return taken


def criticality(graph: SupplyGraph, phi: Vector, end: End) -> Vector:
    """Output lost at every node when each factor is fully cut and nothing stands in for it.

    l_i = max(φ_i, max_{k essential or important} Σ_j s_ijk l_j, Σ_{k ordinary} weight_k Σ_j s_ijk l_j)

    Parameters
    ----------
    phi
        Part of each node that is the factor, of shape (n, K).
    end
        Which reading of the intervals.

    Returns
    -------
    numpy.ndarray
        y of shape (n, K): the Leontief end of the CES bracket, whose linear end is the first-hit share x. An important
        input counts as essential here, since a full cut of it is a full loss for every elasticity of at most 1.

    Source
    ------
    Static engine of Diem et al. (2022) without its replaceability factor; methodology 3.3.
    """
    inputs = recipes(graph, end)
    loss = phi.copy()
    if not inputs:
        return loss
    groups = np.repeat(np.arange(len(inputs)), [len(item.suppliers) for item in inputs])
    suppliers = np.concatenate([item.suppliers for item in inputs])
    crowded = [g for g, item in enumerate(inputs) if sum(item.shares) > 1.0]
    customer = np.array([item.customer for item in inputs])
    binding = np.array([item.criticality != "ordinary" for item in inputs])
    weight = np.array([item.weight for item in inputs])
    plain = np.concatenate([fitted(item.shares, item.shares, "mid") for item in inputs])
    starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    for _ in range(_MOST_ROUNDS):
        lost = np.add.reduceat(plain[:, None] * loss[suppliers], starts, axis=0)
        if end == "hi":
            for g in crowded:
                lost[g] = _worst_first(inputs[g], loss)
        following = phi.copy()
        np.maximum.at(following, customer[binding], lost[binding])
        ordinary = np.zeros_like(loss)
        np.add.at(ordinary, customer[~binding], weight[~binding, None] * lost[~binding])
        following = np.minimum(1.0, np.maximum(following, ordinary))
        if float(np.max(following - loss)) <= _SETTLED:
            return following
        loss = following
    return loss


_MOST_ROUNDS = 1_000
_SETTLED = 1e-13


def _worst_first(item: Input, loss: Vector) -> Vector:
    """Loss of a crowded kind, per factor: the suppliers hit hardest take their largest shares first."""
    hit = loss[list(item.suppliers)]
    return np.array(
        [
            float(np.dot(fitted(item.shares, column.tolist(), "hi"), column))
            for column in np.asarray(hit).T
        ]
    )


def _shares(records: Sequence[Mapping[str, Any]], end: End) -> list[float]:
    """Return the shares within the kind: as stated, else by cost.

    Where every supplier's cost has a point, the mix at the points holds in every reading. Where one has none, a share
    in ``hi`` is that of its largest cost beside the smallest of the others, in ``lo`` the reverse.
    """
    stated = [record[f"kind_{end}"] for record in records]
    if any(value is not None for value in stated):
        return [UNKNOWN[end] if value is None else float(value) for value in stated]
    points = [record["mid"] for record in records]
    if end == "mid" or all(point is not None for point in points):
        known = [point or 0.0 for point in points]
        total = sum(known)
        return [value / total if total > 0 else 0.0 for value in known]
    own = [_cost(record, end) for record in records]
    others = [_cost(record, "lo" if end == "hi" else "hi") for record in records]
    rest = sum(others)
    return [
        mine / whole if (whole := mine + rest - other) > 0 else 0.0
        for mine, other in zip(own, others, strict=True)
    ]


def _cost(record: Mapping[str, Any], end: End) -> float:
    return UNKNOWN[end] if record[end] is None else float(record[end])


def _weight(records: Sequence[Mapping[str, Any]], end: End) -> float:
    if records[0]["criticality"] == "essential":
        return 0.0
    stated = [record[f"output_{end}"] for record in records if record[f"output_{end}"] is not None]
    if stated:
        return max(float(value) for value in stated)
    if end == "hi" and any(record["output_lo"] is not None for record in records):
        return 1.0
    costs = [record[end] for record in records]
    return min(1.0, sum(UNKNOWN[end] if value is None else float(value) for value in costs))
