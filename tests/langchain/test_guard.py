"""LiminalGuard: no clear value reaches what it guards, and all come back, in every kind of call and of data."""

from __future__ import annotations

import asyncio
import pickle
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import ToolException, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

from lumnisai_core.exceptions import TransportError, ValidationError
from lumnisai_core.liminal import AsyncClient, Client
from lumnisai_core.local import LocalLumnis
from lumnisai_integrations._shared.privacy.guard import Exchange
from lumnisai_integrations.langchain import LiminalGuard
from tests.langchain.guarding import (
    MODES,
    PAYLOADS,
    Contact,
    Payload,
    Question,
    Records,
    abatch,
    aevents_v3,
    ainvoke,
    astream,
    batch,
    documents,
    events_v3,
    invoke,
    send,
    stream,
    summed,
)
from tests.langchain.recording import Recorder, RecordingModel, Tracer, turn
from tests.shared.guarded import CLEAR, MAIL, MESSAGE, clear_values, gateway_client

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


CASES = [
    pytest.param(payload, mode, id=f"{payload.__name__}-{mode.__name__}")
    for payload in PAYLOADS
    for mode in MODES
    if not (mode in (events_v3, aevents_v3) and payload is documents)  # LangChain has them for models and graphs
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


@pytest.mark.parametrize(
    "mode", [mode for mode in MODES if mode not in (batch, abatch)], ids=lambda mode: mode.__name__
)
@pytest.mark.parametrize("kind", ["middleware", "tools"])
def test_agents(guard: LiminalGuard, kind: str, mode: Any) -> None:
    """An agent behind the guard: its tools get the values, its checkpoints, model, callbacks and traces do not."""
    model, recorder, tracer, saver = RecordingModel(), Recorder(), Tracer(), InMemorySaver()
    with_middleware = {"tools": [send], "middleware": [guard.middleware()]}
    options: Any = with_middleware if kind == "middleware" else {"tools": guard.tools([send])}
    agent: Any = guard.chain(create_agent(model, checkpointer=saver, **options))
    config = {"callbacks": [recorder, tracer], "configurable": {"thread_id": "1"}}
    mode(agent, {"messages": [("user", MESSAGE)]}, config)
    (result,) = mode(agent, {"messages": [("user", f"And again to {MAIL}")]}, config)
    assert clear_values([model.seen, recorder.seen, tracer.seen, _saved(saver)]) == []
    if mode not in (stream, astream):
        assert [type(message) for message in result["messages"]] == [
            HumanMessage,
            AIMessage,
            ToolMessage,
            AIMessage,
        ] * 2
        assert result["messages"][1].tool_calls[0]["args"]["to"] == MAIL
        assert result["messages"][2].content.startswith(f"Sent to {MAIL}")
        assert all(one in result["messages"][3].text for one in CLEAR)


def _saved(saver: InMemorySaver) -> list[object]:
    return [saver.storage, saver.writes, saver.blobs]


async def test_agent_streams(guard: LiminalGuard) -> None:
    """Tokens of an agent's model come back with the values, in the same form as without the guard."""
    agent: Any = guard.chain(create_agent(RecordingModel(), guard.tools([send])))
    said = ""
    async for mode, payload in agent.astream({"messages": [("user", MESSAGE)]}, stream_mode=["messages", "updates"]):
        if mode == "messages" and isinstance(payload[0], AIMessageChunk):
            said += payload[0].text
        if mode == "updates":
            assert clear_values([payload])
    assert all(one in said for one in CLEAR)


@pytest.mark.parametrize("mode", [invoke, ainvoke], ids=lambda mode: mode.__name__)
def test_middleware_alone(guard: LiminalGuard, mode: Any) -> None:
    """Without a guard around it, the agent's model and tool runs see placeholders, and its result has the values."""
    model, recorder = RecordingModel(), Recorder()
    agent: Any = create_agent(model, [send], middleware=[guard.middleware()])
    (result,) = mode(agent, {"messages": [("user", MESSAGE)]}, {"callbacks": [recorder]})
    inside = [event for event in recorder.seen if isinstance(event, tuple) and "chain" not in event[0]]
    assert clear_values([model.seen, inside]) == []
    assert all(one in result["messages"][-1].content for one in CLEAR)


@pytest.mark.parametrize("mode", [invoke, ainvoke], ids=lambda mode: mode.__name__)
def test_middleware_alone_warns_of_checkpoints(guard: LiminalGuard, mode: Any) -> None:
    """It cannot clean the first and the last checkpoint; behind the guard all are clean, and nothing warns."""
    saver, payload = InMemorySaver(), {"messages": [("user", MESSAGE)]}
    agent: Any = create_agent(RecordingModel(), [send], middleware=[guard.middleware()], checkpointer=saver)
    with pytest.warns(UserWarning, match=r"Call guard\.chain\(agent\)"):
        mode(agent, payload, {"configurable": {"thread_id": "1"}})
    assert clear_values(_saved(saver))
    saver.storage.clear()
    saver.writes.clear()
    saver.blobs.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        mode(guard.chain(agent), payload, {"configurable": {"thread_id": "2"}})
        unsaved: Any = create_agent(RecordingModel(), [send], middleware=[guard.middleware()])
        mode(unsaved, payload, {"configurable": {"thread_id": "3"}})
    assert clear_values(_saved(saver)) == []


def test_a_guarded_model_in_an_agent(guard: LiminalGuard) -> None:
    """The model alone behind the guard: the agent's state has the values, so its tools get them, too."""
    model = RecordingModel()
    agent: Any = create_agent(guard.model(model), [send])
    result = agent.invoke({"messages": [("user", MESSAGE)]})
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
    waiting = agent.invoke({"messages": [("user", MESSAGE)]}, config)
    assert waiting["__interrupt__"][0].value == f"Write to {MAIL}?"
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
    first = guarded.invoke(turn(MESSAGE))
    second = guarded.invoke([*turn(MESSAGE), first, HumanMessage(f"Now {MAIL} again")])
    history: Any = model.seen[-1]
    assert history[0][0].content == model.seen[0][0][0].content  # type: ignore[index]
    assert "Now EMAIL_ADDRESS_0 again" in repr(history)
    assert second.response_metadata["liminal"]["thread_id"] == guard.thread_id
    again = LiminalGuard(guard._client, thread_id=guard.thread_id).model(model).invoke("Who is EMAIL_ADDRESS_0?")
    assert MAIL in again.content


def test_findings_are_counts_and_types(guard: LiminalGuard) -> None:
    """The answer and the run's metadata say what was hidden, without any value."""
    recorder = Recorder()
    answer = guard.model(RecordingModel()).invoke(MESSAGE, {"callbacks": [recorder]})
    counts = {"CREDIT_CARD": 1, "EMAIL_ADDRESS": 1, "PHONE_NUMBER": 1}
    assert answer.response_metadata["liminal"] == {"thread_id": guard.thread_id, "findings": counts}
    assert "'liminal_findings': {" in repr(recorder.seen)
    streamed = summed(list(guard.model(RecordingModel()).stream(MESSAGE)))[0]
    assert streamed.response_metadata["liminal"]["findings"] == counts


def test_media_is_refused(guard: LiminalGuard) -> None:
    """A picture cannot be looked into, so it is not passed on."""
    picture: Any = [{"type": "image", "base64": "aGk=", "mime_type": "image/png"}]
    model = RecordingModel()
    for message in (HumanMessage(picture), {"role": "user", "content": picture}):
        with pytest.raises(ValidationError, match="'image'"):
            guard.model(model).invoke([message])
    assert model.seen == []


def test_nothing_runs_without_the_gateway() -> None:
    """While the gateway is unavailable, the guarded model is not called."""
    with LocalLumnis() as gone:
        client = Client(gone.liminal.base_url, token=gone.liminal.token, max_retries=0)
    model = RecordingModel()
    with client, pytest.raises(TransportError):
        LiminalGuard(client, model_instance=1).model(model).invoke(MESSAGE)
    assert model.seen == []


def test_errors_of_the_model_pass(guard: LiminalGuard) -> None:
    """An error inside is raised as it is; it knows placeholders only."""

    def fail(value: str) -> str:
        raise LookupError(value)

    with pytest.raises(LookupError) as caught:
        guard.chain(fail).invoke(MESSAGE)
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

    stream: Any = guard.chain(words).astream(MESSAGE)
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
    seen = [(piece, len(made)) for piece in chain.stream(MESSAGE)]
    assert seen == [("Hello ", 1), ("dear ", 2), (f"{MAIL}, bye", 5)]


async def test_asyncio_clients(local: LocalLumnis) -> None:
    """A guard with an asyncio client serves both kinds of calls."""
    async with AsyncClient(local.liminal.base_url, token=local.liminal.token) as client:
        guard = LiminalGuard(client)
        model = RecordingModel()
        assert MAIL in (await guard.model(model).ainvoke(MESSAGE)).content
        assert MAIL in guard.model(model).invoke(MESSAGE).content
        assert clear_values([model.seen]) == []


def test_a_guarded_model_is_a_chat_model(guard: LiminalGuard, local: LocalLumnis, monkeypatch: Any) -> None:
    """It has the facts of the model that it guards, composes, answers old calls, and is pickled without a token."""
    model = RecordingModel()
    guarded = guard.model(model)
    assert isinstance(guarded, BaseChatModel)
    assert guarded._llm_type == "recording"
    answer = guarded.generate([turn(MESSAGE)]).generations[0][0].text
    assert all(one in answer for one in CLEAR)
    assert all(one in guarded.bind(stop=[MAIL]).invoke(MESSAGE).content for one in CLEAR)
    assert clear_values([model.seen]) == []
    raw: Any = guarded.with_structured_output(Contact, include_raw=True).invoke(MESSAGE)
    assert raw["parsed"].to == MAIL
    assert raw["parsing_error"] is None
    for name, value in local.liminal.environment().items():
        monkeypatch.setenv(name, value)
    data = pickle.dumps(LiminalGuard().model(model))
    assert local.liminal.token.encode() not in data
    assert MAIL in pickle.loads(data).invoke(MESSAGE).content


@pytest.mark.parametrize("method", ["model", "retriever"])
def test_wrong_things_are_named(guard: LiminalGuard, method: str) -> None:
    """What cannot be guarded is an error at once."""
    with pytest.raises(ValidationError, match="got str"):
        getattr(guard, method)("gpt")


def test_v3_events_are_those_of_models_and_graphs(guard: LiminalGuard) -> None:
    """LangChain has events of version 3 for models and graphs; those of other chains are refused as it does."""
    with pytest.raises(NotImplementedError):
        guard.chain(RunnableLambda(str)).stream_events(MESSAGE, version="v3")


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_leaving_a_typed_stream_ends_the_graph(guard: LiminalGuard, kind: str) -> None:
    """Aborting the v3 run of a guarded graph stops the graph."""
    steps: list[int] = []

    def step(state: Question) -> dict[str, Any]:
        steps.append(len(steps))
        return {"answer": state["question"]}

    builder = StateGraph(Question).add_node("step", step).add_edge(START, "step")
    run: Any = guard.chain(builder.add_conditional_edges("step", lambda _: "step").compile())

    async def left() -> Any:
        async with await run.astream_events({"question": MESSAGE}, version="v3") as stream:
            async for values in stream.values:
                if values.get("answer"):
                    return values
        return None

    if kind == "sync":
        with run.stream_events({"question": MESSAGE}, version="v3") as stream:
            values = next(values for values in stream.values if values.get("answer"))
    else:
        values = asyncio.run(left())
    assert values["answer"] == MESSAGE
    assert len(steps) < 5
