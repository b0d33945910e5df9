"""The plan as orders with reasons, every limit before and after; or, without a plan, the conflict and its repairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exposure.reports.cells import (
    HEAD,
    QUIET,
    SECTION,
    Canvas,
    Link,
    Sheet,
    Style,
    Value,
    address,
    block,
)
from exposure.reports.limits import Limit, conflict_limit
from exposure.reports.run import PlanView
from exposure.reports.sheets.common import (
    FIRST_COLUMN,
    NOT_APPLICABLE,
    NOT_KNOWN,
    Context,
    Entry,
    draw_table,
    rule,
    widen,
)
from exposure.reports.text import (
    Pair,
    bound_text,
    factor_name,
    limit_name,
    limit_value,
    percent,
    scenario_name,
)

# Columns of the limit table as spans of the sheet's columns: first, last, key, alignment.
LIMIT_SPANS = (
    (2, 4, "limit"),
    (5, 5, "bound"),
    (6, 6, "now"),
    (7, 8, "after"),
    (9, 10, "room"),
    (11, 12, "state"),
    (13, 16, "shadow_price"),
)


LEAST_PRICE = 0.05  # bp of tracking error: less prints as nothing


def trade_sheet(context: Context) -> Sheet:
    """Draw the trade sheet."""
    words, plan = context.words, context.run.plan
    canvas = Canvas("trades", context.titles["trades"], tab="green")
    last_col = widen(canvas, context, "trades")
    context.band(canvas, "trades", last_col)
    canvas.heights[3] = 20
    if plan is None:
        canvas.put(3, FIRST_COLUMN, words.line("plan.not_requested"), SECTION)
        bottom = _limits(context, canvas, 5)
    elif plan.solved:
        bottom = _orders(context, canvas, plan)
    else:
        bottom = _conflict(context, canvas, plan)
    canvas.fit_height = 1
    return canvas.sheet(bottom, last_col)


@dataclass(frozen=True, slots=True)
class Order:
    """One order of the plan, with its name and reason in words."""

    number: int
    listing_id: str
    name: Pair
    side: str
    quantity: float
    lot: int | None
    price: float
    currency: str
    fx: float
    notional: float
    cost: float
    weight_before: float
    weight_after: float
    reason: Pair
    blocked: str | None


def orders(context: Context) -> list[Order]:
    """Return the orders of the plan in words, sells first, then by size; blocked ones stay."""
    plan = context.run.plan
    if plan is None or not plan.solved:
        return []
    names = {p.listing_id: (p.name_zh, p.name_en) for p in context.figures.positions}
    trades = sorted(
        plan.trades.iter_rows(named=True),
        key=lambda trade: (trade["side"] == "buy", -trade["notional"], trade["listing_id"]),
    )
    kept = ("listing_id", "side", "quantity", "lot", "price", "currency", "fx", "notional", "cost",
            "weight_before", "weight_after", "blocked")  # fmt: skip
    return [
        Order(
            number=number,
            name=names.get(trade["listing_id"], (trade["listing_id"], trade["listing_id"])),
            reason=reason(context, trade),
            **{key: trade[key] for key in kept},
        )
        for number, trade in enumerate(trades, start=1)
    ]


def reason(context: Context, trade: Mapping[str, Any]) -> Pair:
    """Return why an order is there, in both languages."""
    words, figures = context.words, context.figures
    key = f"reason.{trade['reason_code']}"
    subject = trade["reason_subject"]
    name: Pair = (subject or "", subject or "")
    column = figures.column_of(subject) if subject else None
    card = next((card for card in figures.scenarios if card.id == subject), None)
    if column is not None:
        name = factor_name(words, column, short=True)
    elif card is not None:
        name = scenario_name(words, card, short=True)
    if not words.known(key):
        code = trade["reason_code"]
        return (f"{code} {name[0]}".strip(), f"{code} {name[1]}".strip())
    return words.both(key, name=name)


def _orders(context: Context, canvas: Canvas, plan: PlanView) -> int:
    words = context.words
    canvas.put(
        3, FIRST_COLUMN, words.line("plan.draft"), Style(size=11, bold=True, color="vermilion")
    )
    row = _key_numbers(context, canvas, plan, 4)
    rows: list[dict[str, Entry | Value]] = []
    for order in orders(context):
        word = words.line(f"side.{order.side}")
        colour = "vermilion" if order.side == "sell" else "blue"
        stop = words.maybe(f"blocked.{order.blocked}", order.blocked) if order.blocked else ""
        rows.append(
            {
                "order": order.number,
                "listing": Entry(order.listing_id, _row_link(context, order.listing_id)),
                "name": words.pair(*order.name),
                "side": Entry(word, bold=True, color=colour),
                "quantity": order.quantity,
                "lot": order.lot,
                "price": order.price,
                "currency": order.currency,
                "fx": order.fx,
                "notional": order.notional,
                "cost": order.cost,
                "weight_before": order.weight_before,
                "weight_after": order.weight_after,
                "reason": words.pair(*order.reason),
                "blocked": Entry(stop, bold=True, color="vermilion"),
            }
        )
    last = draw_table(context, canvas, "trades", row, rows, table="trades")
    if not rows:
        last += 1
        canvas.put(last, FIRST_COLUMN, words.line("plan.no_trades"))
    canvas.print_rows = f"{row}:{row}"
    bottom = _limits(context, canvas, last + 2)
    canvas.heights[bottom + 2] = 26
    for col, key in ((2, "prepared"), (6, "reviewed"), (11, "approved")):
        canvas.put(bottom + 2, col, f"{words.line(f'signoff.{key}')}  ____________________", QUIET)
    return bottom + 2


def _row_link(context: Context, listing: str) -> Link | None:
    for number, position in enumerate(context.figures.positions):
        if position.listing_id == listing:
            return context.link("exposure", address(context.exposure.first + number, 2))
    return None


def _key_numbers(context: Context, canvas: Canvas, plan: PlanView, row: int) -> int:
    words, figures = context.words, context.figures
    turnover = None if plan.turnover is None else plan.turnover / 2
    loss = figures.expected_loss(figures.weights)
    after = figures.expected_loss(figures.plan_weights)
    facts = [
        ("tracking_error", _arrow(plan.tracking_error_now, plan.tracking_error_plan)),
        ("turnover_one_way", NOT_KNOWN if turnover is None else percent(turnover)),
        ("cost", NOT_KNOWN if plan.cost_bp is None else f"{plan.cost_bp:.1f} bp"),
        ("cash", _arrow(context.run.cash_weight, plan.cash_plan)),
        ("expected_loss", f"{loss:.0f} → {after:.0f} bp"),
        ("solver", f"{plan.solver_name} {plan.solver_version} · {plan.solver_status}".strip(" ·")),
    ]
    spans = ((2, 4), (5, 6), (7, 9), (10, 11), (12, 14), (15, 16))
    canvas.heights.update({row: 16, row + 1: 22, row + 2: 8})
    for (key, text), (first, last) in zip(facts, spans, strict=True):
        canvas.put(
            row,
            first,
            words.line(f"key.{key}"),
            Style(size=8.5, color="grey", fill="soft", indent=1),
        )
        canvas.put(
            row + 1,
            first,
            text,
            Style(size=12 if key != "solver" else 9, bold=True, fill="soft", indent=1),
        )
        for r in (row, row + 1):
            canvas.merge(r, first, last)
    return row + 3


def _arrow(before: float | None, after: float | None) -> str:
    if before is None and after is None:
        return NOT_KNOWN
    texts = [NOT_KNOWN if value is None else percent(value, 2) for value in (before, after)]
    return " → ".join(texts)


def _limits(context: Context, canvas: Canvas, row: int) -> int:
    words, figures = context.words, context.figures
    canvas.put(row, FIRST_COLUMN, words.line("section.limits"), SECTION)
    canvas.heights[row] = 20
    if not figures.limits:
        canvas.put(row + 1, FIRST_COLUMN, words.line("plan.no_mandate"))
        return row + 1
    _span_heads(context, canvas, row + 1, LIMIT_SPANS)
    first = row + 2
    for number, limit in enumerate(figures.limits):
        now, after = figures.limit_now(limit), figures.limit_after(limit)
        used = after if figures.has_plan else now
        values = {
            "limit": words.pair(*limit_name(words, figures, limit)),
            "bound": bound_text(limit),
            "now": NOT_KNOWN if now is None else limit_value(limit, now),
            "after": NOT_KNOWN if after is None else limit_value(limit, after),
            "room": NOT_KNOWN if used is None else _change(limit, limit.room(used)),
            "state": context.state_word(figures.limit_state(limit, used)),
            "shadow_price": _price_words(context, limit),
        }
        _span_row(canvas, first + number, LIMIT_SPANS, values)
    last = first + len(figures.limits) - 1
    canvas.states.append(block(first, 11, last, 11))
    return last


def _change(limit: Limit, room: float) -> str:
    text = limit_value(limit, room)
    return text if room < 0 else f"+{text}"


def _price_words(context: Context, limit: Limit) -> str:
    price = limit.shadow_price
    if not context.figures.has_plan:
        return NOT_APPLICABLE
    if price is None or abs(price) < LEAST_PRICE:
        return "" if limit.binding else context.words.line("shadow.none")
    return context.words.line("shadow.price", price=f"{abs(price):.1f} bp")


def _conflict(context: Context, canvas: Canvas, plan: PlanView) -> int:
    words, figures = context.words, context.figures
    known = plan.conflict is not None and not plan.conflict.is_empty()
    key = "plan.infeasible" if known else "plan.failed"
    canvas.put(
        3, FIRST_COLUMN, f"■ {words.line(key)}", Style(size=12, bold=True, color="breach_ink")
    )
    row = 5
    if known and plan.conflict is not None:
        canvas.put(4, FIRST_COLUMN, words.line("plan.conflict_note"), QUIET)
        spans = ((2, 4, "limit"), (5, 6, "bound"), (7, 10, "repair"), (11, 14, "verified"))
        _span_heads(context, canvas, row, spans)
        for number, found in enumerate(plan.conflict.iter_rows(named=True), start=1):
            limit = conflict_limit(found)
            repair = found["repair"]
            _span_row(
                canvas,
                row + number,
                spans,
                {
                    "limit": words.pair(*limit_name(words, figures, limit)),
                    "bound": bound_text(limit),
                    "repair": words.line("plan.no_single_repair")
                    if repair is None
                    else f"{limit.sign} {limit_value(limit, repair)}",
                    "verified": words.line(
                        "plan.verified" if found["repair_verified"] else "plan.unverified"
                    ),
                },
            )
        row += plan.conflict.height + 2
    return _limits(context, canvas, row)


def _span_heads(
    context: Context, canvas: Canvas, row: int, spans: tuple[tuple[int, int, str], ...]
) -> None:
    canvas.heights[row] = 30
    for first, last, key in spans:
        canvas.put(row, first, context.words.stack(f"column.{key}"), HEAD)
        if last > first:
            canvas.merge(row, first, last)


def _span_row(
    canvas: Canvas, row: int, spans: tuple[tuple[int, int, str], ...], values: Mapping[str, str]
) -> None:
    canvas.heights[row] = 18
    for first, last, key in spans:
        left = key in ("limit", "shadow_price", "repair", "verified")
        style = Style(size=9, align="left" if left else "center", bold=key == "state")
        canvas.put(row, first, values[key], style)
        if last > first:
            canvas.merge(row, first, last)
    rule(canvas, row, spans[0][0], spans[-1][1])
