"""A run folder is whole or not there; the same inputs find the same folder; the history only grows."""

from __future__ import annotations

import json
import zipfile
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from exposure.errors import UsageError
from exposure.history import (
    RunFolder,
    check_output,
    content_hash,
    file_sha256,
    input_fingerprint,
    list_runs,
    load_run,
    read_history,
    run_id,
    slug,
)

DAY = date(2025, 1, 24)
MANIFEST = {"tool": "exposure 0.1.0", "inputs": [{"name": "holdings.csv", "sha256": "ab"}]}
ID = run_id(DAY, "ai-servers", input_fingerprint(MANIFEST))
TABLE = pl.DataFrame({"factor_id": ["hbm_dependence"], "mid": [0.25], "as_of": [DAY]})


def write_run(out, *, identity=ID, force=False, table=TABLE, note="first", portfolio="ai-servers"):
    folder = RunFolder.open(out, portfolio, identity, force=force)
    with folder:
        (folder.path / "note.txt").write_text(note)
        folder.write_tables({"exposures": table})
        folder.write_manifest(MANIFEST, started="2025-01-24T18:00:00+08:00")
    return folder.final


def names(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def test_a_run_leaves_its_folder_and_its_history(tmp_path):
    final = write_run(tmp_path)

    assert final == tmp_path / "ai-servers" / ID
    assert names(tmp_path) == [
        f"ai-servers/{ID}/manifest.json",
        f"ai-servers/{ID}/note.txt",
        f"ai-servers/{ID}/tables/exposures.parquet",
        f"history/exposures/portfolio=ai-servers/as_of=2025-01-24/{ID}.parquet",
    ]


def test_the_manifest_is_sorted_and_names_hashes_of_outputs(tmp_path):
    final = write_run(tmp_path)

    text = (final / "manifest.json").read_text(encoding="utf-8")
    manifest = json.loads(text)
    assert list(manifest) == sorted(manifest)
    assert manifest["run_id"] == ID
    assert manifest["started"] == "2025-01-24T18:00:00+08:00"
    assert manifest["outputs"]["note.txt"] == file_sha256(final / "note.txt")
    assert str(tmp_path) not in text


@pytest.mark.parametrize(
    "path", ["/home/someone/h.csv", "C:\\Users\\x\\h.csv", "~/h.csv", "\\\\host\\h.csv"]
)
def test_a_full_path_never_gets_into_a_manifest(tmp_path, path):
    folder = RunFolder.open(tmp_path, "p", run_id(DAY, "p", "0" * 8))

    with pytest.raises(UsageError, match=r"full path in inputs\.name"), folder:
        folder.write_manifest({"inputs": [{"name": path}]})

    assert names(tmp_path) == []


def test_a_manifest_that_no_json_can_hold_leaves_nothing(tmp_path):
    folder = RunFolder.open(tmp_path, "p", run_id(DAY, "p", "0" * 8))

    with pytest.raises(TypeError, match="can't hold a set"), folder:
        folder.write_manifest({"as_of": DAY, "what": {1}})

    assert names(tmp_path) == []


def test_the_fingerprint_ignores_the_clock_and_the_order_of_keys():
    one = input_fingerprint({"a": 1, "b": [DAY], "started": "now", "outputs": {"x": "y"}})
    other = input_fingerprint({"b": [DAY], "started": "later", "a": 1})

    assert one == other
    assert one != input_fingerprint({"a": 2, "b": [DAY]})


def test_an_error_leaves_nothing_behind(tmp_path):
    folder = RunFolder.open(tmp_path, "ai-servers", ID)

    def killed_halfway() -> None:
        with folder:
            folder.write_tables({"exposures": TABLE})
            message = "killed"
            raise RuntimeError(message)

    with pytest.raises(RuntimeError, match="killed"):
        killed_halfway()

    assert names(tmp_path) == []
    assert not folder.path.exists()
    assert list_runs(tmp_path).is_empty()


def test_the_same_run_again_keeps_what_is_there(tmp_path):
    write_run(tmp_path, note="first")

    final = write_run(tmp_path, note="second")

    assert (final / "note.txt").read_text() == "first"
    assert list_runs(tmp_path).height == 1


def test_force_replaces_a_run_and_its_history(tmp_path):
    write_run(tmp_path, note="first")
    changed = TABLE.with_columns(pl.lit(0.5).alias("mid"))

    final = write_run(tmp_path, note="second", table=changed, force=True)

    assert (final / "note.txt").read_text() == "second"
    assert read_history(tmp_path, "exposures")["mid"].to_list() == [0.5]
    assert names(tmp_path)[0].startswith("ai-servers/2025")  # nothing set aside is left


def test_a_folder_that_is_no_whole_run_is_not_taken_for_one(tmp_path):
    stray = tmp_path / "ai-servers" / ID
    stray.mkdir(parents=True)
    (stray / "mine.txt").write_text("keep me")

    with pytest.raises(UsageError, match="is no whole run"):
        write_run(tmp_path)

    assert names(tmp_path) == [f"ai-servers/{ID}/mine.txt"]


def test_the_history_is_kept_when_a_run_is_repeated(tmp_path):
    write_run(tmp_path)
    stored = next((tmp_path / "history").rglob("*.parquet"))
    before = stored.read_bytes()

    write_run(tmp_path, table=TABLE.with_columns(pl.lit(9.0).alias("mid")))

    assert stored.read_bytes() == before


def test_the_same_tables_give_the_same_bytes(tmp_path):
    one = write_run(tmp_path / "one")
    other = write_run(tmp_path / "other")

    assert content_hash(one / "tables" / "exposures.parquet") == content_hash(
        other / "tables" / "exposures.parquet"
    )


def test_a_run_without_a_manifest_of_its_own_gets_one(tmp_path):
    folder = RunFolder.open(tmp_path, "p", run_id(DAY, "p", "0" * 8))

    with folder:
        folder.write_tables({"exposures": TABLE})

    assert load_run(folder.final).tables["exposures"].equals(TABLE)


@pytest.mark.parametrize("name", ["CON", "nul", "Lpt1.csv", "com\u00b9", "..", "///", "History"])
def test_a_name_that_is_a_device_or_the_history_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="can't be called"):
        check_output(tmp_path, name)


def test_two_long_names_stay_two_folders():
    one, other = slug("x" * 300), slug("x" * 299 + "y")

    assert one != other
    assert len(one) == len(other) == 64


def test_a_link_anywhere_inside_the_history_is_refused(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    out = tmp_path / "out"
    (out / "history").mkdir(parents=True)
    (out / "history" / "exposures").symlink_to(elsewhere)

    with pytest.raises(UsageError, match="symbolic link"):
        write_run(out)

    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("ai-servers", "ai-servers"),
        ("算力链 组合", "算力链-组合"),
        ("../../etc/passwd", "etc-passwd"),
        ("a/b\\c:d", "a-b-c-d"),
        (".hidden", "hidden"),
        ("x" * 200, "x" * 55 + "-aa20c23e"),
        ("CONSOL", "CONSOL"),
    ],
)
def test_a_portfolio_name_stays_inside_the_output_folder(tmp_path, name, safe):
    assert slug(name) == safe
    identity = run_id(DAY, name, "0" * 8)
    final = write_run(tmp_path, identity=identity, portfolio=name)
    assert final.resolve().is_relative_to(tmp_path.resolve())
    assert final.parent.name == safe


@pytest.mark.parametrize("name", ["", "..", "///", " - "])
def test_a_name_of_nothing_is_refused(name):
    with pytest.raises(UsageError, match="can't be called"):
        slug(name)


def test_a_portfolio_is_not_called_as_the_history_folder(tmp_path):
    with pytest.raises(UsageError, match="is the folder of the history"):
        RunFolder.open(tmp_path, "history", run_id(DAY, "history", "0" * 8))


@pytest.mark.parametrize("identity", ["x", "2025-01-24-p-XYZ", "../2025-01-24-p-00000000"])
def test_another_form_of_run_id_is_refused(tmp_path, identity):
    with pytest.raises(UsageError, match="is no run id"):
        RunFolder.open(tmp_path, "p", identity)


@pytest.mark.parametrize("which", ["out", "portfolio", "run"])
def test_a_symbolic_link_on_the_way_is_refused(tmp_path, which):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    out = tmp_path / "out"
    link = {"out": out, "portfolio": out / "ai-servers", "run": out / "ai-servers" / ID}[which]
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(elsewhere)

    with pytest.raises(UsageError, match="is a symbolic link"):
        write_run(out)

    assert names(elsewhere) == []


def test_a_linked_history_is_refused(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "history").symlink_to(elsewhere)

    with pytest.raises(UsageError, match="is a symbolic link"):
        write_run(tmp_path / "out")

    assert names(elsewhere) == []


def test_a_file_in_the_place_of_the_output_folder_is_refused(tmp_path):
    (tmp_path / "out").write_text("I am a file")

    with pytest.raises(UsageError, match="is a file"):
        write_run(tmp_path / "out")


def test_runs_are_listed_by_day(tmp_path):
    later = run_id(date(2025, 1, 31), "ai-servers", "1" * 8)
    other = run_id(date(2025, 1, 17), "other", "2" * 8)
    write_run(tmp_path, identity=later)
    write_run(tmp_path)
    write_run(tmp_path, identity=other, portfolio="other")

    assert list_runs(tmp_path)["run_id"].to_list() == [other, ID, later]
    assert list_runs(tmp_path, "ai-servers")["folder"].to_list() == [
        f"ai-servers/{ID}",
        f"ai-servers/{later}",
    ]
    assert list_runs(tmp_path / "nothing").is_empty()


def test_a_run_is_read_back(tmp_path):
    stored = load_run(write_run(tmp_path))

    assert stored.run_id == ID
    assert stored.manifest["tool"] == "exposure 0.1.0"
    assert stored.tables["exposures"].equals(TABLE)


def test_a_run_that_was_changed_or_cut_is_not_read(tmp_path):
    final = write_run(tmp_path)
    table = final / "tables" / "exposures.parquet"
    TABLE.with_columns(pl.lit(0.0).alias("mid")).write_parquet(table)

    with pytest.raises(UsageError, match="was changed after the run"):
        load_run(final)
    table.unlink()
    with pytest.raises(UsageError, match="is missing"):
        load_run(final)
    with pytest.raises(UsageError, match="is no run folder"):
        load_run(tmp_path)


def test_the_history_reads_as_one_table_up_to_a_day(tmp_path):
    later = run_id(date(2025, 1, 31), "ai-servers", "1" * 8)
    write_run(tmp_path, table=TABLE.drop("as_of"))
    write_run(tmp_path, identity=later, table=TABLE.with_columns(pl.lit("x").alias("note")))

    both = read_history(tmp_path, "exposures", "ai-servers")
    first = read_history(tmp_path, "exposures", until=DAY)

    assert both["as_of"].to_list() == [DAY, date(2025, 1, 31)]
    assert both["run_id"].to_list() == [ID, later]
    assert both["portfolio"].unique().to_list() == ["ai-servers"]
    assert first["run_id"].to_list() == [ID]
    assert read_history(tmp_path, "nothing").is_empty()


def zipped(path: Path, parts: dict[str, str], year: int) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0)), text)
    return path


def test_a_workbook_is_compared_by_its_parts(tmp_path):
    parts = {"xl/workbook.xml": "<a/>", "docProps/core.xml": "written in 2024"}
    one = zipped(tmp_path / "a.xlsx", parts, 2024)
    two = zipped(tmp_path / "b.xlsx", parts | {"docProps/core.xml": "written in 2025"}, 2025)
    three = zipped(tmp_path / "c.xlsx", parts | {"xl/workbook.xml": "<b/>"}, 2024)

    assert one.read_bytes() != two.read_bytes()
    assert content_hash(one) == content_hash(two)
    assert content_hash(one) != content_hash(three)
