"""Weights that sum to 1 with cash: from values where they stand, else as stated."""

from __future__ import annotations

import polars as pl

from exposure.content import SOURCE_ROW
from exposure.errors import HoldingsError, Place
from exposure.portfolios.lines import IS_CASH, OK, Lines
from exposure.portfolios.rejects import refuse_rejects
from exposure.portfolios.units import MIN_COVERAGE, SUM_TOLERANCE, VALUE_TOLERANCE, sum_error

ROUNDING = 1e-12
MOST_ABOVE = 0.01  # of weights above 1 by rounding
WEIGHT_DIFFERENCE = 0.005  # stated against computed weight
MAX_SAID = 500
POSITION, CASH = OK & ~IS_CASH, OK & IS_CASH


def fill_weights(lines: Lines, *, allow_rejects: bool) -> tuple[float | None, float]:
    """Fill in weights that sum to 1 with cash; return net asset value and cash weight.

    Raises
    ------
    HoldingsError
        If rows can't be used, or the weights or values don't add up.
    """
    by_value = _choose_basis(lines)
    refuse_rejects(lines, by_value=by_value, allow_rejects=allow_rejects)
    nav: float | None = None
    if by_value:
        nav, cash_weight = _from_values(lines)
    else:
        cash_weight = _as_stated(lines)
    if abs(cash_weight) < ROUNDING:
        cash_weight = 0.0
    if cash_weight == 0 and lines.rows.filter(CASH).is_empty():
        lines.say("info", "no_cash_row", "the file has no cash row; cash is taken as 0")
    return nav, cash_weight


def _sum(rows: pl.DataFrame, column: str, where: pl.Expr) -> float:
    return float(rows.filter(where)[column].sum())


def _choose_basis(lines: Lines) -> bool:
    """Decide between values and stated weights, and reject rows that lack what is used."""
    usable = lines.rows.filter(POSITION)
    valued = usable.height - usable["worth"].null_count()
    by_value = valued == usable.height
    if not by_value and usable["share"].null_count():
        by_value = valued * 2 >= usable.height
    no_worth, no_share = pl.col("worth").is_null(), pl.col("share").is_null()
    lines.reject(
        CASH & no_worth & no_share,
        "cash_missing",
        "has no amount of cash",
        "fill in value or weight",
        "value",
    )
    if by_value:
        lines.reject(
            POSITION & no_worth,
            "value_missing",
            "has no value while other rows do",
            "fill it in",
            "value",
        )
    else:
        lines.reject(
            CASH & no_share, "weight_missing", "cash needs a weight too", "fill it in", "weight", ""
        )
        lines.reject(
            POSITION & no_share, "weight_missing", "has no weight", "fill it in", "weight", ""
        )
    return by_value


def _from_values(lines: Lines) -> tuple[float, float]:
    raw, rows = lines.raw, lines.rows
    invested = _sum(rows, "worth", POSITION)
    if invested <= 0:
        raise HoldingsError(
            f"the positions of {raw.file} are worth nothing",
            places=[Place(raw.file, "sums to 0", raw.sheet, column=raw.header("value"))],
            cure="export the holdings again",
        )
    by_weight = _sum(rows, "share", CASH & pl.col("worth").is_null())
    cash_value = _sum(rows, "worth", CASH)
    nav = (invested + cash_value) / (1 - by_weight) if by_weight < 1 else invested
    nav = _with_uncovered(lines, nav, invested)
    if nav <= 0:
        raise sum_error(lines, cash_value, "a debt larger than the positions")
    if invested > nav * (1 + SUM_TOLERANCE * 2):
        _say_leverage(lines, invested / nav)
    lines.rows = rows.with_columns(
        share=pl.when(POSITION).then(pl.col("worth") / nav).otherwise("share")
    )
    return nav, 1 - _sum(lines.rows, "share", POSITION)


def _with_uncovered(lines: Lines, nav: float, invested: float) -> float:
    """Return net asset value, with the part that only the stated weights tell of."""
    raw, rows = lines.raw, lines.rows
    positions, cash = rows.filter(POSITION), rows.filter(CASH)
    if positions["share"].null_count():
        return nav
    stated = float(positions["share"].sum()) + float(cash["share"].sum())
    rejected = _sum(rows, "share", ~OK)
    total = stated + rejected
    if cash["share"].null_count() or abs(total - 1) <= SUM_TOLERANCE:
        # a stated weight is a fraction of everything, rejected rows included
        _say_differences(lines, positions, nav, stated if rejected else 1.0)
        return nav
    in_positions = float(positions["share"].sum())
    implied = invested / max(in_positions, 1e-300)
    share, step = pl.col("share"), pl.col("weight_step").fill_null(0.0)
    off = (share - pl.col("worth") / implied).abs() > pl.max_horizontal(
        VALUE_TOLERANCE * share, 1.5 * step
    )
    proportional = positions.filter(off).is_empty()
    enough = raw.may_be_partial or stated >= MIN_COVERAGE
    if total > 1 or (cash.height and not raw.may_be_partial) or not proportional or not enough:
        raise sum_error(lines, total, "not 1")
    _say_coverage(lines, total)
    return invested / (in_positions + rejected)


def _say_differences(lines: Lines, positions: pl.DataFrame, nav: float, scale: float) -> None:
    computed = (pl.col("worth") / nav * scale).alias("computed")
    found = positions.with_columns(computed).filter(
        (pl.col("share") - pl.col("computed")).abs() > WEIGHT_DIFFERENCE
    )
    for row, share, value, text in (
        found.select(SOURCE_ROW, "share", "computed", "weight_text").head(MAX_SAID).iter_rows()
    ):
        lines.say(
            "warning",
            "weight_differs",
            f"stated weight {share:.4f}, value gives {value:.4f}; value is used",
            row=row,
            column=lines.raw.header("weight"),
            raw=text,
        )


def _is_partial(lines: Lines, everything: float) -> bool:
    """Tell whether weights in a known unit, without cash, are a part of a portfolio: cash stands elsewhere."""
    if not MIN_COVERAGE <= everything < 1 - SUM_TOLERANCE:
        return False
    if not lines.rows.filter(~OK & pl.col("share").is_null()).is_empty():
        return False
    is_certain = lines.raw.unit("weight") is not None or bool(lines.rows["weight_percent"].any())
    return is_certain and lines.rows.filter(CASH).is_empty()


def _say_leverage(lines: Lines, share: float) -> None:
    lines.say(
        "warning",
        "leverage",
        f"cash is negative: positions are {share:.2%} of net asset value",
    )


def _say_coverage(lines: Lines, total: float) -> None:
    lines.say(
        "warning",
        "coverage_below_one",
        f"the file covers {total:.2%} of net asset value; the other {1 - total:.2%} is treated "
        "as cash: it has no exposure and no shock",
    )


def _as_stated(lines: Lines) -> float:
    rows = lines.rows
    stated = _sum(rows, "share", OK)
    everything = float(rows["share"].sum())
    unknown = not rows.filter(~OK & pl.col("share").is_null()).is_empty()
    scale = 1 / stated if stated > 0 else 0.0
    if stated <= 0:
        raise sum_error(lines, stated, "not 1")
    if (lines.raw.may_be_partial and everything < 1 - SUM_TOLERANCE) or _is_partial(
        lines, everything
    ):
        _say_coverage(lines, everything)
        scale *= everything
    elif not (1 - SUM_TOLERANCE <= everything <= 1 + MOST_ABOVE) and not (
        unknown and everything < 1
    ):
        raise sum_error(lines, everything, "not 1")
    elif rows.filter(~OK).is_empty() and abs(stated - 1) > 1e-9:
        lines.say("info", "weights_scaled", f"weights sum to {stated:.6f}; scaled to 1")
    lines.rows = rows.with_columns(
        share=pl.when(POSITION).then(pl.col("share") * scale).otherwise("share")
    )
    invested = _sum(lines.rows, "share", POSITION)
    if invested > 1 + SUM_TOLERANCE * 2:
        _say_leverage(lines, invested)
    return 1 - invested
