"""Walks over a million links, and the shipped catalog scored: run by make bench, never a pass or fail."""

from datetime import date

import numpy as np
import pytest
from scipy import sparse

from exposure.factors.bounds import first_hit_bounds
from exposure.factors.network import first_hit
from exposure.factors.scoring import score_issuers

NODES, LINKS, FACTORS = 125_000, 1_000_000, 16


@pytest.fixture(scope="module")
def network():
    """A power-law network: few suppliers serve most customers, bills of 30% to 80% of cost."""
    rng = np.random.default_rng(7)
    degree = np.minimum(rng.zipf(1.9, NODES), 2_000)
    customer = rng.integers(0, NODES, LINKS)
    supplier = rng.choice(NODES, LINKS, p=degree / degree.sum())
    raw = sparse.csr_array(
        (rng.exponential(1.0, LINKS), (customer, supplier)), shape=(NODES, NODES)
    )
    sums = np.asarray(raw.sum(axis=1)).ravel()
    bills = rng.uniform(0.3, 0.8, NODES)
    scale = np.divide(bills, sums, out=np.zeros(NODES), where=sums > 0)
    phi = np.zeros((NODES, FACTORS))
    for k in range(FACTORS):
        phi[rng.choice(NODES, 50, replace=False), k] = 1.0
    return sparse.csr_array(sparse.diags_array(scale) @ raw), phi


@pytest.mark.benchmark(group="network")
def test_bench_sixteen_factors(benchmark, network):
    shares, phi = network

    x = benchmark.pedantic(first_hit, (phi, shares), rounds=3)

    assert np.abs(x - phi - (1 - phi) * (shares @ x)).max() < 1e-12


@pytest.mark.benchmark(group="network")
def test_bench_one_factor(benchmark, network):
    shares, phi = network

    assert benchmark.pedantic(first_hit, (phi[:, 0], shares), rounds=3).max() == 1.0


@pytest.mark.benchmark(group="network")
def test_bench_one_multiplication(benchmark, network):
    """The unit to compare with: one step of the walk for all factors."""
    shares, phi = network

    assert benchmark(lambda: shares @ phi).shape == phi.shape


@pytest.mark.benchmark(group="network")
def test_bench_bounds_of_sixteen_factors(benchmark, network):
    shares, phi = network

    found = benchmark.pedantic(first_hit_bounds, (phi, phi, shares * 0.8, shares, True), rounds=2)

    assert (found.lo <= found.hi + 1e-12).all()


@pytest.mark.benchmark(group="catalog")
def test_bench_score_all_issuers(benchmark, catalog):
    issuers = catalog.master.issuers["issuer_id"].to_list()

    frame = benchmark(score_issuers, catalog, issuers, date(2025, 1, 24))

    assert frame["issuer_id"].n_unique() == len(issuers)
