"""A folder of the user's own over the shipped content: it adds, it replaces, and it never touches ours."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from exposure.content import ContentRoot, find_content, layer_report, shipped_root
from exposure.content.roots import KEYS
from exposure.errors import ContentError, UsageError
from exposure.factors.catalog import Catalog
from exposure.factors.scoring import score_issuers
from exposure.risk import load_risk
from exposure.scaffold import write_scaffold
from exposure.scenarios.reading import load_catalog

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


def known(catalog: Catalog, evidence_id: str) -> str:
    """Return the day on which a shipped fact became known."""
    rows = catalog.evidence.filter(pl.col("evidence_id") == evidence_id)
    return rows["known_on"].item().isoformat()


def talkweb(folder: Path, day: date = DAY) -> float | None:
    rows = score_issuers(load_catalog(folder), ["talkweb"], day, ["us_revenue_share"])
    return rows["mid"].item(0)


def everything(catalog: Catalog, day: date) -> pl.DataFrame:
    return score_issuers(catalog, catalog.master.issuers["issuer_id"].to_list(), day)


def test_an_empty_layer_changes_nothing(mine, catalog):
    theirs = load_catalog(mine)

    assert everything(theirs, DAY).equals(everything(catalog, DAY))
    assert theirs.evidence.equals(catalog.evidence)
    assert theirs.links.equals(catalog.links)
    assert layer_report(theirs.root)["added"].sum() == 0


def test_a_layer_adds_a_fact(mine):
    fact(mine, "talkweb.us_revenue_share.mine")

    assert talkweb(shipped_root()) is None
    assert talkweb(mine) == pytest.approx(0.5)


def test_a_layer_replaces_a_fact_wherever_it_stands(mine, catalog):
    """Ours stands in server_makers.csv; the layer's row of the same id in mine.csv takes its place."""
    name = "inspur.gross_margin.2024h1"
    fact(mine, name, "0.2", subject="inspur", measure="gross_margin", known_on=known(catalog, name))

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


def test_a_stated_figure_may_replace_a_derived_one(mine, catalog):
    name = "inspur.net_margin.2024h1"
    fact(mine, name, "0.014", subject="inspur", measure="net_margin", known_on=known(catalog, name))

    rows = load_catalog(mine).evidence.filter(pl.col("evidence_id") == name)

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


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        (
            "factors/sources.csv",
            "publisher,title\nme,note\n",
            "column source_id: must not be empty",
        ),
        (EVIDENCE, "subject,measure\ntalkweb,revenue\n", "evidence_id: is missing from the header"),
        ("factors/events.csv", "event_id,title_en\nmine,act\n", "known_on: must not be empty"),
        ("factors/sources.csv", "source_id,titel\n", "column titel: is not a column"),
        ("factors/sources.csv", "source_id\na,b\n", "can't be read as a table"),
    ],
)
def test_a_table_without_its_columns_is_refused(mine, name, text, says):
    (mine / name).write_text(text, encoding="utf-8")

    with pytest.raises(ContentError) as refused:
        load_catalog(mine)

    assert name in refused.value.render()
    assert says in refused.value.render()


def test_what_a_layer_learns_later_changes_no_earlier_day(mine):
    fact(mine, "talkweb.us_revenue_share.mine", known_on="2025-03-01")

    assert talkweb(mine, day=DAY) is None
    assert talkweb(mine, day=date(2025, 3, 1)) == pytest.approx(0.5)


SEGMENT = "talkweb.revenue_share.intelligent_computing.2024h1"
LATER = date(2025, 3, 1)


@pytest.fixture
def corrected(mine) -> Path:
    """A figure of ours, of which our own figures and links are derived, corrected on a later day."""
    measure = "revenue_share.intelligent_computing"
    fact(mine, SEGMENT, "0.41", measure=measure, known_on=LATER.isoformat())
    return mine


def test_a_replacement_known_later_changes_no_earlier_day(corrected, catalog):
    theirs = load_catalog(corrected)

    for day in (date(2024, 12, 31), DAY, date(2025, 2, 28)):
        assert everything(theirs, day).equals(everything(catalog, day)), day
    assert not everything(theirs, LATER).equals(everything(catalog, LATER))


def test_a_replacement_known_later_rules_from_its_day_on(corrected):
    rows = load_catalog(corrected).evidence_at(LATER).filter(pl.col("subject") == "talkweb")
    mids = dict(rows.select("evidence_id", "mid").iter_rows())

    assert SEGMENT not in mids
    assert mids[f"{SEGMENT}.known-2025-03-01"] == pytest.approx(0.41)
    upper = rows.filter(pl.col("evidence_id").str.starts_with("talkweb.ascend_revenue_share.upper"))
    assert upper["evidence_id"].to_list() == [
        "talkweb.ascend_revenue_share.upper.2024h1.known-2025-03-01"
    ]
    assert upper["hi"].item() == pytest.approx(0.41)


def test_a_link_known_later_rules_from_its_day_on(mine, catalog):
    link = catalog.links_at(DAY).filter(pl.col("known_on") < DAY).row(0, named=True)
    cells = {
        "link_id": link["link_id"],
        "supplier": link["supplier"],
        "customer": link["customer"],
        "input_kind": link["input_kind"],
        "criticality": link["criticality"],
        "lo": "0",
        "mid": "0",
        "hi": "0",
        "valid_from": link["valid_from"].isoformat(),
        "known_on": LATER.isoformat(),
        "grade": "A",
        "status": "observed",
        "source_id": "zhongyuan-2025-01-24",
        "locator": "note 2",
    }
    add(mine, "factors/links/mine.csv", **cells)

    theirs = load_catalog(mine)

    assert (
        theirs.links_at(DAY)
        .drop("valid_to", "ended_known_on")
        .equals(catalog.links_at(DAY).drop("valid_to", "ended_known_on"))
    )
    now = theirs.links_at(LATER).filter(pl.col("link_id").str.starts_with(link["link_id"]))
    assert now.filter(pl.col("hi") == 0)["link_id"].to_list() == [
        f"{link['link_id']}.known-2025-03-01"
    ]


def repeat(folder: Path, name: str, **changes: str) -> dict[str, str | None]:
    """Repeat the first row of a shipped table in the layer, with changes."""
    ours = ContentRoot(shipped_root(), "test").read_csv(name).drop("source_row")
    row = ours.row(0, named=True) | changes
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame([row], schema=dict.fromkeys(row, pl.String)).write_csv(folder / name)
    return row


@pytest.mark.parametrize(
    "name",
    [
        "factors/events.csv",
        "factors/lists/reviewed_links.csv",
        "portfolios/reference/ownership.csv",
    ],
)
def test_an_act_known_later_than_ours_is_refused(mine, name):
    repeat(mine, name)
    assert load_catalog(mine).root.base is not None

    repeat(mine, name, known_on="2030-01-01")

    with pytest.raises(ContentError) as refused:
        load_catalog(mine)
    (place,) = refused.value.places
    assert (place.file, place.row, place.column) == (name, 2, "known_on")
    assert "a key of its own" in refused.value.cure


def test_the_first_row_of_every_table_can_be_replaced(mine, catalog):
    """The key of each table in `KEYS` is one that the table has, and that makes its rows one."""
    ours = ContentRoot(shipped_root(), "test")
    names = [
        name
        for part in KEYS
        for name in (ours.csv_names(part.rstrip("/"))[:1] if part.endswith("/") else [part])
    ]
    for name in names:
        repeat(mine, name)

    report = layer_report(find_content(mine))
    theirs = load_catalog(mine)

    rows = {row["file"]: row for row in report.iter_rows(named=True)}
    assert all(rows[name]["same"] == 1 for name in names), rows
    assert report["added"].sum() == report["replaced"].sum() == 0
    assert theirs.evidence.equals(catalog.evidence)


def test_a_row_with_one_more_cell_is_not_the_same(mine):
    row = repeat(mine, "factors/evidence/market.csv")
    frame = pl.read_csv(mine / "factors/evidence/market.csv", infer_schema=False)
    frame.with_columns(
        valid_to=pl.lit("2030-01-01"), ended_known_on=pl.lit("2030-01-01")
    ).write_csv(mine / "factors/evidence/market.csv")

    report = layer_report(find_content(mine)).filter(
        pl.col("file") == "factors/evidence/market.csv"
    )

    assert row["evidence_id"]
    assert report.row(0)[1:] == (0, 1, 0)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("factors/source.csv", "did you mean factors/sources.csv?"),
        ("portfolios/reference/issuer.csv", "did you mean portfolios/reference/issuers.csv?"),
        ("factors/evidence/old/mine.csv", "no .csv file is read"),
        ("factors/definitions/mine.csv", "no .csv file is read"),
        ("factors/evidence/mine.xlsx", "save it as .csv"),
        ("factors/evidence/more.CSV", "save it as .csv"),
        ("portfolios/risk/2025-02-28/crises/loadings.csv", "no .csv file is read"),
        ("portfolios/risk/crisis/loadings.csv", "no .csv file is read"),
        ("portfolios/risk/2025-02-28/crisis/old/loadings.csv", "no .csv file is read"),
    ],
)
def test_a_file_that_nothing_reads_is_refused(mine, name, says):
    (mine / name).parent.mkdir(parents=True, exist_ok=True)
    (mine / name).write_text("a,b\n", encoding="utf-8")

    with pytest.raises(ContentError) as refused:
        find_content(mine)

    (place,) = refused.value.places
    assert place.file == f"mine/{name}"
    assert says in place.why


def test_a_snapshot_of_the_users_own_may_hold_a_crisis_model(mine):
    shipped = shipped_root() / "portfolios" / "risk" / "2025-01-24"
    shutil.copytree(shipped, mine / "portfolios" / "risk" / "2025-01-24")
    before = find_content(mine).fingerprint()

    found = load_risk(find_content(mine), DAY)

    assert found is not None
    assert found.crisis is not None
    shutil.rmtree(mine / "portfolios" / "risk" / "2025-01-24" / "crisis")
    plain = load_risk(find_content(mine), DAY)
    assert plain is not None
    assert plain.crisis is None  # the shipped one belongs to the shipped snapshot
    assert find_content(mine).fingerprint() != before


@pytest.mark.parametrize(
    "name",
    [
        "portfolios/my-book/holdings.csv",
        "portfolios/my-book/holdings.xlsx",
        "factors/evidence/.~lock.mine.csv#",
        "factors/evidence/._mine.csv",
        "factors/.ipynb_checkpoints/nodes.csv",
        "factors/notes.md",
    ],
)
def test_files_that_are_none_of_the_content_stay_alone(mine, name):
    before = find_content(mine).fingerprint()
    (mine / name).parent.mkdir(parents=True, exist_ok=True)
    (mine / name).write_text("none of ours", encoding="utf-8")

    assert load_catalog(mine).factors
    assert (find_content(mine).fingerprint() == before) == ("my-book/holdings.csv" not in name)


def test_a_table_saved_by_a_spreadsheet_is_read(mine):
    fact(mine, "talkweb.us_revenue_share.mine")
    path = mine / EVIDENCE
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))

    assert talkweb(mine) == pytest.approx(0.5)


def test_the_same_layer_gives_the_same_catalog(corrected):
    one, two = load_catalog(corrected), load_catalog(corrected)

    assert one.fingerprint == two.fingerprint
    assert one.evidence.equals(two.evidence)
    assert one.links.equals(two.links)


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


def test_the_scaffold_touches_nothing_beside_it(tmp_path):
    """Nothing of the user's is overwritten or left behind, and a failure leaves nothing."""
    beside = tmp_path / "mine.part"
    beside.mkdir()
    (beside / "precious.txt").write_text("mine", encoding="utf-8")

    write_scaffold(tmp_path / "mine")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "mine.part"]
    assert (beside / "precious.txt").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("is_there", [False, True])
def test_a_failure_of_the_scaffold_leaves_nothing(tmp_path, monkeypatch, is_there):
    folder = tmp_path / "mine"
    if is_there:
        folder.mkdir()
    monkeypatch.setattr("exposure.scaffold.GUIDE", "reports/wording/nothing.md")

    with pytest.raises(OSError, match=r"nothing\.md"):
        write_scaffold(folder)

    assert sorted(tmp_path.rglob("*")) == ([folder] if is_there else [])
