"""Evidence as it stood on a day: bitemporal filter, conflicts, staleness.

A run at ``as_of`` uses rows with known_on ≤ as_of and valid_from ≤ as_of < valid_to, where an end counts only from the
day it could have been known. That filter is the look-ahead guard, and this is the only place that applies it to
evidence and links.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import polars as pl

DAYS_PER_YEAR = 365.25


def visible(as_of: date) -> pl.Expr:
    """Return the bitemporal filter of a run: known and valid on ``as_of``.

    Examples
    --------
    >>> from datetime import date
    >>> import polars as pl
    >>> rows = pl.DataFrame({"known_on": [date(2025, 1, 24), date(2025, 8, 31)],
    ...     "valid_from": [date(2024, 7, 1)] * 2, "valid_to": [None, None], "ended_known_on": [None, None]},
    ...     schema_overrides={"valid_to": pl.Date, "ended_known_on": pl.Date})
    >>> rows.filter(visible(date(2025, 1, 24))).height
    1
    """
    return (
        (pl.col("known_on").fill_null(pl.col("valid_from")) <= as_of)
        & (pl.col("valid_from") <= as_of)
        & (
            pl.col("valid_to").is_null()
            | (pl.col("valid_to") > as_of)
            | (pl.col("ended_known_on") > as_of).fill_null(False)
        )
    )


def aged_interval(
    record: Mapping[str, Any], as_of: date, sd_per_year: float, lowest: float, highest: float
) -> tuple[float, float]:
    """Return a settled record's interval on a day, widened for age, inside its unit.

    An open end is the end of the unit and has nowhere to go.
    """
    lo = lowest if record["lo"] is None else record["lo"]
    hi = highest if record["hi"] is None else record["hi"]
    age = (as_of - record["valid_from"]).days
    wide_lo, wide_hi = widen(lo, record["mid"], hi, age, sd_per_year)
    return (
        lo if record["lo"] is None else max(lowest, wide_lo),
        hi if record["hi"] is None else min(highest, wide_hi),
    )


FLOW = ["supplier", "customer", "input_kind"]


def current_links(links: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return the links as they stood on a day: one row a flow, the newest period, conflicts settled.

    A flow is a supplier, a customer and a kind of input. An older row of the same flow gives way as soon as a newer
    one is known, so nobody has to write an end into the older. Rows of one period describe the same flow twice: their
    intervals are intersected, never added; if they don't meet, the better grade wins, at equal grade the one known
    later.
    """
    rows = links.filter(visible(as_of))
    rows = rows.filter(pl.col("valid_from") == pl.col("valid_from").max().over(FLOW))
    rows = rows.sort(*FLOW, "grade", "known_on", "link_id", descending=[False] * 4 + [True, False])
    if not rows.select(pl.struct(FLOW).is_duplicated().any()).item():
        return rows.sort("link_id")
    merged = [_same_flow(part.to_dicts()) for part in rows.partition_by(FLOW, maintain_order=True)]
    return pl.DataFrame(merged, schema=links.schema).sort("link_id")


def _same_flow(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the best row with the intervals of all that agree with it."""
    best = dict(rows[0])
    for base in ("", "sales_"):
        lo, mid, hi = f"{base}lo", f"{base}mid", f"{base}hi"
        for row in rows[1:]:
            ends = [row[lo], best[lo]], [row[hi], best[hi]]
            low = max((v for v in ends[0] if v is not None), default=None)
            high = min((v for v in ends[1] if v is not None), default=None)
            if low is not None and high is not None and low > high + 1e-12:
                continue
            best[lo], best[hi] = low, high
            point = best[mid] if best[mid] is not None else row[mid]
            if point is not None:
                point = max(point, low) if low is not None else point
                point = min(point, high) if high is not None else point
            best[mid] = point
    return best


def resolve(evidence: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return one interval per subject and measure: the newest period, conflicts settled.

    Rows of the newest period are intersected. If they contradict each other, the better grade wins, at equal grade the
    one known later; the others stay visible in ``lost_ids``. A bound without a mid narrows the interval. Where both
    ends rest on evidence but no row states a point, the mid is their midpoint and the status ``estimated``.

    Parameters
    ----------
    evidence
        :class:`~exposure.schemas.Evidence`.

    Returns
    -------
    polars.DataFrame
        | subject | measure | unit | period | lo | mid | hi (null where open) | status | grade | known_on | valid_from |
        evidence_ids | lost_ids | conflict |
    """
    rows = evidence.filter(visible(as_of) & pl.col("verdict").is_in(["use", "conflict"]))
    rows = rows.filter(pl.col("status") != "missing")
    rows = rows.filter(
        pl.col("valid_from") == pl.col("valid_from").max().over("subject", "measure")
    )
    rows = rows.sort(
        "subject",
        "measure",
        "grade",
        "known_on",
        "evidence_id",
        descending=[False, False, False, True, False],
    )
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for record in rows.iter_rows(named=True):
        groups.setdefault((record["subject"], record["measure"]), []).append(record)
    settled = [_settle(records) for records in groups.values()]
    return frame_of({name: [row[name] for row in settled] for name in _RESOLVED}, _RESOLVED)


def frame_of(columns: Mapping[str, Sequence[object]], schema: Mapping[str, Any]) -> pl.DataFrame:
    """Return columns as a frame with the types of ``schema``, in its order."""
    return pl.DataFrame([_column(name, columns[name], kind) for name, kind in schema.items()])


_GLUE = "\x1f"  # the unit separator stands in no id


def _column(name: str, values: Sequence[Any], kind: Any) -> pl.Series:
    """Return one column; lists of ids are joined and split again, since a list a row is slow to build."""
    if kind != pl.List(pl.String):
        return pl.Series(name, values, dtype=kind)
    glued = pl.Series(name, [_GLUE.join(ids) for ids in values], dtype=pl.String)
    return glued.str.split(_GLUE).list.eval(pl.element().filter(pl.element() != ""))


_RESOLVED: dict[str, Any] = {
    "subject": pl.String,
    "measure": pl.String,
    "unit": pl.String,
    "period": pl.String,
    "lo": pl.Float64,
    "mid": pl.Float64,
    "hi": pl.Float64,
    "status": pl.String,
    "grade": pl.String,
    "known_on": pl.Date,
    "valid_from": pl.Date,
    "evidence_ids": pl.List(pl.String),
    "lost_ids": pl.List(pl.String),
    "conflict": pl.Boolean,
}


def _settle(records: Sequence[dict[str, Any]]) -> dict[str, object]:
    """Settle the rows of one subject and measure; they come best first."""
    kept = [records[0]]
    lost: list[str] = []
    lo, hi = _low(records[0]), _high(records[0])
    for record in records[1:]:
        if (
            record["unit"] != records[0]["unit"]
            or max(lo, _low(record)) > min(hi, _high(record)) + 1e-12
        ):
            lost.append(record["evidence_id"])
            continue
        lo, hi = max(lo, _low(record)), min(hi, _high(record))
        kept.append(record)
    mid = next(
        (r["mid"] for r in kept if r["mid"] is not None and lo - 1e-12 <= r["mid"] <= hi + 1e-12),
        None,
    )
    statuses = [record["status"] for record in kept]
    status = (
        "imputed"
        if all(s == "imputed" for s in statuses)
        else next(s for s in statuses if s != "imputed")
    )
    if mid is None and math.isfinite(lo) and math.isfinite(hi) and status != "imputed":
        mid, status = (lo + hi) / 2, "estimated"
    return {
        "subject": records[0]["subject"],
        "measure": records[0]["measure"],
        "unit": records[0]["unit"],
        "period": records[0]["period"],
        "lo": lo if math.isfinite(lo) else None,
        "mid": mid,
        "hi": hi if math.isfinite(hi) else None,
        "status": status,
        "grade": max(record["grade"] for record in kept),
        "known_on": max(record["known_on"] for record in kept),
        "valid_from": records[0]["valid_from"],
        "evidence_ids": sorted(record["evidence_id"] for record in kept),
        "lost_ids": sorted(lost),
        "conflict": bool(lost),
    }


def _low(record: dict[str, object]) -> float:
    value = record["lo"]
    return value if isinstance(value, float) else -math.inf


def _high(record: dict[str, object]) -> float:
    value = record["hi"]
    return value if isinstance(value, float) else math.inf


def widen(
    lo: float, mid: float | None, hi: float, age_days: int, sd_per_year: float
) -> tuple[float, float]:
    """Return the interval widened for age.

    half(t)² = half₀² + (σ_a · age in years)², each side by its own half.

    Examples
    --------
    >>> tuple(round(x, 4) for x in widen(0.17, 0.20, 0.23, 365, 0.04))
    (0.15, 0.25)
    """
    if sd_per_year <= 0 or age_days <= 0:
        return lo, hi
    drift = sd_per_year * age_days / DAYS_PER_YEAR
    centre = (lo + hi) / 2 if mid is None else mid
    return centre - math.hypot(centre - lo, drift), centre + math.hypot(hi - centre, drift)
