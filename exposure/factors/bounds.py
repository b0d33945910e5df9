"""How low and how high a share may be when the links are known only up to intervals, and why it is so wide.

Symbols as in :mod:`exposure.factors.network`; ``lo`` and ``hi`` end every interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from exposure.errors import ContentError
from exposure.factors.absorption import (
    absorb,
    check_links,
    check_unit,
    least_solution,
    name_of,
    row_sums,
    solve,
    walk_matrix,
)
from exposure.factors.matrices import Csr, Matrix, Vector, csr, same_length, vector
from exposure.factors.network import LinkFlow, adjoint, first_hit

SETTLED = 1e-13  # largest amount by which one more round may still raise an upper bound
MAX_POLICY_ROUNDS = 500


@dataclass(frozen=True, slots=True)
class HitBounds:
    """Guaranteed outer bounds of x.

    Parameters
    ----------
    lo, hi
        Of the shape of phi: no admissible network gives less, or more.
    rounds
        Policy rounds that the upper bound took, at most over the factors.
    residual
        Largest amount by which one more round would still raise ``hi``.
    """

    lo: Vector
    hi: Vector
    rounds: int
    residual: float


def first_hit_bounds(
    phi_lo: ArrayLike,
    phi_hi: ArrayLike,
    a_lo: Matrix,
    a_hi: Matrix,
    unknown_rest: bool | ArrayLike = False,
    *,
    delta: float = 1.0,
    stops: ArrayLike | None = None,
    names: Sequence[str] | None = None,
) -> HitBounds:
    """Lowest and highest x over every network inside the intervals.

    lo_i = phi_lo_i + (1 - phi_lo_i) min_a Σ_j delta a_j lo_j
    hi_i = phi_hi_i + (1 - phi_hi_i) max_a [Σ_j delta a_j hi_j + (1 - Σ_j a_j) rest_i]
    both over a_lo ≤ a ≤ a_hi, Σ_j a_j ≤ 1

    The remainder 1 - Σ a is cost that no link explains. Where it is known to be harmless (labour,
    capital, tax) it counts as 0; where it is unknown it counts as wholly exposed in ``hi``, so
    deleting a link never lowers ``hi``.

    Parameters
    ----------
    phi_lo, phi_hi
        Of shape (n,) or (n, n_factors), in [0, 1], lo ≤ hi.
    a_lo, a_hi
        Cost shares of shape (n, n), dense or sparse, lo ≤ hi; a row of ``a_lo`` above 1 is refused,
        a row of ``a_hi`` above 1 is capped by the row's own linear program.
    unknown_rest
        False: remainders are harmless. True: unknown. An array of shape (n,) states, per node, the
        largest part of the remainder that may be the factor, in [0, 1].
    delta
        Attenuation in [0, 1].
    stops
        Of the shape of ``phi``: True where the interval of phi stands for the whole of x (a disclosed figure that
        covers the links), so the walk goes no further.

    Returns
    -------
    HitBounds

    Raises
    ------
    ContentError
        If an interval is upside down, a value lies outside [0, 1], or a row of ``a_lo`` sums to
        more than 1.

    Notes
    -----
    The row program is a knapsack: the free room 1 - Σ a_lo goes to the suppliers with the largest
    hi first. Choosing and solving are alternated (policy iteration), which climbs to the least
    fixed point in a few rounds.

    Examples
    --------
    The server maker's chip share lies between 40% and 60%; the rest of its bill isn't known.

    >>> a_lo, a_hi = [[0, 0], [0.4, 0]], [[0, 0], [0.6, 0]]
    >>> known = first_hit_bounds([1, 0], [1, 0], a_lo, a_hi)
    >>> known.lo.tolist(), known.hi.tolist()
    ([1.0, 0.4], [1.0, 0.6])
    >>> first_hit_bounds([1, 0], [1, 0], a_lo, a_hi, [False, True]).hi.tolist()
    [1.0, 1.0]
    """
    problem = _Problem.of(phi_lo, phi_hi, a_lo, a_hi, unknown_rest, delta, stops, names)
    lo = absorb(problem.low, problem.outside_low, csr(problem.floor * delta)).reshape(problem.shape)
    hi, rounds, residual = problem.highest()
    return HitBounds(np.minimum(lo, hi), hi, rounds, residual)


@dataclass(frozen=True, slots=True)
class WidthParts:
    """Where the width of w'hi - w'lo comes from; all parts are ≥ 0 for w ≥ 0 and add to it exactly.

    Parameters
    ----------
    links
        Per link whose share has an interval.
    unexplained
        Per node, the part of its bill that no link explains, of shape (n,).
    own
        Per node, the interval of its own phi, of shape (n,).
    """

    links: LinkFlow
    unexplained: Vector
    own: Vector


def width_parts(
    phi_lo: ArrayLike,
    phi_hi: ArrayLike,
    a_lo: Matrix,
    a_hi: Matrix,
    w: ArrayLike,
    unknown_rest: bool | ArrayLike = False,
    *,
    stops: ArrayLike | None = None,
) -> WidthParts:
    """Split the width of a portfolio's interval over the facts that nobody knows well.

    hi - lo = (I - diag(o) A_lo)^-1 [(phi_hi - phi_lo)(1 - A_lo lo) + o (taken hi + left rest)]

    Weighted by w this is a sum over nodes. At each node, room that the lower shares leave is counted to the links
    whose intervals reach into it, in proportion to their widths, and what no interval reaches to ``unexplained``.

    Parameters
    ----------
    phi_lo, phi_hi, a_lo, a_hi, unknown_rest, stops
        As in :func:`first_hit_bounds`, for one factor.
    w
        Weights ≥ 0 of shape (n,).

    Examples
    --------
    The chip share lies between 40% and 60%, the other 40% of the bill isn't known:

    >>> parts = width_parts([1, 0], [1, 0], [[0, 0], [0.4, 0]], [[0, 0], [0.6, 0]], [0, 1], True)
    >>> parts.links.value.round(12).tolist(), parts.unexplained.round(12).tolist()
    ([0.2], [0.0, 0.4])
    """
    weights = vector(w, "w")
    problem = _Problem.of(
        vector(phi_lo, "phi_lo"),
        vector(phi_hi, "phi_hi"),
        a_lo,
        a_hi,
        unknown_rest,
        1.0,
        stops,
        None,
    )
    n = problem.n
    same_length(n, weights.size, "a_lo", "w")
    lo = absorb(problem.low, problem.outside_low, problem.floor)[:, 0]
    hi, _, _ = problem.highest()
    outside, high = problem.outside_high[:, 0], hi.reshape(n, -1)[:, 0]
    passing = solve(csr((sparse.diags_array(outside) @ problem.floor).T), weights)
    rows, columns, width = problem.optional
    rest = np.broadcast_to(problem.rest, (n,))
    gain = high[columns] - rest[rows]
    taken = _knapsack(rows, columns, width, gain, problem.room)
    left = np.maximum(0.0, problem.room - np.bincount(rows, taken, minlength=n))
    free = width - taken
    wanted = np.bincount(rows, free, minlength=n)
    scale = np.divide(left, wanted, out=np.ones(n), where=wanted > left)
    reached = np.minimum(free, free * scale[rows])
    value = passing[rows] * outside[rows] * (taken * high[columns] + reached * rest[rows])
    unexplained = (
        passing * outside * rest * np.maximum(0.0, left - np.bincount(rows, reached, minlength=n))
    )
    span = problem.high[:, 0] - problem.low[:, 0]
    loss = (problem.outside_low - problem.outside_high)[:, 0] * (problem.floor @ lo)
    return WidthParts(
        LinkFlow(rows.astype(np.int64), columns.astype(np.int64), value),
        unexplained,
        passing * (span - loss),
    )


def research_priority(
    phi: ArrayLike, a_mid: Matrix, a_lo: Matrix, a_hi: Matrix, w: ArrayLike, delta: float = 1.0
) -> LinkFlow:
    """How much the width of each link's interval matters for w'x: which fact to look up next.

    p_ij = u_i (1 - phi_i) delta x_j (a_hi_ij - a_lo_ij)

    Parameters
    ----------
    phi, a_mid, w, delta
        As in :func:`adjoint`, at the best points.
    a_lo, a_hi
        Ends of the intervals, of shape (n, n).

    Examples
    --------
    >>> mid, lo, hi = [[0, 0], [0.5, 0]], [[0, 0], [0.4, 0]], [[0, 0], [0.7, 0]]
    >>> research_priority([1, 0], mid, lo, hi, [0, 1]).value.round(12).tolist()
    [0.3]
    """
    tags = vector(phi, "phi")
    u = adjoint(tags, a_mid, w, delta)
    x = first_hit(tags, a_mid, delta)
    width = sparse.coo_array(csr(a_hi) - csr(a_lo))
    value = u[width.row] * (1.0 - tags[width.row]) * delta * x[width.col] * width.data
    return LinkFlow(width.row.astype(np.int64), width.col.astype(np.int64), value)


@dataclass(frozen=True, slots=True)
class _Problem:
    """The checked inputs of a pair of bounds; one column a factor."""

    low: Vector
    high: Vector
    outside_low: Vector
    outside_high: Vector
    floor: Csr
    room: Vector
    optional: tuple[NDArray[np.int64], NDArray[np.int64], Vector]
    rest: Vector
    delta: float
    shape: tuple[int, ...]

    @property
    def n(self) -> int:
        return int(self.floor.shape[0])

    @classmethod
    def of(
        cls,
        phi_lo: ArrayLike,
        phi_hi: ArrayLike,
        a_lo: Matrix,
        a_hi: Matrix,
        unknown_rest: bool | ArrayLike,
        delta: float,
        stops: ArrayLike | None,
        names: Sequence[str] | None,
    ) -> _Problem:
        low, high = np.asarray(phi_lo, dtype=np.float64), np.asarray(phi_hi, dtype=np.float64)
        check_unit(low, "phi_lo", names)
        check_unit(high, "phi_hi", names)
        if np.any(low > high):
            at = int(np.argmax((low > high).reshape(low.shape[0], -1).any(axis=1)))
            raise ContentError(f"phi of {name_of(at, names)} has lo above hi")
        floor = walk_matrix(a_lo, 1.0, names, what="a_lo")
        ceiling = csr(a_hi)
        check_links(ceiling, "a_hi", names)
        n = floor.shape[0]
        for size, what in (
            (low.shape[0], "phi_lo"),
            (high.shape[0], "phi_hi"),
            (ceiling.shape[0], "a_hi"),
        ):
            same_length(n, size, "a_lo", what)
        check_unit(np.array([delta]), "delta", None)
        rest = np.broadcast_to(np.asarray(unknown_rest, dtype=np.float64), (n,))
        check_unit(rest, "unknown_rest", names)
        goes_on = np.ones_like(low) if stops is None else 1.0 - np.asarray(stops, dtype=np.float64)
        extra = sparse.coo_array(ceiling - floor)
        if extra.nnz and extra.data.min() < -1e-12:
            at = int(np.argmin(extra.data))
            row, column = int(extra.row[at]), int(extra.col[at])
            raise ContentError(
                f"link {name_of(row, names)} ← {name_of(column, names)} has lo above hi"
            )
        keep = extra.data > 0
        optional = (
            extra.row[keep].astype(np.int64),
            extra.col[keep].astype(np.int64),
            np.asarray(extra.data[keep], dtype=np.float64),
        )
        return cls(
            low.reshape(n, -1),
            high.reshape(n, -1),
            ((1.0 - low) * goes_on).reshape(n, -1),
            ((1.0 - high) * goes_on).reshape(n, -1),
            floor,
            np.maximum(0.0, 1.0 - row_sums(floor)),
            optional,
            rest,
            delta,
            low.shape,
        )

    def highest(self) -> tuple[Vector, int, float]:
        """Return the upper bound of each factor, the most rounds it took, and what one more would add."""
        rows = self.optional[0]
        constant = self.high + self.outside_high * (self.room * self.rest)[:, None]
        hi = absorb(constant, self.outside_high, csr(self.floor * self.delta))
        # No supplier can be worse than a bill that may be the factor itself: there every free yuan stays unspent.
        open_rows = rows[self.rest[rows] < 1.0]
        if not open_rows.size:
            return hi.reshape(self.shape), 1, 0.0
        rounds, residual = 1, 0.0
        for k in range(hi.shape[1]):
            hi[:, k], more, left = self._policy(hi[:, k], k)
            rounds, residual = max(rounds, more), max(residual, left)
        return hi.reshape(self.shape), rounds, residual

    def _policy(self, hi: Vector, k: int) -> tuple[Vector, int, float]:
        """Alternate choosing the purchases and solving; climbs to the least fixed point in a few rounds."""
        rows, columns, width = self.optional
        phi, outside = self.high[:, k], self.outside_high[:, k]

        def network(taken: Vector) -> tuple[Vector, Csr]:
            """Return the constant part and the walk when ``taken`` of each optional share is bought."""
            left = np.maximum(0.0, self.room - np.bincount(rows, taken, minlength=phi.size))
            chosen = self.floor + sparse.coo_array((taken, (rows, columns)), shape=self.floor.shape)
            return phi + outside * left * self.rest, csr(
                sparse.diags_array(outside * self.delta) @ chosen
            )

        taken = np.zeros(width.size)
        residual = np.inf
        for rounds in range(1, MAX_POLICY_ROUNDS + 1):
            gain = self.delta * hi[columns] - self.rest[rows]
            choice = _knapsack(rows, columns, width, gain, self.room)
            constant, walk = network(choice)
            stepped = constant + walk @ hi
            residual = float(np.max(stepped - hi, initial=0.0))
            if residual <= SETTLED:
                return np.minimum(1.0, np.maximum(hi, stepped)), rounds, residual
            # A row changes its purchases only where that helps: ties would make the rounds cycle.
            taken = np.where((stepped - hi)[rows] > SETTLED / 2, choice, taken)
            hi = np.maximum(hi, least_solution(*network(taken)))
        raise ContentError(
            f"the upper bound of {phi.size} nodes didn't settle in {MAX_POLICY_ROUNDS} rounds; "
            f"the last one still moved it by {residual:.1e}"
        )


def _knapsack(
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    width: Vector,
    gain: Vector,
    room: Vector,
) -> Vector:
    """Return how much of each optional share a row buys: the largest gains first, until its room is used."""
    order = np.lexsort((columns, -gain, rows))
    budget = np.where(gain > 0, room[rows], 0.0)[order]
    choice = np.zeros(width.size)
    choice[order] = _fill_in_order(width[order], rows[order], budget)
    return choice


def _fill_in_order(width: Vector, group: NDArray[np.integer], budget: Vector) -> Vector:
    """Fill ``width`` in order inside each run of equal ``group`` until the group's budget is used."""
    if not width.size:
        return width
    before = np.cumsum(width) - width
    starts = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    lengths = np.diff(np.r_[starts, group.size])
    before = before - np.repeat(before[starts], lengths)
    return np.clip(budget - before, 0.0, width)
