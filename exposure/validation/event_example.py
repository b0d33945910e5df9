"""Made-up prices and a small study on them, for the examples of the docstrings and for tests. No market data here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
import polars as pl

from exposure.factors.catalog import Catalog
from exposure.scenarios.reading import load_catalog
from exposure.validation.event_protocol import Protocol, load_protocol
from exposure.validation.event_study import EventStudy, run_event_study

FIRST, LAST = date(2022, 6, 1), date(2025, 2, 28)
EVENTS = ("hbm_and_140", "list_1260h", "foundry_rule")


def example_prices(
    names: Sequence[str],
    *,
    seed: int = 7,
    shocks: Mapping[date, Mapping[str, float]] | None = None,
    first: date = FIRST,
    last: date = LAST,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return made-up closes of names and of three indices, one a weekday.

    r_it = β_i m_t + 0.6 g_t + e_it        g moves all names and no index

    Parameters
    ----------
    names
        Listings.
    seed
        The same seed gives the same prices.
    shocks
        Day → listing → log return added on that day.

    Returns
    -------
    closes
        | listing_id | date | close |
    index_closes
        | index_code | date | close | with the codes of the protocol.

    Examples
    --------
    >>> closes, index_closes = example_prices(["000977.SZ"], first=date(2025, 1, 1), last=date(2025, 1, 10))
    >>> closes.height, sorted(set(index_closes["index_code"]))
    (8, ['000300', '930651', 'H30184'])
    """
    days = [
        day
        for day in (first + timedelta(days=n) for n in range((last - first).days + 1))
        if day.weekday() < 5
    ]
    rng = np.random.default_rng(seed)
    count = len(days)
    market, group, theme = (rng.normal(0.0, size, count) for size in (0.010, 0.015, 0.008))
    beta = rng.uniform(0.6, 1.6, len(names))
    returns = (
        market[:, None] * beta + 0.6 * group[:, None] + rng.normal(0, 0.02, (count, len(names)))
    )
    at = {day: row for row, day in enumerate(days)}
    where = {name: column for column, name in enumerate(names)}
    for day, moves in (shocks or {}).items():
        for name, move in moves.items():
            returns[at[day], where[name]] += move
    levels = {"000300": market, "930651": market + theme, "H30184": market + 1.5 * theme}
    return (
        _long("listing_id", days, dict(zip(names, returns.T, strict=True))),
        _long("index_code", days, levels),
    )


def _long(key: str, days: Sequence[date], returns: Mapping[str, np.ndarray]) -> pl.DataFrame:
    frames = [
        pl.DataFrame(
            {key: [name] * len(days), "date": days, "close": 100.0 * np.exp(np.cumsum(moves))}
        )
        for name, moves in sorted(returns.items())
    ]
    return pl.concat(frames)


def example_names(catalog: Catalog, count: int = 40) -> tuple[str, ...]:
    """Return some mainland listings of the master, one an issuer.

    Examples
    --------
    >>> example_names(load_catalog(), 2)
    ('000021.SZ', '000032.SZ')
    """
    listings = catalog.master.listings.filter(
        (pl.col("share_class") == "A") & pl.col("valid_to").is_null()
    )
    names = listings.sort("listing_id").unique("issuer_id", keep="first")["listing_id"].sort()
    return tuple(names.to_list()[:count])


def example_protocol(catalog: Catalog, draws: int = 60) -> Protocol:
    """Return the catalog's protocol with three events and fewer draws.

    Examples
    --------
    >>> [event.id for event in example_protocol(load_catalog()).events]
    ['hbm_and_140', 'list_1260h', 'foundry_rule']
    """
    rules = load_protocol(catalog)
    return replace(
        rules,
        events=tuple(event for event in rules.events if event.id in EVENTS),
        draws=draws,
        placebo_first=date(2023, 1, 2),
    )


@lru_cache(maxsize=1)
def example_study() -> EventStudy:
    """Return a study of made-up prices without any signal.

    Examples
    --------
    >>> example_study().events.height
    6
    """
    catalog = load_catalog()
    closes, index_closes = example_prices(example_names(catalog))
    return run_event_study(catalog, closes, index_closes, protocol=example_protocol(catalog))
