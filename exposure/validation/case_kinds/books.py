"""Cases of portfolio measures, rankings and events."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from exposure.factors import aggregation, robustness
from exposure.scenarios import conditional, views
from exposure.validation import events
from exposure.validation.case_kinds.base import (
    Answers,
    Data,
    Kind,
    MissingPackage,
    Vector,
    array,
    keys,
    list_with,
    plain,
)


def _portfolio(data: Data) -> Answers:
    w, x = array(data["w"]), array(data["x"])
    answers: Answers = {
        "exposure": aggregation.exposure(w, x),
        "euler_share": plain(aggregation.euler_shares(w, x)),
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
            "sd": plain(sd),
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
            "upstream_load": plain(upstream.load),
            "hhi": upstream.hhi,
            "effective_suppliers": upstream.effective,
            "effective_suppliers_entropy": upstream.effective_entropy,
        }
    return answers


def _ranking(data: Data) -> Answers:
    X, weights = array(data["X"]), array(data["weights"])
    score = X @ weights
    equal = X.mean(axis=1)
    answers: Answers = {
        "score": plain(score),
        "order": [int(i) for i in robustness.rank_order(score)],
        "dominance_pairs_i_over_j": _in_given_order(
            robustness.dominance_pairs(X), data.get("dominance_pairs_i_over_j", [])
        ),
        "dominance_ratio": robustness.dominance_ratio(X),
        "kendall_tau_vs_equal_weights": robustness.kendall_tau(score, equal),
    }
    probabilities = [key for key in data if key.startswith("prob_i_above_j")]
    answers |= {key: plain(robustness.rank_probabilities(X)) for key in probabilities}
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


def _market_model(data: Data) -> Answers:
    model = events.market_model(data["est_market"], data["est_stock"])
    reaction = events.event_return(model, data["event_market"], data["event_stock"])
    return {
        "alpha": model.alpha,
        "beta": model.beta,
        "s2": model.s2,
        "AR": plain(reaction.abnormal),
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


def _pooled(data: Data) -> Answers:
    if "pnl" not in data:
        raise MissingPackage(
            "needs the sample P&L of fortitudo.tech, a GPL package that this project never imports"
        )
    pnl = array(data["pnl"])
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
        "prior_mean": plain(prior @ pnl),
        "post_mean": plain(mean),
        "post_vol": plain(np.sqrt(q @ pnl**2 - mean**2)),
        "relative_entropy": answer.relative_entropy,
        "effective_number_scenarios_exp_entropy": answer.effective_post,
        "q_min": float(q.min()),
        "q_max": float(q.max()),
        "gaussian_check": {"mean": plain(check.mean)},
    }


KINDS: tuple[Kind, ...] = (
    Kind(
        "portfolio metrics",
        ("w", "x"),
        keys("w x benchmark lo hi upstream_shares names"),
        ("portfolio",),
        _portfolio,
    ),
    Kind(
        "score robustness",
        ("X", "weights"),
        keys("X weights names"),
        ("score", "robust"),
        _ranking,
        loose={"prob_i_above_j": 2e-3},
    ),
    Kind(
        "market model",
        ("est_market", "est_stock", "event_market", "event_stock"),
        keys("est_market est_stock event_market event_stock"),
        ("market_model",),
        _market_model,
        1e-6,
    ),
    Kind(
        "power",
        ("rows|rank_ic",),
        keys("N E sigma window rho"),
        ("power",),
        _power,
        1e-6,
        fits=lambda data: list_with(data, "rows", "N", "E") or list_with(data, "rank_ic", "N", "E"),
    ),
    Kind(
        "pooled P&L",
        ("assets", "view"),
        keys("assets view pnl"),
        ("pnl", "pooling"),
        _pooled,
        1e-5,
    ),
)
