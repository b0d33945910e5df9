"""Types and checks that the network engines share."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from exposure.errors import ScenarioError

Vector: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.int64]
Csr: TypeAlias = Any  # scipy.sparse.csr_array of floats; arithmetic loses its type parameters

SHARE_SLACK = 1e-9
ROUNDING = 1e-12


def sum_by(index: Codes, values: Vector, count: int) -> Vector:
    """Return the sum of values by index, of shape (count,)."""
    return np.bincount(index, values, minlength=count).astype(np.float64)


def check_unit(values: Vector, what: str) -> None:
    """Refuse a value outside [0, 1], or a missing one."""
    bad = ~((values >= 0) & (values <= 1))
    if bad.any():
        raise ScenarioError(f"{what} is {values[bad].flat[0]:g}; it must lie in [0, 1]")


def check_nodes(n: int, nodes: Codes) -> None:
    """Refuse a node number outside 0..n-1."""
    if nodes.size and (nodes.min() < 0 or nodes.max() >= n):
        raise ScenarioError(f"a link names a node outside 0..{n - 1}")


def per_link(values: ArrayLike, m: int, what: str) -> Vector:
    """Return one number, or one a link, as an array of shape (m,)."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim > 1 or (array.ndim == 1 and array.size != m):
        raise ValueError(f"{what} must be one number or {m} of them, got shape {array.shape}")
    return np.array(np.broadcast_to(array, (m,)))


def probabilities(p: ArrayLike) -> Vector:
    """Return probabilities as a vector, each in [0, 1]."""
    chance = np.asarray(p, dtype=np.float64)
    if chance.ndim != 1 or chance.size == 0:
        raise ValueError(f"p must be a vector of at least one probability, got {chance.shape}")
    bad = ~((chance >= 0.0) & (chance <= 1.0))
    if bad.any():
        raise ScenarioError(f"a probability is {chance[bad][0]:g}; it must lie in [0, 1]")
    return chance


def check_finite(values: Vector, what: str) -> None:
    """Refuse a missing or infinite value."""
    if not np.isfinite(values).all():
        raise ScenarioError(f"{what} is missing")
