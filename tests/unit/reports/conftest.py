"""Fixtures of the report tests: the synthetic run, drawn and saved once."""

from __future__ import annotations

import io
from typing import Any

import openpyxl
import pytest

from exposure.content import ContentRoot
from exposure.reports.run import Run
from exposure.reports.workbook import draw_sheets, make_context, workbook_bytes
from tests.unit.reports.sample_run import sample_run


@pytest.fixture(scope="session")
def week() -> Run:
    return sample_run(comparison=True)


@pytest.fixture(scope="session")
def context(week: Run, root: ContentRoot) -> Any:
    return make_context(week, content=root)


@pytest.fixture(scope="session")
def sheets(context: Any) -> Any:
    return {sheet.key: sheet for sheet in draw_sheets(context)}


@pytest.fixture(scope="session")
def saved(week: Run, root: ContentRoot) -> bytes:
    return workbook_bytes(week, content=root)


@pytest.fixture(scope="session")
def opened(saved: bytes) -> Any:
    return openpyxl.load_workbook(io.BytesIO(saved))


@pytest.fixture(scope="session")
def shown(saved: bytes) -> Any:
    return openpyxl.load_workbook(io.BytesIO(saved), data_only=True)
