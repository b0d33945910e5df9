"""From a file or frame to one text table with known fields: ``RawHoldings``.

Everything stays text until its field is known, because a reader that infers types turns ``000977``
into 977. Columns are recognised by known layouts (``portfolios/layouts/*.toml``) and else by a
dictionary of header words; a column that is not known is listed, never guessed.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from exposure.content import SOURCE_ROW
from exposure.errors import HoldingsError, Place, UsageError
from exposure.portfolios.cells import clean_cell, parse_day, squeeze
from exposure.portfolios.containers import read_columnar, read_sheets
from exposure.portfolios.layouts import UNUSED, Dictionary, Layout, Layouts
from exposure.portfolios.preflight import Checked, Container, decode_text, inspect_file
from exposure.schemas import issue

if TYPE_CHECKING:
    from narwhals.typing import IntoDataFrame, IntoLazyFrame

    Frame = IntoDataFrame | IntoLazyFrame

AMOUNTS = ("quantity", "value", "weight")
HEADER_SEARCH_ROWS = 60
SNIFF_LINES = 80
MAX_COLUMNS = 2_000
MAX_ROWS = 500_000
MIN_WRONG_WORDS = 2
PERCENT = 0.01

Row = tuple[int, list[str | None]]


# --- the raw table --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """What a column of the file was taken for."""

    header: str
    field: str
    position: int
    unit: float | None  # multiplier said by the header or layout


@dataclass(frozen=True, slots=True)
class RawHoldings:
    """A holdings table as text.

    Parameters
    ----------
    rows
        ``source_row`` and one text column a known field; rows that are totals, notes or blank are
        gone and counted in ``issues``.
    columns
        What was taken for what.
    as_of_text
        A date stated above the header.
    sha256
        Of the bytes of the file, or of a frame's CSV text.
    """

    file: str
    sheet: str | None
    layout: str
    rows: pl.DataFrame
    columns: tuple[ColumnUse, ...]
    as_of_text: str | None
    may_be_partial: bool
    sha256: str
    issues: tuple[dict[str, object], ...]
    dropped: int

    def header(self, field: str) -> str | None:
        """Return the header that was taken for ``field``."""
        return next((use.header for use in self.columns if use.field == field), None)

    def unit(self, field: str) -> float | None:
        """Return the multiplier that header or layout state for ``field``."""
        return next((use.unit for use in self.columns if use.field == field), None)


@dataclass(frozen=True, slots=True)
class _Grid:
    sheet: str | None
    rows: list[Row]
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class _Header:
    index: int  # position in the list of rows
    layout: Layout | None
    columns: tuple[ColumnUse, ...]
    seconds: tuple[tuple[str, str, str], ...]  # header not used, field, header used
    unknown: tuple[str, ...]

    @property
    def score(self) -> int:
        """Count of known fields."""
        return len(self.columns)


def read_raw(
    source: str | Path | Frame, layouts: Layouts, *, name: str | None = None
) -> RawHoldings:
    """Read a file or any frame into a text table with known fields.

    Parameters
    ----------
    source
        A path, or a frame of polars, pandas, PyArrow or whatever narwhals accepts.
    name
        How to call a frame in messages.

    Raises
    ------
    HoldingsError
        If the file can't be read or is not a table of holdings.
    """
    issues: list[dict[str, object]] = []
    if isinstance(source, str | Path):
        checked = inspect_file(source)
        file = checked.name
        digest = hashlib.sha256(checked.data).hexdigest()
        grids = _grids(checked, layouts, issues)
    else:
        file = name or "frame"
        grid = _frame_grid(source, file)
        digest = hashlib.sha256(_csv_text(grid).encode()).hexdigest()
        grids = [grid]
    grid, header = _choose_grid(grids, layouts, file, issues)
    _describe_columns(header, file, grid.sheet, issues)
    rows, dropped = _body(grid, header, layouts.dictionary, file, issues)
    return RawHoldings(
        file=file,
        sheet=grid.sheet,
        layout=header.layout.layout_id if header.layout else "generic",
        rows=rows,
        columns=header.columns,
        as_of_text=_stated_date(grid, header, file),
        may_be_partial=header.layout.may_be_partial if header.layout else False,
        sha256=digest,
        issues=tuple(issues),
        dropped=dropped,
    )


# --- containers -----------------------------------------------------------------------------------


def _grids(checked: Checked, layouts: Layouts, issues: list[dict[str, object]]) -> list[_Grid]:
    issues += [issue("info", checked.name, "container", remark) for remark in checked.remarks]
    if checked.container is Container.TEXT:
        return [_text_grid(checked, layouts, issues)]
    if checked.container in (Container.XLSX, Container.XLS):
        return _sheet_grids(checked)
    return [_frame_grid(read_columnar(checked), checked.name)]


def _text_grid(checked: Checked, layouts: Layouts, issues: list[dict[str, object]]) -> _Grid:
    decoded = decode_text(checked.data, checked.name)
    if decoded.doubt:
        issues.append(issue("warning", checked.name, "encoding_contradicts_mark", decoded.doubt))
    if decoded.encoding != "utf-8":
        message = f"read as {decoded.encoding.upper()}"
        issues.append(issue("info", checked.name, "encoding", message))
    delimiter = _sniff_delimiter(decoded.text, layouts, checked.name)
    rows = list(_csv_rows(decoded.text, delimiter, checked.name))
    return _Grid(None, rows)


def _sniff_delimiter(text: str, layouts: Layouts, name: str) -> str:
    """Choose the delimiter under which a header is recognised best."""
    head = "\n".join(text[: 400 * SNIFF_LINES].splitlines()[:SNIFF_LINES])
    best, best_score = ",", -1
    for delimiter in ("\t", ",", ";"):
        rows = [
            (number, cells)
            for number, cells in _loose_rows(head, delimiter)
            if len(cells) <= MAX_COLUMNS
        ]
        header = _find_header(rows, layouts, name, strict=False)
        score = 1 + header.score if header else min(head.count(delimiter), 1)
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _loose_rows(text: str, delimiter: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    number = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            return  # the strict reading that follows says what is wrong, and where
        yield number, [clean_cell(cell) for cell in cells]
        number = reader.line_num + 1


def _csv_rows(text: str, delimiter: str, name: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as fault:
            raise HoldingsError(
                f"{name} is not a well-formed table",
                places=[Place(name, _csv_reason(str(fault)), row=number)],
                cure="correct the quotes of that row, or export the table again",
            ) from fault
        if len(cells) > MAX_COLUMNS:
            raise _too_wide(name, None, number, len(cells))
        if number > MAX_ROWS:
            raise _too_long(name, None)
        yield number, [clean_cell(cell) for cell in cells]
        number = reader.line_num + 1


def _csv_reason(reason: str) -> str:
    if "field larger" in reason:
        return "has a cell longer than 131,072 characters"
    if "unexpected end" in reason:
        return "opens a quote that is never closed"
    return "has text after a closing quote" if "expected after" in reason else reason


def _too_wide(name: str, sheet: str | None, row: int, count: int) -> HoldingsError:
    return HoldingsError(
        f"{name} has too many columns",
        places=[Place(name, f"has {count} cells, the limit is {MAX_COLUMNS}", sheet, row)],
        cure="export only the holdings table",
    )


def _too_long(name: str, sheet: str | None) -> HoldingsError:
    return HoldingsError(
        f"{name} has too many rows",
        places=[Place(name, f"has more than {MAX_ROWS} rows", sheet)],
        cure="export only the holdings of one day",
    )


def _sheet_grids(checked: Checked) -> list[_Grid]:
    return [
        _Grid(
            grid.sheet,
            [(number, list(cells)) for number, *cells in grid.rows.iter_rows()],
            grid.hidden,
        )
        for grid in read_sheets(checked)
    ]


def _text(value: Any) -> str | None:
    """Return a cell of any reader as text."""
    if value is None:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ")
    if isinstance(value, bool | int | date | Decimal):
        return str(value)
    return None if _is_missing(value) else str(value)


def _is_missing(value: object) -> bool:
    """Tell whether a value is a missing marker of pandas, which differs from itself."""
    try:
        return bool(value != value)
    except TypeError:  # pandas.NA refuses to be a bool
        return True


_PLAIN_TYPES = (str, bool, int, float, date, datetime, Decimal)


def _frame_grid(source: Frame | pl.DataFrame, name: str) -> _Grid:
    columns, nan_is_missing = _frame_columns(source)
    if len(columns) > MAX_COLUMNS:
        raise _too_wide(name, None, 1, len(columns))
    texts: list[list[str | None]] = []
    for header, values in columns:
        if len(values) > MAX_ROWS:
            raise _too_long(name, None)
        texts.append(_column_texts(name, header, values, nan_is_missing=nan_is_missing))
    rows: list[Row] = [(1, [clean_cell(header) for header, _ in columns])]
    rows += [
        (number, list(cells)) for number, cells in enumerate(zip(*texts, strict=True), start=2)
    ]
    return _Grid(None, rows)


def _frame_columns(source: Frame | pl.DataFrame) -> tuple[list[tuple[str, list[Any]]], bool]:
    """Return header and values of each column, and whether NaN means missing (pandas)."""
    if isinstance(source, pl.LazyFrame):
        source = source.collect()
    if isinstance(source, pl.DataFrame):
        return [(column.name, column.to_list()) for column in source.get_columns()], False
    # narwhals takes a quarter of a second to import; a file or a polars frame doesn't need it
    import narwhals as nw  # noqa: PLC0415

    try:
        frame = nw.from_native(source)
    except TypeError as fault:
        raise UsageError(
            f"holdings can't be read from {type(source).__name__}",
            cure="give a path, or a frame of polars, pandas or PyArrow",
        ) from fault
    eager = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
    columns = [(str(name), eager.get_column(name).to_list()) for name in eager.columns]
    return columns, eager.implementation.is_pandas_like()


def _column_texts(
    name: str, header: str, values: Sequence[Any], *, nan_is_missing: bool
) -> list[str | None]:
    texts: list[str | None] = []
    for number, value in enumerate(values, start=2):
        if value is None or (nan_is_missing and _is_missing(value)):
            texts.append(None)
            continue
        if not isinstance(value, _PLAIN_TYPES) and isinstance(value, Iterable | bytes):
            raise HoldingsError(
                f"{name} has a nested column",
                places=[
                    Place(name, "holds lists or records, not cells", row=number, column=header)
                ],
                cure=f"drop the column {header}",
            )
        text = _text(value)
        if text is not None and not _is_utf8(text):
            raise HoldingsError(
                f"{name} has text that is not valid",
                places=[Place(name, "holds half a character", row=number, column=header)],
                cure=f"clean the column {header}",
            )
        texts.append(clean_cell(text))
    return texts


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _csv_text(grid: _Grid) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(
        ["" if cell is None else cell for cell in cells] for _, cells in grid.rows
    )
    return stream.getvalue()


# --- header ---------------------------------------------------------------------------------------


def _choose_grid(
    grids: list[_Grid], layouts: Layouts, file: str, issues: list[dict[str, object]]
) -> tuple[_Grid, _Header]:
    found = [(grid, _find_header(grid.rows, layouts, file, sheet=grid.sheet)) for grid in grids]
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
        raise _no_header(grids, file)
    grid, header = chosen[0]
    for other, _ in tables:
        if other is not grid:
            message = f"hidden sheet {other.sheet} also looks like holdings; it was not read"
            issues.append(issue("info", file, "hidden_sheet", message, sheet=other.sheet))
    if grid.hidden:
        message = "the holdings stand in a hidden sheet"
        issues.append(issue("warning", file, "hidden_sheet", message, sheet=grid.sheet))
    return grid, header


def _no_header(grids: list[_Grid], file: str) -> HoldingsError:
    first = next((grid.rows[0] for grid in grids if grid.rows), None)
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


def _find_header(
    rows: list[Row],
    layouts: Layouts,
    file: str,
    *,
    sheet: str | None = None,
    strict: bool = True,
) -> _Header | None:
    """Return the first row with the most known fields; refuse another kind of table."""
    best: _Header | None = None
    for index, (number, cells) in enumerate(rows[:HEADER_SEARCH_ROWS]):
        if strict:
            _refuse_wrong_table(cells, layouts.dictionary, file, sheet, number)
        header = _read_header(index, cells, layouts)
        fields = {use.field for use in header.columns}
        names_something = bool(fields & {"code", "name"}) and bool(fields & set(AMOUNTS))
        if names_something and (best is None or header.score > best.score):
            best = header
    if best is not None and strict:
        _refuse_twins(rows[best.index], best, file, sheet)
    return best


def _refuse_wrong_table(
    cells: list[str | None], dictionary: Dictionary, file: str, sheet: str | None, row: int
) -> None:
    seen = {squeeze(cell) for cell in cells if cell and len(cell) < 60}
    for what, words in dictionary.wrong_tables.items():
        hits = [cell for cell in cells if cell and len(cell) < 60 and squeeze(cell) in words]
        if len(seen & words) >= MIN_WRONG_WORDS:
            raise HoldingsError(
                f"{file} is {what}, not holdings",
                places=[
                    Place(
                        file, "is a header of another table", sheet, row, hits[0], " | ".join(hits)
                    )
                ],
                cure="export the position table (持仓) instead",
            )


def _refuse_twins(row: Row, header: _Header, file: str, sheet: str | None) -> None:
    number, cells = row
    used = {squeeze(use.header): use for use in header.columns}
    counts: dict[str, int] = {}
    for cell in cells:
        if cell:
            counts[squeeze(cell)] = counts.get(squeeze(cell), 0) + 1
    for word, use in used.items():
        if counts.get(word, 0) > 1:
            raise HoldingsError(
                f"{file} has two columns headed {use.header}",
                places=[Place(file, "stands twice in the header", sheet, number, use.header)],
                cure="rename or remove one of them",
            )


def _read_header(index: int, cells: list[str | None], layouts: Layouts) -> _Header:
    squeezed = {squeeze(cell) for cell in cells if cell and len(cell) < 60}
    fitting = [layout for layout in layouts.known if layout.signature <= squeezed]
    layout = max(fitting, key=lambda item: len(item.signature), default=None)
    candidates: list[tuple[int, int, ColumnUse]] = []  # rank and position decide between two
    unknown: list[str] = []
    for position, cell in enumerate(cells):
        if cell is None:
            continue
        recognised = _recognise(cell, layout, layouts.dictionary) if len(cell) < 60 else None
        if recognised is None:
            unknown.append(cell)
            continue
        field, rank, unit = recognised
        if field != UNUSED:
            candidates.append((rank, position, ColumnUse(cell, field, position, unit)))
    chosen: dict[str, ColumnUse] = {}
    seconds: list[tuple[str, str, str]] = []
    for _, _, use in sorted(candidates, key=lambda item: item[:2]):
        if use.field in chosen:
            seconds.append((use.header, use.field, chosen[use.field].header))
        else:
            chosen[use.field] = use
    columns = tuple(sorted(chosen.values(), key=lambda use: use.position))
    return _Header(index, layout, columns, tuple(seconds), tuple(unknown))


_PERCENT_ENDINGS = ("_percent", "percent", "_pct", "%")
_BRACKET = re.compile(r"\(([^()]*)\)")


def _recognise(
    header: str, layout: Layout | None, dictionary: Dictionary
) -> tuple[str, int, float | None] | None:
    """Return field, rank and stated unit of a header; rank -1 is a layout's own word."""
    word = squeeze(header)
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
    for form in _without_modifiers(bare, dictionary.modifiers):
        if form in dictionary.words:
            field, rank = dictionary.words[form]
            return field, rank, unit
    return None


def _without_modifiers(word: str, modifiers: tuple[str, ...]) -> Iterator[str]:
    yield word
    for modifier in modifiers:
        if word.startswith(modifier) and len(word) > len(modifier):
            yield from _without_modifiers(word[len(modifier) :], modifiers)


def _describe_columns(
    header: _Header, file: str, sheet: str | None, issues: list[dict[str, object]]
) -> None:
    taken = ", ".join(f"{use.header} as {use.field}" for use in header.columns)
    layout = f"layout {header.layout.layout_id}" if header.layout else "header words"
    issues.append(issue("info", file, "columns_taken", f"by {layout}: {taken}", sheet=sheet))
    for second, field, used in header.seconds:
        message = f"also looks like {field}; {used} was used"
        issues.append(issue("info", file, "second_column", message, sheet=sheet, column=second))
    for unknown in header.unknown:
        message = "is not a known column and was not read"
        issues.append(issue("info", file, "column_unknown", message, sheet=sheet, column=unknown))


# --- rows -----------------------------------------------------------------------------------------


def _body(
    grid: _Grid,
    header: _Header,
    dictionary: Dictionary,
    file: str,
    issues: list[dict[str, object]],
) -> tuple[pl.DataFrame, int]:
    columns: dict[str, list[Any]] = {SOURCE_ROW: []}
    columns |= {use.field: [] for use in header.columns}
    width = len(grid.rows[header.index][1])
    labels = frozenset(u.position for u in header.columns if u.field in {"code", "name"})
    amounts = frozenset(u.position for u in header.columns if u.field in AMOUNTS)
    dropped: list[tuple[int, str, str]] = []
    shifted: list[Place] = []
    blank = 0
    before = [grid.rows[header.index][0], *(number for number, _ in grid.rows[header.index + 1 :])]
    blank += sum(max(after - first - 1, 0) for first, after in pairwise(before) if grid.sheet)
    for number, cells in grid.rows[header.index + 1 :]:
        kept = [None if is_blank(cell, dictionary) else cell for cell in cells]
        if not any(kept):
            blank += 1
            continue
        reason = _drop_reason(kept, labels, amounts, dictionary)
        if reason:
            dropped.append((number, reason, " | ".join(cell for cell in cells if cell)))
            continue
        if any(kept[width:]):
            extra = next(cell for cell in kept[width:] if cell)
            why = "has more cells than the header; a thousands separator without quotes?"
            shifted.append(Place(file, why, grid.sheet, number, value=extra))
            continue
        columns[SOURCE_ROW].append(number)
        for use in header.columns:
            columns[use.field].append(kept[use.position] if use.position < len(kept) else None)
    if shifted:
        raise HoldingsError(
            f"{file} has {len(shifted)} rows that don't fit its header",
            places=shifted,
            cure="export the table again with quotes around cells that hold the delimiter",
        )
    for number, reason, text in dropped:
        issues.append(
            issue(
                "info", file, "row_dropped", f"is {reason}; dropped", sheet=grid.sheet, row=number,
                raw=text[:200],
            )
        )  # fmt: skip
    if blank:
        issues.append(issue("info", file, "blank_rows", f"{blank} blank rows", sheet=grid.sheet))
    schema: dict[str, Any] = {SOURCE_ROW: pl.Int64}
    schema |= {use.field: pl.String for use in header.columns}
    return pl.DataFrame(columns, schema=schema), len(dropped)


def is_blank(cell: str | None, dictionary: Dictionary) -> bool:
    """Tell whether a cell says nothing: empty, ``-``, ``--``, ``N/A``."""
    return cell is None or (len(cell) < 8 and squeeze(cell) in dictionary.blanks)


def _drop_reason(
    cells: list[str | None],
    labels: frozenset[int],
    amounts: frozenset[int],
    dictionary: Dictionary,
) -> str | None:
    """Say why a row is no position: a total or a note; None where it may be one."""
    filled = [(position, cell) for position, cell in enumerate(cells) if cell]
    first = filled[0][1]
    for position, cell in filled:
        is_label = position in labels or cell is first
        if is_label and len(cell) < 60 and squeeze(cell).rstrip(":") in dictionary.totals:
            return "a total"
    squeezed = squeeze(first[:200])
    if squeezed.startswith(dictionary.notes):
        return "a note"
    if len(filled) > 1 or filled[0][0] in amounts or squeezed in dictionary.cash:
        return None  # cash without an amount is a fault, not a note
    is_text = not any(char.isdigit() for char in first) or len(first) > 40
    return "a note" if is_text else None


def _stated_date(grid: _Grid, header: _Header, file: str) -> str | None:
    """Return the date that a line above the header states, e.g. ``Fund Holdings as of``."""
    mark = header.layout.as_of_line if header.layout else None
    if mark is None:
        return None
    for number, cells in grid.rows[: header.index]:
        if not cells or cells[0] is None or not squeeze(cells[0]).startswith(mark):
            continue
        stated = next((cell for cell in cells[1:] if cell), None)
        if stated is None or parse_day(stated) is None:
            raise HoldingsError(
                f"{file} holds no data",
                places=[
                    Place(file, "states no date, which means no data", grid.sheet, number,
                          cells[0], stated)
                ],
                cure="download the holdings of another day",
            )  # fmt: skip
        return stated
    return None
