"""The security master of a run: what came with the content, and the user's own file beneath it."""

from __future__ import annotations

from exposure.content import ContentRoot
from exposure.portfolios.securities.master import SecurityMaster, load_shipped


def load_master(root: ContentRoot) -> SecurityMaster:
    """Read the security master of a content root."""
    return load_shipped(root)
