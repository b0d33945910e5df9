"""How good proposals are: 34 labelled names and the whole catalog against the whole list of 2026-07-31.

The bar: every company that is itself listed is found, at least 95 of 100 pairs raised are of one group, and the number
of alerts is known. ``names_labelled.csv`` is the project's own; the list is not shipped, so the tests are skipped where
it is not beside the project.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from exposure.lists.matching import propose
from exposure.lists.rows import name_key
from exposure.portfolios.securities import SecurityMaster
from exposure.schemas import Aliases, Issuers, Listings, Ownership, empty
from tests.list_samples import PROJECTION, whole_list

LABELS = Path(__file__).parent / "names_labelled.csv"
RELATED = ("self", "subsidiary", "parent", "sister")
pytestmark = pytest.mark.skipif(
    not PROJECTION.is_file(), reason="no shared data beside the project"
)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return whole_list(tmp_path_factory.mktemp("csl")).rows


@pytest.fixture(scope="module")
def labels(catalog):
    lines = dict(catalog.master.listings.select("listing_id", "issuer_id").iter_rows())
    frame = pl.read_csv(LABELS, infer_schema=False)
    return frame.with_columns(
        pl.col("listing")
        .replace_strict(lines, default=None)
        .fill_null("xfusion")
        .alias("issuer_id")
    )


def by_name_alone(labels: pl.DataFrame) -> SecurityMaster:
    """Return the labelled names as a user's own master may have them: one name in each language, no alias."""
    names = labels.unique("issuer_id", maintain_order=True)
    issuers = [
        (row["issuer_id"], row["name_zh"], row["name_en"], "CN", "x", None, None)
        for row in names.iter_rows(named=True)
    ]
    frame = pl.DataFrame(issuers, schema=empty(Issuers).schema, orient="row")
    return SecurityMaster(frame, empty(Listings), empty(Aliases), empty(Ownership))


def of_the_catalog(labels: pl.DataFrame, catalog) -> SecurityMaster:
    ids = labels["issuer_id"].unique().to_list()
    master = catalog.master
    chosen = [
        f.filter(pl.col("issuer_id").is_in(ids))
        for f in (master.issuers, master.listings, master.aliases)
    ]
    return SecurityMaster(*chosen, empty(Ownership))


def raised(master: SecurityMaster, rows: pl.DataFrame) -> set[tuple[str, str]]:
    found = propose(master, rows)
    return {
        (issuer, name_key(name))
        for issuer, name in found.select("issuer_id", "row_name").iter_rows()
    }


@pytest.mark.parametrize("aliases", [False, True])
def test_every_company_that_is_itself_listed_is_found(rows, labels, catalog, aliases):
    master = of_the_catalog(labels, catalog) if aliases else by_name_alone(labels)
    wanted = labels.filter(pl.col("expected_relation") == "self")

    found = raised(master, rows.filter(pl.col("list_id") == "EL"))

    missed = [
        (issuer, row)
        for issuer, row in wanted.select("issuer_id", "expected_row").iter_rows()
        if (issuer, name_key(row)) not in found
    ]
    assert wanted.height == 17
    assert missed == []


def verdicts(found: pl.DataFrame, catalog) -> pl.DataFrame:
    """Return the proposals with what a person decided of the pair; an undecided one has no relation."""
    decided = catalog.list_links.unique(["issuer_id", "list_id", "row_key"]).select(
        "issuer_id", "list_id", "row_key", "relation"
    )
    return found.join(decided, on=["issuer_id", "list_id", "row_key"], how="left")


@pytest.mark.parametrize("aliases", [False, True])
def test_pairs_raised_are_of_one_group(rows, labels, catalog, aliases):
    master = of_the_catalog(labels, catalog) if aliases else by_name_alone(labels)

    judged = verdicts(propose(master, rows.filter(pl.col("list_id") == "EL")), catalog)

    right = judged["relation"].is_in(RELATED).fill_null(False).sum()
    assert judged.height >= 40
    assert right / judged.height >= 0.95  # an undecided pair counts as wrong


def test_a_row_that_carries_the_aliases_of_another_company_is_raised_and_was_rejected(
    rows, labels, catalog
):
    judged = verdicts(propose(of_the_catalog(labels, catalog), rows), catalog)

    wrong = judged.filter(~pl.col("relation").is_in(RELATED).fill_null(False))
    assert set(wrong["issuer_id"]) == {
        "piotech",
        "dahua",
    }  # an error of the list, and a namesake in the US


def test_alerts_of_the_whole_catalog_on_the_whole_list(rows, catalog):
    """Per 1,000 issuers: about 1,200 pairs of one group (the catalog is made of listed groups), about 50 others."""
    judged = verdicts(propose(catalog.master, rows), catalog)
    issuers = catalog.master.issuers.height
    wrong = judged.filter(~pl.col("relation").is_in(RELATED).fill_null(False)).height

    undecided = judged.filter(pl.col("relation").is_null())
    assert set(undecided["issuer_id"]) == {"tongfang", "huawei"}  # SiCarrier has an alias of Huawei
    assert undecided.height == 3
    assert 1000 * wrong / issuers < 50
    assert (judged.height - wrong) / judged.height >= 0.95


def test_traps_raise_nothing(rows, catalog):
    found = propose(catalog.master, rows)
    pairs = set(found.select("issuer_id", "row_name").iter_rows())

    for issuer, part in (("catl", "Atzaya"), ("amec", "RAMEC"), ("xiaomi", "Xiaoming"), ("dji", "DJIBOUTI"),
                         ("digital_china", "Digital"), ("lam_research", "ACM"), ("idg_capital", "IFD")):  # fmt: skip
        assert not [row for row in pairs if row[0] == issuer and part.lower() in row[1].lower()]


def test_the_edition_still_has_every_row_that_a_link_means(rows, catalog):
    keys = set(rows.select("list_id", "row_key").iter_rows())
    links = catalog.list_links.filter(
        pl.col("list_id").is_in(["EL", "SDN", "NS-CMIC"]) & pl.col("valid_to").is_null()
    )

    gone = [key for key in links.select("list_id", "row_key").iter_rows() if key not in keys]
    assert gone == []


def test_units_with_a_place_or_a_trade_of_their_own_are_found(rows, catalog):
    pairs = set(propose(catalog.master, rows).select("issuer_id", "row_name").iter_rows())

    for issuer, unit in (
        ("naura", "Hefei Naura Microelectronics Equipment Co., Ltd."),
        ("naura", "Wuxi Naura Microelectronics Equipment Co., Ltd."),
        ("skyverse", "Xiamen Skyverse Technology Co., Ltd."),
        ("skyverse", "Zhuhai Skyverse Technology Co., Ltd."),
        ("piotech", "Piotech Jianke (Haining) Semiconductor Equipment Co., Ltd."),
        ("kingsemi", "Shenyang Xinyuan Micro Business Development Co., Ltd."),
        ("fiberhome", "Nanjing FiberHome Starrysky Communication Development Co."),
        ("inspur_group", "Inspur Taiwan"),
        ("huawei", "Huawei Device Co., Ltd."),
    ):
        assert (issuer, unit) in pairs, unit
