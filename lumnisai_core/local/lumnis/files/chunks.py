"""Cutting a text into pieces for the search: pure functions."""

from __future__ import annotations

from collections.abc import Iterator

from lumnisai_core.local.lumnis.store import ChunkRow
from lumnisai_core.local.web.ids import new_id
from lumnisai_core.local.web.text import spaced

_SIZE = 1_000
_ENOUGH = 600


def cut(file_id: str, text: str) -> list[tuple[ChunkRow, str]]:
    """Cut a text into pieces of whole lines, each with its words as the search is to see them."""
    pieces = enumerate(_pieces(text))
    return [(_row(file_id, index, *piece), spaced(piece[0])) for index, piece in pieces]


def _row(file_id: str, index: int, text: str, start_line: int, end_line: int) -> ChunkRow:
    return ChunkRow(new_id(), file_id, index, text, start_line, end_line, len(text.split()))


def _pieces(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield text, first and last line; a piece ends at an empty line if it is long enough there."""
    lines: list[str] = []
    size, first = 0, 1
    for number, line in enumerate(text.split("\n"), 1):
        if lines and (size + len(line) > _SIZE or (size > _ENOUGH and not line.strip())):
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
    for start in range(0, len(text), 2 * _SIZE):
        yield text[start : start + 2 * _SIZE], first + skipped, last
