"""SECURITY.md promises only what the code keeps: its limits are the constants, its tests exist."""

from __future__ import annotations

import re
from pathlib import Path

from exposure.portfolios import containers, reader_process
from exposure.portfolios.preflight import Container, cells, files, workbooks
from tests.hostile.cases import CASES

PROJECT = Path(__file__).parents[2]
MIB = 1024 * 1024
PAGE = (PROJECT / "SECURITY.md").read_text(encoding="utf-8")


def test_every_path_and_case_on_the_page_exists() -> None:
    paths = re.findall(r"`((?:tests|exposure)/[\w/.]+)", PAGE)
    assert len(paths) > 8
    assert [path for path in paths if not (PROJECT / path).exists()] == []
    named = re.findall(r"::(test_\w+)", PAGE)
    written = "\n".join(
        path.read_text(encoding="utf-8") for path in PROJECT.glob("tests/**/test_*.py")
    )
    assert [name for name in named if f"def {name}(" not in written] == []
    rows = [
        line.split("|")[-2]
        for line in PAGE.splitlines()
        if re.search(r"\| (cases? \d|.*cases \d)", line)
    ]
    numbers = {int(number) for row in rows for number in re.findall(r"\b\d+\b", row.split("`")[0])}
    assert numbers <= {case.number for case in CASES}


def test_the_limits_on_the_page_are_those_of_the_code() -> None:
    for value, sentence in (
        (files.MAX_BYTES // MIB, "{} MiB; a line of text"),
        (files.MAX_LINE // MIB, "a line of text {} MiB"),
        (files.MAX_WORKBOOK_BYTES // MIB, "{} MiB; 2,000 columns"),
        (workbooks.MAX_PARTS, "at most {:,} parts"),
        (workbooks.MAX_UNPACKED // MIB, "{} MiB unpacked"),
        (workbooks.MAX_RATIO, "{} times larger"),
        (cells.MAX_AREA, "{:,} of area"),
        (cells.MAX_CELLS, "{:,} cells, 200,000 rows"),
        (cells.MAX_SHEET_ROWS, "{:,} rows"),
        (reader_process.MAX_COLUMNS, "{:,} columns"),
        (reader_process.MAX_TABLE_ROWS, "{:,} rows"),
        (reader_process.MAX_TABLE_CELLS, "{:,} cells, 256 MiB"),
        (reader_process.MAX_TABLE_TEXT // MIB, "{} MiB of text"),
        (reader_process.MAX_CELL_TEXT, "a cell {:,} characters"),
        (reader_process.MAX_SHEET_TEXT, "a sheet {:,} characters"),
        (containers.MAX_CPU_SECONDS, "never above {} s"),
        (containers.WALL_SECONDS, "| {} s + three times"),
        (containers._LIMITS[Container.XLSX][2], "xlsx {} MiB + 2 ×"),
        (containers._LIMITS[Container.XLS][2], "xls {} MiB + 8 ×"),
        (containers._LIMITS[Container.PARQUET][2], "parquet and Arrow {} MiB + 6 ×"),
    ):
        assert sentence.format(value) in PAGE
