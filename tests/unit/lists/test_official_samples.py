"""The importers on whole official files of the shared data folder, by counts known from elsewhere.

Skipped where the folder is not beside the project: nothing of it is shipped.
"""

from __future__ import annotations

import gzip
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from exposure.lists.rows import parse_citations, parse_footnotes
from exposure.lists.snapshot import check_snapshot
from exposure.lists.sources.csl import read_csl
from exposure.lists.sources.ofac import read_ofac

SAMPLES = Path(__file__).parents[4] / "shared" / "data" / "sanctions"
DAYS = {"edition_date": date(2025, 12, 19), "read_on": date(2025, 12, 20)}
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no shared data beside the project")


@pytest.mark.parametrize(
    ("name", "rows"),
    [("consolidated_sample_official_layout.csv", 13), ("csl_2019-20_legacy_layout.csv", 115)],
)
def test_both_layouts_of_the_screening_list_are_read(name, rows):
    assert read_csl(SAMPLES / "csl_layout" / name, **DAYS).rows.height == rows


def test_the_military_companies_of_the_consolidated_files():
    folder = SAMPLES / "ofac_layout"
    snapshot = read_ofac(
        folder / "cons_prim.2025-12.csv",
        addresses=folder / "cons_add.2025-12.csv",
        aliases=folder / "cons_alt.2025-12.csv",
        comments=folder / "cons_comments.2025-12.csv",
        **DAYS,
    )

    check_snapshot(snapshot)
    military = snapshot.rows.filter(pl.col("list_id") == "NS-CMIC")
    assert (snapshot.rows.height, military.height) == (442, 68)
    assert military["start"].null_count() == 0
    cccc = military.row(by_predicate=pl.col("row_key") == "OFAC:30930", named=True)
    assert "CCCC" in cccc["weak_aliases"]  # from the comments file
    sugon = military.filter(pl.col("listing_ids").list.contains("603019.SH"))
    assert sugon.select("start", "effective", "divest_by").rows() == [
        (date(2021, 12, 16), date(2022, 2, 14), date(2022, 12, 16))
    ]


def test_the_blocked_persons_of_2021(tmp_path):
    main = tmp_path / "sdn.csv"
    main.write_bytes(gzip.decompress((SAMPLES / "ofac_layout" / "sdn.2021-07.csv.gz").read_bytes()))

    assert read_ofac(main, **DAYS).counts() == {"SDN": 8976}


def test_footnotes_and_citations_of_the_entity_list():
    table = pl.read_csv(SAMPLES / "us_bis_entity_list_2026-07-31.csv", infer_schema=False).filter(
        pl.col("countries").str.contains("CN|HK")
    )

    read = [parse_footnotes(text) for text in table["license_requirement"]]
    cited = [parse_citations(text)[0] for text in table["federal_register_notice"]]

    counts = {number: sum(number in marks for marks, _ in read) for number in "1345"}
    assert counts == {"1": 74, "3": 122, "4": 93, "5": 16}
    assert [name for name, (_, sure) in zip(table["name"], read, strict=True) if not sure] == [
        "Shanghai Supercomputing Technology Co., Ltd."
    ]
    assert sum("89 FR 96837" in row for row in cited) == 148
    assert sum("87 FR 62202" in row for row in cited) == 28
