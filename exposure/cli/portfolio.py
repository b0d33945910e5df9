"""``exposure score`` and ``rebalance``: what a portfolio is, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from exposure.cli.options import (
    AllowRejects,
    AsOf,
    BenchmarkFile,
    Content,
    FailOn,
    Format,
    Holdings,
    Json,
    LayoutFile,
    MandateFile,
    MasterFile,
    MaxAge,
    Output,
    Quiet,
    Scenarios,
    parse_date,
    parse_number,
    parse_pairs,
)
from exposure.cli.output import (
    chosen_format,
    emit,
    emit_json,
    say,
)
from exposure.cli.portfolio_tables import (
    bound_text,
    plan_json,
    plan_text,
    score_json,
    score_table,
    sense_mark,
)

if TYPE_CHECKING:
    from exposure.optimiser.planning import Plan
    from exposure.pipeline import Inputs

EXIT_BREACH = 4
SAMPLE = "portfolios/ai-servers/holdings.csv --as-of 2025-01-24"


def register(app: typer.Typer) -> None:
    """Add the commands to the tree."""
    app.command(
        name="score",
        help=(
            "Exposure of a portfolio to each factor, with interval, coverage and who contributes.\n\nExamples:\n\n"
            f"  exposure score {SAMPLE}\n\n  exposure score {SAMPLE} --json"
        ),
    )(score_command)
    app.command(
        name="rebalance",
        help=(
            "Trades that bring every exposure and scenario loss inside the mandate.\n\nExamples:\n\n"
            f"  exposure rebalance {SAMPLE}\n\n"
            f"  exposure rebalance {SAMPLE} --cap entity_list_status=0.2 --max-turnover 40%"
        ),
    )(rebalance_command)


def score_command(
    holdings: Holdings,
    as_of: AsOf = None,
    mandate: MandateFile = None,
    benchmark: BenchmarkFile = None,
    by: Annotated[str, typer.Option("--by", help="factor, listing or evidence.")] = "factor",
    content: Content = None,
    kind: Format = "table",
    as_json: Json = False,
    output: Output = None,
    layout: LayoutFile = None,
    master: MasterFile = None,
    allow_rejects: AllowRejects = False,
    max_age: MaxAge = None,
    fail_on: FailOn = None,
    quiet: Quiet = False,
) -> int:
    """Score a portfolio."""
    from exposure.attribution import score
    from exposure.cli.headline import bands_text, concentration_text
    from exposure.pipeline import factor_limits, prepare

    chosen = chosen_format(kind, as_json)
    if fail_on not in (None, "breach", "watch"):
        raise typer.BadParameter(f"--fail-on {fail_on!r} must be breach or watch")
    inputs = prepare(
        holdings,
        as_of=parse_date(as_of),
        mandate=mandate,
        benchmark=benchmark,
        content=content,
        layout=layout,
        master=master,
        allow_rejects=allow_rejects,
        max_age=max_age,
    )
    scores = score(inputs.book, inputs.catalog)
    limits = factor_limits(inputs, scores)
    if chosen == "json":
        emit_json(score_json(inputs, scores.to_dict(), limits), output)
    elif by == "listing":
        emit(scores.positions, chosen, output)
    elif by == "evidence":
        emit(scores.issuers, chosen, output)
    elif chosen == "table":
        for line in talk(inputs):
            say(line, quiet=quiet)
        typer.echo(score_table(inputs, scores.factors, limits), nl=False)
        typer.echo("\n" + bands_text(scores.bands, inputs.catalog), nl=False)
        typer.echo("\n" + concentration_text(scores.concentration, inputs.catalog), nl=False)
        if limits:
            say("counted: as the limit counts it, an unknown score at its upper end", quiet=quiet)
        say(f"next: exposure stress {again(holdings, inputs)} --all", quiet=quiet)
    else:
        emit(scores.factors, chosen, output)
    return _exit_code(limits, fail_on)


def rebalance_command(
    holdings: Holdings,
    as_of: AsOf = None,
    mandate: MandateFile = None,
    benchmark: BenchmarkFile = None,
    scenario: Scenarios = None,
    cap: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--cap", metavar="FACTOR=0.55", help="Cap a factor, in place of the mandate's cap."
        ),
    ] = None,
    max_turnover: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--max-turnover", metavar="10%", help="Turnover Σ|Δw|, in place of the mandate's."
        ),
    ] = None,
    robust: Annotated[
        bool, typer.Option("--robust", help="Hold factor limits at the upper scores.")
    ] = False,
    trades: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--trades", metavar="FILE", help="Write the orders as CSV."),
    ] = None,
    content: Content = None,
    kind: Format = "table",
    as_json: Json = False,
    output: Output = None,
    layout: LayoutFile = None,
    master: MasterFile = None,
    allow_rejects: AllowRejects = False,
    max_age: MaxAge = None,
    quiet: Quiet = False,
) -> int:
    """Rebalance a portfolio."""
    from exposure.optimiser.planning import rebalance
    from exposure.pipeline import need_mandate, prepare

    chosen = chosen_format(kind, as_json)
    caps = {
        name: parse_number(value, "--cap")
        for name, value in parse_pairs(cap or [], "--cap").items()
    }
    turnover = None if max_turnover is None else parse_number(max_turnover, "--max-turnover")
    inputs = prepare(
        holdings,
        as_of=parse_date(as_of),
        mandate=mandate,
        benchmark=benchmark,
        content=content,
        layout=layout,
        master=master,
        allow_rejects=allow_rejects,
        max_age=max_age,
    )
    rules = need_mandate(inputs, holdings).with_limits(caps=caps, max_turnover=turnover)
    plan = rebalance(
        inputs.book,
        inputs.catalog,
        mandate=rules,
        risk=inputs.risk,
        scenarios=scenario or None,
        robust=robust,
    )
    if not plan.status.is_ok:
        return _no_plan(plan, inputs, as_json=chosen == "json", output=output)
    if chosen == "json":
        emit_json(plan_json(plan, inputs), output)
    elif chosen == "table":
        for line in talk(inputs):
            say(line, quiet=quiet)
        typer.echo(plan_text(plan, inputs), nl=False)
    else:
        emit(plan.trades, chosen, output)
    if trades is not None:
        from exposure.reports.trades import write_trades

        write_trades(plan.trades, trades, as_of=inputs.book.as_of, portfolio=inputs.book.name)
        say(f"orders: {trades}", quiet=quiet)
    return 0


def _no_plan(plan: Plan, inputs: Inputs, *, as_json: bool, output: Path | None) -> int:
    from exposure.errors import Infeasible, SolverFailed

    if plan.conflict is None or plan.conflict.is_empty():
        raise SolverFailed(
            "no solver returned an answer that passes the checks", cure="relax the mandate slightly"
        )
    rows = plan.conflict.to_dicts()
    if as_json:
        emit_json({"as_of": inputs.book.as_of, "status": "infeasible", "conflict": rows}, output)
        return Infeasible.exit_code
    named = [f'"{row["name"]} {sense_mark(row["sense"])} {bound_text(row)}"' for row in rows]
    together = " and ".join([", ".join(named[:-1]), named[-1]]) if len(named) > 1 else named[0]
    repairs = [
        f"{row['name']}: no single change is enough"
        if row["repair"] is None
        else f"{row['name']} {sense_mark(row['sense'])} {bound_text(row, 'repair')}"
        for row in rows
    ]
    verb = "can't hold together" if len(named) > 1 else "can't hold"
    raise Infeasible(
        f"infeasible: {together} {verb}",
        conflict=plan.conflict,
        cure="smallest single repair, each alone: " + "   or   ".join(repairs),
    )


def talk(inputs: Inputs) -> list[str]:
    """Return what to say of the inputs before the answer: name, day, size, files beside, warnings."""
    book = inputs.book
    warnings = book.issues.filter(book.issues["severity"] != "info")
    lines = [
        f"{book.name} · as of {book.as_of.isoformat()} · {book.holdings.height} holdings"
        f" · content {inputs.catalog.fingerprint[:8]}"
    ]
    if book.benchmark_source:
        lines.append(f"benchmark: {book.benchmark_source}")
    if inputs.mandate_source:
        lines.append(f"mandate: {inputs.mandate_source}")
    lines += [f"{row['severity']}: {row['message']}" for row in warnings.iter_rows(named=True)]
    return lines


def again(holdings: Path, inputs: Inputs) -> str:
    """Return the arguments that repeat the command."""
    return f"{holdings} --as-of {inputs.book.as_of.isoformat()}"


def _exit_code(limits: dict[tuple[str, str], dict[str, Any]], fail_on: str | None) -> int:
    if fail_on is None:
        return 0
    bad = (
        {"breach", "unknown"} if fail_on == "breach" else {"breach", "unknown", "watch", "at_limit"}
    )
    return EXIT_BREACH if any(limit["state"] in bad for limit in limits.values()) else 0
