"""Sending calls: one request with its redirects, retries and login, and its answer or error."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from copy import copy
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lumnisai_core._transport._async.stream import AsyncReading, AsyncStream
from lumnisai_core._transport.answer import Answer, nothing
from lumnisai_core._transport.call import Call
from lumnisai_core._transport.download import Download
from lumnisai_core._transport.hooks import Hooks, request_info, response_info
from lumnisai_core._transport.lines import Parser
from lumnisai_core._transport.login import LoginFlow, Logins, Pause, Step, next_step
from lumnisai_core._transport.redirect import MOST_REDIRECTS, redirected
from lumnisai_core._transport.request import ExchangeFailed, Request
from lumnisai_core._transport.retry import CoolDown, RetryPolicy, next_try, parse_retry_after
from lumnisai_core._transport.secrets import redact
from lumnisai_core._transport.service import Service
from lumnisai_core._transport.upload import CHUNK, Upload
from lumnisai_core._transport.waiting import async_beside, async_notify, async_outcome, async_returned, async_sleep
from lumnisai_core.exceptions import AuthenticationError, LumnisAIError, TransportError

if TYPE_CHECKING:
    from lumnisai_core._transport.pool import AsyncBody, AsyncPool

T = TypeVar("T")


class AsyncTransport:
    """Sends calls to one service over one pool of connections.

    Args:
        service: The service to call.
        pool: The connections.
        timeout: Seconds that a try may take; for streams and files, each piece of them.
        policy: When to try again.
        hooks: The caller's hooks.
        cool_down: The pause after 429 that clients share. Default: one of its own.
    """

    def __init__(
        self,
        service: Service,
        pool: AsyncPool,
        *,
        timeout: float,
        policy: RetryPolicy,
        hooks: Hooks | None = None,
        cool_down: CoolDown | None = None,
    ) -> None:
        self._service = service
        self._pool = pool
        self._timeout = timeout
        self._policy = policy
        self._hooks = hooks or Hooks()
        self._cool_down = cool_down or CoolDown()
        self._logins = Logins()

    @property
    def base_url(self) -> str:
        """Address of the service."""
        return self._service.base_url

    def send(
        self,
        call: Call[T],
        *,
        timeout: float | None = None,
        policy: RetryPolicy | None = None,
        total: float | None = None,
    ) -> Coroutine[Any, Any, T]:
        """Send a call, trying again where that is safe and promising.

        Args:
            call: The request and how to read its answer.
            timeout: Seconds instead of the client's setting.
            policy: When to try again instead of the client's setting.
            total: Seconds that all tries together may take, the first one included. Default: no limit.

        Raises:
            LumnisAIError: There is no good answer; the error of the last try.
        """
        return self._until_good(call, timeout=timeout, policy=policy, total=total)

    def stream(
        self,
        call: Call[T],
        parser: Callable[[], Parser],
        *,
        timeout: float | None = None,
        total: float | None = None,
        policy: RetryPolicy | None = None,
    ) -> AsyncStream[T]:
        """Send a call whose answer is a stream of events, each of which its ``read`` turns into a result.

        The call is tried again and logs in anew like any other until the first event is there, and never after it. An
        event for which ``read`` raises a :class:`Problem` is the error that it reports.

        Args:
            call: The request and how to read one event.
            parser: Makes a parser, such as :class:`JsonLines` or :class:`ServerSentEvents`.
            timeout: Seconds to wait for the next bytes instead of the client's setting.
            total: Seconds that the whole stream may take, from the first try on; the end is noticed with the next
                bytes or after ``timeout``. Default: no limit.
            policy: When to try again instead of the client's setting.

        Returns:
            An iterator that is a context manager too; closing it early closes the connection. Nothing is sent before
            the first result is asked for.
        """
        if total is not None:
            timeout = min(self._timeout if timeout is None else timeout, total)
        return AsyncStream(self._results(call, parser, timeout, total, policy))

    async def _results(
        self,
        call: Call[T],
        parser: Callable[[], Parser],
        timeout: float | None,
        total: float | None,
        policy: RetryPolicy | None,
    ) -> AsyncGenerator[T, None]:
        reading = AsyncReading(self._service, call, parser, total)
        try:
            await self._until_good(
                reading.call.read_by(nothing),
                receive=reading.receive,
                read=reading.check,
                timeout=timeout,
                policy=policy,
            )
            async for result in reading.results():
                yield result
        finally:
            await reading.aclose()

    async def download(self, call: Call[Any]) -> bytes:
        """Send a call whose answer is a file, and return its bytes."""
        return await self._until_good(call.read_by(_body, whole_answer=True))

    async def download_to(self, call: Call[Any], target: Path) -> Path:
        """Send a call whose answer is a file, and write it to a path, which exists only when it is complete.

        Raises:
            ValidationError: The path is a folder, or the file cannot be written.
        """
        file = Download(target)
        try:
            await async_beside(file.check)
            await self._until_good(call.read_by(_body, whole_answer=True), receive=partial(_write, file))
            await async_beside(file.finish)
        finally:
            file.discard()
        return target

    # Trying

    async def _until_good(
        self,
        call: Call[T],
        *,
        timeout: float | None = None,
        policy: RetryPolicy | None = None,
        total: float | None = None,
        receive: Callable[[AsyncBody], Awaitable[Answer]] | None = None,
        read: Callable[[Answer], T] | None = None,
        logging_in: bool = False,
    ) -> T:
        """Try until there is an answer that can be read, or no further try is promising.

        Args:
            call: The request and how to read its answer.
            timeout: Seconds instead of the client's setting.
            policy: When to try again instead of the client's setting.
            total: Seconds that all tries together may take. Default: no limit.
            receive: Takes the body of a good answer. Default: it becomes part of the answer.
            read: Reads the answer. Default: as the service and the call say.
            logging_in: Whether this call is part of a login, which cannot wait for a login.
        """
        service = self._service
        seconds = self._timeout if timeout is None else timeout
        if call.form is not None and call.form.files:
            request = await async_beside(partial(service.request_for, call, timeout=seconds))
        else:
            request = service.request_for(call, timeout=seconds)
        policy = policy or self._policy
        budget = policy.budget if total is None else max(0.0, min(policy.budget, total))
        started = time.monotonic()
        tries = renewed = 0
        while True:
            tries += 1
            if self._cool_down.over_at:
                await self._cooled_down(budget)
            logins = self._logins.count
            if request.authorised and service.needs_login and not logging_in:
                await self._log_in(logins)
                logins, started = self._logins.count, time.monotonic()  # a login may wait for a person
            # The first try has all of its time, further ones what is left of the budget.
            limit = total if tries == 1 else budget
            left = None if limit is None else limit - (time.monotonic() - started)
            answer = await self._try(call, request if left is None else request.within(left), tries, receive)
            try:
                if isinstance(answer, TransportError):
                    raise answer
                if self._cool_down.over_at and answer.status != 429:
                    self._cool_down.answered()
                return service.result_of(call, answer, now=time.time()) if read is None else read(answer)
            except LumnisAIError as failure:
                error = failure
                renewing = not renewed and not logging_in and self._is_login_over(request, error)
                pause = None
                if not renewing:
                    elapsed = time.monotonic() - started
                    limited = policy._replace(budget=budget)
                    pause = self._pause(request, error, answer, limited, tries - renewed, elapsed)
                    if pause is None:
                        raise
            if renewing:
                renewed = 1
                if not await self._log_in(logins):
                    raise error
                started = time.monotonic()
            elif pause:
                await async_sleep(pause)

    async def _cooled_down(self, budget: float) -> None:
        # No longer than the call may take: stopping a run on Ctrl-C must not wait for a minute.
        latest = time.monotonic() + budget
        while (now := time.monotonic()) < latest and (left := self._cool_down.left(now, chance=_chance())):
            await async_sleep(min(left, latest - now))

    def _pause(
        self,
        request: Request,
        error: LumnisAIError,
        answer: Answer | TransportError,
        policy: RetryPolicy,
        tries: int,
        elapsed: float,
    ) -> float | None:
        """Return the seconds before a further try, or None if there is none."""
        status, retry_after = None, None
        if isinstance(answer, Answer):
            status = answer.status if error.status_code is None else error.status_code
            if 200 <= status < 300 and answer.claims_json:
                status = None  # it broke off, and may be whole next time; a page of another kind will be the same
            retry_after = parse_retry_after(answer.headers, now=time.time())
        pause = next_try(
            policy,
            tries=tries,
            repeatable=request.repeatable,
            status=status,
            retry_after=retry_after,
            elapsed=elapsed,
            chance=_chance(),
        )
        if status == 429 and pause is not None:
            shared = pause if retry_after is None else retry_after
            self._cool_down.begin(time.monotonic(), shared, spread=policy.spread(shared))
        return pause

    async def _try(
        self,
        call: Call[Any],
        request: Request,
        tries: int,
        receive: Callable[[AsyncBody], Awaitable[Answer]] | None,
    ) -> Answer | TransportError:
        """Make one try, with its redirects; a failed connection is returned as the error it means."""
        secrets = self._service.secrets()
        try:
            for _ in range(MOST_REDIRECTS + 1):
                answer = await self._exchange(call, request, tries, receive)
                if not isinstance(answer, Answer):
                    redact(answer, secrets)  # what cannot be read is quoted
                    return answer
                further = redirected(request, answer)
                if further is None:
                    # An answer may quote the key: it must not get into a message, an error's cause or a result.
                    as_it_is = call.confidential or (call.whole_answer and answer.is_success)
                    hidden = answer.without(secrets)
                    return hidden._replace(body=answer.body) if as_it_is else hidden
                request = further
            raise TransportError(
                f"{call}: redirected more than {MOST_REDIRECTS} times, the last time to {request.address}."
            )
        except LumnisAIError as error:
            redact(error, secrets)
            raise

    async def _exchange(
        self,
        call: Call[Any],
        request: Request,
        tries: int,
        receive: Callable[[AsyncBody], Awaitable[Answer]] | None,
    ) -> Answer | TransportError:
        service, hooks = self._service, self._hooks
        info = request_info(request, tries, service.secrets()) if any(hooks) else None
        if info is not None and hooks.on_request is not None:
            await async_notify(hooks.on_request, info)
        began = time.monotonic()
        try:
            if receive is None:
                answer = await self._pool.exchange(request)
            else:
                body = await self._pool.open(request)
                answer = await (receive(body) if body.head.is_success else body.read())
        except ExchangeFailed as failure:
            where = f"{service.name} at {service.base_url}" if call.base_url is None else request.address
            error = TransportError(f"{call}: no answer from {where}: {failure}")
            error.__cause__ = failure.__cause__
            if failure.is_final:
                raise error from failure.__cause__
            return error
        if info is not None and hooks.on_response is not None:
            hidden = answer.without(service.secrets())
            await async_notify(hooks.on_response, response_info(info, hidden, time.monotonic() - began))
        if request.authorised:
            service.received(answer)
        return answer

    # Logging in

    async def log_in(self) -> None:
        """Log in now, if nothing can be sent before that.

        Raises:
            LumnisAIError: The login failed.
        """
        if self._service.needs_login:
            await self._log_in(self._logins.count)

    def _is_login_over(self, request: Request, error: LumnisAIError) -> bool:
        is_sent_again = not isinstance(request.content, Upload) or request.content.replayable
        return request.authorised and is_sent_again and error.status_code in self._service.login_statuses

    async def _log_in(self, seen: int) -> bool:
        """Log in, or wait for the login that is under way.

        Args:
            seen: Number of logins before the request that needs a further one.

        Returns:
            Whether there is a new login; False if there is no way to log in.

        Raises:
            LumnisAIError: The login failed.
        """
        flow = self._service.login()
        if flow is None:
            return False
        while (under_way := self._logins.join(seen)) is not None:
            failure = await async_outcome(under_way)
            if failure is not None:
                raise copy(failure)
            if self._logins.count != seen:
                return True
        with self._logins.turn():
            await self._follow(flow)
        return True

    async def _follow(self, flow: LoginFlow) -> None:
        """Do the steps of a login."""
        result: object = None
        error: LumnisAIError | None = None
        while (step := next_step(flow, result, error)) is not None:
            result = error = None
            try:
                result = await self._do(step)
            except LumnisAIError as failure:
                error = failure

    async def _do(self, step: Step) -> object:
        if isinstance(step, Call):
            return await self._until_good(step, logging_in=True)
        if isinstance(step, Pause):
            await async_sleep(step.seconds)
            return None
        try:
            return await async_returned(step.function)
        except LumnisAIError:
            raise
        except Exception as error:
            raise AuthenticationError(
                f"{self._service.name}: the login failed in {step.function!r}: {error}"
            ) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()


#: Spreads pauses. Not from the numbers of the program, which may have seeded them, nor the same in forked processes.
_chance = random.SystemRandom().random


def _body(answer: Answer) -> bytes:
    return answer.body


async def _write(file: Download, body: AsyncBody) -> Answer:
    """Write the body of an answer to a file."""
    async with aclosing(body):
        await async_beside(file.start)
        async for chunk in body.chunks(CHUNK):
            await async_beside(partial(file.write, chunk))
    return body.head
