"""Figures that follow from other evidence by a stated formula, recomputed at each load.

A derived row never carries a number of its own: ``factors/derivations.csv`` and the ``formula`` column of links name
evidence ids in braces, and interval arithmetic does the rest.  The result is known when its last input is known, and
is no better than its worst input.

    share = {digital_china.revenue.ai_server.2024h1} / {digital_china.revenue.2024h1}
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Generic, TypeVar

import dataframely as dy
import polars as pl

from exposure.content import SOURCE_ROW
from exposure.errors import ContentError, Place
from exposure.schemas import Evidence, validated

_REFERENCE = re.compile(r"\{([a-z0-9_.\-]+)\}")
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mult": operator.mul,
    "Div": operator.truediv,
}
_FUNCTIONS = ("min", "max", "hull")
T = TypeVar("T")


class Derivations(dy.Schema):
    """One derived figure: which measure of whom, by which formula, read as a point or a bound."""

    evidence_id = dy.String(primary_key=True, regex=r"^[a-z0-9_.\-]+$")
    subject = dy.String()
    measure = dy.String()
    formula = dy.String()
    bound = dy.String(regex=r"^(point|upper|lower)$")
    unit = dy.String()
    period = dy.String(nullable=True)
    valid_from = dy.Date()
    valid_to = dy.Date(nullable=True)
    status = dy.String(regex=r"^(estimated|imputed)$")
    note = dy.String(nullable=True)


@dataclass(frozen=True, slots=True)
class Interval:
    """lo ≤ mid ≤ hi; an unknown end or mid is None and stays unknown through arithmetic."""

    lo: float | None
    mid: float | None
    hi: float | None


@dataclass(frozen=True, slots=True)
class Figure:
    """An interval with what it rests on."""

    value: Interval
    known_on: date
    grade: str
    source_id: str
    status: str
    inputs: tuple[str, ...]


def figures(evidence: pl.DataFrame) -> dict[str, Figure]:
    """Return evidence id → figure for the rows that may feed a formula (verdict ``use``, with a source)."""
    usable = evidence.filter(
        (pl.col("verdict") == "use")
        & (pl.col("status") != "missing")
        & pl.col("known_on").is_not_null()
    )
    return {
        row["evidence_id"]: Figure(
            Interval(row["lo"], row["mid"], row["hi"]),
            row["known_on"],
            row["grade"],
            row["source_id"],
            row["status"],
            (row["evidence_id"],),
        )
        for row in usable.iter_rows(named=True)
    }


def derive(rows: pl.DataFrame, evidence: pl.DataFrame, file: str) -> pl.DataFrame:
    """Compute derived rows as :class:`~exposure.schemas.Evidence`.

    Parameters
    ----------
    rows
        :class:`Derivations`, with ``source_row`` for messages.
    evidence
        :class:`~exposure.schemas.Evidence`.

    Raises
    ------
    ContentError
        A formula that can't be read, names an unknown id, or refers to itself in a circle.
    """
    known = figures(evidence)
    waiting = rows.to_dicts()
    done: list[dict[str, object]] = []
    while waiting:
        ready = [row for row in waiting if set(references(row["formula"])) <= known.keys()]
        if not ready:
            raise ContentError(
                f"{file} has {len(waiting)} formulas that can't be computed",
                places=[_unknown_place(row, known, file) for row in waiting],
                cure="each id in braces must be an evidence row with verdict 'use', or a derived row without a circle",
            )
        for row in ready:
            figure = evaluate(row["formula"], known, file, row.get(SOURCE_ROW))
            value = as_bound(figure.value, row["bound"])
            known[row["evidence_id"]] = Figure(
                value, figure.known_on, figure.grade, figure.source_id, row["status"], figure.inputs
            )
            done.append(_evidence_row(row, value, figure))
        waiting = [row for row in waiting if row["evidence_id"] not in known]
    frame = pl.DataFrame(done, schema={n: c.dtype for n, c in Evidence.columns().items()})
    return validated(frame.sort("evidence_id"), Evidence)


def references(formula: str) -> list[str]:
    """Return the evidence ids of a formula, in order.

    Examples
    --------
    >>> references("{a.x} / ({b.y} + 1)")
    ['a.x', 'b.y']
    """
    return _REFERENCE.findall(formula)


def evaluate(
    formula: str, known: Mapping[str, Figure], file: str, row: int | None = None
) -> Figure:
    """Evaluate a formula over figures by interval arithmetic.

    Returns
    -------
    Figure
        Known on the latest day of its inputs, with their worst grade and the source of the worst.

    Raises
    ------
    ContentError
        If the formula isn't ``+ - * /`` and ``min``, ``max``, ``hull`` over ids in braces and numbers.

    Examples
    --------
    >>> from datetime import date
    >>> a = Figure(Interval(6.95, 7.0, 7.05), date(2025, 1, 24), "C", "report", "observed", ("a",))
    >>> evaluate("{a} / 10", {"a": a}, "f").value.mid
    0.7
    """
    references_used = list(dict.fromkeys(references(formula)))
    try:
        value = compute(formula, lambda name: known[name].value, _INTERVALS)
    except (SyntaxError, ValueError, ZeroDivisionError) as fault:
        raise ContentError(
            f"{file} has a formula that can't be read",
            places=[Place(file, str(fault), row=row, column="formula", value=formula)],
            cure="use + - * / and min(), max(), hull() over {evidence ids} and numbers",
        ) from fault
    used = [known[reference] for reference in references_used]
    if not used:
        raise ContentError(
            f"{file} has a number without a source",
            places=[Place(file, "names no evidence", row=row, column="formula", value=formula)],
            cure="write the figure as an evidence row with its source, and name its id in braces",
        )
    worst = max(used, key=lambda figure: figure.grade)
    return Figure(
        value,
        max(figure.known_on for figure in used),
        worst.grade,
        worst.source_id,
        "imputed" if any(figure.status == "imputed" for figure in used) else "estimated",
        tuple(dict.fromkeys(i for figure in used for i in figure.inputs)),
    )


@dataclass(frozen=True, slots=True)
class Algebra(Generic[T]):
    """What + − * / and the functions of a formula mean for one kind of value.

    ``binary`` gets the name of the operator (``Add``, ``Sub``, ``Mult``, ``Div``); ``call`` the function, its parts and
    where in the formula it stands.
    """

    number: Callable[[float], T]
    binary: Callable[[str, T, T], T]
    call: Callable[[str, Sequence[T], int], T]


def compute(formula: str, value_of: Callable[[str], T], algebra: Algebra[T]) -> T:
    """Compute a formula over evidence ids in braces.

    Raises
    ------
    SyntaxError, ValueError
        If it isn't ``+ - * /`` and ``min``, ``max``, ``hull`` over ids and numbers.
    """
    names = {f"v{i}": reference for i, reference in enumerate(dict.fromkeys(references(formula)))}
    text = formula
    for variable, reference in names.items():
        text = text.replace("{" + reference + "}", variable)

    def at(node: ast.expr) -> T:
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return algebra.number(float(node.value))
        if isinstance(node, ast.Name) and node.id in names:
            return value_of(names[node.id])
        if isinstance(node, ast.BinOp):
            return algebra.binary(type(node.op).__name__, at(node.left), at(node.right))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return algebra.binary("Sub", algebra.number(0.0), at(node.operand))
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in _FUNCTIONS
        ):
            return algebra.call(node.func.id, [at(part) for part in node.args], node.col_offset)
        message = f"{ast.unparse(node)!r} is not allowed"
        raise ValueError(message)

    return at(ast.parse(text, mode="eval").body)


def as_bound(value: Interval, bound: str) -> Interval:
    """Read an interval as a point, or only as an upper or lower bound.

    Examples
    --------
    >>> as_bound(Interval(0.4, 0.405, 0.41), "lower")
    Interval(lo=0.4, mid=None, hi=None)
    """
    if bound == "upper":
        return Interval(None, None, value.hi)
    if bound == "lower":
        return Interval(value.lo, None, None)
    return value


def _evidence_row(row: dict[str, object], value: Interval, figure: Figure) -> dict[str, object]:
    return {
        "evidence_id": row["evidence_id"],
        "subject": row["subject"],
        "measure": row["measure"],
        "lo": value.lo,
        "mid": value.mid,
        "hi": value.hi,
        "unit": row["unit"],
        "period": row["period"],
        "valid_from": row["valid_from"],
        "valid_to": row["valid_to"],
        "known_on": figure.known_on,
        "grade": figure.grade,
        "status": "imputed" if figure.status == "imputed" else row["status"],
        "verdict": "use",
        "source_id": figure.source_id,
        "locator": "derived from " + "; ".join(figure.inputs),
        "formula": row["formula"],
        "note": row["note"],
    }


def _unknown_place(row: dict[str, object], known: Mapping[str, Figure], file: str) -> Place:
    lacking = [name for name in references(str(row["formula"])) if name not in known]
    source_row = row.get(SOURCE_ROW)
    return Place(
        file,
        f"names {', '.join(lacking)}, which is no usable evidence",
        row=source_row if isinstance(source_row, int) else None,
        column="formula",
        value=str(row["formula"]),
    )


def _min_max(name: str, parts: Sequence[Interval]) -> Interval:
    pick: Callable[..., float] = min if name == "min" else max
    return Interval(*(_combine(pick, ends) for ends in zip(*map(_ends, parts), strict=True)))


def _hull(parts: Sequence[Interval]) -> Interval:
    """Return the interval that holds all parts, its mid their mean: a prior from peers that differ."""
    lo = _combine(min, tuple(part.lo for part in parts))
    hi = _combine(max, tuple(part.hi for part in parts))
    mids = [part.mid for part in parts if part.mid is not None]
    return Interval(lo, sum(mids) / len(mids) if len(mids) == len(parts) else None, hi)


def _ends(value: Interval) -> tuple[float | None, float | None, float | None]:
    return value.lo, value.mid, value.hi


def _combine(pick: Callable[..., float], parts: tuple[float | None, ...]) -> float | None:
    return None if any(part is None for part in parts) else pick(*parts)


def _binary(op: str, left: Interval, right: Interval) -> Interval:
    apply = OPERATORS.get(op)
    if apply is None:
        message = f"the operator {op} is not allowed"
        raise ValueError(message)
    if op == "Div" and right.lo is not None and right.hi is not None and right.lo <= 0 <= right.hi:
        message = "the divisor may be zero"
        raise ValueError(message)
    mid = None if left.mid is None or right.mid is None else apply(left.mid, right.mid)
    ends = [
        None if a is None or b is None else apply(a, b)
        for a in (left.lo, left.hi)
        for b in (right.lo, right.hi)
    ]
    known = [end for end in ends if end is not None]
    if len(known) == 4:
        return Interval(min(known), mid, max(known))
    return _half_open(op, left, right, mid)


def _half_open(op: str, left: Interval, right: Interval, mid: float | None) -> Interval:
    """Bounds where one end is unknown; figures here are non-negative, so the monotone rules hold."""
    if op == "Add":
        return Interval(_sum(left.lo, right.lo, 1), mid, _sum(left.hi, right.hi, 1))
    if op == "Sub":
        return Interval(_sum(left.lo, right.hi, -1), mid, _sum(left.hi, right.lo, -1))
    if op == "Mult":
        return Interval(_product(left.lo, right.lo), mid, _product(left.hi, right.hi))
    return Interval(_quotient(left.lo, right.hi), mid, _quotient(left.hi, right.lo))


def _sum(a: float | None, b: float | None, sign: int) -> float | None:
    return None if a is None or b is None else a + sign * b


def _product(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a * b


def _quotient(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None or b == 0 else a / b


_INTERVALS = Algebra(
    number=lambda value: Interval(value, value, value),
    binary=_binary,
    call=lambda name, parts, _: _hull(parts) if name == "hull" else _min_max(name, parts),
)
