"""How sure an exposure is: draw every fact once, let every holder share the draw, and see how far the sum moves.

Symbols: e exposure Σ w x; draws of facts are PERT(lo, mid, hi); s standard deviation of one score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import reduce
from typing import Any
from zlib import crc32

import numpy as np
import polars as pl

from exposure.factors.aggregation import sd_from_interval, uncertainty_bands
from exposure.factors.catalog import Catalog
from exposure.factors.definitions import MAIN, FactorDefinition
from exposure.factors.derivations import OPERATORS, Algebra, compute
from exposure.factors.draws import pert_beta
from exposure.factors.kinds import KIND_FUNCTIONS, Answer, Context
from exposure.factors.matrices import Vector
from exposure.factors.paths import FactorWalk
from exposure.factors.scoring import context_at
from exposure.schemas import ExposureBands, empty, validated

DRAWS = 500
CHUNK = 50  # draws solved in one call
RHO = 0.3  # correlation of errors in the mixed bracket


def exposure_bands(
    catalog: Catalog,
    weights: Mapping[str, float],
    as_of: date,
    factor_ids: Sequence[str] | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> pl.DataFrame:
    """Return the band of each factor exposure when all facts err within their intervals.

    Every evidence figure and every link without a formula is drawn once a draw from PERT(lo, mid, hi) and shared by
    all that rest on it; links with a formula follow from the drawn figures. Only issuers whose score has a mid take
    part, as in the exposure itself: read the band with its coverage.

    Parameters
    ----------
    weights
        Issuer → weight in the portfolio.
    draws, seed
        How many draws; the same seed gives the same band, and a fact's draws don't depend on other facts.

    Returns
    -------
    polars.DataFrame
        :class:`~exposure.schemas.ExposureBands`, one row a factor with a mid.

    Source
    ------
    PERT (Malcolm et al. 1959); brackets of methodology 4.7: independent √Σw²s², common Σ|w|s.
    """
    chosen = list(factor_ids) if factor_ids is not None else list(catalog.factors)
    context = context_at(catalog, list(weights), as_of)
    facts = _Facts(catalog, draws, seed)
    network = _Network(
        context, facts, [context.walks[name] for name in chosen if name in context.walks]
    )
    rows = [
        row
        for factor_id in chosen
        if (row := _band(catalog.factors[factor_id], context, facts, network, weights)) is not None
    ]
    return validated(pl.DataFrame(rows, schema=empty(ExposureBands).schema), ExposureBands)


def _band(
    factor: FactorDefinition,
    context: Context,
    facts: _Facts,
    network: _Network,
    weights: Mapping[str, float],
) -> dict[str, Any] | None:
    answers = [
        answer
        for answer in KIND_FUNCTIONS[factor.kind](factor, context)
        if answer.basis == MAIN and answer.mid is not None
    ]
    if not answers:
        return None
    w = np.array([weights[answer.issuer_id] for answer in answers])
    drawn = np.column_stack([_drawn(factor, answer, context, facts, network) for answer in answers])
    sums = drawn @ w
    sd = sd_from_interval([a.lo for a in answers], [a.hi for a in answers])
    quick = uncertainty_bands(w, sd, RHO)
    item, share = facts.largest(sums)
    lower, upper = np.quantile(sums, [0.05, 0.95])
    return {
        "factor_id": factor.id,
        "basis": MAIN,
        "unit": factor.unit,
        "mid": float(sum(a.mid * weights[a.issuer_id] for a in answers if a.mid is not None)),
        "band_lo": float(lower),
        "band_hi": float(upper),
        "sd": float(sums.std()),
        "sd_independent": quick.independent,
        "sd_common": quick.common,
        "sd_mixed": quick.mixed,
        "largest_item": item,
        "largest_share": share,
        "issuers": len(answers),
        "draws": facts.draws,
    }


def _drawn(
    factor: FactorDefinition, answer: Answer, context: Context, facts: _Facts, network: _Network
) -> Vector:
    """Return the draws of one score, inside its interval."""
    path = context.walks.get(factor.id)
    at = context.graph.index(answer.issuer_id)
    if path is not None and at is not None and answer.tier is not None and at not in path.settled:
        values = network.share(path, at)
    else:
        values = _from_evidence(answer, facts)
    return np.clip(values, answer.lo, answer.hi)


def _from_evidence(answer: Answer, facts: _Facts) -> Vector:
    """Follow the one figure a score rests on to what it is made of; several, or an aged one, are drawn as a whole."""
    if len(answer.evidence_ids) == 1 and facts.knows(answer.evidence_ids[0]):
        values = facts.value(answer.evidence_ids[0])
        spread = answer.hi - answer.lo
        known = facts.interval(answer.evidence_ids[0])
        if known is not None and abs(spread - (known[2] - known[0])) <= 1e-12:
            return values
    name = f"{answer.issuer_id}: " + "; ".join(answer.evidence_ids)
    return facts.pert(
        name, answer.lo, answer.mid if answer.mid is not None else answer.lo, answer.hi
    )


@dataclass(slots=True)
class _Facts:
    """Draws of figures, each computed once; leaves are the items whose part in the variance is asked for."""

    catalog: Catalog
    draws: int
    seed: int
    _rows: dict[str, dict[str, Any]] = field(init=False)
    _values: dict[str, Vector] = field(init=False, default_factory=dict[str, Vector])
    _items: dict[str, Vector] = field(init=False, default_factory=dict[str, Vector])

    def __post_init__(self) -> None:
        self._rows = {
            row["evidence_id"]: row for row in self.catalog.evidence.iter_rows(named=True)
        }

    def knows(self, evidence_id: str) -> bool:
        return evidence_id in self._rows

    def interval(self, evidence_id: str) -> tuple[float, float, float] | None:
        row = self._rows[evidence_id]
        if row["lo"] is None or row["mid"] is None or row["hi"] is None:
            return None
        return row["lo"], row["mid"], row["hi"]

    def value(self, evidence_id: str) -> Vector:
        """Return the draws of an evidence row, through its formula if it has one."""
        if evidence_id not in self._values:
            row = self._rows[evidence_id]
            self._values[evidence_id] = (
                self.formula(row["formula"], evidence_id)
                if row["formula"]
                else self.pert(evidence_id, *_closed(row["lo"], row["mid"], row["hi"]))
            )
        return self._values[evidence_id]

    def formula(self, text: str, name: str) -> Vector:
        """Return the draws of a formula over evidence ids."""
        draws: Algebra[Vector] = Algebra(
            number=lambda value: np.asarray(value),
            binary=lambda op, left, right: np.asarray(OPERATORS[op](left, right)),
            call=lambda function, parts, at: self._call(function, parts, f"{name}#{at}"),
        )
        return compute(text, self.value, draws)

    def _call(self, function: str, parts: Sequence[Vector], name: str) -> Vector:
        low, high = reduce(np.minimum, parts), reduce(np.maximum, parts)
        if function == "hull":
            return np.asarray(low + (high - low) * self._mix(name))
        return np.asarray(low if function == "min" else high)

    def pert(self, name: str, lo: float, mid: float, hi: float) -> Vector:
        """Draw an item; its draws depend on its name and the seed only."""
        if hi - lo <= 1e-15:
            return np.full(self.draws, mid)
        rng = np.random.default_rng([self.seed, crc32(name.encode())])
        values = pert_beta(lo, mid, hi, self.draws, rng)
        self._items[name] = values
        return values

    def largest(self, sums: Vector) -> tuple[str | None, float | None]:
        """Return the item with the largest share of the variance, by its squared correlation with the sum."""
        if sums.std() <= 1e-15:
            return None, None
        shares = {
            name: float(np.corrcoef(values, sums)[0, 1] ** 2)
            for name, values in sorted(self._items.items())
        }
        best = max(shares, key=lambda name: shares[name], default=None)
        return best, None if best is None else shares[best]

    def _mix(self, name: str) -> Vector:
        """Where inside the hull of peers that differ the truth lies: one draw, shared by all who use it."""
        return self.pert(f"{name} (which peer)", 0.0, 0.5, 1.0)


class _Network:
    """Draws of the network: the shares of all links, and the walks over them."""

    def __init__(self, context: Context, facts: _Facts, paths: Sequence[FactorWalk]) -> None:
        self._context, self._facts = context, facts
        self._shares: dict[str, Vector] = {}
        self._found: dict[int, Vector] = {}
        self._paths = list(paths)

    def share(self, path: FactorWalk, at: int) -> Vector:
        """Return the draws of a node's walked share, pro rata to what is traced."""
        key = id(path)
        if key not in self._found:
            self._found[key] = self._walk(path)
        return self._found[key][:, at]

    def _walk(self, path: FactorWalk) -> Vector:
        """Solve the walk for every draw, of shape (draws, n)."""
        graph, facts = path.graph, self._facts
        n = len(graph.node_ids)
        phi, stops = np.zeros(n), np.zeros(n)
        for node, (_, mid, _) in path.question.phi.items():
            phi[node] = mid
        fixed = {node: s.interval for node, s in path.settled.items() if s.verdict != "links"}
        values = np.tile(phi, (facts.draws, 1))
        for node, (lo, mid, hi) in fixed.items():
            stops[node] = 1.0
            values[:, node] = facts.pert(f"{graph.node_ids[node]} {path.side}", lo, mid, hi)
        outside = (1.0 - phi) * (1.0 - stops)
        at, to, shares = self._links(path)
        ends = np.maximum(graph.ending(path.side), stops)
        out = np.empty((facts.draws, n))
        for start in range(0, facts.draws, CHUNK):
            part = slice(start, min(start + CHUNK, facts.draws))
            size = values[part].shape[0]
            steps = np.zeros((size, n, n))
            for i, j, drawn in zip(at, to, shares, strict=True):
                steps[:, i, j] += drawn[part]
            sums = steps.sum(axis=2)
            # Shares drawn apart may together pass the whole bill: such a row is scaled back to it.
            steps /= np.maximum(1.0, sums)[:, :, None]
            steps *= outside[None, :, None] * (
                1.0 - 1e-12
            )  # a closed circle of suppliers must end somewhere
            known = np.maximum(values[part], ends[None, :])
            both = np.stack([known, values[part]], axis=2)
            x = np.linalg.solve(np.eye(n)[None] - steps, both)
            traced = x[:, :, 0]
            out[part] = np.divide(
                x[:, :, 1], traced, out=np.zeros_like(traced), where=traced > 1e-12
            )
        return out

    def _links(self, path: FactorWalk) -> tuple[list[int], list[int], list[Vector]]:
        graph = path.graph
        base = "" if path.side == "cost" else "sales_"
        formula = "formula" if path.side == "cost" else "sales_formula"
        at: list[int] = []
        to: list[int] = []
        shares: list[Vector] = []
        for node, numbers in sorted(graph.starts(path.side).items()):
            for number in numbers:
                row = graph.rows[number]
                if row[f"{base}mid"] is None:
                    continue
                at.append(node)
                to.append(graph.target(path.side, number))
                shares.append(self._share(row, base, row[formula]))
        return at, to, shares

    def _share(self, row: Mapping[str, Any], base: str, formula: str | None) -> Vector:
        name = f"{row['link_id']}{' sales' if base else ''}"
        if name not in self._shares:
            self._shares[name] = np.clip(
                self._facts.formula(formula, name)
                if formula
                else self._facts.pert(
                    name, *_closed(row[f"{base}lo"], row[f"{base}mid"], row[f"{base}hi"])
                ),
                0.0,
                1.0,
            )
        return self._shares[name]


def _closed(lo: float | None, mid: float | None, hi: float | None) -> tuple[float, float, float]:
    """Return an interval with a point: an open end counts as the point, since nobody says how far it reaches."""
    known = [value for value in (lo, mid, hi) if value is not None]
    point = mid if mid is not None else sum(known) / len(known)
    return (point if lo is None else lo), point, (point if hi is None else hi)
