"""Which fact to look up next: the data points that make a portfolio's exposure uncertain, most telling first.

The width of an exposure's interval, Σ w (hi − lo), is split exactly over what nobody knows well: the share of a link,
the part of a bill that no link explains, a figure that nobody discloses, a list that nobody screened. Rows of one
factor add to its width.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from exposure.errors import check_names
from exposure.factors.bounds import research_priority, width_parts
from exposure.factors.catalog import Catalog
from exposure.factors.definitions import MAIN, FactorDefinition
from exposure.factors.graph import Side, SupplyGraph
from exposure.factors.kinds import KIND_FUNCTIONS, Answer, Context
from exposure.factors.paths import FactorWalk
from exposure.factors.recipes import OUTSIDE
from exposure.factors.scoring import context_at
from exposure.portfolios.holdings import Book
from exposure.schemas import ResearchPoints, empty, validated

WORTH_NAMING = 1e-9  # a data point that explains less of a portfolio's width is rounding


@dataclass(frozen=True, slots=True)
class _Point:
    """One data point of one factor."""

    point_id: str
    kind: str
    subject: str
    about: str
    width: float
    moves: float | None = None
    lo: float | None = None
    mid: float | None = None
    hi: float | None = None
    grade: str | None = None
    status: str = "missing"
    evidence_ids: tuple[str, ...] = ()


def research(book: Book, catalog: Catalog, *, factors: Sequence[str] | None = None) -> pl.DataFrame:
    """Rank the data points whose interval matters most for a portfolio; see :func:`research_list`.

    Parameters
    ----------
    book
        Holdings with their date; lines of one issuer count together, listings the catalog doesn't know are left out.
    factors
        Factor ids; by default all but stocks in weeks.

    Raises
    ------
    UsageError
        If a factor id doesn't exist (with the nearest that does).
    """
    if factors is not None:
        check_names(factors, catalog.factors, "factor")
    return research_list(catalog, issuer_weights(book), book.as_of, factors)


def issuer_weights(book: Book) -> dict[str, float]:
    """Return issuer → weight [fraction of net asset value], the lines of one issuer added up."""
    known = book.holdings.filter(pl.col("issuer_id").is_not_null())
    return dict(
        known.group_by("issuer_id").agg(pl.col("weight").sum()).sort("issuer_id").iter_rows()
    )


def research_list(
    catalog: Catalog,
    weights: Mapping[str, float],
    as_of: date,
    factor_ids: Sequence[str] | None = None,
    *,
    context: Context | None = None,
) -> pl.DataFrame:
    """Rank the data points whose interval matters most for these weights.

    Parameters
    ----------
    weights
        Issuer → weight in the portfolio (fraction, ≥ 0).
    factor_ids
        Factors to ask about; by default all that are shares, probabilities or yes/no (not stocks in weeks).
    context
        The facts of the day, if they are already at hand for these issuers and factors.

    Returns
    -------
    polars.DataFrame
        :class:`~exposure.schemas.ResearchPoints`, per factor the widest first. ``width`` adds up to the width of the
        factor's exposure; ``moves`` is how far the point exposure can move, u_i (1−φ_i) x_j (a_hi − a_lo), where a
        link has a point.

    Source
    ------
    Adjoint of the first-hit walk; methodology 3.2.
    """
    chosen = (
        list(factor_ids)
        if factor_ids is not None
        else [factor.id for factor in catalog.factors.values() if factor.kind != "mitigant"]
    )
    held = {issuer: weight for issuer, weight in sorted(weights.items()) if weight > 0}
    facts = context_at(catalog, list(held), as_of) if context is None else context
    names = {key: en for key, (_, en) in catalog.names().items()}
    rows: list[dict[str, object]] = []
    for factor_id in chosen:
        rows += _factor_rows(catalog.factors[factor_id], facts, held, names)
    if not rows:
        return empty(ResearchPoints)
    frame = pl.DataFrame(rows, schema=empty(ResearchPoints).schema)
    order = {factor_id: i for i, factor_id in enumerate(chosen)}
    return validated(
        frame.sort(
            pl.col("factor_id").replace_strict(order, return_dtype=pl.Int64),
            "width",
            "point_id",
            descending=[False, True, False],
        ),
        ResearchPoints,
    )


def by_point(points: pl.DataFrame) -> pl.DataFrame:
    """Add the factors of one data point up: the same fact may settle several.

    Returns
    -------
    polars.DataFrame
        | point_id | kind | subject | about | width [sum over factors] | widest [in one factor] | factors | lo | mid |
        hi | grade | status | look_at |, the widest first.
    """
    return (
        points.group_by("point_id", "kind", "subject", "about", maintain_order=True)
        .agg(
            pl.col("width").sum(),
            pl.col("width").max().alias("widest"),
            pl.col("factor_id").unique(maintain_order=True).alias("factors"),
            pl.col("lo", "mid", "hi", "grade", "status").first(),
            pl.col("look_at").unique(maintain_order=True).str.join("; ").alias("look_at"),
        )
        .sort("width", "point_id", descending=[True, False])
    )


def _factor_rows(
    factor: FactorDefinition,
    context: Context,
    held: Mapping[str, float],
    names: Mapping[str, str],
) -> list[dict[str, object]]:
    answers = {
        answer.issuer_id: answer
        for answer in KIND_FUNCTIONS[factor.kind](factor, context)
        if answer.basis == MAIN
    }
    path = context.walks.get(factor.id)
    points = _merged(_points(factor, context, path, answers, held))
    total = sum(point.width for point in points)
    return [
        {
            "factor_id": factor.id,
            "point_id": point.point_id,
            "kind": point.kind,
            "subject": point.subject,
            "about": point.about.format_map(names),
            "width": point.width,
            "share": point.width / total,
            "moves": point.moves,
            "unit": factor.unit,
            "lo": point.lo,
            "mid": point.mid,
            "hi": point.hi,
            "grade": point.grade,
            "status": point.status,
            "evidence_ids": list(point.evidence_ids),
            "look_at": _look_at(factor, point),
        }
        for point in points
        if point.width > WORTH_NAMING
    ]


def _points(
    factor: FactorDefinition,
    context: Context,
    path: FactorWalk | None,
    answers: Mapping[str, Answer],
    held: Mapping[str, float],
) -> Iterable[_Point]:
    walked: dict[str, float] = {}
    for issuer, weight in held.items():
        answer = answers[issuer]
        at = context.graph.index(issuer)
        if path is not None and at is not None and _is_the_walk(path, at, answer):
            walked[issuer] = weight
        else:
            yield _direct(factor, path, answer, weight)
    if walked and path is not None:
        yield from _along_the_walk(factor, context.graph, path, walked)


def _is_the_walk(path: FactorWalk, at: int, answer: Answer) -> bool:
    """Whether the issuer's interval is that of the walk, so that the walk's parts add up to it."""
    if at not in path.graph.starts(path.side) or (path.question.beyond and at in path.question.phi):
        return False
    lo, hi = float(path.walk.lo[at]), float(path.walk.hi[at])
    return abs(answer.lo - lo) <= WORTH_NAMING and abs(answer.hi - hi) <= WORTH_NAMING


def _direct(
    factor: FactorDefinition, path: FactorWalk | None, answer: Answer, weight: float
) -> _Point:
    width = weight * (answer.hi - answer.lo)
    if path is not None and answer.mid is None and not answer.evidence_ids:
        kind, about = ("suppliers", "suppliers and their shares of total cost")
        if path.side == "sales":
            kind, about = ("customers", "customers and their shares of revenue")
        return _Point(f"{kind}:{answer.issuer_id}", kind, answer.issuer_id, about, width)
    if factor.kind == "list_status":
        name = "screening:" + "+".join(factor.lists)
        about = f"screening on {', '.join(factor.lists)}"
    else:
        name = factor.measures.get(MAIN, factor.id)
        about = name.replace("_", " ")
    return _Point(
        f"{answer.issuer_id}.{name}",
        "figure" if factor.kind != "list_status" else "screening",
        answer.issuer_id,
        about,
        width,
        None,
        answer.lo,
        answer.mid,
        answer.hi,
        answer.grade,
        answer.status,
        answer.evidence_ids,
    )


def _along_the_walk(
    factor: FactorDefinition, graph: SupplyGraph, path: FactorWalk, held: Mapping[str, float]
) -> Iterable[_Point]:
    n = len(graph.node_ids)
    low, middle, high, stops, w = (np.zeros(n) for _ in range(5))
    for node, phi in [*path.question.phi.items()]:
        low[node], middle[node], high[node] = phi
    for node, settled in path.settled.items():
        if settled.verdict != "links":
            low[node], middle[node], high[node] = settled.interval
            stops[node] = 1.0
    for issuer, weight in held.items():
        w[graph.position[issuer]] = weight
    a_lo, a_mid, a_hi = graph.shares(path.side)
    parts = width_parts(low, high, a_lo, a_hi, w, 1.0 - graph.ending(path.side), stops=stops)
    moves = research_priority(middle, a_mid, a_lo, a_hi, w)
    shift = dict(zip(zip(moves.customer, moves.supplier, strict=True), moves.value, strict=True))
    rows = _rows_between(graph, path)
    for i, j, width in zip(
        parts.links.customer, parts.links.supplier, parts.links.value, strict=True
    ):
        if width > WORTH_NAMING:
            yield from _link_points(
                rows[int(i), int(j)], float(width), float(shift.get((i, j), 0.0)), path
            )
    whole = "cost" if path.side == "cost" else "revenue"
    kind = "suppliers" if path.side == "cost" else "customers"
    for at in np.flatnonzero(parts.unexplained > WORTH_NAMING):
        name = graph.node_ids[at]
        yield _Point(
            f"{kind}:{name}",
            kind,
            name,
            f"{whole} that no link explains",
            float(parts.unexplained[at]),
        )
    for at in np.flatnonzero(parts.own > WORTH_NAMING):
        name = graph.node_ids[at]
        measure = factor.measures.get(MAIN, factor.id)
        if at in path.settled and path.settled[int(at)].verdict != "links":
            lo, mid, hi = path.settled[int(at)].interval
            yield _Point(
                f"{name}.{measure}", "figure", name, measure.replace("_", " "), float(parts.own[at]),
                None, lo, mid, hi, None, "observed",
            )  # fmt: skip
        else:
            yield _Point(
                f"screening:{name}",
                "screening",
                name,
                "whether it is on a list",
                float(parts.own[at]),
            )


def _rows_between(
    graph: SupplyGraph, path: FactorWalk
) -> dict[tuple[int, int], list[dict[str, object]]]:
    found: dict[tuple[int, int], list[dict[str, object]]] = {}
    for node, numbers in graph.starts(path.side).items():
        for number in numbers:
            found.setdefault((node, graph.target(path.side, number)), []).append(graph.rows[number])
    return found


def _link_points(
    rows: Sequence[Mapping[str, object]], width: float, moves: float, path: FactorWalk
) -> Iterable[_Point]:
    """Share what two nodes explain over the links between them, in proportion to their intervals."""
    base = "" if path.side == "cost" else "sales_"
    spans = [_span(row, base) for row in rows]
    total = sum(spans)
    for row, span in zip(rows, spans, strict=True):
        part = span / total if total > 0 else 1.0 / len(rows)
        yield _Point(
            str(row["link_id"]),
            "link",
            str(row["customer"] if path.side == "cost" else row["supplier"]),
            _what(row, path.side),
            width * part,
            moves * part,
            _number(row[f"{base}lo"]),
            _number(row[f"{base}mid"]),
            _number(row[f"{base}hi"]),
            str(row["grade"]),
            str(row["status"]),
            (str(row["link_id"]),),
        )


def _what(row: Mapping[str, object], side: Side) -> str:
    if row["supplier"] == OUTSIDE:
        return "cost outside the chain: labour, boards, rent and the rest"
    kind = str(row["input_kind"]).replace("_", " ")
    whole = "total cost" if side == "cost" else "revenue"
    return f"{kind} from {{{row['supplier']}}} to {{{row['customer']}}}, share of {whole}"


def _span(row: Mapping[str, object], base: str) -> float:
    lo, hi = _number(row[f"{base}lo"]), _number(row[f"{base}hi"])
    return (1.0 if hi is None else hi) - (lo or 0.0)


def _number(value: object) -> float | None:
    return value if isinstance(value, float) else None


def _merged(points: Iterable[_Point]) -> list[_Point]:
    """Join parts of one data point that several holdings share."""
    found: dict[str, _Point] = {}
    for point in points:
        old = found.get(point.point_id)
        if old is None:
            found[point.point_id] = point
            continue
        moves = None if point.moves is None else point.moves + (old.moves or 0.0)
        found[point.point_id] = _Point(
            old.point_id, old.kind, old.subject, old.about, old.width + point.width, moves, old.lo, old.mid, old.hi,
            old.grade, old.status, old.evidence_ids,
        )  # fmt: skip
    return list(found.values())


def _look_at(factor: FactorDefinition, point: _Point) -> str:
    """Say where such a fact stands: the factor's own advice, or its reference."""
    check = factor.manual_check
    if point.kind in ("suppliers", "link", "figure", "customers") and check is not None:
        return check.message
    if point.kind == "screening":
        return f"screen {point.subject} and record it in factors/lists/screened.csv"
    return factor.reference
