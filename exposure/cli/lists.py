"""``exposure data refresh``, ``data lists``, ``data lists diff``, ``data status``: the editions of sanction lists."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from exposure.cli.options import AsOf, Content, Format, Json, MaxAge, Output, parse_date, today
from exposure.cli.output import aligned, chosen_format, emit, emit_json, say, write_out

if TYPE_CHECKING:
    import polars as pl

    from exposure.lists.refresh import Refreshed
    from exposure.lists.snapshot import Snapshot

STALE = 7
MOST_NAMES = 5
MARKS = {"ok": "● ok", "warn": "▲ old", "refuse": "■ too old", "due": "▲ due", "none": "? none"}
StoreFolder = Annotated[
    Optional[Path],  # noqa: UP045 - typer evaluates it at run time
    typer.Option(
        "--store",
        metavar="DIR",
        help="Folder of editions; by default EXPOSURE_LISTS, the setting lists, or lists/.",
    ),
]


def register(data: typer.Typer) -> None:
    """Add the commands to the group ``data``."""
    data.command(
        name="refresh",
        help=(
            "Read sanction lists from files or from the agencies, check them, keep them, say what changed.\n\n"
            "Examples:\n\n"
            "  exposure data refresh --from consolidated.csv --edition 2026-07-31\n\n"
            "  exposure data refresh --from SDN.CSV ADD.CSV ALT.CSV SDN_COMMENTS.CSV --edition 2026-07-31 --dry-run\n\n"
            "  exposure data refresh csl"
        ),
    )(refresh_command)
    data.command(
        name="status",
        help=(
            "How old the lists, the reviews of evidence and the risk snapshot are.\n\n"
            "Examples:\n\n  exposure data status\n\n  exposure data status --as-of 2025-01-24 --json"
        ),
    )(status_command)
    lists = typer.Typer(
        invoke_without_command=True,
        rich_markup_mode=None,
        help=(
            "Editions of sanction lists and their age; exit 7 if one is too old to rely on absence from it.\n\n"
            "Examples:\n\n  exposure data lists\n\n  exposure data lists --as-of 2026-08-05 --json\n\n"
            "  exposure data lists diff EL"
        ),
    )
    lists.callback()(lists_command)
    lists.command(
        name="diff",
        help=(
            "What changed between two editions of a list.\n\n"
            "Examples:\n\n  exposure data lists diff EL\n\n"
            "  exposure data lists diff NS-CMIC --from 2026-07-24 --to 2026-07-31 --format csv"
        ),
    )(diff_command)
    data.add_typer(lists, name="lists")


# --- refresh ------------------------------------------------------------------------------------------------------


def refresh_command(
    names: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(metavar="[AGENCY|FILE]...", help="Agencies; after --from more files."),
    ] = None,
    files: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Option("--from", metavar="FILE", help="Read files instead of the agencies."),
    ] = None,
    edition: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--edition", metavar="DATE", help="Day of publication, if the file states none."
        ),
    ] = None,
    fetched_on: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--fetched-on", metavar="DATE", help="Day the files were fetched from the agency."
        ),
    ] = None,
    accept_fewer: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--accept-fewer", metavar="LIST", help="This list really lost over 2% of its rows."
        ),
    ] = None,
    store: StoreFolder = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and compare; keep nothing.")
    ] = False,
    content: Content = None,
    kind: Format = "table",
    as_json: Json = False,
    output: Output = None,
) -> int:
    """Refresh the lists."""
    import tempfile

    from exposure.content import find_content
    from exposure.lists.fetching import fetch_lists, load_agencies
    from exposure.lists.refresh import refresh
    from exposure.lists.sources.reading import read_list_files
    from exposure.lists.touched import load_reviewed_links
    from exposure.lists.where import find_store

    chosen = chosen_format(kind, as_json)
    day = today()
    root = find_content(content)
    links = load_reviewed_links(root)
    published = parse_date(edition)
    snapshots: list[Snapshot]
    if files:
        paths = [*files, *map(Path, names or [])]
        seen = parse_date(fetched_on)
        snapshots = list(
            read_list_files(paths, read_on=day, edition_date=published, fetched_on=seen)
        )
    else:
        with tempfile.TemporaryDirectory(prefix="exposure-lists-") as folder:
            snapshots = fetch_lists(
                load_agencies(root), names or [], Path(folder), read_on=day, edition_date=published
            )
    target = find_store(store)
    done = refresh(
        target,
        snapshots,
        links,
        dry_run=dry_run,
        accept_fewer=[name.upper() for name in accept_fewer or []],
    )
    if chosen == "json":
        emit_json({"dry_run": dry_run, "lists": [_facts(one) for one in done]}, output)
    elif chosen == "table":
        write_out("\n".join([line for one in done for line in _told(one)]) + "\n", output)
    else:
        emit(_summary(done), chosen, output)
    new = sum(one.state == "new" for one in done)
    where = f"in {target.folder.name}/"
    say(
        f"{new} of {len(done)} lists are new; nothing is kept (--dry-run)"
        if dry_run
        else f"{new} of {len(done)} lists are new and kept {where}"
    )
    _warn_of_links(done)
    return 0


def _told(one: Refreshed) -> list[str]:
    lines = [one.line + ("" if one.state == "new" else "; the same file was kept before")]
    found, previous = one.changes, one.previous
    if found is None or previous is None:
        lines[0] += "; the first in this layout"
    else:
        came = found.aliases.filter(found.aliases["change"] == "added").height
        changed = found.changed["row_key"].n_unique()
        parts = [
            (found.added.height, f"{found.added.height} new rows{_some_names(found.added)}"),
            (found.removed.height, f"{found.removed.height} rows gone{_some_names(found.removed)}"),
            (changed, f"{changed} rows changed"),
            (found.aliases.height, f"{found.aliases.height - came} aliases gone, {came} new"),
        ]
        told = [text for count, text in parts if count] or ["nothing changed"]
        lines += [f"  since {previous.edition_date.isoformat()}: {text}" for text in told]
    lines += [
        f"  link {row['link_id']} ({row['decision']}): {row['change']}: {row['detail']}"
        for row in one.touched.iter_rows(named=True)
    ]
    rules = one.edition.issues.group_by("severity", "rule").len().sort("severity", "rule")
    if rules.height:
        counts = ", ".join(f"{rule} {count}" for _, rule, count in rules.iter_rows())
        lines.append(f"  issues: {counts}")
    return lines


def _some_names(rows: pl.DataFrame) -> str:
    if rows.is_empty():
        return ""
    shown = "; ".join(rows["name"].head(MOST_NAMES))
    return f": {shown}" + (
        f" and {rows.height - MOST_NAMES} more" if rows.height > MOST_NAMES else ""
    )


def _warn_of_links(done: list[Refreshed]) -> None:
    left = [
        row
        for one in done
        for row in one.touched.iter_rows(named=True)
        if row["change"] == "row left" and row["decision"] == "accepted"
    ]
    if left:
        say(
            f"warning: the rows of {len(left)} reviewed links have left their list; the links end at this edition."
            " Read why, then fill valid_to and ended_known_on in factors/lists/reviewed_links.csv"
        )


def _facts(one: Refreshed) -> dict[str, Any]:
    edition = one.edition
    return {
        "list_id": one.list_id,
        "state": one.state,
        "line": one.line,
        "edition_date": edition.edition_date,
        "read_on": edition.read_on,
        "rows": edition.rows.height,
        "sha256": edition.sha256,
        "layout": edition.layout,
        "address": edition.address,
        "previous": one.previous.edition_date if one.previous else None,
        "issues": edition.issues.to_dicts(),
        "changes": one.changes.table().to_dicts() if one.changes else None,
        "links_touched": one.touched.to_dicts(),
    }


def _summary(done: list[Refreshed]) -> pl.DataFrame:
    import polars as pl

    rows = [
        {
            "list_id": one.list_id,
            "edition_date": one.edition.edition_date,
            "rows": one.edition.rows.height,
            "sha256": one.edition.sha256,
            "state": one.state,
            "previous": one.previous.edition_date if one.previous else None,
            "rows_added": one.changes.added.height if one.changes else None,
            "rows_removed": one.changes.removed.height if one.changes else None,
            "rows_changed": one.changes.changed["row_key"].n_unique() if one.changes else None,
            "aliases_changed": one.changes.aliases.height if one.changes else None,
            "links_touched": one.touched["link_id"].n_unique(),
            "issues": one.edition.issues.height,
        }
        for one in done
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


# --- editions and their age ---------------------------------------------------------------------------------------


def lists_command(
    context: typer.Context,
    as_of: AsOf = None,
    store: StoreFolder = None,
    content: Content = None,
    kind: Format = "table",
    as_json: Json = False,
    output: Output = None,
) -> int:
    """Show the editions held and their age; 7 if one is too old."""
    if context.invoked_subcommand is not None:
        return 0
    from exposure.content import find_content
    from exposure.lists.ages import list_ages
    from exposure.lists.snapshot import load_editions
    from exposure.lists.where import find_store

    chosen = chosen_format(kind, as_json)
    day = parse_date(as_of) or today()
    target = find_store(store)
    held = target.editions()
    ages = list_ages(held, load_editions(find_content(content)), day)
    if chosen == "json":
        shown = held.drop("folder").to_dicts()
        emit_json({"as_of": day, "ages": ages.to_dicts(), "editions": shown}, output)
    elif chosen == "table":
        write_out("\n".join(_age_lines(ages)) + "\n", output)
        if held.is_empty():
            say(
                f"no editions in {target.folder.name}/: exposure data refresh --from FILE keeps one"
            )
    else:
        emit(ages, chosen, output)
    refused = ages.filter(ages["state"] == "refuse")
    if refused.height:
        say(
            f"as of {day.isoformat()} too old to rely on absence from it: "
            + ", ".join(refused["list_id"])
            + ". try: exposure data refresh"
        )
    return STALE if refused.height else 0


def _age_lines(ages: pl.DataFrame) -> list[str]:
    table = [["list", "edition", "rows", "SHA-256", "last seen", "days", "state", "from"]]
    table += [
        [
            row["list_id"],
            row["edition_date"].isoformat(),
            "n/a" if row["rows"] is None else str(row["rows"]),
            (row["sha256"] or "n/a")[:12],
            row["seen_on"].isoformat(),
            str(row["days"]),
            MARKS[row["state"]],
            row["layout"] or row["origin"],
        ]
        for row in ages.iter_rows(named=True)
    ]
    return [*aligned(table).splitlines(), "screening aid, not legal advice"]


def diff_command(
    list_id: Annotated[str, typer.Argument(metavar="LIST", help="EL, SDN, NS-CMIC, ...")],
    first: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--from", metavar="DATE", help="The earlier edition; by default the one before."
        ),
    ] = None,
    second: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--to", metavar="DATE", help="The later edition; by default the newest."),
    ] = None,
    store: StoreFolder = None,
    kind: Format = "table",
    as_json: Json = False,
    output: Output = None,
) -> int:
    """Compare two editions."""
    from exposure.lists.changes import changes
    from exposure.lists.where import find_store

    chosen = chosen_format(kind, as_json)
    target = find_store(store)
    list_id = list_id.upper()
    new = target.edition(list_id, parse_date(second))
    old = target.before(new, list_id, parse_date(first))
    table = changes(new, old).table()
    days = {"list_id": list_id, "from": old.edition_date, "to": new.edition_date}
    say(f"{old.line(list_id)}\n{new.line(list_id)}\n{table.height} changes")
    emit(table, chosen, output, days)
    return 0


# --- status -------------------------------------------------------------------------------------------------------


def status_command(
    as_of: AsOf = None,
    store: StoreFolder = None,
    content: Content = None,
    max_age: MaxAge = None,
    kind: Format = "table",
    as_json: Json = False,
    output: Output = None,
) -> int:
    """Show how old everything is that a run rests on."""
    from exposure.lists.where import find_store
    from exposure.pipeline.freshness import freshness
    from exposure.scenarios.reading import load_catalog

    chosen = chosen_format(kind, as_json)
    day = parse_date(as_of) or today()
    table = freshness(load_catalog(content), find_store(store).editions(), day)
    if chosen == "table":
        rows = [["what", "day", "days", "state", "note"]]
        rows += [
            [
                row["what"],
                row["day"].isoformat() if row["day"] else "n/a",
                "n/a" if row["days"] is None else str(row["days"]),
                MARKS[row["state"]],
                row["note"],
            ]
            for row in table.iter_rows(named=True)
        ]
        write_out(
            "\n".join([f"as of {day.isoformat()}", *aligned(rows).splitlines()]) + "\n", output
        )
    else:
        emit(table, chosen, output, {"as_of": day})
    if max_age is not None:
        old = table.filter((table["days"] > max_age) & (table["kind"] != "evidence"))
        if old.height:
            say(f"older than {max_age} days: {', '.join(old['what'])}")
            return STALE
    return 0
