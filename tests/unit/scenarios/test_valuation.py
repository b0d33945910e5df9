"""Revenue to price: the published cases, intervals, and what forced sellers do."""

import math

import numpy as np
import pytest

from exposure.errors import ScenarioError
from exposure.scenarios.valuation import (
    duration_weights,
    forced_selling,
    price_bridge,
)

# dR, contribution margin, EBIT margin, growth, discount, years, EV/Eq -> leverage, earnings, weight, price
INSPUR = (5.384615384615384, -0.5384615384615384)
CASES = [
    (-0.1, 0.077, 0.0143, 0.04, 0.1, 1, 1.0, *INSPUR, 0.054545454545454564, -0.02937062937062938),
    (-0.1, 0.077, 0.0143, 0.04, 0.1, 5, 1.0, *INSPUR, 0.24455427013803088, -0.13168306853586279),
    (-0.1, 0.077, 0.0143, 0.04, 0.1, 1e9, 1.0, *INSPUR, 1.0, -0.5384615384615384),
    (-0.3, 0.24, 0.06, 0.03, 0.09, 2, 1.2, 4.0, -1.2, 0.1070616951435065, -0.15416884100664935),
]


def bridge(revenue=-0.1, cm=0.24, em=0.06, **other):
    return price_bridge(revenue, cm, em, **({"growth": 0.04, "discount": 0.1, "years": 2} | other))


@pytest.mark.parametrize("case", CASES)
def test_the_published_bridge(case):
    revenue, cm, em, growth, discount, years, ev, *expected = case

    out = price_bridge(
        revenue, cm, em, growth=growth, discount=discount, years=years, ev_over_equity=ev
    )

    found = [out.leverage.item(), out.earnings.item(), out.duration.item(), out.price.item()]
    assert found == pytest.approx(expected, abs=1e-9)
    assert duration_weights(years, growth, discount) == pytest.approx(expected[2], abs=1e-9)


def test_the_bridge_takes_arrays():
    out = bridge(revenue=np.array([-0.1, 0.0, 0.1]))

    assert out.price[1] == 0.0
    assert out.price[0] == pytest.approx(-out.price[2])


def test_longer_cuts_weigh_more():
    weights = duration_weights([0.0, 1.0, 5.0, 50.0, math.inf], 0.04, 0.1).tolist()

    assert weights[0] == 0.0
    assert weights == sorted(weights)
    assert weights[-1] == 1.0


def test_what_is_priced_already_moves_nothing_and_reaction_scales():
    assert bridge(priced=1.0).price.item() == 0.0
    assert bridge(kappa=0.5).price.item() == pytest.approx(0.5 * bridge().price.item())


def test_price_never_falls_below_nothing():
    assert bridge(revenue=-1.0, years=1e9).price.item() == -1.0


def test_a_thin_margin_is_wiped_out_by_a_loss_only():
    assert bridge(em=0.0143).wiped_out.item()
    assert not bridge(em=0.0143, revenue=0.1).wiped_out.item()
    assert not bridge(em=0.02).wiped_out.item()


def test_a_margin_of_nothing_gives_no_number():
    out = bridge(em=np.array([0.0, -0.1, np.nan]))

    assert np.isnan(out.leverage).all()
    assert np.isnan(out.price).all()


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"years": -1}, "duration"),
        ({"years": float("nan")}, "duration"),
        ({"growth": 0.1}, "growth"),
        ({"growth": -1.0}, "growth"),
        ({"priced": 1.5}, "priced"),
    ],
)
def test_an_impossible_bridge_is_refused(other, words):
    with pytest.raises(ScenarioError, match=words):
        bridge(**other)


@pytest.mark.parametrize(
    "arguments", [(-1.0, 0.04, 0.1), (1.0, 0.1, 0.1), (float("nan"), 0.04, 0.1)]
)
def test_an_impossible_weight_is_refused(arguments):
    with pytest.raises(ScenarioError):
        duration_weights(*arguments)


def test_forced_selling_by_hand():
    """20% held, half must go, the line turns over in 40 days: 4 days of volume, twice the daily volatility."""
    out = forced_selling(0.2, 0.5, 400.0, 10.0, impact=1.0, daily_volatility=0.03)
    linear = forced_selling(0.2, 0.5, 400.0, 10.0, impact=0.01, form="linear")

    assert out.days_of_volume.item() == pytest.approx(4.0)
    assert out.price.item() == pytest.approx(-0.06)
    assert linear.price.item() == pytest.approx(-0.04)


def test_four_times_the_volume_doubles_the_impact_down_to_nothing():
    out = forced_selling([0.1, 0.4], 0.5, 400.0, 10.0, impact=1.0, daily_volatility=0.03)

    assert out.price[1] == pytest.approx(2 * out.price[0])
    assert forced_selling(1.0, 1.0, 1e9, 1.0, impact=1.0).price.item() == -1.0
    assert forced_selling(0.0, 1.0, 1.0, 1.0, impact=1.0).price.item() == 0.0


@pytest.mark.parametrize(
    ("arguments", "impact", "words"),
    [
        ((1.1, 0.5, 1.0, 1.0), 1.0, "foreign-held"),
        ((0.1, -0.5, 1.0, 1.0), 1.0, "part sold"),
        ((0.1, 0.5, 1.0, 0.0), 1.0, "positive"),
        ((0.1, 0.5, 1.0, 1.0), -1.0, "impact"),
    ],
)
def test_impossible_selling_is_refused(arguments, impact, words):
    with pytest.raises(ScenarioError, match=words):
        forced_selling(*arguments, impact=impact)
