"""One row of a list in one shape, and the words in which official files say the same thing in fifty ways.

What is read is kept as printed; what is understood from it stands beside it. What can't be understood becomes an
issue, never a guess.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import dataframely as dy
import polars as pl

from exposure.errors import ListError, Place

T = TypeVar("T", bound=Hashable)
R = TypeVar("R")
FIRST_CITATION = 0
COMPANY_KINDS = ("entity", None)  # BIS files give no type


class ListRows(dy.Schema):
    """One row of a sanction list as published."""

    list_id = dy.String()  # EL, SDN, NS-CMIC, MEU, UVL, or the code of the file
    row_key = dy.String()  # OFAC:<number>, or <list>:<normalised name>:<first citation>
    name = dy.String()  # as printed
    kind = dy.String(nullable=True)  # entity, individual, vessel, aircraft
    aliases = dy.List(dy.String())
    weak_aliases = dy.List(dy.String())  # never raise a proposal alone
    countries = dy.List(dy.String())  # of the addresses, ISO codes where the file gives them
    citations = dy.List(dy.String())
    footnotes = dy.List(dy.String())
    requirement = dy.String(nullable=True)
    policy = dy.String(nullable=True)
    policy_class = dy.String(
        nullable=True, regex=r"^(denial|policy_of_denial|case_by_case|mixed|other)$"
    )
    programmes = dy.List(dy.String())
    listing_ids = dy.List(dy.String())  # tickers in Wind style
    isins = dy.List(dy.String())  # check digit verified
    identifiers = dy.List(dy.String())  # USCC and the like
    start = dy.Date(nullable=True)  # as stated by the list, never from a citation
    effective = dy.Date(nullable=True)
    divest_by = dy.Date(nullable=True)
    end = dy.Date(nullable=True)
    source_row = dy.Int64()


def list_row(**known: Any) -> dict[str, Any]:
    """Return a row of :class:`ListRows` with what is not given empty."""
    row: dict[str, Any] = {
        name: [] if isinstance(dtype, pl.List) else None for name, dtype in _schema().items()
    }
    return row | known


def rows_frame(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Return :class:`ListRows`, in the order of the file."""
    return columns_frame({name: [row[name] for row in rows] for name in _schema()})


def columns_frame(columns: Mapping[str, Sequence[Any]]) -> pl.DataFrame:
    """Return :class:`ListRows` from its columns; one that is not given is empty in every row.

    Raises
    ------
    ListError
        If a text holds half of a surrogate pair, which no encoding can write.
    """
    count = max((len(values) for values in columns.values()), default=0)
    try:
        frame = pl.DataFrame(
            [
                _list_column(name, columns.get(name, ()), count)
                if isinstance(dtype, pl.List)
                else pl.Series(name, columns.get(name, [None] * count), dtype=dtype)
                for name, dtype in _schema().items()
            ]
        )
    except UnicodeEncodeError as fault:
        raise ListError(
            "the file holds characters that can't be written",
            places=[Place("list file", f"{fault.reason}", value=ascii(fault.object)[:60])],
            cure="fetch the official file again",
        ) from fault
    return ListRows.validate(frame)


@cache
def _schema() -> dict[str, pl.DataType]:
    return {name: column.dtype for name, column in ListRows.columns().items()}


def _list_column(name: str, values: Sequence[Sequence[str]], count: int) -> pl.Series:
    """Return a column of lists; polars is ten times slower at making one from lists of lists."""
    flat = pl.DataFrame(
        {
            "at": pl.Series([at for at, row in enumerate(values) for _ in row], dtype=pl.UInt32),
            name: pl.Series([text for row in values for text in row], dtype=pl.String),
        }
    )
    grouped = flat.group_by("at", maintain_order=True).agg(name)
    every = pl.DataFrame({"at": pl.int_range(count, dtype=pl.UInt32, eager=True)})
    joined = every.join(grouped, on="at", how="left", maintain_order="left")
    return joined.select(pl.col(name).fill_null(pl.lit([], dtype=pl.List(pl.String))))[name]


def by_text(texts: Sequence[T], read: Callable[[T], R]) -> list[R]:
    """Read each distinct text once: 26,000 rows of a list have 90 licence requirements.

    Examples
    --------
    >>> by_text(["a", "b", "a"], str.upper)
    ['A', 'B', 'A']
    """
    known = {text: read(text) for text in dict.fromkeys(texts)}
    return [known[text] for text in texts]


# --- names and keys -----------------------------------------------------------------------------------------------


_NO_LETTER_OR_DIGIT = re.compile(r"[\W_]+")
_QUOTES = str.maketrans("’‘`“”", "'''\"\"")


def clean_name(text: str) -> str:
    r"""Return a name fit for comparing: one kind of apostrophe and blank, no trailing comma.

    Examples
    --------
    >>> clean_name("Suzhou Centec Technology Co., Ltd.,")
    'Suzhou Centec Technology Co., Ltd.'
    >>> clean_name("Cambricon (Xi’an)\u00a0 Integrated  Circuit")
    "Cambricon (Xi'an) Integrated Circuit"
    """
    straight = text if text.isascii() and "`" not in text else text.translate(_QUOTES)
    return " ".join(straight.split()).rstrip(",; ")


def name_key(text: str) -> str:
    """Return a name in lower case, apostrophes dropped, all else but letters and digits one blank.

    Examples
    --------
    >>> name_key("Cambricon (Xi'an) Integrated Circuit Co., Ltd.")
    'cambricon xian integrated circuit co ltd'
    """
    plain = clean_name(text).lower().replace("'", "")
    return " ".join(_NO_LETTER_OR_DIGIT.sub(" ", plain).split())


def row_key(list_id: str, name: str, citations: Sequence[str]) -> str:
    """Return the key of a row without a number of its own; it survives a new edition.

    Examples
    --------
    >>> row_key("EL", "Sugon", ["84 FR 29373", "87 FR 62202"])
    'EL:sugon:84 FR 29373'
    """
    first = citations[FIRST_CITATION] if citations else ""
    return f"{list_id}:{name_key(name)}:{first}"


def is_a_name(text: str) -> bool:
    """Say whether a name cell holds a name: the Entity List has rows called ``Address 01``.

    Examples
    --------
    >>> is_a_name("Address 01"), is_a_name("Sugon")
    (False, True)
    """
    key = name_key(text)
    return bool(key) and not re.fullmatch(r"address \d+", key)


def split_values(cell: str | None) -> list[str]:
    """Split a cell of joined values: ``"; "`` and sometimes ``"; and "``.

    Examples
    --------
    >>> split_values("HSRI; Hebei Semiconductor; and CETC Research Institute 13")
    ['HSRI', 'Hebei Semiconductor', 'CETC Research Institute 13']
    """
    if not cell:
        return []
    if ";" not in cell and not cell.lstrip().startswith("and"):
        name = clean_name(cell)
        return [name] if name else []
    parts = (clean_name(_AND.sub("", part.strip())) for part in cell.split(";"))
    return list(dict.fromkeys(part for part in parts if part))


_AND = re.compile(r"^and\s+")


# --- citations ----------------------------------------------------------------------------------------------------

_CITATION = re.compile(
    r"(?<!\d)(\d{2})\s*F\.?\s?R\.?\s*(?:no\.\s*\d+\s+)?(?:pg\.\s*)?(\d{3,6})(?!\d)", re.IGNORECASE
)
# what may stand beside a citation without meaning anything more: its date, the issue of the day, separators
_BESIDE = re.compile(
    r"\(?\b\d{1,2}/\d{1,2}/\d{2,4}\)?|\(?\bno\.\s*\d+\)?|\band\b|[;,.()\s]+", re.IGNORECASE
)


def parse_citations(text: str | None) -> tuple[list[str], str]:
    """Return the Federal Register citations of a cell and what is left of it.

    Examples
    --------
    >>> parse_citations("66 FR 24266; 77 FR 58006 (no. 182); 81 FR 64696 and 84 fr 40241")
    (['66 FR 24266', '77 FR 58006', '81 FR 64696', '84 FR 40241'], '')
    >>> parse_citations("63 FR 64322 (11/19/98), 80FR 69852;  85 FR")
    (['63 FR 64322', '80 FR 69852'], '85 FR')
    """
    cell = clean_name(text or "")
    found = [f"{volume} FR {page}" for volume, page in _CITATION.findall(cell)]
    left = _BESIDE.sub(" ", _CITATION.sub(" ", cell))
    return list(dict.fromkeys(found)), " ".join(left.split())


def fill_down_faults(citations: Iterable[Sequence[str]]) -> set[str]:
    """Return citations that a spreadsheet's fill-down made: one page in neighbouring volumes.

    The volume with most rows is taken for the real one (the first of equals, as fill-down counts upwards); what is
    next to it is no rule that anybody knows.

    Examples
    --------
    >>> sorted(fill_down_faults([["83 FR 37423"], ["83 FR 37423"], ["84 FR 37423"], ["85 FR 37423"], ["89 FR 96837"]]))
    ['84 FR 37423', '85 FR 37423']
    """
    pages: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for row in citations:
        for citation in row:
            volume, _, page = citation.split(" ")
            pages[page][int(volume)] += 1
    faults: set[str] = set()
    for page, volumes in pages.items():
        for chain in _chains(sorted(volumes)):
            real = min(chain, key=lambda volume: (-volumes[volume], volume))
            faults |= {f"{volume} FR {page}" for volume in chain if volume != real}
    return faults


def _chains(volumes: Sequence[int]) -> list[list[int]]:
    chains: list[list[int]] = []
    for volume in volumes:
        if chains and volume == chains[-1][-1] + 1:
            chains[-1].append(volume)
        else:
            chains.append([volume])
    return chains


# --- licence requirement and policy -------------------------------------------------------------------------------

_SECTIONS = (
    (re.compile(r"734\.9\(e\)\s*(?:\(1\)|1)"), "1"),
    (re.compile(r"734\.9\(e\)\s*\(2\)"), "4"),
    (re.compile(r"734\.9\(e\)\s*\(3\)|734\.4\(a\)\(9\)"), "5"),
    (re.compile(r"734\.9\(g\)"), "3"),
)
_BARE = re.compile(r"734\.9\(e\)(?!\s*\(?\d)")
# one digit right after the closing words, not the last digit of an order's number such as 13685
_MARK = re.compile(r"(?:\bEAR\s*\.?\)?|\bEAR)\s*([1-5])\s*\.?\)?\s*\.?\s*$")


def parse_footnotes(requirement: str | None) -> tuple[list[str], bool]:
    """Return the footnotes of a licence requirement and whether they are certain.

    The section decides: 734.9(e)(1) is footnote 1, (e)(2) footnote 4, (e)(3) or 734.4(a)(9) footnote 5, (g) footnote
    3. The mark at the end, which lost its superscript, adds what the section leaves open.

    Examples
    --------
    >>> parse_footnotes("For all items subject to the EAR. (See §§ 734.9(e) and 744.11 of the EAR) 4")
    (['4'], True)
    >>> parse_footnotes("For all items subject to the EAR, see §§ 734.9(e)1 and 744.11 of the EAR2")
    (['1', '2'], True)
    >>> parse_footnotes("For all items subject to the EAR. (See §734.9(e) and §744.11 of the EAR)")
    ([], False)
    >>> parse_footnotes("as that term is defined in section 8(d) of E.O. 13685.")
    ([], True)
    """
    text = clean_name(requirement or "")
    found = {number for pattern, number in _SECTIONS if pattern.search(text)}
    mark = _MARK.search(text)
    if mark:
        found.add(mark.group(1))
    return sorted(found), bool(found) or not _BARE.search(text)


def policy_class(policy: str | None) -> str | None:
    """Return the class of a licence review policy.

    Examples
    --------
    >>> policy_class("Presumption for denial."), policy_class("Policy of denial. See § 746.8(b)")
    ('denial', 'policy_of_denial')
    >>> policy_class("Policy of denial apart from food, reviewed on a case-by-case basis")
    'mixed'
    """
    if not policy:
        return None
    text = policy.lower()
    denial = re.search(r"presumption (?:of|for) denial", text) is not None
    strict = "policy of denial" in text
    other = (
        re.search(r"cas[ea][- ]by[- ]case", text) is not None or "presumption of approval" in text
    )
    if other:
        return "mixed" if denial or strict else "case_by_case"
    if strict:
        return "policy_of_denial"
    return "denial" if denial else "other"


# --- identifiers --------------------------------------------------------------------------------------------------

_TICKER = re.compile(r"^([0-9A-Z.]{1,6})\s*(CN|HK|US)$")


def listing_of_ticker(text: str) -> tuple[str | None, bool]:
    """Return the listing of a ticker as OFAC writes it, and whether it stood there in proper form.

    Examples
    --------
    >>> listing_of_ticker("002415 CN"), listing_of_ticker("603019CN"), listing_of_ticker("941 HK")
    (('002415.SZ', True), ('603019.SH', False), ('0941.HK', False))
    >>> listing_of_ticker("CYY DE")
    (None, True)
    """
    match = _TICKER.match(text.strip())
    if match is None:
        return None, True
    code, market = match.groups()
    proper = text == f"{code} {market}"
    if market == "US":
        return f"{code}.US", proper
    if not code.isdigit():
        return None, True
    if market == "HK":
        return f"{int(code):04d}.HK", proper and len(code) in {4, 5}
    if len(code) != 6:
        return None, True
    suffix = "SH" if code[0] in "69" else "BJ" if code[0] in "48" else "SZ"
    return f"{code}.{suffix}", proper
