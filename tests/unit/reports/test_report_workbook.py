"""The saved workbook: live formulas with their values, safe texts, links that lead somewhere, stable bytes."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from exposure.errors import UsageError
from exposure.reports.cells import address
from exposure.reports.finalise import parts_hash
from exposure.reports.workbook import draw_sheets, make_context, workbook_bytes, write_workbook
from tests.unit.reports.sample_run import sample_run

ROOT = Path(__file__).parents[3]
EVIL = [
    "=cmd|'/c calc'!A1",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    '=HYPERLINK("http://x")',
    "\u202e=1",
]
ALLOWED = {
    "SUM", "SUMPRODUCT", "SUMIF", "SUMIFS", "COUNT", "COUNTIF", "MIN", "MAX", "IF", "AND", "OR", "ABS", "INDEX",
    "MATCH", "HLOOKUP", "CHOOSE", "SUMXMY2", "SUMSQ", "LARGE", "SMALL", "RANK", "ROUND", "ROUNDDOWN", "REPT",
    "SEARCH", "ISNUMBER", "IFERROR", "SUBTOTAL",
}  # fmt: skip


def registered(sheets):
    return {
        (sheet.title, cell.ref): cell
        for sheet in sheets
        for cell in sheet.cells
        if cell.formula is not None
    }


def test_every_formula_has_its_value_cached(sheets, shown):
    cells = registered(sheets.values())
    assert len(cells) > 800
    for (title, ref), cell in cells.items():
        found = shown[title][ref].value
        if isinstance(cell.value, str):
            assert (found or "") == cell.value, (title, ref)
        else:
            assert found == pytest.approx(cell.value, abs=1e-12), (title, ref)


def test_the_file_holds_the_formulas_that_were_registered_and_no_other(sheets, opened):
    found = {
        (page.title, cell.coordinate): cell.value
        for page in opened.worksheets
        for row in page.iter_rows()
        for cell in row
        if cell.data_type == "f"
    }
    assert found == {at: cell.formula for at, cell in registered(sheets.values()).items()}


def test_formulas_use_portable_functions_only(sheets):
    for cell in registered(sheets.values()).values():
        bare = re.sub(r'"[^"]*"|\'[^\']*\'', "", cell.formula)
        assert set(re.findall(r"([A-Z][A-Z0-9]+)\(", bare)) <= ALLOWED, cell.formula


@pytest.mark.parametrize("lang", ["both", "zh", "en"])
def test_sheet_names_fit_and_are_plain(week, root, lang):
    titles = [sheet.title for sheet in draw_sheets(make_context(week, lang=lang, content=root))]
    assert len(set(titles)) == len(titles) == 9
    assert all(0 < len(title) <= 31 and not re.search(r"[/\\?*\[\]:]", title) for title in titles)


def test_the_english_edition_has_no_chinese_but_names_that_have_no_other(root):
    run = sample_run()
    for sheet in draw_sheets(make_context(run, lang="en", content=root)):
        for cell in sheet.cells:
            if isinstance(cell.value, str) and cell.value != "未名电子":
                assert not re.search(r"[\u4e00-\u9fff]", cell.value), (
                    sheet.title,
                    cell.ref,
                    cell.value,
                )


def test_hostile_names_stay_texts(root):
    names = {
        row: (evil, evil)
        for row, evil in zip(sample_run().holdings["listing_id"], EVIL, strict=False)
    }
    run = replace(sample_run(), listing_names={**sample_run().listing_names, **names}, name=EVIL[0])
    saved = workbook_bytes(run, content=root)
    sheets = draw_sheets(make_context(run, content=root))
    book = openpyxl.load_workbook(io.BytesIO(saved))
    found = {
        (page.title, cell.coordinate)
        for page in book.worksheets
        for row in page.iter_rows()
        for cell in row
        if cell.data_type == "f"
    }
    assert found == set(registered(sheets))
    page = book.worksheets[1]
    names_shown = {page.cell(row, 3).value: page.cell(row, 3) for row in range(7, 18)}
    assert names_shown["=cmd|'/c calc'!A1"].data_type == "s"
    assert names_shown["=cmd|'/c calc'!A1"].quotePrefix
    assert "·=1" in names_shown


def test_a_text_of_32768_characters_is_cut_not_lost(root):
    listing = sample_run().holdings["listing_id"][0]
    run = replace(sample_run(), listing_names={listing: ("长" * 32_768, "x")})
    book = openpyxl.load_workbook(io.BytesIO(workbook_bytes(run, lang="zh", content=root)))
    assert book.worksheets[1]["C7"].value.endswith("…")


def test_missing_is_never_zero(context, sheets):
    figures, grid = context.figures, context.exposure
    unknown = figures.column_of("china_countermeasure_exposure")
    index = figures.columns.index(unknown)
    sheet = sheets["exposure"]
    for row in range(grid.first, grid.last + 1):
        assert sheet.at(address(row, grid.factor_col + index)).value == "n/a"
    total = sheet.at(address(grid.rows["mid"], grid.factor_col + index))
    assert total.value == "n/a"
    assert sheet.at(address(grid.rows["lo"], grid.factor_col + index)).value == 0.0
    assert sheet.at(address(grid.rows["hi"], grid.factor_col + index)).value == pytest.approx(0.98)
    assert sheet.at(address(grid.rows["coverage"], grid.factor_col + index)).value == 0.0


def test_the_sheet_adds_up_to_the_engine(context):
    assert context.figures.exposure_gap() < 1e-12
    assert context.figures.result_gap() < 1e-12


def test_a_gain_is_never_netted_against_harm(context, sheets):
    heads = [column.card.sign for column in context.figures.columns]
    assert heads == sorted(heads, key=["harm", "two_sided", "gain", "mitigant"].index)
    loss = sheets["scenarios"].at(address(context.scenario.rows["mid"], context.scenario.loss_col))
    gain = sheets["scenarios"].at(address(context.scenario.rows["mid"], context.scenario.gain_col))
    assert loss.value > 0
    assert gain.value > 0
    by_hand = sum(
        10_000 * card.probability.mid * max(0.0, -result)
        for card, result in zip(
            context.figures.scenarios, context.figures.results(context.figures.weights), strict=True
        )
        if card.probability and result is not None
    )
    assert loss.value == pytest.approx(by_hand)


def test_both_bases_of_ascend_are_shown(context):
    keys = [column.key for column in context.figures.columns]
    assert ("ascend_share", "main") in keys
    assert ("ascend_share", "gross_profit") in keys


def test_links_inside_the_workbook_lead_to_cells_that_hold_something(sheets):
    by_title = {sheet.title: sheet for sheet in sheets.values()}
    count = 0
    for sheet in sheets.values():
        for cell in sheet.cells:
            if cell.link is None or cell.link.url is not None:
                continue
            count += 1
            target = by_title[cell.link.sheet]
            if cell.link.ref != "A1":
                assert target.at(cell.link.ref).value not in (None, ""), (sheet.title, cell.ref)
    assert count > 150


def test_a_score_links_to_its_own_line_of_evidence(context, sheets):
    grid, figures = context.exposure, context.figures
    position, column = figures.positions[0], figures.columns[0]
    cell = sheets["exposure"].at(address(grid.first, grid.factor_col))
    score = figures.score(position, column)
    assert sheets["evidence"].at(cell.link.ref).value == score.evidence_ids[0]


def test_names_for_inputs_exist(opened):
    wanted = {"w_now", "w_plan", "in_caps", "in_prob", "in_dial", "in_loss_limit"}
    assert wanted <= set(opened.defined_names)


def test_inputs_are_the_only_unlocked_cells(opened, sheets):
    for sheet in sheets.values():
        page = opened[sheet.title]
        assert page.protection.sheet
        unlocked = {
            cell.coordinate
            for row in page.iter_rows()
            for cell in row
            if not cell.protection.locked
        }
        assert unlocked == {cell.ref for cell in sheet.cells if cell.style.unlocked}


def test_pages_are_a4_landscape_one_page_wide(opened):
    for page in opened.worksheets:
        assert (page.page_setup.orientation, page.page_setup.paperSize) == ("landscape", 9)
        assert page.page_setup.fitToWidth == 1
        assert page.sheet_properties.pageSetUpPr.fitToPage
        assert page.print_area
    assert opened.worksheets[0].page_setup.fitToHeight == 1


def test_charts_carry_caches_and_a_text_for_those_who_cannot_see_them(saved):
    with zipfile.ZipFile(io.BytesIO(saved)) as archive:
        drawing = archive.read("xl/drawings/drawing1.xml").decode()
        charts = [archive.read(f"xl/charts/chart{n}.xml").decode() for n in (1, 2)]
    texts = re.findall(r'descr="([^"]+)"', drawing)
    assert len(texts) == 2
    assert all("chart" in text.lower() for text in texts)
    assert "Foundry" in texts[0]
    assert all("numCache" in chart and "strCache" in chart for chart in charts)


def test_the_theme_takes_the_reports_font(saved):
    with zipfile.ZipFile(io.BytesIO(saved)) as archive:
        theme = archive.read("xl/theme/theme1.xml").decode()
        core = archive.read("docProps/core.xml").decode()
    assert 'script="Hans" typeface="Microsoft YaHei"' in theme
    assert '<a:latin typeface="Microsoft YaHei"' in theme
    assert "2025-01-24T18:00:00Z" in core
    assert "SimSun" not in theme.replace('script="Hant"', "")


def test_the_workbook_does_not_ask_to_recalculate(opened):
    assert opened.calculation.calcId == 191029
    assert not opened.calculation.fullCalcOnLoad


def test_tables_have_headings_that_equal_their_cells(opened):
    names = set()
    for page in opened.worksheets:
        for table in page.tables.values():
            names.add(table.displayName)
            first = page[table.ref][0]
            headings = [column.name for column in table.tableColumns]
            assert headings == [cell.value for cell in first]
            assert len(set(headings)) == len(headings)
    assert names == {"trades", "lists", "data_quality", "evidence"}


def test_two_writes_give_the_same_bytes(week, root, saved):
    assert workbook_bytes(week, content=root) == saved


SCRIPT = """
import hashlib, sys
sys.path[:0] = [{root!r}, {here!r}]
from sample_run import sample_run
from exposure.content import ContentRoot
from exposure.reports.workbook import workbook_bytes
from pathlib import Path
data = workbook_bytes(sample_run(comparison=True), content=ContentRoot(Path({root!r}), "tests"), reproducible=True)
sys.stdout.write(hashlib.sha256(data).hexdigest())
"""


@pytest.mark.slow
def test_bytes_do_not_depend_on_time_zone_locale_or_hash_seed():
    script = SCRIPT.format(root=str(ROOT), here=str(Path(__file__).parent))
    found = set()
    for zone, locale, seed in (("UTC", "C.UTF-8", "0"), ("Asia/Shanghai", "de_DE.UTF-8", "4711")):
        environment = {**os.environ, "TZ": zone, "LC_ALL": locale, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        found.add(done.stdout)
    assert len(found) == 1


def test_parts_stored_or_packed_say_the_same(week, root, saved):
    stored = workbook_bytes(week, content=root, reproducible=True)
    assert parts_hash(stored) == parts_hash(saved)
    assert len(stored) > len(saved)


def test_the_file_appears_whole_and_replaces_an_old_one(week, root, tmp_path, saved):
    target = tmp_path / "week.xlsx"
    target.write_bytes(b"old")
    assert write_workbook(week, target, content=root) == target
    assert target.read_bytes() == saved
    assert [path.name for path in tmp_path.iterdir()] == ["week.xlsx"]


def test_a_missing_folder_and_an_unknown_language_are_refused(week, root, tmp_path):
    with pytest.raises(UsageError, match="doesn't exist"):
        write_workbook(week, tmp_path / "nowhere" / "week.xlsx", content=root)
    with pytest.raises(UsageError, match="language"):
        write_workbook(week, tmp_path / "week.xlsx", content=root, lang="fr")
    assert not list(tmp_path.iterdir())


def test_no_path_user_or_clock_enters_the_file(saved):
    with zipfile.ZipFile(io.BytesIO(saved)) as archive:
        everything = b"".join(archive.read(name) for name in archive.namelist())
        times = {entry.date_time for entry in archive.infolist()}
    assert times == {(1980, 1, 1, 0, 0, 0)}
    for folder in (ROOT, Path.home()):
        assert f"{folder}/".encode() not in everything
    assert b"C:\\" not in everything


def test_an_infeasible_plan_names_the_conflict_and_its_repairs(root):
    run = sample_run("infeasible")
    sheet = next(
        s for s in draw_sheets(make_context(run, lang="en", content=root)) if s.key == "trades"
    )
    texts = [cell.value for cell in sheet.cells if isinstance(cell.value, str)]
    assert any("INFEASIBLE" in text for text in texts)
    assert "≤ 27.4%" in texts
    assert any("no single change is enough" in text for text in texts)
    assert workbook_bytes(run, content=root)


def test_a_solver_that_failed_says_so(root):
    run = sample_run("infeasible")
    run = replace(run, plan=replace(run.plan, status="solver_failed", conflict=None))
    sheet = next(
        s for s in draw_sheets(make_context(run, lang="en", content=root)) if s.key == "trades"
    )
    assert any("SOLVER FAILED" in str(cell.value) for cell in sheet.cells)


def test_a_run_with_little_in_it_still_makes_a_workbook(root):
    run = sample_run("none")
    bare = replace(
        run,
        mandate=None,
        nav=None,
        scenarios=(),
        scenario_returns=run.scenario_returns.clear(),
        scenario_results=run.scenario_results.clear(),
        evidence=run.evidence.clear(),
        list_status=run.list_status.clear(),
        issues=run.issues.clear(),
        method_changes=("the scale of HBM changed",),
    )
    book = openpyxl.load_workbook(io.BytesIO(workbook_bytes(bare, lang="en", content=root)))
    assert len(book.worksheets) == 9


def test_a_plan_without_trades_says_that_nothing_is_to_do(root):
    run = sample_run()
    still = replace(
        run.plan,
        trades=run.plan.trades.clear(),
        weights=run.plan.weights.with_columns(weight_plan=pl.col("weight_now")),
    )
    context = make_context(replace(run, plan=still), lang="en", content=root)
    sheet = next(s for s in draw_sheets(context) if s.key == "trades")
    assert any("Nothing to trade" in str(cell.value) for cell in sheet.cells)


def test_a_name_that_only_the_plan_buys_gets_a_row(root):
    run = sample_run()
    bought = pl.DataFrame(
        [("900199.SH", 0.0, 0.03, 0.03, None)], schema=run.plan.weights.schema, orient="row"
    )
    plan = replace(run.plan, weights=pl.concat([run.plan.weights, bought]))
    context = make_context(replace(run, plan=plan), content=root)
    position = next(p for p in context.figures.positions if p.listing_id == "900199.SH")
    assert (position.weight, position.plan_weight) == (0.0, 0.03)
    column = context.figures.columns[0]
    assert context.figures.score(position, column).mid is None
    assert context.figures.score(position, column).hi == 1.0
