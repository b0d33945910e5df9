"""One door for every official layout: what a file is, its content says; what is no list is refused in one line."""

from __future__ import annotations

import gzip
import io
import json
import time
import zipfile
from datetime import date

import pytest

from exposure.errors import ListError
from exposure.lists.sources.csl import HEADERS
from exposure.lists.sources.reading import read_list_files
from tests.official_lists import csv_edition, synthetic_records

DAY, READ_ON = date(2026, 7, 31), date(2026, 8, 1)
N = "-0- "
XML = (
    '<?xml version="1.0"?><!-- OFAC --><sdnList xmlns="https://example.org/XML"><publshInformation>'
    "<Publish_Date>07/31/2026</Publish_Date><Record_Count>1</Record_Count></publshInformation>"
    "<sdnEntry><uid>{uid}</uid><lastName>{name}</lastName><sdnType>Entity</sdnType>"
    "<programList><program>{programme}</program></programList></sdnEntry></sdnList>"
)
PAGE = """<?xml version="1.0"?><DIV5 N="744" TYPE="PART">
<DIV9 N="Supplement No. 4 to Part 744"><TABLE><TR><TD>CHINA</TD><TD>Sugon</TD><TD>See 744.11 of the EAR</TD>
<TD>Presumption of denial</TD><TD>84 FR 29373</TD></TR></TABLE></DIV9>
<DIV9 N="Supplement No. 6 to Part 744"><TABLE><TR><TD>CHINA</TD><TD>Wuxi Works</TD><TD>87 FR 1</TD></TR>
<TR><TD/><TD>Wuxi Other</TD><TD>87 FR 61971, 10/13/22.</TD></TR></TABLE></DIV9>
<DIV9 N="Supplement No. 7 to Part 744"><TABLE><TR><TD>CHINA</TD><TD>AECC Aero</TD><TD>85 FR 83799</TD></TR></TABLE>
</DIV9></DIV5>"""


def csl_csv():
    cells = dict.fromkeys(HEADERS[0], "") | {
        "source": "Entity List (EL) - Bureau of Industry and Security",
        "name": "Sugon",
        "federal_register_notice": "84 FR 29373",
    }
    quoted = ",".join(f'"{cells[name]}"' for name in HEADERS[0])
    return f"{','.join(HEADERS[0])}\n{quoted}\n"


def ofac(*rows):
    return ("".join(",".join(row) + "\r\n" for row in rows) + "\x1a").encode("latin-1")


def main_row(number, name, programme="SDGT", remarks=N):
    return (str(number), f'"{name}"', N, f'"{programme}"', *[N] * 7, remarks)


def put(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(*paths, **more):
    return read_list_files(list(paths), **({"read_on": READ_ON, "edition_date": DAY} | more))


def test_layouts_are_told_by_content_whatever_the_name(tmp_path):
    files = [
        put(tmp_path, "a.xml", csl_csv()),
        put(tmp_path, "b.csv", json.dumps({"results": [{"source": "Unverified List (UVL) - B", "name": "X"}]})),
        put(tmp_path, "c.json", XML.format(uid=9, name="A", programme="SDGT")),
        put(tmp_path, "d.txt", PAGE),
        put(tmp_path, "e.dat", ofac(main_row(36, "AERO"))),
    ]  # fmt: skip

    found = read(*files)

    assert [snapshot.layout for snapshot in found] == [
        "csl", "csl", "sdn", "ecfr-4", "ecfr-6", "ecfr-7", "sdn",
    ]  # fmt: skip
    assert [snapshot.counts() for snapshot in found] == [
        {"EL": 1}, {"UVL": 1}, {"SDN": 1}, {"EL": 1}, {"UVL": 2}, {"MEU": 1}, {"SDN": 1},
    ]  # fmt: skip


def test_parts_find_their_main_file_in_any_order(tmp_path):
    sdn = put(tmp_path, "1", ofac(main_row(36, "AERO"), main_row(173, "ANGLO")))
    cons = put(
        tmp_path, "2", ofac(main_row(30882, "TELECOM", "CMIC-EO13959", '"ISIN CNE100000PM8; Equ"'))
    )
    alt = put(tmp_path, "3", ofac(("36", "12", '"aka"', '"AERO-CARIBBEAN"', N)))
    cons_alt = put(tmp_path, "4", ofac(("30882", "7", '"aka"', '"CHINA TELECOM"', N)))
    add = put(tmp_path, "5", ofac(("173", "9", N, '"London"', '"United Kingdom"', N)))
    more = put(tmp_path, "6", ofac(("30882", '"ity Ticker 601728 CN."')))  # fmt: skip

    second, first = read(cons_alt, more, cons, alt, add, sdn)

    assert (first.layout, second.layout) == ("sdn", "cons")
    assert first.rows["aliases"].to_list() == [["AERO-CARIBBEAN"], []]
    assert first.rows["countries"].to_list() == [[], ["United Kingdom"]]
    assert second.rows["aliases"].to_list() == [["CHINA TELECOM"]]
    assert second.rows["listing_ids"].to_list() == [["601728.SH"]]
    assert second.issues["rule"].to_list() == ["part_not_given"]  # its ADD file


def test_the_hash_of_an_edition_covers_its_parts(tmp_path):
    sdn = put(tmp_path, "sdn.csv", ofac(main_row(36, "AERO")))
    (before,) = read(sdn, put(tmp_path, "alt.csv", ofac(("36", "12", '"aka"', '"A"', N))))
    (after,) = read(sdn, put(tmp_path, "alt.csv", ofac(("36", "12", '"aka"', '"B"', N))))

    assert before.sha256 != after.sha256


def test_what_a_part_would_have_told_is_said(tmp_path):
    long = put(tmp_path, "sdn.csv", ofac(main_row(36, "AERO", remarks=f'"{"x" * 1000}"')))
    stray = put(
        tmp_path, "alt.csv", ofac(("36", "1", '"aka"', '"A"', N), ("99", "2", '"aka"', '"B"', N))
    )

    (snapshot,) = read(long, stray)

    assert snapshot.issues.select("rule", "raw").rows() == [
        ("part_not_given", None),  # ADD
        ("part_without_row", "99"),
        ("remarks_cut", None),
    ]  # fmt: skip


def test_a_day_is_asked_for_where_the_file_states_none(tmp_path):
    dated = put(tmp_path, "sdn.xml", XML.format(uid=9, name="A", programme="SDGT"))
    stamped = put(
        tmp_path, "c.json",
        json.dumps({"search_performed_at": "2026-07-30T13:15:00Z",
                    "results": [{"source": "Unverified List (UVL) - B", "name": "X"}]}),
    )  # fmt: skip

    assert [s.edition_date for s in read(dated, stamped, edition_date=None)] == [
        date(2026, 7, 31),
        date(2026, 7, 30),
    ]
    with pytest.raises(ListError, match="does not say which day it is of") as caught:
        read(put(tmp_path, "c.csv", csl_csv()), edition_date=None)
    assert "--edition YYYY-MM-DD" in caught.value.cure


@pytest.mark.parametrize("name", ["sdn.xml", "c.json"])
def test_a_day_that_the_file_contradicts_is_refused(tmp_path, name):
    dated = {
        "sdn.xml": XML.format(uid=9, name="A", programme="SDGT"),
        "c.json": json.dumps({"search_performed_at": "2026-07-31", "results": []}),
    }[name]

    with pytest.raises(ListError, match="is not the edition of 2026-07-29"):
        read(put(tmp_path, name, dated), edition_date=date(2026, 7, 29))


def test_an_edition_from_after_its_reading_is_refused(tmp_path):
    with pytest.raises(ListError, match="was read on 2026-08-01, before that day"):
        read(put(tmp_path, "c.csv", csl_csv()), edition_date=date(2026, 8, 2))


def test_the_consolidated_xml_has_the_lists_of_the_consolidated_files(tmp_path):
    (snapshot,) = read(
        put(tmp_path, "c.xml", XML.format(uid=9, name="A", programme="CMIC-EO13959"))
    )

    assert (snapshot.layout, snapshot.counts()) == ("cons", {"NS-CMIC": 1})


def zipped():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("sdn.csv", "36")
    return buffer.getvalue()


REFUSED = {
    "empty": (b"", "is empty"),
    "zip": (zipped(), "is a zip archive or workbook"),
    "gzip": (gzip.compress(csl_csv().encode()), "is a gzip archive"),
    "pdf": (b"%PDF-1.7\n%", "is a PDF"),
    "parquet": (b"PAR1\x15\x04", "is a parquet file"),
    "web page": (b"<!DOCTYPE html><html><body>Sorry</body></html>", "is a web page"),
    "error page": (b"<html><head><title>503</title></head></html>", "is a web page"),
    "other xml": (b"<?xml version='1.0'?><rss/>", "is XML that begins with <rss>"),
    "no xml": (b"<<<<", "is XML that begins with <>"),
    "null bytes": (b"36,\x00\x00", "is no text"),
    "utf-16": ("source,name\n".encode("utf-16"), "is no text"),
    "portfolio": ("证券代码,名称\n000977,浪潮信息\n".encode(), "begins with 2 cells of no official list"),
    "prose": (b"Dear all\nthe list is attached\n", "begins with 1 cells of no official list"),
    "binary": (bytes(range(1, 256)) * 40, "of no official list"),
    "changed header": (b"_id,source,name,alt_names,risk\n1,2,3,4,5\n", "does not know risk; lacks addresses"),
    "a million columns": (b"source," + b"x," * 1_000_000, "has an unknown header"),
    "one long line": (b"source," + b"x" * 3_000_000, "is no proper CSV"),
    "open quote": (",".join(HEADERS[0]).encode() + b'\n"' + b"x" * 200_000, "is no proper CSV"),
    "cut": (",".join(HEADERS[0]).encode() + b'\n"a","b', "is no proper CSV"),
    "entity bomb": (b'<!DOCTYPE sdnList [<!ENTITY a "b">]><sdnList>&a;</sdnList>', "is no proper XML"),
    "external entity": (
        b'<!DOCTYPE sdnList [<!ENTITY a SYSTEM "file:///etc/passwd">]><sdnList>&a;</sdnList>', "is no proper XML"),
    "dtd of another root": (b"<!DOCTYPE x SYSTEM 'x.dtd'><x/>", "has a document type of its own"),
    "unknown encoding": (b"<?xml version='1.0' encoding='klingon'?><sdnList/>", "is no proper XML"),
    "bad utf-8": (b"<sdnList>\xff\xfe</sdnList>", "is no proper XML"),
    "unreal day": (XML.replace("07/31", "31/07").encode(), "is not MM/DD/YYYY"),
    "no number": (XML.format(uid=" ", name="A", programme="B").encode(), "uid"),
    "no entries": (XML.split("<sdnEntry>", maxsplit=1)[0].encode() + b"</sdnList>", "has no rows"),
    "ecfr without lists": (b"<DIV5><DIV9 N='Supplement No. 2 to Part 744'/></DIV5>", "lacks Supplements No. 4, 6"),
    "deep json": (b"[" * 500_000, "is no proper JSON"),
    "deep json in a record": (b'{"results":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "is no proper JSON"),
    "long number": (b'{"results":' + b"9" * 5000 + b"}", "is no proper JSON"),
    "json of another kind": (b'{"entries": []}', "has no list of results"),
    "results no list": (b'{"results": "many"}', "has no list of results"),
    "results of texts": (b'{"results": ["a"]}', "is no record of names and values"),
    "half a surrogate": (
        b'{"results": [{"source": "Unverified List (UVL) - B", "name": "\\ud800"}]}', "can't be written"),
    "too many brackets": (b'{"results": [' + b"[]," * 5_000_000, "more brackets, tags or commas than any list"),
    "too many commas": (csl_csv().encode() + b"," * 9_000_000, "more brackets, tags or commas than any list"),
    "too many tags": (b"<sdnList>" + b"<a>" * 5_000_000, "more brackets, tags or commas than any list"),
    "too many rows": (ofac(main_row(36, "A"))[:-1] * 100_001, "has more than 100,000 rows"),
    "too many records": (b'{"results": [' + b"{}," * 100_001 + b"{}]}", "has more than 100,000 rows"),
    "too many entries": (XML.split("<sdnEntry>", maxsplit=1)[0].encode() + b"<sdnEntry/>" * 100_001 + b"</sdnList>",
                         "has more than 100,000 rows"),
    "deep xml": (b"<sdnList>" + b"<a>" * 1_000_000 + b"</a>" * 1_000_000 + b"</sdnList>", "is nested too deeply"),
    "deep cell": (
        b'<DIV5><DIV9 N="Supplement No. 4 to Part 744"><TR><TD>' + b"<I>" * 50_000 + b"</I>" * 50_000
        + b"</TD><TD/><TD/><TD/><TD/></TR></DIV9></DIV5>", "is nested too deeply"),
    "short row": (ofac(main_row(36, "A"), ("37", '"B"')), "row 2: has 2 fields, not 12"),
    "row without number": (ofac(main_row(36, "A"), main_row("x", "B")), "row 2: has no number in its first field"),
    "part alone": (ofac(("36", "12", '"aka"', '"A"', N)), "has no main file"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_list_is_refused_in_short_time(tmp_path, kind):
    content, says = REFUSED[kind]
    path = put(tmp_path, "list.bin", content)
    started = time.perf_counter()

    with pytest.raises(ListError) as caught:
        read(path)

    assert says in caught.value.render()
    assert caught.value.exit_code == 3
    assert str(tmp_path) not in caught.value.render()
    assert all(len(line) < 400 for line in caught.value.render().splitlines())
    assert time.perf_counter() - started < 2


def test_a_file_larger_than_any_list_is_refused_unread(tmp_path):
    path = tmp_path / "list.csv"
    with path.open("wb") as file:
        file.truncate(2**40)  # sparse: a terabyte of nothing

    with pytest.raises(ListError, match="can't be read as a list"):
        read(path)


def test_parts_named_twice_are_refused(tmp_path):
    sdn = put(tmp_path, "sdn.csv", ofac(main_row(36, "A")))
    one, two = (put(tmp_path, name, ofac(("36", "1", '"aka"', '"B"', N))) for name in ("1", "2"))

    with pytest.raises(ListError, match="has two files of aliases"):
        read(sdn, one, two)


def test_a_whole_screening_list_is_read_in_less_than_two_seconds_of_cpu(tmp_path):
    path = put(tmp_path, "consolidated.csv", csv_edition(synthetic_records(26_000)))
    seconds = []
    for _ in range(2):  # the first reading warms the libraries up
        started = time.process_time()
        (snapshot,) = read(path)
        seconds.append(time.process_time() - started)

    assert snapshot.rows.height == 26_000
    assert min(seconds) < 2


def test_a_time_of_the_next_day_in_utc_is_today(tmp_path):
    text = json.dumps(
        {"search_performed_at": "2026-08-02T00:10:00Z",
         "results": [{"source": "Unverified List (UVL) - B", "name": "X"}]}
    )  # fmt: skip
    path = put(tmp_path, "c.json", text)

    def day(read_on: date, **more):
        (one,) = read_list_files(path, read_on=read_on, **more)
        return one.edition_date

    assert day(date(2026, 8, 1)) == date(2026, 8, 1)
    assert day(date(2026, 8, 2)) == date(2026, 8, 2)
    assert day(date(2026, 8, 5), edition_date=date(2026, 8, 1)) == date(2026, 8, 1)
    with pytest.raises(ListError, match="can't be the edition of 2026-08-02"):
        day(date(2026, 7, 31))
    with pytest.raises(ListError, match="is not the edition of 2026-07-31"):
        day(date(2026, 8, 5), edition_date=date(2026, 7, 31))
