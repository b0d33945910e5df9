"""Estimate the model from daily closes up to a day."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from exposure.content import find_content
from exposure.errors import HoldingsError, Place
from exposure.portfolios.trading_rules import TradingRules, load_trading_rules
from exposure.risk.closes import check_settings, checked_closes
from exposure.risk.crisis import CrisisDays, check_crisis, crisis_window
from exposure.risk.markets import HOME, is_mainland, market_column
from exposure.risk.model import SMALLEST_GROUP, Array, RiskModel, peers_of
from exposure.risk.samples import (
    DAYS_PER_YEAR,
    Sample,
    index_table,
    listing_samples,
    simple_returns,
    theme_rotation,
)
from exposure.schemas import RiskFactorCovariance, RiskLoadings, RiskSpecific, validated

DIGITS = 6  # significant digits of a snapshot


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
    crisis: CrisisDays | None = None,
    crisis_days: int = 60,
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
    crisis
        ``"auto"`` estimates the model a second time over the most turbulent days known (:mod:`exposure.risk.crisis`),
        two days name the first and last close of that window; None leaves it out.
    crisis_days
        Returns of an automatic crisis window.

    Returns
    -------
    RiskModel
        Loadings by least squares, shrunk towards the cross-section by their sampling error (Vasicek 1973);
        log specific variances likewise. Variances are of a day × 242. All figures have six significant digits.
        ``crisis`` is estimated the same way, on the same factors in the same order, made orthogonal in its own days.

    Raises
    ------
    HoldingsError
        If a table lacks a column, repeats a day of a listing, or leaves no name with enough returns.
    UsageError
        If an index isn't in ``indices``, or the crisis window ends after ``as_of``.

    Notes
    -----
    Missing values: a missing close is a suspension; it is dropped and counted, never filled.
    """
    factors = (market, *themes)
    closes = checked_closes(prices, "listing_id", "prices", as_of)
    index_closes = checked_closes(indices, "index_code", "indices", as_of)
    check_settings(factors, index_closes, window_days, min_observations)
    if crisis is not None:
        check_crisis(crisis, crisis_days, factors, as_of)
    limits = load_trading_rules(find_content()) if rules is None else rules

    traded = closes.filter(market_column("listing_id") == HOME)
    calendar = index_table(index_closes, factors)
    market_days = index_table(index_closes, (market,))["date"]
    if (
        traded.height
    ):  # a day on which no listing has a close is a carried-over row, not a trading day
        trading = traded["date"].unique().implode()
        calendar = calendar.filter(pl.col("date").is_in(trading))
        market_days = market_days.filter(market_days.is_in(trading))
    window = calendar.tail(window_days + 1)
    if window.height < min_observations + 1:
        raise HoldingsError(
            f"the indices have {max(window.height - 1, 0)} common returns up to {as_of.isoformat()};"
            f" {min_observations} are needed",
            places=[Place("indices", f"needs {', '.join(factors)} on the same days")],
        )
    settings = _Settings(as_of, factors, limits, source)
    until = f"up to {as_of.isoformat()}"
    model = _estimated(closes, window, min_observations, settings, until)
    if crisis is None:
        return model
    estimated = model.specific.filter(pl.col("origin") == "estimated")["listing_id"].to_list()
    chosen = crisis_window(
        crisis,
        crisis_days,
        calendar,
        market_days,
        closes,
        estimated,
        (min_observations, window_days),
    )
    strained = _estimated(
        closes,
        chosen.calendar,
        chosen.min_observations,
        settings,
        f"in the crisis window {chosen.span}",
    )
    return replace(model, crisis=replace(strained, manifest=strained.manifest | chosen.facts))


@dataclass(frozen=True, slots=True)
class _Settings:
    """What the main model and the crisis model share."""

    as_of: date
    factors: tuple[str, ...]
    limits: TradingRules
    source: str


def _estimated(
    closes: pl.DataFrame, calendar: pl.DataFrame, least: int, settings: _Settings, when: str
) -> RiskModel:
    """Estimate the model over the days of a calendar; ``when`` says which in a message."""
    factors = settings.factors
    rotation = theme_rotation(simple_returns(calendar.select(factors).to_numpy()))
    f = simple_returns(calendar.select(factors).to_numpy()) @ rotation
    covariance = np.atleast_2d(np.cov(f, rowvar=False)) * DAYS_PER_YEAR

    samples, excluded, gaps = listing_samples(closes, calendar, factors, rotation, settings.limits)
    fits = {s.listing_id: _fit(s) for s in samples if len(s.y) >= least}
    if not fits:
        raise HoldingsError(
            f"no listing has {least} returns {when}",
            places=[Place("prices", f"holds {len(samples)} listings in the window")],
            cure="give longer prices, or lower min_observations",
        )
    loadings, specific = _shrunk(fits)
    model = _model(settings.as_of, factors, samples, loadings, specific, covariance)
    manifest = _manifest(model, calendar, factors, rotation, least, excluded, gaps, settings.source)
    return replace(model, manifest=manifest)


def _fit(sample: Sample) -> _Fit:
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
        peers = peers_of(name, names)
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
    samples: Iterable[Sample],
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
        peers = [name] if name in loadings else peers_of(name, measured)
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
    abroad = [name for name in model.specific["listing_id"] if not is_mainland(name)]
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
