"""The layout of the workbook, read from ``reports/layouts/weekly.toml``.

Analysts choose sheets, columns, widths, formats, thresholds and orders there; a key nobody knows is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exposure.content import ContentRoot, TomlFile

LAYOUT_FILE = "reports/layouts/weekly.toml"
SHEETS = (
    "summary", "exposure", "contributions", "scenarios", "trades", "lists", "data_quality", "method", "evidence",
)  # fmt: skip
CARD_KINDS = ("expected_loss", "factor", "listed_weight", "worst_scenario", "evidence_quality")
_THRESHOLDS = {
    "coverage_floor", "watch_room", "at_limit_room", "resolved_floor", "factor_coverage_floor", "evidence_ab_floor",
    "weak_grades_cap", "stale_cap", "modelled_floor", "agreement", "notable_trade",
}  # fmt: skip
_FORMATS = {
    "weight", "change", "bp", "bp_signed", "signed", "money", "price", "quantity", "number", "date", "units",
}  # fmt: skip
_WIDTHS = {
    "margin", "listing", "name", "weight", "list_marks", "grade", "factor", "scenario", "summary_grid",
}  # fmt: skip
_COLUMNS = {
    "trades": {
        "order", "listing", "name", "side", "quantity", "lot", "price", "currency", "fx", "notional", "cost",
        "weight_before", "weight_after", "reason", "blocked",
    },
    "lists": {
        "listing", "issuer", "list", "status", "relation", "row_name", "mechanisms", "citation", "valid_from",
        "known_on", "wording", "new", "us_person", "meaning", "edition", "reviewed_on",
    },
    "issues": {"severity", "file", "sheet", "row", "column", "rule", "raw", "message", "cure"},
    "evidence": {
        "evidence_id", "kind", "subject", "measure", "lo", "mid", "hi", "unit", "period", "known_on", "publisher",
        "title", "locator", "grade", "status", "url", "note",
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Card:
    """One of the figures at the top of the summary."""

    kind: str
    factor: str | None = None
    lists: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One column of a plain table: what it shows, how wide, in which format."""

    key: str
    width: float
    format: str | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """The whole layout; see the comments of the file."""

    sheets: tuple[str, ...]
    font: str
    zoom: int
    severity: str
    thresholds: Mapping[str, float]
    formats: Mapping[str, str]
    units: Mapping[str, tuple[str, str]]
    signs: tuple[str, ...]
    factors: tuple[str, ...]
    contributor_rows: int
    gain_rows: int
    limit_rows: int
    chart_factors: tuple[str, ...]
    cards: tuple[Card, ...]
    widths: Mapping[str, float]
    tables: Mapping[str, tuple[TableColumn, ...]]
    method_lines: tuple[str, ...]

    def unit_format(self, unit: str, *, total: bool = False) -> str:
        """Return the number format of a unit, in the map or in a row of totals."""
        known = [start for start in self.units if unit.startswith(start)]
        if not known:
            return self.formats["number"]
        return self.units[max(known, key=len)][1 if total else 0]


def load_layout(root: ContentRoot) -> Layout:
    """Read the layout.

    Raises
    ------
    ContentError
        An unknown or missing key, sheet, card or column, with file and line.
    """
    file = root.read_toml(LAYOUT_FILE)
    data = file.data
    file.check_keys(
        data,
        {"workbook", "thresholds", "formats", "order", "summary", "widths", "table", "method"},
    )
    book = _table(file, data, "workbook", {"sheets", "font", "zoom", "severity"})
    thresholds = _table(file, data, "thresholds", _THRESHOLDS)
    formats = _table(file, data, "formats", _FORMATS)
    order = _table(file, data, "order", {"signs", "factors"})
    summary = _table(
        file,
        data,
        "summary",
        {"contributor_rows", "gain_rows", "limit_rows", "chart_factors", "card"},
    )
    widths = _table(file, data, "widths", _WIDTHS)
    tables = _table(file, data, "table", set(_COLUMNS))
    method = _table(file, data, "method", {"lines"})
    sheets = _known(file, book["sheets"], SHEETS, "sheets", "sheet")
    return Layout(
        sheets=sheets,
        font=str(book["font"]),
        zoom=int(book["zoom"]),
        severity=_known(file, [book["severity"]], ("low", "base", "high"), "severity", "severity")[
            0
        ],
        thresholds={key: float(value) for key, value in thresholds.items()},
        formats={key: str(value) for key, value in formats.items() if key != "units"},
        units={unit: (str(pair[0]), str(pair[1])) for unit, pair in formats["units"].items()},
        signs=_known(
            file, order["signs"], ("harm", "two_sided", "gain", "mitigant"), "signs", "sign"
        ),
        factors=tuple(order["factors"]),
        contributor_rows=int(summary["contributor_rows"]),
        gain_rows=int(summary["gain_rows"]),
        limit_rows=int(summary["limit_rows"]),
        chart_factors=tuple(summary["chart_factors"]),
        cards=tuple(_card(file, card) for card in summary["card"]),
        widths={key: float(value) for key, value in widths.items()},
        tables={
            name: tuple(_column(file, name, entry) for entry in entries)
            for name, entries in tables.items()
        },
        method_lines=tuple(method["lines"]),
    )


def _table(file: TomlFile, data: dict[str, Any], name: str, keys: set[str]) -> dict[str, Any]:
    table = file.need(data, name)
    if not isinstance(table, dict):
        raise file.error(f"{file.name}: {name} must be a table", name, why="must be a table")
    file.check_keys(table, keys, name)
    for key in sorted(keys):
        file.need(table, key, name)
    return table


def _known(
    file: TomlFile, values: list[str], known: tuple[str, ...], key: str, what: str
) -> tuple[str, ...]:
    file.check_keys(dict.fromkeys(values), set(known), key)
    if not values:
        raise file.error(f"{file.name} names no {what}", key, why="must not be empty")
    return tuple(values)


def _card(file: TomlFile, card: dict[str, Any]) -> Card:
    file.check_keys(card, {"kind", "factor", "lists"}, "summary.card")
    kind = _known(file, [file.need(card, "kind", "summary.card")], CARD_KINDS, "kind", "card")[0]
    if kind == "factor":
        file.need(card, "factor", "summary.card")
    return Card(kind, card.get("factor"), tuple(card.get("lists", ())))


def _column(file: TomlFile, table: str, entry: dict[str, Any]) -> TableColumn:
    where = f"table.{table}"
    file.check_keys(entry, {"key", "width", "format"}, where)
    key = _known(
        file, [file.need(entry, "key", where)], tuple(sorted(_COLUMNS[table])), where, "column"
    )[0]
    form = entry.get("format")
    if form is not None:
        _known(file, [form], tuple(sorted(_FORMATS - {"units"})), where, "format")
    return TableColumn(key, float(file.need(entry, "width", where)), form)
