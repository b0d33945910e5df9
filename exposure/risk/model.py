"""The risk model as frames and as arrays for a list of names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from exposure.errors import ContentError, Place
from exposure.risk.markets import market_of

SMALLEST_GROUP = 5  # fewer names have no cross-section to shrink towards
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
    crisis
        The same model over the most turbulent window, where the snapshot holds one.
    """

    as_of: date
    loadings: pl.DataFrame
    factor_covariance: pl.DataFrame
    specific: pl.DataFrame
    manifest: dict[str, object]
    crisis: RiskModel | None = None

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
    return loadings @ factor_root(model), specific


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
        peers = peers_of(name, measured)
        loadings[i] = np.median([rows[peer] for peer in peers], axis=0)
        specific[i] = float(np.median([variances[peer] for peer in peers]))
        origins.append("absent")
    return loadings, specific, origins


def peers_of(listing_id: str, measured: Sequence[str]) -> list[str]:
    """Return the measured listings of the same market, or all where those are too few."""
    own = [name for name in measured if market_of(name) == market_of(listing_id)]
    return own if len(own) >= SMALLEST_GROUP else list(measured)


def factor_root(model: RiskModel) -> Array:
    """Return the Cholesky root of the factor covariance, in the order of the factors; shape k × k."""
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
