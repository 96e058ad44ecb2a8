"""Secrets in what callers send: they appear in no text of ours. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic import SecretStr

from lumnisai_core.exceptions import LumnisAIError

_REDACTED = "[redacted]"

#: Shorter values are not redacted: that would make messages unreadable.
_SHORTEST = 4


class Concealed(dict[str, Any]):
    """A JSON object whose text shows nothing of its content."""

    def __repr__(self) -> str:
        return _REDACTED

    __str__ = __repr__


def plain(secret: str | SecretStr) -> str:
    """Return the text of a secret in either form."""
    return secret.get_secret_value() if isinstance(secret, SecretStr) else secret


@contextmanager
def concealed(*secrets: str) -> Iterator[None]:
    """Redact these texts in every error that leaves the block, because services quote what they refuse."""
    try:
        yield
    except LumnisAIError as error:
        redact(error, secrets)
        raise


def redact(error: LumnisAIError, secrets: Iterable[str]) -> None:
    """Redact these texts in the message and detail of an error."""
    known = sorted((secret for secret in secrets if len(secret) >= _SHORTEST), key=len, reverse=True)
    error.message = _without(error.message, known)
    error.args = (error.message,)
    error.detail = _without(error.detail, known)


def _without(value: Any, secrets: list[str]) -> Any:
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, _REDACTED)
        return value
    if isinstance(value, Mapping):
        return {_without(name, secrets): _without(item, secrets) for name, item in value.items()}
    return [_without(item, secrets) for item in value] if isinstance(value, list) else value
