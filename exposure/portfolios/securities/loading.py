"""The security master of a run: what came with the content, and the user's own file beneath it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from exposure.content import ContentRoot
from exposure.content.settings import chosen_master
from exposure.portfolios.securities.joining import join_own
from exposure.portfolios.securities.master import SecurityMaster, load_shipped
from exposure.portfolios.securities.own import OwnMaster, read_own

if TYPE_CHECKING:
    from exposure.portfolios.frames import Frame

    Source = OwnMaster | str | Path | Frame
    MasterSource = Source | Sequence[Source]


def load_master(root: ContentRoot, extra: MasterSource | None = None) -> SecurityMaster:
    """Read the security master of a content root, and masters of the user's own beneath it.

    Parameters
    ----------
    extra
        A path, a frame or an :class:`OwnMaster` (which also takes the day of the data), or a list of
        them: one row a listing, with a code and what else is known (names in Chinese and English,
        ISIN, LEI, exchange, board, currency, issuer, days of the listing). Headers in Chinese or
        English: see ``portfolios/reference/own_master.toml``. None takes what ``EXPOSURE_MASTER`` or
        ``exposure.toml`` name; an empty list takes none.

    Returns
    -------
    SecurityMaster
        A shipped listing keeps its issuer and gains the facts it lacks. What could not be used, and
        what contradicts, is in ``issues``.

    Raises
    ------
    ContentError
        With file and line, for content that breaks a rule.
    HoldingsError
        If a file of ``extra`` can't be read, or has no column of codes.
    """
    shipped = load_shipped(root)
    if extra is None:
        extra = list(chosen_master().paths)
    if isinstance(extra, list | tuple) and not extra:
        return shipped
    many = cast("Sequence[Source]", extra if isinstance(extra, list | tuple) else [extra])
    sources = [one if isinstance(one, OwnMaster) else OwnMaster(one) for one in many]
    return join_own(shipped, read_own(sources, root))
