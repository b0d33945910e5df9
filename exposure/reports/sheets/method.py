"""How the numbers are made: formulas in words, the factors and scenarios used, versions, inputs, disclaimer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from exposure.reports.cells import HEAD, SECTION, Canvas, Sheet, Style
from exposure.reports.run import Interval
from exposure.reports.sheets.common import FIRST_COLUMN, NOT_KNOWN, Context, rule, wrapped_height
from exposure.reports.text import percent

WIDTHS = (26, 44, 14, 40, 52)
LABEL = Style(size=9, bold=True, valign="top", wrap=True)
BODY = Style(size=9, valign="top", wrap=True)


def method_sheet(context: Context) -> Sheet:
    """Draw the method sheet."""
    words, run = context.words, context.run
    canvas = Canvas("method", context.titles["method"], tab="grey")
    last_col = FIRST_COLUMN + len(WIDTHS) - 1
    context.band(canvas, "method", last_col)
    canvas.width(1, [context.layout.widths["margin"], *WIDTHS])
    row = _section(context, canvas, 4, "formulas")
    lines = [
        (words.line(f"method.{key}.name"), words.stack(f"method.{key}.text"))
        for key in context.layout.method_lines
    ]
    row = _pairs(canvas, row, lines)
    row = _section(context, canvas, row + 1, "grades")
    row = _pairs(canvas, row, [(grade, words.line(f"grade.{grade}")) for grade in "ABCD"])
    row = _factors(context, canvas, row + 1)
    row = _scenarios(context, canvas, row + 1)
    row = _section(context, canvas, row + 1, "provenance")
    row = _pairs(canvas, row, _provenance(context))
    if run.method_changes:
        row = _section(context, canvas, row + 1, "method_changes")
        row = _pairs(
            canvas, row, [(str(n), text) for n, text in enumerate(run.method_changes, start=1)]
        )
    row = _section(context, canvas, row + 1, "disclaimer")
    row = _pairs(canvas, row, [("", words.stack("method.disclaimer"))])
    canvas.print_rows = "1:2"
    canvas.freeze = "A3"
    return canvas.sheet(row, last_col)


def _section(context: Context, canvas: Canvas, row: int, key: str) -> int:
    canvas.put(row, FIRST_COLUMN, context.words.line(f"section.{key}"), SECTION)
    canvas.heights[row] = 22
    return row + 1


def _pairs(canvas: Canvas, row: int, lines: Sequence[tuple[str, str]]) -> int:
    width = sum(WIDTHS[1:])
    for label, body in lines:
        canvas.put(row, FIRST_COLUMN, label, LABEL)
        canvas.put(row, FIRST_COLUMN + 1, body, BODY)
        canvas.merge(row, FIRST_COLUMN + 1, FIRST_COLUMN + len(WIDTHS) - 1)
        canvas.heights[row] = wrapped_height([(body, width), (label, WIDTHS[0])])
        rule(canvas, row, FIRST_COLUMN, FIRST_COLUMN + len(WIDTHS) - 1)
        row += 1
    return row


def _table(
    context: Context, canvas: Canvas, row: int, keys: Sequence[str], rows: Sequence[Sequence[str]]
) -> int:
    canvas.heights[row] = 30
    for offset, key in enumerate(keys):
        canvas.put(row, FIRST_COLUMN + offset, context.words.line(f"column.{key}"), HEAD)
    for texts in rows:
        row += 1
        for offset, text in enumerate(texts):
            canvas.put(row, FIRST_COLUMN + offset, text, LABEL if offset == 0 else BODY)
        canvas.heights[row] = wrapped_height(list(zip(texts, WIDTHS, strict=True)))
        rule(canvas, row, FIRST_COLUMN, FIRST_COLUMN + len(WIDTHS) - 1)
    return row + 1


def _factors(context: Context, canvas: Canvas, row: int) -> int:
    words = context.words
    row = _section(context, canvas, row, "factors")
    used = {column.card.id: column.card for column in context.figures.columns}
    rows = [
        (
            words.pair(card.name_zh, card.name_en, sep="\n"),
            words.pair(card.question_zh or card.question_en, card.question_en, sep="\n"),
            f"{words.line(f'sign.{card.sign}')}\n{words.maybe(f'unit.{card.unit}', card.unit)}",
            card.method,
            card.reference,
        )
        for card in used.values()
    ]
    return _table(
        context, canvas, row, ("factor", "question", "sign_unit", "method", "reference"), rows
    )


def _scenarios(context: Context, canvas: Canvas, row: int) -> int:
    words = context.words
    row = _section(context, canvas, row, "scenarios")
    rows = [
        (
            f"{card.code} {words.pair(card.name_zh, card.name_en, sep=chr(10))}",
            words.pair(card.narrative_zh or card.narrative_en, card.narrative_en, sep="\n"),
            _chance(card.probability),
            words.line(
                "method.duration",
                lo=f"{card.duration_years.lo:g}",
                mid=f"{card.duration_years.mid:g}",
                hi=f"{card.duration_years.hi:g}",
                basis=card.basis,
            ),
            card.anchor,
        )
        for card in context.figures.scenarios
    ]
    return _table(
        context, canvas, row, ("scenario", "narrative", "chance", "duration", "reference"), rows
    )


def _chance(chance: Interval | None) -> str:
    if chance is None:
        return NOT_KNOWN
    return f"{percent(chance.mid, 0)}\n({percent(chance.lo, 0)}–{percent(chance.hi, 0)})"


def _provenance(context: Context) -> list[tuple[str, str]]:
    run, words = context.run, context.words
    manifest: Mapping[str, Any] = run.manifest
    lines = [
        (words.line("provenance.run"), run.run_id),
        (words.line("provenance.as_of"), run.as_of.isoformat()),
    ]
    known = ("tool", "python", "content_fingerprint", "content_origin")
    lines += [
        (words.line(f"provenance.{key}"), str(manifest[key])) for key in known if manifest.get(key)
    ]
    plan = run.plan
    if plan is not None:
        gap = "" if plan.solver_gap is None else f" · gap {plan.solver_gap:.1e}"
        lines.append(
            (
                words.line("provenance.solver"),
                f"{plan.solver_name} {plan.solver_version} · {plan.solver_status}{gap}",
            )
        )
    if run.benchmark_name:
        lines.append((words.line("provenance.benchmark"), run.benchmark_name))
    if run.mandate is not None:
        lines.append((words.line("provenance.mandate"), run.mandate.name))
    for entry in manifest.get("inputs", ()):
        lines.append(
            (words.line("provenance.input"), f"{entry['name']}   SHA-256 {entry['sha256']}")
        )
    packages = manifest.get("packages")
    if packages:
        lines.append(
            (
                words.line("provenance.packages"),
                " · ".join(f"{name} {version}" for name, version in sorted(packages.items())),
            )
        )
    return lines
