"""Where the editions of lists lie on this machine."""

from __future__ import annotations

from pathlib import Path

from exposure.content.settings import chosen_lists
from exposure.lists.store import Store

FOLDER = "lists"


def find_store(given: str | Path | None = None) -> Store:
    """Choose the store: argument, ``EXPOSURE_LISTS``, key ``lists`` of ``exposure.toml``, else ``lists/`` here.

    A store that does not exist is an empty one; it is made when the first edition is kept.
    """
    chosen = chosen_lists(None if given is None else Path(given))
    return Store(chosen.paths[0] if chosen.paths else Path.cwd() / FOLDER)
