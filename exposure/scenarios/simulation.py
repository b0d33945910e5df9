"""The distribution over scenarios: which happen, how severely, for how long, and what the portfolio's tail is made of.

Symbols: S scenarios, D draws, N listings; R returns (D, N), Z flags (D, S), q probabilities of the draws after views.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from exposure.errors import ScenarioError, UsageError
from exposure.factors.catalog import Catalog
from exposure.portfolios.holdings import Book
from exposure.risk import RiskModel, as_matrices
from exposure.scenarios.arrays import Vector
from exposure.scenarios.cases import Cases, Flags
from exposure.scenarios.definitions import Assumptions, ScenarioDefinition
from exposure.scenarios.distribution import draw_durations, draw_noise, draw_scenarios
from exposure.scenarios.evaluating import evaluate
from exposure.scenarios.inference import T_DEGREES, infer_many
from exposure.scenarios.reading import scenario_definitions
from exposure.scenarios.tails import cvar_discrete, tail_attribution, tail_contributions
from exposure.scenarios.typed_views import View, pooled
from exposure.scenarios.views import Posterior
from exposure.scenarios.what_ifs import chosen_scenarios
from exposure.scenarios.world import World, read_world

LEVELS = (0.95, 0.99)
DRAWS = 10_000
SEED = 20250124


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the scenarios' distribution does to a portfolio.

    Attributes
    ----------
    tail
        | basis (scenarios, or scenarios and market) | level | var | cvar |, losses as fractions of the portfolio.
    attribution
        | level | scenario_id | stated | probability | in_tail | lift |: how likely a scenario is as stated, after
        views, and given that the loss lies in the tail; several may share a draw.
    contributions
        | level | listing_id | weight | contribution |: parts of CVaR of the scenarios; they add up to it.
    summary
        Expected return, standard deviation, quantiles, chance of a loss; effective draws and relative entropy of views.
    returns, market, probability, flags
        R without and with the market's ordinary noise, of shape (D, N), q of shape (D,), Z of shape (D, S).
    listings, scenarios
        Their columns.
    """

    as_of: date
    tail: pl.DataFrame
    attribution: pl.DataFrame
    contributions: pl.DataFrame
    summary: dict[str, float | int | None]
    listings: tuple[str, ...]
    scenarios: tuple[str, ...]
    returns: Vector = field(repr=False)
    market: Vector | None = field(repr=False)
    probability: Vector = field(repr=False)
    flags: Flags = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the frames and the summary, ready for JSON."""
        return {
            "as_of": self.as_of.isoformat(),
            "summary": self.summary,
            "tail": self.tail.to_dicts(),
            "attribution": self.attribution.to_dicts(),
            "contributions": self.contributions.to_dicts(),
        }

    def _repr_html_(self) -> str:
        return str(self.attribution._repr_html_())  # pyright: ignore[reportPrivateUsage] - the notebook protocol


def simulate(
    book: Book,
    catalog: Catalog,
    scenarios: Sequence[str | ScenarioDefinition] | None = None,
    *,
    draws: int = DRAWS,
    seed: int = SEED,
    dependence: float | None = None,
    views: Mapping[str, float] | Sequence[View] = (),
    levels: Sequence[float] = LEVELS,
    risk: RiskModel | None = None,
) -> Outlook:
    """Draw futures and run the exact engine on every draw.

    Z_s = [k_s √ρ M + √(1−ρ k_s²) ε_s ≤ Φ⁻¹(p_s)],  severity at PERT(0, ½, 1) between low, base and high,
    duration lognormal(lo, mid, hi)

    Shocks of a draw meet on their nodes and propagate once. A draw in which nothing happens is
    the scenario ``no_event``.

    Parameters
    ----------
    scenarios
        By default all what-ifs of the catalogue that have a probability; the others are left out by name.
    draws, seed
        The same seed gives the same numbers.
    dependence
        ρ in [0, 1); by default the middle of ``factors/assumptions.toml``.
    views
        Analysts' probabilities, e.g. ``{"hbm_ban": 0.7, "hbm_ban & gpu_export_ban": 0.3, "hbm_ban | gpu_export_ban":
        0.9}``: and, given. They are imposed by entropy pooling.
    levels
        Confidence levels of CVaR.
    risk
        For names off the graph, and for ordinary market noise beside the scenarios.

    Returns
    -------
    Outlook

    Missing values
        A listing that neither the graph nor the risk model reaches counts as unmoved in a draw and its weight stands in
        ``summary["unknown_weight"]``, the mean over the draws.

    Raises
    ------
    UsageError
        If a scenario or a view's scenario doesn't exist, has no probability, or fewer than 100 draws are asked for.
    ScenarioError
        If views are impossible, or so far from the prior that fewer than 5% of the draws are left.

    Examples
    --------
    >>> import exposure as ex
    >>> from datetime import date
    >>> book = ex.load_holdings("portfolios/ai-servers/holdings.csv", as_of=date(2025, 1, 24))
    >>> outlook = ex.simulate(book, ex.load_catalog(), draws=500)
    >>> outlook.returns.shape[0], bool(outlook.tail["cvar"].min() > 0)
    (500, True)
    """
    if seed < 0:
        raise UsageError(f"a seed of {seed} isn't possible", cure="--seed 7")
    if draws < 100:
        raise UsageError(f"{draws} draws say nothing about a tail", cure="--draws 10000")
    if not all(0.0 < level < 1.0 for level in levels):
        raise UsageError("a level of CVaR lies between 0 and 1", cure="--level 0.95")
    chosen = with_probability(catalog, scenarios, book.as_of)
    moving = [item for item in chosen if not item.is_empty]
    still = [item for item in chosen if item.is_empty]
    if not moving:
        raise UsageError("no scenario that changes anything has a probability")
    world = read_world(book, catalog, moving)
    rho = checked_dependence(world.assumptions, dependence)
    drawn = draw_scenarios(
        [item.probability.mid for item in moving if item.probability is not None],
        [(0.0, 0.5, 1.0)] * len(moving),
        draws,
        seed=seed,
        rho=rho,
        signs=[item.driver for item in moving],
    )
    cases = world.cases(moving, drawn.flags, drawn.severity, _durations(moving, draws, seed))
    returns, unknown = scenario_returns(world, cases, risk)
    market = None if risk is None else _with_noise(world, returns, risk, draws, seed)
    names = [item.id for item in [*moving, *still]]
    quiet = np.repeat(~drawn.flags.any(axis=1, keepdims=True), len(still), axis=1)
    flags = np.concatenate([drawn.flags, quiet], axis=1)
    posterior = pooled(views, names, flags, drawn.probability)
    q = drawn.probability if posterior is None else posterior.probability
    w = _weights(book, world.listings)
    return Outlook(
        as_of=book.as_of,
        tail=_tail(returns, market, q, w, levels),
        attribution=_attribution(chosen, names, returns, q, flags, w, levels),
        contributions=_contributions(world.listings, returns, q, w, levels),
        summary=_summary(returns @ w, q, posterior, draws, seed, rho, float(unknown @ w @ q)),
        listings=world.listings,
        scenarios=tuple(names),
        returns=returns,
        market=market,
        probability=q,
        flags=flags,
    )


def scenario_returns(world: World, cases: Cases, risk: RiskModel | None) -> tuple[Vector, Flags]:
    """Return the return of every listing in every case at the points, and which stay unknown, both of shape (D, N)."""
    effects = evaluate(world, cases, ends=("mid",)).effects
    at = {item.issuer_id: i for i, item in enumerate(world.facts)}
    column = [at.get(world.issuer_of.get(name, "")) for name in world.listings]
    returns = np.zeros((cases.count, len(column)))
    known = np.zeros(returns.shape, dtype=np.bool_)
    for j, i in enumerate(column):
        if i is not None:
            returns[:, j], known[:, j] = effects.price[:, i, 1], effects.known[:, i]
    known |= cases.empty[:, None]
    apart = np.zeros(known.shape, dtype=np.bool_)
    for j, name in enumerate(world.listings):
        touched = cases.unmodelled.get(world.issuer_of.get(name, ""))
        if touched is not None:
            apart[:, j] = touched
    known &= ~apart
    returns = np.where(known, returns, 0.0)
    if risk is None:
        return returns, ~known
    years = np.sqrt(cases.horizon.max() / 52.0)
    loadings, specific = as_matrices(risk, world.listings)
    filled = infer_many(
        known,
        returns,
        loadings * years,
        specific * years**2,
        world.assumptions.extrapolation_limit,
    )
    unknown = apart | (~known & ~known.any(axis=1, keepdims=True))
    return np.where(unknown, 0.0, filled), unknown


def checked_dependence(assumptions: Assumptions, dependence: float | None) -> float:
    """Return ρ: as asked, or the middle of the assumptions.

    Raises
    ------
    UsageError
        If it lies outside [0, 1).
    """
    rho = assumptions.dependence.mid if dependence is None else dependence
    if not 0.0 <= rho < 1.0:
        raise UsageError(
            f"a correlation of scenarios of {rho:g} isn't possible; it lies in 0 up to 1",
            cure="--dependence 0.3",
        )
    return rho


def with_probability(
    catalog: Catalog, scenarios: Sequence[str | ScenarioDefinition] | None, day: date
) -> list[ScenarioDefinition]:
    """Return what is drawn: every what-if with a probability on the day, or those that are named.

    Raises
    ------
    UsageError
        If none has one, or a named one doesn't.
    """
    if scenarios is None:
        known = (item.as_known(day) for item in scenario_definitions(catalog).values())
        chosen = [item for item in known if item.probability is not None]
        if not chosen:
            raise UsageError(
                f"no scenario has a probability on {day.isoformat()}: they were set later",
                cure="name a later day with --as-of",
            )
        return chosen
    chosen = [item.as_known(day) for item in chosen_scenarios(catalog, scenarios)]
    for item in chosen:
        if item.probability is None:
            raise UsageError(
                f"{item.id} has no probability on {day.isoformat()}, so it can't be drawn",
                cure="stress it on its own with -s, or state a probability in its file",
            )
    return chosen


def _durations(moving: Sequence[ScenarioDefinition], draws: int, seed: int) -> Vector:
    generator = np.random.default_rng([seed, 1])
    return np.column_stack(
        [
            draw_durations(d.lo, d.mid, d.hi, draws, generator)
            if d.lo > 0
            else np.full(draws, d.mid)
            for d in (item.duration_years for item in moving)
        ]
    )


def _with_noise(world: World, returns: Vector, risk: RiskModel, draws: int, seed: int) -> Vector:
    loadings, specific = as_matrices(risk, world.listings)
    noise = draw_noise(loadings, specific, draws, seed=seed + 1, nu=T_DEGREES)
    return np.asarray(np.maximum(-1.0, returns + noise))


def _weights(book: Book, listings: Sequence[str]) -> Vector:
    held = dict(book.holdings.group_by("listing_id").agg(pl.col("weight").sum()).iter_rows())
    return np.array([held.get(name, 0.0) for name in listings], dtype=np.float64)


def _tail(
    returns: Vector, market: Vector | None, q: Vector, w: Vector, levels: Sequence[float]
) -> pl.DataFrame:
    rows: list[tuple[str, float, float, float]] = []
    for basis, sample in (("scenarios", returns), ("scenarios and market", market)):
        if sample is not None:
            for level in levels:
                found = cvar_discrete(-(sample @ w), q, level)
                rows.append((basis, level, found.var, found.cvar))
    return pl.DataFrame(rows, schema=["basis", "level", "var", "cvar"], orient="row")


def _attribution(
    chosen: Sequence[ScenarioDefinition],
    names: Sequence[str],
    returns: Vector,
    q: Vector,
    flags: Flags,
    w: Vector,
    levels: Sequence[float],
) -> pl.DataFrame:
    stated = {item.id: item.probability.mid for item in chosen if item.probability is not None}
    rows: list[dict[str, Any]] = []
    for level in levels:
        inside = tail_attribution(-(returns @ w), q, flags, level)
        for j, name in enumerate(names):
            chance = float(q @ flags[:, j])
            rows.append(
                {
                    "level": level,
                    "scenario_id": name,
                    "stated": stated.get(name),
                    "probability": chance,
                    "in_tail": float(inside[j]),
                    "lift": float(inside[j]) / chance if chance > 0 else None,
                }
            )
    return pl.DataFrame(rows)


def _contributions(
    listings: Sequence[str], returns: Vector, q: Vector, w: Vector, levels: Sequence[float]
) -> pl.DataFrame:
    rows: list[tuple[float, str, float, float]] = []
    for level in levels:
        parts = tail_contributions(returns, q, w, level)
        rows += [
            (level, name, float(w[j]), float(parts[j]))
            for j, name in enumerate(listings)
            if w[j] != 0.0
        ]
    frame = pl.DataFrame(
        rows, schema=["level", "listing_id", "weight", "contribution"], orient="row"
    )
    return frame.sort(["level", "contribution", "listing_id"], descending=[False, True, False])


def _summary(
    total: Vector,
    q: Vector,
    posterior: Posterior | None,
    draws: int,
    seed: int,
    rho: float,
    unknown: float,
) -> dict[str, float | int | None]:
    order = np.argsort(total, kind="stable")
    reached = np.cumsum(q[order])
    mean = float(q @ total)
    found: dict[str, float | int | None] = {
        "draws": draws,
        "seed": seed,
        "dependence": rho,
        "expected": mean,
        "sd": float(q @ (total - mean) ** 2) ** 0.5,
        "chance_of_loss": float(q[total < 0].sum()),
        "unknown_weight": unknown,
        "effective_draws": None if posterior is None else posterior.effective_post,
        "effective_before": None if posterior is None else posterior.effective_prior,
        "relative_entropy": None if posterior is None else posterior.relative_entropy,
    }
    for level in (0.05, 0.25, 0.5, 0.75, 0.95):
        at = min(int(np.searchsorted(reached, level)), total.size - 1)
        found[f"q{round(100 * level):02d}"] = float(total[order[at]])
    if not np.isfinite(mean):
        raise ScenarioError("a return of a draw is missing")
    return found
