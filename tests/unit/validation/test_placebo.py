"""Placebo dates keep away from events, and their p-values are honest."""

import numpy as np
import pytest

from exposure.errors import HoldingsError
from exposure.validation.event_models import rank_ics
from exposure.validation.events import placebo_p_value
from exposure.validation.placebo import clusters_of, draw_placebos, eligible_days, pooled


def test_placebo_windows_never_touch_a_window_of_an_act():
    events = [100, 102, 300]
    days = eligible_days(500, 50, events, 5, 5, np.ones(500))
    drawn = draw_placebos(events, clusters_of(events, 5), days, 150, seed=1)

    for day in drawn.ravel():
        for event in events:
            assert abs(day - event) > 10
    assert drawn.min() >= 50
    assert drawn.max() + 5 < 500


def test_a_draw_repeats_no_day_and_the_same_seed_draws_the_same():
    days = np.arange(50, 300)
    one = draw_placebos([400, 403], [0, 0], days, 100, seed=1)

    assert len(set(one[:, 0])) == 100
    assert (one[:, 1] - one[:, 0] == 3).all()
    assert np.array_equal(one, draw_placebos([400, 403], [0, 0], days, 100, seed=1))
    assert not np.array_equal(one, draw_placebos([400, 403], [0, 0], days, 100, seed=2))


def test_too_few_days_are_refused_in_one_line():
    with pytest.raises(HoldingsError, match=r"only 20 days .* 500 are needed"):
        draw_placebos([400], [0], np.arange(20), 500, seed=1)


def test_windows_that_touch_are_one_cluster_whatever_their_order():
    assert clusters_of([30, 10, 12, 14, 33], 2) == (1, 0, 0, 0, 2)
    assert clusters_of([30, 10, 12, 14, 33], 3) == (1, 0, 0, 0, 1)


def test_events_of_a_cluster_count_as_one():
    """Four copies of one number know as much as one."""
    null = np.random.default_rng(1).normal(size=(500, 6))
    apart = pooled([0.1, 0.3, 0.2, 0.4, 0.1, 0.1], range(6), null)
    together = pooled([0.4, 0.4, 0.4, 0.1, 0.1, 0.1], [0, 0, 0, 1, 1, 1], null)

    assert apart.clusters == 6
    assert apart.se == pytest.approx(np.std([0.1, 0.3, 0.2, 0.4, 0.1, 0.1], ddof=1) / np.sqrt(6))
    assert together.clusters == 2
    assert together.se == pytest.approx(0.15)


def test_an_event_without_a_statistic_is_left_out_of_both_sides():
    null = np.zeros((9, 2))
    null[:, 1] = 5.0

    out = pooled([0.2, np.nan], [0, 1], null)

    assert (out.mean, out.events, out.clusters) == (0.2, 1, 1)
    assert out.p_placebo == pytest.approx(0.1)
    assert np.isnan(out.se)
    assert pooled([np.nan], [0], np.zeros((9, 1))).events == 0


def test_p_values_of_noise_are_uniform():
    """200 worlds without a signal: a p below .1 in a tenth of them, and half of them below a half."""
    found = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        predicted = rng.normal(size=40)
        actual = rng.normal(size=(200, 40)) + rng.normal(size=(200, 1))
        ics = rank_ics(predicted, actual)
        found.append(placebo_p_value(ics[0], ics[1:]))

    assert np.mean(np.array(found) < 0.1) == pytest.approx(0.1, abs=0.05)
    assert np.mean(np.array(found) < 0.5) == pytest.approx(0.5, abs=0.1)
