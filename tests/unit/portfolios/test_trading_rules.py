"""Trading rules are dated data: what held on a day, and an error where nothing is known."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from exposure.content import ContentRoot
from exposure.errors import ContentError
from exposure.portfolios.trading_rules import TradingRules, limit_price, load_trading_rules

DAY = date(2025, 1, 24)


@pytest.fixture
def trading(root: ContentRoot) -> TradingRules:
    return load_trading_rules(root)


def test_a_round_trip_in_a_shares_costs_eleven_basis_points(trading: TradingRules) -> None:
    # 0.05% + 2 × (0.001 + 0.00341 + 0.002 + 0.025)%
    costs = trading.costs("main", DAY)
    assert costs.round_trip == pytest.approx(0.00112820)
    assert costs.sell - costs.buy == pytest.approx(0.0005)
    assert costs.parts[0][0] == "commission"
    inside = trading.costs("main", DAY, fees_in_commission=True)
    assert inside.round_trip == pytest.approx(0.0005 + 2 * (0.00001 + 0.00025))


def test_a_round_trip_in_hong_kong(trading: TradingRules) -> None:
    # 2 × (0.1 + 0.0027 + 0.00015 + 0.00565 + 0.0042)% plus commission, from 2025-06-30
    costs = trading.costs("hk", date(2025, 7, 1), commission=0.0)
    assert costs.round_trip == pytest.approx(0.00225400)
    assert trading.costs("hk", DAY, commission=0.001).buy == pytest.approx(0.0021050)


def test_stamp_duty_was_halved_in_2023(trading: TradingRules) -> None:
    before = trading.costs("star", date(2023, 8, 27), commission=0.0)
    after = trading.costs("star", date(2023, 8, 28), commission=0.0, fees_in_commission=True)
    assert (before.sell, after.sell) == (pytest.approx(0.00101), pytest.approx(0.00051))


@pytest.mark.parametrize(
    ("board", "day", "is_st", "expected"),
    [
        ("main", DAY, False, 0.10),
        ("main", DAY, True, 0.05),
        ("main", date(2026, 7, 6), True, 0.10),
        ("chinext", date(2020, 8, 23), False, 0.10),
        ("chinext", date(2020, 8, 24), False, 0.20),
        ("chinext", DAY, True, 0.20),
        ("star", DAY, False, 0.20),
        ("bse", DAY, False, 0.30),
        ("hk", DAY, False, None),
    ],
)
def test_price_limits_by_board_and_day(
    trading: TradingRules, board: str, day: date, is_st: bool, expected: float | None
) -> None:
    assert trading.price_limit(board, day, is_st=is_st) == expected


def test_limit_prices_are_rounded_half_up(trading: TradingRules) -> None:
    assert trading.limit_prices("main", 10.05, DAY) == (9.05, 11.06)
    assert trading.limit_prices("hk", 10.05, DAY) is None
    assert limit_price(3.15, 0.1) == 3.47  # 3.465 exactly: binary floats would give 3.46


def test_lots_by_board(trading: TradingRules) -> None:
    main = trading.lot("main", DAY)
    assert (main.buyable(250), main.sellable(250, held=350), main.sellable(350, held=350)) == (
        200,
        200,
        350,
    )
    star = trading.lot("star", DAY)
    assert (star.buyable(199), star.buyable(201)) == (0, 201)
    assert star.sellable(150, held=150) == 150
    assert trading.lot("bse", DAY).buyable(101) == 101


def test_a_hong_kong_lot_is_the_issuers_or_unknown(trading: TradingRules) -> None:
    unknown = trading.lot("hk", DAY)
    assert not unknown.is_known
    assert unknown.buyable(10_000) == 0
    known = trading.lot("hk", DAY, listing_lot=2_000)
    assert (known.buyable(3_999), known.sellable(5_000, held=9_000)) == (2_000, 4_000)


def test_settlement_and_first_days(trading: TradingRules) -> None:
    assert trading.settlement_days("main", DAY) == 1
    assert trading.settlement_days("hk", DAY) == 0
    assert trading.free_first_days("star", DAY) == 5
    assert trading.free_first_days("main", date(2020, 1, 2)) == 0


def test_the_fund_rule_of_ten_percent(trading: TradingRules) -> None:
    rule = trading.fund_limit("one_company_of_nav", DAY)
    assert rule is not None
    assert rule.value == 0.10
    assert trading.fund_limit("one_company_of_nav", date(2000, 1, 1)) is None


def test_where_no_rule_holds_there_is_no_answer(trading: TradingRules) -> None:
    with pytest.raises(ContentError, match="lot"):
        trading.lot("star", date(2018, 1, 1))
    with pytest.raises(ContentError, match="price limit"):
        trading.price_limit("star", date(2018, 1, 1))
    with pytest.raises(ContentError, match="fee"):
        trading.costs("us", DAY)
    with pytest.raises(ContentError, match="settlement"):
        trading.settlement_days("other", DAY)
    no_commission = TradingRules((), (), (), trading.fees, (), (), ())
    with pytest.raises(ContentError, match="commission"):
        no_commission.costs("main", DAY)


LOT = 'board="main"\nminimum=100\nstep=100\nfrom=1990-12-19\nsource="s"\n'


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('kind="lots"', "kind"),
        ('kind="lot"\n[[rule]]\nboard="main"\nminimum=1\nstep=1\nsource="s"', "from"),
        ('kind="lot"\n[[rule]]\nboard="main"\nminimum=1\nstep=1\nfrom=1990-12-19', "source"),
        ('kind="lot"\n[[rule]]\nboard="main"\nfrom=1990-12-19\nsource="s"', "minimum"),
        ('kind="lot"\n[[rule]]\nboard="mian"\nfrom=1990-12-19\nsource="s"', "mian"),
        ('kind="lot"\n[[rule]]\nboard="main"\nfrom="1990"\nsource="s"', "not a day"),
        (f'kind="lot"\n[[rule]]\n{LOT}size=3', "size"),
        (f'kind="lot"\n[[rule]]\n{LOT}to=1990-12-19', "after"),
        (f'kind="lot"\n[[rule]]\n{LOT}[[rule]]\n{LOT}', "two rules"),
        (
            'kind="fee"\n[[rule]]\nname="x"\nboards=["hk"]\nside="left"\nvalue=1\n'
            'from=1990-12-19\nsource="s"',
            "side",
        ),
    ],
)
def test_faulty_rules_are_refused(tmp_path: Path, text: str, word: str) -> None:
    folder = tmp_path / "portfolios" / "rules"
    folder.mkdir(parents=True)
    (folder / "mine.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ContentError) as caught:
        load_trading_rules(ContentRoot(tmp_path, "test"))
    assert word in caught.value.render()


def test_every_shipped_rule_has_a_source_and_a_day(trading: TradingRules) -> None:
    rules = [
        *trading.price_limits,
        *trading.free_days,
        *trading.lots,
        *trading.fees,
        *trading.commissions,
        *trading.settlements,
        *trading.fund_limits,
    ]
    assert len(rules) > 30
    assert all(rule.source and rule.valid_from for rule in rules)
