"""What a kind of case is, and how its data are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Data = Mapping[str, Any]
Answers = dict[str, Any]
Vector = NDArray[np.float64]
CHECKS = "*checks"  # answers under this key are laws to hold, not numbers to match
MAX_NODES = 1_000_000
MAX_WEEKS = 100_000


@dataclass(frozen=True, slots=True)
class Check:
    """A law that the answers of a case must obey."""

    key: str
    holds: bool
    detail: str


class MissingPackage(Exception):  # noqa: N818  not an error of the case
    """A case needs an outside package that isn't installed."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of case.

    Parameters
    ----------
    name
        Short name for messages.
    needs
        Input keys; an entry with ``|`` lists alternatives.
    inputs
        Every key, at any depth, that is input or label and never compared.
    words
        Words in an id that break a tie.
    run
        Inputs → answers in the file's layout.
    tolerance
        Of every number, unless ``loose`` names another for keys that start so.
    fits
        A further condition on the data.
    """

    name: str
    needs: tuple[str, ...]
    inputs: frozenset[str]
    words: tuple[str, ...]
    run: Callable[[Data], Answers]
    tolerance: float = 1e-9
    loose: Mapping[str, float] = field(default_factory=dict[str, float])
    fits: Callable[[Data], bool] = bool

    def lacking(self, data: Data) -> list[str]:
        """Return the needs that the data don't meet."""
        return [need for need in self.needs if not any(key in data for key in need.split("|"))]

    def matches(self, data: Data) -> bool:
        """Tell whether the data have every input of this kind."""
        return not self.lacking(data) and self.fits(data)

    def present(self, data: Data) -> float:
        """Return the part of the needs that the data meet."""
        return 1.0 - len(self.lacking(data)) / len(self.needs)


def array(values: Any) -> Vector:
    """Return values as a float array."""
    return np.asarray(values, dtype=np.float64)


def plain(values: Vector) -> list[Any]:
    """Return an array as nested lists."""
    nested: list[Any] = np.asarray(values, dtype=np.float64).tolist()
    return nested


def bounded(value: Any, limit: int, what: str) -> int:
    """Return a whole number from 1 to limit, or say what must be one."""
    number = int(value)
    if number != value or not 0 < number <= limit:
        raise ValueError(f"{what} must be a whole number from 1 to {limit}")
    return number


def triples(
    rows: Sequence[Sequence[float]],
) -> tuple[NDArray[np.int64], NDArray[np.int64], Vector]:
    """Return rows of (row, column, value) as three columns."""
    table = array(rows).reshape(-1, 3)
    return table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2]


def blocks_with(data: Data, key: str) -> list[tuple[str, Data]]:
    """Return the named blocks of a case that have a key."""
    return [
        (name, block) for name, block in data.items() if isinstance(block, Mapping) and key in block
    ]


def list_with(data: Data, field_name: str, *keys: str) -> bool:
    """Tell whether a field is a list whose rows all have these keys."""
    rows = data.get(field_name)
    return (
        isinstance(rows, list)
        and bool(rows)
        and all(isinstance(row, Mapping) and all(key in row for key in keys) for row in rows)
    )


def keys(text: str) -> frozenset[str]:
    """Return the words of a text as a set of keys."""
    return frozenset(text.split())
