"""A list file as read once: its rows, where they come from, and the checks that keep a cut or old file out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl

from exposure.content import ContentRoot
from exposure.errors import ListError, Place
from exposure.lists.rows import clean_name, fill_down_faults, is_a_name, name_key, rows_frame
from exposure.schemas import concat_issues, issue, issues_frame, typed_from_text

SMALLEST_SHARE = 0.98  # of the rows of the edition before
SCREENING_LIST = "csl"  # the layout that holds all US lists at once
# rows that repeat another in every cell: a whole screening list has at most 0.6% (10 of the Denied Persons List)
MOST_REPEATED, FEW_REPEATED = 0.02, 10
# names whose absence means that the file is cut, not that they left the list: name → the day they came
CANARIES: Mapping[str, Mapping[str, date]] = {
    "EL": {
        "huawei technologies co ltd": date(2019, 5, 21),
        "semiconductor manufacturing international corporation": date(2020, 12, 22),
        "yangtze memory technologies": date(2022, 12, 19),
    },
    "NS-CMIC": {"hikvision": date(2021, 6, 3)},
    "SDN": {"integrity technology": date(2025, 1, 3)},
}
# a comma or semicolon at the end, blanks at an end, two or more in a row, or one that is no plain blank
UNTIDY = r"^\s|[,;\s]$|\s\s|[^\S ]"
EDITIONS = "factors/lists/editions.csv"


class Editions(dy.Schema):
    """An edition of a list that was read for the reviewed links."""

    list_id = dy.String(primary_key=True)
    edition_date = dy.Date(primary_key=True)
    known_on = dy.Date()
    source_id = dy.String()
    rows = dy.Int64(nullable=True, min=1)
    note = dy.String(nullable=True)

    @dy.rule()
    def an_edition_is_known_from_its_day_on(cls) -> pl.Expr:  # noqa: N805 - dataframely rules take the class
        """Nobody reads an edition before its date."""
        return cls.known_on.col >= cls.edition_date.col


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One list file.

    Parameters
    ----------
    rows
        :class:`~exposure.lists.rows.ListRows`.
    issues
        :class:`~exposure.schemas.DataIssues`: what was repaired or not understood.
    edition_date
        The date the content shows.
    read_on
        The day the file was read here.
    address
        Where it was fetched from.
    stated_rows
        The count that the file states of itself; None where it states none.
    layout
        Which official layout the file has (``csl``, ``sdn``, ``cons``, ``ecfr-4``, ...): only editions of one layout
        are compared row by row, as each prints names and keys in its own way.
    fetched_on
        A later day on which the agency still published this file; None where nobody looked.
    """

    file: str
    sha256: str
    size: int
    edition_date: date
    read_on: date
    address: str
    rows: pl.DataFrame
    issues: pl.DataFrame
    stated_rows: int | None = None
    layout: str = ""
    fetched_on: date | None = None

    @property
    def current_on(self) -> date:
        """The last day on which this was the newest edition for all we know.

        An old file does not grow young by being read today: without a look at the agency it is the day of publication.
        """
        return max(self.edition_date, self.fetched_on or self.edition_date)

    def counts(self) -> dict[str, int]:
        """Return list → rows."""
        return dict(self.rows.group_by("list_id").len().sort("list_id").iter_rows())

    def of_list(self, list_id: str) -> Snapshot:
        """Return the rows and issues of one list. Issues of the file as a whole belong to each."""
        rows = self.rows.filter(pl.col("list_id") == list_id)
        own = pl.col("row").is_null() | pl.col("row").is_in(rows["source_row"].implode())
        return replace(self, rows=rows, issues=self.issues.filter(own), stated_rows=None)

    def line(self, list_id: str) -> str:
        """Return what a report prints of the list it rests on."""
        return (
            f"{list_id} edition {self.edition_date.isoformat()}, {self.counts().get(list_id, 0)} rows,"
            f" SHA-256 {self.sha256[:12]}; screening aid, not legal advice"
        )


def load_editions(root: ContentRoot) -> pl.DataFrame:
    """Read ``factors/lists/editions.csv``.

    Raises
    ------
    ContentError
        With file and line.
    """
    return typed_from_text(root.read_csv(EDITIONS), Editions, EDITIONS)


def make_snapshot(
    path: Path,
    content: bytes,
    rows: Sequence[Mapping[str, Any]] | pl.DataFrame,
    issues: Sequence[dict[str, object]],
    *,
    edition_date: date,
    read_on: date,
    address: str,
    stated_rows: int | None = None,
    layout: str = "",
) -> Snapshot:
    """Put a file's rows into a snapshot, with the doubts that only show over all rows.

    Raises
    ------
    ListError
        If the file has no rows, or an edition that was published after it was read.
    """
    if edition_date > read_on:
        raise ListError(
            f"{path.name} can't be the edition of {edition_date.isoformat()}",
            places=[Place(path.name, f"was read on {read_on.isoformat()}, before that day")],
            cure="give the day it was published on: --edition YYYY-MM-DD",
        )
    if len(rows) == 0:
        raise ListError(
            f"{path.name} has no rows",
            places=[Place(path.name, "holds a header at most")],
            cure="fetch the official file again",
        )
    frame = rows if isinstance(rows, pl.DataFrame) else rows_frame(rows)
    found = concat_issues([issues_frame(list(issues)), _issues_over_rows(frame, path.name)])
    digest = hashlib.sha256(content).hexdigest()
    return Snapshot(
        file=path.name,
        sha256=digest,
        size=len(content),
        edition_date=edition_date,
        read_on=read_on,
        address=address,
        rows=frame,
        issues=found,
        stated_rows=stated_rows,
        layout=layout,
    )


def _issues_over_rows(rows: pl.DataFrame, file: str) -> pl.DataFrame:
    """Return the doubts that show only when all rows are seen, each kind looked for in whole columns first."""
    out: list[dict[str, object]] = []
    faults = fill_down_faults(rows["citations"].to_list())
    cited = rows.select("source_row", "name", "citations").explode("citations")
    out += [
        issue("warning", file, "citation_of_no_known_rule",
              f"{name}: the page is cited in a neighbouring volume too; no date follows from it",
              row=line, raw=citation)
        for line, name, citation in cited.filter(pl.col("citations").is_in(list(faults))).iter_rows()
    ]  # fmt: skip
    nameless = rows.filter(
        ~pl.col("name").str.contains(r"[\pL\pN]") | pl.col("name").str.contains(r"(?i)address")
    )
    out += [
        issue("warning", file, "name_is_none", "the name cell holds no name", row=line, raw=name)
        for line, name in nameless.select("source_row", "name").iter_rows()
        if not is_a_name(name)
    ]
    untidy = rows.filter(pl.col("name").str.contains(UNTIDY))
    out += [
        issue("info", file, "name_untidy",
              f"compared as {clean_name(name)!r}; the name is kept as printed", row=line, raw=name)
        for line, name in untidy.select("source_row", "name").iter_rows()
    ]  # fmt: skip
    repeated = rows.filter(pl.col("row_key").is_duplicated())
    out += [
        issue(
            "info", file, "row_key_repeated", f"{name}: same name and citation", row=line, raw=key
        )
        for line, name, key in repeated.select("source_row", "name", "row_key").iter_rows()
    ]
    return issues_frame(out)


# --- safety -------------------------------------------------------------------------------------------------------


def check_snapshot(new: Snapshot, previous: Snapshot | None = None) -> None:
    """Refuse a file that is cut or not what it says it is; see :func:`check_counts`."""
    check_counts(new, previous.counts() if previous else {})


def check_counts(new: Snapshot, before: Mapping[str, int]) -> None:
    """Refuse a file that is cut or not what it says it is.

    Parameters
    ----------
    before
        List → rows of the edition before.

    Raises
    ------
    ListError
        With one place a fault: fewer different rows than 98% of the edition before, many rows twice, a count other
        than the file states of itself, a canary that is missing.
    """
    places: list[Place] = []
    counts = new.counts()
    if new.stated_rows is not None and new.stated_rows != new.rows.height:
        places.append(
            Place(new.file, f"states {new.stated_rows} records and has {new.rows.height}")
        )
    distinct = _distinct_counts(new)
    for list_id, rows in sorted(before.items()):
        found = distinct.get(list_id, 0)
        if found < SMALLEST_SHARE * rows:
            apart = "" if found == counts.get(list_id, 0) else " different"
            places.append(
                Place(new.file, f"{list_id} has {found}{apart} rows; the edition before had {rows}")
            )
    places += [
        Place(
            new.file,
            f"{counts[list_id] - found} of {counts[list_id]} rows of {list_id} repeat another",
        )
        for list_id, found in sorted(distinct.items())
        if counts[list_id] - found > max(FEW_REPEATED, MOST_REPEATED * counts[list_id])
    ]
    for list_id, canaries in CANARIES.items():
        expected = [name for name, since in canaries.items() if since <= new.edition_date]
        if list_id not in counts or not expected:
            continue
        own = new.rows.filter(pl.col("list_id") == list_id)
        names = own.select(pl.concat_list("name", "aliases").explode())["name"].to_list()
        text = "\n".join(name_key(name) for name in names if name)
        places += [
            Place(new.file, f"{list_id} lacks {name!r}, which never left it")
            for name in expected
            if name not in text
        ]
    if places:
        raise ListError(
            f"{new.file} is not a whole edition",
            places=places,
            cure="keep the edition before, and fetch the official file again",
        )


def check_lists(new: Snapshot) -> None:
    """Refuse a file that says it is a screening list and lacks a list that every one of its day has.

    Raises
    ------
    ListError
        With one place a list that is not there.
    """
    if new.layout != SCREENING_LIST:
        return
    lists = new.counts()
    lacking = [
        name
        for name, canaries in CANARIES.items()
        if name not in lists and min(canaries.values()) <= new.edition_date
    ]
    if lacking:
        raise ListError(
            f"{new.file} is not a whole screening list",
            places=[Place(new.file, f"has no row of list {name}") for name in sorted(lacking)],
            cure="fetch the whole official file, not a selection from it",
        )


def _distinct_counts(new: Snapshot) -> dict[str, int]:
    """Return list → rows, those that are the same in every cell counted once."""
    rows = new.rows.drop("source_row").unique()
    return dict(rows.group_by("list_id").len().sort("list_id").iter_rows())
