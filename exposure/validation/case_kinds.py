"""The kinds of acceptance case: which input keys they have, and which public functions answer them.

Every ``run`` returns the engine's answers in the layout of the file. Whole numbers are returned as
``int`` where they must be equal, everything else as ``float``.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import math
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from exposure.factors import aggregation, input_output, network, robustness
from exposure.scenarios import (
    conditional,
    distribution,
    plausibility,
    propagation,
    substitution,
    valuation,
    views,
)
from exposure.validation import events

Data = Mapping[str, Any]
Answers = dict[str, Any]
Vector = NDArray[np.float64]

CHECKS = "*checks"  # answers under this key are laws to hold, not numbers to match
MAX_NODES = 1_000_000
MAX_WEEKS = 100_000
WEEK = 7
BOARIO_WEEKS = 52


@dataclass(frozen=True, slots=True)
class Check:
    """A law that the answers of a case must obey."""

    key: str
    holds: bool
    detail: str


class MissingPackage(Exception):  # noqa: N818  not an error of the case
    """A case needs an outside package that isn't installed."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of case.

    Parameters
    ----------
    name
        Short name for messages.
    needs
        Input keys; an entry with ``|`` lists alternatives.
    inputs
        Every key, at any depth, that is input or label and never compared.
    words
        Words in an id that break a tie.
    run
        Inputs → answers in the file's layout.
    tolerance
        Of every number, unless ``loose`` names another for keys that start so.
    fits
        A further condition on the data.
    """

    name: str
    needs: tuple[str, ...]
    inputs: frozenset[str]
    words: tuple[str, ...]
    run: Callable[[Data], Answers]
    tolerance: float = 1e-9
    loose: Mapping[str, float] = field(default_factory=dict[str, float])
    fits: Callable[[Data], bool] = bool

    def lacking(self, data: Data) -> list[str]:
        """Return the needs that the data don't meet."""
        return [need for need in self.needs if not any(key in data for key in need.split("|"))]

    def matches(self, data: Data) -> bool:
        """Tell whether the data have every input of this kind."""
        return not self.lacking(data) and self.fits(data)

    def present(self, data: Data) -> float:
        """Return the part of the needs that the data meet."""
        return 1.0 - len(self.lacking(data)) / len(self.needs)


# --- input-output --------------------------------------------------------------------------------


def _quantity(data: Data) -> Answers:
    Z, x, new = _array(data["Z"]), _array(data["x"]), _array(data["f_new"])
    A = input_output.technical_coefficients(Z, x)
    final = x - Z.sum(axis=1)
    star = input_output.inoperability_coefficients(A, x)
    c_star = (final - new) / x
    rounds = len(data.get("series", ()))
    return {
        "f": _plain(final),
        "A": _plain(A),
        "L": _plain(input_output.leontief_inverse(A)),
        "x_new": _plain(input_output.leontief_output(A, new)),
        "rho_A": input_output.spectral_radius(A),
        "iim": {
            "A_star": _plain(star),
            "c_star": _plain(c_star),
            "q": _plain(input_output.inoperability(star, c_star)),
        },
        "ghosh_B": _plain(input_output.allocation_coefficients(Z, x)),
        "series": _plain(input_output.output_by_round(A, new, rounds)[:, 0]) if rounds else [],
    }


def _price(data: Data) -> Answers:
    A, v, push = data["A"], _array(data["v"]), _array(data["dv"])
    return {
        "p_base": _plain(input_output.price_levels(A, v)),
        "p_new": _plain(input_output.price_levels(A, v + push)),
        "exact_dp": _plain(input_output.price_levels(A, push)),
    }


def _influence(data: Data) -> Answers:
    answers: Answers = {}
    for name, block in _blocks_with(data, "W"):
        v = input_output.influence_vector(block["W"], float(data["alpha"]))
        answers[name] = {"v": _plain(v), "norm2": float(np.linalg.norm(v))}
    return answers


def _debtrank(data: Data) -> Answers:
    W, h0 = data["impact_W"], data["h0"]
    return {
        "bardoscia_2015": {"h": _plain(input_output.debtrank_linear(W, h0))},
        "battiston_2012": {"h": _plain(input_output.debtrank_once(W, h0))},
    }


# --- the first-hit walk --------------------------------------------------------------------------


def _first_hit(data: Data) -> Answers:
    A = _share_matrix(data)
    phi, delta = data["phi"], data["delta"]
    runs = phi if isinstance(phi, Mapping) else {"x": phi}
    rates = {name: delta[name] if isinstance(delta, Mapping) else delta for name in runs}
    x = {name: network.first_hit(tag, A, rates[name]) for name, tag in runs.items()}
    answers: Answers = {name: _plain(value) for name, value in x.items()}
    first = next(iter(runs))
    answers["spectral_radius"] = network.walk_radius(runs[first], A, rates[first])
    if "foundry" in x and x["foundry"].size > 2:
        answers["check_accel"] = float(x["foundry"][2])
    answers["truncation_error"] = [
        [int(terms), _truncation(runs[first], A, int(terms), rates[first], x[first])]
        for terms, *_ in data.get("truncation_error", ())
    ]
    answers[CHECKS] = _additive(A, runs, rates, x)
    return answers


def _truncation(phi: Any, A: Any, terms: int, delta: float, x: Vector) -> float:
    return float(np.abs(network.truncated_first_hit(phi, A, terms, delta) - x).max())


def _additive(
    A: Any, runs: Mapping[str, Any], rates: Mapping[str, Any], x: Mapping[str, Vector]
) -> list[Check]:
    """Shares of disjoint tags must add up to the share of either.

    Only for tags on nodes that buy nothing: a walk that stops at one tag would else go on to another.
    """
    tags = {name: _array(tag) for name, tag in runs.items()}
    buys = np.asarray(sparse.csr_array(A).sum(axis=1)).ravel() > 0
    tags = {name: tag for name, tag in tags.items() if not buys[tag > 0].any()}
    checks: list[Check] = []
    for a, b in itertools.combinations(tags, 2):
        for both, tag in tags.items():
            same_rate = rates[a] == rates[b] == rates[both]
            if both not in (a, b) and same_rate and np.array_equal(tags[a] + tags[b], tag):
                gap = float(np.abs(x[a] + x[b] - x[both]).max())
                label = f"{a} + {b} = {both}"
                checks.append(Check(label, gap <= 1e-9, f"{label} is off by {gap:.1e}"))
    return checks


def _share_matrix(data: Data) -> Any:
    if "A" in data:
        return data["A"]
    n = _bounded(data["n"], MAX_NODES, "n")
    i, j, share = _triples(data["edges"])
    return sparse.csr_array((share, (i, j)), shape=(n, n))


# --- static propagation --------------------------------------------------------------------------


def _esri(data: Data) -> Answers:
    if "cases" in data:
        return {
            "cases": {name: _esri_block({**data, **case}) for name, case in data["cases"].items()}
        }
    return _esri_block(data)


def _esri_block(data: Data) -> Answers:
    sector = np.asarray(data["sector"])
    if "W" in data:
        flows: Any = _array(data["W"])
    else:
        base = 1 if "edges_1based" in data else 0
        i, j, value = _triples(data["edges_1based" if base else "edges_0based"])
        flows = sparse.csr_array((value, (i - base, j - base)), shape=(sector.size, sector.size))
    columns = _array(data["psi"]).reshape(sector.size, -1).T if "psi" in data else np.empty((0, 0))
    answers: Answers = {}
    for mode in data.get("expected", {}):

        def run(shock: Any, replaceability: bool = mode == "sub") -> propagation.StaticLoss:
            return propagation.static_losses(
                flows,
                sector,
                data["essentiality"],
                shock,
                replaceability=replaceability,
                revenue=data.get("revenue"),
                weights=data.get("weights"),
                costs=data.get("costs"),
            )

        if mode not in ("sub", "nosub"):
            continue
        by_name = {name: run(shock) for name, shock in data.get("scenarios", {}).items()}
        answers[mode] = {name: _esri_named(loss) for name, loss in by_name.items()}
        losses = [run(shock) for shock in columns]
        if losses:
            answers[mode] |= {
                "esri": [[loss.combined, loss.down, loss.up] for loss in losses],
                "downstream_loss_rows_firm": _plain(np.array([x.downstream for x in losses]).T),
                "upstream_loss_rows_firm": _plain(np.array([x.upstream for x in losses]).T),
            }
    return {"expected": answers}


def _esri_named(loss: propagation.StaticLoss) -> Answers:
    return {
        "downstream_loss": _plain(loss.downstream),
        "upstream_loss": _plain(loss.upstream),
        "esri": loss.combined,
        "esri_down": loss.down,
        "esri_up": loss.up,
    }


# --- substitution and inputs ---------------------------------------------------------------------


def _mass_balance(data: Data) -> Answers:
    cut, shares = float(data["u"]), _array(data["shares"])
    n = shares.size
    cleared = substitution.waterfill(shares, np.full(n, cut), np.zeros(n))
    flows = np.zeros((n + 1, n + 1))
    flows[:n, n] = shares  # all sell to one customer, whose loss is the shortage
    static = propagation.static_losses(
        flows, [1] * n + [2], [[0, 2], [0, 0]], [*([cut] * n), 0.0], weights=np.ones(n + 1)
    )
    return {
        "mass_balance_shortage": cleared.shortage,
        "esri_sigma_shortage": float(static.downstream[n]),
    }


def _waterfill(data: Data) -> Answers:
    cleared = substitution.waterfill(
        data["supply"], data["banned_share"], data["headroom"], float(data["reallocation_rate"])
    )
    return {
        "lost_total": cleared.lost_total,
        "reallocated": _plain(cleared.reallocated),
        "unmet": cleared.unmet,
        "market_shortage": cleared.shortage,
        "gain_pct": _plain(cleared.gain),
    }


def _ces(data: Data) -> Answers:
    shares, available = data["shares"], data["input_availability"]
    return {
        "loss_by_rho": {
            text: propagation.ces_loss(shares, available, float(text))
            for text in data.get("loss_by_rho", {})
        },
        "elasticity": {
            text: propagation.elasticity(float(text)) for text in data.get("elasticity", {})
        },
    }


def _inventory(data: Data) -> Answers:
    if "cases" in data:
        return {"cases": {k: _chain({**data, **case}) for k, case in data["cases"].items()}}
    return _chain(data)


def _chain(data: Data) -> Answers:
    weeks = _bounded(data["T"], MAX_WEEKS, "T")
    chain = propagation.weekly_network(
        2, [0], [1], [0], [1.0], ["essential"], cover_weeks=float(data["cover_weeks"])
    )
    result = propagation.propagate(
        chain,
        [float(data["cut"]), 0.0],
        horizons=[weeks],
        substitution=float(data.get("substitution_max", 0.0)),
        ramp_weeks=float(data.get("ramp_weeks", 0.0)),
    )
    first = int(result.first_loss_week[1])
    return {
        "mean_loss": float(result.loss_at(weeks)[1]),
        "first_loss_week": first or None,
        "path": _plain(result.output[:, 1]),
    }


# --- returns -------------------------------------------------------------------------------------


def _conditional(data: Data) -> Answers:
    shocked = [int(i) for i in data["shocked"]]
    answer = conditional.conditional_returns(data["mu"], data["Sigma"], shocked, data["values"])
    k = len(shocked)
    return {
        "mean": _plain(answer.mean),
        "beta": _plain(answer.beta),
        "cond_cov": _plain(answer.covariance),
        "mahalanobis2": answer.d2,
        "chi2_pvalue": conditional.p_value_normal(answer.d2, k),
        "t5_pvalue_F": conditional.p_value_t(answer.d2, k, 5.0),
    }


def _worst_case(data: Data) -> Answers:
    mu, Sigma, w = data["mu"], data["Sigma"], data["w"]
    answers: Answers = {"euler_vol": _plain(plausibility.euler_volatility(Sigma, w))}
    if "radius" in data:
        worst = plausibility.worst_case(mu, Sigma, w, float(data["radius"]))
        answers |= {
            "worst_scenario": _plain(worst.scenario),
            "worst_return": worst.portfolio_return,
        }
    if "target_loss" in data:
        reverse = plausibility.reverse_stress(mu, Sigma, w, float(data["target_loss"]))
        answers |= {
            "reverse_distance": reverse.distance,
            "reverse_scenario": _plain(reverse.scenario),
            "reverse_pvalue_1d": reverse.p_value,
        }
    return answers


def _cvar(data: Data) -> Answers:
    def tail(block: str, given: Data, level: float) -> distribution.TailRisk:
        if block == "gaussian":
            return distribution.cvar_gaussian(float(given["mu"]), float(given["sigma"]), level)
        if block == "student_t":
            return distribution.cvar_student_t(
                float(given["nu"]), float(given["scale"]), level, float(given.get("loc", 0.0))
            )
        return distribution.cvar_discrete(given["loss"], given["p"], level)

    answers: Answers = {}
    for block in ("gaussian", "student_t", "discrete"):
        if block not in data:
            continue
        values: Answers = {}
        for text, expected in data[block].get("values", {}).items():
            found = tail(block, data[block], float(text))
            both = isinstance(expected, Mapping)
            values[text] = {"var": found.var, "cvar": found.cvar} if both else found.cvar
        answers[block] = {"values": values}
    return answers


def _partition(data: Data) -> Answers:
    wanted: dict[int, float] = {}
    labels = [str(label) for label in data["group"]]
    codes = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    for text, view in data["views"].items():
        match = re.fullmatch(r"P\(group\s*(.+)\)", text)
        if match is None or match[1] not in codes:
            raise ValueError(f"the view {text!r} names no group")
        wanted[codes[match[1]]] = float(view)
    answer = views.partition_views(data["prior"], [codes[label] for label in labels], wanted)
    return {
        "posterior": _plain(answer.probability),
        "relative_entropy": answer.relative_entropy,
        "effective_scenarios_prior": answer.effective_prior,
        "effective_scenarios_post": answer.effective_post,
    }


def _mixture(data: Data) -> Answers:
    p, L = data["p"], data["L"]
    mixture = distribution.scenario_mixture(p, L)
    answers: Answers = {
        "expected": _plain(mixture.expected),
        "variance": _plain(mixture.variance),
    }
    if "joint" in data:
        at = {tuple(int(f) for f in state): k for k, state in enumerate(mixture.states)}
        answers["joint"] = [
            {
                "state": [int(flag) for flag in entry["state"]],
                "prob": float(mixture.probability[k]),
                "probability": float(mixture.probability[k]),
                "R": _plain(mixture.returns[k]),
            }
            for entry in data["joint"]
            for k in [at[tuple(int(flag) for flag in entry["state"])]]
        ]
    if "copula" in data:
        given = data["copula"]
        both = distribution.gaussian_copula_joint(given["p"], float(given["rho"]))
        answers |= {key: both for key in data if key.startswith("joint_prob")}
    return answers


def _valuation(data: Data) -> Answers:
    defaults = data.get("defaults", {})
    return {"cases": [_bridge({**defaults, **case}) for case in data["cases"]]}


def _bridge(case: Data) -> Answers:
    bridge = valuation.price_bridge(
        case["dR"],
        case["contribution_margin"],
        case["ebit_margin"],
        growth=case["growth"],
        discount=case["discount"],
        years=case["years"],
        ev_over_equity=case["ev_over_equity"],
        kappa=case.get("kappa", 1.0),
        priced=case.get("p_priced", 0.0),
    )
    return {
        "dol": float(bridge.leverage),
        "d_ebit": float(bridge.earnings),
        "omega": float(bridge.duration),
        "price_return": float(bridge.price),
    }


# --- portfolio and ranking -----------------------------------------------------------------------


def _portfolio(data: Data) -> Answers:
    w, x = _array(data["w"]), _array(data["x"])
    answers: Answers = {
        "exposure": aggregation.exposure(w, x),
        "euler_share": _plain(aggregation.euler_shares(w, x)),
        "holdings_hhi": float(w @ w),
        "effective_holdings": aggregation.effective_holdings(w),
    }
    if "benchmark" in data:
        answers["benchmark_exposure"] = aggregation.exposure(data["benchmark"], x)
        answers["active"] = aggregation.active_exposure(w, data["benchmark"], x)
    if "lo" in data and "hi" in data:
        sd = aggregation.sd_from_interval(data["lo"], data["hi"])
        bands = aggregation.uncertainty_bands(w, sd)
        answers |= {
            "interval_common_mode": list(aggregation.exposure_interval(w, data["lo"], data["hi"])),
            "sd": _plain(sd),
            "sd_independent": bands.independent,
            "sd_common": bands.common,
        }
        for key in data:
            if match := re.fullmatch(r"sd_rho(\d)(\d*)", key):
                rho = float(f"{match[1]}.{match[2] or 0}")
                answers[key] = aggregation.uncertainty_bands(w, sd, rho).mixed
    if "upstream_shares" in data:
        upstream = aggregation.upstream_concentration(w, data["upstream_shares"])
        answers |= {
            "upstream_load": _plain(upstream.load),
            "hhi": upstream.hhi,
            "effective_suppliers": upstream.effective,
            "effective_suppliers_entropy": upstream.effective_entropy,
        }
    return answers


def _ranking(data: Data) -> Answers:
    X, weights = _array(data["X"]), _array(data["weights"])
    score = X @ weights
    equal = X.mean(axis=1)
    answers: Answers = {
        "score": _plain(score),
        "order": [int(i) for i in robustness.rank_order(score)],
        "dominance_pairs_i_over_j": _in_given_order(
            robustness.dominance_pairs(X), data.get("dominance_pairs_i_over_j", [])
        ),
        "dominance_ratio": robustness.dominance_ratio(X),
        "kendall_tau_vs_equal_weights": robustness.kendall_tau(score, equal),
    }
    probabilities = [key for key in data if key.startswith("prob_i_above_j")]
    answers |= {key: _plain(robustness.rank_probabilities(X)) for key in probabilities}
    reversal = data.get("critical_reversal")
    if isinstance(reversal, Mapping):
        answers["critical_reversal"] = _reversal(X, weights, reversal)
    elif isinstance(reversal, list):
        answers["critical_reversal"] = [_reversal(X, weights, block) for block in reversal]
    return answers


def _reversal(X: Vector, weights: Vector, block: Data) -> Answers:
    i, j = (int(k) for k in block["pair"])
    found = robustness.critical_reversal(X, weights, i, j)
    return {"pair": [i, j], "gap": found.gap, "min_transfer": found.transfer}


def _in_given_order(found: list[tuple[int, int]], given: Sequence[Any]) -> list[list[int]]:
    pairs = [list(pair) for pair in found]
    wanted = [list(pair) for pair in given]
    return wanted if sorted(wanted) == sorted(pairs) else pairs


# --- event studies -------------------------------------------------------------------------------


def _market_model(data: Data) -> Answers:
    model = events.market_model(data["est_market"], data["est_stock"])
    reaction = events.event_return(model, data["event_market"], data["event_stock"])
    return {
        "alpha": model.alpha,
        "beta": model.beta,
        "s2": model.s2,
        "AR": _plain(reaction.abnormal),
        "CAR": reaction.car,
        "var_CAR": reaction.variance,
        "t": reaction.t,
    }


def _power(data: Data) -> Answers:
    answers: Answers = {"rows": [], "rank_ic": []}
    for row in data.get("rows", ()):
        se = events.car_standard_error(
            int(row["N"]),
            int(row["E"]),
            float(row["sigma"]),
            float(row["window"]),
            float(row["rho"]),
        )
        answers["rows"].append({"se": se, "mde": events.minimum_detectable(se)})
    for row in data.get("rank_ic", ()):
        n, e = int(row["N"]), int(row["E"])
        answers["rank_ic"].append(
            {
                "se": events.rank_ic_standard_error(n, e),
                "mde80": events.rank_ic_detectable(n, e),
            }
        )
    return answers


# --- kinds that need an outside package ----------------------------------------------------------


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
        _array(table.to_numpy()),
        _array(demand.to_numpy()),
        [str(column[0]) for column in demand.columns],
        _array(stressors.to_numpy()),
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
            answers[key] = _plain(x[: int(match[1])])
        elif match := re.fullmatch(r"L_first(\d+)x(\d+)", key):
            answers[key] = _plain(L[: int(match[1]), : int(match[2])])
        elif match := re.fullmatch(r"L_col_sums_first(\d+)", key):
            answers[key] = _plain(L.sum(axis=0)[: int(match[1])])
        elif match := re.fullmatch(r"neumann_terms_to_1e(\d+)", key):
            answers[key] = _neumann_terms(A, L, 10.0 ** -int(match[1]))
        elif match := re.fullmatch(r"emissions_D_cba_\w+_first(\d+)", key):
            answers[key] = _plain(_footprint(economy, A)[0, : int(match[1])])
    answers["emissions_D_cba_sum"] = _plain(_footprint(economy, A).sum(axis=1))
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
        key: _plain(dp[: int(match[1])])
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
    chain = propagation.weekly_network(
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
    path = propagation.shock_path(
        psi,
        BOARIO_WEEKS,
        duration_weeks=math.ceil(float(case["duration"]) / WEEK),
        recovery_weeks=math.ceil(30 / WEEK),
    )
    loss = propagation.propagate(chain, path, horizons=[BOARIO_WEEKS]).loss_at(BOARIO_WEEKS)
    return float(loss @ x / x.sum())


def _pooled(data: Data) -> Answers:
    if "pnl" not in data:
        raise MissingPackage(
            "needs the sample P&L of fortitudo.tech, a GPL package that this project never imports"
        )
    pnl = _array(data["pnl"])
    draws = pnl.shape[0]
    asset = list(data["assets"]).index(data["view"]["asset"])
    prior = np.full(draws, 1.0 / draws)
    wanted = float(data["view"]["mean"])
    answer = views.entropy_pooling(prior, pnl[:, [asset]].T, [wanted])
    q = answer.probability
    mean = q @ pnl
    sample = np.cov(pnl, rowvar=False, ddof=0)
    check = conditional.conditional_returns(prior @ pnl, sample, [asset], [wanted])
    return {
        "prior_mean": _plain(prior @ pnl),
        "post_mean": _plain(mean),
        "post_vol": _plain(np.sqrt(q @ pnl**2 - mean**2)),
        "relative_entropy": answer.relative_entropy,
        "effective_number_scenarios_exp_entropy": answer.effective_post,
        "q_min": float(q.min()),
        "q_max": float(q.max()),
        "gaussian_check": {"mean": _plain(check.mean)},
    }


# --- helpers -------------------------------------------------------------------------------------


def _array(values: Any) -> Vector:
    return np.asarray(values, dtype=np.float64)


def _plain(values: Vector) -> list[Any]:
    plain: list[Any] = np.asarray(values, dtype=np.float64).tolist()
    return plain


def _bounded(value: Any, limit: int, what: str) -> int:
    number = int(value)
    if number != value or not 0 < number <= limit:
        raise ValueError(f"{what} must be a whole number from 1 to {limit}")
    return number


def _triples(
    rows: Sequence[Sequence[float]],
) -> tuple[NDArray[np.int64], NDArray[np.int64], Vector]:
    table = _array(rows).reshape(-1, 3)
    return table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2]


def _blocks_with(data: Data, key: str) -> list[tuple[str, Data]]:
    return [
        (name, block) for name, block in data.items() if isinstance(block, Mapping) and key in block
    ]


def _list_with(data: Data, field_name: str, *keys: str) -> bool:
    rows = data.get(field_name)
    return (
        isinstance(rows, list)
        and bool(rows)
        and all(isinstance(row, Mapping) and all(key in row for key in keys) for row in rows)
    )


def _keys(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _is_pymrio(data: Data) -> bool:
    known = r"(x|L|L_col_sums|emissions_D_cba_\w+)_first\d+.*|sum_[ZYL]|spectral_radius_A"
    known += r"|neumann_terms_to_\w+|demand_shock|extraction|price_push|emissions_D_cba_sum"
    return "phi" not in data and any(re.fullmatch(known, key) for key in data)


KINDS: tuple[Kind, ...] = (
    Kind(
        "leontief quantity", ("Z", "x", "f_new"), _keys("Z x f_new names"), ("leontief",), _quantity
    ),
    Kind("leontief price", ("A", "v", "dv"), _keys("A v dv exact names"), ("price",), _price),
    Kind(
        "influence",
        ("alpha",),
        _keys("alpha W names"),
        ("influence",),
        _influence,
        fits=lambda data: bool(_blocks_with(data, "W")),
    ),
    Kind(
        "esri",
        ("sector", "W|edges_1based|edges_0based", "scenarios|psi"),
        _keys(
            "sector W edges_1based edges_0based essentiality scenarios psi revenue weights costs "
            "names psi_columns esri_columns"
        ),
        ("esri",),
        _esri,
    ),
    Kind("mass balance", ("u", "shares"), _keys("u shares esri_formula"), ("mass",), _mass_balance),
    Kind(
        "water-filling",
        ("supply", "banned_share", "headroom", "reallocation_rate"),
        _keys("supply banned_share headroom reallocation_rate names"),
        ("waterfill",),
        _waterfill,
    ),
    Kind(
        "first-hit walk",
        ("phi", "delta", "A|edges"),
        _keys("phi delta A edges n names"),
        ("absorbing", "first_hit", "exposure"),
        _first_hit,
        fits=lambda data: "A" in data or "n" in data,
    ),
    Kind(
        "ces", ("shares", "input_availability"), _keys("shares input_availability"), ("ces",), _ces
    ),
    Kind(
        "inventory chain",
        ("T", "cover_weeks", "cases|cut"),
        _keys("T cover_weeks cut substitution_max ramp_weeks ramp"),
        ("inventory",),
        _inventory,
    ),
    Kind("debtrank", ("impact_W", "h0"), _keys("impact_W h0 names"), ("debtrank",), _debtrank),
    Kind(
        "conditional stress",
        ("mu", "Sigma", "shocked", "values"),
        _keys("mu Sigma shocked values names"),
        ("conditional",),
        _conditional,
    ),
    Kind(
        "worst case",
        ("mu", "Sigma", "w", "radius|target_loss"),
        _keys("mu Sigma w radius target_loss names"),
        ("worst", "reverse"),
        _worst_case,
    ),
    Kind(
        "cvar",
        ("gaussian|student_t|discrete",),
        _keys("mu sigma nu scale loc loss p"),
        ("cvar",),
        _cvar,
    ),
    Kind(
        "partition views",
        ("prior", "group", "views"),
        _keys("prior group views names"),
        ("partition",),
        _partition,
    ),
    Kind(
        "bernoulli mixture", ("p", "L"), _keys("p L copula names"), ("bernoulli",), _mixture, 1e-6
    ),
    Kind(
        "valuation",
        ("cases",),
        _keys(
            "dR contribution_margin ebit_margin growth discount years ev_over_equity kappa "
            "p_priced defaults"
        ),
        ("valuation",),
        _valuation,
        fits=lambda data: _list_with(data, "cases", "dR"),
    ),
    Kind(
        "portfolio metrics",
        ("w", "x"),
        _keys("w x benchmark lo hi upstream_shares names"),
        ("portfolio",),
        _portfolio,
    ),
    Kind(
        "score robustness",
        ("X", "weights"),
        _keys("X weights names"),
        ("score", "robust"),
        _ranking,
        loose={"prob_i_above_j": 2e-3},
    ),
    Kind(
        "market model",
        ("est_market", "est_stock", "event_market", "event_stock"),
        _keys("est_market est_stock event_market event_stock"),
        ("market_model",),
        _market_model,
        1e-6,
    ),
    Kind(
        "power",
        ("rows|rank_ic",),
        _keys("N E sigma window rho"),
        ("power",),
        _power,
        1e-6,
        fits=lambda data: (
            _list_with(data, "rows", "N", "E") or _list_with(data, "rank_ic", "N", "E")
        ),
    ),
    Kind(
        "boario orderings",
        ("cases",),
        _keys(
            "cases cut duration main_inv_dur psi restoration_tau node mean_total_loss self_mean_loss "
            "max_total_loss reg1_construction_mean reg2_manuf_mean"
        ),
        ("boario",),
        _boario,
        fits=lambda data: _list_with(data, "cases", "cut", "duration", "main_inv_dur"),
    ),
    Kind(
        "pooled P&L",
        ("assets", "view"),
        _keys("assets view pnl"),
        ("pnl", "pooling"),
        _pooled,
        1e-5,
    ),
    Kind(
        "pymrio economy",
        ("n",),
        _keys("n first_labels node final_demand_change dv"),
        ("pymrio",),
        _pymrio,
        1e-6,
        fits=_is_pymrio,
    ),
)
