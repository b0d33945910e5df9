"""One-line builders for tests: a row states only what the test is about."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from exposure.schemas import Evidence, Links, Nodes, empty, validated

REPORT_DAY = date(2025, 1, 24)


def evidence(measure: str, subject: str, mid: float | None = None, **other: Any) -> dict[str, Any]:
    """One evidence row: a sourced point unless bounds or a status say otherwise."""
    bounded = "lo" in other or "hi" in other
    row: dict[str, Any] = dict.fromkeys(Evidence.columns())
    row |= {
        "evidence_id": f"{subject}.{measure}",
        "subject": subject,
        "measure": measure,
        "lo": None if bounded else mid,
        "mid": mid,
        "hi": None if bounded else mid,
        "unit": "fraction",
        "period": "2024H1",
        "valid_from": date(2024, 7, 1),
        "known_on": date(2024, 8, 30),
        "grade": "B",
        "status": "observed",
        "verdict": "use",
        "source_id": "filing",
        "locator": "segment table",
    }
    return row | other


def evidence_frame(*rows: dict[str, Any]) -> pl.DataFrame:
    """Return a validated evidence table."""
    return validated(pl.DataFrame(list(rows), schema=empty(Evidence).schema), Evidence)


def link(supplier: str, customer: str, mid: float | None, **other: Any) -> dict[str, Any]:
    """One supply link with a point share of total cost."""
    kind = "other" if supplier == "other_inputs" else "chips"
    row: dict[str, Any] = dict.fromkeys(Links.columns())
    row |= {
        "link_id": f"{supplier}.{customer}",
        "supplier": supplier,
        "customer": customer,
        "input_kind": kind,
        "criticality": "ordinary",
        "lo": mid,
        "mid": mid,
        "hi": mid,
        "valid_from": date(2024, 7, 1),
        "known_on": date(2024, 8, 30),
        "grade": "C",
        "status": "estimated",
        "source_id": "filing",
        "locator": "purchases note",
    }
    return row | other


def links_frame(*rows: dict[str, Any]) -> pl.DataFrame:
    """Return a validated link table."""
    return validated(pl.DataFrame(list(rows), schema=empty(Links).schema), Links)


def nodes_frame(*ids: str) -> pl.DataFrame:
    """Return capability nodes."""
    rows = [(i, "capability", i, i, None) for i in ids]
    return pl.DataFrame(rows, schema=empty(Nodes).schema, orient="row")


def stand_alone(folder: Path) -> Path:
    """Make a folder a content root of its own: what is deleted from a copy must not come back from beneath."""
    (folder / "content.toml").write_text('extends = "none"\n', encoding="utf-8")
    return folder
