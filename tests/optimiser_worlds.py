"""A seeded synthetic world for the optimiser: plain arrays in the shape it receives."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from exposure.optimiser.limits import PlanInputs

FACTORS = ("foundry_node_dependence", "us_gpu_dependence", "hbm_dependence")
SCENARIOS = ("foundry_16nm_cut", "hbm_ban", "gpu_export_ban", "detente")


def world(
    n: int = 12,
    seed: int = 0,
    *,
    factors: int = 3,
    scenarios: int = 4,
    risk_factors: int = 3,
    **other: Any,
) -> PlanInputs:
    """Return N listings with dependence scores, signed scenario returns, a factor risk model and a benchmark."""
    draw = np.random.default_rng(seed)
    w0 = draw.dirichlet(np.full(n, 3.0))
    benchmark = draw.dirichlet(np.full(n, 5.0))
    mid = np.round(draw.uniform(0.0, 0.9, (n, factors)), 4)
    width = draw.uniform(0.0, 0.1, (n, factors))
    names = [(FACTORS[j] if j < len(FACTORS) else f"factor_{j}", "main") for j in range(factors)]
    events = [
        (SCENARIOS[s] if s < len(SCENARIOS) else f"scenario_{s}", "base") for s in range(scenarios)
    ]
    loadings = np.column_stack(
        [draw.uniform(0.1, 0.3, n), *(draw.normal(0, 0.08, n) for _ in range(risk_factors - 1))]
    )
    inputs = PlanInputs(
        listing_ids=tuple(f"{600000 + i}.SH" for i in range(n)),
        issuer_ids=tuple(f"issuer_{i}" for i in range(n)),
        w0=w0,
        benchmark=benchmark,
        can_buy=np.ones(n, dtype=bool),
        sell_floor=np.zeros(n),
        factor_ids=tuple(names),
        score_lo=np.clip(mid - width, 0, 1),
        score_mid=mid,
        score_hi=np.clip(mid + width, 0, 1),
        covered=np.ones((n, factors), dtype=bool),
        scenario_ids=tuple(events),
        scenario_returns=np.round(draw.uniform(-0.5, 0.1, (scenarios, n)), 4),
        loadings=loadings,
        specific=draw.uniform(0.02, 0.12, n),
        buy_cost=np.full(n, 0.0003),
        sell_cost=np.full(n, 0.0008),
        probabilities=np.full(scenarios, 0.2),
        nav=1e8,
        held=w0 * 1e8 / np.round(draw.uniform(5, 80, n), 2),
        price=np.ones(n),
        fx=np.ones(n),
        lot_step=np.full(n, 100.0),
        lot_min=np.full(n, 100.0),
        currencies=("CNY",) * n,
        boards=("main",) * n,
    )
    held = np.floor(inputs.held / 100.0) * 100.0
    price = w0 * 1e8 / held
    return replace(inputs, held=held, available=held, price=price, **other)
