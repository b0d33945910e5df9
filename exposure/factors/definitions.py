"""Factor definitions: a question about an issuer, with its unit and sign, read from TOML.

One file a factor in ``factors/definitions/``. The file names the kind (a function in :mod:`exposure.factors.kinds`),
the evidence measures or capability nodes it reads, and how fast its evidence grows old.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from exposure.content import ContentRoot, TomlFile

KINDS = ("revenue_share", "cost_share", "list_status", "hazard", "benefit", "mitigant")
SIGNS = ("harm", "gain", "two_sided", "mitigant")
MAIN = "main"

_KEYS = {
    "id", "name_zh", "name_en", "question", "question_zh", "kind", "unit", "range", "sign", "higher_means", "method",
    "reference", "measures", "basis_names", "capabilities", "lists", "stale_after_days", "staleness_sd",
    "manual_check", "expected_rows", "order", "context", "basis_units", "demand_pools", "customer_countries",
    "customer_lists",
}  # fmt: skip
_NEEDED = (
    "id", "name_zh", "name_en", "question", "kind", "unit", "range", "sign", "higher_means", "method", "reference",
    "stale_after_days", "order", "expected_rows", "manual_check",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ManualCheck:
    """When a person last compared the factor with its sources, and how often that is due."""

    last_checked: date
    interval_days: int
    message: str

    def overdue(self, as_of: date) -> bool:
        """Return whether the check is due on ``as_of``."""
        return (as_of - self.last_checked).days > self.interval_days


@dataclass(frozen=True, slots=True)
class FactorDefinition:
    """A question with a unit and a sign.

    Parameters
    ----------
    measures
        basis → evidence measure; ``main`` is the first basis.
    capabilities
        Node ids where the first-hit walk stops (``cost_share``).
    lists
        List ids that are asked (``list_status`` and ``hazard``).
    demand_pools, customer_countries, customer_lists
        Where the walk down the customers stops (``revenue_share``): node ids, countries of customers, list ids.
    context
        Measures that ``explain`` shows beside the score because they help to read it.
    staleness_sd
        σ_a [unit per √year]: how fast an old figure may have moved.
    """

    id: str
    name_zh: str
    name_en: str
    question: str
    question_zh: str
    kind: str
    unit: str
    lowest: float
    highest: float
    sign: str
    higher_means: str
    method: str
    reference: str
    order: int
    stale_after_days: int
    staleness_sd: float = 0.0
    measures: Mapping[str, str] = field(default_factory=dict[str, str])
    basis_names: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    basis_units: Mapping[str, str] = field(default_factory=dict[str, str])
    capabilities: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    demand_pools: tuple[str, ...] = ()
    customer_countries: tuple[str, ...] = ()
    customer_lists: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    manual_check: ManualCheck | None = (
        None  # content always states one; None only in definitions built in code
    )
    expected_rows: tuple[int, int] | None = None
    file: str = ""

    def unit_of(self, basis: str) -> str:
        """Return the unit of a basis."""
        return self.basis_units.get(basis, self.unit)

    @property
    def walks_sales(self) -> bool:
        """Return whether the factor follows revenue down to customers."""
        return self.kind == "revenue_share" and bool(
            self.demand_pools or self.customer_countries or self.customer_lists
        )

    @property
    def bases(self) -> tuple[str, ...]:
        """Return the bases in order, ``main`` first."""
        return tuple(self.measures) or (MAIN,)


def load_factors(root: ContentRoot) -> dict[str, FactorDefinition]:
    """Read all factor definitions, in their stated order.

    Raises
    ------
    ContentError
        An unknown key, kind or sign, a missing key, or an id that differs from its file name.
    """
    found = [_from_toml(file) for file in root.toml_files("factors/definitions")]
    return {
        factor.id: factor for factor in sorted(found, key=lambda factor: (factor.order, factor.id))
    }


def _from_toml(file: TomlFile) -> FactorDefinition:
    data = file.data
    file.check_keys(data, _KEYS)
    for key in _NEEDED:
        file.need(data, key)
    _check_choice(file, data, "kind", KINDS)
    _check_choice(file, data, "sign", SIGNS)
    stem = file.name.rsplit("/", 1)[-1].removesuffix(".toml")
    if data["id"] != stem:
        raise file.error(
            f"{file.name} has the id {data['id']!r}", "id", why=f"must be {stem!r}, the file's name"
        )
    lowest, highest = (float(end) for end in data["range"])
    names = {basis: (pair[0], pair[1]) for basis, pair in data.get("basis_names", {}).items()}
    rows = data.get("expected_rows")
    return FactorDefinition(
        id=data["id"],
        name_zh=data["name_zh"],
        name_en=data["name_en"],
        question=data["question"],
        question_zh=data.get("question_zh", ""),
        kind=data["kind"],
        unit=data["unit"],
        lowest=lowest,
        highest=highest,
        sign=data["sign"],
        higher_means=data["higher_means"],
        method=data["method"],
        reference=data["reference"],
        order=int(data["order"]),
        stale_after_days=int(data["stale_after_days"]),
        staleness_sd=float(data.get("staleness_sd", 0.0)),
        measures=dict(data.get("measures", {})),
        basis_names=names,
        basis_units=dict(data.get("basis_units", {})),
        capabilities=tuple(data.get("capabilities", ())),
        lists=tuple(data.get("lists", ())),
        demand_pools=tuple(data.get("demand_pools", ())),
        customer_countries=tuple(data.get("customer_countries", ())),
        customer_lists=tuple(data.get("customer_lists", ())),
        context=tuple(data.get("context", ())),
        manual_check=_manual_check(file, data),
        expected_rows=(int(rows["min"]), int(rows["max"])) if rows else None,
        file=file.name,
    )


def _check_choice(file: TomlFile, data: dict[str, Any], key: str, choices: tuple[str, ...]) -> None:
    if data[key] not in choices:
        raise file.error(
            f"{file.name} has an unknown {key} {data[key]!r}",
            key,
            why=f"must be one of {', '.join(choices)}",
        )


def _manual_check(file: TomlFile, data: dict[str, Any]) -> ManualCheck | None:
    table = data.get("manual_check")
    if table is None:
        return None
    file.check_keys(table, {"last_checked", "interval_days", "message"}, "manual_check")
    return ManualCheck(
        last_checked=file.need(table, "last_checked", "manual_check"),
        interval_days=int(file.need(table, "interval_days", "manual_check")),
        message=file.need(table, "message", "manual_check"),
    )
