"""What was understood of a file, and a layout that says the same."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from exposure.cli.main import run
from exposure.errors import HoldingsError, UsageError
from exposure.portfolios.holdings import load_holdings
from exposure.portfolios.mapping import FileMap, map_holdings, write_layout

AS_OF = date(2025, 1, 24)


def mapped(content: Path, path: Path, text: str, **options: object) -> FileMap:
    path.write_text(text, encoding="utf-8")
    return map_holdings(path, as_of=AS_OF, content=content, **options)  # type: ignore[arg-type]


def fields(found: FileMap) -> dict[str, str | None]:
    return dict(found.columns.select("header", "field").iter_rows())


def test_columns_units_and_what_is_not_read(content: Path, tmp_path: Path) -> None:
    found = mapped(
        content,
        tmp_path / "week.csv",
        "序号,代码,名称,数量,可用,价格,市值,心情\n"
        "1,000977,浪潮信息,120000,0,52.84,634.08,好\n2,603019,中科曙光,80000,0,66.21,529.68,\n",
    )
    assert fields(found) == {
        "序号": None,
        "代码": "code",
        "名称": "name",
        "数量": "quantity",
        "可用": "available",
        "价格": "price",
        "市值": "value",
        "心情": None,
    }
    units = dict(found.columns.select("header", "unit").iter_rows())
    assert units["市值"] == "× 10,000"
    remarks = dict(found.columns.select("header", "remark").iter_rows())
    assert remarks["心情"] == "not known; not read"
    assert found.book is not None
    assert found.refusal is None


def test_the_written_layout_reads_the_file_to_the_same_book(content: Path, tmp_path: Path) -> None:
    path = tmp_path / "week.csv"
    found = mapped(
        content,
        path,
        "代码,名称,数量,价格,市值\n000977,浪潮信息,120000,52.84,634.08\n603019,中科曙光,80000,66.21,529.68\n",
    )
    write_layout(found, tmp_path / "layouts" / "week.toml")
    first = load_holdings(path, as_of=AS_OF, content=content)
    second = load_holdings(
        path, as_of=AS_OF, content=content, layout=tmp_path / "layouts" / "week.toml"
    )
    assert second.holdings.equals(first.holdings)
    assert "by layout week" in " ".join(second.issues["message"])


def test_a_corrected_layout_reads_what_nothing_knows(content: Path, tmp_path: Path) -> None:
    path = tmp_path / "week.csv"
    found = mapped(content, path, "Papier,Menge,Preis\n000977.SZ,100,50\n603019.SH,10,60\n")
    assert found.layout is None
    assert found.refusal is not None
    assert set(fields(found).values()) == {None}
    assert found.layout_toml is not None
    corrected = (
        found.layout_toml.replace('"Papier" = "unused"', '"Papier" = "code"')
        .replace('"Menge" = "unused"', '"Menge" = "quantity"')
        .replace('"Preis" = "unused"', '"Preis" = "price"')
    )
    (tmp_path / "mine.toml").write_text(corrected, encoding="utf-8")
    book = load_holdings(path, as_of=AS_OF, content=content, layout=tmp_path / "mine.toml")
    assert book.nav == pytest.approx(5600)


def test_a_layout_that_does_not_fit_says_what_is_lacking(content: Path, tmp_path: Path) -> None:
    found = mapped(content, tmp_path / "a.csv", "代码,权重\n000977.SZ,1\n")
    write_layout(found, tmp_path / "a.toml")
    (tmp_path / "b.csv").write_text("代码,占比\n000977.SZ,1\n", encoding="utf-8")
    with pytest.raises(HoldingsError) as caught:
        load_holdings(tmp_path / "b.csv", as_of=AS_OF, content=content, layout=tmp_path / "a.toml")
    assert "lacks 权重" in caught.value.render()
    assert "exposure map" in caught.value.cure


def test_rows_that_can_not_be_used_do_not_stop_the_map(content: Path, tmp_path: Path) -> None:
    found = mapped(
        content,
        tmp_path / "week.csv",
        "代码,名称,权重\n977,浪潮信息,60\n977,,20\n603019,超聚变,20\n",
    )
    assert found.refusal is not None
    assert {place.row for place in found.refusal.places} == {3, 4}
    assert found.book is not None
    assert found.book.holdings["listing_id"].to_list() == ["000977.SZ"]
    assert "zeros_restored" in found.issues["rule"].to_list()


def test_a_header_without_an_amount_shows_what_is_known_of_it(
    content: Path, tmp_path: Path
) -> None:
    found = mapped(content, tmp_path / "week.csv", "Stock Code,Stock Name\n0700.HK,TENCENT\n")
    assert fields(found) == {"Stock Code": "code", "Stock Name": "name"}
    assert found.refusal is not None


def test_headers_with_quotes_and_breaks_make_a_layout_that_loads(
    content: Path, tmp_path: Path
) -> None:
    frame = pl.DataFrame({"代码": ["000977.SZ"], 'we"ight\\ \n(%)': ["100"], "占比": ["100%"]})
    found = map_holdings(frame, as_of=AS_OF, content=content)
    write_layout(found, tmp_path / "odd.toml")
    book = load_holdings(frame, as_of=AS_OF, content=content, layout=tmp_path / "odd.toml")
    assert book.holdings.height == 1


def test_nothing_is_written_over_without_force(content: Path, tmp_path: Path) -> None:
    found = mapped(content, tmp_path / "week.csv", "代码,权重\n000977.SZ,1\n")
    target = tmp_path / "mine.toml"
    target.write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="exists already"):
        write_layout(found, target)
    assert target.read_text(encoding="utf-8") == "mine"
    write_layout(found, target, force=True)
    assert "[columns]" in target.read_text(encoding="utf-8")


def test_the_command_shows_writes_and_keeps(
    content: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "week.csv").write_text("代码,名称,权重\n977,浪潮信息,100\n", encoding="utf-8")
    command = ["map", "week.csv", "--as-of", "2025-01-24", "--content", str(content)]
    assert run([*command, "--dry-run"]) == 0
    assert not (tmp_path / "layouts").exists()
    assert run(command) == 0
    told = capsys.readouterr()
    assert "zeros restored" in told.out
    assert "layouts/week.toml" in told.err
    assert run(command) == 0
    assert "kept layouts/week.toml" in capsys.readouterr().err
    assert run([*command, "--json", "--dry-run"]) == 0
    assert '"listing_id": "000977.SZ"' in capsys.readouterr().out
    assert run([*command, "-o", "layouts/week.toml"]) == 2
