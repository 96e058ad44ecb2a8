"""LiminalGuard: no clear value reaches what it guards, and all come back, in every kind of call and of data."""

from __future__ import annotations

import asyncio
import pickle
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel, RunnablePassthrough
from langchain_core.tools import ToolException, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt
from pydantic import BaseModel, Field

from lumnisai_core.exceptions import TransportError, ValidationError
from lumnisai_core.liminal import AsyncClient, Client
from lumnisai_core.local import LocalLumnis
from lumnisai_integrations._shared.privacy.guard import Exchange
from lumnisai_integrations.langchain import LiminalGuard
from tests.langchain.recording import Recorder, RecordingModel, Tracer, turn
from tests.shared.guarded import ASKED, CARD, CLEAR, MAIL, PHONE, clear_values, gateway_client

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")


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


class Records(BaseRetriever):
    """Finds a document with clear values, and records what it is asked."""

    queries: list[str] = Field(default_factory=list)

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        self.queries.append(query)
        RunnableLambda(lambda text: text.upper()).invoke(query, {"callbacks": run_manager.get_child()})
        return [Document(f"Mail: {MAIL}, phone {PHONE}", metadata={"card": CARD, "n": 1}, id="doc-1")]


@tool
def send(to: str, others: list[str]) -> str:
    """Send a message."""
    assert to in CLEAR, to
    return f"Sent to {to}, {others}, and to {PHONE}."


# What is guarded, with its input: (guard, model) -> (runnable, input)
Payload = Callable[[LiminalGuard, RecordingModel], tuple[Runnable[Any, Any], Any]]


def text(guard: LiminalGuard, model: RecordingModel) -> tuple[Runnable[Any, Any], Any]:
    return guard.model(model), ASKED


def blocks(guard: LiminalGuard, model: RecordingModel) -> tuple[Runnable[Any, Any], Any]:
    model.as_blocks = True
    content: Any = [{"type": "text", "text": ASKED}, f"Also {MAIL}"]
    return guard.model(model), [SystemMessage(f"You work for {MAIL}."), HumanMessage(content)]


def tool_arguments(guard: LiminalGuard, model: RecordingModel) -> tuple[Runnable[Any, Any], Any]:
    return guard.model(model).bind_tools([send]), turn(ASKED)


def tool_results(guard: LiminalGuard, model: RecordingModel) -> tuple[Runnable[Any, Any], Any]:
    call = {"name": "send", "args": {"to": MAIL, "others": [PHONE]}, "id": "call-1", "type": "tool_call"}
    result = ToolMessage(f'{{"card": "{CARD}"}}', tool_call_id="call-1", artifact={"mail": MAIL, "thing": object()})
    calls = {"tool_calls": [call], "additional_kwargs": {"function_call": {"arguments": f'{{"to": "{MAIL}"}}'}}}
    return guard.model(model), [*turn(ASKED), AIMessage("", **calls), result]


def structured_output(guard: LiminalGuard, model: RecordingModel) -> tuple[Runnable[Any, Any], Any]:
    return guard.model(model).with_structured_output(Contact), turn(ASKED)


def documents(guard: LiminalGuard, model: RecordingModel) -> tuple[Runnable[Any, Any], Any]:
    prompt = ChatPromptTemplate.from_messages([("system", "Use: {context}"), ("human", "{question}")])
    parts: Any = {"context": guard.retriever(Records()), "question": RunnablePassthrough()}
    return guard.chain(RunnableParallel(parts) | prompt | model | StrOutputParser()), ASKED


PAYLOADS: list[Payload] = [text, blocks, tool_arguments, tool_results, structured_output, documents]


# Ways to call: (runnable, input, config) -> all that came back


def _invoke(run: Runnable[Any, Any], value: Any, config: Any) -> list[Any]:
    return [run.invoke(value, config)]


def _ainvoke(run: Runnable[Any, Any], value: Any, config: Any) -> list[Any]:
    return [asyncio.run(run.ainvoke(value, config))]


def _stream(run: Runnable[Any, Any], value: Any, config: Any) -> list[Any]:
    return _summed(list(run.stream(value, config)))


def _astream(run: Runnable[Any, Any], value: Any, config: Any) -> list[Any]:
    async def collected() -> list[Any]:
        return [chunk async for chunk in run.astream(value, config)]

    return _summed(asyncio.run(collected()))


def _batch(run: Runnable[Any, Any], value: Any, config: Any) -> list[Any]:
    return run.batch([value, value], config)


def _abatch(run: Runnable[Any, Any], value: Any, config: Any) -> list[Any]:
    return asyncio.run(run.abatch([value, value], config))


def _events_v2(run: Runnable[Any, Any], value: Any, config: Any) -> list[Any]:
    async def collected() -> list[Any]:
        return [event async for event in run.astream_events(value, config, version="v2")]

    events = asyncio.run(collected())
    ends = [event["data"]["output"] for event in events if event["event"].endswith("_end")]
    return ends[-1:]


def _events_v3(run: Runnable[Any, Any], value: Any, config: Any) -> list[Any]:
    stream: Any = getattr(run, "stream_events")(value, config, version="v3")  # noqa: B009 - typed for models only
    said = "".join(stream.text)
    message = stream.output
    assert message.text == said
    return [message]


def _aevents_v3(run: Runnable[Any, Any], value: Any, config: Any) -> list[Any]:
    async def collected() -> list[Any]:
        stream: Any = await getattr(run, "astream_events")(value, config, version="v3")  # noqa: B009
        said = "".join([piece async for piece in stream.text])
        message = await stream.output
        assert message.text == said
        return [message]

    return asyncio.run(collected())


def _summed(chunks: list[Any]) -> list[Any]:
    if not isinstance(chunks[0], str | AIMessageChunk):
        return chunks[-1:]
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return [whole]


MODES = [_invoke, _ainvoke, _stream, _astream, _batch, _abatch, _events_v2, _events_v3, _aevents_v3]
CASES = [
    pytest.param(payload, mode, id=f"{payload.__name__}-{mode.__name__[1:]}")
    for payload in PAYLOADS
    for mode in MODES
    if not (mode in (_events_v3, _aevents_v3) and payload in (structured_output, documents))  # those of chat models
]


@pytest.mark.parametrize(("payload", "mode"), CASES)
def test_no_clear_value_inside_and_all_outside(guard: LiminalGuard, payload: Payload, mode: Any) -> None:
    """Model, callbacks, traces and cache see placeholders only; the caller gets the values."""
    model, recorder, tracer = RecordingModel(), Recorder(), Tracer()
    run, value = payload(guard, model)
    config = {"callbacks": [recorder, tracer], "metadata": {"user": MAIL}, "tags": ["a"]}
    results = mode(run, value, config)
    cached = model.cache._cache
    assert clear_values([model.seen, recorder.seen, tracer.seen, cached]) == []
    assert model.seen
    assert recorder.seen
    assert tracer.seen
    for result in results:
        assert all(one in repr(result) for one in CLEAR), result
        assert "_0" not in str(getattr(result, "content", result)).replace("<", "")


@pytest.mark.parametrize("mode", [_invoke, _ainvoke, _stream, _astream], ids=lambda mode: mode.__name__[1:])
@pytest.mark.parametrize("kind", ["middleware", "tools"])
def test_agents(guard: LiminalGuard, kind: str, mode: Any) -> None:
    """An agent behind the guard: its tools get the values, its checkpoints, model, callbacks and traces do not."""
    model, recorder, tracer, saver = RecordingModel(), Recorder(), Tracer(), InMemorySaver()
    with_middleware = {"tools": [send], "middleware": [guard.middleware()]}
    options: Any = with_middleware if kind == "middleware" else {"tools": guard.tools([send])}
    agent: Any = guard.chain(create_agent(model, checkpointer=saver, **options))
    config = {"callbacks": [recorder, tracer], "configurable": {"thread_id": "1"}}
    mode(agent, {"messages": [("user", ASKED)]}, config)
    (result,) = mode(agent, {"messages": [("user", f"And again to {MAIL}")]}, config)
    assert clear_values([model.seen, recorder.seen, tracer.seen, _saved(saver)]) == []
    if mode in (_invoke, _ainvoke):
        assert [type(message) for message in result["messages"]] == [
            HumanMessage,
            AIMessage,
            ToolMessage,
            AIMessage,
        ] * 2
        assert result["messages"][1].tool_calls[0]["args"]["to"] == MAIL
        assert result["messages"][2].content.startswith(f"Sent to {MAIL}")
        assert all(one in result["messages"][3].content for one in CLEAR)


def _saved(saver: InMemorySaver) -> list[object]:
    return [saver.storage, saver.writes, saver.blobs]


async def test_agent_streams(guard: LiminalGuard) -> None:
    """Tokens of an agent's model come back with the values, in the same form as without the guard."""
    agent: Any = guard.chain(create_agent(RecordingModel(), guard.tools([send])))
    said = ""
    async for mode, payload in agent.astream({"messages": [("user", ASKED)]}, stream_mode=["messages", "updates"]):
        if mode == "messages" and isinstance(payload[0], AIMessageChunk):
            said += payload[0].text
        if mode == "updates":
            assert clear_values([payload])
    assert all(one in said for one in CLEAR)


@pytest.mark.parametrize("mode", [_invoke, _ainvoke], ids=lambda mode: mode.__name__[1:])
def test_middleware_alone(guard: LiminalGuard, mode: Any) -> None:
    """Without a guard around it, the agent's model and tool runs see placeholders, and its result has the values."""
    model, recorder = RecordingModel(), Recorder()
    agent: Any = create_agent(model, [send], middleware=[guard.middleware()])
    (result,) = mode(agent, {"messages": [("user", ASKED)]}, {"callbacks": [recorder]})
    inside = [event for event in recorder.seen if isinstance(event, tuple) and "chain" not in event[0]]
    assert clear_values([model.seen, inside]) == []
    assert all(one in result["messages"][-1].content for one in CLEAR)


def test_a_guarded_model_in_an_agent(guard: LiminalGuard) -> None:
    """The model alone behind the guard: the agent's state has the values, so its tools get them, too."""
    model = RecordingModel()
    agent: Any = create_agent(guard.model(model), [send])
    result = agent.invoke({"messages": [("user", ASKED)]})
    assert clear_values([model.seen]) == []
    assert all(one in result["messages"][-1].content for one in CLEAR)


# Tools and retrievers


def test_tools_validate_the_values(guard: LiminalGuard) -> None:
    """A tool whose schema refuses placeholders works, and so do artifacts, defaults and coroutines."""

    @tool(response_format="content_and_artifact")
    async def look_up(contact: Contact, limit: int = 3) -> tuple[str, Any]:
        """Look up a contact."""
        return f"{contact.to} {limit}", {"mail": MAIL, "handle": object()}

    guard.run(guard.cleansed(MAIL, Exchange()))
    (guarded,) = guard.tools([look_up])
    args = {"contact": {"to": "email_address_0", "others": []}}
    call: Any = {"type": "tool_call", "name": "look_up", "id": "1", "args": args}
    message = asyncio.run(guarded.ainvoke(call))
    assert message.content == "EMAIL_ADDRESS_0 3"
    assert message.artifact is None
    assert guarded.name == "look_up"
    assert guarded.args == look_up.args
    assert guard.tools([guarded]) == [guarded]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_errors_of_tools_show_no_value(guard: LiminalGuard, kind: str) -> None:
    """An error of a tool, also of validation, comes out with placeholders and without the error behind it."""

    @tool
    def fail(to: str, count: int) -> str:
        """Fail."""
        raise LookupError(f"no such user: {to}")

    guard.run(guard.cleansed(MAIL, Exchange()))
    (guarded,) = guard.tools([fail])
    recorder = Recorder()
    for args in ({"to": "EMAIL_ADDRESS_0", "count": 1}, {"to": "EMAIL_ADDRESS_0", "count": "EMAIL_ADDRESS_0"}):
        with pytest.raises(ToolException) as caught:
            if kind == "sync":
                guarded.invoke(args, {"callbacks": [recorder]})
            else:
                asyncio.run(guarded.ainvoke(args, {"callbacks": [recorder]}))
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
        assert clear_values([caught.value, recorder.seen]) == []
        assert "EMAIL_ADDRESS_0" in str(caught.value)


def test_interrupts_pass_with_placeholders(guard: LiminalGuard) -> None:
    """A tool asks a person: the question waits in the checkpoint with placeholders; the tool gets the answer."""

    @tool
    def confirm(to: str, others: list[str]) -> str:
        """Send after a person has agreed."""
        return f"{interrupt(f'Write to {to}?')} for {to}"

    saver = InMemorySaver()
    agent: Any = guard.chain(create_agent(RecordingModel(), guard.tools([confirm]), checkpointer=saver))
    config: Any = {"configurable": {"thread_id": "1"}}
    asked = agent.invoke({"messages": [("user", ASKED)]}, config)
    assert asked["__interrupt__"][0].value == f"Write to {MAIL}?"
    result = agent.invoke(Command(resume="Yes"), config)
    assert result["messages"][2].content == f"Yes for {MAIL}"
    assert clear_values(_saved(saver)) == []


def test_retrievers_search_for_the_values(guard: LiminalGuard) -> None:
    """The query has the values inside the retriever only, and documents keep ids and numbers."""
    records, recorder = Records(), Recorder()
    guard.run(guard.cleansed(MAIL, Exchange()))
    (document,) = guard.retriever(records).invoke("EMAIL_ADDRESS_0", {"callbacks": [recorder]})
    assert records.queries == [MAIL]
    assert clear_values([recorder.seen, document]) == []
    assert document.metadata == {"card": "CREDIT_CARD_0", "n": 1}
    assert document.id == "doc-1"


# Conversations, metadata, failures


def test_histories(guard: LiminalGuard) -> None:
    """A history with earlier answers, which have the values, gets the same placeholders again."""
    model = RecordingModel()
    guarded = guard.model(model)
    first = guarded.invoke(turn(ASKED))
    second = guarded.invoke([*turn(ASKED), first, HumanMessage(f"Now {MAIL} again")])
    history: Any = model.seen[-1]
    assert history[0][0].content == model.seen[0][0][0].content  # type: ignore[index]
    assert "Now EMAIL_ADDRESS_0 again" in repr(history)
    assert second.response_metadata["liminal"]["thread_id"] == guard.thread_id
    again = LiminalGuard(guard._client, thread_id=guard.thread_id).model(model).invoke("Who is EMAIL_ADDRESS_0?")
    assert MAIL in again.content


def test_findings_are_counts_and_types(guard: LiminalGuard) -> None:
    """The answer and the run's metadata say what was hidden, without any value."""
    recorder = Recorder()
    answer = guard.model(RecordingModel()).invoke(ASKED, {"callbacks": [recorder]})
    counts = {"CREDIT_CARD": 1, "EMAIL_ADDRESS": 1, "PHONE_NUMBER": 1}
    assert answer.response_metadata["liminal"] == {"thread_id": guard.thread_id, "findings": counts}
    assert "'liminal_findings': {" in repr(recorder.seen)
    streamed = _summed(list(guard.model(RecordingModel()).stream(ASKED)))[0]
    assert streamed.response_metadata["liminal"]["findings"] == counts


def test_media_is_refused(guard: LiminalGuard) -> None:
    """A picture cannot be looked into, so it is not passed on."""
    picture: Any = [{"type": "image", "base64": "aGk=", "mime_type": "image/png"}]
    model = RecordingModel()
    with pytest.raises(ValidationError, match="'image'"):
        guard.model(model).invoke([HumanMessage(picture)])
    assert model.seen == []


def test_nothing_runs_without_the_gateway() -> None:
    """While the gateway is unavailable, the guarded model is not called."""
    with LocalLumnis() as gone:
        client = Client(gone.liminal.base_url, token=gone.liminal.token, max_retries=0)
    model = RecordingModel()
    with client, pytest.raises(TransportError):
        LiminalGuard(client, model_instance=1).model(model).invoke(ASKED)
    assert model.seen == []


def test_errors_of_the_model_pass(guard: LiminalGuard) -> None:
    """An error inside is raised as it is; it knows placeholders only."""

    def fail(value: str) -> str:
        raise LookupError(value)

    with pytest.raises(LookupError) as caught:
        guard.chain(fail).invoke(ASKED)
    assert clear_values([caught.value]) == []


async def test_leaving_a_stream_ends_the_model(guard: LiminalGuard) -> None:
    """Closing the stream of the guard closes that of the model."""
    closed = []

    async def words(_: Any) -> Any:
        try:
            while True:
                yield "EMAIL_ADDRESS_0 "
        finally:
            closed.append(True)

    stream: Any = guard.chain(words).astream(ASKED)
    assert MAIL in await anext(stream)
    await stream.aclose()
    assert closed == [True]


def test_text_is_released_at_once(guard: LiminalGuard) -> None:
    """A stream waits only where a placeholder may come: each other piece is there before the next one is made."""
    made: list[str] = []

    def words(_: Any) -> Iterator[str]:
        for word in ("Hello ", "dear ", "EMAIL_", "ADDRESS_0", ", bye"):
            made.append(word)
            yield word

    chain: Any = guard.chain(words)
    seen = [(piece, len(made)) for piece in chain.stream(ASKED)]
    assert seen == [("Hello ", 1), ("dear ", 2), (f"{MAIL}, bye", 5)]


async def test_asyncio_clients(local: LocalLumnis) -> None:
    """A guard with an asyncio client serves both kinds of calls."""
    async with AsyncClient(local.liminal.base_url, token=local.liminal.token) as client:
        guard = LiminalGuard(client)
        model = RecordingModel()
        assert MAIL in (await guard.model(model).ainvoke(ASKED)).content
        assert MAIL in guard.model(model).invoke(ASKED).content
        assert clear_values([model.seen]) == []


def test_a_guarded_model_is_a_chat_model(guard: LiminalGuard, local: LocalLumnis, monkeypatch: Any) -> None:
    """It has the facts of the model that it guards, composes, answers old calls, and is pickled without a token."""
    model = RecordingModel()
    guarded = guard.model(model)
    assert isinstance(guarded, BaseChatModel)
    assert guarded._llm_type == "recording"
    answer = guarded.generate([turn(ASKED)]).generations[0][0].text
    assert all(one in answer for one in CLEAR)
    assert all(one in guarded.bind(stop=[MAIL]).invoke(ASKED).content for one in CLEAR)
    assert clear_values([model.seen]) == []
    raw: Any = guarded.with_structured_output(Contact, include_raw=True).invoke(ASKED)
    assert raw["parsed"].to == MAIL
    assert raw["parsing_error"] is None
    for name, value in local.liminal.environment().items():
        monkeypatch.setenv(name, value)
    data = pickle.dumps(LiminalGuard().model(model))
    assert local.liminal.token.encode() not in data
    assert MAIL in pickle.loads(data).invoke(ASKED).content


@pytest.mark.parametrize("method", ["model", "retriever"])
def test_wrong_things_are_named(guard: LiminalGuard, method: str) -> None:
    """What cannot be guarded is an error at once."""
    with pytest.raises(ValidationError, match="got str"):
        getattr(guard, method)("gpt")


def test_v3_events_are_those_of_models(guard: LiminalGuard) -> None:
    """Events of version 3 of a chain are refused, with a hint."""
    with warnings.catch_warnings(), pytest.raises(NotImplementedError):
        guard.chain(RunnableLambda(str)).stream_events(ASKED, version="v3")
