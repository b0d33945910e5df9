"""One row for each listing: lots at one price are summed, rows at two prices are refused."""

from __future__ import annotations

import polars as pl

from exposure.content import SOURCE_ROW
from exposure.portfolios.lines import IS_CASH, OK, Lines

ROWS_SHOWN = 8
PRICE_SPREAD = 0.002  # prices derived from rounded values differ in the last digits


def merge_duplicates(lines: Lines) -> int:
    """Sum the rows of one listing at one price; return how many rows went into another.

    Rows at different prices are rejected: one of them is wrong.
    """
    usable = OK & ~IS_CASH & pl.col("listing_id").is_not_null()
    numbered = lines.rows.with_row_index("at")
    groups = (
        numbered.filter(usable)
        .group_by("listing_id", maintain_order=True)
        .agg(
            pl.len().alias("count"),
            pl.col("at").first().alias("at"),
            pl.col(SOURCE_ROW).head(ROWS_SHOWN).alias("rows"),
            ((pl.col("price").max() - pl.col("price").min()) > PRICE_SPREAD * pl.col("price").max())
            .fill_null(value=False)
            .or_(pl.col("price").is_null().any() & pl.col("price").is_not_null().any())
            .or_(pl.col("price_text").is_not_null().all() & (pl.col("price").n_unique() > 1))
            .or_(pl.col("rate").n_unique() > 1)
            .alias("apart"),
            (pl.col("worth").sum() / pl.col("quantity").sum() / pl.col("rate").first()).alias(
                "mean"
            ),
            pl.col("price").n_unique().alias("prices"),
            *(_complete_sum(name) for name in ("quantity", "available", "worth", "share")),
        )
        .filter(pl.col("count") > 1)
    )
    if groups.is_empty():
        return 0
    shown = pl.col("rows").cast(pl.List(pl.String)).list.join(", ") + pl.when(
        pl.col("count") > ROWS_SHOWN
    ).then(pl.lit(", …")).otherwise(pl.lit(""))
    groups = groups.with_columns(shown.alias("rows"))
    _reject_prices(lines, groups.filter("apart"), usable)
    groups = groups.filter(~pl.col("apart"))
    if groups.is_empty():
        return 0
    sums = ["quantity", "available", "worth", "share"]
    merged = (
        lines.rows.with_row_index("at")
        .join(
            groups.select(
                "listing_id",
                "mean",
                "prices",
                pl.col("at").alias("leads"),
                *(f"sum_{s}" for s in sums),
            ),
            on="listing_id",
            how="left",
            maintain_order="left",
        )
        .with_columns(grouped=(usable & pl.col("leads").is_not_null()).fill_null(value=False))
    )
    gone = pl.col("grouped") & (pl.col("at") != pl.col("leads"))
    count = int(merged.select(gone.sum()).item())
    firsts = merged.filter(pl.col("grouped") & ~gone).select(
        "listing_id", SOURCE_ROW, "code", "name"
    )
    lines.rows = (
        merged.filter(~gone)
        .with_columns(
            pl.when(pl.col("grouped")).then(f"sum_{s}").otherwise(s).alias(s) for s in sums
        )
        .with_columns(
            price=pl.when(pl.col("grouped") & (pl.col("prices") > 1))
            .then("mean")
            .otherwise("price")
        )
        .select(lines.rows.columns)
    )
    told = groups.join(firsts, on="listing_id", maintain_order="left")
    for listing, size, rows, row, code, name in told.select(
        "listing_id", "count", "rows", SOURCE_ROW, "code", "name"
    ).iter_rows():
        lines.say(
            "warning",
            "duplicates_summed",
            f"{listing} stands in {size} rows ({rows}) at one price; summed",
            row=row,
            column=lines.raw.header("code"),
            raw=code or name,
        )
    return count


def _complete_sum(name: str) -> pl.Expr:
    """Sum over a group; missing in one row is missing in the sum."""
    return pl.when(pl.col(name).null_count() == 0).then(pl.col(name).sum()).alias(f"sum_{name}")


def _reject_prices(lines: Lines, groups: pl.DataFrame, usable: pl.Expr) -> None:
    if groups.is_empty():
        return
    told = dict(
        groups.select(
            "listing_id",
            pl.format("{} stands at different prices in rows {}", "listing_id", "rows").alias(
                "why"
            ),
        ).iter_rows()
    )
    lines.reject(
        usable & pl.col("listing_id").is_in(list(told)),
        "duplicate_prices",
        pl.col("listing_id").replace_strict(told, default="", return_dtype=pl.String),
        "keep one row, or correct the price",
        "price",
    )
