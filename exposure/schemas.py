"""Every table that crosses a room, with units. One place to see what flows where.

Raw tables come from outside and are *filtered* (bad rows go on as :class:`DataIssues`); tables of our own making are
*validated* (a bad row is a fault of ours and raises). Shares, weights and returns are fractions, never percent;
money is in the currency of its column; dates are calendar days.

Words used in many tables
    lo, mid, hi     interval and best point of a figure; ``mid`` is null where nobody knows one
    valid_from/to   true in the world from, and up to but not including
    known_on        the first day it could have been known
    status          observed | estimated | imputed | missing | not_applicable
    grade           A filing | B company statement | C broker, press | D analyst prior
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import dataframely as dy
import polars as pl

from exposure.content import SOURCE_ROW
from exposure.errors import ContentError, ExposureError, Place, check_names

STATUSES = ("observed", "estimated", "imputed", "missing", "not_applicable")
COVERED_STATUSES = ("observed", "estimated", "not_applicable")
GRADES = ("A", "B", "C", "D")
SEVERITIES = ("low", "base", "high")
LISTING_PATTERN = r"^([0-9]{6}\.(SH|SZ|BJ)|[0-9]{4,5}\.HK|[A-Z0-9.\-]{1,8}\.(US|KS|TW|T))$"


# --- who can be held (portfolios/) -------------------------------------------------------------------------------


class Issuers(dy.Schema):
    """A company, listed or not."""

    issuer_id = dy.String(primary_key=True, regex=r"^[a-z0-9_]+$")
    name_zh = dy.String()
    name_en = dy.String()
    country = dy.String(regex=r"^[A-Z]{2}$")
    role = dy.String()  # place in the chain: ai_server, chip_designer, foundry, ...
    lei = dy.String(nullable=True, regex=r"^[0-9A-Z]{18}[0-9]{2}$")
    note = dy.String(nullable=True)


class Listings(dy.Schema):
    """One tradable line of an issuer, id in Wind style."""

    listing_id = dy.String(primary_key=True, regex=LISTING_PATTERN)
    issuer_id = dy.String()
    board = dy.String()  # main, chinext, star, bse, hk, us, other
    currency = dy.String(regex=r"^[A-Z]{3}$")
    share_class = dy.String()  # A, H, ordinary, adr
    valid_from = dy.Date(nullable=True)
    valid_to = dy.Date(nullable=True)
    lot = dy.Int64(nullable=True, min=1)  # per-listing lot, where the venue sets none
    source_id = dy.String(nullable=True)
    locator = dy.String(nullable=True)
    isin = dy.String(nullable=True, regex=r"^[A-Z]{2}[A-Z0-9]{9}[0-9]$")
    isin_source = dy.String(nullable=True)  # source_id of the ISIN; never derived from the code
    sedol = dy.String(nullable=True, regex=r"^[0-9B-DF-HJ-NP-TV-Z]{6}[0-9]$")
    figi = dy.String(nullable=True, regex=r"^[B-DF-HJ-NP-TV-Z]{2}G[B-DF-HJ-NP-TV-Z0-9]{8}[0-9]$")


class ReusedCodes(dy.Schema):
    """A company that had, or will have, a code which another company has in :class:`Listings`."""

    listing_id = dy.String(primary_key=True, regex=LISTING_PATTERN)
    issuer_id = dy.String(primary_key=True)
    board = dy.String()
    currency = dy.String(regex=r"^[A-Z]{3}$")
    share_class = dy.String()
    valid_from = dy.Date(nullable=True)
    valid_to = dy.Date(nullable=True)  # null: nobody says; at the latest when the other begins
    known_on = dy.Date(nullable=True)  # the day of the master that shows it
    isin = dy.String(nullable=True)
    sedol = dy.String(nullable=True)
    figi = dy.String(nullable=True)


class Aliases(dy.Schema):
    """A name under which an issuer is or was known; days say when it is its name."""

    issuer_id = dy.String(primary_key=True)
    alias = dy.String(primary_key=True)
    language = dy.String(regex=r"^(zh|en)$")
    kind = dy.String()  # short, legal, brand, former, transliteration, subsidiary_brand
    valid_from = dy.Date(nullable=True)
    valid_to = dy.Date(nullable=True)


class Ownership(dy.Schema):
    """Who owns how much of whom [percent of shares]."""

    owner = dy.String(primary_key=True)
    owned = dy.String(primary_key=True)
    lo = dy.Float64(nullable=True, min=0, max=100)
    hi = dy.Float64(nullable=True, min=0, max=100)
    valid_from = dy.Date(primary_key=True)
    valid_to = dy.Date(nullable=True)
    known_on = dy.Date()
    grade = dy.String(regex=r"^[ABCD]$")
    source_id = dy.String()
    locator = dy.String()
    note = dy.String(nullable=True)


class HoldingsFile(dy.Schema):
    """Our own ``holdings.csv``: a code, and a quantity with a price, a value or a weight; the rest may be left out."""

    listing = dy.String()  # 000977.SZ, 000977, SZ000977, 0992.HK, 000977 CH, ...; CASH for cash
    name = dy.String(nullable=True)  # checked against the code
    market = dy.String(nullable=True)
    quantity = dy.Float64(nullable=True)  # shares
    available = dy.Float64(nullable=True)  # shares that may be sold today
    price = dy.Float64(nullable=True)  # local currency per share
    currency = dy.String(nullable=True)
    fx = dy.Float64(nullable=True)  # base currency per unit of local currency
    value = dy.Float64(nullable=True)  # base currency
    weight = dy.Float64(nullable=True)  # fraction or percent of net asset value
    as_of = dy.Date(nullable=True)
    note = dy.String(nullable=True)


class Holdings(dy.Schema):
    """Resolved positions. ``weight`` is the fraction of net asset value."""

    listing_id = dy.String(primary_key=True)
    issuer_id = dy.String(
        nullable=True
    )  # null: the listing is known to the user, not to the catalog
    name = dy.String(nullable=True)
    quantity = dy.Float64(nullable=True)  # shares
    available = dy.Float64(nullable=True)  # shares that may be sold today (T+1)
    price = dy.Float64(nullable=True)  # local currency per share
    currency = dy.String()
    fx = dy.Float64()  # base currency per unit of local currency
    value = dy.Float64(nullable=True)  # base currency
    weight = dy.Float64()
    source_row = dy.Int64(nullable=True)


class DataIssues(dy.Schema):
    """One thing to know about the input: a rejected row, a repair, a doubt."""

    severity = dy.String(regex=r"^(error|warning|info)$")
    file = dy.String()
    sheet = dy.String(nullable=True)
    row = dy.Int64(nullable=True)
    column = dy.String(nullable=True)
    rule = dy.String()  # machine name: code_unknown, zeros_restored, ...
    raw = dy.String(nullable=True)  # the text as found
    message = dy.String()
    cure = dy.String(nullable=True)


class MapColumns(dy.Schema):
    """What a column of a holdings file was taken for."""

    position = dy.Int64(min=1)
    header = dy.String(nullable=True)
    field = dy.String(nullable=True)  # null: not read
    unit = dy.String(nullable=True)  # what its numbers count
    cells = dy.Int64(nullable=True)  # rows with something in it
    example = dy.String(nullable=True)
    remark = dy.String(nullable=True)


# --- what we know (factors/, lists/) ------------------------------------------------------------------------------


class Sources(dy.Schema):
    """Every source once."""

    source_id = dy.String(primary_key=True, regex=r"^[a-z0-9_\-]+$")
    publisher = dy.String()
    title = dy.String()
    published_on = dy.Date(nullable=True)
    url = dy.String(nullable=True)
    citation = dy.String(nullable=True)
    language = dy.String()
    licence = dy.String()

    @dy.rule()
    def has_a_url_or_a_citation(cls) -> pl.Expr:
        """A reader can find the source."""
        return cls.url.col.is_not_null() | cls.citation.col.is_not_null()


class Nodes(dy.Schema):
    """A node of the supply network that is not a company: a capability or a demand pool."""

    node_id = dy.String(primary_key=True, regex=r"^[a-z0-9_]+$")
    kind = dy.String(regex=r"^(capability|demand_pool)$")
    name_zh = dy.String()
    name_en = dy.String()
    note = dy.String(nullable=True)


class Evidence(dy.Schema):
    """One dated fact. A row with a number has a source and a locator; a gap has status ``missing``."""

    evidence_id = dy.String(primary_key=True, regex=r"^[a-z0-9_.\-]+$")
    subject = dy.String()  # issuer, node or market
    measure = dy.String()
    lo = dy.Float64(nullable=True)
    mid = dy.Float64(nullable=True)
    hi = dy.Float64(nullable=True)
    unit = dy.String()
    period = dy.String(nullable=True)
    valid_from = dy.Date()
    valid_to = dy.Date(nullable=True)
    ended_known_on = dy.Date(nullable=True)  # the day the end could have been known
    known_on = dy.Date(nullable=True)  # null only for a gap: it is a gap on every day
    grade = dy.String(nullable=True, regex=r"^[ABCD]$")
    status = dy.String()
    verdict = dy.String(regex=r"^(use|conflict|rejected|denied|needs_source)$")
    source_id = dy.String(nullable=True)
    locator = dy.String(nullable=True)
    formula = dy.String(nullable=True)  # how a derived row follows from other evidence ids
    note = dy.String(nullable=True)

    @dy.rule()
    def status_is_known(cls) -> pl.Expr:
        """The status is one of the five."""
        return cls.status.col.is_in(STATUSES)

    @dy.rule()
    def a_number_has_a_source_and_a_locator(cls) -> pl.Expr:
        """No number without a source, a locator, a grade and the day it became known."""
        has_number = cls.lo.col.is_not_null() | cls.mid.col.is_not_null() | cls.hi.col.is_not_null()
        sourced = (
            cls.source_id.col.is_not_null()
            & cls.locator.col.is_not_null()
            & cls.grade.col.is_not_null()
            & cls.known_on.col.is_not_null()
        )
        return ~has_number | sourced | (cls.verdict.col == "needs_source")

    @dy.rule()
    def a_gap_has_no_number(cls) -> pl.Expr:
        """A row with status ``missing`` carries no number."""
        has_number = cls.lo.col.is_not_null() | cls.mid.col.is_not_null() | cls.hi.col.is_not_null()
        return (cls.status.col != "missing") | ~has_number

    @dy.rule()
    def a_fact_has_a_number(cls) -> pl.Expr:
        """A row that isn't a gap says at least one bound."""
        has_number = cls.lo.col.is_not_null() | cls.mid.col.is_not_null() | cls.hi.col.is_not_null()
        return (cls.status.col == "missing") | has_number

    @dy.rule()
    def interval_is_ordered(cls) -> pl.Expr:
        """Lo ≤ mid ≤ hi where they are stated."""
        lo, mid, hi = cls.lo.col, cls.mid.col, cls.hi.col
        return (
            (lo <= mid).fill_null(True) & (mid <= hi).fill_null(True) & (lo <= hi).fill_null(True)
        )

    @dy.rule()
    def valid_from_is_before_valid_to(cls) -> pl.Expr:
        """A fact that ends, ends after it began."""
        return (cls.valid_from.col < cls.valid_to.col).fill_null(True)


class Links(dy.Schema):
    """A supply link: ``supplier`` sells ``input_kind`` to ``customer``.

    ``lo``, ``mid``, ``hi`` are the share of the customer's **total** cost that goes to this supplier; ``sales_*`` the
    same flow as a share of the supplier's revenue. The two bases are kept apart and never summed.
    """

    link_id = dy.String(primary_key=True, regex=r"^[a-z0-9_.\-]+$")
    supplier = dy.String()
    customer = dy.String()
    input_kind = dy.String()
    criticality = dy.String(regex=r"^(essential|important|ordinary)$")
    lo = dy.Float64(nullable=True, min=0, max=1)
    mid = dy.Float64(nullable=True, min=0, max=1)
    hi = dy.Float64(nullable=True, min=0, max=1)
    kind_lo = dy.Float64(
        nullable=True, min=0, max=1
    )  # share within the customer's purchases of this input kind
    kind_mid = dy.Float64(nullable=True, min=0, max=1)
    kind_hi = dy.Float64(nullable=True, min=0, max=1)
    output_lo = dy.Float64(
        nullable=True, min=0, max=1
    )  # share of the customer's output that needs this input kind
    output_mid = dy.Float64(nullable=True, min=0, max=1)
    output_hi = dy.Float64(nullable=True, min=0, max=1)
    sales_lo = dy.Float64(
        nullable=True, min=0, max=1
    )  # share of the SUPPLIER's revenue that comes from this customer
    sales_mid = dy.Float64(nullable=True, min=0, max=1)
    sales_hi = dy.Float64(nullable=True, min=0, max=1)
    cover_weeks_lo = dy.Float64(nullable=True, min=0)  # stock of the input at the customer, weeks
    cover_weeks_mid = dy.Float64(nullable=True, min=0)
    cover_weeks_hi = dy.Float64(nullable=True, min=0)
    valid_from = dy.Date()
    valid_to = dy.Date(nullable=True)
    ended_known_on = dy.Date(nullable=True)  # the day the end could have been known
    known_on = dy.Date()
    grade = dy.String(regex=r"^[ABCD]$")
    status = dy.String()
    source_id = dy.String()
    locator = dy.String()
    formula = dy.String(nullable=True)  # of the cost share, over evidence ids
    output_formula = dy.String(nullable=True)  # of the output share
    sales_formula = dy.String(nullable=True)  # of the sales share
    note = dy.String(nullable=True)

    @dy.rule()
    def status_is_known(cls) -> pl.Expr:
        """The status is one of the five."""
        return cls.status.col.is_in(STATUSES)

    @dy.rule()
    def interval_is_ordered(cls) -> pl.Expr:
        """Lo ≤ mid ≤ hi where they are stated."""
        lo, mid, hi = cls.lo.col, cls.mid.col, cls.hi.col
        return (
            (lo <= mid).fill_null(True) & (mid <= hi).fill_null(True) & (lo <= hi).fill_null(True)
        )


class Events(dy.Schema):
    """A dated act of a state: a listing, a rule, a counter-measure, a suspension."""

    event_id = dy.String(primary_key=True)
    title_zh = dy.String(nullable=True)
    title_en = dy.String()
    announced = dy.Date(nullable=True)
    effective = dy.Date(nullable=True)
    suspended_from = dy.Date(nullable=True)
    suspended_to = dy.Date(nullable=True)
    ended = dy.Date(nullable=True)
    known_on = dy.Date()
    date_note = dy.String(nullable=True)
    authority = dy.String()
    jurisdiction = dy.String()
    instrument = dy.String()
    mechanism = dy.String()
    nodes = dy.String(nullable=True)  # node and issuer ids, separated by ;
    issuers = dy.String(nullable=True)  # issuer ids, separated by ;
    listings = dy.String(nullable=True)
    scenarios = dy.String(nullable=True)  # scenario ids that represent the act, separated by ;
    in_report = dy.Bool()  # the broker report of 2025-01-24 mentions it
    status_note = dy.String(nullable=True)
    confidence = dy.String(regex=r"^(high|medium|low)$")
    source_id = dy.String()
    locator = dy.String()


class ListLinks(dy.Schema):
    """A reviewed link from an issuer to a row of a sanction list; the only thing that feeds list status."""

    link_id = dy.String(primary_key=True)
    issuer_id = dy.String()
    list_id = dy.String(regex=r"^(EL|SDN|NS-CMIC|1260H|DPL|MEU|UVL|FCC|UEL|SHTC)$")
    row_name = dy.String()
    row_key = dy.String()
    relation = dy.String(regex=r"^(self|subsidiary|parent|sister|homonym|none)$")
    mechanism = dy.String()
    footnote = dy.String(nullable=True)
    citation = dy.String()
    earliest = dy.Date(
        nullable=True
    )  # where only a span is known: not before; valid_from is its last day
    valid_from = dy.Date()
    valid_to = dy.Date(nullable=True)
    known_on = dy.Date()
    ended_known_on = dy.Date(nullable=True)  # the day the end could have been known
    decision = dy.String(regex=r"^(accepted|rejected)$")
    reviewer_note = dy.String(nullable=True)
    reviewed_on = dy.Date()
    source_id = dy.String()
    locator = dy.String()


class ListStatus(dy.Schema):
    """What one list says of one issuer on one day; there is no "clear"."""

    issuer_id = dy.String(primary_key=True)
    list_id = dy.String(primary_key=True)
    status = dy.String(regex=r"^(listed|related|not_on_list|unresolved)$")
    relation = dy.String(nullable=True)
    row_name = dy.String(nullable=True)
    mechanisms = dy.String(nullable=True)  # separated by ;
    footnote = dy.String(nullable=True)
    citation = dy.String(nullable=True)
    valid_from = dy.Date(nullable=True)
    known_on = dy.Date(nullable=True)
    link_ids = dy.List(dy.String())
    wording = dy.String()  # the sentence to print


class FactorScores(dy.Schema):
    """The answer to a factor's question about an issuer, in the factor's unit."""

    issuer_id = dy.String(primary_key=True)
    factor_id = dy.String(primary_key=True)
    basis = dy.String(primary_key=True)  # main, or a second base such as gross_profit
    lo = dy.Float64()
    mid = dy.Float64(nullable=True)
    hi = dy.Float64()
    unit = dy.String()
    status = dy.String()
    grade = dy.String(nullable=True)  # the worst grade of the evidence used
    tier_0 = dy.Float64(nullable=True)  # split of mid by distance from the factor node
    tier_1 = dy.Float64(nullable=True)
    tier_2 = dy.Float64(nullable=True)
    tier_3plus = dy.Float64(nullable=True)
    critical_lo = dy.Float64(
        nullable=True
    )  # output lost if the factor is fully cut, no substitution
    critical_mid = dy.Float64(nullable=True)
    critical_hi = dy.Float64(nullable=True)
    walk_lo = dy.Float64(nullable=True)  # what the links alone say, where a filing speaks too
    walk_mid = dy.Float64(nullable=True)
    walk_hi = dy.Float64(nullable=True)
    disclosed_lo = dy.Float64(nullable=True)  # what the filing alone says
    disclosed_mid = dy.Float64(nullable=True)
    disclosed_hi = dy.Float64(nullable=True)
    known_on = dy.Date(nullable=True)  # of the newest evidence used
    age_days = dy.Int64(nullable=True)
    stale = dy.Bool()
    evidence_ids = dy.List(dy.String())  # evidence, link and list-link ids
    note = dy.String(nullable=True)

    @dy.rule()
    def interval_is_ordered(cls) -> pl.Expr:
        """Lo ≤ mid ≤ hi."""
        lo, mid, hi = cls.lo.col, cls.mid.col, cls.hi.col
        return (
            (lo <= hi + 1e-12)
            & (lo <= mid + 1e-12).fill_null(True)
            & (mid <= hi + 1e-12).fill_null(True)
        )

    @dy.rule()
    def missing_has_no_mid(cls) -> pl.Expr:
        """Missing is never zero."""
        return (cls.status.col != "missing") | cls.mid.col.is_null()


class PositionScores(dy.Schema):
    """Scores of the issuers behind the holdings, one row a listing, factor and basis."""

    listing_id = dy.String(primary_key=True)
    factor_id = dy.String(primary_key=True)
    basis = dy.String(primary_key=True)
    issuer_id = dy.String(nullable=True)
    weight = dy.Float64()
    lo = dy.Float64()
    mid = dy.Float64(nullable=True)
    hi = dy.Float64()
    unit = dy.String()
    status = dy.String()
    grade = dy.String(nullable=True)
    stale = dy.Bool()
    evidence_ids = dy.List(dy.String())


class FactorExposures(dy.Schema):
    """Portfolio exposure to each factor: Σ weight · score."""

    factor_id = dy.String(primary_key=True)
    basis = dy.String(primary_key=True)
    lo = dy.Float64()
    mid = dy.Float64(
        nullable=True
    )  # over listings with a mid, null if none has; read it with coverage
    hi = dy.Float64()
    unit = dy.String()
    coverage = dy.Float64(
        min=-1e-9, max=1 + 1e-9
    )  # weight with observed, estimated or not-applicable scores
    with_mid = dy.Float64(min=-1e-9, max=1 + 1e-9)  # weight that has a mid, priors included
    benchmark = dy.Float64(nullable=True)
    benchmark_coverage = dy.Float64(nullable=True)
    active = dy.Float64(nullable=True)
    sign = dy.String()  # harm, gain, two_sided, mitigant


class ExposureBands(dy.Schema):
    """How far an exposure moves when every fact errs inside its interval; all in the factor's unit."""

    factor_id = dy.String(primary_key=True)
    basis = dy.String(primary_key=True)
    unit = dy.String()
    mid = dy.Float64()
    band_lo = dy.Float64()  # 5% of the draws lie below
    band_hi = dy.Float64()  # 5% of the draws lie above
    sd = dy.Float64(min=0)  # of the draws, each fact shared by all that rest on it
    sd_independent = dy.Float64(min=0)  # bracket: every score errs on its own
    sd_common = dy.Float64(min=0)  # bracket: all err alike
    sd_mixed = dy.Float64(min=0)  # bracket: correlation 0.3
    largest_item = dy.String(nullable=True)  # the fact with the largest part in the variance
    largest_share = dy.Float64(nullable=True)
    issuers = dy.Int64()  # whose score has a mid
    draws = dy.Int64()


class ResearchPoints(dy.Schema):
    """A data point that makes a factor exposure uncertain; ``width`` adds up to the width of the exposure."""

    factor_id = dy.String(primary_key=True)
    point_id = dy.String(primary_key=True)
    kind = dy.String()  # link, suppliers, customers, figure, screening
    subject = dy.String()  # issuer or node
    about = dy.String()
    width = dy.Float64(min=0)  # part of Σ weight · (hi − lo), in the factor's unit
    share = dy.Float64()  # of the exposure's whole width
    moves = dy.Float64(nullable=True)  # how far the point exposure can move
    unit = dy.String()
    lo = dy.Float64(nullable=True)  # what is known of the data point now
    mid = dy.Float64(nullable=True)
    hi = dy.Float64(nullable=True)
    grade = dy.String(nullable=True)
    status = dy.String()
    evidence_ids = dy.List(dy.String())
    look_at = dy.String()


class Contributions(dy.Schema):
    """weight · score per listing; the mids of a factor add up to its exposure."""

    listing_id = dy.String(primary_key=True)
    factor_id = dy.String(primary_key=True)
    basis = dy.String(primary_key=True)
    weight = dy.Float64()
    score = dy.Float64(nullable=True)
    contribution = dy.Float64()  # 0 where the score is missing: see status
    share = dy.Float64(nullable=True)
    status = dy.String()


# --- what would happen (scenarios/) -------------------------------------------------------------------------------


class ScenarioReturns(dy.Schema):
    """Signed return of a listing in a scenario [fraction]; losses are negative."""

    scenario_id = dy.String(primary_key=True)
    severity = dy.String(primary_key=True, regex=r"^(low|base|high)$")
    listing_id = dy.String(primary_key=True)
    issuer_id = dy.String(nullable=True)
    ret = dy.Float64(nullable=True)  # null where neither graph nor risk model reaches the listing
    ret_lo = dy.Float64(nullable=True)  # worst end of the interval from duration, links and margins
    ret_hi = dy.Float64(nullable=True)
    output_loss = dy.Float64(nullable=True)  # fraction of the horizon's output, ≥ 0
    output_gain = dy.Float64(nullable=True)  # fraction, ≥ 0
    origin = dy.String(regex=r"^(modelled|inferred|none)$")
    channel = dy.String(
        nullable=True
    )  # the largest cause: direct, upstream, demand, gain, forced_selling, listing


class ScenarioResults(dy.Schema):
    """Portfolio result per scenario and severity."""

    scenario_id = dy.String(primary_key=True)
    severity = dy.String(primary_key=True, regex=r"^(low|base|high)$")
    result = dy.Float64(nullable=True)  # null where nothing reaches any position: unknown, not zero
    result_lo = dy.Float64(nullable=True)
    result_hi = dy.Float64(nullable=True)
    loss_part = dy.Float64()  # Σ of losing positions, ≤ 0
    gain_part = dy.Float64()  # Σ of gaining positions, ≥ 0
    modelled_weight = dy.Float64()
    inferred_weight = dy.Float64()
    unmodelled_weight = dy.Float64()
    probability = dy.Float64(nullable=True)
    plausibility_d = dy.Float64(nullable=True)  # Mahalanobis distance, kept apart from probability
    plausibility_p = dy.Float64(nullable=True)
    worst_listing = dy.String(nullable=True)
    best_listing = dy.String(nullable=True)


# --- risk and optimiser -------------------------------------------------------------------------------------------


class RiskLoadings(dy.Schema):
    """Loading of a listing on a risk factor."""

    listing_id = dy.String(primary_key=True)
    risk_factor = dy.String(primary_key=True)
    loading = dy.Float64()
    origin = dy.String(regex=r"^(estimated|prior)$")


class RiskFactorCovariance(dy.Schema):
    """Covariance of risk-factor returns, per year."""

    risk_factor = dy.String(primary_key=True)
    other = dy.String(primary_key=True)
    covariance = dy.Float64()


class RiskSpecific(dy.Schema):
    """Specific variance per year, with what it rests on."""

    listing_id = dy.String(primary_key=True)
    specific_variance = dy.Float64(min=0)
    observations = dy.Int64(min=0)
    limit_days = dy.Int64(min=0)
    origin = dy.String(regex=r"^(estimated|prior)$")
    daily_volume = dy.Float64(nullable=True)  # median shares a day


class Benchmark(dy.Schema):
    """Benchmark weights, fractions that sum to 1."""

    listing_id = dy.String(primary_key=True)
    weight = dy.Float64(min=0, max=1)


class PlanWeights(dy.Schema):
    """Weights now, in the solver's answer, and after rounding to lots."""

    listing_id = dy.String(primary_key=True)
    weight_now = dy.Float64()
    weight_target = dy.Float64()  # solver, before lots
    weight_plan = dy.Float64()  # after lots: what the trades reach
    benchmark = dy.Float64(nullable=True)


class Trades(dy.Schema):
    """One order a row. Blocked orders stay, with the reason."""

    listing_id = dy.String(primary_key=True)
    side = dy.String(regex=r"^(buy|sell)$")
    quantity = dy.Float64(min=0)  # shares
    lot = dy.Int64(nullable=True)
    price = dy.Float64()  # local currency
    currency = dy.String()
    fx = dy.Float64()
    notional = dy.Float64()  # base currency
    cost = dy.Float64()  # base currency
    weight_before = dy.Float64()
    weight_after = dy.Float64()
    reason_code = dy.String()  # lowers_factor | raises_benchmark_fit | lowers_scenario_loss | ...
    reason_subject = dy.String(nullable=True)  # factor or scenario id
    blocked = dy.String(
        nullable=True
    )  # null, or suspended | limit_up | limit_down | t_plus_1 | below_lot


class PlanLimits(dy.Schema):
    """Every limit of the mandate, before and after."""

    name = dy.String(primary_key=True)  # e.g. foundry_node_dependence, scenario:hbm_ban, turnover
    kind = (
        dy.String()
    )  # factor | scenario | position | issuer | turnover | cash | coverage | exclusion | budget
    sense = dy.String(regex=r"^(<=|>=|==)$")
    now = dy.Float64(nullable=True)
    target = dy.Float64(nullable=True)  # at the solver's answer
    plan = dy.Float64(nullable=True)  # after lots
    bound = dy.Float64()
    unit = dy.String()
    room = dy.Float64(nullable=True)
    binding = dy.Bool()
    shadow_price = dy.Float64(
        nullable=True
    )  # bp of tracking error per one percentage point of limit
    state = dy.String(regex=r"^(ok|watch|at_limit|breach|unknown)$")


class PlanConflict(dy.Schema):
    """A minimal set of limits that can't hold together, and what alone would free it."""

    name = dy.String(primary_key=True)
    kind = dy.String()
    sense = dy.String()
    bound = dy.Float64()
    unit = dy.String()
    repair = dy.Float64(
        nullable=True
    )  # the bound that alone restores feasibility; null: no single change is enough
    repair_verified = dy.Bool()


class HeadlineListings(dy.Schema):
    """Expected scenario loss and gain of a holding in basis points, never netted, with its place in the ranking."""

    listing_id = dy.String(primary_key=True)
    issuer_id = dy.String(nullable=True)
    weight = dy.Float64()
    loss = dy.Float64(nullable=True, min=0)  # null where a counted scenario has no return for it
    loss_lo = dy.Float64(nullable=True, min=0)  # every probability, severity and return at its best
    loss_hi = dy.Float64(nullable=True, min=0)  # ... and at its worst
    band_lo = dy.Float64(nullable=True, min=0)  # 5% of the draws lie below
    band_hi = dy.Float64(nullable=True, min=0)  # 5% of the draws lie above
    band_mean = dy.Float64(nullable=True, min=0)
    gain = dy.Float64(nullable=True, min=0)
    gain_lo = dy.Float64(nullable=True, min=0)
    gain_hi = dy.Float64(nullable=True, min=0)
    known_loss = dy.Float64(min=0)  # over scenarios with a return: a floor if some lack one
    known_gain = dy.Float64(min=0)
    inferred_share = dy.Float64(nullable=True)  # of known_loss; null where there is none
    contribution = dy.Float64()  # to the portfolio's loss; adds up to it exactly
    worst_scenario = dy.String(nullable=True)
    worst_return = dy.Float64(nullable=True)
    rank = dy.Int64(nullable=True)
    rank_lo = dy.Int64(nullable=True)  # best rank of the 5-95% interval
    rank_hi = dy.Int64(nullable=True)
    tier = dy.Int64(nullable=True)
    surely_above = dy.Int64(nullable=True)  # holdings it outranks in 95% of the draws
    missing = dy.List(dy.String())  # scenarios with a probability but no return for it


class HeadlineScenarios(dy.Schema):
    """What each scenario does to the portfolio, whatever its probability, and what it adds to the headline."""

    scenario_id = dy.String(primary_key=True)
    low = dy.Float64(nullable=True)  # return of the portfolio [fraction]; null: unknown, not zero
    base = dy.Float64(nullable=True)
    high = dy.Float64(nullable=True)
    probability_lo = dy.Float64(nullable=True)
    probability = dy.Float64(nullable=True)
    probability_hi = dy.Float64(nullable=True)
    counted = dy.Bool()
    reason = dy.String(nullable=True, regex=r"^(no_probability|no_return)$")  # why not counted
    loss = dy.Float64()  # basis points of the headline
    gain = dy.Float64()
    standalone = dy.Float64()  # loss if holdings did not offset each other inside the scenario
    unknown_weight = dy.Float64()


class HeadlinePairs(dy.Schema):
    """Two holdings in the order of the ranking, and what it takes to turn them round."""

    upper = dy.String(primary_key=True)
    lower = dy.String(primary_key=True)
    gap = dy.Float64(min=0)  # basis points
    probability_above = dy.Float64(min=0, max=1)
    dominates = dy.Bool()  # the order holds whatever the probabilities
    adjacent = dy.Bool()
    tied = dy.Bool()  # their rank intervals overlap
    transfer = dy.Float64(nullable=True)  # adjacent pairs: probability to move so that they tie
    from_scenario = dy.String(nullable=True)
    to_scenario = dy.String(nullable=True)
    feasible = dy.Bool(nullable=True)  # the two probabilities have that much to give and take


class UpstreamNodes(dy.Schema):
    """Load of a portfolio on an upstream supplier: share of its cost that first hits it [fraction]."""

    node_id = dy.String(primary_key=True)
    name_zh = dy.String(nullable=True)
    name_en = dy.String(nullable=True)
    kind = dy.String()  # issuer, capability
    load_lo = dy.Float64(min=0)
    load = dy.Float64(min=0)  # at the points; an unknown share counts in load_hi only
    load_hi = dy.Float64(min=0)
    share = dy.Float64()  # of the load on all nodes
    issuers = dy.List(dy.String())  # who hangs on it, the largest first


class UpstreamHoldings(dy.Schema):
    """Which holding hangs on which upstream supplier; ``load`` adds up to the node's."""

    node_id = dy.String(primary_key=True)
    issuer_id = dy.String(primary_key=True)
    weight = dy.Float64(min=0)  # of the invested part
    share = dy.Float64(min=0, max=1)  # of the holding's cost that first hits the node
    load = dy.Float64(min=0)


TABLES: dict[str, type[dy.Schema]] = {
    "portfolios.issuers": Issuers,
    "portfolios.listings": Listings,
    "portfolios.aliases": Aliases,
    "portfolios.ownership": Ownership,
    "input.holdings": HoldingsFile,
    "book.holdings": Holdings,
    "book.issues": DataIssues,
    "map.columns": MapColumns,
    "book.benchmark": Benchmark,
    "factors.sources": Sources,
    "factors.nodes": Nodes,
    "factors.evidence": Evidence,
    "factors.links": Links,
    "factors.events": Events,
    "lists.links": ListLinks,
    "lists.status": ListStatus,
    "score.issuers": FactorScores,
    "score.positions": PositionScores,
    "score.factors": FactorExposures,
    "score.contributions": Contributions,
    "score.bands": ExposureBands,
    "score.upstream": UpstreamNodes,
    "score.upstream_holdings": UpstreamHoldings,
    "data.next": ResearchPoints,
    "stress.positions": ScenarioReturns,
    "stress.portfolio": ScenarioResults,
    "headline.listings": HeadlineListings,
    "headline.scenarios": HeadlineScenarios,
    "headline.pairs": HeadlinePairs,
    "risk.loadings": RiskLoadings,
    "risk.factor_covariance": RiskFactorCovariance,
    "risk.specific": RiskSpecific,
    "plan.weights": PlanWeights,
    "plan.trades": Trades,
    "plan.limits": PlanLimits,
    "plan.conflict": PlanConflict,
}


def empty(schema: type[dy.Schema]) -> pl.DataFrame:
    """Return a frame without rows in the shape of ``schema``.

    Examples
    --------
    >>> empty(Benchmark).columns
    ['listing_id', 'weight']
    """
    return pl.DataFrame(schema={name: column.dtype for name, column in schema.columns().items()})


def validated(frame: pl.DataFrame, schema: type[dy.Schema]) -> pl.DataFrame:
    """Return ``frame`` with the columns of ``schema`` in order, checked; a fault here is ours.

    Raises
    ------
    dataframely.exc.ValidationError
        If a row breaks a rule.
    """
    ordered = frame.select(
        pl.col(name).cast(column.dtype) for name, column in schema.columns().items()
    )
    return schema.validate(ordered)


def typed_from_text(
    raw: pl.DataFrame,
    schema: type[dy.Schema],
    file: str,
    *,
    error: type[ExposureError] = ContentError,
) -> pl.DataFrame:
    """Turn a text frame of our own content into ``schema``, or refuse it with file and line.

    Parameters
    ----------
    raw
        Text columns plus ``source_row`` (see :meth:`exposure.content.ContentRoot.read_csv`).
    file
        The name to show.

    Returns
    -------
    polars.DataFrame
        The columns of ``schema``; a nullable column that the file lacks is filled with null.

    Raises
    ------
    ExposureError
        ``error`` with one place a faulty cell: unknown or missing column, text that isn't a number or date, a broken
        rule, a repeated key.
    """
    columns = schema.columns()
    _check_header(raw, schema, file, error)
    # one pass over all columns: a table is small, and each pass costs more than its rows
    present = [name for name in columns if name in raw.columns]
    parsed = raw.select(_parse(name, columns[name].dtype) for name in present)
    failed = raw.select(
        (pl.col(name).is_not_null() & parsed[name].is_null()).alias(name) for name in present
    )
    places: list[Place] = []
    if failed.select(pl.any_horizontal(pl.all()).any()).item():
        for name in present:
            cells = raw.filter(failed[name]).select(SOURCE_ROW, name)
            why = f"is not {_kind(columns[name].dtype)}"
            places += [
                Place(file, why, row=row, column=name, value=text)
                for row, text in cells.iter_rows()
            ]
    if places:
        raise error(
            f"{file} has {len(places)} cells that can't be read",
            places=places,
            cure=f"correct {file}",
        )
    kept = parsed.select(
        name if name in parsed.columns else pl.lit(None, dtype=column.dtype).alias(name)
        for name, column in columns.items()
    )
    result = schema.filter(kept)
    if len(result.failure):
        places = _rule_places(kept.insert_column(0, raw[SOURCE_ROW]), schema, file)
        raise error(f"{file} breaks {len(places)} rules", places=places, cure=f"correct {file}")
    return kept


def _check_header(
    raw: pl.DataFrame, schema: type[dy.Schema], file: str, error: type[ExposureError]
) -> None:
    columns = schema.columns()
    unknown = [name for name in raw.columns if name not in columns and name != SOURCE_ROW]
    lacking = [
        name for name, column in columns.items() if name not in raw.columns and not column.nullable
    ]
    places = [Place(file, "is not a column of this table", row=1, column=name) for name in unknown]
    places += [Place(file, "is missing from the header", row=1, column=name) for name in lacking]
    if places:
        raise error(
            f"{file} has a wrong header",
            places=places,
            cure=f"the columns are: {', '.join(columns)}",
        )


def _rule_places(frame: pl.DataFrame, schema: type[dy.Schema], file: str) -> list[Place]:
    kept = frame.select(list(schema.columns()))
    details = schema.filter(kept).failure.details()
    rule_columns = [name for name in details.columns if name not in kept.columns]
    keys = [name for name, column in schema.columns().items() if column.primary_key]
    lines = frame.select(SOURCE_ROW, *schema.columns())
    join_on = keys or list(schema.columns())
    seen: set[tuple[int, str]] = set()
    places: list[Place] = []
    for record in details.to_dicts():
        match = pl.all_horizontal(
            *(pl.col(name).eq_missing(pl.lit(record[name])) for name in join_on)
        )
        for row in lines.filter(match)[SOURCE_ROW].to_list():
            for rule in rule_columns:
                if str(record[rule]) != "invalid" or (row, rule) in seen:
                    continue
                seen.add((row, rule))
                column, _, name = rule.rpartition("|")
                why = "repeats a key of another row" if name == "primary_key" else _sentence(name)
                places.append(Place(file, why, row=row, column=column or None))
    return sorted(places, key=lambda place: place.row or 0)


def _sentence(rule: str) -> str:
    known = {"nullability": "must not be empty", "regex": "has a form that isn't allowed"}
    return known.get(rule, f"breaks the rule: {rule.replace('_', ' ')}")


def _parse(name: str, dtype: pl.DataType) -> pl.Expr:
    text = pl.col(name)
    if dtype == pl.Date:
        return text.str.to_date("%Y-%m-%d", strict=False)
    if dtype == pl.Boolean:
        return text.str.to_lowercase().replace_strict(
            {"true": True, "false": False}, default=None, return_dtype=pl.Boolean
        )
    if dtype == pl.Float64 or dtype == pl.Int64:  # polars compares a type with an instance
        return text.cast(dtype, strict=False)
    return text


def _kind(dtype: pl.DataType) -> str:
    if dtype == pl.Date:
        return "a date (YYYY-MM-DD)"
    if dtype == pl.Boolean:
        return "true or false"
    return "a whole number" if dtype == pl.Int64 else "a number"


def concat_issues(parts: Iterable[pl.DataFrame] | Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Join issue tables, keeping their order."""
    frames = [part for part in parts if part.height]
    return pl.concat(frames) if frames else empty(DataIssues)


def issue(
    severity: str,
    file: str,
    rule: str,
    message: str,
    *,
    sheet: str | None = None,
    row: int | None = None,
    column: str | None = None,
    raw: str | None = None,
    cure: str | None = None,
) -> dict[str, object]:
    """Return one row of :class:`DataIssues` as a dictionary."""
    return {
        "severity": severity,
        "file": file,
        "sheet": sheet,
        "row": row,
        "column": column,
        "rule": rule,
        "raw": raw,
        "message": message,
        "cure": cure,
    }


def issues_frame(rows: Sequence[dict[str, object]]) -> pl.DataFrame:
    """Return :class:`DataIssues` from rows made by :func:`issue`."""
    return validated(pl.DataFrame(rows, schema=empty(DataIssues).schema), DataIssues)


def schema(table: str) -> pl.DataFrame:
    """Return the columns of a table: name, type, whether it may be empty, whether it is part of the key.

    Raises
    ------
    UsageError
        If no table has that name.

    Examples
    --------
    >>> schema("book.benchmark")["column"].to_list()
    ['listing_id', 'weight']
    """
    check_names([table], TABLES, "table")
    return pl.DataFrame(
        [
            (name, str(c.dtype), c.nullable, c.primary_key)
            for name, c in TABLES[table].columns().items()
        ],
        schema=["column", "dtype", "nullable", "key"],
        orient="row",
    )
