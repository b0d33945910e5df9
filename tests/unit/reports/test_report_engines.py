"""Python, LibreOffice and Gnumeric agree on every formula, on a copy whose cached values were falsified first.

Why: a cached value proves nothing about the formula beside it. If this fails, a manager who changes a yellow cell
sees numbers that the engine never meant.
"""

from __future__ import annotations

import io
import shutil

import openpyxl
import pytest

from exposure.reports.cells import address
from exposure.reports.workbook import draw_sheets, make_context, workbook_bytes
from tests.unit.reports import engines
from tests.unit.reports.sample_run import sample_run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Workbook contains no default style"),
]

NEEDS_LIBREOFFICE = pytest.mark.skipif(
    shutil.which("soffice") is None, reason="LibreOffice isn't installed"
)
NEEDS_GNUMERIC = pytest.mark.skipif(
    shutil.which("ssconvert") is None, reason="Gnumeric isn't installed"
)


@pytest.fixture(scope="module", params=["plan", "infeasible"])
def case(request, root, tmp_path_factory):
    run = sample_run(request.param, comparison=request.param == "plan")
    folder = tmp_path_factory.mktemp(request.param)
    path = folder / "false.xlsx"
    path.write_bytes(engines.falsified(workbook_bytes(run, content=root)))
    sheets = draw_sheets(make_context(run, content=root))
    expected = {
        (sheet.title, cell.ref): cell.value
        for sheet in sheets
        for cell in sheet.cells
        if cell.formula
    }
    return path, expected, folder


@NEEDS_LIBREOFFICE
def test_libreoffice_finds_the_same_values(case):
    path, expected, folder = case
    assert engines.differences(expected, engines.values(engines.libreoffice(path, folder))) == []


@NEEDS_GNUMERIC
def test_gnumeric_finds_the_same_values(case):
    path, expected, folder = case
    assert engines.differences(expected, engines.values(engines.gnumeric(path, folder))) == []


@NEEDS_LIBREOFFICE
def test_without_recalculation_the_falsified_values_are_seen(case):
    path, expected, folder = case
    kept = engines.values(engines.libreoffice(path, folder, mode=engines.NEVER))
    assert len(engines.differences(expected, kept)) == len(expected)


@NEEDS_LIBREOFFICE
def test_an_edited_weight_dial_and_probability_move_what_depends_on_them(root, tmp_path):
    run = sample_run()
    context = make_context(run, content=root)
    figures, exposure, scenario = context.figures, context.exposure, context.scenario
    book = openpyxl.load_workbook(io.BytesIO(workbook_bytes(run, content=root)))
    weight = address(exposure.first, exposure.weight_col)
    book[exposure.title][weight].value = 0.05
    book[scenario.title][
        address(scenario.rows["dial"], scenario.scenario_col)
    ].value = context.words.line("severity.high")
    book[scenario.title][address(scenario.rows["chance"], scenario.scenario_col + 1)].value = 0.9
    path = tmp_path / "edited.xlsx"
    book.save(path)

    found = engines.values(engines.libreoffice(path, tmp_path))

    weights = [0.05, *figures.weights[1:]]
    column = figures.columns[0]
    at = (exposure.title, address(exposure.rows["mid"], exposure.factor_col))
    assert found[at] == pytest.approx(figures.exposure(column, weights), abs=1e-12)
    results = figures.results(weights)
    results[0] = figures.result(figures.scenarios[0].id, "high", weights)
    at = (scenario.title, address(scenario.rows["mid"], scenario.scenario_col))
    assert found[at] == pytest.approx(results[0], abs=1e-12)
    chances = figures.probabilities
    chances[1] = 0.9
    loss = 10_000 * sum(
        p * max(0.0, -r)
        for p, r in zip(chances, results, strict=True)
        if p is not None and r is not None
    )
    at = (scenario.title, address(scenario.rows["mid"], scenario.loss_col))
    assert found[at] == pytest.approx(loss, abs=1e-6)
    flag = found[(context.titles["summary"], "B10")]
    assert "EDITED" in flag
