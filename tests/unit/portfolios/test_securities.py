"""A code becomes a listing only where nothing about it is open."""

from __future__ import annotations

from datetime import date

import pytest

from exposure.portfolios.layouts import Layouts
from exposure.portfolios.securities import Resolver, SecurityMaster, normal_name


@pytest.mark.parametrize(
    "code",
    [
        "000977.SZ",
        "000977",
        "SZ000977",
        "sz.000977",
        "sz000977",
        "000977.XSHE",
        "000977 CH",
        "000977 CH Equity",
        "000977 C2",
        "深A000977",
        "\uff10\uff10\uff10\uff19\uff17\uff17",
        "977.SZ",
    ],
)
def test_all_forms_of_a_mainland_code_are_one_listing(resolver: Resolver, code: str) -> None:
    assert resolver.resolve(code, "浪潮信息").listing_id == "000977.SZ"


@pytest.mark.parametrize(
    "code", ["992 HK", "00992.HK", "0992.HK", "HK00992", "992 HK Equity", "港00992"]
)
def test_all_forms_of_a_hong_kong_code_are_one_listing(resolver: Resolver, code: str) -> None:
    answer = resolver.resolve(code)
    assert (answer.listing_id, answer.issuer_id) == ("0992.HK", "lenovo")


def test_an_american_ticker_needs_no_suffix(resolver: Resolver) -> None:
    assert resolver.resolve("NVDA").listing_id == "NVDA.US"
    assert resolver.resolve("NVDA US Equity", "NVIDIA CORP").listing_id == "NVDA.US"


def test_a_market_column_decides(resolver: Resolver) -> None:
    assert resolver.resolve("000977", None, "深圳Ａ股").listing_id == "000977.SZ"
    assert resolver.resolve("700", None, "港股通").listing_id == "0700.HK"
    assert resolver.resolve("000001", None, "深A").listing_id == "000001.SZ"


def test_zeros_are_restored_only_with_a_witness(resolver: Resolver) -> None:
    named = resolver.resolve("977", "浪潮信息")
    assert named.listing_id == "000977.SZ"
    assert [(r.rule, r.severity) for r in named.remarks] == [("zeros_restored", "warning")]
    placed = resolver.resolve("977", None, "深A")
    assert [(r.rule, r.severity) for r in placed.remarks] == [("zeros_restored", "info")]
    assert resolver.resolve("00700", "腾讯控股").listing_id == "0700.HK"


@pytest.mark.parametrize(
    ("code", "name", "market", "rule"),
    [
        ("977", None, None, "code_ambiguous"),  # Shenzhen or Hong Kong
        ("992", "浪潮信息", None, "code_ambiguous"),
        ("5", "某某", None, "code_unknown"),
        ("000001", None, None, "code_ambiguous"),  # also an index
        ("000300", None, None, "code_ambiguous"),
        ("000300.SH", None, None, "code_is_index"),
        ("000001.SH", None, None, "code_is_index"),
        ("603019.SZ", None, None, "market_contradicts_code"),
        ("000977.SZ", None, "上海A股", "market_contradicts_code"),
        ("000977", None, "沪A", "code_is_index"),
        ("000977", None, "月球", "market_unknown"),
        ("999999", None, None, "code_unknown"),
        ("510300", None, None, "not_a_share"),
        ("20051.SZ", None, None, "code_unknown"),
        ("600000.SH", None, None, "code_unknown"),
        ("005930.KS", None, None, "code_unknown"),
        ("000977.SZ", "中科曙光", None, "name_disagrees"),
        ("000977.SZ", "没有的公司", None, "name_disagrees"),
        ("000977.SZ", "超聚变", None, "name_disagrees"),
        ("000977.SZ", "Inspur Software", None, "name_disagrees"),
        ("000977.SZ", "Somebody Else Ltd", None, "name_disagrees"),
        ("not a code", None, None, "code_form"),
        ("1234567", None, None, "code_form"),
        ("CNE0000012M5", None, None, "isin_check_digit"),
        ("CNE0000012M2", None, None, "code_unknown"),
        ("00\u200b0977", None, None, "code_characters"),
        ("\u202e000977", None, None, "code_characters"),
        ("00О977", None, None, "code_characters"),  # noqa: RUF001 - a Cyrillic letter
        (None, None, None, "no_identity"),
        (None, "超聚变", None, "no_listing"),
        (None, "没有的公司", None, "name_unknown"),
        (None, "中芯国际", None, "name_ambiguous"),
        (None, "浪潮\u200b信息", None, "name_characters"),
    ],
)
def test_what_is_open_is_a_fault(
    resolver: Resolver, code: str | None, name: str | None, market: str | None, rule: str
) -> None:
    answer = resolver.resolve(code, name, market)
    assert answer.listing_id is None
    assert answer.fault is not None
    assert answer.fault.rule == rule
    assert answer.cure


def test_a_name_alone_is_enough_where_it_means_one_listing(resolver: Resolver) -> None:
    answer = resolver.resolve(None, "浪潮信息")
    assert answer.listing_id == "000977.SZ"
    assert answer.remarks[0].rule == "resolved_by_name"
    assert resolver.resolve(None, "中芯国际", "港股").listing_id == "0981.HK"


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("000977.SZ", "*ST浪潮信息"),
        ("000977.SZ", "XD浪潮信"),
        ("000977.SZ", "浪潮电子信息产业股份有限公司"),
        ("000977.SZ", "INSPUR ELECTRONIC INFORMATION A"),
        ("0992.HK", "LENOVO GROUP LTD"),
        ("0700.HK", "TENCENT HOLDINGS LTD"),
        ("0020.HK", "商汤－Ｗ"),  # noqa: RUF001
        ("000034.SZ", "深信泰丰"),
        ("000977.SZ", "浪 潮 信 息"),
    ],
)
def test_names_agree_in_their_usual_forms(resolver: Resolver, code: str, name: str) -> None:
    assert resolver.resolve(code, name).fault is None


def test_a_reused_ticker_needs_the_day(master: SecurityMaster, layouts: Layouts) -> None:
    early = Resolver.of(master, layouts.dictionary, date(2021, 1, 4))
    answer = early.resolve("0020.HK")
    assert answer.fault is not None
    assert answer.fault.rule == "listing_not_valid"
    late = Resolver.of(master, layouts.dictionary, date(2025, 1, 24))
    assert late.resolve("0020.HK").issuer_id == "sensetime"


def test_board_and_currency_are_looked_up(resolver: Resolver) -> None:
    assert resolver.board("688981.SH") == "star"
    assert resolver.currency("0981.HK") == "HKD"


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("万科Ａ", "万科"),
        ("深桑达A", "深桑达"),
        ("Co", "CO"),
        ("C海光", "海光"),
        ("有限公司", "有限公司"),
    ],
)
def test_normal_names(name: str, normal: str) -> None:
    assert normal_name(name) == normal
