"""Reverse stress: what would have to happen for the portfolio to lose a given amount, and how plausible that is.

Two answers, never mixed: combinations of policy acts with a probability from the scenarios, and moves of the market
with a distance from the risk model.

Symbols: A a set of scenarios; u_s severity place of scenario s, 0 low, ½ base, 1 high; L loss to reach.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl
from scipy import special, stats

from exposure.errors import UsageError
from exposure.factors.catalog import Catalog
from exposure.portfolios.holdings import Book
from exposure.risk import RiskModel, as_matrices
from exposure.scenarios.arrays import Vector
from exposure.scenarios.cases import Flags
from exposure.scenarios.definitions import ScenarioDefinition
from exposure.scenarios.distribution import gaussian_copula_joint
from exposure.scenarios.plausibility import reverse_stress as market_reverse
from exposure.scenarios.plausibility import worst_case
from exposure.scenarios.simulation import checked_dependence, scenario_returns, with_probability
from exposure.scenarios.world import read_world

ANSWERS = 3
LARGEST_SET = 4  # scenarios that a combination holds at most
SEARCHED = 16  # sets whose severities are searched one by one, likeliest first
GRID = {1: 33, 2: 17, 3: 9, 4: 5}  # places tried for each member, by the number of members
PLAUSIBLE = 0.01  # a combination less likely than this over the horizon isn't called plausible
TOLERANCE = 1e-3  # of severity
NEARLY = 0.1  # severities closer than this are the same answer
PERT = (3.0, 3.0)  # Beta of PERT(0, ½, 1)

Losses = Callable[[Flags, Vector], Vector]


@dataclass(frozen=True, slots=True)
class ReverseResult:
    """What loses a given amount.

    Attributes
    ----------
    combinations
        | rank | scenario_id | severity_place | severity | loss | plausibility |: the likeliest combinations that reach
        the loss, one row a scenario in each; ``plausibility`` is the chance that all of it happens, at least this
        severely. Empty: no combination of the scenarios reaches the loss.
    worst
        | plausibility_at_least | scenarios | severity_place | loss | plausibility |: the worst combination that is
        still plausible, and the worst of all.
    market
        | question | distance | p_value | portfolio_return |: the nearest market move that loses as much, and the worst
        move within the radius, under the risk model; a distance of returns, not a probability of acts. Empty without a
        risk model.
    market_moves
        | listing_id | weight | reverse | worst |: return of each name in those two moves.
    """

    as_of: date
    loss: float
    combinations: pl.DataFrame
    worst: pl.DataFrame
    market: pl.DataFrame
    market_moves: pl.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """Return the frames, ready for JSON."""
        return {
            "as_of": self.as_of.isoformat(),
            "loss": self.loss,
            "combinations": self.combinations.to_dicts(),
            "worst": self.worst.to_dicts(),
            "market": self.market.to_dicts(),
            "market_moves": self.market_moves.to_dicts(),
        }

    def _repr_html_(self) -> str:
        return str(self.combinations._repr_html_())  # pyright: ignore[reportPrivateUsage] - the notebook protocol


def reverse_stress(
    book: Book,
    catalog: Catalog,
    loss: float,
    scenarios: Sequence[str | ScenarioDefinition] | None = None,
    *,
    dependence: float | None = None,
    radius: float = 3.0,
    risk: RiskModel | None = None,
) -> ReverseResult:
    """Find the likeliest combinations of scenarios that lose at least ``loss``, and the nearest market move that does.

    max_{A, u} P(all of A) Π_{s in A} P(U_s ≥ u_s)  with loss(A, u) ≥ L,  U_s ~ PERT(0, ½, 1)

    Parameters
    ----------
    loss
        L, a fraction of the portfolio in (0, 1).
    scenarios
        By default every what-if with a probability.
    dependence
        ρ of the scenarios' common driver; by default the middle of ``factors/assumptions.toml``.
    radius
        Mahalanobis radius of the worst market move.
    risk
        For names off the graph and for the market's answer.

    Raises
    ------
    UsageError
        If the loss isn't between 0 and 1, or no scenario has a probability.

    Notes
    -----
    All sets of up to four scenarios are run at high severity; those that reach the loss are ranked by their chance
    and the likeliest are searched. A combination is kept only if every member is needed. Probability of a set:
    one-factor Gaussian copula.

    Source
    ------
    Breuer et al. 2009 for the market; policy side own, methodology 3.7.

    Examples
    --------
    >>> import exposure as ex
    >>> from datetime import date
    >>> book = ex.load_holdings("portfolios/ai-servers/holdings.csv", as_of=date(2025, 1, 24))
    >>> found = ex.reverse_stress(book, ex.load_catalog(), 0.02)
    >>> bool((found.combinations["loss"] >= 0.02 - 1e-9).all())
    True
    """
    if not 0.0 < loss < 1.0:
        raise UsageError(
            f"a loss of {loss:g} can't be asked for; give a part such as 10%", cure="--reverse 10%"
        )
    chosen = [
        item for item in with_probability(catalog, scenarios, book.as_of) if not item.is_empty
    ]
    if not chosen:
        raise UsageError("no scenario that changes anything has a probability")
    world = read_world(book, catalog, chosen)
    rho = checked_dependence(world.assumptions, dependence)
    held = dict(book.holdings.group_by("listing_id").agg(pl.col("weight").sum()).iter_rows())
    w = np.array([held.get(name, 0.0) for name in world.listings])

    def losses(happens: Flags, u: Vector) -> Vector:
        returns, _ = scenario_returns(world, world.cases(chosen, happens, u), risk)
        return np.asarray(-(returns @ w))

    sets = _sets(len(chosen))
    chances = np.array([_chance(chosen, members, rho) for members in sets])
    combinations = nearest_combinations(losses, sets, chances, len(chosen), loss)
    market, moves = _market(world.listings, w, loss, radius, risk)
    return ReverseResult(
        book.as_of,
        loss,
        _combination_frame(chosen, combinations),
        _worst_frame(chosen, losses, sets, chances),
        market,
        moves,
    )


@dataclass(frozen=True, slots=True)
class Combination:
    """Scenarios, their severity places, what they lose, and the chance that all happen at least as severely."""

    members: tuple[int, ...]
    u: tuple[float, ...]
    loss: float
    plausibility: float


def nearest_combinations(
    losses: Losses,
    sets: Sequence[tuple[int, ...]],
    chances: Vector,
    count: int,
    target: float,
    *,
    answers: int = ANSWERS,
) -> list[Combination]:
    """Return the likeliest combinations that lose at least the target, best first.

    Parameters
    ----------
    losses
        Flags and severity places of shape (C, S) → losses of shape (C,), never falling in a severity that harms.
    sets, chances
        Sets of scenario numbers, and the chance that all of a set happen.
    count
        S.
    target
        L > 0.
    answers
        How many to return at most.

    Notes
    -----
    Sets are ranked at one common severity, the likeliest are searched on a grid of severities, and the best are made as
    mild as the target allows, one member after the other.

    Examples
    --------
    Losses add: the first scenario alone does it when severe, both do it when mild.

    >>> def losses(happens, u):
    ...     return (happens * u) @ np.array([0.3, 0.2])
    >>> found = nearest_combinations(losses, [(0,), (1,), (0, 1)], np.array([0.5, 0.5, 0.4]), 2, 0.21)
    >>> [(item.members, tuple(round(v, 2) for v in item.u)) for item in found]
    [((0, 1), (0.49, 0.31)), ((0,), (0.7,))]
    """
    full = losses(*_rows(sets, [(1.0,) * len(members) for members in sets], count))
    able = [k for k in np.flatnonzero(full >= target).tolist() if chances[k] > 0.0]
    if not able:
        return []
    ranked = _by_common_severity(losses, [sets[k] for k in able], chances[able], count, target)
    found: list[Combination] = []
    for number in ranked[:SEARCHED]:
        members, chance = sets[able[number]], float(chances[able[number]])
        answer = _mildest(losses, members, chance, count, target)
        if answer is not None and not any(_same(answer, other) for other in found):
            found.append(answer)
    found.sort(key=lambda item: (-item.plausibility, item.members))
    return found[:answers]


def _same(one: Combination, other: Combination) -> bool:
    """Whether one holds the other at nearly the same severities, and what it adds is as mild as it gets."""
    mine, yours = (
        dict(zip(one.members, one.u, strict=True)),
        dict(zip(other.members, other.u, strict=True)),
    )
    large, small = (mine, yours) if len(mine) >= len(yours) else (yours, mine)
    return (
        set(small) <= set(large)
        and all(abs(large[k] - small[k]) <= NEARLY for k in small)
        and all(u <= NEARLY for k, u in large.items() if k not in small)
    )


def _by_common_severity(
    losses: Losses, sets: Sequence[tuple[int, ...]], chances: Vector, count: int, target: float
) -> list[int]:
    """Return the sets, likeliest first, when all members of one are equally severe."""
    places = [*np.linspace(0.0, 1.0, 17)[:-1].tolist(), 1.0 - TOLERANCE]
    rows = [(members, (place,) * len(members)) for members in sets for place in places]
    lost = losses(*_rows([m for m, _ in rows], [u for _, u in rows], count))
    reached = lost.reshape(len(sets), len(places)) >= target
    first = np.where(reached.any(axis=1), reached.argmax(axis=1), len(places) - 1)
    width = np.array([len(members) for members in sets])
    score = chances * _at_least(np.array(places)[first]) ** width
    # A set that a part of it makes as well, no more severely, holds a member that isn't needed.
    place_of = {members: int(first[k]) for k, members in enumerate(sets)}
    for k, members in enumerate(sets):
        smaller = (
            m for size in range(1, len(members)) for m in itertools.combinations(members, size)
        )
        if any(part in place_of and place_of[part] <= first[k] for part in smaller):
            score[k] = -1.0
    return [int(k) for k in np.argsort(-score, kind="stable") if score[k] >= 0.0]


def _mildest(
    losses: Losses, members: tuple[int, ...], chance: float, count: int, target: float
) -> Combination | None:
    """Return the likeliest severities of one set that reach the target; None where a member isn't needed."""
    width = len(members)

    def lost(many: Sequence[Sequence[float]]) -> Vector:
        return losses(*_rows([members] * len(many), many, count))

    places = np.linspace(0.0, 1.0, GRID[width])
    places[-1] -= TOLERANCE
    grid = list(itertools.product(places.tolist(), repeat=width))
    score = np.array([float(np.prod(_at_least(np.array(point)))) for point in grid])
    reached = lost(grid) >= target
    if not reached.any():
        return None
    best = int(np.argmax(np.where(reached, score, -1.0)))
    u = list(grid[best])
    for k in sorted(range(width), key=lambda k: -u[k]):
        u[k] = _milder(lost, u, k, target)
    if width > 1:
        without = [tuple(m for j, m in enumerate(members) if j != k) for k in range(width)]
        rest = [tuple(v for j, v in enumerate(u) if j != k) for k in range(width)]
        if (losses(*_rows(without, rest, count)) >= target).any():
            return None
    score_of = float(np.prod(_at_least(np.array(u))))
    return Combination(members, tuple(u), float(lost([u])[0]), chance * score_of)


def _milder(
    lost: Callable[[Sequence[Sequence[float]]], Vector], u: Sequence[float], k: int, target: float
) -> float:
    """Return the smallest place of member k that still reaches the target, the others as they are."""
    low, high = 0.0, u[k]

    def at(places: Sequence[float]) -> Vector:
        return lost([[v if j == k else u[j] for j in range(len(u))] for v in places])

    if at([0.0])[0] >= target:
        return 0.0
    while high - low > TOLERANCE:
        inner = np.linspace(low, high, 18)[1:-1]
        reached = at(inner.tolist()) >= target
        if reached.any():
            first = int(reached.argmax())
            low, high = (low if first == 0 else float(inner[first - 1])), float(inner[first])
        else:
            low = float(inner[-1])
    return high


def _at_least(u: Vector) -> Vector:
    """Return P(U ≥ u) of PERT(0, ½, 1)."""
    return np.asarray(special.betaincc(*PERT, np.clip(u, 0.0, 1.0)))


def _sets(count: int) -> list[tuple[int, ...]]:
    return [
        members
        for size in range(1, min(LARGEST_SET, count) + 1)
        for members in itertools.combinations(range(count), size)
    ]


def _chance(chosen: Sequence[ScenarioDefinition], members: tuple[int, ...], rho: float) -> float:
    """Return P(all of the members happen) under the one-factor copula, opposite drivers included."""
    p = np.array([item.probability.mid for item in chosen if item.probability is not None])
    chance, sign = p[list(members)], np.array([chosen[k].driver for k in members])
    if rho <= 0.0 or len(members) == 1:
        return float(chance.prod())
    if (sign == 1).all():
        return gaussian_copula_joint(chance, rho)
    nodes, weights = np.polynomial.hermite_e.hermegauss(64)
    load = sign * np.sqrt(rho)
    score = (stats.norm.ppf(chance)[:, None] - load[:, None] * nodes[None]) / np.sqrt(
        1.0 - load**2
    )[:, None]
    return float(weights @ stats.norm.cdf(score).prod(axis=0) / np.sqrt(2.0 * np.pi))


def _rows(
    sets: Sequence[Sequence[int]], places: Sequence[Sequence[float]], count: int
) -> tuple[Flags, Vector]:
    happens = np.zeros((len(sets), count), dtype=np.bool_)
    u = np.zeros((len(sets), count))
    for row, (members, values) in enumerate(zip(sets, places, strict=True)):
        happens[row, list(members)] = True
        u[row, list(members)] = values
    return happens, u


def _severity(u: float) -> str:
    """Return a place in words: the nearest of low, base, high, with a mark where it lies between."""
    names = {0.0: "low", 0.5: "base", 1.0: "high"}
    nearest = min(names, key=lambda place: abs(place - u))
    if abs(nearest - u) < 0.02:
        return names[nearest]
    return "low to base" if u < 0.5 else "base to high"


def _combination_frame(
    chosen: Sequence[ScenarioDefinition], found: Sequence[Combination]
) -> pl.DataFrame:
    rows = [
        (rank, chosen[member].id, place, _severity(place), item.loss, item.plausibility)
        for rank, item in enumerate(found, start=1)
        for member, place in zip(item.members, item.u, strict=True)
    ]
    schema = {
        "rank": pl.Int64,
        "scenario_id": pl.String,
        "severity_place": pl.Float64,
        "severity": pl.String,
        "loss": pl.Float64,
        "plausibility": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _worst_frame(
    chosen: Sequence[ScenarioDefinition],
    losses: Losses,
    sets: Sequence[tuple[int, ...]],
    chances: Vector,
) -> pl.DataFrame:
    """Return the worst combination at base severity among the plausible ones, and the worst of all at high."""
    rows: list[tuple[Any, ...]] = []
    for least, place in ((PLAUSIBLE, 0.5), (0.0, 1.0)):
        score = chances * _at_least(np.array([place]))[0] ** np.array([len(m) for m in sets])
        kept = np.flatnonzero(score >= least) if least else np.arange(len(sets))
        if not kept.size:
            continue
        some = [sets[k] for k in kept.tolist()]
        lost = losses(*_rows(some, [(place,) * len(m) for m in some], len(chosen)))
        at = int(np.argmax(lost))
        names = [chosen[k].id for k in some[at]]
        chance = float(score[kept[at]]) if place < 1.0 else float(chances[kept[at]])
        rows.append((least, names, place, float(lost[at]), chance))
    schema: dict[str, Any] = {
        "plausibility_at_least": pl.Float64,
        "scenarios": pl.List(pl.String),
        "severity_place": pl.Float64,
        "loss": pl.Float64,
        "plausibility": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _market(
    listings: Sequence[str], w: Vector, loss: float, radius: float, risk: RiskModel | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    facts = {
        "question": pl.String,
        "distance": pl.Float64,
        "p_value": pl.Float64,
        "portfolio_return": pl.Float64,
    }
    moves = {
        "listing_id": pl.String,
        "weight": pl.Float64,
        "reverse": pl.Float64,
        "worst": pl.Float64,
    }
    if risk is None or not w.any():
        return pl.DataFrame(schema=facts), pl.DataFrame(schema=moves)
    B, D = as_matrices(risk, listings)
    sigma, mu = B @ B.T + np.diag(D), np.zeros(len(listings))
    nearest = market_reverse(mu, sigma, w, loss)
    worst = worst_case(mu, sigma, w, radius)
    rows = [
        ("nearest move that loses as much", nearest.distance, nearest.p_value, -loss),
        (
            f"worst move within distance {radius:g}",
            radius,
            float(stats.norm.sf(radius)),
            worst.portfolio_return,
        ),
    ]
    table = [
        (name, float(w[j]), float(nearest.scenario[j]), float(worst.scenario[j]))
        for j, name in enumerate(listings)
        if w[j] != 0.0
    ]
    return pl.DataFrame(rows, schema=facts, orient="row"), pl.DataFrame(
        table, schema=moves, orient="row"
    )
