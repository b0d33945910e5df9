"""The whole A-share and Hong Kong masters: every code in every style is itself, or refused by name.

Skipped where the folder is not beside the project: nothing of it is shipped.
"""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from exposure.content import find_content
from exposure.portfolios.layouts import load_layouts
from exposure.portfolios.securities import OwnMaster, Resolver, SecurityMaster, load_master

FOLDER = Path(__file__).parents[4] / "shared" / "data" / "securities"
ASHARES = FOLDER / "ashare_master_20250910.csv"
HONG_KONG = FOLDER / "hk_master_investpy_202201.csv"
DAY = date(2025, 9, 10)
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="no shared data beside the project")

_REUTERS = {"SH": "SS", "SZ": "SZ", "BJ": "BJ"}
_MIC = {"SH": "XSHG", "SZ": "XSHE", "BJ": "XBSE"}
_CHINESE = {"SH": "沪", "SZ": "深", "BJ": "京"}
STYLES = {
    "wind": "{c}.{v}",
    "bare": "{c}",
    "bloomberg": "{c} CH Equity",
    "reuters": "{c}.{ric}",
    "prefixed": "{v}{c}",
    "mic": "{c}.{mic}",
    "chinese": "{zh}A{c}",
    "lost zeros": "{n}",
}
# (style, with names) → codes refused as ambiguous; all others are themselves
AMBIGUOUS = {("bare", False): 14, ("lost zeros", False): 1485}


@pytest.fixture(scope="module")
def full() -> SecurityMaster:
    return load_master(
        find_content(), [OwnMaster(ASHARES, DAY), OwnMaster(HONG_KONG, date(2022, 1, 1))]
    )


@pytest.fixture(scope="module")
def resolver(full: SecurityMaster) -> Resolver:
    return Resolver.of(full, load_layouts(find_content()).dictionary, DAY)


def test_both_files_are_read_as_they_lie(full: SecurityMaster) -> None:
    read = full.issues.filter(pl.col("rule") == "own_master_read")["message"].to_list()
    assert read == ["5429 listings read", "1123 listings read"]
    told = full.issues.filter(pl.col("severity") != "info").select("rule", "raw").rows()
    assert told == [("code_reused", "0020.HK")]  # Wheelock; all other rows agree with the content
    assert full.listings["listing_id"].n_unique() == full.listings.height == 6589
    shipped = load_master(find_content())
    kept = full.listings.head(shipped.listings.height)
    assert kept.equals(shipped.listings)


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("style", STYLES)
def test_every_ashare_code_in_every_style(resolver: Resolver, style: str, named: bool) -> None:
    counts: Counter[str] = Counter()
    rows = pl.read_csv(ASHARES, infer_schema=False).select("wind_code", "name_zh")
    for wind, name in rows.iter_rows():
        c, v = wind.split(".")
        facts = {"c": c, "v": v, "n": int(c), "ric": _REUTERS[v], "mic": _MIC[v], "zh": _CHINESE[v]}
        answer = resolver.resolve(STYLES[style].format(**facts), name if named else None)
        assert answer.listing_id in {wind, None}
        counts["itself" if answer.fault is None else answer.fault.rule] += 1
    refused = AMBIGUOUS.get((style, named), 0)
    expected = {"itself": 5429 - refused} | ({"code_ambiguous": refused} if refused else {})
    assert counts == expected


def test_every_hong_kong_code_and_isin(resolver: Resolver) -> None:
    rows = pl.read_csv(HONG_KONG, infer_schema=False).select("ticker", "name_en", "isin")
    for ticker, name, isin in rows.iter_rows():
        if ticker == "0020.HK":
            continue
        bare = ticker.removesuffix(".HK")
        for code in (ticker, f"{int(bare)} HK Equity", f"HK{bare.zfill(5)}", isin):
            assert resolver.resolve(code, name).listing_id == ticker
            assert resolver.resolve(code).listing_id == ticker


def test_every_isin_of_the_mainland(resolver: Resolver) -> None:
    rows = pl.read_csv(ASHARES, infer_schema=False).select("wind_code", "isin")
    known = [(wind, isin) for wind, isin in rows.iter_rows() if isin]
    assert len(known) == 3034
    assert all(resolver.resolve(isin).listing_id == wind for wind, isin in known)


def test_wheelock_and_sensetime(full: SecurityMaster, resolver: Resolver) -> None:
    assert resolver.resolve("0020.HK").issuer_id == "sensetime"
    early = Resolver.of(full, resolver.dictionary, date(2019, 6, 3))
    fault = early.resolve("20 HK").fault
    assert fault is not None
    assert fault.rule == "code_reused"
    assert "Wheelock and Co Ltd" in fault.message
    assert "商汤集团 from 2021-12-30" in fault.message
    assert early.resolve("20 HK", "Wheelock & Co").issuer_id == full.reused["issuer_id"].item()


@pytest.mark.parametrize(
    ("path", "code", "name"),
    [
        (ASHARES, "wind_code", "name_zh"),
        (ASHARES, "wind_code", "name_en"),
        (HONG_KONG, "ticker", "name_en"),
    ],
)
def test_no_code_takes_the_name_of_another_company(
    resolver: Resolver, path: Path, code: str, name: str
) -> None:
    rows = pl.read_csv(path, infer_schema=False).select(code, name).rows()
    for (listing, own), (_, other) in zip(rows, rows[997:] + rows[:997], strict=True):
        if not other or other == own:
            continue
        for text in (other, f"{other} Group Intl") if name == "name_en" else (other,):
            answer = resolver.resolve(listing, text)
            assert answer.listing_id is None or [r.rule for r in answer.remarks] == [
                "name_not_checked"
            ]
