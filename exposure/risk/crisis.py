"""Choose the days of the crisis model: the most turbulent ones known, or days that the user names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from exposure.errors import HoldingsError, Place, UsageError
from exposure.risk.samples import DAYS_PER_YEAR, simple_returns

CrisisDays = Literal["auto"] | tuple[date, date]
Days = npt.NDArray[np.bool_]  # a fact of each day, return or window
CURE = "name days with --crisis FROM..TO, or do without it: --crisis none"


@dataclass(frozen=True, slots=True)
class CrisisWindow:
    """Index closes of the window, the returns a listing needs in it, and how it was chosen, for the manifest."""

    calendar: pl.DataFrame
    min_observations: int
    facts: dict[str, object]

    @property
    def span(self) -> str:
        """First and last close, as a person writes them."""
        return f"{self.calendar['date'][0].isoformat()}..{self.calendar['date'][-1].isoformat()}"


def check_crisis(crisis: CrisisDays, days: int, factors: Sequence[str], as_of: date) -> None:
    """Raise if the crisis window asked for cannot be one."""
    if crisis == "auto":
        if days < least_returns(factors):
            raise UsageError(
                f"crisis_days must be at least {least_returns(factors)}, not {days}", cure=CURE
            )
        return
    if isinstance(crisis, str) or len(crisis) != 2:
        raise UsageError(f"crisis must be 'auto', two days or None, not {crisis!r}")
    first, last = crisis
    if first >= last:
        raise UsageError(
            f"the crisis window must start before it ends, not {first.isoformat()}..{last.isoformat()}"
        )
    if last > as_of:
        raise UsageError(
            f"the crisis window ends on {last.isoformat()}, after the day of the estimate ({as_of.isoformat()})",
            cure="name days up to that day: later closes were not known",
        )


def least_returns(factors: Sequence[str]) -> int:
    """Return the fewest returns that a regression on the factors may rest on."""
    return len(factors) + 10


def crisis_window(
    crisis: CrisisDays,
    days: int,
    calendar: pl.DataFrame,
    market_days: pl.Series,
    closes: pl.DataFrame,
    estimated: Sequence[str],
    share: tuple[int, int],
) -> CrisisWindow:
    """Return the window of the crisis model.

    Parameters
    ----------
    crisis, days
        Days named by the user, or ``"auto"`` and how many returns the window has.
    calendar
        | date | one column a factor, market first | over the whole history up to the day of the estimate.
    market_days
        All days of the market index. A window in which another factor lacks one of them holds a return over several
        days; it is no candidate.
    closes, estimated
        Closes, and the listings that the main model estimates: an automatic window gives at least half of them
        enough returns.
    share
        min_observations and window_days of the main model: a listing needs the same share of this window.

    Raises
    ------
    HoldingsError
        If the days named give too few returns, or no window can be chosen.
    """
    factors = tuple(calendar.columns[1:])
    whole = _unbroken(calendar["date"], market_days)
    if crisis == "auto":
        least = _least(days, factors, share)
        covered = _covered(closes, calendar["date"], estimated, days, least)
        start = _most_turbulent(calendar, factors[0], days, whole, covered)
        chosen = calendar.slice(start, days + 1)
        rule = (
            f"the {days} trading days with the largest realised variance (mean squared return) of {factors[0]}"
            " among all that end on or before as_of, on which every factor has a close and half of the"
            f" estimated listings have {least} returns; the first of equals"
        )
    else:
        first, last = crisis
        kept = calendar["date"].is_between(first, last)
        chosen = calendar.filter(kept)
        count = max(chosen.height - 1, 0)
        shown = f"{first.isoformat()}..{last.isoformat()}"
        if count < least_returns(factors):
            raise HoldingsError(
                f"the crisis window {shown} has {count} common returns;"
                f" {least_returns(factors)} are needed",
                places=[Place("indices", f"needs {', '.join(factors)} on days with closes")],
                cure=CURE,
            )
        at = int(kept.arg_max() or 0)
        if not whole[at : at + count].all():
            raise HoldingsError(
                f"in the crisis window {shown} an index lacks closes on days of {factors[0]}",
                places=[Place("indices", f"needs {', '.join(factors)} on the same days")],
                cure=CURE,
            )
        least = _least(count, factors, share)
        rule = f"closes of {shown}, days named by the user"
    returns = simple_returns(chosen[factors[0]].to_numpy())
    facts: dict[str, object] = {
        "window": "auto" if crisis == "auto" else "named",
        "window_rule": rule,
        "history_first_close": calendar["date"][0],
        "history_last_close": calendar["date"][-1],
        "realised_variance": float(f"{np.mean(returns**2) * DAYS_PER_YEAR:.6g}"),
        "min_observations_method": "the share of the window that the main model asks for, at least factors + 10",
    }
    return CrisisWindow(chosen, least, facts)


def _least(returns: int, factors: Sequence[str], share: tuple[int, int]) -> int:
    part, of = share
    return max(least_returns(factors), -(-returns * part // of))


def _unbroken(days: pl.Series, market_days: pl.Series) -> Days:
    """Return for each return of the calendar whether it spans one step of the market index; shape T - 1."""
    at = np.searchsorted(market_days.to_numpy(), days.to_numpy())
    return np.asarray(np.diff(at) == 1)


def _covered(
    closes: pl.DataFrame, days: pl.Series, estimated: Sequence[str], window: int, least: int
) -> Days:
    """Return for each start of a window whether half of the listings have enough returns in it."""
    row = {name: i for i, name in enumerate(estimated)}
    held = np.zeros((len(row), len(days)), dtype=np.bool_)
    at = pl.DataFrame({"date": days}).with_row_index("t")
    known = closes.filter(pl.col("close") > 0, pl.col("listing_id").is_in(list(row)))
    for (name,), own in known.join(at, on="date").group_by("listing_id"):
        held[row[str(name)], own["t"].to_numpy()] = True
    returns = np.cumsum(held[:, 1:] & held[:, :-1], axis=1, dtype=np.int32)
    until = np.pad(returns, ((0, 0), (1, 0)))
    counts = until[:, window:] - until[:, :-window]
    return np.asarray(2 * (counts >= least).sum(axis=0) >= len(row))


def _most_turbulent(
    calendar: pl.DataFrame, market: str, days: int, whole: Days, covered: Days
) -> int:
    """Return where the candidate with the largest realised variance starts."""
    squares = simple_returns(calendar[market].to_numpy()) ** 2
    if len(squares) >= days:
        # sums window by window: a running sum would carry rounding from earlier days into a tie
        windows = np.lib.stride_tricks.sliding_window_view
        variance = windows(squares, days).mean(axis=1)
        candidate: Days = np.logical_and(windows(whole, days).all(axis=1), covered)
        if candidate.any():
            return int(np.argmax(np.where(candidate, variance, -1.0)))
    raise HoldingsError(
        f"no {days} days in a row can be the crisis window: half of the listings and all factors are needed on them",
        places=[Place("prices", f"has {len(squares)} returns in the whole history")],
        cure=CURE,
    )
