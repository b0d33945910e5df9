"""What a plan uses of its factor limits when the scores are wrong.

Two sets of errors. *Interval*: every score at its upper end at once, exact for long-only books and free. *Ellipsoid*:
independent errors, x'w + κ ‖σ∘w‖₂ with κ = 1.645 and σ from lo..hi read as a 90% interval. A plan that holds a cap at
the mids usually breaks it under either; :func:`robust_use` prints by how much, beside every plan.
"""

from __future__ import annotations

import polars as pl

from exposure.optimiser.limits import FloatArray, PlanInputs, named_limits
from exposure.portfolios.mandates import Mandate

ROBUST_USE: dict[str, type[pl.DataType]] = {
    "name": pl.String,
    "sense": pl.String,
    "bound": pl.Float64,
    "nominal": pl.Float64,
    "ellipsoid": pl.Float64,
    "interval": pl.Float64,
    "holds_ellipsoid": pl.Boolean,
    "holds_interval": pl.Boolean,
}
TOLERANCE = 1e-7


def robust_use(inputs: PlanInputs, mandate: Mandate, w: FloatArray) -> pl.DataFrame:
    """Return each factor limit's value at the scores as they are, under the ellipsoid, and at the interval's end.

    Returns
    -------
    polars.DataFrame
        | name | sense | bound | nominal | ellipsoid | interval [factor's unit] | holds_ellipsoid | holds_interval |
    """
    plain = named_limits(inputs, mandate)
    cone = {limit.name: limit for limit in named_limits(inputs, mandate, "ellipsoid")}
    box = {limit.name: limit for limit in named_limits(inputs, mandate, "interval")}
    rows = [
        {
            "name": limit.name,
            "sense": limit.sense,
            "bound": limit.bound,
            "nominal": limit.value(w),
            "ellipsoid": cone[limit.name].value(w),
            "interval": box[limit.name].value(w),
            "holds_ellipsoid": cone[limit.name].violation(w) <= TOLERANCE,
            "holds_interval": box[limit.name].violation(w) <= TOLERANCE,
        }
        for limit in plain
        if limit.kind == "factor"
    ]
    return pl.DataFrame(rows, schema=ROBUST_USE)
