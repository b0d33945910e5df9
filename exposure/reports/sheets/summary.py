"""One printed page of answers: six figures, four boxes, two charts, two tables, and the way to everything else."""

from __future__ import annotations

from exposure.reports.cells import (
    HEAD,
    LINKED,
    QUIET,
    SECTION,
    SUBTITLE,
    Canvas,
    Sheet,
    Style,
    address,
    block,
    quoted,
    sheet_ref,
)
from exposure.reports.figures import Position
from exposure.reports.limits import Limit
from exposure.reports.sheets.cards import draw_card, make_figure
from exposure.reports.sheets.common import (
    FIRST_COLUMN,
    NOT_KNOWN,
    Context,
    ExposureGrid,
    ScenarioGrid,
    rule,
    shown,
)
from exposure.reports.sheets.pictures import CHART_ROW, CHART_ROWS, draw_charts
from exposure.reports.text import boxes, limit_name, percent

COLUMNS = 18
LAST = FIRST_COLUMN + COLUMNS - 1
BOX_ROW = 11
TABLE_ROW = CHART_ROW + CHART_ROWS + 1
SPANS = ((2, 5), (6, 10), (11, 15), (16, 19))


def summary_sheet(context: Context) -> Sheet:
    """Draw the summary."""
    canvas = Canvas("summary", context.titles["summary"], tab="navy")
    canvas.width(
        1,
        [
            context.layout.widths["margin"],
            *[context.layout.widths["summary_grid"]] * COLUMNS,
            context.layout.widths["margin"],
        ],
    )
    _band(context, canvas)
    for number, card in enumerate(context.layout.cards):
        figure = make_figure(context, card)
        if figure is not None:
            draw_card(context, canvas, FIRST_COLUMN + 3 * (number % 6), figure)
    _boxes(context, canvas)
    draw_charts(context, canvas)
    left = _contributors(context, canvas, TABLE_ROW)
    right = _limits(context, canvas, TABLE_ROW)
    bottom = _foot(context, canvas, max(left, right) + 2)
    canvas.fit_height = 1
    return canvas.sheet(bottom, LAST + 1)


def _band(context: Context, canvas: Canvas) -> None:
    run, words = context.run, context.words
    context.band(canvas, "summary", LAST + 1)
    nav = NOT_KNOWN if run.nav is None else f"{run.nav / 1e6:,.1f}"
    compared = run.comparison.as_of.isoformat() if run.comparison else words.line("band.no_earlier")
    parts = [
        f"{words.line('band.portfolio')} {run.name}",
        f"{words.line('band.as_of')} {run.as_of.isoformat()}",
        f"{words.line('band.compared')} {compared}",
        f"{words.line('band.nav')} {run.base_currency} {nav} {words.line('band.nav_unit')}",
        f"{words.line('band.run')} {run.run_id}",
    ]
    canvas.put(2, FIRST_COLUMN, "     ".join(parts), SUBTITLE)
    if run.synthetic:
        canvas.put(
            1,
            LAST - 2,
            words.line("band.demo"),
            Style(size=12, bold=True, color="white", fill="navy"),
        )
    line = "     ".join(
        words.each(
            "band.holdings",
            count=run.holdings.height,
            resolved=run.resolved,
            rejected=run.rejected,
            coverage=percent(run.coverage),
        )
    )
    canvas.heights.update({3: 19, 4: 4})
    canvas.put(
        3,
        FIRST_COLUMN,
        line,
        Style(size=9.5, bold=True, color="navy"),
        context.link("data_quality"),
    )


def _boxes(context: Context, canvas: Canvas) -> None:
    flag = quoted(context.words.line("flag.text_as_written"))
    canvas.heights.update({BOX_ROW - 1: 15, BOX_ROW: 21, BOX_ROW + 1: 66, BOX_ROW + 2: 6})
    exposure = sheet_ref(context.exposure.title, "$B$3")
    scenario = sheet_ref(context.scenario.title, "$B$3")
    canvas.calc(
        BOX_ROW - 1,
        FIRST_COLUMN,
        f'=IF(AND({exposure}="",{scenario}=""),"",{flag})',
        "",
        Style(size=9, bold=True, color="vermilion"),
    )
    for box, (first, last) in zip(boxes(context.figures, context.words), SPANS, strict=True):
        canvas.put(
            BOX_ROW,
            first,
            box.title,
            Style(bold=True, color="navy", fill="soft", border="top", indent=1),
        )
        canvas.merge(BOX_ROW, first, last)
        canvas.put(BOX_ROW + 1, first, box.text, Style(size=9, wrap=True, valign="top", indent=1))
        canvas.merge(BOX_ROW + 1, first, last)


def _table_head(
    context: Context, canvas: Canvas, row: int, spans: list[tuple[int, int, str]]
) -> None:
    canvas.heights[row] = 19
    for first, last, key in spans:
        text = context.words.line(f"column.{key}") if key else ""
        canvas.put(row, first, text, HEAD.but(size=8.5, wrap=False))
        if last > first:
            canvas.merge(row, first, last)


def _contributors(context: Context, canvas: Canvas, row: int) -> int:
    figures, words, layout = context.figures, context.words, context.layout
    losers = sorted(figures.positions, key=lambda p: (-figures.listing_loss(p), p.listing_id))
    gainers = sorted(figures.positions, key=lambda p: (-figures.listing_gain(p), p.listing_id))
    parts = [
        ("loss", "vermilion", losers[: layout.contributor_rows], figures.listing_loss),
        ("gain", "blue", gainers[: layout.gain_rows], figures.listing_gain),
    ]
    for key, colour, positions, measure in parts:
        total = sum(measure(p) for p in figures.positions)
        canvas.put(row, FIRST_COLUMN, words.line(f"section.top_{key}"), SECTION.but(size=10))
        canvas.heights[row] = 18
        _table_head(
            context,
            canvas,
            row + 1,
            [
                (2, 3, "listing"),
                (4, 6, "name"),
                (7, 7, "weight"),
                (8, 8, f"expected_{key}_bp"),
                (9, 10, "share"),
            ],
        )
        row += 2
        for position in positions:
            if figures.scenarios:
                _contributor(context, canvas, row, position, key, colour, measure(position), total)
            row += 1
    return row - 1


def _contributor(
    context: Context,
    canvas: Canvas,
    row: int,
    position: Position,
    key: str,
    colour: str,
    value: float,
    total: float,
) -> None:
    figures, words = context.figures, context.words
    place = figures.positions.index(position)
    source = context.exposure.first + place
    target = context.link("exposure", address(source, 2))
    canvas.heights[row] = 16.5
    canvas.put(row, 2, position.listing_id, LINKED, target)
    canvas.merge(row, 2, 3)
    canvas.put(
        row,
        4,
        words.pair(position.name_zh, position.name_en),
        Style(size=9, bold=True, shrink=True),
    )
    canvas.merge(row, 4, 6)
    weight = sheet_ref(context.exposure.title, address(source, context.exposure.weight_col))
    canvas.calc(row, 7, f"={weight}", position.weight, Style(size=9, fmt="0.0%", align="right"))
    grid = context.scenario
    col = grid.loss_col if key == "loss" else grid.gain_col
    at = sheet_ref(grid.title, address(grid.first + place, col))
    canvas.calc(row, 8, f"={at}", value, Style(size=9, fmt="0.0", align="right", color=colour))
    every = sheet_ref(grid.title, block(grid.first, col, grid.last, col))
    share = value / total if total else 0.0
    canvas.calc(
        row,
        9,
        f"=IF(SUM({every})=0,0,H{row}/SUM({every}))",
        share,
        Style(size=9, fmt="0%", align="right"),
    )
    bar = "█" * _half_up(share * 10)
    canvas.calc(
        row, 10, f'=REPT("█",ROUND(I{row}*10,0))', bar, Style(size=7, color=colour, align="left")
    )
    rule(canvas, row, 2, 10)


def _half_up(value: float) -> int:
    return int(value + 0.5)


def _limits(context: Context, canvas: Canvas, row: int) -> int:
    figures, words = context.figures, context.words
    canvas.put(
        row, 12, words.line("section.limit_monitor"), SECTION.but(size=10), context.link("trades")
    )
    _table_head(
        context,
        canvas,
        row + 1,
        [
            (12, 14, "limit"),
            (15, 15, "now_short"),
            (16, 16, "after_short"),
            (17, 17, "bound_short"),
            (18, 19, "state"),
        ],
    )
    current = figures.current_limits()
    if not current:
        canvas.put(row + 2, 12, words.line("plan.no_mandate"), QUIET)
        return row + 2
    first = row + 2
    for number, (limit, value, state) in enumerate(current[: context.layout.limit_rows]):
        _limit_row(context, canvas, first + number, limit, value, state)
    last = first + min(len(current), context.layout.limit_rows) - 1
    canvas.states.append(block(first, 18, last, 19))
    rest = len(current) - context.layout.limit_rows
    if rest > 0:
        last += 1
        canvas.put(
            last,
            12,
            words.line("limit_monitor.more", count=rest),
            LINKED.but(size=8.5),
            context.link("trades"),
        )
    return last


def _limit_row(
    context: Context, canvas: Canvas, row: int, limit: Limit, value: float | None, state: str
) -> None:
    figures, words = context.figures, context.words
    name = words.pair(*limit_name(words, figures, limit))
    canvas.put(row, 12, name, Style(size=9, shrink=True))
    canvas.merge(row, 12, 14)
    base = context.layout.unit_format(limit.unit or "fraction", total=True)
    fmt = f'{base};"−"{base};{base}'
    cell = Style(size=9, fmt=fmt, align="right")
    bounded = cell.but(fmt=";".join(f'"{limit.sign} "{part}' for part in fmt.split(";")))
    marked = Style(size=9, bold=True, align="center")
    place = _place(context, limit)
    canvas.put(row, 16, shown(figures.limit_after(limit)), cell)
    if place is None or value is None:
        canvas.put(row, 15, shown(value), cell)
        canvas.put(row, 17, limit.bound, bounded)
        canvas.put(row, 18, context.state_word(state), marked)
    else:
        grid, index = place
        canvas.calc(row, 15, f"={grid.total('counted', index)}", value, cell)
        canvas.calc(row, 17, f"={grid.total('cap', index)}", limit.bound, bounded)
        canvas.calc(row, 18, f"={grid.total('state', index)}", context.state_word(state), marked)
    canvas.merge(row, 18, 19)
    rule(canvas, row, 12, 19)


def _place(context: Context, limit: Limit) -> tuple[ExposureGrid | ScenarioGrid, int] | None:
    """Return where the sheet of factors or scenarios holds a limit as live cells."""
    figures = context.figures
    if figures.own_value(limit, figures.weights) is None:
        return None
    if limit.scenario is not None and figures.limit_on(limit.scenario) == limit:
        index = next(n for n, card in enumerate(figures.scenarios) if card.id == limit.scenario)
        return context.scenario, index
    column = figures.column_of(*limit.factor) if limit.factor else None
    if column is not None and figures.limit_of(column) == limit:
        return context.exposure, figures.columns.index(column)
    return None


def _foot(context: Context, canvas: Canvas, row: int) -> int:
    words = context.words
    others = [key for key in context.layout.sheets if key != "summary"]
    canvas.heights[row] = 18
    for number, key in enumerate(others):
        first = FIRST_COLUMN + 2 * number
        if first + 1 > LAST:
            break
        canvas.put(
            row, first, f"→ {words.line(f'sheet.{key}')}", LINKED.but(size=8.5), context.link(key)
        )
    canvas.put(row + 1, FIRST_COLUMN, words.line("foot.states"), QUIET.but(size=8))
    canvas.put(row + 2, FIRST_COLUMN, words.line("foot.disclaimer"), QUIET.but(size=8))
    return row + 2
