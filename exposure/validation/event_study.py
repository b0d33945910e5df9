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
from exposure.validation.event_panel import ReturnPanel, return_panel
from exposure.validation.event_predictions import (
    baseline_beta,
    baseline_industry,
    industries_of,
    predict,
    study_names,
)
from exposure.validation.event_protocol import Protocol, RegisteredEvent, load_protocol
from exposure.validation.event_rows import event_rows, name_rows, pooled_rows, power_rows, rank_rows
from exposure.validation.event_statistics import (
    EVERYTHING,
    GROUP,
    MEAN_CAR,
    AbnormalFrame,
    Placed,
    statistics_of,
)
from exposure.validation.placebo import clusters_of, draw_placebos


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
    factors/validation/protocol.toml; MacKinlay (1997); Kolari and Pynnönen (2010).

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
    frame = AbnormalFrame.of(rules, panel, [at for _, at in kept])
    kept, thin = _with_names(rules, frame, kept)
    placed: list[Placed] = []
    industries = industries_of(catalog, panel.names, rules.industries)
    for event, at in kept:
        say(f"predict {event.id} as of {event.as_of.isoformat()}")
        made = predict(catalog, rules, event, panel.names, closes, index_closes, engine=engine)
        beta = baseline_beta(made.returns, frame.betas[at - frame.first])
        placed.append(Placed(event, at, made, beta, baseline_industry(made.returns, industries)))
    draws = _placebo_days(rules, panel, frame, placed)
    say(f"{rules.draws} placebo dates for each of {len(placed)} events")
    values = statistics_of(rules, frame, placed, draws)
    events = event_rows(rules, panel, frame, placed, values)
    pools = pooled_rows(placed, values)
    return EventStudy(
        rules,
        events,
        rank_rows(frame, placed, values),
        pools,
        power_rows(rules, events, pools),
        name_rows(rules, panel, frame, placed),
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
    rules: Protocol, frame: AbnormalFrame, events: Sequence[tuple[RegisteredEvent, int]]
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
    rules: Protocol, panel: ReturnPanel, frame: AbnormalFrame, placed: Sequence[Placed]
) -> NDArray[np.int64]:
    last = max(window[1] for window in rules.windows)
    at = [item.at for item in placed]
    days = draw_placebos(at, clusters_of(at, last), frame.eligible, rules.draws, rules.seed)
    if days.max() + last >= len(panel.days):
        raise HoldingsError("a placebo window leaves the prices")
    return days


def _plain(frame: pl.DataFrame) -> list[dict[str, Any]]:
    return [
        {key: value.isoformat() if isinstance(value, date) else value for key, value in row.items()}
        for row in frame.iter_rows(named=True)
    ]
