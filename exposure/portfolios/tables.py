"""The one way in: a file or frame becomes tables of text, of which nothing is understood yet."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from exposure.portfolios.containers import read_columnar, read_sheets
from exposure.portfolios.frames import fingerprint, frame_grid
from exposure.portfolios.grids import Grid, Row
from exposure.portfolios.preflight import Checked, Container, decode_text, inspect_file
from exposure.portfolios.text import text_grid
from exposure.schemas import issue

if TYPE_CHECKING:
    from exposure.portfolios.frames import Frame


@dataclass(frozen=True, slots=True)
class Tables:
    """What a file or frame holds.

    Parameters
    ----------
    file
        Name without its folder, or what the caller calls the frame.
    sha256
        Of the bytes of the file, or of a frame's CSV text.
    grids
        Its sheets; one where the file has none.
    """

    file: str
    sha256: str
    grids: tuple[Grid, ...]


def open_tables(
    source: str | Path | Frame,
    known_words: Callable[[list[Row]], int],
    *,
    name: str = "frame",
    issues: list[dict[str, object]] | None = None,
) -> Tables:
    """Read a file or frame.

    Parameters
    ----------
    known_words
        Counts the header words known among some rows: the delimiter of a text that shows most of them is right.
    name
        How to call a frame in messages.
    issues
        Takes what is to be said of encoding and container.

    Raises
    ------
    HoldingsError
        If the file can't be read.
    UsageError
        If ``source`` is no frame.
    """
    said = [] if issues is None else issues
    if not isinstance(source, str | Path):
        grid = frame_grid(source, name)
        return Tables(name, fingerprint(grid), (grid,))
    checked = inspect_file(source)
    digest = hashlib.sha256(checked.data).hexdigest()
    said += [issue("info", checked.name, "container", remark) for remark in checked.remarks]
    return Tables(checked.name, digest, tuple(_grids(checked, known_words, said)))


def _grids(
    checked: Checked,
    known_words: Callable[[list[Row]], int],
    issues: list[dict[str, object]],
) -> list[Grid]:
    if checked.container is Container.TEXT:
        decoded = decode_text(checked.data, checked.name)
        if decoded.doubt:
            issues.append(
                issue("warning", checked.name, "encoding_contradicts_mark", decoded.doubt)
            )
        if decoded.encoding != "utf-8":
            message = f"read as {decoded.encoding.upper()}"
            issues.append(issue("info", checked.name, "encoding", message))
        return [text_grid(decoded.text, checked.name, known_words)]
    if checked.container in (Container.PARQUET, Container.ARROW):
        return [frame_grid(read_columnar(checked), checked.name)]
    return [grid.cleaned() for grid in read_sheets(checked)]
