"""Sentences and how well they fit a question: splitting, words, BM25 over SQLite's full-text index."""

from __future__ import annotations

import atexit
import re
import sqlite3
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap

from lumnisai_core.local.web.text import quoted, spaced, words
from lumnisai_core.local.web.work import check_time

_MAX_SENTENCE = 600
_END = re.compile(r"[.!?…]+[\"'”\u2019)\]*_]*(?=\s)|[。\uff01\uff1f]+[」』”\u2019\uff09]*|$")
_SHORT = re.compile(r"(?:^|[\s(])(?:[A-Za-z]|[A-Z][a-z]|Mrs|Prof|vs|etc|[ap]\.m|e\.g|i\.e|cf|approx|Fig)\.$")
_RULE = re.compile(r"^[\W_]*$")
_HEADING = re.compile(r"^\s*#{1,6}\s")
_ROW = re.compile(r"^\s*\|(.*)\|\s*$")
#: One word that only announces what follows.
_LEAD_IN = re.compile(r"^\S+:$")
_ENDS_LINE = (".", "!", "?", "…", ":", "。", "\uff01", "\uff1f", "\uff1a")
#: A line of at least this many characters that does not end a sentence continues in the next one.
_WRAPPED_WIDTH = 60
_BULLET = re.compile(r"^\s*(?:[-*•#>]+|\d+[.)])\s+")

#: Empty databases for indexes to come: making the table takes ten times as long as filling it with some sentences.
_EMPTY: deque[sqlite3.Connection] = deque()
#: How many are kept, and the most sentences after which one is: a large index gives its memory back.
_KEPT, _SMALL = 4, 1_000


@atexit.register
def _close_all() -> None:
    while _EMPTY:
        _EMPTY.pop().close()


def sentences(text: str) -> Iterator[str]:
    """Split text into sentences; lines without words, bullet marks and headings are dropped, endless ones are cut."""
    for line in _whole_lines(text):
        check_time()
        yield from _split_line(line)


def _whole_lines(text: str) -> Iterator[str]:
    """Yield the lines of a text: those of a wrapped paragraph as one, those of code each by itself."""
    raw_lines = text.splitlines()
    has_prose = any(raw.strip() and not _HEADING.match(raw) for raw in raw_lines)
    in_code = False
    wrapped: list[str] = []
    for raw in raw_lines:
        line = _without_marks(raw)
        fence, heading = raw.lstrip().startswith("```"), has_prose and _HEADING.match(raw) is not None
        in_code = in_code != fence
        if wrapped and (fence or in_code or heading or not line or line != raw.strip()):
            yield " ".join(wrapped)
            wrapped = []
        if fence or heading or _RULE.match(line) or _LEAD_IN.match(line):
            continue
        wrapped.append(line)
        if in_code or len(line) < _WRAPPED_WIDTH or line.endswith(_ENDS_LINE):
            yield " ".join(wrapped)
            wrapped = []
    if wrapped:
        yield " ".join(wrapped)


def _without_marks(raw: str) -> str:
    """Take off bullets, and write the row of a table as a line."""
    line = _ROW.sub(lambda row: ": ".join(cell.strip() for cell in row[1].split("|")), raw)
    return _BULLET.sub("", line).strip()


def _split_line(line: str) -> Iterator[str]:
    start = 0
    for match in _END.finditer(line):
        end = match.end()
        if end < len(line) and (_SHORT.search(line[max(0, end - 12) : end]) or _continues(line, match)):
            continue
        if part := line[start:end].strip():
            yield from [part] if len(part) <= _MAX_SENTENCE else wrap(part, _MAX_SENTENCE, break_on_hyphens=False)
        start = end


def _continues(line: str, match: re.Match[str]) -> bool:
    """Return whether a quotation ends here but not the sentence around it."""
    return match.group()[-1:] in tuple("\"'\u201d\u2019") and line[match.end() : match.end() + 3].lstrip()[:1].islower()


def unique(parts: Iterable[str]) -> list[str]:
    """Keep the first of equal sentences, and no questions: they ask, they do not answer."""
    seen: dict[str, str] = {}
    for part in parts:
        if not part.endswith(("?", "\uff1f")):
            seen.setdefault(" ".join(part.lower().split()), part)
    return list(seen.values())


def common_words(parts: Sequence[str], count: int = 12) -> list[str]:
    """Return the words that occur most, as what the material is about."""
    counted = Counter(word for part in parts[:20_000] for word in words(part) if len(word) > 1)
    return [word for word, _ in counted.most_common(count)]


class Index:
    """A full-text index over sentences, in memory."""

    def __init__(self, parts: Sequence[str]) -> None:
        try:
            self._db = _EMPTY.pop()
        except IndexError:
            self._db = sqlite3.connect(":memory:", check_same_thread=False)
            self._db.execute("CREATE VIRTUAL TABLE parts USING fts5(text, tokenize = 'porter unicode61')")
        self._is_kept = len(parts) <= _SMALL
        self._db.executemany("INSERT INTO parts (rowid, text) VALUES (?, ?)", enumerate(map(spaced, parts), 1))

    def close(self) -> None:
        """Drop the sentences, which no transaction has stored."""
        if self._is_kept and len(_EMPTY) < _KEPT:
            self._db.rollback()
            _EMPTY.append(self._db)
        else:
            self._db.close()

    def search(self, query: Sequence[str], limit: int) -> list[tuple[int, float]]:
        """Return the positions of the best sentences for the words of a query, best first, with their scores."""
        terms = [quoted(word) for word in dict.fromkeys(query)][:64]
        if not terms:
            return []
        found = self._db.execute(
            "SELECT rowid, -bm25(parts) FROM parts WHERE parts MATCH ? ORDER BY bm25(parts), rowid LIMIT ?",
            (" OR ".join(terms), limit),
        )
        return [(row - 1, score) for row, score in found]
