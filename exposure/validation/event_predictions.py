"""What the model and three plainer rules predict for each name before an event.

A prediction is made as of the day before the act could be known: facts, links and list entries with a later
``known_on`` do not exist for it, and the risk model is estimated on closes up to that day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from exposure.errors import HoldingsError, ScenarioError
from exposure.factors.catalog import Catalog
from exposure.portfolios.holdings import Book, load_holdings
from exposure.risk import RiskModel, estimate_risk
from exposure.risk.markets import is_mainland
from exposure.scenarios.definitions import ScenarioDefinition
from exposure.scenarios.reading import act_definitions, scenario_definitions
from exposure.scenarios.stressing import stress
from exposure.scenarios.what_ifs import combined
from exposure.validation.event_protocol import Protocol, RegisteredEvent

Vector = NDArray[np.float64]

ACT, WHAT_IFS, NOTHING = "act", "what-ifs", "none"


@dataclass(frozen=True, slots=True)
class Prediction:
    """Predicted returns of N names for one event.

    Attributes
    ----------
    as_of
        The last day whose facts were used.
    returns
        Of shape (N,), signed fractions; NaN where the model knows nothing.
    modelled
        Of shape (N,): reached by links, list entries or scores. The other known ones are inferred by the risk model.
    basis
        ``act``, ``what-ifs`` (no definition of the act exists: those named in events.csv are combined) or ``none``.
    scenarios
        Ids of what was run.
    note
        What stood in the way, or nothing.
    """

    as_of: date
    returns: Vector
    modelled: NDArray[np.bool_]
    basis: str
    scenarios: tuple[str, ...]
    note: str = ""

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which names have a prediction."""
        return np.isfinite(self.returns)


def study_names(catalog: Catalog, listings: Iterable[str]) -> tuple[str, ...]:
    """Return the listings of the master among those with prices, one an issuer.

    Of an issuer with several lines the mainland one is taken, then the first by code: two lines of one company aren't
    two observations.

    Examples
    --------
    >>> from exposure.scenarios.reading import load_catalog
    >>> study_names(load_catalog(), ["0981.HK", "688981.SH", "0700.HK", "999999.SZ"])
    ('0700.HK', '688981.SH')
    """
    issuer_of = dict(catalog.master.listings.select("listing_id", "issuer_id").iter_rows())
    chosen: dict[str, str] = {}
    for name in sorted(
        {*listings} & set(issuer_of), key=lambda name: (not is_mainland(name), name)
    ):
        chosen.setdefault(issuer_of[name], name)
    return tuple(sorted(chosen.values()))


def event_scenario(
    catalog: Catalog, event: RegisteredEvent
) -> tuple[ScenarioDefinition | None, str, tuple[str, ...]]:
    """Return what to run for an event, on what basis, and the ids that it is made of.

    Definitions of the acts are taken where any exists for the event; otherwise the what-ifs of events.csv, column
    ``scenarios``. Several are combined before they are run: shocks on one node don't add up.

    Examples
    --------
    >>> from exposure.scenarios.reading import load_catalog
    >>> from exposure.validation.event_protocol import load_protocol
    >>> catalog = load_catalog()
    >>> event = next(e for e in load_protocol(catalog).events if e.id == "hbm_and_140")
    >>> scenario, basis, parts = event_scenario(catalog, event)
    >>> scenario.id, basis in ("act", "what-ifs"), len(parts) > 1
    ('hbm_and_140', True, True)
    """
    acts = [item for item in act_definitions(catalog).values() if item.event in event.acts]
    basis = ACT
    if not acts:
        what_ifs = scenario_definitions(catalog)
        named = catalog.events.filter(pl.col("event_id").is_in(event.acts))["scenarios"]
        ids = sorted({name for text in named if text for name in str(text).split(";")})
        acts = [what_ifs[name] for name in ids if name in what_ifs and not what_ifs[name].is_empty]
        basis = WHAT_IFS
    if not acts:
        return None, NOTHING, ()
    together = acts[0] if len(acts) == 1 else combined(acts)
    return replace(together, id=event.id), basis, tuple(sorted(item.id for item in acts))


def equal_book(catalog: Catalog, names: Sequence[str], as_of: date) -> Book:
    """Return a portfolio that holds the names in equal weights.

    Examples
    --------
    >>> from exposure.scenarios.reading import load_catalog
    >>> book = equal_book(load_catalog(), ["000977.SZ", "603019.SH"], date(2024, 12, 1))
    >>> book.holdings["weight"].to_list()
    [0.5, 0.5]
    """
    frame = pl.DataFrame({"listing_id": list(names), "weight": [1.0 / len(names)] * len(names)})
    return load_holdings(
        frame,
        as_of=as_of,
        name="event-study",
        allow_rejects=True,
        content=catalog.root.path,
        master=catalog.master,
        find_benchmark=False,
    )


def predict(
    catalog: Catalog,
    protocol: Protocol,
    event: RegisteredEvent,
    names: Sequence[str],
    closes: pl.DataFrame,
    index_closes: pl.DataFrame,
    *,
    engine: Callable[..., Any] = stress,
) -> Prediction:
    """Predict the return of each name for an event, from what was known the day before.

    Parameters
    ----------
    names
        The N listings, in the order of the result.
    closes, index_closes
        As :func:`~exposure.validation.event_panel.read_closes` returns them; rows after ``event.as_of`` aren't read.
    engine
        The stress test; another one only in tests.

    Returns
    -------
    Prediction
        All NaN where the event has no scenario, or the scenario can't be computed as of that day (the note says why).

    Notes
    -----
    Missing values: a name without a close up to that day, or that neither graph nor risk model reaches, is NaN.
    """
    day = event.as_of
    empty = Prediction(
        day,
        np.full(len(names), np.nan),
        np.zeros(len(names), dtype=bool),
        NOTHING,
        (),
        "no scenario",
    )
    scenario, basis, parts = event_scenario(catalog, event)
    if scenario is None:
        return empty
    past = closes.filter((pl.col("date") <= day) & pl.col("close").is_not_null())
    priced = set(past["listing_id"])
    held = [name for name in names if name in priced]
    if not held:
        return replace(empty, note="no closes before")
    risk, note = _risk(protocol, past.filter(pl.col("listing_id").is_in(held)), index_closes, day)
    try:
        shock = engine(
            equal_book(catalog, held, day),
            catalog,
            [scenario],
            risk=risk,
            severities=[protocol.severity],
        )
    except ScenarioError as fault:
        return replace(empty, basis=basis, scenarios=parts, note=fault.what)
    found = {
        row["listing_id"]: (row["ret"], row["origin"] == "modelled")
        for row in shock.positions.iter_rows(named=True)
    }
    returns = [found.get(name, (None, False))[0] for name in names]
    return Prediction(
        day,
        np.array([np.nan if value is None else value for value in returns], dtype=np.float64),
        np.array([found.get(name, (None, False))[1] for name in names], dtype=bool),
        basis,
        parts,
        note,
    )


def _risk(
    protocol: Protocol, closes: pl.DataFrame, index_closes: pl.DataFrame, day: date
) -> tuple[RiskModel | None, str]:
    """Estimate the risk model of the day; without one, names off the graph stay unknown and the note says why."""
    known = set(index_closes.filter(pl.col("date") <= day)["index_code"])
    themes = [code for code in protocol.risk_themes if code in known and code != protocol.market]
    try:
        model = estimate_risk(closes, index_closes, day, market=protocol.market, themes=themes)
    except HoldingsError as fault:
        return None, f"no risk model: {fault.what}"
    return model, ""


def baseline_beta(prediction: ArrayLike, beta: ArrayLike) -> Vector:
    """Return what a rule without the chain predicts: the mean prediction times the name's beta.

    p_i = β_i · mean(prediction)        names with a prediction only

    Parameters
    ----------
    prediction
        Of shape (N,), NaN where unknown.
    beta
        On the compute or semiconductor index, from the days before, of shape (N,).

    Examples
    --------
    >>> baseline_beta([-0.1, -0.3, float("nan")], [0.5, 2.0, 1.0]).round(6).tolist()
    [-0.1, -0.4, nan]
    """
    p, b = np.asarray(prediction, dtype=np.float64), np.asarray(beta, dtype=np.float64)
    known = np.isfinite(p)
    if not known.any():
        return np.full(p.shape, np.nan)
    return np.where(known, b * p[known].mean(), np.nan)


def baseline_industry(prediction: ArrayLike, industries: Sequence[str]) -> Vector:
    """Return the mean prediction of each name's industry, the name included.

    Leaving the name out would order names inside an industry the wrong way round by construction.

    Parameters
    ----------
    prediction
        Of shape (N,), NaN where unknown.
    industries
        Of each of the N names.

    Examples
    --------
    >>> baseline_industry([-0.1, -0.3, 0.0], ["server", "server", "chip"]).tolist()
    [-0.2, -0.2, 0.0]
    """
    p = np.asarray(prediction, dtype=np.float64)
    out = np.full(p.shape, np.nan)
    groups: dict[str, list[int]] = {}
    for at, industry in enumerate(industries):
        if np.isfinite(p[at]):
            groups.setdefault(industry, []).append(at)
    for members in groups.values():
        out[members] = p[members].mean()
    return out


def industries_of(
    catalog: Catalog, names: Sequence[str], mapping: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the industry of each name by its issuer's role; a role that isn't mapped is ``other``.

    Examples
    --------
    >>> from exposure.scenarios.reading import load_catalog
    >>> industries_of(load_catalog(), ["000977.SZ", "300750.SZ"], {"ai_server": "servers"})
    ('servers', 'other')
    """
    issuer_of = dict(catalog.master.listings.select("listing_id", "issuer_id").iter_rows())
    role_of = dict(catalog.master.issuers.select("issuer_id", "role").iter_rows())
    return tuple(mapping.get(str(role_of.get(issuer_of.get(name, ""))), "other") for name in names)
