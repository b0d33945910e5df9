"""Holdings from databases: the same book as from the file, read-only, bounded, and never a credential in a word."""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import sqlite3
import traceback
import warnings
from contextlib import closing
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from exposure.cli.main import run
from exposure.content import load_settings
from exposure.errors import HoldingsError, UsageError
from exposure.portfolios import database
from exposure.portfolios.database import read_named_holdings
from exposure.portfolios.holdings import load_holdings

DAY = date(2025, 1, 24)
PROJECT = Path(__file__).parents[3]
SAMPLE = PROJECT / "portfolios" / "ai-servers"
SECRET = "s3cr€t/p@ss#w0rd"
COLUMNS = (
    "listing text, name text, quantity numeric(20,2), available bigint, price numeric(20,6), "
    "currency text, fx double precision, day date"
)
HOLDINGS = """
[holdings.ai-fund]
connection = "house"
query = \"\"\"select listing, name, quantity, available, price, currency, fx
from positions where day = {as_of}   -- the day's; nothing else
;\"\"\"
"""
SERVER = {
    key: os.environ.get(f"EXPOSURE_TEST_PG{key}", "")
    for key in ("HOST", "PORT", "USER", "PASSWORD")
}
needs_server = pytest.mark.skipif(
    not all(SERVER.values()) or find_spec("adbc_driver_postgresql") is None,
    reason="no PostgreSQL server (EXPOSURE_TEST_PG...), or the database extra is not installed",
)
needs_duckdb = pytest.mark.skipif(
    find_spec("duckdb") is None, reason="the database extra is not installed"
)
URI = "postgresql://{DB_USER}:{DB_PASSWORD}@{DB_HOST}:{DB_PORT}/postgres"


def rows() -> list[list[str]]:
    text = (SAMPLE / "holdings.csv").read_text(encoding="utf-8")
    today = [[*row, "2025-01-24"] for row in list(csv.reader(io.StringIO(text)))[1:]]
    # another day's positions are in the same table
    return [*today, ["600756.SH", "浪潮软件", "1000", "1000", "13.5", "CNY", "1", "2025-01-31"]]


def statements() -> list[str]:
    values = [", ".join("'" + cell + "'" for cell in row) for row in rows()]
    return [
        f"create table positions({COLUMNS})",
        *(f"insert into positions values ({value})" for value in values),
    ]


def fill_sqlite(folder: Path, *more: str) -> None:
    with closing(sqlite3.connect(folder / "positions.db")) as base:
        for statement in (*statements(), *more):
            base.execute(statement)
        base.commit()


def fill_duckdb(folder: Path, *more: str) -> None:
    import duckdb

    with closing(duckdb.connect(str(folder / "positions.db"))) as base:
        for statement in (*statements(), *more):
            base.execute(statement)


def on_server(*texts: str) -> None:
    from adbc_driver_postgresql import dbapi

    address = f"postgresql://{SERVER['USER']}:{SERVER['PASSWORD']}@{SERVER['HOST']}:{SERVER['PORT']}/postgres"
    with closing(dbapi.connect(address)) as server:
        with server.cursor() as cursor:
            for statement in texts:
                cursor.execute(statement)
        server.commit()


def fill_server(folder: Path, *more: str) -> None:
    on_server("drop table if exists positions", *statements(), *more)


KINDS = {
    "sqlite": (fill_sqlite, 'path = "positions.db"'),
    "duckdb": (fill_duckdb, 'path = "positions.db"'),
    "postgresql": (fill_server, f'uri = "{URI}"'),
}
ALL = [
    "sqlite",
    pytest.param("duckdb", marks=needs_duckdb),
    pytest.param("postgresql", marks=needs_server),
]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A project folder with one connection, and the server's address in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EXPOSURE_DEBUG", raising=False)
    for key, value in SERVER.items():
        monkeypatch.setenv(f"DB_{key}", value)

    def make(kind: str, more: str = "", time_limit: int = 20, fill: tuple[str, ...] = ()) -> Path:
        filler, address = KINDS[kind]
        filler(tmp_path, *fill)
        settings = f"[connections.house]\n{address}\ntime_limit = {time_limit}\n{HOLDINGS}{more}"
        (tmp_path / "exposure.toml").write_text(settings, encoding="utf-8")
        return tmp_path

    return make


def query(text: str, name: str = "odd") -> str:
    return f'[holdings.{name}]\nconnection = "house"\nquery = {json.dumps(text)}\n'


@pytest.mark.parametrize("kind", ALL)
def test_a_database_and_the_file_of_its_positions_give_one_book(place, kind):
    place(kind)
    book = load_holdings("@ai-fund", as_of=DAY, content=PROJECT)
    file = load_holdings(SAMPLE / "holdings.csv", as_of=DAY, content=PROJECT)

    assert_frame_equal(
        book.holdings.drop("source_row"), file.holdings.drop("source_row"), rel_tol=1e-12
    )
    assert (book.nav, book.cash_weight) == pytest.approx((file.nav, file.cash_weight), rel=1e-12)
    assert (book.name, book.source, book.benchmark) == ("ai-fund", "@ai-fund", None)
    assert "read_from_database" in book.issues["rule"]


@pytest.mark.parametrize("kind", ALL)
def test_row_order_of_the_database_changes_nothing(place, kind):
    text = "select listing, name, quantity, price, currency, fx from positions where day = {as_of}"
    place(kind, query(f"{text} order by price") + query(f"{text} order by price desc", "other"))
    one, two = (load_holdings(name, as_of=DAY, content=PROJECT) for name in ("@odd", "@other"))

    assert one.sha256 == two.sha256
    assert one.holdings.equals(two.holdings)


@pytest.mark.parametrize("kind", ALL)
def test_a_code_kept_as_a_number_is_a_case_of_lost_zeros(place, kind):
    place(kind, query("select 977 as code, 1.0 as weight"))
    with pytest.raises(HoldingsError) as fault:
        load_holdings("@odd", as_of=DAY, content=PROJECT)
    assert "977" in fault.value.render()


@pytest.mark.parametrize("kind", ["postgresql"])
@needs_server
def test_numeric_keeps_every_digit(place, kind):
    place(
        kind, query("select '000977' as code, 12345678901234567890.123456789::numeric as quantity")
    )
    frame = read_named_holdings("@odd").frame
    assert frame.rows() == [("000977", "12345678901234567890.123456789")]


WRITES = [
    "insert into positions(listing) values ('a')",
    "with x as (select 1) delete from positions",
    "select 1 as code; delete from positions",
    "select 1 as code) as p; delete from positions; select * from (select 1 as code",
    "drop table positions",
]


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("text", WRITES)
def test_nothing_but_one_select_is_run(place, kind, text):
    place(kind, query(text))
    with pytest.raises((UsageError, HoldingsError)):
        read_named_holdings("@odd", as_of=DAY)
    assert read_named_holdings("@ai-fund", as_of=DAY).frame.height == len(rows()) - 1


@needs_server
@pytest.mark.parametrize(
    "text",
    [
        "with x as (delete from positions returning listing) select * from x",
        "select * into stolen from positions",
        "select wipe() as code",
        "select set_config('transaction_read_only', 'off', true) as code",
        "select set_config('transaction_read_only', 'off', true) as code, wipe() as x",
    ],
)
def test_the_server_itself_refuses_to_write(place, text):
    wipe = (
        "create or replace function wipe() returns int language sql as "
        "'delete from positions; select 1'"
    )
    place("postgresql", query(text), fill=(wipe,))
    with pytest.raises(HoldingsError):
        read_named_holdings("@odd")
    assert read_named_holdings("@ai-fund", as_of=DAY).frame.height == len(rows()) - 1


@needs_duckdb
@pytest.mark.parametrize("path", ["exposure.toml", "/etc/passwd"])
def test_duckdb_reads_no_file_beside_the_database(place, path):
    place("duckdb", query(f"select content as code from read_text('{path}')"))
    with pytest.raises(HoldingsError, match="can't be read"):
        read_named_holdings("@odd")


@pytest.mark.parametrize(
    "text",
    ["select file as code from pragma_database_list", "select load_extension('x') as code"],
)
def test_sqlite_tells_no_path_and_loads_nothing(place, text):
    place("sqlite", query(text))
    with pytest.raises(HoldingsError, match="not authorized"):
        read_named_holdings("@odd")


SLOW = {
    "sqlite": "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) as code from n",
    "duckdb": "select count(*) as code from range(100000000) a, range(10000000) b where a.range + b.range = 7",
    "postgresql": "select pg_sleep(60)::text as code",
}


@pytest.mark.parametrize("kind", ALL)
def test_a_query_that_takes_too_long_is_stopped(place, kind):
    place(kind, query(SLOW[kind]), time_limit=1)
    with pytest.raises(HoldingsError) as fault:
        read_named_holdings("@odd")
    assert "longer than 1 s" in fault.value.render()


@pytest.mark.parametrize("kind", ALL)
def test_too_many_rows_or_columns_are_refused(place, kind, monkeypatch):
    monkeypatch.setattr(database, "MAX_ROWS", 5)
    monkeypatch.setattr(database, "MAX_COLUMNS", 7)
    place(kind, query("select * from positions"))
    with pytest.raises(HoldingsError, match="more than 5 rows"):
        read_named_holdings("@ai-fund", as_of=DAY)
    with pytest.raises(HoldingsError, match="8 columns"):
        read_named_holdings("@odd")


@pytest.mark.parametrize("kind", ALL)
def test_two_columns_of_one_name_are_refused(place, kind):
    place(kind, query("select listing as code, name as code from positions"))
    with pytest.raises(HoldingsError, match="name of several columns"):
        read_named_holdings("@odd")


ODD = [
    ("duckdb", "[1, 2]"),
    ("duckdb", "interval 1 day"),
    ("duckdb", "now()"),
    ("postgresql", "'12.50'::money"),  # the driver would give 1250
    ("postgresql", "now()"),
    ("postgresql", "interval '1 day'"),
    ("postgresql", "array[1]"),
    ("postgresql", "'ab'::bytea"),
    ("sqlite", "x'00'"),
]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        pytest.param(
            *one, marks={"duckdb": needs_duckdb, "postgresql": needs_server}.get(one[0], ())
        )
        for one in ODD
    ],
)
def test_a_type_that_would_change_on_the_way_is_refused_with_the_cast(place, kind, value):
    place(kind, query(f"select '000977' as code, {value} as amount"))
    with pytest.raises(HoldingsError) as fault:
        read_named_holdings("@odd")
    assert fault.value.places[0].column == "amount"
    assert "cast" in fault.value.cure


@pytest.mark.parametrize("kind", ALL)
def test_a_day_without_rows_says_so(place, kind):
    place(kind)
    with pytest.raises(HoldingsError, match="no rows on 2020-01-01"):
        read_named_holdings("@ai-fund", as_of=date(2020, 1, 1))


def test_a_query_that_asks_for_no_day_is_a_warning(place):
    place(
        "sqlite",
        query(
            "select listing, quantity, price, currency, fx from positions where day = '2025-01-24'"
        ),
    )
    issues = load_holdings("@odd", as_of=DAY, content=PROJECT).issues
    assert issues.filter(pl.col("rule") == "query_without_day")["severity"].to_list() == ["warning"]


def test_a_layout_of_the_project_names_the_columns(place):
    folder = place(
        "sqlite",
        query("select listing as kod, fx as anteil from positions where listing = '000977.SZ'"),
    )
    with pytest.raises(HoldingsError):
        load_holdings("@odd", as_of=DAY, content=PROJECT)

    (folder / "house.toml").write_text(
        'id = "house"\nkind = "holdings"\ntitle = "House"\nsignature = ["kod", "anteil"]\n'
        '[columns]\nkod = "code"\nanteil = "weight"\n',
        encoding="utf-8",
    )
    with (folder / "exposure.toml").open("a", encoding="utf-8") as file:
        file.write('layout = "house.toml"\n')
    book = load_holdings("@odd", as_of=DAY, content=PROJECT)
    assert book.holdings["listing_id"].to_list() == ["000977.SZ"]


def test_the_day_is_needed_where_the_query_asks_for_it(place):
    place("sqlite")
    with pytest.raises(UsageError, match="--as-of"):
        read_named_holdings("@ai-fund")


# --- the command line -----------------------------------------------------------------------------


def test_a_report_takes_a_name_with_its_mandate_and_benchmark_and_stores_only_hashes(place, capsys):
    folder = place("sqlite")
    for name in ("mandate.toml", "benchmark.csv"):
        (folder / f"our-{name}").write_bytes((SAMPLE / name).read_bytes())
    # files in the current folder are not beside a database
    (folder / "benchmark.csv").write_text("nonsense", encoding="utf-8")
    with (folder / "exposure.toml").open("a", encoding="utf-8") as file:
        file.write('mandate = "our-mandate.toml"\nbenchmark = "our-benchmark.csv"\n')

    assert run(["report", "@ai-fund", "--as-of", "2025-01-24", "--out", "runs"]) == 0
    capsys.readouterr()

    manifest = json.loads(next(folder.glob("runs/*/*/manifest.json")).read_text(encoding="utf-8"))
    first = manifest["inputs"][0]
    assert {key: first[key] for key in ("name", "connection", "kind", "rows")} == {
        "name": "@ai-fund",
        "connection": "house",
        "kind": "sqlite",
        "rows": len(rows()) - 1,
    }
    assert len(first["query_sha256"]) == 64
    assert manifest["mandate"] is not None
    assert manifest["portfolio"] == "ai-fund"
    assert "positions.db" not in json.dumps(manifest)


def test_a_rebalance_without_a_mandate_says_where_to_name_one(place, capsys):
    place("sqlite")
    assert run(["rebalance", "@ai-fund", "--as-of", "2025-01-24"]) == 3
    assert "[holdings.ai-fund]" in capsys.readouterr().err


def test_an_unknown_name_shows_the_nearest(place, capsys):
    place("sqlite")
    assert run(["score", "@ai-fnd", "--as-of", "2025-01-24"]) == 2
    assert "Did you mean '@ai-fund'" in capsys.readouterr().err


def test_a_missing_package_names_the_extra(place, monkeypatch):
    place("sqlite")
    monkeypatch.setitem(database.NEEDED, "sqlite", ("no_such_driver",))
    with pytest.raises(UsageError) as fault:
        read_named_holdings("@ai-fund", as_of=DAY)
    assert fault.value.cure == "pip install 'supply-chain-exposure[database]'"


@pytest.mark.parametrize("content", [None, b"", b"listing,weight\n000977.SZ,1\n"])
def test_a_file_that_is_no_database_is_said_so(place, content):
    path = place("sqlite") / "positions.db"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises((UsageError, HoldingsError), match=r"not there|no database"):
        read_named_holdings("@ai-fund", as_of=DAY)


# --- credentials ----------------------------------------------------------------------------------


def server_of(folder: Path, uri: str = URI) -> None:
    text = f'[connections.house]\nuri = "{uri}"\n{HOLDINGS}'
    (folder / "exposure.toml").write_text(text, encoding="utf-8")


def spellings(secret: str) -> set[str]:
    return {secret, quote(secret, safe=""), quote(secret), repr(secret)[1:-1], "p@ss", "w0rd"}


@pytest.fixture
def talkative(tmp_path, monkeypatch):
    """A driver that puts the whole address into its exception, its notes and its cause."""
    monkeypatch.chdir(tmp_path)
    for key, value in {
        "HOST": "db.house",
        "PORT": "1",
        "USER": "alice",
        "PASSWORD": SECRET,
    }.items():
        monkeypatch.setenv(f"DB_{key}", value)
    monkeypatch.setitem(database.NEEDED, "postgresql", ())

    def read(connection, statement):
        address = database.resolve(connection)
        cause = ValueError(f"{SECRET!r}")
        fault = RuntimeError(f"can't connect\nto {address} with {SECRET}")
        fault.add_note(address)
        raise fault from cause

    monkeypatch.setitem(database._READERS, "postgresql", read)
    return tmp_path


@pytest.mark.parametrize("whole", [False, True])
def test_no_credential_is_in_an_error_its_chain_or_its_frames(
    talkative, monkeypatch, caplog, whole
):
    if whole:
        address = f"postgresql://alice:{quote(SECRET, safe='')}@db.house:1/positions"
        monkeypatch.setenv("DATABASE_URL", address)
    server_of(talkative, "{DATABASE_URL}" if whole else URI)
    caplog.set_level(logging.DEBUG)
    with pytest.raises(HoldingsError) as caught:
        read_named_holdings("@ai-fund", as_of=DAY)

    fault = caught.value
    assert fault.__cause__ is None
    assert fault.__context__ is None
    # every local variable of every frame below this test, as tools that report faults collect them
    below = fault.__traceback__.tb_next
    deep = "".join(
        traceback.TracebackException(type(fault), fault, below, capture_locals=True).format()
    )
    shown = "\n".join([deep, fault.render(), json.dumps(fault.to_dict()), repr(fault), caplog.text])
    assert "connection house" in shown
    assert [word for word in spellings(SECRET) if word in shown] == []


@pytest.mark.parametrize("flags", [[], ["--debug"]])
def test_no_credential_reaches_a_stream_even_with_the_traceback(
    talkative, capfd, monkeypatch, flags
):
    server_of(talkative)
    monkeypatch.setenv("EXPOSURE_DEBUG", "")
    assert run([*flags, "score", "@ai-fund", "--as-of", "2025-01-24", "--json"]) == 3
    shown = capfd.readouterr()
    assert [word for word in spellings(SECRET) if word in shown.out + shown.err] == []
    assert ("Traceback" in shown.err) == bool(flags)


@needs_server
def test_a_wrong_password_is_refused_by_the_server_and_shown_nowhere(place, monkeypatch, capfd):
    place("postgresql")
    monkeypatch.setenv("DB_PASSWORD", SECRET)
    monkeypatch.setenv("EXPOSURE_DEBUG", "1")
    assert run(["score", "@ai-fund", "--as-of", "2025-01-24"]) == 3
    shown = capfd.readouterr()
    assert 'authentication failed for user "{DB_USER}"' in shown.err
    assert [word for word in spellings(SECRET) if word in shown.out + shown.err] == []


@needs_server
def test_a_run_from_a_server_stores_neither_address_nor_credentials(place, capfd):
    folder = place("postgresql")
    assert run(["report", "@ai-fund", "--as-of", "2025-01-24", "--out", "runs"]) == 0
    shown = capfd.readouterr()
    written = b"".join(
        path.read_bytes() for path in sorted(folder.glob("runs/**/*")) if path.is_file()
    )
    assert SERVER["PASSWORD"] not in shown.out + shown.err
    assert SERVER["PASSWORD"].encode() not in written
    assert f":{SERVER['PORT']}/".encode() not in written


def test_a_variable_that_is_not_set_is_named_and_others_are_not_shown(
    talkative, monkeypatch, capsys
):
    server_of(talkative)
    monkeypatch.delenv("DB_HOST")
    assert run(["score", "@ai-fund", "--as-of", "2025-01-24"]) == 2
    err = capsys.readouterr().err
    assert "DB_HOST" in err
    assert "DB_PASSWORD" not in err
    assert "alice" not in err


@pytest.mark.parametrize(
    "address",
    ["postgresql://alice:p@ss@db/x", "postgresql://alice:p/ss@db/x", "mysql://a:b@db/x", "x"],
)
def test_an_address_that_would_be_misread_never_reaches_the_driver(talkative, monkeypatch, address):
    monkeypatch.undo()
    pytest.importorskip("adbc_driver_postgresql")
    monkeypatch.chdir(talkative)
    monkeypatch.setenv("DATABASE_URL", address)
    server_of(talkative, "{DATABASE_URL}")
    with pytest.raises(HoldingsError) as fault:
        read_named_holdings("@ai-fund", as_of=DAY)
    assert "DATABASE_URL is not the address" in fault.value.render()
    assert "ss@db" not in fault.value.render()


def test_doctor_lists_connections_without_a_value(talkative, monkeypatch, capsys):
    server_of(talkative)
    monkeypatch.delenv("DB_PORT")
    assert run(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "variables set: no (DB_PORT)" in out
    assert "holdings @ai-fund" in out
    assert [word for word in (*spellings(SECRET), "alice", "db.house") if word in out] == []


def test_reading_leaves_no_connection_open(place):
    place("sqlite")
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        read_named_holdings("@ai-fund", as_of=DAY, settings=load_settings())
