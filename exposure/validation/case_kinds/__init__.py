"""The kinds of acceptance case: which input keys they have, and which public functions answer them.

Every ``run`` returns the engine's answers in the layout of the file. Whole numbers are returned as
``int`` where they must be equal, everything else as ``float``.
"""

from __future__ import annotations

from exposure.validation.case_kinds import books, networks, oracles, shocks
from exposure.validation.case_kinds.base import CHECKS, Kind, MissingPackage

KINDS: tuple[Kind, ...] = networks.KINDS + shocks.KINDS + books.KINDS + oracles.KINDS

__all__ = ["CHECKS", "KINDS", "Kind", "MissingPackage"]
