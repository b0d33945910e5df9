"""exposure.toml: what is known, what is refused, who wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from exposure.content import find_content, load_settings
from exposure.content.settings import chosen_lists, chosen_master
from exposure.errors import UsageError

SERVER = '[connections.house]\nuri = "postgresql://{PGUSER}:{PGPASSWORD}@db:5432/positions"\n'


@pytest.fixture
def said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("EXPOSURE_MASTER", "EXPOSURE_LISTS", "EXPOSURE_CONTENT"):
        monkeypatch.delenv(name, raising=False)

    def say(text: str):
        (tmp_path / "exposure.toml").write_text(text, encoding="utf-8")
        return load_settings()

    return say


def test_everything_is_found_from_a_folder_below_and_is_relative_to_the_file(
    said, tmp_path, monkeypatch
):
    said(
        'content = "mine"\nmaster = ["a.csv", "b.csv"]\nlists = "editions"\n'
        + SERVER
        + '[connections.desk]\npath = "p.duckdb"\ntime_limit = 5\n'
        + '[holdings.fund]\nconnection = "desk"\nquery = "select 1"\nlayout = "l.toml"\nmandate = "m.toml"\n'
    )
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    settings = load_settings()

    assert settings.content == tmp_path / "mine"
    assert settings.master == (tmp_path / "a.csv", tmp_path / "b.csv")
    assert settings.lists == tmp_path / "editions"
    assert settings.connections["house"].variables == ("PGUSER", "PGPASSWORD")
    assert settings.connections["desk"].path == tmp_path / "p.duckdb"
    assert settings.connections["desk"].time_limit == 5
    assert settings.holdings["fund"].layout == tmp_path / "l.toml"
    assert settings.holdings["fund"].benchmark is None


def test_without_a_file_nothing_is_set(said):
    settings = load_settings()
    assert (settings.found, settings.master, settings.lists) == (False, (), None)
    assert find_content().origin == "shipped with the package"


def test_argument_beats_variable_beats_project(said, monkeypatch, tmp_path):
    said('master = "m.csv"\nlists = "editions"\n')
    assert chosen_master().paths == (tmp_path / "m.csv",)
    assert chosen_lists().origin == "exposure.toml"
    monkeypatch.setenv("EXPOSURE_MASTER", "x.csv")
    monkeypatch.setenv("EXPOSURE_LISTS", "theirs")
    assert (chosen_master().paths, chosen_master().origin) == ((Path("x.csv"),), "EXPOSURE_MASTER")
    assert chosen_lists().paths == (Path("theirs"),)
    assert chosen_master((Path("y.csv"),)).origin == "argument"
    assert chosen_lists(Path("z")).paths == (Path("z"),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('mastr = "a"\n', ("'mastr'", "'master'", "row 1")),
        ('[connections.a]\npth = "x"\n', ("'pth'", "'path'", "connections.a")),
        ('[holdings.a]\nconection = "x"\n', ("'conection'", "'connection'", "holdings.a")),
        ("[connections.a]\n", ("either uri or path",)),
        ('[connections.a]\nuri = "postgresql://h/d"\npath = "x"\n', ("either uri or path",)),
        ('[connections.a]\npath = "x"\ntime_limit = 0\n', ("time_limit", "3600")),
        ('[holdings.a]\nquery = "select 1"\n', ("lacks connection",)),
        (SERVER + '[holdings.a]\nconnection = "hose"\nquery = "select 1"\n', ("'hose'", "'house'")),
        ("master = 3\n", ("list of paths",)),
        ("lists = []\n", ("lists", "text")),
        ("connections = 3\n", ("must be tables",)),
        ('[connections."a b"]\npath = "x"\n', ("must be tables",)),
        ('[connections.a]\nuri = "mysql://{U}:{P}@h/d"\n', ("PostgreSQL",)),
        ('[connections.a]\nuri = "postgresql://{1}@h/d"\n', ("placeholder",)),
    ],
)
def test_a_fault_names_file_key_and_cure(said, text, words):
    with pytest.raises(UsageError) as fault:
        said(text)
    shown = fault.value.render()
    assert [word for word in ("exposure.toml", "try:", *words) if word not in shown] == []
    assert fault.value.exit_code == 2


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://alice:hunter2@db/positions",
        "postgresql://{U}:hunter2@db/positions",
        "postgresql://{U}:{P}hunter2@db/positions",
        "postgresql://alice:@db/positions",
        "postgresql://db/positions?password=hunter2",
        "postgresql://db/positions?sslmode=require&p%61ssword=hunter2",
        "postgresql://db/positions?sslpassword=hunter2",
        "postgresql://alice:hun/ter2@db/positions",
        "postgresql://alice:hun@ter2@db/positions",
        "postgresql://alice:hun#ter2@db/positions",
        "host=db user=alice password=hunter2",
    ],
)
def test_a_password_in_the_file_is_refused_and_not_repeated(said, uri):
    with pytest.raises(UsageError) as fault:
        said(f'[connections.a]\nuri = "{uri}"\n')
    assert "ter2" not in fault.value.render() + repr(fault.value)
    assert "{PGPASSWORD}" in fault.value.cure


def test_a_key_for_a_password_is_refused_with_the_way_to_give_one(said):
    with pytest.raises(UsageError) as fault:
        said('[connections.a]\npassword = "hunter2"\n')
    assert "environment only" in fault.value.render()
    assert "hunter2" not in fault.value.render()


@pytest.mark.parametrize(
    "uri",
    [
        "{DATABASE_URL}",
        "postgresql://db.house/positions",
        "postgres://alice@db.house:5432/positions?sslmode=verify-full",
        "postgresql://{U}:{P}@{H}:{PORT}/{D}?password={P}",
    ],
)
def test_an_address_without_a_password_is_taken(said, uri):
    assert said(f'[connections.a]\nuri = "{uri}"\n').connections["a"].uri == uri
