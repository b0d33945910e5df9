"""How few suppliers a portfolio hangs on, by hand; what nobody knows widens the load and never counts as zero.

hygon spends half of its cost at the foundry, sugon 60% at hygon; of cambricon only a lower bound of .2 is known, of
inspur nothing. A quarter of what is invested is in each.
"""

import json
import math
from dataclasses import replace

import pytest

from exposure.attribution import concentration, score
from exposure.factors.concentration import upstream_shares
from exposure.factors.graph import build_graph
from exposure.factors.walks import walk
from tests.factories import link, links_frame, nodes_frame
from tests.headline_worlds import make_book

FOUNDRY = "foreign_foundry_16nm"
LINKS = [
    link(FOUNDRY, "hygon", 0.5),
    link("other_inputs", "hygon", 0.5),
    link("hygon", "sugon", 0.6),
    link("other_inputs", "sugon", 0.4),
    link(FOUNDRY, "cambricon", None, lo=0.2, hi=0.4),
    link("hygon", "cn_ai_server_demand", 0.1),
]
HELD = {"688041.SH": "hygon", "603019.SH": "sugon", "688256.SH": "cambricon", "000977.SZ": "inspur"}


@pytest.fixture
def world(catalog):
    return replace(catalog, links=links_frame(*LINKS), link_drift={})


@pytest.fixture
def found(world):
    return concentration(make_book(dict.fromkeys(HELD, 0.2), HELD), world)


def rows(frame, key):
    return {row[key]: row for row in frame.iter_rows(named=True)}


def test_load_is_weight_times_first_hit_share(found):
    """Foundry: .25·(.5 + .6·.5 + .2) = .25; hygon: .25·.6 = .15, and it isn't its own supplier."""
    nodes = rows(found.upstream, "node_id")

    assert list(nodes) == [FOUNDRY, "hygon"]
    assert nodes[FOUNDRY]["load"] == pytest.approx(0.25)
    assert nodes["hygon"]["load"] == pytest.approx(0.15)
    assert nodes[FOUNDRY]["issuers"] == ["hygon", "sugon", "cambricon"]
    assert nodes[FOUNDRY]["kind"] == "capability"
    assert nodes["hygon"]["kind"] == "issuer"


def test_effective_numbers(found):
    """Shares .625 and .375: HHI .53125, 1.882 suppliers; four equal holdings whatever the cash."""
    assert found.holdings == 4
    assert found.effective_holdings == pytest.approx(4)
    assert found.suppliers_hhi == pytest.approx(0.53125)
    assert found.effective_suppliers == pytest.approx(1 / 0.53125)
    entropy = -(0.625 * math.log(0.625) + 0.375 * math.log(0.375))
    assert found.effective_suppliers_entropy == pytest.approx(math.exp(entropy))


def test_what_is_known_is_said(found):
    """Inspur has no link; cambricon's cost isn't traced to the end."""
    assert found.linked_weight == pytest.approx(0.75)
    assert found.known_weight == pytest.approx(0.75)
    assert found.traced == pytest.approx(0.5)
    assert found.unknown == ("inspur",)


def test_an_unknown_share_widens_the_load(found):
    """At its largest all of inspur's and .4 + what no link explains of cambricon's cost may come from the foundry."""
    node = rows(found.upstream, "node_id")[FOUNDRY]

    assert node["load_lo"] == pytest.approx(0.25 * (0.5 + 0.3 + 0.2))
    assert node["load_hi"] == pytest.approx(0.25 * (0.5 + 0.3 + 1.0 + 1.0))


def test_parts_add_up_to_the_load(found):
    sums = found.parts.select("node_id", "load").group_by("node_id").sum()

    for row in sums.iter_rows(named=True):
        assert row["load"] == pytest.approx(rows(found.upstream, "node_id")[row["node_id"]]["load"])


def test_listings_of_one_issuer_are_one_holding(world):
    pair = {"688981.SH": "smic", "0981.HK": "smic"}
    found = concentration(make_book(dict.fromkeys(pair, 0.3), pair), world)

    assert found.holdings == 1
    assert found.effective_holdings == pytest.approx(1)


def test_nobody_known_leaves_the_number_open(catalog):
    bare = replace(catalog, links=links_frame(link(FOUNDRY, "inspur", None)))
    found = concentration(make_book({"000977.SZ": 1.0}, HELD), bare)

    assert found.effective_suppliers is None
    assert (found.linked_weight, found.known_weight) == (1.0, 0.0)
    assert rows(found.upstream, "node_id")[FOUNDRY]["load_hi"] == pytest.approx(1.0)
    assert "no upstream supplier" in found.sentence()
    assert "占比未知" in found.sentence("zh")


def test_a_company_that_is_known_to_buy_elsewhere_is_known(catalog):
    elsewhere = replace(catalog, links=links_frame(link("other_inputs", "inspur", 1.0)))
    found = concentration(make_book({"000977.SZ": 1.0}, HELD), elsewhere)

    assert found.unknown == ()
    assert found.known_weight == 1.0
    assert found.traced == pytest.approx(1.0)


def test_an_empty_book_has_no_concentration(world):
    found = concentration(make_book({}), world)

    assert found.effective_holdings is None
    assert found.upstream.is_empty()
    assert found.sentence() == "no holdings"
    assert found.sentence("zh") == "无持仓"


def test_the_sentence_in_both_languages(found):
    assert found.sentence("en") == (
        "4 holdings behave like 4.0; they hang on 1.9 effective upstream suppliers"
        " (known shares cover 75% of weight, 50% of cost is traced)"
    )
    assert "4家持仓的分散程度相当于4.0家；上游集中于1.9家有效供应商" in found.sentence("zh")


def test_a_circle_of_suppliers_keeps_a_company_out_of_its_own_suppliers():
    graph = build_graph(
        links_frame(
            link("hygon", "sugon", 0.5),
            link("sugon", "hygon", 0.2),
        ),
        nodes_frame(),
    )
    shares = upstream_shares(graph, ["hygon", "sugon"])

    assert shares.suppliers == ("hygon", "sugon")
    assert shares.mid.ravel().tolist() == pytest.approx([0.0, 0.2, 0.5, 0.0])


def test_the_shares_are_those_of_the_walk(book, catalog):
    graph = catalog.graph_at(book.as_of)
    issuers = sorted(set(book.holdings["issuer_id"]))
    shares = upstream_shares(graph, issuers)
    at = [graph.index(name) for name in issuers]

    assert len(shares.suppliers) >= 5
    for j, supplier in enumerate(shares.suppliers):
        walked = walk(graph, [supplier])
        for i, issuer in enumerate(issuers):
            if issuer != supplier and at[i] is not None:
                assert shares.lo[i, j] == pytest.approx(walked.lo[at[i]], abs=1e-9)
                assert shares.hi[i, j] == pytest.approx(walked.hi[at[i]], abs=1e-9)
                assert shares.lo[i, j] <= shares.mid[i, j] <= shares.hi[i, j] + 1e-12


def test_a_circle_that_keeps_every_yuan_is_walked_with_care():
    """Two companies that buy only from each other: each traces wholly to the other."""
    graph = build_graph(
        links_frame(link("hygon", "sugon", 1.0), link("sugon", "hygon", 1.0)), nodes_frame()
    )
    shares = upstream_shares(graph, ["hygon", "sugon"])

    assert shares.mid.ravel().tolist() == pytest.approx([0.0, 1.0, 1.0, 0.0])


def test_scores_carry_it(book, catalog):
    scores = score(book, catalog, factors=["ascend_share"])
    data = json.loads(json.dumps(scores.to_dict()["concentration"], allow_nan=False))

    assert data["holdings"] == book.holdings["issuer_id"].n_unique()
    assert 1 <= data["effective_suppliers"] <= len(scores.concentration.upstream)
    assert len(data["upstream"]) <= 10
    assert data["upstream"][0]["issuers"][0]["load"] > 0
    assert data["upstream"][0]["load"] <= data["upstream"][0]["load_hi"]
