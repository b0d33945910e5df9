"""The Consolidated Screening List in its official layouts, by small files written here."""

from __future__ import annotations

import csv
import json
from datetime import date

import polars as pl
import pytest

from exposure.errors import ListError
from exposure.lists.sources.csl import HEADERS, read_csl

DAYS = {"edition_date": date(2026, 7, 31), "read_on": date(2026, 8, 1)}
ENTITY_LIST = "Entity List (EL) - Bureau of Industry and Security"
CMIC = "Non-SDN Chinese Military-Industrial Complex Companies List (CMIC) - Treasury Department"
SUGON = {
    "source": ENTITY_LIST,
    "name": "Sugon",
    "addresses": "No. 36 Zhongguancun, Beijing, CN; Unit 5, Kowloon, HK",
    "federal_register_notice": "84 FR 29373, 87 FR 62202",
    "start_date": "2019-06-24",
    "license_requirement": "For all items subject to the EAR. (See §§ 734.9(e)(2) and 744.11 of the EAR)4",
    "license_policy": "Presumption of denial",
    "alt_names": "Dawning; and Sugon Information Industry",
}


def write(path, rows, header=HEADERS[0]):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, header, quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows([{name: row.get(name, "") for name in header} for row in rows])
    return path


def test_a_row_of_the_entity_list_is_read_whole(tmp_path):
    snapshot = read_csl(write(tmp_path / "consolidated.csv", [SUGON]), **DAYS)

    (row,) = snapshot.rows.to_dicts()
    assert row["list_id"] == "EL"
    assert row["row_key"] == "EL:sugon:84 FR 29373"
    assert row["aliases"] == ["Dawning", "Sugon Information Industry"]
    assert row["countries"] == ["CN", "HK"]
    assert row["footnotes"] == ["4"]
    assert row["policy_class"] == "denial"
    assert row["start"] == date(2019, 6, 24)
    assert row["source_row"] == 2
    assert snapshot.issues.is_empty()


def test_the_layout_of_2019_has_no_id(tmp_path):
    snapshot = read_csl(write(tmp_path / "csl.csv", [SUGON], HEADERS[1]), **DAYS)

    assert snapshot.counts() == {"EL": 1}


def test_ofac_rows_are_keyed_by_their_number(tmp_path):
    cmic = {
        "_id": "hash-of-today",
        "source": CMIC,
        "entity_number": "30882",
        "type": "Entity",
        "name": "China Telecom Corporation Limited",
        "programs": "CMIC-EO13959",
    }

    (row,) = read_csl(write(tmp_path / "c.csv", [cmic]), **DAYS).rows.to_dicts()

    assert (row["list_id"], row["row_key"], row["kind"]) == ("NS-CMIC", "OFAC:30882", "entity")
    assert row["programmes"] == ["CMIC-EO13959"]


def test_the_json_edition_gives_the_same_rows(tmp_path):
    as_json = {
        **SUGON,
        "addresses": [
            {"address": "No. 36 Zhongguancun", "city": "Beijing", "country": "CN"},
            {"address": "Unit 5", "city": "Kowloon", "country": "HK"},
            {"address": None, "country": None},
        ],
        "alt_names": ["Dawning", "Sugon Information Industry"],
        "programs": [],
    }
    path = tmp_path / "consolidated.json"
    path.write_text(json.dumps({"search_performed_at": "now", "results": [as_json]}))

    from_json = read_csl(path, **DAYS).rows.drop("source_row")

    from_csv = read_csl(write(tmp_path / "c.csv", [SUGON]), **DAYS).rows.drop("source_row")
    assert from_json.equals(from_csv)


def test_two_citations_of_one_name_stay_two_rows(tmp_path):
    second = SUGON | {"federal_register_notice": "87 FR 77505"}

    rows = read_csl(write(tmp_path / "c.csv", [SUGON, second]), **DAYS).rows

    assert rows["row_key"].to_list() == ["EL:sugon:84 FR 29373", "EL:sugon:87 FR 77505"]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"federal_register_notice": "85 FR 83420; 88 FR"}, "citation_unresolved"),
        ({"federal_register_notice": ""}, "citation_missing"),
        ({"license_requirement": "See §734.9(e) and §744.11 of the EAR"}, "footnote_unresolved"),
        ({"name": "Address 01"}, "name_is_none"),
    ],
)
def test_what_is_not_understood_becomes_an_issue_with_its_row(tmp_path, change, rule):
    snapshot = read_csl(write(tmp_path / "c.csv", [SUGON, SUGON | change]), **DAYS)

    issue = snapshot.issues.filter(pl.col("rule") == rule).to_dicts()
    assert [row["row"] for row in issue] == [3]


def test_a_fill_down_citation_is_an_issue_and_gives_no_date(tmp_path):
    wrong = {"name": "Unit B", "federal_register_notice": "85 FR 29373", "start_date": ""}

    snapshot = read_csl(write(tmp_path / "c.csv", [SUGON, SUGON | wrong]), **DAYS)

    (issue,) = snapshot.issues.to_dicts()
    assert (issue["rule"], issue["raw"]) == ("citation_of_no_known_rule", "85 FR 29373")
    assert snapshot.rows["start"].to_list() == [date(2019, 6, 24), None]


def test_the_same_name_and_citation_twice_is_said(tmp_path):
    snapshot = read_csl(write(tmp_path / "c.csv", [SUGON, SUGON]), **DAYS)

    assert snapshot.issues["rule"].to_list() == ["row_key_repeated", "row_key_repeated"]


def test_a_date_that_is_none_stays_empty(tmp_path):
    rows = read_csl(write(tmp_path / "c.csv", [SUGON | {"start_date": "soon"}]), **DAYS).rows

    assert rows["start"].to_list() == [None]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("c.csv", b"", "is empty"),
        ("c.csv", b"a,b\n1,2\n", "does not know a, b; lacks addresses"),
        ("c.csv", ",".join(reversed(HEADERS[1])).encode() + b"\n", "in another order"),
        ("c.csv", ",".join(HEADERS[0]).encode() + b"\n", "has no rows"),
        ("c.csv", ",".join(HEADERS[0]).encode() + b"\nx,y\n", "row 2"),
        ("c.csv", ",".join(HEADERS[0]).encode() + b'\n"x"y,z\n', "no proper CSV"),
        ("c.csv", b"\xff\xfe\x00", "is not UTF-8"),
        ("c.json", b"{}", "is not the screening list"),
        ("c.json", b"[1", "is no proper JSON"),
    ],
)
def test_files_of_another_kind_are_refused(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)

    with pytest.raises(ListError) as caught:
        read_csl(tmp_path / name, **DAYS)

    assert says in caught.value.render()


def test_a_row_without_a_list_code_is_refused(tmp_path):
    path = write(tmp_path / "c.csv", [SUGON | {"source": "Some list"}])

    with pytest.raises(ListError, match="without a list code"):
        read_csl(path, **DAYS)


@pytest.mark.parametrize(("make", "says"), [(False, "does not exist"), (True, "is not a file")])
def test_a_path_without_a_file_is_refused(tmp_path, make, says):
    path = tmp_path / "c.csv"
    if make:
        path.mkdir()

    with pytest.raises(ListError) as caught:
        read_csl(path, **DAYS)

    assert says in caught.value.render()


@pytest.mark.parametrize(
    ("lost", "more"),
    [
        ("name", {"full_name": "Sugon"}),
        ("source", {"list": ENTITY_LIST}),
        ("federal_register_notice", {"citation": "84 FR 29373"}),
        ("license_requirement", {}),
        ("alt_names", {"aliases": ["Dawning"]}),
        ("ids", {"identifiers": []}),
        ("start_date", {"effective_date": "2019-06-24"}),
    ],
)
def test_a_json_edition_that_lost_or_renamed_a_field_is_refused(tmp_path, lost, more):
    record = dict.fromkeys(HEADERS[1]) | SUGON | more
    path = tmp_path / "consolidated.json"
    path.write_text(json.dumps({"results": [record]}))
    if more:
        read_csl(path, **DAYS)  # a new field beside the known ones is told only
    del record[lost]
    path.write_text(json.dumps({"results": [record]}))

    with pytest.raises(ListError) as caught:
        read_csl(path, **DAYS)

    assert f"lacks {lost}" in caught.value.render()
    assert "the layout of the list changed" in caught.value.cure
