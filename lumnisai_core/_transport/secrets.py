"""Secrets that callers send to the service: they appear in no text that we make. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic import SecretStr

from lumnisai_core.exceptions import LumnisAIError

_BLOT = "[redacted]"

#: Shorter texts are no secrets, and blotting them out would make any message unreadable.
_SHORTEST = 4


class Concealed(dict[str, Any]):
    """A JSON object whose text shows nothing of what is in it."""

    def __repr__(self) -> str:
        return _BLOT

    __str__ = __repr__


def plain(secret: str | SecretStr) -> str:
    """Return the text of a secret given in either form."""
    return secret.get_secret_value() if isinstance(secret, SecretStr) else secret


@contextmanager
def concealed(*secrets: str) -> Iterator[None]:
    """Blot these texts out of every error that leaves the block, because services quote what they refuse."""
    try:
        yield
    except LumnisAIError as error:
        known = sorted((secret for secret in secrets if len(secret) >= _SHORTEST), key=len, reverse=True)
        error.message = _without(error.message, known)
        error.args = (error.message,)
        error.detail = _without(error.detail, known)
        raise


def _without(value: Any, secrets: list[str]) -> Any:
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, _BLOT)
        return value
    if isinstance(value, Mapping):
        return {_without(name, secrets): _without(item, secrets) for name, item in value.items()}
    return [_without(item, secrets) for item in value] if isinstance(value, list) else value
