from datetime import date

import polars as pl
import pytest

from exposure.errors import ContentError
from exposure.factors.derivations import Figure, Interval, as_bound, derive, evaluate
from tests.factories import evidence, evidence_frame

DAY = date(2025, 1, 24)


def figure(lo, mid, hi, *, known=DAY, grade="C", status="observed", name="x"):
    return Figure(Interval(lo, mid, hi), known, grade, "source", status, (name,))


def derivation(**other):
    row = {
        "evidence_id": "dc.share",
        "subject": "dc",
        "measure": "ascend_revenue_share",
        "formula": "{dc.ai} / {dc.revenue}",
        "bound": "point",
        "unit": "fraction",
        "period": "2024H1",
        "valid_from": date(2024, 7, 1),
        "valid_to": None,
        "status": "estimated",
        "note": None,
        "source_row": 2,
    }
    return pl.DataFrame([row | other], schema_overrides={"valid_to": pl.Date, "note": pl.String})


def test_a_share_carries_the_rounding_of_both_figures():
    known = {"a": figure(5.55, 5.6, 5.65), "b": figure(625.55, 625.6, 625.65)}

    share = evaluate("{a} / {b}", known, "f").value

    assert share.lo == pytest.approx(5.55 / 625.65)
    assert share.mid == pytest.approx(5.6 / 625.6)
    assert share.hi == pytest.approx(5.65 / 625.55)


def test_a_derived_figure_is_known_when_its_last_input_is_and_no_better_than_its_worst():
    known = {
        "a": figure(1, 1, 1, known=date(2025, 1, 24), grade="C"),
        "b": figure(2, 2, 2, known=date(2024, 8, 30), grade="B"),
    }

    result = evaluate("{a} / {b}", known, "f")

    assert result.known_on == date(2025, 1, 24)
    assert result.grade == "C"


def test_an_unknown_bound_stays_unknown():
    more_than_40 = figure(0.4, None, None)

    product = evaluate("{a} * {b}", {"a": more_than_40, "b": figure(0.5, 0.5, 0.5)}, "f").value

    assert product.lo == pytest.approx(0.2)
    assert product.mid is None
    assert product.hi is None


def test_subtraction_swaps_the_ends():
    result = evaluate("1 - {a}", {"a": figure(0.1, 0.2, 0.4)}, "f").value

    assert (result.lo, result.mid, result.hi) == pytest.approx((0.6, 0.8, 0.9))


def test_half_open_sums_and_quotients_keep_the_end_they_know():
    known = {"a": figure(0.4, None, None), "b": figure(None, None, 0.5)}

    assert evaluate("{a} + 0.1", known, "f").value.lo == pytest.approx(0.5)
    assert evaluate("1 - {a}", known, "f").value.hi == pytest.approx(0.6)
    assert evaluate("{a} / {b}", known, "f").value.lo == pytest.approx(0.8)
    assert evaluate("{a} / {b}", known, "f").value.hi is None


def test_a_hull_spans_its_parts_and_takes_their_mean():
    known = {"a": figure(0.49, 0.5, 0.51), "b": figure(0.82, 0.83, 0.84)}

    hull = evaluate("hull({a}, {b})", known, "f").value

    assert (hull.lo, hull.mid, hull.hi) == pytest.approx((0.49, 0.665, 0.84))


def test_min_and_max_apply_to_each_end():
    known = {"a": figure(0.1, 0.2, 0.9), "b": figure(0.3, 0.3, 0.3)}

    assert evaluate("min({a}, {b})", known, "f").value == Interval(0.1, 0.2, 0.3)
    assert evaluate("max({a}, {b})", known, "f").value == Interval(0.3, 0.3, 0.9)


def test_negation_swaps_the_ends():
    assert evaluate("-{a}", {"a": figure(1, 2, 3)}, "f").value == Interval(-3, -2, -1)


def test_bounds_drop_the_other_end_and_the_mid():
    assert as_bound(Interval(0.5, 0.505, 0.51), "upper") == Interval(None, None, 0.51)
    assert as_bound(Interval(0.4, 0.405, 0.41), "lower") == Interval(0.4, None, None)


def test_derive_makes_evidence_that_names_its_inputs():
    stated = evidence_frame(
        evidence("ai", "dc", 5.6, evidence_id="dc.ai", known_on=DAY, grade="C"),
        evidence("revenue", "dc", 625.6, evidence_id="dc.revenue"),
    )

    row = derive(derivation(), stated, "derivations.csv").row(0, named=True)

    assert row["mid"] == pytest.approx(5.6 / 625.6)
    assert row["locator"] == "derived from dc.ai; dc.revenue"
    assert row["known_on"] == DAY
    assert row["status"] == "estimated"


def test_derived_rows_may_build_on_each_other_in_any_order():
    stated = evidence_frame(
        evidence("ai", "dc", 5.0, evidence_id="dc.ai"),
        evidence("revenue", "dc", 100.0, evidence_id="dc.revenue"),
    )
    rows = pl.concat(
        [
            derivation(evidence_id="dc.twice", formula="{dc.share} * 2", measure="twice"),
            derivation(),
        ]
    )

    out = derive(rows, stated, "derivations.csv")

    assert out.filter(pl.col("evidence_id") == "dc.twice")["mid"].item() == pytest.approx(0.1)


def test_a_formula_on_imputed_evidence_is_imputed():
    stated = evidence_frame(
        evidence("ai", "dc", 5.0, evidence_id="dc.ai", status="imputed", grade="D"),
        evidence("revenue", "dc", 100.0, evidence_id="dc.revenue"),
    )

    assert derive(derivation(), stated, "f")["status"].item() == "imputed"


@pytest.mark.parametrize("verdict", ["rejected", "denied", "conflict"])
def test_evidence_that_isnt_in_use_feeds_no_formula(verdict):
    stated = evidence_frame(
        evidence("ai", "dc", 5.0, evidence_id="dc.ai", verdict=verdict),
        evidence("revenue", "dc", 100.0, evidence_id="dc.revenue"),
    )

    with pytest.raises(ContentError, match=r"row 2, column formula.*dc\.ai"):
        derive(derivation(), stated, "derivations.csv")


def test_a_circle_of_formulas_is_refused_with_its_rows():
    rows = pl.concat(
        [
            derivation(evidence_id="a", formula="{b} * 2"),
            derivation(evidence_id="b", formula="{a} * 2", source_row=3),
        ]
    )

    with pytest.raises(ContentError) as caught:
        derive(rows, evidence_frame(evidence("m", "s", 1.0)), "derivations.csv")

    assert [place.row for place in caught.value.places] == [2, 3]


@pytest.mark.parametrize(
    ("formula", "why"),
    [
        ("{a} ** 2", "operator Pow"),
        ("{a} / {zero}", "divisor may be zero"),
        ("__import__('os')", "not allowed"),
        ("{a} +", "invalid syntax"),
        ("0.5", "names no evidence"),
    ],
)
def test_a_formula_that_cant_be_trusted_is_refused(formula, why):
    known = {"a": figure(1, 1, 1), "zero": figure(-1, 0, 1)}

    with pytest.raises(ContentError, match=why):
        evaluate(formula, known, "derivations.csv", 7)
