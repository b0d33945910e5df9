"""Both languages say the same things, with the same fields to fill in."""

import string
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WORDING = Path(__file__).parents[3] / "reports" / "wording"


def _texts(table: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        here = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            yield from _texts(value, here)
        else:
            yield here, str(value)


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def _read(language: str) -> dict[str, str]:
    return dict(_texts(tomllib.loads((WORDING / f"{language}.toml").read_text("utf-8"))))


def test_each_text_exists_in_both_languages():
    assert sorted(_read("zh")) == sorted(_read("en"))


def test_both_languages_fill_in_the_same_fields():
    chinese, english = _read("zh"), _read("en")
    differing = {
        key: (text, english[key])
        for key, text in chinese.items()
        if _fields(text) != _fields(english[key])
    }
    assert not differing
