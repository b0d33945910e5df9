"""Read what a run starts from: book, mandate, content, risk, prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from exposure.content import PROJECT, ContentRoot, find_content
from exposure.errors import MandateError, Place, StaleData
from exposure.factors.catalog import Catalog
from exposure.portfolios.database import NamedFrame, is_named, read_named_holdings
from exposure.portfolios.holdings import Book, load_holdings
from exposure.portfolios.mandates import Mandate, load_mandate
from exposure.risk import RiskModel, load_risk
from exposure.risk.closes import CLOSE_COLUMNS, LISTING_COLUMNS, price_table
from exposure.scenarios.reading import load_catalog

if TYPE_CHECKING:
    from exposure.portfolios.securities.loading import MasterSource


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a command works on: the book, the facts, and the files found beside the holdings."""

    book: Book
    catalog: Catalog
    mandate: Mandate | None
    mandate_source: str | None
    risk: RiskModel | None
    named: NamedFrame | None = None  # where the holdings came from a database


def prepare(
    holdings: str | Path | Any,
    *,
    as_of: date | None = None,
    mandate: str | Path | Mandate | None = None,
    benchmark: str | Path | Any | None = None,
    content: str | Path | ContentRoot | None = None,
    catalog: Catalog | None = None,
    allow_rejects: bool = False,
    max_age: int | None = None,
    name: str | None = None,
    layout: str | Path | None = None,
    master: MasterSource | None = None,
) -> Inputs:
    """Read everything a run needs.

    Parameters
    ----------
    holdings
        A file or any data frame, or ``@name`` for a query of ``exposure.toml``.
    mandate, benchmark
        Where none is named, ``mandate.toml`` and ``benchmark.csv`` beside the holdings file are used.
    max_age
        Days: older risk data raise :class:`~exposure.errors.StaleData`.
    layout, master
        See :func:`~exposure.portfolios.holdings.load_holdings`.

    Raises
    ------
    HoldingsError, MandateError, ContentError
        With file, row and column.
    StaleData
        See ``max_age``.
    """
    root = content if isinstance(content, ContentRoot) else find_content(content)
    facts = load_catalog(root, master=master) if catalog is None else catalog
    named = read_named_holdings(holdings, as_of=as_of) if is_named(holdings) else None
    book = load_holdings(
        holdings if named is None else named,
        as_of=as_of,
        benchmark=benchmark,
        name=name,
        allow_rejects=allow_rejects,
        master=facts.master,
        content=facts.root.path,
        layout=layout,
    )
    chosen, source = _mandate(holdings, mandate, named)
    risk = load_risk(facts.root, book.as_of)
    if max_age is not None:
        check_age(risk, book.as_of, max_age)
    return Inputs(book, facts, chosen, source, risk, named)


def _mandate(
    holdings: str | Path | Any, mandate: str | Path | Mandate | None, named: NamedFrame | None
) -> tuple[Mandate | None, str | None]:
    if isinstance(mandate, Mandate):
        return mandate, None
    if mandate is not None:
        return load_mandate(Path(mandate)), Path(mandate).name
    if named is not None:  # nothing lies beside a database
        if named.mandate is None:
            return None, None
        return load_mandate(named.mandate), f"{named.mandate.name} (of {named.label})"
    if isinstance(holdings, str | Path):
        beside = Path(holdings).parent / "mandate.toml"
        if beside.is_file():
            return load_mandate(beside), f"{beside.name} (beside the holdings)"
    return None, None


def need_mandate(inputs: Inputs, holdings: object) -> Mandate:
    """Return the mandate, or say where one is expected.

    Raises
    ------
    MandateError
        If there is none.
    """
    if inputs.mandate is None and inputs.named is not None:
        label = inputs.named.label
        raise MandateError(
            "a rebalance needs a mandate",
            places=[Place(PROJECT, f"names no mandate for {label}")],
            cure=f'--mandate FILE, or mandate = "FILE" in [holdings.{label.removeprefix("@")}]',
        )
    if inputs.mandate is None:
        where = holdings.name if isinstance(holdings, Path) else "the holdings"
        raise MandateError(
            "a rebalance needs a mandate",
            places=[Place("mandate.toml", f"is not beside {where}")],
            cure="--mandate FILE, or put mandate.toml beside the holdings",
        )
    return inputs.mandate


def check_age(risk: RiskModel | None, as_of: date, max_age: int) -> None:
    """Refuse risk data older than ``max_age`` days.

    Raises
    ------
    StaleData
        With the day of the data and their age.
    """
    if risk is None:
        raise StaleData(
            f"no risk snapshot on or before {as_of.isoformat()}",
            cure="exposure risk estimate PRICES --indices INDICES --as-of DATE --out DIR",
        )
    age = (as_of - risk.as_of).days
    if age > max_age:
        raise StaleData(
            f"the risk snapshot of {risk.as_of.isoformat()} is {age} days old; at most {max_age} are allowed",
            cure="exposure risk estimate PRICES --indices INDICES --as-of DATE --out DIR",
        )


def read_prices(paths: Sequence[Path]) -> pl.DataFrame:
    """Read daily closes from CSV or parquet files and join them.

    Raises
    ------
    HoldingsError
        If a file is missing or no table.
    """
    return pl.concat([_price_types(price_table(path)) for path in paths], how="diagonal")


def _price_types(frame: pl.DataFrame) -> pl.DataFrame:
    """Give the columns of a price file one name and type, whatever the vendor calls them."""
    names = {
        **dict.fromkeys(LISTING_COLUMNS, "listing_id"),
        **dict.fromkeys(CLOSE_COLUMNS, "close"),
        "volume": "volume_shares",
    }
    frame = frame.rename(
        {
            old: new
            for old, new in names.items()
            if old in frame.columns and new not in frame.columns
        }
    )
    date_column = pl.col("date")
    if frame.schema.get("date") == pl.String:
        date_column = date_column.str.to_date("%Y-%m-%d", strict=False)
    wanted = {
        "listing_id": pl.col("listing_id").cast(pl.String),
        "index_code": pl.col("index_code").cast(pl.String),
        "date": date_column.cast(pl.Date),
        "close": pl.col("close").cast(pl.Float64, strict=False),
        "volume_shares": pl.col("volume_shares").cast(pl.Float64, strict=False),
    }
    return frame.select(column for name, column in wanted.items() if name in frame.columns)
