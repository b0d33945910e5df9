"""Returns of each listing over the days it shares with the factors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from exposure.portfolios.trading_rules import TradingRules
from exposure.risk.markets import HOME, board_of, market_column, market_of
from exposure.risk.model import Array

DAYS_PER_YEAR = 242  # trading days of a mainland year; variances of a day × 242 are per year
BEYOND_LIMIT = 0.01  # a return further than this above the limit can't be an ordinary day


@dataclass(frozen=True, slots=True)
class Sample:
    """Returns of one listing in the window and the factor returns over the same spans."""

    listing_id: str
    y: Array
    f: Array
    limit_days: int
    intervals_per_year: float
    daily_volume: float | None


def index_table(index_closes: pl.DataFrame, factors: tuple[str, ...]) -> pl.DataFrame:
    """Return the days on which every factor has a close, one column per factor."""
    wide = index_closes.filter(pl.col("index_code").is_in(factors) & (pl.col("close") > 0)).pivot(
        on="index_code", on_columns=list(factors), index="date", values="close"
    )
    return wide.drop_nulls().sort("date")


def simple_returns(levels: Array) -> Array:
    """Return the simple returns between consecutive rows."""
    return np.asarray(levels[1:] / levels[:-1] - 1.0, dtype=np.float64)


def theme_rotation(index_returns: Array) -> Array:
    """Return the k × k matrix that turns index returns into orthogonal factor returns (Gram-Schmidt)."""
    centred = index_returns - index_returns.mean(axis=0)
    k = centred.shape[1]
    rotation = np.eye(k)
    for j in range(1, k):
        before = centred @ rotation[:, :j]
        coefficients, *_ = np.linalg.lstsq(before, centred[:, j], rcond=None)
        rotation[:, j] -= rotation[:, :j] @ coefficients
    return rotation


def listing_samples(
    closes: pl.DataFrame,
    calendar: pl.DataFrame,
    factors: tuple[str, ...],
    rotation: Array,
    limits: TradingRules,
) -> tuple[list[Sample], list[dict[str, object]], int]:
    """Return the returns of every listing in the window, what was excluded, and how many gaps were dropped."""
    samples: list[Sample] = []
    excluded: list[dict[str, object]] = []
    gaps = 0
    days_of_market = _calendars(closes, calendar)
    for (listing,), own in closes.group_by("listing_id", maintain_order=True):
        name = str(listing)
        days = days_of_market[market_of(name)]
        spans = calendar.filter(pl.col("date").is_in(days.implode()))
        f = np.zeros((0, len(factors)))
        if spans.height > 1:
            f = simple_returns(spans.select(factors).to_numpy()) @ rotation
        at = spans.select("date").with_row_index("t")
        usable = own.with_row_index("nth").filter(pl.col("close") > 0)
        unusable = own.filter(
            ~(pl.col("close") > 0).fill_null(False), pl.col("date").is_in(at["date"].implode())
        )
        for day in unusable["date"]:
            excluded.append({"listing_id": name, "date": day, "reason": "close is not above zero"})
        rows = (
            usable.join(at, on="date", how="inner", maintain_order="left")
            .with_columns(
                (pl.col("close") / pl.col("close").shift(1) - 1.0).alias("ret"),
                pl.col("close").shift(1).alias("previous"),
                (pl.col("t").cast(pl.Int64) - pl.col("t").cast(pl.Int64).shift(1)).alias("steps"),
            )
            .filter(pl.col("ret").is_not_null())
        )
        gaps += rows.filter(pl.col("steps") > 1).height
        kept, faults, limit_days = _within_limits(
            name, rows.filter(pl.col("steps") == 1), own["date"][0], limits
        )
        excluded += faults
        volume = usable.join(at, on="date")["volume_shares"].median()
        samples.append(
            Sample(
                name,
                kept["ret"].to_numpy(),
                f[kept["t"].to_numpy().astype(np.int64) - 1],
                limit_days,
                DAYS_PER_YEAR * max(spans.height - 1, 1) / max(calendar.height - 1, 1),
                volume if isinstance(volume, float) else None,
            )
        )
    return samples, excluded, gaps


def _calendars(closes: pl.DataFrame, calendar: pl.DataFrame) -> dict[str, pl.Series]:
    """Return market → its trading days that are days of the market index too."""
    out: dict[str, pl.Series] = {}
    markets = closes.select("date", market_column("listing_id").alias("market"))
    for (market,), rows in markets.group_by("market"):
        days = calendar["date"]
        out[str(market)] = (
            days if market == HOME else days.filter(days.is_in(rows["date"].unique().implode()))
        )
    return out


def _within_limits(
    listing: str, rows: pl.DataFrame, first_day: date, rules: TradingRules
) -> tuple[pl.DataFrame, list[dict[str, object]], int]:
    """Take out returns that no price limit allows; count the days at the limit.

    A new listing trades without a limit in its first days: such returns are of another kind than those to come. Any
    other return beyond the limit is a fault of the prices (a wrong adjustment) or a delisting period.
    """
    board = board_of(listing)
    free = rules.free_first_days(board, first_day)
    keep: list[bool] = []
    faults: list[dict[str, object]] = []
    limit_days = 0
    for day, nth, ret, previous in rows.select("date", "nth", "ret", "previous").iter_rows():
        limit = rules.price_limit(board, day)
        beyond = limit is not None and abs(ret) > limit + BEYOND_LIMIT
        keep.append(not beyond)
        if beyond:
            reason = "first days of a listing" if nth < free else "beyond the price limit"
            faults.append({"listing_id": listing, "date": day, "reason": reason})
        # half a tick of rounding in each of the two closes and in the limit price
        elif limit is not None and abs(ret) >= limit - 0.0005 - 0.01 / previous:
            limit_days += 1
    return rows.filter(pl.Series(keep, dtype=pl.Boolean)), faults, limit_days
