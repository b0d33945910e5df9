"""Which row is the header, and which column is which field.

Known layouts and the dictionary of header words say it; a column that neither knows is listed for the user and never
guessed. Headers of two lines (``市值`` over ``原币 | 本币``) are joined first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from exposure.errors import HoldingsError, Place
from exposure.portfolios.cells import squeeze
from exposure.portfolios.dictionary import LONGEST_LABEL, UNUSED, Dictionary
from exposure.portfolios.grids import Grid, Row
from exposure.portfolios.layouts import Layout, Layouts
from exposure.schemas import issue

AMOUNTS = ("quantity", "value", "weight")
HEADER_SEARCH_ROWS = 60
MIN_WRONG_WORDS = 2
PERCENT = 0.01
SECOND_CODE = "code_2"
LOCAL, BASE = "原币", "本币"


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """What a column of the file was taken for."""

    header: str
    field: str
    position: int
    unit: float | None  # multiplier said by the header or layout


@dataclass(frozen=True, slots=True)
class Header:
    """A header row, or two joined rows, and what its columns are.

    Parameters
    ----------
    first, last
        Positions of its rows in the grid; the table begins after ``last``.
    seconds
        Header not used, field, and the header that was used for it.
    codes
        A second column of codes, as field ``code_2``: what it says must agree with the first.
    unknown
        Headers that no layout and no dictionary knows.
    """

    first: int
    last: int
    layout: Layout | None
    columns: tuple[ColumnUse, ...]
    seconds: tuple[tuple[str, str, str], ...]
    codes: tuple[ColumnUse, ...]
    unknown: tuple[str, ...]
    cells: tuple[str | None, ...]

    @property
    def score(self) -> int:
        """Count of known fields."""
        return len(self.columns)

    @property
    def width(self) -> int:
        """Count of columns up to the last one with a name."""
        return max((at for at, cell in enumerate(self.cells, start=1) if cell), default=0)

    @property
    def fields(self) -> frozenset[str]:
        """The fields that the header names."""
        return frozenset(use.field for use in self.columns)

    @property
    def is_holdings(self) -> bool:
        """Whether the header names a security and an amount."""
        return bool(self.fields & {"code", "name"}) and bool(self.fields & set(AMOUNTS))


def known_words(rows: Sequence[Row], layouts: Layouts) -> int:
    """Count the known fields of the best header among some rows."""
    header = find_header(rows, layouts)
    return header.score if header else 0


def find_header(rows: Sequence[Row], layouts: Layouts) -> Header | None:
    """Return the first row, alone or joined with the next, that names most known fields of holdings."""
    best: Header | None = None
    head = rows[:HEADER_SEARCH_ROWS]
    for index, (_, cells) in enumerate(head):
        header = read_header(index, index, cells, layouts)
        joined = _joined(cells, head[index + 1][1]) if index + 1 < len(head) else None
        if joined is not None:
            double = read_header(index, index + 1, joined, layouts)
            if double.score > header.score or (double.score == header.score and _has_two(joined)):
                header = double
        if header.is_holdings and (best is None or header.score > best.score):
            best = header
    return best


def choose_header(
    grids: Sequence[Grid], layouts: Layouts, file: str, issues: list[dict[str, object]]
) -> tuple[Grid, Header]:
    """Return the sheet that holds the holdings, and its header.

    Raises
    ------
    HoldingsError
        If no sheet has a header of holdings, two visible ones have, or the table is one of orders or trades.
    """
    found: list[tuple[Grid, Header | None]] = []
    for grid in grids:
        rows = grid.head(HEADER_SEARCH_ROWS + 1)
        for number, cells in rows:
            _refuse_wrong_table(cells, layouts.dictionary, file, grid.sheet, number)
        header = find_header(rows, layouts)
        if header is not None:
            _refuse_twins(rows[header.first][0], header, file, grid.sheet)
        found.append((grid, header))
    tables = [(grid, header) for grid, header in found if header is not None]
    visible = [pair for pair in tables if not pair[0].hidden]
    chosen = visible or tables
    if len(chosen) > 1:
        raise HoldingsError(
            f"{file} has {len(chosen)} sheets that look like holdings",
            places=[Place(file, "looks like holdings", sheet=grid.sheet) for grid, _ in chosen],
            cure="keep one of them, or save one as CSV",
        )
    if not chosen:
        raise _no_header(grids, file) if layouts.own is None else _misfit(grids, layouts.own, file)
    grid, header = chosen[0]
    for other, _ in tables:
        if other is not grid:
            message = f"hidden sheet {other.sheet} also looks like holdings; it was not read"
            issues.append(issue("info", file, "hidden_sheet", message, sheet=other.sheet))
    if grid.hidden:
        message = "the holdings stand in a hidden sheet"
        issues.append(issue("warning", file, "hidden_sheet", message, sheet=grid.sheet))
    return grid, header


def describe(header: Header, file: str, sheet: str | None, issues: list[dict[str, object]]) -> None:
    """Say which column was taken for what, and which were not read."""
    taken = ", ".join(f"{use.header} as {use.field}" for use in (*header.columns, *header.codes))
    layout = f"layout {header.layout.layout_id}" if header.layout else "header words"
    issues.append(issue("info", file, "columns_taken", f"by {layout}: {taken}", sheet=sheet))
    for second, field, used in header.seconds:
        message = f"also looks like {field}; {used} was used"
        issues.append(issue("info", file, "second_column", message, sheet=sheet, column=second))
    for unknown in header.unknown:
        message = "is not a known column and was not read"
        issues.append(issue("info", file, "column_unknown", message, sheet=sheet, column=unknown))


# --- one header -----------------------------------------------------------------------------------


def read_header(first: int, last: int, cells: Sequence[str | None], layouts: Layouts) -> Header:
    """Recognise the columns of one header by the layout it fits best, else by the dictionary."""
    squeezed = {squeeze(cell) for cell in cells if cell and len(cell) < LONGEST_LABEL}
    offered = layouts.known if layouts.own is None else (layouts.own,)
    fitting = [layout for layout in offered if layout.signature <= squeezed]
    layout = max(fitting, key=lambda item: len(item.signature), default=None)
    if layouts.own is not None and layout is None:
        return Header(first, last, None, (), (), (), (), tuple(cells))
    candidates: list[tuple[int, int, ColumnUse]] = []  # rank and position decide between two
    unknown: list[str] = []
    for position, cell in enumerate(cells):
        if cell is None:
            continue
        recognised = (
            _recognise(cell, layout, layouts.dictionary) if len(cell) < LONGEST_LABEL else None
        )
        if recognised is None:
            unknown.append(cell)
            continue
        field, rank, unit = recognised
        if field != UNUSED:
            candidates.append((rank, position, ColumnUse(cell, field, position, unit)))
    chosen: dict[str, ColumnUse] = {}
    seconds: list[tuple[str, str, str]] = []
    codes: list[ColumnUse] = []
    for _, _, use in sorted(candidates, key=lambda item: item[:2]):
        if use.field == "code" and "code" in chosen and not codes:
            codes.append(ColumnUse(use.header, SECOND_CODE, use.position, None))
        elif use.field in chosen:
            seconds.append((use.header, use.field, chosen[use.field].header))
        else:
            chosen[use.field] = use
    columns = tuple(sorted(chosen.values(), key=lambda use: use.position))
    return Header(
        first, last, layout, columns, tuple(seconds), tuple(codes), tuple(unknown), tuple(cells)
    )


_PERCENT_ENDINGS = ("_percent", "percent", "_pct", "%")
_CHINESE_FIRST = re.compile(r"^([\u3400-\u9fff]+)[a-z]")
_BRACKET = re.compile(r"\(([^()]*)\)")


def _recognise(
    header: str, layout: Layout | None, dictionary: Dictionary
) -> tuple[str, int, float | None] | None:
    """Return field, rank and stated unit of a header; rank -1 is a layout's own word."""
    word = squeeze(header)
    if layout is None and word in dictionary.words:  # NAV% is a word, not NAV in percent
        field, rank = dictionary.words[word]
        return field, rank, PERCENT if word.endswith("%") else None
    bare, unit = word, None
    for match in _BRACKET.finditer(word):
        if match[1] in dictionary.header_units:
            unit = dictionary.header_units[match[1]]
            bare = bare.replace(match[0], "")
    for ending in _PERCENT_ENDINGS:
        if bare.endswith(ending) and len(bare) > len(ending):
            bare, unit = bare.removesuffix(ending), PERCENT
    if layout is not None and word in layout.columns:
        field = layout.columns[word]
        return field, -1, layout.units.get(field, unit)
    chinese = _CHINESE_FIRST.match(bare)  # 成份券代码constituentcode says one thing twice
    forms = [bare, bare.replace("_", ""), *([chinese[1]] if chinese else [])]
    for word in dict.fromkeys(forms):
        for form in _without_modifiers(word, dictionary.modifiers):
            if form in dictionary.words:
                field, rank = dictionary.words[form]
                return field, rank, unit
    return None


def _without_modifiers(word: str, modifiers: tuple[str, ...]) -> Iterator[str]:
    yield word
    for modifier in modifiers:
        if word.startswith(modifier) and len(word) > len(modifier):
            yield from _without_modifiers(word[len(modifier) :], modifiers)


# --- headers of two lines -------------------------------------------------------------------------


def _joined(upper: Sequence[str | None], lower: Sequence[str | None]) -> list[str | None] | None:
    """Join two lines of a header; None where the second is none.

    A cell of the second line belongs to the cell above it, or to the nearest one left of that where it was merged.
    Of ``原币`` and ``本币`` the first is what a price is quoted in, the second what a fund counts values in.

    Examples
    --------
    >>> _joined(["科目", None, "市值", None], ["代码", "名称", "原币", "本币"])
    ['科目代码', '科目名称', '原币市值', '本币市值']
    >>> _joined(["代码", "数量"], ["000977", "100"]) is None
    True
    """
    filled = [cell for cell in lower if cell]
    if not filled or any(any(char.isdigit() for char in cell) for cell in filled):
        return None
    if any(len(cell) > LONGEST_LABEL for cell in filled) or len(filled) < 2:
        return None
    width = max(len(upper), len(lower))
    above = [*upper, *[None] * (width - len(upper))]
    below = [*lower, *[None] * (width - len(lower))]
    out: list[str | None] = []
    nearest: str | None = None
    for top, bottom in zip(above, below, strict=True):
        nearest = top or nearest
        if bottom is None:
            out.append(top)
        elif squeeze(bottom) in (LOCAL, BASE):
            out.append(f"{bottom}{nearest or ''}")
        else:
            out.append(f"{nearest or ''}{bottom}")
    return out


def _has_two(cells: Sequence[str | None]) -> bool:
    return any(cell is not None and cell.startswith((LOCAL, BASE)) for cell in cells)


# --- what is no holdings table --------------------------------------------------------------------


def _no_header(grids: Sequence[Grid], file: str) -> HoldingsError:
    first = next((grid.head(1)[0] for grid in grids if grid.rows.height), None)
    shown = None if first is None else " | ".join(cell for cell in first[1] if cell)
    place = Place(
        file,
        "no row names a code or name and a quantity, value or weight",
        sheet=grids[0].sheet if grids else None,
        row=first[0] if first else None,
        value=shown,
    )
    return HoldingsError(
        f"{file} has no header of a holdings table",
        places=[place],
        cure="add a header row such as listing,name,quantity,price,weight (exposure schema input.holdings)",
    )


def _misfit(grids: Sequence[Grid], layout: Layout, file: str) -> HoldingsError:
    """Return the refusal of a table that the layout named by the user doesn't fit."""
    best: tuple[int, Place] | None = None
    for grid in grids:
        for number, cells in grid.head(HEADER_SEARCH_ROWS):
            squeezed = {squeeze(cell) for cell in cells if cell}
            lacking = sorted(layout.signature - squeezed)
            hits = len(layout.signature) - len(lacking)
            if best is None or hits > best[0]:
                shown = " | ".join(cell for cell in cells if cell)
                why = f"lacks {', '.join(lacking)}" if lacking else "has no code or no amount"
                best = hits, Place(file, why, grid.sheet, number, value=shown)
    return HoldingsError(
        f"{file} doesn't fit the layout {layout.layout_id}",
        places=[best[1]] if best else [],
        cure=f"exposure map {file}   (shows what is understood without the layout)",
    )


def _refuse_wrong_table(
    cells: Sequence[str | None],
    dictionary: Dictionary,
    file: str,
    sheet: str | None,
    row: int,
) -> None:
    short = [cell for cell in cells if cell and len(cell) < LONGEST_LABEL]
    seen = {squeeze(cell) for cell in short}
    for what, words in dictionary.wrong_tables.items():
        if len(seen & words) < MIN_WRONG_WORDS:
            continue
        hits = [cell for cell in short if squeeze(cell) in words]
        raise HoldingsError(
            f"{file} is {what}, not holdings",
            places=[
                Place(file, "is a header of another table", sheet, row, hits[0], " | ".join(hits))
            ],
            cure="export the position table (持仓) instead",
        )


def _refuse_twins(row: int, header: Header, file: str, sheet: str | None) -> None:
    used = {squeeze(use.header): use for use in header.columns}
    counts: dict[str, int] = {}
    for cell in header.cells:
        if cell:
            counts[squeeze(cell)] = counts.get(squeeze(cell), 0) + 1
    for word, use in used.items():
        if counts.get(word, 0) > 1:
            raise HoldingsError(
                f"{file} has two columns headed {use.header}",
                places=[Place(file, "stands twice in the header", sheet, row, use.header)],
                cure="rename or remove one of them",
            )
