"""Where content comes from, how its files are read as text, and its fingerprint.

Content is TOML and CSV that an analyst edits. This module only turns files into text frames and plain dictionaries
that remember file and line; the rooms above give them types and rules.

A folder of the user's own is a layer over the shipped content: a row of the layer replaces the row with its key, new
rows are added, a TOML file replaces the one with its name. ``extends = "none"`` in the layer's ``content.toml`` makes
it a content root of its own.
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import polars as pl

from exposure.errors import ContentError, Place

FOLDERS = ("factors", "portfolios", "reports")
SKIPPED_FOLDERS = {"output", "gallery", "__pycache__"}
SOURCE_ROW = "source_row"
SETTINGS = "content.toml"
SHIPPED, NONE = "shipped", "none"

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
# Folders of the shipped content where a layer has no file of a new name: nothing would read it.
CLOSED = ("factors", "factors/lists", "portfolios/reference", "reports/layouts", "reports/wording")
READ_FOLDERS = (
    "factors", "portfolios/reference", "portfolios/layouts", "portfolios/rules", "portfolios/risk",
    "reports/layouts", "reports/wording",
)  # fmt: skip
TABLE_FORMATS = ("csv", "tsv", "xlsx", "xls", "ods", "toml")


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
        group = next((group for group in TOGETHER if _in_group(name, group)), None)
        names = (
            [name] if group is None else [own for own in self.own_files() if _in_group(own, group)]
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
                if not _is_skipped(relative):
                    yield relative.as_posix(), path


def key_of(name: str) -> tuple[str, ...] | None:
    """Return the key columns of a content table, or None if a layer replaces it whole.

    Examples
    --------
    >>> key_of("factors/evidence/mine.csv"), key_of("portfolios/ai-servers/holdings.csv")
    (('evidence_id',), None)
    """
    found = [keys for prefix, keys in KEYS.items() if _in_group(name, (prefix,))]
    return found[0] if found else None


def _in_group(name: str, group: tuple[str, ...]) -> bool:
    parts = {name, name.rpartition("/")[0] + "/"}
    return not parts.isdisjoint(group)


def layer_report(root: ContentRoot) -> pl.DataFrame:
    """Return what a layer does to the content beneath it.

    Returns
    -------
    polars.DataFrame
        | file | added | replaced | same | : rows of a table, or 1 for a file that is new, replaces one, or repeats it.
        Empty for a root without a base.
    """
    rows: list[tuple[str, int, int, int]] = []
    for name in root.own_files() if root.base is not None else []:
        assert root.base is not None
        keys = key_of(name)
        if keys is None:
            rows.append((name, *_file_change(root, root.base, name)))
            continue
        mine = read_text_csv(root.path / name, name).drop(SOURCE_ROW)
        below = [frame.drop(SOURCE_ROW) for frame in _tables_beneath(root.base, name)]
        if not set(keys) <= set(mine.columns):
            rows.append((name, mine.height, 0, 0))  # refused when the table is read
            continue
        replaced = mine.join(_keys(below, keys), on=list(keys), how="semi")
        same = sum(_repeated(replaced, frame) for frame in below)
        rows.append((name, mine.height - replaced.height, replaced.height - same, same))
    return pl.DataFrame(
        rows,
        schema={"file": pl.String, "added": pl.Int64, "replaced": pl.Int64, "same": pl.Int64},
        orient="row",
    )


def replaces(root: ContentRoot, name: str) -> bool:
    """Return whether a layer replaces a row of a table, or of the tables that share its keys."""
    keys, mine = key_of(name), root.replacing(name)
    if root.base is None or keys is None or mine is None or mine.is_empty():
        return False
    below = _keys(_tables_beneath(root.base, name), keys)
    return mine.join(below, on=list(keys), how="semi").height > 0


def _tables_beneath(base: ContentRoot, name: str) -> list[pl.DataFrame]:
    group = next((group for group in TOGETHER if _in_group(name, group)), (name,))
    return [base.read_csv(other) for other in _names_of(base, group)]


def _keys(tables: list[pl.DataFrame], keys: tuple[str, ...]) -> pl.DataFrame:
    found = [frame.select(keys) for frame in tables if set(keys) <= set(frame.columns)]
    return pl.concat([pl.DataFrame(schema=dict.fromkeys(keys, pl.String)), *found]).unique()


def _repeated(mine: pl.DataFrame, below: pl.DataFrame) -> int:
    """Return how many rows stand in both; a column that a table lacks is empty there."""
    together = pl.concat([mine.clear(), below.clear()], how="diagonal")
    ours, theirs = (pl.concat([together, frame], how="diagonal") for frame in (below, mine))
    return theirs.join(ours, on=together.columns, how="semi", nulls_equal=True).height


def _names_of(root: ContentRoot, group: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for part in group:
        found += root.csv_names(part.rstrip("/")) if part.endswith("/") else [part] * root.has(part)
    return found


def _file_change(root: ContentRoot, base: ContentRoot, name: str) -> tuple[int, int, int]:
    if not base.has(name):
        return 1, 0, 0
    same = (root.path / name).read_bytes() == base.file(name).read_bytes()
    return 0, int(not same), int(same)


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
    _refuse_unread(resolved, base)
    return ContentRoot(resolved, origin, base)


def _refuse_unread(folder: Path, base: ContentRoot) -> None:
    """Refuse a file of a layer that nothing would read, such as a table with a slip in its name."""
    places = [
        Place(f"{folder.name}/{name}", why)
        for top in READ_FOLDERS
        for name in _names_under(folder, folder / top)
        if (why := _why_unread(name, base))
    ]
    if places:
        raise ContentError(
            f"{folder.name} has {len(places)} files that nothing reads",
            places=places,
            cure="rename them, or move them out of the folder",
        )


def _names_under(root: Path, folder: Path) -> list[str]:
    found = [path.relative_to(root) for path in folder.rglob("*") if path.is_file()]
    return sorted(path.as_posix() for path in found if not _is_skipped(path))


def _is_skipped(relative: Path) -> bool:
    """Return whether a path is a program's own: hidden, a lock of a spreadsheet, an output."""
    parts = relative.parts
    return any(part.startswith((".", "~$")) or part in SKIPPED_FOLDERS for part in parts)


def _why_unread(name: str, base: ContentRoot) -> str:
    suffix = name.rpartition(".")[2]
    if suffix not in ("csv", "toml"):
        is_table = suffix.lower() in TABLE_FORMATS
        return "is not read; save it as .csv in UTF-8" if is_table else ""
    if base.has(name):
        return ""
    folder = name.rpartition("/")[0]
    siblings = [f"{folder}/{known}" for known in base.entries(folder)]
    if folder in CLOSED:
        near = get_close_matches(name, siblings, n=1)
        return "is no file of the content" + (f"; did you mean {near[0]}?" if near else "")
    is_snapshot = folder.rpartition("/")[0] == "portfolios/risk"
    if is_snapshot or any(known.endswith(f".{suffix}") for known in siblings):
        return ""
    return f"lies in a folder where no .{suffix} file is read"


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


def _project_setting(start: Path) -> Path | None:
    for folder in (start, *start.parents):
        settings = folder / "exposure.toml"
        if settings.is_file():
            value = read_toml_file(settings).data.get("content")
            return folder / str(value) if value else None
    return None
