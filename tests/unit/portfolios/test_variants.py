"""One portfolio in sixty forms reads to one frame: encodings, delimiters, code styles, units, headers, decimals.

If this fails, the same positions exported by another desk give another portfolio.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from exposure.portfolios.holdings import Book

Read = Callable[..., Book]

# code, name, shares, price: five mainland listings, so that one currency needs no rate
POSITIONS = (
    ("000977.SZ", "浪潮信息", 120_000, 52.84),
    ("603019.SH", "中科曙光", 80_000, 66.21),
    ("000034.SZ", "神州数码", 150_000, 33.37),
    ("002261.SZ", "拓维信息", 60_000, 17.56),
    ("688041.SH", "海光信息", 25_300, 130.84),
)
WIDE = str.maketrans("0123456789.", "０１２３４５６７８９．")  # noqa: RUF001 - full-width on purpose

TOTAL = sum(shares * price for _, _, shares, price in POSITIONS)

Table = list[list[str]]


def style_wind(code: str) -> str:
    return code


def style_bare(code: str) -> str:
    return code[:6]


def style_prefix(code: str) -> str:
    return code[-2:] + code[:6]


def style_lower_dot(code: str) -> str:
    return f"{code[-2:].lower()}.{code[:6]}"


def style_bloomberg(code: str) -> str:
    return f"{code[:6]} CH Equity"


def style_connect(code: str) -> str:
    return f"{code[:6]} {'C1' if code.endswith('SH') else 'C2'}"


def style_ric(code: str) -> str:
    return code.replace(".SH", ".SS")


def style_mic(code: str) -> str:
    return code.replace(".SH", ".XSHG").replace(".SZ", ".XSHE")


def style_guard(code: str) -> str:
    return f'="{code[:6]}"'


def style_lost(code: str) -> str:
    return str(int(code[:6]))


def style_wide(code: str) -> str:
    return code[:6].translate(WIDE)


STYLES = (
    style_wind,
    style_bare,
    style_prefix,
    style_lower_dot,
    style_bloomberg,
    style_connect,
    style_ric,
    style_mic,
    style_guard,
    style_lost,
    style_wide,
)


def table(
    headers: Sequence[str],
    style: Callable[[str], str],
    *,
    quantity: Callable[[float], str] = lambda x: f"{x:.0f}",
    price: Callable[[float], str] = lambda x: f"{x:.2f}",
    value: Callable[[float], str] = lambda x: f"{x:.2f}",
) -> Table:
    rows = [
        [style(code), name, quantity(shares), price(at), value(shares * at)]
        for code, name, shares, at in POSITIONS
    ]
    return [list(headers), *rows]


def text(rows: Table, delimiter: str = ",", end: str = "\n") -> str:
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator=end).writerows(rows)
    return stream.getvalue()


ZH = ("证券代码", "证券名称", "股票余额", "市价", "市值")
EN = ("Ticker", "Name", "Quantity", "Price", "Market Value")
MIXED = ("代码", "简称", "持有数量", "收盘价", "参考市值")


def grouped(amount: float) -> str:
    return f"{amount:,.2f}"


def european(amount: float) -> str:
    return f"{amount:,.2f}".translate(str.maketrans(",.", ".,"))


def wide(amount: float) -> str:
    return f"{amount:.2f}".translate(WIDE)


def variants() -> dict[str, bytes]:
    out: dict[str, bytes] = {}
    for style in STYLES:
        for headers, encoding, delimiter in (
            (ZH, "gb18030", "\t"),
            (MIXED, "utf-8-sig", ","),
            (EN, "utf-8", ";"),
        ):
            name = f"{style.__name__}-{encoding}-{headers[0]}"
            out[name] = text(table(headers, style), delimiter).encode(encoding)
    plain = table(ZH, style_bare)
    for encoding in ("utf-8", "utf-8-sig", "gb18030", "utf-16"):
        for end in ("\n", "\r\n", "\r"):
            out[f"{encoding}-{end!r}"] = text(plain, "\t", end).encode(encoding)
    for name, form in (("grouped", grouped), ("european", european), ("wide", wide)):
        out[f"numbers-{name}"] = text(
            table(ZH, style_bare, quantity=form, price=form, value=form)
        ).encode()
    out["units-万"] = text(
        table(
            ("证券代码", "证券名称", "数量(万股)", "市价", "市值(万元)"),
            style_bare,
            quantity=lambda x: repr(x / 1e4),
            value=lambda x: repr(x / 1e4),
        )
    ).encode()
    out["units-by-arithmetic"] = text(table(ZH, style_bare, value=lambda x: repr(x / 1e4))).encode()
    out["units-手"] = text(
        table(
            ("代码", "名称", "数量(手)", "价格", "市值(元)"),
            style_bare,
            quantity=lambda x: f"{x / 100:g}",
        )
    ).encode()
    out["亿元"] = text(
        table(
            ("代码", "名称", "数量", "价格", "市值(亿元)"),
            style_bare,
            value=lambda x: repr(x / 1e8),
        )
    ).encode()
    titled = [
        ["某组合 持仓"],
        ["日期：2025-01-24"],
        [],
        *plain,
        ["合计", "", "", "", f"{TOTAL:.2f}"],
        ["制表：某"],
    ]
    out["titles-totals-notes"] = text(titled).encode("gb18030")
    two = [["证券", "", "持仓", "", ""], ["代码", "名称", "数量", "市价", "市值"], *plain[1:]]
    out["two-line header"] = text(two).encode()
    closed = [*plain, ["600756", "浪潮软件", "0", "10.00", "0"]]
    out["closed position"] = text(closed).encode()
    split = [*plain[:1], *[[*r[:2], "60000", r[3], f"{60000 * 52.84:.2f}"] for r in plain[1:2]] * 2]
    out["two lots"] = text([*split, *plain[2:]]).encode()
    return out


VARIANTS = variants()


def canonical(book: Book) -> pl.DataFrame:
    return book.holdings.select(
        "listing_id",
        "issuer_id",
        "quantity",
        "price",
        "currency",
        pl.col("value").round(2),
        pl.col("weight").round(9),
    )


@pytest.fixture
def expected(read: Read) -> pl.DataFrame:
    return canonical(read(text(table(ZH, style_wind))))


def test_there_are_at_least_fifty() -> None:
    assert len(VARIANTS) >= 50


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_reads_to_the_same_frame(
    read: Read, expected: pl.DataFrame, variant: str
) -> None:
    book = read(VARIANTS[variant], name="week.xls")
    found = canonical(book)
    assert found.drop("quantity", "value", "weight").equals(
        expected.drop("quantity", "value", "weight")
    )
    for column in ("quantity", "value", "weight"):
        assert found[column].to_list() == pytest.approx(expected[column].to_list(), rel=1e-9)
    assert book.issues.filter(pl.col("severity") == "error").is_empty()


def test_a_workbook_and_frames_read_to_the_same_frame(
    read: Read, expected: pl.DataFrame, tmp_path: Path
) -> None:
    rows = table(ZH, style_bare)
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(tmp_path / "week.xlsx")
    assert canonical(read(tmp_path / "week.xlsx")).equals(expected)
    frame = pl.DataFrame(rows[1:], schema=list(ZH), orient="row")
    frame.write_parquet(tmp_path / "week.parquet")
    frame.write_ipc(tmp_path / "week.arrow")
    for name in ("week.parquet", "week.arrow"):
        assert canonical(read(tmp_path / name)).equals(expected)


# columns that no dictionary knows, with cells that look like something else where they stand first
REMARKS = (
    ("心情", ("好", "-", "")),
    ("产品", ("合计组合", "测试一号")),
    ("Fund", ("NAV", "Total", "A")),
    ("附注", ("注:停牌", "", "数据来源")),
    ("评级", ("AA", "B", "600000")),
    ("编号", ("1", "000977", "12.5%")),
)


@pytest.mark.property
@pytest.mark.parametrize("seed", range(40))
def test_any_order_of_rows_and_columns_reads_to_the_same_frame(
    read: Read, expected: pl.DataFrame, seed: int
) -> None:
    rng = random.Random(seed)
    head, *rows = table(rng.choice((ZH, EN, MIXED)), rng.choice(STYLES))
    header, remarks = rng.choice(REMARKS)
    head = [*head, header]
    rows = [[*row, rng.choice(remarks)] for row in rows]
    order = list(range(len(head)))
    rng.shuffle(order)
    rng.shuffle(rows)
    shuffled = [[row[at] for at in order] for row in [head, *rows]]
    assert canonical(read(text(shuffled))).equals(expected)


@pytest.mark.parametrize("rows", [40, 2_500])
def test_long_tables_are_read_as_short_ones_are(read: Read, rows: int) -> None:
    """Above a few thousand rows other code reads the cells; what it reads is the same."""
    head, *body = table(ZH, style_guard)
    odd = [
        ["'603019", " 中科曙光 ", "1,000", "66.21", "６６２１０"],  # noqa: RUF001 - full-width on purpose
        ["000977", "浪潮信息", "1000.0", "+52.84", "5.284万"],
        ["--", "合计", "", "", "1"],
        ["现金", "", "", "", "（5,000.00）"],
    ]
    filler = [["002261", "拓维信息", "100", "17.56", "1756.00"]] * rows
    book = read(text([head, *body, *odd, *filler]))
    quantity = dict(book.holdings.select("listing_id", "quantity").iter_rows())
    assert quantity["603019.SH"] == 81_000
    assert quantity["000977.SZ"] == 121_000
    assert quantity["002261.SZ"] == 60_000 + 100 * rows
    assert book.cash_weight < 0
