"""Recompute a workbook with LibreOffice and Gnumeric, on a copy whose cached values were falsified first.

Both programs keep cached values when they open a file, so a test on the honest file would prove nothing.
"""

from __future__ import annotations

import io
import re
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import openpyxl

PROFILE = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry" xmlns:xs="http://www.w3.org/2001/XMLSchema">
<item oor:path="/org.openoffice.Office.Calc/Formula/Load">
<prop oor:name="OOXMLRecalcMode" oor:op="fuse"><value>{mode}</value></prop></item></oor:items>
"""
ALWAYS, NEVER = 0, 1


def falsified(workbook: bytes) -> bytes:
    """Return a copy in which every cached number is 777 and every cached text is "stale"."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name.startswith("xl/worksheets/sheet"):
                text = data.decode().replace("<v/>", "<v></v>")
                text = re.sub(
                    r'(<c [^>]*t="str"[^>]*><f>[^<]*</f><v>)[^<]*(</v>)', r"\g<1>stale\2", text
                )
                text = re.sub(
                    r"(<c (?:(?!t=)[^>])*><f>[^<]*</f><v>)[^<]*(</v>)", r"\g<1>777\2", text
                )
                data = text.encode()
            target.writestr(name, data)
    return out.getvalue()


def libreoffice(path: Path, folder: Path, *, mode: int = ALWAYS) -> Path:
    """Open and save with LibreOffice under a private profile."""
    profile = folder / f"profile-{mode}"
    (profile / "user").mkdir(parents=True)
    (profile / "user" / "registrymodifications.xcu").write_text(PROFILE.format(mode=mode))
    out = folder / f"libreoffice-{mode}"
    subprocess.run(
        ["soffice", f"-env:UserInstallation=file://{profile}", "--headless", "--convert-to", "xlsx",
         "--outdir", str(out), str(path)],
        check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    return out / path.name


def gnumeric(path: Path, folder: Path) -> Path:
    """Recompute and save with Gnumeric."""
    out = folder / "gnumeric.xlsx"
    subprocess.run(
        ["ssconvert", "--recalc", str(path), str(out)], check=True, capture_output=True, timeout=300
    )
    return out


def values(path: Path) -> dict[tuple[str, str], Any]:
    """Return what each cell shows."""
    book = openpyxl.load_workbook(path, data_only=True)
    return {
        (page.title, cell.coordinate): cell.value
        for page in book.worksheets
        for row in page.iter_rows()
        for cell in row
        if cell.value is not None
    }


def differences(
    expected: dict[tuple[str, str], Any], found: dict[tuple[str, str], Any]
) -> list[tuple[tuple[str, str], Any, Any]]:
    """Return the formulas whose values differ: numbers by more than 1e-9, texts at all."""
    wrong = []
    for at, value in expected.items():
        other = found.get(at)
        if isinstance(value, str):
            if (other or "") != value:
                wrong.append((at, value, other))
        elif isinstance(other, str) or other is None or abs(other - value) > 1e-9:
            wrong.append((at, value, other))
    return wrong
