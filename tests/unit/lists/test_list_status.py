"""What the lists say of an issuer on a day: relation, dates, mechanisms, and the sentence to print."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest

from exposure.content import ContentRoot, shipped_root
from exposure.lists.snapshot import load_editions
from exposure.lists.status import LISTS, list_status
from exposure.schemas import Issuers, ListLinks, empty, typed_from_text, validated

ISSUERS = pl.DataFrame(
    {
        "issuer_id": ["autel", "inspur", "sugon"],
        "name_zh": ["道通科技", "浪潮信息", "中科曙光"],
        "name_en": ["Autel", "Inspur", "Sugon"],
        "country": ["CN"] * 3,
        "role": ["x"] * 3,
    }
)


def link(issuer: str, list_id: str = "EL", **other: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(ListLinks.columns())
    row |= {
        "link_id": f"{issuer}.{list_id}.{other.get('row_name', 'row')}.{other.get('mechanism', 'entity_licence')}",
        "issuer_id": issuer,
        "list_id": list_id,
        "row_name": "row",
        "row_key": "key",
        "relation": "self",
        "mechanism": "entity_licence",
        "citation": "84 FR 29373",
        "valid_from": date(2019, 6, 24),
        "decision": "accepted",
        "reviewed_on": date(2026, 11, 20),
        "source_id": "fr",
        "locator": "row",
    }
    row |= other
    row["known_on"] = other.get("known_on", row["valid_from"])
    return row


def links(*rows: dict[str, Any]) -> pl.DataFrame:
    return validated(pl.DataFrame(list(rows), schema=empty(ListLinks).schema), ListLinks)


def ask(
    frame: pl.DataFrame, issuer: str, list_id: str, as_of: date, **other: Any
) -> dict[str, Any]:
    found = list_status(frame, ISSUERS, as_of, **other)
    return found.row(
        by_predicate=(pl.col("issuer_id") == issuer) & (pl.col("list_id") == list_id), named=True
    )


SUGON = links(
    link("sugon", row_name="Sugon"),
    link(
        "sugon",
        row_name="Sugon",
        mechanism="fdpr_fn4",
        footnote="4",
        citation="87 FR 62202",
        valid_from=date(2022, 10, 7),
    ),
)


def test_one_row_can_carry_mechanisms_of_different_dates():
    early = ask(SUGON, "sugon", "EL", date(2022, 10, 6))
    late = ask(SUGON, "sugon", "EL", date(2022, 10, 7))

    assert (early["status"], early["mechanisms"], early["footnote"]) == (
        "listed",
        "entity_licence",
        None,
    )
    assert (late["mechanisms"], late["footnote"]) == ("entity_licence;fdpr_fn4", "4")
    assert late["citation"] == "84 FR 29373;87 FR 62202"
    assert late["valid_from"] == date(2019, 6, 24)
    assert len(late["link_ids"]) == 2
    assert late["wording"] == "EL: Sugon listed since 2019-06-24 (84 FR 29373)"


def test_absence_is_never_clear():
    row = ask(SUGON, "inspur", "EL", date(2025, 1, 24))

    assert row["status"] == "not_on_list"
    assert row["wording"] == "not on list EL as of 2025-01-24, by the dates of the cited rules"
    assert row["link_ids"] == []


def test_every_issuer_has_an_answer_on_every_list():
    found = list_status(SUGON, ISSUERS, date(2025, 1, 24))

    assert found.height == 3 * len(LISTS)
    assert "clear" not in " ".join(found["wording"])


def test_another_list_shows_up_where_a_link_is_in_force():
    frame = links(link("sugon", "FCC", mechanism="import_ban"))

    assert ask(frame, "sugon", "FCC", date(2025, 1, 24))["status"] == "listed"
    assert list_status(frame, ISSUERS, date(2025, 1, 24)).height == 3 * len(LISTS) + 1
    asked = list_status(frame, ISSUERS, date(2025, 1, 24), ["EL"])
    assert asked["list_id"].unique().to_list() == ["EL"]


def test_an_edition_is_named_only_where_it_was_out():
    editions = pl.DataFrame(
        {
            "list_id": ["EL", "EL"],
            "edition_date": [date(2025, 1, 10), date(2026, 7, 31)],
            "known_on": [date(2025, 1, 20), date(2026, 7, 31)],
        }
    )

    def sentence(day):
        return ask(SUGON, "inspur", "EL", day, editions=editions)["wording"]

    assert sentence(date(2025, 1, 19)).endswith("by the dates of the cited rules")
    assert sentence(date(2025, 1, 24)) == "not on list EL as of 2025-01-24 (edition 2025-01-10)"
    assert sentence(date(2026, 8, 1)).endswith("(edition 2026-07-31)")


PARENT = links(
    link("inspur", row_name="Inspur Group", relation="parent", valid_from=date(2023, 3, 2)),
    link("inspur", row_name="Inspur Beijing", relation="subsidiary", valid_from=date(2022, 1, 1)),
    link("inspur", row_name="Inspur Electronic", valid_from=date(2025, 3, 25)),
)


def test_a_parent_leads_over_a_subsidiary_and_the_issuer_over_both():
    before = ask(PARENT, "inspur", "EL", date(2024, 6, 30))
    after = ask(PARENT, "inspur", "EL", date(2025, 3, 25))

    assert (before["status"], before["relation"], before["row_name"]) == (
        "related",
        "parent",
        "Inspur Group",
    )
    assert before["wording"] == (
        "EL: subsidiary Inspur Beijing listed since 2022-01-01 (84 FR 29373); "
        "parent Inspur Group listed since 2023-03-02 (84 FR 29373); not itself on list EL as of 2024-06-30"
    )
    assert len(before["link_ids"]) == 2
    assert (after["status"], after["row_name"]) == ("listed", "Inspur Electronic")
    assert after["link_ids"] == ["inspur.EL.Inspur Electronic.entity_licence"]


def test_a_row_known_later_than_in_effect_counts_from_the_day_it_was_known():
    frame = links(link("sugon", valid_from=date(2025, 6, 10), known_on=date(2025, 6, 14)))

    assert ask(frame, "sugon", "EL", date(2025, 6, 13))["status"] == "not_on_list"
    assert ask(frame, "sugon", "EL", date(2025, 6, 14))["status"] == "listed"


def test_an_announced_row_is_said_before_it_takes_effect():
    frame = links(
        link("sugon", "NS-CMIC", mechanism="listing", valid_from=date(2021, 12, 16)),
        link(
            "sugon",
            "NS-CMIC",
            mechanism="investment_ban",
            valid_from=date(2022, 2, 14),
            known_on=date(2021, 12, 16),
        ),
    )

    row = ask(frame, "sugon", "NS-CMIC", date(2021, 12, 31))

    assert (row["status"], row["mechanisms"]) == ("listed", "listing")
    assert row["wording"].endswith("; investment_ban from 2022-02-14")


def test_a_row_that_was_announced_only_is_not_on_the_list_yet():
    frame = links(link("sugon", valid_from=date(2019, 6, 24), known_on=date(2019, 6, 21)))

    row = ask(frame, "sugon", "EL", date(2019, 6, 23))

    assert row["status"] == "not_on_list"
    assert row["wording"].endswith("; entity_licence from 2019-06-24")


def test_a_removal_counts_from_the_day_it_was_known():
    frame = links(
        link(
            "sugon",
            "1260H",
            row_name="AMEC",
            valid_from=date(2024, 1, 31),
            valid_to=date(2024, 12, 13),
            ended_known_on=date(2024, 12, 17),
        )
    )

    assert ask(frame, "sugon", "1260H", date(2024, 12, 16))["status"] == "listed"
    gone = ask(frame, "sugon", "1260H", date(2024, 12, 17))
    assert gone["status"] == "not_on_list"
    assert gone["wording"].endswith("AMEC on it from 2024-01-31 to 2024-12-13")


def test_a_removal_known_beforehand_counts_from_its_day():
    frame = links(
        link("sugon", valid_to=date(2025, 1, 7), ended_known_on=date(2025, 1, 6), row_name="S")
    )

    assert ask(frame, "sugon", "EL", date(2025, 1, 6))["status"] == "listed"
    assert ask(frame, "sugon", "EL", date(2025, 1, 7))["status"] == "not_on_list"


def test_rejected_rows_feed_nothing_but_a_sentence():
    frame = links(
        link(
            "autel",
            "1260H",
            row_name="Autel Robotics Co., Ltd.",
            relation="homonym",
            decision="rejected",
            valid_from=date(2025, 1, 7),
        ),
        link("sugon", relation="self", decision="rejected"),
    )

    autel = ask(frame, "autel", "1260H", date(2025, 2, 28))

    assert (autel["status"], autel["relation"], autel["link_ids"]) == ("not_on_list", "homonym", [])
    assert "Autel Robotics Co., Ltd. on it is another company" in autel["wording"]
    assert ask(frame, "sugon", "EL", date(2025, 2, 28))["status"] == "not_on_list"


def test_an_accepted_homonym_makes_nobody_listed():
    frame = links(link("autel", relation="homonym"))

    assert ask(frame, "autel", "EL", date(2025, 2, 28))["status"] == "not_on_list"


def test_who_was_not_screened_is_unresolved():
    screened = pl.DataFrame({"issuer_id": ["sugon"], "list_id": ["1260H"]})

    asked = ask(SUGON, "sugon", "1260H", date(2025, 1, 24), screened=screened)
    other = ask(SUGON, "inspur", "1260H", date(2025, 1, 24), screened=screened)
    listed = ask(SUGON, "sugon", "EL", date(2025, 1, 24), screened=screened)

    assert asked["status"] == "not_on_list"
    assert (other["status"], other["wording"]) == (
        "unresolved",
        "list 1260H unresolved as of 2025-01-24: not screened",
    )
    assert listed["status"] == "listed"


def reach(verdict: str) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "issuer_id": ["inspur"],
            "list_id": ["EL"],
            "verdict": [verdict],
            "known_on": [date(2025, 9, 29)],
            "wording": ["owned by inspur_group"],
        }
    )


def test_an_ownership_rule_makes_related_or_unresolved():
    day = date(2025, 10, 15)

    caught = ask(SUGON, "inspur", "EL", day, reach=reach("caught"))
    unknown = ask(SUGON, "inspur", "EL", day, reach=reach("unresolved"))
    with_parent = ask(PARENT, "inspur", "EL", date(2025, 1, 24), reach=reach("unresolved"))
    itself = ask(PARENT, "inspur", "EL", day, reach=reach("unresolved"))

    assert (caught["status"], caught["relation"]) == ("related", "parent")
    assert unknown["status"] == "unresolved"
    assert with_parent["status"] == "unresolved"
    assert with_parent["wording"].endswith("; owned by inspur_group")
    assert itself["status"] == "listed"


# --- golden: the shipped links (lists page, section 10) ------------------------------------------------------------

ROOT = ContentRoot(shipped_root(), "test")


def shipped(name: str, schema: Any) -> pl.DataFrame:
    return typed_from_text(ROOT.read_csv(name), schema, name)


LINKS = shipped("factors/lists/reviewed_links.csv", ListLinks)
REAL_ISSUERS = shipped("portfolios/reference/issuers.csv", Issuers)


@pytest.mark.parametrize(
    ("issuer", "list_id", "day", "status", "relation"),
    [
        ("inspur", "EL", "2022-12-31", "not_on_list", None),
        ("inspur", "EL", "2024-06-30", "related", "parent"),
        ("inspur", "EL", "2025-01-24", "related", "parent"),
        ("inspur", "EL", "2025-06-30", "listed", "self"),
        ("autel", "1260H", "2025-02-28", "not_on_list", "homonym"),
        ("autel", "1260H", "2026-07-31", "listed", "self"),
        ("amec", "1260H", "2024-06-30", "listed", "self"),
        ("amec", "1260H", "2025-02-28", "not_on_list", None),
        ("cxmt", "1260H", "2026-03-31", "listed", "self"),
        ("sugon", "NS-CMIC", "2021-12-31", "listed", "self"),
        ("unisplendour", "EL", "2025-01-24", "related", "subsidiary"),
        ("digital_china", "EL", "2025-01-24", "not_on_list", None),
        ("talkweb", "EL", "2025-01-24", "not_on_list", None),
        ("smic", "EL", "2025-01-24", "listed", "self"),
        ("integrity_tech", "SDN", "2025-01-24", "listed", "self"),
        ("tencent", "1260H", "2025-01-24", "listed", "self"),
        ("zte", "EL", "2025-01-24", "related", "subsidiary"),
    ],
)
def test_the_shipped_links_say_what_the_rules_say(issuer, list_id, day, status, relation):
    found = list_status(LINKS, REAL_ISSUERS, date.fromisoformat(day), editions=load_editions(ROOT))

    row = found.row(
        by_predicate=(pl.col("issuer_id") == issuer) & (pl.col("list_id") == list_id), named=True
    )
    assert (row["status"], row["relation"]) == (status, relation)


def test_footnote_five_is_on_smic_and_not_before_december_2024():
    def footnotes(day):
        found = list_status(LINKS, REAL_ISSUERS, day, ["EL"])
        return found.row(by_predicate=pl.col("issuer_id") == "smic", named=True)["mechanisms"]

    assert "fdpr_fn5" not in footnotes(date(2024, 12, 1))
    assert "fdpr_fn5" in footnotes(date(2024, 12, 2))


def test_nothing_in_a_run_of_2024_knows_2025():
    found = list_status(LINKS, REAL_ISSUERS, date(2024, 12, 31))

    assert found["known_on"].drop_nulls().max() <= date(2024, 12, 31)
    known = set(LINKS.filter(pl.col("known_on") <= date(2024, 12, 31))["link_id"])
    assert set(found["link_ids"].explode().drop_nulls()) <= known


def test_a_day_known_only_within_a_span_leaves_the_span_open():
    frame = links(link("inspur", earliest=date(2019, 1, 1), valid_from=date(2019, 12, 31)))

    states = {
        day: ask(frame, "inspur", "EL", day)["status"]
        for day in (date(2018, 12, 31), date(2019, 1, 1), date(2019, 12, 30), date(2019, 12, 31))
    }
    assert list(states.values()) == ["not_on_list", "unresolved", "unresolved", "listed"]
    said = ask(frame, "inspur", "EL", date(2019, 6, 1))["wording"]
    assert said.endswith(
        "came on it by 2019-12-31, not before 2019-01-01; the day is not confirmed"
    )
    rejected = links(
        link(
            "inspur", earliest=date(2019, 1, 1), valid_from=date(2019, 12, 31), decision="rejected"
        )
    )
    assert ask(rejected, "inspur", "EL", date(2019, 6, 1))["status"] == "not_on_list"


def test_a_match_that_waits_or_an_old_list_leaves_absence_open_only():
    frame, day = links(link("inspur"), link("sugon", relation="subsidiary")), date(2020, 1, 1)
    open_pairs = [("inspur", "EL"), ("sugon", "EL"), ("autel", "EL")]
    told = {"open_pairs": open_pairs, "stale": {"EL": "too old"}}

    assert ask(frame, "inspur", "EL", day, **told)["status"] == "listed"
    unit = ask(frame, "sugon", "EL", day, **told)
    assert (unit["status"], unit["relation"]) == ("unresolved", "subsidiary")
    absent = ask(frame, "autel", "EL", day, **told)
    assert absent["status"] == "unresolved"
    assert absent["wording"] == (
        "list EL unresolved as of 2020-01-01: a possible match waits for a person; too old"
    )
    assert ask(frame, "autel", "SDN", day, **told)["status"] == "not_on_list"
    assert ask(frame, "sugon", "EL", day, stale={"EL": "too old"})["status"] == "related"


def test_what_has_several_mechanisms_is_said_once():
    gone = {"valid_to": date(2020, 1, 1), "ended_known_on": date(2020, 1, 1)}
    frame = links(
        link("sugon", **gone),
        link("sugon", mechanism="fdpr_fn4", valid_from=date(2019, 8, 1), **gone),
    )

    said = ask(frame, "sugon", "EL", date(2020, 2, 1))["wording"]
    assert said.count("on it from 2019-06-24 to 2020-01-01") == 1
    assert said.count("on it from") == 1
    coming = links(
        *(
            link("sugon", row_name=name, valid_from=date(2021, 1, 1), known_on=date(2019, 1, 1))
            for name in "ab"
        )
    )
    said = ask(coming, "sugon", "EL", date(2020, 2, 1))["wording"]
    assert said.count("entity_licence from 2021-01-01") == 1
