"""How long the shipped graph takes for a shock, and for ten thousand drawn futures: run by make bench, never a pass."""

import numpy as np
import pytest

from exposure.scenarios.cases import single_cases
from exposure.scenarios.evaluating import evaluate
from exposure.scenarios.reading import scenario_definitions
from exposure.scenarios.world import read_world

DRAWS = 10_000


@pytest.fixture(scope="module")
def items(catalog):
    return list(scenario_definitions(catalog).values())


@pytest.fixture(scope="module")
def world(book, catalog, items):
    found = read_world(book, catalog, items)
    assert found.engine.fixed
    return found


@pytest.mark.benchmark(group="shock")
def test_bench_one_shock(benchmark, world, items):
    """One scenario at one severity, three readings, 52 weeks."""
    one = [item for item in items if item.id == "foundry_16nm_cut"]
    cases = world.cases(one, *single_cases(one, ["base"]))

    assert benchmark(evaluate, world, cases).effects.known.any()


@pytest.mark.benchmark(group="shock")
def test_bench_the_catalogue(benchmark, world, items):
    """All scenarios at three severities: the time of a shock is this over their number."""
    cases = world.cases(items, *single_cases(items, ["low", "base", "high"]))
    benchmark.extra_info["shocks"] = cases.count

    assert benchmark(evaluate, world, cases).effects.known.any()


@pytest.mark.benchmark(group="draws")
def test_bench_ten_thousand_draws_of_the_engine(benchmark, world, items):
    """The exact engine on every draw: target 30 s on one core."""
    rng = np.random.default_rng(1)
    happens = rng.random((DRAWS, len(items))) < 0.4
    cases = world.cases(items, happens, happens * rng.beta(3, 3, happens.shape))

    found = benchmark.pedantic(evaluate, (world, cases), {"ends": ("mid",)}, rounds=3)
    assert found.effects.price.shape[0] == DRAWS


@pytest.mark.benchmark(group="draws")
def test_bench_simulate(benchmark, book, catalog, risk):
    from exposure.scenarios.simulation import simulate

    found = benchmark.pedantic(simulate, (book, catalog), {"draws": DRAWS, "risk": risk}, rounds=3)
    assert found.returns.shape[0] == DRAWS


@pytest.mark.benchmark(group="reverse")
def test_bench_reverse(benchmark, book, catalog, risk):
    from exposure.scenarios.reverse import reverse_stress

    found = benchmark.pedantic(reverse_stress, (book, catalog, 0.05), {"risk": risk}, rounds=2)
    assert not found.combinations.is_empty()
