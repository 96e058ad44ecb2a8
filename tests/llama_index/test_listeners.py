from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from llama_index.core.async_utils import asyncio_run
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload, TokenCountingHandler
from llama_index.core.callbacks.base_handler import BaseCallbackHandler
from llama_index.core.workflow import Context, StartEvent, StopEvent, Workflow, step
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.base import BaseEvent
from llama_index_instrumentation.dispatcher import instrument_tags
from llama_index_instrumentation.span.simple import SimpleSpan
from llama_index_instrumentation.span_handlers import SimpleSpanHandler
from workflows.context.serializers import JsonSerializer
from workflows.runtime.types.results import InternalContextVar

from lumnisai_core import Client, RunUpdate, ToolCall
from lumnisai_core.exceptions import RunFailedError
from lumnisai_core.local import Script, Step
from lumnisai_integrations.llama_index import LumnisLLM, LumnisProgressEvent
from lumnisai_integrations.llama_index.lumnis.listeners import Listeners, call_back
from tests.llama_index.conftest import ANSWER, ENDLESS, HELLO, Collector, Stage

SEARCH = {"name": "search", "args": {"q": "tide"}, "output_text": "3 hits"}
READ = {"name": "read", "args": {"page": 2}}
STEPS = Script(
    steps=[Step("Reading."), Step("Searching.", tool_calls=[SEARCH]), Step(add_to=0, tool_calls=[READ])],
    output_text=ANSWER,
)


@pytest.fixture
def llm(make: Callable[..., LumnisLLM], stage: Stage) -> LumnisLLM:
    stage.play(STEPS)
    return make(progress_interval=0.05)


# Spans


@pytest.fixture
def spans() -> Iterator[SimpleSpanHandler]:
    dispatcher, handler = get_dispatcher(), SimpleSpanHandler()
    dispatcher.add_span_handler(handler)
    yield handler
    dispatcher.span_handlers.remove(handler)


def _named(spans: list[SimpleSpan], name: str) -> list[SimpleSpan]:
    return [span for span in spans if span.id_.startswith(f"LumnisLLM.{name}-")]


def test_a_stream_has_a_span_for_as_long_as_it_is_read(
    llm: LumnisLLM, spans: SimpleSpanHandler, own_events: Collector
) -> None:
    """The span opens with the first reading, inside that of the call, holds the progress, and ends with the stream."""
    stream = llm.stream_chat(HELLO)
    assert not spans.open_spans
    next(stream)
    [reading] = spans.open_spans.values()
    [call] = _named(spans.completed_spans, "stream_chat")
    assert reading.parent_id == call.id_
    list(stream)
    assert not spans.open_spans
    assert _named(spans.completed_spans, "read_stream") == [reading]
    assert {event.span_id for event in own_events.seen} == {reading.id_}


async def test_an_async_stream_has_one_too(llm: LumnisLLM, spans: SimpleSpanHandler) -> None:
    """So has an asynchronous stream."""
    assert [chunk async for chunk in await llm.astream_complete("Hello")]
    assert len(_named(spans.completed_spans, "read_stream")) == 1


def test_a_stream_that_is_left_ends_its_span(llm: LumnisLLM, stage: Stage, spans: SimpleSpanHandler) -> None:
    """Leaving early is no failure; a run that fails drops the span with its error."""
    stage.play(ENDLESS)
    with closing(llm.stream_chat(HELLO)) as stream:
        next(stream)
    assert (len(_named(spans.completed_spans, "read_stream")), spans.dropped_spans) == (1, [])
    stage.play(Script(error=("NO_BUDGET", "The budget is used up.")))
    with pytest.raises(RunFailedError):
        list(llm.stream_chat(HELLO))
    assert len(_named(spans.dropped_spans, "read_stream")) == 1
    assert not spans.open_spans


def test_tags_of_the_caller_go_along(llm: LumnisLLM, own_events: Collector) -> None:
    """Events carry the tags under which the call was made, wherever the stream is read."""
    with instrument_tags({"session": "s1"}):
        stream = llm.stream_chat(HELLO)
    list(stream)
    assert {event.tags["session"] for event in own_events.seen} == {"s1"}


# Legacy callbacks


class Recorder(BaseCallbackHandler):
    """Notes what begins and ends, and what is inside what."""

    def __init__(self, *, ignore: tuple[CBEventType, ...] = ()) -> None:
        super().__init__(list(ignore), list(ignore))
        self.begun: list[tuple[CBEventType, dict[str, Any], str, str]] = []
        self.ended: list[tuple[CBEventType, dict[str, Any]]] = []

    def on_event_start(
        self, event_type: CBEventType, payload: Any = None, event_id: str = "", parent_id: str = "", **_: Any
    ) -> str:
        self.begun.append((event_type, payload, event_id, parent_id))
        return event_id

    def on_event_end(self, event_type: CBEventType, payload: Any = None, event_id: str = "", **_: Any) -> None:
        self.ended.append((event_type, payload))

    def start_trace(self, trace_id: str | None = None) -> None: ...

    def end_trace(self, trace_id: str | None = None, trace_map: dict[str, list[str]] | None = None) -> None: ...


@pytest.mark.parametrize("call", ["chat", "stream_chat"])
def test_legacy_callbacks(make: Callable[..., LumnisLLM], stage: Stage, call: str) -> None:
    """Each entry is a step of an agent, each call of the service's tools a function call inside it."""
    stage.play(STEPS)
    recorder = Recorder()
    llm = make(progress_interval=0.05, callback_manager=CallbackManager([recorder]))
    done = getattr(llm, call)(HELLO)
    list(done if call == "stream_chat" else ())
    steps = [item for item in recorder.begun if item[0] == CBEventType.AGENT_STEP]
    functions = [item for item in recorder.begun if item[0] == CBEventType.FUNCTION_CALL]
    assert [step[1][EventPayload.ADDITIONAL_KWARGS]["state"] for step in steps] == ["processing"] * 2
    assert {item[1][EventPayload.TOOL].name: item[1][EventPayload.FUNCTION_CALL] for item in functions} == {
        "search": {"q": "tide"},
        "read": {"page": 2},
    }
    results = [payload[EventPayload.FUNCTION_OUTPUT] for kind, payload in recorder.ended if kind == functions[0][0]]
    assert "3 hits" in results
    texts = [payload[EventPayload.RESPONSE] for kind, payload in recorder.ended if kind == CBEventType.AGENT_STEP]
    assert texts == ["Reading.", "Searching."]
    assert next(item[3] for item in functions if item[1][EventPayload.TOOL].name == "search") == steps[1][2]


def test_calls_that_come_later() -> None:
    """Calls that an older entry gains are function calls without a step of their own; other news is neither."""
    recorder = Recorder()
    grown = RunUpdate(
        "r1", "t1", "in_progress", "tool_update", "Reading.", (ToolCall.model_validate(READ),), entry_index=0
    )
    call_back(CallbackManager([recorder]), grown)
    call_back(CallbackManager([recorder]), RunUpdate("r1", "t1", "succeeded", "succeeded"))
    assert [item[0] for item in recorder.begun] == [CBEventType.FUNCTION_CALL]


class Broken(Recorder):
    def on_event_end(self, event_type: CBEventType, *given: Any, **_: Any) -> None:
        if event_type == CBEventType.AGENT_STEP:
            raise RuntimeError("the display is gone")


@pytest.mark.parametrize("call", ["chat", "stream_chat"])
def test_a_failing_callback_costs_no_answer(
    make: Callable[..., LumnisLLM], stage: Stage, caplog: pytest.LogCaptureFixture, call: str
) -> None:
    """It is logged, and the trace around the call stays whole: later steps do not hang below the one that failed."""
    stage.play(STEPS)
    recorder = Recorder()
    llm = make(progress_interval=0.05, callback_manager=CallbackManager([recorder, Broken()]))
    done = getattr(llm, call)(HELLO)
    answer = done if call == "chat" else list(done)[-1]
    assert answer.message.content == ANSWER
    assert "the display is gone" in caplog.text
    assert [item[3] for item in recorder.begun if item[0] == CBEventType.AGENT_STEP] == ["root", "root"]


def test_who_listens(own_events: Collector) -> None:
    """Polls are frequent only if a handler would hear of steps; a token counter does not."""
    get_dispatcher("lumnisai_integrations.llama_index").event_handlers.remove(own_events)
    for handlers, heard in (
        ([], False),
        ([TokenCountingHandler(tokenizer=str.split)], False),
        ([Recorder(ignore=(CBEventType.AGENT_STEP, CBEventType.FUNCTION_CALL))], False),
        ([Recorder(ignore=(CBEventType.AGENT_STEP,))], True),
        ([Recorder()], True),
    ):
        assert bool(Listeners.here(CallbackManager(handlers))) is heard  # type: ignore[arg-type]
    get_dispatcher("lumnisai_integrations.llama_index").add_event_handler(own_events)


# Interrupts


class Interrupting(Collector):
    def handle(self, event: BaseEvent, **_: Any) -> None:
        if event.class_name() == "LumnisProgressEvent":
            raise KeyboardInterrupt


class InterruptingCallback(Recorder):
    def on_event_start(self, event_type: CBEventType, *given: Any, **_: Any) -> str:
        if event_type == CBEventType.AGENT_STEP:
            raise KeyboardInterrupt
        return ""


@pytest.fixture(params=["event handler", "callback"])
def interrupted(request: pytest.FixtureRequest, make: Callable[..., LumnisLLM]) -> Iterator[LumnisLLM]:
    """An LLM with a handler that Ctrl-C falls into."""
    if request.param == "callback":
        yield make(progress_interval=0.05, callback_manager=CallbackManager([InterruptingCallback()]))
        return
    dispatcher, handler = get_dispatcher(), Interrupting()
    dispatcher.add_event_handler(handler)
    yield make(progress_interval=0.05)
    dispatcher.event_handlers.remove(handler)


@pytest.mark.parametrize("call", ["chat", "stream_chat"])
def test_an_interrupt_inside_a_handler_is_not_lost(
    interrupted: LumnisLLM, stage: Stage, client: Client, call: str
) -> None:
    """Ctrl-C that arrives while a handler is at work ends the call and stops the run."""
    stage.play(ENDLESS)
    with pytest.raises(KeyboardInterrupt):
        list(getattr(interrupted, call)(HELLO))
    assert client.responses.get(stage.requests[-1].response_id).status == "cancelled"


# Workflows


class Asking(Workflow):
    """Asks an LLM in its only step, in some way."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        super().__init__(timeout=20)
        self._ask = ask

    @step
    async def ask(self, ev: StartEvent) -> StopEvent:
        done = self._ask()
        return StopEvent(result=str(await done if inspect.isawaitable(done) else done))


async def _streamed(llm: LumnisLLM) -> str:
    return "".join([chunk.delta or "" async for chunk in await llm.astream_chat(HELLO)])


WAYS: dict[str, Callable[[LumnisLLM], Any]] = {
    "achat": lambda llm: llm.acomplete("Hello"),
    "astream_chat": _streamed,
    "blocking": lambda llm: llm.complete("Hello"),
    "thread": lambda llm: asyncio.to_thread(llm.complete, "Hello"),
    "stream in a thread": lambda llm: asyncio.to_thread(lambda: list(llm.stream_complete("Hello"))[-1]),
    "loop in a thread": lambda llm: asyncio.to_thread(lambda: asyncio_run(llm.acomplete("Hello"))),
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_workflow_streams_the_progress_of_its_steps(llm: LumnisLLM, way: str) -> None:
    """Whoever streams the events of a workflow sees the runs inside it, however they were made."""
    handler = Asking(lambda: WAYS[way](llm)).run()
    seen = [event async for event in handler.stream_events() if isinstance(event, LumnisProgressEvent)]
    assert await handler == ANSWER
    assert [event.message for event in seen if event.message and event.state != "tool_update"] == [
        "Reading.",
        "Searching.",
    ]
    assert seen[-1].is_last


async def test_outside_of_a_workflow(llm: LumnisLLM) -> None:
    """Without a workflow nothing is written anywhere."""
    assert Listeners.here(llm.callback_manager).write is None
    assert (await llm.achat(HELLO)).message.content == ANSWER


async def test_a_workflow_of_another_kind(llm: LumnisLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where workflows do not know their steps, progress takes the other ways, and the call works."""
    monkeypatch.delattr(Context, "get_step_context")
    handler = Asking(lambda: llm.acomplete("Hello")).run()
    assert not [event async for event in handler.stream_events() if isinstance(event, LumnisProgressEvent)]
    assert await handler == ANSWER


def test_a_stream_that_is_read_after_its_workflow(llm: LumnisLLM, caplog: pytest.LogCaptureFixture) -> None:
    """A stream that a workflow returns can be read when the workflow's loop is gone."""

    class Returning(Workflow):
        @step
        async def ask(self, ev: StartEvent) -> StopEvent:
            return StopEvent(result=llm.stream_chat(HELLO))

    async def run() -> Any:
        return await Returning().run()

    assert list(asyncio.run(run()))[-1].message.content == ANSWER
    assert caplog.text == ""


class OtherStep:
    """The step of a workflow that runs elsewhere and does not show its event loop."""

    def __init__(self) -> None:
        self.written: list[LumnisProgressEvent] = []

    def write_event_to_stream(self, event: LumnisProgressEvent) -> None:
        self.written.append(event)


@pytest.mark.parametrize(("way", "heard"), [("achat", True), ("thread", False)])
async def test_a_runtime_that_hides_its_loop(llm: LumnisLLM, way: str, heard: bool) -> None:
    """There, what runs in the loop is heard; a thread cannot know where to write, and works all the same."""
    other = OtherStep()
    token = InternalContextVar.set(lambda: other)  # type: ignore[arg-type] # stands in for a reference
    try:
        assert str(await WAYS[way](llm)) == ANSWER
    finally:
        InternalContextVar.reset(token)
    assert bool(other.written) is heard


def test_events_can_be_stored(llm: LumnisLLM, own_events: Collector) -> None:
    """Workflows can write an event down and read it again."""
    llm.chat(HELLO)
    for event in own_events.seen:
        assert isinstance(event, LumnisProgressEvent)
        again = JsonSerializer().deserialize(JsonSerializer().serialize(event))
        assert again == event
        assert event
