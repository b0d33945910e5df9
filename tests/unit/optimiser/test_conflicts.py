from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exposure.optimiser import conflicts
from exposure.optimiser.conflicts import find_conflict, is_feasible
from exposure.optimiser.limits import named_limits
from exposure.portfolios.mandates import Mandate
from tests.optimiser_worlds import world

SPARE = (
    "us_gpu_dependence <= 95%",
    "hbm_dependence <= 95%",
    "issuer <= 60%",
    "scenario:hbm_ban >= -90%",
)


def conflict_of(inputs, *sentences, robust=None):
    limits = named_limits(inputs, Mandate.of(*sentences, *SPARE), robust)
    return find_conflict(inputs, limits), limits


def without(limits, name):
    return tuple(limit for limit in limits if limit.name != name)


def test_limits_that_hold_together_are_no_conflict():
    found, _ = conflict_of(world(12), "position <= 30%", "turnover <= 100%")

    assert found is None


def test_a_cap_and_too_little_turnover_are_named_and_nothing_else():
    found, limits = conflict_of(
        world(12), "foundry_node_dependence <= 0.5 * current", "turnover <= 10%"
    )

    assert found.names == ("foundry_node_dependence", "turnover")
    core = tuple(limit for limit in limits if limit.name in found.names)
    assert not is_feasible(world(12), core)


def test_each_repair_alone_is_enough_and_less_is_not():
    inputs = world(12)
    found, limits = conflict_of(
        inputs, "foundry_node_dependence <= 0.5 * current", "turnover <= 10%"
    )

    for name, bound in found.repairs.items():
        old = next(limit.bound for limit in limits if limit.name == name)
        for share, expected in ((1.0, True), (0.999, False)):
            moved = tuple(
                x.moved(old + share * (bound - old)) if x.name == name else x for x in limits
            )
            assert is_feasible(inputs, moved) is expected


def test_it_says_so_where_no_single_change_is_enough():
    """The cap can't be met by any weights, so more turnover alone never helps."""
    inputs = world(8)
    lowest = inputs.score_mid[:, 0].min()
    found, limits = conflict_of(
        inputs,
        f"foundry_node_dependence <= {lowest - 0.02:.4f}",
        "position <= 30%",
        "turnover <= 5%",
    )

    frame = found.frame(limits)

    repair = dict(frame.select("name", "repair").iter_rows())
    assert "foundry_node_dependence" in repair
    assert repair["foundry_node_dependence"] is not None
    others = frame.filter(frame["name"] != "foundry_node_dependence")
    assert others.filter(others["name"].is_in(["position", "turnover"]))["repair"].null_count() == (
        others.filter(others["name"].is_in(["position", "turnover"])).height
    )
    assert frame.filter(frame["repair"].is_null())["repair_verified"].any() is False


def test_position_cap_and_cash_name_each_other_with_exact_repairs():
    """Twelve names at 5% can't be fully invested: the cap would have to be 1/12, or cash 40%."""
    found, _ = conflict_of(world(12), "position <= 5%")

    assert found.names == ("position", "cash")
    assert found.repairs["position"] == pytest.approx(1 / 12, abs=1e-6)
    assert found.repairs["cash"] == pytest.approx(0.4, abs=1e-6)


def test_a_suspended_name_above_its_cap_is_a_conflict_of_those_two():
    inputs = world(6)
    big = int(np.argmax(inputs.w0))
    name = f"do_not_trade:{inputs.listing_ids[big]}"

    found, _ = conflict_of(
        replace(inputs, frozen=(big,)), f"position <= {inputs.w0[big] - 0.01:.4f}"
    )

    assert set(found.names) == {"position", name}
    assert found.repairs["position"] == pytest.approx(inputs.w0[big], abs=1e-6)


def test_shares_that_cannot_be_sold_today_clash_with_an_exclusion():
    inputs = world(6)
    name = inputs.listing_ids[2]
    floor = np.zeros(6)
    floor[2] = inputs.w0[2]

    found, _ = conflict_of(replace(inputs, sell_floor=floor, excluded=((f"exclude:{name}", (2,)),)))

    assert set(found.names) == {f"exclude:{name}", f"cannot_sell:{name}"}


def test_a_coverage_floor_is_repaired_in_its_own_unit():
    inputs = world(6)
    covered = np.zeros((6, 3), dtype=bool)
    covered[:2] = True

    found, _ = conflict_of(
        replace(inputs, covered=covered), "coverage(hbm_dependence) >= 80%", "position <= 20%"
    )

    assert "coverage:hbm_dependence" in found.names
    assert found.repairs["coverage:hbm_dependence"] == pytest.approx(0.4, abs=1e-5)


def test_an_ellipsoid_that_cannot_hold_is_found_through_its_tangents():
    """At the mids the cap holds; under score errors it can't."""
    inputs = world(8)
    plain = named_limits(inputs, Mandate.of("foundry_node_dependence <= 20%", "position <= 30%"))
    row = plain[0].rows.toarray()[0]
    order = np.argsort(row)
    w = np.zeros(8)
    w[order[:3]], w[order[3]] = 0.3, 0.1
    sentence = f"foundry_node_dependence <= {row @ w + 1e-4:.6f}"

    nominal, _ = conflict_of(inputs, sentence, "position <= 30%")
    robust, limits = conflict_of(inputs, sentence, "position <= 30%", robust="ellipsoid")

    assert nominal is None
    assert "foundry_node_dependence" in robust.names
    bound = robust.repairs["foundry_node_dependence"]
    eased = tuple(x.moved(bound) if x.name == "foundry_node_dependence" else x for x in limits)
    assert is_feasible(inputs, eased)


def test_without_a_ray_the_filter_still_finds_a_minimal_conflict(monkeypatch):
    monkeypatch.setattr(conflicts._Phase, "candidates", lambda self: self.names)
    inputs = world(10)

    found, limits = conflict_of(
        inputs, "foundry_node_dependence <= 0.5 * current", "turnover <= 10%"
    )

    core = tuple(limit for limit in limits if limit.name in found.names)
    assert not is_feasible(inputs, core)
    for name in found.names:
        assert is_feasible(inputs, without(core, name))


def test_candidates_that_hold_together_are_widened_to_all_names(monkeypatch):
    monkeypatch.setattr(conflicts._Phase, "candidates", lambda self: ("issuer",))

    found, _ = conflict_of(world(12), "foundry_node_dependence <= 0.5 * current", "turnover <= 10%")

    assert found.names == ("foundry_node_dependence", "turnover")


def test_the_solver_prints_nothing(capfd):
    conflict_of(world(6), "position <= 5%")

    assert capfd.readouterr().out == ""


def test_an_issuer_cap_stays_when_the_position_cap_is_relaxed():
    """With both at 5%, raising the position cap alone is not enough."""
    inputs = world(12)
    limits = named_limits(inputs, Mandate.of("position <= 5%", "issuer <= 5%"))

    found = find_conflict(inputs, limits)

    assert len(found.names) == 2  # cash and one of the two caps
    assert found.repairs["issuer" if "issuer" in found.names else "position"] is None
