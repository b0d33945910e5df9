"""Fixtures that many suites share: the repository, its content, the sample portfolio, and a week run on it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from exposure.content import ContentRoot

ROOT = Path(__file__).parent.parent
DAY = date(2025, 1, 24)


@pytest.fixture(scope="session")
def root() -> ContentRoot:
    return ContentRoot(ROOT, "tests")


@pytest.fixture(scope="session")
def catalog(root):
    from exposure.scenarios.reading import load_catalog

    return load_catalog(root)


@pytest.fixture(scope="session")
def sample() -> Path:
    return ROOT / "portfolios" / "ai-servers" / "holdings.csv"


@pytest.fixture(scope="session")
def book(catalog, sample):
    from exposure.portfolios.holdings import load_holdings

    return load_holdings(sample, as_of=DAY, master=catalog.master, content=ROOT)


@pytest.fixture(scope="session")
def scores(book, catalog):
    from exposure.attribution import score

    return score(book, catalog)


@pytest.fixture(scope="session")
def risk(root):
    from exposure.risk import load_risk

    return load_risk(root, DAY)


@pytest.fixture(scope="session")
def shock(book, catalog, risk):
    from exposure.scenarios.stressing import stress

    return stress(book, catalog, risk=risk)


@pytest.fixture(scope="session")
def run(sample):
    from exposure.pipeline import run_weekly

    return run_weekly(sample, as_of=DAY, content=ROOT)
