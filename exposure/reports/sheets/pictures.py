"""The two charts of the summary, with their data at the right of the page."""

from __future__ import annotations

from exposure.reports.cells import QUIET, Canvas, Chart, Series, address, block, sheet_ref
from exposure.reports.figures import FactorColumn
from exposure.reports.run import ScenarioCard
from exposure.reports.sheets.common import Context, shown
from exposure.reports.text import factor_name, percent, scenario_name

CHART_ROW = 14
CHART_ROWS = 19
HELPER = 22  # the charts' data, hidden at the right
SCENARIO_HELPER = HELPER + 5


def draw_charts(context: Context, canvas: Canvas) -> None:
    """Draw both charts."""
    for row in range(CHART_ROW, CHART_ROW + CHART_ROWS):
        canvas.heights[row] = 15.5
    chosen = [
        (column, context.figures.columns.index(column))
        for factor in context.layout.chart_factors
        if (column := context.figures.column_of(factor)) is not None
        and context.figures.mid(column, context.figures.weights) is not None
    ]
    if chosen:
        canvas.charts.append(_factor_chart(context, canvas, HELPER, chosen))
    if context.figures.scenarios:
        canvas.charts.append(_scenario_chart(context, canvas, SCENARIO_HELPER))
    canvas.hidden_columns.append((HELPER, SCENARIO_HELPER + 2))


def _factor_chart(
    context: Context, canvas: Canvas, helper: int, chosen: list[tuple[FactorColumn, int]]
) -> Chart:
    figures, words, grid = context.figures, context.words, context.exposure
    top = CHART_ROW
    title = canvas.title
    names = [words.line(f"chart.{key}") for key in ("now", "after", "cap")]
    for offset, name in enumerate(("", *names)):
        canvas.put(top, helper + offset, name, QUIET)
    categories: list[str] = []
    now: list[float | None] = []
    after: list[float | None] = []
    caps: list[float | None] = []
    for number, (column, index) in enumerate(chosen, start=1):
        row = top + number
        label = words.pair(*factor_name(words, column, short=True), sep="\n")
        canvas.put(row, helper, label, QUIET)
        categories.append(label)
        # Where there is a limit the bars show what it counts, for only that can be held against it.
        limit = figures.limit_of(column)
        counted = limit is not None and figures.limit_now(limit) is not None
        value = figures.mid(column, figures.weights)
        plan = figures.mid(column, figures.plan_weights) if figures.has_plan else None
        if limit is not None and counted:
            value, plan = figures.limit_now(limit), figures.limit_after(limit)
        name = "counted" if counted else "mid"
        canvas.calc(row, helper + 1, f"={grid.total(name, index)}", shown(value))
        now.append(value)
        if figures.has_plan and counted:
            canvas.put(row, helper + 2, shown(plan))
        elif figures.has_plan:
            canvas.calc(row, helper + 2, f"={grid.total('plan', index)}", shown(plan))
        after.append(plan)
        if limit is not None:
            canvas.calc(row, helper + 3, f"={grid.total('cap', index)}", limit.bound)
        caps.append(limit.bound if limit else None)
    last = top + len(chosen)

    def ref(offset: int) -> str:
        return sheet_ref(title, block(top + 1, helper + offset, last, helper + offset, fix="rc"))

    def head(offset: int) -> str:
        return sheet_ref(title, address(top, helper + offset, fix="rc"))

    series = [Series(names[0], head(1), ref(1), tuple(now), "blue", labels=True)]
    if figures.has_plan:
        series.append(Series(names[1], head(2), ref(2), tuple(after), "sky"))
    if any(cap is not None for cap in caps):
        series.append(Series(names[2], head(3), ref(3), tuple(caps), "vermilion", marker_only=True))
    top_value = max(v for v in [*now, *after, *caps] if v is not None)
    over = [
        column
        for (column, _), value, cap in zip(chosen, now, caps, strict=True)
        if value is not None and cap is not None and value > cap
    ]
    largest = max(zip(now, chosen, strict=True), key=lambda e: e[0] or 0.0)
    alt = words.stack(
        "alt.factors",
        count=len(over),
        name=factor_name(words, largest[1][0], short=True),
        level=percent(largest[0] or 0.0),
    )
    high = min(1.0, max(0.1, -(-top_value * 1.15 // 0.1) * 0.1)) if top_value <= 1 else None
    return Chart(
        title=words.line("chart.factors"),
        kind="columns",
        categories=tuple(categories),
        categories_ref=ref(0),
        series=tuple(series),
        anchor=(1, CHART_ROW - 1, 10, CHART_ROW + CHART_ROWS - 1),
        alt=alt,
        low=0.0,
        high=high,
    )


def _scenario_chart(context: Context, canvas: Canvas, helper: int) -> Chart:
    figures, words, grid = context.figures, context.words, context.scenario
    top = CHART_ROW
    names = [words.line("chart.now"), words.line("chart.after")]
    for offset, name in enumerate(("", *names)):
        canvas.put(top, helper + offset, name, QUIET)
    now = figures.results(figures.weights)
    after = figures.results(figures.plan_weights)
    categories: list[str] = []
    for number, card in enumerate(figures.scenarios):
        row = top + 1 + number
        label = chart_label(context, card)
        canvas.put(row, helper, label, QUIET)
        categories.append(label)
        canvas.calc(row, helper + 1, f"={grid.total('mid', number)}", shown(now[number]))
        if figures.has_plan:
            canvas.calc(row, helper + 2, f"={grid.total('plan', number)}", shown(after[number]))
    last = top + len(figures.scenarios)

    def ref(offset: int) -> str:
        return sheet_ref(
            canvas.title, block(top + 1, helper + offset, last, helper + offset, fix="rc")
        )

    def head(offset: int) -> str:
        return sheet_ref(canvas.title, address(top, helper + offset, fix="rc"))

    series = [Series(names[0], head(1), ref(1), tuple(now), "vermilion", labels=True)]
    if figures.has_plan:
        series.append(Series(names[1], head(2), ref(2), tuple(after), "orange"))
    place = figures.worst or 0
    alt = words.stack(
        "alt.scenarios",
        name=scenario_name(words, figures.scenarios[place], short=True),
        now=percent(now[place] or 0.0),
        after=percent(after[place] or 0.0),
    )
    return Chart(
        title=words.line("chart.scenarios"),
        kind="bars",
        categories=tuple(categories),
        categories_ref=ref(0),
        series=tuple(series),
        anchor=(10, CHART_ROW - 1, 19, CHART_ROW + CHART_ROWS - 1),
        alt=alt,
    )


def chart_label(context: Context, card: ScenarioCard) -> str:
    """Return the name of a scenario as the chart and the card show it."""
    name = context.words.pair(*scenario_name(context.words, card, short=True))
    return f"{card.code} {name}"
