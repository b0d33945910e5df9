"""The README is true: its names exist, its commands run, its Python runs."""

import re
import shlex
import tomllib
import zipfile
from pathlib import Path

import pytest

import exposure as ex
from exposure.cli.main import run

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands():
    lines = [line for block in blocks("console") for line in block.splitlines()]
    return [line.split("#")[0].strip() for line in lines if line.startswith("exposure ")]


def test_the_name_table_is_the_public_api():
    table = README.split("| name | what |")[1].split("\n\n")[0]
    named = set(re.findall(r"`([A-Za-z_]+)`", table))

    assert named == set(ex.__all__)


@pytest.mark.parametrize("command", commands())
def test_every_command_runs(command, tmp_path, monkeypatch, capsys):
    (tmp_path / "portfolios").symlink_to(ROOT / "portfolios")
    monkeypatch.chdir(tmp_path)
    if "--content my-content" in command:  # the line before it makes the folder
        run(["init", "my-content"])

    assert run(shlex.split(command)[1:]) == 0
    assert capsys.readouterr().out


def test_the_python_block_runs(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    (code,) = blocks("python")

    exec(compile(code, "README.md", "exec"), {})

    assert "shadow_price" in capsys.readouterr().out


def test_every_exit_code_is_listed():
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}

    assert listed == {0, 1, 2, 3, 4, 5, 6, 7, 130}


def test_the_pictures_exist():
    for name in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert (ROOT / name).is_file()


@pytest.mark.slow
def test_the_wheel_has_its_content(tmp_path):
    from hatchling.builders.wheel import WheelBuilder

    built = next(
        iter(WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"]))
    )
    with zipfile.ZipFile(built) as wheel:
        names = set(wheel.namelist())

    for name in (
        "exposure/py.typed",
        "exposure/_bundled/factors/events.csv",
        "exposure/_bundled/factors/definitions/ascend_share.toml",
        "exposure/_bundled/factors/links/ai_servers.csv",
        "exposure/_bundled/portfolios/ai-servers/holdings.csv",
        "exposure/_bundled/portfolios/risk/2025-01-24/loadings.csv",
        "exposure/_bundled/portfolios/risk/2025-01-24/crisis/loadings.csv",
        "exposure/_bundled/reports/layouts/weekly.toml",
        "exposure/_bundled/reports/wording/zh.toml",
    ):
        assert name in names
    assert not any("output/" in name or "/tests/" in name for name in names)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "version"
    ]
    assert version in Path(built).name
