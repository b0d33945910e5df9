"""What a layer of the user's own does to the content beneath it, and files of it that nothing would read."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

import polars as pl

from exposure.content.files import SOURCE_ROW, read_text_csv
from exposure.content.roots import TOGETHER, ContentRoot, in_group, is_skipped, key_of
from exposure.errors import ContentError, Place

# Folders of the shipped content where a layer has no file of a new name: nothing would read it.
CLOSED = ("factors", "factors/lists", "portfolios/reference", "reports/layouts", "reports/wording")
READ_FOLDERS = (
    "factors", "portfolios/reference", "portfolios/layouts", "portfolios/rules", "portfolios/risk",
    "reports/layouts", "reports/wording",
)  # fmt: skip
TABLE_FORMATS = ("csv", "tsv", "xlsx", "xls", "ods", "toml")


def layer_report(root: ContentRoot) -> pl.DataFrame:
    """Return what a layer does to the content beneath it.

    Returns
    -------
    polars.DataFrame
        | file | added | replaced | same | : rows of a table, or 1 for a file that is new, replaces one, or repeats it.
        Empty for a root without a base.
    """
    rows: list[tuple[str, int, int, int]] = []
    for name in root.own_files() if root.base is not None else []:
        assert root.base is not None
        keys = key_of(name)
        if keys is None:
            rows.append((name, *_file_change(root, root.base, name)))
            continue
        mine = read_text_csv(root.path / name, name).drop(SOURCE_ROW)
        below = [frame.drop(SOURCE_ROW) for frame in _tables_beneath(root.base, name)]
        if not set(keys) <= set(mine.columns):
            rows.append((name, mine.height, 0, 0))  # refused when the table is read
            continue
        replaced = mine.join(_keys(below, keys), on=list(keys), how="semi")
        same = sum(_repeated(replaced, frame) for frame in below)
        rows.append((name, mine.height - replaced.height, replaced.height - same, same))
    return pl.DataFrame(
        rows,
        schema={"file": pl.String, "added": pl.Int64, "replaced": pl.Int64, "same": pl.Int64},
        orient="row",
    )


def replaces(root: ContentRoot, name: str) -> bool:
    """Return whether a layer replaces a row of a table, or of the tables that share its keys."""
    keys, mine = key_of(name), root.replacing(name)
    if root.base is None or keys is None or mine is None or mine.is_empty():
        return False
    below = _keys(_tables_beneath(root.base, name), keys)
    return mine.join(below, on=list(keys), how="semi").height > 0


def _tables_beneath(base: ContentRoot, name: str) -> list[pl.DataFrame]:
    group = next((group for group in TOGETHER if in_group(name, group)), (name,))
    return [base.read_csv(other) for other in _names_of(base, group)]


def _keys(tables: list[pl.DataFrame], keys: tuple[str, ...]) -> pl.DataFrame:
    found = [frame.select(keys) for frame in tables if set(keys) <= set(frame.columns)]
    return pl.concat([pl.DataFrame(schema=dict.fromkeys(keys, pl.String)), *found]).unique()


def _repeated(mine: pl.DataFrame, below: pl.DataFrame) -> int:
    """Return how many rows stand in both; a column that a table lacks is empty there."""
    together = pl.concat([mine.clear(), below.clear()], how="diagonal")
    ours, theirs = (pl.concat([together, frame], how="diagonal") for frame in (below, mine))
    return theirs.join(ours, on=together.columns, how="semi", nulls_equal=True).height


def _names_of(root: ContentRoot, group: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for part in group:
        found += root.csv_names(part.rstrip("/")) if part.endswith("/") else [part] * root.has(part)
    return found


def _file_change(root: ContentRoot, base: ContentRoot, name: str) -> tuple[int, int, int]:
    if not base.has(name):
        return 1, 0, 0
    same = (root.path / name).read_bytes() == base.file(name).read_bytes()
    return 0, int(not same), int(same)


def refuse_unread(folder: Path, base: ContentRoot) -> None:
    """Refuse a file of a layer that nothing would read, such as a table with a slip in its name."""
    places = [
        Place(f"{folder.name}/{name}", why)
        for top in READ_FOLDERS
        for name in _names_under(folder, folder / top)
        if (why := _why_unread(name, base))
    ]
    if places:
        raise ContentError(
            f"{folder.name} has {len(places)} files that nothing reads",
            places=places,
            cure="rename them, or move them out of the folder",
        )


def _names_under(root: Path, folder: Path) -> list[str]:
    found = [path.relative_to(root) for path in folder.rglob("*") if path.is_file()]
    return sorted(path.as_posix() for path in found if not is_skipped(path))


def _why_unread(name: str, base: ContentRoot) -> str:
    suffix = name.rpartition(".")[2]
    if suffix not in ("csv", "toml"):
        is_table = suffix.lower() in TABLE_FORMATS
        return "is not read; save it as .csv in UTF-8" if is_table else ""
    if base.has(name):
        return ""
    folder = name.rpartition("/")[0]
    siblings = [f"{folder}/{known}" for known in base.entries(folder)]
    if folder in CLOSED:
        near = get_close_matches(name, siblings, n=1)
        return "is no file of the content" + (f"; did you mean {near[0]}?" if near else "")
    parent = folder.removesuffix("/crisis").rpartition("/")[0]
    is_snapshot = parent == "portfolios/risk"
    if is_snapshot or any(known.endswith(f".{suffix}") for known in siblings):
        return ""
    return f"lies in a folder where no .{suffix} file is read"
