"""Laws of the risk model on generated prices: planted betas come back, the future and the order of rows change nothing.

A user would notice a failure as a risk figure that moves when nothing known on the day has changed.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exposure.content import ContentRoot, shipped_root
from exposure.portfolios.trading_rules import load_trading_rules
from exposure.risk import as_matrices, estimate_risk

pytestmark = pytest.mark.property

LAST = date(2025, 1, 24)
RULES = load_trading_rules(ContentRoot(shipped_root(), "test"))
FACTORS = ("000300", "930651", "H30184")
FEW = settings(max_examples=15, deadline=None)


def generated(
    seed: int, betas: list[tuple[float, float, float]], noise: float, later: int = 0
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Prices of names with known loadings on market and orthogonal themes, `later` days beyond LAST."""
    rng = np.random.default_rng(seed)
    count = 260 + later
    days = [LAST + timedelta(days=later - t) for t in range(count)][::-1]
    f = rng.normal(0.0, [0.012, 0.010, 0.009], (count - 1, 3))
    window = slice(count - 1 - later - 250, count - 1 - later)
    f[window] = orthogonal(f[window])
    index_returns = np.column_stack(
        [f[:, 0], 1.4 * f[:, 0] + f[:, 1], f[:, 0] + 0.5 * f[:, 1] + f[:, 2]]
    )
    levels = 1000.0 * np.cumprod(1.0 + np.vstack([np.zeros(3), index_returns]), axis=0)
    indices = pl.concat(
        pl.DataFrame({"index_code": [code] * count, "date": days, "close": levels[:, j]})
        for j, code in enumerate(FACTORS)
    )
    frames = []
    for i, beta in enumerate(betas):
        returns = np.clip(f @ np.array(beta) + rng.normal(0.0, noise, count - 1), -0.099, 0.099)
        closes = 80.0 * np.cumprod(1.0 + np.concatenate([[0.0], returns]))
        frames.append(
            pl.DataFrame({"listing_id": [f"60{i:04d}.SH"] * count, "date": days, "close": closes})
        )
    return pl.concat(frames), indices


def orthogonal(f: np.ndarray) -> np.ndarray:
    """Columns without sample correlation: the generated factors then are the estimated ones, to the last digit."""
    centred = f - f.mean(axis=0)
    q, r = np.linalg.qr(centred)
    return q * np.diag(r) + f.mean(axis=0)


seeds = st.integers(0, 2**31 - 1)
beta_sets = st.lists(
    st.tuples(st.floats(0.3, 1.5), st.floats(-0.5, 1.0), st.floats(-0.5, 1.0)),
    min_size=1,
    max_size=9,
)


@FEW
@given(seed=seeds, betas=beta_sets)
def test_planted_betas_are_recovered(seed, betas):
    prices, indices = generated(seed, betas, noise=0.003)

    model = estimate_risk(prices, indices, LAST, rules=RULES)

    wide = model.loadings.pivot(on="risk_factor", index="listing_id", values="loading")
    found = wide.sort("listing_id").select(FACTORS).to_numpy()
    # sampling error 0.003 / 0.009 / sqrt(250) = 0.02 for the smallest factor; five of those
    assert np.abs(found - np.array(betas)).max() < 0.1


@FEW
@given(seed=seeds, betas=beta_sets)
def test_without_noise_betas_are_exact_and_nothing_is_specific(seed, betas):
    prices, indices = generated(seed, betas, noise=0.0)

    model = estimate_risk(prices, indices, LAST, rules=RULES)

    wide = model.loadings.pivot(on="risk_factor", index="listing_id", values="loading")
    assert np.abs(wide.sort("listing_id").select(FACTORS).to_numpy() - np.array(betas)).max() < 1e-4
    assert model.specific["specific_variance"].max() < 1e-6


@FEW
@given(seed=seeds, later=st.integers(1, 40))
def test_rows_after_the_day_change_nothing(seed, later):
    betas = [(1.0, 0.5, 0.1), (0.7, 0.0, 1.0), (1.5, 1.0, 0.4), (1.0, 1.0, 1.0), (0.4, 0.1, 0.0)]
    prices, indices = generated(seed, betas, noise=0.01, later=later)
    known = pl.col("date") <= LAST

    with_future = estimate_risk(prices, indices, LAST, rules=RULES)
    without = estimate_risk(prices.filter(known), indices.filter(known), LAST, rules=RULES)

    assert with_future.loadings.equals(without.loadings)
    assert with_future.factor_covariance.equals(without.factor_covariance)
    assert with_future.specific.equals(without.specific)
    assert with_future.manifest == without.manifest


@FEW
@given(seed=seeds, shuffle=seeds)
def test_the_order_of_rows_is_irrelevant(seed, shuffle):
    betas = [(1.0, 0.5, 0.1), (0.7, 0.0, 1.0), (1.5, 1.0, 0.4), (1.0, 1.0, 1.0), (0.4, 0.1, 0.0)]
    prices, indices = generated(seed, betas, noise=0.01)

    one = estimate_risk(prices, indices, LAST, rules=RULES)
    other = estimate_risk(
        prices.sample(fraction=1.0, shuffle=True, seed=shuffle),
        indices.sample(fraction=1.0, shuffle=True, seed=shuffle),
        LAST,
        rules=RULES,
    )

    assert one.loadings.equals(other.loadings)
    assert one.specific.equals(other.specific)


@FEW
@given(seed=seeds, factor=st.floats(0.01, 100.0))
def test_the_unit_of_a_price_is_irrelevant(seed, factor):
    betas = [(1.0, 0.5, 0.1), (0.7, 0.0, 1.0)]
    prices, indices = generated(seed, betas, noise=0.01)

    one = estimate_risk(prices, indices, LAST, rules=RULES)
    other = estimate_risk(prices.with_columns(pl.col("close") * factor), indices, LAST, rules=RULES)

    assert one.loadings["loading"].to_list() == pytest.approx(
        other.loadings["loading"].to_list(), rel=1e-4, abs=1e-6
    )


@FEW
@given(seed=seeds, gaps=st.sets(st.integers(20, 240), max_size=30))
def test_a_missing_close_only_drops_its_own_two_returns(seed, gaps):
    betas = [(1.0, 0.5, 0.1), (0.7, 0.0, 1.0)]
    prices, indices = generated(seed, betas, noise=0.01)
    days = prices["date"].unique().sort()
    closed = [days[t] for t in gaps]
    name = "600000.SH"
    holed = prices.filter(~((pl.col("listing_id") == name) & pl.col("date").is_in(closed)))

    model = estimate_risk(holed, indices, LAST, rules=RULES)

    row = model.specific.row(by_predicate=pl.col("listing_id") == name, named=True)
    assert row["observations"] == 250 - len(gaps | {t + 1 for t in gaps})
    untouched = estimate_risk(prices, indices, LAST, rules=RULES)
    other = pl.col("listing_id") == "600001.SH"
    assert model.loadings.filter(other).equals(untouched.loadings.filter(other))


@FEW
@given(seed=seeds)
def test_the_covariance_is_positive(seed):
    betas = [(1.0, 0.5, 0.1), (0.7, 0.0, 1.0), (1.5, 1.0, 0.4)]
    prices, indices = generated(seed, betas, noise=0.01)
    model = estimate_risk(prices, indices, LAST, rules=RULES)

    b, d = as_matrices(model, [*model.listing_ids, "0992.HK"])

    assert np.linalg.eigvalsh(b @ b.T + np.diag(d)).min() > 0


@FEW
@given(seed=seeds, later=st.integers(1, 40), days=st.integers(13, 120))
def test_the_crisis_window_knows_no_later_close(seed, later, days):
    betas = [(1.0, 0.5, 0.1), (0.7, 0.0, 1.0), (1.5, 1.0, 0.4), (1.0, 1.0, 1.0), (0.4, 0.1, 0.0)]
    prices, indices = generated(seed, betas, noise=0.01, later=later)
    known = pl.col("date") <= LAST
    ask = {"rules": RULES, "crisis": "auto", "crisis_days": days}

    with_future = estimate_risk(prices, indices, LAST, **ask).crisis
    without = estimate_risk(prices.filter(known), indices.filter(known), LAST, **ask).crisis

    assert with_future is not None
    assert without is not None
    assert with_future.loadings.equals(without.loadings)
    assert with_future.factor_covariance.equals(without.factor_covariance)
    assert with_future.specific.equals(without.specific)
    assert with_future.manifest == without.manifest


@FEW
@given(seed=seeds, days=st.integers(13, 120))
def test_no_other_window_has_a_larger_realised_variance(seed, days):
    betas = [(1.0, 0.5, 0.1), (0.7, 0.0, 1.0), (1.5, 1.0, 0.4)]
    prices, indices = generated(seed, betas, noise=0.01)

    crisis = estimate_risk(
        prices, indices, LAST, rules=RULES, crisis="auto", crisis_days=days
    ).crisis

    assert crisis is not None
    market = indices.filter(pl.col("index_code") == "000300").sort("date")["close"].to_numpy()
    squares = (market[1:] / market[:-1] - 1.0) ** 2
    largest = max(squares[i : i + days].mean() for i in range(len(squares) - days + 1))
    assert crisis.manifest["window_days"] == days
    assert crisis.manifest["realised_variance"] == pytest.approx(242 * largest, rel=1e-5)


@FEW
@given(seed=seeds, weight=st.floats(0.0, 1.0))
def test_the_variance_of_a_book_under_the_blend_lies_between(seed, weight):
    betas = [(1.0, 0.5, 0.1), (0.7, 0.0, 1.0), (1.5, 1.0, 0.4)]
    prices, indices = generated(seed, betas, noise=0.01)
    model = estimate_risk(prices, indices, LAST, rules=RULES, crisis="auto")
    assert model.crisis is not None
    names = model.listing_ids
    matrices = []
    for one in (model, model.crisis):
        b, d = as_matrices(one, names)
        matrices.append(b @ b.T + np.diag(d))
    blend = (1.0 - weight) * matrices[0] + weight * matrices[1]
    book = np.random.default_rng(seed).normal(size=len(names))

    low, high = sorted(float(book @ matrix @ book) for matrix in matrices)
    assert low - 1e-12 <= float(book @ blend @ book) <= high + 1e-12
