"""What a portfolio may do, from TOML or from sentences such as ``"foundry_node_dependence <= 30%"``.

A mandate only states; it knows no factor, scenario or listing of the catalogue. Whether a name exists and what a
bound that is relative to the benchmark or to today amounts to is settled when a plan is made. Every limit has a
name of its own: the name under which a plan reports it, and under which a conflict names it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from exposure.content import TomlFile, read_toml_file
from exposure.errors import ContentError, MandateError, Place

MAIN = "main"
OBJECTIVES = ("min_tracking_error", "min_worst_scenario", "min_cvar", "max_expected_return")
UNIVERSES = ("holdings", "benchmark", "holdings+benchmark")
BASES = ("absolute", "benchmark", "current")
SCORES = ("mid", "hi")
SEVERITIES = ("low", "base", "high")
LISTS = ("EL", "SDN", "NS-CMIC", "1260H", "MEU", "UVL", "FCC", "UEL", "SHTC")
US_PERSON_LISTS = ("SDN", "NS-CMIC")  # the two that bind a US person by themselves
MAX_RESIDUE = (
    0.02  # cash that whole lots may leave above the target, where the mandate says nothing
)


@dataclass(frozen=True, slots=True)
class Objective:
    """What the plan is best at.

    Parameters
    ----------
    kind
        ``min_tracking_error`` (variance against the benchmark), ``min_worst_scenario`` (largest scenario loss),
        ``min_cvar`` (mean of the worst draws), ``max_expected_return`` (probability-weighted scenario return).
    cost_aversion
        Weight of trading cost [fraction of net asset value] beside the objective; 1 counts a cost of 1% like a
        loss of 1%, or like 0.01 of variance.
    tail
        Share of draws that ``min_cvar`` averages.
    """

    kind: str = "min_tracking_error"
    cost_aversion: float = 1.0
    tail: float = 0.05


@dataclass(frozen=True, slots=True)
class PositionRule:
    """Bounds of a single listing and the smallest worthwhile trade [fractions of net asset value]."""

    max: float | None = None
    min: float = 0.0
    min_trade: float = 0.0


@dataclass(frozen=True, slots=True)
class CashRule:
    """Cash [fraction of net asset value]. With a target the solver meets it; lots then leave a little more."""

    target: float | None = 0.0
    min: float = 0.0
    max: float | None = None

    @property
    def most(self) -> float:
        """Largest cash weight that is still within the mandate after rounding to lots."""
        if self.max is not None:
            return self.max
        return 1.0 if self.target is None else self.target + MAX_RESIDUE


@dataclass(frozen=True, slots=True)
class FactorLimit:
    """A cap or floor on the portfolio's exposure to a factor.

    Parameters
    ----------
    basis
        ``absolute``: the bound is ``value``. ``benchmark``: the benchmark's exposure plus ``value``.
        ``current``: today's exposure times ``value``.
    score
        ``mid``, or ``hi`` to hold the limit at the upper end of every score. A listing whose score has no mid
        counts at its upper end under a cap and at its lower end under a floor: unknown is never zero.
    base
        Base of the factor: ``main``, or a second one such as ``gross_profit``.

    Examples
    --------
    >>> FactorLimit("ascend_share", "ascend_share", "<=", 0.5, "current").bound(None, current=0.25)
    0.125
    """

    name: str
    factor: str
    sense: str
    value: float
    basis: str = "absolute"
    score: str = "mid"
    base: str = MAIN

    def bound(self, benchmark: float | None, current: float) -> float:
        """Return the bound in the factor's unit.

        Raises
        ------
        MandateError
            If it is relative to a benchmark and there is none.
        """
        if self.basis == "absolute":
            return self.value
        if self.basis == "current":
            return self.value * current
        if benchmark is None:
            raise MandateError(
                f"the limit {self.name} is relative to a benchmark, but the book has none",
                cure="give a benchmark file, or state the limit as a number",
            )
        return benchmark + self.value


@dataclass(frozen=True, slots=True)
class ScenarioLimit:
    """The largest loss a scenario may cause [fraction of net asset value, ≥ 0]."""

    name: str
    scenario: str
    max_loss: float
    severity: str = "base"


@dataclass(frozen=True, slots=True)
class WorstScenario:
    """The largest loss that any scenario of the run may cause [fraction, ≥ 0]."""

    max_loss: float
    severity: str = "base"
    name: str = "worst_scenario"


@dataclass(frozen=True, slots=True)
class CoverageFloor:
    """The smallest share of invested weight whose score of a factor is known."""

    name: str
    factor: str
    floor: float
    base: str = MAIN


@dataclass(frozen=True, slots=True)
class Mandate:
    """What a portfolio may do.

    Parameters
    ----------
    universe
        ``holdings``, ``benchmark``, ``holdings+benchmark``, or listing ids.
    issuer_max
        Largest weight of one issuer over all its listings (A plus H).
    turnover_max
        Largest Σ|Δw|, both sides counted.
    exclude, exclude_lists
        Listings, and lists such as ``SDN`` whose listed issuers are excluded. A US person also excludes
        ``SDN`` and ``NS-CMIC``.
    do_not_trade
        Listings that stay as they are (suspended, limit-up, limit-down, or by order).

    Examples
    --------
    >>> rules = Mandate.of("foundry_node_dependence <= 30%", "turnover <= 20%", "scenario:hbm_ban >= -12%")
    >>> rules.turnover_max, [limit.name for limit in rules.factors], rules.scenarios[0].max_loss
    (0.2, ['foundry_node_dependence'], 0.12)
    """

    name: str = "mandate"
    name_zh: str = ""
    base_currency: str | None = None
    us_person: bool = False
    objective: Objective = field(default_factory=Objective)
    universe: str | tuple[str, ...] = "holdings+benchmark"
    position: PositionRule = field(default_factory=PositionRule)
    issuer_max: float | None = None
    cash: CashRule = field(default_factory=CashRule)
    turnover_max: float | None = None
    factors: tuple[FactorLimit, ...] = ()
    scenarios: tuple[ScenarioLimit, ...] = ()
    worst_scenario: WorstScenario | None = None
    coverage: tuple[CoverageFloor, ...] = ()
    exclude: tuple[str, ...] = ()
    exclude_lists: tuple[str, ...] = ()
    do_not_trade: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse a mandate that contradicts itself in form."""
        _check_names(self)
        _check_ranges(self)

    @classmethod
    def of(cls, *limits: str, **fields: Any) -> Mandate:
        """Build a mandate from sentences.

        Parameters
        ----------
        limits
            ``"foundry_node_dependence <= 30%"``, ``"hi(hbm_dependence) <= 20%"``,
            ``"ascend_share[gross_profit] <= 0.2"``, ``"us_listing_risk <= benchmark + 1%"``,
            ``"ascend_share <= 0.8 * current"``, ``"turnover <= 20%"``, ``"position <= 10%"``, ``"issuer <= 10%"``,
            ``"cash == 2%"``, ``"scenario:hbm_ban >= -12%"``, ``"scenario:hbm_ban:high >= -20%"``,
            ``"worst_scenario >= -15%"``, ``"coverage(hbm_dependence) >= 60%"``, ``"exclude 688256.SH"``,
            ``"exclude SDN"``, ``"do_not_trade 000977.SZ"``.
        fields
            Any field of the class, e.g. ``universe="holdings"``.

        Raises
        ------
        MandateError
            If a sentence can't be read, or two limits share a name.
        """
        return cls(**fields).with_limits(*limits)

    def with_limits(
        self,
        *limits: str,
        caps: Mapping[str, float | str] | None = None,
        max_turnover: float | str | None = None,
    ) -> Mandate:
        """Return a copy in which these limits stand in place of those of the same name.

        Parameters
        ----------
        limits
            Sentences as in :meth:`of`.
        caps
            Factor (or ``position``, ``issuer``) → cap, as ``--cap FACTOR=0.55`` gives it.
        max_turnover
            Σ|Δw|, as ``--max-turnover 10%`` gives it.

        Raises
        ------
        MandateError
            If a sentence can't be read.
        """
        changed = self
        for text in limits:
            changed = _apply(changed, text)
        for name, bound in (caps or {}).items():
            changed = _apply(changed, f"{name} <= {bound}")
        if max_turnover is not None:
            changed = _apply(changed, f"turnover <= {max_turnover}")
        return changed

    def limit_names(self) -> tuple[str, ...]:
        """Return the names of all limits this mandate states, in order."""
        return tuple(name for name, _ in _named(self))

    @property
    def lists_excluded(self) -> tuple[str, ...]:
        """Return the list ids whose listed issuers are excluded."""
        extra = US_PERSON_LISTS if self.us_person else ()
        return tuple(dict.fromkeys((*self.exclude_lists, *extra)))


def load_mandate(path: str | Path) -> Mandate:
    """Read a mandate file.

    Raises
    ------
    MandateError
        With file and line: not TOML, an unknown key (and the nearest known one), a number without its unit, two
        limits of one name.
    """
    where = Path(path)
    try:
        file = read_toml_file(where, where.name)
    except ContentError as fault:
        raise MandateError(fault.what, places=fault.places, cure=fault.cure) from fault
    return mandate_from_toml(file)


def mandate_from_toml(file: TomlFile) -> Mandate:
    """Turn a parsed file into a :class:`Mandate`; see :func:`load_mandate`."""
    top = _Section(file, "", 0, file.data)
    objective = top.table("objective")
    universe = top.table("universe")
    position = top.table("position")
    issuer = top.table("issuer")
    cash = top.table("cash")
    turnover = top.table("turnover")
    worst = top.table("worst_scenario")
    factors = [_factor_limits(section) for section in top.tables("factor")]
    scenarios = [_scenario_limit(section) for section in top.tables("scenario")]
    coverage = [_coverage_floor(section) for section in top.tables("coverage")]
    rules: dict[str, Any] = {
        "name": top.text("name", where_default(file.name)),
        "name_zh": top.text("name_zh", ""),
        "base_currency": top.text("base_currency", None),
        "us_person": top.flag("us_person"),
        "objective": Objective(
            objective.choice("kind", OBJECTIVES, "min_tracking_error"),
            objective.number("cost_aversion", 1.0),
            objective.fraction("tail", 0.05),
        ),
        "universe": universe.names_or_choice("names", UNIVERSES, "holdings+benchmark"),
        "exclude": universe.names("exclude"),
        "exclude_lists": universe.choices("exclude_lists", LISTS),
        "do_not_trade": universe.names("do_not_trade"),
        "position": PositionRule(
            position.fraction("max", None),
            position.fraction("min", 0.0),
            position.fraction("min_trade", 0.0),
        ),
        "issuer_max": issuer.fraction("max", None),
        "cash": CashRule(
            cash.fraction("target", 0.0 if not {"min", "max"} & set(cash.data) else None),
            cash.fraction("min", 0.0),
            cash.fraction("max", None),
        ),
        "turnover_max": turnover.fraction("max", None, largest=2.0),
        "factors": tuple(limit for group in factors for limit in group),
        "scenarios": tuple(scenarios),
        "worst_scenario": WorstScenario(
            worst.needed("max_loss"), worst.choice("severity", SEVERITIES, "base")
        )
        if worst.data
        else None,
        "coverage": tuple(coverage),
        "source": file.name,
    }
    for section in (top, objective, universe, position, issuer, cash, turnover, worst):
        section.refuse_unknown()
    try:
        return Mandate(**rules)
    except MandateError as fault:
        place = Place(file.name, fault.what, row=top.line_of_name(fault.what))
        raise MandateError(fault.what, places=[place], cure=fault.cure) from fault


def where_default(file_name: str) -> str:
    """Return the name of a mandate that states none: its file's name without suffix."""
    return Path(file_name).stem


def parse_amount(text: str) -> float:
    """Return a number with an optional unit: ``30%``, ``25bp``, ``0.3``, ``-12%``.

    Raises
    ------
    ValueError
        If the text isn't such a number.

    Examples
    --------
    >>> parse_amount("30%"), parse_amount("0.3"), parse_amount("-12 %"), parse_amount("25bp")
    (0.3, 0.3, -0.12, 0.0025)
    """
    match = re.fullmatch(
        r"([+−-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|[+−-]?\.\d+)\s*(%|\uff05|bp)?", text.strip()
    )
    if match is None:
        message = f"{text.strip()!r} is not a number; write 30% or 0.30"
        raise ValueError(message)
    digits, unit = match[1].replace("−", "-"), match[2]
    if unit == "bp":
        return float(digits + "e-4") if "e" not in digits.lower() else float(digits) / 1e4
    if unit:
        return float(digits + "e-2") if "e" not in digits.lower() else float(digits) / 100.0
    return float(digits)


# --- sentences -----------------------------------------------------------------------------------------------------

_COMPARE = re.compile(r"^(?P<left>.+?)\s*(?P<sense><=|>=|==|≤|≥|=|<|>)\s*(?P<right>.+)$")
_SUBJECT = re.compile(r"^(?:(?P<score>hi|mid)\((?P<inside>[^)]+)\)|(?P<plain>[^()]+))$")
_FACTOR = re.compile(r"^(?P<factor>[a-z][a-z0-9_]*)(?:\[(?P<base>[a-z0-9_]+)\])?$")
_RELATIVE = re.compile(
    r"^(?:(?P<before>[^*]+?)\s*\*\s*)?(?P<word>current|benchmark)(?:\s*(?P<sign>[+−*-])\s*(?P<after>.+))?$"
)
_SENSES = {"≤": "<=", "≥": ">=", "=": "==", "<": "<=", ">": ">="}


def _apply(mandate: Mandate, text: str) -> Mandate:
    words = text.split()
    if len(words) >= 2 and words[0] in ("exclude", "do_not_trade"):
        return _without_trading(mandate, words[0], words[1:])
    match = _COMPARE.match(text.strip())
    if match is None:
        raise _unreadable(
            text, "needs a subject, <= or >=, and a bound", "foundry_node_dependence <= 30%"
        )
    sense = _SENSES.get(match["sense"], match["sense"])
    left, right = match["left"].strip(), match["right"].strip()
    if left in ("turnover", "position", "issuer"):
        return _with_cap(mandate, text, left, sense, right)
    if left == "cash":
        return _with_cash(mandate, text, sense, right)
    if left == "worst_scenario":
        loss, severity = _loss(text, sense, right), "base"
        return replace(mandate, worst_scenario=WorstScenario(loss, severity))
    if left.startswith("scenario:"):
        return _with_scenario(mandate, text, left, sense, right)
    if left.startswith("coverage(") and left.endswith(")"):
        return _with_coverage(mandate, text, left[9:-1], sense, right)
    return _with_factor(mandate, text, left, sense, right)


def _without_trading(mandate: Mandate, verb: str, names: Sequence[str]) -> Mandate:
    found = [name.strip(",;") for name in names]
    if verb == "do_not_trade":
        kept = (*mandate.do_not_trade, *found)
        return replace(mandate, do_not_trade=tuple(dict.fromkeys(kept)))
    lists = (*mandate.exclude_lists, *(name for name in found if name in LISTS))
    listings = (*mandate.exclude, *(name for name in found if name not in LISTS))
    return replace(
        mandate,
        exclude=tuple(dict.fromkeys(listings)),
        exclude_lists=tuple(dict.fromkeys(lists)),
    )


def _with_cap(mandate: Mandate, text: str, subject: str, sense: str, right: str) -> Mandate:
    bound = _fraction(text, right, largest=2.0 if subject == "turnover" else 1.0)
    if subject == "position" and sense == ">=":
        return replace(mandate, position=replace(mandate.position, min=bound))
    if sense != "<=":
        raise _unreadable(text, f"{subject} takes a cap", f"{subject} <= {right}")
    if subject == "turnover":
        return replace(mandate, turnover_max=bound)
    if subject == "issuer":
        return replace(mandate, issuer_max=bound)
    return replace(mandate, position=replace(mandate.position, max=bound))


def _with_cash(mandate: Mandate, text: str, sense: str, right: str) -> Mandate:
    bound = _fraction(text, right)
    if sense == "==":
        return replace(mandate, cash=CashRule(bound, min(bound, mandate.cash.min), None))
    if sense == "<=":
        return replace(mandate, cash=CashRule(None, mandate.cash.min, bound))
    return replace(mandate, cash=CashRule(None, bound, mandate.cash.max))


def _with_scenario(mandate: Mandate, text: str, left: str, sense: str, right: str) -> Mandate:
    _, scenario, *rest = left.split(":")
    severity = rest[0] if rest else "base"
    if severity not in SEVERITIES or len(rest) > 1:
        raise _unreadable(
            text, "the severity is low, base or high", f"scenario:{scenario}:high {sense} -20%"
        )
    limit = ScenarioLimit(
        _scenario_name(scenario, severity), scenario, _loss(text, sense, right), severity
    )
    return replace(mandate, scenarios=_put(mandate.scenarios, limit))


def _with_coverage(mandate: Mandate, text: str, inside: str, sense: str, right: str) -> Mandate:
    match = _FACTOR.match(inside.strip())
    if match is None or sense != ">=":
        raise _unreadable(text, "a coverage limit is a floor", "coverage(hbm_dependence) >= 60%")
    base = match["base"] or MAIN
    floor = CoverageFloor(
        f"coverage:{_factor_name(match['factor'], base)}",
        match["factor"],
        _fraction(text, right),
        base,
    )
    return replace(mandate, coverage=_put(mandate.coverage, floor))


def _with_factor(mandate: Mandate, text: str, left: str, sense: str, right: str) -> Mandate:
    subject = _SUBJECT.match(left)
    inner = _FACTOR.match((subject["inside"] or subject["plain"]).strip()) if subject else None
    if subject is None or inner is None:
        raise _unreadable(
            text,
            f"{left!r} is not a factor id or a known subject",
            "foundry_node_dependence <= 30%",
        )
    if sense == "==":
        raise _unreadable(text, "an exposure takes a cap or a floor", f"{left} <= {right}")
    basis, value = _relative(text, right)
    base = inner["base"] or MAIN
    name = _factor_name(inner["factor"], base)
    other = next((limit for limit in mandate.factors if limit.name == name), None)
    if other is not None and other.sense != sense:
        name = f"{'floor' if sense == '>=' else 'cap'}:{name}"
    limit = FactorLimit(name, inner["factor"], sense, value, basis, subject["score"] or "mid", base)
    return replace(mandate, factors=_put(mandate.factors, limit))


def _relative(text: str, right: str) -> tuple[str, float]:
    match = _RELATIVE.match(right)
    if match is None:
        return "absolute", _amount(text, right)
    word, sign, before, after = match["word"], match["sign"], match["before"], match["after"]
    if word == "current" and before and not after:
        return word, _amount(text, before)
    if word == "current" and sign == "*" and after and not before:
        return word, _amount(text, after)
    if word == "current" and not before and not after:
        return word, 1.0
    if word == "benchmark" and not before and sign != "*":
        value = _amount(text, after) if after else 0.0
        return word, -value if sign in ("-", "−") else value
    raise _unreadable(
        text, "is relative in a way that isn't known", "ascend_share <= 0.8 * current"
    )


def _put(limits: tuple[Any, ...], limit: Any) -> tuple[Any, ...]:
    if any(old.name == limit.name for old in limits):
        return tuple(limit if old.name == limit.name else old for old in limits)
    return (*limits, limit)


def _loss(text: str, sense: str, right: str) -> float:
    result = _amount(text, right)
    if sense != ">=" or not -1.0 <= result <= 0.0:
        raise _unreadable(
            text, "a scenario limit is a floor between -100% and 0", "scenario:hbm_ban >= -12%"
        )
    return -result


def _amount(text: str, right: str) -> float:
    try:
        return parse_amount(right)
    except ValueError as fault:
        raise _unreadable(text, str(fault), "foundry_node_dependence <= 30%") from fault


def _fraction(text: str, right: str, largest: float = 1.0) -> float:
    value = _amount(text, right)
    if not 0.0 <= value <= largest:
        raise _unreadable(text, f"{right.strip()} is outside 0..{largest:.0%}", "position <= 10%")
    return value


def _unreadable(text: str, why: str, example: str) -> MandateError:
    return MandateError(
        f"the limit {text!r} can't be read: {why}", cure=f'write it like "{example}"'
    )


def _factor_name(factor: str, base: str) -> str:
    return factor if base == MAIN else f"{factor}[{base}]"


def _scenario_name(scenario: str, severity: str) -> str:
    return f"scenario:{scenario}" if severity == "base" else f"scenario:{scenario}:{severity}"


# --- TOML ----------------------------------------------------------------------------------------------------------


class _Section:
    """One table of the file; remembers which keys were asked for, so that the others can be refused."""

    def __init__(self, file: TomlFile, name: str, index: int, data: dict[str, Any]) -> None:
        self.file = file
        self.name = name
        self.index = index
        self.data = data
        self.asked: set[str] = set()

    def line(self, key: str | None) -> int | None:
        """Return the line that sets ``key`` in this table, or opens the table."""
        table, seen, opened = "", -1, None
        for number, text in enumerate(self.file.text.splitlines(), start=1):
            bare = text.strip()
            if bare.startswith("["):
                table = bare.split("]")[0].strip("[ ")
                seen += table == self.name
                if not self.name and table == key:
                    return number
                if table == self.name and seen == self.index:
                    opened = number
            here = table == self.name and (not self.name or seen == self.index)
            if here and key and bare.split("=", 1)[0].strip().strip('"') == key and "=" in bare:
                return number
        return opened

    def line_of_name(self, message: str) -> int | None:
        """Return the last line that holds a name quoted in a message."""
        quoted = re.findall(r"'([^']+)'", message)
        lines = self.file.text.splitlines()
        hits = [n for n, text in enumerate(lines, start=1) if any(f'"{q}"' in text for q in quoted)]
        return hits[-1] if hits else None

    def fault(self, key: str | None, why: str, cure: str = "") -> MandateError:
        """Return an error that names file, line and key."""
        inside = f" in [{self.name}]" if self.name else ""
        place = Place(self.file.name, why, row=self.line(key), column=key)
        what = (
            f"{self.file.name}: {key}{inside} {why}" if key else f"{self.file.name}{inside} {why}"
        )
        return MandateError(what, places=[place], cure=cure or f"correct {self.file.name}")

    def get(self, key: str) -> Any:
        """Return a value or None, and remember that the key is known."""
        self.asked.add(key)
        return self.data.get(key)

    def text(self, key: str, default: Any) -> Any:
        """Return a text."""
        value = self.get(key)
        if value is None:
            return default
        if not isinstance(value, str) or not value.strip():
            raise self.fault(key, "must be a text in quotes")
        return value

    def flag(self, key: str) -> bool:
        """Return true or false; false by default."""
        value = self.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.fault(key, "must be true or false")
        return bool(value)

    def number(self, key: str, default: Any) -> Any:
        """Return a number ≥ 0, or a text with its unit."""
        value = self.get(key)
        if value is None:
            return default
        amount = self._amount(key, value)
        if amount < 0:
            raise self.fault(key, f"is {amount:g}, below 0")
        return amount

    def signed(self, key: str) -> float | None:
        """Return a number of any sign, or None."""
        value = self.get(key)
        return None if value is None else self._amount(key, value)

    def fraction(self, key: str, default: Any, *, largest: float = 1.0) -> Any:
        """Return a fraction between 0 and ``largest``."""
        value = self.get(key)
        if value is None:
            return default
        amount = self._amount(key, value)
        if not 0.0 <= amount <= largest:
            raise self.fault(
                key,
                f"is {value}, outside 0..{largest:.0%}",
                cure=f'write {key} = "{value}%" if percent is meant',
            )
        return amount

    def needed(self, key: str) -> float:
        """Return a fraction that must be there."""
        value = self.fraction(key, None)
        if value is None:
            raise self.fault(None, f"needs {key}", cure=f"add {key} to [{self.name}]")
        return float(value)

    def choice(self, key: str, known: Sequence[str], default: str) -> str:
        """Return one of a few words."""
        value = self.text(key, default)
        if value not in known:
            near = get_close_matches(value, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it can be {', '.join(known)}"
            raise self.fault(key, f"is {value!r}{hint}")
        return str(value)

    def names(self, key: str) -> tuple[str, ...]:
        """Return a list of texts."""
        value = self.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.fault(key, 'must be a list of texts, e.g. ["000977.SZ"]')
        return tuple(str(item) for item in value)

    def choices(self, key: str, known: Sequence[str]) -> tuple[str, ...]:
        """Return a list of known words."""
        found = self.names(key)
        for item in found:
            if item not in known:
                raise self.fault(key, f"has {item!r}; known are {', '.join(known)}")
        return found

    def names_or_choice(
        self, key: str, known: Sequence[str], default: str
    ) -> str | tuple[str, ...]:
        """Return one of a few words, or a list of texts."""
        if isinstance(self.data.get(key), list):
            return self.names(key)
        return self.choice(key, known, default)

    def table(self, key: str) -> _Section:
        """Return a sub-table; an empty one where the file has none."""
        value = self.get(key)
        if value is not None and not isinstance(value, dict):
            raise self.fault(key, f"must be a table [{key}]")
        return _Section(self.file, key, 0, value or {})

    def tables(self, key: str) -> list[_Section]:
        """Return the entries of a list of tables."""
        value = self.get(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.fault(key, f"must be a list of tables [[{key}]]")
        return [_Section(self.file, key, number, item) for number, item in enumerate(value)]

    def refuse_unknown(self) -> None:
        """Refuse a key nobody asked for, naming the nearest one that is known."""
        for key in self.data:
            if key in self.asked:
                continue
            known = sorted(self.asked)
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
            raise self.fault(key, f"is not a key here; {hint}", cure=f"correct or remove {key!r}")

    def _amount(self, key: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise self.fault(key, 'must be a number such as "30%" or 0.30')
        try:
            amount = parse_amount(value) if isinstance(value, str) else float(value)
        except ValueError as fault:
            raise self.fault(key, str(fault)) from fault
        if not abs(amount) < float("inf"):
            raise self.fault(key, "must be a finite number")
        return amount


def _factor_limits(section: _Section) -> list[FactorLimit]:
    factor = section.text("factor", None)
    if factor is None:
        raise section.fault(None, "needs factor", cure='add factor = "foundry_node_dependence"')
    base = section.text("base", MAIN)
    score = section.choice("score", SCORES, "mid")
    given_name = section.text("name", None)
    section.get("note")
    found: list[FactorLimit] = []
    for sense, word in (("<=", "max"), (">=", "min")):
        for suffix, basis in (
            ("", "absolute"),
            ("_over_benchmark", "benchmark"),
            ("_of_current", "current"),
        ):
            value = section.signed(word + suffix)
            if value is None:
                continue
            name = given_name or _factor_name(factor, base)
            if found:
                name = f"{'floor' if sense == '>=' else 'cap'}:{name}"
            found.append(FactorLimit(name, factor, sense, value, basis, score, base))
    if not found:
        raise section.fault(
            None,
            f"states no bound for {factor}",
            cure='add max = "30%" (or min, max_over_benchmark, max_of_current)',
        )
    section.refuse_unknown()
    return found


def _scenario_limit(section: _Section) -> ScenarioLimit:
    scenario = section.text("id", None)
    if scenario is None:
        raise section.fault(None, "needs id", cure='add id = "hbm_ban"')
    severity = section.choice("severity", SEVERITIES, "base")
    name = section.text("name", _scenario_name(scenario, severity))
    loss = section.needed("max_loss")
    section.get("note")
    section.refuse_unknown()
    return ScenarioLimit(name, scenario, loss, severity)


def _coverage_floor(section: _Section) -> CoverageFloor:
    factor = section.text("factor", None)
    if factor is None:
        raise section.fault(None, "needs factor", cure='add factor = "hbm_dependence"')
    base = section.text("base", MAIN)
    name = section.text("name", f"coverage:{_factor_name(factor, base)}")
    floor = section.needed("min")
    section.get("note")
    section.refuse_unknown()
    return CoverageFloor(name, factor, floor, base)


# --- checks of form ------------------------------------------------------------------------------------------------


def _named(mandate: Mandate) -> list[tuple[str, object]]:
    named: list[tuple[str, object]] = [(limit.name, limit) for limit in mandate.factors]
    named += [(limit.name, limit) for limit in mandate.scenarios]
    if mandate.worst_scenario is not None:
        named.append((mandate.worst_scenario.name, mandate.worst_scenario))
    named += [(limit.name, limit) for limit in mandate.coverage]
    if mandate.position.max is not None:
        named.append(("position", mandate.position))
    if mandate.issuer_max is not None:
        named.append(("issuer", mandate.issuer_max))
    if mandate.turnover_max is not None:
        named.append(("turnover", mandate.turnover_max))
    named.append(("cash", mandate.cash))
    return named


def _check_names(mandate: Mandate) -> None:
    seen: set[str] = set()
    for name, _ in _named(mandate):
        if name in seen:
            raise MandateError(
                f"two limits of the mandate are called {name!r}",
                cure="remove one of them, or give one a name of its own",
            )
        seen.add(name)


def _check_ranges(mandate: Mandate) -> None:
    if mandate.objective.kind not in OBJECTIVES:
        raise MandateError(
            f"no objective is called {mandate.objective.kind!r}",
            cure=f"use {', '.join(OBJECTIVES)}",
        )
    if not 0.0 < mandate.objective.tail < 1.0:
        raise MandateError("the tail of an objective lies between 0 and 1", cure="tail = 0.05")
    if isinstance(mandate.universe, str) and mandate.universe not in UNIVERSES:
        raise MandateError(
            f"no universe is called {mandate.universe!r}",
            cure=f"use {', '.join(UNIVERSES)}, or listing ids",
        )
    top = mandate.position.max
    if top is not None and mandate.position.min > top:
        raise MandateError(
            f"position min {mandate.position.min:.2%} is above position max {top:.2%}",
            cure="lower the one or raise the other",
        )
    cash = mandate.cash
    if cash.min > cash.most or (
        cash.target is not None and not cash.min <= cash.target <= cash.most
    ):
        raise MandateError("cash min, target and max are out of order", cure="min <= target <= max")
