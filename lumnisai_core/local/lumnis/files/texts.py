"""Texts of files: plain text, HTML, PDF, Word."""

from __future__ import annotations

import codecs
import importlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zipfile import ZipFile

_HIDDEN = {"script", "style", "template", "noscript", "head"}
_INLINE = {"a", "abbr", "b", "code", "em", "i", "kbd", "mark", "q", "s", "small", "span", "strong", "sub", "sup", "u"}
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_PEEK = 65_536
_MAX_UNPACKED = 500_000_000
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")


class Unreadable(Exception):
    """The file has no readable text; the message says why."""


def read_text(path: Path, kind: str) -> str:
    """Read the text of a file, with line feeds; `Unreadable` if it is broken or binary, or its reader is missing."""
    reader = {"pdf": _pdf, "docx": _docx}.get(kind, _plain)
    try:
        text = reader(path, kind)
    except Unreadable:
        raise
    except Exception as error:
        if reader is _plain:
            raise
        raise Unreadable(f"The {kind.upper()} file cannot be read: {error}") from error
    return text.replace("\r\n", "\n").replace("\r", "\n").encode(errors="replace").decode()


def _plain(path: Path, kind: str) -> str:
    with path.open("rb") as file:
        _check(file.read(_PEEK), kind)
    text = _decode(path.read_bytes(), kind)
    return _html(text) if kind in ("html", "htm", "xhtml") else text


def _decode(raw: bytes, kind: str) -> str:
    for mark, encoding in _BOMS:
        if raw.startswith(mark):
            return raw.decode(encoding, errors="replace")
    _check(raw, kind)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def _check(raw: bytes, kind: str) -> None:
    """Refuse binary files; the first bytes reveal most of them before the rest is read."""
    if b"\0" in raw and not raw.startswith(tuple(mark for mark, _ in _BOMS)):
        raise Unreadable(f"A .{kind} file that is not text cannot be read.")


def _html(text: str) -> str:
    reader = _HtmlText()
    reader.feed(text)
    reader.close()
    return reader.text


class _HtmlText(HTMLParser):
    """Collects the visible text of a page, one line for each block."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._hidden = 0

    @property
    def text(self) -> str:
        """The collected text without empty lines."""
        lines = (" ".join(line.split()) for line in "".join(self._parts).split("\n"))
        return "\n".join(line for line in lines if line)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a block."""
        del attrs
        self._hidden += tag in _HIDDEN
        self._parts.append("" if tag in _INLINE else "\n")

    def handle_endtag(self, tag: str) -> None:
        """End a block."""
        self._hidden = max(0, self._hidden - (tag in _HIDDEN))
        self._parts.append("" if tag in _INLINE else "\n")

    def handle_data(self, data: str) -> None:
        """Take visible text; line breaks in it are mere spaces."""
        if not self._hidden:
            self._parts.append(data.replace("\n", " "))


def _pdf(path: Path, _: str) -> str:
    """Read the pages in order, with an empty line between them."""
    reader = _optional("pypdf", "PDF", "pypdf").PdfReader(path)
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unreadable("The PDF file is encrypted; it cannot be read without its password.")
    return "\n\n".join(page.extract_text().strip() for page in reader.pages)


def _docx(path: Path, _: str) -> str:
    """Read paragraphs and tables in order: an empty line between them, a line for each row, tabs between cells."""
    docx = _optional("docx", "DOCX", "python-docx")
    with path.open("rb") as file:
        if file.read(len(_OLE)) == _OLE:
            raise Unreadable("The DOCX file is encrypted, or is in an older format with the wrong ending.")
        if sum(part.file_size for part in ZipFile(file).infolist()) > _MAX_UNPACKED:
            raise Unreadable(f"The DOCX file is larger than {_MAX_UNPACKED} bytes when it is unpacked.")
        blocks = map(_block, docx.Document(file).iter_inner_content())
        return "\n\n".join(block for block in blocks if block.strip())


def _block(block: Any) -> str:
    if not hasattr(block, "rows"):
        return str(block.text)
    return "\n".join("\t".join(" ".join(cell.text.split()) for cell in row.cells) for row in block.rows)


def _optional(module: str, kind: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise Unreadable(f"Reading {kind} files needs {package}, which is not installed.") from error
