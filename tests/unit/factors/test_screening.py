"""A screening answers for every issuer and list, keeps status and economics apart, and never says that all is well.

A user would notice a failure as a compliance report that is silent about a holding, or calls absence a clearance.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import polars as pl
import pytest

import exposure as ex
from exposure.errors import UsageError
from exposure.factors.cliffs import cliffs
from exposure.factors.scoring import list_status_at
from exposure.factors.screening import screen
from exposure.lists.status import LISTS

DAY = date(2025, 1, 24)


@pytest.fixture(scope="module")
def found(book, catalog):
    return screen(book, catalog)


def row(result, issuer: str, list_id: str):
    return result.rows.row(
        by_predicate=(pl.col("issuer_id") == issuer) & (pl.col("list_id") == list_id), named=True
    )


def test_every_issuer_has_a_line_on_every_list(book, found):
    issuers = set(book.holdings["issuer_id"])

    lines = set(found.rows.select("issuer_id", "list_id").iter_rows())
    assert {(issuer, list_id) for issuer in issuers for list_id in LISTS} <= lines


def test_what_matters_comes_first(found):
    order = ["listed", "related", "unresolved", "not_on_list"]
    ranks = [order.index(status) for status in found.rows["status"]]

    assert ranks == sorted(ranks)
    assert found.rows["list_id"][0] == "NS-CMIC"  # binds a US person; the Entity List does not


def test_a_line_says_relation_row_rule_day_and_what_follows(found):
    sugon, inspur = row(found, "sugon", "NS-CMIC"), row(found, "inspur", "EL")

    assert (sugon["relation"], sugon["us_person"], sugon["sell_by"]) == (
        "self",
        "no",
        date(2022, 12, 16),
    )
    assert "2022-02-14" in sugon["meaning_en"]
    assert "2022-02-14" in sugon["meaning_zh"]
    assert (inspur["status"], inspur["relation"], inspur["us_person"]) == (
        "related",
        "parent",
        "yes",
    )
    assert inspur["citation"] == "88 FR 13675"
    assert inspur["since"] == date(2023, 3, 2)
    assert "Inspur Group" in inspur["meaning_en"]
    assert sugon["reviewed_on"] is not None


def test_absence_is_dated_and_no_permission(found, book, catalog):
    early = row(found, "talkweb", "EL")
    late = row(screen(book, catalog, date(2026, 8, 3)), "talkweb", "EL")

    assert early["wording"] == "not on list EL as of 2025-01-24, by the dates of the cited rules"
    assert late["wording"] == "not on list EL as of 2026-08-03 (edition 2026-07-31)"
    assert (early["us_person"], early["meaning_en"]) == (None, "")
    text = str(found.to_dict()).lower()
    assert "clear" not in text


def test_an_issuer_outside_the_catalog_is_unresolved_on_every_list(book, catalog):
    stranger = book.holdings.with_columns(
        pl.when(pl.col("listing_id") == "000034.SZ")
        .then(pl.lit("own_master_company"))
        .otherwise("issuer_id")
        .alias("issuer_id")
    )

    result = screen(replace(book, holdings=stranger), catalog)

    lines = result.rows.filter(pl.col("listing_ids").list.contains("000034.SZ"))
    assert set(lines["list_id"]) == set(LISTS)
    assert set(lines["status"]) == {"unresolved"}
    assert lines["wording"].str.contains("not screened").all()


def test_a_listed_supplier_is_named_apart_and_changes_no_status(found):
    suppliers = found.suppliers.filter(pl.col("issuer_id") == "talkweb")

    assert set(suppliers["supplier_id"]) == {"huawei"}
    assert {"EL", "NS-CMIC"} <= set(suppliers["list_id"])
    assert row(found, "talkweb", "EL")["status"] == "not_on_list"


def test_a_supplier_listed_later_is_not_known_earlier(book, catalog):
    early = screen(book, catalog, date(2024, 11, 29))

    assert "naura" not in set(early.suppliers["supplier_id"])  # listed on 2024-12-02


def test_the_footer_names_edition_rows_and_age(book, catalog):
    late = screen(book, catalog, date(2026, 11, 20))

    lines = dict(late.editions.select("list_id", "line").iter_rows())
    assert lines["EL"].startswith("EL edition 2026-07-31, 3420 rows; 112 days old, 30 allowed")
    assert all(line.endswith("screening aid, not legal advice") for line in lines.values())


def test_only_the_lists_asked_for(book, catalog):
    result = screen(book, catalog, lists=["SDN", "MEU"])

    assert set(result.rows["list_id"]) == {"SDN", "MEU"}
    # nobody screened the issuers on MEU: that is no absence
    assert set(result.rows.filter(pl.col("list_id") == "MEU")["status"]) == {"unresolved"}
    with pytest.raises(UsageError, match="SDN"):
        screen(book, catalog, lists=["SDM"])


def test_the_affiliates_rule_is_a_cliff_until_it_has_passed(catalog):
    def due(day: date):
        frame = cliffs(catalog.events, day)
        return dict(frame.select("event_id", "due").iter_rows())

    assert due(date(2026, 9, 1))["US-2025-09-29-AFFILIATES"] == date(2026, 11, 10)
    assert "US-2025-09-29-AFFILIATES" not in due(date(2026, 8, 1))
    assert "US-2025-09-29-AFFILIATES" not in due(date(2026, 11, 10))
    assert due(date(2025, 9, 28)) == {}  # not yet known


@pytest.mark.parametrize(
    ("day", "status", "us_person"),
    [
        ("2025-09-28", "related", "yes"),
        ("2025-10-15", "unresolved", "yes"),  # the stake of the parent is not in evidence
        ("2025-11-10", "related", "yes"),
        ("2026-11-09", "related", "yes"),
        ("2026-11-10", "unresolved", "yes"),
    ],
)
def test_inspur_digital_follows_the_windows_of_the_affiliates_rule(
    book, catalog, day, status, us_person
):
    held = book.holdings.head(1).with_columns(
        pl.lit("inspur_digital").alias("issuer_id"), pl.lit("0596.HK").alias("listing_id")
    )

    answer = row(
        screen(replace(book, holdings=held), catalog, date.fromisoformat(day)),
        "inspur_digital",
        "EL",
    )

    assert (answer["status"], answer["us_person"]) == (status, us_person)


def test_it_is_a_public_name():
    assert ex.screen is screen


@pytest.mark.parametrize(
    ("list_id", "last_good", "first_open"),
    [
        ("EL", "2026-08-30", "2026-08-31"),
        ("SDN", "2026-08-30", "2026-08-31"),
        ("NS-CMIC", "2026-08-30", "2026-08-31"),
        ("1260H", "2026-10-06", "2026-10-07"),
    ],
)
def test_absence_from_an_old_edition_is_open_and_scores_stay(
    book, catalog, list_id, last_good, first_open
):
    def answers(day: str):
        result = screen(book, catalog, date.fromisoformat(day), lists=[list_id])
        return result.rows.filter(pl.col("status").is_in(["not_on_list", "unresolved"]))

    good, late = answers(last_good), answers(first_open)
    absent = set(good.filter(pl.col("status") == "not_on_list")["issuer_id"])
    assert absent
    assert set(late["status"]) == {"unresolved"}
    stale = late.filter(pl.col("issuer_id").is_in(list(absent)))
    # the Entity List and 1260H ban no holding, whoever is on them
    assert set(stale["us_person"]) == {"unknown" if list_id in ("SDN", "NS-CMIC") else "yes"}
    assert stale["wording"].str.contains(r"edition .* is \d+ days old, \d+ allowed").all()
    day = date.fromisoformat(first_open)
    kept = list_status_at(catalog, day, [list_id])
    assert set(kept.filter(pl.col("issuer_id").is_in(list(absent)))["status"]) == {"not_on_list"}


def test_a_list_that_grew_old_is_no_news_of_an_issuer(book, catalog):
    assert screen(book, catalog, date(2026, 8, 31)).news.is_empty()


def test_an_open_match_never_lists_and_leaves_the_listed_listed(book, catalog):
    day = date(2026, 8, 3)
    everything = [(issuer, name) for issuer in book.holdings["issuer_id"] for name in LISTS]

    plain, doubted = screen(book, catalog, day), screen(book, catalog, day, open_pairs=everything)

    assert plain.listed().equals(doubted.listed())
    rest = doubted.rows.filter(pl.col("status") != "listed")
    assert set(rest["status"]) == {"unresolved"}
    banning = rest.filter(pl.col("list_id").is_in(["SDN", "NS-CMIC"]))
    assert set(banning["us_person"]) == {"unknown"}


def test_no_cliff_comes_from_what_was_learnt_later(catalog):
    events = catalog.events
    marks = [
        *events["effective"],
        *events["suspended_from"],
        *events["suspended_to"],
        *events["ended"],
    ]
    around = (-91, -90, -60, -30, -5, -1, 0, 1)
    days = sorted({day + timedelta(days=step) for day in marks if day for step in around})

    for day in days:
        later = pl.col("suspended_from") > day
        told = events.filter(pl.col("known_on") <= day).with_columns(
            *(
                pl.when(later).then(None).otherwise(name).alias(name)
                for name in ("suspended_from", "suspended_to")
            ),
            pl.when(pl.col("ended") > day).then(None).otherwise("ended").alias("ended"),
        )
        assert cliffs(events, day).equals(cliffs(told, day)), day


def test_the_end_of_a_rule_that_nobody_foresaw_is_no_cliff(catalog):
    # EO 14032 replaced EO 13959 on 2021-06-03 and was published that day
    before = cliffs(catalog.events, date(2021, 5, 29))

    assert "US-2020-11-EO13959" not in set(before["event_id"])


def test_what_is_suspended_before_it_starts_does_not_start(catalog):
    package = "CN-2025-10-09-REE-PKG"  # in effect from 2025-11-08, suspended from 2025-11-07

    assert package in set(cliffs(catalog.events, date(2025, 11, 6))["event_id"])
    assert package not in set(cliffs(catalog.events, date(2025, 11, 7))["event_id"])


@pytest.mark.parametrize(
    ("line", "issuer", "list_id"),
    [
        ("600941.SH", "china_mobile", "NS-CMIC"),
        ("1186.HK", "china_railway_construction", "NS-CMIC"),
        ("2359.HK", "wuxi_apptec", "1260H"),
    ],
)
def test_every_line_of_a_listed_issuer_that_the_masters_hold_is_known(
    catalog, line, issuer, list_id
):
    assert (
        dict(catalog.master.listings.select("listing_id", "issuer_id").iter_rows())[line] == issuer
    )
    found = list_status_at(catalog, date(2026, 8, 3), [list_id])
    assert issuer in set(found.filter(pl.col("status") == "listed")["issuer_id"])
