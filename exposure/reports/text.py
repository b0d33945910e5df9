"""Words in Chinese and English, and the sentences of the summary.

All words live in ``reports/wording/{zh,en}.toml``; this module picks and fills them. Which sentence is said is
decided by plain conditions on numbers (:func:`boxes`); nothing is free text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from exposure.content import ContentRoot, TomlFile
from exposure.errors import ContentError, Place, UsageError
from exposure.reports.figures import FactorColumn, Figures
from exposure.reports.limits import Limit, conflict_limit
from exposure.reports.run import ScenarioCard

LANGUAGES = {"both": ("zh", "en"), "zh": ("zh",), "en": ("en",)}
WORDING_FOLDER = "reports/wording"
MAX_BOX = {"zh": 60, "en": 130}
MINUS = "−"

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Words:
    """The wording of one report: one language, or both side by side."""

    lang: str
    catalogues: Mapping[str, Mapping[str, str]]

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the languages shown, in order."""
        return LANGUAGES[self.lang]

    def each(self, key: str, **fields: Any) -> list[str]:
        """Return the text of a key in each language shown; a pair of names picks its own."""
        return [self.one(language, key, **fields) for language in self.languages]

    def one(self, language: str, key: str, **fields: Any) -> str:
        """Return the text of a key in one language.

        Raises
        ------
        ContentError
            If the wording lacks the key or a field that the text names.
        """
        file = f"{WORDING_FOLDER}/{language}.toml"
        text = self.catalogues[language].get(key)
        if text is None:
            near = get_close_matches(key, list(self.catalogues[language]), n=1)
            hint = f"; the nearest is {near[0]!r}" if near else ""
            raise ContentError(
                f"{file} lacks the text {key!r}",
                places=[Place(file, f"needs a text {key!r}{hint}")],
                cure=f"add {key} to {file}",
            )
        side = 0 if language == "zh" else 1
        filled = {
            name: value[side] if isinstance(value, tuple) else value
            for name, value in fields.items()
        }
        try:
            return text.format(**filled)
        except (KeyError, IndexError, ValueError) as fault:
            raise ContentError(
                f"{file}: the text {key!r} names a field that isn't there",
                places=[Place(file, f"{fault} is not a field of {key!r}", value=text)],
                cure=f"fields of {key}: {', '.join(sorted(filled)) or 'none'}",
            ) from fault

    def line(self, key: str, **fields: Any) -> str:
        """Return the text in the languages shown, on one line."""
        return _joined(self.each(key, **fields), " ")

    def stack(self, key: str, **fields: Any) -> str:
        """Return the text in the languages shown, one line each."""
        return _joined(self.each(key, **fields), "\n")

    def pair(self, zh: str, en: str, sep: str = " ") -> str:
        """Return a name in the languages shown."""
        return _joined([zh if language == "zh" else en for language in self.languages], sep)

    def known(self, key: str) -> bool:
        """Whether the wording has a text for the key."""
        return all(key in self.catalogues[language] for language in self.languages)

    def maybe(self, key: str, fallback: str) -> str:
        """Return the text, or what the content itself says where the wording has none."""
        return self.line(key) if self.known(key) else fallback

    def both(self, key: str, **fields: Any) -> Pair:
        """Return (zh, en) of a key, for use as a field of another text."""
        return self.one("zh", key, **fields), self.one("en", key, **fields)


@dataclass(frozen=True, slots=True)
class Box:
    """One of the four boxes: its heading and a text a language."""

    title: str
    sentences: tuple[tuple[str, str], ...]  # (language, text)

    @property
    def text(self) -> str:
        """Return the texts, one line each."""
        return "\n".join(text for _, text in self.sentences)


def load_words(root: ContentRoot, lang: str = "both") -> Words:
    """Read the wording of the language asked, or of both.

    Raises
    ------
    UsageError
        If ``lang`` isn't ``both``, ``zh`` or ``en``.
    ContentError
        If one language has a text that the other lacks, or a value isn't a text.
    """
    if lang not in LANGUAGES:
        raise UsageError(f"no language is called {lang!r}", cure="use both, zh or en")
    files = {
        language: root.read_toml(f"{WORDING_FOLDER}/{language}.toml") for language in ("zh", "en")
    }
    catalogues = {language: dict(_flat(file, file.data, "")) for language, file in files.items()}
    for language, other in (("zh", "en"), ("en", "zh")):
        file = files[language]
        strange = [key for key in catalogues[language] if key not in catalogues[other]]
        if strange:
            near = get_close_matches(strange[0], list(catalogues[other]), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            last = strange[0].rpartition(".")[2]
            raise file.error(
                f"{file.name} has a text {strange[0]!r} that {files[other].name} lacks",
                last,
                why=f"has no counterpart in {files[other].name}{hint}",
                cure=f"add {strange[0]} to {files[other].name} or remove it",
            )
    return Words(lang, catalogues)


# --- numbers as text ---------------------------------------------------------------------------------------------


def percent(value: float, digits: int = 1) -> str:
    """Return a fraction as percent.

    Examples
    --------
    >>> percent(-0.1234), percent(0.5, 0)
    ('−12.3%', '50%')
    """
    return (
        f"{value * 100:.{digits}f}%".replace("-", MINUS)
        if round(value * 100, digits)
        else (f"{0:.{digits}f}%")
    )


def points(value: float) -> str:
    """Return a difference of fractions in percentage points, with its sign.

    Examples
    --------
    >>> points(0.031), points(-0.002)
    ('+3.1 pp', '−0.2 pp')
    """
    return f"{signed(value * 100, 1)} pp"


def basis_points(value: float) -> str:
    """Return basis points.

    Examples
    --------
    >>> basis_points(151.4)
    '151 bp'
    """
    return f"{whole(value)} bp"


def whole(value: float) -> str:
    """Return a whole number with thousands separated.

    Examples
    --------
    >>> whole(-1234.4)
    '−1,234'
    """
    return f"{round(value):,}".replace("-", MINUS)


def signed(value: float, digits: int = 0) -> str:
    """Return a number with its sign; what rounds to nothing has none.

    Examples
    --------
    >>> signed(9.2), signed(-0.04, 1)
    ('+9', '0.0')
    """
    text = f"{value:+,.{digits}f}"
    plain = f"{0:.{digits}f}"
    return plain if text[1:] == plain else text.replace("-", MINUS)


# --- names -------------------------------------------------------------------------------------------------------


def factor_name(words: Words, column: FactorColumn, *, short: bool = False) -> Pair:
    """Return the name of a column of the map, with its basis where there are several."""
    card = column.card
    key = f"short.factor.{card.id}"
    name = words.both(key) if short and _in_both(words, key) else (card.name_zh, card.name_en)
    if column.basis == "main":
        return name
    basis = card.basis_names.get(column.basis, (column.basis, column.basis))
    return f"{name[0]}（{basis[0]}）", f"{name[1]} ({basis[1]})"


def scenario_name(words: Words, card: ScenarioCard, *, short: bool = False) -> Pair:
    """Return the name of a scenario."""
    key = f"short.scenario.{card.id}"
    if short and _in_both(words, key):
        return words.both(key)
    return card.name_zh, card.name_en


def limit_name(words: Words, figures: Figures, limit: Limit, *, short: bool = True) -> Pair:
    """Return the name of a limit in words."""
    card = next((c for c in figures.scenarios if c.id == limit.scenario), None)
    if card is not None:
        name = scenario_name(words, card, short=short)
        if limit.severity == "base":
            return name
        level = words.both(f"severity.{limit.severity}")
        return f"{name[0]}（{level[0]}）", f"{name[1]} ({level[1]})"
    column = figures.column_of(*limit.factor) if limit.factor else None
    if column is not None:
        name = factor_name(words, column, short=short)
        if limit.kind == "coverage":
            return words.both("limit.coverage_of", name=name)
        return words.both("limit.upper_end", name=name) if limit.score == "hi" else name
    kind, _, subject = limit.name.partition(":")
    if subject == "min":
        kind, subject = f"{kind}_min", ""
    key = f"limit.{kind}"
    if not _in_both(words, key):
        return limit.name, limit.name
    if not subject:
        return words.both(key)
    names = {p.listing_id: (p.name_zh, p.name_en) for p in figures.positions}
    shown = names.get(subject) or figures.run.issuer_names.get(subject) or (subject, subject)
    zh, en = words.both(key)
    return f"{zh}：{shown[0]}", f"{en}: {shown[1]}"


def bound_text(limit: Limit) -> str:
    """Return the bound with its sense, as ``≤ 45.0%``."""
    return f"{limit.sign} {limit_value(limit, limit.bound)}"


def limit_value(limit: Limit, value: float) -> str:
    """Return a value in the unit of a limit: percent unless the unit counts something else."""
    if is_share(limit.unit):
        return percent(value)
    return f"{value:,.4g}".replace("-", MINUS)


def is_share(unit: str) -> bool:
    """Return whether a unit is shown in percent.

    Examples
    --------
    >>> is_share("fraction of revenue"), is_share("weeks")
    (True, False)
    """
    return unit.startswith(("fraction", "probability", "0 or 1")) or unit == ""


# --- the four boxes ----------------------------------------------------------------------------------------------


def boxes(figures: Figures, words: Words) -> list[Box]:
    """Return the four boxes: what changed, why, what to do, how sure.

    At most two facts a box, the largest first; the second is left out where it would overflow.
    """
    facts = {
        "changed": _changed(figures, words),
        "why": _why(figures, words),
        "todo": _todo(figures, words),
        "sure": _sure(figures, words),
    }
    return [
        Box(words.line(f"box.{box}.title"), _fitted(words.languages, found))
        for box, found in facts.items()
    ]


def _changed(figures: Figures, words: Words) -> list[dict[str, str]]:
    loss = figures.expected_loss(figures.weights)
    gain = figures.expected_gain(figures.weights)
    comparison = figures.run.comparison
    facts: list[dict[str, str]] = []
    if comparison is None or comparison.expected_loss_bp is None:
        facts.append(
            _said(words, "box.changed.first_run", loss=basis_points(loss), gain=basis_points(gain))
        )
    else:
        change = loss - comparison.expected_loss_bp
        key = "no_change" if abs(change) < 0.5 else "loss"
        facts.append(
            _said(
                words,
                f"box.changed.{key}",
                before=whole(comparison.expected_loss_bp),
                after=basis_points(loss),
                change=signed(change),
                verb=words.both("verb.rose" if change > 0 else "verb.fell"),
            )
        )
    facts.append(_limits_fact(figures, words))
    return facts


def _limits_fact(figures: Figures, words: Words) -> dict[str, str]:
    if not figures.limits:
        return _said(words, "box.changed.no_mandate")
    current = figures.current_limits()
    breached = [limit for limit, _, state in current if state == "breach"]
    unknown = [limit for limit, _, state in current if state == "unknown"]
    if not breached and unknown:
        return _said(words, "box.changed.limits_unknown", count=len(unknown), total=len(current))
    if not breached:
        return _said(words, "box.changed.limits_met", total=len(current))
    return _said(
        words,
        "box.changed.limits_broken",
        count=len(breached),
        total=len(current),
        name=limit_name(words, figures, breached[0]),
    )


def _why(figures: Figures, words: Words) -> list[dict[str, str]]:
    if figures.worst is None or not figures.positions:
        return [_said(words, "box.why.no_scenarios")]
    card = figures.scenarios[figures.worst]
    severity = figures.layout.severity
    result = figures.result(card.id, severity, figures.weights)
    if result >= 0:
        return [_said(words, "box.why.no_loss")]
    losses = figures.loss_part(card.id, severity, figures.weights)
    own = [
        (
            position,
            position.weight * (figures.scenario_return(position, card.id, severity).ret or 0),
        )
        for position in figures.positions
    ]
    position, part = min(own, key=lambda entry: entry[1])
    facts = [
        _said(
            words,
            "box.why.worst",
            scenario=scenario_name(words, card, short=True),
            result=percent(result),
            name=(position.name_zh, position.name_en),
            share=percent(part / losses, 0),
        )
    ]
    harm = [
        column
        for column in figures.columns
        if column.card.sign == "harm" and is_share(column.card.unit)
    ]
    if harm:
        column = max(harm, key=lambda c: figures.exposure(c, figures.weights))
        level = figures.exposure(column, figures.weights)  # nothing known counts as nothing to name
        if level > 0:
            facts.append(
                _said(
                    words,
                    "box.why.factor",
                    factor=factor_name(words, column, short=True),
                    level=percent(level),
                )
            )
    return facts


def _todo(figures: Figures, words: Words) -> list[dict[str, str]]:
    plan = figures.run.plan
    if plan is None:
        return [_said(words, "box.todo.no_plan")]
    if not plan.solved:
        return _no_answer(figures, words)
    moves = sorted(
        ((p.plan_weight - p.weight, p) for p in figures.positions), key=lambda move: move[0]
    )
    notable = figures.layout.thresholds["notable_trade"]
    sells = [(d, p) for d, p in moves if d < -notable]
    buys = [(d, p) for d, p in reversed(moves) if d > notable]
    if not sells and not buys:
        return [_said(words, "box.todo.hold")]
    key = "trade" if sells and buys else "sell" if sells else "buy"
    fields: dict[str, Any] = {}
    for side, found in (("sell", sells), ("buy", buys)):
        if found:
            delta, position = found[0]
            fields[side] = (position.name_zh, position.name_en)
            fields[f"{side}_by"] = f"{abs(delta) * 100:.1f} pp"
    facts = [_said(words, f"box.todo.{key}", **fields)]
    before = figures.worst_result(figures.weights)
    after = figures.worst_result(figures.plan_weights)
    if before is not None and after is not None:
        facts.append(
            _said(
                words,
                "box.todo.effect",
                turnover=percent((plan.turnover or 0.0) / 2),
                before=percent(before),
                after=percent(after),
            )
        )
    return facts


def _no_answer(figures: Figures, words: Words) -> list[dict[str, str]]:
    plan = figures.run.plan
    conflict = None if plan is None else plan.conflict
    if conflict is None or conflict.is_empty():
        return [_said(words, "box.todo.failed")]
    limits = [conflict_limit(row) for row in conflict.iter_rows(named=True)]
    facts = [
        _said(
            words,
            "box.todo.infeasible",
            count=len(limits),
            name=limit_name(words, figures, limits[0]),
        )
    ]
    for row, limit in zip(conflict.iter_rows(named=True), limits, strict=True):
        if row["repair"] is not None:
            repaired = limit_value(limit, row["repair"])
            facts.append(
                _said(
                    words,
                    "box.todo.repair",
                    name=limit_name(words, figures, limit),
                    bound=repaired,
                )
            )
            break
    return facts


def _sure(figures: Figures, words: Words) -> list[dict[str, str]]:
    thresholds = figures.layout.thresholds
    facts: list[dict[str, str]] = []
    covered = [
        (figures.coverage(c, figures.weights), c) for c in figures.columns if c.basis == "main"
    ]
    if not covered or not figures.positions:
        return [_said(words, "box.sure.nothing")]
    low = [c for share, c in covered if share < thresholds["coverage_floor"]]
    facts.append(_said(words, "box.sure.grades", share=percent(figures.graded_ab, 0)))
    least, column = min(covered, key=lambda entry: entry[0])
    if low:
        facts.append(
            _said(
                words,
                "box.sure.low_coverage",
                count=len(low),
                total=len(covered),
                floor=percent(thresholds["coverage_floor"], 0),
            )
        )
    else:
        facts.append(
            _said(
                words,
                "box.sure.coverage",
                mean=percent(figures.run.coverage, 0),
                factor=factor_name(words, column, short=True),
                least=percent(least, 0),
            )
        )
    return facts


def _said(words: Words, key: str, **fields: Any) -> dict[str, str]:
    return {language: words.one(language, key, **fields) for language in words.languages}


def _fitted(languages: tuple[str, ...], facts: list[dict[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return the text in each language; a fact too many is left out of all, so that both say the same."""
    for count in (2, 1):
        texts = {lang: _gap(lang).join(fact[lang] for fact in facts[:count]) for lang in languages}
        if all(len(text) <= MAX_BOX[lang] for lang, text in texts.items()):
            return tuple(texts.items())
    return tuple(
        (lang, text if len(text) <= MAX_BOX[lang] else text[: MAX_BOX[lang] - 1] + "…")
        for lang, text in texts.items()
    )


def _gap(language: str) -> str:
    return "" if language == "zh" else " "


def _joined(parts: list[str], sep: str) -> str:
    return parts[0] if len(set(parts)) == 1 else sep.join(parts)


def _in_both(words: Words, key: str) -> bool:
    return all(key in catalogue for catalogue in words.catalogues.values())


def _flat(file: TomlFile, table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        dotted = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _flat(file, value, f"{dotted}.")
        elif isinstance(value, str):
            yield dotted, value
        else:
            raise file.error(
                f"{file.name}: {dotted} must be a text", key, why="must be a text in quotes"
            )
