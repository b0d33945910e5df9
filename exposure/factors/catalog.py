"""The catalog: all facts of a content root, typed, linked and checked; read once, then passed around.

``load_facts`` is the only function of this room that reads files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import dataframely as dy
import polars as pl

from exposure.content import SOURCE_ROW, ContentRoot, TomlFile, find_content
from exposure.errors import ContentError, Place
from exposure.factors.definitions import FactorDefinition, load_factors
from exposure.factors.derivations import (
    Derivations,
    Figure,
    derive,
    evaluate,
    figures,
    references,
)
from exposure.factors.evidence import current_links, visible
from exposure.factors.graph import SupplyGraph, build_graph
from exposure.factors.layers import refuse_later, replaces_facts, succeeded
from exposure.lists.meanings import Meanings, load_meanings
from exposure.lists.snapshot import load_editions
from exposure.portfolios.securities import SecurityMaster, load_master
from exposure.schemas import (
    Events,
    Evidence,
    Links,
    ListLinks,
    Nodes,
    Sources,
    typed_from_text,
    validated,
)

if TYPE_CHECKING:
    from exposure.portfolios.securities.loading import MasterSource

T = TypeVar("T")
DAYS_REMEMBERED = 4


class Subjects(dy.Schema):
    """A subject of evidence that is neither an issuer nor a node: a market, a policy."""

    subject_id = dy.String(primary_key=True)
    name_zh = dy.String()
    name_en = dy.String()
    note = dy.String(nullable=True)


class ScreenedIssuers(dy.Schema):
    """An issuer that was looked for on a list, up to an edition; without it, absence is not known."""

    issuer_id = dy.String(primary_key=True)
    list_id = dy.String(primary_key=True)
    edition_date = dy.Date()
    screened_on = dy.Date()
    source_id = dy.String()
    note = dy.String(nullable=True)


@dataclass(frozen=True, slots=True)
class Catalog:
    """What we know, each fact with its dates and source.

    Attributes are frames in the schemas of the same name; ``scenario_files`` are parsed by ``exposure.scenarios``.
    """

    root: ContentRoot
    fingerprint: str
    master: SecurityMaster
    nodes: pl.DataFrame
    subjects: pl.DataFrame
    factors: Mapping[str, FactorDefinition]
    sources: pl.DataFrame
    evidence: pl.DataFrame
    links: pl.DataFrame
    events: pl.DataFrame
    list_links: pl.DataFrame
    screened: pl.DataFrame
    editions: pl.DataFrame
    meanings: Meanings
    scenario_files: tuple[TomlFile, ...]
    link_drift: Mapping[str, float] = field(default_factory=dict[str, float])
    stale_after_days: int = 400  # of links and gaps; factors state their own
    _days: dict[date, Any] = field(default_factory=dict[date, Any], init=False, compare=False)

    def __repr__(self) -> str:
        """Name it: its frames are thousands of rows, which nobody wants in a notebook or a failed check."""
        return f"Catalog(root={str(self.root.path)!r}, fingerprint={self.fingerprint[:8]!r})"

    def evidence_at(self, as_of: date) -> pl.DataFrame:
        """Return the evidence rows known and valid on ``as_of``."""
        return self.evidence.filter(visible(as_of))

    def links_at(self, as_of: date) -> pl.DataFrame:
        """Return the supply links known and valid on ``as_of``, one a flow."""
        return current_links(self.links, as_of)

    def remembered(self, as_of: date, compute: Callable[[], T]) -> T:
        """Return what ``compute`` gives for a day, done once: a catalog never changes, so neither does its day.

        The last few days are kept; a catalog with other facts (``dataclasses.replace``) starts empty.
        """
        if as_of not in self._days:
            while len(self._days) >= DAYS_REMEMBERED:
                self._days.pop(next(iter(self._days)), None)
            self._days[as_of] = compute()
        found: T = self._days[as_of]
        return found

    def graph_at(self, as_of: date) -> SupplyGraph:
        """Return the supply network of a day, its intervals widened for age."""
        return build_graph(self.links_at(as_of), self.nodes, as_of=as_of, drift=self.link_drift)

    def events_at(self, as_of: date) -> pl.DataFrame:
        """Return the acts known on ``as_of``."""
        return self.events.filter(pl.col("known_on") <= as_of)

    def names(self) -> dict[str, tuple[str, str]]:
        """Return id → (Chinese name, English name) of issuers, nodes and subjects."""
        frames = [
            self.master.issuers.select("issuer_id", "name_zh", "name_en"),
            self.nodes.select("node_id", "name_zh", "name_en"),
            self.subjects.select("subject_id", "name_zh", "name_en"),
        ]
        return {key: (zh, en) for frame in frames for key, zh, en in frame.iter_rows()}


def load_facts(
    content: str | Path | ContentRoot | None = None, *, master: MasterSource | None = None
) -> Catalog:
    """Read a content root.

    Parameters
    ----------
    content
        A folder with ``factors/`` and ``portfolios/``; by default the content that :func:`find_content` chooses.
    master
        A security master of the user's own; see :func:`~exposure.portfolios.securities.load_master`.

    Raises
    ------
    ContentError
        With file and line: an unknown key or column, text that isn't a number or date, a number without a source, a
        broken reference, a formula that can't be computed.
    """
    root = content if isinstance(content, ContentRoot) else find_content(content)
    securities = load_master(root, master)
    nodes = _table(root, "factors/nodes.csv", Nodes)
    subjects = _table(root, "factors/subjects.csv", Subjects)
    sources = _table(root, "factors/sources.csv", Sources)
    evidence = _evidence(root)
    links = _links(root, evidence)
    if root.base is not None and replaces_facts(root):
        below = _evidence(root.base)
        links = succeeded(links, _links(root.base, below), "link_id")
        evidence = succeeded(evidence, below, "evidence_id")
    events = _table(root, "factors/events.csv", Events)
    list_links = _table(root, "factors/lists/reviewed_links.csv", ListLinks)
    screened = _table(root, "factors/lists/screened.csv", ScreenedIssuers)
    staleness = root.read_toml("factors/staleness.toml")
    catalog = Catalog(
        root=root,
        fingerprint=root.fingerprint(),
        master=securities,
        nodes=nodes,
        subjects=subjects,
        factors=load_factors(root),
        sources=sources,
        evidence=evidence,
        links=links,
        events=events.sort("known_on", "event_id"),
        list_links=list_links,
        screened=screened,
        editions=load_editions(root),
        meanings=load_meanings(root),
        scenario_files=(
            *root.toml_files("factors/scenarios"),
            *root.toml_files("factors/scenarios/acts"),
        ),
        link_drift=_link_drift(staleness),
        stale_after_days=int(staleness.need(staleness.data, "stale_after_days")),
    )
    refuse_later(root)
    check_references(catalog)
    return catalog


def check_references(catalog: Catalog) -> None:
    """Refuse content whose ids point nowhere.

    Raises
    ------
    ContentError
        One place a broken reference, with file and line.
    """
    master, root = catalog.master, catalog.root
    issuers = set(master.issuers["issuer_id"])
    nodes = set(catalog.nodes["node_id"])
    subjects = issuers | nodes | set(catalog.subjects["subject_id"])
    sources = set(catalog.sources["source_id"])
    places: list[Place] = []
    tables: dict[str, pl.DataFrame] = {}

    def check(name: str, column: str, allowed: set[str], what: str, *, many: bool = False) -> None:
        if name not in tables:
            tables[name] = root.read_csv(name)
        places.extend(_broken(tables[name], name, column, allowed, what, many=many))

    for name in root.csv_names("factors/evidence"):
        check(name, "subject", subjects, "issuer, node or subject")
        check(name, "source_id", sources, "source")
    check("factors/derivations.csv", "subject", subjects, "issuer, node or subject")
    for name in root.csv_names("factors/links"):
        check(name, "supplier", issuers | nodes, "issuer or node")
        check(name, "customer", issuers | nodes, "issuer or node")
        check(name, "source_id", sources, "source")
    check("factors/events.csv", "issuers", issuers, "issuer", many=True)
    check("factors/events.csv", "nodes", issuers | nodes, "node", many=True)
    check("factors/events.csv", "source_id", sources, "source")
    check("factors/lists/reviewed_links.csv", "issuer_id", issuers, "issuer")
    check("factors/lists/reviewed_links.csv", "source_id", sources, "source")
    check("factors/lists/screened.csv", "issuer_id", issuers, "issuer")
    check("factors/lists/screened.csv", "source_id", sources, "source")
    check("portfolios/reference/listings.csv", "issuer_id", issuers, "issuer")
    check("portfolios/reference/aliases.csv", "issuer_id", issuers, "issuer")
    check("portfolios/reference/ownership.csv", "owner", issuers, "issuer")
    check("portfolios/reference/ownership.csv", "owned", issuers, "issuer")
    check("portfolios/reference/ownership.csv", "source_id", sources, "source")
    places += _factor_places(catalog, nodes)
    if places:
        raise ContentError(
            f"the content has {len(places)} broken references",
            places=places,
            cure="add the missing row, or correct the id",
        )


def _factor_places(catalog: Catalog, nodes: set[str]) -> list[Place]:
    return [
        Place(factor.file, "is not a node of factors/nodes.csv", column="capabilities", value=node)
        for factor in catalog.factors.values()
        for node in factor.capabilities
        if node not in nodes
    ]


def _broken(
    raw: pl.DataFrame, name: str, column: str, allowed: set[str], what: str, *, many: bool
) -> Iterable[Place]:
    if column not in raw.columns:
        return
    for row, text in raw.select(SOURCE_ROW, column).drop_nulls().iter_rows():
        for item in text.split(";") if many else [text]:
            if item.strip() and item.strip() not in allowed:
                yield Place(name, f"is no known {what}", row=row, column=column, value=item.strip())


def _table(root: ContentRoot, name: str, schema: type[dy.Schema]) -> pl.DataFrame:
    return typed_from_text(root.read_csv(name), schema, name)


def _tables(root: ContentRoot, folder: str, schema: type[dy.Schema]) -> pl.DataFrame:
    frames = [_table(root, name, schema) for name in root.csv_names(folder)]
    if not frames:
        raise ContentError(f"{folder}/ has no tables", places=[Place(folder, "holds no CSV file")])
    return pl.concat(frames)


def _with_rows(root: ContentRoot, name: str, schema: type[dy.Schema]) -> pl.DataFrame:
    raw = root.read_csv(name)
    return typed_from_text(raw, schema, name).with_columns(raw[SOURCE_ROW])


def _unique(frame: pl.DataFrame, key: str, where: str) -> None:
    twice = frame.filter(pl.col(key).is_duplicated())[key].unique().sort()
    if len(twice):
        raise ContentError(
            f"{where} repeats {len(twice)} ids",
            places=[
                Place(where, "stands in more than one row", column=key, value=value)
                for value in twice
            ],
            cure="give each row an id of its own",
        )


def _evidence(root: ContentRoot) -> pl.DataFrame:
    """Read the stated figures and compute the derived ones."""
    stated = _tables(root, "factors/evidence", Evidence)
    derived_raw = _with_rows(root, "factors/derivations.csv", Derivations)
    derived = derive(derived_raw, stated, "factors/derivations.csv")
    together = pl.concat([stated, derived]).sort("evidence_id")
    _unique(together, "evidence_id", "factors/evidence")
    return validated(together, Evidence)


def _links(root: ContentRoot, evidence: pl.DataFrame) -> pl.DataFrame:
    """Read the links; where a formula stands, compute share, grade, status and known_on from it."""
    known = figures(evidence)
    frames: list[pl.DataFrame] = []
    for name in root.csv_names("factors/links"):
        raw = root.read_csv(name)
        rows = [_computed_link(record, known, name) for record in raw.to_dicts()]
        text = pl.DataFrame(rows, schema=raw.schema)
        frames.append(typed_from_text(text, Links, name))
    links = pl.concat(frames).sort("link_id")
    _unique(links, "link_id", "factors/links")
    return links


def _computed_link(
    record: dict[str, Any], known: Mapping[str, Figure], name: str
) -> dict[str, Any]:
    """Fill the shares of a link from its formulas; an imputed share may also be nothing at all."""
    used: list[Figure] = []
    row = dict(record)
    for formula, columns in _LINK_FORMULAS.items():
        text = record.get(formula)
        if text is None:
            continue
        _check_formula(record, formula, columns, known, name)
        figure = evaluate(text, known, name, record[SOURCE_ROW])
        used.append(figure)
        imputed = record.get("status") == "imputed"
        lo = 0.0 if imputed else figure.value.lo
        row |= dict(
            zip(columns, map(_share_text, (lo, figure.value.mid, figure.value.hi)), strict=True)
        )
    if used:
        worst = max(used, key=lambda figure: figure.grade)
        inputs = dict.fromkeys(i for figure in used for i in figure.inputs)
        row["known_on"] = max(figure.known_on for figure in used).isoformat()
        row["grade"] = record.get("grade") or worst.grade
        row["status"] = record.get("status") or worst.status
        row["source_id"] = record.get("source_id") or worst.source_id
        row["locator"] = record.get("locator") or "derived from " + "; ".join(inputs)
    return row


def _link_drift(file: TomlFile) -> dict[str, float]:
    """Read σ_a per kind of input [share of cost a year]."""
    file.check_keys(file.data, {"default", "input_kinds", "stale_after_days"})
    drift = {"default": file.need(file.data, "default"), **file.data.get("input_kinds", {})}
    for kind, value in drift.items():
        if not isinstance(value, int | float) or not 0 <= value <= 1:
            raise file.error(
                f"{file.name} has no usable drift for {kind!r}",
                kind,
                why="must be a number from 0 to 1, share of cost a year",
            )
    return {kind: float(value) for kind, value in drift.items()}


_LINK_FORMULAS = {
    "formula": ("lo", "mid", "hi"),
    "output_formula": ("output_lo", "output_mid", "output_hi"),
    "sales_formula": ("sales_lo", "sales_mid", "sales_hi"),
}


def _check_formula(
    record: dict[str, Any],
    column: str,
    filled: tuple[str, ...],
    known: Mapping[str, Figure],
    name: str,
) -> None:
    lacking = [i for i in references(record[column]) if i not in known]
    beside = [other for other in filled if record.get(other) is not None]
    if not lacking and not beside:
        return
    why = (
        f"names {', '.join(lacking)}, which is no usable evidence"
        if lacking
        else f"stands beside a number in {', '.join(beside)}"
    )
    raise ContentError(
        f"{name} has a formula that can't be computed",
        places=[Place(name, why, row=record[SOURCE_ROW], column=column, value=record[column])],
        cure="name evidence ids with verdict 'use' in braces, and leave the computed columns empty",
    )


def _share_text(number: float | None) -> str | None:
    return None if number is None else repr(min(1.0, max(0.0, number)))
