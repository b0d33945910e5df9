"""The whole flow: read, score, stress, plan, write.

Every stage is a function of the rooms below; this one only passes their results on.
"""

from __future__ import annotations

from exposure.pipeline.doctor import doctor
from exposure.pipeline.inputs import Inputs, need_mandate, prepare, read_prices
from exposure.pipeline.limits import counted_exposure, factor_limits, limit_state
from exposure.pipeline.weekly import assemble, run_weekly
from exposure.pipeline.writing import Written, run_and_write

__all__ = [
    "Inputs",
    "Written",
    "assemble",
    "counted_exposure",
    "doctor",
    "factor_limits",
    "limit_state",
    "need_mandate",
    "prepare",
    "read_prices",
    "run_and_write",
    "run_weekly",
]
