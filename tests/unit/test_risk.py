"""The risk model on generated prices: what is read, what is dropped, what is said about it."""

from __future__ import annotations

import math
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from exposure.content import ContentRoot, shipped_root
from exposure.errors import ContentError, HoldingsError, UsageError
from exposure.risk import (
    DAYS_PER_YEAR,
    RiskModel,
    as_matrices,
    estimate_risk,
    load_risk,
    read_risk,
    risk_origins,
    write_risk,
)

AS_OF = date(2025, 1, 24)
INDICES = ("000300", "930651", "H30184")
BETAS = {
    "600001.SH": (1.0, 0.5, 0.0),
    "600002.SH": (0.8, 1.5, 0.2),
    "000003.SZ": (1.3, 0.0, 1.0),
    "688004.SH": (1.6, 0.8, 1.4),
    "300005.SZ": (1.1, 1.0, 0.5),
    "600006.SH": (0.6, 0.2, -0.2),
}


def weekdays(count: int, last: date = AS_OF) -> list[date]:
    days: list[date] = []
    day = last
    while len(days) < count:
        if day.weekday() < 5:
            days.append(day)
        day -= timedelta(days=1)
    return days[::-1]


def index_frame(days: list[date], seed: int = 1) -> tuple[pl.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    market = rng.normal(0.0, 0.012, len(days) - 1)
    first = 1.4 * market + rng.normal(0.0, 0.012, len(days) - 1)
    second = 1.3 * market + 0.5 * (first - 1.4 * market) + rng.normal(0.0, 0.01, len(days) - 1)
    returns = np.column_stack([market, first, second])
    levels = 1000.0 * np.vstack([np.ones(3), np.cumprod(1.0 + returns, axis=0)])
    rows = [
        (code, day, float(levels[t, j]))
        for j, code in enumerate(INDICES)
        for t, day in enumerate(days)
    ]
    return pl.DataFrame(rows, schema=["index_code", "date", "close"], orient="row"), returns


def price_rows(name: str, days: list[date], returns: np.ndarray) -> pl.DataFrame:
    closes = 50.0 * np.concatenate([[1.0], np.cumprod(1.0 + returns)])
    return pl.DataFrame(
        {
            "listing_id": [name] * len(days),
            "date": days,
            "close": closes,
            "volume_shares": [1e5 + 2.0 * t for t in range(len(days))],
        }
    )


def world(
    count: int = 260, noise: float = 0.002, seed: int = 1
) -> tuple[pl.DataFrame, pl.DataFrame, np.ndarray]:
    days = weekdays(count)
    indices, returns = index_frame(days, seed)
    market = returns[:, 0]
    first = returns[:, 1] - 1.4 * market
    second = returns[:, 2] - 1.3 * market - 0.5 * first
    rng = np.random.default_rng(seed + 100)
    frames = [
        price_rows(
            name,
            days,
            b[0] * market + b[1] * first + b[2] * second + rng.normal(0.0, noise, count - 1),
        )
        for name, b in BETAS.items()
    ]
    return pl.concat(frames), indices, returns


def loading(model: RiskModel, listing: str, factor: str) -> float:
    row = model.loadings.row(
        by_predicate=(pl.col("listing_id") == listing) & (pl.col("risk_factor") == factor),
        named=True,
    )
    return float(row["loading"])


def test_the_market_loading_is_the_whole_beta_and_themes_are_what_the_market_leaves():
    prices, indices, returns = world()

    model = estimate_risk(prices, indices, AS_OF)

    assert loading(model, "000003.SZ", "000300") == pytest.approx(1.3, abs=0.06)
    assert loading(model, "000003.SZ", "H30184") == pytest.approx(1.0, abs=0.06)
    assert loading(model, "600002.SH", "930651") == pytest.approx(1.5, abs=0.06)
    variance = model.factor_covariance.filter(
        (pl.col("risk_factor") == "000300") & (pl.col("other") == "000300")
    )["covariance"][0]
    window = returns[-250:, 0]
    assert variance == pytest.approx(window.var(ddof=1) * DAYS_PER_YEAR, rel=1e-5)


def test_theme_factors_are_orthogonal_to_the_market():
    prices, indices, _ = world()

    covariance = estimate_risk(prices, indices, AS_OF).factor_covariance

    off = covariance.filter(pl.col("risk_factor") != pl.col("other"))["covariance"]
    assert off.to_list() == [0.0] * 6


def test_specific_variance_is_per_year():
    prices, indices, _ = world(noise=0.01)

    specific = estimate_risk(prices, indices, AS_OF).specific

    expected = 0.01**2 * DAYS_PER_YEAR
    assert specific["specific_variance"].to_list() == pytest.approx([expected] * 6, rel=0.25)


def test_the_median_volume_is_kept():
    prices, indices, _ = world()

    specific = estimate_risk(prices, indices, AS_OF, window_days=200).specific

    # volumes rise by 2 a day; the window holds the last 201 of 260 days
    assert specific["daily_volume"][0] == pytest.approx(1e5 + 2.0 * 159)


def test_a_name_with_few_returns_gets_the_median_of_the_others():
    prices, indices, _ = world()
    days = weekdays(260)
    young = price_rows("600009.SH", days[-50:], np.zeros(49))

    model = estimate_risk(pl.concat([prices, young]), indices, AS_OF)

    row = model.specific.row(by_predicate=pl.col("listing_id") == "600009.SH", named=True)
    assert row["origin"] == "prior"
    assert row["observations"] == 49
    others = [loading(model, name, "000300") for name in BETAS]
    assert loading(model, "600009.SH", "000300") == pytest.approx(np.median(others), rel=1e-4)
    assert model.manifest["counts"]["prior"] == 1  # type: ignore[index]


def test_a_suspension_is_dropped_and_not_a_zero_return():
    prices, indices, _ = world()
    days = weekdays(260)
    closed = days[200:210]
    with_gap = prices.filter(
        ~((pl.col("listing_id") == "600001.SH") & pl.col("date").is_in(closed))
    )

    model = estimate_risk(with_gap, indices, AS_OF)

    row = model.specific.row(by_predicate=pl.col("listing_id") == "600001.SH", named=True)
    # ten days are missing, and the return over the gap is not the return of a day
    assert row["observations"] == 250 - 11
    assert model.manifest["counts"]["gaps_dropped"] == 1  # type: ignore[index]
    assert loading(model, "600001.SH", "000300") == pytest.approx(1.0, abs=0.06)


def test_limit_days_are_kept_and_counted():
    prices, indices, _ = world()
    days = weekdays(260)
    jumpy = np.zeros(259)
    jumpy[[100, 150]] = 0.10
    jumpy[200] = -0.10
    limited = price_rows("600008.SH", days, jumpy).with_columns(pl.col("close").round(2))

    specific = estimate_risk(pl.concat([prices, limited]), indices, AS_OF).specific

    row = specific.row(by_predicate=pl.col("listing_id") == "600008.SH", named=True)
    assert (row["limit_days"], row["observations"]) == (3, 250)


@pytest.mark.parametrize(
    ("listing", "start", "at", "ret", "reason"),
    [
        ("688777.SH", 100, 2, 0.8, "first days of a listing"),
        ("688777.SH", 100, 60, 0.5, "beyond the price limit"),
        ("600777.SH", 0, 200, -0.4, "beyond the price limit"),
    ],
)
def test_a_return_that_no_limit_allows_is_excluded_and_reported(listing, start, at, ret, reason):
    prices, indices, _ = world()
    days = weekdays(260)[start:]
    returns = np.zeros(len(days) - 1)
    returns[at - 1] = ret

    model = estimate_risk(pl.concat([prices, price_rows(listing, days, returns)]), indices, AS_OF)

    assert model.manifest["excluded"] == [
        {"listing_id": listing, "date": days[at], "reason": reason}
    ]
    row = model.specific.row(by_predicate=pl.col("listing_id") == listing, named=True)
    assert row["observations"] == min(250, len(days) - 1) - 1


def test_hong_kong_moves_are_compared_over_the_same_span():
    prices, indices, returns = world(noise=0.0005)
    days = weekdays(260)
    hong_kong = price_rows("0700.HK", days, returns[:, 0]).filter(
        ~pl.col("date").is_in(days[100:104])
    )

    model = estimate_risk(pl.concat([prices, hong_kong]), indices, AS_OF)

    row = model.specific.row(by_predicate=pl.col("listing_id") == "0700.HK", named=True)
    # closed for four days at home only: one return over the span, for the index too, so the fit stays exact
    assert row["observations"] == 246
    assert loading(model, "0700.HK", "000300") == pytest.approx(1.0, abs=1e-3)
    assert model.manifest["counts"]["other_markets"] == 1  # type: ignore[index]


def test_days_without_any_listing_are_no_trading_days():
    prices, indices, _ = world()
    carried = indices.group_by("index_code").agg(
        pl.lit(date(2025, 1, 18)).alias("date"), pl.col("close").sort_by("date").get(-6)
    )

    with_row = estimate_risk(prices, pl.concat([indices, carried.select(indices.columns)]), AS_OF)

    plain = estimate_risk(prices, indices, AS_OF)
    assert with_row.loadings.equals(plain.loadings)


def test_a_close_that_is_not_above_zero_is_excluded():
    prices, indices, _ = world()
    day = weekdays(260)[150]
    at = (pl.col("listing_id") == "600001.SH") & (pl.col("date") == day)
    spoiled = prices.with_columns(pl.when(at).then(-3.0).otherwise("close").alias("close"))

    model = estimate_risk(spoiled, indices, AS_OF)

    assert model.manifest["excluded"] == [
        {"listing_id": "600001.SH", "date": day, "reason": "close is not above zero"}
    ]
    row = model.specific.row(by_predicate=pl.col("listing_id") == "600001.SH", named=True)
    assert row["observations"] == 248


def test_any_frame_is_accepted():
    prices, indices, _ = world()

    model = estimate_risk(prices.to_pandas(), indices.lazy(), AS_OF)

    assert model.loadings.equals(estimate_risk(prices, indices, AS_OF).loadings)


def test_dates_may_be_text():
    prices, indices, _ = world()
    as_text = pl.col("date").dt.to_string("%Y-%m-%d")

    model = estimate_risk(prices.with_columns(as_text), indices.with_columns(as_text), AS_OF)

    assert model.specific.height == 6


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (lambda p: p.drop("close"), HoldingsError, "lack the column close"),
        (lambda p: pl.concat([p, p.head(1)]), HoldingsError, "twice on"),
        (lambda p: p.filter(pl.col("listing_id") == "nobody"), HoldingsError, "no listing has 120"),
        (
            lambda p: p.with_columns(pl.col("date").dt.to_string("%d/%m/%Y")),
            HoldingsError,
            "needs listing_id and a date",
        ),
        (
            lambda p: p.with_columns(pl.lit("12%").alias("close")),
            HoldingsError,
            '"12%" is not a number',
        ),
    ],
)
def test_prices_that_cannot_be_used_are_refused(change, error, says):
    prices, indices, _ = world()

    with pytest.raises(error) as caught:
        estimate_risk(change(prices), indices, AS_OF)

    assert says in caught.value.render()


def test_short_indices_are_refused():
    prices, indices, _ = world(count=100)

    with pytest.raises(HoldingsError, match="99 common returns"):
        estimate_risk(prices, indices, AS_OF)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"market": "000905"}, "no index is called '000905'"),
        ({"themes": ("930651", "930651")}, "named twice"),
        ({"min_observations": 5}, "must lie between"),
        ({"window_days": 100}, "must lie between"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, says):
    prices, indices, _ = world()

    with pytest.raises(UsageError, match=says):
        estimate_risk(prices, indices, AS_OF, **settings)


# --- the snapshot on disk -----------------------------------------------------------------------------------------


def content_with(tmp_path: Path, *days: str) -> ContentRoot:
    prices, indices, _ = world()
    model = estimate_risk(prices, indices, AS_OF, source="generated")
    for day in days:
        manifest = model.manifest | {"as_of": date.fromisoformat(day)}
        write_risk(
            RiskModel(AS_OF, model.loadings, model.factor_covariance, model.specific, manifest),
            tmp_path / "portfolios" / "risk" / day,
        )
    return ContentRoot(tmp_path, "test")


def test_what_is_written_is_read_back(tmp_path):
    prices, indices, _ = world()
    days = weekdays(260)
    returns = np.zeros(259)
    returns[200] = 0.4
    model = estimate_risk(
        pl.concat([prices, price_rows("600777.SH", days, returns)]), indices, AS_OF
    )

    write_risk(model, tmp_path / "snapshot")
    again = read_risk(tmp_path / "snapshot")

    assert again.loadings.equals(model.loadings)
    assert again.factor_covariance.equals(model.factor_covariance)
    assert again.specific.equals(model.specific)
    assert again.manifest == model.manifest
    assert again.as_of == AS_OF
    assert sorted(path.name for path in (tmp_path / "snapshot").iterdir()) == [
        "factor_covariance.csv",
        "loadings.csv",
        "manifest.toml",
        "specific.csv",
    ]


def test_six_digits_are_written(tmp_path):
    prices, indices, _ = world()

    loadings = estimate_risk(prices, indices, AS_OF).loadings["loading"]

    assert all(value == float(f"{value:.6g}") for value in loadings)


def test_the_newest_snapshot_that_is_not_later_is_read(tmp_path):
    root = content_with(tmp_path, "2024-12-31", "2025-01-24", "2025-03-31")

    assert load_risk(root, date(2025, 2, 28)).as_of == date(2025, 1, 24)
    assert load_risk(root, date(2025, 1, 24)).as_of == date(2025, 1, 24)
    assert load_risk(root, date(2025, 1, 23)).as_of == date(2024, 12, 31)


def test_no_snapshot_is_none_and_not_a_later_one(tmp_path):
    assert load_risk(content_with(tmp_path, "2025-01-24"), date(2025, 1, 23)) is None
    assert load_risk(ContentRoot(tmp_path / "empty", "test"), AS_OF) is None


def spoil(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("manifest.toml", "as_of = 2025-01-24", "as_of = 2025-01-20", "must be one day"),
        ("manifest.toml", "as_of = 2025-01-24", 'as_of = "soon"', "is not a day"),
        ("manifest.toml", '"H30184"]', '"H30590"]', "name different risk factors"),
        ("loadings.csv", "600001.SH,H30184", "600001.SH,H30590", "is not in factor_covariance"),
        ("specific.csv", "600001.SH", "600099.SH", "has no loading on some risk factor"),
        ("specific.csv", "estimated", "guessed", "row 2"),
        ("factor_covariance.csv", "000300,930651,0.0", "000300,930651,9.0", "symmetric"),
        ("factor_covariance.csv", "000300,000300,0", "000300,000300,-0", "positive definite"),
    ],
)
def test_a_snapshot_that_does_not_hold_together_is_refused(tmp_path, name, old, new, says):
    root = content_with(tmp_path, "2025-01-24")
    spoil(tmp_path / "portfolios" / "risk" / "2025-01-24", name, old, new)

    with pytest.raises(ContentError) as caught:
        load_risk(root, AS_OF)

    assert says in caught.value.render()


def test_a_missing_file_and_a_folder_without_a_day_are_named(tmp_path):
    root = content_with(tmp_path, "2025-01-24")
    (tmp_path / "portfolios" / "risk" / "2025-01-24" / "specific.csv").unlink()

    with pytest.raises(ContentError, match=r"specific\.csv is missing"):
        load_risk(root, AS_OF)

    (tmp_path / "portfolios" / "risk" / "latest").mkdir()
    with pytest.raises(ContentError, match="not named by a day"):
        load_risk(root, AS_OF)


def test_matrices_give_the_covariance_of_the_tables():
    prices, indices, _ = world()
    model = estimate_risk(prices, indices, AS_OF)
    names = ["688004.SH", "600001.SH"]

    b, d = as_matrices(model, names)

    variance = {
        row["risk_factor"]: row["covariance"]
        for row in model.factor_covariance.iter_rows(named=True)
        if row["risk_factor"] == row["other"]
    }
    expected = sum(
        loading(model, names[0], f) * loading(model, names[1], f) * variance[f] for f in INDICES
    )
    assert (b @ b.T)[0, 1] == pytest.approx(expected, rel=1e-9)
    assert d.shape == (2,)
    assert (
        d[1] == model.specific.filter(pl.col("listing_id") == "600001.SH")["specific_variance"][0]
    )


def test_a_name_outside_the_model_gets_the_prior_and_is_named():
    prices, indices, _ = world()
    model = estimate_risk(prices, indices, AS_OF)

    b, d = as_matrices(model, ["600001.SH", "603999.SH", "1211.HK"])
    origins = risk_origins(model, ["600001.SH", "603999.SH", "1211.HK"])

    assert origins["origin"].to_list() == ["estimated", "absent", "absent"]
    assert np.array_equal(b[1], b[2])  # no estimated Hong Kong name: the median of all
    assert d[1] == pytest.approx(model.specific["specific_variance"].median())


def test_the_shipped_snapshot_is_derived_statistics_of_its_day():
    root = ContentRoot(shipped_root(), "test")

    model = load_risk(root, date(2025, 1, 24))

    assert model is not None
    assert model.as_of == date(2025, 1, 24)
    assert model.manifest["last_close"] <= model.as_of  # type: ignore[operator]
    assert len(model.listing_ids) == 87
    assert model.factors == INDICES
    held = ["601138.SH", "000977.SZ", "0992.HK", "000938.SZ", "603019.SH", "301236.SZ", "000034.SZ"]
    b, d = as_matrices(model, held)
    volatility = np.sqrt((b**2).sum(axis=1) + d)
    assert volatility.min() > 0.25
    assert volatility.max() < 0.9
    assert not math.isnan(float(d.sum()))


def test_there_is_no_snapshot_before_the_first():
    assert load_risk(ContentRoot(shipped_root(), "test"), date(2025, 1, 23)) is None
