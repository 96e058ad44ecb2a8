# Generated from lumnisai_core/_async/transport.py by `make sync`: change that file, not this one.
"""Sending calls: one request, its retries, and its answer or error."""

from __future__ import annotations

import random
import time
from typing import TypeVar
from uuid import uuid4

from lumnisai_core._answer import Answer, error_from_answer, read_answer
from lumnisai_core._call import SETTING_METHODS, Call, json_bytes, query_pairs
from lumnisai_core._http import ExchangeFailed, Pool, Request
from lumnisai_core._retry import RetryPolicy, next_try, parse_retry_after
from lumnisai_core._service import Service
from lumnisai_core._waiting import sleep
from lumnisai_core.exceptions import LumnisAIError, TransportError

T = TypeVar("T")


class Transport:
    """Sends calls to one service over one pool of connections.

    Args:
        service: Where to send and with which credential.
        pool: The connections.
        timeout: Seconds for connecting, sending and answering.
        policy: When to try again.
    """

    def __init__(self, service: Service, pool: Pool, *, timeout: float, policy: RetryPolicy) -> None:
        self._service = service
        self._pool = pool
        self._timeout = timeout
        self._policy = policy

    def send(self, call: Call[T], *, timeout: float | None = None, policy: RetryPolicy | None = None) -> T:
        """Send a call, trying again where that is safe and promising.

        Args:
            call: The request and how to read its answer.
            timeout: Seconds instead of the client's setting.
            policy: When to try again instead of the client's setting.

        Raises:
            LumnisAIError: There is no good answer; the error of the last try.
        """
        request = self._request(call, self._timeout if timeout is None else timeout)
        started = time.monotonic()
        tries = 0
        while True:
            tries += 1
            answer = self._exchange(call, request)
            if isinstance(answer, TransportError):
                error: LumnisAIError = answer
                retry_after = None
            elif answer.is_success:
                return read_answer(call, answer)
            else:
                error = error_from_answer(call, answer, now=time.time())
                retry_after = parse_retry_after(answer.headers.get("retry-after"), now=time.time())
            pause = next_try(
                policy or self._policy,
                tries=tries,
                repeatable=call.repeatable,
                status=error.status_code,
                retry_after=retry_after,
                elapsed=time.monotonic() - started,
                chance=random.random(),  # noqa: S311 - spreads pauses, guards nothing
            )
            if pause is None:
                raise error
            sleep(pause)

    def _request(self, call: Call[T], timeout: float) -> Request:
        headers = {**self._service.headers, "Accept": "application/json"}
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        key = call.idempotency_key or (str(uuid4()) if call.method in SETTING_METHODS else None)
        if key is not None:
            headers["Idempotency-Key"] = key
        return Request(
            method=call.method,
            url=self._service.base_url + call.path,
            query=query_pairs(call.query),
            headers=headers,
            content=None if call.body is None else json_bytes(call.body),
            timeout=timeout,
            held=call.held,
        )

    def _exchange(self, call: Call[T], request: Request) -> Answer | TransportError:
        try:
            answer = self._pool.exchange(request)
        except ExchangeFailed as failure:
            error = TransportError(
                f"{call}: no answer from {self._service.name} at {self._service.base_url}: {failure}"
            )
            error.__cause__ = failure.__cause__
            return error
        # An error body may quote the key back at us; it must not travel on in a message.
        return answer if answer.is_success else answer.without(self._service.credential.get_secret_value())

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()
