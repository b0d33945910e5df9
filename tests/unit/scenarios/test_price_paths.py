"""Days at the price limit: an A-share falls a step a day, and nobody can sell on the way."""

from datetime import date

import polars as pl
import pytest

from exposure.portfolios.trading_rules import load_trading_rules
from exposure.scenarios.price_paths import LONGEST, days_at_limit, limit_path, price_paths


@pytest.mark.parametrize(
    ("ret", "limit", "path"),
    [
        (-0.05, 0.10, [-0.05]),
        (-0.10, 0.10, [-0.10]),
        (-0.19, 0.10, [-0.10, -0.19]),
        (-0.25, 0.20, [-0.20, -0.25]),
        (0.25, 0.10, [0.10, 0.21, 0.25]),
        (-0.60, None, [-0.60]),
        (0.0, 0.10, [0.0]),
    ],
)
def test_the_path_by_hand(ret, limit, path):
    assert limit_path(ret, limit) == pytest.approx(path)


def test_a_path_ends_where_the_scenario_says_unless_all_is_lost():
    assert limit_path(-0.999, 0.10)[-1] > -1.0
    assert len(limit_path(-1.0, 0.10)) == LONGEST
    assert days_at_limit(-1.0, 0.10) == LONGEST
    for ret in (-0.9, -0.4, 0.3, 2.0):
        assert limit_path(ret, 0.10)[-1] == pytest.approx(ret)
        assert len(limit_path(ret, 0.10)) - days_at_limit(ret, 0.10) in (0, 1)


def test_two_limit_downs_of_inspur_are_two_days(catalog):
    """2023-03-03 and the next trading day: −10.0% twice, then +1.4%; the model can only say −19%."""
    assert days_at_limit(-0.19, 0.10) == 2


def test_each_board_has_its_own_limit_and_hong_kong_none(shock):
    rows = {
        row["listing_id"]: row
        for row in shock.paths.filter(
            (pl.col("scenario_id") == "foundry_16nm_cut") & (pl.col("severity") == "high")
        ).iter_rows(named=True)
    }

    assert rows["000977.SZ"]["daily_limit"] == 0.10
    assert rows["688041.SH"]["daily_limit"] == 0.20
    assert rows["0992.HK"]["daily_limit"] is None
    assert rows["0992.HK"]["limit_days"] == 0
    for row in rows.values():
        if row["daily_limit"] is not None and row["ret"] is not None:
            assert abs(row["first_day"]) <= row["daily_limit"] + 1e-12


def test_an_unknown_return_has_no_path(catalog, root):
    positions = pl.DataFrame(
        {"scenario_id": ["s"], "severity": ["base"], "listing_id": ["000977.SZ"], "ret": [None]},
        schema_overrides={"ret": pl.Float64},
    )
    found = price_paths(
        positions, {"000977.SZ": "main"}, load_trading_rules(root), date(2025, 1, 24)
    )

    assert found["days"].to_list() == [None]
