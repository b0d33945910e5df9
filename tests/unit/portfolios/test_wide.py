"""A history of weights: the right day, nothing later, and every doubt refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from exposure.errors import HoldingsError, UsageError
from exposure.portfolios.holdings import Book

Read = Callable[..., Book]

HISTORY = """\
,000977 C2,603019 C1,700 HK,0992.HK,688041.SS,Cash & Cash Equivalents,n/a,SUM
01/13/2025,30.0,30.0,20.0,10.0,0.0,10.0,,100.0
01/17/2025,40.0,20.0,20.0,10.0,0.0,10.0,,100.0
01/10/2025,10.0,50.0,20.0,10.0,0.0,10.0,,100.0
"""


def test_the_newest_day_up_to_the_asked_one_is_read(read: Read) -> None:
    book = read(HISTORY, as_of=date(2025, 1, 16))
    weights = dict(book.holdings.select("listing_id", "weight").iter_rows())
    assert weights == pytest.approx(
        {"000977.SZ": 0.3, "603019.SH": 0.3, "0700.HK": 0.2, "0992.HK": 0.1}
    )
    assert book.cash_weight == pytest.approx(0.1)
    assert set(book.holdings["source_row"]) == {2}
    assert {"history", "as_of_differs", "closed_positions"} <= set(book.issues["rule"])


def test_a_day_before_the_history_is_refused_and_no_day_is_a_usage_error(read: Read) -> None:
    with pytest.raises(HoldingsError, match="begins after"):
        read(HISTORY, as_of=date(2025, 1, 9))
    with pytest.raises(UsageError, match="3 days"):
        read(HISTORY, as_of=None)


def test_a_day_twice_is_one_when_alike_and_refused_when_not(read: Read) -> None:
    again = HISTORY + "01/17/2025,40.0,20.0,20.0,10.0,0.0,10.0,,100.0\n"
    assert "day_repeated" in set(read(again).issues["rule"])
    other = HISTORY + "01/17/2025,41.0,19.0,20.0,10.0,0.0,10.0,,100.0\n"
    with pytest.raises(HoldingsError) as caught:
        read(other)
    assert [place.row for place in caught.value.places] == [3, 5]


def test_a_column_of_days_that_can_be_read_two_ways_is_refused(read: Read) -> None:
    text = "d,000977.SZ,603019.SH,0700.HK\n01/02/2025,50,30,20\n02/03/2025,40,30,30\n"
    with pytest.raises(HoldingsError, match="two ways"):
        read(text)


def test_weight_without_a_ticker_is_refused_by_name(read: Read) -> None:
    text = HISTORY.replace("30.0,30.0,20.0,10.0,0.0,10.0,,", "30.0,30.0,20.0,10.0,0.0,5.0,5.0,")
    with pytest.raises(HoldingsError, match="1 of"):
        read(text, as_of=date(2025, 1, 16))
