"""One run of the whole engine: cases → output in the chain → what substitutes win → issuers' prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from exposure.factors.recipes import End
from exposure.scenarios.arrays import Vector
from exposure.scenarios.cases import Cases
from exposure.scenarios.effects import (
    Effects,
    OutputChange,
    growth_of_issuers,
    issuer_effects,
    shared_weight,
)
from exposure.scenarios.markets import MarketResult
from exposure.scenarios.network_run import ENDS, NetworkRun
from exposure.scenarios.world import World


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The chain and the issuers of all cases; issuers in the order of ``world.facts``."""

    network: NetworkRun
    effects: Effects


def evaluate(
    world: World,
    cases: Cases,
    *,
    ends: Sequence[End] = ENDS,
    horizons: Sequence[int] = (),
    batch: int = 256,
) -> Evaluation:
    """Run cases through chain, markets and bridge.

    Parameters
    ----------
    ends
        Readings of the links; with ``("mid",)`` alone all intervals of losses and gains are points.
    horizons
        Weeks to report beside each case's own.
    """
    network = world.engine.run(cases, ends=ends, horizons=horizons, batch=batch)
    loss, direct = _output(world, cases, network)
    lost, won = _alone(world, cases)
    change = OutputChange(
        loss=loss,
        direct=direct,
        growth=_growth(world, cases, network),
        known=_known(world, cases, network),
        loss_weight=shared_weight(cases, lost, world.assumptions),
        gain_weight=shared_weight(cases, won, world.assumptions),
    )
    return Evaluation(network, issuer_effects(world.facts, cases, change, world.assumptions))


def _alone(world: World, cases: Cases) -> tuple[Vector, Vector]:
    """Return what each scenario takes from and gives to each issuer alone at base severity, both of shape (S, I).

    It only decides whose duration counts how much where several happen at once; elsewhere ones will do.
    """
    count, issuers = cases.happens.shape[1], len(world.facts)
    together = (cases.happens & cases.chain[None]).sum(axis=1).max(initial=0) > 1
    single = world.singles
    if not together or single is None:
        return np.ones((count, issuers)), np.ones((count, issuers))
    network = world.engine.run(single, ends=("mid",))
    lost, _ = _output(world, single, network)
    won = sum(_growth(world, single, network).values(), np.zeros((count, issuers, 3)))
    return lost[..., 1], won[..., 1]


def _output(world: World, cases: Cases, network: NetworkRun) -> tuple[Vector, Vector]:
    """Return L of shape (D, I, 3) and the part at the points that is a cut of the issuer itself, of shape (D, I).

    An issuer without links loses what is cut of itself, over the same weeks as any other.
    """
    shape = (cases.count, len(world.facts))
    loss, direct = np.zeros((*shape, 3)), np.zeros(shape)
    middle = network.own_loss["mid"]
    cut = {item.node for item in cases.cuts}
    for i, item in enumerate(world.facts):
        at = world.graph.position.get(item.issuer_id)
        own = item.issuer_id in cut
        if own:
            direct[:, i] = cases.mean_cut(item.issuer_id, 1)
        if at is not None:
            loss[:, i, 0] = network.own_loss.get("lo", middle)[:, at]
            loss[:, i, 1] = middle[:, at]
            loss[:, i, 2] = network.own_loss.get("hi", middle)[:, at]
        elif own:
            for end in range(3):
                loss[:, i, end] = cases.mean_cut(item.issuer_id, end)
    loss[..., 0] = np.minimum(loss[..., 0], loss[..., 1])
    loss[..., 2] = np.maximum(loss[..., 2], loss[..., 1])
    return loss, direct


def _known(
    world: World, cases: Cases, network: NetworkRun
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    found = np.zeros((cases.count, len(world.facts)), dtype=np.bool_)
    for i, item in enumerate(world.facts):
        at = world.graph.position.get(item.issuer_id)
        if at is not None:
            found[:, i] = network.reached[:, at]
        for cut in cases.cuts:
            if cut.node == item.issuer_id:
                found[:, i] |= cut.on
    return found


def _growth(world: World, cases: Cases, network: NetworkRun) -> dict[str, Vector]:
    """Return benefit factor → Γ of shape (D, I, 3), summed over the markets that it benefits from."""
    found: dict[str, Vector] = {}
    for item in cases.markets:
        results: dict[End, MarketResult] = {
            end: markets[item.market]
            for end, markets in network.markets.items()
            if item.market in markets
        }
        if "mid" not in results:
            continue
        makers = [name for name in item.suppliers if name in world.graph.position] or [item.market]
        part = growth_of_issuers(
            world.facts,
            makers,
            {end: result.realised for end, result in results.items()},
            world.bought_of,
        )
        old = found.get(item.benefit_factor)
        found[item.benefit_factor] = part if old is None else old + part
    return found
