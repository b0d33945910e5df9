"""Where the editions of lists lie on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from exposure.content import read_toml_file
from exposure.lists.store import Store

VARIABLE, KEY, FOLDER, PROJECT = "EXPOSURE_LISTS", "lists", "lists", "exposure.toml"


def find_store(given: str | Path | None = None) -> Store:
    """Choose the store: argument, ``EXPOSURE_LISTS``, key ``lists`` of ``exposure.toml``, else ``lists/`` beside it.

    Without an ``exposure.toml`` upward of the current folder, ``lists/`` in the current folder. A store that does not
    exist is an empty one; it is made when the first edition is kept.
    """
    if given is not None:
        return Store(Path(given))
    variable = os.environ.get(VARIABLE)
    if variable:
        return Store(Path(variable))
    return Store(_of_project(Path.cwd()))


def _of_project(start: Path) -> Path:
    for folder in (start, *start.parents):
        settings = folder / PROJECT
        if settings.is_file():
            return folder / str(read_toml_file(settings).data.get(KEY) or FOLDER)
    return start / FOLDER
