"""Chat models as the engine of a service, asked through the client over real sockets."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import (
    BaseChatModel,
    FakeListChatModel,
    FakeMessagesListChatModel,
    LanguageModelInput,
)
from langchain_core.messages import AIMessage, BaseMessage, ToolCall
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from pydantic import BaseModel, Field

from lumnisai_core import Client, ResponseObject, liminal
from lumnisai_core.exceptions import RunFailedError
from lumnisai_core.local import LocalLumnis
from lumnisai_integrations.langchain import ChatModelEngine
from tests.conftest import Serve
from tests.langchain.conftest import assert_cancelled

USER = "user-123"
WEATHER: dict[str, Any] = {
    "type": "object",
    "properties": {"place": {"type": "string"}, "degrees": {"type": "number"}},
    "required": ["place", "degrees"],
}


class RecordingModel(BaseChatModel):
    """Gives one message every time, or fails; remembers what it was asked and which tools it was given."""

    answer: AIMessage = AIMessage("Fine.")
    error: str = ""
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
            raise ConnectionError(self.error)
        return ChatResult(generations=[ChatGeneration(message=self.answer)])

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        self.tools.extend(tools)
        return self.bind()


class EndlessModel(FakeListChatModel):
    """Works until it is cancelled."""

    responses: list[str] = Field(default_factory=list)
    cancelled: Any = Field(default_factory=threading.Event)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        raise AssertionError


class Weather(BaseModel):
    place: str
    degrees: float


def invoke(service: LocalLumnis, text: str = "Hello", **options: Any) -> ResponseObject:
    with Client(service.api_key, base_url=service.base_url, user_id=USER) as client:
        run: ResponseObject = client.invoke(text, **options)
        return run


def calling(name: str, **args: Any) -> AIMessage:
    return AIMessage("Let me see.", tool_calls=[ToolCall(name=name, args=args, id="call-1")])


@pytest.fixture
def langchain(monkeypatch: pytest.MonkeyPatch) -> dict[str, BaseChatModel]:
    """A package `langchain` that makes these models."""
    made: dict[str, BaseChatModel] = {}
    module = ModuleType("langchain.chat_models")

    def init_chat_model(name: str) -> BaseChatModel:
        if name not in made:
            raise ValueError(f"Unsupported model {name}")
        return made[name]

    module.init_chat_model = init_chat_model  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "langchain", ModuleType("langchain"))
    monkeypatch.setitem(sys.modules, "langchain.chat_models", module)
    return made


def test_a_chat_model_answers_runs(serve: Serve) -> None:
    """Each run is one call of the model; progress says what is asked."""
    service = serve(ChatModelEngine(FakeListChatModel(responses=["One.", "Two."])))
    first, second = invoke(service), invoke(service)
    assert (first.output_text, second.output_text) == ("One.", "Two.")
    assert [entry.message for entry in first.progress] == ["Asking FakeListChatModel.", "Run finished."]


def test_the_model_gets_the_conversation_of_the_thread(serve: Serve) -> None:
    """Roles are kept, and earlier answers are the assistant's."""
    model = RecordingModel()
    service = serve(ChatModelEngine(model))
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    with Client(service.api_key, base_url=service.base_url, user_id=USER) as client:
        first = client.invoke(messages)
        client.invoke("And now?", thread_id=first.thread_id)
    said = [(message.type, message.content) for message in model.asked[-1]]
    assert said == [("system", "Be brief."), ("human", "Hello"), ("ai", "Fine."), ("human", "And now?")]


def test_behind_the_privacy_gateway_the_model_sees_placeholders_only(serve: Serve) -> None:
    """In the conversation too; the caller gets the values back, whole and in a stream."""
    model = RecordingModel(answer=AIMessage("Dear **PERSON_0**, see EMAIL_ADDRESS_0."))
    service = serve(ChatModelEngine(model))
    with liminal.Client(service.liminal.base_url, token=service.liminal.token) as client:
        first = client.prompt.submit(1, "Write to Dr Mira Okafor, mira@example.org")
        chunks = list(client.prompt.stream(1, "Again to Dr Mira Okafor", thread_id=first.thread_id))
    assert first.answer == "Dear **Mira Okafor**, see mira@example.org."
    assert "".join(chunk.content for chunk in chunks) == first.answer
    assert [message.type for message in model.asked[-1]] == ["human", "ai", "human"]
    assert not any(word in repr(model.asked) for word in ("Okafor", "example.org"))


def test_texts_of_files_stand_before_the_question(serve: Serve, tmp_path: Any) -> None:
    """A stored file that the run names is shown to the model."""
    model = RecordingModel()
    service = serve(ChatModelEngine(model), step_delay=0)
    path = tmp_path / "tides.txt"
    path.write_text("Springs follow the full moon.")
    with Client(service.api_key, base_url=service.base_url, user_id=USER) as client:
        client.files.upload(path)
        client.responses.wait(client.responses.create("When?", options={"use_files": True}).response_id)
    texts = [str(message.content) for message in model.asked[-1]]
    assert texts == ["File tides.txt:\n\nSprings follow the full moon.", "When?"]


def test_tool_calls_are_reported(serve: Serve) -> None:
    """A model with tools bound to it says what it wants to call."""
    service = serve(ChatModelEngine(FakeMessagesListChatModel(responses=[calling("search", query="tides")])))
    run = invoke(service)
    assert run.output_text == "Let me see."
    (call,) = [call for entry in run.progress for call in entry.tool_calls]
    assert (call.name, call.args) == ("search", {"query": "tides"})


@pytest.mark.parametrize("titled", [True, False])
def test_structured_output(serve: Serve, titled: bool) -> None:
    """The model's own structured output is used, and nothing of its making is shown as a tool call."""
    name = "Weather" if titled else "Answer"
    model = RecordingModel(answer=calling(name, place="Bath", degrees=21))
    service = serve(ChatModelEngine(model))
    schema = {"title": "Weather", **WEATHER} if titled else WEATHER
    run = invoke(service, response_format=schema, response_format_instructions="Use Celsius.")
    assert run.structured_response == {"place": "Bath", "degrees": 21}
    assert run.output_text == "Let me see."
    assert [call for entry in run.progress for call in entry.tool_calls] == []
    assert model.tools == [{"title": name, **WEATHER}]
    assert model.asked[-1][-1].content == "Use Celsius."


def test_a_pydantic_class_of_the_caller(serve: Serve) -> None:
    """Its schema travels to the model."""
    service = serve(ChatModelEngine(RecordingModel(answer=calling("Weather", place="Bath", degrees=21))))
    run = invoke(service, response_format=Weather)
    assert Weather.model_validate(run.structured_response) == Weather(place="Bath", degrees=21)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (RecordingModel(answer=calling("Answer", place="Bath")), "does not fit the schema.*degrees"),
        (RecordingModel(answer=AIMessage("No idea.")), "no object that can be read: it answered 'No idea.'"),
        (FakeListChatModel(responses=["x"]), "no structured output"),
        (RecordingModel(error="the line is cut"), "ConnectionError: the line is cut"),
    ],
)
def test_structured_output_that_fails(serve: Serve, model: BaseChatModel, words: str) -> None:
    """The run fails with the reason."""
    with pytest.raises(RunFailedError, match=words):
        invoke(serve(ChatModelEngine(model)), response_format=WEATHER)


def test_errors_of_the_model_are_the_runs(serve: Serve) -> None:
    """With their text."""
    with pytest.raises(RunFailedError, match=r"ConnectionError: the line is cut \(MODEL_ERROR\)"):
        invoke(serve(ChatModelEngine(RecordingModel(error="the line is cut"))))


def test_cancelling_a_run_cancels_the_call(serve: Serve) -> None:
    """The model's coroutine is cancelled, not left working."""
    model = EndlessModel()
    service = serve(ChatModelEngine(model), poll="on-change")
    with Client(service.api_key, base_url=service.base_url, user_id=USER) as client:
        run = client.responses.create("Hello")
        while not client.responses.get(run.response_id, wait=5).progress:
            pass
        client.responses.cancel(run.response_id)
    assert_cancelled(service, run.response_id)
    assert model.cancelled.wait(10)


def test_overrides_choose_another_model(serve: Serve, langchain: dict[str, BaseChatModel]) -> None:
    """The strongest one that is given; without any it is the engine's own again."""
    langchain["openai:big"] = RecordingModel(answer=AIMessage("Big."))
    langchain["openai:quick"] = RecordingModel(answer=AIMessage("Quick."))
    service = serve(ChatModelEngine(RecordingModel()))
    chosen = [
        invoke(service, model_overrides={"fast_model": "openai:quick", "smart_model": "openai:big"}),
        invoke(service, model_overrides={"fast_model": "openai:quick"}),
        invoke(service),
    ]
    assert [run.output_text for run in chosen] == ["Big.", "Quick.", "Fine."]
    assert chosen[0].progress[0].message == "Asking openai:big."


def test_overrides_that_cannot_be_used(
    serve: Serve, langchain: dict[str, BaseChatModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that is not known, a service that does not allow it, and a missing package, which is named."""
    overrides = {"smart_model": "openai:none"}
    service = serve(ChatModelEngine(RecordingModel()))
    with pytest.raises(RunFailedError, match="openai:none: ValueError: Unsupported model"):
        invoke(service, model_overrides=overrides)
    with pytest.raises(RunFailedError, match="does not allow runs to choose"):
        invoke(serve(ChatModelEngine(RecordingModel(), allow_overrides=False)), model_overrides=overrides)
    monkeypatch.setitem(sys.modules, "langchain.chat_models", None)
    with pytest.raises(RunFailedError, match=r"package langchain.*pip install langchain"):
        invoke(service, model_overrides=overrides)


def test_a_model_does_not_pretend_to_be_a_specialized_agent(serve: Serve) -> None:
    model = RecordingModel()
    service = serve(ChatModelEngine(model))
    with Client(service.api_key, base_url=service.base_url, user_id=USER) as client:
        with pytest.raises(RunFailedError, match="AGENT_NOT_AVAILABLE"):
            client.invoke("Find people.", specialized_agent="quick_people_search")
    assert not model.asked
