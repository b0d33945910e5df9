"""The whole flow on one screen: read, score, stress, plan, write.

Every stage is a function of the rooms below; this file only passes their results on.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from exposure.attribution import Scores, score
from exposure.content import ContentRoot, find_content, layer_report
from exposure.errors import HoldingsError, MandateError, Place, StaleData, UsageError
from exposure.factors.catalog import Catalog
from exposure.factors.definitions import MAIN, FactorDefinition
from exposure.factors.ledger import evidence_ledger
from exposure.factors.scoring import list_status_at
from exposure.history import RunFolder, input_fingerprint, run_id, slug
from exposure.portfolios.holdings import Book, load_holdings
from exposure.portfolios.mandates import Mandate, load_mandate
from exposure.reports.run import (
    EvidenceLedger,
    FactorCard,
    Interval,
    LimitCard,
    MandateView,
    PlanView,
    Run,
    ScenarioCard,
)
from exposure.risk import RiskModel, load_risk
from exposure.scenarios.definitions import (
    Range,
    ScenarioDefinition,
    load_catalog,
    scenario_definitions,
)
from exposure.scenarios.stressing import Shock, stress
from exposure.schemas import concat_issues, validated

if TYPE_CHECKING:
    from exposure.optimiser.planning import Plan

DISTRIBUTION = "supply-chain-exposure"
REPORTED_PACKAGES = ("polars", "numpy", "scipy", "cvxpy", "piqp", "clarabel", "highspy", "openpyxl")
OUTPUT = Path("reports") / "output"


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a command works on: the book, the facts, and the files found beside the holdings."""

    book: Book
    catalog: Catalog
    mandate: Mandate | None
    mandate_source: str | None
    risk: RiskModel | None


@dataclass(frozen=True, slots=True)
class Written:
    """Where a run went, and what to say about it."""

    run: Run
    folder: Path
    workbook: Path
    talk: tuple[str, ...]
    states: tuple[str, ...]
    exit_code: int


def prepare(
    holdings: str | Path | Any,
    *,
    as_of: date | None = None,
    mandate: str | Path | Mandate | None = None,
    benchmark: str | Path | Any | None = None,
    content: str | Path | ContentRoot | None = None,
    catalog: Catalog | None = None,
    allow_rejects: bool = False,
    max_age: int | None = None,
    name: str | None = None,
) -> Inputs:
    """Read everything a run needs.

    Parameters
    ----------
    holdings
        A file or any data frame.
    mandate, benchmark
        Where none is named, ``mandate.toml`` and ``benchmark.csv`` beside the holdings file are used.
    max_age
        Days: older risk data raise :class:`~exposure.errors.StaleData`.

    Raises
    ------
    HoldingsError, MandateError, ContentError
        With file, row and column.
    StaleData
        See ``max_age``.
    """
    root = content if isinstance(content, ContentRoot) else find_content(content)
    facts = load_catalog(root) if catalog is None else catalog
    book = load_holdings(
        holdings,
        as_of=as_of,
        benchmark=benchmark,
        name=name,
        allow_rejects=allow_rejects,
        master=facts.master,
        content=facts.root.path,
    )
    chosen, source = _mandate(holdings, mandate)
    risk = load_risk(facts.root, book.as_of)
    if max_age is not None:
        check_age(risk, book.as_of, max_age)
    return Inputs(book, facts, chosen, source, risk)


def _mandate(
    holdings: str | Path | Any, mandate: str | Path | Mandate | None
) -> tuple[Mandate | None, str | None]:
    if isinstance(mandate, Mandate):
        return mandate, None
    if mandate is not None:
        return load_mandate(Path(mandate)), Path(mandate).name
    if isinstance(holdings, str | Path):
        beside = Path(holdings).parent / "mandate.toml"
        if beside.is_file():
            return load_mandate(beside), f"{beside.name} (beside the holdings)"
    return None, None


def need_mandate(inputs: Inputs, holdings: object) -> Mandate:
    """Return the mandate, or say where one is expected.

    Raises
    ------
    MandateError
        If there is none.
    """
    if inputs.mandate is None:
        where = holdings.name if isinstance(holdings, Path) else "the holdings"
        raise MandateError(
            "a rebalance needs a mandate",
            places=[Place("mandate.toml", f"is not beside {where}")],
            cure="--mandate FILE, or put mandate.toml beside the holdings",
        )
    return inputs.mandate


def check_age(risk: RiskModel | None, as_of: date, max_age: int) -> None:
    """Refuse risk data older than ``max_age`` days.

    Raises
    ------
    StaleData
        With the day of the data and their age.
    """
    if risk is None:
        raise StaleData(
            f"no risk snapshot on or before {as_of.isoformat()}",
            cure="exposure risk estimate PRICES --indices INDICES --as-of DATE --out DIR",
        )
    age = (as_of - risk.as_of).days
    if age > max_age:
        raise StaleData(
            f"the risk snapshot of {risk.as_of.isoformat()} is {age} days old; at most {max_age} are allowed",
            cure="exposure risk estimate PRICES --indices INDICES --as-of DATE --out DIR",
        )


def factor_limits(inputs: Inputs, scores: Scores) -> dict[tuple[str, str], dict[str, Any]]:
    """Return (factor, basis) → sense, value, bound, room and state of the mandate's factor limits, as held today."""
    if inputs.mandate is None:
        return {}
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for limit in inputs.mandate.factors:
        held = counted_exposure(
            scores.positions, limit.factor, limit.base, limit.sense, limit.score
        )
        reference = None
        if not scores.benchmark_positions.is_empty():
            reference = counted_exposure(
                scores.benchmark_positions, limit.factor, limit.base, limit.sense, limit.score
            )
        bound = limit.bound(reference, held)
        room = bound - held if limit.sense == "<=" else held - bound
        state = limit_state(held, bound, limit.sense)
        found[(limit.factor, limit.base)] = {
            "sense": limit.sense,
            "value": held,
            "bound": bound,
            "room": room,
            "state": state,
        }
    return found


def counted_exposure(
    positions: pl.DataFrame, factor: str, basis: str, sense: str, which: str
) -> float:
    """Return Σ w·s as a limit counts it: a score without a mid counts at its upper end under a cap, else at its lower.

    Parameters
    ----------
    positions
        :class:`~exposure.schemas.PositionScores`.
    which
        ``mid``, or ``hi`` to count every score at its worse end.
    """
    worse = "hi" if sense == "<=" else "lo"
    score_used = pl.col("mid").fill_null(pl.col(worse)) if which == "mid" else pl.col(worse)
    part = positions.filter((pl.col("factor_id") == factor) & (pl.col("basis") == basis))
    return float(part.select((pl.col("weight") * score_used).sum()).item())


def limit_state(value: float, bound: float, sense: str) -> str:
    """Return ok, watch (within a tenth of the bound), at_limit or breach."""
    tolerance = 5e-5
    over = value - bound if sense == "<=" else bound - value
    if over > tolerance:
        return "breach"
    if over > -tolerance:
        return "at_limit"
    return "watch" if over > -0.1 * abs(bound) else "ok"


def run_weekly(
    holdings: str | Path | Any,
    *,
    mandate: str | Path | Mandate | None = None,
    benchmark: str | Path | Any | None = None,
    as_of: date | None = None,
    content: str | Path | ContentRoot | None = None,
    catalog: Catalog | None = None,
    scenarios: Sequence[str] | None = None,
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
    )


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


def build_manifest(inputs: Inputs) -> dict[str, Any]:
    """Return what a run rests on: versions, fingerprints, inputs. No user, host or full path."""
    book = inputs.book
    files = [{"name": book.source, "sha256": book.sha256}]
    if book.benchmark is not None:
        files.append(
            {"name": book.benchmark_source or "benchmark", "sha256": frame_hash(book.benchmark)}
        )
    if inputs.mandate is not None:
        files.append({"name": inputs.mandate.name, "sha256": text_hash(repr(inputs.mandate))})
    risk = inputs.risk
    return {
        "tool": f"{DISTRIBUTION} {tool_version()}",
        "python": platform.python_version(),
        "as_of": book.as_of.isoformat(),
        "portfolio": book.name,
        "content_fingerprint": inputs.catalog.fingerprint,
        "content_origin": inputs.catalog.root.origin,
        "inputs": files,
        "holdings_rows": book.holdings.height,
        "mandate": None if inputs.mandate is None else inputs.mandate.name,
        "risk_snapshot": None if risk is None else risk.as_of.isoformat(),
        "packages": {name: package_version(name) for name in REPORTED_PACKAGES},
    }


def frame_hash(frame: pl.DataFrame) -> str:
    """Return the SHA-256 of a frame's CSV text."""
    return text_hash(frame.write_csv())


def text_hash(text: str) -> str:
    """Return the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def tool_version() -> str:
    """Return the version of this package."""
    return package_version(DISTRIBUTION)


def package_version(name: str) -> str:
    """Return the version of an installed package, or ``not installed``."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def run_and_write(
    holdings: Path,
    *,
    as_of: date | None = None,
    mandate: Path | None = None,
    benchmark: Path | None = None,
    content: str | Path | None = None,
    allow_rejects: bool = False,
    max_age: int | None = None,
    name: str | None = None,
    out: Path | None = None,
    lang: str = "both",
    workbook_copy: Path | None = None,
    html_copy: Path | None = None,
    force: bool = False,
) -> Written:
    """Run the week and write its folder: workbook, HTML edition, orders, tables, manifest.

    Parameters
    ----------
    out
        Folder for runs; by default ``reports/output`` in the current folder.
    workbook_copy, html_copy
        Extra copies; an existing file is kept unless ``force``.

    Returns
    -------
    Written
        The run folder appears whole or not at all.

    Raises
    ------
    UsageError
        If a copy would overwrite a file without ``force``.
    ExposureError
        See :func:`run_weekly`.
    """
    from exposure.reports.html import write_html  # noqa: PLC0415 - openpyxl and templates only when writing
    from exposure.reports.trades import write_trades  # noqa: PLC0415
    from exposure.reports.workbook import write_workbook  # noqa: PLC0415

    for copy in (workbook_copy, html_copy):
        if copy is not None and copy.exists() and not force:
            raise UsageError(
                f"{copy.name} exists", cure="add --force to replace it, or name another file"
            )
    run = run_weekly(
        holdings,
        mandate=mandate,
        benchmark=benchmark,
        as_of=as_of,
        content=content,
        allow_rejects=allow_rejects,
        max_age=max_age,
        name=name,
        lang=lang,
    )
    folder = RunFolder.open(OUTPUT if out is None else out, run.name, run.run_id, force=force)
    with folder:
        write_workbook(run, folder.path / "workbook.xlsx", lang=lang, content=content)
        write_html(run, folder.path / "summary.html", lang=lang, content=content)
        if run.plan is not None and run.plan.solved:
            write_trades(
                run.plan.trades, folder.path / "trades.csv", as_of=run.as_of, portfolio=run.name
            )
        folder.write_tables(run_tables(run))
        folder.write_manifest(run.manifest)
    final = folder.final
    workbook = final / "workbook.xlsx"
    _copy(workbook, workbook_copy)
    _copy(final / "summary.html", html_copy)
    states = [] if run.plan is None else run.plan.limits["state"].to_list()
    return Written(run, final, workbook, tuple(_talk(run)), tuple(states), _exit_code(run))


def run_tables(run: Run) -> dict[str, pl.DataFrame]:
    """Return the tables that go into the run folder and the history."""
    tables = {
        "holdings": run.holdings,
        "issues": run.issues,
        "issuer_scores": run.issuer_scores,
        "positions": run.position_scores,
        "exposures": run.exposures,
        "contributions": run.contributions,
        "scenario_returns": run.scenario_returns,
        "scenario_results": run.scenario_results,
        "list_status": run.list_status,
        "evidence": run.evidence,
    }
    if run.plan is not None:
        tables |= {
            "plan_weights": run.plan.weights,
            "trades": run.plan.trades,
            "limits": run.plan.limits,
        }
        if run.plan.conflict is not None:
            tables["conflict"] = run.plan.conflict
    return tables


def _copy(source: Path, target: Path | None) -> None:
    if target is None:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(target.name + ".part")
    aside.write_bytes(source.read_bytes())
    aside.replace(target)


def _talk(run: Run) -> list[str]:
    lines = [f"run {run.run_id}"]
    if run.plan is None:
        lines.append("no mandate: scored and stressed, no plan")
    elif not run.plan.solved:
        lines.append(
            f"the plan is {run.plan.status}: the Trades sheet names the limits that clash and the repairs"
        )
    return lines


def _exit_code(run: Run) -> int:
    if run.plan is None or run.plan.solved:
        return 0
    return 5 if run.plan.status == "infeasible" else 6


def read_prices(paths: Sequence[Path]) -> pl.DataFrame:
    """Read daily closes from CSV or parquet files and join them.

    Raises
    ------
    HoldingsError
        If a file is missing or no table.
    """
    frames: list[pl.DataFrame] = []
    for path in paths:
        try:
            frame = (
                pl.read_parquet(path)
                if path.suffix == ".parquet"
                else pl.read_csv(path, infer_schema=False)
            )
        except (OSError, pl.exceptions.PolarsError) as fault:
            raise HoldingsError(
                f"{path.name} can't be read as prices",
                places=[Place(path.name, str(fault).splitlines()[0])],
            ) from fault
        frames.append(_price_types(frame))
    return pl.concat(frames, how="diagonal")


def _price_types(frame: pl.DataFrame) -> pl.DataFrame:
    """Give the columns of a price file one name and type, whatever the vendor calls them."""
    names = {
        "wind_code": "listing_id",
        "ticker": "listing_id",
        "close_adj": "close",
        "volume": "volume_shares",
    }
    frame = frame.rename(
        {
            old: new
            for old, new in names.items()
            if old in frame.columns and new not in frame.columns
        }
    )
    date_column = pl.col("date")
    if frame.schema.get("date") == pl.String:
        date_column = date_column.str.to_date("%Y-%m-%d", strict=False)
    wanted = {
        "listing_id": pl.col("listing_id").cast(pl.String),
        "index_code": pl.col("index_code").cast(pl.String),
        "date": date_column.cast(pl.Date),
        "close": pl.col("close").cast(pl.Float64, strict=False),
        "volume_shares": pl.col("volume_shares").cast(pl.Float64, strict=False),
    }
    return frame.select(column for name, column in wanted.items() if name in frame.columns)


def doctor(content: str | Path | None = None) -> dict[str, Any]:
    """Return what this installation is made of: versions, content, solvers, programs."""
    import shutil  # noqa: PLC0415 - used here only

    root = find_content(content)
    facts: dict[str, Any] = {
        "exposure": tool_version(),
        "python": platform.python_version(),
        "content": root.path.name,
        "content origin": root.origin,
        "content fingerprint": root.fingerprint(),
    }
    facts |= {name: package_version(name) for name in REPORTED_PACKAGES}
    if root.base is not None:
        facts["content layer"] = "lies over the shipped content"
        facts |= {
            f"  {row['file']}": f"{row['added']} added, {row['replaced']} replaced, {row['same']} the same"
            for row in layer_report(root).iter_rows(named=True)
        }
    snapshots = [name for name, path in root.entries("portfolios/risk").items() if path.is_dir()]
    facts["risk snapshots"] = ", ".join(snapshots) or "none"
    for program in ("soffice", "ssconvert"):
        facts[program] = (
            "present" if shutil.which(program) else "absent (only needed by cross-engine tests)"
        )
    load_catalog(root)
    facts["content check"] = "holds together"
    return facts


__all__ = [
    "Inputs",
    "Written",
    "assemble",
    "doctor",
    "factor_limits",
    "need_mandate",
    "prepare",
    "read_prices",
    "run_and_write",
    "run_weekly",
    "slug",
]
