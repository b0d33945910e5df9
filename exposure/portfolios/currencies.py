"""The currency of a book and the exchange rate of each row."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from exposure.content import SOURCE_ROW
from exposure.errors import HoldingsError, Place
from exposure.portfolios.lines import IS_CASH, OK, Lines
from exposure.portfolios.units import DEFAULT_BASE, near


def fill_currencies(lines: Lines, bands: Mapping[str, tuple[float, float]]) -> str:
    """Fill in currency and exchange rate of each row; return the base currency.

    Parameters
    ----------
    bands
        Currency → lowest and highest CNY per unit that can be a rate.

    Raises
    ------
    HoldingsError
        If rates are stated and none says which currency they are in.
    """
    base = _base_currency(lines)
    lines.rows = lines.rows.with_columns(pl.col("currency").fill_null(base))
    currency, stated = pl.col("currency"), pl.col("fx")
    lines.reject(
        OK & ~currency.str.contains(r"^[A-Z]{3}$"),
        "currency_unknown",
        "is not a currency",
        "write CNY or HKD",
        "currency",
    )
    foreign = currency != base
    if lines.raw.values_in_base:
        _take_implied_rates(lines, foreign)
    amounts = pl.when(IS_CASH).then(pl.col("quantity")).otherwise(pl.col("price"))
    nothing = pl.col("value").is_null() & pl.col("quantity").is_null()
    by_weight = pl.col("share").is_not_null() & (amounts.is_null() | nothing)
    by_weight |= ~pl.col("has_rate")
    by_weight |= IS_CASH & pl.col("value").is_not_null()  # a value column is in base currency
    lines.reject(
        OK & stated.is_null() & foreign & ~by_weight,
        "fx_missing",
        pl.format("needs an exchange rate: {} in a portfolio in " + base, currency),
        pl.format("add a column fx with " + base + " per {}", currency),
        "fx",
    )
    lines.reject(
        OK & (stated == 1.0) & foreign,
        "fx_is_one",
        pl.format("is the rate of {} in a portfolio in " + base, currency),
        pl.format("fill in " + base + " per {}", currency),
        "fx",
    )
    lines.reject(
        OK & (stated != 1.0) & ~foreign,
        "fx_is_not_one",
        f"is the rate of {base} in a portfolio in {base}",
        "write 1",
        "fx",
    )
    for code, lowest, highest in _rates_in(base, bands):
        lines.reject(
            OK & (currency == code) & ~stated.is_between(lowest, highest),
            "fx_implausible",
            f"is no price of one {code} in {base}: it would be {lowest:.3g} to {highest:.3g}",
            f"write {base} per 1 {code}",
            "fx",
        )
    lines.rows = lines.rows.with_columns(
        rate=pl.when(OK & foreign).then(stated.fill_null(1.0)).otherwise(1.0)
    )
    without = OK & stated.is_null() & foreign & by_weight
    lines.rows = lines.rows.with_columns(has_rate=~without.fill_null(value=False))
    unpriced = lines.rows.filter(without)
    if unpriced.height:
        lines.say(
            "warning",
            "fx_unknown",
            f"{unpriced.height} rows in another currency have no exchange rate; their weights don't "
            "need one, orders in them can't be priced (fx shows 1)",
            row=unpriced[SOURCE_ROW][0],
        )
    return base


def _rates_in(
    base: str, bands: Mapping[str, tuple[float, float]]
) -> list[tuple[str, float, float]]:
    """Return currency, lowest and highest price in the base currency, from the bands in CNY.

    Examples
    --------
    >>> _rates_in("USD", {"HKD": (0.5, 1.0), "USD": (4.0, 8.0)})
    [('CNY', 0.125, 0.25), ('HKD', 0.0625, 0.25)]
    """
    known = {DEFAULT_BASE: (1.0, 1.0), **bands}
    if base not in known:
        return []
    low, high = known[base]
    return [
        (code, known[code][0] / high, known[code][1] / low)
        for code in sorted(known)
        if code != base
    ]


def _take_implied_rates(lines: Lines, foreign: pl.Expr) -> None:
    """Take value ÷ (quantity × price) as the rate where values are in the currency of the fund.

    Where that is 1 the price is in that currency too: then the rate isn't known, and no price of an order.
    """
    local = pl.col("quantity") * pl.col("price")
    wanted = OK & foreign & ~IS_CASH & pl.col("fx").is_null() & (pl.col("value") > 0)
    implied = pl.col("value") / local
    in_base = near(pl.col("value"), local, pl.col("value_step"))
    rows = lines.rows.with_columns(
        same=(wanted & in_base.fill_null(value=True)).fill_null(value=False),
        implied=(wanted & ~in_base).fill_null(value=False),
    )
    lines.rows = rows.with_columns(
        fx=pl.when("implied").then(implied).otherwise("fx"),
        price=pl.when(~pl.col("same")).then("price"),
        has_rate=~pl.col("same"),
    ).drop("same", "implied")
    found = int(rows["implied"].sum())
    if found:
        message = f"the exchange rate of {found} rows is value ÷ (quantity × price)"
        lines.say("warning", "fx_from_value", message)


def _base_currency(lines: Lines) -> str:
    """Return the currency with rate 1; without rates the only currency, else CNY."""
    rows, raw = lines.rows, lines.raw
    rated = rows.filter(pl.col("fx").fill_null(0) != 0)
    candidates = rated.filter(pl.col("fx") == 1.0) if rated.height else rows
    currencies = candidates["currency"].drop_nulls().unique()
    if currencies.len() == 1:
        return str(currencies[0])
    domestic = rated.filter(pl.col("currency") == DEFAULT_BASE)
    if domestic.height and candidates.is_empty():
        row, text = domestic.select(SOURCE_ROW, "fx_text").row(0)
        why = f"is a rate of {DEFAULT_BASE}, and no row has the rate 1: in which currency is the portfolio?"
        raise HoldingsError(
            f"the base currency of {raw.file} can't be told",
            places=[Place(raw.file, why, raw.sheet, row, raw.header("fx"), text)],
            cure="add a row in the base currency with rate 1, such as its cash",
        )
    return DEFAULT_BASE
