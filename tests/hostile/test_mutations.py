"""Files mutated by chance (fixed seeds): none crashes or hangs, and an accepted one never shows a wrong total.

The table says everything twice, quantity × price and value, so a number that a mutation changed
contradicts another one; the total that is read must be the original's or the file must be refused.
``EXPOSURE_MUTATIONS=10000`` runs as many files instead of the few hundred of a normal run.
"""

from __future__ import annotations

import io
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from exposure.content import find_content
from exposure.errors import ExposureError
from exposure.portfolios.holdings import Book, load_holdings
from exposure.portfolios.securities import SecurityMaster, load_master
from tests.hostile import biff
from tests.hostile.books import HEADER, SHEET, parts, sheet_xml, zipped
from tests.hostile.harness import PROJECT

AS_OF = date(2025, 1, 24)
FILES = int(os.environ.get("EXPOSURE_MUTATIONS", "300"))
MAX_SECONDS = 5.0
MAX_HANG = 30.0
TOLERANCE = 0.005  # of the reader: quantity × price against value
POSITIONS = (
    ("000977", "浪潮信息", 1200, 52.84),
    ("603019", "中科曙光", 800, 66.21),
    ("601138", "工业富联", 2500, 21.37),
    ("002261", "拓维信息", 1900, 24.55),
    ("688041", "海光信息", 300, 141.62),
    ("301236", "软通动力", 700, 58.93),
)
ROWS = [(*row, round(row[2] * row[3], 2)) for row in POSITIONS]
TOTAL = sum(row[4] for row in ROWS)
TABLE = [HEADER, *ROWS, ("合计", None, None, None, round(TOTAL, 2))]

Mutate = Callable[[bytes, random.Random], bytes]


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Flip, overwrite, cut, insert, repeat or move a few bytes."""
    body = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        at, size = chance.randrange(len(body) + 1), chance.randrange(1, 24)
        match chance.randrange(6):
            case 0 if at < len(body):
                body[at] ^= 1 << chance.randrange(8)
            case 1:
                body[at : at + size] = chance.randbytes(len(body[at : at + size]))
            case 2:
                del body[at : at + size]
            case 3:
                body[at:at] = chance.choice(
                    (b"\x00", b"\xff\xff", b",", b'"', b"\n", b"<", b"&", b"9")
                )
            case 4:
                body[at:at] = body[at : at + size]
            case _:
                piece = body[at : at + size]
                del body[at : at + size]
                other = chance.randrange(len(body) + 1)
                body[other:other] = piece
    return bytes(body)


@cache
def csv_bytes(encoding: str) -> bytes:
    lines = (",".join("" if cell is None else str(cell) for cell in row) for row in TABLE)
    return ("\r\n".join(lines) + "\r\n").encode(encoding)


@cache
def xlsx_parts() -> dict[str, bytes]:
    return parts(("持仓", sheet_xml(TABLE)))


@cache
def xls_bytes() -> bytes:
    def cell(value: object) -> biff.Cell:
        return biff.Number(value) if isinstance(value, int | float) else value  # type: ignore[return-value]

    return biff.workbook(("持仓", biff.sheet([[cell(value) for value in row] for row in TABLE])))


@cache
def table_bytes(kind: str) -> bytes:
    stream = io.BytesIO()
    frame = pl.DataFrame(ROWS, schema=list(HEADER), orient="row")
    getattr(frame, f"write_{kind}")(stream)
    return stream.getvalue()


def any_csv(chance: random.Random) -> bytes:
    return mutated(csv_bytes(chance.choice(("utf-8", "gb18030", "utf-8-sig", "utf-16"))), chance)


def any_zip(chance: random.Random) -> bytes:
    return mutated(zipped(xlsx_parts()), chance)


def any_xml(chance: random.Random) -> bytes:
    """A workbook whose zip is whole and whose XML is not."""
    members = dict(xlsx_parts())
    part = SHEET if chance.random() < 0.6 else chance.choice(sorted(members))
    return zipped({**members, part: mutated(members[part], chance)})


def any_xls(chance: random.Random) -> bytes:
    book = xls_bytes()
    return mutated(biff.ole(book), chance) if chance.random() < 0.5 else mutated(book, chance)


def any_table(chance: random.Random) -> bytes:
    return mutated(table_bytes(chance.choice(("parquet", "ipc", "ipc_stream"))), chance)


KINDS = {  # name → maker, share of the files; those that start a reader cost a quarter of a second each
    "csv": (any_csv, 0.45),
    "zip": (any_zip, 0.35),
    "xml": (any_xml, 0.08),
    "xls": (any_xls, 0.06),
    "table": (any_table, 0.06),
}


@pytest.fixture(scope="module")
def master() -> SecurityMaster:
    return load_master(find_content(PROJECT))


def has_header(kind: str, data: bytes) -> bool:
    """Tell whether the header line of a text is as it was; a damaged one may honestly say something else."""
    line = (",".join(HEADER) + "\r\n").encode
    return kind != "csv" or any(
        data.startswith(line(encoding)) for encoding in ("utf-8", "gb18030", "utf-8-sig", "utf-16")
    )


def processor() -> float:
    """Return the processor time of this process and its ended readers."""
    return sum(os.times()[:4])


def wrong(book: Book) -> str | None:
    """Say what an accepted file got wrong."""
    if abs(book.nav / TOTAL - 1) > TOLERANCE:
        return f"total {book.nav} instead of {TOTAL}"
    codes = {listing[:6] for listing in book.holdings["listing_id"]}
    known = {row[0] for row in ROWS}
    return None if codes <= known else f"holds {codes - known}"


@pytest.mark.parametrize("kind", list(KINDS))
def test_mutated_files(kind: str, tmp_path: Path, master: SecurityMaster) -> None:
    make, share = KINDS[kind]
    ends: Counter[str] = Counter()
    faults: list[str] = []
    slowest = 0.0
    for seed in range(round(FILES * share)):
        data = make(random.Random(f"{kind} {seed}"))
        path = tmp_path / f"week.{kind}"
        path.write_bytes(data)
        start, used = time.monotonic(), processor()
        try:
            book = load_holdings(path, as_of=AS_OF, content=PROJECT, master=master)
        except ExposureError as error:
            ends["refused"] += 1
            if error.exit_code != 3 or not error.places or not error.cure:
                faults.append(f"{kind} {seed}: {error!r}"[:300])
        except Exception as fault:
            faults.append(f"{kind} {seed}: {type(fault).__name__}: {fault}"[:300])
        else:
            ends["read"] += 1
            # another header is another table: there only crashes and hangs count
            if has_header(kind, data) and (said := wrong(book)):
                faults.append(f"{kind} {seed}: {said}")
        clock = time.monotonic() - start
        # on a busy machine the clock runs on while others work; a reader asleep would show on it all the same
        taken = clock if clock > MAX_HANG else min(clock, processor() - used)
        slowest = max(slowest, taken)
        if taken > MAX_SECONDS:
            faults.append(f"{kind} {seed}: took {taken:.1f} s")
    print(f"{kind}: {dict(ends)}, slowest {slowest:.2f} s, {len(faults)} faults")  # noqa: T201 - the record of a long run
    assert not faults, "\n".join(faults[:40])
    assert ends["refused"], "a mutation that changes nothing proves nothing"
