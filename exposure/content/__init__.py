"""Where content comes from, how its files are read as text, and its fingerprint.

Content is TOML and CSV that an analyst edits. This module only turns files into text frames and plain dictionaries
that remember file and line; the rooms above give them types and rules.

A folder of the user's own is a layer over the shipped content: a row of the layer replaces the row with its key, new
rows are added, a TOML file replaces the one with its name. ``extends = "none"`` in the layer's ``content.toml`` makes
it a content root of its own.
"""

from __future__ import annotations

import os
from pathlib import Path

from exposure.content.files import SOURCE_ROW, TomlFile, read_text_csv, read_toml_file
from exposure.content.layers import layer_report, refuse_unread, replaces
from exposure.content.roots import FOLDERS, ContentRoot, key_of
from exposure.content.settings import PROJECT, Settings, load_settings
from exposure.errors import ContentError, Place

SETTINGS = "content.toml"
SHIPPED, NONE = "shipped", "none"


def shipped_root() -> Path:
    """Return the content that came with the package: inside the wheel, or the checkout."""
    bundled = Path(__file__).parents[1] / "_bundled"
    if bundled.is_dir():
        return bundled
    return Path(__file__).parents[2]


def find_content(content: str | Path | None = None) -> ContentRoot:
    """Choose the content root: argument, ``EXPOSURE_CONTENT``, ``exposure.toml``, shipped.

    Parameters
    ----------
    content
        A folder with ``factors/``, ``portfolios/`` or ``reports/``: a layer over the shipped content, or a root of its
        own where its ``content.toml`` says ``extends = "none"``.

    Raises
    ------
    ContentError
        If the chosen folder isn't a content root.
    """
    if content is not None:
        return _checked(Path(content), "argument")
    variable = os.environ.get("EXPOSURE_CONTENT")
    if variable:
        return _checked(Path(variable), "EXPOSURE_CONTENT")
    project = load_settings().content
    if project is not None:
        return _checked(project, PROJECT)
    return _checked(shipped_root(), "shipped with the package")


def _checked(path: Path, origin: str) -> ContentRoot:
    resolved = path.resolve()
    if resolved == shipped_root().resolve():
        return ContentRoot(resolved, origin)
    settings = path / SETTINGS
    layered = _extends(settings) == SHIPPED
    needed = FOLDERS if layered else ("factors", "portfolios")
    missing = [folder for folder in needed if not (path / folder).is_dir()]
    if missing and (not layered or (len(missing) == len(FOLDERS) and not settings.is_file())):
        raise ContentError(
            f"{path.name or path} is not a content folder (chosen by {origin})",
            places=[Place(path.name, f"has no folder {folder}/") for folder in missing],
            cure="exposure init my-content   (makes one), or exposure doctor   (shows which is used)",
        )
    if not layered:
        return ContentRoot(resolved, origin)
    base = ContentRoot(shipped_root().resolve(), "shipped with the package")
    refuse_unread(resolved, base)
    return ContentRoot(resolved, origin, base)


def _extends(settings: Path) -> str:
    """Return what a folder lies upon: the shipped content unless its settings say otherwise."""
    if not settings.is_file():
        return SHIPPED
    file = read_toml_file(settings)
    file.check_keys(file.data, {"extends"})
    value = file.data.get("extends", SHIPPED)
    if value not in (SHIPPED, NONE):
        raise file.error(
            f"{file.name} extends {value!r}",
            "extends",
            why=f"must be {SHIPPED!r} (a layer over our content) or {NONE!r} (a root of its own)",
        )
    return str(value)


__all__ = [
    "PROJECT",
    "SETTINGS",
    "SOURCE_ROW",
    "ContentRoot",
    "Settings",
    "TomlFile",
    "find_content",
    "key_of",
    "layer_report",
    "load_settings",
    "read_text_csv",
    "read_toml_file",
    "replaces",
    "shipped_root",
]
