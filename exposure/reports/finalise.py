"""The last pass over a saved workbook: cached values, fonts, alt texts, stable bytes.

openpyxl leaves three gaps: formulas without values (a preview then shows nothing), charts without alt text, and
bytes that differ from run to run. This pass closes them. It reads each part with a SAX parser that keeps names and
prefixes as they are, so that what Excel reads is what openpyxl wrote plus what is added here.
"""

from __future__ import annotations

import hashlib
import io
import posixpath
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date
from xml.sax import ContentHandler
from xml.sax.saxutils import XMLGenerator
from xml.sax.xmlreader import AttributesImpl

from defusedxml import sax as safe_sax

from exposure.errors import ExposureError

Value = str | float | int | bool
ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_WORKBOOK = "xl/workbook.xml"
_CORE = "docProps/core.xml"
_THEME = "xl/theme/theme1.xml"


def finalise(
    raw: bytes,
    values: Mapping[tuple[str, str], Value],
    alt_texts: Mapping[str, str],
    *,
    as_of: date,
    font: str,
    compressed: bool = True,
) -> bytes:
    """Return the workbook with cached values, theme fonts and alt texts, the same bytes each time.

    Parameters
    ----------
    raw
        The workbook as openpyxl saved it.
    values
        (sheet title, A1 address) → what the formula there gives.
    alt_texts
        Chart title → its description.
    as_of
        Stands as the day of change; the clock of the machine never enters.
    compressed
        False stores parts as they are, for bytes that don't depend on the zlib build.

    Raises
    ------
    ExposureError
        If a formula has no value, or a value no formula: a fault of ours.
    """
    with zipfile.ZipFile(io.BytesIO(raw)) as source:
        parts = {name: source.read(name) for name in source.namelist()}
    left = set(values)
    for title, name in _sheet_parts(parts).items():
        own = {ref: value for (sheet, ref), value in values.items() if sheet == title}
        parts[name] = _rewritten(parts[name], _CacheFiller(own, title))
        left -= {(title, ref) for ref in own}
    if left:
        raise ExposureError(f"values without a sheet: {sorted(left)[:5]}")
    for name in sorted(parts):
        if name.startswith("xl/drawings/drawing"):
            texts = _frame_texts(parts, name, alt_texts)
            parts[name] = _rewritten(parts[name], _AltText(texts))
    if _THEME in parts:
        parts[_THEME] = _rewritten(parts[_THEME], _ThemeFont(font))
    if _CORE in parts:
        stamp = f"{as_of.isoformat()}T18:00:00Z"
        parts[_CORE] = _rewritten(parts[_CORE], _Stamp(stamp))
    return _zipped(parts, compressed=compressed)


def parts_hash(workbook: bytes) -> str:
    """Return the SHA-256 over names and unpacked parts: what the workbook says, however it was packed."""
    digest = hashlib.sha256()
    with zipfile.ZipFile(io.BytesIO(workbook)) as source:
        for name in sorted(source.namelist()):
            digest.update(name.encode())
            digest.update(b"\0")
            digest.update(source.read(name))
    return digest.hexdigest()


class _Pass(ContentHandler):
    """Copies a part as it is; subclasses change what they know."""

    def __init__(self) -> None:
        super().__init__()
        self.stream = io.StringIO()
        self.out = XMLGenerator(self.stream, encoding="utf-8", short_empty_elements=True)

    def startDocument(self) -> None:  # noqa: N802
        self.stream.write('<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n')

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802
        self.out.startElement(name, attrs)

    def endElement(self, name: str) -> None:  # noqa: N802
        self.out.endElement(name)

    def characters(self, content: str) -> None:
        self.out.characters(content)

    def ignorableWhitespace(self, whitespace: str) -> None:  # noqa: N802
        self.out.characters(whitespace)

    def result(self) -> bytes:
        return self.stream.getvalue().encode("utf-8")


class _CacheFiller(_Pass):
    """Puts the value of each formula beside it."""

    def __init__(self, values: Mapping[str, Value], title: str) -> None:
        super().__init__()
        self.values = values
        self.title = title
        self.ref: str | None = None
        self.seen: set[str] = set()
        self.dropping = False

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802
        if self.dropping:
            return
        if name == "c":
            self.ref = attrs["r"]
            if self.ref in self.values:
                kept = {key: attrs[key] for key in attrs.getNames() if key != "t"}
                kind = _cell_type(self.values[self.ref])
                if kind:
                    kept["t"] = kind
                attrs = AttributesImpl(kept)
        elif name == "f":
            if self.ref is None or self.ref not in self.values:
                raise ExposureError(f"formula without a value: {self.title}!{self.ref}")
            self.seen.add(self.ref)
        elif name == "v" and self.ref in self.values:
            self.dropping = True  # the empty value that openpyxl writes
            return
        self.out.startElement(name, attrs)

    def endElement(self, name: str) -> None:  # noqa: N802
        if self.dropping:
            self.dropping = name != "v"
            return
        self.out.endElement(name)
        if name == "f" and self.ref is not None:
            self.out.startElement("v", AttributesImpl({}))
            self.out.characters(_cell_text(self.values[self.ref]))
            self.out.endElement("v")
        elif name == "c":
            self.ref = None

    def characters(self, content: str) -> None:
        if not self.dropping:
            self.out.characters(content)

    def endDocument(self) -> None:  # noqa: N802
        unused = set(self.values) - self.seen
        if unused:
            raise ExposureError(f"values without a formula on {self.title}: {sorted(unused)[:5]}")


class _AltText(_Pass):
    """Describes each frame; the n-th properties element belongs to the n-th frame read before."""

    def __init__(self, texts: Sequence[str | None]) -> None:
        super().__init__()
        self.texts = iter(texts)

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802
        if _local(name) == "cNvPr":
            text = next(self.texts)
            if text is not None:
                attrs = AttributesImpl({**dict(attrs.items()), "descr": text})
        self.out.startElement(name, attrs)


class _ThemeFont(_Pass):
    """Names the report's font where the theme says which font Latin and Chinese text takes."""

    def __init__(self, font: str) -> None:
        super().__init__()
        self.font = font

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802
        local = _local(name)
        if local == "latin" or (local == "font" and attrs.get("script") == "Hans"):
            attrs = AttributesImpl({**dict(attrs.items()), "typeface": self.font})
        self.out.startElement(name, attrs)


class _Stamp(_Pass):
    """Puts the day of the run where the clock of the machine stood."""

    def __init__(self, stamp: str) -> None:
        super().__init__()
        self.stamp = stamp
        self.inside = False

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802
        self.inside = _local(name) in ("created", "modified")
        self.out.startElement(name, attrs)

    def endElement(self, name: str) -> None:  # noqa: N802
        if self.inside:
            self.out.characters(self.stamp)
            self.inside = False
        self.out.endElement(name)

    def characters(self, content: str) -> None:
        if not self.inside:
            self.out.characters(content)


class _Reader(ContentHandler):
    """Collects what the pass must know: sheets, relations, the charts of a drawing, a chart's title."""

    def __init__(self) -> None:
        super().__init__()
        self.sheets: list[tuple[str, str]] = []
        self.relations: dict[str, str] = {}
        self.frames: list[str | None] = []
        self.title = ""
        self.path: list[str] = []

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802
        local = _local(name)
        self.path.append(local)
        if local == "sheet":
            self.sheets.append((attrs["name"], _relation_id(attrs)))
        elif local == "Relationship":
            self.relations[attrs["Id"]] = attrs["Target"]
        elif local == "cNvPr":
            self.frames.append(None)
        elif local == "chart" and self.frames:
            self.frames[-1] = _relation_id(attrs)

    def endElement(self, name: str) -> None:  # noqa: ARG002, N802
        self.path.pop()

    def characters(self, content: str) -> None:
        if self.path[-1:] == ["t"] and self.path[1:3] == ["chart", "title"]:
            self.title += content


def _sheet_parts(parts: Mapping[str, bytes]) -> dict[str, str]:
    book = _read(parts[_WORKBOOK])
    relations = _relations(parts, _WORKBOOK)
    return {title: relations[relation] for title, relation in book.sheets}


def _frame_texts(
    parts: Mapping[str, bytes], name: str, alt_texts: Mapping[str, str]
) -> list[str | None]:
    relations = _relations(parts, name)
    texts: list[str | None] = []
    for relation in _read(parts[name]).frames:
        title = "" if relation is None else _read(parts[relations[relation]]).title
        texts.append(alt_texts.get(title))
    return texts


def _relations(parts: Mapping[str, bytes], name: str) -> dict[str, str]:
    folder, _, file = name.rpartition("/")
    found = _read(parts[f"{folder}/_rels/{file}.rels"]).relations
    return {
        key: target.lstrip("/")
        if target.startswith("/")
        else posixpath.normpath(f"{folder}/{target}")
        for key, target in found.items()
    }


def _relation_id(attrs: AttributesImpl) -> str:
    return next(value for key, value in attrs.items() if key.endswith(":id"))


def _read(part: bytes) -> _Reader:
    reader = _Reader()
    _parse(part, reader)
    return reader


def _rewritten(part: bytes, handler: _Pass) -> bytes:
    _parse(part, handler)
    return handler.result()


def _parse(part: bytes, handler: ContentHandler) -> None:
    parser = safe_sax.make_parser()
    parser.setContentHandler(handler)
    parser.parse(io.BytesIO(part))


def _zipped(parts: Mapping[str, bytes], *, compressed: bool) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as target:
        # The list of content types comes first: some readers look for it there.
        for name in sorted(parts, key=lambda part: (part != "[Content_Types].xml", part)):
            entry = zipfile.ZipInfo(name, ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
            entry.create_system = 0
            entry.external_attr = 0o600 << 16
            target.writestr(entry, parts[name], compresslevel=9 if compressed else None)
    return stream.getvalue()


def _cell_type(value: Value) -> str:
    if isinstance(value, bool):
        return "b"
    return "str" if isinstance(value, str) else ""


def _cell_text(value: Value) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return value if isinstance(value, str) else repr(float(value))


def _local(name: str) -> str:
    return name.rpartition(":")[2]
