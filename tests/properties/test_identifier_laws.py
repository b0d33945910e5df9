"""Whatever stands in a code cell, the answer is the right listing or a reason.

If this fails, a PM sees another company's exposure, or no answer at all.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exposure.content import find_content
from exposure.portfolios.layouts import load_layouts
from exposure.portfolios.securities import Resolver, load_master, normal_name
from exposure.portfolios.securities.codes import has_right_digits, right_digits
from exposure.schemas import Aliases, empty

DAY = date(2025, 1, 24)
pytestmark = pytest.mark.property

MASTER = load_master(find_content())
RESOLVER = Resolver.of(MASTER, load_layouts(find_content()).dictionary, DAY)
TITLES = {
    listing: (zh, en)
    for listing, zh, en in MASTER.listings.join(MASTER.issuers, on="issuer_id")
    .select("listing_id", "name_zh", "name_en")
    .iter_rows()
}
STYLES = {
    "SH": ["{c}.SH", "{c}.SS", "SH{c}", "sh.{c}", "SSE:{c}", "SHSE.{c}", "{c}.XSHG", "{c} CH Equity", "{c} C1",
           "沪A{c}", "{n}.SH"],
    "SZ": ["{c}.SZ", "SZ{c}", "sz{c}", "SZSE:{c}", "{c}.XSHE", "{c} CH", "{c} C2 Equity", "深A{c}", "{n}.SZ", "SZ{n}"],
    "HK": ["{c}.HK", "{n}.HK", "{n} HK", "{n} HK Equity", "HK{c}", "HKEX:{n}", "SEHK:{n}", "HK.0{c}",
           "港股0{c}", "{c}.XHKG"],
    "US": ["{c} US", "{c} UN Equity", "{c}.N", "{c}.O", "{c}.OQ", "NASDAQ:{c}", "NYSE:{c}", "US.{c}"],
    "KS": ["{c}.KS", "{c} KS Equity"],
    "TW": ["{c}.TW", "{c} TT Equity"],
    "T": ["{c}.T", "{c} JT Equity"],
}  # fmt: skip
WIDE = {ord(char): ord(char) + 0xFEE0 for char in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ.:"}


@st.composite
def written(draw: st.DrawFn) -> tuple[str, str]:
    """Return a listing and one of the ways to write its code."""
    listing = draw(st.sampled_from(sorted(TITLES)))
    code, _, venue = listing.rpartition(".")
    style = draw(st.sampled_from(STYLES[venue]))
    text = style.format(c=code, n=int(code) if code.isdigit() else code)
    text = draw(st.sampled_from([text, text.lower(), text.translate(WIDE), f"  {text} "]))
    return listing, text


@settings(max_examples=400, deadline=None)
@given(case=written(), named=st.sampled_from([None, 0, 1]))
def test_every_way_to_write_a_code_is_its_listing(case: tuple[str, str], named: int | None) -> None:
    listing, code = case
    name = None if named is None else TITLES[listing][named]
    answer = RESOLVER.resolve(code, name)
    assert (answer.listing_id, answer.fault) == (listing, None)


CELLS = st.one_of(
    st.none(),
    st.text(max_size=24),
    st.text(alphabet="0123456789.:SHZKBJUNOCGE ", max_size=20),
    st.text(alphabet="深沪京港A股0123456789　Ａ０", max_size=10),  # noqa: RUF001
    st.from_regex(r"\A[A-Z]{2}[A-Z0-9]{9}[0-9]\Z"),
    st.from_regex(r"\A[0-9A-Z]{18}[0-9]{2}\Z"),
    st.from_regex(r"\A[0-9B-DF-HJ-NP-TV-Z]{6}[0-9]\Z"),
)


@settings(max_examples=1500, deadline=None)
@given(
    code=CELLS,
    name=CELLS,
    market=st.one_of(st.none(), st.sampled_from(["深A", "沪A", "港股", "us", "月球"])),
)
def test_any_text_gets_an_answer(code: str | None, name: str | None, market: str | None) -> None:
    answer = RESOLVER.resolve(code, name, market)
    assert (answer.listing_id is None) == (answer.fault is not None)
    if answer.fault is not None:
        assert answer.fault.message
        assert answer.cure
    else:
        assert answer.listing_id in TITLES


@settings(max_examples=300, deadline=None)
@given(
    isin=st.sampled_from(MASTER.listings["isin"].drop_nulls().to_list()), digit=st.integers(0, 9)
)
def test_a_wrong_check_digit_never_resolves(isin: str, digit: int) -> None:
    text = f"{isin[:-1]}{digit}"
    answer = RESOLVER.resolve(text)
    if text == isin:
        assert answer.listing_id is not None
        return
    assert answer.listing_id is None
    assert answer.fault is not None
    assert answer.fault.rule == "isin_check_digit"
    assert f"must be {isin[-1]}" in answer.fault.message


@settings(max_examples=300, deadline=None)
@given(
    isin=st.sampled_from(MASTER.listings["isin"].drop_nulls().to_list()),
    at=st.integers(2, 10),
    char=st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
)
def test_one_wrong_character_never_becomes_another_listing(isin: str, at: int, char: str) -> None:
    text = f"{isin[:at]}{char}{isin[at + 1 :]}"
    answer = RESOLVER.resolve(text)
    assert answer.listing_id is None or text == isin


@settings(max_examples=300, deadline=None)
@given(text=st.from_regex(r"\A[0-9A-Z]{18}\Z"))
def test_lei_digits_are_the_remainder_of_the_standard(text: str) -> None:
    lei = text + right_digits("lei", text + "00")
    assert int("".join(str(int(char, 36)) for char in lei)) % 97 == 1
    assert has_right_digits("lei", lei)


@settings(max_examples=500, deadline=None)
@given(
    name=st.one_of(
        st.text(max_size=30), st.text(alphabet="*STXDRNC退市-UW科技股份有限公司AB ", max_size=16)
    )
)
def test_a_name_has_a_normal_form_and_only_one(name: str) -> None:
    normal = normal_name(name)
    assert normal or not name.strip()
    assert normal_name(f" {name} ") == normal


LATER = st.tuples(
    st.sampled_from(sorted(MASTER.issuers["issuer_id"])),
    st.one_of(
        st.text(alphabet="浪潮信息科技中国网络联想控股", min_size=2, max_size=5),
        st.sampled_from(["Inspur Software", "Digital China Group", "Lenovo Systems", "浪潮软件"]),
    ),
    st.integers(1, 900),
)


@settings(max_examples=60, deadline=None)
@given(
    later=st.lists(LATER, min_size=1, max_size=4), cases=st.lists(written(), min_size=1, max_size=8)
)
def test_a_name_of_a_later_day_changes_no_answer(
    later: list[tuple[str, str, int]], cases: list[tuple[str, str]]
) -> None:
    rows = [(who, name, "zh", "short", DAY + timedelta(days), None) for who, name, days in later]
    added = pl.DataFrame(rows, schema=empty(Aliases).schema, orient="row")
    known = {normal_name(name) for name in [*MASTER.aliases["alias"], *sum(TITLES.values(), ())]}
    after = Resolver.of(
        replace(MASTER, aliases=pl.concat([MASTER.aliases, added])), RESOLVER.dictionary, DAY
    )
    for listing, code in cases:
        for name in (None, *TITLES[listing]):
            assert after.resolve(code, name) == RESOLVER.resolve(code, name)
    for _, name, _ in later:
        if normal_name(name) not in known:
            assert after.resolve(None, name).listing_id is None
