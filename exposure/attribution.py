"""From scores of issuers to exposures of a portfolio, and whose position contributes what.

Symbols: w weight [fraction of net asset value], x score [factor's unit], b benchmark weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from exposure.errors import UsageError, check_names
from exposure.factors.catalog import Catalog
from exposure.factors.concentration import PortfolioConcentration, concentration
from exposure.factors.definitions import MAIN, FactorDefinition
from exposure.factors.research import issuer_weights
from exposure.factors.scoring import score_issuers, score_issues
from exposure.factors.uncertainty import exposure_bands
from exposure.portfolios.holdings import Book
from exposure.schemas import (
    COVERED_STATUSES,
    Contributions,
    FactorExposures,
    FactorScores,
    PositionScores,
    empty,
    validated,
)

FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Scores:
    """What a portfolio is exposed to on a day.

    Attributes
    ----------
    factors
        :class:`~exposure.schemas.FactorExposures`, one row a factor and basis.
    positions
        :class:`~exposure.schemas.PositionScores`, listing × factor × basis.
    contributions
        :class:`~exposure.schemas.Contributions`; they add up to ``factors``.
    coverage
        | factor_id | basis | status | weight [fraction of invested weight] | listings |
    issuers
        :class:`~exposure.schemas.FactorScores` of all issuers behind holdings and benchmark.
    benchmark_positions
        :class:`~exposure.schemas.PositionScores` of the benchmark; empty without one.
    issues
        :class:`~exposure.schemas.DataIssues` about evidence.
    concentration
        How few positions and upstream suppliers carry the portfolio.
    bands
        :class:`~exposure.schemas.ExposureBands`: how far each exposure moves when every fact errs in its interval.
    """

    as_of: date
    factors: pl.DataFrame
    positions: pl.DataFrame
    contributions: pl.DataFrame
    coverage: pl.DataFrame
    issuers: pl.DataFrame
    benchmark_positions: pl.DataFrame
    issues: pl.DataFrame
    concentration: PortfolioConcentration
    bands: pl.DataFrame

    def matrix(
        self, which: str = "mid", basis: str = MAIN
    ) -> tuple[list[str], list[str], FloatArray]:
        """Return (listing ids, factor ids, X) for cvxpy, skfolio or scikit-learn.

        Parameters
        ----------
        which
            ``lo``, ``mid`` or ``hi``; an unknown mid is NaN, never zero.

        Returns
        -------
        tuple
            X is of shape (n_listings, n_factors), in the units of the factors.
        """
        part = self.positions.filter(pl.col("basis") == basis)
        wide = part.pivot(on="factor_id", index="listing_id", values=which).sort("listing_id")
        factor_ids = [name for name in wide.columns if name != "listing_id"]
        values = wide.select(factor_ids).fill_null(float("nan")).to_numpy()
        return wide["listing_id"].to_list(), factor_ids, values

    def to_dict(self) -> dict[str, Any]:
        """Return the exposures with their top contributors, their bands and the concentration, ready for JSON."""
        top = top_contributors(self.contributions)
        rows = self.factors.to_dicts()
        for row in rows:
            key = (row["factor_id"], row["basis"])
            row["top_contributors"] = top.get(key, [])
        return {
            "as_of": self.as_of.isoformat(),
            "factors": rows,
            "concentration": self.concentration.to_dict(),
            "bands": self.bands.to_dicts(),
        }

    def _repr_html_(self) -> str:
        return str(self.factors._repr_html_())  # pyright: ignore[reportPrivateUsage] - the notebook protocol


def score(
    book: Book,
    catalog: Catalog,
    *,
    factors: Sequence[str] | None = None,
) -> Scores:
    """Score a portfolio: exposures, who contributes, and how much of it is known.

    x_f = Σ_i w_i · s_if        over listings whose score has a mid; read it with its coverage
    lo_f = Σ_i w_i · lo_if,  hi_f = Σ_i w_i · hi_if        over all listings

    Parameters
    ----------
    book
        Holdings with their date; the benchmark, if any, is scored the same way.
    catalog
        The facts; only those known on the book's date are used.
    factors
        Factor ids; by default all.

    Returns
    -------
    Scores

    Missing values
        A missing score lowers coverage and widens lo..hi; it never counts as zero.

    Raises
    ------
    UsageError
        If a factor id doesn't exist (with the nearest that does).

    Source
    ------
    Weighted sums of shares: Miller & Blair (2009), section 2.3, for the walk behind dependence factors.
    """
    chosen = check_factor_ids(catalog, factors)
    benchmark = book.benchmark
    issuer_of = dict(catalog.master.listings.select("listing_id", "issuer_id").iter_rows())
    listing_ids = set(book.holdings["listing_id"])
    if benchmark is not None:
        listing_ids |= set(benchmark["listing_id"])
    issuers = sorted({issuer_of[name] for name in listing_ids if name in issuer_of})
    scores = score_issuers(catalog, issuers, book.as_of, chosen)
    weights = book.holdings.select("listing_id", "weight")
    definitions = [catalog.factors[name] for name in chosen]
    positions = position_scores(weights, scores, issuer_of, definitions)
    reference = (
        empty(PositionScores)
        if benchmark is None
        else position_scores(
            benchmark.select("listing_id", "weight"), scores, issuer_of, definitions
        )
    )
    exposures = factor_exposures(positions, reference, definitions)
    return Scores(
        as_of=book.as_of,
        factors=exposures,
        positions=positions,
        contributions=contributions(positions),
        coverage=coverage_by_status(positions),
        issuers=scores,
        benchmark_positions=reference,
        issues=score_issues(catalog, scores, book.as_of),
        concentration=concentration(book, catalog),
        bands=exposure_bands(catalog, issuer_weights(book), book.as_of, chosen),
    )


def check_factor_ids(catalog: Catalog, factors: Sequence[str] | None) -> list[str]:
    """Return the chosen factor ids in catalog order.

    Raises
    ------
    UsageError
        With the nearest known id.
    """
    if factors is None:
        return list(catalog.factors)
    check_names(factors, catalog.factors, "factor")
    return [name for name in catalog.factors if name in set(factors)]


def position_scores(
    weights: pl.DataFrame,
    scores: pl.DataFrame,
    issuer_of: dict[str, str],
    definitions: Sequence[FactorDefinition],
) -> pl.DataFrame:
    """Join weights with the scores of the issuers behind them.

    A listing whose issuer the catalog doesn't know gets missing scores over the whole range of each factor's unit.
    """
    grid = pl.DataFrame(
        [
            (factor.id, basis, factor.unit_of(basis), factor.lowest, factor.highest)
            for factor in definitions
            for basis in factor.bases
        ],
        schema={
            "factor_id": pl.String,
            "basis": pl.String,
            "unit": pl.String,
            "lowest": pl.Float64,
            "highest": pl.Float64,
        },
        orient="row",
    ).with_row_index("order")
    issuer = pl.col("listing_id").replace_strict(issuer_of, default=None, return_dtype=pl.String)
    frame = (
        weights.with_columns(issuer.alias("issuer_id"))
        .join(grid, how="cross")
        .join(scores.drop("unit"), on=["issuer_id", "factor_id", "basis"], how="left")
        .sort("listing_id", "order")
        .with_columns(
            pl.col("lo").fill_null(pl.col("lowest")),
            pl.col("hi").fill_null(pl.col("highest")),
            pl.col("status").fill_null("missing"),
            pl.col("stale").fill_null(False),
            pl.col("evidence_ids").fill_null([]),
        )
    )
    return validated(frame, PositionScores)


def factor_exposures(
    positions: pl.DataFrame, reference: pl.DataFrame, definitions: Sequence[FactorDefinition]
) -> pl.DataFrame:
    """Sum weight · score over positions and set the benchmark beside it."""
    keys = ["factor_id", "basis"]
    invested = pl.col("weight").sum()
    covered = pl.col("status").is_in(COVERED_STATUSES)
    own = positions.group_by(keys, maintain_order=True).agg(
        (pl.col("weight") * pl.col("lo")).sum().alias("lo"),
        _sum_or_null().alias("mid"),
        (pl.col("weight") * pl.col("hi")).sum().alias("hi"),
        pl.col("unit").first(),
        (pl.col("weight").filter(covered).sum() / invested).fill_nan(0.0).alias("coverage"),
        (pl.col("weight").filter(pl.col("mid").is_not_null()).sum() / invested)
        .fill_nan(0.0)
        .alias("with_mid"),
    )
    theirs = reference.group_by(keys, maintain_order=True).agg(
        _sum_or_null().alias("benchmark"),
        (pl.col("weight").filter(covered).sum() / invested).alias("benchmark_coverage"),
    )
    signs = {factor.id: factor.sign for factor in definitions}
    frame = own.join(theirs, on=keys, how="left", maintain_order="left").with_columns(
        (pl.col("mid") - pl.col("benchmark")).alias("active"),
        pl.col("factor_id").replace_strict(signs, return_dtype=pl.String).alias("sign"),
    )
    return validated(frame, FactorExposures)


def _sum_or_null() -> pl.Expr:
    """Σ weight · mid, null where no listing has a mid: an empty sum is no zero."""
    part = pl.col("weight") * pl.col("mid")
    return pl.when(part.is_not_null().any()).then(part.sum())


def contributions(positions: pl.DataFrame) -> pl.DataFrame:
    """Return weight · score per listing, and its share of the factor's exposure.

    c_if = w_i · s_if,   share = c_if / Σ_i c_if
    """
    value = (pl.col("weight") * pl.col("mid")).fill_null(0.0)
    total = value.sum().over("factor_id", "basis")
    frame = positions.with_columns(
        pl.col("mid").alias("score"),
        value.alias("contribution"),
        pl.when(total.abs() > 0).then(value / total).alias("share"),
    )
    return validated(frame, Contributions)


def coverage_by_status(positions: pl.DataFrame) -> pl.DataFrame:
    """Return how much weight has which status, per factor and basis."""
    invested = pl.col("weight").sum().over("factor_id", "basis")
    return (
        positions.with_columns((pl.col("weight") / invested).alias("part"))
        .group_by("factor_id", "basis", "status", maintain_order=True)
        .agg(pl.col("part").sum().alias("weight"), pl.len().alias("listings"))
        .sort("factor_id", "basis", "status")
    )


def top_contributors(
    frame: pl.DataFrame, count: int = 5
) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return (factor, basis) → the listings with the largest contribution."""
    ranked = frame.filter(pl.col("contribution").abs() > 0).sort(
        pl.col("contribution").abs(), "listing_id", descending=[True, False]
    )
    out: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in ranked.iter_rows(named=True):
        rows = out.setdefault((row["factor_id"], row["basis"]), [])
        if len(rows) < count:
            rows.append(
                {name: row[name] for name in ("listing_id", "contribution", "share", "status")}
            )
    return out


def attach_scores(
    panel: pl.LazyFrame | pl.DataFrame,
    catalog: Catalog,
    *,
    factors: Sequence[str] | None = None,
    date_column: str = "date",
) -> pl.LazyFrame:
    """Attach point-in-time scores to a research panel: one row a date, listing and factor.

    Parameters
    ----------
    panel
        | date | listing_id | any other columns |, lazy or eager.
    factors
        Factor ids; by default all.
    date_column
        The column that holds the day of each row; only facts known on that day are used.

    Returns
    -------
    polars.LazyFrame
        The panel's columns plus | factor_id | basis | lo | mid | hi | status |. Only the distinct dates and listings
        are computed when this is called; the join stays lazy.

    Missing values
        A listing the catalog doesn't know has the widest interval and a null mid on every date.

    Raises
    ------
    UsageError
        If a column is missing or a factor id doesn't exist.
    """
    lazy = panel.lazy()
    names = lazy.collect_schema().names()
    for column in (date_column, "listing_id"):
        if column not in names:
            raise UsageError(f"the panel has no column {column!r}; it has {', '.join(names)}")
    chosen = check_factor_ids(catalog, factors)
    days = lazy.select(date_column).unique().collect()[date_column].drop_nulls().sort()
    ids = lazy.select("listing_id").unique().collect()["listing_id"].drop_nulls().sort()
    issuer_of = dict(catalog.master.listings.select("listing_id", "issuer_id").iter_rows())
    issuers = sorted({issuer_of[name] for name in ids if name in issuer_of})
    definitions = [catalog.factors[name] for name in chosen]
    weights = pl.DataFrame({"listing_id": ids, "weight": [0.0] * len(ids)})
    parts = [
        position_scores(
            weights, score_issuers(catalog, issuers, day, chosen), issuer_of, definitions
        )
        .select("listing_id", "factor_id", "basis", "lo", "mid", "hi", "status")
        .with_columns(pl.lit(day).alias(date_column))
        for day in days
    ]
    if not parts:
        shape = position_scores(weights, empty(FactorScores), issuer_of, definitions)
        parts = [
            shape.select(
                "listing_id", "factor_id", "basis", "lo", "mid", "hi", "status"
            ).with_columns(pl.lit(None, dtype=pl.Date).alias(date_column))
        ]
    return lazy.join(pl.concat(parts).lazy(), on=[date_column, "listing_id"], how="left")
