"""How old what we know of each list is, and whether one may still rely on absence from it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import dataframely as dy
import polars as pl

WARN_AFTER_DAYS = 7
# by how often the agency publishes: OFAC and BIS at any time, the Department of Defense about once a year
REFUSE_AFTER_DAYS: Mapping[str, int] = {"SDN": 30, "NS-CMIC": 30, "EL": 30, "1260H": 120}


class ListAges(dy.Schema):
    """The newest edition of a list on a day and its age."""

    list_id = dy.String(primary_key=True)
    edition_date = dy.Date()
    seen_on = dy.Date()  # the last day by then on which it was seen to be the newest
    days = dy.Int64(min=0)  # since then
    refuse_after = dy.Int64(nullable=True)  # null: old is only warned of
    state = dy.String(regex=r"^(ok|warn|refuse)$")
    origin = dy.String(regex=r"^(store|content)$")  # content: factors/lists/editions.csv
    rows = dy.Int64(nullable=True)
    sha256 = dy.String(nullable=True)
    layout = dy.String(nullable=True)


def list_ages(stored: pl.DataFrame, reviewed: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return the age of each list on a day.

    Parameters
    ----------
    stored
        :class:`~exposure.lists.store.StoredEditions`.
    reviewed
        :class:`~exposure.lists.snapshot.Editions` of the content: for lists that the store lacks, such as 1260H, which
        has no official data file.
    as_of
        Editions published later are not there yet. Age counts from the last day on which the edition was seen to be
        the newest: the day it was fetched from the agency, else its day of publication.

    Returns
    -------
    polars.DataFrame
        :class:`ListAges`.
    """
    known = stored.filter(pl.col("edition_date") <= as_of)
    newest = known.group_by("list_id", maintain_order=True).last()
    by_then = pl.col("seen_on").list.eval(pl.element().filter(pl.element() <= as_of)).list.max()
    held = newest.select(
        "list_id",
        "edition_date",
        by_then.alias("seen_on"),
        pl.lit("store").alias("origin"),
        "rows",
        "sha256",
        "layout",
    )
    content = newest_editions(reviewed, as_of).select(
        "list_id",
        "edition_date",
        pl.col("edition_date").alias("seen_on"),
        pl.lit("content").alias("origin"),
        "rows",
    )
    rest = content.join(held, on="list_id", how="anti")
    limits = pl.col("list_id").replace_strict(
        dict(REFUSE_AFTER_DAYS), default=None, return_dtype=pl.Int64
    )
    frame = (
        pl.concat([held, rest], how="diagonal")
        .with_columns(
            (pl.lit(as_of) - pl.col("seen_on")).dt.total_days().alias("days"),
            limits.alias("refuse_after"),
        )
        .with_columns(
            pl.when((pl.col("days") > pl.col("refuse_after")).fill_null(False))
            .then(pl.lit("refuse"))
            .when(pl.col("days") > WARN_AFTER_DAYS)
            .then(pl.lit("warn"))
            .otherwise(pl.lit("ok"))
            .alias("state")
        )
    )
    return ListAges.validate(frame.select(ListAges.column_names()).sort("list_id"))


def newest_editions(editions: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return of each list the newest edition that was out and known on a day.

    Parameters
    ----------
    editions
        :class:`~exposure.lists.snapshot.Editions`.
    """
    out = editions.filter((pl.col("edition_date") <= as_of) & (pl.col("known_on") <= as_of))
    return out.sort("list_id", "edition_date").group_by("list_id", maintain_order=True).last()
