"""Who must leave a portfolio, or may not come in, because of a list that the mandate excludes.

A US-person mandate excludes what a US person may not deal in: blocked parties and what they own half of (SDN), and the
companies of NS-CMIC from the day their ban takes effect. A mandate may name any other list; then being on it suffices.
Where nobody can say whether an issuer is on an excluded list, nothing of it is bought, and the plan says so.
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
from exposure.portfolios.mandates import Mandate
from exposure.schemas import issue

FORBIDDEN = ("no", "sell_only")
OUT, NO_BUY, FREE = "out", "no_buy", "free"
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
    issues
        One an issuer and list: why, since when, and the last day to sell.
    """

    excluded: tuple[tuple[str, tuple[int, ...]], ...]
    not_bought: tuple[int, ...]
    issues: tuple[dict[str, object], ...]


def barred_by_lists(
    catalog: Catalog, mandate: Mandate, issuers: Sequence[str], as_of: date
) -> Barred:
    """Return what the excluded lists of a mandate mean for listings of these issuers.

    Parameters
    ----------
    issuers
        One a listing; one that the catalog doesn't know is not resolved on any list.
    """
    lists = mandate.lists_excluded
    if not lists:
        return Barred((), (), ())
    found = list_status_at(catalog, as_of, lists).filter(pl.col("issuer_id").is_in(set(issuers)))
    rows = {(row["issuer_id"], row["list_id"]): row for row in found.iter_rows(named=True)}
    caught = caught_at(catalog, as_of)
    excluded: list[tuple[str, tuple[int, ...]]] = []
    not_bought: set[int] = set()
    issues: list[dict[str, object]] = []
    for name in lists:
        verdicts = {
            issuer: _verdict(
                catalog, mandate, name, issuer, rows.get((issuer, name)), as_of, caught
            )
            for issuer in dict.fromkeys(issuers)
        }
        issues += [told for _, told in verdicts.values() if told is not None]
        out = tuple(i for i, issuer in enumerate(issuers) if verdicts[issuer][0] == OUT)
        if out:
            excluded.append((f"exclude:{name}", out))
        not_bought |= {i for i, issuer in enumerate(issuers) if verdicts[issuer][0] == NO_BUY}
    return Barred(tuple(excluded), tuple(sorted(not_bought)), tuple(issues))


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
    deadline = ""
    if meaning.sell_by is not None:
        passed = as_of > meaning.sell_by
        day = meaning.sell_by.isoformat()
        deadline = f"; sales by a US person ended {day}" if passed else f"; to be sold by {day}"
    told = issue(
        "info", FILE, "list_excluded", f"{issuer} excluded: {row['wording']}{deadline}", raw=list_id
    )
    return OUT, told


def _unresolved(issuer: str, text: str) -> dict[str, object]:
    return issue(
        "warning", FILE, "list_unresolved", f"{issuer} is not bought: {text}", raw=issuer,
        cure="screen it and record that in factors/lists/screened.csv, or add the missing stake",
    )  # fmt: skip
