"""How content files are read: tables as text that remember their row, TOML that remembers its line."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import polars as pl

from exposure.errors import ContentError, Place

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
