"""The forms in which people and terminals write a security code, and what a code says by itself.

A form is taken apart here without asking who exists: ``000977 C2`` is the ticker 000977 in Shenzhen,
``CNE0000012M2`` is an ISIN. Whether there is such a listing, only the security master knows.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from exposure.portfolios.securities.characters import simplified

MAINLAND = ("SH", "SZ", "BJ")
LONGEST_HONG_KONG = 5

# What a suffix or prefix says of the venue; CH is the mainland, where the digits say which exchange.
_SUFFIXES = {
    "SH": "SH", "SS": "SH", "SSE": "SH", "XSHG": "SH", "SHSE": "SH", "CG": "SH", "C1": "SH", "SHA": "SH",
    "SZ": "SZ", "SZSE": "SZ", "XSHE": "SZ", "CS": "SZ", "C2": "SZ", "SHE": "SZ",
    "BJ": "BJ", "XBSE": "BJ", "BSE": "BJ", "BJSE": "BJ",
    "CH": "CH", "CN": "CH",
    "HK": "HK", "XHKG": "HK", "HKG": "HK", "HKEX": "HK", "SEHK": "HK",
    "US": "US", "UN": "US", "UQ": "US", "UW": "US", "UA": "US", "UP": "US", "UR": "US", "UV": "US",
    "XNYS": "US", "XNAS": "US", "OQ": "US",
    "KS": "KS", "TW": "TW", "TT": "TW", "T": "T", "JT": "T", "JP": "T", "XTKS": "T", "XTAI": "TW", "XKRX": "KS",
}  # fmt: skip
_AFTER_A_DOT = {"N": "US", "O": "US", "K": "US"}  # Reuters: New York, Nasdaq, consolidated
_PREFIXES = {
    "SH": "SH", "SSE": "SH", "SHSE": "SH", "XSHG": "SH", "SHA": "SH",
    "SZ": "SZ", "SZSE": "SZ", "XSHE": "SZ", "SHE": "SZ",
    "BJ": "BJ", "BJSE": "BJ", "XBSE": "BJ", "BSE": "BJ",
    "HK": "HK", "HKEX": "HK", "SEHK": "HK", "HKSE": "HK", "XHKG": "HK", "HKG": "HK",
    "US": "US", "NASDAQ": "US", "NYSE": "US", "AMEX": "US", "NYSEARCA": "US", "XNAS": "US", "XNYS": "US",
    "TWSE": "TW", "TPE": "TW", "TYO": "T", "KRX": "KS",
}  # fmt: skip
_WORDS = {
    "深": "SZ",
    "沪": "SH",
    "京": "BJ",
    "港": "HK",
    "深圳": "SZ",
    "上海": "SH",
    "北京": "BJ",
    "香港": "HK",
    "上交": "SH",
    "上证": "SH",
    "北交": "BJ",
}
VENUE_NAMES = {
    "SH": "Shanghai", "SZ": "Shenzhen", "BJ": "Beijing", "HK": "Hong Kong", "CH": "the mainland", "US": "the US",
}  # fmt: skip
HAN = re.compile(r"[㐀-䶿一-鿿]")

_TICKER_US = r"[A-Z][A-Z0-9.\-/]{0,7}"
_SUFFIXED = re.compile(rf"^([0-9]{{1,6}}|{_TICKER_US})(\.|\s|-)\s*([A-Z]{{1,4}}[12]?)$")
_BRACKETED = re.compile(r"^([0-9]{1,6})\s*[(\[]([A-Z]{2,4}[12]?)[)\]]$")
_PREFIXED = re.compile(r"^([A-Z]{2,5})[.:\s_-]?([0-9]{1,6})$")
_PREFIXED_US = re.compile(rf"^([A-Z]{{2,8}})[.:]\s*({_TICKER_US})$")
_MARKET_FIRST = re.compile(
    r"^(深圳|上海|上交|上证|北京|北交|香港|[深沪京港])(?:[市证交]?所?)(?:[AB]?股|[AB])?(?:通)?[:.\s_-]*([0-9]{1,6})$"
)
_MARKET_LAST = re.compile(r"^([0-9]{1,6})[.:\s_-]*([深沪京港])(?:[AB]?股|[AB])?$")
_BARE_US = re.compile(r"^[A-Z]{2,5}$")
_WIND = re.compile(r"^([0-9]{1,6})(?:\.(SH|SZ|BJ|HK))?$")
_YELLOW_KEY = re.compile(r"\s+EQUITY$")
_NO_EQUITY = re.compile(r"^.+\s(INDEX|CORP|CURNCY|COMDTY|GOVT|MTGE|PFD|MUNI|M-MKT)$")
_INDEX_SUFFIX = re.compile(r"^[A-Z0-9]{5,6}\.(CSI|CNI|SI|WI)$")

_ISIN = re.compile(r"^[A-Z]{2}[A-Z0-9]{9}[0-9]$")
_LEI = re.compile(r"^[0-9A-Z]{18}[0-9]{2}$")
_FIGI = re.compile(r"^[B-DF-HJ-NP-TV-Z]{2}G[B-DF-HJ-NP-TV-Z0-9]{8}[0-9]$")
_NEVER_FIGI = frozenset(
    {"BS", "BM", "GG", "GB", "GH", "KY", "VG"}
)  # left out so that no ISIN is one
_SEDOL = re.compile(r"^[0-9B-DF-HJ-NP-TV-Z]{6}[0-9]$")


@dataclass(frozen=True, slots=True)
class Code:
    """A code taken apart.

    Parameters
    ----------
    kind
        ``ticker``, ``isin``, ``lei``, ``figi`` or ``sedol``.
    text
        The ticker without its market, or the identifier.
    venue
        What the form says: SH, SZ, BJ, CH (mainland), HK, US, KS, TW, T; None if nothing.
    """

    kind: str
    text: str
    venue: str | None = None


def fold(code: str) -> str:
    """Return a code in plain width and simplified characters.

    Examples
    --------
    >>> fold(" 000977.SZ "), fold("滬A600519")
    ('000977.SZ', '沪A600519')
    """
    if code.isascii():
        return code.strip()
    return simplified(unicodedata.normalize("NFKC", code).strip())


def read_code(folded: str) -> Code | None:
    """Take a code apart; None for a form that is no code. See :func:`fold`.

    Examples
    --------
    >>> read_code("000977 C2")
    Code(kind='ticker', text='000977', venue='SZ')
    >>> read_code("BABA UN Equity").venue, read_code("NASDAQ:BIDU").text, read_code("BIDU.OQ").venue
    ('US', 'BIDU', 'US')
    >>> read_code("us88160r1014").kind, read_code("977"), read_code("hello world") is None
    ('isin', Code(kind='ticker', text='977', venue=None), True)
    """
    wind = _WIND.match(folded)
    if wind:  # nearly every code; the rest of this function is for the others
        return Code("ticker", wind[1], wind[2])
    upper = " ".join(folded.upper().split())
    found = _identifier(upper)
    if found is not None:
        return found
    bare = _YELLOW_KEY.sub("", upper)
    suffixed = _SUFFIXED.match(bare)
    if suffixed:
        venue = _SUFFIXES.get(suffixed[3])
        if venue is None and suffixed[2] == "." and not suffixed[1].isdigit():
            venue = _AFTER_A_DOT.get(suffixed[3])
        if venue is not None and (suffixed[3] != "T" or suffixed[2] == "."):
            return Code("ticker", suffixed[1].replace("/", "."), venue)
    bracketed = _BRACKETED.match(bare)
    if bracketed and bracketed[2] in _SUFFIXES:
        return Code("ticker", bracketed[1], _SUFFIXES[bracketed[2]])
    prefixed = _PREFIXED.match(bare)
    if prefixed and prefixed[1] in _PREFIXES:
        return Code("ticker", prefixed[2], _PREFIXES[prefixed[1]])
    american = _PREFIXED_US.match(bare)
    if american and _PREFIXES.get(american[1]) == "US":
        return Code("ticker", american[2].replace("/", "."), "US")
    return _chinese(bare) or _bare(bare)


def _chinese(upper: str) -> Code | None:
    if upper.isascii():
        return None
    first = _MARKET_FIRST.match(upper)
    if first:
        return Code("ticker", first[2], _WORDS[first[1]])
    last = _MARKET_LAST.match(upper)
    return Code("ticker", last[1], _WORDS[last[2]]) if last else None


def _bare(upper: str) -> Code | None:
    return Code("ticker", upper, "US") if _BARE_US.match(upper) else None


def _identifier(upper: str) -> Code | None:
    size = len(upper)
    if size == 12 and _ISIN.match(upper):
        return Code("figi" if _is_figi(upper) else "isin", upper)
    if size == 20 and _LEI.match(upper):
        return Code("lei", upper)
    # seven digits alone are as likely a mistyped code
    if (
        size == 7
        and _SEDOL.match(upper)
        and (not upper.isdigit() or right_digits("sedol", upper) == upper[-1])
    ):
        prefixed = _PREFIXED.match(upper)
        if prefixed is None or prefixed[1] not in _PREFIXES:
            return Code("sedol", upper)
    return None


def _is_figi(upper: str) -> bool:
    """Tell a FIGI from an ISIN, which has the same length: most begin with BBG, and BB is also Barbados."""
    if not _FIGI.match(upper) or upper[:2] in _NEVER_FIGI:
        return False
    return upper.startswith("BBG") or (
        right_digits("figi", upper) == upper[-1] and right_digits("isin", upper) != upper[-1]
    )


def right_digits(kind: str, text: str) -> str:
    """Return the check digits that an identifier must end with.

    Examples
    --------
    >>> right_digits("isin", "CNE0000012M5"), right_digits("lei", "5493006MHB84DD0ZWV18")
    ('2', '18')
    """
    # stdnum takes 40 ms to import; a file of tickers doesn't need it
    from stdnum import figi, isin  # noqa: PLC0415
    from stdnum.gb import sedol  # noqa: PLC0415
    from stdnum.iso7064 import mod_97_10  # noqa: PLC0415

    if kind == "lei":
        return str(mod_97_10.calc_check_digits(text[:-2]))
    calculate = {"isin": isin, "figi": figi, "sedol": sedol}[kind].calc_check_digit
    return str(calculate(text[:-1]))


def has_right_digits(kind: str, text: str) -> bool:
    """Tell whether an identifier of a kind has its form and its check digits.

    Examples
    --------
    >>> has_right_digits("isin", "CNE0000012M2"), has_right_digits("isin", "CNE0000012M5")
    (True, False)
    """
    return has_form(kind, text) and text.endswith(right_digits(kind, text))


def has_form(kind: str, text: str) -> bool:
    """Tell whether text has the length and characters of an identifier."""
    form = {"isin": _ISIN, "lei": _LEI, "figi": _FIGI, "sedol": _SEDOL}[kind]
    return form.match(text) is not None


# --- what the digits say --------------------------------------------------------------------------

# Ranges that the exchanges hand out, the longest prefix wins. A range says what a code can be, not that it exists.
_RANGES: dict[str, dict[str, str]] = {
    "SH": {
        "60": "share", "688": "share", "689": "depositary receipt", "900": "B share", "5": "fund", "000": "index",
        "01": "bond", "02": "bond", "10": "bond", "11": "bond", "12": "bond", "13": "bond", "14": "bond",
        "15": "bond", "16": "bond", "17": "bond", "18": "bond", "19": "bond", "20": "repo", "24": "bond", "25": "bond",
        "36": "preferred share", "7": "subscription code",
    },
    "SZ": {
        "00": "share", "30": "share", "200": "B share", "201": "B share",
        "15": "fund", "16": "fund", "18": "fund", "10": "bond",
        "11": "bond", "12": "bond", "13": "repo", "14": "preferred share", "39": "index", "03": "warrant",
        "08": "subscription code", "07": "subscription code",
    },
    "BJ": {
        "4": "share", "8": "share", "92": "share", "81": "bond", "82": "preferred share", "899": "index",
    },
}  # fmt: skip
SHARES = frozenset({"share", "B share", "depositary receipt"})


def kind_of(code: str, venue: str) -> str | None:
    """Return what a six-digit code of a mainland exchange can be, or None for a range that is not used.

    Examples
    --------
    >>> kind_of("688041", "SH"), kind_of("000300", "SH"), kind_of("000300", "SZ"), kind_of("159915", "SZ")
    ('share', 'index', 'share', 'fund')
    """
    ranges = _RANGES.get(venue, {})
    return next((ranges[code[:n]] for n in (3, 2, 1) if code[:n] in ranges), None)


def home_of(code: str) -> str | None:
    """Return the one exchange to which a six-digit code belongs by its range, shares before all else.

    Examples
    --------
    >>> home_of("688041"), home_of("301236"), home_of("830799"), home_of("510300"), home_of("123456")
    ('SH', 'SZ', 'BJ', 'SH', None)
    """
    kinds = {venue: kind for venue in MAINLAND if (kind := kind_of(code, venue)) is not None}
    shares = [venue for venue, kind in kinds.items() if kind in SHARES]
    if shares:
        return shares[0] if len(shares) == 1 else None
    return next(iter(kinds)) if len(kinds) == 1 else None


def hong_kong(ticker: str) -> str:
    """Return the listing id of a Hong Kong code: four digits, five above 9999.

    Examples
    --------
    >>> hong_kong("00992"), hong_kong("80700")
    ('0992.HK', '80700.HK')
    """
    return f"{int(ticker):04d}.HK"


def why_no_code(folded: str) -> tuple[str, str, str] | None:
    """Return rule, reason and cure for text that is no code though it looks like one; None if nothing is known."""
    upper = " ".join(folded.upper().split())
    if _NO_EQUITY.match(upper):
        word = upper.rpartition(" ")[2].lower()
        return "not_a_share", f"is a code of the kind {word}, not of a share", "remove the row"
    if _INDEX_SUFFIX.match(upper):
        return "code_is_index", "is an index, not a share", "remove the row"
    if HAN.search(folded):
        return "code_form", "is a name, not a code", "move it to the column of names"
    if re.fullmatch(r"[0-9]{7}", upper):
        digit = right_digits("sedol", upper)
        why = f"is not a security code (and no SEDOL: its last digit would have to be {digit})"
        return "code_form", why, "write it as 000977.SZ, 603019.SH or 0992.HK"
    return None


def strange_character(text: str, *, letters: bool = True) -> str | None:
    """Return what is wrong with the characters of a code: invisible, or alike but another."""
    if text.isascii() and text.isprintable():
        return None
    for char in text:
        category = unicodedata.category(char)
        if category in {"Cf", "Cc", "Co", "Cs"}:
            return f"holds the invisible character U+{ord(char):04X}"
        foreign = char.isalnum() and not char.isascii()
        if letters and foreign and not HAN.match(char):
            name = unicodedata.name(char, "unnamed").lower()
            return f"holds {char} ({name}), which only looks like a plain letter or digit"
    return None


def venue_name(venue: str) -> str:
    """Return a venue as a word."""
    return VENUE_NAMES.get(venue, venue)
