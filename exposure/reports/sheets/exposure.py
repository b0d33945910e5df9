"""Positions × factors: the map, its totals, limits and states; live on weights and caps."""

from __future__ import annotations

from exposure.reports.cells import (
    HEAD,
    INPUT,
    PLAIN,
    QUIET,
    Canvas,
    ColourScale,
    Sheet,
    Style,
    Validation,
    address,
    block,
    quoted,
)
from exposure.reports.figures import FactorColumn, Figures, Position, Score
from exposure.reports.limits import state_of
from exposure.reports.sheets.common import (
    FIRST_COLUMN,
    NOT_APPLICABLE,
    NOT_KNOWN,
    SMALLEST_EDIT,
    Context,
    ExposureGrid,
    known,
    rule,
    shown,
    vertical,
)
from exposure.reports.text import factor_name

COVERED = ("observed", "estimated", "not_applicable")
HEAD_ROW = 6
FIRST_ROW = 7
NUMBER = Style(align="right")
TOTAL = Style(bold=True, fill="soft", align="center")
MINOR = Style(size=9, color="grey", align="center")


def exposure_grid(figures: Figures, title: str) -> ExposureGrid:
    """Return where things will stand on the exposure sheet."""
    count = len(figures.columns)
    last = FIRST_ROW + max(len(figures.positions), 1) - 1
    factor_col = 8
    lo_col = factor_col + count + 1
    totals = ["mid", "lo", "hi", "plan"]
    if figures.last_exposures:
        totals.append("last_run")
    totals += ["benchmark", "active", "coverage", "with_mid", "counted", "cap", "room", "state"]
    return ExposureGrid(
        title=title,
        first=FIRST_ROW,
        last=last,
        weight_col=5,
        plan_col=6,
        factor_col=factor_col,
        factors=count,
        lo_col=lo_col,
        hi_col=lo_col + count,
        status_col=lo_col + 2 * count,
        counted_col=lo_col + 3 * count,
        run_weight_col=lo_col + 4 * count,
        listed_col=lo_col + 4 * count + 1,
        possible_col=lo_col + 4 * count + 2,
        graded_col=lo_col + 4 * count + 3,
        rows={name: last + 1 + number for number, name in enumerate(totals)},
    )


def exposure_sheet(context: Context) -> Sheet:
    """Draw the exposure sheet."""
    figures, grid = context.figures, context.exposure
    widths = context.layout.widths
    canvas = Canvas("exposure", grid.title, tab="blue")
    last_col = grid.factor_col + grid.factors - 1
    context.band(canvas, "exposure", last_col)
    canvas.width(
        1,
        [
            widths["margin"],
            widths["listing"],
            widths["name"],
            widths["list_marks"],
            widths["weight"],
            widths["weight"],
            widths["grade"],
            *[widths["factor"]] * grid.factors,
            widths["margin"],
            *[widths["factor"]] * (4 * grid.factors + 4),
        ],
    )
    _headings(context, canvas)
    for number, position in enumerate(figures.positions):
        _position_row(context, canvas, grid.first + number, position)
    _totals(context, canvas)
    _helpers(context, canvas)
    bottom = _legend(context, canvas, max(grid.rows.values()) + 2)
    canvas.freeze = address(FIRST_ROW, 5)
    canvas.print_rows = f"{HEAD_ROW - 1}:{HEAD_ROW}"
    canvas.filter_ref = block(HEAD_ROW, FIRST_COLUMN, grid.last, last_col)
    canvas.fit_height = 1 if len(figures.positions) <= 25 else 0
    canvas.hidden_columns.append((grid.lo_col, grid.graded_col))
    _names(context, canvas)
    return canvas.sheet(bottom, last_col)


def _headings(context: Context, canvas: Canvas) -> None:
    words, grid, figures = context.words, context.exposure, context.figures
    flag = quoted(words.line("flag.edited"))
    canvas.heights[3] = 16
    weights = vertical(grid.first, grid.last, grid.weight_col)
    written = vertical(grid.first, grid.last, grid.run_weight_col)
    canvas.calc(
        3,
        FIRST_COLUMN,
        f'=IF(SUMXMY2({weights},{written})>{SMALLEST_EDIT},{flag},"")',
        "",
        Style(size=9, bold=True, color="vermilion"),
    )
    canvas.heights[5] = 18
    for col in range(FIRST_COLUMN, grid.factor_col):
        canvas.put(5, col, None, HEAD)
    start = 0
    for sign in context.layout.signs:
        count = sum(1 for c in figures.columns if c.card.sign == sign)
        if not count:
            continue
        first = grid.factor_col + start
        fill = "navy" if sign in ("harm", "two_sided") else "green"
        canvas.put(
            5,
            first,
            words.line(f"sign.{sign}") if count > 1 else words.stack(f"sign.{sign}"),
            HEAD.but(fill=fill),
        )
        if count > 1:
            canvas.merge(5, first, first + count - 1)
        else:
            canvas.heights[5] = 30
        start += count
    labels = [
        words.stack(f"column.{name}")
        for name in ("listing", "name", "list_marks", "weight_now", "weight_plan", "grade")
    ]
    context.heads(canvas, HEAD_ROW, FIRST_COLUMN, labels, 74)
    for number, factor in enumerate(figures.columns):
        name = words.pair(*factor_name(words, factor, short=True), sep="\n")
        stated = factor.card.unit_of(factor.basis)
        unit = words.maybe(f"unit.{stated}", stated)
        gain = factor.card.sign in ("gain", "mitigant")
        canvas.put(
            HEAD_ROW,
            grid.factor_col + number,
            f"{name}\n[{unit}]",
            HEAD.but(size=8, fill="green" if gain else "navy"),
        )


def _position_row(context: Context, canvas: Canvas, row: int, position: Position) -> None:
    grid, figures = context.exposure, context.figures
    formats = context.layout.formats
    canvas.put(row, 2, position.listing_id, PLAIN, link=context.link("contributions"))
    context.name_cell(canvas, row, 3, (position.name_zh, position.name_en))
    marks = " ".join(position.lists) + (" ?" if position.possible_lists else "")
    canvas.put(
        row,
        4,
        marks.strip(),
        Style(size=9, color="vermilion", bold=True, align="center"),
        link=context.link("lists") if marks else None,
    )
    canvas.put(
        row, grid.weight_col, position.weight, INPUT.but(fmt=formats["weight"], align="right")
    )
    plan = position.plan_weight if figures.has_plan else NOT_KNOWN
    canvas.put(row, grid.plan_col, plan, NUMBER.but(fmt=formats["weight"], color="grey"))
    canvas.put(row, 7, position.grade or NOT_APPLICABLE, Style(align="center"))
    for number, col in enumerate(figures.columns):
        score = figures.score(position, col)
        _score_cell(context, canvas, row, grid.factor_col + number, col, score)
        fmt = context.layout.unit_format(col.card.unit)
        canvas.put(row, grid.lo_col + number, score.lo, MINOR.but(fmt=fmt))
        canvas.put(row, grid.hi_col + number, score.hi, MINOR.but(fmt=fmt))
        canvas.put(row, grid.status_col + number, score.status, MINOR.but(size=8))
        limit = figures.limit_of(col)
        if limit is not None:
            counted = figures.counted_score(limit, position, col)
            canvas.put(row, grid.counted_col + number, counted, MINOR.but(fmt=fmt))
    canvas.put(row, grid.run_weight_col, position.weight, MINOR.but(fmt=formats["weight"]))
    canvas.put(row, grid.listed_col, 1 if position.lists else 0, MINOR)
    possible = 1 if position.lists or position.possible_lists else 0
    canvas.put(row, grid.possible_col, possible, MINOR)
    canvas.put(row, grid.graded_col, position.graded_ab, MINOR.but(fmt="0.000"))
    rule(canvas, row, FIRST_COLUMN, grid.factor_col + grid.factors - 1)
    canvas.paint(row, grid.weight_col, grid.weight_col, border="box")


def _score_cell(
    context: Context, canvas: Canvas, row: int, col: int, factor: FactorColumn, score: Score
) -> None:
    fmt = context.layout.unit_format(factor.card.unit)
    style = Style(align="center", fmt=fmt)
    link = context.evidence_link(score.evidence_ids)
    if score.mid is None:
        word = NOT_APPLICABLE if score.status == "not_applicable" else NOT_KNOWN
        canvas.put(row, col, word, style.but(color="grey"), link)
        return
    mark = {"imputed": "°", "not_applicable": NOT_APPLICABLE}.get(score.status, "")
    if score.stale:
        mark += "†"
    if mark:
        style = style.but(fmt=f'{fmt}"{mark}"')
    canvas.put(
        row, col, score.mid, style.but(italic=score.status in ("estimated", "imputed")), link
    )


def _totals(context: Context, canvas: Canvas) -> None:
    figures, words, grid = context.figures, context.words, context.exposure
    for name, row in grid.rows.items():
        strong = name in ("mid", "state")
        canvas.heights[row] = 30 if name == "state" else 18
        canvas.put(row, FIRST_COLUMN, words.line(f"total.{name}"), Style(bold=strong, fill="soft"))
        for col in range(FIRST_COLUMN + 1, grid.factor_col + grid.factors):
            canvas.put(row, col, None, Style(fill="soft"))
    weights = vertical(grid.first, grid.last, grid.weight_col)
    mid = grid.rows["mid"]
    canvas.calc(
        mid,
        grid.weight_col,
        f"=SUM({weights})",
        sum(figures.weights),
        TOTAL.but(fmt=context.layout.formats["weight"], align="right"),
    )
    if figures.has_plan:
        plan = vertical(grid.first, grid.last, grid.plan_col)
        canvas.calc(
            grid.rows["plan"],
            grid.plan_col,
            f"=SUM({plan})",
            sum(figures.plan_weights),
            TOTAL.but(fmt=context.layout.formats["weight"], align="right", bold=False),
        )
    for number, factor in enumerate(figures.columns):
        _factor_totals(context, canvas, number, factor)
    last = grid.factor_col + grid.factors - 1
    rule(canvas, grid.rows["mid"], FIRST_COLUMN, last, "top")
    rule(canvas, grid.rows["counted"], FIRST_COLUMN, last, "top")
    for number in range(grid.factors):
        canvas.paint(
            grid.rows["cap"], grid.factor_col + number, grid.factor_col + number, border="box"
        )
    canvas.states.append(block(grid.rows["state"], grid.factor_col, grid.rows["state"], last))


def _factor_totals(context: Context, canvas: Canvas, number: int, factor: FactorColumn) -> None:
    figures, grid = context.figures, context.exposure
    col = grid.factor_col + number
    rows = grid.rows
    fmt = context.layout.unit_format(factor.card.unit, total=True)
    plain = TOTAL.but(bold=False, fmt=fmt)
    weights, plan = figures.weights, figures.plan_weights
    scores = vertical(grid.first, grid.last, col)
    mid = figures.mid(factor, weights)
    canvas.calc(
        rows["mid"],
        col,
        known(scores, f"SUMPRODUCT(w_now,{scores})"),
        shown(mid),
        TOTAL.but(fmt=fmt),
    )
    for end, first in (("lo", grid.lo_col), ("hi", grid.hi_col)):
        bounds = vertical(grid.first, grid.last, first + number)
        canvas.calc(
            rows[end],
            col,
            f"=SUMPRODUCT(w_now,{bounds})",
            figures.exposure(factor, weights, end),
            plain.but(color="grey"),
        )
    if figures.has_plan:
        canvas.calc(
            rows["plan"],
            col,
            known(scores, f"SUMPRODUCT(w_plan,{scores})"),
            shown(figures.mid(factor, plan)),
            plain,
        )
    else:
        canvas.put(rows["plan"], col, NOT_KNOWN, plain)
    if "last_run" in rows:
        last = figures.last_exposures.get(factor.key)
        canvas.put(rows["last_run"], col, NOT_KNOWN if last is None else last, plain)
    engine = figures.engine_exposures.get(factor.key, {})
    benchmark = engine.get("benchmark")
    if benchmark is None:
        canvas.put(rows["benchmark"], col, NOT_KNOWN, plain)
        canvas.put(rows["active"], col, NOT_KNOWN, plain)
    else:
        theirs = canvas.put(rows["benchmark"], col, benchmark, plain)
        here = address(rows["mid"], col)
        canvas.calc(
            rows["active"],
            col,
            f'=IF(ISNUMBER({here}),{here}-{theirs},"{NOT_KNOWN}")',
            NOT_KNOWN if mid is None else mid - benchmark,
            plain.but(fmt=_signed(fmt)),
        )
    status = vertical(grid.first, grid.last, grid.status_col + number)
    covered = "+".join(f'SUMIF({status},"{word}",w_now)' for word in COVERED)
    coverage = figures.coverage(factor, weights)
    canvas.calc(rows["coverage"], col, f"={covered}", coverage, plain.but(fmt="0%"))
    canvas.calc(
        rows["with_mid"],
        col,
        f'=SUMIF({scores},">=-1E+99",w_now)',
        figures.with_mid(factor, weights),
        plain.but(fmt="0%"),
    )
    _limit_rows(context, canvas, col, factor, fmt, coverage)


def _limit_rows(
    context: Context,
    canvas: Canvas,
    col: int,
    factor: FactorColumn,
    fmt: str,
    coverage: float,
) -> None:
    figures, grid = context.figures, context.exposure
    rows = grid.rows
    limit = figures.limit_of(factor)
    plain = TOTAL.but(bold=False, fmt=fmt)
    small = TOTAL.but(size=8, wrap=True)
    if limit is None:
        for name in ("counted", "cap", "room"):
            canvas.put(rows[name], col, NOT_APPLICABLE, plain.but(color="grey"))
        word = context.words.line("state.no_limit")
        canvas.put(rows["state"], col, word, small.but(bold=False, color="grey"))
        return
    bound_fmt = f'"{limit.sign} "{fmt}'
    value = figures.limit_now(limit)
    low = coverage < context.layout.thresholds["coverage_floor"]
    if figures.own_value(limit, figures.weights) is None:
        # The engine counts something that the sheet can't add up (correlated errors, say): its answer stays as it is.
        canvas.put(rows["counted"], col, shown(value), plain)
        canvas.put(rows["cap"], col, limit.bound, plain.but(fmt=bound_fmt))
        room = None if value is None else limit.room(value)
        canvas.put(rows["room"], col, shown(room), plain.but(fmt=_signed(fmt)))
        canvas.put(rows["state"], col, context.state_word(figures.limit_state(limit, value)), small)
        return
    number = figures.columns.index(factor)
    counted = vertical(grid.first, grid.last, grid.counted_col + number)
    at = canvas.calc(rows["counted"], col, f"=SUMPRODUCT(w_now,{counted})", value or 0.0, plain)
    cap = canvas.put(rows["cap"], col, limit.bound, INPUT.but(fmt=bound_fmt))
    room = limit.room(value or 0.0)
    formula = f"={at}-{cap}" if limit.sense == ">=" else f"={cap}-{at}"
    room_at = canvas.calc(rows["room"], col, formula, room, plain.but(fmt=_signed(fmt)))
    state = "unknown" if low else state_of(room, limit.bound, context.layout)
    canvas.calc(
        rows["state"],
        col,
        context.state_formula(room_at, cap, address(rows["coverage"], col)),
        context.state_word(state),
        small,
    )


def _helpers(context: Context, canvas: Canvas) -> None:
    words, grid, figures = context.words, context.exposure, context.figures
    for first, key in (
        (grid.lo_col, "lo"),
        (grid.hi_col, "hi"),
        (grid.status_col, "status"),
        (grid.counted_col, "counted"),
    ):
        canvas.put(HEAD_ROW - 1, first, words.line(f"block.{key}"), QUIET)
        for number, factor in enumerate(figures.columns):
            name = words.pair(*factor_name(words, factor, short=True), sep="\n")
            canvas.put(HEAD_ROW, first + number, name, HEAD.but(size=8))
    for col, key in (
        (grid.run_weight_col, "run_weight"),
        (grid.listed_col, "listed"),
        (grid.possible_col, "possible"),
        (grid.graded_col, "graded"),
    ):
        canvas.put(HEAD_ROW, col, words.stack(f"block.{key}"), HEAD.but(size=8))


def _legend(context: Context, canvas: Canvas, row: int) -> int:
    return context.legend(canvas, row, ("status", "interval", "links"))


def _names(context: Context, canvas: Canvas) -> None:
    grid, words = context.exposure, context.words
    canvas.names["w_now"] = vertical(grid.first, grid.last, grid.weight_col, fix="rc")
    canvas.names["w_plan"] = vertical(grid.first, grid.last, grid.plan_col, fix="rc")
    cap = grid.rows["cap"]
    last = grid.factor_col + max(grid.factors, 1) - 1
    canvas.names["in_caps"] = block(cap, grid.factor_col, cap, last, fix="rc")
    canvas.validations.append(
        Validation(
            vertical(grid.first, grid.last, grid.weight_col),
            "decimal",
            words.line("input.weight.title"),
            words.stack("input.weight.message"),
            lowest=-1.0,
            highest=1.0,
        )
    )
    for number, factor in enumerate(context.figures.columns):
        col = grid.factor_col + number
        gain = factor.card.sign in ("gain", "mitigant")
        high = 1.0 if factor.card.highest <= 1 else factor.card.highest
        stops = (
            ((0.0, "white"), (high, "gain_max"))
            if gain
            else ((0.0, "white"), (high / 2, "level_mid"), (high, "level_max"))
        )
        canvas.scales.append(ColourScale(vertical(grid.first, grid.last, col), stops))


def _signed(fmt: str) -> str:
    return f'+{fmt};"−"{fmt};{fmt}'
