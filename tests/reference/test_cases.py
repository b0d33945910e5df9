"""The published and hand-computed cases, through the engine's own functions.

A user would notice a failure here as a number that no longer agrees with the literature: the textbook Leontief system,
the reference implementation of the systemic risk index, closed forms of tails, views and power. The cases that stand
beside this file need nothing else; a larger set next to the project is run too where it is there.
"""

import json
from pathlib import Path

import pytest

from exposure.validation.cases import CaseResult, check_case, check_cases, check_data

CASES = Path(__file__).parent / "cases"
NEIGHBOUR = Path(__file__).parents[3] / "shared" / "cases"
FILES = sorted(CASES.glob("*.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_shipped_case_agrees(file):
    result = check_case(file)

    assert result.status == "ok", result.line()
    assert result.not_compared == ()


def test_the_shipped_cases_cover_the_method():
    kinds = {result.kind for result in check_cases(CASES)}

    assert len(FILES) >= 24
    assert kinds >= {
        "leontief quantity",
        "leontief price",
        "influence",
        "esri",
        "mass balance",
        "water-filling",
        "first-hit walk",
        "ces",
        "inventory chain",
        "debtrank",
        "conditional stress",
        "worst case",
        "cvar",
        "partition views",
        "bernoulli mixture",
        "valuation",
        "portfolio metrics",
        "score robustness",
        "market model",
        "power",
        "pooled P&L",
    }


@pytest.mark.skipif(not NEIGHBOUR.is_dir(), reason="no shared cases beside the project")
def test_the_cases_beside_the_project_agree():
    results = check_cases(NEIGHBOUR)

    wrong = [result.line() for result in results if result.status not in ("ok", "skipped")]
    assert wrong == []
    assert all("needs" in result.reason for result in results if result.status == "skipped")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_expected_number_is_looked_at(file):
    """Moving any one expected number makes its case fail."""
    data = json.loads(file.read_text(encoding="utf-8"))
    whole = check_data(data, file.name)
    missed = []
    expected = [place for place in _numbers(data, ()) if _is_expected(place, whole.kind)]
    for place in expected[:: max(1, len(expected) // 12)]:
        changed = json.loads(json.dumps(data))
        _shift(changed, place)
        result = check_data(changed, file.name)
        if result.status == "ok":
            missed.append(place)

    assert whole.numbers > 0
    assert missed == []


def test_another_size_of_a_kind_runs():
    result = check_data(
        {
            "id": "anything",
            "n": 3,
            "edges": [[1, 0, 0.25], [2, 1, 0.5]],
            "phi": {"a": [1, 0, 0], "b": [0, 1, 0], "c": [1, 1, 0]},
            "delta": {"a": 1.0, "b": 1.0, "c": 1.0},
            "a": [1.0, 0.25, 0.125],
            "c": [1.0, 1.0, 0.5],
        },
        "x.json",
    )

    assert isinstance(result, CaseResult)
    assert (result.status, result.kind) == ("ok", "first-hit walk")


TOP_LEVEL = {
    "leontief quantity": {"f", "A", "L", "x_new", "rho_A", "iim", "ghosh_B", "series"},
    "leontief price": {"p_base", "p_new", "exact_dp"},
    "first-hit walk": {"x", "foundry", "hbm", "either", "foundry_delta08", "spectral_radius"},
    "conditional stress": {"mean", "beta", "cond_cov", "mahalanobis2", "chi2_pvalue"},
    "worst case": {"worst_return", "worst_scenario", "reverse_distance", "euler_vol"},
    "partition views": {"posterior", "relative_entropy"},
    "bernoulli mixture": {"expected", "variance"},
    "portfolio metrics": {"exposure", "active", "euler_share", "hhi", "effective_suppliers"},
    "water-filling": {"lost_total", "reallocated", "unmet", "market_shortage", "gain_pct"},
    "market model": {"alpha", "beta", "s2", "AR", "CAR", "var_CAR", "t"},
    "esri": {"expected", "cases"},
}


def _is_expected(place, kind):
    if place[0] not in TOP_LEVEL.get(kind, set()):
        return False
    return "essentiality" not in place


def _numbers(value, place):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _numbers(inner, (*place, key))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _numbers(inner, (*place, at))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield place


def _shift(data, place):
    inner = data
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = inner[place[-1]] + 1e-3 * max(1.0, abs(inner[place[-1]]))
