"""The rows below a header: which are positions, which are totals and notes, and what the closing total says."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from exposure.content import SOURCE_ROW
from exposure.errors import HoldingsError, Place
from exposure.portfolios.cells import Number, parse_number, texts_where
from exposure.portfolios.dictionary import Dictionary
from exposure.portfolios.grids import Grid
from exposure.portfolios.headers import Header
from exposure.schemas import issue

MAX_DROPPED_SHOWN = 500
LONE = "lone"
_CODE_LIKE = r"^[A-Z0-9.\- ]*[0-9][A-Z0-9.\- ]*$"
_NO_NOTE = r"^[A-Za-z]{0,4}[.:]?[0-9][0-9A-Za-z.\-]*$"  # codes and line numbers


@dataclass(frozen=True, slots=True)
class StatedTotal:
    """The amount in a closing row such as 合计: of values where there are some, else of weights."""

    field: str
    row: int
    number: Number
    text: str


def positions_below(
    grid: Grid,
    header: Header,
    dictionary: Dictionary,
    file: str,
    issues: list[dict[str, object]],
) -> tuple[pl.DataFrame, int, StatedTotal | None]:
    """Return the rows below the header that are positions, the count of totals and notes, and the closing total."""
    table = grid.rows.slice(header.last + 1)
    names = grid.columns
    columns = [
        column.zip_with(
            ~texts_where(column, dictionary.is_blank), pl.Series([None], dtype=pl.String)
        )
        for column in (table[name] for name in names)
    ]
    cells = pl.DataFrame([table[SOURCE_ROW], *columns])
    filled = cells.select(pl.sum_horizontal(pl.col(names).is_not_null().cast(pl.UInt32)))
    count = filled.to_series()
    blank = int((count == 0).sum())
    if grid.sheet:
        blank += _gaps(grid, header)
    cells = cells.filter(count > 0)
    reasons = _drop_reasons(cells, header, dictionary)
    _report_dropped(cells, reasons, file, grid.sheet, issues)
    kept = cells.filter(reasons.is_null())
    _refuse_shifted(kept, header.width, names, file, grid.sheet)
    if blank:
        issues.append(issue("info", file, "blank_rows", f"{blank} blank rows", sheet=grid.sheet))
    kept = _without_headers(kept, header, names, file, grid.sheet, issues)
    rows = kept.select(
        SOURCE_ROW,
        *(pl.col(names[use.position]).alias(use.field) for use in (*header.columns, *header.codes)),
        _is_lone(header, names),
    )
    return rows, int(reasons.is_not_null().sum()), _stated_total(cells, reasons, header, dictionary)


def _stated_total(
    cells: pl.DataFrame, reasons: pl.Series, header: Header, dictionary: Dictionary
) -> StatedTotal | None:
    """Return the value in the total that closes a table; totals inside it may be of anything."""
    table = cells.with_columns(reasons.alias("reason")).filter(
        pl.col("reason").fill_null("") != "a note"
    )
    if table.is_empty() or table["reason"][-1] != "a total":
        return None
    row, *texts, _ = table.row(-1)
    label = next((text for text in texts if text), "")
    earlier = table["reason"].slice(0, table.height - 1).fill_null("") == "a total"
    if not dictionary.is_grand_total(label) or earlier.any():
        return None  # with totals inside the table nobody can say what the last one adds up
    used = {use.field: use.position for use in header.columns}
    for field in ("value", "weight"):
        text = texts[used[field]] if field in used else None
        number = parse_number(text) if text else None
        if number is not None and text is not None:
            return StatedTotal(field, row, number, text)
    return None


def _gaps(grid: Grid, header: Header) -> int:
    """Count rows that a sheet's reader left out because they hold nothing."""
    numbers = grid.rows[SOURCE_ROW].slice(header.last)
    return int((numbers.diff().drop_nulls() - 1).clip(lower_bound=0).sum())


def _drop_reasons(cells: pl.DataFrame, header: Header, dictionary: Dictionary) -> pl.Series:
    """Say of each row why it is no position: ``a total`` or ``a note``; null where it may be one."""
    names = [name for name in cells.columns if name != SOURCE_ROW]
    first = cells.select(pl.coalesce(names)).to_series()
    labels = [names[u.position] for u in header.columns if u.field in {"code", "name"}]
    # what stands in front of a code is a remark about it, not the name of the row
    unlabelled = cells.select(pl.all_horizontal(pl.col(labels).is_null())).to_series()

    # a total may hold a count: 合计:2只
    total = unlabelled & texts_where(first, dictionary.is_total, skip=_NO_NOTE)
    note = unlabelled & texts_where(first, dictionary.is_note, skip=_NO_NOTE)
    for label in labels:
        total |= texts_where(cells[label], dictionary.is_total, skip=_NO_NOTE)
        note |= texts_where(cells[label], dictionary.is_note, skip=_NO_NOTE)
    named = [names[use.position] for use in header.columns]
    # nothing in a column that is read: whatever it says is no position
    note |= cells.select(pl.all_horizontal(pl.col(named).is_null())).to_series()
    reason = pl.when(total).then(pl.lit("a total")).when(note).then(pl.lit("a note"))
    return cells.select(reason.alias("reason")).to_series()


def _is_lone(header: Header, names: list[str]) -> pl.Expr:
    """Mark a code or name that stands alone in its row: a remark, unless it is a security without an amount."""
    labels = [names[u.position] for u in header.columns if u.field in {"code", "name"}]
    others = [name for name in names if name not in labels]
    alone = pl.sum_horizontal(pl.col(labels).is_not_null().cast(pl.UInt32)) == 1
    empty = pl.all_horizontal(pl.col(others).is_null()) if others else pl.lit(value=True)
    # 68804I is a code with a slip in it, not a remark
    text = pl.coalesce(labels).str.to_uppercase()
    return (alone & empty & ~text.str.contains(_CODE_LIKE)).alias(LONE)


def _without_headers(
    kept: pl.DataFrame,
    header: Header,
    names: list[str],
    file: str,
    sheet: str | None,
    issues: list[dict[str, object]],
) -> pl.DataFrame:
    """Leave out rows that repeat the header, as exports of several accounts do."""
    same = pl.all_horizontal(
        pl.col(names[use.position]) == use.header for use in header.columns
    ).fill_null(value=False)
    repeated = kept.filter(same)
    for row in repeated[SOURCE_ROW].head(MAX_DROPPED_SHOWN):
        issues.append(
            issue(
                "info", file, "header_repeated", "repeats the header; dropped", sheet=sheet, row=row
            )
        )
    return kept.filter(~same) if repeated.height else kept


def _report_dropped(
    cells: pl.DataFrame,
    reasons: pl.Series,
    file: str,
    sheet: str | None,
    issues: list[dict[str, object]],
) -> None:
    dropped = cells.with_columns(reasons).filter(pl.col("reason").is_not_null())
    for row in dropped.head(MAX_DROPPED_SHOWN).iter_rows():
        number, texts, reason = row[0], row[1:-1], row[-1]
        raw = " | ".join(text for text in texts if text)[:200]
        issues.append(
            issue("info", file, "row_dropped", f"is {reason}; dropped", sheet=sheet, row=number,
                  raw=raw)
        )  # fmt: skip
    rest = dropped.height - MAX_DROPPED_SHOWN
    if rest > 0:
        message = f"{rest} more totals and notes dropped"
        issues.append(issue("info", file, "row_dropped", message, sheet=sheet))


def _refuse_shifted(
    kept: pl.DataFrame, width: int, names: list[str], file: str, sheet: str | None
) -> None:
    """Refuse rows with more cells than the header: every column after the fault would be the wrong one."""
    beyond = names[width:]
    if not beyond:
        return
    extra = kept.select(SOURCE_ROW, pl.coalesce(beyond).alias("extra")).drop_nulls("extra")
    if extra.is_empty():
        return
    why = "has more cells than the header; a thousands separator without quotes?"
    raise HoldingsError(
        f"{file} has {extra.height} rows that don't fit its header",
        places=[
            Place(file, why, sheet, number, value=text)
            for number, text in extra.head(MAX_DROPPED_SHOWN).iter_rows()
        ],
        cure="export the table again with quotes around cells that hold the delimiter",
    )
