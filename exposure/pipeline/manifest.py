"""What a run was made from: hashes, versions, settings."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import polars as pl

from exposure.pipeline.inputs import Inputs

DISTRIBUTION = "supply-chain-exposure"
REPORTED_PACKAGES = ("polars", "numpy", "scipy", "cvxpy", "piqp", "clarabel", "highspy", "openpyxl")


def build_manifest(inputs: Inputs) -> dict[str, Any]:
    """Return what a run rests on: versions, fingerprints, inputs. No user, host or full path."""
    book = inputs.book
    files: list[dict[str, Any]] = [{"name": book.source, "sha256": book.sha256}]
    if inputs.named is not None:
        files[0] |= inputs.named.record()
    if book.benchmark is not None:
        files.append(
            {"name": book.benchmark_source or "benchmark", "sha256": frame_hash(book.benchmark)}
        )
    if inputs.mandate is not None:
        files.append({"name": inputs.mandate.name, "sha256": text_hash(repr(inputs.mandate))})
    risk = inputs.risk
    return {
        "tool": f"{DISTRIBUTION} {tool_version()}",
        "python": platform.python_version(),
        "as_of": book.as_of.isoformat(),
        "portfolio": book.name,
        "content_fingerprint": inputs.catalog.fingerprint,
        "content_origin": inputs.catalog.root.origin,
        "inputs": files,
        "holdings_rows": book.holdings.height,
        "mandate": None if inputs.mandate is None else inputs.mandate.name,
        "risk_snapshot": None if risk is None else risk.as_of.isoformat(),
        "packages": {name: package_version(name) for name in REPORTED_PACKAGES},
    }


def frame_hash(frame: pl.DataFrame) -> str:
    """Return the SHA-256 of a frame's CSV text."""
    return text_hash(frame.write_csv())


def text_hash(text: str) -> str:
    """Return the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def tool_version() -> str:
    """Return the version of this package."""
    return package_version(DISTRIBUTION)


def package_version(name: str) -> str:
    """Return the version of an installed package, or ``not installed``."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
