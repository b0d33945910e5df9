"""How long lists take: proposals for 300 issuers against the whole list, and a screening; run by make bench."""

from __future__ import annotations

import polars as pl
import pytest

from exposure.factors.screening import screen
from exposure.lists.matching import propose
from exposure.portfolios.securities import SecurityMaster
from tests.list_samples import PROJECTION, whole_list

ISSUERS = 300


def master_of(catalog, rows: pl.DataFrame, count: int) -> SecurityMaster:
    """Return the issuers of the catalog, filled up to a number with companies of the list itself."""
    own = catalog.master
    more = (
        rows.filter(pl.col("countries").list.contains("CN"))
        .unique("name", maintain_order=True)
        .head(count - own.issuers.height)
    )
    made = pl.DataFrame(
        {
            "issuer_id": [f"x{n}" for n in range(more.height)],
            "name_zh": more["name"],
            "name_en": more["name"],
        }
    ).with_columns(country=pl.lit("CN"), role=pl.lit("x"), note=pl.lit(None, dtype=pl.String))
    issuers = pl.concat([own.issuers, made.select(own.issuers.columns)])
    return SecurityMaster(issuers, own.listings, own.aliases, own.ownership)


@pytest.mark.benchmark(group="lists")
@pytest.mark.skipif(not PROJECTION.is_file(), reason="no shared data beside the project")
def test_bench_proposals_for_300_issuers(benchmark, catalog, tmp_path):
    rows = whole_list(tmp_path).rows
    master = master_of(catalog, rows, ISSUERS)
    assert master.issuers.height == ISSUERS

    found = benchmark.pedantic(propose, (master, rows), rounds=5)

    assert found.height > 100
    assert benchmark.stats["median"] < 2.0


@pytest.mark.benchmark(group="lists")
def test_bench_screen_a_portfolio(benchmark, book, catalog):
    assert benchmark(screen, book, catalog).rows.height
