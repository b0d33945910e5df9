"""The event study as tables and as a page: the same numbers for the terminal and for ``docs/validation.md``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from exposure.validation.event_study import (
    BETA,
    EVERYTHING,
    GROUP,
    INDUSTRY,
    LESS_BETA,
    LESS_INDUSTRY,
    MARKET,
    MEAN_CAR,
    MODEL,
    MODELLED,
    EventStudy,
)

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
    "events", "statistic", "error counted by", "names", "events counted", "standard error", "smallest detectable",
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
                _percent(row["mean_car"]),
                _number(row["naive_t"]),
                _number(row["adjusted_t"]),
                _p_text(row["p_placebo"]),
                _percent(row["spread"], sign=False),
                f"{row['lowest_name']} {_percent(row['lowest'], 1)}",
                f"{row['highest_name']} {_percent(row['highest'], 1)}",
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
                _percent(row["mean_predicted"]),
                _number(row["ic"]),
                _p_text(row["ic_p_placebo"]),
                *(
                    _number(ranks[(row["event"], name)]["value"])
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
                _number(row["mean"], 3),
                _number(row["se"], 3).removeprefix("+"),
                _number(row["t"]),
                _p_text(row["p_placebo"]),
                _number(row["placebo_sd"], 3).removeprefix("+"),
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
    return [_ranking(study, group) for group in ("report", "later") if _has(study, group)] + [
        _baselines(study),
        study.power_sentence(),
    ]


def study_markdown(study: EventStudy, files: Sequence[str] = (), content: str = "") -> str:
    """Return the page, the same for the same inputs.

    Parameters
    ----------
    files
        Names of the price files, without folders.
    content
        Fingerprint of the content.

    Examples
    --------
    >>> from exposure.validation.event_example import example_study
    >>> study_markdown(example_study()).splitlines()[0]
    '# Validation: what prices did after the acts'
    """
    rules = study.protocol
    windows = [f"[{first},+{last}]" for first, last in rules.windows]
    lines = [
        "# Validation: what prices did after the acts",
        "",
        "Generated by `exposure method events … --write docs/validation.md` from"
        " `factors/validation/protocol.toml`; don't"
        " edit it here.",
        "Statistics only: no price of any security is printed.",
        "",
        "## 摘要",
        "",
        *_chinese(study),
        "",
        "## Summary",
        "",
        *(f"- {text}" for text in verdict(study)),
        "",
        "## When the rule was written",
        "",
        f"Protocol of {rules.written_on.isoformat()}. {rules.texts['known']}",
        "",
        "## The rule",
        "",
        *_rule(study),
        "",
        "## Pooled ranking",
        "",
        "Rank IC: Spearman of predicted return and abnormal return after market and group (the mean of the"
        " *other* names of"
        " the same market). Standard errors take events with overlapping windows as one cluster; with so few"
        " clusters"
        f" the placebo p is the one to read. It is two-sided and cannot fall below 1/{rules.draws + 1}.",
        "",
        *_markdown(pooled_table(study)),
        "",
        "Against the market model alone, for comparison:",
        "",
        *_markdown(pooled_table(study, MARKET)),
        "",
    ]
    for window in windows:
        lines += [
            f"## Events, window {window}: ranking",
            "",
            *_markdown(rank_table(study, window)),
            "",
            f"## Events, window {window}: level",
            "",
            "Market model. The naive t takes the names as independent and is printed only to show by how"
            " much it is too"
            " large: never quote it.",
            "",
            *_markdown(level_table(study, window)),
            "",
        ]
    lines += [
        "## Baselines",
        "",
        *(
            f"- **{name}**: {rules.texts[f'baseline_{name}']}."
            for name in ("equal", "beta", "industry")
        ),
        "",
        "Against *equal* the difference of the rank IC is the model's IC itself, so its placebo p is that of"
        " the model. Its"
        " level is judged by the mean: predicted and realised stand beside each other in the tables above and, per"
        " event, here.",
        "",
        *_markdown(_levels(study, windows[0])),
        "",
        "## Power",
        "",
        f"**{study.power_sentence()}**",
        "",
        "Smallest true effect found with 80% power at 5%, window "
        + windows[0]
        + ". *Events* and *clusters* are formulas"
        " with the deviation and correlation measured before the events, the rank IC as if names were independent;"
        " *placebo* is the spread of the same statistic on days without news, which is what counts.",
        "",
        *_markdown(power_table(study)),
        "",
        "## What was used",
        "",
        *_used(study, files, content),
        "",
        "## Limits",
        "",
        *_limits(study),
        "",
        "## Acts of the report that are not studied",
        "",
        *_markdown([["act", "reason"], *[[act, reason] for act, reason in rules.left_out]]),
        "",
    ]
    return "\n".join(lines)


# --- sentences ------------------------------------------------------------------------------------


def _primary(study: EventStudy, group: str, statistic: str = MODEL) -> dict[str, Any]:
    first, last = study.protocol.windows[0]
    return study.pooled.row(
        by_predicate=(pl.col("group") == group)
        & (pl.col("window") == f"[{first},+{last}]")
        & (pl.col("abnormal") == GROUP)
        & (pl.col("statistic") == statistic),
        named=True,
    )


def _has(study: EventStudy, group: str) -> bool:
    return group in set(study.pooled["group"])


def _ranking(study: EventStudy, group: str) -> str:
    row = _primary(study, group)
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
        f"Events {where}: pooled rank IC {_number(row['mean'], 3)} over {row['events']} of"
        f" {row['registered']} events in"
        f" {row['clusters']} clusters (clustered SE {_number(row['se'], 3).removeprefix('+')}, placebo p"
        f" {_p_text(row['p_placebo'])}): {meaning}."
    )


def _baselines(study: EventStudy) -> str:
    parts: list[str] = []
    for name, statistic in (("beta", LESS_BETA), ("an industry dummy", LESS_INDUSTRY)):
        row = _primary(study, EVERYTHING, statistic)
        if row["mean"] is None:
            parts.append(f"no comparison with {name}")
            continue
        sure = row["p_placebo"] is not None and row["p_placebo"] < SIGNIFICANT
        word = "doesn't beat" if not sure or row["mean"] <= 0 else "beats"
        parts.append(
            f"it {word} {name} ({_number(row['mean'], 3)}, placebo p {_p_text(row['p_placebo'])})"
        )
    return "All events, difference of the rank IC: " + "; ".join(parts) + "."


def _chinese(study: EventStudy) -> list[str]:
    lines: list[str] = []
    for group, name in (("report", "报告所列事件"), ("later", "报告之后的事件")):
        if not _has(study, group):
            continue
        row = _primary(study, group)
        if row["mean"] is None:
            lines.append(f"- {name}: 模型给出预测的个股过少,无法排序。")
            continue
        sure = row["p_placebo"] is not None and row["p_placebo"] < SIGNIFICANT
        meaning = (
            "与没有预测能力无法区分" if not sure else "优于随机" if row["mean"] > 0 else "方向相反"
        )
        lines.append(
            f"- {name}: {row['registered']}个事件中{row['events']}个可排序({row['clusters']}个时间簇),"
            "预测收益与超额收益的秩相关"
            f"合并均值 {_number(row['mean'], 3)},安慰剂检验 p = {_p_text(row['p_placebo'])}: {meaning}。"
        )
    beta, industry = (_primary(study, EVERYTHING, name) for name in (LESS_BETA, LESS_INDUSTRY))
    lines.append(
        f"- 与基准相比(全部事件): 相对贝塔 {_number(beta['mean'], 3)}(p {_p_text(beta['p_placebo'])}),"
        f"相对行业哑变量 {_number(industry['mean'], 3)}(p {_p_text(industry['p_placebo'])})。"
    )
    lines.append(
        "- 单个事件不能验证模型; 结果无论正负均照实公布。普通 t 值忽略个股相关性,不得引用。"
    )
    lines.append(f"- {study.protocol.texts['known_zh']}")
    return lines


def _rule(study: EventStudy) -> list[str]:
    rules = study.protocol
    fit = rules.estimation
    return [
        f"- Selection: {rules.texts['selection']}",
        "- Day 0: the first mainland trading day after the act became known, for US and Chinese acts alike.",
        f"- Ordinary return: trading days {fit.first} to {fit.last} before day 0, at least"
        f" {fit.minimum_days} of them, log"
        f" returns, market {rules.market}; days inside the window of a registered event enter no fit.",
        "- Names: all listings of the master in the price files, one an issuer, the mainland line first. A"
        " name without a"
        " close on a day of the window is dropped, never filled; names that closed at a price limit stay and"
        " are counted.",
        f"- Prediction: a stress test at severity *{rules.severity}* of an equal-weight portfolio of the"
        " names, as of the day"
        " before the act was known: later facts, links and list entries do not exist, and the risk model is"
        " estimated on"
        " closes up to that day. The act's own definition is run where there is one (*act*), otherwise the"
        " what-ifs that events.csv names (*what-ifs*). Names without a prediction are left out and counted.",
        f"- Placebo: {rules.draws} draws of other days from {rules.placebo_first.isoformat()} on, seed"
        f" {rules.seed}, at least"
        f" {rules.guard_days} trading days between a window and that of any act on the chain; the events of"
        " a cluster keep"
        f" their distance. A rank correlation needs {rules.minimum_ranked} names.",
    ]


def _levels(study: EventStudy, window: str) -> Rows:
    rows: Rows = [["event", "predicted mean", "realised mean CAR", "placebo p of the realised"]]
    for row in study.events.filter(pl.col("window") == window).iter_rows(named=True):
        rows.append(
            [
                row["event"],
                _percent(row["mean_predicted"]),
                _percent(row["mean_car"]),
                _p_text(row["p_placebo"]),
            ]
        )
    return rows


def _used(study: EventStudy, files: Sequence[str], content: str) -> list[str]:
    counts = study.counts
    lines = [
        f"- {counts['names']} issuers of the master, {counts['days']} trading days, {counts['first_day']} to"
        f" {counts['last_day']}; {counts['beyond_limit']} returns beyond a price limit left out.",
        f"- {counts['placebo_days']} days without news could serve as placebo.",
        f"- {counts['industries']} industries in the industry baseline.",
    ]
    if files:
        lines.append(f"- Price files: {', '.join(files)}.")
    if content:
        lines.append(f"- Content {content[:8]}.")
    lines += [f"- Not studied: {event}: {reason}." for event, reason in study.skipped]
    notes = {row["event"]: row["note"] for row in study.events.iter_rows(named=True) if row["note"]}
    lines += [f"- {event}: {note}." for event, note in sorted(notes.items())]
    return lines


def _limits(study: EventStudy) -> list[str]:
    first, last = study.protocol.windows[-1]
    clusters = study.events.filter(pl.col("window") == f"[{first},+{last}]")["cluster"].n_unique()
    what_ifs = study.events.filter(pl.col("basis") == "what-ifs")["event"].n_unique()
    return [
        "- The protocol was written in 2026-11, after the events: a replication of a frozen rule, not a true"
        " pre-registration.",
        "- Facts carry their `known_on`, but the scenarios, their sizes and the assumptions of the price"
        " bridge were written"
        " by people who had lived through the events. Freezing the facts doesn't freeze the author.",
        f"- {what_ifs} of {study.events['event'].n_unique()} events had no definition of the act and ran the"
        " what-ifs of"
        " events.csv, which are coarser than the act.",
        "- Few names are reached by a dated fact before the events; the rest follow by the risk model, so"
        " the ranking over"
        " all names is mostly a ranking by co-movement. Read the column of modelled names beside it.",
        "- Survivorship: the names are those of today's master; companies that vanished aren't in it.",
        "- Closes are adjusted for dividends and splits by several vendors, and some vendors' adjustment"
        " before 2024 is"
        " biased around large dividends. Limit hits are told from adjusted closes.",
        f"- Windows overlap: {study.events['event'].n_unique()} events are {clusters} clusters in the widest"
        " window, and other"
        " news of the same days isn't taken out.",
        "- Hong Kong names are fitted on the mainland market; there is no Hang Seng series. Mainland and"
        " Hong Kong holidays"
        " differ, so a window over one drops the names of the other market.",
        "- The hour of Chinese releases isn't recorded: an act published during trading hours loses its"
        " first hours.",
        "- A small reaction doesn't refute a large loss that was expected already: surprise isn't modelled here.",
    ]


# --- text -----------------------------------------------------------------------------------------


def _markdown(rows: Rows) -> list[str]:
    head, *body = rows
    return [
        "| " + " | ".join(head) + " |",
        "|" + " --- |" * len(head),
        *("| " + " | ".join(row) + " |" for row in body),
    ]


def _number(value: float | None, digits: int = 2) -> str:
    return "n/a" if value is None else f"{value:+.{digits}f}".replace("-", "−")


def _percent(value: float | None, digits: int = 2, *, sign: bool = True) -> str:
    if value is None:
        return "n/a"
    return (f"{value:+.{digits}%}" if sign else f"{value:.{digits}%}").replace("-", "−")


def _p_text(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"
