from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.base import BaseEvent
from llama_index_instrumentation.event_handlers import BaseEventHandler

from lumnisai_core import RunUpdate, ToolCall
from lumnisai_core.local import Script, Step
from lumnisai_integrations.llama_index import LumnisLLM, LumnisProgressEvent
from lumnisai_integrations.llama_index.lumnis.listeners import event_of, has_handlers
from tests.llama_index.conftest import ANSWER, HELLO, Collector, Stage

STEPS = Script(
    steps=[Step("Reading."), Step("Searching.", tool_calls=[{"name": "search", "args": {"q": "tide"}}])],
    output_text=ANSWER,
)
KIND = "LumnisProgressEvent"


@pytest.fixture
def llm(make: Callable[..., LumnisLLM], stage: Stage) -> LumnisLLM:
    stage.play(STEPS)
    return make(progress_interval=0.05)


def _messages(handler: Collector) -> list[str]:
    return [event.message for event in handler.of(KIND) if event.message]


def test_event() -> None:
    """An event holds plain values only."""
    calls = (ToolCall(name="search", args={"q": "tide"}), ToolCall(name="read"))
    update = RunUpdate("r1", "t1", "in_progress", "processing", message="Searching.", tool_calls=calls, entry_index=3)
    event = event_of(update, "span-1")
    assert event.tool_calls == 'search(q="tide")\nread()'
    assert (event.span_id, event.entry_index, event.is_last) == ("span-1", 3, False)
    values = event.model_dump(exclude={"timestamp", "tags"})
    assert all(value is None or isinstance(value, str | int | bool) for value in values.values())


def test_chat(llm: LumnisLLM, own_events: Collector) -> None:
    """Whoever listens to this package hears every step and the end, in order, within the span of the call."""
    llm.chat(HELLO)
    assert _messages(own_events) == ["Reading.", "Searching."]
    heard = own_events.of(KIND)
    assert [event.is_last for event in heard] == [False] * (len(heard) - 1) + [True]
    assert len({event.span_id for event in heard}) == 1
    assert str(heard[0].span_id).startswith("LumnisLLM.chat-")
    assert isinstance(heard[0], LumnisProgressEvent)


async def test_achat(llm: LumnisLLM, own_events: Collector) -> None:
    """Asynchronous calls are heard likewise."""
    assert (await llm.achat(HELLO)).message.content == ANSWER
    assert _messages(own_events) == ["Reading.", "Searching."]


@pytest.mark.parametrize("call", ["stream_chat", "stream_complete"])
def test_streams(llm: LumnisLLM, events: Collector, call: str) -> None:
    """Events of a stream belong to a span that is open while they are sent."""
    list(getattr(llm, call)(HELLO if "chat" in call else "Hello"))
    assert _messages(events) == ["Reading.", "Searching."]
    assert {str(event.span_id).partition("-")[0] for event in events.of(KIND)} == {"LumnisLLM.read_stream"}


async def test_async_streams(llm: LumnisLLM, events: Collector) -> None:
    """So do those of an asynchronous stream."""
    assert [chunk async for chunk in await llm.astream_chat(HELLO)]
    assert {str(event.span_id).partition("-")[0] for event in events.of(KIND)} == {"LumnisLLM.read_stream"}


def test_framework_events(llm: LumnisLLM, events: Collector) -> None:
    """A stream is reported by the framework's own events: start, every chunk, end."""
    chunks = list(llm.stream_chat(HELLO))
    counts = {kind: len(events.of(f"LLMChat{kind}Event")) for kind in ("Start", "InProgress", "End")}
    assert counts == {"Start": 1, "InProgress": len(chunks), "End": 1}
    assert events.of("LLMChatEndEvent")[0].response.message.content == ANSWER


def test_completions_are_reported_once(llm: LumnisLLM, events: Collector) -> None:
    """A completion is reported as a completion, not as a chat besides."""
    llm.complete("Hello")
    list(llm.stream_complete("Hello"))
    assert len(events.of("LLMCompletionStartEvent")) == len(events.of("LLMCompletionEndEvent")) == 2
    assert events.of("LLMChatStartEvent") == []


class Broken(BaseEventHandler):
    @classmethod
    def class_name(cls) -> str:
        return "Broken"

    def handle(self, event: BaseEvent, **_: Any) -> None:
        raise RuntimeError("the display is gone")


@pytest.fixture
def broken() -> Iterator[None]:
    dispatcher, handler = get_dispatcher(), Broken()
    dispatcher.add_event_handler(handler)
    yield
    dispatcher.event_handlers.remove(handler)


@pytest.mark.usefixtures("broken")
def test_failing_handler(llm: LumnisLLM) -> None:
    """A handler that fails costs no answer."""
    assert llm.chat(HELLO).message.content == ANSWER
    assert list(llm.stream_chat(HELLO))[-1].message.content == ANSWER


def test_listening(own_events: Collector) -> None:
    """Polls are frequent only while some handler would hear the news."""
    dispatcher = get_dispatcher("lumnisai_integrations.llama_index")
    assert has_handlers()
    dispatcher.event_handlers.remove(own_events)
    assert not has_handlers()
    dispatcher.add_event_handler(own_events)


def test_own_callback(llm: LumnisLLM, own_events: Collector) -> None:
    """The core's ``on_progress`` works besides, in chats and in streams."""
    heard: list[str] = []
    llm.chat(HELLO, on_progress=lambda update: heard.append(update.message))
    list(llm.stream_chat(HELLO, on_progress=lambda update: heard.append(update.message)))
    assert [text for text in heard if text] == ["Reading.", "Searching."] * 2
    assert _messages(own_events) == ["Reading.", "Searching."] * 2
