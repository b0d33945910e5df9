"""What a list means for a holder: every mechanism in force has its sentence in both languages, with the right dates."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from exposure.content import ContentRoot
from exposure.errors import ContentError
from exposure.lists.meanings import load_meanings
from exposure.lists.status import RELATIONS

ENTRY = """
[lists.EL]
zh = "实体清单"
en = "Entity List"
ownership_rule = "windows"

[[meaning]]
list = "EL"
mechanism = "entity_licence"
relation = "self"
us_person = "yes"
zh = "自{since}"
en = "since {since}"
"""


def load(tmp_path, text: str):
    path = tmp_path / "factors" / "lists" / "meanings.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return load_meanings(ContentRoot(tmp_path, "test"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('us_person = "yes"', 'us_person = "maybe"'), "us_person"),
        (('relation = "self"', 'relation = "cousin"'), "relation"),
        (('{since}"\nen', '{until}"\nen'), "blank"),
        (('list = "EL"', 'list = "XX"'), "names the list"),
        (('ownership_rule = "windows"', 'ownership_rule = "sometimes"'), "ownership rule"),
        (('us_person = "yes"', 'us_persons = "yes"'), "unknown key"),
    ],
)
def test_a_slip_is_named(tmp_path, change, message):
    with pytest.raises(ContentError, match=message):
        load(tmp_path, ENTRY.replace(*change))


def test_two_sentences_for_one_thing_are_refused(tmp_path):
    second = ENTRY[ENTRY.index("[[meaning]]") :]

    with pytest.raises(ContentError, match="two sentences"):
        load(tmp_path, ENTRY + second)


def test_every_link_in_the_content_has_its_sentence(catalog):
    accepted = catalog.list_links.filter(
        (pl.col("decision") == "accepted") & pl.col("relation").is_in(RELATIONS)
    )
    own = accepted.filter(pl.col("relation") == "self").select("list_id", "mechanism").unique()
    known = catalog.meanings.sentences

    assert [
        key for key in own.sort("list_id", "mechanism").rows() if (*key, "self") not in known
    ] == []
    related = set(accepted.filter(pl.col("relation") != "self")["list_id"])
    assert {key[0] for key in known if key[2] == "affiliate"} >= related


def test_the_day_before_which_to_sell_is_the_one_that_ofac_prints(catalog):
    links = catalog.list_links.filter(
        (pl.col("list_id") == "NS-CMIC")
        & (pl.col("mechanism") == "listing")
        & (pl.col("relation") == "self")
    )
    days = catalog.meanings.lists["NS-CMIC"].sell_within_days

    assert days is not None
    printed = links.filter(pl.col("reviewer_note").str.contains("sell by"))
    assert printed.height > 15
    for day, note in printed.select("valid_from", "reviewer_note").iter_rows():
        assert f"sell by {(day + timedelta(days=days)).isoformat()}" in note


def of(catalog, issuer: str, list_id: str, day: date, *, caught: bool = False):
    from exposure.factors.scoring import list_status_at

    status = list_status_at(catalog, day).row(
        by_predicate=(pl.col("issuer_id") == issuer) & (pl.col("list_id") == list_id), named=True
    )
    links = catalog.list_links.filter(pl.col("link_id").is_in(status["link_ids"])).to_dicts()
    return catalog.meanings.of(status, links, day, caught=caught)


@pytest.mark.parametrize(
    ("issuer", "list_id", "day", "us_person", "sell_by"),
    [
        ("sugon", "NS-CMIC", date(2021, 12, 31), "yes", date(2022, 12, 16)),  # named, ban to come
        ("sugon", "NS-CMIC", date(2022, 2, 14), "sell_only", date(2022, 12, 16)),
        ("sugon", "NS-CMIC", date(2022, 12, 15), "sell_only", date(2022, 12, 16)),
        ("sugon", "NS-CMIC", date(2022, 12, 16), "no", date(2022, 12, 16)),  # before 12:01 a.m.
        ("integrity_tech", "SDN", date(2025, 1, 24), "no", None),
        ("smic", "EL", date(2025, 1, 24), "yes", None),
        ("inspur", "NS-CMIC", date(2025, 1, 24), "yes", None),  # the parent's row: no 50% rule
        ("tencent", "1260H", date(2025, 1, 24), "yes", None),
        ("talkweb", "EL", date(2025, 1, 24), None, None),
    ],
)
def test_may_a_us_person_hold_it(catalog, issuer, list_id, day, us_person, sell_by):
    meaning = of(catalog, issuer, list_id, day)

    assert (meaning.us_person, meaning.sell_by) == (us_person, sell_by)
    assert bool(meaning.zh) == bool(meaning.en) == (us_person is not None)
    assert "{" not in meaning.zh + meaning.en


def test_an_ownership_rule_says_so_in_place_of_the_relative(catalog):
    meaning = of(catalog, "inspur_digital", "EL", date(2025, 1, 24), caught=True)

    assert "50% affiliates rule" in meaning.en


def test_the_sentences_of_what_may_not_be_sold_order_no_sale(catalog):
    blocked = of(catalog, "integrity_tech", "SDN", date(2025, 1, 24))
    late = of(catalog, "sugon", "NS-CMIC", date(2025, 1, 24))

    assert "neither buy nor sell" in blocked.en
    assert "不得卖出" in blocked.zh
    assert "before 2022-12-16, none from that day on without a licence of OFAC" in late.en
    assert "须在2022-12-16之前完成" in late.zh


def test_a_rule_to_come_is_not_told_as_in_force(catalog):
    before = of(catalog, "inspur_digital", "1260H", date(2026, 6, 29))
    after = of(catalog, "inspur_digital", "1260H", date(2026, 6, 30))

    assert "ban" not in before.en
    assert "采购" not in before.zh
    assert "Since 2026-06-30 the Department's procurement ban also reaches" in after.en
    assert "自2026-06-30起" in after.zh


def test_both_languages_say_that_the_foundries_are_advanced_ones(catalog):
    sentence = catalog.meanings.sentences["EL", "fdpr_fn4", "self"]

    assert "advanced foreign foundries" in sentence.en
    assert "境外先进制程代工" in sentence.zh


def test_where_nobody_can_say_a_list_that_bans_no_holding_still_bans_none(catalog):
    held = {name: catalog.meanings.unresolved(name).us_person for name in catalog.meanings.lists}

    assert {name for name, answer in held.items() if answer == "unknown"} == {"SDN", "NS-CMIC"} | {
        name for name in held if not any(key[0] == name for key in catalog.meanings.sentences)
    }
    assert held["EL"] == held["1260H"] == "yes"
