"""Reading whole columns gives what reading cell by cell gives, and no text is read in two ways.

If this fails, a long file and a short one with the same cells give two portfolios.
"""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exposure.portfolios.cells import (
    clean_cell,
    clean_column,
    parse_number,
    parse_numbers,
    texts_where,
    writes_decimal_comma,
)
from exposure.portfolios.frames import frame_grid, text_of
from exposure.portfolios.text import _quoted, _unquoted

pytestmark = pytest.mark.property

CELLS = st.one_of(
    st.none(),
    st.text(
        alphabet=st.sampled_from(
            "0123456789.,%+-eE万亿股元¥（）() '=\"\uff10\uff19，\uff0e\ufeff浪a\u00a0"
        ),
        max_size=14,
    ),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(min_value=-(10**9), max_value=10**9).map(lambda n: f"{n:,}"),
    st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=0, max_value=10**9).map(
        lambda d: f"{d:,}%"
    ),
)
COLUMNS = st.lists(CELLS, min_size=1, max_size=12)


@given(COLUMNS)
@example(["'", "''603019", '="0"', '=""', "=", "\ufeff 1 \ufeff", " \u00a0"])
@example(['="=""977"""'])
def test_a_column_is_cleaned_as_its_cells_are(cells: list[str | None]) -> None:
    column = pl.Series("c", cells, dtype=pl.String)
    assert clean_column(column, few=0).to_list() == [clean_cell(cell) for cell in cells]


@given(COLUMNS)
@example(
    [
        "1e3",
        "1.",
        ".5",
        "+1",
        "1,20",
        "1,234",
        "12%%",
        "\uff11\uff12",
        "1" * 16,
        "0.1234567891",
        "-0",
    ]
)
def test_a_column_of_numbers_is_read_as_its_cells_are(cells: list[str | None]) -> None:
    cleaned = [clean_cell(cell) for cell in cells]
    found = parse_numbers(pl.DataFrame({"x": pl.Series(cleaned, dtype=pl.String)}))
    single = [None if cell is None else parse_number(cell) for cell in cleaned]
    assert found["x"].to_list() == [None if n is None else n.value for n in single]
    assert found["x_percent"].to_list() == [None if n is None else n.percent for n in single]
    assert found["x_step"].to_list() == pytest.approx(
        [None if n is None else n.step for n in single]
    )
    assert found["x_bad"].to_list() == [
        cell is not None and n is None for cell, n in zip(cleaned, single, strict=True)
    ]


@given(COLUMNS)
def test_a_rule_for_texts_holds_alike_in_long_and_short_columns(cells: list[str | None]) -> None:
    column = pl.Series("c", cells, dtype=pl.String)

    def rule(text: str) -> bool:
        return "万" in text and not any(char.isdigit() for char in text)

    assert texts_where(column, rule, few=0).equals(texts_where(column, rule))


TEXTS = st.lists(
    st.text(alphabet=st.sampled_from("0a浪 ,.;\t%'="), max_size=20), min_size=1, max_size=8
).map("\n".join)


@given(TEXTS, st.sampled_from([",", "\t", ";"]))
@example("a,b\n\n\nc", ",")
@example("a\n", ",")
def test_text_without_quotes_is_split_as_the_strict_reader_splits_it(
    text: str, delimiter: str
) -> None:
    if not text.strip("\n"):
        return
    fast, strict = _unquoted(text, delimiter, "t"), _quoted(text, delimiter, "t")
    assert fast.rows.equals(strict.rows)


@given(st.lists(st.floats(), min_size=1, max_size=20))
def test_floats_of_a_frame_are_written_as_python_writes_them(values: list[float]) -> None:
    grid = frame_grid(pl.DataFrame({"weight": values}), "frame")
    assert grid.rows["c0"].to_list()[1:] == [text_of(value) for value in values]


@given(st.floats(min_value=0, max_value=10**9, allow_nan=False))
def test_a_decimal_comma_reads_to_the_same_number(value: float) -> None:
    point = f"{value:,.2f}"
    comma = point.translate(str.maketrans(",.", ".,"))
    texts = pl.DataFrame({"x": [comma, "1.234.567,89"]})
    assert writes_decimal_comma(texts)
    assert (
        parse_numbers(texts, decimal_comma=True)["x"][0]
        == parse_numbers(pl.DataFrame({"x": [point]}))["x"][0]
    )
