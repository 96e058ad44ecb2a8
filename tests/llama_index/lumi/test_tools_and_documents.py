"""Tool spec, reader and chat store on Lumi.new, on the embedded service."""

from __future__ import annotations

import json
import pickle
import tracemalloc
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock, ToolCallBlock
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.tools import FunctionTool

from lumnisai_core.exceptions import ConfigurationError, LumnisAIError, ValidationError
from lumnisai_core.local import LocalLumnis
from lumnisai_core.lumi import Client
from lumnisai_integrations.llama_index import LumiChatStore, LumiEntityReader, LumiFunction, LumiToolSpec
from tests.core.backend import bad, pages_server
from tests.servers import canned_server

QUIET: dict[str, Any] = {"email": False, "files": False, "images": False}


def connection(local: LocalLumnis, **known: Any) -> Any:
    lumi = local.lumi
    return {
        "project_id": lumi.project_id,
        "api_base_url": lumi.base_url,
        "sign_key": lumi.sign_key,
        "api_key": lumi.api_key,
        **known,
    }


def named(spec: LumiToolSpec) -> dict[str, FunctionTool]:
    return {tool.metadata.name or "": tool for tool in spec.to_tool_list()}


def test_tools_can_be_left_out_or_made_read_only(local: LocalLumnis) -> None:
    """As in LangChain; collections are a closed list in the schema that models see."""
    reading = ["lumi_list_documents", "lumi_get_document"]
    assert len(named(LumiToolSpec(**connection(local)))) == 9
    assert list(named(LumiToolSpec(**connection(local), read_only=True))) == reading
    assert list(named(LumiToolSpec(**connection(local), **QUIET, entities=[]))) == []
    spec = LumiToolSpec(**connection(local), **QUIET, entities={"A": "read", "B": "write"})
    parameters = {name: tool.metadata.get_parameters_dict() for name, tool in named(spec).items()}
    assert parameters["lumi_list_documents"]["properties"]["collection"]["enum"] == ["A", "B"]
    assert [tool.metadata.name for tool in spec.to_tool_list(["lumi_get_document"])] == ["lumi_get_document"]
    with pytest.raises(ConfigurationError, match="must map collections"):
        LumiToolSpec(**connection(local), entities={"A": "x"})  # type: ignore[dict-item]


async def test_tools_do_what_they_say(local: LocalLumnis) -> None:
    """Blocking and with asyncio, with JSON as their output, functions among them."""
    local.lumi.function("book")(lambda request: {"booked": request.json()})
    functions = [LumiFunction(name="book", description="Book a room.")]
    spec = LumiToolSpec(**connection(local), functions=functions)
    tools = named(spec)
    made = json.loads(tools["lumi_create_document"].call(collection="Tickets", data={"title": "Tap"}).content)
    found = await tools["lumi_list_documents"].acall(collection="Tickets", filter={"title": "Tap"})
    assert json.loads(found.content)["documents"][0]["_id"] == made["_id"]
    assert json.loads((await tools["book"].acall(body={"room": "Blue"})).content) == {"booked": {"room": "Blue"}}
    assert tools["lumi_send_email"].call(to=["bo@example.org"], subject="Hi", text="Fixed.").content
    assert local.lumi.outbox[-1].subject == "Hi"
    spec.close()
    await spec.aclose()


async def test_refusals_are_output_and_other_errors_are_raised() -> None:
    """Arguments that do not fit, and a missing document, are texts for the model."""
    with canned_server([bad(404, "No such ticket"), bad(2100)]) as server:
        spec = LumiToolSpec(project_id="p1", api_base_url=server.base_url, authorization="tok-1", max_retries=0)
        tool = named(spec)["lumi_update_document"]
        arguments: dict[str, Any] = {"collection": "T", "id": "x", "data": {"a": 1}}
        assert "No such ticket" in (await tool.acall(**arguments)).content
        assert "data" in tool.call(**{**arguments, "data": {}}).content
        assert "extra" in tool.call(**arguments, colour="red").content.lower()
        with pytest.raises(LumnisAIError):
            tool.call(**arguments)
        spec.close()
        await spec.aclose()
    assert len(server.received) == 2


async def test_a_reader_chooses_content_and_metadata(local: LocalLumnis) -> None:
    """Ids are those of the service; nothing of the connection is in a saved form."""
    with Client(**connection(local)) as client:
        made = client.entities.Readings.create({"title": "Tap", "body": "It drips.", "author": {"name": "Ines"}})
    reader = LumiEntityReader("Readings", **connection(local), content_fields="body", metadata_fields=["author.name"])
    (document,) = reader.load_data()
    assert (document.id_, document.text) == (made.id, "It drips.")
    source = f"Readings/{made.id}"
    assert document.metadata == {"author.name": "Ines", "source": source, "collection": "Readings", "id": made.id}
    assert [found.id_ async for found in await reader.alazy_load_data()] == [made.id]
    assert [found.id_ for found in await reader.aload_data()] == [made.id]
    saved = reader.to_dict()
    assert local.lumi.sign_key not in str(saved)
    assert pickle.loads(pickle.dumps(reader)).collection == "Readings"
    with pytest.raises(ValidationError, match="content_fields must be names"):
        LumiEntityReader("Readings", **connection(local), content_fields=[""])
    reader.close()
    await reader.aclose()


def test_a_reader_is_lazy_and_flat_in_memory() -> None:
    """10,000 documents of two kilobytes are read without holding more than some pages."""
    with pages_server(10_000, [{"text": "x" * 2000}]) as (address, count):
        reader = LumiEntityReader("Notes", project_id="p1", api_base_url=address, content_fields="text")
        documents = iter(reader.lazy_load_data())
        next(documents)
        assert count() == 1
        tracemalloc.start()
        assert sum(1 for _ in documents) == 9_999
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 6_000_000
        reader.close()


CONVERSATION = [
    ChatMessage(blocks=[TextBlock(text="What is it?"), ImageBlock(url="https://x.test/p.png")]),
    ChatMessage(role="assistant", blocks=[ToolCallBlock(tool_call_id="c1", tool_name="look", tool_kwargs={"at": 1})]),
    ChatMessage("A tap", role="tool", additional_kwargs={"tool_call_id": "c1"}),
    ChatMessage("A tap.", role="assistant"),
]


async def test_a_chat_store_gives_messages_back_as_they_were(local: LocalLumnis) -> None:
    """Each conversation by itself, blocking and with asyncio; positions from either end."""
    store = LumiChatStore(**connection(local), collection="Sessions")
    for message in CONVERSATION[:2]:
        store.add_message("s-1", message)
    await store.async_add_message("s-1", CONVERSATION[2])
    store.add_message("s-2", CONVERSATION[3])
    assert store.get_messages("s-1") == await store.aget_messages("s-1") == CONVERSATION[:3]
    assert store.get_keys() == await store.aget_keys() == ["s-1", "s-2"]
    assert store.delete_message("s-1", 1) == CONVERSATION[1]
    assert await store.adelete_last_message("s-1") == CONVERSATION[2]
    assert store.delete_message("s-1", 5) is None
    await store.aset_messages("s-1", CONVERSATION)
    assert store.get_messages("s-1") == CONVERSATION
    store.set_messages("s-1", [])
    assert await store.adelete_messages("s-1") is None
    assert store.delete_messages("s-2") == CONVERSATION[3:]
    assert store.get_keys() == []
    with pytest.raises(ValidationError):
        store.get_messages("")
    store.close()
    await store.aclose()


async def test_a_chat_store_serves_a_memory(local: LocalLumnis) -> None:
    """Another process continues the conversation."""
    store = LumiChatStore(**connection(local), collection="Memories")
    memory = ChatMemoryBuffer.from_defaults(chat_store=store, chat_store_key="s-1", token_limit=1000)
    memory.put(ChatMessage("My boat is called Ada."))
    await memory.aput(ChatMessage("Noted.", role="assistant"))
    other = LumiChatStore(**connection(local), collection="Memories")
    again = ChatMemoryBuffer.from_defaults(chat_store=other, chat_store_key="s-1", token_limit=1000)
    assert [message.content for message in again.get()] == ["My boat is called Ada.", "Noted."]
