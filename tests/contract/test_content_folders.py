"""Content stays content: no code in the folders that analysts edit, and the wheel's list of them is complete."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("folder", ["factors", "portfolios", "reports"])
def test_content_folders_hold_no_python(folder):
    assert list((ROOT / folder).rglob("*.py")) == []


def test_the_wheel_carries_every_content_folder():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    carried = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]

    assert carried == {
        "factors": "exposure/_bundled/factors",
        "portfolios": "exposure/_bundled/portfolios",
        "reports/layouts": "exposure/_bundled/reports/layouts",
        "reports/wording": "exposure/_bundled/reports/wording",
    }


def test_pinned_requirements_hold_hashes_and_no_address():
    text = (ROOT / "requirements" / "ci.txt").read_text(encoding="utf-8")

    assert "--hash=sha256:" in text
    assert "://" not in text
