"""Seeded trade networks with power-law degrees: few firms trade with most others, most with a handful."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

SECTORS = 60
ESSENTIAL_PAIRS = 0.2


@dataclass(frozen=True)
class TradeWorld:
    """Flows (seller, customer), and what normalises them: revenue and total cost of each firm."""

    flows: sparse.csr_array
    sector: np.ndarray
    essentiality: np.ndarray
    revenue: np.ndarray
    costs: np.ndarray

    @property
    def arguments(self):
        return self.flows, self.sector, self.essentiality


def power_law_world(firms, links, seed=7):
    """Zipf(1.9) partners on both sides up to firms / 60, sales growing with the seller's size.

    Sales to firms and purchases from firms are each 30% to 80% of revenue at most: the rest is
    final demand, and wages. Parallel draws of one pair are merged, so a few links fewer come out.
    """
    rng = np.random.default_rng(seed)
    sells = np.minimum(rng.zipf(1.9, firms), firms // 60).astype(float)
    buys = np.minimum(rng.zipf(1.9, firms), firms // 60).astype(float)
    seller = rng.choice(firms, links, p=sells / sells.sum())
    customer = rng.choice(firms, links, p=buys / buys.sum())
    apart = seller != customer
    seller, customer = seller[apart], customer[apart]
    value = rng.lognormal(0.0, 1.5, seller.size) * np.sqrt(sells[seller] * buys[customer])
    flows = sparse.csr_array((value, (seller, customer)), shape=(firms, firms))
    flows.sum_duplicates()
    sector = np.r_[np.arange(SECTORS), rng.integers(0, SECTORS, firms - SECTORS)]
    essentiality = np.where(rng.random((SECTORS, SECTORS)) < ESSENTIAL_PAIRS, 2, 1)
    sold = np.asarray(flows.sum(axis=1)).ravel()
    bought = np.asarray(flows.sum(axis=0)).ravel()
    traded = np.maximum(sold / rng.uniform(0.3, 0.8, firms), bought / rng.uniform(0.3, 0.8, firms))
    revenue = np.where(traded > 0, traded, 1.0)
    return TradeWorld(flows, sector, essentiality, revenue, 0.95 * revenue)
