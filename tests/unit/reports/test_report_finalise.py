"""The last pass fails loudly where a formula and its value don't meet."""

from __future__ import annotations

import io
from datetime import date

import openpyxl
import pytest

from exposure.errors import ExposureError
from exposure.reports.finalise import finalise

DAY = date(2025, 1, 24)


def book(formula: str | None) -> bytes:
    made = openpyxl.Workbook()
    page = made.active
    page.title = "Sheet"
    page["A1"] = formula
    page["A2"] = "text & <more>"
    stream = io.BytesIO()
    made.save(stream)
    return stream.getvalue()


def values(data: bytes, ref: str) -> object:
    return openpyxl.load_workbook(io.BytesIO(data), data_only=True)["Sheet"][ref].value


@pytest.mark.parametrize("value", [1.5, "a & b", True, -2])
def test_a_value_stands_beside_its_formula(value):
    data = finalise(book("=B1"), {("Sheet", "A1"): value}, {}, as_of=DAY, font="Arial")
    assert values(data, "A1") == value
    assert values(data, "A2") == "text & <more>"


def test_a_formula_without_a_value_is_our_fault():
    with pytest.raises(ExposureError, match="formula without a value: Sheet!A1"):
        finalise(book("=B1"), {}, {}, as_of=DAY, font="Arial")


def test_a_value_without_a_formula_or_sheet_is_our_fault():
    with pytest.raises(ExposureError, match="values without a formula"):
        finalise(book(None), {("Sheet", "A1"): 1.0}, {}, as_of=DAY, font="Arial")
    with pytest.raises(ExposureError, match="values without a sheet"):
        finalise(book(None), {("Other", "A1"): 1.0}, {}, as_of=DAY, font="Arial")
