"""From a text table to a book: positions with listings, one currency, and weights that sum to 1.

Bad rows are never dropped silently. Every one is named with row, column, value, reason and cure;
the file is refused unless the caller allows rejects, and then they stand in ``book.issues``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from exposure.content import SOURCE_ROW, ContentRoot, find_content
from exposure.errors import HoldingsError, Place, UsageError
from exposure.portfolios.cells import Number, parse_day, parse_number, squeeze
from exposure.portfolios.database import NamedFrame, is_named, read_named_holdings
from exposure.portfolios.intake import AMOUNTS, PERCENT, RawHoldings, read_raw
from exposure.portfolios.layouts import Layouts, layouts_for, load_layouts
from exposure.portfolios.securities import Resolution, Resolver, SecurityMaster, load_master
from exposure.schemas import Benchmark, Holdings, issue, issues_frame, validated

if TYPE_CHECKING:
    from exposure.portfolios.intake import Frame

SUM_TOLERANCE = 0.005  # weights that are given may miss 1 by rounding
INDEX_TOLERANCE = 0.01  # index files round each of hundreds of weights
VALUE_TOLERANCE = 0.005  # quantity × price against value
UNIT_FIT = 0.9  # fraction of rows that a unit must explain
MIN_FIT = 0.5  # below it no unit is right, and the rows aren't the fault
MIN_COVERAGE = 0.5  # a table with values may leave out up to half of the portfolio
ROUNDING = 1e-12
WEIGHT_DIFFERENCE = 0.005  # stated against computed weight
MAX_QUANTITY = 1e12  # shares
MAX_PRICE = 1e7
MAX_VALUE = 1e15
MAX_FX = 1e5
BENCHMARK_NAME = "benchmark.csv"
NUMERIC = ("quantity", "available", "price", "fx", "value", "weight")
DEFAULT_BASE = "CNY"
FEW_ROWS = 3  # three rows of one code are a broken column, two may be two lots

# Units a file may use without saying so: shares and yuan, then value in 10,000 yuan,
# quantity in 10,000 shares, quantity in lots of 100, value in 100 million yuan.
UNIT_CHOICES = ((1.0, 1.0), (1.0, 1e4), (1e4, 1.0), (100.0, 1.0), (1.0, 1e8), (1e4, 1e8))
UNIT_WORDS = {1.0: "1", 100.0: "100", 1e4: "10,000", 1e8: "100,000,000"}


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


@dataclass(frozen=True, slots=True)
class _Fault:
    """One row that can't be used."""

    row: int
    rule: str
    why: str
    cure: str
    field: str | None = None
    value: str | None = None


@dataclass(slots=True)
class _Line:
    """One row of the file on its way to a position."""

    row: int
    code: str | None
    name: str | None
    market: str | None
    currency: str | None
    numbers: dict[str, Number]
    texts: dict[str, str]
    is_cash: bool = False
    listing_id: str = ""
    issuer_id: str | None = None
    fx: float = 1.0
    value: float | None = None  # base currency
    weight: float | None = None  # fraction
    faults: list[_Fault] = field(default_factory=list)

    def number(self, name: str) -> float | None:
        """Return a number of the row in the units of the book."""
        found = self.numbers.get(name)
        return None if found is None else found.value

    def put(self, name: str, value: float) -> None:
        """Replace a number of the row."""
        old = self.numbers.get(name)
        self.numbers[name] = Number(value) if old is None else replace(old, value=value)

    def reject(
        self, rule: str, why: str, cure: str, name: str | None = None, value: str | None = None
    ) -> None:
        """Mark the row as unusable."""
        shown = value if value is not None else self.texts.get(name or "")
        self.faults.append(_Fault(self.row, rule, why, cure, name, shown))


def load_holdings(
    source: str | Path | Frame | NamedFrame,
    *,
    as_of: date | None = None,
    benchmark: str | Path | Frame | None = None,
    name: str | None = None,
    allow_rejects: bool = False,
    content: str | Path | None = None,
    master: SecurityMaster | None = None,
) -> Book:
    """Read a portfolio from a file or a frame.

    Parameters
    ----------
    source
        CSV, TSV, XLSX, parquet or arrow file, or any frame that narwhals accepts; ``"@name"`` runs the
        query of that name in ``exposure.toml``.
    as_of
        The day; None takes it from the file.
    benchmark
        File or frame; None takes ``benchmark.csv`` beside the holdings file, and says so.
    name
        Name of the portfolio; None takes it from the file or its folder.
    allow_rejects
        Leave out rows that can't be used instead of refusing the file.
    content
        Content folder; None takes the one that is configured, or the shipped one.
    master
        Security master; None reads it from the content.

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
    table, named = _parted(source, as_of)
    layouts = layouts_for(root, None if named is None else named.layout)
    known = load_master(root) if master is None else master
    if named is not None:
        benchmark = named.benchmark if benchmark is None else benchmark
        name = name or named.label.removeprefix("@")
    raw = read_raw(table, layouts, name=name if named is None else named.label)
    issues = [*raw.issues, *([] if named is None else named.issues())]
    day = _day_of(raw, as_of, issues)
    resolver = Resolver.of(known, layouts.dictionary, day)
    lines = _lines(raw, layouts)
    _refuse_one_code(raw, lines)
    open_lines = _without_closed(raw, lines, issues)
    _check_numbers(open_lines)
    _resolve(open_lines, resolver, raw, issues)
    _apply_units(raw, open_lines, issues, allow_rejects=allow_rejects)
    base = _currencies(open_lines, resolver, issues, raw)
    _values(raw, open_lines, issues)
    _merge_duplicates(raw, open_lines, issues)
    kept = [line for line in open_lines if line.listing_id != _MERGED]
    nav, cash_weight = _weights(raw, kept, issues, allow_rejects=allow_rejects)
    good = [line for line in kept if not line.faults and not line.is_cash]
    _account(raw, lines, open_lines, good, issues)
    benchmark_frame, benchmark_source = _benchmark(table, benchmark, known, day, layouts, issues)
    return Book(
        name=_portfolio_name(table, name),
        as_of=day,
        base_currency=base,
        nav=nav,
        cash_weight=cash_weight,
        holdings=_frame(good),
        issues=issues_frame(issues),
        source=raw.file,
        sha256=raw.sha256,
        benchmark=benchmark_frame,
        benchmark_source=benchmark_source,
    )


def _parted(
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
    return _read_benchmark(source, master, as_of, load_layouts(root))


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
        severity = "warning" if stated > as_of else "info"
        message = f"the file is of {stated}, the run is as of {as_of}"
        issues.append(issue(severity, raw.file, "as_of_differs", message))
    return as_of


# --- rows -----------------------------------------------------------------------------------------


def _lines(raw: RawHoldings, layouts: Layouts) -> list[_Line]:
    lines: list[_Line] = []
    cash = layouts.dictionary.cash
    for record in raw.rows.iter_rows(named=True):
        texts = {key: text for key, text in record.items() if key != SOURCE_ROW and text}
        numbers: dict[str, Number] = {}
        code, name = texts.get("code"), texts.get("name")
        line = _Line(
            row=record[SOURCE_ROW],
            code=code,
            name=name,
            market=texts.get("market"),
            currency=_currency_code(texts.get("currency")),
            numbers=numbers,
            texts=texts,
            is_cash=_is_cash(code, cash) or (_is_cash(name, cash) and _is_cash_code(code, cash)),
        )
        for key in NUMERIC:
            if key not in texts:
                continue
            number = parse_number(texts[key])
            if number is None:
                line.reject(
                    "not_a_number", "is not a number", "correct the cell, or leave it empty", key
                )
            else:
                numbers[key] = number
        lines.append(line)
    return lines


def _is_cash(text: str | None, cash: frozenset[str]) -> bool:
    return text is not None and len(text) < 40 and squeeze(text) in cash


def _is_cash_code(code: str | None, cash: frozenset[str]) -> bool:
    """Tell whether a row named cash may be cash: without a code, a currency or a cash code."""
    return code is None or _is_cash(code, cash) or re.fullmatch(r"[A-Z]{3}", code) is not None


_CURRENCY_WORDS = {
    "人民币": "CNY",
    "人民币元": "CNY",
    "RMB": "CNY",
    "CNH": "CNY",
    "港币": "HKD",
    "港元": "HKD",
    "美元": "USD",
}


def _currency_code(text: str | None) -> str | None:
    if text is None:
        return None
    bare = squeeze(text).upper()
    return _CURRENCY_WORDS.get(bare, bare)


def _refuse_one_code(raw: RawHoldings, lines: Sequence[_Line]) -> None:
    """Refuse a file whose code column repeats one code: a known fault of index files."""
    coded = [line for line in lines if line.code and not line.is_cash]
    if not coded:
        if not any(line.name for line in lines if not line.is_cash):
            raise HoldingsError(
                f"{raw.file} has a header but no positions",
                places=[Place(raw.file, "has no rows with a code or name", raw.sheet)],
                cure="export the holdings again",
            )
        return
    names = {squeeze(line.name) for line in coded if line.name}
    if len({squeeze(line.code or "") for line in coded}) > 1 or len(coded) < 2:
        return
    if len(coded) >= FEW_ROWS or len(names) > 1:
        first = coded[0]
        why = f"stands in all {len(coded)} rows: the code column is broken"
        raise HoldingsError(
            f"all codes of {raw.file} are equal",
            places=[Place(raw.file, why, raw.sheet, first.row, raw.header("code"), first.code)],
            cure="export the table again with the codes of the securities",
        )


def _without_closed(
    raw: RawHoldings, lines: list[_Line], issues: list[dict[str, object]]
) -> list[_Line]:
    """Leave out positions that were sold: nothing held and nothing worth."""
    closed = [line for line in lines if _is_closed(line)]
    if closed:
        rows = ", ".join(str(line.row) for line in closed[:8])
        message = f"{len(closed)} closed positions (quantity 0, value 0) left out: rows {rows}"
        issues.append(issue("info", raw.file, "closed_positions", message, sheet=raw.sheet))
    rest = [line for line in lines if not _is_closed(line)]
    if not rest:
        raise HoldingsError(
            f"{raw.file} has no open position",
            places=[Place(raw.file, "has only positions of zero shares", raw.sheet)],
            cure="export the holdings again",
        )
    return rest


def _is_closed(line: _Line) -> bool:
    amounts = [line.number(key) for key in AMOUNTS]
    stated = [amount for amount in amounts if amount is not None]
    return not line.faults and bool(stated) and not any(stated) and not line.is_cash


_RANGES: Mapping[str, tuple[float, str, str]] = {
    "quantity": (MAX_QUANTITY, "is more shares than any company has", "correct the quantity"),
    "available": (MAX_QUANTITY, "is more shares than any company has", "correct the quantity"),
    "price": (MAX_PRICE, "is no price of a share", "correct the price"),
    "value": (MAX_VALUE, "is no value of a position", "correct the value"),
    "fx": (MAX_FX, "is no exchange rate", "correct the rate"),
}


def _check_numbers(lines: Sequence[_Line]) -> None:
    for line in lines:
        for key, number in line.numbers.items():
            limit, why, cure = _RANGES.get(key, (MAX_VALUE, "is no weight", "correct the weight"))
            if abs(number.value) > limit:
                line.reject("absurd_number", why, cure, key)
            elif number.value < 0 and not line.is_cash:
                line.reject(
                    f"negative_{key}",
                    "is negative: only long positions are read",
                    "correct the sign, or remove the row",
                    key,
                )
            elif number.value == 0 and key in {"price", "fx"}:
                line.reject(f"zero_{key}", "is zero", "fill in the number, or empty the cell", key)
        quantity, value = line.number("quantity"), line.number("value")
        if quantity == 0 and value is not None and value > 0 and not line.is_cash:
            line.reject(
                "value_without_quantity",
                "is 0 shares although the value is above 0",
                "correct quantity or value",
                "quantity",
            )


def _resolve(
    lines: Sequence[_Line], resolver: Resolver, raw: RawHoldings, issues: list[dict[str, object]]
) -> None:
    seen: dict[tuple[str | None, str | None, str | None], Resolution] = {}
    for line in lines:
        if line.is_cash:
            continue
        key = (line.code, line.name, line.market)
        if key not in seen:
            seen[key] = resolver.resolve(*key)
            for remark in seen[key].remarks:
                issues.append(
                    issue(
                        remark.severity,
                        raw.file,
                        remark.rule,
                        remark.message,
                        sheet=raw.sheet,
                        row=line.row,
                        column=raw.header("code") or raw.header("name"),
                        raw=line.code or line.name,
                    )
                )
        answer = seen[key]
        if answer.fault is not None:
            line.reject(answer.fault.rule, answer.fault.message, answer.cure or "", answer.field)
        elif answer.listing_id is not None:
            line.listing_id, line.issuer_id = answer.listing_id, answer.issuer_id


# --- units ----------------------------------------------------------------------------------------


def _apply_units(
    raw: RawHoldings,
    lines: Sequence[_Line],
    issues: list[dict[str, object]],
    *,
    allow_rejects: bool,
) -> None:
    quantity_unit, value_unit = _money_units(raw, lines, issues)
    for line in lines:
        # a quantity of cash is an amount of money: shares in 10,000 say nothing about it
        scale = 1.0 if line.is_cash else quantity_unit
        for key, unit in (("quantity", scale), ("available", scale), ("value", value_unit)):
            number = line.numbers.get(key)
            if number is not None and unit != 1.0:
                line.numbers[key] = Number(number.value * unit, number.percent, number.step * unit)
    _weight_unit(raw, lines, issues, allow_rejects=allow_rejects)


def _money_units(
    raw: RawHoldings, lines: Sequence[_Line], issues: list[dict[str, object]]
) -> tuple[float, float]:
    """Return what quantity and value multiply, from the header or from quantity × price."""
    stated = (raw.unit("quantity"), raw.unit("value"))
    checkable = [
        line
        for line in lines
        if not line.is_cash
        and not line.faults
        and all(line.number(key) for key in ("quantity", "price", "value"))
    ]
    default = (stated[0] or 1.0, stated[1] or 1.0)
    if not checkable:
        return default
    choices = [default] + [
        (quantity, value)
        for quantity, value in UNIT_CHOICES
        if stated[0] in (None, quantity) and stated[1] in (None, value)
    ]
    fits = [sum(_fits(line, *units) for line in checkable) / len(checkable) for units in choices]
    if fits[0] >= UNIT_FIT:
        return default
    best = max(range(len(choices)), key=lambda index: (fits[index], -index))
    if best != 0 and fits[best] >= UNIT_FIT:
        quantity, value = choices[best]
        message = (
            f"quantity counts {UNIT_WORDS.get(quantity, quantity)} shares and value counts "
            f"{UNIT_WORDS.get(value, value)} of the currency: so quantity × price = value in "
            f"{fits[best]:.0%} of {len(checkable)} rows"
        )
        issues.append(issue("warning", raw.file, "units_inferred", message, sheet=raw.sheet))
        return quantity, value
    if fits[0] >= MIN_FIT or len(checkable) == 1:
        return default
    first = next(line for line in checkable if not _fits(line, *default))
    why = f"quantity × price equals value in only {fits[0]:.0%} of the rows, in no unit more"
    raise HoldingsError(
        f"the units of {raw.file} can't be told",
        places=[
            Place(raw.file, why, raw.sheet, first.row, raw.header("value"), first.texts["value"])
        ],
        cure="put the units into the headers, such as 持股数(万股) and 市值(万元)",
    )


def _fits(line: _Line, quantity_unit: float, value_unit: float) -> bool:
    """Tell whether quantity × price = value, in local or in base currency."""
    quantity, price, value = (line.number(key) for key in ("quantity", "price", "value"))
    if quantity is None or price is None or value is None:
        return False
    local = quantity * quantity_unit * price
    slack = line.numbers["value"].step * value_unit
    rates = {1.0, line.number("fx") or 1.0}
    return any(_near(value * value_unit, local * rate, slack) for rate in rates)


def _near(value: float, expected: float, slack: float) -> bool:
    return abs(value - expected) <= max(VALUE_TOLERANCE * abs(expected), slack)


def _weight_unit(
    raw: RawHoldings,
    lines: Sequence[_Line],
    issues: list[dict[str, object]],
    *,
    allow_rejects: bool,
) -> None:
    """Turn stated weights into fractions: by header, cells, or their sum; never by a guess."""
    stated = {line.row: line.numbers["weight"] for line in lines if "weight" in line.numbers}
    if not stated:
        return
    try:
        decided = _percent_or_fraction(raw, lines, stated)
    except HoldingsError:
        if not allow_rejects:  # bad rows are the cause, and say more than their sum
            _check_rejects(raw, lines, issues, by_value=False, allow_rejects=False)
        raise
    if decided is None:
        message = f"weights stand in {len(stated)} of {len(lines)} rows; they are not used"
        issues.append(issue("warning", raw.file, "weights_not_used", message, sheet=raw.sheet))
        for line in lines:
            line.numbers.pop("weight", None)
        return
    unit, reason = decided
    word = "percent" if unit == PERCENT else "fractions"
    issues.append(
        issue("info", raw.file, "weight_unit", f"weights are {word} ({reason})", sheet=raw.sheet)
    )
    for line in lines:
        number = line.numbers.get("weight")
        if number is None:
            continue
        line.weight = number.value * unit
        line.numbers["weight"] = Number(line.weight, step=number.step * unit)
        if line.weight > 1 + SUM_TOLERANCE and not line.faults:
            line.reject("absurd_number", "is more than the whole portfolio", "correct it", "weight")


def _percent_or_fraction(
    raw: RawHoldings, lines: Sequence[_Line], stated: Mapping[int, Number]
) -> tuple[float, str] | None:
    """Return the unit of weights and why; None where too few rows state one to tell."""
    header = raw.unit("weight")
    if header is not None:
        return header, "the header or layout says so"
    marked = [number for number in stated.values() if number.percent]
    plain = [
        line.row
        for line in lines
        if line.row in stated and not stated[line.row].percent and stated[line.row].value
    ]
    if marked and plain:
        raise HoldingsError(
            f"the weights of {raw.file} mix percent and plain numbers",
            places=[
                Place(
                    raw.file, "has no % while other rows do", raw.sheet, row, raw.header("weight")
                )
                for row in plain
            ],
            cure="write all weights as percent or all as fractions",
        )
    if marked:
        return PERCENT, "the cells carry %"
    total = sum(number.value for number in stated.values())
    if abs(total - 1) <= SUM_TOLERANCE:
        return 1.0, f"they sum to {total:.4f}"
    if abs(total - 100) <= 100 * SUM_TOLERANCE:
        return PERCENT, f"they sum to {total:.2f}"
    is_incomplete = len(stated) < len(lines)
    has_values = all(line.number("value") for line in lines if line.row in stated)
    if has_values or is_incomplete:
        if 100 * MIN_COVERAGE <= total < 100:
            return PERCENT, f"they sum to {total:.2f} in the rows that state them"
        if MIN_COVERAGE <= total < 1:
            return 1.0, f"they sum to {total:.4f} in the rows that state them"
    if is_incomplete:
        return None
    raise _sum_error(raw, total, "neither 1 nor 100")


def _sum_error(raw: RawHoldings, total: float, target: str) -> HoldingsError:
    place = Place(raw.file, f"sums to {total:.6g}, {target}", raw.sheet, None, raw.header("weight"))
    return HoldingsError(
        f"the weights of {raw.file} sum to {total:.6g}, {target}",
        places=[place],
        cure="add the missing rows or a cash row, or correct the weights",
    )


# --- currency and value ---------------------------------------------------------------------------


def _currencies(
    lines: Sequence[_Line], resolver: Resolver, issues: list[dict[str, object]], raw: RawHoldings
) -> str:
    """Fill in currency and exchange rate of each row; return the base currency."""
    for line in lines:
        if line.currency is None and line.listing_id:
            line.currency = resolver.currency(line.listing_id)
    base = _base_currency(lines)
    unpriced: list[int] = []
    for line in lines:
        currency = line.currency or base
        line.currency = currency
        stated = line.number("fx")
        if line.faults:
            continue
        if not re.fullmatch(r"[A-Z]{3}", currency):
            line.reject("currency_unknown", "is not a currency", "write CNY or HKD", "currency")
        elif stated is None and currency == base:
            line.fx = 1.0
        elif stated is None and line.weight is not None and line.number("price") is None:
            unpriced.append(line.row)
        elif stated is None:
            why = f"needs an exchange rate: {currency} in a portfolio in {base}"
            cure = f"add a column fx with {base} per {currency}"
            line.reject("fx_missing", why, cure, "fx")
        elif stated == 1.0 and currency != base:
            why = f"is the rate of {currency} in a portfolio in {base}"
            line.reject("fx_is_one", why, f"fill in {base} per {currency}", "fx")
        elif stated != 1.0 and currency == base:
            why = f"is the rate of {base} in a portfolio in {base}"
            line.reject("fx_is_not_one", why, "write 1", "fx")
        else:
            line.fx = stated
    if unpriced:
        message = (
            f"{len(unpriced)} rows in another currency have no exchange rate; their weights don't "
            "need one, orders in them can't be priced (fx shows 1)"
        )
        issues.append(
            issue("warning", raw.file, "fx_unknown", message, sheet=raw.sheet, row=unpriced[0])
        )
    return base


def _base_currency(lines: Sequence[_Line]) -> str:
    """Return the currency with rate 1; without rates the only currency, else CNY."""
    currencies = {line.currency for line in lines if line.currency}
    rated = {line.currency for line in lines if line.number("fx") == 1.0 and line.currency}
    has_rates = any(line.number("fx") for line in lines)
    candidates = rated if has_rates else currencies
    if len(candidates) == 1:
        return next(iter(candidates))
    return DEFAULT_BASE


def _values(raw: RawHoldings, lines: Sequence[_Line], issues: list[dict[str, object]]) -> None:
    """Fill in the value of each row in base currency: quantity × price × fx where both stand."""
    local_rows: list[int] = []
    derived: list[int] = []
    for line in lines:
        if line.faults:
            continue
        quantity, price, value = (line.number(key) for key in ("quantity", "price", "value"))
        if line.is_cash:
            amount = value if value is not None else quantity
            line.value = None if amount is None else amount * _cash_rate(line)
            continue
        if quantity is not None and price is not None:
            line.value = quantity * price * line.fx
            _check_value(line, local_rows)
        elif value is not None:
            line.value = value
            if quantity:
                line.put("price", value / quantity / line.fx)
                derived.append(line.row)
        elif line.weight is None:
            wanted = "price" if quantity is not None else "quantity"
            missing = wanted if wanted in raw.rows.columns else "value"
            line.reject(
                f"{missing}_missing",
                f"has no {wanted}, value or weight",
                f"fill in the {wanted}, the value or the weight",
                missing,
                "",
            )
        available = line.number("available")
        if available is not None and quantity is not None and available > quantity:
            line.put("available", quantity)
            message = f"more shares available ({available:g}) than held; read as {quantity:g}"
            issues.append(
                issue(
                    "warning", raw.file, "available_above_quantity", message, sheet=raw.sheet,
                    row=line.row, column=raw.header("available"), raw=line.texts["available"],
                )
            )  # fmt: skip
    if local_rows:
        message = f"value of {len(local_rows)} rows is in local currency; converted with fx"
        issues.append(issue("info", raw.file, "value_in_local_currency", message, sheet=raw.sheet))
    if derived:
        message = f"{len(derived)} rows have no price; value ÷ quantity was used"
        issues.append(issue("info", raw.file, "price_derived", message, sheet=raw.sheet))


def _cash_rate(line: _Line) -> float:
    """Return what cash is multiplied with; a value column is in base currency already."""
    return line.fx if line.number("value") is None else 1.0


def _check_value(line: _Line, local_rows: list[int]) -> None:
    stated, computed = line.number("value"), line.value
    if stated is None or computed is None:
        return
    slack = line.numbers["value"].step
    if _near(stated, computed, slack):
        return
    if line.fx != 1.0 and _near(stated, computed / line.fx, slack):
        local_rows.append(line.row)
        return
    line.reject(
        "value_off",
        f"is not quantity × price, which is {computed:.2f}",
        "correct quantity, price or value",
        "value",
    )


_MERGED = "merged"


def _merge_duplicates(
    raw: RawHoldings, lines: Sequence[_Line], issues: list[dict[str, object]]
) -> None:
    groups: dict[str, list[_Line]] = {}
    for line in lines:
        if line.listing_id and not line.faults and not line.is_cash:
            groups.setdefault(line.listing_id, []).append(line)
    for listing_id, group in groups.items():
        if len(group) == 1:
            continue
        rows = ", ".join(str(line.row) for line in group[:8]) + (", …" if len(group) > 8 else "")
        prices = {line.number("price") for line in group}
        if len(prices) > 1:
            for line in group:
                why = f"{listing_id} stands at different prices in rows {rows}"
                line.reject("duplicate_prices", why, "keep one row, or correct the price", "price")
            continue
        first = group[0]
        for key in ("quantity", "available"):
            _sum_into(first, group, key)
        first.value = _total(group, lambda line: line.value)
        first.weight = _total(group, lambda line: line.weight)
        for line in group[1:]:
            line.listing_id = _MERGED
        message = f"{listing_id} stands in {len(group)} rows ({rows}) at one price; summed"
        issues.append(
            issue(
                "warning", raw.file, "duplicates_summed", message, sheet=raw.sheet, row=first.row,
                column=raw.header("code"), raw=first.code or first.name,
            )
        )  # fmt: skip


def _sum_into(first: _Line, group: Sequence[_Line], key: str) -> None:
    total = _total(group, lambda line: line.number(key))
    if total is None:
        first.numbers.pop(key, None)
    else:
        first.put(key, total)


def _total(group: Sequence[_Line], read: Callable[[_Line], float | None]) -> float | None:
    """Sum over a group; missing in one row is missing in the sum."""
    found = [read(line) for line in group]
    stated = [number for number in found if number is not None]
    return sum(stated) if len(stated) == len(found) else None


# --- weights --------------------------------------------------------------------------------------


def _weights(
    raw: RawHoldings,
    lines: list[_Line],
    issues: list[dict[str, object]],
    *,
    allow_rejects: bool,
) -> tuple[float | None, float]:
    """Fill in weights that sum to 1 with cash; return net asset value and cash weight."""
    by_value = _choose_basis(lines)
    _check_rejects(raw, lines, issues, by_value=by_value, allow_rejects=allow_rejects)
    good = [line for line in lines if not line.faults]
    cash = [line for line in good if line.is_cash]
    positions = [line for line in good if not line.is_cash]
    if by_value:
        nav, cash_weight = _weights_from_values(raw, lines, positions, cash, issues)
    else:
        nav, cash_weight = None, _weights_as_stated(raw, lines, positions, cash, issues)
    if abs(cash_weight) < ROUNDING:
        cash_weight = 0.0
    if not cash and cash_weight == 0:
        message = "the file has no cash row; cash is taken as 0"
        issues.append(issue("info", raw.file, "no_cash_row", message, sheet=raw.sheet))
    return nav, cash_weight


def _choose_basis(lines: Sequence[_Line]) -> bool:
    """Decide between values and stated weights, and reject rows that lack what is used."""
    usable = [line for line in lines if not line.faults and not line.is_cash]
    by_value = all(line.value is not None for line in usable)
    if not by_value and not all(line.weight is not None for line in usable):
        by_value = sum(line.value is not None for line in usable) * 2 >= len(usable)
    for line in lines:
        if line.faults:
            continue
        if line.is_cash and line.value is None and line.weight is None:
            line.reject("cash_missing", "has no amount of cash", "fill in value or weight", "value")
        elif line.is_cash and not by_value and line.weight is None:
            line.reject("weight_missing", "cash needs a weight too", "fill it in", "weight", "")
        elif not line.is_cash and by_value and line.value is None:
            line.reject("value_missing", "has no value while other rows do", "fill it in", "value")
        elif not line.is_cash and not by_value and line.weight is None:
            line.reject("weight_missing", "has no weight", "fill it in", "weight", "")
    return by_value


def _check_rejects(
    raw: RawHoldings,
    lines: Sequence[_Line],
    issues: list[dict[str, object]],
    *,
    by_value: bool,
    allow_rejects: bool,
) -> None:
    bad = [line for line in lines if line.faults]
    if not bad:
        return
    share = _rejected_share(lines, by_value=by_value)
    size = "of unknown value" if share is None else f"{share:.2%} of value"
    is_empty = all(line.faults or line.is_cash for line in lines)
    if not allow_rejects or is_empty:
        places = [
            Place(
                raw.file, f"{fault.why} ({fault.cure})", raw.sheet, fault.row,
                None if fault.field is None else raw.header(fault.field) or fault.field,
                fault.value,
            )
            for line in bad
            for fault in line.faults
        ]  # fmt: skip
        cure = "correct these rows"
        if not is_empty:
            cure += f"; or leave them out ({size}) with --allow-rejects (allow_rejects=True)"
        raise HoldingsError(
            f"{raw.file}: {len(bad)} of {len(lines)} rows can't be used", places=places, cure=cure
        )
    for line in bad:
        for fault in line.faults:
            column = None if fault.field is None else raw.header(fault.field) or fault.field
            issues.append(
                issue(
                    "error", raw.file, fault.rule, fault.why, sheet=raw.sheet, row=fault.row,
                    column=column, raw=fault.value, cure=fault.cure,
                )
            )  # fmt: skip
    message = f"{len(bad)} rows left out ({size}); weights are scaled up over the rest"
    issues.append(issue("warning", raw.file, "rejects_left_out", message, sheet=raw.sheet))


def _rejected_share(lines: Sequence[_Line], *, by_value: bool) -> float | None:
    """Return the fraction of value in rejected rows, None where a rejected row has none."""

    def size(line: _Line) -> float | None:
        if not by_value:
            return line.weight
        if line.value is not None:
            return line.value
        quantity, price, value = (line.number(key) for key in ("quantity", "price", "value"))
        if quantity is not None and price is not None:
            return quantity * price * (line.number("fx") or 1.0)
        return value

    sizes = [(size(line), bool(line.faults)) for line in lines]
    if any(amount is None for amount, is_bad in sizes if is_bad):
        return None
    total = sum(amount for amount, _ in sizes if amount is not None)
    bad = sum(amount for amount, is_bad in sizes if is_bad and amount is not None)
    return bad / total if total > 0 else None


def _weights_from_values(
    raw: RawHoldings,
    lines: Sequence[_Line],
    positions: Sequence[_Line],
    cash: Sequence[_Line],
    issues: list[dict[str, object]],
) -> tuple[float, float]:
    invested = sum(line.value or 0.0 for line in positions)
    if invested <= 0:
        raise HoldingsError(
            f"the positions of {raw.file} are worth nothing",
            places=[Place(raw.file, "sums to 0", raw.sheet, column=raw.header("value"))],
            cure="export the holdings again",
        )
    by_weight = sum(line.weight or 0.0 for line in cash if line.value is None)
    cash_value = sum(line.value for line in cash if line.value is not None)
    nav = (invested + cash_value) / (1 - by_weight) if by_weight < 1 else invested
    nav = _nav_with_uncovered(raw, lines, positions, cash, nav, issues)
    if invested > nav * (1 + SUM_TOLERANCE * 2):
        raise _sum_error(raw, invested / nav, "which is more than the net asset value")
    for line in positions:
        weight = (line.value or 0.0) / nav
        line.weight = weight
    return nav, 1 - sum(line.weight or 0.0 for line in positions)


def _nav_with_uncovered(
    raw: RawHoldings,
    lines: Sequence[_Line],
    positions: Sequence[_Line],
    cash: Sequence[_Line],
    nav: float,
    issues: list[dict[str, object]],
) -> float:
    """Return net asset value, with the part that only the stated weights tell of."""
    if any(line.weight is None for line in positions):
        return nav
    stated = sum(line.weight or 0.0 for line in (*positions, *cash))
    rejected = sum(line.weight or 0.0 for line in lines if line.faults)
    total = stated + rejected
    if any(line.weight is None for line in cash) or abs(total - 1) <= SUM_TOLERANCE:
        for line in positions:
            # a stated weight is a fraction of everything, rejected rows included
            share = (line.value or 0.0) / nav * (stated if rejected else 1.0)
            if line.weight is not None and abs(line.weight - share) > WEIGHT_DIFFERENCE:
                message = f"stated weight {line.weight:.4f}, value gives {share:.4f}; value is used"
                issues.append(
                    issue(
                        "warning", raw.file, "weight_differs", message, sheet=raw.sheet,
                        row=line.row, column=raw.header("weight"), raw=line.texts.get("weight"),
                    )
                )  # fmt: skip
        return nav
    invested = sum(line.value or 0.0 for line in positions)
    in_positions = sum(line.weight or 0.0 for line in positions)
    implied = invested / max(in_positions, 1e-300)
    proportional = all(
        abs((line.weight or 0.0) - (line.value or 0.0) / implied)
        <= max(VALUE_TOLERANCE * (line.weight or 0.0), 1.5 * line.numbers["weight"].step)
        for line in positions
    )
    enough = raw.may_be_partial or stated >= MIN_COVERAGE
    if total > 1 or (cash and not raw.may_be_partial) or not proportional or not enough:
        raise _sum_error(raw, total, "not 1")
    _say_coverage(raw, total, issues)
    return invested / (in_positions + rejected)


def _say_coverage(raw: RawHoldings, total: float, issues: list[dict[str, object]]) -> None:
    message = (
        f"the file covers {total:.2%} of net asset value; the other {1 - total:.2%} is treated "
        "as cash: it has no exposure and no shock"
    )
    issues.append(issue("warning", raw.file, "coverage_below_one", message, sheet=raw.sheet))


def _weights_as_stated(
    raw: RawHoldings,
    lines: Sequence[_Line],
    positions: Sequence[_Line],
    cash: Sequence[_Line],
    issues: list[dict[str, object]],
) -> float:
    stated = sum(line.weight or 0.0 for line in (*positions, *cash))
    everything = sum(line.weight or 0.0 for line in lines)
    unknown = any(line.faults and line.weight is None for line in lines)
    if stated <= 0:
        raise _sum_error(raw, stated, "not 1")
    if raw.may_be_partial and everything < 1 - SUM_TOLERANCE:
        _say_coverage(raw, everything, issues)
        for line in positions:
            line.weight = (line.weight or 0.0) * everything / stated
        return 1 - sum(line.weight or 0.0 for line in positions)
    if abs(everything - 1) > SUM_TOLERANCE and not (unknown and everything < 1):
        raise _sum_error(raw, everything, "not 1")
    if not any(line.faults for line in lines) and abs(stated - 1) > 1e-9:
        message = f"weights sum to {stated:.6f}; scaled to 1"
        issues.append(issue("info", raw.file, "weights_scaled", message, sheet=raw.sheet))
    for line in positions:
        line.weight = (line.weight or 0.0) / stated
    return 1 - sum(line.weight or 0.0 for line in positions)


def _account(
    raw: RawHoldings,
    lines: Sequence[_Line],
    open_lines: Sequence[_Line],
    good: Sequence[_Line],
    issues: list[dict[str, object]],
) -> None:
    """Say where every row of the file went."""
    merged = sum(line.listing_id == _MERGED for line in open_lines)
    cash = sum(line.is_cash for line in lines)
    rejected = sum(bool(line.faults) for line in open_lines)
    closed = len(lines) - len(open_lines)
    message = (
        f"{len(lines) + raw.dropped} rows read: {len(good)} positions, {cash} cash, {merged} "
        f"summed into another, {closed} closed, {raw.dropped} totals or notes, {rejected} rejected"
    )
    issues.append(issue("info", raw.file, "rows_accounted", message, sheet=raw.sheet))


def _frame(lines: Sequence[_Line]) -> pl.DataFrame:
    rows = [
        {
            "listing_id": line.listing_id,
            "issuer_id": line.issuer_id,
            "name": line.name,
            "quantity": line.number("quantity"),
            "available": line.number("available"),
            "price": line.number("price"),
            "currency": line.currency,
            "fx": line.fx,
            "value": line.value,
            "weight": line.weight,
            "source_row": line.row,
        }
        for line in lines
    ]
    schema = {name: column.dtype for name, column in Holdings.columns().items()}
    return validated(pl.DataFrame(rows, schema=schema).sort("listing_id"), Holdings)


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
        frame = _read_benchmark(benchmark, master, day, layouts)
        return frame, Path(benchmark).name if isinstance(benchmark, str | Path) else "frame"
    if not isinstance(source, str | Path):
        return None, None
    beside = Path(source).parent / BENCHMARK_NAME
    if Path(source).name == BENCHMARK_NAME or not beside.is_file():
        return None, None
    frame = _read_benchmark(beside, master, day, layouts)
    message = f"{BENCHMARK_NAME} beside the holdings is used as benchmark"
    issues.append(issue("info", BENCHMARK_NAME, "benchmark_found", message))
    return frame, BENCHMARK_NAME


def _read_benchmark(
    source: str | Path | Frame, master: SecurityMaster, as_of: date, layouts: Layouts
) -> pl.DataFrame:
    raw = read_raw(source, layouts, name="benchmark")
    resolver = Resolver.of(master, layouts.dictionary, as_of)
    lines = _lines(raw, layouts)
    _refuse_one_code(raw, lines)
    _check_numbers(lines)
    _resolve(lines, resolver, raw, [])
    key = "weight" if any("weight" in line.numbers for line in lines) else "value"
    totals: dict[str, float] = {}
    for line in lines:
        amount = line.number(key)
        if line.is_cash:
            line.reject("cash", "is cash; a benchmark holds none", "remove the row", "code")
        elif amount is None and not line.faults:
            line.reject(f"{key}_missing", f"has no {key}", "fill it in", key, "")
        elif line.listing_id in totals and not line.faults:
            line.reject("duplicate", "stands twice", "remove one row", "code")
        elif amount is not None and not line.faults:
            totals[line.listing_id] = amount
    _check_rejects(raw, lines, [], by_value=key == "value", allow_rejects=False)
    total = sum(totals.values())
    if key == "weight":
        scale = 1.0 if total < 50 else 100.0
        if abs(total / scale - 1) > INDEX_TOLERANCE:
            raise _sum_error(raw, total, "neither 1 nor 100")
    if total <= 0:
        raise _sum_error(raw, total, "not 1")
    ordered = sorted(totals.items())
    frame = pl.DataFrame(
        {
            "listing_id": [listing_id for listing_id, _ in ordered],
            "weight": [amount / total for _, amount in ordered],
        }
    )
    return validated(frame, Benchmark)
