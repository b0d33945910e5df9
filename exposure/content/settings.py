"""The settings of a project: ``exposure.toml``, found upward from the current folder.

    content = "my-content"                      # content folder
    master = ["reference/a-shares.csv"]         # security masters of your own
    lists = "lists"                             # folder of list editions

    [connections.house]                         # a PostgreSQL server; credentials come from the environment only
    uri = "postgresql://{PGUSER}:{PGPASSWORD}@db.house:5432/positions"

    [connections.desk]                          # a SQLite or DuckDB file
    path = "positions.duckdb"

    [holdings.ai-fund]                          # read as @ai-fund
    connection = "house"
    query = "select code, name, quantity from positions where as_of = {as_of}"
    mandate = "mandates/ai-fund.toml"

Every path is relative to the file. No value of the file is ever repeated in a message: it might be a password.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from exposure.content.files import TomlFile, read_toml_file
from exposure.errors import Place, UsageError

PROJECT = "exposure.toml"
MASTER_VARIABLE, LISTS_VARIABLE = "EXPOSURE_MASTER", "EXPOSURE_LISTS"
DEFAULT_TIME_LIMIT = 60
MAX_TIME_LIMIT = 3600
CREDENTIAL_WORDS = ("password", "passwd", "pwd", "pass", "secret", "token", "user", "username")

PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
ADDRESS = re.compile(
    r"^postgres(?:ql)?://(?:(?P<user>[^@/?#:]*)(?::(?P<password>[^@/?#]*))?@)?"
    r"(?P<host>[^@/?#]*)(?:/(?P<database>[^/?#@]*))?(?:\?(?P<parameters>[^#]*))?$"
)
SECRET_PARAMETERS = frozenset({"password", "sslpassword", "oauth_client_secret"})

_KEYS = frozenset({"content", "master", "lists", "connections", "holdings"})
_CONNECTION_KEYS = frozenset({"uri", "path", "time_limit"})
_HOLDINGS_KEYS = frozenset({"connection", "query", "layout", "mandate", "benchmark"})
_NAME = re.compile(r"^\w[\w\-]*$")


@dataclass(frozen=True, slots=True)
class Connection:
    """Where positions are kept.

    Parameters
    ----------
    uri
        Address of a PostgreSQL server with ``{VARIABLE}`` in the place of what the environment knows.
    path
        A SQLite or DuckDB file; exactly one of both is given.
    time_limit
        Seconds that one query may take.
    """

    name: str
    uri: str | None = None
    path: Path | None = None
    time_limit: int = DEFAULT_TIME_LIMIT

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the environment variables that the address needs.

        Examples
        --------
        >>> Connection("house", "postgresql://{PGUSER}:{PGPASSWORD}@db/{PGUSER}").variables
        ('PGUSER', 'PGPASSWORD')
        """
        return tuple(dict.fromkeys(PLACEHOLDER.findall(self.uri or "")))

    @property
    def missing_variables(self) -> tuple[str, ...]:
        """Names of those that are not set, or empty."""
        return tuple(name for name in self.variables if not os.environ.get(name))


@dataclass(frozen=True, slots=True)
class NamedHoldings:
    """Holdings that a query gives; ``query`` may hold ``{as_of}``."""

    name: str
    connection: str
    query: str
    layout: Path | None = None
    mandate: Path | None = None
    benchmark: Path | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What ``exposure.toml`` says; everything is empty where there is none."""

    found: bool = False
    content: Path | None = None
    master: tuple[Path, ...] = ()
    lists: Path | None = None
    connections: Mapping[str, Connection] = field(default_factory=dict[str, Connection])
    holdings: Mapping[str, NamedHoldings] = field(default_factory=dict[str, NamedHoldings])


@dataclass(frozen=True, slots=True)
class Chosen:
    """Paths that were chosen, and by what: an argument, a variable, the project, or nobody."""

    paths: tuple[Path, ...]
    origin: str


def load_settings(start: Path | None = None) -> Settings:
    """Read the nearest ``exposure.toml``, from a folder (the current one) upward.

    Raises
    ------
    UsageError
        For an unknown key, with the nearest known one; for a value of the wrong kind; for a password in the file.
    ContentError
        If the file isn't valid TOML.
    """
    here = Path.cwd() if start is None else start
    for folder in (here, *here.parents):
        if (folder / PROJECT).is_file():
            return _settings(read_toml_file(folder / PROJECT), folder)
    return Settings()


def chosen_master(argument: tuple[Path, ...] = (), settings: Settings | None = None) -> Chosen:
    """Choose the security masters of the user's own: argument, ``EXPOSURE_MASTER``, project, none.

    The variable may name several files, parted as in ``PATH``.
    """
    known = load_settings() if settings is None else settings
    return _chosen(argument, MASTER_VARIABLE, known.master)


def chosen_lists(argument: Path | None = None, settings: Settings | None = None) -> Chosen:
    """Choose the folder of list editions: argument, ``EXPOSURE_LISTS``, project, none."""
    known = load_settings() if settings is None else settings
    given = () if argument is None else (argument,)
    project = () if known.lists is None else (known.lists,)
    variable = os.environ.get(LISTS_VARIABLE)
    if not given and variable:
        return Chosen((Path(variable),), LISTS_VARIABLE)
    return _chosen(given, LISTS_VARIABLE, project)


def _chosen(argument: tuple[Path, ...], variable: str, project: tuple[Path, ...]) -> Chosen:
    if argument:
        return Chosen(tuple(argument), "argument")
    value = os.environ.get(variable)
    if value:
        return Chosen(tuple(Path(part) for part in value.split(os.pathsep) if part), variable)
    return Chosen(project, PROJECT if project else "not set")


# --- the file -------------------------------------------------------------------------------------


def _settings(file: TomlFile, folder: Path) -> Settings:
    data = file.data
    _check_keys(file, data, _KEYS, "")
    connections = {
        name: _connection(file, name, table, folder)
        for name, table in _tables(file, "connections").items()
    }
    holdings = {
        name: _holdings(file, name, table, folder, connections)
        for name, table in _tables(file, "holdings").items()
    }
    content, lists = _text(file, data, "content", ""), _text(file, data, "lists", "")
    return Settings(
        found=True,
        content=folder / content if content else None,
        master=tuple(folder / one for one in _texts(file, data, "master")),
        lists=folder / lists if lists else None,
        connections=connections,
        holdings=holdings,
    )


def _connection(file: TomlFile, name: str, table: dict[str, Any], folder: Path) -> Connection:
    where = f"connections.{name}"
    _check_keys(file, table, _CONNECTION_KEYS, where)
    uri, path = _text(file, table, "uri", where), _text(file, table, "path", where)
    if bool(uri) == bool(path):
        raise _fault(
            file, name, f"[{where}] needs either uri or path", "write one of both", f"see {GUIDE}"
        )
    limit = table.get("time_limit", DEFAULT_TIME_LIMIT)
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MAX_TIME_LIMIT:
        raise _fault(
            file,
            "time_limit",
            f"time_limit of [{where}] is no number of seconds",
            f"must be a whole number from 1 to {MAX_TIME_LIMIT}",
            f"time_limit = {DEFAULT_TIME_LIMIT}",
        )
    if path:
        return Connection(name, path=folder / path, time_limit=limit)
    _check_address(file, uri, where)
    return Connection(name, uri=uri, time_limit=limit)


def _check_address(file: TomlFile, uri: str, where: str) -> None:
    """Refuse an address with a password in it, or of a kind that isn't read. The address is never shown."""
    if PLACEHOLDER.fullmatch(uri):
        return  # the whole address comes from the environment
    cure = 'uri = "postgresql://{PGUSER}:{PGPASSWORD}@host:5432/database", and set both variables'
    parts = ADDRESS.match(uri)
    if parts is None:
        raise _fault(
            file,
            "uri",
            f"uri of [{where}] is not the address of a PostgreSQL server",
            "has another form; of other databases read a frame and give it to load_holdings",
            cure,
        )
    given = [parts["password"]] if parts["password"] is not None else []
    given += [value for key, value in parameters(parts["parameters"]) if key in SECRET_PARAMETERS]
    if not all(PLACEHOLDER.fullmatch(value) for value in given):
        raise _fault(
            file,
            "uri",
            f"uri of [{where}] holds a password",
            "credentials come from the environment only",
            cure,
        )
    if re.search(r"[{}]", PLACEHOLDER.sub("", uri)):
        raise _fault(
            file, "uri", f"uri of [{where}] has a broken placeholder", "write {VARIABLE}", cure
        )


def parameters(query: str | None) -> list[tuple[str, str]]:
    """Return the parameters of an address, keys decoded and in lower case, values as they stand.

    Examples
    --------
    >>> parameters("sslmode=require&p%61ssword={PGPASSWORD}")
    [('sslmode', 'require'), ('password', '{PGPASSWORD}')]
    """
    from urllib.parse import unquote  # noqa: PLC0415 - only addresses need it

    pairs = [part.partition("=") for part in (query or "").split("&") if part]
    return [(unquote(key).strip().lower(), value) for key, _, value in pairs]


def _holdings(
    file: TomlFile,
    name: str,
    table: dict[str, Any],
    folder: Path,
    connections: Mapping[str, Connection],
) -> NamedHoldings:
    where = f"holdings.{name}"
    _check_keys(file, table, _HOLDINGS_KEYS, where)
    found = {key: _text(file, table, key, where) for key in sorted(_HOLDINGS_KEYS)}
    for key in ("connection", "query"):
        if not found[key]:
            raise _fault(file, name, f"[{where}] lacks {key}", f"needs a key {key}", f"add {key}")
    connection = found["connection"]
    if connection not in connections:
        raise _fault(
            file,
            "connection",
            f"[{where}] names a connection that {PROJECT} lacks",
            f"{connection!r} is not a connection" + _near(connection, connections),
            f"add [connections.{connection}], or correct the name",
        )
    files = {key: folder / found[key] for key in ("layout", "mandate", "benchmark") if found[key]}
    return NamedHoldings(name, connection, found["query"], **files)


GUIDE = "docs/databases.md"


def _tables(file: TomlFile, key: str) -> dict[str, dict[str, Any]]:
    group = file.data.get(key, {})
    tables = cast("dict[str, Any]", group) if isinstance(group, dict) else {"": group}
    for name, table in tables.items():
        if not isinstance(table, dict) or not _NAME.match(name):
            raise _fault(
                file,
                key,
                f"{key} must be tables such as [{key}.ai-fund]",
                "names are letters, digits, '_' and '-'",
                f"see {GUIDE}",
            )
    return cast("dict[str, dict[str, Any]]", tables)


def _text(file: TomlFile, table: Mapping[str, Any], key: str, where: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        inside = f" in [{where}]" if where else ""
        raise _fault(file, key, f"{key}{inside} is not text", "must be text", f'{key} = "..."')
    return value


def _texts(file: TomlFile, table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = table.get(key, [])
    many: Any = [value] if isinstance(value, str) else value
    if not isinstance(many, list) or not all(isinstance(one, str) and one for one in many):
        raise _fault(
            file, key, f"{key} is no path and no list of paths", "must be text", f'{key} = ["..."]'
        )
    return tuple(cast("list[str]", many))


def _check_keys(
    file: TomlFile, table: Mapping[str, Any], known: frozenset[str], where: str
) -> None:
    for key in table:
        if key in known:
            continue
        inside = f" in [{where}]" if where else ""
        if where.startswith("connections") and key.lower() in CREDENTIAL_WORDS:
            why = "is no key: credentials come from the environment only"
            cure = 'remove it and write uri = "postgresql://{PGUSER}:{PGPASSWORD}@host/database"'
        else:
            why = "is not a key of this file" + _near(key, known)
            cure = f"correct or remove {key!r} in {file.name}"
        raise _fault(file, key, f"{file.name} has an unknown key {key!r}{inside}", why, cure)


def _near(name: str, known: Mapping[str, Any] | frozenset[str]) -> str:
    near = get_close_matches(name, sorted(known), n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(sorted(known))}" if known else ""


def _fault(file: TomlFile, key: str, what: str, why: str, cure: str) -> UsageError:
    place = Place(file.name, why, row=file.line_of(key), column=key)
    return UsageError(what, places=[place], cure=cure)
