"""Errors of model providers as errors of runs: a code by kind, and the provider's words without its keys. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from langchain_core.exceptions import ContextOverflowError
from pydantic import BaseModel, SecretStr

from lumnisai_core.local import EngineError

_BLOTTED = "[redacted]"
#: Shorter values are words, not keys.
_SHORTEST = 8
_SECRET_NAME = re.compile(r"(?i)(api_?key|token|secret|password|credential)s?$")
#: Keys as providers write them, also shortened; in headers, and in addresses.
_KEY = re.compile(
    r"\b(?:sk|pk|gsk|xai|nvapi|hf|AIza|r8|fw|pplx|csk)[-_]?[A-Za-z0-9_\-*.]{8,}"
    r"|(?i:(?<=bearer )|(?<=api-key: )|(?<=[?&]key=))[^\s'\"&,)]+"
)
_CONTEXT = re.compile(r"(?i)context.{0,20}(length|window|size)|prompt is too long|input token count|too many tokens")
_CODES: Mapping[int, str] = {
    401: "MODEL_AUTH_ERROR",
    403: "MODEL_AUTH_ERROR",
    404: "MODEL_NOT_FOUND",
    408: "MODEL_TIMEOUT",
    413: "CONTEXT_LENGTH_EXCEEDED",
    429: "MODEL_RATE_LIMITED",
    504: "MODEL_TIMEOUT",
}


def failure(error: Exception, model: object) -> EngineError:
    """Return the error of a run for one of its model."""
    return EngineError(code_of(error), blotted(f"{type(error).__name__}: {error}", model))


def code_of(error: BaseException) -> str:
    """Return the code for the kind of an error: by its class, its status, its words."""
    name, status = type(error).__name__, _status(error)
    if isinstance(error, ContextOverflowError) or (status in (None, 400, 413, 422) and _CONTEXT.search(str(error))):
        return "CONTEXT_LENGTH_EXCEEDED"
    if status is not None:
        return _CODES.get(status) or ("MODEL_UNAVAILABLE" if status >= 500 else "MODEL_REQUEST_REFUSED")
    if isinstance(error, TimeoutError) or "Timeout" in name:
        return "MODEL_TIMEOUT"
    if isinstance(error, ConnectionError) or "Connect" in name:
        return "MODEL_UNAVAILABLE"
    return "MODEL_ERROR"


def _status(error: BaseException) -> int | None:
    """Return the HTTP status in an error of any provider's package, or in one that it was raised from."""
    seen: BaseException | None = error
    while seen is not None:
        response = getattr(seen, "response", None)
        for value in (
            getattr(seen, "status_code", None),
            getattr(seen, "http_status", None),
            getattr(response, "status_code", None),
            getattr(seen, "code", None),
        ):
            if isinstance(value, int) and 400 <= value < 600:
                return int(value)
        seen = seen.__cause__
    return None


def blotted(text: str, model: object) -> str:
    """Return a text without the keys of the model and of the environment, and without what looks like a key."""
    for secret in sorted(set(_secrets(model)), key=len, reverse=True):
        text = text.replace(secret, _BLOTTED)
    return _KEY.sub(_BLOTTED, text)


def _secrets(model: object) -> Iterator[str]:
    values: list[Any] = [value for name, value in os.environ.items() if _SECRET_NAME.search(name)]
    inner: Any = model
    while inner is not None:
        if isinstance(inner, BaseModel):
            named = ((name, getattr(inner, name, None)) for name in type(inner).model_fields)
            values += [value for name, value in named if isinstance(value, SecretStr) or _SECRET_NAME.search(name)]
        inner = getattr(inner, "bound", None)
    for value in values:
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        if isinstance(plain, str) and len(plain.strip()) >= _SHORTEST:
            yield plain.strip()
