"""What callers may learn of every request and answer. Never the credential."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias


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
    """An answer that has come.

    Attributes:
        request: What it answers.
        status: HTTP status.
        headers: Headers of the answer, such as ``x-request-id``.
        elapsed: Seconds from sending to the whole answer.
    """

    request: RequestInfo
    status: int
    headers: Mapping[str, str]
    elapsed: float


#: The asyncio client awaits what a coroutine function returns.
RequestHook: TypeAlias = Callable[[RequestInfo], object]
ResponseHook: TypeAlias = Callable[[ResponseInfo], object]


class Hooks(NamedTuple):
    """Who is told; what they raise is logged and harms no request."""

    on_request: RequestHook | None = None
    on_response: ResponseHook | None = None

    @property
    def used(self) -> bool:
        """Whether anybody is told."""
        return self.on_request is not None or self.on_response is not None
