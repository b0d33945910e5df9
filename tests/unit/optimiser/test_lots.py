from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exposure.optimiser.limits import named_limits
from exposure.optimiser.lots import can_size, round_to_lots
from exposure.optimiser.model import goal_of
from exposure.optimiser.solving import solve
from exposure.portfolios.mandates import Mandate, PositionRule
from tests.optimiser_worlds import world


def desk(weights, target, *, nav=1_000_000.0, price=10.0, lot=(100, 100), **other):
    """A world of a few names with round shares, and a rounding of ``target``."""
    n = len(weights)
    w0 = np.array(weights)
    held = np.round(w0 * nav / price)
    inputs = replace(
        world(n, 0),
        w0=held * price / nav,
        nav=nav,
        price=np.full(n, price),
        held=held,
        available=held,
        lot_min=np.full(n, float(lot[0])),
        lot_step=np.full(n, float(lot[1])),
    )
    rules = other.pop("rules", Mandate.of("cash == 0%"))
    inputs = replace(inputs, **other)
    limits = named_limits(inputs, rules)
    return round_to_lots(inputs, rules, limits, np.array(target)), inputs


def test_orders_are_whole_lots_and_cash_pays_for_them():
    found, inputs = desk([0.5, 0.3, 0.2], [0.3456, 0.3456, 0.3088])

    assert (found.orders % 100 == 0).all()
    assert found.cash >= 0
    assert found.cash == pytest.approx(1 - found.weights.sum() - inputs.cost(found.weights))
    assert found.broken == ()


def test_a_closed_position_is_sold_whole_with_its_odd_remainder():
    found, inputs = desk([0.5, 0.30125, 0.19875], [0.6, 0.4, 0.0])

    assert inputs.held[2] % 100 != 0
    assert found.orders[2] == -int(inputs.held[2])
    assert found.weights[2] == 0.0


def test_star_buys_are_at_least_200_shares_then_single_shares():
    small, _ = desk([0.5, 0.5], [0.4985, 0.5015], lot=(200, 1))
    large, _ = desk([0.5, 0.5], [0.49668, 0.50332], lot=(200, 1))

    assert small.orders[1] == 0
    assert large.orders[1] >= 200
    assert abs(large.orders[1] - 332) <= 1  # to the share, costs included
    assert large.cash >= 0


def test_shares_bought_today_are_not_sold_today():
    found, inputs = desk([0.6, 0.4], [0.3, 0.7], available=np.array([10_050.0, 40_000.0]))

    assert inputs.held[0] == 60_000
    assert found.orders[0] == -10_000


def test_an_order_below_one_lot_is_blocked_and_says_so():
    found, _ = desk([0.5, 0.4999], [0.4996, 0.5003], rules=Mandate.of("cash <= 1%"))

    assert found.orders[1] == 0
    assert found.blocked[1] == "below_lot"


def test_a_trade_below_the_smallest_worthwhile_one_is_left_out():
    rules = replace(Mandate.of("cash <= 5%"), position=PositionRule(None, 0.0, 0.02))

    found, _ = desk([0.5, 0.45], [0.49, 0.46], rules=rules)

    assert found.orders.tolist() == [0, 0]
    assert set(found.blocked.values()) == {"below_min_trade"}


def test_without_a_known_lot_only_the_whole_position_can_go():
    part, _ = desk([0.5, 0.45], [0.4, 0.45], lot=(0, 0), rules=Mandate.of("cash <= 100%"))
    whole, inputs = desk([0.5, 0.45], [0.0, 0.45], lot=(0, 0), rules=Mandate.of("cash <= 100%"))

    assert part.orders.tolist() == [0, 0]
    assert part.blocked[0] == "lot_unknown"
    assert whole.orders[0] == -int(inputs.held[0])


def test_a_name_without_a_price_keeps_its_weight():
    price = np.array([10.0, np.nan, 10.0])
    rules = Mandate.of("cash <= 100%")
    _, inputs = desk([0.4, 0.3, 0.3], [0.5, 0.2, 0.3], rules=rules)
    blind = replace(inputs, price=price)

    found = round_to_lots(blind, rules, named_limits(blind, rules), np.array([0.35, 0.2, 0.3]))

    assert found.orders[1] == 0
    assert found.weights[1] == inputs.w0[1]


@pytest.mark.parametrize("seed", range(12))
def test_lots_of_a_solved_plan_hold_every_limit_and_leave_little_cash(seed):
    inputs = world(30, seed)
    rules = Mandate.of(
        "foundry_node_dependence <= 0.94 * current",
        "worst_scenario >= -22%",
        "turnover <= 45%",
        "position <= 20%",
        "cash == 0%",
    )
    limits = named_limits(inputs, rules)
    target = solve(inputs, limits, goal_of(inputs, rules)).weights

    found = round_to_lots(inputs, rules, limits, target)

    lot = inputs.price * 100 / inputs.nav
    assert found.broken == ()
    assert 0.0 <= found.cash <= lot.max() + 1e-4
    assert np.abs(found.weights - target).max() <= 2 * lot.max()
    for limit in limits:
        if limit.kind != "cash":
            assert limit.violation(found.weights) <= 1e-7


def test_a_turnover_that_rounding_would_break_is_mended():
    """Sales round up to a lot, so a binding turnover breaks unless something is taken back."""
    inputs = world(20, 3)
    rules = Mandate.of("turnover <= 10%")
    limits = named_limits(inputs, rules)
    inputs = replace(inputs, lot_min=np.full(20, 1000.0), lot_step=np.full(20, 1000.0))
    target = solve(inputs, limits, goal_of(inputs, rules)).weights

    found = round_to_lots(inputs, rules, limits, target)

    assert inputs.turnover(target) == pytest.approx(0.1, abs=1e-6)
    assert inputs.turnover(found.weights) <= 0.1 + 1e-9


def test_a_book_without_nav_cannot_be_sized():
    inputs = replace(world(4), nav=None)

    assert not can_size(inputs)
    with pytest.raises(ValueError, match="net asset value"):
        round_to_lots(inputs, Mandate.of(), named_limits(inputs, Mandate.of()), inputs.w0)
