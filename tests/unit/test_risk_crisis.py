"""The crisis window of the risk model: the days it takes, what is kept on disk, and what a stress makes of it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from exposure.cli.main import run as command
from exposure.content import ContentRoot, shipped_root
from exposure.errors import ContentError, HoldingsError, UsageError
from exposure.risk import (
    DAYS_PER_YEAR,
    RiskModel,
    as_matrices,
    estimate_risk,
    load_risk,
    read_risk,
    write_risk,
)
from exposure.scenarios.inference import infer_case
from exposure.scenarios.reading import load_assumptions
from exposure.scenarios.stressing import stress
from tests.unit.test_risk import AS_OF, BETAS, INDICES, loading, price_rows, spoil, weekdays

COUNT = 520
ROUGH = slice(190, 250)  # returns of the turbulent stretch, well before the 250 of the main window
DAYS = weekdays(COUNT)
FILES = ["factor_covariance.csv", "loadings.csv", "manifest.toml", "specific.csv"]
SHIPPED = "portfolios/risk/2025-01-24"


def rough_world(seed: int = 3, count: int = COUNT) -> tuple[pl.DataFrame, pl.DataFrame, np.ndarray]:
    """Generated prices whose returns are three times as large in the turbulent stretch."""
    rng = np.random.default_rng(seed)
    f = rng.normal(0.0, [0.008, 0.007, 0.006], (COUNT - 1, 3))
    f[ROUGH] *= 3.0
    index_returns = np.column_stack(
        [f[:, 0], 1.4 * f[:, 0] + f[:, 1], 1.3 * f[:, 0] + 0.5 * f[:, 1] + f[:, 2]]
    )
    levels = 1000.0 * np.cumprod(1.0 + np.vstack([np.zeros(3), index_returns]), axis=0)
    indices = pl.concat(
        pl.DataFrame({"index_code": [code] * COUNT, "date": DAYS, "close": levels[:, j]})
        for j, code in enumerate(INDICES)
    )
    prices = pl.concat(
        price_rows(
            name,
            DAYS,
            np.clip(f @ np.array(b) + rng.normal(0.0, 0.004, COUNT - 1), -0.095, 0.095),
        )
        for name, b in BETAS.items()
    )
    first = DAYS[-count]
    kept = pl.col("date") >= first
    return prices.filter(kept), indices.filter(kept), index_returns


def crisis_of(model: RiskModel) -> RiskModel:
    assert model.crisis is not None
    return model.crisis


def variance(model: RiskModel, factor: str = "000300") -> float:
    row = (pl.col("risk_factor") == factor) & (pl.col("other") == factor)
    return float(model.factor_covariance.row(by_predicate=row, named=True)["covariance"])


def same(one: RiskModel, other: RiskModel) -> bool:
    return (
        one.as_of == other.as_of
        and one.loadings.equals(other.loadings)
        and one.factor_covariance.equals(other.factor_covariance)
        and one.specific.equals(other.specific)
        and one.manifest == other.manifest
    )


def first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


# --- which days ---------------------------------------------------------------------------------------------------


def test_the_automatic_window_is_the_one_with_the_largest_mean_squared_return():
    prices, indices, returns = rough_world()

    crisis = crisis_of(estimate_risk(prices, indices, AS_OF, crisis="auto"))

    squares = returns[:, 0] ** 2
    means = [squares[i : i + 60].mean() for i in range(len(squares) - 59)]
    start = int(np.argmax(means))
    assert (crisis.manifest["first_close"], crisis.manifest["last_close"]) == (
        DAYS[start],
        DAYS[start + 60],
    )
    assert crisis.manifest["realised_variance"] == pytest.approx(
        means[start] * DAYS_PER_YEAR, rel=1e-5
    )
    assert crisis.manifest["history_first_close"] == DAYS[0]
    assert crisis.manifest["history_last_close"] == AS_OF
    assert "largest realised variance" in str(crisis.manifest["window_rule"])


def test_the_market_moves_more_in_the_window_than_in_the_year():
    prices, indices, _ = rough_world()

    model = estimate_risk(prices, indices, AS_OF, crisis="auto")

    assert variance(crisis_of(model)) > 4 * variance(model)


def test_the_main_model_does_not_depend_on_the_crisis_window():
    prices, indices, _ = rough_world()

    plain = estimate_risk(prices, indices, AS_OF)

    assert plain.crisis is None
    for crisis in ("auto", (DAYS[40], DAYS[90])):
        assert same(estimate_risk(prices, indices, AS_OF, crisis=crisis), plain)


def test_closes_after_the_day_change_nothing():
    prices, indices, _ = rough_world()
    day = DAYS[330]
    known = pl.col("date") <= day

    with_future = crisis_of(estimate_risk(prices, indices, day, crisis="auto"))
    without = crisis_of(
        estimate_risk(prices.filter(known), indices.filter(known), day, crisis="auto")
    )

    assert same(with_future, without)


def test_turbulence_still_to_come_is_not_known():
    prices, indices, _ = rough_world()
    day = DAYS[185]

    crisis = crisis_of(
        estimate_risk(prices, indices, day, window_days=130, min_observations=100, crisis="auto")
    )

    assert crisis.manifest["last_close"] <= day
    assert variance(crisis) < 0.03  # 0.008² · 242 = 0.0155 in calm, nine times that in the stretch


def test_the_factors_and_listings_are_those_of_the_main_model():
    prices, indices, _ = rough_world()

    model = estimate_risk(prices, indices, AS_OF, crisis="auto")

    assert crisis_of(model).factors == model.factors == INDICES
    assert crisis_of(model).listing_ids == model.listing_ids
    assert crisis_of(model).as_of == model.as_of
    assert crisis_of(model).crisis is None
    assert loading(crisis_of(model), "000003.SZ", "000300") == pytest.approx(1.3, abs=0.15)


def test_named_days_are_the_first_and_last_close():
    prices, indices, returns = rough_world()

    crisis = crisis_of(estimate_risk(prices, indices, AS_OF, crisis=(DAYS[40], DAYS[90])))

    assert crisis.manifest["window"] == "named"
    assert crisis.manifest["window_days"] == 50
    assert (crisis.manifest["first_close"], crisis.manifest["last_close"]) == (DAYS[40], DAYS[90])
    assert variance(crisis) == pytest.approx(
        returns[40:90, 0].var(ddof=1) * DAYS_PER_YEAR, rel=1e-5
    )


def test_a_short_window_asks_for_its_share_of_returns():
    prices, indices, _ = rough_world()

    least = [
        crisis_of(estimate_risk(prices, indices, AS_OF, crisis=window)).manifest["min_observations"]
        for window in ("auto", (DAYS[40], DAYS[56]))
    ]

    # 120 of 250 is 48%: 29 of 60; of 16 it would be 8, but three factors need 13
    assert least == [29, 13]


def test_a_listing_that_came_later_gets_the_prior():
    prices, indices, _ = rough_world()
    young = price_rows("600009.SH", DAYS[300:], np.full(219, 0.001))

    model = estimate_risk(pl.concat([prices, young]), indices, AS_OF, crisis="auto")

    row = crisis_of(model).specific.row(
        by_predicate=pl.col("listing_id") == "600009.SH", named=True
    )
    assert (row["origin"], row["observations"], row["daily_volume"]) == ("prior", 0, None)
    others = [loading(crisis_of(model), name, "000300") for name in BETAS]
    assert loading(crisis_of(model), "600009.SH", "000300") == pytest.approx(
        np.median(others), rel=1e-4
    )


def test_a_window_that_few_listings_know_is_no_candidate():
    prices, indices, _ = rough_world()
    known = pl.col("listing_id").is_in(["600001.SH", "600002.SH"]) | (pl.col("date") >= DAYS[240])

    crisis = crisis_of(estimate_risk(prices.filter(known), indices, AS_OF, crisis="auto"))

    # all six are there from day 240 on, before it only two: a window needs 29 returns after that day
    assert crisis.manifest["first_close"] >= DAYS[240 + 29 - 60]
    assert crisis.manifest["counts"]["estimated"] == 6


def test_a_hole_in_an_index_is_in_no_window():
    prices, indices, _ = rough_world()
    hole = (pl.col("index_code") == "H30184") & pl.col("date").is_in(DAYS[205:210])
    holed = indices.filter(~hole)

    found = crisis_of(estimate_risk(prices, holed, AS_OF, crisis="auto")).manifest

    assert found["first_close"] >= DAYS[210] or found["last_close"] < DAYS[205]
    with pytest.raises(HoldingsError, match="an index lacks closes on days of 000300"):
        estimate_risk(prices, holed, AS_OF, crisis=(DAYS[180], DAYS[240]))


def test_the_order_of_rows_is_irrelevant():
    prices, indices, _ = rough_world()

    shuffled = estimate_risk(
        prices.sample(fraction=1.0, shuffle=True, seed=1),
        indices.sample(fraction=1.0, shuffle=True, seed=2),
        AS_OF,
        crisis="auto",
    )

    plain = estimate_risk(prices, indices, AS_OF, crisis="auto")
    assert same(crisis_of(shuffled), crisis_of(plain))


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"crisis": "worst"}, UsageError, "must be 'auto', two days or None, not 'worst'"),
        ({"crisis": (DAYS[90], DAYS[40])}, UsageError, "must start before it ends"),
        ({"crisis": (DAYS[40], date(2025, 1, 27))}, UsageError, "after the day of the estimate"),
        ({"crisis": (DAYS[40], DAYS[45])}, HoldingsError, "has 5 common returns; 13 are needed"),
        (
            {"crisis": (date(2015, 6, 12), date(2015, 9, 9))},
            HoldingsError,
            "2015-06-12..2015-09-09 has 0 common returns",
        ),
        ({"crisis": "auto", "crisis_days": 12}, UsageError, "crisis_days must be at least 13"),
        ({"crisis": "auto", "crisis_days": 900}, HoldingsError, "no 900 days in a row"),
    ],
)
def test_a_window_that_cannot_be_is_refused_in_one_line(settings, error, says):
    prices, indices, _ = rough_world()

    with pytest.raises(error) as caught:
        estimate_risk(prices, indices, AS_OF, **settings)

    assert says in first_line(caught.value)


def test_named_days_on_which_no_listing_has_returns_are_refused():
    prices, indices, _ = rough_world()
    by_turns = [("600001.SH", DAYS[0:60:2]), ("600002.SH", DAYS[1:60:2])]
    known = pl.col("date") >= DAYS[60]
    for name, days in by_turns:
        known |= (pl.col("listing_id") == name) & pl.col("date").is_in(days)

    with pytest.raises(HoldingsError) as caught:
        estimate_risk(prices.filter(known), indices, AS_OF, crisis=(DAYS[0], DAYS[59]))

    assert first_line(caught.value) == (
        f"no listing has 29 returns in the crisis window {DAYS[0]}..{DAYS[59]}"
    )


# --- on disk ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model() -> RiskModel:
    prices, indices, _ = rough_world()
    return estimate_risk(prices, indices, AS_OF, source="generated", crisis="auto")


@pytest.fixture
def snapshot(model, tmp_path) -> Path:
    folder = tmp_path / "portfolios" / "risk" / AS_OF.isoformat()
    write_risk(model, folder)
    return folder


def test_what_is_written_is_read_back(model, snapshot):
    again = read_risk(snapshot)

    assert same(again, model)
    assert same(crisis_of(again), crisis_of(model))
    assert sorted(path.name for path in (snapshot / "crisis").iterdir()) == FILES


def test_writing_twice_gives_the_same_bytes(model, snapshot, tmp_path):
    write_risk(model, tmp_path / "again")

    for name in [*FILES, *(f"crisis/{name}" for name in FILES)]:
        assert (tmp_path / "again" / name).read_bytes() == (snapshot / name).read_bytes()


def test_a_snapshot_without_a_crisis_folder_has_none(model, tmp_path):
    write_risk(replace(model, crisis=None), tmp_path / "plain")

    assert read_risk(tmp_path / "plain").crisis is None
    assert not (tmp_path / "plain" / "crisis").exists()


def test_the_crisis_model_of_an_earlier_estimate_does_not_stay(model, snapshot):
    write_risk(replace(model, crisis=None), snapshot)

    assert read_risk(snapshot).crisis is None
    assert sorted(path.name for path in snapshot.iterdir()) == FILES


def test_a_file_that_is_not_ours_stays(model, snapshot):
    (snapshot / "crisis" / "notes.md").write_text("why these days", encoding="utf-8")

    write_risk(replace(model, crisis=None), snapshot)

    assert [path.name for path in (snapshot / "crisis").iterdir()] == ["notes.md"]


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("manifest.toml", "as_of = 2025-01-24", "as_of = 2025-01-20", "its snapshot of 2025-01-24"),
        ("manifest.toml", '"930651", "H30184"', '"H30184", "930651"', "in the same order"),
        ("manifest.toml", "last_close = 20", "last_close = 21", "rests on closes after 2025-01-24"),
        ("loadings.csv", "600001.SH,H30184", "600001.SH,H30590", "is not in factor_covariance"),
        ("specific.csv", "600001.SH", "600099.SH", "has no loading on some risk factor"),
        ("factor_covariance.csv", "000300,930651,0.0", "000300,930651,9.0", "symmetric"),
    ],
)
def test_a_crisis_model_that_does_not_hold_together_is_refused(snapshot, name, old, new, says):
    spoil(snapshot / "crisis", name, old, new)

    with pytest.raises(ContentError) as caught:
        load_risk(ContentRoot(snapshot.parent.parent.parent, "test"), AS_OF)

    assert says in caught.value.render()
    assert "portfolios/risk/2025-01-24/crisis" in first_line(caught.value)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(snapshot, name):
    (snapshot / "crisis" / name).unlink()

    with pytest.raises(ContentError) as caught:
        read_risk(snapshot)

    assert f"2025-01-24/crisis/{name}" in str(caught.value)


# --- the shipped snapshot -----------------------------------------------------------------------------------------


def test_the_main_files_of_the_shipped_snapshot_are_as_they_were():
    digests = {
        "factor_covariance.csv": "fd920ff8c839cecf6f1ce1005dc93f4a42c43eec5ab8962b64a52ecaf7125093",
        "loadings.csv": "badb09b3e606fe5cffcef7d39f2e730643868868acbe6b5e41a92473bdc654b1",
        "manifest.toml": "b6854677da689ddc81511871823d653974d75628e3eee4082ad8585eec3845b6",
        "specific.csv": "385753c3558c369551ea8a869072005cf21c7e779ebe75b74e7506edcfbbd9a3",
    }

    for name, digest in digests.items():
        data = (shipped_root() / SHIPPED / name).read_bytes().replace(b"\r\n", b"\n")
        assert hashlib.sha256(data).hexdigest() == digest, name


def test_the_shipped_crisis_model_is_known_by_its_day_and_more_turbulent(risk):
    crisis = crisis_of(risk)

    assert crisis.as_of == risk.as_of == date(2025, 1, 24)
    assert crisis.manifest["first_close"] == date(2024, 9, 18)
    assert crisis.manifest["last_close"] == date(2024, 12, 18)
    assert crisis.manifest["history_last_close"] <= crisis.as_of
    assert crisis.factors == risk.factors
    assert crisis.listing_ids == risk.listing_ids
    assert variance(risk) ** 0.5 == pytest.approx(0.21, abs=0.001)
    assert variance(crisis) ** 0.5 == pytest.approx(0.35, abs=0.001)


def sigma(model: RiskModel, names: list[str]) -> np.ndarray:
    b, d = as_matrices(model, names)
    return b @ b.T + np.diag(d)


def test_the_blend_lies_between(risk):
    names = list(risk.listing_ids)
    calm, strained = sigma(risk, names), sigma(crisis_of(risk), names)
    blend = 0.5 * calm + 0.5 * strained

    rng = np.random.default_rng(5)
    for weights in rng.normal(size=(200, len(names))):
        ends = sorted(float(weights @ m @ weights) for m in (calm, strained))
        assert ends[0] - 1e-12 <= weights @ blend @ weights <= ends[1] + 1e-12
    assert np.linalg.eigvalsh(blend).min() > 0


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
def test_the_blend_of_a_stress_runs_from_the_calm_model_to_the_crisis_model(root, risk, weight):
    names = ["603019.SH", "000977.SZ", "0992.HK", "688256.SH"]
    returns = [-0.3, -0.2, None, None]
    assumptions = replace(load_assumptions(root), crisis_weight=weight)

    def answer(model):
        rows = {
            name: {"ret": ret, "origin": "none" if ret is None else "modelled"}
            for name, ret in zip(names, returns, strict=True)
        }
        found = infer_case(names, rows, model, years=0.5, assumptions=assumptions, empty=False)
        return found, rows

    both, _ = answer(risk)
    ends = [answer(model) for model in (replace(risk, crisis=None), crisis_of(risk))]
    distances = [found.facts["d"] for found, _ in ends]

    if weight in (0.0, 1.0):
        expected, rows = ends[int(weight)]
        assert both.facts["d_blend"] == pytest.approx(expected.facts["d"])
        assert both.blended["0992.HK"] == pytest.approx(rows["0992.HK"]["ret"])
    else:
        assert min(distances) < both.facts["d_blend"] < max(distances)


def test_a_stress_of_the_sample_shows_the_blend_beside_the_rest(book, catalog, root):
    plain = stress(book, catalog, risk=replace(load_risk(root, book.as_of), crisis=None))

    shock = stress(book, catalog, risk=load_risk(root, book.as_of))

    filled = shock.plausibility.filter(pl.col("d").is_not_null())
    assert filled.height >= 27
    for column in ("d_blend", "p_t_blend", "result_blend"):
        assert filled[column].null_count() == 0
        assert plain.plausibility[column].null_count() == plain.plausibility.height
    assert filled.filter(pl.col("d_blend") <= 0).is_empty()
    assert filled.filter(~pl.col("p_t_blend").is_between(0.0, 1.0)).is_empty()
    # shown beside, not instead: what the stress says under the calm model stays
    assert shock.positions.equals(plain.positions)
    assert shock.portfolio.equals(plain.portfolio)
    moved = filled.join(
        shock.portfolio.select("scenario_id", "severity", "result"), on=["scenario_id", "severity"]
    )
    assert (moved["result_blend"] - moved["result"]).abs().max() > 1e-4


# --- the command line ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("closes")
    prices, indices, _ = rough_world()
    prices.write_csv(folder / "prices.csv")
    indices.write_csv(folder / "indices.csv")
    return [
        "risk",
        "estimate",
        str(folder / "prices.csv"),
        "--indices",
        str(folder / "indices.csv"),
    ]


def test_the_command_writes_the_window_and_says_which(files, tmp_path, capsys):
    out = tmp_path / "auto"

    assert command([*files, "--as-of", "2025-01-24", "--out", str(out)]) == 0

    crisis = crisis_of(read_risk(out))
    said = capsys.readouterr().err
    assert (
        f"crisis window {crisis.manifest['first_close']}..{crisis.manifest['last_close']}" in said
    )
    assert "60 returns" in said


def test_the_command_takes_named_days_or_none(files, tmp_path):
    ask = [*files, "--as-of", "2025-01-24", "--out", str(tmp_path / "risk"), "--force", "--crisis"]

    assert command([*ask, f"{DAYS[40]}..{DAYS[90]}"]) == 0
    assert crisis_of(read_risk(tmp_path / "risk")).manifest["window_days"] == 50
    assert command([*ask, "none"]) == 0
    assert read_risk(tmp_path / "risk").crisis is None


@pytest.mark.parametrize(
    ("window", "says"),
    [
        ("worst", "write auto, none or two days"),
        ("2024-09-18", "write auto, none or two days"),
        ("2024-09-18..soon", "write auto, none or two days"),
        ("2024-12-18..2024-09-18", "must start before it ends"),
        ("2024-12-18..2025-02-18", "after the day of the estimate"),
    ],
)
def test_the_command_refuses_a_window_it_cannot_use(files, tmp_path, capsys, window, says):
    out = tmp_path / "risk"

    assert command([*files, "--as-of", "2025-01-24", "--out", str(out), "--crisis", window]) == 2

    assert says in capsys.readouterr().err.replace("\n", " ")
    assert not out.exists()
