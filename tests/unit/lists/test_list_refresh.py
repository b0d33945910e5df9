"""A refresh: what a new edition changed, which reviewed links it touches, and how old what we know is."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from exposure.errors import ListError
from exposure.lists.ages import list_ages, newest_editions
from exposure.lists.changes import changes
from exposure.lists.refresh import refresh
from exposure.lists.rows import list_row
from exposure.lists.snapshot import Editions, make_snapshot
from exposure.lists.store import Store, StoredEditions
from exposure.lists.touched import end_links, touched_links
from exposure.schemas import ListLinks, validated

DAYS = [date(2026, 7, 17), date(2026, 7, 24), date(2026, 7, 31)]
SUGON = {"row_key": "MEU:sugon:84 FR 29373", "name": "Sugon", "aliases": ["Dawning"],
         "citations": ["84 FR 29373"]}  # fmt: skip


def edition(*rows, day=DAYS[0], layout="cons", filler=60):
    every = [*rows, *({"row_key": f"MEU:unit {n}:", "name": f"Unit {n}"} for n in range(filler))]
    made = [
        list_row(**({"list_id": "MEU", "source_row": at} | row)) for at, row in enumerate(every, 2)
    ]
    return make_snapshot(
        Path("list.csv"),
        repr((every, day, layout)).encode(),
        made,
        [],
        edition_date=day,
        read_on=date(2026, 11, 20),
        address="",
        layout=layout,
    )


def link(**known):
    row = dict.fromkeys(ListLinks.columns()) | {
        "link_id": "sugon.meu", "issuer_id": "sugon", "list_id": "MEU", "row_name": "Sugon",
        "row_key": SUGON["row_key"], "relation": "self", "mechanism": "entity_licence",
        "citation": "84 FR 29373", "valid_from": date(2019, 6, 24), "known_on": date(2019, 6, 24),
        "decision": "accepted", "reviewed_on": date(2026, 7, 1), "source_id": "x", "locator": "y",
    }  # fmt: skip
    return row | known


def links(*rows):
    schema = {name: column.dtype for name, column in ListLinks.columns().items()}
    return validated(pl.DataFrame(rows or [link()], schema=schema), ListLinks)


def store_of(folder, *editions):
    store = Store(folder)
    for one in editions:
        store.add(one)
    return store


# --- what changed -------------------------------------------------------------------------------------------------


def test_a_diff_names_rows_cells_and_aliases_removals_first():
    before = edition({**SUGON, "footnotes": []}, {"row_key": "MEU:gone:", "name": "Gone"})
    after = edition(
        {**SUGON, "footnotes": ["4"], "aliases": ["Sugon Information"]},
        {"row_key": "MEU:new:", "name": "New"},
    )

    table = changes(after, before).table()

    assert table.select("change", "name", "column", "before", "after").rows() == [
        ("row removed", "Gone", None, None, None),
        ("alias removed", "Sugon", "aliases", "Dawning", None),
        ("row changed", "Sugon", "footnotes", None, "4"),
        ("row added", "New", None, None, None),
        ("alias added", "Sugon", "aliases", None, "Sugon Information"),
    ]


def test_rows_that_share_a_key_are_compared_together():
    twins = [{**SUGON, "requirement": "first"}, {**SUGON, "requirement": "second"}]

    assert changes(edition(*twins[::-1]), edition(*twins)).table().is_empty()
    found = changes(edition(twins[0], {**SUGON, "requirement": "third"}), edition(*twins))
    assert found.changed.select("before", "after").rows() == [("first | second", "first | third")]


# --- reviewed links -----------------------------------------------------------------------------------------------


def test_a_link_whose_row_has_left_is_named():
    found = touched_links(links(), edition())

    assert found.select("link_id", "change").rows() == [("sugon.meu", "row left")]


def test_a_row_under_another_key_is_found_by_its_name():
    renamed = edition(
        {"row_key": "MEU:sugon:90 FR 1", "name": "SUGON", "citations": ["90 FR 1"]}, day=DAYS[1]
    )
    before = edition(SUGON)

    (row,) = touched_links(links(), renamed, changes(renamed, before)).to_dicts()

    assert (row["change"], row["detail"]) == ("row has another key", "now MEU:sugon:90 FR 1")


def test_a_lost_alias_and_a_changed_cell_touch_a_link():
    after = edition({**SUGON, "aliases": [], "policy": "Policy of denial"}, day=DAYS[1])

    found = touched_links(links(), after, changes(after, edition(SUGON)))

    assert found.select("change", "detail").rows() == [
        ("alias removed", "Dawning"),
        ("row changed", "policy: empty → Policy of denial"),
    ]


@pytest.mark.parametrize(
    "known",
    [
        {"valid_to": date(2026, 1, 1), "ended_known_on": date(2026, 1, 1)},  # ended before
        {"known_on": date(2026, 12, 1)},  # nobody knew of it yet
        {"valid_from": date(2026, 12, 1)},  # not yet in effect
        {"list_id": "UVL"},  # another list
    ],
)
def test_links_that_need_no_row_on_the_day_are_left_alone(known):
    assert touched_links(links(link(**known)), edition()).is_empty()


def test_a_rejected_link_is_told_too_but_has_no_end(tmp_path):
    rejected = links(link(decision="rejected"))

    assert touched_links(rejected, edition())["decision"].to_list() == ["rejected"]
    ended, issues = end_links(rejected, store_of(tmp_path, edition()), DAYS[0])
    assert ended.equals(rejected)
    assert issues.is_empty()


def test_a_link_ends_at_the_first_edition_without_its_row(tmp_path):
    store = store_of(
        tmp_path,
        edition(SUGON, day=DAYS[0]),
        edition(day=DAYS[1]),
        edition(day=DAYS[2]),
    )

    ended, issues = end_links(links(), store, date(2026, 12, 1))

    assert ended.select("valid_to", "ended_known_on").rows() == [(DAYS[1], DAYS[1])]
    assert issues.select("rule", "raw").rows() == [("row_left_the_list", SUGON["row_key"])]


def test_an_end_is_not_known_before_its_edition(tmp_path):
    store = store_of(tmp_path, edition(SUGON, day=DAYS[0]), edition(day=DAYS[1]))

    before, issues = end_links(links(), store, date(2026, 7, 23))

    assert before.equals(links())
    assert issues.is_empty()
    # nor, for a replay of what the desk had, before it was read here
    assert end_links(links(), store, DAYS[1], read_by=date(2026, 11, 19))[0].equals(links())


def test_a_row_that_came_back_does_not_end_its_link(tmp_path):
    store = store_of(
        tmp_path, edition(SUGON, day=DAYS[0]), edition(day=DAYS[1]), edition(SUGON, day=DAYS[2])
    )

    assert end_links(links(), store, DAYS[2])[0].equals(links())


def test_the_ecfr_can_not_tell_that_a_row_is_gone(tmp_path):
    store = store_of(tmp_path, edition(day=DAYS[1], layout="ecfr-7"))

    assert end_links(links(), store, DAYS[2])[0].equals(links())


def test_a_list_of_which_no_edition_is_held_keeps_its_links(tmp_path):
    other = links(link(list_id="1260H", row_key="1260H:Sugon"))

    ended, issues = end_links(other, store_of(tmp_path, edition()), DAYS[2])

    assert ended.equals(other)
    assert issues.is_empty()


# --- refresh ------------------------------------------------------------------------------------------------------


def test_a_refresh_keeps_compares_and_names_links(tmp_path):
    store = store_of(tmp_path, edition(SUGON))

    (one,) = refresh(store, [edition(day=DAYS[1])], links())

    assert (one.state, one.previous.edition_date) == ("new", DAYS[0])
    assert one.changes.removed["name"].to_list() == ["Sugon"]
    assert one.touched["change"].to_list() == ["row left"]
    assert one.line.endswith("screening aid, not legal advice")
    assert store.editions().height == 2


def test_a_dry_run_says_the_same_and_keeps_nothing(tmp_path):
    store = store_of(tmp_path, edition(SUGON))

    (one,) = refresh(store, [edition(day=DAYS[1])], links(), dry_run=True)

    assert one.changes.removed["name"].to_list() == ["Sugon"]
    assert store.editions().height == 1


def test_a_bad_file_among_good_ones_keeps_all_of_them_out(tmp_path):
    store = store_of(tmp_path, edition(SUGON))

    with pytest.raises(ListError, match="MEU has 10 rows"):
        refresh(store, [edition(day=DAYS[2], filler=10), edition(SUGON, day=DAYS[1])], links())

    assert store.editions().height == 1


def test_the_same_file_again_is_said_under_the_day_it_was_kept_with(tmp_path):
    store = store_of(tmp_path, edition(SUGON))

    (one,) = refresh(store, [replace(edition(SUGON), edition_date=DAYS[2])], links())

    assert (one.state, one.edition.edition_date, one.changes) == ("held", DAYS[0], None)


def test_accepting_fewer_rows_of_a_list_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ListError, match="no file here has list UVL"):
        refresh(Store(tmp_path), [edition()], links(), accept_fewer=["UVL"])


# --- age ----------------------------------------------------------------------------------------------------------


def stored(list_id, day, *seen):
    row = dict.fromkeys(StoredEditions.columns()) | {
        "list_id": list_id, "edition_date": day, "sha256": "0" * 64, "read_on": day, "sequence": 0,
        "seen_on": [day, *seen], "file": "f", "layout": "csl", "bytes": 1, "rows": 1, "address": "",
        "folder": "x",
    }  # fmt: skip
    schema = {name: column.dtype for name, column in StoredEditions.columns().items()}
    return StoredEditions.validate(pl.DataFrame([row], schema=schema, orient="row"))


NO_CONTENT = Editions.create_empty()


@pytest.mark.parametrize(
    ("list_id", "as_of", "state"),
    [
        ("EL", date(2026, 7, 24), "ok"),
        ("EL", date(2026, 7, 25), "warn"),
        ("EL", date(2026, 8, 16), "warn"),
        ("EL", date(2026, 8, 17), "refuse"),
        ("SDN", date(2026, 8, 17), "refuse"),
        ("1260H", date(2026, 11, 14), "warn"),
        ("1260H", date(2026, 11, 15), "refuse"),
        ("MEU", date(2027, 7, 17), "warn"),
    ],
)
def test_a_list_ages_from_ok_to_warn_to_refuse(list_id, as_of, state):
    (row,) = list_ages(stored(list_id, DAYS[0]), NO_CONTENT, as_of).to_dicts()

    assert row["state"] == state


def test_age_counts_from_the_last_look_at_the_agency_by_then():
    held = stored("EL", DAYS[0], date(2026, 8, 10), date(2026, 9, 10))

    days = [
        list_ages(held, NO_CONTENT, day)["days"][0] for day in (date(2026, 8, 9), date(2026, 8, 12))
    ]

    assert days == [23, 2]


def test_an_edition_is_not_there_before_its_day():
    assert list_ages(stored("EL", DAYS[0]), NO_CONTENT, date(2026, 7, 16)).is_empty()


def test_lists_without_a_file_are_those_of_the_content():
    reviewed = Editions.validate(
        pl.DataFrame(
            [("1260H", day, day, "x", None, None) for day in (date(2025, 1, 7), date(2026, 6, 8))],
            schema={name: column.dtype for name, column in Editions.columns().items()},
            orient="row",
        )
    )

    (row,) = list_ages(StoredEditions.create_empty(), reviewed, date(2026, 6, 7)).to_dicts()

    assert (row["edition_date"], row["origin"], row["rows"]) == (date(2025, 1, 7), "content", None)
    assert newest_editions(reviewed, date(2026, 6, 8))["edition_date"].to_list() == [
        date(2026, 6, 8)
    ]


@pytest.mark.parametrize(
    ("layout", "day", "lacking"),
    [
        ("csl", DAYS[0], ["EL", "NS-CMIC", "SDN"]),
        (
            "csl",
            date(2021, 1, 1),
            ["EL"],
        ),  # NS-CMIC did not exist; SDN had no name yet that never left
        ("cons", DAYS[0], []),
    ],
)
def test_a_screening_list_without_the_lists_that_matter_is_refused(tmp_path, layout, day, lacking):
    part = edition(SUGON, layout=layout, day=day)

    if not lacking:
        assert refresh(Store(tmp_path), [part], links())[0].state == "new"
        return
    with pytest.raises(ListError, match="is not a whole screening list") as caught:
        refresh(Store(tmp_path), [part], links())
    assert [place.why for place in caught.value.places] == [
        f"has no row of list {name}" for name in lacking
    ]
    assert Store(tmp_path).editions().is_empty()
