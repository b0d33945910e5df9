"""``exposure init``: a folder that passes its own check and changes only what it says."""

import json
from datetime import date

import polars as pl
import pytest

from exposure.content import shipped_root
from exposure.factors.scoring import score_issuers
from exposure.scenarios.reading import load_catalog

DAY = ["--as-of", "2025-01-24"]


def test_init_makes_a_folder_that_passes_the_check(ask):
    code, out, err = ask("init", "mine")

    assert code == 0
    assert "exposure.toml" not in out
    assert "mine/content.toml" in out
    assert "--content mine" in err
    assert ask("data", "check", "--content", "mine", *DAY)[0] == 0


def test_the_example_adds_one_company_and_changes_no_other(ask):
    ask("init", "mine", "--example")
    arguments = ("explain", "002261.SZ", *DAY, "--json")

    ours, theirs = ask(*arguments)[1], ask(*arguments, "--content", "mine")[1]
    found = json.loads(
        ask("explain", "example_company", "ascend_share", *DAY, "--json", "--content", "mine")[1]
    )

    assert json.loads(ours)["scores"] == json.loads(theirs)["scores"]
    assert found["scores"][0]["mid"] == pytest.approx(0.3)
    assert ask("data", "check", "--content", "mine", *DAY)[0] == 0


def test_the_example_can_be_held_and_changes_no_score_of_ours(ask, tmp_path):
    book = tmp_path / "book.csv"
    book.write_text("listing,weight\n002261.SZ,0.5\n609999.SH,0.5\n", encoding="utf-8")
    ask("init", "mine", "--example")

    code, out, _ = ask("score", str(book), *DAY, "--json", "--content", "mine")
    refused = ask("score", str(book), *DAY)

    (ascend,) = [
        row
        for row in json.loads(out)["factors"]
        if (row["factor_id"], row["basis"]) == ("ascend_share", "main")
    ]
    assert code == 0
    assert {row["listing_id"] for row in ascend["top_contributors"]} == {"002261.SZ", "609999.SH"}
    assert refused[0] == 3
    assert "609999.SH" in refused[2]
    ours, theirs = load_catalog(shipped_root()), load_catalog(tmp_path / "mine")
    issuers = ours.master.issuers["issuer_id"].to_list()
    day = date(2025, 1, 24)
    assert score_issuers(theirs, issuers, day).equals(score_issuers(ours, issuers, day))
    own = score_issuers(theirs, ["example_company"], day).drop_nulls("mid")
    assert own.filter(pl.col("status") == "estimated")["factor_id"].to_list() == ["ascend_share"]


def test_init_in_the_current_folder(ask, tmp_path):
    assert ask("init", ".")[0] == 0
    assert (tmp_path / "content.toml").is_file()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_use_names_the_folder_once(ask, tmp_path):
    code, out, _ = ask("init", "own/mine", "--example", "--use")

    assert code == 0
    assert "exposure.toml" in out
    assert (tmp_path / "exposure.toml").read_text(encoding="utf-8") == 'content = "own/mine"\n'
    assert "exposure.toml" in ask("doctor")[1]
    assert ask("explain", "example_company", "ascend_share", *DAY)[0] == 0


def test_use_keeps_the_settings_that_are_there(ask, tmp_path):
    settings = tmp_path / "exposure.toml"
    settings.write_text("# mine\n", encoding="utf-8")

    code, _, err = ask("init", "mine", "--use")

    assert code == 2
    assert "exposure.toml exists" in err
    assert [path.name for path in tmp_path.iterdir()] == ["exposure.toml"]
    assert settings.read_text(encoding="utf-8") == "# mine\n"


def test_init_never_overwrites(ask):
    ask("init", "mine")

    code, _, err = ask("init", "mine")

    assert code == 2
    assert "isn't empty" in err


def test_doctor_says_what_a_layer_does(ask):
    ask("init", "mine", "--example")

    _, out, _ = ask("doctor", "--content", "mine")

    assert "lies over the shipped content" in out
    assert "1 added, 0 replaced" in out
