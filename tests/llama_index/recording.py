"""An LLM, event handlers and span handlers that record all that they get."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    LLMMetadata,
    TextBlock,
    ToolCallBlock,
)
from llama_index.core.callbacks import CallbackManager
from llama_index.core.callbacks.base_handler import BaseCallbackHandler
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.span_handlers import BaseSpanHandler
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.tools import BaseTool, ToolSelection
from llama_index_instrumentation import get_dispatcher
from pydantic import Field, PrivateAttr

from tests.shared.guarded import answer_to, arguments_for, pieces


class Callbacks(BaseCallbackHandler):
    """Records the payloads of callbacks."""

    def __init__(self) -> None:
        super().__init__([], [])
        self.seen: list[object] = []

    def on_event_start(
        self, event_type: Any, payload: Any = None, event_id: str = "", parent_id: str = "", **kwargs: Any
    ) -> str:
        self.seen.append((event_type, repr(payload), kwargs))
        return event_id

    def on_event_end(self, event_type: Any, payload: Any = None, event_id: str = "", **kwargs: Any) -> None:
        self.seen.append((event_type, repr(payload), kwargs))

    def start_trace(self, trace_id: str | None = None) -> None:
        """Do nothing."""

    def end_trace(self, trace_id: str | None = None, trace_map: Any = None) -> None:
        """Do nothing."""


class _Events(BaseEventHandler):
    _seen: list[object] = PrivateAttr(default_factory=list)

    def handle(self, event: Any, **kwargs: Any) -> None:
        self._seen.append((type(event).__name__, repr(event)))


class _Spans(BaseSpanHandler[Any]):
    _seen: list[object] = PrivateAttr(default_factory=list)

    def new_span(self, id_: str, bound_args: Any, instance: Any = None, **kwargs: Any) -> None:  # type: ignore[override] # further ones as keywords
        self._seen.append((id_, repr(bound_args), kwargs))

    def prepare_to_exit_span(
        self, id_: str, bound_args: Any, instance: Any = None, result: Any = None, **_: Any
    ) -> Any:
        self._seen.append((id_, repr(bound_args), repr(result)))

    def prepare_to_drop_span(self, id_: str, bound_args: Any, instance: Any = None, err: Any = None, **_: Any) -> Any:
        self._seen.append((id_, repr(bound_args), repr(err)))


@contextmanager
def watching() -> Iterator[list[object]]:
    """Record all events and spans of the framework in the block."""
    dispatcher, events, spans = get_dispatcher(), _Events(), _Spans()
    spans._seen = events._seen
    dispatcher.add_event_handler(events)
    dispatcher.add_span_handler(spans)
    try:
        yield events._seen
    finally:
        dispatcher.event_handlers.remove(events)
        dispatcher.span_handlers.remove(spans)


class RecordingLLM(FunctionCallingLLM):
    """An LLM that records what it gets, and answers with the placeholders in it; with tools, it calls one, once."""

    seen: list[Any] = Field(default_factory=list)
    as_blocks: bool = False
    calls_tools: bool = True

    @property
    def metadata(self) -> LLMMetadata:
        """It is a chat model that calls tools."""
        return LLMMetadata(is_chat_model=True, is_function_calling_model=self.calls_tools)

    def _answer(self, messages: Sequence[ChatMessage], options: dict[str, Any]) -> ChatMessage:
        self.seen.append(repr((messages, options)))
        names = options.get("tool_names")
        if names and messages[-1].role != "tool":
            call = ToolCallBlock(tool_call_id="1", tool_name=names[0], tool_kwargs=arguments_for(messages))
            return ChatMessage(role="assistant", blocks=[call])
        text = answer_to(messages)
        texts = [text[:6], text[6:]] if self.as_blocks else [text]
        return ChatMessage(role="assistant", blocks=[TextBlock(text=one) for one in texts])

    def _chunks(self, messages: Sequence[ChatMessage], options: dict[str, Any]) -> Iterator[ChatResponse]:
        message = self._answer(messages, options)
        if not message.content:
            yield ChatResponse(message=message, delta="")
            return
        whole = ""
        for piece in pieces("".join(block.text for block in message.blocks if isinstance(block, TextBlock))):
            whole += piece
            yield ChatResponse(message=ChatMessage(role="assistant", content=whole), delta=piece)

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Answer."""
        return ChatResponse(message=self._answer(messages, kwargs))

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Answer."""
        return ChatResponse(message=self._answer(messages, kwargs))

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> Any:
        """Answer in pieces."""

        def chunks() -> Generator[ChatResponse, None, None]:
            yield from self._chunks(messages, kwargs)

        return chunks()

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> Any:
        """Answer in pieces."""

        async def chunks() -> AsyncGenerator[ChatResponse, None]:
            for chunk in self._chunks(messages, kwargs):
                yield chunk

        return chunks()

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """Complete."""
        return CompletionResponse(text=self._answer([ChatMessage(prompt)], kwargs).content or "")

    @llm_completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """Complete."""
        return CompletionResponse(text=self._answer([ChatMessage(prompt)], kwargs).content or "")

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        """Complete in pieces."""

        def chunks() -> Generator[CompletionResponse, None, None]:
            for chunk in self._chunks([ChatMessage(prompt)], kwargs):
                yield CompletionResponse(text=chunk.message.content or "", delta=chunk.delta)

        return chunks()

    @llm_completion_callback()
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        """Complete in pieces."""

        async def chunks() -> AsyncGenerator[CompletionResponse, None]:
            for chunk in self._chunks([ChatMessage(prompt)], kwargs):
                yield CompletionResponse(text=chunk.message.content or "", delta=chunk.delta)

        return chunks()

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: Any = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        new = [ChatMessage(user_msg) if isinstance(user_msg, str) else user_msg] if user_msg else []
        names = [tool.metadata.get_name() for tool in tools]
        return {"messages": [*(chat_history or []), *new], "tool_names": names}

    def get_tool_calls_from_response(self, response: ChatResponse, *_: Any, **__: Any) -> list[ToolSelection]:
        """Return the calls of tools in an answer."""
        return [
            ToolSelection(tool_id="1", tool_name=block.tool_name, tool_kwargs=block.tool_kwargs)
            for block in response.message.blocks
            if isinstance(block, ToolCallBlock) and isinstance(block.tool_kwargs, dict)
        ]


def recording() -> tuple[RecordingLLM, Callbacks]:
    """Return an LLM and its callbacks."""
    callbacks = Callbacks()
    return RecordingLLM(callback_manager=CallbackManager([callbacks])), callbacks
