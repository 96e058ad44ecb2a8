"""Small pure text functions that engines and the service share."""

from __future__ import annotations

_TITLE_LENGTH = 60


def word_set(text: str) -> frozenset[str]:
    """Return the words of a text as a set, for lists of words that are easier to read as prose."""
    return frozenset(text.split())


def short_title(text: str, limit: int = _TITLE_LENGTH) -> str:
    """Return the first non-empty line, cut at a word if it is longer than `limit` characters."""
    line = " ".join(next((line for line in text.splitlines() if line.strip()), "").split())
    if len(line) <= limit:
        return line
    cut = line[: limit - 3]
    head, _, _ = cut.rpartition(" ")
    return f"{head or cut}..."
