"""The eCFR page of a day, by a small page written here in its layout."""

from __future__ import annotations

from datetime import date

import pytest

from exposure.errors import ListError
from exposure.lists.sources.ecfr import read_ecfr

DAYS = {"edition_date": date(2023, 3, 31), "read_on": date(2026, 8, 1)}
ROWS = """
<TR><TH>Country</TH><TH>Entity</TH><TH>License requirement</TH><TH>License review policy</TH><TH>FR citation</TH></TR>
<TR><TD>CHINA, PEOPLE'S REPUBLIC OF</TD>
  <TD>Inspur Group Co., Ltd., a.k.a., the following two aliases:<br/>&#8212;Inspur;
  <i>and</i><br/>&#8212;Langchao Group.<br/>No. 1036 Langchao Road, Jinan, China.</TD>
  <TD>For all items subject to the EAR. (See &#167;&#167; 734.9(e)(2) and 744.11 of the EAR)<sup>4</sup></TD>
  <TD>Presumption of denial</TD><TD>88 FR 13675, 3/6/23.</TD></TR>
<TR><TD></TD><TD>Loongson Technology, No. 2 Building, Beijing, China.</TD>
  <TD>For all items subject to the EAR. (See &#167;744.11 of the EAR)</TD>
  <TD>Case-by-case review</TD><TD>88 FR</TD></TR>
<TR><TD></TD><TD>[Reserved]</TD><TD></TD><TD></TD><TD></TD></TR>
<TR><TD>HONG KONG</TD><TD>AAA Ltd., a.k.a., Triple A Co., Ltd., Unit 5, Kowloon, Hong Kong.</TD>
  <TD>See &#167; 734.9(e) of the EAR</TD><TD>Policy of denial</TD><TD></TD></TR>
"""
PAGE = (
    '<ECFR><DIV9 N="Supplement No. 4 to Part 744" TYPE="APPENDIX"><TABLE>{}</TABLE></DIV9></ECFR>'
)


def page(tmp_path, rows=ROWS):
    path = tmp_path / "title-15.xml"
    path.write_text(PAGE.format(rows), encoding="utf-8")
    return path


def test_the_table_of_a_day_is_read(tmp_path):
    snapshot = read_ecfr(page(tmp_path), **DAYS)

    inspur, loongson, third = snapshot.rows.to_dicts()
    assert inspur["name"] == "Inspur Group Co., Ltd."
    assert inspur["aliases"] == ["Inspur", "Langchao Group"]
    assert inspur["row_key"] == "EL:inspur group co ltd:88 FR 13675"
    assert (inspur["footnotes"], inspur["policy_class"]) == (["4"], "denial")
    assert loongson["name"] == "Loongson Technology"
    assert loongson["countries"] == ["CN"]  # inherited from the row above
    assert (third["name"], third["aliases"]) == ("AAA Ltd.", ["Triple A Co., Ltd."])
    assert third["countries"] == ["HK"]
    assert snapshot.edition_date == date(2023, 3, 31)


def test_doubts_are_named(tmp_path):
    rules = read_ecfr(page(tmp_path), **DAYS).issues["rule"].to_list()

    assert sorted(rules) == [
        "citation_missing",
        "citation_missing",
        "citation_unresolved",
        "footnote_unresolved",
        "row_without_entity",  # [Reserved]
    ]


def test_another_supplement_is_another_list(tmp_path):
    path = page(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("No. 4", "No. 7"), encoding="utf-8")

    assert set(read_ecfr(path, supplement=7, **DAYS).rows["list_id"]) == {"MEU"}
    with pytest.raises(ListError, match=r"lacks Supplement No\. 4"):
        read_ecfr(path, **DAYS)
    with pytest.raises(ListError, match="holds no list"):
        read_ecfr(path, supplement=5, **DAYS)


def test_a_row_of_another_width_is_refused(tmp_path):
    with pytest.raises(ListError, match="has 2 cells, not 5"):
        read_ecfr(page(tmp_path, "<TR><TD>CHINA</TD><TD>X</TD></TR>"), **DAYS)


@pytest.mark.parametrize("text", ["<ECFR>", '<!DOCTYPE x [<!ENTITY a "b">]><ECFR/>'])
def test_no_proper_xml_is_refused(tmp_path, text):
    path = tmp_path / "title-15.xml"
    path.write_text(text)

    with pytest.raises(ListError, match="is no proper XML"):
        read_ecfr(path, **DAYS)
