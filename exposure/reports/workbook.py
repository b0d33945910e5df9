"""Writes the weekly workbook: sheets as data, through openpyxl, through the finalise pass, to a file."""

from __future__ import annotations

from pathlib import Path

from exposure.content import ContentRoot, find_content
from exposure.content.writing import replacing
from exposure.errors import UsageError
from exposure.reports.cells import Cell, Sheet
from exposure.reports.figures import Figures, figures
from exposure.reports.finalise import finalise
from exposure.reports.layout import load_layout
from exposure.reports.run import Run
from exposure.reports.sheets.common import Context
from exposure.reports.sheets.contributions import contribution_sheet
from exposure.reports.sheets.data_quality import data_quality_sheet
from exposure.reports.sheets.evidence import evidence_rows, evidence_sheet
from exposure.reports.sheets.exposure import exposure_grid, exposure_sheet
from exposure.reports.sheets.lists import list_sheet
from exposure.reports.sheets.method import method_sheet
from exposure.reports.sheets.scenarios import scenario_grid, scenario_sheet
from exposure.reports.sheets.summary import summary_sheet
from exposure.reports.sheets.trades import trade_sheet
from exposure.reports.text import Words, load_words

SHEETS = {
    "summary": summary_sheet,
    "exposure": exposure_sheet,
    "contributions": contribution_sheet,
    "scenarios": scenario_sheet,
    "trades": trade_sheet,
    "lists": list_sheet,
    "data_quality": data_quality_sheet,
    "method": method_sheet,
    "evidence": evidence_sheet,
}
MAX_TITLE = 31


def write_workbook(
    run: Run,
    path: str | Path,
    *,
    lang: str = "both",
    content: str | Path | ContentRoot | None = None,
    reproducible: bool = False,
) -> Path:
    """Write the weekly workbook and return its path.

    The file is written aside and moved into place, so that a reader never meets half a workbook.

    Parameters
    ----------
    run
        What :func:`exposure.run_weekly` found.
    path
        Where to; an existing file is replaced.
    lang
        ``both``, ``zh`` or ``en``.
    content
        The content root with layouts and wording; see :func:`exposure.content.find_content`.
    reproducible
        Store the parts uncompressed, for bytes that don't depend on the zlib build.

    Raises
    ------
    UsageError
        If the language isn't known or the folder doesn't exist.
    ContentError
        If layout or wording break one of their rules.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise UsageError(
            f"the folder of {target.name} doesn't exist", cure=f"make {target.parent.name} first"
        )
    data = workbook_bytes(run, lang=lang, content=content, reproducible=reproducible)
    with replacing(target) as aside:
        aside.write_bytes(data)
    return target


def workbook_bytes(
    run: Run,
    *,
    lang: str = "both",
    content: str | Path | ContentRoot | None = None,
    reproducible: bool = False,
) -> bytes:
    """Return the finished workbook; see :func:`write_workbook`."""
    from exposure.reports.rendering import saved  # noqa: PLC0415  openpyxl only where a workbook is written

    context = make_context(run, lang=lang, content=content)
    sheets = draw_sheets(context)
    raw = saved(context, sheets)
    return finalise(
        raw,
        {
            (sheet.title, cell.ref): _cached(cell)
            for sheet in sheets
            for cell in sheet.cells
            if cell.formula
        },
        {chart.title: chart.alt for sheet in sheets for chart in sheet.charts},
        as_of=run.as_of,
        font=context.layout.font,
        compressed=not reproducible,
    )


def make_context(
    run: Run, *, lang: str = "both", content: str | Path | ContentRoot | None = None
) -> Context:
    """Read layout and wording and compute all numbers of a report."""
    root = content if isinstance(content, ContentRoot) else find_content(content)
    layout = load_layout(root)
    words = load_words(root, lang)
    numbers = figures(run, layout)
    return context_of(numbers, words)


def context_of(numbers: Figures, words: Words) -> Context:
    """Return the context of the sheets: numbers, words and where things will stand."""
    titles = {key: words.line(f"sheet.{key}")[:MAX_TITLE] for key in numbers.layout.sheets}
    return Context(
        figures=numbers,
        words=words,
        titles=titles,
        exposure=exposure_grid(numbers, titles.get("exposure", "Exposure")),
        scenario=scenario_grid(numbers, titles.get("scenarios", "Scenarios")),
        evidence_rows=evidence_rows(numbers.run),
    )


def draw_sheets(context: Context) -> list[Sheet]:
    """Return all sheets of the layout as data."""
    return [SHEETS[key](context) for key in context.layout.sheets]


def _cached(cell: Cell) -> str | float | int | bool:
    if isinstance(cell.value, str | float | int | bool):
        return cell.value
    raise UsageError(f"the formula of {cell.ref} has no value")
