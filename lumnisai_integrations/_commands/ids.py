"""Shortened ids: the beginning of an id stands for the only one that begins so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

from lumnisai_core import Client
from lumnisai_integrations._commands import UsageError

#: Characters of a whole id, a UUID, and of the shortest beginning that is looked for.
_WHOLE, _SHORTEST = 36, 4

#: The newest things that a beginning is compared with.
SEARCHED = 1000


def run_id(client: Client, word: str) -> str:
    """Return the id of the run that a word is, or begins.

    Raises:
        UsageError: Several runs begin so.
    """
    return whole_id(word, "runs", lambda: (run.response_id for run in client.responses.iter(page_size=100)))


def thread_id(client: Client, word: str) -> str:
    """Return the id of the conversation that a word is, or begins.

    Raises:
        UsageError: Several conversations begin so.
    """
    return whole_id(word, "conversations", lambda: (one.thread_id for one in client.threads.iter(page_size=100)))


def file_id(client: Client, word: str) -> str:
    """Return the id of the file that a word is, or begins.

    Raises:
        UsageError: Several files begin so.
    """
    return whole_id(word, "files", lambda: (file.id for file in client.files.iter(page_size=100)))


def whole_id(word: str, things: str, ids: Callable[[], Iterable[str]]) -> str:
    """Return the only id of the newest things that begins with a word; the word itself if none does.

    Raises:
        UsageError: Several ids begin so.
    """
    if not _SHORTEST <= len(word) < _WHOLE:
        return word
    found = [one for one in islice(ids(), SEARCHED) if one.startswith(word)]
    if word in found or not found:
        return word
    if len(found) > 1:
        shown = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
        raise UsageError(f"{word} is the beginning of several {things}: {shown}. Write more of the id")
    return found[0]
