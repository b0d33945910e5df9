"""Shocks through the links of a day: what is lost, what is unknown, and that stock delays the loss."""

import numpy as np
import pytest

from exposure.factors.graph import build_graph
from exposure.scenarios.definitions import Range
from exposure.scenarios.network_run import ChainEngine
from exposure.scenarios.readings import weekly_reading
from exposure.scenarios.weekly import propagate
from tests.factories import link, links_frame, nodes_frame

RHO = Range(-9.0, -4.0, 0.0, "test")


def losses(links, shocks, weeks=52):
    graph = build_graph(links_frame(*links), nodes_frame("foundry", "hbm", "other_inputs"))
    return ChainEngine(graph, 1, RHO).losses(shocks, weeks)


def essential(supplier, customer, share, **other):
    return link(
        supplier,
        customer,
        0.1,
        criticality="essential",
        kind_lo=share,
        kind_mid=share,
        kind_hi=share,
        **other,
    )


def test_an_essential_input_cut_by_half_halves_output_after_one_week():
    (low, mid, high) = losses([essential("foundry", "hygon", 1.0)], {"foundry": 0.5})["hygon"]

    assert low == mid == high
    assert mid == pytest.approx(0.5 * 51 / 52)


def test_only_the_share_of_the_cut_supplier_is_lost():
    mid = losses([essential("foundry", "hygon", 0.4)], {"foundry": 1.0})["hygon"][1]

    assert mid == pytest.approx(0.4 * 51 / 52)


def test_stock_delays_the_loss_as_in_the_closed_form():
    """Methodology 3.4: mean loss max(0, u(T−1)−B)/T with cover B = 8 weeks, cut u = 0.5."""
    links = [
        essential(
            "foundry", "hygon", 1.0, cover_weeks_lo=8.0, cover_weeks_mid=8.0, cover_weeks_hi=8.0
        )
    ]

    mid = losses(links, {"foundry": 0.5})["hygon"][1]

    assert mid == pytest.approx((0.5 * 51 - 8) / 52)


def test_an_ordinary_input_costs_its_share_of_output():
    links = [link("foundry", "hygon", 0.3), link("other_inputs", "hygon", 0.7)]

    assert losses(links, {"foundry": 1.0})["hygon"][1] == pytest.approx(0.3 * 51 / 52)


def test_the_output_share_stands_in_for_the_cost_share_where_stated():
    links = [link("foundry", "hygon", 0.1, output_lo=0.5, output_mid=0.5, output_hi=0.5)]

    assert losses(links, {"foundry": 1.0})["hygon"][1] == pytest.approx(0.5 * 51 / 52)


def test_an_important_input_lies_between_linear_and_whole():
    links = [
        link("foundry", "hygon", 0.3, criticality="important"),
        link("other_inputs", "hygon", 0.7),
    ]

    (low, mid, high) = losses(links, {"foundry": 0.5})["hygon"]

    assert 0.15 * 51 / 52 <= low <= mid <= high <= 0.5


def test_a_full_cut_of_an_important_input_stops_output():
    links = [link("foundry", "hygon", 0.3, criticality="important")]

    assert losses(links, {"foundry": 1.0})["hygon"][1] > 0.95


def test_the_interval_comes_from_the_links():
    links = [
        link(
            "foundry", "hygon", 0.1, criticality="essential", kind_lo=0.0, kind_mid=0.5, kind_hi=1.0
        ),
        link("smic", "hygon", 0.1, criticality="essential", kind_lo=0.0, kind_mid=0.5, kind_hi=1.0),
    ]

    (low, mid, high) = losses(links, {"foundry": 0.8})["hygon"]

    assert low == 0.0
    assert mid == pytest.approx(0.4 * 51 / 52)
    assert high == pytest.approx(0.8 * 51 / 52)  # never more than its worst supplier


def test_loss_travels_down_the_chain_one_week_later():
    links = [
        essential("foundry", "hygon", 1.0),
        link("hygon", "sugon", 0.4, output_lo=0.9, output_mid=0.9, output_hi=0.9),
    ]

    found = losses(links, {"foundry": 0.5})

    assert found["sugon"][1] == pytest.approx(0.9 * 0.5 * 50 / 52)


def test_a_link_without_a_point_leaves_the_customer_unknown():
    links = [link("foundry", "smic", None, lo=0.0, hi=None, kind_mid=None)]

    assert "smic" not in losses(links, {"foundry": 1.0})


def test_a_node_that_no_path_reaches_is_unknown_not_zero():
    links = [link("foundry", "hygon", 0.3), link("hbm", "inspur", 0.3)]

    assert "inspur" not in losses(links, {"foundry": 1.0})


def test_a_shock_on_a_company_alone_spares_those_traced_elsewhere():
    links = [
        link("hygon", "sugon", 0.4),
        link("other_inputs", "sugon", 0.6),
        link("foundry", "inspur", 0.4),
        link("other_inputs", "inspur", 0.6),
    ]

    found = losses(links, {"hygon": 0.5})

    assert found["sugon"][1] > 0
    assert found["inspur"][1] == 0.0


def test_a_shock_on_a_capability_spares_nobody_for_sure():
    links = [link("hbm", "inspur", 0.4), link("other_inputs", "inspur", 0.6)]

    assert "inspur" not in losses(links, {"foundry": 0.5})


def test_a_cycle_is_harmless():
    links = [
        essential("foundry", "a", 0.5),
        essential("b", "a", 0.5, link_id="x"),
        essential("a", "b", 1.0),
    ]

    found = losses(links, {"foundry": 0.4})

    assert 0 < found["b"][1] < 1


def test_no_shock_no_loss():
    graph = build_graph(links_frame(essential("foundry", "hygon", 1.0)), nodes_frame("foundry"))
    nothing = np.zeros(len(graph.node_ids) + 1)

    path = propagate(weekly_reading(graph, "mid", 1, -4.0, nothing), nothing, horizons=[26]).output

    assert np.all(path == 1.0)


def test_a_larger_shock_never_loses_less():
    links = [
        essential("foundry", "hygon", 0.6),
        link("hygon", "sugon", 0.4, criticality="important"),
        link("other_inputs", "sugon", 0.6),
    ]
    mids = [losses(links, {"foundry": size})["sugon"][1] for size in (0.1, 0.3, 0.5, 0.8, 1.0)]

    assert mids == sorted(mids)


def test_an_input_of_unknown_size_beside_does_not_lower_the_upper_loss():
    known = link("foundry", "hygon", 0.4, output_lo=0.5, output_mid=0.5, output_hi=0.8)
    unknown = link("hbm", "hygon", None, lo=0.0, hi=None, link_id="h", input_kind="memory")

    alone = losses([known], {"foundry": 1.0})["hygon"][2]
    beside = losses([known, unknown], {"foundry": 1.0})["hygon"][2]

    assert beside >= alone - 1e-9


def test_rival_suppliers_of_unknown_size_do_not_dilute_the_upper_loss():
    tools = {"input_kind": "tools", "criticality": "important", "lo": 0.0, "hi": None}
    one = [link("foundry", "hygon", None, link_id="a", **tools)]
    three = [
        *one,
        link("hbm", "hygon", None, link_id="b", **tools),
        link("smic", "hygon", None, link_id="c", **tools),
    ]

    shocks = {"foundry": 1.0, "hygon": 0.05}  # a known shock of its own: else its loss is unknown

    assert losses(three, shocks)["hygon"][2] == losses(one, shocks)["hygon"][2] > 0.9
