"""Figures of a portfolio from scores of positions, by hand."""

import math

import numpy as np
import pytest

from exposure.factors import aggregation

W, X = [0.5, 0.3, 0.2], [0.8, 0.4, 0.1]


def test_exposure_is_the_weighted_sum():
    assert aggregation.exposure(W, X) == pytest.approx(0.4 + 0.12 + 0.02)


def test_a_missing_score_is_never_zero():
    assert math.isnan(aggregation.exposure(W, [0.8, math.nan, 0.1]))


def test_active_exposure_is_against_the_benchmark():
    assert aggregation.active_exposure(W, [0.2, 0.3, 0.5], X) == pytest.approx(
        0.3 * 0.8 - 0.3 * 0.1
    )


def test_shares_add_to_one_and_a_short_takes_away():
    shares = aggregation.euler_shares([0.5, -0.25], [0.8, 0.4])

    assert shares == pytest.approx([0.4 / 0.3, -0.1 / 0.3])
    assert shares.sum() == pytest.approx(1.0)


def test_nobody_has_a_share_of_nothing():
    assert np.isnan(aggregation.euler_shares([0.5, -0.5], [0.4, 0.4])).all()


def test_a_short_swaps_the_ends_of_its_interval():
    low, high = aggregation.exposure_interval([1.0, -0.5], [0.2, 0.2], [0.4, 0.6])

    assert (low, high) == pytest.approx((0.2 - 0.3, 0.4 - 0.1))


def test_a_ninety_percent_interval_is_3_2897_standard_deviations_wide():
    assert aggregation.sd_from_interval([0.0], [3.2897072539]) == pytest.approx([1.0], abs=1e-9)


@pytest.mark.parametrize(
    ("rho", "mixed"), [(0.0, 0.5), (1.0, 0.7), (0.3, math.sqrt(0.7 * 0.25 + 0.3 * 0.49))]
)
def test_bands_run_from_independent_to_common_errors(rho, mixed):
    bands = aggregation.uncertainty_bands([0.6, -0.8], [0.5, 0.5], rho)

    assert (bands.independent, bands.common) == pytest.approx((0.5, 0.7))
    assert bands.mixed == pytest.approx(mixed)


def test_concentration_of_a_load_of_three_to_one():
    found = aggregation.upstream_concentration([0.5, 0.5], [[1.0, 0.0], [0.5, 0.5]])

    assert found.load.tolist() == [0.75, 0.25]
    assert found.hhi == pytest.approx(0.625)
    assert found.effective == pytest.approx(1.6)
    assert found.effective_entropy == pytest.approx(0.75**-0.75 * 0.25**-0.25)


def test_a_portfolio_that_traces_nowhere_has_no_concentration():
    found = aggregation.upstream_concentration([0.5, 0.5], np.zeros((2, 3)))

    assert found.load.tolist() == [0, 0, 0]
    assert math.isnan(found.hhi)
    assert math.isnan(found.effective)


def test_effective_holdings_dilute_with_cash():
    assert aggregation.effective_holdings([0.25] * 4) == 4.0
    assert (
        aggregation.effective_holdings([0.25] * 2) == 8.0
    )  # half is cash: weights aren't rescaled
    assert math.isnan(aggregation.effective_holdings([0.0]))


def test_lengths_must_match():
    with pytest.raises(ValueError, match="one length"):
        aggregation.exposure([0.5, 0.5], [0.1])
    with pytest.raises(ValueError, match="2 rows"):
        aggregation.upstream_concentration([0.5, 0.5], [[1.0]])
