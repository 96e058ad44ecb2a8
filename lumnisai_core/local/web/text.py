"""Text functions that engines and the service share: words, full-text query terms, short titles."""

from __future__ import annotations

import re

_TITLE_LENGTH = 60
_MOST_TERMS = 32
_TITLE_MATERIAL = 5_000
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_CJK_RUN = re.compile(f"[{_CJK}]+")
_WORD = re.compile(rf"[^\W_{_CJK}]+(?:[.,'\u2019][^\W_{_CJK}]+)*")


def word_set(text: str) -> frozenset[str]:
    """Return the words of a text as a set, for lists of words that are easier to read as prose."""
    return frozenset(text.split())


#: Words that say nothing about what a text is about.
COMMON_WORDS = word_set(
    """a about above after all also an and any are as at be been being below but by can context could did do does each
    for from given had has have he her his how i if in information into is it its just list made make me more most my
    no nor not of off on one or our out over please query question same she should so some such tell than that the
    their them then there these they this those through to too under up us very was we were what when where which
    while who whom whose why will with would you your answer provide give show name following"""
)
_CJK_STOP = word_set("的 了 是 在 和 与 吗 呢 我 你 他 她 它 们 这 那 は が の を に へ と も で か ね よ す")


def words(text: str) -> list[str]:
    """Return the words that carry meaning, in lower case; runs of CJK characters as pairs."""
    found = [word.lower() for word in _WORD.findall(text)]
    return [word for word in found if word not in COMMON_WORDS] + [
        pair for run in _CJK_RUN.findall(text) for pair in _pairs(run)
    ]


def _pairs(run: str) -> list[str]:
    if len(run) == 1:
        return [run]
    pairs = [run[i : i + 2] for i in range(len(run) - 1)]
    return [pair for pair in pairs if not set(pair) & _CJK_STOP] or pairs


def spaced(text: str) -> str:
    """Put spaces between CJK characters, so that each is a word of its own to the tokenizer."""
    return _CJK_RUN.sub(lambda match: f" {' '.join(match.group())} ", text)


def quoted(word: str) -> str:
    """Return a word as a term of a full-text query."""
    text = spaced(word).strip().replace('"', '""')
    return f'"{text}"'


def search_terms(query: str) -> list[str]:
    """Return the terms of a full-text query for the words of a text that carry meaning; the first of many."""
    return [quoted(word) for word in dict.fromkeys(words(query))][:_MOST_TERMS]


def short_title(text: str, limit: int = _TITLE_LENGTH) -> str:
    """Return the first non-empty line, cut at a word if it is longer than `limit` characters."""
    start = text.lstrip()[:_TITLE_MATERIAL]  # texts are megabytes long at times
    line = " ".join(next(iter(start.splitlines()), "").split())
    if len(line) <= limit:
        return line
    cut = line[: limit - 3]
    head, _, _ = cut.rpartition(" ")
    return f"{head or cut}..."
