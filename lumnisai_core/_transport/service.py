"""Services: where one is, how a request proves who sends it, and how an answer is read."""

from __future__ import annotations

import ipaddress
import re
import socket
import warnings
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, NoReturn, TypeVar
from urllib.parse import urlsplit

from pydantic import SecretStr

from lumnisai_core._transport.answer import (
    Answer,
    Problem,
    compact_json,
    error_detail,
    error_for,
    json_of,
    read_with,
    words_of,
)
from lumnisai_core._transport.call import Call
from lumnisai_core._transport.login import LoginFlow
from lumnisai_core._transport.request import Request, request_for
from lumnisai_core.exceptions import ConfigurationError

T = TypeVar("T")


class Service:
    """A service to call. This class sends a secret in a header and reads plain JSON; a platform overrides the rest.

    It is shared by all threads and event loops of a client, and so is the login that a subclass keeps in it. It never
    shows its secrets and cannot be pickled.

    Args:
        name: Name for error messages.
        base_url: Address without a trailing slash; a path in it is kept.
        credential: The secret, which is read only when a request is sent.
        credential_header: Header that carries the secret.
        credential_prefix: Text in front of the secret in that header.
        headers: Further headers of every request.
    """

    #: Methods whose requests get an idempotency key of their own.
    keyed_methods: ClassVar[frozenset[str]] = frozenset()

    #: Statuses after which a call logs in anew and is sent again, once.
    login_statuses: ClassVar[frozenset[int]] = frozenset({401})

    #: Whether ``authorise`` sends the service's cookies. Those that a caller's own HTTP client holds stay away then.
    sends_cookies: ClassVar[bool] = False

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        credential: SecretStr | None = None,
        credential_header: str = "Authorization",
        credential_prefix: str = "Bearer ",
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.name = name
        self.base_url = base_url
        self.headers = headers
        self._secrets = () if credential is None else (credential,)
        self._authorisation = (
            {credential_header: SecretStr(credential_prefix + credential.get_secret_value())} if credential else {}
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self.base_url!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self!r} holds secrets and cannot be copied or pickled: make it anew from its settings.")

    # Sending

    def request_for(self, call: Call[Any], *, timeout: float) -> Request:
        """Write a call as the request that all its tries share.

        Raises:
            ValidationError: The body cannot be written, or a file cannot be read.
        """
        return request_for(
            call, base_url=self.base_url, headers=self.headers, timeout=timeout, keyed_methods=self.keyed_methods
        )

    def authorise(self, request: Request) -> Request:
        """Return a request with its credential, signature or cookie; called anew for each try, just before it."""
        return request._replace(headers={**request.headers, **self._authorisation})

    def secrets(self) -> tuple[SecretStr, ...]:
        """Return what must not show in results, errors and logs although the service quotes it."""
        return self._secrets

    # Logging in

    @property
    def needs_login(self) -> bool:
        """Whether nothing can be sent before a login."""
        return False

    def login(self) -> LoginFlow | None:
        """Return a new login, or None if there is no way to log in (again)."""
        return None

    # Reading

    def received(self, answer: Answer) -> None:
        """Look at any answer to an authorised request, for instance for a new session cookie."""

    def unwrap(self, data: Any) -> Any:
        """Take the result out of the envelope of a 2xx answer.

        Raises:
            Problem: The envelope holds an error.
        """
        return data

    def read_error(self, status: int, headers: Mapping[str, str], body: Any) -> Problem:  # noqa: ARG002 - overridden
        """Read an answer that is not 2xx.

        Args:
            status: HTTP status.
            headers: Headers, names in lower case.
            body: Parsed JSON, or text, or None if there is nothing.
        """
        if isinstance(body, str):
            return Problem(words_of(body))
        return Problem(compact_json(body) if body else "")

    def result_of(self, call: Call[T], answer: Answer, *, now: float) -> T:
        """Read an answer as the result of a call.

        Args:
            call: The request it answers.
            answer: The answer, secrets already removed.
            now: Seconds since the epoch, for a ``Retry-After`` that is a date, in an answer without ``Date``.

        Raises:
            LumnisAIError: The service reports an error, or the answer cannot be read.
        """
        if not answer.is_success and answer.status not in call.accepts:
            detail = error_detail(answer)
            read_error = self.read_error if call.base_url is None else partial(Service.read_error, self)
            raise error_for(call, answer, read_error(answer.status, answer.headers, detail), detail, now=now)
        data: Any = None
        try:
            if call.whole_answer:
                return read_with(call, answer, answer)
            data = json_of(call, answer)
            return read_with(call, data if call.base_url is not None else self.unwrap(data), answer)
        except Problem as problem:
            raise error_for(call, answer, problem, data, now=now) from None


def is_loopback(url: str) -> bool:
    """Say whether a URL names this machine by ``localhost`` or a loopback address."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


#: An IPv4 address with fewer than four parts, such as 127.1, which not all HTTP libraries know.
_SHORT_ADDRESS = re.compile(r"^(https?://)((?:\d+\.){0,2}\d+)(?=[:/]|$)", re.IGNORECASE)


def checked_base_url(url: str, *, variable: str, example: str, argument: str = "base_url") -> str:
    """Check a base URL and take off the trailing slash; a path stays.

    Args:
        url: Address of a service.
        variable: Environment variable that can hold it, for the message.
        example: An address for the message.
        argument: Name of the argument, for the message.

    Raises:
        ConfigurationError: It is not an http or https address, or carries a user, query or fragment.
    """
    text = url.strip()
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(
            f"{argument} must be an http or https address such as {example}, not {url!r} "
            f"(argument {argument} or environment variable {variable})."
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigurationError(f"{argument} must not carry a user name, password, query or fragment.")
    if parts.scheme == "http" and not is_loopback(text):
        warnings.warn(
            f"Credentials will be sent unencrypted to {parts.hostname}: use an https base URL.",
            UserWarning,
            stacklevel=4,
        )
    return _SHORT_ADDRESS.sub(lambda found: found[1] + socket.inet_ntoa(socket.inet_aton(found[2])), text.rstrip("/"))
