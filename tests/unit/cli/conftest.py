"""How the tests of the command line ask: in an empty folder, exit code and both streams back."""

import pytest

from exposure.cli.main import run


@pytest.fixture
def ask(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code = run(list(arguments))
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return call


@pytest.fixture
def told(ask):
    """Ask a question that must be answered: only what stands on stdout."""

    def call(*arguments):
        code, out, _ = ask(*arguments)
        assert code == 0
        return out

    return call
