"""HTTP requests: what a call becomes on its way to a service. Pure, but for fresh keys and the sizes of files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit
from uuid import uuid4

from pydantic import SecretStr

from lumnisai_core._transport.call import SAFE_METHODS, Call, Headers, Query, QueryValue
from lumnisai_core._transport.secrets import plain
from lumnisai_core._transport.upload import Upload, multipart, utf8
from lumnisai_core.exceptions import ValidationError

#: Methods that leave the same state however often the request arrives.
_IDEMPOTENT_METHODS = SAFE_METHODS | {"PUT", "DELETE"}

#: The only headers of a service that another host may see.
HARMLESS_HEADERS = frozenset({"accept", "user-agent"})

#: Seconds that a try has at least.
_SHORTEST_TRY = 0.05

#: The ports that an address leaves out.
DEFAULT_PORTS = {"http": 80, "https": 443}


class ExchangeFailed(Exception):
    """There is no complete answer. The text says what happened.

    Args:
        text: What happened.
        is_final: Whether a further try would fail the same way.
    """

    def __init__(self, text: str, *, is_final: bool = False) -> None:
        super().__init__(text)
        self.is_final = is_final


class Request(NamedTuple):
    """One HTTP request, complete but for what :meth:`Service.authorise` adds to each try.

    Attributes:
        url: Address, usually without a query.
        query: Query parameters in order.
        headers: Headers; secret ones are read only when the request is sent.
        content: The body: bytes, or pieces that are read while they are sent.
        timeout: Seconds that a try may take; for streams and files, each piece of them.
        held: Seconds the service may take on top before it answers.
        authorised: Whether the service's credential or login goes along.
        repeatable: Whether sending it again cannot do the work twice.
    """

    method: str
    url: str
    query: tuple[tuple[str, str], ...]
    headers: Headers
    content: bytes | Upload | None
    timeout: float
    held: float = 0.0
    authorised: bool = True
    repeatable: bool = False

    def with_headers(self, headers: Headers) -> Request:
        """Return the same request with further headers; they replace those of the same name in any case."""
        return self._replace(headers=merged(self.headers, headers))

    def within(self, seconds: float) -> Request:
        """Return the same request with a try that ends after so many seconds at the latest."""
        if seconds >= self.timeout + self.held:
            return self
        seconds = max(seconds, _SHORTEST_TRY)
        return self._replace(timeout=min(self.timeout, seconds), held=max(0.0, seconds - self.timeout))

    @property
    def address(self) -> str:
        """The URL without its query, which may hold a signature."""
        return self.url.partition("?")[0]

    @property
    def target(self) -> str:
        """The URL with all query parameters."""
        return f"{self.url}?{urlencode(self.query, quote_via=quote)}" if self.query else self.url

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.address}>"  # the body may hold secrets


def host_of(address: str) -> str:
    """Return an address up to its path, quicker than by taking all of it apart."""
    end = address.find("/", len("https://"))
    return address if end < 0 else address[:end]


@dataclass(frozen=True, slots=True, repr=False)
class Outgoing:
    """A request as it goes over a connection, with the credential of its service, which its ``repr`` does not show.

    Attributes:
        target: Address with the query.
        headers: All headers, but for the length of a body that nobody knows.
    """

    method: str
    target: str
    headers: dict[str, str]

    def __repr__(self) -> str:
        return f"<Outgoing {self.method} {self.target.partition('?')[0]}>"


def request_for(
    call: Call[Any],
    *,
    base_url: str,
    headers: Mapping[str, str],
    timeout: float,
    keyed_methods: frozenset[str] = frozenset(),
) -> Request:
    """Write a call as the request that all its tries share.

    Args:
        call: What to send.
        base_url: Address of the service.
        headers: Headers of every request to the service.
        timeout: Seconds that a try may take; for streams and files, each piece of them.
        keyed_methods: Methods that get an idempotency key of their own when the call brings none.

    Raises:
        ValidationError: The body or a parameter cannot be written, or a file cannot be read.
    """
    authorised = call.authorised
    if call.base_url is not None and origin(call.base_url) != origin(base_url):
        headers, authorised = harmless(headers), False
    try:
        content, content_type = _content(call)
        query = query_pairs(call.query)
        "".join(name + value for name, value in query).encode()
    except UnicodeError:
        raise ValidationError(f"{call}: a parameter has half of a surrogate pair, which cannot be sent.") from None
    for name, value in call.headers.items():
        if not f"{name}{plain(value)}".isascii():
            raise ValidationError(f"{call}: the header {name!r} must be ASCII.")
    key = call.idempotency_key or (str(uuid4()) if call.method in keyed_methods else None)
    own: dict[str, str] = {**headers, "Accept": "*/*" if call.whole_answer else "application/json"}
    if content_type is not None:
        own["Content-Type"] = content_type
    if key is not None:
        own["Idempotency-Key"] = key
    return Request(
        method=call.method,
        url=(call.base_url or base_url) + call.path,
        query=query,
        headers=merged(own, call.headers) if call.headers else own,
        content=content,
        timeout=timeout,
        held=call.held,
        authorised=authorised,
        repeatable=(key is not None or call.idempotent or call.method in _IDEMPOTENT_METHODS)
        and (not isinstance(content, Upload) or content.replayable),
    )


def _content(call: Call[Any]) -> tuple[bytes | Upload | None, str | None]:
    """Return the body of a call and its media type, if that is not the caller's affair."""
    if call.form is None:
        return (call.content, None) if call.body is None else (json_bytes(call.body), "application/json")
    if not call.form.files:
        fields = [(name, utf8(name, value)) for name, value in call.form.fields.items()]
        return urlencode(fields).encode(), "application/x-www-form-urlencoded"
    boundary = uuid4().hex
    return multipart(call.form, boundary), f"multipart/form-data; boundary={boundary}"


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port of an address."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS.get(parts.scheme)


def merged(
    headers: Mapping[str, str | SecretStr], further: Mapping[str, str | SecretStr]
) -> dict[str, str | SecretStr]:
    """Return headers with further ones, which replace those of the same name in any case."""
    replaced = {name.lower() for name in further}
    return {**{name: value for name, value in headers.items() if name.lower() not in replaced}, **further}


def harmless(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the headers that another host may see."""
    return {name: value for name, value in headers.items() if name.lower() in HARMLESS_HEADERS}


def query_pairs(query: Query) -> tuple[tuple[str, str], ...]:
    """Write query values as text: ``true``, ``a,b``, whole numbers without a point; None is left out."""
    if not query:
        return ()
    pairs = query if isinstance(query, tuple) else query.items()
    return tuple((name, _query_text(value)) for name, value in pairs if value is not None)


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


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def json_bytes(body: Mapping[str, Any] | Sequence[Any]) -> bytes:
    """Write a JSON body as compact UTF-8. NaN, bytes, halves of surrogate pairs and the like are ValidationErrors."""
    try:
        return _ENCODER.encode(body).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ValidationError(f"The request cannot be written as JSON: {error}") from error
