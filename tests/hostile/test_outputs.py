"""Where a run writes: no name and no link leads it out of its folder."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from exposure.errors import UsageError
from exposure.history import RunFolder, run_id, slug
from exposure.pipeline.writing import _copy
from tests.hostile.books import CSV
from tests.hostile.harness import run_alone

DAY = date(2025, 1, 24)


def write_run(out: Path, portfolio: str) -> Path:
    folder = RunFolder.open(out, portfolio, run_id(DAY, portfolio, "0" * 8))
    with folder:
        folder.write_tables({"exposures": pl.DataFrame({"mid": [0.5]})})
    return folder.final


@pytest.mark.parametrize(
    "name",
    [
        "../../x",
        "a/b",
        "a\\b",
        "x" * 300,
        "算" * 300,
        "a\x00b",
        "a\nb",
        "C:\\x",
        "~root",
        "-rf",
        "x. ",
    ],
)
def test_case_50_a_portfolio_name_stays_inside(tmp_path: Path, name: str) -> None:
    out = tmp_path / "deep" / "out"
    final = write_run(out, name)
    assert final.is_dir()
    assert final.resolve().is_relative_to(out.resolve())
    assert all(path.is_relative_to(out) for path in tmp_path.rglob("*") if path.is_file())
    assert final.parent.parent == out
    assert len(final.name.encode()) < 240


@pytest.mark.parametrize(
    "name", ["CON", "con.csv", "NUL", "com1", "LPT9.x", "..", "/", "", "HISTORY"]
)
def test_case_50_a_name_that_is_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="can't be called"):
        write_run(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_case_50_two_long_names_do_not_meet() -> None:
    assert slug("x" * 300) != slug("x" * 301)


@pytest.mark.parametrize("place", ["out", "out/p", "out/history"])
def test_case_62_a_linked_output_folder_is_refused_before_the_run(
    tmp_path: Path, place: str
) -> None:
    elsewhere, scratch = tmp_path / "elsewhere", tmp_path / "scratch"
    elsewhere.mkdir()
    scratch.mkdir()
    link = tmp_path / place
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(elsewhere)
    (tmp_path / "week.csv").write_text(CSV, encoding="utf-8")
    command = ["report", "week.csv", "--as-of", "2025-01-24", "--out", "out", "-p", "p"]
    done = run_alone(command, tmp_path, scratch)
    assert done.code == 2, done
    assert "symbolic link" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(elsewhere.iterdir()) == []


def test_case_62_a_copy_is_not_written_through_a_link(tmp_path: Path) -> None:
    source, target, victim = tmp_path / "a", tmp_path / "copy", tmp_path / "victim"
    source.write_text("new", encoding="utf-8")
    victim.write_text("keep", encoding="utf-8")
    target.symlink_to(victim)
    _copy(source, target)
    assert target.read_text(encoding="utf-8") == "new"
    assert victim.read_text(encoding="utf-8") == "keep"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "copy", "victim"]
