"""What is cut, when and for how long, and what survivors are asked to make beyond their baseline.

Symbols: ψ cut of a node in [0, 1], γ growth asked as a fraction of baseline output, D shocks, n nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from exposure.scenarios.arrays import Codes, Vector


@dataclass(frozen=True, slots=True)
class Cuts:
    """Cuts of many shocks at once, one a row.

    Parameters
    ----------
    psi
        ψ of each node, of shape (D, n), in [0, 1].
    start_week
        First week of the cut, from 1, of shape (n,) or (D, n).
    ramp_weeks
        Weeks in which the cut grows to its full size, straight, of shape (n,) or (D, n); 0: at once.
    duration_weeks
        Weeks that each shock lasts from week 1, of shape (D,); infinite where None.
    """

    psi: Vector
    start_week: Vector | None = None
    ramp_weeks: Vector | None = None
    duration_weeks: Vector | None = None

    def part(self, rows: slice) -> Cuts:
        """Return some of the shocks."""

        def cut(values: Vector | None) -> Vector | None:
            return values if values is None or values.ndim < 2 else values[rows]

        lasting = None if self.duration_weeks is None else self.duration_weeks[rows]
        return Cuts(self.psi[rows], cut(self.start_week), cut(self.ramp_weeks), lasting)

    def constant_from(self, weeks: int) -> int:
        """Return the week after which nothing changes up to ``weeks``.

        Examples
        --------
        >>> Cuts(np.array([[0.8]]), ramp_weeks=np.array([4.0])).constant_from(52)
        5
        """
        last = 1.0
        if self.start_week is not None or self.ramp_weeks is not None:
            start = np.ones(1) if self.start_week is None else self.start_week
            ramp = np.zeros(1) if self.ramp_weeks is None else self.ramp_weeks
            last = float(np.max(start + ramp, initial=1.0))
        if self.duration_weeks is not None:
            ends = self.duration_weeks[self.duration_weeks < weeks]
            last = max(last, float(np.max(ends, initial=0.0)) + 1.0)
        return int(np.ceil(last))

    def at(self, week: int) -> Vector:
        """Return ψ of a week, of shape (n, D).

        Examples
        --------
        >>> cuts = Cuts(np.array([[0.8]]), ramp_weeks=np.array([4.0]))
        >>> [round(cuts.at(t).item(), 6) for t in (1, 2, 4, 9)]
        [0.2, 0.4, 0.8, 0.8]
        """
        size = self.psi
        if self.start_week is not None or self.ramp_weeks is not None:
            since = week - (1.0 if self.start_week is None else self.start_week) + 1.0
            ramp = np.zeros(1) if self.ramp_weeks is None else self.ramp_weeks
            size = size * np.clip(since / np.maximum(1.0, ramp), 0.0, 1.0)
        if self.duration_weeks is not None:
            size = size * (week <= self.duration_weeks)[:, None]
        return size.T


@dataclass(frozen=True, slots=True)
class NodeCut:
    """A cut of one node by one cause, in many shocks at once.

    Parameters
    ----------
    node
        Its number.
    cause
        What physically cuts it: cuts of one cause are one cut, the largest of the week.
    size
        ψ in full, of shape (D,).
    start_week, ramp_weeks
        First week, and weeks until the full size.
    weeks
        Last week of the cut, of shape (D,); infinite where it lasts.
    """

    node: int
    cause: str
    size: Vector
    start_week: float
    ramp_weeks: float
    weeks: Vector

    def at(self, week: int) -> Vector:
        """Return ψ of a week, of shape (D,)."""
        done = min(1.0, max(0.0, (week - self.start_week + 1.0) / max(1.0, self.ramp_weeks)))
        return np.asarray(self.size * done * (week <= self.weeks))


@dataclass(frozen=True, slots=True)
class CauseCuts:
    """Cuts by cause, each with its own start, ramp and end: ψ(t) = 1 − Π over causes (1 − max of the cause).

    Parameters
    ----------
    n, count
        Number of nodes and of shocks.
    cuts
        Sorted by node and cause.

    Examples
    --------
    A small lasting cut doesn't make a large short one last.

    >>> small = NodeCut(0, "a", np.array([0.1]), 1.0, 0.0, np.array([np.inf]))
    >>> large = NodeCut(0, "b", np.array([0.8]), 1.0, 0.0, np.array([4.0]))
    >>> cuts = CauseCuts(1, 1, (small, large))
    >>> [round(cuts.at(t).item(), 6) for t in (4, 5)]
    [0.82, 0.1]
    """

    n: int
    count: int
    cuts: tuple[NodeCut, ...]

    @property
    def psi(self) -> Vector:
        """ψ in full, whenever it holds, of shape (D, n)."""
        return self._joined(lambda cut: cut.size).T

    def part(self, rows: slice) -> CauseCuts:
        """Return some of the shocks."""
        cuts = tuple(replace(cut, size=cut.size[rows], weeks=cut.weeks[rows]) for cut in self.cuts)
        return CauseCuts(self.n, len(range(*rows.indices(self.count))), cuts)

    def constant_from(self, weeks: int) -> int:
        """Return the week after which nothing changes up to ``weeks``."""
        last = 1.0
        for cut in self.cuts:
            ends = cut.weeks[cut.weeks < weeks]
            last = max(
                last, cut.start_week + cut.ramp_weeks, float(np.max(ends, initial=0.0)) + 1.0
            )
        return int(np.ceil(last))

    def at(self, week: int) -> Vector:
        """Return ψ of a week, of shape (n, D)."""
        return self._joined(lambda cut: cut.at(week))

    def _joined(self, size: Callable[[NodeCut], Vector]) -> Vector:
        found = np.zeros((self.n, self.count))
        groups: dict[tuple[int, str], Vector] = {}
        for cut in self.cuts:
            key, values = (cut.node, cut.cause), size(cut)
            held = groups.get(key)
            groups[key] = values if held is None else np.maximum(held, values)
        for (node, _), values in groups.items():
            found[node] = 1.0 - (1.0 - found[node]) * (1.0 - values)
        return found


@dataclass(frozen=True, slots=True)
class Growth:
    """What some nodes are asked to make beyond their baseline, in many shocks at once.

    Parameters
    ----------
    nodes
        Nodes that may grow, of shape (g,).
    asked
        γ of each, of shape (D, g): growth as a fraction of baseline output, reached after the ramp.
    ramp_weeks
        Weeks until γ is reached, of shape (D, g); 0: at once.
    """

    nodes: Codes
    asked: Vector
    ramp_weeks: Vector

    def part(self, rows: slice) -> Growth:
        """Return some of the shocks."""
        return Growth(self.nodes, self.asked[rows], self.ramp_weeks[rows])

    def constant_from(self) -> int:
        """Return the week after which nothing more is asked for."""
        return int(np.ceil(float(np.max(self.ramp_weeks, initial=0.0)))) + 1

    def target(self, week: int, n: int) -> Vector:
        """Return 1 + γ(t) of all nodes, of shape (n, D)."""
        done = np.clip((week - 1) / np.maximum(1.0, self.ramp_weeks), 0.0, 1.0)
        done = np.where(self.ramp_weeks > 0, done, 1.0)
        target = np.ones((n, self.asked.shape[0]))
        target[self.nodes] += (self.asked * done).T
        return target


def shock_path(
    psi: ArrayLike,
    weeks: int,
    *,
    start_week: int = 1,
    duration_weeks: int | None = None,
    recovery_weeks: int = 0,
) -> Vector:
    """Spread a cut over weeks: full for its duration, then a straight way back.

    Parameters
    ----------
    psi
        Cut of each node, of shape (n,), in [0, 1].
    weeks
        T, number of rows.
    start_week
        First week of the cut, from 1.
    duration_weeks
        Weeks at full size; None for the whole horizon.
    recovery_weeks
        Weeks of the straight way back to 0 after that.

    Returns
    -------
    numpy.ndarray
        ψ_i(t) of shape (T, n).

    Examples
    --------
    >>> shock_path([0.8], 5, duration_weeks=2, recovery_weeks=2)[:, 0].round(12).tolist()
    [0.8, 0.8, 0.4, 0.0, 0.0]
    """
    cut = np.atleast_1d(np.asarray(psi, dtype=np.float64))
    since = np.arange(1, weeks + 1) - start_week  # weeks since the cut began
    size = (since >= 0).astype(np.float64)
    if duration_weeks is not None:
        past = np.maximum(0, since - duration_weeks + 1)
        size *= np.clip(1.0 - past / max(1, recovery_weeks), 0.0, 1.0)
    return size[:, None] * cut[None, :]
