"""Scores: every factor's answer about every issuer on a day, with interval, status and evidence."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date

import polars as pl

from exposure.factors.catalog import Catalog
from exposure.factors.definitions import MAIN, FactorDefinition, ManualCheck
from exposure.factors.evidence import frame_of, resolve
from exposure.factors.kinds import KIND_FUNCTIONS, Answer, Context
from exposure.factors.paths import factor_walks
from exposure.lists.ownership import ownership_reach
from exposure.lists.status import list_status
from exposure.schemas import FactorScores, empty, issue, issues_frame, validated


def score_issuers(
    catalog: Catalog,
    issuer_ids: Sequence[str],
    as_of: date,
    factor_ids: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Score issuers on a day.

    Parameters
    ----------
    issuer_ids
        Whom to ask about; unknown ids get missing scores.
    factor_ids
        Which factors; by default all, in their order.

    Returns
    -------
    polars.DataFrame
        :class:`~exposure.schemas.FactorScores`, sorted by issuer and by the order of the factors.

    Missing values
        An issuer without evidence has the widest interval of the factor's unit and a null mid.
    """
    return scores_in(catalog, context_at(catalog, issuer_ids, as_of), factor_ids)


def scores_in(
    catalog: Catalog, context: Context, factor_ids: Sequence[str] | None = None
) -> pl.DataFrame:
    """Score the issuers of a context; see :func:`score_issuers`."""
    chosen = list(catalog.factors) if factor_ids is None else list(factor_ids)
    found = [
        (catalog.factors[factor_id], answer)
        for factor_id in chosen
        for answer in KIND_FUNCTIONS[catalog.factors[factor_id].kind](
            catalog.factors[factor_id], context
        )
    ]
    if not found:
        return empty(FactorScores)
    order = {factor_id: i for i, factor_id in enumerate(chosen)}
    frame = _frame(found)
    frame = frame.sort(
        "issuer_id",
        pl.col("factor_id").replace_strict(order, return_dtype=pl.Int64),
        pl.col("basis") != MAIN,
        "basis",
    )
    return validated(frame, FactorScores)


def list_status_at(
    catalog: Catalog,
    as_of: date,
    lists: Sequence[str] | None = None,
    *,
    stale: Mapping[str, str] | None = None,
    open_pairs: Collection[tuple[str, str]] = (),
) -> pl.DataFrame:
    """Return :class:`~exposure.schemas.ListStatus` of all issuers on a day.

    Absence counts only where somebody looked: without a screening the status is unresolved. Scores give neither
    ``stale`` nor ``open_pairs``: they rest on what was reviewed, whatever its age; see
    :func:`~exposure.lists.status.list_status`.
    """
    return list_status(
        catalog.list_links,
        catalog.master.issuers,
        as_of,
        lists,
        editions=catalog.editions,
        screened=catalog.screened,
        reach=ownership_reach(catalog.master.ownership, catalog.list_links, catalog.events, as_of),
        stale=stale,
        open_pairs=open_pairs,
    )


def context_at(catalog: Catalog, issuer_ids: Sequence[str], as_of: date) -> Context:
    """Return the facts of a day in the shape that the kinds read, the network walked once for all factors."""
    return replace(day_of(catalog, as_of), issuer_ids=tuple(sorted(set(issuer_ids))))


def day_of(catalog: Catalog, as_of: date) -> Context:
    """Return the facts of a day, nobody asked about yet; worked out once a catalog and day."""
    return catalog.remembered(as_of, lambda: _day(catalog, as_of))


def _day(catalog: Catalog, as_of: date) -> Context:
    resolved = resolve(catalog.evidence, as_of)
    statuses = list_status_at(catalog, as_of)
    context = Context(
        as_of=as_of,
        issuer_ids=(),
        resolved={(row["subject"], row["measure"]): row for row in resolved.iter_rows(named=True)},
        list_status={
            (row["issuer_id"], row["list_id"]): row for row in statuses.iter_rows(named=True)
        },
        screened=frozenset(catalog.screened.select("issuer_id", "list_id").iter_rows()),
        graph=catalog.graph_at(as_of),
        countries=dict(catalog.master.issuers.select("issuer_id", "country").iter_rows()),
    )
    return replace(context, walks=factor_walks(list(catalog.factors.values()), context))


def score_issues(catalog: Catalog, scores: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return what a reader must know of the scores: contradictions, stale evidence, overdue checks."""
    rows = [
        issue(
            "info",
            "factors",
            "evidence_conflict",
            f"{row['issuer_id']} {row['factor_id']}: {row['note']}",
        )
        for row in scores.filter(pl.col("note").str.starts_with("contradicted")).iter_rows(
            named=True
        )
    ]
    stale = scores.filter(pl.col("stale")).group_by("factor_id").len().sort("factor_id")
    rows += [
        issue(
            "warning",
            "factors",
            "evidence_stale",
            f"{factor_id}: {count} scores rest on evidence older than"
            f" {catalog.factors[factor_id].stale_after_days} days",
            cure=f"look for a newer source; see {catalog.factors[factor_id].file}",
        )
        for factor_id, count in stale.iter_rows()
    ]
    rows += [
        issue("info", factor.file, "manual_check_overdue", f"{factor.id}: {check.message}")
        for factor, check in reviews_due(catalog, as_of)
    ]
    return issues_frame(rows)


def reviews_due(catalog: Catalog, as_of: date) -> list[tuple[FactorDefinition, ManualCheck]]:
    """Return the factors whose last manual check before a day is too long ago."""
    return [
        (factor, check)
        for factor in catalog.factors.values()
        if (check := factor.manual_check) is not None
        and check.last_checked <= as_of
        and check.overdue(as_of)
    ]


_UNKNOWN_TIERS = (None, None, None, None)
_UNKNOWN = (None, None, None)


def _frame(found: Sequence[tuple[FactorDefinition, Answer]]) -> pl.DataFrame:
    """Return the answers as :class:`~exposure.schemas.FactorScores`, column by column."""
    columns: dict[str, list[object]] = {
        "issuer_id": [answer.issuer_id for _, answer in found],
        "factor_id": [factor.id for factor, _ in found],
        "unit": [factor.unit_of(answer.basis) for factor, answer in found],
        "stale": [
            answer.age_days is not None and answer.age_days > factor.stale_after_days
            for factor, answer in found
        ],
    }
    for name in (
        "basis", "lo", "mid", "hi", "status", "grade", "known_on", "age_days", "evidence_ids", "note",
    ):  # fmt: skip
        columns[name] = [getattr(answer, name) for _, answer in found]
    tiers = [answer.tier or _UNKNOWN_TIERS for _, answer in found]
    for k, name in enumerate(("tier_0", "tier_1", "tier_2", "tier_3plus")):
        columns[name] = [tier[k] for tier in tiers]
    for name in ("critical", "walk", "disclosed"):
        intervals = [getattr(answer, name) or _UNKNOWN for _, answer in found]
        for k, end in enumerate(("lo", "mid", "hi")):
            columns[f"{name}_{end}"] = [interval[k] for interval in intervals]
    return frame_of(columns, empty(FactorScores).schema)
