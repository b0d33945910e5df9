"""The broker report is covered: every statement lives somewhere, and a correction stands beside what was wrong."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from exposure.errors import ContentError
from exposure.factors.coverage import (
    check_coverage,
    checked,
    coverage_markdown,
    load_coverage,
)
from exposure.scenarios.definitions import scenario_definitions

ROOT = Path(__file__).parent.parent.parent
FILE = "factors/coverage/zhongyuan-2025-01-24.csv"
REPORT = ROOT.parent / "shared" / "report"


@pytest.fixture(scope="module")
def coverage(catalog):
    return load_coverage(catalog)


@pytest.fixture(scope="module")
def rows(coverage):
    return coverage[FILE]


@pytest.fixture(scope="module")
def scenarios(catalog):
    return sorted(scenario_definitions(catalog))


def refs(rows, column="refs"):
    return [part for text in rows[column].drop_nulls() for part in text.split(";")]


def test_every_statement_lives_where_the_coverage_says(catalog, scenarios, coverage):
    assert check_coverage(catalog, scenarios, coverage) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"refs": "evidence:nowhere.at.all", "value": None}, "points at nothing"),
        ({"value": 15.0}, "lies outside"),
        ({"verdict": "corrected", "correction_refs": None}, "no correction has a source"),
        (
            {
                "verdict": "corrected",
                "correction_refs": "evidence:us_policy.veu_removed.2024-12-02",
            },
            "no correction",
        ),
    ],
)
def test_a_statement_that_has_moved_is_found(catalog, scenarios, rows, change, says):
    at = rows["statement_id"] == "1.1-03"
    broken = rows.with_columns(
        pl.when(at).then(pl.lit(value)).otherwise(pl.col(name)).alias(name)
        for name, value in change.items()
    )

    (place,) = check_coverage(catalog, scenarios, {FILE: broken})

    assert says in place.why
    assert place.row == rows.filter(at)["source_row"].item()
    with pytest.raises(ContentError, match="1 statements"):
        checked(catalog, scenarios, {FILE: broken})


def test_a_fact_that_was_deleted_is_missed(catalog, scenarios, coverage):
    gone = "us_policy.hbm_controls.2024-12-02"
    poorer = replace(catalog, evidence=catalog.evidence.filter(pl.col("evidence_id") != gone))

    assert any(gone in str(place.value) for place in check_coverage(poorer, scenarios, coverage))


@pytest.mark.parametrize(
    "statement",
    ["1.1-02", "1.3-10", "1.3-16", "1.3-17", "1.4-14", "3.3-07", "T3-inspur-05", "1.3-04"],
)
def test_the_known_errors_of_the_report_stand_corrected(rows, statement):
    row = rows.row(by_predicate=pl.col("statement_id") == statement, named=True)

    assert row["verdict"] in ("corrected", "overtaken"), row["statement_en"]
    assert row["correction_refs"]
    assert row["note"]


def test_sugon_gross_profit_is_corrected_by_the_half_year_data(rows):
    sugon = rows.filter(
        pl.col("refs").str.contains("sugon.segment_gross_profit", literal=True)
    ).row(0, named=True)

    assert sugon["verdict"] == "corrected"
    assert "sugon.segment_gross_margin.it_equipment.2024h1" in sugon["correction_refs"]


def test_every_act_of_the_report_is_a_statement(catalog, rows):
    acts = set(catalog.events.filter(pl.col("in_report"))["event_id"])
    named = {ref.removeprefix("event:") for ref in refs(rows) if ref.startswith("event:")}

    assert acts <= named
    assert (catalog.events.filter(pl.col("in_report"))["scenarios"].is_not_null()).all()


def test_every_fact_taken_from_the_report_is_a_statement(catalog, rows):
    """Figures that only priors rest on are named by the links that use them."""
    taken = catalog.evidence.filter(
        (pl.col("source_id") == "zhongyuan-2025-01-24") & pl.col("formula").is_null()
    )
    named = {ref.removeprefix("evidence:") for ref in refs(rows) if ref.startswith("evidence:")}
    priors = {name for name in taken["evidence_id"] if name.startswith("prior.")}

    assert set(taken["evidence_id"]) - named - priors == set()


def test_the_page_is_the_one_that_the_command_writes(catalog, scenarios, coverage):
    page = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")

    assert page == coverage_markdown(catalog, scenarios, coverage), (
        "run: exposure data coverage --write docs/coverage.md"
    )


# --- against the report itself, where it is at hand ---

HEADINGS = re.compile(r"^(\d\.\d\.|[45]\.) ?\S", re.MULTILINE)
DOTTED_DAY = re.compile(r"(\d{4})\.(\d{1,2})(?:\.(\d{1,2}))?")
# Names of models, products and tables: no figures.
NAMES = re.compile(
    r"GPT-?4o|GPT-4|o1|o3|R1|V3|DeepSeek-\S+|Claude 3\.5|Gemini 2\.0|GLM-4\S*|Qwen-\S+|H100|H200|A100|IT之家|图 ?\d+|"
    r"表 ?\d+|（\d）|\(\d\)|第十三|Tier ?\d|5G|COO|www\S+|注：|1/\d+",
)


def numbers(text):
    return {float(found) for found in re.findall(r"\d+(?:\.\d+)?", text)}


def report_sections():
    text = next(REPORT.glob("*.txt")).read_text(encoding="utf-8")
    body = text[text.index("\n1. 美国对我国科技领域制裁全面升级\n\n1.1.") :]
    end = body.index("\n5. 风险提示\n")
    body = body[:end]
    found = {}
    marks = [(m.start(), m.group(1).rstrip(".")) for m in HEADINGS.finditer(body)]
    for (start, name), following in zip(marks, [*marks[1:], (len(body), "")], strict=True):
        found[name] = body[start : following[0]]
    return found


@pytest.mark.skipif(not REPORT.is_dir(), reason="needs the broker report of ../shared/report")
def test_every_number_of_the_report_is_a_figure_of_a_statement_of_its_section(rows):
    tables = {"3.1": ("Table 1",), "3.2": ("Table 2",), "3.3": ("Table 3",)}
    missing = {}
    for name, text in report_sections().items():
        places = (f"section {name}", *tables.get(name, ()))
        mine = rows.filter(
            pl.any_horizontal([pl.col("locator").str.starts_with(place) for place in places])
        )
        stated = numbers(";".join(mine["figures"].drop_nulls().to_list()).replace("-", ";"))
        lines = [
            line
            for line in text.splitlines()
            if not line.startswith(("图", "表", "资料来源", "Source", "Note"))
        ]
        printed = numbers(DOTTED_DAY.sub(r"\1;\2;\3", NAMES.sub(" ", "\n".join(lines[1:]))))
        if printed - stated:
            missing[name] = sorted(printed - stated)

    assert missing == {}
