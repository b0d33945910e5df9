"""Read a file once and decide by its bytes what it is."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from exposure.errors import HoldingsError
from exposure.portfolios.preflight import columnar, old_excel, workbooks
from exposure.portfolios.preflight.refusals import EXPORT, MIB, refused, too_large

MAX_BYTES = 256 * MIB
MAX_WORKBOOK_BYTES = 64 * MIB
MAX_LINE = MIB  # bytes: 2,000 columns of 500; a reader keeps several copies of a line
_HEAD = 8
_ZIP = b"PK\x03\x04"
_BINARY = {
    b"%PDF": "a PDF",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"\x7fELF": "a program",
    b"MZ": "a program",
}
_MARKUP = ("<html", "<!doctype", "<table", "<meta", "<head", "<body", "<div", "<?xml", "<style")
_MARKUP_SEARCH = 4_096
_BLANK_SEARCH = 256 * 1024  # longer files of blanks are left to the reader


class Container(Enum):
    """What a file is, by its bytes."""

    TEXT = "text"
    XLSX = "xlsx"
    XLS = "xls"
    PARQUET = "parquet"
    ARROW = "arrow"


@dataclass(frozen=True, slots=True)
class Checked:
    """A file that may be parsed.

    Parameters
    ----------
    name
        File name without its folder.
    container
        What to read it as.
    data
        The bytes, read once.
    remarks
        What a reader should be told, e.g. that macros are left alone.
    unpacked
        Size of what a reader will see [bytes]; as the file where nothing is packed.
    """

    name: str
    container: Container
    data: bytes
    remarks: tuple[str, ...] = ()
    unpacked: int = 0


def inspect_file(path: str | Path, *, max_bytes: int | None = None) -> Checked:
    """Read a file once and decide whether a parser may see it.

    Parameters
    ----------
    path
        The file. Links are followed; a folder, a device or a pipe is refused.
    max_bytes
        Largest size accepted [bytes]; by default 256 MiB, and 64 MiB for a workbook.

    Raises
    ------
    HoldingsError
        With the file, the place inside it, and what to do.
    """
    path = Path(path)
    name = path.name or str(path)
    return inspect_bytes(_read(path, name, max_bytes), name)


def inspect_bytes(data: bytes, name: str) -> Checked:
    r"""Decide by its bytes what a file is; see :func:`inspect_file`.

    Examples
    --------
    >>> inspect_bytes(b"listing,weight\n000977.SZ,1\n", "holdings.csv").container.value
    'text'
    """
    if len(data) < _BLANK_SEARCH and not data.strip(b" \t\r\n\x00"):
        raise refused(name, "the file is empty", "is empty", "export the holdings again")
    size = len(data)
    if _is_workbook(data):
        if size > MAX_WORKBOOK_BYTES:
            raise too_large(name, size, MAX_WORKBOOK_BYTES)
        if data.startswith(_ZIP):
            scanned = workbooks.check_workbook(data, name)
            return Checked(name, Container.XLSX, data, scanned.remarks, scanned.unpacked)
        remarks = old_excel.check_ole(data, name) if data.startswith(old_excel.OLE) else ()
        return Checked(name, Container.XLS, data, remarks, size)
    if data.startswith(columnar.PARQUET):
        columnar.check_parquet(data, name)
        return Checked(name, Container.PARQUET, data, unpacked=size)
    if data.startswith((columnar.ARROW, columnar.STREAM)):
        columnar.check_arrow(data, name)
        return Checked(name, Container.ARROW, data, unpacked=size)
    for magic, what in _BINARY.items():
        if data.startswith(magic):
            why = f"is {what}, whatever its name says"
            raise refused(name, f"{name} is not a table", why, EXPORT)
    _check_markup(data, name)
    _check_lines(data, name)
    return Checked(name, Container.TEXT, data, unpacked=size)


def _is_workbook(head: bytes) -> bool:
    return head.startswith((_ZIP, old_excel.OLE)) or old_excel.is_bare_biff(head)


def _read(path: Path, name: str, max_bytes: int | None) -> bytes:
    try:
        status = path.stat()
    except FileNotFoundError as fault:
        raise refused(
            name, f"{name} does not exist", "does not exist", "check the path of the file"
        ) from fault
    except (OSError, ValueError) as fault:
        raise refused(
            name, f"{name} can't be opened", "can't be opened", "check the path of the file"
        ) from fault
    _check_regular(status.st_mode, name)
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
            limit = max_bytes or (MAX_WORKBOOK_BYTES if _is_workbook(head) else MAX_BYTES)
            if status.st_size > limit:
                raise too_large(name, status.st_size, limit)
            data = head + stream.read(limit + 1 - len(head))
    except HoldingsError:
        raise
    except OSError as fault:
        raise refused(
            name, f"{name} can't be read", "can't be read", "check the rights of the file"
        ) from fault
    if len(data) > limit:  # it grew while being read
        raise too_large(name, len(data), limit)
    return data


def _check_regular(mode: int, name: str) -> None:
    if stat.S_ISDIR(mode):
        raise refused(
            name, f"{name} is a folder", "is a folder, not a file", "name the file inside it"
        )
    if not stat.S_ISREG(mode):
        raise refused(
            name,
            f"{name} is not a regular file",
            "is a device, pipe or socket",
            "copy the data into a file first",
        )


def _check_markup(data: bytes, name: str) -> None:
    head = data[:_MARKUP_SEARCH].replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    start = head[:64].decode("ascii", errors="replace").lower()
    if start.startswith(_MARKUP):
        kind = "an XML file" if start.startswith("<?xml") else "a web page (HTML)"
        raise refused(
            name,
            f"{name} is not a table",
            f"is {kind}, whatever its name says",
            "open it in Excel or WPS and save it as XLSX or CSV",
        )


def _check_lines(data: bytes, name: str) -> None:
    start = 0
    while len(data) - start > MAX_LINE:
        end = start + MAX_LINE
        last = max(data.rfind(b"\n", start, end), data.rfind(b"\r", start, end))
        if last < 0:
            lines = data.count(b"\n", 0, start) or data.count(b"\r", 0, start)
            raise refused(
                name,
                f"{name} is not a table",
                f"is longer than {MAX_LINE / MIB:.0f} MiB in one line",
                EXPORT,
                row=lines + 1,
            )
        start = last + 1
