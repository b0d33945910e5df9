"""Cases of input-output tables and supply networks."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse

from exposure.factors import input_output, network
from exposure.scenarios.static import StaticLoss, static_losses
from exposure.validation.case_kinds.base import (
    CHECKS,
    MAX_NODES,
    Answers,
    Check,
    Data,
    Kind,
    Vector,
    array,
    blocks_with,
    bounded,
    keys,
    plain,
    triples,
)


def _quantity(data: Data) -> Answers:
    Z, x, new = array(data["Z"]), array(data["x"]), array(data["f_new"])
    A = input_output.technical_coefficients(Z, x)
    final = x - Z.sum(axis=1)
    star = input_output.inoperability_coefficients(A, x)
    c_star = (final - new) / x
    rounds = len(data.get("series", ()))
    return {
        "f": plain(final),
        "A": plain(A),
        "L": plain(input_output.leontief_inverse(A)),
        "x_new": plain(input_output.leontief_output(A, new)),
        "rho_A": input_output.spectral_radius(A),
        "iim": {
            "A_star": plain(star),
            "c_star": plain(c_star),
            "q": plain(input_output.inoperability(star, c_star)),
        },
        "ghosh_B": plain(input_output.allocation_coefficients(Z, x)),
        "series": plain(input_output.output_by_round(A, new, rounds)[:, 0]) if rounds else [],
    }


def _price(data: Data) -> Answers:
    A, v, push = data["A"], array(data["v"]), array(data["dv"])
    return {
        "p_base": plain(input_output.price_levels(A, v)),
        "p_new": plain(input_output.price_levels(A, v + push)),
        "exact_dp": plain(input_output.price_levels(A, push)),
    }


def _influence(data: Data) -> Answers:
    answers: Answers = {}
    for name, block in blocks_with(data, "W"):
        v = input_output.influence_vector(block["W"], float(data["alpha"]))
        answers[name] = {"v": plain(v), "norm2": float(np.linalg.norm(v))}
    return answers


def _debtrank(data: Data) -> Answers:
    W, h0 = data["impact_W"], data["h0"]
    return {
        "bardoscia_2015": {"h": plain(input_output.debtrank_linear(W, h0))},
        "battiston_2012": {"h": plain(input_output.debtrank_once(W, h0))},
    }


def _first_hit(data: Data) -> Answers:
    A = _share_matrix(data)
    phi, delta = data["phi"], data["delta"]
    runs = phi if isinstance(phi, Mapping) else {"x": phi}
    rates = {name: delta[name] if isinstance(delta, Mapping) else delta for name in runs}
    x = {name: network.first_hit(tag, A, rates[name]) for name, tag in runs.items()}
    answers: Answers = {name: plain(value) for name, value in x.items()}
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
    tags = {name: array(tag) for name, tag in runs.items()}
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
    n = bounded(data["n"], MAX_NODES, "n")
    i, j, share = triples(data["edges"])
    return sparse.csr_array((share, (i, j)), shape=(n, n))


def _esri(data: Data) -> Answers:
    if "cases" in data:
        return {
            "cases": {name: _esri_block({**data, **case}) for name, case in data["cases"].items()}
        }
    return _esri_block(data)


def _esri_block(data: Data) -> Answers:
    sector = np.asarray(data["sector"])
    if "W" in data:
        flows: Any = array(data["W"])
    else:
        base = 1 if "edges_1based" in data else 0
        i, j, value = triples(data["edges_1based" if base else "edges_0based"])
        flows = sparse.csr_array((value, (i - base, j - base)), shape=(sector.size, sector.size))
    columns = array(data["psi"]).reshape(sector.size, -1).T if "psi" in data else np.empty((0, 0))
    answers: Answers = {}
    for mode in data.get("expected", {}):

        def run(shock: Any, replaceability: bool = mode == "sub") -> StaticLoss:
            return static_losses(
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
                "downstream_loss_rows_firm": plain(np.array([x.downstream for x in losses]).T),
                "upstream_loss_rows_firm": plain(np.array([x.upstream for x in losses]).T),
            }
    return {"expected": answers}


def _esri_named(loss: StaticLoss) -> Answers:
    return {
        "downstream_loss": plain(loss.downstream),
        "upstream_loss": plain(loss.upstream),
        "esri": loss.combined,
        "esri_down": loss.down,
        "esri_up": loss.up,
    }


KINDS: tuple[Kind, ...] = (
    Kind(
        "leontief quantity", ("Z", "x", "f_new"), keys("Z x f_new names"), ("leontief",), _quantity
    ),
    Kind("leontief price", ("A", "v", "dv"), keys("A v dv exact names"), ("price",), _price),
    Kind(
        "influence",
        ("alpha",),
        keys("alpha W names"),
        ("influence",),
        _influence,
        fits=lambda data: bool(blocks_with(data, "W")),
    ),
    Kind(
        "esri",
        ("sector", "W|edges_1based|edges_0based", "scenarios|psi"),
        keys(
            "sector W edges_1based edges_0based essentiality scenarios psi revenue weights costs "
            "names psi_columns esri_columns"
        ),
        ("esri",),
        _esri,
    ),
    Kind(
        "first-hit walk",
        ("phi", "delta", "A|edges"),
        keys("phi delta A edges n names"),
        ("absorbing", "first_hit", "exposure"),
        _first_hit,
        fits=lambda data: "A" in data or "n" in data,
    ),
    Kind("debtrank", ("impact_W", "h0"), keys("impact_W h0 names"), ("debtrank",), _debtrank),
)
