"""Cases computed beside an outside package: a test economy and weekly disruption runs."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import math
import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from exposure.factors import input_output
from exposure.scenarios.cuts import shock_path
from exposure.scenarios.weekly import propagate
from exposure.scenarios.weekly_network import weekly_network
from exposure.validation.case_kinds.base import (
    CHECKS,
    Answers,
    Check,
    Data,
    Kind,
    MissingPackage,
    Vector,
    array,
    keys,
    list_with,
    plain,
)

WEEK = 7
BOARIO_WEEKS = 52


@dataclass(frozen=True, slots=True)
class _Economy:
    labels: list[str]
    regions: list[str]
    sectors: list[str]
    Z: Vector
    Y: Vector
    demand_regions: list[str]
    stressors: Vector

    @property
    def final(self) -> Vector:
        return np.asarray(self.Y.sum(axis=1))

    @property
    def output(self) -> Vector:
        return np.asarray(self.Z.sum(axis=1) + self.final)


def _test_economy() -> _Economy:
    # By name: the oracle is for development and no dependency of the package.
    if importlib.util.find_spec("pymrio") is None:
        raise MissingPackage("needs pymrio, which isn't installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        system: Any = importlib.import_module("pymrio").load_test()
        table, demand, stressors = system.Z, system.Y, system.emissions.F
    labels = [f"{region}|{sector}" for region, sector in table.index]
    return _Economy(
        labels,
        [str(region) for region, _ in table.index],
        [str(sector) for _, sector in table.index],
        array(table.to_numpy()),
        array(demand.to_numpy()),
        [str(column[0]) for column in demand.columns],
        array(stressors.to_numpy()),
    )


def _pymrio(data: Data) -> Answers:
    economy = _test_economy()
    Z, Y, x = economy.Z, economy.Y, economy.output
    A = input_output.technical_coefficients(Z, x)
    L = input_output.leontief_inverse(A)
    answers: Answers = {
        "sum_Z": float(Z.sum()),
        "sum_Y": float(Y.sum()),
        "spectral_radius_A": input_output.spectral_radius(A),
        "sum_L": float(L.sum()),
    }
    for key in data:
        if match := re.fullmatch(r"x_first(\d+)", key):
            answers[key] = plain(x[: int(match[1])])
        elif match := re.fullmatch(r"L_first(\d+)x(\d+)", key):
            answers[key] = plain(L[: int(match[1]), : int(match[2])])
        elif match := re.fullmatch(r"L_col_sums_first(\d+)", key):
            answers[key] = plain(L.sum(axis=0)[: int(match[1])])
        elif match := re.fullmatch(r"neumann_terms_to_1e(\d+)", key):
            answers[key] = _neumann_terms(A, L, 10.0 ** -int(match[1]))
        elif match := re.fullmatch(r"emissions_D_cba_\w+_first(\d+)", key):
            answers[key] = plain(_footprint(economy, A)[0, : int(match[1])])
    answers["emissions_D_cba_sum"] = plain(_footprint(economy, A).sum(axis=1))
    if "demand_shock" in data:
        answers["demand_shock"] = _demand_shock(data["demand_shock"], economy, A)
    if "extraction" in data:
        answers["extraction"] = _extraction(data["extraction"], economy, A)
    if "price_push" in data:
        answers["price_push"] = _price_push(data["price_push"], economy, A)
    return answers


def _neumann_terms(A: Vector, L: Vector, tolerance: float) -> int:
    unit = np.eye(A.shape[0])
    for n in range(1, 10_000):
        # Column k of the identity as final demand: round n of all columns at once.
        rounds = np.stack([input_output.output_by_round(A, column, n + 1)[-1] for column in unit])
        if np.abs(rounds.T - L).max() < tolerance:
            return n
    return -1


def _footprint(economy: _Economy, A: Vector) -> Vector:
    """Emissions behind what each region buys, of shape (stressors, regions × sectors)."""
    intensity = economy.stressors / economy.output
    total = np.array([input_output.price_levels(A, row) for row in intensity])
    columns = []
    sectors = np.array(economy.sectors)
    for region, sector in zip(economy.regions, economy.sectors, strict=True):
        bought = economy.Y[:, np.array(economy.demand_regions) == region].sum(axis=1)
        columns.append(total[:, sectors == sector] @ bought[sectors == sector])
    return np.array(columns).T


def _demand_shock(block: Data, economy: _Economy, A: Vector) -> Answers:
    node = economy.labels.index(block["node"])
    change = np.zeros(len(economy.labels))
    change[node] = float(block["final_demand_change"]) * economy.final[node]
    dx = input_output.leontief_output(A, change)
    answers: Answers = {
        "dx_total": float(dx.sum()),
        "dx_rel_self": float(dx[node] / economy.output[node]),
    }
    for key in block:
        if match := re.fullmatch(r"top(\d+)", key):
            largest = np.argsort(-np.abs(dx), kind="stable")[: int(match[1])]
            answers[key] = {economy.labels[i]: float(dx[i]) for i in largest}
    return answers


def _extraction(block: Data, economy: _Economy, A: Vector) -> Answers:
    node = economy.labels.index(block["node"])
    rest, final = A.copy(), economy.final.copy()
    rest[node, :], rest[:, node], final[node] = 0.0, 0.0, 0.0
    lost = float(economy.output.sum() - input_output.leontief_output(rest, final).sum())
    return {"x_loss_total": lost, "x_loss_share": lost / float(economy.output.sum())}


def _price_push(block: Data, economy: _Economy, A: Vector) -> Answers:
    node = economy.labels.index(block["node"])
    push = np.zeros(len(economy.labels))
    push[node] = float(block["dv"])
    dp = input_output.price_levels(A, push)
    answers: Answers = {
        "dp_sum": float(dp.sum()),
        "dp_max_other": float(np.delete(dp, node).max()),
    }
    answers |= {
        key: plain(dp[: int(match[1])])
        for key in block
        if (match := re.fullmatch(r"dp_first(\d+)", key))
    }
    return answers


def _boario(data: Data) -> Answers:
    """Orders only: another engine's numbers aren't ours, but more cut or less cover must not help."""
    economy = _test_economy()
    cases = data["cases"]
    losses = [_weekly_loss(economy, case) for case in cases]
    doubled = [
        _weekly_loss(economy, {**case, "main_inv_dur": 2 * float(case["main_inv_dur"])})
        for case in cases
    ]
    stated = [float(case.get("mean_total_loss", math.nan)) for case in cases]
    ours = ", ".join(f"{loss:.2e}" for loss in losses)
    checks = [
        Check("losses are not negative", min(losses) >= 0, f"mean losses {ours}"),
        Check(
            "longer cover is never worse",
            all(more <= less + 1e-12 for more, less in zip(doubled, losses, strict=True)),
            f"mean losses {ours}",
        ),
    ]
    for (i, first), (j, second) in itertools.combinations(enumerate(stated), 2):
        if first != second and not math.isnan(first + second):
            same = (losses[i] > losses[j]) == (first > second) and losses[i] != losses[j]
            checks.append(Check(f"order of cases {i} and {j}", same, f"mean losses {ours}"))
    return {CHECKS: checks}


def _weekly_loss(economy: _Economy, case: Data) -> float:
    Z, x = economy.Z, economy.output
    supplier, customer = np.nonzero(Z > 0)
    kinds = {name: k for k, name in enumerate(dict.fromkeys(economy.sectors))}
    kind = np.array([kinds[name] for name in economy.sectors])
    chain = weekly_network(
        x.size,
        supplier,
        customer,
        kind[supplier],
        Z[supplier, customer] / x[customer],
        "essential",
        cover_weeks=float(case["main_inv_dur"]) / WEEK,
        sale_seller=supplier,
        sale_customer=customer,
        sale_share=Z[supplier, customer] / x[supplier],
    )
    node = economy.labels.index(case.get("node", "reg1|manufactoring"))
    psi = np.zeros(x.size)
    psi[node] = float(case["cut"])
    path = shock_path(
        psi,
        BOARIO_WEEKS,
        duration_weeks=math.ceil(float(case["duration"]) / WEEK),
        recovery_weeks=math.ceil(30 / WEEK),
    )
    loss = propagate(chain, path, horizons=[BOARIO_WEEKS]).loss_at(BOARIO_WEEKS)
    return float(loss @ x / x.sum())


def _is_pymrio(data: Data) -> bool:
    known = r"(x|L|L_col_sums|emissions_D_cba_\w+)_first\d+.*|sum_[ZYL]|spectral_radius_A"
    known += r"|neumann_terms_to_\w+|demand_shock|extraction|price_push|emissions_D_cba_sum"
    return "phi" not in data and any(re.fullmatch(known, key) for key in data)


KINDS: tuple[Kind, ...] = (
    Kind(
        "boario orderings",
        ("cases",),
        keys(
            "cases cut duration main_inv_dur psi restoration_tau node mean_total_loss self_mean_loss "
            "max_total_loss reg1_construction_mean reg2_manuf_mean"
        ),
        ("boario",),
        _boario,
        fits=lambda data: list_with(data, "cases", "cut", "duration", "main_inv_dur"),
    ),
    Kind(
        "pymrio economy",
        ("n",),
        keys("n first_labels node final_demand_change dv"),
        ("pymrio",),
        _pymrio,
        1e-6,
        fits=_is_pymrio,
    ),
)
