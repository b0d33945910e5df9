from datetime import date

import polars as pl
import pytest

from exposure.factors.evidence import resolve, visible, widen
from tests.factories import REPORT_DAY, evidence, evidence_frame


def resolved(*rows, as_of=REPORT_DAY):
    return resolve(evidence_frame(*rows), as_of).row(0, named=True)


def test_a_fact_is_invisible_before_it_was_known():
    rows = evidence_frame(
        evidence("m", "s", 0.5, known_on=date(2025, 3, 29), valid_from=date(2025, 1, 1))
    )

    assert rows.filter(visible(date(2025, 1, 24))).is_empty()
    assert rows.filter(visible(date(2025, 3, 29))).height == 1


def test_a_fact_ends_on_its_valid_to():
    rows = evidence_frame(evidence("m", "s", 0.5, valid_to=date(2025, 1, 1)))

    assert rows.filter(visible(date(2024, 12, 31))).height == 1
    assert rows.filter(visible(date(2025, 1, 1))).is_empty()


def test_the_newest_period_counts():
    row = resolved(
        evidence("m", "s", 0.5, evidence_id="old"),
        evidence(
            "m",
            "s",
            0.2,
            evidence_id="new",
            valid_from=date(2024, 10, 1),
            known_on=date(2024, 10, 30),
        ),
    )

    assert row["mid"] == 0.2
    assert row["evidence_ids"] == ["new"]


def test_rows_of_one_period_are_intersected():
    row = resolved(
        evidence("m", "s", None, evidence_id="a", lo=0.40, hi=0.60),
        evidence("m", "s", None, evidence_id="b", lo=0.50, hi=0.80),
    )

    assert (row["lo"], row["hi"]) == (0.50, 0.60)
    assert row["evidence_ids"] == ["a", "b"]
    assert not row["conflict"]


def test_a_lower_and_an_upper_bound_give_an_estimated_midpoint():
    row = resolved(
        evidence("m", "s", None, evidence_id="low", lo=0.405),
        evidence("m", "s", None, evidence_id="high", hi=0.505),
    )

    assert row["mid"] == pytest.approx(0.455)
    assert row["status"] == "estimated"


def test_a_single_bound_leaves_the_mid_unknown():
    row = resolved(evidence("m", "s", None, hi=0.29))

    assert row["mid"] is None
    assert row["lo"] is None
    assert row["hi"] == 0.29


def test_in_a_contradiction_the_better_grade_wins_and_the_other_stays_visible():
    row = resolved(
        evidence("m", "s", 0.682, evidence_id="page", grade="D"),
        evidence("m", "s", 0.567, evidence_id="filing", grade="A"),
    )

    assert row["mid"] == 0.567
    assert row["conflict"]
    assert row["lost_ids"] == ["page"]


def test_at_equal_grade_the_row_known_later_wins():
    row = resolved(
        evidence("m", "s", 0.1, evidence_id="early", known_on=date(2024, 8, 1)),
        evidence("m", "s", 0.3, evidence_id="late", known_on=date(2024, 9, 1)),
    )

    assert row["evidence_ids"] == ["late"]


@pytest.mark.parametrize("verdict", ["rejected", "denied", "needs_source"])
def test_rows_with_a_bad_verdict_feed_nothing(verdict):
    frame = evidence_frame(evidence("m", "s", 0.5, verdict=verdict))

    assert resolve(frame, REPORT_DAY).is_empty()


def test_a_gap_is_no_fact():
    gap = evidence(
        "m",
        "s",
        None,
        lo=None,
        hi=None,
        status="missing",
        known_on=None,
        grade=None,
        source_id=None,
        locator=None,
    )

    assert resolve(evidence_frame(gap), REPORT_DAY).is_empty()


def test_different_units_are_never_mixed():
    row = resolved(
        evidence("m", "s", 0.5, evidence_id="share", grade="A"),
        evidence("m", "s", 50.0, evidence_id="percent", unit="percent"),
    )

    assert row["evidence_ids"] == ["share"]
    assert row["lost_ids"] == ["percent"]


def test_row_order_is_irrelevant():
    rows = [
        evidence("m", "s", None, evidence_id="a", lo=0.4),
        evidence("m", "s", None, evidence_id="b", hi=0.6),
        evidence("m", "t", 0.2, evidence_id="c"),
    ]

    forth = resolve(evidence_frame(*rows), REPORT_DAY)
    back = resolve(evidence_frame(*reversed(rows)), REPORT_DAY)

    assert forth.equals(back)


def test_age_widens_each_side_by_its_own_half():
    lo, hi = widen(0.17, 0.20, 0.23, 365, 0.04)

    assert lo == pytest.approx(0.15, abs=1e-4)
    assert hi == pytest.approx(0.25, abs=1e-4)


def test_a_fresh_or_exact_fact_isnt_widened():
    assert widen(0.1, 0.2, 0.3, 0, 0.1) == (0.1, 0.3)
    assert widen(0.1, 0.2, 0.3, 900, 0.0) == (0.1, 0.3)


def test_without_a_mid_the_interval_widens_around_its_centre():
    lo, hi = widen(0.2, None, 0.4, 365, 0.1)

    assert lo < 0.2
    assert hi > 0.4
    assert (lo + hi) / 2 == pytest.approx(0.3)


def test_an_imputed_row_alone_stays_imputed():
    row = resolved(evidence("m", "s", 0.5, lo=0.0, hi=1.0, status="imputed", grade="D"))

    assert row["status"] == "imputed"
    assert row["mid"] == 0.5


def test_resolve_returns_one_row_a_subject_and_measure():
    out = resolve(
        evidence_frame(evidence("m", "s", 0.5), evidence("n", "s", 0.5), evidence("m", "t", 0.5)),
        REPORT_DAY,
    )

    assert out.select("subject", "measure").rows() == [("s", "m"), ("s", "n"), ("t", "m")]
    assert out.filter(pl.col("conflict")).is_empty()
