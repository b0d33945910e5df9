"""What an OLE file or a bare record stream is: a workbook of old Excel, a protected one, or something else."""

from __future__ import annotations

from exposure.portfolios.preflight.refusals import EXPORT, encrypted, refused

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BOF = (b"\x09\x08", b"\x09\x04", b"\x09\x02", b"\x09\x00")
_BOF_SIZES = (b"\x08\x00", b"\x06\x00", b"\x10\x00", b"\x04\x00")
_HEADER = 512


def is_bare_biff(data: bytes) -> bool:
    """Tell whether records of old Excel stand in the file without an OLE container around them."""
    return data[:2] in _BOF and data[2:4] in _BOF_SIZES


def check_ole(data: bytes, name: str) -> tuple[str, ...]:
    """Refuse an OLE file without a readable workbook, and return what a reader should be told.

    Names of streams are looked for in the bytes, not through the directory: a damaged directory
    must not hide that a file is protected.
    """
    if _holds(data, "EncryptedPackage") or _holds(data, "EncryptionInfo"):
        raise encrypted(name)
    if len(data) <= _HEADER or not (_holds(data, "Workbook") or _holds(data, "Book")):
        raise refused(
            name,
            f"{name} is not a workbook",
            "is an Office file of the old kind without a workbook inside",
            EXPORT,
        )
    if _holds(data, "_VBA_PROJECT"):
        return ("the workbook holds macros; they are not run",)
    return ()


def _holds(data: bytes, stream: str) -> bool:
    return f"{stream}\x00".encode("utf-16-le") in data
