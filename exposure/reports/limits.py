"""The mandate's limits as a report shows them: what each one is about, and the state a value leaves it in."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exposure.reports.layout import Layout
from exposure.reports.run import MAIN, LimitCard, Run

# Limits that only say what can't be traded: met or broken, never near.
FIXED_KINDS = ("trading", "exclusion")
_PREFIX = re.compile(r"^(cap|floor|coverage):")
_ENDS = re.compile(r"^(hi|mid)\((.+)\)$")
_BASE = re.compile(r"^([a-z0-9_]+)(?:\[([a-z0-9_]+)\])?$")


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit of the mandate with where the portfolio stands, as far as the engine says.

    Parameters
    ----------
    factor
        (factor id, basis) for a limit on an exposure.
    score
        ``mid`` or ``hi``: which end of the scores it counts.
    scenario, severity
        For a limit on a scenario's result.
    now, plan
        The engine's values with the weights today and after the plan.
    """

    name: str
    kind: str
    sense: str
    bound: float
    unit: str
    factor: tuple[str, str] | None = None
    score: str = "mid"
    scenario: str | None = None
    severity: str = "base"
    now: float | None = None
    plan: float | None = None
    shadow_price: float | None = None
    binding: bool = False
    state: str = "unknown"

    @property
    def sign(self) -> str:
        """Return the sense as a printed sign."""
        return {"<=": "≤", ">=": "≥", "==": "="}[self.sense]

    def room(self, value: float) -> float:
        """Return how far a value may still move before it breaks the limit; negative: broken.

        Examples
        --------
        >>> Limit("cap", "factor", "<=", 0.55, "fraction").room(0.5) > 0
        True
        >>> Limit("loss", "scenario", ">=", -0.12, "fraction").room(-0.2) > 0
        False
        """
        if self.sense == "==":
            return -abs(value - self.bound)
        return value - self.bound if self.sense == ">=" else self.bound - value

    def state_at(self, value: float, layout: Layout) -> str:
        """Return the state at a value: breach, at_limit, watch or ok."""
        room = self.room(value)
        edge = layout.thresholds["at_limit_room"]
        if self.kind in FIXED_KINDS or self.sense == "==" or self.name == "long_only":
            return "breach" if room < -edge else "ok"
        return state_of(room, self.bound, layout)


def state_of(room: float, bound: float, layout: Layout) -> str:
    """Return the state that a room leaves: breach, at_limit, watch or ok."""
    edge = layout.thresholds["at_limit_room"]
    if room < -edge:
        return "breach"
    if room < edge:
        return "at_limit"
    return "watch" if room < layout.thresholds["watch_room"] * abs(bound) else "ok"


def read_limits(run: Run) -> tuple[Limit, ...]:
    """Return the limits of a run: the mandate's as stated, with the plan's values where there is a plan."""
    rows: dict[str, Mapping[str, Any]] = {}
    if run.plan is not None:
        rows = {row["name"]: row for row in run.plan.limits.iter_rows(named=True)}
    stated = list(run.mandate.limits) if run.mandate else []
    named = {card.name for card in stated}
    stated += [
        LimitCard(row["name"], row["kind"], row["sense"], row["bound"], row["unit"])
        for row in rows.values()
        if row["name"] not in named
    ]
    return tuple(_limit(card, rows.get(card.name, {})) for card in stated)


def conflict_limit(row: Mapping[str, Any]) -> Limit:
    """Return a row of :class:`~exposure.schemas.PlanConflict` as a limit, to name and print it."""
    card = LimitCard(row["name"], row["kind"], row["sense"], row["bound"], row["unit"])
    return _limit(card, {"binding": True, "state": "breach"})


def factor_of(name: str) -> tuple[tuple[str, str], str]:
    """Return ((factor, basis), end of the scores) that the name of a factor limit means.

    Examples
    --------
    >>> factor_of("cap:ascend_share[gross_profit]")
    (('ascend_share', 'gross_profit'), 'mid')
    >>> factor_of("hi(hbm_dependence)")
    (('hbm_dependence', 'main'), 'hi')
    """
    bare = _PREFIX.sub("", name)
    ends = _ENDS.match(bare)
    score, inner = (ends[1], ends[2]) if ends else ("mid", bare)
    match = _BASE.match(inner)
    return ((match[1], match[2] or MAIN) if match else (inner, MAIN)), score


def scenario_of(name: str) -> tuple[str | None, str]:
    """Return (scenario, severity) that the name of a scenario limit means.

    Examples
    --------
    >>> scenario_of("scenario:hbm_ban:high"), scenario_of("worst_scenario")
    (('hbm_ban', 'high'), (None, 'base'))
    """
    head, _, rest = name.partition(":")
    scenario, _, severity = rest.partition(":")
    return (scenario if head == "scenario" and scenario else None), severity or "base"


def _limit(card: LimitCard, row: Mapping[str, Any]) -> Limit:
    factor, score = factor_of(card.name)
    scenario, severity = scenario_of(card.name)
    return Limit(
        name=card.name,
        kind=card.kind,
        sense=card.sense,
        bound=card.bound,
        unit=card.unit,
        factor=((card.subject, card.base) if card.subject else factor)
        if card.kind in ("factor", "coverage")
        else None,
        score=card.score or score,
        scenario=(card.subject or scenario) if card.kind == "scenario" else None,
        severity=card.severity or severity,
        now=_finite(row.get("now")),
        plan=_finite(row.get("plan")),
        shadow_price=_finite(row.get("shadow_price")),
        binding=bool(row.get("binding", False)),
        state=str(row.get("state", "unknown")),
    )


def _finite(value: Any) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
