"""How old everything is that a run rests on: lists, reviews of evidence, the risk snapshot."""

from __future__ import annotations

from datetime import date

import dataframely as dy
import polars as pl

from exposure.factors.catalog import Catalog
from exposure.factors.scoring import reviews_due
from exposure.lists.ages import list_ages
from exposure.risk import load_risk

RISK_WARN_AFTER_DAYS = 10  # a weekly run over one holiday week


class Freshness(dy.Schema):
    """One thing that ages."""

    what = dy.String(primary_key=True)
    kind = dy.String(regex=r"^(list|evidence|risk)$")
    day = dy.Date(nullable=True)  # edition, oldest overdue check, snapshot
    days = dy.Int64(nullable=True)
    state = dy.String(regex=r"^(ok|warn|refuse|due|none)$")
    note = dy.String()


def freshness(catalog: Catalog, stored: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return the age of lists, reviews and risk data on a day.

    Parameters
    ----------
    stored
        :class:`~exposure.lists.store.StoredEditions`.

    Returns
    -------
    polars.DataFrame
        :class:`Freshness`: lists first, then evidence, then risk.
    """
    rows = [
        {
            "what": f"list {row['list_id']}",
            "kind": "list",
            "day": row["edition_date"],
            "days": row["days"],
            "state": row["state"],
            "note": f"last seen {row['seen_on'].isoformat()}"
            if row["origin"] == "store"
            else "reviewed in the content; no edition is held",
        }
        for row in list_ages(stored, catalog.editions, as_of).iter_rows(named=True)
    ]
    rows += [_reviews(catalog, as_of), _risk(catalog, as_of)]
    schema = {name: column.dtype for name, column in Freshness.columns().items()}
    return Freshness.validate(pl.DataFrame(rows, schema=schema, orient="row"))


def _reviews(catalog: Catalog, as_of: date) -> dict[str, object]:
    due = reviews_due(catalog, as_of)
    checked = sum(factor.manual_check is not None for factor in catalog.factors.values())
    oldest = min((check.last_checked for _, check in due), default=None)
    return {
        "what": "evidence reviews",
        "kind": "evidence",
        "day": oldest,
        "days": None if oldest is None else (as_of - oldest).days,
        "state": "due" if due else "ok",
        "note": f"{len(due)} of {checked} factors overdue for a check",
    }


def _risk(catalog: Catalog, as_of: date) -> dict[str, object]:
    risk = load_risk(catalog.root, as_of)
    day = None if risk is None else risk.as_of
    days = None if day is None else (as_of - day).days
    old = days is not None and days > RISK_WARN_AFTER_DAYS
    return {
        "what": "risk snapshot",
        "kind": "risk",
        "day": day,
        "days": days,
        "state": "none" if days is None else "warn" if old else "ok",
        "note": "the last day whose closes could enter" if day else "none on or before this day",
    }
