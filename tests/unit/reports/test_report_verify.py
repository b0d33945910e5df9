"""Is a workbook still what the run wrote? Three answers, each with its cells."""

from __future__ import annotations

import openpyxl
import pytest

from exposure.errors import UsageError
from exposure.reports.cells import address
from exposure.reports.verify import verify_workbook


@pytest.fixture
def file(saved, tmp_path):
    path = tmp_path / "week.xlsx"
    path.write_bytes(saved)
    return path


def edited(path, sheet, ref, value):
    book = openpyxl.load_workbook(path)
    book[sheet][ref].value = value
    book.save(path)


def test_a_fresh_workbook_is_as_written(week, file, root):
    found = verify_workbook(week, file, content=root)
    assert found.verdict == "as written"
    assert not found.inputs
    assert not found.altered


def test_an_edited_input_is_named_and_alters_nothing(week, file, root, context):
    grid = context.exposure
    ref = address(grid.first, grid.weight_col)
    edited(file, grid.title, ref, 0.2)
    found = verify_workbook(week, file, content=root)
    assert found.verdict == "inputs edited"
    assert [(d.sheet, d.ref, d.found) for d in found.inputs] == [(grid.title, ref, "0.2")]


def test_an_altered_number_formula_or_extra_cell_is_named(week, file, root, context):
    grid = context.exposure
    total = address(grid.rows["mid"], grid.factor_col)
    edited(file, grid.title, total, 0.01)
    edited(file, grid.title, address(grid.first, 2), "999999.SH")
    edited(file, grid.title, "B60", "a note")
    found = verify_workbook(week, file, content=root)
    assert found.verdict == "altered"
    assert {("formula", total), ("value", address(grid.first, 2)), ("extra", "B60")} <= {
        (d.what, d.ref) for d in found.altered
    }


def test_a_changed_format_and_a_missing_sheet_are_named(week, file, root, context):
    book = openpyxl.load_workbook(file)
    grid = context.exposure
    book[grid.title][address(grid.first, grid.weight_col)].number_format = "0"
    del book[context.titles["lists"]]
    book.save(file)
    found = verify_workbook(week, file, content=root)
    assert found.verdict == "altered"
    assert {"format", "sheet"} <= {d.what for d in found.altered}


def test_a_cached_result_that_was_falsified_is_noticed(week, saved, tmp_path, root):
    from tests.unit.reports.engines import falsified

    path = tmp_path / "false.xlsx"
    path.write_bytes(falsified(saved))
    found = verify_workbook(week, path, content=root)
    assert found.verdict == "altered"
    assert any(d.found == "777" for d in found.altered)


def test_a_file_that_is_no_workbook_is_refused(week, tmp_path, root):
    path = tmp_path / "week.xlsx"
    path.write_text("no workbook", encoding="utf-8")
    with pytest.raises(UsageError, match="can't be read"):
        verify_workbook(week, path, content=root)
    with pytest.raises(UsageError, match="can't be read"):
        verify_workbook(week, tmp_path / "none.xlsx", content=root)
