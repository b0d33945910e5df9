"""Each kind of factor on a small named world: what is known, what is not, and that the two are never mixed up."""

from datetime import date

import pytest

from exposure.factors.definitions import FactorDefinition
from exposure.factors.evidence import resolve
from exposure.factors.graph import build_graph, links_on_the_way
from exposure.factors.kinds import Context, disclosed_share, hazard, list_status, walked_share
from exposure.factors.walks import walk
from tests.factories import REPORT_DAY, evidence, evidence_frame, link, links_frame, nodes_frame


def factor(kind="revenue_share", **other):
    base = {
        "id": "f",
        "name_zh": "因子",
        "name_en": "factor",
        "question": "?",
        "question_zh": "",
        "kind": kind,
        "unit": "fraction",
        "lowest": 0.0,
        "highest": 1.0,
        "sign": "harm",
        "higher_means": "worse",
        "method": "m",
        "reference": "r",
        "order": 1,
        "stale_after_days": 400,
        "measures": {"main": "share"},
    }
    return FactorDefinition(**(base | other))


def context(*rows, issuers=("inspur",), links=(), statuses=None, screened=()):
    table = evidence_frame(*rows) if rows else evidence_frame(evidence("other", "nobody", 0.1))
    resolved = {
        (r["subject"], r["measure"]): r for r in resolve(table, REPORT_DAY).iter_rows(named=True)
    }
    frame = links_frame(*links) if links else links_frame(link("foundry", "nobody", 0.1))
    return Context(
        REPORT_DAY,
        tuple(issuers),
        resolved,
        statuses or {},
        frozenset(screened),
        build_graph(frame, nodes_frame("foundry", "hbm", "other_inputs")),
    )


def status(kind, list_id="EL", known=date(2019, 6, 21)):
    return {
        "status": kind,
        "link_ids": [f"link.{list_id}"],
        "known_on": known,
        "wording": f"{list_id} wording",
    }


def test_a_disclosed_share_is_its_evidence():
    (answer,) = disclosed_share(factor(), context(evidence("share", "inspur", 0.3)))

    assert (answer.lo, answer.mid, answer.hi) == (0.3, 0.3, 0.3)
    assert answer.evidence_ids == ("inspur.share",)


def test_without_evidence_a_share_is_missing_and_as_wide_as_its_unit():
    (answer,) = disclosed_share(factor(), context())

    assert answer.status == "missing"
    assert answer.mid is None
    assert (answer.lo, answer.hi) == (0.0, 1.0)


def test_an_upper_bound_narrows_the_interval_but_gives_no_point():
    (answer,) = disclosed_share(factor(), context(evidence("share", "inspur", None, hi=0.29)))

    assert answer.status == "missing"
    assert answer.mid is None
    assert (answer.lo, answer.hi) == (0.0, 0.29)
    assert answer.evidence_ids == ("inspur.share",)


def test_not_applicable_is_zero_with_a_reason():
    row = evidence("share", "inspur", 0.0, status="not_applicable")

    (answer,) = disclosed_share(factor(), context(row))

    assert (answer.lo, answer.mid, answer.hi, answer.status) == (0.0, 0.0, 0.0, "not_applicable")


def test_age_widens_a_share_inside_its_unit():
    old = evidence("share", "inspur", 0.02, valid_from=date(2023, 1, 1), known_on=date(2023, 4, 1))

    (answer,) = disclosed_share(factor(staleness_sd=0.1), context(old))

    assert answer.lo == 0.0
    assert answer.hi > 0.2


def test_a_contradiction_is_named_in_the_note():
    rows = [
        evidence("share", "inspur", 0.3, evidence_id="a", grade="B"),
        evidence("share", "inspur", 0.5, evidence_id="b", grade="C"),
    ]

    (answer,) = disclosed_share(factor(), context(*rows))

    assert answer.mid == 0.3
    assert "b" in answer.note


SHARE = factor("cost_share", capabilities=("foundry",), measures={})


def test_a_walk_multiplies_along_the_chain():
    links = [
        link("foundry", "hygon", 0.5),
        link("other_inputs", "hygon", 0.5),
        link("hygon", "inspur", 0.4),
        link("other_inputs", "inspur", 0.6),
    ]

    (answer,) = walked_share(SHARE, context(links=links))

    assert answer.mid == pytest.approx(0.2)
    assert answer.tier == pytest.approx((0.0, 0.0, 0.2, 0.0))
    assert answer.status == "estimated"
    assert answer.evidence_ids == ("foundry.hygon", "hygon.inspur")


def test_a_factor_that_no_link_reaches_is_unknown_not_zero():
    links = [link("hbm", "inspur", 0.5), link("other_inputs", "inspur", 0.5)]

    (answer,) = walked_share(SHARE, context(links=links))

    assert answer.status == "missing"
    assert answer.mid is None
    assert "not known to be zero" in answer.note


def test_a_link_without_a_point_on_the_way_leaves_the_mid_unknown():
    links = [link("foundry", "inspur", None, lo=0.0, hi=0.4), link("other_inputs", "inspur", 0.6)]

    (answer,) = walked_share(SHARE, context(links=links))

    assert answer.mid is None
    assert answer.hi == pytest.approx(0.4)


def test_cost_that_no_link_explains_widens_the_upper_end():
    (answer,) = walked_share(SHARE, context(links=[link("foundry", "inspur", 0.6)]))

    assert answer.lo == pytest.approx(0.6)
    assert answer.hi == pytest.approx(1.0)
    assert answer.status == "imputed"  # 60% traced: given pro rata


def test_below_half_traced_there_is_no_point():
    (answer,) = walked_share(SHARE, context(links=[link("foundry", "inspur", 0.3)]))

    assert answer.mid is None
    assert "30%" in answer.note


def test_an_imputed_link_makes_the_score_imputed():
    links = [
        link("foundry", "inspur", 0.4, status="imputed", lo=0.0, hi=0.6),
        link("other_inputs", "inspur", 0.6, lo=0.4, hi=1.0),
    ]

    (answer,) = walked_share(SHARE, context(links=links))

    assert answer.status == "imputed"


def test_a_disclosed_figure_of_the_same_flow_replaces_the_walk():
    links = [link("foundry", "inspur", 0.4), link("other_inputs", "inspur", 0.6)]
    fact = evidence("share", "inspur", 0.35, grade="A")

    (answer,) = walked_share(
        factor("cost_share", capabilities=("foundry",)), context(fact, links=links)
    )

    assert answer.mid == 0.35
    assert answer.grade == "A"


def test_an_issuer_off_the_graph_is_missing():
    (answer,) = walked_share(SHARE, context(issuers=["lenovo"]))

    assert answer.status == "missing"


LISTED = factor("list_status", lists=("EL",), measures={})


def test_a_listed_issuer_scores_one():
    (answer,) = list_status(LISTED, context(statuses={("inspur", "EL"): status("listed")}))

    assert (answer.lo, answer.mid, answer.hi) == (1.0, 1.0, 1.0)
    assert answer.evidence_ids == ("link.EL",)


def test_a_listed_parent_does_not_list_the_issuer_but_is_shown():
    (answer,) = list_status(LISTED, context(statuses={("inspur", "EL"): status("related")}))

    assert answer.mid == 0.0
    assert answer.note == "EL wording"


def test_zero_needs_a_screening():
    (unknown,) = list_status(LISTED, context(statuses={("inspur", "EL"): status("not_on_list")}))
    (known,) = list_status(
        LISTED,
        context(statuses={("inspur", "EL"): status("not_on_list")}, screened=[("inspur", "EL")]),
    )

    assert unknown.mid is None
    assert unknown.status == "missing"
    assert known.mid == 0.0
    assert known.evidence_ids == ("screened:EL:inspur",)


def test_an_unresolved_link_leaves_the_status_unknown():
    (answer,) = list_status(
        LISTED,
        context(statuses={("inspur", "EL"): status("unresolved")}, screened=[("inspur", "EL")]),
    )

    assert answer.mid is None


def test_a_hazard_is_one_while_a_measure_is_in_force_and_unknown_otherwise():
    risk = factor("hazard", lists=("NS-CMIC", "1260H"))

    (listed,) = hazard(risk, context(statuses={("inspur", "1260H"): status("listed", "1260H")}))
    (unknown,) = hazard(risk, context())
    (stated,) = hazard(risk, context(evidence("share", "inspur", 0.2)))

    assert listed.mid == 1.0
    assert unknown.mid is None
    assert (unknown.lo, unknown.hi) == (0.0, 1.0)
    assert stated.mid == 0.2


def test_two_links_of_one_pair_add_up():
    links = links_frame(
        link("foundry", "inspur", 0.2, link_id="a", input_kind="dies"),
        link("foundry", "inspur", 0.3, link_id="b", input_kind="packaging"),
    )

    result = walk(build_graph(links, nodes_frame("foundry")), ["foundry"])

    assert result.lo[1] == pytest.approx(0.5)


def test_only_links_on_a_path_are_evidence():
    links = links_frame(
        link("foundry", "hygon", 0.5),
        link("hygon", "inspur", 0.4),
        link("hbm", "inspur", 0.1),
        link("foundry", "sugon", 0.1),
    )

    graph = build_graph(links, nodes_frame("foundry", "hbm"))

    assert links_on_the_way(graph, "inspur", ["foundry"]) == ["foundry.hygon", "hygon.inspur"]
