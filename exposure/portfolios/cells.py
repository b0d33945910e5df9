"""One cell of an export: taking it as text, as a number and as a day, in the forms that people write."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, timedelta

EXCEL_EPOCH = date(1899, 12, 30)
EXCEL_SERIALS = (20_000, 80_000)  # 1954 to 2119: other integers are not meant as dates


def squeeze(text: str) -> str:
    """Return ``text`` for comparing: NFKC, lower case, no blanks.

    Examples
    --------
    >>> squeeze(" 深圳Ａ股 ")
    '深圳a股'
    """
    folded = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return "".join(folded.lower().replace("\ufeff", "").split())


_GUARD = re.compile(r'^=\s*"(.*)"$', re.DOTALL)


def clean_cell(text: str | None) -> str | None:
    """Take off blanks and a spreadsheet guard; an empty cell becomes None.

    Examples
    --------
    >>> clean_cell('="000977"')
    '000977'
    """
    if text is None:
        return None
    bare = text.strip().strip("\ufeff").strip()
    guarded = _GUARD.match(bare)
    if guarded:
        bare = guarded[1].strip()
    elif bare.startswith("'") and len(bare) > 1:
        bare = bare[1:].strip()
    return bare or None


@dataclass(frozen=True, slots=True)
class Number:
    """A number as found: its value, whether it carried ``%``, and the step of its last digit."""

    value: float
    percent: bool = False
    step: float = 0.0


_PLAINEST = re.compile(r"^[0-9]{1,15}(?:\.([0-9]{1,9}))?$")
_PLAIN = re.compile(r"^[+-]?(?:\d+|\d{1,3}(?:,\d{3})+)?(?:\.\d*)?(?:[eE][+-]?\d{1,3})?$")
_SUFFIX = re.compile(r"(万|亿)?(股|元)?$")
_SCALES = {"万": 1e4, "亿": 1e8, None: 1.0}


def parse_number(text: str) -> Number | None:
    """Read a number as people write it; None where it is not one.

    Full-width digits, thousands separators, ``%``, brackets for negatives, 万 and 亿 are read.
    ``1.000,00`` is refused: it is a decimal comma in one country and a typing error in another.

    Examples
    --------
    >>> parse_number("6,340,800.00").value
    6340800.0
    >>> parse_number("7.53%").percent
    True
    >>> parse_number("1.000,00") is None
    True
    """
    plainest = _PLAINEST.match(text)
    if plainest:  # nearly every cell; the rest of this function is for the others
        return Number(float(text), step=10.0 ** -len(plainest[1] or ""))
    bare = "".join(unicodedata.normalize("NFKC", text).split())
    bare = bare.replace("−", "-").lstrip("¥￥$")
    negative = bare.startswith("(") and bare.endswith(")")
    if negative:
        bare = bare[1:-1]
    percent = bare.endswith("%")
    bare = bare.removesuffix("%")
    suffix = _SUFFIX.search(bare)
    scale = 1.0
    if suffix and suffix[0]:
        scale = _SCALES[suffix[1]]
        bare = bare[: suffix.start()]
    if not bare.isascii() or not _PLAIN.match(bare) or not any(c.isdigit() for c in bare):
        return None
    plain = bare.replace(",", "")
    value = float(plain) * scale
    decimals = len(plain.partition(".")[2]) if "e" not in plain.lower() else 0
    return Number(-value if negative else value, percent, scale * 10.0 ** -min(decimals, 300))


_DATE_FORMS = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y%m%d",
    "%Y.%m.%d",
    "%Y年%m月%d日",
    "%b %d, %Y",
    "%d %b %Y",
)


def parse_day(text: str) -> date | None:
    """Read a calendar day in the forms of exports, or an Excel serial; None where it is not one.

    Examples
    --------
    >>> parse_day("2025年1月24日")
    datetime.date(2025, 1, 24)
    >>> parse_day("45681")
    datetime.date(2025, 1, 24)
    """
    bare = unicodedata.normalize("NFKC", text).strip()
    bare = re.sub(r"[T ]00:00(:00(\.0+)?)?$", "", bare)
    if bare.isascii() and bare.isdigit() and len(bare) == 5:
        serial = int(bare)
        if EXCEL_SERIALS[0] <= serial <= EXCEL_SERIALS[1]:
            return EXCEL_EPOCH + timedelta(days=serial)
        return None
    for form in _DATE_FORMS:
        try:
            return datetime.strptime(bare, form).date()  # noqa: DTZ007 - a calendar day has no zone
        except ValueError:
            continue
    return None
