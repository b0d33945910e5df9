"""Supply-chain exposure scoring, sanction stress tests and rebalancing for equity portfolios.

    import exposure as ex
    catalog = ex.load_catalog()
    book = ex.load_holdings("portfolios/ai-servers/holdings.csv", as_of=date(2025, 1, 24))
    scores = ex.score(book, catalog)

Names load on first use: importing the package stays cheap, and cvxpy comes only with :func:`rebalance`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exposure.attribution import Scores, attach_scores, score
    from exposure.errors import (
        ContentError,
        ExposureError,
        HoldingsError,
        Infeasible,
        ListError,
        MandateError,
        ScenarioError,
        SolverFailed,
        StaleData,
        UsageError,
    )
    from exposure.factors.catalog import Catalog
    from exposure.factors.explain import Explanation, explain
    from exposure.factors.research import research
    from exposure.factors.screening import ScreenResult, screen
    from exposure.factors.uncertainty import exposure_bands
    from exposure.optimiser.planning import Plan, rebalance
    from exposure.pipeline import run_weekly
    from exposure.portfolios.holdings import Book, load_benchmark, load_holdings
    from exposure.portfolios.mandates import Mandate, load_mandate
    from exposure.portfolios.mapping import FileMap, map_holdings
    from exposure.reports.run import Run
    from exposure.reports.workbook import write_workbook
    from exposure.risk import RiskModel, estimate_risk, load_risk
    from exposure.scenarios.definitions import ScenarioDefinition as Scenario
    from exposure.scenarios.headline import Headline, headline
    from exposure.scenarios.reading import load_catalog
    from exposure.scenarios.reverse import ReverseResult, reverse_stress
    from exposure.scenarios.simulation import Outlook, simulate
    from exposure.scenarios.stressing import Shock, stress
    from exposure.schemas import schema

_HOMES = {
    "Book": "exposure.portfolios.holdings",
    "Catalog": "exposure.factors.catalog",
    "ContentError": "exposure.errors",
    "Explanation": "exposure.factors.explain",
    "ExposureError": "exposure.errors",
    "FileMap": "exposure.portfolios.mapping",
    "Headline": "exposure.scenarios.headline",
    "HoldingsError": "exposure.errors",
    "Infeasible": "exposure.errors",
    "ListError": "exposure.errors",
    "Mandate": "exposure.portfolios.mandates",
    "MandateError": "exposure.errors",
    "Outlook": "exposure.scenarios.simulation",
    "Plan": "exposure.optimiser.planning",
    "RiskModel": "exposure.risk",
    "ReverseResult": "exposure.scenarios.reverse",
    "Run": "exposure.reports.run",
    "Scenario": "exposure.scenarios.definitions:ScenarioDefinition",
    "ScenarioError": "exposure.errors",
    "Scores": "exposure.attribution",
    "ScreenResult": "exposure.factors.screening",
    "Shock": "exposure.scenarios.stressing",
    "SolverFailed": "exposure.errors",
    "StaleData": "exposure.errors",
    "UsageError": "exposure.errors",
    "attach_scores": "exposure.attribution",
    "estimate_risk": "exposure.risk",
    "explain": "exposure.factors.explain",
    "exposure_bands": "exposure.factors.uncertainty",
    "headline": "exposure.scenarios.headline",
    "load_benchmark": "exposure.portfolios.holdings",
    "load_catalog": "exposure.scenarios.reading",
    "load_holdings": "exposure.portfolios.holdings",
    "map_holdings": "exposure.portfolios.mapping",
    "load_mandate": "exposure.portfolios.mandates",
    "load_risk": "exposure.risk",
    "rebalance": "exposure.optimiser.planning",
    "research": "exposure.factors.research",
    "reverse_stress": "exposure.scenarios.reverse",
    "run_weekly": "exposure.pipeline",
    "schema": "exposure.schemas",
    "score": "exposure.attribution",
    "screen": "exposure.factors.screening",
    "simulate": "exposure.scenarios.simulation",
    "stress": "exposure.scenarios.stressing",
    "write_workbook": "exposure.reports.workbook",
}

__all__ = [
    "Book",
    "Catalog",
    "ContentError",
    "Explanation",
    "ExposureError",
    "FileMap",
    "Headline",
    "HoldingsError",
    "Infeasible",
    "ListError",
    "Mandate",
    "MandateError",
    "Outlook",
    "Plan",
    "ReverseResult",
    "RiskModel",
    "Run",
    "Scenario",
    "ScenarioError",
    "Scores",
    "ScreenResult",
    "Shock",
    "SolverFailed",
    "StaleData",
    "UsageError",
    "attach_scores",
    "estimate_risk",
    "explain",
    "exposure_bands",
    "headline",
    "load_benchmark",
    "load_catalog",
    "load_holdings",
    "load_mandate",
    "load_risk",
    "map_holdings",
    "rebalance",
    "research",
    "reverse_stress",
    "run_weekly",
    "schema",
    "score",
    "screen",
    "simulate",
    "stress",
    "write_workbook",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its home on first use (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        message = f"module 'exposure' has no attribute {name!r}"
        raise AttributeError(message)
    module, _, attribute = home.partition(":")
    value = getattr(import_module(module), attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
