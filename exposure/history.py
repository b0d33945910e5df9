"""What a run leaves behind: its folder, its manifest, and the history that grows by one file a table and run.

    <out>/<portfolio>/<run id>/            workbook, HTML edition, orders, tables/*.parquet, manifest.json
    <out>/history/<table>/portfolio=<id>/as_of=<date>/<run id>.parquet

A run is built in a temporary folder on the same disk and renamed when it is whole: killed, out of disk space or run
twice at once, what is under its own name is complete. The same inputs have the same run id and so the same folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import unicodedata
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any

import polars as pl

from exposure.content.writing import replacing
from exposure.errors import Place, UsageError

HISTORY = "history"
TABLES = "tables"
MANIFEST = "manifest.json"
ID_DIGITS = 8
MAX_SLUG = 64
# names that open a device on Windows, whatever extension follows
DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in "123456789¹²³")}
)
# differ between two runs on the same inputs, so they are no part of the fingerprint
VOLATILE = frozenset({"started", "ended", "seconds", "run_id", "outputs", "exit_code"})
RUN_ID = re.compile(r"^(\d{4}-\d{2}-\d{2})-([\w.\-]+)-([0-9a-f]{8})$")


def slug(name: str) -> str:
    """Return a portfolio's name as it stands in paths: letters, digits, ``_``, ``.``, ``-``.

    A name that is cut ends in eight hex digits of the whole one, so that two long names stay two folders.

    Raises
    ------
    UsageError
        If nothing is left of it, or Windows would take it for a device.

    Examples
    --------
    >>> slug("AI servers / 2025"), slug("算力链组合"), slug("../../etc")
    ('AI-servers-2025', '算力链组合', 'etc')
    >>> slug("long" * 75)
    'longlonglonglonglonglonglonglonglonglonglonglonglonglon-2c832969'
    """
    kept = re.sub(r"[^\w.\-]+", "-", unicodedata.normalize("NFC", name))
    safe = kept.strip("-. ")
    if len(safe) > MAX_SLUG:
        mark = hashlib.sha256(safe.encode("utf-8", errors="replace")).hexdigest()[:ID_DIGITS]
        safe = f"{safe[: MAX_SLUG - ID_DIGITS - 1].rstrip('-. ')}-{mark}"
    if not safe or safe.partition(".")[0].lower() in DEVICES:
        raise UsageError(
            f"a portfolio can't be called {name!r}", cure="use letters, digits, '_', '.' and '-'"
        )
    return safe


def check_output(out: str | Path, portfolio: str | None = None) -> None:
    """Refuse a folder of runs that can't be one; nothing is made yet.

    Raises
    ------
    UsageError
        If the name is that of the history, or a folder is a file or a symbolic link.
    """
    root = Path(out)
    folders = [root, root / HISTORY]
    if portfolio is not None:
        name = slug(portfolio)
        if name.casefold() == HISTORY:  # one folder on disks that don't tell the case
            raise UsageError(
                f"a portfolio can't be called {portfolio!r}: that is the folder of the history",
                cure="name it otherwise: --portfolio NAME",
            )
        folders.append(root / name)
    for folder in folders:
        _refuse_link(folder)


def input_fingerprint(manifest: Mapping[str, Any]) -> str:
    """Return the SHA-256 of everything a run rests on.

    Times and outputs are left out: the same inputs find the same folder.
    """
    inputs = {key: value for key, value in manifest.items() if key not in VOLATILE}
    return hashlib.sha256(_json(inputs).encode()).hexdigest()


def run_id(as_of: date, portfolio: str, fingerprint: str) -> str:
    """Return ``<as_of>-<portfolio>-<8 hex of the input fingerprint>``.

    Examples
    --------
    >>> run_id(date(2025, 1, 24), "ai-servers", "0123456789abcdef")
    '2025-01-24-ai-servers-01234567'
    """
    return f"{as_of.isoformat()}-{slug(portfolio)}-{fingerprint[:ID_DIGITS]}"


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def content_hash(path: Path) -> str | dict[str, str]:
    """Return what to compare an output by: the hash of its bytes, or for xlsx of each unpacked part.

    The bytes of a zip differ with the clock, its parts don't (``docProps/core.xml`` holds the times and is left out).
    """
    if path.suffix != ".xlsx":
        return file_sha256(path)
    with zipfile.ZipFile(path) as archive:
        return {
            name: hashlib.sha256(archive.read(name)).hexdigest()
            for name in sorted(archive.namelist())
            if name != "docProps/core.xml" and not name.endswith("/")
        }


@dataclass(slots=True)
class RunFolder:
    """A run folder being built; use it in a ``with`` block.

    Leaving the block without an error renames the temporary folder and adds the tables to the history; leaving it by
    an error removes every trace.

    Parameters
    ----------
    path
        Where to write now.
    final
        Where it will be.
    """

    path: Path
    final: Path
    root: Path
    portfolio: str
    run_id: str
    as_of: date
    force: bool = False
    _tables: tuple[str, ...] = ()
    _has_manifest: bool = False

    @staticmethod
    def open(out: str | Path, portfolio: str, identity: str, *, force: bool = False) -> RunFolder:
        """Start a run folder.

        Parameters
        ----------
        out
            Folder of all runs; made where it doesn't exist.
        identity
            See :func:`run_id`.
        force
            Replace a folder of the same id. Without it, the run that is there stays and this one's files are
            dropped at the end: same id, same inputs.

        Raises
        ------
        UsageError
            If ``out`` is a file or leads through a symbolic link, or the id is none.
        """
        parts = RUN_ID.match(identity)
        if parts is None:
            raise UsageError(f"{identity!r} is no run id", cure="<as_of>-<portfolio>-<8 hex>")
        root = Path(out)
        check_output(root, portfolio)
        name = slug(portfolio)
        final = root / name / identity
        _refuse_link(final)
        if not final.resolve().is_relative_to(root.resolve()):
            raise UsageError(f"{portfolio!r} leads out of the output folder")
        final.parent.mkdir(parents=True, exist_ok=True)
        path = final.parent / f".{identity}.{os.getpid()}.part"
        if path.exists():
            shutil.rmtree(path)
        path.mkdir()
        day = date.fromisoformat(parts.group(1))
        return RunFolder(path, final, root, name, identity, day, force)

    def write_tables(self, tables: Mapping[str, pl.DataFrame]) -> None:
        """Write ``tables/<name>.parquet``; the same frame gives the same bytes."""
        folder = self.path / TABLES
        folder.mkdir(exist_ok=True)
        for name, frame in tables.items():
            _write_parquet(frame, folder / f"{slug(name)}.parquet")
        self._tables = (*self._tables, *(slug(name) for name in tables))

    def write_manifest(self, manifest: Mapping[str, Any], *, started: str | None = None) -> None:
        """Write ``manifest.json``: sorted keys, the hash of every file written so far.

        Parameters
        ----------
        started
            The caller's clock, where the run's start should be on record. This module never asks what time it is.
        """
        outputs = {
            path.relative_to(self.path).as_posix(): content_hash(path)
            for path in sorted(self.path.rglob("*"))
            if path.is_file() and path.name != MANIFEST
        }
        full: dict[str, Any] = {**manifest, "run_id": self.run_id, "outputs": outputs}
        if started is not None:
            full["started"] = started
        _refuse_paths(full, "")
        (self.path / MANIFEST).write_text(_json(full, indent=2) + "\n", encoding="utf-8")
        self._has_manifest = True

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            shutil.rmtree(self.path, ignore_errors=True)

    def _finish(self) -> None:
        if not self._has_manifest:
            self.write_manifest({})
        try:
            # renaming onto a folder with files in it fails: of two runs at once, the first one stays
            self.path.rename(self.final)
        except OSError:
            if not self.final.is_dir():
                raise
            self._meet_existing()
        self._append_history()

    def _meet_existing(self) -> None:
        if not self.force and (self.final / MANIFEST).is_file():
            return  # the same inputs: what is there is this run
        if not self.force:
            raise UsageError(
                f"{self.final.name} exists and is no whole run",
                places=[Place(self.final.name, f"has no {MANIFEST}")],
                cure="remove the folder, or add --force",
            )
        aside = self.final.with_name(f".{self.run_id}.{os.getpid()}.old")
        self.final.rename(aside)
        self.path.rename(self.final)
        shutil.rmtree(aside)

    def _append_history(self) -> None:
        folder = self.final / TABLES
        for path in sorted(folder.glob("*.parquet")) if folder.is_dir() else []:
            target = (
                self.root
                / HISTORY
                / path.stem
                / f"portfolio={self.portfolio}"
                / f"as_of={self.as_of.isoformat()}"
                / f"{self.run_id}.parquet"
            )
            if target.exists() and not self.force:
                continue
            for parent in target.relative_to(self.root).parents:
                _refuse_link(self.root / parent)
            target.parent.mkdir(parents=True, exist_ok=True)
            frame = pl.read_parquet(path)
            if "run_id" not in frame.columns:
                frame = frame.with_columns(pl.lit(self.run_id).alias("run_id"))
            with replacing(target) as aside:
                _write_parquet(frame, aside)


def list_runs(out: str | Path, portfolio: str | None = None) -> pl.DataFrame:
    """Return the whole runs of an output folder, oldest day first.

    Returns
    -------
    polars.DataFrame
        | run_id | portfolio | as_of | folder (inside ``out``) |
    """
    root = Path(out)
    found: list[tuple[str, str, date, str]] = []
    for manifest in sorted(root.glob(f"*/*/{MANIFEST}")):
        folder = manifest.parent
        parts = RUN_ID.match(folder.name)
        if parts is None or folder.parent.name == HISTORY:
            continue
        if portfolio is None or folder.parent.name == slug(portfolio):
            day = date.fromisoformat(parts.group(1))
            found.append(
                (folder.name, folder.parent.name, day, folder.relative_to(root).as_posix())
            )
    schema = {
        "run_id": pl.String,
        "portfolio": pl.String,
        "as_of": pl.Date,
        "folder": pl.String,
    }
    return pl.DataFrame(found, schema=schema, orient="row").sort("as_of", "portfolio", "run_id")


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as read back: its manifest and tables by name."""

    run_id: str
    manifest: dict[str, Any]
    tables: dict[str, pl.DataFrame]


def load_run(folder: str | Path) -> StoredRun:
    """Read a run folder back.

    Raises
    ------
    UsageError
        If it is no run folder, or a file is not the one that the manifest has the hash of.
    """
    path = Path(folder)
    file = path / MANIFEST
    if not file.is_file():
        raise UsageError(
            f"{path.name} is no run folder",
            places=[Place(path.name, f"has no {MANIFEST}")],
            cure="exposure runs list",
        )
    manifest = json.loads(file.read_text(encoding="utf-8"))
    places: list[Place] = []
    tables: dict[str, pl.DataFrame] = {}
    for name, digest in manifest.get("outputs", {}).items():
        if not name.startswith(f"{TABLES}/"):
            continue
        if not (path / name).is_file():
            places.append(Place(name, "is missing"))
        elif file_sha256(path / name) != digest:
            places.append(Place(name, "was changed after the run"))
        else:
            tables[Path(name).stem] = pl.read_parquet(path / name)
    if places:
        raise UsageError(
            f"{path.name} is not as it was written", places=places, cure="run it again"
        )
    return StoredRun(path.name, manifest, tables)


def read_history(
    out: str | Path, table: str, portfolio: str | None = None, *, until: date | None = None
) -> pl.DataFrame:
    """Return a table over all runs, with ``portfolio``, ``as_of`` and ``run_id``.

    Parameters
    ----------
    until
        The last ``as_of`` to read.
    """
    who = "*" if portfolio is None else slug(portfolio)
    files = sorted((Path(out) / HISTORY / slug(table)).glob(f"portfolio={who}/as_of=*/*.parquet"))
    frames: list[pl.DataFrame] = []
    for path in files:
        day = date.fromisoformat(path.parent.name.removeprefix("as_of="))
        if until is None or day <= until:
            keys = [
                pl.lit(path.parent.parent.name.removeprefix("portfolio=")).alias("portfolio"),
                pl.lit(day).alias("as_of"),
            ]
            frames.append(pl.read_parquet(path).with_columns(keys))
    return pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame()


def _write_parquet(frame: pl.DataFrame, path: Path) -> None:
    frame.write_parquet(path, compression="zstd", statistics=True)


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(
        value, sort_keys=True, ensure_ascii=False, indent=indent, default=_plain, allow_nan=False
    )


def _plain(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    message = f"a manifest can't hold a {type(value).__name__}"
    raise TypeError(message)


def _refuse_link(folder: Path) -> None:
    if folder.is_symlink():
        raise UsageError(
            f"the output folder {folder.name} is a symbolic link",
            places=[Place(folder.name, "leads somewhere else")],
            cure="name the real folder",
        )
    if folder.exists() and not folder.is_dir():
        raise UsageError(
            f"{folder.name} is a file, not a folder", places=[Place(folder.name, "is no folder")]
        )


def _refuse_paths(value: Any, where: str) -> None:
    """A manifest names files, never where on a machine they lie: that would tell user and host."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            _refuse_paths(item, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_paths(item, where)
    elif isinstance(value, Path) or (
        isinstance(value, str) and re.match(r"^(/|~/|[A-Za-z]:[\\/]|\\\\)", value)
    ):
        raise UsageError(
            f"the manifest would hold a full path in {where}",
            places=[Place(MANIFEST, "must be a file name", column=where, value=str(value))],
        )
