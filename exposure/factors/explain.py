"""From a score to the lines of filings and reports it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from exposure.errors import UsageError, check_names
from exposure.factors.catalog import Catalog
from exposure.factors.derivations import references
from exposure.factors.evidence import visible
from exposure.factors.explain_walk import link_flows
from exposure.factors.ledger import rows_by
from exposure.factors.research import research_list
from exposure.factors.scoring import context_at, scores_in
from exposure.portfolios.securities import SecurityMaster

STEP_SCHEMA = {
    "factor_id": pl.String,
    "basis": pl.String,
    "depth": pl.Int64,
    "kind": pl.String,  # evidence | derived | link | list | screened | context | contradicted | earlier | gap
    "id": pl.String,
    "subject": pl.String,
    "measure": pl.String,
    "lo": pl.Float64,
    "mid": pl.Float64,
    "hi": pl.Float64,
    "unit": pl.String,
    "period": pl.String,
    "formula": pl.String,
    "grade": pl.String,
    "status": pl.String,
    "known_on": pl.Date,
    "publisher": pl.String,
    "title": pl.String,
    "locator": pl.String,
    "url": pl.String,
    "note": pl.String,
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """Scores of one issuer and the steps to their sources.

    Attributes
    ----------
    scores
        :class:`~exposure.schemas.FactorScores` of the issuer.
    steps
        One row a fact, in reading order; ``depth`` indents what a derived figure is made of.
    flows
        Through which links a walked score comes, the strongest first; see
        :func:`exposure.factors.explain_walk.link_flows`.
    research
        :class:`~exposure.schemas.ResearchPoints` of this issuer alone: which fact would narrow its interval most.
    """

    issuer_id: str
    listing_id: str | None
    name_zh: str
    name_en: str
    as_of: date
    scores: pl.DataFrame
    steps: pl.DataFrame
    flows: pl.DataFrame
    research: pl.DataFrame


def explain(
    catalog: Catalog, who: str, factor_id: str | None = None, *, as_of: date
) -> Explanation:
    """Explain the scores of a listing or issuer.

    Parameters
    ----------
    who
        A listing id (``002261.SZ``) or an issuer id (``xfusion``).
    factor_id
        One factor, or all with evidence.

    Returns
    -------
    Explanation
        Only facts known on ``as_of`` appear.

    Raises
    ------
    UsageError
        If the listing, issuer or factor doesn't exist.
    """
    listing_id, issuer_id = find_issuer(catalog.master, who)
    if factor_id is not None:
        check_names([factor_id], catalog.factors, "factor")
    chosen = None if factor_id is None else [factor_id]
    context = context_at(catalog, [issuer_id], as_of)
    scores = scores_in(catalog, context, chosen)
    reader = _Reader(catalog, as_of)
    steps = [step for row in scores.iter_rows(named=True) for step in reader.steps(row)]
    names = catalog.names()[issuer_id]
    return Explanation(
        issuer_id=issuer_id,
        listing_id=listing_id,
        name_zh=names[0],
        name_en=names[1],
        as_of=as_of,
        scores=scores,
        steps=pl.DataFrame(steps, schema=STEP_SCHEMA),
        flows=link_flows(catalog, context, issuer_id, chosen or list(catalog.factors)),
        research=research_list(catalog, {issuer_id: 1.0}, as_of, chosen, context=context),
    )


def find_issuer(master: SecurityMaster, who: str) -> tuple[str | None, str]:
    """Return (listing id or None, issuer id) for a listing id or issuer id.

    Raises
    ------
    UsageError
        With the nearest known listing or issuer.
    """
    listings = dict(master.listings.select("listing_id", "issuer_id").iter_rows())
    if who in listings:
        return who, listings[who]
    issuers = set(master.issuers["issuer_id"])
    if who in issuers:
        return None, who
    check_names([who], sorted({*listings, *issuers}), "listing or issuer")
    raise UsageError(f"no listing or issuer is called {who!r}")


class _Reader:
    """Looks facts up by id; built once an explanation."""

    def __init__(self, catalog: Catalog, as_of: date) -> None:
        self._catalog = catalog
        self._names = catalog.names()
        self._evidence = rows_by(catalog.evidence.filter(visible(as_of)), "evidence_id")
        self._links = rows_by(catalog.links_at(as_of), "link_id")
        self._lists = rows_by(catalog.list_links.filter(pl.col("known_on") <= as_of), "link_id")
        self._sources = rows_by(catalog.sources, "source_id")

    def steps(self, score: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the steps below one score."""
        out: list[dict[str, Any]] = []
        for fact in score["evidence_ids"]:
            self._fact(out, score, fact, 0)
        factor = self._catalog.factors[score["factor_id"]]
        measure = factor.measures.get(score["basis"])
        shown = set(score["evidence_ids"])
        newest = max(
            (self._evidence[i]["valid_from"] for i in shown if i in self._evidence), default=None
        )
        for key, row in self._evidence.items():
            if row["subject"] != score["issuer_id"] or key in shown:
                continue
            if row["measure"] == measure:
                out.append(self._evidence_step(score, row, 0, _aside(row, newest)))
            elif row["measure"] in factor.context and score["basis"] == factor.bases[0]:
                self._fact(out, score, key, 0, "context")
        return out

    def _fact(
        self,
        out: list[dict[str, Any]],
        score: dict[str, Any],
        fact: str,
        depth: int,
        kind: str | None = None,
    ) -> None:
        if fact in self._evidence:
            row = self._evidence[fact]
            out.append(
                self._evidence_step(
                    score, row, depth, kind or ("derived" if row["formula"] else "evidence")
                )
            )
            self._inputs(out, score, row["formula"], depth)
        elif fact in self._links:
            row = self._links[fact]
            step = self._link_step(score, row, depth)
            out.append(step)
            self._inputs(out, score, step["formula"], depth)
        elif fact in self._lists:
            out.append(self._list_step(score, self._lists[fact], depth))
        elif fact.startswith("screened:"):
            out.append(self._screened_step(score, fact, depth))

    def _inputs(
        self, out: list[dict[str, Any]], score: dict[str, Any], formula: str | None, depth: int
    ) -> None:
        for name in dict.fromkeys(references(formula or "")):
            self._fact(out, score, name, depth + 1)

    def _source(self, source_id: str | None) -> dict[str, Any]:
        row = self._sources.get(source_id or "")
        if row is None:
            return {"publisher": None, "title": None, "url": None}
        return {name: row[name] for name in ("publisher", "title", "url")}

    def _evidence_step(
        self, score: dict[str, Any], row: dict[str, Any], depth: int, kind: str
    ) -> dict[str, Any]:
        same = (
            "measure",
            "lo",
            "mid",
            "hi",
            "unit",
            "period",
            "formula",
            "grade",
            "status",
            "known_on",
            "locator",
            "note",
        )
        return _step(
            score,
            depth,
            kind,
            row["evidence_id"],
            subject=self._name(row["subject"]),
            **{name: row[name] for name in same},
            **self._source(row["source_id"]),
        )

    def _link_step(self, score: dict[str, Any], row: dict[str, Any], depth: int) -> dict[str, Any]:
        same = ("grade", "status", "known_on", "locator", "note")
        sales = self._catalog.factors[score["factor_id"]].walks_sales
        base = "sales_" if sales else ""
        return _step(
            score,
            depth,
            "link",
            row["link_id"],
            subject=f"{self._name(row['supplier'])} → {self._name(row['customer'])}",
            measure=row["input_kind"],
            unit="fraction of revenue" if sales else "fraction of total cost",
            formula=row["sales_formula" if sales else "formula"],
            **{end: row[f"{base}{end}"] for end in ("lo", "mid", "hi")},
            **{name: row[name] for name in same},
            **self._source(row["source_id"]),
        )

    def _list_step(self, score: dict[str, Any], row: dict[str, Any], depth: int) -> dict[str, Any]:
        return _step(
            score,
            depth,
            "list",
            row["link_id"],
            subject=row["row_name"],
            measure=f"{row['list_id']} {row['relation']} {row['mechanism']}",
            unit="list row",
            period=f"from {row['valid_from'].isoformat()}",
            known_on=row["known_on"],
            locator=f"{row['citation']}; {row['locator']}",
            note=row["reviewer_note"],
            **self._source(row["source_id"]),
        )

    def _screened_step(self, score: dict[str, Any], fact: str, depth: int) -> dict[str, Any]:
        _, list_id, issuer = fact.split(":")
        row = self._catalog.screened.row(
            by_predicate=(pl.col("issuer_id") == issuer) & (pl.col("list_id") == list_id),
            named=True,
        )
        return _step(
            score,
            depth,
            "screened",
            fact,
            subject=self._name(issuer),
            measure=f"no row of {list_id} found",
            unit="list row",
            locator=f"edition {row['edition_date'].isoformat()}",
            note=row["note"],
            **self._source(row["source_id"]),
        )

    def _name(self, key: str) -> str:
        return " ".join(self._names[key]) if key in self._names else key


def _aside(row: dict[str, Any], newest: date | None) -> str:
    """Say why a row of the same measure doesn't carry the score."""
    if row["status"] == "missing":
        return "gap"
    if row["verdict"] in ("rejected", "denied", "needs_source"):
        return str(row["verdict"])
    if newest is not None and row["valid_from"] < newest:
        return "earlier"
    return "contradicted"


def _step(score: dict[str, Any], depth: int, kind: str, fact: str, **values: Any) -> dict[str, Any]:
    empty = dict.fromkeys(STEP_SCHEMA)
    known = {
        "factor_id": score["factor_id"],
        "basis": score["basis"],
        "depth": depth,
        "kind": kind,
        "id": fact,
    }
    return {**empty, **known, **values}
