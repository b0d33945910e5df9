"""In which units a table counts: stated by its header, or shown by arithmetic, never guessed."""

from __future__ import annotations

import polars as pl

from exposure.content import SOURCE_ROW
from exposure.errors import HoldingsError, Place
from exposure.portfolios.headers import PERCENT
from exposure.portfolios.lines import IS_CASH, OK, Lines
from exposure.portfolios.rejects import refuse_rejects

VALUE_TOLERANCE = 0.005  # quantity × price against value
DEFAULT_BASE = "CNY"
UNIT_FIT = 0.9  # fraction of rows that a unit must explain
MIN_FIT = 0.5  # below it no unit is right, and the rows aren't the fault
MIN_COVERAGE = 0.5  # a table with values may leave out up to half of the portfolio
SUM_TOLERANCE = 0.005  # weights that are given may miss 1 by rounding

# Units a file may use without saying so: shares and yuan, then value in 10,000 yuan,
# quantity in 10,000 shares, quantity in lots of 100, value in 100 million yuan.
UNIT_CHOICES = ((1.0, 1.0), (1.0, 1e4), (1e4, 1.0), (100.0, 1.0), (1.0, 1e8), (1e4, 1e8))
UNIT_WORDS = {1.0: "1", 100.0: "100", 1e4: "10,000", 1e8: "100,000,000"}


def apply_units(
    lines: Lines,
    *,
    allow_rejects: bool,
    tolerance: float = SUM_TOLERANCE,
    may_reject: bool = True,
) -> None:
    """Bring quantities to shares, values to the currency, and weights to fractions.

    Parameters
    ----------
    tolerance
        By how much weights may miss 1 as a fraction.
    may_reject
        Whether the caller could allow rejects at all.

    Raises
    ------
    HoldingsError
        If no unit explains the table.
    """
    quantity_unit, value_unit = _money_units(lines)
    lines.units |= {"quantity": quantity_unit, "value": value_unit}
    # a quantity of cash is an amount of money: shares in 10,000 say nothing about it
    shares = pl.when(IS_CASH).then(1.0).otherwise(quantity_unit)
    if lines.raw.unit("quantity") is None and quantity_unit == 1.0:
        _say_fractions(lines)
    scaled: list[pl.Expr] = []
    for key, stated in (("quantity", shares), ("available", shares), ("value", pl.lit(value_unit))):
        unit = pl.when(f"{key}_scaled").then(1.0).otherwise(stated)  # 1.2亿 in a column of 万元
        scaled += [pl.col(key) * unit, pl.col(f"{key}_step") * unit]
    lines.rows = lines.rows.with_columns(scaled)
    _weight_unit(lines, tolerance, allow_rejects=allow_rejects, may_reject=may_reject)


def near(value: pl.Expr, expected: pl.Expr, slack: pl.Expr) -> pl.Expr:
    """Tell whether two amounts agree within rounding."""
    return (value - expected).abs() <= pl.max_horizontal(VALUE_TOLERANCE * expected.abs(), slack)


def _money_units(lines: Lines) -> tuple[float, float]:
    """Return what quantity and value multiply, from the header or from quantity × price."""
    raw = lines.raw
    stated = (raw.unit("quantity"), raw.unit("value"))
    default = (stated[0] or 1.0, stated[1] or 1.0)
    checkable = lines.rows.filter(
        ~IS_CASH
        & OK
        & ~pl.any_horizontal("quantity_scaled", "value_scaled")
        & pl.all_horizontal(pl.col("quantity", "price", "value").fill_null(0) != 0)
    )
    currencies = checkable["currency"].drop_nulls().unique()
    if currencies.len() > 1 and not lines.raw.values_in_base:
        # a price in another currency says nothing of units until its rate is known
        checkable = checkable.filter(
            (pl.col("currency") == DEFAULT_BASE) | pl.col("fx").is_not_null()
        )
    if checkable.is_empty():
        return default
    choices = [default] + [
        (quantity, value)
        for quantity, value in UNIT_CHOICES
        if stated[0] in (None, quantity) and stated[1] in (None, value)
    ]
    fits = [
        float(value)
        for value in checkable.select(
            _fits(*units).mean().alias(str(at)) for at, units in enumerate(choices)
        ).row(0)
    ]
    if fits[0] >= UNIT_FIT:
        return default
    best = max(range(len(choices)), key=lambda index: (fits[index], -index))
    if best != 0 and fits[best] >= UNIT_FIT:
        quantity, value = choices[best]
        message = (
            f"quantity counts {UNIT_WORDS.get(quantity, quantity)} shares and value counts "
            f"{UNIT_WORDS.get(value, value)} of the currency: so quantity × price = value in "
            f"{fits[best]:.0%} of {checkable.height} rows"
        )
        lines.say("warning", "units_inferred", message)
        return quantity, value
    if fits[0] >= MIN_FIT or checkable.height == 1:
        return default
    first = checkable.filter(~_fits(*default)).row(0, named=True)
    why = f"quantity × price equals value in only {fits[0]:.0%} of the rows, in no unit more"
    raise HoldingsError(
        f"the units of {raw.file} can't be told",
        places=[
            Place(
                raw.file, why, raw.sheet, first[SOURCE_ROW], raw.header("value"),
                first["value_text"],
            )
        ],
        cure="put the units into the headers, such as 持股数(万股) and 市值(万元)",
    )  # fmt: skip


def _say_fractions(lines: Lines) -> None:
    """Say where quantities are no whole shares: they may count 万股, and their values 万元 as well."""
    quantity = pl.col("quantity")
    broken = lines.rows.filter(OK & ~IS_CASH & (quantity != quantity.floor()))
    if broken.height:
        lines.say(
            "warning",
            "quantity_fractional",
            f"{broken.height} quantities are no whole shares; if they count 10,000 shares, write the unit into the "
            "header, such as 持股数(万股)",
            row=broken[SOURCE_ROW][0],
            column=lines.raw.header("quantity"),
            raw=broken["quantity_text"][0],
        )


def _fits(quantity_unit: float, value_unit: float) -> pl.Expr:
    """Tell whether quantity × price = value, in local or in base currency."""
    local = pl.col("quantity") * quantity_unit * pl.col("price")
    value, slack = pl.col("value") * value_unit, pl.col("value_step") * value_unit
    return near(value, local, slack) | near(value, local * pl.col("fx").fill_null(1.0), slack)


def _weight_unit(lines: Lines, tolerance: float, *, allow_rejects: bool, may_reject: bool) -> None:
    """Turn stated weights into fractions: by header, cells, or their sum; never by a guess."""
    stated = lines.rows.filter(pl.col("weight").is_not_null())
    if stated.is_empty():
        return
    try:
        decided = _percent_or_fraction(lines, stated, tolerance)
    except HoldingsError:
        if not allow_rejects:  # bad rows are the cause, and say more than their sum
            refuse_rejects(lines, by_value=False, allow_rejects=False, may_allow=may_reject)
        raise
    if decided is None:
        lines.say(
            "warning",
            "weights_not_used",
            f"weights stand in {stated.height} of {lines.rows.height} rows; they are not used",
        )
        nothing = pl.lit(None, dtype=pl.Float64)
        lines.rows = lines.rows.with_columns(weight=nothing, weight_step=nothing)
        return
    unit, reason = decided
    lines.units["weight"] = unit
    word = "percent" if unit == PERCENT else "fractions"
    lines.say("info", "weight_unit", f"weights are {word} ({reason})")
    lines.rows = lines.rows.with_columns(
        share=pl.col("weight") * unit,
        weight=pl.col("weight") * unit,
        weight_step=pl.col("weight_step") * unit,
    )
    lines.reject(
        OK & (pl.col("share") > 1 + SUM_TOLERANCE),
        "absurd_number",
        "is more than the whole portfolio",
        "correct it",
        "weight",
    )


def _percent_or_fraction(
    lines: Lines, stated: pl.DataFrame, tolerance: float
) -> tuple[float, str] | None:
    """Return the unit of weights and why; None where too few rows state one to tell."""
    raw = lines.raw
    header = raw.unit("weight")
    if header is not None:
        return header, "the header or layout says so"
    percent = pl.col("weight_percent")
    plain = stated.filter(~percent & (pl.col("weight") != 0))
    if stated["weight_percent"].any():
        if plain.height:
            raise HoldingsError(
                f"the weights of {raw.file} mix percent and plain numbers",
                places=[
                    Place(
                        raw.file, "has no % while other rows do", raw.sheet, row,
                        raw.header("weight"),
                    )
                    for row in plain[SOURCE_ROW].head(100)
                ],
                cure="write all weights as percent or all as fractions",
            )  # fmt: skip
        return PERCENT, "the cells carry %"
    total = float(stated["weight"].sum())
    if abs(total - 1) <= tolerance:
        return 1.0, f"they sum to {total:.4f}"
    if abs(total - 100) <= 100 * tolerance:
        return PERCENT, f"they sum to {total:.2f}"
    is_incomplete = stated.height < lines.rows.height
    has_values = bool((stated["value"].fill_null(0) != 0).all())
    if has_values or is_incomplete or raw.may_be_partial:
        if 100 * MIN_COVERAGE <= total < 100:
            return PERCENT, f"they sum to {total:.2f} in the rows that state them"
        if MIN_COVERAGE <= total < 1:
            return 1.0, f"they sum to {total:.4f} in the rows that state them"
    if is_incomplete:
        return None
    raise sum_error(lines, total, "neither 1 nor 100")


def sum_error(lines: Lines, total: float, target: str) -> HoldingsError:
    """Return the refusal of weights or values that don't add up."""
    raw = lines.raw
    place = Place(raw.file, f"sums to {total:.6g}, {target}", raw.sheet, None, raw.header("weight"))
    return HoldingsError(
        f"the weights of {raw.file} sum to {total:.6g}, {target}",
        places=[place],
        cure="add the missing rows or a cash row, or correct the weights; a table that holds only a part needs a "
        "layout with may_be_partial = true (exposure map FILE writes one)",
    )
