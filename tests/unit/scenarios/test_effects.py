"""One issuer's bridge from output to price: signs, unknowns, and the interval around them."""

import pytest

from exposure.scenarios.definitions import (
    Assumptions,
    NodeShock,
    PriceEffect,
    Range,
    RevenueShock,
    ScenarioDefinition,
    Severity,
)
from exposure.scenarios.effects import IssuerFacts
from exposure.scenarios.valuation import duration_weights
from tests.scenario_worlds import one_effect


def point(value):
    return Range(value, value, value, "test")


ASSUMPTIONS = Assumptions(
    growth=point(0.04),
    discount=point(0.10),
    kappa=Range(0.5, 1.0, 1.5, "test"),
    priced=Range(0.0, 0.0, 0.5, "test"),
    ev_over_equity=point(1.0),
    operating_leverage=Range(1.0, 3.0, 5.0, "test"),
    wiped_out_below_margin=0.02,
    lag_weeks=1,
    ces_rho=point(-4.0),
    extrapolation_limit=4.0,
    crisis_weight=0.5,
    dependence=point(0.0),
)


def scenario(**other):
    base = {
        "id": "s",
        "code": "S",
        "order": 1,
        "name_zh": "",
        "name_en": "",
        "narrative": "",
        "narrative_zh": "",
        "anchor": "",
        "horizon_weeks": 52,
        "duration_years": Range(1.0, 5.0, 10.0, "test"),
        "probability": None,
        "node_shocks": (NodeShock("elsewhere", Severity(0.1, 0.1, 0.1), "test", "test"),),
    }
    return ScenarioDefinition(**(base | other))


def facts(scores=None, leverage=(1.0, 2.0, 2.0), thin=False):
    return IssuerFacts("inspur", scores or {}, leverage, "estimated", thin_margin=thin)


def effect(issuer, item=None, loss=None, direct=0.0, gains=None):
    return one_effect(issuer, item or scenario(), "base", loss, direct, gains or {}, ASSUMPTIONS)


def test_the_bridge_of_the_published_case():
    """Inspur 2024H1 in the valuation case: revenue −10%, five years, leverage 5.3846: price −13.17%."""
    out = effect(facts(leverage=(5.384615384615384,) * 3), loss=(0.1, 0.1, 0.1))

    assert out.price[1] == pytest.approx(-0.13168306853586279)
    assert out.earnings == pytest.approx(-0.5384615384615384)


def test_a_loss_is_negative_and_its_interval_holds_it():
    out = effect(facts(), loss=(0.05, 0.1, 0.3))

    assert out.price[0] < out.price[1] < out.price[2] <= 0.0
    assert out.channel == "upstream"


def test_a_direct_shock_is_named_direct():
    assert effect(facts(), loss=(0.1, 0.1, 0.1), direct=0.1).channel == "direct"


def test_a_gain_is_positive_and_limited_by_what_can_still_be_produced():
    scores = {"benefit": (0.4, 0.5, 0.6)}

    free = effect(facts(scores), gains={"benefit": (0.2, 0.2, 0.2)})
    bound = effect(facts(scores), loss=(0.5, 0.5, 0.5), gains={"benefit": (0.2, 0.2, 0.2)})

    assert free.gain[1] == pytest.approx(0.1)
    assert free.price[1] > 0
    assert free.channel == "gain"
    assert bound.gain[1] == pytest.approx(0.05)


def test_an_unknown_benefit_widens_upwards_and_adds_nothing_to_the_mid():
    out = effect(
        facts({"benefit": (0.0, None, 1.0)}),
        loss=(0.1, 0.1, 0.1),
        gains={"benefit": (0.2, 0.2, 0.2)},
    )

    assert out.gain[1] == 0.0
    assert out.gain[2] > 0.0


def test_an_issuer_that_no_channel_reaches_is_not_known():
    out = effect(facts({"benefit": (0.0, None, 1.0)}), gains={"benefit": (0.2, 0.2, 0.2)})

    assert not out.known


def test_a_known_zero_is_known():
    item = scenario(price_effects=(PriceEffect("measure", Severity(-0.04, -0.08, -0.15), "r"),))

    out = effect(facts({"measure": (0.0, 0.0, 0.0)}), item)

    assert out.known
    assert out.price == (0.0, 0.0, 0.0)


def test_a_price_effect_scales_with_the_score_and_stands_apart_from_earnings():
    item = scenario(price_effects=(PriceEffect("measure", Severity(-0.04, -0.08, -0.15), "r"),))

    out = effect(facts({"measure": (1.0, 1.0, 1.0)}), item)

    assert out.price[1] == pytest.approx(-0.08)
    assert out.earnings == 0.0
    assert out.channel == "forced_selling"


def test_a_revenue_shock_is_signed():
    item = scenario(revenue_shocks=(RevenueShock("vehicle", Severity(-0.5, -1.0, -1.0), "r"),))

    out = effect(facts({"vehicle": (0.1, 0.2, 0.3)}), item)

    assert out.revenue == pytest.approx((-0.3, -0.2, -0.1))
    assert out.channel == "demand"


def test_price_never_falls_below_nothing():
    out = effect(facts(leverage=(5.0, 20.0, 20.0)), loss=(1.0, 1.0, 1.0))

    assert out.price[0] == -1.0
    assert out.wiped_out


def test_a_thin_margin_is_wiped_out_by_any_loss():
    assert effect(facts(thin=True), loss=(0.01, 0.01, 0.01)).wiped_out
    assert not effect(facts(thin=False), loss=(0.01, 0.01, 0.01)).wiped_out


def test_longer_cuts_weigh_more():
    weights = duration_weights([0, 1, 5, 50], 0.04, 0.10).tolist()

    assert weights[0] == 0.0
    assert weights == sorted(weights)
    assert weights[-1] < 1.0


def test_the_point_stays_the_point_whatever_the_readings_say():
    """A larger share to gain from may mean less growth: the ends are the ends, the point is the point."""
    out = effect(facts({"benefit": (1.0, 1.0, 1.0)}), gains={"benefit": (0.4, 0.1, 0.3)})

    assert out.gain == pytest.approx((0.1, 0.1, 0.4))


def test_a_loss_of_revenue_takes_from_what_a_cut_leaves():
    item = scenario(revenue_shocks=(RevenueShock("us", Severity(-0.6, -0.6, -0.6), "r"),))
    out = effect(
        facts({"us": (1.0, 1.0, 1.0)}, leverage=(1.0, 1.0, 1.0)), item, loss=(0.8, 0.8, 0.8)
    )

    assert out.revenue == pytest.approx((-0.92, -0.92, -0.92))
    whole = effect(facts({"us": (0.2, 1.0, 1.0)}), item, loss=(1.0, 1.0, 1.0))
    assert whole.revenue == pytest.approx((-1.0, -1.0, -1.0))


def test_a_cut_of_the_issuer_and_of_its_inputs_are_told_apart():
    out = effect(facts(), loss=(0.16, 0.16, 0.16), direct=0.15)

    assert out.parts["direct"] == pytest.approx(-0.15)
    assert out.parts["upstream"] == pytest.approx(-0.01)


def test_a_stated_zero_is_known():
    item = scenario(price_effects=(PriceEffect("measure", Severity(0.0, 0.0, 0.0), "r"),))

    assert effect(facts({"measure": (1.0, 1.0, 1.0)}), item).known
