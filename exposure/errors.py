"""Every fault a person can meet, as one tree of exceptions that carry their facts.

An error says what went wrong, where (file, sheet, row, column), why, and what to do next. The command line prints
:meth:`ExposureError.render`; code reads the attributes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

MAX_PLACES_SHOWN = 8
MAX_VALUE = 1_000  # characters of a value in JSON: a cell may hold a megabyte


@dataclass(frozen=True, slots=True)
class Place:
    """One spot in a file and what is wrong with it.

    Parameters
    ----------
    file
        File name as the user would recognise it (never a full path of a machine).
    why
        The reason in one sentence.
    sheet, row, column, value
        As far as known. Rows count from 1, the header is row 1.

    Examples
    --------
    >>> Place("holdings.csv", "is not a number", row=31, column="weight", value="12%%").render()
    'holdings.csv row 31, column weight: "12%%" is not a number'
    """

    file: str
    why: str
    sheet: str | None = None
    row: int | None = None
    column: str | None = None
    value: str | None = None

    def render(self) -> str:
        """Return the place as one line."""
        where = self.file
        if self.sheet:
            where += f" sheet {self.sheet}"
        if self.row is not None:
            where += f" row {self.row}"
        if self.column:
            where += f", column {self.column}"
        value = "" if self.value is None else f'"{_short(self.value)}" '
        return f"{where}: {value}{self.why}"

    def to_dict(self) -> dict[str, Any]:
        """Return the known facts, for JSON."""
        facts = {
            "file": self.file,
            "sheet": self.sheet,
            "row": self.row,
            "column": self.column,
            "value": None if self.value is None else self.value[:MAX_VALUE],
            "why": self.why,
        }
        return {key: value for key, value in facts.items() if value is not None}


class ExposureError(Exception):
    """Root of the tree. ``exit_code`` is what the command line returns.

    Parameters
    ----------
    what
        What went wrong, in one line.
    places
        Where, in order of the file.
    cure
        What to do next; a command where one helps.

    Examples
    --------
    >>> error = HoldingsError("1 row can't be used", cure="correct the file")
    >>> print(error.render())
    error: 1 row can't be used
    try: correct the file
    """

    exit_code: int = 1

    def __init__(self, what: str, *, places: Sequence[Place] = (), cure: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.places = tuple(places)
        self.cure = cure

    def __str__(self) -> str:
        """Return the message with its places and cure, as a notebook shows it."""
        return self.render().removeprefix("error: ")

    def render(self) -> str:
        """Return the block that the command line prints."""
        lines = [f"error: {self.what}"]
        lines += [f"  {place.render()}" for place in self.places[:MAX_PLACES_SHOWN]]
        hidden = len(self.places) - MAX_PLACES_SHOWN
        if hidden > 0:
            lines.append(f"  and {hidden} more")
        if self.cure:
            lines.append(f"try: {self.cure}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the same facts for JSON."""
        return {
            "error": self.what,
            "kind": type(self).__name__,
            "exit_code": self.exit_code,
            "places": [place.to_dict() for place in self.places],
            "try": self.cure,
        }


class UsageError(ExposureError):
    """A name or argument that doesn't exist, with the nearest that does."""

    exit_code = 2


class ContentError(ExposureError):
    """The content folders break one of their rules."""

    exit_code = 3


class HoldingsError(ExposureError):
    """A holdings or benchmark file can't be used."""

    exit_code = 3


class ListError(ExposureError):
    """A sanction-list file or link can't be used."""

    exit_code = 3


class ScenarioError(ExposureError):
    """A scenario can't be computed as stated."""

    exit_code = 3


class MandateError(ExposureError):
    """A mandate can't be read or contradicts itself in form."""

    exit_code = 3


class Infeasible(ExposureError):
    """The limits of a mandate can't hold together; ``conflict`` names them."""

    exit_code = 5

    def __init__(self, what: str, *, conflict: Any = None, cure: str = "") -> None:
        super().__init__(what, cure=cure)
        self.conflict = conflict


class SolverFailed(ExposureError):
    """No solver returned an answer that passes the checks."""

    exit_code = 6


class StaleData(ExposureError):
    """Data are older than the caller allows."""

    exit_code = 7


def unknown_name(name: str, known: Iterable[str], what: str) -> UsageError:
    """Return the error for an id that doesn't exist, with the nearest that does.

    Examples
    --------
    >>> print(unknown_name("hbm_bann", ["hbm_ban", "no_event"], "scenario").render())
    error: no scenario is called 'hbm_bann'. Did you mean 'hbm_ban'?
    try: exposure scenarios   (lists them)
    """
    near = get_close_matches(name, sorted(known), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    cure = _LISTED.get(what, f"exposure {what}s   (lists them)")
    return UsageError(f"no {what} is called {name!r}.{hint}", cure=cure)


_LISTED = {
    "act": "exposure scenarios --acts   (lists them)",
    "node": "factors/nodes.csv and portfolios/reference/issuers.csv hold the ids",
    "listing": "portfolios/reference/listings.csv holds the ids",
    "mechanism": "factors/mechanisms.toml holds the ids",
    "severity": "low, base or high",
}


def check_names(asked: Iterable[str], known: Iterable[str], what: str) -> None:
    """Refuse an id that isn't known.

    Raises
    ------
    UsageError
        With the nearest known id.
    """
    names = set(known)
    for name in asked:
        if name not in names:
            raise unknown_name(name, names, what)


def _short(text: str, limit: int = 60) -> str:
    clean = "".join(char if char.isprintable() else "·" for char in text)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
