"""How many days a price needs to get where a scenario puts it, where the exchange limits a day's move.

Symbols: r signed return of the scenario; L daily limit, a fraction; k days; u part left for the last day.
"""

from __future__ import annotations

import math
from datetime import date

import polars as pl

from exposure.portfolios.trading_rules import TradingRules
from exposure.scenarios.valuation import PRICE_FLOOR

LONGEST = 60  # trading days shown; a fall of all has no last day under a limit


def limit_path(ret: float, limit: float | None) -> list[float]:
    """Return the cumulative return after each day until the price has arrived.

    Π (1 ± L) over the days at the limit, and what is left on the last day

    Parameters
    ----------
    ret
        Signed return, at least −1.
    limit
        L in (0, 1); None where the market has none: one day.

    Examples
    --------
    A fall of a quarter takes three days at 10%: two at the limit, where nobody can sell, and the rest.

    >>> [round(r, 4) for r in limit_path(-0.25, 0.10)]
    [-0.1, -0.19, -0.25]
    >>> limit_path(-0.25, None)
    [-0.25]
    """
    if limit is None or abs(ret) <= limit:
        return [ret]
    step = limit if ret > 0 else -limit
    reached, path = 1.0, list[float]()
    while len(path) < LONGEST:
        following = reached * (1.0 + step)
        if (step < 0 and following <= 1.0 + ret) or (step > 0 and following >= 1.0 + ret):
            path.append(ret)
            break
        path.append(following - 1.0)
        reached = following
    return path


def days_at_limit(ret: float, limit: float | None) -> int:
    """Return how many days the price is locked at the limit, so that a loser can't be sold.

    k = ⌊ln(1 + r) / ln(1 ± L)⌋

    Examples
    --------
    >>> days_at_limit(-0.25, 0.10), days_at_limit(-0.05, 0.10), days_at_limit(-0.25, None)
    (2, 0, 0)
    """
    if limit is None or ret == 0.0:
        return 0
    if ret <= PRICE_FLOOR:
        return LONGEST
    step = math.log1p(limit if ret > 0 else -limit)
    return min(LONGEST, math.floor(math.log1p(ret) / step + 1e-9))


def price_paths(
    positions: pl.DataFrame, boards: dict[str, str], rules: TradingRules, as_of: date
) -> pl.DataFrame:
    """Return, for each return of a scenario, the daily limit, days at it, and where the first day ends.

    Parameters
    ----------
    positions
        :class:`~exposure.schemas.ScenarioReturns`.
    boards
        Listing → board of the trading rules.

    Returns
    -------
    polars.DataFrame
        | scenario_id | severity | listing_id | ret | daily_limit | limit_days | first_day | days |; a listing without a
        board or a return has nulls.
    """
    rows: list[dict[str, object]] = []
    limits = {board: rules.price_limit(board, as_of) for board in sorted(set(boards.values()))}
    for row in positions.iter_rows(named=True):
        board, ret = boards.get(row["listing_id"]), row["ret"]
        limit = limits[board] if board is not None else None
        known = board is not None and ret is not None
        path = limit_path(float(ret), limit) if board is not None and ret is not None else []
        rows.append(
            {
                "scenario_id": row["scenario_id"],
                "severity": row["severity"],
                "listing_id": row["listing_id"],
                "ret": ret,
                "daily_limit": limit,
                "limit_days": days_at_limit(float(ret or 0.0), limit) if known else None,
                "first_day": path[0] if known else None,
                "days": len(path) if known else None,
            }
        )
    return pl.DataFrame(rows, schema=PATHS)


PATHS = {
    "scenario_id": pl.String,
    "severity": pl.String,
    "listing_id": pl.String,
    "ret": pl.Float64,
    "daily_limit": pl.Float64,
    "limit_days": pl.Int64,
    "first_day": pl.Float64,
    "days": pl.Int64,
}
