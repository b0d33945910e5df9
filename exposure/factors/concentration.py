"""How few suppliers a portfolio hangs on, beside how few positions it holds.

Symbols: w weight of an issuer, of the invested part; G[i, j] share of holding i's cost that first hits supplier j;
l load of the portfolio on a supplier.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from exposure.errors import ContentError
from exposure.factors.absorption import absorb, walk_matrix
from exposure.factors.aggregation import effective_holdings, herfindahl, upstream_concentration
from exposure.factors.catalog import Catalog
from exposure.factors.graph import SupplyGraph
from exposure.factors.kinds import TRACED_WELL
from exposure.factors.matrices import Csr, csr, dense_solve
from exposure.factors.network import upstream_load
from exposure.factors.recipes import OUTSIDE
from exposure.factors.scoring import day_of
from exposure.factors.walks import walk
from exposure.portfolios.holdings import Book
from exposure.schemas import UpstreamHoldings, UpstreamNodes, empty, validated

Vector = NDArray[np.float64]

SHOWN = 10
DENSE_NODES = 2_000  # suppliers and holdings up to which one dense solve answers everything
MOST_STEPS = 1e6  # a walk that goes on for longer is going round in a closed circle
SETTLED = 1e-13


@dataclass(frozen=True, slots=True)
class UpstreamShares:
    """Who hangs on whom: ``lo``, ``mid``, ``hi`` of shape (n_issuers, n_suppliers), fractions of cost."""

    suppliers: tuple[str, ...]
    lo: Vector
    mid: Vector
    hi: Vector


@dataclass(frozen=True, slots=True)
class PortfolioConcentration:
    """How concentrated a portfolio is, in positions and upstream.

    Attributes
    ----------
    holdings
        Issuers held; listings of one issuer count once.
    effective_holdings, holdings_hhi
        1 / Σ w² and Σ w², of the invested part.
    effective_suppliers, effective_suppliers_entropy, suppliers_hhi
        1 / HHI, e^H and HHI of the normalised load l; None where no supplier has a known share.
    linked_weight, known_weight
        Weight of issuers with a supply link, and of those with a known share or nearly all cost known to lie elsewhere.
    traced
        Share of the portfolio's cost whose suppliers are known; of the rest nothing is assumed but that it counts in
        each ``load_hi``.
    unknown
        Issuers without a known share, the largest first.
    upstream
        :class:`~exposure.schemas.UpstreamNodes`, the largest load first.
    parts
        :class:`~exposure.schemas.UpstreamHoldings`.
    """

    holdings: int
    effective_holdings: float | None
    holdings_hhi: float | None
    effective_suppliers: float | None
    effective_suppliers_entropy: float | None
    suppliers_hhi: float | None
    linked_weight: float
    known_weight: float
    traced: float
    unknown: tuple[str, ...]
    upstream: pl.DataFrame
    parts: pl.DataFrame

    def sentence(self, language: Literal["en", "zh"] = "en") -> str:
        """Return the line to keep: how many holdings and suppliers there are in effect, and how much is known."""
        if self.effective_holdings is None:
            return "no holdings" if language == "en" else "无持仓"
        few, known, traced = (
            f"{self.effective_holdings:.1f}",
            f"{self.known_weight:.0%}",
            f"{self.traced:.0%}",
        )
        many = self.effective_suppliers
        if language == "zh":
            hang = "上游供应商占比未知" if many is None else f"上游集中于{many:.1f}家有效供应商"
            return (
                f"{self.holdings}家持仓的分散程度相当于{few}家；{hang}"
                f"（已知供应占比覆盖{known}权重，可追溯{traced}成本）"
            )
        hang = (
            "no upstream supplier has a known share"
            if many is None
            else f"they hang on {many:.1f} effective upstream suppliers"
        )
        plural = "holding behaves" if self.holdings == 1 else "holdings behave"
        return (
            f"{self.holdings} {plural} like {few}; {hang}"
            f" (known shares cover {known} of weight, {traced} of cost is traced)"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the figures and the ten largest suppliers with their holdings, ready for JSON."""
        figures = asdict(self)
        del figures["upstream"], figures["parts"]
        top = self.upstream.head(SHOWN)
        return {
            "sentence_en": self.sentence("en"),
            "sentence_zh": self.sentence("zh"),
            **figures,
            "upstream": [
                {
                    **row,
                    "issuers": self.parts.filter(pl.col("node_id") == row["node_id"])
                    .drop("node_id")
                    .to_dicts(),
                }
                for row in top.to_dicts()
            ],
        }


def concentration(book: Book, catalog: Catalog) -> PortfolioConcentration:
    """Say how few suppliers a portfolio hangs on.

    l = w'G,  effective suppliers = 1 / HHI(l / Σl),  effective holdings = 1 / Σ w²

    Parameters
    ----------
    book
        Holdings; weights are taken as parts of what is invested, listings of one issuer together, a short by its size.
    catalog
        The links known on the book's day.

    Missing values
        A share of cost that nobody knows adds nothing to a point load and its all to ``load_hi``; the part of the
        weight and of the cost that the points stand for is stated beside. A share with a lower bound alone counts with
        that bound. A holding isn't its own supplier.

    Source
    ------
    Methodology 4.6. Loads overlap where a chain passes several suppliers (a chip its designer and its foundry), so
    they rank and cap, but don't add up to cost.
    """
    issuer = pl.coalesce("issuer_id", "listing_id")
    held = (
        book.holdings.group_by(issuer.alias("issuer_id"))
        .agg(pl.col("weight").sum())
        .sort("issuer_id")
    )
    names = held["issuer_id"].to_list()
    w = held["weight"].abs().to_numpy()
    w = w / w.sum() if w.sum() > 0 else w
    graph = day_of(catalog, book.as_of).graph
    shares = upstream_shares(graph, names, _left_out(catalog))
    found = upstream_concentration(w, shares.mid)
    linked = {row["customer"] for row in graph.rows if row["supplier"] != OUTSIDE}
    reach = walk(graph, []).traced
    traced = np.array([0.0 if (at := graph.index(name)) is None else reach[at] for name in names])
    known = (shares.mid.sum(axis=1) > 0) | (traced >= TRACED_WELL)
    bare = [names[i] for i in np.argsort(-w, kind="stable").tolist() if not known[i]]
    upstream, parts = _frames(catalog, shares, names, w, found.load)
    return PortfolioConcentration(
        holdings=len(names),
        effective_holdings=_number(effective_holdings(w)),
        holdings_hhi=_number(herfindahl(w)),
        effective_suppliers=_number(found.effective),
        effective_suppliers_entropy=_number(found.effective_entropy),
        suppliers_hhi=_number(found.hhi),
        linked_weight=float(w[[name in linked for name in names]].sum()),
        known_weight=float(w[known].sum()),
        traced=float(w @ traced),
        unknown=tuple(bare),
        upstream=upstream,
        parts=parts,
    )


def upstream_shares(
    graph: SupplyGraph, issuers: list[str], left_out: Iterable[str] = (OUTSIDE,)
) -> UpstreamShares:
    """Return the share of each issuer's cost that first hits each supplier upstream of any of them.

    Parameters
    ----------
    issuers
        Of any kind; one without links has lo 0 and hi 1 everywhere.
    left_out
        Nodes that are no supplier: cost outside the graph, demand pools.

    Returns
    -------
    UpstreamShares
        ``mid`` at the points of the links, or at the lower bound where that is all there is; lo and hi are outer
        bounds, as :func:`~exposure.factors.walks.walk` gives them: lo = G(A_lo), hi = 1 − E_i + lo_ij E_j, where E is
        the part of a node's cost that at least ends at a known node that is no company.
    """
    rows = [(k, at) for k, name in enumerate(issuers) if (at := graph.index(name)) is not None]
    near = sorted({node for _, at in rows for node in graph.reach("cost", at)})
    place = {node: k for k, node in enumerate(near)}
    sells = {graph.position[row["supplier"]] for row in graph.rows}
    bought = {node for _, at in rows for node in graph.reach("cost", at) if node != at}
    barred = set(left_out)
    columns = [at for at in sorted(bought & sells) if graph.node_ids[at] not in barred]
    shape = (len(issuers), len(columns))
    lo, mid, hi = np.zeros(shape), np.zeros(shape), np.ones(shape)
    if rows and columns:
        here, nodes = [k for k, _ in rows], [place[at] for _, at in rows]
        cells = np.array([place[at] for at in columns])
        names = [graph.node_ids[at] for at in near]
        end = graph.ending("cost")[near]
        floor, points = (csr(part[near][:, near]) for part in (graph.a_lo, graph.a_mid))
        low = _first_hits(floor, cells, names)
        ends = absorb(end, 1.0 - end, walk_matrix(floor, 1.0, names))
        lo[here] = low[nodes]
        hi[here] = np.clip(1.0 - ends[nodes, None] + low[nodes] * ends[None, cells], 0.0, 1.0)
        mid[here] = _first_hits(points, cells, names)[nodes]
        own = {at: j for j, at in enumerate(columns)}
        for k, at in rows:
            if at in own:
                lo[k, own[at]] = mid[k, own[at]] = hi[k, own[at]] = 0.0
    return UpstreamShares(tuple(graph.node_ids[at] for at in columns), lo, np.maximum(mid, lo), hi)


def _first_hits(walk: Csr, columns: NDArray[np.int64], names: Sequence[str]) -> Vector:
    """Return G[i, j] = N_ij / N_jj for all nodes i, with N = (I − A)⁻¹ of one dense solve where that is safe.

    N has no negative entry and its row sums are the expected number of steps: when both hold, no circle is closed.
    """
    every = np.arange(walk.shape[0])
    if every.size <= DENSE_NODES:
        try:
            visits = dense_solve(np.eye(every.size) - walk.toarray(), np.eye(every.size))
        except ContentError:
            visits = np.full((1, 1), np.nan)
        if visits.min() > -SETTLED and visits.sum(axis=1).max() < MOST_STEPS:
            hits = visits[:, columns] / visits[columns, columns]
            return np.where(hits > SETTLED, np.minimum(hits, 1.0), 0.0)
    return upstream_load(walk, every, columns, names=names)


def _left_out(catalog: Catalog) -> set[str]:
    pools = catalog.nodes.filter(pl.col("kind") == "demand_pool")["node_id"]
    return {OUTSIDE, *pools}


def _frames(
    catalog: Catalog, shares: UpstreamShares, issuers: list[str], w: Vector, load: Vector
) -> tuple[pl.DataFrame, pl.DataFrame]:
    names = catalog.names()
    kinds = dict(catalog.nodes.select("node_id", "kind").iter_rows())
    total = float(load.sum())
    nodes: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    for j in sorted(range(len(shares.suppliers)), key=lambda j: (-load[j], shares.suppliers[j])):
        share = shares.mid[:, j]
        hanging = [int(i) for i in np.argsort(-w * share, kind="stable") if share[i] > 0]
        name_zh, name_en = names.get(shares.suppliers[j], (None, None))
        nodes.append(
            {
                "node_id": shares.suppliers[j],
                "name_zh": name_zh,
                "name_en": name_en,
                "kind": kinds.get(shares.suppliers[j], "issuer"),
                "load_lo": float(w @ shares.lo[:, j]),
                "load": float(w @ share),
                "load_hi": float(w @ shares.hi[:, j]),
                "share": float(load[j]) / total if total > 0 else 0.0,
                "issuers": [issuers[i] for i in hanging],
            }
        )
        parts += [
            {
                "node_id": shares.suppliers[j],
                "issuer_id": issuers[i],
                "weight": float(w[i]),
                "share": float(share[i]),
                "load": float(w[i] * share[i]),
            }
            for i in hanging
        ]
    return (
        validated(pl.DataFrame(nodes, schema=empty(UpstreamNodes).schema), UpstreamNodes),
        validated(pl.DataFrame(parts, schema=empty(UpstreamHoldings).schema), UpstreamHoldings),
    )


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
