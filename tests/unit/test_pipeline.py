"""The whole flow: one week, its record, its folder; the same inputs give the same week."""

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

import exposure as ex
from exposure.errors import MandateError, StaleData
from exposure.history import content_hash
from exposure.pipeline import (
    counted_exposure,
    limit_state,
    need_mandate,
    prepare,
    read_prices,
    run_and_write,
    run_weekly,
)

ROOT = Path(__file__).parent.parent.parent
DAY = date(2025, 1, 24)


def test_a_week_holds_everything_a_report_shows(run):
    assert run.name == "ai-servers"
    assert run.plan is not None
    assert run.plan.solved
    assert run.scenario_results.height >= 33
    assert run.evidence.height > 100
    assert run.manifest["content_fingerprint"]
    assert run.synthetic


def test_the_plan_keeps_every_limit(run):
    assert "breach" not in run.plan.limits["state"].to_list()
    weights = run.plan.weights["weight_plan"]
    assert weights.max() <= 0.10 + 1e-9
    assert weights.min() >= 0.0


def test_the_plan_lowers_the_worst_loss(run):
    worst = run.plan.limits.filter(pl.col("name") == "worst_scenario").row(0, named=True)

    assert worst["now"] < worst["bound"] <= worst["plan"] + 1e-9


def test_orders_come_in_lots(run):
    lots = run.plan.trades.filter(pl.col("listing_id").str.ends_with(".SZ"))

    assert lots.height > 0
    assert all(quantity % 100 == 0 for quantity in lots.filter(pl.col("side") == "buy")["quantity"])


def test_the_same_inputs_give_the_same_week(sample, run):
    again = run_weekly(sample, as_of=DAY, content=ROOT)

    assert again.run_id == run.run_id
    assert again.scenario_returns.equals(run.scenario_returns)
    assert again.plan.weights.equals(run.plan.weights)
    assert again.evidence.equals(run.evidence)


def test_another_day_is_another_week(sample, run):
    later = run_weekly(sample, as_of=date(2025, 6, 30), content=ROOT)

    assert later.run_id != run.run_id
    inspur = later.list_status.filter(
        (pl.col("issuer_id") == "inspur") & (pl.col("list_id") == "EL")
    )
    assert inspur["status"].item() == "listed"  # itself since 2025-03-25
    then = run.list_status.filter((pl.col("issuer_id") == "inspur") & (pl.col("list_id") == "EL"))
    assert then["status"].item() == "related"  # only its parent in January


def test_any_frame_goes_in():
    frame = pl.DataFrame({"listing": ["002261.SZ", "000034.SZ"], "weight": [0.6, 0.4]})

    week = ex.run_weekly(frame.to_pandas(), as_of=DAY, content=ROOT)

    assert week.plan is None  # no mandate, no plan
    assert week.holdings.height == 2


def test_a_run_folder_is_whole(tmp_path, sample):
    written = run_and_write(sample, as_of=DAY, content=ROOT, out=tmp_path / "runs")

    manifest = json.loads((written.folder / "manifest.json").read_text(encoding="utf-8"))
    assert written.workbook.is_file()
    assert (written.folder / "summary.html").is_file()
    assert (written.folder / "trades.csv").is_file()
    assert (written.folder / "tables" / "exposures.parquet").is_file()
    assert set(manifest["outputs"]) >= {"workbook.xlsx", "summary.html", "trades.csv"}
    assert str(tmp_path) not in json.dumps(manifest)
    assert not list(tmp_path.rglob("*.part"))
    assert any("run 2025-01-24-ai-servers" in line for line in written.talk)


def test_the_same_week_gives_the_same_workbook_parts(tmp_path, sample):
    first = run_and_write(sample, as_of=DAY, content=ROOT, out=tmp_path / "a")
    second = run_and_write(sample, as_of=DAY, content=ROOT, out=tmp_path / "b")

    assert content_hash(first.workbook) == content_hash(second.workbook)


def test_an_impossible_mandate_is_a_result_with_exit_5(tmp_path, sample):
    mandate = tmp_path / "mandate.toml"
    mandate.write_text(
        'name = "tight"\n[turnover]\nmax = "1%"\n[[factor]]\nfactor = "entity_list_status"\nmax = "0%"\n',
        encoding="utf-8",
    )

    written = run_and_write(sample, as_of=DAY, mandate=mandate, content=ROOT, out=tmp_path / "runs")

    assert written.exit_code == 5
    assert written.run.plan.status == "infeasible"
    assert (written.folder / "tables" / "conflict.parquet").is_file()
    assert not (written.folder / "trades.csv").exists()
    assert any("infeasible" in line for line in written.talk)


def test_mandate_and_benchmark_beside_the_holdings_are_used(sample):
    inputs = prepare(sample, as_of=DAY, content=ROOT)

    assert inputs.mandate_source == "mandate.toml (beside the holdings)"
    assert inputs.book.benchmark_source is not None


def test_a_missing_mandate_says_where_it_is_expected():
    inputs = prepare(
        pl.DataFrame({"listing": ["002261.SZ"], "weight": [1.0]}), as_of=DAY, content=ROOT
    )

    with pytest.raises(MandateError, match=r"mandate\.toml"):
        need_mandate(inputs, Path("holdings.csv"))


def test_old_risk_data_are_refused_on_request(sample):
    with pytest.raises(StaleData, match="157 days old"):
        prepare(sample, as_of=date(2025, 6, 30), content=ROOT, max_age=30)
    with pytest.raises(StaleData, match="no risk snapshot"):
        prepare(sample, as_of=date(2024, 6, 30), content=ROOT, max_age=30)


def test_an_unknown_score_counts_at_its_worse_end():
    positions = pl.DataFrame(
        {
            "factor_id": ["f", "f"],
            "basis": ["main", "main"],
            "weight": [0.5, 0.5],
            "lo": [0.1, 0.0],
            "mid": [0.2, None],
            "hi": [0.3, 1.0],
        }
    )

    assert counted_exposure(positions, "f", "main", "<=", "mid") == pytest.approx(0.6)
    assert counted_exposure(positions, "f", "main", ">=", "mid") == pytest.approx(0.1)
    assert counted_exposure(positions, "f", "main", "<=", "hi") == pytest.approx(0.65)


@pytest.mark.parametrize(
    ("value", "sense", "state"),
    [
        (0.10, "<=", "ok"),
        (0.28, "<=", "watch"),
        (0.29997, "<=", "at_limit"),
        (0.31, "<=", "breach"),
        (0.31, ">=", "watch"),
        (0.29, ">=", "breach"),
    ],
)
def test_states(value, sense, state):
    assert limit_state(value, 0.30, sense) == state


def test_prices_are_read_whatever_the_vendor_calls_the_columns(tmp_path):
    pl.DataFrame({"wind_code": ["A"], "date": [DAY], "close": [1.5]}).write_parquet(
        tmp_path / "a.parquet"
    )
    (tmp_path / "b.csv").write_text("ticker,date,close_adj\nB,2025-01-24,2.5\n", encoding="utf-8")

    frame = read_prices([tmp_path / "a.parquet", tmp_path / "b.csv"])

    assert frame["listing_id"].to_list() == ["A", "B"]
    assert frame["close"].to_list() == [1.5, 2.5]
    assert frame["date"].to_list() == [DAY, DAY]


def test_prices_that_are_no_table_are_refused(tmp_path):
    (tmp_path / "a.parquet").write_text("no", encoding="utf-8")

    with pytest.raises(ex.HoldingsError, match=r"a\.parquet"):
        read_prices([tmp_path / "a.parquet"])
