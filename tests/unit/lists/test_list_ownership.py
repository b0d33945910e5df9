"""The 50% rules: aggregate, through every level, downwards only, and only while a rule is in force."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from exposure.content import ContentRoot, shipped_root
from exposure.lists.ownership import owned_by, ownership_reach, rule_state, stakes_at
from exposure.schemas import Events, ListLinks, Ownership, empty, typed_from_text

DAY = date(2025, 10, 15)


def stakes(*rows: tuple[str, str, float | None] | tuple[str, str, float | None, float | None]):
    table = [(r[0], r[1], r[2], r[3] if len(r) == 4 else r[2]) for r in rows]
    return pl.DataFrame(
        table,
        schema={"owner": pl.String, "owned": pl.String, "lo": pl.Float64, "hi": pl.Float64},
        orient="row",
    )


def verdicts(frame, *listed):
    return {name: owned.verdict for name, owned in owned_by(frame, listed).items()}


def test_an_owned_entity_counts_in_full_for_the_next_level():
    # 60% of 60% is 36%, yet C is caught
    frame = stakes(("a", "b", 60.0), ("b", "c", 60.0))

    assert verdicts(frame, "a") == {"b": "caught", "c": "caught"}


def test_direct_and_indirect_stakes_add_up():
    frame = stakes(("a", "b", 50.0), ("b", "c", 49.0), ("a", "c", 1.0))

    assert verdicts(frame, "a")["c"] == "caught"


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (25.0, 25.0, "caught"),
        (25.0, 24.9, "not_caught"),
        (50.0, 0.0, "caught"),
        (49.9, 0.0, "not_caught"),
    ],
)
def test_the_stakes_of_several_listed_owners_add_up(first, second, verdict):
    frame = stakes(("a", "c", first), ("b", "c", second))

    assert verdicts(frame, "a", "b") == {"c": verdict}


@pytest.mark.parametrize("interval", [(45.0, 55.0), (None, None), (None, 50.0), (20.0, None)])
def test_a_percentage_that_is_not_known_well_enough_is_unresolved(interval):
    assert verdicts(stakes(("a", "b", *interval)), "a") == {"b": "unresolved"}


def test_what_others_hold_limits_what_is_not_known():
    frame = stakes(("a", "b", None), ("other", "b", 51.0))

    owned = owned_by(frame, ["a"])["b"]

    assert (owned.verdict, owned.lo, owned.hi) == ("not_caught", 0.0, 49.0)


def test_an_open_company_leaves_the_next_level_open():
    frame = stakes(("a", "b", 45.0, 55.0), ("b", "c", 80.0))

    assert verdicts(frame, "a") == {"b": "unresolved", "c": "unresolved"}


def test_cycles_and_own_shares_end():
    frame = stakes(("a", "b", 60.0), ("b", "a", 60.0), ("b", "c", 30.0), ("c", "b", 30.0))

    assert verdicts(frame, "a") == {"b": "caught", "c": "not_caught"}
    assert verdicts(frame, "nobody") == {"a": "not_caught", "b": "not_caught", "c": "not_caught"}


def test_a_listed_subsidiary_never_catches_its_parent():
    assert verdicts(stakes(("parent", "sub", 100.0)), "sub") == {}


def ownership(*rows):
    table = []
    for owner, owned, percent, start, end, known in rows:
        row = dict.fromkeys(Ownership.columns())
        row |= {"owner": owner, "owned": owned, "lo": percent, "hi": percent}
        row |= {"valid_from": start, "valid_to": end, "known_on": known}
        row |= {"grade": "A", "source_id": "s", "locator": "l"}
        table.append(row)
    return Ownership.validate(pl.DataFrame(table, schema=empty(Ownership).schema))


START = date(2024, 1, 1)


def test_stakes_are_those_that_hold_and_are_known():
    frame = ownership(
        ("a", "b", 60.0, START, date(2025, 1, 1), START),
        ("a", "c", 60.0, START, None, date(2025, 12, 1)),
        ("a", "d", 60.0, date(2025, 11, 1), None, START),
        ("a", "e", 60.0, START, None, START),
        ("e", "e", 60.0, START, None, START),
        ("a", "f", 30.0, START, None, START),
        ("a", "f", 40.0, date(2025, 1, 1), None, START),
    )

    found = stakes_at(frame, DAY).select("owned", "lo").rows()

    # of two reports of one stake the newer one counts; a company's own shares count for nobody
    assert sorted(found) == [("e", 60.0), ("f", 40.0)]


ROOT = ContentRoot(shipped_root(), "test")
EVENTS = typed_from_text(ROOT.read_csv("factors/events.csv"), Events, "factors/events.csv")


@pytest.mark.parametrize(
    ("list_id", "day", "state"),
    [
        ("EL", "2025-09-28", "off"),
        ("EL", "2025-09-29", "in_force"),
        ("EL", "2025-10-15", "in_force"),
        ("EL", "2025-11-09", "in_force"),
        ("EL", "2025-11-10", "off"),
        ("EL", "2026-11-09", "off"),
        ("EL", "2026-11-10", "unknown"),
        ("SDN", "2020-01-01", "in_force"),
        ("NS-CMIC", "2025-10-15", "off"),
        ("1260H", "2025-10-15", "off"),
    ],
)
def test_the_rule_holds_in_its_windows_only(list_id, day, state):
    assert rule_state(list_id, date.fromisoformat(day), EVENTS) == state


def test_an_entered_outcome_settles_the_rule():
    rule = EVENTS.filter(pl.col("mechanism") == "ownership_rule")
    revived = rule.with_columns(
        pl.lit("US-2026-11-10-AFFILIATES").alias("event_id"),
        pl.lit(date(2026, 11, 10)).alias("effective"),
        pl.lit(date(2026, 11, 10)).alias("known_on"),
        pl.lit(None, dtype=pl.Date).alias("suspended_from"),
        pl.lit(None, dtype=pl.Date).alias("suspended_to"),
    )
    ended = revived.with_columns(pl.lit(date(2026, 12, 1)).alias("ended"))

    assert rule_state("EL", date(2026, 11, 20), pl.concat([rule, revived])) == "in_force"
    assert rule_state("EL", date(2026, 12, 20), pl.concat([rule, ended])) == "off"


def listed(issuer, list_id):
    row = dict.fromkeys(ListLinks.columns())
    row |= {"link_id": f"{issuer}.{list_id}", "issuer_id": issuer, "list_id": list_id}
    row |= {
        "row_name": issuer,
        "row_key": issuer,
        "relation": "self",
        "mechanism": "entity_licence",
    }
    row |= {"citation": "c", "valid_from": START, "known_on": START, "decision": "accepted"}
    row |= {"reviewed_on": START, "source_id": "s", "locator": "l"}
    return row


def links(*rows):
    return ListLinks.validate(pl.DataFrame(list(rows), schema=empty(ListLinks).schema))


OWNED = ownership(
    ("group", "unit", 60.0, START, None, START), ("group", "open", None, START, None, START)
)


def reach(list_id, day):
    found = ownership_reach(OWNED, links(listed("group", list_id)), EVENTS, date.fromisoformat(day))
    return dict(found.select("issuer_id", "verdict").iter_rows())


def test_the_entity_list_reaches_units_in_the_window_of_the_rule():
    assert reach("EL", "2025-09-28") == {}
    assert reach("EL", "2025-10-15") == {"unit": "caught", "open": "unresolved"}
    assert reach("EL", "2025-11-10") == {}
    assert reach("EL", "2026-11-10") == {"unit": "unresolved", "open": "unresolved"}


def test_ofac_reaches_units_always_and_the_military_companies_never():
    assert reach("SDN", "2024-06-30") == {"unit": "caught", "open": "unresolved"}
    assert reach("NS-CMIC", "2025-10-15") == {}


def test_the_sentence_says_through_whom_and_how_much():
    found = ownership_reach(OWNED, links(listed("group", "EL")), EVENTS, DAY)

    said = dict(found.select("issuer_id", "wording").iter_rows())
    assert said["unit"] == "EL: owned 60% by group; the 50% rule applies as of 2025-10-15"
    assert said["open"].startswith("list EL unresolved as of 2025-10-15: owned 0% to 100% by group")
    later = ownership_reach(OWNED, links(listed("group", "EL")), EVENTS, date(2026, 11, 20))
    assert all("whether the 50% rule is in force is not known" in text for text in later["wording"])


def parent_of(issuer, owner, list_id):
    return listed(issuer, list_id) | {"relation": "parent", "row_name": owner, "row_key": owner}


@pytest.mark.parametrize(
    ("list_id", "day", "verdicts"),
    [
        ("SDN", "2024-06-30", {"child": "unresolved"}),
        ("EL", "2024-06-30", {}),
        ("EL", "2025-10-15", {"child": "unresolved"}),
        ("NS-CMIC", "2025-10-15", {}),
    ],
)
def test_a_reviewed_parent_whose_share_nobody_states_is_an_unknown_percentage(
    list_id, day, verdicts
):
    frame = links(parent_of("child", "somebody", list_id))

    found = ownership_reach(OWNED.clear(), frame, EVENTS, date.fromisoformat(day))

    assert dict(found.select("issuer_id", "verdict").iter_rows()) == verdicts
    assert all("owned 0% to 100% by somebody" in text for text in found["wording"])


def test_a_stated_share_of_the_parent_decides():
    frame = links(listed("group", "SDN"), parent_of("minor", "group", "SDN"))
    minor = ownership(("group", "minor", 31.9, START, None, START))

    assert ownership_reach(minor, frame, EVENTS, date(2024, 6, 30)).is_empty()
    other = ownership(("another", "minor", 31.9, START, None, START))
    found = ownership_reach(other, frame, EVENTS, date(2024, 6, 30))
    assert dict(found.select("issuer_id", "verdict").iter_rows()) == {"minor": "unresolved"}
