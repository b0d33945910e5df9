"""Printing: tables for people, tab-separated lines for pipes, JSON, CSV and parquet for programs."""

from __future__ import annotations

import json
import math
import sys
import unicodedata
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    import polars as pl

FORMATS = ("table", "json", "csv", "parquet")
STATE_MARKS = {
    "ok": "● OK",
    "watch": "▲ WATCH",
    "at_limit": "◆ AT LIMIT",
    "breach": "■ BREACH",
    "unknown": "? UNKNOWN",
}


def chosen_format(kind: str, as_json: bool) -> str:
    """Return the format, refusing an unknown one."""
    kind = "json" if as_json else kind
    if kind not in FORMATS:
        raise typer.BadParameter(f"--format {kind!r} must be one of {', '.join(FORMATS)}")
    return kind


def say(text: str, *, quiet: bool = False) -> None:
    """Talk to the person, on stderr."""
    if not quiet:
        typer.echo(text, err=True)


def emit(
    frame: pl.DataFrame, kind: str, output: Path | None = None, extra: dict[str, Any] | None = None
) -> None:
    """Write one frame in the chosen format."""
    if kind == "json":
        emit_json({**(extra or {}), "rows": frame.to_dicts()}, output)
    elif kind == "csv":
        write_out(_flat(frame).write_csv(), output)
    elif kind == "parquet":
        _parquet(frame, output)
    elif sys.stdout.isatty() or output is not None:
        write_out(text_table(frame), output)
    else:
        write_out(_flat(frame).write_csv(separator="\t"), output)


def emit_json(data: object, output: Path | None = None) -> None:
    """Write JSON: keys in their order, dates as text, no NaN."""
    write_out(
        json.dumps(data, ensure_ascii=False, indent=2, default=_plain, allow_nan=False) + "\n",
        output,
    )


def text_table(frame: pl.DataFrame) -> str:
    """Return an aligned table; full-width characters count two."""
    rows = [[_cell(value) for value in row] for row in frame.iter_rows()]
    return aligned([list(frame.columns), *rows])


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Align cells by display width; the first row is the header."""
    widths = [max(width(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    numeric = [all(_is_number(row[i]) for row in rows[1:]) for i in range(len(widths))]
    lines = []
    for row in rows:
        cells = [
            " " * (size - width(cell)) + cell if right else cell + " " * (size - width(cell))
            for cell, size, right in zip(row, widths, numeric, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"


def width(text: str) -> int:
    """Return how many columns a text takes on a terminal."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def percent(value: float | None, digits: int = 1) -> str:
    """Return a fraction as a percentage; an unknown one is n/a, never 0."""
    return (
        "n/a"
        if value is None or math.isnan(value)
        else f"{value * 100:.{digits}f}%".replace("-", "−")
    )


def signed_percent(value: float | None, digits: int = 1) -> str:
    """Return a signed percentage."""
    text = percent(value, digits)
    return text if text == "n/a" or text.startswith("−") else f"+{text}"


def _is_number(text: str) -> bool:
    return bool(text) and (text == "n/a" or text[0] in "+−0123456789.")


def _cell(value: object) -> str:
    if value is None:
        return "n/a"
    if isinstance(value, float):
        return f"{value:.4g}".replace("-", "−")
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def _flat(frame: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    lists = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.List)]
    return frame.with_columns(pl.col(name).list.join("; ") for name in lists)


def _plain(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Path):
        return value.name
    return str(value)


def _parquet(frame: pl.DataFrame, output: Path | None) -> None:
    if output is None or str(output) == "-":
        frame.write_parquet(sys.stdout.buffer)
    else:
        from exposure.content.writing import replacing

        with replacing(output) as aside:
            frame.write_parquet(aside)


def write_out(text: str, output: Path | None) -> None:
    """Write text to stdout, or to a file."""
    if output is None or str(output) == "-":
        typer.echo(text, nl=False)
        return
    from exposure.content.writing import write_text

    write_text(output, text)
