"""Parquet and Arrow before a reader sees them: magic at both ends and a footer that lies inside the file.

A file cut in the middle of an Arrow stream would read as a shorter table. The end mark is therefore
required, although the format lets a writer leave it out.
"""

from __future__ import annotations

from exposure.portfolios.preflight.refusals import refused

PARQUET = b"PAR1"
ARROW = b"ARROW1"
STREAM = b"\xff\xff\xff\xff"
STREAM_END = STREAM + b"\x00\x00\x00\x00"
_WRITE_AGAIN = "write the file again"


def check_parquet(data: bytes, name: str) -> None:
    """Refuse a parquet file whose footer can't be where it says."""
    length = int.from_bytes(data[-8:-4], "little") if len(data) >= 12 else 0
    if not data.endswith(PARQUET) or not 0 < length <= len(data) - 12:
        raise refused(
            name,
            f"{name} is a damaged parquet file",
            "has no valid footer; it was cut or changed",
            _WRITE_AGAIN,
        )


def check_arrow(data: bytes, name: str) -> None:
    """Refuse an Arrow file or stream that has no end."""
    if data.startswith(STREAM):
        whole = len(data) >= 16 and data.endswith(STREAM_END)
    else:
        length = int.from_bytes(data[-10:-6], "little", signed=True) if len(data) >= 22 else 0
        whole = data.endswith(ARROW) and 0 < length <= len(data) - 22
    if not whole:
        raise refused(
            name,
            f"{name} is a damaged arrow file",
            "has no end mark; it was cut or changed",
            _WRITE_AGAIN,
        )
