"""The headline by hand: losses and gains apart, who contributes, what is unknown, and how firm the ranking is."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from exposure.errors import UsageError
from exposure.scenarios.headline import headline
from tests.headline_worlds import A, B, C, make_book, make_shock

WEIGHTS = {A: 0.5, B: 0.3, C: 0.2}
RETURNS = {
    "cut": {A: -0.10, B: -0.04, C: 0.05},
    "ban": {A: 0.02, B: -0.06, C: -0.02},
}
CHANCES = {"cut": 0.2, "ban": 0.5}


@pytest.fixture
def ask(catalog):
    def call(
        returns=RETURNS, chances=CHANCES, weights=WEIGHTS, draws=1000, seed=7, common=0.5, **world
    ):
        book = make_book(weights)
        shock, definitions = make_shock(book, returns, chances, **world)
        return headline(
            shock, book, catalog, scenarios=definitions, draws=draws, seed=seed, common=common
        )

    return call


def by_listing(found):
    return {row["listing_id"]: row for row in found.listings.iter_rows(named=True)}


def test_losses_and_gains_are_probability_weighted_and_never_netted(ask):
    """A: 10⁴·.2·.10 = 200 lost, 10⁴·.5·.02 = 100 won; B: 80 + 300; C: 100 lost, 100 won."""
    rows = by_listing(ask())

    assert [rows[n]["loss"] for n in (A, B, C)] == pytest.approx([200, 380, 100])
    assert [rows[n]["gain"] for n in (A, B, C)] == pytest.approx([100, 0, 100])
    assert rows[A]["worst_scenario"] == "cut"
    assert rows[A]["worst_return"] == pytest.approx(-0.10)


def test_the_portfolio_nets_inside_a_scenario_and_contributions_add_up(ask):
    """r_p = −.052 and −.012: 104 + 60; holding by holding .5·200 + .3·380 + .2·100 = 234."""
    found = ask()
    rows = by_listing(found)

    assert found.portfolio.loss == pytest.approx(164)
    assert found.portfolio.gain == 0.0
    assert found.portfolio.standalone == pytest.approx(234)
    assert [rows[n]["contribution"] for n in (A, B, C)] == pytest.approx([50, 114, 0])
    assert found.scenarios["loss"].to_list() == pytest.approx([104, 60])
    assert found.scenarios["base"].to_list() == pytest.approx([-0.052, -0.012])


def test_the_ranking_says_what_would_turn_it_round(ask):
    """B − A over (cut, ban) is (−.06, .06): the gap of .018 closes when .15 moves from ban to cut."""
    found = ask()
    pairs = {(row["upper"], row["lower"]): row for row in found.pairs.iter_rows(named=True)}

    assert found.listings["listing_id"].to_list() == [B, A, C]
    assert pairs[(B, A)]["gap"] == pytest.approx(180)
    assert pairs[(B, A)]["transfer"] == pytest.approx(0.15)
    assert (pairs[(B, A)]["from_scenario"], pairs[(B, A)]["to_scenario"]) == ("ban", "cut")
    assert pairs[(A, C)]["transfer"] == pytest.approx(0.01 / 0.12)
    assert pairs[(A, C)]["feasible"]
    assert pairs[(B, C)]["transfer"] is None
    assert [pairs[key]["dominates"] for key in ((B, A), (A, C), (B, C))] == [False, False, True]


def test_a_transfer_that_the_probabilities_can_not_give_is_named_so(ask):
    found = ask({"cut": {A: -0.5, B: 0.0}, "ban": {A: -0.4, B: -0.5}}, {"cut": 0.9, "ban": 0.9})
    (pair,) = found.pairs.to_dicts()

    assert pair["transfer"] == pytest.approx((0.9 * 0.5 - 0.9 * 0.1) / 0.6)
    assert not pair["feasible"]  # ban would become likelier than certain


def test_agreement_with_equal_probabilities_and_with_the_industry_alone(ask):
    """Equal weights tie A and B (.1 each); as server makers they tie at 290: two of three pairs agree."""
    how = ask().robustness

    assert how.kendall_equal == pytest.approx(2 / 3)
    assert how.kendall_industry == pytest.approx(2 / 3)
    assert how.dominance_ratio == pytest.approx(1 / 3)
    assert (how.resolved, how.tiers, how.names) == (1.0, 3, 3)


def test_the_interval_takes_every_number_at_its_best_and_at_its_worst(ask):
    found = ask(
        {"cut": {A: (-0.2, -0.1, -0.05)}},
        {"cut": (0.1, 0.2, 0.3)},
        {A: 1.0},
        sizes={"low": 0.5, "base": 1.0, "high": 2.0},
    )
    (row,) = found.listings.to_dicts()

    assert row["loss_lo"] == pytest.approx(1e4 * 0.1 * 0.025)
    assert row["loss_hi"] == pytest.approx(1e4 * 0.3 * 0.4)
    assert found.portfolio.loss_lo == pytest.approx(row["loss_lo"])
    assert found.portfolio.loss_hi == pytest.approx(row["loss_hi"])
    assert row["loss_lo"] < row["band_lo"] < row["band_hi"] < row["loss_hi"]
    assert found.scenarios["high"].item() == pytest.approx(-0.2)


def test_an_unknown_return_is_no_zero(ask):
    """B has no return in the ban: no headline, no rank, a floor of 80, and to the portfolio only what is known."""
    found = ask({"cut": RETURNS["cut"], "ban": {A: 0.02, B: None, C: -0.02}})
    row = by_listing(found)[B]

    assert row["loss"] is None
    assert row["gain"] is None
    assert row["rank"] is None
    assert row["known_loss"] == pytest.approx(80)
    assert row["missing"] == ["ban"]
    assert found.robustness.names == 2
    assert found.portfolio.unknown_weight == pytest.approx(0.3)
    assert found.portfolio.loss == pytest.approx(104)
    assert found.listings["listing_id"].to_list() == [A, C, B]
    assert found.listings["contribution"].sum() == pytest.approx(104)


def test_a_scenario_nobody_knows_is_left_out_by_name(ask):
    found = ask({**RETURNS, "rule": {A: None, B: None, C: None}}, {**CHANCES, "rule": 0.9})
    row = found.scenarios.filter(pl.col("scenario_id") == "rule").to_dicts()[0]

    assert found.portfolio.not_counted == ("rule",)
    assert found.portfolio.loss == pytest.approx(164)
    assert row["reason"] == "no_return"
    assert row["base"] is None
    assert by_listing(found)[A]["missing"] == ["rule"]
    assert by_listing(found)[A]["rank"] == 2


def test_a_scenario_without_a_probability_stands_in_the_table_only(ask):
    found = ask({**RETURNS, "what_if": {A: -0.5, B: -0.5, C: -0.5}}, {**CHANCES, "what_if": None})

    assert found.portfolio.loss == pytest.approx(164)
    assert found.portfolio.worst_scenario == "what_if"
    assert found.portfolio.worst_return == pytest.approx(-0.5)
    assert found.scenarios["reason"].to_list() == [None, None, "no_probability"]
    assert by_listing(found)[A]["missing"] == []


def test_without_any_probability_there_is_no_headline(ask):
    found = ask(chances={"cut": None, "ban": None})

    assert found.portfolio.loss is None
    assert found.portfolio.worst_scenario == "cut"
    assert found.listings["loss"].null_count() == 3
    assert found.pairs.is_empty()
    assert found.robustness.dominance_ratio is None


def test_how_much_is_inferred_is_a_share_of_the_loss(ask):
    found = ask(inferred=[("ban", B)])

    assert by_listing(found)[B]["inferred_share"] == pytest.approx(300 / 380)
    assert by_listing(found)[A]["inferred_share"] == 0.0


def test_an_inferred_name_moves_with_the_modelled_ones_and_its_noise_is_not_drawn(ask):
    found = ask(
        {"cut": {A: (-0.4, -0.1, -0.05), B: (-0.9, -0.05, 0.8)}},
        {"cut": (0.1, 0.2, 0.4)},
        {A: 0.5, B: 0.5},
        inferred=[("cut", B)],
        sizes={"low": 0.5, "base": 1.0, "high": 1.5},
    )
    rows = by_listing(found)

    assert rows[B]["band_lo"] == pytest.approx(rows[A]["band_lo"] / 2)
    assert rows[B]["band_hi"] == pytest.approx(rows[A]["band_hi"] / 2)
    assert rows[A]["surely_above"] == 1
    assert found.robustness.tiers == 2


def test_names_that_always_tie_share_their_ranks_and_their_tier(ask):
    found = ask({"cut": {A: -0.1, B: 0.0, C: 0.0}}, {"cut": (0.1, 0.2, 0.4)})
    rows = by_listing(found)

    assert (rows[B]["rank_lo"], rows[B]["rank_hi"]) == (2, 3)
    assert rows[B]["tier"] == rows[C]["tier"] == 2
    tie = found.pairs.filter((pl.col("upper") == B) & (pl.col("lower") == C)).to_dicts()[0]
    assert tie["tied"]
    assert tie["transfer"] == 0.0


def test_one_wide_interval_chains_tiers_but_the_resolved_pairs_stay(ask):
    """B is certain to lie above C; A's interval spans both, so all are one tier."""
    found = ask({"cut": {A: (-0.6, -0.1, 0.0), B: -0.2, C: -0.05}}, {"cut": 0.5})

    assert found.robustness.tiers == 1
    assert by_listing(found)[B]["surely_above"] == 1
    assert found.robustness.resolved == pytest.approx(1 / 3)


def test_the_same_seed_gives_the_same_answer_whatever_else_is_held(ask):
    world = {"cut": {A: (-0.4, -0.1, 0.0), B: (-0.3, -0.1, 0.0), C: (-0.2, -0.1, 0.0)}}
    chance = {"cut": (0.1, 0.2, 0.4)}
    once, again, other = ask(world, chance), ask(world, chance), ask(world, chance, seed=8)
    fewer = ask(
        {"cut": {k: v for k, v in world["cut"].items() if k != C}}, chance, {A: 0.5, B: 0.3}
    )

    assert once.listings.equals(again.listings)
    assert not once.listings["band_hi"].equals(other.listings["band_hi"])
    assert by_listing(fewer)[A]["band_hi"] == by_listing(once)[A]["band_hi"]


def test_one_common_draw_moves_names_of_one_shape_together(ask):
    world = {"cut": {A: (-0.4, -0.2, 0.0), B: (-0.2, -0.1, 0.0)}}
    together = ask(world, {"cut": 0.5}, {A: 0.5, B: 0.5}, common=1.0)
    apart = ask(world, {"cut": 0.5}, {A: 0.5, B: 0.5}, common=0.0)

    assert together.pairs["probability_above"].item() == 1.0
    assert 0.6 < apart.pairs["probability_above"].item() < 0.99


def test_a_point_probability_that_differs_from_the_catalogue_is_used_as_it_is(catalog):
    book = make_book({A: 1.0})
    shock, _ = make_shock(book, {"hbm_ban": {A: -0.1}}, {"hbm_ban": 0.01})
    row = headline(shock, book, catalog).scenarios.to_dicts()[0]

    assert (row["probability_lo"], row["probability"], row["probability_hi"]) == (0.01, 0.01, 0.01)


def test_severities_that_were_not_run_are_read_at_base(ask):
    assert ask(sizes={"base": 1.0}).portfolio.loss == pytest.approx(164)


def test_the_wrong_day_a_missing_base_and_too_few_draws_are_refused(ask, catalog):
    book = make_book(WEIGHTS)
    shock, _ = make_shock(book, RETURNS, CHANCES)
    with pytest.raises(UsageError, match="stress test is of"):
        headline(shock, replace(book, as_of=book.as_of + timedelta(days=1)), catalog)
    with pytest.raises(UsageError, match="base severity"):
        ask(sizes={"high": 1.0})
    with pytest.raises(UsageError, match="at least 1000"):
        ask(draws=200)


def test_a_short_gains_from_a_loss(ask):
    """Short a third of A: r_p = +.03 in the cut, nothing lost; holding by holding −w·r of a gain counts."""
    found = ask({"cut": {A: -0.1, B: 0.02}}, {"cut": 0.5}, {A: -0.3, B: 0.5})

    assert found.portfolio.loss == 0.0
    assert found.portfolio.gain == pytest.approx(1e4 * 0.5 * 0.04)
    assert found.portfolio.standalone == 0.0


# --- on the sample portfolio -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample_headline(shock, book, catalog):
    return headline(shock, book, catalog)


def test_the_sample_agrees_with_the_stress_test(sample_headline, shock):
    rows = shock.portfolio.filter(severity="base").drop_nulls(["probability", "result"])
    pairs = list(zip(rows["probability"], rows["result"], strict=True))
    loss = 1e4 * sum(p * max(0.0, -r) for p, r in pairs)
    gain = 1e4 * sum(p * max(0.0, r) for p, r in pairs)

    assert sample_headline.portfolio.loss == pytest.approx(loss)
    assert sample_headline.portfolio.gain == pytest.approx(gain)
    assert sample_headline.portfolio.standalone >= loss
    assert sample_headline.listings["contribution"].sum() == pytest.approx(loss, abs=1e-9)


def test_the_sample_ranks_every_holding_and_names_what_it_left_out(sample_headline, book):
    assert sorted(sample_headline.listings["rank"]) == list(range(1, book.holdings.height + 1))
    assert "connected_vehicle_rule" in sample_headline.portfolio.not_counted


def test_it_is_ready_for_json(sample_headline):
    import json

    data = json.loads(json.dumps(sample_headline.to_dict(), allow_nan=False))

    assert data["loss"] > 0
    assert len(data["adjacent_pairs"]) == len(data["listings"]) - 1
    assert "<table" in sample_headline._repr_html_()


def test_without_a_risk_model_most_names_have_no_headline(book, catalog):
    from exposure.scenarios.stressing import stress

    found = headline(stress(book, catalog), book, catalog)

    assert found.portfolio.unknown_weight > 0.3
    unranked = found.listings.filter(pl.col("rank").is_null())
    assert unranked.height > 3
    assert unranked["loss"].null_count() == unranked.height
    assert np.isfinite(found.portfolio.loss)
