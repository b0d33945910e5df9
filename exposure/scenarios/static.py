"""The published static engine in one call, reproduced with its known faults, each behind a switch."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from numpy.typing import ArrayLike

from exposure.scenarios.static_network import CORRECTIONS, StaticLoss, StaticNetwork

__all__ = ["CORRECTIONS", "StaticLoss", "StaticNetwork", "static_losses"]


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
    headroom: ArrayLike = 0.0,
    corrected: Collection[str] = (),
    eps: float = 1e-13,
    max_rounds: int = 200_000,
) -> StaticLoss:
    """Economic systemic risk index of a shock, as published unless corrected.

    l_d(j) ← min(1, max(ψ_j, max_k Σ_{i in k} σ_i Ld_ij l_i (essential), Σ_i σ_i Ld_ij l_i (other)))
    l_u(i) ← min(1, max(ψ_i, Σ_j Lu_ij l_u(j)))
    Ld_ij = W_ij / Σ_{i' in sector(i)} W_i'j if essential, W_ij / Σ_i' W_i'j if not
    Lu_ij = W_ij / revenue_i,   σ_i = min(1, s_i / Σ_{k in sector(i)} s_k (1 - l_k))
    index = Σ weight max(l_d, l_u) / Σ weight

    For several shocks on one network make a :class:`StaticNetwork` once; for the index of every
    firm see :func:`~exposure.scenarios.systemic.systemic_risk`.

    Parameters
    ----------
    W, sector, essentiality, replaceability, revenue, weights, costs, headroom, corrected
        The network: see :meth:`StaticNetwork.of`.
    psi, eps, max_rounds
        The shock, of shape (n,), in [0, 1], and when to stop: see :meth:`StaticNetwork.losses`. The
        published default of eps, 1e-2, isn't converged.

    Raises
    ------
    ScenarioError
        If a shock lies outside [0, 1], a flow is negative, weights sum to nothing, a cost isn't
        positive, the rounds don't suffice (a closed network creeps to 1 slowly), or a correction
        asks for what isn't given.

    Notes
    -----
    Known faults of the original, and the names in ``corrected`` that mend them:
    ``mass_balance``: σ replaces supply out of nowhere, and depends on the unit of W when a whole
    sector fails. ``open_network``: without final demand and wages losses creep to 1.
    ``essential_costs``: ``costs`` shrinks essential inputs too. The fourth, a loose stop, is mended
    always: eps is 1e-13, and rounds and residual are returned. Two faults stay: the channels don't
    feed each other, and there is no time. Use :func:`~exposure.scenarios.weekly.propagate` for results.

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
    network = StaticNetwork.of(
        W,
        sector,
        essentiality,
        replaceability=replaceability,
        revenue=revenue,
        weights=weights,
        costs=costs,
        headroom=headroom,
        corrected=corrected,
    )
    return network.losses(psi, eps=eps, max_rounds=max_rounds)
