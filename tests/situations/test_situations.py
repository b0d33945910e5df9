"""Runs the cases of the TOML files in this folder on the sample portfolio of 2025-01-24.

If one fails, a portfolio manager would see a loser where a winner is expected, or the other way round.
"""

import tomllib
from pathlib import Path

import polars as pl
import pytest

FILES = sorted(Path(__file__).parent.glob("*.toml"))
CASES = [case for file in FILES for case in tomllib.loads(file.read_text(encoding="utf-8"))["case"]]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_situation(case, shock):
    rows = shock.positions.filter(
        (pl.col("scenario_id") == case["scenario"])
        & (pl.col("severity") == case.get("severity", "base"))
    )
    by_listing = {row["listing_id"]: row for row in rows.iter_rows(named=True)}
    for expect in case["expect"]:
        field = expect["field"]
        got = by_listing[expect["listing"]][field]
        if expect["is"] == "text":
            assert got == expect["text"]
            continue
        than = expect.get("than")
        other = (by_listing[than][field] or 0.0) if than else expect["value"]
        got = got or 0.0
        if expect["is"] == "above":
            assert got > other
        elif expect["is"] == "below":
            assert got < other
        else:
            assert got == pytest.approx(other, abs=expect["tolerance"])
