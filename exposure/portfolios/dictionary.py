"""The dictionary of exports: header words, markers of rows, words for cash, currencies and markets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from exposure.content import TomlFile
from exposure.portfolios.cells import fold, squeeze

FIELDS = (
    "code",
    "name",
    "market",
    "quantity",
    "available",
    "price",
    "currency",
    "fx",
    "value",
    "weight",
    "as_of",
)
UNUSED = "unused"
LONGEST_LABEL = 60  # characters; longer cells are text
LONGEST_BLANK = 8  # "#N/A" and the like are short
LONGEST_CASH = 40


@dataclass(frozen=True, slots=True)
class Dictionary:
    """Header words, markers of rows, and market words; see ``portfolios/layouts/generic.toml``."""

    modifiers: tuple[str, ...]
    words: Mapping[str, tuple[str, int]]  # normalised header → field and rank
    header_units: Mapping[str, float]
    wrong_tables: Mapping[str, frozenset[str]]
    totals: frozenset[str]
    grand_totals: frozenset[str]
    total_patterns: tuple[re.Pattern[str], ...]
    currencies: Mapping[str, str]  # word, folded → CNY, HKD, ...
    cash_available: frozenset[str]
    cash_balance: frozenset[str]
    fx_bands: Mapping[str, tuple[float, float]]  # currency → CNY per unit, lowest and highest
    notes: tuple[str, ...]
    cash: frozenset[str]
    blanks: frozenset[str]
    markets: Mapping[str, str]  # market word → SH, SZ, BJ, HK, US
    index_homonyms: frozenset[str]
    day_above: tuple[
        str, ...
    ]  # patterns of the words before the day of the positions, the balance and the assets
    balance_above: tuple[str, ...]
    assets_above: tuple[str, ...]

    def is_blank(self, text: str) -> bool:
        """Tell whether a cell says nothing."""
        return len(text) < LONGEST_BLANK and squeeze(text) in self.blanks

    def is_total(self, text: str) -> bool:
        """Tell whether a label is that of a total, of anything."""
        if len(text) >= LONGEST_LABEL:
            return False
        word = squeeze(text).rstrip(":")
        return word in self.totals or any(p.search(word) for p in self.total_patterns)

    def is_grand_total(self, text: str) -> bool:
        """Tell whether a label is that of the total of everything beside it."""
        return squeeze(text).rstrip(":") in self.grand_totals

    def is_note(self, text: str) -> bool:
        """Tell whether a text begins as a note does."""
        return squeeze(text[:200]).startswith(self.notes)

    def is_cash(self, text: str) -> bool:
        """Tell whether a label is cash: a word for it, with or without a currency, or one currency alone."""
        if len(text) >= LONGEST_CASH:
            return False
        pattern = _currency_pattern(tuple(self.currencies))
        bare, count = pattern.subn("", fold(text))
        rest = squeeze(bare).strip("()（）-_:：·/")
        return squeeze(text) in self.cash or rest in self.cash or (not rest and count == 1)

    def currency_in(self, text: str) -> str | None:
        """Return the one currency that a text names; None where it names none or several."""
        words = _currency_pattern(tuple(self.currencies)).findall(fold(text))
        codes = {self.currencies[word] for word in words}
        return codes.pop() if len(codes) == 1 else None


@lru_cache(maxsize=8)
def _currency_pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    """Return a pattern of currency words; Latin ones stand alone, or Europe would be the euro."""
    longest_first = sorted(words, key=len, reverse=True)
    parts = [
        rf"(?<![a-z]){re.escape(word)}(?![a-z])" if word.isascii() else re.escape(word)
        for word in longest_first
    ]
    return re.compile("|".join(parts))


_KEYS = {
    "id",
    "kind",
    "title",
    "modifiers",
    "wrong_tables",
    "totals",
    "grand_totals",
    "total_patterns",
    "cash_available",
    "cash_balance",
    "fx_bands",
    "currencies",
    "above_table",
    "notes",
    "cash",
    "blanks",
    "index_homonyms",
    "words",
    "header_units",
    "markets",
}


def read_dictionary(file: TomlFile) -> Dictionary:
    """Read ``generic.toml``.

    Raises
    ------
    ContentError
        Naming file and line, for an unknown key or field.
    """
    data = file.data
    file.check_keys(data, _KEYS)
    words: dict[str, tuple[str, int]] = {}
    listed: dict[str, list[str]] = file.need(data, "words")
    file.check_keys(listed, {*FIELDS, UNUSED}, "words")
    for field, headers in listed.items():
        for rank, header in enumerate(headers):
            words.setdefault(squeeze(header), (field, rank))
    markets: dict[str, list[str]] = file.need(data, "markets")
    above: dict[str, list[str]] = file.need(data, "above_table")
    return Dictionary(
        modifiers=tuple(squeeze(word) for word in file.need(data, "modifiers")),
        words=words,
        header_units={squeeze(k): float(v) for k, v in file.need(data, "header_units").items()},
        wrong_tables={
            what: frozenset(map(squeeze, headers))
            for what, headers in file.need(data, "wrong_tables").items()
        },
        totals=frozenset(map(squeeze, file.need(data, "totals"))),
        grand_totals=frozenset(map(squeeze, file.need(data, "grand_totals"))),
        total_patterns=tuple(re.compile(text) for text in file.need(data, "total_patterns")),
        cash_available=frozenset(map(squeeze, file.need(data, "cash_available"))),
        cash_balance=frozenset(map(squeeze, file.need(data, "cash_balance"))),
        currencies={
            fold(word): code
            for code, listed_ in file.need(data, "currencies").items()
            for word in (code, *listed_)
        },
        fx_bands={k: (float(v[0]), float(v[1])) for k, v in file.need(data, "fx_bands").items()},
        notes=tuple(map(squeeze, file.need(data, "notes"))),
        cash=frozenset(map(squeeze, file.need(data, "cash"))),
        blanks=frozenset(map(squeeze, file.need(data, "blanks"))),
        markets={squeeze(word): venue for venue, list_ in markets.items() for word in list_},
        index_homonyms=frozenset(file.need(data, "index_homonyms")),
        day_above=tuple(file.need(above, "day", "above_table")),
        balance_above=tuple(file.need(above, "balance", "above_table")),
        assets_above=tuple(file.need(above, "assets", "above_table")),
    )
