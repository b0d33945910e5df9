"""Known layouts of exports and the dictionary of header words: ``portfolios/layouts/*.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exposure.content import ContentRoot, TomlFile
from exposure.portfolios.cells import squeeze
from exposure.portfolios.dictionary import FIELDS, UNUSED, Dictionary, read_dictionary

FOLDER = "portfolios/layouts"


@dataclass(frozen=True, slots=True)
class AccountRules:
    """How a table of accounts (科目) holds positions; see :mod:`exposure.portfolios.accounts`.

    Parameters
    ----------
    shares, other_assets
        First digits of accounts of shares, and of securities that are not shares, with the word for them.
    cash, receivables, liabilities
        First digits of accounts that count as cash; liabilities with the other sign.
    skip
        Two digits before the security code that mark the revaluation of a position, not a position.
    depth
        Digits before the security code.
    net_assets
        Beginnings of the row that states net assets.
    """

    shares: tuple[str, ...]
    other_assets: Mapping[str, str]
    cash: tuple[str, ...]
    receivables: tuple[str, ...]
    liabilities: tuple[str, ...]
    skip: frozenset[str]
    depth: int
    net_assets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """A known export: which header is which field, and in which unit.

    Parameters
    ----------
    columns
        Normalised header → field.
    units
        Field → multiplier to shares, yuan or fraction, where the header does not say it.
    may_be_partial
        Whether the table may hold a part of the portfolio only.
    as_of_line
        Beginning of the line above the header that states the date.
    """

    layout_id: str
    title: str
    signature: frozenset[str]
    columns: Mapping[str, str]
    units: Mapping[str, float]
    may_be_partial: bool
    as_of_line: str | None
    accounts: AccountRules | None = None


@dataclass(frozen=True, slots=True)
class Layouts:
    """The dictionary and all known layouts.

    Parameters
    ----------
    own
        The layout that the caller named: a table that it doesn't fit is refused, however well another would.
    """

    dictionary: Dictionary
    known: tuple[Layout, ...]
    own: Layout | None = None


def load_layouts(root: ContentRoot) -> Layouts:
    """Read ``portfolios/layouts/*.toml``.

    Raises
    ------
    ContentError
        Naming file and line, for an unknown key, field or unit.
    """
    dictionary: Dictionary | None = None
    known: list[Layout] = []
    for file in root.toml_files(FOLDER):
        if file.need(file.data, "kind") == "dictionary":
            dictionary = read_dictionary(file)
        else:
            known.append(_layout(file))
    if dictionary is None:
        file = root.read_toml(f"{FOLDER}/generic.toml")
        raise file.error(
            f"{file.name} is not a dictionary", "kind", "must be 'dictionary'", "set kind"
        )
    return Layouts(dictionary, tuple(known))


_LAYOUT_KEYS = {
    "id",
    "kind",
    "title",
    "encoding",
    "note",
    "signature",
    "may_be_partial",
    "as_of_line",
    "columns",
    "units",
    "accounts",
}
_ACCOUNT_KEYS = {
    "shares",
    "other_assets",
    "cash",
    "receivables",
    "liabilities",
    "skip",
    "depth",
    "net_assets",
}


def _layout(file: TomlFile) -> Layout:
    data = file.data
    file.check_keys(data, _LAYOUT_KEYS)
    columns: dict[str, Any] = file.need(data, "columns")
    for header, field in columns.items():
        if field not in (*FIELDS, UNUSED):
            raise file.error(
                f"{file.name} maps {header!r} to an unknown field {field!r}",
                header,
                why=f"{field!r} is not a field; fields are {', '.join(FIELDS)}, {UNUSED}",
                cure=f"correct {header!r} in {file.name}",
            )
    units: dict[str, Any] = data.get("units", {})
    file.check_keys(units, set(FIELDS), "units")
    signature = [squeeze(header) for header in file.need(data, "signature")]
    mapped = {squeeze(header): str(field) for header, field in columns.items()}
    for header in signature:
        if header not in mapped:
            raise file.error(
                f"{file.name} has a signature header that [columns] lacks",
                "signature",
                why=f"{header!r} is not in [columns]",
                cure=f"add it to [columns] of {file.name}",
            )
    return Layout(
        layout_id=str(file.need(data, "id")),
        title=str(file.need(data, "title")),
        signature=frozenset(signature),
        columns=mapped,
        units={str(field): float(unit) for field, unit in units.items()},
        may_be_partial=bool(data.get("may_be_partial", False)),
        as_of_line=squeeze(data["as_of_line"]) if "as_of_line" in data else None,
        accounts=_accounts(file, data["accounts"]) if "accounts" in data else None,
    )


def _accounts(file: TomlFile, data: dict[str, Any]) -> AccountRules:
    file.check_keys(data, _ACCOUNT_KEYS, "accounts")
    return AccountRules(
        shares=tuple(map(str, file.need(data, "shares"))),
        other_assets={str(k): str(v) for k, v in file.need(data, "other_assets").items()},
        cash=tuple(map(str, file.need(data, "cash"))),
        receivables=tuple(map(str, file.need(data, "receivables"))),
        liabilities=tuple(map(str, file.need(data, "liabilities"))),
        skip=frozenset(map(str, file.need(data, "skip"))),
        depth=int(file.need(data, "depth")),
        net_assets=tuple(map(squeeze, file.need(data, "net_assets"))),
    )


def layouts_for(root: ContentRoot, own: str | Path | None = None) -> Layouts:
    """Return the layouts of the content and, where the user names one, the only one that may fit.

    Raises
    ------
    ContentError
        As :func:`load_layouts`, or if there is no such file.
    """
    layouts = load_layouts(root)
    if own is None:
        return layouts
    path = Path(own)
    layout = _layout(ContentRoot(path.parent, "layout").read_toml(path.name))
    return Layouts(layouts.dictionary, layouts.known, layout)
