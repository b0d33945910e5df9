"""``exposure screen``: who of a portfolio is on which list; and the queue of matches that wait for a person."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer
from typer.core import TyperGroup

from exposure.cli.options import (
    AllowRejects,
    AsOf,
    Content,
    Format,
    Holdings,
    Json,
    Lang,
    LayoutFile,
    MasterFile,
    MaxAge,
    Output,
    Quiet,
    parse_date,
    today,
)
from exposure.cli.output import chosen_format, emit, emit_json, say, write_out
from exposure.cli.screen_text import queue_text, screen_text

if TYPE_CHECKING:
    import polars as pl

    from exposure.factors.catalog import Catalog
    from exposure.portfolios.holdings import Book

EXIT_LISTED = 4
SAMPLE = "portfolios/ai-servers/holdings.csv --as-of 2025-01-24"
FAIL_ON = {
    "listed": ("listed",),
    "related": ("listed", "related"),
    "unresolved": ("listed", "related", "unresolved"),
}
DEFAULT = "holdings"
ISSUERS = "portfolios/reference/issuers.csv"


class _HoldingsFirst(TyperGroup):
    """A group whose first word may be a holdings file; a file called ``accept`` is written ``./accept``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the name of the command that takes holdings in front of them."""
        if args and args[0] not in (*self.commands, "-h", "--help"):
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


def register(app: typer.Typer) -> None:
    """Add the command to the tree."""
    group = typer.Typer(
        cls=_HoldingsFirst,
        no_args_is_help=True,
        rich_markup_mode=None,
        help=(
            "Sanction lists: exposure screen HOLDINGS says who is on which list, since when, by what relation and "
            "edition, and what it means for a holder. A screening aid, not legal advice.\n\nExamples:\n\n"
            f"  exposure screen {SAMPLE}\n\n"
            f"  exposure screen {SAMPLE} --lists SDN,NS-CMIC --fail-on listed\n\n"
            "  exposure screen holdings.csv --propose --from consolidated.csv --content my-content"
        ),
    )
    group.command(
        name=DEFAULT,
        help=(
            "Who of a portfolio is on which list; the word 'holdings' may be left out.\n\nExamples:\n\n"
            f"  exposure screen {SAMPLE}\n\n  exposure screen {SAMPLE} --lists EL,SDN --json"
        ),
    )(holdings_command)
    group.command(
        name="accept",
        help=(
            "Accept a proposed match or change: it becomes a reviewed link of your content folder.\n\nExamples:\n\n"
            "  exposure screen accept el-7c608222 --relation subsidiary --note 'unit by its annual report' "
            "--content my-content"
        ),
    )(accept_command)
    group.command(
        name="reject",
        help=(
            "Reject a proposed match or change, with the reason; it is not proposed again.\n\nExamples:\n\n"
            "  exposure screen reject sdn-03cd42a9 --note 'shares a common word only' --content my-content"
        ),
    )(reject_command)
    app.add_typer(group, name="screen")


def holdings_command(
    holdings: Holdings,
    as_of: AsOf = None,
    lists: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--lists", metavar="LIST,...", help="Only these lists, e.g. EL,SDN."),
    ] = None,
    propose: Annotated[
        bool,
        typer.Option("--propose", help="Read list files and queue possible matches for review."),
    ] = False,
    from_files: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Option("--from", metavar="FILE", help="Official list file; may be repeated."),
    ] = None,
    store: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--store", metavar="DIR", help="Editions kept by exposure data refresh."),
    ] = None,
    edition: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--edition", metavar="DATE", help="Day of publication of the --from files."),
    ] = None,
    content: Content = None,
    kind: Format = "table",
    as_json: Json = False,
    output: Output = None,
    layout: LayoutFile = None,
    master: MasterFile = None,
    allow_rejects: AllowRejects = False,
    max_age: MaxAge = None,
    fail_on: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--fail-on", metavar="STATUS", help="Exit 4 on 'listed', 'related' or 'unresolved'."
        ),
    ] = None,
    lang: Lang = "both",
    quiet: Quiet = False,
) -> int:
    """Screen a portfolio, or queue what a person has to look at."""
    from exposure.cli.screen_basis import find_basis, footer_lines, refuse_old
    from exposure.factors.screening import screen
    from exposure.portfolios.holdings import load_holdings
    from exposure.scenarios.reading import load_catalog

    chosen = chosen_format(kind, as_json)
    names = (
        None
        if lists is None
        else [name.strip().upper() for name in lists.split(",") if name.strip()]
    )
    if fail_on is not None and fail_on not in FAIL_ON:
        raise typer.BadParameter(f"--fail-on {fail_on!r} must be one of {', '.join(FAIL_ON)}")
    if lang not in ("both", "zh", "en"):
        raise typer.BadParameter(f"--lang {lang!r} must be both, zh or en")
    if names == []:
        raise typer.BadParameter("--lists names no list: e.g. --lists EL,SDN")
    if (from_files or edition) and not propose:
        raise typer.BadParameter("--from and --edition go with --propose")
    catalog = load_catalog(content, master=master)
    book = load_holdings(
        holdings,
        as_of=parse_date(as_of),
        content=content,
        master=catalog.master,
        layout=layout,
        allow_rejects=allow_rejects,
        find_benchmark=False,  # a fault in a file that a screening doesn't need is no reason to refuse it
    )
    if propose:
        queue = _propose(book, catalog, from_files or [], store, parse_date(edition))
        _show_queue(queue, chosen, output, quiet=quiet)
        return 0
    basis = find_basis(catalog, store, book.as_of)
    found = screen(book, basis.catalog, lists=names, seen=basis.seen, open_pairs=basis.open_pairs)
    stored = footer_lines(found, basis)
    if chosen == "json":
        emit_json({**found.to_dict(), "store": list(stored.values())}, output)
    elif chosen != "table":
        emit(found.rows, chosen, output)
    else:
        write_out(screen_text(found, book, stored, lang), output)
    for line in [*_left_out(book), *_open_lines(catalog, book), *basis.lines]:
        say(line, quiet=quiet)
    if max_age is not None:
        refuse_old(found, basis, max_age)
    bad = FAIL_ON.get(fail_on or "", ())
    return EXIT_LISTED if found.rows["status"].is_in(bad).any() else 0


def accept_command(
    proposal: Annotated[str, typer.Argument(metavar="ID", help="Of the proposal.")],
    relation: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--relation", help="self, subsidiary, parent or sister."),
    ] = None,
    note: Annotated[Optional[str], typer.Option("--note", help="What it rests on.")] = None,  # noqa: UP045
    since: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--since", metavar="DATE", help="In effect since, if the list doesn't say."),
    ] = None,
    known_on: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--known-on", metavar="DATE", help="Could be known since."),
    ] = None,
    on: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--on", metavar="DATE", help="Day of the review; by default today."),
    ] = None,
    content: Content = None,
) -> None:
    """Turn a proposal into a reviewed link."""
    from exposure.lists.queue import ACCEPTED, accepted_links

    def links_of(row: dict[str, Any], links: pl.DataFrame, day: date, source: str) -> pl.DataFrame:
        return accepted_links(
            row,
            links,
            on=day,
            source_id=source,
            relation=relation,
            note=note,
            since=parse_date(since),
            known_on=parse_date(known_on),
        )

    _decide(proposal, ACCEPTED, note, _day(on), content, links_of)


def reject_command(
    proposal: Annotated[str, typer.Argument(metavar="ID", help="Of the proposal.")],
    note: Annotated[str, typer.Option("--note", help="Why it is another company.")],
    relation: Annotated[str, typer.Option("--relation", help="none or homonym.")] = "none",
    on: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--on", metavar="DATE", help="Day of the review; by default today."),
    ] = None,
    content: Content = None,
) -> None:
    """Keep a proposal as rejected."""
    from exposure.lists.queue import REJECTED, rejected_links

    def links_of(row: dict[str, Any], links: pl.DataFrame, day: date, source: str) -> pl.DataFrame:
        return rejected_links(row, links, on=day, source_id=source, note=note, relation=relation)

    _decide(proposal, REJECTED, note, _day(on), content, links_of)


def _decide(
    name: str, decision: str, note: str | None, day: date, content: Path | None, links_of: Any
) -> None:
    from exposure.errors import ListError, Place
    from exposure.factors.catalog import load_facts
    from exposure.lists.queue import MATCH, decided, find_proposal
    from exposure.lists.queue_files import (
        LINKS,
        add_links,
        add_source,
        list_source,
        own_content,
        read_queue,
        write_queue,
    )

    catalog = load_facts(content)
    root = own_content(catalog.root)
    queue = read_queue(root)
    row = find_proposal(queue, name)
    if row["issuer_id"] not in set(catalog.master.issuers["issuer_id"]):
        # a link to an issuer that the content doesn't know would make the whole folder unreadable
        raise ListError(
            f"{row['proposal_id']}: {row['issuer_id']} is known through --master only; nothing was written",
            places=[
                Place(ISSUERS, "has no such issuer", column="issuer_id", value=row["issuer_id"])
            ],
            cure=f"add its row to {ISSUERS} of your content folder (and its listings beside it), then decide again",
        )
    source = list_source(row)
    links = links_of(row, catalog.list_links, day, source["source_id"])
    if row["kind"] == MATCH:
        add_source(root, source)
    add_links(root, links, replace=row["kind"] != MATCH)
    write_queue(root, decided(queue, row, decision, note, day))
    typer.echo(f"{decision} {row['proposal_id']}: {row['issuer_id']}, {row['row_name']}")
    for link in links.iter_rows(named=True):
        until = "" if link["valid_to"] is None else f" to {link['valid_to'].isoformat()}"
        say(
            f"{LINKS}: {link['relation']} {link['mechanism']}, {link['valid_from'].isoformat()}{until},"
            f" known {link['known_on'].isoformat()}"
        )


def _propose(
    book: Book, catalog: Catalog, files: list[Path], store: Path | None, edition: date | None
) -> pl.DataFrame:
    """Read editions, put what needs a person into the user's queue, and return what waits for the issuers held."""
    import polars as pl

    from exposure.errors import UsageError
    from exposure.lists.queue import build_queue, waiting
    from exposure.lists.queue_files import own_content, read_queue, write_queue
    from exposure.lists.sources.reading import read_list_files
    from exposure.lists.where import find_store

    root = own_content(catalog.root)
    held = find_store(store)
    pairs: list[tuple[Any, Any]] = []
    if files:
        for snapshot in read_list_files(files, read_on=today(), edition_date=edition):
            pairs += [
                (snapshot.of_list(name), held.previous(snapshot, name))
                for name in snapshot.counts()
            ]
    else:
        for name in held.editions()["list_id"].unique().sort():
            newest = held.newest(name, book.as_of)
            if newest is not None:
                pairs.append((newest, held.previous(newest, name)))
    if not pairs:
        raise UsageError(
            "there is no list file to look in",
            cure="exposure screen HOLDINGS --propose --from consolidated.csv, or exposure data refresh first",
        )
    queue = build_queue(catalog.master, catalog.list_links, pairs, read_queue(root))
    write_queue(root, queue)
    mine = set(book.holdings["issuer_id"].drop_nulls())
    # holdings first, all others of the catalog after them: a supplier's listing matters too
    return waiting(queue).sort(~pl.col("issuer_id").is_in(list(mine)), maintain_order=True)


def _show_queue(queue: pl.DataFrame, chosen: str, output: Path | None, *, quiet: bool) -> None:
    if chosen == "table" and (output is None or str(output) == "-"):
        typer.echo(queue_text(queue), nl=False)
    else:
        emit(queue, chosen, output)
    say(
        "not one of these counts until it is accepted: exposure screen accept|reject ID",
        quiet=quiet,
    )


def _left_out(book: Book) -> list[str]:
    """Say how many rows of the file could not be used: what is not resolved is not screened."""
    import polars as pl

    rows = book.issues.filter(pl.col("severity") == "error").unique(["file", "sheet", "row"]).height
    return [f"{rows} rows of {book.source} were rejected and are not screened"] if rows else []


def _open_lines(catalog: Catalog, book: Book) -> list[str]:
    """Say how many proposals wait for the issuers held; what they propose is said nowhere else."""
    from exposure.content import shipped_root
    from exposure.lists.queue import waiting
    from exposure.lists.queue_files import QUEUE, read_queue

    if catalog.root.path == shipped_root().resolve():
        return []
    mine = set(book.holdings["issuer_id"].drop_nulls())
    count = sum(issuer in mine for issuer in waiting(read_queue(catalog.root))["issuer_id"])
    return [f"{count} proposed matches of these issuers are unreviewed ({QUEUE})"] if count else []


def _day(text: str | None) -> date:
    return parse_date(text) or today()
