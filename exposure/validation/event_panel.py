"""From price files to a panel of daily log returns on the trading days of the market index.

Symbols
    T, N    trading days that have a return; names
    R       T × N log returns, NaN where a close is missing on the day or on the day before

A missing close is a suspension: the returns on both sides of it are left out, never filled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from exposure.errors import ExposureError, HoldingsError, Place
from exposure.portfolios.trading_rules import TradingRules
from exposure.risk.closes import CLOSE_COLUMNS, LISTING_COLUMNS, checked_closes, price_table
from exposure.risk.markets import HOME, board_of, market_column, market_of
from exposure.risk.samples import BEYOND_LIMIT

Matrix = NDArray[np.float64]
Mask = NDArray[np.bool_]

INDEX_COLUMNS = ("index_code",)


@dataclass(frozen=True, slots=True)
class ReturnPanel:
    """Daily log returns of names and indices on one calendar.

    Attributes
    ----------
    days
        The T days, of the market index, on which a mainland name traded too.
    names
        The N listings, sorted.
    returns
        Of shape (T, N), NaN where a name has none.
    indices
        Index code → log returns of shape (T,); the market and what the protocol asks for.
    market
        Code of the market index.
    at_limit
        Of shape (T, N): the close stood at the price limit of the board, so the move was cut.
    beyond_limit
        Returns that no price limit allows: first days of a listing, or a wrong adjustment. They are NaN in ``returns``.
    """

    days: tuple[date, ...]
    names: tuple[str, ...]
    returns: Matrix
    indices: dict[str, Matrix]
    market: str
    at_limit: Mask
    beyond_limit: int

    def first_after(self, day: date) -> int:
        """Return the position of the first trading day after a day.

        Raises
        ------
        HoldingsError
            If the panel ends before.
        """
        for at, own in enumerate(self.days):
            if own > day:
                return at
        raise HoldingsError(
            f"the prices end on {self.days[-1].isoformat()}, before the first trading day after {day.isoformat()}"
        )


def read_closes(paths: Iterable[str | Path], key: str = "listing_id") -> pl.DataFrame:
    r"""Read daily closes from CSV or parquet files, whatever the vendor calls the columns.

    Parameters
    ----------
    paths
        Files with ``wind_code``, ``listing_id`` or ``ticker`` (``index_code`` for indices), ``date`` (YYYY-MM-DD) and
        ``close`` or ``close_adj``, adjusted for splits and dividends. Codes are text.
    key
        ``listing_id`` or ``index_code``.

    Returns
    -------
    polars.DataFrame
        | key | date | close |, sorted by both; a close that isn't finite is null.

    Raises
    ------
    HoldingsError
        A file that is missing or no table, a column that isn't there, a cell that is no day or number, a day twice.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "week.csv")
    ...     _ = file.write_text("wind_code,date,close\n000977.SZ,2024-12-02,50.1\n")
    ...     read_closes([file]).rows()
    [('000977.SZ', datetime.date(2024, 12, 2), 50.1)]
    """
    wanted = LISTING_COLUMNS if key == "listing_id" else INDEX_COLUMNS
    frames = [_named(Path(path), wanted, key) for path in paths]
    if not frames:
        raise HoldingsError("no price file is given")
    what = "the prices" if key == "listing_id" else "the index closes"
    try:
        return checked_closes(pl.concat(frames), key, what, date.max).select(key, "date", "close")
    except HoldingsError as fault:
        files = ", ".join(Path(path).name for path in paths)
        raise HoldingsError(f"{fault.what} ({files}){_first(fault.places)}") from fault


def _first(places: Sequence[Place]) -> str:
    return f": {places[0].render()}" if places else ""


def _named(path: Path, wanted: Sequence[str], key: str) -> pl.DataFrame:
    frame = price_table(path)
    chosen: dict[str, str] = {}
    for names, to in ((wanted, key), (("date",), "date"), (CLOSE_COLUMNS, "close")):
        found = [name for name in names if name in frame.columns]
        if not found:
            raise HoldingsError(
                f"{path.name} has no column {' or '.join(names)}; it has {', '.join(frame.columns)}"
            )
        chosen[to] = found[0]
    day = pl.col("date")
    if frame.schema["date"].is_temporal():
        day = day.cast(pl.Date)
    return frame.select(
        pl.col(chosen[key]).cast(pl.String).alias(key),
        day.cast(pl.String).alias("date"),
        pl.col(chosen["close"]).cast(pl.String).alias("close"),
    )


def return_panel(
    closes: pl.DataFrame,
    index_closes: pl.DataFrame,
    *,
    market: str = "000300",
    indices: Sequence[str] = (),
    rules: TradingRules | None = None,
    first: date | None = None,
) -> ReturnPanel:
    """Return the daily log returns on the trading days of the market.

    r_t = ln(close_t / close_{t-1})        consecutive trading days of the market only

    Parameters
    ----------
    closes
        | listing_id | date | close (adjusted) |
    index_closes
        | index_code | date | close |
    market, indices
        Index codes: the market, and others wanted on the same days.
    rules
        Price limits by board; None flags nothing and leaves nothing out.
    first
        Leave out days before.

    Raises
    ------
    HoldingsError
        If an index isn't there, or prices and market have fewer than two days in common.

    Notes
    -----
    Missing values: a missing close makes the return of that day and of the next NaN. Names of other markets (Hong Kong)
    have a return where they traded on both mainland days. Closes are adjusted, so a day at the limit is told within
    half a tick of rounding on either side.

    Examples
    --------
    >>> days = [date(2024, 12, 2), date(2024, 12, 3)]
    >>> closes = pl.DataFrame({"listing_id": ["000977.SZ"] * 2, "date": days, "close": [50.0, 50.5]})
    >>> index = pl.DataFrame({"index_code": ["000300"] * 2, "date": days, "close": [4000.0, 4040.0]})
    >>> panel = return_panel(closes, index)
    >>> panel.returns.round(5).tolist(), panel.indices["000300"].round(5).tolist()
    ([[0.00995]], [0.00995])
    """
    codes = list(dict.fromkeys((market, *indices)))
    known = set(index_closes["index_code"])
    lacking = [code for code in codes if code not in known]
    if lacking:
        shown = ", ".join(sorted(known)[:12]) or "none"
        raise HoldingsError(f"the index closes hold no {', '.join(lacking)}; they hold {shown}")
    traded = closes.filter((market_column("listing_id") == HOME) & (pl.col("close") > 0))
    calendar = index_closes.filter(
        (pl.col("index_code") == market)
        & (pl.col("close") > 0)
        & pl.col("date").is_in(traded["date"].unique().implode())
    )
    if first is not None:
        calendar = calendar.filter(pl.col("date") >= first)
    days = calendar["date"].unique().sort()
    if days.len() < 2:
        raise HoldingsError(
            f"the prices ({_span(traded)}) and the market {market}"
            f" ({_span(index_closes.filter(pl.col('index_code') == market))}) have no two days in common"
        )
    levels = _wide(closes, "listing_id", days)
    names = tuple(sorted(name for name in levels.columns if name != "date"))
    wide = levels.select(names).to_numpy().astype(np.float64)
    index_levels = _wide(index_closes.filter(pl.col("index_code").is_in(codes)), "index_code", days)
    returns = np.diff(np.log(wide), axis=0)
    limit = _limits(names, days.to_list()[1:], np.isfinite(returns), rules)
    simple = np.abs(np.expm1(returns))
    with np.errstate(invalid="ignore"):
        beyond = simple > limit + BEYOND_LIMIT
        at_limit = (simple >= limit - 0.0005 - 0.01 / wide[:-1]) & ~beyond
    returns[beyond] = np.nan
    return ReturnPanel(
        tuple(days.to_list()[1:]),
        names,
        returns,
        {code: np.diff(np.log(index_levels[code].to_numpy().astype(np.float64))) for code in codes},
        market,
        at_limit,
        int(beyond.sum()),
    )


def _wide(closes: pl.DataFrame, key: str, days: pl.Series) -> pl.DataFrame:
    kept = closes.filter((pl.col("close") > 0) & pl.col("date").is_in(days.implode()))
    wide = kept.pivot(on=key, index="date", values="close", sort_columns=True)
    return days.to_frame("date").join(wide, on="date", how="left").sort("date")


def _span(closes: pl.DataFrame) -> str:
    first, last = (cast("date | None", end) for end in (closes["date"].min(), closes["date"].max()))
    return "no rows" if first is None or last is None else f"{first} to {last}"


def _limits(
    names: Sequence[str], days: Sequence[date], present: Mask, rules: TradingRules | None
) -> Matrix:
    """Return the price limit of each day and name [fraction]; infinite where there is none."""
    out = np.full(present.shape, np.inf)
    if rules is None:
        return out
    boards: dict[str, list[int]] = {}
    for at, name in enumerate(names):
        boards.setdefault(board_of(name), []).append(at)
    for board, columns in boards.items():
        if market_of(names[columns[0]]) != HOME:
            continue
        for row in np.flatnonzero(present[:, columns].any(axis=1)).tolist():
            try:
                value = rules.price_limit(board, days[row])
            except ExposureError:  # prices older than the rules: nothing to flag there
                value = None
            if value is not None:
                out[row, columns] = value
    return out
