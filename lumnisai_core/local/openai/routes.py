"""Endpoints of OpenAI's protocol, the same in front of the embedded service and of the platform."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from lumnisai_core.local.openai import replies, requests
from lumnisai_core.local.openai.attempts import Attempt, Attempts, Identity
from lumnisai_core.local.openai.backend import OpenAIBackend, Run
from lumnisai_core.local.openai.messages import WireMessage, instructions_mark, next_turn, wire_messages, wrong
from lumnisai_core.local.openai.replies import Answer, error_body, status_of
from lumnisai_core.local.openai.requests import ChatRequest, Form, ResponsesRequest
from lumnisai_core.local.openai.streaming import ChatWriter, ResponseWriter, Writer, reasoning_of
from lumnisai_core.local.web import app
from lumnisai_core.local.web.errors import ApiError
from lumnisai_core.local.web.json_text import written
from lumnisai_core.local.web.layers import hung_up
from lumnisai_core.local.web.routes import RouteTable
from lumnisai_core.local.web.shapes import Object
from lumnisai_core.tools import json_or_text, tool_calls_text

#: First segment of all paths.
MOUNT = "openai"
PREFIX = f"/{MOUNT}/v1"
#: Seconds of silence after which a stream sends a comment, so that proxies keep the connection.
_BEAT = 15.0
route = RouteTable(PREFIX)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What all requests have in common: the attempts at runs, and the names of the agents."""

    attempts: Attempts
    agents: Sequence[str]


class Call(app.Call):
    """A request, and the backend that works for its key."""

    def __init__(self, request: Request, path: Mapping[str, str], endpoint: Endpoint, backend: OpenAIBackend) -> None:
        super().__init__(request, path)
        self.endpoint = endpoint
        self.backend = backend


# Models


@route("GET /models")
async def list_models(call: Call) -> Object:
    """List the models: the engine, and the agents by name."""
    names = [requests.DEFAULT_MODEL, *call.endpoint.agents]
    return {"object": "list", "data": [replies.model_object(name) for name in names]}


@route("GET /models/{model}")
async def get_model(call: Call, *, model: str) -> Object:
    """Show a model."""
    requests.routed(model, call.endpoint.agents)
    return replies.model_object(model)


# Chat completions


@route("POST /chat/completions")
async def create_completion(call: Call, body: ChatRequest) -> Response:
    """Run an agent and answer with a completion, or stream it. The run ends when the client leaves."""
    requests.refuse_unsupported(body)
    form = requests.chat_form(body)
    messages, thread_id = wire_messages(body.messages), body.thread_id
    latest = None if thread_id is None else await _latest(call, thread_id, body.user)
    mark = instructions_mark(messages) or (latest and latest.echo.get("mark"))
    if latest is not None:
        messages = next_turn(messages, latest.echo.get("mark"))
    run = requests.run_body(body, call.endpoint.agents, form, messages, mark=mark)
    if thread_id is not None:
        run["thread_id"] = thread_id
    attempt = await _join(call, run)
    if body.stream:
        with_usage = bool((body.stream_options or {}).get("include_usage"))
        return _Stream(call, attempt, ChatWriter(form, body.model, body.stops, with_usage=with_usage))
    ended = await _ended(call, attempt)
    return _reply(ended, lambda: replies.completion(ended, form, body.model, body.stops, reasoning_of(ended)))


# Responses


@route("POST /responses")
async def create_response(call: Call, body: ResponsesRequest) -> Response:
    """Run an agent and answer with a response, or stream it; with `background`, the run does not need its client."""
    requests.refuse_unsupported(body)
    form = requests.response_form(body)
    sent, previous = requests.input_messages(body), body.previous_response_id
    if previous and body.conversation is not None:
        raise wrong("previous_response_id and conversation exclude each other: send one of them.", "conversation")
    before = None if not previous else Run.of(await call.backend.get(requests.run_of(previous), body.user))
    thread_id = before.thread_id if before else body.thread_id
    latest = None if thread_id is None else await _latest(call, thread_id, body.user)
    messages = wire_messages(sent, _call_names(before or latest))
    if body.instructions:
        messages = [{"role": "system", "content": body.instructions}, *messages]
    mark, held = instructions_mark(messages), latest and latest.echo.get("mark")
    if before and latest and before.response_id != latest.response_id:
        thread_id, held = None, None
        messages = [*await _history(call, before, body.user), *messages]
    elif mark is not None and mark == held:
        messages = [message for message in messages if message["role"] != "system"]
    about = requests.response_echo(body)
    run = requests.run_body(body, call.endpoint.agents, form, messages, mark=mark or held, **about)
    if thread_id is not None:
        run["thread_id"] = thread_id
    attempt = await _join(call, run)
    if body.stream:
        return _Stream(call, attempt, ResponseWriter(form), is_kept=bool(body.background))
    if body.background:
        call.endpoint.attempts.leave(attempt)
        return _json(_response(Run.of(await call.backend.get(_run_id(attempt)))))
    ended = await _ended(call, attempt)
    return _reply(ended, lambda: _response(ended))


@route("GET /responses/{response_id}")
async def get_response(
    call: Call, *, response_id: str, stream: bool = False, starting_after: int | None = None
) -> Response:
    """Show a response, or stream all of its events from the first one."""
    if starting_after is not None:
        raise wrong("starting_after is not supported: a stream begins with the first event.", "starting_after")
    run = Run.of(await call.backend.get(requests.run_of(response_id)))
    if stream:
        return _Stream(call, run.response_id, ResponseWriter(Form.of(run.echo)), is_kept=True)
    return _json(_response(run))


@route("POST /responses/{response_id}/cancel")
async def cancel_response(call: Call, *, response_id: str) -> Object:
    """Stop the run of a response; one that has ended stays as it is."""
    run = Run.of(await call.backend.get(requests.run_of(response_id)))
    if not run.is_over:
        await call.backend.cancel(run.response_id)
        run = Run.of(await call.backend.get(run.response_id))
    return _response(run)


@route("DELETE /responses/{response_id}")
async def delete_response(call: Call, *, response_id: str) -> Object:
    """Refuse: a run belongs to its conversation, which can be deleted."""
    run = Run.of(await call.backend.get(requests.run_of(response_id)))
    conversation = requests.conversation_id(run.thread_id)
    text = f"A response cannot be deleted by itself: delete its conversation {conversation}."
    raise ApiError(400, "RESPONSE_NOT_DELETABLE", text)


@route("GET /responses/{response_id}/input_items")
async def list_input_items(call: Call, *, response_id: str) -> Object:
    """List the messages that were sent to the run of a response."""
    return replies.input_items(Run.of(await call.backend.get(requests.run_of(response_id))))


# Conversations


@route("POST /conversations", optional=True)
async def create_conversation(call: Call) -> Object:
    """Make an empty thread."""
    return replies.conversation(await call.backend.make_thread())


@route("GET /conversations/{conversation_id}")
async def get_conversation(call: Call, *, conversation_id: str) -> Object:
    """Show a thread."""
    return replies.conversation(await call.backend.thread(requests.thread_of(conversation_id)))


@route("DELETE /conversations/{conversation_id}")
async def delete_conversation(call: Call, *, conversation_id: str) -> Object:
    """Delete a thread with its runs."""
    await call.backend.delete_thread(requests.thread_of(conversation_id))
    return {"id": conversation_id, "object": "conversation.deleted", "deleted": True}


# Threads


async def _latest(call: Call, thread_id: str, user: str | None) -> Run | None:
    """Return the newest run of a thread; None if it has none."""
    async with aclosing(call.backend.turns(thread_id, user)) as turns:
        return Run.of(found) if (found := await anext(turns, None)) is not None else None


async def _history(call: Call, last: Run, user: str | None) -> list[WireMessage]:
    """Return the messages and answers of a thread up to a run, for a new thread that branches off there."""
    turns: list[Run] = []
    async with aclosing(call.backend.turns(str(last.thread_id), user)) as found:
        async for data in found:
            run = Run.of(data)
            if run.response_id == last.response_id or turns:
                turns.append(run)
    messages: list[WireMessage] = []
    for run in reversed(turns):
        messages += [{"role": str(item["role"]), "content": str(item["content"])} for item in run.input_messages]
        if run.status == "succeeded":
            answer = Answer.of(run, Form.of(run.echo))
            calls = [{"id": made.id, "name": made.name, "args": json_or_text(made.arguments)} for made in answer.calls]
            text = tool_calls_text(answer.text, calls) if calls else answer.text
            messages.append({"role": "assistant", "content": text})
    return messages


def _call_names(run: Run | None) -> Mapping[str, str]:
    """Return the names of the tools that a run has called, by the ids of the calls."""
    if run is None or run.status != "succeeded" or not run.echo.get("tools"):
        return {}
    return {made.id: made.name for made in Answer.of(run, Form.of(run.echo)).calls}


# Following a run


async def _join(call: Call, run: Object) -> Attempt:
    identity = Identity.of(call.request, call.raw)
    return await call.endpoint.attempts.join(identity, lambda key: call.backend.start(run, key, identity.digest))


def _run_id(attempt: Attempt) -> str:
    return str(attempt.run.result()["response_id"])


async def _ended(call: Call, attempt: Attempt) -> Run:
    """Return the run of an attempt when it has ended; without a client that waits for it, it is stopped."""
    attempts, may_retry = call.endpoint.attempts, Identity.of(call.request, call.raw).may_retry
    ended = asyncio.ensure_future(_last(call.backend.follow(_run_id(attempt))))
    gone = asyncio.ensure_future(hung_up(call.request.receive))
    stop: Callable[[str], Awaitable[None]] | None = call.backend.cancel
    try:
        await asyncio.wait((ended, gone), return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            raise ClientDisconnect
        run, stop = ended.result(), None
        return run
    finally:
        attempts.leave(attempt, stop, at_once=not may_retry)
        for task in (ended, gone):
            task.cancel()
        await asyncio.gather(ended, gone, return_exceptions=True)


async def _last(states: AsyncGenerator[Object, None]) -> Run:
    async with aclosing(states):
        return Run.of([state async for state in states][-1])


class _Stream(StreamingResponse):
    """Server-sent events of a run. Its client leaves the run for good by closing the connection.

    Args:
        call: The request.
        run: The attempt that the request has joined, or the id of a run that is only watched.
        writer: Writes the events.
        is_kept: Whether the run continues without its client.
    """

    def __init__(self, call: Call, run: Attempt | str, writer: Writer, *, is_kept: bool = False) -> None:
        self._call = call
        self._attempt = None if isinstance(run, str) else run
        self._run_id = run if isinstance(run, str) else _run_id(run)
        self._writer = writer
        self._stop: Callable[[str], Awaitable[None]] | None = None if is_kept else call.backend.cancel
        headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        super().__init__(self._events(), 200, headers, "text/event-stream")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events, then leave the run."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._attempt is not None:
                self._call.endpoint.attempts.leave(self._attempt, self._stop, at_once=True)

    async def _events(self) -> AsyncIterator[str]:
        run: Run | None = None
        try:
            async with aclosing(_with_beats(self._call.backend.follow(self._run_id))) as states:
                async for state in states:
                    if state is None:
                        yield ": the run works\n\n"
                        continue
                    is_first, run = run is None, Run.of(state)
                    events = [*(self._writer.begin(run) if is_first else ()), *self._writer.advance(run)]
                    if events:
                        yield "".join(events)
                    if run.is_over:
                        self._stop = None
                        break
            if run is not None:
                yield "".join(self._writer.end(run))
        except ApiError as error:
            self._stop = None
            yield f"data: {written(error_body(error))}\n\n"


async def _with_beats(states: AsyncGenerator[Object, None]) -> AsyncGenerator[Object | None, None]:
    """Yield the states of a run, and None after each time of silence."""
    following: asyncio.Task[Any] | None = None
    try:
        while True:
            following = following or asyncio.ensure_future(anext(states, None))
            done, _ = await asyncio.wait((following,), timeout=_BEAT)
            if not done:
                yield None
                continue
            state, following = following.result(), None
            if state is None:
                return
            yield state
    finally:
        if following is not None:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        await states.aclose()


# Answers


def _response(run: Run) -> Object:
    return replies.response(run, Form.of(run.echo), reasoning_of(run))


def _reply(run: Run, made: Callable[[], Object]) -> Response:
    """Return the answer of a run, or why it has none; clients must not try again then: the run would be the same."""
    try:
        if (failure := run.failure()) is not None:
            raise failure
        return _json(made())
    except ApiError as error:
        if error.status == 503:
            raise
        return _json(error_body(error), status_of(error), {"x-should-retry": "false"})


def _json(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(written(value), status, headers, "application/json")
