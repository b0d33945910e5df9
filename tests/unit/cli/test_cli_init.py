"""``exposure init``: a folder that passes its own check and changes only what it says."""

import json

import pytest

from exposure.cli.main import run

DAY = ["--as-of", "2025-01-24"]


@pytest.fixture
def ask(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code = run(list(arguments))
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return call


def test_init_makes_a_folder_that_passes_the_check(ask):
    code, out, err = ask("init", "mine")

    assert code == 0
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
