"""The shipped facts load, point at each other, and say what the lists said on the golden days."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import dataframely as dy
import polars as pl
import pytest

from exposure import schemas
from exposure.content import ContentRoot

ROOT = ContentRoot(Path(__file__).resolve().parents[2], "test")
EVIDENCE_TOPICS = ("server_makers", "chip_chain", "market", "policy", "rejected", "gaps")
TABLE_3 = {
    "fii": "601138.SH",
    "inspur": "000977.SZ",
    "lenovo": "0992.HK",
    "unisplendour": "000938.SZ",
    "sugon": "603019.SH",
    "isoftstone": "301236.SZ",
    "digital_china": "000034.SZ",
    "talkweb": "002261.SZ",
}
TABLE_3_UNLISTED = ("xfusion", "h3c", "tongfang_computer", "kuntai", "xiangjiang_kunpeng")
LONGEST_NOTE = 200


def table(name: str, schema: type[dy.Schema]) -> pl.DataFrame:
    return schemas.typed_from_text(ROOT.read_csv(name), schema, name)


def issuers() -> pl.DataFrame:
    return table("portfolios/reference/issuers.csv", schemas.Issuers)


def listings() -> pl.DataFrame:
    return table("portfolios/reference/listings.csv", schemas.Listings)


def aliases() -> pl.DataFrame:
    return table("portfolios/reference/aliases.csv", schemas.Aliases)


def ownership() -> pl.DataFrame:
    return table("portfolios/reference/ownership.csv", schemas.Ownership)


def sources() -> pl.DataFrame:
    return table("factors/sources.csv", schemas.Sources)


def nodes() -> pl.DataFrame:
    return table("factors/nodes.csv", schemas.Nodes)


def events() -> pl.DataFrame:
    return table("factors/events.csv", schemas.Events)


def list_links() -> pl.DataFrame:
    return table("factors/lists/reviewed_links.csv", schemas.ListLinks)


def evidence() -> pl.DataFrame:
    names = ROOT.csv_names("factors/evidence")
    return pl.concat([table(name, schemas.Evidence) for name in names])


def split(column: pl.Series) -> set[str]:
    return {part for cell in column.drop_nulls() for part in cell.split(";")}


def issuer_ids() -> set[str]:
    return set(issuers()["issuer_id"])


def subjects() -> set[str]:
    extra = set(ROOT.read_csv("factors/subjects.csv")["subject_id"])
    return issuer_ids() | set(nodes()["node_id"]) | extra


def live(links: pl.DataFrame, issuer: str, list_id: str, as_of: date) -> pl.DataFrame:
    """Return accepted links that were true and known on ``as_of``."""
    ended = (pl.col("valid_to") <= as_of) & (pl.col("ended_known_on") <= as_of)
    return links.filter(
        pl.col("issuer_id") == issuer,
        pl.col("list_id") == list_id,
        pl.col("decision") == "accepted",
        pl.col("valid_from") <= as_of,
        pl.col("known_on") <= as_of,
        ~ended.fill_null(False),
    )


def relations(issuer: str, list_id: str, as_of: date) -> set[str]:
    return set(live(list_links(), issuer, list_id, as_of)["relation"])


# --- the files point at each other --------------------------------------------------------------------------------


def test_all_evidence_topics_are_there() -> None:
    found = {Path(name).stem for name in ROOT.csv_names("factors/evidence")}

    assert set(EVIDENCE_TOPICS) <= found


def test_evidence_ids_are_unique_over_all_files() -> None:
    ids = evidence()["evidence_id"]

    assert ids.n_unique() == len(ids)


def test_subject_ids_belong_to_one_table() -> None:
    extra = set(ROOT.read_csv("factors/subjects.csv")["subject_id"])
    node_ids = set(nodes()["node_id"])

    assert not extra & node_ids
    assert not (extra | node_ids) & issuer_ids()


def test_evidence_points_at_known_subjects_and_sources() -> None:
    rows = evidence()

    assert set(rows["subject"]) <= subjects()
    assert set(rows["source_id"].drop_nulls()) <= set(sources()["source_id"])


def test_reference_tables_point_at_known_issuers_and_sources() -> None:
    known = issuer_ids()
    cited = set(sources()["source_id"])

    assert set(listings()["issuer_id"]) <= known
    assert set(listings()["source_id"].drop_nulls()) <= cited
    assert set(listings()["isin_source"].drop_nulls()) <= cited
    assert (listings()["isin"].is_null() == listings()["isin_source"].is_null()).all()
    assert set(aliases()["issuer_id"]) <= known
    assert set(ownership()["owner"]) | set(ownership()["owned"]) <= known
    assert set(ownership()["source_id"]) <= cited


def test_events_point_at_known_ids() -> None:
    rows = events()

    assert split(rows["issuers"]) <= issuer_ids()
    assert split(rows["nodes"]) <= issuer_ids() | set(nodes()["node_id"])
    assert split(rows["listings"]) <= set(listings()["listing_id"])
    assert set(rows["source_id"]) <= set(sources()["source_id"])


def test_events_name_scenarios_that_exist() -> None:
    known = {file.data["id"] for file in ROOT.toml_files("factors/scenarios")}

    assert split(events()["scenarios"]) <= known


def test_list_links_point_at_known_ids() -> None:
    rows = list_links()

    assert set(rows["issuer_id"]) <= issuer_ids()
    assert set(rows["source_id"]) <= set(sources()["source_id"])


def test_every_source_is_cited_by_name() -> None:
    rows = sources()

    assert rows["source_id"].n_unique() == rows.height
    assert rows.filter(pl.col("title").str.len_chars() == 0).is_empty()


def test_one_name_means_one_issuer() -> None:
    own = issuers().unpivot(["name_zh", "name_en"], index="issuer_id", value_name="alias")
    names = pl.concat([own.select("issuer_id", "alias"), aliases().select("issuer_id", "alias")])

    shared = names.unique().group_by("alias").len().filter(pl.col("len") > 1)

    assert shared.is_empty(), shared


def test_products_are_no_company_names() -> None:
    names = set(aliases()["alias"])

    assert not names & {"昇腾", "鲲鹏", "Ascend", "Kunpeng", "麒麟"}


# --- what must be there -------------------------------------------------------------------------------------------


def test_the_companies_of_table_3_are_present() -> None:
    lines = dict(listings().select("listing_id", "issuer_id").iter_rows())

    assert {code: lines.get(code) for code in TABLE_3.values()} == {
        code: issuer for issuer, code in TABLE_3.items()
    }
    assert set(TABLE_3_UNLISTED) <= issuer_ids()


@pytest.mark.parametrize(
    "issuer", [*TABLE_3, "xfusion", "h3c", "tongfang_computer", "xiangjiang_kunpeng"]
)
def test_table_3_companies_have_usable_evidence_on_the_report_day(issuer: str) -> None:
    rows = evidence().filter(
        pl.col("subject") == issuer,
        pl.col("verdict") == "use",
        pl.col("status") != "missing",
        pl.col("known_on") <= date(2025, 1, 24),
    )

    assert rows.height >= 1


@pytest.mark.parametrize(
    ("issuer", "lines"),
    [
        ("smic", {"688981.SH", "0981.HK"}),
        ("zte", {"000063.SZ", "0763.HK"}),
        ("hua_hong", {"688347.SH", "1347.HK"}),
        ("byd", {"002594.SZ", "1211.HK"}),
    ],
)
def test_one_issuer_has_its_a_and_h_lines(issuer: str, lines: set[str]) -> None:
    found = listings().filter(pl.col("issuer_id") == issuer)

    assert set(found["listing_id"]) == lines
    assert set(found["share_class"]) == {"A", "H"}


def test_a_benchmark_of_45_names_can_be_built() -> None:
    lines = listings().filter(pl.col("board").is_in(["main", "chinext", "star", "hk"]))

    assert lines.height >= 45
    assert lines["issuer_id"].n_unique() >= 45


def test_boards_follow_the_code() -> None:
    boards = dict(listings().select("listing_id", "board").iter_rows())

    for code, board in boards.items():
        number, _, venue = code.rpartition(".")
        expected = {"HK": "hk", "US": "us", "BJ": "bse", "SZ": "main", "SH": "main"}.get(
            venue, "other"
        )
        if venue == "SZ" and number.startswith("30"):
            expected = "chinext"
        if venue == "SH" and number.startswith("68"):
            expected = "star"
        assert board == expected, code


def test_a_lot_without_an_exchange_file_is_marked_unconfirmed() -> None:
    with_lot = listings().filter(pl.col("lot").is_not_null())

    assert set(with_lot["source_id"]) == {"hkex-lot-unconfirmed"}
    assert with_lot["locator"].str.contains("to be confirmed").all()


def test_sensetime_took_over_its_code_in_2021() -> None:
    line = listings().filter(pl.col("listing_id") == "0020.HK").row(0, named=True)

    assert line["issuer_id"] == "sensetime"
    assert line["valid_from"] == date(2021, 12, 30)


def test_counts() -> None:
    rows = evidence()
    gaps = rows.filter(pl.col("status") == "missing")

    assert rows.height - gaps.height >= 261
    assert gaps.height >= 20
    assert events().height == 88
    assert events()["in_report"].sum() == 29


def test_all_events_of_the_report_have_a_scenario_and_a_chinese_title() -> None:
    mentioned = events().filter(pl.col("in_report"))

    assert mentioned["scenarios"].null_count() == 0
    assert mentioned["title_zh"].null_count() == 0


def test_acts_of_the_report_lead_to_the_scenario_that_stands_for_them() -> None:
    scenarios = dict(events().select("event_id", "scenarios").iter_rows())

    assert "hbm_ban" in scenarios["US-2024-12-02-FDP-HBM"]
    assert "foundry_16nm_cut" in scenarios["US-2025-01-15-FOUNDRY"]
    assert "connected_vehicle_rule" in scenarios["US-2025-01-14-CONNVEH"]
    assert "gpu_export_ban" in scenarios["US-2025-01-13-AI-DIFFUSION"]
    assert scenarios["US-2024-04-301-SHIP"] == "no_event"
    assert "detente" in scenarios["US-2024-12-13-AMEC"]


# --- gaps, doubts and words ---------------------------------------------------------------------------------------


def test_gaps_have_no_number_and_say_what_is_missing() -> None:
    gaps = evidence().filter(pl.col("status") == "missing")

    assert gaps.filter(pl.any_horizontal(pl.col("lo", "mid", "hi").is_not_null())).is_empty()
    assert gaps["note"].null_count() == 0
    assert gaps["source_id"].null_count() == gaps.height


def test_no_usable_fact_comes_without_a_source() -> None:
    usable = evidence().filter(pl.col("verdict") == "use", pl.col("status") != "missing")

    assert usable["source_id"].null_count() == 0
    assert usable["known_on"].null_count() == 0


def test_traps_stay_rejected() -> None:
    verdicts = dict(evidence().select("evidence_id", "verdict").iter_rows())

    assert verdicts["talkweb.revenue_share.ascend_compute_rental.2024"] == "rejected"
    assert verdicts["fii.cloud_revenue_share.2022"] == "rejected"
    assert verdicts["smic.yield.node_7nm.2024-10"] == "rejected"
    assert sum(verdict == "rejected" for verdict in verdicts.values()) == 5
    assert sum(verdict == "denied" for verdict in verdicts.values()) == 4
    assert sum(verdict == "needs_source" for verdict in verdicts.values()) == 12


def test_conflicts_say_which_side_or_why() -> None:
    conflicts = evidence().filter(pl.col("verdict") == "conflict")

    assert conflicts.height >= 15
    assert conflicts["note"].null_count() == 0


def test_evidence_rows_use_clean_measures() -> None:
    shape = re.compile(r"^[a-z0-9_]+(\.[a-z0-9_]+)*$")

    assert [m for m in evidence()["measure"].unique() if not shape.match(m)] == []


def test_fractions_are_not_percent() -> None:
    rows = evidence().filter(pl.col("unit") == "fraction", pl.col("mid").is_not_null())
    shares = rows.filter(pl.col("measure").str.contains("share|margin|ownership"))

    assert rows.filter(pl.col("mid").abs() >= 4).is_empty()
    assert shares["mid"].is_between(-1, 1).all()


def test_the_broker_report_is_known_on_its_own_day_only() -> None:
    rows = evidence().filter(pl.col("source_id") == "zhongyuan-2025-01-24")

    assert rows.height >= 145
    assert rows["known_on"].unique().to_list() == [date(2025, 1, 24)]


def test_results_are_not_known_before_their_period_ended() -> None:
    figures = evidence().filter(
        pl.col("measure").str.contains("revenue|margin|profit|inventory"),
        pl.col("status") == "observed",
        pl.col("verdict").is_in(["use", "conflict"]),
    )

    assert figures.filter(pl.col("known_on") < pl.col("valid_from")).is_empty()


def test_no_fact_is_known_after_the_content_was_written() -> None:
    written = date(2026, 11, 24)

    assert evidence().filter(pl.col("known_on") > written).is_empty()
    assert list_links().filter(pl.col("known_on") > written).is_empty()


def test_notes_are_short_and_our_own() -> None:
    notes = [
        *evidence()["note"],
        *evidence()["locator"],
        *events()["status_note"],
        *events()["title_zh"],
        *list_links()["reviewer_note"],
        *issuers()["note"],
        *ownership()["note"],
        *nodes()["note"],
    ]

    assert max(len(note) for note in notes if note) <= LONGEST_NOTE


def test_files_are_sorted_and_clean() -> None:
    for name in [
        *ROOT.csv_names("factors/evidence"),
        "factors/lists/reviewed_links.csv",
        "factors/events.csv",
        "factors/nodes.csv",
        "factors/sources.csv",
        "portfolios/reference/aliases.csv",
        "portfolios/reference/issuers.csv",
        "portfolios/reference/listings.csv",
        "portfolios/reference/ownership.csv",
    ]:
        data = ROOT.file(name).read_bytes()
        keys = ROOT.read_csv(name).to_series(1).to_list()
        assert b"\r" not in data, name
        assert not data.startswith(b"\xef\xbb\xbf"), name
        assert keys == sorted(keys), name


# --- list status on golden days -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [
        (date(2022, 12, 31), set()),
        (date(2024, 6, 30), {"parent"}),
        (date(2025, 6, 30), {"parent", "self", "sister", "subsidiary"}),
    ],
)
def test_inspur_goes_from_none_to_parent_to_self(as_of: date, expected: set[str]) -> None:
    assert relations("inspur", "EL", as_of) == expected


def test_amec_was_on_the_1260h_list_and_left_it() -> None:
    assert relations("amec", "1260H", date(2024, 6, 30)) == {"self"}
    assert relations("amec", "1260H", date(2025, 2, 28)) == set()
    assert relations("amec", "EL", date(2026, 7, 31)) == set()


def test_the_end_of_the_amec_listing_shows_only_once_public() -> None:
    assert relations("amec", "1260H", date(2024, 12, 15)) == {"self"}
    assert relations("amec", "1260H", date(2024, 12, 17)) == set()


def test_autel_is_a_homonym_first_and_itself_in_2026() -> None:
    links = list_links().filter(pl.col("issuer_id") == "autel", pl.col("list_id") == "1260H")
    homonym = links.filter(pl.col("relation") == "homonym")

    assert homonym["decision"].unique().to_list() == ["rejected"]
    assert homonym["valid_from"].unique().to_list() == [date(2025, 1, 7)]
    assert relations("autel", "1260H", date(2025, 2, 28)) == set()
    assert relations("autel", "1260H", date(2026, 7, 31)) == {"self"}
    assert relations("autel_robotics", "1260H", date(2025, 2, 28)) == {"self"}


def test_cxmt_never_left_the_list() -> None:
    assert relations("cxmt", "1260H", date(2026, 3, 31)) == {"self"}


def test_sugon_is_listed_before_the_ban_takes_effect() -> None:
    links = list_links()

    at_year_end = live(links, "sugon", "NS-CMIC", date(2021, 12, 31))
    in_spring = live(links, "sugon", "NS-CMIC", date(2022, 3, 1))

    assert set(at_year_end["mechanism"]) == {"listing"}
    assert set(in_spring["mechanism"]) == {"listing", "investment_ban"}


def test_sugon_carries_footnote_4_only_since_october_2022() -> None:
    links = list_links()

    assert set(live(links, "sugon", "EL", date(2022, 10, 6))["mechanism"]) == {"entity_licence"}
    assert "fdpr_fn4" in set(live(links, "sugon", "EL", date(2022, 10, 7))["mechanism"])


def test_tool_makers_have_no_footnote_5_and_smic_has() -> None:
    links = list_links().filter(pl.col("mechanism") == "fdpr_fn5")
    fabs = set(links["issuer_id"])
    rows = set(links.filter(pl.col("issuer_id") == "smic")["row_name"])

    assert fabs == {"smic", "jhicc", "pxw"}
    assert not any("Tianjin" in row or "Shenzhen" in row for row in rows)


@pytest.mark.parametrize(
    "issuer", ["digital_china", "talkweb", "isoftstone", "fii", "lenovo", "xfusion"]
)
def test_names_without_a_row_have_no_link(issuer: str) -> None:
    assert list_links().filter(pl.col("issuer_id") == issuer).is_empty()


@pytest.mark.parametrize(
    ("issuer", "list_id", "relation"),
    [
        ("unisplendour", "EL", "subsidiary"),
        ("nsig", "EL", "subsidiary"),
        ("sensetime", "EL", "subsidiary"),
        ("zte", "EL", "subsidiary"),
        ("inspur_digital", "EL", "parent"),
        ("integrity_tech", "SDN", "self"),
        ("tencent", "1260H", "self"),
        ("huawei", "NS-CMIC", "self"),
    ],
)
def test_relations_are_typed(issuer: str, list_id: str, relation: str) -> None:
    assert relation in relations(issuer, list_id, date(2025, 1, 24))


def test_nothing_of_2025_is_known_in_a_2024_run() -> None:
    known = list_links().filter(pl.col("known_on") <= date(2024, 12, 31))

    assert known.filter(pl.col("citation").str.contains("90 FR")).is_empty()
    assert set(known.filter(pl.col("list_id") == "SDN")["issuer_id"]) == set()


def test_rejected_links_say_why() -> None:
    rejected = list_links().filter(pl.col("decision") == "rejected")

    assert rejected.height >= 3
    assert rejected["reviewer_note"].null_count() == 0


def test_ended_links_say_when_that_was_known() -> None:
    ended = list_links().filter(pl.col("valid_to").is_not_null())

    assert ended["ended_known_on"].null_count() == 0
    assert (ended["valid_from"] < ended["valid_to"]).all()


def test_notices_later_than_their_effect_are_visible_from_publication() -> None:
    links = list_links()

    assert live(links, "smic", "SHTC", date(2025, 6, 12)).is_empty()
    assert live(links, "smic", "SHTC", date(2025, 6, 14)).height == 1


def test_a_listing_is_not_linked_to_a_list_before_the_act_is_public() -> None:
    links = list_links()
    early = links.filter((pl.col("known_on") - pl.col("valid_from")).dt.total_days() < -60)

    assert set(early["mechanism"]) <= {"procurement_ban", "investment_ban"}
