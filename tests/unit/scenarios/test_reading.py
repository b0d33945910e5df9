"""Scenario files that say something impossible are refused with file and reason, never run."""

import shutil

import pytest

from exposure.errors import ContentError
from exposure.scenarios.reading import load_catalog
from tests.conftest import ROOT

FILE = "factors/scenarios/gpu_export_ban.toml"


@pytest.fixture
def content(tmp_path):
    """A layer that replaces one scenario file."""
    (tmp_path / "factors" / "scenarios").mkdir(parents=True)
    shutil.copy(ROOT / FILE, tmp_path / FILE)
    return tmp_path


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("horizon_weeks = 52", "horizon_weeks = 0", "whole number from 1"),
        ("horizon_weeks = 52", "horizon_weeks = 5.9", "whole number"),
        ("horizon_weeks = 52", 'horizon_weeks = "a year"', "whole number"),
        ("order = 4", 'order = "x"', "whole number"),
        (
            "reallocation = { low = 0.2, base = 0.4, high = 0.6 }",
            "reallocation = { low = 0.2, base = 0.4, high = 6 }",
            "outside 0..1",
        ),
        (
            "headroom = { low = 0.25, base = 0.5, high = 1.0 }",
            "headroom = { low = -0.25, base = 0.5, high = 1.0 }",
            "outside 0",
        ),
        (
            "headroom = { low = 0.25, base = 0.5, high = 1.0 }",
            "headroom = { low = 0.25, base = 1.5, high = 1.0 }",
            "one way",
        ),
        (
            "probability = { lo = 0.15, mid = 0.3, hi = 0.5",
            "probability = { lo = 0.15, mid = 0.3, hi = 2",
            "outside 0..1",
        ),
        ("duration_years = { lo = 1", "duration_years = { lo = -1", "outside 0"),
        (
            "severity = { low = 0.5, base = 0.8, high = 1.0 }",
            "severity = { low = 0.5, base = nan, high = 1.0 }",
            "no number",
        ),
        ("ramp_weeks = 26", 'ramp_weeks = "x"', "no number"),
        ("ramp_weeks = 26", "ramp_weeks = -1", "at least 0"),
        ('suppliers = ["huawei", "hygon", "cambricon"]', 'suppliers = "huawei"', "list of texts"),
        (
            'suppliers = ["huawei", "hygon", "cambricon"]',
            'suppliers = ["huawei", "huawei"]',
            "twice",
        ),
        ("known_on = 2025-01-24", 'known_on = "2025-01-24"', "without quotes"),
        (
            "weeks = { lo = 0, mid = 13, hi = 52",
            "weeks = { lo = 0, mid = 13, hi = inf",
            "no number",
        ),
    ],
)
def test_what_is_impossible_is_refused_with_its_file(content, old, new, words):
    text = (content / FILE).read_text(encoding="utf-8")
    assert old in text
    (content / FILE).write_text(text.replace(old, new, 1), encoding="utf-8")

    with pytest.raises(ContentError, match=words) as fault:
        load_catalog(content)
    assert "gpu_export_ban.toml" in str(fault.value)
