"""The text of a query before any database sees it: one SELECT, and the day as a literal."""

from __future__ import annotations

import re
from datetime import date, datetime

from exposure.errors import Place, UsageError

AS_OF = "{as_of}"
DOCS = "see docs/databases.md"

# What hides a semicolon, a brace or a quote from the reader of a statement. Comments that nest are read as if they
# didn't: what follows their first end then counts as text of the statement, and is refused rather than overlooked.
_HIDDEN = re.compile(
    r"""(?<!\w)[eE]'(?:[^'\\]|\\.|'')*'   # PostgreSQL text with escapes
      | '(?:[^']|'')*'                    # text
      | "(?:[^"]|"")*"                    # a name
      | --[^\n]*                          # a comment to the end of the line
      | /\*.*?\*/
      | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$   # PostgreSQL text between dollars
    """,
    re.VERBOSE | re.DOTALL,
)
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def day_literal(as_of: date, *, typed: bool) -> str:
    """Return a day as SQL text; ``typed`` where the database has a type for days.

    Examples
    --------
    >>> day_literal(date(2025, 1, 24), typed=True), day_literal(date(2025, 1, 24), typed=False)
    ("DATE '2025-01-24'", "'2025-01-24'")
    """
    day = as_of.date() if isinstance(as_of, datetime) else as_of
    return f"{'DATE ' if typed else ''}'{day.isoformat()}'"


def one_select(query: str, label: str, as_of: date | None, *, typed: bool) -> str:
    """Return a query that is one SELECT, with the day in the place of ``{as_of}``.

    Raises
    ------
    UsageError
        If it is anything else, if ``{as_of}`` stands inside quotes, or if the day is needed and not known.

    Examples
    --------
    >>> one_select("select * from p where day = {as_of};", "@fund", date(2025, 1, 24), typed=True)
    "select * from p where day = DATE '2025-01-24'"
    """
    pieces, hidden = _parted(query)
    if any(AS_OF in text for text in hidden if not text.startswith(("--", "/*"))):
        raise _refused(label, f"has {AS_OF} inside quotes", f"write {AS_OF} without quotes")
    bare = " ".join(pieces)
    if re.search(r"['\"]|/\*", bare):
        raise _refused(label, "opens a quote or a comment that is never closed", "close it")
    first = re.match(r"\s*(\w+)", bare)
    if first is None or first[1].lower() not in ("select", "with"):
        raise _refused(label, "is no SELECT", "start it with select or with; nothing else is run")
    if bare.rstrip().removesuffix(";").find(";") >= 0:
        raise _refused(label, "is more than one statement", "keep one SELECT")
    unknown = [name for name in _PLACEHOLDER.findall(bare) if name != "as_of"]
    if unknown:
        raise _refused(label, f"has a placeholder {{{unknown[0]}}}", f"only {AS_OF} is known")
    if AS_OF in bare and as_of is None:
        raise UsageError(
            f"the query of {label} asks for a day", cure="give --as-of YYYY-MM-DD (as_of=...)"
        )
    literal = "" if as_of is None else day_literal(as_of, typed=typed)
    filled = [piece.replace(AS_OF, literal) for piece in pieces]
    joined = "".join(text for pair in zip(filled, [*hidden, ""], strict=True) for text in pair)
    return _without_semicolon(joined)


def asks_for_day(query: str) -> bool:
    """Return whether a query depends on the day of the run."""
    return any(AS_OF in piece for piece in _parted(query)[0])


def _parted(query: str) -> tuple[list[str], list[str]]:
    """Part a query into what is SQL and what is hidden in quotes or comments, in turn."""
    pieces: list[str] = []
    hidden: list[str] = []
    at = 0
    for found in _HIDDEN.finditer(query):
        pieces.append(query[at : found.start()])
        hidden.append(found[0])
        at = found.end()
    pieces.append(query[at:])
    return pieces, hidden


def _without_semicolon(query: str) -> str:
    """Drop the one semicolon that is allowed, wherever comments stand around it."""
    pieces, hidden = _parted(query)
    bare = [piece.replace(";", " ") for piece in pieces]
    return "".join(text for pair in zip(bare, [*hidden, ""], strict=True) for text in pair).strip()


def _refused(label: str, why: str, cure: str) -> UsageError:
    return UsageError(
        f"the query of {label} can't be run",
        places=[Place("exposure.toml", why, column="query")],
        cure=f"{cure}; {DOCS}",
    )
