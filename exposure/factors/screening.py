"""Screening: what each sanction list says of each holding on a day, since when, and what it means for a holder.

Three things are kept apart: the legal status of the issuer itself, the relatives through which a list touches it, and
listed suppliers, which are economics and no status. Only reviewed links are read; a proposed match has no way in here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl

from exposure.errors import UsageError
from exposure.factors.catalog import Catalog
from exposure.factors.cliffs import cliffs
from exposure.factors.scoring import list_status_at
from exposure.factors.screen_tables import ListEditions, ListedSuppliers, ListNews, ScreenRows
from exposure.lists.ages import REFUSE_AFTER_DAYS
from exposure.lists.meanings import Meaning, Meanings
from exposure.lists.ownership import ownership_reach
from exposure.lists.status import LISTS
from exposure.portfolios.holdings import Book

NEWS_DAYS = 7
STATUS_ORDER = ("listed", "related", "unresolved", "not_on_list")
LIST_ORDER = ("SDN", "NS-CMIC", "EL", "1260H", "DPL", "MEU", "UVL", "FCC", "SHTC", "UEL")
NOT_IN_CATALOG = "not screened: the catalog does not know the issuer"
DISCLAIMER = "screening aid, not legal advice"


@dataclass(frozen=True, slots=True)
class ScreenResult:
    """The answer of :func:`screen`.

    Parameters
    ----------
    rows
        :class:`ScreenRows`.
    suppliers
        :class:`ListedSuppliers`.
    editions
        :class:`ListEditions`, one footer line a list.
    cliffs
        :class:`Cliffs` of the next 90 days.
    news
        :class:`ListNews` since ``news_since``.
    """

    as_of: date
    news_since: date
    rows: pl.DataFrame
    suppliers: pl.DataFrame
    editions: pl.DataFrame
    cliffs: pl.DataFrame
    news: pl.DataFrame

    def listed(self) -> pl.DataFrame:
        """Return the lines of issuers that are themselves on a list."""
        return self.rows.filter(pl.col("status") == "listed")

    def to_dict(self) -> dict[str, Any]:
        """Return the same facts for JSON."""
        return {
            "as_of": self.as_of,
            "rows": self.rows.to_dicts(),
            "suppliers": self.suppliers.to_dicts(),
            "editions": self.editions.to_dicts(),
            "cliffs": self.cliffs.to_dicts(),
            "news_since": self.news_since,
            "news": self.news.to_dicts(),
            "note": DISCLAIMER,
        }


def screen(
    book: Book,
    catalog: Catalog,
    as_of: date | None = None,
    *,
    lists: Sequence[str] | None = None,
    news_since: date | None = None,
    seen: Mapping[str, date] | None = None,
    open_pairs: Collection[tuple[str, str]] = (),
) -> ScreenResult:
    """Say who of a portfolio is on which list, by what relation, since when, and what that means for a holder.

    There is no "clear": absence is "not on list X as of D (edition E)", and an issuer that nobody looked for is
    unresolved. So is absence from a list whose newest edition is older than the list allows (30 days; 1260H 120): what
    came on it since is not known. Scores go by what was reviewed, whatever its age.

    Parameters
    ----------
    as_of
        Use only what was known on this day; by default the day of the book.
    lists
        Lists to ask about; by default SDN, NS-CMIC, Entity List and 1260H, and any other list where a link is in
        force.
    news_since
        Answers that differ from those of this day are news; by default a week ago.
    seen
        List → the last day by then on which its edition was still the agency's newest; by default the day of the
        edition.
    open_pairs
        Issuer and list of possible matches that nobody has decided: unresolved, unless the issuer is listed anyway.

    Raises
    ------
    UsageError
        If a list is not known.

    Examples
    --------
    >>> import exposure as ex
    >>> book = ex.load_holdings("portfolios/ai-servers/holdings.csv", as_of=date(2025, 1, 24))
    >>> found = ex.screen(book, ex.load_catalog())
    >>> found.rows.select("listing_ids", "list_id", "status", "us_person").row(0)
    (['603019.SH'], 'NS-CMIC', 'listed', 'no')
    """
    day = book.as_of if as_of is None else as_of
    for name in lists or ():
        if name not in catalog.meanings.lists:
            raise UsageError(
                f"no list is called {name!r}", cure=f"use {', '.join(catalog.meanings.lists)}"
            )
    asked = list(dict.fromkeys(lists or LISTS))
    only = None if lists is None else asked
    reviewed = list_status_at(catalog, day, only)
    editions = _editions(catalog, asked, reviewed, day, seen or {})
    statuses = list_status_at(catalog, day, only, stale=_too_old(editions), open_pairs=open_pairs)
    then = day - timedelta(days=NEWS_DAYS) if news_since is None else news_since
    return ScreenResult(
        day,
        then,
        _screen_rows(book, catalog, statuses, editions, asked, day),
        _suppliers(book, catalog, statuses, day),
        editions,
        cliffs(catalog.events, day),
        # that a list grew old is no news of an issuer
        _news(book, list_status_at(catalog, then, only), reviewed, statuses),
    )


def meaning_of(
    catalog: Catalog, status: Mapping[str, Any], as_of: date, caught: frozenset[tuple[str, str]]
) -> Meaning:
    """Return what a row of :class:`~exposure.schemas.ListStatus` means for a holder."""
    ids = status["link_ids"]
    links = catalog.list_links.filter(pl.col("link_id").is_in(ids)).to_dicts() if ids else []
    key = (status["issuer_id"], status["list_id"])
    return catalog.meanings.of(status, links, as_of, caught=key in caught)


def caught_at(catalog: Catalog, as_of: date) -> frozenset[tuple[str, str]]:
    """Return issuer and list of those that an ownership rule catches on a day."""
    reach = ownership_reach(catalog.master.ownership, catalog.list_links, catalog.events, as_of)
    sure = reach.filter(pl.col("verdict") == "caught")
    return frozenset(sure.select("issuer_id", "list_id").iter_rows())


def _screen_rows(
    book: Book,
    catalog: Catalog,
    statuses: pl.DataFrame,
    editions: pl.DataFrame,
    asked: Sequence[str],
    day: date,
) -> pl.DataFrame:
    held = _held(book)
    issuers = {row["issuer_id"]: row for row in catalog.master.issuers.iter_rows(named=True)}
    edition_of = dict(editions.select("list_id", "edition_date").iter_rows())
    caught = caught_at(catalog, day)
    reviewed = _Reviewed.of(catalog)
    rows: list[dict[str, Any]] = []
    for status in statuses.filter(pl.col("issuer_id").is_in(list(held))).iter_rows(named=True):
        issuer = issuers[status["issuer_id"]]
        meaning = meaning_of(catalog, status, day, caught)
        rows.append(
            {
                **held[status["issuer_id"]],
                "issuer_id": status["issuer_id"],
                "name_zh": issuer["name_zh"],
                "name_en": issuer["name_en"],
                **{name: status[name] for name in _FROM_STATUS},
                "since": status["valid_from"],
                **_meaning_cells(meaning),
                "edition_date": edition_of.get(status["list_id"]),
                "reviewed_on": reviewed.day(status),
            }
        )
    rows += _strangers(book, issuers, asked, edition_of, catalog.meanings, day)
    rows.sort(key=_rank)
    schema = {name: column.dtype for name, column in ScreenRows.columns().items()}
    table = [{name: row[name] for name in schema} for row in rows]
    return ScreenRows.validate(pl.DataFrame(table, schema=schema))


_FROM_STATUS = (
    "list_id", "status", "relation", "row_name", "mechanisms", "footnote", "citation", "known_on", "link_ids",
    "wording",
)  # fmt: skip


def _meaning_cells(meaning: Meaning) -> dict[str, Any]:
    return {
        "us_person": meaning.us_person,
        "sell_by": meaning.sell_by,
        "meaning_zh": meaning.zh,
        "meaning_en": meaning.en,
    }


def _rank(row: Mapping[str, Any]) -> tuple[object, ...]:
    list_id = row["list_id"]
    return (
        STATUS_ORDER.index(row["status"]),
        LIST_ORDER.index(list_id) if list_id in LIST_ORDER else len(LIST_ORDER),
        -row["weight"],
        row["issuer_id"] or row["listing_ids"][0],
    )


def _held(book: Book) -> dict[str, dict[str, Any]]:
    """Return issuer → its lines and their weight together."""
    found: dict[str, dict[str, Any]] = {}
    lines = book.holdings.drop_nulls("issuer_id").sort(
        "weight", "listing_id", descending=[True, False]
    )
    for issuer, listing, weight in lines.select("issuer_id", "listing_id", "weight").iter_rows():
        entry = found.setdefault(issuer, {"listing_ids": [], "weight": 0.0})
        entry["listing_ids"].append(listing)
        entry["weight"] += weight
    return found


def _strangers(
    book: Book,
    issuers: Mapping[str, Any],
    asked: Sequence[str],
    edition_of: Mapping[str, date | None],
    meanings: Meanings,
    day: date,
) -> Iterator[dict[str, Any]]:
    """Yield a line a list for holdings whose issuer the catalog doesn't know: nobody looked for them."""
    blank = dict.fromkeys(ScreenRows.columns())
    for line in book.holdings.iter_rows(named=True):
        if line["issuer_id"] in issuers:
            continue
        for list_id in asked:
            yield blank | {
                "listing_ids": [line["listing_id"]],
                "name_zh": line["name"],
                "name_en": line["name"],
                "weight": line["weight"],
                "list_id": list_id,
                "status": "unresolved",
                **_meaning_cells(meanings.unresolved(list_id)),
                "edition_date": edition_of.get(list_id),
                "link_ids": [],
                "wording": f"list {list_id} unresolved as of {day.isoformat()}: {NOT_IN_CATALOG}",
            }


@dataclass(frozen=True, slots=True)
class _Reviewed:
    """When a person last looked."""

    links: Mapping[str, date]
    searches: Mapping[tuple[str, str], date]

    @staticmethod
    def of(catalog: Catalog) -> _Reviewed:
        searches = catalog.screened.select("issuer_id", "list_id", "screened_on").iter_rows()
        return _Reviewed(
            dict(catalog.list_links.select("link_id", "reviewed_on").iter_rows()),
            {(issuer, list_id): day for issuer, list_id, day in searches},
        )

    def day(self, status: Mapping[str, Any]) -> date | None:
        """Return the newest review of the links of a status, or the day of the search that found none."""
        days = [self.links[link] for link in status["link_ids"] if link in self.links]
        return max(days) if days else self.searches.get((status["issuer_id"], status["list_id"]))


def _suppliers(book: Book, catalog: Catalog, statuses: pl.DataFrame, day: date) -> pl.DataFrame:
    listed: dict[str, list[Mapping[str, Any]]] = {}
    for status in statuses.filter(pl.col("status") == "listed").iter_rows(named=True):
        listed.setdefault(status["issuer_id"], []).append(status)
    names = {
        issuer: (zh, en)
        for issuer, zh, en in catalog.master.issuers.select(
            "issuer_id", "name_zh", "name_en"
        ).iter_rows()
    }
    held = list(_held(book))
    links = catalog.links_at(day).filter(
        pl.col("customer").is_in(held) & pl.col("supplier").is_in(list(listed))
    )
    rows = [
        {
            "issuer_id": link["customer"],
            "supplier_id": link["supplier"],
            "supplier_zh": names[link["supplier"]][0],
            "supplier_en": names[link["supplier"]][1],
            **{name: link[name] for name in ("input_kind", "lo", "mid", "hi", "link_id")},
            **{name: status[name] for name in ("list_id", "row_name", "mechanisms")},
            "since": status["valid_from"],
        }
        for link in links.iter_rows(named=True)
        for status in listed[link["supplier"]]
    ]
    schema = {name: column.dtype for name, column in ListedSuppliers.columns().items()}
    frame = pl.DataFrame(rows, schema=schema)
    return ListedSuppliers.validate(
        frame.sort(
            "issuer_id", "mid", "supplier_id", "link_id", "list_id",
            descending=[False, True, False, False, False], nulls_last=True,
        )
    )  # fmt: skip


def _news(
    book: Book, before: pl.DataFrame, now: pl.DataFrame, answers: pl.DataFrame
) -> pl.DataFrame:
    """Return whose answer changed; the day and the edition inside a sentence are no change."""
    told = ["status", "relation", "row_name", "mechanisms", "citation"]
    keys = ["issuer_id", "list_id"]
    held = now.filter(pl.col("issuer_id").is_in(list(_held(book))))
    joined = held.select(*keys, *told, "wording").join(
        before.select(*keys, *told, "wording"), on=keys, how="left", suffix="_before"
    )
    same = pl.all_horizontal([pl.col(name).eq_missing(pl.col(f"{name}_before")) for name in told])
    # a list asked about only since somebody is on it has no earlier answer
    news = (
        joined.filter(~same)
        .select(*keys, before="wording_before")
        .join(answers.select(*keys, now="wording"), on=keys, how="left")
    )
    return ListNews.validate(news.sort(keys))


def _too_old(editions: pl.DataFrame) -> dict[str, str]:
    """Return list → why its absences are open: what came on it since its edition is not known."""
    old = editions.filter(pl.col("age_days") > pl.col("allowed_days"))
    return {
        name: f"edition {edition.isoformat()} is {days} days old, {allowed} allowed"
        for name, edition, days, allowed in old.select(
            "list_id", "edition_date", "age_days", "allowed_days"
        ).iter_rows()
    }


def _editions(
    catalog: Catalog,
    asked: Iterable[str],
    statuses: pl.DataFrame,
    day: date,
    seen: Mapping[str, date],
) -> pl.DataFrame:
    shown = list(dict.fromkeys([*asked, *statuses["list_id"].unique().sort()]))
    out = catalog.editions.filter(
        (pl.col("edition_date") <= day) & (pl.col("known_on") <= day)
    ).sort("edition_date")
    newest = {row["list_id"]: row for row in out.iter_rows(named=True)}
    rows: list[dict[str, Any]] = []
    for list_id in shown:
        name = catalog.meanings.lists[list_id]
        edition = newest.get(list_id)
        allowed = REFUSE_AFTER_DAYS.get(list_id)
        found: dict[str, Any] = {
            "list_id": list_id,
            "name_zh": name.zh,
            "name_en": name.en,
            "edition_date": None,
            "rows": None,
            "age_days": None,
            "allowed_days": allowed,
        }
        text = "no edition was out: answers rest on the dates of the cited rules"
        if edition is not None:
            last = max(
                edition["edition_date"], min(day, seen.get(list_id, edition["edition_date"]))
            )
            age = (day - last).days
            found |= {
                "edition_date": edition["edition_date"],
                "rows": edition["rows"],
                "age_days": age,
            }
            size = "rows not counted" if edition["rows"] is None else f"{edition['rows']} rows"
            text = f"edition {edition['edition_date'].isoformat()}, {size}"
            if allowed is not None and age > allowed:
                text += f"; {age} days old, {allowed} allowed: don't rely on absence"
        rows.append(found | {"line": f"{list_id} {text}; {DISCLAIMER}"})
    schema = {column: dtype.dtype for column, dtype in ListEditions.columns().items()}
    return ListEditions.validate(pl.DataFrame(rows, schema=schema))
