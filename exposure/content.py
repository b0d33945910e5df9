"""Where content comes from, how its files are read as text, and its fingerprint.

Content is TOML and CSV that an analyst edits. This module only turns files into text frames and plain dictionaries
that remember file and line; the rooms above give them types and rules.
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import polars as pl

from exposure.errors import ContentError, Place

FOLDERS = ("factors", "portfolios", "reports")
SKIPPED_FOLDERS = {"output", "gallery", "__pycache__"}
SOURCE_ROW = "source_row"


@dataclass(frozen=True, slots=True)
class TomlFile:
    """One TOML file: its name inside the content root, its text, its data."""

    name: str
    text: str
    data: dict[str, Any]

    def line_of(self, key: str) -> int | None:
        """Return the first line (from 1) that sets ``key`` or opens its table."""
        for number, line in enumerate(self.text.splitlines(), start=1):
            bare = line.strip()
            head = bare.split("=", 1)[0].strip().strip('"')
            if head == key or bare.strip("[]").split(".")[-1].strip() == key:
                return number
            if f"{key} =" in bare or f"{key}=" in bare:
                return number
        return None

    def error(
        self, what: str, key: str | None = None, why: str = "", cure: str = ""
    ) -> ContentError:
        """Return a :class:`ContentError` that names this file and the line of ``key``."""
        row = self.line_of(key) if key else None
        place = Place(self.name, why or what, row=row, column=key)
        return ContentError(what, places=[place], cure=cure)

    def check_keys(self, table: dict[str, Any], known: set[str], where: str = "") -> None:
        """Refuse a key that isn't known, naming the nearest one.

        Raises
        ------
        ContentError
            With file, line and the nearest known key.
        """
        for key in table:
            if key in known:
                continue
            near = get_close_matches(key, sorted(known), n=1)
            hint = (
                f"; did you mean {near[0]!r}?"
                if near
                else f"; known keys: {', '.join(sorted(known))}"
            )
            inside = f" in [{where}]" if where else ""
            raise self.error(
                f"{self.name} has an unknown key {key!r}{inside}",
                key,
                why=f"is not a key of this file{hint}",
                cure=f"correct or remove {key!r} in {self.name}",
            )

    def need(self, table: dict[str, Any], key: str, where: str = "") -> Any:
        """Return ``table[key]`` or raise a :class:`ContentError` that names the missing key."""
        if key not in table:
            inside = f" in [{where}]" if where else ""
            raise self.error(
                f"{self.name} lacks {key!r}{inside}",
                why=f"needs a key {key!r}{inside}",
                cure=f"add {key} to {self.name}",
            )
        return table[key]


@dataclass(frozen=True, slots=True)
class ContentRoot:
    """A folder with ``factors/``, ``portfolios/`` and ``reports/``, and how it was chosen."""

    path: Path
    origin: str

    def file(self, name: str) -> Path:
        """Return the path of a content file given by its name inside the root."""
        return self.path / name

    def read_csv(self, name: str) -> pl.DataFrame:
        """Read a content CSV as text, every cell a string or null.

        Returns
        -------
        polars.DataFrame
            The file's columns as text, plus ``source_row`` (the header is row 1).

        Raises
        ------
        ContentError
            If the file is missing, isn't UTF-8, or its rows don't fit its header.
        """
        path = self.file(name)
        if not path.is_file():
            raise ContentError(
                f"content file {name} is missing",
                places=[Place(name, "does not exist in the content root")],
                cure="exposure doctor   (shows which content root is used)",
            )
        return read_text_csv(path, name)

    def csv_names(self, folder: str) -> list[str]:
        """Return the names of the CSV files of a content folder, sorted."""
        return sorted(f"{folder}/{path.name}" for path in self.file(folder).glob("*.csv"))

    def read_toml(self, name: str) -> TomlFile:
        """Read one TOML file.

        Raises
        ------
        ContentError
            If it is missing or not valid TOML (a repeated key is not valid).
        """
        return read_toml_file(self.file(name), name)

    def toml_files(self, folder: str) -> list[TomlFile]:
        """Read all TOML files of a content folder, sorted by name."""
        names = sorted(f"{folder}/{path.name}" for path in self.file(folder).glob("*.toml"))
        return [self.read_toml(name) for name in names]

    def fingerprint(self) -> str:
        """Return the SHA-256 over names and bytes of all content files, line ends normalised."""
        digest = hashlib.sha256()
        for name, path in self._walk():
            digest.update(name.encode())
            digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
        return digest.hexdigest()

    def _walk(self) -> Iterator[tuple[str, Path]]:
        for folder in FOLDERS:
            found = [
                path for path in self.file(folder).rglob("*") if path.suffix in {".toml", ".csv"}
            ]
            for path in sorted(found, key=lambda p: p.relative_to(self.path).as_posix()):
                relative = path.relative_to(self.path)
                if not SKIPPED_FOLDERS.intersection(relative.parts):
                    yield relative.as_posix(), path


def shipped_root() -> Path:
    """Return the content that came with the package: inside the wheel, or the checkout."""
    bundled = Path(__file__).parent / "_bundled"
    if bundled.is_dir():
        return bundled
    return Path(__file__).parent.parent


def find_content(content: str | Path | None = None) -> ContentRoot:
    """Choose the content root: argument, ``EXPOSURE_CONTENT``, ``exposure.toml``, shipped.

    Parameters
    ----------
    content
        A folder that holds ``factors/`` and ``portfolios/``.

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
    project = _project_setting(Path.cwd())
    if project is not None:
        return _checked(project, "exposure.toml")
    return _checked(shipped_root(), "shipped with the package")


def read_text_csv(path: Path, name: str) -> pl.DataFrame:
    """Read a CSV of our own making as text; see :meth:`ContentRoot.read_csv`."""
    try:
        return pl.read_csv(
            path,
            infer_schema=False,
            row_index_name=SOURCE_ROW,
            row_index_offset=2,
            encoding="utf8",
        ).with_columns(pl.col(pl.String).str.strip_chars().replace("", None))
    except (pl.exceptions.PolarsError, OSError) as fault:
        first = str(fault).splitlines()[0]
        raise ContentError(
            f"{name} can't be read as a table",
            places=[Place(name, first)],
            cure="check that each row has as many cells as the header, in UTF-8",
        ) from fault


def read_toml_file(path: Path, name: str | None = None) -> TomlFile:
    """Read a TOML file from anywhere; see :meth:`ContentRoot.read_toml`."""
    shown = name or path.name
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as fault:
        reason = (
            "does not exist" if isinstance(fault, FileNotFoundError) else f"can't be read: {fault}"
        )
        raise ContentError(
            f"{shown} can't be read", places=[Place(shown, reason)], cure=f"check {shown}"
        ) from fault
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise ContentError(
            f"{shown} is not valid TOML", places=[Place(shown, str(fault))], cure=f"correct {shown}"
        ) from fault
    return TomlFile(shown, text, data)


def _checked(path: Path, origin: str) -> ContentRoot:
    missing = [folder for folder in ("factors", "portfolios") if not (path / folder).is_dir()]
    if missing:
        raise ContentError(
            f"{path.name or path} is not a content folder (chosen by {origin})",
            places=[Place(path.name, f"has no folder {folder}/") for folder in missing],
            cure="exposure doctor   (shows which content root is used)",
        )
    return ContentRoot(path.resolve(), origin)


def _project_setting(start: Path) -> Path | None:
    for folder in (start, *start.parents):
        settings = folder / "exposure.toml"
        if settings.is_file():
            value = read_toml_file(settings).data.get("content")
            return folder / str(value) if value else None
    return None
