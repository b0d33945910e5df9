"""What a list status means for the holder of a share, from ``factors/lists/meanings.toml``.

A status says which row names whom; a meaning says what follows: may a US person hold the share, since when, up to
which day may it be sold, and what happens to the supply chain. Sentences are content, a screening aid, no legal advice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from exposure.content import ContentRoot, TomlFile

MEANINGS = "factors/lists/meanings.toml"
YES, SELL_ONLY, NO, UNKNOWN = "yes", "sell_only", "no", "unknown"
STRICTER = (YES, SELL_ONLY, UNKNOWN, NO)  # of several mechanisms the last counts
SELF, AFFILIATE = "self", "affiliate"
OWNERSHIP = "ownership_rule"
OWNERSHIP_WORDS = ("always", "windows", "never")


@dataclass(frozen=True, slots=True)
class ListName:
    """A list by its names, and what the sentences need of its rules."""

    list_id: str
    zh: str
    en: str
    ownership_rule: str
    sell_within_days: int | None = None


@dataclass(frozen=True, slots=True)
class Sentence:
    """What one mechanism of a list means, for a company that is named or for its relatives."""

    us_person: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a status means for a holder.

    Parameters
    ----------
    us_person
        May a US person hold the share: ``yes``, ``sell_only``, ``no`` or ``unknown``; None where the list says
        nothing of the issuer, which is no permission.
    sell_by
        The day before which sales have to be made, where the list gives one: on it they are forbidden (EO 14032,
        section 1(b): before 12:01 a.m.).
    zh, en
        The sentences; empty where the list says nothing of the issuer.
    """

    us_person: str | None
    sell_by: date | None
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Meanings:
    """All sentences, by list, mechanism and relation."""

    lists: Mapping[str, ListName]
    sentences: Mapping[tuple[str, str, str], Sentence]

    def of(
        self,
        status: Mapping[str, Any],
        links: Sequence[Mapping[str, Any]],
        as_of: date,
        *,
        caught: bool = False,
    ) -> Meaning:
        """Return what a status means.

        Parameters
        ----------
        status
            A row of :class:`~exposure.schemas.ListStatus`.
        links
            The rows of :class:`~exposure.schemas.ListLinks` that it rests on (``link_ids``).
        caught
            An ownership rule catches the issuer, whatever else its relatives are.
        """
        if status["status"] == "unresolved":
            return self.unresolved(status["list_id"])
        if status["status"] == "not_on_list":
            return Meaning(None, None, "", "")
        list_id = status["list_id"]
        side = SELF if status["status"] == "listed" else AFFILIATE
        lead = [link for link in links if link["relation"] == status["relation"]]
        sell_by = self._sell_by(list_id, lead) if side == SELF else None
        known = [
            (sentence, link)
            for link in _first_of_each_mechanism(lead)
            if (sentence := self.sentences.get((list_id, link["mechanism"], side))) is not None
        ]
        if list_id == "NS-CMIC" and any(link["mechanism"] == "investment_ban" for _, link in known):
            known = [item for item in known if item[1]["mechanism"] != "listing"]  # superseded
        rule = self.sentences.get((list_id, OWNERSHIP, side))
        if caught and rule is not None:
            known = [(rule, {})]
        held = [sentence.us_person for sentence, _ in known]
        us_person = max(held, key=STRICTER.index, default=YES)
        if us_person == SELL_ONLY and sell_by is not None and as_of >= sell_by:
            us_person = NO
        zh = dict.fromkeys(_filled(s.zh, link, status, sell_by) for s, link in known)
        en = dict.fromkeys(_filled(s.en, link, status, sell_by) for s, link in known)
        return Meaning(us_person, sell_by, "".join(zh), " ".join(en))

    def unresolved(self, list_id: str) -> Meaning:
        """Return what it means that nobody can say: nothing for a holder, where the list bans no holding at all."""
        held = {s.us_person for (name, _, _), s in self.sentences.items() if name == list_id}
        return Meaning(YES if held == {YES} else UNKNOWN, None, "", "")

    def _sell_by(self, list_id: str, links: Iterable[Mapping[str, Any]]) -> date | None:
        name = self.lists.get(list_id)
        days = None if name is None else name.sell_within_days
        named = [link["valid_from"] for link in links if link["mechanism"] == "listing"]
        return None if days is None or not named else min(named) + timedelta(days=days)


def _first_of_each_mechanism(links: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    firsts: dict[str, Mapping[str, Any]] = {}
    for link in sorted(links, key=lambda link: (link["valid_from"], link["link_id"])):
        firsts.setdefault(link["mechanism"], link)
    return list(firsts.values())


def _filled(
    text: str, link: Mapping[str, Any], status: Mapping[str, Any], sell_by: date | None
) -> str:
    row = str(link.get("row_name") or status["row_name"] or "").split(";")[0]
    since = link.get("valid_from")
    return text.format(
        since="" if since is None else since.isoformat(),
        sell_by="" if sell_by is None else sell_by.isoformat(),
        row=row,
    )


def load_meanings(root: ContentRoot) -> Meanings:
    """Read ``factors/lists/meanings.toml``.

    Raises
    ------
    ContentError
        With file and key: an unknown key or word, a sentence twice, a blank that no fact fills.
    """
    file = root.read_toml(MEANINGS)
    file.check_keys(file.data, {"lists", "meaning"})
    lists = {
        list_id: _list_name(file, list_id, table) for list_id, table in file.data["lists"].items()
    }
    sentences: dict[tuple[str, str, str], Sentence] = {}
    for number, entry in enumerate(file.data["meaning"], start=1):
        key, sentence = _sentence(file, number, entry, lists)
        if key in sentences:
            raise file.error(
                f"{' '.join(key)} has two sentences", _where(number), why="stands twice"
            )
        sentences[key] = sentence
    return Meanings(lists, sentences)


def _list_name(file: TomlFile, list_id: str, table: dict[str, Any]) -> ListName:
    where = f"lists.{list_id}"
    file.check_keys(table, {"zh", "en", "ownership_rule", "sell_within_days"}, where)
    rule = file.need(table, "ownership_rule", where)
    if rule not in OWNERSHIP_WORDS:
        why = f"must be one of {', '.join(OWNERSHIP_WORDS)}"
        raise file.error(f"{where} has the ownership rule {rule!r}", where, why=why)
    return ListName(
        list_id,
        file.need(table, "zh", where),
        file.need(table, "en", where),
        rule,
        table.get("sell_within_days"),
    )


def _sentence(
    file: TomlFile, number: int, entry: dict[str, Any], lists: Mapping[str, ListName]
) -> tuple[tuple[str, str, str], Sentence]:
    where = _where(number)
    keys = ("list", "mechanism", "relation", "us_person", "zh", "en")
    file.check_keys(entry, set(keys), where)
    list_id, mechanism, relation, us_person, zh, en = (file.need(entry, k, where) for k in keys)
    if list_id not in lists:
        raise file.error(f"{where} names the list {list_id!r}", where, why="has no [lists] table")
    if relation not in (SELF, AFFILIATE):
        why = f"must be {SELF} or {AFFILIATE}"
        raise file.error(f"{where} has the relation {relation!r}", where, why=why)
    if us_person not in STRICTER:
        why = f"must be one of {', '.join(STRICTER)}"
        raise file.error(f"{where} has us_person {us_person!r}", where, why=why)
    for text in (zh, en):
        try:
            text.format(since="", sell_by="", row="")
        except (KeyError, IndexError, ValueError):
            why = "may have the blanks {since}, {sell_by} and {row} only"
            raise file.error(f"{where} has a blank that no fact fills", where, why=why) from None
    return (list_id, mechanism, relation), Sentence(us_person, zh, en)


def _where(number: int) -> str:
    return f"meaning[{number}]"
