"""``exposure explain``: from a number to its sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from exposure.cli.options import AsOf, Content, Format, Json, Output, Quiet, parse_date
from exposure.cli.output import chosen_format, emit, emit_json, percent, say

if TYPE_CHECKING:
    from exposure.factors.catalog import Catalog
    from exposure.factors.definitions import FactorDefinition
    from exposure.factors.explain import Explanation


def register(app: typer.Typer) -> None:
    """Add the command to the tree."""
    app.command(name="explain", help=_HELP)(explain_command)


_HELP = (
    "From a number to the lines it rests on.\n\n"
    "Examples:\n\n"
    "  exposure explain 002261.SZ ascend_share --as-of 2025-01-24\n\n"
    "  exposure explain 603019.SH foundry_node_dependence --as-of 2025-01-24 --against 2024-06-30\n\n"
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
    against: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--against", metavar="DATE", help="Show what changed since this earlier day."),
    ] = None,
    content: Content = None,
    kind: Format = "table",
    as_json: Json = False,
    output: Output = None,
    quiet: Quiet = False,
) -> None:
    """Print scores and the steps to their sources."""
    from exposure.factors.explain import explain
    from exposure.scenarios.reading import load_catalog

    chosen = chosen_format(kind, as_json)
    day = parse_date(as_of)
    if day is None:
        raise typer.BadParameter("explain needs a day: --as-of 2025-01-24")
    catalog = load_catalog(content)
    found = explain(catalog, who, factor, as_of=day)
    earlier = parse_date(against)
    if earlier is not None and earlier > day:
        raise typer.BadParameter(f"--against {earlier} must not lie after --as-of {day}")
    before = None if earlier is None else explain(catalog, who, factor, as_of=earlier)
    if chosen == "json":
        emit_json(_as_json(catalog, found, before), output)
    elif chosen == "table":
        for line in _lines(found, catalog.factors, everything=factor is None):
            typer.echo(line)
        if before is not None:
            for line in _change_lines(catalog, before, found):
                typer.echo(line)
        say(f"only facts known on {day.isoformat()} are shown", quiet=quiet)
    else:
        emit(found.steps, chosen, output)


def _as_json(catalog: Catalog, found: Explanation, before: Explanation | None) -> dict[str, Any]:
    from exposure.factors.explain_walk import changes

    out: dict[str, Any] = {
        "as_of": found.as_of,
        "listing_id": found.listing_id,
        "issuer_id": found.issuer_id,
        "name_zh": found.name_zh,
        "name_en": found.name_en,
        "scores": found.scores.to_dicts(),
        "steps": found.steps.to_dicts(),
        "flows": found.flows.to_dicts(),
        "research": found.research.to_dicts(),
    }
    if before is not None:
        out["against"] = {
            "as_of": before.as_of,
            "scores": before.scores.to_dicts(),
            "changes": changes(
                catalog, before.steps, found.steps, before.as_of, found.as_of
            ).to_dicts(),
        }
    return out


def _change_lines(catalog: Catalog, before: Explanation, found: Explanation) -> list[str]:
    from exposure.factors.explain_walk import changes

    frame = changes(catalog, before.steps, found.steps, before.as_of, found.as_of)
    lines = ["", f"since {before.as_of.isoformat()}:"]
    old = {(row["factor_id"], row["basis"]): row for row in before.scores.iter_rows(named=True)}
    for row in found.scores.iter_rows(named=True):
        then = old[row["factor_id"], row["basis"]]
        mine = frame.filter(
            (frame["factor_id"] == row["factor_id"]) & (frame["basis"] == row["basis"])
        )
        same = all(then[end] == row[end] for end in ("lo", "mid", "hi", "status"))
        if same and mine.is_empty():
            continue
        factor = catalog.factors[row["factor_id"]]
        show = _share if factor.highest <= 1 else _plain
        lines.append(
            f"  {row['factor_id']} [{row['basis']}]   mid {show(then['mid'])} → {show(row['mid'])}"
            f"   lo–hi {show(then['lo'])}–{show(then['hi'])} → {show(row['lo'])}–{show(row['hi'])}"
        )
        lines += [
            f"    {'+' if fact['change'] == 'new' else '−'} {fact['id']}   {fact['why']}"
            for fact in mine.iter_rows(named=True)
        ]
        if mine.is_empty():
            lines.append("    no fact changed: the same facts have grown older")
    if len(lines) == 2:
        lines.append("  nothing changed")
    return lines


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
        lines += ["", _score_line(row, factor), *_walk_lines(row, factor, found)]
        lines += [_step_line(step) for step in steps]
        if not steps:
            lines.append("  no evidence: the interval is as wide as the unit allows")
        if not everything and row["basis"] == "main":
            lines += _research_lines(found, factor)
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


def _walk_lines(row: dict[str, Any], factor: FactorDefinition, found: Explanation) -> list[str]:
    """Say how a walked score is made up: tiers, what a full cut costs, who carries it, how age widened it."""
    lines: list[str] = []
    if row["tier_1"] is not None:
        names = ("tier_0", "tier_1", "tier_2", "tier_3plus")
        split = "   ".join(
            f"{label} {_share(row[name])}"
            for label, name in zip(("0", "1", "2", "3+"), names, strict=True)
        )
        lines.append(f"  by tier: {split}   (they add to the mid)")
    if row["critical_lo"] is not None:
        lines.append(
            f"  if it is fully cut and nothing stands in: output −{_share(row['critical_mid'])}"
            f" ({_share(row['critical_lo'])}–{_share(row['critical_hi'])});"
            f" linear {_share(row['mid'])}, every elasticity lies between"
        )
    if row["disclosed_lo"] is not None:
        lines.append(
            f"  disclosed {_interval(row, 'disclosed')} and the links {_interval(row, 'walk')}"
            " describe the same flow: reconciled, never added"
        )
    elif row["walk_lo"] is not None:
        lines.append(f"  the links alone say {_interval(row, 'walk')}")
    flows = [
        flow
        for flow in found.flows.iter_rows(named=True)
        if flow["factor_id"] == factor.id and row["basis"] == "main"
    ]
    carried = [flow for flow in flows if flow["flow"]]
    if carried and row["mid"] is not None:
        parts = "; ".join(f"{flow['link_id']} {_share(flow['share'])}" for flow in carried[:4])
        lines.append(f"  passes through (paths overlap): {parts}")
    older = [
        flow
        for flow in flows
        if flow["lo"] != flow["printed_lo"] or flow["hi"] != flow["printed_hi"]
    ]
    if older:
        oldest = max(flow["age_days"] for flow in older)
        lines.append(
            f"  {len(older)} links have wider intervals than printed: up to {oldest} days old"
        )
    return lines


def _interval(row: dict[str, Any], name: str) -> str:
    mid = f" mid {_share(row[f'{name}_mid'])}" if row[f"{name}_mid"] is not None else ""
    return f"{_share(row[f'{name}_lo'])}–{_share(row[f'{name}_hi'])}{mid}"


def _research_lines(found: Explanation, factor: FactorDefinition) -> list[str]:
    points = [row for row in found.research.iter_rows(named=True) if row["factor_id"] == factor.id][
        :3
    ]
    if not points:
        return []
    lines = ["  next to look up, by how much of the interval it explains:"]
    lines += [
        f"    {_share(row['width'])} ({_share(row['share'])})  {row['about']}   [{row['point_id']}]"
        for row in points
    ]
    return [*lines, f"    where: {points[0]['look_at']}"]


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
