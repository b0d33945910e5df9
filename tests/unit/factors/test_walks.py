"""Walks over a named world: disclosed figures and links of one flow, sales down to customers, and full cuts."""

from datetime import date

import pytest

from exposure.errors import ContentError
from exposure.factors.evidence import current_links
from exposure.factors.graph import aged, build_graph
from exposure.factors.kinds import sold_share, walked_share
from exposure.factors.recipes import criticality
from exposure.factors.walks import walk
from tests.factories import REPORT_DAY, evidence, link, links_frame, nodes_frame
from tests.unit.factors.test_kinds import context, factor, status

FOUNDRY = factor("cost_share", capabilities=("foundry",))
CHAIN = [
    link("foundry", "hygon", 0.5),
    link("other_inputs", "hygon", 0.5),
    link("hygon", "inspur", 0.4),
    link("other_inputs", "inspur", 0.6),
]


def sales(supplier, customer, share, **other):
    """A link that states only what part of the supplier's revenue the customer brings."""
    return link(supplier, customer, None, sales_lo=share, sales_mid=share, sales_hi=share, **other)


def test_a_disclosed_figure_that_meets_the_walk_narrows_it():
    wide = [
        link("foundry", "inspur", 0.4, lo=0.2, hi=0.6),
        link("other_inputs", "inspur", 0.6, lo=0.4, hi=0.8),
    ]
    fact = evidence("share", "inspur", 0.35, lo=0.3, hi=0.7)

    (answer,) = walked_share(FOUNDRY, context(fact, links=wide))

    assert (answer.lo, answer.mid, answer.hi) == pytest.approx((0.3, 0.35, 0.6))
    assert answer.walk == pytest.approx((0.2, 0.4, 0.6))
    assert answer.disclosed == pytest.approx((0.3, 0.35, 0.7))
    assert set(answer.evidence_ids) == {"inspur.share", "foundry.inspur"}


@pytest.mark.parametrize(("grade", "mid", "winner"), [("B", 0.9, "filing"), ("D", 0.4, "links")])
def test_where_a_figure_and_the_links_exclude_each_other_the_better_grade_wins(grade, mid, winner):
    links = [link("foundry", "inspur", 0.4), link("other_inputs", "inspur", 0.6)]
    fact = evidence("share", "inspur", 0.9, grade=grade)

    (answer,) = walked_share(FOUNDRY, context(fact, links=links))

    assert answer.mid == pytest.approx(mid)
    assert "contradicted" in answer.note
    assert (answer.disclosed if winner == "links" else answer.walk) is not None


def test_a_suppliers_disclosed_figure_stands_in_for_its_links():
    fact = evidence("share", "hygon", 0.3)

    (answer,) = walked_share(FOUNDRY, context(fact, links=[CHAIN[2], CHAIN[3]]))

    assert answer.mid == pytest.approx(0.4 * 0.3)
    assert answer.lo == pytest.approx(0.4 * 0.3)
    assert answer.hi == pytest.approx(0.4 * 0.3)


def test_a_bill_above_the_whole_cost_is_refused_by_name():
    links = [link("foundry", "inspur", 0.7), link("hbm", "inspur", 0.4)]

    with pytest.raises(ContentError, match=r"suppliers of inspur take 1\.1") as refused:
        list(walked_share(FOUNDRY, context(links=links)))

    assert [place.value for place in refused.value.places] == ["foundry.inspur", "hbm.inspur"]


def test_sales_above_the_whole_revenue_are_refused_by_name():
    with pytest.raises(ContentError, match=r"customers of hygon take 1\.2 of its revenue"):
        build_graph(
            links_frame(sales("hygon", "inspur", 0.7), sales("hygon", "sugon", 0.5)), nodes_frame()
        )


SOLD = factor("revenue_share", customer_lists=("EL",), measures={})


def listed(*names):
    return {(name, "EL"): status("listed") for name in names}


def test_revenue_from_a_listed_customer_is_followed():
    links = [sales("hygon", "inspur", 0.6), sales("hygon", "lenovo", 0.4)]
    seen = context(
        links=links,
        issuers=("hygon",),
        statuses=listed("inspur"),
        screened=[("lenovo", "EL")],
    )

    (answer,) = sold_share(SOLD, seen)

    assert (answer.lo, answer.hi) == pytest.approx(
        (0.6, 1.0)
    )  # where Lenovo's own sales go isn't known


def test_what_a_listed_company_sells_to_itself_does_not_count_but_its_listed_customers_do():
    links = [sales("inspur", "hygon", 0.3), sales("inspur", "consumers", 0.7)]
    seen = context(
        links=links,
        issuers=("inspur",),
        statuses=listed("inspur", "hygon"),
        screened=[("consumers", "EL")],
    )

    (answer,) = sold_share(SOLD, seen)

    assert answer.lo == pytest.approx(0.3)
    assert answer.tier is None or answer.tier[0] == 0.0


def test_a_customer_whom_nobody_screened_may_be_listed():
    seen = context(links=[sales("hygon", "lenovo", 1.0)], issuers=("hygon",))

    (answer,) = sold_share(SOLD, seen)

    assert answer.lo == 0.0
    assert answer.hi == 1.0


def test_sales_end_in_a_demand_pool():
    question = factor("revenue_share", demand_pools=("us_market",), measures={})
    links = links_frame(sales("quectel", "us_market", 0.2), sales("quectel", "home", 0.8))
    graph = build_graph(links, nodes_frame("us_market", "home"))

    found = walk(graph, question.demand_pools, "sales")

    at = graph.index("quectel")
    assert found.mid[at] == pytest.approx(0.2)
    assert (found.lo[at], found.hi[at]) == pytest.approx((0.2, 0.2))


def test_a_revenue_share_without_a_walk_reads_filings_only():
    (answer,) = sold_share(factor(), context(evidence("share", "inspur", 0.3)))

    assert answer.mid == 0.3


def cut(*links, end="mid", nodes=("foundry", "hbm", "other_inputs")):
    graph = build_graph(links_frame(*links), nodes_frame(*nodes))
    phi = build_phi(graph, "foundry")
    loss = criticality(graph, phi, end)[:, 0]
    return {name: loss[at] for name, at in graph.position.items()}


def build_phi(graph, name):
    import numpy as np

    phi = np.zeros((len(graph.node_ids), 1))
    phi[graph.position[name], 0] = 1.0
    return phi


def test_an_essential_input_stops_everything_whatever_it_costs():
    loss = cut(
        link(
            "foundry",
            "hygon",
            0.05,
            criticality="essential",
            kind_lo=1.0,
            kind_mid=1.0,
            kind_hi=1.0,
        )
    )

    assert loss["hygon"] == pytest.approx(1.0)


def test_an_ordinary_input_stops_the_part_of_output_that_hangs_on_it():
    loss = cut(link("foundry", "hygon", 0.05, output_lo=0.3, output_mid=0.3, output_hi=0.3))

    assert loss["hygon"] == pytest.approx(0.3)


def test_two_foundries_of_which_one_is_cut():
    kind = {"criticality": "essential", "input_kind": "dies"}
    loss = cut(
        link("foundry", "hygon", 0.1, kind_lo=0.2, kind_mid=0.4, kind_hi=0.9, **kind),
        link("smic", "hygon", 0.1, kind_lo=0.1, kind_mid=0.6, kind_hi=0.8, **kind),
    )
    worst = cut(
        link("foundry", "hygon", 0.1, kind_lo=0.2, kind_mid=0.4, kind_hi=0.9, **kind),
        link("smic", "hygon", 0.1, kind_lo=0.1, kind_mid=0.6, kind_hi=0.8, **kind),
        end="hi",
    )

    assert loss["hygon"] == pytest.approx(0.4)
    assert worst["hygon"] == pytest.approx(0.9)  # the one that is cut takes its largest share first


def test_a_circle_of_suppliers_settles():
    loss = cut(
        link("foundry", "hygon", 0.2),
        link("inspur", "hygon", 0.1, input_kind="servers"),
        link("hygon", "inspur", 0.5),
    )

    # l_h = .2 + .1 l_i, l_i = .5 l_h
    assert loss["hygon"] == pytest.approx(0.2 / 0.95)
    assert loss["inspur"] == pytest.approx(0.1 / 0.95)


def test_the_band_of_a_score_reaches_from_the_linear_to_the_leontief_end():
    links = [
        link(
            "foundry",
            "inspur",
            0.1,
            criticality="essential",
            kind_lo=0.5,
            kind_mid=0.5,
            kind_hi=0.5,
        ),
        link("other_inputs", "inspur", 0.9),
    ]

    (answer,) = walked_share(FOUNDRY, context(links=links))

    assert answer.mid == pytest.approx(0.1)
    assert answer.critical == pytest.approx((0.5, 0.5, 0.5))


def test_old_links_are_widened_but_keep_their_point_and_the_ends_of_the_unit():
    rows = links_frame(
        link(
            "foundry", "hygon", 0.5, lo=0.4, hi=0.6, valid_from=date(2023, 1, 24), input_kind="dies"
        ),
        link("hbm", "hygon", None, lo=0.0, hi=None, valid_from=date(2023, 1, 24)),
    )

    found = aged(rows, REPORT_DAY, {"default": 0.03, "dies": 0.1}).sort("link_id").to_dicts()

    half = (0.1**2 + (0.1 * 731 / 365.25) ** 2) ** 0.5
    assert (found[0]["lo"], found[0]["mid"], found[0]["hi"]) == pytest.approx(
        (0.5 - half, 0.5, 0.5 + half)
    )
    assert (found[1]["lo"], found[1]["hi"]) == (0.0, None)


def test_a_newer_row_of_a_flow_replaces_the_older_on_the_day_it_is_known():
    old = link(
        "foundry",
        "hygon",
        0.5,
        link_id="old",
        valid_from=date(2023, 1, 1),
        known_on=date(2023, 4, 1),
    )
    new = link(
        "foundry",
        "hygon",
        0.3,
        link_id="new",
        valid_from=date(2024, 1, 1),
        known_on=date(2024, 4, 1),
    )
    rows = links_frame(old, new)

    assert current_links(rows, date(2024, 3, 31))["link_id"].to_list() == ["old"]
    assert current_links(rows, date(2024, 4, 1))["link_id"].to_list() == ["new"]


def test_two_sources_of_one_flow_are_intersected_and_never_added():
    rows = links_frame(
        link("foundry", "hygon", 0.5, link_id="a", grade="B", lo=0.4, hi=0.6),
        link("foundry", "hygon", 0.55, link_id="b", grade="C", lo=0.45, hi=0.7),
    )

    (found,) = current_links(rows, REPORT_DAY).to_dicts()

    assert found["link_id"] == "a"
    assert (found["lo"], found["mid"], found["hi"]) == pytest.approx((0.45, 0.5, 0.6))


def test_where_two_sources_exclude_each_other_the_better_grade_stands():
    rows = links_frame(
        link("foundry", "hygon", 0.8, link_id="a", grade="C"),
        link("foundry", "hygon", 0.2, link_id="b", grade="B"),
    )

    (found,) = current_links(rows, REPORT_DAY).to_dicts()

    assert (found["link_id"], found["mid"]) == ("b", 0.2)


def test_an_end_that_became_known_later_does_not_end_the_link_earlier():
    row = link(
        "foundry", "hygon", 0.5, valid_to=date(2024, 12, 13), ended_known_on=date(2024, 12, 17)
    )
    rows = links_frame(row)

    assert current_links(rows, date(2024, 12, 15)).height == 1
    assert current_links(rows, date(2024, 12, 17)).is_empty()


def test_a_link_that_states_only_sales_is_no_gap_on_the_customers_bill():
    links = [*CHAIN, sales("consultant", "inspur", 0.3)]

    (answer,) = walked_share(FOUNDRY, context(links=links))

    assert answer.mid == pytest.approx(0.2)
    assert answer.hi == pytest.approx(0.2)


def test_one_named_customer_says_nothing_of_all_revenue():
    seen = context(
        links=[sales("hygon", "inspur", 0.75)], issuers=("hygon",), statuses=listed("inspur")
    )

    (answer,) = sold_share(SOLD, seen)

    assert answer.mid is None
    assert answer.lo == pytest.approx(0.75)
    assert "75% of revenue traced" in answer.note
