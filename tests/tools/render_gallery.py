"""Render the sheets of the demo workbook to reports/gallery (make gallery). Needs LibreOffice and poppler-utils."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
NAMES = ("summary", "exposure", "contributions", "scenarios", "trades")
FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><include ignore_missing="yes">/etc/fonts/fonts.conf</include>
<alias binding="same"><family>Microsoft YaHei</family><prefer><family>Noto Sans CJK SC</family></prefer></alias>
</fontconfig>"""


def main() -> int:
    """Run the demo, turn the workbook into pages, keep the first pages under plain names."""
    missing = [name for name in ("soffice", "pdftoppm") if shutil.which(name) is None]
    if missing:
        print(
            f"make gallery needs {', '.join(missing)} (Debian: libreoffice-calc poppler-utils fonts-noto-cjk)"
        )
        return 1
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "fonts.conf").write_text(FONTS, encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "exposure.cli.main",
            "demo",
            "--out",
            str(work / "runs"),
            "-q",
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        workbook = Path(done.stdout.strip().splitlines()[-1])
        render(workbook, work)
        pages = sorted(work.glob("page-*.png"))
        target = ROOT / "reports" / "gallery"
        target.mkdir(exist_ok=True)
        for name, page in zip(NAMES, pages, strict=False):
            shutil.copy(page, target / f"{name}.png")
        print(f"{min(len(NAMES), len(pages))} pages in reports/gallery")
    return 0


def render(workbook: Path, work: Path) -> None:
    """Turn a workbook into PNG pages in ``work``."""
    import os

    environment = {**os.environ, "FONTCONFIG_FILE": str(work / "fonts.conf")}
    profile = f"-env:UserInstallation={(work / 'profile').as_uri()}"
    convert = [
        "soffice",
        profile,
        "--headless",
        "--convert-to",
        "pdf",
        "--outdir",
        str(work),
        str(workbook),
    ]
    subprocess.run(convert, env=environment, check=True, capture_output=True)
    pdf = work / f"{workbook.stem}.pdf"
    subprocess.run(["pdftoppm", "-r", "80", "-png", str(pdf), str(work / "page")], check=True)


if __name__ == "__main__":
    raise SystemExit(main())
