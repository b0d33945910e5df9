"""Proposals: which row of a list may mean which issuer, for a reviewer to accept or reject.

Nothing downstream reads a proposal. Methods in order: identifier (ticker) → exact name → name without legal forms →
same tokens in another order, with a letter or two different (token_sort) → the same telling words, whatever place,
trade or legal form stands beside them (telling_words: this one finds units of a group too) → the one telling word of an
issuer among those of a row (brand: units with a trade of their own). A pair gets the first method that hits.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dataframely as dy
import polars as pl
from rapidfuzz import fuzz, process

from exposure.lists.rows import COMPANY_KINDS, clean_name, name_key
from exposure.portfolios.securities import SecurityMaster

BRAND = "brand"
METHODS = ("identifier", "exact", "legal_forms_stripped", "token_sort", "telling_words", BRAND)
LIKENESS = 90.0  # token_sort from which a pair is proposed: 18 of 22 positives, 1 false, on the labelled names
REST_LIKENESS = (
    75.0  # of what two names don't share: "Lam" and "ACM" beside Research are two companies
)
SHORT_CHINESE = 2  # characters; three already name one company
SHORTEST_BRAND = 5  # letters of a word that names one group: shorter ones stand in other names too
SHORT_ALIAS = 4  # characters; such an alias needs the country and a second hit
LEGAL_FORMS = frozenset(
    {"co", "ltd", "limited", "inc", "incorporated", "corp", "corporation", "company", "llc", "plc"}
    | {"group", "holdings", "holding", "gmbh", "pte", "pty", "sa", "ag", "jsc", "ojsc"}
)
CHINESE_LEGAL_FORMS = re.compile(r"(股份有限公司|有限责任公司|有限公司|[（(]集团[)）]|集团|控股)")
_BRACKET = re.compile(r"\s*\([^()]*\)\s*$")  # "Huawei Technologies Co., Ltd. (Huawei)"
# first words that half of the list shares: they prove nothing
STOP_WORDS = frozenset(
    {"china", "chinese", "beijing", "shanghai", "shenzhen", "guangzhou", "nanjing", "hangzhou"}
    | {"chengdu", "wuhan", "tianjin", "suzhou", "xian", "hong", "kong", "hk", "zhejiang", "jiangsu"}
    | {
        "wuxi",
        "hefei",
        "xiamen",
        "zhuhai",
        "qingdao",
        "ningbo",
        "shenyang",
        "dalian",
        "jinan",
        "changsha",
    }
    | {"zhengzhou", "chongqing", "fuzhou", "dongguan", "foshan", "kunshan", "nantong", "changzhou"}
    | {
        "nanchang",
        "harbin",
        "changchun",
        "kunming",
        "guiyang",
        "taiyuan",
        "shijiazhuang",
        "jiaxing",
    }
    | {
        "guangdong",
        "fujian",
        "anhui",
        "hunan",
        "hubei",
        "sichuan",
        "shandong",
        "shaanxi",
        "liaoning",
    }
    | {"haining", "qianhai", "taiwan", "korea", "usa", "europe", "asia", "global"}
    | {"national", "advanced", "digital", "new", "international", "technology", "technologies"}
    | {
        "science",
        "scientific",
        "electronic",
        "electronics",
        "information",
        "industry",
        "industrial",
    }
    | {"systems", "equipment", "semiconductor", "semiconductors", "manufactory", "manufacturing"}
    | {"micro"}
    | {"the", "of", "and"}
)
# words of many companies that name none of them when they stand alone
NO_BRANDS = frozenset(
    {
        "united",
        "general",
        "first",
        "great",
        "golden",
        "oriental",
        "eastern",
        "western",
        "northern",
        "southern",
    }
    | {
        "super",
        "power",
        "energi",
        "software",
        "mobile",
        "telecom",
        "marine",
        "communication",
        "communications",
    }
    | {
        "network",
        "networks",
        "aerospace",
        "aviation",
        "shipping",
        "trading",
        "devices",
        "silicon",
        "intelligent",
    }
)
GREATER_CHINA = frozenset({"CN", "HK", "MO", "TW"})


class Proposals(dy.Schema):
    """A pair of issuer and list row that somebody should look at."""

    issuer_id = dy.String(primary_key=True)
    list_id = dy.String(primary_key=True)
    row_key = dy.String(primary_key=True)
    row_name = dy.String()
    method = dy.String(
        regex=r"^(identifier|exact|legal_forms_stripped|token_sort|telling_words|brand)$"
    )
    score = dy.Float64(min=0, max=100)
    reason = dy.String()
    countries = dy.List(dy.String())
    rivals = dy.List(dy.String())  # other issuers proposed for the same row
    fresh = dy.Bool()  # the row is new or changed in this edition


@dataclass(frozen=True, slots=True)
class _Hit:
    method: str
    score: float
    reason: str
    short: bool
    ours: str  # the names that met, without legal forms
    theirs: str

    @property
    def rank(self) -> tuple[int, float]:
        return (METHODS.index(self.method), -self.score)


def propose(
    master: SecurityMaster,
    rows: pl.DataFrame,
    reviewed: pl.DataFrame | None = None,
    *,
    fresh: Collection[str] = (),
) -> pl.DataFrame:
    """Propose pairs of issuer and list row.

    Parameters
    ----------
    master
        Issuers with their listings and names.
    rows
        :class:`~exposure.lists.rows.ListRows` of an edition. Companies only; weak aliases are not used.
    reviewed
        :class:`~exposure.schemas.ListLinks`: pairs decided before, accepted or rejected, are not proposed again.
    fresh
        Row keys that are new or changed against the edition before; they come first.

    Returns
    -------
    polars.DataFrame
        :class:`Proposals`.
    """
    index = _Index.of(rows)
    decided = (
        set()
        if reviewed is None
        else set(reviewed.select("issuer_id", "list_id", "row_key").iter_rows())
    )
    listed = set() if reviewed is None else _listed(reviewed)
    countries = dict(master.issuers.select("issuer_id", "country").iter_rows())
    hits: dict[tuple[str, int], list[_Hit]] = defaultdict(list)
    for issuer, at, hit in index.hits(master):
        hits[issuer, at].append(hit)
    best: dict[tuple[str, str, str], dict[str, Any]] = {}
    for (issuer, at), found in hits.items():
        row = index.rows[at]
        key = (issuer, row["list_id"], row["row_key"])
        if key in decided or not _enough(found, countries[issuer], row["countries"]):
            continue
        hit = min(found, key=lambda one: one.rank)
        if hit.method == BRAND and (issuer, row["list_id"]) in listed:
            continue  # its units change nothing of what the list says of it
        known = best.get(key)
        if known is not None and known["rank"] <= hit.rank:
            continue
        best[key] = {
            "issuer_id": issuer,
            "list_id": row["list_id"],
            "row_key": row["row_key"],
            "row_name": row["name"],
            "method": hit.method,
            "score": hit.score,
            "reason": hit.reason,
            "countries": row["countries"],
            "fresh": row["row_key"] in fresh,
            "rank": hit.rank,
        }
    return _arranged(list(best.values()))


def _listed(reviewed: pl.DataFrame) -> set[tuple[str, str]]:
    """Return issuer and list of those that are on it themselves."""
    own = reviewed.filter(
        (pl.col("decision") == "accepted")
        & (pl.col("relation") == "self")
        & pl.col("valid_to").is_null()
    )
    return set(own.select("issuer_id", "list_id").iter_rows())


def _enough(found: list[_Hit], country: str, countries: list[str]) -> bool:
    """Say whether hits suffice: a short alias alone does not; it needs the country and a second name that meets one.

    A brand needs the country: a unit abroad bears the whole name or is found by reading.

    One name that meets by two methods is one hit.
    """
    at_home = country in countries or (
        country in GREATER_CHINA and bool(GREATER_CHINA.intersection(countries))
    )
    if any(not hit.short and (at_home or hit.method != BRAND) for hit in found):
        return True
    several = len({hit.ours for hit in found}) > 1 or len({hit.theirs for hit in found}) > 1
    return at_home and several


def _arranged(rows: list[dict[str, Any]]) -> pl.DataFrame:
    by_row: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        by_row[row["list_id"], row["row_key"]].add(row["issuer_id"])
    for row in rows:
        others = by_row[row["list_id"], row["row_key"]] - {row["issuer_id"]}
        row["rivals"] = sorted(others)
    rows.sort(
        key=lambda r: (not r["fresh"], *r["rank"], r["issuer_id"], r["list_id"], r["row_key"])
    )
    schema = {name: column.dtype for name, column in Proposals.columns().items()}
    table = [{name: row[name] for name in schema} for row in rows]
    return Proposals.validate(pl.DataFrame(table, schema=schema))


@dataclass(frozen=True, slots=True)
class _Index:
    """The companies of an edition by identifier and by name."""

    rows: list[dict[str, Any]]
    by_listing: Mapping[str, list[int]]
    by_name: Mapping[str, list[tuple[int, str]]]  # name key → rows and the name as printed
    by_core: Mapping[str, list[tuple[int, str]]]  # without legal forms
    by_telling: Mapping[str, list[tuple[int, str]]]  # telling words only, written together
    by_word: Mapping[str, list[str]]  # a word → the cores that have it
    by_brand: Mapping[
        str, list[tuple[int, str]]
    ]  # first telling word → rows and the name as printed

    @staticmethod
    def of(rows: pl.DataFrame) -> _Index:
        kinds = [kind for kind in COMPANY_KINDS if kind is not None]
        companies = rows.filter(pl.col("kind").is_null() | pl.col("kind").is_in(kinds))
        by_listing: defaultdict[str, list[int]] = defaultdict(list)
        by_name: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        by_core: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        by_telling: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        table = companies.select(
            "list_id", "row_key", "name", "aliases", "countries", "listing_ids"
        ).to_dicts()
        for at, row in enumerate(table):
            for listing in row["listing_ids"]:
                by_listing[listing].append(at)
            for name in dict.fromkeys([row["name"], *row["aliases"]]):
                forms = _Forms.of(name)
                if forms.key:
                    by_name[forms.key].append((at, name))
                for core in forms.cores:
                    by_core[core].append((at, name))
                if forms.telling:
                    by_telling[forms.telling].append((at, name))
        by_brand: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        for at, row in enumerate(table):
            for name in dict.fromkeys([row["name"], *row["aliases"]]):
                first = next(iter(_telling_list(_Forms.of(name).core)), "")
                if len(first) >= SHORTEST_BRAND:
                    by_brand[first].append((at, name))
        by_word: defaultdict[str, list[str]] = defaultdict(list)
        for core in sorted(by_core):
            for word in set(core.split()):
                by_word[word].append(core)
        return _Index(table, by_listing, by_name, by_core, by_telling, by_word, by_brand)

    def hits(self, master: SecurityMaster) -> Iterator[tuple[str, int, _Hit]]:
        """Yield issuer, row and hit."""
        for listing, issuer in master.listings.select("listing_id", "issuer_id").iter_rows():
            for at in self.by_listing.get(listing, []):
                yield (
                    issuer,
                    at,
                    _Hit("identifier", 100.0, f"ticker {listing}", False, listing, listing),
                )
        for issuer, name in _names(master):
            forms = _Forms.of(name)
            yield from ((issuer, at, hit) for at, hit in self._by_name(name, forms))
            yield from ((issuer, at, hit) for at, hit in self._by_telling_words(name, forms))
            yield from ((issuer, at, hit) for at, hit in self._by_brand(name, forms))

    def _by_name(self, name: str, forms: _Forms) -> Iterator[tuple[int, _Hit]]:
        core = forms.core
        short = _is_short(forms.key)
        for at, printed in self.by_name.get(forms.key, []):
            yield at, _hit("exact", 100.0, "=", name, printed, short)
        if not core:
            return
        for at, printed in self.by_core.get(core, []):
            yield (
                at,
                _hit("legal_forms_stripped", 100.0, "=", name, printed, _is_short(core)),
            )
        if len(core) <= SHORT_ALIAS or not core.isascii():
            return  # one letter more or less in a short name, or one Chinese character, is another name
        for found, score, _ in process.extract(
            core,
            self._sharing(core),
            scorer=fuzz.token_sort_ratio,
            score_cutoff=LIKENESS,
            limit=None,
        ):
            if found == core or not _rests_agree(core, found):
                continue
            for at, printed in self.by_core[found]:
                yield at, _hit("token_sort", float(score), "~", name, printed, False)

    def _sharing(self, core: str) -> list[str]:
        """Return the cores that share a telling word: the others needn't be compared letter by letter."""
        words = dict.fromkeys(word for word in core.split() if word not in STOP_WORDS)
        return list(dict.fromkeys(found for word in words for found in self.by_word.get(word, [])))

    def _by_telling_words(self, name: str, forms: _Forms) -> Iterator[tuple[int, _Hit]]:
        telling = forms.telling
        for at, printed in self.by_telling.get(telling, []) if telling else []:
            likeness = float(fuzz.token_set_ratio(forms.key, name_key(printed)))
            short = _is_short(telling)
            yield at, _hit("telling_words", likeness, "~", name, printed, short)

    def _by_brand(self, name: str, forms: _Forms) -> Iterator[tuple[int, _Hit]]:
        words = _telling_list(forms.core)
        if len(words) != 1 or len(words[0]) < SHORTEST_BRAND or not words[0].isascii():
            return  # two words name a company together, each alone may stand in any other
        if words[0] in NO_BRANDS or forms.core.split()[0] in STOP_WORDS:
            return  # "China Mobile": the word behind the place is a trade, no brand
        for at, printed in self.by_brand.get(words[0], []):
            likeness = float(fuzz.token_set_ratio(forms.key, name_key(printed)))
            yield at, _hit(BRAND, likeness, "~", name, printed, False)


@dataclass(frozen=True, slots=True)
class _Forms:
    """What a name is compared by, worked out once."""

    key: str
    core: str
    cores: tuple[str, ...]  # with and without what stands in brackets at the end
    telling: str

    @staticmethod
    def of(name: str) -> _Forms:
        key = name_key(name)
        core = core_name(name) if _has_chinese_form(name) else _without_legal_forms(key)
        cores = {core}
        if name.rstrip().endswith(")"):
            cores.add(core_name(_BRACKET.sub("", name)))
        return _Forms(key, core, tuple(sorted(cores - {""})), _telling(core))


def _is_short(key: str) -> bool:
    return len(key) <= (SHORT_ALIAS if key.isascii() else SHORT_CHINESE)


def _hit(method: str, score: float, sign: str, ours: str, theirs: str, short: bool) -> _Hit:
    reason = f"{clean_name(ours)} {sign} {clean_name(theirs)} ({method.replace('_', ' ')})"
    return _Hit(method, score, reason, short, core_name(ours), core_name(theirs))


def _names(master: SecurityMaster) -> list[tuple[str, str]]:
    """Return issuer and name, for every name an issuer is or was known by."""
    pairs: list[tuple[str, str]] = []
    for issuer, zh, en in master.issuers.select("issuer_id", "name_zh", "name_en").iter_rows():
        pairs += [(issuer, zh), (issuer, en)]
    pairs += list(master.aliases.select("issuer_id", "alias").iter_rows())
    return list(dict.fromkeys(pair for pair in pairs if pair[1]))


def core_name(name: str) -> str:
    """Return a name's key without its legal forms; ``technology`` and 科技 are no legal forms.

    Examples
    --------
    >>> core_name("Inspur Group Co., Ltd."), core_name("浪潮集团有限公司")
    ('inspur', '浪潮')
    >>> core_name("Co Ltd Technology Holdings (HK) Limited")
    'technology holdings hk'
    """
    return _without_legal_forms(name_key(CHINESE_LEGAL_FORMS.sub("", name)))


def _has_chinese_form(name: str) -> bool:
    return not name.isascii() and CHINESE_LEGAL_FORMS.search(name) is not None


def _without_legal_forms(key: str) -> str:
    words = key.split()
    # anchored: a legal form stands at the end, or before a place in brackets that was one already
    while words and words[-1] in LEGAL_FORMS:
        words.pop()
    while words and words[0] in {"co", "ltd"}:
        words.pop(0)
    return " ".join(words)


def telling_words(name: str) -> str:
    """Return the words of a name that tell one company from another, written together.

    Examples
    --------
    >>> telling_words("Hwa Tsing (Beijing) Technology Co., Ltd."), telling_words("Hwatsing")
    ('hwatsing', 'hwatsing')
    >>> telling_words("Hygon Information Technology Co., Ltd."), telling_words("Higon")
    ('higon', 'higon')
    >>> telling_words("Digital China")
    ''
    """
    return _telling(core_name(name))


def _telling(core: str) -> str:
    return "".join(_telling_list(core))


def _telling_list(core: str) -> list[str]:
    words = [word for word in core.split() if word not in STOP_WORDS and word not in LEGAL_FORMS]
    return [
        word.replace("y", "i") for word in words
    ]  # two spellings of one Chinese sound: Hygon, Higon


def _rests_agree(one: str, other: str) -> bool:
    """Say whether what two names don't share may be one word spelt twice; one name may say more than the other."""
    ours, theirs = one.split(), other.split()
    shared = set(ours) & set(theirs)
    rest = [
        " ".join(word for word in words if word not in shared and word not in STOP_WORDS)
        for words in (ours, theirs)
    ]
    return not all(rest) or fuzz.ratio(*rest) >= REST_LIKENESS
