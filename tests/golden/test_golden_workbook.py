"""The workbook of the synthetic run, as text: what stands where, in which format.

Why: a change of layout, wording or a formula shows as lines in a review. ``make golden`` makes the dump again.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from exposure.reports.workbook import draw_sheets, make_context
from tests.unit.reports.sample_run import sample_run

DUMP = Path(__file__).parent / "workbook.txt"


def dumped(context) -> str:
    lines: list[str] = []
    for sheet in draw_sheets(context):
        lines.append(
            f"## {sheet.title} | print {sheet.print_area} | freeze {sheet.freeze} | pages {sheet.fit_height}"
        )
        lines.append(
            "widths " + " ".join(f"{col}:{width:g}" for col, width in sorted(sheet.widths.items()))
        )
        lines += [f"name {name} = {ref}" for name, ref in sheet.names.items()]
        for cell in sheet.cells:
            if cell.value is None and cell.formula is None:
                continue
            value = f"{cell.value:.10g}" if isinstance(cell.value, float) else str(cell.value)
            parts = [cell.ref, value.replace("\n", "⏎")]
            if cell.formula is not None:
                parts.append(cell.formula)
            if cell.style.fmt is not None:
                parts.append(f"[{cell.style.fmt}]")
            if cell.link is not None:
                parts.append(f"→ {cell.link.url or f'{cell.link.sheet}!{cell.link.ref}'}")
            lines.append(" | ".join(parts))
    return "\n".join(lines) + "\n"


@pytest.mark.golden
def test_the_workbook_is_as_reviewed(root):
    found = dumped(make_context(sample_run(comparison=True), content=root))
    if os.environ.get("UPDATE_GOLDEN") == "1":
        DUMP.write_text(found, encoding="utf-8", newline="\n")
    assert found == DUMP.read_text(encoding="utf-8"), "run make golden and review the difference"
