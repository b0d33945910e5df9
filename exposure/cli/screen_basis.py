"""What a screening rests on beside the reviewed links: the editions held here, and matches that nobody has decided."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exposure.factors.catalog import Catalog
    from exposure.factors.screening import ScreenResult
    from exposure.lists.snapshot import Snapshot
    from exposure.lists.store import Store

TRANSCRIBED = ("1260H", "FCC", "UEL", "SHTC")  # lists without an official data file
BY_HAND_CURE = (
    "read the newest notice of the list, then add its row to factors/lists/editions.csv and its names to"
    " factors/lists/reviewed_links.csv of your content folder: it has no official data file"
)
REFRESH_CURE = "exposure data refresh, then screen again"


@dataclass(frozen=True, slots=True)
class Basis:
    """The catalog as the editions held here leave it, and what is open.

    Parameters
    ----------
    catalog
        Without links whose row has left, and with the editions held that are newer than those reviewed.
    seen
        List → the last day by then on which its edition was still the newest.
    open_pairs
        Issuer and list of matches that nobody has decided: those of the queue, and those that a newer edition raises.
    held
        List → the edition held that the answers rest on.
    unreviewed
        Lists of which that edition is newer than the one reviewed.
    lines
        What has to be said: links that end, with the edition that ends them.
    """

    catalog: Catalog
    seen: dict[str, date]
    open_pairs: frozenset[tuple[str, str]]
    held: dict[str, Snapshot]
    unreviewed: frozenset[str]
    lines: list[str]


def find_basis(catalog: Catalog, folder: Path | None, as_of: date) -> Basis:
    """Return what the content, its queue and the store together allow to say on a day.

    The names of every issuer are looked for in an edition that is newer than the one reviewed; who may be meant by a
    row that no reviewed link decides is open.
    """
    import polars as pl

    from exposure.lists.ages import newest_editions
    from exposure.lists.matching import propose
    from exposure.lists.open_pairs import open_pairs
    from exposure.lists.snapshot import Editions
    from exposure.lists.touched import DECISIVE
    from exposure.lists.where import find_store

    store = find_store(folder)
    ended, lines = _ended(catalog, store, as_of)
    reviewed = dict(
        newest_editions(catalog.editions, as_of).select("list_id", "edition_date").iter_rows()
    )
    kept = store.editions().filter(
        (pl.col("edition_date") <= as_of) & pl.col("layout").is_in(DECISIVE)
    )
    pairs = set(open_pairs(catalog.root))
    seen: dict[str, date] = {}
    held: dict[str, Snapshot] = {}
    newer: list[dict[str, Any]] = []
    for row in kept.group_by("list_id", maintain_order=True).last().iter_rows(named=True):
        list_id, day = row["list_id"], row["edition_date"]
        if list_id in reviewed and day < reviewed[list_id]:
            continue
        held[list_id] = store.load(row)
        seen[list_id] = max(one for one in row["seen_on"] if one <= as_of)
        if list_id not in catalog.meanings.lists or day == reviewed.get(list_id):
            continue
        matches = propose(catalog.master, held[list_id].rows, catalog.list_links)
        pairs |= set(matches.select("issuer_id", "list_id").iter_rows())
        newer.append(
            {"list_id": list_id, "edition_date": day, "known_on": day, "source_id": "store", "rows": row["rows"]}
        )  # fmt: skip
    schema = {name: column.dtype for name, column in Editions.columns().items()}
    more = pl.DataFrame(newer, schema=schema)
    editions = Editions.validate(pl.concat([catalog.editions.select(list(schema)), more]))
    return Basis(
        replace(ended, editions=editions),
        seen,
        frozenset(pairs),
        held,
        frozenset(row["list_id"] for row in newer),
        lines,
    )


def _ended(catalog: Catalog, store: Store, as_of: date) -> tuple[Catalog, list[str]]:
    from exposure.lists.touched import end_links

    links, issues = end_links(catalog.list_links, store, as_of)
    if issues.is_empty():
        return catalog, []
    # several links to one row, one for each mechanism, end together: said once
    told = issues.unique("raw", keep="first", maintain_order=True)
    lines = [row["message"] for row in told.iter_rows(named=True)]
    return replace(catalog, list_links=links), lines


def footer_lines(found: ScreenResult, basis: Basis) -> dict[str, str]:
    """Return the footer of each list whose edition is held, with its hash and what its age means."""
    from exposure.factors.screening import DISCLAIMER

    lines: dict[str, str] = {}
    for row in found.editions.iter_rows(named=True):
        name = row["list_id"]
        if name not in basis.held or row["edition_date"] is None:
            continue
        parts = [basis.held[name].line(name).removesuffix(f"; {DISCLAIMER}")]
        if name in basis.unreviewed:
            parts.append("compared by name, not yet reviewed (--propose)")
        days, allowed = row["age_days"], row["allowed_days"]
        if allowed is not None and days > allowed:
            parts.append(f"{days} days old, {allowed} allowed: don't rely on absence")
        lines[name] = "; ".join([*parts, DISCLAIMER])
    return lines


def refuse_old(found: ScreenResult, basis: Basis, max_age: int) -> None:
    """Refuse answers that rest on an edition older than somebody allows.

    Raises
    ------
    StaleData
        With one place a list, and how a newer edition comes in.
    """
    from exposure.errors import Place, StaleData
    from exposure.lists.snapshot import EDITIONS

    old = [
        (name, days)
        for name, days in found.editions.select("list_id", "age_days").iter_rows()
        if days is not None and days > max_age
    ]
    if not old:
        return
    by_hand = {name for name, _ in old if name in TRANSCRIBED}
    cures = [REFRESH_CURE] if len(by_hand) < len(old) else []
    cures += [f"{name}: {BY_HAND_CURE}" for name in sorted(by_hand)]
    raise StaleData(
        f"{len(old)} lists are older than {max_age} days",
        places=[
            Place(
                "the store" if name in basis.held else EDITIONS,
                f"list {name}: newest edition was last seen {days} days ago",
            )
            for name, days in old
        ],
        cure="; ".join(cures),
    )
