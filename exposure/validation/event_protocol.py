"""The rules of the event study, as written down before looking: events, days, windows, statistics, baselines.

``factors/validation/protocol.toml`` is read into frozen values; nothing that decides a result is set in code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl

from exposure.content import TomlFile
from exposure.errors import ContentError
from exposure.factors.catalog import Catalog
from exposure.schemas import SEVERITIES
from exposure.validation.event_models import Estimation, Window

FILE = "factors/validation/protocol.toml"
GROUPS = ("report", "later")

_KEYS = {
    "written_on", "known", "known_zh", "market", "beta_index", "risk_themes", "severity", "windows", "first_day",
    "day_zero", "estimation", "names", "placebo", "metric", "baselines", "selection", "industries", "event",
    "left_out",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RegisteredEvent:
    """One day of news: the acts that markets read together.

    Parameters
    ----------
    id
        Name in the protocol.
    acts
        ``event_id`` in events.csv.
    group
        ``report`` or ``later``.
    known_on
        The first day on which one of the acts could be known; predictions use the day before.
    """

    id: str
    acts: tuple[str, ...]
    group: str
    known_on: date
    title: str
    note: str = ""

    @property
    def as_of(self) -> date:
        """The last day whose facts a prediction may use."""
        return self.known_on - timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Protocol:
    """A protocol as it was written.

    Attributes
    ----------
    windows
        The first is the primary one.
    industries
        Role of an issuer → industry of the baseline.
    act_days
        ``known_on`` of every act that placebo windows keep away from.
    texts
        Sentences of the file: known, known_zh, the baselines, the selection rule.
    """

    written_on: date
    market: str
    beta_index: str
    risk_themes: tuple[str, ...]
    severity: str
    windows: tuple[Window, ...]
    first_day: date
    estimation: Estimation
    minimum_names: int
    minimum_ranked: int
    draws: int
    placebo_first: date
    seed: int
    guard_days: int
    industries: Mapping[str, str]
    events: tuple[RegisteredEvent, ...]
    left_out: tuple[tuple[str, str], ...]
    act_days: tuple[date, ...]
    texts: Mapping[str, str]


def load_protocol(catalog: Catalog, file: TomlFile | None = None) -> Protocol:
    """Read the protocol of a catalog.

    Parameters
    ----------
    catalog
        Its content root holds ``factors/validation/protocol.toml``, its events say when acts were known.
    file
        Another protocol, by :func:`exposure.content.files.read_toml_file`.

    Raises
    ------
    ContentError
        A missing file or key, an unknown key or act, an act named twice, a number out of range.

    Examples
    --------
    >>> from exposure.scenarios.reading import load_catalog
    >>> protocol = load_protocol(load_catalog())
    >>> protocol.windows[0], protocol.draws, len(protocol.events) >= 8
    ((0, 2), 500, True)
    """
    source = catalog.root.read_toml(FILE) if file is None else file
    data = source.data
    source.check_keys(data, _KEYS)
    estimation = _table(source, "estimation", {"first", "last", "minimum_days"})
    names = _table(source, "names", {"minimum", "minimum_ranked"})
    placebo = _table(source, "placebo", {"draws", "first", "seed", "guard_days"})
    selection = _table(source, "selection", {"rule", "from", "to", "nodes"})
    baselines = _table(source, "baselines", {"equal", "beta", "industry"})
    if source.need(data, "severity") not in SEVERITIES:
        raise source.error(f"severity must be one of {', '.join(SEVERITIES)}", "severity")
    if source.need(data, "day_zero") != "next_trading_day":
        raise source.error("day_zero knows only next_trading_day", "day_zero")
    events, left_out = _events(source, catalog), _left_out(source, catalog)
    return Protocol(
        written_on=source.need(data, "written_on"),
        market=str(source.need(data, "market")),
        beta_index=str(source.need(data, "beta_index")),
        risk_themes=tuple(data.get("risk_themes", ())),
        severity=data["severity"],
        windows=_windows(source),
        first_day=source.need(data, "first_day"),
        estimation=Estimation(estimation["first"], estimation["last"], estimation["minimum_days"]),
        minimum_names=_positive(source, names, "minimum"),
        minimum_ranked=_positive(source, names, "minimum_ranked"),
        draws=_positive(source, placebo, "draws"),
        placebo_first=placebo["first"],
        seed=int(placebo["seed"]),
        guard_days=_positive(source, placebo, "guard_days"),
        industries={
            role: industry
            for industry, roles in source.need(data, "industries").items()
            for role in roles
        },
        events=events,
        left_out=left_out,
        act_days=_act_days(catalog, events, set(selection["nodes"])),
        texts={
            "known": str(source.need(data, "known")).strip(),
            "known_zh": str(source.need(data, "known_zh")).strip(),
            "selection": str(selection["rule"]).strip(),
            **{f"baseline_{key}": str(text) for key, text in baselines.items()},
        },
    )


def _table(source: TomlFile, name: str, keys: set[str]) -> dict[str, Any]:
    table = source.need(source.data, name)
    if not isinstance(table, dict):
        raise source.error(f"{source.name}: {name} must be a table", name)
    source.check_keys(table, keys, name)
    for key in sorted(keys):
        source.need(table, key, name)
    return table


def _positive(source: TomlFile, table: Mapping[str, Any], key: str) -> int:
    value = table[key]
    if not isinstance(value, int) or value < 1:
        raise source.error(f"{source.name}: {key} must be a whole number above 0", key)
    return value


def _windows(source: TomlFile) -> tuple[Window, ...]:
    found = tuple((int(first), int(last)) for first, last in source.need(source.data, "windows"))
    if not found or any(not 0 <= first <= last for first, last in found):
        raise source.error(
            f"{source.name}: a window must be [first, last] from day 0 on", "windows"
        )
    return found


def _events(source: TomlFile, catalog: Catalog) -> tuple[RegisteredEvent, ...]:
    rows = {row["event_id"]: row for row in catalog.events.iter_rows(named=True)}
    found: list[RegisteredEvent] = []
    seen: set[str] = set()
    for item in source.need(source.data, "event"):
        source.check_keys(item, {"id", "acts", "group", "note"}, "event")
        name, acts = str(source.need(item, "id", "event")), source.need(item, "acts", "event")
        for act in acts:
            if act not in rows:
                raise _unknown(source, act)
            if act in seen:
                raise source.error(f"{source.name}: {act} is registered twice", act)
            seen.add(act)
        group = source.need(item, "group", "event")
        if group not in GROUPS:
            raise source.error(f"{source.name}: a group is {' or '.join(GROUPS)}", "group")
        if not acts or len({rows[act]["known_on"] for act in acts}) != 1:
            raise source.error(f"{source.name}: the acts of {name} aren't of one day", "acts")
        found.append(
            RegisteredEvent(
                name,
                tuple(acts),
                group,
                rows[acts[0]]["known_on"],
                "; ".join(rows[act]["title_en"] for act in acts),
                str(item.get("note", "")),
            )
        )
    if len({event.id for event in found}) != len(found):
        raise source.error(f"{source.name}: an event id stands twice", "event")
    return tuple(sorted(found, key=lambda event: (event.known_on, event.id)))


def _left_out(source: TomlFile, catalog: Catalog) -> tuple[tuple[str, str], ...]:
    known = set(catalog.events["event_id"])
    found: list[tuple[str, str]] = []
    for item in source.data.get("left_out", []):
        source.check_keys(item, {"act", "reason"}, "left_out")
        act = str(source.need(item, "act", "left_out"))
        if act not in known:
            raise _unknown(source, act)
        found.append((act, str(source.need(item, "reason", "left_out"))))
    return tuple(sorted(found))


def _act_days(
    catalog: Catalog, events: tuple[RegisteredEvent, ...], nodes: set[str]
) -> tuple[date, ...]:
    touching = catalog.events.filter(
        pl.col("nodes")
        .cast(pl.String)
        .str.split(";")
        .list.set_intersection(sorted(nodes))
        .list.len()
        > 0
    )
    return tuple(sorted({*touching["known_on"], *(event.known_on for event in events)}))


def _unknown(source: TomlFile, act: str) -> ContentError:
    return source.error(
        f"{source.name} names {act}, which is no event",
        act,
        cure="use an event_id of factors/events.csv",
    )
