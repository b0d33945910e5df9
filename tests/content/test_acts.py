"""Each act of the broker report can be replayed, lists whom the lists name, and stays within what stands for it."""

from __future__ import annotations

import re
from datetime import date, timedelta

import polars as pl
import pytest

from exposure.scenarios.reading import act_definitions, load_mechanisms, scenario_definitions
from exposure.schemas import SEVERITIES

NEAR = timedelta(days=45)
LIST_OF = {
    "entity_list": "EL",
    "entity_list_fn1": "EL",
    "entity_list_fn4": "EL",
    "entity_list_fn5": "EL",
    "unverified": "UVL",
    "denial_order": "DPL",
    "sdn": "SDN",
    "ns_cmic": "NS-CMIC",
    "section_1260h": "1260H",
    "removal_1260h": "1260H",
}
FOOTNOTE = {"entity_list_fn1": "1", "entity_list_fn4": "4", "entity_list_fn5": "5"}
LISTING_ACTS = {"entity_listing", "military_list", "sdn_blocking", "delisting", "fdpr"}
# issuers that an act names, but that it put on no list by a reviewed link of their own
NOT_LISTED_THEMSELVES = {
    "US-2022-10-07-AC-S": {"sensetime"},  # the row is its unit's: a shock on the issuer instead
    "US-2024-01-1260H": {"yitu"},  # no reviewed link shows the row
    "US-2024-12-02-EL140": {"nsig"},  # the rows are its units': a shock on the issuer instead
}
# nothing in the chain is touched; a zero needs evidence, so each is named here and says why
OUTSIDE_THE_CHAIN = {
    "cn_2024_07_3rdplenum",
    "cn_2024_07_drone",
    "cn_2024_12_05_13firms",
    "cn_2025_01_02_uel10",
    "cn_2025_01_14_uel7",
    "us_2024_04_301_ship",
    "us_2025_01_03_el13",
    "us_2025_01_16_301_ship",
}
THE_REPORT = "Zhongyuan Securities 2025-01-24"
INVESTORS = {"us_capital"}  # what a ban on holders does is the mechanism's, not a node's
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@pytest.fixture(scope="module")
def acts(catalog):
    return act_definitions(catalog)


@pytest.fixture(scope="module")
def mechanisms(catalog):
    return load_mechanisms(catalog.root)


@pytest.fixture(scope="module")
def events(catalog):
    return {row["event_id"]: row for row in catalog.events.iter_rows(named=True)}


@pytest.fixture(scope="module")
def files(root):
    return {
        file.name.rsplit("/", 1)[-1].removesuffix(".toml"): file
        for file in root.toml_files("factors/scenarios/acts")
    }


def sizes_of(act):
    """Return (name, low, base, high) of each size of an act, signs dropped."""
    found = [(shock.node, shock.severity) for shock in act.node_shocks]
    found += [(shock.factor, shock.change) for shock in act.revenue_shocks]
    return [(name, *(abs(size.at(level)) for level in SEVERITIES)) for name, size in found]


def references_of(act):
    tables = (*act.node_shocks, *act.revenue_shocks, *act.price_effects, *act.substitutions)
    found = [item.reference for item in (*tables, *act.listings)]
    return [
        *found,
        act.duration_years.reference,
        *(item.weeks.reference for item in act.stockpiles),
    ]


def cells(text):
    return {part for part in (text or "").split(";") if part}


# --- one file an act ----------------------------------------------------------------------------------------------


def test_each_act_of_the_report_has_one_file(acts, events):
    named = sorted(act.event for act in acts.values())

    assert named == sorted(key for key, row in events.items() if row["in_report"])
    assert len(named) == 29


def test_an_act_is_called_as_its_event(acts):
    for act in acts.values():
        assert act.id == act.event.lower().replace("-", "_")


def test_codes_are_unique_and_run_with_the_days(acts):
    codes = [act.code for act in acts.values()]

    assert codes == sorted(set(codes))


def test_no_act_has_a_probability(acts, files):
    assert all(act.probability is None for act in acts.values())
    assert not [name for name, file in files.items() if "probability" in file.data]


def test_each_file_says_that_its_sizes_are_not_fitted(root, files):
    for file in files.values():
        first = root.file(file.name).read_text(encoding="utf-8").splitlines()[0]
        assert first == (
            "# sizes are analyst ranges written in 2026-11, not fitted to prices after the act"
        ), file.name


def test_acts_are_anchored_in_a_section_of_the_report(acts):
    for act in acts.values():
        assert re.match(rf"{THE_REPORT}, sections? \d", act.anchor), act.id


def test_both_languages_are_there(acts):
    for act in acts.values():
        assert re.search(r"[\u4e00-\u9fff]", act.name_zh), act.id
        assert re.search(r"[\u4e00-\u9fff]", act.narrative_zh), act.id
        assert not re.search(r"[\u4e00-\u9fff]", act.name_en + act.narrative), act.id


# --- sizes and where they come from -------------------------------------------------------------------------------


def test_each_size_has_a_reference_and_says_that_it_is_a_range(acts):
    for act in acts.values():
        assert all(text.strip() for text in references_of(act)), act.id
        for item in (*act.node_shocks, *act.revenue_shocks, *act.substitutions):
            assert item.reference.startswith("analyst range"), (act.id, item)


def test_no_size_rests_on_a_later_day(acts, events):
    for act in acts.values():
        row = events[act.event]
        known = max(row["known_on"], row["effective"] or row["known_on"])
        for text in references_of(act):
            days = [date.fromisoformat(day) for day in DAY.findall(text.replace(THE_REPORT, ""))]
            assert all(day <= known for day in days), (act.id, text)


def test_an_act_is_no_larger_than_the_what_if_that_stands_for_it(acts, events, catalog):
    what_ifs = scenario_definitions(catalog)
    for act in acts.values():
        own = cells(events[act.event]["scenarios"])
        for name, *sizes in sizes_of(act):
            stands = [
                (key, larger)
                for key, item in what_ifs.items()
                for other, *larger in sizes_of(item)
                if other == name
            ]
            near = [larger for key, larger in stands if key in own] or [b for _, b in stands]
            if near:
                assert any(
                    all(a <= b for a, b in zip(sizes, larger, strict=True)) for larger in near
                ), (act.id, name)


def test_a_shock_on_an_issuer_is_no_larger_than_a_listing_of_its_own(acts, catalog, mechanisms):
    issuers = set(catalog.master.issuers["issuer_id"])
    most = mechanisms["entity_list"].output_loss
    for act in acts.values():
        for shock in act.node_shocks:
            if shock.node in issuers:
                assert all(shock.severity.at(level) <= most.at(level) for level in SEVERITIES)


@pytest.mark.parametrize(
    ("act", "what_if", "node"),
    [
        ("us_2025_01_15_foundry", "foundry_16nm_cut", "foreign_foundry_16nm"),
        ("us_2024_12_02_fdp_hbm", "hbm_ban", "hbm"),
    ],
)
def test_a_what_if_made_for_one_rule_has_its_size(acts, catalog, act, what_if, node):
    def severity(item):
        return next(shock.severity for shock in item.node_shocks if shock.node == node)

    assert severity(acts[act]) == severity(scenario_definitions(catalog)[what_if])


def test_the_capabilities_that_an_act_names_are_shocked(acts, events, catalog):
    kinds = dict(catalog.nodes.select("node_id", "kind").iter_rows())
    for act in acts.values():
        named = {
            node for node in cells(events[act.event]["nodes"]) if kinds.get(node) == "capability"
        }
        if not act.is_empty:
            assert named - INVESTORS <= {shock.node for shock in act.node_shocks}, act.id


def test_what_us_gpus_lose_may_move_to_domestic_chips(acts):
    for act in acts.values():
        cut = any(shock.node == "us_gpu" for shock in act.node_shocks)
        assert cut == any(sub.node == "us_gpu" for sub in act.substitutions), act.id


# --- listings -----------------------------------------------------------------------------------------------------


def test_each_listing_has_a_reviewed_link_that_begins_or_ends_with_the_act(acts, events, catalog):
    links = catalog.list_links.filter(
        pl.col("decision") == "accepted", pl.col("relation") == "self"
    )
    for act in acts.values():
        day = events[act.event]["effective"] or events[act.event]["known_on"]
        for listing in act.listings:
            removed = listing.mechanism.startswith("removal")
            mark = FOOTNOTE.get(listing.mechanism)
            found = links.filter(
                pl.col("issuer_id") == listing.issuer,
                pl.col("list_id") == LIST_OF[listing.mechanism],
                (pl.col("valid_to" if removed else "valid_from") - day).abs() <= NEAR,
                pl.lit(True) if mark is None else pl.col("footnote").cast(pl.String) == mark,
            )
            assert not found.is_empty(), (act.id, listing.issuer)


def test_each_issuer_that_a_list_act_names_is_listed_or_explained(acts, events):
    for act in acts.values():
        row = events[act.event]
        if not cells(row["mechanism"]) & LISTING_ACTS:
            continue
        named = cells(row["issuers"]) - NOT_LISTED_THEMSELVES.get(act.event, set())
        assert named <= {listing.issuer for listing in act.listings}, act.id


def test_an_issuer_whose_unit_was_listed_is_shocked_and_not_listed(acts):
    for name, unit in (("us_2022_10_07_ac_s", "sensetime"), ("us_2024_12_02_el140", "nsig")):
        assert unit not in {listing.issuer for listing in acts[name].listings}
        assert unit in {shock.node for shock in acts[name].node_shocks}


def test_the_listed_autel_is_not_taken_for_autel_robotics(acts):
    assert "autel" not in {item.issuer for act in acts.values() for item in act.listings}


# --- zero needs evidence ------------------------------------------------------------------------------------------


def test_the_acts_outside_the_chain_are_empty_and_say_why(acts):
    assert {act.id for act in acts.values() if act.is_empty} == OUTSIDE_THE_CHAIN
    for name in OUTSIDE_THE_CHAIN:
        assert re.search(r"touches nothing in (the|our)( compute)? chain: ", acts[name].narrative)
        assert re.search(r"算力链未受触及：", acts[name].narrative_zh)
        assert acts[name].duration_years.hi == 0
        assert not acts[name].stockpiles


# --- mechanisms ---------------------------------------------------------------------------------------------------


def test_the_mechanisms_are_those_of_the_lists(mechanisms):
    assert set(mechanisms) == set(LIST_OF)
    for item in mechanisms.values():
        assert item.reference.startswith("analyst range"), item.id


def test_a_footnote_takes_more_than_the_listing_and_less_where_the_row_existed(mechanisms):
    plain = mechanisms["entity_list"].output_loss
    for name in FOOTNOTE:
        loss, repeat = mechanisms[name].output_loss, mechanisms[name].repeat
        for level in SEVERITIES:
            assert plain.at(level) < loss.at(level)
            assert repeat * loss.at(level) <= plain.at(level)


def test_bans_on_holders_press_the_price_in_their_order(mechanisms):
    order = ["sdn", "ns_cmic", "section_1260h"]
    for level in SEVERITIES:
        effects = [mechanisms[name].price_effect.at(level) for name in order]
        assert effects == sorted(effects)
        assert effects[-1] < 0
    for name in ("entity_list", *FOOTNOTE, "unverified", "denial_order"):
        assert mechanisms[name].price_effect.high == 0  # they ban no holding


def test_a_removal_gives_back_part_of_the_fall_and_no_output(mechanisms):
    left, came = mechanisms["removal_1260h"], mechanisms["section_1260h"]
    for level in SEVERITIES:
        assert left.output_loss.at(level) == 0
        assert 0 < left.price_effect.at(level) <= -came.price_effect.at(level)


def test_mechanisms_agree_with_the_what_ifs_of_the_same_thing(catalog, mechanisms):
    what_ifs = scenario_definitions(catalog)

    assert (
        mechanisms["entity_list"].output_loss == what_ifs["new_list_entry"].node_shocks[0].severity
    )
    assert mechanisms["ns_cmic"].price_effect == what_ifs["us_capital_ban"].price_effects[0].effect
