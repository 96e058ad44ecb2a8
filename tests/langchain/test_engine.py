"""Chat models as the engine of a service, asked through the client over real sockets."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, cast

import httpx
import pytest
from langchain_core.language_models import (
    BaseChatModel,
    FakeListChatModel,
    FakeMessagesListChatModel,
)
from langchain_core.messages import (
    AIMessage,
    HumanMessage,
    SystemMessage,
    ToolCall,
    ToolMessage,
)
from langchain_core.tools import tool
from pydantic import BaseModel, SecretStr

from lumnisai_core import Client, ResponseObject, liminal
from lumnisai_core.exceptions import RunFailedError
from lumnisai_core.local import LocalLumnis, OfflineEngine
from lumnisai_integrations.langchain import ChatModelEngine
from tests.conftest import Serve
from tests.langchain.chat_models import ConnectedModel, RecordingModel, WritingModel
from tests.langchain.conftest import Connect, assert_cancelled

USER = "user-123"
WEATHER: dict[str, Any] = {
    "type": "object",
    "properties": {"place": {"type": "string"}, "degrees": {"type": "number"}},
    "required": ["place", "degrees"],
}


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
    messages = [entry.message for entry in first.progress]
    assert messages == ["Asking FakeListChatModel.", "Writing the answer", "Run finished."]
    assert first.progress[1].output_text == "One."


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
    assert texts == ["File tides.txt:\n\nSprings follow the full moon.\n\nWhen?"]


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
    assert model.asked[-1][-1].content == "Hello\n\nUse Celsius."


def test_a_pydantic_class_of_the_caller(serve: Serve) -> None:
    """Its schema travels to the model."""
    service = serve(ChatModelEngine(RecordingModel(answer=calling("Weather", place="Bath", degrees=21))))
    run = invoke(service, response_format=Weather)
    assert Weather.model_validate(run.structured_response) == Weather(place="Bath", degrees=21)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (RecordingModel(answer=calling("Answer", place="Bath")), "does not fit the schema.*degrees"),
        (RecordingModel(answer=AIMessage("No idea.")), "no usable object in 3 tries; .* the answer was 'No idea.'"),
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
    with pytest.raises(RunFailedError, match=r"ConnectionError: the line is cut \(MODEL_UNAVAILABLE\)"):
        invoke(serve(ChatModelEngine(RecordingModel(error="the line is cut"))))


def test_cancelling_a_run_cancels_the_call(serve: Serve) -> None:
    """The model's stream is ended, not left working."""
    model = WritingModel()
    service = serve(ChatModelEngine(model), poll="on-change")
    with Client(service.api_key, base_url=service.base_url, user_id=USER) as client:
        run = client.responses.create("Hello")
        while len(client.responses.get(run.response_id, wait=5).progress) < 2:
            pass
        client.responses.cancel(run.response_id)
    assert_cancelled(service, run.response_id)
    assert model.cancelled.wait(10)


def test_services_of_one_process_share_the_connections_of_models(serve: Serve) -> None:
    """A run works over a connection that an earlier or another service has opened."""
    provider, client = serve(OfflineEngine()), httpx.AsyncClient()
    engine = ChatModelEngine(ConnectedModel(client=client, url=f"{provider.base_url}/v1/health"))
    answers = []
    for _ in range(3):
        with LocalLumnis(engine=engine) as first, LocalLumnis(engine=engine) as second:
            answers += [invoke(service).output_text for service in (first, second, first)]
    with LocalLumnis(engine=engine) as last:
        answers.append(invoke(last, "The last question").output_text)
    assert set(answers) == {"Status 200."}


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


def test_the_answer_is_shown_while_it_is_written(serve: Serve) -> None:
    """Its text grows in one entry; the run ends with all of it, its tokens and the name of the model."""
    model = WritingModel()
    service = serve(ChatModelEngine(model), poll="on-change")
    with Client(service.api_key, base_url=service.base_url, user_id=USER) as client:
        stream = client.invoke("Hello", stream=True)
        seen = ""
        for update in stream:
            seen += update.delta
            if seen == "High at":
                model.end()
        assert seen in ("High at", "High at noon.")
        run = stream.result()
    assert run.output_text == "High at noon."
    assert run.progress[1].output_text == "High at noon."
    assert run.usage is not None
    assert (run.usage.input_tokens, run.usage.output_tokens, run.usage.total_tokens) == (7, 3, 10)
    assert run.model == "tide-1"


def test_an_object_that_does_not_fit_is_given_back(serve: Serve) -> None:
    """The model is told what is wrong and tries again; all tries count."""
    usage = {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}
    wrong = calling("Answer", place="Bath").model_copy(update={"usage_metadata": usage})
    right = calling("Answer", place="Bath", degrees=21).model_copy(update={"usage_metadata": usage})
    model = RecordingModel(answers=[wrong, right])
    run = invoke(serve(ChatModelEngine(model)), response_format=WEATHER)
    assert run.structured_response == {"place": "Bath", "degrees": 21}
    assert [message.type for message in model.asked[-1]] == ["human", "ai", "human"]
    assert model.asked[-1][1].content == '{"place": "Bath"}'
    assert "'degrees' is a required property" in str(model.asked[-1][2].content).replace('"', "'")
    assert run.usage is not None
    assert run.usage.total_tokens == 14


def test_a_file_without_text_is_refused_in_words(serve: Serve) -> None:
    """A picture cannot be read by the engine, and nothing is sent to the model."""
    model = RecordingModel()
    files = [{"name": "tide.png", "uri": "https://example.org/tide.png", "mime_type": "image/png"}]
    with pytest.raises(RunFailedError, match=r"no text of the file 'tide.png' \(image/png\).*FILE_NOT_READABLE"):
        invoke(serve(ChatModelEngine(model)), files=files)
    assert not model.asked


def test_errors_of_the_provider_do_not_show_its_key(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the model's own key nor one of the environment, nor what looks like one."""
    monkeypatch.setenv("TIDE_API_KEY", "environment-key-1")

    class Refused(Exception):
        status_code = 401

    text = "Bad key: environment-key-1, sk-abcdef**********wxyz, model-key-123456"
    model = KeyedModel(error=Refused(text), api_key=SecretStr("model-key-123456"))
    with pytest.raises(RunFailedError, match="MODEL_AUTH_ERROR") as caught:
        invoke(serve(ChatModelEngine(model)))
    assert "Bad key: [redacted], [redacted], [redacted]" in str(caught.value)


class KeyedModel(RecordingModel):
    api_key: SecretStr


def test_passages_of_files_are_found(serve: Serve, tmp_path: Any) -> None:
    """The model sees the passages that match, within the limit; the run has their files as artifacts."""
    model = RecordingModel()
    service = serve(ChatModelEngine(model, file_tokens=600), step_delay=0)
    with Client(service.api_key, base_url=service.base_url, user_id=USER) as client:
        for name, topic in (("tides.txt", "Spring tides follow the full moon. "), ("bread.txt", "Dough needs salt. ")):
            path = tmp_path / name
            path.write_text("".join(f"{topic}Line {number}.\n" for number in range(400)))
            client.files.wait_until_processed(client.files.upload(path).file_id, poll_interval=0.05)
        run = client.invoke("When do spring tides come?", options={"use_files": True})
    shown = str(model.asked[-1][-1].content)
    assert "File tides.txt, lines" in shown
    assert "Dough" not in shown
    assert len(shown) < 600 * 5
    (artifact,) = run.artifacts
    assert (artifact.name, (artifact.metadata or {})["type"]) == ("tides.txt", "source")
    assert all("Spring tides" in part.text and part.metadata for part in artifact.parts)


def test_a_large_named_file_is_shown_in_part(serve: Serve, tmp_path: Any) -> None:
    """Of a file that does not fit the model sees the passages about the question."""
    model = RecordingModel()
    service = serve(ChatModelEngine(model, file_tokens=600), step_delay=0)
    path = tmp_path / "log.txt"
    lines = [f"Line {number} says nothing at all about it.\n" for number in range(2000)]
    path.write_text("".join([*lines[:1500], "The lighthouse keeper left at dawn.\n", *lines[1500:]]))
    with Client(service.api_key, base_url=service.base_url, user_id=USER) as client:
        file = client.files.upload(path)
        client.files.wait_until_processed(file.file_id, poll_interval=0.05)
        files = [{"name": "log.txt", "uri": f"artifact_{file.file_id}"}]
        client.invoke("When did the lighthouse keeper leave?", files=files)
    assert "lighthouse keeper left at dawn" in str(model.asked[-1][-1].content)


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
def now() -> str:
    """Tell the time."""
    return "noon"


class Total(BaseModel):
    """A total."""

    total: int


def two_calls() -> AIMessage:
    made = [ToolCall(name="add", args={"a": 1, "b": 2}, id="one"), ToolCall(name="now", args={}, id="two")]
    return AIMessage("Let me see.", tool_calls=made)


@pytest.mark.parametrize("in_thread", [True, False])
def test_the_caller_s_tools_are_the_model_s(serve: Serve, connect: Connect, in_thread: bool) -> None:
    """They are bound to the model, several are called at once, and results come back to it with their ids."""
    model = RecordingModel(answers=[two_calls(), AIMessage("It is 3 at noon.")])
    service = serve(ChatModelEngine(model))
    llm = connect(service)
    bound = llm.bind_tools([add, now])
    question = HumanMessage("What is 1 + 2, and when?")
    answer = bound.invoke([SystemMessage("Be brief."), question])
    assert answer.content == "Let me see."
    assert [(call["name"], call["args"]) for call in answer.tool_calls] == [("add", {"a": 1, "b": 2}), ("now", {})]
    ids = [str(call["id"]) for call in answer.tool_calls]
    results = [ToolMessage(text, tool_call_id=one) for text, one in zip(("3", "noon"), ids, strict=True)]
    if in_thread:
        pairs = zip(results, ("add", "now"), strict=True)
        named = [message.model_copy(update={"name": name}) for message, name in pairs]
        final = bound.invoke(named, thread_id=answer.response_metadata["thread_id"])
    else:
        final = bound.invoke([SystemMessage("Be brief."), question, answer, *results])
    assert (final.content, final.tool_calls) == ("It is 3 at noon.", [])
    assert [function["function"]["name"] for function in model.tools[:2]] == ["add", "now"]
    assert model.settings == [{}, {}]
    sent = model.asked[-1]
    assert [message.type for message in sent] == ["system", "human", "ai", "tool", "tool"]
    assert [call["id"] for call in cast("AIMessage", sent[2]).tool_calls] == ids
    assert [cast("ToolMessage", message).tool_call_id for message in sent[3:]] == ids
    assert "tool" not in " ".join(str(message.content) for message in model.asked[0])


def test_a_forced_call_is_one(serve: Serve, connect: Connect) -> None:
    """A model that talks instead is told, and the choice is the model's own."""
    model = RecordingModel(answers=[AIMessage("Why?"), two_calls()])
    llm = connect(serve(ChatModelEngine(model)))
    answer = llm.bind_tools([add, now], tool_choice="any", parallel_tool_calls=False).invoke("1 + 2?")
    assert [call["name"] for call in answer.tool_calls] == ["add"]
    assert model.settings == [{"tool_choice": "any"}]
    assert "must be a tool call" in str(model.asked[-1][-1].content)


def test_tools_and_an_object(serve: Serve, connect: Connect) -> None:
    """The object is one more tool of the model, whose arguments are checked."""
    answers = [calling("add", a=1, b=2), calling("Total", total="3 or so"), calling("Total", total=3)]
    model = RecordingModel(answers=answers)
    llm = connect(serve(ChatModelEngine(model)))
    chain = llm.with_structured_output(Total, tools=[add], include_raw=True)
    first = chain.invoke("1 + 2?")
    second = chain.invoke("1 + 2?")
    assert first["raw"].tool_calls[0]["name"] == "add"
    assert second["parsed"] == Total(total=3)
    assert [function["function"]["name"] for function in model.tools[:2]] == ["add", "Total"]
    assert len(model.asked) == 3


def test_a_model_without_tools_says_so(serve: Serve, connect: Connect) -> None:
    llm = connect(serve(ChatModelEngine(FakeListChatModel(responses=["x"]))))
    with pytest.raises(RunFailedError, match=r"takes none.*TOOLS_UNSUPPORTED"):
        llm.bind_tools([add]).invoke("1 + 2?")
