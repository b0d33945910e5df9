"""A stress test as arrays: names × scenarios × severities, with probabilities and intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from exposure.factors.catalog import Catalog
from exposure.portfolios.holdings import Book
from exposure.scenarios.definitions import Range, ScenarioDefinition
from exposure.scenarios.reading import scenario_definitions
from exposure.scenarios.stressing import Shock
from exposure.schemas import SEVERITIES

Vector = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ScenarioTable:
    """Returns of names in scenarios, with their intervals.

    Parameters
    ----------
    scenarios, names
        Ids, S and n of them: each has a stream of draws of its own, so a draw doesn't depend on what else is
        held or on the order of rows.
    probability
        Of shape (S, 3): lo, mid, hi.
    lo, mid, hi
        Signed returns of shape (S, 3, n); NaN where unknown.
    inferred
        Of shape (S, n): the return is a conditional mean under the risk model.
    """

    scenarios: list[str]
    names: list[str]
    probability: Vector
    lo: Vector
    mid: Vector
    hi: Vector
    inferred: Flags

    @property
    def base(self) -> Vector:
        """Returns at base severity, of shape (S, n)."""
        return np.asarray(self.mid[:, 1, :])


@dataclass(frozen=True, slots=True)
class World:
    """Every name of a stress test and of a book.

    Parameters
    ----------
    table, everything
        The counted scenarios (with a probability, and a return known for some holding), and all of them.
    counted
        Per scenario of ``everything``.
    w, held, issuers, roles
        Per name: weight (0 where not held), whether held, issuer, its place in the chain.
    """

    table: ScenarioTable
    everything: ScenarioTable
    counted: tuple[bool, ...]
    w: Vector
    held: NDArray[np.bool_]
    issuers: tuple[str | None, ...]
    roles: tuple[str | None, ...]


def read_world(
    shock: Shock, book: Book, catalog: Catalog, scenarios: Sequence[ScenarioDefinition]
) -> World:
    """Return every name of a stress test and of the book as arrays, sorted by id."""
    weight = dict(book.holdings.select("listing_id", "weight").iter_rows())
    names = sorted(set(shock.positions["listing_id"]) | set(weight))
    ids = shock.portfolio["scenario_id"].unique(maintain_order=True).to_list()
    chances = _probabilities(shock, catalog, scenarios)
    w = np.array([weight.get(name, 0.0) for name in names])
    held = np.array([name in weight for name in names])
    everything = _table(shock.positions, ids, names, chances)
    counted = tuple(
        chances.get(name) is not None and bool(np.isfinite(everything.base[s, held]).any())
        for s, name in enumerate(ids)
    )
    issuer_of = dict(shock.positions.select("listing_id", "issuer_id").iter_rows())
    issuer_of |= dict(book.holdings.select("listing_id", "issuer_id").iter_rows())
    role_of = dict(catalog.master.issuers.select("issuer_id", "role").iter_rows())
    issuers = tuple(issuer_of.get(name) for name in names)
    return World(
        table=_kept(everything, counted),
        everything=everything,
        counted=counted,
        w=w,
        held=held,
        issuers=issuers,
        roles=tuple(role_of.get(issuer) for issuer in issuers),
    )


def _probabilities(
    shock: Shock, catalog: Catalog, scenarios: Sequence[ScenarioDefinition]
) -> dict[str, Range | None]:
    """Return scenario → probability with its interval; the stress test's own point where no definition agrees."""
    known = {**scenario_definitions(catalog), **{item.id: item for item in scenarios}}
    found: dict[str, Range | None] = {}
    for name, point in shock.portfolio.select("scenario_id", "probability").unique().iter_rows():
        stated = known[name].probability if name in known else None
        if point is None:
            found[name] = None
        elif stated is not None and stated.mid == point:
            found[name] = stated
        else:
            found[name] = Range(point, point, point, "stress test")
    return found


def _table(
    positions: pl.DataFrame,
    ids: list[str],
    names: list[str],
    chances: Mapping[str, Range | None],
) -> ScenarioTable:
    """Return the returns as arrays; a severity that wasn't run is read at base."""
    shape = (len(ids), len(SEVERITIES), len(names))
    at = [
        positions[column].replace_strict({name: k for k, name in enumerate(values)}).to_numpy()
        for column, values in (
            ("scenario_id", ids),
            ("severity", SEVERITIES),
            ("listing_id", names),
        )
    ]
    ends: list[Vector] = []
    for column in ("ret_lo", "ret", "ret_hi"):
        cube = np.full(shape, np.nan)
        cube[tuple(at)] = positions[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        base = cube[:, [SEVERITIES.index("base")], :]
        cube = np.where(np.isfinite(base), np.where(np.isfinite(cube), cube, base), np.nan)
        ends.append(cube)
    inferred = np.zeros(shape, dtype=np.bool_)
    inferred[tuple(at)] = (positions["origin"] == "inferred").to_numpy()
    middle = ends[1]
    ranges = [chances.get(name) or Range(np.nan, np.nan, np.nan, "") for name in ids]
    return ScenarioTable(
        scenarios=ids,
        names=names,
        probability=np.array([(p.lo, p.mid, p.hi) for p in ranges]).reshape(len(ids), 3),
        lo=np.where(np.isfinite(ends[0]), ends[0], middle),
        mid=middle,
        hi=np.where(np.isfinite(ends[2]), ends[2], middle),
        inferred=inferred[:, SEVERITIES.index("base"), :],
    )


def _kept(table: ScenarioTable, counted: Sequence[bool]) -> ScenarioTable:
    keep = np.flatnonzero(counted)
    return ScenarioTable(
        scenarios=[table.scenarios[s] for s in keep.tolist()],
        names=table.names,
        probability=table.probability[keep],
        lo=table.lo[keep],
        mid=table.mid[keep],
        hi=table.hi[keep],
        inferred=table.inferred[keep],
    )
