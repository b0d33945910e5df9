"""Entry point ``exposure``: builds the command tree and turns every fault into one clear block and an exit code."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import traceback
from typing import Annotated

import typer

from exposure.cli import (
    catalogue,
    demo,
    explain,
    health,
    init,
    mapping,
    portfolio,
    report,
    risk,
    screen,
    stress,
)

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="exposure",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Supply-chain exposure of equity portfolios under sanctions: score, stress, rebalance, report.\n\n"
        "Examples:\n\n"
        "  exposure demo\n\n"
        "  exposure score portfolios/ai-servers/holdings.csv --as-of 2025-01-24\n\n"
        "Data go to stdout, talk goes to stderr. Exit codes: 0 fine, 1 unexpected, 2 usage, 3 input or data rejected, "
        "4 limit breached (with --fail-on), 5 infeasible, 6 solver failed, 7 stale data, 130 interrupted."
    ),
)


def _version(show: bool) -> None:
    if show:
        from importlib.metadata import version

        typer.echo(version("supply-chain-exposure"))
        raise typer.Exit


@app.callback()
def _root(
    _version_flag: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of a fault.")] = False,
) -> None:
    if debug:
        os.environ["EXPOSURE_DEBUG"] = "1"


demo.register(app)
init.register(app)
portfolio.register(app)
stress.register(app)
report.register(app)
mapping.register(app)
screen.register(app)
explain.register(app)
catalogue.register(app)
risk.register(app)
health.register(app)


def main() -> None:
    """Run the command line and exit with the code of the contract."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code; nothing escapes as a traceback unless asked for."""
    _readable_streams()
    try:
        result = app(arguments, standalone_mode=False)
    except typer.Exit as stop:
        return stop.exit_code
    except (typer.Abort, KeyboardInterrupt):
        typer.echo("interrupted", err=True)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _silence_stdout()
        return 0
    except Exception as fault:
        show = getattr(fault, "show", None)
        if show is not None:  # typer's own usage faults; their base class is not public
            show()
            return EXIT_USAGE
        return _report(fault, as_json="--json" in arguments or _format_json(arguments))
    return result if isinstance(result, int) else 0


def _report(fault: Exception, *, as_json: bool) -> int:
    from exposure.errors import ExposureError

    if os.environ.get("EXPOSURE_DEBUG"):
        traceback.print_exc()
    if isinstance(fault, ExposureError):
        text = json.dumps(fault.to_dict(), ensure_ascii=False) if as_json else fault.render()
        code = f"   (exit {fault.exit_code})" if not as_json else ""
        first, *rest = text.split("\n")
        typer.echo("\n".join([first + code, *rest]), err=True)
        return fault.exit_code
    if isinstance(fault, OSError):
        name = os.path.basename(str(fault.filename)) if fault.filename else ""  # noqa: PTH119 - may be no path at all
        typer.echo(f"error: {fault.strerror or fault} {name}".rstrip() + "   (exit 3)", err=True)
        return 3
    typer.echo(
        f"error: unexpected: {type(fault).__name__}: {fault}   (exit 1)\n"
        "try: the same command with --debug before the command name, and report what it prints",
        err=True,
    )
    return 1


def _format_json(arguments: list[str]) -> bool:
    return "--format" in arguments and "json" in arguments[arguments.index("--format") + 1 :][:1]


def _readable_streams() -> None:
    """Print Chinese and marks on any console: UTF-8 where possible, replacement where not."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            with contextlib.suppress(ValueError, OSError):
                reconfigure(encoding="utf-8", errors="replace")


def _silence_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush doesn't complain of a closed pipe."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
