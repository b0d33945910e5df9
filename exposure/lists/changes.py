"""What a new edition of a list changed against the one before: rows, cells and aliases."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from exposure.lists.snapshot import Snapshot

DIFF = ("change", "list_id", "row_key", "name", "column", "before", "after")
CHANGES = ("row removed", "alias removed", "row changed", "row added", "alias added")
# what is compared of a row that both editions have; aliases have a table of their own
COMPARED = (
    "name", "kind", "weak_aliases", "countries", "citations", "footnotes", "requirement", "policy", "programmes",
    "listing_ids", "isins", "identifiers", "start", "effective", "divest_by", "end",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Changes:
    """What a new edition changed. Removals come first in a review: they end links.

    Parameters
    ----------
    added, removed
        Rows of :class:`~exposure.lists.rows.ListRows`.
    aliases
        | row_key | name | alias | change: removed or added |, of rows that both editions have.
    changed
        | row_key | name | column | before | after |, of rows that both editions have; aliases apart.
    """

    added: pl.DataFrame
    removed: pl.DataFrame
    aliases: pl.DataFrame
    changed: pl.DataFrame

    def table(self) -> pl.DataFrame:
        """Return all of it as one table, removals first.

        Returns
        -------
        polars.DataFrame
            | change: row removed, alias removed, row changed, row added, alias added | list_id | row_key | name |
            column | before | after |
        """
        nothing = pl.lit(None, dtype=pl.String)
        alias = self.aliases.with_columns(
            pl.format("alias {}", "change").alias("change"),
            pl.lit("aliases").alias("column"),
            pl.when(pl.col("change") == "removed").then("alias").alias("before"),
            pl.when(pl.col("change") == "added").then("alias").alias("after"),
        )
        parts = [
            frame.with_columns(
                pl.lit(f"row {change}").alias("change"),
                nothing.alias("column"), nothing.alias("before"), nothing.alias("after"),
            )
            for change, frame in (("removed", self.removed), ("added", self.added))
        ]  # fmt: skip
        changed = self.changed.with_columns(pl.lit("row changed").alias("change"))
        return (
            pl.concat([frame.select(DIFF) for frame in (*parts, changed, alias)])
            .with_columns(pl.col("change").cast(pl.Enum(CHANGES)))
            .sort("change", "list_id", "row_key", "column", "before", "after", nulls_last=True)
            .with_columns(pl.col("change").cast(pl.String))
        )


def changes(new: Snapshot, previous: Snapshot) -> Changes:
    """Compare two editions by row key: rows that came, left or changed, aliases that came or left.

    A row whose first citation changed has another key: it is one that left and one that came.
    """
    before, after = previous.rows, new.rows
    added = after.join(before, on="row_key", how="anti", maintain_order="left")
    removed = before.join(after, on="row_key", how="anti", maintain_order="left")
    before = before.join(after, on="row_key", how="semi", maintain_order="left")
    after = after.join(before, on="row_key", how="semi", maintain_order="left")
    old, now = _aliases(before), _aliases(after)
    both = pl.concat(
        [
            old.join(now, on=["row_key", "alias"], how="anti").with_columns(
                pl.lit("removed").alias("change")
            ),
            now.join(old, on=["row_key", "alias"], how="anti").with_columns(
                pl.lit("added").alias("change")
            ),
        ]
    )
    aliases = both.sort(pl.col("change") == "added", "row_key", "alias")
    return Changes(added, removed, aliases, _changed(before, after))


def _aliases(rows: pl.DataFrame) -> pl.DataFrame:
    return (
        rows.select("list_id", "row_key", "name", pl.col("aliases").alias("alias"))
        .explode("alias")
        .drop_nulls("alias")
        .unique(["row_key", "alias"], maintain_order=True)
    )


def _changed(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Return cells that differ; rows of one key are taken together, as their order means nothing."""
    old, now = _texts(before), _texts(after)
    whole = ["row_key", *COMPARED]
    gone = old.join(now, on=whole, how="anti", nulls_equal=True)
    come = now.join(old, on=whole, how="anti", nulls_equal=True)
    differ = pl.concat([gone, come]).select("row_key").unique()
    found = _cells(old.join(differ, on="row_key", how="semi")).join(
        _cells(now.join(differ, on="row_key", how="semi")),
        on=["row_key", "column"],
        suffix="_after",
    )
    return (
        found.filter(pl.col("value").ne_missing(pl.col("value_after")))
        .select(
            pl.col("list_id_after").alias("list_id"),
            "row_key",
            pl.col("printed_after").alias("name"),
            "column",
            pl.col("value").alias("before"),
            pl.col("value_after").alias("after"),
        )
        .sort("row_key", "column")
    )


def _texts(rows: pl.DataFrame) -> pl.DataFrame:
    texts = [
        pl.col(name).list.sort().list.join("; ")
        if isinstance(rows.schema[name], pl.List)
        else pl.col(name).cast(pl.String)
        for name in COMPARED
    ]
    return rows.select("list_id", "row_key", pl.col("name").alias("printed"), *texts)


def _cells(texts: pl.DataFrame) -> pl.DataFrame:
    return (
        texts.unpivot(COMPARED, index=["list_id", "row_key", "printed"], variable_name="column")
        .with_columns(pl.when(pl.col("value") != "").then("value"))
        .group_by("row_key", "column")
        .agg(
            pl.col("list_id").first(),
            pl.col("printed").first(),
            pl.col("value").drop_nulls().unique().sort().str.join(" | "),
        )
        .with_columns(pl.when(pl.col("value") != "").then("value"))
    )
