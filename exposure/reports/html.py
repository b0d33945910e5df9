"""The HTML edition: one file without scripts, the same numbers as the workbook, readable as an e-mail.

Both languages are in the file; a switch at the top hides one of them by style alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

from exposure.content import ContentRoot
from exposure.content.writing import write_text
from exposure.reports.cells import PALETTE, STATE_SHAPES, clean_text
from exposure.reports.figures import FactorColumn, Figures, Position
from exposure.reports.limits import conflict_limit
from exposure.reports.run import Run
from exposure.reports.sheets.common import NOT_APPLICABLE, NOT_KNOWN, Context
from exposure.reports.sheets.evidence import is_web
from exposure.reports.sheets.trades import Order, orders
from exposure.reports.text import (
    LANGUAGES,
    Pair,
    bound_text,
    boxes,
    factor_name,
    limit_name,
    limit_value,
    percent,
    scenario_name,
    signed,
    whole,
)
from exposure.reports.workbook import make_context

STYLE = """
:root{--ink:#1f2933;--grey:#5b6673;--navy:#17324d;--rule:#d5dce4;--soft:#f3f6f9;--paper:#fff;--link:#0072b2;
--breach:#8a2b06;--breach-bg:#fbe3d8;--watch:#7a5200;--watch-bg:#fdf0d0;--ok:#00563f;--ok-bg:#ddf1ea;
--at_limit:#17324d;--at_limit-bg:#dce8f3;--unknown:#4b5563;--unknown-bg:#e9ecf0;--loss:#c4470f;--gain:#0072b2}
@media (prefers-color-scheme:dark){:root{--ink:#e6eaee;--grey:#a9b4c0;--navy:#cfe0f0;--rule:#3a4653;--soft:#1d2630;
--paper:#141b22;--link:#7fc4ee;--breach:#ffc3ab;--breach-bg:#55200c;--watch:#ffdf9a;--watch-bg:#4a3708;--ok:#9fe3cd;
--ok-bg:#0c3d30;--at_limit:#cfe0f0;--at_limit-bg:#24405c;--unknown:#d3d9e0;--unknown-bg:#36414d;--loss:#ff9d73;
--gain:#7fc4ee}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:14px/1.45 "Microsoft YaHei","Noto Sans CJK SC","PingFang SC",system-ui,sans-serif}
header{background:#17324d;color:#fff;padding:18px 24px}header h1{margin:0;font-size:22px}
header p{margin:4px 0 0;color:#c9d6e2;font-size:13px}
main{max-width:1320px;margin:0 auto;padding:12px 24px 40px}
h2{color:var(--navy);font-size:17px;margin:28px 0 8px;border-bottom:2px solid var(--rule);padding-bottom:3px}
input[name=lang]{margin:8px 4px 8px 24px}label[for^=lang]{color:var(--grey);font-size:13px}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(190px,1fr));gap:12px}
.card{border:1px solid var(--rule);border-left:4px solid var(--navy);padding:10px 12px;border-radius:3px}
.card b{display:block;font-size:25px}.card small{display:block;color:var(--grey)}
.boxes{display:grid;grid-template-columns:repeat(auto-fit,minmax(260px,1fr));gap:12px;margin-top:14px}
.box{background:var(--soft);border-top:3px solid var(--navy);padding:9px 12px}
.box h3{margin:0 0 4px;font-size:14px;color:var(--navy)}.box p{margin:2px 0}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,1fr));gap:20px}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:13px}
th{background:#17324d;color:#fff;font-weight:600;padding:5px 7px;text-align:center;vertical-align:bottom}
th.gain{background:#007a5e}td{padding:4px 7px;border-bottom:1px solid var(--rule);white-space:nowrap}
td.n{text-align:right;font-variant-numeric:tabular-nums}td.m{text-align:center}td.heat{color:#1f2933}
tr.total td{background:var(--soft)}tr.total.first td{border-top:2px solid var(--navy);font-weight:600}
.q{color:var(--grey)}.loss{color:var(--loss)}.gain-text{color:var(--gain)}
.state{font-weight:600;padding:1px 8px;border-radius:3px;white-space:nowrap}
.breach{color:var(--breach);background:var(--breach-bg)}.watch{color:var(--watch);background:var(--watch-bg)}
.ok{color:var(--ok);background:var(--ok-bg)}.at_limit{color:var(--at_limit);background:var(--at_limit-bg)}
.unknown{color:var(--unknown);background:var(--unknown-bg)}
svg text{fill:var(--ink);font-size:12px}svg .axis{stroke:var(--rule)}
a{color:var(--link)}footer{color:var(--grey);font-size:12px;margin-top:26px}
#lang-zh:checked~* .en,#lang-en:checked~* .zh{display:none}
@media print{input[name=lang],label[for^=lang]{display:none}body{font-size:11px}main{max-width:none;padding:0}
header,th,.state,td.heat{-webkit-print-color-adjust:exact;print-color-adjust:exact}h2{break-after:avoid}
tr,.card,.box,svg{break-inside:avoid}@page{size:A4 landscape;margin:12mm}}
"""


def write_html(
    run: Run,
    path: str | Path,
    *,
    lang: str = "both",
    content: str | Path | ContentRoot | None = None,
) -> Path:
    """Write the HTML edition and return its path; see :func:`exposure.reports.workbook.write_workbook`."""
    target = Path(path)
    text = html_text(run, lang=lang, content=content)
    write_text(target, text)
    return target


def html_text(
    run: Run, *, lang: str = "both", content: str | Path | ContentRoot | None = None
) -> str:
    """Return the HTML edition."""
    context = make_context(run, lang=lang, content=content)
    page = _Page(context)
    title = escape(context.words.line("title.summary"))
    language = "en" if lang == "en" else "zh-CN"
    body = "\n".join(
        (
            page.switch(),
            page.header(),
            "<main>",
            page.cards(),
            page.boxes(),
            page.summary(),
            page.exposure(),
            page.scenarios(),
            page.trades(),
            page.lists(),
            page.footer(),
            "</main>",
        )
    )
    return (
        f'<!DOCTYPE html>\n<html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


class _Page:
    """The parts of the page; everything that came from outside passes :func:`_safe`."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.figures: Figures = context.figures
        self.languages = LANGUAGES[context.words.lang]

    # --- words ---------------------------------------------------------------------------------------------------

    def pair(self, names: Pair) -> str:
        """Return a name in the languages of the page, each switchable."""
        zh, en = (_safe(name) for name in names)
        if len(self.languages) == 1 or zh == en:
            return zh if self.languages[0] == "zh" else en
        return f'<span class="zh">{zh} </span><span class="en">{en}</span>'

    def say(self, key: str, **fields: object) -> str:
        """Return a text of the wording."""
        return self.pair(self.context.words.both(key, **fields))

    def state(self, state: str) -> str:
        """Return a state by shape, words and colour."""
        return (
            f'<span class="state {state}">{STATE_SHAPES[state]} {self.say(f"state.{state}")}</span>'
        )

    # --- parts ---------------------------------------------------------------------------------------------------

    def switch(self) -> str:
        """Return the language switch; it works by style alone."""
        if len(self.languages) == 1:
            return ""
        choices = (("both", "中文 + English"), ("zh", "中文"), ("en", "English"))
        # The inputs must stand before what they hide, on the same level.
        return "".join(
            f'<input type="radio" name="lang" id="lang-{key}"{" checked" if key == "both" else ""}>'
            f'<label for="lang-{key}"> {label}</label> '
            for key, label in choices
        )

    def header(self) -> str:
        """Return the band with portfolio, day and run."""
        run = self.context.run
        compared = (
            _safe(run.comparison.as_of.isoformat())
            if run.comparison
            else self.say("band.no_earlier")
        )
        parts = [
            f"{self.say('band.portfolio')} {_safe(run.name)}",
            f"{self.say('band.as_of')} {run.as_of.isoformat()}",
            f"{self.say('band.compared')} {compared}",
            f"{self.say('band.run')} {_safe(run.run_id)}",
        ]
        if run.nav is not None:
            unit = self.say("band.nav_unit")
            parts.insert(
                3, f"{self.say('band.nav')} {_safe(run.base_currency)} {run.nav / 1e6:,.1f} {unit}"
            )
        if run.synthetic:
            parts.append(f"<b>{self.say('band.demo')}</b>")
        line = self.say(
            "band.holdings",
            count=run.holdings.height,
            resolved=run.resolved,
            rejected=run.rejected,
            coverage=percent(run.coverage),
        )
        return f"<header><h1>{self.say('title.summary')}</h1><p>{' &nbsp; '.join(parts)}</p><p>{line}</p></header>"

    def cards(self) -> str:
        """Return the six figures."""
        made = {
            "expected_loss": self._loss_card,
            "listed_weight": self._listed_card,
            "worst_scenario": self._worst_card,
            "evidence_quality": self._evidence_card,
        }
        cards: list[str] = []
        for card in self.context.layout.cards:
            if card.kind == "factor":
                column = self.figures.column_of(card.factor or "")
                if column is not None:
                    cards.append(self._factor_card(column))
            elif (
                card.kind in ("listed_weight", "evidence_quality") or self.figures.worst is not None
            ):
                cards.append(made[card.kind]())
        return f'<section class="cards">{"".join(cards)}</section>'

    def boxes(self) -> str:
        """Return the four boxes."""
        both = self.context.words
        found = boxes(self.figures, both)
        parts: list[str] = []
        for box in found:
            texts = "".join(
                f'<p class="{language}">{_safe(text)}</p>' for language, text in box.sentences
            )
            parts.append(f'<div class="box"><h3>{_safe(box.title)}</h3>{texts}</div>')
        return f'<section class="boxes">{"".join(parts)}</section>'

    def summary(self) -> str:
        """Return the two charts, the contributors and the limit monitor."""
        charts = f'<div class="pair">{self._factor_bars()}{self._scenario_bars()}</div>'
        tables = (
            f'<div class="pair"><div>{self._contributors()}</div><div>{self._limits()}</div></div>'
        )
        return charts + tables

    def exposure(self) -> str:
        """Return positions × factors with their totals."""
        figures = self.figures
        heads = [
            self.say(f"column.{key}")
            for key in ("listing", "name", "weight_now", "weight_plan", "grade")
        ]
        head = "".join(f"<th>{text}</th>" for text in heads) + "".join(
            f'<th class="{"gain" if c.card.sign in ("gain", "mitigant") else ""}">'
            f"{self.pair(factor_name(self.context.words, c, short=True))}</th>"
            for c in figures.columns
        )
        rows = "".join(self._position(position) for position in figures.positions)
        totals: list[tuple[str, Callable[[FactorColumn], float | None], bool]] = [
            ("mid", lambda c: figures.mid(c, figures.weights), False),
            ("lo", lambda c: figures.exposure(c, figures.weights, "lo"), False),
            ("hi", lambda c: figures.exposure(c, figures.weights, "hi"), False),
            (
                "plan",
                lambda c: figures.mid(c, figures.plan_weights) if figures.has_plan else None,
                False,
            ),
            (
                "benchmark",
                lambda c: figures.engine_exposures.get(c.key, {}).get("benchmark"),
                False,
            ),
            ("coverage", lambda c: figures.coverage(c, figures.weights), True),
        ]
        body = ""
        for name, value, share in totals:
            cells = "".join(
                f'<td class="m">{self._unit(value(c), c, total=True, share=share)}</td>'
                for c in figures.columns
            )
            first = " first" if name == "mid" else ""
            body += f'<tr class="total{first}"><td colspan="5">{self.say(f"total.{name}")}</td>{cells}</tr>'
        notes = "".join(
            f'<p class="q">{self.say(f"legend.{key}")}</p>' for key in ("status", "interval")
        )
        return (
            f"<h2>{self.say('title.exposure')}</h2>"
            f'<div class="wide"><table><tr>{head}</tr>{rows}{body}</table></div>{notes}'
        )

    def scenarios(self) -> str:
        """Return listings × scenarios with the portfolio's results."""
        figures = self.figures
        if not figures.scenarios:
            return ""
        severity = self.context.layout.severity
        heads = "".join(
            f"<th>{_safe(card.code)}<br>{self.pair(scenario_name(self.context.words, card, short=True))}</th>"
            for card in figures.scenarios
        )
        top = "".join(
            f"<th>{self.say(f'column.{key}')}</th>" for key in ("listing", "name", "weight_now")
        )
        ends = "".join(
            f"<th>{self.say(f'column.{key}')}</th>" for key in ("expected_loss", "expected_gain")
        )
        rows = "".join(self._returns(position, severity) for position in figures.positions)
        chances = "".join(
            f'<td class="m">{NOT_KNOWN if p is None else percent(p, 0)}</td>'
            for p in figures.probabilities
        )
        label = f'<td colspan="3">{self.say("column.chance")}</td>'
        body = f'<tr class="total first">{label}{chances}<td></td><td></td></tr>'
        lines = [("mid", figures.weights)] + (
            [("plan", figures.plan_weights)] if figures.has_plan else []
        )
        for name, weights in lines:
            cells = "".join(
                f'<td class="m">{NOT_KNOWN if value is None else percent(value)}</td>'
                for value in figures.results(weights)
            )
            body += (
                f'<tr class="total"><td colspan="3">{self.say(f"result.{name}")}</td>{cells}'
                f'<td class="n loss">{figures.expected_loss(weights):,.1f}</td>'
                f'<td class="n gain-text">{figures.expected_gain(weights):,.1f}</td></tr>'
            )
        notes = "".join(
            f'<p class="q">{self.say(f"legend.{key}")}</p>' for key in ("returns", "expected")
        )
        return (
            f"<h2>{self.say('title.scenarios')}</h2>"
            f'<div class="wide"><table><tr>{top}{heads}{ends}</tr>{rows}{body}</table></div>{notes}'
        )

    def trades(self) -> str:
        """Return the orders, or why there are none."""
        plan = self.context.run.plan
        title = f"<h2>{self.say('title.trades')}</h2>"
        if plan is None:
            return f"{title}<p>{self.say('plan.not_requested')}</p>"
        if not plan.solved:
            return title + self._conflict()
        rows = "".join(self._order(order) for order in orders(self.context))
        keys = (
            "order",
            "listing",
            "name",
            "side",
            "quantity",
            "price",
            "currency",
            "notional",
            "weight_after",
            "reason",
            "blocked",
        )
        head = "".join(f"<th>{self.say(f'column.{key}')}</th>" for key in keys)
        table = f'<div class="wide"><table><tr>{head}</tr>{rows}</table></div>'
        if not rows:
            table = f"<p>{self.say('plan.no_trades')}</p>"
        turnover = NOT_KNOWN if plan.turnover is None else percent(plan.turnover / 2)
        cost = NOT_KNOWN if plan.cost_bp is None else f"{plan.cost_bp:.1f} bp"
        facts = (
            f"{self.say('key.turnover_one_way')} {turnover} · {self.say('key.cost')} {cost} · "
            f"{self.say('key.solver')} {_safe(plan.solver_name)} {_safe(plan.solver_version)}"
        )
        return f'{title}<p class="loss"><b>{self.say("plan.draft")}</b></p><p>{facts}</p>{table}'

    def lists(self) -> str:
        """Return what lists say of issuers that are on one, related to one, or in doubt."""
        run = self.context.run
        marked = [
            row for row in run.list_status.iter_rows(named=True) if row["status"] != "not_on_list"
        ]
        if not marked:
            return ""
        rows = "".join(
            f"<tr><td>{self.pair(run.issuer_names.get(row['issuer_id'], (row['issuer_id'],) * 2))}</td>"
            f"<td>{_safe(row['list_id'])}</td><td>{self.say('list_status.' + row['status'])}</td>"
            f"<td>{_safe(row['citation'] or '')}</td><td>{_safe(row['wording'])}</td></tr>"
            for row in marked
        )
        head = "".join(
            f"<th>{self.say(f'column.{key}')}</th>"
            for key in ("issuer", "list", "status", "citation", "wording")
        )
        return f'<h2>{self.say("title.lists")}</h2><div class="wide"><table><tr>{head}</tr>{rows}</table></div>'

    def footer(self) -> str:
        """Return the meaning of states, the sources used and the disclaimer."""
        sources: dict[str, str] = {}
        for row in self.context.run.evidence.sort("title", nulls_last=True).iter_rows(named=True):
            if row["title"] and row["title"] not in sources:
                name = _safe(f"{row['publisher'] or ''} {row['title']}".strip())
                url = row["url"]
                sources[row["title"]] = (
                    f'<a rel="noreferrer" href="{_safe(url)}">{name}</a>' if is_web(url) else name
                )
        listed = "".join(f"<li>{text}</li>" for text in sources.values())
        return (
            f"<footer><p>{self.say('foot.states')}</p>"
            f"<details><summary>{self.say('title.evidence')} ({len(sources)})</summary><ul>{listed}</ul></details>"
            f"<p>{self.say('foot.disclaimer')}</p></footer>"
        )

    # --- pieces --------------------------------------------------------------------------------------------------

    def _card(self, label: str, value: str, ends: str, note: str, state: str) -> str:
        lines = f"<small>{label}</small><b>{value}</b><small>{ends}</small><small>{note}</small>"
        return f'<div class="card">{lines}{state}</div>'

    def _loss_card(self) -> str:
        figures = self.figures
        ends = f"{whole(figures.expected_loss_end('lo'))} – {whole(figures.expected_loss_end('hi'))} bp"
        comparison = self.context.run.comparison
        if comparison is not None and comparison.expected_loss_bp is not None:
            change = figures.expected_loss(figures.weights) - comparison.expected_loss_bp
            ends += f" · {signed(change)} bp"
        gain = f"{self.say('card.gain')} {whole(figures.expected_gain(figures.weights))} bp"
        value = f"{whole(figures.expected_loss(figures.weights))} bp"
        return self._card(self.say("card.expected_loss"), value, ends, gain, "")

    def _factor_card(self, column: FactorColumn) -> str:
        figures = self.figures
        limit = figures.limit_of(column)
        state = ""
        if limit is not None:
            now = figures.limit_now(limit)
            counted = (
                "" if now is None else f"{self.say('card.counted')} {limit_value(limit, now)} "
            )
            state = f"{self.state(figures.limit_state(limit, now))} <small>{counted}{bound_text(limit)}</small>"
        other = next(
            (c for c in figures.columns if c.card.id == column.card.id and c != column), None
        )
        note = ""
        if other is not None:
            basis = other.card.basis_names.get(other.basis, (other.basis, other.basis))
            note = f"{self.pair(basis)} {self._unit(figures.mid(other, figures.weights), other, total=True)}"
        low, high = (figures.exposure(column, figures.weights, end) for end in ("lo", "hi"))
        ends = f"{self._unit(low, column, total=True)} – {self._unit(high, column, total=True)}"
        value = self._unit(figures.mid(column, figures.weights), column, total=True)
        name = self.pair(factor_name(self.context.words, column, short=True))
        return self._card(name, value, ends, note, state)

    def _listed_card(self) -> str:
        figures = self.figures
        low, high = figures.listed_weight(), figures.listed_weight(possible=True)
        return self._card(
            self.say("card.listed_weight"),
            percent(low),
            f"{percent(low)} – {percent(high)}",
            "",
            "",
        )

    def _worst_card(self) -> str:
        figures = self.figures
        card = figures.scenarios[figures.worst or 0]
        value = figures.worst_result(figures.weights) or 0.0
        engine = figures.engine_results.get((card.id, self.context.layout.severity), {})
        ends = " – ".join(
            NOT_KNOWN if engine.get(end) is None else percent(engine[end])
            for end in ("result_lo", "result_hi")
        )
        limit = figures.limit_on(card.id)
        state = (
            ""
            if limit is None
            else (
                f"{self.state(figures.limit_state(limit, figures.limit_now(limit)))} <small>{bound_text(limit)}</small>"
            )
        )
        name = self.pair(scenario_name(self.context.words, card, short=True))
        return self._card(
            self.say("card.worst_scenario"),
            percent(value),
            ends,
            f"{_safe(card.code)} {name}",
            state,
        )

    def _evidence_card(self) -> str:
        floor = self.context.layout.thresholds["evidence_ab_floor"]
        state = self.state("ok" if self.figures.graded_ab >= floor else "watch")
        note = f"{self.say('card.coverage')} {percent(self.context.run.coverage, 0)}"
        value = percent(self.figures.graded_ab, 0)
        return self._card(
            self.say("card.evidence_quality"),
            value,
            "",
            note,
            f"{state} <small>≥ {percent(floor, 0)}</small>",
        )

    def _position(self, position: Position) -> str:
        figures = self.figures
        plan = percent(position.plan_weight, 2) if figures.has_plan else NOT_KNOWN
        cells = ""
        for column in figures.columns:
            score = figures.score(position, column)
            if score.mid is None:
                mark = NOT_APPLICABLE if score.status == "not_applicable" else NOT_KNOWN
                cells += f'<td class="m q">{mark}</td>'
                continue
            gain = column.card.sign in ("gain", "mitigant")
            level = score.mid / (column.card.highest or 1.0)
            colour = _mixed("gain_max" if gain else "level_max", level)
            mark = "°" if score.status == "imputed" else ""
            mark += "†" if score.stale else ""
            text = f"{self._unit(score.mid, column)}{mark}"
            if score.status in ("estimated", "imputed"):
                text = f"<i>{text}</i>"
            cells += f'<td class="m heat" style="background:#{colour}">{text}</td>'
        return (
            f"<tr><td>{_safe(position.listing_id)}</td><td>{self.pair((position.name_zh, position.name_en))}</td>"
            f'<td class="n">{percent(position.weight, 2)}</td><td class="n q">{plan}</td>'
            f'<td class="m">{_safe(position.grade or NOT_APPLICABLE)}</td>{cells}</tr>'
        )

    def _returns(self, position: Position, severity: str) -> str:
        figures = self.figures
        cells = ""
        for card in figures.scenarios:
            found = figures.scenario_return(position, card.id, severity)
            if found.ret is None:
                cells += f'<td class="m q">{NOT_KNOWN}</td>'
                continue
            size = min(1.0, abs(found.ret) / (0.5 if found.ret < 0 else 0.3))
            colour = _mixed("loss_max" if found.ret < 0 else "gain_max", size)
            text = percent(found.ret)
            if found.origin == "inferred":
                text = f"<i>{text}~</i>"
            cells += f'<td class="m heat" style="background:#{colour}">{text}</td>'
        return (
            f"<tr><td>{_safe(position.listing_id)}</td><td>{self.pair((position.name_zh, position.name_en))}</td>"
            f'<td class="n">{percent(position.weight, 2)}</td>{cells}'
            f'<td class="n loss">{figures.listing_loss(position):,.1f}</td>'
            f'<td class="n gain-text">{figures.listing_gain(position):,.1f}</td></tr>'
        )

    def _order(self, order: Order) -> str:
        side = "loss" if order.side == "sell" else "gain-text"
        word = self.say(f"side.{order.side}")
        blocked = self._maybe(f"blocked.{order.blocked}", order.blocked) if order.blocked else ""
        return (
            f'<tr><td class="n">{order.number}</td><td>{_safe(order.listing_id)}</td>'
            f'<td>{self.pair(order.name)}</td><td class="{side}"><b>{word}</b></td>'
            f'<td class="n">{order.quantity:,.0f}</td><td class="n">{order.price:,.2f}</td>'
            f'<td>{_safe(order.currency)}</td><td class="n">{order.notional:,.0f}</td>'
            f'<td class="n">{percent(order.weight_after, 2)}</td>'
            f'<td>{self.pair(order.reason)}</td><td class="loss">{blocked}</td></tr>'
        )

    def _maybe(self, key: str, fallback: str) -> str:
        return self.say(key) if self.context.words.known(key) else _safe(fallback)

    def _conflict(self) -> str:
        plan = self.context.run.plan
        conflict = None if plan is None else plan.conflict
        if conflict is None or conflict.is_empty():
            return f'<p class="loss"><b>■ {self.say("plan.failed")}</b></p>'
        rows = ""
        for row in conflict.iter_rows(named=True):
            limit = conflict_limit(row)
            repair = (
                self.say("plan.no_single_repair")
                if row["repair"] is None
                else f"{limit.sign} {limit_value(limit, row['repair'])}"
            )
            name = self.pair(limit_name(self.context.words, self.figures, limit))
            rows += f'<tr><td>{name}</td><td class="n">{bound_text(limit)}</td><td class="n">{repair}</td></tr>'
        head = "".join(
            f"<th>{self.say(f'column.{key}')}</th>" for key in ("limit", "bound", "repair")
        )
        return (
            f'<p class="loss"><b>■ {self.say("plan.infeasible")}</b></p>'
            f'<p class="q">{self.say("plan.conflict_note")}</p>'
            f"<table><tr>{head}</tr>{rows}</table>"
        )

    def _contributors(self) -> str:
        figures = self.figures
        ranked = sorted(figures.positions, key=lambda p: (-figures.listing_loss(p), p.listing_id))
        total = sum(figures.listing_loss(p) for p in figures.positions)
        rows = "".join(
            f"<tr><td>{_safe(p.listing_id)}</td><td>{self.pair((p.name_zh, p.name_en))}</td>"
            f'<td class="n">{percent(p.weight)}</td><td class="n loss">{figures.listing_loss(p):,.1f}</td>'
            f'<td class="n">{percent(figures.listing_loss(p) / total if total else 0.0, 0)}</td></tr>'
            for p in ranked[: self.context.layout.contributor_rows]
        )
        keys = ("listing", "name", "weight", "expected_loss_bp", "share")
        head = "".join(f"<th>{self.say(f'column.{key}')}</th>" for key in keys)
        return f"<h2>{self.say('section.top_loss')}</h2><table><tr>{head}</tr>{rows}</table>"

    def _limits(self) -> str:
        figures = self.figures
        title = f"<h2>{self.say('section.limit_monitor')}</h2>"
        current = figures.current_limits()
        if not current:
            return f"{title}<p>{self.say('plan.no_mandate')}</p>"
        rows = ""
        for limit, value, state in current:
            after = figures.limit_after(limit)
            now = NOT_KNOWN if value is None else limit_value(limit, value)
            then = NOT_KNOWN if after is None else limit_value(limit, after)
            rows += (
                f'<tr><td>{self.pair(limit_name(self.context.words, figures, limit))}</td><td class="n">{now}</td>'
                f'<td class="n">{then}</td><td class="n">{bound_text(limit)}</td><td>{self.state(state)}</td></tr>'
            )
        keys = ("limit", "now_short", "after_short", "bound_short", "state")
        head = "".join(f"<th>{self.say(f'column.{key}')}</th>" for key in keys)
        return f"{title}<table><tr>{head}</tr>{rows}</table>"

    def _factor_bars(self) -> str:
        figures = self.figures
        columns = [
            column
            for factor in self.context.layout.chart_factors
            if (column := figures.column_of(factor)) is not None
        ]
        rows: list[tuple[Pair, float | None, float | None, float | None]] = []
        for column in columns:
            name = factor_name(self.context.words, column, short=True)
            limit = figures.limit_of(column)
            if limit is not None and figures.limit_now(limit) is not None:
                rows.append(
                    (name, figures.limit_now(limit), figures.limit_after(limit), limit.bound)
                )
                continue
            after = figures.mid(column, figures.plan_weights) if figures.has_plan else None
            rows.append((name, figures.mid(column, figures.weights), after, None))
        return self._bars("chart.factors", rows, (PALETTE["blue"], PALETTE["sky"]))

    def _scenario_bars(self) -> str:
        figures = self.figures
        now = figures.results(figures.weights)
        after = figures.results(figures.plan_weights)
        rows = [
            (
                scenario_name(self.context.words, card, short=True),
                now[number],
                after[number] if figures.has_plan else None,
                None,
            )
            for number, card in enumerate(figures.scenarios)
        ]
        return self._bars("chart.scenarios", rows, (PALETTE["vermilion"], PALETTE["orange"]))

    def _bars(
        self,
        title: str,
        rows: Sequence[tuple[Pair, float | None, float | None, float | None]],
        colours: tuple[str, str],
    ) -> str:
        if not rows:
            return ""
        known = [v for _, *values in rows for v in values if v is not None]
        low, high = min([0.0, *known]), max([0.0, *known])
        span = (high - low) or 1.0
        left, width, step = 220.0, 330.0, 34.0

        def at(value: float) -> float:
            return left + width * (value - low) / span

        parts: list[str] = []
        for number, (name, now, after, cap) in enumerate(rows):
            top = 8 + step * number
            parts.append(
                f'<text x="{left - 10:.0f}" y="{top + 15:.0f}" text-anchor="end">{self._svg_pair(name)}</text>'
            )
            for offset, (value, colour) in enumerate(zip((now, after), colours, strict=True)):
                if value is None:
                    continue
                start, end = sorted((at(0.0), at(value)))
                parts.append(
                    f'<rect x="{start:.1f}" y="{top + 11 * offset:.0f}" width="{max(end - start, 0.5):.1f}" '
                    f'height="10" fill="#{colour}"/>'
                )
            if cap is not None:
                where = (
                    f'x1="{at(cap):.1f}" x2="{at(cap):.1f}" y1="{top - 2:.0f}" y2="{top + 24:.0f}"'
                )
                parts.append(f'<line {where} stroke="#{PALETTE["vermilion"]}" stroke-width="3"/>')
            shown = NOT_KNOWN if now is None else percent(now)
            parts.append(f'<text x="{left + width + 8:.0f}" y="{top + 15:.0f}">{shown}</text>')
        height = 14 + step * len(rows)
        zero = at(0.0)
        axis = f'<line class="axis" x1="{zero:.1f}" x2="{zero:.1f}" y1="2" y2="{height - 4:.0f}"/>'
        has_caps = any(row[3] is not None for row in rows)
        keys = [("chart.now", colours[0])] + (
            [("chart.after", colours[1])] if any(row[2] is not None for row in rows) else []
        )
        legend = " ".join(
            f'<span style="color:#{colour}">■</span> {self.say(key)}' for key, colour in keys
        )
        if has_caps:
            mark = f'<span style="color:#{PALETTE["vermilion"]}">┃</span>'
            legend += f" {mark} {self.say('chart.cap')}"
        label = _safe(self.context.words.line(title))
        return (
            f'<div><h2>{self.say(title)}</h2><svg role="img" aria-label="{label}" viewBox="0 0 620 {height:.0f}" '
            f'width="100%">{axis}{"".join(parts)}</svg><p class="q">{legend}</p></div>'
        )

    def _svg_pair(self, names: Pair) -> str:
        zh, en = (_safe(name) for name in names)
        if len(self.languages) == 1 or zh == en:
            return zh if self.languages[0] == "zh" else en
        return f'<tspan class="zh">{zh} </tspan><tspan class="en">{en}</tspan>'

    def _unit(
        self, value: float | None, column: FactorColumn, *, total: bool = False, share: bool = False
    ) -> str:
        if value is None:
            return NOT_KNOWN
        fmt = "0%" if share else self.context.layout.unit_format(column.card.unit, total=total)
        digits = len(fmt.partition(".")[2].rstrip("%")) if "." in fmt else 0
        if fmt.endswith("%"):
            return percent(value, digits)
        return f"{value:,.{digits}f}".replace("-", "−")


def _mixed(colour: str, level: float) -> str:
    """Return white blended towards a colour of the palette."""
    share = min(max(level, 0.0), 1.0)
    parts = [int(PALETTE[colour][at : at + 2], 16) for at in (0, 2, 4)]
    return "".join(f"{round(255 + (part - 255) * share):02X}" for part in parts)


def _safe(text: str) -> str:
    return escape(clean_text(text), quote=True)
