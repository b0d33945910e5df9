"""The rows of the study's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from exposure.validation.event_models import Window, mean_correlation, residuals_before
from exposure.validation.event_panel import ReturnPanel
from exposure.validation.event_predictions import Prediction
from exposure.validation.event_protocol import GROUPS, Protocol
from exposure.validation.event_statistics import (
    BETA,
    EVERYTHING,
    GROUP,
    INDUSTRY,
    MARKET,
    MEAN_CAR,
    MODEL,
    MODELLED,
    AbnormalFrame,
    Matrix,
    Placed,
    Values,
)
from exposure.validation.events import (
    car_standard_error,
    group_test,
    minimum_detectable,
    placebo_p_value,
    rank_ic_detectable,
    rank_ic_standard_error,
)
from exposure.validation.placebo import clusters_of, pooled

LEVELS = (
    "mean_car", "naive_t", "adjusted_t", "spread", "lowest_name", "lowest", "highest_name", "highest",
)  # fmt: skip


def event_rows(
    rules: Protocol,
    panel: ReturnPanel,
    frame: AbnormalFrame,
    placed: Sequence[Placed],
    values: Values,
) -> pl.DataFrame:
    """Return one row an event and window: level, spread, ranking; see :class:`EventStudy`, ``events``.

    Examples
    --------
    >>> from exposure.validation.event_example import example_study
    >>> example_study().events.select("event", "window", "names").row(0)
    ('hbm_and_140', '[0,+2]', 40)
    """
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
                "window": window_text(window),
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
    rules: Protocol, panel: ReturnPanel, frame: AbnormalFrame, at: int, kept: NDArray[np.bool_]
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


def rank_rows(frame: AbnormalFrame, placed: Sequence[Placed], values: Values) -> pl.DataFrame:
    """Return one row an event, window, model of ordinary returns and statistic; see :class:`EventStudy`, ``ranks``.

    Examples
    --------
    >>> from exposure.validation.event_example import example_study
    >>> example_study().ranks.height == 3 * 2 * 2 * 7
    True
    """
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
                    "window": window_text(window),
                    "abnormal": model,
                    "statistic": statistic,
                    "names": int((known & np.isfinite(cars[item.at - frame.first])).sum()),
                    "value": pair[0][e],
                    "p_placebo": _p(pair, e),
                }
            )
    return _frame_of(rows)


def pooled_rows(placed: Sequence[Placed], values: Values) -> pl.DataFrame:
    """Return one row a group of events, window, model and statistic; see :class:`EventStudy`, ``pooled``.

    Examples
    --------
    >>> from exposure.validation.event_example import example_study
    >>> example_study().pooled.select("group", "registered", "clusters").row(0)
    ('report', 3, 2)
    """
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
                    "window": window_text(window),
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


def power_rows(rules: Protocol, events: pl.DataFrame, pools: pl.DataFrame) -> pl.DataFrame:
    """Return what a study of this size can find in the primary window.

    By formula from the deviation and correlation measured before the events, and from the spread of the same statistic
    on placebo dates, which knows that predictions run along sectors and so is wider for rank correlations.
    """
    rows: list[dict[str, Any]] = []
    window = rules.windows[0]
    length = window[1] - window[0] + 1
    primary = events.filter(pl.col("window") == window_text(window))
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
        & (pl.col("window") == window_text(window)),
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


def name_rows(
    rules: Protocol, panel: ReturnPanel, frame: AbnormalFrame, placed: Sequence[Placed]
) -> pl.DataFrame:
    """Return one row an event and name: prediction, origin, baselines and CARs; see :class:`EventStudy`, ``names``.

    Examples
    --------
    >>> from exposure.validation.event_example import example_study
    >>> example_study().names.height == 3 * 40
    True
    """
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


def window_text(window: Window) -> str:
    """Return a window as people write it.

    Examples
    --------
    >>> window_text((0, 2))
    '[0,+2]'
    """
    return f"[{window[0]},+{window[1]}]"


def _frame_of(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Return rows as a frame in which an unknown number is null."""
    frame = pl.DataFrame(rows, infer_schema_length=None)
    return frame.with_columns(pl.col(pl.Float64).fill_nan(None))
