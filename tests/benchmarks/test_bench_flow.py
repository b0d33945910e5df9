"""How long the parts of a week take, against reading the content: run by make bench, never a pass or fail."""

from datetime import date
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
DAY = date(2025, 1, 24)


@pytest.mark.benchmark(group="week")
def test_bench_load_catalog(benchmark, root):
    from exposure.scenarios.reading import load_catalog

    assert benchmark(load_catalog, root).factors


@pytest.mark.benchmark(group="week")
def test_bench_score(benchmark, book, catalog):
    from exposure.attribution import score

    assert benchmark(score, book, catalog).factors.height


@pytest.mark.benchmark(group="week")
def test_bench_stress_all(benchmark, book, catalog, risk):
    from exposure.scenarios.stressing import stress

    assert benchmark(stress, book, catalog, risk=risk).portfolio.height


@pytest.mark.benchmark(group="week")
def test_bench_rebalance(benchmark, book, catalog, scores, shock, risk):
    from exposure.optimiser.planning import rebalance

    mandate = ROOT / "portfolios" / "ai-servers" / "mandate.toml"
    plan = benchmark(
        rebalance, book, catalog, mandate=mandate, scores=scores, shock=shock, risk=risk
    )

    assert plan.status.is_ok


@pytest.mark.benchmark(group="week")
def test_bench_workbook(benchmark, run, tmp_path):
    from exposure.reports.workbook import write_workbook

    assert benchmark(write_workbook, run, tmp_path / "week.xlsx").is_file()
