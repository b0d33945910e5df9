"""The event study of the protocol: what prices did after each act, and whether the model ranked the names before.

Everything that decides a result stands in the protocol; this module only carries it out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from exposure.errors import HoldingsError
from exposure.factors.catalog import Catalog
from exposure.portfolios.trading_rules import load_trading_rules
from exposure.scenarios.stressing import stress
from exposure.validation.event_models import (
    Abnormal,
    Window,
    abnormal_returns,
    mean_correlation,
    others_mean,
    rank_ics,
    residuals_before,
)
from exposure.validation.event_panel import ReturnPanel, return_panel
from exposure.validation.event_predictions import (
    Prediction,
    baseline_beta,
    baseline_industry,
    industries_of,
    predict,
    study_names,
)
from exposure.validation.event_protocol import GROUPS, Protocol, RegisteredEvent, load_protocol
from exposure.validation.events import (
    car_standard_error,
    group_test,
    minimum_detectable,
    placebo_p_value,
    rank_ic_detectable,
    rank_ic_standard_error,
)
from exposure.validation.placebo import (
    clusters_of,
    draw_placebos,
    eligible_days,
    pooled,
)

Matrix = NDArray[np.float64]

MARKET, GROUP = "market", "group"  # models of the ordinary return
MODEL, MODELLED, BETA, INDUSTRY = "model", "modelled_only", "beta", "industry"
LESS_BETA, LESS_INDUSTRY = "model_less_beta", "model_less_industry"
MEAN_CAR = "mean_car"
LEVELS = (
    "mean_car", "naive_t", "adjusted_t", "spread", "lowest_name", "lowest", "highest_name", "highest",
)  # fmt: skip
EVERYTHING = "all"

Key = tuple[str, Window, str]
Values = Mapping[
    Key, tuple[Matrix, Matrix]
]  # statistic → its value of each event, and on its placebo dates


@dataclass(frozen=True, slots=True)
class EventStudy:
    """Outcome of an event study.

    Attributes
    ----------
    events
        One row an event and window: | event | group | day_zero | cluster | window | names | dropped | at_limit |
        mean_car [fraction, market model] | naive_t (not to be quoted) | adjusted_t | p_placebo | spread | lowest_name |
        lowest | highest_name | highest | mean_car_group | daily_sd | correlation | basis | scenarios | predicted |
        unknown | modelled | inferred | distinct | mean_predicted | ic | ic_p_placebo | note |
    ranks
        One row an event, window, model of ordinary returns and statistic: | names | value | p_placebo |
    pooled
        One row a group of events (``report``, ``later``, ``all``), window, model and statistic.
    power
        | group | statistic | counted | names | events | se | detectable |: 80% power at 5%, means as fractions.
    names
        One row an event and name: prediction, origin, and CARs of the group and market model.
    counts
        What went in: names, days, placebo dates.
    skipped
        Registered events that the prices don't cover, with the reason.
    """

    protocol: Protocol
    events: pl.DataFrame
    ranks: pl.DataFrame
    pooled: pl.DataFrame
    power: pl.DataFrame
    names: pl.DataFrame
    counts: Mapping[str, Any]
    skipped: tuple[tuple[str, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the single names, ready for JSON."""
        return {
            "protocol": {
                "written_on": self.protocol.written_on,
                "known": self.protocol.texts["known"],
                "seed": self.protocol.seed,
            },
            "counts": dict(self.counts),
            "skipped": [{"event": event, "reason": reason} for event, reason in self.skipped],
            "events": _plain(self.events),
            "ranks": _plain(self.ranks),
            "pooled": _plain(self.pooled),
            "power": _plain(self.power),
            "sentence": self.power_sentence(),
        }

    def power_sentence(self) -> str:
        """Say in plain words what a study of this size can and can't show.

        Examples
        --------
        >>> from exposure.validation.event_example import example_study
        >>> example_study().power_sentence()[:35]
        "One event can't validate the model:"
        """
        rows = {
            (row["statistic"], row["counted"]): row
            for row in self.power.filter(pl.col("group") == EVERYTHING).iter_rows(named=True)
        }
        mean, one = rows[(MEAN_CAR, "one event")], rows.get(("rank_ic", "one event"))
        text = (
            f"One event can't validate the model: with {mean['names']} names it finds a mean reaction only above"
            f" {mean['detectable']:.1%}"
        )
        many = rows.get(("rank_ic", "placebo"), rows.get(("rank_ic", "clusters")))
        if one is None or many is None:
            return text + ", and no name was ranked."
        return (
            text
            + f" and a rank correlation only above {one['detectable']:.2f} even if names were independent;"
            f" all {many['events']} ranked events together find one above {many['detectable']:.2f}."
        )


@dataclass(frozen=True, slots=True)
class _Placed:
    """An event with its day 0 in the panel and what was predicted for it."""

    event: RegisteredEvent
    at: int
    prediction: Prediction
    beta: Matrix
    industry: Matrix

    def vector(self, predictor: str) -> Matrix:
        if predictor == MODELLED:
            return np.where(self.prediction.modelled, self.prediction.returns, np.nan)
        return {MODEL: self.prediction.returns, BETA: self.beta, INDUSTRY: self.industry}[predictor]


def run_event_study(
    catalog: Catalog,
    closes: pl.DataFrame,
    index_closes: pl.DataFrame,
    *,
    protocol: Protocol | None = None,
    engine: Callable[..., Any] = stress,
    tell: Callable[[str], None] | None = None,
) -> EventStudy:
    """Carry out the protocol on prices.

    Parameters
    ----------
    catalog
        Facts with their days; predictions see those known the day before each event.
    closes, index_closes
        As :func:`~exposure.validation.event_panel.read_closes` returns them.
    protocol
        By default the catalog's own.
    engine
        The stress test; another one only in tests.
    tell
        Called with a line a step, for people who wait.

    Raises
    ------
    HoldingsError
        If prices and market share no days, hold fewer names of the master than the protocol needs, cover no registered
        event, or leave too few placebo dates.
    ContentError
        If the protocol can't be read.

    Notes
    -----
    Missing values: a name without a close on a day of a window is dropped from it and counted; a name without a
    prediction is left out of the ranking and counted. Same inputs, same protocol: same result to the last digit.

    Source
    ------
    docs/methodology.md, section 6; MacKinlay (1997); Kolari and Pynnönen (2010).

    Examples
    --------
    Prices without any signal give a rank correlation near nothing.

    >>> from exposure.validation.event_example import example_study
    >>> study = example_study()
    >>> sorted(set(study.events["event"]))
    ['foundry_rule', 'hbm_and_140', 'list_1260h']
    """
    rules = load_protocol(catalog) if protocol is None else protocol
    say = tell or (lambda _: None)
    names = study_names(catalog, closes["listing_id"].unique().to_list())
    if len(names) < rules.minimum_names:
        raise HoldingsError(
            f"the prices hold {len(names)} issuers of the master; the protocol needs {rules.minimum_names}"
        )
    closes = closes.filter(pl.col("listing_id").is_in(names))
    panel = return_panel(
        closes,
        index_closes,
        market=rules.market,
        indices=[rules.beta_index],
        rules=load_trading_rules(catalog.root),
        first=rules.first_day,
    )
    say(f"{len(panel.names)} names, {len(panel.days)} days to {panel.days[-1].isoformat()}")
    kept, skipped = _inside(rules, panel)
    frame = _Frame.of(rules, panel, [at for _, at in kept])
    kept, thin = _with_names(rules, frame, kept)
    placed: list[_Placed] = []
    industries = industries_of(catalog, panel.names, rules.industries)
    for event, at in kept:
        say(f"predict {event.id} as of {event.as_of.isoformat()}")
        made = predict(catalog, rules, event, panel.names, closes, index_closes, engine=engine)
        beta = baseline_beta(made.returns, frame.betas[at - frame.first])
        placed.append(_Placed(event, at, made, beta, baseline_industry(made.returns, industries)))
    draws = _placebo_days(rules, panel, frame, placed)
    say(f"{rules.draws} placebo dates for each of {len(placed)} events")
    values = _statistics(rules, frame, placed, draws)
    events = _event_rows(rules, panel, frame, placed, values)
    pools = _pooled_rows(placed, values)
    return EventStudy(
        rules,
        events,
        _rank_rows(frame, placed, values),
        pools,
        _power_rows(rules, events, pools),
        _name_rows(rules, panel, frame, placed),
        {
            "names": len(panel.names),
            "industries": len(set(industries)),
            "first_day": panel.days[0],
            "last_day": panel.days[-1],
            "days": len(panel.days),
            "beyond_limit": panel.beyond_limit,
            "placebo_days": int(frame.eligible.size),
            "draws": rules.draws,
        },
        skipped + thin,
    )


@dataclass(frozen=True, slots=True)
class _Frame:
    """Abnormal returns of both models around every day from ``first`` on that has room for the widest window."""

    first: int
    models: Mapping[str, Abnormal]
    betas: Matrix
    excluded: NDArray[np.bool_]
    regressors: Mapping[str, Sequence[Matrix]]
    eligible: NDArray[np.int64]

    @classmethod
    def of(cls, rules: Protocol, panel: ReturnPanel, events: Sequence[int]) -> _Frame:
        last = max(window[1] for window in rules.windows)
        excluded = np.zeros(len(panel.days), dtype=bool)
        for at in events:
            excluded[at : at + last + 1] = True
        market = panel.indices[rules.market]
        regressors = {
            MARKET: [market],
            GROUP: [market, others_mean(panel.returns, panel.names)],
        }
        start = next(
            (i for i, day in enumerate(panel.days) if day >= rules.placebo_first), len(panel.days)
        )
        first = min(start, *events)
        positions = np.arange(first, len(panel.days) - last)

        def fit(columns: Sequence[Matrix]) -> Abnormal:
            return abnormal_returns(
                panel.returns, columns, positions, rules.windows, rules.estimation, excluded
            )

        models = {name: fit(columns) for name, columns in regressors.items()}
        widest = max(rules.windows, key=lambda window: window[1])
        complete = np.zeros(len(panel.days), dtype=bool)
        complete[positions] = (
            np.isfinite(models[GROUP].cars[widest]).sum(axis=1) >= rules.minimum_names
        )
        acts = [
            panel.first_after(day)
            for day in rules.act_days
            if panel.days[0] <= day < panel.days[-1]
        ]
        eligible = eligible_days(
            len(panel.days), start, [*acts, *events], last, rules.guard_days, complete
        )
        return cls(
            first,
            models,
            fit([panel.indices[rules.beta_index]]).slopes[:, :, 0],
            excluded,
            regressors,
            eligible,
        )

    def cars(self, model: str, window: Window) -> Matrix:
        return self.models[model].cars[window]


def _inside(
    rules: Protocol, panel: ReturnPanel
) -> tuple[list[tuple[RegisteredEvent, int]], tuple[tuple[str, str], ...]]:
    """Return the events that the prices cover, with day 0, and the others with the reason."""
    last = max(window[1] for window in rules.windows)
    kept: list[tuple[RegisteredEvent, int]] = []
    skipped: list[tuple[str, str]] = []
    for event in rules.events:
        if not panel.days[0] <= event.known_on < panel.days[-1]:
            skipped.append((event.id, "outside the prices"))
            continue
        at = panel.first_after(event.known_on)
        if at + last >= len(panel.days):
            skipped.append((event.id, "the prices end inside its window"))
        elif at < rules.estimation.minimum_days - rules.estimation.last:
            skipped.append((event.id, "too few days before it"))
        else:
            kept.append((event, at))
    if not kept:
        raise HoldingsError(
            f"no registered event lies in the prices ({panel.days[0]} to {panel.days[-1]}) with"
            f" {rules.estimation.minimum_days} estimation days before it"
        )
    return kept, tuple(skipped)


def _with_names(
    rules: Protocol, frame: _Frame, events: Sequence[tuple[RegisteredEvent, int]]
) -> tuple[list[tuple[RegisteredEvent, int]], tuple[tuple[str, str], ...]]:
    """Set aside events around which too few names have a whole window and enough days before it."""
    widest = max(rules.windows, key=lambda window: window[1])
    kept: list[tuple[RegisteredEvent, int]] = []
    thin: list[tuple[str, str]] = []
    for event, at in events:
        count = int(np.isfinite(frame.cars(GROUP, widest)[at - frame.first]).sum())
        if count < rules.minimum_ranked:
            thin.append((event.id, f"only {count} names have an abnormal return"))
        else:
            kept.append((event, at))
    if not kept:
        raise HoldingsError(
            f"no registered event has {rules.minimum_ranked} names with closes on its window and"
            f" {rules.estimation.minimum_days} estimation days"
        )
    return kept, tuple(thin)


def _placebo_days(
    rules: Protocol, panel: ReturnPanel, frame: _Frame, placed: Sequence[_Placed]
) -> NDArray[np.int64]:
    last = max(window[1] for window in rules.windows)
    at = [item.at for item in placed]
    days = draw_placebos(at, clusters_of(at, last), frame.eligible, rules.draws, rules.seed)
    if days.max() + last >= len(panel.days):
        raise HoldingsError("a placebo window leaves the prices")
    return days


def _statistics(
    rules: Protocol, frame: _Frame, placed: Sequence[_Placed], draws: NDArray[np.int64]
) -> Values:
    """Return every statistic of every event with its placebo values: (E,) and (K, E)."""
    out: dict[Key, tuple[Matrix, Matrix]] = {}
    count = len(placed)
    for window in rules.windows:
        for model in (GROUP, MARKET):
            cars = frame.cars(model, window)
            for predictor in (MODEL, MODELLED, BETA, INDUSTRY):
                actual, null = np.full(count, np.nan), np.full((len(draws), count), np.nan)
                for e, item in enumerate(placed):
                    p = item.vector(predictor)
                    least = rules.minimum_ranked
                    actual[e] = rank_ics(p, cars[item.at - frame.first], least)[0]
                    null[:, e] = rank_ics(p, cars[draws[:, e] - frame.first], least)
                out[(model, window, predictor)] = (actual, null)
            for name, base in ((LESS_BETA, BETA), (LESS_INDUSTRY, INDUSTRY)):
                mine, other = out[(model, window, MODEL)], out[(model, window, base)]
                out[(model, window, name)] = (mine[0] - other[0], mine[1] - other[1])
            mean, null = np.full(count, np.nan), np.full((len(draws), count), np.nan)
            for e, item in enumerate(placed):
                own = cars[item.at - frame.first]
                kept = np.isfinite(own)
                mean[e] = own[kept].mean() if kept.any() else np.nan
                null[:, e] = _row_means(cars[draws[:, e] - frame.first][:, kept])
            out[(model, window, MEAN_CAR)] = (mean, null)
    return out


def _row_means(values: Matrix) -> Matrix:
    present = np.isfinite(values)
    count = present.sum(axis=1)
    total = np.where(present, values, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _event_rows(
    rules: Protocol, panel: ReturnPanel, frame: _Frame, placed: Sequence[_Placed], values: Values
) -> pl.DataFrame:
    rows: list[dict[str, Any]] = []
    for window in rules.windows:
        clusters = clusters_of([item.at for item in placed], window[1])
        for e, item in enumerate(placed):
            cars = frame.cars(MARKET, window)[item.at - frame.first]
            kept = np.isfinite(cars)
            sd, rho = _spread_before(rules, panel, frame, item.at, kept)
            first, last = item.at + window[0], item.at + window[1] + 1
            row: dict[str, Any] = {
                "event": item.event.id,
                "group": item.event.group,
                "day_zero": panel.days[item.at],
                "cluster": clusters[e],
                "window": _window_text(window),
                "names": int(kept.sum()),
                "dropped": int((~kept).sum()),
                "at_limit": int(panel.at_limit[first:last][:, kept].any(axis=0).sum()),
            }
            row |= _level(cars, kept, panel.names, sd, rho, window)
            row["p_placebo"] = _p(values[(MARKET, window, MEAN_CAR)], e)
            row["mean_car_group"] = values[(GROUP, window, MEAN_CAR)][0][e]
            row |= {"daily_sd": sd, "correlation": rho}
            row |= _forecast(item.prediction, kept)
            row["ic"] = values[(GROUP, window, MODEL)][0][e]
            row["ic_p_placebo"] = _p(values[(GROUP, window, MODEL)], e)
            row["note"] = "; ".join(
                part for part in (item.event.note, item.prediction.note) if part
            )
            rows.append(row)
    return _frame_of(rows)


def _spread_before(
    rules: Protocol, panel: ReturnPanel, frame: _Frame, at: int, kept: NDArray[np.bool_]
) -> tuple[float, float]:
    """Return the root mean square daily deviation and the mean correlation of the kept names before an event."""
    residuals, deviation = residuals_before(
        panel.returns, frame.regressors[MARKET], at, rules.estimation, frame.excluded
    )
    if not kept.any():
        return float("nan"), float("nan")
    return float(np.sqrt(np.mean(deviation[kept] ** 2))), mean_correlation(residuals[:, kept])


def _level(
    cars: Matrix,
    kept: NDArray[np.bool_],
    names: Sequence[str],
    sd: float,
    rho: float,
    window: Window,
) -> dict[str, Any]:
    at = np.flatnonzero(kept)
    if at.size < 2:
        return dict.fromkeys(LEVELS)
    own = cars[at]
    test = group_test(own, sd, window[1] - window[0] + 1, rho)
    low, high = at[int(own.argmin())], at[int(own.argmax())]
    return {
        "mean_car": test.mean,
        "naive_t": test.mean / (test.spread / np.sqrt(at.size)),
        "adjusted_t": test.adjusted_t,
        "spread": test.spread,
        "lowest_name": names[low],
        "lowest": cars[low],
        "highest_name": names[high],
        "highest": cars[high],
    }


def _forecast(made: Prediction, kept: NDArray[np.bool_]) -> dict[str, Any]:
    known = made.known & kept
    values = made.returns[known]
    return {
        "basis": made.basis,
        "scenarios": ";".join(made.scenarios),
        "predicted": int(known.sum()),
        "unknown": int((kept & ~made.known).sum()),
        "modelled": int((known & made.modelled).sum()),
        "inferred": int((known & ~made.modelled).sum()),
        "distinct": int(np.unique(values.round(12)).size),
        "mean_predicted": float(values.mean()) if values.size else None,
    }


def _rank_rows(frame: _Frame, placed: Sequence[_Placed], values: Values) -> pl.DataFrame:
    rows: list[dict[str, Any]] = []
    for (model, window, statistic), pair in values.items():
        cars = frame.cars(model, window)
        for e, item in enumerate(placed):
            source = statistic if statistic in (MODEL, MODELLED, BETA, INDUSTRY) else MODEL
            known = np.isfinite(item.vector(source)) if statistic != MEAN_CAR else True
            rows.append(
                {
                    "event": item.event.id,
                    "group": item.event.group,
                    "window": _window_text(window),
                    "abnormal": model,
                    "statistic": statistic,
                    "names": int((known & np.isfinite(cars[item.at - frame.first])).sum()),
                    "value": pair[0][e],
                    "p_placebo": _p(pair, e),
                }
            )
    return _frame_of(rows)


def _pooled_rows(placed: Sequence[_Placed], values: Values) -> pl.DataFrame:
    rows: list[dict[str, Any]] = []
    for group in (*GROUPS, EVERYTHING):
        members = [e for e, item in enumerate(placed) if group in (item.event.group, EVERYTHING)]
        if not members:
            continue
        for (model, window, statistic), (actual, null) in values.items():
            clusters = clusters_of([placed[e].at for e in members], window[1])
            out = pooled(actual[members], clusters, null[:, members])
            rows.append(
                {
                    "group": group,
                    "window": _window_text(window),
                    "abnormal": model,
                    "statistic": statistic,
                    "registered": len(members),
                    "events": out.events,
                    "clusters": out.clusters,
                    "mean": out.mean,
                    "se": out.se,
                    "t": out.t,
                    "p_t": out.p_t,
                    "p_placebo": out.p_placebo,
                    "placebo_sd": out.placebo_sd,
                }
            )
    return _frame_of(rows)


def _power_rows(rules: Protocol, events: pl.DataFrame, pools: pl.DataFrame) -> pl.DataFrame:
    """Return what a study of this size can find in the primary window.

    By formula from the deviation and correlation measured before the events, and from the spread of the same statistic
    on placebo dates, which knows that predictions run along sectors and so is wider for rank correlations.
    """
    rows: list[dict[str, Any]] = []
    window = rules.windows[0]
    length = window[1] - window[0] + 1
    primary = events.filter(pl.col("window") == _window_text(window))
    for group in (*GROUPS, EVERYTHING):
        own = primary.filter((pl.col("group") == group) | pl.lit(group == EVERYTHING))
        if own.is_empty():
            continue
        sd, rho = (float(np.nanmean(own[name].to_numpy())) for name in ("daily_sd", "correlation"))
        names = int(np.median(own["names"].to_numpy()))
        for counted, number in _sizes(own).items():
            se = car_standard_error(names, number, sd, length, rho)
            found = (se, minimum_detectable(se))
            rows.append(_power(group, MEAN_CAR, counted, names, number, found))
        rows += _placebo_power(pools, group, MARKET, MEAN_CAR, window, names)
        ranked = own.filter(pl.col("ic").is_not_null())
        if ranked.is_empty():
            continue
        names = int(np.median(ranked["predicted"].to_numpy()))
        for counted, number in _sizes(ranked).items():
            found = (rank_ic_standard_error(names, number), rank_ic_detectable(names, number))
            rows.append(_power(group, "rank_ic", counted, names, number, found))
        rows += _placebo_power(pools, group, GROUP, MODEL, window, names)
    return _frame_of(rows)


def _sizes(events: pl.DataFrame) -> dict[str, int]:
    return {"one event": 1, "events": events.height, "clusters": events["cluster"].n_unique()}


def _placebo_power(
    pools: pl.DataFrame, group: str, model: str, statistic: str, window: Window, names: int
) -> list[dict[str, Any]]:
    row = pools.row(
        by_predicate=(pl.col("group") == group)
        & (pl.col("abnormal") == model)
        & (pl.col("statistic") == statistic)
        & (pl.col("window") == _window_text(window)),
        named=True,
    )
    sd = row["placebo_sd"]
    if sd is None:
        return []
    what = "rank_ic" if statistic == MODEL else statistic
    return [_power(group, what, "placebo", names, row["events"], (sd, minimum_detectable(sd)))]


def _power(
    group: str, statistic: str, counted: str, names: int, events: int, found: tuple[float, float]
) -> dict[str, Any]:
    return {
        "group": group,
        "statistic": statistic,
        "counted": counted,
        "names": names,
        "events": events,
        "se": found[0],
        "detectable": found[1],
    }


def _name_rows(
    rules: Protocol, panel: ReturnPanel, frame: _Frame, placed: Sequence[_Placed]
) -> pl.DataFrame:
    rows: list[dict[str, Any]] = []
    for item in placed:
        for n, name in enumerate(panel.names):
            row: dict[str, Any] = {
                "event": item.event.id,
                "listing_id": name,
                "predicted": item.prediction.returns[n],
                "origin": (
                    "none"
                    if not item.prediction.known[n]
                    else "modelled"
                    if item.prediction.modelled[n]
                    else "inferred"
                ),
                "beta": item.beta[n],
                "industry": item.industry[n],
            }
            for model in (GROUP, MARKET):
                for window in rules.windows:
                    row[f"car_{model}_{window[0]}_{window[1]}"] = frame.cars(model, window)[
                        item.at - frame.first, n
                    ]
            rows.append(row)
    return _frame_of(rows)


def _p(pair: tuple[Matrix, Matrix], e: int) -> float:
    value, null = pair[0][e], pair[1][:, e]
    if not np.isfinite(value) or not np.isfinite(null).any():
        return float("nan")
    return placebo_p_value(float(value), null)


def _window_text(window: Window) -> str:
    return f"[{window[0]},+{window[1]}]"


def _frame_of(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Return rows as a frame in which an unknown number is null."""
    frame = pl.DataFrame(rows, infer_schema_length=None)
    return frame.with_columns(pl.col(pl.Float64).fill_nan(None))


def _plain(frame: pl.DataFrame) -> list[dict[str, Any]]:
    return [
        {key: value.isoformat() if isinstance(value, date) else value for key, value in row.items()}
        for row in frame.iter_rows(named=True)
    ]
