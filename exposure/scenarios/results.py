"""What scenarios do to a whole portfolio: sums of weight · return per scenario and severity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from exposure.scenarios.definitions import ScenarioDefinition
from exposure.schemas import SEVERITIES, ScenarioResults, validated


def portfolio_results(
    positions: pl.DataFrame,
    weights: pl.DataFrame,
    scenarios: Sequence[ScenarioDefinition],
    plausibility: Sequence[Mapping[str, Any]],
) -> pl.DataFrame:
    """Sum weight · return over a portfolio, per scenario and severity.

    Parameters
    ----------
    positions
        :class:`~exposure.schemas.ScenarioReturns`.
    weights
        | listing_id | weight [fraction of net asset value] |
    """
    short = pl.col("weight") < 0  # a short is worst where the listing does best
    held = weights.join(positions, on="listing_id", how="inner").with_columns(
        pl.when(short).then("ret_hi").otherwise("ret_lo").alias("ret_lo"),
        pl.when(short).then("ret_lo").otherwise("ret_hi").alias("ret_hi"),
    )
    effect = pl.col("weight") * pl.col("ret")
    probability = {
        item.id: item.probability.mid if item.probability else None for item in scenarios
    }
    order = {item.id: i for i, item in enumerate(scenarios)}
    rank = {name: i for i, name in enumerate(SEVERITIES)}

    def extreme(*, worst: bool) -> pl.Expr:
        ranked = pl.col("listing_id").sort_by(
            [effect, pl.col("listing_id")], descending=[not worst, False]
        )
        reached = effect.min() < 0 if worst else effect.max() > 0
        return pl.when(reached).then(ranked.drop_nulls().first())

    frame = held.group_by("scenario_id", "severity").agg(
        *(
            pl.when(pl.col("ret").is_not_null().any())
            .then((pl.col("weight") * pl.col(column)).sum())
            .alias(name)
            for column, name in (
                ("ret", "result"),
                ("ret_lo", "result_lo"),
                ("ret_hi", "result_hi"),
            )
        ),
        effect.filter(effect < 0).sum().alias("loss_part"),
        effect.filter(effect > 0).sum().alias("gain_part"),
        *(
            pl.col("weight").filter(pl.col("origin") == origin).sum().alias(name)
            for origin, name in (
                ("modelled", "modelled_weight"),
                ("inferred", "inferred_weight"),
                ("none", "unmodelled_weight"),
            )
        ),
        extreme(worst=True).alias("worst_listing"),
        extreme(worst=False).alias("best_listing"),
    )
    beside = pl.DataFrame(
        [(p["scenario_id"], p["severity"], p["d"], p["p_t"]) for p in plausibility],
        schema={
            "scenario_id": pl.String,
            "severity": pl.String,
            "plausibility_d": pl.Float64,
            "plausibility_p": pl.Float64,
        },
        orient="row",
    )
    frame = (
        frame.join(beside, on=["scenario_id", "severity"], how="left")
        .with_columns(
            pl.col("scenario_id")
            .replace_strict(probability, return_dtype=pl.Float64)
            .alias("probability")
        )
        .sort(
            pl.col("scenario_id").replace_strict(order, return_dtype=pl.Int64),
            pl.col("severity").replace_strict(rank, return_dtype=pl.Int64),
        )
    )
    return validated(frame, ScenarioResults)
