"""A refresh: list files are checked, kept and compared with the edition before; links they touch are named."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from exposure.errors import ListError, Place
from exposure.lists.changes import Changes, changes
from exposure.lists.snapshot import Snapshot, check_lists
from exposure.lists.store import Store
from exposure.lists.touched import DECISIVE, TouchedLinks, touched_links


@dataclass(frozen=True, slots=True)
class Refreshed:
    """One list of a file.

    Parameters
    ----------
    edition
        The rows and issues of this list; of a file that was held already, as it was kept.
    state
        ``new``, or ``held`` if the same file lay in the store already.
    previous, changes
        The edition before in the same layout and what changed since; None where the store has none.
    touched
        :class:`~exposure.lists.touched.TouchedLinks`.
    """

    list_id: str
    edition: Snapshot
    state: str
    previous: Snapshot | None
    changes: Changes | None
    touched: pl.DataFrame

    @property
    def line(self) -> str:
        """What a report prints of the list."""
        return self.edition.line(self.list_id)


def refresh(
    store: Store,
    snapshots: Sequence[Snapshot],
    links: pl.DataFrame,
    *,
    dry_run: bool = False,
    accept_fewer: Collection[str] = (),
) -> list[Refreshed]:
    """Check files, keep them, and say what they changed.

    Parameters
    ----------
    links
        :class:`~exposure.schemas.ListLinks`.
    dry_run
        Check and compare, write nothing.
    accept_fewer
        See :meth:`~exposure.lists.store.Store.add`.

    Raises
    ------
    ListError
        If one of the files is not a whole edition; then nothing of any file is written.
    """
    ordered = sorted(snapshots, key=lambda snapshot: snapshot.edition_date)
    known = {list_id for snapshot in ordered for list_id in snapshot.counts()}
    unknown = sorted(set(accept_fewer) - known)
    if unknown:
        raise ListError(
            f"no file here has list {unknown[0]}",
            places=[Place("--accept-fewer", f"the lists are {', '.join(sorted(known))}")],
        )
    for snapshot in ordered:
        check_lists(snapshot)
    wanted = [store.check(snapshot, accept_fewer=accept_fewer) for snapshot in ordered]
    out: list[Refreshed] = []
    for snapshot, new in zip(ordered, wanted, strict=True):
        added = new if dry_run else store.add(snapshot, accept_fewer=accept_fewer)
        out += _compared(store, snapshot, links, frozenset(added))
    return out


def _compared(
    store: Store, snapshot: Snapshot, links: pl.DataFrame, added: frozenset[str]
) -> Iterator[Refreshed]:
    for list_id in snapshot.counts():
        new = list_id in added
        edition = (None if new else store.held(snapshot, list_id)) or snapshot.of_list(list_id)
        previous = store.previous(edition, list_id)
        found = None if previous is None else changes(edition, previous)
        touched = (
            touched_links(links, edition, found)
            if snapshot.layout in DECISIVE
            else TouchedLinks.create_empty()
        )
        yield Refreshed(list_id, edition, "new" if new else "held", previous, found, touched)
