"""``exposure stress``: what rules would do to a portfolio, how likely its tail is, and what would lose a given part."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from exposure.cli.options import (
    AllowRejects,
    AsOf,
    BenchmarkFile,
    Content,
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
from exposure.cli.output import chosen_format, emit, emit_json, say
from exposure.cli.portfolio import SAMPLE, again, talk

if TYPE_CHECKING:
    from datetime import date

    from exposure.pipeline import Inputs
    from exposure.scenarios.definitions import Range
    from exposure.scenarios.reverse import ReverseResult
    from exposure.scenarios.simulation import Outlook
    from exposure.scenarios.stressing import Shock

SEVERITY_NAMES = ("low", "base", "high", "all")
VIEWS_OF = ("scenario", "listing", "step", "part", "horizon", "market", "path")
UNITS = {"y": 1.0, "m": 1.0 / 12.0, "w": 1.0 / 52.0}

Texts = Optional[list[str]]  # noqa: UP045 - typer reads it


def register(app: typer.Typer) -> None:
    """Add the command to the tree."""
    app.command(
        name="stress",
        help=(
            "What sanction scenarios would do to a portfolio: losers and winners.\n\nExamples:\n\n"
            f"  exposure stress {SAMPLE} --all\n\n  exposure stress {SAMPLE} -s foundry_16nm_cut -s hbm_ban --combine"
            " --steps\n\n"
            f"  exposure stress {SAMPLE} --shock hbm=-0.4 --list-add 688256.SH:entity_list --duration 3y\n\n"
            "  exposure stress portfolios/ai-servers/holdings.csv --replay US-2025-01-15-FOUNDRY\n\n"
            f"  exposure stress {SAMPLE} --draws 10000 --view hbm_ban=0.7\n\n  exposure stress {SAMPLE} --reverse 10%"
        ),
    )(stress_command)


def stress_command(
    holdings: Holdings,
    as_of: AsOf = None,
    scenario: Scenarios = None,
    every: Annotated[
        bool, typer.Option("--all", help="All scenarios of the catalogue, with the headline.")
    ] = False,
    acts: Annotated[
        bool,
        typer.Option("--acts", help="All acts that were public by the day, each as a scenario."),
    ] = False,
    replay: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--replay",
            metavar="EVENT",
            help="An act on the eve of its day, with what was known then.",
        ),
    ] = None,
    shock: Annotated[
        Texts,
        typer.Option(
            "--shock", metavar="NODE=-0.4", help="A what-if: this node loses 40% of its supply."
        ),
    ] = None,
    list_add: Annotated[
        Texts,
        typer.Option(
            "--list-add", metavar="LISTING:MECHANISM", help="A what-if: this company enters a list."
        ),
    ] = None,
    duration: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--duration", metavar="3y", help="How long it lasts: 3y, 18m, 26w, or a range as 2y-5y."
        ),
    ] = None,
    combine: Annotated[
        bool, typer.Option("--combine", help="Let all named scenarios happen at once.")
    ] = False,
    steps: Annotated[
        bool, typer.Option("--steps", help="Each step from output to price, name by name.")
    ] = False,
    severity: Annotated[str, typer.Option("--severity", help="low, base, high or all.")] = "base",
    by: Annotated[
        str, typer.Option("--by", help="scenario, listing, step, part, horizon, market or path.")
    ] = "scenario",
    draws: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--draws", help="Draw this many futures: tail and what it is made of."),
    ] = None,
    seed: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--seed", help="Of the draws; the same seed gives the same numbers."),
    ] = None,
    view: Annotated[
        Texts,
        typer.Option(
            "--view",
            metavar="SCENARIO=0.7",
            help="Your probability; also 'A & B=0.3', 'A | B=0.9'.",
        ),
    ] = None,
    reverse: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--reverse", metavar="10%", help="What would have to happen to lose this much."
        ),
    ] = None,
    dependence: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            "--dependence", help="Correlation of scenarios in draws and --reverse, 0 to 1."
        ),
    ] = None,
    mandate: MandateFile = None,
    benchmark: BenchmarkFile = None,
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
    """Stress a portfolio."""
    from exposure.pipeline import prepare

    chosen = chosen_format(kind, as_json)
    _check(severity, by)
    nodes = {
        name: parse_number(value, "--shock")
        for name, value in parse_pairs(shock or [], "--shock").items()
    }
    adds = _list_adds(list_add or [])
    views = {
        name: parse_number(value, "--view")
        for name, value in parse_pairs(view or [], "--view").items()
    }
    lasting = None if duration is None else parse_duration(duration)
    lost = None if reverse is None else parse_number(reverse, "--reverse")
    if draws is None and (views or seed is not None):
        draws = 10_000
    asked = bool(scenario or every or acts or replay or nodes or adds)
    if not (asked or draws or lost is not None):
        raise typer.BadParameter(
            "name scenarios with -s ID, or --all, --acts, --replay EVENT, --shock NODE=-0.4, --list-add"
            " LISTING:MECHANISM, --draws N or --reverse 10%"
        )
    _refuse_idle(
        asked=asked,
        draws=draws is not None or lost is not None,
        typed=bool(nodes or adds or acts or replay),
        duration=lasting is not None,
        combine=combine,
        dependence=dependence is not None,
        table=chosen == "table",
        tabular=chosen in ("csv", "parquet"),
        by=by,
        output=output is not None,
    )
    day = parse_date(as_of)
    eve = None if replay is None else _eve(replay, content)
    inputs = prepare(
        holdings,
        as_of=day or eve,
        mandate=mandate,
        benchmark=benchmark,
        content=content,
        layout=layout,
        master=master,
        allow_rejects=allow_rejects,
        max_age=max_age,
    )
    result = (
        _stress(
            inputs,
            _names(inputs, scenario or [], every=every, acts=acts, replay=replay),
            nodes=nodes,
            adds=adds,
            duration=lasting,
            combine=combine,
        )
        if asked
        else None
    )
    given = scenario if scenario and not every else None
    outlook = None if draws is None else _simulate(inputs, given, draws, seed, views, dependence)
    backwards = None if lost is None else _reverse(inputs, given, lost, dependence)
    if chosen == "json":
        emit_json(_json(inputs, result, outlook, backwards, severity, steps=steps), output)
    elif chosen == "table" and by == "scenario":
        for line in talk(inputs):
            say(line, quiet=quiet)
        if replay is not None:
            say(_replayed(replay, inputs), quiet=quiet)
        if result is not None:
            for row in result.issues.iter_rows(named=True):
                say(f"{row['severity']}: {row['message']}", quiet=quiet)
        typer.echo(_text(inputs, result, outlook, backwards, severity, steps=steps), nl=False)
        say(f"next: exposure rebalance {again(holdings, inputs)}", quiet=quiet)
    elif result is not None:
        emit(_frame(result, by, severity), chosen, output)
    elif outlook is not None:
        emit(outlook.attribution, chosen, output)
    elif backwards is not None:
        emit(backwards.combinations, chosen, output)
    return 0


def parse_duration(text: str) -> Range:
    """Return years: ``3y``, ``18m``, ``26w``, a bare number of years, or two of them with a dash.

    Examples
    --------
    >>> parse_duration("18m").mid, parse_duration("2y-5y").hi
    (1.5, 5.0)
    """
    from exposure.scenarios.definitions import Range

    years: list[float] = []
    for part in text.split("-"):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([ymw]?)\s*", part.lower())
        if match is None:
            raise typer.BadParameter(f"--duration {text!r} must look like 3y, 18m, 26w or 2y-5y")
        years.append(float(match[1]) * UNITS[match[2] or "y"])
    if len(years) > 2 or years[0] > years[-1]:
        raise typer.BadParameter(f"--duration {text!r} must run from short to long, as 2y-5y")
    return Range(years[0], (years[0] + years[-1]) / 2.0, years[-1], "typed by the user")


def _refuse_idle(
    *,
    asked: bool,
    draws: bool,
    typed: bool,
    duration: bool,
    combine: bool,
    dependence: bool,
    table: bool,
    tabular: bool,
    by: str,
    output: bool,
) -> None:
    """Refuse options that would do nothing, or that one page would show for different worlds."""
    if dependence and not draws:
        raise typer.BadParameter("--dependence is for --draws and --reverse")
    if draws and (typed or duration or combine):
        raise typer.BadParameter(
            "--draws and --reverse draw scenarios of the catalogue: they take -s, and no --shock, --list-add, --acts,"
            " --replay, --duration or --combine"
        )
    if not asked and (by != "scenario"):
        raise typer.BadParameter(
            "--by needs scenarios: -s ID, --all, --acts, --replay, --shock or --list-add"
        )
    if draws and asked and tabular:
        raise typer.BadParameter(
            "csv and parquet hold one table: ask for scenarios, draws or reverse, or use --json"
        )
    if output and table:
        raise typer.BadParameter("-o writes --format csv, json or parquet; name one of them")


def _check(severity: str, by: str) -> None:
    if severity not in SEVERITY_NAMES:
        raise typer.BadParameter(f"--severity {severity!r} must be low, base, high or all")
    if by not in VIEWS_OF:
        raise typer.BadParameter(f"--by {by!r} must be one of {', '.join(VIEWS_OF)}")


def _list_adds(texts: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text in texts:
        name, sign, mechanism = text.rpartition(":")
        if not sign or not name.strip() or not mechanism.strip():
            raise typer.BadParameter(f"--list-add {text!r} must look like 688256.SH:entity_list")
        found.setdefault(name.strip(), []).append(mechanism.strip())
    return found


def _eve(event: str, content: Path | None) -> date:
    from exposure.scenarios.reading import load_catalog
    from exposure.scenarios.what_ifs import act_of

    return act_of(load_catalog(content), event)[1]


def _replayed(event: str, inputs: Inputs) -> str:
    from exposure.scenarios.what_ifs import act_of

    act, eve = act_of(inputs.catalog, event)
    day = inputs.book.as_of
    if day > eve:
        return (
            f"replay of {act.event} on {day.isoformat()}: it was public after {eve.isoformat()},"
            " so what followed from it may be known"
        )
    return (
        f"replay of {act.event} with what was known on {day.isoformat()}; the sizes of the act are analyst ranges"
        " written later, not fitted to prices"
    )


def _names(
    inputs: Inputs, scenario: list[str], *, every: bool, acts: bool, replay: str | None
) -> list[str]:
    from exposure.scenarios.reading import act_definitions, scenario_definitions

    found = [*(scenario_definitions(inputs.catalog) if every else ()), *scenario]
    if acts:
        known = dict(inputs.catalog.events.select("event_id", "known_on").iter_rows())
        found += [
            name
            for name, item in act_definitions(inputs.catalog).items()
            if (day := known.get(item.event)) is not None and day <= inputs.book.as_of
        ]
    if replay is not None:
        found.append(replay)
    return list(dict.fromkeys(found))


def _stress(
    inputs: Inputs,
    names: list[str],
    *,
    nodes: dict[str, float],
    adds: dict[str, list[str]],
    duration: Range | None,
    combine: bool,
) -> Shock:
    from exposure.scenarios.stressing import stress

    return stress(
        inputs.book,
        inputs.catalog,
        names,
        node_shocks=nodes,
        list_adds=adds,
        duration=duration,
        combine=combine,
        risk=inputs.risk,
    )


def _simulate(
    inputs: Inputs,
    scenarios: list[str] | None,
    draws: int,
    seed: int | None,
    views: dict[str, float],
    dependence: float | None,
) -> Outlook:
    from exposure.scenarios.simulation import SEED, simulate

    return simulate(
        inputs.book,
        inputs.catalog,
        scenarios,
        draws=draws,
        seed=SEED if seed is None else seed,
        views=views,
        dependence=dependence,
        risk=inputs.risk,
    )


def _reverse(
    inputs: Inputs, scenarios: list[str] | None, lost: float, dependence: float | None
) -> ReverseResult:
    from exposure.scenarios.reverse import reverse_stress

    return reverse_stress(
        inputs.book,
        inputs.catalog,
        lost,
        scenarios,
        dependence=dependence,
        risk=inputs.risk,
    )


def _is_whole(inputs: Inputs, found: Shock) -> bool:
    from exposure.scenarios.reading import scenario_definitions

    run = {item.id for item in found.scenarios}
    return set(scenario_definitions(inputs.catalog)) <= run


def _json(
    inputs: Inputs,
    result: Shock | None,
    outlook: Outlook | None,
    backwards: ReverseResult | None,
    severity: str,
    *,
    steps: bool,
) -> dict[str, Any]:
    from exposure.scenarios.headline import headline

    found: dict[str, Any] = {"as_of": inputs.book.as_of, "portfolio": inputs.book.name}
    if result is not None:
        whole = _is_whole(inputs, result)
        found |= {
            "rows": _frame(result, "scenario", severity).to_dicts(),
            "positions": _frame(result, "listing", severity).to_dicts(),
            "headline": headline(result, inputs.book, inputs.catalog).to_dict() if whole else None,
            "plausibility": _frame(result, "plausibility", severity).to_dicts(),
        }
        if steps:
            found |= {
                "steps": _frame(result, "step", severity).to_dicts(),
                "parts": _frame(result, "part", severity).to_dicts(),
                "horizons": _frame(result, "horizon", severity).to_dicts(),
                "markets": _frame(result, "market", severity).to_dicts(),
                "paths": _frame(result, "path", severity).to_dicts(),
            }
    if outlook is not None:
        found["outlook"] = outlook.to_dict()
    if backwards is not None:
        found["reverse"] = backwards.to_dict()
    return found


def _frame(result: Shock, by: str, severity: str) -> Any:
    import polars as pl

    frame = {
        "scenario": result.portfolio,
        "listing": result.positions,
        "step": result.steps,
        "part": result.parts,
        "horizon": result.horizons,
        "market": result.markets,
        "path": result.paths,
        "plausibility": result.plausibility,
    }[by]
    return frame if severity == "all" else frame.filter(pl.col("severity") == severity)


def _text(
    inputs: Inputs,
    result: Shock | None,
    outlook: Outlook | None,
    backwards: ReverseResult | None,
    severity: str,
    *,
    steps: bool,
) -> str:
    from exposure.cli.headline import headline_text
    from exposure.cli.outlook_text import outlook_text, reverse_text
    from exposure.cli.stress_text import steps_text, stress_table
    from exposure.scenarios.headline import headline

    blocks: list[str] = []
    if result is not None:
        blocks.append(stress_table(result, severity))
        if steps:
            blocks.append(steps_text(result, inputs, severity))
        if _is_whole(inputs, result):
            found = headline(result, inputs.book, inputs.catalog)
            blocks.append(headline_text(found, inputs.book, inputs.catalog))
    if outlook is not None:
        blocks.append(outlook_text(outlook, inputs))
    if backwards is not None:
        blocks.append(reverse_text(backwards, inputs))
    return "\n".join(blocks)
