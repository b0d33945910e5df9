"""``exposure init``: a content folder of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from exposure.cli.output import say


def register(app: typer.Typer) -> None:
    """Add the command to the tree."""
    app.command(name="init", help=_HELP)(init_command)


_HELP = (
    "Make a content folder of your own that adds to the shipped facts or replaces some.\n\n"
    "Examples:\n\n"
    "  exposure init my-content\n\n"
    "  exposure init my-content --example\n\n"
    "  exposure init my-content --use"
)


def init_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")] = Path(
        "my-content"
    ),
    example: Annotated[
        bool, typer.Option("--example", help="Also write one made-up company, to show the format.")
    ] = False,
    use: Annotated[
        bool, typer.Option("--use", help="Also name the folder in a new exposure.toml here.")
    ] = False,
) -> None:
    """Write the folder and say how to use it."""
    from exposure.scaffold import PROJECT, refuse_settings, use_by_default, write_scaffold

    here = Path()
    if use:
        refuse_settings(here)
    for name in write_scaffold(folder, example=example):
        typer.echo((folder / name).as_posix())
    if use:
        use_by_default(folder, here)
        typer.echo(PROJECT)
    say(f"check it:  exposure data check --content {folder}")
    if use:
        say(f"in use:    {PROJECT} names it for every command run here or below")
    else:
        say(f'use it:    --content {folder}, or content = "{folder}" in {PROJECT}')
