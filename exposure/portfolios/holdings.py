"""From a text table to a book: positions with listings, one currency, and weights that sum to 1.

Bad rows are never dropped silently. Every one is named with row, column, value, reason and cure;
the file is refused unless the caller allows rejects, and then they stand in ``book.issues``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from exposure.content import SOURCE_ROW, ContentRoot, find_content
from exposure.errors import HoldingsError, Place, UsageError
from exposure.portfolios.cells import parse_day
from exposure.portfolios.currencies import fill_currencies
from exposure.portfolios.database import NamedFrame, is_named, read_named_holdings
from exposure.portfolios.duplicates import merge_duplicates
from exposure.portfolios.identity import resolve
from exposure.portfolios.intake import RawHoldings, read_raw
from exposure.portfolios.layouts import Layouts, layouts_for, load_layouts
from exposure.portfolios.lines import (
    IS_CASH,
    OK,
    check_numbers,
    leave_out_closed,
    lines_of,
    refuse_one_code,
)
from exposure.portfolios.rejects import refuse_rejects
from exposure.portfolios.securities import Resolver, SecurityMaster, load_master
from exposure.portfolios.totals import check_total, take_stated_cash
from exposure.portfolios.units import apply_units, sum_error
from exposure.portfolios.values import fill_values
from exposure.portfolios.weights import fill_weights
from exposure.schemas import Benchmark, Holdings, issue, issues_frame, validated

if TYPE_CHECKING:
    from exposure.portfolios.frames import Frame
    from exposure.portfolios.securities.loading import MasterSource

INDEX_TOLERANCE = 0.01  # index files round each of hundreds of weights
OLD_FILE_DAYS = 10  # a weekly file, with holidays
BENCHMARK_NAME = "benchmark.csv"


@dataclass(frozen=True, slots=True)
class Book:
    """A portfolio on a day.

    Parameters
    ----------
    nav
        Net asset value [base currency]; None where the file gives weights only.
    cash_weight
        Fraction of net asset value; together with the weights of ``holdings`` it sums to 1.
    holdings
        | listing_id | issuer_id | name | quantity [shares] | available [shares] | price [local] |
        currency | fx | value [base] | weight [fraction of NAV] | source_row |
    issues
        Everything to know about the input: rejected rows, repairs, units, columns not read.
    source, benchmark_source
        File names without folders.
    sha256
        Of the bytes of the file, or of a frame's CSV text.
    """

    name: str
    as_of: date
    base_currency: str
    nav: float | None
    cash_weight: float
    holdings: pl.DataFrame
    issues: pl.DataFrame
    source: str
    sha256: str
    benchmark: pl.DataFrame | None = None
    benchmark_source: str | None = None


def load_holdings(
    source: str | Path | Frame | NamedFrame,
    *,
    as_of: date | None = None,
    benchmark: str | Path | Frame | None = None,
    name: str | None = None,
    allow_rejects: bool = False,
    content: str | Path | None = None,
    master: SecurityMaster | MasterSource | None = None,
    layout: str | Path | None = None,
    find_benchmark: bool = True,
) -> Book:
    """Read a portfolio from a file or a frame.

    Parameters
    ----------
    source
        Text, XLSX, XLS, parquet or arrow file, or any frame that narwhals accepts; ``"@name"`` runs the
        query of that name in ``exposure.toml``.
    as_of
        The day; None takes it from the file. Of a history the newest day up to this one is read.
    benchmark
        File or frame; None takes ``benchmark.csv`` beside the holdings file, and says so.
    name
        Name of the portfolio; None takes it from the file or its folder.
    allow_rejects
        Leave out rows that can't be used instead of refusing the file.
    content
        Content folder; None takes the one that is configured, or the shipped one.
    master
        Security master, or a file or frame of your own to lie beneath the shipped one; None reads the content's.
    layout
        A layout of the user's own, as ``exposure map`` writes it.
    find_benchmark
        False reads no benchmark that the caller doesn't give: for what needs none.

    Returns
    -------
    Book
        Weights are fractions of NAV and sum to 1 with ``cash_weight``.

    Missing values
        A missing price with a missing weight rejects the row; it never counts as zero.

    Raises
    ------
    HoldingsError
        Naming every row that can't be used, or why the file as a whole can't.
    UsageError
        If neither the caller nor the file says the day.
    """
    root = find_content(content)
    table, named = named_or_given(source, as_of)
    if layout is None and named is not None:
        layout = named.layout
    layouts = layouts_for(root, layout)
    known = master if isinstance(master, SecurityMaster) else load_master(root, master)
    if named is not None:
        benchmark = named.benchmark if benchmark is None and find_benchmark else benchmark
        name = name or named.label.removeprefix("@")
    raw = read_raw(table, layouts, name=name if named is None else named.label, as_of=as_of)
    issues = [*raw.issues, *([] if named is None else named.issues())]
    day = _day_of(raw, as_of, issues)
    resolver = Resolver.of(known, layouts.dictionary, day)
    lines = lines_of(raw, layouts.dictionary, issues)
    refuse_one_code(lines)
    read = lines.rows.height
    closed = leave_out_closed(lines)
    check_numbers(lines)
    resolve(lines, resolver)
    apply_units(lines, allow_rejects=allow_rejects)
    base = fill_currencies(lines, layouts.dictionary.fx_bands)
    fill_values(lines)
    check_total(lines)
    take_stated_cash(lines)
    cash_rows = int(lines.rows["is_cash"].sum())
    merged = merge_duplicates(lines)
    nav, cash_weight = fill_weights(lines, allow_rejects=allow_rejects)
    positions = lines.rows.filter(OK & ~IS_CASH)
    rejected = lines.rows.filter(~OK).height
    message = (
        f"{read + raw.dropped} rows read: {positions.height} positions, {cash_rows} cash, {merged} "
        f"summed into another, {closed} closed, {raw.dropped + lines.dropped} totals or notes, "
        f"{rejected} rejected"
    )
    lines.say("info", "rows_accounted", message)
    beside = table if find_benchmark else None
    benchmark_frame, benchmark_source = _benchmark(beside, benchmark, known, day, layouts, issues)
    return Book(
        name=_portfolio_name(table, name),
        as_of=day,
        base_currency=base,
        nav=nav,
        cash_weight=cash_weight,
        holdings=_frame(positions),
        issues=issues_frame(issues),
        source=raw.file,
        sha256=raw.sha256,
        benchmark=benchmark_frame,
        benchmark_source=benchmark_source,
    )


def named_or_given(
    source: str | Path | Frame | NamedFrame, as_of: date | None
) -> tuple[str | Path | Frame, NamedFrame | None]:
    """Return what to read and, for ``@name``, where it comes from."""
    if isinstance(source, str | Path) and is_named(source):
        source = read_named_holdings(source, as_of=as_of)
    return (source.frame, source) if isinstance(source, NamedFrame) else (source, None)


def load_benchmark(
    source: str | Path | Frame,
    master: SecurityMaster,
    as_of: date,
    *,
    content: str | Path | ContentRoot | None = None,
) -> pl.DataFrame:
    """Read benchmark weights.

    Parameters
    ----------
    source
        File or frame with a code and a weight (or value) column.
    master
        Security master.
    as_of
        The day for which codes are resolved.
    content
        Content folder with the layouts.

    Returns
    -------
    polars.DataFrame
        | listing_id | weight [fraction] |, sorted, summing to 1.

    Raises
    ------
    HoldingsError
        If a row can't be used, or the weights don't sum to 1 ± 1%.
    """
    root = content if isinstance(content, ContentRoot) else find_content(content)
    return _read_benchmark(source, master, as_of, load_layouts(root))[0]


# --- the day --------------------------------------------------------------------------------------


def _day_of(raw: RawHoldings, as_of: date | None, issues: list[dict[str, object]]) -> date:
    found: dict[date, int] = {}
    if "as_of" in raw.rows.columns:
        for row, text in raw.rows.select(SOURCE_ROW, "as_of").iter_rows():
            if text is None:
                continue
            day = parse_day(text)
            if day is None:
                place = Place(raw.file, "is not a date", raw.sheet, row, raw.header("as_of"), text)
                raise HoldingsError(
                    f"{raw.file} has a date that can't be read",
                    places=[place],
                    cure="write dates as 2025-01-24",
                )
            found.setdefault(day, row)
    elif raw.as_of_text is not None:
        stated = parse_day(raw.as_of_text)
        if stated is not None:
            found[stated] = 1
    if len(found) > 1:
        places = [
            Place(raw.file, "is another day", raw.sheet, row, raw.header("as_of"), str(day))
            for day, row in sorted(found.items())
        ]
        raise HoldingsError(
            f"{raw.file} holds positions of {len(found)} days",
            places=places,
            cure="keep the rows of one day",
        )
    stated = next(iter(found), None)
    if as_of is None:
        if stated is None:
            raise UsageError(
                f"the day of {raw.file} is not known", cure="give --as-of YYYY-MM-DD (as_of=...)"
            )
        issues.append(issue("info", raw.file, "as_of_from_file", f"as of {stated}, from the file"))
        return stated
    if stated is not None and stated != as_of:
        is_old = (as_of - stated).days > OLD_FILE_DAYS
        severity = "warning" if stated > as_of or is_old else "info"
        message = f"the file is of {stated}, the run is as of {as_of}"
        issues.append(issue(severity, raw.file, "as_of_differs", message))
    return as_of


# --- the result -----------------------------------------------------------------------------------


def _frame(positions: pl.DataFrame) -> pl.DataFrame:
    """Return positions as :class:`~exposure.schemas.Holdings`."""
    frame = positions.select(
        "listing_id",
        "issuer_id",
        "name",
        "quantity",
        "available",
        "price",
        "currency",
        fx="rate",
        value="worth",
        weight="share",
        source_row=SOURCE_ROW,
    )
    return validated(frame.sort("listing_id"), Holdings)


def _portfolio_name(source: object, name: str | None) -> str:
    """Name a portfolio after its file, or after its folder where the file is holdings.csv."""
    if name is not None:
        return name
    if not isinstance(source, str | Path):
        return "portfolio"
    path = Path(source).absolute()
    stem = path.parent.name if path.stem == "holdings" else path.stem
    return re.sub(r"[^\w.\-]+", "-", stem).strip("-.") or "portfolio"


# --- benchmark ------------------------------------------------------------------------------------


def _benchmark(
    source: object,
    benchmark: str | Path | Frame | None,
    master: SecurityMaster,
    day: date,
    layouts: Layouts,
    issues: list[dict[str, object]],
) -> tuple[pl.DataFrame | None, str | None]:
    if benchmark is not None:
        frame, told = _read_benchmark(benchmark, master, day, layouts)
        issues += told
        return frame, Path(benchmark).name if isinstance(benchmark, str | Path) else "frame"
    if not isinstance(source, str | Path):
        return None, None
    beside = Path(source).parent / BENCHMARK_NAME
    if Path(source).name == BENCHMARK_NAME or not beside.is_file():
        return None, None
    frame, told = _read_benchmark(beside, master, day, layouts)
    issues += told
    message = f"{BENCHMARK_NAME} beside the holdings is used as benchmark"
    issues.append(issue("info", BENCHMARK_NAME, "benchmark_found", message))
    return frame, BENCHMARK_NAME


def _read_benchmark(
    source: str | Path | Frame, master: SecurityMaster, as_of: date, layouts: Layouts
) -> tuple[pl.DataFrame, list[dict[str, object]]]:
    """Read weights by the same steps as holdings; return them and what a reader must know of them."""
    raw = read_raw(source, layouts, name="benchmark", as_of=as_of)
    issues = list(raw.issues)
    _day_of(raw, as_of, issues)
    resolver = Resolver.of(master, layouts.dictionary, as_of)
    lines = lines_of(raw, layouts.dictionary, issues)
    refuse_one_code(lines)
    check_numbers(lines)
    resolve(lines, resolver)
    lines.reject(IS_CASH, "cash", "is cash; a benchmark holds none", "remove the row", "code")
    stated = lines.rows["weight"].null_count() < lines.rows.height
    apply_units(lines, allow_rejects=False, tolerance=INDEX_TOLERANCE, may_reject=False)
    if stated and lines.rows["share"].null_count() < lines.rows.height:
        key, column = "weight", "share"
    else:
        key, column = "value", "worth"
        fill_currencies(lines, layouts.dictionary.fx_bands)
        fill_values(lines)
    check_total(lines)
    lines.reject(
        OK & pl.col(column).is_null(), f"{key}_missing", f"has no {key}", "fill it in", key, ""
    )
    lines.reject(
        OK & ~pl.col("listing_id").is_first_distinct(),
        "duplicate",
        "stands twice",
        "remove one row",
        "code",
    )
    refuse_rejects(lines, by_value=key == "value", allow_rejects=False, may_allow=False)
    total = float(lines.rows[column].sum())
    if total <= 0 or (key == "weight" and abs(total - 1) > INDEX_TOLERANCE):
        raise sum_error(lines, total, "neither 1 nor 100" if key == "weight" else "not 1")
    frame = lines.rows.select("listing_id", weight=pl.col(column) / total).sort("listing_id")
    told = [one for one in issues if one["severity"] != "info"]
    return validated(frame, Benchmark), told
