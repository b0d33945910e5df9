"""Who needs what from whom, in the arrays that the weekly engine steps through.

Symbols
    n, q, m         nodes, inputs (one per customer and input kind), links
    ψ_i             fraction of node i's own output that is cut, in [0, 1]
    h_i(t)          output in week t relative to baseline; h = 1 up to week 0
    s_ijk           share of supplier j in customer i's input of kind k; Σ_j s_ijk = 1
    a_ik            share of input k in i's TOTAL cost
    q, u, I         received, usable and stored input, in weeks of normal use
    r_ic            share of i's revenue that customer c pays; the rest is final demand
    ρ               CES exponent, elasticity 1 / (1 - ρ)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from exposure.errors import ScenarioError
from exposure.scenarios.arrays import (
    SHARE_SLACK,
    Codes,
    Vector,
    check_nodes,
    check_unit,
    per_link,
    sum_by,
)
from exposure.scenarios.ces import DEFAULT_RHO

ORDINARY, IMPORTANT, ESSENTIAL = 0, 1, 2
CRITICALITY = {"ordinary": ORDINARY, "important": IMPORTANT, "essential": ESSENTIAL}


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
    cost = per_link(cost_share, m, "cost_share")
    critical = _codes(criticality, m)
    cover = per_link(cover_weeks, m, "cover_weeks")
    lag = per_link(lag_weeks, m, "lag_weeks").astype(np.int64)
    exponent = np.array(np.broadcast_to(np.asarray(rho, dtype=np.float64), (n,)))
    _check_links(n, sup, cus, cost, cover, lag, exponent)

    keys, inputs = np.unique(np.stack([cus, kin], axis=1), axis=0, return_inverse=True)
    inputs = inputs.reshape(-1).astype(np.int64)
    count = keys.shape[0]
    share_of_cost = sum_by(inputs, cost, count)
    grade = np.full(count, -1, dtype=np.int64)
    np.maximum.at(grade, inputs, critical)
    if np.any(critical != grade[inputs]):
        at = int(np.argmax(critical != grade[inputs]))
        raise ScenarioError(
            f"{_name(int(cus[at]), names)} has one input kind ({kin[at]}) with two criticalities"
        )
    total = sum_by(cus, cost, n)
    _check_sums(total, "the suppliers of {} take {:.6g} of its total cost, more than 1", names)

    share = _shares_in_kind(share_in_kind, cost, share_of_cost, inputs, count)
    shortest = np.full(count, np.iinfo(np.int64).max, dtype=np.int64)
    np.minimum.at(shortest, inputs, lag)

    seller, buyer = (
        np.atleast_1d(np.asarray(a, dtype=np.int64)) for a in (sale_seller, sale_customer)
    )
    sold = per_link(sale_share, seller.size, "sale_share")
    check_nodes(n, np.concatenate([seller, buyer]))
    if np.any(~((sold >= 0) & (sold <= 1))):
        raise ScenarioError("a sales share lies outside [0, 1]")
    revenue = sum_by(seller, sold, n)
    _check_sums(revenue, "the customers of {} pay {:.6g} of its revenue, more than 1", names)
    return WeeklyNetwork(
        n,
        keys[:, 0].copy(),
        keys[:, 1].copy(),
        grade,
        share_of_cost,
        sum_by(inputs, cover * share, count),
        shortest,
        inputs,
        sup,
        share,
        exponent,
        seller,
        buyer,
        sold,
    )


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
    share = per_link(given, inputs.size, "share_in_kind")
    total = sum_by(inputs, share, count)
    if np.any(~(share >= 0)) or np.any(np.abs(total - 1.0) > 1e-6):
        raise ScenarioError("the suppliers' shares of an input must be ≥ 0 and sum to 1")
    return share


def _check_links(
    n: int, sup: Codes, cus: Codes, cost: Vector, cover: Vector, lag: Codes, rho: Vector
) -> None:
    if sup.size != cus.size:
        raise ValueError(f"{sup.size} suppliers but {cus.size} customers")
    check_nodes(n, np.concatenate([sup, cus]))
    check_unit(cost, "a cost share")
    if np.any(~(cover >= 0)):
        raise ScenarioError("a cover is negative or missing")
    if np.any(lag < 1):
        raise ScenarioError("a lag must be at least one week")
    if np.any(~(rho <= 1)):
        raise ScenarioError("rho must be at most 1")


def _check_sums(total: Vector, message: str, names: Sequence[str] | None) -> None:
    if total.size and total.max() > 1 + SHARE_SLACK:
        node = int(total.argmax())
        raise ScenarioError(message.format(_name(node, names), total[node]))


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


def _name(node: int, names: Sequence[str] | None) -> str:
    return f"node {node}" if names is None else names[node]
