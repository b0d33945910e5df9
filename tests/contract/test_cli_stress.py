"""``exposure stress`` as people type it: acts, replay, what-ifs, steps, draws and reverse, and what is refused."""

import csv
import io
import json

import pytest

from exposure.cli.main import run
from tests.contract.test_cli import DAY, SAMPLE, lines


@pytest.fixture
def book():
    return SAMPLE / "holdings.csv"


def answer(capsys, *arguments):
    assert run(["stress", *map(str, arguments), "--json"]) == 0
    return json.loads(lines(capsys)[0])


def test_acts_known_by_the_day(book, capsys):
    early = answer(capsys, book, "--as-of", "2025-01-10", "--acts")
    late = answer(capsys, book, *DAY, "--acts")

    assert {row["scenario_id"] for row in early["rows"]} < {
        row["scenario_id"] for row in late["rows"]
    }
    assert len(late["rows"]) >= 29
    assert "us_2025_01_15_foundry" not in {row["scenario_id"] for row in early["rows"]}


def test_a_replay_runs_on_the_eve_unless_a_day_is_named(book, capsys):
    found = answer(capsys, book, "--replay", "US-2024-12-02-FDP-HBM")
    assert found["as_of"] == "2024-12-01"

    assert run(["stress", str(book), *DAY, "--replay", "US-2024-12-02-FDP-HBM"]) == 0
    out, err = lines(capsys)
    assert "public after 2024-12-01" in err
    assert "us_2024_12_02_fdp_hbm" in out


def test_a_what_if_of_shocks_and_listings(book, capsys):
    found = answer(
        capsys,
        book,
        *DAY,
        "--shock",
        "hbm=-40%",
        "--list-add",
        "688256.SH:entity_list",
        "--duration",
        "3y",
        "--steps",
    )

    assert [row["scenario_id"] for row in found["rows"]] == ["what_if"]
    steps = {row["issuer_id"]: row for row in found["steps"]}
    assert steps["cambricon"]["loss"] > 0
    assert steps["cambricon"]["years"] == pytest.approx(3.0)
    assert 0.0 < steps["cambricon"]["weight"] < 1.0


def test_the_ascend_gain_shrinks_to_the_stockpile(book, capsys):
    """A ban of US GPUs lets Talkweb grow; with foundry and memory cut too, only stocks are left to grow on."""

    def talkweb(*names):
        options = [option for name in names for option in ("-s", name)]
        found = answer(
            capsys, book, *DAY, *options, *(["--combine"] if len(names) > 1 else []), "--steps"
        )
        return next(row for row in found["steps"] if row["issuer_id"] == "talkweb")

    free = talkweb("gpu_export_ban")
    cut = talkweb("gpu_export_ban", "foundry_16nm_cut")
    both = talkweb("gpu_export_ban", "foundry_16nm_cut", "hbm_ban")

    assert free["gain"] > 0.1
    assert free["price"] > 0
    assert 0 < both["gain"] <= cut["gain"] < 0.1 * free["gain"]
    assert both["price"] <= cut["price"] < 0


def test_steps_say_what_dominates_and_what_is_inferred(book, capsys):
    assert run(["stress", str(book), *DAY, "-s", "gpu_export_ban", "--steps"]) == 0

    out = lines(capsys)[0]
    assert "lasts 2 (1–4) years" in out
    assert "duration weight" in out
    assert "inferred" in out
    assert "output lost by week" in out
    assert "market domestic AI server chips: lost 64.0%" in out
    assert "distance" in out


def test_an_unknown_result_says_that_it_is_not_zero(book, capsys):
    assert run(["stress", str(book), *DAY, "-s", "connected_vehicle_rule"]) == 0

    assert "n/a: unknown, not zero" in lines(capsys)[0]


@pytest.mark.parametrize("by", ["listing", "step", "part", "horizon", "market", "path"])
def test_every_table_comes_as_csv(book, capsys, by):
    assert (
        run(["stress", str(book), *DAY, "-s", "gpu_export_ban", "--by", by, "--format", "csv"]) == 0
    )

    rows = list(csv.DictReader(io.StringIO(lines(capsys)[0])))
    assert rows
    assert {row["severity"] for row in rows} == {"base"}


def test_draws_with_a_view(book, capsys):
    found = answer(capsys, book, *DAY, "--draws", "1000", "--seed", "3", "--view", "hbm_ban=80%")[
        "outlook"
    ]

    row = next(row for row in found["attribution"] if row["scenario_id"] == "hbm_ban")
    assert row["probability"] == pytest.approx(0.8, abs=1e-6)
    assert found["summary"]["seed"] == 3
    assert found["summary"]["effective_draws"] < 1000

    assert (
        run(
            ["stress", str(book), *DAY, "--draws", "1000", "--view", "hbm_ban & gpu_export_ban=0.3"]
        )
        == 0
    )
    out = lines(capsys)[0]
    assert "effective draws" in out
    assert "CVaR" in out
    assert "in the worst 5%" in out


def test_reverse_names_combinations_or_none(book, capsys):
    found = answer(capsys, book, *DAY, "--reverse", "4%")["reverse"]
    assert found["combinations"]
    assert all(row["loss"] >= 0.04 - 1e-9 for row in found["combinations"])

    assert run(["stress", str(book), *DAY, "-s", "hbm_ban", "--reverse", "90%"]) == 0
    assert "no combination of up to four scenarios reaches it" in lines(capsys)[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name scenarios"),
        (["--replay", "US-2024-12-02-FDP-HBX"], "US-2024-12-02-FDP-HBM"),
        (["--list-add", "688256.SH"], "must look like"),
        (["--list-add", "688256.SH:entity_lst"], "entity_list"),
        (["-s", "hbm_ban", "--duration", "3 years"], "3y, 18m"),
        (["-s", "hbm_ban", "--duration", "5y-2y"], "short to long"),
        (["-s", "hbm_ban", "--combine"], "two scenarios"),
        (["-s", "hbm_ban", "--by", "issuer"], "--by"),
        (["--draws", "10"], "tail"),
        (["--view", "hbm_ban=2"], "probability"),
        (["--view", "hbm_bann=0.5"], "hbm_ban"),
        (["--reverse", "150%"], "can't be asked for"),
        (["--draws", "1000", "--dependence", "2"], "isn't possible"),
        (["-s", "hbm_ban", "--dependence", "0.3"], "--dependence is for"),
        (["--shock", "hbm=-0.4", "--draws", "200"], "no --shock"),
        (["--draws", "200", "--duration", "10y"], "--duration"),
        (["-s", "hbm_ban", "-o", "out.txt"], "-o writes"),
        (["-s", "hbm_ban", "--draws", "200", "--format", "csv"], "one table"),
        (["--draws", "200", "--by", "listing"], "--by needs"),
        (["-s", "us_2025_01_15_foundry", "--reverse", "3%"], "no probability"),
        (["--draws", "200", "--seed", "-1"], "seed"),
        (["--shock", "hbmm=-0.4"], "factors/nodes.csv"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(book, capsys, arguments, words):
    assert run(["stress", str(book), *DAY, *arguments]) in (2, 3)

    out, err = lines(capsys)
    assert not out
    assert words in err
    assert "Traceback" not in err


def test_scenarios_and_acts_are_listed_apart(capsys):
    assert run(["scenarios", "--json"]) == 0
    what_ifs = {row["id"] for row in json.loads(lines(capsys)[0])["rows"]}
    assert run(["scenarios", "--acts", "--json"]) == 0
    acts = {row["id"] for row in json.loads(lines(capsys)[0])["rows"]}

    assert not what_ifs & acts
    assert len(acts) >= 29
    assert run(["scenarios", "US-2024-12-02-FDP-HBM"]) == 0
    assert json.loads(lines(capsys)[0])["event"] == "US-2024-12-02-FDP-HBM"
