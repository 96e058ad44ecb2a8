"""Calls: one HTTP request described by values, and how to read its answer. Knows no particular service. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from os import PathLike
from types import MappingProxyType
from typing import Any, BinaryIO, Generic, NamedTuple, TypeAlias, TypeVar, cast
from uuid import UUID

from pydantic import SecretStr

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
        path: Path with percent-encoded parameters, made by :func:`checks.path`.
        read: Turns the parsed JSON of a good answer (None for an empty body) into the result; for a streamed answer,
            each event.
        query: Query parameters. None is left out, a list is joined by commas; pairs may repeat a name.
        body: JSON value to send.
        form: Form to send instead of JSON.
        content: Bytes to send instead of JSON; ``headers`` say what they are.
        idempotency_key: Key under which the service makes this request only once.
        idempotent: Whether the request may be sent twice although neither its method nor a key says so.
        held: Seconds the service may hold the request before it answers.
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
