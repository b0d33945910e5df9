"""Listings × scenarios: signed returns, the portfolio's result, expected loss and gain; live on dials."""

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
    sheet_ref,
)
from exposure.reports.figures import BP, Figures, expected
from exposure.reports.limits import state_of
from exposure.reports.run import Interval, ScenarioCard
from exposure.reports.sheets.common import (
    FIRST_COLUMN,
    NOT_APPLICABLE,
    NOT_KNOWN,
    SMALLEST_EDIT,
    Context,
    ScenarioGrid,
    known,
    rule,
    shown,
    vertical,
)
from exposure.reports.text import percent, scenario_name
from exposure.schemas import SEVERITIES

NAME_ROW, DIAL_ROW, INDEX_ROW, CHANCE_ROW, RANGE_ROW, DURATION_ROW, CHECK_ROW, HEAD_ROW = range(
    4, 12
)
FIRST_ROW = 12
TOTAL = Style(fill="soft", align="center")
MINOR = Style(size=9, color="grey", align="center")
STATIC_ROWS = ("plausibility_d", "plausibility_p", "modelled", "inferred", "unmodelled")
_STATIC_FIELDS = {
    "plausibility_d": "plausibility_d",
    "plausibility_p": "plausibility_p",
    "modelled": "modelled_weight",
    "inferred": "inferred_weight",
    "unmodelled": "unmodelled_weight",
}


def scenario_grid(figures: Figures, title: str) -> ScenarioGrid:
    """Return where things will stand on the scenario sheet."""
    count = len(figures.scenarios)
    last = FIRST_ROW + max(len(figures.positions), 1) - 1
    first_block = 5 + count + 3
    totals = ["mid", "lo", "hi", "loss", "gain", "plan"]
    if figures.last_results:
        totals.append("last_run")
    totals += ["counted", "cap", "room", "state", *STATIC_ROWS]
    rows = {name: last + 1 + number for number, name in enumerate(totals)}
    rows.update(name=NAME_ROW, dial=DIAL_ROW, index=INDEX_ROW, chance=CHANCE_ROW)
    return ScenarioGrid(
        title=title,
        first=FIRST_ROW,
        last=last,
        scenario_col=5,
        scenarios=count,
        loss_col=5 + count,
        gain_col=5 + count + 1,
        blocks={name: first_block + number * count for number, name in enumerate(SEVERITIES)},
        rows=rows,
    )


def scenario_sheet(context: Context) -> Sheet:
    """Draw the scenario sheet."""
    figures, grid = context.figures, context.scenario
    widths = context.layout.widths
    canvas = Canvas("scenarios", grid.title, tab="vermilion")
    context.band(canvas, "scenarios", grid.gain_col)
    canvas.width(
        1,
        [
            widths["margin"],
            widths["listing"],
            widths["name"],
            widths["weight"],
            *[widths["scenario"]] * grid.scenarios,
            11,
            11,
            widths["margin"],
            *[8.5] * (3 * grid.scenarios),
        ],
    )
    _labels(context, canvas)
    for number, card in enumerate(figures.scenarios):
        _scenario_head(context, canvas, number, card)
    _flag(context, canvas)
    for number in range(len(figures.positions)):
        _position_row(context, canvas, number)
    _totals(context, canvas)
    _expected(context, canvas)
    bottom = _legend(context, canvas, max(grid.rows.values()) + 2)
    canvas.freeze = address(FIRST_ROW, 5)
    canvas.print_rows = f"{NAME_ROW}:{NAME_ROW}"
    canvas.fit_height = 1 if len(figures.positions) <= 25 else 0
    if grid.scenarios:
        canvas.hidden_columns.append((grid.blocks["low"], grid.blocks["high"] + grid.scenarios - 1))
        _names(context, canvas)
    return canvas.sheet(bottom, grid.gain_col)


def _labels(context: Context, canvas: Canvas) -> None:
    words, grid = context.words, context.scenario
    canvas.heights.update({NAME_ROW: 62, INDEX_ROW: 13, HEAD_ROW: 30})
    for row, key in (
        (NAME_ROW, "scenario"),
        (DIAL_ROW, "dial"),
        (INDEX_ROW, "index"),
        (CHANCE_ROW, "chance"),
        (RANGE_ROW, "chance_range"),
        (DURATION_ROW, "duration"),
        (CHECK_ROW, "check"),
    ):
        style = (
            HEAD
            if row == NAME_ROW
            else Style(
                size=9 if row == INDEX_ROW else 10,
                fill="soft",
                color="grey" if row == INDEX_ROW else "ink",
            )
        )
        canvas.put(row, FIRST_COLUMN, words.line(f"row.{key}"), style)
        canvas.merge(row, FIRST_COLUMN, 4)
    labels = [words.stack(f"column.{name}") for name in ("listing", "name", "weight_now")]
    labels += [f"{card.code}" for card in context.figures.scenarios]
    labels += [words.stack("column.expected_loss"), words.stack("column.expected_gain")]
    context.heads(canvas, HEAD_ROW, FIRST_COLUMN, labels, 30)
    for col in (grid.loss_col, grid.gain_col):
        for row in range(NAME_ROW, CHECK_ROW + 1):
            canvas.put(row, col, None, HEAD if row == NAME_ROW else Style(fill="soft"))


def _scenario_head(context: Context, canvas: Canvas, number: int, card: ScenarioCard) -> None:
    words, grid = context.words, context.scenario
    col = grid.scenario_col + number
    name = words.pair(*scenario_name(words, card, short=True), sep="\n")
    canvas.put(NAME_ROW, col, f"{card.code}\n{name}", HEAD.but(size=8.5))
    dial = canvas.put(DIAL_ROW, col, dial_word(context, context.layout.severity), INPUT)
    low, base, high = (quoted(dial_word(context, severity)) for severity in SEVERITIES)
    start = SEVERITIES.index(context.layout.severity) + 1
    canvas.calc(
        INDEX_ROW,
        col,
        f"=IF({dial}={low},1,IF({dial}={high},3,2))",
        start,
        MINOR.but(fill="soft", size=8, fmt="0"),
    )
    known = f"OR({dial}={low},{dial}={base},{dial}={high})"
    fine, again = context.state_word("ok"), f"▲ {words.line('flag.rerun')}"
    canvas.calc(
        CHECK_ROW,
        col,
        f"=IF({known},{quoted(fine)},{quoted(again)})",
        fine,
        Style(size=8, bold=True, align="center", fill="soft"),
    )
    chance = card.probability
    if chance is None:
        canvas.put(CHANCE_ROW, col, NOT_KNOWN, INPUT)
        canvas.put(RANGE_ROW, col, NOT_KNOWN, MINOR.but(fill="soft"))
    else:
        canvas.put(CHANCE_ROW, col, chance.mid, INPUT.but(fmt="0%"))
        canvas.put(
            RANGE_ROW,
            col,
            f"{percent(chance.lo, 0)}–{percent(chance.hi, 0)}",
            MINOR.but(fill="soft"),
        )
    canvas.put(DURATION_ROW, col, _years(card.duration_years), MINOR.but(fill="soft"))
    for severity, first in grid.blocks.items():
        at = first + number
        canvas.put(HEAD_ROW, at, card.code, HEAD.but(size=8))
        if number == 0:
            canvas.put(HEAD_ROW - 1, at, words.line(f"severity.{severity}"), QUIET)
        bound = (
            None
            if chance is None
            else {"low": chance.lo, "base": chance.mid, "high": chance.hi}[severity]
        )
        canvas.put(CHANCE_ROW, at, shown(bound), MINOR.but(fmt="0%"))
        canvas.put(INDEX_ROW, at, start, MINOR.but(fmt="0"))


def dial_word(context: Context, severity: str) -> str:
    """Return what the dial shows for a severity."""
    return context.words.line(f"severity.{severity}")


def _flag(context: Context, canvas: Canvas) -> None:
    grid = context.scenario
    if not grid.scenarios:
        return
    base = grid.blocks["base"]
    last = grid.scenario_col + grid.scenarios - 1
    now = block(CHANCE_ROW, grid.scenario_col, CHANCE_ROW, last)
    written = block(CHANCE_ROW, base, CHANCE_ROW, base + grid.scenarios - 1)
    dials = block(INDEX_ROW, grid.scenario_col, INDEX_ROW, last)
    start = block(INDEX_ROW, base, INDEX_ROW, base + grid.scenarios - 1)
    # SUM of squares in comma form skips the text of a scenario without a probability; SUMXMY2 may not.
    apart = f"ABS(SUMPRODUCT({now},{now})-2*SUMPRODUCT({now},{written})+SUMPRODUCT({written},{written}))"
    moved = f"SUMXMY2({dials},{start})"
    flag = quoted(context.words.line("flag.edited"))
    canvas.calc(
        3,
        FIRST_COLUMN,
        f'=IF({apart}+{moved}>{SMALLEST_EDIT},{flag},"")',
        "",
        Style(size=9, bold=True, color="vermilion"),
    )


def _position_row(context: Context, canvas: Canvas, number: int) -> None:
    figures, grid = context.figures, context.scenario
    position = figures.positions[number]
    row = grid.first + number
    source = context.exposure.first + number
    canvas.put(row, 2, position.listing_id, PLAIN, context.link("exposure", address(source, 2)))
    context.name_cell(canvas, row, 3, (position.name_zh, position.name_en))
    weight = sheet_ref(context.exposure.title, address(source, context.exposure.weight_col))
    canvas.calc(
        row,
        4,
        f"={weight}",
        position.weight,
        Style(align="right", fmt=context.layout.formats["weight"]),
    )
    signed = context.layout.formats["signed"]
    for offset, card in enumerate(figures.scenarios):
        ends = [figures.scenario_return(position, card.id, severity) for severity in SEVERITIES]
        places = [
            canvas.put(row, grid.blocks[severity] + offset, shown(end.ret), MINOR.but(fmt=signed))
            for severity, end in zip(SEVERITIES, ends, strict=True)
        ]
        chosen = ends[SEVERITIES.index(context.layout.severity)]
        style = Style(
            align="center",
            fmt=signed,
            italic=chosen.origin == "inferred",
            color="grey" if chosen.ret is None else "ink",
        )
        if chosen.origin == "inferred":
            style = style.but(fmt=";".join(f'{part}"~"' for part in signed.split(";")))
        index = address(INDEX_ROW, grid.scenario_col + offset, fix="r")
        value = NOT_KNOWN if chosen.ret is None else chosen.ret
        canvas.calc(
            row, grid.scenario_col + offset, f"=CHOOSE({index},{','.join(places)})", value, style
        )
    if grid.scenarios:
        own = block(row, grid.scenario_col, row, grid.scenario_col + grid.scenarios - 1)
        at = address(row, 4)
        bp = Style(align="right", indent=1, fmt="0.0")
        canvas.calc(
            row,
            grid.loss_col,
            f"=-10000*{at}*SUMPRODUCT(in_prob,--({own}<0),{own})",
            figures.listing_loss(position),
            bp.but(color="vermilion"),
        )
        canvas.calc(
            row,
            grid.gain_col,
            f"=10000*{at}*SUMPRODUCT(in_prob,--({own}>0),{own})",
            figures.listing_gain(position),
            bp.but(color="blue"),
        )
    rule(canvas, row, FIRST_COLUMN, grid.gain_col)


def _totals(context: Context, canvas: Canvas) -> None:
    words, grid, figures = context.words, context.scenario, context.figures
    body = {name: row for name, row in grid.rows.items() if row > grid.last}
    for name, row in body.items():
        canvas.heights[row] = 30 if name == "state" else 18
        canvas.put(
            row, FIRST_COLUMN, words.line(f"result.{name}"), Style(bold=name == "mid", fill="soft")
        )
        for col in range(FIRST_COLUMN + 1, grid.gain_col + 1):
            canvas.put(row, col, None, Style(fill="soft"))
    for offset, card in enumerate(figures.scenarios):
        _scenario_totals(context, canvas, offset, card)
    rule(canvas, grid.rows["mid"], FIRST_COLUMN, grid.gain_col, "top")
    rule(canvas, grid.rows["counted"], FIRST_COLUMN, grid.gain_col, "top")
    rule(canvas, grid.rows["plausibility_d"], FIRST_COLUMN, grid.gain_col, "top")
    if grid.scenarios:
        last = grid.scenario_col + grid.scenarios - 1
        canvas.states.append(block(grid.rows["state"], grid.scenario_col, grid.rows["state"], last))
        canvas.states.append(block(CHECK_ROW, grid.scenario_col, CHECK_ROW, last))
        canvas.scales.append(
            ColourScale(
                block(grid.first, grid.scenario_col, grid.last, last),
                ((-0.5, "loss_max"), (0.0, "white"), (0.3, "gain_max")),
            )
        )


def _scenario_totals(context: Context, canvas: Canvas, offset: int, card: ScenarioCard) -> None:
    figures, grid = context.figures, context.scenario
    rows, severity = grid.rows, context.layout.severity
    col = grid.scenario_col + offset
    signed = context.layout.formats["signed"]
    style = TOTAL.but(fmt=signed)
    own = vertical(grid.first, grid.last, col)
    reached = figures.reached(card.id, severity)
    now, plan = figures.weights, figures.plan_weights
    canvas.calc(
        rows["mid"],
        col,
        known(own, f"SUMPRODUCT(w_now,{own})"),
        shown(figures.result(card.id, severity, now) if reached else None),
        style.but(bold=True),
    )
    for name, sign, value in (
        ("loss", "<", figures.loss_part(card.id, severity, now)),
        ("gain", ">", figures.gain_part(card.id, severity, now)),
    ):
        canvas.calc(
            rows[name],
            col,
            known(own, f"SUMPRODUCT(w_now,--({own}{sign}0),{own})"),
            shown(value if reached else None),
            style.but(color="vermilion" if name == "loss" else "blue"),
        )
    if figures.has_plan:
        canvas.calc(
            rows["plan"],
            col,
            known(own, f"SUMPRODUCT(w_plan,{own})"),
            shown(figures.result(card.id, severity, plan) if reached else None),
            style,
        )
    else:
        canvas.put(rows["plan"], col, NOT_KNOWN, style)
    if "last_run" in rows:
        canvas.put(rows["last_run"], col, shown(figures.last_results.get(card.id)), style)
    index = address(INDEX_ROW, col, fix="r")
    for row, field in (("lo", "result_lo"), ("hi", "result_hi"), *_STATIC_FIELDS.items()):
        fmt = signed if row in ("lo", "hi") else "0.0" if row == "plausibility_d" else "0%"
        places: list[str] = []
        chosen: str | float = NOT_KNOWN
        for name in SEVERITIES:
            engine = figures.engine_results.get((card.id, name), {})
            end = engine.get(field)
            if row in ("lo", "hi") and not figures.reached(card.id, name):
                end = None
            style_end = MINOR.but(fmt=fmt)
            places.append(canvas.put(rows[row], grid.blocks[name] + offset, shown(end), style_end))
            if name == severity and end is not None:
                chosen = float(end)
        canvas.calc(
            rows[row],
            col,
            f"=CHOOSE({index},{','.join(places)})",
            chosen,
            TOTAL.but(fmt=fmt, color="grey"),
        )
    for name in SEVERITIES:
        at = grid.blocks[name] + offset
        block_of = vertical(grid.first, grid.last, at)
        canvas.calc(
            rows["mid"],
            at,
            known(block_of, f"SUMPRODUCT(w_now,{block_of})"),
            shown(figures.result(card.id, name, now) if figures.reached(card.id, name) else None),
            MINOR.but(fmt=signed),
        )
    _limit_rows(context, canvas, offset, card)


def _limit_rows(context: Context, canvas: Canvas, number: int, card: ScenarioCard) -> None:
    figures, grid = context.figures, context.scenario
    col = grid.scenario_col + number
    rows = grid.rows
    signed = context.layout.formats["signed"]
    limit = figures.limit_on(card.id)
    style = TOTAL.but(fmt=signed)
    small = TOTAL.but(size=8, bold=True, wrap=True)
    if limit is None:
        for name in ("counted", "cap", "room"):
            canvas.put(rows[name], col, NOT_APPLICABLE, style.but(color="grey"))
        word = context.words.line("state.no_limit")
        canvas.put(rows["state"], col, word, small.but(bold=False, color="grey"))
        return
    change = style.but(fmt=context.layout.formats["change"])
    bound_fmt = ";".join(f'"{limit.sign} "{part}' for part in signed.split(";"))
    value = figures.limit_now(limit)
    if figures.own_value(limit, figures.weights) is None:
        canvas.put(rows["counted"], col, shown(value), style)
        canvas.put(rows["cap"], col, limit.bound, style.but(fmt=bound_fmt))
        canvas.put(rows["room"], col, shown(None if value is None else limit.room(value)), change)
        canvas.put(rows["state"], col, context.state_word(figures.limit_state(limit, value)), small)
        return
    own = vertical(grid.first, grid.last, col)
    result = address(rows["mid"], col)
    unknown = f'(SUM(w_now)-SUMIF({own},">=-1E+99",w_now))'
    stored = grid.blocks[context.layout.severity] + number
    counted = canvas.put(
        rows["counted"], stored, figures.counted_unknown(limit), MINOR.but(fmt=signed)
    )
    at = canvas.calc(
        rows["counted"], col, f"=SUM({result})+{counted}*{unknown}", value or 0.0, style
    )
    cap = canvas.put(rows["cap"], col, limit.bound, INPUT.but(fmt=bound_fmt))
    room = limit.room(value or 0.0)
    formula = f"={at}-{cap}" if limit.sense == ">=" else f"={cap}-{at}"
    where = canvas.calc(rows["room"], col, formula, room, change)
    canvas.calc(
        rows["state"],
        col,
        context.state_formula(where, cap),
        context.state_word(state_of(room, limit.bound, context.layout)),
        small,
    )


def _expected(context: Context, canvas: Canvas) -> None:
    figures, grid = context.figures, context.scenario
    if not grid.scenarios:
        return
    last = grid.scenario_col + grid.scenarios - 1
    bp = TOTAL.but(align="right", indent=1, fmt="0.0", bold=True)
    rows = grid.rows
    weights = [("mid", figures.weights)]
    if figures.has_plan:
        weights.append(("plan", figures.plan_weights))
    for name, used in weights:
        own = block(rows[name], grid.scenario_col, rows[name], last)
        canvas.calc(
            rows[name],
            grid.loss_col,
            f"=-10000*SUMPRODUCT(in_prob,--({own}<0),{own})",
            figures.expected_loss(used),
            bp.but(color="vermilion", bold=name == "mid"),
        )
        canvas.calc(
            rows[name],
            grid.gain_col,
            f"=10000*SUMPRODUCT(in_prob,--({own}>0),{own})",
            figures.expected_gain(used),
            bp.but(color="blue", bold=name == "mid"),
        )
    for end, severity in (("lo", "low"), ("hi", "high")):
        first = grid.blocks[severity]
        own = block(rows["mid"], first, rows["mid"], first + grid.scenarios - 1)
        chances = block(CHANCE_ROW, first, CHANCE_ROW, first + grid.scenarios - 1)
        ends = [getattr(c.probability, end) if c.probability else None for c in figures.scenarios]
        values = figures.results(figures.weights, severity)
        # A low loss stands beside the better end of the results, a low gain beside the worse.
        loss_row, gain_row = (rows["hi"], rows["lo"]) if end == "lo" else (rows["lo"], rows["hi"])
        canvas.calc(
            loss_row,
            grid.loss_col,
            f"=-10000*SUMPRODUCT({chances},--({own}<0),{own})",
            figures.expected_loss_end(end),
            bp.but(bold=False, color="grey"),
        )
        canvas.calc(
            gain_row,
            grid.gain_col,
            f"=10000*SUMPRODUCT({chances},--({own}>0),{own})",
            BP * expected(ends, values, 1),
            bp.but(bold=False, color="grey"),
        )


def _legend(context: Context, canvas: Canvas, row: int) -> int:
    return context.legend(canvas, row, ("returns", "expected", "dial"))


def _names(context: Context, canvas: Canvas) -> None:
    words, grid = context.words, context.scenario
    last = grid.scenario_col + grid.scenarios - 1
    dials = block(DIAL_ROW, grid.scenario_col, DIAL_ROW, last)
    chances = block(CHANCE_ROW, grid.scenario_col, CHANCE_ROW, last)
    for name, row in (
        ("in_dial", DIAL_ROW),
        ("in_prob", CHANCE_ROW),
        ("in_loss_limit", grid.rows["cap"]),
    ):
        canvas.names[name] = block(row, grid.scenario_col, row, last, fix="rc")
    choices = tuple(dial_word(context, severity) for severity in SEVERITIES)
    canvas.validations.append(
        Validation(
            dials,
            "list",
            words.line("input.dial.title"),
            words.stack("input.dial.message"),
            choices,
        )
    )
    canvas.validations.append(
        Validation(
            chances,
            "decimal",
            words.line("input.chance.title"),
            words.stack("input.chance.message"),
        )
    )


def _years(span: Interval) -> str:
    return f"{span.lo:g}–{span.mid:g}–{span.hi:g}"
