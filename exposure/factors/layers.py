"""What a layer of the user's own may do to our facts without changing what an earlier day knew.

A row of the layer replaces ours with the same key. Where it became known later than ours, ours stays in force until
that day, so that a run as of an earlier day gives what it gave without the layer.
"""

from __future__ import annotations

import polars as pl

from exposure.content import SOURCE_ROW, ContentRoot, key_of, read_text_csv, replaces
from exposure.errors import ContentError, Place

# One name of each of the groups of tables that share their keys.
FACTS = ("factors/evidence/any.csv", "factors/links/any.csv")
# Dated tables that are no intervals: two rows of one act or stake would be read side by side.
SINGLE = (
    "factors/events.csv",
    "factors/lists/reviewed_links.csv",
    "factors/lists/editions.csv",
    "portfolios/reference/ownership.csv",
)


def replaces_facts(root: ContentRoot) -> bool:
    """Return whether a layer replaces evidence, derived figures or links; rows that it only adds end nothing."""
    return any(replaces(root, name) for name in FACTS)


def succeeded(mine: pl.DataFrame, below: pl.DataFrame, key: str) -> pl.DataFrame:
    """Keep a row from beneath in force until the day its replacement could have been known.

    Parameters
    ----------
    mine
        Evidence or links of the layered content, derived figures computed.
    below
        The same table of the content beneath.
    key
        ``evidence_id`` or ``link_id``.

    Returns
    -------
    polars.DataFrame
        ``mine``, sorted by ``key``. A replacement known later has its day in its id (``x.known-2025-03-01``); the row
        that it replaces keeps its id and ends on that day.
    """
    known = mine.select(key, pl.col("known_on").alias("_replaced_on"))
    ours = below.join(known, on=key, how="inner").filter(
        pl.col("_replaced_on") > pl.col("known_on")
    )
    if ours.is_empty():
        return mine
    day = pl.col("_replaced_on")
    learnt = pl.coalesce("ended_known_on", "valid_to")
    ended = ours.filter(pl.col("valid_from") < day).with_columns(
        pl.min_horizontal("valid_to", day).alias("valid_to"),
        pl.min_horizontal(learnt, day).alias("ended_known_on"),
    )
    stated = pl.col(key) + ".known-" + pl.col("known_on").dt.to_string("%Y-%m-%d")
    later = pl.col(key).is_in(ended[key].implode())
    renamed = mine.with_columns(pl.when(later).then(stated).otherwise(key).alias(key))
    return pl.concat([renamed, ended.select(mine.columns)]).sort(key)


def refuse_later(root: ContentRoot) -> None:
    """Refuse a row of a layer that replaces an act, a list link, an edition or a stake known earlier.

    Raises
    ------
    ContentError
        With file and row: runs as of an earlier day would lose what they knew.
    """
    places: list[Place] = []
    for name in SINGLE:
        own, keys = root.path / name, key_of(name)
        if root.base is None or keys is None or not own.is_file():
            continue
        mine = read_text_csv(own, name)
        if not {*keys, "known_on"} <= set(mine.columns):
            continue
        below = root.base.read_csv(name).select(*keys, pl.col("known_on").alias("_before"))
        rows = mine.join(below, on=list(keys), how="inner")
        late = rows.filter(pl.col("known_on") > pl.col("_before")).sort(SOURCE_ROW)
        places += [
            Place(
                name,
                f"is later than {before}, when ours was known",
                row=row,
                column="known_on",
                value=known,
            )
            for row, known, before in late.select(SOURCE_ROW, "known_on", "_before").iter_rows()
        ]
    if places:
        raise ContentError(
            f"{root.path.name} replaces {len(places)} rows by ones known later",
            places=places,
            cure="give your row a key of its own; to end ours, repeat it with its known_on and an end",
        )
