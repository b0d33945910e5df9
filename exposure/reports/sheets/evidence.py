"""The ledger: one line a fact that a score rests on, with its source and where in the source."""

from __future__ import annotations

from collections.abc import Mapping

from exposure.reports.cells import Canvas, Link, Sheet, address
from exposure.reports.run import Run
from exposure.reports.sheets.common import NOT_KNOWN, Context, Entry, draw_table, widen

HEAD_ROW = 4
MAX_NOTE = 240


def evidence_order(run: Run) -> list[str]:
    """Return the ids of the ledger in the order of the sheet."""
    return run.evidence.sort(["subject", "measure", "known_on", "evidence_id"])[
        "evidence_id"
    ].to_list()


def evidence_rows(run: Run) -> Mapping[str, int]:
    """Return the row of each line of evidence, so that a score can link to it."""
    return {key: HEAD_ROW + 1 + number for number, key in enumerate(evidence_order(run))}


def evidence_sheet(context: Context) -> Sheet:
    """Draw the ledger."""
    words, run = context.words, context.run
    canvas = Canvas("evidence", context.titles["evidence"], tab="grey")
    last_col = widen(canvas, context, "evidence")
    context.band(canvas, "evidence", last_col)
    facts = {row["evidence_id"]: row for row in run.evidence.iter_rows(named=True)}
    rows: list[dict[str, Entry | object]] = []
    for evidence_id in evidence_order(run):
        fact = facts[evidence_id]
        url = fact["url"] if is_web(fact["url"]) else None
        missing = fact["status"] == "missing"
        rows.append(
            {
                **fact,
                "subject": words.pair(
                    fact["subject_zh"] or fact["subject"], fact["subject_en"] or fact["subject"]
                ),
                "kind": words.maybe(f"kind.{fact['kind']}", fact["kind"]),
                "measure": words.maybe(f"measure.{fact['measure']}", fact["measure"]),
                "lo": NOT_KNOWN if missing and fact["lo"] is None else fact["lo"],
                "mid": NOT_KNOWN if fact["mid"] is None else fact["mid"],
                "hi": NOT_KNOWN if missing and fact["hi"] is None else fact["hi"],
                "status": words.maybe(f"status.{fact['status']}", fact["status"]),
                "url": Entry(words.line("link.open"), Link(url=url)) if url else "",
                "note": _short(fact["note"]),
            }
        )
    last = draw_table(context, canvas, "evidence", HEAD_ROW, rows, table="evidence")  # type: ignore[arg-type]
    canvas.freeze = address(HEAD_ROW + 1, 4)
    canvas.print_rows = f"{HEAD_ROW}:{HEAD_ROW}"
    return canvas.sheet(last + 1, last_col)


def is_web(url: str | None) -> bool:
    """Return whether an address may be a link: only the web, nothing that runs or opens files.

    Examples
    --------
    >>> is_web("https://example.org/a"), is_web("file:///etc/passwd"), is_web(None)
    (True, False, False)
    """
    if url is None or not url.lower().startswith(("https://", "http://")):
        return False
    return url.isprintable() and not any(char in ' "<>\\' for char in url)


def _short(text: str | None) -> str | None:
    if text is None or len(text) <= MAX_NOTE:
        return text
    return text[: MAX_NOTE - 1] + "…"
