"""Content with an unknown key, a broken reference or a number without a source is refused, with file and line."""

import shutil
from pathlib import Path

import pytest

from exposure.content import ContentRoot, find_content, shipped_root
from exposure.errors import ContentError
from exposure.scenarios.reading import load_catalog
from tests.factories import stand_alone

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def copy(tmp_path) -> Path:
    for folder in ("factors", "portfolios"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return stand_alone(tmp_path)


def edit(root: Path, name: str, old: str, new: str) -> None:
    path = root / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def append(root: Path, name: str, line: str) -> int:
    path = root / name
    text = path.read_text(encoding="utf-8").rstrip("\n")
    path.write_text(f"{text}\n{line}\n", encoding="utf-8")
    return text.count("\n") + 2


def refused(root: Path) -> str:
    with pytest.raises(ContentError) as caught:
        load_catalog(root)
    return caught.value.render()


def test_the_shipped_content_loads(copy):
    assert load_catalog(copy).factors


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("factors/definitions/ascend_share.toml", "sign =", "sing =", "did you mean 'sign'?"),
        (
            "factors/definitions/ascend_share.toml",
            'kind = "revenue_share"',
            'kind = "vibes"',
            "revenue_share",
        ),
        (
            "factors/definitions/ascend_share.toml",
            'id = "ascend_share"',
            'id = "ascend"',
            "must be 'ascend_share'",
        ),
        ("factors/definitions/ascend_share.toml", "order = 1", "", "order"),
        ("factors/definitions/hbm_dependence.toml", '["hbm"]', '["hmb"]', "is not a node"),
        ("factors/scenarios/hbm_ban.toml", 'node = "hbm"', 'node = "hmb"', "no known node"),
        (
            "factors/scenarios/hbm_ban.toml",
            "horizon_weeks",
            "horizon_week",
            "did you mean 'horizon_weeks'?",
        ),
        ("factors/scenarios/hbm_ban.toml", "low = 0.5", "low = 0.9", "rise from low to high"),
        (
            "factors/scenarios/detente.toml",
            'factor = "us_gpu_dependence"',
            'factor = "us_gpus"',
            "no known factor",
        ),
        (
            "factors/scenarios/gpu_export_ban.toml",
            'measure = "domestic_ai_chip_share"',
            'measure = "x"',
            "no evidence",
        ),
        ("factors/assumptions.toml", "lag_weeks", "lag_week", "did you mean 'lag_weeks'?"),
        ("factors/assumptions.toml", "lo = 0.02", "lo = 0.2", "isn't ordered"),
    ],
)
def test_a_faulty_toml_names_the_file_and_the_fault(copy, name, old, new, says):
    edit(copy, name, old, new)

    text = refused(copy)

    assert name in text
    assert says in text


def test_a_number_without_a_reference_is_refused(copy):
    old = 'cause = "rule of 2024-12-02"\nreference = "'
    edit(copy, "factors/scenarios/hbm_ban.toml", old, 'cause = "rule"\nreference = "" # "')

    assert "no reference" in refused(copy)


def test_a_repeated_key_is_refused(copy):
    edit(copy, "factors/scenarios/hbm_ban.toml", 'code = "S2"', 'code = "S2"\ncode = "S3"')

    assert "not valid TOML" in refused(copy)


def test_evidence_without_a_source_is_refused_with_its_line(copy):
    row = append(
        copy,
        "factors/evidence/market.csv",
        "x.y,inspur,ascend_revenue_share,0.1,0.2,0.3,fraction,2024,2025-01-01,,2025-03-01,C,observed,use,,,,",
    )

    text = refused(copy)

    assert f"factors/evidence/market.csv row {row}" in text
    assert "a number has a source and a locator" in text


@pytest.mark.parametrize(
    ("name", "line", "says"),
    [
        (
            "factors/evidence/market.csv",
            "x.y,nobody,m,0.1,0.2,0.3,fraction,2024,2025-01-01,,2025-03-01,C,observed,use,zhongyuan-2025-01-24,t,,",
            "nobody",
        ),
        (
            "factors/evidence/market.csv",
            "x.y,inspur,m,0.1,0.2,0.3,fraction,2024,2025-01-01,,2025-03-01,C,observed,use,no-such-source,t,,",
            "no-such-source",
        ),
        (
            "factors/evidence/market.csv",
            "x.y,inspur,m,0.1,a fifth,0.3,fraction,2024,2025-01-01,,2025-03-01,C,observed,use,zhongyuan-2025-01-24,t,,",
            '"a fifth" is not a number',
        ),
        (
            "factors/evidence/market.csv",
            "x.y,inspur,m,0.5,0.2,0.3,fraction,2024,2025-01-01,,2025-03-01,C,observed,use,zhongyuan-2025-01-24,t,,",
            "interval is ordered",
        ),
        (
            "factors/evidence/market.csv",
            "x.y,inspur,m,0.1,0.2,0.3,fraction,2024,1.1.2025,,2025-03-01,C,observed,use,zhongyuan-2025-01-24,t,,",
            "is not a date",
        ),
        (
            "factors/derivations.csv",
            "x.y,inspur,m,{no.such.row} / 2,point,fraction,2024,2025-01-01,,estimated,",
            "no.such.row",
        ),
        (
            "factors/lists/screened.csv",
            "nobody,EL,2026-07-31,2026-11-20,csl-2026-07-31,",
            "nobody",
        ),
    ],
)
def test_a_faulty_row_is_named_with_its_line(copy, name, line, says):
    row = append(copy, name, line)

    text = refused(copy)

    assert f"{name} row {row}" in text
    assert says in text


def test_the_same_id_twice_is_refused(copy):
    first = (copy / "factors/evidence/market.csv").read_text(encoding="utf-8").splitlines()[1]
    append(copy, "factors/evidence/policy.csv", first)

    assert "stands in more than one row" in refused(copy)


def test_an_unknown_column_is_refused(copy):
    edit(copy, "factors/nodes.csv", "node_id,kind", "node_id,kindness")

    assert "is not a column" in refused(copy)


def test_a_ragged_table_is_refused(copy):
    append(copy, "factors/nodes.csv", "a,b,c,d,e,f,g,h")

    assert "can't be read as a table" in refused(copy)


def test_a_link_formula_over_unknown_evidence_is_refused(copy):
    edit(
        copy,
        "factors/links/ai_servers.csv",
        "{accelerator_bom.hbm_share}",
        "{accelerator_bom.hbm_shares}",
    )

    assert "accelerator_bom.hbm_shares" in refused(copy)


def test_a_missing_file_and_a_missing_folder_are_refused(copy, tmp_path):
    (copy / "factors/sources.csv").unlink()
    assert "factors/sources.csv is missing" in refused(copy)

    with pytest.raises(ContentError, match="not a content folder"):
        find_content(tmp_path / "factors")


def test_the_content_root_is_chosen_in_a_stated_order(copy, tmp_path, monkeypatch):
    monkeypatch.delenv("EXPOSURE_CONTENT", raising=False)
    project = tmp_path / "project"
    project.mkdir()
    (project / "exposure.toml").write_text('content = ".."\n', encoding="utf-8")
    monkeypatch.chdir(project)

    assert find_content().origin == "exposure.toml"
    monkeypatch.setenv("EXPOSURE_CONTENT", str(copy))
    assert find_content().origin == "EXPOSURE_CONTENT"
    assert find_content(ROOT).origin == "argument"

    monkeypatch.delenv("EXPOSURE_CONTENT")
    monkeypatch.chdir("/")
    assert find_content().origin == "shipped with the package"
    assert (shipped_root() / "factors").is_dir()


def test_the_fingerprint_follows_the_content_and_nothing_else(copy):
    root = ContentRoot(copy.resolve(), "test")
    before = root.fingerprint()
    (copy / "factors" / "notes.txt").write_text("not content", encoding="utf-8")
    assert root.fingerprint() == before

    path = copy / "factors" / "nodes.csv"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert root.fingerprint() == before  # line ends don't matter

    edit(copy, "factors/assumptions.toml", "mid = 0.04", "mid = 0.05")
    assert root.fingerprint() != before
