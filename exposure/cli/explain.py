"""``exposure explain``: from a number to its sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from exposure.cli.options import AsOf, Content, Format, Json, Output, Quiet, parse_date
from exposure.cli.output import chosen_format, emit, emit_json, percent, say

if TYPE_CHECKING:
    from exposure.factors.definitions import FactorDefinition
    from exposure.factors.explain import Explanation


def register(app: typer.Typer) -> None:
    """Add the command to the tree."""
    app.command(name="explain", help=_HELP)(explain_command)


_HELP = (
    "From a number to the lines it rests on.\n\n"
    "Examples:\n\n"
    "  exposure explain 002261.SZ ascend_share --as-of 2025-01-24\n\n"
    "  exposure explain xfusion --as-of 2025-01-24 --json"
)


def explain_command(
    who: Annotated[
        str, typer.Argument(metavar="LISTING", help="Listing (002261.SZ) or issuer (xfusion).")
    ],
    factor: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(metavar="FACTOR", help="Factor id; all if left out."),
    ] = None,
    as_of: AsOf = None,
    content: Content = None,
    kind: Format = "table",
    as_json: Json = False,
    output: Output = None,
    quiet: Quiet = False,
) -> None:
    """Print scores and the steps to their sources."""
    from exposure.factors.explain import explain
    from exposure.scenarios.definitions import load_catalog

    chosen = chosen_format(kind, as_json)
    day = parse_date(as_of)
    if day is None:
        raise typer.BadParameter("explain needs a day: --as-of 2025-01-24")
    catalog = load_catalog(content)
    found = explain(catalog, who, factor, as_of=day)
    if chosen == "json":
        emit_json(
            {
                "as_of": day,
                "listing_id": found.listing_id,
                "issuer_id": found.issuer_id,
                "name_zh": found.name_zh,
                "name_en": found.name_en,
                "scores": found.scores.to_dicts(),
                "steps": found.steps.to_dicts(),
            },
            output,
        )
    elif chosen == "table":
        for line in _lines(found, catalog.factors, everything=factor is None):
            typer.echo(line)
        say(f"only facts known on {day.isoformat()} are shown", quiet=quiet)
    else:
        emit(found.steps, chosen, output)


def _lines(found: Explanation, factors: Any, *, everything: bool) -> list[str]:
    head = f"{found.listing_id or found.issuer_id} {found.name_zh} {found.name_en} · as of {found.as_of.isoformat()}"
    lines = [head]
    silent = 0
    for row in found.scores.iter_rows(named=True):
        steps = [
            s
            for s in found.steps.iter_rows(named=True)
            if s["factor_id"] == row["factor_id"] and s["basis"] == row["basis"]
        ]
        if everything:
            steps = [step for step in steps if step["depth"] == 0]
        if everything and not steps:
            silent += 1
            continue
        factor = factors[row["factor_id"]]
        lines += ["", _score_line(row, factor)]
        lines += [_step_line(step) for step in steps]
        if not steps:
            lines.append("  no evidence: the interval is as wide as the unit allows")
    if silent:
        lines += ["", f"{silent} scores have no evidence and are missing (never zero)"]
    if everything:
        lines += ["", "name a factor to see what each line is made of"]
    return lines


def _score_line(row: dict[str, Any], factor: FactorDefinition) -> str:
    basis = factor.basis_names.get(row["basis"])
    named = f" [{basis[0]} {basis[1]}]" if basis else ""
    show = _share if factor.highest <= 1 else _plain
    grade = f"   grade {row['grade']}" if row["grade"] else ""
    note = f"   ({row['note']})" if row["note"] else ""
    return (
        f"{factor.name_zh} {factor.id}{named}   mid {show(row['mid'])}   lo–hi {show(row['lo'])}–{show(row['hi'])}"
        f"   {row['status']}{grade}{note}"
    )


def _step_line(step: dict[str, Any]) -> str:
    indent = "  " + "    " * step["depth"]
    known = f"known {step['known_on'].isoformat()}" if step["known_on"] else ""
    locator = "derived from the lines below" if step["formula"] else step["locator"]
    facts = "; ".join(
        str(part) for part in (step["publisher"], locator, known, step["grade"]) if part
    )
    mark = _MARKS.get(step["kind"], "")
    period = f" {step['period']}" if step["period"] else ""
    note = f"   {step['note']}" if step["note"] else ""
    return f"{indent}{mark}{step['subject']} {step['measure']}{period}   {_value(step)}   → {facts}{note}"


_MARKS = {
    "context": "beside it: ",
    "contradicted": "✗ kept aside, contradicts the lines above: ",
    "earlier": "earlier: ",
    "rejected": "✗ rejected: ",
    "denied": "✗ denied: ",
    "needs_source": "✗ needs a source: ",
    "gap": "gap: ",
}


def _value(step: dict[str, Any]) -> str:
    lo, mid, hi = step["lo"], step["mid"], step["hi"]
    share = str(step["unit"] or "").startswith("fraction")
    show = _share if share else _plain
    unit = "" if share or step["unit"] in (None, "list row") else f" {step['unit']}"
    if mid is not None:
        return f"{show(mid)}{unit}"
    if lo is None and hi is None:
        return ""
    if lo is None:
        return f"≤ {show(hi)}{unit}"
    if hi is None:
        return f"≥ {show(lo)}{unit}"
    return f"{show(lo)}–{show(hi)}{unit}"


def _share(value: float | None) -> str:
    return percent(value, 2 if value is not None and abs(value) < 0.1 else 1)


def _plain(value: float | None) -> str:
    return "n/a" if value is None else f"{value:,.6g}".replace("-", "−")
