"""``data check``: counts, a summary by rule, the issues, and an exit code that a scheduler can read."""

import json

from exposure.scaffold import write_scaffold

DAY = ["--as-of", "2025-01-24"]


def test_the_shipped_content_passes_and_says_what_is_unsettled(ask):
    code, out, err = ask("data", "check", *DAY)

    assert code == 0
    assert "evidence_conflict" in out
    assert "the first is used" in out
    assert "0 errors" in err


def test_strict_stops_at_a_warning(ask):
    assert ask("data", "check", *DAY, "--strict")[0] == 3


def test_one_rule_as_json(ask):
    code, out, _ = ask("data", "check", *DAY, "--rule", "evidence_conflict", "--json")
    found = json.loads(out)

    assert code == 0
    assert {row["rule"] for row in found["issues"]} == {"evidence_conflict"}


def test_without_a_day_it_says_what_it_did_not_check(ask):
    code, _, err = ask("data", "check")

    assert code == 0
    assert "not checked" in err


def test_every_broken_reference_is_shown_with_its_row(ask, tmp_path):
    write_scaffold(tmp_path / "mine")
    path = tmp_path / "mine" / "factors" / "evidence" / "mine.csv"
    header = path.read_text(encoding="utf-8").strip()
    columns = header.split(",")
    rows = []
    for name in ("a", "b"):
        cells = {
            "evidence_id": name, "subject": f"nobody_{name}", "measure": "m", "lo": "1", "mid": "1", "hi": "1",
            "unit": "bool", "valid_from": "2024-01-01", "known_on": "2024-01-01", "grade": "D", "status": "observed",
            "verdict": "use", "source_id": "zhongyuan-2025-01-24", "locator": "x",
        }  # fmt: skip
        rows.append(",".join(cells.get(column, "") for column in columns))
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")

    code, _, err = ask("data", "check", "--content", "mine")

    assert code == 3
    assert "nobody_a" in err
    assert "nobody_b" in err
    assert "row 3" in err
