"""The store of editions: what goes in comes out, nothing twice, nothing half, nothing before its day."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from exposure.errors import ListError
from exposure.lists.changes import changes
from exposure.lists.rows import list_row
from exposure.lists.snapshot import make_snapshot
from exposure.lists.store import EDITION, ROWS, Store
from exposure.schemas import issue

CANARIES = ("Huawei Technologies Co., Ltd.", "Semiconductor Manufacturing International Corporation",
            "Yangtze Memory Technologies")  # fmt: skip
FIRST, SECOND = date(2026, 7, 24), date(2026, 7, 31)


def edition(names, day=FIRST, *, lists=("EL",), read_on=None, layout="csl", content=None):
    rows = [
        list_row(list_id=list_id, row_key=f"{list_id}:{name}", name=name, aliases=[f"{name} Inc"])
        for list_id in lists
        for name in names
    ]
    for line, row in enumerate(rows, start=2):
        row["source_row"] = line
    issues = [issue("warning", "list.csv", "citation_missing", "a doubt", row=len(rows) + 1)]
    return make_snapshot(
        Path("list.csv"),
        content or repr((sorted(names), day, layout)).encode(),
        rows,
        issues,
        edition_date=day,
        read_on=read_on or day,
        address="trade.gov",
        layout=layout,
    )


def names(count, *more):
    return [*CANARIES, *(f"Unit {n}" for n in range(count)), *more]


def test_an_edition_is_read_back_as_it_was_written(tmp_path):
    store, new = Store(tmp_path), edition(names(5))

    assert store.add(new) == ("EL",)

    back = store.newest("EL", FIRST)
    assert back.rows.equals(new.rows)
    assert back.issues.equals(new.issues)
    assert (back.sha256, back.edition_date, back.layout) == (new.sha256, FIRST, "csl")
    assert store.editions().select("list_id", "rows", "bytes").rows() == [("EL", 8, new.size)]


def test_each_list_of_a_file_has_its_own_rows_and_issues(tmp_path):
    store = Store(tmp_path)
    store.add(edition(names(2), lists=("EL", "MEU")))

    el, meu = store.newest("EL", FIRST), store.newest("MEU", FIRST)

    assert el.counts() == {"EL": 5}
    assert meu.counts() == {"MEU": 5}
    assert (el.issues.height, meu.issues.height) == (0, 1)  # the doubt is about the last row


def test_an_edition_counts_from_its_day_of_publication_on(tmp_path):
    store = Store(tmp_path)
    store.add(edition(names(5), FIRST, read_on=date(2026, 11, 20)))
    store.add(edition(names(5, "New"), SECOND, read_on=date(2026, 11, 20)))

    assert store.newest("EL", date(2026, 7, 23)) is None
    assert store.newest("EL", date(2026, 7, 30)).edition_date == FIRST
    assert store.newest("EL", SECOND).edition_date == SECOND
    # what the desk really had on a day
    assert store.newest("EL", SECOND, read_by=date(2026, 11, 19)) is None


def test_an_old_edition_that_is_read_late_takes_its_place(tmp_path):
    store = Store(tmp_path)
    store.add(edition(names(9), SECOND))
    store.add(edition(names(5), FIRST, read_on=date(2026, 8, 20)))  # fewer than later: no fault

    assert store.newest("EL", date(2027, 1, 1)).edition_date == SECOND
    assert store.previous(store.newest("EL", SECOND), "EL").edition_date == FIRST


def test_the_same_file_twice_adds_nothing(tmp_path):
    store = Store(tmp_path)
    store.add(edition(names(5)))

    assert store.add(edition(names(5), read_on=SECOND)) == ()
    assert store.editions().height == 1


def test_a_file_that_is_fetched_again_is_known_to_be_the_newest_still(tmp_path):
    store, file = Store(tmp_path), edition(names(5), FIRST, read_on=SECOND)
    store.add(file)  # from a folder: nobody looked at the agency
    assert store.newest("EL", SECOND).current_on == FIRST

    store.add(replace(file, fetched_on=date(2026, 8, 20)))
    store.add(replace(file, fetched_on=date(2026, 8, 10)))  # an earlier day tells nothing

    (row,) = store.editions().to_dicts()
    assert (row["read_on"], row["seen_on"]) == (SECOND, [FIRST, date(2026, 8, 20)])
    assert store.newest("EL", SECOND).current_on == date(2026, 8, 20)


def test_of_two_files_of_a_day_the_later_one_counts(tmp_path):
    store = Store(tmp_path)
    for content in (b"9", b"1", b"5"):  # whatever their hashes are
        store.add(edition(names(5, content.decode()), SECOND, content=content))

    newest = store.newest("EL", SECOND)
    assert newest.rows["name"].to_list()[-1] == "5"
    assert store.previous(newest, "EL").rows["name"].to_list()[-1] == "1"


def test_what_changed_against_the_edition_before(tmp_path):
    store = Store(tmp_path)
    store.add(edition(names(60)))
    new = edition(names(59, "New"), SECOND)
    store.add(new)

    found = changes(new, store.previous(new, "EL"))

    assert found.added["name"].to_list() == ["New"]
    assert found.removed["name"].to_list() == ["Unit 59"]


def test_editions_of_another_layout_are_not_compared(tmp_path):
    store = Store(tmp_path)
    store.add(edition(names(50), FIRST, layout="ecfr-4"))
    new = edition(names(10), SECOND)

    assert store.add(new) == ("EL",)
    assert store.previous(new, "EL") is None
    assert store.newest("EL", SECOND, layout="ecfr-4").edition_date == FIRST


def test_a_cut_file_is_refused_and_leaves_nothing(tmp_path):
    store = Store(tmp_path)
    store.add(edition(names(97), lists=("EL", "MEU")))
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(ListError, match="EL has 90 rows; the edition before had 100"):
        store.add(edition(names(87), SECOND))

    assert sorted(tmp_path.rglob("*")) == before


def test_fewer_rows_can_be_accepted_by_name_and_it_is_noted(tmp_path):
    store = Store(tmp_path)
    store.add(edition(names(97)))

    store.add(edition(names(87), SECOND), accept_fewer=["EL"])

    noted = store.newest("EL", SECOND).issues.filter(pl.col("rule") == "fewer_rows_accepted")
    assert noted["message"].to_list() == ["EL has 90 rows and had 100: accepted as right"]


def test_two_writers_at_once_leave_one_whole_edition(tmp_path):
    store, new = Store(tmp_path), edition(names(50))
    added: list[tuple[str, ...]] = []
    start = threading.Barrier(4)

    def write():
        start.wait()
        added.append(store.add(new))

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert sorted(added) == [(), (), (), ("EL",)]
    assert store.newest("EL", FIRST).rows.equals(new.rows)
    assert [path.name for path in (tmp_path / "EL").iterdir() if path.name.startswith(".")] == []


def test_what_a_killed_writer_left_is_not_seen(tmp_path):
    store = Store(tmp_path)
    store.add(edition(names(5)))
    (tmp_path / "EL" / ".part-2026-07-31-x").mkdir()
    (tmp_path / "notes").mkdir()

    assert store.editions().height == 1


@pytest.mark.parametrize("name", [ROWS, EDITION])
@pytest.mark.parametrize("change", ["gone", "other"])
def test_a_damaged_edition_is_refused_with_its_place(tmp_path, name, change):
    store = Store(tmp_path)
    store.add(edition(names(5)))
    (path,) = tmp_path.rglob(name)
    path.unlink() if change == "gone" else path.write_bytes(b"{}")

    with pytest.raises(ListError, match="the store of lists is damaged at EL/2026-07-24-"):
        store.newest("EL", FIRST)


def test_an_edition_holds_no_path_of_the_machine(tmp_path):
    store = Store(tmp_path)
    store.add(edition(names(5)))

    (path,) = tmp_path.rglob(EDITION)

    assert str(tmp_path) not in path.read_text()
    assert json.loads(path.read_text())["rows"] == 8
