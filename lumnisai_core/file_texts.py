"""Texts of files: plain text, HTML, PDF, Word; and the pieces that they are cut into.

Run as a program, it reads one file, in a process with limits: nothing of the package is imported here. It writes what
it found to standard output: `{"pieces", "lines"}`, or `{"error"}`.
"""

from __future__ import annotations

import codecs
import importlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zipfile import ZipFile

__all__ = ["Unreadable", "pieces_of", "read_text"]

_HTML = ("html", "htm", "xhtml")
_HIDDEN = {"script", "style", "template", "noscript", "head"}
_INLINE = {"a", "abbr", "b", "code", "em", "i", "kbd", "mark", "q", "s", "small", "span", "strong", "sub", "sup", "u"}
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_PEEK = 65_536
_MAX_UNPACKED = 100_000_000
#: Limits of a process that reads a file, in seconds and bytes.
MOST_SECONDS = 8
MOST_MEMORY = 1_000_000_000
_MOST_WRITTEN = 500_000_000
_PIECE_SIZE = 1_000
#: A piece this long ends at the next empty line.
_PIECE_ENOUGH = 600
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
    except MemoryError as error:
        raise Unreadable(f"Reading the {kind.upper()} file takes too much memory.") from error
    except Exception as error:
        if reader is _plain and kind not in _HTML:
            raise
        raise Unreadable(f"The {kind.upper()} file cannot be read: {error}") from error
    return text.replace("\r\n", "\n").replace("\r", "\n").encode(errors="replace").decode()


def _plain(path: Path, kind: str) -> str:
    with path.open("rb") as file:
        _check(file.read(_PEEK), kind)
    text = _decode(path.read_bytes(), kind)
    return _html(text) if kind in _HTML else text


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


# Pieces


def extract(kind: str, source: Path, text: Path, pieces: Path) -> tuple[int, int]:
    """Write the text of a file, and its pieces with their first and last lines and numbers of words, as JSON lines.

    Args:
        kind: the ending of its name.
        source: the file.
        text: where its text is written.
        pieces: where its pieces are written.

    Returns:
        How many pieces and lines there are.

    Raises:
        Unreadable: it is broken or binary, or its reader is missing.
    """
    whole = read_text(source, kind)
    count = 0
    with open(text, "w", encoding="utf-8", newline="\n", opener=private) as file:
        file.write(whole)
    with (
        text.open(encoding="utf-8", newline="\n") as lines,
        open(pieces, "w", encoding="utf-8", opener=private) as written,
    ):
        for piece, first, last in pieces_of(line.removesuffix("\n") for line in lines):
            written.write(json.dumps([piece, first, last, len(piece.split())]) + "\n")
            count += 1
    return count, whole.count("\n") + (whole[-1:] not in ("", "\n"))


def private(path: str, flags: int) -> int:
    """Open a file that only its owner may read."""
    return os.open(path, flags, 0o600)


def pieces_of(text: Iterable[str]) -> Iterator[tuple[str, int, int]]:
    """Cut a text, passed as its lines, into pieces of about 1,000 characters.

    Yields text, first and last line of each; a piece ends at an empty line if it is long enough there.
    """
    lines: list[str] = []
    size, first = 0, 1
    for number, line in enumerate(text, 1):
        if lines and (size + len(line) > _PIECE_SIZE or (size > _PIECE_ENOUGH and not line.strip())):
            yield from _whole(lines, first)
            lines, size, first = [], 0, number
        lines.append(line)
        size += len(line) + 1
    yield from _whole(lines, first)


def _whole(lines: list[str], first: int) -> Iterator[tuple[str, int, int]]:
    """Yield the lines as one piece, without empty ones around it; a line that is too long as several."""
    skipped = next((index for index, line in enumerate(lines) if line.strip()), len(lines))
    text = "\n".join(lines[skipped:]).rstrip()
    last = first + skipped + text.count("\n")
    for start in range(0, len(text), 2 * _PIECE_SIZE):
        yield text[start : start + 2 * _PIECE_SIZE], first + skipped, last


def _limit() -> None:
    """Limit this process."""
    try:
        resource: Any = importlib.import_module("resource")
    except ImportError:
        return  # this system has no such limits: whoever started the process ends it after a while
    for name, most in (("RLIMIT_CPU", MOST_SECONDS), ("RLIMIT_AS", MOST_MEMORY), ("RLIMIT_FSIZE", _MOST_WRITTEN)):
        limit = getattr(resource, name)
        _, hard = resource.getrlimit(limit)
        resource.setrlimit(limit, (most if hard < 0 else min(most, hard), hard))


def _main(kind: str, *paths: str) -> None:
    _limit()
    outcome: dict[str, object]
    try:
        pieces, lines = extract(kind, *map(Path, paths))
        outcome = {"pieces": pieces, "lines": lines}
    except Unreadable as error:
        outcome = {"error": str(error)}
    sys.stdout.write(json.dumps(outcome))


if __name__ == "__main__":
    _main(*sys.argv[1:])
