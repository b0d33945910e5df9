"""The single door for outside files: bytes are checked here before any parser sees them.

Input files are untrusted. This package reads a file once, decides by its bytes what it is, and
refuses what a parser could not survive: two far cells in a five-kilobyte workbook make a
spreadsheet reader ask for half a terabyte and abort the interpreter, which no ``except`` can
catch. Only the standard library is used, so nothing here can be surprised.
"""

from __future__ import annotations

from exposure.portfolios.preflight.encoding import Decoded, decode_text
from exposure.portfolios.preflight.files import Checked, Container, inspect_bytes, inspect_file

__all__ = ["Checked", "Container", "Decoded", "decode_text", "inspect_bytes", "inspect_file"]
