"""Scenario definitions: named diffs over the baseline, read from TOML.

A scenario says which nodes lose how much, which revenues change, who may win what is lost, for how long, and how
likely a reader may think it. Sizes have a low, base and high severity, each with a reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exposure.content import ContentRoot, TomlFile
from exposure.errors import ContentError, Place
from exposure.factors.catalog import Catalog, load_facts
from exposure.schemas import SEVERITIES

if TYPE_CHECKING:
    from exposure.portfolios.securities.loading import MasterSource


@dataclass(frozen=True, slots=True)
class Range:
    """lo ≤ mid ≤ hi of a chosen number, with where it comes from."""

    lo: float
    mid: float
    hi: float
    reference: str
    basis: str = "analyst"


@dataclass(frozen=True, slots=True)
class Severity:
    """A size at three severities."""

    low: float
    base: float
    high: float

    def at(self, severity: str) -> float:
        """Return the size at ``low``, ``base`` or ``high``."""
        return float(getattr(self, severity))

    def scaled(self, factor: float) -> Severity:
        """Return the sizes times ``factor``, for what-ifs."""
        return Severity(self.low * factor, self.base * factor, self.high * factor)


@dataclass(frozen=True, slots=True)
class NodeShock:
    """A node loses a fraction of its supply (or an issuer of its output)."""

    node: str
    severity: Severity
    cause: str
    reference: str


@dataclass(frozen=True, slots=True)
class RevenueShock:
    """The revenue that a factor measures changes by a signed fraction."""

    factor: str
    change: Severity
    reference: str


@dataclass(frozen=True, slots=True)
class PriceEffect:
    """A signed price return per unit of a factor's score, such as forced selling; reported apart from earnings."""

    factor: str
    effect: Severity
    reference: str


@dataclass(frozen=True, slots=True)
class Substitution:
    """Supply lost at ``node`` moves to domestic suppliers with headroom.

    ``subject`` and ``measure`` name the evidence of the domestic share of the market; ``benefit_factor`` is the share
    of an issuer's revenue that grows with it.
    """

    market: str
    node: str
    subject: str
    measure: str
    benefit_factor: str
    reallocation: Severity
    headroom: Severity
    reference: str


@dataclass(frozen=True, slots=True)
class ScenarioDefinition:
    """One scenario; ``probability`` is None where nobody states one."""

    id: str
    code: str
    order: int
    name_zh: str
    name_en: str
    narrative: str
    narrative_zh: str
    anchor: str
    horizon_weeks: int
    duration_years: Range
    probability: Range | None
    node_shocks: tuple[NodeShock, ...] = ()
    revenue_shocks: tuple[RevenueShock, ...] = ()
    price_effects: tuple[PriceEffect, ...] = ()
    substitutions: tuple[Substitution, ...] = ()
    file: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether the scenario changes nothing."""
        return not (
            self.node_shocks or self.revenue_shocks or self.price_effects or self.substitutions
        )


def scenario_references(catalog: Catalog) -> dict[str, tuple[str, ...]]:
    """Return scenario id → the nodes, subjects and factors it names, for checks of the content."""
    return {
        item.id: tuple(
            dict.fromkeys(
                [
                    *(shock.node for shock in item.node_shocks),
                    *(shock.factor for shock in item.revenue_shocks),
                    *(effect.factor for effect in item.price_effects),
                    *(name for sub in item.substitutions for name in (sub.node, sub.subject)),
                ]
            )
        )
        for item in scenario_definitions(catalog).values()
    }


@dataclass(frozen=True, slots=True)
class Assumptions:
    """Numbers of the bridge from revenue to price and of the network's time, shared by all scenarios."""

    growth: Range
    discount: Range
    kappa: Range
    priced: Range
    ev_over_equity: Range
    operating_leverage: Range
    wiped_out_below_margin: float
    lag_weeks: int
    ces_rho: Range
    extrapolation_limit: float


_KEYS = {
    "id", "code", "order", "name_zh", "name_en", "narrative", "narrative_zh", "anchor", "horizon_weeks",
    "duration_years", "probability", "node_shock", "revenue_shock", "price_effect", "substitution",
}  # fmt: skip


def load_catalog(
    content: str | Path | ContentRoot | None = None, *, master: MasterSource | None = None
) -> Catalog:
    """Read and check all content: facts, factors, scenarios.

    Parameters
    ----------
    content
        A folder with ``factors/`` and ``portfolios/``; by default the content that came with the package, or the one
        named by ``EXPOSURE_CONTENT`` or ``exposure.toml``.
    master
        A security master of the user's own, beneath the shipped one: a file, a frame, or several.

    Raises
    ------
    ContentError
        With file and line of every fault.

    Examples
    --------
    >>> catalog = load_catalog()
    >>> "foundry_16nm_cut" in scenario_definitions(catalog)
    True
    """
    catalog = load_facts(content, master=master)
    scenario_definitions(catalog)
    load_assumptions(catalog.root)
    return catalog


def scenario_definitions(catalog: Catalog) -> dict[str, ScenarioDefinition]:
    """Return the scenarios of a catalog in their stated order.

    Raises
    ------
    ContentError
        Unknown key, node, factor or measure; a size without a reference; an id that differs from its file name.
    """
    found = [_from_toml(file) for file in catalog.scenario_files]
    _check_references(catalog, found)
    return {item.id: item for item in sorted(found, key=lambda item: (item.order, item.id))}


def load_assumptions(root: ContentRoot) -> Assumptions:
    """Read ``factors/assumptions.toml``."""
    file = root.read_toml("factors/assumptions.toml")
    ranges = (
        "growth",
        "discount",
        "kappa",
        "priced",
        "ev_over_equity",
        "operating_leverage",
        "ces_rho",
    )
    numbers = ("wiped_out_below_margin", "lag_weeks", "extrapolation_limit")
    file.check_keys(file.data, {*ranges, *numbers})
    read = {name: _range(file, file.need(file.data, name), name) for name in ranges}
    return Assumptions(
        **read,
        wiped_out_below_margin=float(file.need(file.data, "wiped_out_below_margin")),
        lag_weeks=int(file.need(file.data, "lag_weeks")),
        extrapolation_limit=float(file.need(file.data, "extrapolation_limit")),
    )


def _from_toml(file: TomlFile) -> ScenarioDefinition:
    data = file.data
    file.check_keys(data, _KEYS)
    stem = file.name.rsplit("/", 1)[-1].removesuffix(".toml")
    if file.need(data, "id") != stem:
        raise file.error(
            f"{file.name} has the id {data['id']!r}", "id", why=f"must be {stem!r}, the file's name"
        )
    probability = data.get("probability")
    return ScenarioDefinition(
        id=data["id"],
        code=str(file.need(data, "code")),
        order=int(file.need(data, "order")),
        name_zh=file.need(data, "name_zh"),
        name_en=file.need(data, "name_en"),
        narrative=file.need(data, "narrative"),
        narrative_zh=file.need(data, "narrative_zh"),
        anchor=file.need(data, "anchor"),
        horizon_weeks=int(file.need(data, "horizon_weeks")),
        duration_years=_range(file, file.need(data, "duration_years"), "duration_years"),
        probability=None if probability is None else _range(file, probability, "probability"),
        node_shocks=tuple(_node_shock(file, row) for row in data.get("node_shock", [])),
        revenue_shocks=tuple(_revenue_shock(file, row) for row in data.get("revenue_shock", [])),
        price_effects=tuple(_price_effect(file, row) for row in data.get("price_effect", [])),
        substitutions=tuple(_substitution(file, row) for row in data.get("substitution", [])),
        file=file.name,
    )


def _range(file: TomlFile, table: Any, where: str) -> Range:
    if not isinstance(table, dict):
        raise file.error(
            f"{file.name}: {where} must be a table with lo, mid, hi and reference", where
        )
    file.check_keys(table, {"lo", "mid", "hi", "basis", "reference"}, where)
    lo, mid, hi = (float(file.need(table, key, where)) for key in ("lo", "mid", "hi"))
    if not lo <= mid <= hi:
        raise file.error(f"{file.name}: {where} isn't ordered lo ≤ mid ≤ hi", where)
    return Range(lo, mid, hi, _reference(file, table, where), str(table.get("basis", "analyst")))


def _reference(file: TomlFile, table: Mapping[str, Any], where: str) -> str:
    text = str(table.get("reference", "")).strip()
    if not text:
        raise file.error(
            f"{file.name}: a number in {where} has no reference",
            where,
            why="needs a reference: where the number comes from",
            cure=f'add reference = "..." to {where} in {file.name}',
        )
    return text


def _severity(file: TomlFile, table: Any, where: str) -> Severity:
    if not isinstance(table, dict):
        raise file.error(
            f"{file.name}: {where} must be a table with {', '.join(SEVERITIES)}", where
        )
    file.check_keys(table, set(SEVERITIES), where)
    return Severity(*(float(file.need(table, key, where)) for key in SEVERITIES))


def _node_shock(file: TomlFile, row: dict[str, Any]) -> NodeShock:
    where = "node_shock"
    file.check_keys(row, {"node", "severity", "cause", "reference"}, where)
    severity = _severity(file, file.need(row, "severity", where), "severity")
    if not 0 <= severity.low <= severity.base <= severity.high <= 1:
        raise file.error(
            f"{file.name}: severities must rise from low to high inside 0..1", "severity"
        )
    return NodeShock(
        file.need(row, "node", where),
        severity,
        str(row.get("cause", "")),
        _reference(file, row, where),
    )


def _revenue_shock(file: TomlFile, row: dict[str, Any]) -> RevenueShock:
    where = "revenue_shock"
    file.check_keys(row, {"factor", "change", "reference"}, where)
    change = _severity(file, file.need(row, "change", where), "change")
    return RevenueShock(file.need(row, "factor", where), change, _reference(file, row, where))


def _price_effect(file: TomlFile, row: dict[str, Any]) -> PriceEffect:
    where = "price_effect"
    file.check_keys(row, {"factor", "effect", "reference"}, where)
    effect = _severity(file, file.need(row, "effect", where), "effect")
    return PriceEffect(file.need(row, "factor", where), effect, _reference(file, row, where))


def _substitution(file: TomlFile, row: dict[str, Any]) -> Substitution:
    where = "substitution"
    names = ("market", "node", "subject", "measure", "benefit_factor")
    file.check_keys(row, {*names, "reallocation", "headroom", "reference"}, where)
    return Substitution(
        **{name: file.need(row, name, where) for name in names},
        reallocation=_severity(file, file.need(row, "reallocation", where), "reallocation"),
        headroom=_severity(file, file.need(row, "headroom", where), "headroom"),
        reference=_reference(file, row, where),
    )


def _check_references(catalog: Catalog, scenarios: list[ScenarioDefinition]) -> None:
    nodes = set(catalog.nodes["node_id"]) | set(catalog.master.issuers["issuer_id"])
    facts = set(catalog.evidence.select("subject", "measure").iter_rows())
    places: list[Place] = []
    for item in scenarios:
        places += [
            Place(item.file, "is no known node or issuer", column="node", value=name)
            for name in [s.node for s in item.node_shocks] + [s.node for s in item.substitutions]
            if name not in nodes
        ]
        factors = [s.factor for s in item.revenue_shocks] + [s.factor for s in item.price_effects]
        factors += [s.benefit_factor for s in item.substitutions]
        places += [
            Place(item.file, "is no known factor", column="factor", value=name)
            for name in factors
            if name not in catalog.factors
        ]
        places += [
            Place(item.file, "has no evidence", column="measure", value=f"{s.subject} {s.measure}")
            for s in item.substitutions
            if (s.subject, s.measure) not in facts
        ]
    if places:
        raise ContentError(
            f"the scenarios have {len(places)} broken references",
            places=places,
            cure="correct the id in the file",
        )
