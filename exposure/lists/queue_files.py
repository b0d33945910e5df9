"""Where the queue and its decisions are kept: the ``factors/lists`` folder of the user's own content, never ours.

Files are written aside and renamed when they are whole. The order of writing is: sources, reviewed links, queue; a
writer that dies between two of them leaves a decision that stands, and a queue that forgets the pair when it is built
again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from exposure.content import SOURCE_ROW, ContentRoot, read_text_csv, shipped_root
from exposure.content.writing import replacing
from exposure.errors import ListError, Place, UsageError
from exposure.lists.open_pairs import QUEUE as PROPOSALS
from exposure.lists.queue import Queue
from exposure.schemas import Sources, typed_from_text

QUEUE = PROPOSALS
LINKS = "factors/lists/reviewed_links.csv"
SOURCES = "factors/sources.csv"


def own_content(root: ContentRoot) -> ContentRoot:
    """Return the root if it is the user's own.

    Raises
    ------
    UsageError
        If it is the shipped content.
    """
    if root.path == shipped_root().resolve():
        raise UsageError(
            "proposals and decisions are kept in a content folder of your own",
            cure="exposure init my-content   (makes one), then add --content my-content",
        )
    return root


def read_queue(root: ContentRoot) -> pl.DataFrame:
    """Read the queue of a content folder; an empty one if there is none.

    Raises
    ------
    ContentError
        With file and row, if it was edited into something else.
    """
    path = root.path / QUEUE
    if not path.is_file():
        schema = {name: column.dtype for name, column in Queue.columns().items()}
        return Queue.validate(pl.DataFrame(schema=schema))
    return typed_from_text(read_text_csv(path, QUEUE), Queue, QUEUE)


def write_queue(root: ContentRoot, queue: pl.DataFrame) -> None:
    """Write the queue."""
    _write(root.path / QUEUE, queue)


def list_source(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the source that a decision on a list file cites."""
    day: date = row["edition_date"]
    source: dict[str, Any] = dict.fromkeys(Sources.columns())
    return source | {
        "source_id": f"list-{day.isoformat()}-{row['sha256'][:8]}",
        "publisher": "list file as read",
        "title": f"{row['file']}, edition of {day.isoformat()}",
        "published_on": day,
        "citation": f"SHA-256 {row['sha256']}",
        "language": "en",
        "licence": "public domain",
    }


def add_source(root: ContentRoot, source: Mapping[str, Any]) -> None:
    """Add a source to the user's layer, unless the content has it."""
    if source["source_id"] in set(root.read_csv(SOURCES)["source_id"]):
        return
    _merge(root, SOURCES, pl.DataFrame([source]), "source_id", replace=False)


def add_links(root: ContentRoot, links: pl.DataFrame, *, replace: bool) -> None:
    """Add reviewed links to the user's layer.

    Raises
    ------
    ListError
        If a link of this id is there and is not to be replaced.
    """
    _merge(root, LINKS, links, "link_id", replace=replace)


def _merge(root: ContentRoot, name: str, rows: pl.DataFrame, key: str, *, replace: bool) -> None:
    path = root.path / name
    new = _as_text(rows)
    own = read_text_csv(path, name).drop(SOURCE_ROW) if path.is_file() else new.clear()
    there = set(own[key]) & set(new[key])
    if there and not replace:
        raise ListError(
            f"{name} has {sorted(there)[0]!r} already",
            places=[Place(name, "stands there", column=key, value=sorted(there)[0])],
            cure="correct the row by hand",
        )
    kept = own.filter(~pl.col(key).is_in(sorted(there)))
    _write(path, pl.concat([kept, new], how="diagonal").sort(key))


def _as_text(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col(pl.Date).dt.to_string("%Y-%m-%d")).cast(pl.String)


def _write(path: Path, frame: pl.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as aside:
        frame.write_csv(aside)
