"""What a walked score comes through, and what changed about a score between two days."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from exposure.factors.catalog import Catalog
from exposure.factors.kinds import Context
from exposure.factors.network import through_flow
from exposure.factors.paths import FactorWalk

FLOW_SCHEMA: dict[str, Any] = {
    "factor_id": pl.String,
    "link_id": pl.String,
    "supplier": pl.String,
    "customer": pl.String,
    "flow": pl.Float64,  # part of the issuer's point share that passes this link
    "share": pl.Float64,  # of the whole point share; paths overlap, so these don't add up
    "printed_lo": pl.Float64,  # as the source has it
    "printed_hi": pl.Float64,
    "lo": pl.Float64,  # widened for age
    "mid": pl.Float64,
    "hi": pl.Float64,
    "age_days": pl.Int64,
}


def link_flows(
    catalog: Catalog, context: Context, issuer_id: str, factor_ids: Sequence[str]
) -> pl.DataFrame:
    """Return how much of an issuer's walked scores passes each link.

    c_ij = u_i (1 − φ_i) A_ij x_j        u = (I − M')⁻¹ e_issuer

    Long paths use several links, so the flows of one factor overlap: rank them, never sum them.

    Returns
    -------
    polars.DataFrame
        Columns of ``FLOW_SCHEMA``, per factor the strongest link first; links without a point have a null flow.
    """
    at = context.graph.index(issuer_id)
    printed = {row["link_id"]: row for row in catalog.links_at(context.as_of).iter_rows(named=True)}
    rows = [
        row
        for factor_id, path in context.walks.items()
        if factor_id in factor_ids and at is not None and at in context.graph.starts(path.side)
        for row in _flows(factor_id, path, at, printed)
    ]
    frame = pl.DataFrame(rows, schema=FLOW_SCHEMA)
    return frame.sort(
        "factor_id", "flow", "link_id", descending=[False, True, False], nulls_last=True
    )


def _flows(
    factor_id: str, path: FactorWalk, at: int, printed: Mapping[str, Mapping[str, Any]]
) -> Iterable[dict[str, Any]]:
    graph = path.graph
    numbers = path.rows(at)
    if not numbers:
        return
    base = "" if path.side == "cost" else "sales_"
    phi = np.zeros(len(graph.node_ids))
    for node, (_, mid, _) in path.question.phi.items():
        phi[node] = mid
    start = np.zeros(phi.size)
    start[at] = 1.0
    if path.question.beyond:
        phi[at] = 0.0
    _, middle, _ = graph.shares(path.side)
    found = through_flow(phi, middle, start)
    flow = {
        (int(i), int(j)): float(value)
        for i, j, value in zip(found.customer, found.supplier, found.value, strict=True)
    }
    whole = float(path.walk.tier[:, at].sum())
    sums: dict[tuple[int, int], float] = {}
    for number in numbers:
        pair = _pair(path, number)
        sums[pair] = sums.get(pair, 0.0) + (graph.rows[number][f"{base}mid"] or 0.0)
    for number in numbers:
        row = graph.rows[number]
        mid = row[f"{base}mid"]
        pair = _pair(path, number)
        value = (
            None
            if mid is None
            else flow.get(pair, 0.0) * (mid / sums[pair] if sums[pair] > 0 else 0.0)
        )
        source = printed[row["link_id"]]
        yield {
            "factor_id": factor_id,
            "link_id": row["link_id"],
            "supplier": row["supplier"],
            "customer": row["customer"],
            "flow": value,
            "share": value / whole if value is not None and whole > 0 else None,
            "printed_lo": source[f"{base}lo"],
            "printed_hi": source[f"{base}hi"],
            "lo": row[f"{base}lo"],
            "mid": mid,
            "hi": row[f"{base}hi"],
            "age_days": (path.as_of - row["valid_from"]).days,
        }


def _pair(path: FactorWalk, number: int) -> tuple[int, int]:
    row = path.graph.rows[number]
    start = row["customer"] if path.side == "cost" else row["supplier"]
    return path.graph.position[start], path.graph.target(path.side, number)


CARRYING = (
    "evidence",
    "derived",
    "link",
    "list",
    "screened",
)  # kinds of steps that a score rests on

CHANGE_SCHEMA: dict[str, Any] = {
    "factor_id": pl.String,
    "basis": pl.String,
    "id": pl.String,
    "change": pl.String,  # new | gone
    "why": pl.String,
    "known_on": pl.Date,
    "valid_from": pl.Date,
}


def changes(
    catalog: Catalog, earlier: pl.DataFrame, later: pl.DataFrame, before: date, after: date
) -> pl.DataFrame:
    """Return which facts a score rests on now that it didn't rest on before, and which it no longer does.

    Parameters
    ----------
    earlier, later
        ``steps`` of two explanations of the same issuer.
    before, after
        Their days, ``before`` ≤ ``after``.

    Returns
    -------
    polars.DataFrame
        Columns of ``CHANGE_SCHEMA``. ``why`` names the day a fact became known or true; a fact that is gone gave way
        to a newer one or ended.
    """
    dates = _dates(catalog)
    keys = ["factor_id", "basis", "id"]
    old, new = (
        steps.filter(pl.col("kind").is_in(CARRYING)).select(keys).unique()
        for steps in (earlier, later)
    )
    rows = [
        {**row, "change": "new", **_why_new(dates.get(row["id"]), before)}
        for row in new.join(old, on=keys, how="anti").iter_rows(named=True)
    ]
    rows += [
        {**row, "change": "gone", **_why_gone(dates.get(row["id"]), after)}
        for row in old.join(new, on=keys, how="anti").iter_rows(named=True)
    ]
    frame = pl.DataFrame(rows, schema=CHANGE_SCHEMA)
    return frame.sort(
        "factor_id",
        "basis",
        "change",
        "known_on",
        "id",
        descending=[False, False, True, False, False],
    )


def _dates(catalog: Catalog) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for frame, key in (
        (catalog.evidence, "evidence_id"),
        (catalog.links, "link_id"),
        (catalog.list_links, "link_id"),
    ):
        columns = [key, "known_on", "valid_from", "valid_to"]
        for name, known, start, end in frame.select(columns).iter_rows():
            found[name] = {"known_on": known, "valid_from": start, "valid_to": end}
    return found


def _why_new(row: Mapping[str, Any] | None, before: date) -> dict[str, Any]:
    if row is None:
        return {"why": "looked for", "known_on": None, "valid_from": None}
    if row["known_on"] is not None and row["known_on"] > before:
        why = f"became known on {row['known_on'].isoformat()}"
    elif row["valid_from"] > before:
        why = f"became true on {row['valid_from'].isoformat()}"
    else:
        why = "known before, used now that a newer fact calls for it"
    return {"why": why, "known_on": row["known_on"], "valid_from": row["valid_from"]}


def _why_gone(row: Mapping[str, Any] | None, after: date) -> dict[str, Any]:
    if row is None:
        return {"why": "no longer asked", "known_on": None, "valid_from": None}
    end = row["valid_to"]
    why = "gave way to a newer fact"
    if isinstance(end, date) and end <= after:
        why = f"ended on {end.isoformat()}"
    return {"why": why, "known_on": row["known_on"], "valid_from": row["valid_from"]}
