"""Names have days: a former name still identifies, a later one never does alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import polars as pl
import pytest

from exposure.portfolios.layouts import Layouts
from exposure.portfolios.securities import Resolver, SecurityMaster, normal_name
from exposure.portfolios.securities.characters import simplified
from exposure.portfolios.securities.likeness import is_alike
from exposure.schemas import Aliases, empty, validated

RENAMED = date(2025, 6, 20)  # made up: 拓维信息 gets a new name
DAYS = [
    ("talkweb", "旧拓维", "zh", "former", None, RENAMED),
    ("talkweb", "拓维信息", "zh", "short", RENAMED, None),
    ("sugon", "曙光老名", "zh", "former", None, None),
    ("hygon", "公用名", "zh", "former", None, date(2020, 1, 1)),
    ("smic", "公用名", "zh", "short", date(2020, 1, 1), None),
]


@pytest.fixture(scope="module")
def dated(master: SecurityMaster) -> SecurityMaster:
    rows = pl.DataFrame(DAYS, schema=empty(Aliases).schema, orient="row")
    return replace(master, aliases=validated(pl.concat([master.aliases, rows]), Aliases))


def _on(master: SecurityMaster, layouts: Layouts, day: date) -> Resolver:
    return Resolver.of(master, layouts.dictionary, day)


def test_a_former_name_identifies_with_a_remark(dated: SecurityMaster, layouts: Layouts) -> None:
    after = _on(dated, layouts, date(2025, 7, 1))
    answer = after.resolve("002261.SZ", "旧拓维")
    assert answer.listing_id == "002261.SZ"
    assert [(r.rule, r.severity) for r in answer.remarks] == [("former_name", "info")]
    assert "since 2025-06-20" in answer.remarks[0].message
    assert after.resolve("002261.SZ", "拓维信息").remarks == ()
    undated = after.resolve("603019.SH", "曙光老名")
    assert [r.rule for r in undated.remarks] == ["former_name"]
    alone = after.resolve(None, "旧拓维")
    assert [r.rule for r in alone.remarks] == ["resolved_by_name", "former_name"]


def test_on_its_days_a_name_needs_no_remark(dated: SecurityMaster, layouts: Layouts) -> None:
    before = _on(dated, layouts, date(2025, 1, 24))
    assert before.resolve("002261.SZ", "旧拓维").remarks == ()


def test_a_later_name_beside_a_code_is_a_warning(dated: SecurityMaster, layouts: Layouts) -> None:
    before = _on(dated, layouts, date(2025, 1, 24))
    answer = before.resolve("002261.SZ", "拓维信息")
    assert answer.listing_id == "002261.SZ"
    assert [(r.rule, r.severity) for r in answer.remarks] == [("name_not_yet_used", "warning")]
    assert "旧拓维" in answer.remarks[0].message  # the title of the day, not the later one


def test_a_later_name_alone_resolves_nothing(dated: SecurityMaster, layouts: Layouts) -> None:
    fault = _on(dated, layouts, date(2025, 1, 24)).resolve(None, "拓维信息").fault
    assert fault is not None
    assert fault.rule == "name_not_yet_used"
    assert _on(dated, layouts, RENAMED).resolve(None, "拓维信息").listing_id == "002261.SZ"


def test_a_name_that_changed_hands_is_its_owners_of_the_day(
    dated: SecurityMaster, layouts: Layouts
) -> None:
    early, late = (_on(dated, layouts, date(year, 6, 1)) for year in (2019, 2025))
    assert early.resolve("688041.SH", "公用名").issuer_id == "hygon"
    fault = early.resolve("688981.SH", "公用名").fault
    assert fault is not None
    assert fault.rule == "name_disagrees"
    assert late.resolve("688981.SH", "公用名").issuer_id == "smic"
    fault = late.resolve("688041.SH", "公用名").fault
    assert fault is not None
    assert fault.rule == "name_disagrees"


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("*ST拓维", "拓维"),
        ("ST 拓维", "拓维"),
        ("S*ST拓维", "拓维"),
        ("SST拓维", "拓维"),
        ("XD拓维信", "拓维信"),
        ("XR拓维信", "拓维信"),
        ("DR拓维信", "拓维信"),
        ("N拓维", "拓维"),
        ("C拓维", "拓维"),
        ("S拓维", "拓维"),
        ("退市拓维", "拓维"),
        ("拓维退", "拓维"),
        ("寒武纪-U", "寒武纪"),
        ("云从科技-UW", "云从科技"),
        ("优刻得-W", "优刻得"),
        ("九号公司-WD", "九号公司"),
        ("快手－Ｗ", "快手"),  # noqa: RUF001
        ("京东集团-SW", "京东集团"),
        ("騰訊控股-R", "腾讯控股"),
        ("万科Ａ", "万科"),
        ("京东方B", "京东方"),
        ("浪 潮 信 息", "浪潮信息"),
        ("神州数码控股有限公司", "神州数码控股"),
        ("神州数码集团股份有限公司", "神州数码集团"),
        ("TCL科技", "TCL科技"),
        ("ZTE CORP-H", "ZTE"),
        ("ALIBABA GRP - SPON ADR", "ALIBABA GRP"),
        ("Inspur Electronic Info-A", "INSPUR ELECTRONIC INFO"),
        ("快手 \u2011 W", "快手"),  # the hyphen of the exchange's own files
        ("XIAOMI \u2011 W", "XIAOMI"),
        ("", ""),
        ("退", "退"),
        ("A", "A"),
    ],
)
def test_marks_are_taken_off(name: str, normal: str) -> None:
    assert normal_name(name) == normal


@pytest.mark.parametrize(
    ("traditional", "plain"),
    [
        ("騰訊控股", "腾讯控股"),
        ("聯想集團", "联想集团"),
        ("中芯國際", "中芯国际"),
        ("中興通訊", "中兴通讯"),
        ("華虹半導體", "华虹半导体"),
        ("比亞迪電子", "比亚迪电子"),
        ("舜宇光學科技", "舜宇光学科技"),
        ("金蝶國際", "金蝶国际"),
        ("商湯集團", "商汤集团"),
    ],
)
def test_traditional_names_are_the_same_names(traditional: str, plain: str) -> None:
    assert simplified(traditional) == plain
    assert normal_name(traditional) == normal_name(plain)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("0700.HK", "騰訊控股"),
        ("992 HK", "聯想集團"),
        ("0981.HK", "中芯國際"),
        ("0020.HK", "商湯－Ｗ"),  # noqa: RUF001
        ("000977.SZ", "N浪潮信"),
        ("000977.SZ", "C浪潮"),
    ],
)
def test_names_of_exports_agree(resolver: Resolver, code: str, name: str) -> None:
    assert resolver.resolve(code, name).fault is None


@pytest.mark.parametrize("name", ["浪潮信", "XD浪", "XD潮信", "浪潮信息技术"])
def test_a_cut_name_needs_its_mark(resolver: Resolver, name: str) -> None:
    fault = resolver.resolve("000977.SZ", name).fault
    assert fault is not None
    assert fault.rule == "name_disagrees"


@pytest.mark.parametrize(
    ("name", "other", "alike"),
    [
        ("GALAXY ENT", "GALAXY ENTERTAINMENT GROUP", True),
        ("SINO BIOPHARM", "SINO BIOPHARMACEUTICAL", True),
        ("HENDERSO N LAND", "HENDERSON LAND", True),  # a column broke the word
        ("ANGANG STEEL", "ANGANG STEEL", True),
        ("CHINA RES LAND", "CHINA RESOURCES POWER HOLDINGS", False),
        ("CM BANK", "CHINA MERCHANTS BANK", False),  # initials are no witness
        ("INSPUR", "SUGON", False),
        ("", "SUGON", False),
    ],
)
def test_terminals_shorten_latin_names(name: str, other: str, alike: bool) -> None:
    assert is_alike(name, other) is alike


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("0992.HK", "LENOVO GROUP\n聯想集團"),
        ("0992.HK", "联想集团 LENOVO GRP"),
        ("0992.HK", "LENOVO GROUP 不知道的名"),  # one part agrees, the other is nobody's
        ("0992.HK", "LENOVO GRP"),
    ],
)
def test_names_in_two_scripts_are_read(resolver: Resolver, code: str, name: str) -> None:
    answer = resolver.resolve(code, name)
    assert (answer.listing_id, answer.fault) == (code, None)


def test_a_part_that_is_another_company_is_a_fault(resolver: Resolver) -> None:
    fault = resolver.resolve("0992.HK", "LENOVO GROUP 中芯國際").fault
    assert fault is not None
    assert fault.rule == "name_disagrees"
