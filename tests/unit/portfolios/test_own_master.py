"""A security master of the user's own lies beneath the shipped one: it adds, it never overwrites, it never guesses."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import polars as pl
import pytest

from exposure.content import ContentRoot
from exposure.errors import HoldingsError, UsageError
from exposure.portfolios.layouts import Layouts
from exposure.portfolios.securities import OwnMaster, Resolver, SecurityMaster, load_master
from exposure.schemas import Aliases, DataIssues, Issuers, Listings

AS_OF = date(2025, 1, 24)


def own(root: ContentRoot, text: str, tmp_path: Path, **facts: Any) -> SecurityMaster:
    path = tmp_path / "master.csv"
    path.write_text(text, encoding="utf-8")
    return load_master(root, OwnMaster(path, **facts))


def rules(master: SecurityMaster) -> list[str]:
    quiet = {"own_master_read", "own_master_joined", "columns_not_read"}
    return [rule for rule in master.issues["rule"] if rule not in quiet]


def line(master: SecurityMaster, listing: str) -> dict[str, Any]:
    return master.listings.row(by_predicate=pl.col("listing_id") == listing, named=True)


def at(master: SecurityMaster, layouts: Layouts, day: date = AS_OF) -> Resolver:
    return Resolver.of(master, layouts.dictionary, day)


# --- reading --------------------------------------------------------------------------------------

CHINESE = """\
证券代码,证券简称,英文名称,上市地点,上市板,币种,上市日期,退市日期,每手股数,行业
600519,贵州茅台,Kweichow Moutai Co Ltd,上交所,主板,人民币,2001-08-27,,100,白酒
300059,东方财富,East Money,深交所,创业板,CNY,20100319,,,券商
830799,艾融软件,,北交所,北交所,,2020/07/27,,,软件
00005,汇丰控股,HSBC Holdings,港交所,,港币,,,400,银行
"""


def test_chinese_headers_are_read(root: ContentRoot, tmp_path: Path) -> None:
    master = own(root, CHINESE, tmp_path)
    moutai = line(master, "600519.SH")
    assert (moutai["board"], moutai["currency"], moutai["share_class"]) == ("main", "CNY", "A")
    assert (moutai["valid_from"], moutai["lot"]) == (date(2001, 8, 27), 100)
    assert line(master, "300059.SZ")["board"] == "chinext"
    assert line(master, "830799.BJ")["valid_from"] == date(2020, 7, 27)
    hsbc = line(master, "0005.HK")
    assert (hsbc["currency"], hsbc["share_class"], hsbc["lot"]) == ("HKD", "ordinary", 400)
    issuer = master.issuers.row(by_predicate=pl.col("issuer_id") == "own_0005_hk", named=True)
    assert (issuer["name_zh"], issuer["name_en"]) == ("汇丰控股", "HSBC Holdings")
    assert (issuer["country"], issuer["role"]) == ("ZZ", "unclassified")
    unread = master.issues.filter(pl.col("rule") == "columns_not_read")["message"].item()
    assert unread == "columns not read: 行业"
    assert rules(master) == []
    for frame, schema in (
        (master.issuers, Issuers),
        (master.listings, Listings),
        (master.aliases, Aliases),
        (master.issues, DataIssues),
    ):
        schema.validate(frame)


def _workbook(path: Path) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["某某证券 全市场列表"])
    for text in CHINESE.splitlines():
        sheet.append(text.split(","))
    book.save(path)
    return path


def _sources(tmp_path: Path) -> dict[str, Any]:
    frame = pl.read_csv(CHINESE.encode(), infer_schema=False)
    texts = {"utf-8-sig": CHINESE, "gb18030": CHINESE, "utf-16": CHINESE.replace(",", "\t")}
    found: dict[str, Any] = {}
    for encoding, text in texts.items():
        found[encoding] = tmp_path / f"{encoding}.csv"
        found[encoding].write_bytes(text.encode(encoding))
    found["xlsx"] = _workbook(tmp_path / "m.xlsx")
    found["parquet"] = tmp_path / "m.parquet"
    frame.write_parquet(found["parquet"])
    found["arrow"] = tmp_path / "m.arrow"
    frame.write_ipc(found["arrow"])
    found["frame"] = frame
    found["pandas"] = pd.DataFrame(frame.to_dict(as_series=False))
    found["pyarrow"] = frame.to_arrow()
    return found


@pytest.mark.parametrize(
    "form",
    ["utf-8-sig", "gb18030", "utf-16", "xlsx", "parquet", "arrow", "frame", "pandas", "pyarrow"],
)
def test_every_container_reads_to_the_same_master(
    root: ContentRoot, tmp_path: Path, form: str
) -> None:
    plain = own(root, CHINESE, tmp_path)
    other = load_master(root, _sources(tmp_path)[form])
    assert other.listings.equals(plain.listings)
    assert other.issuers.equals(plain.issuers)


def test_numbers_of_a_frame_keep_their_meaning(root: ContentRoot) -> None:
    frame = pl.DataFrame(
        {"code": [977, 600519], "exchange": ["SZSE", "SSE"], "name": ["浪潮信息", "贵州茅台"]}
    )
    master = load_master(root, frame)
    assert line(master, "600519.SH")["issuer_id"] == "own_600519_sh"
    assert rules(master) == ["zeros_restored"]


@pytest.mark.parametrize(
    ("row", "rule", "is_taken"),
    [
        ("600519,X,,,", "", True),
        ("12345,X,,,", "code_without_market", False),
        ("510300,X,,,", "code_without_market", False),
        ("510300.SH,X,,,", "", True),  # the user's master decides what can be held
        ("hello world,X,,,", "code_form", False),
        ("CNE0000018R8,X,,,", "code_form", False),
        (",X,,,", "no_code", False),
        ("600519.SH,X,港交所,,", "market_contradicts_code", False),
        ("600519.SH,X,,CNE0000018R9,", "isin_check_digit", True),
        ("600519.SH,X,,CNE00018R8,", "isin_check_digit", True),
        ("600519.SH,X,,,not a day", "date_unreadable", True),
    ],
)
def test_a_row_that_cannot_be_used_is_an_issue(
    root: ContentRoot, tmp_path: Path, row: str, rule: str, is_taken: bool
) -> None:
    master = own(root, f"ticker,name,exchange,isin,list_date\n{row}\n", tmp_path)
    assert rules(master) == ([rule] if rule else [])
    assert master.listings.height - load_master(root).listings.height == is_taken
    if rule:
        found = master.issues.filter(pl.col("rule") == rule)
        assert found["row"].item() == 2
        assert found["file"].item() == "master.csv"


def test_a_file_without_codes_is_refused(root: ContentRoot, tmp_path: Path) -> None:
    with pytest.raises(HoldingsError, match="no column of security codes"):
        own(root, "a,b\n1,2\n", tmp_path)
    with pytest.raises(UsageError, match="can't be read from int"):
        load_master(root, 3)  # type: ignore[arg-type]


# --- joining --------------------------------------------------------------------------------------


def test_a_shipped_listing_keeps_its_issuer_and_gains_facts(
    root: ContentRoot, tmp_path: Path, layouts: Layouts
) -> None:
    text = "wind_code,name_zh,name_en,isin,lei,list_date\n"
    text += "000977.SZ,浪潮信息,IEIT,CNE0000012M2,5493006MHB84DD0ZWV18,2000-06-08\n"
    master = own(root, text, tmp_path)
    inspur = line(master, "000977.SZ")
    assert (inspur["issuer_id"], inspur["isin"]) == ("inspur", "CNE0000012M2")
    assert inspur["valid_from"] == date(2000, 6, 8)
    assert rules(master) == []
    resolver = at(master, layouts)
    assert resolver.resolve("CNE0000012M2").listing_id == "000977.SZ"
    assert resolver.resolve("5493006MHB84DD0ZWV18").listing_id == "000977.SZ"
    assert resolver.resolve("000977", "IEIT").listing_id == "000977.SZ"
    assert master.issuers.height == load_master(root).issuers.height


def test_a_contradiction_is_said_and_not_taken(root: ContentRoot, tmp_path: Path) -> None:
    text = "code,name,isin,list_date,currency\n"
    text += "0020.HK,商汤,KYG8062L1041,2022-01-04,EUR\n"
    master = own(root, text, tmp_path)
    assert line(master, "0020.HK")["valid_from"] == date(2021, 12, 30)
    assert line(master, "0020.HK")["currency"] == "HKD"
    assert rules(master) == ["master_contradicts"]
    message = master.issues.filter(pl.col("rule") == "master_contradicts")["message"].item()
    assert "valid_from is 2021-12-30, the row says 2022-01-04" in message
    assert "currency is HKD, the row says EUR" in message


def test_a_row_of_another_name_gives_nothing(root: ContentRoot, tmp_path: Path) -> None:
    master = own(root, "code,name,isin\n000977.SZ,别的公司,CNE0000012M2\n", tmp_path)
    assert line(master, "000977.SZ")["isin"] is None
    assert rules(master) == ["name_disagrees"]


def test_the_same_isin_is_the_same_line(root: ContentRoot, tmp_path: Path) -> None:
    text = "code,name,isin\n000977.SZ,浪潮信息,CNE0000012M2\n000977.SZ,Langchao Old Name,CNE0000012M2\n"
    assert rules(own(root, text, tmp_path)) == []


LINES = """\
code,name,isin,lei,issuer
601318.SH,中国平安,CNE000001R84,,PINGAN
2318.HK,Ping An Insurance,CNE1000003X6,,PINGAN
600036.SH,招商银行,,549300MKO5B60FFIHF58,
3968.HK,China Merchants Bank,,549300MKO5B60FFIHF58,
601857.SH,中国石油,,,
0857.HK,中国石油,,,
SMI.US,Semiconductor Manufacturing,,,smic
81810.HK,某某,,,
"""


def test_lines_join_by_issuer_lei_or_a_shipped_line_and_never_by_name(
    root: ContentRoot, tmp_path: Path, layouts: Layouts
) -> None:
    assert all(len(row.split(",")) == 5 for row in LINES.splitlines())
    master = own(root, LINES, tmp_path)
    owner = dict(master.listings.select("listing_id", "issuer_id").iter_rows())
    assert owner["601318.SH"] == owner["2318.HK"] == "own_pingan"
    assert owner["600036.SH"] == owner["3968.HK"] == "lei_549300mko5b60ffihf58"
    assert owner["601857.SH"] == "own_601857_sh"  # the same name is no proof
    assert owner["0857.HK"] == "own_0857_hk"
    assert owner["SMI.US"] == "smic"
    assert line(master, "2318.HK")["share_class"] == "H"
    assert line(master, "0857.HK")["share_class"] == "ordinary"
    resolver = at(master, layouts)
    assert resolver.resolve("601318.SH", "Ping An Insurance").issuer_id == "own_pingan"
    fault = resolver.resolve("549300MKO5B60FFIHF58").fault
    assert fault is not None
    assert fault.rule == "code_ambiguous"
    assert "3968.HK, 600036.SH" in fault.message
    assert resolver.resolve("549300MKO5B60FFIHF58", None, "港股").listing_id == "3968.HK"
    fault = resolver.resolve(None, "中国石油").fault
    assert fault is not None
    assert fault.rule == "name_ambiguous"


def test_ids_and_frames_do_not_depend_on_the_order_of_rows(
    root: ContentRoot, tmp_path: Path
) -> None:
    header, *rows = LINES.splitlines()
    forward = own(root, LINES, tmp_path)
    backward = own(root, "\n".join([header, *reversed(rows)]) + "\n", tmp_path)
    for table, key in (("listings", "listing_id"), ("issuers", "issuer_id")):
        columns = [key] if table == "issuers" else [key, "issuer_id"]
        one, other = (getattr(m, table).select(columns).sort(key) for m in (forward, backward))
        assert one.equals(other)


def test_a_join_of_two_shipped_issuers_is_refused(root: ContentRoot, tmp_path: Path) -> None:
    text = "code,name,issuer\n000977.SZ,浪潮信息,X\n603019.SH,中科曙光,X\n600519.SH,贵州茅台,X\n"
    master = own(root, text, tmp_path)
    assert rules(master) == ["issuers_contradict"] * 3
    assert "600519.SH" not in master.listings["listing_id"]
    assert line(master, "000977.SZ")["issuer_id"] == "inspur"
    assert line(master, "603019.SH")["issuer_id"] == "sugon"


def test_a_name_of_another_shipped_issuer_is_not_taken(root: ContentRoot, tmp_path: Path) -> None:
    text = "code,name_zh,name_en\n000977.SZ,浪潮信息,Inspur Software\n"
    master = own(root, text, tmp_path)
    assert rules(master) == ["name_shared"]
    assert master.aliases.height == load_master(root).aliases.height


def test_an_isin_of_two_lines_resolves_to_none(
    root: ContentRoot, tmp_path: Path, layouts: Layouts
) -> None:
    text = "code,name,isin,issuer\n0700.HK,腾讯控股,KYG875721634,\n80700.HK,腾讯控股-R,KYG875721634,tencent\n"
    master = own(root, text, tmp_path)
    assert rules(master) == ["isin_repeated"]
    fault = at(master, layouts).resolve("KYG875721634").fault
    assert fault is not None
    assert "0700.HK, 80700.HK" in fault.message
    assert at(master, layouts).resolve("80700.HK", "腾讯控股").issuer_id == "tencent"


def test_former_names_of_the_file_identify(
    root: ContentRoot, tmp_path: Path, layouts: Layouts
) -> None:
    master = own(root, "code,name,曾用名\n000063.SZ,中兴通讯,老中兴->深中兴Ａ\n", tmp_path)
    answer = at(master, layouts).resolve("000063.SZ", "老中兴")
    assert [remark.rule for remark in answer.remarks] == ["former_name"]


def test_sedol_and_figi_resolve_where_the_master_has_them(
    root: ContentRoot, tmp_path: Path, layouts: Layouts
) -> None:
    text = (
        "code,name,sedol,figi\n0992.HK,联想集团,0263494,BBG000BLNNH6\n"  # of others, valid by form
    )
    master = own(root, text, tmp_path)
    assert rules(master) == []
    for identifier in ("0263494", "BBG000BLNNH6"):
        assert at(master, layouts).resolve(identifier, "联想集团").listing_id == "0992.HK"


def test_a_name_in_a_script_that_the_master_lacks_is_not_checked(
    root: ContentRoot, tmp_path: Path, layouts: Layouts
) -> None:
    text = "code,name_zh,name_en\n0001.HK,,CK Hutchison Holdings\n000005.SZ,某公司,\n0005.HK,,HSBC Holdings\n"
    resolver = at(own(root, text, tmp_path), layouts)
    answer = resolver.resolve("0001.HK", "長和")
    assert answer.listing_id == "0001.HK"
    assert [(r.rule, r.severity) for r in answer.remarks] == [("name_not_checked", "warning")]
    assert "no Chinese name of 0001.HK" in answer.remarks[0].message
    assert [r.rule for r in resolver.resolve("000005.SZ", "Some Company").remarks] == [
        "name_not_checked"
    ]
    # a name of another company is a fault all the same, and a name not checked is no witness
    assert resolver.resolve("000005.SZ", "CK HUTCHISON HLDGS").fault is not None
    assert resolver.resolve("0001.HK", "聯想集團").fault is not None
    short = resolver.resolve("5", "滙豐控股").fault
    assert short is not None
    assert short.rule == "code_ambiguous"
    assert resolver.resolve("5", "HSBC HOLDINGS PLC").listing_id == "0005.HK"


# --- codes that were used again -------------------------------------------------------------------

REUSED = (
    "ticker,name_en,isin,list_date,delist_date\n0020.HK,Wheelock and Co Ltd,HK0020000177,{},{}\n"
)


def test_with_its_days_a_reused_code_resolves_by_the_day(
    root: ContentRoot, tmp_path: Path, layouts: Layouts
) -> None:
    master = own(root, REUSED.format("1963-01-02", "2020-07-27"), tmp_path)
    assert rules(master) == ["code_reused"]
    old = master.reused.row(0, named=True)
    assert old["issuer_id"].startswith("own_0020_hk_")
    assert at(master, layouts, date(2019, 6, 3)).resolve("0020.HK").issuer_id == old["issuer_id"]
    assert at(master, layouts).resolve("0020.HK").issuer_id == "sensetime"
    between = at(master, layouts, date(2021, 3, 1)).resolve("0020.HK").fault
    assert between is not None
    assert between.rule == "listing_not_valid"
    assert "Wheelock" in between.message
    assert "商汤 from 2021-12-30" in between.message
    assert at(master, layouts, date(2019, 6, 3)).resolve("HK0020000177").listing_id == "0020.HK"
    gone = at(master, layouts).resolve("HK0020000177").fault
    assert gone is not None
    assert gone.rule == "listing_not_valid"


def test_without_its_days_both_candidates_are_named(
    root: ContentRoot, tmp_path: Path, layouts: Layouts
) -> None:
    # the vintage is later than the new holder's first day: the row can't say until when it held
    master = own(root, REUSED.format("", ""), tmp_path, known_on=date(2022, 1, 1))
    early = at(master, layouts, date(2019, 6, 3))
    fault = early.resolve("0020.HK").fault
    assert fault is not None
    assert fault.rule == "code_reused"
    assert "Wheelock" in fault.message
    assert "商汤 from 2021-12-30" in fault.message
    named = early.resolve("0020.HK", "WHEELOCK & CO LTD")
    assert named.issuer_id == master.reused["issuer_id"].item()
    assert [(r.rule, r.severity) for r in named.remarks] == [("code_reused", "warning")]
    assert early.resolve("0020.HK", "商汤").listing_id is None
    late = at(master, layouts)
    assert late.resolve("0020.HK").issuer_id == "sensetime"
    fault = late.resolve("0020.HK", "Wheelock").fault
    assert fault is not None
    assert fault.rule == "name_disagrees"


def test_a_vintage_before_the_new_holder_is_proof_up_to_its_day(
    root: ContentRoot, tmp_path: Path, layouts: Layouts
) -> None:
    master = own(root, REUSED.format("", ""), tmp_path, known_on=date(2019, 12, 31))
    assert at(master, layouts, date(2019, 6, 3)).resolve("0020.HK").fault is None
    assert at(master, layouts, date(2020, 6, 1)).resolve("0020.HK").fault is not None


def test_overlapping_days_are_refused(root: ContentRoot, tmp_path: Path) -> None:
    master = own(root, REUSED.format("1963-01-02", "2023-01-01"), tmp_path)
    assert rules(master) == ["code_reused"]
    assert master.issues.filter(pl.col("rule") == "code_reused")["severity"].item() == "error"
    assert master.reused.is_empty()


def test_two_companies_of_one_code_in_the_file_itself(
    root: ContentRoot, tmp_path: Path, layouts: Layouts
) -> None:
    text = "code,name,list_date,delist_date\n1111.HK,Old Bank,1994-01-01,2010-01-01\n"
    text += "1111.HK,New Fund,2015-01-01,\n2222.HK,First Foods,,\n2222.HK,Second Steel,,\n"
    master = own(root, text, tmp_path)
    titles = dict(master.issuers.select("issuer_id", "name_en").iter_rows())

    def holder(day: date, code: str, name: str | None = None) -> str:
        answer = at(master, layouts, day).resolve(code, name)
        return titles[answer.issuer_id] if answer.issuer_id else answer.fault.rule  # type: ignore[union-attr]

    assert holder(date(2005, 1, 1), "1111.HK") == "Old Bank"
    assert holder(date(2012, 1, 1), "1111.HK") == "listing_not_valid"
    assert holder(AS_OF, "1111.HK") == "New Fund"
    assert holder(AS_OF, "2222.HK") == "code_reused"
    assert holder(AS_OF, "2222.HK", "Second Steel") == "Second Steel"
    assert holder(AS_OF, "2222.HK", "Third") == "code_reused"


def test_an_old_row_of_hong_kong_asks_for_a_name(
    root: ContentRoot, tmp_path: Path, layouts: Layouts
) -> None:
    text = "code,name\n0005.HK,HSBC Holdings\n600519.SH,贵州茅台\n"
    resolver = at(own(root, text, tmp_path, known_on=date(2022, 1, 1)), layouts)
    assert [r.rule for r in resolver.resolve("0005.HK").remarks] == ["master_row_old"]
    assert resolver.resolve("0005.HK", "HSBC HOLDINGS PLC").remarks == ()
    assert resolver.resolve("600519.SH").remarks == ()  # the mainland doesn't use a code again


def test_a_listing_ends(root: ContentRoot, tmp_path: Path, layouts: Layouts) -> None:
    master = own(
        root,
        "code,name,退市日期\n600832.SH,东方明珠,2015-05-20\n600833.SH,某某,29991231\n",
        tmp_path,
    )
    fault = at(master, layouts).resolve("600832.SH").fault
    assert fault is not None
    assert fault.rule == "listing_not_valid"
    assert at(master, layouts, date(2015, 1, 5)).resolve("600832.SH").fault is None
    assert at(master, layouts).resolve("600833.SH").fault is None


def test_the_name_decides_between_lines_of_one_code(
    root: ContentRoot, tmp_path: Path, layouts: Layouts
) -> None:
    text = "code,name\n110059.SH,浦发转债\n110059.SZ,某某转债\n"  # the user's master holds bonds
    resolver = at(own(root, text, tmp_path), layouts)
    fault = resolver.resolve("110059").fault
    assert fault is not None
    assert fault.message == "may be 110059.SH (浦发转债) or 110059.SZ (某某转债)"
    assert resolver.resolve("110059", "浦发转债").listing_id == "110059.SH"
    fault = resolver.resolve("110059", "别的").fault
    assert fault is not None
    assert fault.rule == "code_ambiguous"


# --- what a frame or file may hold ----------------------------------------------------------------


def test_frames_with_odd_cells_are_read_or_refused(root: ContentRoot) -> None:
    known = load_master(root).listings.height
    odd = pd.DataFrame(
        {
            "code": ["600519.SH", None, float("nan")],
            "name": pd.Series(["茅台", pd.NA, None], dtype=object),
            "lot": [float("inf"), 100, 100],
            "list_date": [pd.NaT, pd.NaT, pd.Timestamp("2001-08-27")],
        }
    )
    master = load_master(root, odd)
    assert master.listings.height == known + 1
    assert rules(master) == ["lot_unreadable", "no_code", "no_code"]
    lazy = pl.LazyFrame({"code": ["600519.SH"], "name": ["茅台"]})
    assert load_master(root, lazy).listings.height == known + 1
    half = pd.DataFrame({"code": ["600519.SH"], "name": pd.Series(["\ud800"], dtype=object)})
    with pytest.raises(HoldingsError, match="not valid"):
        load_master(root, half)
    twins = pd.DataFrame([["600519.SH", "a", "b"]], columns=["code", "name", "name"])
    with pytest.raises(UsageError, match="can't be read"):
        load_master(root, twins)
    with pytest.raises(HoldingsError, match="no column"):
        load_master(root, pl.DataFrame())


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "empty"),
        (b"code,name\n600519\x00.SH,x\n", "not text"),
        (b"code,name\n600519.SH," + b"x" * 200_000 + b"\n", "longer than"),
        (b"PK\x03\x04 no workbook", "master.csv"),
        (b"PAR1 no parquet", "master.csv"),
    ],
)
def test_broken_files_are_refused(
    root: ContentRoot, tmp_path: Path, data: bytes, match: str
) -> None:
    path = tmp_path / "master.csv"
    path.write_bytes(data)
    with pytest.raises(HoldingsError, match=match):
        load_master(root, path)


def test_a_name_without_end_is_cut_in_messages(
    root: ContentRoot, tmp_path: Path, layouts: Layouts
) -> None:
    text = f"code,name\n0001.HK,{'A ' * 5000}\n0001.HK,{'x' * 9000}\n"
    master = own(root, text, tmp_path)
    assert max(map(len, master.issues["message"])) < 500
    fault = at(master, layouts).resolve("1 HK", "y" * 9000).fault
    assert fault is not None
    assert len(fault.message) < 500
