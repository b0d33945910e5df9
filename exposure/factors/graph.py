"""The supply network of a day as matrices, ready to be walked up by cost or down by sales.

Symbols: A[i, j] share of node i's total cost bought from j; R[i, j] share of node i's revenue that comes from j.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from exposure.errors import ContentError, Place
from exposure.factors.absorption import ROW_SUM_SLACK
from exposure.factors.evidence import DAYS_PER_YEAR
from exposure.factors.matrices import Csr, Vector

Side = Literal["cost", "sales"]
NO_DRIFT: Mapping[str, float] = {}


@dataclass(frozen=True, slots=True)
class SupplyGraph:
    """Nodes and links of one day.

    Attributes
    ----------
    a_lo, a_mid, a_hi
        A at the ends and points of the intervals, sparse of shape (n, n), fractions of total cost. A share without a
        point counts as 0 in ``a_mid``: read it with what is traced.
    r_lo, r_mid, r_hi
        R, fractions of revenue; only links that state a share of sales take part.
    terminal, sales_terminal
        1 where a walk ends because the node is no company (a capability, a demand pool, cost outside the graph), up the
        suppliers or down the customers.
    links
        :class:`~exposure.schemas.Links` of the day, intervals widened for their age.
    ends
        All nodes that are no company.
    """

    node_ids: tuple[str, ...]
    position: Mapping[str, int]
    a_lo: Csr
    a_mid: Csr
    a_hi: Csr
    r_lo: Csr
    r_mid: Csr
    r_hi: Csr
    terminal: Vector
    sales_terminal: Vector
    links: pl.DataFrame
    ends: tuple[str, ...] = ()
    rows: tuple[dict[str, Any], ...] = ()
    steps: Mapping[Side, Mapping[int, tuple[int, ...]]] = field(default_factory=dict[Side, Any])
    _reach: dict[tuple[Side, int], tuple[int, ...]] = field(
        default_factory=dict[tuple[Side, int], tuple[int, ...]]
    )

    def index(self, node_id: str) -> int | None:
        """Return the position of a node, or None if no link names it."""
        return self.position.get(node_id)

    def shares(self, side: Side) -> tuple[Csr, Csr, Csr]:
        """Return the lower, middle and upper matrix of a side."""
        if side == "cost":
            return self.a_lo, self.a_mid, self.a_hi
        return self.r_lo, self.r_mid, self.r_hi

    def ending(self, side: Side) -> Vector:
        """Return 1 where a walk of this side ends at a node that is no company."""
        return self.terminal if side == "cost" else self.sales_terminal

    def starts(self, side: Side) -> Mapping[int, tuple[int, ...]]:
        """Return node → numbers of the links that leave it on a walk: purchases by cost, customers by sales."""
        return self.steps.get(side, {})

    def reach(self, side: Side, start: int) -> tuple[int, ...]:
        """Return the nodes that a walk from ``start`` can come to, itself included, sorted; remembered."""
        found = self._reach.get((side, start))
        if found is None:
            found = tuple(sorted(_closure([start], lambda node: _next(self, node, side))))
            self._reach[(side, start)] = found
        return found

    def target(self, side: Side, row: int) -> int:
        """Return the node that link number ``row`` leads to on a walk."""
        return self.position[self.rows[row]["supplier" if side == "cost" else "customer"]]


def build_graph(
    links: pl.DataFrame,
    nodes: pl.DataFrame,
    *,
    as_of: date | None = None,
    drift: Mapping[str, float] = NO_DRIFT,
) -> SupplyGraph:
    """Return the matrices of the given links (already filtered to a day).

    Parameters
    ----------
    links
        :class:`~exposure.schemas.Links`.
    nodes
        :class:`~exposure.schemas.Nodes`: they end a walk.
    as_of
        The day to which intervals are widened; None leaves them as printed.
    drift
        Input kind → σ_a [share of cost a year] by which an old figure may have moved; ``default`` for the rest.
    """
    links = links.sort("link_id") if as_of is None else aged(links.sort("link_id"), as_of, drift)
    rows = tuple(links.to_dicts())
    ends = sorted(nodes["node_id"])
    names = sorted({*(row["supplier"] for row in rows), *(row["customer"] for row in rows), *ends})
    position = {name: i for i, name in enumerate(names)}
    supplier = np.array([position[row["supplier"]] for row in rows], dtype=np.int64)
    customer = np.array([position[row["customer"]] for row in rows], dtype=np.int64)
    n = len(names)

    def matrix(column: str, unknown: float, side: Side, used: NDArray[np.int64]) -> Csr:
        values = np.array(
            [unknown if row[column] is None else row[column] for row in rows], dtype=np.float64
        )
        at, to = (customer, supplier) if side == "cost" else (supplier, customer)
        entries = (values[used], (at[used], to[used]))
        found = sparse.csr_array(sparse.coo_array(entries, shape=(n, n)))
        found.data = np.minimum(found.data, 1.0) if column.endswith("hi") else found.data
        found.eliminate_zeros()
        return found

    _refuse_overfull(rows)
    bought = np.array([i for i, row in enumerate(rows) if states_cost(row)], dtype=np.int64)
    sold = np.array([i for i, row in enumerate(rows) if _states_sales(row)], dtype=np.int64)
    inside = {position[name] for name in ends}

    def terminal(starts: NDArray[np.int64]) -> Vector:
        ends_here = inside - set(starts.tolist())
        return np.array([1.0 if at in ends_here else 0.0 for at in range(n)])

    return SupplyGraph(
        tuple(names),
        position,
        matrix("lo", 0.0, "cost", bought),
        matrix("mid", 0.0, "cost", bought),
        matrix("hi", 1.0, "cost", bought),
        matrix("sales_lo", 0.0, "sales", sold),
        matrix("sales_mid", 0.0, "sales", sold),
        matrix("sales_hi", 1.0, "sales", sold),
        terminal(customer[bought]),
        terminal(supplier[sold]),
        links,
        tuple(ends),
        rows,
        {"cost": _steps(customer, bought), "sales": _steps(supplier, sold)},
    )


def _refuse_overfull(rows: Iterable[Mapping[str, Any]]) -> None:
    """Refuse a node whose shares surely exceed the whole, with every link that takes part; nothing is clipped."""
    for side, node, base, whole in (
        ("suppliers", "customer", "", "total cost"),
        ("customers", "supplier", "sales_", "revenue"),
    ):
        taken: dict[str, list[Mapping[str, Any]]] = {}
        for row in rows:
            taken.setdefault(row[node], []).append(row)
        for name, found in sorted(taken.items()):
            for end, what in (("lo", "surely"), ("mid", "at their points")):
                total = sum(row[f"{base}{end}"] or 0.0 for row in found)
                if total > 1.0 + ROW_SUM_SLACK:
                    raise ContentError(
                        f"the {side} of {name} take {total:.6g} of its {whole}, more than 1",
                        places=[
                            Place(
                                "factors/links",
                                f"takes {row[f'{base}{end}']:.6g} {what}",
                                column=f"{base}{end}",
                                value=row["link_id"],
                            )
                            for row in found
                            if row[f"{base}{end}"]
                        ],
                        cure=f"state shares of the whole {whole}, and enter a flow once: the same flow from two sources"
                        " has the same supplier, customer and input_kind",
                    )


def aged(links: pl.DataFrame, as_of: date, drift: Mapping[str, float]) -> pl.DataFrame:
    """Return the links with their cost and sales shares widened for age; points and open ends stay.

    half(t)² = half₀² + (σ_a · years)², each side by its own half, inside [0, 1]
    """
    if not drift:
        return links
    sd = pl.col("input_kind").replace_strict(
        dict(drift), default=drift.get("default", 0.0), return_dtype=pl.Float64
    )
    years = (pl.lit(as_of) - pl.col("valid_from")).dt.total_days() / DAYS_PER_YEAR
    moved = sd * years.clip(lower_bound=0.0)
    changes: list[pl.Expr] = []
    for base in ("", "sales_"):
        lo, mid, hi = pl.col(f"{base}lo"), pl.col(f"{base}mid"), pl.col(f"{base}hi")
        centre = pl.coalesce(mid, (lo + hi) / 2)
        # A lower end of 0 or an upper end of 1 is no figure but the end of the unit: it has nowhere to go.
        down = (centre - ((centre - lo) ** 2 + moved**2).sqrt()).clip(lower_bound=0.0)
        up = (centre + ((hi - centre) ** 2 + moved**2).sqrt()).clip(upper_bound=1.0)
        changes += [
            pl.when(centre.is_not_null() & lo.is_not_null())
            .then(down)
            .otherwise(lo)
            .alias(f"{base}lo"),
            pl.when(centre.is_not_null() & hi.is_not_null())
            .then(up)
            .otherwise(hi)
            .alias(f"{base}hi"),
        ]
    return links.with_columns(changes)


def links_on_the_way(
    graph: SupplyGraph, start: str, targets: Iterable[str], side: Side = "cost"
) -> list[str]:
    """Return the ids of the links on some path from ``start`` to a target, sorted."""
    goal = [graph.position[name] for name in targets if name in graph.position]
    at = graph.index(start)
    if at is None:
        return []
    return sorted(
        graph.rows[row]["link_id"]
        for row in links_between(graph, graph.reach(side, at), reaching(graph, goal, side), side)
    )


def reaching(graph: SupplyGraph, targets: Iterable[int], side: Side) -> dict[int, bool]:
    """Return the nodes from which a walk can come to a target; True marks the targets themselves."""
    goal = set(targets)
    back: dict[int, list[int]] = {}
    for node, rows in graph.starts(side).items():
        for row in rows:
            back.setdefault(graph.target(side, row), []).append(node)
    found = _closure(sorted(goal), lambda node: back.get(node, ()))
    return {node: node in goal for node in found}


def links_between(
    graph: SupplyGraph, nodes: Iterable[int], goal: Mapping[int, bool], side: Side
) -> list[int]:
    """Return the numbers of the links that leave ``nodes`` and still lead to a target; none leaves a target."""
    starts = graph.starts(side)
    return [
        row
        for node in nodes
        if not goal.get(node, False)
        for row in starts.get(node, ())
        if graph.target(side, row) in goal
    ]


def states_cost(row: Mapping[str, Any]) -> bool:
    """Return whether a link says anything of the customer's cost.

    A link that gives only a share of the supplier's sales is no gap on the customer's bill: what the bill doesn't
    explain counts as wholly exposed in the upper end anyway.
    """
    if not _states_sales(row):
        return True
    parts = ("mid", "hi", "kind_lo", "kind_mid", "kind_hi", "output_lo", "output_mid", "output_hi")
    return bool(row["lo"]) or any(row[part] is not None for part in parts)


def _states_sales(row: Mapping[str, Any]) -> bool:
    return any(row[f"sales_{end}"] is not None for end in ("lo", "mid", "hi"))


def _steps(at: NDArray[np.int64], rows: NDArray[np.int64]) -> dict[int, tuple[int, ...]]:
    found: dict[int, list[int]] = {}
    for row in rows.tolist():
        found.setdefault(int(at[row]), []).append(row)
    return {node: tuple(numbers) for node, numbers in found.items()}


def _next(graph: SupplyGraph, node: int, side: Side) -> list[int]:
    return [graph.target(side, row) for row in graph.starts(side).get(node, ())]


def _closure(start: Iterable[int], step: Any) -> set[int]:
    seen = set(start)
    queue = list(seen)
    while queue:
        for node in step(queue.pop()):
            if node not in seen:
                seen.add(node)
                queue.append(node)
    return seen
