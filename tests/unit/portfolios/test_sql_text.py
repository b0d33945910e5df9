"""One SELECT, and the day in it: whatever quotes and comments try to hide."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from exposure.errors import UsageError
from exposure.portfolios.sql_text import asks_for_day, day_literal, one_select

DAY = date(2025, 1, 24)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("SELECT 1;", "SELECT 1"),
        ("-- note; here\nselect ';' as a ; -- end", "-- note; here\nselect ';' as a   -- end"),
        ("select 'it''s; {x}' a", "select 'it''s; {x}' a"),
        ("select E'it\\'s;' a", "select E'it\\'s;' a"),
        ("select $q$a;b'$q$ a", "select $q$a;b'$q$ a"),
        (
            'with "a;b" as (select 1) select {as_of}',
            "with \"a;b\" as (select 1) select DATE '2025-01-24'",
        ),
        ("select 1 /* {as_of}; */", "select 1 /* {as_of}; */"),
    ],
)
def test_one_select_passes(query, wanted):
    assert one_select(query, "@x", DAY, typed=True) == wanted


@pytest.mark.parametrize(
    "query",
    [
        "",
        "-- only a comment",
        "delete from a",
        "select 1; select 2",
        "select 1; /* a */ drop table a",
        "select 'a' ; drop table a; --'",
        "select '{as_of}'",
        "select 'open",
        "select /* open",
        "select {other}",
        "selection",
        "/* /* */ ; drop table a */ select 1",
        "select 1;;",
    ],
)
def test_anything_else_is_refused(query):
    with pytest.raises(UsageError):
        one_select(query, "@x", DAY, typed=True)


def test_the_day_is_a_literal_also_of_a_time():
    assert day_literal(datetime(2025, 1, 24, 15, 30), typed=False) == "'2025-01-24'"  # noqa: DTZ001
    assert asks_for_day("select {as_of}")
    assert not asks_for_day("select 1 -- {as_of}")
