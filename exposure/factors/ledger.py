"""The evidence ledger: every fact that scores rest on, flattened to one line each for reading."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl

from exposure.factors.catalog import Catalog
from exposure.factors.derivations import references
from exposure.factors.evidence import visible

LEDGER_SCHEMA = {
    "evidence_id": pl.String,
    "kind": pl.String,
    "subject": pl.String,
    "subject_zh": pl.String,
    "subject_en": pl.String,
    "measure": pl.String,
    "lo": pl.Float64,
    "mid": pl.Float64,
    "hi": pl.Float64,
    "unit": pl.String,
    "period": pl.String,
    "known_on": pl.Date,
    "publisher": pl.String,
    "title": pl.String,
    "locator": pl.String,
    "grade": pl.String,
    "status": pl.String,
    "url": pl.String,
    "note": pl.String,
}


def evidence_ledger(catalog: Catalog, scores: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return one row a fact behind the scores: evidence, what derived figures are made of, links, list rows.

    Parameters
    ----------
    scores
        :class:`~exposure.schemas.FactorScores`.
    as_of
        Only facts known on this day appear.

    Returns
    -------
    polars.DataFrame
        Columns of ``LEDGER_SCHEMA``, sorted by id.
    """
    evidence = rows_by(catalog.evidence.filter(visible(as_of)), "evidence_id")
    links = rows_by(catalog.links_at(as_of), "link_id")
    lists = rows_by(catalog.list_links.filter(pl.col("known_on") <= as_of), "link_id")
    sources = rows_by(catalog.sources, "source_id")
    names = catalog.names()
    rows: dict[str, dict[str, Any]] = {}
    waiting = sorted({fact for ids in scores["evidence_ids"].to_list() for fact in ids})
    while waiting:
        fact = waiting.pop()
        if fact in rows:
            continue
        if fact in evidence:
            row = evidence[fact]
            kind = "derived" if row["formula"] else "evidence"
            rows[fact] = _row(fact, kind, row["subject"], row["measure"], row, names, sources)
            waiting += references(row["formula"] or "")
        elif fact in links:
            row = links[fact]
            flow = f"{row['supplier']} → {row['customer']}"
            rows[fact] = _row(fact, "link", flow, row["input_kind"], row, names, sources)
            rows[fact] |= {
                "unit": "fraction of total cost",
                "subject_zh": _flow(row, names, 0),
                "subject_en": _flow(row, names, 1),
            }
            waiting += references(row["formula"] or "") + references(row["output_formula"] or "")
        elif fact in lists:
            rows[fact] = _list_row(fact, lists[fact], names, sources)
        elif fact.startswith("screened:"):
            rows[fact] = _screened_row(catalog, fact, names, sources)
    found = [rows[key] for key in sorted(rows)]
    return pl.DataFrame(found, schema=LEDGER_SCHEMA)


def rows_by(frame: pl.DataFrame, key: str) -> dict[str, dict[str, Any]]:
    """Return key → row, as dictionaries."""
    return {row[key]: row for row in frame.iter_rows(named=True)}


def _row(
    fact: str,
    kind: str,
    subject: str,
    measure: str,
    row: dict[str, Any],
    names: dict[str, tuple[str, str]],
    sources: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    zh, en = names.get(subject, (subject, subject))
    source = sources.get(row["source_id"] or "", {})
    return {
        "evidence_id": fact,
        "kind": kind,
        "subject": subject,
        "subject_zh": zh,
        "subject_en": en,
        "measure": measure,
        "lo": row.get("lo"),
        "mid": row.get("mid"),
        "hi": row.get("hi"),
        "unit": row.get("unit"),
        "period": row.get("period"),
        "known_on": row.get("known_on"),
        "publisher": source.get("publisher"),
        "title": source.get("title"),
        "locator": row.get("locator"),
        "grade": row.get("grade"),
        "status": row.get("status"),
        "url": source.get("url"),
        "note": row.get("note"),
    }


def _flow(row: dict[str, Any], names: dict[str, tuple[str, str]], which: int) -> str:
    supplier = names.get(row["supplier"], (row["supplier"],) * 2)[which]
    customer = names.get(row["customer"], (row["customer"],) * 2)[which]
    return f"{supplier} → {customer}"


def _list_row(
    fact: str,
    row: dict[str, Any],
    names: dict[str, tuple[str, str]],
    sources: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    shown = row | {
        "unit": "list row",
        "period": f"from {row['valid_from'].isoformat()}",
        "locator": row["citation"],
        "grade": "A",
        "status": "observed",
        "note": f"{row['relation']}: {row['row_name']}",
    }
    return _row(
        fact,
        "list",
        row["issuer_id"],
        f"{row['list_id']} {row['mechanism']}",
        shown,
        names,
        sources,
    )


def _screened_row(
    catalog: Catalog,
    fact: str,
    names: dict[str, tuple[str, str]],
    sources: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    _, list_id, issuer = fact.split(":")
    row = catalog.screened.row(
        by_predicate=(pl.col("issuer_id") == issuer) & (pl.col("list_id") == list_id), named=True
    )
    shown = {
        "source_id": row["source_id"],
        "unit": "list row",
        "locator": f"edition {row['edition_date'].isoformat()}",
        "grade": "A",
        "status": "observed",
        "note": row["note"],
    }
    return _row(fact, "list", issuer, f"no row of {list_id} found", shown, names, sources)
