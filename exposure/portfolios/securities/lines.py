"""Who has which listing id on a day."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from exposure.portfolios.securities.master import SecurityMaster

_COLUMNS = ("listing_id", "issuer_id", "currency", "board", "valid_from", "valid_to")
_IDENTIFIERS = ("isin", "sedol", "figi")


@dataclass(frozen=True, slots=True)
class Line:
    """One holder of a listing id, seen from a day.

    Parameters
    ----------
    begins, ends
        First day, and first day no more; None where open or not known.
    state
        ``alive``, ``ended``, ``future``, or ``unsure``: the code passed to another company, nobody
        says when.
    known_on
        The day of the master that says so; None for the shipped one.
    """

    listing_id: str
    issuer_id: str
    currency: str
    board: str
    begins: date | None
    ends: date | None
    state: str
    known_on: date | None = None


def lines_on(master: SecurityMaster, as_of: date) -> Iterable[tuple[Line, tuple[str | None, ...]]]:
    """Yield each holder of each listing id with its identifiers; those of today go first."""
    vintages = master.vintages
    rows = master.listings.select(*_COLUMNS, *_IDENTIFIERS)
    for listing, issuer, currency, board, begins, ends, *identifiers in rows.iter_rows():
        state = _state(as_of, begins, ends)
        known_on = vintages.get(listing)
        yield (
            Line(listing, issuer, currency, board, begins, ends, state, known_on),
            tuple(identifiers),
        )
    if master.reused.is_empty():
        return
    begun = dict(master.listings.select("listing_id", "valid_from").iter_rows())
    rows = master.reused.select("known_on", *_COLUMNS, *_IDENTIFIERS)
    for known_on, listing, issuer, currency, board, begins, ends, *identifiers in rows.iter_rows():
        next_ = begun.get(listing)
        if next_ is not None and begins is not None and next_ <= begins:
            next_ = None
        state = _state(as_of, begins, ends or next_)
        # a master of a day says who had the code up to that day, not how long after
        is_seen = known_on is not None and as_of <= known_on and _before(known_on, next_)
        has_end = ends is not None or (begins is not None and next_ is None)
        if state == "alive" and not has_end and not is_seen:
            state = "unsure"
        yield (
            Line(listing, issuer, currency, board, begins, ends, state, known_on),
            tuple(identifiers),
        )


def _state(as_of: date, begins: date | None, ends: date | None) -> str:
    if begins is not None and as_of < begins:
        return "future"
    return "alive" if ends is None or as_of < ends else "ended"


def _before(day: date, other: date | None) -> bool:
    return other is None or day < other
