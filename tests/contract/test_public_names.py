"""The public names are a promise: each exists, and the façade and its type stubs name the same things."""

import inspect

import pytest

import exposure as ex


@pytest.mark.parametrize("name", ex.__all__)
def test_every_public_name_loads_and_explains_itself(name):
    value = getattr(ex, name)

    assert inspect.getdoc(value)


def test_the_contract_of_the_architecture_is_there():
    promised = {
        "load_catalog",
        "load_holdings",
        "score",
        "stress",
        "headline",
        "rebalance",
        "run_weekly",
        "write_workbook",
        "attach_scores",
        "Scenario",
        "Mandate",
        "Infeasible",
        "schema",
    }

    assert promised <= set(ex.__all__)
    assert promised <= set(dir(ex))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="scor"):
        _ = ex.scor
