"""What may be traded, in which size, within which price, at which cost; every rule with its dates.

The rules are data (``portfolios/rules/*.toml``: value, from, to, source). A rule is asked for at a
day; where none holds on that day the answer is an error, never a default.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Any, Protocol, TypeVar

from exposure.content import ContentRoot, TomlFile
from exposure.errors import ContentError, Place

FOLDER = "portfolios/rules"
BOARDS = ("main", "chinext", "star", "bse", "hk", "us", "other")
TICK = Decimal("0.01")
SIDES = ("buy", "sell", "both")
KINDS = ("price_limit", "lot", "fee", "settlement", "fund_limit")


class _Dated(Protocol):
    @property
    def valid_from(self) -> date: ...
    @property
    def valid_to(self) -> date | None: ...


D = TypeVar("D", bound=_Dated)


@dataclass(frozen=True, slots=True)
class PriceLimit:
    """Largest move from the previous close in a day [fraction]."""

    board: str
    is_st: bool
    value: float
    valid_from: date
    valid_to: date | None
    source: str


@dataclass(frozen=True, slots=True)
class FreeDays:
    """First trading days of a new listing that have no price limit."""

    board: str
    days: int
    valid_from: date
    valid_to: date | None
    source: str


@dataclass(frozen=True, slots=True)
class Lot:
    """Size of orders [shares]. A remainder smaller than a buy order is sold in one order.

    Parameters
    ----------
    minimum
        Smallest buy order; None where the lot of the listing is not known.
    step
        A buy order may exceed the minimum by multiples of this.
    max_order
        Largest order; None where there is none.

    Examples
    --------
    >>> star = Lot("star", 200, 1, None, date(2019, 7, 22), None, "rule")
    >>> star.buyable(199.0), star.buyable(201.9)
    (0, 201)
    >>> main = Lot("main", 100, 100, None, date(1990, 12, 19), None, "rule")
    >>> main.sellable(250.0, held=350.0), main.sellable(340.0, held=350.0)
    (200, 300)
    >>> main.sellable(350.0, held=350.0)
    350
    """

    board: str
    minimum: int | None
    step: int | None
    max_order: int | None
    valid_from: date
    valid_to: date | None
    source: str

    @property
    def is_known(self) -> bool:
        """Whether orders can be rounded at all."""
        return self.minimum is not None

    def buyable(self, shares: float) -> int:
        """Return the largest buy order of at most ``shares``; 0 where the lot is not known."""
        if self.minimum is None or self.step is None or shares < self.minimum:
            return 0
        return self.minimum + math.floor((shares - self.minimum) / self.step + 1e-9) * self.step

    def sellable(self, shares: float, *, held: float) -> int:
        """Return the largest sell order of at most ``shares`` out of ``held``.

        All that is held may be sold, odd remainder included; a part must be a whole order.
        """
        if shares >= held - 1e-9:
            return math.floor(held + 1e-9)
        return self.buyable(shares)


@dataclass(frozen=True, slots=True)
class Fee:
    """One fee [fraction of turnover] on one or both sides."""

    name: str
    boards: tuple[str, ...]
    side: str
    value: float
    in_commission: bool  # often part of what the broker is paid
    valid_from: date
    valid_to: date | None
    source: str


@dataclass(frozen=True, slots=True)
class Commission:
    """What a broker is paid where the caller states nothing [fraction of turnover]."""

    boards: tuple[str, ...]
    value: float
    valid_from: date
    valid_to: date | None
    source: str


@dataclass(frozen=True, slots=True)
class Costs:
    """Cost of trading one side [fraction of turnover], with its parts.

    Examples
    --------
    >>> round(Costs(0.0003, 0.0008, ()).round_trip, 6)
    0.0011
    """

    buy: float
    sell: float
    parts: tuple[tuple[str, float, float], ...]  # name, buy, sell

    @property
    def round_trip(self) -> float:
        """Cost of buying and selling again."""
        return self.buy + self.sell


@dataclass(frozen=True, slots=True)
class Settlement:
    """Trading days between buying and being allowed to sell."""

    boards: tuple[str, ...]
    days: int
    valid_from: date
    valid_to: date | None
    source: str


@dataclass(frozen=True, slots=True)
class FundLimit:
    """A legal limit of an investor [fraction of NAV or of a company's shares]."""

    name: str
    scope: str
    value: float
    counts: str
    valid_from: date
    valid_to: date | None
    source: str


@dataclass(frozen=True, slots=True)
class TradingRules:
    """All trading rules, asked for at a day."""

    price_limits: tuple[PriceLimit, ...]
    free_days: tuple[FreeDays, ...]
    lots: tuple[Lot, ...]
    fees: tuple[Fee, ...]
    commissions: tuple[Commission, ...]
    settlements: tuple[Settlement, ...]
    fund_limits: tuple[FundLimit, ...]

    def lot(self, board: str, as_of: date, *, listing_lot: int | None = None) -> Lot:
        """Return the lot rule of a board.

        Parameters
        ----------
        listing_lot
            The lot of the listing itself; used where the board leaves it to the issuer (hk).

        Raises
        ------
        ContentError
            If no rule holds on the day.
        """
        rule = _one(self.lots, board, as_of, "lot")
        if rule.minimum is not None or listing_lot is None:
            return rule
        return Lot(
            board, listing_lot, listing_lot, None, rule.valid_from, rule.valid_to, rule.source
        )

    def costs(
        self,
        board: str,
        as_of: date,
        *,
        commission: float | None = None,
        fees_in_commission: bool = False,
    ) -> Costs:
        """Return what buying and selling costs [fraction of turnover].

        Parameters
        ----------
        commission
            What the broker is paid a side; None takes the estimate of the content.
        fees_in_commission
            Leave out the fees that the commission often includes.

        Raises
        ------
        ContentError
            If no fee rule holds on the board that day.
        """
        held = [fee for fee in self.fees if board in fee.boards and _holds(fee, as_of)]
        if not held:
            raise _no_rule("fee", board, as_of)
        if commission is None:
            offers = [c for c in self.commissions if board in c.boards and _holds(c, as_of)]
            if not offers:
                raise _no_rule("commission", board, as_of)
            commission = offers[0].value
        parts = [("commission", commission, commission)]
        for fee in held:
            if fee.in_commission and fees_in_commission:
                continue
            buy = fee.value if fee.side in {"buy", "both"} else 0.0
            sell = fee.value if fee.side in {"sell", "both"} else 0.0
            parts.append((fee.name, buy, sell))
        return Costs(sum(p[1] for p in parts), sum(p[2] for p in parts), tuple(parts))

    def price_limit(self, board: str, as_of: date, *, is_st: bool = False) -> float | None:
        """Return the largest move in a day [fraction]; None where the board has no limit.

        Raises
        ------
        ContentError
            If the board has limits, but none is known for the day.
        """
        rules = [rule for rule in self.price_limits if rule.board == board]
        if not rules:
            return None
        for rule in rules:
            if rule.is_st == is_st and _holds(rule, as_of):
                return rule.value
        raise _no_rule("price limit", board, as_of)

    def limit_prices(
        self, board: str, previous_close: float, as_of: date, *, is_st: bool = False
    ) -> tuple[float, float] | None:
        """Return limit-down and limit-up price, rounded half up to 0.01; None without a limit."""
        fraction = self.price_limit(board, as_of, is_st=is_st)
        if fraction is None:
            return None
        return limit_price(previous_close, -fraction), limit_price(previous_close, fraction)

    def free_first_days(self, board: str, as_of: date) -> int:
        """Return how many first trading days of a new listing have no price limit."""
        for rule in self.free_days:
            if rule.board == board and _holds(rule, as_of):
                return rule.days
        return 0

    def settlement_days(self, board: str, as_of: date) -> int:
        """Return the trading days between buying and being allowed to sell (T+1 is 1).

        Raises
        ------
        ContentError
            If no rule holds on the day.
        """
        for rule in self.settlements:
            if board in rule.boards and _holds(rule, as_of):
                return rule.days
        raise _no_rule("settlement", board, as_of)

    def fund_limit(self, name: str, as_of: date) -> FundLimit | None:
        """Return a legal limit by name; None where it does not hold on the day."""
        for rule in self.fund_limits:
            if rule.name == name and _holds(rule, as_of):
                return rule
        return None


def limit_price(previous_close: float, fraction: float) -> float:
    """Return the limit price.

    close × (1 + fraction), rounded half up to 0.01

    Examples
    --------
    >>> limit_price(10.05, 0.10), limit_price(10.05, -0.10)
    (11.06, 9.05)
    """
    exact = Decimal(repr(previous_close)) * (1 + Decimal(repr(fraction)))
    return float(exact.quantize(TICK, rounding=ROUND_HALF_UP))


# --- reading --------------------------------------------------------------------------------------

_TABLE_KEYS = {
    "price_limit": {"board", "is_st", "value"},
    "new_listing": {"board", "days"},
    "lot": {"board", "minimum", "step", "max_order", "per_listing"},
    "fee": {"name", "boards", "side", "value", "switch"},
    "commission": {"boards", "value", "max", "minimum_cny", "basis"},
    "settlement": {"boards", "days"},
    "fund_limit": {"name", "scope", "value", "counts"},
}
_FILE_KEYS = {"kind", "rule", "new_listing", "commission", "rounding", "rounding_source"}
_COMMON_KEYS = {"from", "to", "source", "note"}


def load_trading_rules(root: ContentRoot) -> TradingRules:
    """Read ``portfolios/rules/*.toml``.

    Raises
    ------
    ContentError
        Naming file and line: an unknown key, a missing source or date, two rules of one day.
    """
    found: dict[str, list[tuple[TomlFile, dict[str, Any]]]] = {kind: [] for kind in _TABLE_KEYS}
    for file in root.toml_files(FOLDER):
        file.check_keys(file.data, _FILE_KEYS)
        kind = file.need(file.data, "kind")
        if kind not in KINDS:
            raise file.error(
                f"{file.name} has an unknown kind {kind!r}", "kind", f"must be one of {KINDS}"
            )
        for table, key in ((kind, "rule"), ("new_listing", "new_listing"), ("commission",) * 2):
            for rule in file.data.get(key, []):
                _check_rule(file, table, rule)
                found[table].append((file, rule))
    rules = TradingRules(
        price_limits=tuple(
            PriceLimit(
                r["board"], bool(r.get("is_st", False)), float(r["value"]), *_dates(r), r["source"]
            )
            for _, r in found["price_limit"]
        ),
        free_days=tuple(
            FreeDays(r["board"], int(r["days"]), *_dates(r), r["source"])
            for _, r in found["new_listing"]
        ),
        lots=tuple(_lot(file, r) for file, r in found["lot"]),
        fees=tuple(_fee(file, r) for file, r in found["fee"]),
        commissions=tuple(
            Commission(tuple(r["boards"]), float(r["value"]), *_dates(r), r["source"])
            for _, r in found["commission"]
        ),
        settlements=tuple(
            Settlement(tuple(r["boards"]), int(r["days"]), *_dates(r), r["source"])
            for _, r in found["settlement"]
        ),
        fund_limits=tuple(
            FundLimit(
                r["name"], r["scope"], float(r["value"]), r["counts"], *_dates(r), r["source"]
            )
            for _, r in found["fund_limit"]
        ),
    )
    _refuse_overlaps(rules)
    return rules


_NEEDED = {
    "price_limit": ("board", "value"),
    "new_listing": ("board", "days"),
    "lot": ("board",),
    "fee": ("name", "boards", "side", "value"),
    "commission": ("boards", "value"),
    "settlement": ("boards", "days"),
    "fund_limit": ("name", "scope", "value", "counts"),
}


def _check_rule(file: TomlFile, table: str, rule: dict[str, Any]) -> None:
    file.check_keys(rule, _TABLE_KEYS[table] | _COMMON_KEYS, table)
    for key in (*_NEEDED[table], "from", "source"):
        file.need(rule, key, table)
    boards = rule.get("boards", [rule["board"]] if "board" in rule else [])
    for board in boards:
        if board not in BOARDS:
            raise file.error(
                f"{file.name} names an unknown board {board!r}",
                board,
                why=f"{board!r} is not a board; boards are {', '.join(BOARDS)}",
                cure=f"correct it in {file.name}",
            )
    for key in ("from", "to"):
        if key in rule and type(rule[key]) is not date:
            raise file.error(
                f"{file.name} has a date that is none", key, f"{rule[key]!r} is not a day"
            )
    if "to" in rule and rule["to"] <= rule["from"]:
        raise file.error(f"{file.name} ends a rule before it begins", "to", "is not after 'from'")


def _dates(rule: dict[str, Any]) -> tuple[date, date | None]:
    return rule["from"], rule.get("to")


def _lot(file: TomlFile, rule: dict[str, Any]) -> Lot:
    if not rule.get("per_listing", False):
        file.need(rule, "minimum", "lot")
        file.need(rule, "step", "lot")
    return Lot(
        rule["board"],
        rule.get("minimum"),
        rule.get("step"),
        rule.get("max_order"),
        *_dates(rule),
        rule["source"],
    )


def _fee(file: TomlFile, rule: dict[str, Any]) -> Fee:
    if rule["side"] not in SIDES:
        raise file.error(
            f"{file.name} has an unknown side {rule['side']!r}", "side", f"must be one of {SIDES}"
        )
    return Fee(
        rule["name"],
        tuple(rule["boards"]),
        rule["side"],
        float(rule["value"]),
        rule.get("switch") == "commission",
        *_dates(rule),
        rule["source"],
    )


def _refuse_overlaps(rules: TradingRules) -> None:
    """Refuse two rules for one question on one day: the answer would depend on their order."""
    questions: dict[tuple[object, ...], list[_Dated]] = {}
    for limit in rules.price_limits:
        questions.setdefault(("price limit", limit.board, limit.is_st), []).append(limit)
    for lot in rules.lots:
        questions.setdefault(("lot", lot.board), []).append(lot)
    for fee in rules.fees:
        for board in fee.boards:
            questions.setdefault((fee.name, board), []).append(fee)
    for settlement in rules.settlements:
        for board in settlement.boards:
            questions.setdefault(("settlement", board), []).append(settlement)
    for question, records in questions.items():
        ordered = sorted(records, key=lambda record: record.valid_from)
        for earlier, later in pairwise(ordered):
            if earlier.valid_to is None or earlier.valid_to > later.valid_from:
                name = " ".join(str(part) for part in question)
                raise ContentError(
                    f"two rules answer {name} on {later.valid_from}",
                    places=[Place(FOLDER, f"{name}: give the earlier rule a 'to'")],
                    cure=f"end the earlier rule in {FOLDER}",
                )


def _holds(rule: _Dated, as_of: date) -> bool:
    return rule.valid_from <= as_of and (rule.valid_to is None or as_of < rule.valid_to)


def _one(rules: Sequence[Lot], board: str, as_of: date, kind: str) -> Lot:
    matching: Iterable[Lot] = (r for r in rules if r.board == board and _holds(r, as_of))
    rule = next(iter(matching), None)
    if rule is None:
        raise _no_rule(kind, board, as_of)
    return rule


def _no_rule(kind: str, board: str, as_of: date) -> ContentError:
    return ContentError(
        f"no {kind} rule holds for board {board!r} on {as_of}",
        places=[Place(FOLDER, f"has no {kind} of {board!r} that holds on {as_of}")],
        cure=f"add the rule with its source to {FOLDER}",
    )
