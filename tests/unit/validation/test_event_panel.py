"""Prices become returns without filling, and what can't be read is said in one line."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from exposure.content import find_content
from exposure.errors import HoldingsError
from exposure.portfolios.trading_rules import load_trading_rules
from exposure.validation.event_models import (
    Estimation,
    abnormal_returns,
    mean_correlation,
    others_mean,
    rank_ics,
    residuals_before,
)
from exposure.validation.event_panel import read_closes, return_panel
from exposure.validation.events import event_study, mean_residual_correlation, rank_ic

DAYS = [date(2024, 12, 2) + timedelta(days=n) for n in range(5)]
INDEX = pl.DataFrame(
    {"index_code": ["000300"] * 5, "date": DAYS, "close": [1.0, 1.1, 1.2, 1.1, 1.0]}
)
RNG = np.random.default_rng(4)
M = RNG.normal(0, 0.01, 400)
R = M[:, None] * RNG.uniform(0.5, 1.5, 6) + RNG.normal(0, 0.02, (400, 6))
NAMES = [f"60000{n}.SH" for n in range(6)]
FIT = Estimation(-140, -21, 80)


def closes(name="600000.SH", values=(10.0, 10.5, 10.4, 10.6, 10.7)):
    return pl.DataFrame({"listing_id": [name] * 5, "date": DAYS, "close": list(values)})


@pytest.mark.parametrize("code", ["wind_code", "listing_id", "ticker"])
@pytest.mark.parametrize("close", ["close", "close_adj"])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_each_vendors_columns_read_to_one_table(tmp_path, code, close, kind):
    frame = closes().rename({"listing_id": code, "close": close})
    file = tmp_path / f"prices.{kind}"
    frame.write_csv(file) if kind == "csv" else frame.write_parquet(file)

    read = read_closes([file])

    assert read.columns == ["listing_id", "date", "close"]
    assert read.rows() == closes().rows()


def test_categories_datetimes_and_short_floats_read_as_well(tmp_path):
    frame = closes().with_columns(
        pl.col("listing_id").cast(pl.Categorical),
        pl.col("date").cast(pl.Datetime),
        pl.col("close").cast(pl.Float32),
    )
    frame.write_parquet(tmp_path / "prices.parquet")

    assert read_closes([tmp_path / "prices.parquet"])["close"].to_list() == pytest.approx(
        closes()["close"].to_list()
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("code,date,close\nA,2024-12-02,1\n", "has no column listing_id or wind_code or ticker"),
        ("ticker,day,close\nA,2024-12-02,1\n", "has no column date"),
        ("ticker,date,price\nA,2024-12-02,1\n", "has no column close or close_adj"),
        ("ticker,date,close\nA,02.12.2024,1\n", "date"),
        ("ticker,date,close\nA,2024-12-02,ten\n", "is not a number"),
        ("ticker,date,close\nA,2024-12-02,1\nA,2024-12-02,2\n", "twice"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(tmp_path, text, words):
    file = tmp_path / "prices.csv"
    file.write_text(text)

    with pytest.raises(HoldingsError, match=words) as fault:
        read_closes([file])
    assert "\n" not in fault.value.render()
    assert "prices.csv" in fault.value.what


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(
        HoldingsError, match=r"gone\.parquet can't be read as prices: it does not exist"
    ):
        read_closes([tmp_path / "gone.parquet"])


def test_a_suspension_loses_the_return_on_both_sides_and_is_never_filled():
    panel = return_panel(
        pl.concat([closes(), closes("600001.SH", (10.0, 10.1, None, 10.2, 10.3))]), INDEX
    )

    assert panel.names == ("600000.SH", "600001.SH")
    assert np.isfinite(panel.returns).tolist() == [
        [True, True],
        [True, False],
        [True, False],
        [True, True],
    ]


def test_a_close_at_the_limit_is_flagged_and_one_beyond_it_left_out():
    rules = load_trading_rules(find_content())
    both = pl.concat(
        [
            closes(values=(10.0, 11.0, 11.1, 11.0, 11.1)),  # main board: 10% up
            closes("688041.SH", (10.0, 11.0, 11.1, 14.0, 14.1)),  # STAR: 26% is no ordinary day
        ]
    )

    panel = return_panel(both, INDEX, rules=rules)

    assert panel.at_limit[:, 0].tolist() == [True, False, False, False]
    assert not panel.at_limit[:, 1].any()
    assert panel.beyond_limit == 1
    assert np.isnan(panel.returns[2, 1])


def test_days_without_any_mainland_close_are_no_trading_days():
    index = pl.concat(
        [
            INDEX,
            pl.DataFrame({"index_code": ["000300"], "date": [date(2024, 12, 7)], "close": [1.0]}),
        ]
    )

    assert return_panel(closes(), index).days == tuple(DAYS[1:])


@pytest.mark.parametrize(
    ("market", "shift", "words"),
    [("H30184", 0, "hold no H30184; they hold 000300"), ("000300", 4000, "no two days in common")],
)
def test_prices_and_market_must_meet(market, shift, words):
    moved = closes().with_columns(pl.col("date") + timedelta(days=shift))

    with pytest.raises(HoldingsError, match=words):
        return_panel(moved, INDEX, market=market)


def test_the_first_day_after_the_end_is_refused():
    panel = return_panel(closes(), INDEX)

    assert panel.first_after(DAYS[1]) == 1
    with pytest.raises(HoldingsError, match="prices end on 2024-12-06"):
        panel.first_after(DAYS[4])


def test_many_windows_at_once_agree_with_one_at_a_time():
    """The cumulated sums against the plain single-name function."""
    out = abnormal_returns(R, [M], [200, 333], [(0, 2), (0, 5)], FIT)

    for d, day in enumerate((200, 333)):
        for name in range(6):
            for window in ((0, 2), (0, 5)):
                one = event_study(M, R[:, name], day, window=window)
                assert out.cars[window][d, name] == pytest.approx(one.car, abs=1e-12)


def test_days_after_the_event_and_excluded_days_enter_no_fit():
    spoiled = R.copy()
    spoiled[206:] += 5.0
    spoiled[100:110] += 5.0
    excluded = np.zeros(400, dtype=bool)
    excluded[100:110] = True

    clean = abnormal_returns(R, [M], [200], [(0, 5)], FIT, excluded)
    dirty = abnormal_returns(spoiled, [M], [200], [(0, 5)], FIT, excluded)

    assert dirty.cars[(0, 5)] == pytest.approx(clean.cars[(0, 5)], abs=1e-9)
    assert clean.days[0].tolist() == [110] * 6


def test_a_name_without_a_close_in_the_window_or_enough_days_has_no_return():
    holes = R.copy()
    holes[201, 0] = np.nan
    holes[60:150, 1] = np.nan

    car = abnormal_returns(holes, [M], [200], [(0, 2)], FIT).cars[(0, 2)][0]

    assert np.isnan(car[:2]).all()
    assert np.isfinite(car[2:]).all()


def test_the_mean_of_the_others_takes_out_what_moves_all():
    common = RNG.normal(0, 0.02, 400)
    moved = R + common[:, None]
    others = others_mean(moved, NAMES)

    assert others[10, 0] == pytest.approx(moved[10, 1:].mean())
    car = abnormal_returns(moved, [M, others], [200, 250, 300], [(0, 2)], FIT).cars[(0, 2)]
    alone = abnormal_returns(moved, [M], [200, 250, 300], [(0, 2)], FIT).cars[(0, 2)]
    assert np.abs(car.mean(axis=1)).max() < np.abs(alone.mean(axis=1)).max() / 3


def test_the_others_are_those_of_the_same_market():
    names = [*NAMES[:5], "0700.HK", "0981.HK", "0992.HK", "1810.HK", "9988.HK"]
    moved = np.arange(20.0).reshape(2, 10)

    assert others_mean(moved, names)[0, 9] == pytest.approx(np.mean([5, 6, 7, 8]))
    assert others_mean(moved[:, :6], names[:6])[0, 5] == pytest.approx(np.mean([0, 1, 2, 3, 4]))


def test_residuals_give_the_deviation_and_correlation_of_the_fit():
    residuals, deviation = residuals_before(R, [M], 200, FIT)
    rows = slice(60, 180)
    design = np.column_stack([np.ones(120), M[rows]])
    expected = R[rows] - design @ np.linalg.lstsq(design, R[rows], rcond=None)[0]

    assert residuals == pytest.approx(expected)
    assert deviation == pytest.approx(np.sqrt((expected**2).sum(axis=0) / 118))
    assert mean_correlation(residuals) == pytest.approx(mean_residual_correlation(residuals))


def test_ranks_of_many_days_agree_with_one_at_a_time():
    predicted = np.append(RNG.normal(size=9), np.nan)
    predicted[3] = predicted[4]
    actual = RNG.normal(size=(20, 10))
    actual[RNG.random((20, 10)) < 0.2] = np.nan

    together = rank_ics(predicted, actual)

    for row, value in zip(actual, together, strict=True):
        assert value == pytest.approx(rank_ic(predicted, row), nan_ok=True)
    assert np.isnan(rank_ics(predicted, actual, minimum_names=10)).all()
    assert np.isnan(rank_ics(np.ones(10), actual)).all()
    assert np.isnan(rank_ics(np.full(10, np.nan), actual)).all()
