"""The command line as people and schedulers use it: outputs, exit codes, and one clear block for each fault."""

import csv
import io
import json
import shutil
from pathlib import Path

import openpyxl
import pytest

from exposure.cli.main import run
from tests.factories import stand_alone

ROOT = Path(__file__).parent.parent.parent
SAMPLE = ROOT / "portfolios" / "ai-servers"
DAY = ["--as-of", "2025-01-24"]


@pytest.fixture
def book(tmp_path) -> Path:
    """A copy of the sample in a folder of its own: nothing may be written beside it."""
    folder = tmp_path / "book"
    shutil.copytree(SAMPLE, folder)
    return folder / "holdings.csv"


def lines(capsys):
    out = capsys.readouterr()
    return out.out, out.err


# --- fine ------------------------------------------------------------------------------------------------------


def test_score_json_gives_every_factor_with_interval_coverage_and_contributors(book, capsys):
    assert run(["score", str(book), *DAY, "--json"]) == 0

    data = json.loads(lines(capsys)[0])
    factors = {(row["factor_id"], row["basis"]): row for row in data["factors"]}
    assert len({row["factor_id"] for row in data["factors"]}) >= 12
    ascend = factors[("ascend_share", "main")]
    assert ascend["lo"] <= ascend["mid"] <= ascend["hi"]
    assert 0 < ascend["coverage"] < 1
    assert ascend["top_contributors"][0]["listing_id"] == "002261.SZ"
    assert factors[("connected_vehicle_exposure", "main")]["mid"] is None


def test_score_table_is_for_people(book, capsys):
    assert run(["score", str(book), *DAY]) == 0

    out, err = lines(capsys)
    assert "昇腾/鲲鹏收入占比" in out
    assert "n/a" in out
    assert "next: exposure stress" in err


def test_formats_and_files(book, capsys, tmp_path):
    assert run(["score", str(book), *DAY, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(lines(capsys)[0])))
    assert rows[0]["factor_id"] == "ascend_share"

    target = tmp_path / "scores.parquet"
    assert run(["score", str(book), *DAY, "--format", "parquet", "-o", str(target)]) == 0
    assert target.is_file()
    assert not target.with_name("scores.parquet.part").exists()

    assert run(["score", str(book), *DAY, "--by", "listing", "--format", "csv"]) == 0
    assert "evidence_ids" in lines(capsys)[0].splitlines()[0]


def test_stress_all_has_losers_and_winners(book, capsys):
    assert run(["stress", str(book), *DAY, "--all", "--json"]) == 0

    rows = {row["scenario_id"]: row for row in json.loads(lines(capsys)[0])["rows"]}
    assert len(rows) >= 11
    assert rows["foundry_16nm_cut"]["loss_part"] < 0
    assert rows["gpu_export_ban"]["loss_part"] < 0
    assert rows["gpu_export_ban"]["gain_part"] > 0
    assert rows["domestic_substitution"]["result"] > 0
    assert rows["no_event"]["result"] == 0


def test_a_what_if_on_a_node(book, capsys):
    assert run(["stress", str(book), *DAY, "--shock", "us_gpu=-0.4", "--json"]) == 0

    (row,) = json.loads(lines(capsys)[0])["rows"]
    assert row["scenario_id"] == "what_if"
    assert row["loss_part"] < 0


def test_explain_walks_to_the_report(capsys):
    assert run(["explain", "002261.SZ", "ascend_share", *DAY]) == 0

    out = lines(capsys)[0]
    assert "Table 3" in out
    assert "湘江鲲鹏" in out
    assert "80.5%" in out


def test_explain_json(capsys):
    assert run(["explain", "000034.SZ", "ascend_share", *DAY, "--json"]) == 0

    data = json.loads(lines(capsys)[0])
    assert [row["basis"] for row in data["scores"]] == ["main", "gross_profit"]


def test_rebalance_lowers_the_worst_loss_and_says_what_it_costs(book, capsys, tmp_path):
    orders = tmp_path / "orders.csv"
    assert run(["rebalance", str(book), *DAY, "--json", "--trades", str(orders)]) == 0

    data = json.loads(lines(capsys)[0])
    limits = {row["name"]: row for row in data["limits"]}
    assert data["status"] == "optimal"
    assert data["trades"]
    assert all(row["state"] != "breach" for row in data["limits"])
    worst = limits["worst_scenario"]  # returns: a loss is negative
    assert worst["now"] < worst["bound"] <= worst["plan"] + 1e-6
    assert data["cost_bp"] > 0
    assert orders.is_file()


def test_factors_scenarios_schema_and_doctor(capsys):
    assert run(["factors"]) == 0
    assert "foundry_node_dependence" in lines(capsys)[0]
    assert run(["factors", "ascend_share"]) == 0
    assert "question" in lines(capsys)[0]
    assert run(["scenarios", "--json"]) == 0
    assert len(json.loads(lines(capsys)[0])["rows"]) >= 11
    assert run(["scenarios", "hbm_ban"]) == 0
    assert "horizon_weeks" in lines(capsys)[0]
    assert run(["scenarios", "--format", "csv"]) == 0
    assert "hbm_ban" in lines(capsys)[0]
    assert run(["schema"]) == 0
    assert "score.factors" in lines(capsys)[0]
    assert run(["schema", "score.factors", "--json"]) == 0
    assert "coverage" in lines(capsys)[0]
    assert run(["schema", "--json"]) == 0
    assert "plan.conflict" in lines(capsys)[0]
    assert run(["doctor", "--json"]) == 0
    assert json.loads(lines(capsys)[0])["content check"] == "holds together"
    assert run(["doctor"]) == 0
    assert run(["data", "check", *DAY]) == 0
    assert "evidence" in lines(capsys)[0]


def test_report_writes_a_run_folder_and_copies(book, capsys, tmp_path):
    out, copy, page = tmp_path / "runs", tmp_path / "week.xlsx", tmp_path / "week.html"
    arguments = ["report", str(book), *DAY, "--out", str(out), "-o", str(copy), "--html", str(page)]
    assert run(arguments) == 0

    printed = Path(lines(capsys)[0].strip())
    assert printed.is_file()
    assert printed.is_relative_to(out)
    sheets = openpyxl.load_workbook(copy).sheetnames
    assert len(sheets) >= 8
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert (
        json.loads((printed.parent / "manifest.json").read_text(encoding="utf-8"))["as_of"]
        == "2025-01-24"
    )
    assert not list(book.parent.glob("*.part"))

    assert run(arguments) == 2  # the copies exist
    assert "--force" in lines(capsys)[1]
    assert run([*arguments, "--force"]) == 0


# --- faults ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["scor"],
        ["score"],
        ["score", "x.csv", "--bogus"],
        ["score", str(SAMPLE / "holdings.csv"), "--as-of", "24.1.2025"],
        ["score", str(SAMPLE / "holdings.csv"), *DAY, "--format", "xml"],
        ["stress", str(SAMPLE / "holdings.csv"), *DAY],
        ["stress", str(SAMPLE / "holdings.csv"), *DAY, "-s", "hbm_bann"],
        ["stress", str(SAMPLE / "holdings.csv"), *DAY, "--all", "--severity", "huge"],
        ["stress", str(SAMPLE / "holdings.csv"), *DAY, "--shock", "hbm"],
        ["stress", str(SAMPLE / "holdings.csv"), *DAY, "--shock", "hbmm=-0.4"],
        ["rebalance", str(SAMPLE / "holdings.csv"), *DAY, "--cap", "entity_list_status=lots"],
        ["explain", "002262.SZ", *DAY],
        ["explain", "002261.SZ"],
        ["factors", "ascend"],
        ["schema", "score.factor"],
        ["report", str(SAMPLE / "holdings.csv"), *DAY, "--lang", "fr"],
        ["score", str(SAMPLE / "holdings.csv"), *DAY, "--fail-on", "sneeze"],
    ],
)
def test_usage_faults_exit_2(arguments, capsys):
    assert run(arguments) == 2

    out, err = lines(capsys)
    assert out == ""
    assert "Traceback" not in err


def test_a_misspelt_name_offers_the_nearest(capsys):
    run(["stress", str(SAMPLE / "holdings.csv"), *DAY, "-s", "hbm_bann"])

    assert "Did you mean 'hbm_ban'?" in lines(capsys)[1]


def test_a_missing_day_is_asked_for(tmp_path, capsys):
    file = tmp_path / "plain.csv"
    file.write_text("listing,weight\n002261.SZ,1.0\n", encoding="utf-8")

    assert run(["score", str(file)]) == 2
    assert "--as-of" in lines(capsys)[1]


def test_input_faults_exit_3_with_place_and_cure(tmp_path, capsys):
    file = tmp_path / "bad.csv"
    file.write_text("listing,weight\n123456.SZ,0.5\n002261.SZ,12%%\n", encoding="utf-8")

    assert run(["score", str(file), *DAY]) == 3

    err = lines(capsys)[1]
    assert "bad.csv row 2" in err
    assert "bad.csv row 3" in err
    assert "try:" in err


def test_input_faults_as_json(tmp_path, capsys):
    assert run(["score", str(tmp_path / "nowhere.csv"), *DAY, "--json"]) == 3

    fault = json.loads(lines(capsys)[1])
    assert fault["kind"] == "HoldingsError"
    assert fault["exit_code"] == 3


def test_a_breach_exits_4_only_when_asked(book, capsys):
    (book.parent / "mandate.toml").write_text(
        'name = "tight"\n[[factor]]\nfactor = "entity_list_status"\nmax = "10%"\n', encoding="utf-8"
    )

    assert run(["score", str(book), *DAY]) == 0
    assert run(["score", str(book), *DAY, "--fail-on", "breach"]) == 4


def test_an_impossible_mandate_exits_5_and_names_the_limits(book, capsys):
    assert (
        run(
            [
                "rebalance",
                str(book),
                *DAY,
                "--cap",
                "entity_list_status=0.0",
                "--max-turnover",
                "2%",
            ]
        )
        == 5
    )

    err = lines(capsys)[1]
    assert "infeasible" in err
    assert "entity_list_status" in err
    assert "turnover" in err
    assert "repair" in err


def test_an_impossible_mandate_as_json(book, capsys):
    arguments = [
        "rebalance",
        str(book),
        *DAY,
        "--cap",
        "entity_list_status=0.0",
        "--max-turnover",
        "2%",
        "--json",
    ]
    assert run(arguments) == 5

    data = json.loads(lines(capsys)[0])
    assert {row["name"] for row in data["conflict"]} >= {"entity_list_status", "turnover"}


def test_a_mandate_is_asked_for(tmp_path, capsys):
    file = tmp_path / "plain.csv"
    file.write_text("listing,weight\n002261.SZ,1.0\n", encoding="utf-8")

    assert run(["rebalance", str(file), *DAY]) == 3
    assert "mandate.toml" in lines(capsys)[1]


def test_stale_data_exit_7(book, capsys):
    assert run(["score", str(book), "--as-of", "2025-06-30", "--max-age", "30"]) == 7

    assert "risk snapshot of 2025-01-24" in lines(capsys)[1]


def test_nothing_is_written_when_the_input_is_rejected(tmp_path):
    file = tmp_path / "bad.csv"
    file.write_text("", encoding="utf-8")
    before = sorted(p.name for p in tmp_path.iterdir())

    assert (
        run(
            [
                "report",
                str(file),
                *DAY,
                "--out",
                str(tmp_path / "runs"),
                "-o",
                str(tmp_path / "w.xlsx"),
            ]
        )
        == 3
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_another_content_folder_that_is_broken_is_refused_with_file_and_line(
    tmp_path, book, capsys
):
    content = tmp_path / "content"
    for folder in ("factors", "portfolios"):
        shutil.copytree(ROOT / folder, content / folder)
    stand_alone(content)
    target = content / "factors" / "definitions" / "ascend_share.toml"
    target.write_text(
        target.read_text(encoding="utf-8").replace("order = 1", "order = 1\nodrer = 2"),
        encoding="utf-8",
    )

    assert run(["score", str(book), *DAY, "--content", str(content)]) == 3

    err = lines(capsys)[1]
    assert "ascend_share.toml row" in err
    assert "did you mean 'order'?" in err


def test_method_check_says_ok_failed_or_unreadable(tmp_path, capsys):
    cases = ROOT / "tests" / "reference" / "cases"
    assert run(["method", "check", str(cases)]) == 0
    assert "ok" in lines(capsys)[0]

    good = json.loads((cases / "ces_bounds.json").read_text(encoding="utf-8"))
    good["loss_by_rho"] = dict.fromkeys(good["loss_by_rho"], 0.9)
    (tmp_path / "wrong.json").write_text(json.dumps(good), encoding="utf-8")
    assert run(["method", "check", str(tmp_path)]) == 1

    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    assert run(["method", "check", str(tmp_path), "--json"]) == 3


def test_a_risk_snapshot_from_the_users_own_prices(tmp_path, capsys):
    import random

    draw = random.Random(7)
    days = [f"2024-{month:02d}-{day:02d}" for month in range(1, 13) for day in range(1, 26)]
    market = [100.0]
    for _ in days[1:]:
        market.append(market[-1] * (1 + draw.gauss(0, 0.01)))
    rows = ["listing_id,date,close"]
    for name, beta in (("000977.SZ", 1.5), ("603019.SH", 0.5)):
        price = 50.0
        for i, day in enumerate(days):
            if i:
                price *= 1 + beta * (market[i] / market[i - 1] - 1) + draw.gauss(0, 0.002)
            rows.append(f"{name},{day},{price:.6f}")
    (tmp_path / "prices.csv").write_text("\n".join(rows), encoding="utf-8")
    index = ["index_code,date,close"] + [
        f"000300,{d},{m:.6f}" for d, m in zip(days, market, strict=True)
    ]
    index += [f"930651,{d},{100 + 7 * draw.gauss(0, 1):.6f}" for d in days]
    (tmp_path / "indices.csv").write_text("\n".join(index), encoding="utf-8")
    out = tmp_path / "risk" / "2024-12-25"
    arguments = [
        "risk",
        "estimate",
        str(tmp_path / "prices.csv"),
        "--indices",
        str(tmp_path / "indices.csv"),
    ]
    arguments += ["--as-of", "2024-12-25", "--out", str(out), "--theme", "930651"]

    assert run(arguments) == 0

    loadings = {
        (row["listing_id"], row["risk_factor"]): float(row["loading"])
        for row in csv.DictReader((out / "loadings.csv").read_text(encoding="utf-8").splitlines())
    }
    market_factor = next(
        factor for _, factor in loadings if "000300" in factor or "market" in factor
    )
    assert loadings[("000977.SZ", market_factor)] > 1.2
    assert loadings[("603019.SH", market_factor)] < 0.8
    assert run(arguments) == 2  # the snapshot exists
    assert "--force" in lines(capsys)[1]


def test_version(capsys):
    assert run(["--version"]) == 0
    assert lines(capsys)[0].strip() == "0.1.0"
