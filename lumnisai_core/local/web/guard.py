"""The outermost layer of the application: what every request is checked for, and every answer carries."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Collection, Sequence

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lumnisai_core.local.web.errors import ApiError
from lumnisai_core.local.web.json_text import written

#: Most bytes of all names and values of headers.
MOST_HEADERS = 65_536
#: How long a body may take: some seconds, and further ones for each byte.
_PATIENCE = 30.0
_BYTES_PER_SECOND = 2_000
_Headers = Sequence[tuple[bytes, bytes]]


class Guard:
    """Refuses requests that are not meant for this service or do not become complete; no browser guesses at answers.

    Args:
        app: answers all other requests.
        names: the names of the service in a `Host` header, in lower case, besides addresses and `localhost`.
        patience: seconds that a body may take, besides those for its size.
    """

    def __init__(self, app: ASGIApp, names: Collection[str], patience: float = _PATIENCE) -> None:
        self._app = app
        self._names = names
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        loop = asyncio.get_running_loop()
        deadline, started = loop.time() + self._patience, False

        async def receive_in_time() -> Message:
            nonlocal deadline
            if deadline == float("inf"):
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise ApiError(408, "REQUEST_TIMEOUT", "The body of the request did not come in time.") from None
            deadline += len(message.get("body", b"")) / _BYTES_PER_SECOND
            if not message.get("more_body", False):
                deadline = float("inf")
            return message

        async def send_unsniffed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = list(message.get("headers", ()))
                if all(name.lower() != b"x-content-type-options" for name, _ in headers):
                    headers.append((b"x-content-type-options", b"nosniff"))
                message = {**message, "headers": headers}
            await send(message)

        try:
            if (refusal := refused(scope["headers"], self._names)) is not None:
                raise refusal
            await self._app(scope, receive_in_time, send_unsniffed)
        except ApiError as error:
            if started:
                raise
            body = Response(written(error.body), error.status, {"connection": "close"}, "application/json")
            await body(scope, receive, send_unsniffed)


def refused(headers: _Headers, names: Collection[str]) -> ApiError | None:
    """Return why a request with these headers is refused; None if it is not.

    Args:
        headers: their names, in lower case, and values.
        names: the names of the service; see `Guard`.
    """
    if sum(len(name) + len(value) for name, value in headers) > MOST_HEADERS:
        return ApiError(431, "HEADERS_TOO_LARGE", f"The headers are larger than {MOST_HEADERS} bytes.")
    sent = [name for name, _ in headers]
    if b"content-length" in sent and b"transfer-encoding" in sent:
        return ApiError(400, "AMBIGUOUS_LENGTH", "A request has either Content-Length or Transfer-Encoding.")
    hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
    if len(hosts) > 1 or not all(is_own_name(host, names) for host in hosts):
        text = "The Host of the request is not a name of this service; see its setting public_url."
        return ApiError(421, "MISDIRECTED_REQUEST", text)
    return None


def is_own_name(host: str, names: Collection[str]) -> bool:
    """Tell whether a `Host` header names this service: a page of another name has it resolved to this address.

    An address cannot be resolved to another one, and `localhost` is always this machine.
    """
    name = host.strip().lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    name = name.removesuffix(".")
    if name == "localhost" or name.endswith(".localhost") or name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
