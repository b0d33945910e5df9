"""What ``exposure stress`` prints of draws and of reverse stress."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from exposure.cli.output import aligned, percent, signed_percent
from exposure.scenarios.reading import all_definitions

if TYPE_CHECKING:
    from exposure.pipeline import Inputs
    from exposure.scenarios.reverse import ReverseResult
    from exposure.scenarios.simulation import Outlook

SHOWN = 8


def outlook_text(found: Outlook, inputs: Inputs) -> str:
    """Return tail, what it is made of, and how far views went."""
    s = found.summary
    names = {key: item.name_zh for key, item in all_definitions(inputs.catalog).items()}
    text = (
        f"{s['draws']} draws, seed {s['seed']}, dependence {s['dependence']:g}: expected"
        f" {signed_percent(s['expected'])}, half between {signed_percent(s['q25'])} and {signed_percent(s['q75'])},"
        f" 5% below {signed_percent(s['q05'])}\n"
    )
    if s["effective_draws"] is not None:
        text += (
            f"views leave {s['effective_draws']:.0f} of {s['effective_before']:.0f} effective draws;"
            f" relative entropy {s['relative_entropy']:.3f}\n"
        )
    if s["unknown_weight"]:
        text += f"{percent(s['unknown_weight'])} of weight has no return in the mean draw and counts as unmoved\n"
    tail = [["loss", "level", "VaR", "CVaR"]]
    for row in found.tail.iter_rows(named=True):
        tail.append(
            [row["basis"], percent(row["level"], 0), percent(row["var"]), percent(row["cvar"])]
        )
    text += aligned(tail)
    level = found.attribution["level"].min()
    made = [
        [
            "scenario",
            "",
            "stated",
            "probability",
            f"in the worst {percent(1 - float(str(level)), 0)}",
            "lift",
        ]
    ]
    rows = found.attribution.filter(pl.col("level") == level).sort(
        ["in_tail", "scenario_id"], descending=[True, False]
    )
    for row in rows.iter_rows(named=True):
        made.append(
            [
                row["scenario_id"],
                names.get(row["scenario_id"], ""),
                percent(row["stated"], 0),
                percent(row["probability"], 0),
                percent(row["in_tail"], 0),
                "" if row["lift"] is None else f"{row['lift']:.2f}",
            ]
        )
    text += "\n" + aligned(made)
    parts = [["part of CVaR", "weight", "contribution"]]
    for row in (
        found.contributions.filter(pl.col("level") == level).head(SHOWN).iter_rows(named=True)
    ):
        parts.append(
            [row["listing_id"], percent(row["weight"]), signed_percent(row["contribution"], 2)]
        )
    return text + "\n" + aligned(parts)


def reverse_text(found: ReverseResult, inputs: Inputs) -> str:
    """Return the nearest combinations, the worst plausible one, and the market's answer."""
    names = {key: item.name_zh for key, item in all_definitions(inputs.catalog).items()}
    text = f"what would lose {percent(found.loss)}\n"
    if found.combinations.is_empty():
        text += "no combination of up to four scenarios reaches it\n"
    else:
        rows = [["", "scenario", "", "severity", "place", "loss", "chance of at least this"]]
        last = 0
        for row in found.combinations.iter_rows(named=True):
            first = row["rank"] != last
            last = row["rank"]
            rows.append(
                [
                    str(row["rank"]) if first else "",
                    row["scenario_id"],
                    names.get(row["scenario_id"], ""),
                    row["severity"],
                    f"{row['severity_place']:.2f}",
                    percent(row["loss"]) if first else "",
                    percent(row["plausibility"], 2) if first else "",
                ]
            )
        text += aligned(rows) + "place: 0 low, 0.5 base, 1 high severity\n"
    for row in found.worst.iter_rows(named=True):
        chance = percent(row["plausibility"], 1)
        kind = (
            f"worst at base severity with a chance of {percent(row['plausibility_at_least'], 0)} or more"
            if row["plausibility_at_least"]
            else "worst of all, if each is as severe as it gets"
        )
        what = (
            "chance" if row["plausibility_at_least"] else "chance that all happen, at any severity,"
        )
        text += (
            f"{kind}: {percent(row['loss'])} by {' + '.join(row['scenarios'])} ({what} {chance})\n"
        )
    if not found.market.is_empty():
        text += "\nthe market's answer: distances of returns over a year, not chances of acts\n"
        rows = [["", "distance", "p of returns", "portfolio"]]
        for row in found.market.iter_rows(named=True):
            rows.append(
                [
                    row["question"],
                    f"{row['distance']:.2f}",
                    percent(row["p_value"], 2),
                    signed_percent(row["portfolio_return"]),
                ]
            )
        text += aligned(rows)
        largest = found.market_moves.sort(pl.col("weight") * pl.col("reverse")).head(SHOWN)
        moves = [
            f"{row['listing_id']} {signed_percent(row['reverse'], 0)}"
            for row in largest.iter_rows(named=True)
        ]
        text += "nearest move: " + ", ".join(moves) + "\n"
    return text
