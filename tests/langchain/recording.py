"""A chat model, callbacks and a tracer that record all that they get."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run
from pydantic import Field

from tests.shared.guarded import answer_to, arguments_for, json_pieces, pieces

_EVENTS = [
    f"on_{what}_{when}" for what in ("chain", "tool", "retriever", "llm") for when in ("start", "end", "error")
] + ["on_chat_model_start", "on_llm_new_token", "on_text", "on_stream_event", "on_custom_event"]


class Recorder(BaseCallbackHandler):
    """Records the arguments of all events."""

    def __init__(self) -> None:
        self.seen: list[object] = []


def _recording(name: str) -> Any:
    def record(self: Recorder, *args: Any, **kwargs: Any) -> None:
        self.seen.append((name, args, kwargs))

    return record


for _name in _EVENTS:
    setattr(Recorder, _name, _recording(_name))


class Tracer(BaseTracer):
    """Records whole runs, as traces save them."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[object] = []

    def _persist_run(self, run: Run) -> None:
        self.seen.append(run.model_dump() if hasattr(run, "model_dump") else run)


class RecordingModel(BaseChatModel):
    """A model that records what it gets, and answers with the placeholders in it.

    With tools it calls the first one, once; ``as_blocks`` makes its content a list of blocks.
    """

    seen: list[object] = Field(default_factory=list)
    as_blocks: bool = False
    cache: Any = Field(default_factory=InMemoryCache)

    @property
    def _llm_type(self) -> str:
        return "recording"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        """Return the model with the names of tools."""
        names = [getattr(tool, "name", None) or getattr(tool, "__name__", "") for tool in tools]
        return self.bind(tool_names=names, **{name: value for name, value in kwargs.items() if name == "tool_choice"})

    def _answer(self, messages: list[BaseMessage], options: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
        self.seen.append((messages, options))
        if (names := options.get("tool_names")) and not isinstance(messages[-1], ToolMessage):
            return "", {"name": names[0], "args": arguments_for(messages), "id": "call-1"}
        return answer_to(messages), None

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        text, call = self._answer(messages, kwargs)
        content: Any = [{"type": "text", "text": text}] if self.as_blocks else text
        message = AIMessage(content, tool_calls=[{**call, "type": "tool_call"}] if call else [])
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        text, call = self._answer(messages, kwargs)
        for number, piece in enumerate(json_pieces(call["args"]) if call else []):
            first = {"name": call["name"], "id": call["id"]} if call and not number else {}
            chunk = AIMessageChunk(content="", tool_call_chunks=[tool_call_chunk(args=piece, index=0, **first)])
            yield self._reported(chunk, run_manager)
        for piece in pieces(text):
            content: Any = [{"type": "text", "text": piece, "index": 0}] if self.as_blocks else piece
            yield self._reported(AIMessageChunk(content=content), run_manager)

    @staticmethod
    def _reported(message: AIMessageChunk, manager: CallbackManagerForLLMRun | None) -> ChatGenerationChunk:
        chunk = ChatGenerationChunk(message=message)
        if manager is not None:
            manager.on_llm_new_token(chunk.text, chunk=chunk)
        return chunk


def turn(text: str) -> list[BaseMessage]:
    """Return a conversation of one message."""
    return [HumanMessage(text)]
