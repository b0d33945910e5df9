"""Workbooks, parquet and Arrow, read in a process of their own: no file can kill or hang the caller.

The bytes go in by an anonymous file, the answer comes back the same way as lines of JSON or as
Arrow; memory and time are limited. A process that died, took too long or asked for too much is an
answer like another: :class:`~exposure.errors.HoldingsError`.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

import polars as pl

from exposure.content import SOURCE_ROW
from exposure.errors import HoldingsError
from exposure.portfolios.grids import Grid
from exposure.portfolios.preflight import Checked, Container
from exposure.portfolios.preflight.refusals import EXPORT, MIB, encrypted, refused

MAX_ANSWER = 1024 * MIB
_ROOT = Path(__file__).parents[2]
_START = (
    "import sys; sys.path[:] = sys.argv[2:]; "
    "from exposure.portfolios.reader_process import main; main()"
)
# what a reader may take: seconds and memory for a small file, and for each MiB of a large one
_LIMITS: dict[Container, tuple[float, float, int, int]] = {
    Container.XLSX: (4.0, 0.6, 192, 2),
    Container.XLS: (4.0, 1.0, 192, 8),
    Container.PARQUET: (4.0, 0.2, 224, 6),
    Container.ARROW: (4.0, 0.2, 224, 6),
}
MAX_CPU_SECONDS = 60
WALL_SECONDS = (
    10  # and three times the processor seconds: the clock runs on while others use the machine
)
_KEPT = ("SYSTEMROOT", "SystemRoot", "TEMP", "TMP", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
# of an answer that is cut or that no reader of ours gives
_ANSWER_FAULTS = (ValueError, KeyError, OSError, pl.exceptions.PolarsError)


def read_sheets(checked: Checked) -> list[Grid]:
    """Read a workbook (xlsx, xls): its sheets as grids of text, hidden ones too.

    Numbers keep the zeros of a format like ``000000``, per cents carry ``%``, dates are ISO, error
    cells read ``#REF!``; a formula saved without its result reads ``#FORMULA WITHOUT RESULT``.

    Raises
    ------
    HoldingsError
        If the workbook can't be read within the limits.
    """
    with _answer(checked) as stream:
        grids: list[Grid] = []
        title, hidden, rows = "", False, []
        started = ended = False
        try:
            for line in stream:
                value: Any = json.loads(line)
                if isinstance(value, list):
                    rows.append(value)
                    continue
                if "fault" in value:
                    raise _fault(checked, value)
                if started:
                    grids.append(Grid(title, _grid_frame(rows), hidden))
                if value.get("end"):
                    ended = True
                    break
                started, rows = True, []
                title, hidden = str(value["sheet"]), bool(value["hidden"])
        except _ANSWER_FAULTS as fault:
            raise _fault(checked, {"fault": "damaged"}) from fault
        if not ended:
            raise _fault(checked, {"fault": "damaged"})
        return grids


def read_columnar(checked: Checked) -> pl.DataFrame:
    """Read a parquet or Arrow file: plain columns only, at most 2,000 of them and 5,000,000 rows.

    Raises
    ------
    HoldingsError
        If it can't be read within the limits, or a column is nested, binary or of another's type.
    """
    with _answer(checked) as stream:
        try:
            head: Any = json.loads(stream.readline())
            if "fault" in head:
                raise _fault(checked, head)
            frame = pl.read_ipc(io.BytesIO(stream.read()))
        except _ANSWER_FAULTS as fault:
            raise _fault(checked, {"fault": "damaged"}) from fault
        if frame.shape != (head.get("rows"), head.get("columns")):
            raise _fault(checked, {"fault": "damaged"})
        return frame


def _grid_frame(rows: list[list[Any]]) -> pl.DataFrame:
    width = max(map(len, rows), default=1) - 1
    columns: dict[str, pl.Series] = {
        SOURCE_ROW: pl.Series([row[0] for row in rows], dtype=pl.Int64)
    }
    for index in range(1, width + 1):
        cells = [row[index] if index < len(row) else None for row in rows]
        columns[f"c{index - 1}"] = pl.Series(cells, dtype=pl.String)
    return pl.DataFrame(columns)


# --- the process ----------------------------------------------------------------------------------


@contextmanager
def _answer(checked: Checked) -> Generator[IO[bytes]]:
    """Run a reader over the bytes and give its answer, if it came to an end."""
    cpu, memory = _allowance(checked)
    order = {
        "container": checked.container.value,
        "cpu": round(cpu),
        "memory": memory,
        "answer": MAX_ANSWER,
    }
    # -I: no user site, no PYTHON* variables, no current folder; -S and -B: nothing run or written at the start
    command = [sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c", _START, json.dumps(order)]
    command += [str(_ROOT), *sys.path]
    with _anonymous() as source, _anonymous() as answer:
        source.write(checked.data)
        source.seek(0)
        try:
            done = subprocess.run(
                command,
                stdin=source,
                stdout=answer,
                stderr=subprocess.DEVNULL,
                env=_environment(),
                timeout=WALL_SECONDS + 3 * cpu,
                check=False,
            )
        except subprocess.TimeoutExpired as fault:
            raise _fault(checked, {"fault": "time"}) from fault
        except OSError as fault:
            raise _fault(checked, {"fault": "start"}) from fault
        if done.returncode:
            raise _fault(checked, {"fault": _end(done.returncode)})
        answer.seek(0)
        yield answer


def _allowance(checked: Checked) -> tuple[float, int]:
    """Return seconds and bytes that a reader may take."""
    seconds, per_mib, memory, times = _LIMITS[checked.container]
    size = max(checked.unpacked, len(checked.data)) / MIB
    room = memory + times * max(size, 0.0)
    return min(seconds + per_mib * size, MAX_CPU_SECONDS), int(room * MIB)


def _environment() -> dict[str, str]:
    """Return what a reader needs of the environment; credentials stay here."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    # one arena: each thread would else reserve room that counts against the limit
    return {**kept, "POLARS_MAX_THREADS": "1", "MALLOC_ARENA_MAX": "1"}


@contextmanager
def _anonymous() -> Generator[IO[bytes]]:
    """Give a file without a name: in memory where the system can, else one that is gone when closed."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("exposure"), "w+b") as stream:
            yield stream
    else:
        with tempfile.TemporaryFile() as stream:
            yield stream


End = Literal["time", "memory", "died"]


def _end(code: int) -> End:
    if sys.platform != "win32":
        import signal  # noqa: PLC0415 - the names below exist on POSIX only

        if code == -signal.SIGXCPU:
            return "time"
        if code in (-signal.SIGABRT, -signal.SIGKILL):  # the reader's own end, or the system's
            return "memory"
    return "died"


# --- faults ---------------------------------------------------------------------------------------

_KINDS = {
    Container.XLSX: "workbook",
    Container.XLS: "workbook",
    Container.PARQUET: "parquet file",
    Container.ARROW: "arrow file",
}
# kind of fault → what, why, cure
_FAULTS = {
    "damaged": (
        "{name} is a damaged {kind}",
        "can't be read as a {kind}{detail}",
        "write it again, or export it as CSV",
    ),
    "time": (
        "{name} takes too long to read",
        "took more time than a {kind} of holdings can",
        EXPORT,
    ),
    "memory": (
        "{name} needs too much memory",
        "asked for more memory than a {kind} of holdings can",
        EXPORT,
    ),
    "start": (
        "{name} can't be read here",
        "is a {kind}, and its reader can't be started as a process",
        "export it as CSV",
    ),
    "wide": (
        "{name} has too many columns",
        "has {count} columns, the limit is 2000",
        "export only the holdings table",
    ),
    "rows": (
        "{name} has too many rows",
        "has more than {count} rows",
        "export only the holdings of one day",
    ),
    "cells": (
        "{name} is too large",
        "has more than {count} cells",
        "export only the holdings table",
    ),
    "text": (
        "{name} holds too much text",
        "holds more text than cells of a table do",
        "drop the columns of long text",
    ),
    "character": (
        "{name} has text that is not valid",
        "holds half a character",
        "correct the cell",
    ),
    "column": (
        "{name} has a nested column",
        "holds values of {type}, not cells",
        "drop the column {column}",
    ),
}


def _fault(checked: Checked, facts: dict[str, Any]) -> HoldingsError:
    """Turn what a reader said, or how it ended, into an error for people."""
    if facts["fault"] == "encrypted":
        return encrypted(checked.name)
    words = {
        "name": checked.name,
        "kind": _KINDS[checked.container],
        "count": facts.get("count"),
        "column": facts.get("column"),
        "type": facts.get("detail"),
        "detail": f" ({facts['detail']})" if facts.get("detail") else "",
    }
    templates = _FAULTS.get(facts["fault"], _FAULTS["damaged"])
    what, why, cure = (template.format(**words) for template in templates)
    place = {key: facts[key] for key in ("sheet", "row", "column") if facts.get(key) is not None}
    return refused(checked.name, what, why, cure, **place)
