"""``exposure method events``: what prices did after the registered acts, and whether the model ranked the names."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from exposure.cli.options import Content, Format, Json, Output, Quiet
from exposure.cli.output import aligned, chosen_format, emit, emit_json, say, write_out

if TYPE_CHECKING:
    from exposure.validation.event_study import EventStudy

HELP = (
    "Event study of the registered acts: abnormal returns, rank correlation with the predictions of the day before,"
    " placebo dates, baselines, power.\n\n"
    "Examples:\n\n"
    "  exposure method events --prices ashares.parquet --prices hongkong.parquet --market indices.parquet:000300\n\n"
    "  exposure method events --prices closes.csv --market indices.csv --write docs/validation.md\n\n"
    "Columns: prices wind_code, listing_id or ticker, date, close or close_adj; market index_code, date, close."
)
TABLES = ("events", "ranks", "pooled", "power", "names")


def events_command(
    prices: Annotated[
        list[Path],
        typer.Option(
            "--prices",
            metavar="FILE",
            help="Adjusted daily closes, CSV or parquet; may be repeated.",
        ),
    ],
    market: Annotated[
        str,
        typer.Option(
            "--market",
            metavar="FILE[:CODE]",
            help="Index closes, CSV or parquet, and the market's code; by default the protocol's.",
        ),
    ],
    protocol: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--protocol", metavar="FILE", help="Another protocol than the content's."),
    ] = None,
    write: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--write", metavar="FILE", help="Write the page as Markdown."),
    ] = None,
    table: Annotated[
        str,
        typer.Option("--table", metavar="NAME", help=f"For csv and parquet: {', '.join(TABLES)}."),
    ] = "events",
    content: Content = None,
    kind: Format = "table",
    as_json: Json = False,
    output: Output = None,
    quiet: Quiet = False,
) -> int:
    """Run the study; print its tables, or write the page."""
    from exposure.content.files import read_toml_file
    from exposure.scenarios.reading import load_catalog
    from exposure.validation.event_panel import read_closes
    from exposure.validation.event_protocol import load_protocol
    from exposure.validation.event_study import run_event_study

    chosen = chosen_format(kind, as_json)
    if table not in TABLES:
        raise typer.BadParameter(f"--table {table!r} must be one of {', '.join(TABLES)}")
    file, code = market_file(market)
    closes, index_closes = read_closes(prices), read_closes([file], "index_code")
    catalog = load_catalog(content)
    rules = load_protocol(catalog, None if protocol is None else read_toml_file(protocol))
    if code is not None and code != rules.market:
        say(f"market {code} instead of {rules.market}, which the protocol registers", quiet=quiet)
        rules = replace(rules, market=code)
    study = run_event_study(
        catalog, closes, index_closes, protocol=rules, tell=lambda text: say(text, quiet=quiet)
    )
    if write is not None:
        from exposure.content.writing import write_text
        from exposure.validation.event_report import study_markdown

        names = [path.name for path in (*prices, file)]
        write_text(write, study_markdown(study, names, catalog.fingerprint))
        say(f"wrote {write.name}", quiet=quiet)
    if chosen == "json":
        emit_json(study.to_dict(), output)
    elif chosen == "table":
        write_out(_text(study), output)
    else:
        emit(getattr(study, table), chosen, output)
    return 0


def market_file(text: str) -> tuple[Path, str | None]:
    """Split ``FILE:CODE``; a colon that isn't followed by a code belongs to the path.

    Examples
    --------
    >>> market_file("indices.parquet:000300")[1], market_file("indices.parquet")[1]
    ('000300', None)
    """
    found = re.fullmatch(r"(.{2,}):([0-9A-Za-z]+(?:\.[A-Za-z]+)?)", text)
    return (Path(text), None) if found is None else (Path(found[1]), found[2])


def _text(study: EventStudy) -> str:
    from exposure.validation.event_tables import (
        level_table,
        pooled_table,
        power_table,
        rank_table,
        verdict,
    )

    first, last = study.protocol.windows[0]
    window = f"[{first},+{last}]"
    parts = (
        (f"level, window {window}, market model", level_table(study, window)),
        (f"ranking, window {window}, market and group", rank_table(study, window)),
        ("pooled rank correlation, market and group", pooled_table(study)),
        ("power", power_table(study)),
    )
    blocks = [f"{title}\n{aligned(rows)}" for title, rows in parts]
    return "\n".join([*blocks, *verdict(study), ""])
