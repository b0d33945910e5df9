"""Reverse stress: the answers reach the loss, none is more plausible, and no combination means none."""

import itertools

import numpy as np
import polars as pl
import pytest

from exposure.errors import UsageError
from exposure.scenarios.distribution import gaussian_copula_joint
from exposure.scenarios.reverse import _at_least, nearest_combinations, reverse_stress

L = np.array([0.30, 0.20, 0.05])
P = np.array([0.5, 0.4, 0.3])
SETS = [m for size in (1, 2, 3) for m in itertools.combinations(range(3), size)]
CHANCES = np.array([P[list(m)].prod() for m in SETS])


def additive(happens, u):
    return (happens * (0.5 + 0.5 * u)) @ L


def test_every_answer_reaches_the_loss_best_first():
    found = nearest_combinations(additive, SETS, CHANCES, 3, 0.28)

    assert found
    assert all(item.loss >= 0.28 for item in found)
    scores = [item.plausibility for item in found]
    assert scores == sorted(scores, reverse=True)
    assert len({item.members for item in found}) == len(found)


def test_no_point_of_a_fine_grid_is_likelier():
    best = nearest_combinations(additive, SETS, CHANCES, 3, 0.28)[0]
    grid = np.linspace(0.0, 0.999, 60)
    for members, chance in zip(SETS, CHANCES, strict=True):
        for point in itertools.product(grid[:: 1 if len(members) < 3 else 3], repeat=len(members)):
            happens = np.zeros((1, 3), dtype=bool)
            u = np.zeros((1, 3))
            happens[0, list(members)], u[0, list(members)] = True, point
            if additive(happens, u)[0] >= 0.28:
                score = chance * np.prod(_at_least(np.array(point)))
                assert score <= best.plausibility * 1.03


def test_a_member_that_is_not_needed_is_left_out():
    found = nearest_combinations(additive, SETS, CHANCES, 3, 0.16)

    assert found[0].members in {(0,), (1,)}
    for item in found:
        for k in range(len(item.members)):
            happens, u = np.zeros((1, 3), dtype=bool), np.zeros((1, 3))
            rest = [
                (m, v) for j, (m, v) in enumerate(zip(item.members, item.u, strict=True)) if j != k
            ]
            for member, place in rest:
                happens[0, member], u[0, member] = True, place
            assert additive(happens, u)[0] < 0.16


def test_a_loss_out_of_reach_has_no_answer():
    assert nearest_combinations(additive, SETS, CHANCES, 3, 0.6) == []


def test_the_sample_book(book, catalog, risk):
    found = reverse_stress(book, catalog, 0.05, risk=risk)

    assert 1 <= found.combinations["rank"].n_unique() <= 3
    assert found.combinations["loss"].min() >= 0.05 - 1e-9
    assert found.combinations["plausibility"].is_between(0.0, 1.0).all()
    worst = found.worst.row(0, named=True)
    assert worst["plausibility"] >= 0.01
    assert found.worst["loss"].is_sorted()
    distance = found.market.row(0, named=True)
    moved = found.market_moves
    assert (moved["weight"] * moved["reverse"]).sum() == pytest.approx(-0.05, abs=1e-9)
    assert distance["distance"] > 0


def test_a_loss_that_no_combination_reaches_is_empty_and_the_market_still_answers(
    book, catalog, risk
):
    found = reverse_stress(book, catalog, 0.9, ["hbm_ban", "gpu_export_ban"], risk=risk)

    assert found.combinations.is_empty()
    assert found.market.height == 2
    assert reverse_stress(book, catalog, 0.9, ["hbm_ban"]).market.is_empty()


def test_opposite_drivers_seldom_happen_together(catalog):
    from exposure.scenarios.reading import scenario_definitions
    from exposure.scenarios.reverse import _chance

    known = list(scenario_definitions(catalog).values())
    ids = [item.id for item in known]
    rises, eases, other = ids.index("hbm_ban"), ids.index("detente"), ids.index("gpu_export_ban")
    p = {item.id: item.probability.mid for item in known}

    assert _chance(known, (rises, eases), 0.5) < p["hbm_ban"] * p["detente"]
    expected = gaussian_copula_joint([p["hbm_ban"], p["gpu_export_ban"]], 0.5)
    assert _chance(known, (rises, other), 0.5) == pytest.approx(expected)


@pytest.mark.parametrize("loss", [0.0, 1.0, -0.1])
def test_a_loss_that_is_none_is_refused(book, catalog, loss):
    with pytest.raises(UsageError, match="can't be asked for"):
        reverse_stress(book, catalog, loss)


def test_results_travel_as_json(book, catalog):
    found = reverse_stress(book, catalog, 0.02).to_dict()

    assert found["loss"] == 0.02
    assert isinstance(found["combinations"], list)
    assert pl.DataFrame(found["worst"]).height == 2


def test_scenarios_that_add_nothing_hide_no_answer():
    """Nine scenarios without effect beside one that does it alone, and is less likely than any of them."""
    effects = np.array([0.0] * 9 + [0.3])
    p = np.array([0.9] * 9 + [0.2])
    sets = [m for size in (1, 2, 3) for m in itertools.combinations(range(10), size)]
    chances = np.array([p[list(m)].prod() for m in sets])

    found = nearest_combinations(lambda happens, u: happens @ effects, sets, chances, 10, 0.2)

    assert [item.members for item in found] == [(9,)]


@pytest.mark.parametrize("rho", [-0.1, 1.0, float("nan")])
def test_a_dependence_outside_is_refused(book, catalog, rho):
    with pytest.raises(UsageError, match="isn't possible"):
        reverse_stress(book, catalog, 0.02, dependence=rho)
