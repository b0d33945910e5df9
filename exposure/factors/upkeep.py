"""Whether the content is in good order: reviews due, rows expected, contradictions, age, links that don't fit.

Nothing here changes a score. Errors are content that must not be relied on, warnings want a person, infos are good to
know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import polars as pl

from exposure.factors.catalog import Catalog
from exposure.factors.coverage import check_coverage, load_coverage
from exposure.factors.definitions import FactorDefinition
from exposure.factors.evidence import FLOW, aged_interval, resolve, visible
from exposure.factors.orphans import Issue, orphans
from exposure.factors.scoring import reviews_due
from exposure.lists.ages import REFUSE_AFTER_DAYS, WARN_AFTER_DAYS, newest_editions
from exposure.lists.status import LISTS
from exposure.schemas import issue, issues_frame

RANK = {"error": 0, "warning": 1, "info": 2}


def check_catalog(
    catalog: Catalog, scenarios: Mapping[str, Sequence[str]], as_of: date | None = None
) -> pl.DataFrame:
    """Check a catalog that has loaded.

    Parameters
    ----------
    scenarios
        Scenario id → ids it names, as :func:`exposure.scenarios.definitions.scenario_references` returns.
    as_of
        The day for reviews, age, conflicts and list editions; without it only what holds on every day is checked.

    Returns
    -------
    polars.DataFrame
        :class:`~exposure.schemas.DataIssues`, worst first, then by rule and file.
    """
    rows = [*_coverage(catalog, scenarios), *orphans(catalog, scenarios), *_dates(catalog)]
    rows += [*_row_counts(catalog), *_verdicts(catalog)]
    if as_of is not None:
        rows += [*_reviews(catalog, as_of), *_editions(catalog, as_of), *_cliffs(catalog, as_of)]
        rows += [*_conflicts(catalog, as_of), *_age(catalog, as_of), *_gaps(catalog, as_of)]
        rows += _flows(catalog, as_of)
    return by_severity(issues_frame(rows))


def by_severity(issues: pl.DataFrame) -> pl.DataFrame:
    """Return :class:`~exposure.schemas.DataIssues` worst first, then by rule and file."""
    rank = pl.col("severity").replace_strict(RANK, return_dtype=pl.Int64)
    return issues.sort(rank, "rule", "file", "message")


def rows_of(catalog: Catalog, factor: FactorDefinition) -> int:
    """Count the rows a factor rests on.

    Usable evidence rows of its measures; for a walk the links that supply its nodes, or that end in its demand pools;
    for a list the accepted list links.
    """
    evidence = catalog.evidence.filter(
        pl.col("measure").is_in(list(factor.measures.values()))
        & (pl.col("status") != "missing")
        & (pl.col("verdict") == "use")
    ).height
    links = catalog.links.filter(
        pl.col("supplier").is_in(list(factor.capabilities))
        | pl.col("customer").is_in(list(factor.demand_pools))
    ).height
    listed = catalog.list_links.filter(
        pl.col("list_id").is_in([*factor.lists, *factor.customer_lists])
        & (pl.col("decision") == "accepted")
    ).height
    return evidence + links + listed


def _row_counts(catalog: Catalog) -> list[Issue]:
    found: list[Issue] = []
    for factor in catalog.factors.values():
        count, expected = rows_of(catalog, factor), factor.expected_rows
        if expected is not None and not expected[0] <= count <= expected[1]:
            found.append(
                issue("warning", factor.file, "row_count",
                      f"{factor.id} rests on {count} rows; {expected[0]} to {expected[1]} are expected",
                      cure="find the rows that went missing or came in, then correct expected_rows")
            )  # fmt: skip
    return found


def _reviews(catalog: Catalog, as_of: date) -> list[Issue]:
    return [
        issue("warning", factor.file, "review_overdue",
              f"{factor.id} was checked {(as_of - check.last_checked).days} days ago, due every {check.interval_days}:"
              f" {check.message}", cure="check it and set last_checked")
        for factor, check in reviews_due(catalog, as_of)
    ]  # fmt: skip


def _editions(catalog: Catalog, as_of: date) -> list[Issue]:
    found: list[Issue] = []
    for row in newest_editions(catalog.editions, as_of).iter_rows(named=True):
        age = (as_of - row["edition_date"]).days
        if row["list_id"] in LISTS and age > WARN_AFTER_DAYS:
            refuse = REFUSE_AFTER_DAYS.get(row["list_id"])
            late = ""
            if refuse is not None and age > refuse:
                late = f"; older than {refuse} days: don't rely on absence from it"
            found.append(
                issue("warning", "factors/lists/editions.csv", "list_edition_old",
                      f"list {row['list_id']}: newest edition {row['edition_date']} is {age} days old{late}",
                      raw=row["list_id"], cure="read the newest edition and screen again")
            )  # fmt: skip
    return found


def _cliffs(catalog: Catalog, as_of: date) -> list[Issue]:
    """Rules that were to end, start or lapse by now, and nobody entered what happened."""
    found: list[Issue] = []
    for row in catalog.events.filter(pl.col("known_on") <= as_of).iter_rows(named=True):
        due = row["suspended_to"] or (
            row["effective"] if row["event_id"].startswith("FWD-") else None
        )
        if due is not None and due < as_of and row["ended"] is None:
            found.append(
                issue("warning", "factors/events.csv", "outcome_missing",
                      f"{row['event_id']}: {row['title_en']} was due on {due}; the outcome isn't entered",
                      raw=row["event_id"], cure="enter the outcome as a row of its own, or fill ended")
            )  # fmt: skip
    return found


def _conflicts(catalog: Catalog, as_of: date) -> list[Issue]:
    rows = {row["evidence_id"]: row for row in catalog.evidence.iter_rows(named=True)}
    found: list[Issue] = []
    for record in resolve(catalog.evidence, as_of).filter(pl.col("conflict")).iter_rows(named=True):
        won = rows[record["evidence_ids"][0]]
        for name in record["lost_ids"]:
            lost = rows[name]
            why = "better grade" if won["grade"] < lost["grade"] else "known later"
            if won["unit"] != lost["unit"]:
                why = f"unit {won['unit']}, not {lost['unit']}"
            found.append(
                issue("warning", "factors/evidence", "evidence_conflict",
                      f"{record['subject']} {record['measure']}: {_named(won)} against {_named(lost)};"
                      f" the first is used: {why}",
                      raw=name, cure="read both sources; give the wrong one verdict conflict or rejected")
            )  # fmt: skip
    return found


def _verdicts(catalog: Catalog) -> list[Issue]:
    counts = (
        catalog.evidence.filter(pl.col("verdict") != "use")
        .group_by("verdict")
        .len()
        .sort("verdict")
    )
    return [
        issue(
            "info",
            "factors/evidence",
            f"verdict_{verdict}",
            f"{count} rows are kept aside as {verdict}",
        )
        for verdict, count in counts.iter_rows()
    ]


def _age(catalog: Catalog, as_of: date) -> list[Issue]:
    """Say how old the figures of a factor are, and how much wider age has made their intervals."""
    found: list[Issue] = []
    settled = resolve(catalog.evidence, as_of)
    for factor in catalog.factors.values():
        rows = settled.filter(pl.col("measure").is_in(list(factor.measures.values())))
        old, grown = 0, 0.0
        for row in rows.iter_rows(named=True):
            age = (as_of - row["valid_from"]).days
            if age <= factor.stale_after_days or row["lo"] is None or row["hi"] is None:
                continue
            old += 1
            lo, hi = aged_interval(row, as_of, factor.staleness_sd, factor.lowest, factor.highest)
            grown = max(grown, (hi - lo) - (row["hi"] - row["lo"]))
        if old:
            found.append(
                issue("warning", factor.file, "evidence_stale",
                      f"{factor.id}: {old} figure(s) older than {factor.stale_after_days} days; age widens an"
                      f" interval by up to {grown:.3g} {factor.unit}", cure="look for a newer source")
            )  # fmt: skip
    links = catalog.links_at(as_of)
    aged = links.filter(
        pl.lit(as_of) - pl.col("valid_from") > timedelta(days=catalog.stale_after_days)
    ).height
    if aged:
        found.append(
            issue(
                "info",
                "factors/links",
                "links_stale",
                f"{aged} of {links.height} links are older than {catalog.stale_after_days} days",
            )
        )
    return found


def _gaps(catalog: Catalog, as_of: date) -> list[Issue]:
    gaps = catalog.evidence.filter(visible(as_of) & (pl.col("status") == "missing"))
    old = gaps.filter(
        pl.lit(as_of) - pl.col("valid_from") > timedelta(days=catalog.stale_after_days)
    ).height
    if not gaps.height:
        return []
    return [
        issue("info", "factors/evidence/gaps.csv", "gaps",
              f"{gaps.height} facts are known to be missing, {old} of them for more than"
              f" {catalog.stale_after_days} days",
              cure="exposure data next HOLDINGS   (which of them matters most)")
    ]  # fmt: skip


def _dates(catalog: Catalog) -> list[Issue]:
    """Facts that claim to have been known before they could be."""
    published = dict(catalog.sources.select("source_id", "published_on").iter_rows())
    found: list[Issue] = []
    for file, key, frame in (
        ("factors/evidence", "evidence_id", catalog.evidence),
        ("factors/links", "link_id", catalog.links),
    ):
        for row in frame.filter(pl.col("formula").is_null()).iter_rows(named=True):
            out = published.get(row["source_id"])
            if out is not None and row["known_on"] is not None and row["known_on"] < out:
                found.append(
                    issue("warning", file, "known_before_published",
                          f"{row[key]} is known on {row['known_on']}, its source came out on {out}", raw=row[key],
                          column="known_on", cure="set known_on to the day of publication, or cite the earlier source")
                )  # fmt: skip
    return found


def _flows(catalog: Catalog, as_of: date) -> list[Issue]:
    """Flows that two rows describe, and customers whose upper shares pass their whole bill."""
    rows = catalog.links.filter(visible(as_of))
    rows = rows.filter(pl.col("valid_from") == pl.col("valid_from").max().over(FLOW))
    twice = rows.filter(pl.struct(FLOW).is_duplicated()).sort("link_id")
    found: list[Issue] = [
        issue("info", "factors/links", "flow_twice",
              f"{row['link_id']}: another row of the same period describes this flow; they are intersected",
              raw=row["link_id"])
        for row in twice.iter_rows(named=True)
    ]  # fmt: skip
    found += [
        issue("info", "factors/links", "upper_shares",
              f"{customer}: the upper shares of its suppliers add to {total:.2f}; the bounds allow no more than 1",
              raw=customer)
        for customer, total in catalog.links_at(as_of).group_by("customer").agg(pl.col("hi").sum())
        .filter(pl.col("hi") > 1 + 1e-9).sort("customer").iter_rows()
    ]  # fmt: skip
    return found


def _coverage(catalog: Catalog, scenarios: Mapping[str, Sequence[str]]) -> list[Issue]:
    return [
        issue("error", place.file, "coverage", place.why, row=place.row, column=place.column, raw=place.value,
              cure="add the row, or correct the reference")
        for place in check_coverage(catalog, sorted(scenarios), load_coverage(catalog))
    ]  # fmt: skip


def _named(row: Mapping[str, Any]) -> str:
    return f"{_shown(row)} ({row['evidence_id']}, {row['source_id']})"


def _shown(row: Mapping[str, Any]) -> str:
    if row["mid"] is not None:
        return f"{row['mid']:g}"
    return f"{row['lo'] if row['lo'] is not None else '…'} to {row['hi'] if row['hi'] is not None else '…'}"
