"""Read and write a snapshot of the risk model: three tables and a manifest, and the same in ``crisis/``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl

from exposure.content import ContentRoot, TomlFile, read_text_csv, read_toml_file
from exposure.content.writing import write_text
from exposure.errors import ContentError, Place
from exposure.risk.model import RiskModel, factor_root
from exposure.schemas import RiskFactorCovariance, RiskLoadings, RiskSpecific, typed_from_text

FOLDER = "portfolios/risk"
FILES = ("loadings", "factor_covariance", "specific")
MANIFEST = "manifest.toml"
CRISIS = "crisis"  # the folder of the crisis model inside a snapshot


def load_risk(root: ContentRoot, as_of: date) -> RiskModel | None:
    """Read the newest snapshot of the content that is not later than a day.

    Returns
    -------
    RiskModel or None
        None where no snapshot is old enough: a later one would know the future.

    Raises
    ------
    ContentError
        If a folder's name is not a day, or its files break a rule.
    """
    days: dict[date, str] = {}
    folders = root.entries(FOLDER)
    for name, path in folders.items():
        if path.is_dir() and not name.startswith("."):
            days[_day(name)] = name
    known = [day for day in days if day <= as_of]
    if not known:
        return None
    day = max(known)
    model = read_risk(folders[days[day]], f"{FOLDER}/{days[day]}")
    if model.as_of != day:
        name = f"{FOLDER}/{days[day]}/manifest.toml"
        raise ContentError(
            f"{name} is of {model.as_of.isoformat()}, its folder of {day.isoformat()}",
            places=[Place(name, "as_of and the folder's name must be one day", column="as_of")],
            cure="rename the folder to the snapshot's as_of",
        )
    return model


def read_risk(folder: Path, name: str | None = None) -> RiskModel:
    """Read one snapshot folder, with the crisis model where it has a folder ``crisis/``.

    Raises
    ------
    ContentError
        With file and line: a missing file, a cell of the wrong type, a loading on an unknown risk factor, a
        covariance that is not symmetric and positive, a crisis model of another day or of other risk factors.
    """
    shown = name or folder.name
    model, _ = _read_one(folder, shown)
    if not (folder / CRISIS).is_dir():
        return model
    crisis, manifest = _read_one(folder / CRISIS, f"{shown}/{CRISIS}")
    _check_crisis(model, crisis, manifest)
    return replace(model, crisis=crisis)


def _read_one(folder: Path, shown: str) -> tuple[RiskModel, TomlFile]:
    manifest = read_toml_file(folder / MANIFEST, f"{shown}/{MANIFEST}")
    as_of = manifest.need(manifest.data, "as_of")
    if type(as_of) is not date:
        raise manifest.error(f"{manifest.name} has no day in as_of", "as_of", "is not a day")
    schemas = (RiskLoadings, RiskFactorCovariance, RiskSpecific)
    frames: list[pl.DataFrame] = []
    for file, schema in zip(FILES, schemas, strict=True):
        path = f"{shown}/{file}.csv"
        if not (folder / f"{file}.csv").is_file():
            raise ContentError(
                f"{path} is missing", places=[Place(path, "is not in the snapshot folder")]
            )
        frames.append(typed_from_text(read_text_csv(folder / f"{file}.csv", path), schema, path))
    model = RiskModel(as_of, frames[0], frames[1], frames[2], dict(manifest.data))
    _check(model, shown, manifest)
    return model, manifest


def write_risk(model: RiskModel, folder: str | Path) -> None:
    """Write a snapshot: three tables and ``manifest.toml``. Derived statistics only, never prices.

    A file is replaced only when it is complete. The crisis model goes to ``crisis/``; one of an earlier estimate is
    removed first, so that a snapshot never holds two models of different estimates.
    """
    target = Path(folder)
    _remove_crisis(target / CRISIS)
    _write_one(model, target)
    if model.crisis is not None:
        _write_one(model.crisis, target / CRISIS)


def _write_one(model: RiskModel, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    texts = {
        f"{name}.csv": frame.write_csv()
        for name, frame in zip(
            FILES, (model.loadings, model.factor_covariance, model.specific), strict=True
        )
    }
    texts[MANIFEST] = "\n".join(_toml(model.manifest)) + "\n"
    for name, text in texts.items():
        write_text(target / name, text)


def _remove_crisis(folder: Path) -> None:
    """Remove the files of an earlier crisis model, and its folder if nothing else lies there."""
    if not folder.is_dir():
        return
    for name in (MANIFEST, *(f"{file}.csv" for file in FILES)):
        (folder / name).unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def _day(name: str) -> date:
    try:
        return date.fromisoformat(name)
    except ValueError as fault:
        raise ContentError(
            f"{FOLDER}/{name} is not named by a day",
            places=[Place(FOLDER, "must be YYYY-MM-DD", value=name)],
            cure="rename the folder to the snapshot's as_of",
        ) from fault


def _check(model: RiskModel, shown: str, manifest: TomlFile) -> None:
    factors = set(model.factor_covariance["risk_factor"])
    stated = model.manifest.get("factors")
    if isinstance(stated, list) and set(map(str, stated)) != factors:
        raise manifest.error(
            f"{manifest.name} and factor_covariance.csv name different risk factors",
            "factors",
            why=f"the covariance has {', '.join(sorted(factors))}",
        )
    places = [
        Place(f"{shown}/loadings.csv", "is not in factor_covariance.csv", value=name)
        for name in sorted(set(model.loadings["risk_factor"]) - factors)
    ]
    places += [
        Place(f"{shown}/specific.csv", "has no loading on some risk factor", value=name)
        for name in _incomplete(model, factors)
    ]
    if places:
        raise ContentError(
            f"{shown} does not hold together", places=places, cure="estimate the snapshot again"
        )
    try:
        factor_root(model)
    except ContentError as fault:
        path = f"{shown}/factor_covariance.csv"
        raise ContentError(
            f"{path} can't be used",
            places=[Place(path, place.why) for place in fault.places],
            cure=fault.cure,
        ) from fault


def _check_crisis(model: RiskModel, crisis: RiskModel, manifest: TomlFile) -> None:
    if crisis.as_of != model.as_of:
        raise manifest.error(
            f"{manifest.name} is of {crisis.as_of.isoformat()}, its snapshot of {model.as_of.isoformat()}",
            "as_of",
            "must be the day of the snapshot",
        )
    if crisis.factors != model.factors:
        raise manifest.error(
            f"{manifest.name} must name the risk factors of its snapshot in the same order",
            "factors",
            f"the snapshot has {', '.join(model.factors)}",
        )
    last = crisis.manifest.get("last_close")
    if isinstance(last, date) and last > crisis.as_of:
        raise manifest.error(
            f"{manifest.name} rests on closes after {crisis.as_of.isoformat()}",
            "last_close",
            "is after as_of",
        )


def _incomplete(model: RiskModel, factors: set[str]) -> list[str]:
    counts = dict(model.loadings.group_by("listing_id").len().iter_rows())
    names = set(counts) | set(model.specific["listing_id"])
    lacking = set(model.specific["listing_id"])
    return sorted(
        name for name in names if counts.get(name, 0) != len(factors) or name not in lacking
    )


def _toml(table: Mapping[str, object], path: str = "") -> list[str]:
    """Return a table as TOML lines: plain values first, then tables, then arrays of tables."""
    plain: list[str] = []
    nested: list[str] = []
    for key, value in table.items():
        name = f"{path}.{_toml_key(key)}" if path else _toml_key(key)
        if isinstance(value, Mapping):
            nested += ["", f"[{name}]", *_toml(value, name)]
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for item in value:
                nested += ["", f"[[{name}]]", *_toml(item, name)]
        else:
            plain.append(f"{_toml_key(key)} = {_toml_value(value)}")
    return plain + nested


def _toml_key(key: str) -> str:
    bare = key.replace("_", "").replace("-", "").isalnum() and key.isascii()
    return key if bare else _toml_value(key)


def _toml_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'
