"""Proposals: by which way a name leads to a row, which names lead nowhere, and that nothing downstream reads them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from exposure.lists.matching import propose
from exposure.lists.rows import list_row, rows_frame
from exposure.portfolios.securities import SecurityMaster
from exposure.schemas import Aliases, Issuers, Listings, ListLinks, Ownership, empty, validated

PROJECT = Path(__file__).parents[3]


def master(*issuers: tuple[str, str, str], aliases=(), listings=(), country="CN") -> SecurityMaster:
    frame = pl.DataFrame(
        [
            {"issuer_id": i, "name_zh": zh, "name_en": en, "country": country, "role": "x"}
            for i, zh, en in issuers
        ],
        schema=empty(Issuers).schema,
    )
    names = pl.DataFrame(
        [(i, text, "en", "short", None, None) for i, text in aliases],
        schema=empty(Aliases).schema,
        orient="row",
    )
    facts = {"board": "main", "currency": "CNY", "share_class": "A"}
    lines = pl.DataFrame(
        [{"listing_id": code, "issuer_id": i} | facts for i, code in listings],
        schema=empty(Listings).schema,
    )
    return SecurityMaster(
        validated(frame, Issuers),
        validated(lines, Listings),
        validated(names, Aliases),
        empty(Ownership),
    )


def row(name: str, *aliases: str, key: str | None = None, **other):
    known = {"list_id": "EL", "countries": ["CN"], "source_row": 2} | other
    return list_row(row_key=key or f"EL:{name}", name=name, aliases=list(aliases), **known)


def found(people: SecurityMaster, *rows, **other) -> list[tuple[str, str, str]]:
    table = propose(people, rows_frame(rows), **other)
    return table.select("issuer_id", "row_name", "method").rows()


INSPUR = ("inspur", "浪潮信息", "Inspur Electronic Information Industry Co., Ltd.")


def test_the_first_method_that_hits_is_named():
    people = master(INSPUR, listings=[("inspur", "000977.SZ")])

    assert found(people, row("X", listing_ids=["000977.SZ"])) == [("inspur", "X", "identifier")]
    assert found(people, row("INSPUR ELECTRONIC INFORMATION INDUSTRY CO LTD"))[0][2] == "exact"
    assert (
        found(people, row("Inspur Electronic Information Industry Limited"))[0][2]
        == "legal_forms_stripped"
    )
    assert found(people, row("Inspur Electronics Information Industry"))[0][2] == "token_sort"
    assert found(people, row("Inspur Technology Group"))[0][2] == "telling_words"


def test_an_alias_of_the_row_counts_and_a_weak_one_does_not():
    people = master(("sugon", "中科曙光", "Sugon"))

    assert found(people, row("Dawning", "Sugon")) == [("sugon", "Dawning", "exact")]
    assert found(people, row("Dawning", weak_aliases=["Sugon"])) == []


def test_a_name_in_brackets_is_read_both_ways():
    people = master(("huawei", "华为", "Huawei Technologies Co., Ltd."))

    assert (
        found(people, row("Huawei Technologies Co., Ltd. (Huawei)"))[0][2] == "legal_forms_stripped"
    )


@pytest.mark.parametrize(
    ("issuer", "printed"),
    [
        (("catl", "宁德时代", "CATL"), "Ivan AtzayaCATL"),
        (("amec", "中微公司", "AMEC"), "JSC RAMEC VS"),
        (("xiaomi", "小米", "Xiaomi"), "Xiaoming Trading"),
        (("digital_china", "神州数码", "Digital China"), "China Digital Technology Co., Ltd."),
        (("ue", "国光电器", "United Electronics"), "UNITED ENGINEERING GROUP"),
    ],
)
def test_a_name_inside_a_word_or_of_common_words_is_no_hit(issuer, printed):
    assert found(master(issuer), row(printed)) == []


def test_persons_and_ships_are_never_proposed():
    people = master(("xiaomi", "小米", "Xiaomi"))

    assert found(people, row("Xiaomi", kind="individual"), row("XIAOMI", kind="vessel")) == []


def test_a_short_alias_needs_the_country_and_a_second_hit():
    people = master(("bgi", "华大基因", "BGI"), aliases=[("bgi", "BGI Group")])
    pxw = master(("pxw", "鹏芯微", "PXW Semiconductor"))

    # one name that meets by several methods, or with a legal form, is one hit
    assert found(people, row("Beijing Graphene Institute", "BGI")) == []
    assert found(pxw, row("PXW Semiconductor Manufactory", "PXW"))[0][2] == "telling_words"
    assert found(pxw, row("PXW Semiconductor Manufactory", "PXW", countries=["US"])) == []
    assert found(pxw, row("PXW Semiconductor Manufactory", "PXW", countries=["HK"])) != []


def test_decided_pairs_are_not_proposed_again():
    people = master(INSPUR, ("piotech", "拓荆科技", "Piotech"))
    rejected = dict.fromkeys(ListLinks.columns())
    rejected |= {"link_id": "x", "issuer_id": "piotech", "list_id": "EL", "row_name": "Shengwei"}
    rejected |= {"row_key": "EL:Shengwei", "relation": "none", "mechanism": "entity_licence"}
    rejected |= {"citation": "c", "valid_from": date(2024, 12, 2), "known_on": date(2024, 12, 2)}
    rejected |= {
        "decision": "rejected",
        "reviewed_on": date(2026, 11, 20),
        "source_id": "s",
        "locator": "l",
    }
    reviewed = ListLinks.validate(pl.DataFrame([rejected], schema=empty(ListLinks).schema))

    rows = [row("Shengwei", "Piotech"), row("Piotech Inc.")]

    assert found(people, *rows, reviewed=reviewed) == [
        ("piotech", "Piotech Inc.", "legal_forms_stripped")
    ]


def test_rivals_for_one_row_are_named():
    people = master(("autel", "道通科技", "Autel"), ("robotics", "道通智能", "Autel Robotics"))

    table = propose(people, rows_frame([row("Autel Robotics Co., Ltd.", "Autel")]))

    rivals = dict(table.select("issuer_id", "rivals").iter_rows())
    assert rivals == {"autel": ["robotics"], "robotics": ["autel"]}


def test_new_rows_come_first():
    people = master(("naura", "北方华创", "NAURA Technology"))
    rows = [
        row("NAURA Technology", key="EL:old"),
        row("Beijing NAURA Microelectronics NAURA", "NAURA Technology Group", key="EL:new"),
    ]

    table = propose(people, rows_frame(rows), fresh={"EL:new"})

    assert table["row_key"].to_list() == ["EL:new", "EL:old"]
    assert table["fresh"].to_list() == [True, False]


def test_a_chinese_name_meets_only_itself():
    people = master(("inspur", "浪潮信息", "Inspur"))

    assert found(people, row("浪潮信息股份有限公司", list_id="UEL"))[0][2] == "legal_forms_stripped"
    assert found(people, row("浪潮软件", list_id="UEL")) == []


def test_no_room_that_scores_reads_proposals():
    rooms = ("factors", "attribution.py", "scenarios", "optimiser", "risk", "lists/status.py")
    files: list[Path] = []
    for room in rooms:
        path = PROJECT / "exposure" / room
        assert path.exists(), room
        files += [path] if path.is_file() else sorted(path.rglob("*.py"))

    assert len(files) > 10
    assert not [file.name for file in files if "lists.matching" in file.read_text(encoding="utf-8")]


def test_a_brand_finds_units_of_its_country_until_the_issuer_is_listed_itself():
    people = master(("fiberhome", "烽火通信", "FiberHome"))
    unit = row("Nanjing FiberHome Starrysky Communication Development Co.")
    abroad = row("FiberHome Starrysky", key="EL:abroad", countries=["IR"])
    inside = row("Starrysky FiberHome Development", key="EL:inside")

    assert found(people, unit, abroad, inside) == [("fiberhome", unit["name"], "brand")]
    own = dict.fromkeys(ListLinks.columns()) | {
        "link_id": "x", "issuer_id": "fiberhome", "list_id": "EL", "row_name": "FiberHome Group",
        "row_key": "EL:group", "relation": "self", "mechanism": "entity_licence", "citation": "c",
        "valid_from": date(2020, 12, 31), "known_on": date(2020, 12, 31), "decision": "accepted",
        "reviewed_on": date(2026, 11, 24), "source_id": "s", "locator": "l",
    }  # fmt: skip
    reviewed = ListLinks.validate(pl.DataFrame([own], schema=empty(ListLinks).schema))
    assert found(people, unit, reviewed=reviewed) == []


@pytest.mark.parametrize(
    ("issuer", "printed"),
    [
        (("mobile", "中国移动", "China Mobile"), "Mobile Crane Plant"),
        (("marine", "中国海防", "China Marine Information Electronics"), "Marine Bridge Systems"),
        (("kdi", "凯迪", "Kaidi"), "Kaidian Trading"),
    ],
)
def test_a_word_of_a_trade_or_inside_a_word_is_no_brand(issuer, printed):
    assert found(master(issuer), row(printed)) == []
