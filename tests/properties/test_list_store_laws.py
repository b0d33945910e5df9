"""Laws of list files and editions, over generated ones.

If one of these broke, a desk would see changes that are none, lose an edition it read, or get a traceback from a file
that somebody made up.
"""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exposure.errors import ListError
from exposure.lists.changes import DIFF, changes
from exposure.lists.rows import ListRows, list_row
from exposure.lists.snapshot import make_snapshot
from exposure.lists.sources.csl import HEADERS
from exposure.lists.sources.reading import read_list_files
from exposure.lists.store import Store
from tests.official_lists import csv_edition, json_edition

pytestmark = pytest.mark.property
DAY = date(2026, 7, 31)
TEXT = st.text(
    alphabet=st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=0, max_size=12
)
WORDS = st.sampled_from(["", "Sugon", "84 FR 29373", "85 FR", "2019-06-24", "2019-02-31", "; and ", ";;", "(EL)",
                         "734.9(e)(2)", "734.9(e)", "EAR)4", "Address 01", "PRC", "-0- ", "ISIN CNE100000PM8",
                         "Equity Ticker 1 CN", "Listing Date (CMIC) 99 Foo 0000", "’“`", "9" * 400])  # fmt: skip
CELL = st.one_of(TEXT, WORDS, st.tuples(WORDS, TEXT, WORDS).map("".join))
NAMES = st.text(alphabet="abAB1 .,'’", min_size=1, max_size=6)
ROWS = st.builds(
    lambda name, aliases, marks, start: list_row(
        list_id="MEU", row_key=f"MEU:{name}", name=name, aliases=aliases, footnotes=marks, start=start, source_row=2
    ),
    NAMES, st.lists(NAMES, max_size=3), st.lists(st.sampled_from("12345"), max_size=2, unique=True),
    st.none() | st.dates(),
)  # fmt: skip
EDITIONS = st.lists(ROWS, min_size=1, max_size=12)


def snapshot(rows, day=DAY):
    content = repr((rows, day)).encode()
    return make_snapshot(
        Path("list.csv"), content, rows, [], edition_date=day, read_on=day, address="", layout="csl"
    )


@given(rows=EDITIONS, data=st.data())
@settings(max_examples=50, deadline=None)
def test_the_order_of_rows_means_nothing(rows, data):
    shuffled = data.draw(st.permutations(rows))

    assert sorted(snapshot(shuffled).rows["row_key"]) == sorted(snapshot(rows).rows["row_key"])
    assert changes(snapshot(shuffled), snapshot(rows)).table().is_empty()


@given(rows=st.lists(st.sampled_from(["Sugon", "Inspur", "Hygon", "Sugon,", "A;B"]), min_size=1, max_size=8),
       data=st.data())  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_records_of_a_file_in_any_order_give_the_same_keys(rows, data):
    records = [
        {
            "source": "Entity List (EL) - B",
            "name": name,
            "federal_register_notice": f"8{at} FR 1000",
        }
        for at, name in enumerate(rows)
    ]

    def keys(given_records):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "c"
            path.write_bytes(csv_edition(given_records))
            (found,) = read_list_files(path, read_on=DAY, edition_date=DAY)
        return sorted(found.rows["row_key"])

    assert keys(data.draw(st.permutations(records))) == keys(records)


@given(before=EDITIONS, after=EDITIONS)
@settings(max_examples=60, deadline=None)
def test_a_diff_turned_round_is_the_mirror(before, after):
    forth = changes(snapshot(after), snapshot(before)).table()
    back = changes(snapshot(before), snapshot(after)).table()

    mirror = {
        "row added": "row removed",
        "row removed": "row added",
        "alias added": "alias removed",
        "alias removed": "alias added",
        "row changed": "row changed",
    }
    turned = back.select(
        pl.col("change").replace_strict(mirror, return_dtype=pl.String),
        "list_id", "row_key", pl.col("after").alias("before"), "column", pl.col("before").alias("after"),
    ).select(name for name in DIFF if name != "name")  # fmt: skip
    straight = forth.drop("name")
    assert straight.sort(straight.columns).equals(turned.sort(straight.columns))


@given(rows=EDITIONS)
@settings(max_examples=40, deadline=None)
def test_nothing_changed_between_an_edition_and_itself(rows):
    assert changes(snapshot(rows), snapshot(rows)).table().is_empty()


@given(rows=EDITIONS)
@settings(max_examples=40, deadline=None)
def test_an_edition_is_read_back_as_it_was_written(rows):
    new = snapshot(rows)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        store.add(new)
        store.add(new)
        back = store.newest("MEU", DAY)

    assert back is not None
    assert back.rows.equals(new.rows)
    assert back.issues.equals(new.issues)


@given(
    days=st.lists(st.dates(date(2020, 1, 1), DAY), min_size=1, max_size=6, unique=True),
    asked=st.dates(date(2019, 1, 1), date(2027, 1, 1)),
)
@settings(max_examples=25, deadline=None)
def test_no_edition_from_after_the_day_is_ever_used(days, asked):
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        for day in days:
            store.add(
                snapshot([list_row(list_id="MEU", row_key="MEU:a", name="A", source_row=2)], day)
            )
        newest = store.newest("MEU", asked)

    past = [day for day in days if day <= asked]
    assert (None if newest is None else newest.edition_date) == max(past, default=None)


def read_anything(content: bytes) -> None:
    """Read a file of any content: rows that fit the schema, or a ListError that names the file and no folder."""
    said = ""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "list.bin"
        path.write_bytes(content)
        try:
            for found in read_list_files(path, read_on=DAY, edition_date=DAY):
                ListRows.validate(found.rows)
        except ListError as fault:
            said = fault.render()
    assert folder not in said


RECORDS = st.fixed_dictionaries(
    {"source": st.just("Entity List (EL) - B") | CELL},
    optional=dict.fromkeys(HEADERS[1][1:], CELL),
)


@given(records=st.lists(RECORDS, min_size=1, max_size=4))
@settings(max_examples=80, deadline=None)
def test_any_cells_of_the_csv_give_rows_or_a_list_error(records):
    read_anything(csv_edition(records))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | CELL,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(HEADERS[0]) | TEXT, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(records=st.lists(JSON, max_size=3), stated=JSON)
@settings(max_examples=100, deadline=None)
def test_any_values_of_the_json_give_rows_or_a_list_error(records, stated):
    whole = [
        {"source": "Entity List (EL) - B"} | one if isinstance(one, dict) else one
        for one in records
    ]
    content = json_edition(whole)
    read_anything(content)
    read_anything(content.replace(b'"2026-07-31T13:15:00+00:00"', repr(stated).encode()[:40]))


@given(cells=st.lists(st.lists(CELL, min_size=11, max_size=11), min_size=1, max_size=4), part=CELL)
@settings(max_examples=80, deadline=None)
def test_any_cells_of_the_delimited_layout_give_rows_or_a_list_error(cells, part):
    lines = [
        ",".join([str(at), *('"' + cell.replace('"', '""') + '"' for cell in row)])
        for at, row in enumerate(cells)
    ]
    lines[0] = lines[0][:-1] + "; CMIC " + part.replace('"', "") + '"'
    read_anything(("\r\n".join(lines) + "\r\n\x1a").encode("latin-1", errors="replace"))


XML_TEXT = CELL.map(lambda text: "".join(c for c in text if c >= " " and c not in "<&￾￿"))


@given(
    cells=st.lists(st.lists(XML_TEXT, max_size=6), min_size=1, max_size=3),
    day=XML_TEXT,
    deep=st.integers(0, 3),
)
@settings(max_examples=80, deadline=None)
def test_any_text_of_the_xml_gives_rows_or_a_list_error(cells, day, deep):
    names = ("uid", "lastName", "sdnType", "programList", "idList", "akaList")
    entries = "".join(
        "<sdnEntry>" + "".join(f"<{n}>{c}</{n}>" for n, c in zip(names, row, strict=False)) + "</sdnEntry>"
        for row in cells
    )  # fmt: skip
    read_anything(
        f"<sdnList><publshInformation><Publish_Date>{day}</Publish_Date></publshInformation>{entries}</sdnList>".encode()
    )
    tables = "".join(
        "<TR>" + "".join("<TD>" + "<I>" * deep + c + "</I>" * deep + "</TD>" for c in row) + "</TR>"
        for row in cells
    )
    read_anything(f'<DIV5><DIV9 N="Supplement No. 4 to Part 744">{tables}</DIV9></DIV5>'.encode())


@given(content=st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_bytes_give_rows_or_a_list_error(content):
    read_anything(content)
    read_anything(csv_edition([{"source": "Entity List (EL) - B", "name": "X"}])[:-1] + content)
