"""``score`` and ``stress --all``: the two lines a PM keeps, and how firm the ranking is."""

import json
import unicodedata
from pathlib import Path

import pytest

from exposure.cli.headline import COLUMNS

HOLDINGS = str(Path(__file__).parents[3] / "portfolios" / "ai-servers" / "holdings.csv")
DAY = ["--as-of", "2025-01-24"]


def columns(line):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def test_score_says_how_few_suppliers_it_hangs_on(told):
    out = told("score", HOLDINGS, *DAY)

    assert "effective upstream suppliers" in out
    assert "有效供应商" in out
    assert "largest load on:" in out


def test_score_json_has_the_concentration(told):
    data = json.loads(told("score", HOLDINGS, *DAY, "--json"))["concentration"]

    assert data["holdings"] == 11
    assert data["sentence_en"].startswith("11 holdings behave like")
    assert 0 < data["traced"] < 1


def test_all_scenarios_end_with_the_headline(told):
    block = told("stress", HOLDINGS, *DAY, "--all").split("\n\n", 1)[1]

    for part in (
        "expected loss",
        "gain",
        "apart",
        "not counted",
        "closest tie",
        "Kendall τ",
        "tier",
    ):
        assert part in block
    assert block.index("寒武纪") > block.index("rank")
    assert max(columns(line) for line in block.splitlines()) <= COLUMNS


def test_the_headline_is_in_the_json(told):
    data = json.loads(told("stress", HOLDINGS, *DAY, "--all", "--json"))["headline"]

    assert data["loss"] == pytest.approx(sum(row["contribution"] for row in data["listings"]))
    assert data["gain"] > 0
    assert data["listings"][0]["rank"] == 1
    assert data["robustness"]["draws"] >= 1000


def test_some_scenarios_are_no_headline(told):
    assert "expected loss" not in told("stress", HOLDINGS, *DAY, "-s", "hbm_ban")
    assert json.loads(told("stress", HOLDINGS, *DAY, "-s", "hbm_ban", "--json"))["headline"] is None


def test_all_with_a_what_if_runs_both(told):
    out = told("stress", HOLDINGS, *DAY, "--all", "--shock", "hbm=-0.4")

    assert "what_if" in out
    assert "foundry_16nm_cut" in out
    assert "expected loss" in out


def test_a_floor_is_marked_where_a_return_is_unknown(catalog, book):
    from exposure.cli.headline import headline_text
    from exposure.scenarios.headline import headline
    from exposure.scenarios.stressing import stress

    text = headline_text(headline(stress(book, catalog), book, catalog), book, catalog)

    assert "figures are of the known part" in text
    assert "so no rank" in text
    assert "+  " in text


def test_no_probability_no_headline(catalog, book):
    from exposure.cli.headline import headline_text
    from exposure.scenarios.headline import headline
    from exposure.scenarios.stressing import stress

    shock = stress(book, catalog, [], node_shocks={"hbm": -0.4})

    assert "no scenario has both" in headline_text(headline(shock, book, catalog), book, catalog)
