"""Describing one request, without sending it. Knows nothing of a particular service."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from os import PathLike
from types import MappingProxyType
from typing import Any, BinaryIO, Generic, NamedTuple, TypeAlias, TypeVar
from urllib.parse import quote

from lumnisai_core.exceptions import ValidationError

T = TypeVar("T")

QueryValue: TypeAlias = str | int | float | bool | Sequence[str] | None

#: Methods that change nothing, so that sending one twice does no harm.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

#: Methods that set a state, so that a repetition leaves the same state. They are sent with a key of their own.
SETTING_METHODS = frozenset({"PUT", "PATCH", "DELETE"})

#: What a file can be given as: its bytes, its path, or something opened for reading bytes.
FileContent: TypeAlias = bytes | PathLike[str] | BinaryIO


class FormFile(NamedTuple):
    """One file of a multipart form.

    Attributes:
        field: Name of the form's field.
        file_name: Name of the file.
        content: Where its bytes come from. It is read in pieces while it is sent.
        content_type: Media type.
    """

    field: str
    file_name: str
    content: FileContent
    content_type: str = "application/octet-stream"


class Form(NamedTuple):
    """A multipart form: plain fields, then files."""

    fields: Mapping[str, str]
    files: Sequence[FormFile]


class Call(NamedTuple, Generic[T]):
    """One request and how to read its answer.

    Attributes:
        method: HTTP method in capitals.
        path: Path with percent-encoded parameters, made by :func:`path`.
        read: Turns the parsed JSON of a good answer (None for an empty body) into the result.
        query: Query parameters; None is left out, lists are joined by commas.
        body: JSON value to send, or None for no body.
        form: Multipart form to send instead of JSON.
        idempotency_key: Key under which the service makes this request only once.
        held: Seconds the service may hold the request before it answers.
        hint: What to tell a caller who gets no good answer, as it is not known what the service did.
    """

    method: str
    path: str
    read: Callable[[Any], T]
    query: Mapping[str, QueryValue] = MappingProxyType({})
    body: Mapping[str, Any] | Sequence[Any] | None = None
    form: Form | None = None
    idempotency_key: str | None = None
    held: float = 0.0
    hint: str | None = None

    @property
    def repeatable(self) -> bool:
        """Whether sending it again cannot do the work twice."""
        return self.method in SAFE_METHODS | SETTING_METHODS or self.idempotency_key is not None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def path(template: str, *parameters: object) -> str:
    """Fill the ``{}`` of a path with percent-encoded parameters, so that no id can change the route.

    Raises:
        ValidationError: A parameter is empty or consists of dots only.
    """
    encoded = []
    for parameter in parameters:
        text = str(parameter)
        if not text.strip(". "):
            raise ValidationError(f"{text!r} is not a usable id for {template}: pass the id that the service returned.")
        encoded.append(quote(text, safe="", errors="surrogatepass"))
    return template.format(*encoded)


def query_pairs(query: Mapping[str, QueryValue]) -> dict[str, str]:
    """Write query values the way the service reads them: ``true``, ``a,b``, whole numbers without a point."""
    return {name: _query_text(value) for name, value in query.items() if value is not None}


def _query_text(value: QueryValue) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(str(item) for item in value)
    return str(value)


def json_bytes(body: Mapping[str, Any] | Sequence[Any]) -> bytes:
    """Write a JSON body as UTF-8.

    Raises:
        ValidationError: Something in it is not JSON, such as NaN, bytes or half of a surrogate pair.
    """
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ValidationError(f"The request cannot be written as JSON: {error}") from error
