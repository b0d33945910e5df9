"""Listing × factor: weight times score, and its share; each column adds up to the exposure sheet."""

from __future__ import annotations

from exposure.reports.cells import (
    HEAD,
    PLAIN,
    QUIET,
    Canvas,
    ColourScale,
    Sheet,
    Style,
    address,
    quoted,
    sheet_ref,
)
from exposure.reports.sheets.common import (
    FIRST_COLUMN,
    NOT_KNOWN,
    Context,
    known,
    rule,
    shown,
    vertical,
)
from exposure.reports.text import factor_name

HEAD_ROW = 4
FIRST_ROW = 5
FACTOR_COL = 5
TOTAL = Style(bold=True, fill="soft", align="center")
CHECK_EDGE = "0.000000001"


def contribution_sheet(context: Context) -> Sheet:
    """Draw the contribution sheet: the sums above, the shares below."""
    figures, words = context.figures, context.words
    widths = context.layout.widths
    canvas = Canvas("contributions", context.titles["contributions"], tab="orange")
    last_col = FACTOR_COL + len(figures.columns) - 1
    context.band(canvas, "contributions", last_col)
    canvas.width(
        1,
        [
            widths["margin"],
            widths["listing"],
            widths["name"],
            widths["weight"],
            *[widths["factor"]] * len(figures.columns),
        ],
    )
    count = max(len(figures.positions), 1)
    total = FIRST_ROW + count
    _headings(context, canvas, HEAD_ROW, "column.contribution")
    for number in range(len(figures.positions)):
        _sums(context, canvas, FIRST_ROW + number, number)
    _check(context, canvas, total, last_col)
    share_head = total + 4
    canvas.put(
        share_head - 1,
        FIRST_COLUMN,
        words.line("section.shares"),
        Style(size=11, bold=True, color="navy"),
    )
    _headings(context, canvas, share_head, "column.share")
    for number in range(len(figures.positions)):
        _shares(context, canvas, share_head + 1 + number, number, total)
    canvas.scales.append(
        ColourScale(
            f"{address(share_head + 1, FACTOR_COL)}:{address(share_head + count, max(last_col, FACTOR_COL))}",
            ((0.0, "white"), (0.25, "level_mid"), (0.5, "level_max")),
        )
    )
    bottom = _concentration(context, canvas, share_head + count + 2)
    canvas.freeze = address(FIRST_ROW, 5)
    canvas.print_rows = f"{HEAD_ROW}:{HEAD_ROW}"
    canvas.fit_height = 1 if len(figures.positions) <= 20 else 0
    return canvas.sheet(bottom, last_col)


def _headings(context: Context, canvas: Canvas, row: int, key: str) -> None:
    words = context.words
    labels = [words.stack(f"column.{name}") for name in ("listing", "name", "weight_now")]
    labels += [
        words.pair(*factor_name(words, column, short=True), sep="\n")
        for column in context.figures.columns
    ]
    context.heads(canvas, row, FIRST_COLUMN, labels, 62)
    for number, factor in enumerate(context.figures.columns):
        gain = factor.card.sign in ("gain", "mitigant")
        canvas.put(
            row,
            FACTOR_COL + number,
            labels[3 + number],
            HEAD.but(size=8, fill="green" if gain else "navy"),
        )
    if key == "column.contribution":
        canvas.put(row - 1, FIRST_COLUMN, words.line(key), QUIET)


def _row_head(context: Context, canvas: Canvas, row: int, number: int) -> str:
    position = context.figures.positions[number]
    grid = context.exposure
    source = grid.first + number
    canvas.put(row, 2, position.listing_id, PLAIN, context.link("exposure", address(source, 2)))
    context.name_cell(canvas, row, 3, (position.name_zh, position.name_en), 16)
    weight = sheet_ref(grid.title, address(source, grid.weight_col))
    return canvas.calc(
        row,
        4,
        f"={weight}",
        position.weight,
        Style(align="right", fmt=context.layout.formats["weight"]),
    )


def _sums(context: Context, canvas: Canvas, row: int, number: int) -> None:
    figures, grid = context.figures, context.exposure
    position = figures.positions[number]
    weight = _row_head(context, canvas, row, number)
    for offset, factor in enumerate(figures.columns):
        score = figures.score(position, factor).mid
        fmt = context.layout.unit_format(factor.card.unit, total=True)
        style = Style(align="center", fmt=fmt)
        if score is None:
            canvas.put(row, FACTOR_COL + offset, NOT_KNOWN, style.but(color="grey"))
            continue
        at = sheet_ref(grid.title, address(grid.first + number, grid.factor_col + offset))
        fixed = weight.replace("D", "$D")
        canvas.calc(row, FACTOR_COL + offset, f"={fixed}*{at}", position.weight * score, style)
    rule(canvas, row, FIRST_COLUMN, FACTOR_COL + len(figures.columns) - 1)


def _check(context: Context, canvas: Canvas, total: int, last_col: int) -> None:
    figures, words, grid = context.figures, context.words, context.exposure
    fine, wrong = context.state_word("ok"), context.state_word("breach")
    for row, key in ((total, "total.sum"), (total + 1, "total.check")):
        canvas.put(row, FIRST_COLUMN, words.line(key), Style(bold=True, fill="soft"))
        for col in range(FIRST_COLUMN + 1, last_col + 1):
            canvas.put(row, col, None, Style(fill="soft"))
    for offset, factor in enumerate(figures.columns):
        col = FACTOR_COL + offset
        own = vertical(FIRST_ROW, total - 1, col)
        fmt = context.layout.unit_format(factor.card.unit, total=True)
        at = canvas.calc(
            total,
            col,
            known(own, f"SUM({own})"),
            shown(figures.mid(factor, figures.weights)),
            TOTAL.but(fmt=fmt),
        )
        canvas.calc(
            total + 1,
            col,
            f"=IF(ABS(SUM({at})-SUM({grid.total('mid', offset)}))<{CHECK_EDGE},{quoted(fine)},{quoted(wrong)})",
            fine,
            TOTAL.but(size=8),
        )
    rule(canvas, total, FIRST_COLUMN, last_col, "top")
    canvas.states.append(
        f"{address(total + 1, FACTOR_COL)}:{address(total + 1, max(last_col, FACTOR_COL))}"
    )


def _shares(context: Context, canvas: Canvas, row: int, number: int, total: int) -> None:
    figures = context.figures
    position = figures.positions[number]
    _row_head(context, canvas, row, number)
    for offset, factor in enumerate(figures.columns):
        col = FACTOR_COL + offset
        score = figures.score(position, factor).mid
        style = Style(align="center", fmt="0%")
        if score is None:
            canvas.put(row, col, NOT_KNOWN, style.but(color="grey"))
            continue
        sum_at = address(total, col, fix="r")
        own = address(FIRST_ROW + number, col)
        exposure = figures.exposure(factor, figures.weights)
        share = position.weight * score / exposure if exposure else 0.0
        canvas.calc(row, col, f"=IF({sum_at}=0,0,{own}/{sum_at})", share, style)
    rule(canvas, row, FIRST_COLUMN, FACTOR_COL + len(figures.columns) - 1)


def _concentration(context: Context, canvas: Canvas, row: int) -> int:
    words, figures = context.words, context.figures
    squares = sum(weight * weight for weight in figures.weights)
    canvas.put(row, FIRST_COLUMN, words.line("total.effective_holdings"), Style(bold=True))
    canvas.calc(
        row,
        4,
        "=IF(SUMSQ(w_now)=0,0,1/SUMSQ(w_now))",
        1 / squares if squares else 0.0,
        Style(align="right", fmt="0.0", bold=True),
    )
    canvas.put(row + 1, FIRST_COLUMN, words.line("legend.contribution"), QUIET)
    return row + 1
