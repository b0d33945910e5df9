"""The tables of a screening."""

from __future__ import annotations

import dataframely as dy


class ScreenRows(dy.Schema):
    """One line an issuer and list, what matters first."""

    issuer_id = dy.String(nullable=True)  # null: the catalog doesn't know the issuer
    listing_ids = dy.List(dy.String())  # lines of the portfolio, largest weight first
    name_zh = dy.String(nullable=True)
    name_en = dy.String(nullable=True)
    weight = dy.Float64()  # fraction of net asset value, all lines together
    list_id = dy.String()
    status = dy.String(regex=r"^(listed|related|not_on_list|unresolved)$")
    relation = dy.String(nullable=True)
    row_name = dy.String(nullable=True)
    mechanisms = dy.String(nullable=True)
    footnote = dy.String(nullable=True)
    citation = dy.String(nullable=True)
    since = dy.Date(nullable=True)
    known_on = dy.Date(nullable=True)
    us_person = dy.String(
        nullable=True, regex=r"^(yes|sell_only|no|unknown)$"
    )  # null: the list is silent
    sell_by = dy.Date(nullable=True)  # sales end before this day
    meaning_zh = dy.String()
    meaning_en = dy.String()
    edition_date = dy.Date(nullable=True)  # null: no edition was out on the day
    reviewed_on = dy.Date(nullable=True)  # of the link, or of the search that found none
    link_ids = dy.List(dy.String())
    wording = dy.String()


class ListedSuppliers(dy.Schema):
    """A first-tier supplier of a holding that is itself on a list; a fact of the chain, no status of the holding."""

    issuer_id = dy.String()
    supplier_id = dy.String()
    supplier_zh = dy.String()
    supplier_en = dy.String()
    input_kind = dy.String()
    lo = dy.Float64(nullable=True)  # share of the holding's total cost
    mid = dy.Float64(nullable=True)
    hi = dy.Float64(nullable=True)
    list_id = dy.String()
    row_name = dy.String()
    mechanisms = dy.String()
    since = dy.Date()
    link_id = dy.String()  # of the supply


class ListEditions(dy.Schema):
    """The edition that each list rests on."""

    list_id = dy.String(primary_key=True)
    name_zh = dy.String()
    name_en = dy.String()
    edition_date = dy.Date(nullable=True)
    rows = dy.Int64(nullable=True)
    age_days = dy.Int64(nullable=True)
    allowed_days = dy.Int64(
        nullable=True
    )  # of age, before absence from it is no longer to be relied on
    line = dy.String()


class ListNews(dy.Schema):
    """An issuer of the portfolio whose answer on a list is another one than some days ago."""

    issuer_id = dy.String(primary_key=True)
    list_id = dy.String(primary_key=True)
    before = dy.String(nullable=True)  # the sentence of then; null: the list was not asked about
    now = dy.String()
