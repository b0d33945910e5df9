"""Rows that can't be used: how much they are, and refusing the file because of them."""

from __future__ import annotations

import polars as pl

from exposure.content import SOURCE_ROW
from exposure.errors import MAX_PLACES_SHOWN, HoldingsError
from exposure.portfolios.lines import IS_CASH, OK, Lines
from exposure.schemas import issue

MAX_PLACES = 200  # more rows than anybody corrects by hand; the count is in the first line


def refuse_rejects(
    lines: Lines, *, by_value: bool, allow_rejects: bool, may_allow: bool = True
) -> None:
    """Refuse a table with rows that can't be used, or report them where they are allowed.

    Parameters
    ----------
    may_allow
        Whether the caller could allow rejects at all.

    Raises
    ------
    HoldingsError
        With every row, unless rejects are allowed and something else is left.
    """
    raw, rows = lines.raw, lines.rows
    bad = rows.filter(~OK)
    if bad.is_empty():
        return
    faults = lines.all_faults()
    share = _rejected_share(rows, by_value=by_value)
    size = "of unknown value" if share is None else f"{share:.2%} of value"
    is_empty = rows.filter(OK & ~IS_CASH).is_empty()
    if not allow_rejects or is_empty:
        shown = faults.head(max(MAX_PLACES, MAX_PLACES_SHOWN))
        cure = "correct these rows"
        if not is_empty and may_allow:
            cure += f"; or leave them out ({size}) with --allow-rejects (allow_rejects=True)"
        raise HoldingsError(
            f"{raw.file}: {bad.height} of {rows.height} rows can't be used",
            places=[lines.place(fault) for fault in shown.iter_rows(named=True)],
            cure=cure,
        )
    for fault in faults.iter_rows(named=True):
        place = lines.place(fault)
        lines.issues.append(
            issue(
                "error", raw.file, fault["rule"], fault["why"], sheet=raw.sheet,
                row=fault[SOURCE_ROW], column=place.column, raw=fault["value"], cure=fault["cure"],
            )
        )  # fmt: skip
    lines.say(
        "warning",
        "rejects_left_out",
        f"{bad.height} rows left out ({size}); weights are scaled up over the rest",
    )


def _rejected_share(rows: pl.DataFrame, *, by_value: bool) -> float | None:
    """Return the fraction of value in rejected rows, None where a rejected row has none."""
    quantity, price, fx = pl.col("quantity"), pl.col("price"), pl.col("fx").fill_null(1.0)
    size = pl.col("share")
    if by_value:
        size = pl.coalesce("worth", quantity * price * fx, "value")
    sizes = rows.select(size.alias("size"), OK)
    if sizes.filter(~OK)["size"].null_count():
        return None
    total = float(sizes["size"].sum())
    bad = float(sizes.filter(~OK)["size"].sum())
    return bad / total if total > 0 else None
