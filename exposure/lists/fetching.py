"""Fetching list files from the agencies' own addresses. Nothing here runs unless a person asks for a refresh."""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from email.utils import parsedate_to_datetime
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from exposure.content import ContentRoot
from exposure.errors import ListError, Place, UsageError
from exposure.lists.snapshot import Snapshot
from exposure.lists.sources.files import MAX_BYTES
from exposure.lists.sources.reading import read_list_files

AGENCIES = "factors/lists/agencies.toml"
TIMEOUT = 30.0  # seconds without an answer
LONGEST = 300.0  # seconds for one file
CHUNK = 2**20
TITLE = 15  # of the Code of Federal Regulations
BY_HAND = "fetch it on a machine with a network, then: exposure data refresh --from FILE"


@dataclass(frozen=True, slots=True)
class Agency:
    """Where a list is published; see ``factors/lists/agencies.toml``."""

    agency_id: str
    publisher: str
    holds: str
    urls: tuple[str, ...]
    dates: str | None
    routine: bool


@dataclass(frozen=True, slots=True)
class _Fetched:
    path: Path
    changed_on: date | None  # by the server's own words


def load_agencies(root: ContentRoot) -> dict[str, Agency]:
    """Read ``factors/lists/agencies.toml``.

    Raises
    ------
    ContentError
        With file, line and the nearest known key; or if an address is none of http or https.
    """
    file = root.read_toml(AGENCIES)
    out: dict[str, Agency] = {}
    for name, table in file.data.items():
        if not isinstance(table, dict):
            raise file.error(f"{AGENCIES}: {name} is no table", name, cure=f"write [{name}]")
        file.check_keys(table, {"publisher", "holds", "urls", "dates", "routine"}, name)
        urls = tuple(str(url) for url in file.need(table, "urls", name))
        pages = (*urls, *([str(table["dates"])] if "dates" in table else []))
        for url in pages:
            if urlsplit(url).scheme not in {"http", "https"}:
                raise file.error(f"{AGENCIES}: {url!r} is no address", name, "needs http or https")
        out[name] = Agency(
            name,
            str(file.need(table, "publisher", name)),
            str(file.need(table, "holds", name)),
            urls,
            pages[-1] if "dates" in table else None,
            bool(table.get("routine", False)),
        )
    return out


def fetch_lists(
    agencies: dict[str, Agency],
    chosen: Sequence[str],
    folder: Path,
    *,
    read_on: date,
    edition_date: date | None = None,
    timeout: float = TIMEOUT,
) -> list[Snapshot]:
    """Fetch and read the files of agencies.

    Parameters
    ----------
    chosen
        Agencies by id; if none is named, those of routine.
    folder
        Where the files go; the caller clears it away.
    edition_date
        The day to ask for where the address has one, and the edition of files that state none.

    Raises
    ------
    UsageError
        If no agency has that id.
    ListError
        If an address can't be reached, or what came is no list.
    """
    for name in chosen:
        if name not in agencies:
            near = get_close_matches(name, agencies, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UsageError(
                f"no agency is called {name!r}{hint}",
                cure=f"one of {', '.join(agencies)}; a file goes behind --from",
            )
    names = list(chosen) or [name for name, agency in agencies.items() if agency.routine]
    return [
        snapshot
        for name in names
        for snapshot in _fetch_agency(agencies[name], folder / name, read_on, edition_date, timeout)
    ]


def _fetch_agency(
    agency: Agency, folder: Path, read_on: date, edition: date | None, timeout: float
) -> tuple[Snapshot, ...]:
    folder.mkdir(parents=True, exist_ok=True)
    if agency.dates is not None and edition is None:
        edition = _newest_day(_fetch(agency.dates, folder, timeout).path)
    urls = [url.replace("{date}", edition.isoformat()) if edition else url for url in agency.urls]
    files = [_fetch(url, folder, timeout) for url in urls]
    paths = [file.path for file in files]
    address = " ".join(urls)
    # an address with a day in it gives that day's edition, whatever came later
    seen = None if agency.dates is not None else read_on
    try:
        return read_list_files(
            paths, read_on=read_on, edition_date=edition, fetched_on=seen, address=address
        )
    except ListError as fault:
        changed = [file.changed_on for file in files if file.changed_on is not None]
        if edition is not None or not changed or "which day it is of" not in fault.what:
            raise
    day = min(max(changed), read_on)
    return read_list_files(
        paths, read_on=read_on, edition_date=day, fetched_on=seen, address=address
    )


def _fetch(url: str, folder: Path, timeout: float) -> _Fetched:
    host = urlsplit(url).netloc
    name = re.sub(r"[^\w.\-]", "_", PurePosixPath(urlsplit(url).path).name) or "list"
    path = folder / name
    request = urllib.request.Request(url, headers={"User-Agent": "exposure data refresh"})
    started = time.monotonic()
    size = 0
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer, path.open("wb") as file:
            while chunk := answer.read(CHUNK):
                size += len(chunk)
                if size > MAX_BYTES:
                    raise _failed(
                        host, name, f"sends more than {MAX_BYTES // 2**20} MiB: no list has"
                    )
                if time.monotonic() - started > LONGEST:
                    raise _failed(host, name, f"needs more than {LONGEST:.0f} seconds")
                file.write(chunk)
            return _Fetched(path, _changed_on(answer.headers.get("Last-Modified")))
    except urllib.error.HTTPError as fault:
        fault.close()
        raise _failed(host, name, f"answers {fault.code} {fault.reason}") from fault
    except (OSError, http.client.HTTPException) as fault:
        reason = getattr(fault, "reason", None) or fault
        raise _failed(host, name, f"can't be reached: {reason}") from fault


def _failed(host: str, name: str, why: str) -> ListError:
    return ListError(
        f"{name} can't be fetched; nothing was changed", places=[Place(host, why)], cure=BY_HAND
    )


def _changed_on(header: str | None) -> date | None:
    try:
        return parsedate_to_datetime(header).date() if header else None
    except ValueError:
        return None


def _newest_day(path: Path) -> date:
    """Return the day up to which the eCFR of title 15 is current."""
    try:
        titles = json.loads(path.read_text(encoding="utf-8"))["titles"]
        title = next(one for one in titles if one["number"] == TITLE)
        return date.fromisoformat(title["up_to_date_as_of"])
    except (ValueError, KeyError, TypeError, StopIteration, RecursionError) as fault:
        raise ListError(
            f"{path.name} does not say which day title {TITLE} is of",
            places=[Place(path.name, "has no up_to_date_as_of of the title")],
            cure="name the day: --edition YYYY-MM-DD",
        ) from fault
