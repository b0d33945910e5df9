"""The result of a run as frames: each step from output to price, by issuer, horizon and market."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from exposure.scenarios.arrays import Vector
from exposure.scenarios.cases import Cases
from exposure.scenarios.definitions import Assumptions
from exposure.scenarios.effects import Effects
from exposure.scenarios.evaluating import Evaluation
from exposure.scenarios.network_run import NetworkRun
from exposure.scenarios.world import World

Key = tuple[str, str]
UNMODELLED = "unmodelled"  # touched by an amount that nobody states: neither modelled nor inferred
_BANDS = (
    "loss", "gain", "revenue", "leverage", "earnings", "years", "weight", "priced",
    "fundamental", "forced", "price",
)  # fmt: skip
STEPS: dict[str, Any] = {
    "scenario_id": pl.String,
    "severity": pl.String,
    "issuer_id": pl.String,
    **{f"{name}{end}": pl.Float64 for name in _BANDS for end in ("_lo", "", "_hi")},
    "leverage_origin": pl.String,
    "first_loss_week": pl.Int64,
    "channel": pl.String,
    "wiped_out": pl.Boolean,
}
_KEY = {"scenario_id": pl.String, "severity": pl.String}


def listing_rows(
    world: World, keys: Sequence[Key], cases: Cases, effects: Effects
) -> dict[Key, dict[str, dict[str, Any]]]:
    """Return, by case and listing, a row of :class:`~exposure.schemas.ScenarioReturns`; unmodelled ones are empty."""
    at = {item.issuer_id: i for i, item in enumerate(world.facts)}
    channels = effects.channel()
    found: dict[Key, dict[str, dict[str, Any]]] = {}
    for d, key in enumerate(keys):
        rows: dict[str, dict[str, Any]] = {}
        for name in world.listings:
            issuer = world.issuer_of.get(name)
            row: dict[str, Any] = {
                "scenario_id": key[0],
                "severity": key[1],
                "listing_id": name,
                "issuer_id": issuer,
                "ret": None,
                "ret_lo": None,
                "ret_hi": None,
                "output_loss": None,
                "output_gain": None,
                "origin": "none",
                "channel": None,
            }
            i = None if issuer is None else at.get(issuer)
            if issuer is not None and issuer in cases.unmodelled and cases.unmodelled[issuer][d]:
                rows[name] = row | {"channel": UNMODELLED}
                continue
            if cases.empty[d]:
                row |= {"ret": 0.0, "ret_lo": 0.0, "ret_hi": 0.0, "origin": "modelled"}
            elif i is not None and effects.known[d, i]:
                low, mid, high = (float(v) for v in effects.price[d, i])
                row |= {
                    "ret": mid,
                    "ret_lo": min(low, mid),
                    "ret_hi": max(high, mid),
                    "output_loss": float(effects.loss[d, i, 1]),
                    "output_gain": float(effects.gain[d, i, 1]),
                    "origin": "modelled",
                    "channel": channels[d][i],
                }
            rows[name] = row
        found[key] = rows
    return found


def step_frame(world: World, keys: Sequence[Key], cases: Cases, found: Evaluation) -> pl.DataFrame:
    """Return one row for each case and issuer that a channel reaches, with every step from output to price."""
    effects, channels = found.effects, found.effects.channel()
    rows: list[dict[str, Any]] = []
    for d, i in np.argwhere(effects.known & ~cases.empty[:, None]):
        item = world.facts[i]
        at = world.graph.position.get(item.issuer_id)
        week = 0 if at is None else int(found.network.first_loss_week[d, at])
        row: dict[str, Any] = {
            "scenario_id": keys[d][0],
            "severity": keys[d][1],
            "issuer_id": item.issuer_id,
            "leverage_origin": item.leverage_origin,
            "first_loss_week": week or None,
            "channel": channels[d][i],
            "wiped_out": bool(effects.wiped_out[d, i]),
        }
        bands = {
            "loss": effects.loss[d, i],
            "gain": effects.gain[d, i],
            "revenue": effects.revenue[d, i],
            "leverage": item.leverage,
            "earnings": effects.earnings[d, i],
            "years": _years(effects.weight[d, i], world.assumptions),
            "weight": effects.weight[d, i],
            "priced": cases.priced[d],
            "fundamental": effects.fundamental[d, i],
            "forced": effects.forced[d, i],
            "price": effects.price[d, i],
        }
        for name, band in bands.items():
            row |= {f"{name}_lo": band[0], name: band[1], f"{name}_hi": band[2]}
        rows.append(row)
    return pl.DataFrame(rows, schema=STEPS)


def _years(weight: Vector, a: Assumptions) -> Vector:
    """Return the duration that a weight ω stands for: what the channels last on average, by their size."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log1p(-weight) / np.log((1.0 + a.growth.mid) / (1.0 + a.discount.mid)))


def part_frame(world: World, keys: Sequence[Key], effects: Effects) -> pl.DataFrame:
    """Return the non-zero parts at the points of each case and issuer."""
    rows = [
        (keys[d][0], keys[d][1], world.facts[i].issuer_id, name, float(values[d, i]))
        for name, values in effects.parts.items()
        for d, i in np.argwhere((values != 0.0) & effects.known)
    ]
    schema = {**_KEY, "issuer_id": pl.String, "part": pl.String, "size": pl.Float64}
    return pl.DataFrame(sorted(rows), schema=schema, orient="row")


def horizon_frame(world: World, keys: Sequence[Key], network: NetworkRun) -> pl.DataFrame:
    """Return the mean loss up to each horizon of every issuer whose loss is known."""
    rows: list[tuple[Any, ...]] = []
    for item in world.facts:
        at = world.graph.position.get(item.issuer_id)
        if at is None:
            continue
        for d in np.flatnonzero(network.reached[:, at]).tolist():
            for h, weeks in enumerate(network.horizons):
                low, mid, high = (float(network.loss[end][d, h, at]) for end in ("lo", "mid", "hi"))
                growth = float(network.growth["mid"][d, h, at])
                key = keys[d]
                band = (min(low, mid), mid, max(high, mid))
                rows.append((*key, item.issuer_id, weeks, *band, growth))
    schema = {
        **_KEY,
        "issuer_id": pl.String,
        "weeks": pl.Int64,
        **dict.fromkeys(("loss_lo", "loss", "loss_hi", "growth"), pl.Float64),
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def market_frame(keys: Sequence[Key], network: NetworkRun) -> pl.DataFrame:
    """Return what each market lost, tried to move, got and still lacks, at the points, as fractions of the market."""
    rows: list[tuple[Any, ...]] = []
    for name, result in sorted(network.markets["mid"].items()):
        for d in np.flatnonzero(result.lost > 0).tolist():
            sizes = (result.lost, result.pool, result.reallocated, result.unmet)
            rows.append((*keys[d], name, *(float(values[d]) for values in sizes)))
    names = ("lost", "pool", "reallocated", "unmet")
    schema = {**_KEY, "market": pl.String, **dict.fromkeys(names, pl.Float64)}
    return pl.DataFrame(rows, schema=schema, orient="row")
