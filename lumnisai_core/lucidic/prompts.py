"""Prompts: texts of the service with variables, and a cache whose age is decided when it is read. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lumnisai_core.exceptions import ValidationError


class Prompt(str):
    """The text of a prompt, with its variables filled in.

    Attributes:
        raw_content: The text as it is stored, with ``{{name}}`` where variables go.
        metadata: What the service keeps about it.
    """

    __slots__ = ("metadata", "raw_content")

    raw_content: str
    metadata: dict[str, Any]

    def __new__(cls, content: str, raw_content: str | None = None, metadata: dict[str, Any] | None = None) -> Prompt:
        """Make a prompt from its text."""
        prompt = super().__new__(cls, content)
        prompt.raw_content = content if raw_content is None else raw_content
        prompt.metadata = dict(metadata or {})
        return prompt

    def __reduce__(self) -> tuple[Any, ...]:
        return Prompt, (str(self), self.raw_content, self.metadata)

    def __str__(self) -> str:
        return str.__str__(self)

    @property
    def content(self) -> str:
        """The text with its variables filled in."""
        return str(self)


def filled(prompt: Prompt, variables: Mapping[str, object] | None) -> Prompt:
    """Return a prompt with values for its variables; those without a value stay as they are.

    All are replaced in one pass, so that a value with ``{{name}}`` in it is not read as a template.
    """
    values = dict(variables or {})

    def value_of(found: re.Match[str]) -> str:
        return str(values[found[1]]) if found[1] in values else found[0]

    content = re.sub(r"\{\{\s*([^{}]+?)\s*\}\}", value_of, prompt.raw_content)
    return Prompt(content, prompt.raw_content, prompt.metadata)


class PromptCache:
    """Prompts that were read, by name and label, and when."""

    def __init__(self) -> None:
        self._stored: dict[tuple[str, str], tuple[Prompt, float]] = {}

    def get(self, name: str, label: str, ttl: float, now: float) -> Prompt | None:
        """Return a stored prompt that is young enough, or None.

        Args:
            name: Name of the prompt.
            label: Its label.
            ttl: Seconds that it may be old; 0 for not at all, -1 for any age.
            now: Seconds of a clock that only moves forward.
        """
        stored = self._stored.get((name, label))
        if stored is None or ttl == 0:
            return None
        prompt, since = stored
        return prompt if ttl == -1 or now - since < ttl else None

    def put(self, name: str, label: str, prompt: Prompt, ttl: float, now: float) -> None:
        """Store a prompt, unless it is not to be stored (a ``ttl`` of 0)."""
        if ttl != 0:
            self._stored[name, label] = (prompt, now)

    def forget(self, name: str, label: str | None = None) -> None:
        """Drop a prompt under one label, or under all of them."""
        for key in [key for key in list(self._stored) if key[0] == name and label in (None, key[1])]:
            self._stored.pop(key, None)


def checked_ttl(cache_ttl: float) -> float:
    """Check the age that a stored prompt may have.

    Raises:
        ValidationError: It is not a number, or negative but not -1.
    """
    number = isinstance(cache_ttl, int | float) and not isinstance(cache_ttl, bool)
    if not number or not (cache_ttl >= 0 or cache_ttl == -1):
        raise ValidationError(f"cache_ttl must be seconds, 0 or -1 (no limit), not {cache_ttl!r}.")
    return cache_ttl
