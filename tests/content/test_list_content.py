"""What the shipped links say of the project's names, day by day, and that nobody is silently left out.

The table of facts is that of the lists page, section 8: each start is asked the day before and on the day.
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from exposure.factors.scoring import list_status_at, score_issuers
from exposure.lists.status import LISTS

NEWEST = date(2026, 7, 31)

# issuer, list, first day, relation, mechanisms in force on that day
FACTS = [
    ("inspur", "EL", "2023-03-02", "parent", {"entity_licence", "fdpr_fn4"}),
    ("inspur", "EL", "2025-03-25", "self", {"entity_licence", "fdpr_fn4"}),
    ("inspur", "NS-CMIC", "2021-06-03", "parent", {"listing"}),
    ("inspur", "1260H", "2021-06-03", "parent", {"listing"}),
    ("inspur_software", "EL", "2023-03-02", "parent", {"entity_licence", "fdpr_fn4"}),
    ("inspur_software", "EL", "2025-03-25", "self", {"entity_licence", "fdpr_fn4"}),
    ("inspur_digital", "EL", "2023-03-02", "parent", {"entity_licence", "fdpr_fn4"}),
    ("sugon", "EL", "2019-06-24", "self", {"entity_licence"}),
    ("sugon", "EL", "2022-10-07", "self", {"entity_licence", "fdpr_fn4"}),
    ("sugon", "NS-CMIC", "2021-12-16", "self", {"listing"}),
    ("sugon", "NS-CMIC", "2022-02-14", "self", {"listing", "investment_ban"}),
    ("sugon", "1260H", "2022-10-05", "self", {"listing"}),
    ("hygon", "EL", "2019-06-24", "self", {"entity_licence"}),
    ("hygon", "EL", "2022-10-07", "self", {"entity_licence", "fdpr_fn4"}),
    ("unisplendour", "EL", "2021-11-26", "subsidiary", {"entity_licence"}),
    ("unisplendour", "EL", "2022-10-07", "subsidiary", {"entity_licence", "fdpr_fn4"}),
    ("cambricon", "EL", "2022-12-16", "self", {"entity_licence", "fdpr_fn4"}),
    ("smic", "EL", "2020-12-18", "self", {"entity_licence"}),
    ("smic", "EL", "2024-12-02", "self", {"entity_licence", "fdpr_fn5"}),
    ("smic", "NS-CMIC", "2021-06-03", "self", {"listing"}),
    ("smic", "1260H", "2021-06-03", "self", {"listing"}),
    ("smic", "SHTC", "2025-06-14", "self", {"foreign_permit"}),
    ("empyrean", "EL", "2024-12-02", "self", {"entity_licence"}),
    ("naura", "EL", "2024-12-02", "self", {"entity_licence"}),
    ("piotech", "EL", "2024-12-02", "self", {"entity_licence"}),
    ("acm_shanghai", "EL", "2024-12-02", "self", {"entity_licence"}),
    ("kingsemi", "EL", "2024-12-02", "self", {"entity_licence"}),
    ("nsig", "EL", "2024-12-02", "subsidiary", {"entity_licence"}),
    ("amec", "1260H", "2024-01-31", "self", {"listing"}),
    ("loongson", "EL", "2023-03-02", "self", {"entity_licence", "fdpr_fn4"}),
    ("fourth_paradigm", "EL", "2023-03-02", "self", {"entity_licence", "fdpr_fn4"}),
    ("centec", "EL", "2023-03-02", "self", {"entity_licence"}),
    ("jingjia", "EL", "2021-12-17", "self", {"entity_licence"}),
    ("jingjia", "EL", "2022-10-07", "self", {"entity_licence", "fdpr_fn4"}),
    ("jingjia", "NS-CMIC", "2021-06-03", "self", {"listing"}),
    ("hikvision", "EL", "2019-10-09", "self", {"entity_licence"}),
    ("hikvision", "NS-CMIC", "2021-06-03", "self", {"listing"}),
    ("hikvision", "1260H", "2021-06-03", "self", {"listing"}),
    ("dahua", "EL", "2019-10-09", "self", {"entity_licence"}),
    ("dahua", "EL", "2022-10-07", "self", {"entity_licence", "fdpr_fn4"}),
    ("dahua", "1260H", "2022-10-05", "self", {"listing"}),
    ("iflytek", "EL", "2019-10-09", "self", {"entity_licence"}),
    ("iflytek", "EL", "2022-10-07", "self", {"entity_licence", "fdpr_fn4"}),
    ("sensetime", "EL", "2019-10-09", "subsidiary", {"entity_licence"}),
    ("sensetime", "EL", "2022-10-07", "subsidiary", {"entity_licence", "fdpr_fn4"}),
    ("sensetime", "NS-CMIC", "2021-12-10", "self", {"listing"}),
    ("sensetime", "1260H", "2025-01-07", "self", {"listing"}),
    ("integrity_tech", "SDN", "2025-01-03", "self", {"blocking"}),
    ("tencent", "1260H", "2025-01-07", "self", {"listing"}),
    ("catl", "1260H", "2025-01-07", "self", {"listing"}),
    ("quectel", "1260H", "2025-01-07", "self", {"listing"}),
    ("autel", "1260H", "2026-06-08", "self", {"listing"}),
    ("autel_robotics", "1260H", "2025-01-07", "self", {"listing"}),
    ("alibaba", "1260H", "2026-06-08", "self", {"listing"}),
    ("baidu", "1260H", "2026-06-08", "self", {"listing"}),
    ("byd", "1260H", "2026-06-08", "self", {"listing"}),
    ("zte", "EL", "2016-12-31", "subsidiary", {"entity_licence"}),
    ("zte", "DPL", "2018-04-16", "self", {"denial_order"}),
    ("huawei", "EL", "2019-05-16", "self", {"entity_licence"}),
    ("huawei", "EL", "2020-05-15", "self", {"entity_licence", "fdpr_fn1"}),
    ("huawei", "NS-CMIC", "2021-06-03", "self", {"listing"}),
    ("huawei", "1260H", "2021-06-03", "self", {"listing"}),
    ("ymtc", "EL", "2022-12-16", "self", {"entity_licence"}),
    ("ymtc", "1260H", "2024-01-31", "self", {"listing"}),
    ("cxmt", "1260H", "2025-01-07", "self", {"listing"}),
]  # fmt: skip
# the last edition was read to this day: nothing of these issuers is on it
ABSENT = [
    (issuer, list_id)
    for issuer in ("digital_china", "talkweb", "isoftstone", "fii", "lenovo", "xfusion")
    for list_id in LISTS
] + [
    ("amec", "EL"), ("integrity_tech", "EL"), ("tencent", "EL"), ("catl", "EL"), ("quectel", "EL"), ("autel", "EL"),
    ("zte", "SDN"), ("zte", "NS-CMIC"), ("cambricon", "SDN"), ("byd", "EL"), ("unisplendour", "NS-CMIC"),
]  # fmt: skip


@pytest.fixture(scope="module")
def asked(catalog):
    days: dict[date, dict[tuple[str, str], dict]] = {}

    def ask(issuer: str, list_id: str, day: date) -> dict:
        if day not in days:
            frame = list_status_at(catalog, day)
            days[day] = {(r["issuer_id"], r["list_id"]): r for r in frame.iter_rows(named=True)}
        return days[day].get(
            (issuer, list_id), {"status": "not_asked", "relation": None, "mechanisms": None}
        )

    return ask


@pytest.mark.parametrize(("issuer", "list_id", "day", "relation", "mechanisms"), FACTS)
def test_a_listing_holds_from_its_day_on_and_not_before(
    asked, issuer, list_id, day, relation, mechanisms
):
    first = date.fromisoformat(day)

    on = asked(issuer, list_id, first)
    before = asked(issuer, list_id, first - timedelta(days=1))

    assert on["status"] == ("listed" if relation == "self" else "related")
    assert (on["relation"], set(on["mechanisms"].split(";"))) == (relation, mechanisms)
    assert (before["relation"], before["mechanisms"]) != (on["relation"], on["mechanisms"])


@pytest.mark.parametrize(("issuer", "list_id"), ABSENT)
def test_who_is_not_on_a_list_is_so_by_an_edition(asked, issuer, list_id):
    answer = asked(issuer, list_id, NEWEST)

    assert answer["status"] == "not_on_list"
    assert answer["wording"].startswith(f"not on list {list_id} as of 2026-07-31 (edition 2026-0")


def test_what_ended_is_over_once_that_was_known(asked):
    assert asked("amec", "1260H", date(2024, 12, 16))["status"] == "listed"
    assert asked("amec", "1260H", date(2024, 12, 17))["status"] == "not_on_list"
    assert asked("zte", "DPL", date(2018, 7, 12))["status"] == "listed"
    assert asked("zte", "DPL", date(2018, 7, 13))["status"] == "not_asked"


def test_a_namesake_is_said_and_makes_nobody_listed(asked):
    early = asked("autel", "1260H", date(2025, 2, 28))

    assert (early["status"], early["relation"]) == ("not_on_list", "homonym")
    assert "Autel Robotics" in early["wording"]


def test_footnote_5_is_on_the_fabs_and_not_on_tianjin_or_shenzhen(catalog):
    rows = catalog.list_links.filter(
        (pl.col("issuer_id") == "smic") & (pl.col("mechanism") == "fdpr_fn5")
    )["row_name"]

    assert rows.len() == 5
    assert not rows.str.contains("Tianjin|Shenzhen").any()


# --- nobody is left out silently ----------------------------------------------------------------------------------

OPEN_ON_EL = {"tongfang"}  # two rows carry its name; whether it controls them is not in evidence


def test_every_issuer_was_looked_for_on_the_lists_whose_whole_edition_we_have(catalog):
    done = set(catalog.screened.select("issuer_id", "list_id").iter_rows())
    issuers = set(catalog.master.issuers["issuer_id"])

    assert {issuer for issuer in issuers if (issuer, "EL") not in done} == OPEN_ON_EL
    assert {issuer for issuer in issuers if (issuer, "SDN") not in done} == set()
    assert {issuer for issuer in issuers if (issuer, "NS-CMIC") not in done} == set()


def test_who_was_not_looked_for_is_unresolved_and_never_absent(catalog):
    done = set(catalog.screened.select("issuer_id", "list_id").iter_rows())
    answers = list_status_at(catalog, NEWEST).filter(pl.col("list_id").is_in(LISTS))

    for row in answers.iter_rows(named=True):
        if row["status"] == "not_on_list":
            assert (row["issuer_id"], row["list_id"]) in done
        if (row["issuer_id"], row["list_id"]) not in done:
            assert row["status"] in ("unresolved", "listed", "related")
    assert answers.filter(pl.col("status") == "unresolved").height > 0


def test_an_open_screening_is_a_missing_score_and_stands_on_the_research_list(catalog):
    from exposure.factors.research import research_list

    scores = score_issuers(catalog, ["tongfang"], NEWEST, ["entity_list_status"])
    assert scores.select("status", "mid").row(0) == ("missing", None)

    points = research_list(catalog, {"tongfang": 1.0}, NEWEST, ["entity_list_status"])
    found = points.filter(pl.col("subject") == "tongfang")
    assert found.height == 1
    assert "factors/lists/screened.csv" in str(found.to_dicts())


def test_a_decided_pair_is_decided_one_way(catalog):
    decided = catalog.list_links.group_by("issuer_id", "list_id", "row_key").agg(
        pl.col("decision").n_unique()
    )

    assert decided.filter(pl.col("decision") > 1).is_empty()
    assert set(catalog.list_links["decision"]) == {"accepted", "rejected"}
