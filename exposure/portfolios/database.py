"""Holdings straight from a database of the house: a named query of ``exposure.toml``, read as ``@name``.

One engine a kind: PostgreSQL through its ADBC driver (it keeps NUMERIC exact and needs no SQLAlchemy), DuckDB and
SQLite through their own modules; the frame is made by polars' reader of databases. Whatever a driver raises ends here:
the error that leaves carries no exception of a driver, and no frame of it holds an address.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl

from exposure.content.settings import PROJECT, Connection, Settings, load_settings
from exposure.errors import HoldingsError, Place, UsageError
from exposure.portfolios.credentials import clean_message, resolve, secrets_of
from exposure.portfolios.sql_text import asks_for_day, one_select
from exposure.schemas import issue

POSTGRESQL, DUCKDB, SQLITE = "postgresql", "duckdb", "sqlite"
EXTRA = "pip install 'supply-chain-exposure[database]'"
NEEDED = {
    POSTGRESQL: ("adbc_driver_postgresql", "pyarrow"),
    DUCKDB: ("duckdb", "pyarrow"),
    SQLITE: (),
}
MAX_ROWS = 500_000  # as many as a file of holdings may have
MAX_COLUMNS = 500
CONNECT_SECONDS = 10
_MAGIC = {DUCKDB: (8, b"DUCK"), SQLITE: (0, b"SQLite format 3\0")}

# Types whose values reach polars as they are. Others are refused with the cast that makes them plain: the driver of
# PostgreSQL returns money in cents, and a time with a zone may be another day.
_PLAIN = {
    POSTGRESQL: re.compile(
        r"text|varchar|bpchar|char|name|int[248]|numeric|float[48]|bool|date|timestamp"
    ),
    DUCKDB: re.compile(
        r"(VARCHAR|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DECIMAL\(.*\)|DOUBLE|FLOAT|BOOLEAN|DATE|TIMESTAMP(_S|_MS|_NS)?"
        r"|ENUM\(.*\))",
        re.DOTALL,
    ),
}


@dataclass(frozen=True, slots=True)
class NamedFrame:
    """Holdings that a named query gave, with what a manifest may tell of them.

    Parameters
    ----------
    frame
        As the database has it, sorted by all its columns: a database keeps no order of its own.
    label
        ``@name``: stands where a file has its name.
    query_sha256
        Of the query as ``exposure.toml`` states it.
    dated
        Whether the query asks for a day.
    """

    frame: pl.DataFrame
    label: str
    connection: str
    kind: str
    query_sha256: str
    dated: bool
    layout: Path | None = None
    mandate: Path | None = None
    benchmark: Path | None = None

    def issues(self) -> list[dict[str, object]]:
        """Return what to know about where the rows come from."""
        message = f"{self.frame.height} rows of the connection {self.connection} ({self.kind})"
        found = [issue("info", self.label, "read_from_database", message)]
        if not self.dated:
            message = "the query asks for no day: the rows are those of the moment it ran"
            found.append(issue("warning", self.label, "query_without_day", message))
        return found

    def record(self) -> dict[str, Any]:
        """Return what is stored: never the address, a credential or a folder."""
        return {
            "connection": self.connection,
            "kind": self.kind,
            "query_sha256": self.query_sha256,
            "rows": self.frame.height,
        }


def is_named(source: object) -> bool:
    """Return whether a source of holdings is ``@name`` rather than a file or a frame.

    Examples
    --------
    >>> is_named("@ai-fund"), is_named(Path("@ai-fund")), is_named("holdings.csv")
    (True, True, False)
    """
    return isinstance(source, str | Path) and str(source).startswith("@")


def read_named_holdings(
    name: str | Path, *, as_of: date | None = None, settings: Settings | None = None
) -> NamedFrame:
    """Read the holdings that ``exposure.toml`` calls ``[holdings.NAME]``.

    Parameters
    ----------
    name
        ``@NAME`` or ``NAME``.
    as_of
        Stands in the place of ``{as_of}``.
    settings
        None takes the nearest ``exposure.toml``.

    Raises
    ------
    UsageError
        If there is no such name, a variable is not set, a package is missing, or the query is no single SELECT.
    HoldingsError
        If the database doesn't answer, or what it answers is no table of plain values.
    """
    known = load_settings() if settings is None else settings
    bare = str(name).removeprefix("@")
    found = known.holdings.get(bare)
    if found is None:
        raise _unknown(bare, known)
    connection = known.connections[found.connection]
    frame = read_query(connection, found.query, as_of=as_of, label=f"@{bare}")
    return NamedFrame(
        frame=frame,
        label=f"@{bare}",
        connection=connection.name,
        kind=kind_of(connection),
        query_sha256=hashlib.sha256(found.query.encode()).hexdigest(),
        dated=asks_for_day(found.query),
        layout=found.layout,
        mandate=found.mandate,
        benchmark=found.benchmark,
    )


def read_query(
    connection: Connection, query: str, *, as_of: date | None = None, label: str = "query"
) -> pl.DataFrame:
    """Run one SELECT, read-only, and return its rows.

    Returns
    -------
    polars.DataFrame
        Columns as the query names them; NUMERIC of PostgreSQL as text, so that no digit is lost.

    Raises
    ------
    UsageError, HoldingsError
        As :func:`read_named_holdings`.
    """
    kind = kind_of(connection)
    statement = one_select(query, label, as_of, typed=kind != SQLITE)
    _refuse_unready(connection, kind)
    answer = _attempt(connection, kind, statement)
    if isinstance(answer, _Fault):
        # raised outside any handler and from a frame without an address: the driver's exception is gone
        raise HoldingsError(
            f"{label} can't be read from the connection {connection.name}",
            places=[Place(label, why, column=column) for column, why in answer.places],
            cure=answer.cure,
        )
    if answer.is_empty():
        when = "" if as_of is None else f" on {as_of.isoformat()}"
        raise HoldingsError(
            f"{label} has no rows{when}",
            places=[Place(label, "the query gives no row")],
            cure="check that the database holds positions of that day",
        )
    return answer


def kind_of(connection: Connection) -> str:
    """Return which kind of database a connection leads to, a file by its first bytes.

    Raises
    ------
    UsageError
        If the file isn't there.
    HoldingsError
        If it is neither SQLite nor DuckDB.
    """
    if connection.path is None:
        return POSTGRESQL
    name = connection.path.name
    if not connection.path.is_file():
        raise UsageError(
            f"the database of the connection {connection.name} is not there",
            places=[Place(PROJECT, f"names {name}, which is no file", column="path")],
            cure="correct path; it is relative to exposure.toml",
        )
    with connection.path.open("rb") as file:
        head = file.read(16)
    for kind, (start, mark) in _MAGIC.items():
        if head[start:].startswith(mark):
            return kind
    raise HoldingsError(
        f"{name} is no database",
        places=[Place(name, "is neither a SQLite nor a DuckDB file")],
        cure="correct path of the connection, or give the file itself: exposure score FILE",
    )


# --- before a connection is opened ----------------------------------------------------------------


def _unknown(name: str, known: Settings) -> UsageError:
    near = get_close_matches(name, sorted(known.holdings), n=1)
    hint = f" Did you mean '@{near[0]}'?" if near else ""
    if not known.found:
        hint = f" There is no {PROJECT} here or above."
    return UsageError(
        f"no holdings are called '@{name}'.{hint}",
        cure=f"add [holdings.{name}] to {PROJECT} (docs/databases.md); exposure doctor lists what is there",
    )


def _refuse_unready(connection: Connection, kind: str) -> None:
    missing = connection.missing_variables
    if missing:
        raise UsageError(
            f"the connection {connection.name} needs {' and '.join(missing)}",
            places=[Place(PROJECT, f"the variable {name} is not set") for name in missing],
            cure=f"set {' and '.join(missing)} in the environment",
        )
    if any(find_spec(module) is None for module in NEEDED[kind]):
        raise UsageError(
            f"the connection {connection.name} needs the database extra",
            places=[Place(PROJECT, f"a {kind} database needs {' and '.join(NEEDED[kind])}")],
            cure=EXTRA,
        )


# --- the connection: nothing below raises to the outside ------------------------------------------


@dataclass(frozen=True, slots=True)
class _Fault:
    """Why there is no frame: columns (or None) with reasons, and a cure."""

    places: tuple[tuple[str | None, str], ...]
    cure: str


class _Refused(Exception):  # noqa: N818 - ends inside this module
    """A table that is not read, found while the connection is open."""

    def __init__(self, places: Sequence[tuple[str | None, str]], cure: str) -> None:
        super().__init__("refused")
        self.fault = _Fault(tuple(places), cure)


def _attempt(connection: Connection, kind: str, statement: str) -> pl.DataFrame | _Fault:
    """Return the rows, or why there are none, without a trace of the driver's exception."""
    try:
        frame = _READERS[kind](connection, statement)
        return _plain_frame(frame)
    except _Refused as refused:
        return refused.fault
    except (Exception, pl.exceptions.PanicException) as fault:
        text = clean_message(fault, secrets_of(connection), str(connection.path or ""))
        late = getattr(fault, "sqlstate", None) == "57014" or "statement timeout" in str(fault)
        if late:
            return _too_late(connection)
        return _Fault(((None, text),), "check the connection and the query (docs/databases.md)")


def _read_postgresql(connection: Connection, statement: str) -> pl.DataFrame:
    from adbc_driver_postgresql import dbapi  # noqa: PLC0415 - optional

    address = resolve(connection)
    if not address:
        raise _Refused(
            [(None, f"{connection.variables[0]} is not the address of a PostgreSQL server")],
            "percent-encode user and password: postgresql://user:p%40ss@host/database",
        )
    milliseconds = connection.time_limit * 1000
    sign = "&" if "?" in address else "?"
    ours = (
        f"client_encoding=UTF8&application_name=exposure&connect_timeout={CONNECT_SECONDS}"
        f"&tcp_user_timeout={milliseconds}"
    )
    with closing(dbapi.connect(f"{address}{sign}{ours}")) as server:
        with server.cursor() as cursor:
            # first in the transaction, so nothing in the query can undo it
            cursor.execute("SET TRANSACTION READ ONLY")
            cursor.execute(f"SET LOCAL statement_timeout = {milliseconds}")
            _check_columns(POSTGRESQL, _postgresql_columns(cursor.adbc_execute_schema(statement)))
        try:
            return pl.read_database(_capped(statement), server)
        finally:
            server.rollback()


def _postgresql_columns(schema: Any) -> list[tuple[str, str]]:
    """Return names and types as the server calls them; the driver's newer and older key."""
    found: list[tuple[str, str]] = []
    for column in schema:
        notes: dict[bytes, bytes] = column.metadata or {}
        kind = notes.get(b"POSTGRESQL:type") or notes.get(b"ADBC:postgresql:typname") or b"unknown"
        found.append((str(column.name), kind.decode(errors="replace")))
    return found


def _read_duckdb(connection: Connection, statement: str) -> pl.DataFrame:
    import duckdb  # noqa: PLC0415 - optional

    # no file, no network and no extension beside the database itself
    base = duckdb.connect(
        str(connection.path), read_only=True, config={"enable_external_access": "false"}
    )
    with closing(base), _limited(base.interrupt, connection):
        # polars reads through a cursor of its own, which an interrupt doesn't reach: the query runs here, into memory
        base.execute("ATTACH ':memory:' AS exposure_scratch (READ_WRITE)")
        base.execute("SET lock_configuration = true")
        described = base.execute(f"DESCRIBE {statement}").fetchall()
        _check_columns(DUCKDB, [(str(row[0]), str(row[1])) for row in described])
        base.execute(f"CREATE TABLE exposure_scratch.positions AS {_capped(statement)}")
        return pl.read_database("FROM exposure_scratch.positions", base)


def _read_sqlite(connection: Connection, statement: str) -> pl.DataFrame:
    assert connection.path is not None
    address = connection.path.resolve().as_uri() + "?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as base:
        base.set_authorizer(_only_reading)
        with _limited(base.interrupt, connection):
            with closing(base.execute(statement)) as cursor:
                names = [str(column[0]) for column in cursor.description]
            _check_columns(SQLITE, [(name, "") for name in names])
            # any cell may have a type of its own, so all are looked at
            return pl.read_database(_capped(statement), base, infer_schema_length=None)


_READERS: dict[str, Callable[[Connection, str], pl.DataFrame]] = {
    POSTGRESQL: _read_postgresql,
    DUCKDB: _read_duckdb,
    SQLITE: _read_sqlite,
}


def _only_reading(action: int, *_: str | None) -> int:
    reading = (
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
    )
    return sqlite3.SQLITE_OK if action in reading else sqlite3.SQLITE_DENY


def _capped(statement: str) -> str:
    """Return the statement with one row more than may be, to tell that there are too many.

    As a part of another statement it can be nothing but a query.
    """
    return f"SELECT * FROM (\n{statement}\n) AS positions LIMIT {MAX_ROWS + 1}"


@contextmanager
def _limited(interrupt: Callable[[], object], connection: Connection) -> Generator[None]:
    """Interrupt what runs inside after the connection's time limit."""
    late = threading.Event()

    def stop() -> None:
        late.set()
        interrupt()

    timer = threading.Timer(connection.time_limit, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception:
        if late.is_set():
            fault = _too_late(connection)
            raise _Refused(fault.places, fault.cure) from None
        raise
    finally:
        timer.cancel()
        timer.join()


def _too_late(connection: Connection) -> _Fault:
    return _Fault(
        ((None, f"the query took longer than {connection.time_limit} s and was stopped"),),
        f"make the query lighter, or set time_limit in [connections.{connection.name}]",
    )


def _check_columns(kind: str, columns: Sequence[tuple[str, str]]) -> None:
    if len(columns) > MAX_COLUMNS:
        raise _Refused(
            [(None, f"has {len(columns)} columns, the limit is {MAX_COLUMNS}")],
            "select only the columns of holdings",
        )
    names = [name for name, _ in columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise _Refused(
            [(name, "is the name of several columns") for name in twice],
            "give each column a name of its own (... as ...)",
        )
    plain = _PLAIN.get(kind)
    odd = [(name, type_) for name, type_ in columns if plain and not plain.fullmatch(type_)]
    if odd:
        raise _Refused(
            [(name, f"is of type {type_.lower()[:40]}, which is not read") for name, type_ in odd],
            "cast it in the query: cast(x as text), cast(x as numeric), cast(x as date); or leave it out",
        )


def _plain_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame of plain types in an order of its own, or refuse it."""
    if frame.height > MAX_ROWS:
        raise _Refused([(None, f"has more than {MAX_ROWS} rows")], "select the holdings of one day")
    odd = [
        name
        for name, type_ in frame.schema.items()
        if type_.is_nested() or type_.base_type() in (pl.Binary, pl.Object)
    ]
    if odd:
        raise _Refused(
            [(name, "holds bytes or records, not cells") for name in odd],
            "cast it to text in the query, or leave it out",
        )
    exact = [name for name, type_ in frame.schema.items() if isinstance(type_, pl.BaseExtension)]
    plain = frame.with_columns(pl.col(name).ext.storage() for name in exact)
    return plain.sort(plain.columns, maintain_order=True, nulls_last=True)
