"""``exposure factors`` and ``exposure scenarios``: what the content holds."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from exposure.cli.options import Content, Format, Json, Output
from exposure.cli.output import aligned, chosen_format, emit, emit_json, percent


def register(app: typer.Typer) -> None:
    """Add the commands to the tree."""
    app.command(
        name="factors",
        help=(
            "List the factors, or show one.\n\n"
            "Examples:\n\n  exposure factors\n\n  exposure factors ascend_share --json"
        ),
    )(factors_command)
    app.command(
        name="scenarios",
        help=(
            "List the scenarios or the acts, or show one.\n\nExamples:\n\n  exposure scenarios\n\n"
            "  exposure scenarios hbm_ban\n\n  exposure scenarios --acts\n\n  exposure scenarios US-2024-12-02-FDP-HBM"
        ),
    )(scenarios_command)


_Id = Annotated[Optional[str], typer.Argument(metavar="ID", help="Show only this one, whole.")]  # noqa: UP045


def factors_command(
    factor: _Id = None,
    content: Content = None,
    kind: Format = "table",
    as_json: Json = False,
    output: Output = None,
) -> None:
    """List factor definitions."""
    import polars as pl

    from exposure.errors import check_names
    from exposure.scenarios.reading import load_catalog

    chosen = chosen_format(kind, as_json)
    factors = load_catalog(content).factors
    if factor is not None:
        check_names([factor], factors, "factor")
    rows = [
        {
            "factor_id": item.id,
            "name_zh": item.name_zh,
            "name_en": item.name_en,
            "kind": item.kind,
            "sign": item.sign,
            "unit": item.unit,
            "question": item.question,
            "method": item.method,
            "reference": item.reference,
        }
        for item in factors.values()
        if factor in (None, item.id)
    ]
    if factor is not None and chosen == "table":
        for name, value in rows[0].items():
            typer.echo(f"{name:10} {value}")
        return
    frame = pl.DataFrame(rows)
    if chosen == "table":
        frame = frame.select("factor_id", "name_zh", "kind", "sign", "unit")
    emit(frame, chosen, output)


def scenarios_command(
    scenario: _Id = None,
    acts: Annotated[
        bool,
        typer.Option("--acts", help="The acts that can be replayed, in place of the what-ifs."),
    ] = False,
    content: Content = None,
    kind: Format = "table",
    as_json: Json = False,
    output: Output = None,
) -> None:
    """List scenario definitions."""
    from dataclasses import asdict

    from exposure.scenarios.reading import act_definitions, load_catalog, scenario_definitions
    from exposure.scenarios.what_ifs import chosen_scenarios

    chosen = chosen_format(kind, as_json)
    catalog = load_catalog(content)
    if scenario is not None:
        picked = chosen_scenarios(catalog, [scenario])
    else:
        picked = list((act_definitions if acts else scenario_definitions)(catalog).values())
    if chosen == "json":
        emit_json({"rows": [asdict(item) for item in picked]}, output)
        return
    if scenario is not None and chosen == "table":
        emit_json(asdict(picked[0]), output)
        return
    import polars as pl

    frame = pl.DataFrame(
        [
            {
                "code": item.code,
                "scenario_id": item.id,
                "name_zh": item.name_zh,
                "name_en": item.name_en,
                "nodes": ", ".join(
                    [
                        *(shock.node for shock in item.node_shocks),
                        *(f"{listing.issuer}: {listing.mechanism}" for listing in item.listings),
                    ]
                ),
                "years": f"{item.duration_years.lo:g}–{item.duration_years.hi:g}",
                "probability": "n/a"
                if item.probability is None
                else percent(item.probability.mid, 0),
                "acts": _acts(catalog.events, item.id),
            }
            for item in picked
        ]
    )
    if chosen == "table":
        typer.echo(
            aligned(
                [list(frame.columns), *[[str(cell) for cell in row] for row in frame.iter_rows()]]
            ),
            nl=False,
        )
    else:
        emit(frame, chosen, output)


def _acts(events: object, scenario_id: str) -> int:
    import polars as pl

    frame = events if isinstance(events, pl.DataFrame) else pl.DataFrame()
    return frame.filter(
        pl.col("scenarios").fill_null("").str.split(";").list.contains(scenario_id)
    ).height
