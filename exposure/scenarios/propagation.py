"""How a cut at one node becomes lost output elsewhere: a weekly engine, and the published static one.

Symbols
    n, q, m         nodes, inputs (one per customer and input kind), links
    ψ_i             fraction of node i's own output that is cut, in [0, 1]
    h_i(t)          output in week t relative to baseline; h = 1 up to week 0
    s_ijk           share of supplier j in customer i's input of kind k; Σ_j s_ijk = 1
    a_ik            share of input k in i's TOTAL cost
    q, u, I         received, usable and stored input, in weeks of normal use
    r_ic            share of i's revenue that customer c pays; the rest is final demand
    ρ               CES exponent, elasticity 1 / (1 - ρ)
    W[i,j], s_i     static mode: sales of i to j, and row sums of W
    l, σ            static mode: loss 1 - h, replaceability of a supplier
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from exposure.errors import ScenarioError

Vector: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.int64]
Csr: TypeAlias = Any  # scipy.sparse.csr_array of floats; arithmetic loses its type parameters

ORDINARY, IMPORTANT, ESSENTIAL = 0, 1, 2
CRITICALITY = {"ordinary": ORDINARY, "important": IMPORTANT, "essential": ESSENTIAL}
HORIZONS = (4, 13, 26, 52, 104)
DEFAULT_RHO = -4.0  # elasticity 0.2; the interval to show is [-9, 0]
CHANNELS = ("none", "direct", "demand", "essential", "important", "ordinary")
NONE, DIRECT, DEMAND = 0, 1, 2
SHARE_SLACK = 1e-9
ROUNDING = 1e-12


# --- closed forms --------------------------------------------------------------------------------


def ces_loss(shares: ArrayLike, availability: ArrayLike, rho: float = DEFAULT_RHO) -> float:
    """Output lost when inputs are short, for any ease of swapping one for another.

    loss = 1 - (Σ_k θ_k u_k^ρ)^(1/ρ)
    ρ = 1: 1 - Σ θ u;    ρ → 0: 1 - Π u^θ;    ρ → -∞: 1 - min u (over inputs with θ > 0)

    Parameters
    ----------
    shares
        Cost shares θ of shape (k,), Σ ≤ 1; cost that isn't listed is always available.
    availability
        u of shape (k,), in [0, 1].
    rho
        ρ ≤ 1; ``-inf`` for fixed proportions.

    Returns
    -------
    float
        Loss in [0, 1]; it never rises with ρ.

    Raises
    ------
    ScenarioError
        If ρ is above 1, shares are negative or sum to more than 1, or u lies outside [0, 1].

    Source
    ------
    Arrow, Chenery, Minhas, Solow (1961); power-mean inequality.

    Examples
    --------
    >>> [round(ces_loss([0.3, 0.1, 0.6], [0.5, 1, 1], r), 6) for r in (1, 0, -4, float("-inf"))]
    [0.15, 0.187748, 0.347006, 0.5]
    """
    theta, u = np.asarray(shares, dtype=np.float64), np.asarray(availability, dtype=np.float64)
    if theta.shape != u.shape:
        raise ValueError(f"shares {theta.shape} and availability {u.shape} must have one shape")
    if np.any(~(theta >= 0)) or theta.sum() > 1 + SHARE_SLACK:
        raise ScenarioError(f"cost shares must be ≥ 0 and sum to at most 1, got {theta.tolist()}")
    _check_unit(u, "an availability")
    if not rho <= 1:
        raise ScenarioError(f"rho must be at most 1, got {rho:g}")
    used = theta > 0
    if not used.any():
        return 0.0
    if np.isneginf(rho):
        return float(1.0 - u[used].min())
    weights = sparse.csr_array(theta[used][None, :])
    return float(1.0 - _power_mean(weights, u[used][:, None], np.array([rho]))[0, 0])


def elasticity(rho: float) -> float:
    """Elasticity of substitution that an exponent stands for.

    1 / (1 - ρ)

    Examples
    --------
    >>> elasticity(-4.0), elasticity(1.0), elasticity(float("-inf"))
    (0.2, inf, 0.0)
    """
    return float("inf") if rho == 1 else 1.0 / (1.0 - rho)


def chain_first_loss(cut: float, cover_weeks: float) -> int | None:
    """First week in which a customer with one essential input loses output, or None if never.

    ⌊1 + B/u⌋ + 1        (cut u from week 1, lag one week, cover B)

    Examples
    --------
    >>> chain_first_loss(0.5, 8), chain_first_loss(1.0, 8), chain_first_loss(0.0, 8)
    (18, 10, None)
    """
    _check_unit(np.array([cut]), "a cut")
    if cut == 0:
        return None
    return int(np.floor(1.0 + cover_weeks / cut + 1e-9)) + 1


def chain_mean_loss(cut: float, cover_weeks: float, weeks: int) -> float:
    """Mean loss over a horizon of a customer with one essential input.

    max(0, u (T - 1) - B) / T

    Parameters
    ----------
    cut
        u in [0, 1], from week 1.
    cover_weeks
        B ≥ 0, stock in weeks of normal use.
    weeks
        T, at least 1.

    Examples
    --------
    Eight weeks of chips turn a 50% foundry cut into 34% over the year.

    >>> round(chain_mean_loss(0.5, 8, 52), 6)
    0.336538
    """
    _check_unit(np.array([cut]), "a cut")
    return max(0.0, cut * (weeks - 1) - cover_weeks) / weeks


def chain_loss_interval(
    cut: tuple[float, float], cover_weeks: tuple[float, float], weeks: int
) -> tuple[float, float]:
    """Mean loss of the chain over an interval of cut and cover: (least, largest).

    Examples
    --------
    >>> lo, hi = chain_loss_interval((0.4, 0.6), (4, 12), 52)
    >>> round(lo, 4), round(hi, 4)
    (0.1615, 0.5115)
    """
    return (
        chain_mean_loss(cut[0], cover_weeks[1], weeks),
        chain_mean_loss(cut[1], cover_weeks[0], weeks),
    )


# --- the weekly engine ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WeeklyNetwork:
    """Who needs what from whom, in the arrays that the weekly engine steps through.

    Build it with :func:`weekly_network`; inputs are sorted by customer.

    Parameters
    ----------
    n
        Number of nodes.
    input_customer, input_kind
        Customer node and kind number of each input, of shape (q,).
    criticality
        0 ordinary, 1 important, 2 essential, of shape (q,).
    cost_share
        a_ik, fraction of the customer's total cost, of shape (q,).
    cover_weeks
        Stock of the input at the start and its most, weeks of normal use, of shape (q,).
    lag_weeks
        Weeks from a supplier's output to the customer's use, ≥ 1, of shape (q,).
    link_input, link_supplier, link_share
        Input number, supplier node and s_ijk of each link, of shape (m,).
    rho
        CES exponent of each node, of shape (n,).
    sale_seller, sale_customer, sale_share
        r_ic of each sale, of shape (m_sales,).
    """

    n: int
    input_customer: Codes
    input_kind: Codes
    criticality: Codes
    cost_share: Vector
    cover_weeks: Vector
    lag_weeks: Codes
    link_input: Codes
    link_supplier: Codes
    link_share: Vector
    rho: Vector
    sale_seller: Codes
    sale_customer: Codes
    sale_share: Vector

    @property
    def n_inputs(self) -> int:
        """Number of inputs (customer and kind)."""
        return self.input_customer.size

    def input_of(self, customer: int, kind: int) -> int | None:
        """Return the number of an input, or None if the customer doesn't buy that kind.

        Examples
        --------
        >>> net = weekly_network(2, [0], [1], [7], [0.6], ["essential"])
        >>> net.input_of(1, 7), net.input_of(0, 7)
        (0, None)
        """
        found = np.flatnonzero((self.input_customer == customer) & (self.input_kind == kind))
        return int(found[0]) if found.size else None


@dataclass(frozen=True, slots=True)
class WeeklyResult:
    """Output by week and what held it down.

    Parameters
    ----------
    output
        h of shape (T, n); row 0 is week 1.
    channel
        Number in ``CHANNELS`` of what bound each node in each week, of shape (T, n).
    bottleneck
        Number of the input that bound (channels essential, important, ordinary), else -1, (T, n).
    horizons
        Weeks, of shape (H,).
    loss
        1 - mean h up to each horizon, of shape (H, n).
    first_loss_week
        First week with h < 1, 0 where there is none, of shape (n,).
    """

    output: Vector
    channel: Codes
    bottleneck: Codes
    horizons: tuple[int, ...]
    loss: Vector
    first_loss_week: Codes

    def loss_at(self, horizon: int) -> Vector:
        """Return the mean loss up to one of the horizons, of shape (n,)."""
        at = self.horizons.index(horizon)
        return np.asarray(self.loss[at], dtype=np.float64)

    def main_channel(self, horizon: int) -> tuple[Codes, Codes]:
        """Return, per node, the channel and input that cost it most output up to a horizon.

        Examples
        --------
        >>> net = weekly_network(2, [0], [1], [7], [0.6], ["essential"])
        >>> result = propagate(net, [0.5, 0], horizons=[4])
        >>> channel, bottleneck = result.main_channel(4)
        >>> [CHANNELS[c] for c in channel], bottleneck.tolist()
        (['direct', 'essential'], [-1, 0])
        """
        channel, bottleneck = self.channel[:horizon], self.bottleneck[:horizon]
        lost = 1.0 - self.output[:horizon]
        n = lost.shape[1]
        by_channel = np.stack(
            [np.where(channel == code, lost, 0.0).sum(axis=0) for code in range(len(CHANNELS))]
        )
        by_channel[NONE] = 0.0
        worst = np.where(by_channel.max(axis=0) > 0, by_channel.argmax(axis=0), NONE)
        inputs = np.full(n, -1, dtype=np.int64)
        for node in np.flatnonzero(worst > DEMAND):
            inside = channel[:, node] == worst[node]
            found, at = np.unique(bottleneck[inside, node], return_inverse=True)
            inputs[node] = found[np.argmax(_sum_by(at, lost[inside, node], found.size))]
        return worst.astype(np.int64), inputs


def weekly_network(
    n: int,
    supplier: ArrayLike,
    customer: ArrayLike,
    kind: ArrayLike,
    cost_share: ArrayLike,
    criticality: Sequence[str] | ArrayLike,
    *,
    cover_weeks: ArrayLike = 0.0,
    lag_weeks: ArrayLike = 1,
    share_in_kind: ArrayLike | None = None,
    rho: ArrayLike = DEFAULT_RHO,
    sale_seller: ArrayLike = (),
    sale_customer: ArrayLike = (),
    sale_share: ArrayLike = (),
    names: Sequence[str] | None = None,
) -> WeeklyNetwork:
    """Group links into inputs: one per customer and kind.

    Parameters
    ----------
    n
        Number of nodes.
    supplier, customer, kind
        Node numbers and kind number of each link, of shape (m,).
    cost_share
        a_ijk, share of the customer's total cost, of shape (m,).
    criticality
        "essential", "important" or "ordinary" (or its code) of each link; one input has one.
    cover_weeks
        Stock of what this link delivers, weeks of normal use of that part. An input's cover is
        the share-weighted mean, since the stocks serve their own part of the need.
    lag_weeks
        Weeks ≥ 1; an input has the shortest of its links' lags.
    share_in_kind
        s_ijk of shape (m,); by default a_ijk over the customer's sum for the kind.
    rho
        One number or one per node, ρ ≤ 1.
    sale_seller, sale_customer, sale_share
        r_ic: who sells to whom, as a share of the seller's revenue.
    names
        Names of the nodes, for messages.

    Raises
    ------
    ScenarioError
        If a node number doesn't exist, shares are outside [0, 1] or sum to more than 1 (named),
        one input carries two criticalities, a lag is below 1, or ρ above 1.

    Examples
    --------
    >>> net = weekly_network(3, [0, 1], [2, 2], [0, 0], [0.3, 0.1], ["essential", "essential"])
    >>> net.link_share.round(12).tolist(), net.cost_share.round(12).tolist()
    ([0.75, 0.25], [0.4])
    """
    sup, cus, kin = (
        np.atleast_1d(np.asarray(a, dtype=np.int64)) for a in (supplier, customer, kind)
    )
    m = sup.size
    cost = _per_link(cost_share, m, "cost_share")
    critical = _codes(criticality, m)
    cover = _per_link(cover_weeks, m, "cover_weeks")
    lag = _per_link(lag_weeks, m, "lag_weeks").astype(np.int64)
    exponent = np.array(np.broadcast_to(np.asarray(rho, dtype=np.float64), (n,)))
    _check_links(n, sup, cus, cost, cover, lag, exponent)

    keys, inputs = np.unique(np.stack([cus, kin], axis=1), axis=0, return_inverse=True)
    inputs = inputs.reshape(-1).astype(np.int64)
    count = keys.shape[0]
    share_of_cost = _sum_by(inputs, cost, count)
    grade = np.full(count, -1, dtype=np.int64)
    np.maximum.at(grade, inputs, critical)
    if np.any(critical != grade[inputs]):
        at = int(np.argmax(critical != grade[inputs]))
        raise ScenarioError(
            f"{_name(int(cus[at]), names)} has one input kind ({kin[at]}) with two criticalities"
        )
    total = _sum_by(cus, cost, n)
    _check_sums(total, "the suppliers of {} take {:.6g} of its total cost, more than 1", names)

    share = _shares_in_kind(share_in_kind, cost, share_of_cost, inputs, count)
    shortest = np.full(count, np.iinfo(np.int64).max, dtype=np.int64)
    np.minimum.at(shortest, inputs, lag)

    seller, buyer = (
        np.atleast_1d(np.asarray(a, dtype=np.int64)) for a in (sale_seller, sale_customer)
    )
    sold = _per_link(sale_share, seller.size, "sale_share")
    _check_nodes(n, np.concatenate([seller, buyer]))
    if np.any(~((sold >= 0) & (sold <= 1))):
        raise ScenarioError("a sales share lies outside [0, 1]")
    revenue = _sum_by(seller, sold, n)
    _check_sums(revenue, "the customers of {} pay {:.6g} of its revenue, more than 1", names)
    return WeeklyNetwork(
        n,
        keys[:, 0].copy(),
        keys[:, 1].copy(),
        grade,
        share_of_cost,
        _sum_by(inputs, cover * share, count),
        shortest,
        inputs,
        sup,
        share,
        exponent,
        seller,
        buyer,
        sold,
    )


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


def propagate(
    network: WeeklyNetwork,
    psi: ArrayLike,
    *,
    horizons: Sequence[int] = HORIZONS,
    substitution: ArrayLike = 0.0,
    ramp_weeks: ArrayLike = 0.0,
) -> WeeklyResult:
    """Step a cut through the network week by week.

    q_ik(t) = min(1, Σ_j s_ijk h_j(t - lag_k) + g_ik(t)),   g(t) = min(G, G (t - 1) / weeks)
    u_ik(t) = q_ik(t) + I_ik(t-1)
    e_i = min over essential k of u_ik
    c_i = CES_ρ over important k of min(1, u_ik), cost outside them always available
    o_i = 1 - Σ over ordinary k of a_ik (1 - min(1, u_ik))
    d_i(t) = Σ_c r_ic h_c(t-1) + final-demand share
    h_i(t) = max(0, min(1 - ψ_i(t), d_i, e_i, c_i, o_i))
    I_ik(t) = min(cover_ik, max(0, u_ik(t) - h_i(t)))
    loss_i(H) = 1 - (1/H) Σ_{t ≤ H} h_i(t)

    Parameters
    ----------
    network
        See :func:`weekly_network`.
    psi
        Cut of each node: of shape (n,), lasting the whole time, or (T, n) by week (see
        :func:`shock_path`); T at least the longest horizon.
    horizons
        Weeks H, ascending; the longest sets T.
    substitution
        G, part of an input that can be had elsewhere once the ramp is over, one number or one per
        input, in [0, 1].
    ramp_weeks
        Weeks of the ramp, one number or one per input; 0: at once.

    Returns
    -------
    WeeklyResult

    Raises
    ------
    ScenarioError
        If a cut or G lies outside [0, 1] or is missing, or the path is shorter than the horizon.

    Notes
    -----
    Lags of at least one week leave nothing to solve inside a week, so circles are harmless and the
    cost is T times the number of links. Where several channels bind alike, the first of direct,
    essential, important, ordinary, demand is named.

    Source
    ------
    Own; in the family of Inoue & Todo (2019) and Henriet, Hallegatte, Tabourier (2012).

    Examples
    --------
    Eight weeks of chips turn a 50% foundry cut into no loss for 17 weeks and 34% over the year.

    >>> net = weekly_network(2, [0], [1], [0], [0.6], ["essential"], cover_weeks=8)
    >>> result = propagate(net, [0.5, 0.0], horizons=[52])
    >>> result.first_loss_week.tolist(), result.loss_at(52).round(6).tolist()
    ([1, 18], [0.5, 0.336538])
    """
    ordered = tuple(int(h) for h in horizons)
    if not ordered or ordered[0] < 1 or list(ordered) != sorted(set(ordered)):
        raise ScenarioError(f"horizons must be ascending weeks from 1, got {ordered}")
    path = _paths(psi, network.n, ordered[-1])
    stepper = _Stepper.of(network, substitution, ramp_weeks)
    weeks = ordered[-1]
    output = np.empty((weeks, network.n))
    channel = np.zeros((weeks, network.n), dtype=np.int64)
    bottleneck = np.full((weeks, network.n), -1, dtype=np.int64)
    history = _History(stepper.longest_lag, network.n, 1)
    stock = network.cover_weeks[:, None].copy()
    for t in range(1, weeks + 1):
        h, stock, parts = stepper.step(t, path[t - 1][:, None], history, stock)
        channel[t - 1], bottleneck[t - 1] = stepper.name_bottleneck(h, parts)
        output[t - 1] = h[:, 0]
        history.push(h)
    mean = np.cumsum(output, axis=0)[np.array(ordered) - 1] / np.array(ordered)[:, None]
    short = output < 1.0
    first = np.where(short.any(axis=0), short.argmax(axis=0) + 1, 0)
    return WeeklyResult(
        output, channel, bottleneck, ordered, np.maximum(0.0, 1.0 - mean), first.astype(np.int64)
    )


def propagate_many(
    network: WeeklyNetwork,
    psi: ArrayLike,
    *,
    horizons: Sequence[int] = (52,),
    duration_weeks: ArrayLike | None = None,
    substitution: ArrayLike = 0.0,
    ramp_weeks: ArrayLike = 0.0,
    batch: int = 256,
) -> Vector:
    """Mean losses of many shocks, stepped side by side.

    Parameters
    ----------
    network, horizons, substitution, ramp_weeks
        As in :func:`propagate`.
    psi
        One cut per row, of shape (D, n).
    duration_weeks
        Weeks that each cut lasts, of shape (D,); None for the whole horizon.
    batch
        Shocks stepped at once; it bounds memory.

    Returns
    -------
    numpy.ndarray
        Of shape (D, H, n).

    Examples
    --------
    >>> net = weekly_network(2, [0], [1], [0], [0.6], ["essential"], cover_weeks=8)
    >>> propagate_many(net, [[0.5, 0], [1, 0]], horizons=[52])[:, 0, 1].round(6).tolist()
    [0.336538, 0.826923]
    """
    cuts = np.asarray(psi, dtype=np.float64)
    if cuts.ndim != 2 or cuts.shape[1] != network.n:
        raise ValueError(f"psi must have shape (draws, {network.n}), got {cuts.shape}")
    _check_unit(cuts, "a cut")
    ordered = [int(h) for h in horizons]
    draws, weeks = cuts.shape[0], max(ordered)
    lasting = np.broadcast_to(
        np.asarray(np.inf if duration_weeks is None else duration_weeks, dtype=np.float64), (draws,)
    )
    stepper = _Stepper.of(network, substitution, ramp_weeks)
    losses = np.empty((draws, len(ordered), network.n))
    for start in range(0, draws, batch):
        part = slice(start, min(draws, start + batch))
        width = part.stop - part.start
        history = _History(stepper.longest_lag, network.n, width)
        stock = np.repeat(network.cover_weeks[:, None], width, axis=1)
        produced = np.zeros((network.n, width))
        for t in range(1, weeks + 1):
            active = cuts[part].T * (t <= lasting[part])[None, :]
            h, stock, _ = stepper.step(t, active, history, stock)
            history.push(h)
            produced += h
            for at, horizon in enumerate(ordered):
                if horizon == t:
                    losses[part, at] = np.maximum(0.0, 1.0 - produced.T / t)
    return losses


class _History:
    """Outputs of the last weeks, newest first; before week 1 everything ran normally."""

    def __init__(self, weeks: int, n: int, width: int) -> None:
        self._past = [np.ones((n, width)) for _ in range(max(1, weeks))]

    def lagged(self, lag: int) -> Vector:
        """Return h(t - lag), lag ≥ 1."""
        return self._past[lag - 1]

    def push(self, h: Vector) -> None:
        """Add the newest week."""
        self._past = [h, *self._past[:-1]]


@dataclass(frozen=True, slots=True)
class _Parts:
    direct: Vector
    demand: Vector
    essential: Vector
    important: Vector
    ordinary: Vector
    usable: Vector


@dataclass(frozen=True, slots=True)
class _Stepper:
    """The network prepared for stepping: one matrix per lag, rows grouped by criticality."""

    network: WeeklyNetwork
    supply: tuple[tuple[int, Csr], ...]
    essential: tuple[Codes, Codes, Codes]  # inputs, run starts, customers of the runs
    important: Csr
    important_inputs: Codes
    ordinary: Csr
    sales: Csr
    final_demand: Vector
    ceiling: Vector
    ramp: Vector
    longest_lag: int

    @classmethod
    def of(cls, net: WeeklyNetwork, substitution: ArrayLike, ramp_weeks: ArrayLike) -> _Stepper:
        q, n = net.n_inputs, net.n
        ceiling = np.array(np.broadcast_to(np.asarray(substitution, dtype=np.float64), (q,)))
        _check_unit(ceiling, "a substitution")
        ramp = np.array(np.broadcast_to(np.asarray(ramp_weeks, dtype=np.float64), (q,)))
        supply = tuple(
            (int(lag), _matrix(net.link_share, net.link_input, net.link_supplier, (q, n), keep))
            for lag in np.unique(net.lag_weeks)
            for keep in [net.lag_weeks[net.link_input] == lag]
        )
        needed = np.flatnonzero(net.criticality == ESSENTIAL)  # sorted by customer, like all inputs
        owners = net.input_customer[needed]
        starts = np.flatnonzero(np.r_[True, owners[1:] != owners[:-1]]) if needed.size else needed
        important = net.criticality == IMPORTANT
        numbers = np.arange(q)
        sales = sparse.csr_array(
            (net.sale_share, (net.sale_seller, net.sale_customer)), shape=(n, n)
        )
        sold = _sum_by(net.sale_seller, net.sale_share, n)
        return cls(
            net,
            supply,
            (needed, starts, owners[starts]),
            _matrix(net.cost_share, net.input_customer, numbers, (n, q), important),
            np.flatnonzero(important),
            _matrix(
                net.cost_share, net.input_customer, numbers, (n, q), net.criticality == ORDINARY
            ),
            sales,
            np.maximum(0.0, 1.0 - sold),
            ceiling,
            ramp,
            int(net.lag_weeks.max(initial=1)),
        )

    def step(
        self, t: int, psi: Vector, history: _History, stock: Vector
    ) -> tuple[Vector, Vector, _Parts]:
        """Advance one week: psi of shape (n, width), stock (q, width)."""
        net = self.network
        received = np.zeros_like(stock)
        for lag, matrix in self.supply:
            received += matrix @ history.lagged(lag)
        done = np.where(self.ramp > 0, (t - 1) / np.where(self.ramp > 0, self.ramp, 1.0), 1.0)
        received += (self.ceiling * np.minimum(1.0, done))[:, None]
        usable = np.minimum(1.0, received) + stock
        capped = np.minimum(1.0, usable)

        essential = np.ones_like(psi)
        inputs, starts, customers = self.essential
        if inputs.size:
            essential[customers] = np.minimum.reduceat(usable[inputs], starts, axis=0)
        important = np.ones_like(psi)
        if self.important_inputs.size:
            important = _power_mean(self.important, capped, net.rho)
        ordinary = 1.0 - self.ordinary @ (1.0 - capped)
        demand = self.sales @ history.lagged(1) + self.final_demand[:, None]
        parts = _Parts(1.0 - psi, demand, essential, important, ordinary, capped)
        h = np.minimum.reduce([parts.direct, demand, essential, important, ordinary])
        h = np.clip(h, 0.0, 1.0)
        h = np.where(h > 1.0 - ROUNDING, 1.0, h)  # shares of .1 + .2 + .7 are one
        left = np.clip(usable - h[net.input_customer], 0.0, net.cover_weeks[:, None])
        return h, left, parts

    def name_bottleneck(self, h: Vector, parts: _Parts) -> tuple[Codes, Codes]:
        """Say which channel and input held each node down (one shock)."""
        net = self.network
        level = h[:, 0]
        order = ("direct", "essential", "important", "ordinary", "demand")
        reached = np.stack([getattr(parts, name)[:, 0] for name in order])
        which = np.argmax(reached <= level[None, :] + 1e-12, axis=0)
        codes = np.array([CHANNELS.index(name) for name in order])
        channel = np.where(level < 1.0, codes[which], NONE)
        bottleneck = np.full(net.n, -1, dtype=np.int64)
        shortage = 1.0 - parts.usable[:, 0]
        weight = np.where(net.criticality == ESSENTIAL, 1.0, net.cost_share)
        codes_of_inputs = np.array([CHANNELS.index(name) for name in CRITICALITY])[net.criticality]
        short = np.where(channel[net.input_customer] == codes_of_inputs, shortage * weight, 0.0)
        for number in np.flatnonzero(short > 0):
            node = net.input_customer[number]
            if bottleneck[node] < 0 or short[number] > short[bottleneck[node]]:
                bottleneck[node] = number
        return channel.astype(np.int64), bottleneck


def _power_mean(weights: Csr, u: Vector, rho: Vector) -> Vector:
    """CES of each row's inputs, cost outside them at 1: exp(log1p(Σ θ (u^ρ - 1)) / ρ).

    ``weights`` (n, q) holds θ > 0 only, ``u`` is (q, width), ``rho`` (n,) finite or -inf.
    """
    n, width = weights.shape[0], u.shape[1]
    rows = np.repeat(np.arange(n), np.diff(weights.indptr))
    theta = weights.data[:, None]
    level = u[weights.indices]
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        log_u = np.log(level)
        exponent = rho[rows][:, None]
        smooth = np.isfinite(exponent) & (np.abs(exponent) > 1e-12)
        scaled = np.where(smooth, exponent, 0.0) * log_u
        term = np.where(smooth, theta * np.expm1(scaled), theta * log_u)
        total = np.zeros((n, width))
        np.add.at(total, rows, term)
        power = np.exp(np.log1p(np.maximum(total, -1.0)) / rho[:, None])
        mean = np.where(np.abs(rho[:, None]) > 1e-12, power, np.exp(total))
    if np.isneginf(rho).any():
        least = np.ones((n, width))
        np.minimum.at(least, rows, level)
        mean = np.where(np.isneginf(rho)[:, None], least, mean)
    return np.clip(mean, 0.0, 1.0)


def _matrix(
    data: Vector, rows: Codes, columns: Codes, shape: tuple[int, int], keep: NDArray[np.bool_]
) -> Csr:
    used = keep & (data > 0)
    return sparse.csr_array((data[used], (rows[used], columns[used])), shape=shape)


# --- the published static engine -----------------------------------------------------------------


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
    _check_unit(shock, "a shock")
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
        bought = _sum_by(j, value, n)
        scale = np.ones(n)
        if costs is not None:
            cost = np.asarray(costs, dtype=np.float64)
            if np.any(~(cost > 0)):
                raise ScenarioError("a total cost isn't positive")
            scale = bought / cost
        kind = needs[codes[i], codes[j]]
        key = j * (int(codes.max()) + 1) + codes[i]
        pairs, pair = np.unique(key, return_inverse=True)
        by_sector = _sum_by(pair, value, pairs.size)

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
    left = _sum_by(codes, sold * (1.0 - loss), int(codes.max()) + 1)
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


# --- checks --------------------------------------------------------------------------------------


def _paths(psi: ArrayLike, n: int, weeks: int) -> Vector:
    cut = np.asarray(psi, dtype=np.float64)
    _check_unit(cut, "a cut")
    if cut.shape == (n,):
        return np.broadcast_to(cut, (weeks, n))
    if cut.ndim != 2 or cut.shape[1] != n:
        raise ValueError(f"psi must have shape ({n},) or (weeks, {n}), got {cut.shape}")
    if cut.shape[0] < weeks:
        raise ScenarioError(f"the shock covers {cut.shape[0]} weeks but the horizon is {weeks}")
    return cut


def _shares_in_kind(
    given: ArrayLike | None, cost: Vector, share_of_cost: Vector, inputs: Codes, count: int
) -> Vector:
    if given is None:
        empty = share_of_cost[inputs] <= 0
        if empty.any():
            raise ScenarioError(
                "an input has no cost share, so its suppliers' shares are unknown",
                cure="give share_in_kind",
            )
        return cost / share_of_cost[inputs]
    share = _per_link(given, inputs.size, "share_in_kind")
    total = _sum_by(inputs, share, count)
    if np.any(~(share >= 0)) or np.any(np.abs(total - 1.0) > 1e-6):
        raise ScenarioError("the suppliers' shares of an input must be ≥ 0 and sum to 1")
    return share


def _check_links(
    n: int, sup: Codes, cus: Codes, cost: Vector, cover: Vector, lag: Codes, rho: Vector
) -> None:
    if sup.size != cus.size:
        raise ValueError(f"{sup.size} suppliers but {cus.size} customers")
    _check_nodes(n, np.concatenate([sup, cus]))
    _check_unit(cost, "a cost share")
    if np.any(~(cover >= 0)):
        raise ScenarioError("a cover is negative or missing")
    if np.any(lag < 1):
        raise ScenarioError("a lag must be at least one week")
    if np.any(~(rho <= 1)):
        raise ScenarioError("rho must be at most 1")


def _check_nodes(n: int, nodes: Codes) -> None:
    if nodes.size and (nodes.min() < 0 or nodes.max() >= n):
        raise ScenarioError(f"a link names a node outside 0..{n - 1}")


def _check_sums(total: Vector, message: str, names: Sequence[str] | None) -> None:
    if total.size and total.max() > 1 + SHARE_SLACK:
        node = int(total.argmax())
        raise ScenarioError(message.format(_name(node, names), total[node]))


def _check_unit(values: Vector, what: str) -> None:
    bad = ~((values >= 0) & (values <= 1))
    if bad.any():
        raise ScenarioError(f"{what} is {values[bad].flat[0]:g}; it must lie in [0, 1]")


def _per_link(values: ArrayLike, m: int, what: str) -> Vector:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim > 1 or (array.ndim == 1 and array.size != m):
        raise ValueError(f"{what} must be one number or {m} of them, got shape {array.shape}")
    return np.array(np.broadcast_to(array, (m,)))


def _codes(criticality: Sequence[str] | ArrayLike, m: int) -> Codes:
    given = np.asarray(criticality)
    if given.size and given.dtype.kind in "UO":
        unknown = sorted({str(word) for word in given.ravel()} - set(CRITICALITY))
        if unknown:
            raise ScenarioError(
                f"criticality {unknown[0]!r} isn't essential, important or ordinary"
            )
        given = np.array([CRITICALITY[str(word)] for word in given.ravel()])
    codes = np.array(np.broadcast_to(given.astype(np.int64), (m,)))
    if codes.size and (codes.min() < ORDINARY or codes.max() > ESSENTIAL):
        raise ScenarioError("a criticality code must be 0, 1 or 2")
    return codes


def _sum_by(index: Codes, values: Vector, count: int) -> Vector:
    return np.bincount(index, values, minlength=count).astype(np.float64)


def _name(node: int, names: Sequence[str] | None) -> str:
    return f"node {node}" if names is None else names[node]
