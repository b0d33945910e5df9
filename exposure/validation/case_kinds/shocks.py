"""Cases of one shock: substitution, stocks, stress of moments, views and value."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from exposure.scenarios import (
    conditional,
    distribution,
    plausibility,
    substitution,
    tails,
    valuation,
    views,
)
from exposure.scenarios.ces import ces_loss, elasticity
from exposure.scenarios.static import static_losses
from exposure.scenarios.weekly import propagate
from exposure.scenarios.weekly_network import weekly_network
from exposure.validation.case_kinds.base import (
    MAX_WEEKS,
    Answers,
    Data,
    Kind,
    array,
    bounded,
    keys,
    list_with,
    plain,
)


def _mass_balance(data: Data) -> Answers:
    cut, shares = float(data["u"]), array(data["shares"])
    n = shares.size
    cleared = substitution.waterfill(shares, np.full(n, cut), np.zeros(n))
    flows = np.zeros((n + 1, n + 1))
    flows[:n, n] = shares  # all sell to one customer, whose loss is the shortage
    static = static_losses(
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
        "reallocated": plain(cleared.reallocated),
        "unmet": cleared.unmet,
        "market_shortage": cleared.shortage,
        "gain_pct": plain(cleared.gain),
    }


def _ces(data: Data) -> Answers:
    shares, available = data["shares"], data["input_availability"]
    return {
        "loss_by_rho": {
            text: ces_loss(shares, available, float(text)) for text in data.get("loss_by_rho", {})
        },
        "elasticity": {text: elasticity(float(text)) for text in data.get("elasticity", {})},
    }


def _inventory(data: Data) -> Answers:
    if "cases" in data:
        return {"cases": {k: _chain({**data, **case}) for k, case in data["cases"].items()}}
    return _chain(data)


def _chain(data: Data) -> Answers:
    weeks = bounded(data["T"], MAX_WEEKS, "T")
    chain = weekly_network(
        2, [0], [1], [0], [1.0], ["essential"], cover_weeks=float(data["cover_weeks"])
    )
    result = propagate(
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
        "path": plain(result.output[:, 1]),
    }


def _conditional(data: Data) -> Answers:
    shocked = [int(i) for i in data["shocked"]]
    answer = conditional.conditional_returns(data["mu"], data["Sigma"], shocked, data["values"])
    k = len(shocked)
    return {
        "mean": plain(answer.mean),
        "beta": plain(answer.beta),
        "cond_cov": plain(answer.covariance),
        "mahalanobis2": answer.d2,
        "chi2_pvalue": conditional.p_value_normal(answer.d2, k),
        "t5_pvalue_F": conditional.p_value_t(answer.d2, k, 5.0),
    }


def _worst_case(data: Data) -> Answers:
    mu, Sigma, w = data["mu"], data["Sigma"], data["w"]
    answers: Answers = {"euler_vol": plain(plausibility.euler_volatility(Sigma, w))}
    if "radius" in data:
        worst = plausibility.worst_case(mu, Sigma, w, float(data["radius"]))
        answers |= {
            "worst_scenario": plain(worst.scenario),
            "worst_return": worst.portfolio_return,
        }
    if "target_loss" in data:
        reverse = plausibility.reverse_stress(mu, Sigma, w, float(data["target_loss"]))
        answers |= {
            "reverse_distance": reverse.distance,
            "reverse_scenario": plain(reverse.scenario),
            "reverse_pvalue_1d": reverse.p_value,
        }
    return answers


def _cvar(data: Data) -> Answers:
    def tail(block: str, given: Data, level: float) -> tails.TailRisk:
        if block == "gaussian":
            return tails.cvar_gaussian(float(given["mu"]), float(given["sigma"]), level)
        if block == "student_t":
            return tails.cvar_student_t(
                float(given["nu"]), float(given["scale"]), level, float(given.get("loc", 0.0))
            )
        return tails.cvar_discrete(given["loss"], given["p"], level)

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
        "posterior": plain(answer.probability),
        "relative_entropy": answer.relative_entropy,
        "effective_scenarios_prior": answer.effective_prior,
        "effective_scenarios_post": answer.effective_post,
    }


def _mixture(data: Data) -> Answers:
    p, L = data["p"], data["L"]
    mixture = distribution.scenario_mixture(p, L)
    answers: Answers = {
        "expected": plain(mixture.expected),
        "variance": plain(mixture.variance),
    }
    if "joint" in data:
        at = {tuple(int(f) for f in state): k for k, state in enumerate(mixture.states)}
        answers["joint"] = [
            {
                "state": [int(flag) for flag in entry["state"]],
                "prob": float(mixture.probability[k]),
                "probability": float(mixture.probability[k]),
                "R": plain(mixture.returns[k]),
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


KINDS: tuple[Kind, ...] = (
    Kind("mass balance", ("u", "shares"), keys("u shares esri_formula"), ("mass",), _mass_balance),
    Kind(
        "water-filling",
        ("supply", "banned_share", "headroom", "reallocation_rate"),
        keys("supply banned_share headroom reallocation_rate names"),
        ("waterfill",),
        _waterfill,
    ),
    Kind(
        "ces", ("shares", "input_availability"), keys("shares input_availability"), ("ces",), _ces
    ),
    Kind(
        "inventory chain",
        ("T", "cover_weeks", "cases|cut"),
        keys("T cover_weeks cut substitution_max ramp_weeks ramp"),
        ("inventory",),
        _inventory,
    ),
    Kind(
        "conditional stress",
        ("mu", "Sigma", "shocked", "values"),
        keys("mu Sigma shocked values names"),
        ("conditional",),
        _conditional,
    ),
    Kind(
        "worst case",
        ("mu", "Sigma", "w", "radius|target_loss"),
        keys("mu Sigma w radius target_loss names"),
        ("worst", "reverse"),
        _worst_case,
    ),
    Kind(
        "cvar",
        ("gaussian|student_t|discrete",),
        keys("mu sigma nu scale loc loss p"),
        ("cvar",),
        _cvar,
    ),
    Kind(
        "partition views",
        ("prior", "group", "views"),
        keys("prior group views names"),
        ("partition",),
        _partition,
    ),
    Kind("bernoulli mixture", ("p", "L"), keys("p L copula names"), ("bernoulli",), _mixture, 1e-6),
    Kind(
        "valuation",
        ("cases",),
        keys(
            "dR contribution_margin ebit_margin growth discount years ev_over_equity kappa "
            "p_priced defaults"
        ),
        ("valuation",),
        _valuation,
        fits=lambda data: list_with(data, "cases", "dR"),
    ),
)
