"""The shipped sample is what its README says, and reading it stays light."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from exposure.portfolios.holdings import load_holdings

PROJECT = Path(__file__).parents[3]
SAMPLE = PROJECT / "portfolios" / "ai-servers"


def test_the_sample_is_invested_without_a_dominating_position() -> None:
    book = load_holdings(SAMPLE / "holdings.csv", as_of=date(2025, 1, 24), content=PROJECT)
    assert book.name == "ai-servers"
    assert book.holdings.height == 11
    assert book.nav == pytest.approx(500e6, rel=1e-3)
    assert book.cash_weight == pytest.approx(0.03, abs=0.005)
    assert book.holdings["weight"].max() < 0.16  # type: ignore[operator]
    assert set(book.issues["severity"]) == {"info"}


def test_the_sample_benchmark_follows_its_stated_rule() -> None:
    book = load_holdings(SAMPLE / "holdings.csv", as_of=date(2025, 1, 24), content=PROJECT)
    assert book.benchmark is not None
    weights = book.benchmark["weight"].round(6).to_list()
    assert {weight: weights.count(weight) for weight in set(weights)} == {
        0.05: 8,
        0.0175: 20,
        0.0125: 20,
    }


def test_reading_a_csv_loads_no_workbook_reader() -> None:
    code = (
        "import sys, datetime\n"
        "from exposure.portfolios.holdings import load_holdings\n"
        "load_holdings(sys.argv[1], as_of=datetime.date(2025, 1, 24), content=sys.argv[2])\n"
        "print([m for m in ('openpyxl', 'narwhals', 'pandas', 'fastexcel') if m in sys.modules])\n"
    )
    command = [sys.executable, "-c", code, str(SAMPLE / "holdings.csv"), str(PROJECT)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
