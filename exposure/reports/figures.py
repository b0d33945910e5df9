"""The numbers behind all editions of a report, computed once from a run's frames.

The workbook caches them beside its formulas, the HTML edition prints them and the sentences quote them: one figure,
one place. Sums run in the order of the sheet, so that they equal what a spreadsheet adds up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from exposure.reports.layout import Layout
from exposure.reports.limits import FIXED_KINDS, Limit, read_limits
from exposure.reports.run import MAIN, FactorCard, Run, ScenarioCard, is_covered

BP = 10_000.0


@dataclass(frozen=True, slots=True)
class Score:
    """The answer for one listing; ``mid`` is None where nobody knows one."""

    lo: float
    mid: float | None
    hi: float
    status: str
    grade: str | None = None
    stale: bool = False
    evidence_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FactorColumn:
    """One column of the map: a factor on one basis."""

    card: FactorCard
    basis: str

    @property
    def key(self) -> tuple[str, str]:
        """Return (factor id, basis)."""
        return self.card.id, self.basis


@dataclass(frozen=True, slots=True)
class Position:
    """One listing, held now or only in the plan; weights are fractions of net asset value."""

    listing_id: str
    issuer_id: str | None
    name_zh: str
    name_en: str
    weight: float
    plan_weight: float
    lists: tuple[str, ...]
    possible_lists: tuple[str, ...]
    grade: str | None
    graded_ab: float


@dataclass(frozen=True, slots=True)
class Return:
    """What a listing does in a scenario, signed fraction; None where no model reaches it."""

    ret: float | None
    lo: float | None
    hi: float | None
    origin: str


@dataclass(frozen=True, slots=True)
class Figures:
    """All numbers of a run in the order in which they are shown."""

    run: Run
    layout: Layout
    positions: tuple[Position, ...]
    columns: tuple[FactorColumn, ...]
    scores: Mapping[tuple[str, str, str], Score]
    scenarios: tuple[ScenarioCard, ...]
    returns: Mapping[tuple[str, str, str], Return]
    engine_exposures: Mapping[tuple[str, str], Mapping[str, Any]]
    engine_results: Mapping[tuple[str, str], Mapping[str, Any]]
    last_exposures: Mapping[tuple[str, str], float]
    last_results: Mapping[str, float]
    limits: tuple[Limit, ...]

    # --- weights -------------------------------------------------------------------------------------------------

    @property
    def weights(self) -> list[float]:
        """Return the weights now."""
        return [position.weight for position in self.positions]

    @property
    def plan_weights(self) -> list[float]:
        """Return the weights after the plan (now, where there is none)."""
        return [position.plan_weight for position in self.positions]

    @property
    def has_plan(self) -> bool:
        """Whether the optimiser found a plan."""
        return self.run.plan is not None and self.run.plan.solved

    # --- factors -------------------------------------------------------------------------------------------------

    def score(self, position: Position, column: FactorColumn) -> Score:
        """Return the score of a listing; without one, it is missing and spans its range."""
        found = self.scores.get((position.listing_id, *column.key))
        return found or Score(column.card.lowest, None, column.card.highest, "missing")

    def exposure(self, column: FactorColumn, weights: Sequence[float], end: str = "mid") -> float:
        """Return Σ weight · score over the listings that have one; ``end`` is lo, mid or hi."""
        total = 0.0
        for position, weight in zip(self.positions, weights, strict=True):
            value = getattr(self.score(position, column), end)
            if value is not None:
                total += weight * value
        return total

    def mid(self, column: FactorColumn, weights: Sequence[float]) -> float | None:
        """Return the portfolio's exposure, None where no listing has a figure: nothing known is not zero."""
        known = any(self.score(position, column).mid is not None for position in self.positions)
        return self.exposure(column, weights) if known else None

    def coverage(self, column: FactorColumn, weights: Sequence[float]) -> float:
        """Return the weight whose score is observed, estimated or not applicable."""
        return sum(
            weight
            for position, weight in zip(self.positions, weights, strict=True)
            if is_covered(self.score(position, column).status)
        )

    def with_mid(self, column: FactorColumn, weights: Sequence[float]) -> float:
        """Return the weight that has a best figure, priors included."""
        return sum(
            weight
            for position, weight in zip(self.positions, weights, strict=True)
            if self.score(position, column).mid is not None
        )

    def column_of(self, factor_id: str, basis: str = MAIN) -> FactorColumn | None:
        """Return the column of a factor, if the run has it."""
        return next((c for c in self.columns if c.key == (factor_id, basis)), None)

    # --- limits --------------------------------------------------------------------------------------------------

    def limit_of(self, column: FactorColumn) -> Limit | None:
        """Return the limit on a factor's exposure that the sheet shows, if the mandate sets one."""
        found = [
            limit
            for limit in self.limits
            if limit.kind == "factor" and limit.factor == column.key and limit.sense != "=="
        ]
        return min(found, key=lambda limit: limit.score != "mid", default=None)

    def limit_on(self, scenario: str) -> Limit | None:
        """Return the limit on a scenario's result at the severity that the sheet shows.

        A limit on any scenario holds for each; it stands where a scenario has none of its own.
        """
        own = [
            x for x in self.limits if x.kind == "scenario" and x.severity == self.layout.severity
        ]
        stated = next((limit for limit in own if limit.scenario == scenario), None)
        if stated is not None:
            return stated
        common = next((limit for limit in own if limit.scenario is None), None)
        if common is None or not self.reached(scenario, common.severity):
            return None
        return replace(common, scenario=scenario, now=None, plan=None, shadow_price=None)

    def counted_score(self, limit: Limit, position: Position, column: FactorColumn) -> float:
        """Return the score that a limit counts: without a best figure, the end that hurts."""
        score = self.score(position, column)
        end = score.hi if limit.sense == "<=" else score.lo
        return end if score.mid is None or limit.score == "hi" else score.mid

    def counted_unknown(self, limit: Limit) -> float:
        """Return what a limit counts for a listing whose scenario return nobody knows.

        The engine takes the worst known return over all listings it may trade, which a report doesn't see; so it is
        read back from the engine's own value. Without one, the worst return held.
        """
        scenario = limit.scenario or ""
        returns = [
            self.scenario_return(position, scenario, limit.severity).ret
            for position in self.positions
        ]
        unknown = sum(w for w, ret in zip(self.weights, returns, strict=True) if ret is None)
        if limit.now is not None and unknown > 1e-9:
            return (limit.now - self.result(scenario, limit.severity, self.weights)) / unknown
        known = [ret for ret in returns if ret is not None]
        return min([0.0, *known]) if known else -1.0

    def own_value(self, limit: Limit, weights: Sequence[float]) -> float | None:
        """Return the sheet's own value of a limit; None where the engine's can't be found again from the sheet."""
        value = self._counted(limit, weights)
        now = self._counted(limit, self.weights)
        if value is None or now is None:
            return None
        apart = 0.0 if limit.now is None else abs(now - limit.now)
        return value if apart <= self.layout.thresholds["agreement"] else None

    def limit_now(self, limit: Limit) -> float | None:
        """Return where the portfolio stands against a limit."""
        own = self.own_value(limit, self.weights)
        return limit.now if own is None else own

    def limit_after(self, limit: Limit) -> float | None:
        """Return where the plan puts the portfolio against a limit."""
        if not self.has_plan:
            return None
        own = self.own_value(limit, self.plan_weights)
        return limit.plan if own is None else own

    def limit_state(self, limit: Limit, value: float | None) -> str:
        """Return the state of a limit at a value; below the coverage floor nobody knows."""
        if value is None:
            return "unknown"
        if self.little_known(limit):
            return "unknown"
        return limit.state_at(value, self.layout)

    def little_known(self, limit: Limit) -> bool:
        """Whether too little weight has a known score for the limit to mean anything."""
        column = self.column_of(*limit.factor) if limit.factor and limit.kind == "factor" else None
        if column is None:
            return False
        return self.coverage(column, self.weights) < self.layout.thresholds["coverage_floor"]

    def current_limits(self) -> list[tuple[Limit, float | None, str]]:
        """Return each limit with its value now and its state, most pressing first.

        Limits that only say what can't be traded come only where they are broken.
        """
        order = {"breach": 0, "unknown": 1, "at_limit": 2, "watch": 3, "ok": 4}
        found: list[tuple[tuple[bool, int, float], Limit, float | None, str]] = []
        for limit in self.limits:
            value = self.limit_now(limit)
            state = self.limit_state(limit, value)
            if state != "breach" and (limit.kind in FIXED_KINDS or limit.name == "long_only"):
                continue
            room = math.inf if value is None else limit.room(value) / (abs(limit.bound) or 1.0)
            found.append(((value is None, order[state], room), limit, value, state))
        return [entry[1:] for entry in sorted(found, key=lambda entry: entry[0])]

    def _counted(self, limit: Limit, weights: Sequence[float]) -> float | None:
        column = self.column_of(*limit.factor) if limit.factor and limit.kind == "factor" else None
        if column is not None:
            return sum(
                weight * self.counted_score(limit, position, column)
                for position, weight in zip(self.positions, weights, strict=True)
            )
        if limit.scenario is None or limit.severity != self.layout.severity:
            return None
        if all(card.id != limit.scenario for card in self.scenarios):
            return None
        unknown = sum(
            weight
            for position, weight in zip(self.positions, weights, strict=True)
            if self.scenario_return(position, limit.scenario, limit.severity).ret is None
        )
        known = self.result(limit.scenario, limit.severity, weights)
        return known + self.counted_unknown(limit) * unknown

    # --- scenarios -----------------------------------------------------------------------------------------------

    def scenario_return(self, position: Position, scenario: str, severity: str) -> Return:
        """Return what a listing does; nothing known is not zero."""
        return self.returns.get(
            (scenario, severity, position.listing_id), Return(None, None, None, "none")
        )

    def result(self, scenario: str, severity: str, weights: Sequence[float]) -> float:
        """Return Σ weight · return over the listings that a model reaches."""
        total = 0.0
        for position, weight in zip(self.positions, weights, strict=True):
            ret = self.scenario_return(position, scenario, severity).ret
            if ret is not None:
                total += weight * ret
        return total

    def reached(self, scenario: str, severity: str) -> bool:
        """Whether a model reaches any listing in a scenario."""
        return any(
            self.scenario_return(position, scenario, severity).ret is not None
            for position in self.positions
        )

    def loss_part(self, scenario: str, severity: str, weights: Sequence[float]) -> float:
        """Return the sum over losing positions, ≤ 0."""
        parts = self._parts(scenario, severity, weights)
        return sum(part for part in parts if part < 0)

    def gain_part(self, scenario: str, severity: str, weights: Sequence[float]) -> float:
        """Return the sum over gaining positions, ≥ 0."""
        parts = self._parts(scenario, severity, weights)
        return sum(part for part in parts if part > 0)

    def results(self, weights: Sequence[float], severity: str | None = None) -> list[float | None]:
        """Return the portfolio's result in each scenario, None where no listing is reached."""
        chosen = severity or self.layout.severity
        return [
            self.result(card.id, chosen, weights) if self.reached(card.id, chosen) else None
            for card in self.scenarios
        ]

    def worst_result(self, weights: Sequence[float]) -> float | None:
        """Return the lowest result of all scenarios."""
        return min((r for r in self.results(weights) if r is not None), default=None)

    @property
    def probabilities(self) -> list[float | None]:
        """Return the best probability of each scenario, None where nobody states one."""
        return [card.probability.mid if card.probability else None for card in self.scenarios]

    def expected_loss(self, weights: Sequence[float]) -> float:
        """Return 10⁴ · Σ p · max(0, −r) [bp]."""
        return BP * expected(self.probabilities, self.results(weights), -1)

    def expected_gain(self, weights: Sequence[float]) -> float:
        """Return 10⁴ · Σ p · max(0, r) [bp]."""
        return BP * expected(self.probabilities, self.results(weights), 1)

    def expected_loss_end(self, end: str) -> float:
        """Return the expected loss at the low severity and probability, or at the high ones [bp]."""
        severity = "low" if end == "lo" else "high"
        chances = [
            getattr(card.probability, end) if card.probability else None for card in self.scenarios
        ]
        return BP * expected(chances, self.results(self.weights, severity), -1)

    def listing_loss(self, position: Position) -> float:
        """Return the listing's own 10⁴ · w · Σ p · max(0, −r) [bp]; gains elsewhere don't lower it."""
        return BP * position.weight * expected(self.probabilities, self._own(position), -1)

    def listing_gain(self, position: Position) -> float:
        """Return the listing's own 10⁴ · w · Σ p · max(0, r) [bp]."""
        return BP * position.weight * expected(self.probabilities, self._own(position), 1)

    @property
    def worst(self) -> int | None:
        """Return the place of the scenario with the lowest result."""
        lowest = self.worst_result(self.weights)
        return None if lowest is None else self.results(self.weights).index(lowest)

    # --- evidence ------------------------------------------------------------------------------------------------

    @property
    def graded_ab(self) -> float:
        """Return the share of weight × factors that rests on grades A and B; a gap counts against."""
        total = sum(self.weights)
        return sum(p.weight * p.graded_ab for p in self.positions) / total if total else 0.0

    def share_of_scores(self, grades: tuple[str, ...] = (), *, stale: bool = False) -> float:
        """Return the share of weight × factors with one of these grades, or with an old figure."""
        hit = total = 0.0
        for position in self.positions:
            for column in self.columns:
                score = self.score(position, column)
                total += position.weight
                if score.grade in grades or (stale and score.stale):
                    hit += position.weight
        return hit / total if total else 0.0

    def listed_weight(self, *, possible: bool = False) -> float:
        """Return the weight on list-marked issuers, with doubtful and related ones if asked."""
        return sum(
            position.weight
            for position in self.positions
            if position.lists or (possible and position.possible_lists)
        )

    # --- agreement with the engine -------------------------------------------------------------------------------

    def exposure_gap(self) -> float:
        """Return the largest difference between the sheet's exposures and the engine's."""
        gaps = [
            abs(
                self.exposure(column, self.weights, end)
                - float(self.engine_exposures[column.key][end])
            )
            for column in self.columns
            if column.key in self.engine_exposures
            for end in ("lo", "mid", "hi")
            if self.engine_exposures[column.key][end] is not None  # no listing has a point
        ]
        return max(gaps, default=0.0)

    def result_gap(self) -> float:
        """Return the largest difference between the sheet's scenario results and the engine's."""
        gaps = [
            abs(self.result(scenario, severity, self.weights) - float(row["result"]))
            for (scenario, severity), row in self.engine_results.items()
            if row["result"] is not None
        ]
        return max(gaps, default=0.0)

    def _own(self, position: Position) -> list[float]:
        severity = self.layout.severity
        found = [self.scenario_return(position, card.id, severity).ret for card in self.scenarios]
        return [0.0 if ret is None else ret for ret in found]

    def _parts(self, scenario: str, severity: str, weights: Sequence[float]) -> list[float]:
        parts: list[float] = []
        for position, weight in zip(self.positions, weights, strict=True):
            ret = self.scenario_return(position, scenario, severity).ret
            parts.append(0.0 if ret is None else weight * ret)
        return parts


def figures(run: Run, layout: Layout) -> Figures:
    """Compute all numbers of a report.

    Parameters
    ----------
    run
        What the pipeline found.
    layout
        Orders and thresholds.
    """
    scores = {
        (row["listing_id"], row["factor_id"], row["basis"]): Score(
            row["lo"],
            row["mid"],
            row["hi"],
            row["status"],
            row["grade"],
            row["stale"],
            tuple(row["evidence_ids"]),
        )
        for row in run.position_scores.iter_rows(named=True)
    }
    columns = _columns(run, layout)
    comparison = run.comparison
    severity = layout.severity
    return Figures(
        run=run,
        layout=layout,
        positions=_positions(run, layout, columns, scores),
        columns=columns,
        scores=scores,
        scenarios=tuple(run.scenarios),
        returns={
            (row["scenario_id"], row["severity"], row["listing_id"]): Return(
                row["ret"], row["ret_lo"], row["ret_hi"], row["origin"]
            )
            for row in run.scenario_returns.iter_rows(named=True)
        },
        engine_exposures={
            (row["factor_id"], row["basis"]): row for row in run.exposures.iter_rows(named=True)
        },
        engine_results={
            (row["scenario_id"], row["severity"]): row
            for row in run.scenario_results.iter_rows(named=True)
        },
        last_exposures={}
        if comparison is None
        else {
            (row["factor_id"], row["basis"]): row["mid"]
            for row in comparison.exposures.iter_rows(named=True)
        },
        last_results={}
        if comparison is None
        else {
            row["scenario_id"]: row["result"]
            for row in comparison.results.filter(pl.col("severity") == severity).iter_rows(
                named=True
            )
        },
        limits=read_limits(run),
    )


def expected(chances: Sequence[float | None], results: Sequence[float | None], sign: int) -> float:
    """Return Σ p · max(0, sign · r); a scenario without a probability or a result stays out.

    Examples
    --------
    >>> expected([0.5, None, 0.2], [-0.1, -0.9, 0.3], -1)
    0.05
    """
    return sum(
        chance * max(0.0, sign * result)
        for chance, result in zip(chances, results, strict=True)
        if chance is not None and result is not None
    )


def _columns(run: Run, layout: Layout) -> tuple[FactorColumn, ...]:
    cards = {card.id: card for card in run.factors}
    seen: dict[tuple[str, str], None] = {}
    for row in run.exposures.select("factor_id", "basis").iter_rows():
        seen[row[0], row[1]] = None
    place = {factor: number for number, factor in enumerate(layout.factors)}
    stated = {card.id: number for number, card in enumerate(run.factors)}
    signs = {sign: number for number, sign in enumerate(layout.signs)}

    def rank(key: tuple[str, str]) -> tuple[int, int, int, int, str]:
        card = cards[key[0]]
        return (
            signs.get(card.sign, len(signs)),
            place.get(card.id, len(place)),
            stated[card.id],
            0 if key[1] == MAIN else 1,
            key[1],
        )

    return tuple(
        FactorColumn(cards[factor], basis)
        for factor, basis in sorted((key for key in seen if key[0] in cards), key=rank)
    )


def _positions(
    run: Run,
    layout: Layout,
    columns: Sequence[FactorColumn],
    scores: Mapping[tuple[str, str, str], Score],
) -> tuple[Position, ...]:
    plan = run.plan
    after: dict[str, float] = {}
    if plan is not None and plan.solved:
        after = dict(plan.weights.select("listing_id", "weight_plan").iter_rows())
    issuers: dict[str, str | None] = dict(
        run.position_scores.select("listing_id", "issuer_id").iter_rows()
    )
    marks = _list_marks(run, layout)
    found: list[Position] = []
    held = {row["listing_id"]: row for row in run.holdings.iter_rows(named=True)}
    bought = [listing for listing, weight in after.items() if listing not in held and weight > 0]
    for listing in [*held, *bought]:
        row = held.get(listing, {})
        issuer = row.get("issuer_id") or issuers.get(listing)
        name = row.get("name")
        zh, en = _names(run, listing, issuer, name)
        own = [scores.get((listing, *column.key)) for column in columns]
        grades = [score.grade for score in own if score and score.grade]
        weight = float(row.get("weight", 0.0))
        found.append(
            Position(
                listing_id=listing,
                issuer_id=issuer,
                name_zh=zh,
                name_en=en,
                weight=weight,
                plan_weight=float(after.get(listing, weight)) if after else weight,
                lists=marks.get((issuer, True), ()),
                possible_lists=marks.get((issuer, False), ()),
                grade=max(grades) if grades else None,
                graded_ab=sum(1 for s in own if s and s.grade in ("A", "B")) / len(own)
                if own
                else 0.0,
            )
        )
    return tuple(sorted(found, key=lambda p: (-p.weight, -p.plan_weight, p.listing_id)))


def _names(run: Run, listing: str, issuer: str | None, name: str | None) -> tuple[str, str]:
    if listing in run.listing_names:
        return run.listing_names[listing]
    if issuer is not None and issuer in run.issuer_names:
        return run.issuer_names[issuer]
    return (name or listing, name or listing)


def _list_marks(run: Run, layout: Layout) -> dict[tuple[str | None, bool], tuple[str, ...]]:
    wanted = next((card.lists for card in layout.cards if card.kind == "listed_weight"), ())
    marks: dict[tuple[str | None, bool], tuple[str, ...]] = {}
    for row in run.list_status.iter_rows(named=True):
        if (wanted and row["list_id"] not in wanted) or row["status"] == "not_on_list":
            continue
        key = (row["issuer_id"], row["status"] == "listed")
        marks[key] = (*marks.get(key, ()), row["list_id"])
    return marks
