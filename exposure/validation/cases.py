"""Acceptance cases: JSON files of inputs and expected numbers, run through the engine's own functions.

Nothing is computed twice here: a *kind* only carries a file's inputs to the public functions and
puts their answers under the file's keys. Kinds are recognised by their input keys, so a file with
other numbers, sizes or names of the same kind runs, with any subset of the expected keys.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exposure.errors import ExposureError, UsageError
from exposure.validation.case_kinds import CHECKS, KINDS, Kind, MissingPackage

TEXT_KEYS = frozenset(
    {
        "id",
        "source",
        "note",
        "hand",
        "formula",
        "closed",
        "closed_form",
        "rule",
        "convention",
        "warning",
        "qualitative",
        "additivity",
    }
)
SETTINGS = frozenset({"tolerance"})


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What became of one file.

    Parameters
    ----------
    id
        The file's id, or its name.
    file
        File name.
    kind
        Which kind it was taken for, empty where none.
    status
        ``ok``, ``FAILED``, ``skipped`` (an outside package is absent) or ``unreadable``.
    reason
        Why it isn't ok, or a remark; empty otherwise.
    numbers
        How many values were compared.
    largest_error, tolerance
        Of the value that comes nearest to (or goes farthest over) its tolerance; the error is None
        where nothing was compared or a value doesn't match at all (an order, a length).
    percent
        Part of the compared values within tolerance, in percent.
    not_compared
        Expected keys that the kind doesn't know.
    """

    id: str
    file: str
    kind: str
    status: str
    reason: str
    numbers: int
    largest_error: float | None
    tolerance: float
    percent: float
    not_compared: tuple[str, ...]

    def line(self) -> str:
        """Return the case as one line.

        Examples
        --------
        >>> CaseResult("chain", "chain.json", "inventory", "ok", "", 6, 4e-16, 1e-9, 100.0, ()).line()
        'chain                          ok          6 numbers   largest error 4e-16   tolerance 1e-9'
        """
        head = f"{_printable(self.id):<30} {self.status:<10}"
        if self.status in ("skipped", "unreadable"):
            return f"{head} {_printable(self.reason, 160)}"
        error = "no match" if self.largest_error is None else _power_of_ten(self.largest_error)
        text = (
            f"{head} {self.numbers:>2} numbers   largest error {error}"
            f"   tolerance {_power_of_ten(self.tolerance)}"
        )
        if self.status == "FAILED":
            text += f"   {self.percent:.0f}% within: {_printable(self.reason, 160)}"
        if self.not_compared:
            text += f"   not compared: {_printable(', '.join(self.not_compared), 160)}"
        return text


def check_cases(folder: Path) -> list[CaseResult]:
    """Run every ``*.json`` of a folder (or one file), in order of name.

    error of one number = |got - expected| / max(1, |expected|)

    Parameters
    ----------
    folder
        A folder of cases, or one case.

    Returns
    -------
    list of CaseResult
        One per file, whatever became of it.

    Raises
    ------
    UsageError
        If the path doesn't exist or holds no case.
    """
    path = Path(folder)
    if path.is_file():
        return [check_case(path)]
    if not path.is_dir():
        raise UsageError(f"{path.name} isn't there", cure="name a folder of *.json cases")
    files = sorted(path.glob("*.json"))
    if not files:
        raise UsageError(f"{path.name} holds no *.json case", cure="name a folder of *.json cases")
    return [check_case(file) for file in files]


def check_case(file: Path) -> CaseResult:
    """Run one file."""
    try:
        data = json.loads(file.read_text(encoding="utf-8-sig"), object_pairs_hook=_no_repeats)
    except OSError as error:
        return _unreadable(file, f"can't be opened: {error.strerror}")
    except RecursionError:
        return _unreadable(file, "is nested too deeply")
    except ValueError as error:  # not JSON, not UTF-8, a repeated key
        return _unreadable(file, f"isn't valid JSON: {error}")
    if not isinstance(data, dict):
        return _unreadable(file, "holds no case: the outermost value must be an object")
    return check_data(data, file.name)


def check_data(data: Mapping[str, Any], file: str) -> CaseResult:
    """Run one case that is already read.

    Examples
    --------
    >>> case = {"shares": [0.5, 0.5], "input_availability": [0, 1], "loss_by_rho": {"1": 0.5}}
    >>> result = check_data(case, "linear.json")
    >>> result.kind, result.status, result.numbers
    ('ces', 'ok', 1)
    """
    name = str(data.get("id") or Path(file).stem)
    tolerance = data.get("tolerance")
    if tolerance is not None and not (_is_number(tolerance) and 0 < tolerance < math.inf):
        return _unreadable(Path(file), "its tolerance isn't a positive number", name)
    kind, why = recognise(data, file)
    if kind is None:
        return _unreadable(Path(file), why, name)
    try:
        got = kind.run(data)
    except MissingPackage as error:
        return _result(name, file, kind, "skipped", str(error))
    except KeyError as error:
        return _unreadable(Path(file), f"is taken for {kind.name} but lacks {error}", name)
    except ExposureError as error:
        return _result(name, file, kind, "FAILED", f"the engine refuses it: {error.what}")
    except (ValueError, TypeError, IndexError, AttributeError, ArithmeticError) as error:
        return _unreadable(Path(file), f"is taken for {kind.name} but can't be run: {error}", name)
    try:
        found = list(_compare(data, got, "", kind.inputs | SETTINGS))
    except RecursionError:
        return _unreadable(Path(file), "is nested too deeply", name)
    found += [
        _Compared(check.key, 0.0 if check.holds else math.inf, check.detail)
        for check in got.get(CHECKS, ())
    ]
    return _judge(name, file, kind, found, tolerance)


def recognise(data: Mapping[str, Any], file: str) -> tuple[Kind | None, str]:
    """Return the kind of a case by its input keys, or None and why not.

    The id and the file name only break a tie.
    """
    matching = [kind for kind in KINDS if kind.matches(data)]
    if len(matching) > 1:
        label = f"{data.get('id', '')} {file}".lower()
        named = [kind for kind in matching if any(word in label for word in kind.words)]
        matching = named or matching
    if matching:
        return matching[0], ""
    near = [(kind, kind.present(data)) for kind in KINDS]
    kind, share = max(near, key=lambda pair: pair[1])
    if share > 0:
        lacking = ", ".join(kind.lacking(data))
        return None, f"matches no kind; nearest is {kind.name}, which needs {lacking}"
    return None, "matches no kind"


@dataclass(frozen=True, slots=True)
class _Compared:
    key: str
    error: float
    detail: str
    known: bool = True


def _compare(expected: Any, got: Any, path: str, ignored: frozenset[str]) -> Iterator[_Compared]:
    if isinstance(expected, Mapping):
        for key, value in expected.items():
            if key in ignored or key in TEXT_KEYS or key.endswith("_note"):
                continue
            where = f"{path}.{key}" if path else key
            if not isinstance(got, Mapping) or key not in got:
                yield _Compared(where, 0.0, "", known=False)
            else:
                yield from _compare(value, got[key], where, ignored)
    elif isinstance(expected, list):
        if not isinstance(got, Sequence) or isinstance(got, str) or len(got) != len(expected):
            size = len(got) if isinstance(got, Sequence) else "one value"
            yield _Compared(path, math.inf, f"{len(expected)} values expected, got {size}")
            return
        for at, value in enumerate(expected):
            yield from _compare(value, got[at], f"{path}[{at}]", ignored)
    else:
        yield _value(expected, got, path)


def _value(expected: Any, got: Any, path: str) -> _Compared:
    detail = f"{path}: got {got}, expected {expected}"
    if expected in ("inf", "-inf"):
        expected = float(expected)
    if not (isinstance(got, float) and _is_number(expected)):  # whole numbers, orders, nothing
        return _Compared(path, 0.0 if got == expected else math.inf, detail)
    if math.isinf(expected) or math.isinf(got):
        error = 0.0 if got == expected else math.inf
    else:
        error = abs(got - expected) / max(1.0, abs(expected))
    return _Compared(path, math.inf if math.isnan(error) else error, detail)


def _judge(
    name: str, file: str, kind: Kind, found: Sequence[_Compared], own: float | None
) -> CaseResult:
    compared = [item for item in found if item.known]
    unknown = tuple(item.key for item in found if not item.known)
    if not compared:
        reason = f"is taken for {kind.name} but holds no expected number that it knows"
        return _unreadable(Path(file), reason, name)

    def allowed(item: _Compared) -> float:
        loose = [value for key, value in kind.loose.items() if item.key.startswith(key)]
        return max([kind.tolerance if own is None else own, *loose])

    within = [item.error <= allowed(item) for item in compared]
    worst = max(compared, key=lambda item: item.error / allowed(item))
    ok = all(within)
    return CaseResult(
        name,
        file,
        kind.name,
        "ok" if ok else "FAILED",
        "" if ok else worst.detail,
        len(compared),
        worst.error if math.isfinite(worst.error) else None,
        allowed(worst),
        100.0 * sum(within) / len(within),
        unknown,
    )


def _result(name: str, file: str, kind: Kind, status: str, reason: str) -> CaseResult:
    return CaseResult(name, file, kind.name, status, reason, 0, None, kind.tolerance, 0.0, ())


def _unreadable(file: Path, reason: str, name: str | None = None) -> CaseResult:
    label = name or file.stem
    return CaseResult(label, file.name, "", "unreadable", reason, 0, None, 0.0, 0.0, ())


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {repeated!r} stands twice")
    return dict(pairs)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _power_of_ten(value: float) -> str:
    mantissa, _, exponent = f"{value:.0e}".partition("e")
    return f"{mantissa}e{int(exponent)}" if value else "0"


def _printable(text: str, limit: int = 60) -> str:
    clean = "".join(char if char.isprintable() else "·" for char in text)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
