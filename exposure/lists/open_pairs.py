"""Who has a possible match that nobody has decided, by issuer and list: all that the queue may say to other rooms.

What is proposed stays in the queue. That something waits may only weaken an answer: an issuer with an open match is
unresolved, never listed.
"""

from __future__ import annotations

from exposure.content import ContentRoot, read_text_csv, shipped_root
from exposure.errors import ContentError, Place

QUEUE = "factors/lists/proposals.csv"
_MATCH, _OPEN = "match", "open"


def open_pairs(root: ContentRoot) -> frozenset[tuple[str, str]]:
    """Return issuer and list of the matches that wait in a content folder; none in the shipped content.

    Raises
    ------
    ContentError
        If the file is no queue.
    """
    path = root.path / QUEUE
    if root.path == shipped_root().resolve() or not path.is_file():
        return frozenset()
    columns = ("issuer_id", "list_id", "kind", "decision")
    frame = read_text_csv(path, QUEUE)
    lacking = sorted(set(columns) - set(frame.columns))
    if lacking:
        raise ContentError(
            f"{QUEUE} is no queue of proposals",
            places=[Place(QUEUE, f"lacks the column {', '.join(lacking)}", row=1)],
            cure="remove it and run exposure screen HOLDINGS --propose again",
        )
    return frozenset(
        (issuer, list_id)
        for issuer, list_id, kind, decision in frame.select(columns).iter_rows()
        if (kind, decision) == (_MATCH, _OPEN) and issuer and list_id
    )
