"""Check the closes and settings that an estimate is asked from."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from exposure.errors import HoldingsError, Place, UsageError

LISTING_COLUMNS = ("listing_id", "wind_code", "ticker")  # what vendors call the code of a listing
CLOSE_COLUMNS = ("close", "close_adj")


def price_table(path: Path) -> pl.DataFrame:
    """Return a price file as it is, CSV cells as text.

    Raises
    ------
    HoldingsError
        If it is missing or no table.
    """
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        return pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as fault:
        why = "it does not exist" if not path.exists() else str(fault).splitlines()[0]
        raise HoldingsError(f"{path.name} can't be read as prices: {why}") from fault


def checked_closes(frame: Any, key: str, what: str, as_of: date) -> pl.DataFrame:
    """Return the closes up to the day as a typed, sorted frame, or say which rows are wrong."""
    table = _polars(frame)
    lacking = [name for name in (key, "date", "close") if name not in table.columns]
    if lacking:
        raise HoldingsError(
            f"{what} lack the column {', '.join(lacking)}",
            places=[Place(what, "is missing from the header", row=1, column=n) for n in lacking],
            cure=f"the columns are {key}, date, close" + (", volume_shares" * (what == "prices")),
        )
    day = pl.col("date")
    if table.schema["date"] == pl.String:
        day = day.str.to_date("%Y-%m-%d", strict=False)
    columns = [
        pl.col(key).cast(pl.String),
        day.cast(pl.Date, strict=False),
        pl.col("close").cast(pl.Float64, strict=False),
        pl.col("close").cast(pl.String).alias("raw"),
    ]
    if what == "prices":
        volume = (
            pl.col("volume_shares").cast(pl.Float64, strict=False)
            if "volume_shares" in table.columns
            else pl.lit(None, dtype=pl.Float64).alias("volume_shares")
        )
        columns.append(volume)
    typed = table.select(columns).with_row_index("row", offset=1)
    undated = typed.filter(pl.col("date").is_null() | pl.col(key).is_null())
    if undated.height:
        raise _bad_rows(what, undated, "date", f"needs {key} and a date (YYYY-MM-DD)")
    typed = typed.filter(pl.col("date") <= as_of)
    unreadable = typed.filter(pl.col("close").is_null() & pl.col("raw").is_not_null())
    if unreadable.height:
        raise _bad_rows(what, unreadable, "close", "is not a number")
    finite = pl.when(pl.col("close").is_finite()).then(pl.col("close"))
    typed = typed.with_columns(finite.alias("close")).drop("raw", "row").sort(key, "date")
    twins = typed.filter(pl.struct(key, "date").is_duplicated())
    if twins.height:
        name, day_of = twins.select(key, "date").row(0)
        raise HoldingsError(
            f"{what} hold {name} twice on {day_of.isoformat()}",
            places=[Place(what, "must hold a day once", column="date", value=day_of.isoformat())],
            cure="remove the second row",
        )
    return typed


def _bad_rows(what: str, rows: pl.DataFrame, column: str, why: str) -> HoldingsError:
    places = [
        Place(what, why, row=row, column=column, value=None if text is None else str(text))
        for row, text in rows.select("row", "raw" if column == "close" else column).iter_rows()
    ]
    return HoldingsError(
        f"{rows.height} rows of {what} can't be used", places=places, cure=f"correct {what}"
    )


def _polars(frame: Any) -> pl.DataFrame:
    if isinstance(frame, pl.DataFrame):
        return frame
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    # narwhals takes a quarter of a second to import; a polars frame doesn't need it
    import narwhals as nw  # noqa: PLC0415

    eager = nw.from_native(frame).lazy().collect("polars")
    return pl.DataFrame(eager.to_native())


def check_settings(
    factors: tuple[str, ...], index_closes: pl.DataFrame, window_days: int, min_observations: int
) -> None:
    """Raise if factors, window and least observations cannot give an estimate."""
    known = set(index_closes["index_code"])
    absent = [name for name in factors if name not in known]
    if absent:
        raise UsageError(
            f"no index is called {absent[0]!r} on or before the day of the estimate",
            places=[Place("indices", "does not hold it", column="index_code", value=absent[0])],
            cure=f"the indices are {', '.join(sorted(known)) or 'none'}",
        )
    if len(set(factors)) != len(factors):
        raise UsageError(f"an index is named twice: {', '.join(factors)}")
    least = len(factors) + 10
    if not least <= min_observations <= window_days:
        raise UsageError(
            f"min_observations must lie between {least} and window_days ({window_days}),"
            f" not {min_observations}"
        )
