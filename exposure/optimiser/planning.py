"""From a book, the catalog and a mandate to a plan: the arrays of the optimiser, filled from the rooms below.

Nothing is guessed in silence: a name without price, lot or trading rule stays as it is, and the plan's issues say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from exposure.attribution import score
from exposure.errors import ContentError, MandateError
from exposure.optimiser.exclusions import barred_by_lists
from exposure.optimiser.limits import BoolArray, FloatArray, PlanInputs
from exposure.optimiser.plan import Plan, plan_from_inputs
from exposure.optimiser.tail import draw_returns
from exposure.portfolios.mandates import Mandate, load_mandate
from exposure.portfolios.trading_rules import load_trading_rules
from exposure.risk import as_matrices, load_risk, risk_origins
from exposure.scenarios.stressing import stress
from exposure.schemas import DataIssues, empty, issue, issues_frame

if TYPE_CHECKING:
    from exposure.attribution import Scores
    from exposure.factors.catalog import Catalog
    from exposure.portfolios.holdings import Book
    from exposure.portfolios.trading_rules import TradingRules
    from exposure.risk import RiskModel
    from exposure.scenarios.stressing import Shock

__all__ = ["Plan", "inputs_from_book", "plan_from_inputs", "rebalance"]

# Only breaks ties where there is no risk model; never shown as a risk.
TIE_VARIANCE = 0.1


def rebalance(
    book: Book,
    catalog: Catalog,
    *,
    mandate: Mandate | str | Path,
    scores: Scores | None = None,
    shock: Shock | None = None,
    risk: RiskModel | None = None,
    scenarios: Sequence[str] | None = None,
    robust: str | bool | None = False,
    raise_on_failure: bool = False,
) -> Plan:
    """Find the trades that bring every exposure and scenario loss inside the mandate.

    Parameters
    ----------
    mandate
        A :class:`Mandate` or its file.
    scores, shock, risk
        Where already computed; otherwise made here, the risk model from the newest snapshot of the content that is
        not later than the book.
    scenarios
        Ids that ``worst_scenario`` and the objective look at; by default all of the catalogue. Scenarios that the
        mandate names always count.
    robust
        True or ``interval``: factor limits hold at the upper end of every score; ``ellipsoid``: under independent
        errors.
    raise_on_failure
        Raise :class:`Infeasible` or :class:`SolverFailed` instead of returning a plan without weights.

    Returns
    -------
    Plan
        ``status``, ``weights``, ``trades``, ``limits``, ``conflict``.

    Missing values
        A listing whose score has no mid counts at the end of its interval that is worse for the limit; one whose
        scenario return is unknown counts as the worst known one.

    Raises
    ------
    MandateError
        If the mandate names a factor, scenario, listing or currency that doesn't fit, or needs a risk model that
        isn't there.
    """
    rules = mandate if isinstance(mandate, Mandate) else load_mandate(mandate)
    inputs, issues = inputs_from_book(
        book, catalog, rules, scores=scores, shock=shock, risk=risk, scenarios=scenarios
    )
    return plan_from_inputs(
        inputs, rules, robust=robust, issues=issues, raise_on_failure=raise_on_failure
    )


def inputs_from_book(
    book: Book,
    catalog: Catalog,
    mandate: Mandate,
    *,
    scores: Scores | None = None,
    shock: Shock | None = None,
    risk: RiskModel | None = None,
    scenarios: Sequence[str] | None = None,
) -> tuple[PlanInputs, pl.DataFrame]:
    """Return the arrays of the optimiser and what had to be said about them.

    The listings are those of the book and of the benchmark, sorted. A name that can't be bought (outside the
    universe, or without a known price) still counts in the tracking error.
    """
    _check_mandate(book, catalog, mandate)
    scores = score(book, catalog) if scores is None else scores
    risk = load_risk(catalog.root, book.as_of) if risk is None else risk
    names = _names(book)
    notes: list[dict[str, object]] = []
    desk = _trading(book, catalog, mandate, names, notes)
    shock = _shock(book, catalog, mandate, shock, risk, scenarios)
    ids, returns, inferred, chances = _returns(shock, names, scenarios, mandate)
    loadings, specific = _risk(mandate, risk, names, notes)
    lo, mid, hi, covered, factor_ids, units = _scores(scores, catalog, names)
    issuers = _issuers(book, catalog, names)
    barred = barred_by_lists(catalog, mandate, issuers, book.as_of)
    desk.can_buy[list(barred.not_bought)] = False
    desk.frozen |= set(barred.frozen)
    notes += barred.issues
    inputs = PlanInputs(
        listing_ids=tuple(names),
        issuer_ids=issuers,
        w0=desk.w0,
        benchmark=_benchmark(book, names, notes),
        can_buy=desk.can_buy,
        sell_floor=desk.sell_floor,
        factor_ids=factor_ids,
        score_lo=lo,
        score_mid=mid,
        score_hi=hi,
        covered=covered,
        scenario_ids=ids,
        scenario_returns=returns,
        loadings=loadings,
        specific=specific,
        buy_cost=desk.buy_cost,
        sell_cost=desk.sell_cost,
        excluded=_excluded(mandate, names) + barred.excluded,
        frozen=tuple(sorted(desk.frozen)),
        inferred=inferred,
        probabilities=chances,
        nav=book.nav if desk.sized else None,
        held=desk.held if desk.sized else None,
        available=desk.available if desk.sized else None,
        price=desk.price if desk.sized else None,
        fx=desk.fx,
        lot_step=desk.lot_step,
        lot_min=desk.lot_min,
        currencies=tuple(desk.currencies),
        boards=tuple(desk.boards),
        sell_reasons=tuple(desk.sell_reasons),
        factor_units=units,
        has_risk=risk is not None,
    )
    notes += _unknown_returns(inputs, book.source)
    if mandate.objective.kind == "min_cvar":
        inputs = replace(inputs, draws=draw_returns(inputs))
    return inputs, issues_frame(notes) if notes else empty(DataIssues)


def _unknown_returns(inputs: PlanInputs, file: str) -> list[dict[str, object]]:
    missing = np.isnan(inputs.scenario_returns)
    nowhere = [inputs.scenario_ids[s][0] for s in np.flatnonzero(missing.all(axis=1))]
    found: list[dict[str, object]] = []
    if nowhere:
        named = ", ".join(dict.fromkeys(nowhere))
        text = f"{named} reaches none of the listings: the worst scenario is taken over the others"
        found.append(issue("warning", file, "scenario_unknown", text))
    some = np.flatnonzero(missing[~missing.all(axis=1)].any(axis=0)).tolist()
    if some:
        named = ", ".join(inputs.listing_ids[i] for i in some)
        text = (
            f"no scenario return is known for {named}: counted as the worst known of each scenario"
        )
        found.append(issue("warning", file, "scenario_return_unknown", text))
    return found


def _check_mandate(book: Book, catalog: Catalog, mandate: Mandate) -> None:
    if mandate.base_currency not in (None, book.base_currency):
        raise MandateError(
            f"the mandate is in {mandate.base_currency}, the book in {book.base_currency}",
            cure="give both in one base currency",
        )
    known = set(catalog.master.listings["listing_id"]) | set(book.holdings["listing_id"])
    listed = () if isinstance(mandate.universe, str) else mandate.universe
    for name in (*mandate.exclude, *mandate.do_not_trade, *listed):
        if name not in known:
            raise MandateError(
                f"the mandate names the listing {name!r}, which isn't known",
                cure="write it like 000977.SZ or 0992.HK",
            )


def _names(book: Book) -> list[str]:
    names = set(book.holdings["listing_id"])
    if book.benchmark is not None:
        names |= set(book.benchmark["listing_id"])
    return sorted(names)


def _aligned(frame: pl.DataFrame, column: str, names: Sequence[str]) -> FloatArray:
    """Return one number a name; 0 where the frame lacks the name."""
    found: dict[str, float] = dict(frame.select("listing_id", column).iter_rows())
    return np.array([found.get(name) or 0.0 for name in names], dtype=np.float64)


def _benchmark(
    book: Book, names: Sequence[str], notes: list[dict[str, object]]
) -> FloatArray | None:
    if book.benchmark is None:
        text = "no benchmark: the plan stays as near to today's weights as the limits allow"
        notes.append(issue("info", book.source, "no_benchmark", text))
        return None
    return _aligned(book.benchmark, "weight", names)


def _issuers(book: Book, catalog: Catalog, names: Sequence[str]) -> tuple[str, ...]:
    known: dict[str, str] = dict(
        catalog.master.listings.select("listing_id", "issuer_id").iter_rows()
    )
    stated = book.holdings.drop_nulls("issuer_id").select("listing_id", "issuer_id").iter_rows()
    known |= dict(stated)
    return tuple(known.get(name, name) for name in names)


def _excluded(mandate: Mandate, names: Sequence[str]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    place = {name: i for i, name in enumerate(names)}
    return tuple((f"exclude:{name}", (place[name],)) for name in mandate.exclude if name in place)


# --- scores, scenarios, risk ---------------------------------------------------------------------------------------


def _scores(
    scores: Scores, catalog: Catalog, names: Sequence[str]
) -> tuple[
    FloatArray, FloatArray, FloatArray, BoolArray, tuple[tuple[str, str], ...], tuple[str, ...]
]:
    frame = pl.concat([scores.positions, scores.benchmark_positions]).unique(
        ["listing_id", "factor_id", "basis"], keep="first", maintain_order=True
    )
    keys = list(dict.fromkeys(frame.select("factor_id", "basis").iter_rows()))
    row_of = {name: i for i, name in enumerate(names)}
    column_of = {key: j for j, key in enumerate(keys)}
    shape = (len(names), len(keys))
    lo, hi = np.zeros(shape), np.zeros(shape)
    mid, covered = np.full(shape, np.nan), np.zeros(shape, dtype=bool)
    for (factor, _), j in column_of.items():
        lo[:, j], hi[:, j] = catalog.factors[factor].lowest, catalog.factors[factor].highest
    wanted = frame.select("listing_id", "factor_id", "basis", "lo", "mid", "hi", "status")
    for listing, factor, basis, low, middle, high, status in wanted.iter_rows():
        i, j = row_of[listing], column_of[factor, basis]
        lo[i, j], hi[i, j] = low, high
        mid[i, j] = np.nan if middle is None else middle
        covered[i, j] = status in ("observed", "estimated", "not_applicable")
    units = tuple(catalog.factors[factor].unit for factor, _ in keys)
    return lo, mid, hi, covered, tuple(keys), units


def _shock(
    book: Book,
    catalog: Catalog,
    mandate: Mandate,
    shock: Shock | None,
    risk: RiskModel | None,
    scenarios: Sequence[str] | None,
) -> Shock | None:
    if shock is not None:
        return shock
    named = [limit.scenario for limit in mandate.scenarios]
    needs_all = mandate.worst_scenario is not None or mandate.objective.kind != "min_tracking_error"
    if not (named or needs_all):
        return None
    chosen = None if scenarios is None else list(dict.fromkeys([*scenarios, *named]))
    return stress(book, catalog, chosen, severities=sorted(_severities(mandate)), risk=risk)


def _severities(mandate: Mandate) -> set[str]:
    levels = {limit.severity for limit in mandate.scenarios} | {"base"}
    return levels if mandate.worst_scenario is None else levels | {mandate.worst_scenario.severity}


def _returns(
    shock: Shock | None,
    names: Sequence[str],
    scenarios: Sequence[str] | None,
    mandate: Mandate,
) -> tuple[tuple[tuple[str, str], ...], FloatArray, BoolArray, FloatArray]:
    none = np.zeros((0, len(names)))
    if shock is None:
        return (), none, none.astype(bool), np.zeros(0)
    frame = shock.positions.filter(pl.col("severity").is_in(sorted(_severities(mandate))))
    if scenarios is not None:
        kept = {*scenarios, *(limit.scenario for limit in mandate.scenarios)}
        frame = frame.filter(pl.col("scenario_id").is_in(sorted(kept)))
    ids = list(dict.fromkeys(frame.select("scenario_id", "severity").iter_rows()))
    row_of = {key: s for s, key in enumerate(ids)}
    column_of = {name: i for i, name in enumerate(names)}
    returns = np.full((len(ids), len(names)), np.nan)
    inferred = np.zeros(returns.shape, dtype=bool)
    wanted = frame.select("scenario_id", "severity", "listing_id", "ret", "origin")
    for scenario, severity, listing, ret, origin in wanted.iter_rows():
        if listing in column_of:
            s, i = row_of[scenario, severity], column_of[listing]
            returns[s, i] = np.nan if ret is None else ret
            inferred[s, i] = origin == "inferred"
    stated: dict[str, float | None] = dict(
        shock.portfolio.select("scenario_id", "probability").unique().iter_rows()
    )
    values = [stated.get(scenario) for scenario, _ in ids]
    chances = np.array([np.nan if p is None else p for p in values], dtype=np.float64)
    return tuple(ids), returns, inferred, chances


def _risk(
    mandate: Mandate,
    risk: RiskModel | None,
    names: Sequence[str],
    notes: list[dict[str, object]],
) -> tuple[FloatArray, FloatArray]:
    if risk is None:
        if mandate.objective.kind in ("min_tracking_error", "min_cvar"):
            raise MandateError(
                f"the objective {mandate.objective.kind} needs a risk model, and the content has none so early",
                cure="exposure risk estimate PRICES --indices INDICES --as-of DATE --out DIR",
            )
        return np.zeros((len(names), 1)), np.full(len(names), TIE_VARIANCE)
    loadings, specific = as_matrices(risk, names)
    absent = risk_origins(risk, names).filter(pl.col("origin") == "absent")["listing_id"]
    if absent.len():
        text = f"the risk model lacks {', '.join(absent)}: priors of their market are used"
        notes.append(issue("info", "risk", "risk_prior", text))
    return loadings, specific


# --- trading -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Desk:
    """What can be traded at which cost, filled name by name."""

    w0: FloatArray
    can_buy: BoolArray
    sell_floor: FloatArray
    buy_cost: FloatArray
    sell_cost: FloatArray
    held: FloatArray
    available: FloatArray
    price: FloatArray
    fx: FloatArray
    lot_step: FloatArray
    lot_min: FloatArray
    sized: bool
    currencies: list[str] = field(default_factory=list)
    boards: list[str] = field(default_factory=list)
    sell_reasons: list[str] = field(default_factory=list)
    frozen: set[int] = field(default_factory=set)


def _trading(
    book: Book,
    catalog: Catalog,
    mandate: Mandate,
    names: Sequence[str],
    notes: list[dict[str, object]],
) -> _Desk:
    rules = load_trading_rules(catalog.root)
    n = len(names)
    desk = _Desk(
        w0=_aligned(book.holdings, "weight", names),
        can_buy=np.zeros(n, dtype=bool),
        sell_floor=np.zeros(n),
        buy_cost=np.zeros(n),
        sell_cost=np.zeros(n),
        held=np.zeros(n),
        available=np.zeros(n),
        price=np.full(n, np.nan),
        fx=np.ones(n),
        lot_step=np.zeros(n),
        lot_min=np.zeros(n),
        sized=book.nav is not None,
    )
    held = {row["listing_id"]: row for row in book.holdings.iter_rows(named=True)}
    listings = {row["listing_id"]: row for row in catalog.master.listings.iter_rows(named=True)}
    quotes = _quotes(book)
    universe = _universe(book, mandate)
    closed: list[str] = []
    for i, name in enumerate(names):
        row = held.get(name)
        quote = row or quotes.get(name) or {}
        listing = listings.get(name)
        desk.currencies.append(str(quote.get("currency") or (listing or {}).get("currency") or ""))
        desk.boards.append(str((listing or {}).get("board") or "other"))
        price = quote.get("price")
        desk.price[i] = np.nan if price is None else float(price)
        desk.fx[i] = float(quote.get("fx") or 1.0)
        desk.sell_reasons.append("t_plus_1")
        problem = _terms(desk, i, rules, book, listing)
        if row is not None:
            _shares(desk, i, row)
        known = bool(np.isfinite(desk.price[i])) or not desk.sized
        sizable = known and (desk.lot_min[i] > 0 or not desk.sized)
        desk.can_buy[i] = problem is None and sizable and name in universe
        if row is not None and (problem is not None or not known):
            desk.frozen.add(i)
            text = f"{name} stays as it is: {problem or 'it has no price'}"
            notes.append(
                issue("warning", book.source, "not_tradable", text, column="listing", raw=name)
            )
        elif row is None and not known and name in universe:
            closed.append(name)
        elif name in mandate.do_not_trade:
            desk.frozen.add(i)
    if closed:
        text = (
            f"{len(closed)} benchmark names have no price and can't be bought: {', '.join(closed)}"
        )
        cure = "add price, currency and fx to the benchmark file"
        notes.append(
            issue("info", book.benchmark_source or "benchmark", "no_price", text, cure=cure)
        )
    return desk


def _quotes(book: Book) -> dict[str, dict[str, Any]]:
    """Return prices that the benchmark file carries beside its weights, where it does."""
    if book.benchmark is None or "price" not in book.benchmark.columns:
        return {}
    return {row["listing_id"]: row for row in book.benchmark.iter_rows(named=True)}


def _universe(book: Book, mandate: Mandate) -> set[str]:
    if not isinstance(mandate.universe, str):
        return set(mandate.universe)
    held = set(book.holdings["listing_id"]) if "holdings" in mandate.universe else set[str]()
    if "benchmark" not in mandate.universe or book.benchmark is None:
        return held
    return held | set(book.benchmark["listing_id"])


def _terms(
    desk: _Desk, i: int, rules: TradingRules, book: Book, listing: Mapping[str, Any] | None
) -> str | None:
    """Fill cost and lot of a name; return why it can't be traded, or None."""
    if listing is None:
        return "its listing isn't in the catalogue, so lot and costs are unknown"
    try:
        costs = rules.costs(listing["board"], book.as_of)
        lot = rules.lot(listing["board"], book.as_of, listing_lot=listing["lot"])
    except ContentError as fault:
        return fault.what
    desk.buy_cost[i], desk.sell_cost[i] = costs.buy, costs.sell
    desk.lot_min[i], desk.lot_step[i] = float(lot.minimum or 0), float(lot.step or 0)
    return None


def _shares(desk: _Desk, i: int, row: Mapping[str, Any]) -> None:
    quantity = row["quantity"]
    if quantity is None:
        # A weight without shares can be traded in weight only; with a value known, the shares follow from it.
        quantity = np.nan if row["value"] is None else row["value"] / (desk.price[i] * desk.fx[i])
    desk.held[i] = 0.0 if not np.isfinite(quantity) else float(quantity)
    free = desk.held[i] if row["available"] is None else float(row["available"])
    desk.available[i] = min(free, desk.held[i])
    if desk.held[i] > 0 and desk.available[i] < desk.held[i]:
        desk.sell_floor[i] = desk.w0[i] * (1.0 - desk.available[i] / desk.held[i])
