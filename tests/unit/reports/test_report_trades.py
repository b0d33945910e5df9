"""The file for the desk: codes and numbers only, blocked orders left out."""

from __future__ import annotations

import csv
import io
from datetime import date

import polars as pl
import pytest

from exposure.errors import UsageError
from exposure.reports.trades import COLUMNS, trades_text, write_trades
from tests.unit.reports.sample_run import sample_run

DAY = date(2025, 1, 24)


@pytest.fixture
def trades() -> pl.DataFrame:
    return sample_run().plan.trades


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_orders_carry_the_columns_of_the_desk(trades):
    found = rows(trades_text(trades, as_of=DAY, portfolio="ai-servers"))
    assert tuple(found[0]) == COLUMNS
    assert found[0]["client_order_id"] == "20250124-001"
    assert found[0]["side"] == "SELL"
    assert found[0]["exchange"] == "XSHE"
    assert {row["exchange"] for row in found} == {"XSHE", "XSHG", "XHKG"}
    hong_kong = next(row for row in found if row["exchange"] == "XHKG")
    assert float(hong_kong["notional_local"]) * 0.93 == pytest.approx(
        float(hong_kong["notional_base"]), rel=1e-6
    )


def test_blocked_orders_are_left_out(trades):
    blocked = trades.filter(pl.col("blocked").is_not_null())["listing_id"].to_list()
    assert blocked == ["9902.HK"]
    assert "9902.HK" not in trades_text(trades, as_of=DAY, portfolio="ai-servers")


@pytest.mark.parametrize(
    "evil", ["=cmd|'/c calc'!A1", "+1", "-1", "@x", "\t=1", "\uff1d1", "a\r\n=1"]
)
def test_no_cell_can_become_a_formula(trades, evil):
    hostile = trades.with_columns(reason_code=pl.lit(evil), currency=pl.lit(evil))
    text = trades_text(hostile, as_of=DAY, portfolio=evil)
    for row in csv.reader(io.StringIO(text)):
        assert len(row) == len(COLUMNS)
        for cell in row:
            assert not cell.startswith(("=", "+", "@", "\t", "\r", "\uff1d"))
            assert not cell.startswith("-")


def test_excel_knows_the_encoding_and_the_desk_may_choose(trades, tmp_path):
    path = write_trades(trades, tmp_path / "trades.csv", as_of=DAY, portfolio="组合")
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    other = write_trades(
        trades, tmp_path / "gb.csv", as_of=DAY, portfolio="组合", encoding="gb18030"
    )
    assert "组合" in other.read_bytes().decode("gb18030")
    with pytest.raises(UsageError, match="encoding"):
        write_trades(trades, tmp_path / "x.csv", as_of=DAY, portfolio="x", encoding="latin-1")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["gb.csv", "trades.csv"]


def test_no_orders_make_a_file_with_headings_only(trades):
    assert trades_text(trades.clear(), as_of=DAY, portfolio="x").count("\r\n") == 1
