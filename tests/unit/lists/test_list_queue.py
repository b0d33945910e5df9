"""The queue of matches: what waits, in which order, and what a decision becomes.

A user would notice a failure as a match that comes back after it was rejected, or one that counts before its day.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest

from exposure.errors import ListError
from exposure.lists.queue import (
    MATCH,
    accepted_links,
    build_queue,
    decided,
    find_proposal,
    rejected_links,
    waiting,
)
from exposure.lists.rows import list_row, rows_frame
from exposure.lists.snapshot import Snapshot
from exposure.portfolios.securities import SecurityMaster
from exposure.schemas import (
    Aliases,
    DataIssues,
    Issuers,
    Listings,
    ListLinks,
    Ownership,
    empty,
    validated,
)

ON = date(2026, 11, 24)


def master(*issuers: tuple[str, str, str]) -> SecurityMaster:
    frame = pl.DataFrame(
        [(i, zh, en, "CN", "x", None, None) for i, zh, en in issuers],
        schema=empty(Issuers).schema,
        orient="row",
    )
    return SecurityMaster(
        validated(frame, Issuers), empty(Listings), empty(Aliases), empty(Ownership)
    )


PEOPLE = master(
    ("naura", "北方华创", "NAURA Technology"), ("biren", "壁仞科技", "Biren Technology")
)


def row(name: str, *aliases: str, list_id: str = "EL", key: str | None = None, **other: Any):
    known = {"countries": ["CN"], "source_row": 2, "citations": ["89 FR 96837"]} | other
    return list_row(
        list_id=list_id,
        row_key=key or f"{list_id}:{name.lower()}",
        name=name,
        aliases=list(aliases),
        **known,
    )


def edition(*rows: Any, day: date = date(2026, 7, 31)) -> Snapshot:
    return Snapshot(
        "consolidated.csv",
        "ab" * 32,
        1,
        day,
        day,
        "",
        rows_frame(rows),
        empty(DataIssues),
        layout="csl",
    )


def link(issuer: str, key: str, **other: Any) -> dict[str, Any]:
    base: dict[str, Any] = dict.fromkeys(ListLinks.columns())
    base |= {
        "link_id": f"{issuer}.{key}",
        "issuer_id": issuer,
        "list_id": "EL",
        "row_name": key.partition(":")[2],
    }
    base |= {
        "row_key": key,
        "relation": "self",
        "mechanism": "entity_licence",
        "citation": "89 FR 96837",
    }
    base |= {"valid_from": date(2024, 12, 2), "known_on": date(2024, 12, 2), "decision": "accepted"}
    base |= {"reviewed_on": ON, "source_id": "s", "locator": "l"}
    return base | other


def links(*rows: dict[str, Any]) -> pl.DataFrame:
    return validated(pl.DataFrame(list(rows), schema=empty(ListLinks).schema), ListLinks)


NAURA = row("NAURA Technology Group Co., Ltd.")
UNIT = row("Beijing Naura Technology Co., Ltd.")


def open_ids(queue: pl.DataFrame) -> list[str]:
    return waiting(queue)["proposal_id"].to_list()


def test_a_pair_keeps_its_id_from_edition_to_edition():
    first = build_queue(PEOPLE, links(), [(edition(NAURA), None)])
    second = build_queue(PEOPLE, links(), [(edition(NAURA, UNIT, day=date(2026, 8, 7)), None)])

    assert set(first["proposal_id"]) < set(second["proposal_id"])


def test_what_left_comes_first_then_new_rows_then_old_ones():
    before = edition(
        row("Biren Technology"), row("Old Name", "Biren", "Biren Technology", key="EL:kept"), NAURA
    )
    after = edition(
        row("Old Name", "Biren Technology", key="EL:kept"), NAURA, UNIT, day=date(2026, 8, 7)
    )
    known = links(
        link("biren", "EL:biren technology", row_name="Somewhere Else"), link("biren", "EL:kept")
    )

    queue = build_queue(PEOPLE, known, [(after, before)])

    assert queue["kind"].to_list() == ["row left", "alias removed", MATCH, MATCH]
    assert queue["fresh"].to_list() == [True, True, True, False]
    assert queue["row_name"].to_list()[2:] == [UNIT["name"], NAURA["name"]]


def test_other_lists_than_ours_are_not_queued():
    queue = build_queue(PEOPLE, links(), [(edition(row("NAURA Technology", list_id="ISN")), None)])

    assert queue.is_empty()


def test_an_accepted_match_becomes_links_with_the_days_of_its_rule():
    queue = build_queue(PEOPLE, links(), [(edition(NAURA), None)])
    known = links(link("other", "EL:other", known_on=date(2024, 12, 3)))
    proposal = find_proposal(queue, open_ids(queue)[0])

    made = accepted_links(proposal, known, on=ON, source_id="s", note="its legal name")

    one = made.row(0, named=True)
    assert made.height == 1
    assert (one["relation"], one["mechanism"], one["decision"]) == (
        "self",
        "entity_licence",
        "accepted",
    )
    assert (one["valid_from"], one["known_on"], one["reviewed_on"]) == (
        date(2024, 12, 2),
        date(2024, 12, 3),
        ON,
    )
    assert one["citation"] == "89 FR 96837"


def test_a_rule_that_nobody_dated_needs_a_day_and_is_not_known_before_the_edition():
    queue = build_queue(PEOPLE, links(), [(edition(NAURA), None)])
    proposal = find_proposal(queue, open_ids(queue)[0])

    with pytest.raises(ListError, match="since when"):
        accepted_links(proposal, links(), on=ON, source_id="s")
    made = accepted_links(proposal, links(), on=ON, source_id="s", since=date(2024, 12, 2))

    assert made.select("valid_from", "known_on").rows() == [(date(2024, 12, 2), date(2026, 7, 31))]


def test_a_footnote_counts_from_the_rule_that_brought_it():
    listed = row("NAURA Technology", citations=["84 FR 29373", "87 FR 62202"], footnotes=["4"])
    queue = build_queue(PEOPLE, links(), [(edition(listed), None)])
    proposal = find_proposal(queue, open_ids(queue)[0])
    day = date(2022, 10, 7)
    fn4 = link(
        "sugon",
        "EL:sugon",
        mechanism="fdpr_fn4",
        citation="87 FR 62202",
        valid_from=day,
        known_on=day,
    )

    made = accepted_links(proposal, links(fn4), on=ON, source_id="s", since=date(2019, 6, 24))
    blind = accepted_links(proposal, links(), on=ON, source_id="s", since=date(2019, 6, 24))

    assert made.select("mechanism", "valid_from").rows() == [
        ("entity_licence", date(2019, 6, 24)), ("fdpr_fn4", day),
    ]  # fmt: skip
    # nobody knows the day of the second rule: the edition's is too late rather than too early
    assert blind["valid_from"].to_list()[1] == date(2026, 7, 31)


def test_a_ban_counts_from_its_own_day():
    listed = row(
        "NAURA Technology", list_id="NS-CMIC", key="OFAC:1", citations=[],
        start=date(2021, 6, 3), effective=date(2021, 8, 2),
    )  # fmt: skip
    queue = build_queue(PEOPLE, links(), [(edition(listed), None)])

    made = accepted_links(find_proposal(queue, open_ids(queue)[0]), links(), on=ON, source_id="s")

    assert made.select("mechanism", "valid_from", "known_on", "citation").rows() == [
        ("listing", date(2021, 6, 3), date(2021, 6, 3), "OFAC 1"),
        ("investment_ban", date(2021, 8, 2), date(2021, 6, 3), "OFAC 1"),
    ]


def test_names_that_are_only_alike_need_a_relation():
    queue = build_queue(PEOPLE, links(), [(edition(UNIT), None)])
    proposal = find_proposal(queue, open_ids(queue)[0])
    day = date(2024, 12, 2)

    with pytest.raises(ListError, match="related"):
        accepted_links(proposal, links(), on=ON, source_id="s", since=day)
    made = accepted_links(proposal, links(), on=ON, source_id="s", since=day, relation="subsidiary")

    assert made["relation"].to_list() == ["subsidiary"]


def test_a_rejected_match_is_kept_and_never_proposed_again():
    queue = build_queue(PEOPLE, links(), [(edition(NAURA, UNIT), None)])
    proposal = find_proposal(queue, open_ids(queue)[0])

    made = rejected_links(proposal, links(), on=ON, source_id="s", note="another company")
    again = build_queue(PEOPLE, made, [(edition(NAURA, UNIT, day=date(2026, 8, 7)), None)])

    assert made.select("decision", "relation", "reviewer_note").rows() == [
        ("rejected", "none", "another company")
    ]
    assert proposal["row_name"] not in again["row_name"]
    with pytest.raises(ListError, match="says why"):
        rejected_links(proposal, links(), on=ON, source_id="s", note=" ")
    with pytest.raises(ListError, match="no reason to reject"):
        rejected_links(proposal, links(), on=ON, source_id="s", note="n", relation="parent")


def test_an_accepted_removal_ends_the_link_and_can_not_be_rejected():
    known = links(link("biren", "EL:biren technology"))
    after = edition(NAURA, day=date(2026, 8, 7))
    queue = build_queue(PEOPLE, known, [(after, None)])
    proposal = waiting(queue).filter(pl.col("kind") == "row left").row(0, named=True)

    ended = accepted_links(proposal, known, on=ON, source_id="s")
    with pytest.raises(ListError) as caught:
        rejected_links(proposal, known, on=ON, source_id="s", note="renamed, see the notice")

    assert ended.select("link_id", "valid_to", "ended_known_on").rows() == [
        ("biren.EL:biren technology", date(2026, 8, 7), date(2026, 8, 7))
    ]
    assert "its link ends there, whatever is decided here" in caught.value.render()
    assert "correct row_name and row_key of biren.EL:biren technology" in caught.value.render()


def test_a_rejected_change_leaves_the_link_with_its_note():
    known = links(link("biren", "EL:kept"))
    before = edition(row("Biren", "Biren Technology", key="EL:kept"))
    after = edition(row("Biren", key="EL:kept"), day=date(2026, 8, 7))
    queue = build_queue(PEOPLE, known, [(after, before)])
    proposal = waiting(queue).filter(pl.col("kind") == "alias removed").row(0, named=True)

    kept = rejected_links(proposal, known, on=ON, source_id="s", note="another company's alias")

    assert kept.select("valid_to", "reviewer_note").rows() == [(None, "another company's alias")]


def test_a_decided_row_stays_in_the_queue_and_is_not_asked_again():
    known = links(link("biren", "EL:biren technology"))
    queue = build_queue(PEOPLE, known, [(edition(NAURA), None)])
    proposal = waiting(queue).filter(pl.col("kind") == "row left").row(0, named=True)

    done = decided(queue, proposal, "rejected", "renamed", ON)
    again = build_queue(PEOPLE, known, [(edition(NAURA), None)], done)

    assert proposal["proposal_id"] not in open_ids(again)
    assert again.filter(pl.col("proposal_id") == proposal["proposal_id"])["note"].to_list() == [
        "renamed"
    ]
    with pytest.raises(ListError, match="was rejected"):
        find_proposal(again, proposal["proposal_id"])


def test_a_list_that_is_not_read_keeps_its_rows():
    both = build_queue(
        PEOPLE,
        links(),
        [(edition(NAURA), None), (edition(row("Biren Technology", list_id="UVL")), None)],
    )

    again = build_queue(PEOPLE, links(), [(edition(NAURA), None)], both)

    assert set(again["list_id"]) == {"EL", "UVL"}


def test_an_id_may_be_cut_short_as_long_as_it_names_one():
    queue = build_queue(PEOPLE, links(), [(edition(NAURA, UNIT), None)])
    name = open_ids(queue)[0]

    assert find_proposal(queue, name[:-2])["proposal_id"] == name
    with pytest.raises(ListError, match="not the id of one"):
        find_proposal(queue, "el-")
    with pytest.raises(ListError, match="none"):
        find_proposal(queue, "sdn-x")


@pytest.mark.parametrize(
    ("days", "says"),
    [
        ({"on": date(2026, 7, 30)}, "can't have been reviewed on 2026-07-30"),
        ({"since": date(2026, 8, 1)}, "can't be in effect since 2026-08-01 only"),
    ],
)
def test_a_decision_comes_after_the_edition_and_the_edition_after_the_rule(days, says):
    queue = build_queue(PEOPLE, links(), [(edition(NAURA), None)])
    proposal = waiting(queue).row(0, named=True)

    with pytest.raises(ListError) as caught:
        accepted_links(
            proposal, links(), **({"on": ON, "source_id": "s", "since": date(2026, 7, 1)} | days)
        )
    assert says in caught.value.render()
    if "on" in days:
        with pytest.raises(ListError, match="can't have been reviewed"):
            rejected_links(proposal, links(), source_id="s", note="n", **days)
