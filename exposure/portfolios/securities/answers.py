"""What the resolver answers for a row: a listing, or what is wrong, where, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from exposure.portfolios.securities import codes
from exposure.portfolios.securities.codes import venue_name
from exposure.portfolios.securities.master import REFERENCE


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to report about a code or name: a machine name, a severity and a sentence."""

    rule: str
    severity: str
    message: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """The answer for one row: a listing, or a reason why there is none.

    Parameters
    ----------
    fault
        What is wrong, as a remark with severity ``error``; None where a listing was found.
    field
        ``code``, ``name`` or ``market``: the cell at fault.
    cure
        What to do about the fault.
    """

    listing_id: str | None = None
    issuer_id: str | None = None
    fault: Remark | None = None
    field: str = "code"
    cure: str | None = None
    remarks: tuple[Remark, ...] = ()


def refused(rule: str, message: str, cure: str, *, field: str = "code") -> Resolution:
    """Return an answer without a listing."""
    return Resolution(fault=Remark(rule, "error", message), field=field, cure=cure)


def add_listing() -> str:
    """Return what to do about a listing that the master lacks."""
    own = "give a security master that holds it (--master FILE)"
    return f"correct the code, {own}, or add it to {REFERENCE}/listings.csv"


def no_code(folded: str) -> Resolution:
    """Return the fault of text that is no code."""
    known = codes.why_no_code(folded)
    if known is not None:
        return refused(*known)
    why = "is not a security code"
    return refused("code_form", why, "write it as 000977.SZ, 603019.SH or 0992.HK")


def no_share(code: str, kind: str) -> Resolution:
    """Return the fault of a code that is of something else than a share."""
    if kind == "index":
        return refused("code_is_index", f"{code} is an index, not a share", "remove the row")
    why = f"{code} is the code of a {kind}, not of an ordinary share, and the security master does not hold it"
    return refused("not_a_share", why, f"remove the row, or add it to {REFERENCE}/listings.csv")


def not_of(padded: str, venue: str) -> Resolution | None:
    """Return the fault if a code that the master does not hold can't be a share of this exchange."""
    kind, home = codes.kind_of(padded, venue), codes.home_of(padded)
    if home is not None and codes.kind_of(padded, home) == "bond":
        home = None  # too many ranges for a hint
    if kind == "index" and home is not None and home != venue:
        why = f"{padded}.{venue} is an index, not a share"
        return refused("code_is_index", why, f"for the share write {padded}.{home}")
    if kind is None and home is not None:
        why = f"{padded} belongs to {venue_name(home)}, not {venue_name(venue)}"
        return refused(
            "market_contradicts_code", why, f"write {padded}.{home}, or correct the market"
        )
    if kind is None:
        why = f"{padded} has no prefix of an A share (60, 68, 00, 30, 4, 8, 92)"
        return refused("code_unknown", why, "correct the code")
    return no_share(f"{padded}.{venue}", kind) if kind not in codes.SHARES else None


def article(what: str) -> str:
    """Return the name of a kind of identifier with its article."""
    return f"an {what}" if what in {"ISIN", "LEI"} else f"a {what}"
