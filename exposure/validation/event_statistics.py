"""Every statistic of the study: of each event, and of its placebo dates.

Symbols
    E, K, N   events, placebo draws, names
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exposure.validation.event_models import (
    Abnormal,
    Window,
    abnormal_returns,
    others_mean,
    rank_ics,
)
from exposure.validation.event_panel import ReturnPanel
from exposure.validation.event_predictions import Prediction
from exposure.validation.event_protocol import Protocol, RegisteredEvent
from exposure.validation.placebo import eligible_days

Matrix = NDArray[np.float64]

MARKET, GROUP = "market", "group"  # models of the ordinary return
MODEL, MODELLED, BETA, INDUSTRY = "model", "modelled_only", "beta", "industry"
LESS_BETA, LESS_INDUSTRY = "model_less_beta", "model_less_industry"
MEAN_CAR = "mean_car"
EVERYTHING = "all"

Key = tuple[str, Window, str]
# statistic → its value of each event (E,), and on its placebo dates (K, E)
Values = Mapping[Key, tuple[Matrix, Matrix]]


@dataclass(frozen=True, slots=True)
class Placed:
    """An event with its day 0 in the panel and what was predicted for it."""

    event: RegisteredEvent
    at: int
    prediction: Prediction
    beta: Matrix
    industry: Matrix

    def vector(self, predictor: str) -> Matrix:
        """Return what a predictor says of each name, of shape (N,), NaN where nothing."""
        if predictor == MODELLED:
            return np.where(self.prediction.modelled, self.prediction.returns, np.nan)
        return {MODEL: self.prediction.returns, BETA: self.beta, INDUSTRY: self.industry}[predictor]


@dataclass(frozen=True, slots=True)
class AbnormalFrame:
    """Abnormal returns of both models around every day from ``first`` on that has room for the widest window."""

    first: int
    models: Mapping[str, Abnormal]
    betas: Matrix
    excluded: NDArray[np.bool_]
    regressors: Mapping[str, Sequence[Matrix]]
    eligible: NDArray[np.int64]

    @classmethod
    def of(cls, rules: Protocol, panel: ReturnPanel, events: Sequence[int]) -> AbnormalFrame:
        """Fit both models around every day that has room for the widest window, and find the placebo days."""
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
        """Return the CARs of a model, one row a day from ``first`` on."""
        return self.models[model].cars[window]


def statistics_of(
    rules: Protocol, frame: AbnormalFrame, placed: Sequence[Placed], draws: NDArray[np.int64]
) -> Values:
    """Return every statistic of every event, and the same on its placebo dates.

    Parameters
    ----------
    frame
        CARs around every day.
    placed
        The E events with their predictions.
    draws
        Placebo days 0, of shape (K, E).

    Returns
    -------
    dict
        (model, window, statistic) → values of shape (E,) and (K, E), NaN where there is none.

    Examples
    --------
    What it computes stands in the tables of a study.

    >>> from exposure.validation.event_example import example_study
    >>> sorted(set(example_study().pooled["statistic"]))[:3]
    ['beta', 'industry', 'mean_car']
    """
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
