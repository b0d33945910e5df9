"""The user's own master laid beneath the shipped one: nothing shipped is overwritten, nothing is joined by a guess.

A listing that is shipped keeps its issuer and gains what it lacks. Lines of one company join by an issuer column, by
LEI, or because one of them is shipped; two lines with the same name stay two issuers. A code in Hong Kong or New York
that names another company there was used again: each company has its days, or the day does not decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from hashlib import sha256
from typing import Any

import polars as pl

from exposure.portfolios.securities import codes
from exposure.portfolios.securities.likeness import is_alike
from exposure.portfolios.securities.master import SecurityMaster
from exposure.portfolios.securities.names import Names, normal_name, shown
from exposure.portfolios.securities.own import OwnRow, Reading
from exposure.schemas import (
    Aliases,
    Issuers,
    Listings,
    ReusedCodes,
    empty,
    issue,
    issues_frame,
    validated,
)

UNKNOWN_COUNTRY = "ZZ"  # the code that ISO 3166 leaves to users, as CLDR uses it
UNCLASSIFIED = "unclassified"
GAINED = ("isin", "sedol", "figi", "valid_from", "valid_to", "lot")
STATED = (*GAINED, "currency")
SHOWN_DAY = date.max  # names are compared without regard to their days


@dataclass(slots=True)
class _Holder:
    """A company that has a listing id, for some days or for all."""

    listing_id: str
    facts: dict[str, Any]
    shipped_issuer: str | None = None
    rows: list[OwnRow] = field(default_factory=list[OwnRow])
    normals: set[str] = field(default_factory=set[str])
    is_left_out: bool = False

    @property
    def begins(self) -> date | None:
        return self.facts.get("valid_from")

    @property
    def ends(self) -> date | None:
        return self.facts.get("valid_to")

    @property
    def known_on(self) -> date | None:
        return max((row.known_on for row in self.rows if row.known_on is not None), default=None)


@dataclass(slots=True)
class _Join:
    shipped: SecurityMaster
    names: Names
    listed: Mapping[str, dict[str, Any]]
    holders: dict[str, list[_Holder]] = field(default_factory=dict[str, list[_Holder]])
    issues: list[dict[str, object]] = field(default_factory=list[dict[str, object]])

    def say(
        self, severity: str, row: OwnRow, rule: str, message: str, cure: str | None = None
    ) -> None:
        raw = row.listing_id
        self.issues.append(
            issue(severity, row.file, rule, message, row=row.row, column="code", raw=raw, cure=cure)
        )


def join_own(shipped: SecurityMaster, reading: Reading) -> SecurityMaster:
    """Return the shipped master with the user's rows beneath it.

    Returns
    -------
    SecurityMaster
        New issuers are called ``own_<code>``, ``own_<issuer of the file>`` or ``lei_<LEI>``; their
        country is ``ZZ`` where the file doesn't say it, their role ``unclassified``.
    """
    join = _Join(
        shipped=shipped,
        names=Names.of(
            shipped.issuers.select("issuer_id", "name_zh", "name_en").iter_rows(),
            shipped.aliases.select(
                "issuer_id", "alias", "kind", "valid_from", "valid_to"
            ).iter_rows(),
            SHOWN_DAY,
        ),
        listed={row["listing_id"]: row for row in shipped.listings.iter_rows(named=True)},
        issues=[*reading.issues],
    )
    for row in reading.rows:
        _place(row, join)
    groups = _groups(join)
    return _assembled(join, groups)


# --- rows to holders of a code ----------------------------------------------------------------------------------------


def _place(row: OwnRow, join: _Join) -> None:
    """Give a row to the company that has its code, or make one."""
    held = join.holders.get(row.listing_id)
    if held is None:
        facts = join.listed.get(row.listing_id)
        held = join.holders[row.listing_id] = (
            [] if facts is None else [_Holder(row.listing_id, dict(facts), facts["issuer_id"])]
        )
    verdicts = [_is_same(holder, row, join.names) for holder in held]
    if True in verdicts:
        _merge(held[verdicts.index(True)], row, join)
    elif not held:
        held.append(_new_holder(row))
    elif False not in verdicts:
        _merge(held[0], row, join)  # no names to compare
    elif row.listing_id.rpartition(".")[2] in codes.MAINLAND:
        # the mainland exchanges don't use a code again: the company was renamed, or the row is wrong
        message = (
            f"{row.listing_id} is {_title(held[0], join)}, the row says {row.title}; row not used"
        )
        cure = "add the name to aliases.csv if the company was renamed"
        join.say("warning", row, "name_disagrees", message, cure)
    else:
        _place_reused(row, held, join)


def _place_reused(row: OwnRow, held: list[_Holder], join: _Join) -> None:
    """Add a second company with a code, if the days of the two don't contradict each other."""
    first = held[0]
    other = _title(first, join)
    if first.shipped_issuer and first.begins is None and first.ends is None and not row.valid_to:
        message = f"{row.listing_id} is {other}, the row says {row.title}; row not used"
        cure = "give the row the days of its listing, or add the name to aliases.csv"
        join.say("warning", row, "name_disagrees", message, cure)
        return
    for holder in held:
        if _overlap(holder, row):
            message = (
                f"{row.listing_id} is {_title(holder, join)} on the same days as {row.title}; "
                "row not used"
            )
            join.say("error", row, "code_reused", message, "correct the days of the listings")
            return
    begins = f" from {first.begins}" if first.begins else ""
    ends = f"until {row.valid_to}" if row.valid_to else "its end is not known: the name must decide"
    message = f"{row.listing_id} is {other}{begins}, and was {row.title}: {ends}"
    join.say("warning", row, "code_reused", message, "add list and delist dates")
    held.append(_new_holder(row))


def _overlap(holder: _Holder, row: OwnRow) -> bool:
    """Tell whether stated days put both companies on the code at once."""
    if holder.begins is not None and row.valid_from is not None:
        early, late = (
            (row.valid_to, holder.begins)
            if row.valid_from < holder.begins
            else (holder.ends, row.valid_from)
        )
        return early is not None and early > late
    if holder.begins is not None and row.valid_to is not None:
        return row.valid_to > holder.begins and holder.ends is None
    return False


def _new_holder(row: OwnRow) -> _Holder:
    facts = {name: getattr(row, name) for name in (*STATED, "board", "share_class")}
    return _Holder(row.listing_id, facts, rows=[row], normals=set(map(normal_name, row.names)))


def _is_same(holder: _Holder, row: OwnRow, names: Names) -> bool | None:
    """Tell whether a row is of the company that has the code; None if one of them has no name.

    The same ISIN is enough, and a Chinese name that agrees: English names of terminals are old or cut.
    """
    if row.isin is not None and row.isin == holder.facts.get("isin"):
        return True
    if not row.names:
        return None
    verdicts = [_has_name(holder, name, names) for name in row.names]
    if True in verdicts:
        return True
    return False if False in verdicts else None


def _has_name(holder: _Holder, name: str, names: Names) -> bool | None:
    normal = normal_name(name)
    if holder.shipped_issuer is not None:
        owners = names.uses.get(normal, {})
        if owners:
            return holder.shipped_issuer in owners
        return names.is_form_of(holder.shipped_issuer, name, normal)
    if not holder.normals:
        return None
    if normal in holder.normals:
        return True
    others = [other for other in holder.normals if other.isascii() == normal.isascii()]
    if not others:
        return None  # a Chinese and a Latin name can't be compared
    return normal.isascii() and any(is_alike(normal, other) for other in others)


def _merge(holder: _Holder, row: OwnRow, join: _Join) -> None:
    """Add what a row says to what is known; what contradicts is said and not taken."""
    wrong: list[str] = []
    for name in STATED:
        known, stated = holder.facts.get(name), getattr(row, name)
        if stated is None or known == stated:
            continue
        if known is None:
            holder.facts[name] = stated
        else:
            wrong.append(f"{name} is {known}, the row says {stated}")
    if wrong:
        message = f"{row.listing_id}: {'; '.join(wrong)}; not taken"
        join.say("warning", row, "master_contradicts", message, "correct the one that is wrong")
    holder.rows.append(row)
    if holder.shipped_issuer is None:
        holder.normals.update(map(normal_name, row.names))


def _title(holder: _Holder, join: _Join) -> str:
    if holder.shipped_issuer is not None:
        return join.names.title(holder.shipped_issuer)
    return holder.rows[0].title


# --- holders to issuers -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Group:
    """The lines of one issuer."""

    holders: list[_Holder]
    issuer_id: str
    is_shipped: bool


def _groups(join: _Join) -> list[_Group]:
    """Join the lines of one company by issuer column, LEI, or a shipped line."""
    shipped = join.shipped.issuers.select("issuer_id", "lei").rows()
    of_lei = {lei: issuer for issuer, lei in shipped if lei is not None}
    known = {issuer for issuer, _ in shipped}
    parents: dict[tuple[str, str], tuple[str, str]] = {}

    def root(key: tuple[str, str]) -> tuple[str, str]:
        path = [key]
        while parents.setdefault(path[-1], path[-1]) != path[-1]:
            path.append(parents[path[-1]])
        for step in path:
            parents[step] = path[-1]
        return path[-1]

    keyed: list[tuple[_Holder, tuple[str, str]]] = []
    for holders in join.holders.values():
        for at, holder in enumerate(holders):
            keys = sorted(_keys(holder, at, of_lei, known))
            for key in keys[1:]:
                parents[root(key)] = root(keys[0])
            keyed.append((holder, keys[0]))
    members: dict[tuple[str, str], list[_Holder]] = {}
    for holder, key in keyed:
        members.setdefault(root(key), []).append(holder)
    names: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for key in parents:
        names.setdefault(root(key), []).append(key)
    return [
        group
        for key, holders in members.items()
        if (group := _group(holders, sorted(names[key]), join)) is not None
    ]


def _keys(
    holder: _Holder, at: int, of_lei: Mapping[str, str], known: set[str]
) -> set[tuple[str, str]]:
    """Return what a line says about its company: shipped issuer, issuer of the file, LEI, else itself."""
    keys: set[tuple[str, str]] = set()
    if holder.shipped_issuer is not None:
        keys.add(("shipped", holder.shipped_issuer))
    for row in holder.rows:
        if row.issuer is not None:
            kind = "shipped" if row.issuer in known else "issuer"
            keys.add((kind, row.issuer))
        if row.lei is not None:
            keys.add(("shipped", of_lei[row.lei]) if row.lei in of_lei else ("lei", row.lei))
    if keys:
        return keys
    suffix = f" {min(holder.normals, default='')}" if at else ""
    return {("line", f"{holder.listing_id}{suffix}")}


def _group(holders: list[_Holder], keys: Sequence[tuple[str, str]], join: _Join) -> _Group | None:
    found = sorted({name for kind, name in keys if kind == "shipped"})
    if len(found) > 1:
        what = ", ".join(name for kind, name in keys if kind != "shipped")
        for holder in holders:
            if holder.shipped_issuer is None:
                message = f"{what} joins issuers that are different companies: {', '.join(found)}"
                cure = "correct the issuer or LEI"
                join.say(
                    "error", holder.rows[0], "issuers_contradict", f"{message}; row not used", cure
                )
                holder.is_left_out = True
            elif holder.rows:
                message = f"{what} joins issuers that are different companies: {', '.join(found)}"
                join.say("warning", holder.rows[0], "issuers_contradict", message)
        return None
    if found:
        return _Group(holders, found[0], is_shipped=True)
    kind, name = keys[0]  # issuer, lei, line: the strongest goes first in the alphabet too
    return _Group(holders, f"{'lei' if kind == 'lei' else 'own'}_{_slug(name)}", is_shipped=False)


def _slug(text: str) -> str:
    """Return an id made of a text, always the same; what doesn't fit an id is told apart by a hash.

    Examples
    --------
    >>> _slug("600519.SH"), _slug("C001")
    ('600519_sh', 'c001')
    """
    plain = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    if re.fullmatch(r"[A-Za-z0-9_]+(\.[A-Z]+)?", text):
        return plain
    return "_".join(part for part in (plain, sha256(text.encode()).hexdigest()[:8]) if part)


# --- frames -----------------------------------------------------------------------------------------------------------


def _assembled(join: _Join, groups: Iterable[_Group]) -> SecurityMaster:
    issuers: list[dict[str, Any]] = []
    aliases: list[dict[str, Any]] = []
    listings: list[dict[str, Any]] = []
    reused: list[dict[str, Any]] = []
    gained: dict[str, dict[str, Any]] = {}
    leis: dict[str, str] = {}
    vintages: dict[str, date] = {}
    owner: dict[int, str] = {}
    classes: dict[int, str] = {}
    for group in groups:
        has_mainland = any(
            holder.listing_id.rpartition(".")[2] in codes.MAINLAND for holder in group.holders
        )
        for holder in group.holders:
            owner[id(holder)] = group.issuer_id
            classes[id(holder)] = _share_class(holder, has_mainland=has_mainland)
        lei = next((row.lei for h in group.holders for row in h.rows if row.lei), None)
        if group.is_shipped:
            if lei is not None:
                leis[group.issuer_id] = lei
        else:
            issuers.append(_issuer(group, lei, has_mainland=has_mainland))
        aliases += _aliases(group, issuers[-1] if not group.is_shipped else None, join)
    for listing_id, held in join.holders.items():
        kept = [holder for holder in held if not holder.is_left_out and id(holder) in owner]
        for at, holder in enumerate(sorted(kept, key=_precedence)):
            facts = {
                **holder.facts,
                "listing_id": listing_id,
                "issuer_id": owner[id(holder)],
                "share_class": classes[id(holder)],
            }
            if holder.shipped_issuer is not None:
                gained[listing_id] = holder.facts
            elif at == 0:
                listings.append(facts)
                if holder.known_on is not None:
                    vintages[listing_id] = holder.known_on
            else:
                reused.append({**facts, "known_on": holder.known_on})
    shipped = join.shipped
    _say_repeated(join, listings, gained)
    _say_summary(join, listings, gained, issuers)
    return replace(
        shipped,
        issuers=_extended(_with_lei(shipped.issuers, leis), issuers, Issuers),
        listings=_extended(_with_gains(shipped.listings, gained), listings, Listings),
        aliases=_extended(shipped.aliases, aliases, Aliases),
        reused=_extended(shipped.reused, reused, ReusedCodes),
        vintages={**shipped.vintages, **vintages},
        issues=issues_frame(join.issues),
    )


def _precedence(holder: _Holder) -> tuple[bool, int, int]:
    """Order the companies of one code: the shipped one, else the last to begin, else the last seen."""
    return (
        holder.shipped_issuer is None,
        -(holder.begins or date.min).toordinal(),
        -(holder.known_on or date.min).toordinal(),
    )


def _share_class(holder: _Holder, *, has_mainland: bool) -> str:
    stated = holder.facts.get("share_class")
    if stated is not None:
        return str(stated)
    ticker, _, venue = holder.listing_id.rpartition(".")
    if venue in codes.MAINLAND:
        kind = codes.kind_of(ticker, venue)
        return {"B share": "B", "depositary receipt": "cdr", "share": "A"}.get(
            kind or "", kind or "A"
        )
    return "H" if venue == "HK" and has_mainland else "ordinary"


def _issuer(group: _Group, lei: str | None, *, has_mainland: bool) -> dict[str, Any]:
    rows = [row for holder in group.holders for row in holder.rows]
    zh = next((row.name_zh for row in rows if row.name_zh), None)
    en = next((row.name_en for row in rows if row.name_en), None)
    country = next((row.country for row in rows if row.country), None)
    return {
        "issuer_id": group.issuer_id,
        "name_zh": zh or en or rows[0].listing_id,
        "name_en": en or zh or rows[0].listing_id,
        "country": country or ("CN" if has_mainland else UNKNOWN_COUNTRY),
        "role": UNCLASSIFIED,
        "lei": lei,
    }


def _aliases(group: _Group, issuer: Mapping[str, Any] | None, join: _Join) -> list[dict[str, Any]]:
    """Return the names of an issuer that are not known yet; a name of another shipped issuer is said, not taken."""
    known = set(join.names.known_as.get(group.issuer_id, ()))
    if issuer is not None:
        known |= {normal_name(issuer["name_zh"]), normal_name(issuer["name_en"])}
    found: list[dict[str, Any]] = []
    for row in (row for holder in group.holders for row in holder.rows):
        for name, kind in [
            *((name, "short") for name in row.names),
            *((name, "former") for name in row.former_names),
        ]:
            normal = normal_name(name)
            if normal in known:
                continue
            known.add(normal)
            others = join.names.uses.get(normal, {}) if group.is_shipped else {}
            if others:
                message = f"{shown(name)} is a name of {', '.join(sorted(others))}; not taken for {group.issuer_id}"
                join.say("warning", row, "name_shared", message)
                continue
            language = "en" if name.isascii() else "zh"
            found.append(
                {"issuer_id": group.issuer_id, "alias": name, "language": language, "kind": kind}
            )
    return found


def _say_repeated(
    join: _Join, listings: Sequence[Mapping[str, Any]], gained: Mapping[str, Mapping[str, Any]]
) -> None:
    """Say which identifiers several lines have: they can't tell the lines apart."""
    lines: dict[str, list[str]] = {}
    merged = {**join.listed, **gained}
    for facts in [*merged.values(), *listings]:
        if facts.get("isin") is not None:
            lines.setdefault(facts["isin"], []).append(facts["listing_id"])
    for isin, ids in lines.items():
        if len(ids) > 1:
            row = next(
                row
                for listing in ids
                for holder in join.holders.get(listing, [])
                for row in holder.rows
            )
            message = f"ISIN {isin} stands at several lines: {', '.join(sorted(ids))}"
            cure = "correct the one that is wrong; until then the ISIN alone resolves to none"
            join.say("warning", row, "isin_repeated", message, cure)


def _say_summary(
    join: _Join,
    listings: Sequence[Mapping[str, Any]],
    gained: Mapping[str, Mapping[str, Any]],
    issuers: Sequence[Mapping[str, Any]],
) -> None:
    known = sum(
        bool(holder.rows)
        for held in join.holders.values()
        for holder in held
        if holder.shipped_issuer
    )
    filled = sum(
        facts[name] is not None and join.listed[listing_id][name] is None
        for listing_id, facts in gained.items()
        for name in GAINED
    )
    message = (
        f"{len(listings)} listings of {len(issuers)} issuers added; {known} were known and "
        f"gained {filled} facts"
    )
    join.issues.append(issue("info", "security master", "own_master_joined", message))


def _extended(
    frame: pl.DataFrame, rows: Sequence[Mapping[str, Any]], schema: type[Any]
) -> pl.DataFrame:
    types = empty(schema).schema
    known = [{name: row.get(name) for name in types} for row in rows]
    return validated(pl.concat([frame.select(*types), pl.DataFrame(known, schema=types)]), schema)


def _with_lei(issuers: pl.DataFrame, leis: Mapping[str, str]) -> pl.DataFrame:
    if not leis:
        return issuers
    found = pl.col("issuer_id").replace_strict(leis, default=None, return_dtype=pl.String)
    return issuers.with_columns(pl.coalesce("lei", found).alias("lei"))


def _with_gains(listings: pl.DataFrame, gained: Mapping[str, Mapping[str, Any]]) -> pl.DataFrame:
    """Fill the empty cells of shipped listings; a full one stays."""
    rows = [
        {
            name: gained.get(row["listing_id"], row).get(name) if name in GAINED else value
            for name, value in row.items()
        }
        for row in listings.iter_rows(named=True)
    ]
    return pl.DataFrame(rows, schema=listings.schema)
