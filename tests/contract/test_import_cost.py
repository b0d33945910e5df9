"""Starting is cheap: help loads no heavy library, and the library loads cvxpy only to rebalance."""

import subprocess
import sys

import pytest

HEAVY = ("polars", "cvxpy", "openpyxl", "numpy", "scipy")


def loaded_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(' '.join(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    assert loaded_after("import exposure") == set()


@pytest.mark.parametrize("command", ["", "score", "rebalance", "report"])
def test_help_loads_nothing_heavy(command):
    arguments = [command, "--help"] if command else ["--help"]
    code = (
        "import io, contextlib\nfrom exposure.cli.main import run\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        f"    code = run({arguments!r})\n"
        "assert code == 0, code"
    )

    assert loaded_after(code) == set()


def test_scoring_loads_neither_cvxpy_nor_openpyxl():
    code = (
        "from datetime import date\nimport exposure as ex\ncatalog = ex.load_catalog()\n"
        "import polars as pl\n"
        "book = ex.load_holdings(pl.DataFrame({'listing': ['002261.SZ'], 'weight': [1.0]}), as_of=date(2025, 1, 24))\n"
        "ex.score(book, catalog)"
    )

    assert {"cvxpy", "openpyxl"} & loaded_after(code) == set()
