"""The event study as tables of text and as sentences: the same for the terminal and for the page."""

from __future__ import annotations

from typing import Any

import polars as pl

from exposure.validation.event_statistics import (
    BETA,
    EVERYTHING,
    GROUP,
    INDUSTRY,
    LESS_BETA,
    LESS_INDUSTRY,
    MEAN_CAR,
    MODEL,
    MODELLED,
)
from exposure.validation.event_study import EventStudy

Rows = list[list[str]]

SIGNIFICANT = 0.05
LEVEL_HEAD = (
    "day 0", "event", "group", "names", "dropped", "at limit", "mean CAR", "naive t, not to be quoted",
    "correlation-adjusted t", "placebo p", "cross-section sd", "lowest", "highest",
)  # fmt: skip
RANK_HEAD = (
    "day 0", "event", "basis", "scenarios", "ranked", "unknown", "modelled", "inferred", "mean predicted",
    "rank IC", "placebo p", "IC of modelled names", "IC of beta", "IC of industry",
)  # fmt: skip
POOLED_HEAD = (
    "events", "window", "ranking", "events ranked", "clusters", "mean IC", "clustered SE", "t", "placebo p",
    "placebo sd",
)  # fmt: skip
POWER_HEAD = (
    "events", "statistic", "error counted by", "names", "events counted", "standard error", "smallest"
    " detectable",
)  # fmt: skip
GROUP_NAMES = {"report": "report", "later": "after the report", EVERYTHING: "all"}
STATISTIC_NAMES = {
    MODEL: "model",
    MODELLED: "model, modelled names only",
    BETA: "baseline: beta",
    INDUSTRY: "baseline: industry",
    LESS_BETA: "model − beta",
    LESS_INDUSTRY: "model − industry",
    MEAN_CAR: "mean CAR",
}


def level_table(study: EventStudy, window: str) -> Rows:
    """Return the mean reaction of each event in one window, header first.

    Examples
    --------
    >>> from exposure.validation.event_example import example_study
    >>> level_table(example_study(), "[0,+2]")[1][:2]
    ['2024-12-03', 'hbm_and_140']
    """
    rows: Rows = [list(LEVEL_HEAD)]
    for row in study.events.filter(pl.col("window") == window).iter_rows(named=True):
        rows.append(
            [
                row["day_zero"].isoformat(),
                row["event"],
                GROUP_NAMES[row["group"]],
                *(str(row[name]) for name in ("names", "dropped", "at_limit")),
                percent_text(row["mean_car"]),
                number_text(row["naive_t"]),
                number_text(row["adjusted_t"]),
                p_text(row["p_placebo"]),
                percent_text(row["spread"], sign=False),
                f"{row['lowest_name']} {percent_text(row['lowest'], 1)}",
                f"{row['highest_name']} {percent_text(row['highest'], 1)}",
            ]
        )
    return rows


def rank_table(study: EventStudy, window: str) -> Rows:
    """Return how well each event's names were ranked in one window, header first.

    Examples
    --------
    >>> from exposure.validation.event_example import example_study
    >>> rank_table(example_study(), "[0,+2]")[1][:2]
    ['2024-12-03', 'hbm_and_140']
    """
    rows: Rows = [list(RANK_HEAD)]
    ranks = {
        (row["event"], row["statistic"]): row
        for row in study.ranks.filter(
            (pl.col("window") == window) & (pl.col("abnormal") == GROUP)
        ).iter_rows(named=True)
    }
    for row in study.events.filter(pl.col("window") == window).iter_rows(named=True):
        rows.append(
            [
                row["day_zero"].isoformat(),
                row["event"],
                row["basis"],
                row["scenarios"].replace(";", ", ") or "none",
                *(str(row[name]) for name in ("predicted", "unknown", "modelled", "inferred")),
                percent_text(row["mean_predicted"]),
                number_text(row["ic"]),
                p_text(row["ic_p_placebo"]),
                *(
                    number_text(ranks[(row["event"], name)]["value"])
                    for name in (MODELLED, BETA, INDUSTRY)
                ),
            ]
        )
    return rows


def pooled_table(study: EventStudy, abnormal: str = GROUP) -> Rows:
    """Return the pooled rank correlations and their differences from the baselines, header first.

    Examples
    --------
    >>> from exposure.validation.event_example import example_study
    >>> pooled_table(example_study())[1][:3]
    ['report', '[0,+2]', 'model']
    """
    rows: Rows = [list(POOLED_HEAD)]
    for row in study.pooled.filter(
        (pl.col("abnormal") == abnormal) & (pl.col("statistic") != MEAN_CAR)
    ).iter_rows(named=True):
        rows.append(
            [
                GROUP_NAMES[row["group"]],
                row["window"],
                STATISTIC_NAMES[row["statistic"]],
                f"{row['events']} of {row['registered']}",
                str(row["clusters"]),
                number_text(row["mean"], 3),
                number_text(row["se"], 3).removeprefix("+"),
                number_text(row["t"]),
                p_text(row["p_placebo"]),
                number_text(row["placebo_sd"], 3).removeprefix("+"),
            ]
        )
    return rows


def power_table(study: EventStudy) -> Rows:
    """Return what a study of this size can detect, header first.

    Examples
    --------
    >>> from exposure.validation.event_example import example_study
    >>> power_table(example_study())[1][:3]
    ['report', 'mean CAR', 'one event']
    """
    rows: Rows = [list(POWER_HEAD)]
    for row in study.power.iter_rows(named=True):
        mean = row["statistic"] == MEAN_CAR
        rows.append(
            [
                GROUP_NAMES[row["group"]],
                "mean CAR" if mean else "rank IC",
                row["counted"],
                str(row["names"]),
                str(row["events"]),
                *(
                    f"{row[name]:.2%}" if mean else f"{row[name]:.3f}"
                    for name in ("se", "detectable")
                ),
            ]
        )
    return rows


def verdict(study: EventStudy) -> list[str]:
    """Return the outcome of the primary statistic in plain sentences, whatever its sign.

    Examples
    --------
    >>> from exposure.validation.event_example import example_study
    >>> verdict(example_study())[-1][:36]
    "One event can't validate the model: "
    """
    return [_ranking(study, group) for group in ("report", "later") if has_group(study, group)] + [
        _baselines(study),
        study.power_sentence(),
    ]


def primary_row(study: EventStudy, group: str, statistic: str = MODEL) -> dict[str, Any]:
    """Return the pooled row of the primary window and model for a group of events.

    Examples
    --------
    >>> from exposure.validation.event_example import example_study
    >>> primary_row(example_study(), "report")["registered"]
    3
    """
    first, last = study.protocol.windows[0]
    return study.pooled.row(
        by_predicate=(pl.col("group") == group)
        & (pl.col("window") == f"[{first},+{last}]")
        & (pl.col("abnormal") == GROUP)
        & (pl.col("statistic") == statistic),
        named=True,
    )


def has_group(study: EventStudy, group: str) -> bool:
    """Tell whether any event of a group was studied.

    Examples
    --------
    >>> from exposure.validation.event_example import example_study
    >>> has_group(example_study(), "report"), has_group(example_study(), "later")
    (True, False)
    """
    return group in set(study.pooled["group"])


def _ranking(study: EventStudy, group: str) -> str:
    row = primary_row(study, group)
    where = "of the report" if group == "report" else "after the report"
    if row["mean"] is None:
        return f"No event {where} could be ranked: the model predicts too few names."
    sure = row["p_placebo"] is not None and row["p_placebo"] < SIGNIFICANT
    meaning = (
        "not distinguishable from no skill"
        if not sure
        else "better than chance"
        if row["mean"] > 0
        else "worse than chance: it ranked the names the wrong way round"
    )
    return (
        f"Events {where}: pooled rank IC {number_text(row['mean'], 3)} over {row['events']} of"
        f" {row['registered']} events in"
        f" {row['clusters']} clusters (clustered SE {number_text(row['se'], 3).removeprefix('+')}, placebo p"
        f" {p_text(row['p_placebo'])}): {meaning}."
    )


def _baselines(study: EventStudy) -> str:
    parts: list[str] = []
    for name, statistic in (("beta", LESS_BETA), ("an industry dummy", LESS_INDUSTRY)):
        row = primary_row(study, EVERYTHING, statistic)
        if row["mean"] is None:
            parts.append(f"no comparison with {name}")
            continue
        sure = row["p_placebo"] is not None and row["p_placebo"] < SIGNIFICANT
        word = "doesn't beat" if not sure or row["mean"] <= 0 else "beats"
        parts.append(
            f"it {word} {name} ({number_text(row['mean'], 3)}, placebo p {p_text(row['p_placebo'])})"
        )
    return "All events, difference of the rank IC: " + "; ".join(parts) + "."


def number_text(value: float | None, digits: int = 2) -> str:
    """Return a signed number; an unknown one is n/a, never 0.

    Examples
    --------
    >>> number_text(-0.123), number_text(None)
    ('−0.12', 'n/a')
    """
    return "n/a" if value is None else f"{value:+.{digits}f}".replace("-", "−")


def percent_text(value: float | None, digits: int = 2, *, sign: bool = True) -> str:
    """Return a fraction as a percentage; an unknown one is n/a, never 0.

    Examples
    --------
    >>> percent_text(0.0143), percent_text(0.03, 1, sign=False), percent_text(None)
    ('+1.43%', '3.0%', 'n/a')
    """
    if value is None:
        return "n/a"
    return (f"{value:+.{digits}%}" if sign else f"{value:.{digits}%}").replace("-", "−")


def p_text(value: float | None) -> str:
    """Return a p-value.

    Examples
    --------
    >>> p_text(0.00199), p_text(None)
    ('0.002', 'n/a')
    """
    return "n/a" if value is None else f"{value:.3f}"
