"""The rows of a holdings table on their way to positions: numbers, cash, closed positions.

All rows are worked on at once, as one frame. A row that can't be used keeps its place; its fault, with the cell and a
cure, goes to a table of faults. Nothing is dropped without a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from exposure.content import SOURCE_ROW
from exposure.errors import HoldingsError, Place
from exposure.portfolios.accounts import NOT_A_SHARE
from exposure.portfolios.body import LONE
from exposure.portfolios.cash import available_in_balance, currency_of_cash, is_cash
from exposure.portfolios.cells import fold, parse_numbers, squeeze, writes_decimal_comma
from exposure.portfolios.dictionary import Dictionary
from exposure.portfolios.headers import AMOUNTS, SECOND_CODE
from exposure.portfolios.intake import RawHoldings
from exposure.schemas import issue

NUMERIC = ("quantity", "available", "price", "fx", "value", "weight")
TEXTS = ("code", "name", "market", "currency")
MAX_QUANTITY = 1e12  # shares
MAX_PRICE = 1e7
MAX_VALUE = 1e15
MAX_FX = 1e5
FEW_ROWS = 3  # three rows of one code are a broken column, two may be two lots

FAULTS: Mapping[str, Any] = {
    SOURCE_ROW: pl.Int64,
    "rule": pl.String,
    "why": pl.String,
    "cure": pl.String,
    "field": pl.String,
    "value": pl.String,
}

OK = pl.col("ok")
IS_CASH = pl.col("is_cash")


@dataclass(frozen=True, slots=True)
class Rule:
    """Which rows can't be used, and what is said of them.

    Parameters
    ----------
    where
        Which rows; null counts as false.
    why, cure
        Sentences, or an expression that makes one for each row.
    field
        The cell at fault.
    value
        What to show instead of the cell as found.
    """

    where: pl.Expr
    rule: str
    why: str | pl.Expr
    cure: str | pl.Expr
    field: str | None = None
    value: str | None = None

    def faults(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the faults of the rows that the rule hit."""
        shown = pl.lit(self.value, dtype=pl.String)
        if self.value is None and self.field is not None:
            shown = pl.col(f"{self.field}_text" if self.field in NUMERIC else self.field)
        return rows.select(
            SOURCE_ROW,
            pl.lit(self.rule).alias("rule"),
            _sentence(self.why).alias("why"),
            _sentence(self.cure).alias("cure"),
            pl.lit(self.field, dtype=pl.String).alias("field"),
            shown.alias("value"),
        )


@dataclass(slots=True)
class Lines:
    """The state of a table while it becomes a book.

    Parameters
    ----------
    rows
        | source_row | code | name | market | currency | quantity | available | price | fx | value | weight | and of
        each number its step and the text as found | is_cash | ok | listing_id | issuer_id | rate | has_rate | worth
        [base] | share [fraction] |. ``value`` and ``weight`` are as stated, ``worth`` and ``share`` as computed.
    faults
        | source_row | rule | why | cure | field | value |: why rows can't be used; ``ok`` is false for them.
    units
        Field → multiplier to shares, currency or fraction, as stated or found.
    """

    raw: RawHoldings
    rows: pl.DataFrame
    issues: list[dict[str, object]]
    faults: list[pl.DataFrame] = field(default_factory=list)
    dropped: int = 0  # rows found to be notes
    units: dict[str, float] = field(default_factory=dict)

    def reject(
        self,
        where: pl.Expr,
        rule: str,
        why: str | pl.Expr,
        cure: str | pl.Expr,
        field: str | None = None,
        value: str | None = None,
    ) -> None:
        """Mark rows as unusable; see :class:`Rule`."""
        self.reject_where([Rule(where, rule, why, cure, field, value)])

    def reject_where(self, rules: Iterable[Rule]) -> None:
        """Mark rows as unusable by several rules that don't depend on each other."""
        asked = list(rules)
        hits = self.rows.select(
            rule.where.fill_null(value=False).alias(str(at)) for at, rule in enumerate(asked)
        )
        if not hits.select(pl.any_horizontal(pl.all()).any()).item():
            return
        for rule, hit in zip(asked, hits.get_columns(), strict=True):
            if hit.any():
                self.faults.append(rule.faults(self.rows.filter(hit)))
        self.rows = self.rows.with_columns(
            ok=self.rows["ok"] & ~hits.select(pl.any_horizontal(pl.all())).to_series()
        )

    def say(
        self,
        severity: str,
        rule: str,
        message: str,
        *,
        row: int | None = None,
        column: str | None = None,
        raw: str | None = None,
    ) -> None:
        """Add an issue about the file, or about one row of it."""
        self.issues.append(
            issue(
                severity,
                self.raw.file,
                rule,
                message,
                sheet=self.raw.sheet,
                row=row,
                column=column,
                raw=raw,
            )
        )

    def all_faults(self) -> pl.DataFrame:
        """Return the faults in the order of the file."""
        if not self.faults:
            return pl.DataFrame(schema=dict(FAULTS))
        return pl.concat(self.faults).sort(SOURCE_ROW, maintain_order=True)

    def place(self, fault: Mapping[str, Any], why: str | None = None) -> Place:
        """Return where a fault stands."""
        name = fault["field"]
        column = None if name is None else self.raw.header(name) or name
        reason = why or f"{fault['why']} ({fault['cure']})"
        return Place(
            self.raw.file, reason, self.raw.sheet, fault[SOURCE_ROW], column, fault["value"]
        )


def _sentence(text: str | pl.Expr) -> pl.Expr:
    return pl.lit(text) if isinstance(text, str) else text


def lines_of(raw: RawHoldings, dictionary: Dictionary, issues: list[dict[str, object]]) -> Lines:
    """Read the cells of a table: numbers as numbers, currencies as codes, cash as cash."""
    rows = raw.rows
    texts = [_text_column(rows, name) for name in TEXTS]
    code, name, _, currency = texts
    stated = rows.select(key for key in NUMERIC if key in rows.columns)
    comma = writes_decimal_comma(stated)
    numbers = parse_numbers(stated, decimal_comma=comma)
    frame = pl.DataFrame([rows[SOURCE_ROW], *texts[:3], _currency_codes(currency, dictionary)])
    frame = frame.hstack(numbers.get_columns()).with_columns(
        _text_column(rows, NOT_A_SHARE),
        *(part for key in NUMERIC if key not in stated.columns for part in _absent(key)),
        is_cash=is_cash(code, name, dictionary),
        ok=pl.lit(value=True),
        **{LONE: rows[LONE] if LONE in rows.columns else pl.lit(value=False)},
        **{SECOND_CODE: _text_column(rows, SECOND_CODE)},
        listing_id=pl.lit(None, dtype=pl.String),
        issuer_id=pl.lit(None, dtype=pl.String),
        rate=pl.lit(1.0),
        has_rate=pl.lit(value=True),
        worth=pl.lit(None, dtype=pl.Float64),
        share=pl.lit(None, dtype=pl.Float64),
    )
    lines = Lines(raw, frame.with_columns(currency_of_cash(frame, dictionary)), issues)
    said = available_in_balance(lines.rows, dictionary)
    if said is not None:
        parts, severity, message = said
        row = int(lines.rows.filter(parts)[SOURCE_ROW][0])
        lines.say(severity, "available_cash", message, row=row)
        lines.rows = lines.rows.filter(~parts)
    if comma:
        lines.say("warning", "decimal_comma", "numbers such as 1.234,50 are read as 1234.5")
    lines.reject_where(
        Rule(
            pl.col(f"{key}_bad"),
            "not_a_number",
            "is not a number",
            "correct the cell, or leave it empty",
            key,
        )
        for key in stated.columns
    )
    lines.reject(
        pl.col(NOT_A_SHARE).is_not_null(),
        NOT_A_SHARE,
        pl.format("is {}; only shares are scored", NOT_A_SHARE),
        "leave it out",
        "code",
    )
    return lines


def _absent(key: str) -> list[pl.Expr]:
    """Return the empty cells of a column that the table lacks."""
    nothing = pl.lit(None, dtype=pl.Float64)
    return [
        nothing.alias(key),
        nothing.alias(f"{key}_step"),
        pl.lit(None, dtype=pl.Boolean).alias(f"{key}_percent"),
        pl.lit(value=False).alias(f"{key}_scaled"),
        pl.lit(None, dtype=pl.String).alias(f"{key}_text"),
    ]


def _text_column(rows: pl.DataFrame, name: str) -> pl.Series:
    if name in rows.columns:
        return rows[name].alias(name)
    return pl.Series(name, [None], dtype=pl.String).new_from_index(0, rows.height)


def _currency_codes(column: pl.Series, dictionary: Dictionary) -> pl.Series:
    words = {
        text: dictionary.currencies.get(fold(text), squeeze(text).upper())
        for text in column.drop_nulls().unique()
    }
    return column.replace_strict(words, return_dtype=pl.String) if words else column


# --- what a table as a whole must be --------------------------------------------------------------


def refuse_one_code(lines: Lines) -> None:
    """Refuse a table whose code column repeats one code: a known fault of index files.

    Raises
    ------
    HoldingsError
        Also where no row has a code or name.
    """
    raw = lines.raw
    coded = lines.rows.filter(~IS_CASH & pl.col("code").is_not_null())
    if coded.is_empty():
        if lines.rows.filter(~IS_CASH & pl.col("name").is_not_null()).is_empty():
            raise HoldingsError(
                f"{raw.file} has a header but no positions",
                places=[Place(raw.file, "has no rows with a code or name", raw.sheet)],
                cure="export the holdings again",
            )
        return
    codes = coded["code"].unique()
    if codes.len() > 1 and len({squeeze(code) for code in codes.head(2)}) > 1:
        return
    if len({squeeze(code) for code in codes}) > 1 or coded.height < 2:
        return
    names = {squeeze(name) for name in coded["name"].drop_nulls().unique()}
    if coded.height >= FEW_ROWS or len(names) > 1:
        row, code = coded.select(SOURCE_ROW, "code").row(0)
        why = f"stands in all {coded.height} rows: the code column is broken"
        raise HoldingsError(
            f"all codes of {raw.file} are equal",
            places=[Place(raw.file, why, raw.sheet, row, raw.header("code"), code)],
            cure="export the table again with the codes of the securities",
        )


def leave_out_closed(lines: Lines) -> int:
    """Leave out positions that were sold, nothing held and nothing worth; return their count.

    Raises
    ------
    HoldingsError
        If no other row is left.
    """
    raw = lines.raw
    stated = pl.any_horizontal(pl.col(AMOUNTS).is_not_null())
    nothing = pl.all_horizontal(pl.col(AMOUNTS).fill_null(0.0) == 0)
    is_closed = OK & stated & nothing & ~IS_CASH
    closed = lines.rows.filter(is_closed)
    if closed.is_empty():
        return 0
    rows = ", ".join(str(row) for row in closed[SOURCE_ROW].head(8))
    lines.say(
        "info",
        "closed_positions",
        f"{closed.height} closed positions (quantity 0, value 0) left out: rows {rows}",
    )
    lines.rows = lines.rows.filter(~is_closed)
    if lines.rows.is_empty():
        raise HoldingsError(
            f"{raw.file} has no open position",
            places=[Place(raw.file, "has only positions of zero shares", raw.sheet)],
            cure="export the holdings again",
        )
    return closed.height


_RANGES: Sequence[tuple[str, float, str, str]] = (
    ("quantity", MAX_QUANTITY, "is more shares than any company has", "correct the quantity"),
    ("available", MAX_QUANTITY, "is more shares than any company has", "correct the quantity"),
    ("price", MAX_PRICE, "is no price of a share", "correct the price"),
    ("fx", MAX_FX, "is no exchange rate", "correct the rate"),
    ("value", MAX_VALUE, "is no value of a position", "correct the value"),
    ("weight", MAX_VALUE, "is no weight", "correct the weight"),
)


def check_numbers(lines: Lines) -> None:
    """Reject numbers that no position can have."""
    rules: list[Rule] = []
    for key, limit, why, cure in _RANGES:
        size = pl.col(key)
        rules.append(Rule(size.abs() > limit, "absurd_number", why, cure, key))
        is_negative = (size < 0) & (size.abs() <= limit) & ~IS_CASH
        why = "is negative: only long positions are read"
        cure = "correct the sign, or remove the row"
        rules.append(Rule(is_negative, f"negative_{key}", why, cure, key))
        if key in {"price", "fx"}:
            cure = "fill in the number, or empty the cell"
            rules.append(Rule(size == 0, f"zero_{key}", "is zero", cure, key))
    rules.append(
        Rule(
            (pl.col("quantity") == 0) & (pl.col("value") > 0) & ~IS_CASH,
            "value_without_quantity",
            "is 0 shares although the value is above 0",
            "correct quantity or value",
            "quantity",
        )
    )
    lines.reject_where(rules)
