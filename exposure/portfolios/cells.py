"""Cells of an export: taking them as text, as numbers and as days, in the forms that people write.

Each rule stands once for one cell, in plain Python. What a million rows need stands beside it over whole columns: the
forms that nearly all cells have are read at once, the others one by one by the rule of the single cell.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

EXCEL_EPOCH = date(1899, 12, 30)
MONTHS = 12
EXCEL_SERIALS = (20_000, 80_000)  # 1954 to 2119: other integers are not meant as dates


def fold(text: str) -> str:
    """Return ``text`` with plain width, in lower case, each blank one.

    Examples
    --------
    >>> fold(" HKD  Cash ")
    'hkd cash'
    """
    folded = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return " ".join(folded.lower().replace("\ufeff", "").split())


def squeeze(text: str) -> str:
    """Return ``text`` for comparing: NFKC, lower case, no blanks.

    Examples
    --------
    >>> squeeze(" 深圳Ａ股 ")
    '深圳a股'
    """
    return fold(text).replace(" ", "")


_GUARD = re.compile(r'^=\s*"(.*)"$', re.DOTALL)


def clean_cell(text: str | None) -> str | None:
    """Take off blanks and a spreadsheet guard; an empty cell becomes None.

    Examples
    --------
    >>> clean_cell('="000977"')
    '000977'
    """
    if text is None:
        return None
    bare = text.strip().strip("\ufeff").strip()
    guarded = _GUARD.match(bare)
    if guarded:
        bare = guarded[1].strip()
    elif bare.startswith("'") and len(bare) > 1:
        bare = bare[1:].strip()
    return bare or None


@dataclass(frozen=True, slots=True)
class Number:
    """A number as found: its value, whether it carried ``%``, and the step of its last digit."""

    value: float
    percent: bool = False
    step: float = 0.0
    scaled: bool = False  # the cell itself says 万 or 亿


_PLAINEST = re.compile(r"^[0-9]{1,15}(?:\.([0-9]{1,9}))?$")
_PLAIN = re.compile(r"^[+-]?(?:(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?$")
_SUFFIX = re.compile(r"(万|亿)?(股|元)?$")
_SCALES = {"万": 1e4, "亿": 1e8, None: 1.0}


def parse_number(text: str) -> Number | None:
    """Read a number as people write it; None where it is not one.

    Full-width digits, thousands separators, ``%``, brackets for negatives, 万 and 亿 are read.
    ``1.000,00`` is refused: it is a decimal comma in one country and a typing error in another.

    Examples
    --------
    >>> parse_number("6,340,800.00").value
    6340800.0
    >>> parse_number("7.53%").percent
    True
    >>> parse_number("1.000,00") is None
    True
    """
    plainest = _PLAINEST.match(text)
    if plainest:  # nearly every cell; the rest of this function is for the others
        return Number(float(text), step=10.0 ** -len(plainest[1] or ""))
    bare = "".join(unicodedata.normalize("NFKC", text).split())
    bare = bare.replace("−", "-").lstrip("¥￥$")
    negative = bare.startswith("(") and bare.endswith(")")
    if negative:
        bare = bare[1:-1]
    percent = bare.endswith("%")
    bare = bare.removesuffix("%")
    suffix = _SUFFIX.search(bare)
    scale = 1.0
    if suffix and suffix[0]:
        scale = _SCALES[suffix[1]]
        bare = bare[: suffix.start()]
    if not bare.isascii() or not _PLAIN.match(bare) or not any(c.isdigit() for c in bare):
        return None
    plain = bare.replace(",", "")
    value = float(plain) * scale
    decimals = len(plain.partition(".")[2]) if "e" not in plain.lower() else 0
    step = scale * 10.0 ** -min(decimals, 300)
    return Number(-value if negative else value, percent, step, scaled=scale != 1.0)


_DATE_FORMS = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y%m%d",
    "%Y.%m.%d",
    "%Y年%m月%d日",
    "%d-%b-%Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%d %b %Y",
)


def parse_day(text: str) -> date | None:
    """Read a calendar day in the forms of exports, or an Excel serial; None where it is not one.

    Examples
    --------
    >>> parse_day("2025年1月24日")
    datetime.date(2025, 1, 24)
    >>> parse_day("45681")
    datetime.date(2025, 1, 24)
    """
    bare = unicodedata.normalize("NFKC", text).strip()
    bare = re.sub(r"[T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?$", "", bare)
    if bare.isascii() and bare.isdigit() and len(bare) == 5:
        serial = int(bare)
        if EXCEL_SERIALS[0] <= serial <= EXCEL_SERIALS[1]:
            return EXCEL_EPOCH + timedelta(days=serial)
        return None
    for form in _DATE_FORMS:
        try:
            return datetime.strptime(bare, form).date()  # noqa: DTZ007 - a calendar day has no zone
        except ValueError:
            continue
    slashed = re.fullmatch(r"(\d{1,2})/(\d{1,2})/(\d{4})", bare)
    if slashed is None:
        return None
    first, second, year = (int(part) for part in slashed.groups())
    if first <= MONTHS and second <= MONTHS:
        return None  # 01/02/2025 is two days
    month, day = (second, first) if first > MONTHS else (first, second)
    try:
        return date(year, month, day)
    except ValueError:
        return None


# --- whole columns --------------------------------------------------------------------------------

FEW = 2_000  # rows up to which the rule of the single cell is faster than a column at once
_COMMON = r"^[+-]?(?:[0-9]{1,15}|[0-9]{1,3}(?:,[0-9]{3}){1,4})(?:\.[0-9]{1,9})?%?$"
_HAS_DIGIT = r"[0-9\uff10-\uff19]"
_GUARDED = r'(?s)^=\s*"(.*)"$'
# only one of the two ways of writing decimals explains such a cell
_COMMA_ONLY = (
    r"^[+-]?(?:[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+|[0-9]{1,3}(?:\.[0-9]{3}){2,}"
    r"|[0-9]+,(?:[0-9]{1,2}|[0-9]{4,}))%?$"
)
_POINT_ONLY = r"^[+-]?(?:[0-9]{1,3}(?:,[0-9]{3})+\.[0-9]+|[0-9]+\.(?:[0-9]{1,2}|[0-9]{4,}))%?$"
_COMMA_FORM = r"^[+-]?[0-9.]*(?:,[0-9]*)?%?$"


def clean_columns(cells: pl.DataFrame) -> pl.DataFrame:
    """Apply :func:`clean_cell` to every text column.

    Examples
    --------
    >>> clean_columns(pl.DataFrame({"c0": [' ="000977" ', "  ", "'603019"]}))["c0"].to_list()
    ['000977', None, '603019']
    """
    return pl.DataFrame(
        [
            column if column.dtype != pl.String else clean_column(column)
            for column in cells.get_columns()
        ]
    )


def clean_column(column: pl.Series, *, few: int = FEW) -> pl.Series:
    """Apply :func:`clean_cell` to a text column."""
    if column.len() <= few:
        return pl.Series(column.name, [clean_cell(text) for text in column], dtype=pl.String)
    bare = column.str.strip_chars()
    if bare.str.starts_with("\ufeff").any() or bare.str.ends_with("\ufeff").any():
        bare = bare.str.strip_chars("\ufeff").str.strip_chars()
    if bare.str.starts_with("=").any() or bare.str.starts_with("'").any():
        guarded = bare.str.contains(_GUARDED).fill_null(value=False)
        marked = bare.str.starts_with("'") & (bare.str.len_chars() > 1)
        rest = bare.str.slice(1).str.strip_chars()
        inner = bare.str.replace(_GUARDED, "${1}").str.strip_chars()
        bare = inner.zip_with(guarded, rest.zip_with(marked.fill_null(value=False), bare))
    return bare.replace([""], [None]).alias(column.name)


def texts_where(
    column: pl.Series,
    rule: Callable[[str], bool],
    *,
    skip: str = _HAS_DIGIT,
    few: int = FEW,
) -> pl.Series:
    """Tell which cells a rule for one text holds for, asking it once a distinct text.

    Parameters
    ----------
    skip
        Pattern of texts for which the rule can't hold; by default texts with a digit.
    few
        Up to so many rows every cell is asked about.

    Returns
    -------
    polars.Series
        Boolean, never null.

    Examples
    --------
    >>> texts_where(pl.Series(["合计", "000977", None]), lambda text: text == "合计").to_list()
    [True, False, False]
    """
    if column.len() <= few:
        answers = {text: rule(text) for text in set(column) if text is not None}
        return pl.Series([text is not None and answers[text] for text in column], dtype=pl.Boolean)
    asked = column.filter(~column.str.contains(skip)).drop_nulls().unique()
    hits = [text for text in asked if rule(text)]
    if not hits:
        return pl.repeat(value=False, n=column.len(), dtype=pl.Boolean, eager=True)
    return column.is_in(hits).fill_null(value=False)


def parse_numbers(texts: pl.DataFrame, *, decimal_comma: bool = False) -> pl.DataFrame:
    """Apply :func:`parse_number` to columns of text.

    Parameters
    ----------
    decimal_comma
        Read ``1.234,50`` as 1234.5, as :func:`writes_decimal_comma` found.

    Returns
    -------
    polars.DataFrame
        For each column ``x`` its value ``x``, ``x_percent``, ``x_step``, ``x_scaled`` (the cell says 万 or 亿),
        ``x_bad`` (a text that is not a number) and ``x_text``.

    Examples
    --------
    >>> numbers = parse_numbers(pl.DataFrame({"x": ["1,200", "7.53%", "many", None]}))
    >>> numbers.select("x", "x_percent", "x_step", "x_bad").rows()
    [(1200.0, False, 1.0, False), (7.53, True, 0.01, False), (None, None, None, True), (None, None, None, False)]
    """
    names = texts.columns
    point = texts
    if decimal_comma:
        swapped = {
            name: pl.when(pl.col(name).str.contains(_COMMA_FORM))
            .then(
                pl.col(name)
                .str.replace_all(".", "", literal=True)
                .str.replace(",", ".", literal=True)
            )
            .otherwise(name)
            for name in names
        }
        point = texts.with_columns(**swapped)
    common, bare, decimals = "{}_common", "{}_bare", "{}_decimals"
    parts = point.with_columns(
        pl.col(name).str.contains(_COMMON).fill_null(value=False).alias(common.format(name))
        for name in names
    ).with_columns(
        pl.when(common.format(name))
        .then(
            pl.col(name)
            .str.strip_suffix("%")
            .str.strip_prefix("+")
            .str.replace_all(",", "", literal=True)
        )
        .alias(bare.format(name))
        for name in names
    )
    parts = parts.with_columns(
        (
            pl.col(bare.format(name)).str.len_bytes().cast(pl.Int64)
            - pl.col(bare.format(name)).str.find(".", literal=True)
            - 1
        )
        .fill_null(0)
        .alias(decimals.format(name))
        for name in names
    )
    wanted: list[pl.Expr] = []
    for name in names:
        known = pl.col(common.format(name))
        wanted += [
            pl.col(bare.format(name)).cast(pl.Float64, strict=False).alias(name),
            pl.when(known).then(pl.col(name).str.ends_with("%")).alias(f"{name}_percent"),
            # a power of ten divides exactly into the float that is written 0.01
            pl.when(known)
            .then(1.0 / pl.lit(10.0).pow(decimals.format(name)))
            .alias(f"{name}_step"),
            pl.lit(value=False).alias(f"{name}_scaled"),
            (pl.col(name).is_not_null() & ~known).alias(f"{name}_bad"),
        ]
    numbers = parts.select(wanted).with_columns(texts[name].alias(f"{name}_text") for name in names)
    for name in names:
        if numbers[f"{name}_bad"].any():
            numbers = _one_by_one(numbers, point[name])
    return numbers


def _one_by_one(numbers: pl.DataFrame, column: pl.Series) -> pl.DataFrame:
    """Read the texts that have no common form by the rule of the single cell, each distinct one once."""
    name = column.name
    bad = numbers[f"{name}_bad"]
    found = [(text, parse_number(text)) for text in column.filter(bad).unique()]
    table = pl.DataFrame(
        [(text, n.value, n.percent, n.step, n.scaled) for text, n in found if n is not None],
        schema={
            "text": pl.String,
            "value": pl.Float64,
            "percent": pl.Boolean,
            "step": pl.Float64,
            "scaled": pl.Boolean,
        },
        orient="row",
    )
    if table.is_empty():
        return numbers
    read = pl.DataFrame({"text": column}).join(table, on="text", how="left", maintain_order="left")
    return numbers.with_columns(
        pl.coalesce(name, read["value"]).alias(name),
        pl.coalesce(f"{name}_percent", read["percent"]).alias(f"{name}_percent"),
        pl.coalesce(f"{name}_step", read["step"]).alias(f"{name}_step"),
        read["scaled"].fill_null(value=False).alias(f"{name}_scaled"),
        (pl.col(f"{name}_bad") & read["value"].is_null()).alias(f"{name}_bad"),
    )


def writes_decimal_comma(texts: pl.DataFrame) -> bool:
    """Tell whether a table writes ``1.234,50``: some cells allow nothing else, and none allows only a point.

    Examples
    --------
    >>> writes_decimal_comma(pl.DataFrame({"price": ["1.000,00", "52,8"], "quantity": ["1.234", None]}))
    True
    >>> writes_decimal_comma(pl.DataFrame({"price": ["1.000,00", "52.84"]}))
    False
    """
    marked = r",|\.[0-9]{3}\."  # most tables have neither, and one look says so
    columns = [column for column in texts.get_columns() if column.str.contains(marked).any()]
    if not any(column.str.contains(_COMMA_ONLY).any() for column in columns):
        return False
    return not any(column.str.contains(_POINT_ONLY).any() for column in texts.get_columns())
