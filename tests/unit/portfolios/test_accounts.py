"""Custodian valuation tables: account trees of three families read to positions and cash."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

from exposure.errors import HoldingsError
from exposure.portfolios.holdings import Book

Read = Callable[..., Book]

# One fund in three families: 1,000 Inspur, 2,000 Lenovo at HKD 0.92, cash, a receivable and a fee that is owed.
PLAIN = """\
某证券___某产品___专用表
估值日期：2025-01-24
科目代码,科目名称,数量,单位成本,成本,成本占净值%,市价,市值,市值占净值%,估值增值,停牌信息
1002,银行存款,,,30000.00,,,30000.00,,,
100201,活期存款,,,30000.00,,,30000.00,,,
1102,股票投资,3000,,60000.00,,,71240.00,,11240.00,
110233,深交所,1000,,45000.00,,,52840.00,,7840.00,
11023301,成本,1000,,45000.00,,,52840.00,,7840.00,
11023301000977,浪潮信息,1000,45.00,45000.00,,52.84,52840.00,,7840.00,
11023399000977,浪潮信息估值增值,,,7840.00,,,7840.00,,,
110281,港股通,2000,,15000.00,,,18400.00,,3400.00,
11028101,成本,2000,,15000.00,,,18400.00,,3400.00,
1102810100992,联想集团,2000,7.50,15000.00,,9.20,18400.00,,3400.00,
1203,应收股利,,,500.00,,,500.00,,,
2206,应付管理人报酬,,,740.00,,,740.00,,,
基金资产净值:,,,,,,,101000.00,,,
基金单位净值:,,,,,,,1.0100,,,
制表：甲  复核：乙
"""


def held(book: Book) -> dict[str, tuple[float, float]]:
    return {
        listing: (quantity, round(value, 2))
        for listing, quantity, value in book.holdings.select(
            "listing_id", "quantity", "value"
        ).iter_rows()
    }


EXPECTED = {"000977.SZ": (1000, 52_840.0), "0992.HK": (2000, 18_400.0)}


def test_the_lowest_accounts_are_positions(read: Read) -> None:
    # the table's prices are in the currency of the fund, so the Hong Kong line states it
    text = PLAIN.replace("科目名称,数量", "科目名称,币种,汇率,数量")
    lines = text.split("\n")
    for at, line in enumerate(lines[3:-2], start=3):
        cells = line.split(",")
        is_hong_kong = cells[0].startswith("1102810")
        lines[at] = ",".join(
            [
                *cells[:2],
                "HKD" if is_hong_kong else "CNY",
                "0.92" if is_hong_kong else "1",
                *cells[2:],
            ]
        )
        if is_hong_kong:
            lines[at] = lines[at].replace(",9.20,", ",10.00,")
    book = read("\n".join(lines))
    assert held(book) == EXPECTED
    assert book.nav == pytest.approx(101_000)
    assert book.cash_weight == pytest.approx((30_000 + 500 - 740) / 101_000)
    rules = set(book.issues["rule"])
    assert {
        "parent_accounts",
        "revaluation_accounts",
        "counted_as_cash",
        "net_assets_agree",
    } <= rules


def test_two_header_lines_take_the_price_as_quoted_and_the_value_of_the_fund(
    tmp_path: Path, read: Read
) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    rows: list[list[object]] = [
        ["产品估值表"],
        ["日期", "20250124"],
        [],
        [
            "科目代码",
            "科目名称",
            "币种",
            "汇率",
            "数量",
            "单位成本",
            None,
            "成本",
            None,
            "成本占比",
            "行情",
            None,
            "市值",
            None,
            "市值占比",
            "停牌信息",
        ],
        [
            None,
            None,
            None,
            None,
            None,
            "原币",
            "本币",
            "原币",
            "本币",
            None,
            "原币",
            "本币",
            "原币",
            "本币",
            None,
            None,
        ],
        [],
        [
            "1002",
            "银行存款",
            "人民币",
            1,
            None,
            None,
            None,
            29760,
            29760,
            None,
            None,
            None,
            29760,
            29760,
            0.2947,
            None,
        ],
        [
            "1102",
            "股票投资",
            None,
            None,
            3000,
            None,
            None,
            None,
            60000,
            None,
            None,
            None,
            None,
            71240,
            0.7053,
            None,
        ],
        [
            "1102.33.01.000977",
            "浪潮信息",
            "人民币",
            1,
            1000,
            45,
            45,
            45000,
            45000,
            0.4,
            52.84,
            52.84,
            52840,
            52840,
            0.5232,
            "正常交易",
        ],
        [
            "1102.81.01.00992 HS",
            "联想集团",
            "港币",
            0.92,
            2000,
            8.2,
            7.5,
            16304,
            15000,
            0.1,
            10,
            9.2,
            20000,
            18400,
            0.1822,
            None,
        ],
        [
            "资产净值",
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            101000,
            1,
            None,
        ],
    ]
    for row in rows:
        sheet.append(row)
    book.save(tmp_path / "gzb.xlsx")
    result = read(tmp_path / "gzb.xlsx")
    assert held(result) == EXPECTED
    assert result.holdings["price"].to_list() == [52.84, 10.0]
    assert result.cash_weight == pytest.approx(29_760 / 101_000)


def test_dotted_codes_with_a_leading_blank_column(read: Read) -> None:
    text = (
        "-,科目代码,科目名称,币种,数量,单位成本,成本,成本占净值%,行情,市值,市值占净值%,估值增值,停牌信息,债券每百元利息\n"
        "-,1002.01,银行存款,CNY,,,29760,,,29760,29.47,,,\n"
        "-,1102.33.01.000977,浪潮信息,CNY,1000,45,45000,44.6,52.84,52840,52.32,7840,,\n"
        "-,1102.01.01.603019 SH,中科曙光,CNY,100,50,5000,5,184,18400,18.22,,,\n"
        "制表：甲,,复核：乙\n"
    )
    book = read(text)
    assert held(book) == {"000977.SZ": (1000, 52_840.0), "603019.SH": (100, 18_400.0)}
    assert "net_assets_not_stated" in set(book.issues["rule"])


def test_a_bond_is_refused_by_row_and_named(read: Read) -> None:
    text = (
        PLAIN.replace(
            "1203,应收股利,,,500.00,,,500.00,,,", "11030101019666,22国债01,5,,500.00,,100,500.00,,,"
        )
        .replace("110281", "110201")
        .replace("1102010100992,联想集团", "11020101603019,中科曙光")
    )
    with pytest.raises(HoldingsError) as caught:
        read(text)
    assert [place.row for place in caught.value.places] == [14]
    assert "a bond" in caught.value.render()
    book = read(text, allow_rejects=True)
    assert set(book.holdings["listing_id"]) == {"000977.SZ", "603019.SH"}


def test_accounts_that_do_not_add_up_are_refused(read: Read) -> None:
    with pytest.raises(HoldingsError, match="net assets"):
        read(PLAIN.replace("101000.00", "151000.00"))


def test_a_table_of_sums_only_is_refused(read: Read) -> None:
    with pytest.raises(HoldingsError, match="no account of shares"):
        read("科目代码,科目名称,数量,市值\n1002,银行存款,,100\n1103,债券,,100\n")


def test_without_rates_the_value_says_what_it_can(read: Read) -> None:
    in_base = read(PLAIN)
    assert held(in_base) == EXPECTED
    lenovo = in_base.holdings.row(1, named=True)
    assert lenovo["listing_id"] == "0992.HK"
    assert (lenovo["price"], lenovo["fx"]) == (None, 1.0)
    assert "fx_unknown" in set(in_base.issues["rule"])
    quoted = read(PLAIN.replace(",9.20,18400", ",10.00,18400"))
    lenovo = quoted.holdings.row(1, named=True)
    assert (lenovo["price"], lenovo["fx"]) == (10.0, pytest.approx(0.92))
    assert "fx_from_value" in set(quoted.issues["rule"])
