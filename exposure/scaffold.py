"""A content folder of the user's own: headers to fill in, and a page that says how."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from exposure.content import SETTINGS, ContentRoot, shipped_root
from exposure.errors import UsageError

TABLES = (
    "factors/sources.csv",
    "factors/evidence/mine.csv",
    "factors/links/mine.csv",
    "portfolios/reference/issuers.csv",
    "portfolios/reference/listings.csv",
    "portfolios/reference/aliases.csv",
)
MODELS = {  # a table with a name of the user's own has the header of one of ours
    "factors/evidence/mine.csv": "factors/evidence/server_makers.csv",
    "factors/links/mine.csv": "factors/links/ai_servers.csv",
}
_SETTINGS = """# What this folder lies upon.
# "shipped": its rows add to the content that came with the package, or replace rows with the same key.
# "none": a complete content root of its own.
extends = "shipped"
"""
GUIDE = "reports/wording/own_content.md"
PROJECT = "exposure.toml"
_EXAMPLE = {
    "factors/sources.csv": {
        "source_id": "example-note",
        "publisher": "Example desk",
        "title": "Made-up note that shows the format",
        "published_on": "2025-01-10",
        "citation": "no real document",
        "language": "en",
        "licence": "own",
    },
    "portfolios/reference/issuers.csv": {
        "issuer_id": "example_company",
        "name_zh": "示例公司",
        "name_en": "Example Company (made up)",
        "country": "CN",
        "role": "ai_server",
    },
    "portfolios/reference/listings.csv": {
        "listing_id": "609999.SH",
        "issuer_id": "example_company",
        "board": "main",
        "currency": "CNY",
        "share_class": "A",
    },
    "portfolios/reference/aliases.csv": {
        "issuer_id": "example_company",
        "alias": "示例股份",
        "language": "zh",
        "kind": "short",
    },
    "factors/evidence/mine.csv": {
        "evidence_id": "example_company.ascend_revenue_share.2024h1",
        "subject": "example_company",
        "measure": "ascend_revenue_share",
        "lo": "0.25",
        "mid": "0.3",
        "hi": "0.35",
        "unit": "fraction",
        "period": "2024H1",
        "valid_from": "2024-07-01",
        "known_on": "2025-01-10",
        "grade": "D",
        "status": "estimated",
        "verdict": "use",
        "source_id": "example-note",
        "locator": "page 1",
        "note": "made up",
    },
    "factors/links/mine.csv": {
        "link_id": "example_company.ascend_kunpeng.huawei",
        "supplier": "huawei",
        "customer": "example_company",
        "input_kind": "ascend_kunpeng",
        "criticality": "ordinary",
        "lo": "0.1",
        "mid": "0.2",
        "hi": "0.3",
        "valid_from": "2024-07-01",
        "known_on": "2025-01-10",
        "grade": "D",
        "status": "estimated",
        "source_id": "example-note",
        "locator": "page 1",
        "note": "made up",
    },
}


def write_scaffold(folder: Path, *, example: bool = False) -> list[str]:
    """Make a content folder that lies over the shipped content.

    Parameters
    ----------
    folder
        Where; must not exist, or be empty.
    example
        Also write one made-up company with a fact and a link, to show the format.

    Returns
    -------
    list[str]
        The names of the files written. The folder appears whole or not at all.

    Raises
    ------
    UsageError
        If the folder holds something already, or a file has its name.
    """
    folder = folder.absolute()
    is_there = folder.exists()
    if is_there and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            f"{folder.name} exists and isn't empty",
            cure="name another folder: exposure init my-content",
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    holder = Path(tempfile.mkdtemp(prefix=".exposure-", dir=folder if is_there else folder.parent))
    try:
        made = holder / "content"
        _fill(made, example=example)
        if is_there:
            _move_all(made, folder)
        else:
            made.rename(folder)
    finally:
        shutil.rmtree(holder, ignore_errors=True)
    return sorted([*TABLES, SETTINGS, "README.md"])


def use_by_default(folder: Path, project: Path) -> None:
    """Name a content folder in the ``exposure.toml`` of a project folder.

    Raises
    ------
    UsageError
        If there is one already: it is the user's.
    """
    settings = project / PROJECT
    refuse_settings(project)
    own, here = folder.absolute(), project.absolute()
    shown = own.relative_to(here) if own.is_relative_to(here) else own
    settings.write_text(
        f"content = {json.dumps(shown.as_posix(), ensure_ascii=False)}\n",
        encoding="utf-8",
        newline="\n",
    )


def refuse_settings(project: Path) -> None:
    """Refuse a project folder that has its ``exposure.toml`` already.

    Raises
    ------
    UsageError
        It does.
    """
    if (project / PROJECT).exists():
        raise UsageError(
            f"{PROJECT} exists here and is kept as it is",
            cure='leave out --use, and set content = "..." in it by hand',
        )


def _fill(folder: Path, *, example: bool) -> None:
    shipped = ContentRoot(shipped_root(), "shipped")
    for name in TABLES:
        header = _header(shipped, MODELS.get(name, name))
        lines = [",".join(header)]
        if example and name in _EXAMPLE:
            lines.append(",".join(_EXAMPLE[name].get(column, "") for column in header))
        _write(folder / name, "\n".join(lines) + "\n")
    _write(folder / SETTINGS, _SETTINGS)
    _write(folder / "README.md", shipped.file(GUIDE).read_text(encoding="utf-8"))


def _move_all(made: Path, folder: Path) -> None:
    """Move what was made into an empty folder that exists; on a failure take it out again."""
    moved: list[Path] = []
    try:
        for path in sorted(made.iterdir()):
            moved.append(path.rename(folder / path.name))
    except OSError:
        for path in moved:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        raise


def _header(shipped: ContentRoot, name: str) -> list[str]:
    with shipped.file(name).open(encoding="utf-8") as file:
        header = file.readline().strip().split(",")
    if name in MODELS.values() and "ended_known_on" not in header:
        header.insert(header.index("valid_to") + 1, "ended_known_on")  # to end one of ours
    return header


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
