"""Factor risk model: read a snapshot, or estimate one from daily closes up to a day.

Symbols
    T, k, N   returns, risk factors, listings
    f         T × k risk-factor returns (market, then themes made orthogonal in the order given)
    L         N × k loadings
    F         k × k factor covariance, per year
    D         N specific variances, per year
    B         N × k, B = L · chol(F), so that the covariance of returns is B Bᵀ + diag(D)

Method
    Simple returns between consecutive days of a market's calendar. A missing close is a suspension: the returns on
    both sides of it are dropped, never filled. Days at the price limit are kept and counted: they cut the true move,
    so specific variance is a lower bound for names that have many. Mainland listings use the days of the market
    index. Listings elsewhere (Hong Kong) use the days common to both markets, and index returns over the same
    spans; there is no Hang Seng series, so their common local movement stays in specific variance.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from exposure.content import ContentRoot, TomlFile, find_content, read_text_csv, read_toml_file
from exposure.errors import ContentError, HoldingsError, Place, UsageError
from exposure.portfolios.trading_rules import TradingRules, load_trading_rules
from exposure.schemas import (
    RiskFactorCovariance,
    RiskLoadings,
    RiskSpecific,
    typed_from_text,
    validated,
)

FOLDER = "portfolios/risk"
DAYS_PER_YEAR = 242  # trading days of a mainland year; variances of a day × 242 are per year
DIGITS = 6  # significant digits of a snapshot
SMALLEST_GROUP = 5  # fewer names have no cross-section to shrink towards
MAINLAND = ("SH", "SZ", "BJ")
HOME = "CN"  # the market whose days the factors have
BEYOND_LIMIT = 0.01  # a return further than this above the limit can't be an ordinary day
FILES = ("loadings", "factor_covariance", "specific")

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RiskModel:
    """A factor risk model of a day.

    Parameters
    ----------
    as_of
        The last day whose closes could enter.
    loadings
        | listing_id | risk_factor | loading | origin (estimated or prior) |
    factor_covariance
        | risk_factor | other | covariance per year |
    specific
        | listing_id | specific_variance per year | observations | limit_days | origin | daily_volume [shares] |
    manifest
        Window, method, counts, what was excluded.
    """

    as_of: date
    loadings: pl.DataFrame
    factor_covariance: pl.DataFrame
    specific: pl.DataFrame
    manifest: dict[str, object]

    @property
    def factors(self) -> tuple[str, ...]:
        """The risk factors, market first where the manifest says so."""
        named = self.manifest.get("factors")
        if isinstance(named, list):
            return tuple(str(name) for name in named)
        return tuple(sorted(self.factor_covariance["risk_factor"].unique()))

    @property
    def listing_ids(self) -> tuple[str, ...]:
        """The listings of the model, sorted."""
        return tuple(sorted(self.specific["listing_id"]))


# --- reading and writing ------------------------------------------------------------------------------------------


def load_risk(root: ContentRoot, as_of: date) -> RiskModel | None:
    """Read the newest snapshot of the content that is not later than a day.

    Returns
    -------
    RiskModel or None
        None where no snapshot is old enough: a later one would know the future.

    Raises
    ------
    ContentError
        If a folder's name is not a day, or its files break a rule.
    """
    days: dict[date, str] = {}
    folders = root.entries(FOLDER)
    for name, path in folders.items():
        if path.is_dir() and not name.startswith("."):
            days[_day(name)] = name
    known = [day for day in days if day <= as_of]
    if not known:
        return None
    day = max(known)
    model = read_risk(folders[days[day]], f"{FOLDER}/{days[day]}")
    if model.as_of != day:
        name = f"{FOLDER}/{days[day]}/manifest.toml"
        raise ContentError(
            f"{name} is of {model.as_of.isoformat()}, its folder of {day.isoformat()}",
            places=[Place(name, "as_of and the folder's name must be one day", column="as_of")],
            cure="rename the folder to the snapshot's as_of",
        )
    return model


def read_risk(folder: Path, name: str | None = None) -> RiskModel:
    """Read one snapshot folder.

    Raises
    ------
    ContentError
        With file and line: a missing file, a cell of the wrong type, a loading on an unknown risk factor, a
        covariance that is not symmetric and positive.
    """
    shown = name or folder.name
    manifest = read_toml_file(folder / "manifest.toml", f"{shown}/manifest.toml")
    as_of = manifest.need(manifest.data, "as_of")
    if type(as_of) is not date:
        raise manifest.error(f"{manifest.name} has no day in as_of", "as_of", "is not a day")
    schemas = (RiskLoadings, RiskFactorCovariance, RiskSpecific)
    frames: list[pl.DataFrame] = []
    for file, schema in zip(FILES, schemas, strict=True):
        path = f"{shown}/{file}.csv"
        if not (folder / f"{file}.csv").is_file():
            raise ContentError(
                f"{path} is missing", places=[Place(path, "is not in the snapshot folder")]
            )
        frames.append(typed_from_text(read_text_csv(folder / f"{file}.csv", path), schema, path))
    model = RiskModel(as_of, frames[0], frames[1], frames[2], dict(manifest.data))
    _check(model, shown, manifest)
    return model


def write_risk(model: RiskModel, folder: str | Path) -> None:
    """Write a snapshot: three tables and ``manifest.toml``. Derived statistics only, never prices.

    A file is replaced only when it is complete.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    texts = {
        f"{name}.csv": frame.write_csv()
        for name, frame in zip(
            FILES, (model.loadings, model.factor_covariance, model.specific), strict=True
        )
    }
    texts["manifest.toml"] = "\n".join(_toml(model.manifest)) + "\n"
    for name, text in texts.items():
        aside = target / f"{name}.part"
        aside.write_bytes(text.encode())
        aside.replace(target / name)


def _day(name: str) -> date:
    try:
        return date.fromisoformat(name)
    except ValueError as fault:
        raise ContentError(
            f"{FOLDER}/{name} is not named by a day",
            places=[Place(FOLDER, "must be YYYY-MM-DD", value=name)],
            cure="rename the folder to the snapshot's as_of",
        ) from fault


def _check(model: RiskModel, shown: str, manifest: TomlFile) -> None:
    factors = set(model.factor_covariance["risk_factor"])
    stated = model.manifest.get("factors")
    if isinstance(stated, list) and set(map(str, stated)) != factors:
        raise manifest.error(
            f"{manifest.name} and factor_covariance.csv name different risk factors",
            "factors",
            why=f"the covariance has {', '.join(sorted(factors))}",
        )
    places = [
        Place(f"{shown}/loadings.csv", "is not in factor_covariance.csv", value=name)
        for name in sorted(set(model.loadings["risk_factor"]) - factors)
    ]
    places += [
        Place(f"{shown}/specific.csv", "has no loading on some risk factor", value=name)
        for name in _incomplete(model, factors)
    ]
    if places:
        raise ContentError(
            f"{shown} does not hold together", places=places, cure="estimate the snapshot again"
        )
    _factor_root(model)


def _incomplete(model: RiskModel, factors: set[str]) -> list[str]:
    counts = dict(model.loadings.group_by("listing_id").len().iter_rows())
    names = set(counts) | set(model.specific["listing_id"])
    lacking = set(model.specific["listing_id"])
    return sorted(
        name for name in names if counts.get(name, 0) != len(factors) or name not in lacking
    )


# --- use ----------------------------------------------------------------------------------------------------------


def as_matrices(model: RiskModel, listing_ids: Sequence[str]) -> tuple[Array, Array]:
    """Return the model as arrays for a list of names.                       Σ = B Bᵀ + diag(D)

    Returns
    -------
    B
        Array of shape (n_listings, n_factors): loadings times the Cholesky root of the factor covariance, per √year.
    D
        Array of shape (n_listings,): specific variance per year.

    Notes
    -----
    Missing values: a listing that the model lacks gets the prior of its market (:func:`risk_origins` names those).
    """
    loadings, specific, _ = _arranged(model, listing_ids)
    return loadings @ _factor_root(model), specific


def risk_origins(model: RiskModel, listing_ids: Sequence[str]) -> pl.DataFrame:
    """Say what the figures of each listing rest on.

    Returns
    -------
    polars.DataFrame
        | listing_id | origin: estimated, prior (too few returns) or absent (not in the model, prior used) |
    """
    _, _, origins = _arranged(model, listing_ids)
    return pl.DataFrame(
        {"listing_id": list(listing_ids), "origin": origins},
        schema={"listing_id": pl.String, "origin": pl.String},
    )


def _arranged(model: RiskModel, listing_ids: Sequence[str]) -> tuple[Array, Array, list[str]]:
    factors = model.factors
    column = {name: j for j, name in enumerate(factors)}
    rows: dict[str, Array] = {}
    for listing, factor, loading in model.loadings.select(
        "listing_id", "risk_factor", "loading"
    ).iter_rows():
        rows.setdefault(listing, np.zeros(len(factors)))[column[factor]] = loading
    variances: dict[str, float] = dict(
        model.specific.select("listing_id", "specific_variance").iter_rows()
    )
    origin: dict[str, str] = dict(model.specific.select("listing_id", "origin").iter_rows())
    measured = sorted(name for name, kind in origin.items() if kind == "estimated") or sorted(
        origin
    )
    loadings = np.zeros((len(listing_ids), len(factors)))
    specific = np.zeros(len(listing_ids))
    origins: list[str] = []
    for i, name in enumerate(listing_ids):
        if name in rows:
            loadings[i], specific[i] = rows[name], variances[name]
            origins.append(origin[name])
            continue
        peers = _peers(name, measured)
        loadings[i] = np.median([rows[peer] for peer in peers], axis=0)
        specific[i] = float(np.median([variances[peer] for peer in peers]))
        origins.append("absent")
    return loadings, specific, origins


def _peers(listing_id: str, measured: Sequence[str]) -> list[str]:
    own = [name for name in measured if _market(name) == _market(listing_id)]
    return own if len(own) >= SMALLEST_GROUP else list(measured)


def _factor_root(model: RiskModel) -> Array:
    factors = model.factors
    column = {name: j for j, name in enumerate(factors)}
    matrix = np.full((len(factors), len(factors)), np.nan)
    for one, other, value in model.factor_covariance.select(
        "risk_factor", "other", "covariance"
    ).iter_rows():
        if one in column and other in column:
            matrix[column[one], column[other]] = value
    if np.isnan(matrix).any() or not np.allclose(matrix, matrix.T, rtol=1e-9, atol=0.0):
        raise _bad_covariance("is not a complete symmetric matrix")
    try:
        root: Array = np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError as fault:
        raise _bad_covariance("is not positive definite") from fault
    return root


def _bad_covariance(why: str) -> ContentError:
    return ContentError(
        "the factor covariance can't be used",
        places=[Place("factor_covariance.csv", why)],
        cure="estimate the snapshot again",
    )


# --- estimation ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Sample:
    """Returns of one listing in the window and the factor returns over the same spans."""

    listing_id: str
    y: Array
    f: Array
    limit_days: int
    intervals_per_year: float
    daily_volume: float | None


@dataclass(frozen=True, slots=True)
class _Fit:
    """Least squares of one listing before shrinkage."""

    loadings: Array
    loading_errors: Array  # squared standard errors
    log_variance: float  # of a year
    log_variance_error: float  # squared standard error


def estimate_risk(
    prices: Any,
    indices: Any,
    as_of: date,
    *,
    market: str = "000300",
    themes: Sequence[str] = ("930651", "H30184"),
    window_days: int = 250,
    min_observations: int = 120,
    rules: TradingRules | None = None,
    source: str = "",
) -> RiskModel:
    """Estimate a factor risk model from daily closes.                     r_i = a_i + Σ_j L_ij · f_j + e_i

    Parameters
    ----------
    prices
        | listing_id | date | close (adjusted) | volume_shares, optional |, any frame narwhals accepts. Rows after
        ``as_of`` are not looked at.
    indices
        | index_code | date | close |
    market, themes
        Index codes. A theme's factor is what is left of its return after the market and the themes before it, so the
        market loading is the whole market beta and the order of themes matters.
    window_days
        Trading days of the market index that give returns.
    min_observations
        Names with fewer returns get the median of the others of their market, origin ``prior``.
    rules
        Price limits; by default those of the content.
    source
        Where the prices come from, for the manifest (a name, never a path).

    Returns
    -------
    RiskModel
        Loadings by least squares, shrunk towards the cross-section by their sampling error (Vasicek 1973);
        log specific variances likewise. Variances are of a day × 242. All figures have six significant digits.

    Raises
    ------
    HoldingsError
        If a table lacks a column, repeats a day of a listing, or leaves no name with enough returns.
    UsageError
        If an index isn't in ``indices``.

    Notes
    -----
    Missing values: a missing close is a suspension; it is dropped and counted, never filled.
    """
    factors = (market, *themes)
    closes = _closes(prices, "listing_id", "prices", as_of)
    index_closes = _closes(indices, "index_code", "indices", as_of)
    _check_settings(factors, index_closes, window_days, min_observations)
    limits = load_trading_rules(find_content()) if rules is None else rules

    traded = closes.filter(_market_of("listing_id") == HOME)
    calendar = _index_table(index_closes, factors)
    if (
        traded.height
    ):  # a day on which no listing has a close is a carried-over row, not a trading day
        calendar = calendar.filter(pl.col("date").is_in(traded["date"].unique().implode()))
    calendar = calendar.tail(window_days + 1)
    if calendar.height < min_observations + 1:
        raise HoldingsError(
            f"the indices have {max(calendar.height - 1, 0)} common returns up to {as_of.isoformat()};"
            f" {min_observations} are needed",
            places=[Place("indices", f"needs {', '.join(factors)} on the same days")],
        )
    rotation = _rotation(_simple_returns(calendar.select(factors).to_numpy()))
    f = _simple_returns(calendar.select(factors).to_numpy()) @ rotation
    covariance = np.atleast_2d(np.cov(f, rowvar=False)) * DAYS_PER_YEAR

    samples, excluded, gaps = _samples(closes, calendar, factors, rotation, limits)
    fits = {s.listing_id: _fit(s) for s in samples if len(s.y) >= min_observations}
    if not fits:
        raise HoldingsError(
            f"no listing has {min_observations} returns up to {as_of.isoformat()}",
            places=[Place("prices", f"holds {len(samples)} listings in the window")],
            cure="give longer prices, or lower min_observations",
        )
    loadings, specific = _shrunk(fits)
    model = _model(as_of, factors, samples, loadings, specific, covariance)
    manifest = _manifest(
        model, calendar, factors, rotation, min_observations, excluded, gaps, source
    )
    return RiskModel(as_of, model.loadings, model.factor_covariance, model.specific, manifest)


def _closes(frame: Any, key: str, what: str, as_of: date) -> pl.DataFrame:
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


def _check_settings(
    factors: tuple[str, ...], index_closes: pl.DataFrame, window_days: int, min_observations: int
) -> None:
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


def _index_table(index_closes: pl.DataFrame, factors: tuple[str, ...]) -> pl.DataFrame:
    wide = index_closes.filter(pl.col("index_code").is_in(factors) & (pl.col("close") > 0)).pivot(
        on="index_code", on_columns=list(factors), index="date", values="close"
    )
    return wide.drop_nulls().sort("date")


def _simple_returns(levels: Array) -> Array:
    return np.asarray(levels[1:] / levels[:-1] - 1.0, dtype=np.float64)


def _rotation(index_returns: Array) -> Array:
    """Return the k × k matrix that turns index returns into orthogonal factor returns (Gram-Schmidt)."""
    centred = index_returns - index_returns.mean(axis=0)
    k = centred.shape[1]
    rotation = np.eye(k)
    for j in range(1, k):
        before = centred @ rotation[:, :j]
        coefficients, *_ = np.linalg.lstsq(before, centred[:, j], rcond=None)
        rotation[:, j] -= rotation[:, :j] @ coefficients
    return rotation


def _samples(
    closes: pl.DataFrame,
    calendar: pl.DataFrame,
    factors: tuple[str, ...],
    rotation: Array,
    limits: TradingRules,
) -> tuple[list[_Sample], list[dict[str, object]], int]:
    """Return the returns of every listing in the window, what was excluded, and how many gaps were dropped."""
    samples: list[_Sample] = []
    excluded: list[dict[str, object]] = []
    gaps = 0
    days_of_market = _calendars(closes, calendar)
    for (listing,), own in closes.group_by("listing_id", maintain_order=True):
        name = str(listing)
        days = days_of_market[_market(name)]
        spans = calendar.filter(pl.col("date").is_in(days.implode()))
        f = np.zeros((0, len(factors)))
        if spans.height > 1:
            f = _simple_returns(spans.select(factors).to_numpy()) @ rotation
        at = spans.select("date").with_row_index("t")
        usable = own.with_row_index("nth").filter(pl.col("close") > 0)
        unusable = own.filter(
            ~(pl.col("close") > 0).fill_null(False), pl.col("date").is_in(at["date"].implode())
        )
        for day in unusable["date"]:
            excluded.append({"listing_id": name, "date": day, "reason": "close is not above zero"})
        rows = (
            usable.join(at, on="date", how="inner", maintain_order="left")
            .with_columns(
                (pl.col("close") / pl.col("close").shift(1) - 1.0).alias("ret"),
                pl.col("close").shift(1).alias("previous"),
                (pl.col("t").cast(pl.Int64) - pl.col("t").cast(pl.Int64).shift(1)).alias("steps"),
            )
            .filter(pl.col("ret").is_not_null())
        )
        gaps += rows.filter(pl.col("steps") > 1).height
        kept, faults, limit_days = _within_limits(
            name, rows.filter(pl.col("steps") == 1), own["date"][0], limits
        )
        excluded += faults
        volume = usable.join(at, on="date")["volume_shares"].median()
        samples.append(
            _Sample(
                name,
                kept["ret"].to_numpy(),
                f[kept["t"].to_numpy().astype(np.int64) - 1],
                limit_days,
                DAYS_PER_YEAR * max(spans.height - 1, 1) / max(calendar.height - 1, 1),
                volume if isinstance(volume, float) else None,
            )
        )
    return samples, excluded, gaps


def _calendars(closes: pl.DataFrame, calendar: pl.DataFrame) -> dict[str, pl.Series]:
    """Return market → its trading days that are days of the market index too."""
    out: dict[str, pl.Series] = {}
    markets = closes.select("date", _market_of("listing_id").alias("market"))
    for (market,), rows in markets.group_by("market"):
        days = calendar["date"]
        out[str(market)] = (
            days if market == HOME else days.filter(days.is_in(rows["date"].unique().implode()))
        )
    return out


def _within_limits(
    listing: str, rows: pl.DataFrame, first_day: date, rules: TradingRules
) -> tuple[pl.DataFrame, list[dict[str, object]], int]:
    """Take out returns that no price limit allows; count the days at the limit.

    A new listing trades without a limit in its first days: such returns are of another kind than those to come. Any
    other return beyond the limit is a fault of the prices (a wrong adjustment) or a delisting period.
    """
    board = _board(listing)
    free = rules.free_first_days(board, first_day)
    keep: list[bool] = []
    faults: list[dict[str, object]] = []
    limit_days = 0
    for day, nth, ret, previous in rows.select("date", "nth", "ret", "previous").iter_rows():
        limit = rules.price_limit(board, day)
        beyond = limit is not None and abs(ret) > limit + BEYOND_LIMIT
        keep.append(not beyond)
        if beyond:
            reason = "first days of a listing" if nth < free else "beyond the price limit"
            faults.append({"listing_id": listing, "date": day, "reason": reason})
        # half a tick of rounding in each of the two closes and in the limit price
        elif limit is not None and abs(ret) >= limit - 0.0005 - 0.01 / previous:
            limit_days += 1
    return rows.filter(pl.Series(keep, dtype=pl.Boolean)), faults, limit_days


def _fit(sample: _Sample) -> _Fit:
    n, k = sample.f.shape
    x = np.column_stack([np.ones(n), sample.f])
    beta, *_ = np.linalg.lstsq(x, sample.y, rcond=None)
    e = sample.y - x @ beta
    # a name that the factors explain to the last digit (an index tracker) still has a positive variance
    variance = max(float(e @ e) / (n - k - 1), 1e-12)
    errors = variance * np.diag(np.linalg.inv(x.T @ x))[1:]
    kurtosis = float(np.mean(e**4) / max(float(np.mean(e**2)), 1e-12) ** 2)
    return _Fit(
        np.asarray(beta[1:], dtype=np.float64),
        np.asarray(errors, dtype=np.float64),
        math.log(variance * sample.intervals_per_year),
        max(kurtosis - 1.0, 2.0) / (n - k - 1),
    )


def _shrunk(fits: Mapping[str, _Fit]) -> tuple[dict[str, Array], dict[str, float]]:
    """Pull each estimate towards the median of its market by its sampling error.

    w = τ² / (τ² + se²), shrunk = w · estimate + (1 - w) · median, τ² = spread of the estimates beyond sampling error
    """
    loadings: dict[str, Array] = {}
    specific: dict[str, float] = {}
    names = sorted(fits)
    for name in names:
        peers = _peers(name, names)
        own = fits[name]
        stack = np.array([fits[peer].loadings for peer in peers])
        errors = np.array([fits[peer].loading_errors for peer in peers])
        loadings[name] = _pull(own.loadings, own.loading_errors, stack, errors)
        logs = np.array([[fits[peer].log_variance] for peer in peers])
        log_errors = np.array([[fits[peer].log_variance_error] for peer in peers])
        pulled = _pull(
            np.array([own.log_variance]), np.array([own.log_variance_error]), logs, log_errors
        )
        specific[name] = math.exp(float(pulled[0]))
    return loadings, specific


def _pull(own: Array, own_error: Array, peers: Array, peer_errors: Array) -> Array:
    if len(peers) < SMALLEST_GROUP:
        return own
    centre = np.median(peers, axis=0)
    spread = np.maximum(np.mean((peers - centre) ** 2, axis=0) - peer_errors.mean(axis=0), 0.0)
    weight = spread / np.maximum(spread + own_error, 1e-300)
    return np.asarray(weight * own + (1.0 - weight) * centre, dtype=np.float64)


def _model(
    as_of: date,
    factors: tuple[str, ...],
    samples: Iterable[_Sample],
    loadings: Mapping[str, Array],
    specific: Mapping[str, float],
    covariance: Array,
) -> RiskModel:
    load_rows: list[tuple[str, str, float, str]] = []
    specific_rows: list[tuple[str, float, int, int, str, float | None]] = []
    measured = sorted(loadings)
    for sample in samples:
        name = sample.listing_id
        origin = "estimated" if name in loadings else "prior"
        peers = [name] if name in loadings else _peers(name, measured)
        row = np.median([loadings[peer] for peer in peers], axis=0)
        load_rows += [(name, factor, float(row[j]), origin) for j, factor in enumerate(factors)]
        variance = float(np.median([specific[peer] for peer in peers]))
        specific_rows.append(
            (name, variance, len(sample.y), sample.limit_days, origin, sample.daily_volume)
        )
    cov_rows = [
        (one, other, _tidy(covariance, i, j))
        for i, one in enumerate(factors)
        for j, other in enumerate(factors)
    ]
    return RiskModel(
        as_of,
        validated(
            _rounded(pl.DataFrame(load_rows, schema=list(RiskLoadings.columns()), orient="row")),
            RiskLoadings,
        ).sort("listing_id", maintain_order=True),
        validated(
            _rounded(
                pl.DataFrame(cov_rows, schema=list(RiskFactorCovariance.columns()), orient="row")
            ),
            RiskFactorCovariance,
        ),
        validated(
            _rounded(pl.DataFrame(specific_rows, schema=_specific_types(), orient="row")),
            RiskSpecific,
        ).sort("listing_id"),
        {},
    )


def _specific_types() -> dict[str, Any]:
    return {name: column.dtype for name, column in RiskSpecific.columns().items()}


def _tidy(covariance: Array, i: int, j: int) -> float:
    """Return a covariance; what is zero but for rounding (orthogonal factors) is written as zero."""
    scale = math.sqrt(covariance[i, i] * covariance[j, j])
    value = float(covariance[min(i, j), max(i, j)])
    return 0.0 if abs(value) < 1e-12 * scale else value


def _rounded(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col(pl.Float64).round_sig_figs(DIGITS))


def _manifest(
    model: RiskModel,
    calendar: pl.DataFrame,
    factors: tuple[str, ...],
    rotation: Array,
    min_observations: int,
    excluded: list[dict[str, object]],
    gaps: int,
    source: str,
) -> dict[str, object]:
    origins = model.specific["origin"]
    abroad = [name for name in model.specific["listing_id"] if not _is_mainland(name)]
    manifest: dict[str, object] = {
        "as_of": model.as_of,
        "first_close": calendar["date"][0],
        "last_close": calendar["date"][-1],
        "window_days": calendar.height - 1,
        "min_observations": min_observations,
        "days_per_year": DAYS_PER_YEAR,
        "significant_digits": DIGITS,
        "factors": list(factors),
        "returns": "simple, between consecutive trading days; missing closes are suspensions: dropped, never filled",
        "factor_method": "market index as it is; each theme less its regression on the factors before it",
        "loading_method": "least squares with intercept, shrunk to the median of the market (Vasicek)",
        "specific_method": "residual variance of the unshrunk fit, its logarithm shrunk to the median of the market",
        "prior_method": "median of the estimated listings of the market",
        "other_markets": "regressed on the mainland factors over days common to both markets; no local index",
        "limit_days": "kept and counted; they cut the true move",
        "counts": {
            "listings": model.specific.height,
            "estimated": int((origins == "estimated").sum()),
            "prior": int((origins == "prior").sum()),
            "other_markets": len(abroad),
            "returns": int(model.specific["observations"].sum()),
            "limit_days": int(model.specific["limit_days"].sum()),
            "gaps_dropped": gaps,
            "excluded": len(excluded),
        },
        "orthogonal": {
            name: {
                other: _significant(float(rotation[i, j]))
                for i, other in enumerate(factors)
                if rotation[i, j] != 0.0
            }
            for j, name in enumerate(factors)
        },
        "excluded": sorted(excluded, key=lambda row: (str(row["listing_id"]), str(row["date"]))),
    }
    return ({"source": source} if source else {}) | manifest


def _significant(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


# --- small words --------------------------------------------------------------------------------------------------


def _suffix(listing_id: str) -> str:
    return listing_id.rpartition(".")[2]


def _is_mainland(listing_id: str) -> bool:
    return _suffix(listing_id) in MAINLAND


def _market(listing_id: str) -> str:
    return HOME if _is_mainland(listing_id) else _suffix(listing_id)


def _market_of(column: str) -> pl.Expr:
    suffix = pl.col(column).str.extract(r"([^.]*)$")
    return pl.when(suffix.is_in(MAINLAND)).then(pl.lit(HOME)).otherwise(suffix)


def _board(listing_id: str) -> str:
    """Return the board by the form of the code: the price file may hold listings that no master knows."""
    code, suffix = listing_id[:3], _suffix(listing_id)
    if suffix == "BJ":
        return "bse"
    if suffix == "SH":
        return "star" if code in {"688", "689"} else "main"
    if suffix == "SZ":
        return "chinext" if code in {"300", "301", "302"} else "main"
    return suffix.lower()


def _toml(table: Mapping[str, object], path: str = "") -> list[str]:
    """Return a table as TOML lines: plain values first, then tables, then arrays of tables."""
    plain: list[str] = []
    nested: list[str] = []
    for key, value in table.items():
        name = f"{path}.{_toml_key(key)}" if path else _toml_key(key)
        if isinstance(value, Mapping):
            nested += ["", f"[{name}]", *_toml(value, name)]
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for item in value:
                nested += ["", f"[[{name}]]", *_toml(item, name)]
        else:
            plain.append(f"{_toml_key(key)} = {_toml_value(value)}")
    return plain + nested


def _toml_key(key: str) -> str:
    bare = key.replace("_", "").replace("-", "").isalnum() and key.isascii()
    return key if bare else _toml_value(key)


def _toml_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'
