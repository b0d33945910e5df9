"""A content folder of the user's own: headers to fill in, and a page that says how."""

from __future__ import annotations

import shutil
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
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise UsageError(
            f"{folder.name} exists and isn't empty",
            cure="name another folder: exposure init my-content",
        )
    shipped = ContentRoot(shipped_root(), "shipped")
    aside = folder.with_name(folder.name + ".part")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        for name in TABLES:
            header = _header(shipped, MODELS.get(name, name))
            lines = [",".join(header)]
            if example and name in _EXAMPLE:
                lines.append(",".join(_EXAMPLE[name].get(column, "") for column in header))
            _write(aside / name, "\n".join(lines) + "\n")
        _write(aside / SETTINGS, _SETTINGS)
        _write(aside / "README.md", shipped.file(GUIDE).read_text(encoding="utf-8"))
        if folder.is_dir():
            folder.rmdir()
        aside.rename(folder)
    except OSError:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return sorted([*TABLES, SETTINGS, "README.md"])


def _header(shipped: ContentRoot, name: str) -> list[str]:
    with shipped.file(name).open(encoding="utf-8") as file:
        return file.readline().strip().split(",")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
