"""Every real export and fixture beside the project reads to one frame, or is refused for a stated reason.

Skipped where the folder is not beside the project: nothing of it is shipped.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from exposure.content import find_content
from exposure.errors import HoldingsError
from exposure.portfolios.headers import read_header
from exposure.portfolios.holdings import Book, load_holdings
from exposure.portfolios.layouts import load_layouts
from exposure.portfolios.securities import OwnMaster, SecurityMaster, load_master

PROJECT = Path(__file__).parents[3]
SHARED = PROJECT.parent / "shared" / "data"
FOLDER = SHARED / "holdings"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="no shared data beside the project")

DAY = date(2025, 1, 24)
Load = Callable[..., Book]


@pytest.fixture(scope="module")
def master() -> SecurityMaster:
    return load_master(
        find_content(PROJECT),
        [
            OwnMaster(
                SHARED / "securities" / "ashare_master_20250910.csv", known_on=date(2021, 1, 1)
            ),
            OwnMaster(
                SHARED / "securities" / "hk_master_investpy_202201.csv", known_on=date(2021, 1, 1)
            ),
        ],
    )


@pytest.fixture
def load(master: SecurityMaster) -> Load:
    def read(name: str, as_of: date | None = DAY, **options: object) -> Book:
        return load_holdings(
            FOLDER / name,
            as_of=as_of,
            master=master,
            content=PROJECT,
            **options,  # type: ignore[arg-type]
        )

    return read


BROKERS = [
    "fixtures/synthetic_ths_excel_guard_gbk.csv",
    "fixtures/synthetic_ths_table.xls",
    "fixtures/synthetic_yinhe_client_gbk.txt",
    "fixtures/synthetic_huatai_utf8.txt",
    "fixtures/synthetic_leading_zero_lost_utf8sig.csv",
]


def test_one_portfolio_from_five_desks_is_one_frame(load: Load) -> None:
    frames = [
        load(name).holdings.select("listing_id", "issuer_id", "quantity", pl.col("value").round(0))
        for name in BROKERS
    ]
    assert frames[0].height == 12
    for name, frame in zip(BROKERS[1:], frames[1:], strict=True):
        assert frame.drop("value").equals(frames[0].drop("value")), name
        assert (frame["value"] - frames[0]["value"]).abs().max() <= 1, name  # type: ignore[operator]


def test_the_fund_table_counts_ten_thousands(load: Load) -> None:
    book = load("fixtures/synthetic_fund_portfolio_em_utf8.csv")
    assert book.holdings.height == 10
    assert book.cash_weight == pytest.approx(0.1488)
    assert book.holdings["quantity"].min() >= 10_000  # type: ignore[operator]


def test_the_issuers_file_keeps_its_header_over_its_small_sum(load: Load) -> None:
    book = load("fixtures/synthetic_ishares_15col.csv")
    assert set(book.holdings["listing_id"]) == {
        "0700.HK", "9988.HK", "300750.SZ", "688041.SH", "000977.SZ",
    }  # fmt: skip
    assert "coverage_below_one" in set(book.issues["rule"])


def test_the_index_providers_old_excel_file(load: Load) -> None:
    with pytest.raises(HoldingsError) as caught:
        load("csi300_closeweight_20250731_official.xls", None)
    assert [place.value for place in caught.value.places] == [
        "601989"
    ]  # delisted before the master's day
    book = load("csi300_closeweight_20250731_official.xls", None, allow_rejects=True)
    assert book.as_of == date(2025, 7, 31)
    assert book.holdings.height == 299
    weights = dict(book.holdings.select("listing_id", "weight").iter_rows())
    assert 100 * weights["688256.SH"] == pytest.approx(0.685, abs=0.005)
    again = load("csi300_constituents_20250821.csv", None, allow_rejects=True)
    assert dict(again.holdings.select("listing_id", "weight").iter_rows()) == pytest.approx(weights)


def test_one_code_in_every_row_and_a_list_without_amounts_are_refused(load: Load) -> None:
    with pytest.raises(HoldingsError, match="equal"):
        load("csi300_weights_20250821.csv")
    with pytest.raises(HoldingsError, match="no header"):
        load("hsi_constituents_20250530_multiline.csv")


# history → positions read, rows refused by name, on 2022-08-01
HISTORIES = {
    "ASHR": (198, 2),
    "ASHS": (197, 3),
    "CNYA": (198, 2),
    "MCHI": (152, 46),
    "CQQQ": (96, 16),
}


@pytest.mark.parametrize("fund", HISTORIES)
def test_a_history_reads_the_day_and_names_what_no_master_knows(load: Load, fund: str) -> None:
    name, day = f"etf_weight_history_2021_2022/{fund}.csv", date(2022, 8, 1)
    positions, refused = HISTORIES[fund]
    with pytest.raises(HoldingsError) as caught:
        load(name, day)
    assert caught.value.what.startswith(f"{fund}.csv: {refused} of")
    book = load(name, day, allow_rejects=True)
    assert book.holdings.height == positions
    assert book.holdings["weight"].sum() + book.cash_weight == pytest.approx(1)


def test_a_history_that_sums_above_everything_is_refused(load: Load) -> None:
    with pytest.raises(HoldingsError, match=r"sum to 105\.55"):
        load("etf_weight_history_2021_2022/KWEB.csv", date(2022, 8, 1), allow_rejects=True)


def test_every_known_header_names_a_security_and_an_amount() -> None:
    layouts = load_layouts(find_content(PROJECT))
    variants = json.loads((FOLDER / "header_variants.json").read_text(encoding="utf-8"))
    read = {
        variant["id"]: read_header(0, 0, [cell or None for cell in variant["headers"]], layouts)
        for variant in variants
        if variant["id"] != "stockanalysis_wide"  # a history: its header is codes
    }
    assert len(read) == 11
    assert {name for name, header in read.items() if not header.is_holdings} == set()
    assert {name: header.unknown for name, header in read.items() if header.unknown} == {}
