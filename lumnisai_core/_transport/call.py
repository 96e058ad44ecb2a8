"""Calls: one HTTP request described by values, and how to read its answer. Knows no particular service. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from enum import Enum
from os import PathLike
from types import MappingProxyType
from typing import Any, BinaryIO, Generic, NamedTuple, TypeAlias, TypeVar, cast
from urllib.parse import quote
from uuid import UUID

from pydantic import SecretStr

from lumnisai_core.exceptions import ValidationError

T = TypeVar("T")
ResultT = TypeVar("ResultT")

QueryValue: TypeAlias = str | int | float | bool | date | UUID | Sequence[str] | None
Headers: TypeAlias = Mapping[str, str | SecretStr]
Query: TypeAlias = Mapping[str, QueryValue] | tuple[tuple[str, QueryValue], ...]

#: Methods that change nothing, so that sending one twice does no harm.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

#: Where the bytes of a file come from: the bytes themselves, a path, or an object opened for reading bytes.
FileContent: TypeAlias = bytes | PathLike[str] | BinaryIO


class FormFile(NamedTuple):
    """One file of a form.

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
    """A form: plain fields, then files. Without files it is sent URL-encoded, with files as multipart."""

    fields: Mapping[str, str]
    files: Sequence[FormFile] = ()


class Call(NamedTuple, Generic[T]):
    """One request and how to read its answer.

    Attributes:
        method: HTTP method in capitals.
        path: Path with percent-encoded parameters, made by :func:`path`.
        read: Turns the parsed JSON of a good answer (None for an empty body) into the result; for a streamed answer,
            each event.
        query: Query parameters. None is left out, a list is joined by commas; pairs may repeat a name.
        body: JSON value to send.
        form: Form to send instead of JSON.
        content: Bytes to send instead of JSON; ``headers`` say what they are.
        idempotency_key: Key under which the service makes this request only once.
        idempotent: Whether the request may be sent twice although neither its method nor a key says so.
        held: Seconds the service may hold the request before it answers.
        hint: Note for a caller who gets no good answer, when nobody knows what the service did.
        headers: Further headers. Secret ones are read only when the request is sent.
        base_url: Address in front of the path instead of the service's. Its answers have no envelope, and nothing of
            the service goes to another host: neither credential nor headers.
        authorised: Whether the service's credential or login goes along.
        whole_answer: Whether ``read`` receives the :class:`Answer` itself, byte for byte, instead of its JSON.
        accepts: Statuses besides 2xx whose answers are read too.
        confidential: Whether the answer holds secrets: it is never quoted.
    """

    method: str
    path: str
    read: Callable[[Any], T]
    query: Query = MappingProxyType({})
    body: Mapping[str, Any] | Sequence[Any] | None = None
    form: Form | None = None
    content: bytes | None = None
    idempotency_key: str | None = None
    idempotent: bool = False
    held: float = 0.0
    hint: str | None = None
    headers: Headers = MappingProxyType({})
    base_url: str | None = None
    authorised: bool = True
    whole_answer: bool = False
    accepts: frozenset[int] = frozenset()
    confidential: bool = False

    def read_by(self, read: Callable[[Any], ResultT], *, whole_answer: bool = False) -> Call[ResultT]:
        """Return the same call with another reader."""
        return cast("Call[ResultT]", self._replace(read=cast("Any", read), whole_answer=whole_answer))

    def __str__(self) -> str:
        # The query of an address, such as the signature of an upload link, is left out.
        return f"{self.method} {(self.base_url or '').partition('?')[0]}{self.path}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"  # the body may hold secrets


def path(template: str, *parameters: object) -> str:
    """Fill the ``{}`` of a path with percent-encoded parameters, so that no id can change the route."""
    encoded = []
    for parameter in parameters:
        text = str(parameter)
        if not text.strip(". "):
            raise ValidationError(f"{text!r} is not a usable id for {template}: pass the id that the service returned.")
        encoded.append(quote(text, safe="", errors="surrogatepass"))
    return template.format(*encoded)


def query_pairs(query: Query) -> list[tuple[str, str]]:
    """Write query values as text: ``true``, ``a,b``, whole numbers without a point; None is left out."""
    if not query:
        return []
    pairs = query if isinstance(query, tuple) else query.items()
    return [(name, _query_text(value)) for name, value in pairs if value is not None]


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
    """Write a JSON body as compact UTF-8. NaN, bytes, halves of surrogate pairs and the like are ValidationErrors."""
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ValidationError(f"The request cannot be written as JSON: {error}") from error
