"""``data refresh``, ``data lists``, ``data lists diff`` and ``data status`` as people type them."""

from __future__ import annotations

import csv
import io
import json
import re

import polars as pl
import pytest

from tests.official_lists import csv_edition

EL = "Entity List (EL) - Bureau of Industry and Security"
OTHERS = [
    {"source": "Non-SDN Chinese Military-Industrial Complex Companies List (CMIC) - T", "entity_number": "1",
     "name": "Hikvision", "type": "Entity"},
    {"source": "Specially Designated Nationals (SDN) - T", "entity_number": "2", "name": "Integrity Technology",
     "type": "Entity"},
]  # fmt: skip
NAMES = ("Huawei Technologies Co., Ltd.", "Semiconductor Manufacturing International Corporation",
         "Yangtze Memory Technologies", "Sugon")  # fmt: skip


def records(*names, **more):
    every = [*NAMES, *(f"Unit {n}" for n in range(96)), *names]
    return [{"source": EL, "name": name, "federal_register_notice": "84 FR 29373"} | more
            for name in every]  # fmt: skip


@pytest.fixture
def file(tmp_path):
    def write(rows, name="c.csv"):
        # a screening list has these too; without them it is none
        (tmp_path / name).write_bytes(csv_edition([*rows, *OTHERS]))
        return name

    return write


@pytest.fixture
def two(ask, file):
    """A store with two editions, of which the second lacks Sugon and has a newcomer."""
    ask("data", "refresh", "--from", file(records()), "--edition", "2026-07-24")
    later = [row for row in records("New") if row["name"] != "Sugon"]
    return ask("data", "refresh", "--from", file(later, "d.csv"), "--edition", "2026-07-31")


def test_a_file_is_kept_beside_the_project_and_its_line_printed(ask, file, tmp_path):
    code, out, err = ask("data", "refresh", "--from", file(records()), "--edition", "2026-07-31")

    assert code == 0
    assert re.match(
        r"EL edition 2026-07-31, 100 rows, SHA-256 [0-9a-f]{12}; screening aid, not legal advice;"
        r" the first in this layout\n",
        out,
    )
    assert "3 of 3 lists are new and kept in lists/" in err
    assert len(list((tmp_path / "lists" / "EL").iterdir())) == 1


def test_what_is_new_and_which_links_are_touched(two):
    code, out, err = two

    assert code == 0
    assert "since 2026-07-24: 1 new rows: New" in out
    assert "since 2026-07-24: 1 rows gone: Sugon" in out
    assert "link sugon.el.sugon.entity_licence (accepted): row left" in out
    assert "reviewed links have left their list; the links end at this edition" in err


def test_the_same_file_again_is_said(ask, file):
    arguments = ("data", "refresh", "--from", file(records()), "--edition", "2026-07-31")
    ask(*arguments)

    _, out, err = ask(*arguments)

    assert "the same file was kept before" in out
    assert "0 of 3 lists are new" in err


def test_a_dry_run_keeps_nothing(ask, file, tmp_path):
    code, out, err = ask(
        "data", "refresh", "--from", file(records()), "--edition", "2026-07-31", "--dry-run"
    )

    assert code == 0
    assert "100 rows" in out
    assert "nothing is kept" in err
    assert not (tmp_path / "lists").exists()


def test_several_files_may_follow_from(ask, tmp_path):
    null = "-0- "
    (tmp_path / "sdn.csv").write_text(
        f'36,"INTEGRITY TECHNOLOGY",{null},"SDGT"' + f",{null}" * 8 + "\r\n\x1a"
    )
    (tmp_path / "alt.csv").write_text(f'36,1,"aka","YONGXIN",{null}\r\n\x1a')

    code, out, _ = ask(
        "data", "refresh", "--from", "sdn.csv", "alt.csv", "--edition", "2026-07-31", "--json"
    )

    assert code == 0
    (row,) = json.loads(out)["lists"]
    assert (row["list_id"], row["layout"]) == ("SDN", "sdn")
    assert [issue["rule"] for issue in row["issues"]] == ["part_not_given"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--from", "c.csv"), "give the day it was published on: --edition YYYY-MM-DD"),
        (("--from", "missing.csv"), "does not exist"),
        (
            ("--from", "c.csv", "--edition", "2026-07-31", "--accept-fewer", "UVL"),
            "no file here has list UVL",
        ),
        (("--from", "c.csv", "--edition", "2999-01-01"), "before that day"),
    ],
)
def test_what_can_not_be_kept_exits_with_3(ask, file, tmp_path, arguments, says):
    file(records())

    code, _, err = ask("data", "refresh", *arguments)

    assert code == 3
    assert says in err
    assert not (tmp_path / "lists").exists()


def test_a_cut_file_is_refused_unless_the_list_is_named(ask, file):
    ask("data", "refresh", "--from", file(records()), "--edition", "2026-07-24")
    cut = ("data", "refresh", "--from", file(records()[:90], "d.csv"), "--edition", "2026-07-31")

    code, _, err = ask(*cut)
    assert code == 3
    assert "EL has 90 rows; the edition before had 100" in err

    code, out, _ = ask(*cut, "--accept-fewer", "EL")
    assert code == 0
    assert "10 rows gone" in out


def test_without_a_network_nothing_is_written(ask, tmp_path, monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", _no_network)

    code, out, err = ask("data", "refresh")

    assert (code, out) == (3, "")
    assert "can't be fetched; nothing was changed" in err
    assert "exposure data refresh --from FILE" in err
    assert not (tmp_path / "lists").exists()


def _no_network(*_args, **_more):
    raise OSError("Network is unreachable")


# --- where --------------------------------------------------------------------------------------------------------


def test_the_store_is_chosen_by_flag_then_variable_then_setting(ask, file, tmp_path, monkeypatch):
    (tmp_path / "exposure.toml").write_text('lists = "from-setting"\n')
    arguments = ("data", "refresh", "--from", file(records()), "--edition", "2026-07-31")

    ask(*arguments)
    monkeypatch.setenv("EXPOSURE_LISTS", str(tmp_path / "from-variable"))
    ask(*arguments)
    ask(*arguments, "--store", "from-flag")

    kept = {path.name for path in tmp_path.iterdir() if path.is_dir()}
    assert kept == {"from-setting", "from-variable", "from-flag"}


# --- lists and diff -----------------------------------------------------------------------------------------------


def test_editions_and_their_age(ask, two):
    code, out, _ = ask("data", "lists", "--as-of", "2026-08-05")

    assert code == 0
    assert re.search(r"EL\s+2026-07-31\s+100\s+[0-9a-f]{12}\s+2026-07-31\s+5\s+● ok\s+csl", out)
    assert re.search(r"1260H\s+2026-06-08\s+n/a\s+n/a\s+2026-06-08\s+58\s+▲ old\s+content", out)
    assert "screening aid, not legal advice" in out


def test_a_list_that_is_too_old_exits_with_7(ask, two):
    code, out, err = ask("data", "lists", "--as-of", "2026-08-31", "--json")

    assert code == 7
    data = json.loads(out)
    ages = {row["list_id"]: row["state"] for row in data["ages"]}
    assert (ages["EL"], ages["MEU"]) == ("refuse", "warn")
    assert len(data["editions"]) == 6  # two days, three lists
    assert "too old to rely on absence from it: EL" in err


def test_an_edition_is_not_known_before_its_day(ask, two):
    _, out, _ = ask("data", "lists", "--as-of", "2026-07-30", "--format", "csv")

    rows = {row["list_id"]: row for row in csv.DictReader(io.StringIO(out))}
    assert rows["EL"]["edition_date"] == "2026-07-24"


def test_a_desk_without_editions_is_told_how_to_get_one(ask):
    code, out, err = ask("data", "lists", "--as-of", "2026-08-05")

    assert code == 0
    assert "content" in out
    assert "exposure data refresh --from FILE" in err


def test_a_diff_in_every_format(ask, two, tmp_path):
    code, out, err = ask("data", "lists", "diff", "EL", "--json")
    assert code == 0
    data = json.loads(out)
    assert (data["from"], data["to"]) == ("2026-07-24", "2026-07-31")
    assert [(row["change"], row["name"]) for row in data["rows"]] == [
        ("row removed", "Sugon"),
        ("row added", "New"),
    ]
    assert "2 changes" in err

    _, out, _ = ask(
        "data",
        "lists",
        "diff",
        "EL",
        "--from",
        "2026-07-24",
        "--to",
        "2026-07-31",
        "--format",
        "csv",
    )
    assert [row["name"] for row in csv.DictReader(io.StringIO(out))] == ["Sugon", "New"]

    ask("data", "lists", "diff", "EL", "--format", "parquet", "-o", "d.parquet")
    assert pl.read_parquet(tmp_path / "d.parquet").height == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("XX",), "the store has no edition of list 'XX'"),
        (("EL", "--to", "2026-07-30"), "EL: is held of 2026-07-24, 2026-07-31"),
        (("EL", "--to", "2026-07-24"), "no edition of EL before 2026-07-24"),
    ],
)
def test_a_diff_of_what_is_not_held_says_what_is(ask, two, arguments, says):
    code, _, err = ask("data", "lists", "diff", *arguments)

    assert code == 3
    assert says in err


# --- status -------------------------------------------------------------------------------------------------------


def test_status_shows_lists_reviews_and_risk(ask, two):
    code, out, _ = ask("data", "status", "--as-of", "2026-08-05")

    assert code == 0
    assert re.search(r"list EL\s+2026-07-31\s+5\s+● ok", out)
    assert re.search(
        r"evidence reviews\s+2025-01-20\s+\d+\s+▲ due\s+\d+ of \d+ factors overdue", out
    )
    assert re.search(r"risk snapshot\s+2025-01-24\s+\d+\s+▲ old", out)


def test_status_of_the_reports_day_is_fine(ask):
    code, out, _ = ask("data", "status", "--as-of", "2025-01-24", "--max-age", "7", "--json")

    assert code == 0
    assert {row["what"]: row["state"] for row in json.loads(out)["rows"]} == {
        "evidence reviews": "ok",
        "risk snapshot": "ok",
    }


def test_status_beyond_max_age_exits_with_7(ask):
    code, _, err = ask("data", "status", "--as-of", "2025-03-01", "--max-age", "7")

    assert code == 7
    assert "older than 7 days: risk snapshot" in err


def test_the_content_check_names_links_whose_row_has_left(ask, two):
    check = ("data", "check", "--rule", "row_left_the_list", "--json", "--as-of")

    _, out, _ = ask(*check, "2026-07-31")
    left = json.loads(out)["issues"]
    _, before, _ = ask(*check, "2026-07-30")

    gone = {row["raw"] for row in left}
    assert "EL:sugon:84 FR 29373" in gone
    assert "link ends there" in left[0]["message"]
    # the edition of the week before lacks other rows too, but Sugon was on it
    assert "EL:sugon:84 FR 29373" not in {row["raw"] for row in json.loads(before)["issues"]}


def test_a_list_may_be_named_in_small_letters(ask, two):
    code, out, _ = ask("data", "lists", "diff", "el", "--format", "csv")

    assert code == 0
    assert "Sugon" in out


def test_a_file_can_not_have_been_fetched_after_today(ask, file):
    code, _, err = ask(
        "data", "refresh", "--from", file(records()), "--edition", "2026-07-31", "--fetched-on", "2999-01-01"
    )  # fmt: skip

    assert code == 2
    assert "can't have been fetched on 2999-01-01" in err


def test_an_answer_that_is_no_list_says_what_it_is(ask, tmp_path):
    (tmp_path / "c.json").write_text('{"message": "Forbidden"}', encoding="utf-8")

    code, _, err = ask("data", "refresh", "--from", str(tmp_path / "c.json"))

    assert code == 3
    assert "is an answer of the server, no list: Forbidden" in err
    assert "--edition" not in err
