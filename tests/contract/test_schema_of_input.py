"""What `exposure schema input.holdings` promises is what the reader's own layout takes."""

import tomllib
from pathlib import Path

from exposure.schemas import HoldingsFile

LAYOUT = Path(__file__).parent.parent.parent / "portfolios" / "layouts" / "holdings.toml"


def test_the_documented_columns_are_those_of_the_layout():
    columns = tomllib.loads(LAYOUT.read_text(encoding="utf-8"))["columns"]

    assert set(HoldingsFile.columns()) == set(columns)
