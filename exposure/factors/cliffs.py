"""Rules that start, end or revive soon, by what was known on the day."""

from __future__ import annotations

from datetime import date, timedelta

import dataframely as dy
import polars as pl

CLIFF_DAYS = 90
RELIEF, SCHEDULED = "relief", "scheduled_cliff"  # say a second time what the act itself says


class Cliffs(dy.Schema):
    """A rule that starts, ends or revives soon."""

    event_id = dy.String(primary_key=True)
    due = dy.Date()
    title_zh = dy.String(nullable=True)
    title_en = dy.String()
    instrument = dy.String()


def cliffs(events: pl.DataFrame, as_of: date, days: int = CLIFF_DAYS) -> pl.DataFrame:
    """Return the rules that start, end or revive within some days, by what was known on the day.

    Parameters
    ----------
    events
        :class:`~exposure.schemas.Events`.

    Returns
    -------
    polars.DataFrame
        :class:`Cliffs`, soonest first.
    """
    last = as_of + timedelta(days=days)
    known = events.filter(pl.col("known_on") <= as_of)
    # An act is known from its announcement, its suspension no later than from the day it begins. Of an end nobody
    # knows since when it was known, so it is no cliff of an earlier day; the end of a relief is that of a suspension.
    suspended = (pl.col("suspended_from") <= as_of).fill_null(False)
    held_back = suspended & (pl.col("effective") >= pl.col("suspended_from")).fill_null(False)
    # a suspension holds through its last day: what it holds back is due on the day after
    ends = (pl.col("suspended_to") + pl.duration(days=1)).cast(pl.Date)
    parts = [
        known.filter(~held_back).with_columns(due=pl.col("effective")),
        known.filter(suspended).with_columns(due=ends),
    ]
    due = pl.concat(parts).filter((pl.col("due") > as_of) & (pl.col("due") <= last))
    due = due.filter(pl.col("mechanism") != RELIEF)
    chosen = due.sort("due", "event_id").unique("event_id", keep="first", maintain_order=True)
    acts = chosen.filter(pl.col("mechanism") != SCHEDULED)["due"].to_list()
    rows = [
        row
        for row in chosen.iter_rows(named=True)
        if row["mechanism"] != SCHEDULED
        or not any(abs((row["due"] - day).days) <= 1 for day in acts)
    ]
    schema = {name: column.dtype for name, column in Cliffs.columns().items()}
    return Cliffs.validate(
        pl.DataFrame([{name: row[name] for name in schema} for row in rows], schema=schema)
    )
