"""``exposure screen``: what it prints, when it fails, and how a match becomes a link of the user's own content.

A user would notice a failure as a match that counts before anybody looked, or a decision that is lost.
"""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from exposure.factors.catalog import load_facts
from exposure.factors.scoring import list_status_at, score_issuers
from exposure.lists.queue_files import LINKS, QUEUE

ROOT = Path(__file__).parents[3]
SAMPLE = str(ROOT / "portfolios" / "ai-servers" / "holdings.csv")
DAY = ("--as-of", "2026-08-03")
HEADER = [
    "_id", "source", "entity_number", "type", "programs", "name", "title", "addresses",
    "federal_register_notice", "start_date", "end_date", "standard_order", "license_requirement",
    "license_policy", "call_sign", "vessel_type", "gross_tonnage", "gross_registered_tonnage", "vessel_flag",
    "vessel_owner", "remarks", "source_list_url", "alt_names", "citizenships", "dates_of_birth",
    "nationalities", "places_of_birth", "source_information_url", "ids",
]  # fmt: skip
ENTITY = "Entity List (EL) - Bureau of Industry and Security"


def csl(path: Path, *rows: dict[str, str]) -> Path:
    text = io.StringIO()
    writer = csv.DictWriter(text, HEADER, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({"source": ENTITY, "addresses": "Jinan, CN", **row} for row in rows)
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


def every_link_of_the_entity_list() -> list[dict[str, str]]:
    """Return rows that keep all reviewed links alive: a file without them would end them all."""
    links = load_facts(ROOT).list_links.filter(pl.col("list_id") == "EL")
    keys = links.select("row_name", "row_key").unique("row_key", maintain_order=True)
    return [
        {"name": name, "federal_register_notice": key.rpartition(":")[2]}
        for name, key in keys.iter_rows()
    ]


@pytest.fixture
def mine(tmp_path, ask):
    folder = tmp_path / "mine"
    assert ask("init", str(folder))[0] == 0
    return folder


@pytest.fixture
def listed(tmp_path):
    return csl(
        tmp_path / "consolidated.csv",
        *every_link_of_the_entity_list(),
        {"name": "Talkweb Information System Co., Ltd.", "federal_register_notice": "91 FR 100"},
    )


@pytest.fixture
def proposed(ask, mine, listed):
    code, out, _ = ask(
        "screen", SAMPLE, *DAY, "--propose", "--from", str(listed), "--edition", "2026-07-31",
        "--content", str(mine), "--json",
    )  # fmt: skip
    assert code == 0
    return json.loads(out)["rows"]


def state(folder: Path):
    catalog = load_facts(folder)
    day = date(2026, 8, 3)
    return (
        list_status_at(catalog, day),
        score_issuers(catalog, ["talkweb", "inspur"], day),
        catalog.fingerprint,
    )


def test_one_line_an_issuer_and_list_with_its_footer(told):
    out = told("screen", SAMPLE, "--as-of", "2025-01-24")

    assert "603019.SH  中科曙光  NS-CMIC  listed self" in out
    assert "related parent" in out
    assert "not on list EL as of 2025-01-24, by the dates of the cited rules" in out
    assert "first-tier suppliers that are listed (economics, no legal status of the holding)" in out
    assert out.rstrip().endswith("screening aid, not legal advice")
    assert "clear" not in out.lower()


def test_json_has_the_same_facts(told):
    data = json.loads(told("screen", SAMPLE, *DAY, "--lists", "EL,SDN", "--json"))

    assert data["as_of"] == "2026-08-03"
    assert {row["list_id"] for row in data["rows"]} == {"EL", "SDN"}
    inspur = next(
        row for row in data["rows"] if row["issuer_id"] == "inspur" and row["list_id"] == "EL"
    )
    assert (inspur["status"], inspur["since"], inspur["edition_date"]) == (
        "listed",
        "2025-03-25",
        "2026-07-31",
    )


def test_one_language_at_a_time(told):
    english = told("screen", SAMPLE, *DAY, "--lang", "en")
    chinese = told("screen", SAMPLE, *DAY, "--lang", "zh")

    assert "Holding is allowed" in english
    assert "不限制持股" not in english
    assert "不限制持股" in chinese


@pytest.mark.parametrize(
    ("lists", "state", "code"),
    [
        ("NS-CMIC", "listed", 4),
        ("SDN", "listed", 0),
        ("MEU", "listed", 0),
        ("MEU", "unresolved", 4),
    ],
)
def test_it_fails_on_what_it_is_told_to_fail_on(ask, lists, state, code):
    assert ask("screen", SAMPLE, *DAY, "--lists", lists, "--fail-on", state)[0] == code


def test_old_lists_fail_when_asked(ask):
    code, _, err = ask("screen", SAMPLE, "--as-of", "2026-11-20", "--max-age", "30")

    assert code == 7
    assert "list EL: newest edition was last seen 112 days ago" in err
    assert "exposure data refresh" in err
    assert "1260H: read the newest notice" in err  # no file to fetch


@pytest.mark.parametrize(
    "arguments",
    [
        ("--lists", "XX"),
        ("--fail-on", "breach"),
        ("--from", "x.csv"),
        ("--propose", "--lang", "fr"),
    ],
)
def test_a_wrong_option_is_a_usage_fault(ask, arguments):
    assert ask("screen", SAMPLE, *DAY, *arguments)[0] == 2


def test_the_shipped_content_takes_no_proposals(ask, listed):
    code, _, err = ask(
        "screen", SAMPLE, *DAY, "--propose", "--from", str(listed), "--edition", "2026-07-31"
    )

    assert code == 2
    assert "content folder of your own" in err
    assert not (ROOT / QUEUE).exists()


def test_a_proposal_changes_nothing_until_it_is_accepted(ask, mine, proposed, listed):
    before = state(mine)
    (mine / QUEUE).unlink()
    without = state(mine)

    assert [row["issuer_id"] for row in proposed] == ["talkweb"]
    assert before[0].equals(without[0])
    assert before[1].equals(without[1])
    assert before[2] == without[2]


def test_accepting_makes_a_link_of_the_users_own(ask, mine, proposed):
    name = proposed[0]["proposal_id"]
    asked = ("screen", "accept", name, "--on", "2026-08-04", "--content", str(mine))

    code, _, err = ask(*asked)
    assert code == 3
    assert "--since" in err
    code, out, _ = ask(*asked, "--since", "2026-07-01", "--note", "its legal name")
    assert code == 0
    assert "talkweb" in out

    answer = state(mine)[0].row(
        by_predicate=(pl.col("issuer_id") == "talkweb") & (pl.col("list_id") == "EL"), named=True
    )
    assert (answer["status"], answer["valid_from"]) == ("listed", date(2026, 7, 1))
    link = (
        load_facts(mine)
        .list_links.filter(pl.col("link_id") == answer["link_ids"][0])
        .row(0, named=True)
    )
    assert (link["reviewed_on"], link["reviewer_note"]) == (date(2026, 8, 4), "its legal name")
    assert (link["known_on"], link["decision"]) == (date(2026, 7, 31), "accepted")
    assert ask("screen", SAMPLE, *DAY, "--lists", "EL", "--content", str(mine))[0] == 0
    assert ask("data", "check", "--content", str(mine))[0] == 0


def test_rejecting_keeps_the_pair_and_stops_it(ask, mine, proposed, listed):
    name = proposed[0]["proposal_id"]

    assert ask("screen", "reject", name, "--content", str(mine))[0] == 2  # a reason is needed
    assert ask("screen", "reject", name, "--note", "namesake", "--content", str(mine))[0] == 0
    again = ask(
        "screen", SAMPLE, *DAY, "--propose", "--from", str(listed), "--edition", "2026-08-03",
        "--content", str(mine), "--json",
    )  # fmt: skip

    assert json.loads(again[1])["rows"] == []
    kept = pl.read_csv(mine / LINKS, infer_schema=False)
    assert kept.select("decision", "reviewer_note").rows() == [("rejected", "namesake")]
    assert ask("screen", "accept", name, "--content", str(mine))[0] == 3  # decided is decided


def test_a_row_that_left_is_queued_and_ends_the_link_once_accepted(ask, mine, tmp_path):
    rows = [row for row in every_link_of_the_entity_list() if row["name"] != "Higon"]
    cut = csl(tmp_path / "cut.csv", *rows)
    code, out, _ = ask(
        "screen", SAMPLE, *DAY, "--propose", "--from", str(cut), "--edition", "2026-08-01",
        "--content", str(mine), "--json",
    )  # fmt: skip
    assert code == 0
    waiting = json.loads(out)["rows"]
    assert {(row["kind"], row["row_name"]) for row in waiting} == {("row left", "Higon")}

    for row in waiting:
        assert ask("screen", "accept", row["proposal_id"], "--content", str(mine))[0] == 0

    def hygon(day: date) -> str:
        found = list_status_at(load_facts(mine), day)
        return found.filter((pl.col("issuer_id") == "hygon") & (pl.col("list_id") == "EL"))[
            "relation"
        ][0]

    assert hygon(date(2026, 7, 31)) == "self"
    assert hygon(date(2026, 8, 3)) == "subsidiary"  # its units still have their rows


def test_waiting_proposals_of_a_holding_are_said_and_only_counted(ask, mine, proposed):
    code, out, err = ask("screen", SAMPLE, *DAY, "--content", str(mine))

    assert code == 0
    assert "1 proposed matches of these issuers are unreviewed" in err
    assert "Talkweb Information System Co., Ltd." not in out


def test_nothing_to_read_is_said(ask, mine, tmp_path):
    code, _, err = ask(
        "screen",
        SAMPLE,
        *DAY,
        "--propose",
        "--store",
        str(tmp_path / "none"),
        "--content",
        str(mine),
    )

    assert code == 2
    assert "exposure data refresh" in err


def test_an_edition_in_the_store_is_named_with_its_hash_or_as_not_reviewed(told, tmp_path):
    from exposure.lists.sources.csl import read_csl
    from exposure.lists.store import Store

    rows = every_link_of_the_entity_list()
    for day, name in (("2026-07-31", "old.csv"), ("2026-08-02", "new.csv")):
        at = date.fromisoformat(day)
        Store(tmp_path / name[:3]).add(
            read_csl(csl(tmp_path / name, *rows), edition_date=at, read_on=at)
        )

    same = told("screen", SAMPLE, *DAY, "--lists", "el", "--store", str(tmp_path / "old"))
    newer = told("screen", SAMPLE, *DAY, "--lists", "el", "--store", str(tmp_path / "new"))

    assert f"EL edition 2026-07-31, {len(rows)} rows, SHA-256 " in same
    assert f"EL edition 2026-08-02, {len(rows)} rows, SHA-256 " in newer
    assert "compared by name, not yet reviewed (--propose); screening aid" in newer


def test_a_link_whose_row_left_the_stored_edition_ends_there_and_it_is_said(ask, tmp_path):
    from exposure.lists.sources.csl import read_csl
    from exposure.lists.store import Store

    rows = [row for row in every_link_of_the_entity_list() if row["name"] != "Higon"]
    at = date(2026, 8, 1)
    store = Store(tmp_path / "store")
    store.add(read_csl(csl(tmp_path / "cut.csv", *rows), edition_date=at, read_on=at))

    def hygon(day: str) -> tuple[str, str]:
        code, out, err = ask(
            "screen",
            SAMPLE,
            "--as-of",
            day,
            "--lists",
            "el",
            "--store",
            str(store.folder),
            "--json",
        )
        assert code == 0
        found = [row for row in json.loads(out)["rows"] if row["issuer_id"] == "hygon"]
        return found[0]["relation"], err

    before, said_before = hygon("2026-07-31")
    after, said_after = hygon("2026-08-03")
    assert (before, after) == ("self", "subsidiary")  # its units still have their rows
    assert "the link ends there" not in said_before
    assert "Higon is not in list EL, edition 2026-08-01; the link ends there" in said_after
    assert said_after.count("Higon is not in list") == 1  # though it has two mechanisms


def test_rejected_rows_are_not_screened_and_that_is_said(ask, tmp_path):
    path = tmp_path / "holdings.csv"
    path.write_text(
        "listing_id,name,weight\n000977.SZ,浪潮信息,0.7\n999999.SH,nobody,0.3\n", encoding="utf-8"
    )

    code, out, err = ask("screen", str(path), *DAY, "--allow-rejects", "--lists", "EL")

    assert code == 0
    assert "000977.SZ" in out
    assert "1 rows of holdings.csv were rejected and are not screened" in err


def talkweb_on_el(ask, *arguments: str) -> dict[str, object]:
    code, out, _ = ask("screen", SAMPLE, "--lists", "EL", "--json", *arguments)
    assert code == 0
    return next(row for row in json.loads(out)["rows"] if row["issuer_id"] == "talkweb")


def test_a_match_that_waits_leaves_the_answer_open(ask, mine, proposed):
    waits = talkweb_on_el(ask, *DAY, "--content", str(mine))
    assert (waits["status"], waits["us_person"]) == ("unresolved", "yes")
    assert "a possible match waits for a person" in str(waits["wording"])

    name = proposed[0]["proposal_id"]
    assert ask("screen", "reject", name, "--note", "namesake", "--content", str(mine))[0] == 0
    assert talkweb_on_el(ask, *DAY, "--content", str(mine))["status"] == "not_on_list"


def test_an_edition_in_the_store_may_be_relied_on_and_its_matches_are_open(ask, tmp_path):
    from exposure.lists.sources.csl import read_csl
    from exposure.lists.store import Store

    rows = every_link_of_the_entity_list()
    talkweb = {
        "name": "Talkweb Information System Co., Ltd.", "federal_register_notice": "91 FR 100",
    }  # fmt: skip
    at = date(2026, 11, 18)
    for name, more in (("without", []), ("with", [talkweb])):
        path = csl(tmp_path / f"{name}.csv", *rows, *more)
        Store(tmp_path / name).add(read_csl(path, edition_date=at, read_on=at))

    def asked(store: str, *more: str):
        return talkweb_on_el(ask, "--as-of", "2026-11-20", "--store", str(tmp_path / store), *more)

    old = asked("none")
    assert old["status"] == "unresolved"
    assert "edition 2026-07-31 is 112 days old, 30 allowed" in str(old["wording"])
    assert asked("without", "--max-age", "7")["wording"] == (
        "not on list EL as of 2026-11-20 (edition 2026-11-18)"
    )
    assert asked("with")["status"] == "unresolved"


def test_a_file_fetched_again_is_as_young_as_that_day_and_ages_from_then(ask, tmp_path):
    from exposure.lists.sources.csl import read_csl
    from exposure.lists.store import Store

    path = csl(tmp_path / "a.csv", *every_link_of_the_entity_list())
    read = read_csl(path, edition_date=date(2026, 7, 31), read_on=date(2026, 7, 31))
    store = Store(tmp_path / "store")
    store.add(read)
    from dataclasses import replace

    store.add(replace(read, fetched_on=date(2026, 11, 18)))
    here = ("--store", str(store.folder), "--lists", "EL")

    assert ask("screen", SAMPLE, "--as-of", "2026-11-20", "--max-age", "7", *here)[0] == 0
    code, out, err = ask("screen", SAMPLE, "--as-of", "2026-12-30", "--max-age", "7", *here)
    assert code == 7
    assert "was last seen 42 days ago" in err
    assert "SHA-256" in out
    assert "42 days old, 30 allowed: don't rely on absence" in out
    # on a day before it was fetched again nobody knew that it still was the newest
    assert ask("screen", SAMPLE, "--as-of", "2026-11-17", "--max-age", "30", *here)[0] == 7


@pytest.mark.parametrize("decision", ["accept", "reject"])
def test_an_issuer_of_a_master_alone_is_refused_before_anything_is_written(
    ask, mine, tmp_path, decision
):
    master = tmp_path / "master.csv"
    master.write_text(
        "listing_id,issuer_id,name_zh,name_en,board,currency\n"
        "600001.SH,strangers,陌生半导体,Stranger Photonics,main,CNY\n",
        encoding="utf-8",
    )
    book = tmp_path / "holdings.csv"
    book.write_text("listing_id,name,weight\n600001.SH,陌生半导体,1.0\n", encoding="utf-8")
    rows = [
        *every_link_of_the_entity_list(),
        {"name": "Stranger Photonics Co., Ltd.", "federal_register_notice": "91 FR 100"},
    ]
    code, out, err = ask(
        "screen", str(book), *DAY, "--propose", "--from", str(csl(tmp_path / "list.csv", *rows)),
        "--edition", "2026-07-31", "--master", str(master), "--content", str(mine), "--json",
    )  # fmt: skip
    assert code == 0, err
    (proposal,) = [row for row in json.loads(out)["rows"] if "Stranger" in row["row_name"]]
    more = ("--since", "2026-07-01") if decision == "accept" else ()

    code, _, err = ask(
        "screen", decision, proposal["proposal_id"], "--note", "n", *more, "--content", str(mine)
    )

    assert code == 3
    assert "known through --master only; nothing was written" in err
    assert "portfolios/reference/issuers.csv" in err
    assert not (mine / LINKS).exists()
    assert ask("data", "check", "--content", str(mine))[0] == 0
    # the cure works
    reference = mine / "portfolios" / "reference"
    reference.mkdir(parents=True, exist_ok=True)
    issuer = proposal["issuer_id"]
    (reference / "issuers.csv").write_text(
        f"issuer_id,name_zh,name_en,country,role,note\n{issuer},陌生半导体,Stranger Photonics,CN,x,\n",
        encoding="utf-8",
    )
    code, _, err = ask(
        "screen", decision, proposal["proposal_id"], "--note", "n", *more, "--content", str(mine)
    )
    assert code == 0, err
    assert ask("data", "check", "--content", str(mine))[0] == 0


def test_an_answer_that_rests_on_a_row_that_left_names_the_edition(ask, tmp_path):
    from exposure.lists.sources.csl import read_csl
    from exposure.lists.store import Store

    rows = [row for row in every_link_of_the_entity_list() if "Jingjia" not in row["name"]]
    at = date(2026, 8, 1)
    store = Store(tmp_path / "store")
    store.add(read_csl(csl(tmp_path / "cut.csv", *rows), edition_date=at, read_on=at))
    book = tmp_path / "book.csv"
    book.write_text("listing_id,name,weight\n300474.SZ,景嘉微,1.0\n", encoding="utf-8")

    code, out, _ = ask(
        "screen", str(book), *DAY, "--lists", "EL", "--store", str(store.folder), "--json"
    )

    assert code == 0
    (row,) = json.loads(out)["rows"]
    assert row["status"] == "not_on_list"
    assert "(edition 2026-08-01)" in row["wording"]
    assert row["wording"].count("to 2026-08-01") == 1


def test_a_benchmark_beside_the_holdings_is_not_read(ask, tmp_path):
    (tmp_path / "holdings.csv").write_text(
        "listing_id,name,weight\n000977.SZ,浪潮信息,1.0\n", encoding="utf-8"
    )
    (tmp_path / "benchmark.csv").write_text("no,benchmark\nat,all\n", encoding="utf-8")

    code, out, err = ask("screen", str(tmp_path / "holdings.csv"), *DAY, "--lists", "EL")

    assert code == 0, err
    assert "000977.SZ" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--lists", ""), "names no list"),
        (("--lists", " , "), "names no list"),
        (("--max-age", "-1"), "max-age"),
    ],
)
def test_an_empty_list_of_lists_and_a_negative_age_are_usage_faults(ask, arguments, says):
    code, _, err = ask("screen", SAMPLE, *DAY, *arguments)

    assert code == 2
    assert says in err


def test_a_hyphen_is_the_screen_and_no_file(ask, mine, proposed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plain = ask("screen", SAMPLE, *DAY, "--lists", "sdn")[1]
    queue = ("screen", SAMPLE, *DAY, "--propose", "--from", str(tmp_path / "consolidated.csv"), "--edition",
             "2026-07-31", "--content", str(mine))  # fmt: skip

    assert ask("screen", SAMPLE, *DAY, "--lists", "sdn", "-o", "-")[1] == plain
    assert ask(*queue, "-o", "-")[1] == ask(*queue)[1]
    assert not (tmp_path / "-").exists()
