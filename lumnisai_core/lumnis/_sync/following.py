# Generated from lumnisai_core/lumnis/_async/following.py by `make sync`; edit that file.
"""Following a run from its start to its end, as a stream of what is new."""

from __future__ import annotations

import time
from collections.abc import Generator
from types import TracebackType
from typing import Self

from lumnisai_core._transport._sync.transport import Transport
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
from lumnisai_core.exceptions import LumnisAIError, RunError
from lumnisai_core.lumnis.calls.runs import (
    InvokeParameters,
    MessagesInput,
    RunStart,
    WatchParameters,
    cancel_call,
    create_call,
    get_call,
    split_parameters,
    watch_options,
)
from lumnisai_core.lumnis.config import Settings
from lumnisai_core.lumnis.models import ResponseObject, RunUpdate
from lumnisai_core.lumnis.models.updates import ProgressCallback
from lumnisai_core.lumnis.runs.watch import RunWatch, WatchOptions, error_of_run, note_interrupt, timeout_error

#: Log message if a run that the caller leaves cannot be stopped.
STOP_FAILURE = "Could not stop the run on the service"


class RunStream(Ready):
    """The news of one run, as an iterator and a context manager.

    Nothing is sent before the first update is asked for. The last update has a terminal status and carries
    ``output_text``, ``structured_response`` and the whole run in ``response``; after it, a failed run raises
    :class:`RunFailedError` and a cancelled one :class:`RunCancelledError`.

    Leaving early (an exception inside the ``with`` block, ``break``, Ctrl-C, a cancelled task) asks the service to
    stop the run, unless it was made with ``cancel_on_interrupt=False``.
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
        # The generator must not know this object: without a cycle, a stream that is dropped is closed at once.
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
            RunFailedError: The run failed.
            RunCancelledError: The run was cancelled.
            RunTimeoutError: ``run_timeout`` is over; the run goes on.
            LumnisAIError: The service cannot be reached or refuses.
        """
        with self:
            for _ in self:
                pass
        if self._watch.response is None:
            raise LumnisAIError("This stream was closed before it began: make a new one.")
        return self._watch.response

    def detach(self) -> None:
        """Stop following with the next answer and leave the run alone; may be called from another thread."""
        self._watch.detached = True

    def close(self) -> None:
        """Stop following; a run that is not over is stopped on the service."""
        self._updates.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> RunUpdate:
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
        if isinstance(error, INTERRUPTS):  # which may have fallen into a listener or into the block
            note_interrupt(error, self._watch, is_stopped=self._options.cancel_on_interrupt)


def start_run(
    transport: Transport,
    settings: Settings,
    messages: MessagesInput,
    parameters: InvokeParameters,
    *,
    listening: bool,
) -> RunStream:
    """Describe a new run and return the stream that creates and follows it.

    Args:
        transport: Where to send.
        settings: Scope and user of the client.
        messages: A text, one message, or the messages of a conversation.
        parameters: What to run and how to watch it.
        listening: Whether the updates will be read, which makes polls shorter.

    Raises:
        ValidationError: Something about the run is not acceptable; nothing was sent.
    """
    what, how = split_parameters(parameters)
    options, listeners = watch_options(how, listening=listening)
    return RunStream(transport, RunStart(create_call(settings, messages, what)), options, listeners)


def follow_run(transport: Transport, response_id: str, parameters: WatchParameters, *, listening: bool) -> RunStream:
    """Return a stream of everything an existing run reported and will report."""
    options, listeners = watch_options(parameters, listening=listening)
    return RunStream(transport, RunStart(get_call(response_id), response_id), options, listeners)


def _follow(
    transport: Transport, start: RunStart, options: WatchOptions, watch: RunWatch
) -> Generator[RunUpdate, None]:
    began = time.monotonic()
    try:
        started = transport.send(start.call)
        for update in watch.begin(started, complete=start.response_id is not None):
            yield update
        while not watch.over and not watch.detached:
            poll = watch.next_poll(time.monotonic() - began)
            if poll is None:
                raise timeout_error(watch.last, options.run_timeout)
            if poll.pause:
                sleep(poll.pause)
            asked = time.monotonic()
            response = transport.send(get_call(started.response_id, wait=poll.wait))
            for update in watch.accept(response, poll=poll, took=time.monotonic() - asked):
                yield update
    except INTERRUPTS as interrupt:
        if not watch.over and not watch.detached:
            if options.cancel_on_interrupt:
                grace(lambda: _stop(transport, start, watch.response), failure=STOP_FAILURE)
            note_interrupt(interrupt, watch, is_stopped=options.cancel_on_interrupt)
        raise
    except LumnisAIError as error:
        if watch.response is not None and not isinstance(error, RunError):
            error.add_note(f"Pick the run up again with client.responses.wait({watch.response.response_id!r}).")
        raise
    error_at_end = error_of_run(watch.last)
    if error_at_end is not None:
        raise error_at_end


def _stop(transport: Transport, start: RunStart, response: ResponseObject | None) -> None:
    if response is None and start.response_id is None:
        # Interrupted while creating. Its idempotency key finds out which run that made, if any.
        response = transport.send(start.call, timeout=GRACE, policy=GRACE_POLICY)
    response_id = start.response_id if response is None else response.response_id
    transport.send(cancel_call(str(response_id)), timeout=GRACE, policy=GRACE_POLICY)
