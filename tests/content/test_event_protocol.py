"""The protocol registers or sets aside every act that its own rule selects, so that none is dropped for its result."""

import polars as pl
import pytest

from exposure.scenarios.reading import load_catalog
from exposure.validation.event_protocol import load_protocol


@pytest.fixture(scope="module")
def catalog():
    return load_catalog()


@pytest.fixture(scope="module")
def protocol(catalog):
    return load_protocol(catalog)


def chosen(catalog):
    data = catalog.root.read_toml("factors/validation/protocol.toml").data["selection"]
    touches = pl.col("nodes").str.split(";").list.set_intersection(data["nodes"]).list.len() > 0
    months = pl.col("known_on").is_between(data["from"], data["to"])
    return catalog.events.filter(months & (touches.fill_null(value=False) | pl.col("in_report")))


def test_no_act_of_the_months_is_forgotten(catalog, protocol):
    named = {act for event in protocol.events for act in event.acts}
    aside = {act for act, _ in protocol.left_out}

    assert set(chosen(catalog)["event_id"]) - named - aside == set()
    assert named & aside == set()


def test_the_group_is_what_the_report_holds(catalog, protocol):
    in_report = dict(catalog.events.select("event_id", "in_report").iter_rows())

    for event in protocol.events:
        assert {in_report[act] for act in event.acts} == {event.group == "report"}


def test_there_are_events_names_and_draws_enough(protocol):
    assert sum(event.group == "report" for event in protocol.events) >= 8
    assert protocol.draws >= 500
    assert protocol.windows == ((0, 2), (0, 5))


def test_every_role_is_mapped_to_one_industry_that_exists(catalog, protocol):
    roles = set(catalog.master.issuers["role"])

    assert set(protocol.industries) <= roles
