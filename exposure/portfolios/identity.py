"""Which listing each row is: every distinct code, name and market is asked about once."""

from __future__ import annotations

import polars as pl

from exposure.content import SOURCE_ROW
from exposure.portfolios.accounts import NOT_A_SHARE
from exposure.portfolios.body import LONE
from exposure.portfolios.headers import SECOND_CODE
from exposure.portfolios.lines import FAULTS, IS_CASH, OK, Lines
from exposure.portfolios.securities import Remark, Resolution, Resolver

_IDENTITY = ["code", "name", "market"]


def resolve(lines: Lines, resolver: Resolver) -> None:
    """Find the listing of every row: each distinct code, name and market is asked about once."""
    asked = (
        lines.rows.filter(~IS_CASH & pl.col(NOT_A_SHARE).is_null())
        .group_by(*_IDENTITY, SECOND_CODE, maintain_order=True)
        .agg(pl.col(SOURCE_ROW).first())
    )
    answers: list[Resolution] = []
    column = lines.raw.header("code") or lines.raw.header("name")
    for code, name, market, _, row in asked.iter_rows():
        answer = resolver.resolve(code, name, market)
        answers.append(answer)
        for remark in answer.remarks:
            lines.say(
                remark.severity, remark.rule, remark.message, row=row, column=column,
                raw=code or name,
            )  # fmt: skip
    _ask_second_codes(asked, answers, resolver)
    found = asked.select(_IDENTITY).with_columns(
        pl.Series("found", [a.listing_id for a in answers], dtype=pl.String),
        pl.Series("owner", [a.issuer_id for a in answers], dtype=pl.String),
        pl.Series("at", range(len(answers)), dtype=pl.Int64),
    )
    found = found.with_columns(asked[SECOND_CODE])
    joined = lines.rows.join(
        found,
        on=[*_IDENTITY, SECOND_CODE],
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )
    lines.rows = joined.with_columns(
        listing_id=pl.when(~IS_CASH).then("found"), issuer_id=pl.when(~IS_CASH).then("owner")
    ).drop("found", "owner", "at")
    trading = {listing: resolver.currency(listing) for listing in found["found"].drop_nulls()}
    if trading:
        quoted = pl.col("listing_id").replace_strict(trading, default=None, return_dtype=pl.String)
        lines.rows = lines.rows.with_columns(currency=pl.coalesce("currency", quoted))
    faulty = {at: answer for at, answer in enumerate(answers) if answer.fault is not None}
    if not faulty:
        return
    remarks = {
        at for at, answer in faulty.items() if answer.fault and answer.fault.rule in _NO_CODE
    }
    alone = joined[LONE].fill_null(value=False) & joined["at"].is_in(list(remarks))
    for row, code, name in joined.filter(alone).select(SOURCE_ROW, "code", "name").iter_rows():
        message = "names no security and states nothing; dropped as a note"
        lines.say("warning", "row_dropped", message, row=row, raw=(code or name)[:200])
    lines.dropped += int(alone.sum())
    lines.rows, joined = lines.rows.filter(~alone), joined.filter(~alone)
    hit = joined["at"].is_in(list(faulty)) & ~joined["is_cash"] & joined[NOT_A_SHARE].is_null()
    bad = joined.filter(hit)
    shown = [*_IDENTITY, SECOND_CODE]
    records = [
        (row, faulty[at].fault, faulty[at].cure or "", faulty[at].field, texts)
        for row, at, *texts in bad.select(SOURCE_ROW, "at", *shown).iter_rows()
    ]
    lines.faults.append(
        pl.DataFrame(
            [
                (row, fault.rule, fault.message, cure, name, texts[shown.index(name)])
                for row, fault, cure, name, texts in records
                if fault is not None
            ],
            schema=dict(FAULTS),
            orient="row",
        )
    )
    lines.rows = lines.rows.with_columns(ok=OK & ~hit.fill_null(value=False))


_NO_CODE = frozenset(
    {"code_form", "code_characters", "name_unknown", "name_characters", "code_is_name"}
)


def _ask_second_codes(asked: pl.DataFrame, answers: list[Resolution], resolver: Resolver) -> None:
    """Let a second column of codes decide where the first can't, and refuse rows in which both disagree."""
    for at, (second, name) in enumerate(asked.select(SECOND_CODE, "name").iter_rows()):
        if second is None:
            continue
        first, other = answers[at], resolver.resolve(second, None, None)
        if other.fault is not None and not other.fault.rule.endswith("check_digit"):
            continue  # the master doesn't know that code, or it doesn't say enough alone
        if first.fault is not None and first.fault.rule in {"code_ambiguous", "code_form"}:
            if other.fault is None:
                answers[at] = resolver.resolve(second, name, None)
            continue
        if other.fault is not None:
            answers[at] = Resolution(fault=other.fault, field=SECOND_CODE, cure=other.cure)
        elif first.fault is None and first.listing_id != other.listing_id:
            why = f"says {other.listing_id}, the other code says {first.listing_id}"
            fault = Remark("codes_disagree", "error", why)
            cure = "correct one of the two codes"
            answers[at] = Resolution(fault=fault, field=SECOND_CODE, cure=cure)
