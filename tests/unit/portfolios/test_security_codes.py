"""Every form of a code that terminals and brokers write, on the shipped master: one listing, or a reason.

If this fails, a desk's export stops resolving, or resolves to another company.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from exposure.content import ContentRoot, find_content
from exposure.errors import ContentError
from exposure.portfolios.layouts import Layouts
from exposure.portfolios.securities import Resolver, SecurityMaster, load_master
from exposure.portfolios.securities.codes import has_right_digits, right_digits
from tests.factories import stand_alone

AS_OF = date(2025, 1, 24)


@pytest.fixture(scope="module")
def shipped() -> SecurityMaster:
    return load_master(find_content())


@pytest.fixture(scope="module")
def everyone(shipped: SecurityMaster, layouts: Layouts) -> Resolver:
    return Resolver.of(shipped, layouts.dictionary, AS_OF)


FORMS = {
    "000977.SZ": [
        "000977.SZ",  # Wind
        "000977.sz",
        "000977 CH Equity",  # Bloomberg
        "000977 CH",
        "000977 CS",
        "000977 C2",
        "000977 c2 equity",
        "SZ000977",  # exchange first
        "sz.000977",
        "sz000977",
        "SZ:000977",
        "SZSE:000977",
        "SHE:000977",
        "000977.XSHE",
        "000977(SZ)",
        "深A000977",
        "深圳A股000977",
        "深交所000977",
        "深股通 000977",
        "000977深A",
        "\uff10\uff10\uff10\uff19\uff17\uff17\uff0e\uff33\uff3a",  # full width
        "977.SZ",
        "CNE0000012M2",
        "cne0000012m2",
    ],
    "601138.SH": [
        "601138.SS",  # Reuters
        "601138.SH",
        "601138 C1 Equity",
        "601138 CG",
        "SH601138",
        "SSE:601138",
        "SHA:601138",
        "SHSE.601138",
        "601138.XSHG",
        "沪A601138",
        "滬A601138",
        "上交所601138",
        "沪股通601138",
        "601138",
    ],
    "0700.HK": [
        "0700.HK",
        "700.HK",
        "00700.HK",
        "700 HK Equity",
        "700 HK",
        "HK00700",
        "HK.00700",
        "HKEX:700",
        "SEHK:700",
        "HKG:0700",
        "0700.XHKG",
        "港股00700",
        "港股通00700",
        "KYG875721634",
    ],
    "BABA.US": ["BABA US", "BABA UN", "BABA UN Equity", "BABA.N", "BABA.K", "NYSE:BABA", "US.BABA", "BABA"],
    "BIDU.US": ["BIDU.O", "BIDU.OQ", "BIDU UW Equity", "NASDAQ:BIDU", "BIDU.XNAS", "bidu us equity"],
    "2330.TW": ["2330.TW", "2330 TT Equity", "TPE:2330"],
    "8035.T": ["8035.T", "8035 JT Equity", "8035 JP"],
    "005930.KS": ["005930.KS", "005930 KS", "KRX:005930"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("code", "listing"), [(code, listing) for listing, forms in FORMS.items() for code in forms]
)
def test_every_form_is_one_listing(everyone: Resolver, code: str, listing: str) -> None:
    answer = everyone.resolve(code)
    assert answer.fault is None
    assert answer.listing_id == listing


@pytest.mark.parametrize(
    ("code", "rule", "part"),
    [
        ("CNE0000012M5", "isin_check_digit", "must be 2"),
        ("HK0992009064", "isin_check_digit", "must be 5"),
        ("5493006MHB84DD0ZWV19", "lei_check_digit", "must be 18"),
        ("5493006MHB84DD0ZWV18", "code_unknown", "an LEI that the security master does not hold"),
        ("BBG000BLNNH5", "figi_check_digit", "must be 6"),
        ("BBG000BLNNH6", "code_unknown", "a FIGI"),
        ("B0YBKJ6", "sedol_check_digit", "must be 7"),
        ("B0YBKJ7", "code_unknown", "a SEDOL"),
        ("1234567", "code_form", "would have to be 3"),
        ("XS1432320429", "code_unknown", "an ISIN"),
        ("900926.SH", "code_unknown", "a B share"),
        ("200725.SZ", "code_unknown", "a B share"),
        ("689009.SH", "code_unknown", "a depositary receipt"),
        ("510300", "not_a_share", "fund"),
        ("510300.SH", "not_a_share", "fund"),
        ("159915.SZ", "not_a_share", "fund"),
        ("159915", "not_a_share", "fund"),
        ("110059.SH", "not_a_share", "bond"),
        ("123001.SZ", "not_a_share", "bond"),
        ("204001", "not_a_share", "repo"),
        ("131810.SZ", "not_a_share", "repo"),
        ("360001.SH", "not_a_share", "preferred share"),
        ("510300.SZ", "market_contradicts_code", "belongs to Shanghai"),
        ("399006.SZ", "code_is_index", "index"),
        ("899050.BJ", "code_is_index", "index"),
        ("000300.SH", "code_is_index", "index"),
        ("000300.CSI", "code_is_index", "index"),
        ("SHSZ300 Index", "not_a_share", "index"),
        ("000977.HK", "market_contradicts_code", "six digits"),
        ("603019 C2", "market_contradicts_code", "belongs to Shanghai"),
        ("80700.HK", "code_unknown", "renminbi counter of 0700.HK"),
        ("浪潮信息", "code_form", "is a name"),
        ("000976.SZ", "code_unknown", "nearest is 000977.SZ"),
        ("000000", "code_unknown", "000000.SZ"),
        ("000001.SZ", "code_unknown", "not in the security master"),
    ],
)
def test_what_is_no_listing_has_its_reason(
    everyone: Resolver, code: str, rule: str, part: str
) -> None:
    answer = everyone.resolve(code)
    assert answer.listing_id is None
    assert answer.fault is not None
    assert answer.fault.rule == rule
    assert part in answer.fault.message
    assert answer.cure


def test_a_homonym_names_both_candidates(resolver: Resolver) -> None:
    fault = resolver.resolve("000001").fault
    assert fault is not None
    assert "000001.SZ (平安银行)" in fault.message
    assert "index of Shanghai" in fault.message
    assert resolver.resolve("000001", "平安银行").listing_id == "000001.SZ"
    assert resolver.resolve("000001", None, "深市").listing_id == "000001.SZ"
    shanghai = resolver.resolve("000001", "上证指数", "沪市").fault
    assert shanghai is not None
    assert shanghai.rule == "code_is_index"


def test_an_isin_and_a_market_must_agree(everyone: Resolver) -> None:
    assert everyone.resolve("CNE0000012M2", "浪潮信息", "深A").listing_id == "000977.SZ"
    fault = everyone.resolve("CNE0000012M2", None, "港股").fault
    assert fault is not None
    assert fault.rule == "market_contradicts_code"
    assert "000977.SZ" in fault.message


def test_an_isin_and_a_name_must_agree(everyone: Resolver) -> None:
    fault = everyone.resolve("CNE0000012M2", "中科曙光").fault
    assert fault is not None
    assert fault.rule == "name_disagrees"


def test_an_isin_knows_its_days(shipped: SecurityMaster, layouts: Layouts) -> None:
    early = Resolver.of(shipped, layouts.dictionary, date(2019, 6, 3))
    fault = early.resolve("CNE1000041W8").fault  # the A line of SMIC, listed 2020-07-16
    assert fault is not None
    assert fault.rule == "listing_not_valid"


def test_companies_of_the_chain_without_a_listing_are_known(everyone: Resolver) -> None:
    for name in ("超聚变", "华为", "Huawei", "长江存储", "華為"):
        fault = everyone.resolve(None, name).fault
        assert fault is not None
        assert fault.rule == "no_listing", name


# --- the shipped identifiers ----------------------------------------------------------------------


def test_shipped_identifiers_have_right_digits_and_stand_once(shipped: SecurityMaster) -> None:
    isins = shipped.listings["isin"].drop_nulls()
    assert isins.len() == 81
    assert isins.n_unique() == isins.len()
    assert all(has_right_digits("isin", isin) for isin in isins)
    assert shipped.issuers["lei"].drop_nulls().is_empty()


def test_the_isin_of_another_company_is_not_taken(shipped: SecurityMaster) -> None:
    sensetime = shipped.listings.row(by_predicate=pl.col("listing_id") == "0020.HK", named=True)
    assert sensetime["isin"] is None  # the table of 2022-01 has Wheelock's there


@pytest.mark.parametrize(
    ("kind", "text"),
    [("isin", "US88160R1014"), ("lei", "5493006MHB84DD0ZWV18"), ("figi", "BBG000BLNNH6"), ("sedol", "0263494")],
)  # fmt: skip
def test_published_identifiers_pass(kind: str, text: str) -> None:
    assert has_right_digits(kind, text)
    assert text.endswith(right_digits(kind, text))


LISTINGS = "listing_id,issuer_id,board,currency,share_class,valid_from,valid_to,lot,isin\n"


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ("000977.SZ,a,main,CNY,A,,,,CNE0000012M5\n", "must be 2"),
        (
            "000977.SZ,a,main,CNY,A,,,,CNE0000012M2\n0992.HK,a,hk,HKD,H,,,,CNE0000012M2\n",
            "is also in row 2",
        ),
    ],
)
def test_content_with_a_wrong_identifier_is_refused(tmp_path: Path, rows: str, why: str) -> None:
    folder = stand_alone(tmp_path) / "portfolios" / "reference"
    folder.mkdir(parents=True)
    (folder / "listings.csv").write_text(LISTINGS + rows, encoding="utf-8")
    (folder / "issuers.csv").write_text(
        "issuer_id,name_zh,name_en,country,role\na,甲,A,CN,x\n", encoding="utf-8"
    )
    (folder / "aliases.csv").write_text(
        "issuer_id,alias,language,kind,valid_from,valid_to\na,甲公司,zh,short,,\n", encoding="utf-8"
    )
    (folder / "ownership.csv").write_text(
        "owner,owned,lo,hi,valid_from,valid_to,known_on,grade,source_id,locator,note\n"
        "a,a,1,1,2024-01-01,,2024-01-01,D,none,none,\n",
        encoding="utf-8",
    )
    with pytest.raises(ContentError) as caught:
        load_master(ContentRoot(tmp_path, "test"))
    assert why in caught.value.render()
