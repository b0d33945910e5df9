"""From cases and the supply links of a day to output lost and won: each case under three readings of the links.

Symbols: D cases, n nodes of the graph, H horizons; lo, mid, hi from the least to the largest loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from exposure.factors.graph import SupplyGraph
from exposure.factors.recipes import End, recipes
from exposure.scenarios.arrays import Vector
from exposure.scenarios.cases import CaseCut, Cases
from exposure.scenarios.cuts import CauseCuts, Cuts, Growth, NodeCut
from exposure.scenarios.definitions import Range
from exposure.scenarios.markets import MarketResult, clear_and_run
from exposure.scenarios.readings import spared, surely_reached, weekly_reading
from exposure.scenarios.weekly import HORIZONS, ManyLosses, propagate_many
from exposure.scenarios.weekly_network import WeeklyNetwork

ENDS: tuple[End, ...] = ("lo", "mid", "hi")
STOCK_END: Mapping[End, int] = {"lo": 2, "mid": 1, "hi": 0}


@dataclass(frozen=True, slots=True)
class NetworkRun:
    """What the cases do to every node.

    Parameters
    ----------
    horizons
        Weeks; the last is the longest that was run.
    loss, growth
        Reading → of shape (D, H, n): mean output lost and mean output beyond the baseline up to each horizon.
    own_loss, own_growth
        Reading → of shape (D, n): the same up to each case's own horizon.
    first_loss_week
        Under the points, of shape (D, n); 0 where output never falls.
    markets
        Reading → market → result, up to the longest case horizon.
    reached
        Whether the loss of a node is known: a path of links with points leads there, or it is surely spared, (D, n).
    """

    horizons: tuple[int, ...]
    loss: Mapping[End, Vector]
    growth: Mapping[End, Vector]
    own_loss: Mapping[End, Vector]
    own_growth: Mapping[End, Vector]
    first_loss_week: NDArray[np.int64]
    markets: Mapping[End, Mapping[str, MarketResult]]
    reached: NDArray[np.bool_]


class ChainEngine:
    """The links of a day, ready to run cases; readings that don't depend on a case are built once.

    Parameters
    ----------
    graph
        Links known on the day.
    lag
        Weeks from a supplier's output to the customer's use.
    rho
        CES exponent of important inputs; lo is the least substitutable.
    stocks
        Issuer → weeks of its inputs that its inventory covers at most; it counts in the least loss only, since an
        inventory holds finished goods too.

    Examples
    --------
    >>> import exposure as ex
    >>> from datetime import date
    >>> from exposure.factors.scoring import day_of
    >>> graph = day_of(ex.load_catalog(), date(2025, 1, 24)).graph
    >>> engine = ChainEngine(graph, 1, Range(-9, -4, 0, "test"))
    >>> round(float(engine.losses({"foreign_foundry_16nm": 1.0}, 52)["hygon"][1]), 3) > 0.3
    True
    """

    def __init__(
        self, graph: SupplyGraph, lag: int, rho: Range, stocks: Mapping[str, float] | None = None
    ) -> None:
        self.graph, self.lag, self.rho = graph, lag, rho
        self.stocks = dict(stocks or {})
        self.inputs = recipes(graph, "mid")
        self._reached: dict[frozenset[str], NDArray[np.bool_]] = {}

    @cached_property
    def fixed(self) -> dict[End, WeeklyNetwork]:
        """The readings that are the same in every case: the least loss and the points."""
        none = np.zeros(len(self.graph.node_ids) + 1)
        return {
            "lo": weekly_reading(self.graph, "lo", self.lag, self.rho.hi, none),
            "mid": weekly_reading(self.graph, "mid", self.lag, self.rho.mid, none),
        }

    def run(
        self,
        cases: Cases,
        *,
        ends: Sequence[End] = ENDS,
        horizons: Sequence[int] = (),
        batch: int = 256,
    ) -> NetworkRun:
        """Run the cases.

        Parameters
        ----------
        ends
            Readings; ``hi`` needs ``mid``.
        horizons
            Weeks to report beside each case's own horizon, ascending.
        """
        steps = tuple(sorted({*horizons, *(int(h) for h in np.unique(cases.horizon))}))
        found: dict[End, tuple[ManyLosses, dict[str, MarketResult]]] = {}
        if "mid" in ends:
            found["mid"] = self._fixed_run("mid", cases, steps, batch)
        if "lo" in ends:
            found["lo"] = self._fixed_run("lo", cases, steps, batch)
        if "hi" in ends:
            found["hi"] = self._worst_run(cases, steps, found["mid"][0], batch)
        n = len(self.graph.node_ids)
        own = np.searchsorted(steps, cases.horizon)
        rows = np.arange(cases.count)
        return NetworkRun(
            steps,
            {end: result.loss[:, :, :n] for end, (result, _) in found.items()},
            {end: result.growth[:, :, :n] for end, (result, _) in found.items()},
            {end: result.loss[rows, own, :n] for end, (result, _) in found.items()},
            {end: result.growth[rows, own, :n] for end, (result, _) in found.items()},
            next(iter(found.values()))[0].first_loss_week[:, :n],
            {end: markets for end, (_, markets) in found.items()},
            self._known(cases),
        )

    def losses(
        self, shocks: Mapping[str, float], weeks: int
    ) -> dict[str, tuple[float, float, float]]:
        """Return node → output lost over the horizon as (lo, mid, hi), for nodes that the shocks surely reach.

        loss_i = 1 − mean_t h_i(t)        with h of :func:`exposure.scenarios.weekly.propagate`

        Returns
        -------
        dict
            A node whose links on the way have no point, or that no path reaches, is absent: its loss is unknown, not
            zero. A shock on companies alone leaves those whose cost is traced elsewhere at a known zero.

        Source
        ------
        Production mode of methodology 3.4.
        """
        found = self.run(_plain(shocks, weeks))
        kept = found.reached[0]
        result: dict[str, tuple[float, float, float]] = {}
        for i in np.flatnonzero(kept):
            low, mid, high = (float(found.own_loss[end][0, i]) for end in ENDS)
            result[self.graph.node_ids[i]] = (min(low, mid), mid, max(high, mid))
        return result

    def _fixed_run(
        self, end: End, cases: Cases, steps: tuple[int, ...], batch: int
    ) -> tuple[ManyLosses, dict[str, MarketResult]]:
        network = self.fixed[end]
        cuts, cover = self._cuts(cases, network.n, end), self._cover(cases, network, end)

        def run(growth: Growth | None) -> ManyLosses:
            return propagate_many(
                network, cuts, horizons=steps, cover_weeks=cover, growth=growth, batch=batch
            )

        own = np.searchsorted(steps, cases.horizon)
        return clear_and_run(cases.markets, self.graph.position, cases.horizon, own, end, run)

    def _worst_run(
        self, cases: Cases, steps: tuple[int, ...], middle: ManyLosses, batch: int
    ) -> tuple[ManyLosses, dict[str, MarketResult]]:
        """Run each group of cases whose worst hit suppliers come in the same order: they share one network."""
        own = np.searchsorted(steps, cases.horizon)
        ranking = middle.loss[np.arange(cases.count), own]
        ordered = np.argsort(-ranking, axis=1, kind="stable")
        groups: dict[bytes, list[int]] = {}
        for row in range(cases.count):
            groups.setdefault(ordered[row].tobytes(), []).append(row)
        whole = ManyLosses(
            np.zeros(middle.loss.shape), np.zeros(middle.growth.shape), middle.first_loss_week
        )
        markets: dict[str, MarketResult] = {}
        for rows in groups.values():
            some = cases.rows(rows)
            network = weekly_reading(self.graph, "hi", self.lag, self.rho.lo, ranking[rows[0]])
            cuts, cover = self._cuts(some, network.n, "hi"), self._cover(some, network, "hi")

            def run(
                growth: Growth | None,
                network: WeeklyNetwork = network,
                cuts: Cuts | CauseCuts = cuts,
                cover: Vector | None = cover,
            ) -> ManyLosses:
                return propagate_many(
                    network, cuts, horizons=steps, cover_weeks=cover, growth=growth, batch=batch
                )

            result, cleared = clear_and_run(
                some.markets, self.graph.position, some.horizon, own[rows], "hi", run
            )
            whole.loss[rows], whole.growth[rows] = result.loss, result.growth
            for name, market in cleared.items():
                _put(markets, name, market, rows, cases.count)
        return whole, markets

    def _cuts(self, cases: Cases, n: int, end: End) -> Cuts | CauseCuts:
        """Return the cuts of the graph's nodes; as one matrix where each lasts from the first week to the last."""
        at = ENDS.index(end)
        found = tuple(
            NodeCut(
                self.graph.position[cut.node],
                cut.cause,
                cut.size,
                cut.start_week,
                cut.ramp_weeks,
                np.where(cut.on, cut.weeks(at), np.inf),
            )
            for cut in cases.cuts
            if cut.node in self.graph.position
        )
        path = CauseCuts(n, cases.count, found)
        return Cuts(path.psi) if path.constant_from(max(HORIZONS)) <= 1 else path

    def _cover(self, cases: Cases, network: WeeklyNetwork, end: End) -> Vector | None:
        """Return weeks of stock by case and input: what links state, scenarios assume, and inventories allow."""
        if not cases.stock and not (end == "lo" and self.stocks):
            return None
        cover = np.repeat(network.cover_weeks[None, :], cases.count, axis=0)
        names = self.graph.node_ids
        share = np.zeros((network.n_inputs, network.n))
        np.add.at(share, (network.link_input, network.link_supplier), network.link_share)
        for number in range(network.n_inputs):
            customer = names[network.input_customer[number]]
            if end == "lo" and customer in self.stocks:
                cover[:, number] = np.maximum(cover[:, number], self.stocks[customer])
            for (node, holder), weeks in cases.stock.items():
                at = self.graph.position.get(node)
                if at is None or holder not in (None, customer) or share[number, at] <= 0.0:
                    continue
                held = weeks[:, STOCK_END[end]] * share[number, at]
                cover[:, number] = np.maximum(cover[:, number], held)
        return cover

    def _known(self, cases: Cases) -> NDArray[np.bool_]:
        found = np.zeros((cases.count, len(self.graph.node_ids)), dtype=np.bool_)
        for row in range(cases.count):
            found[row] = self.known_under(cases.shocked(row))
        return found

    def known_under(self, shocked: frozenset[str]) -> NDArray[np.bool_]:
        """Return which nodes have a known loss when these nodes are cut; remembered."""
        found = self._reached.get(shocked)
        if found is None:
            names = surely_reached(self.graph, shocked)
            found = self._spared(shocked) | np.array([n in names for n in self.graph.node_ids])
            self._reached[shocked] = found
        return found

    def _spared(self, shocked: frozenset[str]) -> NDArray[np.bool_]:
        names = spared(self.graph, shocked)
        return np.array([name in names for name in self.graph.node_ids], dtype=np.bool_)


def _plain(shocks: Mapping[str, float], weeks: int) -> Cases:
    """Return one case of lasting cuts."""
    endless = np.full((1, 3), np.inf)
    return Cases(
        happens=np.ones((1, 1), dtype=np.bool_),
        years=endless[:, None, :],
        chain=np.ones(1, dtype=np.bool_),
        cuts=tuple(
            CaseCut(name, name, np.array([float(size)]), np.array([size > 0]), 1.0, 0.0, endless)
            for name, size in sorted(shocks.items())
        ),
        horizon=np.array([weeks], dtype=np.int64),
        stock={},
        markets=(),
        revenue={},
        price={},
        own_price={},
        touched={},
        priced=np.zeros((1, 3)),
        empty=np.array([not shocks]),
        unmodelled={},
    )


def _put(
    found: dict[str, MarketResult], name: str, part: MarketResult, rows: list[int], count: int
) -> None:
    """Write the results of some cases into those of all."""
    names = ("lost", "pool", "reallocated", "unmet", "asked", "realised")
    if name not in found:
        found[name] = MarketResult(
            *(np.zeros((count, *getattr(part, field).shape[1:])) for field in names)
        )
    for field in names:
        getattr(found[name], field)[rows] = getattr(part, field)
