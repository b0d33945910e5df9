"""One failure in a million links, and the failure of every firm: run by make bench, never a pass or fail."""

import numpy as np
import pytest

from exposure.scenarios.static import CORRECTIONS, StaticNetwork
from exposure.scenarios.systemic import systemic_risk
from tests.power_law_worlds import power_law_world

MILLION = (125_000, 1_110_000)  # parallel draws merge: 991,177 links
MIDDLE = (12_500, 99_500)  # 94,518 links
SAMPLE = 12


def prepared(world, how):
    given = {
        "published": {},
        "with revenue": {"revenue": world.revenue},
        "corrected": {
            "revenue": world.revenue,
            "costs": world.costs,
            "corrected": list(CORRECTIONS),
        },
    }[how]
    return StaticNetwork.of(*world.arguments, weights=world.revenue, **given)


@pytest.fixture(scope="module")
def million():
    return power_law_world(*MILLION)


@pytest.fixture(scope="module")
def middle():
    return power_law_world(*MIDDLE)


def failures(world, firms):
    psi = np.zeros((len(firms), world.revenue.size))
    psi[np.arange(len(firms)), firms] = 1.0
    return psi


@pytest.mark.benchmark(group="static")
def test_bench_prepare_a_million_links(benchmark, million):
    assert benchmark.pedantic(prepared, (million, "corrected"), rounds=5).n == MILLION[0]


@pytest.mark.benchmark(group="static")
@pytest.mark.parametrize("how", ["published", "with revenue", "corrected"])
def test_bench_one_failure_in_a_million_links(benchmark, million, how):
    """The largest firms in turn: the median is that of large failures, the maximum the worst."""
    network = prepared(million, how)
    shocks = iter(failures(million, np.argsort(-million.revenue)[:20]))

    found = benchmark.pedantic(
        network.losses, setup=lambda: ((next(shocks),), {"eps": 1e-6}), rounds=20
    )

    assert found.residual <= 1e-6


@pytest.mark.benchmark(group="static: every firm")
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("how", ["published", "with revenue", "corrected"])
def test_bench_every_firm(benchmark, middle, how, processes):
    network = prepared(middle, how)

    index = benchmark.pedantic(systemic_risk, (network,), {"processes": processes}, rounds=3)

    worst = error_of(network, middle, index)
    print(f"\nlargest error of {2 * SAMPLE} firms: {worst:.1e}")
    assert worst < 1e-4


@pytest.mark.benchmark(group="static: every firm")
@pytest.mark.parametrize("how", ["published", "with revenue", "corrected"])
def test_bench_some_firms_of_a_large_network(benchmark, million, how):
    """256 of 125,000 firms: times 488 for all of them."""
    network = prepared(million, how)
    firms = np.random.default_rng(0).choice(MILLION[0], 256, replace=False)

    index = benchmark.pedantic(systemic_risk, (network, firms), {"eps": 1e-4}, rounds=3)

    assert index.max() <= 1.0


def error_of(network, world, index):
    """Largest error of the index, of the firms with the largest index and of random ones, at eps 1e-12."""
    random = np.random.default_rng(1).choice(index.size, SAMPLE, replace=False)
    firms = np.concatenate([np.argsort(-index)[:SAMPLE], random])
    exact = [network.losses(psi, eps=1e-12).combined for psi in failures(world, firms)]
    return float(np.abs(index[firms] - exact).max())
