"""The HTML edition: one file, no scripts, the workbook's numbers, outside text as text."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from exposure.reports.html import html_text, write_html
from exposure.reports.text import percent
from tests.unit.reports.sample_run import sample_run

VOID = {"meta", "br", "input", "rect", "line"}


class Balance(HTMLParser):
    """Notices a tag that is never closed, and everything a page could load."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.faults: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)


@pytest.fixture(scope="module")
def page(root) -> str:
    return html_text(sample_run(comparison=True), content=root)


@pytest.mark.parametrize("plan", ["plan", "infeasible", "none"])
def test_the_page_is_well_formed_and_loads_nothing(root, plan):
    parser = Balance()
    parser.feed(html_text(sample_run(plan), content=root))
    assert not parser.open
    assert not parser.faults
    assert not parser.tags & {"script", "link", "iframe", "img", "object", "embed", "form"}
    assert not any(name.startswith("on") for name in parser.attributes)


def test_numbers_are_those_of_the_workbook(page, context):
    numbers = context.figures
    plain = re.sub(r"<[^>]+>", " ", page)
    for result in numbers.results(numbers.weights):
        assert result is None or percent(result) in plain
    assert f"{numbers.expected_loss(numbers.weights):,.1f}" in plain
    for column in numbers.columns:
        value = numbers.mid(column, numbers.weights)
        if value is not None and column.card.unit != "weeks":
            assert percent(value) in plain
    for position in numbers.positions:
        assert position.listing_id in plain


def test_it_is_small_and_switches_languages_without_scripts(page):
    assert len(page.encode()) < 200_000
    assert 'id="lang-zh"' in page
    assert "#lang-zh:checked~* .en" in page
    assert "prefers-color-scheme:dark" in page
    assert "@media print" in page


def test_one_language_has_no_other(root):
    english = html_text(sample_run(), lang="en", content=root)
    body = english[english.index("<body>") :].replace("未名电子", "")
    assert not re.search(r"[\u4e00-\u9fff]", body)
    assert 'lang="en"' in english
    chinese = html_text(sample_run(), lang="zh", content=root)
    assert "Largest expected losses" not in chinese


def test_outside_text_stays_text(root):
    evil = "<script>alert(1)</script>\"'&"
    run = sample_run()
    names = {**run.listing_names, run.holdings["listing_id"][0]: (evil, evil)}
    page = html_text(replace(run, name=evil, listing_names=names), content=root)
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_only_the_web_is_linked(root):
    run = sample_run()
    bad = run.evidence.with_columns(url=run.evidence["url"].str.replace("https", "javascript"))
    assert "javascript:" not in html_text(replace(run, evidence=bad), content=root)
    assert 'href="https://example.org/report.pdf"' in html_text(run, content=root)


def test_an_infeasible_plan_shows_the_conflict(root):
    page = html_text(sample_run("infeasible"), lang="en", content=root)
    assert "INFEASIBLE" in page
    assert "no single change is enough" in page
    run = sample_run("infeasible")
    failed = replace(run, plan=replace(run.plan, conflict=None))
    assert "SOLVER FAILED" in html_text(failed, lang="en", content=root)


def test_little_in_little_out(root):
    run = sample_run("none")
    bare = replace(
        run,
        mandate=None,
        nav=None,
        synthetic=False,
        scenarios=(),
        scenario_returns=run.scenario_returns.clear(),
        scenario_results=run.scenario_results.clear(),
        list_status=run.list_status.clear(),
        evidence=run.evidence.clear(),
    )
    page = html_text(bare, lang="en", content=root)
    assert "No mandate was given" in page
    assert "DEMO" not in page


def test_nothing_to_trade_is_said(root):
    run = sample_run()
    still = replace(run, plan=replace(run.plan, trades=run.plan.trades.clear()))
    assert "Nothing to trade" in html_text(still, lang="en", content=root)


def test_the_file_appears_whole(root, tmp_path):
    path = write_html(sample_run(), tmp_path / "week.html", content=root)
    assert path.read_text(encoding="utf-8").endswith("</html>\n")
    assert [p.name for p in tmp_path.iterdir()] == ["week.html"]
