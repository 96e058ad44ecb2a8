"""Hooks: functions of the caller's that see every request and answer. They never see the credential."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from lumnisai_core._transport.answer import Answer
from lumnisai_core._transport.request import Request
from lumnisai_core._transport.secrets import without_secret


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """A request that is about to be sent.

    Attributes:
        method: HTTP method.
        url: Address without the query.
        headers: Headers without the credential.
        tries: Which try this is, from 1.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    tries: int


@dataclass(frozen=True, slots=True)
class ResponseInfo:
    """An answer that has arrived.

    Attributes:
        request: The request it answers.
        status: HTTP status.
        headers: Headers of the answer, such as ``x-request-id``, without cookies.
        elapsed: Seconds from sending to the whole answer; for a stream, to its first event.
    """

    request: RequestInfo
    status: int
    headers: Mapping[str, str]
    elapsed: float


#: The asyncio client awaits the result of a coroutine function.
RequestHook: TypeAlias = Callable[[RequestInfo], object]
ResponseHook: TypeAlias = Callable[[ResponseInfo], object]


class Hooks(NamedTuple):
    """The caller's hooks. Their exceptions are logged and never fail a request."""

    on_request: RequestHook | None = None
    on_response: ResponseHook | None = None


def request_info(request: Request, tries: int, secrets: Iterable[str]) -> RequestInfo:
    """Describe a request, without its query, secret headers and the secrets in the address of a redirect."""
    headers = {name: value for name, value in request.headers.items() if isinstance(value, str)}
    address = request.address
    for secret in secrets:
        address = without_secret(address, secret)
    return RequestInfo(request.method, address, headers, tries)


def response_info(request: RequestInfo, answer: Answer, elapsed: float) -> ResponseInfo:
    """Describe an answer, without its cookies."""
    headers = {name: value for name, value in answer.headers.items() if name != "set-cookie"}
    return ResponseInfo(request, answer.status, headers, elapsed)
