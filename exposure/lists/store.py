"""The editions of sanction lists that were read, kept for good: one folder an edition and list.

    <store>/<list id>/<edition date>-<12 hex of the file's SHA-256>/rows.parquet, issues.parquet, edition.json
                                                                   /seen-<date> for each later day it was fetched

A folder is written aside and renamed when it is whole, so that a killed writer leaves nothing under its name and of
two writers at once the first one stays. Nothing is ever changed or removed. The same file is never kept twice: that it
was fetched again, and so still was the newest, is an empty file with the day in its name.

Point in time: an edition could have been known from the day it was published on, whenever somebody here came to read
it (``known_on``: *could have been known*). So :meth:`Store.newest` goes by the date of the edition. What was really at
hand on a day is another question: ``read_by`` leaves out what was read later.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl

from exposure.errors import ListError, Place
from exposure.lists.rows import ListRows
from exposure.lists.snapshot import Snapshot, check_counts
from exposure.schemas import DataIssues, concat_issues, issue, issues_frame

ROWS, ISSUES, EDITION = "rows.parquet", "issues.parquet", "edition.json"
HASH_DIGITS = 12
FORMAT = 1
LIST_ID = re.compile(r"^[A-Z0-9][A-Z0-9\-]{0,31}$")
_FOLDER = re.compile(r"^(\d{4}-\d{2}-\d{2})-([0-9a-f]{12})$")
ASIDE = ".part-"
SEEN = "seen-"


class StoredEditions(dy.Schema):
    """An edition of a list as it lies in the store."""

    list_id = dy.String(primary_key=True)
    edition_date = dy.Date(primary_key=True)  # published; known from this day on
    sha256 = dy.String(primary_key=True, regex=r"^[0-9a-f]{64}$")  # of the file it came in
    read_on = dy.Date()  # first
    sequence = dy.Int64(min=0)  # of two editions of one day, the one that was kept later counts
    seen_on = dy.List(
        dy.Date()
    )  # days on which it was the newest: published, then each day it was fetched
    file = dy.String()
    layout = dy.String()
    bytes = dy.Int64(min=1)
    rows = dy.Int64(min=1)  # of this list
    stated_rows = dy.Int64(nullable=True)  # of the whole file, by its own words
    address = dy.String()
    folder = dy.String()  # inside the store


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of editions.

    Examples
    --------
    >>> Store(Path("no-such-folder")).newest("EL", date(2026, 7, 31)) is None
    True
    """

    folder: Path

    def editions(self) -> pl.DataFrame:
        """Return what the store holds, by list and date.

        Returns
        -------
        polars.DataFrame
            :class:`StoredEditions`.

        Raises
        ------
        ListError
            If an edition has lost its description.
        """
        found = [
            _read_edition(self.folder, path)
            for path in sorted(self.folder.glob("*/*"))
            if _FOLDER.match(path.name) and LIST_ID.match(path.parent.name) and path.is_dir()
        ]
        schema = {name: column.dtype for name, column in StoredEditions.columns().items()}
        frame = pl.DataFrame(found, schema=schema, orient="row")
        return StoredEditions.validate(
            frame.sort(
                "list_id", "edition_date", "read_on", "sequence", "sha256", maintain_order=True
            )
        )

    def newest(
        self, list_id: str, as_of: date, *, read_by: date | None = None, layout: str | None = None
    ) -> Snapshot | None:
        """Return the newest edition of a list that could have been known on a day.

        Parameters
        ----------
        as_of
            Editions published later are not used.
        read_by
            Leave out what was read here after this day: what the desk really had. Without it an edition counts from
            its day of publication on, as for every other fact.
        layout
            Only editions of this layout.

        Returns
        -------
        Snapshot or None
            Rows and issues of this list alone. None if the store has no such edition.
        """
        held = self.editions().filter(
            (pl.col("list_id") == list_id) & (pl.col("edition_date") <= as_of)
        )
        if read_by is not None:
            held = held.filter(pl.col("read_on") <= read_by)
        if layout is not None:
            held = held.filter(pl.col("layout") == layout)
        return self.load(held.row(-1, named=True)) if held.height else None

    def previous(self, edition: Snapshot, list_id: str) -> Snapshot | None:
        """Return the newest edition of the same list and layout that was published no later than this one."""
        held = self._before(edition).filter(pl.col("list_id") == list_id)
        return self.load(held.row(-1, named=True)) if held.height else None

    def edition(self, list_id: str, day: date | None = None) -> Snapshot:
        """Return the edition of a day, or the newest.

        Raises
        ------
        ListError
            If the store has none, with the days it has.
        """
        held = self.editions().filter(pl.col("list_id") == list_id)
        return self.load(_of_day(held, list_id, day).row(-1, named=True))

    def before(self, edition: Snapshot, list_id: str, day: date | None = None) -> Snapshot:
        """Return the edition of a day, or the one before in the same layout, to compare another with.

        Raises
        ------
        ListError
            If the store has none, with the days it has.
        """
        held = self.editions().filter(pl.col("list_id") == list_id)
        if day is None:
            previous = self.previous(edition, list_id)
            if previous is not None:
                return previous
            raise ListError(
                f"no edition of {list_id} before {edition.edition_date.isoformat()} has the same layout",
                places=[Place(list_id, f"is held of {_days(held)}")],
                cure="name the earlier edition: --from YYYY-MM-DD",
            )
        found = _of_day(held, list_id, day)
        alike = found.filter(pl.col("layout") == edition.layout)
        return self.load((alike if alike.height else found).row(-1, named=True))

    def held(self, snapshot: Snapshot, list_id: str) -> Snapshot | None:
        """Return the edition that the same file gave before, under the day it was kept with."""
        same = (pl.col("sha256") == snapshot.sha256) & (pl.col("list_id") == list_id)
        held = self.editions().filter(same)
        return self.load(held.row(0, named=True)) if held.height else None

    def load(self, edition: Mapping[str, Any]) -> Snapshot:
        """Read an edition back.

        Parameters
        ----------
        edition
            A row of :meth:`editions`.

        Raises
        ------
        ListError
            If its files are gone or were changed.
        """
        folder = self.folder / edition["folder"]
        rows = _frame(folder, ROWS, ListRows)
        if rows.height != edition["rows"]:
            raise _damaged(folder, ROWS, f"has {rows.height} rows, not {edition['rows']}")
        return Snapshot(
            file=edition["file"],
            sha256=edition["sha256"],
            size=edition["bytes"],
            edition_date=edition["edition_date"],
            read_on=edition["read_on"],
            address=edition["address"],
            rows=rows,
            issues=_frame(folder, ISSUES, DataIssues),
            stated_rows=None,  # counts the whole file, of which this is one list
            layout=edition["layout"],
            fetched_on=edition["seen_on"][-1],
        )

    def add(self, snapshot: Snapshot, *, accept_fewer: Collection[str] = ()) -> tuple[str, ...]:
        """Keep the lists of a file, unless it is cut or not what it says it is.

        Parameters
        ----------
        snapshot
            A file as read; each of its lists becomes an edition of its own.
        accept_fewer
            Lists of which the caller knows that they lost more than 2% of their rows. It is noted with the edition.

        Returns
        -------
        tuple of str
            The lists that are new. A file that lies in the store already adds nothing but the day it was fetched
            again, so the same file twice gives an empty tuple.

        Raises
        ------
        ListError
            See :meth:`check`; nothing is written.
        """
        wanted = self.check(snapshot, accept_fewer=accept_fewer)
        before = self.counts_before(snapshot) if wanted else {}
        new = tuple(
            list_id
            for list_id in wanted
            if _write(self.folder, snapshot, list_id, before if list_id in accept_fewer else {})
        )
        self._note_day(snapshot)
        return new

    def check(self, snapshot: Snapshot, *, accept_fewer: Collection[str] = ()) -> tuple[str, ...]:
        """Return the lists of a file that the store lacks; nothing is written.

        Raises
        ------
        ListError
            If the file is cut or not what it says it is: see :func:`~exposure.lists.snapshot.check_snapshot`.
        """
        held = self.editions().filter(pl.col("sha256") == snapshot.sha256)
        same = set(held["list_id"])
        wanted = tuple(list_id for list_id in snapshot.counts() if list_id not in same)
        if wanted:
            before = self.counts_before(snapshot)
            check_counts(snapshot, {key: n for key, n in before.items() if key not in accept_fewer})
        return wanted

    def _note_day(self, snapshot: Snapshot) -> None:
        """Note the day on which the agency still published a file."""
        if snapshot.fetched_on is None:
            return
        same = self.editions().filter(pl.col("sha256") == snapshot.sha256)
        for row in same.iter_rows(named=True):
            if snapshot.fetched_on > row["seen_on"][-1]:
                name = f"{SEEN}{snapshot.fetched_on.isoformat()}"
                (self.folder / row["folder"] / name).touch()

    def counts_before(self, snapshot: Snapshot) -> dict[str, int]:
        """Return list → rows of the newest edition of the same layout that was published no later.

        A file that is corrected the same day is compared with the first.
        """
        newest = self._before(snapshot).group_by("list_id", maintain_order=True).last()
        return dict(newest.select("list_id", "rows").iter_rows())

    def _before(self, snapshot: Snapshot) -> pl.DataFrame:
        held = self.editions().filter(
            (pl.col("edition_date") <= snapshot.edition_date)
            & (pl.col("layout") == snapshot.layout)
        )
        # what was read after it is no edition before it: two files of one day
        place = held.with_row_index("at").filter(pl.col("sha256") == snapshot.sha256)
        first = place.group_by("list_id").agg(pl.col("at").min())
        return (
            held.with_row_index("at")
            .join(first, on="list_id", how="left", suffix="_own", maintain_order="left")
            .filter(pl.col("at_own").is_null() | (pl.col("at") < pl.col("at_own")))
            .drop("at", "at_own")
        )


def _of_day(held: pl.DataFrame, list_id: str, day: date | None) -> pl.DataFrame:
    found = held if day is None else held.filter(pl.col("edition_date") == day)
    if found.is_empty():
        which = "no edition" if day is None else f"no edition of {day.isoformat()}"
        raise ListError(
            f"the store has {which} of list {list_id!r}",
            places=[Place(list_id, f"is held of {_days(held)}")] if held.height else [],
            cure="exposure data lists   (shows what is held)",
        )
    return found


def _days(held: pl.DataFrame) -> str:
    days = [day.isoformat() for day in held["edition_date"].unique().sort()]
    return ", ".join(days)


def _write(store: Path, snapshot: Snapshot, list_id: str, accepted: Mapping[str, int]) -> bool:
    """Write one list of a file; False if another writer was first."""
    if not LIST_ID.match(list_id):
        raise ListError(
            f"{list_id!r} is no list id",
            places=[Place(snapshot.file, "needs capitals, digits and hyphens", value=list_id)],
            cure="the layout of the list changed: read it before you rely on it",
        )
    edition = snapshot.of_list(list_id)
    rows, issues = edition.rows, edition.issues
    if list_id in accepted:
        message = f"{list_id} has {rows.height} rows and had {accepted[list_id]}: accepted as right"
        issues = concat_issues(
            [
                issues,
                issues_frame([issue("warning", snapshot.file, "fewer_rows_accepted", message)]),
            ]
        )
    name = f"{snapshot.edition_date.isoformat()}-{snapshot.sha256[:HASH_DIGITS]}"
    final = store / list_id / name
    final.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f"{ASIDE}{name}-", dir=final.parent))
    try:
        rows.write_parquet(aside / ROWS, compression="zstd")
        issues.write_parquet(aside / ISSUES, compression="zstd")
        facts = _facts(snapshot, list_id, rows.height, aside)
        text = json.dumps(facts, ensure_ascii=False, indent=2, sort_keys=True)
        (aside / EDITION).write_text(text + "\n", encoding="utf-8")
        aside.chmod(0o755)  # a temporary folder is for its maker only; an edition is for the desk
        try:
            aside.rename(final)  # fails onto a folder with files in it
        except OSError:
            if not (final / EDITION).is_file():
                raise
            return False
        return True
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _facts(snapshot: Snapshot, list_id: str, rows: int, folder: Path) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "list_id": list_id,
        "edition_date": snapshot.edition_date.isoformat(),
        "read_on": snapshot.read_on.isoformat(),
        "sequence": sum(1 for path in folder.parent.iterdir() if _FOLDER.match(path.name)),
        "file": snapshot.file,
        "layout": snapshot.layout,
        "sha256": snapshot.sha256,
        "bytes": snapshot.size,
        "rows": rows,
        "stated_rows": snapshot.stated_rows,
        "address": snapshot.address,
        "parts": {name: _sha256(folder / name) for name in (ROWS, ISSUES)},
    }


def _read_edition(store: Path, folder: Path) -> dict[str, Any]:
    try:
        facts = json.loads((folder / EDITION).read_text(encoding="utf-8"))
        kept = {
            name: facts[name]
            for name in StoredEditions.columns()
            if name not in {"folder", "seen_on"}
        }
        days = {name: date.fromisoformat(facts[name]) for name in ("edition_date", "read_on")}
        again = {
            date.fromisoformat(path.name.removeprefix(SEEN)) for path in folder.glob(f"{SEEN}*")
        }
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise _damaged(folder, EDITION, "is missing or not as it was written") from fault
    more = {"seen_on": sorted({days["edition_date"], *again})}
    return kept | days | more | {"folder": folder.relative_to(store).as_posix()}


def _frame(folder: Path, name: str, schema: type[dy.Schema]) -> pl.DataFrame:
    path = folder / name
    try:
        wanted = json.loads((folder / EDITION).read_text(encoding="utf-8"))["parts"][name]
        content = path.read_bytes()
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise _damaged(folder, name, "is missing") from fault
    if hashlib.sha256(content).hexdigest() != wanted:
        raise _damaged(folder, name, "was changed after it was written")
    return schema.validate(pl.read_parquet(content))


def _damaged(folder: Path, name: str, why: str) -> ListError:
    where = f"{folder.parent.name}/{folder.name}/{name}"
    return ListError(
        f"the store of lists is damaged at {folder.parent.name}/{folder.name}",
        places=[Place(where, why)],
        cure="remove that folder and read the file again: exposure data refresh --from FILE",
    )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
