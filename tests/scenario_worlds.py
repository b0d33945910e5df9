"""One issuer and one case run through the bridge, as a test reads it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from exposure.scenarios.cases import build_cases, single_cases
from exposure.scenarios.effects import OutputChange, issuer_effects, shared_weight


def one_effect(facts, scenario, severity, loss, direct, gains, assumptions):
    """Return the effect of one scenario at one severity on one issuer: bands as tuples, parts at the points."""
    cases = build_cases(
        [scenario],
        *single_cases([scenario], [severity]),
        mechanisms={},
        under=frozenset(),
        shares={},
        priced=assumptions.priced,
    )
    lost = np.array([[loss or (0.0, 0.0, 0.0)]])
    change = OutputChange(
        loss=lost,
        direct=np.array([[direct]]),
        growth={name: np.array([[growth]]) for name, growth in gains.items()},
        known=np.array([[loss is not None]]),
        loss_weight=shared_weight(cases, np.ones((1, 1)), assumptions),
        gain_weight=shared_weight(cases, np.ones((1, 1)), assumptions),
    )
    found = issuer_effects([facts], cases, change, assumptions)

    def band(values):
        return tuple(float(v) for v in values[0, 0])

    return SimpleNamespace(
        known=bool(found.known[0, 0]),
        loss=band(found.loss),
        gain=band(found.gain),
        revenue=band(found.revenue),
        earnings=band(found.earnings)[1],
        price=band(found.price),
        forced=band(found.forced),
        fundamental=band(found.fundamental),
        wiped_out=bool(found.wiped_out[0, 0]),
        channel=found.channel()[0][0],
        parts={name: float(values[0, 0]) for name, values in found.parts.items()},
    )
