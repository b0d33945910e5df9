"""Who is who: issuers, their listings, names and owners, and how a code in a file becomes a listing."""

from __future__ import annotations

from exposure.portfolios.securities.answers import Remark, Resolution
from exposure.portfolios.securities.loading import load_master
from exposure.portfolios.securities.master import REFERENCE, SecurityMaster
from exposure.portfolios.securities.names import normal_name
from exposure.portfolios.securities.own import OwnMaster
from exposure.portfolios.securities.resolver import Resolver

__all__ = [
    "REFERENCE",
    "OwnMaster",
    "Remark",
    "Resolution",
    "Resolver",
    "SecurityMaster",
    "load_master",
    "normal_name",
]
