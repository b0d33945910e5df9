"""Names of companies: taking off what an exchange or a terminal adds, and who is or was called what on a day."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from rapidfuzz import fuzz

from exposure.portfolios.securities.characters import simplified
from exposure.portfolios.securities.likeness import LatinNames, is_alike, sorted_words

LONGEST_SHOWN = 80
LONGEST_CUT = 2  # characters that a mark in front may cost: N摩尔线 is 摩尔线程

_HAN = "[㐀-䶿一-鿿]"
# S marks a line without share reform, N and C the first days of trading, XD, XR and DR an ex-day
_HAN_RUN = re.compile(rf"{_HAN}+")
_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"))
_STATUS = re.compile(rf"^(?:S?\*?ST|XD|XR|DR|[NCS](?={_HAN})|退市(?={_HAN}{{2}}))+")
_CUTTING = re.compile(rf"^(?:XD|XR|DR|[NC](?={_HAN}))")
_DELISTING = re.compile(rf"(?<={_HAN}{{2}})退$")
# unprofitable, weighted votes, and so on; full-width hyphens are plain by now
_CLASS = re.compile(r"-(?:UW|UWD|U|WD|WR|W|SWR|SW|SR|S|BR|B|P|R|D)$")
_SHARE_LETTER_ZH = re.compile(rf"(?<={_HAN}{{2}})[ABH]$")
# 集团 and 控股 stay: 神州数码控股有限公司 is not 神州数码
_LEGAL_ZH = re.compile(r"(股份)?有限(责任)?公司$")
_CLASS_EN = re.compile(r"\s*-\s*(?:U|UW|W|SW|S|B|P|R|A|H|ADR|ADS|SP(?:ON)? ADR|CL(?:ASS)? ?[A-C])$")
_LEGAL_EN = re.compile(
    r"\b(CO|COMPANY|LTD|LIMITED|INC|INCORPORATED|CORP|CORPORATION|PLC|AG|CLASS|ADR)\b"
)
_PUNCTUATION = re.compile(r"[.,&'()/]+")
_SHARE_LETTER = re.compile(r"\s+(A|H|B)$")


def normal_name(name: str) -> str:
    """Return a name for comparing: plain characters, marks of status and share class taken off.

    Examples
    --------
    >>> normal_name("*ST 拓维"), normal_name("寒武纪-U"), normal_name("XD浪潮信"), normal_name("深桑达Ａ")
    ('拓维', '寒武纪', '浪潮信', '深桑达')
    >>> normal_name("騰訊控股") == normal_name("腾讯控股")
    True
    >>> normal_name("Lenovo Group Limited")
    'LENOVO GROUP'
    """
    text = plain(name)
    if text.isascii():
        words = _PUNCTUATION.sub(" ", _CLASS_EN.sub("", text))
        bare = " ".join(_LEGAL_EN.sub(" ", words).split())
        return _SHARE_LETTER.sub("", bare) or bare or " ".join(words.split()) or text
    text = "".join(text.split())
    bare = _DELISTING.sub("", _CLASS.sub("", _STATUS.sub("", text)))
    bare = _LEGAL_ZH.sub("", bare) or bare
    return _SHARE_LETTER_ZH.sub("", bare) or text


def plain(name: str) -> str:
    """Return a name in plain width, capitals and simplified characters.

    Examples
    --------
    >>> plain(" 商湯-w ")
    '商汤-W'
    """
    if name.isascii():
        return name.upper().strip()
    return simplified(unicodedata.normalize("NFKC", name).translate(_DASHES).upper().strip())


def shown(name: str) -> str:
    """Return a name for a message, cut where it is longer than names are.

    Examples
    --------
    >>> shown("联想集团"), len(shown("x" * 1000))
    ('联想集团', 80)
    """
    return name if len(name) <= LONGEST_SHOWN else f"{name[: LONGEST_SHOWN - 1]}…"


def name_parts(name: str) -> tuple[str, ...]:
    """Return the Chinese and the Latin part of a cell that holds a name in both, else nothing.

    Examples
    --------
    >>> name_parts("LENOVO GROUP 聯想集團"), name_parts("TCL科技")
    (('联想集团', 'LENOVO GROUP'), ())
    """
    if name.isascii():
        return ()
    text = plain(name)
    chinese = "".join(_HAN_RUN.findall(text))
    latin = " ".join(_HAN_RUN.sub(" ", text).split())
    is_apart = re.search(rf"\s{_HAN}|{_HAN}\s+[A-Z]", text) is not None
    return (chinese, latin) if chinese and latin and is_apart else ()


@dataclass(frozen=True, slots=True)
class NameUse:
    """How an issuer has a name on a day.

    Parameters
    ----------
    tense
        ``now``, ``former`` or ``later``: it comes into use only after the day.
    begins, ends
        The days of the name; None where not known.
    """

    tense: str = "now"
    begins: date | None = None
    ends: date | None = None

    @staticmethod
    def on(day: date, begins: date | None, ends: date | None, kind: str = "") -> NameUse:
        """Return the use of a name with these days; a ``former`` name without days is former on every day."""
        if begins is not None and day < begins:
            return NameUse("later", begins, ends)
        if ends is not None and ends <= day:
            return NameUse("former", begins, ends)
        if kind == "former" and begins is None and ends is None:
            return NameUse("former")
        return _NOW


_NOW = NameUse()
_RANK = {"now": 0, "former": 1, "later": 2}

# issuer, alias, kind, valid_from, valid_to
AliasRow = tuple[str, str, str, date | None, date | None]


@dataclass(frozen=True)
class Names:
    """Who is or was called what, seen from a day.

    Parameters
    ----------
    uses
        Normalised name → issuer → how the issuer has it.
    known_as
        Issuer → its normalised names up to the day.
    titles
        Issuer → the name to print: that of the day.
    normals
        Name as the master writes it → its normalised form; most names of a file are written so.
    """

    uses: Mapping[str, Mapping[str, NameUse]]
    known_as: Mapping[str, Sequence[str]]
    titles: Mapping[str, str]
    normals: Mapping[str, str]

    @staticmethod
    def of(
        issuers: Iterable[tuple[str, str, str]], aliases: Iterable[AliasRow], day: date
    ) -> Names:
        """Arrange names: ``issuers`` are id, Chinese and English name."""
        uses: dict[str, dict[str, NameUse]] = {}
        known_as: dict[str, dict[str, None]] = {}
        dated: set[tuple[str, str]] = set()
        normals: dict[str, str] = {}
        of_the_day: dict[str, str] = {}
        for issuer, alias, kind, begins, ends in aliases:
            normal = normals[alias] = normal_name(alias)
            use = NameUse.on(day, begins, ends, kind)
            if begins is not None or ends is not None:
                dated.add((issuer, normal))
                if use.tense == "now" and not alias.isascii():
                    of_the_day.setdefault(issuer, alias)
            owners = uses.setdefault(normal, {})
            if issuer not in owners or _RANK[use.tense] < _RANK[owners[issuer].tense]:
                owners[issuer] = use
            if use.tense != "later":  # a form of a name that nobody knows yet is no name
                known_as.setdefault(issuer, {})[normal] = None
        titles: dict[str, str] = {}
        for issuer, zh, en in issuers:
            mine = known_as.setdefault(issuer, {})
            for name in (zh, en):
                normal = normals[name] = normal_name(name)
                # an alias with days says since when the issuer has its present name
                if (issuer, normal) not in dated:
                    uses.setdefault(normal, {})[issuer] = _NOW
                    mine[normal] = None
            use = uses[normals[zh]][issuer] if dated else _NOW
            titles[issuer] = zh if use.tense == "now" else of_the_day.get(issuer, zh)
        return Names(
            uses=uses,
            known_as={issuer: tuple(found) for issuer, found in known_as.items()},
            titles=titles,
            normals=normals,
        )

    def normal(self, name: str) -> str:
        """Return the normalised form of a name."""
        return self.normals.get(name) or normal_name(name)

    def title(self, issuer: str) -> str:
        """Return the name to print for an issuer."""
        return shown(self.titles.get(issuer, issuer))

    def owners(self, normal: str) -> Mapping[str, NameUse]:
        """Return issuer → use of those who have the name in the nearest tense: now, else former, else later."""
        found = self.uses.get(normal, {})
        if len(found) < 2:
            return found
        best = min(_RANK[use.tense] for use in found.values())
        return {issuer: use for issuer, use in found.items() if _RANK[use.tense] == best}

    def can_compare(self, issuer: str, normal: str) -> bool:
        """Tell whether the issuer has any name in the script of this one."""
        is_latin = normal.isascii()
        return any(alias.isascii() == is_latin for alias in self.known_as.get(issuer, ()))

    def nearest(self, normal: str) -> str | None:
        """Return the issuer of whose Latin names this one is a form; None for a name in Chinese."""
        return self._latin.nearest(normal) if normal.isascii() else None

    def is_form_of(self, issuer: str, name: str, normal: str) -> bool:
        """Tell whether a name that nobody has is a form of one of this issuer's own."""
        return self._is_alike(issuer, normal) or self._is_cut(issuer, name, normal)

    def _is_cut(self, issuer: str, name: str, normal: str) -> bool:
        """Tell whether a name gave up its last characters to a mark: XD浪潮信 is 浪潮信息."""
        if len(normal) < 2 or not _CUTTING.match("".join(plain(name).split())):
            return False
        return any(
            alias.startswith(normal) and len(alias) - len(normal) <= LONGEST_CUT
            for alias in self.known_as.get(issuer, ())
        )

    def _is_alike(self, issuer: str, normal: str) -> bool:
        """Tell whether a Latin name is a form of this issuer's own, and of no other's more so."""
        if not normal.isascii():
            return False
        own = [alias for alias in self.known_as.get(issuer, ()) if alias.isascii()]
        if not any(is_alike(normal, alias) for alias in own):
            return False
        mine = sorted_words(normal)
        best = max(fuzz.ratio(mine, sorted_words(alias)) for alias in own)
        # "Inspur Software" contains "Inspur": another issuer that fits better has the name
        return not self._latin.fits_another_better(issuer, normal, best)

    @cached_property
    def _latin(self) -> LatinNames:
        """The Latin names by word; most files never need it."""
        return LatinNames.of(self.known_as)
