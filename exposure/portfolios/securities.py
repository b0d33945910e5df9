"""Who is who: issuers, their listings, names and owners, and how a code in a file becomes a listing.

A code without its market, name or suffix is not an identifier. ``977``, ``000977``, ``SZ000977``,
``000977 C2`` and ``000977.XSHE`` are all one listing; ``977`` alone may be a share in Shenzhen or
in Hong Kong, and ``000300`` alone is an index.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches

import polars as pl
from rapidfuzz import fuzz
from stdnum import isin

from exposure.content import ContentRoot
from exposure.portfolios.cells import squeeze
from exposure.portfolios.layouts import Dictionary
from exposure.schemas import Aliases, Issuers, Listings, Ownership, typed_from_text

REFERENCE = "portfolios/reference"
ALIKE = 88.0  # token-set likeness [0..100] from which two Latin names are one: "Hygon Information"
A_VENUES = ("SH", "SZ", "BJ")


@dataclass(frozen=True, slots=True)
class SecurityMaster:
    """Who can be held.

    Parameters
    ----------
    issuers
        | issuer_id | name_zh | name_en | country | role |
    listings
        | listing_id | issuer_id | board | currency | share_class | valid_from | valid_to | lot |
    aliases
        | issuer_id | alias | language | kind | valid_from | valid_to |
    ownership
        | owner | owned | lo | hi [percent of shares] | dates | grade | source |
    """

    issuers: pl.DataFrame
    listings: pl.DataFrame
    aliases: pl.DataFrame
    ownership: pl.DataFrame


def load_master(root: ContentRoot) -> SecurityMaster:
    """Read ``portfolios/reference/*.csv``.

    Raises
    ------
    ContentError
        With file and line, for a cell that breaks a rule or an issuer that isn't known.
    """
    frames: dict[str, pl.DataFrame] = {}
    schemas = {
        "issuers": Issuers,
        "listings": Listings,
        "aliases": Aliases,
        "ownership": Ownership,
    }
    for table, schema in schemas.items():
        name = f"{REFERENCE}/{table}.csv"
        frames[table] = typed_from_text(root.read_csv(name), schema, name)
    return SecurityMaster(**frames)


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


@dataclass(frozen=True, slots=True)
class _Listing:
    listing_id: str
    issuer_id: str
    currency: str
    board: str
    is_alive: bool


@dataclass(frozen=True, slots=True)
class Resolver:
    """The master as of a day, arranged for looking up codes and names."""

    as_of: date
    listings: Mapping[str, _Listing]
    by_issuer: Mapping[str, tuple[str, ...]]
    names: Mapping[str, frozenset[str]]  # normalised alias → issuers
    known_as: Mapping[str, tuple[str, ...]]  # issuer → normalised names
    titles: Mapping[str, str]  # issuer → the name to print
    dictionary: Dictionary

    @staticmethod
    def of(master: SecurityMaster, dictionary: Dictionary, as_of: date) -> Resolver:
        """Arrange a master for look-ups as of a day."""
        listings: dict[str, _Listing] = {}
        by_issuer: dict[str, list[str]] = {}
        for row in master.listings.iter_rows(named=True):
            begins, ends = row["valid_from"], row["valid_to"]
            alive = (begins is None or begins <= as_of) and (ends is None or as_of < ends)
            listing_id, issuer_id = row["listing_id"], row["issuer_id"]
            listings[listing_id] = _Listing(
                listing_id, issuer_id, row["currency"], row["board"], alive
            )
            if alive:
                by_issuer.setdefault(issuer_id, []).append(listing_id)
        names, known_as, titles = _name_tables(master)
        return Resolver(
            as_of=as_of,
            listings=listings,
            by_issuer={key: tuple(sorted(ids)) for key, ids in by_issuer.items()},
            names=names,
            known_as=known_as,
            titles=titles,
            dictionary=dictionary,
        )

    def board(self, listing_id: str) -> str:
        """Return the board of a known listing."""
        return self.listings[listing_id].board

    def currency(self, listing_id: str) -> str:
        """Return the trading currency of a known listing."""
        return self.listings[listing_id].currency

    def resolve(
        self, code: str | None, name: str | None = None, market: str | None = None
    ) -> Resolution:
        """Find the listing of a row from its code, name and market.

        Returns
        -------
        Resolution
            With a listing, or with the fault, the field at fault and a cure.
        """
        venue, fault = self._venue(market)
        if fault is not None:
            return fault
        if code is None:
            if name is None:
                return _fault("no_identity", "row has no code and no name", "fill in the code")
            return self._by_name(name, venue)
        folded = unicodedata.normalize("NFKC", code).strip()
        strange = _strange_character(folded)
        if strange:
            return _fault("code_characters", strange, "type the code again by hand")
        remarks: list[Remark] = []
        if folded != code.strip():
            message = f"full-width characters read as {folded}"
            remarks.append(Remark("width_normalised", "info", message))
        form = _code_form(folded)
        if form is None:
            return self._unreadable(folded)
        ticker, said = form
        if said and venue and said != venue and not (said == "CH" and venue in A_VENUES):
            return _fault(
                "market_contradicts_code",
                f"code says {_venue_word(said)}, the market column says {_venue_word(venue)}",
                "correct the code or the market",
                field="market",
            )
        stated = said if said and said != "CH" else venue or said
        return self._by_code(ticker, stated, name, remarks, is_suffixed=said is not None)

    # -- codes

    def _by_code(
        self,
        ticker: str,
        venue: str | None,
        name: str | None,
        remarks: list[Remark],
        *,
        is_suffixed: bool,
    ) -> Resolution:
        if not ticker.isdigit():
            return self._checked(f"{ticker}.{venue or 'US'}", name, remarks)
        if venue == "HK":
            return self._checked(_hong_kong(ticker), name, remarks)
        if venue is not None and venue not in (*A_VENUES, "CH"):
            return self._checked(f"{ticker}.{venue}", name, remarks)
        padded = ticker.zfill(6)
        home = _home(padded)
        if venue in A_VENUES and home is not None and home != venue:
            if venue == "SH" and padded.startswith("000"):
                why = f"{padded}.SH is an index, not a share"
                return _fault("code_is_index", why, f"for the share write {padded}.SZ")
            why = f"{padded} belongs to {_venue_word(home)}, not {_venue_word(venue)}"
            return _fault(
                "market_contradicts_code", why, f"write {padded}.{home}, or correct the market"
            )
        if len(ticker) == 6:
            return self._six_digits(ticker, home, venue, name, remarks, is_suffixed=is_suffixed)
        if venue is not None:
            return self._padded(ticker, padded, home, name, remarks, "the market", "info")
        return self._short_code(ticker, padded, home, name, remarks)

    def _six_digits(
        self,
        ticker: str,
        home: str | None,
        venue: str | None,
        name: str | None,
        remarks: list[Remark],
        *,
        is_suffixed: bool,
    ) -> Resolution:
        if home is None:
            why = "has no prefix of an A share (60, 68, 00, 30, 4, 8, 92)"
            return _fault("code_unknown", why, "remove the row, or correct the code")
        is_bare = venue is None and name is None and not is_suffixed
        if is_bare and ticker in self.dictionary.index_homonyms:
            why = "is also the code of an index; the market or name must say which is meant"
            return _fault("code_ambiguous", why, f"write {ticker}.{home}, or add the name")
        return self._checked(f"{ticker}.{home}", name, remarks)

    def _short_code(
        self, ticker: str, padded: str, home: str | None, name: str | None, remarks: list[Remark]
    ) -> Resolution:
        """Resolve a code that lost its zeros: only the name can say which market it is of."""
        mainland = f"{padded}.{home}" if home else None
        hong_kong = _hong_kong(ticker)
        options = [option for option in (mainland, hong_kong) if option]
        if name is None:
            why = f"lost its zeros or its market: it may be {' or '.join(options)}"
            return _fault("code_ambiguous", why, "write the full code, or add the name")
        fitting = [
            option
            for option in options
            if option in self.listings and self._name_fault(self.listings[option], name) is None
        ]
        if len(fitting) == 1 and fitting[0] == mainland:
            return self._padded(ticker, padded, home, name, remarks, "the name", "warning")
        if len(fitting) == 1:
            return self._checked(hong_kong, name, remarks)
        known = [option for option in options if option in self.listings]
        if not known:
            why = f"is not in the security master, neither as {' nor as '.join(options)}"
            return _fault("code_unknown", why, _add_listing())
        why = f"may be {' or '.join(options)}, and the name {name} does not decide"
        return _fault("code_ambiguous", why, "write the full code with its market")

    def _padded(
        self,
        ticker: str,
        padded: str,
        home: str | None,
        name: str | None,
        remarks: list[Remark],
        witness: str,
        severity: str,
    ) -> Resolution:
        if home is None:
            why = f"{padded} has no prefix of an A share (60, 68, 00, 30, 4, 8, 92)"
            return _fault("code_unknown", why, "correct the code")
        listing_id = f"{padded}.{home}"
        message = f"{ticker} read as {listing_id}: zeros restored, {witness} agrees"
        remarks.append(Remark("zeros_restored", severity, message))
        return self._checked(listing_id, name, remarks)

    def _checked(self, listing_id: str, name: str | None, remarks: list[Remark]) -> Resolution:
        listing = self.listings.get(listing_id)
        if listing is None:
            near = get_close_matches(listing_id, self.listings, n=1, cutoff=0.85)
            hint = f"; the nearest is {near[0]}" if near else ""
            why = f"{listing_id} is not in the security master{hint}"
            return _fault("code_unknown", why, _add_listing())
        if not listing.is_alive:
            why = f"{listing_id} was not a listing of {self._title(listing)} on {self.as_of}"
            return _fault("listing_not_valid", why, "correct the code or the date")
        if name is not None:
            wrong = self._name_fault(listing, name)
            if wrong is not None:
                return wrong
        return Resolution(listing.listing_id, listing.issuer_id, remarks=tuple(remarks))

    def _unreadable(self, code: str) -> Resolution:
        upper = code.upper()
        if re.fullmatch(r"[A-Z]{2}[A-Z0-9]{9}[0-9]", upper):
            if not isin.is_valid(upper):
                digit = isin.calc_check_digit(upper[:-1])
                why = f"is an ISIN with a wrong check digit (it must be {digit})"
                return _fault("isin_check_digit", why, "correct the ISIN")
            why = "is an ISIN, and the security master knows listings by code"
            return _fault("code_unknown", why, "write the code, such as 000977.SZ")
        why = "is not a security code"
        return _fault("code_form", why, "write it as 000977.SZ, 603019.SH or 0992.HK")

    # -- names

    def _by_name(self, name: str, venue: str | None) -> Resolution:
        strange = _strange_character(unicodedata.normalize("NFKC", name), letters=False)
        if strange:
            return _fault("name_characters", strange, "type the name again", field="name")
        owners = self.names.get(normal_name(name), frozenset())
        if not owners:
            why = "is not a name in the security master, and the row has no code"
            return _fault("name_unknown", why, "fill in the code", field="name")
        if len(owners) > 1:
            why = f"is a name of several issuers: {', '.join(sorted(owners))}"
            return _fault("name_ambiguous", why, "fill in the code", field="name")
        issuer = next(iter(owners))
        lines = self.by_issuer.get(issuer, ())
        fitting = [line for line in lines if venue is None or line.endswith(f".{venue}")]
        if not lines:
            why = f"is {issuer}, which has no listing: it can't be held"
            return _fault("no_listing", why, "remove the row, or name a listed owner", field="name")
        if len(fitting) != 1:
            why = f"has several listings: {', '.join(fitting or lines)}"
            return _fault("name_ambiguous", why, "fill in the code", field="name")
        remark = Remark("resolved_by_name", "warning", f"no code; the name is that of {fitting[0]}")
        return Resolution(fitting[0], issuer, remarks=(remark,))

    def _name_fault(self, listing: _Listing, name: str) -> Resolution | None:
        normal = normal_name(name)
        owners = self.names.get(normal, frozenset())
        if listing.issuer_id in owners:
            return None
        title = self._title(listing)
        if owners:
            other = sorted(owners)[0]
            lines = self.by_issuer.get(other, ())
            belongs = lines[0] if lines else f"{other}, which has no listing"
            why = f"code and name disagree: {listing.listing_id} is {title}, the name is {belongs}"
            return _fault("name_disagrees", why, "correct the code or the name", field="name")
        if self._is_alike(listing.issuer_id, normal) or self._is_cut(listing.issuer_id, name):
            return None
        why = f"code and name disagree: {listing.listing_id} is {title}"
        cure = f"correct the code or the name, or add the name to {REFERENCE}/aliases.csv"
        return _fault("name_disagrees", why, cure, field="name")

    def _is_cut(self, issuer: str, name: str) -> bool:
        """Tell whether a name gave up its last character to a mark: XD浪潮信 is 浪潮信息."""
        text = unicodedata.normalize("NFKC", name).strip().upper()
        if not text.startswith(("XD", "XR", "DR")):
            return False
        short = normal_name(name)
        return len(short) > 1 and any(
            alias.startswith(short) and len(alias) == len(short) + 1
            for alias in self.known_as.get(issuer, ())
        )

    def _is_alike(self, issuer: str, normal: str) -> bool:
        """Tell whether a Latin name is a longer or shorter form of this issuer's own name."""
        if not normal.isascii() or len(normal) > 200:
            return False
        own = [alias for alias in self.known_as.get(issuer, ()) if alias.isascii()]
        if max((fuzz.token_set_ratio(normal, alias) for alias in own), default=0.0) < ALIKE:
            return False
        best = max(fuzz.token_sort_ratio(normal, alias) for alias in own)
        # "Inspur Software" contains "Inspur": another issuer that fits better has the name
        return all(
            fuzz.token_sort_ratio(normal, alias) <= best
            for alias, owners in self.names.items()
            if alias.isascii() and issuer not in owners
        )

    def _title(self, listing: _Listing) -> str:
        return self.titles.get(listing.issuer_id, listing.issuer_id)

    def _venue(self, market: str | None) -> tuple[str | None, Resolution | None]:
        if market is None:
            return None, None
        venue = self.dictionary.markets.get(squeeze(market))
        if venue is None:
            return None, _fault(
                "market_unknown",
                "is not a known market",
                "write SH, SZ, BJ or HK, or empty the cell",
                field="market",
            )
        return venue, None


def _name_tables(
    master: SecurityMaster,
) -> tuple[dict[str, frozenset[str]], dict[str, tuple[str, ...]], dict[str, str]]:
    names: dict[str, set[str]] = {}
    known_as: dict[str, set[str]] = {}
    titles: dict[str, str] = {}
    pairs = list(master.aliases.select("issuer_id", "alias").iter_rows())
    for issuer, zh, en in master.issuers.select("issuer_id", "name_zh", "name_en").iter_rows():
        titles[issuer] = zh
        pairs += [(issuer, zh), (issuer, en)]
    for issuer, alias in pairs:
        normal = normal_name(alias)
        names.setdefault(normal, set()).add(issuer)
        known_as.setdefault(issuer, set()).add(normal)
    return (
        {name: frozenset(owners) for name, owners in names.items()},
        {issuer: tuple(sorted(found)) for issuer, found in known_as.items()},
        titles,
    )


# --- forms of codes and names ---------------------------------------------------------------------

_VENUES = {
    "SH": "SH",
    "SS": "SH",
    "SSE": "SH",
    "XSHG": "SH",
    "SHSE": "SH",
    "CG": "SH",
    "C1": "SH",  # Stock Connect line
    "SZ": "SZ",
    "SZSE": "SZ",
    "XSHE": "SZ",
    "CS": "SZ",
    "C2": "SZ",
    "BJ": "BJ",
    "XBSE": "BJ",
    "BSE": "BJ",
    "CH": "CH",  # mainland, the prefix says which exchange
    "HK": "HK",
    "XHKG": "HK",
    "US": "US",
    "UW": "US",
    "UN": "US",
    "UQ": "US",
    "KS": "KS",
    "TW": "TW",
    "TT": "TW",
    "T": "T",
}
_SUFFIXED = re.compile(
    r"^([0-9]{1,6}|[A-Z][A-Z0-9.\-]{0,7})[.\s]\s*([A-Z]{1,4}[12]?)(?:\s+EQUITY)?$"
)
_PREFIXED = re.compile(r"^(SH|SZ|BJ|HK)[.:\s]?([0-9]{1,6})$")
_MARKET_FIRST = re.compile(r"^([深沪京港])(?:A|股)?\s*([0-9]{1,6})$")
_BARE = re.compile(r"^[0-9]{1,6}$")
_TICKER = re.compile(r"^[A-Z]{2,5}$")
_FIRST = {"深": "SZ", "沪": "SH", "京": "BJ", "港": "HK"}


def _code_form(code: str) -> tuple[str, str | None] | None:
    """Split a code into ticker and stated venue; None for a form that is no code."""
    upper = re.sub(r"\s+", " ", code.strip().upper())
    suffixed = _SUFFIXED.match(upper)
    if suffixed and suffixed[2] in _VENUES:
        return suffixed[1], _VENUES[suffixed[2]]
    prefixed = _PREFIXED.match(upper)
    if prefixed:
        return prefixed[2], prefixed[1]
    first = _MARKET_FIRST.match(upper)
    if first:
        return first[2], _FIRST[first[1]]
    if _BARE.match(upper):
        return upper, None
    return (upper, "US") if _TICKER.match(upper) else None


def _home(code: str) -> str | None:
    """Return the exchange that a six-digit A-share code belongs to by its prefix.

    Examples
    --------
    >>> _home("688041"), _home("301236"), _home("830799"), _home("510300")
    ('SH', 'SZ', 'BJ', None)
    """
    if code.startswith(("60", "68")):
        return "SH"
    if code.startswith(("00", "30")):
        return "SZ"
    return "BJ" if code.startswith(("4", "8", "92")) else None


def _hong_kong(ticker: str) -> str:
    """Return the listing id of a Hong Kong code: four digits, five above 9999.

    Examples
    --------
    >>> _hong_kong("00992"), _hong_kong("80700")
    ('0992.HK', '80700.HK')
    """
    return f"{int(ticker):04d}.HK"


def _venue_word(venue: str) -> str:
    words = {"SH": "Shanghai", "SZ": "Shenzhen", "BJ": "Beijing", "HK": "Hong Kong"}
    return words.get(venue, "the mainland" if venue == "CH" else venue)


def _strange_character(text: str, *, letters: bool = True) -> str | None:
    """Return what is wrong with the characters of a code: invisible, or alike but another."""
    for char in text:
        category = unicodedata.category(char)
        if category in {"Cf", "Cc", "Co", "Cs"}:
            return f"holds the invisible character U+{ord(char):04X}"
        foreign = char.isalnum() and not char.isascii()
        if letters and foreign and char not in "深沪京港股":
            name = unicodedata.name(char, "unnamed").lower()
            return f"holds {char} ({name}), which only looks like a plain letter or digit"
    return None


_STATUS_MARK = re.compile(r"^(\*?ST|S\*ST|SST|XD|XR|DR|[NC](?=[一-鿿]))")
_CLASS_MARK = re.compile(r"-(U|W|SW|S|B|P|UW|R)$")
_LEGAL_ZH = re.compile(r"(集团)?(股份)?(控股)?(有限)(责任)?公司$")
_LEGAL_EN = re.compile(
    r"\b(CO|COMPANY|LTD|LIMITED|INC|INCORPORATED|CORP|CORPORATION|PLC|AG|CLASS|ADR)\b"
)
_SHARE_LETTER = re.compile(r"\s+(A|H|B)$")


def normal_name(name: str) -> str:
    """Return a name for comparing: NFKC, marks of status and share class taken off.

    Examples
    --------
    >>> normal_name("*ST 拓维"), normal_name("寒武纪-U"), normal_name("XD浪潮信")
    ('拓维', '寒武纪', '浪潮信')
    >>> normal_name("Lenovo Group Limited")
    'LENOVO GROUP'
    """
    text = unicodedata.normalize("NFKC", name).upper().strip()
    if not text.isascii():
        text = "".join(text.split())
        text = _STATUS_MARK.sub("", text)
        text = _CLASS_MARK.sub("", text)
        text = _LEGAL_ZH.sub("", text) or text
        return text.removesuffix("A") if len(text) > 3 else text
    text = re.sub(r"[.,&'()/]+", " ", _CLASS_MARK.sub("", text))
    bare = " ".join(_LEGAL_EN.sub(" ", text).split())
    return _SHARE_LETTER.sub("", bare) or bare or text


def _fault(rule: str, message: str, cure: str, *, field: str = "code") -> Resolution:
    return Resolution(fault=Remark(rule, "error", message), field=field, cure=cure)


def _add_listing() -> str:
    return f"correct the code, or add it to {REFERENCE}/listings.csv"
