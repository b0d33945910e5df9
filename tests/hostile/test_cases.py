"""Sixty-two hostile inputs and more through the real command line: none kills, hangs, fills or misleads.

If one of these fails, a file from outside can end the interpreter, cost more than two seconds or
300 MB, spoil an earlier output, leave a file behind, show a traceback, or be read as something that
it does not say.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from exposure.portfolios.holdings import load_holdings
from tests.hostile.books import CSV
from tests.hostile.cases import CASES, Case, Given, right
from tests.hostile.harness import PROJECT, Outcome, Worker, run_alone

pytestmark = pytest.mark.skipif(os.name == "nt", reason="measured by /proc and wait4")

AS_OF = "2025-01-24"
EARLIER = "earlier.json"
MAX_SECONDS = 2.0  # above what a good file of two lines takes
MAX_HANG = 30.0
MAX_MIB = 300.0


def arguments(given: Given) -> list[str]:
    return ["score", given.name, "--as-of", AS_OF, "--json", "-o", EARLIER, *given.options]


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    shared = Worker()
    yield shared
    shared.close()


GOOD = Given("week.csv", CSV.encode(), right())


def run_good(tmp: Path, worker: Worker | None) -> Outcome:
    folder, scratch = tmp / "good", tmp / "scratch"
    folder.mkdir()
    scratch.mkdir()
    (folder / GOOD.name).write_bytes(CSV.encode())
    done = (worker.run if worker else run_alone)(arguments(GOOD), folder, scratch)
    assert done.code == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def good_alone(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return run_good(tmp_path_factory.mktemp("alone"), None)


@pytest.fixture(scope="module")
def good_shared(tmp_path_factory: pytest.TempPathFactory, worker: Worker) -> Outcome:
    run_good(tmp_path_factory.mktemp("first"), worker)  # the first one pays for the catalog
    return run_good(tmp_path_factory.mktemp("shared"), worker)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_hostile(
    case: Case, tmp_path: Path, request: pytest.FixtureRequest, worker: Worker
) -> None:
    for number, given in enumerate(case.make()):
        # a process of its own for the first file of a dangerous kind; its brothers share the worker
        alone = case.alone and number == 0
        good: Outcome = request.getfixturevalue("good_alone" if alone else "good_shared")
        folder, scratch = tmp_path / f"{number}", tmp_path / f"{number}.scratch"
        folder.mkdir()
        scratch.mkdir()
        if callable(given.data):
            given.data(folder)
        else:
            (folder / given.name).write_bytes(given.data)
        (folder / EARLIER).write_text("earlier", encoding="utf-8")
        before = sorted(folder.iterdir())

        run = run_alone if alone else worker.run
        done = run(arguments(given), folder, scratch)

        what = f"file {number}: {done}"[:2_000]
        assert done.code in (
            {3} if not given.expected.read else {0, 3} if given.expected.refused else {0}
        ), what
        assert "Traceback" not in done.stderr, what
        # on a busy machine the clock runs on while others work; the processor's own time does not
        over = min(done.seconds - good.seconds, done.processor - good.processor)
        assert over < MAX_SECONDS, what
        assert done.seconds < MAX_HANG, what
        assert done.mib - (good.mib if alone else 0) < MAX_MIB, what
        assert sorted(folder.iterdir()) == before, "a file was left behind"
        assert list(scratch.iterdir()) == [], "a temporary file was left behind"
        if done.code == 3:
            check_refusal(given, done, folder)
        else:
            check_reading(given, folder)


def check_refusal(given: Given, done: Outcome, folder: Path) -> None:
    error = done.error
    assert (folder / EARLIER).read_text(encoding="utf-8") == "earlier"
    assert error["exit_code"] == 3
    assert error["places"], error
    assert error["try"], error
    assert all(place["file"] == (given.blames or given.name) for place in error["places"]), error
    assert all(place["why"] for place in error["places"])
    shown = {key: error["places"][0].get(key) for key in given.expected.place}
    assert shown == given.expected.place, error
    assert "polars" not in done.stderr.lower()
    assert len(done.stderr) < 8_000
    assert str(folder.parent) not in done.stderr


def check_reading(given: Given, folder: Path) -> None:
    book = load_holdings(folder / given.name, as_of=date.fromisoformat(AS_OF), content=PROJECT)
    weights = dict(book.holdings.select("listing_id", "weight").iter_rows())
    assert weights == pytest.approx(given.expected.weights)


def test_every_number_of_the_design_is_here() -> None:
    numbers = [case.number for case in CASES]
    assert len(set(numbers)) == len(numbers)
    # 50 and 62 are about outputs: test_outputs.py
    assert set(range(1, 63)) - set(numbers) == {50, 62}
