"""LiminalGuard: no clear value reaches what it guards, and all come back, in every kind of call and of data."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from llama_index.core import Document, MockEmbedding, PromptTemplate, SummaryIndex, VectorStoreIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock, ToolCallBlock
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.llms import LLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.program import LLMTextCompletionProgram
from llama_index.core.schema import IndexNode, MetadataMode, NodeWithScore, QueryBundle, TextNode
from llama_index.core.tools import FunctionTool, QueryEngineTool
from llama_index.core.workflow import Context
from pydantic import BaseModel, Field

from lumnisai_core.exceptions import TransportError, ValidationError
from lumnisai_core.liminal import AsyncClient, Client
from lumnisai_core.local import LocalLumnis
from lumnisai_integrations._shared.privacy.guard import Exchange
from lumnisai_integrations.llama_index import LiminalGuard
from tests.llama_index.recording import RecordingLLM, recording, watching
from tests.shared.guarded import CARD, CLEAR, MAIL, MESSAGE, PHONE, clear_values, gateway_client


@pytest.fixture
def client(local: LocalLumnis) -> Iterator[Client]:
    """A client of the gateway."""
    with gateway_client(local) as made:
        yield made


@pytest.fixture
def guard(client: Client) -> LiminalGuard:
    """A guard with a thread of its own."""
    return LiminalGuard(client)


class Contact(BaseModel):
    """Whom to write to."""

    to: str = Field(pattern=r"@|^\+")  # a placeholder does not match
    others: list[str]


def send(to: str, others: list[str]) -> str:
    """Send a message."""
    assert to in CLEAR, to
    return f"Sent to {to}, {others}, and to {PHONE}."


TOOL = FunctionTool.from_defaults(send)

CALL = ToolCallBlock(tool_call_id="1", tool_name="send", tool_kwargs={"to": MAIL, "others": [PHONE]})
MESSAGES = {
    "text": [ChatMessage(MESSAGE)],
    "blocks": [
        ChatMessage(role="system", content=f"You work for {MAIL}."),
        ChatMessage(blocks=[TextBlock(text=MESSAGE), TextBlock(text=f"Also {MAIL}")]),
    ],
    "tool_arguments": [ChatMessage(MESSAGE)],
    "tool_results": [
        ChatMessage(MESSAGE),
        ChatMessage(role="assistant", blocks=[CALL], additional_kwargs={"tool_calls": [{"arguments": MAIL}]}),
        ChatMessage(role="tool", content=f'{{"card": "{CARD}"}}', additional_kwargs={"tool_call_id": "1"}),
    ],
}


# Ways to call: (llm, messages, tools) -> the whole answer


def _chat(llm: Any, messages: Any, tools: Any) -> Any:
    return llm.chat_with_tools(tools, chat_history=messages) if tools else llm.chat(messages)


def _achat(llm: Any, messages: Any, tools: Any) -> Any:
    return asyncio.run(llm.achat_with_tools(tools, chat_history=messages) if tools else llm.achat(messages))


def _stream_chat(llm: Any, messages: Any, tools: Any) -> Any:
    stream = llm.stream_chat_with_tools(tools, chat_history=messages) if tools else llm.stream_chat(messages)
    return _last(list(stream))


def _astream_chat(llm: Any, messages: Any, tools: Any) -> Any:
    async def collected() -> list[Any]:
        made = llm.astream_chat_with_tools(tools, chat_history=messages) if tools else llm.astream_chat(messages)
        return [chunk async for chunk in await made]

    return _last(asyncio.run(collected()))


def _last(chunks: list[Any]) -> Any:
    assert "".join(chunk.delta for chunk in chunks) == (chunks[-1].message.content or "")
    return chunks[-1]


MODES = [_chat, _achat, _stream_chat, _astream_chat]


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.__name__[1:])
@pytest.mark.parametrize("kind", MESSAGES)
def test_no_clear_value_inside_and_all_outside(guard: LiminalGuard, kind: str, mode: Any) -> None:
    """LLM, callbacks, events and spans see placeholders only; the caller gets the values."""
    llm, callbacks = recording()
    llm.as_blocks = kind == "blocks"
    before = copy.deepcopy(MESSAGES[kind])
    with watching() as seen:
        response = mode(guard.llm(llm), MESSAGES[kind], [TOOL] if kind == "tool_arguments" else [])
    assert clear_values([llm.seen, callbacks.seen, seen]) == []
    assert all([llm.seen, callbacks.seen, seen])
    assert all(one in repr(response.message) for one in CLEAR)
    assert before == MESSAGES[kind]
    if kind == "tool_arguments":
        (call,) = guard.llm(llm).get_tool_calls_from_response(response)  # type: ignore[attr-defined]
        assert call.tool_kwargs == {"to": MAIL, "others": [MAIL, PHONE, CARD]}


PROMPT = PromptTemplate("Answer {who}: {what}")
ARGUMENTS = {"who": MAIL, "what": f"{PHONE} or {CARD}"}


def _predict(llm: Any) -> Any:
    return llm.predict(PROMPT, **ARGUMENTS)


def _apredict(llm: Any) -> Any:
    return asyncio.run(llm.apredict(PROMPT, **ARGUMENTS))


def _stream(llm: Any) -> Any:
    return "".join(llm.stream(PROMPT, **ARGUMENTS))


def _astream(llm: Any) -> Any:
    async def collected() -> str:
        return "".join([piece async for piece in await llm.astream(PROMPT, **ARGUMENTS)])

    return asyncio.run(collected())


def _complete(llm: Any) -> Any:
    return llm.complete(MESSAGE)


def _acomplete(llm: Any) -> Any:
    return asyncio.run(llm.acomplete(MESSAGE))


def _stream_complete(llm: Any) -> Any:
    return list(llm.stream_complete(MESSAGE))[-1]


def _astream_complete(llm: Any) -> Any:
    async def collected() -> Any:
        return [chunk async for chunk in await llm.astream_complete(MESSAGE)][-1]

    return asyncio.run(collected())


@pytest.mark.parametrize(
    "ask",
    [_predict, _apredict, _stream, _astream, _complete, _acomplete, _stream_complete, _astream_complete],
    ids=lambda ask: ask.__name__[1:],
)
def test_prompts(guard: LiminalGuard, ask: Any) -> None:
    """Prompts are filled in and completed without an event that has the values."""
    llm, callbacks = recording()
    with watching() as seen:
        answer = ask(guard.llm(llm))
    assert clear_values([llm.seen, callbacks.seen, seen]) == []
    assert all(one in str(answer) for one in CLEAR)


def _structured(llm: Any) -> Any:
    return llm.structured_predict(Contact, PROMPT, **ARGUMENTS)


def _astructured(llm: Any) -> Any:
    return asyncio.run(llm.astructured_predict(Contact, PROMPT, **ARGUMENTS))


def _stream_structured(llm: Any) -> Any:
    return list(llm.stream_structured_predict(Contact, PROMPT, **ARGUMENTS))[-1]


def _astream_structured(llm: Any) -> Any:
    async def collected() -> Any:
        return [one async for one in await llm.astream_structured_predict(Contact, PROMPT, **ARGUMENTS)][-1]

    return asyncio.run(collected())


@pytest.mark.parametrize("ask", [_structured, _astructured, _stream_structured, _astream_structured])
def test_structured_output(guard: LiminalGuard, ask: Any) -> None:
    """Objects are made from the values, also if their schema refuses placeholders."""
    llm, callbacks = recording()
    with watching() as seen:
        contact = ask(guard.llm(llm))
    assert contact == Contact(to=MAIL, others=[MAIL, PHONE, CARD])
    assert clear_values([llm.seen, callbacks.seen, seen]) == []


def test_structured_output_without_tools(guard: LiminalGuard) -> None:
    """An LLM that calls no tools writes the object as JSON."""

    class Writer(RecordingLLM):
        def _answer(self, messages: Any, options: Any) -> ChatMessage:
            super()._answer(messages, options)
            return ChatMessage(role="assistant", content='{"to": "EMAIL_ADDRESS_0", "others": ["phone_number_0"]}')

    llm = Writer(calls_tools=False)
    expected = Contact(to=MAIL, others=[PHONE])
    assert guard.llm(llm).structured_predict(Contact, PROMPT, **ARGUMENTS) == expected
    assert asyncio.run(guard.llm(llm).astructured_predict(Contact, PROMPT, **ARGUMENTS)) == expected
    program: Any = LLMTextCompletionProgram.from_defaults(output_cls=Contact, prompt=PROMPT, llm=guard.llm(llm))
    assert program(**ARGUMENTS) == expected
    assert clear_values(llm.seen) == []


# Engines


DOCUMENT = Document(text=f"Mail: {MAIL}, phone {PHONE}", metadata={"card": CARD}, id_="doc-1")


def _index(kind: str) -> Any:
    if kind == "vector":
        return VectorStoreIndex.from_documents([DOCUMENT], embed_model=MockEmbedding(4))
    return SummaryIndex.from_documents([DOCUMENT])


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("kind", ["vector", "summary"])
def test_query_engines(guard: LiminalGuard, kind: str, asynchronous: bool, streaming: bool) -> None:
    """Question, retrieved nodes and answer: only the caller sees the values."""
    llm, callbacks = recording()
    index = _index(kind)
    engine = guard.query_engine(index.as_query_engine(llm=llm, streaming=streaming))

    async def ask() -> tuple[Any, str]:
        response: Any = await engine.aquery(f"Who is {MAIL}?")
        return response, str(await response.get_response()) if streaming else str(response)

    with watching() as seen:
        if asynchronous:
            response, text = asyncio.run(ask())
        else:
            response = engine.query(f"Who is {MAIL}?")
            text = str(response)
    assert clear_values([llm.seen, callbacks.seen, seen]) == []
    assert all(one in text for one in CLEAR)
    assert response.source_nodes[0].node.get_content(MetadataMode.ALL) == DOCUMENT.get_content(MetadataMode.ALL)
    assert response.metadata["liminal"] == {"thread_id": guard.thread_id, "findings": {"EMAIL_ADDRESS": 1}}


@pytest.mark.parametrize("mode", ["chat", "achat", "stream_chat", "astream_chat"])
@pytest.mark.parametrize("kind", ["simple", "context"])
async def test_chat_engines(guard: LiminalGuard, kind: str, mode: str) -> None:
    """Messages, memory and answer: the engine has placeholders, the caller the values."""
    llm, callbacks = recording()
    options: Any = {"llm": llm, "memory": ChatMemoryBuffer.from_defaults(chat_history=[])}
    inner: Any = (
        SimpleChatEngine.from_defaults(**options)
        if kind == "simple"
        else _index("vector").as_chat_engine(chat_mode="context", **options)
    )
    engine = guard.chat_engine(inner)

    async def ask() -> str:
        response: Any = await getattr(engine, mode)(MESSAGE)
        if mode == "achat":
            return str(response)
        return "".join([piece async for piece in response.async_response_gen()])

    with watching() as seen:
        text = await ask() if mode.startswith("a") else str(await asyncio.to_thread(getattr(engine, mode), MESSAGE))
    assert clear_values([llm.seen, callbacks.seen, seen, inner.chat_history]) == []
    assert all(one in text for one in CLEAR)
    assert [message.content for message in engine.chat_history] == [MESSAGE, text]
    engine.reset()
    assert engine.chat_history == []


@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")
@pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning")
async def test_agents(guard: LiminalGuard) -> None:
    """An agent with a guarded LLM and guarded tools: its tools get the values, its LLM never."""
    llm, callbacks = recording()
    called = []

    async def forward(ctx: Context, to: str, others: list[str]) -> str:
        """Forward a message."""
        called.append((type(ctx).__name__, to))
        return f"To {others} and {PHONE}"

    forward.__annotations__["ctx"] = Context  # the framework does not read annotations that are texts
    agent = FunctionAgent(llm=guard.llm(llm), tools=guard.tools([forward]))
    with watching() as seen:
        result = await agent.run(MESSAGE, memory=ChatMemoryBuffer.from_defaults(chat_history=[]))
    assert called == [("Context", MAIL)]
    of_the_llm = [one for one in seen if "LLM" in str(one[0])]  # type: ignore[index] # the agent itself has the values
    assert of_the_llm
    assert clear_values([llm.seen, callbacks.seen, of_the_llm]) == []
    assert all(one in str(result) for one in CLEAR)


# Tools and nodes


@pytest.mark.parametrize("method", ["call", "__call__", "acall"])
def test_tools(guard: LiminalGuard, method: str) -> None:
    """A tool gets the values, whether it is called with them or with placeholders; its output and spans have none."""
    guard.run(guard.cleansed(MESSAGE, Exchange()))
    (tool,) = guard.tools([send])
    assert guard.tools([tool]) == [tool]
    assert tool.metadata.get_name() == "send"
    with watching() as seen:
        for to in (MAIL, "email_address_0"):
            kwargs: Any = {"to": to, "others": ["PHONE_NUMBER_0"]}
            output: Any = getattr(tool, method)(**kwargs)
            output = asyncio.run(output) if method == "acall" else output
            assert output.content.startswith("Sent to EMAIL_ADDRESS_0")
            assert clear_values([output, seen]) == []
    llm = RecordingLLM()
    engine = QueryEngineTool.from_defaults(_index("summary").as_query_engine(llm=guard.llm(llm)))
    (other,) = guard.tools([engine])
    assert clear_values([other(f"Who is {MAIL}?"), llm.seen]) == []


def test_a_guarded_engine_as_a_tool_shows_no_value(guard: LiminalGuard) -> None:
    """LlamaIndex reports what happens inside a tool, too; an engine behind the guard has placeholders there."""
    llm = RecordingLLM()
    engine = guard.query_engine(_index("summary").as_query_engine(llm=llm))
    (tool,) = guard.tools([QueryEngineTool.from_defaults(engine)])
    with watching() as seen:
        output = tool(f"Who is {MAIL}?")
    assert seen
    assert clear_values([output, seen, llm.seen]) == []


def test_errors_of_tools_show_no_value(guard: LiminalGuard) -> None:
    """An error of a tool comes out with placeholders and without the error behind it."""

    def fail(to: str) -> str:
        """Fail."""
        raise LookupError(f"no such user: {to}")

    (tool,) = guard.tools([fail])
    with watching() as seen, pytest.raises(RuntimeError, match="LookupError: no such user: EMAIL_ADDRESS_0") as caught:
        tool.call(to=MAIL)  # type: ignore[attr-defined]
    assert caught.value.__context__ is None
    assert clear_values([caught.value, seen]) == []


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_nodes(guard: LiminalGuard, asynchronous: bool) -> None:
    """Nodes keep ids, vectors and scores; texts, metadata and those of related nodes have placeholders."""
    node = TextNode(text=f"Write to {MAIL}", metadata={"phone": PHONE}, embedding=[0.1234567, 0.7654321])
    parent = TextNode(text="x", metadata={"owner": MAIL})
    node.relationships["4"] = parent.as_related_node_info()  # type: ignore[index] # the parent
    found = [NodeWithScore(node=node, score=0.12345678), NodeWithScore(node=IndexNode(text=CARD, index_id="i-1"))]
    post = guard.postprocessor()
    with watching() as seen:
        if asynchronous:
            changed = asyncio.run(post.apostprocess_nodes(found, query_str="Who?"))
        else:
            changed = post.postprocess_nodes(found, QueryBundle("Who?"))
    assert clear_values([changed, seen]) == []
    assert MAIL in node.text
    first = changed[0]
    assert (first.score, first.node.node_id, first.node.embedding) == (0.12345678, node.node_id, node.embedding)
    assert guard.run(guard.restored(first.node.get_content(), Exchange())) == f"Write to {MAIL}"


async def test_retrievers(guard: LiminalGuard) -> None:
    """A retriever searches for the values and shows none, also to its embedding model's events."""
    retriever = guard.retriever(_index("vector").as_retriever())
    with watching() as seen:
        for nodes in (retriever.retrieve(f"Who is {MAIL}?"), await retriever.aretrieve("EMAIL_ADDRESS_0")):
            assert "EMAIL_ADDRESS_0" in nodes[0].node.get_content()
            assert clear_values(nodes) == []
    assert all("RetrievalStart" in str(one) or "retrieve" in str(one) for one in seen if clear_values([one]))


# Failures


def test_media_is_refused(guard: LiminalGuard) -> None:
    """A picture cannot be looked into, so it is not passed on."""
    llm = RecordingLLM()
    with pytest.raises(ValidationError, match="ImageBlock"):
        guard.llm(llm).chat([ChatMessage(blocks=[ImageBlock(url="https://example.org/a.png")])])
    assert llm.seen == []


def test_nothing_runs_without_the_gateway() -> None:
    """While the gateway is unavailable, the guarded LLM is not called."""
    with LocalLumnis() as gone:
        client = Client(gone.liminal.base_url, token=gone.liminal.token, max_retries=0)
    llm = RecordingLLM()
    with client, pytest.raises(TransportError):
        LiminalGuard(client, model_instance=1).llm(llm).chat([ChatMessage(MESSAGE)])
    assert llm.seen == []


async def test_asyncio_clients(local: LocalLumnis) -> None:
    """A guard with an asyncio client serves both kinds of calls."""
    async with AsyncClient(local.liminal.base_url, token=local.liminal.token) as client:
        llm = RecordingLLM()
        guarded = LiminalGuard(client).llm(llm)
        assert MAIL in str(await guarded.achat(MESSAGES["text"]))
        assert MAIL in str(guarded.chat(MESSAGES["text"]))
        assert clear_values(llm.seen) == []


def test_a_guarded_llm_is_an_llm(guard: LiminalGuard, local: LocalLumnis, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the facts of the LLM that it guards, says what it found, and is pickled without a token."""
    guarded = guard.llm(RecordingLLM())
    assert isinstance(guarded, LLM)
    assert guarded.metadata.is_function_calling_model
    counts = {"CREDIT_CARD": 1, "EMAIL_ADDRESS": 1, "PHONE_NUMBER": 1}
    report = guarded.chat(MESSAGES["text"]).additional_kwargs["liminal"]
    assert report == {"thread_id": guard.thread_id, "findings": counts}
    response: Any = guarded.predict_and_call([TOOL], MESSAGE)
    assert response.sources[0].raw_input["kwargs"]["to"] == MAIL
    for name, value in local.liminal.environment().items():
        monkeypatch.setenv(name, value)
    data = pickle.dumps(LiminalGuard())
    assert local.liminal.token.encode() not in data
    assert MAIL in str(pickle.loads(data).llm(RecordingLLM()).chat(MESSAGES["text"]))


@pytest.mark.parametrize("method", ["llm", "query_engine", "chat_engine", "retriever"])
def test_wrong_things_are_named(guard: LiminalGuard, method: str) -> None:
    """What cannot be guarded is an error at once."""
    with pytest.raises(ValidationError, match="got str"):
        getattr(guard, method)("gpt")
