"""The six figures at the top of the summary."""

from __future__ import annotations

from dataclasses import dataclass

from exposure.reports.cells import Canvas, Style, address, block, quoted, sheet_ref
from exposure.reports.layout import Card
from exposure.reports.sheets.common import NOT_APPLICABLE, NOT_KNOWN, Context, shown
from exposure.reports.sheets.pictures import CHART_ROW, SCENARIO_HELPER, chart_label
from exposure.reports.text import factor_name, percent

CARD_ROW = 5
SIGNED = '0.0%;"−"0.0%;0.0%'


@dataclass(frozen=True, slots=True)
class Figure:
    """What a card shows: a live number with its ends, its change, its limit and its state."""

    label: str
    formula: str
    value: str | float
    fmt: str
    lo: tuple[str, float | str] | None = None
    hi: tuple[str, float | str] | None = None
    change: float | None = None
    change_fmt: str = ""
    limit: tuple[str, float | str] | None = None
    limit_fmt: str = ""
    sign: str = "≤"
    state: tuple[str, str] | None = None
    note: str = ""
    note_formula: str | None = None
    link: str = "exposure"


def make_figure(context: Context, card: Card) -> Figure | None:
    """Return what a card shows; None where the run has nothing of the kind."""
    made = {
        "expected_loss": _expected_loss,
        "factor": _factor,
        "listed_weight": _listed_weight,
        "worst_scenario": _worst_scenario,
        "evidence_quality": _evidence_quality,
    }
    return made[card.kind](context, card)


def _expected_loss(context: Context, card: Card) -> Figure | None:
    figures, grid = context.figures, context.scenario
    if figures.worst is None:
        return None
    loss = figures.expected_loss(figures.weights)
    last = context.run.comparison
    before = last.expected_loss_bp if last else None

    def at(name: str, col: int) -> str:
        return f"={sheet_ref(grid.title, address(grid.rows[name], col))}"

    amount = f"{figures.expected_gain(figures.weights):,.0f} bp"
    gain = f"{context.words.line('card.gain')} {amount}"
    return Figure(
        label=context.words.line(f"card.{card.kind}"),
        formula=at("mid", grid.loss_col),
        value=loss,
        fmt='#,##0" bp"',
        lo=(at("hi", grid.loss_col), figures.expected_loss_end("lo")),
        hi=(at("lo", grid.loss_col), figures.expected_loss_end("hi")),
        change=None if before is None else loss - before,
        change_fmt='"▲ +"#,##0" bp";"▼ −"#,##0" bp";"● "0',
        note=gain,
        link="scenarios",
    )


def _factor(context: Context, card: Card) -> Figure | None:
    figures, grid, words = context.figures, context.exposure, context.words
    column = figures.column_of(card.factor or "")
    if column is None:
        return None
    index = figures.columns.index(column)
    fmt = context.layout.unit_format(column.card.unit, total=True)
    value = figures.mid(column, figures.weights)
    before = figures.last_exposures.get(column.key)
    limit = figures.limit_of(column)
    state, counted, standing = None, None, "ok"
    if limit is not None:
        counted = figures.limit_now(limit)
        standing = figures.limit_state(limit, counted)
        state = (f"={grid.total('state', index)}", context.state_word(standing))
    other = next((c for c in figures.columns if c.card.id == column.card.id and c != column), None)
    note = ""
    if other is not None:
        basis = other.card.basis_names.get(other.basis, (other.basis, other.basis))
        amount = figures.mid(other, figures.weights)
        note = f"{words.pair(*basis)} {NOT_KNOWN if amount is None else percent(amount)}"
    apart = counted is not None and (value is None or abs(counted - value) > 0.0005)
    if apart and counted is not None and (standing != "ok" or not note):
        # Without this line a limit would seem broken by a figure that lies below it.
        note = f"{words.line('card.counted')} {percent(counted)}"
    return Figure(
        label=words.pair(*factor_name(words, column, short=True)),
        formula=f"={grid.total('mid', index)}",
        value=shown(value),
        fmt=fmt,
        lo=(f"={grid.total('lo', index)}", figures.exposure(column, figures.weights, "lo")),
        hi=(f"={grid.total('hi', index)}", figures.exposure(column, figures.weights, "hi")),
        change=None if before is None or value is None else value - before,
        change_fmt='"▲ +"0.0%;"▼ −"0.0%;"● "0.0%',
        limit=None if limit is None else (f"={grid.total('cap', index)}", limit.bound),
        limit_fmt=fmt,
        sign=limit.sign if limit else "≤",
        state=state,
        note=note,
    )


def _listed_weight(context: Context, card: Card) -> Figure:
    figures, grid = context.figures, context.exposure
    now = figures.listed_weight()
    listed, possible = grid.vector(grid.listed_col), grid.vector(grid.possible_col)
    certain = f"=SUMPRODUCT(w_now,{listed})"
    return Figure(
        label=context.words.line(f"card.{card.kind}"),
        formula=certain,
        value=now,
        fmt="0.0%",
        lo=(certain, now),
        hi=(f"=SUMPRODUCT(w_now,{possible})", figures.listed_weight(possible=True)),
        note=" ".join(card.lists),
        link="lists",
    )


def _worst_scenario(context: Context, card: Card) -> Figure | None:
    figures, grid = context.figures, context.scenario
    if figures.worst is None:
        return None
    scenario = figures.scenarios[figures.worst]
    row = grid.across("mid")
    first, last = grid.scenario_col, grid.scenario_col + grid.scenarios - 1
    place = f"MATCH(MIN({row}),{row},0)"

    def end(name: str) -> tuple[str, float | str]:
        field = {"lo": "result_lo", "hi": "result_hi"}[name]
        engine = figures.engine_results.get((scenario.id, context.layout.severity), {})
        cells = sheet_ref(
            grid.title, block(grid.rows[name], first, grid.rows[name], last, fix="rc")
        )
        return f"=INDEX({cells},1,{place})", engine.get(field, NOT_KNOWN)

    names = block(
        CHART_ROW + 1, SCENARIO_HELPER, CHART_ROW + grid.scenarios, SCENARIO_HELPER, fix="rc"
    )
    value = figures.worst_result(figures.weights)
    limit = figures.limit_on(scenario.id)
    before = min(figures.last_results.values()) if figures.last_results else None
    state = context.words.line("state.no_limit")
    if limit is not None:
        state = context.state_word(figures.limit_state(limit, figures.limit_now(limit)))
    return Figure(
        label=context.words.line(f"card.{card.kind}"),
        formula=f"=MIN({row})",
        value=shown(value),
        fmt=SIGNED,
        lo=end("lo"),
        hi=end("hi"),
        change=None if before is None or value is None else value - before,
        change_fmt='"▲ +"0.0%;"▼ −"0.0%;"● "0.0%',
        limit=(
            f"=INDEX({grid.across('cap')},1,{place})",
            NOT_APPLICABLE if limit is None else limit.bound,
        ),
        limit_fmt=SIGNED,
        sign="≥",
        state=(f"=INDEX({grid.across('state')},1,{place})", state),
        note=chart_label(context, scenario),
        note_formula=f"=INDEX({names},{place},1)",
        link="scenarios",
    )


def _evidence_quality(context: Context, card: Card) -> Figure:
    figures, grid = context.figures, context.exposure
    floor = context.layout.thresholds["evidence_ab_floor"]
    graded = f"IF(SUM(w_now)=0,0,SUMPRODUCT(w_now,{grid.vector(grid.graded_col)})/SUM(w_now))"
    # A threshold of ours, not a limit of the mandate: falling short asks for a look, it breaks nothing.
    fine, look = context.state_word("ok"), context.state_word("watch")
    word = look if figures.graded_ab < floor else fine
    return Figure(
        label=context.words.line(f"card.{card.kind}"),
        formula=f"={graded}",
        value=figures.graded_ab,
        fmt="0%",
        limit=(f"={floor:g}", floor),
        limit_fmt="0%",
        sign="≥",
        state=(f"=IF({graded}<{floor:g},{quoted(look)},{quoted(fine)})", word),
        note=f"{context.words.line('card.coverage')} {percent(context.run.coverage, 0)}",
        link="data_quality",
    )


def draw_card(context: Context, canvas: Canvas, first: int, figure: Figure) -> None:
    """Draw a card over three columns."""
    last = first + 2
    base = Style(fill="white", border="accent:navy")
    heights = (17, 33, 16, 15, 20)
    for offset, height in enumerate(heights):
        canvas.heights[CARD_ROW + offset] = height
        for col in range(first, last + 1):
            canvas.put(
                CARD_ROW + offset,
                col,
                None,
                Style(border="accent:navy" if col == first else "card"),
            )
    canvas.put(
        CARD_ROW,
        first,
        figure.label,
        base.but(size=9, color="grey", indent=1),
        context.link(figure.link),
    )
    canvas.merge(CARD_ROW, first, last)
    canvas.calc(
        CARD_ROW + 1,
        first,
        figure.formula,
        figure.value,
        base.but(size=21, bold=True, fmt=figure.fmt, align="left", indent=1),
    )
    canvas.merge(CARD_ROW + 1, first, last)
    _card_ends(context, canvas, first, figure, base)
    quiet = base.but(size=8.5, color="grey", indent=1)
    if figure.note_formula is None:
        canvas.put(CARD_ROW + 3, first, figure.note, quiet)
    else:
        canvas.calc(CARD_ROW + 3, first, figure.note_formula, figure.note, quiet)
    canvas.merge(CARD_ROW + 3, first, last)
    _card_state(context, canvas, first, figure, base)


def _card_ends(context: Context, canvas: Canvas, first: int, figure: Figure, base: Style) -> None:
    row = CARD_ROW + 2
    small = base.but(size=9, color="grey")
    if figure.lo is not None and figure.hi is not None:
        parts = figure.fmt.split(";")
        canvas.calc(
            row,
            first,
            figure.lo[0],
            figure.lo[1],
            small.but(align="right", fmt=";".join(f'{part}" –"' for part in parts)),
        )
        canvas.calc(
            row,
            first + 1,
            figure.hi[0],
            figure.hi[1],
            small.but(align="left", fmt=figure.fmt, border=None),
        )
    if figure.change is None:
        text = (
            context.words.line("card.no_change")
            if context.run.comparison is None
            else NOT_APPLICABLE
        )
        canvas.put(row, first + 2, text, small.but(size=8, border="card", align="right", indent=1))
    else:
        canvas.put(
            row,
            first + 2,
            figure.change,
            small.but(fmt=figure.change_fmt, border="card", align="right", indent=1),
        )


def _card_state(context: Context, canvas: Canvas, first: int, figure: Figure, base: Style) -> None:
    row = CARD_ROW + 4
    style = base.but(size=9, bold=True, indent=1)
    if figure.state is None or figure.limit is None:
        word = context.words.line("state.no_limit")
        canvas.put(row, first, word, style.but(bold=False, color="grey", fill="soft"))
        canvas.merge(row, first, first + 2)
        return
    canvas.calc(row, first, *figure.state, style)
    canvas.merge(row, first, first + 1)
    fmt = ";".join(f'"{figure.sign} "{part}' for part in figure.limit_fmt.split(";"))
    bound = Style(size=9, bold=True, color="grey", fill="soft", fmt=fmt, align="right", indent=1)
    canvas.calc(row, first + 2, *figure.limit, bound)
    canvas.states.append(block(row, first, row, first + 1))
