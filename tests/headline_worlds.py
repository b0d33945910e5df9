"""Small stress tests with known returns: a book, what each scenario does to it, and how likely it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date

import polars as pl

from exposure.portfolios.holdings import Book
from exposure.scenarios.definitions import Range, ScenarioDefinition
from exposure.scenarios.results import portfolio_results
from exposure.scenarios.stressing import Shock
from exposure.schemas import (
    SEVERITIES,
    DataIssues,
    Holdings,
    ScenarioReturns,
    empty,
    validated,
)

DAY = date(2025, 1, 24)
A, B, C = "000977.SZ", "603019.SH", "688041.SH"
ISSUERS = {A: "inspur", B: "sugon", C: "hygon"}  # two server makers and a chip designer

Return = float | tuple[float, float, float] | None
Chance = float | tuple[float, float, float] | None


def make_book(weights: Mapping[str, float], issuers: Mapping[str, str] = ISSUERS) -> Book:
    """Return a book of these weights; the rest is cash."""
    rows = [
        {
            "listing_id": name,
            "issuer_id": issuers.get(name),
            "currency": "CNY",
            "fx": 1.0,
            "weight": w,
        }
        for name, w in weights.items()
    ]
    frame = pl.DataFrame(rows, schema=empty(Holdings).schema)
    cash = 1.0 - sum(weights.values())
    return Book(
        "test",
        DAY,
        "CNY",
        None,
        cash,
        validated(frame, Holdings),
        empty(DataIssues),
        "test.csv",
        "",
    )


def scenario(name: str, order: int, chance: Chance) -> ScenarioDefinition:
    """Return a scenario of which only the probability matters."""
    ends = chance if isinstance(chance, tuple) else (chance, chance, chance)
    stated = None if chance is None else Range(ends[0], ends[1], ends[2], "test")
    texts = dict.fromkeys(("name_zh", "name_en", "narrative", "narrative_zh", "anchor"), name)
    return ScenarioDefinition(
        name,
        name,
        order,
        **texts,
        horizon_weeks=52,
        duration_years=Range(1, 2, 3, "test"),
        probability=stated,
    )


def make_shock(
    book: Book,
    returns: Mapping[str, Mapping[str, Return]],
    chances: Mapping[str, Chance],
    *,
    inferred: Iterable[tuple[str, str]] = (),
    sizes: Mapping[str, float] | None = None,
) -> tuple[Shock, list[ScenarioDefinition]]:
    """Return a stress test with these returns (a point, or lo, mid, hi) times the size of each severity."""
    sizes = sizes or dict.fromkeys(SEVERITIES, 1.0)
    guessed = set(inferred)
    definitions = [scenario(name, k, chances[name]) for k, name in enumerate(returns)]
    rows = []
    for name, found in returns.items():
        for severity, size in sizes.items():
            for listing, value in found.items():
                lo, mid, hi = value if isinstance(value, tuple) else (value, value, value)
                origin = "none" if mid is None else "modelled"
                rows.append(
                    {
                        "scenario_id": name,
                        "severity": severity,
                        "listing_id": listing,
                        "issuer_id": ISSUERS.get(listing),
                        "ret_lo": None if lo is None else lo * size,
                        "ret": None if mid is None else mid * size,
                        "ret_hi": None if hi is None else hi * size,
                        "origin": "inferred" if (name, listing) in guessed else origin,
                    }
                )
    positions = validated(pl.DataFrame(rows, schema=empty(ScenarioReturns).schema), ScenarioReturns)
    facts = [
        {"scenario_id": name, "severity": severity, "d": None, "p_t": None}
        for name in returns
        for severity in sizes
    ]
    results = portfolio_results(
        positions, book.holdings.select("listing_id", "weight"), definitions, facts
    )
    nothing = pl.DataFrame()
    return Shock(DAY, positions, results, nothing, empty(DataIssues)), definitions


def shuffled(shock: Shock, book: Book) -> tuple[Shock, Book]:
    """Return the same facts with their rows turned round."""
    turned = replace(book, holdings=book.holdings.reverse())
    return replace(shock, positions=shock.positions.reverse()), turned
