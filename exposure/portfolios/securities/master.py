"""Who can be held: issuers, their listings, names and owners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from exposure.content import SOURCE_ROW, ContentRoot, shipped_root
from exposure.errors import ContentError, Place
from exposure.portfolios.securities.codes import has_right_digits, right_digits
from exposure.schemas import (
    Aliases,
    DataIssues,
    Issuers,
    Listings,
    Ownership,
    ReusedCodes,
    empty,
    typed_from_text,
)

REFERENCE = "portfolios/reference"
IDENTIFIERS = {"listings": ("isin", "sedol", "figi"), "issuers": ("lei",)}


@dataclass(frozen=True, slots=True)
class SecurityMaster:
    """Who can be held.

    Parameters
    ----------
    issuers
        | issuer_id | name_zh | name_en | country | role | lei |
    listings
        | listing_id | issuer_id | board | currency | share_class | valid_from | valid_to | lot |
        isin | sedol | figi |
    aliases
        | issuer_id | alias | language | kind | valid_from | valid_to |
    ownership
        | owner | owned | lo | hi [percent of shares] | dates | grade | source |
    reused
        :class:`~exposure.schemas.ReusedCodes`: other companies that had a code of ``listings``.
    vintages
        Listing → the day of the user's master that shows it, where one is stated.
    issues
        :class:`~exposure.schemas.DataIssues`: what is to know about the user's own master.
    """

    issuers: pl.DataFrame
    listings: pl.DataFrame
    aliases: pl.DataFrame
    ownership: pl.DataFrame
    reused: pl.DataFrame = field(default_factory=lambda: empty(ReusedCodes))
    vintages: Mapping[str, date] = field(default_factory=dict[str, date])
    issues: pl.DataFrame = field(default_factory=lambda: empty(DataIssues))


def load_shipped(root: ContentRoot) -> SecurityMaster:
    """Read ``portfolios/reference/*.csv``.

    Raises
    ------
    ContentError
        With file and line, for a cell that breaks a rule; in content of the user's own also for a
        wrong check digit, or an identifier of two rows.
    """
    frames: dict[str, pl.DataFrame] = {}
    schemas = {
        "issuers": Issuers,
        "listings": Listings,
        "aliases": Aliases,
        "ownership": Ownership,
    }
    for table, schema in schemas.items():
        name = f"{REFERENCE}/{table}.csv"
        raw = root.read_csv(name)
        frames[table] = typed_from_text(raw, schema, name)
        for column in IDENTIFIERS.get(table, ()):
            # a test checks the digits of the shipped rows, so that a run needn't load the checker
            if column in raw.columns and root.path != shipped_root().resolve():
                _check_identifiers(raw.select(SOURCE_ROW, column).drop_nulls(column), column, name)
    return SecurityMaster(
        issuers=frames["issuers"],
        listings=frames["listings"],
        aliases=frames["aliases"],
        ownership=frames["ownership"],
    )


def _check_identifiers(rows: pl.DataFrame, column: str, file: str) -> None:
    seen: dict[str, int | None] = {}
    places: list[Place] = []
    for row, text in rows.iter_rows():
        if text in seen:
            why = f"is also in row {seen[text]}" if seen[text] else "is also in another row"
            places.append(Place(file, why, row=row, column=column, value=text))
        elif not has_right_digits(column, text):
            why = f"has wrong check digits: they must be {right_digits(column, text)}"
            places.append(Place(file, why, row=row, column=column, value=text))
        seen[text] = row
    if places:
        raise ContentError(
            f"{file} has {len(places)} identifiers that can't be right",
            places=places,
            cure=f"correct {file}",
        )
