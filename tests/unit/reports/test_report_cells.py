"""The two doors of a sheet, and colours that can be read."""

from __future__ import annotations

import pytest

from exposure.reports.cells import (
    PALETTE,
    STATE_SHAPES,
    TEXT_ON_FILL,
    Canvas,
    clean_text,
    contrast,
    looks_like_formula,
    text_width,
)


@pytest.mark.parametrize(("text", "fill"), TEXT_ON_FILL)
def test_text_can_be_read_on_its_fill(text, fill):
    assert contrast(PALETTE[text], PALETTE[fill]) >= 4.5


def test_the_pairs_that_were_banned_would_fail():
    assert contrast(PALETTE["grey"], PALETTE["level_mid"]) < 4.5


def test_states_differ_without_colour():
    assert len(set(STATE_SHAPES.values())) == len(STATE_SHAPES)


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1", "\u3000=1"]
)
def test_what_a_spreadsheet_might_run_is_recognised(text):
    assert looks_like_formula(text)


def test_an_empty_text_and_a_name_are_no_formulas():
    assert not looks_like_formula("")
    assert not looks_like_formula("浪潮信息")


def test_control_and_direction_marks_become_visible():
    assert clean_text("a\x00b\u202ec\ud800d\ufffee\x9f") == "a·b·c·d·e·"


def test_line_breaks_stay_and_long_texts_are_cut_with_a_mark():
    assert clean_text("a\nb") == "a\nb"
    assert clean_text("x" * 32_768) == "x" * 32_766 + "…"


def test_a_put_text_is_never_a_formula():
    canvas = Canvas("key", "title")
    canvas.put(1, 1, "=1+1")
    canvas.put(2, 1, float("nan"))
    sheet = canvas.sheet(2, 1)
    assert sheet.at("A1").formula is None
    assert sheet.at("A2").value is None
    assert sheet.at("B9") is None


def test_full_width_characters_count_twice():
    assert text_width("昇腾A") == 5
