"""The LLM on Lumi.new: messages, pictures, streams, stops, secrets, and its place in the framework."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from llama_index.core import SummaryIndex
from llama_index.core.base.llms.types import (
    ChatMessage,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.schema import Document
from pydantic import BaseModel

from lumnisai_core.exceptions import ConfigurationError, RateLimitError, TruncatedStreamError, ValidationError
from lumnisai_core.local import LocalLumnis
from lumnisai_integrations.llama_index import LumiLLM
from lumnisai_integrations.llama_index.lumi.messages import convert_in
from tests.core.backend import API_KEY, PROJECT, SIGN_KEY, TOKEN, bad, body, events, good, piece
from tests.servers import CannedServer, canned_server

PICTURE = "https://files.example.test/tap.png"


def llm_of(server: CannedServer, **fields: Any) -> LumiLLM:
    known = {"project_id": PROJECT, "api_base_url": server.base_url, "api_key": API_KEY, "sign_key": SIGN_KEY}
    return LumiLLM(**{**known, **fields})


def answered(text: str) -> Any:
    return good({"chatId": "c-81", "content": text})


CALL = ToolCallBlock(tool_call_id="c1", tool_name="f", tool_kwargs={"a": 1})


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (ChatMessage("Be brief.", role="system"), {"role": "system", "content": "Be brief."}),
        (ChatMessage("Hi", additional_kwargs={"name": "Ines"}), {"role": "user", "content": "Ines: Hi"}),
        (
            ChatMessage(blocks=[TextBlock(text="What is it?"), ImageBlock(url=PICTURE)]),
            {"role": "user", "content": "What is it?", "medias": [{"mimeType": "image/png", "url": PICTURE}]},
        ),
        (
            ChatMessage(blocks=[ImageBlock(image=b"GIF89a", image_mimetype="image/gif")]),
            {
                "role": "user",
                "content": "",
                "medias": [{"mimeType": "image/gif", "url": "data:image/gif;base64,R0lGODlh"}],
            },
        ),
        (
            ChatMessage(role="assistant", blocks=[ThinkingBlock(content="Hm"), TextBlock(text="Wait"), CALL]),
            {"role": "assistant", "content": 'Wait\n{"tool_calls": [{"id": "c1", "name": "f", "args": {"a": 1}}]}'},
        ),
        (
            ChatMessage("42", role="tool", additional_kwargs={"tool_call_id": "c1", "name": "f"}),
            {"role": "user", "content": '{"tool_result": {"name": "f", "id": "c1"}}\n42\n[end of tool result]'},
        ),
    ],
)
def test_messages_are_written_as_the_service_takes_them(message: ChatMessage, expected: dict[str, Any]) -> None:
    """Roles, texts and pictures; tool calls and their results become text."""
    assert convert_in([message]) == [expected]


async def test_a_call_sends_everything_and_answers_with_honest_metadata() -> None:
    """The model and the stops of the call win over those of the fields; other LLMs' keywords warn."""
    with canned_server([answered("A tap. Really.")]) as server:
        llm = llm_of(server, model="m-1", stop=["Really"])
        response = llm.chat([ChatMessage("What?")])
        assert response.message.content == "A tap. "
        assert response.additional_kwargs == {"model_provider": "lumi", "model_name": "m-1", "chat_id": "c-81"}
        assert (await llm.achat([ChatMessage("What?")], stop=["tap"], model="m-2")).message.content == "A "
        assert llm.complete("What?").text == (await llm.acomplete("What?")).text == "A tap. "
        with pytest.warns(UserWarning, match="LumiLLM ignores temperature"):
            llm.complete("What?", temperature=0.5)
        with pytest.raises(ValidationError, match="LumiLLM has no colour"):
            llm.complete("What?", colour="red")
        with pytest.raises(ValidationError, match="There are no messages"):
            llm.chat([])
        assert (llm.metadata.is_function_calling_model, llm.metadata.model_name) == (False, "m-1")
        llm.close()
        await llm.aclose()
    assert [body(request)["modelName"] for request in server.received[:2]] == ["m-1", "m-2"]


async def test_streams_yield_pieces_up_to_a_stop() -> None:
    """Of chats and completions, blocking and with asyncio; nothing is lost or doubled."""
    for pieces, stop, expected in (
        (["A ", "tap."], None, ["A ", "tap."]),
        (["A EN", "D of"], ["END"], ["A "]),
        (["A EN"], ["END"], ["A ", "EN"]),
    ):
        with canned_server([events(*map(piece, pieces))]) as server:
            llm = llm_of(server, stop=stop)
            assert [chunk.delta for chunk in llm.stream_chat([ChatMessage("Hi")])] == expected
            assert [chunk.delta for chunk in llm.stream_complete("Hi")] == expected
            chunks = [chunk async for chunk in await llm.astream_chat([ChatMessage("Hi")])]
            assert [chunk.delta for chunk in chunks] == expected
            assert chunks[-1].message.content == "".join(expected)
            assert [chunk.delta async for chunk in await llm.astream_complete("Hi")] == expected
            llm.close()
            await llm.aclose()


async def test_errors_are_those_of_the_client() -> None:
    """With their codes."""
    with canned_server([bad(429), events(piece("A"), "data: {half")]) as server:
        llm = llm_of(server, max_retries=0)
        with pytest.raises(RateLimitError) as busy:
            llm.complete("Hi")
        assert busy.value.code == "429"
        with pytest.raises(TruncatedStreamError):
            list(llm.stream_complete("Hi"))
        llm.close()


def test_secrets_show_nowhere_and_saved_forms_hold_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is restored takes the keys from the environment, and a lost token is an error."""
    monkeypatch.setenv("LUMI_API_KEY", API_KEY)
    with canned_server([answered("A")]) as server:
        llm = llm_of(server, authorization=TOKEN)
        text = repr(llm) + str(llm.to_dict()) + llm.to_json() + pickle.dumps(llm).decode("latin-1")
        assert not [secret for secret in (TOKEN, API_KEY, SIGN_KEY) if secret in text]
        restored = pickle.loads(pickle.dumps(llm))
        with pytest.raises(ConfigurationError, match="comes from a pickle, which holds no token"):
            restored.complete("Hi")
        again = LumiLLM.from_dict(llm_of(server).to_dict())
        assert again.complete("Hi").text == "A"
        assert pickle.loads(pickle.dumps(again)).complete("Hi").text == "A"


def test_a_mistyped_field_is_an_error() -> None:
    """Before anything is sent."""
    with pytest.raises(ValueError, match="projekt"):
        LumiLLM(projekt="p")


@pytest.mark.usefixtures("stage")
async def test_it_serves_indexes_and_structured_prompts(local: LocalLumnis) -> None:
    """On the embedded service: an answer over documents, and an object from a prompt that asks for JSON."""

    class Tap(BaseModel):
        place: str

    lumi = local.lumi
    llm = LumiLLM(project_id=lumi.project_id, api_base_url=lumi.base_url, api_key=lumi.api_key, sign_key=lumi.sign_key)
    index = SummaryIndex.from_documents([Document(text="The tap in the kitchen drips.")])
    assert str(index.as_query_engine(llm=llm).query("Which tap drips?")).strip()
    message = llm.chat([ChatMessage("What is a tide?", role=MessageRole.USER)]).message
    assert (message.role, bool(message.content)) == (MessageRole.ASSISTANT, True)
    with canned_server([answered('{"place": "kitchen"}')]) as server:
        found = llm_of(server).as_structured_llm(Tap).complete("Where?").raw
        assert found == Tap(place="kitchen")
