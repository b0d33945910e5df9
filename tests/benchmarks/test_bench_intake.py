"""How long holdings take from file to book: 300 rows and a million. Run by make bench, never a pass or fail."""

import random
from datetime import date

import pytest

DAY = date(2025, 1, 24)


def _write(path, catalog, rows):
    names = dict(catalog.master.issuers.select("issuer_id", "name_zh").iter_rows())
    listings = [
        (listing, names[issuer])
        for listing, issuer in catalog.master.listings.select("listing_id", "issuer_id").iter_rows()
        if listing.endswith((".SZ", ".SH"))
    ]
    rng = random.Random(1)
    prices = {listing: round(rng.uniform(5, 300), 2) for listing, _ in listings}
    with path.open("w", encoding="utf-8") as stream:
        stream.write("证券代码,证券名称,股票余额,市价,市值\n")
        for at in range(rows):
            listing, name = listings[at % len(listings)]
            quantity = rng.randint(1, 500) * 100
            price = prices[listing]
            stream.write(f"{listing[:6]},{name},{quantity},{price},{quantity * price:.2f}\n")
    return path


@pytest.mark.benchmark(group="intake")
@pytest.mark.parametrize("rows", [300, 1_000_000])
def test_bench_load_holdings(benchmark, catalog, tmp_path, rows):
    from exposure.portfolios.holdings import load_holdings

    path = _write(tmp_path / "week.csv", catalog, rows)
    book = benchmark(load_holdings, path, as_of=DAY)

    assert book.holdings["quantity"].sum() > 0
    assert book.issues.filter(book.issues["severity"] == "error").is_empty()


@pytest.mark.benchmark(group="intake")
def test_bench_only_split_the_text(benchmark, catalog, tmp_path):
    """The floor: the same million rows through polars' own reader, nothing checked."""
    import polars as pl

    path = _write(tmp_path / "week.csv", catalog, 1_000_000)

    assert benchmark(pl.read_csv, path, infer_schema=False).height == 1_000_000
