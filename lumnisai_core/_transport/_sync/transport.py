# Generated from lumnisai_core/_transport/_async/transport.py by `make sync`; edit that file.
"""Sending calls: one request, its redirects and retries, and its answer or error."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lumnisai_core._transport.answer import Answer, error_from_answer, nothing, read_answer
from lumnisai_core._transport.call import Call
from lumnisai_core._transport.download import FileSink, MemorySink, Sink
from lumnisai_core._transport.hooks import Hooks, ResponseInfo
from lumnisai_core._transport.redirect import MOST_REDIRECTS, redirected
from lumnisai_core._transport.request import ExchangeFailed, Request, about_request, request_for
from lumnisai_core._transport.retry import CoolDown, RetryPolicy, next_try, parse_retry_after
from lumnisai_core._transport.service import Service
from lumnisai_core._transport.waiting import notify, sleep
from lumnisai_core.exceptions import LumnisAIError, RateLimitError, TransportError

if TYPE_CHECKING:
    from lumnisai_core._transport.pool import Pool

T = TypeVar("T")


class Transport:
    """Sends calls to one service over one pool of connections.

    Args:
        service: Where to send and with which credential.
        pool: The connections.
        timeout: Seconds for connecting, sending and answering.
        policy: When to try again.
        hooks: Who is told of every request and answer.
    """

    def __init__(
        self, service: Service, pool: Pool, *, timeout: float, policy: RetryPolicy, hooks: Hooks | None = None
    ) -> None:
        self._service = service
        self._pool = pool
        self._timeout = timeout
        self._policy = policy
        self._hooks = hooks or Hooks()
        self._cool_down = CoolDown()

    def send(self, call: Call[T], *, timeout: float | None = None, policy: RetryPolicy | None = None) -> T:
        """Send a call, trying again where that is safe and promising.

        Args:
            call: The request and how to read its answer.
            timeout: Seconds instead of the client's setting.
            policy: When to try again instead of the client's setting.

        Raises:
            LumnisAIError: There is no good answer; the error of the last try.
        """
        try:
            return self._until_good(call, partial(read_answer, call), timeout=timeout, policy=policy)
        except (RateLimitError, TransportError) as error:
            if call.hint is not None:
                error.add_note(call.hint)
            raise

    def download(self, call: Call[Any]) -> bytes:
        """Send a call whose answer is a file, and return its bytes."""
        sink = MemorySink()
        self._until_good(call, nothing, sink=sink)
        return sink.content

    def download_to(self, call: Call[Any], target: Path) -> Path:
        """Send a call whose answer is a file, and write it to a path, which exists only when it is complete.

        Raises:
            OSError: The file cannot be written.
        """
        sink = FileSink(target)
        try:
            self._until_good(call, nothing, sink=sink)
            sink.finish()
        finally:
            sink.discard()
        return target

    def _until_good(
        self,
        call: Call[Any],
        read: Callable[[Answer], T],
        *,
        timeout: float | None = None,
        policy: RetryPolicy | None = None,
        sink: Sink | None = None,
    ) -> T:
        """Try until there is an answer that can be read, or no further try is promising."""
        request = request_for(call, self._service, timeout=self._timeout if timeout is None else timeout)
        policy = policy or self._policy
        started = time.monotonic()
        tries = 0
        while True:
            tries += 1
            # No longer than the call may take: stopping a run on Ctrl-C must not wait for a minute.
            if cooling := min(self._cool_down.left(time.monotonic()), policy.budget):
                sleep(cooling)
            answer = self._try(call, request, tries, sink)
            try:
                return read(self._good(call, answer))
            except LumnisAIError:
                pause = self._pause(call, answer, policy, tries, time.monotonic() - started)
                if pause is None:
                    raise
            sleep(pause)

    def _good(self, call: Call[Any], answer: Answer | TransportError) -> Answer:
        if isinstance(answer, TransportError):
            raise answer
        if not answer.is_success:
            raise error_from_answer(call, answer, now=time.time())
        return answer

    def _pause(
        self,
        call: Call[Any],
        answer: Answer | TransportError,
        policy: RetryPolicy,
        tries: int,
        elapsed: float,
    ) -> float | None:
        status, retry_after = None, None
        if isinstance(answer, Answer):
            # An answer that broke off may be whole next time; a page of another kind will be the same.
            broke_off = answer.is_success and answer.claims_json
            status = None if broke_off else answer.status
            retry_after = parse_retry_after(answer.headers.get("retry-after"), now=time.time())
        pause = next_try(
            policy,
            tries=tries,
            repeatable=call.repeatable,
            status=status,
            retry_after=retry_after,
            elapsed=elapsed,
            chance=random.random(),  # noqa: S311 - spreads pauses, guards nothing
        )
        if status == 429 and pause is not None:
            self._cool_down.begin(time.monotonic(), pause)
        return pause

    def _try(self, call: Call[Any], request: Request, tries: int, sink: Sink | None) -> Answer | TransportError:
        """Make one try, with its redirects; a failed connection is returned as the error it means."""
        for _ in range(MOST_REDIRECTS + 1):
            answer = self._exchange(call, request, tries, sink)
            further = redirected(request, answer) if isinstance(answer, Answer) else None
            if further is None:
                return answer
            request = further
        address = request.url.partition("?")[0]
        raise TransportError(f"{call}: redirected more than {MOST_REDIRECTS} times, the last time to {address}.")

    def _exchange(self, call: Call[Any], request: Request, tries: int, sink: Sink | None) -> Answer | TransportError:
        about = about_request(request, tries) if self._hooks.used else None
        if about is not None and self._hooks.on_request is not None:
            notify(self._hooks.on_request, about)
        began = time.monotonic()
        try:
            answer = self._pool.exchange(request, sink)
        except ExchangeFailed as failure:
            error = TransportError(
                f"{call}: no answer from {self._service.name} at {self._service.base_url}: {failure}"
            )
            error.__cause__ = failure.__cause__
            return error
        if about is not None and self._hooks.on_response is not None:
            told = ResponseInfo(about, answer.status, dict(answer.headers), time.monotonic() - began)
            notify(self._hooks.on_response, told)
        # An answer may quote the key back at us; it must not travel on in a message, an error's cause or a result.
        return answer.without(self._service.credential.get_secret_value())

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()
