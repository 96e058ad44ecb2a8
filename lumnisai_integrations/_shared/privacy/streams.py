"""Streamed texts: pieces released at once, but for an end that can still become a placeholder. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from lumnisai_integrations._shared.privacy.placeholders import open_end, restored

#: Characters before a piece that decide whether a placeholder can begin there.
_CONTEXT = 3
#: Characters that show whether a text is JSON.
_HEAD = 2


@dataclass(slots=True)
class _Text:
    held: str = ""
    before: str = ""
    head: str = ""
    is_json: bool = False


class Pieces:
    """The texts of one stream, each under a key, with what is held back of them.

    Args:
        values: The known values by their placeholders; it may grow while the stream runs.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._texts: dict[Hashable, _Text] = {}

    def push(self, key: Hashable, piece: str, *, is_json: bool = False) -> str:
        """Add a piece to a text and return what of it is ready, still with placeholders."""
        text = self._texts.setdefault(key, _Text(is_json=is_json))
        if len(text.head) < _HEAD:
            text.head = (text.head + piece.lstrip() if not text.head else text.head + piece)[:_HEAD]
        whole = text.before + text.held + piece
        start = len(text.before)
        end = open_end(whole, self._values.keys(), start, any_type=True)
        text.held = whole[end:]
        return whole[start:end]

    def flush(self, key: Hashable) -> str:
        """Return what is held back of a text, which has ended."""
        text = self._texts.get(key)
        if text is None:
            return ""
        ready, text.held = text.held, ""
        return ready

    def restored(self, key: Hashable, ready: str) -> str:
        """Return what :meth:`push` or :meth:`flush` gave, with the values in it."""
        text = self._texts[key]
        in_json = text.is_json or text.head[:2] in ('{"', '["', "[{")
        start, end = len(text.before), len(text.before) + len(ready)
        whole = text.before + ready + text.held
        result = restored(whole, self._values, start=start, end=end, in_json=in_json)
        text.before = whole[:end][-_CONTEXT:]
        return result

    @property
    def open_keys(self) -> list[Any]:
        """The texts of which something is held back."""
        return [key for key, text in self._texts.items() if text.held]
