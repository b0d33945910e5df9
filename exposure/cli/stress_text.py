"""What ``exposure stress`` prints of scenarios: the table of results, and each step from output to price."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from exposure.cli.output import aligned, percent, signed_percent

if TYPE_CHECKING:
    from exposure.pipeline import Inputs
    from exposure.scenarios.definitions import ScenarioDefinition
    from exposure.scenarios.stressing import Shock

WEEKS = (4, 13, 26, 52, 104)


def stress_table(result: Shock, severity: str) -> str:
    """Return the scenarios as aligned text."""
    names = {item.id: item.name_zh for item in result.scenarios}
    years = {item.id: _years(item) for item in result.scenarios}
    rows = [
        [
            "scenario",
            "",
            "result",
            "lo–hi",
            "losers",
            "winners",
            "worst",
            "best",
            "inferred",
            "years",
            "p",
        ]
    ]
    for row in _at(result.portfolio, severity).iter_rows(named=True):
        known = row["result"] is not None
        rows.append(
            [
                f"{names.get(row['scenario_id'], '')} {row['scenario_id']}",
                row["severity"],
                signed_percent(row["result"]),
                f"{signed_percent(row['result_lo'])}…{signed_percent(row['result_hi'])}"
                if known
                else "",
                signed_percent(row["loss_part"]) if known else "",
                signed_percent(row["gain_part"]) if known else "",
                row["worst_listing"] or "",
                row["best_listing"] or "",
                percent(row["inferred_weight"], 0),
                years.get(row["scenario_id"], ""),
                percent(row["probability"], 0),
            ]
        )
    text = aligned(rows)
    blank = _at(result.portfolio, severity).filter(pl.col("result").is_null())
    if not blank.is_empty():
        text += (
            f"n/a: unknown, not zero. On {result.as_of.isoformat()} no link with a point and no score leads from these"
            " shocks to a holding.\n"
        )
    return text


def steps_text(result: Shock, inputs: Inputs, severity: str) -> str:
    """Return, scenario by scenario, how each holding's output becomes its price, and what is only inferred."""
    held = dict(inputs.book.holdings.select("listing_id", "weight").iter_rows())
    names = dict(
        inputs.catalog.master.listings.join(inputs.catalog.master.issuers, on="issuer_id")
        .select("listing_id", "name_zh")
        .iter_rows()
    )
    blocks: list[str] = []
    for item in result.scenarios:
        if item.is_empty:
            continue
        mine = _at(result.positions, severity).filter(pl.col("scenario_id") == item.id)
        for level in mine["severity"].unique(maintain_order=True):
            rows = mine.filter(
                (pl.col("severity") == level) & pl.col("listing_id").is_in(list(held))
            )
            if rows["ret"].null_count() < rows.height:
                blocks.append(_scenario(item, level, rows, result, names))
    return "\n".join(blocks)


def _scenario(
    item: ScenarioDefinition, level: str, rows: pl.DataFrame, result: Shock, names: dict[str, str]
) -> str:
    key = (pl.col("scenario_id") == item.id) & (pl.col("severity") == level)
    steps = {row["issuer_id"]: row for row in result.steps.filter(key).iter_rows(named=True)}
    paths = {row["listing_id"]: row for row in result.paths.filter(key).iter_rows(named=True)}
    table = [
        ["listing", "", "lost", "lo–hi", "won", "revenue", "× leverage", "earnings", "price", "lo–hi",
         "forced", "limit days", "from", "first loss"]
    ]  # fmt: skip
    for row in rows.sort("ret", "listing_id", nulls_last=True).iter_rows(named=True):
        table.append(_line(row, steps.get(row["issuer_id"]), paths.get(row["listing_id"]), names))
    head = f"{item.name_zh} {item.id} · {level} · {_duration(item)}{_multiplier(steps)}"
    text = head + "\n" + aligned(table)
    horizons = _horizons(result.horizons.filter(key), rows, names)
    if horizons:
        text += horizons
    text += _plausibility(result.plausibility.filter(key))
    for market in result.markets.filter(key).iter_rows(named=True):
        text += (
            f"market {market['market']}: lost {percent(market['lost'])}, customers move"
            f" {percent(market['pool'])}, delivered {percent(market['reallocated'])},"
            f" missing {percent(market['unmet'])}\n"
        )
    return text


def _years(item: ScenarioDefinition) -> str:
    d = item.duration_years
    return f"{d.mid:g}" if d.lo == d.hi else f"{d.mid:g} ({d.lo:g}–{d.hi:g})"


def _duration(item: ScenarioDefinition) -> str:
    return f"lasts {_years(item)} years: the number that dominates the price"


def _plausibility(rows: pl.DataFrame) -> str:
    """Return how usual such returns are, with the crisis window blended in beside; never the chance of an act."""
    for row in rows.iter_rows(named=True):
        if row["d"] is None:
            return ""
        text = (
            f"returns like these in a year: distance {row['d']:.2f}, p {percent(row['p_t'])},"
            f" largest {row['extrapolation']:.1f} times its usual size"
        )
        if row["d_blend"] is not None:
            text += (
                f"; with the crisis window blended in {row['d_blend']:.2f}, {percent(row['p_t_blend'])}"
                f", and the portfolio {signed_percent(row['result_blend'])}"
            )
        return (
            text
            + ("; extreme, so names off the graph move by market beta" if row["fallback"] else "")
            + "\n"
        )
    return ""


def _multiplier(steps: dict[str, dict[str, Any]]) -> str:
    """Return what turns a year's earnings into a price: weight of the duration, and what prices hold already."""
    if not steps:
        return ""
    one = next(iter(steps.values()))
    if not one["weight"]:
        return ""
    ends = f"{percent(one['weight_lo'], 0)}–{percent(one['weight_hi'], 0)}"
    new = f"{percent(1 - one['priced_hi'], 0)}–{percent(1 - one['priced_lo'], 0)}"
    return (
        f"\nprice = earnings × duration weight {percent(one['weight'], 0)} ({ends})"
        f" × news {percent(1 - one['priced'], 0)} ({new}) + forced selling"
    )


def _line(
    row: dict[str, Any],
    step: dict[str, Any] | None,
    path: dict[str, Any] | None,
    names: dict[str, str],
) -> list[str]:
    limit_days = "" if path is None or not path["limit_days"] else str(path["limit_days"])
    price = [
        signed_percent(row["ret"]),
        ""
        if row["ret"] is None
        else f"{signed_percent(row['ret_lo'], 0)}…{signed_percent(row['ret_hi'], 0)}",
    ]
    head = [row["listing_id"], names.get(row["listing_id"], "")]
    if row["origin"] != "modelled" or step is None:
        origin = "unknown" if row["origin"] == "none" else row["origin"]
        return [*head, "", "", "", "", "", "", *price, "", limit_days, origin, ""]
    earnings = "wiped out" if step["wiped_out"] else signed_percent(step["earnings"])
    return [
        *head,
        percent(step["loss"]),
        f"{percent(step['loss_lo'], 0)}–{percent(step['loss_hi'], 0)}",
        percent(step["gain"]),
        signed_percent(step["revenue"]),
        f"{step['leverage']:.1f}{'' if step['leverage_origin'] == 'estimated' else '*'}",
        earnings,
        *price,
        signed_percent(step["forced"]) if step["forced"] else "",
        limit_days,
        step["channel"] or "no channel",
        f"week {step['first_loss_week']}" if step["first_loss_week"] else "",
    ]


def _horizons(horizons: pl.DataFrame, rows: pl.DataFrame, names: dict[str, str]) -> str:
    """Return output lost up to each horizon, for holdings that lose any."""
    issuers = dict(rows.select("issuer_id", "listing_id").drop_nulls().iter_rows())
    lost = horizons.filter(pl.col("issuer_id").is_in(list(issuers)) & pl.col("weeks").is_in(WEEKS))
    hit = lost.filter(pl.col("loss") > 0)["issuer_id"].unique().sort().to_list()
    if not hit:
        return ""
    table = [["output lost by week", "", *(str(week) for week in WEEKS)]]
    for issuer in hit:
        by = {
            row["weeks"]: row["loss"]
            for row in lost.filter(pl.col("issuer_id") == issuer).iter_rows(named=True)
        }
        listing = issuers[issuer]
        table.append([listing, names.get(listing, ""), *(percent(by.get(week)) for week in WEEKS)])
    return aligned(table)


def _at(frame: pl.DataFrame, severity: str) -> pl.DataFrame:
    return frame if severity == "all" else frame.filter(pl.col("severity") == severity)
