"""How case files are recognised, compared and refused: a wrong number never passes unseen."""

import json
import math

import pytest

from exposure.errors import UsageError
from exposure.validation.case_kinds import networks, oracles
from exposure.validation.cases import CaseResult, check_case, check_cases, check_data

CES = {"shares": [0.5, 0.5], "input_availability": [0.0, 1.0], "loss_by_rho": {"1": 0.5, "0": 1.0}}
CHAIN = {"T": 52, "cover_weeks": 8, "cut": 0.5, "mean_loss": 17.5 / 52, "first_loss_week": 18}


def written(folder, name, text):
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_the_line_says_what_was_compared():
    result = check_data({"id": "my_ces_b", **CES}, "x.json")

    assert (result.status, result.numbers, result.percent) == ("ok", 2, 100.0)
    words = "my_ces_b ok 2 numbers largest error 0 tolerance 1e-9"
    assert " ".join(result.line().split()) == words


def test_a_number_off_by_more_than_its_tolerance_fails():
    result = check_data(CES | {"loss_by_rho": {"1": 0.5, "0": 1.0, "-4": 0.9}}, "x.json")

    assert result.status == "FAILED"
    assert result.percent == pytest.approx(200 / 3)
    assert result.largest_error == pytest.approx(0.1)
    assert "loss_by_rho.-4" in result.line()


def test_the_error_is_relative_for_large_numbers():
    case = {"Z": [[0.0, 5e8], [0.0, 0.0]], "x": [1e9, 1e9], "f_new": [1e9, 2e9]}

    near = check_data(case | {"x_new": [2e9 + 1.0, 2e9]}, "x.json")
    far = check_data(case | {"x_new": [2e9 + 10.0, 2e9]}, "x.json")

    assert near.status == "ok"
    assert near.largest_error == pytest.approx(5e-10)
    assert far.status == "FAILED"


def test_a_file_may_state_its_own_tolerance():
    case = CES | {"loss_by_rho": {"1": 0.501}}

    assert check_data(case, "x.json").status == "FAILED"
    assert check_data(case | {"tolerance": 0.01}, "x.json").status == "ok"


@pytest.mark.parametrize("tolerance", [0, -1.0, "small", math.inf, math.nan, True])
def test_a_tolerance_must_be_a_positive_number(tolerance):
    result = check_data(CES | {"tolerance": tolerance}, "x.json")

    assert result.status == "unreadable"
    assert "tolerance" in result.reason


def test_whole_numbers_must_be_equal():
    assert check_data(CHAIN, "x.json").status == "ok"
    assert (
        check_data(CHAIN | {"first_loss_week": 17, "tolerance": 2.0}, "x.json").status == "FAILED"
    )


def test_no_loss_at_all_has_no_first_week():
    case = {"T": 10, "cover_weeks": 8, "cut": 0.1, "mean_loss": 0.0, "first_loss_week": None}

    assert check_data(case, "x.json").status == "ok"


def test_a_list_of_another_length_fails():
    result = check_data(CHAIN | {"path": [1.0, 1.0]}, "x.json")

    assert (result.status, result.largest_error) == ("FAILED", None)
    assert "no match" in result.line()


def test_order_and_pairs_of_a_ranking_must_agree():
    case = {"X": [[0.2, 0.1], [0.5, 0.4]], "weights": [0.5, 0.5], "order": [1, 0]}

    assert check_data(case, "x.json").status == "ok"
    assert check_data(case | {"order": [0, 1]}, "x.json").status == "FAILED"
    assert check_data(case | {"dominance_pairs_i_over_j": [[0, 1]]}, "x.json").status == "FAILED"


def test_unknown_keys_are_named_and_text_is_not():
    result = check_data(CES | {"surprise": 3.0, "hand": "see", "odd_note": "x"}, "x.json")

    assert (result.status, result.not_compared) == ("ok", ("surprise",))
    assert "not compared: surprise" in result.line()


def test_a_law_that_does_not_hold_fails(monkeypatch):
    case = {
        "A": [[0, 0], [0.5, 0]],
        "phi": {"a": [1, 0], "b": [0, 1], "c": [1, 1]},
        "delta": {"a": 1.0, "b": 1.0, "c": 1.0},
        "a": [1.0, 0.0],
    }
    real = networks.network.first_hit
    monkeypatch.setattr(networks.network, "first_hit", lambda phi, A, d: real(phi, A, d) * 0.9)

    result = check_data(case, "x.json")

    assert result.status == "FAILED"


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ({}, "no kind"),
        ({"surprise": 1}, "no kind"),
        ({"phi": [1, 0], "delta": 1.0, "x": [1, 0]}, "which needs A|edges"),
        ({"T": 3, "cover_weeks": 1, "cases": {"a": {}}}, "lacks 'cut'"),
        ({"shares": [0.5], "input_availability": [1.0]}, "no expected number"),
        (CES | {"input_availability": [[1.0]]}, "can't be run"),
        ({"n": 10**12, "edges": [], "phi": [1], "delta": 1, "x": [1]}, "whole number"),
        ({"T": 10**9, "cover_weeks": 1, "cut": 1, "mean_loss": 1}, "whole number"),
        ({"prior": [1.0], "group": [0], "views": {"group0": 1.0}, "posterior": [1]}, "no group"),
    ],
)
def test_what_is_no_case_is_named_with_the_reason(case, words):
    result = check_data(case, "odd.json")

    assert (result.status, result.id) == ("unreadable", "odd")
    assert words in result.reason


def test_inputs_that_the_engine_refuses_fail():
    case = {"phi": [1, 0], "delta": 1.0, "A": [[0, 0], [0.8, 0.3]], "x": [1, 0.8]}

    result = check_data(case, "x.json")

    assert result.status == "FAILED"
    assert "more than 1" in result.reason


def test_the_id_breaks_a_tie():
    both = {
        "mu": [0.0, 0.0],
        "Sigma": [[0.04, 0.0], [0.0, 0.04]],
        "shocked": [0],
        "values": [-0.2],
        "w": [1.0, 0.0],
        "radius": 1.0,
        "mean": [-0.2, 0.0],
        "worst_return": -0.2,
    }

    assert check_data({"id": "worst_b", **both}, "x.json").kind == "worst case"
    assert check_data({"id": "conditional_b", **both}, "x.json").kind == "conditional stress"
    assert check_data(both, "my_reverse.json").kind == "worst case"


def test_a_case_without_its_package_is_skipped(monkeypatch):
    monkeypatch.setattr(oracles.importlib.util, "find_spec", lambda name: None)

    result = check_data({"n": 48, "sum_Z": 1.0}, "x.json")

    assert (result.status, result.numbers) == ("skipped", 0)
    assert "pymrio" in result.line()


def test_a_gpl_sample_is_never_fetched():
    case = {"assets": ["a"], "view": {"asset": "a", "mean": 0.0}, "post_mean": [0.0]}

    assert check_data(case, "x.json").status == "skipped"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "valid JSON"),
        ("[1, 2]", "must be an object"),
        ('{"T": 1, "T": 2}', "stands twice"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_broken_files_are_named(tmp_path, text, words):
    result = check_case(written(tmp_path, "broken.json", text))

    assert result.status == "unreadable"
    assert words in result.reason


def test_other_encodings_are_named(tmp_path):
    file = tmp_path / "gbk.json"
    file.write_bytes('{"id": "浪潮"}'.encode("gbk"))

    assert "valid JSON" in check_case(file).reason


def test_a_missing_file_is_named(tmp_path):
    assert "can't be opened" in check_case(tmp_path / "none.json").reason


def test_control_characters_do_not_reach_the_screen():
    line = check_data({"id": "a\x1b[31m\n", **CES}, "x.json").line()

    assert "\x1b" not in line
    assert "\n" not in line


def test_a_folder_is_run_in_order_of_name(tmp_path):
    written(tmp_path, "b.json", json.dumps(CES))
    written(tmp_path, "a.json", "{")
    written(tmp_path, "notes.txt", "no case")

    results = check_cases(tmp_path)

    assert [(r.id, r.status) for r in results] == [("a", "unreadable"), ("b", "ok")]
    assert all(isinstance(r, CaseResult) for r in results)


def test_one_file_can_be_named(tmp_path):
    assert check_cases(written(tmp_path, "c.json", json.dumps(CES)))[0].status == "ok"


def test_nothing_to_run_is_an_error(tmp_path):
    with pytest.raises(UsageError, match=r"no \*\.json case"):
        check_cases(tmp_path)
    with pytest.raises(UsageError, match="isn't there"):
        check_cases(tmp_path / "none")
