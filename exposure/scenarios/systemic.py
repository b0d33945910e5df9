"""The index of every firm: each fails once, several side by side, a settled one making room for the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from exposure.errors import ScenarioError
from exposure.scenarios.arrays import Codes, Vector, check_nodes
from exposure.scenarios.static_network import StaticNetwork

SHORT = 32
WIDTHS = (
    16,
    8,
)  # failures side by side on a small and on a large network: more fall out of the cache
LARGE = 50_000
NEGLIGIBLE = 1e-3  # of eps: a change this small ends a failure whatever its trend, and isn't kept

Rounds: TypeAlias = Callable[[Vector], Vector]
Losses: TypeAlias = tuple[Codes, Vector]  # firms that lose, and how much


def systemic_risk(
    network: StaticNetwork,
    firms: ArrayLike | None = None,
    *,
    eps: float = 1e-5,
    max_rounds: int = 200_000,
    processes: int = 1,
) -> Vector:
    """Economic systemic risk index of each firm: the index when it alone fails in full.

    ESRI_i = Σ weight max(l_d, l_u) / Σ weight   after ψ = 1 at firm i, 0 elsewhere

    Parameters
    ----------
    network
        A prepared network of n firms; its corrections apply.
    firms
        Numbers of the firms wanted, as in W; by default all n.
    eps
        A failure is settled when what its firms still have to lose is estimated at eps or less, by
        change·ρ/(1 - ρ), ρ being the trend of the changes. An estimate, not a bound: where losses
        creep (a closed network) a smaller eps is needed.
    max_rounds
        Rounds allowed to one failure.
    processes
        How many share the firms; results don't depend on it. Above 1 new interpreters are started, so
        a script must be importable (its work under ``if __name__ == "__main__"``).

    Returns
    -------
    numpy.ndarray
        Index of each wanted firm, a fraction in [0, 1], of shape (len(firms),).

    Raises
    ------
    ScenarioError
        If a firm has no such number, or a failure doesn't settle in ``max_rounds``.

    Notes
    -----
    Losses of one failure are the same, to the last digit, whatever stands beside it. Memory
    of a process: some arrays of n × 16, and the losses of failures that one channel has settled and
    the other hasn't.

    Source
    ------
    Diem, Borsos, Reisch, Kertész, Thurner (2022), Scientific Reports 12:7719, equation of the index.

    Examples
    --------
    Two foundries sell 6 and 2 to one designer, who sells nothing: the larger hits 6 + .75·0 of 8.

    >>> network = StaticNetwork.of([[0, 0, 6], [0, 0, 2], [0, 0, 0]], [1, 1, 2], [[0, 2], [0, 0]])
    >>> systemic_risk(network).tolist()
    [0.75, 0.25, 1.0]
    """
    wanted = np.arange(network.n) if firms is None else np.asarray(firms, dtype=np.int64).ravel()
    check_nodes(network.n, wanted)
    if processes < 1:
        raise ValueError(f"processes must be at least 1, got {processes}")
    place = np.empty(network.n, dtype=np.int64)
    place[network.order] = np.arange(network.n)
    jobs = place[wanted]
    work = partial(_indices, network, eps=eps, max_rounds=max_rounds)
    if processes == 1:
        return work(jobs)
    index = np.empty(jobs.size)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        parts = pool.map(work, [jobs[first::processes] for first in range(processes)])
        for first, part in enumerate(parts):
            index[first::processes] = part
    return index


def _indices(network: StaticNetwork, jobs: Codes, eps: float, max_rounds: int) -> Vector:
    """Settle both channels of each job and join them; the channel that lags behind goes on first."""
    index = np.zeros(jobs.size)
    channels = (
        _settled(network.lost_inputs, network.n, jobs, eps, max_rounds),
        _settled(network.lost_sales, network.n, jobs, eps, max_rounds),
    )
    waiting: tuple[dict[int, Losses], dict[int, Losses]] = ({}, {})
    yielded = [0, 0]
    while min(yielded) < jobs.size:
        one = int(yielded[1] < yielded[0])
        job, loss = next(channels[one])
        yielded[one] += 1
        other = waiting[1 - one].pop(job, None)
        if other is None:
            kept = np.flatnonzero(loss > NEGLIGIBLE * eps)
            waiting[one][job] = (kept, loss[kept])
        else:
            where, more = other
            loss[where] = np.maximum(loss[where], more)
            loss *= network.weight  # no dot: BLAS would start threads of its own for it
            index[job] = loss.sum()
    return np.minimum(index, 1.0)


def _settled(
    one_round: Rounds, n: int, jobs: Codes, eps: float, max_rounds: int
) -> Iterator[tuple[int, Vector]]:
    """Yield each job with its losses, of shape (n,), as it settles."""
    width = min(WIDTHS[n > LARGE], jobs.size)
    job = np.arange(width)  # what stands in each column
    taken = width
    loss = np.zeros((n, width))
    loss[jobs[job], job] = 1.0
    ages = np.zeros(width, dtype=np.int64)
    changes = np.full((2, width), np.inf)  # of the round before, and of the one before that
    while width:
        moved = one_round(loss)
        moved[jobs[job], np.arange(width)] = 1.0
        np.minimum(moved, 1.0, out=moved)
        np.subtract(moved, loss, out=loss)
        change = _largest(np.abs(loss, out=loss))
        loss = moved
        ages += 1
        done = _is_settled(change, changes[1], eps)
        changes = np.stack([change, changes[0]])
        if done.any():
            ended = np.flatnonzero(done)
            for column in ended:
                yield int(job[column]), loss[:, column].copy()
            again = ended[: jobs.size - taken]
            job[again] = taken + np.arange(again.size)
            taken += again.size
            loss[:, again] = 0.0
            loss[jobs[job[again]], again] = 1.0
            ages[again], changes[:, again] = 0, np.inf
            if again.size < ended.size:
                kept = np.setdiff1d(np.arange(width), ended[again.size :])
                loss, job, ages = np.ascontiguousarray(loss[:, kept]), job[kept], ages[kept]
                changes, width = changes[:, kept], kept.size
        if ages.max(initial=0) >= max_rounds:
            raise ScenarioError(
                f"a failure still moves its losses by {change.max():.1e} after {max_rounds} rounds",
                cure="normalise by revenue and total cost: without final demand losses creep to 1",
            )


def _largest(x: Vector) -> Vector:
    """Return the largest of each column, spoiling x: halving is several times faster than max(axis=0)."""
    while x.shape[0] > SHORT:
        half = x.shape[0] // 2
        np.maximum(x[:half], x[-half:], out=x[:half])
        x = x[: x.shape[0] - half]
    return np.asarray(x.max(axis=0))


def _is_settled(change: Vector, two_before: Vector, eps: float) -> NDArray[np.bool_]:
    known = np.isfinite(two_before) & (two_before > change)
    trend = np.sqrt(np.divide(change, two_before, out=np.zeros_like(change), where=known))
    rest = np.divide(change * trend, 1.0 - trend, out=np.full_like(change, np.inf), where=known)
    return (change <= NEGLIGIBLE * eps) | (rest <= eps)
