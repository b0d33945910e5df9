"""Cash among the rows of a table: which rows are cash, in which currency, and which are part of another."""

from __future__ import annotations

import polars as pl

from exposure.portfolios.cells import squeeze, texts_where
from exposure.portfolios.dictionary import Dictionary


def is_cash(code: pl.Series, name: pl.Series, dictionary: Dictionary) -> pl.Series:
    """Mark cash: by its code, or by its name where the code is none or a currency."""
    by_code = texts_where(code, dictionary.is_cash, skip=r"^\p{Nd}{5,}|[.\s]\p{L}{2}$")
    by_name = texts_where(name, dictionary.is_cash, skip=r"^\p{Nd}+$")
    is_currency = code.str.contains(r"^[A-Z]{3}$").fill_null(value=False)
    # USD may be a fund's ticker: as a code it is cash only where the name is none or says cash too
    by_code &= ~is_currency | name.is_null() | by_name
    return by_code | (by_name & (code.is_null() | is_currency))


def currency_of_cash(rows: pl.DataFrame, dictionary: Dictionary) -> pl.Series:
    """Return the column ``currency``, where cash without one takes it from its name or code."""
    said = rows.select(pl.concat_str("code", "name", ignore_nulls=True, separator=" ")).to_series()
    # a stated rate of 1 says that the amount is in the base currency, whatever its account is called
    unsaid = rows["is_cash"] & rows["currency"].is_null() & (rows["fx"].fill_null(0.0) != 1.0)
    found = {text: dictionary.currency_in(text) for text in said.filter(unsaid).unique()}
    if not found:
        return rows["currency"]
    named = said.replace_strict(found, default=None, return_dtype=pl.String)
    return named.zip_with(unsaid, rows["currency"]).alias("currency")


def available_in_balance(
    rows: pl.DataFrame, dictionary: Dictionary
) -> tuple[pl.Series, str, str] | None:
    """Return 可用资金 beside the 资金余额 that holds it: which rows, how serious, and what to say."""

    def among(words: frozenset[str]) -> pl.Series:
        def is_one(text: str) -> bool:
            return squeeze(text) in words

        return texts_where(rows["name"], is_one) | texts_where(rows["code"], is_one)

    cash = rows["is_cash"]
    parts, balance = cash & among(dictionary.cash_available), cash & among(dictionary.cash_balance)
    if not parts.any() or not balance.any():
        return None
    amount = pl.coalesce("value", "quantity", "weight").sum()
    held, free = (float(rows.filter(which).select(amount).item()) for which in (balance, parts))
    if free > held:  # money of today's sales: which of both counts, the file doesn't say
        return parts, "warning", "is more than the cash balance; left out"
    return parts, "info", "is part of the cash balance; left out"
