"""Custodian valuation tables: a tree of accounts (科目) becomes positions and cash.

Parents repeat what their children hold, so only the lowest accounts count. An account of a share ends in the code of
the share: ``11020101600519``, ``1102.01.01.600519`` and ``11020101600519 SH`` are one position in 600519.SH.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

import polars as pl

from exposure.content import SOURCE_ROW
from exposure.errors import HoldingsError, Place
from exposure.portfolios.cells import parse_number, squeeze
from exposure.portfolios.layouts import AccountRules
from exposure.schemas import issue

NET_ASSETS_TOLERANCE = 0.005
CASH_CODE = "CASH"
NOT_A_SHARE = "not_a_share"
_ACCOUNT = re.compile(r"^[0-9][0-9A-Z]*$")
_MARKET = re.compile(r"[\s.]*(SH|SS|SZ|BJ|HK|HG|HS|XSHG|XSHE|XHKG)$")
# account codes write the lines of Stock Connect as HG (through Shanghai) and HS (through Shenzhen)
_VENUE = {"SS": "SH", "XSHG": "SH", "XSHE": "SZ", "XHKG": "HK", "HG": "HK", "HS": "HK"}
_SHARE = re.compile(r"^H?([0-9]{5,6})(HK)?$")


@dataclass(frozen=True, slots=True)
class _Account:
    row: int
    code: str  # digits and letters without dots
    venue: str | None
    record: dict[str, str | None]

    @property
    def name(self) -> str:
        return self.record.get("name") or ""


def positions_of(
    rows: pl.DataFrame,
    rules: AccountRules,
    file: str,
    sheet: str | None,
    issues: list[dict[str, object]],
) -> pl.DataFrame:
    """Return the positions and cash of a table of accounts.

    Parameters
    ----------
    rows
        ``source_row`` and the text columns of the table, code and name among them.
    rules
        Which accounts are what.

    Returns
    -------
    polars.DataFrame
        The same columns, with share codes in ``code``; cash, receivables and payables have the code ``CASH``, what is
        owed with a minus. Of an account of another security ``not_a_share`` says what it is.

    Raises
    ------
    HoldingsError
        If the table has no account of shares, or its sum is not the net assets that it states.
    """
    accounts, stated = _accounts(rows, rules)
    lowest = _lowest(accounts)
    out: list[dict[str, str | int | None]] = []
    skipped: list[_Account] = []
    pooled: list[_Account] = []
    total = 0.0
    shares = 0
    for account in lowest:
        kind = _kind(account, rules)
        amount = _amount(account)
        if kind == "skip":
            skipped.append(account)
            continue
        record = dict(account.record) | {SOURCE_ROW: account.row}
        if kind == "share":
            shares += 1
            record["code"] = _share_code(account, rules)
        elif kind == "cash":
            record = _cash_record(record, amount, sign=1)
        elif kind in ("receivable", "liability"):
            if not amount:
                continue
            pooled.append(account)
            record = _cash_record(record, amount, sign=-1 if kind == "liability" else 1)
        else:
            record["code"] = account.code
            record[NOT_A_SHARE] = kind or "an account that nothing is known of"
        total += (-1 if kind == "liability" else 1) * (amount or 0.0)
        out.append(record)
    if not shares:
        raise HoldingsError(
            f"{file} has no account of shares",
            places=[Place(file, f"no account begins with {' or '.join(rules.shares)}", sheet)],
            cure="export the valuation table with the accounts of single securities",
        )
    parents = len(accounts) - len(lowest)
    if parents:
        message = f"{parents} accounts repeat what accounts below them hold; left out"
        issues.append(issue("info", file, "parent_accounts", message, sheet=sheet))
    if skipped:
        message = f"{len(skipped)} accounts of revaluation ({skipped[0].code}, …) left out"
        issues.append(issue("info", file, "revaluation_accounts", message, sheet=sheet))
    for account in pooled:
        message = f"{account.name}: receivable or payable, counted as cash"
        issues.append(
            issue("warning", file, "counted_as_cash", message, sheet=sheet, row=account.row,
                  raw=account.code)
        )  # fmt: skip
    _check_net_assets(stated, total, file, sheet, issues)
    schema = {name: pl.Int64 if name == SOURCE_ROW else pl.String for name in rows.columns}
    schema[NOT_A_SHARE] = pl.String
    return pl.DataFrame(out, schema=schema, orient="row")


def _accounts(
    rows: pl.DataFrame, rules: AccountRules
) -> tuple[list[_Account], tuple[int, float] | None]:
    """Return the accounts, and row and amount of the stated net assets."""
    accounts: list[_Account] = []
    stated: tuple[int, float] | None = None
    for record in rows.iter_rows(named=True):
        row = record.pop(SOURCE_ROW)
        label = squeeze((record.get("code") or "") or (record.get("name") or "")).rstrip(":")
        if label.startswith(rules.net_assets) and not label[:1].isdigit():
            amount = parse_number(record.get("value") or "")
            if amount is not None and stated is None:
                stated = (row, amount.value)
            continue
        code = (record.get("code") or "").upper().strip()
        market = _MARKET.search(code)
        venue = None
        if market:
            venue = _VENUE.get(market[1], market[1])
            code = code[: market.start()]
        bare = re.sub(r"[.\s\-]", "", code)
        if _ACCOUNT.match(bare):
            accounts.append(_Account(row, bare, venue, record))
    return accounts, stated


def _lowest(accounts: list[_Account]) -> list[_Account]:
    """Return the accounts that no other account lies below, in the order of the file."""
    ordered = sorted({account.code for account in accounts})
    out: list[_Account] = []
    for account in accounts:
        at = bisect_right(ordered, account.code)
        if at < len(ordered) and ordered[at].startswith(account.code):
            continue
        out.append(account)
    return out


def _kind(account: _Account, rules: AccountRules) -> str:
    code = account.code
    if code.startswith(rules.shares):
        is_revaluation = code[rules.depth - 2 : rules.depth] in rules.skip
        return "skip" if is_revaluation or "估值增值" in account.name else "share"
    if code.startswith(rules.cash):
        return "cash"
    if code.startswith(rules.liabilities):
        return "liability"
    if code.startswith(rules.receivables):
        return "receivable"
    if code[:4] in rules.other_assets:
        is_revaluation = code[rules.depth - 2 : rules.depth] in rules.skip
        return "skip" if is_revaluation and not _amount(account) else rules.other_assets[code[:4]]
    return "" if _amount(account) else "skip"


def _share_code(account: _Account, rules: AccountRules) -> str:
    """Return the share at the end of an account code; the whole code where there is none.

    Examples
    --------
    >>> rules = AccountRules(("1102",), {}, (), (), (), frozenset(), 8, ())
    >>> _share_code(_Account(1, "11020101600519", None, {}), rules)
    '600519'
    >>> _share_code(_Account(1, "1102810100700", "HK", {}), rules)
    '00700.HK'
    """
    match = _SHARE.match(account.code[rules.depth :])
    if match is None:
        return account.code
    is_hong_kong = len(match[1]) == 5 or match[2] is not None
    venue = account.venue or ("HK" if is_hong_kong else None)
    return f"{match[1]}.{venue}" if venue else match[1]


def _amount(account: _Account) -> float | None:
    text = account.record.get("value")
    number = parse_number(text) if text else None
    return None if number is None else number.value


def _cash_record(
    record: dict[str, str | int | None], amount: float | None, *, sign: int
) -> dict[str, str | int | None]:
    kept = {SOURCE_ROW: record[SOURCE_ROW], "code": CASH_CODE, "name": record.get("name")}
    if "currency" in record:
        kept["currency"] = None  # the value column is in the currency of the fund
    if amount is not None:
        kept["value"] = repr(sign * amount)
    return dict.fromkeys(record) | kept


def _check_net_assets(
    stated: tuple[int, float] | None,
    total: float,
    file: str,
    sheet: str | None,
    issues: list[dict[str, object]],
) -> None:
    if stated is None:
        message = "the table states no net assets; the sum of its accounts is taken"
        issues.append(issue("info", file, "net_assets_not_stated", message, sheet=sheet))
        return
    row, amount = stated
    if abs(total - amount) > NET_ASSETS_TOLERANCE * abs(amount):
        raise HoldingsError(
            f"the accounts of {file} don't add up to its net assets",
            places=[
                Place(file, f"is not the sum of the accounts, which is {total:,.2f}", sheet, row,
                      "市值", f"{amount:,.2f}")
            ],
            cure="export the whole table, or add the missing account to portfolios/layouts/valuation.toml",
        )  # fmt: skip
    message = f"the accounts add up to the stated net assets of {amount:,.2f}"
    issues.append(issue("info", file, "net_assets_agree", message, sheet=sheet, row=row))
