"""The list sheet: what is new first, what it means, and no word that reads like a clearance."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exposure.reports.workbook import draw_sheets, make_context
from tests.unit.reports.sample_run import sample_run


def texts(run, lang: str = "both") -> list[str]:
    context = make_context(run, lang=lang)
    sheet = next(sheet for sheet in draw_sheets(context) if sheet.key == "lists")
    return [str(cell.value) for cell in sheet.cells if cell.value is not None]


def test_what_changed_this_week_stands_first_and_is_marked():
    found = texts(sample_run())

    assert any("1 answers changed since 2025-01-17" in text for text in found)
    first = found.index("900102.SH")
    assert found[first - 1] == "●"
    assert all(found.index(code) > first for code in ("900101.SZ", "9902.HK"))


def test_nothing_new_is_said():
    run = sample_run()
    quiet = replace(run.screening, news=run.screening.news.clear())

    assert "No answer changed since 2025-01-17" in " ".join(texts(replace(run, screening=quiet)))


def test_it_says_what_a_list_means_which_edition_and_how_old():
    text = " ".join(texts(sample_run()))

    assert "Invented: what the list means for a holder." in text
    assert "虚构：名单对持有人的含义。" in text
    assert "may only sell, up to (2025-06-03)" in text
    assert "84 days old, 30 allowed" in text
    assert "no edition was out on the day" in text
    assert "Screening aid, not legal advice" in text
    assert "云峰 Yunfeng" in text
    assert "An invented rule" in text


@pytest.mark.parametrize(("language", "other"), [("zh", "Invented"), ("en", "虚构：")])
def test_one_language_alone(language, other):
    assert other not in " ".join(texts(sample_run(), language))


def test_absence_is_no_clearance():
    words = " ".join(texts(sample_run())).lower()

    for word in ("cleared", "is clear", "无风险", "合规通过"):
        assert word not in words


def test_a_run_without_screening_still_shows_the_status():
    found = texts(replace(sample_run(), screening=None))

    assert "900102.SH" in found
    assert not any("Editions the answers rest on" in text for text in found)
