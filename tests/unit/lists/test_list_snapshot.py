"""What keeps a cut or old list file out, and what a new edition changed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from exposure.content import ContentRoot, shipped_root
from exposure.errors import ContentError, ListError
from exposure.lists.changes import changes
from exposure.lists.rows import list_row
from exposure.lists.snapshot import (
    check_snapshot,
    load_editions,
    make_snapshot,
)

READ_ON = date(2026, 8, 1)
CANARY_NAMES = (
    "Huawei Technologies Co., Ltd.",
    "Semiconductor Manufacturing International Corporation (SMIC)",
    "Yangtze Memory Technologies Corp., Ltd.",
)


def snapshot(names, *, list_id="EL", aliases=None, stated=None):
    rows = [
        list_row(
            list_id=list_id,
            row_key=f"{list_id}:{name}",
            name=name,
            aliases=(aliases or {}).get(name, []),
            source_row=line,
        )
        for line, name in enumerate(names, start=2)
    ]
    return make_snapshot(
        Path("list.csv"),
        b"bytes",
        rows,
        [],
        edition_date=date(2026, 7, 31),
        read_on=READ_ON,
        address="trade.gov",
        stated_rows=stated,
    )


def filler(count):
    return [f"Unit {number}" for number in range(count)]


def test_a_whole_edition_passes():
    before = snapshot([*CANARY_NAMES, *filler(97)])
    new = snapshot([*CANARY_NAMES, *filler(95)])

    check_snapshot(new, before)


def test_fewer_rows_than_98_percent_are_refused():
    before = snapshot([*CANARY_NAMES, *filler(97)])
    cut = snapshot([*CANARY_NAMES, *filler(94)])

    with pytest.raises(ListError, match="EL has 97 rows; the edition before had 100"):
        check_snapshot(cut, before)


def test_a_list_that_is_gone_is_refused():
    with pytest.raises(ListError, match="EL has 0 rows"):
        check_snapshot(snapshot(filler(3), list_id="MEU"), snapshot([*CANARY_NAMES]))


@pytest.mark.parametrize("missing", CANARY_NAMES)
def test_a_missing_canary_is_refused(missing):
    names = [name for name in CANARY_NAMES if name != missing]

    with pytest.raises(ListError, match="never left it"):
        check_snapshot(snapshot([*names, *filler(10)]))


def test_a_canary_may_be_an_alias():
    aliases = {"Unit 0": ["SEMICONDUCTOR MANUFACTURING INTERNATIONAL CORPORATION"]}
    names = [CANARY_NAMES[0], CANARY_NAMES[2], *filler(3)]

    check_snapshot(snapshot(names, aliases=aliases))


def test_a_stated_count_must_be_met():
    with pytest.raises(ListError, match="states 5 records and has 4"):
        check_snapshot(snapshot([*CANARY_NAMES, "X"], stated=5))


def test_changes_name_rows_and_aliases():
    before = snapshot(["A", "B", "C"], aliases={"A": ["a1", "a2"], "B": ["b1"]})
    after = snapshot(["A", "C", "D"], aliases={"A": ["a2", "a3"], "D": ["d1"]})

    found = changes(after, before)

    assert found.added["name"].to_list() == ["D"]
    assert found.removed["name"].to_list() == ["B"]
    # removed aliases come first; those of rows that came or left are no alias changes
    assert found.aliases.select("name", "alias", "change").rows() == [
        ("A", "a1", "removed"),
        ("A", "a3", "added"),
    ]


def test_shipped_editions_are_those_that_were_screened():
    root = ContentRoot(shipped_root(), "test")

    editions = load_editions(root)

    screened = (
        root.read_csv("factors/lists/screened.csv").select("list_id", "edition_date").unique()
    )
    read = editions.with_columns(pl.col("edition_date").dt.to_string("%Y-%m-%d"))
    assert screened.join(read, on=["list_id", "edition_date"], how="anti").is_empty()
    sources = set(root.read_csv("factors/sources.csv")["source_id"])
    assert set(editions["source_id"]) <= sources


def test_an_edition_known_before_its_day_is_refused(tmp_path):
    folder = tmp_path / "factors" / "lists"
    folder.mkdir(parents=True)
    (folder / "editions.csv").write_text(
        "list_id,edition_date,known_on,source_id,rows,note\nEL,2026-07-31,2026-07-30,csl,3420,\n"
    )

    with pytest.raises(ContentError, match=r"row 2.*an edition is known from its day on"):
        load_editions(ContentRoot(tmp_path, "test"))


def test_rows_that_repeat_others_do_not_make_a_cut_edition_whole():
    before = snapshot([*CANARY_NAMES, *filler(97)])
    padded = snapshot([*CANARY_NAMES, *filler(89), *filler(8)])

    assert padded.rows.height == before.rows.height
    with pytest.raises(ListError, match="EL has 92 different rows; the edition before had 100"):
        check_snapshot(padded, before)


def test_an_unusual_share_of_repeated_rows_is_refused_even_first():
    check_snapshot(
        snapshot([*CANARY_NAMES, *filler(97), *filler(10)])
    )  # a few repeat in every official list

    with pytest.raises(ListError) as caught:
        check_snapshot(snapshot([*CANARY_NAMES, *filler(97), *filler(97)]))
    assert "97 of 197 rows of EL repeat another" in caught.value.render()
