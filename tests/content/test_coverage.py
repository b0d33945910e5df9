"""The broker report is covered: every statement lives somewhere, and a correction stands beside what was wrong."""

from __future__ import annotations

import re
from collections import Counter
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
from exposure.scenarios.reading import scenario_definitions

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
    ("statement", "source"),
    [
        ("1.1-01", "fr-89-96830"),  # 140 entities, not all of them Chinese
        ("1.1-02", "fr-89-96830"),  # entities with footnote 5
        ("1.3-04", "dod-1260h-2025-01-07"),  # the day of the 1260H notice
        ("1.3-10", "cls-autel-2025-01-07"),  # Autel Robotics is not 688208
        ("1.3-16", "worldecr-1260h-2025-01"),  # the group of China State Construction
        ("1.3-17", "dod-1260h-2025-01-07"),  # the old parent of China Telecom
        ("1.4-14", "alstontrade-diffusion"),  # the diffusion rule never applied
        ("1.6-14", "tip3x-smic-2022-03-30"),  # 14 and 28 nm, of foundry revenue
        ("1.6-16", "araconomy-tsmc-2024q4"),  # growth on the quarter
        ("2.1-02", "agdroneinitiative-s1709"),  # the drone act names DJI after all
        ("3.1-04", "tokenmix-r1-pricing"),  # one twenty-seventh
        ("3.3-07", "kuntai-xiamen-2020-03"),  # 神州鲲泰
        ("T1-15", "techtarget-o3"),
        ("T2-20", "zzxutai-bytedance"),
        ("T2-21", "financetom-bytedance-2025-01-21"),
    ],
)
def test_the_known_errors_of_the_report_stand_corrected(catalog, rows, statement, source):
    row = rows.row(by_predicate=pl.col("statement_id") == statement, named=True)
    frames = {
        "evidence": ("evidence_id", catalog.evidence),
        "event": ("event_id", catalog.events),
        "list": ("link_id", catalog.list_links),
    }
    sources = set()
    for ref in row["correction_refs"].split(";"):
        key, frame = frames[ref.partition(":")[0]]
        sources |= set(frame.filter(pl.col(key) == ref.partition(":")[2])["source_id"])

    assert row["verdict"] in ("corrected", "overtaken"), row["statement_en"]
    assert source in sources
    assert row["note"]


@pytest.mark.parametrize("statement", ["2.2-03", "2.2-04", "T3-inspur-05"])
def test_figures_that_others_doubted_and_a_source_confirms_stay_as_stated(rows, statement):
    row = rows.row(by_predicate=pl.col("statement_id") == statement, named=True)

    assert row["verdict"] == "as_stated"
    assert row["refs"].count("evidence:") > 1
    assert "confirmed" in row["note"]


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


NAMED = """
huawei empyrean integrity_tech amec idg_capital tencent catl quectel cxmt sensetime autel
autel_robotics megvii china_railway_construction consys china_marine_defence
china_state_construction china_telecom nvidia supermicro sophgo quliang zhipu keyi_hongyuan tsmc
samsung intel smic dji openai google anthropic alibaba bytedance deepseek microsoft oracle
softbank amazon xai xiaomi baidu apple meta xfusion kunlun_tech tongfang_computer kuntai
xiangjiang_kunpeng fii inspur lenovo unisplendour h3c sugon isoftstone digital_china talkweb
"""


def test_every_company_that_the_report_names_is_in_a_statement(catalog, rows):
    subject = dict(catalog.evidence.select("evidence_id", "subject").iter_rows())
    listed = dict(catalog.list_links.select("link_id", "issuer_id").iter_rows())
    holder = {"evidence": subject, "list": listed}
    found = set()
    for ref in refs(rows):
        kind, _, key = ref.partition(":")
        found.add(holder[kind][key] if kind in holder else key)

    assert set(NAMED.split()) - found == set()


def test_the_numbers_of_table_3_are_the_ones_of_the_catalog(catalog, rows):
    known = {row["evidence_id"]: row for row in catalog.evidence.iter_rows(named=True)}
    cells = rows.filter(
        pl.col("statement_id").str.starts_with("T3-") & pl.col("figures").is_not_null()
    )

    assert cells.height == 76
    for row in cells.iter_rows(named=True):
        held = known[row["refs"].split(";")[0].removeprefix("evidence:")]
        stated = held["mid"] if held["mid"] is not None else held["lo"]
        assert row["value"] == pytest.approx(stated), row["statement_id"]
        printed = row["figures"].split(";")[-1]
        scale = 100 if printed.endswith("%") else 1
        assert float(printed.rstrip("%")) / scale == pytest.approx(row["value"]), row[
            "statement_id"
        ]


# --- against the report itself, where it is at hand ---

HEADINGS = re.compile(r"^(\d\.\d\.|[45]\.) ?\S", re.MULTILINE)
# Page furniture, and names of models, products and tables: no figures.
NAMES = re.compile(
    r"GPT-?4o|o1|o3|R1|V3|DeepSeek-\S+|Claude 3\.5|Gemini 2\.0|GLM-4\S*|Qwen-\S+|H100|H200|X86|IT之家|图 ?\d+|"
    r"表 ?\d+|（\d）|\(\d\)|Tier ?\d|注：",
)
FURNITURE = (
    "图",
    "表",
    "资料来源",
    "Source",
    "Note",
    "2. 我国",
    "3. 海内外",
)  # captions, chapter heads
UNPRINTED = {
    "1.2": {"1"},
    "3.1": {"2024-10"},
}  # in brackets like a list mark; in the caption of a figure
DAYS = (
    (re.compile(r"(\d{4}) 年 12 月 12 月 (\d) 日"), r"\1 年 12 月 \2 日"),  # as misprinted
    (re.compile(r"(\d{4})\.1-9"), r"\1Q1-Q3"),
)
TOKEN = re.compile(
    r"(?P<y>\d{4})(?: ?年 ?|[.-])(?P<m>\d{1,2})(?: ?月 ?|[.-])(?P<d>\d{1,2})(?: ?日)?(?!\d)"
    r"|(?P<ym>\d{4} ?年 ?\d{1,2}(?= ?月)|\d{4}[.-]\d{1,2}(?!\d))(?: ?月)?"
    r"|(?P<md>\d{1,2} ?月 ?\d{1,2}) ?日|(?<![\d-])(?P<md2>\d\d-\d\d)(?![\d-])"
    r"|(?P<month>\d{1,2}) ?月"
    r"|(?P<period>\d{4}(?:H\d|Q\d(?:-Q\d)?))"
    r"|(?P<ratio>\d+/\d+)"
    r"|(?P<number>(?<![\w.])-?\d+(?:\.\d+)?|\d+(?:\.\d+)?) ?多?(?P<scale>[万亿%]?)"
)


def day(*parts):
    return "-".join([part.zfill(2) for part in parts])


def tokens(text):
    """Return the numbers and dates of a text in one form: 2024-12-02, 12-03, 8月, 2024Q3, 1/20, 42%, 300亿, 140."""
    for pattern, right in DAYS:
        text = pattern.sub(right, text)
    found = []
    for match in TOKEN.finditer(text):
        part = match.groupdict()
        if part["y"]:
            found.append(day(part["y"], part["m"], part["d"]))
        elif part["ym"]:
            found.append(day(*re.findall(r"\d+", part["ym"])))
        elif part["md"] or part["md2"]:
            found.append(day(*re.findall(r"\d+", part["md"] or part["md2"])))
        elif part["month"]:
            found.append(part["month"] + "月")
        elif part["period"] or part["ratio"]:
            found.append(part["period"] or part["ratio"])
        else:
            found.append(f"{float(part['number']):g}{part['scale']}")
    return found


@pytest.mark.parametrize(
    ("printed", "same"),
    [
        ("2024 年 12 月 2 日", "2024-12-02"),
        ("2024.5.14", "2024-05-14"),
        ("2025.1", "2025-01"),
        ("全球 1 月 13 日", "01-13"),
        ("从 8 月开始", "8月"),
        ("2024Q3 为 604.28 亿美元", "2024Q3;604.28亿"),
        ("5 万块", "5万"),
        ("降 -12%", "-12%"),
        ("仅为其 1/30", "1/30"),
        ("2024.1-9", "2024Q1-Q3"),
        ("2025-2027 年", "2025-2027"),
        ("6.0", "6"),
    ],
)
def test_figures_as_printed_and_as_written_are_the_same_tokens(printed, same):
    assert tokens(printed) == tokens(same)


def report_body():
    text = next(REPORT.glob("*.txt")).read_text(encoding="utf-8")
    body = text[text.index("\n1. 美国对我国科技领域制裁全面升级\n\n1.1.") :]
    return body[: body.index("\n5. 风险提示\n")]


def report_sections():
    body = report_body()
    found = {}
    marks = [(m.start(), m.group(1).rstrip(".")) for m in HEADINGS.finditer(body)]
    for (start, name), following in zip(marks, [*marks[1:], (len(body), "")], strict=True):
        found[name] = body[start : following[0]]
    return found


@pytest.mark.skipif(not REPORT.is_dir(), reason="needs the broker report of ../shared/report")
def test_the_numbers_and_dates_of_each_section_are_the_figures_of_its_statements(rows):
    tables = {"3.1": ("Table 1",), "3.2": ("Table 2",), "3.3": ("Table 3",)}
    missing = {}
    for name, text in report_sections().items():
        places = (f"section {name}", *tables.get(name, ()))
        mine = rows.filter(
            pl.any_horizontal([pl.col("locator").str.starts_with(place) for place in places])
        )
        stated = {found for cell in mine["figures"].drop_nulls() for found in tokens(cell)}
        lines = [line for line in text.splitlines()[1:] if not line.startswith(FURNITURE)]
        printed = set(tokens(NAMES.sub(" ", "\n".join(lines))))
        if printed != stated - UNPRINTED.get(name, set()):
            missing[name] = sorted(printed ^ (stated - UNPRINTED.get(name, set())))

    assert missing == {}


@pytest.mark.skipif(not REPORT.is_dir(), reason="needs the broker report of ../shared/report")
def test_table_3_is_covered_cell_by_cell(rows):
    table = report_body().split("\n表 3:")[1].split("\n资料来源")[0]
    cells = [
        cell
        for line in table.splitlines()
        for cell in line.split("\t")[2:]
        if re.fullmatch(r"-?\d[\d.]*%?", cell.strip())
    ]
    mine = rows.filter(pl.col("statement_id").str.starts_with("T3-"))["figures"].drop_nulls()
    stated = [found for cell in mine for found in tokens(cell.split(";", 1)[1])]

    assert Counter(found for cell in cells for found in tokens(cell)) == Counter(stated)
