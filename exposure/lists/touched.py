"""Reviewed links that a new edition touches: its row has left, changed, or lost an alias.

A link is a person's decision about a row. When the row goes, the link does not live on by itself: it ends at the
edition that no longer has it, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import dataframely as dy
import polars as pl

from exposure.content import ContentRoot
from exposure.lists.changes import Changes
from exposure.lists.rows import name_key
from exposure.lists.snapshot import Snapshot
from exposure.lists.store import Store
from exposure.schemas import (
    ListLinks,
    concat_issues,
    issue,
    issues_frame,
    typed_from_text,
    validated,
)

LINKS = "factors/lists/reviewed_links.csv"
# Layouts that print every row of a list under the keys that reviewed links use. The eCFR prints name and address in
# one cell: it can confirm a row, but not tell that one is gone.
DECISIVE = ("csl", "sdn", "cons")


class TouchedLinks(dy.Schema):
    """A reviewed link and what an edition did to its row."""

    link_id = dy.String(primary_key=True)
    issuer_id = dy.String()
    list_id = dy.String()
    row_name = dy.String()
    decision = dy.String(regex=r"^(accepted|rejected)$")
    change = dy.String(
        primary_key=True, regex=r"^(row left|row has another key|row changed|alias removed)$"
    )
    detail = dy.String(nullable=True)


@dataclass(frozen=True, slots=True)
class _Names:
    """Where the rows of an edition are found: by key, or by a name if the key is another now."""

    keys: frozenset[str]
    by_name: Mapping[str, str]  # name in comparable form → row key

    @staticmethod
    def of(rows: pl.DataFrame) -> _Names:
        by_name: dict[str, str] = {}
        for key, name, aliases in rows.select("row_key", "name", "aliases").iter_rows():
            for one in (name, *aliases):
                by_name.setdefault(name_key(one), key)
        return _Names(frozenset(rows["row_key"]), by_name)

    def key_of(self, link: Mapping[str, Any]) -> str | None:
        """Return the key of the row that a link means; None if it is not there."""
        if link["row_key"] in self.keys:
            return str(link["row_key"])
        return self.by_name.get(name_key(link["row_name"]))


def load_reviewed_links(root: ContentRoot) -> pl.DataFrame:
    """Read ``factors/lists/reviewed_links.csv``.

    Raises
    ------
    ContentError
        With file and line.
    """
    return typed_from_text(root.read_csv(LINKS), ListLinks, LINKS)


def touched_links(links: pl.DataFrame, new: Snapshot, found: Changes | None = None) -> pl.DataFrame:
    """Return reviewed links that an edition touches.

    Parameters
    ----------
    links
        :class:`~exposure.schemas.ListLinks`, accepted and rejected. A link that ended before the edition is not asked.
    new
        The edition, of one list or more.
    found
        What changed against the edition before; without it only rows that are not there are told.

    Returns
    -------
    polars.DataFrame
        :class:`TouchedLinks`, rows that left first.
    """
    out: list[dict[str, object]] = []
    for list_id in new.counts():
        names = _Names.of(new.rows.filter(pl.col("list_id") == list_id))
        for link in _open(links, list_id, new.edition_date).iter_rows(named=True):
            for change, detail in _what_happened(link, names, new, found):
                kept: dict[str, object] = {
                    name: link[name] for name in TouchedLinks.columns() if name in link
                }
                out.append(kept | {"change": change, "detail": detail})
    schema = {name: column.dtype for name, column in TouchedLinks.columns().items()}
    order = ["row left", "row has another key", "alias removed", "row changed"]
    return TouchedLinks.validate(
        pl.DataFrame(out, schema=schema, orient="row").sort(
            pl.col("change").cast(pl.Enum(order)), "list_id", "link_id"
        )
    )


def _what_happened(
    link: Mapping[str, Any], names: _Names, new: Snapshot, found: Changes | None
) -> list[tuple[str, str | None]]:
    key = names.key_of(link)
    if key is None:
        return [("row left", f"not in the edition of {new.edition_date.isoformat()}")]
    if found is None:
        return []
    out: list[tuple[str, str | None]] = []
    if key != link["row_key"] and link["row_key"] in set(found.removed["row_key"]):
        out.append(("row has another key", f"now {key}"))
    own = pl.col("row_key") == key
    gone = found.aliases.filter(own & (pl.col("change") == "removed"))["alias"]
    if gone.len():
        out.append(("alias removed", "; ".join(gone)))
    cells = found.changed.filter(own)
    if cells.height:
        told = [f"{a}: {b or 'empty'} → {c or 'empty'}" for a, b, c in
                cells.select("column", "before", "after").iter_rows()]  # fmt: skip
        out.append(("row changed", "; ".join(told)))
    return out


def _open(links: pl.DataFrame, list_id: str, day: date) -> pl.DataFrame:
    """Return links of a list that should have a row on a day."""
    return links.filter(
        (pl.col("list_id") == list_id)
        & (pl.col("known_on") <= day)
        & (pl.col("valid_from") <= day)
        & (pl.col("valid_to").is_null() | (pl.col("valid_to") > day))
    )


def end_links(
    links: pl.DataFrame, store: Store, as_of: date, *, read_by: date | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """End links whose row has left by the newest edition known on a day.

    Parameters
    ----------
    links
        :class:`~exposure.schemas.ListLinks`.
    store
        Editions; a list of which it has none leaves its links as they are.
    as_of
        Editions published later are not used.
    read_by
        See :meth:`~exposure.lists.store.Store.newest`.

    Returns
    -------
    tuple of polars.DataFrame
        The links, where the accepted ones whose row is gone have ``valid_to`` and ``ended_known_on`` at the first
        edition since which no edition has the row; and :class:`~exposure.schemas.DataIssues`, one for each.
    """
    ends: list[dict[str, object]] = []
    issues: list[dict[str, object]] = []
    held = store.editions().filter(
        (pl.col("edition_date") <= as_of) & pl.col("layout").is_in(DECISIVE)
    )
    if read_by is not None:
        held = held.filter(pl.col("read_on") <= read_by)
    for list_id in held["list_id"].unique(maintain_order=True):
        editions = list(held.filter(pl.col("list_id") == list_id).iter_rows(named=True))[::-1]
        newest = _Names.of(store.load(editions[0]).rows)
        accepted = _open(links, list_id, editions[0]["edition_date"]).filter(
            pl.col("decision") == "accepted"
        )
        missing = [link for link in accepted.iter_rows(named=True) if newest.key_of(link) is None]
        older = [_Names.of(store.load(one).rows) for one in editions[1:]] if missing else []
        for link in missing:
            day = _left_on(link, editions, older)
            ends.append({"link_id": link["link_id"], "left_on": day})
            issues.append(_left(link, day))
    return _ended(links, ends), concat_issues([issues_frame(issues)])


def _left_on(link: Mapping[str, Any], editions: list[dict[str, Any]], older: list[_Names]) -> date:
    """Return the first of the newest editions without the row, not before the link began."""
    day: date = editions[0]["edition_date"]
    for edition, names in zip(editions[1:], older, strict=True):
        began = max(link["valid_from"], link["known_on"])
        if names.key_of(link) is not None or edition["edition_date"] < began:
            break
        day = edition["edition_date"]
    return day


def _left(link: Mapping[str, Any], day: date) -> dict[str, object]:
    return issue(
        "warning", LINKS, "row_left_the_list",
        f"{link['link_id']}: {link['row_name']} is not in list {link['list_id']}, edition {day.isoformat()};"
        " the link ends there",
        raw=link["row_key"], cure="read why it was removed, then fill valid_to and ended_known_on of the link",
    )  # fmt: skip


def _ended(links: pl.DataFrame, ends: list[dict[str, object]]) -> pl.DataFrame:
    found = pl.DataFrame(ends, schema={"link_id": pl.String, "left_on": pl.Date})
    joined = links.join(found, on="link_id", how="left", maintain_order="left")
    return validated(
        joined.with_columns(
            pl.coalesce("left_on", "valid_to").alias("valid_to"),
            pl.coalesce("left_on", "ended_known_on").alias("ended_known_on"),
        ).select(links.columns),
        ListLinks,
    )
