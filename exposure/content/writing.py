"""The one way to write a file: aside first, so that an earlier one is whole until the new one is."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(target: Path) -> Generator[Path]:
    """Give a path to write to; at the end it takes the place of ``target``, and after a fault nothing is left of it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     target = Path(folder, "week.csv")
    ...     with replacing(target) as aside:
    ...         _ = aside.write_text("listing,weight")
    ...     [path.name for path in Path(folder).iterdir()]
    ['week.csv']
    """
    aside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield aside
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)


def write_text(target: Path, text: str, encoding: str = "utf-8") -> None:
    """Write text as it stands, line ends included, aside first."""
    with replacing(target) as aside:
        aside.write_bytes(text.encode(encoding))
