"""A synthetic run for the tests of reports. Every name and number here is invented; nothing is a finding."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import dataframely as dy
import polars as pl

from exposure import schemas
from exposure.factors.cliffs import Cliffs
from exposure.factors.screen_tables import ListEditions, ListedSuppliers, ListNews, ScreenRows
from exposure.factors.screening import ScreenResult
from exposure.reports.run import (
    Comparison,
    EvidenceLedger,
    FactorCard,
    Interval,
    LimitCard,
    MandateView,
    PlanView,
    Run,
    ScenarioCard,
)

AS_OF = date(2025, 1, 24)

# listing, issuer, zh, en, weight now, weight after, price, currency, fx, lot
HOLDINGS = [
    (
        "900101.SZ",
        "beichen",
        "北辰信息",
        "Beichen Information",
        0.155,
        0.120,
        52.1,
        "CNY",
        1.0,
        100,
    ),
    (
        "900102.SH",
        "yunfeng",
        "云峰数据",
        "Yunfeng Data Systems",
        0.130,
        0.095,
        71.35,
        "CNY",
        1.0,
        100,
    ),
    ("900103.SZ", "shanhe", "山河数码", "Shanhe Digital", 0.105, 0.105, 33.62, "CNY", 1.0, 100),
    ("900104.SZ", "tuoda", "拓达科技", "Tuoda Technology", 0.085, 0.085, 21.9, "CNY", 1.0, 100),
    (
        "900105.SZ",
        "ruanlian",
        "软联动力",
        "Ruanlian Dynamics",
        0.080,
        0.118,
        48.07,
        "CNY",
        1.0,
        100,
    ),
    ("900106.SZ", "zijing", "紫荆股份", "Zijing Holdings", 0.095, 0.095, 24.55, "CNY", 1.0, 100),
    (
        "900107.SH",
        "gongda",
        "工达互联",
        "Gongda Industrial Internet",
        0.120,
        0.120,
        27.4,
        "CNY",
        1.0,
        100,
    ),
    ("9901.HK", "lianhe", "联合集团", "Lianhe Group", 0.075, 0.085, 11.28, "HKD", 0.93, 2000),
    (
        "9902.HK",
        "xinyuan",
        "芯原国际",
        "Xinyuan International",
        0.060,
        0.050,
        39.9,
        "HKD",
        0.93,
        500,
    ),
    ("900110.SH", "haixin", "海芯信息", "Haixin Computing", 0.050, 0.050, 128.5, "CNY", 1.0, 200),
    ("900111.SH", None, "未名电子", "未名电子", 0.025, 0.025, 9.8, "CNY", 1.0, 100),
]
CASH = 0.02
NAV = 200_000_000.0

# id, zh, en, unit, sign, scores per holding (None: missing), highest
FACTORS = [
    ("foundry_node_dependence", "境外先进代工依赖", "Foreign foundry dependence", "fraction of total cost", "harm",
     (0.52, 0.61, 0.20, 0.44, 0.18, 0.37, 0.55, 0.40, None, 0.66, None), 1.0),
    ("hbm_dependence", "HBM 依赖", "HBM dependence", "fraction of total cost", "harm",
     (0.22, 0.17, 0.08, 0.21, None, 0.11, 0.24, 0.12, None, 0.19, None), 1.0),
    ("us_gpu_dependence", "美国GPU依赖", "US GPU dependence", "fraction of total cost", "harm",
     (0.48, 0.12, 0.05, 0.0, 0.06, 0.25, 0.61, 0.33, 0.0, 0.0, None), 1.0),
    ("advanced_eda_dependence", "美国EDA与设备依赖", "US EDA and equipment dependence", "fraction of total cost",
     "harm", (None, None, None, None, None, None, None, None, 0.35, 0.04, None), 1.0),
    ("entity_list_status", "实体清单状态", "Entity List status", "0 or 1", "harm",
     (0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, None), 1.0),
    ("us_listing_risk", "美国资本市场风险", "US capital-market risk", "probability", "harm",
     (0.10, 0.62, 0.02, 0.02, 0.03, 0.04, 0.05, 0.12, 0.81, 0.70, None), 1.0),
    ("us_revenue_share", "美国收入占比", "US revenue share", "fraction of revenue", "harm",
     (0.02, 0.0, 0.01, 0.0, 0.02, 0.03, 0.35, 0.31, 0.15, 0.0, None), 1.0),
    ("listed_customer_revenue", "来自受限客户的收入", "Revenue from listed customers", "fraction of revenue", "harm",
     (0.14, None, 0.32, 0.58, 0.41, 0.12, 0.05, 0.02, None, 0.33, None), 1.0),
    ("connected_vehicle_exposure", "网联汽车规则敞口", "Connected-vehicle exposure", "fraction of revenue", "harm",
     (0.0, 0.0, 0.0, 0.0, 0.01, 0.0, 0.02, 0.0, 0.03, 0.0, None), 1.0),
    ("china_countermeasure_exposure", "中国反制措施敞口", "Chinese counter-measure exposure", "fraction of revenue",
     "harm", (None,) * 11, 1.0),
    ("ascend_share", "昇腾/鲲鹏收入占比", "Ascend and Kunpeng share", "fraction of revenue", "two_sided",
     (0.03, 0.0, 0.017, 0.41, 0.22, 0.05, 0.0, 0.01, 0.06, 0.0, None), 1.0),
    ("domestic_substitution_benefit", "国产替代受益", "Domestic substitution benefit", "fraction of revenue", "gain",
     (0.12, 0.35, 0.03, 0.52, 0.31, 0.14, 0.0, 0.02, 0.44, 0.81, None), 1.0),
    ("inventory_cover_weeks", "关键投入库存周数", "Stock of critical input", "weeks", "mitigant",
     (18.0, 26.0, 7.5, 14.0, 9.0, 12.0, 11.0, 8.0, 21.0, 40.0, None), 104.0),
]  # fmt: skip
GROSS_PROFIT = (0.05, 0.0, 0.035, 0.47, 0.28, 0.06, 0.0, 0.01, None, 0.0, None)
STATUS_CYCLE = ("observed", "estimated", "observed", "imputed", "observed")
GRADE_CYCLE = ("A", "C", "B", "D", "A")

# id, code, zh, en, probability (lo, mid, hi) or None, base return per holding
SCENARIOS = [
    ("foundry_16nm_cut", "S1", "境外先进代工切断", "Foreign foundry cut at 16 nm", (0.1, 0.2, 0.4),
     (-0.24, -0.31, -0.08, -0.19, -0.07, -0.16, -0.25, -0.15, 0.12, -0.38, -0.11)),
    ("hbm_ban", "S2", "HBM断供", "HBM ban", (0.3, 0.5, 0.7),
     (-0.13, -0.09, -0.03, -0.12, -0.02, -0.05, -0.14, -0.06, 0.01, -0.10, None)),
    ("new_list_entry", "S3", "新增实体清单", "New Entity List entry", (0.2, 0.35, 0.5),
     (-0.42, 0.05, -0.02, 0.03, 0.02, 0.04, -0.03, -0.01, 0.0, 0.06, None)),
    ("gpu_export_ban", "S4", "美国GPU禁售", "US GPU export ban", (0.2, 0.4, 0.6),
     (-0.28, 0.03, 0.01, 0.11, 0.05, -0.10, -0.33, -0.14, 0.05, 0.16, None)),
    ("us_capital_ban", "S5", "美国资本禁投", "US capital ban", (0.1, 0.25, 0.4),
     (-0.03, -0.12, 0.0, 0.0, 0.0, -0.01, -0.02, -0.05, -0.22, -0.15, None)),
    ("eda_equipment_cut", "S6", "EDA与设备断供", "EDA and equipment cut", (0.1, 0.2, 0.3),
     (-0.02, -0.05, 0.0, -0.04, 0.0, -0.01, -0.01, -0.01, -0.26, -0.12, None)),
    ("connected_vehicle_rule", "S7", "网联汽车规则", "Connected-vehicle rule", (0.7, 0.9, 1.0),
     (None,) * 11),
    ("domestic_substitution", "S8", "国产替代加速", "Domestic substitution", (0.4, 0.6, 0.8),
     (0.03, 0.12, 0.02, 0.21, 0.13, 0.06, 0.0, 0.01, 0.17, 0.30, None)),
    ("detente", "S9", "缓和", "Détente", (0.02, 0.05, 0.1),
     (0.08, 0.04, 0.01, -0.06, -0.03, 0.02, 0.10, 0.08, -0.05, -0.14, None)),
    ("no_event", "S0", "无事件", "No event", None, (0.0,) * 11),
    ("china_countermeasures", "S10", "中国反制", "Chinese counter-measures", (0.1, 0.3, 0.5),
     (-0.01, 0.0, 0.0, 0.0, 0.0, -0.02, -0.06, -0.09, -0.01, 0.0, None)),
]  # fmt: skip
SEVERITY_SIZE = {"low": 0.5, "base": 1.0, "high": 1.6}

LIMITS = [
    LimitCard("foundry_node_dependence", "factor", "<=", 0.46, "fraction of total cost"),
    LimitCard("hbm_dependence", "factor", "<=", 0.34, "fraction of total cost"),
    LimitCard("us_gpu_dependence", "factor", "<=", 0.27, "fraction of total cost"),
    LimitCard("advanced_eda_dependence", "factor", "<=", 0.10, "fraction of total cost"),
    LimitCard("ascend_share", "factor", "<=", 0.105, "fraction of revenue"),
    LimitCard("domestic_substitution_benefit", "factor", ">=", 0.20, "fraction of revenue"),
    LimitCard("scenario:foundry_16nm_cut", "scenario", ">=", -0.17, "fraction of NAV"),
    LimitCard("scenario:hbm_ban", "scenario", ">=", -0.10, "fraction of NAV"),
    LimitCard("scenario:gpu_export_ban", "scenario", ">=", -0.12, "fraction of NAV"),
    LimitCard("worst_scenario", "scenario", ">=", -0.16, "fraction of NAV"),
    LimitCard("turnover", "turnover", "<=", 0.20, "fraction of NAV"),
    LimitCard("position", "position", "<=", 0.16, "fraction of NAV"),
    LimitCard("cash", "cash", "<=", 0.10, "fraction of NAV"),
]


def sample_run(plan: str = "plan", *, comparison: bool = False) -> Run:
    """Return the synthetic run; ``plan`` is ``plan``, ``infeasible`` or ``none``."""
    cards = _factor_cards()
    positions = _positions()
    returns = _returns()
    exposures = _exposures(positions)
    results = _results(returns)
    run = Run(
        run_id="2025-01-24-5f3a9c1e",
        name="synthetic-servers",
        as_of=AS_OF,
        base_currency="CNY",
        nav=NAV,
        cash_weight=CASH,
        holdings=_holdings(),
        issues=_issues(),
        issuer_scores=schemas.empty(schemas.FactorScores),
        position_scores=positions,
        exposures=exposures,
        contributions=_contributions(positions, exposures),
        scenario_returns=returns,
        scenario_results=results,
        factors=cards,
        scenarios=_scenario_cards(),
        list_status=_list_status(),
        evidence=_ledger(positions),
        issuer_names={row[1]: (row[2], row[3]) for row in HOLDINGS if row[1]},
        listing_names={row[0]: (row[2], row[3]) for row in HOLDINGS if row[1]},
        manifest={
            "tool": "exposure 0.1.0",
            "python": "3.11",
            "content_fingerprint": "3b1d" * 16,
            "content_origin": "shipped with the package",
            "inputs": [
                {"name": "holdings.csv", "sha256": "ab12" * 16},
                {"name": "mandate.toml", "sha256": "cd34" * 16},
            ],
            "packages": {"polars": "2.1.0", "cvxpy": "1.9.3"},
        },
        benchmark=None,
        benchmark_name="synthetic peers",
        mandate=MandateView("synthetic-mandate", tuple(LIMITS)),
        plan=_plan(plan, positions, returns),
        synthetic=True,
        screening=_screening(),
    )
    if comparison:
        before = exposures.with_columns(mid=pl.col("mid") * 0.97)
        earlier = Comparison("2025-01-17-aa11bb22", date(2025, 1, 17), 812.0, before, results)
        run = replace(run, comparison=earlier)
    return run


def _holdings() -> pl.DataFrame:
    rows = [
        {
            "listing_id": listing, "issuer_id": issuer, "name": zh,
            "quantity": round(weight * NAV / price / fx), "available": round(weight * NAV / price / fx),
            "price": price, "currency": currency, "fx": fx, "value": weight * NAV, "weight": weight,
            "source_row": number + 2,
        }
        for number, (listing, issuer, zh, _, weight, _, price, currency, fx, _) in enumerate(HOLDINGS)
    ]  # fmt: skip
    return schemas.validated(
        pl.DataFrame(rows, schema=schemas.empty(schemas.Holdings).schema), schemas.Holdings
    )


def _issues() -> pl.DataFrame:
    return schemas.issues_frame(
        [
            schemas.issue("error", "holdings.csv", "code_unknown", "no listing has this code", row=13,
                          column="code", raw="=cmd|'/c calc'!A1", cure="correct the code or remove the row"),
            schemas.issue("warning", "holdings.csv", "zeros_restored", "900101 was written 0900101", row=2,
                          column="code", raw="900101", cure="export the code as text"),
            schemas.issue("info", "benchmark.csv", "benchmark_found", "the benchmark beside the holdings is used"),
        ]
    )  # fmt: skip


def _factor_cards() -> tuple[FactorCard, ...]:
    return tuple(
        FactorCard(
            id=factor,
            name_zh=zh,
            name_en=en,
            question_zh=f"{zh}是多少？",
            question_en=f"How much is {en.lower()}?",
            unit=unit,
            sign=sign,
            method="Synthetic method: a disclosed figure over another.",
            reference="Synthetic reference, Table 3",
            highest=highest,
            basis_names={
                "main": ("按收入", "by revenue"),
                "gross_profit": ("按毛利", "by gross profit"),
            }
            if factor == "ascend_share"
            else {},
        )
        for factor, zh, en, unit, sign, _, highest in FACTORS
    )


def _scenario_cards() -> tuple[ScenarioCard, ...]:
    return tuple(
        ScenarioCard(
            id=scenario,
            code=code,
            name_zh=zh,
            name_en=en,
            narrative_zh=f"设想：{zh}，为期数年。",
            narrative_en=f"Suppose: {en.lower()}, for some years.",
            duration_years=Interval(2, 3, 5),
            probability=Interval(*chance) if chance else None,
            anchor="Synthetic anchor, section 1.1",
        )
        for scenario, code, zh, en, chance, _ in SCENARIOS
    )


def _positions() -> pl.DataFrame:
    rows = []
    tables = [
        (factor, "main", unit, values, highest)
        for factor, _, _, unit, _, values, highest in FACTORS
    ]
    tables.append(("ascend_share", "gross_profit", "fraction of gross profit", GROSS_PROFIT, 1.0))
    for place, (factor, basis, unit, values, highest) in enumerate(tables):
        for number, (holding, value) in enumerate(zip(HOLDINGS, values, strict=True)):
            kind = (number + place) % len(STATUS_CYCLE)
            missing = value is None
            status = "missing" if missing else STATUS_CYCLE[kind]
            spread = 0.0 if status == "observed" else 0.25
            rows.append(
                {
                    "listing_id": holding[0], "factor_id": factor, "basis": basis, "issuer_id": holding[1],
                    "weight": holding[4],
                    "lo": 0.0 if missing else value * (1 - spread),
                    "mid": value,
                    "hi": highest if missing else min(highest, value * (1 + spread)),
                    "unit": unit, "status": status, "grade": None if missing else GRADE_CYCLE[kind],
                    "stale": number == 5 and place == 1,
                    "evidence_ids": [] if missing else [f"{holding[1]}.{factor}.{basis}"],
                }
            )  # fmt: skip
    return schemas.validated(
        pl.DataFrame(rows, schema=schemas.empty(schemas.PositionScores).schema),
        schemas.PositionScores,
    )


def _exposures(positions: pl.DataFrame) -> pl.DataFrame:
    signs = {row[0]: row[4] for row in FACTORS}
    rows = []
    for (factor, basis), own in positions.group_by(["factor_id", "basis"], maintain_order=True):
        covered = own.filter(pl.col("status").is_in(["observed", "estimated", "not_applicable"]))
        known = own.filter(pl.col("mid").is_not_null())
        mid = sum(w * m for w, m in known.select("weight", "mid").iter_rows())
        benchmark = None if factor == "inventory_cover_weeks" else mid * 0.9
        rows.append(
            {
                "factor_id": factor, "basis": basis,
                "lo": sum(w * x for w, x in own.select("weight", "lo").iter_rows()), "mid": mid,
                "hi": sum(w * x for w, x in own.select("weight", "hi").iter_rows()), "unit": own["unit"][0],
                "coverage": covered["weight"].sum(), "with_mid": known["weight"].sum(),
                "benchmark": benchmark, "benchmark_coverage": None if benchmark is None else 0.7,
                "active": None if benchmark is None else mid - benchmark, "sign": signs[str(factor)],
            }
        )  # fmt: skip
    return schemas.validated(
        pl.DataFrame(rows, schema=schemas.empty(schemas.FactorExposures).schema),
        schemas.FactorExposures,
    )


def _contributions(positions: pl.DataFrame, exposures: pl.DataFrame) -> pl.DataFrame:
    joined = positions.join(
        exposures.select("factor_id", "basis", total="mid"), on=["factor_id", "basis"]
    )
    frame = joined.with_columns(
        score=pl.col("mid"), contribution=(pl.col("weight") * pl.col("mid")).fill_null(0.0)
    ).with_columns(share=pl.col("contribution") / pl.col("total"))
    frame = frame.with_columns(share=pl.when(pl.col("total") > 0).then(pl.col("share")))
    return schemas.validated(frame, schemas.Contributions)


def _returns() -> pl.DataFrame:
    rows = []
    for scenario, _, _, _, _, values in SCENARIOS:
        for severity, size in SEVERITY_SIZE.items():
            for number, (holding, value) in enumerate(zip(HOLDINGS, values, strict=True)):
                origin = (
                    "none" if value is None else "inferred" if number in (7, 10) else "modelled"
                )
                ret = None if value is None else value * size
                rows.append(
                    {
                        "scenario_id": scenario, "severity": severity, "listing_id": holding[0],
                        "issuer_id": holding[1], "ret": ret,
                        "ret_lo": None if ret is None else ret - 0.3 * abs(ret),
                        "ret_hi": None if ret is None else ret + 0.3 * abs(ret),
                        "output_loss": None, "output_gain": None, "origin": origin,
                        "channel": None if ret is None else "upstream",
                    }
                )  # fmt: skip
    return schemas.validated(
        pl.DataFrame(rows, schema=schemas.empty(schemas.ScenarioReturns).schema),
        schemas.ScenarioReturns,
    )


def _results(returns: pl.DataFrame) -> pl.DataFrame:
    weights = {row[0]: row[4] for row in HOLDINGS}
    chances = {row[0]: row[4] for row in SCENARIOS}
    rows = []
    for (scenario, severity), own in returns.group_by(
        ["scenario_id", "severity"], maintain_order=True
    ):
        known = [row for row in own.iter_rows(named=True) if row["ret"] is not None]
        parts = {row["listing_id"]: weights[row["listing_id"]] * row["ret"] for row in known}
        by_origin = {
            origin: sum(
                weights[row["listing_id"]]
                for row in own.iter_rows(named=True)
                if row["origin"] == origin
            )
            for origin in ("modelled", "inferred", "none")
        }
        rows.append(
            {
                "scenario_id": scenario, "severity": severity, "result": sum(parts.values()),
                "result_lo": sum(weights[row["listing_id"]] * row["ret_lo"] for row in known),
                "result_hi": sum(weights[row["listing_id"]] * row["ret_hi"] for row in known),
                "loss_part": sum(p for p in parts.values() if p < 0),
                "gain_part": sum(p for p in parts.values() if p > 0),
                "modelled_weight": by_origin["modelled"], "inferred_weight": by_origin["inferred"],
                "unmodelled_weight": by_origin["none"],
                "probability": chances[str(scenario)][1] if chances[str(scenario)] else None,
                "plausibility_d": None if scenario == "no_event" else 2.4,
                "plausibility_p": None if scenario == "no_event" else 0.031,
                "worst_listing": min(parts, key=parts.__getitem__, default=None),
                "best_listing": max(parts, key=parts.__getitem__, default=None),
            }
        )  # fmt: skip
    return schemas.validated(
        pl.DataFrame(rows, schema=schemas.empty(schemas.ScenarioResults).schema),
        schemas.ScenarioResults,
    )


def _plan(kind: str, positions: pl.DataFrame, returns: pl.DataFrame) -> PlanView | None:
    if kind == "none":
        return None
    limits = _plan_limits(positions, returns, solved=kind == "plan")
    weights = pl.DataFrame(
        [
            {"listing_id": row[0], "weight_now": row[4], "weight_target": row[5],
             "weight_plan": row[5], "benchmark": None}
            for row in HOLDINGS
        ],
        schema=schemas.empty(schemas.PlanWeights).schema,
    )  # fmt: skip
    if kind == "infeasible":
        conflict = pl.DataFrame(
            [
                (
                    "foundry_node_dependence",
                    "factor",
                    "<=",
                    0.20,
                    "fraction of total cost",
                    0.274,
                    True,
                ),
                ("turnover", "turnover", "<=", 0.05, "fraction of NAV", 0.31, True),
                ("position", "position", "<=", 0.10, "fraction of NAV", None, False),
            ],
            schema=schemas.empty(schemas.PlanConflict).schema,
            orient="row",
        )
        return PlanView(
            status="infeasible",
            weights=schemas.empty(schemas.PlanWeights),
            trades=schemas.empty(schemas.Trades),
            limits=limits,
            conflict=schemas.validated(conflict, schemas.PlanConflict),
            solver_name="PIQP",
            solver_version="0.6.0",
            solver_status="infeasible",
        )
    return PlanView(
        status="optimal",
        weights=schemas.validated(weights, schemas.PlanWeights),
        trades=_trades(),
        limits=limits,
        tracking_error_now=0.061,
        tracking_error_plan=0.0548,
        turnover=sum(abs(row[5] - row[4]) for row in HOLDINGS),
        cost_bp=11.8,
        cash_plan=1 - sum(row[5] for row in HOLDINGS),
        solver_name="PIQP",
        solver_version="0.6.0",
        solver_status="optimal",
        solver_gap=3.1e-9,
    )


def _plan_limits(positions: pl.DataFrame, returns: pl.DataFrame, *, solved: bool) -> pl.DataFrame:
    now = {row[0]: row[4] for row in HOLDINGS}
    after = {row[0]: row[5] for row in HOLDINGS}
    fixed = {
        "worst_scenario": (-0.179, -0.165),
        "turnover": (0.0, 0.156),
        "position": (0.155, 0.12),
        "cash": (CASH, 0.052),
    }
    rows = []
    for card in LIMITS:
        if card.kind == "factor":
            own = positions.filter((pl.col("factor_id") == card.name) & (pl.col("basis") == "main"))
            end = pl.col("hi" if card.sense == "<=" else "lo")
            pairs = own.select("listing_id", pl.col("mid").fill_null(end)).rows()
        elif card.kind == "scenario" and card.name != "worst_scenario":
            scenario = card.name.partition(":")[2]
            own = returns.filter(
                (pl.col("scenario_id") == scenario) & (pl.col("severity") == "base")
            )
            pairs = own.select("listing_id", pl.col("ret").fill_null(pl.col("ret").min())).rows()
        else:
            pairs = []
        sums = tuple(sum(weights[i] * x for i, x in pairs) for weights in (now, after))
        values = sums if pairs else fixed[card.name]
        room = card.bound - values[1] if card.sense == "<=" else values[1] - card.bound
        rows.append(
            {
                "name": card.name, "kind": card.kind, "sense": card.sense, "now": values[0],
                "target": values[1] if solved else None, "plan": values[1] if solved else None,
                "bound": card.bound, "unit": card.unit, "room": room, "binding": abs(room) < 0.005,
                "shadow_price": 3.2 if abs(room) < 0.02 and solved else 0.0,
                "state": "breach" if room < 0 else "ok",
            }
        )  # fmt: skip
    return schemas.validated(
        pl.DataFrame(rows, schema=schemas.empty(schemas.PlanLimits).schema), schemas.PlanLimits
    )


def _trades() -> pl.DataFrame:
    rows = []
    reasons = {
        "900101.SZ": ("lowers_scenario_loss", "gpu_export_ban", None),
        "900102.SH": ("lowers_factor", "foundry_node_dependence", None),
        "900105.SZ": ("raises_benchmark_fit", None, None),
        "9901.HK": ("raises_benchmark_fit", None, None),
        "9902.HK": ("lowers_factor", "advanced_eda_dependence", "suspended"),
    }
    for listing, _, _, _, now, after, price, currency, fx, lot in HOLDINGS:
        if abs(after - now) < 1e-9:
            continue
        quantity = round(abs(after - now) * NAV / price / fx / lot) * lot
        code, subject, blocked = reasons[listing]
        rows.append(
            {
                "listing_id": listing, "side": "buy" if after > now else "sell", "quantity": float(quantity),
                "lot": lot, "price": price, "currency": currency, "fx": fx, "notional": quantity * price * fx,
                "cost": quantity * price * fx * 0.0011, "weight_before": now, "weight_after": after,
                "reason_code": code, "reason_subject": subject, "blocked": blocked,
            }
        )  # fmt: skip
    return schemas.validated(
        pl.DataFrame(rows, schema=schemas.empty(schemas.Trades).schema), schemas.Trades
    )


def _list_status() -> pl.DataFrame:
    listed = {
        ("yunfeng", "EL"),
        ("xinyuan", "EL"),
        ("haixin", "EL"),
        ("xinyuan", "NS-CMIC"),
        ("haixin", "1260H"),
    }
    rows = []
    for _, issuer, _zh, en, *_ in HOLDINGS:
        if issuer is None:
            continue
        for list_id in ("EL", "NS-CMIC", "1260H"):
            on = (issuer, list_id) in listed
            related = issuer == "beichen" and list_id == "EL"
            status = "listed" if on else "related" if related else "not_on_list"
            rows.append(
                {
                    "issuer_id": issuer, "list_id": list_id, "status": status,
                    "relation": "self" if on else "parent" if related else None,
                    "row_name": f"{en} Co., Ltd." if on or related else None,
                    "mechanisms": "licence for all items" if on else None,
                    "footnote": None, "citation": "88 FR 13673 (synthetic)" if on or related else None,
                    "valid_from": date(2023, 3, 6) if on or related else None,
                    "known_on": date(2023, 3, 6) if on or related else None,
                    "link_ids": [f"list.{issuer}.{list_id.lower()}"] if on or related else [],
                    "wording": f"{en} is {'' if on else 'not '}on list {list_id} as of 2025-01-24 (edition 2025-01-16)",
                }
            )  # fmt: skip
    return schemas.validated(
        pl.DataFrame(rows, schema=schemas.empty(schemas.ListStatus).schema), schemas.ListStatus
    )


def _screening() -> ScreenResult:
    status = _list_status()
    weights = {row[1]: (row[0], row[2], row[3], row[4]) for row in HOLDINGS if row[1]}
    rows = []
    for row in status.iter_rows(named=True):
        listing, zh, en, weight = weights[row["issuer_id"]]
        banned = row["list_id"] == "NS-CMIC" and row["status"] == "listed"
        absent = row["status"] == "not_on_list"
        rows.append(
            {
                **{name: row[name] for name in ScreenRows.columns() if name in row},
                "listing_ids": [listing], "name_zh": zh, "name_en": en, "weight": weight,
                "since": row["valid_from"],
                "us_person": None if absent else "sell_only" if banned else "yes",
                "sell_by": date(2025, 6, 3) if banned else None,
                "meaning_zh": "" if absent else "虚构：名单对持有人的含义。",
                "meaning_en": "" if absent else "Invented: what the list means for a holder.",
                "edition_date": date(2025, 1, 16), "reviewed_on": date(2025, 1, 20),
            }
        )  # fmt: skip
    order = ["listed", "related", "unresolved", "not_on_list"]
    rows.sort(key=lambda row: (order.index(row["status"]), row["issuer_id"], row["list_id"]))
    first = status.filter((pl.col("issuer_id") == "yunfeng") & (pl.col("list_id") == "EL"))
    return ScreenResult(
        AS_OF,
        date(2025, 1, 17),
        _screen_frame(ScreenRows, rows),
        _screen_frame(
            ListedSuppliers,
            [
                {
                    "issuer_id": "beichen", "supplier_id": "yunfeng", "supplier_zh": "云峰", "supplier_en": "Yunfeng",
                    "input_kind": "boards", "lo": 0.1, "mid": 0.2, "hi": 0.3, "list_id": list_id,
                    "row_name": "Yunfeng Co., Ltd.", "mechanisms": "entity_licence", "since": date(2023, 3, 6),
                    "link_id": "beichen.boards.yunfeng",
                }
                for list_id in ("EL", "1260H")
            ],
        ),
        _screen_frame(
            ListEditions,
            [
                {
                    "list_id": list_id, "name_zh": f"虚构名单{list_id}", "name_en": f"invented list {list_id}",
                    "edition_date": day, "rows": size, "age_days": age, "allowed_days": allowed, "line": "",
                }
                for list_id, day, size, age, allowed in (
                    ("EL", date(2025, 1, 16), 3000, 8, 30),
                    ("NS-CMIC", date(2024, 11, 1), 60, 84, 30),
                    ("1260H", None, None, None, 120),
                )
            ],
        ),
        _screen_frame(
            Cliffs,
            [
                {
                    "event_id": "X", "due": date(2025, 3, 1), "title_zh": "虚构规则", "title_en": "An invented rule",
                    "instrument": "invented",
                }
            ],
        ),
        _screen_frame(
            ListNews,
            [
                {"issuer_id": "yunfeng", "list_id": "EL", "before": "not on list", "now": first["wording"][0]}
            ],
        ),
    )  # fmt: skip


def _screen_frame(schema: type[dy.Schema], rows: list[dict[str, object]]) -> pl.DataFrame:
    columns = {name: column.dtype for name, column in schema.columns().items()}
    table = [{name: row.get(name) for name in columns} for row in rows]
    return schema.validate(pl.DataFrame(table, schema=columns))


def _ledger(positions: pl.DataFrame) -> pl.DataFrame:
    names = {row[1]: (row[2], row[3]) for row in HOLDINGS}
    rows = []
    for row in positions.filter(pl.col("mid").is_not_null()).iter_rows(named=True):
        zh, en = names[row["issuer_id"]]
        rows.append(
            {
                "evidence_id": row["evidence_ids"][0], "kind": "evidence", "subject": row["issuer_id"],
                "subject_zh": zh, "subject_en": en, "measure": row["factor_id"], "lo": row["lo"], "mid": row["mid"],
                "hi": row["hi"], "unit": row["unit"], "period": "2024H1", "known_on": date(2024, 8, 28),
                "publisher": "Synthetic Exchange", "title": f"{en}: half-year report 2024",
                "locator": "page 14, table 3",
                "grade": row["grade"], "status": row["status"], "url": "https://example.org/report.pdf",
                "note": "invented for a test",
            }
        )  # fmt: skip
    rows.append(
        {
            "evidence_id": "gap.eda", "kind": "evidence", "subject": "beichen", "subject_zh": "北辰信息",
            "subject_en": "Beichen Information", "measure": "advanced_eda_dependence", "lo": None, "mid": None,
            "hi": None, "unit": "fraction of total cost", "period": None, "known_on": None, "publisher": None,
            "title": None, "locator": None, "grade": None, "status": "missing", "url": None,
            "note": "=HYPERLINK(\"http://evil\") is a text",
        }
    )  # fmt: skip
    return EvidenceLedger.validate(
        pl.DataFrame(
            rows,
            schema={name: column.dtype for name, column in EvidenceLedger.columns().items()},
        )
    )
