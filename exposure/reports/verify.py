"""Is a workbook still what the run wrote? Draws it again from the run's frames and compares cell by cell.

Three answers: as written; inputs edited (yellow cells hold other values, everything else stands); altered. A file
that a spreadsheet saved again keeps its answer although its bytes changed.
"""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from exposure.content import ContentRoot
from exposure.errors import Place, UsageError
from exposure.reports.cells import Cell, Value
from exposure.reports.run import Run
from exposure.reports.workbook import draw_sheets, make_context

TOLERANCE = 1e-9
VERDICTS = ("as written", "inputs edited", "altered")
_OUTSIDE_QUOTES = re.compile(r'("(?:[^"]|"")*"|\'(?:[^\']|\'\')*\')|\s+')


@dataclass(frozen=True, slots=True)
class Difference:
    """One cell that isn't as written."""

    sheet: str
    ref: str
    what: str  # value, formula, format, missing, extra, sheet
    written: str
    found: str


@dataclass(frozen=True, slots=True)
class Verification:
    """The verdict with the cells it rests on."""

    verdict: str
    inputs: tuple[Difference, ...] = ()
    altered: tuple[Difference, ...] = ()


def verify_workbook(
    run: Run,
    path: str | Path,
    *,
    lang: str = "both",
    content: str | Path | ContentRoot | None = None,
) -> Verification:
    """Compare a workbook with what the run writes.

    Cached results of formulas are compared while no input is edited; with edited inputs they are the spreadsheet's
    own, and only the formulas count.

    Raises
    ------
    UsageError
        If the file can't be read as a workbook.
    """
    from openpyxl import load_workbook  # noqa: PLC0415  only where a workbook is read

    target = Path(path)
    try:
        formulas = load_workbook(target)
        values = load_workbook(target, data_only=True)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as fault:
        raise UsageError(
            f"{target.name} can't be read as a workbook",
            places=[Place(target.name, str(fault) or type(fault).__name__)],
            cure="give a workbook that exposure report wrote",
        ) from fault
    inputs: list[Difference] = []
    altered: list[Difference] = []
    stale: list[Difference] = []
    for sheet in draw_sheets(make_context(run, lang=lang, content=content)):
        if sheet.title not in formulas.sheetnames:
            altered.append(Difference(sheet.title, "", "sheet", "present", "missing"))
            continue
        page: Any = formulas[sheet.title]
        shown: Any = values[sheet.title]
        drawn = {cell.ref: cell for cell in sheet.cells}
        for cell in sheet.cells:
            found = page[cell.ref]
            if cell.formula is not None:
                altered += _formula(sheet.title, cell, found.value)
                stale += _value(sheet.title, cell, shown[cell.ref].value)
            else:
                (inputs if cell.style.unlocked else altered).extend(
                    _value(sheet.title, cell, found.value)
                )
            altered += _format(sheet.title, cell, found.number_format)
        altered += [
            Difference(sheet.title, found.coordinate, "extra", "", str(found.value))
            for row in page.iter_rows()
            for found in row
            if found.value is not None and found.coordinate not in drawn
        ]
    if not inputs:
        altered += stale
    verdict = VERDICTS[2] if altered else VERDICTS[1] if inputs else VERDICTS[0]
    return Verification(verdict, tuple(inputs), tuple(altered))


def _formula(sheet: str, cell: Cell, found: object) -> list[Difference]:
    written = cell.formula or ""
    if isinstance(found, str) and _bare(found) == _bare(written):
        return []
    return [Difference(sheet, cell.ref, "formula", written, str(found))]


def _value(sheet: str, cell: Cell, found: object) -> list[Difference]:
    written = cell.value
    if _same(written, found):
        return []
    return [Difference(sheet, cell.ref, "value", str(written), str(found))]


def _format(sheet: str, cell: Cell, found: str) -> list[Difference]:
    written = cell.style.fmt
    if written is None or _plain_format(written) == _plain_format(found):
        return []
    return [Difference(sheet, cell.ref, "format", written, found)]


def _same(written: Value, found: object) -> bool:
    if isinstance(found, datetime):
        found = found.date()
    if written is None or written == "":
        return found in (None, "")
    if isinstance(written, bool | str | date):
        return written == found
    # A file holds about 16 digits of a number.
    return isinstance(found, int | float) and abs(written - found) <= TOLERANCE * max(
        1.0, abs(written)
    )


def _plain_format(text: str) -> str:
    """Return a number format without the marks that quote its literals; spreadsheets choose their own."""
    return text.replace('"', "").replace("\\", "")


def _bare(text: str) -> str:
    """Return a formula without blanks outside quotes."""
    return _OUTSIDE_QUOTES.sub(lambda match: match[1] or "", text)
