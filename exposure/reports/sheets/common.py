"""What all sheets share: titles, where the numbers of another sheet stand, states, legends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from exposure.reports.cells import (
    HEAD,
    QUIET,
    STATE_SHAPES,
    SUBTITLE,
    TITLE,
    Canvas,
    Link,
    ListTable,
    Style,
    Value,
    address,
    block,
    clean_text,
    quoted,
    sheet_ref,
    text_width,
)
from exposure.reports.figures import Figures
from exposure.reports.layout import Layout
from exposure.reports.run import Run
from exposure.reports.text import Words

WRAP_SLACK = 1.08  # a column of width 10 holds about 12 characters of 9 points; the rest is slack
SMALLEST_EDIT = "0.000000000001"  # written out: spreadsheets rewrite powers of ten on saving
NOT_KNOWN = "n/a"
NOT_APPLICABLE = "–"
FIRST_COLUMN = 2  # column A is a margin


@dataclass(frozen=True, slots=True)
class ExposureGrid:
    """Where things stand on the exposure sheet; other sheets build their formulas on it."""

    title: str
    first: int
    last: int
    weight_col: int
    plan_col: int
    factor_col: int
    factors: int
    lo_col: int
    hi_col: int
    status_col: int
    counted_col: int
    run_weight_col: int
    listed_col: int
    possible_col: int
    graded_col: int
    rows: Mapping[str, int]  # name of a total → row

    def vector(self, col: int) -> str:
        """Return a column of the positions, from another sheet."""
        return sheet_ref(self.title, block(self.first, col, self.last, col, fix="rc"))

    def total(self, name: str, index: int) -> str:
        """Return a total of the ``index``-th factor column, from another sheet."""
        return sheet_ref(self.title, address(self.rows[name], self.factor_col + index, fix="rc"))


@dataclass(frozen=True, slots=True)
class ScenarioGrid:
    """Where things stand on the scenario sheet."""

    title: str
    first: int
    last: int
    scenario_col: int
    scenarios: int
    loss_col: int
    gain_col: int
    blocks: Mapping[str, int]  # severity → first column of its block
    rows: Mapping[str, int]

    def total(self, name: str, index: int) -> str:
        """Return a row's cell of the ``index``-th scenario, from another sheet."""
        return sheet_ref(self.title, address(self.rows[name], self.scenario_col + index, fix="rc"))

    def across(self, name: str) -> str:
        """Return a row over all scenarios, from another sheet."""
        row = self.rows[name]
        last = self.scenario_col + self.scenarios - 1
        return sheet_ref(self.title, block(row, self.scenario_col, row, last, fix="rc"))


@dataclass(frozen=True, slots=True)
class Context:
    """A run with its numbers, words and the places of the sheets."""

    figures: Figures
    words: Words
    titles: Mapping[str, str]
    exposure: ExposureGrid
    scenario: ScenarioGrid
    evidence_rows: Mapping[str, int]

    @property
    def run(self) -> Run:
        """Return the run."""
        return self.figures.run

    @property
    def layout(self) -> Layout:
        """Return the layout."""
        return self.figures.layout

    def has(self, sheet: str) -> bool:
        """Whether the workbook holds a sheet."""
        return sheet in self.titles

    def link(self, sheet: str, ref: str = "A1") -> Link | None:
        """Return a link to a cell of another sheet, None where the workbook lacks the sheet."""
        return Link(self.titles[sheet], ref) if sheet in self.titles else None

    def evidence_link(self, evidence_ids: Sequence[str]) -> Link | None:
        """Return a link to the first line of evidence that the ledger holds."""
        for evidence_id in evidence_ids:
            if evidence_id in self.evidence_rows:
                return self.link("evidence", address(self.evidence_rows[evidence_id], 2))
        return None

    def state_word(self, state: str) -> str:
        """Return a state as shape and words."""
        return f"{STATE_SHAPES[state]} {self.words.line(f'state.{state}')}"

    def state_formula(self, room: str, bound: str, coverage: str | None = None) -> str:
        """Return the formula of a state from the cells of room and bound (and coverage)."""
        thresholds = self.layout.thresholds
        edge = f"{thresholds['at_limit_room']:.5f}"
        watch = f"{thresholds['watch_room']:g}"
        words = {state: quoted(self.state_word(state)) for state in STATE_SHAPES}
        inner = (
            f"IF({room}<-{edge},{words['breach']},IF({room}<{edge},{words['at_limit']},"
            f"IF({room}<{watch}*ABS({bound}),{words['watch']},{words['ok']})))"
        )
        if coverage is None:
            return f"={inner}"
        floor = f"{thresholds['coverage_floor']:g}"
        return f"=IF({coverage}<{floor},{words['unknown']},{inner})"

    def band(self, canvas: Canvas, key: str, last_col: int) -> None:
        """Draw the title of a sheet over two dark rows."""
        for row, height in ((1, 28), (2, 18)):
            canvas.heights[row] = height
            for col in range(1, last_col + 1):
                canvas.put(row, col, None, TITLE if row == 1 else SUBTITLE)
        canvas.put(
            1, FIRST_COLUMN, self.words.pair(*self.words.both(f"title.{key}"), sep="   "), TITLE
        )
        canvas.put(
            2,
            FIRST_COLUMN,
            self.words.pair(*self.words.both(f"subtitle.{key}"), sep=" · "),
            SUBTITLE,
        )

    def name_cell(
        self, canvas: Canvas, row: int, col: int, name: tuple[str, str], height: float = 17
    ) -> None:
        """Write a company's name, over two lines where it is long."""
        text = self.words.pair(*name)
        style = Style(size=9, bold=True, wrap=True)
        canvas.put(row, col, text, style)
        width = self.layout.widths["name"]
        canvas.heights[row] = wrapped_height([(text, width)], line=12.5, least=height)

    def legend(self, canvas: Canvas, row: int, keys: Sequence[str]) -> int:
        """Write explanations under a table, each language on its own line; return the last row."""
        for key in keys:
            for text in dict.fromkeys(self.words.each(f"legend.{key}")):
                canvas.put(row, FIRST_COLUMN, text, QUIET.but(size=8.5))
                row += 1
        return row - 1

    def heads(
        self, canvas: Canvas, row: int, first: int, labels: Sequence[str], height: float = 34
    ) -> None:
        """Draw a row of column headings."""
        canvas.heights[row] = height
        for offset, label in enumerate(labels):
            canvas.put(row, first + offset, label, HEAD)


def vertical(row: int, last_row: int, col: int, *, fix: str = "") -> str:
    """Return a stretch of a column."""
    return block(row, col, last_row, col, fix=fix)


def shown(value: str | float | None) -> str | float:
    """Return a value for a cell: what is not known says so."""
    return NOT_KNOWN if value is None else value


def known(cells: str, formula: str) -> str:
    """Return the formula of a sum that says n/a where none of the cells holds a number.

    Examples
    --------
    >>> known("F6:F9", "SUM(F6:F9)")
    '=IF(COUNT(F6:F9)=0,"n/a",SUM(F6:F9))'
    """
    return f'=IF(COUNT({cells})=0,"{NOT_KNOWN}",{formula})'


def wrapped_height(
    texts: Sequence[tuple[str, float]], line: float = 13.5, least: float = 16
) -> float:
    """Return a row height that holds wrapped texts, each given with its column's width."""
    lines = 1
    for text, width in texts:
        usable = max(width * WRAP_SLACK, 1)
        lines = max(
            lines,
            sum(
                max(1, -(-text_width(part) // int(usable))) for part in clean_text(text).split("\n")
            ),
        )
    return min(max(least, lines * line + 3), 400)


def rule(canvas: Canvas, row: int, first: int, last: int, border: str = "hair") -> None:
    """Draw a thin line under a row."""
    canvas.paint(row, first, last, border=border)


CENTRED = {
    "order", "grade", "row", "lot", "currency", "list", "period", "known_on", "valid_from", "edition", "reviewed_on",
    "new",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """One cell of a plain table: what it shows, where a click leads, and whether it stands out."""

    value: Value
    link: Link | None = None
    bold: bool = False
    color: str = "ink"


def draw_table(
    context: Context,
    canvas: Canvas,
    name: str,
    top: int,
    rows: Sequence[Mapping[str, Entry | Value]],
    *,
    table: str | None = None,
) -> int:
    """Draw a plain table in the columns of the layout and return its last row.

    Parameters
    ----------
    name
        The table of the layout; its headings are ``column.<key>`` of the wording.
    table
        Name of the ListObject to put over it; none without rows, for a ListObject needs one.
    """
    columns = context.layout.tables[name]
    labels = [context.words.line(f"column.{column.key}") for column in columns]
    context.heads(canvas, top, FIRST_COLUMN, labels, 32)
    for number, entries in enumerate(rows):
        row = top + 1 + number
        texts: list[tuple[str, float]] = []
        for offset, column in enumerate(columns):
            entry = entries.get(column.key)
            entry = entry if isinstance(entry, Entry) else Entry(entry)
            value = entry.value
            numeric = isinstance(value, int | float) and not isinstance(value, bool)
            style = Style(
                size=9,
                bold=entry.bold,
                color="blue" if entry.link else entry.color,
                underline=entry.link is not None,
                fmt=context.layout.formats[column.format] if column.format else None,
                align="center" if column.key in CENTRED else "right" if numeric else "left",
                indent=0 if numeric or column.key in CENTRED else 1,
                valign="top",
                wrap=not numeric,
            )
            canvas.put(row, FIRST_COLUMN + offset, value, style, entry.link)
            if isinstance(value, str):
                texts.append((value, column.width))
        canvas.heights[row] = wrapped_height(texts)
        rule(canvas, row, FIRST_COLUMN, FIRST_COLUMN + len(columns) - 1)
    last = top + len(rows)
    if table is not None and rows:
        canvas.tables.append(
            ListTable(table, block(top, FIRST_COLUMN, last, FIRST_COLUMN + len(columns) - 1))
        )
    return last


def widen(canvas: Canvas, context: Context, name: str) -> int:
    """Set the widths of a table's columns and return its last column."""
    columns = context.layout.tables[name]
    canvas.width(1, [context.layout.widths["margin"], *[column.width for column in columns]])
    return FIRST_COLUMN + len(columns) - 1
