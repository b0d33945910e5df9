"""A content folder and what lies beneath it: which rows and files a run sees, and their fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from exposure.content.files import SOURCE_ROW, TomlFile, read_text_csv, read_toml_file
from exposure.errors import ContentError, Place

FOLDERS = ("factors", "portfolios", "reports")
SKIPPED_FOLDERS = {"output", "gallery", "__pycache__"}
# the user's queue of matches: no content, so no run may depend on it
SKIPPED_FILES = {"factors/lists/proposals.csv"}

# What makes a row of a table the same row; tables that aren't named are replaced whole.
KEYS: Mapping[str, tuple[str, ...]] = {
    "factors/evidence/": ("evidence_id",),
    "factors/derivations.csv": ("evidence_id",),
    "factors/links/": ("link_id",),
    "factors/coverage/": ("statement_id",),
    "factors/events.csv": ("event_id",),
    "factors/nodes.csv": ("node_id",),
    "factors/subjects.csv": ("subject_id",),
    "factors/sources.csv": ("source_id",),
    "factors/lists/editions.csv": ("list_id", "edition_date"),
    "factors/lists/reviewed_links.csv": ("link_id",),
    "factors/lists/screened.csv": ("issuer_id", "list_id"),
    "portfolios/reference/issuers.csv": ("issuer_id",),
    "portfolios/reference/listings.csv": ("listing_id",),
    "portfolios/reference/aliases.csv": ("issuer_id", "alias"),
    "portfolios/reference/ownership.csv": ("owner", "owned", "valid_from"),
}
# Tables that share their keys: an evidence row may replace a derived one, and a link one of another file.
TOGETHER: tuple[tuple[str, ...], ...] = (
    ("factors/evidence/", "factors/derivations.csv"),
    ("factors/links/",),
    ("factors/coverage/",),
)


@dataclass(frozen=True, slots=True)
class ContentRoot:
    """A folder with ``factors/``, ``portfolios/`` and ``reports/``, how it was chosen, and what lies beneath it."""

    path: Path
    origin: str
    base: ContentRoot | None = None

    def file(self, name: str) -> Path:
        """Return the path of a content file given by its name inside the root; the layer's own goes first."""
        own = self.path / name
        if self.base is None or own.exists():
            return own
        return self.base.file(name)

    def read_csv(self, name: str) -> pl.DataFrame:
        """Read a content CSV as text, every cell a string or null.

        Returns
        -------
        polars.DataFrame
            The file's columns as text, plus ``source_row`` (the header is row 1). Where the layer has a file of this
            name, the rows are the layer's; rows from beneath have none.

        Raises
        ------
        ContentError
            If the file is missing, isn't UTF-8, or its rows don't fit its header.
        """
        own = self.path / name
        if self.base is None or not self.base.has(name) or key_of(name) is None:
            return (
                self._own_csv(name)
                if self.base is None or own.is_file()
                else self.base.read_csv(name)
            )
        below = self._beneath(name)
        if not own.is_file():
            return below
        mine = self._own_csv(name)
        nothing = pl.lit(None, dtype=mine.schema[SOURCE_ROW]).alias(SOURCE_ROW)
        return pl.concat([below.with_columns(nothing), mine], how="diagonal")

    def has(self, name: str) -> bool:
        """Return whether the root or what lies beneath it has a file."""
        return (self.path / name).is_file() or (self.base is not None and self.base.has(name))

    def csv_names(self, folder: str) -> list[str]:
        """Return the names of the CSV files of a content folder, sorted."""
        return sorted(f"{folder}/{name}" for name in self.entries(folder) if name.endswith(".csv"))

    def entries(self, folder: str) -> dict[str, Path]:
        """Return name → path of what a content folder holds, sorted; the layer's own goes first."""
        found = {} if self.base is None else self.base.entries(folder)
        here = self.path / folder
        if here.is_dir():
            found |= {path.name: path for path in here.iterdir() if not path.name.startswith(".")}
        return dict(sorted(found.items()))

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
        names = [name for name in self.entries(folder) if name.endswith(".toml")]
        return [self.read_toml(f"{folder}/{name}") for name in names]

    def fingerprint(self) -> str:
        """Return the SHA-256 over names and bytes of all content files, line ends normalised, layer upon layer."""
        digest = hashlib.sha256()
        if self.base is not None:
            digest.update(self.base.fingerprint().encode())
        for name, path in self._walk():
            digest.update(name.encode())
            digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
        return digest.hexdigest()

    def own_files(self) -> list[str]:
        """Return the names of the files of this folder alone, sorted."""
        return [name for name, _ in self._walk()]

    def _own_csv(self, name: str) -> pl.DataFrame:
        path = self.path / name
        if not path.is_file():
            raise ContentError(
                f"content file {name} is missing",
                places=[Place(name, "does not exist in the content root")],
                cure="exposure doctor   (shows which content root is used)",
            )
        return read_text_csv(path, name)

    def _beneath(self, name: str) -> pl.DataFrame:
        """Read a table from beneath without the rows that the layer replaces."""
        assert self.base is not None
        rows = self.base.read_csv(name)
        keys = key_of(name)
        replaced = self.replacing(name)
        if keys is None or replaced is None:
            return rows
        return rows.join(replaced, on=list(keys), how="anti", maintain_order="left")

    def replacing(self, name: str) -> pl.DataFrame | None:
        """Return the keys of all rows of the layer that may replace rows of this table."""
        keys = list(key_of(name) or ())
        group = next((group for group in TOGETHER if in_group(name, group)), None)
        names = (
            [name] if group is None else [own for own in self.own_files() if in_group(own, group)]
        )
        frames = [
            frame.select(keys)
            for own in names
            if (self.path / own).is_file()
            for frame in [self._own_csv(own)]
            if set(keys) <= set(frame.columns)
        ]
        return pl.concat(frames).unique() if frames else None

    def _walk(self) -> Iterator[tuple[str, Path]]:
        for folder in FOLDERS:
            found = [
                path for path in (self.path / folder).rglob("*") if path.suffix in {".toml", ".csv"}
            ]
            for path in sorted(found, key=lambda p: p.relative_to(self.path).as_posix()):
                relative = path.relative_to(self.path)
                if not is_skipped(relative):
                    yield relative.as_posix(), path


def key_of(name: str) -> tuple[str, ...] | None:
    """Return the key columns of a content table, or None if a layer replaces it whole.

    Examples
    --------
    >>> key_of("factors/evidence/mine.csv"), key_of("portfolios/ai-servers/holdings.csv")
    (('evidence_id',), None)
    """
    found = [keys for prefix, keys in KEYS.items() if in_group(name, (prefix,))]
    return found[0] if found else None


def in_group(name: str, group: tuple[str, ...]) -> bool:
    """Return whether a table is one of a group of names and folders."""
    parts = {name, name.rpartition("/")[0] + "/"}
    return not parts.isdisjoint(group)


def is_skipped(relative: Path) -> bool:
    """Return whether a path is a program's own: hidden, a lock of a spreadsheet, an output."""
    parts = relative.parts
    return relative.as_posix() in SKIPPED_FILES or any(
        part.startswith((".", "~$")) or part in SKIPPED_FOLDERS for part in parts
    )
