"""The orders of a plan as a file for the desk.

Codes, sides and numbers only: a free text could be taken for a formula when the file is opened in a spreadsheet.
Blocked orders are left out; the workbook shows them with their reason.
"""

from __future__ import annotations

import csv
import io
from datetime import date
from pathlib import Path

import polars as pl

from exposure.content.writing import write_text
from exposure.errors import UsageError
from exposure.reports.cells import looks_like_formula

COLUMNS = (
    "client_order_id", "as_of", "portfolio", "listing_id", "exchange", "side", "quantity", "order_type", "limit_price",
    "currency", "tif", "ref_price", "notional_local", "notional_base", "fx", "lot", "reason_code",
)  # fmt: skip
EXCHANGES = {"SH": "XSHG", "SZ": "XSHE", "BJ": "XBSE", "HK": "XHKG"}
ENCODINGS = ("utf-8-sig", "gb18030")  # the first has the mark by which Excel knows UTF-8


def write_trades(
    trades: pl.DataFrame,
    path: str | Path,
    *,
    as_of: date,
    portfolio: str,
    encoding: str = "utf-8-sig",
) -> Path:
    """Write the orders that may be sent and return the path.

    Parameters
    ----------
    trades
        :class:`~exposure.schemas.Trades`.
    encoding
        ``utf-8-sig`` or ``gb18030``.

    Raises
    ------
    UsageError
        If the encoding isn't one of the two.
    """
    if encoding not in ENCODINGS:
        raise UsageError(
            f"no encoding is called {encoding!r}", cure=f"use {' or '.join(ENCODINGS)}"
        )
    target = Path(path)
    text = trades_text(trades, as_of=as_of, portfolio=portfolio)
    write_text(target, text, encoding)
    return target


def trades_text(trades: pl.DataFrame, *, as_of: date, portfolio: str) -> str:
    """Return the orders as CSV text, sells first.

    ``order_type`` and ``limit_price`` stay empty: a plan knows at what price it was made, not how to trade.
    """
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    side = pl.col("side") == "buy"
    open_orders = trades.filter(pl.col("blocked").is_null() & (pl.col("quantity") > 0))
    ordered = open_orders.sort(side, -pl.col("notional"), "listing_id")
    for number, trade in enumerate(ordered.iter_rows(named=True), start=1):
        listing = trade["listing_id"]
        writer.writerow(
            (
                f"{as_of:%Y%m%d}-{number:03d}",
                as_of.isoformat(),
                safe_text(portfolio),
                safe_text(listing),
                EXCHANGES.get(listing.rpartition(".")[2], ""),
                trade["side"].upper(),
                _number(trade["quantity"]),
                "",
                "",
                safe_text(trade["currency"]),
                "DAY",
                _number(trade["price"]),
                _number(round(trade["quantity"] * trade["price"], 2)),
                _number(round(trade["notional"], 2)),
                _number(trade["fx"]),
                "" if trade["lot"] is None else trade["lot"],
                safe_text(trade["reason_code"]),
            )
        )
    return stream.getvalue()


def safe_text(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula.

    Examples
    --------
    >>> safe_text("=cmd|'/c calc'!A1"), safe_text("ai-servers")
    ("'=cmd|'/c calc'!A1", 'ai-servers')
    """
    flat = " ".join(text.split())
    return f"'{flat}" if looks_like_formula(flat) else flat


def _number(value: float) -> str:
    return f"{value:.10g}"
