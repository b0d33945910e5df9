"""A list that a mandate excludes empties the name, with the list as the reason; a name nobody screened is not bought.

A user would notice a failure as a US-person fund that buys what it may not hold, sells what it may not sell, or is kept
out of what it may hold.
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


def test_a_us_person_is_never_told_to_sell_what_may_not_be_sold(book, catalog, risk, mandate):
    plan = rebalance(book, catalog, mandate=mandate(us_person=True), risk=risk)

    assert plan.status.is_ok
    found = targets(plan)
    now = dict(plan.weights.select("listing_id", "weight_now").iter_rows())
    # NS-CMIC: sales had to be made before 2022-12-16 and 2022-06-03; this is 2025-01-24
    for name in ("603019.SH", "688981.SH"):
        assert now[name] > 0.01
        assert found[name] == pytest.approx(now[name], abs=1e-9)
        assert plan.trades.filter(pl.col("listing_id") == name).is_empty()
    # on the Entity List or owned by a company on NS-CMIC: no bar to holding
    assert found["688256.SH"] > 0.01
    assert found["000977.SZ"] > 0.01
    told = plan.issues.filter(pl.col("rule") == "list_frozen")
    assert set(told["severity"]) == {"warning"}
    assert any("had to be made before 2022-12-16" in text for text in told["message"])
    assert told["message"].str.ends_with("a sale needs a licence of OFAC").all()


def test_a_blocked_share_is_neither_bought_nor_sold(catalog, mandate):
    found = barred_by_lists(catalog, mandate(us_person=True), ["integrity_tech", "talkweb"], DAY)

    assert (found.excluded, found.not_bought, found.frozen) == ((), (), (0,))
    assert [row["rule"] for row in found.issues] == ["list_frozen"]
    # nor because another list of the mandate wants it out; who is no US person may sell
    both = barred_by_lists(catalog, mandate('["EL"]', us_person=True), ["sugon"], DAY)
    assert (both.excluded, both.frozen) == ((), (0,))
    other = barred_by_lists(catalog, mandate('["SDN"]'), ["integrity_tech"], DAY)
    assert (other.excluded, other.frozen) == ((("exclude:SDN", (0,)),), ())


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
    assert "to be sold before 2022-12-16" in str(inside.issues[0]["message"])
    assert asked("2022-12-15").excluded == (("exclude:NS-CMIC", (0,)),)
    for day in ("2022-12-16", "2023-01-02"):
        assert (asked(day).excluded, asked(day).frozen) == ((), (0,))
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

    assert (found.excluded, found.frozen) == ((), (0,))
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


def test_a_match_that_waits_in_the_queue_is_not_bought(catalog, mandate, tmp_path):
    from exposure.content import find_content

    queue = tmp_path / "factors" / "lists" / "proposals.csv"
    queue.parent.mkdir(parents=True)
    queue.write_text(
        "proposal_id,kind,issuer_id,list_id,decision\nsdn-1,match,talkweb,SDN,open\n"
        "el-1,match,talkweb,EL,open\nsdn-2,match,inspur,SDN,rejected\n",
        encoding="utf-8",
    )
    mine = replace(catalog, root=find_content(tmp_path))

    found = barred_by_lists(mine, mandate(us_person=True), ["talkweb", "inspur"], DAY)

    assert (found.excluded, found.not_bought) == ((), (0,))
    assert "a possible match waits for a person" in str(found.issues[0]["message"])


def test_an_issuer_outside_the_catalog_is_not_bought(catalog, mandate):
    found = barred_by_lists(catalog, mandate(us_person=True), ["some_user_company"], DAY)

    assert (found.excluded, found.not_bought) == ((), (0,))
    assert "does not know some_user_company" in str(found.issues[0]["message"])
