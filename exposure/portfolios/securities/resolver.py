"""How a code, a name and a market in a row become one listing, or a reason why not.

A code without its market, name or suffix is not an identifier. ``977``, ``000977``, ``SZ000977``,
``000977 C2`` and ``000977.XSHE`` are all one listing; ``977`` alone may be a share in Shenzhen or
in Hong Kong, ``000300`` alone is an index, and 0020.HK is another company on another day.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from exposure.portfolios.cells import squeeze
from exposure.portfolios.dictionary import Dictionary
from exposure.portfolios.securities import codes
from exposure.portfolios.securities.answers import (
    Remark,
    Resolution,
    add_listing,
    article,
    no_code,
    no_share,
    not_of,
    refused,
)
from exposure.portfolios.securities.codes import MAINLAND, Code, venue_name
from exposure.portfolios.securities.lines import Line, lines_on
from exposure.portfolios.securities.master import REFERENCE, SecurityMaster
from exposure.portfolios.securities.names import Names, NameUse, name_parts, shown

OLD_ROW_DAYS = 366  # from this age on, a Hong Kong code of a dated master needs a name beside it


@dataclass(frozen=True, slots=True)
class Resolver:
    """The master as of a day, arranged for looking up codes and names."""

    as_of: date
    lines: Mapping[str, tuple[Line, ...]]  # listing id → all who have, had or will have it
    by_issuer: Mapping[str, tuple[str, ...]]  # lines of the day
    by_identifier: Mapping[str, tuple[Line, ...]]  # ISIN, SEDOL, FIGI → lines
    by_lei: Mapping[str, str]
    names: Names
    dictionary: Dictionary

    @staticmethod
    def of(master: SecurityMaster, dictionary: Dictionary, as_of: date) -> Resolver:
        """Arrange a master for look-ups as of a day."""
        lines: dict[str, tuple[Line, ...]] = {}
        by_issuer: dict[str, list[str]] = {}
        by_identifier: dict[str, tuple[Line, ...]] = {}
        for line, identifiers in lines_on(master, as_of):
            lines[line.listing_id] = (*lines.get(line.listing_id, ()), line)
            if line.state == "alive":
                by_issuer.setdefault(line.issuer_id, []).append(line.listing_id)
            for identifier in identifiers:
                if identifier is not None:
                    by_identifier[identifier] = (*by_identifier.get(identifier, ()), line)
        issuers = master.issuers.select("issuer_id", "name_zh", "name_en", "lei").rows()
        return Resolver(
            as_of=as_of,
            lines=lines,
            by_issuer={key: tuple(sorted(ids)) for key, ids in by_issuer.items()},
            by_identifier=by_identifier,
            by_lei={lei: issuer for issuer, _, _, lei in issuers if lei is not None},
            names=Names.of(
                ((issuer, zh, en) for issuer, zh, en, _ in issuers),
                master.aliases.select(
                    "issuer_id", "alias", "kind", "valid_from", "valid_to"
                ).iter_rows(),
                as_of,
            ),
            dictionary=dictionary,
        )

    def board(self, listing_id: str) -> str:
        """Return the board of a known listing."""
        return self._line(listing_id).board

    def currency(self, listing_id: str) -> str:
        """Return the trading currency of a known listing."""
        return self._line(listing_id).currency

    def _line(self, listing_id: str) -> Line:
        held = self.lines[listing_id]
        return next((line for line in held if line.state == "alive"), held[0])

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
                return refused("no_identity", "row has no code and no name", "fill in the code")
            return self._by_name(name, venue)
        folded = codes.fold(code)
        strange = codes.strange_character(folded)
        if strange:
            return refused("code_characters", strange, "type the code again by hand")
        remarks: list[Remark] = []
        if not code.isascii() and folded != code.strip() and folded.isascii():
            message = f"full-width characters read as {folded}"
            remarks.append(Remark("width_normalised", "info", message))
        form = codes.read_code(folded)
        if form is None:
            return no_code(folded)
        if form.kind != "ticker":
            return self._by_identifier(form, name, venue, remarks)
        said = form.venue
        if said and venue and said != venue and not (said == "CH" and venue in MAINLAND):
            return refused(
                "market_contradicts_code",
                f"code says {venue_name(said)}, the market column says {venue_name(venue)}",
                "correct the code or the market",
                field="market",
            )
        stated = said if said and said != "CH" else venue or said
        return self._by_ticker(form.text, stated, name, remarks)

    # -- identifiers

    def _by_identifier(
        self, code: Code, name: str | None, venue: str | None, remarks: list[Remark]
    ) -> Resolution:
        what = code.kind.upper()
        digits = codes.right_digits(code.kind, code.text)
        if not code.text.endswith(digits):
            word = "digits" if len(digits) > 1 else "digit"
            verb = "they" if len(digits) > 1 else "it"
            why = f"is {article(what)} with wrong check {word} ({verb} must be {digits})"
            if len(digits) == 1:
                why = f"is {article(what)} with a wrong check digit (it must be {digits})"
            return refused(f"{code.kind}_check_digit", why, f"correct the {what}")
        if code.kind == "lei":
            return self._by_lei(code.text, name, venue, remarks)
        held = self.by_identifier.get(code.text, ())
        if not held:
            why = f"is {article(what)} that the security master does not hold"
            return refused("code_unknown", why, "write the code, such as 000977.SZ")
        return self._one_of(held, what, name, venue, remarks)

    def _by_lei(
        self, lei: str, name: str | None, venue: str | None, remarks: list[Remark]
    ) -> Resolution:
        issuer = self.by_lei.get(lei)
        if issuer is None:
            why = "is an LEI that the security master does not hold"
            return refused("code_unknown", why, "write the code, such as 000977.SZ")
        held = [
            line
            for listing_id in self.by_issuer.get(issuer, ())
            for line in self.lines[listing_id]
            if line.issuer_id == issuer and line.state == "alive"
        ]
        if not held:
            why = f"is the LEI of {self.names.title(issuer)}, which has no listing"
            return refused("no_listing", why, "remove the row, or name a listed owner")
        return self._one_of(held, "LEI", name, venue, remarks)

    def _one_of(
        self,
        held: Sequence[Line],
        what: str,
        name: str | None,
        venue: str | None,
        remarks: list[Remark],
    ) -> Resolution:
        """Choose the line an identifier means; the market may say which."""
        fitting = [line for line in held if venue is None or line.listing_id.endswith(f".{venue}")]
        ids = sorted({line.listing_id for line in fitting})
        if not fitting:
            there = ", ".join(sorted({line.listing_id for line in held}))
            why = f"is the {what} of {there}, the market column says {venue_name(venue or '')}"
            cure = "correct the code or the market"
            return refused("market_contradicts_code", why, cure, field="market")
        if len(ids) > 1:
            why = f"is the {what} of several lines: {', '.join(ids)}"
            return refused("code_ambiguous", why, "write the code of the line")
        return self._checked(ids[0], name, remarks, holders=fitting)

    # -- tickers

    def _by_ticker(
        self, ticker: str, venue: str | None, name: str | None, remarks: list[Remark]
    ) -> Resolution:
        if not ticker.isdigit():
            return self._checked(f"{ticker}.{venue or 'US'}", name, remarks)
        if venue == "HK":
            if len(ticker) > codes.LONGEST_HONG_KONG:
                why = f"{ticker} has six digits and a code of Hong Kong at most five"
                home = codes.home_of(ticker)
                cure = f"write {ticker}.{home}" if home else "correct the code or the market"
                return refused("market_contradicts_code", why, cure)
            return self._checked(codes.hong_kong(ticker), name, remarks)
        if venue is not None and venue not in (*MAINLAND, "CH"):
            return self._checked(f"{ticker}.{venue}", name, remarks)
        padded = ticker.zfill(6)
        if venue in MAINLAND and f"{padded}.{venue}" not in self.lines:
            wrong = not_of(padded, venue)
            if wrong is not None:
                return wrong
        if venue is None and len(ticker) < 6:
            return self._short_code(ticker, padded, name, remarks)
        return self._mainland(ticker, padded, venue, name, remarks)

    def _mainland(
        self,
        ticker: str,
        padded: str,
        venue: str | None,
        name: str | None,
        remarks: list[Remark],
    ) -> Resolution:
        options = [venue] if venue in MAINLAND else self._exchanges(padded)
        if not options:
            kinds = sorted({kind for v in MAINLAND if (kind := codes.kind_of(padded, v))})
            if kinds:
                return no_share(padded, " or a ".join(kinds))
            why = f"{padded} has no prefix of an A share (60, 68, 00, 30, 4, 8, 92)"
            return refused("code_unknown", why, "remove the row, or correct the code")
        if len(options) > 1:
            return self._between([f"{padded}.{option}" for option in options], name, remarks)
        listing_id = f"{padded}.{options[0]}"
        if venue is None and name is None and padded in self.dictionary.index_homonyms:
            held = self.lines.get(listing_id)
            share = f" ({self.names.title(held[0].issuer_id)})" if held else ""
            why = (
                f"may be the share {listing_id}{share} or an index of Shanghai with the same code; "
                "the market or the name must say which is meant"
            )
            return refused("code_ambiguous", why, f"write {listing_id}, or add the name")
        if len(ticker) < 6:
            message = f"{ticker} read as {listing_id}: zeros restored, the market agrees"
            remarks.append(Remark("zeros_restored", "info", message))
        return self._checked(listing_id, name, remarks)

    def _exchanges(self, padded: str) -> list[str]:
        """Return the mainland exchanges a six-digit code can be of: those of the master, else its range."""
        known = [venue for venue in MAINLAND if f"{padded}.{venue}" in self.lines]
        home = codes.home_of(padded)
        return known or ([home] if home else [])

    def _short_code(
        self, ticker: str, padded: str, name: str | None, remarks: list[Remark]
    ) -> Resolution:
        """Resolve a code that lost its zeros: only the name can say which market it is of."""
        mainland = [f"{padded}.{venue}" for venue in self._exchanges(padded)]
        hong_kong = codes.hong_kong(ticker)
        options = [*mainland, hong_kong]
        if name is None:
            why = f"lost its zeros or its market: it may be {' or '.join(options)}"
            return refused("code_ambiguous", why, "write the full code, or add the name")
        known = [option for option in options if option in self.lines]
        if not known:
            why = f"is not in the security master, neither as {' nor as '.join(options)}"
            return refused("code_unknown", why, add_listing())
        fitting = [
            option
            for option in known
            if any(self._agrees(line, name) for line in self.lines[option])
        ]
        if len(fitting) != 1:
            why = f"may be {' or '.join(options)}, and the name {shown(name)} does not decide"
            return refused("code_ambiguous", why, "write the full code with its market")
        if fitting[0] != hong_kong:
            message = f"{ticker} read as {fitting[0]}: zeros restored, the name agrees"
            remarks.append(Remark("zeros_restored", "warning", message))
        return self._checked(fitting[0], name, remarks)

    def _between(
        self, listing_ids: Sequence[str], name: str | None, remarks: list[Remark]
    ) -> Resolution:
        """Choose between listings of one code: only the name can."""
        fitting = [
            listing_id
            for listing_id in listing_ids
            if name is not None and any(self._agrees(line, name) for line in self.lines[listing_id])
        ]
        if len(fitting) == 1:
            return self._checked(fitting[0], name, remarks)
        candidates = " or ".join(
            f"{listing_id} ({self.names.title(self.lines[listing_id][0].issuer_id)})"
            for listing_id in listing_ids
        )
        decides = "" if name is None else f", and the name {shown(name)} does not decide"
        return refused(
            "code_ambiguous", f"may be {candidates}{decides}", "write the code with its market"
        )

    # -- one listing id, one holder of the day, one name

    def _checked(
        self,
        listing_id: str,
        name: str | None,
        remarks: list[Remark],
        *,
        holders: Sequence[Line] = (),
    ) -> Resolution:
        held = holders or self.lines.get(listing_id, ())
        if not held:
            return self._unknown(listing_id)
        open_ = [line for line in held if line.state in {"alive", "unsure"}]
        if not open_:
            return self._not_valid(listing_id, held)
        if len(open_) > 1 or open_[0].state == "unsure":
            return self._reused(listing_id, held, open_, name, remarks)
        line = open_[0]
        wrong, said = self._name_fault(line, name) if name is not None else (None, None)
        if wrong is not None and name is not None:
            others = [other for other in held if other is not line]
            if any(self._agrees(other, name) for other in others):
                why = f"code and name disagree: {listing_id} was {self._periods(held)}"
                return refused("name_disagrees", why, "correct the code or the date", field="name")
            return wrong
        if said is not None:
            remarks.append(said)
        if name is None and self._is_old(line):
            message = (
                f"{listing_id} is {self.names.title(line.issuer_id)} in a master of "
                f"{line.known_on}; codes of Hong Kong are used again: a name would confirm it"
            )
            remarks.append(Remark("master_row_old", "warning", message))
        return Resolution(line.listing_id, line.issuer_id, remarks=tuple(remarks))

    def _is_old(self, line: Line) -> bool:
        return (
            line.known_on is not None
            and line.listing_id.endswith(".HK")
            and (self.as_of - line.known_on).days >= OLD_ROW_DAYS
        )

    def _reused(
        self,
        listing_id: str,
        held: Sequence[Line],
        open_: Sequence[Line],
        name: str | None,
        remarks: list[Remark],
    ) -> Resolution:
        """Decide between companies that had one code when the day alone does not: the name must."""
        fitting = [] if name is None else [line for line in open_ if self._agrees(line, name)]
        if len(fitting) == 1:
            line = fitting[0]
            message = (
                f"{listing_id} was used by several companies ({self._periods(held)}); "
                f"the name says {self.names.title(line.issuer_id)}"
            )
            remarks.append(Remark("code_reused", "warning", message))
            return Resolution(line.listing_id, line.issuer_id, remarks=tuple(remarks))
        why = f"is used by several companies, and the day does not decide: {self._periods(held)}"
        cure = "add the name, or put list and delist dates into your security master"
        return refused("code_reused", why, cure)

    def _not_valid(self, listing_id: str, held: Sequence[Line]) -> Resolution:
        if len(held) > 1:
            why = f"{listing_id} was nobody's on {self.as_of}: {self._periods(held)}"
        else:
            title = self.names.title(held[0].issuer_id)
            why = f"{listing_id} was not a listing of {title} on {self.as_of}"
        return refused("listing_not_valid", why, "correct the code or the date")

    def _periods(self, held: Iterable[Line]) -> str:
        def period(line: Line) -> str:
            begins = f" from {line.begins}" if line.begins else ""
            ends = f" until {line.ends}" if line.ends else ""
            unsure = ", end not known" if line.state == "unsure" else ""
            return f"{self.names.title(line.issuer_id)}{begins}{ends}{unsure}"

        return "; ".join(sorted(period(line) for line in held))

    def _unknown(self, listing_id: str) -> Resolution:
        ticker, _, venue = listing_id.rpartition(".")
        kind = codes.kind_of(ticker, venue) if len(ticker) == 6 else None
        if kind is not None and kind not in codes.SHARES:
            return no_share(listing_id, kind)
        if venue == "HK" and len(ticker) == 5 and ticker.startswith("8"):
            main = codes.hong_kong(ticker[1:])
            if main in self.lines:
                why = f"is the renminbi counter of {main}, which the security master does not hold"
                return refused("code_unknown", why, f"write {main} if it is the same position")
        near = self._nearest(ticker, venue)
        hint = f"; the nearest is {near}" if near else ""
        what = f", a {kind}," if kind not in {None, "share"} else ""
        why = f"{listing_id}{what} is not in the security master{hint}"
        return refused("code_unknown", why, add_listing())

    def _nearest(self, ticker: str, venue: str) -> str | None:
        """Return the one listing whose code differs by one digit or two swapped ones; None if several do."""
        alphabet = "0123456789" if ticker.isdigit() else "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        found: set[str] = set()
        for at in range(len(ticker)):
            for char in alphabet:
                found.add(f"{ticker[:at]}{char}{ticker[at + 1 :]}.{venue}")
            found.add(f"{ticker[:at]}{ticker[at : at + 2][::-1]}{ticker[at + 2 :]}.{venue}")
        near = sorted(listing_id for listing_id in found if listing_id in self.lines)
        return near[0] if len(near) == 1 else None

    # -- names

    def _by_name(self, name: str, venue: str | None) -> Resolution:
        folded = unicodedata.normalize("NFKC", name)
        strange = codes.strange_character(folded, letters=False)
        if strange:
            return refused("name_characters", strange, "type the name again", field="name")
        owners = self.names.owners(self.names.normal(name))
        if not owners:
            why = "is not a name in the security master, and the row has no code"
            return refused("name_unknown", why, "fill in the code", field="name")
        if len(owners) > 1:
            why = f"is a name of several issuers: {', '.join(sorted(owners))}"
            return refused("name_ambiguous", why, "fill in the code", field="name")
        issuer, use = next(iter(owners.items()))
        if use.tense == "later":
            why = f"is a name from {use.begins} on, and the day is {self.as_of}"
            return refused(
                "name_not_yet_used", why, "correct the date, or fill in the code", field="name"
            )
        lines = self.by_issuer.get(issuer, ())
        fitting = [line for line in lines if venue is None or line.endswith(f".{venue}")]
        if not lines:
            why = f"is {issuer}, which has no listing: it can't be held"
            return refused(
                "no_listing", why, "remove the row, or name a listed owner", field="name"
            )
        if len(fitting) != 1:
            why = f"has several listings: {', '.join(fitting or lines)}"
            return refused("name_ambiguous", why, "fill in the code", field="name")
        remarks = [
            Remark("resolved_by_name", "warning", f"no code; the name is that of {fitting[0]}")
        ]
        said = self._about(name, issuer, use)
        return Resolution(fitting[0], issuer, remarks=(*remarks, *([said] if said else [])))

    def _name_fault(self, line: Line, name: str) -> tuple[Resolution | None, Remark | None]:
        """Return the fault if a name is not that of the line's issuer, else what to say about the name."""
        normal = self.names.normal(name)
        issuer = line.issuer_id
        owners = self.names.owners(normal)
        if issuer in owners:
            return None, self._about(name, issuer, owners[issuer])
        if owners:
            return self._of_another(line, min(owners)), None
        if self.names.is_form_of(issuer, name, normal):
            return None, None
        parts = name_parts(name)
        if parts:
            # one part may be in a script that the master lacks, but none may be of another company
            owned = [self.names.owners(self.names.normal(part)) for part in parts]
            agrees = any(self._agrees(line, part) for part in parts)
            if agrees and all(not others or issuer in others for others in owned):
                return None, None
        elif not self.names.can_compare(issuer, normal):
            like = self.names.nearest(normal)
            if like is not None:
                return self._of_another(line, like), None
            script = "Latin" if normal.isascii() else "Chinese"
            message = (
                f"the master has no {script} name of {line.listing_id} "
                f"({self.names.title(issuer)}): {shown(name)} was not checked"
            )
            return None, Remark("name_not_checked", "warning", message)
        why = f"code and name disagree: {line.listing_id} is {self.names.title(issuer)}"
        cure = f"correct the code or the name, or add the name to {REFERENCE}/aliases.csv"
        return refused("name_disagrees", why, cure, field="name"), None

    def _agrees(self, line: Line, name: str) -> bool:
        """Tell whether a name is a witness for a line: it agrees, and was compared."""
        wrong, said = self._name_fault(line, name)
        return wrong is None and (said is None or said.rule != "name_not_checked")

    def _of_another(self, line: Line, other: str) -> Resolution:
        lines = self.by_issuer.get(other, ())
        belongs = lines[0] if lines else f"{other}, which has no listing"
        title = self.names.title(line.issuer_id)
        why = f"code and name disagree: {line.listing_id} is {title}, the name is {belongs}"
        cure = "correct the code or the name"
        if lines and line.listing_id.rpartition(".")[2] != lines[0].rpartition(".")[2]:
            cure += "; lines of one company need one issuer in the master"
        return refused("name_disagrees", why, cure, field="name")

    def _about(self, name: str, issuer: str, use: NameUse) -> Remark | None:
        """Say what is to be said about a name out of its time."""
        title = self.names.title(issuer)
        if use.tense == "former":
            since = f" since {use.ends}" if use.ends else ""
            return Remark(
                "former_name", "info", f"{shown(name)} is a former name of {title}{since}"
            )
        if use.tense == "later":
            message = (
                f"{shown(name)} is a name of {title} only from {use.begins}, and the day is {self.as_of}: "
                "the file is younger than its date"
            )
            return Remark("name_not_yet_used", "warning", message)
        return None

    def _venue(self, market: str | None) -> tuple[str | None, Resolution | None]:
        if market is None:
            return None, None
        venue = self.dictionary.markets.get(squeeze(market))
        if venue is None:
            return None, refused(
                "market_unknown",
                "is not a known market",
                "write SH, SZ, BJ or HK, or empty the cell",
                field="market",
            )
        return venue, None
