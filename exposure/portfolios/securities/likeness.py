"""When two Latin names are one: terminals leave words out, cut a name off, or abbreviate its words.

Names are normalised (see :func:`exposure.portfolios.securities.names.normal_name`). Likeness confirms a
name beside a code; it never finds a company.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz

ALIKE = 88.0  # token-set likeness [0..100] from which two names are one: "Hygon Information"
LONGEST = 200
SHORTEST_CUT = 8  # letters that a name cut off by a column must have left
SHORTEST_WORD = 3  # letters of a first word that is abbreviated
COMMON_WORD = 64  # a word in more names than this (TECHNOLOGY) tells no company from another


def is_alike(name: str, other: str) -> bool:
    """Tell whether a name is a longer, shorter, cut or abbreviated form of another.

    Examples
    --------
    >>> is_alike("HYGON INFORMATION", "HYGON INFORMATION TECHNOLOGY")
    True
    >>> is_alike("INSPUR ELECTRONIC INFORMATI", "INSPUR ELECTRONIC INFORMATION INDUSTRY")
    True
    >>> is_alike("CHINA RES POWER", "CHINA RESOURCES POWER HOLDINGS")
    True
    >>> is_alike("CHINA RES POWER", "CHINA RESOURCES LAND")
    False
    """
    if len(name) > LONGEST:
        return False
    return (
        fuzz.token_set_ratio(name, other, score_cutoff=ALIKE) > 0
        or _is_cut_off(name, other)
        or _is_abbreviated(name, other)
    )


def _is_cut_off(name: str, other: str) -> bool:
    """Tell whether a name is the beginning of another, blanks aside."""
    squeezed = name.replace(" ", "")
    return len(squeezed) >= SHORTEST_CUT and other.replace(" ", "").startswith(squeezed)


def _is_abbreviated(name: str, other: str) -> bool:
    """Tell whether each word of a name shortens a word of another, in order from the first."""
    words, whole = name.split(), other.split()
    if len(words) < 2 or not whole:
        return False
    first = words[0]
    if first != whole[0] and not (len(first) >= SHORTEST_WORD and whole[0].startswith(first)):
        return False
    at = 1
    for word in words[1:]:
        while at < len(whole) and not _shortens(word, whole[at]):
            at += 1
        if at == len(whole):
            return False
        at += 1
    return True


def _shortens(word: str, whole: str) -> bool:
    """Tell whether a word is another one with letters left out: INTL, HLDGS, TECH."""
    if word == whole:
        return True
    if len(word) < 2 or word[0] != whole[0]:
        return False
    letters = iter(whole)
    return all(letter in letters for letter in word)


def sorted_words(name: str) -> str:
    """Return the words of a name in order, for comparing without regard to it."""
    return " ".join(sorted(name.split()))


@dataclass(frozen=True, slots=True)
class LatinNames:
    """The Latin names of all issuers, by word."""

    by_word: Mapping[str, Sequence[tuple[str, str, str]]]  # word → issuer, name, sorted words

    @staticmethod
    def of(known_as: Mapping[str, Sequence[str]]) -> LatinNames:
        """Arrange normalised names, given by issuer."""
        by_word: dict[str, list[tuple[str, str, str]]] = {}
        for issuer, names in known_as.items():
            for name in names:
                if name.isascii():
                    entry = (issuer, name, sorted_words(name))
                    for word in dict.fromkeys(name.split()):
                        by_word.setdefault(word, []).append(entry)
        return LatinNames(by_word)

    def fits_another_better(self, issuer: str, name: str, best: float) -> bool:
        """Tell whether a name is also a form of another issuer's, and nearer to that than ``best`` [0..100]."""
        mine = sorted_words(name)
        return any(
            owner != issuer
            and fuzz.ratio(mine, words, score_cutoff=best) > best
            and is_alike(name, other)
            for owner, other, words in self._sharing_words(name)
        )

    def nearest(self, name: str) -> str | None:
        """Return the issuer whose name is most like this one, or None if no name is a form of it."""
        mine = sorted_words(name)
        found = [
            (-fuzz.ratio(mine, words), owner)
            for owner, other, words in self._telling(name)
            if is_alike(name, other)
        ]
        return min(found)[1] if found else None

    def _telling(self, name: str) -> Iterable[tuple[str, str, str]]:
        """Return the names that share a word which few names have."""
        found = [self.by_word.get(word, ()) for word in set(name.split())]
        return [entry for entries in found if len(entries) <= COMMON_WORD for entry in entries]

    def _sharing_words(self, name: str) -> Iterable[tuple[str, str, str]]:
        """Return the names that share a telling word, or the least common one if none is."""
        telling = self._telling(name)
        if telling:
            return telling
        found = [self.by_word[word] for word in set(name.split()) if word in self.by_word]
        return min(found, key=len, default=())
