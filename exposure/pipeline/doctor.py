"""Whether this installation and its content work."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

from exposure.content import PROJECT, find_content, layer_report, load_settings
from exposure.content.settings import chosen_lists, chosen_master
from exposure.pipeline.manifest import REPORTED_PACKAGES, package_version, tool_version
from exposure.scenarios.reading import load_catalog


def doctor(content: str | Path | None = None) -> dict[str, Any]:
    """Return what this installation is made of: versions, content, solvers, programs."""
    import shutil  # noqa: PLC0415 - used here only

    root = find_content(content)
    facts: dict[str, Any] = {
        "exposure": tool_version(),
        "python": platform.python_version(),
        "content": root.path.name,
        "content origin": root.origin,
        "content fingerprint": root.fingerprint(),
    }
    facts |= {name: package_version(name) for name in REPORTED_PACKAGES}
    if root.base is not None:
        facts["content layer"] = "lies over the shipped content"
        facts |= {
            f"  {row['file']}": f"{row['added']} added, {row['replaced']} replaced, {row['same']} the same"
            for row in layer_report(root).iter_rows(named=True)
        }
    snapshots = [name for name, path in root.entries("portfolios/risk").items() if path.is_dir()]
    facts["risk snapshots"] = ", ".join(snapshots) or "none"
    facts |= _project()
    for program in ("soffice", "ssconvert"):
        facts[program] = (
            "present" if shutil.which(program) else "absent (only needed by cross-engine tests)"
        )
    load_catalog(root)
    facts["content check"] = "holds together"
    return facts


def _project() -> dict[str, Any]:
    """Return what exposure.toml settles; of connections the names of variables, never a value."""
    settings = load_settings()
    facts: dict[str, Any] = {PROJECT: "found" if settings.found else "none here or above"}
    chosen = {"master": chosen_master(settings=settings), "lists": chosen_lists(settings=settings)}
    for key, found in chosen.items():
        names = ", ".join(path.name for path in found.paths)
        facts[key] = f"{names} ({found.origin})" if names else found.origin
    for name, connection in settings.connections.items():
        missing = connection.missing_variables
        state = f"no ({', '.join(missing)})" if missing else "yes"
        where = "a PostgreSQL server" if connection.path is None else connection.path.name
        facts[f"connection {name}"] = f"{where}, variables set: {state}"
    for name, holdings in settings.holdings.items():
        facts[f"holdings @{name}"] = f"connection {holdings.connection}"
    facts |= {name: package_version(name) for name in ("duckdb", "adbc-driver-postgresql")}
    return facts
