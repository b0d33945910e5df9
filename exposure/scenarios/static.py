"""The published static engine, reproduced with its known faults behind switches.

Symbols: W[i,j] sales of i to j, s_i row sums of W, l loss 1 - h, σ replaceability of a supplier, ψ first loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from exposure.errors import ScenarioError
from exposure.scenarios.arrays import Codes, Csr, Vector, check_unit, sum_by


@dataclass(frozen=True, slots=True)
class StaticLoss:
    """Losses of the static engine for one shock.

    Parameters
    ----------
    downstream, upstream
        Loss of each firm through lost inputs, and through lost customers, of shape (n,).
    combined, down, up
        Weighted mean of max(downstream, upstream), of downstream and of upstream: the index.
    rounds, residual
        Rounds until nothing moved by more than eps, and the last largest change.
    """

    downstream: Vector
    upstream: Vector
    combined: float
    down: float
    up: float
    rounds: int
    residual: float


def static_losses(
    W: Any,
    sector: ArrayLike,
    essentiality: ArrayLike,
    psi: ArrayLike,
    *,
    replaceability: bool = True,
    revenue: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    costs: ArrayLike | None = None,
    eps: float = 1e-13,
    max_rounds: int = 200_000,
) -> StaticLoss:
    """Economic systemic risk index of a shock, as published.

    l_d(j) ← min(1, max(ψ_j, max_k Σ_{i in k} σ_i Ld_ij l_i (essential), Σ_i σ_i Ld_ij l_i (other)))
    l_u(i) ← min(1, max(ψ_i, Σ_j Lu_ij l_u(j)))
    Ld_ij = W_ij / Σ_{i' in sector(i)} W_i'j if essential, W_ij / Σ_i' W_i'j if not
    Lu_ij = W_ij / revenue_i,   σ_i = min(1, s_i / Σ_{k in sector(i)} s_k (1 - l_k))
    index = Σ weight max(l_d, l_u) / Σ weight

    Parameters
    ----------
    W
        Sales of i to j, of shape (n, n), dense or sparse, ≥ 0.
    sector
        Code of each firm, of shape (n,); sorted codes number the rows of ``essentiality``.
    essentiality
        [supplier's sector, customer's sector]: 2 essential, 1 other input, 0 none.
    psi
        First loss of each firm in both channels, of shape (n,), in [0, 1].
    replaceability
        Whether σ applies; False sets σ = 1.
    revenue
        Denominator of the upstream channel; by default row sums of W, and 0 becomes 1.
    weights
        Weights of the index; by default row sums of W.
    costs
        Total cost of each firm: scales both kinds of input share by (column sum of W) / cost.
    eps, max_rounds
        When to stop; the published default 1e-2 isn't converged.

    Raises
    ------
    ScenarioError
        If a shock lies outside [0, 1], a flow is negative, weights sum to nothing, a cost isn't
        positive, or the rounds don't suffice (a closed network creeps to 1 slowly).

    Notes
    -----
    A reproduction, with the known faults of the original: σ breaks mass balance (and depends on the
    unit of W when a whole sector fails), closed networks explode upstream, ``costs`` shrinks
    essential inputs too, and the channels don't feed each other. Use :func:`propagate` for results.

    Source
    ------
    Diem, Borsos, Reisch, Kertész, Thurner (2022), Scientific Reports 12:7719.

    Examples
    --------
    Two foundries sell 6 and 2 to one designer; the larger fails.

    >>> W = [[0, 0, 6], [0, 0, 2], [0, 0, 0]]
    >>> loss = static_losses(W, [1, 1, 2], [[0, 2], [0, 0]], [1, 0, 0])
    >>> loss.downstream.tolist(), loss.combined
    ([1.0, 0.0, 0.75], 0.75)
    """
    flows, codes, needs = _static_inputs(W, sector, essentiality)
    n = flows.shape[0]
    shock = np.asarray(psi, dtype=np.float64)
    if shock.shape != (n,):
        raise ValueError(f"psi must have shape ({n},) to match W, got {shock.shape}")
    check_unit(shock, "a shock")
    sold = np.asarray(flows.sum(axis=1), dtype=np.float64).ravel()
    weight = sold if weights is None else np.asarray(weights, dtype=np.float64)
    if not weight.sum() > 0:
        raise ScenarioError("the weights of the index sum to nothing")

    downstream_map = _DownstreamMap.of(flows, codes, needs, costs)
    denominator = sold if revenue is None else np.asarray(revenue, dtype=np.float64)
    denominator = np.where(denominator == 0, 1.0, denominator)
    upstream_share = sparse.csr_array(sparse.diags_array(1.0 / denominator) @ flows)

    lost_in, lost_out = shock.copy(), shock.copy()
    change = np.inf
    for rounds in range(1, max_rounds + 1):
        sigma = _replaceability(sold, codes, lost_in) if replaceability else np.ones(n)
        next_in = np.minimum(1.0, np.maximum(shock, downstream_map.apply(sigma * lost_in)))
        next_out = np.minimum(1.0, np.maximum(shock, upstream_share @ lost_out))
        change = float(max(np.abs(next_in - lost_in).max(), np.abs(next_out - lost_out).max()))
        lost_in, lost_out = next_in, next_out
        if change <= eps:
            share = weight / weight.sum()
            return StaticLoss(
                lost_in,
                lost_out,
                float(share @ np.maximum(lost_in, lost_out)),
                float(share @ lost_in),
                float(share @ lost_out),
                rounds,
                change,
            )
    raise ScenarioError(
        f"static losses still move by {change:.1e} after {max_rounds} rounds",
        cure="normalise by revenue and total cost: without final demand losses creep to 1",
    )


@dataclass(frozen=True, slots=True)
class _DownstreamMap:
    essential: Csr  # one row per customer and essential supplier sector
    starts: Codes
    customers: Codes
    other: Csr

    @classmethod
    def of(cls, flows: Csr, codes: Codes, needs: Codes, costs: ArrayLike | None) -> _DownstreamMap:
        n = flows.shape[0]
        entry = sparse.coo_array(flows)
        i, j, value = entry.row.astype(np.int64), entry.col.astype(np.int64), entry.data
        bought = sum_by(j, value, n)
        scale = np.ones(n)
        if costs is not None:
            cost = np.asarray(costs, dtype=np.float64)
            if np.any(~(cost > 0)):
                raise ScenarioError("a total cost isn't positive")
            scale = bought / cost
        kind = needs[codes[i], codes[j]]
        key = j * (int(codes.max()) + 1) + codes[i]
        pairs, pair = np.unique(key, return_inverse=True)
        by_sector = sum_by(pair, value, pairs.size)

        must = kind == 2
        keys, rows = np.unique(key[must], return_inverse=True)
        essential = sparse.csr_array(
            (value[must] / by_sector[pair[must]] * scale[j[must]], (rows, i[must])),
            shape=(keys.size, n),
        )
        owners = keys // (int(codes.max()) + 1)
        starts = np.flatnonzero(np.r_[True, owners[1:] != owners[:-1]]) if keys.size else keys
        some = kind == 1
        other = sparse.csr_array(
            (value[some] / bought[j[some]] * scale[j[some]], (j[some], i[some])), shape=(n, n)
        )
        return cls(essential, starts, owners[starts], other)

    def apply(self, loss: Vector) -> Vector:
        out = np.asarray(self.other @ loss, dtype=np.float64)
        if self.starts.size:
            worst = np.maximum.reduceat(self.essential @ loss, self.starts)
            out[self.customers] = np.maximum(out[self.customers], worst)
        return out


def _replaceability(sold: Vector, codes: Codes, loss: Vector) -> Vector:
    left = sum_by(codes, sold * (1.0 - loss), int(codes.max()) + 1)
    left = np.where(left <= 1e-10, 1.0, left)
    return np.asarray(np.minimum(1.0, sold / left[codes]), dtype=np.float64)


def _static_inputs(W: Any, sector: ArrayLike, essentiality: ArrayLike) -> tuple[Csr, Codes, Codes]:
    anything: Any = W if sparse.issparse(W) else np.asarray(W, dtype=np.float64)
    flows = sparse.csr_array(anything, dtype=np.float64)
    shape: tuple[int, ...] = flows.shape
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ValueError(f"W must be square, got shape {shape}")
    if np.any(~(flows.data >= 0)):
        raise ScenarioError("a flow is negative or missing")
    _, codes = np.unique(np.asarray(sector), return_inverse=True)
    needs = np.asarray(essentiality, dtype=np.int64)
    sectors = int(codes.max()) + 1
    if codes.size != flows.shape[0] or needs.shape != (sectors, sectors):
        raise ValueError(
            f"{flows.shape[0]} firms and {sectors} sectors need {flows.shape[0]} codes and a "
            f"{sectors} × {sectors} essentiality, got {codes.size} and {needs.shape}"
        )
    return flows, codes.astype(np.int64), needs
