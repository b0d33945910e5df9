"""What the input was worth: checks with thresholds, then every rejected row and repair in full."""

from __future__ import annotations

from dataclasses import dataclass

from exposure.reports.cells import SECTION, Canvas, Sheet, Style, block
from exposure.reports.figures import Figures
from exposure.reports.run import MAIN
from exposure.reports.sheets.common import FIRST_COLUMN, Context, Entry, draw_table, rule, widen
from exposure.reports.text import percent

HEAD_ROW = 4
SPANS = ((2, 3, "check"), (4, 5, "result"), (6, 6, "threshold"), (7, 7, "state"), (8, 10, "note"))
SHOWN_ISSUES = 5_000


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the data with its verdict."""

    key: str
    result: str
    threshold: str
    state: str
    note: tuple[str, str] = ("", "")


def data_quality_sheet(context: Context) -> Sheet:
    """Draw the data-quality sheet."""
    words = context.words
    canvas = Canvas("data_quality", context.titles["data_quality"], tab="grey")
    last_col = widen(canvas, context, "issues")
    context.band(canvas, "data_quality", last_col)
    _heads(context, canvas)
    found = checks(context)
    for number, check in enumerate(found, start=1):
        row = HEAD_ROW + number
        canvas.heights[row] = 18
        values = {
            "check": words.line(f"check.{check.key}"),
            "result": check.result,
            "threshold": check.threshold,
            "state": context.state_word(check.state),
            "note": words.pair(*check.note) if any(check.note) else "",
        }
        for first, last, key in SPANS:
            style = Style(
                size=9.5,
                bold=key in ("check", "state"),
                align="center" if key in ("result", "threshold", "state") else "left",
            )
            canvas.put(row, first, values[key], style.but(size=9 if key == "note" else 9.5))
            if last > first:
                canvas.merge(row, first, last)
        rule(canvas, row, FIRST_COLUMN, last_col)
    bottom = HEAD_ROW + len(found)
    canvas.states.append(block(HEAD_ROW + 1, 7, bottom, 7))
    top = bottom + 3
    canvas.put(top - 1, FIRST_COLUMN, words.line("section.issues"), SECTION)
    canvas.heights[top - 1] = 20
    order = {"error": 0, "warning": 1, "info": 2}
    colours = {"error": "vermilion", "warning": "watch_ink", "info": "grey"}
    issues = sorted(
        context.run.issues.iter_rows(named=True),
        key=lambda row: (order[row["severity"]], row["file"], row["row"] or 0),
    )[:SHOWN_ISSUES]
    rows = [
        {
            **row,
            "severity": Entry(
                words.line(f"severity_of_issue.{row['severity']}"),
                bold=True,
                color=colours[row["severity"]],
            ),
        }
        for row in issues
    ]
    last = draw_table(context, canvas, "issues", top, rows, table="data_quality")
    if not rows:
        last += 1
        canvas.put(
            last,
            FIRST_COLUMN,
            f"● {words.line('check.no_issues')}",
            Style(color="ok_ink", bold=True),
        )
    canvas.print_rows = f"{HEAD_ROW}:{HEAD_ROW}"
    canvas.freeze = f"A{HEAD_ROW + 1}"
    return canvas.sheet(last + 1, last_col)


def checks(context: Context) -> list[Check]:
    """Return the checks of a run."""
    figures, run = context.figures, context.run
    thresholds = context.layout.thresholds
    held = run.holdings.height
    resolved = run.resolved / held if held else 0.0
    total = sum(figures.weights) + run.cash_weight
    weak = figures.share_of_scores(("C", "D"))
    stale = figures.share_of_scores(stale=True)
    least = _least_covered(figures)
    warnings = int((run.issues["severity"] == "warning").sum())
    gap = max(figures.exposure_gap(), figures.result_gap())
    odd = sum(1 for weight in figures.weights if weight < 0 or weight > 1)
    dead = _dead_links(context)
    reached = _least_reached(figures)
    found = [
        Check(
            "resolved",
            f"{run.resolved} / {held}",
            _floor(thresholds["resolved_floor"]),
            _at_least(resolved, thresholds["resolved_floor"]),
        ),
        Check("rejected", str(run.rejected), "0", "ok" if run.rejected == 0 else "breach"),
        Check("warnings", str(warnings), "–", "ok" if warnings == 0 else "watch"),
        Check("weights", percent(total, 2), "100%", "ok" if abs(total - 1) <= 1e-6 else "breach"),
        Check("odd_weights", str(odd), "0", "ok" if odd == 0 else "watch"),
        Check(
            "coverage",
            percent(run.coverage, 0),
            _floor(thresholds["factor_coverage_floor"]),
            _at_least(run.coverage, thresholds["factor_coverage_floor"]),
        ),
    ]
    if least is not None:
        share, names = least
        found.append(
            Check(
                "least_coverage",
                percent(share, 0),
                _floor(thresholds["coverage_floor"]),
                "unknown" if share < thresholds["coverage_floor"] else "ok",
                names,
            )
        )
    found += [
        Check(
            "graded",
            percent(figures.graded_ab, 0),
            _floor(thresholds["evidence_ab_floor"]),
            _at_least(figures.graded_ab, thresholds["evidence_ab_floor"]),
        ),
        Check(
            "weak_grades",
            percent(weak, 0),
            _cap(thresholds["weak_grades_cap"]),
            "ok" if weak <= thresholds["weak_grades_cap"] else "watch",
        ),
        Check(
            "stale",
            percent(stale, 0),
            _cap(thresholds["stale_cap"]),
            "ok" if stale <= thresholds["stale_cap"] else "watch",
        ),
    ]
    if reached is not None:
        share, names = reached
        found.append(
            Check(
                "modelled",
                percent(share, 0),
                _floor(thresholds["modelled_floor"]),
                _at_least(share, thresholds["modelled_floor"]),
                names,
            )
        )
    found.append(Check("evidence_links", str(dead), "0", "ok" if dead == 0 else "breach"))
    found.append(
        Check(
            "agreement",
            f"{gap:.1e}",
            f"≤ {thresholds['agreement']:.0e}",
            "ok" if gap <= thresholds["agreement"] else "breach",
        )
    )
    return found


def _heads(context: Context, canvas: Canvas) -> None:
    for first, last, key in SPANS:
        context.heads(canvas, HEAD_ROW, first, [context.words.stack(f"column.{key}")], 32)
        if last > first:
            canvas.merge(HEAD_ROW, first, last)


def _least_covered(figures: Figures) -> tuple[float, tuple[str, str]] | None:
    found = [
        (figures.coverage(column, figures.weights), (column.card.name_zh, column.card.name_en))
        for column in figures.columns
        if column.basis == MAIN
    ]
    return min(found, key=lambda entry: entry[0], default=None)


def _least_reached(figures: Figures) -> tuple[float, tuple[str, str]] | None:
    severity = figures.layout.severity
    found = [
        (
            float(figures.engine_results[card.id, severity]["modelled_weight"]),
            (card.name_zh, card.name_en),
        )
        for card in figures.scenarios
        if (card.id, severity) in figures.engine_results and card.id != "no_event"
    ]
    return min(found, key=lambda entry: entry[0], default=None)


def _dead_links(context: Context) -> int:
    named = {
        evidence_id
        for score in context.figures.scores.values()
        for evidence_id in score.evidence_ids
    }
    return sum(1 for evidence_id in named if evidence_id not in context.evidence_rows)


def _floor(value: float) -> str:
    return f"≥ {percent(value, 0)}"


def _cap(value: float) -> str:
    return f"≤ {percent(value, 0)}"


def _at_least(value: float, floor: float) -> str:
    return "ok" if value >= floor else "watch"
