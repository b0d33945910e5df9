"""A whole screening list of 26,000 entries, read, kept and compared: run by make bench, never a pass or fail.

Bar of the project: imported under 2 s.
"""

from dataclasses import replace
from datetime import date

import polars as pl
import pytest

from exposure.lists.snapshot import changes
from exposure.lists.sources.reading import read_list_files
from exposure.lists.store import Store
from tests.official_lists import csv_edition, json_edition, synthetic_records

DAY = date(2026, 7, 31)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("csl")
    records = synthetic_records()
    for name, content in (("csv", csv_edition(records)), ("json", json_edition(records))):
        (folder / f"consolidated.{name}").write_bytes(content)
    return folder


def read(path):
    (snapshot,) = read_list_files(path, read_on=DAY, edition_date=DAY)
    return snapshot


@pytest.mark.benchmark(group="lists")
@pytest.mark.parametrize("layout", ["csv", "json"])
def test_bench_read_the_screening_list(benchmark, files, layout):
    snapshot = benchmark.pedantic(
        read, (files / f"consolidated.{layout}",), rounds=5, warmup_rounds=1
    )

    assert snapshot.rows.height == 26_000


@pytest.mark.benchmark(group="lists")
def test_bench_compare_two_editions(benchmark, files):
    snapshot = read(files / "consolidated.csv")

    assert benchmark(changes, snapshot, snapshot).added.is_empty()


@pytest.mark.benchmark(group="lists")
def test_bench_newest_edition_from_the_store(benchmark, files, tmp_path):
    store = Store(tmp_path)
    snapshot = read(files / "consolidated.csv")
    renamed = snapshot.rows.with_columns(pl.lit("MEU").alias("list_id"))
    store.add(replace(snapshot, rows=renamed))  # a list without canaries: these names are made up

    assert benchmark(store.newest, "MEU", DAY).rows.height == 26_000
