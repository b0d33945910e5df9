"""A folder of the user's own over the shipped content: it adds, it replaces, and it never touches ours."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from exposure.content import ContentRoot, find_content, layer_report, shipped_root
from exposure.errors import ContentError, UsageError
from exposure.factors.scoring import score_issuers
from exposure.scaffold import write_scaffold
from exposure.scenarios.definitions import load_catalog

DAY = date(2025, 1, 24)
EVIDENCE = "factors/evidence/mine.csv"


@pytest.fixture
def mine(tmp_path) -> Path:
    write_scaffold(tmp_path / "mine")
    return tmp_path / "mine"


def add(folder: Path, name: str, **cells: str) -> None:
    """Append a row to a table of the layer."""
    path = folder / name
    header = path.read_text(encoding="utf-8").splitlines()[0].split(",")
    assert set(cells) <= set(header)
    with path.open("a", encoding="utf-8") as file:
        file.write(",".join(cells.get(column, "") for column in header) + "\n")


def fact(folder: Path, evidence_id: str, value: str = "0.5", **other: str) -> None:
    row = {
        "evidence_id": evidence_id,
        "subject": "talkweb",
        "measure": "us_revenue_share",
        "lo": value,
        "mid": value,
        "hi": value,
        "unit": "fraction",
        "period": "2024H1",
        "valid_from": "2024-07-01",
        "known_on": "2024-09-01",
        "grade": "B",
        "status": "observed",
        "verdict": "use",
        "source_id": "zhongyuan-2025-01-24",
        "locator": "note 1",
    }
    add(folder, EVIDENCE, **(row | other))


def talkweb(folder: Path | None, factor: str = "us_revenue_share", day: date = DAY) -> float | None:
    catalog = load_catalog(folder)
    return score_issuers(catalog, ["talkweb"], day, [factor])["mid"].item(0)


def test_an_empty_layer_changes_nothing(mine):
    ours, theirs = load_catalog(shipped_root()), load_catalog(mine)
    issuers = ours.master.issuers["issuer_id"].to_list()

    assert score_issuers(theirs, issuers, DAY).equals(score_issuers(ours, issuers, DAY))
    assert theirs.evidence.equals(ours.evidence)
    assert layer_report(theirs.root)["added"].sum() == 0


def test_a_layer_adds_a_fact(mine):
    fact(mine, "talkweb.us_revenue_share.mine")

    assert talkweb(shipped_root()) is None
    assert talkweb(mine) == pytest.approx(0.5)


def test_a_layer_replaces_a_fact_wherever_it_stands(mine):
    """Ours stands in server_makers.csv; the layer's row of the same id in mine.csv takes its place."""
    name = "inspur.gross_margin.2024h1"
    fact(mine, name, "0.2", subject="inspur", measure="gross_margin")

    rows = load_catalog(mine).evidence.filter(pl.col("evidence_id") == name)

    assert rows["mid"].to_list() == [0.2]
    assert dict(
        layer_report(find_content(mine)).filter(pl.col("file") == EVIDENCE).row(0, named=True)
    ) == {
        "file": EVIDENCE,
        "added": 0,
        "replaced": 1,
        "same": 0,
    }


def test_a_stated_figure_may_replace_a_derived_one(mine):
    fact(mine, "inspur.net_margin.2024h1", "0.014", subject="inspur", measure="net_margin")

    rows = load_catalog(mine).evidence.filter(pl.col("evidence_id") == "inspur.net_margin.2024h1")

    assert rows["formula"].to_list() == [None]


def test_a_repeated_row_is_reported_as_the_same(mine):
    ours = ContentRoot(shipped_root(), "test").read_csv("factors/subjects.csv").row(0, named=True)
    path = mine / "factors" / "subjects.csv"
    path.write_text("subject_id,name_zh,name_en,note\n", encoding="utf-8")
    cells = {key: f'"{value}"' for key, value in ours.items() if key != "source_row" and value}
    add(mine, "factors/subjects.csv", **cells)

    report = layer_report(find_content(mine))

    assert report.filter(pl.col("file") == "factors/subjects.csv").row(0) == (
        "factors/subjects.csv",
        0,
        0,
        1,
    )


def test_a_toml_file_of_the_same_name_replaces_ours(mine):
    name = "factors/definitions/us_revenue_share.toml"
    text = (shipped_root() / name).read_text(encoding="utf-8")
    (mine / "factors" / "definitions").mkdir()
    (mine / name).write_text(text.replace("美国收入占比", "我的美国收入"), encoding="utf-8")

    catalog = load_catalog(mine)

    assert catalog.factors["us_revenue_share"].name_zh == "我的美国收入"
    assert "ascend_share" in catalog.factors


def test_a_fault_in_the_layer_is_named_by_its_own_file_and_row(mine):
    fact(mine, "talkweb.us_revenue_share.mine", source_id="nowhere")

    with pytest.raises(ContentError) as refused:
        load_catalog(mine)

    (place,) = refused.value.places
    assert (place.file, place.row, place.value) == (EVIDENCE, 2, "nowhere")


def test_an_unknown_column_in_the_layer_is_refused(mine):
    path = mine / "factors" / "sources.csv"
    path.write_text("source_id,publisher,titel\n", encoding="utf-8")

    with pytest.raises(ContentError, match=r"sources\.csv"):
        load_catalog(mine)


def test_what_a_layer_learns_later_changes_no_earlier_day(mine):
    fact(mine, "talkweb.us_revenue_share.mine", known_on="2025-03-01")

    assert talkweb(mine, day=DAY) is None
    assert talkweb(mine, day=date(2025, 3, 1)) == pytest.approx(0.5)


def test_the_fingerprint_covers_both_layers(mine):
    before = find_content(mine).fingerprint()
    fact(mine, "talkweb.us_revenue_share.mine")

    assert find_content(mine).fingerprint() != before
    assert find_content(mine).fingerprint() != find_content(shipped_root()).fingerprint()
    assert find_content(mine).fingerprint() == find_content(mine).fingerprint()


def test_a_root_of_its_own_lies_on_nothing(tmp_path):
    for folder in ("factors", "portfolios"):
        (tmp_path / folder).mkdir()
    (tmp_path / "content.toml").write_text('extends = "none"\n', encoding="utf-8")

    root = find_content(tmp_path)

    assert root.base is None
    with pytest.raises(ContentError, match="is missing"):
        root.read_csv("factors/sources.csv")


@pytest.mark.parametrize(
    ("text", "says"),
    [('extends = "ours"', "must be 'shipped'"), ("extend = 1", "did you mean 'extends'")],
)
def test_settings_that_mean_nothing_are_refused(tmp_path, text, says):
    (tmp_path / "factors").mkdir()
    (tmp_path / "content.toml").write_text(text + "\n", encoding="utf-8")

    with pytest.raises(ContentError) as refused:
        find_content(tmp_path)

    assert says in refused.value.render()
    assert "row 1" in refused.value.render()


def test_the_shipped_content_never_lies_on_itself():
    assert find_content(shipped_root()).base is None


def test_a_folder_with_nothing_of_ours_is_no_content(tmp_path):
    with pytest.raises(ContentError, match="not a content folder"):
        find_content(tmp_path)


def test_the_scaffold_keeps_what_is_there(mine):
    before = sorted(path.name for path in mine.iterdir())

    with pytest.raises(UsageError, match="isn't empty"):
        write_scaffold(mine)

    assert sorted(path.name for path in mine.iterdir()) == before
    assert not mine.with_name("mine.part").exists()
