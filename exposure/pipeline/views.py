"""Definitions and results as the cards a report shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exposure.factors.definitions import MAIN, FactorDefinition
from exposure.portfolios.mandates import Mandate
from exposure.reports.run import (
    FactorCard,
    Interval,
    LimitCard,
    MandateView,
    PlanView,
    ScenarioCard,
)
from exposure.scenarios.definitions import Range, ScenarioDefinition

if TYPE_CHECKING:
    from exposure.optimiser.planning import Plan


def factor_card(factor: FactorDefinition) -> FactorCard:
    """Return what a report prints of a factor."""
    return FactorCard(
        id=factor.id,
        name_zh=factor.name_zh,
        name_en=factor.name_en,
        question_zh=factor.question_zh,
        question_en=factor.question,
        unit=factor.unit,
        sign=factor.sign,
        method=factor.method,
        reference=factor.reference,
        lowest=factor.lowest,
        highest=factor.highest,
        basis_names=factor.basis_names or {MAIN: (factor.name_zh, factor.name_en)},
        basis_units=factor.basis_units,
    )


def scenario_card(item: ScenarioDefinition) -> ScenarioCard:
    """Return what a report prints of a scenario."""
    return ScenarioCard(
        id=item.id,
        code=item.code,
        name_zh=item.name_zh,
        name_en=item.name_en,
        narrative_zh=item.narrative_zh,
        narrative_en=item.narrative,
        duration_years=_interval(item.duration_years),
        probability=None if item.probability is None else _interval(item.probability),
        anchor=item.anchor,
        basis="analyst" if item.probability is None else item.probability.basis,
    )


def _interval(value: Range) -> Interval:
    return Interval(value.lo, value.mid, value.hi)


def mandate_view(mandate: Mandate, plan: Plan | None) -> MandateView:
    """Return the mandate's limits as they stood in this run, each with what it is about."""
    if plan is None:
        return MandateView(mandate.name)
    about: dict[str, dict[str, str]] = {
        limit.name: {"subject": limit.factor, "base": limit.base, "score": limit.score}
        for limit in mandate.factors
    }
    about |= {
        limit.name: {"subject": limit.factor, "base": limit.base} for limit in mandate.coverage
    }
    about |= {
        limit.name: {"subject": limit.scenario, "severity": limit.severity}
        for limit in mandate.scenarios
    }
    if mandate.worst_scenario is not None:
        about[mandate.worst_scenario.name] = {"severity": mandate.worst_scenario.severity}
    cards = tuple(
        LimitCard(
            row["name"],
            row["kind"],
            row["sense"],
            row["bound"],
            row["unit"],
            **about.get(row["name"], {}),
        )
        for row in plan.limits.iter_rows(named=True)
    )
    return MandateView(mandate.name, cards)


def plan_view(plan: Plan) -> PlanView:
    """Return what a report prints of a plan."""
    return PlanView(
        status=plan.status.value,
        weights=plan.weights,
        trades=plan.trades,
        limits=plan.limits,
        conflict=plan.conflict,
        tracking_error_now=plan.tracking_error_now,
        tracking_error_plan=plan.tracking_error_plan,
        turnover=plan.turnover,
        cost_bp=plan.cost_bp,
        cash_plan=plan.cash_after,
        solver_name=plan.solver.solver,
        solver_version=plan.solver.version,
        solver_status=plan.solver.status,
        solver_gap=plan.solver.gap,
    )
