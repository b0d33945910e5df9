"""The text of the headline and of the concentration, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from exposure.cli.output import aligned, percent, signed_percent, width

if TYPE_CHECKING:
    import polars as pl

    from exposure.factors.catalog import Catalog
    from exposure.factors.concentration import PortfolioConcentration
    from exposure.portfolios.holdings import Book
    from exposure.scenarios.headline import Headline

COLUMNS = 100
ROUNDING = 1e-9  # a narrower band is a point


def bands_text(bands: pl.DataFrame, catalog: Catalog) -> str:
    """Return how sure each exposure is: the band of draws, the two brackets, and the fact that matters most."""
    rows = [["how sure", "mid", "5–95%", "independent", "common", "most of it rests on"]]
    for row in bands.filter(bands["sd"] > ROUNDING).iter_rows(named=True):
        factor = catalog.factors[row["factor_id"]]
        if factor.highest > 1:
            continue
        share, item = row["largest_share"], row["largest_item"]
        rest = "" if item is None else f"{share:.0%} {_fact(item)}"
        rows.append(
            [
                row["factor_id"],
                percent(row["mid"]),
                f"{percent(row['band_lo'])}–{percent(row['band_hi'])}",
                f"± {percent(row['sd_independent'])}",
                f"± {percent(row['sd_common'])}",
                rest,
            ]
        )
    return aligned(rows) if len(rows) > 1 else ""


def _fact(item: str) -> str:
    """Return the id of a drawn fact: the first where several were settled together."""
    first = item.split("; ")[0].split(": ")[-1]
    name, _, rest = first.partition("#")
    return f"{name} (which peer)" if "which peer" in rest else name


def concentration_text(found: PortfolioConcentration, catalog: Catalog) -> str:
    """Return the sentence, the largest suppliers with their load, and whose suppliers are unknown."""
    lines = [found.sentence("en").replace(" (", "\n  ("), found.sentence("zh")]
    largest = [
        f"{row['name_zh'] or row['node_id']} {percent(row['load'])}"
        for row in found.upstream.iter_rows(named=True)
        if row["load"] > 0
    ]
    if largest:
        lines.append(_fitting("largest load on: ", largest))
    if found.unknown:
        names = dict(catalog.master.issuers.select("issuer_id", "name_zh").iter_rows())
        lines.append(_fitting("no known share: ", [names.get(i, i) for i in found.unknown]))
    return "\n".join(lines) + "\n"


def headline_text(found: Headline, book: Book, catalog: Catalog) -> str:
    """Return the figures of the portfolio, the ranked holdings, and how far the ranking can be trusted."""
    whole = found.portfolio
    scenarios = _scenario_names(catalog)
    if whole.loss is None:
        return "headline: no scenario has both a probability and a known return\n"
    lines = [
        f"expected loss {_bp(whole.loss)} bp (5–95% of draws: {_bp(whole.band_lo)}–{_bp(whole.band_hi)})"
        f"   gain {_bp(whole.gain)} bp, apart",
    ]
    if whole.standalone is not None and whole.standalone > whole.loss + 0.5:
        lines.append(
            f"holding by holding {_bp(whole.standalone)} bp: the rest is offset inside scenarios"
        )
    if whole.worst_scenario is not None:
        name = scenarios.get(whole.worst_scenario, "")
        lines.append(
            f"worst: {name} {whole.worst_scenario} {signed_percent(whole.worst_return)}".replace(
                "  ", " "
            )
        )
    if whole.not_counted:
        named = [f"{scenarios.get(name, '')} {name}".strip() for name in whole.not_counted]
        lines.append(_fitting("not counted, no return is known: ", named))
    if whole.unknown_weight > 0:
        lines.append(
            f"up to {percent(whole.unknown_weight, 0)} of weight has no return in a scenario:"
            " figures are of the known part"
        )
    table = aligned(_rows(found, book, catalog))
    return "\n".join(lines) + "\n\n" + table + "\n" + _trust(found) + "\n"


def _rows(found: Headline, book: Book, catalog: Catalog) -> list[list[str]]:
    held = dict(book.holdings.select("listing_id", "name").iter_rows())
    names = dict(catalog.master.issuers.select("issuer_id", "name_zh").iter_rows())
    rows = [
        [
            "rank",
            "listing",
            "",
            "loss bp",
            "5–95%",
            "gain bp",
            "adds",
            "ranks",
            "tier",
            "above",
            "inferred",
        ]
    ]
    for row in found.listings.iter_rows(named=True):
        ranked = row["rank"] is not None
        known = row["loss"] is not None
        rows.append(
            [
                str(row["rank"]) if ranked else "n/a",
                row["listing_id"],
                str(names.get(row["issuer_id"]) or held.get(row["listing_id"]) or ""),
                _bp(row["loss"]) if known else f"{_bp(row['known_loss'])}+",
                f"{_bp(row['band_lo'])}–{_bp(row['band_hi'])}" if known else "n/a",
                _bp(row["gain"]) if known else f"{_bp(row['known_gain'])}+",
                _bp(row["contribution"]),
                f"{row['rank_lo']}–{row['rank_hi']}" if ranked else "n/a",
                str(row["tier"]) if ranked else "n/a",
                str(row["surely_above"]) if ranked else "n/a",
                percent(row["inferred_share"], 0),
            ]
        )
    return rows


def _trust(found: Headline) -> str:
    how = found.robustness
    legend = (
        "loss, gain: at the points; adds: to the portfolio's loss; above: names it outranks in 95% of draws"
        f"\n5–95%, ranks: {how.draws} draws, whose intervals lean to the worse side of the points"
    )
    if found.listings["rank"].null_count():
        legend += "\n47+: known part; no return in some scenario, so no rank"
    if how.dominance_ratio is None:
        return legend
    tiers = "1 tier" if how.tiers == 1 else f"{how.tiers} tiers"
    lines = [
        legend,
        f"order of pairs: {percent(how.dominance_ratio, 0)} hold whatever the probabilities,"
        f" {percent(how.resolved, 0)} in 95% of draws; {tiers}",
    ]
    closest = found.pairs.filter(found.pairs["feasible"].fill_null(False)).sort("transfer").head(1)
    for row in closest.iter_rows(named=True):
        lines.append(
            f"closest tie: {row['upper']}, {row['lower']} with {100 * row['transfer']:.1f} pp of probability moved"
            f"\n  from {row['from_scenario']} to {row['to_scenario']}"
        )
    lines.append(
        f"Kendall τ {how.kendall_equal:.2f} against equal probabilities,"
        f" {how.kendall_industry:.2f} against the industry alone"
    )
    return "\n".join(lines)


def _scenario_names(catalog: Catalog) -> Mapping[str, str]:
    from exposure.scenarios.reading import scenario_definitions

    return {key: item.name_zh for key, item in scenario_definitions(catalog).items()}


def _bp(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.0f}".replace("-", "−")


def _fitting(head: str, items: list[Any]) -> str:
    """Return the head and as many items as fit on a line, saying how many don't."""
    shown = list(items)
    while True:
        more = len(items) - len(shown)
        text = head + ", ".join(shown) + (f", {more} more" if more else "")
        if width(text) <= COLUMNS or len(shown) <= 1:
            return text
        shown.pop()
