"""Factor risk model: read a snapshot, or estimate one from daily closes up to a day.

Symbols
    T, k, N   returns, risk factors, listings
    f         T × k risk-factor returns (market, then themes made orthogonal in the order given)
    L         N × k loadings
    F         k × k factor covariance, per year
    D         N specific variances, per year
    B         N × k, B = L · chol(F), so that the covariance of returns is B Bᵀ + diag(D)

Method
    Simple returns between consecutive days of a market's calendar. A missing close is a suspension: the returns on
    both sides of it are dropped, never filled. Days at the price limit are kept and counted: they cut the true move,
    so specific variance is a lower bound for names that have many. Mainland listings use the days of the market
    index. Listings elsewhere (Hong Kong) use the days common to both markets, and index returns over the same
    spans; there is no Hang Seng series, so their common local movement stays in specific variance.

    The crisis model is the same estimate over the most turbulent days known on the day of the estimate, or over days
    that the user names; which, and by what rule, stands in its manifest. The themes are made orthogonal in its own
    days, so the two models meet in Σ = B Bᵀ + diag(D), never loading by loading.
"""

from __future__ import annotations

from exposure.risk.estimating import estimate_risk
from exposure.risk.model import RiskModel, as_matrices, risk_origins
from exposure.risk.samples import DAYS_PER_YEAR
from exposure.risk.snapshots import load_risk, read_risk, write_risk

__all__ = [
    "DAYS_PER_YEAR",
    "RiskModel",
    "as_matrices",
    "estimate_risk",
    "load_risk",
    "read_risk",
    "risk_origins",
    "write_risk",
]
