"""Analysts' views on scenarios, typed as text: ``hbm_ban``, ``hbm_ban & gpu_export_ban``, ``hbm_ban | gpu_export_ban``.

Symbols: Z flags of scenarios in the draws; q probabilities of the draws after the views.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exposure.errors import ScenarioError, UsageError, check_names
from exposure.scenarios.arrays import Vector
from exposure.scenarios.views import Posterior, entropy_pooling, partition_views


@dataclass(frozen=True, slots=True)
class View:
    """P(all of ``happen``, given all of ``given``) = ``probability``."""

    happen: tuple[str, ...]
    given: tuple[str, ...]
    probability: float

    def __str__(self) -> str:
        text = " & ".join(self.happen)
        return f"{text} | {' & '.join(self.given)}" if self.given else text


def parse_view(text: str, probability: float) -> View:
    """Return a view from its text.

    Raises
    ------
    UsageError
        If a side is empty, or the probability lies outside [0, 1].

    Examples
    --------
    >>> parse_view("hbm_ban & eda_equipment_cut | gpu_export_ban", 0.5).given
    ('gpu_export_ban',)
    """
    sides = [tuple(part.strip() for part in side.split("&")) for side in text.split("|")]
    if len(sides) > 2 or not all(all(side) for side in sides):
        raise UsageError(
            f"the view {text!r} can't be read",
            cure="--view hbm_ban=0.7   --view 'hbm_ban & gpu_export_ban=0.3'   --view 'hbm_ban | gpu_export_ban=0.9'",
        )
    if not 0.0 <= probability <= 1.0:
        raise UsageError(f"the view {text!r} is {probability:g}; a probability lies in 0..1")
    return View(sides[0], sides[1] if len(sides) == 2 else (), probability)


def pooled(
    views: Mapping[str, float] | Sequence[View],
    names: Sequence[str],
    flags: NDArray[np.bool_],
    prior: Vector,
) -> Posterior | None:
    """Impose views on draws by entropy pooling; None without views.

    Σ q (1[A and B] − x 1[B]) = 0 for P(A | B) = x

    Parameters
    ----------
    names
        Scenario of each column of ``flags``.
    flags
        Z of shape (D, S).

    Raises
    ------
    UsageError
        If a view names a scenario that isn't drawn.
    ScenarioError
        If no draw shows what a view asks for, the views contradict each other, or they leave less than 5% of the draws.

    Examples
    --------
    >>> z = np.array([[True, False], [True, True], [False, False], [False, True]])
    >>> found = pooled({"a": 0.8}, ["a", "b"], z, np.full(4, 0.25))
    >>> found.probability.round(3).tolist()
    [0.4, 0.4, 0.1, 0.1]
    """
    listed = (
        [parse_view(text, value) for text, value in views.items()]
        if isinstance(views, Mapping)
        else list(views)
    )
    if not listed:
        return None
    rows: list[Vector] = []
    targets: list[float] = []
    column = {name: j for j, name in enumerate(names)}
    for view in listed:
        check_names([*view.happen, *view.given], names, "scenario")
        given = flags[:, [column[name] for name in view.given]].all(axis=1)
        both = flags[:, [column[name] for name in view.happen]].all(axis=1) & given
        if (view.probability > 0 and not both.any()) or (
            view.probability < 1 and not (given & ~both).any()
        ):
            raise ScenarioError(
                f"no draw shows what the view {view} = {view.probability:g} asks for",
                cure="draw more samples, or move the view towards what is possible",
            )
        if view.given:
            rows.append(np.asarray(both - view.probability * given, dtype=np.float64))
            targets.append(0.0)
        else:
            rows.append(np.asarray(both, dtype=np.float64))
            targets.append(view.probability)
    if (
        len(rows) == 1 and not listed[0].given
    ):  # a partition: the closed form, exact however far the view goes
        return partition_views(prior, rows[0].astype(np.int64), {1: targets[0]})
    return entropy_pooling(prior, np.array(rows), np.array(targets))
