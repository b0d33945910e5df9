"""Sums that a file states itself: the total that closes a table, and cash with the assets above it."""

from __future__ import annotations

import polars as pl

from exposure.content import SOURCE_ROW
from exposure.errors import HoldingsError, Place
from exposure.portfolios.headers import PERCENT
from exposure.portfolios.lines import IS_CASH, OK, Lines
from exposure.portfolios.units import VALUE_TOLERANCE
from exposure.portfolios.values import LOCAL


def check_total(lines: Lines) -> None:
    """Refuse a table whose values don't add up to the total that closes it: a cell was lost or changed.

    The total may count values as stated or in base currency, with or without cash.

    Raises
    ------
    HoldingsError
        With the row of the total.
    """
    raw, stated = lines.raw, lines.raw.stated_total
    if stated is None or not lines.rows.filter(~OK).is_empty():
        return  # rows that can't be used say more than the sum they break
    amount = pl.col(stated.field)
    if lines.rows[stated.field].null_count() == lines.rows.height:
        return
    unit = 1.0 if stated.number.scaled else lines.units.get(stated.field, 1.0)
    claimed = stated.number.value * unit
    if stated.field == "weight":  # percent in one place, fractions in the other
        claimed = stated.number.value * (PERCENT if stated.number.percent else unit)
    above = raw.stated_cash.balance if raw.stated_cash else None
    worth, amount = pl.col("worth").fill_null(0.0), amount.fill_null(0.0)
    sums = lines.rows.select(
        stated=amount.sum(),
        invested=amount.filter(~IS_CASH).sum(),
        worth=worth.sum(),
        worth_invested=worth.filter(~IS_CASH).sum(),
        with_cash=worth.sum() + (above or 0.0),
    ).row(0)
    fits = [abs(total - claimed) <= VALUE_TOLERANCE * abs(claimed) for total in sums]
    if any(fits[2:]) or (
        any(fits) and (stated.field != "value" or not lines.rows.filter(LOCAL).height)
    ):
        return
    if any(fits):
        _take_values_in_base(lines)
        return
    if raw.may_be_partial and claimed > max(sums):
        return  # the total is that of the whole fund
    raise HoldingsError(
        f"{raw.file} does not add up",
        places=[
            Place(
                raw.file,
                f"is not the sum of the rows above, which is {sums[0]:.2f}",
                raw.sheet,
                stated.row,
                raw.header(stated.field),
                stated.text,
            )
        ],
        cure="export the table again, or correct the row that lost a value",
    )


def _take_values_in_base(lines: Lines) -> None:
    """Take values as stated: only so do they add up to the total, so the prices beside them are in base too."""
    found = int(lines.rows["local"].sum())
    lines.rows = lines.rows.with_columns(
        worth=pl.when(LOCAL).then("value").otherwise("worth"),
        price=pl.when(LOCAL)
        .then(pl.col("value") / pl.col("quantity") / pl.col("rate"))
        .otherwise("price"),
    )
    message = (
        f"values of {found} rows are in the currency of the portfolio: so they add up to the total"
    )
    lines.say("warning", "values_in_base", message)


def take_stated_cash(lines: Lines) -> None:
    """Take the cash that a line above the table states, where positions and cash are the assets it states too."""
    stated = lines.raw.stated_cash
    if stated is None or not lines.rows.filter(IS_CASH).is_empty():
        return
    invested = float(lines.rows.filter(OK)["worth"].sum())
    balance, assets = stated.balance, stated.assets
    if (
        balance is None
        or assets is None
        or invested <= 0
        or not _adds_up(invested, balance, assets)
    ):
        amount = "an amount" if balance is None else f"{balance:,.2f}"
        message = f"states cash of {amount}, which was not read: add a row of cash"
        lines.say("warning", "cash_above_table", message, row=stated.row, raw=stated.text)
        return
    row = dict.fromkeys(lines.rows.columns) | {
        SOURCE_ROW: stated.row,
        "name": "资金余额",
        "is_cash": True,
        "ok": True,
        "rate": 1.0,
        "has_rate": True,
        "worth": balance,
        "value": balance,
        "local": False,
    }
    lines.rows = pl.concat(
        [lines.rows, pl.DataFrame([row], schema=lines.rows.schema)], how="vertical"
    )
    message = (
        f"cash of {stated.balance:,.2f} is taken from the line above: with it the assets agree"
    )
    lines.say("info", "cash_above_table", message, row=stated.row, raw=stated.text)


def _adds_up(invested: float, cash: float, assets: float) -> bool:
    return abs(invested + cash - assets) <= VALUE_TOLERANCE * abs(assets)
