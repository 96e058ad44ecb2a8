"""Toolkit, loader and history on Lumi.new, on the embedded service."""

from __future__ import annotations

import json
import pickle
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.runnables.history import RunnableWithMessageHistory
from langchain_core.tools import BaseTool
from pydantic import BaseModel, Field

from lumnisai_core.exceptions import ConfigurationError, LumnisAIError, ValidationError
from lumnisai_core.local import LocalLumnis, LumiRule, LumiSettings
from lumnisai_core.lumi import Client
from lumnisai_integrations.langchain import (
    ChatLumi,
    ChatLumnis,
    LumiChatMessageHistory,
    LumiEntityLoader,
    LumiFunction,
    LumiToolkit,
)
from tests.core.backend import PASSWORD, bad, good, pages_server
from tests.servers import canned_server

RULES = {"Private": LumiRule(read="owner", create="user", write="owner")}


@pytest.fixture(scope="module")
def backend() -> Iterator[LocalLumnis]:
    with LocalLumnis(lumi=LumiSettings(signature="strict", rules=RULES)) as local:
        yield local


def connection(local: LocalLumnis, **known: Any) -> dict[str, Any]:
    lumi = local.lumi
    return {
        "project_id": lumi.project_id,
        "api_base_url": lumi.base_url,
        "sign_key": lumi.sign_key,
        "api_key": lumi.api_key,
        **known,
    }


def signed_up(local: LocalLumnis, email: str) -> Client:
    client = Client(**connection(local))
    client.auth.send_otp(email, "register")
    client.auth.sign_up_with_password(email, PASSWORD, local.lumi.outbox[-1].code or "")
    return client


def named(toolkit: LumiToolkit) -> dict[str, BaseTool]:
    return {tool.name: tool for tool in toolkit.get_tools()}


# Tools


def test_tools_can_be_left_out_or_made_read_only(backend: LocalLumnis) -> None:
    """Each kind by itself; collections are a closed list in the schema that models see."""
    known = connection(backend)
    reading = ["lumi_list_documents", "lumi_get_document"]
    writing = ["lumi_create_document", "lumi_update_document", "lumi_delete_document"]
    others = ["lumi_send_email", "lumi_upload_file", "lumi_delete_files", "lumi_generate_image"]
    quiet: dict[str, Any] = {"email": False, "files": False, "images": False}
    assert list(named(LumiToolkit(**known))) == [*reading, *writing, *others]
    assert list(named(LumiToolkit(**known, read_only=True))) == reading
    assert list(named(LumiToolkit(**known, **quiet, entities=[]))) == []
    assert list(named(LumiToolkit(**known, entities=[]))) == others
    assert list(named(LumiToolkit(**known, **quiet, entities={"A": "read"}))) == reading
    tools = named(LumiToolkit(**known, **quiet, entities={"A": "read", "B": "write"}))
    schemas = {name: tool.tool_call_schema.model_json_schema() for name, tool in tools.items()}  # type: ignore[union-attr]
    assert schemas["lumi_list_documents"]["properties"]["collection"]["enum"] == ["A", "B"]
    assert schemas["lumi_create_document"]["properties"]["collection"]["const"] == "B"
    wrong: list[dict[str, Any]] = [{"entities": "A"}, {"entities": {"A": "x"}}, {"entities": [""]}]
    for fields in wrong:
        with pytest.raises((ConfigurationError, ValueError)):
            LumiToolkit(**known, **fields)


async def test_tools_do_what_they_say(backend: LocalLumnis) -> None:
    """Each, blocking and with asyncio, with JSON as their output."""
    toolkit = LumiToolkit(**connection(backend))
    tools = named(toolkit)

    async def run(tool: str, **arguments: Any) -> Any:
        output = tools[tool].invoke(arguments)
        if tool == "lumi_list_documents":
            assert await tools[tool].ainvoke(arguments) == output
        return json.loads(output)

    made = await run("lumi_create_document", collection="Tickets", data={"title": "Tap", "open": True})
    other = json.loads(
        await tools["lumi_create_document"].ainvoke({"collection": "Tickets", "data": {"title": "Lamp"}})
    )
    listed = await run("lumi_list_documents", collection="Tickets", filter={"open": True})
    assert (listed["total"], listed["documents"][0]["_id"]) == (1, made["_id"])
    changed = await run("lumi_update_document", collection="Tickets", id=made["_id"], data={"open": False})
    assert changed["open"] is False
    assert (await run("lumi_get_document", collection="Tickets", id=other["_id"]))["title"] == "Lamp"
    assert await run("lumi_get_document", collection="Tickets", id="none") is None
    assert await run("lumi_delete_document", collection="Tickets", id=other["_id"]) == {"deleted": True}
    assert await run("lumi_send_email", to=["bo@example.org"], subject="Hi", text="Fixed.") == {"accepted": True}
    assert backend.lumi.outbox[-1].text == "Fixed."
    file = await run("lumi_upload_file", name="a.txt", content="Grüße")
    assert await run("lumi_delete_files", urls=[file["file_url"]]) == {"deleted": True}
    assert (await run("lumi_generate_image", description="A lake"))["generation_status"] == "SUCCESS"
    toolkit.close()
    await toolkit.aclose()


async def test_functions_are_tools(backend: LocalLumnis) -> None:
    """With a schema of their own, or an object of any form; reading ones stay in a read-only kit."""

    class Book(BaseModel):
        room: str = Field(description="Name of the room.")
        hours: int = 1

    backend.lumi.function("book")(lambda request: {"booked": request.json()})
    backend.lumi.function("free rooms")(lambda request: dict(request.query))
    functions = [
        LumiFunction(name="book", description="Book a room.", arguments=Book),
        LumiFunction(name="free rooms", description="Free rooms.", method="GET", tool_name="free_rooms"),
    ]
    tools = named(LumiToolkit(**connection(backend), entities=[], functions=functions))
    assert json.loads(tools["book"].invoke({"room": "Blue"})) == {"booked": {"room": "Blue", "hours": 1}}
    assert json.loads(await tools["free_rooms"].ainvoke({"body": {"floor": "2"}})) == {"floor": "2"}
    assert list(named(LumiToolkit(**connection(backend), entities=[], functions=functions, read_only=True))) == [
        "free_rooms"
    ]
    with pytest.raises(ConfigurationError, match="needs a tool_name"):
        LumiToolkit(**connection(backend), functions=[LumiFunction(name="free rooms", description="x")])
    with pytest.raises(ConfigurationError, match="Two tools are called book"):
        LumiToolkit(**connection(backend), functions=[functions[0], functions[0]])


async def test_a_toolkit_works_for_one_user(backend: LocalLumnis) -> None:
    """It sees that user's documents only, and cannot change those of another."""
    with signed_up(backend, "kit-a@example.org") as first, signed_up(backend, "kit-b@example.org") as second:
        made = first.entities.Private.create({"secret": "of the first"})
        token = second.auth.access_token
        tools = named(LumiToolkit(**connection(backend), authorization=token, entities=["Private"]))
        assert json.loads(tools["lumi_list_documents"].invoke({"collection": "Private"}))["total"] == 0
        change = {"collection": "Private", "id": made.id, "data": {"secret": "of the second"}}
        refused = tools["lumi_update_document"].invoke(change)
        assert refused.startswith("Error:")
        assert first.entities.Private.get(made.id or "") == made
        mine = named(LumiToolkit(client=first, entities=["Private"]))
        assert json.loads(mine["lumi_list_documents"].invoke({"collection": "Private"}))["total"] == 1


async def test_refusals_are_output_and_other_errors_are_raised() -> None:
    """A model can react to a missing document; nobody but the program can react to a wrong token."""
    with canned_server([bad(404, "No such ticket"), bad(2100), good({"_id": "x"})]) as server:
        known: dict[str, Any] = {"project_id": "p1", "api_base_url": server.base_url, "authorization": "tok-1"}
        tool = named(LumiToolkit(**known, max_retries=0))["lumi_update_document"]
        arguments = {"collection": "T", "id": "x", "data": {"a": 1}}
        assert "No such ticket" in await tool.ainvoke(arguments)
        with pytest.raises(LumnisAIError):
            tool.invoke(arguments)
        assert "validation" in tool.invoke({**arguments, "data": {}}).lower()
        strict = named(LumiToolkit(**known, handle_tool_error=False))["lumi_update_document"]
        with pytest.raises(ValueError, match="data"):
            strict.invoke({**arguments, "data": {}})
    assert len(server.received) == 2


# The loader


def test_a_loader_chooses_content_and_metadata(backend: LocalLumnis) -> None:
    """One field is its text, several a line each; metadata are flat; ids are those of the service."""
    with Client(**connection(backend)) as client:
        rows: list[dict[str, Any]] = [
            {"title": "Tap", "body": "It drips.", "author": {"name": "Ines"}, "tags": ["a", "b"], "n": 1},
            {"title": "Lamp", "body": "It is dark.", "n": 2},
        ]
        made = client.entities.Notes.create_many(rows)
    loader = LumiEntityLoader("Notes", **connection(backend), sort={"n": 1}, content_fields="body")
    first, second = loader.load()
    assert (first.id, first.page_content, second.page_content) == (made[0].id, "It drips.", "It is dark.")
    assert first.metadata["source"] == f"Notes/{made[0].id}"
    assert (first.metadata["tags"], first.metadata["author"]) == ('["a", "b"]', '{"name": "Ines"}')
    assert "body" not in first.metadata
    chosen = LumiEntityLoader(
        "Notes",
        **connection(backend),
        filter={"title": "Tap"},
        content_fields=["title", "author.name", "missing"],
        metadata_fields=["n"],
    )
    (document,) = chosen.load()
    assert document.page_content == "title: Tap\nauthor.name: Ines"
    assert document.metadata == {"n": 1, "source": first.metadata["source"], "collection": "Notes", "id": made[0].id}
    (whole,) = LumiEntityLoader("Notes", **connection(backend), filter={"title": "Lamp"}).load()
    assert whole.page_content == "title: Lamp\nbody: It is dark.\nn: 2"
    assert pickle.loads(pickle.dumps(loader)).collection == "Notes"
    for wrong in ({"content_fields": [1]}, {"page_size": 0}, {"colour": "red"}):
        with pytest.raises((ValidationError, ValueError)):
            LumiEntityLoader("Notes", **connection(backend), **wrong)


async def test_a_loader_is_lazy_and_flat_in_memory() -> None:
    """10,000 documents of two kilobytes are read without holding more than some pages."""
    with pages_server(10_000, [{"text": "x" * 2000}]) as (address, count):
        known: dict[str, Any] = {"project_id": "p1", "api_base_url": address}
        loader = LumiEntityLoader("Notes", **known, content_fields="text")
        documents = loader.lazy_load()
        next(documents)
        assert count() == 1
        tracemalloc.start()
        loaded = 1 + sum(1 for _ in documents)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert loaded == 10_000
        assert peak < 6_000_000
        ids = set()
        async for document in loader.alazy_load():
            ids.add(document.id)
            if len(ids) == 250:
                break
        loader.close()
        await loader.aclose()


# The history


CONVERSATION: list[BaseMessage] = [
    HumanMessage([{"type": "text", "text": "What is it?"}, {"type": "image", "url": "https://x.test/p.png"}], id="m1"),
    AIMessage("", tool_calls=[{"name": "look", "args": {"at": 1}, "id": "c1"}], response_metadata={"a": 1}, id="m2"),
    ToolMessage("A tap", tool_call_id="c1", artifact={"b": 2}, id="m3"),
    AIMessage("A tap.", id="m4"),
]


async def test_a_history_gives_messages_back_as_they_were(backend: LocalLumnis) -> None:
    """In their order, each conversation by itself, blocking and with asyncio."""
    history = LumiChatMessageHistory("s-1", **connection(backend))
    other = LumiChatMessageHistory("s-2", **connection(backend))
    history.add_messages(CONVERSATION[:2])
    await history.aadd_messages(CONVERSATION[2:])
    other.add_messages([HumanMessage("Other")])
    history.add_messages([])
    assert history.messages == CONVERSATION
    assert await history.aget_messages() == CONVERSATION
    assert "sign" not in repr(history)
    await history.aclear()
    assert history.messages == []
    other.clear()
    assert await other.aget_messages() == []
    for wrong in ("", None):
        with pytest.raises(ValidationError):
            LumiChatMessageHistory(wrong, **connection(backend))  # type: ignore[arg-type]
    history.close()
    await history.aclose()


@pytest.mark.filterwarnings("ignore:RunnableWithMessageHistory is deprecated")
async def test_a_history_serves_a_chain(backend: LocalLumnis) -> None:
    """Each turn is stored once, and the next one has the turns before."""
    model = ChatLumi(**connection(backend))
    chain = RunnableWithMessageHistory(
        model, lambda session: LumiChatMessageHistory(session, collection="Chats", **connection(backend))
    )
    config: Any = {"configurable": {"session_id": "s-3"}}
    chain.invoke("My boat is called Ada.", config)
    await chain.ainvoke("What is a tide?", config)
    messages = LumiChatMessageHistory("s-3", collection="Chats", **connection(backend)).messages
    assert [message.type for message in messages] == ["human", "ai", "human", "ai"]
    assert messages[2].text == "What is a tide?"


# An agent


async def test_a_lumnis_agent_works_on_the_data_of_its_user(backend: LocalLumnis) -> None:
    """It reads and writes through the tools, end to end, and sees nothing of another user."""
    with signed_up(backend, "agent-a@example.org") as mine, signed_up(backend, "agent-b@example.org") as other:
        mine.entities.Private.create({"title": "Leaking tap"})
        other.entities.Private.create({"title": "Secret of another"})
        toolkit = LumiToolkit(
            **connection(backend),
            authorization=mine.auth.access_token,
            entities=["Private"],
            email=False,
            files=False,
            images=False,
        )
        model = ChatLumnis(api_key=backend.api_key, base_url=backend.base_url, user_id="ines")
        agent: Any = create_agent(model, toolkit.get_tools())
        question = "List the documents of the collection Private with limit 5."
        found = agent.invoke({"messages": [("user", question)]})["messages"]
        assert [message.type for message in found] == ["human", "ai", "tool", "ai"]
        assert "Leaking tap" in found[-1].text
        assert "Secret" not in str(found)
        made = 'Call lumi_create_document(collection="Private", data={"title": "Broken lamp"}).'
        await agent.ainvoke({"messages": [("user", made)]})
        titles = {document["title"] for document in mine.entities.Private.list().list}
        assert titles == {"Leaking tap", "Broken lamp"}
        toolkit.close()
        await toolkit.aclose()
        model.close()
        await model.aclose()
