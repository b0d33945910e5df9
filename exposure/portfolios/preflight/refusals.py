"""How the door says no: one sentence of what, the place, and what to do next."""

from __future__ import annotations

from exposure.errors import HoldingsError, Place

MIB = 1024 * 1024
EXPORT = "export the holdings as CSV or XLSX"
SAVE_AGAIN = "save the workbook again in Excel or WPS"
WITHOUT_PASSWORD = "save a copy without a password"


def refused(
    name: str,
    what: str,
    why: str,
    cure: str,
    *,
    sheet: str | None = None,
    row: int | None = None,
    column: str | None = None,
    value: str | None = None,
) -> HoldingsError:
    """Return the error that names one place of a file.

    Examples
    --------
    >>> print(refused("a.csv", "a.csv is not text", "has a NUL byte", "save it as CSV").render())
    error: a.csv is not text
      a.csv: has a NUL byte
    try: save it as CSV
    """
    place = Place(name, why, sheet=sheet, row=row, column=column, value=value)
    return HoldingsError(what, places=[place], cure=cure)


def encrypted(name: str) -> HoldingsError:
    """Return the error for a file behind a password."""
    return refused(name, f"{name} is encrypted", "is protected by a password", WITHOUT_PASSWORD)


def too_large(name: str, size: int, limit: int) -> HoldingsError:
    """Return the error for a file above the limit of its kind."""
    return refused(
        name,
        f"{name} is too large",
        f"has {size / MIB:.0f} MiB, the limit is {limit / MIB:.0f} MiB",
        "export only the holdings of one day",
    )
