"""The whole study on made-up prices: no look-ahead, a planted signal is found, noise isn't, nothing is filled.

The last test reproduces the published reaction to five dates from the price files beside the project, where they are.
"""

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from exposure.errors import ContentError, HoldingsError, ScenarioError
from exposure.scenarios.reading import load_catalog, scenario_definitions
from exposure.validation.event_example import (
    EVENTS,
    example_names,
    example_prices,
    example_protocol,
)
from exposure.validation.event_models import Estimation, abnormal_returns, others_mean
from exposure.validation.event_panel import read_closes, return_panel
from exposure.validation.event_predictions import event_scenario, predict, study_names
from exposure.validation.event_protocol import load_protocol
from exposure.validation.event_report import study_markdown
from exposure.validation.event_study import run_event_study

PRICES = Path(__file__).parents[4] / "shared" / "data" / "prices"
PRIMARY = pl.col("window") == "[0,+2]"
DAY_ZERO = {
    "hbm_and_140": date(2024, 12, 3),
    "list_1260h": date(2025, 1, 7),
    "foundry_rule": date(2025, 1, 16),
}


@pytest.fixture(scope="module")
def catalog():
    return load_catalog()


@pytest.fixture(scope="module")
def names(catalog):
    return example_names(catalog)


@pytest.fixture(scope="module")
def protocol(catalog):
    return example_protocol(catalog)


def engine(values, seen=None):
    """Return a stress test that predicts the given numbers, all modelled."""

    def run(book, catalog, scenarios, *, risk, severities):
        if seen is not None:
            seen.append((book.as_of, [s.id for s in scenarios], risk and risk.as_of, severities))
        held = [name for name in book.holdings["listing_id"] if name in values]
        rows = {
            "listing_id": held,
            "ret": [values[name] for name in held],
            "origin": ["modelled"] * len(held),
        }
        return SimpleNamespace(positions=pl.DataFrame(rows))

    return run


def signal(names, seed=3):
    return dict(
        zip(names, np.random.default_rng(seed).normal(-0.05, 0.05, len(names)), strict=True)
    )


def test_a_planted_signal_is_found(catalog, names, protocol):
    values = signal(names)
    prices = example_prices(names, shocks=dict.fromkeys(DAY_ZERO.values(), values))

    study = run_event_study(catalog, *prices, protocol=protocol, engine=engine(values))

    row = study.pooled.filter(
        PRIMARY
        & (pl.col("group") == "report")
        & (pl.col("abnormal") == "group")
        & (pl.col("statistic") == "model")
    ).row(0, named=True)
    assert row["mean"] > 0.5
    assert row["p_placebo"] == pytest.approx(1 / 61)
    assert (study.events.filter(PRIMARY)["ic_p_placebo"] < 0.05).all()
    assert "better than chance" in study_markdown(study)


def test_noise_is_not_a_finding(catalog, names, protocol):
    found = []
    for seed in range(4):
        prices = example_prices(names, seed=seed)
        fake = engine(signal(names, seed + 100))
        study = run_event_study(catalog, *prices, protocol=protocol, engine=fake)
        found += study.events.filter(PRIMARY)["ic_p_placebo"].to_list()

    assert len(found) == 12
    assert np.mean(found) == pytest.approx(0.5, abs=0.25)
    assert np.mean(np.array(found) < 0.05) <= 0.25


def test_every_prediction_is_asked_for_the_day_before_the_act_was_known(catalog, names, protocol):
    seen = []

    run_event_study(
        catalog, *example_prices(names), protocol=protocol, engine=engine(signal(names), seen)
    )

    assert [event for _, (event,), _, _ in seen] == list(EVENTS)
    assert [day for day, _, _, _ in seen] == [
        date(2024, 12, 1),
        date(2025, 1, 5),
        date(2025, 1, 14),
    ]
    assert all(risk is not None and risk <= day for day, _, risk, _ in seen)
    assert all(severities == ["base"] for _, _, _, severities in seen)


@pytest.mark.parametrize("number", range(3))
def test_nothing_known_later_changes_a_prediction(catalog, names, protocol, number):
    """The real engine, with every later fact, link, list entry and price taken away."""
    event = protocol.events[number]
    closes, index_closes = example_prices(names)
    known = pl.col("known_on") <= event.as_of
    blind = replace(
        catalog,
        evidence=catalog.evidence.filter(known),
        links=catalog.links.filter(known),
        list_links=catalog.list_links.filter(known),
    )
    past = pl.col("date") <= event.as_of

    full = predict(catalog, protocol, event, names, closes, index_closes)
    less = predict(blind, protocol, event, names, closes.filter(past), index_closes.filter(past))

    assert catalog.evidence.height > blind.evidence.height > 0
    assert full.as_of < event.known_on
    assert np.array_equal(full.returns, less.returns, equal_nan=True)
    assert np.array_equal(full.modelled, less.modelled)


def test_a_suspended_name_is_dropped_not_filled(catalog, names, protocol):
    closes, index_closes = example_prices(names)
    gone = (pl.col("listing_id") == names[0]) & pl.col("date").is_between(
        date(2024, 12, 4), date(2024, 12, 10)
    )

    whole = run_event_study(
        catalog, closes, index_closes, protocol=protocol, engine=engine(signal(names))
    )
    less = run_event_study(
        catalog, closes.filter(~gone), index_closes, protocol=protocol, engine=engine(signal(names))
    )

    first = pl.col("event") == "hbm_and_140"
    assert whole.events.filter(PRIMARY & first)["dropped"].item() == 0
    assert less.events.filter(PRIMARY & first)["dropped"].item() == 1
    assert less.events.filter(PRIMARY & first)["predicted"].item() == len(names) - 1
    own = less.names.filter(first & (pl.col("listing_id") == names[0]))
    assert own["car_market_0_2"].item() is None


def test_names_without_a_prediction_are_left_out_and_counted(catalog, names, protocol):
    some = dict(list(signal(names).items())[:25])

    study = run_event_study(catalog, *example_prices(names), protocol=protocol, engine=engine(some))

    assert study.events["predicted"].to_list() == [25] * 6
    assert study.events["unknown"].to_list() == [15] * 6
    assert study.ranks.filter(pl.col("statistic") == "model")["names"].to_list() == [25] * 12


def test_too_few_ranked_names_give_no_correlation(catalog, names, protocol):
    some = dict(list(signal(names).items())[:9])

    study = run_event_study(catalog, *example_prices(names), protocol=protocol, engine=engine(some))

    assert study.events["ic"].null_count() == 6
    assert "No event of the report could be ranked" in study_markdown(study)


def test_a_scenario_that_cannot_be_computed_leaves_its_reason(catalog, names, protocol):
    def refuse(*_, **__):
        raise ScenarioError("the network isn't there")

    study = run_event_study(catalog, *example_prices(names), protocol=protocol, engine=refuse)

    assert study.events["note"].unique().to_list() == ["the network isn't there"]
    assert study.events["predicted"].sum() == 0


def test_the_group_model_leaves_no_level(catalog, names, protocol):
    """A move of all names is the group's: gone from the group model, whole in the market model."""
    moves = {day: dict.fromkeys(names, -0.08) for day in DAY_ZERO.values()}

    study = run_event_study(
        catalog,
        *example_prices(names, shocks=moves),
        protocol=protocol,
        engine=engine(signal(names)),
    )

    rows = study.events.filter(PRIMARY)
    assert rows["mean_car"].to_list() == pytest.approx([-0.08] * 3, abs=0.05)
    assert rows["mean_car_group"].abs().max() < rows["mean_car"].abs().min() / 4
    assert (rows["naive_t"].abs() > 2 * rows["adjusted_t"].abs()).all()


def test_the_same_inputs_give_the_same_study_in_any_order_of_rows(catalog, names, protocol):
    closes, index_closes = example_prices(names)
    run = {"protocol": protocol, "engine": engine(signal(names))}

    one = run_event_study(catalog, closes, index_closes, **run)
    two = run_event_study(
        catalog, closes.sample(fraction=1.0, shuffle=True, seed=1), index_closes.reverse(), **run
    )

    assert json.dumps(one.to_dict(), default=str) == json.dumps(two.to_dict(), default=str)
    assert study_markdown(one) == study_markdown(two)


def test_another_seed_moves_only_what_rests_on_placebo_dates(catalog, names, protocol):
    prices = example_prices(names)
    fake = engine(signal(names))

    one = run_event_study(catalog, *prices, protocol=protocol, engine=fake)
    two = run_event_study(catalog, *prices, protocol=replace(protocol, seed=1), engine=fake)

    assert one.events["ic"].equals(two.events["ic"])
    assert not one.events["ic_p_placebo"].equals(two.events["ic_p_placebo"])


def test_an_event_outside_the_prices_is_said_and_left_out(catalog, names, protocol):
    study = run_event_study(
        catalog,
        *example_prices(names, last=date(2025, 1, 16)),
        protocol=protocol,
        engine=engine(signal(names)),
    )

    assert study.skipped == (("foundry_rule", "the prices end inside its window"),)
    assert "foundry_rule: the prices end inside its window" in study_markdown(study)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"last": date(2024, 6, 3)}, "no registered event lies in the prices"),
        ({"first": date(2024, 11, 1)}, "no registered event lies in the prices"),
    ],
)
def test_prices_of_other_days_are_refused(catalog, names, protocol, change, words):
    with pytest.raises(HoldingsError, match=words):
        run_event_study(catalog, *example_prices(names, **change), protocol=protocol)


def test_a_handful_of_names_is_no_study(catalog, names, protocol):
    with pytest.raises(HoldingsError, match="hold 5 issuers of the master; the protocol needs 30"):
        run_event_study(catalog, *example_prices(names[:5]), protocol=protocol)


def test_one_line_of_an_issuer_is_enough(catalog):
    assert study_names(catalog, ["0981.HK", "688981.SH"]) == ("688981.SH",)


def test_an_act_is_run_in_place_of_the_what_ifs(catalog, protocol):
    event = protocol.events[0]
    known = scenario_definitions(catalog)
    act = replace(known["hbm_ban"], id="act_hbm", kind="act", event=event.acts[1])

    with_act = pytest.MonkeyPatch()
    with_act.setattr(
        "exposure.validation.event_predictions.act_definitions", lambda _: {"act_hbm": act}
    )
    try:
        scenario, basis, parts = event_scenario(catalog, event)
    finally:
        with_act.undo()

    assert (scenario.id, basis, parts) == (event.id, "act", ("act_hbm",))
    assert scenario.node_shocks == act.node_shocks


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[placebo]", "[placebos]", "unknown key 'placebos'"),
        ('acts = ["US-2024-11-TSMC-LETTER"]', 'acts = ["US-2024-11-TSMC"]', "no event"),
        (
            'acts = ["US-2024-11-TSMC-LETTER"]',
            'acts = ["US-2024-11-TSMC-LETTER", "CN-2024-12-03-ASSOC"]',
            "registered twice|aren't of one day",
        ),
        ("draws = 500", "draws = 0", "draws must be a whole number above 0"),
        ("windows = [[0, 2]", "windows = [[-1, 2]", "from day 0 on"),
        ('group = "later"', 'group = "late"', "a group is"),
    ],
)
def test_a_faulty_protocol_is_named(catalog, tmp_path, old, new, words):
    from exposure.content.files import read_toml_file

    text = catalog.root.read_toml("factors/validation/protocol.toml").text
    file = tmp_path / "protocol.toml"
    file.write_text(text.replace(old, new), encoding="utf-8")

    with pytest.raises(ContentError, match=words):
        load_protocol(catalog, read_toml_file(file))


@pytest.mark.skipif(not PRICES.is_dir(), reason="needs the price files of ../shared/data/prices")
def test_the_reaction_to_five_dates_is_the_one_tabulated_before():
    """Tabulated while the method was designed: 62 names, CSI 300, log returns, estimation 2024-05-06 to 11-22."""
    closes = read_closes([PRICES / "focus_ohlcv_daily.parquet"])
    panel = return_panel(closes, read_closes([PRICES / "csi_indices_daily.parquet"], "index_code"))
    days = list(panel.days)
    start, stop = days.index(date(2024, 5, 6)), days.index(date(2024, 11, 22))
    window = slice(days.index(date(2024, 12, 3)), days.index(date(2025, 1, 20)) + 1)
    full = np.isfinite(np.vstack([panel.returns[start : stop + 1], panel.returns[window]])).all(
        axis=0
    )
    assert (stop - start + 1, int(full.sum())) == (137, 62)

    found, grouped = [], []
    for day in ((2024, 12, 3), (2025, 1, 6), (2025, 1, 7), (2025, 1, 14), (2025, 1, 16)):
        at = days.index(date(*day))
        fit = Estimation(start - at, stop - at, 137)
        market = panel.indices["000300"]
        own = panel.returns[:, full]
        names = [name for name, keep in zip(panel.names, full, strict=True) if keep]
        car = abnormal_returns(own, [market], [at], [(0, 2)], fit).cars[(0, 2)][0]
        found.append(round(100 * car.mean(), 2))
        others = others_mean(own, names)
        group = abnormal_returns(own, [market, others], [at], [(0, 2)], fit).cars[(0, 2)][0]
        grouped.append(group.mean())

    assert found == pytest.approx([-1.03, 1.43, 2.72, 0.58, 0.18], abs=0.0051)
    assert np.abs(grouped).max() < 0.002


def test_a_guard_keeps_placebo_dates_off_every_act_of_the_chain(catalog, names, protocol):
    study = run_event_study(
        catalog, *example_prices(names), protocol=protocol, engine=engine(signal(names))
    )

    assert set(protocol.act_days) >= {event.known_on for event in protocol.events}
    assert 60 <= study.counts["placebo_days"] < study.counts["days"] - 150
    assert date(2023, 10, 17) in protocol.act_days
    assert protocol.events[0].as_of == protocol.events[0].known_on - timedelta(days=1)
