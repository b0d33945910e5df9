"""The queue of matches and changes that wait for a person, and what an accepted or rejected one becomes.

Only :func:`accepted_links` and :func:`rejected_links` lead out of the queue, and only into reviewed links. Nothing that
scores or states a status reads this module.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import dataframely as dy
import polars as pl

from exposure.errors import ListError, Place
from exposure.lists.changes import Changes, changes
from exposure.lists.matching import propose
from exposure.lists.snapshot import Snapshot
from exposure.lists.touched import touched_links
from exposure.portfolios.securities import SecurityMaster
from exposure.schemas import ListLinks, validated

MATCH, LEFT = "match", "row left"
OPEN, ACCEPTED, REJECTED = "open", "accepted", "rejected"
SURE_METHODS = (
    "identifier",
    "exact",
    "legal_forms_stripped",
)  # the row may be taken for the issuer itself
RELATIONS = ("self", "subsidiary", "parent", "sister")
OTHERS = ("none", "homonym")
# what a row of a list does, where its footnotes and dates don't say more
MECHANISMS: Mapping[str, str] = {
    "SDN": "blocking", "NS-CMIC": "listing", "EL": "entity_licence", "1260H": "listing", "DPL": "denial_order",
    "MEU": "military_end_user", "UVL": "unverified", "FCC": "procurement_ban", "UEL": "counter_measure",
    "SHTC": "foreign_permit",
}  # fmt: skip
_Part = tuple[str, str | None, str, date, date]  # mechanism, footnote, rule, in effect, known
FDPR = (
    "1",
    "3",
    "4",
    "5",
)  # footnotes of the Entity List that extend the licence to foreign-made items


class Queue(dy.Schema):
    """A match or a change that waits for a person, as it lies in ``factors/lists/proposals.csv``."""

    proposal_id = dy.String(primary_key=True, regex=r"^[a-z0-9\-]+$")
    kind = dy.String(regex=r"^(match|row left|row has another key|row changed|alias removed)$")
    fresh = dy.Bool()  # new or changed in this edition
    issuer_id = dy.String()
    list_id = dy.String()
    row_key = dy.String()
    row_name = dy.String()
    method = dy.String(nullable=True)
    score = dy.Float64(nullable=True)
    reason = dy.String()
    countries = dy.String(nullable=True)  # separated by ;
    rivals = dy.String(nullable=True)  # other issuers that may be meant, separated by ;
    citation = dy.String(
        nullable=True
    )  # separated by ; the first is the rule that put the row there
    footnotes = dy.String(nullable=True)  # separated by ;
    start = dy.Date(nullable=True)
    effective = dy.Date(nullable=True)
    link_id = dy.String(nullable=True)  # of the reviewed link that a change touches
    edition_date = dy.Date()
    file = dy.String()
    sha256 = dy.String(regex=r"^[0-9a-f]{64}$")
    decision = dy.String(regex=r"^(open|accepted|rejected)$")
    note = dy.String(nullable=True)
    decided_on = dy.Date(nullable=True)


def build_queue(
    master: SecurityMaster,
    links: pl.DataFrame,
    editions: Sequence[tuple[Snapshot, Snapshot | None]],
    earlier: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return what waits for a person after reading list files.

    Parameters
    ----------
    links
        :class:`~exposure.schemas.ListLinks`: a pair decided before, accepted or rejected, is not proposed again.
    editions
        An edition and the one before it, if there is one: rows that are new or changed come first.
    earlier
        The queue as it was: what was decided there stays decided, and lists that are not read now keep their rows.

    Returns
    -------
    polars.DataFrame
        :class:`Queue`: rows that left, keys and aliases that went, then new matches, then old ones.
    """
    found: list[dict[str, Any]] = []
    for new, previous in editions:
        rows = new.rows.filter(pl.col("list_id").is_in(list(MECHANISMS)))
        compared = None if previous is None else changes(new, previous)
        matches = propose(master, rows, links, fresh=_fresh(compared))
        facts = {(r["list_id"], r["row_key"]): r for r in rows.iter_rows(named=True)}
        found += [
            _match(row, facts[row["list_id"], row["row_key"]], new)
            for row in matches.iter_rows(named=True)
        ]
        known = {row["link_id"]: row for row in links.iter_rows(named=True)}
        touched = touched_links(links, new, compared)
        found += [_change(row, known[row["link_id"]], new) for row in touched.iter_rows(named=True)]
    read = {list_id for new, _ in editions for list_id in new.counts()}
    return _queue(_with_earlier(found, earlier, read))


def _fresh(compared: Changes | None) -> set[str]:
    if compared is None:
        return set()
    come = compared.aliases.filter(pl.col("change") == "added")
    return {*compared.added["row_key"], *compared.changed["row_key"], *come["row_key"]}


def _with_earlier(
    found: list[dict[str, Any]], earlier: pl.DataFrame | None, read: set[str]
) -> list[dict[str, Any]]:
    if earlier is None:
        return found
    decided = set(earlier.filter(pl.col("decision") != OPEN)["proposal_id"])
    kept = earlier.filter((pl.col("decision") != OPEN) | ~pl.col("list_id").is_in(list(read)))
    fresh = [row for row in found if row["proposal_id"] not in decided]
    ids = {row["proposal_id"] for row in fresh}
    return [*fresh, *(row for row in kept.iter_rows(named=True) if row["proposal_id"] not in ids)]


def _match(row: Mapping[str, Any], fact: Mapping[str, Any], new: Snapshot) -> dict[str, Any]:
    number = row["row_key"].removeprefix("OFAC:")
    cited = f"OFAC {number}" if number != row["row_key"] else ";".join(fact["citations"])
    return _blank(new) | {
        "proposal_id": proposal_id(MATCH, row["issuer_id"], row["list_id"], row["row_key"]),
        "kind": MATCH,
        **{name: row[name] for name in ("fresh", "issuer_id", "list_id", "row_key", "row_name")},
        **{name: row[name] for name in ("method", "score", "reason")},
        "countries": ";".join(row["countries"]) or None,
        "rivals": ";".join(row["rivals"]) or None,
        "citation": cited or None,
        "footnotes": ";".join(fact["footnotes"]) or None,
        "start": fact["start"],
        "effective": fact["effective"],
    }


def _change(row: Mapping[str, Any], link: Mapping[str, Any], new: Snapshot) -> dict[str, Any]:
    day = new.edition_date.isoformat()
    return _blank(new) | {
        "proposal_id": proposal_id(row["change"], row["link_id"], row["list_id"], day),
        "kind": row["change"],
        "fresh": True,
        **{name: link[name] for name in ("issuer_id", "list_id", "row_key", "row_name", "link_id")},
        "reason": row["detail"] or row["change"],
        "citation": link["citation"],
    }


def _blank(new: Snapshot) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(Queue.columns())
    facts = {"edition_date": new.edition_date, "file": new.file, "sha256": new.sha256}
    return row | facts | {"decision": OPEN}


def proposal_id(kind: str, subject: str, list_id: str, row: str) -> str:
    """Return the id of a proposal: the same pair has the same id in every edition.

    Examples
    --------
    >>> proposal_id("match", "biren", "EL", "EL:shanghai biren:88 FR 71992")
    'el-7c608222'
    """
    digest = hashlib.sha256("|".join((kind, subject, list_id, row)).encode()).hexdigest()
    return f"{list_id.lower()}-{digest[:8]}"


def _queue(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    order = {
        "row left": 0,
        "row has another key": 1,
        "alias removed": 2,
        "row changed": 3,
        MATCH: 4,
    }
    chosen: dict[str, Mapping[str, Any]] = {row["proposal_id"]: row for row in rows}
    arranged = sorted(
        chosen.values(),
        key=lambda r: (
            r["decision"] != OPEN, order[r["kind"]], not r["fresh"], r["list_id"], r["issuer_id"], r["row_key"],
            r["proposal_id"],
        ),
    )  # fmt: skip
    schema = {name: column.dtype for name, column in Queue.columns().items()}
    table = [{name: row[name] for name in schema} for row in arranged]
    return Queue.validate(pl.DataFrame(table, schema=schema))


def waiting(queue: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that are not decided."""
    return queue.filter(pl.col("decision") == OPEN)


def find_proposal(queue: pl.DataFrame, name: str) -> dict[str, Any]:
    """Return one open proposal by its id, or by the beginning of it.

    Raises
    ------
    ListError
        If none or several begin like that, or it is decided.
    """
    rows = queue.filter(pl.col("proposal_id").str.starts_with(name))
    exact = rows.filter(pl.col("proposal_id") == name)
    rows = exact if exact.height else rows
    if rows.height != 1:
        ids = ", ".join(rows["proposal_id"].head(4)) or "none"
        raise ListError(
            f"{name!r} is not the id of one proposal: it fits {ids}",
            cure="exposure screen --help   (how to see what waits)",
        )
    row = rows.row(0, named=True)
    if row["decision"] != OPEN:
        raise ListError(
            f"{row['proposal_id']} was {row['decision']} on {row['decided_on']}",
            cure="correct the row in factors/lists/reviewed_links.csv of your content folder",
        )
    return row


def decided(
    queue: pl.DataFrame, row: Mapping[str, Any], decision: str, note: str | None, on: date
) -> pl.DataFrame:
    """Return the queue after a decision; a decided row stays, so that it is not proposed again."""
    rows = [
        {**one, "decision": decision, "note": note, "decided_on": on}
        if one["proposal_id"] == row["proposal_id"]
        else one
        for one in queue.iter_rows(named=True)
    ]
    return _queue(rows)


# --- what a decision becomes --------------------------------------------------------------------------------------


def accepted_links(
    row: Mapping[str, Any],
    links: pl.DataFrame,
    *,
    on: date,
    source_id: str,
    relation: str | None = None,
    note: str | None = None,
    since: date | None = None,
    known_on: date | None = None,
) -> pl.DataFrame:
    """Return the reviewed links that an accepted proposal becomes.

    Parameters
    ----------
    row
        Of :class:`Queue`.
    links
        The reviewed links so far: a link of the same rule gives the days in effect and known, and a change rewrites
        the link that it touches.
    relation
        ``self``, ``subsidiary``, ``parent`` or ``sister``; needed where the names are only alike. A change keeps it.
    since, known_on
        Days in effect and known. Without them those of the list itself or of a link citing the same rule; known no
        earlier than somebody could have known.

    Raises
    ------
    ListError
        If the relation or the day in effect is not known.
    """
    _check_days(row, on, since)
    if row["kind"] != MATCH:
        return _rewritten(row, links, on, note, end=row["kind"] == LEFT)
    chosen = relation or ("self" if row["method"] in SURE_METHODS else None)
    if chosen not in RELATIONS:
        raise ListError(
            f"{row['proposal_id']}: how {row['issuer_id']} and {row['row_name']} are related is not said",
            places=[Place(row["file"], row["reason"])],
            cure=f"add --relation with one of {', '.join(RELATIONS)}",
        )
    first, known = _days(row, links, since, known_on)
    rule = _first_rule(row)
    parts: list[_Part] = [(MECHANISMS[row["list_id"]], None, rule, first, known)]
    if row["list_id"] == "EL":
        parts += _footnotes(row, links, first, known)
    if row["list_id"] == "NS-CMIC" and row["effective"] is not None:
        parts.append(("investment_ban", None, rule, row["effective"], known))
    return _links([_link(row, part, chosen, ACCEPTED, note, on, source_id) for part in parts])


def _check_days(row: Mapping[str, Any], on: date, since: date | None = None) -> None:
    """Refuse a review before the edition, and a row in effect only after the edition that prints it."""
    edition: date = row["edition_date"]
    wrong = []
    if on < edition:
        wrong.append(f"can't have been reviewed on {on.isoformat()}")
    if since is not None and since > edition:
        wrong.append(f"can't be in effect since {since.isoformat()} only")
    if wrong:
        raise ListError(
            f"{row['proposal_id']}: a row of the edition of {edition.isoformat()} {' and '.join(wrong)}",
            places=[Place(row["file"], f"is the edition of {edition.isoformat()}")],
            cure="give --since no later than the edition, and --on no earlier",
        )


def _first_rule(row: Mapping[str, Any]) -> str:
    cited = row["citation"] or f"edition of {row['edition_date'].isoformat()}"
    return str(cited).split(";")[0]


def _footnotes(
    row: Mapping[str, Any], links: pl.DataFrame, first: date, known: date
) -> Iterator[_Part]:
    """Yield what the footnotes of an Entity List row do, from the rule that brought each of them.

    A row can be older than its footnote. Where no reviewed link knows the rule, and the row cites several, the day of
    the edition stands: too late rather than too early.
    """
    cited = (row["citation"] or "").split(";")
    for mark in (row["footnotes"] or "").split(";"):
        if mark not in FDPR:
            continue
        like = links.filter(
            (pl.col("mechanism") == f"fdpr_fn{mark}")
            & pl.col("citation").is_in(cited)
            & (pl.col("decision") == ACCEPTED)
        ).sort("valid_from", "link_id")
        if like.height:
            rule, day, seen = like.select("citation", "valid_from", "known_on").row(0)
        elif len(cited) == 1:
            rule, day, seen = _first_rule(row), first, known
        else:
            rule, day, seen = cited[-1], row["edition_date"], row["edition_date"]
        yield f"fdpr_fn{mark}", mark, rule, max(day, first), max(seen, known)


def rejected_links(
    row: Mapping[str, Any],
    links: pl.DataFrame,
    *,
    on: date,
    source_id: str,
    note: str,
    relation: str = "none",
) -> pl.DataFrame:
    """Return the reviewed link that a rejected proposal becomes: kept, so that it is not proposed again.

    A rejected change leaves the link as it is, with the note and the day of review.

    Raises
    ------
    ListError
        If there is no note, or the relation is one of ownership; or if the row has left its list: no decision here
        keeps a link to a row that the newest edition has not.
    """
    if not note.strip():
        raise ListError(f"{row['proposal_id']}: a rejection says why", cure="add --note")
    _check_days(row, on)
    if row["kind"] == LEFT:
        raise ListError(
            f"{row['proposal_id']}: {row['row_name']} is not in the edition of {row['edition_date'].isoformat()}:"
            " its link ends there, whatever is decided here",
            places=[Place(row["file"], "lacks the row", value=row["row_key"])],
            cure="accept it; or, if the company stands there under another name, correct row_name and row_key of"
            f" {row['link_id']} in factors/lists/reviewed_links.csv of your content folder",
        )
    if row["kind"] != MATCH:
        return _rewritten(row, links, on, note, end=False)
    if relation not in OTHERS:
        raise ListError(
            f"{relation!r} is no reason to reject",
            cure=f"use one of {', '.join(OTHERS)}, or accept",
        )
    day = row["start"] or row["edition_date"]
    part: _Part = (MECHANISMS[row["list_id"]], None, _first_rule(row), day, day)
    return _links([_link(row, part, relation, REJECTED, note, on, source_id)])


def _days(
    row: Mapping[str, Any], links: pl.DataFrame, since: date | None, known_on: date | None
) -> tuple[date, date]:
    same_rule = links.filter(
        (pl.col("list_id") == row["list_id"])
        & (pl.col("citation") == _first_rule(row))
        & (pl.col("mechanism") == MECHANISMS[row["list_id"]])
        & (pl.col("decision") == ACCEPTED)
        & ~pl.col("citation").str.starts_with("OFAC")
    ).sort("link_id")
    like = same_rule.row(0, named=True) if same_rule.height else None
    first = since or row["start"] or (like["valid_from"] if like else None)
    if first is None:
        raise ListError(
            f"{row['proposal_id']}: the list does not say since when {row['row_name']} is on it",
            places=[Place(row["file"], f"cites {row['citation'] or 'no rule'}")],
            cure="look the rule up and add --since YYYY-MM-DD",
        )
    if known_on is not None:
        return first, known_on
    if like is not None and since is None:
        return first, like["known_on"]
    # the list states its own day; a day looked up by hand was known at the latest with the edition
    return first, row["start"] if row["start"] == first else max(first, row["edition_date"])


def _link(
    row: Mapping[str, Any],
    part: _Part,
    relation: str,
    decision: str,
    note: str | None,
    on: date,
    source_id: str,
) -> dict[str, Any]:
    mechanism, footnote, rule, day, known = part
    mark = row["proposal_id"].rpartition("-")[2]
    return {
        "link_id": f"{row['issuer_id']}.{row['list_id'].lower()}.{mark}.{mechanism}",
        "issuer_id": row["issuer_id"],
        "list_id": row["list_id"],
        "row_name": row["row_name"],
        "row_key": row["row_key"],
        "relation": relation,
        "mechanism": mechanism,
        "footnote": footnote,
        "citation": rule,
        "earliest": None,
        "valid_from": day,
        "valid_to": None,
        "known_on": known,
        "ended_known_on": None,
        "decision": decision,
        "reviewer_note": note,
        "reviewed_on": on,
        "source_id": source_id,
        "locator": f"row of {row['file']}",
    }


def _rewritten(
    row: Mapping[str, Any], links: pl.DataFrame, on: date, note: str | None, *, end: bool
) -> pl.DataFrame:
    known = links.filter(pl.col("link_id") == row["link_id"])
    if known.is_empty():
        raise ListError(
            f"{row['proposal_id']}: the link {row['link_id']} is gone", cure="propose again"
        )
    link = known.row(0, named=True)
    ending = {"valid_to": row["edition_date"], "ended_known_on": row["edition_date"]} if end else {}
    return _links(
        [link | ending | {"reviewer_note": note or link["reviewer_note"], "reviewed_on": on}]
    )


def _links(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    schema = {name: column.dtype for name, column in ListLinks.columns().items()}
    return validated(pl.DataFrame(list(rows), schema=schema), ListLinks)
