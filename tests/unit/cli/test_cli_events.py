"""``method events``: tables, the page, and faults in one line."""

import io
import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from exposure.scenarios.reading import load_catalog
from exposure.validation.event_example import example_names, example_prices

EVENTS = """
[[event]]
id = "list_1260h"
acts = ["US-2025-01-06-1260H"]
group = "report"
"""


@pytest.fixture(scope="module")
def catalog():
    return load_catalog()


@pytest.fixture(scope="module")
def written(tmp_path_factory, catalog):
    """Price files in two vendors' columns, and a protocol with one event and few draws."""
    folder = tmp_path_factory.mktemp("prices")
    closes, index_closes = example_prices(example_names(catalog))
    first = closes["listing_id"] < "300"
    closes.filter(first).rename({"listing_id": "wind_code"}).write_parquet(folder / "one.parquet")
    closes.filter(~first).rename({"listing_id": "ticker", "close": "close_adj"}).write_csv(
        folder / "two.csv"
    )
    index_closes.write_csv(folder / "indices.csv")
    text = catalog.root.read_toml("factors/validation/protocol.toml").text
    head = text.split("# --- events of the report")[0]
    head = head.replace("draws = 500", "draws = 40").replace(
        "first = 2020-01-02", "first = 2023-01-02"
    )
    (folder / "protocol.toml").write_text(head + EVENTS, encoding="utf-8")
    return folder


@pytest.fixture
def asked(ask, written):
    def call(*more, prices=("one.parquet", "two.csv"), market="indices.csv"):
        given = [part for name in prices for part in ("--prices", str(written / name))]
        rest = ["--market", str(written / market), "--protocol", str(written / "protocol.toml")]
        return ask("method", "events", *given, *rest, *more)

    return call


def test_the_tables_are_data_and_the_steps_are_talk(asked):
    code, out, err = asked()

    assert code == 0
    assert "list_1260h" in out
    assert "naive t, not to be quoted" in out
    assert "One event can't validate the model" in out
    assert "predict list_1260h as of 2025-01-05" in err
    assert "predict" not in out.split("\n")[0]


def test_json_holds_every_table_and_no_not_a_number(asked):
    code, out, err = asked("--format", "json", "-q")
    data = json.loads(out)

    assert (code, err) == (0, "")
    assert {"protocol", "counts", "events", "ranks", "pooled", "power", "sentence"} <= set(data)
    assert data["protocol"]["written_on"] == "2026-11-24"
    assert [row["day_zero"] for row in data["events"]] == ["2025-01-07"] * 2


@pytest.mark.parametrize("table", ["events", "ranks", "pooled", "power", "names"])
def test_csv_holds_the_table_that_is_asked_for(asked, table):
    code, out, _ = asked("--format", "csv", "--table", table, "-q")

    assert code == 0
    assert pl.read_csv(io.StringIO(out)).height > 0


def test_the_page_is_written_and_is_the_same_each_time(asked, tmp_path):
    for name in ("one.md", "two.md"):
        code, _, err = asked("--write", str(tmp_path / name))
        assert code == 0
        assert f"wrote {name}" in err

    page = (tmp_path / "one.md").read_text(encoding="utf-8")
    assert page == (tmp_path / "two.md").read_text(encoding="utf-8")
    assert "## 摘要" in page
    assert "not a true pre-registration" in page
    assert "Price files: one.parquet, two.csv, indices.csv." in page
    assert str(tmp_path) not in page


def test_the_market_of_the_command_line_is_used_and_said(asked):
    code, _, err = asked(market="indices.csv:930651")

    assert code == 0
    assert "market 930651 instead of 000300" in err


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"prices": ("gone.parquet",)}, "gone.parquet can't be read as prices: it does not exist"),
        ({"market": "gone.csv:000300"}, "gone.csv can't be read as prices"),
        ({"market": "two.csv"}, "two.csv has no column index_code"),
        ({"market": "indices.csv:000999"}, "the index closes hold no 000999"),
        ({"prices": ("indices.csv",)}, "indices.csv has no column listing_id"),
        ({"prices": ("two.csv", "two.csv")}, "twice"),
    ],
)
def test_a_fault_is_one_line_and_exit_3(asked, given, words):
    code, out, err = asked("-q", **given)

    assert (code, out) == (3, "")
    assert words in err
    assert err.strip().count("\n") == 0


def test_prices_and_market_of_other_days_are_one_line_and_exit_3(ask, written, tmp_path, catalog):
    _, index_closes = example_prices(["000977.SZ"], first=date(2010, 1, 1), last=date(2010, 3, 1))
    index_closes.write_csv(tmp_path / "old.csv")
    prices = ["--prices", str(written / "one.parquet"), "--prices", str(written / "two.csv")]

    code, out, err = ask("method", "events", *prices, "--market", str(tmp_path / "old.csv"), "-q")

    assert (code, out) == (3, "")
    assert "have no two days in common" in err
    assert err.strip().count("\n") == 0


@pytest.mark.parametrize("more", [("--table", "x"), ("--format", "x")])
def test_an_unknown_word_is_a_usage_error(asked, more):
    assert asked(*more)[0] == 2


def test_the_market_may_be_a_path_with_a_colon():
    from exposure.cli.events import market_file

    assert market_file("C:/data/indices.csv") == (Path("C:/data/indices.csv"), None)
    assert market_file("C:/data/indices.csv:H30184") == (Path("C:/data/indices.csv"), "H30184")
