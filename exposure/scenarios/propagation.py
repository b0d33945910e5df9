"""How lost output spreads over supply links: a static cascade, CES losses, and weekly steps with stocks.

The static cascade reproduces a published reference, its known faults included, and serves comparison. The weekly
recursion is the engine's own: lags break cycles, stocks delay losses, substitution ramps up.

Symbols
    W[i,j]      sales of firm i to firm j (money)
    ψ[i]        first loss of a firm, a fraction of its output in [0, 1]
    l[i]        loss of a firm, a fraction of its output; h = 1 - l
    s[i]        sales of firm i to the network, the row sum of W
    σ[i]        replaceability: how hard firm i is to replace inside its sector, in [0, 1]
    θ[k], u[k]  cost share and availability of input k
    q, I, g     received input, stock and substitution, in weeks of normal use
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.special import logsumexp

from exposure.errors import ScenarioError

FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
IntArray = np.ndarray[tuple[int, ...], np.dtype[np.intp]]

ESSENTIAL = 2
NON_ESSENTIAL = 1
EMPTY_SECTOR = 1e-10  # the reference treats less surviving supply than this as one unit
FULL = 1.0 - 1e-9  # output below this counts as a loss; rounding of stocks stays above


# --- static cascade -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cascade:
    """What a shock does to a network once it has spread.

    Parameters
    ----------
    downstream, upstream
        Loss of each firm through its suppliers and through its customers, of shape (n,), in [0, 1].
    esri, esri_down, esri_up
        Weighted mean loss: of the larger channel, of the first and of the second alone.
    rounds
        Rounds until the slower channel settled.
    residual
        Largest change of the last round.
    """

    downstream: FloatArray
    upstream: FloatArray
    esri: float
    esri_down: float
    esri_up: float
    rounds: int
    residual: float


def esri_cascade(
    W: Any,
    sector: ArrayLike,
    essentiality: ArrayLike,
    psi: ArrayLike,
    *,
    revenue: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    costs: ArrayLike | None = None,
    replaceability: bool = True,
    eps: float = 1e-13,
    max_rounds: int = 1_000_000,
) -> Cascade:
    """Spread a shock through suppliers and customers, as the published reference does.

    Ld[i,j] = W[i,j] / Σ_{i' in sector(i)} W[i',j]  if essential,  W[i,j] / Σ_i' W[i',j]  if not
    Lu[i,j] = W[i,j] / revenue_i
    σ_i     = min(1, s_i / Σ_{k in sector(i)} s_k (1 - l_k))
    l_d(j) <- min(1, max(ψ_j, max_{essential sectors} Σ σ_i Ld[i,j] l_i, Σ_{others} σ_i Ld[i,j] l_i))
    l_u(i) <- min(1, max(ψ_i, Σ_j Lu[i,j] l_u(j)))
    index   = Σ weight_i max(l_d, l_u)_i / Σ weight_i

    Parameters
    ----------
    W
        Sales of shape (n, n), money, dense or scipy sparse.
    sector
        A code per firm, of shape (n,); the sorted codes number the rows of ``essentiality``.
    essentiality
        e[k,l] of shape (sectors, sectors): 2 essential, 1 non-essential, 0 no input of sector l.
    psi
        ψ of shape (n,).
    revenue
        Denominator of the upstream channel, of shape (n,); by default the row sums of W.
    weights
        Weights of the index, of shape (n,); by default the row sums of W.
    costs
        Total cost per firm, of shape (n,); input shares shrink by observed inputs / costs.
    replaceability
        Whether σ is used; off means 1.
    eps
        Largest change of the last round.

    Returns
    -------
    Cascade
        The least fixed point at or above ψ.

    Raises
    ------
    ScenarioError
        If a loss lies outside [0, 1], a sale is negative, all weights are zero, or it doesn't settle.

    Notes
    -----
    σ breaks mass balance (use :func:`exposure.scenarios.substitution.waterfill`), ``costs`` also
    shrinks essential inputs, and a network without final demand loses everything upstream.

    Source
    ------
    Diem, Borsos, Reisch, Kertész, Thurner (2022), Scientific Reports 12:7719.

    Examples
    --------
    Two foundries with 75% and 25% of the market feed one designer; the large one stops.

    >>> W = [[0, 0, 6], [0, 0, 2], [0, 0, 0]]
    >>> essential = [[0, 2], [0, 0]]
    >>> esri_cascade(W, [1, 1, 2], essential, [1, 0, 0]).downstream.tolist()
    [1.0, 0.0, 0.75]
    """
    links = _Links.of(W, sector, essentiality, costs)
    n = links.n
    first = _losses(psi, n)
    base = links.sales if revenue is None else _firm_values(revenue, n, "revenue")
    weight = links.sales if weights is None else _firm_values(weights, n, "weights")
    if not weight.sum() > 0:
        raise ScenarioError("the index has no weight: all weights are zero")
    sold = np.where(base == 0, 1.0, base)

    def through_suppliers(loss: FloatArray) -> FloatArray:
        return np.minimum(1.0, np.maximum(first, links.supply_loss(loss, replaceability)))

    def through_customers(loss: FloatArray) -> FloatArray:
        lost = links.value * loss[links.customer]
        total = np.bincount(links.supplier, lost, minlength=n) / sold
        return np.minimum(1.0, np.maximum(first, total))

    down, rounds_down, rest_down = _settle(through_suppliers, first, eps, max_rounds)
    up, rounds_up, rest_up = _settle(through_customers, first, eps, max_rounds)

    def index(loss: FloatArray) -> float:
        return float(weight @ loss / weight.sum())

    return Cascade(
        down,
        up,
        index(np.maximum(down, up)),
        index(down),
        index(up),
        max(rounds_down, rounds_up),
        max(rest_down, rest_up),
    )


@dataclass(frozen=True, slots=True)
class _Links:
    """The network as arrays over links, with the sums that the downstream channel needs."""

    n: int
    supplier: NDArray[np.intp]
    customer: NDArray[np.intp]
    value: FloatArray
    sales: FloatArray
    code: NDArray[np.intp]
    sectors: int
    input_share: FloatArray
    essential: NDArray[np.bool_]
    group: NDArray[np.intp]  # number of the (customer, sector) pair of each essential link
    group_customer: NDArray[np.intp]

    @classmethod
    def of(
        cls, W: Any, sector: ArrayLike, essentiality: ArrayLike, costs: ArrayLike | None
    ) -> _Links:
        given: Any = W if sparse.issparse(W) else np.asarray(W, dtype=np.float64)
        entries: Any = sparse.coo_array(given)
        entries.sum_duplicates()
        n = entries.shape[0]
        if entries.shape != (n, n):
            raise ValueError(f"W must be square, got shape {entries.shape}")
        if not np.all(np.isfinite(entries.data) & (entries.data >= 0)):
            raise ScenarioError("a sale between two firms is negative or missing")
        kept = entries.data > 0
        supplier = entries.row[kept].astype(np.intp)
        customer = entries.col[kept].astype(np.intp)
        value = entries.data[kept].astype(np.float64)
        codes, code = np.unique(np.asarray(sector), return_inverse=True)
        kinds = np.asarray(essentiality)
        if code.size != n:
            raise ValueError(f"sector must have {n} entries to match W, got {code.size}")
        if kinds.shape != (codes.size, codes.size):
            raise ValueError(
                f"essentiality must have shape {(codes.size, codes.size)}, got {kinds.shape}"
            )
        kind = kinds[code[supplier], code[customer]]
        essential = kind == ESSENTIAL
        pair = customer * codes.size + code[supplier]
        of_sector = np.bincount(pair, value, minlength=n * codes.size)[pair]
        bought = np.bincount(customer, value, minlength=n)
        share = np.where(
            essential,
            value / of_sector,
            np.where(kind == NON_ESSENTIAL, value / bought[customer], 0.0),
        )
        if costs is not None:
            total = _firm_values(costs, n, "costs")
            observed = np.divide(bought, total, out=np.zeros(n), where=total > 0)
            share = share * observed[customer]
        pairs, group = np.unique(pair[essential], return_inverse=True)
        sales = np.bincount(supplier, value, minlength=n).astype(np.float64)
        return cls(
            n,
            supplier,
            customer,
            value,
            sales,
            code.astype(np.intp),
            int(codes.size),
            share,
            essential,
            group.astype(np.intp),
            (pairs // codes.size).astype(np.intp),
        )

    def supply_loss(self, loss: FloatArray, replaceability: bool) -> FloatArray:
        """Return what each firm loses because its suppliers lose."""
        hard = np.ones(self.n)
        if replaceability:
            left = np.bincount(self.code, self.sales * (1.0 - loss), minlength=self.sectors)
            left = np.where(left <= EMPTY_SECTOR, 1.0, left)
            hard = np.minimum(1.0, self.sales / left[self.code])
        missing = self.input_share * (hard * loss)[self.supplier]
        binding = np.zeros(self.n)
        by_pair = np.bincount(
            self.group, missing[self.essential], minlength=self.group_customer.size
        )
        np.maximum.at(binding, self.group_customer, by_pair)
        other = ~self.essential
        summed = np.bincount(self.customer[other], missing[other], minlength=self.n)
        return np.asarray(np.maximum(binding, summed), dtype=np.float64)


def _settle(
    step: Callable[[FloatArray], FloatArray], start: FloatArray, eps: float, rounds: int
) -> tuple[FloatArray, int, float]:
    loss, change = start, np.inf
    for number in range(1, rounds + 1):
        following = np.maximum(loss, step(loss))
        change = float(np.abs(following - loss).max(initial=0.0))
        loss = following
        if change <= eps:
            return loss, number, change
    raise ScenarioError(
        f"the cascade didn't settle in {rounds} rounds; the last one still moved it by {change:.1e}",
        cure="state revenue with final demand, so that each round loses something",
    )


def _losses(psi: ArrayLike, n: int) -> FloatArray:
    first = _firm_values(psi, n, "psi")
    if np.any(first > 1):
        raise ScenarioError(f"a first loss is {first.max():g}; it must lie in [0, 1]")
    return first


def _firm_values(values: ArrayLike, n: int, what: str) -> FloatArray:
    vector = np.asarray(values, dtype=np.float64)
    if vector.shape != (n,):
        raise ValueError(f"{what} must have shape ({n},) to match W, got {vector.shape}")
    if not np.all(np.isfinite(vector) & (vector >= 0)):
        raise ScenarioError(f"{what} holds a negative or missing number")
    return vector


# --- one firm's technology ------------------------------------------------------------------------


def ces_loss(shares: ArrayLike, availability: ArrayLike, rho: float) -> float:
    """Output lost when inputs fall short, between adding up and the worst input.

    loss = 1 - (Σ θ_k u_k^ρ)^(1/ρ)        ρ = 0: 1 - Π u^θ        ρ = -inf: 1 - min u

    Parameters
    ----------
    shares
        θ of shape (k,), shares of total cost; what they leave to 1 is an input always available.
    availability
        u of shape (k,), in [0, 1].
    rho
        ρ at most 1; the elasticity of substitution is 1 / (1 - ρ).

    Returns
    -------
    float
        In [0, 1]; never rises with ρ.

    Raises
    ------
    ScenarioError
        If shares add to more than 1, a number lies outside [0, 1], or ρ is above 1.

    Source
    ------
    Power-mean inequality (Hardy, Littlewood, Pólya 1934, section 2.9).

    Examples
    --------
    Half of an input with 30% of cost is missing.

    >>> [round(ces_loss([0.3], [0.5], rho), 4) for rho in (1.0, 0.0, -4.0, float("-inf"))]
    [0.15, 0.1877, 0.347, 0.5]
    """
    theta, have = np.asarray(shares, dtype=np.float64), np.asarray(availability, dtype=np.float64)
    if theta.shape != have.shape or theta.ndim != 1:
        raise ValueError(f"shares {theta.shape} and availability {have.shape} must match")
    for values, what in ((theta, "a cost share"), (have, "an availability")):
        bad = ~((values >= 0) & (values <= 1))
        if bad.any():
            raise ScenarioError(f"{what} is {values[bad][0]:g}; it must lie in [0, 1]")
    rest = 1.0 - float(theta.sum())
    if rest < -1e-9:
        raise ScenarioError(f"the cost shares add to {theta.sum():.6g}, more than 1")
    if not rho <= 1:
        raise ScenarioError(f"rho is {rho:g}; it must not exceed 1")
    used = theta > 0
    theta, have = np.append(theta[used], max(0.0, rest)), np.append(have[used], 1.0)
    if rho == -np.inf:
        return float(1.0 - have.min())
    if rho <= 0 and np.any(have == 0):
        return 1.0
    if rho == 0:
        return float(-np.expm1(theta @ np.log(have)))
    if rho > 0:
        return float(1.0 - (theta @ have**rho) ** (1.0 / rho))
    return float(-np.expm1(float(logsumexp(rho * np.log(have), b=theta)) / rho))


def elasticity(rho: float) -> float:
    """Elasticity of substitution of a CES technology.

    elasticity = 1 / (1 - ρ)

    Examples
    --------
    >>> elasticity(-4.0), elasticity(1.0), elasticity(float("-inf"))
    (0.2, inf, 0.0)
    """
    return float("inf") if rho == 1 else 1.0 / (1.0 - rho)


# --- weekly steps ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KindTable:
    """Input kinds of all customers under one reading of the links, K kinds over n nodes.

    ``share`` (K, n) within the kind; ``customer`` (K,); ``essential`` and ``important`` (K,) truth values; ``weight``
    (K,) of output that needs an ordinary kind, or cost share of an important one; ``cover`` (K,) weeks of stock.
    """

    customer: IntArray
    share: FloatArray
    essential: FloatArray
    important: FloatArray
    weight: FloatArray
    cover: FloatArray


def run_weeks(
    table: KindTable,
    psi: FloatArray,
    weeks: int,
    lag: int,
    rho: float,
    substitution: FloatArray | None = None,
) -> FloatArray:
    """Return output by week, of shape (weeks, n), baseline 1.

    q_k(t) = min(1, 1 - lost_k(t) + g_k(t)),  u_k = q_k + I_k(t-1),  I_k = min(cover_k, u_k - h)
    h_i(t) = max(0, min(1 - ψ_i(t), essential u, CES of important u, 1 - Σ_ordinary weight (1 - u)))

    Parameters
    ----------
    psi
        Shock per node, of shape (n,) from the first week on, or of shape (weeks, n).
    weeks, lag
        Horizon, and weeks from a supplier's output to the customer's use, at least 1.
    rho
        CES exponent of important inputs.
    substitution
        g of shape (weeks, K), input from outside the graph; by default none.

    Source
    ------
    Production mode of methodology 3.4.
    """
    n = psi.shape[-1]
    shock = np.broadcast_to(psi, (weeks, n))
    buys = (table.share > 0).astype(np.float64)
    stock = table.cover.copy()
    path = np.ones((weeks, n))
    for t in range(weeks):
        supplied = path[t - lag] if t >= lag else np.ones(n)
        shortfall = 1.0 - supplied
        # The largest shares of rival suppliers may add up to more than one: nobody loses more than its worst supplier.
        lost = np.minimum(table.share @ shortfall, (buys * shortfall).max(axis=1, initial=0.0))
        received = 1.0 - lost
        if substitution is not None:
            received = np.minimum(1.0, received + substitution[t])
        usable = received + stock
        output = np.maximum(
            0.0, np.minimum(1.0 - shock[t], _possible(table, np.minimum(1.0, usable), n, rho))
        )
        path[t] = output
        stock = np.minimum(table.cover, np.maximum(0.0, usable - output[table.customer]))
    return path


def ramp(largest: float, ramp_weeks: float, weeks: int) -> FloatArray:
    """Substitution by week, of shape (weeks,), that grows evenly from nothing.

    g(t) = min(G, G (t - 1) / ramp_weeks),  t = 1..weeks

    Examples
    --------
    >>> ramp(0.4, 4, 6).round(12).tolist()
    [0.0, 0.1, 0.2, 0.3, 0.4, 0.4]
    """
    if ramp_weeks <= 0:
        return np.full(weeks, largest)
    return np.asarray(largest * np.minimum(1.0, np.arange(weeks) / ramp_weeks), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class ChainPath:
    """What a customer with a stock goes through.

    Parameters
    ----------
    path
        Output by week, of shape (weeks,), baseline 1.
    mean_loss
        Mean loss over the weeks, a fraction.
    first_loss_week
        First week below full output, from 1; None if there is none.
    """

    path: FloatArray
    mean_loss: float
    first_loss_week: int | None


def inventory_chain(
    cut: float,
    cover_weeks: float,
    weeks: int,
    *,
    substitution_max: float = 0.0,
    ramp_weeks: float = 0.0,
) -> ChainPath:
    """One essential input from one supplier who falls by ``cut``: how long the stock helps.

    q(t) = min(1, 1 - cut + g(t)) from week 2,  u = q + I,  h = min(1, u),  I <- min(cover, u - h)
    without substitution: first loss in week floor(1 + cover/cut) + 1,
    mean loss max(0, cut (weeks - 1) - cover) / weeks

    Parameters
    ----------
    cut
        Fraction of the supplier's output lost from week 1 on.
    cover_weeks
        Stock at the start and its upper end, weeks of normal use.
    weeks
        Horizon.
    substitution_max, ramp_weeks
        Largest input from elsewhere, a fraction of normal use, and weeks until it is reached.

    Raises
    ------
    ScenarioError
        If the cut lies outside [0, 1], or a stock or substitution is negative.

    Source
    ------
    Weekly step of methodology 3.4, run by :func:`run_weeks`.

    Examples
    --------
    Two weeks of stock cover a half cut for four weeks, one week after it happened.

    >>> chain = inventory_chain(0.5, 2, 8)
    >>> chain.first_loss_week, chain.mean_loss
    (6, 0.1875)
    """
    if not 0 <= cut <= 1:
        raise ScenarioError(f"the cut is {cut:g}; it must lie in [0, 1]")
    if not (cover_weeks >= 0 and substitution_max >= 0):
        raise ScenarioError("cover and substitution must not be negative or missing")
    one = np.ones(1)
    table = KindTable(
        np.array([1], dtype=np.intp),
        np.array([[1.0, 0.0]]),
        one,
        np.zeros(1),
        one,
        np.array([float(cover_weeks)]),
    )
    growth = ramp(substitution_max, ramp_weeks, weeks)[:, None]
    path = run_weeks(table, np.array([cut, 0.0]), weeks, 1, -4.0, growth)[:, 1]
    short = np.flatnonzero(path < FULL)
    first = int(short[0]) + 1 if short.size else None
    return ChainPath(path, float(1.0 - path.mean()), first)


def _possible(table: KindTable, usable: FloatArray, n: int, rho: float) -> FloatArray:
    """Return the output that the inputs allow, of shape (n,)."""
    least = np.ones(n)
    np.minimum.at(least, table.customer, np.where(table.essential > 0, usable, 1.0))
    ordinary = np.where(
        (table.essential > 0) | (table.important > 0), 0.0, table.weight * (1.0 - usable)
    )
    lost = np.bincount(table.customer, ordinary, minlength=n)
    allowed = np.minimum(np.minimum(least, 1.0 - lost), _ces(table, usable, n, rho))
    return np.asarray(allowed, dtype=np.float64)


def _ces(table: KindTable, usable: FloatArray, n: int, rho: float) -> FloatArray:
    theta = np.where(table.important > 0, table.weight, 0.0)
    inside = np.bincount(table.customer, theta, minlength=n)
    rest = np.clip(1.0 - inside, 0.0, 1.0)
    floor = np.maximum(usable, 1e-12)
    if abs(rho) < 1e-9:
        log = np.bincount(table.customer, theta * np.log(floor), minlength=n)
        return np.asarray(np.exp(log), dtype=np.float64)
    total = np.bincount(table.customer, theta * floor**rho, minlength=n) + rest
    return np.asarray(np.minimum(1.0, total ** (1.0 / rho)), dtype=np.float64)
