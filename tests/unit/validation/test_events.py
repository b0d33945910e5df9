"""Event studies by hand, and the honesty of their errors."""

import numpy as np
import pytest
from scipy import stats

from exposure.errors import UsageError
from exposure.validation.events import (
    car_standard_error,
    event_return,
    event_study,
    group_test,
    market_model,
    mean_residual_correlation,
    minimum_detectable,
    placebo_p_value,
    rank_ic,
    rank_ic_detectable,
    rank_ic_standard_error,
)

RNG = np.random.default_rng(20250124)
MARKET = RNG.normal(0.0, 0.01, 300)
NOISE = RNG.normal(0.0, 0.02, 300)
STOCK = 0.001 + 1.3 * MARKET + NOISE


def test_the_line_is_that_of_least_squares():
    model = market_model(MARKET, STOCK)
    reference = stats.linregress(MARKET, STOCK)

    assert (model.alpha, model.beta) == pytest.approx((reference.intercept, reference.slope))
    assert model.s2 == pytest.approx(np.sum(model.residuals**2) / 298)
    assert model.residuals.sum() == pytest.approx(0.0, abs=1e-12)


def test_a_single_day_has_the_textbook_prediction_error():
    model = market_model(MARKET, STOCK)
    centre = MARKET - MARKET.mean()
    expected = model.s2 * (1 + 1 / 300 + (0.05 - MARKET.mean()) ** 2 / (centre @ centre))

    out = event_return(model, [0.05], [0.0])

    assert out.variance == pytest.approx(expected)
    assert out.t == pytest.approx(out.car / np.sqrt(expected))


def test_a_perfect_fit_has_no_error():
    model = market_model([0.0, 0.5, 1.0], [0.0, 0.5, 1.0])

    assert event_return(model, [0.0], [-0.5]).t < -1e9


def test_the_study_uses_only_days_before_the_event():
    later = STOCK.copy()
    later[200:] += 5.0

    before = event_study(MARKET, STOCK, 150)
    after = event_study(MARKET, later, 150)

    assert before.car == after.car
    assert before.variance == after.variance


def test_the_estimation_stops_three_weeks_before():
    leaked = STOCK.copy()
    leaked[130:150] = 9.9

    assert event_study(MARKET, leaked, 150).car == event_study(MARKET, STOCK, 150).car


def test_suspended_days_are_left_out_of_the_estimation():
    gaps = STOCK.copy()
    gaps[40:60] = np.nan
    keep = np.r_[10:40, 60:130]
    model = market_model(MARKET[keep], STOCK[keep])

    out = event_study(MARKET, gaps, 150, window=(0, 0))

    assert out.car == pytest.approx(STOCK[150] - model.alpha - model.beta * MARKET[150])


@pytest.mark.parametrize(
    ("day", "change", "words"),
    [
        (50, {}, "are needed"),
        (299, {}, "leaves the series"),
        (150, {151: np.nan}, "missing"),
    ],
)
def test_a_study_without_its_days_is_refused(day, change, words):
    stock = STOCK.copy()
    for at, value in change.items():
        stock[at] = value

    with pytest.raises(UsageError, match=words):
        event_study(MARKET, stock, day)


@pytest.mark.parametrize(
    ("market", "stock", "words"),
    [
        ([0.0, 0.1], [0.0, 0.1], "three days"),
        ([0.1, 0.1, 0.1], [0.0, 0.1, 0.2], "didn't move"),
        ([0.0, np.nan, 0.1], [0.0, 0.1, 0.2], "missing"),
    ],
)
def test_no_line_through_nothing(market, stock, words):
    with pytest.raises(UsageError, match=words):
        market_model(market, stock)
    with pytest.raises(ValueError, match="alike"):
        market_model([0.1], [0.1, 0.2])
    with pytest.raises(ValueError, match="alike"):
        event_study([0.1], [0.1, 0.2], 0)


def test_correlation_takes_the_stars_off_a_group():
    """The measured case: 62 names whose residuals correlate by .316 shrink t by 4.5."""
    cars = np.full(62, 0.0272)

    out = group_test(cars, 0.0272, 3, 0.316)

    assert out.naive_t / out.adjusted_t == pytest.approx(np.sqrt(1 + 61 * 0.316))
    assert abs(out.adjusted_t) < 1.96 < abs(out.naive_t)


def test_one_name_has_no_spread():
    assert np.isnan(group_test([0.1], 0.01, 1, 0.0).spread)


def test_the_mean_correlation_leaves_out_the_diagonal():
    common = RNG.normal(size=(4000, 1))
    residuals = np.sqrt(0.3) * common + np.sqrt(0.7) * RNG.normal(size=(4000, 5))

    assert mean_residual_correlation(residuals) == pytest.approx(0.3, abs=0.03)
    with pytest.raises(UsageError, match="two names"):
        mean_residual_correlation([[0.1], [0.2]])


def test_the_error_of_simulated_group_means():
    draws = RNG.multivariate_normal(
        np.zeros(4), 0.0004 * (0.7 * np.eye(4) + 0.3), size=(20_000, 3)
    ).sum(axis=1)

    assert draws.mean(axis=1).std() == pytest.approx(
        car_standard_error(4, 1, 0.02, 3, 0.3), rel=0.03
    )


def test_a_wanted_power_costs_a_larger_effect():
    assert minimum_detectable(0.01) == pytest.approx(0.0280159, abs=1e-7)
    assert minimum_detectable(0.01, power=0.9) > minimum_detectable(0.01)
    assert minimum_detectable(0.01, size=0.01) > minimum_detectable(0.01)


@pytest.mark.parametrize(
    ("names", "events", "sd", "rho"),
    [(0, 1, 0.1, 0.0), (5, 0, 0.1, 0.0), (5, 1, 0.0, 0.0), (5, 1, 0.1, -0.5)],
)
def test_impossible_studies_are_refused(names, events, sd, rho):
    with pytest.raises(UsageError):
        car_standard_error(names, events, sd, 3, rho)


def test_the_rank_correlation_is_spearmans():
    a, b = RNG.normal(size=30), RNG.normal(size=30)
    with_gaps = np.append(a, np.nan)

    assert rank_ic(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    assert rank_ic(with_gaps, np.append(b, 1.0)) == pytest.approx(rank_ic(a, b))


@pytest.mark.parametrize(("a", "b"), [([1, 2], [1, 2]), ([1, 1, 1], [1, 2, 3])])
def test_no_rank_correlation_without_an_order(a, b):
    assert np.isnan(rank_ic(a, b))


def test_twelve_names_and_one_event_prove_little():
    assert rank_ic_detectable(12, 1) > 0.8
    assert rank_ic_detectable(60, 20) < 0.1
    with pytest.raises(UsageError, match="at least two"):
        rank_ic_standard_error(1, 1)


def test_the_placebo_counts_itself():
    assert placebo_p_value(9.0, np.zeros(499)) == pytest.approx(1 / 500)
    assert placebo_p_value(0.0, [0.1, np.nan, -0.1]) == 1.0
