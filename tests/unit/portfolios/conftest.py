"""A small named world: four listed server makers, one of Hong Kong, and XFusion without a listing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from exposure.content import ContentRoot
from exposure.portfolios.holdings import Book, load_holdings
from exposure.portfolios.layouts import Layouts, load_layouts
from exposure.portfolios.securities import Resolver, SecurityMaster, load_master
from tests.factories import stand_alone

AS_OF = date(2025, 1, 24)
PROJECT = Path(__file__).parents[3]

ISSUERS = """\
issuer_id,name_zh,name_en,country,role,note
inspur,浪潮信息,Inspur Electronic Information,CN,ai_server,
inspur_software,浪潮软件,Inspur Software,CN,software,
sugon,中科曙光,Sugon,CN,ai_server,
digital_china,神州数码,Digital China,CN,ai_server,
talkweb,拓维信息,Talkweb Information,CN,ai_server,
lenovo,联想集团,Lenovo Group,CN,ai_server,
tencent,腾讯控股,Tencent Holdings,CN,cloud,
smic,中芯国际,SMIC,CN,foundry,
hygon,海光信息,Hygon Information Technology,CN,chip_designer,
ping_an_bank,平安银行,Ping An Bank,CN,bank,
sensetime,商汤,SenseTime Group,CN,ai_software,
xfusion,超聚变,XFusion,CN,ai_server,not listed
nvidia,英伟达,NVIDIA,US,chip_designer,
"""
LISTINGS = """\
listing_id,issuer_id,board,currency,share_class,valid_from,valid_to,lot,source_id,locator
000977.SZ,inspur,main,CNY,A,,,,,
600756.SH,inspur_software,main,CNY,A,,,,,
603019.SH,sugon,main,CNY,A,,,,,
000034.SZ,digital_china,main,CNY,A,,,,,
002261.SZ,talkweb,main,CNY,A,,,,,
0992.HK,lenovo,hk,HKD,H,,,2000,,
0700.HK,tencent,hk,HKD,H,,,100,,
688981.SH,smic,star,CNY,A,,,,,
0981.HK,smic,hk,HKD,H,,,500,,
688041.SH,hygon,star,CNY,A,,,,,
000001.SZ,ping_an_bank,main,CNY,A,,,,,
0020.HK,sensetime,hk,HKD,H,2021-12-30,,,,
NVDA.US,nvidia,us,USD,ordinary,,,,,
"""
ALIASES = """\
issuer_id,alias,language,kind,valid_from,valid_to
inspur,浪潮电子信息产业股份有限公司,zh,legal,,
inspur,Inspur,en,short,,
digital_china,深信泰丰,zh,former,,2016-04-01
lenovo,Lenovo,en,short,,
sensetime,商汤-W,zh,short,,
tencent,腾讯,zh,short,,
xfusion,超聚变数字技术有限公司,zh,legal,,
"""
OWNERSHIP = (
    "owner,owned,lo,hi,valid_from,valid_to,known_on,grade,source_id,locator,note\n"
    "talkweb,xfusion,1,1,2024-01-01,,2024-01-01,D,none,none,\n"
)


@pytest.fixture(scope="session")
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A content root with the shipped layouts and rules, and the small world."""
    root = tmp_path_factory.mktemp("content")
    (root / "factors").mkdir()
    reference = root / "portfolios" / "reference"
    reference.mkdir(parents=True)
    for folder in ("layouts", "rules"):
        shutil.copytree(PROJECT / "portfolios" / folder, root / "portfolios" / folder)
    stand_alone(root)
    (reference / "issuers.csv").write_text(ISSUERS, encoding="utf-8")
    (reference / "listings.csv").write_text(LISTINGS, encoding="utf-8")
    (reference / "aliases.csv").write_text(ALIASES, encoding="utf-8")
    (reference / "ownership.csv").write_text(OWNERSHIP, encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def root(content: Path) -> ContentRoot:
    return ContentRoot(content, "test")


@pytest.fixture(scope="session")
def master(root: ContentRoot) -> SecurityMaster:
    return load_master(root)


@pytest.fixture(scope="session")
def layouts(root: ContentRoot) -> Layouts:
    return load_layouts(root)


@pytest.fixture(scope="session")
def resolver(master: SecurityMaster, layouts: Layouts) -> Resolver:
    return Resolver.of(master, layouts.dictionary, AS_OF)


@pytest.fixture
def read(content: Path, tmp_path: Path) -> Callable[..., Book]:
    """Load holdings given as text, bytes or a path."""

    def load(data: str | bytes | Path, *, name: str = "week.csv", **options: object) -> Book:
        path = data if isinstance(data, Path) else tmp_path / name
        if isinstance(data, str):
            path.write_text(data, encoding="utf-8")
        elif isinstance(data, bytes):
            path.write_bytes(data)
        options.setdefault("as_of", AS_OF)
        return load_holdings(path, content=content, **options)  # type: ignore[arg-type]

    return load
