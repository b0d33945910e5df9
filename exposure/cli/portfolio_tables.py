"""What ``score``, ``stress`` and ``rebalance`` print: tables for people, objects for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exposure.cli.output import (
    STATE_MARKS,
    aligned,
    percent,
    signed_percent,
)

if TYPE_CHECKING:
    import polars as pl

    from exposure.optimiser.planning import Plan
    from exposure.pipeline import Inputs


def bound_text(row: dict[str, Any], column: str = "bound") -> str:
    """Return a bound as a percentage, or as it is where it is a count."""
    return percent(row[column]) if abs(row[column]) <= 20 else f"{row[column]:g}"


def sense_mark(sense: str) -> str:
    """Return the sign of a limit."""
    return {"<=": "≤", ">=": "≥", "==": "="}[sense]


def score_table(
    inputs: Inputs, factors: pl.DataFrame, limits: dict[tuple[str, str], dict[str, Any]]
) -> str:
    """Return the scores as aligned text."""
    rows = [["factor", "", "mid", "lo–hi", "coverage", "active", "counted", "cap", "room", "state"]]
    for row in factors.iter_rows(named=True):
        definition = inputs.catalog.factors[row["factor_id"]]
        limit = limits.get((row["factor_id"], row["basis"]), {})
        unit = percent if definition.highest <= 1 else _number
        basis = definition.basis_names.get(row["basis"], ("", ""))
        rows.append(
            [
                f"{definition.name_zh} {row['factor_id']}",
                basis[0],
                unit(row["mid"]) if row["with_mid"] > 0 else "n/a",
                f"{unit(row['lo'])}–{unit(row['hi'])}",
                percent(row["coverage"], 0),
                signed_percent(row["active"])
                if row["active"] is not None and row["with_mid"] > 0
                else "",
                percent(limit["value"]) if limit else "",
                percent(limit["bound"]) if limit else "",
                signed_percent(limit["room"]) if limit else "",
                STATE_MARKS.get(limit.get("state", ""), ""),
            ]
        )
    return aligned(rows)


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.1f}"


def plan_text(plan: Plan, inputs: Inputs) -> str:
    """Return the plan as text: trades, limits, what binds."""
    names = dict(
        inputs.catalog.master.listings.join(inputs.catalog.master.issuers, on="issuer_id")
        .select("listing_id", "name_zh")
        .iter_rows()
    )
    head = (
        f"tracking error {percent(plan.tracking_error_now, 2)} → {percent(plan.tracking_error_plan, 2)}"
        f"   turnover {percent(plan.turnover)}   cost {plan.cost_bp:.1f} bp"
        f"   solver {plan.solver.solver} {plan.solver.version}\n\n"
    )
    trades: list[list[str]] = [["side", "listing", "", "shares", "weight", "", "reason"]]
    for row in plan.trades.iter_rows(named=True):
        subject = f" {row['reason_subject']}" if row["reason_subject"] else ""
        blocked = f"   blocked: {row['blocked']}" if row["blocked"] else ""
        trades.append(
            [
                row["side"],
                row["listing_id"],
                str(names.get(row["listing_id"]) or ""),
                f"{row['quantity']:,.0f}",
                percent(row["weight_before"]),
                f"→ {percent(row['weight_after'])}",
                f"{row['reason_code']}{subject}{blocked}",
            ]
        )
    limits: list[list[str]] = [
        ["limit", "", "now", "plan", "bound", "room", "state", "shadow price"]
    ]
    for row in plan.limits.iter_rows(named=True):
        price = row["shadow_price"]
        limits.append(
            [
                row["name"],
                sense_mark(row["sense"]),
                percent(row["now"]),
                percent(row["plan"]),
                percent(row["bound"]),
                signed_percent(row["room"]),
                STATE_MARKS.get(row["state"], ""),
                _shadow(price),
            ]
        )
    return head + aligned(trades) + "\n" + aligned(limits)


def _shadow(price: float | None) -> str:
    return (
        "" if price is None or abs(price) < 5e-3 else f"{price:.2f} bp of tracking error per 1 pp"
    )


def score_json(
    inputs: Inputs, scores: dict[str, Any], limits: dict[tuple[str, str], dict[str, Any]]
) -> dict[str, Any]:
    """Return the scores as an object for programs."""
    for row in scores["factors"]:
        definition = inputs.catalog.factors[row["factor_id"]]
        limit = limits.get((row["factor_id"], row["basis"]))
        row["name_zh"], row["name_en"] = definition.name_zh, definition.name_en
        row["mid"] = row["mid"] if row["with_mid"] > 0 else None
        row["limit"] = (
            None
            if limit is None
            else {key: limit[key] for key in ("sense", "value", "bound", "room", "state")}
        )
    return {
        "as_of": inputs.book.as_of,
        "portfolio": inputs.book.name,
        "holdings": inputs.book.holdings.height,
        "content": inputs.catalog.fingerprint,
        **{key: value for key, value in scores.items() if key != "as_of"},
        "issues": inputs.book.issues.to_dicts(),
    }


def plan_json(plan: Plan, inputs: Inputs) -> dict[str, Any]:
    """Return the plan as an object for programs."""
    return {
        "as_of": inputs.book.as_of,
        "portfolio": inputs.book.name,
        "status": plan.status.value,
        "tracking_error_now": plan.tracking_error_now,
        "tracking_error_plan": plan.tracking_error_plan,
        "turnover": plan.turnover,
        "cost_bp": plan.cost_bp,
        "solver": {
            "name": plan.solver.solver,
            "version": plan.solver.version,
            "status": plan.solver.status,
        },
        "weights": plan.weights.to_dicts(),
        "trades": plan.trades.to_dicts(),
        "limits": plan.limits.to_dicts(),
        "issues": plan.issues.to_dicts(),
    }
