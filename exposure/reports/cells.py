"""A sheet as plain data: cells, formulas with the value they must give, and how it looks.

Sheets are made as data first and turned into a file later (:mod:`exposure.reports.workbook`). Two doors guard the
file: :meth:`Canvas.calc` is the only way to write a formula, and it takes the value along; :func:`clean_text` is the
only way for a text to enter, and a text never becomes a formula.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

MAX_TEXT = 32_767  # what a cell can hold
_BIDI = {0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x061C}
_FORMULA_LEADS = "=+-@\t\r\uff1d\uff0b\uff0d\uff20"

Value = str | float | int | bool | date | None

# Okabe-Ito family; the pairs that text and fill may form are in TEXT_ON_FILL and a test computes their contrast.
PALETTE = {
    "white": "FFFFFF",
    "navy": "17324D",
    "ink": "1F2933",
    "grey": "5B6673",
    "rule": "D5DCE4",
    "soft": "F3F6F9",
    "blue": "0072B2",
    "orange": "E69F00",
    "vermilion": "C4470F",
    "green": "007A5E",
    "sky": "9DB7CF",
    "pale": "C9D6E2",
    "grid": "E6EAEE",
    "input": "FFF8E1",
    "input_ink": "0000FF",
    "breach_ink": "8A2B06",
    "breach": "FBE3D8",
    "watch_ink": "7A5200",
    "watch": "FDF0D0",
    "ok_ink": "00563F",
    "ok": "DDF1EA",
    "at_limit_ink": "17324D",
    "at_limit": "DCE8F3",
    "unknown_ink": "4B5563",
    "unknown": "E9ECF0",
    "level_mid": "FAD7A8",
    "level_max": "EE9B5F",
    "loss_max": "E58A63",
    "gain_max": "9CC3E6",
}

TEXT_ON_FILL = (
    ("white", "navy"),
    ("pale", "navy"),
    ("ink", "white"),
    ("ink", "soft"),
    ("grey", "white"),
    ("grey", "soft"),
    ("navy", "white"),
    ("navy", "soft"),
    ("blue", "white"),
    ("blue", "soft"),
    ("vermilion", "white"),
    ("input_ink", "input"),
    ("ink", "level_mid"),
    ("ink", "level_max"),
    ("ink", "loss_max"),
    ("ink", "gain_max"),
    ("breach_ink", "breach"),
    ("watch_ink", "watch"),
    ("ok_ink", "ok"),
    ("at_limit_ink", "at_limit"),
    ("unknown_ink", "unknown"),
)

# State marks: the shape alone tells the state, so that colour is never needed to read it.
STATE_SHAPES = {"breach": "■", "at_limit": "◆", "watch": "▲", "ok": "●", "unknown": "?"}


@dataclass(frozen=True, slots=True)
class Style:
    """How a cell looks. Colours are names of :data:`PALETTE`."""

    size: float = 10
    bold: bool = False
    italic: bool = False
    underline: bool = False
    color: str = "ink"
    fill: str | None = None
    fmt: str | None = None
    align: str | None = None
    valign: str = "center"
    wrap: bool = False
    shrink: bool = False
    indent: int = 0
    border: str | None = None  # hair, rule, top, box, accent:<colour>
    unlocked: bool = False

    def but(self, **changes: object) -> Style:
        """Return the style with some parts changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


PLAIN = Style()
HEAD = Style(size=9, bold=True, color="white", fill="navy", align="center", wrap=True)
INPUT = Style(color="input_ink", fill="input", align="center", border="box", unlocked=True)
TITLE = Style(size=16, bold=True, color="white", fill="navy")
SUBTITLE = Style(size=9, color="pale", fill="navy")
SECTION = Style(size=11, bold=True, color="navy")
QUIET = Style(size=9, color="grey")
LINKED = Style(size=9, color="blue", underline=True)


@dataclass(frozen=True, slots=True)
class Link:
    """Where a click leads: a cell of this workbook, or an address on the web."""

    sheet: str | None = None
    ref: str = "A1"
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell. With ``formula`` set, ``value`` is what the formula must give."""

    row: int
    col: int
    value: Value
    style: Style = PLAIN
    formula: str | None = None
    link: Link | None = None

    @property
    def ref(self) -> str:
        """Return the A1 address."""
        return address(self.row, self.col)


@dataclass(frozen=True, slots=True)
class Validation:
    """What may be typed into an input, with the message shown."""

    ref: str
    kind: str  # decimal or list
    title: str
    message: str
    choices: tuple[str, ...] = ()
    lowest: float = 0.0
    highest: float = 1.0


@dataclass(frozen=True, slots=True)
class ColourScale:
    """A colour scale over numbers: value, colour name; two or three stops."""

    ref: str
    stops: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class Series:
    """One series of a chart, with the values it shows."""

    name: str
    name_ref: str
    values_ref: str
    values: tuple[float | None, ...]
    color: str
    marker_only: bool = False
    labels: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """A bar chart, pinned to a block of cells (from, to: column and row, both from 0)."""

    title: str
    kind: str  # columns or bars
    categories: tuple[str, ...]
    categories_ref: str
    series: tuple[Series, ...]
    anchor: tuple[int, int, int, int]
    alt: str
    number_format: str = "0%"
    low: float | None = None
    high: float | None = None
    step: float | None = None


@dataclass(frozen=True, slots=True)
class ListTable:
    """A ListObject over a plain range."""

    name: str
    ref: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """A finished sheet."""

    key: str
    title: str
    cells: tuple[Cell, ...]
    widths: Mapping[int, float]
    heights: Mapping[int, float]
    merges: tuple[str, ...]
    hidden_columns: tuple[tuple[int, int], ...]
    freeze: str | None
    print_area: str
    print_rows: str | None
    fit_height: int
    tab: str
    names: Mapping[str, str]
    validations: tuple[Validation, ...]
    scales: tuple[ColourScale, ...]
    states: tuple[str, ...]
    signed: tuple[str, ...]
    tables: tuple[ListTable, ...]
    filter_ref: str | None
    charts: tuple[Chart, ...]

    def at(self, ref: str) -> Cell | None:
        """Return the cell at an A1 address, if something is there."""
        return next((cell for cell in self.cells if cell.ref == ref), None)


@dataclass(slots=True)
class Canvas:
    """Where a sheet function draws; :meth:`sheet` freezes the result."""

    key: str
    title: str
    tab: str = "navy"
    cells: dict[tuple[int, int], Cell] = field(default_factory=dict[tuple[int, int], Cell])
    widths: dict[int, float] = field(default_factory=dict[int, float])
    heights: dict[int, float] = field(default_factory=dict[int, float])
    merges: list[str] = field(default_factory=list[str])
    hidden_columns: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    names: dict[str, str] = field(default_factory=dict[str, str])
    validations: list[Validation] = field(default_factory=list[Validation])
    scales: list[ColourScale] = field(default_factory=list[ColourScale])
    states: list[str] = field(default_factory=list[str])
    signed: list[str] = field(default_factory=list[str])
    tables: list[ListTable] = field(default_factory=list[ListTable])
    charts: list[Chart] = field(default_factory=list[Chart])
    freeze: str | None = None
    print_rows: str | None = None
    filter_ref: str | None = None
    fit_height: int = 0

    def put(
        self, row: int, col: int, value: Value, style: Style = PLAIN, link: Link | None = None
    ) -> str:
        """Write a value and return its address; a text is cleaned and stays a text."""
        shown = clean_text(value) if isinstance(value, str) else value
        if isinstance(shown, float) and not math.isfinite(shown):
            shown = None
        self.cells[row, col] = Cell(row, col, shown, style, None, link)
        return address(row, col)

    def calc(
        self,
        row: int,
        col: int,
        formula: str,
        value: str | float | bool,
        style: Style = PLAIN,
        link: Link | None = None,
    ) -> str:
        """Write a formula together with the value it must give, and return its address."""
        self.cells[row, col] = Cell(row, col, value, style, formula, link)
        return address(row, col)

    def merge(self, row: int, first: int, last: int, last_row: int | None = None) -> None:
        """Merge a block; cells of it that are still empty take the style of its first cell."""
        bottom = last_row or row
        head = self.cells.get((row, first))
        for r in range(row, bottom + 1):
            for c in range(first, last + 1):
                if head is not None and (r, c) not in self.cells:
                    self.cells[r, c] = Cell(r, c, None, head.style)
        self.merges.append(block(row, first, bottom, last))

    def paint(self, row: int, first: int, last: int, **changes: object) -> None:
        """Change the style of a stretch of a row, making empty cells where nothing is."""
        for col in range(first, last + 1):
            old = self.cells.get((row, col), Cell(row, col, None))
            self.cells[row, col] = replace(old, style=old.style.but(**changes))

    def width(self, first: int, widths: Sequence[float]) -> None:
        """Set column widths from column ``first`` on."""
        for offset, width in enumerate(widths):
            self.widths[first + offset] = width

    def sheet(self, last_row: int, last_col: int) -> Sheet:
        """Freeze what was drawn; the print area is A1 to ``last_row``, ``last_col``."""
        return Sheet(
            key=self.key,
            title=self.title,
            cells=tuple(self.cells[at] for at in sorted(self.cells)),
            widths=self.widths,
            heights=self.heights,
            merges=tuple(self.merges),
            hidden_columns=tuple(self.hidden_columns),
            freeze=self.freeze,
            print_area=block(1, 1, last_row, last_col),
            print_rows=self.print_rows,
            fit_height=self.fit_height,
            tab=self.tab,
            names=self.names,
            validations=tuple(self.validations),
            scales=tuple(self.scales),
            states=tuple(self.states),
            signed=tuple(self.signed),
            tables=tuple(self.tables),
            filter_ref=self.filter_ref,
            charts=tuple(self.charts),
        )


def column(number: int) -> str:
    """Return the letters of a column.

    Examples
    --------
    >>> column(1), column(27), column(703)
    ('A', 'AA', 'AAA')
    """
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def address(row: int, col: int, *, fix: str = "") -> str:
    """Return an A1 address; ``fix`` may hold ``r`` and ``c`` to pin row or column.

    Examples
    --------
    >>> address(6, 3), address(6, 3, fix="rc"), address(6, 3, fix="r")
    ('C6', '$C$6', 'C$6')
    """
    pin_col = "$" if "c" in fix else ""
    pin_row = "$" if "r" in fix else ""
    return f"{pin_col}{column(col)}{pin_row}{row}"


def block(row: int, col: int, last_row: int, last_col: int, *, fix: str = "") -> str:
    """Return the address of a block of cells.

    Examples
    --------
    >>> block(6, 2, 9, 2, fix="rc")
    '$B$6:$B$9'
    """
    return f"{address(row, col, fix=fix)}:{address(last_row, last_col, fix=fix)}"


def sheet_ref(title: str, ref: str) -> str:
    """Return an address on another sheet.

    Examples
    --------
    >>> sheet_ref("敞口 Exposure", "B2")
    "'敞口 Exposure'!B2"
    """
    quoted = title.replace("'", "''")
    return f"'{quoted}'!{ref}"


def quoted(text: str) -> str:
    r"""Return a text as a literal of a formula.

    Examples
    --------
    >>> print(quoted('a "b" c'))
    "a ""b"" c"
    """
    return '"' + text.replace('"', '""') + '"'


def clean_text(text: str) -> str:
    r"""Return a text that a cell can hold: no control or direction marks, not too long.

    Examples
    --------
    >>> clean_text("a\x07b\u202ec")
    'a·b·c'
    >>> len(clean_text("x" * 40000))
    32767
    """
    clean = text
    if not text.isprintable():  # most texts are, and looking at each character is slow
        clean = "".join(char if _printable(char) else "·" for char in text)
    return clean if len(clean) <= MAX_TEXT else clean[: MAX_TEXT - 1] + "…"


def looks_like_formula(text: str) -> bool:
    """Return whether a spreadsheet might take the text for a formula.

    Examples
    --------
    >>> looks_like_formula("=cmd|'/c calc'!A1"), looks_like_formula("浪潮信息")
    (True, False)
    """
    return text.lstrip(" \u3000")[:1] in tuple(_FORMULA_LEADS) if text else False


def text_width(text: str) -> int:
    """Return the width of a text in Latin characters; full-width ones count as two.

    Examples
    --------
    >>> text_width("昇腾 Ascend")
    11
    """
    return sum(2 if ord(char) > 0x2E7F else 1 for char in text)


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two RGB colours (WCAG 2).

    Examples
    --------
    >>> round(contrast("FFFFFF", "17324D"), 1)
    13.1
    """
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _printable(char: str) -> bool:
    code = ord(char)
    if char == "\n":
        return True
    control = code < 0x20 or 0x7F <= code < 0xA0
    not_xml = 0xD800 <= code <= 0xDFFF or code in (0xFFFE, 0xFFFF)
    return not control and not not_xml and code not in _BIDI
