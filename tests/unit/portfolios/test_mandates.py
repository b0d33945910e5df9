from __future__ import annotations

import subprocess
import sys

import pytest

from exposure.errors import MandateError
from exposure.portfolios.mandates import (
    CashRule,
    CoverageFloor,
    FactorLimit,
    Mandate,
    PositionRule,
    ScenarioLimit,
    WorstScenario,
    load_mandate,
    parse_amount,
)

FULL = """
name = "AI servers"
name_zh = "服务器"
base_currency = "CNY"
us_person = true

[objective]
kind = "min_worst_scenario"
cost_aversion = 2

[universe]
names = ["000977.SZ", "603019.SH"]
exclude = ["688256.SH"]
exclude_lists = ["EL"]
do_not_trade = ["002261.SZ"]

[position]
max = "10%"
min_trade = 0.001

[issuer]
max = 0.12

[cash]
min = "1%"
max = "5%"

[turnover]
max = "60%"

[[factor]]
factor = "foundry_node_dependence"
max = "30%"
note = "board decision"

[[factor]]
factor = "ascend_share"
base = "gross_profit"
max_of_current = 0.8
min_over_benchmark = "-5%"
score = "hi"

[[scenario]]
id = "hbm_ban"
max_loss = "12%"

[[scenario]]
id = "hbm_ban"
severity = "high"
max_loss = "20%"

[worst_scenario]
max_loss = "15%"

[[coverage]]
factor = "hbm_dependence"
min = "60%"
"""


def mandate_file(tmp_path, text):
    path = tmp_path / "mandate.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_full_file_is_read_with_every_unit(tmp_path):
    rules = load_mandate(mandate_file(tmp_path, FULL))

    assert (rules.name, rules.name_zh, rules.base_currency) == ("AI servers", "服务器", "CNY")
    assert rules.objective.kind == "min_worst_scenario"
    assert rules.objective.cost_aversion == 2.0
    assert rules.universe == ("000977.SZ", "603019.SH")
    assert rules.exclude == ("688256.SH",)
    assert rules.lists_excluded == ("EL", "SDN", "NS-CMIC")
    assert rules.do_not_trade == ("002261.SZ",)
    assert rules.position == PositionRule(0.10, 0.0, 0.001)
    assert rules.issuer_max == 0.12
    assert rules.cash == CashRule(None, 0.01, 0.05)
    assert rules.turnover_max == 0.6
    assert rules.factors == (
        FactorLimit("foundry_node_dependence", "foundry_node_dependence", "<=", 0.3),
        FactorLimit(
            "ascend_share[gross_profit]", "ascend_share", "<=", 0.8, "current", "hi", "gross_profit"
        ),
        FactorLimit(
            "floor:ascend_share[gross_profit]",
            "ascend_share",
            ">=",
            -0.05,
            "benchmark",
            "hi",
            "gross_profit",
        ),
    )
    assert rules.scenarios == (
        ScenarioLimit("scenario:hbm_ban", "hbm_ban", 0.12),
        ScenarioLimit("scenario:hbm_ban:high", "hbm_ban", 0.20, "high"),
    )
    assert rules.worst_scenario == WorstScenario(0.15)
    assert rules.coverage == (CoverageFloor("coverage:hbm_dependence", "hbm_dependence", 0.6),)
    assert rules.source == "mandate.toml"


def test_an_empty_file_is_a_fully_invested_long_only_mandate(tmp_path):
    rules = load_mandate(mandate_file(tmp_path, ""))

    assert rules.name == "mandate"
    assert rules.cash == CashRule(0.0)
    assert rules.limit_names() == ("cash",)


@pytest.mark.parametrize(
    ("text", "row", "words"),
    [
        ('[turnover]\nmaxi = "20%"', 2, "did you mean 'max'"),
        ("turnovr = 3", 1, "did you mean 'turnover'"),
        ("[turnover]\nmax = 30", 2, "outside 0..200%"),
        ('[turnover]\nmax = "thirty"', 2, "30%"),
        ("[turnover]\nmax = true", 2, "must be a number"),
        ("[position]\nmax = -0.1", 2, "outside"),
        ("[position]\nmax = nan", 2, "finite"),
        ("position = 0.1", 1, "must be a table"),
        ("us_person = 1", 1, "true or false"),
        ("name = 3", 1, "text in quotes"),
        ('[universe]\nexclude = "688256.SH"', 2, "list of texts"),
        ('[universe]\nexclude_lists = ["SDNN"]', 2, "known are"),
        ('[universe]\nnames = "holding"', 2, "did you mean 'holdings'"),
        ('[objective]\nkind = "min_trackin_error"', 2, "did you mean 'min_tracking_error'"),
        ("[objective]\ncost_aversion = -1", 2, "below 0"),
        (
            '[[factor]]\nfactor = "a"\nmax = 0.1\n[[factor]]\nfactor = "b"\nmaximum = 1\nmax = 1',
            6,
            "did you mean 'max'",
        ),
        ('[[factor]]\nfactor = "a"', 1, "states no bound"),
        ("[[factor]]\nmax = 1", 1, "needs factor"),
        ("[factor]\nmax = 1", 1, "list of tables"),
        ('[[scenario]]\nid = "hbm_ban"', 1, "needs max_loss"),
        ("[[scenario]]\nmax_loss = 0.1", 1, "needs id"),
        ("[worst_scenario]\nseverity = 'base'", 1, "needs max_loss"),
        ("[[coverage]]\nmin = 0.1", 1, "needs factor"),
    ],
)
def test_a_fault_names_file_line_and_cure(tmp_path, text, row, words):
    with pytest.raises(MandateError) as caught:
        load_mandate(mandate_file(tmp_path, text))

    place = caught.value.places[0]
    assert place.file == "mandate.toml"
    assert place.row == row
    assert words in caught.value.render()
    assert caught.value.exit_code == 3


def test_a_repeated_key_and_a_missing_file_are_refused(tmp_path):
    with pytest.raises(MandateError, match="not valid TOML"):
        load_mandate(mandate_file(tmp_path, "name = 'a'\nname = 'b'"))
    with pytest.raises(MandateError, match="can't be read"):
        load_mandate(tmp_path / "nowhere.toml")


def test_two_limits_of_one_name_are_refused_with_the_line(tmp_path):
    text = '[[factor]]\nfactor = "ascend_share"\nmax = 0.3\n[[factor]]\nfactor = "ascend_share"\nmax = 0.2'

    with pytest.raises(MandateError, match="two limits") as caught:
        load_mandate(mandate_file(tmp_path, text))

    assert caught.value.places[0].row == 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "foundry_node_dependence <= 30%",
            ("foundry_node_dependence", "<=", 0.3, "absolute", "mid", "main"),
        ),
        ("hi(hbm_dependence) <= 0.2", ("hbm_dependence", "<=", 0.2, "absolute", "hi", "main")),
        (
            "us_listing_risk <= benchmark + 1%",
            ("us_listing_risk", "<=", 0.01, "benchmark", "mid", "main"),
        ),
        (
            "us_listing_risk <= benchmark - 25bp",
            ("us_listing_risk", "<=", -0.0025, "benchmark", "mid", "main"),
        ),
        (
            "us_listing_risk >= benchmark",
            ("us_listing_risk", ">=", 0.0, "benchmark", "mid", "main"),
        ),
        ("ascend_share <= 0.8 * current", ("ascend_share", "<=", 0.8, "current", "mid", "main")),
        ("ascend_share ≤ current * 80%", ("ascend_share", "<=", 0.8, "current", "mid", "main")),
        ("ascend_share <= current", ("ascend_share", "<=", 1.0, "current", "mid", "main")),
        (
            "ascend_share[gross_profit] <= .2",
            ("ascend_share", "<=", 0.2, "absolute", "mid", "gross_profit"),
        ),
        (
            "inventory_cover_weeks >= 12",
            ("inventory_cover_weeks", ">=", 12.0, "absolute", "mid", "main"),
        ),
    ],
)
def test_a_sentence_about_a_factor(text, expected):
    limit = Mandate.of(text).factors[0]

    assert (
        limit.factor,
        limit.sense,
        limit.value,
        limit.basis,
        limit.score,
        limit.base,
    ) == expected


def test_sentences_about_everything_else():
    rules = Mandate.of(
        "turnover <= 20%",
        "position <= 10%",
        "position >= 0.5%",
        "issuer <= 12%",
        "cash == 2%",
        "scenario:hbm_ban >= -12%",
        "scenario:hbm_ban:high >= −20%",
        "worst_scenario >= -15%",
        "coverage(hbm_dependence) >= 60%",
        "exclude 688256.SH, SDN",
        "do_not_trade 000977.SZ 603019.SH",
        universe="holdings",
    )

    assert rules.turnover_max == 0.2
    assert rules.position == PositionRule(0.1, 0.005)
    assert rules.issuer_max == 0.12
    assert rules.cash == CashRule(0.02)
    assert [limit.max_loss for limit in rules.scenarios] == [0.12, 0.2]
    assert rules.worst_scenario == WorstScenario(0.15)
    assert rules.coverage[0].floor == 0.6
    assert (rules.exclude, rules.exclude_lists) == (("688256.SH",), ("SDN",))
    assert rules.do_not_trade == ("000977.SZ", "603019.SH")
    assert rules.universe == "holdings"


def test_a_cash_range_replaces_the_target():
    rules = Mandate.of("cash >= 1%", "cash <= 5%")

    assert rules.cash == CashRule(None, 0.01, 0.05)
    assert rules.cash.most == 0.05
    assert CashRule(None).most == 1.0
    assert CashRule(0.03).most == pytest.approx(0.05)


@pytest.mark.parametrize(
    "text",
    [
        "foundry_node_dependence",
        "foundry_node_dependence <= much",
        "Foundry Node <= 3%",
        "foundry_node_dependence == 30%",
        "turnover >= 10%",
        "turnover <= 300%",
        "position <= 30",
        "scenario:hbm_ban <= 12%",
        "scenario:hbm_ban >= 12%",
        "scenario:hbm_ban:worst >= -12%",
        "coverage(hbm_dependence) <= 60%",
        "ascend_share <= 0.8 * benchmark",
        "ascend_share <= current + 1%",
        "worst_scenario >= 15%",
    ],
)
def test_a_sentence_that_cannot_be_read_shows_how_to_write_it(text):
    with pytest.raises(MandateError) as caught:
        Mandate.of(text)

    assert repr(text) in caught.value.what
    assert caught.value.cure.startswith("write it like")


def test_with_limits_replaces_by_name_and_adds():
    rules = Mandate.of("ascend_share <= 30%", "turnover <= 20%")

    changed = rules.with_limits(
        "scenario:hbm_ban >= -10%",
        caps={"ascend_share": 0.2, "hbm_dependence": "5%"},
        max_turnover=0.4,
    )

    assert [(limit.name, limit.value) for limit in changed.factors] == [
        ("ascend_share", 0.2),
        ("hbm_dependence", 0.05),
    ]
    assert changed.turnover_max == 0.4
    assert changed.scenarios[0].max_loss == 0.1
    assert rules.turnover_max == 0.2


def test_a_cap_and_a_floor_of_one_factor_have_two_names():
    rules = Mandate.of("ascend_share <= 30%", "ascend_share >= 10%")

    assert rules.limit_names()[:2] == ("ascend_share", "floor:ascend_share")


@pytest.mark.parametrize(
    ("limit", "theirs", "bound"),
    [
        (FactorLimit("x", "x", "<=", 0.3), None, 0.3),
        (FactorLimit("x", "x", "<=", 0.01, "benchmark"), 0.2, 0.21),
        (FactorLimit("x", "x", "<=", 0.8, "current"), None, 0.4),
    ],
)
def test_the_bound_of_a_relative_limit(limit, theirs, bound):
    assert limit.bound(theirs, 0.5) == pytest.approx(bound)


def test_a_limit_relative_to_no_benchmark_is_refused():
    with pytest.raises(MandateError, match="relative to a benchmark"):
        FactorLimit("x", "x", "<=", 0.01, "benchmark").bound(None, 0.5)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"universe": "everything"}, "no universe"),
        ({"position": PositionRule(0.1, 0.2)}, "above position max"),
        ({"cash": CashRule(0.01, 0.05)}, "out of order"),
        ({"scenarios": (ScenarioLimit("a", "x", 0.1), ScenarioLimit("a", "y", 0.1))}, "two limits"),
    ],
)
def test_a_mandate_that_contradicts_itself_in_form_is_refused(fields, words):
    with pytest.raises(MandateError, match=words):
        Mandate(**fields)


@pytest.mark.parametrize(
    ("text", "value"),
    [("30%", 0.3), ("-12 %", -0.12), ("1e-3", 0.001), ("1e1%", 0.1), ("5e0bp", 0.0005)],
)
def test_amounts_are_exact_decimals(text, value):
    assert parse_amount(text) == value


def test_reading_a_mandate_does_not_import_the_solver():
    code = "import sys, exposure.portfolios.mandates; sys.exit('cvxpy' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
