"""A list that a mandate excludes empties the name, with the list as the reason; a name nobody screened is not bought.

A user would notice a failure as a US-person fund that buys what it may not hold, or is kept out of what it may.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import polars as pl
import pytest

from exposure.optimiser.exclusions import barred_by_lists
from exposure.optimiser.planning import rebalance
from exposure.portfolios.mandates import load_mandate

DAY = date(2025, 1, 24)
MANDATE = """
name = "test"
base_currency = "CNY"
us_person = {us_person}

[objective]
kind = "min_tracking_error"

[universe]
names = "holdings+benchmark"
exclude_lists = {lists}

[position]
max = "60%"

[cash]
max = "40%"
"""


@pytest.fixture
def mandate(tmp_path):
    def write(lists: str = "[]", *, us_person: bool = False):
        path = tmp_path / "mandate.toml"
        path.write_text(
            MANDATE.format(lists=lists, us_person=str(us_person).lower()), encoding="utf-8"
        )
        return load_mandate(path)

    return write


def targets(plan) -> dict[str, float]:
    return dict(plan.weights.select("listing_id", "weight_target").iter_rows())


def test_a_us_person_sells_what_the_ban_covers_and_nothing_else(book, catalog, risk, mandate):
    plan = rebalance(book, catalog, mandate=mandate(us_person=True), risk=risk)

    assert plan.status.is_ok
    found = targets(plan)
    assert found["603019.SH"] == pytest.approx(0.0, abs=1e-9)  # NS-CMIC, ban since 2022-02-14
    assert found["688981.SH"] == pytest.approx(0.0, abs=1e-9)
    # on the Entity List or owned by a company on NS-CMIC: no bar to holding
    assert found["688256.SH"] > 0.01
    assert found["000977.SZ"] > 0.01
    sold = plan.trades.filter(pl.col("listing_id") == "603019.SH").row(0, named=True)
    assert (sold["reason_code"], sold["reason_subject"]) == ("exclusion", "NS-CMIC")
    told = plan.issues.filter(pl.col("rule") == "list_excluded")["message"]
    assert any("sales by a US person ended 2022-12-16" in text for text in told)


def test_without_us_person_nothing_is_excluded(book, catalog, risk, mandate):
    plan = rebalance(book, catalog, mandate=mandate(), risk=risk)

    assert targets(plan)["603019.SH"] > 0.01


def test_a_mandate_may_exclude_any_list(book, catalog, risk, mandate):
    plan = rebalance(book, catalog, mandate=mandate('["EL"]'), risk=risk)

    found = targets(plan)
    assert {
        name for name in ("603019.SH", "688041.SH", "688256.SH", "688981.SH") if found[name] > 1e-9
    } == set()
    assert found["000977.SZ"] > 0.01  # its parent is listed, not itself
    subjects = plan.trades.filter(pl.col("reason_code") == "exclusion")["reason_subject"]
    assert set(subjects) == {"EL"}


def test_the_ban_counts_from_its_day_and_has_a_last_day_to_sell(catalog, mandate):
    us = mandate(us_person=True)

    def asked(day: str):
        return barred_by_lists(catalog, us, ["sugon"], date.fromisoformat(day))

    assert asked("2022-02-13").excluded == ()  # named, ban not yet in effect
    inside = asked("2022-03-01")
    assert inside.excluded == (("exclude:NS-CMIC", (0,)),)
    assert "to be sold by 2022-12-16" in str(inside.issues[0]["message"])
    assert "ended 2022-12-16" in str(asked("2023-01-02").issues[0]["message"])
    # a mandate that names the list itself goes by the listing
    named = barred_by_lists(catalog, mandate('["NS-CMIC"]'), ["sugon"], date(2022, 2, 13))
    assert named.excluded == (("exclude:NS-CMIC", (0,)),)


def test_what_blocked_parties_own_half_of_is_excluded_too(catalog, mandate):
    stake = catalog.master.ownership.head(1).with_columns(
        pl.lit("integrity_tech").alias("owner"),
        pl.lit("talkweb").alias("owned"),
        pl.lit(50.0).alias("lo"),
        pl.lit(50.0).alias("hi"),
        pl.lit(date(2025, 1, 5)).alias("valid_from"),
        pl.lit(date(2025, 1, 5)).alias("known_on"),
    )
    owned = replace(
        catalog,
        master=replace(catalog.master, ownership=pl.concat([catalog.master.ownership, stake])),
    )

    found = barred_by_lists(owned, mandate(us_person=True), ["talkweb"], DAY)
    apart = barred_by_lists(catalog, mandate(us_person=True), ["talkweb"], DAY)

    assert found.excluded == (("exclude:SDN", (0,)),)
    assert (apart.excluded, apart.not_bought) == ((), ())


def test_a_stake_that_is_not_known_is_not_bought(catalog, mandate):
    stake = catalog.master.ownership.head(1).with_columns(
        pl.lit("integrity_tech").alias("owner"),
        pl.lit("talkweb").alias("owned"),
        pl.lit(None, dtype=pl.Float64).alias("lo"),
        pl.lit(None, dtype=pl.Float64).alias("hi"),
        pl.lit(date(2025, 1, 5)).alias("valid_from"),
        pl.lit(date(2025, 1, 5)).alias("known_on"),
    )
    owned = replace(
        catalog,
        master=replace(catalog.master, ownership=pl.concat([catalog.master.ownership, stake])),
    )

    found = barred_by_lists(owned, mandate(us_person=True), ["talkweb"], DAY)

    assert (found.excluded, found.not_bought) == ((), (0,))
    assert [row["rule"] for row in found.issues] == ["list_unresolved"]


def test_a_name_that_nobody_screened_is_never_bought_and_said(book, catalog, risk, mandate):
    unscreened = replace(
        catalog, screened=catalog.screened.filter(pl.col("issuer_id") != "digital_china")
    )

    plan = rebalance(book, unscreened, mandate=mandate(us_person=True), risk=risk)

    before = dict(plan.weights.select("listing_id", "weight_now").iter_rows())["000034.SZ"]
    assert targets(plan)["000034.SZ"] <= before + 1e-9
    told = plan.issues.filter(pl.col("rule") == "list_unresolved")
    assert "digital_china" in set(told["raw"])
    assert set(told["severity"]) == {"warning"}


def test_an_issuer_outside_the_catalog_is_not_bought(catalog, mandate):
    found = barred_by_lists(catalog, mandate(us_person=True), ["some_user_company"], DAY)

    assert (found.excluded, found.not_bought) == ((), (0,))
    assert "does not know some_user_company" in str(found.issues[0]["message"])
