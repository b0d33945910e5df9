"""Layout and wording are content: a wrong key is refused with its place, never ignored."""

from __future__ import annotations

import shutil

import pytest

from exposure.content import ContentRoot
from exposure.errors import ContentError, UsageError
from exposure.reports.layout import load_layout
from exposure.reports.text import load_words
from exposure.reports.workbook import draw_sheets, make_context


@pytest.fixture
def copy(root, tmp_path) -> ContentRoot:
    shutil.copytree(root.path / "reports" / "layouts", tmp_path / "reports" / "layouts")
    shutil.copytree(root.path / "reports" / "wording", tmp_path / "reports" / "wording")
    return ContentRoot(tmp_path, "test")


def change(root: ContentRoot, name: str, old: str, new: str) -> None:
    path = root.file(name)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("coverage_floor = ", "coverage_flor = ", "did you mean 'coverage_floor'"),
        ("[summary]", "[sumary]", "did you mean 'summary'"),
        ('"exposure", "contributions"', '"expsure", "contributions"', "did you mean 'exposure'"),
        ('kind = "worst_scenario"', 'kind = "worst_scenari"', "did you mean 'worst_scenario'"),
        ('key = "evidence_id"', 'key = "evidenceid"', "did you mean 'evidence_id'"),
        ('format = "quantity"', 'format = "quantiti"', "did you mean 'quantity'"),
        ("zoom = 90", "", "needs a key 'zoom'"),
        ('kind = "factor"\nfactor = "ascend_share"', 'kind = "factor"', "needs a key 'factor'"),
        ('severity = "base"', 'severity = "bse"', "did you mean 'base'"),
    ],
)
def test_a_wrong_key_of_the_layout_is_refused(copy, old, new, message):
    change(copy, "reports/layouts/weekly.toml", old, new)
    with pytest.raises(ContentError) as caught:
        load_layout(copy)
    assert message in caught.value.render()
    assert "weekly.toml" in caught.value.render()


def test_a_table_that_is_no_table_is_refused(copy):
    text = copy.file("reports/layouts/weekly.toml").read_text(encoding="utf-8")
    start, end = text.index("[method]"), len(text)
    copy.file("reports/layouts/weekly.toml").write_text(
        "method = 3\n" + text[:start] + text[end:], encoding="utf-8"
    )
    with pytest.raises(ContentError, match="must be a table"):
        load_layout(copy)


def test_no_sheets_is_refused(copy):
    path = copy.file("reports/layouts/weekly.toml")
    text = path.read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("sheets = "))
    path.write_text(text.replace(line, "sheets = []"), encoding="utf-8")
    with pytest.raises(ContentError, match="names no sheet"):
        load_layout(copy)


def test_a_text_that_one_language_lacks_is_refused_with_its_line(copy):
    change(copy, "reports/wording/zh.toml", 'rose = "上升"', 'roes = "上升"')
    with pytest.raises(ContentError) as caught:
        load_words(copy)
    text = caught.value.render()
    assert "zh.toml row" in text
    assert "verb.roes" in text
    assert "did you mean 'verb.rose'" in text


def test_a_text_that_both_lack_is_refused_when_it_is_needed(copy, week):
    for language in ("zh", "en"):
        path = copy.file(f"reports/wording/{language}.toml")
        lines = path.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if not line.startswith("draft = ")]
        path.write_text("\n".join(kept), encoding="utf-8")
    with pytest.raises(ContentError, match=r"lacks the text 'plan\.draft'"):
        draw_sheets(make_context(week, content=copy))


def test_a_field_that_the_program_does_not_fill_is_refused(copy, week):
    change(copy, "reports/wording/en.toml", "{count} more limits", "{number} more limits")
    with pytest.raises(ContentError, match="names a field that isn't there"):
        draw_sheets(make_context(week, content=copy))


def test_a_number_among_the_words_is_refused(copy):
    change(copy, "reports/wording/en.toml", 'rose = "rose"', "rose = 7")
    with pytest.raises(ContentError, match="must be a text"):
        load_words(copy)


def test_an_unknown_language_is_refused(root):
    with pytest.raises(UsageError, match="no language"):
        load_words(root, "fr")


def test_sheets_and_columns_can_be_left_out(copy, week):
    change(copy, "reports/layouts/weekly.toml", ', "lists", "data_quality"', "")
    change(
        copy, "reports/layouts/weekly.toml", '[[table.evidence]]\nkey = "note"\nwidth = 28\n', ""
    )
    context = make_context(week, content=copy)
    drawn = draw_sheets(context)
    assert [sheet.key for sheet in drawn] == [
        "summary", "exposure", "contributions", "scenarios", "trades", "method", "evidence",
    ]  # fmt: skip
    titles = {sheet.title for sheet in drawn}
    links = {
        cell.link.sheet for sheet in drawn for cell in sheet.cells if cell.link and cell.link.sheet
    }
    assert links <= titles


def test_the_unit_with_the_longest_start_sets_the_format(root):
    layout = load_layout(root)
    assert layout.unit_format("weeks") == "0.0"
    assert layout.unit_format("fraction of revenue", total=True) == "0.0%"
    assert layout.unit_format("furlongs") == layout.formats["number"]
