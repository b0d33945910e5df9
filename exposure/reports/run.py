"""One run, as a report sees it: frames in the schemas of :mod:`exposure.schemas` and a few small cards.

The pipeline fills it; nothing here reads a file or computes a score. Every frame that a run lacks (no plan, no
benchmark, no earlier run) is ``None``, never an empty stand-in, so that a sheet can say what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import dataframely as dy
import polars as pl

from exposure.factors.screening import ScreenResult
from exposure.schemas import COVERED_STATUSES

MAIN = "main"
SIGNS = ("harm", "two_sided", "gain", "mitigant")


class EvidenceLedger(dy.Schema):
    """One line a fact that a score or a link rests on, flattened for reading."""

    evidence_id = dy.String(primary_key=True)  # evidence, link or list-link id
    kind = dy.String()  # evidence | derived | link | list | event
    subject = dy.String()
    subject_zh = dy.String(nullable=True)
    subject_en = dy.String(nullable=True)
    measure = dy.String()
    lo = dy.Float64(nullable=True)
    mid = dy.Float64(nullable=True)
    hi = dy.Float64(nullable=True)
    unit = dy.String()
    period = dy.String(nullable=True)
    known_on = dy.Date(nullable=True)
    publisher = dy.String(nullable=True)
    title = dy.String(nullable=True)
    locator = dy.String(nullable=True)
    grade = dy.String(nullable=True)
    status = dy.String()
    url = dy.String(nullable=True)
    note = dy.String(nullable=True)


@dataclass(frozen=True, slots=True)
class Interval:
    """lo ≤ mid ≤ hi of a number that a person chose.

    Examples
    --------
    >>> Interval(0.1, 0.2, 0.4).mid
    0.2
    """

    lo: float
    mid: float
    hi: float


@dataclass(frozen=True, slots=True)
class FactorCard:
    """What a factor asks, and in what unit.

    Parameters
    ----------
    lowest, highest
        The range that the unit allows; a missing score spans it.
    basis_names
        basis → (zh, en); a basis without an entry shows its id.
    basis_units
        basis → unit, where a basis has one of its own.
    """

    id: str
    name_zh: str
    name_en: str
    question_zh: str
    question_en: str
    unit: str
    sign: str
    method: str
    reference: str
    lowest: float = 0.0
    highest: float = 1.0
    basis_names: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    basis_units: Mapping[str, str] = field(default_factory=dict[str, str])

    def unit_of(self, basis: str) -> str:
        """Return the unit of a basis."""
        return self.basis_units.get(basis, self.unit)


@dataclass(frozen=True, slots=True)
class ScenarioCard:
    """What a scenario supposes, for how long, and how likely somebody thinks it.

    Parameters
    ----------
    duration_years
        In years.
    probability
        Within 12 months; None where nobody states one: it then stays out of the expected loss, and the sheet says so.
    """

    id: str
    code: str
    name_zh: str
    name_en: str
    narrative_zh: str
    narrative_en: str
    duration_years: Interval
    probability: Interval | None
    anchor: str
    basis: str = "analyst"


@dataclass(frozen=True, slots=True)
class LimitCard:
    """One limit of the mandate, as stated.

    Parameters
    ----------
    name
        As in :class:`~exposure.schemas.PlanLimits`: a factor id, ``scenario:<id>``, ``turnover``, ...
    sense
        ``<=``, ``>=`` or ``==``.
    subject, base, score, severity
        The factor or scenario it is about, its basis, the end of the scores and the severity. Without them they are
        read from the name, which fails for a limit with a name of its own.
    """

    name: str
    kind: str
    sense: str
    bound: float
    unit: str
    subject: str | None = None
    base: str = MAIN
    score: str = ""
    severity: str = ""


@dataclass(frozen=True, slots=True)
class MandateView:
    """The mandate's name and its limits."""

    name: str
    limits: tuple[LimitCard, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanView:
    r"""The optimiser's answer.

    Parameters
    ----------
    status
        ``optimal``, ``infeasible`` or ``failed``. Weights and trades count only when optimal.
    weights, trades, limits, conflict
        :class:`~exposure.schemas.PlanWeights`, :class:`~exposure.schemas.Trades`,
        :class:`~exposure.schemas.PlanLimits`, :class:`~exposure.schemas.PlanConflict` or None.
    tracking_error_now, tracking_error_plan
        Per year, fraction.
    turnover
        Σ\|Δw\| of the plan after lots, as everywhere in the engine; sheets print half of it and say so.
    cost_bp
        Trading cost in basis points of net asset value.
    cash_plan
        Cash weight after the trades, fraction.
    """

    status: str
    weights: pl.DataFrame
    trades: pl.DataFrame
    limits: pl.DataFrame
    conflict: pl.DataFrame | None = None
    tracking_error_now: float | None = None
    tracking_error_plan: float | None = None
    turnover: float | None = None
    cost_bp: float | None = None
    cash_plan: float | None = None
    solver_name: str = ""
    solver_version: str = ""
    solver_status: str = ""
    solver_gap: float | None = None

    @property
    def solved(self) -> bool:
        """Whether there is a plan to follow."""
        return self.status == "optimal"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the last run said, for the columns "last run" and the week's change.

    Parameters
    ----------
    expected_loss_bp
        As that run printed it [bp].
    exposures, results
        :class:`~exposure.schemas.FactorExposures` and :class:`~exposure.schemas.ScenarioResults` of that run.
    """

    run_id: str
    as_of: date
    expected_loss_bp: float | None
    exposures: pl.DataFrame
    results: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Run:
    """Everything a report shows.

    Parameters
    ----------
    holdings, issues
        :class:`~exposure.schemas.Holdings` and :class:`~exposure.schemas.DataIssues` of the book.
    issuer_scores, position_scores, exposures, contributions
        :class:`~exposure.schemas.FactorScores`, :class:`~exposure.schemas.PositionScores`,
        :class:`~exposure.schemas.FactorExposures`, :class:`~exposure.schemas.Contributions`.
    scenario_returns, scenario_results
        :class:`~exposure.schemas.ScenarioReturns`, :class:`~exposure.schemas.ScenarioResults`, at every severity
        the engine ran.
    list_status
        :class:`~exposure.schemas.ListStatus` of the issuers held.
    screening
        What the lists say with what it means, editions, listed suppliers, cliffs and news; where it is missing the
        sheet shows ``list_status`` alone.
    evidence
        :class:`EvidenceLedger` of every id that a score names, and the links behind it.
    issuer_names, listing_names
        id → (zh, en).
    manifest
        Plain values: ``tool``, ``python``, ``content_fingerprint``, ``content_origin``, ``inputs`` (a list of
        ``{"name", "sha256"}``), ``packages`` (name → version). No user, host or full path.
    synthetic
        Marks the workbook as a demonstration.
    """

    run_id: str
    name: str
    as_of: date
    base_currency: str
    nav: float | None
    cash_weight: float
    holdings: pl.DataFrame
    issues: pl.DataFrame
    issuer_scores: pl.DataFrame
    position_scores: pl.DataFrame
    exposures: pl.DataFrame
    contributions: pl.DataFrame
    scenario_returns: pl.DataFrame
    scenario_results: pl.DataFrame
    factors: tuple[FactorCard, ...]
    scenarios: tuple[ScenarioCard, ...]
    list_status: pl.DataFrame
    evidence: pl.DataFrame
    issuer_names: Mapping[str, tuple[str, str]]
    listing_names: Mapping[str, tuple[str, str]]
    manifest: Mapping[str, Any]
    benchmark: pl.DataFrame | None = None
    benchmark_name: str | None = None
    mandate: MandateView | None = None
    plan: PlanView | None = None
    comparison: Comparison | None = None
    method_changes: tuple[str, ...] = ()
    synthetic: bool = False
    screening: ScreenResult | None = None

    @property
    def rejected(self) -> int:
        """Count the input rows that were rejected (a row with two faults counts once)."""
        errors = self.issues.filter(pl.col("severity") == "error")
        return errors.unique(["file", "sheet", "row"]).height

    @property
    def resolved(self) -> int:
        """Count the holdings whose issuer the catalog knows."""
        return self.holdings.filter(pl.col("issuer_id").is_not_null()).height

    @property
    def coverage(self) -> float:
        """Return the mean coverage over the factors' main bases, a fraction of weight."""
        main = self.exposures.filter(pl.col("basis") == MAIN)["coverage"]
        return float(main.sum()) / main.len() if main.len() else 0.0


def is_covered(status: str) -> bool:
    """Return whether a score of this status counts as known (a prior or a gap doesn't).

    Examples
    --------
    >>> is_covered("observed"), is_covered("imputed")
    (True, False)
    """
    return status in COVERED_STATUSES
