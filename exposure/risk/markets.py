"""Which market and board a listing belongs to, by the form of its code."""

from __future__ import annotations

import polars as pl

MAINLAND = ("SH", "SZ", "BJ")
HOME = "CN"  # the market whose days the factors have


def _suffix(listing_id: str) -> str:
    return listing_id.rpartition(".")[2]


def is_mainland(listing_id: str) -> bool:
    """Tell whether a listing trades in Shanghai, Shenzhen or Beijing."""
    return _suffix(listing_id) in MAINLAND


def market_of(listing_id: str) -> str:
    """Return the market of a listing: all mainland exchanges are one."""
    return HOME if is_mainland(listing_id) else _suffix(listing_id)


def market_column(column: str) -> pl.Expr:
    """Return :func:`market_of` as an expression over a column of listings."""
    suffix = pl.col(column).str.extract(r"([^.]*)$")
    return pl.when(suffix.is_in(MAINLAND)).then(pl.lit(HOME)).otherwise(suffix)


def board_of(listing_id: str) -> str:
    """Return the board by the form of the code: the price file may hold listings that no master knows."""
    code, suffix = listing_id[:3], _suffix(listing_id)
    if suffix == "BJ":
        return "bse"
    if suffix == "SH":
        return "star" if code in {"688", "689"} else "main"
    if suffix == "SZ":
        return "chinext" if code in {"300", "301", "302"} else "main"
    return suffix.lower()
