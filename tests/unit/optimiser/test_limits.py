from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exposure.errors import MandateError
from exposure.optimiser.limits import bounds_of, factor_bound, named_limits, score_spread
from exposure.portfolios.mandates import Mandate
from tests.optimiser_worlds import world


def limit_named(limits, name):
    return next(limit for limit in limits if limit.name == name)


def with_unknown_score(inputs, i, column):
    mid = inputs.score_mid.copy()
    mid[i, column] = np.nan
    return replace(inputs, score_mid=mid)


def test_an_unknown_score_counts_at_the_end_that_is_worse_for_the_limit():
    inputs = with_unknown_score(world(4), 2, 0)

    cap = inputs.counted_scores(0, "<=")
    floor = inputs.counted_scores(0, ">=")

    assert cap[2] == inputs.score_hi[2, 0]
    assert floor[2] == inputs.score_lo[2, 0]
    assert cap[1] == floor[1] == inputs.score_mid[1, 0]


def test_a_limit_at_the_upper_score_counts_every_name_there():
    inputs = world(4)

    assert inputs.counted_scores(0, "<=", "hi").tolist() == inputs.score_hi[:, 0].tolist()


def test_an_unknown_scenario_return_counts_as_the_worst_known_never_as_zero():
    inputs = world(4, scenarios=2)
    returns = inputs.scenario_returns.copy()
    returns[0, 1] = np.nan
    returns[1] = np.nan
    inputs = replace(inputs, scenario_returns=returns)

    assert inputs.counted_returns(0)[1] == np.nanmin(returns[0])
    assert inputs.counted_returns(1).tolist() == [-1.0] * 4


def test_holding_the_benchmark_is_zero_away_from_it_even_with_unknown_scores():
    inputs = with_unknown_score(world(6), 3, 0)
    rules = Mandate.of("foundry_node_dependence <= benchmark + 0%")

    limit = limit_named(named_limits(inputs, rules), "foundry_node_dependence")

    assert limit.room(limit.value(inputs.benchmark)) == pytest.approx(0.0, abs=1e-15)


def test_bounds_relative_to_today_and_to_the_benchmark_by_hand():
    inputs = world(5)
    x = inputs.score_mid[:, 0]
    rules = Mandate.of(
        "foundry_node_dependence <= 0.8 * current", "us_gpu_dependence <= benchmark + 1%"
    )

    today, theirs = (factor_bound(inputs, limit) for limit in rules.factors)

    assert today == pytest.approx(0.8 * float(x @ inputs.w0))
    assert theirs == pytest.approx(float(inputs.score_mid[:, 1] @ inputs.benchmark) + 0.01)


def test_every_limit_has_its_value_at_todays_weights():
    inputs = replace(
        world(6, scenarios=3),
        issuer_ids=("a", "a", "b", "c", "d", "e"),
        covered=np.tile(np.arange(6)[:, np.newaxis] < 4, (1, 3)),
    )
    w = inputs.w0
    rules = Mandate.of(
        "position <= 10%",
        "issuer <= 10%",
        "turnover <= 10%",
        "cash == 0%",
        "worst_scenario >= -5%",
        "scenario:hbm_ban >= -5%",
        "coverage(hbm_dependence) >= 50%",
    )

    now = {limit.name: limit.value(w) for limit in named_limits(inputs, rules)}

    assert now["position"] == w.max()
    assert now["issuer"] == pytest.approx(max(w[0] + w[1], *w[2:]))
    assert now["turnover"] == 0.0
    assert now["cash"] == pytest.approx(1.0 - w.sum(), abs=1e-15)
    assert now["worst_scenario"] == pytest.approx((inputs.scenario_returns @ w).min())
    assert now["scenario:hbm_ban"] == pytest.approx(inputs.scenario_returns[1] @ w)
    assert now["coverage:hbm_dependence"] == pytest.approx(w[:4].sum() / w.sum())


def test_the_ellipsoid_adds_kappa_times_the_norm_of_the_spread():
    inputs = world(5)
    rules = Mandate.of("foundry_node_dependence <= 50%", "hbm_dependence >= 10%")
    w = inputs.w0

    cap, floor = named_limits(inputs, rules, "ellipsoid")[:2]

    spread = (inputs.score_hi - inputs.score_lo) / (2 * 1.645)
    error = 1.645 * np.linalg.norm(spread * w[:, np.newaxis], axis=0)
    assert cap.value(w) == pytest.approx(inputs.score_mid[:, 0] @ w + error[0])
    assert floor.value(w) == pytest.approx(inputs.score_mid[:, 2] @ w - error[2])


def test_a_score_without_a_mid_has_no_spread_because_it_counts_at_its_end():
    assert score_spread(with_unknown_score(world(4), 2, 0), 0)[2] == 0.0


def test_a_tangent_of_an_ellipsoid_touches_it_and_cuts_nothing_off():
    inputs = world(6)
    cap = named_limits(inputs, Mandate.of("foundry_node_dependence <= 50%"), "ellipsoid")[0]
    row, right = cap.cut(inputs.w0)
    draw = np.random.default_rng(1)

    assert row @ inputs.w0 - right == pytest.approx(cap.value(inputs.w0) - 0.5)
    for w in draw.dirichlet(np.ones(6), 50):
        assert row @ w - right <= cap.value(w) - 0.5 + 1e-12


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("foundry_node_dependance <= 30%", "Did you mean 'foundry_node_dependence'"),
        ("ascend_share[gross_profit] <= 30%", "names the factor 'ascend_share'"),
        ("scenario:hbm_bann >= -12%", "Did you mean 'hbm_ban'"),
        ("scenario:hbm_ban:high >= -12%", "names the scenario"),
        ("coverage(hbm_dependance) >= 60%", "Did you mean 'hbm_dependence'"),
    ],
)
def test_a_limit_on_something_unknown_names_the_nearest(sentence, words):
    with pytest.raises(MandateError) as caught:
        named_limits(world(4), Mandate.of(sentence))

    assert words in caught.value.what


def test_a_worst_scenario_without_any_scenario_is_refused():
    with pytest.raises(MandateError, match="worst_scenario"):
        named_limits(world(4, scenarios=0), Mandate.of("worst_scenario >= -10%"))


def test_bounds_remember_which_limit_set_them():
    inputs = replace(
        world(5),
        can_buy=np.array([True, True, False, True, True]),
        sell_floor=np.array([0.0, 0.05, 0.0, 0.0, 0.0]),
        excluded=(("exclude:600003.SH", (3,)),),
        frozen=(4,),
    )

    bounds = bounds_of(
        inputs, named_limits(inputs, Mandate.of("position <= 90%", "position >= 1%"))
    )

    assert bounds.upper_name == (
        "position",
        "position",
        "cannot_buy",
        "exclude:600003.SH",
        "do_not_trade:600004.SH",
    )
    assert bounds.lower_name[1] == "cannot_sell:600001.SH"
    assert bounds.lower_name[0] == "position:min"
    assert bounds.lower[4] == bounds.upper[4] == inputs.w0[4]
    assert bounds.crossed  # 1% at least of an excluded name


def test_arrays_that_do_not_fit_are_refused_with_both_shapes():
    with pytest.raises(ValueError, match=r"specific must have shape \(4,\).*\(3,\)"):
        replace(world(4), specific=np.ones(3))
    with pytest.raises(ValueError, match="loadings must have 4 rows"):
        replace(world(4), loadings=np.ones((3, 1)))


def test_costs_are_counted_on_the_side_that_trades():
    inputs = replace(
        world(2), w0=np.array([0.6, 0.4]), buy_cost=np.full(2, 0.001), sell_cost=np.full(2, 0.002)
    )

    assert inputs.cost(np.array([0.5, 0.5])) == pytest.approx(0.1 * 0.001 + 0.1 * 0.002)
    assert inputs.turnover(np.array([0.5, 0.5])) == pytest.approx(0.2)
