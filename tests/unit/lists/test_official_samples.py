"""The importers on whole official files, by counts and rows known from elsewhere.

Skipped where the shared data folder is not beside the project: nothing of it is shipped.
"""

from __future__ import annotations

import gzip
from collections import Counter, defaultdict
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from exposure.content import shipped_root
from exposure.content.roots import ContentRoot
from exposure.errors import ListError
from exposure.lists.rows import name_key
from exposure.lists.snapshot import check_snapshot
from exposure.lists.sources.reading import read_list_files
from exposure.lists.touched import load_reviewed_links, touched_links
from tests.official_lists import SANCTIONS, SHARED, csv_edition, json_edition, projected_records

pytestmark = pytest.mark.skipif(
    not SANCTIONS.is_dir(), reason="no shared data beside the project (EXPOSURE_SHARED_DATA)"
)
DAY = date(2026, 7, 31)


def read(*paths: Path, day=DAY):
    return read_list_files(list(paths), read_on=date(2026, 8, 1), edition_date=day)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The whole list of a day, written in the official layout and read back."""
    path = tmp_path_factory.mktemp("csl") / "consolidated.csv"
    path.write_bytes(csv_edition(projected_records()))
    (snapshot,) = read(path)
    return snapshot


@pytest.fixture(scope="module")
def entity_list(whole):
    return whole.rows.filter(pl.col("list_id") == "EL")


@pytest.fixture(scope="module")
def chinese(entity_list):
    return entity_list.filter(
        pl.col("countries").list.eval(pl.element().is_in(["CN", "HK"])).list.any()
    )


@pytest.fixture(scope="module")
def consolidated():
    folder = SANCTIONS / "ofac_layout"
    parts = ("prim", "add", "alt", "comments")
    (snapshot,) = read(*(folder / f"cons_{part}.2025-12.csv" for part in parts),
                       day=date(2025, 12, 19))  # fmt: skip
    return snapshot


def raw_of(snapshot, rule):
    return snapshot.issues.filter(pl.col("rule") == rule)["raw"].to_list()


# --- the screening list -------------------------------------------------------------------------------------------


def test_every_row_of_every_list_is_there(whole):
    check_snapshot(whole)
    assert whole.rows.height == 25_921
    assert whole.counts() == {
        "CAP": 1, "DPL": 1_596, "DTC": 787, "EL": 3_420, "ISN": 161, "MEU": 70, "NS-CMIC": 68,
        "NS-MBS": 51, "PLC": 78, "SDN": 19_181, "SSI": 286, "UVL": 222,
    }  # fmt: skip


def test_the_json_edition_gives_the_same_rows(whole, tmp_path):
    path = tmp_path / "consolidated.json"
    path.write_bytes(json_edition(projected_records()))

    (snapshot,) = read_list_files(path, read_on=date(2026, 8, 1))

    assert snapshot.edition_date == DAY
    assert snapshot.rows.drop("source_row").equals(whole.rows.drop("source_row"))


def test_countries_of_the_entity_list(chinese):
    sets = Counter(
        tuple(code for code in ("CN", "HK") if code in row) for row in chinese["countries"]
    )

    assert chinese.height == 1_191
    assert sets == {("CN",): 957, ("CN", "HK"): 147, ("HK",): 87}


def test_footnotes_of_china_and_hong_kong(entity_list, chinese):
    def count(rows):
        return Counter(mark for marks in rows["footnotes"] for mark in marks)

    assert count(chinese) == {"1": 74, "2": 74, "3": 122, "4": 93, "5": 16}
    assert count(entity_list)["4"] == 96
    assert chinese["requirement"].n_unique() == 53


def test_the_two_requirements_that_lack_a_mark(whole, chinese):
    biren = chinese.row(
        by_predicate=pl.col("name").str.starts_with("Shanghai Biren Intelligent"), named=True
    )
    unresolved = whole.issues.filter(pl.col("rule") == "footnote_unresolved")

    assert biren["footnotes"] == ["4"]
    assert [text.partition(":")[0] for text in unresolved["message"]] == [
        "Shanghai Supercomputing Technology Co., Ltd."
    ]


def test_citations_of_china_and_hong_kong(chinese):
    advanced = chinese.filter(pl.col("citations").list.contains("87 FR 62202"))

    assert advanced.height == 28
    assert advanced.filter(pl.col("footnotes").list.contains("4")).height == 25
    assert chinese.filter(pl.col("citations").list.contains("89 FR 96837")).height == 148


def test_fill_down_citations_are_flagged_and_give_no_date(whole, entity_list):
    flagged = Counter(raw_of(whole, "citation_of_no_known_rule"))

    casic = {volume: flagged[f"{volume} FR 37423"] for volume in (83, 84, 85, 86, 87)}
    assert casic == {83: 0, 84: 3, 85: 3, 86: 3, 87: 3}  # the rule is 83 FR
    assert flagged["67 FR 24266"] == 1
    assert sum(flagged.values()) == 17
    assert entity_list["start"].null_count() == entity_list.height  # a citation gives no date


def test_rows_without_a_citation_and_those_that_end_in_half_of_one(whole, entity_list):
    # 24 cells are empty; "76 FR No. 197 (10/12/2011)" and another name no page
    assert entity_list.filter(pl.col("citations").list.len() == 0).height == 26
    assert whole.issues.filter(pl.col("rule") == "citation_missing").height == 24
    assert Counter(raw_of(whole, "citation_unresolved")) == {"88 FR": 6, "76 FR": 2, "77 FR": 1}


def test_one_name_with_two_citations_stays_two_rows(entity_list):
    for name in ("Cambricon Technologies Corporation Limited", "Hongdu"):
        rows = entity_list.filter(pl.col("name").str.contains(name, literal=True))
        assert rows["row_key"].n_unique() == rows.height >= 2


def test_names_that_are_none_or_untidy_are_told_and_kept_as_printed(whole, chinese):
    assert set(raw_of(whole, "name_is_none")) == {f"Address {n:02d}" for n in range(1, 19)}
    commas = chinese.filter(pl.col("name").str.ends_with(","))
    assert commas.height == 8
    assert set(commas["name"]) <= set(raw_of(whole, "name_untidy"))
    assert {name_key(name) for name in commas["name"]} >= {"suzhou centec technology co ltd"}


def test_names_and_aliases_that_stand_on_more_than_one_row(entity_list):
    names = Counter(entity_list["name"])
    holders = defaultdict(set)
    for name, aliases in entity_list.select("name", "aliases").iter_rows():
        for alias in aliases:
            holders[alias].add(name)

    assert sum(count > 1 for count in names.values()) == 77
    assert (
        sum(len(found) > 1 for found in holders.values()) == 55
    )  # 53 before joined values are split
    assert sum(len(alias) <= 4 for row in entity_list["aliases"] for alias in row) == 189


def test_aliases_of_another_company_are_read_as_printed(entity_list):
    aliases = dict(entity_list.select("name", "aliases").iter_rows())

    shengwei = next(name for name in aliases if name.startswith("Shengwei Semiconductor"))
    assert "Tuojing Technology" in aliases[shengwei]
    assert "BGI" in aliases["Beijing Graphene Institute Co., Ltd"]
    assert "Hygon" in aliases["Chengdu Haiguang Integrated Circuit"]
    assert "BGI Jiutian" in aliases["Beijing Huada Jiutian Technology Co., Ltd."]


def test_licence_policies_fall_into_classes(chinese):
    printed = Counter(chinese["policy"])
    assert printed["Presumption of denial"] == 667
    assert printed["Presumption of denial."] == 232
    assert printed["Presumption for denial"] == 27
    by_text = dict(chinese.select("policy", "policy_class").iter_rows())
    assert by_text["Presumption for denial"] == "denial"
    assert {cls for text, cls in by_text.items() if text and "apart from food" in text} == {"mixed"}


def test_no_row_of_china_has_a_chinese_character(chinese):
    assert not chinese["name"].str.contains(r"\p{Han}").any()


def test_every_open_reviewed_link_has_its_row(whole):
    links = load_reviewed_links(ContentRoot(shipped_root(), "test"))

    assert touched_links(links, whole).is_empty()


@pytest.mark.parametrize(
    ("name", "rows", "columns"),
    [("consolidated_sample_official_layout.csv", 13, 29), ("csl_2019-20_legacy_layout.csv", 115, 28)],
)  # fmt: skip
def test_both_layouts_of_the_screening_list_are_read(name, rows, columns):
    path = SANCTIONS / "csl_layout" / name

    (snapshot,) = read(path)

    assert snapshot.rows.height == rows
    header = path.read_text(encoding="utf-8").splitlines()[0]
    assert header.count(",") == columns - 1
    with pytest.raises(ListError, match="lacks"):  # samples are cut, and no edition
        check_snapshot(snapshot)


# --- OFAC ---------------------------------------------------------------------------------------------------------


def test_the_military_companies_of_the_consolidated_files(consolidated):
    check_snapshot(consolidated)
    military = consolidated.rows.filter(pl.col("list_id") == "NS-CMIC")
    assert (consolidated.rows.height, military.height) == (442, 68)
    assert military.select("start", "effective", "divest_by").null_count().row(0) == (0, 0, 0)
    cccc = military.row(by_predicate=pl.col("row_key") == "OFAC:30930", named=True)
    assert "CCCC" in cccc["weak_aliases"]  # from the comments file
    sugon = military.filter(pl.col("listing_ids").list.contains("603019.SH"))
    assert sugon.select("start", "effective", "divest_by").rows() == [
        (date(2021, 12, 16), date(2022, 2, 14), date(2022, 12, 16))
    ]


def test_tickers_and_isins_of_the_military_companies(consolidated):
    military = consolidated.rows.filter(pl.col("list_id") == "NS-CMIC")
    shares = military.with_columns(
        pl.col("listing_ids").list.eval(
            pl.element().filter(pl.element().str.contains(r"\.(SH|SZ|BJ)$"))
        )
    )
    master = pl.read_csv(SHARED / "securities" / "ashare_master_20250910.csv", infer_schema=False)
    listed, known = set(master["wind_code"]), set(master["isin"].drop_nulls())

    assert shares.filter(pl.col("listing_ids").list.len() > 0).height == 36
    # four have left the exchange since
    assert sum(bool(listed & set(row)) for row in shares["listing_ids"]) == 32
    assert sum(any(code in known for code in row) for row in military["isins"]) == 27
    assert set(raw_of(consolidated, "isin_check_digit")) == {"CND10002K094", "CND10002G601"}
    assert raw_of(consolidated, "isin_malformed") == ["BRC1EODR004"]
    assert {"603019CN", "601698  CN", "00317  HK", "941 HK"} <= set(
        raw_of(consolidated, "ticker_repaired")
    )


def test_the_blocked_persons_of_2021_by_the_canaries_of_their_day(tmp_path):
    paths = []
    for part in ("sdn", "add", "alt", "sdn_comments"):
        packed = SANCTIONS / "ofac_layout" / f"{part}.2021-07.csv.gz"
        path = tmp_path / f"{part}.csv"
        path.write_bytes(gzip.decompress(packed.read_bytes()))
        paths.append(path)

    (snapshot,) = read(*paths, day=date(2021, 7, 7))

    check_snapshot(snapshot)  # Integrity Technology came in 2025
    assert snapshot.counts() == {"SDN": 8976}
    assert snapshot.rows["aliases"].list.len().sum() > 10_000
    assert snapshot.issues.filter(pl.col("rule") == "remarks_cut").is_empty()
    assert "SYRIA" in snapshot.rows.filter(pl.col("row_key") == "OFAC:2686")["programmes"].explode()
