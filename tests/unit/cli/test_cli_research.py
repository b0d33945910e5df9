"""``data next`` and ``explain``: what an analyst reads before looking a fact up."""

import json
from pathlib import Path

import pytest

HOLDINGS = str(Path(__file__).parents[3] / "portfolios" / "ai-servers" / "holdings.csv")
DAY = ["--as-of", "2025-01-24"]


def test_the_research_list_names_whose_fact_it_is(ask):
    code, out, err = ask("data", "next", HOLDINGS, *DAY, "--top", "5")

    assert code == 0
    assert any(name in out for name in ("紫光股份", "中芯国际", "中科曙光", "联想集团"))
    assert out.count(" pp ") == 5
    assert "where:" in out
    assert "explains" in err


def test_the_research_list_as_json_adds_up(ask):
    code, out, _ = ask("data", "next", HOLDINGS, *DAY, "-f", "foundry_node_dependence", "--json")
    rows = json.loads(out)["rows"]

    assert code == 0
    assert {row["factor_id"] for row in rows} == {"foundry_node_dependence"}
    assert sum(row["share"] for row in rows) == pytest.approx(1.0, abs=1e-6)


def test_an_unknown_factor_is_a_usage_error_with_the_nearest(ask):
    code, _, err = ask("data", "next", HOLDINGS, *DAY, "-f", "foundry_dependence")

    assert code == 2
    assert "foundry_node_dependence" in err


def test_explain_prints_tiers_cuts_flows_and_what_to_look_up(ask):
    code, out, _ = ask("explain", "603019.SH", "foundry_node_dependence", *DAY)

    assert code == 0
    for part in (
        "by tier:",
        "fully cut",
        "passes through",
        "next to look up",
        "wider intervals than printed",
    ):
        assert part in out


def test_explain_against_an_earlier_day_names_each_fact_that_became_known(ask):
    code, out, _ = ask(
        "explain", "603019.SH", "foundry_node_dependence", *DAY, "--against", "2024-06-30", "--json"
    )
    found = json.loads(out)

    changes = found["against"]["changes"]
    assert code == 0
    assert changes
    assert all(
        "known" in row["why"] or "gave way" in row["why"] or "ended" in row["why"]
        for row in changes
    )
    assert found["against"]["scores"][0]["factor_id"] == "foundry_node_dependence"


def test_explain_against_a_later_day_is_a_usage_error(ask):
    code, _, err = ask("explain", "603019.SH", *DAY, "--against", "2025-06-30")

    assert code == 2
    assert "--against" in err


def test_nothing_changed_is_said(ask):
    _, out, _ = ask(
        "explain", "603019.SH", "foundry_node_dependence", *DAY, "--against", "2025-01-24"
    )

    assert "nothing changed" in out
