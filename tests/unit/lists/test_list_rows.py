"""The dirt that official files really contain, one test a kind."""

from __future__ import annotations

import pytest

from exposure.lists.rows import (
    fill_down_faults,
    is_a_name,
    listing_of_ticker,
    name_key,
    parse_citations,
    parse_footnotes,
    policy_class,
    row_key,
    split_values,
)


@pytest.mark.parametrize(
    ("requirement", "footnotes", "certain"),
    [
        (
            "For all items subject to the EAR. (See §§ 734.9(e)(2) and 744.11 of the EAR)4",
            ["4"],
            True,
        ),
        (
            "For all items subject to the EAR. (See §§ 734.9(e)(2) and 744.11 of the EAR) 4",
            ["4"],
            True,
        ),
        (
            "For All Items Subject to the EAR (See §734.9(e)(2), and §744.11 of the EAR)4.",
            ["4"],
            True,
        ),
        (
            "For all items subject to the EAR. (See §§ 734.9(e)(2) and 744.11 of the EAR)",
            ["4"],
            True,
        ),
        ("For all items subject to the EAR. (See §§ 734.9(e) and 744.11 of the EAR)4", ["4"], True),
        (
            "For All Items Subject to the EAR (See §734.9(e)1, and §744.11 of the EAR)2.",
            ["1", "2"],
            True,
        ),
        (
            "For all items subject to the EAR, see §§ 734.9(e) 1 and 744.11 of the EAR 2",
            ["1", "2"],
            True,
        ),
        (
            "For all items subject to the EAR (See §§734.4(a)(9), 734.9(e)(3), and 744.11 of the EAR)5",
            ["5"],
            True,
        ),
        ("For all items subject to the EAR. (See §734.4(a)(9) and 744.11 of the EAR)", ["5"], True),
        (
            "For all items subject to the EAR (See §§734.9(g)3, 746.8(a)(3), and 744.2l(b) of the EAR",
            ["3"],
            True,
        ),
        (
            "For all items subject to the EAR (See §§ 734.9(g), 746.8(a)(3), and 744.21(b) of the EAR)",
            ["3"],
            True,
        ),
        ("For all items subject to the EAR. (See part§744.11 of the EAR).", [], True),
        ("Russia does not include the region defined in section 8(d) of E.O. 13685.", [], True),
        ("For all items subject to the EAR. (See §734.9(e) and §744.11 of the EAR)", [], False),
        (None, [], True),
    ],
)
def test_footnotes_are_read_by_section_first_then_by_mark(requirement, footnotes, certain):
    assert parse_footnotes(requirement) == (footnotes, certain)


@pytest.mark.parametrize(
    ("text", "citations", "left"),
    [
        ("84 FR 29373, 87 FR 62202", ["84 FR 29373", "87 FR 62202"], ""),
        (
            "84 FR 43495; 85 FR 36720;  85 FR 51603",
            ["84 FR 43495", "85 FR 36720", "85 FR 51603"],
            "",
        ),
        ("84  FR  21233", ["84 FR 21233"], ""),
        ("80FR 69852", ["80 FR 69852"], ""),
        ("67 F.R. 56530 9/4/02 67 F.R. 10890 3/11/02", ["67 FR 56530", "67 FR 10890"], ""),
        ("63 FR 64322 (11/19/98), 65 FR 14444 (03/17/00)", ["63 FR 64322", "65 FR 14444"], ""),
        ("77 FR 61249 No. 195", ["77 FR 61249"], ""),
        ("76 FR no. 242 pg. 78146, 77 FR 58006 (no. 182)", ["76 FR 78146", "77 FR 58006"], ""),
        ("85 FR 34501; 88 FR", ["85 FR 34501"], "88 FR"),
        ("76 FR No. 197 (10/12/2011)", [], "76 FR"),
        ("76 FR 71869, 11/21/11.", ["76 FR 71869"], ""),
        ("83 FR 44824;", ["83 FR 44824"], ""),
        ("", [], ""),
        (None, [], ""),
    ],
)
def test_all_citations_are_read_and_the_rest_is_reported(text, citations, left):
    assert parse_citations(text) == (citations, left)


def test_a_page_in_neighbouring_volumes_is_a_fill_down():
    rows = [["83 FR 37423", "87 FR 77505"], ["83 FR 37423"], ["84 FR 37423"], ["85 FR 37423"]]

    assert fill_down_faults(rows) == {"84 FR 37423", "85 FR 37423"}


def test_the_same_page_ten_volumes_apart_is_no_fault():
    assert fill_down_faults([["77 FR 58006"], ["87 FR 58006"]]) == set()


def test_the_volume_with_most_rows_is_the_real_one():
    assert fill_down_faults([["67 FR 24266"], ["66 FR 24266"], ["66 FR 24266"]]) == {"67 FR 24266"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Presumption of denial", "denial"),
        ("Presumption of Denial.", "denial"),
        ("Presumption for denial", "denial"),
        ("Policy of denial. See §§ 746.8(b) and 744.21(e).", "policy_of_denial"),
        ("Case-by-case basis", "case_by_case"),
        (
            "Case-by-case for all items listed on the CCL. Presumption of approval for EAR99 items",
            "case_by_case",
        ),
        ("casa-by-case review; and presumption of denial for all other items", "mixed"),
        ("See §744.3(d) of this part", "other"),
        (None, None),
    ],
)
def test_licence_policies_fall_into_classes(text, expected):
    assert policy_class(text) == expected


def test_names_are_compared_without_the_noise_of_printing():
    printed = "Cambricon (Xi’an) Integrated\u00a0Circuit Co., Ltd.,"

    assert name_key(printed) == name_key("Cambricon (Xi'an)  Integrated Circuit Co., Ltd.")
    assert name_key("浪潮集团有限公司") == "浪潮集团有限公司"


def test_the_key_of_a_row_is_its_name_and_first_citation():
    assert row_key("EL", "Sugon", ["84 FR 29373", "87 FR 62202"]) == "EL:sugon:84 FR 29373"
    assert row_key("MEU", "AECC Aero", []) == "MEU:aecc aero:"


def test_address_01_is_no_name():
    assert not is_a_name("Address 01")
    assert not is_a_name(" , ")
    assert is_a_name("Address Systems Ltd.")


def test_values_of_a_cell_are_split_once():
    assert split_values("HSRI; Hebei Semiconductor; and HSRI; ") == ["HSRI", "Hebei Semiconductor"]
    assert split_values(None) == []


@pytest.mark.parametrize(
    ("text", "listing", "proper"),
    [
        ("002415 CN", "002415.SZ", True),
        ("603019CN", "603019.SH", False),
        ("601698  CN", "601698.SH", False),
        ("688256 CN", "688256.SH", True),
        ("430047 CN", "430047.BJ", True),
        ("01800 HK", "1800.HK", True),
        ("00317  HK", "0317.HK", False),
        ("941 HK", "0941.HK", False),
        ("CHL US", "CHL.US", True),
        ("CYY DE", None, True),
        ("12345 CN", None, True),
        ("ABC CN", None, True),
    ],
)
def test_tickers_become_listings(text, listing, proper):
    assert listing_of_ticker(text) == (listing, proper)
