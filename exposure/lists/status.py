"""List status: what each sanction list says of an issuer on a day, from reviewed links only.

There is no "clear": absence is always "not on list X as of D". Ownership flows down only: a listed subsidiary never
makes its parent listed. Proposed matches have no way in here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any

import polars as pl

from exposure.schemas import ListStatus, empty, validated

LISTS = ("EL", "SDN", "NS-CMIC", "1260H")  # every issuer gets an answer on these
RELATIONS = ("self", "parent", "subsidiary", "sister")  # the first that holds leads
DISTINCT = ("homonym", "none")  # reviewed and found to be another company
OPEN_MATCH = "a possible match waits for a person"

Row = Mapping[str, Any]
Key = tuple[str, str]


def in_force(as_of: date) -> pl.Expr:
    """Return the filter of links known and in force on a day.

    The end of a row counts from the day it could have been known, so that a removal published later leaves an earlier
    day as it was seen then.
    """
    return (pl.col("known_on") <= as_of) & (pl.col("valid_from") <= as_of) & ~_ended(as_of)


def list_status(
    list_links: pl.DataFrame,
    issuers: pl.DataFrame,
    as_of: date,
    lists: Sequence[str] | None = None,
    *,
    editions: pl.DataFrame | None = None,
    screened: pl.DataFrame | None = None,
    reach: pl.DataFrame | None = None,
    stale: Mapping[str, str] | None = None,
    open_pairs: Collection[Key] = (),
) -> pl.DataFrame:
    """Return what the lists say of each issuer on a day.

    Parameters
    ----------
    list_links
        :class:`~exposure.schemas.ListLinks`; only accepted rows make an issuer listed or related. A rejected row can
        only add to the sentence that a namesake is on the list.
    issuers
        :class:`~exposure.schemas.Issuers`.
    lists
        List ids that every issuer is asked about. By default :data:`LISTS`, and any other list where a link is in
        force.
    editions
        :class:`~exposure.lists.snapshot.Editions`: a sentence of absence names the newest edition that was out on the
        day. Where none was, it rests on the dates of the cited rules.
    screened
        | issuer_id | list_id |: who was looked for on which list. With it, an issuer that was not is ``unresolved``;
        without it, absence means absence from the reviewed links.
    reach
        :class:`~exposure.lists.ownership.OwnershipReach` of the day: issuers that an ownership rule catches are
        related, open percentages are ``unresolved``.
    stale
        List → why absence from it is not to be relied on: where nothing links an issuer to such a list, the answer is
        ``unresolved`` for that reason.
    open_pairs
        Issuer and list of possible matches that nobody has decided: whoever is not listed by a reviewed link is
        ``unresolved`` there. What the match is stays unsaid.

    Returns
    -------
    polars.DataFrame
        :class:`~exposure.schemas.ListStatus`. ``valid_from`` and ``known_on`` are those of the row that was first in
        force; ``link_ids`` are the links that the answer rests on.
    """
    live = list_links.filter(
        (pl.col("decision") == "accepted") & pl.col("relation").is_in(RELATIONS) & in_force(as_of)
    )
    found = _by_issuer_and_list(live)
    asked = list(LISTS) if lists is None else list(lists)
    extra = set() if lists is not None else {key for key in found if key[1] not in asked}
    background = _Background(
        list_links, as_of, editions, screened, reach, stale or {}, frozenset(open_pairs)
    )
    known = sorted(issuers["issuer_id"])
    keys = [(issuer, list_id) for issuer in known for list_id in asked]
    keys += sorted(key for key in extra if key[0] in set(known))
    out = [background.answer(key, found.get(key, [])) for key in keys]
    frame = pl.DataFrame(out, schema=empty(ListStatus).schema)
    return validated(frame, ListStatus).sort("issuer_id", maintain_order=True)


class _Background:
    """Everything beside the links in force that a sentence may need, arranged for look-ups."""

    __slots__ = (
        "as_of", "caught", "distinct", "editions", "former", "open_pairs", "perhaps", "screened", "stale", "upcoming",
    )  # fmt: skip

    def __init__(
        self,
        list_links: pl.DataFrame,
        as_of: date,
        editions: pl.DataFrame | None,
        screened: pl.DataFrame | None,
        reach: pl.DataFrame | None,
        stale: Mapping[str, str],
        open_pairs: frozenset[Key],
    ) -> None:
        accepted = list_links.filter(
            (pl.col("decision") == "accepted") & (pl.col("known_on") <= as_of)
        )
        self.as_of = as_of
        self.stale = stale
        self.open_pairs = open_pairs
        self.perhaps = _by_issuer_and_list(list_links.filter(_perhaps(as_of)))
        self.upcoming = _by_issuer_and_list(accepted.filter(pl.col("valid_from") > as_of))
        self.former = _by_issuer_and_list(
            accepted.filter((pl.col("valid_from") <= as_of) & _ended(as_of))
        )
        self.distinct = _by_issuer_and_list(
            list_links.filter(pl.col("relation").is_in(DISTINCT) & in_force(as_of))
        )
        self.editions = _newest_editions(editions, as_of)
        self.screened = (
            None
            if screened is None
            else frozenset(screened.select("issuer_id", "list_id").iter_rows())
        )
        self.caught: dict[Key, Row] = {}
        if reach is not None:
            self.caught = {
                (row["issuer_id"], row["list_id"]): row for row in reach.iter_rows(named=True)
            }

    def answer(self, key: Key, rows: Sequence[Row]) -> dict[str, Any]:
        """Return the row of one issuer and list."""
        rule = self.caught.get(key)
        if rows:
            answer = _from_links(key, rows, self._coming(key), self.as_of)
            if answer["status"] == "listed":
                return answer
            if rule is not None:
                told = {"wording": f"{answer['wording']}; {rule['wording']}"}
                answer = answer | told | _stricter(rule)
            if key in self.open_pairs:
                told = {"wording": f"{answer['wording']}; {OPEN_MATCH}"}
                answer = answer | told | {"status": "unresolved"}
            return answer
        if rule is not None:
            return _blank(key) | {"wording": rule["wording"]} | _stricter(rule)
        reasons = self._doubts(key)
        if reasons:
            head = f"list {key[1]} unresolved as of {self.as_of.isoformat()}"
            wording = f"{head}: {'; '.join(reasons)}"
            return _blank(key) | {"status": "unresolved", "wording": wording}
        return self._absent(key)

    def _doubts(self, key: Key) -> list[str]:
        """Return why nobody can say that an issuer without a link is not on a list."""
        if self.screened is not None and key not in self.screened:
            return ["not screened"]
        reasons = [
            f"{_who(row)} came on it by {row['valid_from'].isoformat()},"
            f" not before {row['earliest'].isoformat()}; the day is not confirmed"
            for row in _first_of_each_name(self.perhaps.get(key, []))
        ]
        if key in self.open_pairs:
            reasons.append(OPEN_MATCH)
        if key[1] in self.stale:
            reasons.append(self.stale[key[1]])
        return reasons

    def _absent(self, key: Key) -> dict[str, Any]:
        list_id = key[1]
        edition = self.editions.get(list_id)
        basis = (
            ", by the dates of the cited rules"
            if edition is None
            else f" (edition {edition.isoformat()})"
        )
        parts = [f"not on list {list_id} as of {self.as_of.isoformat()}{basis}"]
        distinct = self.distinct.get(key, [])
        parts += [f"{name} on it is another company" for name in _names(distinct)]
        parts += [
            f"{_who(row)} on it from {row['valid_from'].isoformat()} to {row['valid_to'].isoformat()}"
            for row in _first_of_each_name(self.former.get(key, []))
        ]
        parts += self._coming(key)
        return _blank(key) | {
            "status": "not_on_list",
            "relation": distinct[0]["relation"] if distinct else None,
            "wording": "; ".join(dict.fromkeys(parts)),
        }

    def _coming(self, key: Key) -> list[str]:
        told = [
            f"{row['mechanism']} from {row['valid_from'].isoformat()}"
            for row in self.upcoming.get(key, [])
            if row["relation"] in RELATIONS
        ]
        return list(dict.fromkeys(told))  # several rows of one rule say the same


def _from_links(
    key: Key, rows: Sequence[Row], coming: Iterable[str], as_of: date
) -> dict[str, Any]:
    leading = next(name for name in RELATIONS if any(row["relation"] == name for row in rows))
    lead = [row for row in rows if row["relation"] == leading]
    first = lead[0]
    listed = leading == "self"
    used = lead if listed else rows
    parts = [
        f"{_who(row)} listed since {row['valid_from'].isoformat()} ({row['citation']})"
        for row in _first_of_each_name(used)
    ]
    if not listed:
        parts.append(f"not itself on list {key[1]} as of {as_of.isoformat()}")
    return _blank(key) | {
        "status": "listed" if listed else "related",
        "relation": leading,
        "row_name": _joined(row["row_name"] for row in lead),
        "mechanisms": _joined(row["mechanism"] for row in lead),
        "footnote": _joined(row["footnote"] for row in lead if row["footnote"]) or None,
        "citation": _joined(row["citation"] for row in lead),
        "valid_from": first["valid_from"],
        "known_on": first["known_on"],
        "link_ids": [row["link_id"] for row in used],
        "wording": f"{key[1]}: {'; '.join([*parts, *coming])}",
    }


def _stricter(rule: Row) -> dict[str, Any]:
    if rule["verdict"] == "unresolved":
        return {"status": "unresolved"}
    return {"status": "related", "relation": "parent", "known_on": rule["known_on"]}


def _blank(key: Key) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(_columns())
    return row | {"issuer_id": key[0], "list_id": key[1], "link_ids": []}


@cache
def _columns() -> tuple[str, ...]:
    return tuple(ListStatus.columns())


def _ended(as_of: date) -> pl.Expr:
    learnt = pl.col("ended_known_on").fill_null(pl.col("valid_to"))
    return ((pl.col("valid_to") <= as_of) & (learnt <= as_of)).fill_null(False)


def _perhaps(as_of: date) -> pl.Expr:
    """Return the filter of links that may have begun already: of those only a span of days is known."""
    return (
        (pl.col("decision") == "accepted")
        & pl.col("relation").is_in(RELATIONS)
        & (pl.col("earliest") <= as_of)
        & (pl.col("valid_from") > as_of)
    ).fill_null(False)


def _by_issuer_and_list(rows: pl.DataFrame) -> dict[Key, list[Row]]:
    found: dict[Key, list[Row]] = {}
    for row in rows.sort("valid_from", "link_id").iter_rows(named=True):
        found.setdefault((row["issuer_id"], row["list_id"]), []).append(row)
    return found


def _newest_editions(editions: pl.DataFrame | None, as_of: date) -> dict[str, date]:
    if editions is None:
        return {}
    out = editions.filter((pl.col("edition_date") <= as_of) & (pl.col("known_on") <= as_of))
    return dict(out.group_by("list_id").agg(pl.col("edition_date").max()).iter_rows())


def _who(row: Row) -> str:
    return row["row_name"] if row["relation"] == "self" else f"{row['relation']} {row['row_name']}"


def _names(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(row["row_name"] for row in rows))


def _first_of_each_name(rows: Sequence[Row]) -> list[Row]:
    firsts: dict[str, Row] = {}
    for row in rows:
        firsts.setdefault(row["row_name"], row)
    return list(firsts.values())


def _joined(texts: Iterable[str]) -> str:
    return ";".join(dict.fromkeys(texts))
