"""One field of a scenario file at a time: typed, in its range, refused with the file and what to do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from typing import Any

from exposure.content import TomlFile
from exposure.scenarios.definitions import Range, Severity
from exposure.schemas import SEVERITIES

RANGES = {
    "probability": (0.0, 1.0), "priced": (0.0, 1.0), "duration_years": (0.0, math.inf),
    "stockpile.weeks": (0.0, math.inf), "dependence": (0.0, 1.0),
}  # fmt: skip
SIZES = {
    "severity": (0.0, 1.0), "reallocation": (0.0, 1.0), "headroom": (0.0, math.inf), "output_loss": (0.0, 1.0),
    "price_effect": (-1.0, math.inf), "effect": (-1.0, math.inf), "change": (-1.0, math.inf),
}  # fmt: skip


def range_of(file: TomlFile, table: Any, where: str) -> Range:
    """Return lo ≤ mid ≤ hi with where they come from."""
    if not isinstance(table, dict):
        raise file.error(
            f"{file.name}: {where} must be a table with lo, mid, hi and reference", where
        )
    file.check_keys(table, {"lo", "mid", "hi", "basis", "reference"}, where)
    lo, mid, hi = (number(file, table, key, where) for key in ("lo", "mid", "hi"))
    if not lo <= mid <= hi:
        raise file.error(f"{file.name}: {where} isn't ordered lo ≤ mid ≤ hi", where)
    least, most = RANGES.get(where, (-math.inf, math.inf))
    if not least <= lo <= hi <= most:
        raise file.error(f"{file.name}: {where} lies outside {least:g}..{most:g}", where)
    return Range(lo, mid, hi, reference_of(file, table, where), str(table.get("basis", "analyst")))


def severity_of(file: TomlFile, table: Any, where: str) -> Severity:
    """Return a size at low, base and high, inside what its kind allows."""
    if not isinstance(table, dict):
        raise file.error(
            f"{file.name}: {where} must be a table with {', '.join(SEVERITIES)}", where
        )
    file.check_keys(table, set(SEVERITIES), where)
    found = Severity(*(number(file, table, key, where) for key in SEVERITIES))
    sizes = (found.low, found.base, found.high)
    if where != "severity" and list(sizes) not in (sorted(sizes), sorted(sizes, reverse=True)):
        raise file.error(f"{file.name}: {where} must run one way from low over base to high", where)
    least, most = SIZES.get(where, (-math.inf, math.inf))
    if not all(least <= size <= most for size in sizes):
        raise file.error(f"{file.name}: {where} lies outside {least:g}..{most:g}", where)
    return found


def reference_of(file: TomlFile, table: Mapping[str, Any], where: str) -> str:
    """Return where a number comes from; a number without one is refused."""
    text = str(table.get("reference", "")).strip()
    if not text:
        raise file.error(
            f"{file.name}: a number in {where} has no reference",
            where,
            why="needs a reference: where the number comes from",
            cure=f'add reference = "..." to {where} in {file.name}',
        )
    return text


def number(file: TomlFile, table: dict[str, Any], key: str, where: str) -> float:
    """Return a finite number."""
    value = file.need(table, key, where)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise file.error(f"{file.name}: {where} has {key} = {value!r}, which is no number", where)
    return float(value)


def whole(file: TomlFile, table: dict[str, Any], key: str, least: int) -> int:
    """Return a whole number from ``least``."""
    value = file.need(table, key)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise file.error(
            f"{file.name}: {key} must be a whole number from {least}, not {value!r}", key
        )
    return value


def not_below(file: TomlFile, row: Mapping[str, Any], key: str, least: float) -> float:
    """Return a number that may be left out, at least ``least``."""
    value = number(file, {key: row.get(key, least)}, key, key)
    if not value >= least:
        raise file.error(f"{file.name}: {key} must be at least {least:g}", key)
    return value


def names_of(file: TomlFile, row: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Return a list of texts, each once."""
    value = row.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise file.error(f'{file.name}: {key} must be a list of texts, as ["huawei", "hygon"]', key)
    if len(set(value)) != len(value):
        raise file.error(f"{file.name}: {key} names one twice", key)
    return tuple(value)


def day_of_file(file: TomlFile, value: object) -> date | None:
    """Return a day, or None."""
    if value is None or isinstance(value, date):
        return value
    raise file.error(
        f"{file.name}: known_on must be a day such as 2025-01-24, without quotes", "known_on"
    )
