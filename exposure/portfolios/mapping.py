"""What was understood of a holdings file, column by column, and the layout that says the same."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from exposure.content import find_content
from exposure.content.writing import write_text
from exposure.errors import ContentError, HoldingsError, UsageError
from exposure.portfolios.cells import squeeze
from exposure.portfolios.dictionary import FIELDS, UNUSED
from exposure.portfolios.headers import PERCENT, read_header
from exposure.portfolios.holdings import Book, load_holdings, named_or_given
from exposure.portfolios.intake import RawHoldings, open_holdings, read_raw
from exposure.portfolios.layouts import AccountRules, Layout, Layouts, layouts_for
from exposure.portfolios.lines import lines_of
from exposure.portfolios.units import apply_units
from exposure.schemas import MapColumns, empty, issues_frame, validated

if TYPE_CHECKING:
    from exposure.portfolios.database import NamedFrame
    from exposure.portfolios.frames import Frame
    from exposure.portfolios.grids import Row
    from exposure.portfolios.securities import SecurityMaster
    from exposure.portfolios.securities.loading import MasterSource

UNIT_WORDS = {1.0: "as it stands", PERCENT: "percent", 100.0: "× 100"}
SHOWN_ROWS = 60


@dataclass(frozen=True, slots=True)
class FileMap:
    """What a file was taken for.

    Parameters
    ----------
    columns
        :class:`~exposure.schemas.MapColumns`.
    issues
        :class:`~exposure.schemas.DataIssues`: repairs, rejections, doubts.
    layout
        The layout that was used; ``generic`` for header words, ``history``, or None where no header was found.
    book
        The book, with the rows that can't be used left out; None where the file is refused even so.
    refusal
        Why the file as it is would be refused; None where it would be read.
    layout_toml
        A layout file that says what was understood, to correct and pass on; None for a history.
    """

    file: str
    sheet: str | None
    layout: str | None
    columns: pl.DataFrame
    issues: pl.DataFrame
    book: Book | None
    refusal: HoldingsError | None
    layout_toml: str | None


def map_holdings(
    source: str | Path | Frame | NamedFrame,
    *,
    as_of: date,
    name: str | None = None,
    content: str | Path | None = None,
    master: SecurityMaster | MasterSource | None = None,
    layout: str | Path | None = None,
) -> FileMap:
    """Say what would be understood of a file, without refusing it for rows that can't be used.

    Parameters
    ----------
    source, as_of, name, content, master, layout
        As for :func:`~exposure.portfolios.holdings.load_holdings`.

    Raises
    ------
    HoldingsError
        If the file can't be opened as a table at all: it is damaged, a picture, encrypted.

    Examples
    --------
    >>> frame = pl.DataFrame({"代码": ["000977.SZ"], "占比": ["100%"], "心情": ["好"]})
    >>> found = map_holdings(frame, as_of=date(2025, 1, 24))
    >>> found.columns.select("header", "field", "unit").rows()
    [('代码', 'code', None), ('占比', 'weight', 'percent'), ('心情', None, None)]
    """
    root = find_content(content)
    source, named = named_or_given(source, as_of)
    if named is not None:
        name, layout = name or named.label, layout or named.layout
    layouts = layouts_for(root, layout)
    try:
        raw = read_raw(source, layouts, name=name, as_of=as_of)
    except HoldingsError as refusal:
        return _without_header(source, layouts, refusal, name)
    book: Book | None = None
    refused: HoldingsError | None = None

    def load(*, allow_rejects: bool) -> Book:
        return load_holdings(
            source, as_of=as_of, name=name, content=content, master=master, layout=layout,
            allow_rejects=allow_rejects,
        )  # fmt: skip

    try:
        book = load(allow_rejects=False)
    except HoldingsError as fault:
        refused = fault
        try:
            book = load(allow_rejects=True)
        except HoldingsError:
            book = None
    units = _units(raw, layouts)
    columns = _columns(raw, units)
    return FileMap(
        file=raw.file,
        sheet=raw.sheet,
        layout=raw.layout,
        columns=columns,
        issues=book.issues if book is not None else issues_frame(list(raw.issues)),
        book=book,
        refusal=refused,
        layout_toml=None if raw.layout == "history" else _layout_toml(raw, units, layouts),
    )


def _units(raw: RawHoldings, layouts: Layouts) -> dict[str, float]:
    """Return the units that the table states or shows; none where it shows none."""
    lines = lines_of(raw, layouts.dictionary, [])
    try:
        apply_units(lines, allow_rejects=True)
    except HoldingsError:
        return {}
    return lines.units


def _columns(raw: RawHoldings, units: dict[str, float]) -> pl.DataFrame:
    used = {use.position: use for use in (*raw.columns, *raw.codes)}
    seconds = {header: field for header, field, _ in raw.seconds}
    rows: list[dict[str, object]] = []
    for position, header in enumerate(raw.header_cells):
        use = used.get(position)
        if header is None and use is None:
            continue
        cells = raw.rows[use.field] if use and use.field in raw.rows.columns else None
        unit = units.get(use.field) if use else None
        remark = None
        if use is None and header in raw.unknown:
            remark = "not known; not read"
        elif use is None and header in seconds:
            remark = f"also looks like {seconds[header]}; not used"
        elif use is None:
            remark = "known and not needed"
        rows.append(
            {
                "position": position + 1,
                "header": header,
                "field": use.field if use else None,
                "unit": None if unit is None else UNIT_WORDS.get(unit, f"× {unit:,.0f}"),
                "cells": None if cells is None else cells.len() - cells.null_count(),
                "example": None if cells is None else next(iter(cells.drop_nulls()), None),
                "remark": remark,
            }
        )
    return validated(pl.DataFrame(rows, schema=empty(MapColumns).schema), MapColumns)


# --- a file of which no header is known -----------------------------------------------------------


def _without_header(
    source: str | Path | Frame, layouts: Layouts, refusal: HoldingsError, name: str | None
) -> FileMap:
    """Show the likeliest header of a table that nothing is known of, and a layout to fill in."""
    opened = open_holdings(source, layouts, name=name)
    best: tuple[tuple[int, int], str | None, Row] | None = None
    for grid in opened.grids:
        for row in grid.head(SHOWN_ROWS):
            words = sum(cell is not None and not any(map(str.isdigit, cell)) for cell in row[1])
            rank = (read_header(0, 0, row[1], layouts).score, words)
            if any(rank) and (best is None or rank > best[0]):
                best = rank, grid.sheet, row
    if best is None:
        raise refusal
    _, sheet, (_, cells) = best
    fields = {use.position: use.field for use in read_header(0, 0, cells, layouts).columns}
    rows = [
        {
            "position": at + 1,
            "header": cell,
            "field": fields.get(at),
            "remark": None if at in fields else "not known; not read",
        }
        for at, cell in enumerate(cells)
        if cell
    ]
    columns = pl.DataFrame(rows, schema=empty(MapColumns).schema)
    headers = [cell for cell in cells if cell]
    return FileMap(
        file=opened.file,
        sheet=sheet,
        layout=None,
        columns=validated(columns, MapColumns),
        issues=issues_frame([]),
        book=None,
        refusal=refusal,
        layout_toml=_toml(
            opened.file,
            headers,
            {cell: fields.get(at, UNUSED) for at, cell in enumerate(cells) if cell},
            {},
            partial=False,
        ),
    )


# --- the layout file ------------------------------------------------------------------------------


def _layout_toml(raw: RawHoldings, units: dict[str, float], layouts: Layouts) -> str:
    fields = {use.header: use.field for use in raw.columns}
    fields |= {use.header: "code" for use in raw.codes}
    headers = list(dict.fromkeys(cell for cell in raw.header_cells if cell))
    columns = {header: fields.get(header, UNUSED) for header in headers}
    stated = {field: unit for field, unit in units.items() if field in fields.values()}
    signature = [header for header in headers if header in fields]
    known = (layouts.own, *layouts.known)
    used = next((one for one in known if one is not None and one.layout_id == raw.layout), None)
    return _toml(raw.file, signature, columns, stated, partial=raw.may_be_partial, used=used)


def _toml(
    file: str,
    signature: list[str],
    columns: dict[str, str],
    units: dict[str, float],
    *,
    partial: bool,
    used: Layout | None = None,
) -> str:
    lines = [
        f"# How {_comment(file)} is read. Correct it, then pass it on with --layout.",
        f"# A column is one of: {' '.join(FIELDS)}, or {UNUSED}.",
        "# A unit is what one of the file's numbers multiplies: 10000 for 万, 100 for 手, 0.01 for percent.",
        f"id = {_quoted(layout_name(file))}",
        'kind = "layout"',
        f"title = {_quoted(file)}",
        f"signature = [{', '.join(_quoted(header) for header in signature)}]",
    ]
    mark = "" if partial else "# "
    lines.append(f"{mark}may_be_partial = true     # the table may hold a part of the portfolio")
    if used is not None and used.as_of_line is not None:
        lines.append(f"as_of_line = {_quoted(used.as_of_line)}")
    lines += ["", "[columns]"]
    seen: set[str] = set()
    for header, field in columns.items():
        if squeeze(header) not in seen:  # the reader takes 代码 and 代 码 for one header
            lines.append(f"{_quoted(header)} = {_quoted(field)}")
            seen.add(squeeze(header))
    lines += ["", "[units]"]
    lines += [f"{field} = {unit:g}" for field, unit in sorted(units.items())]
    if used is not None and used.accounts is not None:
        lines += _accounts_toml(used.accounts)
    return "\n".join(lines) + "\n"


def _accounts_toml(rules: AccountRules) -> list[str]:
    listed = {
        "shares": rules.shares,
        "cash": rules.cash,
        "receivables": rules.receivables,
        "liabilities": rules.liabilities,
        "skip": sorted(rules.skip),
        "net_assets": rules.net_assets,
    }
    lines = ["", "[accounts]", f"depth = {rules.depth}"]
    lines += [f"{key} = [{', '.join(map(_quoted, words))}]" for key, words in listed.items()]
    lines += ["", "[accounts.other_assets]"]
    return lines + [f"{code} = {_quoted(what)}" for code, what in rules.other_assets.items()]


def layout_name(file: str) -> str:
    """Return the id of a layout written for a file.

    Examples
    --------
    >>> layout_name("持仓 2025-01-24.xlsx")
    '持仓-2025-01-24'
    """
    return re.sub(r"[^\w\-]+", "-", Path(file).stem).strip("-") or "mine"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a JSON string is a TOML string


def _comment(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def write_layout(found: FileMap, path: Path, *, force: bool = False) -> None:
    """Write the layout of a file map.

    Raises
    ------
    UsageError
        If the file exists and ``force`` is false, or the map has no layout.
    ContentError
        If the folder can't be written.
    """
    if found.layout_toml is None:
        raise UsageError("a history needs no layout", cure="name the day with --as-of")
    if path.exists() and not force:
        raise UsageError(f"{path.name} exists already", cure="add --force to write it again")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, found.layout_toml)
    except OSError as fault:
        raise ContentError(
            f"{path.name} can't be written: {fault.strerror}", cure="name another folder with -o"
        ) from fault
