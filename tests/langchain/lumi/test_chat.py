"""The chat model on Lumi.new: messages, pictures, streams, stops, errors, secrets."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from langchain_core.exceptions import ModelError
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

from lumnisai_core.exceptions import (
    AuthenticationError,
    ConfigurationError,
    RateLimitError,
    TruncatedStreamError,
    ValidationError,
)
from lumnisai_core.local import LocalLumnis
from lumnisai_core.lumi import AsyncClient, Client
from lumnisai_integrations.langchain import ChatLumi
from lumnisai_integrations.langchain.lumi.messages import convert_in
from tests.core.backend import API_KEY, PROJECT, SIGN_KEY, TOKEN, bad, body, events, good, piece
from tests.servers import CannedServer, canned_server

PICTURE = "https://files.example.test/tap.png"


def model_of(server: CannedServer, **fields: Any) -> ChatLumi:
    known = {"project_id": PROJECT, "api_base_url": server.base_url, "api_key": API_KEY, "sign_key": SIGN_KEY}
    return ChatLumi(**{**known, **fields})


def answered(text: str) -> Any:
    return good({"chatId": "c-81", "content": text})


@pytest.mark.parametrize(
    ("message", "role", "content", "medias"),
    [
        (SystemMessage("Be brief."), "system", "Be brief.", []),
        (HumanMessage("Hi", name="Ines"), "user", "Ines: Hi", []),
        (ChatMessage(content="Hi", role="developer"), "system", "Hi", []),
        (
            HumanMessage([{"type": "text", "text": "What is it?"}, {"type": "image", "url": PICTURE}]),
            "user",
            "What is it?",
            [{"mimeType": "image/png", "url": PICTURE}],
        ),
        (
            HumanMessage([{"type": "image_url", "image_url": {"url": "data:image/gif;base64,R0lG"}}]),
            "user",
            "",
            [{"mimeType": "image/gif", "url": "data:image/gif;base64,R0lG"}],
        ),
        (
            HumanMessage([{"type": "file", "base64": "JVBE", "mime_type": "application/pdf"}, "text"]),
            "user",
            "text",
            [{"mimeType": "application/pdf", "url": "data:application/pdf;base64,JVBE"}],
        ),
        (
            AIMessage([{"type": "reasoning", "reasoning": "Hm"}, {"type": "text", "text": "Yes"}]),
            "assistant",
            "Yes",
            [],
        ),
        (
            AIMessage("Wait", tool_calls=[{"name": "f", "args": {"a": 1}, "id": "c1"}]),
            "assistant",
            'Wait\n{"tool_calls": [{"id": "c1", "name": "f", "args": {"a": 1}}]}',
            [],
        ),
        (
            ToolMessage(
                [{"type": "text", "text": "42"}, {"type": "image", "url": PICTURE}], tool_call_id="c1", name="f"
            ),
            "user",
            '{"tool_result": {"name": "f", "id": "c1", "status": "success"}}\n42\n[end of tool result]',
            [{"mimeType": "image/png", "url": PICTURE}],
        ),
        (
            FunctionMessage(content="42", name="f"),
            "user",
            '{"tool_result": {"name": "f", "id": null}}\n42\n[end of tool result]',
            [],
        ),
    ],
)
def test_messages_are_written_as_the_service_takes_them(
    message: AnyMessage, role: str, content: str, medias: list[dict[str, str]]
) -> None:
    """Roles, texts and pictures; tool calls and their results become text."""
    expected = {"role": role, "content": content, **({"medias": medias} if medias else {})}
    assert convert_in([message]) == [expected]


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ([], "There are no messages"),
        ([HumanMessage([{"type": "image", "file_id": "f-1"}])], r"messages\[0\] holds a block of type 'image'"),
        ([ChatMessage(content="x", role="judge")], "got role 'judge'"),
        ([RemoveMessage(id="x")], "got RemoveMessage"),
    ],
)
def test_messages_that_cannot_be_sent_are_refused(messages: list[Any], problem: str) -> None:
    """With the place."""
    with pytest.raises(ValidationError, match=problem):
        convert_in(messages)


async def test_a_call_sends_everything_and_answers_with_honest_metadata() -> None:
    """The model and the stops of the call win over those of the fields; there is no usage."""
    with canned_server([answered("A dripping tap. Really."), answered("A"), answered("B")]) as server:
        model = model_of(server, model="m-1", stop=["Really"])
        message = model.invoke([("system", "Brief."), ("human", "What?")])
        assert message.text == "A dripping tap. "
        assert message.response_metadata == {"model_provider": "lumi", "model_name": "m-1", "chat_id": "c-81"}
        assert message.usage_metadata is None
        assert (await model.ainvoke("Hi", stop=["x"], model="m-2")).text == "A"
        with pytest.warns(UserWarning, match=r"ChatLumi ignores temperature: Lumi\.new has no such setting"):
            model.invoke("Hi", temperature=0.5)
        with pytest.raises(ValidationError, match="ChatLumi has no colour"):
            model.invoke("Hi", colour="red")
        model.close()
        await model.aclose()
    assert [body(request)["modelName"] for request in server.received] == ["m-1", "m-2", "m-1"]
    assert [row["role"] for row in body(server.received[0])["chatMessages"]] == ["system", "user"]


@pytest.mark.parametrize(
    ("pieces", "stop", "expected"),
    [
        (["A ", "dripping ", "tap."], None, ["A ", "dripping ", "tap.", ""]),
        (["A EN", "D of"], ["END"], ["A ", ""]),
        (["A EN", "tire"], ["END"], ["A ", "ENtire", ""]),
        (["A EN"], ["END"], ["A ", "EN"]),
    ],
)
async def test_a_stream_yields_pieces_up_to_a_stop(
    pieces: list[str], stop: list[str] | None, expected: list[str]
) -> None:
    """A stop may be split over two pieces; nothing of it is shown, and nothing before it is lost."""
    with canned_server([events(*map(piece, pieces))]) as server:
        model = model_of(server)
        assert [chunk.text for chunk in model.stream("Hi", stop=stop)] == expected
        chunks = [chunk async for chunk in model.astream("Hi", stop=stop)]
        assert [chunk.text for chunk in chunks] == expected
        assert chunks[-1].response_metadata["chat_id"] == "c-82"
        model.close()
        await model.aclose()


async def test_errors_belong_to_both_families() -> None:
    """Those of the core with their codes, and LangChain's, so that retries and fallbacks work."""
    with canned_server([bad(429), bad(2100), events(piece("A"), "data: {half")]) as server:
        model = model_of(server, max_retries=0, authorization=TOKEN)
        with pytest.raises(RateLimitError) as busy:
            model.invoke("Hi")
        with pytest.raises(AuthenticationError) as refused:
            await model.ainvoke("Hi")
        with pytest.raises(TruncatedStreamError):
            list(model.stream("Hi"))
        assert (busy.value.code, refused.value.code) == ("429", "2100")
        assert isinstance(busy.value, ModelError)
        assert isinstance(refused.value, ModelError)
        model.close()
        await model.aclose()


def test_secrets_show_nowhere_and_pickles_hold_none() -> None:
    """A copy works for the same user; what comes from a pickle does not continue as nobody."""
    with canned_server([answered("A")]) as server:
        model = model_of(server, authorization=f"Bearer {TOKEN}")
        restored = pickle.loads(pickle.dumps(model))
        text = repr(model) + str(model) + str(model.model_dump()) + pickle.dumps(model).decode("latin-1")
        assert not [secret for secret in (TOKEN, API_KEY, SIGN_KEY) if secret in text]
        with pytest.raises(ConfigurationError, match="comes from a pickle, which holds no token"):
            restored.invoke("Hi")
        for copied in (copy.copy(model), copy.deepcopy(model), model.model_copy()):
            copied.invoke("Hi")
            copied.close()
        assert {request.headers["authorization"] for request in server.received} == {f"Bearer {TOKEN}"}
        assert model_of(server) == model_of(server)


def test_the_key_with_all_rights_is_not_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A component acts for its user, unless it gets that key explicitly."""
    monkeypatch.setenv("TOP_ACCESS_KEY", "top-access-demo")
    with canned_server([answered("A")]) as server:
        for fields in ({}, {"top_access_key": "top-access-demo"}):
            model = model_of(server, **fields)
            model.invoke("Hi")
            model.close()
        assert ["x-top-access" in request.headers for request in server.received] == [False, True]


async def test_own_clients_are_used_and_left_open(local: LocalLumnis) -> None:
    """Each for its kind of call; the other kind says what is missing."""
    lumi = local.lumi
    settings: dict[str, Any] = {"api_key": lumi.api_key, "sign_key": lumi.sign_key}
    with Client(lumi.project_id, lumi.base_url, **settings) as client:
        model = ChatLumi(client=client)
        assert model.invoke("Hello").text
        with pytest.raises(ConfigurationError, match="also pass async_client"):
            await model.ainvoke("Hello")
        model.close()
        assert model.invoke("Hello").text
    async with AsyncClient(lumi.project_id, lumi.base_url, **settings) as other:
        assert (await ChatLumi(async_client=other).ainvoke("Hello")).text


def test_a_model_without_an_application_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is made, naming the variable; a mistyped field is an error, too."""
    monkeypatch.delenv("LUMI_PROJECT_ID", raising=False)
    with pytest.raises(ConfigurationError, match="LUMI_PROJECT_ID"):
        ChatLumi(api_base_url="http://127.0.0.1:9")
    with pytest.raises(ValueError, match="projekt"):
        ChatLumi(projekt="p")  # type: ignore[call-arg]
