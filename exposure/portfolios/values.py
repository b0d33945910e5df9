"""Currencies, exchange rates and values of positions, and one row for each listing."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from exposure.content import SOURCE_ROW
from exposure.errors import HoldingsError, Place
from exposure.portfolios.headers import PERCENT
from exposure.portfolios.lines import IS_CASH, OK, Lines, is_currency
from exposure.portfolios.units import DEFAULT_BASE, VALUE_TOLERANCE, near

ROWS_SHOWN = 8
LOCAL = pl.col("local")
PRICE_SPREAD = 0.002  # prices derived from rounded values differ in the last digits


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
    currency, stated, usable = pl.col("currency"), pl.col("fx"), OK
    lines.reject(
        usable & ~is_currency(currency),
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


def fill_values(lines: Lines) -> None:
    """Fill in the value of each row in base currency: quantity × price × fx where both stand."""
    quantity, price, value = pl.col("quantity"), pl.col("price"), pl.col("value")
    rate, slack = pl.col("rate"), pl.col("value_step")
    computed = quantity * price * rate
    multiplied = OK & ~IS_CASH & quantity.is_not_null() & price.is_not_null()
    stated_only = OK & ~IS_CASH & ~multiplied & value.is_not_null()
    # a value of cash is in base currency, unless it is the quantity again or other values are local too
    repeats = (value == quantity * price.fill_null(1.0)).fill_null(value=False)
    has_local = (
        lines.rows.filter(OK & ~IS_CASH & (rate != 1.0))
        .select(near(value, quantity * price, slack).any())
        .item()
    )
    in_local = (rate != 1.0) & (repeats | (bool(has_local) & (not lines.raw.values_in_base)))
    cash = (
        pl.when(value.is_null())
        .then(quantity * rate)
        .when(in_local)
        .then(value * rate)
        .otherwise(value)
    )
    agrees = near(value, computed, slack)
    in_price = (rate != 1.0) & near(
        value, computed / rate, slack
    )  # value ÷ quantity is the price as it stands
    is_local = in_price & (not lines.raw.values_in_base)
    is_base = (
        in_price & lines.raw.values_in_base
    )  # then the price is in the currency of the fund too
    rows = lines.rows.with_columns(
        worth=pl.when(OK & IS_CASH)
        .then(cash)
        .when(multiplied & is_base)
        .then(value)
        .when(multiplied)
        .then(computed)
        .when(stated_only)
        .then(value),
        local=(multiplied & value.is_not_null() & ~agrees & is_local).fill_null(value=False),
        off=(multiplied & value.is_not_null() & ~agrees & ~in_price).fill_null(value=False),
        derived=(stated_only & (quantity != 0) & pl.col("has_rate")).fill_null(value=False),
        blank=(OK & ~IS_CASH & ~multiplied & ~stated_only & pl.col("share").is_null()).fill_null(
            value=False
        ),
    )
    lines.rows = rows.with_columns(
        price=pl.when(pl.col("derived") | (multiplied & is_base).fill_null(value=False))
        .then(value / quantity / rate)
        .otherwise(price)
    )
    lines.reject(
        pl.col("off"),
        "value_off",
        pl.format(
            "is not quantity × price, which is {}",
            pl.col("worth").map_elements(lambda amount: f"{amount:.2f}", return_dtype=pl.String),
        ),
        "correct quantity, price or value",
        "value",
    )
    _reject_blank(lines)
    _cap_available(lines)
    local, derived = int(rows["local"].sum()), int(rows["derived"].sum())
    if local:
        message = f"value of {local} rows is in local currency; converted with fx"
        lines.say("info", "value_in_local_currency", message)
    if derived:
        message = f"{derived} rows have no price; value ÷ quantity was used"
        lines.say("info", "price_derived", message)
    lines.rows = lines.rows.drop("off", "derived", "blank")


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
    local = pl.col("local")
    found = int(lines.rows["local"].sum())
    lines.rows = lines.rows.with_columns(
        worth=pl.when(local).then("value").otherwise("worth"),
        price=pl.when(local)
        .then(pl.col("value") / pl.col("quantity") / pl.col("rate"))
        .otherwise("price"),
    )
    message = (
        f"values of {found} rows are in the currency of the portfolio: so they add up to the total"
    )
    lines.say("warning", "values_in_base", message)


def _reject_blank(lines: Lines) -> None:
    """Reject rows with nothing to weigh them by, naming the cell that would help most."""
    for wanted, is_wanted in (
        ("price", pl.col("quantity").is_not_null()),
        ("quantity", pl.col("quantity").is_null()),
    ):
        cell = wanted if wanted in lines.raw.rows.columns else "value"
        lines.reject(
            pl.col("blank") & is_wanted,
            f"{cell}_missing",
            f"has no {wanted}, value or weight",
            f"fill in the {wanted}, the value or the weight",
            cell,
            "",
        )


def _cap_available(lines: Lines) -> None:
    """Read more shares available than held as the shares held, and say so."""
    above = (OK & (pl.col("available") > pl.col("quantity"))).fill_null(value=False)
    found = lines.rows.filter(above)
    for row, held, free, text in (
        found.select(SOURCE_ROW, "quantity", "available", "available_text").head(200).iter_rows()
    ):
        lines.say(
            "warning",
            "available_above_quantity",
            f"more shares available ({free:g}) than held; read as {held:g}",
            row=row,
            column=lines.raw.header("available"),
            raw=text,
        )
    if found.height:
        lines.rows = lines.rows.with_columns(
            available=pl.when(above).then("quantity").otherwise("available")
        )


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
