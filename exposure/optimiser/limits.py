"""The arrays a plan is made from, and a mandate's limits as named rows over the weights.

Everything else in this room works on these two: the cvxpy model states the rows, the guard recomputes them, the
conflict explainer opens and closes them by name, lots hold them while rounding. No solver is imported here.

Symbols: w weight, w0 weight today, b benchmark weight, x score, r scenario return, κ and σ of an ellipsoid.
All weights are fractions of net asset value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

import numpy as np
from scipy import sparse

from exposure.errors import MandateError
from exposure.portfolios.mandates import FactorLimit, Mandate

FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
BoolArray = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

KAPPA = 1.645  # one-sided 95% of a normal error
ROBUST_KINDS = ("interval", "ellipsoid")


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """What the optimiser receives: plain arrays over N listings.

    Parameters
    ----------
    listing_ids, issuer_ids
        Of length N; a listing whose issuer is unknown carries its own id as issuer.
    w0, benchmark
        Weights of shape (N,). Without a benchmark the plan tracks today's weights, so pass ``None``.
    can_buy
        False where nothing may be bought: no price, outside the universe, excluded from buying.
    sell_floor
        Lowest weight that sales can reach today: 0 where all shares are available, w0 where none is.
    factor_ids
        (factor, base) of the K columns of the score matrices.
    score_lo, score_mid, score_hi
        Of shape (N, K), in the factors' units; an unknown mid is NaN.
    covered
        Of shape (N, K): whether the score counts as known.
    scenario_ids
        (scenario, severity) of the S rows of ``scenario_returns``.
    scenario_returns
        Of shape (S, N), signed fractions; unknown is NaN.
    loadings
        B of shape (N, k), already multiplied with the Cholesky factor of the factor covariance: B Bᵀ is the
        systematic covariance a year.
    specific
        D of shape (N,), specific variance a year.
    buy_cost, sell_cost
        Fractions of the traded amount, of shape (N,).
    excluded
        (limit name, positions): listings that must leave the portfolio.
    frozen
        Positions that must stay as they are.
    inferred
        Of shape (S, N): returns that are exactly ``loadings @ f_s``; lets the model lift scenario rows.
    probabilities
        Of shape (S,), for the expected return; NaN where nobody states one.
    draws
        Joint returns of shape (draws, N), for ``min_cvar``.
    nav
        Net asset value [base currency], or None.
    held, available
        Shares today, and those that may be sold today.
    price, fx
        Local currency a share (NaN: unknown), base currency per unit of local currency.
    lot_step, lot_min
        Step and smallest size of a buy order [shares]; 0 where unknown.
    currencies, boards
        Of length N.
    sell_reasons
        Of length N: why sales stop at ``sell_floor`` (``t_plus_1``, ``suspended``, ...); empty: ``t_plus_1``.
    factor_units
        Of length K, for display.
    has_risk
        False where ``loadings`` and ``specific`` only break ties and mean nothing by themselves.
    """

    listing_ids: tuple[str, ...]
    issuer_ids: tuple[str, ...]
    w0: FloatArray
    benchmark: FloatArray | None
    can_buy: BoolArray
    sell_floor: FloatArray
    factor_ids: tuple[tuple[str, str], ...]
    score_lo: FloatArray
    score_mid: FloatArray
    score_hi: FloatArray
    covered: BoolArray
    scenario_ids: tuple[tuple[str, str], ...]
    scenario_returns: FloatArray
    loadings: FloatArray
    specific: FloatArray
    buy_cost: FloatArray
    sell_cost: FloatArray
    excluded: tuple[tuple[str, tuple[int, ...]], ...] = ()
    frozen: tuple[int, ...] = ()
    inferred: BoolArray | None = None
    probabilities: FloatArray | None = None
    draws: FloatArray | None = None
    nav: float | None = None
    held: FloatArray | None = None
    available: FloatArray | None = None
    price: FloatArray | None = None
    fx: FloatArray | None = None
    lot_step: FloatArray | None = None
    lot_min: FloatArray | None = None
    currencies: tuple[str, ...] = ()
    boards: tuple[str, ...] = ()
    sell_reasons: tuple[str, ...] = ()
    factor_units: tuple[str, ...] = ()
    has_risk: bool = True

    def __post_init__(self) -> None:
        """Refuse arrays whose shapes don't fit together; a fault here is ours."""
        n, k, s = len(self.listing_ids), len(self.factor_ids), len(self.scenario_ids)
        shapes = {
            "w0": (n,),
            "benchmark": (n,),
            "can_buy": (n,),
            "sell_floor": (n,),
            "score_lo": (n, k),
            "score_mid": (n, k),
            "score_hi": (n, k),
            "covered": (n, k),
            "scenario_returns": (s, n),
            "inferred": (s, n),
            "probabilities": (s,),
            "specific": (n,),
            "buy_cost": (n,),
            "sell_cost": (n,),
            "held": (n,),
            "available": (n,),
            "price": (n,),
            "fx": (n,),
            "lot_step": (n,),
            "lot_min": (n,),
        }
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is not None and value.shape != shape:
                message = f"{name} must have shape {shape} to match the listings, got {value.shape}"
                raise ValueError(message)
        if self.loadings.shape[0] != n:
            message = (
                f"loadings must have {n} rows to match the listings, got {self.loadings.shape[0]}"
            )
            raise ValueError(message)

    @property
    def size(self) -> int:
        """Number of listings."""
        return len(self.listing_ids)

    @property
    def reference(self) -> FloatArray:
        """Return the weights that are tracked: the benchmark, or today's where there is none."""
        return self.w0 if self.benchmark is None else self.benchmark

    def variance(self, w: FloatArray) -> float:
        """Return the variance against the reference a year.

        TE² = (w−b)' D (w−b) + ‖Bᵀ(w−b)‖²
        """
        active = w - self.reference
        y = self.loadings.T @ active
        return float(active @ (self.specific * active) + y @ y)

    def cost(self, w: FloatArray) -> float:
        """Return the cost of trading from today to ``w`` [fraction of net asset value]."""
        change = w - self.w0
        return float(
            self.buy_cost @ np.maximum(change, 0.0) + self.sell_cost @ np.maximum(-change, 0.0)
        )

    def turnover(self, w: FloatArray) -> float:
        """Return Σ|w − w0|."""
        return float(np.abs(w - self.w0).sum())

    def counted_scores(self, column: int, sense: str, score: str = "mid") -> FloatArray:
        """Return the scores that a limit counts.

        Missing values
            A score without a mid counts at its upper end under a cap and at its lower end under a floor.
        """
        end = self.score_hi if sense == "<=" else self.score_lo
        if score == "hi":
            return np.asarray(end[:, column])
        mid = self.score_mid[:, column]
        return np.where(np.isnan(mid), end[:, column], mid)

    def counted_returns(self, row: int) -> FloatArray:
        """Return the returns of a scenario that a limit counts.

        Missing values
            An unknown return counts as the worst known one of the scenario (−1 where none is known), never as 0.
        """
        returns = self.scenario_returns[row]
        known = returns[~np.isnan(returns)]
        worst = min(float(known.min()), 0.0) if known.size else -1.0
        return np.where(np.isnan(returns), worst, returns)


@dataclass(frozen=True, slots=True)
class Limit:
    """One named limit: every row of ``rows @ w − offset`` stands in ``sense`` to ``bound``.

    Parameters
    ----------
    form
        ``rows`` (general), ``bound`` (each row is a single weight, so it enters as a variable bound), ``ratio``
        (``rows @ w / Σw``), ``turnover`` (Σ|w − offset|).
    scenarios
        Rows of ``scenario_returns`` that ``rows`` are, so that the model can lift them.
    spread, kappa
        An ellipsoid: ``κ ‖σ∘w‖₂`` is added under a cap and taken off under a floor.
    """

    name: str
    kind: str
    sense: str
    bound: float
    unit: str
    rows: sparse.csr_array
    offset: FloatArray
    form: str = "rows"
    subject: str | None = None
    spread: FloatArray | None = None
    kappa: float = 0.0
    scenarios: tuple[int, ...] = ()

    def values(self, w: FloatArray) -> FloatArray:
        """Return the value of every row, in the unit of the bound."""
        if self.form == "turnover":
            return np.array([np.abs(w - self.offset).sum()])
        found = np.asarray(self.rows @ w, dtype=np.float64)
        if self.form == "ratio":
            total = float(w.sum())
            return found / total if total > 0 else np.zeros_like(found)
        if self.spread is not None:
            sign = 1.0 if self.sense == "<=" else -1.0
            found = found + sign * self.kappa * float(np.linalg.norm(self.spread * w))
        return found - self.offset

    def value(self, w: FloatArray) -> float:
        """Return the value nearest to (or furthest beyond) the bound."""
        values = self.values(w)
        if self.sense == "<=":
            return float(values.max())
        if self.sense == ">=":
            return float(values.min())
        return float(values[np.argmax(np.abs(values - self.bound))])

    def violation(self, w: FloatArray) -> float:
        """Return by how much the limit is broken, relative to its scale; 0 where it holds."""
        value = self.value(w)
        if self.sense == "<=":
            excess = value - self.bound
        elif self.sense == ">=":
            excess = self.bound - value
        else:
            excess = abs(value - self.bound)
        return max(0.0, excess) / max(1.0, abs(self.bound))

    def room(self, value: float) -> float:
        """Return how far ``value`` may still move before it breaks the limit; negative: broken."""
        if self.sense == "<=":
            return self.bound - value
        if self.sense == ">=":
            return value - self.bound
        return -abs(value - self.bound)

    def moved(self, bound: float) -> Limit:
        """Return the limit with another bound."""
        return replace(self, bound=bound)

    def linear(self) -> tuple[sparse.csr_array, FloatArray]:
        """Return (A, a) so that the limit reads ``A w <= a`` (``A w == a`` for an equality).

        An ellipsoid and the turnover are not linear in w: their callers treat them apart.
        """
        if self.form == "ratio":
            rows = sparse.csr_array(self.rows - self.bound * np.ones(self.rows.shape))
            right = np.zeros(self.rows.shape[0])
        else:
            rows, right = self.rows, self.offset + self.bound
        return (sparse.csr_array(-rows), -right) if self.sense == ">=" else (rows, right)

    def cut(self, w: FloatArray) -> tuple[FloatArray, float]:
        """Return (a, c) with ``a'w <= c``, the tangent of an ellipsoid limit at ``w``; valid everywhere."""
        spread = np.zeros_like(w) if self.spread is None else self.spread
        norm = float(np.linalg.norm(spread * w))
        slope = spread**2 * w / norm if norm > 0 else np.zeros_like(w)
        rows, right = self.linear()
        return np.asarray(rows.toarray()[0]) + self.kappa * slope, float(right[0])


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of the weights and the name of the limit each of them comes from."""

    lower: FloatArray
    upper: FloatArray
    lower_name: tuple[str, ...]
    upper_name: tuple[str, ...]

    @property
    def crossed(self) -> bool:
        """Whether some weight has no room at all: a conflict that needs no solver to see."""
        return bool((self.lower > self.upper + 1e-9).any())


def named_limits(
    inputs: PlanInputs, mandate: Mandate, robust: str | None = None
) -> tuple[Limit, ...]:
    """Return every limit of a mandate as rows over the weights.

    Parameters
    ----------
    robust
        None, ``interval`` (factor limits hold at the upper score) or ``ellipsoid`` (independent score errors,
        κ = 1.645).

    Raises
    ------
    MandateError
        If a limit names a factor, base, scenario or severity that the inputs lack, with the nearest that exists.
    """
    limits = [_factor_limit(inputs, limit, robust) for limit in mandate.factors]
    limits += _scenario_limits(inputs, mandate)
    limits += _coverage_limits(inputs, mandate)
    limits += _position_limits(inputs, mandate)
    limits += _trading_limits(inputs)
    limits += _budget_limits(inputs, mandate)
    return tuple(limits)


def factor_bound(inputs: PlanInputs, limit: FactorLimit) -> float:
    """Return the bound of a factor limit in the factor's unit.

    Benchmark and today's exposure count unknown scores by the same rule as the plan, so that holding the benchmark
    is always zero away from it.
    """
    counted = inputs.counted_scores(_column(inputs, limit), limit.sense, limit.score)
    theirs = None if inputs.benchmark is None else float(counted @ inputs.benchmark)
    return limit.bound(theirs, float(counted @ inputs.w0))


def _factor_limit(inputs: PlanInputs, limit: FactorLimit, robust: str | None) -> Limit:
    column = _column(inputs, limit)
    score = "hi" if robust == "interval" else limit.score
    counted = inputs.counted_scores(column, limit.sense, score)
    spread, kappa = None, 0.0
    if robust == "ellipsoid" and limit.score == "mid":
        spread, kappa = score_spread(inputs, column), KAPPA
    return Limit(
        limit.name,
        "factor",
        limit.sense,
        factor_bound(inputs, limit),
        inputs.factor_units[column] if inputs.factor_units else "fraction",
        sparse.csr_array(counted[np.newaxis, :]),
        np.zeros(1),
        subject=limit.factor,
        spread=spread,
        kappa=kappa,
    )


def score_spread(inputs: PlanInputs, column: int) -> FloatArray:
    """Return the standard deviation of each score, reading lo..hi as a 90% interval.

    Missing values
        0 where the mid is unknown: that score already counts at the end of its interval.
    """
    width = inputs.score_hi[:, column] - inputs.score_lo[:, column]
    return np.where(np.isnan(inputs.score_mid[:, column]), 0.0, width / (2.0 * KAPPA))


def _column(inputs: PlanInputs, limit: FactorLimit) -> int:
    key = (limit.factor, limit.base)
    if key in inputs.factor_ids:
        return inputs.factor_ids.index(key)
    raise _not_known(
        limit.name,
        "factor",
        limit.factor,
        [f for f, base in inputs.factor_ids if base == limit.base],
    )


def _not_known(limit: str, what: str, name: str, known: Sequence[str]) -> MandateError:
    near = get_close_matches(name, sorted(set(known)), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return MandateError(
        f"the limit {limit} names the {what} {name!r}, which isn't there.{hint}",
        cure=f"exposure {what}s   (lists them)",
    )


def scenario_rows(inputs: PlanInputs, severity: str) -> list[int]:
    """Return the rows of a severity, without scenarios that reach none of the listings.

    Such a scenario says nothing about this book: it is left out here and named in the plan's issues. A limit on that
    very scenario still counts every listing at its worst.
    """
    return [
        row
        for row, (_, level) in enumerate(inputs.scenario_ids)
        if level == severity and not np.isnan(inputs.scenario_returns[row]).all()
    ]


def _scenario_limits(inputs: PlanInputs, mandate: Mandate) -> list[Limit]:
    found: list[Limit] = []
    for limit in mandate.scenarios:
        key = (limit.scenario, limit.severity)
        if key not in inputs.scenario_ids:
            known = [name for name, level in inputs.scenario_ids if level == limit.severity]
            raise _not_known(limit.name, "scenario", limit.scenario, known)
        at = inputs.scenario_ids.index(key)
        found.append(_loss_limit(inputs, limit.name, limit.scenario, limit.max_loss, [at]))
    worst = mandate.worst_scenario
    if worst is not None:
        rows = scenario_rows(inputs, worst.severity)
        if not rows:
            raise _not_known(worst.name, "scenario", f"any at severity {worst.severity}", [])
        found.append(_loss_limit(inputs, worst.name, None, worst.max_loss, rows))
    return found


def _loss_limit(
    inputs: PlanInputs, name: str, subject: str | None, max_loss: float, rows: Sequence[int]
) -> Limit:
    matrix = np.array([inputs.counted_returns(row) for row in rows])
    return Limit(
        name,
        "scenario",
        ">=",
        -max_loss,
        "fraction of NAV",
        sparse.csr_array(matrix),
        np.zeros(len(rows)),
        subject=subject,
        scenarios=tuple(rows),
    )


def _coverage_limits(inputs: PlanInputs, mandate: Mandate) -> list[Limit]:
    found: list[Limit] = []
    for floor in mandate.coverage:
        key = (floor.factor, floor.base)
        if key not in inputs.factor_ids:
            known = [factor for factor, base in inputs.factor_ids if base == floor.base]
            raise _not_known(floor.name, "factor", floor.factor, known)
        covered = inputs.covered[:, inputs.factor_ids.index(key)].astype(np.float64)
        rows = sparse.csr_array(covered[np.newaxis, :])
        found.append(
            Limit(
                floor.name,
                "coverage",
                ">=",
                floor.floor,
                "fraction of invested weight",
                rows,
                np.zeros(1),
                form="ratio",
                subject=floor.factor,
            )
        )
    return found


def _on(inputs: PlanInputs, positions: Sequence[int]) -> sparse.csr_array:
    """Return rows that pick single weights."""
    m = len(positions)
    return sparse.csr_array(
        (np.ones(m), (np.arange(m), np.asarray(positions, dtype=np.int64))), shape=(m, inputs.size)
    )


def _picks(
    inputs: PlanInputs,
    name: str,
    kind: str,
    sense: str,
    bound: float,
    positions: Sequence[int],
    offset: FloatArray | None = None,
    subject: str | None = None,
) -> Limit:
    return Limit(
        name,
        kind,
        sense,
        bound,
        "fraction of NAV",
        _on(inputs, positions),
        np.zeros(len(positions)) if offset is None else offset,
        form="bound",
        subject=subject,
    )


def _position_limits(inputs: PlanInputs, mandate: Mandate) -> list[Limit]:
    everything = range(inputs.size)
    found: list[Limit] = []
    if mandate.position.max is not None:
        found.append(_picks(inputs, "position", "position", "<=", mandate.position.max, everything))
    reachable = [i for i in everything if inputs.can_buy[i] or inputs.w0[i] > 0]
    floor = mandate.position.min
    if floor > 0 and reachable:
        found.append(_picks(inputs, "position:min", "position", ">=", floor, reachable))
    found.append(_picks(inputs, "long_only", "position", ">=", 0.0, everything))
    if mandate.issuer_max is not None:
        issuers = list(dict.fromkeys(inputs.issuer_ids))
        place = {issuer: row for row, issuer in enumerate(issuers)}
        rows = np.array([place[issuer] for issuer in inputs.issuer_ids], dtype=np.int64)
        matrix = sparse.csr_array(
            (np.ones(inputs.size), (rows, np.arange(inputs.size))),
            shape=(len(issuers), inputs.size),
        )
        limit = Limit(
            "issuer",
            "issuer",
            "<=",
            mandate.issuer_max,
            "fraction of NAV",
            matrix,
            np.zeros(len(issuers)),
        )
        found.append(limit)
    return found


def _trading_limits(inputs: PlanInputs) -> list[Limit]:
    found = [
        _picks(inputs, name, "exclusion", "<=", 0.0, positions, subject=name.partition(":")[2])
        for name, positions in inputs.excluded
        if positions
    ]
    frozen = set(inputs.frozen)
    found += [
        _picks(
            inputs,
            f"do_not_trade:{inputs.listing_ids[i]}",
            "trading",
            "==",
            0.0,
            [i],
            inputs.w0[[i]],
            inputs.listing_ids[i],
        )
        for i in inputs.frozen
    ]
    found += [
        _picks(
            inputs,
            f"cannot_sell:{name}",
            "trading",
            ">=",
            0.0,
            [i],
            inputs.sell_floor[[i]],
            name,
        )
        for i, name in enumerate(inputs.listing_ids)
        if inputs.sell_floor[i] > 0 and i not in frozen
    ]
    closed = [i for i in range(inputs.size) if not inputs.can_buy[i] and i not in frozen]
    if closed:
        found.append(_picks(inputs, "cannot_buy", "trading", "<=", 0.0, closed, inputs.w0[closed]))
    return found


def _budget_limits(inputs: PlanInputs, mandate: Mandate) -> list[Limit]:
    found: list[Limit] = []
    if mandate.turnover_max is not None:
        found.append(
            Limit(
                "turnover",
                "turnover",
                "<=",
                mandate.turnover_max,
                "fraction of NAV",
                sparse.csr_array((1, inputs.size)),
                inputs.w0,
                form="turnover",
            )
        )
    minus = sparse.csr_array(-np.ones((1, inputs.size)))
    cash = mandate.cash
    stated: list[tuple[str, str, float]] = []
    if cash.target is not None:
        stated.append(("cash", "==", cash.target))
    else:
        if cash.max is not None:
            stated.append(("cash", "<=", cash.max))
        stated.append(("cash" if cash.max is None else "cash:min", ">=", cash.min))
    found += [
        Limit(name, "cash", sense, bound, "fraction of NAV", minus, np.array([-1.0]))
        for name, sense, bound in stated
    ]
    return found


def bounds_of(inputs: PlanInputs, limits: tuple[Limit, ...]) -> Bounds:
    """Collect every single-weight limit into bounds, remembering who set them.

    Without such a limit a weight lies in −1..1, which only a mandate without cash and long-only rules could reach.
    """
    lower, upper = np.full(inputs.size, -1.0), np.full(inputs.size, 1.0)
    lower_name, upper_name = [""] * inputs.size, [""] * inputs.size
    for limit in limits:
        if limit.form != "bound":
            continue
        values = limit.offset + limit.bound
        for position, value in zip(limit.rows.indices, values, strict=True):
            if limit.sense in (">=", "==") and value > lower[position]:
                lower[position], lower_name[position] = value, limit.name
            if limit.sense in ("<=", "==") and value < upper[position]:
                upper[position], upper_name[position] = value, limit.name
    return Bounds(lower, upper, tuple(lower_name), tuple(upper_name))
