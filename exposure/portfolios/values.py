"""The value of each row in the currency of the book."""

from __future__ import annotations

import polars as pl

from exposure.content import SOURCE_ROW
from exposure.portfolios.lines import IS_CASH, OK, Lines
from exposure.portfolios.units import near

LOCAL = pl.col("local")


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
