"""From rows to a book: units, weights, cash, duplicates, and every bad row named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from exposure.errors import HoldingsError, UsageError
from exposure.portfolios.holdings import Book, load_benchmark, load_holdings
from exposure.portfolios.securities import SecurityMaster

Read = Callable[..., Book]
OWN = "listing,name,quantity,available,price,currency,fx,value,weight\n"


def weights(book: Book) -> dict[str, float]:
    return dict(book.holdings.select("listing_id", "weight").iter_rows())


def rules(book: Book, severity: str | None = None) -> list[str]:
    issues = book.issues
    if severity:
        issues = issues.filter(pl.col("severity") == severity)
    return issues["rule"].to_list()


def fault(read: Read, text: str, **options: object) -> HoldingsError:
    with pytest.raises(HoldingsError) as caught:
        read(text, **options)
    assert caught.value.cure
    assert caught.value.places
    return caught.value


# --- weights


def test_weights_come_from_values_and_sum_to_one_with_cash(read: Read) -> None:
    book = read(
        OWN + "000977.SZ,浪潮信息,1000,900,50,CNY,1,,\n"
        "0992.HK,联想集团,10000,,10,HKD,0.9,,\n"
        "CASH,现金,60000,,1,CNY,1,,\n"
    )
    assert book.nav == pytest.approx(200_000)
    assert weights(book) == pytest.approx({"000977.SZ": 0.25, "0992.HK": 0.45})
    assert book.cash_weight == pytest.approx(0.30)
    assert book.base_currency == "CNY"
    inspur = book.holdings.row(0, named=True)
    assert (inspur["available"], inspur["issuer_id"], inspur["source_row"]) == (900, "inspur", 2)
    assert rules(book, "error") == []


def test_stated_weights_are_taken_as_percent_or_fraction(read: Read) -> None:
    for text in ("40,60", "0.4,0.6", "40%,60%"):
        first, second = text.split(",")
        book = read(f"listing,weight\n000977.SZ,{first}\n603019.SH,{second}\n")
        assert weights(book) == pytest.approx({"000977.SZ": 0.4, "603019.SH": 0.6})
        assert book.nav is None
        assert "weight_unit" in rules(book)
        assert "no_cash_row" in rules(book)


def test_rounded_weights_are_scaled_and_it_is_said(read: Read) -> None:
    book = read("listing,weight\n000977.SZ,33.3\n603019.SH,33.3\n002261.SZ,33.3\n现金,0\n")
    assert sum(weights(book).values()) == pytest.approx(1, abs=1e-12)
    assert "weights_scaled" in rules(book)


def test_cash_may_be_given_as_weight_or_value(read: Read) -> None:
    by_weight = read("listing,weight\n000977.SZ,0.9\n现金,0.1\n")
    assert by_weight.cash_weight == pytest.approx(0.1)
    mixed = read("listing,value,weight\n000977.SZ,900,0.9\n货币资金,,0.1\n")
    assert mixed.cash_weight == pytest.approx(0.1)
    assert mixed.nav == pytest.approx(1000)


@pytest.mark.parametrize(
    "text",
    [
        "listing,weight\n000977.SZ,0.4\n603019.SH,0.4\n",
        "listing,weight\n000977.SZ,60\n603019.SH,60\n",
        "listing,weight(%)\n000977.SZ,0.4\n603019.SH,0.6\n",
        "listing,weight(%)\n000977.SZ,0\n603019.SH,1e-9\n",
        "listing,value,weight(%)\n000977.SZ,90,10\n603019.SH,10,80\n",
        "listing,value,weight(%)\n000977.SZ,40,40\n603019.SH,40,40\n现金,10,10\n",
    ],
)
def test_weights_that_do_not_sum_are_refused_with_their_sum(read: Read, text: str) -> None:
    error = fault(read, text)
    assert "sum" in error.what


def test_a_table_that_covers_a_part_says_so(read: Read) -> None:
    book = read("listing,value,weight\n000977.SZ,400,40%\n603019.SH,400,40%\n")
    assert book.cash_weight == pytest.approx(0.2)
    assert "coverage_below_one" in rules(book, "warning")
    fraction = read("listing,value,weight\n000977.SZ,400,0.4\n603019.SH,400,0.4\n")
    assert fraction.cash_weight == pytest.approx(0.2)
    bare = read("listing,value,weight\n000977.SZ,400,40\n603019.SH,400,40\n")
    assert bare.cash_weight == pytest.approx(0.2)


def test_a_fund_table_counts_ten_thousands(read: Read) -> None:
    book = read(
        "序号,股票代码,股票名称,占净值比例,持股数,持仓市值,季度\n"
        "1,000977,浪潮信息,10.00%,12.00,634.08,2024年4季度\n"
        "2,00700,腾讯控股,5.00%,1.00,317.04,2024年4季度\n"
    )
    assert book.holdings["quantity"].to_list() == [120_000, 10_000]
    assert book.holdings["price"][0] == pytest.approx(52.84)
    assert book.cash_weight == pytest.approx(0.85)
    assert "price_derived" in rules(book)


def test_a_fund_table_without_values_may_be_partial(read: Read) -> None:
    text = (
        "序号,股票代码,股票名称,占净值比例,持股数,持仓市值,季度\n1,000977,浪潮信息,10%,,,\n"
        "2,603019,中科曙光,20%,,,\n3,603018,中科曙光,10%,,,\n"
    )
    book = read(text, allow_rejects=True)
    assert book.cash_weight == pytest.approx(0.6)  # the rejected tenth is spread over the rest
    assert weights(book)["603019.SH"] == pytest.approx(0.2 * 4 / 3)


def test_stated_weights_that_differ_from_values_are_reported(read: Read) -> None:
    book = read("listing,value,weight\n000977.SZ,500,0.4\n603019.SH,500,0.6\n")
    assert weights(book) == pytest.approx({"000977.SZ": 0.5, "603019.SH": 0.5})
    assert rules(book, "warning") == ["weight_differs", "weight_differs"]


def test_mixed_percent_and_plain_weights_are_refused(read: Read) -> None:
    error = fault(read, "listing,weight\n000977.SZ,12%\n603019.SH,0.88\n")
    assert "mix" in error.what
    assert error.places[0].row == 3


def test_negative_cash_states_leverage_and_a_debt_above_everything_is_refused(read: Read) -> None:
    book = read("listing,value\n000977.SZ,1000\n现金,-100\n")
    assert book.cash_weight == pytest.approx(-1 / 9)
    assert "leverage" in rules(book, "warning")
    error = fault(read, "listing,value\n000977.SZ,1000\n现金,-1100\n")
    assert "a debt larger than the positions" in error.what


# --- units and arithmetic


def test_units_follow_from_the_header(read: Read) -> None:
    book = read("代码,名称,数量(万股),价格,市值(万元)\n000977,浪潮信息,12,52.84,634.08\n")
    row = book.holdings.row(0, named=True)
    assert (row["quantity"], row["value"]) == (120_000, pytest.approx(6_340_800))


def test_units_follow_from_arithmetic_and_it_is_said(read: Read) -> None:
    book = read(
        "代码,数量,可用,价格,市值\n000977.SZ,120000,0,52.84,634.08\n603019.SH,80000,0,66.21,529.68\n"
    )
    assert book.nav == pytest.approx(11_637_600)
    assert "units_inferred" in rules(book, "warning")
    tens = read("代码,数量,价格,市值\n000977.SZ,12,52.84,6340800\n603019.SH,8,66.21,5296800\n")
    assert tens.holdings["quantity"].to_list() == [120_000, 80_000]


def test_units_that_fit_nothing_are_refused(read: Read) -> None:
    error = fault(
        read, "代码,数量,价格,市值\n000977.SZ,12,52.84,77\n603019.SH,8,66.21,5\n002261.SZ,1,2,9\n"
    )
    assert "units" in error.what


def test_a_value_off_is_an_error_row(read: Read) -> None:
    text = (
        "代码,数量,价格,市值\n000977.SZ,100,50,5000\n603019.SH,100,60,6000\n002261.SZ,100,10,1500\n"
    )
    error = fault(read, text)
    assert len(error.places) == 1
    assert error.places[0].row == 4
    assert error.places[0].column == "市值"
    assert "1000.00" in error.places[0].why


def test_local_value_of_a_foreign_row_is_converted(read: Read) -> None:
    book = read(OWN + "0992.HK,联想集团,100,,10,HKD,0.9,1000,\n000977.SZ,,100,,9,CNY,1,900,\n")
    assert book.holdings["value"].to_list() == pytest.approx([900, 900])
    assert "value_in_local_currency" in rules(book)


# --- currency


def test_a_foreign_row_needs_a_rate(read: Read) -> None:
    text = "listing,quantity,price\n000977.SZ,100,50\n0992.HK,100,10\n"
    error = fault(read, text)
    assert [(p.row, p.column) for p in error.places] == [(3, "fx")]
    assert "HKD" in error.places[0].why


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("0992.HK,,100,,10,HKD,1,,", "is the rate of HKD"),
        ("603019.SH,,100,,10,CNY,0.9,,", "is the rate of CNY"),
        ("603019.SH,,100,,10,??,1,,", "not a currency"),
        ("0992.HK,,100,,10,HKD,0,,", "is zero"),
    ],
)
def test_rates_that_contradict_are_error_rows(read: Read, row: str, why: str) -> None:
    error = fault(read, OWN + "000977.SZ,,100,,50,CNY,1,,\n" + row + "\n")
    assert why in error.places[0].why


def test_a_portfolio_in_one_other_currency_has_that_base(read: Read) -> None:
    book = read("listing,quantity,price\n0992.HK,100,10\n0700.HK,10,400\n")
    assert (book.base_currency, book.nav) == ("HKD", 5000)


def test_weights_alone_need_no_rate_and_it_is_said(read: Read) -> None:
    book = read("listing,weight\n000977.SZ,0.5\n0992.HK,0.5\n")
    assert "fx_unknown" in rules(book, "warning")


def test_currency_words_are_read(read: Read) -> None:
    book = read("代码,数量,价格,币种,汇率\n000977.SZ,100,50,人民币,1\n0992.HK,100,10,港币,0.92\n")
    assert book.holdings["currency"].to_list() == ["CNY", "HKD"]


# --- rows


def test_every_bad_row_is_named_with_place_and_cure(read: Read) -> None:
    error = fault(
        read,
        OWN + "000977.SZ,浪潮信息,1000,,50,,,,\n"
        "600000.SH,,100,,10,,,,\n"
        "603019.SH,中科曙光,-5,,60,,,,\n"
        "002261.SZ,拓维信息,many,,17,,,,\n"
        "000034.SZ,神州数码,100,,,,,,\n"
        "688041.SH,,NaN,,130,,,,\n"
        "688981.SH,,1e308,,90,,,,\n"
        "0700.HK,腾讯控股,0,,400,,,500,\n"
        ",超聚变,100,,10,,,,\n",
    )
    assert error.what == "week.csv: 8 of 9 rows can't be used"
    seen = {(place.row, place.column): place for place in error.places}
    assert "security master" in seen[(3, "listing")].why
    assert "negative" in seen[(4, "quantity")].why
    assert seen[(5, "quantity")].value == "many"
    assert "no price" in seen[(6, "price")].why
    assert "not a number" in seen[(7, "quantity")].why
    assert "more shares" in seen[(8, "quantity")].why
    assert "value is above 0" in seen[(9, "quantity")].why
    assert "no listing" in seen[(10, "name")].why
    assert all("(" in place.why for place in error.places)
    assert "--allow-rejects" in error.cure


def test_allowed_rejects_stand_in_the_issues_and_the_rest_sums_to_one(read: Read) -> None:
    text = "listing,weight\n000977.SZ,0.5\n603019.SH,0.3\n600000.SH,0.2\n"
    book = read(text, allow_rejects=True)
    assert weights(book) == pytest.approx({"000977.SZ": 0.625, "603019.SH": 0.375})
    row = book.issues.filter(pl.col("severity") == "error").row(0, named=True)
    assert (row["row"], row["column"], row["raw"]) == (4, "listing", "600000.SH")
    note = book.issues.filter(pl.col("rule") == "rejects_left_out")["message"].item()
    assert "20.00% of value" in note


def test_rejects_by_value_keep_cash_in_proportion(read: Read) -> None:
    text = (
        "listing,quantity,price,value,weight\n000977.SZ,10,40,400,0.4\n600000.SH,10,20,200,0.2\n"
        "603019.SH,x,20,200,0.2\n现金,,,200,0.2\n"
    )
    book = read(text, allow_rejects=True)
    assert weights(book) == pytest.approx({"000977.SZ": 2 / 3})
    assert book.cash_weight == pytest.approx(1 / 3)
    assert "40.00%" in " ".join(book.issues["message"].to_list())


def test_a_rejected_row_without_value_has_unknown_size(read: Read) -> None:
    book = read("listing,value\n000977.SZ,400\n600000.SH,x\n", allow_rejects=True)
    assert "unknown value" in " ".join(book.issues["message"].to_list())


def test_a_file_of_rejects_only_is_refused_even_when_rejects_are_allowed(read: Read) -> None:
    error = fault(read, "listing,weight\n600000.SH,0.5\n600001.SH,0.5\n", allow_rejects=True)
    assert "2 of 2" in error.what
    assert "--allow-rejects" not in error.cure


def test_duplicates_at_one_price_are_summed(read: Read) -> None:
    book = read(
        "listing,quantity,available,price\n000977.SZ,100,50,50\nSZ000977,300,300,50\n603019.SH,1,1,60\n"
    )
    row = book.holdings.row(0, named=True)
    assert (row["quantity"], row["available"], row["value"]) == (400, 350, 20_000)
    assert "duplicates_summed" in rules(book, "warning")
    assert "1 summed into another" in book.issues["message"].to_list()[-1]


def test_duplicates_sum_what_all_of_them_state(read: Read) -> None:
    book = read(
        "listing,quantity,available,price\n000977.SZ,100,50,50\n000977.SZ,300,,50\n603019.SH,1,1,60\n"
    )
    assert book.holdings["available"].to_list() == [None, 1.0]


def test_duplicates_at_different_prices_are_error_rows(read: Read) -> None:
    error = fault(read, "listing,quantity,price\n000977.SZ,1,50\n000977.SZ,1,51\n603019.SH,1,60\n")
    assert [place.row for place in error.places] == [2, 3]
    assert "different prices" in error.places[0].why


def test_closed_positions_are_left_out_and_counted(read: Read) -> None:
    book = read("listing,quantity,price,value\n000977.SZ,1,50,50\n603019.SH,0,60,0\n")
    assert list(weights(book)) == ["000977.SZ"]
    assert "closed_positions" in rules(book)
    error = fault(read, "listing,quantity,value\n000977.SZ,0,0\n603019.SH,0,0\n")
    assert "no open position" in error.what


def test_more_available_than_held_is_reported(read: Read) -> None:
    book = read("listing,quantity,available,price\n000977.SZ,100,120,50\n603019.SH,1,1,60\n")
    assert book.holdings["available"][0] == 100
    assert "available_above_quantity" in rules(book, "warning")


def test_rows_without_the_amount_that_others_have_are_rejected(read: Read) -> None:
    error = fault(
        read, "listing,value,weight\n000977.SZ,1,\n603019.SH,2,\n002261.SZ,,0.1\n现金,,\n"
    )
    assert [(place.row, place.column) for place in error.places] == [(4, "value"), (5, "value")]
    error = fault(
        read, "listing,value,weight\n000977.SZ,,0.5\n603019.SH,,0.4\n002261.SZ,1,\n现金,5,\n"
    )
    assert {(place.row, place.column) for place in error.places} == {(4, "weight"), (5, "weight")}


def test_all_codes_equal_is_a_broken_column_but_two_lots_are_not(read: Read) -> None:
    error = fault(read, "code,name,weight\n000300,浪潮信息,50\n000300,中科曙光,50\n")
    assert "equal" in error.what
    book = read("listing,quantity,price\n000977.SZ,100,50\n000977.SZ,100,50\n现金,10000,1\n")
    assert weights(book) == pytest.approx({"000977.SZ": 0.5})


def test_a_header_without_rows_is_refused(read: Read) -> None:
    assert "no positions" in fault(read, "listing,weight\n现金,1\n").what


def test_worth_nothing_is_refused(read: Read) -> None:
    error = fault(read, "listing,quantity,price,weight\n000977.SZ,0,50,0.1\n603019.SH,0,60,0.9\n")
    assert "worth nothing" in error.what


def test_the_order_of_rows_does_not_matter(read: Read) -> None:
    rows = ["000977.SZ,100,50", "603019.SH,10,60", "002261.SZ,5,17"]
    head = "listing,quantity,price\n"
    first = read(head + "\n".join(rows))
    second = read(head + "\n".join(reversed(rows)))
    assert first.holdings.drop("source_row").equals(second.holdings.drop("source_row"))
    assert first.holdings["listing_id"].is_sorted()


# --- the day, the name, the benchmark


def test_the_day_comes_from_the_caller_or_the_file(read: Read) -> None:
    dated = "listing,weight,as_of\n000977.SZ,1,2025-01-17\n"
    assert read(dated, as_of=None).as_of == date(2025, 1, 17)
    later = read(dated, as_of=date(2025, 1, 24))
    assert later.as_of == date(2025, 1, 24)
    assert "as_of_differs" in rules(later, "info")
    assert "as_of_differs" in rules(read(dated, as_of=date(2025, 1, 10)), "warning")
    with pytest.raises(UsageError, match="--as-of"):
        read("listing,weight\n000977.SZ,1\n", as_of=None)


def test_days_that_contradict_are_refused(read: Read) -> None:
    rows = "listing,weight,as_of\n000977.SZ,0.5,2025-01-17\n603019.SH,0.5,"
    assert "2 days" in fault(read, rows + "2025-01-24\n").what
    error = fault(read, rows + "31 February\n")
    assert error.places[0].row == 3
    blank = read(rows + "\n", as_of=None)
    assert blank.as_of == date(2025, 1, 17)


def test_a_day_above_the_header_counts(read: Read) -> None:
    book = read(
        'Fund Holdings as of,"Jan 24, 2025"\n'
        "Ticker,Name,Asset Class,Market Value,Weight (%),Quantity,Price,Exchange,Currency\n"
        "700,TENCENT,Equity,50,0.5,1,50,Hong Kong Exchanges And Clearing Ltd,USD\n"
        'XTSLA,BLK CSH,Cash,"50",0.5,50,1,-,USD\n',
        as_of=None,
    )
    assert book.as_of == date(2025, 1, 24)
    assert book.base_currency == "USD"
    assert weights(book) == pytest.approx({"0700.HK": 0.005})


def test_names_of_portfolios(content: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my fund"
    folder.mkdir()
    for file, name in (("holdings.csv", "my-fund"), ("week 4.csv", "week-4")):
        path = folder / file
        path.write_text("listing,weight\n000977.SZ,1\n", encoding="utf-8")
        book = load_holdings(path, as_of=date(2025, 1, 24), content=content)
        assert book.name == name
        assert book.source == file
    frame = pl.DataFrame({"listing": ["000977.SZ"], "weight": [1.0]})
    book = load_holdings(frame, as_of=date(2025, 1, 24), content=content)
    assert (book.name, book.source) == ("portfolio", "frame")
    named = load_holdings(frame, as_of=date(2025, 1, 24), content=content, name="mine")
    assert (named.name, named.source) == ("mine", "mine")


def test_a_benchmark_beside_the_file_is_used_and_said(read: Read, tmp_path: Path) -> None:
    (tmp_path / "benchmark.csv").write_text(
        "listing,weight\n603019.SH,60\n000977.SZ,40\n", encoding="utf-8"
    )
    book = read("listing,weight\n000977.SZ,1\n")
    assert book.benchmark is not None
    assert dict(book.benchmark.iter_rows()) == pytest.approx({"000977.SZ": 0.4, "603019.SH": 0.6})
    assert book.benchmark_source == "benchmark.csv"
    assert "benchmark_found" in rules(book)
    frame = pl.DataFrame({"listing": ["000977.SZ"], "value": [7.0]})
    given = read("listing,weight\n000977.SZ,1\n", benchmark=frame)
    assert given.benchmark_source == "frame"
    file = read("listing,weight\n000977.SZ,1\n", benchmark=tmp_path / "benchmark.csv")
    assert file.benchmark_source == "benchmark.csv"
    assert read(tmp_path / "benchmark.csv").benchmark is None


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ("000977.SZ,0.5\n603019.SH,0.4", "neither 1 nor 100"),
        ("000977.SZ,0.5\n600000.SH,0.5", "security master"),
        ("000977.SZ,0.5\n603019.SH,0.25\n603019.SH,0.25", "twice"),
        ("000977.SZ,0.5\n现金,0.5", "cash"),
        ("000977.SZ,1\n603019.SH,", "no weight"),
        ("000977.SZ,1.5\n603019.SH,-0.5", "negative"),
    ],
)
def test_a_faulty_benchmark_is_refused(
    master: SecurityMaster, content: Path, tmp_path: Path, rows: str, why: str
) -> None:
    path = tmp_path / "index.csv"
    path.write_text(f"listing,weight\n{rows}\n", encoding="utf-8")
    with pytest.raises(HoldingsError) as caught:
        load_benchmark(path, master, date(2025, 1, 24), content=content)
    assert why in caught.value.render()


def test_a_benchmark_worth_nothing_is_refused(master: SecurityMaster, content: Path) -> None:
    frame = pl.DataFrame({"listing": ["000977.SZ", "603019.SH"], "value": [0.0, 0.0]})
    with pytest.raises(HoldingsError, match="sum to 0"):
        load_benchmark(frame, master, date(2025, 1, 24), content=content)


def test_quantities_that_are_no_whole_shares_are_doubted(read: Read) -> None:
    book = read("代码,数量,价格\n000977.SZ,12.5,52.84\n603019.SH,8,66.21\n")
    assert "quantity_fractional" in rules(book, "warning")


TOTALLED = "代码,名称,数量,价格,市值\n000977,浪潮信息,100,50,5000\n603019,中科曙光,100,60,6000\n现金,,,,1000\n"


@pytest.mark.parametrize("total", ["12000", "11000", "12,000.00", "12010"])
def test_a_closing_total_that_agrees_is_only_counted(read: Read, total: str) -> None:
    assert read(f'{TOTALLED}合计,,,,"{total}"\n制表：某\n').nav == pytest.approx(12_000)


def test_values_that_do_not_add_up_to_the_closing_total_are_refused(read: Read) -> None:
    error = fault(read, TOTALLED + "合计,,,,13000\n")
    assert (error.places[0].row, error.places[0].column) == (5, "市值")
    assert "12000.00" in error.places[0].why
    # a row that lost its price shifts the value into the price, and the total tells
    error = fault(read, TOTALLED.replace("100,60,6000", "100,6000") + "合计,,,,12000\n")
    assert "add up" in error.what


def test_a_total_in_the_middle_or_in_base_currency_is_no_fault(read: Read) -> None:
    middle = "代码,市值\n000977.SZ,5000\n合计,1\n603019.SH,5000\n"
    assert read(middle).nav == pytest.approx(10_000)
    text = (
        OWN
        + "0992.HK,联想集团,100,,10,HKD,0.9,1000,\n000977.SZ,,100,,9,CNY,1,900,\n合计,,,,,,,1800,\n"
    )
    assert read(text).nav == pytest.approx(1800)
