"""One door for holdings and master files: only the reader process calls a parser, and nothing is unpickled.

If this fails, an outside file can meet a parser inside the caller's own process again.
"""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "exposure"
READERS = {
    "read_parquet", "scan_parquet", "read_parquet_schema", "read_ipc", "read_ipc_stream", "scan_ipc",
    "read_excel", "read_ods", "read_avro", "load_workbook", "open_workbook", "ZipFile",
}  # fmt: skip
# the door itself; its own answer; what is read there is made by the reader process
ALLOWED = {
    ("portfolios/reader_process.py", name)
    for name in ("scan_parquet", "read_ipc", "read_ipc_stream", "load_workbook", "open_workbook")
} | {("portfolios/preflight/workbooks.py", "ZipFile"), ("portfolios/containers.py", "read_ipc")}


def calls(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.name for alias in node.names}
    return found


def test_no_parser_is_called_behind_the_door() -> None:
    found = {
        (path.relative_to(PACKAGE).as_posix(), name)
        for path in (PACKAGE / "portfolios").rglob("*.py")
        for name in calls(ast.parse(path.read_text(encoding="utf-8"))) & READERS
    }
    assert found - ALLOWED == set()
    assert found >= ALLOWED, "an exception that nobody needs any more"


def test_nothing_is_unpickled_or_evaluated() -> None:
    banned = {"pickle", "cloudpickle", "marshal", "shelve", "eval", "exec"}
    found = {
        (path.relative_to(PACKAGE).as_posix(), name)
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            {node.id} if isinstance(node, ast.Name)
            else {alias.name for alias in node.names} if isinstance(node, ast.Import | ast.ImportFrom)
            else set()
        )
        & banned
    }  # fmt: skip
    assert found == set()
