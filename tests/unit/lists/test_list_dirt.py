"""The dirt that official files really have, by real rows of them (public domain), each kind with what must come out.

The whole lists are asked in ``test_official_samples.py`` where they are at hand.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from exposure.lists.rows import parse_footnotes
from exposure.lists.sources.reading import read_list_files
from tests.official_lists import csv_edition, json_edition

SPELLINGS = pl.read_csv(Path(__file__).parent / "licence_requirements.csv", infer_schema=False)
ENTITY_LIST = "Entity List (EL) - Bureau of Industry and Security"


@pytest.fixture(params=["csv", "json"])
def read(request, tmp_path):
    """Read records written as either edition."""

    def call(*records):
        rows = [{"source": ENTITY_LIST, "name": "Sugon"} | record for record in records]
        edition = csv_edition if request.param == "csv" else json_edition
        path = tmp_path / "list"
        path.write_bytes(edition(rows))
        day = date(2026, 7, 31)
        (snapshot,) = read_list_files(path, read_on=day, edition_date=day)
        return snapshot

    return call


def rules(snapshot):
    return snapshot.issues.filter(pl.col("rule") != "citation_missing").select("rule", "raw").rows()


@pytest.mark.parametrize(
    "spelling", SPELLINGS.rows(named=True), ids=lambda row: row["requirement"][-40:]
)
def test_each_of_53_spellings_of_the_requirement_is_read(spelling):
    marks, certain = parse_footnotes(spelling["requirement"])

    assert ";".join(marks) == (spelling["footnotes"] or "")
    assert certain == (spelling["certain"] == "yes")


def test_the_spellings_are_those_of_china_and_hong_kong():
    assert SPELLINGS.height == 53
    assert SPELLINGS["rows"].cast(pl.Int64).sum() == 1_191


def test_a_bare_section_without_a_mark_is_unresolved(read):
    text = "For all items subject to the EAR. (See §734.9(e) and §744.11 of the EAR)"

    snapshot = read({"license_requirement": text})

    assert rules(snapshot) == [("footnote_unresolved", text)]
    assert snapshot.rows["footnotes"].to_list() == [[]]


def test_an_order_number_is_no_footnote(read):
    text = "the Crimea region as that term is defined in section 8(d) of E.O. 13685."

    assert read({"license_requirement": text}).rows["footnotes"].to_list() == [[]]


def test_the_fill_down_of_casic(read):
    pages = [
        "83 FR 37423; 87 FR 77505",
        "83 FR  37423",
        *(f"{v} FR  37423" for v in (84, 85, 86, 87)),
    ]
    snapshot = read(
        *({"name": f"204th {n}", "federal_register_notice": page} for n, page in enumerate(pages))
    )

    assert rules(snapshot) == [
        ("citation_of_no_known_rule", f"{volume} FR 37423") for volume in (84, 85, 86, 87)
    ]
    assert snapshot.rows["start"].to_list() == [None] * 6


@pytest.mark.parametrize(
    ("cell", "citations", "left"),
    [
        ("85 FR 83420; 88 FR", ["85 FR 83420"], "88 FR"),
        ("80FR 69852", ["80 FR 69852"], None),
        ("63 FR 64322 (11/19/98), 65 FR 14444 (03/17/00)", ["63 FR 64322", "65 FR 14444"], None),
        ("77 FR 61249 No. 195", ["77 FR 61249"], None),
        ("81 FR 64696 and 84  FR  40241", ["81 FR 64696", "84 FR 40241"], None),
    ],
)
def test_citations_in_every_spelling(read, cell, citations, left):
    snapshot = read({"federal_register_notice": cell})

    assert snapshot.rows["citations"].to_list() == [citations]
    assert rules(snapshot) == ([("citation_unresolved", left)] if left else [])


def test_a_row_that_cites_nothing_is_told(read):
    assert read({}).issues["rule"].to_list() == ["citation_missing"]


@pytest.mark.parametrize(
    ("name", "compared"),
    [
        ("Suzhou Centec Technology Co., Ltd.,", "Suzhou Centec Technology Co., Ltd."),
        ("Sinno\u00a0Electronics  Co., Ltd.", "Sinno Electronics Co., Ltd."),
    ],
)
def test_untidy_names_are_kept_as_printed_and_told(read, name, compared):
    snapshot = read({"name": name})

    assert snapshot.rows["name"].to_list() == [name]
    assert rules(snapshot) == [("name_untidy", name)]
    assert repr(compared) in snapshot.issues.filter(pl.col("rule") == "name_untidy")["message"][0]


def test_a_slip_in_a_name_stays(read):
    snapshot = read({"name": "Some Techology Co., Ltd."})

    assert snapshot.rows["name"].to_list() == ["Some Techology Co., Ltd."]
    assert rules(snapshot) == []


def test_a_cell_that_is_no_name_is_told(read):
    assert rules(read({"name": "Address 01"})) == [("name_is_none", "Address 01")]


def test_values_joined_by_and_are_two(read):
    record = {"alt_names": ["Dawning; and Sugon Information Industry", "Sugon"]}

    assert read(record).rows["aliases"].to_list() == [
        ["Dawning", "Sugon Information Industry", "Sugon"]
    ]


def test_countries_are_a_set_whatever_the_address_says(read):
    places = [{"address": "1 Road", "country": code} for code in ("HK", "CN", "CN", "PRC")]

    assert read({"addresses": places}).rows["countries"].to_list() == [["CN", "HK"]]


def test_an_address_without_a_country_is_told(read):
    snapshot = read({"addresses": [{"address": "Somewhere at sea", "country": None}]})

    assert rules(snapshot) == [("country_unknown", None)]


@pytest.mark.parametrize("text", ["31 February 2020", "2020-02-31", "20200115x"])
def test_a_day_that_is_none_is_told_and_not_used(read, text):
    snapshot = read({"start_date": text})

    assert rules(snapshot) == [("date_unreadable", text)]
    assert snapshot.rows["start"].to_list() == [None]


def test_identifiers_of_the_military_companies(read):
    ids = [
        {"type": "Equity Ticker", "number": "603019CN", "country": None},
        {"type": "ISIN", "number": "CNE100001TW7", "country": None},
        {"type": "ISIN", "number": "CNE100001TW8", "country": None},
        {"type": "Listing Date (CMIC)", "number": "16 Dec 2021", "country": None},
        {"type": "Effective Date (CMIC)", "number": "31 Feb 2022", "country": None},
        {"type": "Unified Social Credit Code (USCC)", "number": "911100001000000000", "country": "CN"},
    ]  # fmt: skip
    snapshot = read(
        {"source": "Non-SDN Chinese Military-Industrial Complex Companies List (CMIC) - T",
         "entity_number": "33203", "ids": ids}
    )  # fmt: skip

    (row,) = snapshot.rows.to_dicts()
    assert (row["listing_ids"], row["isins"]) == (["603019.SH"], ["CNE100001TW7"])
    assert row["identifiers"] == ["911100001000000000"]
    assert (row["start"], row["effective"]) == (date(2021, 12, 16), None)
    assert [rule for rule, _ in rules(snapshot)] == [
        "ticker_repaired",
        "isin_check_digit",
        "date_unreadable",
    ]


def test_a_field_that_no_layout_has_is_told(tmp_path):
    path = tmp_path / "c.json"
    path.write_bytes(json_edition([{"source": ENTITY_LIST, "name": "X", "risk_score": 9}]))

    (snapshot,) = read_list_files(path, read_on=date(2026, 8, 1))

    told = snapshot.issues.filter(pl.col("rule") == "field_unknown")
    assert "risk_score" in told["message"][0]
