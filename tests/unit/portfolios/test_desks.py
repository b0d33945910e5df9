"""What desks, custodians and terminals really hand over: each was once read to a wrong answer without a word.

If one of these fails, a portfolio is silently not the one that was held.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from exposure.errors import HoldingsError, UsageError
from exposure.portfolios.holdings import Book, load_benchmark, load_holdings
from exposure.portfolios.mapping import map_holdings, write_layout
from exposure.portfolios.securities import SecurityMaster

Read = Callable[..., Book]
DAY = date(2025, 1, 24)


def weights(book: Book) -> dict[str, float]:
    return dict(book.holdings.select("listing_id", "weight").iter_rows())


def rules(book: Book, *severities: str) -> set[str]:
    found = book.issues
    return set(found.filter(pl.col("severity").is_in(severities or ["info", "warning"]))["rule"])


# --- rows


@pytest.mark.parametrize("remark", ["注:限售股", "NAV", "Total", "合计", "source: desk"])
def test_a_remark_in_front_of_a_code_drops_no_position(read: Read, remark: str) -> None:
    book = read(
        f"备注,代码,名称,市值\n{remark},688041.SH,海光信息,4000\n,000977.SZ,浪潮信息,1000\n"
    )
    assert weights(book) == pytest.approx({"000977.SZ": 0.2, "688041.SH": 0.8})


@pytest.mark.parametrize(
    "text", ["名称,市值\n浪潮信息,5000\n海光信息,\n", "代码,市值\n000977.SZ,5000\nNVDA,\n"]
)
def test_a_security_without_an_amount_is_a_fault_and_a_note_is_none(read: Read, text: str) -> None:
    with pytest.raises(HoldingsError) as caught:
        read(text)
    assert [place.row for place in caught.value.places] == [3]
    noted = text.replace("海光信息", "以上数据仅供参考").replace("NVDA", "nothing else is held")
    assert "row_dropped" in rules(read(noted))


@pytest.mark.parametrize(
    "row",
    [
        "A股小计,,,5000", "港股合计,,,", "合计：2只,,,", "共2只,,,", "Total Portfolio,,,5000", ",总资产,,5000",
        "证券市值合计,,,5000", "Total Assets,,,",
    ],
)  # fmt: skip
def test_totals_by_any_name_are_no_positions(read: Read, row: str) -> None:
    book = read(f"代码,名称,数量,市值\n000977.SZ,浪潮信息,100,5000\n{row}\n")
    assert weights(book) == {"000977.SZ": 1.0}


def test_a_header_repeated_for_each_account_is_dropped(read: Read) -> None:
    book = read("代码,市值\n000977.SZ,1000\n代码,市值\n603019.SH,1000\n")
    assert weights(book) == pytest.approx({"000977.SZ": 0.5, "603019.SH": 0.5})
    assert "header_repeated" in rules(book)


# --- days


def test_two_days_in_one_file_are_refused(read: Read) -> None:
    rows = "2025-01-23,000977.SZ,5000\n2025-01-24,603019.SH,6000\n"
    for header in ("trade_date", "交易日期", "估值日", "as_of_date"):
        with pytest.raises(HoldingsError, match="2 days"):
            read(f"{header},code,value\n{rows}")
    frame = pd.DataFrame(
        {"code": ["000977.SZ", "603019.SH"], "value": [5000, 6000]},
        index=pd.to_datetime(["2025-01-23", "2025-01-24"]).rename("date"),
    )
    with pytest.raises(HoldingsError, match="2 days"):
        load_holdings(frame, as_of=DAY)


def test_codes_in_the_index_of_a_pandas_frame_are_codes() -> None:
    frame = pd.DataFrame({"code": ["000977.SZ", "603019.SH"], "value": [1.0, 3.0]}).set_index(
        "code"
    )
    assert weights(load_holdings(frame, as_of=DAY)) == {"000977.SZ": 0.25, "603019.SH": 0.75}


@pytest.mark.parametrize(
    "day", ["2025-01-24 15:00:00", "24/01/2025", "24-Jan-2025", "2025-01-24T15:00:00Z"]
)
def test_days_with_a_time_or_in_another_order_are_days(read: Read, day: str) -> None:
    assert read(f"日期,代码,权重\n{day},000977.SZ,1\n", as_of=None).as_of == DAY


def test_a_day_above_the_header_is_the_day_of_the_file(read: Read) -> None:
    book = read("某产品 持仓\n估值日期：2025年1月24日\n代码,权重\n000977.SZ,1\n", as_of=None)
    assert book.as_of == DAY
    for line in (
        "估值日期：20250124 截止日期：20250127",
        "成立日期：2019-05-06",
        "日期：2025-01-01 至 2025-01-24",
    ):
        with pytest.raises(UsageError):  # two days, another day, a period: none is taken
            read(f"{line}\n代码,权重\n000977.SZ,1\n", as_of=None)
    old = read("估值日期：2024-12-31\n代码,权重\n000977.SZ,1\n")
    assert "as_of_differs" in rules(old, "warning")


# --- amounts


def test_a_unit_in_the_cell_stands_alone(read: Read) -> None:
    book = read("代码,名称,市值(万元)\n000977.SZ,浪潮信息,5000\n688041.SH,海光信息,1.2亿\n")
    assert book.nav == pytest.approx(1.7e8)


def test_cash_is_counted_once(read: Read) -> None:
    book = read("证券代码,证券名称,市值\n000977,浪潮信息,5000\n,可用资金,1000\n,资金余额,1500\n")
    assert book.cash_weight == pytest.approx(1500 / 6500)
    assert "available_cash" in rules(book)


def test_cash_above_the_table_is_taken_where_the_assets_agree(read: Read) -> None:
    line = "人民币: 余额:1000.00 可用:1000.00 参考市值:5000.00 资产:6000.00\n"
    table = "证券代码,证券名称,数量,市价,市值\n000977,浪潮信息,100,50,5000\n"
    book = read(line + table)
    assert book.cash_weight == pytest.approx(1 / 6)
    assert book.nav == pytest.approx(6000)
    doubtful = read(line.replace("6000", "9000") + table)
    assert doubtful.cash_weight == 0
    assert "cash_above_table" in rules(doubtful, "warning")


@pytest.mark.parametrize("cash", ["HKD Cash", "港币现金", "现金(HKD)", "HONG KONG DOLLAR", "HKD"])
def test_foreign_cash_is_in_its_own_currency(read: Read, cash: str) -> None:
    text = f"代码,名称,数量,价格,币种,汇率\n000977.SZ,浪潮信息,100,50,CNY,1\n,{cash},1000,,,\n"
    with pytest.raises(HoldingsError) as caught:
        read(text)
    assert (caught.value.places[0].row, caught.value.places[0].column) == (3, "汇率")
    assert read(text.replace("1000,,,", "1000,,,0.92")).nav == pytest.approx(5920)


@pytest.mark.parametrize(
    "cash",
    [
        "人民币",
        "Cash & Equivalents",
        "活期存款",
        "存出保证金",
        "备付金",
        "CNY",
        "现金余额",
        "Cash (CNY)",
    ],
)
def test_cash_by_many_names(read: Read, cash: str) -> None:
    assert read(f"代码,名称,市值\n000977.SZ,浪潮信息,3000\n,{cash},1000\n").cash_weight == 0.25
    assert read(f"代码,市值\n000977.SZ,3000\n{cash},1000\n").cash_weight == 0.25


def test_a_rate_per_hundred_or_upside_down_is_refused(read: Read) -> None:
    for rate in ("92.34", "0.1", "1.9"):
        with pytest.raises(HoldingsError) as caught:
            read(f"代码,数量,价格,汇率\n000977.SZ,100,50,1\n0700.HK,100,400,{rate}\n")
        assert "CNY per 1 HKD" in caught.value.render()


def test_a_base_currency_that_no_row_has_is_not_guessed(read: Read) -> None:
    with pytest.raises(HoldingsError, match="base currency"):
        read("代码,数量,价格,币种,汇率\n000977.SZ,100,50,CNY,0.138\n0700.HK,100,400,HKD,0.1284\n")


def test_values_that_only_add_up_in_the_base_currency_are_in_it(read: Read) -> None:
    text = "代码,数量,价格,市值,汇率\n000977.SZ,100,50,5000,1\n0700.HK,100,400,40000,0.92\n"
    assert read(text).nav == pytest.approx(41_800)  # HKD 40,000
    book = read(text + "合计,,,45000,\n")
    assert book.nav == pytest.approx(45_000)
    assert "values_in_base" in rules(book, "warning")


def test_a_price_in_another_currency_is_no_matter_of_units(read: Read) -> None:
    text = "代码,数量,价格,市值\n0700.HK,300,400,110808\n0992.HK,7000,10,64638\n000977.SZ,100,50,5000\n"
    with pytest.raises(HoldingsError) as caught:
        read(text)
    assert {place.column for place in caught.value.places} == {"fx"}


def test_two_lots_whose_prices_are_rounded_apart_are_one_position(read: Read) -> None:
    book = read("代码,数量,市值\n000977.SZ,333,4110.89\n000977.SZ,667,8234.12\n603019.SH,1,100\n")
    row = book.holdings.row(0, named=True)
    assert (row["quantity"], row["value"]) == (1000, pytest.approx(12_345.01))
    assert row["price"] == pytest.approx(12.34501)


def test_weights_in_a_known_unit_may_be_a_part(read: Read) -> None:
    book = read("代码,权重(%)\n000977.SZ,50.1\n603019.SH,41.3\n")
    assert book.cash_weight == pytest.approx(0.086)
    assert "coverage_below_one" in rules(book, "warning")
    assert read("代码,权重(%)\n000977.SZ,50.4\n603019.SH,50.3\n").cash_weight == 0


def test_a_million_of_millions_with_points_is_a_number(read: Read) -> None:
    book = read("代码;市值\n000977.SZ;1.250.100\n603019.SH;900\n")
    assert weights(book)["000977.SZ"] == pytest.approx(1_250_100 / 1_251_000)


# --- codes


def test_two_codes_of_a_row_must_be_one_listing(read: Read) -> None:
    with pytest.raises(HoldingsError) as caught:
        read("代码,Ticker,权重\n000977.SZ,688041 CH,100\n")
    assert "says 688041.SH, the other code says 000977.SZ" in caught.value.render()
    assert weights(read("代码,Ticker,权重\n000977.SZ,000977 CH,100\n")) == {"000977.SZ": 1.0}
    with pytest.raises(HoldingsError, match="1 of 1"):
        read("代码,ISIN,权重\n688041.SH,CNE0000012M5,100\n")


def test_codes_with_a_dash_before_the_market(read: Read) -> None:
    book = read("代码,权重\n000977-CN,50\n981-HK,30\nNVDA-US,20\n")
    assert set(book.holdings["listing_id"]) == {"000977.SZ", "0981.HK", "NVDA.US"}


def test_a_code_that_lost_its_zeros_is_told_by_the_other(read: Read) -> None:
    assert weights(read("代码,Wind代码,权重\n977,000977.SZ,100\n")) == {"000977.SZ": 1.0}


# --- benchmark


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (
            "代码,名称,市值,币种\n000977.SZ,浪潮信息,5000,CNY\n0700.HK,腾讯控股,5000,HKD\n",
            "needs an exchange rate",
        ),
        ("代码,权重\n000977.SZ,60%\n603019.SH,40\n", "mix"),
        ("代码,权重\n000977.SZ,0.6%\n603019.SH,0.4%\n", "sum"),
        ("代码,名称,权重\n000977.SZ,,60\n603019.SH,,40\n合计,,99\n", "add up"),
        ("日期,代码,权重\n2024-01-24,000977.SZ,60\n2024-02-24,603019.SH,40\n", "2 days"),
    ],
)
def test_a_benchmark_is_read_by_the_rules_of_holdings(
    master: SecurityMaster, content: Path, tmp_path: Path, text: str, word: str
) -> None:
    path = tmp_path / "index.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(HoldingsError) as caught:
        load_benchmark(path, master, DAY, content=content)
    assert word in caught.value.render()
    assert "--allow-rejects" not in caught.value.cure


def test_a_benchmark_by_value_is_converted(
    master: SecurityMaster, content: Path, tmp_path: Path
) -> None:
    path = tmp_path / "index.csv"
    path.write_text(
        "代码,数量,价格,市值,汇率\n000977.SZ,100,50,5000,1\n0700.HK,100,400,40000,0.92\n",
        encoding="utf-8",
    )
    found = dict(load_benchmark(path, master, DAY, content=content).iter_rows())
    assert found["0700.HK"] == pytest.approx(36_800 / 41_800)


# --- histories, tables of accounts, layouts


def test_a_history_must_add_up_and_its_notes_are_no_days(read: Read) -> None:
    text = "d,000977.SZ,603019.SH,0700.HK,SUM\n01/13/2025,40,30,20,{}\n备注：内部,,,,\n"
    assert read(text.format(90)).cash_weight == pytest.approx(0.1)
    with pytest.raises(HoldingsError, match="does not add up"):
        read(text.format(100))


def test_english_headers_do_not_make_a_table_a_history(read: Read) -> None:
    book = read("code,name,value,price\n000977.SZ,浪潮信息,5000,50\n603019.SH,中科曙光,5000,60\n")
    assert weights(book) == pytest.approx({"000977.SZ": 0.5, "603019.SH": 0.5})


VALUATION = (
    "科目代码,科目名称,币种,汇率,数量,市价,市值\n1002,银行存款,CNY,1,,,30000\n"
    "11023301000977,浪潮信息,CNY,1,1000,42.4,42400\n1102.81.01.00700,腾讯控股,HKD,0.92,100,{},27600\n资产净值,,,,,,100000\n"
)


@pytest.mark.parametrize("price", ["300", "276"])
def test_a_value_of_a_valuation_table_is_never_converted_again(read: Read, price: str) -> None:
    book = read(VALUATION.format(price))
    assert book.nav == pytest.approx(100_000)
    assert weights(book)["0700.HK"] == pytest.approx(0.276)
    assert book.holdings["price"].to_list() == pytest.approx([42.4, 300]) or price == "276"


def test_the_layout_of_a_valuation_table_reads_it_again(content: Path, tmp_path: Path) -> None:
    path = tmp_path / "gzb.csv"
    path.write_text(VALUATION.format("300"), encoding="utf-8")
    found = map_holdings(path, as_of=DAY, content=content)
    write_layout(found, tmp_path / "gzb.toml")
    book = load_holdings(path, as_of=DAY, content=content, layout=tmp_path / "gzb.toml")
    assert book.holdings.equals(load_holdings(path, as_of=DAY, content=content).holdings)


@pytest.mark.parametrize(
    "header",
    [
        "Qty,PX_LAST,Mkt Val", "股数,估值价,总市值", "持股,收盘价,公允价值（元）",
        "shares_held,last_price,market_value",
        "持仓量,最新价,市值(本币)",
    ],
)  # fmt: skip
def test_header_words_of_other_houses(read: Read, header: str) -> None:
    book = read(f"ts_code,stock_name,{header}\n000977.SZ,浪潮信息,100,50,5000\n")
    assert book.nav == pytest.approx(5000)
    assert book.holdings["quantity"].to_list() == [100]
    assert "column_unknown" not in rules(book)


def test_a_percent_of_net_assets_is_a_weight(read: Read) -> None:
    for header in ("NAV%", "占基金资产净值比例（%）", "净值占比", "Wgt"):
        assert read(f"代码,{header}\n000977.SZ,60\n603019.SH,40\n").nav is None


# --- what a second look found


def test_the_size_of_a_company_is_no_position(read: Read) -> None:
    rows = "000977.SZ,浪潮信息,9000,75000000000\n603019.SH,中科曙光,1000,100000000000\n"
    assert weights(read(f"代码,名称,持仓市值,总市值\n{rows}"))["000977.SZ"] == pytest.approx(0.9)


@pytest.mark.parametrize("lone", ["68804I.SH,", "6O3019.SH,"])
def test_a_code_with_a_slip_in_it_is_no_note(read: Read, lone: str) -> None:
    with pytest.raises(HoldingsError) as caught:
        read(f"代码,市值\n000977.SZ,5000\n{lone}\n")
    assert caught.value.places[0].row == 3


def test_a_ticker_that_is_a_currency_is_not_cash(read: Read) -> None:
    with pytest.raises(HoldingsError):
        read("代码,名称,市值\n000977.SZ,浪潮信息,5000\nUSD,ProShares Ultra Semiconductors,1000\n")
    with pytest.raises(HoldingsError):
        read("代码,名称,市值\n000977.SZ,浪潮信息,5000\n,USD/CNY,100000\n")


def test_cash_is_converted_like_the_rows_beside_it(read: Read) -> None:
    text = (
        "代码,名称,数量,价格,市值,币种,汇率\n000977.SZ,浪潮信息,100,50,5000,CNY,1\n"
        "0700.HK,腾讯控股,100,400,40000,HKD,0.92\n,港币现金,,,10000,HKD,0.92\n"
    )
    assert read(text).nav == pytest.approx(51_000)
    assert read(text + "合计,,,,51000,,\n").nav == pytest.approx(51_000)


def test_rates_are_checked_in_any_base(read: Read) -> None:
    with pytest.raises(HoldingsError) as caught:
        read("代码,数量,价格,币种,汇率\nNVDA.US,100,50,USD,1\n0700.HK,100,400,HKD,7.78\n")
    assert "write USD per 1 HKD" in caught.value.render()


def test_totals_are_read_in_their_own_unit(read: Read) -> None:
    assert read("代码,市值(万元)\n000977.SZ,5000\n603019.SH,5000\n合计,1亿\n").nav == pytest.approx(
        1e8
    )
    assert read("代码,权重\n000977.SZ,0.5\n603019.SH,0.5\n合计,100%\n").nav is None
    two = "代码,市值\n000977.SZ,5000\n合计,5000\n603019.SH,6000\n合计,6000\n"
    assert read(two).nav == pytest.approx(11_000)


def test_a_history_without_weights_on_a_day_says_so(read: Read) -> None:
    text = "d,000977.SZ,603019.SH,0700.HK,合计\n2025-01-23,40,30,30,100\n2025-01-24,,,,100\n"
    with pytest.raises(HoldingsError, match="holds nothing"):
        read(text)


def test_an_index_that_repeats_a_column_is_no_second_one() -> None:
    frame = pd.DataFrame({"code": ["000977.SZ", "603019.SH"], "value": [1.0, 3.0]})
    odd = (frame.set_index("code", drop=False), frame.set_axis([7, 9]), frame.rename_axis("code"))
    for one in odd:
        assert weights(load_holdings(one, as_of=DAY))["603019.SH"] == pytest.approx(0.75)


def test_the_layout_keeps_a_second_code(content: Path, tmp_path: Path) -> None:
    path = tmp_path / "week.csv"
    path.write_text("代码,Wind代码,权重\n977,000977.SZ,100\n", encoding="utf-8")
    write_layout(map_holdings(path, as_of=DAY, content=content), tmp_path / "week.toml")
    book = load_holdings(path, as_of=DAY, content=content, layout=tmp_path / "week.toml")
    assert weights(book) == {"000977.SZ": 1.0}
