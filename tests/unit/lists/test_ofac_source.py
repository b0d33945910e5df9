"""OFAC's delimited files and SDN.XML, by small files written here."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from exposure.errors import ListError
from exposure.lists.snapshot import check_snapshot
from exposure.lists.sources.ofac import read_ofac, read_sdn_xml

DAYS = {"edition_date": date(2025, 12, 19), "read_on": date(2025, 12, 20)}
N = "-0- "
HIKVISION = (
    "Equity Ticker 002415 CN; alt. Equity Ticker 603019CN; alt. Equity Ticker 941 HK; "
    "alt. Equity Ticker CYY DE; Issuer Name Hangzhou Hikvision Digital Technology Co Ltd; "
    "ISIN CNE100000PM8; alt. ISIN CNE100000PM9; Target Type Public Company; "
    "Effective Date (CMIC) 02 Aug 2021; Purchase/Sales For Divestment Date (CMIC) 03 Jun 2022; "
    "Listing Date (CMIC) 03 Jun 2021; Unified Social Credit Code (USCC) 9133000073"
)


def line(*cells):
    quoted = (cell if cell == N or cell.isdigit() else f'"{cell}"' for cell in cells)
    return ",".join(quoted) + "\r\n"


def main_row(number, name, kind=N, programme="SDGT", remarks=N):
    return line(str(number), name, kind, programme, *([N] * 7), remarks)


def write(path, *lines):
    path.write_bytes("".join(lines).encode("latin-1") + b"\x1a")
    return path


def test_rows_of_the_delimited_layout_are_read(tmp_path):
    main = write(
        tmp_path / "sdn.csv",
        main_row(36, "AEROCARIBBEAN AIRLINES", programme="CUBA"),
        main_row(2676, "ZAWAHIRI, Ayman", kind="individual", programme="SDGT] [SYRIA"),
        main_row(306, "BANCO NACIONAL DE CUBA", remarks="a.k.a. 'BNC'."),
    )
    aliases = write(tmp_path / "alt.csv", line("36", "12", "aka", "AERO-CARIBBEAN", N))
    places = write(
        tmp_path / "add.csv",
        line("36", "25", N, "Havana", "Cuba", N),
        line("36", "26", "1 Road", "Beijing 100088", "China", N),
    )

    snapshot = read_ofac(main, addresses=places, aliases=aliases, **DAYS)

    first, second, third = snapshot.rows.to_dicts()
    # the last byte of the file is 0x1A: no fourth row
    assert snapshot.counts() == {"SDN": 3}
    assert (first["row_key"], first["kind"]) == ("OFAC:36", "entity")
    assert first["aliases"] == ["AERO-CARIBBEAN"]
    assert first["countries"] == ["CN", "Cuba"]
    assert second["programmes"] == ["SDGT", "SYRIA"]
    assert second["kind"] == "individual"
    assert (third["aliases"], third["weak_aliases"]) == ([], ["BNC"])  # in quotes: weak


def test_remarks_of_the_military_companies_give_identifiers_and_dates(tmp_path):
    main = write(
        tmp_path / "cons_prim.csv",
        main_row(30915, "HANGZHOU HIKVISION", programme="CMIC-EO13959", remarks=HIKVISION),
        main_row(9639, "HANIYA, Ismail", kind="individual", programme="NS-PLC"),
    )

    snapshot = read_ofac(main, **DAYS)

    row = snapshot.rows.to_dicts()[0]
    assert snapshot.counts() == {"CONS": 1, "NS-CMIC": 1}
    assert row["listing_ids"] == ["002415.SZ", "603019.SH", "0941.HK"]
    assert row["isins"] == ["CNE100000PM8"]
    assert row["identifiers"] == ["9133000073"]
    assert row["aliases"] == ["Hangzhou Hikvision Digital Technology Co Ltd"]
    assert (row["start"], row["effective"], row["divest_by"]) == (
        date(2021, 6, 3),
        date(2021, 8, 2),
        date(2022, 6, 3),
    )
    issues = snapshot.issues.select("severity", "rule", "raw").rows()
    assert ("info", "ticker_repaired", "603019CN") in issues
    assert ("info", "ticker_repaired", "941 HK") in issues
    assert ("warning", "isin_check_digit", "CNE100000PM9") in issues


def test_remarks_that_go_on_in_the_comments_file_are_joined_first(tmp_path):
    main = write(
        tmp_path / "cons_prim.csv",
        main_row(30930, "CCCC", programme="CMIC-EO13959", remarks="ISIN CNE100000PM8; Equity Ti"),
    )
    comments = write(
        tmp_path / "cons_comments.csv", line("30930", "cker 601800 CN; a.k.a. 'CCCC'.")
    )

    (row,) = read_ofac(main, comments=comments, **DAYS).rows.to_dicts()

    assert row["listing_ids"] == ["601800.SH"]
    assert row["weak_aliases"] == ["CCCC"]


def test_another_layout_is_refused_with_its_row(tmp_path):
    main = write(tmp_path / "sdn.csv", main_row(36, "A"), line("37", "B", N))

    with pytest.raises(ListError) as caught:
        read_ofac(main, **DAYS)

    assert "sdn.csv row 2: has 3 fields, not 12" in caught.value.render()


XML = """<?xml version="1.0" standalone="yes"?>
<sdnList xmlns="https://example.org/XML">
  <publshInformation><Publish_Date>07/31/2026</Publish_Date><Record_Count>{count}</Record_Count></publshInformation>
  <sdnEntry>
    <uid>50543</uid><lastName>INTEGRITY TECHNOLOGY GROUP, INCORPORATED</lastName><sdnType>Entity</sdnType>
    <programList><program>CYBER2</program></programList>
    <idList><id><uid>1</uid><idType>USCC</idType><idNumber>91110108</idNumber></id></idList>
    <akaList>
      <aka><uid>2</uid><type>a.k.a.</type><category>strong</category><lastName>YONGXIN ZHICHENG</lastName></aka>
      <aka><uid>3</uid><type>a.k.a.</type><category>weak</category><lastName>KRPTIC</lastName></aka>
    </akaList>
    <addressList><address><uid>4</uid><country>China</country></address></addressList>
  </sdnEntry>
  <sdnEntry><uid>9</uid><firstName>Ayman</firstName><lastName>ZAWAHIRI</lastName><sdnType>Individual</sdnType>
    <programList><program>SDGT</program></programList></sdnEntry>
</sdnList>
"""


def test_the_xml_gives_day_count_and_both_kinds_of_aliases(tmp_path):
    path = tmp_path / "sdn.xml"
    path.write_text(XML.format(count=2))

    snapshot = read_sdn_xml(path, read_on=date(2026, 8, 1))

    first, second = snapshot.rows.to_dicts()
    assert snapshot.edition_date == date(2026, 7, 31)
    assert snapshot.stated_rows == 2
    assert (first["row_key"], first["kind"], first["countries"]) == ("OFAC:50543", "entity", ["CN"])
    assert (first["aliases"], first["weak_aliases"]) == (["YONGXIN ZHICHENG"], ["KRPTIC"])
    assert first["identifiers"] == ["91110108"]
    assert second["name"] == "Ayman ZAWAHIRI"
    check_snapshot(snapshot)


def test_a_record_count_that_is_not_met_is_refused(tmp_path):
    path = tmp_path / "sdn.xml"
    path.write_text(XML.format(count=19181))

    with pytest.raises(ListError, match="states 19181 records and has 2"):
        check_snapshot(read_sdn_xml(path, read_on=date(2026, 8, 1)))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<sdnList>", "is no proper XML"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><sdnList/>', "is no proper XML"),
        ("<other/>", "is not SDN.XML"),
        ("<sdnList/>", "states no day of publication"),
    ],
)
def test_other_xml_is_refused(tmp_path, text, says):
    path = tmp_path / "sdn.xml"
    path.write_text(text)

    with pytest.raises(ListError, match=says):
        read_sdn_xml(path, read_on=date(2026, 8, 1))


def test_the_day_and_hash_of_a_file_are_kept(tmp_path):
    main = write(tmp_path / "sdn.csv", main_row(36, "A"))

    snapshot = read_ofac(main, address="treasury.gov", **DAYS)

    assert snapshot.size == main.stat().st_size
    assert len(snapshot.sha256) == 64
    assert snapshot.address == "treasury.gov"
    assert snapshot.line("SDN").startswith("SDN edition 2025-12-19, 1 rows, SHA-256 ")
    assert isinstance(snapshot.rows, pl.DataFrame)


def test_a_file_cut_inside_a_cell_is_refused_and_one_cut_between_rows_is_told(tmp_path):
    whole = write(tmp_path / "sdn.csv", main_row(36, "A"), main_row(37, "B")).read_bytes()
    inside, between = tmp_path / "inside.csv", tmp_path / "between.csv"
    inside.write_bytes(whole[: whole.index(b"SDGT", whole.index(b"37")) + 2])
    between.write_bytes(whole[: whole.index(b"37")])

    with pytest.raises(ListError, match=r"is no proper CSV|not of the OFAC layout"):
        read_ofac(inside, **DAYS)
    told = read_ofac(between, **DAYS).issues.filter(pl.col("rule") == "end_mark_missing")
    assert told.select("severity", "file").rows() == [("warning", "between.csv")]
    assert "may be cut" in told["message"][0]
    sound = read_ofac(tmp_path / "sdn.csv", **DAYS).issues
    assert "end_mark_missing" not in sound["rule"].to_list()


def test_a_quote_that_never_closes_is_refused_with_its_row(tmp_path):
    main = write(
        tmp_path / "sdn.csv", main_row(36, "A"), main_row(37, "B").replace('"SDGT"', '"SDGT')
    )

    with pytest.raises(ListError) as caught:
        read_ofac(main, **DAYS)
    assert "sdn.csv row" in caught.value.render()
