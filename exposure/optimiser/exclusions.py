"""Who must leave a portfolio, or may not come in, because of a list that the mandate excludes.

A US-person mandate leaves the companies of NS-CMIC while it may still sell them. What a US person may neither buy nor
sell stays as it is: those companies from the day on which sales had to be over, and blocked parties and what they own
half of (SDN). Only a licence of OFAC changes that, and the plan says so; it never orders such a sale. A mandate may
name any other list; then being on it suffices. Where nobody can say whether an issuer is on an excluded list, nothing
of it is bought.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from exposure.factors.catalog import Catalog
from exposure.factors.scoring import list_status_at
from exposure.factors.screening import caught_at, meaning_of
from exposure.lists.meanings import NO, SELL_ONLY
from exposure.lists.open_pairs import open_pairs
from exposure.portfolios.mandates import Mandate
from exposure.schemas import issue

FORBIDDEN = (NO, SELL_ONLY)
OUT, FROZEN, NO_BUY, FREE = "out", "frozen", "no_buy", "free"
FILE = "factors/lists"


@dataclass(frozen=True, slots=True)
class Barred:
    """What the lists of a mandate mean for the listings of a plan.

    Parameters
    ----------
    excluded
        (limit name, positions): listings that must leave the portfolio.
    not_bought
        Positions of issuers of which nobody can say whether they are on an excluded list.
    frozen
        Positions that may be neither bought nor sold.
    issues
        One an issuer and list: why, since when, and before which day to sell.
    """

    excluded: tuple[tuple[str, tuple[int, ...]], ...]
    not_bought: tuple[int, ...]
    frozen: tuple[int, ...]
    issues: tuple[dict[str, object], ...]


def barred_by_lists(
    catalog: Catalog, mandate: Mandate, issuers: Sequence[str], as_of: date
) -> Barred:
    """Return what the excluded lists of a mandate mean for listings of these issuers.

    Parameters
    ----------
    issuers
        One a listing; one that the catalog doesn't know is not resolved on any list, nor is one with a match in the
        queue of the content folder that nobody has decided.
    """
    lists = mandate.lists_excluded
    if not lists:
        return Barred((), (), (), ())
    statuses = list_status_at(catalog, as_of, lists, open_pairs=open_pairs(catalog.root))
    found = statuses.filter(pl.col("issuer_id").is_in(set(issuers)))
    rows = {(row["issuer_id"], row["list_id"]): row for row in found.iter_rows(named=True)}
    caught = caught_at(catalog, as_of)
    out: dict[str, list[int]] = {}
    not_bought: set[int] = set()
    frozen: set[int] = set()
    issues: list[dict[str, object]] = []
    for name in lists:
        verdicts = {
            issuer: _verdict(
                catalog, mandate, name, issuer, rows.get((issuer, name)), as_of, caught
            )
            for issuer in dict.fromkeys(issuers)
        }
        issues += [told for _, told in verdicts.values() if told is not None]
        for i, issuer in enumerate(issuers):
            verdict = verdicts[issuer][0]
            if verdict == OUT:
                out.setdefault(name, []).append(i)
            elif verdict == FROZEN:
                frozen.add(i)
            elif verdict == NO_BUY:
                not_bought.add(i)
    # what may not be sold stays, whatever another list of the mandate wants
    excluded = [
        (f"exclude:{name}", left)
        for name, positions in out.items()
        if (left := tuple(i for i in positions if i not in frozen))
    ]
    return Barred(tuple(excluded), tuple(sorted(not_bought)), tuple(sorted(frozen)), tuple(issues))


def _verdict(
    catalog: Catalog,
    mandate: Mandate,
    list_id: str,
    issuer: str,
    row: Mapping[str, Any] | None,
    as_of: date,
    caught: frozenset[tuple[str, str]],
) -> tuple[str, dict[str, object] | None]:
    if row is None:
        text = f"list {list_id} unresolved as of {as_of.isoformat()}: the catalog does not know {issuer}"
        return NO_BUY, _unresolved(issuer, text)
    if row["status"] == "unresolved":
        return NO_BUY, _unresolved(issuer, row["wording"])
    meaning = meaning_of(catalog, row, as_of, caught)
    owned = (issuer, list_id) in caught
    named = list_id in mandate.exclude_lists and (row["status"] == "listed" or owned)
    if not named and meaning.us_person not in FORBIDDEN:
        return FREE, None
    day = None if meaning.sell_by is None else meaning.sell_by.isoformat()
    if mandate.us_person and meaning.us_person == NO:
        over = "" if day is None else f"; sales by a US person had to be made before {day}"
        return FROZEN, issue(
            "warning", FILE, "list_frozen",
            f"{issuer} is neither bought nor sold: {row['wording']}{over}; a sale needs a licence of OFAC",
            raw=list_id, cure="ask counsel for a licence of OFAC, or a general licence that covers the sale",
        )  # fmt: skip
    # behind the day it only concerns a holder who is no US person: the day is not theirs
    soon = meaning.sell_by is not None and as_of < meaning.sell_by
    deadline = f"; to be sold before {day}" if soon else ""
    return OUT, issue(
        "info", FILE, "list_excluded", f"{issuer} excluded: {row['wording']}{deadline}", raw=list_id
    )


def _unresolved(issuer: str, text: str) -> dict[str, object]:
    return issue(
        "warning", FILE, "list_unresolved", f"{issuer} is not bought: {text}", raw=issuer,
        cure="decide the match that waits, screen it and record that in factors/lists/screened.csv, or add the"
        " missing stake",
    )  # fmt: skip
