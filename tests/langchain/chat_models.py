"""Chat models for tests of the engine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import Field


class RecordingModel(BaseChatModel):
    """Gives its answers in order, the last one again and again, or fails; remembers questions, tools and settings."""

    answer: AIMessage = AIMessage("Fine.")
    answers: list[AIMessage] = Field(default_factory=list)
    error: Any = None
    settings: list[Any] = Field(default_factory=list)
    asked: list[list[BaseMessage]] = Field(default_factory=list)
    tools: list[Any] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "recording"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self.asked.append(messages)
        if self.error:
            raise self.error if isinstance(self.error, Exception) else ConnectionError(self.error)
        answers = self.answers or [self.answer]
        return ChatResult(generations=[ChatGeneration(message=answers[min(len(self.asked), len(answers)) - 1])])

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        self.tools.extend(tools)
        self.settings.append(kwargs)
        return self.bind()


class WritingModel(RecordingModel):
    """Writes some pieces of text, and then nothing until it may end or is cancelled."""

    pieces: list[str] = Field(default_factory=lambda: ["High", " at", " noon."])
    go: Any = Field(default_factory=asyncio.Event)
    loops: list[Any] = Field(default_factory=list)
    cancelled: Any = Field(default_factory=threading.Event)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        self.loops.append(asyncio.get_running_loop())
        for piece in self.pieces[:-1]:
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        usage: Any = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
        facts = {"model_name": "tide-1"}
        last = AIMessageChunk(content=self.pieces[-1], usage_metadata=usage, response_metadata=facts)
        yield ChatGenerationChunk(message=last)

    def end(self) -> None:
        self.loops[-1].call_soon_threadsafe(self.go.set)


class ConnectedModel(RecordingModel):
    """Asks a service over a client that all models of a process share, as packages of providers do."""

    client: Any
    url: str

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        answer = await self.client.get(self.url)
        if messages[-1].text == "The last question":
            await self.client.aclose()
        return ChatResult(generations=[ChatGeneration(message=AIMessage(f"Status {answer.status_code}."))])
