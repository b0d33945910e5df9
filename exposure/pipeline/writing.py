"""Write a week to its folder, aside first, and say what it was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from exposure.content.writing import replacing
from exposure.errors import UsageError
from exposure.history import RunFolder, check_output
from exposure.pipeline.weekly import run_weekly
from exposure.reports.run import Run

if TYPE_CHECKING:
    from exposure.portfolios.securities.loading import MasterSource

OUTPUT = Path("reports") / "output"


@dataclass(frozen=True, slots=True)
class Written:
    """Where a run went, and what to say about it."""

    run: Run
    folder: Path
    workbook: Path
    talk: tuple[str, ...]
    states: tuple[str, ...]
    exit_code: int


def run_and_write(
    holdings: Path,
    *,
    as_of: date | None = None,
    mandate: Path | None = None,
    benchmark: Path | None = None,
    content: str | Path | None = None,
    layout: str | Path | None = None,
    master: MasterSource | None = None,
    allow_rejects: bool = False,
    max_age: int | None = None,
    name: str | None = None,
    out: Path | None = None,
    lang: str = "both",
    workbook_copy: Path | None = None,
    html_copy: Path | None = None,
    force: bool = False,
) -> Written:
    """Run the week and write its folder: workbook, HTML edition, orders, tables, manifest.

    Parameters
    ----------
    out
        Folder for runs; by default ``reports/output`` in the current folder.
    workbook_copy, html_copy
        Extra copies; an existing file is kept unless ``force``.

    Returns
    -------
    Written
        The run folder appears whole or not at all.

    Raises
    ------
    UsageError
        If a copy would overwrite a file without ``force``, or the folder leads somewhere else.
    ExposureError
        See :func:`run_weekly`.
    """
    from exposure.reports.html import write_html  # noqa: PLC0415 - openpyxl and templates only when writing
    from exposure.reports.trades import write_trades  # noqa: PLC0415
    from exposure.reports.workbook import write_workbook  # noqa: PLC0415

    for copy in (workbook_copy, html_copy):
        if copy is not None and copy.exists() and not force:
            raise UsageError(
                f"{copy.name} exists", cure="add --force to replace it, or name another file"
            )
    root = OUTPUT if out is None else out
    check_output(root, name)  # before the work rather than after it
    run = run_weekly(
        holdings,
        mandate=mandate,
        benchmark=benchmark,
        as_of=as_of,
        content=content,
        layout=layout,
        master=master,
        allow_rejects=allow_rejects,
        max_age=max_age,
        name=name,
        lang=lang,
    )
    folder = RunFolder.open(root, run.name, run.run_id, force=force)
    with folder:
        write_workbook(run, folder.path / "workbook.xlsx", lang=lang, content=content)
        write_html(run, folder.path / "summary.html", lang=lang, content=content)
        if run.plan is not None and run.plan.solved:
            write_trades(
                run.plan.trades, folder.path / "trades.csv", as_of=run.as_of, portfolio=run.name
            )
        folder.write_tables(run_tables(run))
        folder.write_manifest(run.manifest)
    final = folder.final
    workbook = final / "workbook.xlsx"
    _copy(workbook, workbook_copy)
    _copy(final / "summary.html", html_copy)
    states = [] if run.plan is None else run.plan.limits["state"].to_list()
    return Written(run, final, workbook, tuple(_talk(run)), tuple(states), _exit_code(run))


def run_tables(run: Run) -> dict[str, pl.DataFrame]:
    """Return the tables that go into the run folder and the history."""
    tables = {
        "holdings": run.holdings,
        "issues": run.issues,
        "issuer_scores": run.issuer_scores,
        "positions": run.position_scores,
        "exposures": run.exposures,
        "contributions": run.contributions,
        "scenario_returns": run.scenario_returns,
        "scenario_results": run.scenario_results,
        "list_status": run.list_status,
        "evidence": run.evidence,
    }
    if run.plan is not None:
        tables |= {
            "plan_weights": run.plan.weights,
            "trades": run.plan.trades,
            "limits": run.plan.limits,
        }
        if run.plan.conflict is not None:
            tables["conflict"] = run.plan.conflict
    return tables


def _copy(source: Path, target: Path | None) -> None:
    if target is None:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    # "x": what already has this name, a link perhaps, is not written through
    with replacing(target) as aside, aside.open("xb") as stream:
        stream.write(source.read_bytes())


def _talk(run: Run) -> list[str]:
    lines = [f"run {run.run_id}"]
    if run.plan is None:
        lines.append("no mandate: scored and stressed, no plan")
    elif not run.plan.solved:
        lines.append(
            f"the plan is {run.plan.status}: the Trades sheet names the limits that clash and the repairs"
        )
    return lines


def _exit_code(run: Run) -> int:
    if run.plan is None or run.plan.solved:
        return 0
    return 5 if run.plan.status == "infeasible" else 6
