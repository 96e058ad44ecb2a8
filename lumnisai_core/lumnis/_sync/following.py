# Generated from lumnisai_core/lumnis/_async/following.py by `make sync`; edit that file.
"""Streams of a run's updates, from its creation to its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from functools import partial
from types import TracebackType
from typing import Self

from lumnisai_core._transport._sync.transport import Transport
from lumnisai_core._transport.call import Call
from lumnisai_core._transport.waiting import (
    GRACE,
    GRACE_POLICY,
    INTERRUPTS,
    Ready,
    check_callback,
    grace,
    notify,
    sleep,
)
from lumnisai_core.exceptions import LumnisAIError, RunError, TransportError
from lumnisai_core.lumnis.calls.runs import (
    InvokeParameters,
    MessagesInput,
    RunStart,
    WatchParameters,
    cancel_call,
    get_call,
    run_start,
    split_parameters,
)
from lumnisai_core.lumnis.config import Settings
from lumnisai_core.lumnis.models import ResponseObject, RunUpdate
from lumnisai_core.lumnis.models.responses import ProgressCallback
from lumnisai_core.lumnis.runs.spans import RunSpan, run_span
from lumnisai_core.lumnis.runs.watch import (
    RunWatch,
    WatchOptions,
    error_of_run,
    note_interrupt,
    timeout_error,
    watch_options,
)

#: Log message if a run that the caller leaves cannot be stopped.
STOP_FAILURE = "Could not stop the run on the service"


class RunStream(Ready):
    """The updates of one run, as an iterator and a context manager.

    Nothing is sent before the first update is requested. The last update has a terminal status and carries
    ``output_text``, ``structured_response`` and the whole run in ``response``; after it, a failed run raises
    :class:`RunFailedError` and a cancelled one :class:`RunCancelledError`.

    Leaving early (an exception inside the ``with`` block, ``break``, Ctrl-C, a cancelled task) asks the service to
    stop the run, unless it was created with ``cancel_on_interrupt=False``.
    """

    def __init__(
        self,
        transport: Transport,
        start: RunStart,
        options: WatchOptions,
        listeners: tuple[ProgressCallback, ...] = (),
    ) -> None:
        for listener in listeners:
            check_callback("on_progress", listener)
        self._watch = RunWatch(options)
        self._options = options
        self._listeners = listeners
        # The generator must not refer to this object: without a cycle, a stream that is dropped is closed at once.
        self._updates = _follow(transport, start, options, self._watch)

    @property
    def response(self) -> ResponseObject | None:
        """The last known state of the run, or None before the first answer."""
        return self._watch.response

    @property
    def response_id(self) -> str | None:
        """Id of the run, or None before the first answer."""
        return None if self._watch.response is None else self._watch.response.response_id

    def result(self) -> ResponseObject:
        """Follow the run to its end and return it.

        Raises:
            RunError: There is no answer; see ``client.invoke``.
            LumnisAIError: The service cannot be reached or refuses the request.
        """
        with self:
            for _ in self:
                pass
        if self._watch.response is None:
            raise LumnisAIError("This stream was closed before it began: start a new one.")
        return self._watch.response

    def detach(self) -> None:
        """Stop following after the next answer and leave the run alone. May be called from another thread."""
        self._watch.detached = True

    def close(self) -> None:
        """Stop following, and stop an unfinished run on the service."""
        self._updates.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> RunUpdate:
        return self._next_and_notify() if self._listeners else self._updates.__next__()

    def _next_and_notify(self) -> RunUpdate:
        update = next(self._updates)
        for listener in self._listeners:
            notify(listener, update)
        return update

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if isinstance(error, INTERRUPTS):  # raised in a listener or in the block
            note_interrupt(error, self._watch, is_stopped=self._options.cancel_on_interrupt)


def start_run(
    transport: Transport,
    settings: Settings,
    messages: MessagesInput,
    parameters: InvokeParameters,
    *,
    listening: bool,
) -> RunStream:
    """Return a stream that creates a run and follows it. Polls are shorter if the caller is ``listening``."""
    run, watch = split_parameters(parameters)
    options, listeners = watch_options(watch, listening=listening)
    return RunStream(transport, run_start(settings, messages, run), options, listeners)


def follow_run(transport: Transport, response_id: str, parameters: WatchParameters, *, listening: bool) -> RunStream:
    """Return a stream of all updates of an existing run, from the first one."""
    options, listeners = watch_options(parameters, listening=listening)
    return RunStream(transport, RunStart(get_call(response_id), response_id), options, listeners)


def create_run(
    start: RunStart, send: Callable[[Call[ResponseObject]], ResponseObject]
) -> tuple[RunStart, ResponseObject]:
    """Create or find a run; a new one if those under the earlier keys of a function have failed or were cancelled."""
    while True:
        began = time.monotonic()
        try:
            run = send(start.call)
        except LumnisAIError as error:
            start.note_key(error)
            raise
        start.answered(time.time(), time.monotonic() - began)
        if start.again is None or not start.is_earlier():
            return start, run
        renewed = start.renewed(send(get_call(run.response_id)))
        if renewed is None:
            return start, run
        start = renewed


def _follow(
    transport: Transport, start: RunStart, options: WatchOptions, watch: RunWatch
) -> Generator[RunUpdate, None]:
    with run_span(start, transport.base_url, "whole" if start.response_id is None else "follow") as span:
        began = time.monotonic()
        try:
            with span.sending():
                start, answer = create_run(start, partial(_send, transport, span, options.time_to_start))
            started = span.started(answer)
            for update in span.reported(watch.begin(started, complete=start.response_id is not None)):
                yield update
            while not watch.over and not watch.detached:
                poll = watch.next_poll(time.monotonic() - began)
                if poll is None:
                    raise timeout_error(watch.last, options.run_timeout)
                if poll.pause:
                    sleep(poll.pause)
                sent = time.monotonic()
                call = get_call(started.response_id, wait=poll.wait)
                try:
                    with span.sending():
                        response = _send(transport, span, options.time_left(sent - began), call)
                except TransportError as error:
                    if watch.next_poll(time.monotonic() - began) is None:
                        raise timeout_error(watch.last, options.run_timeout) from error
                    raise
                for update in span.reported(watch.accept(response, poll=poll, took=time.monotonic() - sent)):
                    yield update
        except INTERRUPTS as interrupt:
            if not watch.over and not watch.detached:
                if options.cancel_on_interrupt:
                    grace(partial(_stop, transport, start, watch.response), failure=STOP_FAILURE)
                note_interrupt(interrupt, watch, is_stopped=options.cancel_on_interrupt, is_sent=True)
            raise
        except LumnisAIError as error:
            if watch.response is not None and not isinstance(error, RunError):
                error.add_note(f"Wait for the run with client.responses.wait({watch.response.response_id!r}).")
            raise
        start.ended(watch.last)
        error_at_end = error_of_run(watch.last)
        if error_at_end is not None:
            raise error_at_end


def _send(transport: Transport, span: RunSpan, total: float | None, call: Call[ResponseObject]) -> ResponseObject:
    return transport.send(span.carried_by(call), total=total)


def _stop(transport: Transport, start: RunStart, response: ResponseObject | None) -> None:
    if response is None and start.response_id is None:
        # Interrupted while creating the run. Its idempotency key leads to the run, or creates one to be cancelled.
        response = transport.send(start.call, timeout=GRACE, policy=GRACE_POLICY)
    response_id = start.response_id if response is None else response.response_id
    transport.send(cancel_call(str(response_id)), timeout=GRACE, policy=GRACE_POLICY)
    start.ended(None)
