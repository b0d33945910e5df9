"""One week: read, score, stress, plan, and the record of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from exposure.attribution import Scores, score
from exposure.content import ContentRoot
from exposure.factors.catalog import Catalog
from exposure.factors.ledger import evidence_ledger
from exposure.factors.scoring import list_status_at
from exposure.factors.screening import screen
from exposure.history import input_fingerprint, run_id
from exposure.pipeline.inputs import Inputs, prepare
from exposure.pipeline.manifest import build_manifest
from exposure.pipeline.views import factor_card, mandate_view, plan_view, scenario_card
from exposure.portfolios.mandates import Mandate
from exposure.reports.run import EvidenceLedger, Run
from exposure.scenarios.reading import scenario_definitions
from exposure.scenarios.stressing import Shock, stress
from exposure.schemas import concat_issues, validated

if TYPE_CHECKING:
    from exposure.optimiser.planning import Plan
    from exposure.portfolios.securities.loading import MasterSource


def run_weekly(
    holdings: str | Path | Any,
    *,
    mandate: str | Path | Mandate | None = None,
    benchmark: str | Path | Any | None = None,
    as_of: date | None = None,
    content: str | Path | ContentRoot | None = None,
    catalog: Catalog | None = None,
    scenarios: Sequence[str] | None = None,
    layout: str | Path | None = None,
    master: MasterSource | None = None,
    allow_rejects: bool = False,
    max_age: int | None = None,
    name: str | None = None,
    lang: str = "both",
) -> Run:
    """Run the week: read, score, stress, plan.

    Parameters
    ----------
    holdings
        A file or any data frame.
    mandate, benchmark
        Where none is named, ``mandate.toml`` and ``benchmark.csv`` beside the holdings file are used. Without a
        mandate there is no plan.
    as_of
        The day of the run: nothing known later is used.
    scenarios
        Scenario ids; by default all.
    layout, master
        See :func:`~exposure.portfolios.holdings.load_holdings`.
    lang
        Language of the reports (``both``, ``zh``, ``en``): part of the run's identity.

    Returns
    -------
    Run
        Everything a report shows; nothing is written.

    Raises
    ------
    ExposureError
        See :func:`prepare`; an infeasible mandate is a result (``run.plan.status``), not an error.
    """
    inputs = prepare(
        holdings,
        as_of=as_of,
        mandate=mandate,
        benchmark=benchmark,
        content=content,
        catalog=catalog,
        layout=layout,
        master=master,
        allow_rejects=allow_rejects,
        max_age=max_age,
        name=name,
    )
    book, facts = inputs.book, inputs.catalog
    scores = score(book, facts)
    shock = stress(book, facts, scenarios, risk=inputs.risk)
    plan = _plan(inputs, scores, shock)
    return assemble(inputs, scores, shock, plan, lang=lang)


def _plan(inputs: Inputs, scores: Scores, shock: Shock) -> Plan | None:
    if inputs.mandate is None:
        return None
    from exposure.optimiser.planning import rebalance  # noqa: PLC0415 - cvxpy takes a second to import

    return rebalance(
        inputs.book,
        inputs.catalog,
        mandate=inputs.mandate,
        scores=scores,
        shock=shock,
        risk=inputs.risk,
    )


def assemble(
    inputs: Inputs, scores: Scores, shock: Shock, plan: Plan | None, *, lang: str = "both"
) -> Run:
    """Put the results of a week into the record that reports show."""
    book, facts = inputs.book, inputs.catalog
    status = list_status_at(facts, book.as_of)
    held = book.holdings["issuer_id"].drop_nulls().unique().to_list()
    names = facts.names()
    listing_names = {
        listing: names[issuer]
        for listing, issuer in facts.master.listings.select("listing_id", "issuer_id").iter_rows()
    }
    manifest = build_manifest(inputs) | {
        "lang": lang,
        "scenarios": shock.portfolio["scenario_id"].unique().sort().to_list(),
    }
    identity = run_id(book.as_of, book.name, input_fingerprint(manifest))
    return Run(
        run_id=identity,
        name=book.name,
        as_of=book.as_of,
        base_currency=book.base_currency,
        nav=book.nav,
        cash_weight=book.cash_weight,
        holdings=book.holdings,
        issues=concat_issues(
            [book.issues, scores.issues, shock.issues, *([] if plan is None else [plan.issues])]
        ),
        issuer_scores=scores.issuers.filter(pl.col("issuer_id").is_in(held)),
        position_scores=scores.positions,
        exposures=scores.factors,
        contributions=scores.contributions,
        scenario_returns=shock.positions,
        scenario_results=shock.portfolio,
        factors=tuple(factor_card(factor) for factor in facts.factors.values()),
        scenarios=tuple(scenario_card(item) for item in scenario_definitions(facts).values()),
        list_status=status.filter(pl.col("issuer_id").is_in(held)),
        evidence=validated(evidence_ledger(facts, scores.issuers, book.as_of), EvidenceLedger),
        issuer_names={key: names[key] for key in sorted(names)},
        listing_names=listing_names,
        manifest=manifest,
        benchmark=book.benchmark,
        benchmark_name=book.benchmark_source,
        mandate=None if inputs.mandate is None else mandate_view(inputs.mandate, plan),
        plan=None if plan is None else plan_view(plan),
        synthetic=book.name == "ai-servers",
        screening=screen(book, facts),
    )
