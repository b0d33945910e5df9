"""Ownership rules: who is caught without a row of its own because listed parties own half of it.

The rule of OFAC (SDN, always) and of BIS (Entity List, only in its windows) adds up the stakes of all listed owners,
direct and indirect: an entity that is owned 50% or more counts in full for the next level, not by the product of the
shares. It runs down only. Other lists name their companies one by one and have no such rule.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import dataframely as dy
import polars as pl

from exposure.lists.status import in_force

THRESHOLD = 50.0  # percent
ROUNDING = 1e-9
RULE_LISTS = ("SDN", "EL")
RULE_MECHANISM = "ownership_rule"  # of an event that is such a rule of BIS
IN_FORCE, OFF, UNKNOWN = "in_force", "off", "unknown"


class OwnershipReach(dy.Schema):
    """An issuer that an ownership rule catches, or of which nobody can say."""

    issuer_id = dy.String(primary_key=True)
    list_id = dy.String(primary_key=True)
    verdict = dy.String(regex=r"^(caught|unresolved)$")
    lo = dy.Float64(min=0, max=100)  # percent owned by listed or caught parties
    hi = dy.Float64(min=0, max=100)
    owners = dy.List(dy.String())
    known_on = dy.Date()  # of the newest stake used
    wording = dy.String()


@dataclass(frozen=True, slots=True)
class Owned:
    """What listed parties own of one company.

    Parameters
    ----------
    verdict
        ``caught``, ``unresolved`` or ``not_caught``.
    lo, hi
        Percent owned by listed or caught parties, at least and at most.
    owners
        The listed, caught or open owners that count.
    """

    verdict: str
    lo: float
    hi: float
    owners: tuple[str, ...]


def stakes_at(ownership: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return the stakes of :class:`~exposure.schemas.Ownership` that hold and are known on a day.

    Of two rows of one owner and company the newer one counts: they are two reports, not two stakes.
    """
    live = ownership.filter(
        (pl.col("known_on") <= as_of)
        & (pl.col("valid_from") <= as_of)
        & (pl.col("valid_to").is_null() | (pl.col("valid_to") > as_of))
        & (pl.col("owner") != pl.col("owned"))  # a company's own shares are nobody's stake
    )
    return live.sort("valid_from").unique(["owner", "owned"], keep="last", maintain_order=True)


def owned_by(stakes: pl.DataFrame, listed: Collection[str]) -> dict[str, Owned]:
    """Return what listed parties own of each company, in the aggregate and through every level.

    Parameters
    ----------
    stakes
        | owner | owned | lo | hi [percent, null: not known] |; see :func:`stakes_at`.

    Returns
    -------
    dict
        Company → :class:`Owned`; the listed themselves are left out.

    Notes
    -----
    Missing values: an unknown percentage is an interval from 0 to what other owners leave.
    """
    owners: defaultdict[str, dict[str, tuple[float, float]]] = defaultdict(dict)
    for owner, owned, lo, hi in stakes.select("owner", "owned", "lo", "hi").iter_rows():
        owners[owned][owner] = (0.0 if lo is None else lo, 100.0 if hi is None else hi)
    caught = _grown(owners, frozenset(listed), 0)
    # what is caught for certain may be caught; what may be caught counts for the upper end of the next level
    possible = _grown(owners, caught, 1)
    out: dict[str, Owned] = {}
    for company in sorted(owners):
        if company in listed:
            continue
        lo = _total(owners[company], caught, 0)
        hi = _total(owners[company], possible, 1)
        counted = tuple(sorted(owner for owner in owners[company] if owner in possible))
        verdict = "not_caught"
        if company in caught:
            verdict = "caught"
        elif company in possible:
            verdict = "unresolved"
        out[company] = Owned(verdict, lo, max(lo, hi), counted)
    return out


def _grown(
    owners: Mapping[str, Mapping[str, tuple[float, float]]], start: Collection[str], end: int
) -> frozenset[str]:
    """Add companies owned to the threshold until none is left to add; a set that only grows ends, cycles or not."""
    members = set(start)
    while True:
        added = {
            company
            for company, stakes in owners.items()
            if company not in members and _total(stakes, members, end) >= THRESHOLD - ROUNDING
        }
        if not added:
            return frozenset(members)
        members |= added


def _total(stakes: Mapping[str, tuple[float, float]], members: Collection[str], end: int) -> float:
    total = sum(stake[end] for owner, stake in stakes.items() if owner in members)
    # what the others hold at least can't be the members' too
    left = 100.0 - sum(stake[0] for owner, stake in stakes.items() if owner not in members)
    return max(0.0, min(total, left if end else 100.0, 100.0))


def rule_state(list_id: str, as_of: date, events: pl.DataFrame) -> str:
    """Say whether a list's ownership rule is in force on a day.

    Parameters
    ----------
    events
        :class:`~exposure.schemas.Events`. The newest row of mechanism ``ownership_rule`` in effect and known decides
        for the Entity List; after the last day of a suspension the state is unknown until a later row says what
        happened.

    Returns
    -------
    str
        ``in_force``, ``off`` or ``unknown``.
    """
    if list_id == "SDN":
        return IN_FORCE
    if list_id != "EL":
        return OFF
    known = events.filter(
        (pl.col("mechanism") == RULE_MECHANISM)
        & (pl.col("known_on") <= as_of)
        & (pl.col("effective") <= as_of)
    ).sort("effective", "event_id")
    if known.is_empty():
        return OFF
    rule = known.row(-1, named=True)
    if rule["ended"] is not None and rule["ended"] <= as_of:
        return OFF
    if rule["suspended_from"] is None or as_of < rule["suspended_from"]:
        return IN_FORCE
    if rule["suspended_to"] is None or as_of <= rule["suspended_to"]:
        return OFF
    return UNKNOWN


def ownership_reach(
    ownership: pl.DataFrame, list_links: pl.DataFrame, events: pl.DataFrame, as_of: date
) -> pl.DataFrame:
    """Return the issuers that an ownership rule catches on a day, and those of which nobody can say.

    Parameters
    ----------
    ownership
        :class:`~exposure.schemas.Ownership`.
    list_links
        :class:`~exposure.schemas.ListLinks`: accepted links of relation ``self`` make an owner listed. One of relation
        ``parent`` says that a listed company controls the issuer: where no stake of that company is in evidence, the
        percentage is not known.
    events
        See :func:`rule_state`.

    Returns
    -------
    polars.DataFrame
        :class:`OwnershipReach`. Where it is not known whether the rule is in force, what it would catch is
        ``unresolved``.
    """
    stakes = stakes_at(ownership, as_of)
    accepted = list_links.filter((pl.col("decision") == "accepted") & in_force(as_of))
    live = accepted.filter(pl.col("relation") == "self")
    rows: list[dict[str, object]] = []
    for list_id in RULE_LISTS:
        state = rule_state(list_id, as_of, events)
        if state == OFF:
            continue
        listed = set(live.filter(pl.col("list_id") == list_id)["issuer_id"])
        for company, owned in owned_by(stakes, listed).items():
            if owned.verdict == "not_caught":
                continue
            verdict = "unresolved" if state == UNKNOWN else owned.verdict
            known = stakes.filter(
                (pl.col("owned") == company) & pl.col("owner").is_in(owned.owners)
            )["known_on"].to_list()
            rows.append(
                {
                    "issuer_id": company,
                    "list_id": list_id,
                    "verdict": verdict,
                    "lo": owned.lo,
                    "hi": owned.hi,
                    "owners": list(owned.owners),
                    "known_on": max(known),
                    "wording": _wording(list_id, as_of, state, owned, verdict),
                }
            )
        told = {row["issuer_id"] for row in rows if row["list_id"] == list_id}
        rows += [
            row
            for row in _unknown_parents(accepted, stakes, list_id, as_of, state)
            if row["issuer_id"] not in told
        ]
    schema = {name: column.dtype for name, column in OwnershipReach.columns().items()}
    return OwnershipReach.validate(pl.DataFrame(rows, schema=schema))


def _unknown_parents(
    accepted: pl.DataFrame, stakes: pl.DataFrame, list_id: str, as_of: date, state: str
) -> list[dict[str, object]]:
    """Return issuers whose reviewed parent is on a list while nothing says what that parent holds."""
    own = accepted.filter(pl.col("list_id") == list_id)
    listed = own.filter(pl.col("relation") == "self").select("row_key", owner="issuer_id").unique()
    # the parent as an issuer of ours, if it is one, and whether a stake of it in the company is in evidence
    stated = (
        own.filter(pl.col("relation") == "parent")
        .join(listed, on="row_key")
        .join(stakes, left_on=["owner", "issuer_id"], right_on=["owner", "owned"], how="semi")
    )
    open_links = (
        own.filter(pl.col("relation") == "parent")
        .join(stated, on=["issuer_id", "row_key"], how="anti")
        .sort("issuer_id", "row_name", "link_id")
    )
    rows: list[dict[str, object]] = []
    for (issuer,), links in open_links.group_by("issuer_id", maintain_order=True):
        owned = Owned("unresolved", 0.0, 100.0, tuple(links["row_name"].unique().sort()))
        rows.append(
            {
                "issuer_id": issuer,
                "list_id": list_id,
                "verdict": "unresolved",
                "lo": owned.lo,
                "hi": owned.hi,
                "owners": list(owned.owners),
                "known_on": links["known_on"].max(),
                "wording": _wording(list_id, as_of, state, owned, "unresolved"),
            }
        )
    return rows


def _wording(list_id: str, as_of: date, state: str, owned: Owned, verdict: str) -> str:
    share = _percent(owned.lo, owned.hi)
    through = _names(owned.owners)
    if verdict == "caught":
        return (
            f"{list_id}: owned {share} by {through}; the 50% rule applies as of {as_of.isoformat()}"
        )
    reason = (
        "whether the 50% rule is in force is not known"
        if state == UNKNOWN
        else "the percentage is not known well enough for the 50% rule"
    )
    return (
        f"list {list_id} unresolved as of {as_of.isoformat()}: owned {share} by {through}; {reason}"
    )


def _percent(lo: float, hi: float) -> str:
    return f"{lo:g}%" if abs(hi - lo) < ROUNDING else f"{lo:g}% to {hi:g}%"


def _names(owners: Sequence[str]) -> str:
    return ", ".join(owners)
