"""Secrets in what callers send: they appear in no text of ours. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
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
    """Redact these texts in every error of ours that leaves the block, because services quote what they refuse."""
    try:
        yield
    except LumnisAIError as error:
        redact(error, secrets)
        raise


def redact(error: LumnisAIError, secrets: Iterable[str]) -> None:
    """Redact these texts in everything that an error shows, also in what it was raised from."""
    known = sorted((secret for secret in secrets if len(secret) >= _SHORTEST), key=len, reverse=True)
    error.message = _without(error.message, known)
    error.args = (error.message,)
    error.detail = _without(error.detail, known)
    error.code = _without(error.code, known)
    error.request_id = _without(error.request_id, known)
    cause: BaseException | None = error.__cause__
    while cause is not None:
        if _without(str(cause), known) != str(cause):
            error.__cause__ = None  # errors of libraries quote what they cannot read
            break
        cause = cause.__cause__ or cause.__context__


def _without(value: Any, secrets: list[str]) -> Any:
    if isinstance(value, str):
        for secret in secrets:
            value = without_secret(value, secret)
        return value
    if isinstance(value, Mapping):
        return {_without(name, secrets): _without(item, secrets) for name, item in value.items()}
    return [_without(item, secrets) for item in value] if isinstance(value, list) else value


def without_secret(text: str, secret: str) -> str:
    """Redact a secret in a text, however it is escaped there."""
    text = text.replace(secret, _REDACTED)
    return _patterns(secret)[0].sub(_REDACTED, text) if _ESCAPES.search(text) else text


def without_secret_bytes(content: bytes, secret: str) -> bytes:
    """Redact a secret in the bytes of a text in any encoding that extends ASCII, however it is escaped there."""
    key = secret.encode()
    if key in content:
        content = content.replace(key, _REDACTED.encode())
    return _patterns(secret)[1].sub(_REDACTED.encode(), content) if _ESCAPE_BYTES.search(content) else content


#: A text without these has no character of a secret in another form than its own.
_ESCAPES = re.compile(r"\\[^bfnrt]|%[0-9a-fA-F]{2}|&[#a-z]")
_ESCAPE_BYTES = re.compile(rb"\\[^bfnrt]|%[0-9a-fA-F]{2}|&[#a-z]|\0")

_ENTITIES = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos", "/": "sol", "+": "plus", "=": "equals"}


@lru_cache(maxsize=64)
def _patterns(secret: str) -> tuple[re.Pattern[str], re.Pattern[bytes]]:
    """Return patterns for a secret in a text and in bytes: plain, or escaped as in JSON, HTML and URLs, also twice."""
    forms = [_forms_of(character) for character in secret]
    # Zeros between the characters are those of UTF-16 and UTF-32.
    return re.compile("".join(forms)), re.compile("\\0{0,3}".join(forms).encode())


def _forms_of(character: str) -> str:
    # All repetitions have an end, so that the time stays linear.
    units = character.encode("utf-16-be", "surrogatepass")
    in_json = "".join(rf"\\{{1,8}}u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
    in_urls = "".join(f"%(?:25){{0,3}}{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
    code = ord(character)
    in_html = f"&(?:amp;){{0,3}}(?:#0{{0,8}}{code}|#x0{{0,8}}{code:x}|{_ENTITIES.get(character, '#x0')});"
    plain = re.escape(character) if character.isalnum() else rf"\\{{0,8}}{re.escape(character)}"
    return f"(?:{plain}|(?i:{in_json}|{in_urls}|{in_html}))"
